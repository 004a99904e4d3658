//! A bearer token that others sign (JWT, RFC 7519): what it says, whether one of its issuer's keys signed it, and for whom it stands here. Pure: keys and the
//! time are given.
//!
//! Asymmetric signatures alone are taken. What a token says of its own signature is believed only where the key is of that kind: neither `none` nor a public key used as a
//! shared secret opens anything.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Principal, Scope, Scopes};
use crate::config::{KeyRole, TokenIssuer};
use crate::market::{KeyTerms, Tier};

/// What is read of a token: those with many claims have three or four thousand.
const MAX_LENGTH: usize = 8 << 10;

/// How far clocks may be apart.
const LEEWAY_S: i64 = 60;

const ALGORITHMS: [Algorithm; 3] = [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];

/// Why a token is refused. It never quotes the token.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum TokenError {
    #[error("it cannot be read")]
    Unreadable,
    #[error("it is signed with an algorithm that is not taken here; RS256, ES256 and EdDSA are")]
    Algorithm,
    #[error("it says that it may only be read by who knows more than is known here (crit)")]
    Critical,
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

/// What a token says.
#[derive(Deserialize)]
pub(super) struct Claims {
    exp: Option<f64>,
    nbf: Option<f64>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

impl Claims {
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.others.get(name).and_then(Value::as_str)
    }

    /// Whom they stand for at `now_ms`: somebody of `tenant`.
    pub(super) fn principal(
        &self,
        settings: &TokenIssuer,
        tenant: &Arc<str>,
        now_ms: i64,
    ) -> Result<Principal, TokenError> {
        // A number of seconds with which a float could not be compared is no instant.
        let now_s = (now_ms / 1000) as f64;
        let leeway_s = LEEWAY_S as f64;
        if !self.exp.is_some_and(|exp| now_s < exp + leeway_s) {
            return Err(TokenError::Expired);
        }
        if self.nbf.is_some_and(|nbf| nbf.is_nan() || now_s + leeway_s < nbf) {
            return Err(TokenError::Early);
        }
        let claim = |name: &str| TokenError::Claim(name.to_owned());
        let role_claim = &settings.role_claim;
        let role = match self.text(role_claim) {
            Some("operator") => KeyRole::Operator,
            Some("device") => KeyRole::Device,
            _ => return Err(claim(role_claim)),
        };
        let scopes = match self.others.get("scope") {
            None => Scopes::all(),
            // Others' scopes stand there too (RFC 8693, 4.2): those that are none of ours say nothing here.
            Some(Value::String(scopes)) => {
                Scopes::of(scopes.split(' ').filter_map(|scope| scope.parse::<Scope>().ok()))
            }
            Some(_) => return Err(claim("scope")),
        };
        let market = match self.others.get("market") {
            None | Some(Value::Null) => None,
            Some(Value::String(market)) => Some(market.clone()),
            Some(_) => return Err(claim("market")),
        };
        let tier = match self.others.get("tier") {
            None | Some(Value::Null) => Tier::default(),
            Some(tier) => serde_json::from_value(tier.clone()).map_err(|_| claim("tier"))?,
        };
        let subject: String = self.text("sub").unwrap_or("").chars().filter(|c| !c.is_control()).take(128).collect();
        // A subject alone might be called like a key, or like one of another issuer.
        let name = format!("token:{}#{subject}", settings.issuer);
        let terms = Arc::new(KeyTerms { market, tier });
        Ok(Principal { tenant: tenant.clone(), name: name.into(), role, scopes, terms })
    }
}

/// What a token says, whoever signed it.
pub(super) fn unverified(token: &str) -> Result<Claims, TokenError> {
    let body = token.split('.').nth(1).ok_or(TokenError::Unreadable)?;
    let body = URL_SAFE_NO_PAD.decode(body).map_err(|_| TokenError::Unreadable)?;
    serde_json::from_slice(&body).map_err(|_| TokenError::Unreadable)
}

/// Whether a token that names `kid` may be signed with `key`.
pub(super) fn is_meant(key: &Jwk, kid: Option<&str>) -> bool {
    kid.is_none_or(|kid| key.common.key_id.as_deref().is_none_or(|known| known == kid))
}

/// What a token says of its signature.
pub(super) fn head(token: &str) -> Result<Header, TokenError> {
    let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Algorithm)?;
    // RFC 7515, 4.1.11: of what it names nothing is known here.
    if is_critical(token) {
        return Err(TokenError::Critical);
    }
    if ALGORITHMS.contains(&header.alg) { Ok(header) } else { Err(TokenError::Algorithm) }
}

fn is_critical(token: &str) -> bool {
    let head = token.split('.').next().and_then(|head| URL_SAFE_NO_PAD.decode(head).ok());
    let head: Option<Map<String, Value>> = head.and_then(|head| serde_json::from_slice(&head).ok());
    head.is_none_or(|head| head.contains_key("crit"))
}

/// What `token` says, if one of `keys` signed it for the issuer of `settings`.
pub(super) fn verified(
    token: &str,
    header: &Header,
    keys: &[Jwk],
    settings: &TokenIssuer,
) -> Result<Claims, TokenError> {
    let mut meant = keys.iter().filter(|key| is_meant(key, header.kid.as_deref()));
    meant.find_map(|key| verified_by(token, header.alg, key, settings)).unwrap_or(Err(TokenError::Signature))
}

/// The same of one key; `None` if it did not sign it.
fn verified_by(
    token: &str,
    algorithm: Algorithm,
    key: &Jwk,
    settings: &TokenIssuer,
) -> Option<Result<Claims, TokenError>> {
    let decoding = DecodingKey::from_jwk(key).ok()?;
    let mut validation = Validation::new(algorithm);
    // Times are held against the service's own clock.
    (validation.validate_exp, validation.validate_nbf) = (false, false);
    validation.set_required_spec_claims(&["iss", "aud"]);
    validation.set_issuer(&[&settings.issuer]);
    validation.set_audience(&[&settings.audience]);
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
