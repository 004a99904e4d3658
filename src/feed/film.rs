//! A file that is decoded from its first picture to its last, as fast as that goes and on no grid: what is looked at, or made something of, before anybody
//! sees it. It is decoded by what decodes feeds, where they are decoded.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use url::Url;

use super::apart::{ChildHealth, Ended};
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
use crate::timeline::{Clock, Grid};
use crate::work::cpu_time_of;

/// Without another picture for so long of real time, a file is given up; and where all of its pictures were waited for so long. What is done with them
/// does not count, and neither does time in which the process that decodes it wanted a processor and was given none.
const PICTURE_PATIENCE: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(300);

/// How often longer it is waited for, though it is given none.
const STARVED_TIMES: u32 = 6;

/// Why no picture of a file, or no more of them, can be decoded.
#[derive(Debug)]
pub struct FilmError {
    pub error: SourceError,
    pub blame: Blame,
}

/// Whose fault that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The file's: it would be the same again.
    File,
    /// The file's or its decoder's: that ended, or brings nothing more.
    Unknown,
    /// Neither's: no process was to be had, or it was given no processor.
    Moment,
}

impl FilmError {
    fn of_file(error: SourceError) -> Self {
        Self { error, blame: Blame::File }
    }

    /// What could not even be started.
    fn at_start(error: SourceError) -> Self {
        let is_its = !matches!(error, SourceError::Pipeline(_));
        Self { error, blame: if is_its { Blame::File } else { Blame::Moment } }
    }

    /// What failed while its process, if it had one, ended so.
    fn while_it_ran(error: SourceError, ended: Option<Ended>, starved: bool) -> Self {
        let blame = match (&error, ended) {
            // One that says nothing may have been given no processor, which nobody can tell from outside.
            (_, Some(Ended::Hung)) => Blame::Moment,
            (_, Some(Ended::Died)) => Blame::Unknown,
            _ if starved => Blame::Moment,
            (SourceError::Stalled { .. }, _) => Blame::Unknown,
            _ => Blame::File,
        };
        Self { error, blame }
    }
}

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
    /// Why no picture of it, or no more of them, can be decoded, and whose fault that is.
    pub fn show(&self, each: &mut dyn FnMut(Duration, &Picture) -> ControlFlow<()>) -> Result<Facts, FilmError> {
        init().map_err(|error| FilmError::at_start(SourceError::Pipeline(error.to_string())))?;
        let named = || FilmError::of_file(SourceError::Pipeline("its path has no address".to_owned()));
        let url = Url::from_file_path(self.file).map_err(|()| named())?;
        let source = Source::Pulled { uri: url.as_str().to_owned(), looped: self.again };
        let intake = Arc::new(Intake::new(self.grid, Pace::Lockstep));
        let run = intake.begin(Timing::Pulled);
        let (facts, health) = (Arc::<Mutex<Facts>>::default(), Arc::<Mutex<ChildHealth>>::default());
        let around = Around {
            grid: self.grid,
            clock: self.clock,
            intake: &intake,
            run,
            facts: &facts,
            decoding: self.decoding,
            health: &health,
        };
        let running = Running::start(&url, Entry::Source(source, Vec::new()), Wanted::default(), &around)
            .map_err(FilmError::at_start)?;
        let (begun, its, clock) = ((Instant::now(), self.clock.now()), intake.clone(), self.clock.clone());
        let waited = Arc::new(Mutex::new(Duration::ZERO));
        let (so_far, child) = (waited.clone(), health.clone());
        let watching = std::thread::Builder::new().name("film".to_owned()).spawn(move || {
            let (mut running, mut hunger) = (running, Hunger::default());
            let error = running.watch(&mut || {
                if its.is_stopped() {
                    return Some(SourceError::Ended);
                }
                let (idle, _) = its.idle_since(begun, clock.now());
                hunger.look(child.lock().pid, Instant::now(), idle);
                hunger.given_up(idle, *so_far.lock())
            });
            // What it brought is still to be had.
            its.end();
            running.let_go("film");
            (error, hunger.is_starved)
        });
        let no_thread = |error| FilmError::at_start(SourceError::Pipeline(format!("no thread: {error}")));
        let watching = watching.map_err(no_thread)?;
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
        let panicked = |_| (SourceError::Pipeline("who watched it panicked".to_owned()), false);
        let (error, is_starved) = watching.join().unwrap_or_else(panicked);
        let (facts, ended) = (facts.lock().clone(), health.lock().ended);
        match error {
            _ if is_enough => Ok(facts),
            SourceError::Ended if first.is_some() => Ok(facts),
            SourceError::Ended => Err(FilmError::of_file(SourceError::NoPicture)),
            // Sound alone, of which more came than is waited for.
            SourceError::Stalled { .. } | SourceError::Pipeline(_) if is_sound_alone(&facts) => {
                Err(FilmError::of_file(SourceError::NoPicture))
            }
            error => Err(FilmError::while_it_ran(error, ended, is_starved)),
        }
    }
}

