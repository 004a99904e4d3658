//! A file that is decoded from its first picture to its last, as fast as that goes and on no grid: what is looked at, or made something of, before anybody
//! sees it. It is decoded by what decodes feeds, where they are decoded.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use url::Url;

use super::error::SourceError;
use super::facts::Facts;
use super::intake::{Intake, Timing};
use super::pipeline::Entry;
use super::room::Decoding;
use super::running::{Around, Running};
use super::source::Source;
use super::wanted::Wanted;
use super::{Pace, init};
use crate::frame::Picture;
use crate::timeline::{Clock, Grid, MediaTime};

/// Without another picture for so long of real time, a file is given up; and where all of its pictures were waited for so long. What is done with them
/// does not count.
const PICTURE_PATIENCE: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(300);

/// What a file is, and how it is decoded.
pub struct Film<'a> {
    /// Its whole path. `decoding` has to let it be read.
    pub file: &'a Path,
    /// Whether it begins again behind its last picture, without a hole.
    pub again: bool,
    pub grid: &'a Grid,
    pub clock: &'a Arc<dyn Clock>,
    pub decoding: &'a Decoding,
}

impl Film<'_> {
    /// Shows `each` its pictures, one after the other, and when each is due, counted from the first; until it ends, or `each` has seen enough. Takes its
    /// time, on the caller's thread.
    ///
    /// # Errors
    /// Why no picture of it, or no more of them, can be decoded.
    pub fn show(&self, each: &mut dyn FnMut(Duration, &Picture) -> ControlFlow<()>) -> Result<Facts, SourceError> {
        init().map_err(|error| SourceError::Pipeline(error.to_string()))?;
        let named = || SourceError::Pipeline("its path has no address".to_owned());
        let url = Url::from_file_path(self.file).map_err(|()| named())?;
        let source = Source::Pulled { uri: url.as_str().to_owned(), looped: self.again };
        let intake = Arc::new(Intake::new(self.grid, Pace::Lockstep));
        let run = intake.begin(Timing::Pulled);
        let (facts, health) = (Arc::<Mutex<Facts>>::default(), Arc::default());
        let around = Around {
            grid: self.grid,
            clock: self.clock,
            intake: &intake,
            run,
            facts: &facts,
            decoding: self.decoding,
            health: &health,
        };
        let running = Running::start(&url, Entry::Source(source, Vec::new()), Wanted::default(), &around)?;
        let (begun, its, clock) = ((Instant::now(), self.clock.now()), intake.clone(), self.clock.clone());
        let waited = Arc::new(Mutex::new(Duration::ZERO));
        let so_far = waited.clone();
        let watching = std::thread::Builder::new().name("film".to_owned()).spawn(move || {
            let mut running = running;
            let error = running.watch(&mut || given_up(&its, begun, clock.as_ref(), *so_far.lock()));
            // What it brought is still to be had.
            its.end();
            running.let_go("film");
            error
        });
        let watching = watching.map_err(|error| SourceError::Pipeline(format!("no thread: {error}")))?;
        let (mut first, mut is_enough) = (None, false);
        let next = || {
            let asked = Instant::now();
            let next = intake.next_picture(run);
            *waited.lock() += asked.elapsed();
            next
        };
        while !is_enough && let Some((at, picture)) = next() {
            let since = at.saturating_sub(*first.get_or_insert(at)).max(0);
            is_enough = each(Duration::from_nanos(since.unsigned_abs()), &picture).is_break();
        }
        intake.stop();
        let error = watching.join().unwrap_or_else(|_| SourceError::Pipeline("who watched it panicked".to_owned()));
        let facts = facts.lock().clone();
        match error {
            _ if is_enough => Ok(facts),
            SourceError::Ended if first.is_some() => Ok(facts),
            SourceError::Ended => Err(SourceError::NoPicture),
            // Sound alone, of which more came than is waited for.
            SourceError::Stalled { .. } | SourceError::Pipeline(_) if is_sound_alone(&facts) => {
                Err(SourceError::NoPicture)
            }
            error => Err(error),
        }
    }
}

fn is_sound_alone(facts: &Facts) -> bool {
    facts.audio.is_some() && facts.video.is_none() && facts.dark_because.is_none()
}

/// Why a file that runs is to run no longer.
fn given_up(intake: &Intake, begun: (Instant, MediaTime), clock: &dyn Clock, waited: Duration) -> Option<SourceError> {
    if intake.is_stopped() {
        return Some(SourceError::Ended);
    }
    let (idle, _) = intake.idle_since(begun, clock.now());
    if idle >= PICTURE_PATIENCE {
        return Some(SourceError::Stalled { seconds: PICTURE_PATIENCE.as_secs() });
    }
    let takes = || SourceError::TooLarge(format!("it takes more than {} s to decode", PATIENCE.as_secs()));
    (waited >= PATIENCE).then(takes)
}

