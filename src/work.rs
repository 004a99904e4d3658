//! Work that goes on beside requests: threads that stand back behind them, queues that such threads empty, and when to try
//! again what failed.

mod inherited;
mod turns;

use std::io;
use std::process::{Child, ExitStatus};
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use parking_lot::Mutex;
use rustix::process::{Pid, WaitId, WaitIdOptions, WaitIdStatus, waitid};

pub use inherited::close_inherited;
#[cfg(test)]
pub use inherited::lets_go;

use crate::timeline::MediaTime;

/// How much nicer media threads are than the process itself. Each step gives a thread a fifth less of a contested core (setpriority(2)):
/// after five, one that answers requests gets three times as much as one that decodes, draws or encodes. More would let a flood
/// of requests starve the pictures.
const MEDIA_NICER: i32 = 5;

/// How long a thread that answers requests may go on while others wait: the shortest that Linux has. Most answers take less.
const SHORT_TURN: Duration = Duration::from_micros(100);

/// The highest nice value there is.
const NICEST: i32 = 19;

/// Lets the calling thread, and threads that it starts later, stand back behind the threads that answer requests. Nothing
/// happens where that was done before, or where the system does not let it.
pub fn lower_priority() {
    // The process's own value is its first thread's, which nobody lowers.
    static OWN: OnceLock<i32> = OnceLock::new();
    let own = *OWN.get_or_init(|| nice_of(Some(rustix::process::getpid())));
    let wanted = (own + MEDIA_NICER).min(NICEST);
    if nice_of(None) < wanted {
        stand(wanted);
    }
}

/// Lets the whole process, which has no other thread yet, stand back once more: its media threads then stand behind those of the
/// process that started it. To be called before [`lower_priority`].
pub fn stand_back() {
    stand((nice_of(None) + MEDIA_NICER).min(NICEST));
}

/// Lets the calling thread, and threads that it starts later, answer at once: woken, it has its turn before threads of media, whose
/// turns are longer, and gives way again soon. Its share of the processors is no greater for it. Kernels before Linux 6.12 know no
/// turns of a thread's own, and go on as they do.
pub fn answer_at_once() {
    if let Err(error) = turns::set(nice_of(None), SHORT_TURN) {
        tracing::debug!(%error, "threads that answer requests have turns like all others");
    }
}

/// Gives the calling thread this nice value, and turns of the system's usual length.
fn stand(nice: i32) {
    // On Linux the caller's thread alone is meant. To be nicer needs no privilege, so a refusal is a sandbox's.
    if turns::set(nice, Duration::ZERO).is_err()
        && let Err(error) = rustix::process::setpriority_process(None, nice)
    {
        tracing::debug!(%error, "a thread keeps its priority");
    }
}

/// The process ends when whoever started it does.
///
/// # Errors
/// The system's.
pub fn die_with_parent() -> io::Result<()> {
    Ok(rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?)
}

/// The rights that root has and others have not are none of what decodes, and nothing gives them back. To be called before there are other threads: they have
/// what the one had that made them.
///
/// # Errors
/// The system's.
pub fn give_up_rights() -> io::Result<()> {
    use rustix::thread::{CapabilitySet, CapabilitySets};
    let none = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    rustix::thread::set_no_new_privs(true)?;
    Ok(rustix::thread::set_capabilities(None, none)?)
}

fn nice_of(thread: Option<Pid>) -> i32 {
    rustix::process::getpriority_process(thread).unwrap_or(0)
}

/// How a process ended, if it does within `patience`.
pub fn wait_within(child: &mut Child, patience: Duration) -> Option<ExitStatus> {
    let until = Instant::now() + patience;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if Instant::now() < until => thread::sleep(Duration::from_millis(5)),
            Ok(None) | Err(_) => return None,
        }
    }
}

/// The same of one that is not let go with that: what it has taken can still be asked.
pub fn ended_within(child: &Child, patience: Duration) -> Option<WaitIdStatus> {
    let (id, until) = (Pid::from_child(child), Instant::now() + patience);
    loop {
        match waitid(WaitId::Pid(id), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG) {
            Ok(Some(status)) => return Some(status),
            Ok(None) if Instant::now() < until => thread::sleep(Duration::from_millis(5)),
            Ok(None) | Err(_) => return None,
        }
    }
}

