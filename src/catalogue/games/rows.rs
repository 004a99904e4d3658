//! Registered games as the store keeps them.

use crate::catalogue::contract::GameSpec;
use crate::config::BreakPolicy;
use crate::market::GameRights;
use crate::store::GameRow;

/// For the store.
pub(super) fn row(tenant: &str, spec: &GameSpec) -> GameRow {
    GameRow {
        tenant: tenant.to_owned(),
        id: spec.id.clone(),
        title: spec.title.clone(),
        sources: spec.sources.clone(),
        labels: spec.labels.clone(),
        break_policy: spec.break_policy.map(|policy| policy.name().to_owned()),
        offset_ms: spec.offset_ms,
        rights: Some(&spec.rights)
            .filter(|rights| !rights.is_open())
            .and_then(|rights| serde_json::to_string(rights).ok()),
    }
}

/// From the store.
pub(super) fn spec_of(row: &GameRow) -> GameSpec {
    let GameRow { tenant, id, title, sources, labels, break_policy, offset_ms, rights } = row.clone();
    let policy = break_policy.as_deref().map(str::parse).transpose();
    // Rather dark than shown against the rights.
    let break_policy = policy.unwrap_or_else(|error| {
        tracing::error!(game = id, tenant, %error, "a registered game's break policy cannot be read");
        Some(BreakPolicy::Slate)
    });
    let rights = rights.as_deref().map(serde_json::from_str).transpose().unwrap_or_else(|error| {
        tracing::error!(game = id, tenant, %error, "a registered game's rights cannot be read: it is shown to nobody");
        Some(GameRights { regions: Some(Vec::new()), markets: Some(Vec::new()), ..GameRights::default() })
    });
    GameSpec { id, title, sources, labels, break_policy, offset_ms, rights: rights.unwrap_or_default() }
}
