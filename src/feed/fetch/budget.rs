//! How much of what is fetched is held in memory at once, of a game and over the machine.
//!
//! Bodies are held whole from their first byte until the last of it was handed over, and a server decides how large they are and how slowly they
//! come. Each game has a share that nobody takes from it; what it holds beyond that comes from a pool that all have in common. Where the
//! pool is short, who has had least of it comes first, and who has had most of it gives way; those whose bodies came to nothing come last. One lock, which is held for no call that leads out.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

const MIB: usize = 1 << 20;
/// Whoever waits looks this often whether to go on waiting.
const POLL: Duration = Duration::from_millis(50);
/// Who held something of the pool for a body that came to nothing comes after others for so long.
const MARKED_FOR: Duration = Duration::from_secs(600);
/// Over which what a game has of the pool is averaged, in seconds.
const AVERAGED_S: f64 = 30.0;

/// How much may be held at once, in bytes, and how long is waited.
#[derive(Clone, Copy, Debug)]
pub(in crate::feed) struct Bounds {
    /// Of a game, in bodies that are larger than `small`.
    pub game: usize,
    /// Bodies up to here have as much as that and [`Bounds::smalls`]: large pictures keep no sound, text or playlist from coming.
    pub small: usize,
    pub smalls: usize,
    /// Of a game, whatever others hold: a segment of 8 MiB that is handed over, the next one, and their sound.
    pub share: usize,
    /// Of all games beyond their shares.
    pub pool: usize,
    /// What of the pool is left to games that have had little of it, and made something of it.
    pub kept: usize,
    /// More than this of the pool, on average, is much.
    pub heavy: usize,
    /// How long a body waits for another to give something back.
    pub patience: Duration,
    /// Who has had most of the pool gives way after so long, where others wait.
    pub turn: Duration,
}

impl Bounds {
    const OURS: Self = Self {
        game: 64 * MIB,
        small: MIB,
        smalls: 4 * MIB,
        share: 18 * MIB,
        pool: 256 * MIB,
        kept: 64 * MIB,
        heavy: 24 * MIB,
        patience: Duration::from_secs(4),
        turn: Duration::from_secs(4),
    };

    /// On a machine with so many bytes of memory: a small one has a smaller pool, that of one game at least.
    fn with_memory(bytes: u64) -> Self {
        let most = usize::try_from(bytes / 16).unwrap_or(usize::MAX);
        let pool = Self::OURS.pool.min(most).max(Self::OURS.game);
        Self { pool, kept: pool / 4, ..Self::OURS }
    }
}

/// Why a body is not held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::feed) enum Full {
    #[error("more is fetched of this game at once than the {} MiB that are held of one", .0 / MIB)]
    Game(usize),
    #[error("what games fetch beyond {} MiB each has taken the {} MiB that this machine holds of it", .share / MIB, .pool / MIB)]
    Machine { share: usize, pool: usize },
    /// Nobody wants it any more.
    #[error("the feed was stopped")]
    Stopped,
}

/// What a game holds.
#[derive(Debug)]
struct Tally {
    held: usize,
    /// Of it, in bodies that are larger than small.
    large: usize,
    /// What it had of the pool, in bytes, averaged.
    average: f64,
    as_of: Instant,
    /// Since when it has something of the pool.
    beyond_since: Option<Instant>,
    /// Until when it comes after others.
    marked_until: Option<Instant>,
}

#[derive(Debug)]
struct State {
    tallies: HashMap<u64, Tally>,
    next: u64,
    /// What is left of the pool.
    free: usize,
    /// Games that wait for something of it.
    waiting: Vec<u64>,
}

/// All games' together.
#[derive(Debug)]
pub(in crate::feed) struct Budget {
    bounds: Bounds,
    state: Mutex<State>,
    changed: Condvar,
}

impl Budget {
    pub fn new(bounds: Bounds) -> Arc<Self> {
        let state = State { tallies: HashMap::new(), next: 0, free: bounds.pool, waiting: Vec::new() };
        Arc::new(Self { bounds, state: Mutex::new(state), changed: Condvar::new() })
    }

