//! A key as it is asked for.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::extract::RequestBody;
use crate::api::problem::{Code, Problem};
use crate::api::{instant, limits};
use crate::config::{KeyRole, check_id};
use crate::keys::{NewKey, Scope, ScopeError, Scopes};
use crate::market::{Feature, KeyTerms, Tier};

/// Characters of a name at most.
const MAX_NAME: usize = 100;

/// What a key's holder may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The routes of devices alone.
    Device,
    /// All of its tenant's routes, or those of its scopes.
    Operator,
}

/// A key to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = KeyRequest, example = json!({ "name": "stadium boxes", "role": "device", "max_height": 720, "expires_at": "2027-06-30T00:00:00Z" }))]
pub struct KeyBody {
    /// For people: whose it is, what for. Up to 100 characters.
    #[serde(default)]
    pub name: String,
    pub role: Role,
    /// Of an operator's key: `games:read`, `games:write` and so on, of assets, breaks, clips, games, keys, markets, outputs, sessions, skins, usage and webhooks. Absent or `null`: all that
    /// the key has that asks.
    #[serde(default)]
    pub scopes: Option<Vec<String>>,
    /// Of a device's key: the one market that its sessions are made in.
    #[serde(default)]
    pub market: Option<String>,
    /// Of a device's key: no rendition with more rows of pixels.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 16_384)]
    pub max_height: Option<u32>,
    /// Of a device's key: what its sessions may have of `low_latency` and `dolby`; absent or `null`: both.
    #[serde(default)]
    pub features: Option<BTreeSet<Feature>>,
    /// RFC 3339; absent or `null`: when it is revoked.
    #[serde(default)]
    pub expires_at: Option<String>,
}

impl RequestBody for KeyBody {
    const FIELDS: &'static [&'static str] =
        &["name", "role", "scopes", "market", "max_height", "features", "expires_at"];
}

impl KeyBody {
    /// The key, of scopes that are `own` where none are named; the lowest rendition has `least` rows.
    pub(in crate::api) fn checked(self, own: &Scopes, least: u32) -> Result<NewKey, Problem> {
        let Self { name, role, scopes, market, max_height, features, expires_at } = self;
        if name.chars().count() > MAX_NAME || name.chars().any(char::is_control) {
            let detail = format!("A name has up to {MAX_NAME} characters, and no control characters.");
            return Err(Problem::field("name", detail));
        }
        let of_the_other = |field: &str, is_given: bool, role: &str| {
            let problem = || Problem::field(field, format!("Only a key of a{role} has `{field}`."));
            if is_given { Err(problem()) } else { Ok(()) }
        };
        let role = match role {
            Role::Device => {
                of_the_other("scopes", scopes.is_some(), "n operator")?;
                KeyRole::Device
            }
            Role::Operator => {
                let given = [
                    ("market", market.is_some()),
                    ("max_height", max_height.is_some()),
                    ("features", features.is_some()),
                ];
                given.into_iter().try_for_each(|(field, is_given)| of_the_other(field, is_given, " device"))?;
                KeyRole::Operator
            }
        };
        if let Some(id) = &market {
            check_id(id).map_err(|error| Problem::field("market", format!("The market's id is none: {error}.")))?;
        }
        limits::height(max_height)?;
        if max_height.is_some_and(|height| height < least) {
            let detail = format!("No rendition has so few rows; the lowest has {least}.");
            return Err(Problem::field("max_height", detail).with("least", least));
        }
        let scopes = scopes.map(|scopes| scopes.iter().enumerate().map(scope).collect::<Result<Vec<_>, _>>());
        let scopes = scopes.transpose()?.map_or_else(|| own.clone(), Scopes::of);
        let expires = expires_at.map(|text| {
            let refused = || Problem::field("expires_at", format!("It is no instant; {}.", instant::ALLOWED));
            instant::read(&text).ok_or_else(refused)
        });
        let expires_ms = expires.transpose()?.map(|instant| instant.unix_millis());
        Ok(NewKey { name, role, scopes, terms: KeyTerms { market, tier: Tier { max_height, features } }, expires_ms })
    }
}

fn scope((at, text): (usize, &String)) -> Result<Scope, Problem> {
    let refused = |error| {
        Problem::new(Code::FieldInvalid, format!("It names no scope: {error}.")).with("field", format!("scopes[{at}]"))
    };
    text.parse().map_err(|error: ScopeError| refused(error).with("allowed", Scope::all_names()))
}