/// Processor time that a process has used, in seconds; `None` where there is none, or it was waited for.
pub fn cpu_time_of(pid: u32) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may have spaces and brackets of its own; utime and stime are fields 14 and 15 (proc(5)).
    let (_, fields) = stat.rsplit_once(')')?;
    let mut ticks = fields.split_whitespace().skip(11).map_while(|field| field.parse::<u64>().ok());
    let ticks = ticks.next()? + ticks.next()?;
    Some(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

/// Processor time this process has used, all threads together.
pub fn process_cpu_time() -> Duration {
    cpu_time(rustix::time::ClockId::ProcessCPUTime)
}

/// Processor time of processes that this one has started and watches, in microseconds.
static CHILDREN_US: AtomicU64 = AtomicU64::new(0);

/// A process that this one started has used so many seconds more.
pub fn count_child_cpu(seconds: f64) {
    CHILDREN_US.fetch_add((seconds.max(0.0) * 1e6) as u64, Ordering::Relaxed);
}

/// Processor time this process and those that it started have used.
pub fn whole_cpu_time() -> Duration {
    process_cpu_time() + children_cpu_time()
}

/// The part of it that those have used that it started.
pub fn children_cpu_time() -> Duration {
    Duration::from_micros(CHILDREN_US.load(Ordering::Relaxed))
}

/// Processor time the calling thread has used.
pub fn thread_cpu_time() -> Duration {
    cpu_time(rustix::time::ClockId::ThreadCPUTime)
}

fn cpu_time(clock: rustix::time::ClockId) -> Duration {
    let t = rustix::time::clock_gettime(clock);
    Duration::new(u64::try_from(t.tv_sec).unwrap_or(0), u32::try_from(t.tv_nsec).unwrap_or(0))
}

/// Where threads come from. Tests have others, which have none.
pub trait Threads: Send + Sync {
    /// Starts a thread for `work`, at the priority of media.
    fn start(&self, name: &str, work: Box<dyn FnOnce() + Send>) -> io::Result<JoinHandle<()>>;
}

/// The system's.
pub struct SystemThreads;

impl Threads for SystemThreads {
    fn start(&self, name: &str, work: Box<dyn FnOnce() + Send>) -> io::Result<JoinHandle<()>> {
        thread::Builder::new().name(name.into()).spawn(move || {
            lower_priority();
            work();
        })
    }
}

/// Counts what has been handed to workers and is not done: none, and everything stands still until the next tick.
#[derive(Clone, Debug, Default)]
pub struct InHand(Arc<AtomicUsize>);

impl InHand {
    pub fn count(&self) -> usize {
        self.0.load(Ordering::Acquire)
    }

    fn one(&self) -> OneInHand {
        self.0.fetch_add(1, Ordering::AcqRel);
        OneInHand(self.clone())
    }
}

/// Counted while it lives, wherever it is let go of: in a thread that panics, or in a queue that nobody empties.
struct OneInHand(InHand);

impl Drop for OneInHand {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A piece of work in a worker's queue.
pub struct Piece<T> {
    pub work: T,
    _counted: OneInHand,
}

/// What a worker's thread does: it takes pieces until there are no more.
pub type Run<T> = Arc<dyn Fn(&Receiver<Piece<T>>) + Send + Sync>;

/// Both ends of a worker's queue: a thread that comes after another goes on with what is in it.
type Ends<T> = (Sender<Piece<T>>, Receiver<Piece<T>>);

/// A bounded queue and the thread that empties it. The thread is started by [`Worker::mend`], and again where it could not be
/// had, or has died.
pub struct Worker<T> {
    name: &'static str,
    in_hand: InHand,
    run: Run<T>,
    /// `None` once it is closed.
    queue: Mutex<Option<Ends<T>>>,
    thread: Mutex<Thread>,
}

#[derive(Default)]
struct Thread {
    handle: Option<JoinHandle<()>>,
    retry: Retry,
}

/// What [`Worker::mend`] found.
#[derive(Debug)]
pub enum Mended {
    /// All is well, or it is not yet time to try again.
    Nothing,
    /// There is a thread, for the first time or after failures.
    Started,
    /// The thread had died; there is a new one.
    Replaced,
    /// No thread was to be had.
    Failed(io::Error),
}

impl<T: Send + 'static> Worker<T> {
    /// A queue of `capacity` pieces, still without a thread.
    pub fn new(name: &'static str, capacity: usize, in_hand: InHand, run: Run<T>) -> Self {
        Self { name, in_hand, run, queue: Mutex::new(Some(bounded(capacity))), thread: Mutex::default() }
    }

    /// Sees to it that there is a thread. Waits for the system: not to be called by the tick, nor with a lock that it takes.
    pub fn mend(&self, threads: &dyn Threads, now: MediaTime) -> Mended {
        let Some(receiver) = self.queue.lock().as_ref().map(|(_, receiver)| receiver.clone()) else {
            return Mended::Nothing;
        };
        let mut thread = self.thread.lock();
        let died = thread.handle.as_ref().is_some_and(JoinHandle::is_finished);
        if (thread.handle.is_some() && !died) || !thread.retry.is_due(now) {
            return Mended::Nothing;
        }
        let run = self.run.clone();
        match threads.start(self.name, Box::new(move || run(&receiver))) {
            Ok(handle) => {
                thread.handle = Some(handle);
                if died {
                    // One that dies at once, again and again, is not to be replaced at every look.
                    thread.retry.fail(now);
                    return Mended::Replaced;
                }
                thread.retry.clear();
                Mended::Started
            }
            Err(error) => {
                thread.retry.fail(now);
                Mended::Failed(error)
            }
        }
    }

    /// Where pieces go in; `None` once it is closed.
    pub fn input(&self) -> Option<Input<T>> {
        let queue = self.queue.lock();
        queue.as_ref().map(|(sender, _)| Input { sender: sender.clone(), in_hand: self.in_hand.clone() })
    }

    /// No more pieces: the thread ends once the queue is empty.
    pub fn close(&self) {
        *self.queue.lock() = None;
    }
}

/// Where pieces go into a worker's queue.
pub struct Input<T> {
    sender: Sender<Piece<T>>,
    in_hand: InHand,
}

impl<T> Input<T> {
    /// Hands a piece over, or gives it back where there is no room. Never waits.
    pub fn give(&self, work: T) -> Result<(), T> {
        let piece = Piece { work, _counted: self.in_hand.one() };
        self.sender.try_send(piece).map_err(|e| match e {
            TrySendError::Full(piece) | TrySendError::Disconnected(piece) => piece.work,
        })
    }
}

/// When to try again what failed: at once after the first failure, then a second later, and twice as long each time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retry {
    failures: u32,
    due: MediaTime,
}

