//! Drawing in a process of its own, one for each file and size: what reads bytes that others chose shares nothing with what holds viewers, and can be ended.
//!
//! It is this program in another role. It is sent a file over its one pipe, says what it begins and what came of it, and sends pictures: red, green, blue
//! and alpha. It ends itself where a step takes more processor time than it may, and is ended where an answer does not come in time, where nobody waits for
//! it any more, and with its parent.

mod child;
mod jail;
mod message;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub use self::child::child;
use self::message::{Asked, Job, Said};
use super::check::{MOST_SIDE, Read};
use super::draws::{Art, Checked, Draws, Each, Moment, Stop, failed};
use super::{AssetError, AssetType, condition};
use crate::work::{count_child_cpu, cpu_time_of, ended_within};

/// An answer comes within so long, on a machine that has other things to do as well.
const PATIENCE: Duration = Duration::from_secs(20);

/// One that has closed its pipe is about to end.
const LEAVE_PATIENCE: Duration = Duration::from_secs(2);

/// How often it is looked what a process takes that is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Memory that it may write to.
const MEMORY_BYTES: u64 = 768 << 20;

/// How processes are made that draw.
pub struct ArtApart {
    /// The program that calls [`child`] when it is started with `arguments`.
    program: PathBuf,
    arguments: Vec<OsString>,
    /// For each answer.
    patience: Duration,
}

impl ArtApart {
    pub fn new(program: PathBuf, arguments: Vec<OsString>) -> Self {
        Self { program, arguments, patience: PATIENCE }
    }

    fn spawn(&self) -> io::Result<(Child, UnixStream)> {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_write_timeout(Some(self.patience))?;
        let mut command = Command::new(&self.program);
        // Nothing that anybody would keep secret; how libraries are found.
        command.args(&self.arguments).env_clear();
        command.envs(std::env::var_os("LD_LIBRARY_PATH").map(|path| ("LD_LIBRARY_PATH", path)));
        command.stdin(Stdio::from(OwnedFd::from(theirs))).stdout(Stdio::null()).stderr(Stdio::null());
        Ok((command.spawn()?, ours))
    }

    fn begin(&self, art: Art<'_>, job: Job, stop: &Stop) -> Result<Run, AssetError> {
        let broken = |error: io::Error| {
            tracing::error!(%error, "there is no process to draw art");
            AssetError::NoProcess
        };
        let (child, pipe) = self.spawn().map_err(broken)?;
        let (stop, patience) = (stop.clone(), self.patience);
        let mut run = Run { child, pipe, kind: art.kind, step: None, stop, patience, is_late: false, counted_s: 0.0 };
        run.stop.ends(run.pipe.try_clone().map_err(broken)?);
        let asked = Asked { kind: art.kind, job, bytes: art.bytes.len() as u64 };
        let sent = message::send(&mut run.pipe, &asked).and_then(|()| run.pipe.write_all(art.bytes));
        let is_late = |error: io::Error| matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut);
        // One that ended meanwhile is told of by whoever reads.
        if sent.is_err_and(is_late) { Err(run.too_long()) } else { Ok(run) }
    }
}

impl Draws for ArtApart {
    fn check(&self, art: Art<'_>, stop: &Stop) -> Result<Checked, AssetError> {
        let mut run = self.begin(art, Job::Check, stop)?;
        match run.answer(None)? {
            Answer::Checked(checked) => Ok(checked),
            Answer::Picture(_) => Err(failed()),
        }
    }

    fn still(&self, art: Art<'_>, size: (u32, u32), stop: &Stop) -> Result<Read, AssetError> {
        let mut run = self.begin(art, Job::Still { size }, stop)?;
        Ok(run.picture(size)?.read)
    }

    fn moving(&self, art: Art<'_>, sizes: &[(u32, u32)], each: Each<'_>) -> Result<(), AssetError> {
        let mut run = self.begin(art, Job::Moving { sizes: sizes.to_vec() }, &Stop::default())?;
        loop {
            let mut moment = Moment { reads: Vec::with_capacity(sizes.len()), lasts: Duration::ZERO, is_last: true };
            for size in sizes {
                let picture = run.picture(*size);
                // It was drawn in time when it came: now others have the processor.
                let late = |error: AssetError| if run.is_late { AssetError::NotNow(error.to_string()) } else { error };
                let Picture { read, lasts, is_last } = picture.map_err(late)?;
                moment.reads.push(read);
                (moment.lasts, moment.is_last) = (lasts, is_last);
            }
            if !each(moment) {
                return Ok(());
            }
        }
    }
}

enum Answer {
    Checked(Checked),
    Picture(Picture),
}

/// At one size.
struct Picture {
    read: Read,
    lasts: Duration,
    is_last: bool,
}

/// A process that draws; it ends when this goes out of scope.
struct Run {
    child: Child,
    pipe: UnixStream,
    kind: AssetType,
    /// What it said that it begins: the size that is drawn, and the milliseconds that it may take.
    step: Option<(Option<(u32, u32)>, u64)>,
    stop: Stop,
    patience: Duration,
    /// An answer did not come in time, whatever it took of the processor.
    is_late: bool,
    /// Processor time of it that is counted.
    counted_s: f64,
}

