//! What was made of assets that move: how far it is, and where it lies until the next process.

use bytes::{Buf, Bytes};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::{AssetId, Assets};

/// Bytes on the disk of all that was made.
const KEPT_BYTES: u64 = 1 << 30;

/// Of a digest in front of what was made.
const DIGEST: usize = 32;

/// How far the loops of an asset that moves are: one for each size, piece and rendition at which it is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AssetLoops {
    /// Those that were asked for.
    pub wanted: u32,
    /// Those of them that are shown.
    pub made: u32,
    /// Those that could not be made: the first picture stands there. The log says why.
    pub failed: u32,
    /// Those of them that failed for a reason that may pass: they are made again, in up to five minutes, for as long as a skin has the asset or somebody watches it.
    pub retried: u32,
    /// How much of all that is wanted is done.
    pub percent: u32,
}

impl Assets {
    /// Whether any skin has it.
    pub fn is_in_a_skin(&self, id: &AssetId) -> bool {
        let known = self.known.read();
        known.skins.values().any(|skin| skin.art.values().any(|asset| asset == id))
    }

    /// The loops of an asset are so far from now on.
    pub fn loops_are(&self, id: AssetId, loops: AssetLoops) {
        self.loops.lock().insert(id, loops);
    }

    pub(super) fn loops_of(&self, id: &AssetId) -> Option<AssetLoops> {
        self.loops.lock().get(id).copied()
    }

    /// What was made of an asset and is called so, as it was kept; `None`: it is to be made. Takes as long as the disk does.
    pub fn made(&self, id: &AssetId, name: &str) -> Option<Bytes> {
        let (tenant, _) = self.holder(id)?;
        let mut bytes = Bytes::from(self.folder().ok()?.read_made(&tenant, id, name).ok()?);
        let is_whole = bytes.len() >= DIGEST && bytes[..DIGEST] == *Sha256::digest(&bytes[DIGEST..]);
        if !is_whole {
            tracing::warn!(asset = %id, name, "what was made of an asset is not what was written: it is made again");
            return None;
        }
        bytes.advance(DIGEST);
        Some(bytes)
    }

    /// Keeps it. What the disk does not take is made again next time.
    pub fn keep_made(&self, id: &AssetId, name: &str, bytes: &[u8]) {
        let whole = [&Sha256::digest(bytes)[..], bytes].concat();
        // An asset that goes meanwhile takes with it what was made of it.
        let _change = self.changing.lock();
        let Some((tenant, _)) = self.holder(id) else { return };
        let kept = self.folder().map(|folder| folder.write_made(&tenant, id, name, &whole, KEPT_BYTES));
        if let Ok(Err(error)) = kept {
            tracing::warn!(%error, "what was made of an asset is not kept");
        }
    }
}
