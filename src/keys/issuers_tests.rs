use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519};
use serde_json::{Value, json};

use super::*;
use crate::config::KeyRole;
use crate::keys::token::is_token;
use crate::keys::{Scope, Scopes};

const NOW_S: i64 = 1_795_363_200;

/// A key of an issuer, and what its set says of it.
struct Signer {
    algorithm: Algorithm,
    key: EncodingKey,
    jwk: Value,
}

impl Signer {
    fn new(algorithm: Algorithm, kid: &str) -> Self {
        let (pair, kind) = match algorithm {
            Algorithm::EdDSA => (KeyPair::generate_for(&PKCS_ED25519).unwrap(), "Ed25519"),
            _ => (KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap(), "P-256"),
        };
        let public = pair.public_key_raw();
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let jwk = match algorithm {
            Algorithm::EdDSA => json!({ "kty": "OKP", "crv": kind, "x": text(public), "kid": kid }),
            // An uncompressed point: a byte that says so, and two coordinates.
            _ => json!({ "kty": "EC", "crv": kind, "x": text(&public[1..33]), "y": text(&public[33..]), "kid": kid }),
        };
        let der = pair.serialize_der();
        let key = match algorithm {
            Algorithm::EdDSA => EncodingKey::from_ed_der(&der),
            _ => EncodingKey::from_ec_der(&der),
        };
        Self { algorithm, key, jwk }
    }

    fn sign(&self, kid: Option<&str>, claims: &Value) -> String {
        let header = Header { kid: kid.map(str::to_owned), ..Header::new(self.algorithm) };
        jsonwebtoken::encode(&header, claims, &self.key).unwrap()
    }
}

