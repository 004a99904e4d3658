//! Whose rendered mosaics run. Each costs encoders of its own, so a tenant gets so many as its configuration says, and leaves the others their
//! [shares](super::Shares): of `max_mosaics`, and of the processors that rendering has.

use super::admission::{Newcomer, whole_seconds};
use super::contract::AdmitError;
use super::entries::{Entry, KnownMosaics};
use super::registry::MosaicRegistry;
use super::shares::Beyond;
use super::spec::{EngineKind, MosaicId};
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
}
