//! Where blocks lie.

use std::future::Future;
use std::pin::Pin;

use super::{Block, Held, Position, Sizes, TrackName};

/// An answer that may have to wait: for a disk, for another machine, for what is not made yet.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Where blocks lie and are taken from: memory, a disk, another machine, object storage. What it holds is bounded; a block that is gone is as
/// one that never came.
pub trait Shelf: Send + Sync {
    /// Puts a block down. One that is not newer than what the track has, or does not follow it within its segment, is let go: what was
    /// put down once stays as it is. False where it was.
    fn append<'a>(&'a self, track: &'a TrackName, at: Position, block: Block) -> Pending<'a, bool>;

    /// The block at `at`, if it is there now.
    fn get<'a>(&'a self, track: &'a TrackName, at: Position) -> Pending<'a, Option<Block>>;

    /// All blocks of a segment, if all of them are there now.
    fn segment<'a>(&'a self, track: &'a TrackName, segment: u64) -> Pending<'a, Option<Vec<Block>>>;

    /// What there is of a track now.
    fn held<'a>(&'a self, track: &'a TrackName) -> Pending<'a, Held>;

    /// What its newest segments came to.
    fn sizes<'a>(&'a self, track: &'a TrackName) -> Pending<'a, Sizes>;

    /// Waits until the track has come to `at`, and is woken by no other track. Whoever asks bounds the wait.
    fn wait<'a>(&'a self, track: &'a TrackName, at: Position) -> Pending<'a, ()>;
}