    /// This process's.
    pub fn ours() -> Arc<Self> {
        static OURS: OnceLock<Arc<Budget>> = OnceLock::new();
        let begin = || {
            let told = rustix::system::sysinfo();
            Self::new(Bounds::with_memory(told.totalram.saturating_mul(told.mem_unit.into())))
        };
        Arc::clone(OURS.get_or_init(begin))
    }

    pub fn account(self: &Arc<Self>) -> Arc<Account> {
        let mut state = self.state.lock();
        let number = state.next;
        state.next += 1;
        let tally =
            Tally { held: 0, large: 0, average: 0.0, as_of: Instant::now(), beyond_since: None, marked_until: None };
        state.tallies.insert(number, tally);
        Arc::new(Account { budget: Arc::clone(self), number })
    }

    #[cfg(test)]
    pub fn is_waited_for(&self) -> bool {
        !self.state.lock().waiting.is_empty()
    }

    fn beyond(&self, held: usize) -> usize {
        held.saturating_sub(self.bounds.share)
    }

    /// A body of game `number` goes from `from` to `to` bytes, if there is room for it.
    fn change(&self, state: &mut State, number: u64, from: usize, to: usize, now: Instant) -> Result<(), Full> {
        let Bounds { game, small, smalls, share, pool, .. } = self.bounds;
        let Some(tally) = state.tallies.get(&number) else { return Ok(()) };
        let as_large = |bytes: usize| if bytes > small { bytes } else { 0 };
        let held = tally.held - from + to;
        let large = tally.large - as_large(from) + as_large(to);
        let (had, wants) = (self.beyond(tally.held), self.beyond(held));
        if to > from && (large > game || held > game + smalls) {
            return Err(Full::Game(game));
        }
        if wants > had {
            let mine = self.rank(tally, now);
            let kept = if mine.0 || mine.1 > self.bounds.heavy as f64 { self.bounds.kept } else { 0 };
            let of = |other: &u64| state.tallies.get(other).map(|other| self.rank(other, now));
            let comes_first = state.waiting.iter().filter(|other| **other != number).filter_map(of).all(|r| r >= mine);
            if wants - had + kept > state.free || !comes_first {
                return Err(Full::Machine { share, pool });
            }
        }
        state.free = state.free + had - wants;
        if let Some(tally) = state.tallies.get_mut(&number) {
            (tally.average, tally.as_of) = (tally.average(now, had), now);
            tally.beyond_since = tally.beyond_since.filter(|_| wants > 0).or((wants > 0).then_some(now));
            (tally.held, tally.large) = (held, large);
        }
        Ok(())
    }

    /// Whether game `number` has had most of the pool, for its turn, while one that has had much less waits.
    fn gives_way(&self, state: &State, number: u64, now: Instant) -> bool {
        if state.waiting.iter().all(|other| *other == number) {
            return false;
        }
        let Some(tally) = state.tallies.get(&number) else { return false };
        let Some(since) = tally.beyond_since else { return false };
        let mine = self.rank(tally, now);
        let of = |other: &u64| state.tallies.get(other).map(|other| self.rank(other, now));
        let much_less = |other: (bool, f64)| if other.0 == mine.0 { other.1 < mine.1 / 2.0 } else { mine.0 };
        now.saturating_duration_since(since) >= self.bounds.turn
            && state.waiting.iter().filter_map(of).any(much_less)
            && state.tallies.values().all(|other| other.beyond_since.is_none() || self.rank(other, now) <= mine)
    }

    /// Who has less comes first: whether what it had of the pool came to nothing, and how much of it that was.
    fn rank(&self, tally: &Tally, now: Instant) -> (bool, f64) {
        (tally.marked_until.is_some_and(|until| now < until), tally.average(now, self.beyond(tally.held)))
    }
}

impl Tally {
    /// What it had of the pool, averaged up to `now`, since when it has had `beyond`.
    fn average(&self, now: Instant, beyond: usize) -> f64 {
        let kept = (-now.saturating_duration_since(self.as_of).as_secs_f64() / AVERAGED_S).exp();
        self.average * kept + beyond as f64 * (1.0 - kept)
    }
}

/// A game's. Whatever is held of it refers to this.
#[derive(Debug)]
pub(in crate::feed) struct Account {
    budget: Arc<Budget>,
    number: u64,
}

