//! What tenants may have, as each part of the service takes it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::{Tenant, TenantLimits};
use crate::mosaic::Shares;
use crate::session::TenantLimit;

/// The tenants, each with the limit that `of` picks.
pub(super) fn shares(tenants: &[Tenant], of: fn(&TenantLimits) -> Option<u32>) -> Shares {
    Shares::new(tenants.iter().map(|tenant| (Arc::from(&*tenant.id), of(&tenant.limits).map(f64::from))))
}

/// The cores that decoding their games may take.
pub(super) fn of_decoding(tenants: &[Tenant]) -> Shares {
    let cores =
        |tenant: &Tenant| tenant.limits.max_decoding_millicores.map(|thousandths| f64::from(thousandths) / 1000.0);
    Shares::new(tenants.iter().map(|tenant| (Arc::from(&*tenant.id), cores(tenant))))
}

/// What their sessions may take.
pub(super) fn of_sessions(tenants: &[Tenant]) -> BTreeMap<Arc<str>, TenantLimit> {
    let limit = |tenant: &Tenant| TenantLimit {
        sessions: tenant.limits.max_sessions,
        egress_bps: tenant.limits.max_egress_mbps.map(|mbps| u64::from(mbps) * 1_000_000),
    };
    tenants.iter().map(|tenant| (Arc::from(&*tenant.id), limit(tenant))).collect()
}
