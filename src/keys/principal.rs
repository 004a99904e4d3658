//! Who asks.

use std::sync::Arc;

use super::Scopes;
use crate::config::KeyRole;
use crate::market::KeyTerms;

/// Whoever asks, once it is known who that is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    pub tenant: Arc<str>,
    /// Names the key in logs and reports, and opens nothing: a made key's id, the beginning of a configured one's digest, a token's issuer and subject.
    pub name: Arc<str>,
    pub role: KeyRole,
    /// What of an operator's routes it may use; devices have none of them.
    pub scopes: Scopes,
    /// What its sessions may have.
    pub terms: Arc<KeyTerms>,
}
