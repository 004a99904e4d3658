//! What the registry knows of each mosaic.

use std::collections::HashMap;
use std::sync::Arc;

use super::refusals::Refusals;
use super::spec::{EngineKind, MosaicId};
use crate::timeline::{MediaTime, SegmentNumber};

pub(super) struct Entry {
    pub engine: EngineKind,
    pub state: State,
    pub last_wanted: MediaTime,
    pub exchanged_until: Option<MediaTime>,
    /// The tenant that began it.
    pub by: Option<Arc<str>>,
    /// What it was reckoned to take when it began, in cores.
    pub cost: f64,
}

impl Entry {
    pub fn is_running(&self) -> bool {
        matches!(self.state, State::Running { .. })
    }
}

#[derive(Default)]
pub(super) struct KnownMosaics {
    pub mosaics: HashMap<MosaicId, Entry>,
    pub refusals: Refusals,
}

impl KnownMosaics {
    pub fn is_running(&self, id: &MosaicId) -> bool {
        self.mosaics.get(id).is_some_and(Entry::is_running)
    }
}

/// Running, or stopped with segments that may still be fetched until the instant given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Running { first_segment: SegmentNumber },
    Lingering { until: MediaTime },
}
