//! What decodes a source: this process, or one of its own.

use std::sync::Arc;

use parking_lot::Mutex;
use url::Url;

use super::apart::{self, ChildHealth};
use super::error::SourceError;
use super::facts::Facts;
use super::intake::Intake;
use super::pipeline;
use super::room::Decoding;
use super::wanted::Wanted;
use crate::timeline::{Clock, Grid};

/// What it is started with.
pub(super) struct Around<'a> {
    pub grid: &'a Grid,
    pub clock: &'a Arc<dyn Clock>,
    pub intake: &'a Arc<Intake>,
    /// The intake's number of this run.
    pub run: u64,
    pub facts: &'a Arc<Mutex<Facts>>,
    pub decoding: &'a Decoding,
    pub health: &'a Arc<Mutex<ChildHealth>>,
}

/// A source that runs.
pub(super) enum Running {
    Here(pipeline::Run),
    Apart(Box<apart::Run>),
}

impl Running {
    /// Starts what decodes what comes from `url`, or through `entry`'s doors.
    ///
    /// # Errors
    /// No thread or no process can be had, or its file cannot be read.
    pub fn start(
        url: &Url,
        entry: pipeline::Entry,
        wanted: Wanted,
        &Around { grid, clock, intake, run, facts, decoding, health }: &Around<'_>,
    ) -> Result<Self, SourceError> {
        if let Some(apart) = &decoding.apart {
            let around = apart::Surroundings { apart, grid, clock, intake, run, facts, decoding, health };
            return apart::Run::start(url, entry, wanted, &around).map(|run| Self::Apart(Box::new(run)));
        }
        let around = pipeline::Surroundings { grid, clock, intake: intake.clone(), run, facts, decoding };
        pipeline::Run::start(entry, wanted, &around).map(Self::Here)
    }

    /// Watches until the source fails or ends, or until `check` (called every 100 ms or so) says why to give up.
    pub fn watch(&mut self, check: &mut dyn FnMut() -> Option<SourceError>) -> SourceError {
        match self {
            Self::Here(run) => run.watch(check),
            Self::Apart(run) => run.watch(check),
        }
    }

    /// Tears it down, in bounded time. The intake must have ended the run.
    pub fn let_go(self, feed: &str) {
        match self {
            Self::Here(run) => run.let_go(feed),
            Self::Apart(run) => run.let_go(feed),
        }
    }
}
