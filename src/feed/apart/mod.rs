//! Decoding in a process of its own: what parses a source's bytes shares nothing with what holds viewers, keys and the ledger.
//!
//! ```text
//!  parent                                                     child, one for each run of a source
//! ┌────────────────────────────────┐  socket: messages       ┌──────────────────────────────────┐
//! │ supervisor ── Run (parent.rs)  │ ◀─────────────────────▶ │ child.rs ── pipeline::Run        │
//! │ intake ◀── lanes (lanes.rs)    │                         │               │                  │
//! │              ▲                 │  memory: pictures       │               ▼                  │
//! │              └── shared.rs ────│ ◀────────────────────── │ places.rs ── Far (far.rs)        │
//! └────────────────────────────────┘                         └──────────────────────────────────┘
//! ```
//!
//! The pipeline is the one that runs inside: it hands over to an [`Outlet`](super::outlet::Outlet), which is the intake inside and
//! [`far::Far`] here. The parent makes the same calls of the real intake, so clocks, cadence, delays, cues and texts are where
//! they were. Each of picture, main sound and other sounds is a lane: the child may have a few of each under way, and what
//! waits for room in one holds up no other.
//!
//! A child has no network. What there is to be done in it the parent does (outside.rs): it reads files on HTTP as the child asks for
//! their bytes (asked.rs), and calls RTMP's and SRT's peers. Elements that call by themselves do so in a network of the
//! child's own (own_network.rs), where a relay stands for the world (relay.rs).

mod asked;
mod child;
mod doors;
#[cfg(test)]
mod ends_tests;
mod far;
mod given;
mod groups;
mod handed;
mod jail;
mod lanes;
mod line;
mod message;
mod meter;
#[cfg(test)]
mod net_tests;
mod outside;
mod own_network;
mod parent;
mod passing;
mod places;
mod reader;
mod relay;
mod resolver;
mod shared;
#[cfg(test)]
mod shared_tests;
#[cfg(test)]
mod tests;
mod unlocked;
mod watched;
mod writing;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

pub(super) use asked::Asked;
pub use child::child;
pub(super) use doors::{FarDoors, FarFed};
pub(super) use parent::{Run, Surroundings};
#[cfg(test)]
pub(super) use tests::apart;
pub(super) use watched::Watched;
pub use watched::{ChildHealth, Ended, Wall};

/// Memory that a child may write to, where nothing else is said: a 2160p decoder with all its pictures takes a third of it.
pub const MEMORY_BYTES: u64 = 1 << 30;

/// How feeds' processes are made.
#[derive(Debug)]
pub struct Apart {
    /// The program that calls [`child`] when it is started with `arguments`.
    pub program: PathBuf,
    pub arguments: Vec<OsString>,
    /// What a child may write to, in bytes.
    pub memory_bytes: u64,
    groups: Option<groups::Groups>,
    watched: Arc<Watched>,
}

impl Apart {
    pub fn new(program: PathBuf, arguments: Vec<OsString>) -> Self {
        Self { program, arguments, memory_bytes: MEMORY_BYTES, groups: None, watched: Arc::default() }
    }

    /// The same, with a control group for each child where this process may make some; it may move into one itself.
    pub fn grouped(self) -> Self {
        let groups = match groups::Groups::found() {
            Ok(groups) => Some(groups),
            Err(reason) => {
                tracing::info!(%reason, "feeds' processes have no control groups: each limits itself");
                None
            }
        };
        Self { groups, ..self }
    }

    /// Children that ended, by why, since the start.
    pub fn ended(&self) -> Vec<(Ended, u64)> {
        self.watched.ended()
    }

    /// How long pictures were on their way to this process of late: all but a hundredth of them at most so long. `None` before the first.
    pub fn hand_over(&self) -> Option<std::time::Duration> {
        self.watched.hand_over(0.01)
    }

    /// What those that run take together: how many they are, their memory in bytes, and the processor time of all that ever
    /// ran in seconds.
    pub fn load(&self) -> (u64, u64, f64) {
        self.watched.load()
    }
}

/// A thread that nobody waits for.
fn thread(name: &str, work: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    std::thread::Builder::new().name(name.into()).spawn(work).map(drop)
}
