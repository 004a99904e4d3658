//! Bearer tokens that others sign (JWT, RFC 7519): who signed them is found by their issuer, and their keys by JWKS (RFC 7517), from a file or an address.

use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::jwk::{Jwk, JwkSet};
use parking_lot::Mutex;
use url::Url;

use super::Principal;
use super::token::{self, TokenError};
use crate::config::{JwksFrom, TokenIssuer};
use crate::feed::visit;
use crate::reach::Reach;

const MAX_JWKS_BYTES: usize = 128 << 10;
/// Keys of an issuer that are looked at: one or two are in use, and one is to come.
const MAX_JWKS: usize = 32;

/// Keys are asked for anew after this time …
const FRESH_MS: i64 = 10 * 60_000;
/// … or when a token names one that is not known, but no more often than this.
const AGAIN_MS: i64 = 15_000;
/// Keys that could not be had anew are good for as long as this.
const STALE_MS: i64 = 24 * 3_600_000;

const PATIENCE: Duration = Duration::from_secs(5);

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
        let said = token::unverified(token)?;
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
        let header = token::head(token)?;
        let mut keys = self.keys(now_ms, false).await?;
        if !keys.iter().any(|key| token::is_meant(key, header.kid.as_deref())) {
            keys = self.keys(now_ms, true).await?;
        }
        token::verified(token, &header, &keys, &self.settings)?.principal(&self.settings, &self.tenant, now_ms)
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
