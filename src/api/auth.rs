//! Who asks, by `Authorization`: a key or a token. Neither is ever logged or echoed.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, header};

use super::bearer;
use super::operator::audit::Doer;
use super::problem::{Code, Problem};
use super::{App, parameters};
use crate::config::KeyRole;
use crate::keys::{Access, Area, Principal, Scope, Unknown};
use crate::market::KeyTerms;

/// Whoever holds a device or an operator key of a tenant, or a token that stands for one.
#[derive(Clone, Debug)]
pub struct Caller {
    pub tenant: Arc<str>,
    /// What it may ask for.
    pub terms: Arc<KeyTerms>,
}

/// Whoever may use the operator's route that is asked for.
#[derive(Clone, Debug)]
pub struct Operator {
    pub tenant: Arc<str>,
    pub principal: Principal,
}

impl App {
    /// Whose key or token `presented` is.
    ///
    /// # Errors
    /// `401 unauthorized`.
    pub async fn principal(&self, presented: &str) -> Result<Principal, Problem> {
        self.keys.principal(presented, self.clock.now().unix_millis()).await.map_err(|error| {
            let challenge = HeaderValue::from_static(r#"Bearer realm="quadrille", error="invalid_token""#);
            let detail = match &error {
                Unknown::Key => "The key is not known.".to_owned(),
                Unknown::Expired => "The key has expired.".to_owned(),
                Unknown::Token(cause) => format!("The token is refused: {cause}."),
            };
            unauthorized(&detail, challenge)
        })
    }

    /// Whose key stands in `Authorization: Bearer …` (RFC 6750, 2.1).
    ///
    /// # Errors
    /// `401 unauthorized`.
    pub async fn principal_of(&self, headers: &HeaderMap) -> Result<Principal, Problem> {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return Err(unauthorized("Send one key: Authorization: Bearer <key>.", CHALLENGE));
        };
        match bearer::in_header(value) {
            Some(key) if !key.is_empty() => self.principal(key).await,
            _ => Err(unauthorized("The Authorization header must read: Bearer <key>.", CHALLENGE)),
        }
    }
}

impl App {
    /// The same on routes that take `key=`, too.
    ///
    /// # Errors
    /// `401 unauthorized`.
    pub async fn principal_or_key(&self, headers: &HeaderMap) -> Result<Principal, Problem> {
        if headers.contains_key(header::AUTHORIZATION) {
            return self.principal_of(headers).await;
        }
        let detail = "Send a key: ?key=<key>, or Authorization: Bearer <key>.";
        Err(unauthorized(detail, CHALLENGE).with("parameter", "key"))
    }
}

/// Who presented the key in `Authorization`, once that is known.
#[derive(Clone)]
pub(super) struct Presented(pub Principal);

async fn presented(parts: &Parts, app: &App) -> Result<Principal, Problem> {
    match parts.extensions.get::<Presented>() {
        Some(Presented(principal)) => Ok(principal.clone()),
        None => app.principal_of(&parts.headers).await,
    }
}

const CHALLENGE: HeaderValue = HeaderValue::from_static(r#"Bearer realm="quadrille""#);

fn unauthorized(detail: &str, challenge: HeaderValue) -> Problem {
    Problem::new(Code::Unauthorized, detail).header(header::WWW_AUTHENTICATE, challenge)
}

impl Caller {
    /// # Errors
    /// `403 forbidden`: it is an operator's key whose scopes have nothing of what the route at `path` has.
    pub fn of(principal: Principal, path: &str) -> Result<Self, Problem> {
        let needed = Scope::for_devices(path);
        match needed.filter(|needed| principal.role == KeyRole::Operator && !principal.scopes.allow(*needed)) {
            None => Ok(Self { tenant: principal.tenant, terms: principal.terms }),
            Some(needed) => {
                let detail = format!("This route needs the scope {needed}.");
                Err(Problem::new(Code::Forbidden, detail).with("scope", needed.to_string()))
            }
        }
    }
}

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let principal = presented(parts, app).await?;
        parameters::check(parts)?;
        Self::of(principal, parts.uri.path())
    }
}

impl FromRequestParts<Arc<App>> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let principal = presented(parts, app).await?;
        if let Some(doer) = parts.extensions.get::<Doer>() {
            doer.is(&principal.tenant, &principal.name);
        }
        if principal.role != KeyRole::Operator {
            return Err(Problem::new(Code::Forbidden, "This route needs an operator key."));
        }
        let path = parts.uri.path();
        // What reckons and changes nothing is asked with POST, for its body.
        let reads = matches!(parts.method, Method::GET | Method::HEAD) || path == "/v1/operator/usage/quote";
        let access = if reads { Access::Read } else { Access::Write };
        match Area::of_path(path).map(|area| Scope { area, access }) {
            Some(wanted) if principal.scopes.allow(wanted) => {}
            // Where there is no scope for a route, all of them are needed.
            None if principal.scopes.named().is_none() => {}
            wanted => {
                let needed = wanted.map(|scope| scope.to_string());
                let detail = format!("This route needs the scope {}.", needed.as_deref().unwrap_or("of all routes"));
                return Err(Problem::new(Code::Forbidden, detail).with("scope", needed));
            }
        }
        parameters::check(parts)?;
        Ok(Self { tenant: principal.tenant.clone(), principal })
    }
}