fn is_sound_alone(facts: &Facts) -> bool {
    facts.audio.is_some() && facts.video.is_none() && facts.dark_because.is_none()
}

/// For how long what decodes a file wanted a processor and was given none. Inside the service's own process that is not told from what others want there.
#[derive(Default)]
struct Hunger {
    /// When it was looked last, and the processor time by then, in seconds.
    looked: Option<(Instant, f64)>,
    idle: Duration,
    since_picture: Duration,
    in_all: Duration,
    /// It is given up because of that.
    is_starved: bool,
}

impl Hunger {
    /// Looks at the process; without a picture it has been for `idle`.
    fn look(&mut self, pid: Option<u32>, now: Instant, idle: Duration) {
        let Some((pid, cpu_s)) = pid.and_then(|pid| Some((pid, cpu_time_of(pid)?))) else { return };
        let before = self.looked.replace((now, cpu_s));
        let wants = wants_processor(pid);
        if let Some((at, before_s)) = before.filter(|_| wants) {
            self.went_without(now.saturating_duration_since(at), cpu_s - before_s, idle);
        } else {
            self.went_without(Duration::ZERO, 0.0, idle);
        }
    }

    /// It wanted a processor for so long, and was given one for `cpu_s` seconds of that.
    fn went_without(&mut self, wanted: Duration, cpu_s: f64, idle: Duration) {
        if idle < self.idle {
            self.since_picture = Duration::ZERO;
        }
        self.idle = idle;
        let without = wanted.saturating_sub(Duration::try_from_secs_f64(cpu_s).unwrap_or_default());
        self.since_picture += without;
        self.in_all += without;
    }

    /// Why a file that runs is to run no longer: there is no picture for `idle`, and for all of them together it was waited so long.
    fn given_up(&mut self, idle: Duration, waited: Duration) -> Option<SourceError> {
        let is_over = |wall: Duration, without: Duration, patience: Duration| {
            (wall.saturating_sub(without) >= patience, wall >= patience * STARVED_TIMES)
        };
        let (stalls, starves) = is_over(idle, self.since_picture, PICTURE_PATIENCE);
        if stalls || starves {
            self.is_starved = !stalls;
            return Some(SourceError::Stalled { seconds: idle.as_secs() });
        }
        let (is_slow, starves) = is_over(waited, self.in_all, PATIENCE);
        self.is_starved = starves && !is_slow;
        let takes = || SourceError::TooLarge(format!("it takes more than {} s to decode", waited.as_secs()));
        (is_slow || starves).then(takes)
    }
}

/// Whether any of a process's threads runs, or would (proc(5)).
fn wants_processor(pid: u32) -> bool {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return false };
    threads.flatten().any(|thread| {
        let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        // The name may have brackets of its own.
        stat.rsplit_once(')').is_some_and(|(_, fields)| fields.trim_start().starts_with('R'))
    })
}

#[cfg(test)]
mod tests {
    use super::super::apart::{Apart, apart};
    use super::super::tests::{CLIP, Clip, grid, middle};
    use super::*;
    use crate::config::PictureLimits;
    use crate::timeline::{MediaTime, SimulatedClock};

