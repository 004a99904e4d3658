//! Tenants and their keys.

use super::ApiKey;
use super::issuers::{self, TokenIssuer};
use super::markets::read_tier;
use super::names::check_id;
use super::outbound::{self, Threshold};
use super::reader::{Table, Value};
use super::sources;
use crate::market::KeyTerms;
use crate::reach::Rules;
use crate::usage::Amount;

/// An operator: owner of games, keys, sessions and usage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    pub id: String,
    pub operator_keys: Vec<ApiKey>,
    pub device_keys: Vec<ApiKey>,
    /// Device keys that may not ask for everything.
    pub keys: Vec<(ApiKey, KeyTerms)>,
    /// What is told when its calendar month (UTC) has come to an amount.
    pub thresholds: Vec<Threshold>,
    /// Once its month has come to one of them, it gets no new sessions.
    pub caps: Vec<Amount>,
    /// Where the sources of the games that it registers may lead.
    pub sources: Rules,
    /// Who may sign tokens in place of its keys.
    pub issuers: Vec<TokenIssuer>,
    pub limits: TenantLimits,
}

/// What a tenant may have at once. What is not said is bounded by its share of the machine alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TenantLimits {
    /// Viewers' sessions.
    pub max_sessions: Option<u32>,
    pub session_starts_per_s: Option<u32>,
    /// Rendered mosaics.
    pub max_mosaics: Option<u32>,
    /// Games that it registers.
    pub max_games: Option<u32>,
    /// What decoding them may take, in thousandths of a core.
    pub max_decoding_millicores: Option<u32>,
    /// What all its sessions may take together, in Mb/s.
    pub max_egress_mbps: Option<u32>,
}

const WANTED: &str =
    "at least one [[tenants]] with `id`, `operator_keys` and `device_keys` is needed, or nobody can ask for a session";

pub(super) fn read_all(root: &mut Table, rules: &Rules) -> Vec<Tenant> {
    let Some(list) = root.required("tenants", WANTED) else { return Vec::new() };
    let items = list.items("write each as [[tenants]]");
    if items.is_empty() {
        list.refuse("there are none", WANTED);
    }
    let mut tenants: Vec<Tenant> = Vec::new();
    let mut keys: Vec<ApiKey> = Vec::new();
    for item in items {
        let Some(tenant) = read_one(&item, &mut keys, rules) else { continue };
        if tenants.iter().any(|t| t.id == tenant.id) {
            item.refuse(format!("there is a tenant {:?} already", tenant.id), "each id once is allowed");
        } else {
            tenants.push(tenant);
        }
    }
    tenants
}

/// One tenant. `seen` holds the keys of all tenants so far: a key with two holders would be a hole.
fn read_one(item: &Value, seen: &mut Vec<ApiKey>, rules: &Rules) -> Option<Tenant> {
    let mut table = item.table()?;
    let id = table
        .required("id", "a short name such as \"acme\" is needed")
        .and_then(|v| v.parsed("", |text| check_id(text).map(|()| text.to_owned())));
    let (operator_keys, device_keys) =
        (table.items("operator_keys", "write [\"…\"]"), table.items("device_keys", "write [\"…\"]"));
    let keys = table.items("keys", "write each as [[tenants.keys]]");
    // A key that is none is named where it stands.
    let has_keys = !(operator_keys.is_empty() && device_keys.is_empty() && keys.is_empty());
    let (operator_keys, device_keys) = (read_keys(operator_keys, seen), read_keys(device_keys, seen));
    let keys: Vec<_> = keys.iter().filter_map(|item| read_key(item, seen)).collect();
    let issuers = issuers::read_all(&mut table, id.as_deref().unwrap_or_default());
    if !has_keys && issuers.is_empty() {
        table.refuse("it has no key", "at least one in `operator_keys`, `device_keys`, `keys` or `issuers` is needed");
    }
    let thresholds = outbound::read_thresholds(&mut table);
    let caps = outbound::read_caps(&mut table);
    let sources = sources::read_own(&mut table, rules);
    let limits = read_limits(&mut table);
    table.finish();
    Some(Tenant { id: id?, operator_keys, device_keys, keys, thresholds, caps, sources, issuers, limits })
}

fn read_limits(tenant: &mut Table) -> TenantLimits {
    let Some(mut table) = tenant.table("limits") else { return TenantLimits::default() };
    let cores = table.optional("max_decoding_cores").and_then(|v| v.thousandths(10..=1_000_000, "cores"));
    let mut read = |key, range, unit| table.optional(key).and_then(|v| v.whole(range, unit));
    let limits = TenantLimits {
        max_sessions: read("max_sessions", 0..=1_000_000, ""),
        session_starts_per_s: read("session_starts_per_s", 1..=100_000, "sessions a second"),
        max_mosaics: read("max_mosaics", 0..=10_000, ""),
        max_games: read("max_games", 0..=10_000, ""),
        max_decoding_millicores: cores,
        max_egress_mbps: read("max_egress_mbps", 1..=10_000_000, "Mb/s"),
    };
    table.finish();
    limits
}

/// A device key with terms of its own. Whether there is its market is seen when it is used: markets are also made over the API.
fn read_key(item: &Value, seen: &mut Vec<ApiKey>) -> Option<(ApiKey, KeyTerms)> {
    let mut table = item.table()?;
    let key = table.required("key", ApiKey::ALLOWED).map(|key| read_keys(vec![key], seen));
    let market = table.optional("market").and_then(|v| v.parsed("", |text| check_id(text).map(|()| text.to_owned())));
    let tier = read_tier(&mut table);
    table.finish();
    Some((key?.pop()?, KeyTerms { market, tier }))
}

fn read_keys(items: Vec<Value>, seen: &mut Vec<ApiKey>) -> Vec<ApiKey> {
    let mut keys = Vec::new();
    for item in items {
        let Some(key) = item.parsed(ApiKey::ALLOWED, str::parse::<ApiKey>) else { continue };
        if seen.contains(&key) {
            item.refuse("this key is there already", "each key for one tenant and one purpose is allowed");
        }
        seen.push(key.clone());
        keys.push(key);
    }
    keys
}
