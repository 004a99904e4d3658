//! What is put down ahead of time, and how fast it comes all the same.

use std::task::{Context, Poll, Waker};

use crate::mosaic::testing::{FIRST, House, Plan};
use crate::mosaic::{EngineKind, MosaicId, Mosaics};
use crate::track::{Block, Held, LEAD_IN_SEGMENTS, Pending, Position, TrackName, stand_in};

/// Frames that the house's encoders would hold back, if they held back any.
const HELD_BACK: usize = 2;

/// A mosaic in which a stand-in takes `games`' place where they have a `~`, whose blocks lie on the shelf far ahead.
fn laid(house: &House, layout: &str, games: &[&str]) -> MosaicId {
    let stands_in = stand_in("tv", "slate.1");
    let games: Vec<&str> = games.iter().map(|game| if *game == "~" { &*stands_in } else { *game }).collect();
    let id = house.want(EngineKind::Stitch, layout, &games).unwrap().id;
    for tile in house.registry.tiles_of(&house.spec(layout, &games), &stands_in) {
        let track = house.shared.shelf.track(&TrackName::Tile(tile));
        for segment in FIRST - LEAD_IN_SEGMENTS..FIRST + 30 {
            for part in 0..house.grid.parts() {
                track.append(Position::new(segment, part), Block::Sound([].into()));
            }
        }
    }
    id
}

fn held(house: &House, id: &MosaicId) -> Held {
    pollster::block_on(house.registry.held(id))
}

fn is_ready(waiting: &mut Pending<'_, ()>) -> bool {
    matches!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(()))
}

#[test]
fn what_is_put_down_ahead_comes_when_it_would_if_it_were_encoded() {
    let house = House::new(&Plan::default());
    house.register("a");
    let live = house.want(EngineKind::Stitch, "1", &["a"]).unwrap().id;
    let (alone, both) = (laid(&house, "1", &["~"]), laid(&house, "2EH", &["~", "~"]));
    let beside = laid(&house, "2EH", &["~", "a"]);
    assert_eq!((held(&house, &alone).whole.newest(), held(&house, &both).come_to), (None, None), "nothing has ticked");
    house.finish(2);
    let mut before = Vec::new();
    for _ in 0..60 {
        house.tick(1);
        let its = held(&house, &live);
        before.push(its.clone());
        let Some(then) = before.len().checked_sub(HELD_BACK + 1).map(|nth| before[nth].clone()) else { continue };
        for id in [&alone, &both] {
            let Held { whole, come_to } = held(&house, id);
            assert_eq!((whole.newest(), come_to), (then.whole.newest(), then.come_to), "frame {}", house.next());
            assert_eq!(whole.oldest(), Some(FIRST - LEAD_IN_SEGMENTS));
            // Nothing that is listed lies after now.
            assert!(house.grid.first_frame(whole.newest().unwrap() + 1) <= house.next());
        }
        assert_eq!(held(&house, &beside).come_to, its.come_to, "beside a game it goes as that goes");
    }
}

#[test]
fn who_waits_for_what_was_put_down_ahead_waits_until_it_is_due() {
    let house = House::new(&Plan::default());
    let (alone, other) = (laid(&house, "1", &["~"]), laid(&house, "2EH", &["~", "~"]));
    let bridge = house.registry.bridge(&alone, &other, 1).unwrap();
    house.finish(2);
    for at in [Position::new(FIRST + 4, 0), Position::new(FIRST + 4, 1), Position::new(FIRST + 5, 0)] {
        let mut waiting = [&alone, &other, &bridge].map(|id| house.registry.wait(id, at));
        while held(&house, &alone).come_to < Some(at) {
            assert!(waiting.iter_mut().all(|waiting| !is_ready(waiting)), "{at:?} at frame {}", house.next());
            house.tick(1);
        }
        assert!(waiting.iter_mut().all(is_ready), "{at:?}");
        assert!(house.next() >= house.grid.first_frame(FIRST + 4), "{at:?} at frame {}", house.next());
        assert_eq!(held(&house, &bridge).come_to, Some(at));
    }
}
