//! The tick's own thread: what it catches up on, and that nothing holds it up.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::Mutex;

use crate::compositor::solid;
use crate::mosaic::testing::{House, Order, Plan};
use crate::mosaic::{EngineKind, GamePictures, Games, Ticker, TickerSettings};
use crate::timeline::FrameNumber;

/// Two games, and the frames that they were asked for.
#[derive(Default)]
struct TwoGames {
    asked: Mutex<Vec<FrameNumber>>,
}

impl Games for TwoGames {
    fn tick(&self, frame: FrameNumber) -> GamePictures {
        self.asked.lock().push(frame);
        let picture = solid(64, 64, [1, 2, 3]).unwrap();
        let running = ["a", "b"].map(|game| (game.into(), picture.clone()));
        GamePictures { running: running.into(), ..GamePictures::default() }
    }
}

fn ticker(house: &House, games: &Arc<TwoGames>) -> Ticker {
    let settings = TickerSettings {
        grid: house.grid,
        clock: house.clock.clone(),
        metrics: house.metrics.clone(),
        games: games.clone(),
        registry: house.registry.clone(),
        compositor: house.floor.clone(),
    };
    Ticker::start(settings, house.next()).unwrap()
}

/// Moves the clock by so many frames and waits until the tick is there.
fn crank(house: &House, ticker: &Ticker, frames: u64) {
    let frame = house.grid.frame_at(house.now()) + frames;
    house.clock.advance_to(house.grid.frame_time(frame));
    house.until("it ticks", || ticker.position() == frame + 1);
}

#[test]
fn a_tick_that_was_held_up_catches_up_on_sixty_frames_and_goes_on_with_the_present_after_more() {
    let house = House::new(&Plan { mosaic_cores: 0.1, ..Plan::default() });
    let games = Arc::new(TwoGames::default());
    let ticker = ticker(&house, &games);
    let first = house.next();
    crank(&house, &ticker, 1);
    house.want(EngineKind::Render, "1", &["a"]).unwrap();
    crank(&house, &ticker, 61);
    assert_eq!(*games.asked.lock(), (first..=first + 62).collect::<Vec<_>>(), "none is lost");
    assert!(house.want(EngineKind::Render, "1", &["b"]).is_err(), "a machine at its end takes nobody in");
    crank(&house, &ticker, 62);
    assert_eq!(games.asked.lock().last(), Some(&(first + 124)));
    assert_eq!(games.asked.lock().len(), 64, "61 are lost");
    house.settle();
}

#[test]
fn the_tick_goes_on_while_encoders_stand_still_and_while_a_thread_is_waited_for() {
    let house = Arc::new(House::new(&Plan::default()));
    let games = Arc::new(TwoGames::default());
    let ticker = ticker(&house, &games);
    crank(&house, &ticker, 1);
    house.encoders.order(Order::StandStillAtOpen);
    house.want(EngineKind::Render, "2EH", &["a", "b"]).unwrap();
    house.want(EngineKind::Stitch, "2EH", &["a", "b"]).unwrap();
    (0..60).for_each(|_| crank(&house, &ticker, 1));
    // The system takes its time with a thread, for a request and for the sweep behind it.
    house.threads.is_stuck.store(true, Ordering::Release);
    let waits = |engine| {
        let house = house.clone();
        std::thread::spawn(move || house.want(engine, "1", &["a"]).map(|placement| placement.engine))
    };
    let waiting = [waits(EngineKind::Render), waits(EngineKind::Stitch)];
    house.until("both wait for a thread", || house.threads.waiting.load(Ordering::Acquire) == 2);
    (0..60).for_each(|_| crank(&house, &ticker, 1));
    house.threads.is_stuck.store(false, Ordering::Release);
    for request in waiting {
        assert!(request.join().unwrap().is_ok());
    }
    house.encoders.order(Order::Work);
    assert_eq!(games.asked.lock().len(), 122, "every frame ticked");
}
