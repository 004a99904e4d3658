//! Bearer tokens that others sign (JWT, RFC 7519): who signed them is found by their issuer, and their keys by JWKS (RFC 7517), from a file or an address.
//!
//! Asymmetric signatures alone are taken. What a token says of its own signature is believed only where the key is of that kind: neither `none` nor a public key used as a
//! shared secret opens anything.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use parking_lot::Mutex;
use serde::Deserialize;
use serde_json::{Map, Value};
use url::Url;

use super::{Principal, Scope, Scopes};
use crate::config::{JwksFrom, KeyRole, TokenIssuer};
use crate::feed::visit;
use crate::market::{KeyTerms, Tier};
use crate::reach::Reach;

/// What is read of a token: those with many claims have three or four thousand.
const MAX_LENGTH: usize = 8 << 10;
const MAX_JWKS_BYTES: usize = 128 << 10;
/// Keys of an issuer that are looked at: one or two are in use, and one is to come.
const MAX_JWKS: usize = 32;

/// How far clocks may be apart.
const LEEWAY_S: i64 = 60;

/// Keys are asked for anew after this time …
const FRESH_MS: i64 = 10 * 60_000;
/// … or when a token names one that is not known, but no more often than this.
const AGAIN_MS: i64 = 15_000;
/// Keys that could not be had anew are good for as long as this.
const STALE_MS: i64 = 24 * 3_600_000;

const PATIENCE: Duration = Duration::from_secs(5);

const ALGORITHMS: [Algorithm; 3] = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];

/// Why a token is refused. It never quotes the token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    #[error("it cannot be read")]
    Unreadable,
    #[error("it is signed with an algorithm that is not taken here; RS256, ES256 and EdDSA are")]
    Algorithm,
    #[error("its issuer is not known here")]
    Issuer,
    #[error("the keys of its issuer cannot be had now")]
    NoKeys,
    #[error("its signature is of none of its issuer's keys")]
    Signature,
    #[error("it is for another audience")]
    Audience,
    #[error("it has expired, or says not when it does")]
    Expired,
    #[error("it is not valid yet")]
    Early,
    #[error("its claim {0:?} is missing or says nothing that is known here")]
    Claim(String),
}

/// Whether `presented` looks like one: three parts of base64url.
pub(super) fn is_token(presented: &str) -> bool {
    let mut parts = presented.split('.');
    let is_part = |part: Option<&str>| part.is_some_and(|part| !part.is_empty());
    presented.len() <= MAX_LENGTH
        && is_part(parts.next())
        && is_part(parts.next())
        && parts.next().is_some()
        && parts.next().is_none()
}

/// An issuer's keys, as they were had last.
#[derive(Default)]
struct Had {
    keys: Vec<Jwk>,
    /// When they came, and when they were asked for last; milliseconds of Unix time.
    came_ms: Option<i64>,
    asked_ms: Option<i64>,
}

struct Issuer {
    settings: TokenIssuer,
    tenant: Arc<str>,
    had: Mutex<Had>,
    asking: tokio::sync::Mutex<()>,
}

/// All issuers.
pub(super) struct Issuers(Vec<Issuer>);

#[derive(Deserialize)]
struct Claims {
    exp: Option<f64>,
    nbf: Option<f64>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

impl Claims {
    fn text(&self, name: &str) -> Option<&str> {
        self.others.get(name).and_then(Value::as_str)
    }
}

impl Issuers {
    pub fn new(all: Vec<TokenIssuer>) -> Self {
        let issuer = |settings: TokenIssuer| {
            let tenant = settings.tenant.as_str().into();
            Issuer { settings, tenant, had: Mutex::default(), asking: tokio::sync::Mutex::default() }
        };
        Self(all.into_iter().map(issuer).collect())
    }

    /// Who presents `token` at `now_ms`.
    pub async fn principal(&self, token: &str, now_ms: i64) -> Result<Principal, TokenError> {
        self.issuer_of(token)?.principal(token, now_ms).await
    }

