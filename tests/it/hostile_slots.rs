//! Every kind of hostile source in a slot of its own, on a clock that is cranked, decoded inside and apart: each slot shows its slate and says why, and
//! the game beside them has every picture. What it costs a service that is watched is measured by `hostile_feeds`, with the real program.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quadrille::feed::{Apart, Decoding, Feed, FeedSpec, Outcome, Pace};
use quadrille::reach::{Reach, Rules};
use quadrille::timeline::{Clock, FrameNumber, Grid, MediaTime, SimulatedClock};
use serde_json::{Value, json};
use url::Url;

use crate::support::barcode::Clip;
use crate::support::hostile_servers::PUBLIC;
use crate::support::hostile_sources::{Hostile, files, mutations, places, servers};

const START: MediaTime = MediaTime::from_secs(91_000_000);
/// Sources that run at once.
const AT_ONCE: usize = 8;
/// Real time that a source may take to be found out.
const PATIENCE: Duration = Duration::from_secs(60);
/// Ticks for which something that may also play is looked at.
const LOOKED_AT: u64 = 120;
/// Of each container.
const FEW: u64 = 8;
const MANY: u64 = 200;

/// Slots on one clock.
struct Slots {
    clock: Arc<SimulatedClock>,
    grid: Grid,
    frame: FrameNumber,
    decoding: Decoding,
    good: Arc<Feed>,
}

impl Slots {
    fn new(dir: &Path, is_apart: bool) -> Self {
        quadrille::feed::init().unwrap();
        std::fs::create_dir_all(dir.join("media")).unwrap();
        let rules = Rules {
            networks: vec![format!("{PUBLIC}/32").parse().unwrap()],
            media_dirs: vec![dir.join("media")],
            ..Rules::default()
        };
        let apart =
            is_apart.then(|| Arc::new(Apart::new(env!("CARGO_BIN_EXE_quadrille").into(), vec!["feed-child".into()])));
        let decoding = Decoding { reach: Reach::new(rules, [None; 2]), apart, ..Decoding::unlimited() };
        let grid = Grid::new("30".parse().unwrap(), 30);
        let clock = Arc::new(SimulatedClock::new(START));
        let clip = dir.join("media/good.mp4");
        Clip { width: 320, height: 180, ..Clip::new(1, 60, 500) }.write(&clip);
        let good = format!("file://{}", clip.display());
        let good = feed(&good, grid, &clock, Pace::Lockstep, &decoding);
        let frame = grid.frame_at(START);
        let mut slots = Self { clock, grid, frame, decoding, good };
        let begun = Instant::now();
        while slots.tick() != Outcome::OnTime {
            assert!(begun.elapsed() < PATIENCE, "{:?}", slots.good.health());
        }
        slots
    }

    fn tick(&mut self) -> Outcome {
        self.clock.advance_to(self.grid.frame_time(self.frame));
        let outcome = self.good.picture_at(self.frame).outcome;
        self.good.sound_at(self.samples());
        outcome
    }

    fn samples(&self) -> std::ops::Range<u64> {
        self.grid.sample_at_frame(self.frame)..self.grid.sample_at_frame(self.frame + 1)
    }

