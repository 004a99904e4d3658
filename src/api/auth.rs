//! Keys: who asks, and what they may do. No key is ever logged or echoed.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};

use super::App;
use super::problem::{Code, Problem};
use super::rates::Rates;
use crate::config::{KeyHolder, KeyRole, Keyring, Requests};
use crate::market::KeyTerms;

/// The keys of all tenants, as requests present them.
pub struct Keys {
    ring: Keyring,
    rates: Option<Rates>,
}

/// Whoever holds a device or an operator key of a tenant.
#[derive(Clone, Debug)]
pub struct Caller {
    pub tenant: Arc<str>,
    role: KeyRole,
    /// What it may ask for.
    pub terms: Arc<KeyTerms>,
}

/// Whoever holds an operator key of a tenant.
#[derive(Clone, Debug)]
pub struct Operator {
    pub tenant: Arc<str>,
}

impl Keys {
    pub fn new(ring: Keyring, requests: Requests) -> Self {
        let rates = Rates::new(requests, ring.len());
        Self { ring, rates }
    }

    pub(super) fn rates(&self) -> Option<&Rates> {
        self.rates.as_ref()
    }

    /// The number of the key that a request presents in its address, or else in its head, where it is known.
    pub(super) fn number_of(&self, headers: &HeaderMap, in_address: &Option<String>) -> Option<usize> {
        let presented = in_address.as_deref().or_else(|| bearer(headers.get(header::AUTHORIZATION)?))?;
        self.ring.find(presented).map(|holder| holder.number)
    }

    /// Whose key `presented` is.
    pub fn caller(&self, presented: &str) -> Result<Caller, Problem> {
        let KeyHolder { tenant, role, terms, .. } = self.ring.find(presented).ok_or_else(|| {
            unauthorized(
                "The key is not known.",
                HeaderValue::from_static(r#"Bearer realm="quadrille", error="invalid_token""#),
            )
        })?;
        Ok(Caller { tenant: Arc::clone(tenant), role: *role, terms: Arc::clone(terms) })
    }

    /// Whose key stands in `Authorization: Bearer …` (RFC 6750, 2.1).
    pub fn caller_of(&self, headers: &HeaderMap) -> Result<Caller, Problem> {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return Err(unauthorized("Send one key: Authorization: Bearer <key>.", CHALLENGE));
        };
        match bearer(value) {
            Some(key) if !key.is_empty() => self.caller(key),
            _ => Err(unauthorized("The Authorization header must read: Bearer <key>.", CHALLENGE)),
        }
    }
}

/// What stands behind `Bearer` in a header.
fn bearer(value: &HeaderValue) -> Option<&str> {
    let (scheme, key) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(key.trim())
}

const CHALLENGE: HeaderValue = HeaderValue::from_static(r#"Bearer realm="quadrille""#);

fn unauthorized(detail: &str, challenge: HeaderValue) -> Problem {
    Problem::new(Code::Unauthorized, detail).header(header::WWW_AUTHENTICATE, challenge)
}

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        app.keys.caller_of(&parts.headers)
    }
}

impl FromRequestParts<Arc<App>> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let caller = app.keys.caller_of(&parts.headers)?;
        match caller.role {
            KeyRole::Operator => Ok(Self { tenant: caller.tenant }),
            KeyRole::Device => Err(Problem::new(Code::Forbidden, "This route needs an operator key.")),
        }
    }
}
