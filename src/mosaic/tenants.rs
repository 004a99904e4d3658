//! Whose mosaics run. A rendered one costs encoders of its own, so a tenant gets so many as its configuration says, and leaves the others their
//! [shares](super::Shares): of `max_mosaics`, and of the processors that rendering has.
//!
//! Tiles, of which the others are made, may take all that there is. Where it is short, a tenant that is above its share gets no further ones as long as
//! another was refused some within its own; and who is within its share is made room by feeds of tenants that are above theirs. What viewers watch goes on.

use std::collections::HashSet;
use std::sync::{Arc, Weak};

use super::admission::{Newcomer, whole_seconds};
use super::contract::AdmitError;
use super::decoding::Decoders;
use super::entries::{Entry, KnownMosaics};
use super::registry::MosaicRegistry;
use super::shares::{Beyond, Kept, KeptBy, SAME, Standing, Takers};
use super::spec::{EngineKind, GameKey, MosaicId};
use crate::timeline::MediaTime;

/// Who asks for a mosaic, and which one is given up for it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asker<'a> {
    /// `None`: the service itself.
    pub tenant: Option<&'a str>,
    pub left: Option<&'a MosaicId>,
}

impl Asker<'_> {
    /// Whether `entry` is a rendered mosaic of `tenant` that stays if this one is let in.
    fn stays(&self, id: &MosaicId, entry: &Entry, tenant: &str) -> bool {
        let is_left = self.left == Some(id) && entry.exchanged_until.is_none();
        entry.engine == EngineKind::Render && entry.is_running() && entry.by.as_deref() == Some(tenant) && !is_left
    }
}

impl MosaicRegistry {
    /// Whether the tenant may begin one more rendered mosaic, as far as other tenants are concerned.
    pub(super) fn allow_rendered(
        &self,
        asker: Asker<'_>,
        newcomer: &Newcomer,
        known: &KnownMosaics,
        now: MediaTime,
    ) -> Result<(), AdmitError> {
        let (Some(tenant), shares) = (asker.tenant, &self.settings.rendered) else { return Ok(()) };
        let of = |of: &str, what: fn(&Entry) -> f64| -> f64 {
            known.mosaics.iter().filter(|(id, entry)| asker.stays(id, entry, of)).map(|(_, entry)| what(entry)).sum()
        };
        let (most, cores) = {
            let mut admission = self.admission();
            let all = known.mosaics.values().filter(|e| e.engine == EngineKind::Render && e.is_running());
            let cores = admission.left_for_rendering(now, newcomer.process_load, all.map(|entry| entry.cost).sum());
            (admission.most_rendered(), cores)
        };
        // Without a number for all, a tenant's own holds all the same.
        let most = most.map_or(f64::INFINITY, f64::from);
        let allowed = shares.allow(most, tenant, 1.0, |tenant| of(tenant, |_| 1.0)).and_then(|()| {
            shares.without_limits().allow(cores, tenant, newcomer.cost, |tenant| of(tenant, |e| e.cost))
        });
        allowed.map_err(|beyond| {
            let detail = match beyond {
                Beyond::Limit(limit) => format!("it has {limit}, which is its limit"),
                Beyond::Share => "what is left of this machine is kept for other tenants".to_owned(),
            };
            let reason = beyond.reason("tenant_mosaics");
            self.metrics.admission_refused.with_label_values(&[reason]).inc();
            AdmitError::Tenant { detail, reason, retry_after_s: whole_seconds(newcomer.room_in) }
        })
    }