impl Run {
    /// Counts what it has taken since it was counted last: newcomers are let in by what this process and its children take.
    fn count(&mut self) {
        let Some(taken_s) = cpu_time_of(self.child.id()) else { return };
        count_child_cpu(taken_s - self.counted_s);
        self.counted_s = taken_s;
    }

    /// What fits into `room`.
    fn picture(&mut self, room: (u32, u32)) -> Result<Picture, AssetError> {
        match self.answer(Some(room))? {
            Answer::Picture(picture) => Ok(picture),
            Answer::Checked(_) => Err(failed()),
        }
    }

    /// What it says next; `room` is that of the picture that is due.
    fn answer(&mut self, room: Option<(u32, u32)>) -> Result<Answer, AssetError> {
        let until = Instant::now() + self.patience;
        loop {
            match self.receive(until)? {
                Said::Begins { size, most_ms } => self.step = Some((size, most_ms)),
                Said::Checked { size, lasts_ns } => {
                    check_sides(size)?;
                    return Ok(Answer::Checked(Checked { size, lasts: Duration::from_nanos(lasts_ns) }));
                }
                Said::Picture { source, lasts_ns, is_last, bytes } => {
                    let room = room.ok_or_else(failed)?;
                    check_sides(source)?;
                    let size = condition::fitted_size(source, room);
                    let expected = u64::from(size.0) * u64::from(size.1) * 4;
                    if bytes != expected {
                        return Err(failed());
                    }
                    let mut pixels = vec![0; usize::try_from(expected).map_err(|_| failed())?];
                    self.fill(&mut pixels, until)?;
                    let read = Read::Fitted { source, size, pixels };
                    let lasts = Duration::from_nanos(lasts_ns);
                    return Ok(Answer::Picture(Picture { read, lasts, is_last }));
                }
                Said::Refused(refusal) => return Err(refusal.into()),
                Said::Broken(why) => {
                    tracing::error!(why, "a process that draws art cannot begin");
                    return Err(AssetError::NoProcess);
                }
            }
        }
    }

    fn receive(&mut self, until: Instant) -> Result<Said, AssetError> {
        let mut length = [0; 4];
        self.fill(&mut length, until)?;
        let length = message::length(length).ok_or_else(failed)?;
        let mut text = vec![0; length];
        self.fill(&mut text, until)?;
        serde_json::from_slice(&text).map_err(|_| failed())
    }

    fn fill(&mut self, buffer: &mut [u8], until: Instant) -> Result<(), AssetError> {
        let mut at = 0;
        while at < buffer.len() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                self.is_late = true;
                return Err(self.too_long());
            }
            let set = self.pipe.set_read_timeout(Some(left.min(LOOK_EVERY)));
            match set.and_then(|()| self.pipe.read(&mut buffer[at..])) {
                Ok(0) => return Err(self.why()),
                Ok(count) => at += count,
                Err(error) => match error.kind() {
                    io::ErrorKind::Interrupted => {}
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => self.count(),
                    _ => return Err(self.why()),
                },
            }
        }
        Ok(())
    }

    /// Why it says no more.
    fn why(&mut self) -> AssetError {
        if self.stop.is_stopped() {
            return AssetError::Gone;
        }
        let Some(status) = ended_within(&self.child, LEAVE_PATIENCE) else { return failed() };
        match status.terminating_signal() {
            Some(libc::SIGPROF | libc::SIGXCPU) => self.too_long(),
            Some(libc::SIGABRT) => self.wrong(format!("takes more than {} MiB of memory to draw", MEMORY_BYTES >> 20)),
            // By whoever runs this machine, or by its kernel for want of memory: its own limits end it otherwise.
            Some(libc::SIGKILL | libc::SIGTERM) => AssetError::NotNow("what drew it was killed".to_owned()),
            _ => failed(),
        }
    }

    fn too_long(&self) -> AssetError {
        if self.stop.is_stopped() {
            return AssetError::Gone;
        }
        let patience = u64::try_from(self.patience.as_millis()).unwrap_or(u64::MAX);
        let (size, most_ms) = self.step.unwrap_or((None, patience));
        let most = Duration::from_millis(most_ms.min(patience)).as_secs_f64();
        let doing = size.map_or_else(|| "to read".to_owned(), |(width, height)| format!("to draw at {width}x{height}"));
        self.wrong(format!("takes more than {most:.1} s {doing}; {most:.1} s are allowed"))
    }

    fn wrong(&self, why: String) -> AssetError {
        if self.kind == AssetType::Svg { AssetError::Svg(why) } else { AssetError::Unreadable(why) }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // It fails where it has ended by itself; one that was killed ends at once.
        let _ = self.child.kill();
        if ended_within(&self.child, LEAVE_PATIENCE).is_some() {
            self.count();
        }
        let _ = self.child.wait();
    }
}

fn check_sides((width, height): (u32, u32)) -> Result<(), AssetError> {
    let side = |side: u32| (1..=MOST_SIDE).contains(&side);
    if side(width) && side(height) { Ok(()) } else { Err(failed()) }
}
