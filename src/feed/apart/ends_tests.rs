//! What a child brought before it ended, at its parent's end of the pipe.

use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, TryRecvError, unbounded};

use super::far::PICTURES;
use super::lanes::{Lanes, Target};
use super::message::{PictureHead, Place, Up, bytes_of, colour_code};
use super::parent::Link;
use super::places::Places;
use super::reader::Reader;
use super::shared::Shared;
use super::tests::{Bench, apart, frame, picture_head};
use super::watched::Ended;
use crate::cadence::{Placed, Step};
use crate::feed::error::SourceError;
use crate::feed::hostile_tests::file_server;
use crate::feed::intake::{Intake, Timing};
use crate::feed::tests::{CLIP, Clip, grid, loudness, middle};
use crate::feed::{Decoding, Outcome, Pace};
use crate::frame::{Colour, Picture};
use crate::timeline::{FrameNumber, Grid, MediaTime, SAMPLE_RATE_HZ, SimulatedClock};

const START: MediaTime = MediaTime::from_secs(91_000_000);
/// Pictures that an intake has room for, of this size.
const ROOM: usize = 10;
/// Messages of sound that it has room for, each of a tenth of a second.
const SOUND_ROOM: usize = 20;
/// Longer than a lane takes for what it has room for.
const A_MOMENT: Duration = Duration::from_millis(500);

fn grey(luma: usize) -> Picture {
    let (w, h) = (320, 180);
    let planes = [vec![luma as u8; w * h], vec![128; w * h / 4], vec![128; w * h / 4]];
    Picture::from_planes(w as u32, h as u32, Colour::CANVAS, planes).unwrap()
}

/// The parent of a child that is gone by now.
struct Orphan {
    intake: Arc<Intake>,
    grid: Grid,
    frame: FrameNumber,
    failures: Receiver<(Ended, SourceError)>,
    /// The memory for pictures.
    _places: Arc<Places>,
}

impl Orphan {
    /// Of a child that brought so many pictures and messages of sound, faster than they are shown, and said `last`.
    fn of(pictures: usize, sounds: usize, last: &[u8]) -> Self {
        let grid = grid("30");
        let intake = Arc::new(Intake::new(&grid, Pace::Lockstep));
        let run = intake.begin(Timing::Pulled);
        let shared = Shared::new().unwrap();
        let places = Places::new(&shared.memory().try_clone_to_owned().unwrap()).unwrap();
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let (sender, failures) = unbounded();
        let link = Arc::new(Link::new(&ours, None, sender, shared.lent(), &Arc::default()).unwrap());
        let clock = Arc::new(SimulatedClock::new(START));
        let target = || Target { intake: Arc::clone(&intake), run, clock: clock.clone() };
        let reader = Reader {
            lanes: Lanes::start(target(), &link, shared).unwrap(),
            link,
            target: target(),
            facts: Arc::default(),
            told: Arc::default(),
            decoding: Decoding::unlimited(),
            feeder: None,
            granted: 0.0,
        };
        let heard = std::thread::spawn(move || reader.work(ours));
        let place = |nanos: usize| Place::of(Placed { at: nanos as i64, raw: nanos as i64, step: Step::Follows });
        for n in 0..pictures {
            let (number, planes) = places.show(&grey(40 + 5 * n)).unwrap();
            let (colour, place) = (colour_code(Colour::CANVAS), place(n * 1_000_000_000 / 30));
            let head = PictureHead { planes, colour, place, ..picture_head(number, 320, 180) };
            theirs.write_all(&frame(&Up::Picture(head), &[])).unwrap();
        }
        for n in 0..sounds {
            let tenth = bytes_of(&vec![1000; 2 * SAMPLE_RATE_HZ as usize / 10]);
            theirs.write_all(&frame(&Up::Sound(place(n * 100_000_000)), &tenth)).unwrap();
        }
        theirs.write_all(last).unwrap();
        drop(theirs);
        // All that it said was heard.
        heard.join().unwrap();
        Self { intake, grid, frame: grid.frame_at(START), failures, _places: places }
    }

    /// The luma of a picture that was not shown before, and how loud it is meanwhile.
    fn tick(&mut self) -> (Option<u8>, i32) {
        let picked = self.intake.pick(self.grid.frame_time(self.frame));
        let samples = self.grid.sample_at_frame(self.frame)..self.grid.sample_at_frame(self.frame + 1);
        let (sound, _) = self.intake.sound(samples);
        self.frame += 1;
        (picked.filter(|picked| picked.fresh).map(|picked| middle(&picked.picture)), loudness(&sound))
    }
}

#[test]
fn what_ends_a_run_is_told_when_all_that_came_before_it_was_taken_in() {
    let failed = frame(&Up::Failed(SourceError::NoPicture), &[]);
    let ends: [(&[u8], _); 2] =
        [(&failed, (Ended::Source, SourceError::NoPicture)), (&[], (Ended::Died, SourceError::Ended))];
    // Pictures that there is no room for yet; sound.
    for (pictures, sounds) in [(ROOM + PICTURES as usize, 5), (6, SOUND_ROOM + 1)] {
        for (last, end) in &ends {
            let mut orphan = Orphan::of(pictures, sounds, last);
            assert_eq!(orphan.failures.try_recv(), Err(TryRecvError::Empty), "{pictures} pictures, {end:?}");
            let shown = |n: usize| Some((40 + 5 * n) as u8);
            for n in 0..PICTURES as usize + 1 {
                assert_eq!(orphan.tick().0, shown(n));
            }
            // How many ticks make room for all of it hangs on which lane came first.
            let mut ticked = PICTURES as usize + 1;
            let told = loop {
                match orphan.failures.recv_timeout(A_MOMENT) {
                    Err(RecvTimeoutError::Timeout) if ticked < sounds * 2 => {
                        assert_eq!(orphan.tick().0, shown(ticked).filter(|_| ticked < pictures));
                        ticked += 1;
                    }
                    told => break told,
                }
            };
            assert_eq!(told.as_ref(), Ok(end));
            assert_eq!(orphan.intake.end(), pictures as u64);
            for n in ticked..sounds * 3 {
                let (picture, loud) = orphan.tick();
                assert_eq!(picture, shown(n).filter(|_| n < pictures), "{n} of {pictures}");
                assert!(loud > 0, "{n} of {sounds} tenths");
            }
        }
    }
}

#[test]
fn a_file_that_ends_is_shown_to_its_last_picture_apart_as_inside() {
    let folder = tempfile::tempdir().unwrap();
    let path = Clip { name: "once.mp4", frames: 25, ..CLIP }.make(folder.path());
    // Files of one's own are looped.
    let source = file_server(std::fs::read(path).unwrap(), true);
    let (mut inside, mut other) = (Bench::new(&source, None), Bench::new(&source, Some(apart())));
    for n in 0..25 {
        let ((one, heard), (two, heard_apart)) = (inside.tick(), other.tick());
        let expected = 40 + 5 * n;
        assert!(middle(&two.picture).abs_diff(expected) <= 3, "tick {n}: {:?}", other.feed.health());
        assert_eq!((one.outcome, two.outcome), (Outcome::OnTime, Outcome::OnTime), "tick {n}");
        assert!(heard == heard_apart, "sound of tick {n}");
    }
}
