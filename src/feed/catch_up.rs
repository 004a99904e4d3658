//! Making up for a hold-up of a playlist that goes on: what it had meanwhile is left out. Its game would be later by as much for good, and each hold-up
//! would add to that.
//!
//! The clock stays where it was, so that pictures are late until those of now are there: they are decoded as fast as they can be. A source that does not
//! come nearer to its time is left where it is.

use std::time::Duration;

use crate::timeline::MediaTime;

/// What is later than this is not worth decoding; a playlist's client leaps by itself then.
const MOST_NANOS: i64 = 20_000_000_000;
/// Half of what was held up, and so much: decoders that are twice as fast as their pictures are waited for.
const GRACE: Duration = Duration::from_secs(2);
/// No picture for as long: nothing comes any more.
const PATIENCE: Duration = Duration::from_millis(700);

#[derive(Clone, Copy, Debug)]
struct Begun {
    until: MediaTime,
    /// When a picture came last that was not shown before.
    fresh: MediaTime,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct CatchUp {
    /// The source goes on elsewhere, whatever is done here.
    lives: bool,
    begun: Option<Begun>,
}

impl CatchUp {
    pub fn restart(&mut self) {
        *self = Self::default();
    }

    pub fn set_lives(&mut self, lives: bool) {
        self.lives = lives;
    }

    pub fn lives(&self) -> bool {
        self.lives
    }

    pub fn is_under_way(&self) -> bool {
        self.begun.is_some()
    }

    /// Whether a source is waited for at `tick` whose picture is late by `age` (ns), at least `late_from`; whether it is shown for the first time is `fresh`.
    pub fn waits(&mut self, tick: MediaTime, age: i64, late_from: i64, fresh: bool) -> bool {
        if !self.lives || age > MOST_NANOS || (fresh && age < late_from) {
            self.begun = None;
            return false;
        }
        if self.begun.is_none() && fresh {
            let half = Duration::from_nanos(age.unsigned_abs() / 2);
            self.begun = Some(Begun { until: tick + half + GRACE, fresh: tick });
        }
        let Some(begun) = &mut self.begun else { return false };
        if fresh {
            begun.fresh = tick;
        }
        let waits = tick < begun.until && tick.since(begun.fresh) < PATIENCE;
        if !waits {
            self.begun = None;
        }
        waits
    }
}

#[cfg(test)]
mod tests {
    use super::super::Pace;
    use super::super::intake::{Intake, Timing};
    use crate::frame::{Colour, Picture};
    use crate::timeline::{FrameNumber, Grid};

    const FRAME_NANOS: i64 = 1_000_000_000 / 30;
    /// A live playlist is followed two seconds behind its end.
    const BEHIND: i64 = 60;

    /// A source that has all pictures up to two seconds ago.
    struct Playlist {
        intake: Intake,
        grid: Grid,
        run: u64,
        frame: FrameNumber,
        began: FrameNumber,
        /// The next picture that is to be handed over, and the next sound as long as a picture.
        next: i64,
        heard: i64,
        /// Pictures that are decoded in one tick at most.
        speed: usize,
    }

    impl Playlist {
        fn new(lives: bool, speed: usize) -> Self {
            let grid = Grid::new("30".parse().unwrap(), 60);
            let intake = Intake::new(&grid, Pace::Realtime);
            let run = intake.begin(Timing::Pulled);
            intake.set_lives(run, lives);
            Self { intake, grid, run, frame: 1_000_000, began: 1_000_000 - BEHIND as u64, next: 0, heard: 0, speed }
        }

        fn decode(&mut self) {
            let there = (self.frame - self.began) as i64;
            for _ in 0..self.speed {
                if self.heard < there && !self.intake.state.lock().sound_has_to_wait() {
                    self.intake.push_sound(self.run, self.heard * FRAME_NANOS, &[1000; 3200]).unwrap();
                    self.heard += 1;
                }
                if self.next >= there || self.intake.state.lock().pictures.is_full() {
                    return;
                }
                let planes = [vec![16; 256], vec![128; 64], vec![128; 64]];
                let picture = Picture::from_planes(16, 16, Colour::CANVAS, planes).unwrap();
                let now = self.grid.frame_time(self.frame);
                self.intake.push_picture(self.run, self.next * FRAME_NANOS, picture, None, now).unwrap();
                self.next += 1;
            }
        }

        /// How much later than at first what is shown is, in frames, at each of so many ticks; `None` for the slate. And at which of them there was no sound.
        fn play(&mut self, ticks: u64) -> (Vec<Option<i64>>, Vec<u64>) {
            let (mut late, mut quiet) = (Vec::new(), Vec::new());
            for at in 0..ticks {
                self.decode();
                let tick = self.grid.frame_time(self.frame);
                let pick = self.intake.pick(tick);
                let want = self.intake.state.lock().clock.source_at(tick);
                let shown = pick.zip(want).map(|(pick, want)| want - pick.age);
                let now = (self.frame - self.began) as i64 - BEHIND;
                late.push(shown.map(|at| now - (at + FRAME_NANOS / 2) / FRAME_NANOS));
                let samples = self.grid.sample_at_frame(self.frame)..self.grid.sample_at_frame(self.frame + 1);
                let (sound, _) = self.intake.sound(samples);
                if sound.interleaved.iter().all(|sample| *sample == 0) {
                    quiet.push(at);
                }
                self.frame += 1;
            }
            (late, quiet)
        }
    }

    #[test]
    fn what_a_playlist_that_goes_on_had_during_a_hold_up_is_left_out() {
        let mut playlist = Playlist::new(true, 6);
        let before = playlist.play(90).0[89].unwrap();
        // Stopped for four seconds, and again.
        for _ in 0..3 {
            playlist.frame += 120;
            let (after, quiet) = playlist.play(90);
            assert!(after.iter().all(Option::is_some), "no slate: {after:?}");
            assert!(after[45..].iter().all(|late| (late.unwrap() - before).abs() <= 1), "{before}: {after:?}");
            assert!(quiet.iter().all(|at| *at < 45), "{quiet:?}");
            let state = &playlist.intake;
            assert_eq!((state.sound_trouble(), state.sound_losses()), (None, 0));
            assert!(!state.take_resettling(playlist.run) && state.av_offset_ms().unwrap().abs() < 20.0);
        }
    }

    #[test]
    fn nothing_of_a_file_is_left_out() {
        let mut file = Playlist::new(false, 6);
        let before = file.play(90).0[89].unwrap();
        file.frame += 120;
        let after = file.play(90).0;
        assert!((after[89].unwrap() - before - 120).abs() <= 10, "{before}: {after:?}");
    }

    #[test]
    fn a_decoder_that_is_too_slow_for_it_goes_on_from_where_it_is() {
        let mut playlist = Playlist::new(true, 1);
        let before = playlist.play(90).0[89].unwrap();
        playlist.frame += 120;
        let after = playlist.play(240).0;
        let last = after[239].unwrap();
        assert!(last - before >= 100, "{before}: {after:?}");
        assert!(after[180..].iter().all(|late| (late.unwrap() - last).abs() <= 1), "steady again: {after:?}");
    }

    #[test]
    fn a_playlist_that_ends_meanwhile_is_waited_for_no_longer_than_any_other() {
        let mut playlist = Playlist::new(true, 6);
        playlist.play(90);
        playlist.frame += 120;
        playlist.speed = 0;
        let after = playlist.play(60).0;
        let shown = after.iter().take_while(|late| late.is_some()).count();
        assert!((15..30).contains(&shown), "{after:?}");
        assert!(after[shown..].iter().all(Option::is_none), "{after:?}");
    }
}
