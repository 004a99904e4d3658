//! What must hold of tokens that others sign, and of what is presented as a key.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use arbitrary::Arbitrary;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::{Signer, SigningKey};
use hmac::{Hmac, Mac};
use jsonwebtoken::jwk::Jwk;
use serde_json::{Value, json};
use sha2::Sha256;

use super::token::{self, TokenError};
use super::{Principal, Scope, Scopes};
use crate::config::{KeyRole, TokenIssuer};
use crate::market::Tier;

const NOW_S: i64 = 1_795_363_200;
const ISSUER: &str = "https://id.example";
const AUDIENCE: &str = "quadrille";

/// The issuer's key, and what its set says of it.
static KEY: LazyLock<(SigningKey, Jwk)> = LazyLock::new(|| {
    let key = SigningKey::from_bytes(&[7; 32]);
    let public = URL_SAFE_NO_PAD.encode(key.verifying_key().as_bytes());
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": public, "kid": "one" });
    (key, serde_json::from_value(jwk).unwrap())
});

#[derive(Arbitrary, Debug)]
pub struct Token<'a> {
    head: Head<'a>,
    claims: Vec<Claim<'a>>,
    signed: Signed<'a>,
    /// What is changed of it behind the signer's back: where, and to which letter.
    edits: Vec<(u16, u8)>,
}

#[derive(Arbitrary, Debug)]
enum Head<'a> {
    Usual,
    Of { algorithm: u8, kid: Option<u8>, typ: bool },
    Any(&'a str),
}

#[derive(Arbitrary, Debug)]
enum Signed<'a> {
    Rightly,
    ByAStranger,
    Not,
    /// With the public key taken for a shared secret.
    WithThePublicKey,
    Any(&'a [u8]),
}

#[derive(Arbitrary, Debug)]
enum Claim<'a> {
    Issuer(bool),
    Audience(u8),
    Subject(&'a str),
    Role(u8),
    Expires(Time),
    NotBefore(Time),
    Scope(Vec<u8>, Option<&'a str>),
    Market(Option<&'a str>),
    Tier(u8),
    Tenant(u8),
    Other(u8, i64),
}

#[derive(Arbitrary, Debug)]
enum Time {
    FromNow(i16),
    Seconds(i64),
    Number(f64),
    Text,
}

const ALGORITHMS: [&str; 9] = ["EdDSA", "none", "HS256", "RS256", "ES256", "HS512", "None", "eddsa", ""];
const TIERS: [&str; 6] = [
    "null",
    "{\"max_height\":720}",
    "{\"max_hight\":720}",
    "5",
    "{\"features\":[\"dolby\"]}",
    "{\"features\":[\"8k\"]}",
];

impl Claim<'_> {
    fn written(&self) -> (&'static str, Value) {
        let time = |time: &Time| match time {
            Time::FromNow(seconds) => json!(NOW_S + i64::from(*seconds)),
            Time::Seconds(seconds) => json!(seconds),
            Time::Number(number) => json!(number),
            Time::Text => json!("tomorrow"),
        };
        match self {
            Claim::Issuer(is_right) => ("iss", json!(if *is_right { ISSUER } else { "https://evil.example" })),
            Claim::Audience(of) => {
                let all =
                    [json!(AUDIENCE), json!([AUDIENCE, "other"]), json!("other"), json!([]), json!(5), json!(null)];
                ("aud", all[usize::from(*of) % all.len()].clone())
            }
            Claim::Subject(text) => ("sub", json!(text)),
            Claim::Role(of) => {
                let all = [json!("operator"), json!("device"), json!("root"), json!(["operator"]), json!(null)];
                ("role", all[usize::from(*of) % all.len()].clone())
            }
            Claim::Expires(at) => ("exp", time(at)),
            Claim::NotBefore(at) => ("nbf", time(at)),
            Claim::Scope(names, other) => {
                let known = Scope::all_names();
                let mut words: Vec<&str> =
                    names.iter().map(|n| known[usize::from(*n) % known.len()].as_str()).collect();
                words.extend(*other);
                ("scope", json!(words.join(" ")))
            }
            Claim::Market(market) => ("market", json!(market)),
            Claim::Tier(of) => ("tier", serde_json::from_str(TIERS[usize::from(*of) % TIERS.len()]).unwrap()),
            Claim::Tenant(of) => ("org", json!(["acme", "other"][usize::from(*of % 2)])),
            Claim::Other(of, number) => {
                (["iat", "jti", "scopes", "tenant", "admin"][usize::from(*of % 5)], json!(number))
            }
        }
    }
}

impl Head<'_> {
    fn written(&self) -> String {
        match self {
            Head::Usual => json!({ "alg": "EdDSA", "kid": "one" }).to_string(),
            Head::Of { algorithm, kid, typ } => {
                let mut head = json!({ "alg": ALGORITHMS[usize::from(*algorithm) % ALGORITHMS.len()] });
                if let Some(kid) = kid {
                    head["kid"] = json!(["one", "two", ""][usize::from(*kid % 3)]);
                }
                if *typ {
                    head["typ"] = json!("JWT");
                }
                head.to_string()
            }
            Head::Any(text) => (*text).to_owned(),
        }
    }
}

