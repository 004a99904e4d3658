//! What the registry knows of each mosaic.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

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
    /// What it was reckoned to take when it began and no other mosaic took, in cores.
    pub cost: f64,
}

/// A tenant that was refused wants as much for so long.
const WANTS_FOR: Duration = Duration::from_secs(60);

impl Entry {
    pub fn is_running(&self) -> bool {
        matches!(self.state, State::Running { .. })
    }
}

#[derive(Default)]
pub(super) struct KnownMosaics {
    pub mosaics: HashMap<MosaicId, Entry>,
    pub refusals: Refusals,
    /// What tenants were refused lately for want of processors, in cores.
    refused: HashMap<Arc<str>, (MediaTime, f64)>,
}

impl KnownMosaics {
    pub fn is_running(&self, id: &MosaicId) -> bool {
        self.mosaics.get(id).is_some_and(Entry::is_running)
    }

    /// `tenant` wants so many cores more and does not get them.
    pub fn wants(&mut self, tenant: &str, cores: f64, now: MediaTime) {
        self.refused.insert(tenant.into(), (now, cores));
    }

    /// It has got what it wanted.
    pub fn has(&mut self, tenant: &str) {
        self.refused.remove(tenant);
    }

    /// Cores that `tenant` was refused lately.
    pub fn wanting(&self, tenant: &str, now: MediaTime) -> f64 {
        let lately = self.refused.get(tenant).filter(|(at, _)| now.since(*at) <= WANTS_FOR);
        lately.map_or(0.0, |(_, cores)| *cores)
    }
}

/// Running, or stopped with segments that may still be fetched until the instant given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Running { first_segment: SegmentNumber },
    Lingering { until: MediaTime },
}
