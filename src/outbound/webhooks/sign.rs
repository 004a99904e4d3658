//! What shows a receiver that a message is ours: Standard Webhooks' signature for webhooks, our own older one for thresholds of the configuration.
//!
//! The secret of a webhook is kept nowhere: it is an HMAC, by the deployment's own secret, over the webhook's name and over how often it was rotated. So no
//! row and no copy of one signs anything.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha2::Sha256;

/// What stands before a secret's base64 (Standard Webhooks 1.0, "signature scheme", symmetric).
const SECRET_PREFIX: &str = "whsec_";

/// What secrets begin to be made of, so that they are taken for nothing else.
const SECRET_DOMAIN: &[u8] = b"quadrille webhook secret 1";

/// What signs messages to one webhook.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct SigningSecret([u8; 32]);

impl SigningSecret {
    /// The secret of a tenant's webhook that was rotated `generation` times.
    pub fn of(root: &[u8; 32], tenant: &str, id: &str, generation: u32) -> Self {
        let mut message = SECRET_DOMAIN.to_vec();
        for text in [tenant, id] {
            message.extend((text.len() as u64).to_be_bytes());
            message.extend(text.as_bytes());
        }
        message.extend(generation.to_be_bytes());
        Self(hmac_sha256(root, &message))
    }

    /// As its receiver is told it, once.
    pub fn reveal(&self) -> String {
        format!("{SECRET_PREFIX}{}", STANDARD.encode(self.0))
    }

    /// `v1,…`: HMAC-SHA256 over the message's id, the instant in seconds of Unix time and the body, with full stops between them.
    fn sign(&self, id: &str, unix_s: i64, body: &str) -> String {
        let digest = hmac_sha256(&self.0, format!("{id}.{unix_s}.{body}").as_bytes());
        format!("v1,{}", STANDARD.encode(digest))
    }
}

/// `webhook-signature`: a signature by each secret that is good yet, so that receivers may change theirs when it suits them.
pub(super) fn signatures(secrets: &[SigningSecret], id: &str, unix_s: i64, body: &str) -> String {
    secrets.iter().map(|secret| secret.sign(id, unix_s, body)).collect::<Vec<_>>().join(" ")
}

/// `t=…,v1=…`: the instant in seconds of Unix time, and the HMAC-SHA256 (RFC 2104) of that, a full stop and the body. The instant is
/// signed too, so that a receiver can refuse what somebody recorded and sends again later.
pub(super) fn threshold_signature(secret: &str, unix_s: i64, body: &str) -> String {
    let digest = hmac_sha256(secret.as_bytes(), format!("{unix_s}.{body}").as_bytes());
    format!("t={unix_s},v1={}", hex::encode(digest))
}

fn hmac_sha256(key: &[u8], message: &[u8]) -> [u8; 32] {
    // HMAC takes keys of any length; were it not so, an empty digest is refused by whoever checks.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return [0; 32] };
    mac.update(message);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_signed_for_a_threshold_is_the_instant_and_the_body() {
        // printf '1795363200.{}' | openssl dgst -sha256 -hmac whsec
        let expected = "68c53236800eb6ad4672325bf253241c4c82ecaeb2cdee93a30a7fc15c70dd71";
        assert_eq!(threshold_signature("whsec", 1_795_363_200, "{}"), format!("t=1795363200,v1={expected}"));
        assert_ne!(
            threshold_signature("whsec", 1_795_363_201, "{}")[13..],
            threshold_signature("whsec", 1_795_363_200, "{}")[13..]
        );
    }

    #[test]
    fn what_is_signed_for_a_webhook_is_its_id_the_instant_and_the_body() {
        // printf 'msg_1.1795363200.{}' | openssl dgst -sha256 -mac hmac -macopt hexkey:0707…07 -binary | base64
        let secret = SigningSecret([7; 32]);
        let expected = "v1,rH+3mD6hAc81Cm6J/GExPCrj1bwimAOcrj4+NlV95lw=";
        assert_eq!(signatures(&[secret], "msg_1", 1_795_363_200, "{}"), expected);
        assert_eq!(secret.reveal(), "whsec_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=");
        let both = signatures(&[SigningSecret([8; 32]), secret], "msg_1", 1_795_363_200, "{}");
        assert!(both.ends_with(&format!(" {expected}")) && both.matches("v1,").count() == 2, "{both}");
    }

    #[test]
    fn each_webhook_and_each_rotation_has_a_secret_of_its_own() {
        let of = |root: u8, tenant, id, generation| SigningSecret::of(&[root; 32], tenant, id, generation).reveal();
        let all = [of(1, "a", "b", 0), of(2, "a", "b", 0), of(1, "ab", "", 0), of(1, "a", "c", 0), of(1, "a", "b", 1)];
        assert_eq!(all.iter().collect::<std::collections::BTreeSet<_>>().len(), all.len());
        assert_eq!(all[0], of(1, "a", "b", 0), "receivers have it: it must never change");
    }
}