    /// The luma of each picture of a file and when it is due, up to so many, and what the file is.
    fn shown(
        file: &Path,
        again: bool,
        most: usize,
        decoding: &Decoding,
    ) -> (Vec<(Duration, u8)>, Result<Facts, FilmError>) {
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
        let is = |refused: &Result<Facts, FilmError>, kind: fn(&SourceError) -> bool| {
            refused.as_ref().is_err_and(|refused| refused.blame == Blame::File && kind(&refused.error))
        };
        assert!(seen.is_empty() && is(&refused, |error| matches!(error, SourceError::TooLarge(_))), "{refused:?}");
        for apart in [None, Some(apart())] {
            let path = Clip { name: "heard.mp4", size: (16, 16), video: "-vn", ..CLIP }.make(folder.path());
            let (seen, refused) = shown(&path, false, usize::MAX, &Decoding { apart, ..Decoding::unlimited() });
            assert!(seen.is_empty() && is(&refused, |error| *error == SourceError::NoPicture), "{refused:?}");
        }
        let nothing = folder.path().join("nothing.mp4");
        std::fs::write(&nothing, b"\0\0\0\x18ftypisom\0\0\0\0isommp42").unwrap();
        for file in [nothing, folder.path().join("gone.mp4")] {
            let (seen, refused) = shown(&file, false, usize::MAX, &Decoding::unlimited());
            assert!(seen.is_empty() && is(&refused, |_| true), "{refused:?}");
        }
    }

    #[test]
    fn whose_process_is_not_to_be_had_or_hangs_is_not_at_fault() {
        let folder = tempfile::tempdir().unwrap();
        let path = Clip { name: "once.mp4", frames: 25, ..CLIP }.make(folder.path());
        let blamed = |program: &str, arguments: &[&str]| {
            let apart = Apart::new(program.into(), arguments.iter().map(Into::into).collect());
            let decoding = Decoding { apart: Some(Arc::new(apart)), ..Decoding::unlimited() };
            let (seen, refused) = shown(&path, false, usize::MAX, &decoding);
            assert!(seen.is_empty(), "{program}");
            refused.unwrap_err().blame
        };
        assert_eq!(blamed("/nonexistent/program", &[]), Blame::Moment);
        assert_eq!(blamed("/bin/sh", &["-c", "head -c 40 >/dev/null; kill -KILL $$"]), Blame::Unknown);
        let of = |ended| FilmError::while_it_ran(SourceError::Pipeline("it hangs".into()), ended, false).blame;
        assert_eq!(
            [Some(Ended::Hung), Some(Ended::Grew), Some(Ended::Lied), None].map(of),
            [Blame::Moment, Blame::File, Blame::File, Blame::File]
        );
        let stalled = |starved| FilmError::while_it_ran(SourceError::Stalled { seconds: 10 }, None, starved).blame;
        assert_eq!([false, true].map(stalled), [Blame::Unknown, Blame::Moment]);
    }

    #[test]
    fn who_is_given_no_processor_is_waited_for_longer_and_not_for_ever() {
        let s = Duration::from_secs;
        let mut hunger = Hunger::default();
        for at in 1..=10 {
            assert_eq!(hunger.given_up(s(at - 1), s(0)), None, "{at}");
            // A tenth of a processor.
            hunger.went_without(s(1), 0.1, s(at));
        }
        assert_eq!((hunger.given_up(s(10), s(0)), hunger.since_picture), (None, s(9)));
        assert_eq!(hunger.given_up(s(19), s(0)), Some(SourceError::Stalled { seconds: 19 }));
        assert!(!hunger.is_starved, "it had ten seconds of its own");
        // Another picture came: what was before it counts for all of them alone.
        hunger.went_without(s(0), 0.0, s(1));
        assert_eq!((hunger.since_picture, hunger.in_all), (s(0), s(9)));
        assert!(hunger.given_up(s(10), s(0)).is_some() && !hunger.is_starved);
        assert_eq!(hunger.given_up(s(0), s(308)), None);
        assert!(matches!(hunger.given_up(s(0), s(309)), Some(SourceError::TooLarge(_))) && !hunger.is_starved);
        hunger.went_without(s(60), 0.0, s(60));
        assert!(hunger.given_up(s(59), s(0)).is_none() && hunger.given_up(s(60), s(0)).is_some() && hunger.is_starved);
    }

    #[test]
    fn who_sleeps_wants_no_processor() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        while wants_processor(child.id()) {
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(wants_processor(std::process::id()) && !wants_processor(0));
    }
}
