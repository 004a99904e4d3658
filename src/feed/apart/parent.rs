//! A run whose source is decoded by a child: started, listened to, watched and ended from here.

use std::io;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use parking_lot::{Condvar, Mutex};
use url::Url;

use super::Apart;
use super::doors::Desk;
use super::given::{self, Given};
use super::groups::Group;
use super::handed::Handed;
use super::lanes::{Lanes, Target};
use super::message::{self, Down, Lane, Lie};
use super::outside::Outgoing;
use super::passing;
use super::reader::{Reader, Told};
use super::shared::{Lent, Shared};
use super::watched::{ChildHealth, Ended, Lately, Wall, Watched};
use super::writing::{self, Writing};
use crate::feed::error::SourceError;
use crate::feed::facts::Facts;
use crate::feed::intake::Intake;
use crate::feed::pipeline::Entry;
use crate::feed::room::Decoding;
use crate::feed::wanted::Wanted;
use crate::timeline::{Clock, Grid};
use crate::work::wait_within;

/// How often a run gives way to the watchdog, and the child is told the time, the delay and the room there is.
const POLL: Duration = Duration::from_millis(100);
/// How often it is looked what the child takes: the system puts a page of text together for that.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// A child that lives says so ten times a second. By then its slot has shown the slate for more than a second.
const BEAT_PATIENCE: Duration = Duration::from_secs(2);
/// One that was given no processor has longer: begun anew it would have none either, and take more.
const SHORT_BEAT_PATIENCE: Duration = Duration::from_secs(10);
const SHORT_START_PATIENCE: Duration = Duration::from_secs(30);
/// It missed a word or two.
const QUIET: Duration = Duration::from_millis(250);
/// One that was not heard for so long is not well, where nothing else comes either.
const SILENCE: Duration = Duration::from_millis(500);
/// Starting, its pipeline too, on a machine that is busy.
const START_PATIENCE: Duration = Duration::from_secs(10);
/// A child that is told to leave is given so long, and so long to die.
const LEAVE_PATIENCE: Duration = Duration::from_millis(300);
const DIE_PATIENCE: Duration = Duration::from_secs(2);
/// What a child inherits of the environment: how libraries and plugins are found, and nothing that anybody would keep secret.
pub(super) const INHERITED: [&str; 9] = [
    "PATH",
    "HOME",
    "LANG",
    "LD_LIBRARY_PATH",
    "XDG_CACHE_HOME",
    "GST_PLUGIN_PATH",
    "GST_PLUGIN_SYSTEM_PATH",
    "GST_REGISTRY",
    "GST_PLUGIN_FEATURE_RANK",
];

/// Nor does it ask the desktop for proxies and settings: who is told that there are none does not look for their files.
pub(super) const PLAIN: [(&str, &str); 3] =
    [("GIO_USE_PROXY_RESOLVER", "dummy"), ("GIO_USE_NETWORK_MONITOR", "base"), ("GSETTINGS_BACKEND", "memory")];

/// What runs apart are made with.
pub struct Surroundings<'a> {
    pub apart: &'a Apart,
    pub grid: &'a Grid,
    pub clock: &'a Arc<dyn Clock>,
    pub intake: &'a Arc<Intake>,
    pub run: u64,
    pub facts: &'a Arc<Mutex<Facts>>,
    pub decoding: &'a Decoding,
    pub health: &'a Arc<Mutex<ChildHealth>>,
}

/// The pipe to a child, and what those who use it share.
pub struct Link {
    pipe: Mutex<UnixStream>,
    /// The child's id, where it is a process.
    child: Option<u32>,
    over: AtomicBool,
    failures: Sender<(Ended, SourceError)>,
    /// When the child was heard last.
    heard: Mutex<Instant>,
    pub desk: Mutex<Desk>,
    pub changed: Condvar,
    /// Pictures that are looked at here.
    lent: Lent,
    apart: Arc<Watched>,
}

impl Link {
    pub(super) fn new(
        pipe: &UnixStream,
        child: Option<u32>,
        failures: Sender<(Ended, SourceError)>,
        lent: Lent,
        apart: &Arc<Watched>,
    ) -> Result<Self, SourceError> {
        Ok(Self {
            pipe: Mutex::new(pipe.try_clone().map_err(|error| broken("no pipe", &error))?),
            child,
            over: AtomicBool::new(false),
            failures,
            heard: Mutex::new(Instant::now()),
            desk: Mutex::default(),
            changed: Condvar::new(),
            lent,
            apart: Arc::clone(apart),
        })
    }

