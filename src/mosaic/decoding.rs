//! What decoding may take of the machine: a game that is there goes before work that nobody watches yet.

use super::registry::MosaicRegistry;

impl MosaicRegistry {
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
