//! API keys: held as digests, compared in constant time, never printed.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};

use super::Tenant;
use crate::market::KeyTerms;

/// A key of the API. Only its SHA-256 digest is kept, whether the configuration gives the key or the digest.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ApiKey {
    digest: [u8; 32],
}

/// Why a text is no key. It never quotes the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiKeyError {
    #[error("a digest after `sha256:` has 64 hexadecimal digits, and this one does not")]
    Digest,
    #[error("it has {0} characters")]
    Length(usize),
    #[error("it has a space or a control character in it")]
    Character,
}

impl ApiKey {
    /// What a key may be, for people.
    pub const ALLOWED: &str =
        "1 to 256 characters without spaces are allowed, or `sha256:` and the 64 hexadecimal digits of a key's digest";

    /// Names the key where it must not be shown: of 2^48 names two are hardly ever the same.
    fn name(&self) -> Arc<str> {
        format!("config-{}", hex::encode(&self.digest[..6])).into()
    }

    /// Whether `presented` is the key, in time that does not depend on how much of it is right.
    pub fn matches(&self, presented: &str) -> bool {
        let digest: [u8; 32] = Sha256::digest(presented.as_bytes()).into();
        self.digest.ct_eq(&digest).into()
    }
}

impl FromStr for ApiKey {
    type Err = ApiKeyError;

    fn from_str(text: &str) -> Result<Self, ApiKeyError> {
        if let Some(digits) = text.strip_prefix("sha256:") {
            let mut digest = [0; 32];
            hex::decode_to_slice(digits, &mut digest).map_err(|_| ApiKeyError::Digest)?;
            return Ok(Self { digest });
        }
        let length = text.chars().count();
        if !(1..=256).contains(&length) {
            return Err(ApiKeyError::Length(length));
        }
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(ApiKeyError::Character);
        }
        Ok(Self { digest: Sha256::digest(text.as_bytes()).into() })
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(…)")
    }
}

/// What a key's holder may do: a device the session routes of its tenant, an operator all of its tenant's routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyRole {
    Device,
    Operator,
}

/// Whose key was presented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyHolder {
    /// The beginning of the key's digest: names it in logs and lists, and opens nothing.
    pub name: Arc<str>,
    pub tenant: Arc<str>,
    pub role: KeyRole,
    /// What it may ask for.
    pub terms: Arc<KeyTerms>,
}

/// The keys of all tenants.
#[derive(Clone, Debug, Default)]
pub struct Keyring {
    keys: Vec<(ApiKey, KeyHolder)>,
}

impl Keyring {
    pub fn new(tenants: &[Tenant]) -> Self {
        let mut keys = Vec::new();
        for tenant in tenants {
            let id: Arc<str> = tenant.id.as_str().into();
            let roles = [(&tenant.operator_keys, KeyRole::Operator), (&tenant.device_keys, KeyRole::Device)];
            let holder = |key: &ApiKey, role, terms: &KeyTerms| {
                let held = KeyHolder { name: key.name(), tenant: id.clone(), role, terms: Arc::new(terms.clone()) };
                (key.clone(), held)
            };
            for (of_role, role) in roles {
                keys.extend(of_role.iter().map(|key| holder(key, role, &KeyTerms::default())));
            }
            keys.extend(tenant.keys.iter().map(|(key, terms)| holder(key, KeyRole::Device, terms)));
        }
        Self { keys }
    }

    pub fn all(&self) -> impl Iterator<Item = &KeyHolder> {
        self.keys.iter().map(|(_, holder)| holder)
    }

    /// The holders of a tenant's keys.
    pub fn of_tenant<'a>(&'a self, tenant: &'a str) -> impl Iterator<Item = &'a KeyHolder> {
        self.all().filter(move |holder| &*holder.tenant == tenant)
    }

    /// Whose key `presented` is. Looks at every key, so that the time taken tells nothing.
    pub fn find(&self, presented: &str) -> Option<&KeyHolder> {
        let digest: [u8; 32] = Sha256::digest(presented.as_bytes()).into();
        let mut found = u64::MAX;
        for (at, (key, _)) in (0u64..).zip(&self.keys) {
            let same: Choice = key.digest.ct_eq(&digest);
            found.conditional_assign(&at, same);
        }
        self.keys.get(usize::try_from(found).ok()?).map(|(_, holder)| holder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_matches_itself_given_plain_or_as_digest() {
        let plain: ApiKey = "op-secret".parse().unwrap();
        let digest = hex::encode(Sha256::digest(b"op-secret"));
        let hashed: ApiKey = format!("sha256:{digest}").parse().unwrap();
        for key in [&plain, &hashed] {
            assert!(key.matches("op-secret"));
            assert!(!key.matches("op-secre") && !key.matches("") && !key.matches(&format!("sha256:{digest}")));
        }
        assert_eq!(plain, hashed);
    }

    #[test]
    fn a_key_is_never_printed() {
        let key: ApiKey = "op-secret".parse().unwrap();
        assert_eq!(format!("{key:?}"), "ApiKey(…)");
    }

    #[test]
    fn what_is_no_key_is_refused_without_being_quoted() {
        assert_eq!("".parse::<ApiKey>(), Err(ApiKeyError::Length(0)));
        assert_eq!("a b".parse::<ApiKey>(), Err(ApiKeyError::Character));
        assert_eq!("sha256:abcd".parse::<ApiKey>(), Err(ApiKeyError::Digest));
        assert_eq!("x".repeat(257).parse::<ApiKey>(), Err(ApiKeyError::Length(257)));
    }

    #[test]
    fn the_keyring_tells_tenant_and_role() {
        let tenant = |id: &str| Tenant {
            id: id.to_owned(),
            operator_keys: vec![format!("{id}-op").parse().unwrap()],
            device_keys: vec![format!("{id}-dev").parse().unwrap()],
            keys: vec![(
                format!("{id}-free").parse().unwrap(),
                KeyTerms { market: Some("de".into()), ..KeyTerms::default() },
            )],
            thresholds: Vec::new(),
            caps: Vec::new(),
            issuers: Vec::new(),
            limits: crate::config::TenantLimits::default(),
            sources: crate::reach::Rules::default(),
        };
        let ring = Keyring::new(&[tenant("a"), tenant("b")]);
        let found = |key: &str| ring.find(key).map(|h| (h.tenant.to_string(), h.role));
        assert_eq!(found("b-dev"), Some(("b".to_owned(), KeyRole::Device)));
        assert_eq!(found("a-op"), Some(("a".to_owned(), KeyRole::Operator)));
        assert_eq!(found("a-free"), Some(("a".to_owned(), KeyRole::Device)));
        assert_eq!(found("c-op"), None);
        let market = |key: &str| ring.find(key).unwrap().terms.market.clone();
        assert_eq!((market("a-free").as_deref(), market("a-dev")), (Some("de"), None));
    }
}