    pub fn say(&self, message: &Down) -> bool {
        self.say_with(message, &[])
    }

    /// False where the run is over.
    pub fn say_with(&self, message: &Down, tail: &[u8]) -> bool {
        if self.is_over() {
            return false;
        }
        let given = || self.child.and_then(Given::to);
        let sent = message::send(&mut Writing::new(&mut self.pipe.lock(), &given), message, tail);
        let Err(error) = sent else { return true };
        // A child that is gone is told of by whoever reads.
        if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) {
            self.fail(Ended::Hung, SourceError::Pipeline("the process that decodes it does not listen".into()));
        }
        self.end();
        false
    }

    /// A child that is gone hears of no credit.
    pub fn credit(&self, lane: Lane, count: u32, resettle: bool) {
        let returned = if lane == Lane::Picture { self.lent.returned() } else { Vec::new() };
        self.say(&Down::Credit { lane, count, resettle, returned });
    }

    pub fn fail(&self, why: Ended, error: SourceError) {
        // The supervisor may have left.
        let _ = self.failures.send((why, error));
    }

    pub fn lied(&self, lie: &Lie) {
        self.fail(
            Ended::Lied,
            SourceError::Pipeline(format!("the process that decodes it says what cannot be: {lie}")),
        );
    }

    /// A picture is here that was sent at `sent_us`.
    pub fn handed_over(&self, sent_us: u64) {
        self.apart.handed_over(sent_us);
    }

    pub fn hear(&self) {
        *self.heard.lock() = Instant::now();
    }

    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    /// Nobody waits any more.
    pub fn end(&self) {
        self.over.store(true, Ordering::Release);
        let _desk = self.desk.lock();
        self.changed.notify_all();
    }
}

/// A source that runs in a process of its own.
pub struct Run {
    child: Option<Child>,
    /// What is done for it.
    outgoing: Option<Outgoing>,
    group: Option<Group>,
    link: Arc<Link>,
    failures: Receiver<(Ended, SourceError)>,
    told: Arc<Mutex<Told>>,
    /// Of the child's pictures.
    memory: OwnedFd,
    apart: Arc<Watched>,
    memory_bytes: u64,
    clock: Arc<dyn Clock>,
    intake: Arc<Intake>,
    decoding: Decoding,
    health: Arc<Mutex<ChildHealth>>,
    begun: Instant,
    lately: Lately,
    given: given::Lately,
    why: Ended,
}

impl Run {
    /// Begins to run what comes from `url`, or through `entry`'s doors.
    ///
    /// # Errors
    /// No process can be had, or its file cannot be read.
    pub fn start(url: &Url, entry: Entry, wanted: Wanted, around: &Surroundings) -> Result<Self, SourceError> {
        let Surroundings { apart, clock, intake, run, facts, decoding, health, .. } = *around;
        let (source, feeder) = match entry {
            Entry::Source(source, _) => (Some(source), None),
            Entry::Fed(feeder) => (None, Some(feeder)),
        };
        let mut handed = Handed::of(url, source.as_ref(), wanted, around)?;
        let shared = Shared::new().map_err(|error| broken("no memory for its pictures", &error))?;
        let (child, mut pipe) = spawn(apart).map_err(|error| broken("no process to decode it", &error))?;
        let (sender, failures) = unbounded();
        let id = child.id();
        apart.watched.began(id);
        let group = apart.groups.as_ref().and_then(|groups| {
            let adopted = groups.adopt(id, apart.memory_bytes);
            adopted.inspect_err(|error| tracing::warn!(%error, "a feed's process has no control group")).ok()
        });
        let mut this = Self {
            child: Some(child),
            outgoing: None,
            group,
            link: Arc::new(Link::new(&pipe, Some(id), sender, shared.lent(), &apart.watched)?),
            failures,
            told: Arc::default(),
            memory: shared
                .memory()
                .try_clone_to_owned()
                .map_err(|error| broken("no memory for its pictures", &error))?,
            apart: Arc::clone(&apart.watched),
            memory_bytes: apart.memory_bytes,
            clock: Arc::clone(clock),
            intake: Arc::clone(intake),
            decoding: decoding.clone(),
            health: Arc::clone(health),
            begun: Instant::now(),
            lately: Lately::new(),
            given: given::Lately::default(),
            why: Ended::Source,
        };
        let outside = handed.outside.take().map(|outside| outside.start(&this.link, decoding)).transpose();
        this.outgoing = outside.map_err(|error| broken("no thread", &error))?;
        passing::send(&pipe, &handed.descriptors(&shared))
            .and_then(|()| message::send(&mut pipe, &Down::Begin(Box::new(handed.begin)), &[]))
            .map_err(|error| broken("the process that decodes it does not begin", &error))?;
        let target = |intake| Target { intake, run, clock: Arc::clone(clock) };
        let lanes = Lanes::start(target(Arc::clone(intake)), &this.link, shared)?;
        let reader = Reader {
            link: Arc::clone(&this.link),
            lanes,
            target: target(Arc::clone(intake)),
            facts: Arc::clone(facts),
            told: Arc::clone(&this.told),
            decoding: decoding.clone(),
            feeder,
            granted: 0.0,
        };
        let thread = std::thread::Builder::new().name("feed-child".into()).spawn(move || reader.work(pipe));
        thread.map_err(|error| broken("no thread", &error))?;
        this.look();
        Ok(this)
    }

