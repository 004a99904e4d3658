//! What was fetched and waits for the feed: a few segments, so that a server may pause.

use std::collections::VecDeque;

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};

use super::{Shown, Stretch};
use crate::cadence::SourceNanos;

/// Fetched ahead of what is being handed over. A live playlist has no more to give than three target durations.
const MAX_SEGMENTS: usize = 3;
const MAX_BYTES: usize = 48 << 20;

#[derive(Debug)]
pub enum Item {
    Segment {
        /// Said where a demuxer has to begin anew.
        stretch: Option<Stretch>,
        /// When its first picture is due, and when it was captured, in microseconds since 1970.
        dated: Option<(SourceNanos, i64)>,
        bytes: Bytes,
        /// What is shown of the source when this was.
        shown: Shown,
    },
    /// Nothing follows.
    End(Shown),
}

#[derive(Default)]
struct Waiting {
    items: VecDeque<Item>,
    bytes: usize,
    closed: bool,
}

#[derive(Default)]
pub struct Queue {
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

impl Queue {
    /// Waits for room. What comes after the end of the run is lost.
    pub fn put(&self, item: Item) {
        let size = match &item {
            Item::Segment { bytes, .. } => bytes.len(),
            Item::End(_) => 0,
        };
        let mut waiting = self.waiting.lock();
        // One segment may always wait, however large.
        while !waiting.closed
            && !waiting.items.is_empty()
            && (waiting.items.len() >= MAX_SEGMENTS || waiting.bytes + size > MAX_BYTES)
        {
            self.changed.wait(&mut waiting);
        }
        if !waiting.closed {
            waiting.bytes += size;
            waiting.items.push_back(item);
            self.changed.notify_all();
        }
    }

    /// Waits for the next item; `None` once the run is over.
    pub fn take(&self) -> Option<Item> {
        let mut waiting = self.waiting.lock();
        loop {
            if waiting.closed {
                return None;
            }
            if let Some(item) = waiting.items.pop_front() {
                if let Item::Segment { bytes, .. } = &item {
                    waiting.bytes -= bytes.len();
                }
                self.changed.notify_all();
                return Some(item);
            }
            self.changed.wait(&mut waiting);
        }
    }

    /// Frees whoever waits, for good.
    pub fn close(&self) {
        let mut waiting = self.waiting.lock();
        waiting.closed = true;
        waiting.items.clear();
        waiting.bytes = 0;
        self.changed.notify_all();
    }
}