    /// Who says to have signed it, for the tenant that it says to be of.
    fn issuer_of(&self, token: &str) -> Result<&Issuer, TokenError> {
        let said = unverified(token)?;
        let named = said.text("iss").ok_or(TokenError::Issuer)?;
        let mut refusal = TokenError::Issuer;
        for issuer in self.0.iter().filter(|issuer| issuer.settings.issuer == named) {
            match &issuer.settings.tenant_claim {
                Some(claim) if said.text(claim) != Some(&*issuer.tenant) => refusal = TokenError::Claim(claim.clone()),
                Some(_) | None => return Ok(issuer),
            }
        }
        Err(refusal)
    }
}

impl Issuer {
    async fn principal(&self, token: &str, now_ms: i64) -> Result<Principal, TokenError> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Algorithm)?;
        if !ALGORITHMS.contains(&header.alg) {
            return Err(TokenError::Algorithm);
        }
        let mut keys = self.keys(now_ms, false).await?;
        if !keys.iter().any(|key| is_meant(key, header.kid.as_deref())) {
            keys = self.keys(now_ms, true).await?;
        }
        self.claimed(self.verified_by(token, &header, &keys)?, now_ms)
    }

    /// The claims, if one of `keys` signed them.
    fn verified_by(&self, token: &str, header: &jsonwebtoken::Header, keys: &[Jwk]) -> Result<Claims, TokenError> {
        let mut meant = keys.iter().filter(|key| is_meant(key, header.kid.as_deref()));
        meant.find_map(|key| self.verified(token, header.alg, key)).unwrap_or(Err(TokenError::Signature))
    }

    /// The claims, if `key` signed them; `None` if it did not.
    fn verified(&self, token: &str, algorithm: Algorithm, key: &Jwk) -> Option<Result<Claims, TokenError>> {
        let decoding = DecodingKey::from_jwk(key).ok()?;
        let mut validation = Validation::new(algorithm);
        // Times are held against the service's own clock.
        (validation.validate_exp, validation.validate_nbf) = (false, false);
        validation.set_required_spec_claims(&["iss", "aud"]);
        validation.set_issuer(&[&self.settings.issuer]);
        validation.set_audience(&[&self.settings.audience]);
        match jsonwebtoken::decode::<Claims>(token, &decoding, &validation) {
            Ok(decoded) => Some(Ok(decoded.claims)),
            Err(error) => match error.kind() {
                jsonwebtoken::errors::ErrorKind::InvalidAudience
                | jsonwebtoken::errors::ErrorKind::MissingRequiredClaim(_) => Some(Err(TokenError::Audience)),
                jsonwebtoken::errors::ErrorKind::InvalidIssuer => Some(Err(TokenError::Issuer)),
                _ => None,
            },
        }
    }

    fn claimed(&self, claims: Claims, now_ms: i64) -> Result<Principal, TokenError> {
        // A number of seconds with which a float could not be compared is no instant.
        let now_s = (now_ms / 1000) as f64;
        let leeway_s = LEEWAY_S as f64;
        if !claims.exp.is_some_and(|exp| now_s < exp + leeway_s) {
            return Err(TokenError::Expired);
        }
        if claims.nbf.is_some_and(|nbf| nbf.is_nan() || now_s + leeway_s < nbf) {
            return Err(TokenError::Early);
        }
        let claim = |name: &str| TokenError::Claim(name.to_owned());
        let role_claim = &self.settings.role_claim;
        let role = match claims.text(role_claim) {
            Some("operator") => KeyRole::Operator,
            Some("device") => KeyRole::Device,
            _ => return Err(claim(role_claim)),
        };
        let scopes = match claims.others.get("scope") {
            None => Scopes::all(),
            // Others' scopes stand there too (RFC 8693, 4.2): those that are none of ours say nothing here.
            Some(Value::String(scopes)) => {
                Scopes::of(scopes.split(' ').filter_map(|scope| scope.parse::<Scope>().ok()))
            }
            Some(_) => return Err(claim("scope")),
        };
        let market = match claims.others.get("market") {
            None | Some(Value::Null) => None,
            Some(Value::String(market)) => Some(market.clone()),
            Some(_) => return Err(claim("market")),
        };
        let tier = match claims.others.get("tier") {
            None | Some(Value::Null) => Tier::default(),
            Some(tier) => serde_json::from_value(tier.clone()).map_err(|_| claim("tier"))?,
        };
        let subject: String =
            claims.text("sub").unwrap_or("token").chars().filter(|c| !c.is_control()).take(128).collect();
        let terms = Arc::new(KeyTerms { market, tier });
        Ok(Principal { tenant: self.tenant.clone(), name: subject.into(), role, scopes, terms })
    }

    /// The issuer's keys; `again` where those that are there do not do.
    async fn keys(&self, now_ms: i64, again: bool) -> Result<Vec<Jwk>, TokenError> {
        let patience_ms = if again { AGAIN_MS } else { FRESH_MS };
        let there = |fresh_ms: i64| {
            let had = self.had.lock();
            let is_fresh =
                |since: Option<i64>, within: i64| since.is_some_and(|ms| (0..within).contains(&(now_ms - ms)));
            // An address that does not answer is not asked for every token.
            let may_ask = !is_fresh(had.asked_ms, AGAIN_MS);
            let fresh = is_fresh(had.came_ms, fresh_ms);
            let usable = is_fresh(had.came_ms, STALE_MS).then(|| had.keys.clone());
            (fresh || !may_ask, usable)
        };
        if let (true, usable) = there(patience_ms) {
            return usable.ok_or(TokenError::NoKeys);
        }
        let _one_at_a_time = self.asking.lock().await;
        if let (true, usable) = there(patience_ms) {
            return usable.ok_or(TokenError::NoKeys);
        }
        let from = self.settings.jwks.clone();
        let read = tokio::task::spawn_blocking(move || read(&from)).await;
        let read = read.unwrap_or_else(|panic| Err(panic.to_string()));
        let mut had = self.had.lock();
        had.asked_ms = Some(now_ms);
        match read {
            Ok(keys) => (had.keys, had.came_ms) = (keys, Some(now_ms)),
            Err(error) => {
                let (issuer, tenant) = (&self.settings.issuer, &self.tenant);
                tracing::warn!(issuer, %tenant, error, "the keys of an issuer of tokens cannot be had");
            }
        }
        drop(had);
        there(patience_ms).1.ok_or(TokenError::NoKeys)
    }
}