fn claims() -> Value {
    json!({ "iss": "https://id.example", "aud": "quadrille", "sub": "kim", "role": "operator", "exp": NOW_S + 300 })
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

struct House {
    issuers: Issuers,
    jwks: PathBuf,
    _dir: tempfile::TempDir,
}

impl House {
    fn new(keys: &[&Signer], tenant_claim: Option<&str>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let jwks = dir.path().join("jwks.json");
        let of = |tenant: &str| TokenIssuer {
            tenant: tenant.into(),
            issuer: "https://id.example".into(),
            audience: "quadrille".into(),
            jwks: JwksFrom::File(jwks.clone()),
            role_claim: "role".into(),
            tenant_claim: tenant_claim.map(str::to_owned),
        };
        let issuers = Issuers::new(vec![of("acme"), of("other")]);
        let house = Self { issuers, jwks: jwks.clone(), _dir: dir };
        house.put(keys);
        house
    }

    fn put(&self, keys: &[&Signer]) {
        let keys: Vec<&Value> = keys.iter().map(|key| &key.jwk).collect();
        std::fs::write(&self.jwks, json!({ "keys": keys }).to_string()).unwrap();
    }

    async fn ask(&self, token: &str, after_s: i64) -> Result<Principal, TokenError> {
        self.issuers.principal(token, (NOW_S + after_s) * 1000).await
    }
}

#[tokio::test]
async fn a_token_stands_for_a_key_of_its_tenant() {
    for algorithm in [Algorithm::ES256, Algorithm::EdDSA] {
        let signer = Signer::new(algorithm, "one");
        let house = House::new(&[&signer], None);
        let kim = house.ask(&signer.sign(Some("one"), &claims()), 0).await.unwrap();
        assert_eq!(
            (&*kim.tenant, &*kim.name, kim.role, kim.scopes),
            ("acme", "token:https://id.example#kim", KeyRole::Operator, Scopes::all())
        );
        let mut few = with("scope", json!("openid games:write usage:read"));
        few["role"] = json!("operator");
        let few = house.ask(&signer.sign(None, &few), 0).await.unwrap();
        let scopes = ["games:write", "usage:read"].map(|scope| scope.parse::<Scope>().unwrap());
        assert_eq!(few.scopes, Scopes::of(scopes), "others' scopes are no scopes of ours, and open nothing");
        let mut device = with("role", json!("device"));
        (device["market"], device["tier"]) = (json!("de"), json!({ "max_height": 540 }));
        let device = house.ask(&signer.sign(Some("one"), &device), 0).await.unwrap();
        assert_eq!(device.role, KeyRole::Device);
        assert_eq!((device.terms.market.as_deref(), device.terms.tier.max_height), (Some("de"), Some(540)));
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_token_is_said() {
    let signer = Signer::new(Algorithm::ES256, "one");
    let house = House::new(&[&signer], None);
    let claim = |name: &str| TokenError::Claim(name.to_owned());
    let cases = [
        (with("iss", json!("https://evil.example")), TokenError::Issuer),
        (with("aud", json!("another")), TokenError::Audience),
        (with("aud", Value::Null), TokenError::Audience),
        (with("exp", json!(NOW_S - 61)), TokenError::Expired),
        (with("exp", Value::Null), TokenError::Expired),
        (with("nbf", json!(NOW_S + 61)), TokenError::Early),
        (with("role", json!("root")), claim("role")),
        (with("role", Value::Null), claim("role")),
        (with("scope", json!(5)), claim("scope")),
        (with("market", json!(["de"])), claim("market")),
        (with("tier", json!({ "max_hight": 540 })), claim("tier")),
    ];
    for (claims, expected) in cases {
        let refused = house.ask(&signer.sign(Some("one"), &claims), 0).await;
        assert_eq!(refused, Err(expected), "{claims}");
    }
    let fine = signer.sign(Some("one"), &claims());
    assert!(house.ask(&fine, 359).await.is_ok(), "clocks may be a minute apart");
    assert_eq!(house.ask(&fine, 360).await, Err(TokenError::Expired));
    let critical = |crit: Value| {
        let head = URL_SAFE_NO_PAD.encode(json!({ "alg": "ES256", "kid": "one", "crit": crit }).to_string());
        format!("{head}{}", &fine[fine.find('.').unwrap()..])
    };
    for crit in [json!(["b64"]), json!([]), Value::Null] {
        assert_eq!(house.ask(&critical(crit.clone()), 0).await, Err(TokenError::Critical), "{crit}");
    }
    for broken in ["a.b.c", "..", &fine[1..], &format!("{fine}.x")] {
        assert!(house.ask(broken, 0).await.is_err(), "{broken}");
    }
    assert!(is_token(&fine) && !is_token("op-secret") && !is_token("..") && !is_token(&"a.b.".repeat(9000)));
}

#[tokio::test]
async fn nobody_signs_for_an_issuer_who_has_not_its_key() {
    let (signer, stranger) = (Signer::new(Algorithm::ES256, "one"), Signer::new(Algorithm::ES256, "one"));
    let house = House::new(&[&signer], None);
    assert_eq!(house.ask(&stranger.sign(Some("one"), &claims()), 0).await, Err(TokenError::Signature));
    // `none`, and the public key taken for a shared secret.
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    for alg in ["none", "None", "HS256", "HS512"] {
        let head = part(&json!({ "alg": alg, "typ": "JWT", "kid": "one" }));
        let unsigned = format!("{head}.{}.", part(&claims()));
        assert_eq!(house.ask(&unsigned, 0).await, Err(TokenError::Algorithm), "{alg}");
    }
    let public = signer.jwk.to_string();
    let confused = Header { kid: Some("one".into()), ..Header::new(Algorithm::HS256) };
    let confused = jsonwebtoken::encode(&confused, &claims(), &EncodingKey::from_secret(public.as_bytes())).unwrap();
    assert_eq!(house.ask(&confused, 0).await, Err(TokenError::Algorithm));
    // Another's body under a right signature.
    let fine = signer.sign(Some("one"), &claims());
    let parts: Vec<&str> = fine.split('.').collect();
    let raised = part(&with("sub", json!("root")));
    assert_eq!(house.ask(&format!("{}.{raised}.{}", parts[0], parts[2]), 0).await, Err(TokenError::Signature));
}

#[tokio::test]
async fn keys_are_rotated_without_a_restart_and_asked_for_now_and_then_alone() {
    let (old, new) = (Signer::new(Algorithm::ES256, "old"), Signer::new(Algorithm::EdDSA, "new"));
    let house = House::new(&[&old], None);
    let long = |exp_s: i64| with("exp", json!(NOW_S + exp_s));
    assert!(house.ask(&old.sign(Some("old"), &long(9000)), 0).await.is_ok());
    house.put(&[&new]);
    assert_eq!(house.ask(&new.sign(Some("new"), &long(9000)), 10).await, Err(TokenError::Signature), "asked just now");
    assert!(house.ask(&new.sign(Some("new"), &long(9000)), 16).await.is_ok());
    assert_eq!(
        house.ask(&old.sign(Some("old"), &long(9000)), 20).await,
        Err(TokenError::Signature),
        "it is taken back"
    );
    // Keys that cannot be had are those that were had, for a day.
    std::fs::write(&house.jwks, "{").unwrap();
    assert!(house.ask(&new.sign(Some("new"), &long(90_000)), 3600).await.is_ok());
    assert_eq!(house.ask(&new.sign(Some("new"), &long(90_000)), 86_500).await, Err(TokenError::NoKeys));
}

#[tokio::test]
async fn one_issuer_serves_several_tenants_where_a_claim_names_them() {
    let signer = Signer::new(Algorithm::ES256, "one");
    let house = House::new(&[&signer], Some("org"));
    for tenant in ["acme", "other"] {
        let principal = house.ask(&signer.sign(Some("one"), &with("org", json!(tenant))), 0).await.unwrap();
        assert_eq!(&*principal.tenant, tenant);
    }
    for claims in [claims(), with("org", json!("third")), with("org", json!(["acme"]))] {
        let refused = house.ask(&signer.sign(Some("one"), &claims), 0).await;
        assert_eq!(refused, Err(TokenError::Claim("org".into())), "{claims}");
    }
}