fn settings() -> TokenIssuer {
    TokenIssuer {
        tenant: "acme".into(),
        issuer: ISSUER.into(),
        audience: AUDIENCE.into(),
        role_claim: "role".into(),
        tenant_claim: None,
    }
}

/// Who presents `token`, as the room finds out.
fn asked(token: &str) -> Result<Principal, TokenError> {
    let (settings, tenant) = (settings(), Arc::from("acme"));
    if !token::is_token(token) {
        return Err(TokenError::Unreadable);
    }
    if token::unverified(token)?.text("iss") != Some(ISSUER) {
        return Err(TokenError::Issuer);
    }
    let head = token::head(token)?;
    token::verified(token, &head, std::slice::from_ref(&KEY.1), &settings)?.principal(&settings, &tenant, NOW_S * 1000)
}

/// Nobody but the issuer makes a token that opens something, what it opens is what its claims say, and every right one does.
pub fn token(asked_for: &Token) {
    let claims: BTreeMap<&str, Value> = asked_for.claims.iter().map(Claim::written).collect();
    let head = asked_for.head.written();
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(&head), URL_SAFE_NO_PAD.encode(json!(claims).to_string()));
    let signature = match asked_for.signed {
        Signed::Rightly => KEY.0.sign(message.as_bytes()).to_bytes().to_vec(),
        Signed::ByAStranger => SigningKey::from_bytes(&[8; 32]).sign(message.as_bytes()).to_bytes().to_vec(),
        Signed::Not => Vec::new(),
        Signed::WithThePublicKey => {
            let mut mac = Hmac::<Sha256>::new_from_slice(serde_json::to_string(&KEY.1).unwrap().as_bytes()).unwrap();
            mac.update(message.as_bytes());
            mac.finalize().into_bytes().to_vec()
        }
        Signed::Any(bytes) => bytes.to_vec(),
    };
    let signed = format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature));
    let presented = super::super::session::checks::edited(&signed, &asked_for.edits);
    let is_the_issuer_s = matches!(asked_for.signed, Signed::Rightly) && presented == signed;
    match asked(&presented) {
        Ok(principal) => {
            assert!(is_the_issuer_s, "{presented}");
            opens(&principal, &claims);
        }
        Err(error) => {
            let is_usual = matches!(asked_for.head, Head::Usual) && token::is_token(&presented);
            assert!(!(is_the_issuer_s && is_usual && is_right(&claims)), "{error}: {claims:?}");
            assert!(presented.len() < 32 || !error.to_string().contains(&presented));
        }
    }
}

/// Whether the claims are such as stand for somebody.
fn is_right(claims: &BTreeMap<&str, Value>) -> bool {
    let audience = match claims.get("aud") {
        Some(Value::Array(all)) => all.contains(&json!(AUDIENCE)),
        one => one == Some(&json!(AUDIENCE)),
    };
    let seconds = |name: &str| claims.get(name).filter(|at| !at.is_null()).map(Value::as_f64);
    let now_s = NOW_S as f64;
    let is_in_time = seconds("exp").flatten().is_some_and(|exp| now_s < exp + 60.0)
        && seconds("nbf").is_none_or(|nbf| nbf.is_some_and(|nbf| nbf <= now_s + 60.0));
    let is_tier =
        claims.get("tier").is_none_or(|tier| tier.is_null() || serde_json::from_value::<Tier>(tier.clone()).is_ok());
    claims.get("iss") == Some(&json!(ISSUER))
        && audience
        && is_in_time
        && is_tier
        && claims.get("role").is_some_and(|role| [json!("operator"), json!("device")].contains(role))
}

fn opens(principal: &Principal, claims: &BTreeMap<&str, Value>) {
    assert!(is_right(claims), "{claims:?}");
    assert_eq!(&*principal.tenant, "acme");
    assert_eq!(principal.role == KeyRole::Operator, claims["role"] == "operator");
    assert!(principal.name.chars().count() <= 128 && !principal.name.chars().any(char::is_control));
    match claims.get("scope").and_then(Value::as_str) {
        None => assert_eq!(principal.scopes, Scopes::all()),
        Some(said) => {
            let said: BTreeSet<&str> = said.split(' ').collect();
            let named = principal.scopes.named().unwrap();
            assert!(named.iter().all(|scope| said.contains(scope.as_str())), "no more than was said");
            assert!(Scope::all_names().iter().all(|scope| !said.contains(scope.as_str()) || named.contains(scope)));
        }
    }
    assert_eq!(principal.terms.market.as_deref(), claims.get("market").and_then(Value::as_str));
    let tier = claims.get("tier").and_then(|tier| tier["max_height"].as_u64());
    assert_eq!(principal.terms.tier.max_height.map(u64::from), tier);
}

/// Whatever is presented opens nothing, and a scope is written as it is read.
pub fn text(text: &str) {
    assert!(asked(text).is_err());
    if let Ok(scope) = text.parse::<Scope>() {
        assert_eq!(scope.to_string(), text);
    }
    for name in text.split_whitespace() {
        let _ = super::scope::Area::of_path(name).map(|area| assert!(name.starts_with("/v1/operator/"), "{area:?}"));
    }
}