/// The longest wait between two attempts.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

impl Retry {
    /// Failures in a row.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    pub fn is_due(&self, now: MediaTime) -> bool {
        now >= self.due
    }

    pub fn fail(&mut self, now: MediaTime) {
        let wait = match self.failures {
            0 => Duration::ZERO,
            n => Duration::from_secs(1 << (n - 1).min(10)).min(LONGEST_WAIT),
        };
        self.failures = self.failures.saturating_add(1);
        self.due = now + wait;
    }

    /// It worked; whether it had failed before.
    pub fn clear(&mut self) -> bool {
        std::mem::take(self).failures > 0
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn at(s: u64) -> MediaTime {
        MediaTime::from_secs(s)
    }

    /// As many threads as it says.
    struct Few(AtomicUsize);

    impl Threads for Few {
        fn start(&self, name: &str, work: Box<dyn FnOnce() + Send>) -> io::Result<JoinHandle<()>> {
            match self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(1)) {
                Ok(_) => SystemThreads.start(name, work),
                Err(_) => Err(io::Error::other("no more threads")),
            }
        }
    }

    fn doubling(results: mpsc::Sender<u32>) -> Worker<u32> {
        let results = Mutex::new(results);
        let run: Run<u32> = Arc::new(move |pieces| {
            for piece in pieces {
                assert_ne!(piece.work, 13, "an unlucky number");
                results.lock().send(2 * piece.work).unwrap();
            }
        });
        Worker::new("doubling", 2, InHand::default(), run)
    }

    #[test]
    fn media_threads_are_nicer_than_the_process_and_those_they_start_are_too() {
        let own = nice_of(Some(rustix::process::getpid()));
        let (give, take) = mpsc::channel();
        let work = move || {
            // Once more changes nothing.
            lower_priority();
            let inherited = thread::spawn(|| nice_of(None)).join().unwrap();
            give.send((nice_of(None), inherited)).unwrap();
        };
        SystemThreads.start("media", Box::new(work)).unwrap().join().unwrap();
        let wanted = (own + MEDIA_NICER).min(NICEST);
        assert_eq!(take.recv().unwrap(), (wanted, wanted));
        assert_eq!(nice_of(Some(rustix::process::getpid())), own, "all others keep their priority");
    }

    #[test]
    fn who_answers_requests_has_short_turns_and_media_that_it_starts_has_not() {
        fn turn() -> Duration {
            turns::get().unwrap()
        }
        let answering = || {
            let usual = turn();
            answer_at_once();
            let nice = nice_of(None);
            let inherited = thread::spawn(turn).join().unwrap();
            let media = || {
                lower_priority();
                (turn(), thread::spawn(turn).join().unwrap())
            };
            (usual, nice, turn(), inherited, thread::spawn(media).join().unwrap())
        };
        let (usual, nice, short, inherited, media) = thread::spawn(answering).join().unwrap();
        assert_eq!(nice, nice_of(None), "its share is as before");
        // Before Linux 6.12 a thread has no turn of its own, and none is told.
        let known = !usual.is_zero();
        assert_eq!((short, inherited), if known { (SHORT_TURN, SHORT_TURN) } else { (usual, usual) });
        assert_eq!(media, (usual, usual));
    }

    #[test]
    fn a_thread_that_could_not_be_had_is_asked_for_again_and_the_queue_waits_for_it() {
        let (results, taken) = mpsc::channel();
        let (worker, few) = (doubling(results), Few(AtomicUsize::new(0)));
        let input = worker.input().unwrap();
        assert!(matches!(worker.mend(&few, at(10)), Mended::Failed(_)));
        assert_eq!((input.give(1), input.give(2), input.give(3)), (Ok(()), Ok(()), Err(3)));
        assert_eq!(worker.in_hand.count(), 2);
        assert!(matches!(worker.mend(&few, at(10)), Mended::Failed(_)), "the second attempt comes at once");
        few.0.store(1, Ordering::Release);
        assert!(matches!(worker.mend(&few, at(10)), Mended::Nothing), "the third a second later");
        assert!(matches!(worker.mend(&few, at(11)), Mended::Started));
        assert_eq!((taken.recv(), taken.recv()), (Ok(2), Ok(4)));
        assert!(matches!(worker.mend(&few, at(99)), Mended::Nothing));
        worker.close();
        assert!(worker.input().is_none());
        drop(input);
        let thread = worker.thread.lock().handle.take().unwrap();
        thread.join().unwrap();
        assert_eq!(worker.in_hand.count(), 0);
    }

    #[test]
    fn a_thread_that_died_is_replaced() {
        let (results, taken) = mpsc::channel();
        let worker = doubling(results);
        worker.mend(&SystemThreads, at(0));
        let input = worker.input().unwrap();
        input.give(13).unwrap();
        while worker.in_hand.count() > 0 || !worker.thread.lock().handle.as_ref().unwrap().is_finished() {
            thread::yield_now();
        }
        input.give(4).unwrap();
        assert!(matches!(worker.mend(&SystemThreads, at(1)), Mended::Replaced));
        assert_eq!(taken.recv(), Ok(8));
    }

    #[test]
    fn attempts_are_made_at_once_then_after_a_second_and_never_more_than_half_a_minute_apart() {
        let mut retry = Retry::default();
        let mut waits = Vec::new();
        let mut now = at(1000);
        for _ in 0..8 {
            retry.fail(now);
            let wait = (0..).find(|s| retry.is_due(now + Duration::from_secs(*s))).unwrap();
            waits.push(wait);
            now = now + Duration::from_secs(wait);
        }
        assert_eq!(waits, [0, 1, 2, 4, 8, 16, 30, 30]);
        assert!(retry.clear() && !retry.clear() && retry.is_due(at(0)));
    }
}