    /// Watches until the source fails or ends, or until `check` (called every 100 ms or so) says why to give up.
    pub fn watch(&mut self, check: &mut dyn FnMut() -> Option<SourceError>) -> SourceError {
        let mut looked = Instant::now();
        loop {
            let polled = Instant::now();
            match self.failures.recv_timeout(POLL) {
                Ok((why, error)) => {
                    self.why = why;
                    return if why == Ended::Died { self.autopsy() } else { error };
                }
                Err(RecvTimeoutError::Timeout) => {}
                // The link lives here, and with it a sender.
                Err(RecvTimeoutError::Disconnected) => return SourceError::Ended,
            }
            // Who was not given a turn here could hear nobody.
            if polled.elapsed() >= SILENCE {
                self.link.hear();
            }
            let (now, delay) = (self.clock.now().as_nanos(), self.intake.delay());
            let (left, returned) = (self.decoding.room.left(), self.link.lent.returned());
            self.link.say(&Down::Beat { now, delay, left, returned });
            if looked.elapsed() >= LOOK_EVERY {
                looked = Instant::now();
                if let Some(bytes) = self.look().filter(|bytes| *bytes > self.memory_bytes) {
                    self.why = Ended::Grew;
                    return self.grew(bytes);
                }
                self.look_what_it_is_given();
            }
            let silent = self.link.heard.lock().elapsed();
            // It is gone, and what it brought last finds no room.
            if self.link.is_over() && silent >= SILENCE {
                self.why = Ended::Died;
                return self.autopsy();
            }
            if silent >= self.patience() {
                self.why = Ended::Hung;
                return SourceError::Hangs;
            }
            if let Some(reason) = check() {
                let stalled = matches!(reason, SourceError::Stalled { .. });
                // A source is silent where its process is not.
                if stalled && silent >= SILENCE {
                    // It is looked at for a moment first.
                    if !self.given.is_known() || self.given.is_short() {
                        continue;
                    }
                    self.why = Ended::Hung;
                    return SourceError::Hangs;
                }
                let known = self.told.lock().warned.take().filter(|_| stalled);
                return known.unwrap_or(reason);
            }
        }
    }

    /// Of one that is heard nobody asks.
    fn look_what_it_is_given(&mut self) {
        let is_heard = self.link.heard.lock().elapsed() < QUIET;
        match self.child.as_ref().filter(|_| !is_heard).and_then(|child| Given::to(child.id())) {
            Some(given) => self.given.look(self.begun.elapsed(), given),
            None => self.given = given::Lately::default(),
        }
    }

    /// How long it may be silent.
    fn patience(&self) -> Duration {
        match (self.told.lock().beats, self.given.is_short()) {
            (true, false) => BEAT_PATIENCE,
            (true, true) => SHORT_BEAT_PATIENCE,
            (false, false) => START_PATIENCE,
            (false, true) => SHORT_START_PATIENCE,
        }
    }