#[cfg(test)]
mod tests {
    use super::super::apart::apart;
    use super::super::tests::{CLIP, Clip, grid, middle};
    use super::*;
    use crate::config::PictureLimits;
    use crate::timeline::SimulatedClock;

    /// The luma of each picture of a file and when it is due, up to so many, and what the file is.
    fn shown(
        file: &Path,
        again: bool,
        most: usize,
        decoding: &Decoding,
    ) -> (Vec<(Duration, u8)>, Result<Facts, SourceError>) {
        let clock: Arc<dyn Clock> = Arc::new(SimulatedClock::new(MediaTime::from_secs(91_000_000)));
        let film = Film { file, again, grid: &grid("30"), clock: &clock, decoding };
        let mut seen = Vec::new();
        let facts = film.show(&mut |at, picture| {
            seen.push((at, middle(picture)));
            if seen.len() == most { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        (seen, facts)
    }

    #[test]
    fn a_file_is_shown_from_its_first_picture_to_its_last_apart_as_inside() {
        let folder = tempfile::tempdir().unwrap();
        let vp9 = ("-c:v libvpx-vp9 -lossless 1 -deadline realtime -pix_fmt yuv420p", "-c:a libopus");
        let (h264, aac) = (CLIP.video, CLIP.sound.1);
        let kinds =
            [("once.mp4", h264, aac, "h264"), ("once.ts", h264, aac, "h264"), ("once.webm", vp9.0, vp9.1, "vp9")];
        let expected = |n: usize| 40 + 5 * (n % 25) as u8;
        for (name, video, sound, codec) in kinds {
            let path = Clip { name, video, sound: (CLIP.sound.0, sound), frames: 25, ..CLIP }.make(folder.path());
            for apart in [None, Some(apart())] {
                let decoding = Decoding { apart, ..Decoding::unlimited() };
                let (seen, facts) = shown(&path, false, usize::MAX, &decoding);
                let facts = facts.unwrap();
                assert_eq!(facts.video.map(|video| video.codec).as_deref(), Some(codec), "{name}");
                assert!(facts.audio.is_some(), "{name} has sound");
                assert_eq!(seen.len(), 25, "{name}: {seen:?}");
                let begin = seen.iter().enumerate().map(|(n, (at, _))| at.as_secs_f64() - n as f64 / 30.0);
                assert!(begin.clone().all(|off| off.abs() < 0.002), "{name}: {:?}", begin.collect::<Vec<_>>());
                let is_right = |(n, (_, luma)): (usize, &(Duration, u8))| luma.abs_diff(expected(n)) <= 3;
                assert!(seen.iter().enumerate().all(is_right), "{name}: {seen:?}");
                // Over and over, until it is enough.
                let (seen, facts) = shown(&path, true, 60, &decoding);
                assert!(facts.is_ok() && seen.len() == 60, "{name}: {facts:?}");
                assert!(seen.iter().enumerate().all(is_right), "{name}: {seen:?}");
            }
        }
    }

    #[test]
    fn what_is_no_film_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let path = Clip { name: "once.mp4", frames: 25, ..CLIP }.make(folder.path());
        let small = PictureLimits { width: 100, ..PictureLimits::default() };
        let decoding = Decoding { limits: small, ..Decoding::unlimited() };
        let (seen, refused) = shown(&path, false, usize::MAX, &decoding);
        assert!(seen.is_empty() && matches!(refused, Err(SourceError::TooLarge(_))), "{refused:?}");
        for apart in [None, Some(apart())] {
            let path = Clip { name: "heard.mp4", size: (16, 16), video: "-vn", ..CLIP }.make(folder.path());
            let (seen, refused) = shown(&path, false, usize::MAX, &Decoding { apart, ..Decoding::unlimited() });
            assert!(seen.is_empty() && matches!(refused, Err(SourceError::NoPicture)), "{refused:?}");
        }
        let nothing = folder.path().join("nothing.mp4");
        std::fs::write(&nothing, b"\0\0\0\x18ftypisom\0\0\0\0isommp42").unwrap();
        for file in [nothing, folder.path().join("gone.mp4")] {
            let (seen, refused) = shown(&file, false, usize::MAX, &Decoding::unlimited());
            assert!(seen.is_empty() && refused.is_err(), "{refused:?}");
        }
    }
}