impl Account {
    /// For a body of which nothing has come yet.
    pub fn body(self: &Arc<Self>) -> Held {
        Held { account: Arc::clone(self), bytes: 0 }
    }

    /// Waits until there is room for `bytes` more beside what its game has fetched and not handed over yet, `patience` at most. To wait with
    /// the server asked already costs the request its time.
    pub fn await_room(&self, bytes: usize, patience: Duration, is_over: &dyn Fn() -> bool) {
        let budget = &self.budget;
        let until = Instant::now() + patience;
        let mut state = budget.state.lock();
        while !is_over() && Instant::now() < until {
            let Some(held) = state.tallies.get(&self.number).map(|tally| tally.held) else { return };
            let of_pool = budget.beyond(held + bytes) - budget.beyond(held);
            let fits = held + bytes <= budget.bounds.game + budget.bounds.smalls && of_pool <= state.free;
            // What others hold may be given back while it is fetched; its own is being handed over.
            if fits || held == 0 {
                return;
            }
            budget.changed.wait_for(&mut state, POLL);
        }
    }

    /// Whether others wait for what it has too much of, and has had for long enough.
    pub fn gives_way(&self) -> bool {
        let state = self.budget.state.lock();
        self.budget.gives_way(&state, self.number, Instant::now())
    }

    #[cfg(test)]
    pub fn held(&self) -> usize {
        self.budget.state.lock().tallies.get(&self.number).map_or(0, |tally| tally.held)
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.budget.state.lock().tallies.remove(&self.number);
    }
}

/// So many bytes of a body are held; they are given back when this goes.
#[derive(Debug)]
pub(in crate::feed) struct Held {
    account: Arc<Account>,
    bytes: usize,
}

impl Held {
    /// So many bytes more. Within its game's share it waits for nobody.
    ///
    /// # Errors
    /// There is no room for them, and none came in time; or `is_over` says that nobody wants them.
    pub fn grow(&mut self, bytes: usize, is_over: &dyn Fn() -> bool) -> Result<(), Full> {
        let Account { budget, number } = &*self.account;
        let (bounds, to) = (budget.bounds, self.bytes + bytes);
        let until = Instant::now() + bounds.patience;
        let mut state = budget.state.lock();
        let mut waits = false;
        let result = loop {
            let now = Instant::now();
            if budget.gives_way(&state, *number, now) {
                break Err(Full::Machine { share: bounds.share, pool: bounds.pool });
            }
            let full = match budget.change(&mut state, *number, self.bytes, to, now) {
                Ok(()) => break Ok(()),
                Err(full) => full,
            };
            if is_over() {
                break Err(Full::Stopped);
            }
            if now >= until {
                break Err(full);
            }
            if matches!(full, Full::Machine { .. }) != waits {
                waits = !waits;
                state.wait_or_not(*number, waits);
            }
            budget.changed.wait_for(&mut state, POLL);
        };
        if waits {
            state.wait_or_not(*number, false);
            // Another may come first now.
            budget.changed.notify_all();
        }
        drop(state);
        if result.is_ok() {
            self.bytes = to;
        }
        result
    }

    /// The server did not send all of it, or too much. Where that took something of the pool, its game comes after others for a while: a body
    /// that never ends holds as much as one that does, for longer, and is of no use to anybody.
    pub fn came_to_nothing(&self) {
        let Account { budget, number } = &*self.account;
        if self.bytes > budget.bounds.small
            && let Some(tally) = budget.state.lock().tallies.get_mut(number)
            && tally.beyond_since.is_some()
        {
            tally.marked_until = Some(Instant::now() + MARKED_FOR);
        }
    }

    fn give_back(&mut self) {
        let Account { budget, number } = &*self.account;
        let mut state = budget.state.lock();
        // What grows smaller always may.
        let _ = budget.change(&mut state, *number, self.bytes, 0, Instant::now());
        self.bytes = 0;
        budget.changed.notify_all();
    }
}

impl State {
    fn wait_or_not(&mut self, number: u64, waits: bool) {
        if waits {
            self.waiting.push(number);
        } else if let Some(index) = self.waiting.iter().position(|other| *other == number) {
            self.waiting.swap_remove(index);
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.give_back();
    }
}

#[cfg(test)]
#[path = "budget_tests.rs"]
mod tests;