    /// What the child takes, told to operators; its memory.
    fn look(&mut self) -> Option<u64> {
        let pid = self.child.as_ref()?.id();
        // In units of 512 bytes (stat(2)).
        let blocks = rustix::fs::fstat(&self.memory).map_or(0, |stat| stat.st_blocks);
        let seen = self.apart.look(pid, u64::try_from(blocks).unwrap_or(0) * 512)?;
        let cores = self.lately.cores(self.begun.elapsed(), seen.cpu_s);
        let group = self.group.is_none().then_some(Wall::ControlGroup);
        let missing = group.into_iter().chain(self.told.lock().missing.iter().copied()).collect();
        let mut health = self.health.lock();
        let ChildHealth { ended, restarts, .. } = *health;
        *health = ChildHealth { pid: Some(pid), memory_bytes: seen.memory_bytes, cores, ended, restarts, missing };
        Some(seen.memory_bytes)
    }

    fn grew(&self, bytes: u64) -> SourceError {
        let (has, may) = (bytes >> 20, self.memory_bytes >> 20);
        SourceError::Pipeline(format!("the process that decodes it has {has} MiB of memory, and {may} are allowed"))
    }

    /// Why a child is gone that nobody ended.
    fn autopsy(&mut self) -> SourceError {
        let status = self.child.as_mut().and_then(|child| wait_within(child, LEAVE_PATIENCE));
        let last = self.health.lock().memory_bytes;
        // What asks for more than there may be is refused it, and then ends itself.
        let aborted = status.is_some_and(|status| status.signal() == Some(libc::SIGABRT));
        if (aborted && last > self.memory_bytes / 2) || self.group.as_ref().is_some_and(Group::ran_out) {
            self.why = Ended::Grew;
            return self.grew(last);
        }
        let how = match status {
            Some(status) => match (status.signal(), status.code()) {
                (Some(signal), _) => format!("signal {signal}"),
                (None, Some(code)) => format!("status {code}"),
                (None, None) => status.to_string(),
            },
            None => "it closed its pipe".to_owned(),
        };
        SourceError::Pipeline(format!("the process that decodes it ended: {how}"))
    }

    /// Ends the child, in bounded time. The intake must have ended the run: who waits there for room is freed by that.
    pub fn let_go(mut self, feed: &str) {
        self.end(feed);
    }

    fn end(&mut self, feed: &str) {
        let Some(mut child) = self.child.take() else { return };
        // Whoever waits for it in there is freed.
        self.outgoing = None;
        self.link.say(&Down::Over);
        self.link.end();
        let pid = child.id();
        if self.why != Ended::Source || wait_within(&mut child, LEAVE_PATIENCE).is_none() {
            // It fails where it has ended by itself.
            let _ = child.kill();
        }
        let gone = wait_within(&mut child, DIE_PATIENCE).is_some();
        // Frees whoever reads, should somebody else hold the other end.
        let _ = self.link.pipe.lock().shutdown(Shutdown::Both);
        self.group = None;
        self.apart.ended_by(pid, self.why);
        {
            let mut health = self.health.lock();
            let (ended, restarts) = match self.why {
                Ended::Source => (health.ended, health.restarts),
                why => (Some(why), health.restarts + 1),
            };
            *health = ChildHealth { ended, restarts, ..ChildHealth::default() };
        }
        if self.why != Ended::Source {
            tracing::warn!(feed, pid, why = self.why.name(), "a feed's process was ended");
        }
        if !gone {
            tracing::error!(feed, pid, "a feed's process does not die");
            // Whoever waits for it takes its last breath.
            let _ = std::thread::Builder::new().name("feed-burial".into()).spawn(move || child.wait());
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.end("");
    }
}

fn broken(what: &str, error: &io::Error) -> SourceError {
    SourceError::Pipeline(format!("{what}: {error}"))
}

pub(super) fn spawn(apart: &Apart) -> io::Result<(Child, UnixStream)> {
    let (ours, theirs) = UnixStream::pair()?;
    writing::prepare(&ours)?;
    let mut command = Command::new(&apart.program);
    command.args(&apart.arguments).env_clear();
    command.envs(INHERITED.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
    command.envs(PLAIN);
    command.stdin(Stdio::from(OwnedFd::from(theirs))).stdout(Stdio::null()).stderr(if cfg!(test) {
        Stdio::inherit()
    } else {
        Stdio::null()
    });
    Ok((command.spawn()?, ours))
}
