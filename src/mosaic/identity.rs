//! Mosaic names in URLs: a digest of everything that decides a mosaic's bytes, with a keyed signature. Nobody can guess one,
//! and a name can be checked without knowing the mosaic.

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::contract::{EngineKind, MosaicId, MosaicSpec, RenditionSpec};
use crate::timeline::Grid;

/// Bytes of the digest and of the signature in a name; a name is both in hex.
const HALF: usize = 16;

/// Makes and checks mosaic names for one deployment.
#[derive(Clone)]
pub struct Signer {
    key: [u8; 32],
    /// Output settings: part of every mosaic's identity.
    output: String,
}

impl Signer {
    /// `key` is the server's secret; `preset` the encoders' preset.
    pub fn new(key: [u8; 32], grid: Grid, renditions: &[RenditionSpec], preset: &str) -> Self {
        let ladder: Vec<String> =
            renditions.iter().map(|r| format!("{}:{}x{}@{}", r.name, r.width, r.height, r.bitrate_bps)).collect();
        let output = format!("{}/{}/{preset}/{}", grid.fps(), grid.segment_frames(), ladder.join(","));
        Self { key, output }
    }

    pub fn name(&self, spec: &MosaicSpec, engine: EngineKind) -> MosaicId {
        let layout = &spec.layout;
        let mut digest = Sha256::new();
        // JSON keeps the parts apart whatever characters a game's key holds.
        digest.update(
            serde_json::json!([
                self.output,
                engine.name(),
                layout.id,
                layout.canvas,
                layout.background,
                layout.gap,
                layout.slots,
                spec.games
            ])
            .to_string(),
        );
        let digest = digest.finalize();
        let mut name = hex::encode(&digest[..HALF]);
        name.push_str(&hex::encode(self.signature(&digest[..HALF])));
        MosaicId(name.into())
    }

    /// Whether `id` is a name that this deployment gave.
    pub fn gave(&self, id: &str) -> bool {
        match hex::decode(id) {
            Ok(bytes) if bytes.len() == 2 * HALF => self.signature(&bytes[..HALF]).ct_eq(&bytes[HALF..]).into(),
            _ => false,
        }
    }

    fn signature(&self, digest: &[u8]) -> [u8; HALF] {
        // HMAC takes keys of any length, so this cannot fail; the alternative keeps the type honest.
        let mut out = [0; HALF];
        if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.key) {
            mac.update(b"mosaic");
            mac.update(digest);
            out.copy_from_slice(&mac.finalize().into_bytes()[..HALF]);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::frame::Rect;
    use crate::layout::Layout;

    fn spec(games: [&str; 2]) -> MosaicSpec {
        let slot = |x| Rect { x, y: 270, width: 960, height: 540 };
        MosaicSpec {
            layout: Arc::new(Layout {
                id: "2EH".into(),
                name: "Two".into(),
                canvas: (1920, 1080),
                slots: vec![slot(0), slot(960)],
                overlap: false,
                background: [0; 3],
                gap: 0,
            }),
            games: games.map(Into::into).to_vec(),
        }
    }

    fn signer(key: u8) -> Signer {
        let rendition = RenditionSpec { name: "540p".into(), width: 960, height: 540, bitrate_bps: 1_600_000 };
        Signer::new([key; 32], Grid::new("30".parse().unwrap(), 60), &[rendition], "veryfast")
    }

    #[test]
    fn equal_mosaics_have_equal_names_and_everything_that_decides_the_bytes_counts() {
        let signer = signer(1);
        let name = signer.name(&spec(["a", "b"]), EngineKind::Render);
        assert_eq!(name, signer.name(&spec(["a", "b"]), EngineKind::Render));
        assert_ne!(name, signer.name(&spec(["b", "a"]), EngineKind::Render));
        assert_ne!(name, signer.name(&spec(["a", "b"]), EngineKind::Stitch));
        let mut other = spec(["a", "b"]);
        Arc::make_mut(&mut other.layout).background = [1, 2, 3];
        assert_ne!(name, signer.name(&other, EngineKind::Render));
    }

    #[test]
    fn only_names_signed_with_our_key_pass() {
        let name = signer(1).name(&spec(["a", "b"]), EngineKind::Render);
        assert!(signer(1).gave(&name.0));
        assert!(!signer(2).gave(&name.0));
        let mut forged = name.0.to_string();
        forged.replace_range(0..1, if forged.starts_with('0') { "1" } else { "0" });
        assert!(!signer(1).gave(&forged));
        assert!(!signer(1).gave("") && !signer(1).gave("zz") && !signer(1).gave(&name.0[..62]));
    }
}