    /// Shows sources beside the good one, until each has said why it is dark; those that do not say so as they are to.
    fn show(&mut self, hostile: &[Hostile]) -> Vec<String> {
        let feeds: Vec<_> = hostile
            .iter()
            .map(|one| feed(&one.sources[0], self.grid, &self.clock, Pace::Realtime, &self.decoding))
            .collect();
        let (begun, first) = (Instant::now(), self.frame);
        let mut said = vec![Value::Null; hostile.len()];
        loop {
            self.frame += 1;
            assert_eq!(self.tick(), Outcome::OnTime, "{:?}", self.good.health());
            for ((feed, one), said) in feeds.iter().zip(hostile).zip(&mut said) {
                let pick = feed.picture_at(self.frame);
                feed.sound_at(self.samples());
                assert!(one.reasons.is_empty() || pick.outcome == Outcome::Slate, "{} is shown", one.name);
                let health = feed.health();
                let reason = json!(health.reason);
                // A source that is tried again says for a moment that it connects.
                if !one.is_known(&said["reason"]) && health.last_error.is_some() {
                    *said = json!({"reason": reason, "error": health.last_error});
                }
            }
            let is_done = |(said, one): (&Value, &Hostile)| match one.reasons {
                [] => self.frame - first > LOOKED_AT,
                _ => one.is_known(&said["reason"]),
            };
            if said.iter().zip(hostile).all(is_done) || begun.elapsed() >= PATIENCE {
                break;
            }
            // Threads and processes of theirs have their turn.
            std::thread::sleep(Duration::from_millis(5));
        }
        for (feed, one) in feeds.iter().zip(hostile) {
            // What a process brings is checked, and what it reads is not to break it.
            let ended = feed.health().child.and_then(|child| child.ended);
            assert_eq!(ended, None, "{}: {:?}", one.name, feed.health());
            feed.stop();
        }
        let misnamed = said.iter().zip(hostile).filter(|(said, one)| {
            println!("{}: {said}", one.name);
            !one.reasons.is_empty() && !one.is_known(&said["reason"])
        });
        misnamed.map(|(said, one)| format!("{} is to say one of {:?}: {said}", one.name, one.reasons)).collect()
    }

    fn show_all(dir: &Path, is_apart: bool, hostile: &[Hostile]) {
        let mut slots = Self::new(dir, is_apart);
        let misnamed: Vec<_> = hostile.chunks(AT_ONCE).flat_map(|some| slots.show(some)).collect();
        assert!(misnamed.is_empty(), "{misnamed:#?}");
        slots.good.stop();
    }
}

fn feed(source: &str, grid: Grid, clock: &Arc<SimulatedClock>, pace: Pace, decoding: &Decoding) -> Arc<Feed> {
    let sources = vec![Url::parse(source).unwrap()];
    let spec = FeedSpec { key: "h".into(), title: "H".into(), sources };
    Feed::start_within(spec, grid, Arc::clone(clock) as Arc<dyn Clock>, pace, decoding.clone())
}

/// A folder with another for media in it.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("media")).unwrap();
    dir
}

#[test]
fn a_file_that_lies_about_itself_is_found_out_inside_and_apart() {
    for is_apart in [false, true] {
        let dir = folder();
        let mut hostile = files(dir.path());
        hostile.extend(places(dir.path()));
        Slots::show_all(dir.path(), is_apart, &hostile);
    }
}

#[test]
fn a_server_that_means_no_good_is_found_out_inside() {
    let dir = folder();
    Slots::show_all(dir.path(), false, &servers(dir.path()));
}

#[test]
fn a_server_that_means_no_good_is_found_out_apart() {
    let dir = folder();
    Slots::show_all(dir.path(), true, &servers(dir.path()));
}

#[test]
fn a_mess_of_a_file_harms_nobody_else_inside() {
    let dir = folder();
    Slots::show_all(dir.path(), false, &mutations(dir.path(), FEW));
}

#[test]
fn a_mess_of_a_file_harms_nobody_else_apart() {
    let dir = folder();
    Slots::show_all(dir.path(), true, &mutations(dir.path(), FEW));
}

#[test]
#[ignore = "takes minutes: part of `make test-long`"]
fn a_mess_of_six_hundred_files_harms_nobody_else_inside() {
    let dir = folder();
    Slots::show_all(dir.path(), false, &mutations(dir.path(), MANY));
}

#[test]
#[ignore = "takes minutes: part of `make test-long`"]
fn a_mess_of_six_hundred_files_harms_nobody_else_apart() {
    let dir = folder();
    Slots::show_all(dir.path(), true, &mutations(dir.path(), MANY));
}
