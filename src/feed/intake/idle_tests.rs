//! Sources that bring pictures of which none is shown.

use super::*;
use crate::cadence::Placed;
use crate::feed::Pace;
use crate::feed::intake::Intake;
use crate::frame::{Colour, Picture};
use crate::timeline::{FrameNumber, Grid};

const FRAME_NANOS: i64 = 1_000_000_000 / 30;

fn picture() -> Picture {
    Picture::from_planes(16, 16, Colour::CANVAS, [vec![16; 256], vec![128; 64], vec![128; 64]]).unwrap()
}

struct Source {
    intake: Intake,
    grid: Grid,
    run: u64,
    frame: FrameNumber,
}

impl Source {
    fn new(timing: Timing) -> Self {
        let grid = Grid::new("30".parse().unwrap(), 60);
        let intake = Intake::new(&grid, Pace::Realtime);
        let run = intake.begin(timing);
        Self { intake, grid, run, frame: 1_000_000 }
    }

    fn now(&self) -> MediaTime {
        self.grid.frame_time(self.frame)
    }

    /// Brings a picture that is due at `at` of the source's time, where there is room for it.
    fn brings(&self, at: i64) {
        if self.intake.is_live() || !self.intake.state.lock().pictures.is_full() {
            self.intake.push_picture(self.run, at, picture(), None, self.now()).unwrap();
        }
    }

    /// For how many seconds nothing new was shown after `ticks` of which each brings a picture that is due `at` so many frames.
    fn unseen_s(&mut self, ticks: i64, at: impl Fn(i64) -> i64) -> f64 {
        for n in 0..ticks {
            self.brings(at(n) * FRAME_NANOS);
            self.intake.pick(self.now());
            self.frame += 1;
        }
        self.intake.unseen_for(self.now()).1.as_secs_f64()
    }

    fn idle_s(&self) -> f64 {
        let long_ago = (Instant::now(), MediaTime::ZERO);
        self.intake.idle_since(long_ago, self.now()).1.as_secs_f64()
    }
}

#[test]
fn pictures_whose_time_goes_round_in_a_circle_arrive_and_are_not_shown() {
    for timing in [Timing::Pulled, Timing::Live(Duration::from_millis(400))] {
        let mut source = Source::new(timing);
        let unseen = source.unseen_s(150, |n| n % 4);
        assert!((3.0..5.0).contains(&unseen), "{timing:?}: {unseen}");
        assert!(source.idle_s() < 0.1, "by what arrives nothing is wrong");
        // Another run of it, with times that go on.
        source.run = source.intake.begin(timing);
        assert!(source.unseen_s(150, |n| n) < 0.1, "{timing:?}");
    }
}

#[test]
fn pictures_that_are_never_due_fill_the_queue_of_a_pulled_source_and_are_not_shown() {
    let mut source = Source::new(Timing::Pulled);
    assert!(source.unseen_s(30, |n| n) < 0.1);
    let unseen = source.unseen_s(150, |n| 3_000_000 + n);
    assert!((3.0..5.0).contains(&unseen), "{unseen}");
    assert_eq!(source.idle_s(), 0.0, "it waits for us");
}

#[test]
fn a_source_that_is_early_or_late_on_purpose_is_waited_for() {
    let mut early = Source::new(Timing::Live(Duration::from_secs(2)));
    assert_eq!(early.unseen_s(59, |n| n), 0.0, "it is not due yet");
    assert!(early.unseen_s(150, |n| 59 + n) < 0.1);
    let mut late = Source::new(Timing::Pulled);
    late.unseen_s(30, |n| n);
    late.intake.delay_to(6_000_000_000, true);
    assert!(late.unseen_s(150, |n| 30 + n) < 0.1, "it is held");
}

#[test]
fn a_hole_in_which_sound_plays_is_no_stall_and_ticks_that_do_not_come_are_none() {
    let mut source = Source::new(Timing::Pulled);
    source.unseen_s(30, |n| n);
    let began = 30 * FRAME_NANOS;
    let place = Placed { at: began + 60_000_000_000, raw: 0, step: Step::Hole(began) };
    source.intake.push_sound(source.run, began, &vec![1000; 2 * 48_000 * 10]).unwrap();
    while !source.intake.state.lock().pictures.is_full() {
        let at = source.intake.state.lock().pictures.newest_at().unwrap().max(place.at) + FRAME_NANOS;
        source.intake.push_picture(source.run, Placed { at, ..place }, picture(), None, source.now()).unwrap();
    }
    assert!(source.unseen_s(150, |_| 0) < 0.1, "its sound is heard");
    let unseen = source.unseen_s(300, |_| 0);
    assert!(unseen > 3.0, "nothing is: {unseen}");
    // The tick stood still for a minute.
    let before = source.intake.unseen_for(source.now()).1;
    source.frame += 1800;
    source.unseen_s(1, |_| 0);
    assert_eq!(source.intake.unseen_for(source.now()).1, before);
}