/// What a token says, whoever signed it.
fn unverified(token: &str) -> Result<Claims, TokenError> {
    let body = token.split('.').nth(1).ok_or(TokenError::Unreadable)?;
    let body = URL_SAFE_NO_PAD.decode(body).map_err(|_| TokenError::Unreadable)?;
    serde_json::from_slice(&body).map_err(|_| TokenError::Unreadable)
}

/// Whether a token that names `kid` may be signed with `key`.
fn is_meant(key: &Jwk, kid: Option<&str>) -> bool {
    kid.is_none_or(|kid| key.common.key_id.as_deref().is_none_or(|known| known == kid))
}

/// The keys of a set that may sign tokens. Waits for the disk or the network.
fn read(from: &JwksFrom) -> Result<Vec<Jwk>, String> {
    let text = match from {
        JwksFrom::File(path) => {
            let length = std::fs::metadata(path).map_err(|e| e.to_string())?.len();
            if length > MAX_JWKS_BYTES as u64 {
                return Err(format!("it has {length} bytes; {MAX_JWKS_BYTES} are read"));
            }
            std::fs::read_to_string(path).map_err(|e| e.to_string())?
        }
        JwksFrom::Address(url) => asked(url)?,
    };
    let set: JwkSet = serde_json::from_str(&text).map_err(|e| format!("it is no JWKS: {e}"))?;
    Ok(set.keys.into_iter().take(MAX_JWKS).collect())
}

fn asked(url: &Url) -> Result<String, String> {
    // The machine's owner named it.
    let visited = visit(url, &Reach::of_ones_own(), MAX_JWKS_BYTES, PATIENCE).map_err(|e| e.to_string())?;
    // Who answers for the keys is who was named, and nobody that a redirect names.
    if visited.url.origin() != url.origin() {
        return Err("it leads to another server".to_owned());
    }
    String::from_utf8(visited.bytes.to_vec()).map_err(|_| "it is no text".to_owned())
}

#[cfg(test)]
#[path = "issuers_tests.rs"]
mod tests;
