//! What decoding may take of the machine: a game that is there goes before work that nobody watches yet.

use std::sync::{Arc, Weak};

use super::registry::MosaicRegistry;
use super::shares::KeptBy;
use crate::timeline::MediaTime;

/// Those who decode for mosaics, and can be made to give way.
pub trait Decoders: Send + Sync {
    /// Room for `more` cores that `tenant` needs, where nobody takes `free`, if it is within its share then: of feeds of tenants that are above theirs. How
    /// many cores those had.
    fn make_room(&self, tenant: &str, more: f64, free: f64) -> f64;

    /// What decoding takes, and would take, by tenants.
    fn sums(&self) -> KeptBy;
}

pub(super) type KnownDecoders = std::sync::OnceLock<Weak<dyn Decoders>>;

impl MosaicRegistry {
    /// Says who decodes. Without it nobody gives way for mosaics.
    pub fn set_decoders(&self, decoders: &Arc<dyn Decoders>) {
        // Once, at start. Weakly: they hold this registry.
        let _ = self.decoders.set(Arc::downgrade(decoders));
    }

    pub fn now(&self) -> MediaTime {
        self.clock.now()
    }

    /// Whether pictures go on being late.
    pub fn is_late(&self) -> bool {
        self.overload.lock().lasts()
    }

    /// Whether one more source may be decoded at present: while pictures are late, now and then.
    pub fn allows_source(&self) -> bool {
        self.overload.lock().allows_source(self.clock.now())
    }

    /// Takes in what [`MosaicRegistry::admit_decoding`] refused, where feeds that took `freed` cores give way for it. Both run for a moment.
    pub fn admit_decoding_instead(&self, cores: f64, freed: f64) -> bool {
        let (now, load) = (self.clock.now(), self.load.lock().cores());
        let mut admission = self.admission();
        admission.freed(now, freed);
        let admitted = admission.admit_decoding(now, load, cores);
        drop(admission);
        if admitted {
            self.overload.lock().took_source(now);
        }
        admitted
    }

    /// Whether decoding a source may take `cores` more, which are then reserved for it. Where only work that nobody wants yet is in the way, that is given up
    /// first.
    pub fn admit_decoding(&self, cores: f64) -> bool {
        let (now, load) = (self.clock.now(), self.load.lock().cores());
        if !self.overload.lock().allows_source(now) {
            return false;
        }
        let mut admission = self.admission();
        let mut admitted = admission.admit_decoding(now, load, cores);
        if !admitted && admission.may_give_way(now, cores) {
            let short = cores - admission.left_for_decoding(now, load);
            let freed: f64 = self.engines.iter().map(|engine| engine.give_up(short)).sum();
            if freed > 0.0 {
                admission.freed(now, freed);
                admitted = admission.admit_decoding(now, load, cores);
            }
            if !admitted {
                admission.gave_way_in_vain(now);
            }
        }
        drop(admission);
        if admitted {
            self.overload.lock().took_source(now);
        }
        admitted
    }

    /// Cores that may be used, and how many of them nothing takes.
    pub fn room(&self) -> (f64, f64) {
        // Let go of before it is taken again.
        let allowed = self.admission().allowed();
        (allowed, self.left_for_decoding())
    }

    /// Cores that decoding may still take.
    pub fn left_for_decoding(&self) -> f64 {
        let load = self.load.lock().cores();
        self.admission().left_for_decoding(self.clock.now(), load)
    }
}