    /// Whether the tenant may begin tiles of so many cores, as far as other tenants are concerned. That there is so much at all is admission's to see.
    pub(super) fn allow_tiles(
        &self,
        tenant: &str,
        newcomer: &Newcomer,
        known: &mut KnownMosaics,
        now: MediaTime,
    ) -> Result<(), AdmitError> {
        let (all, cost, free) = (self.processors_by_tenant(), newcomer.cost, self.left_for_encoding(now));
        let all = Takers::<()> { takers: Vec::new(), kept: &all };
        let is_kept = || cost + all.kept_from(tenant, all.taken_by(tenant) + cost, free) > free + SAME;
        if cost <= 0.0 || cost > free || !is_kept() {
            return Ok(());
        }
        known.wants(tenant, cost, now);
        self.note_encoding(known, now);
        let (detail, reason) = ("what is left of this machine is other tenants' share".to_owned(), "share");
        self.metrics.admission_refused.with_label_values(&[reason]).inc();
        Err(AdmitError::Tenant { detail, reason, retry_after_s: whole_seconds(newcomer.room_in) })
    }

    /// Where `short` cores are missing for a mosaic of a tenant within its share: whether feeds of those above theirs give way for it.
    pub(super) fn feeds_give_way(&self, asker: Asker<'_>, newcomer: Newcomer, short: f64, now: MediaTime) -> bool {
        let (Some(tenant), Some(decoders)) = (asker.tenant.filter(|_| short > 0.0), self.decoders()) else {
            return false;
        };
        let freed = decoders.make_room(tenant, newcomer.cost, newcomer.cost - short);
        let mut admission = self.admission();
        admission.freed(now, freed);
        freed > 0.0 && admission.admit(now, newcomer).is_ok()
    }

    fn decoders(&self) -> Option<Arc<dyn Decoders>> {
        self.decoders.get().and_then(Weak::upgrade)
    }

    fn left_for_encoding(&self, now: MediaTime) -> f64 {
        let load = self.load.lock().cores();
        self.admission().left_for_rendering(now, load, 0.0)
    }

    /// The games that are on somebody's picture.
    pub fn watched_games(&self) -> HashSet<GameKey> {
        let running: Vec<_> = {
            let known = self.known.lock();
            known.mosaics.iter().filter(|(_, entry)| entry.is_running()).map(|(id, _)| id.clone()).collect()
        };
        running.iter().filter_map(|id| self.read(id)).flat_map(|known| known.spec.games.clone()).collect()
    }

    /// What mosaics take of the processors, and what they were refused lately, by the tenants that began them.
    pub fn encoding_by_tenant(&self) -> KeptBy {
        self.encoding.lock().clone()
    }

    /// The same with what decoding takes, and would take.
    fn processors_by_tenant(&self) -> KeptBy {
        let mut all = self.encoding_by_tenant();
        for (tenant, decoding) in self.decoders().map(|decoders| decoders.sums()).unwrap_or_default() {
            let sum = all.entry(tenant).or_default();
            (sum.takes, sum.wants) = (sum.takes + decoding.takes, sum.wants + decoding.wants);
        }
        all
    }

    /// Reckons anew what mosaics take.
    pub(super) fn note_encoding(&self, known: &KnownMosaics, now: MediaTime) {
        let tenants = self.settings.rendered.tenants();
        let mut taken: KeptBy = tenants.map(|tenant| (tenant.clone(), Kept::default())).collect();
        for entry in known.mosaics.values().filter(|entry| entry.is_running()) {
            if let Some(by) = &entry.by {
                taken.entry(by.clone()).or_default().takes += entry.cost;
            }
        }
        for (tenant, kept) in &mut taken {
            kept.wants = kept.takes + known.wanting(tenant, now);
            self.metrics.tenant_encoding_cores.with_label_values(&[&**tenant]).set(kept.takes);
        }
        *self.encoding.lock() = taken;
    }

    /// What `tenant`'s mosaics have of the processors, its share being that of all that it does.
    pub(super) fn encoding_of(&self, tenant: &str) -> Standing {
        let all = self.processors_by_tenant();
        let free = self.left_for_encoding(self.clock.now());
        let share = Takers::<()> { takers: Vec::new(), kept: &all }.share(tenant, free);
        let Kept { takes: taken, wants: wanted } = self.encoding.lock().get(tenant).copied().unwrap_or_default();
        Standing { taken, wanted, share: Some(share).filter(|share| share.is_finite()), limit: None }
    }
}
