//! The URLs that a session hands out, and the signature in a sound's.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::mosaic::GameKey;
use crate::timeline::SegmentNumber;

/// Bytes of the digest in a sound's path element: too many to guess.
const SIGNATURE_BYTES: usize = 16;

/// Bounds what is decoded from a URL.
const MAX_ELEMENT_LENGTH: usize = 512;

/// Makes path elements that only this service can make, and reads them back.
pub(super) struct Paths {
    secret: [u8; 32],
    era: u64,
}

impl Paths {
    /// Names of another `era` are others: numbers come again there, and caches know the old ones.
    pub(super) fn new(secret: [u8; 32], era: u64) -> Self {
        Self { secret, era }
    }

    pub(super) fn playback(token: &str) -> String {
        format!("/v1/play/{token}/index.m3u8")
    }

    pub(super) fn video_init(mosaic: &str, rendition: &str) -> String {
        format!("/v1/media/{mosaic}/{rendition}/init.mp4")
    }

    pub(super) fn video_segment(mosaic: &str, rendition: &str, n: SegmentNumber) -> String {
        format!("/v1/media/{mosaic}/{rendition}/{n}.m4s")
    }

    pub(super) fn sound_init(element: &str) -> String {
        format!("/v1/media/audio/{element}/init.mp4")
    }

    pub(super) fn sound_segment(element: &str, n: SegmentNumber) -> String {
        format!("/v1/media/audio/{element}/{n}.m4s")
    }

    /// A game's name in sound URLs: its key and a signature, so that knowing a game's id (another tenant's, say) does not
    /// open its sound. Stable over restarts.
    pub(super) fn sound_element(&self, key: &GameKey) -> String {
        let signature = &self.mac(key).finalize().into_bytes()[..SIGNATURE_BYTES];
        format!("{}.{}", URL_SAFE_NO_PAD.encode(key.as_bytes()), hex::encode(signature))
    }

    /// The game behind a path element, if its signature is this service's.
    pub(super) fn game_of(&self, element: &str) -> Option<GameKey> {
        if element.len() > MAX_ELEMENT_LENGTH {
            return None;
        }
        let (key, signature) = element.split_once('.')?;
        let key = String::from_utf8(URL_SAFE_NO_PAD.decode(key).ok()?).ok()?;
        let signature = hex::decode(signature).ok().filter(|s| s.len() == SIGNATURE_BYTES)?;
        self.mac(&key).verify_truncated_left(&signature).ok()?;
        Some(key.into())
    }

    fn mac(&self, key: &str) -> Hmac<Sha256> {
        // HMAC takes a key of any length (RFC 2104, 2); the other arm is never taken.
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret).unwrap_or_else(|_| Hmac::new(&Default::default()));
        mac.update(b"sound\0");
        if self.era > 0 {
            mac.update(&self.era.to_be_bytes());
            mac.update(b"\0");
        }
        mac.update(key.as_bytes());
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sound_element_opens_its_game_and_a_forged_one_nothing() {
        let paths = Paths::new([7; 32], 0);
        let element = paths.sound_element(&"acme/nyk-bos".into());
        assert_eq!(paths.game_of(&element).as_deref(), Some("acme/nyk-bos"));
        assert!(element.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)), "{element}");

        assert_eq!(Paths::new([8; 32], 0).game_of(&element), None, "another service's");
        assert_eq!(Paths::new([7; 32], 1).game_of(&element), None, "another era's");
        let (_, signature) = element.split_once('.').unwrap();
        let other = URL_SAFE_NO_PAD.encode("acme/nyk-mia");
        for forged in [
            "",
            ".",
            "nyk-bos",
            &format!("{other}.{signature}"),
            &format!("{element}00"),
            &element[..element.len() - 2],
        ] {
            assert_eq!(paths.game_of(forged), None, "{forged}");
        }
        assert_eq!(paths.game_of(&"a".repeat(100_000)), None);
    }
}
