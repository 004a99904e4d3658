//! The pictures of one feed that were decoded and not shown yet, and the one being shown.

use std::collections::VecDeque;

use super::SourceNanos;

/// What a tick gets.
#[derive(Clone, Debug)]
pub struct PickedPicture<P> {
    pub picture: P,
    /// Whether this picture is shown for the first time.
    pub fresh: bool,
    /// How long ago it was due, in ns; negative when it is shown a little early.
    pub age: i64,
    /// Pictures that were passed over since the last pick.
    pub dropped: u32,
}

/// Pictures in order of source time. [`PictureQueue::pick`] answers every tick with exactly one, never an older one than
/// before. Its bound is the caller's: [`PictureQueue::is_full`] says when a pulled source has to wait, and
/// [`PictureQueue::drop_oldest`] makes room for a live one.
#[derive(Clone, Debug)]
pub struct PictureQueue<P> {
    waiting: VecDeque<(SourceNanos, P)>,
    shown: Option<(SourceNanos, P)>,
    tick_nanos: i64,
    capacity: usize,
    dropped: u32,
}

impl<P: Clone> PictureQueue<P> {
    /// For ticks of `tick_nanos`, to hold no more than `capacity` pictures.
    pub fn new(tick_nanos: i64, capacity: usize) -> Self {
        Self { waiting: VecDeque::new(), shown: None, tick_nanos, capacity: capacity.max(2), dropped: 0 }
    }

    pub fn set_capacity(&mut self, capacity: usize) {
        self.capacity = capacity.max(2);
    }

    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub fn is_full(&self) -> bool {
        self.waiting.len() >= self.capacity
    }

    /// Adds a picture. One that is not later than its predecessor is dropped: time never runs backwards on a canvas.
    pub fn push(&mut self, at: SourceNanos, picture: P) {
        let last = self.waiting.back().or(self.shown.as_ref()).map(|(at, _)| *at);
        if last.is_some_and(|last| at <= last) {
            self.dropped += 1;
        } else {
            self.waiting.push_back((at, picture));
        }
    }

    /// Makes room for one picture by giving up the oldest ones.
    pub fn drop_oldest(&mut self) {
        while self.is_full() {
            self.waiting.pop_front();
            self.dropped += 1;
        }
    }

    /// Gives up what was due before `at`.
    pub fn drop_before(&mut self, at: SourceNanos) {
        while self.waiting.front().is_some_and(|(due, _)| *due < at) {
            self.waiting.pop_front();
            self.dropped += 1;
        }
    }

    /// A new run of the source: its time has nothing to do with the old one's. What is shown stays until the first pick.
    pub fn restart(&mut self) {
        self.dropped += u32::try_from(self.waiting.len()).unwrap_or(u32::MAX);
        self.waiting.clear();
        self.shown = None;
    }

    /// Source time of the next picture.
    pub fn next_at(&self) -> Option<SourceNanos> {
        self.waiting.front().map(|(at, _)| *at)
    }

    /// The next picture and its source time.
    pub fn peek(&self) -> Option<(SourceNanos, &P)> {
        self.waiting.front().map(|(at, p)| (*at, p))
    }

    /// Takes the next picture, whatever the time: for who goes by the pictures and not by a clock.
    pub fn take_next(&mut self) -> Option<(SourceNanos, P)> {
        let next = self.waiting.pop_front()?;
        self.shown = Some(next.clone());
        Some(next)
    }

    /// Source time of the newest picture, waiting or shown.
    pub fn newest_at(&self) -> Option<SourceNanos> {
        self.waiting.back().or(self.shown.as_ref()).map(|(at, _)| *at)
    }

    /// The picture that is shown, or else the next.
    pub fn any(&self) -> Option<&P> {
        self.shown.as_ref().or(self.waiting.front()).map(|(_, p)| p)
    }

    /// The latest time a picture may have and still be taken at a tick that wants `want`.
    pub fn horizon(&self, want: SourceNanos) -> SourceNanos {
        want + self.tick_nanos / 2 + self.hysteresis()
    }

    fn hysteresis(&self) -> i64 {
        self.tick_nanos / 8
    }

    /// The picture for a tick at which source time `want` is due; `None` before the first.
    ///
    /// It is the newest whose time is at most half a tick ahead: rounding then always goes to the nearest tick, and 25 in
    /// 30, 29.97 in 30 or 50 in 30 give their regular patterns. Close to the edge jitter would flip between holding and
    /// passing over; so a picture that would avoid a hold is taken a little earlier, and one that would make another be
    /// passed over a little later.
    pub fn pick(&mut self, want: SourceNanos) -> Option<PickedPicture<P>> {
        let edge = want + self.tick_nanos / 2;
        let mut fresh = false;
        loop {
            let limit = if fresh { edge - self.hysteresis() } else { edge + self.hysteresis() };
            let Some(next) = self.waiting.pop_front_if(|(at, _)| *at <= limit) else { break };
            self.dropped += u32::from(fresh);
            self.shown = Some(next);
            fresh = true;
        }
        let dropped = std::mem::take(&mut self.dropped);
        self.shown.as_ref().map(|(at, p)| PickedPicture { picture: p.clone(), fresh, age: want - at, dropped })
    }
}
