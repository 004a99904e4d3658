//! Sources in processes of their own.

use std::path::Path;
use std::sync::Arc;

use url::Url;

use super::*;
use crate::feed::tests::{CLIP, Clip, grid, url_of};
use crate::feed::{Decoding, Feed, FeedSpec, FeedStatus, Outcome, Pace, Pick};
use crate::frame::{Picture, Sound};
use crate::timeline::{Clock, FrameNumber, Grid, MediaTime, SimulatedClock};

const START: MediaTime = MediaTime::from_secs(91_000_000);

/// The child of the tests in this file: this very program, of which it is the only test that runs.
#[test]
fn plays_the_child() {
    let stat = rustix::fs::fstat(std::io::stdin()).unwrap();
    if rustix::fs::FileType::from_raw_mode(stat.st_mode) == rustix::fs::FileType::Socket {
        child();
        std::process::exit(0);
    }
}

pub(super) fn apart() -> Arc<Apart> {
    let arguments = ["feed::apart::tests::plays_the_child", "--exact", "--nocapture", "--test-threads=1"];
    Arc::new(Apart::new(std::env::current_exe().unwrap(), arguments.map(OsString::from).into()))
}

/// A feed in lockstep with a cranked clock, decoded inside or apart.
struct Bench {
    feed: Arc<Feed>,
    clock: Arc<SimulatedClock>,
    grid: Grid,
    frame: FrameNumber,
}

impl Bench {
    fn new(source: &str, apart: Option<Arc<Apart>>) -> Self {
        crate::feed::init().unwrap();
        let grid = grid("30");
        let clock = Arc::new(SimulatedClock::new(START));
        let sources = vec![Url::parse(source).unwrap()];
        let spec = FeedSpec { key: "a".into(), title: "Ants at Bees".into(), sources };
        let decoding = Decoding { apart, ..Decoding::unlimited() };
        let feed = Feed::start_within(spec, grid, clock.clone() as Arc<dyn Clock>, Pace::Lockstep, decoding);
        Self { feed, clock, grid, frame: grid.frame_at(START) }
    }

    fn tick(&mut self) -> (Pick, Sound) {
        self.clock.advance_to(self.grid.frame_time(self.frame));
        let pick = self.feed.picture_at(self.frame);
        let samples = self.grid.sample_at_frame(self.frame)..self.grid.sample_at_frame(self.frame + 1);
        let sound = self.feed.sound_at(samples);
        self.frame += 1;
        (pick, sound)
    }

    fn until_live(&mut self, limit: usize) -> Pick {
        for _ in 0..limit {
            let (pick, _) = self.tick();
            if pick.outcome == Outcome::OnTime {
                return pick;
            }
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        panic!("no picture: {:?}", self.feed.health());
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.feed.stop();
    }
}

fn bytes(picture: &Picture) -> Vec<u8> {
    (0..3).flat_map(|plane| (0..picture.plane_size(plane).1).flat_map(move |row| picture.row(plane, row))).copied().collect()
}

fn clip(folder: &Path) -> String {
    url_of(&CLIP.make(folder))
}

#[test]
fn a_file_gives_the_same_pictures_and_sound_apart_as_inside() {
    let folder = tempfile::tempdir().unwrap();
    let odd = Clip { name: "odd.mp4", size: (162, 98), ..CLIP };
    for source in [clip(folder.path()), url_of(&odd.make(folder.path()))] {
        let (mut inside, mut apart) = (Bench::new(&source, None), Bench::new(&source, Some(apart())));
        // Three laps.
        for n in 0..95 {
            let ((one, heard), (other, other_heard)) = (inside.tick(), apart.tick());
            assert_eq!(other.outcome, one.outcome, "tick {n}: {:?}", apart.feed.health());
            assert!(bytes(&one.picture) == bytes(&other.picture), "tick {n}");
            assert_eq!(one.picture.colour, other.picture.colour);
            assert!(heard == other_heard, "sound of tick {n}");
        }
        let (one, other) = (inside.feed.health(), apart.feed.health());
        assert_eq!((one.width, one.height, one.fps), (other.width, other.height, other.fps));
        assert_eq!(apart.feed.status(), FeedStatus::Live);
    }
}
