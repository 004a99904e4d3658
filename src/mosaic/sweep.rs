//! What is done about mosaics once a second.

use std::collections::HashMap;

use super::entries::{Entry, State};
use super::overload::Pressure;
use super::registry::MosaicRegistry;
use super::spec::MosaicId;
use crate::timeline::MediaTime;

/// How much of the machine is given up in one sweep at most, while pictures are late.
const SHED_SHARE: f64 = 0.25;

/// What was packaged and is not asked for in so many sweeps goes: those who watch the same are seconds apart, and who comes later has it
/// packaged again.
const PACKAGED_KEPT: u64 = 30;

impl MosaicRegistry {
    /// Takes note that pictures came late: no newcomer is taken in for a while.
    pub fn late(&self) {
        self.overload.lock().late(self.clock.now());
    }

    /// Stops what nobody wants, lets go what nobody can list any more, takes in what mosaics cost, and starts the threads that
    /// are missing. Call about once a second.
    pub fn sweep(&self) {
        let now = self.clock.now();
        self.sweep_mosaics(now);
        self.shed(now);
        self.cache.go_on(PACKAGED_KEPT);
        let (cores, allows_ahead) = (self.load.lock().cores(), self.overload.lock().allows_ahead(now));
        for engine in &self.engines {
            let mut admission = self.admission();
            engine.tend(&mut |cost| allows_ahead && admission.admit_ahead(now, cores, cost));
            drop(admission);
            engine.mend();
        }
    }

    /// While pictures go on being late, work that nobody watches is given up, a part of it in each sweep.
    fn shed(&self, now: MediaTime) {
        if !self.overload.lock().look() {
            return;
        }
        let cores = self.admission.lock().allowed() * SHED_SHARE;
        let freed: f64 = self.engines.iter().map(|engine| engine.give_up(cores)).sum();
        if let Some(rest) = self.overload.lock().gave_up(now, freed) {
            let rest_s = rest.as_secs();
            tracing::warn!(cores = freed, rest_s, "pictures are late: work that nobody watches is given up");
        }
    }

    pub fn pressure(&self) -> Pressure {
        self.overload.lock().pressure()
    }

    fn sweep_mosaics(&self, now: MediaTime) {
        let mut known = self.known.lock();
        let known = &mut *known;
        let mut gone = Vec::new();
        for (id, entry) in &mut known.mosaics {
            let Some(engine) = self.engine(entry.engine) else { continue };
            match entry.state {
                State::Running { .. } if now.since(entry.last_wanted) > self.idle_of(entry) => {
                    engine.stop(id);
                    entry.state = State::Lingering { until: now + self.settings.linger };
                    tracing::info!(mosaic = %id, "mosaic stopped: nobody asked for it");
                }
                State::Lingering { until } if now > until => gone.push(id.clone()),
                State::Running { .. } | State::Lingering { .. } => {}
            }
            entry.exchanged_until = entry.exchanged_until.filter(|until| *until > now);
        }
        for id in gone {
            if let Some(entry) = known.mosaics.remove(&id)
                && let Some(engine) = self.engine(entry.engine)
            {
                engine.forget(&id);
            }
        }
        known.refusals.forget(now, self.settings.mosaic_idle);
        self.count(&known.mosaics);
        self.note_encoding(known, now);
    }

    pub(super) fn count(&self, mosaics: &HashMap<MosaicId, Entry>) {
        for engine in &self.engines {
            let kind = engine.kind();
            let running = mosaics.values().filter(|m| m.engine == kind && m.is_running()).count();
            self.metrics.mosaics.with_label_values(&[kind.name()]).set(i64::try_from(running).unwrap_or(i64::MAX));
        }
    }
}
