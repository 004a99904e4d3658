//! Issuers of bearer tokens, `[[tenants.issuers]]`.

use std::path::PathBuf;
use std::str::FromStr;

use url::Url;

use super::reader::{Table, Value};

/// Most issuers of a tenant.
const MAX_ISSUERS: usize = 8;

/// Who may sign tokens (JWT) for a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenIssuer {
    /// The tenant that they are of.
    pub tenant: String,
    /// As in the claim `iss`.
    pub issuer: String,
    /// As in the claim `aud`.
    pub audience: String,
    pub jwks: JwksFrom,
    /// The claim that says `operator` or `device`.
    pub role_claim: String,
    /// The claim that names the tenant, where one issuer serves several.
    pub tenant_claim: Option<String>,
}

/// Where an issuer's keys are (RFC 7517).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JwksFrom {
    /// Read again when a token names a key that is not known.
    File(PathBuf),
    Address(Url),
}

/// Why a text names no keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JwksError {
    #[error("it is no address ({0})")]
    Address(#[from] url::ParseError),
    #[error("keys that come unencrypted can be anybody's")]
    Unencrypted,
    #[error("it has a user or a password in it")]
    Credentials,
}

impl JwksFrom {
    const ALLOWED: &str = "https://HOST… or the absolute path of a file is allowed";
}

impl FromStr for JwksFrom {
    type Err = JwksError;

    fn from_str(text: &str) -> Result<Self, JwksError> {
        if text.starts_with('/') {
            return Ok(Self::File(text.into()));
        }
        let url = Url::parse(text)?;
        // On the machine itself there is nobody in between.
        let is_here = matches!(url.host_str(), Some("127.0.0.1" | "[::1]" | "localhost"));
        if !(url.scheme() == "https" || url.scheme() == "http" && is_here) {
            return Err(JwksError::Unencrypted);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(JwksError::Credentials);
        }
        Ok(Self::Address(url))
    }
}

pub(super) fn read_all(table: &mut Table, tenant: &str) -> Vec<TokenIssuer> {
    let items = table.items("issuers", "write each as [[tenants.issuers]]");
    if let Some(beyond) = items.get(MAX_ISSUERS) {
        beyond.refuse(format!("a tenant has {} of them", items.len()), &format!("up to {MAX_ISSUERS} are allowed"));
    }
    items.iter().filter_map(|item| read_one(item, tenant)).collect()
}

fn read_one(item: &Value, tenant: &str) -> Option<TokenIssuer> {
    let mut table = item.table()?;
    let issuer = table.required("issuer", "what the claim `iss` says is needed").and_then(text);
    let audience = table.required("audience", "what the claim `aud` says is needed").and_then(text);
    let jwks = table.required("jwks", JwksFrom::ALLOWED).and_then(|v| v.parsed(JwksFrom::ALLOWED, str::parse));
    let role_claim = table.optional("role_claim").and_then(text);
    let tenant_claim = table.optional("tenant_claim").and_then(text);
    table.finish();
    Some(TokenIssuer {
        tenant: tenant.to_owned(),
        issuer: issuer?,
        audience: audience?,
        jwks: jwks?,
        role_claim: role_claim.unwrap_or_else(|| "role".to_owned()),
        tenant_claim,
    })
}

fn text(value: Value) -> Option<String> {
    const ALLOWED: &str = "1 to 256 characters are allowed";
    let text = value.text(ALLOWED)?;
    let is_fine = (1..=256).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    if !is_fine {
        value.refuse("it is empty, too long or has control characters", ALLOWED);
    }
    is_fine.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_from_files_and_encrypted_addresses() {
        for good in ["/etc/q/jwks.json", "https://id.example/jwks", "http://127.0.0.1:9/jwks", "http://[::1]/k"] {
            assert!(good.parse::<JwksFrom>().is_ok(), "{good}");
        }
        for bad in ["", "jwks.json", "http://id.example/jwks", "https://u:p@id.example/", "file:///etc/q", "ftp://a/b"]
        {
            assert!(bad.parse::<JwksFrom>().is_err(), "{bad}");
        }
    }
}
