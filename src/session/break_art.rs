//! The art that stands beside games which breaks squeeze back: what a market's skin has when a break comes up stays until it is over, whatever becomes of
//! the skin.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::assets::{AssetId, Skin};
use crate::timeline::SegmentNumber;

/// See the module.
#[derive(Default)]
pub(super) struct BreakArt {
    of: Mutex<HashMap<Of, Kept>>,
}

/// Whose skin, by its id, and in which break.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Of {
    tenant: Arc<str>,
    skin: String,
    of_break: String,
}

struct Kept {
    skin: Arc<Skin>,
    /// When it was asked for last.
    at: SegmentNumber,
}

impl BreakArt {
    /// The skin that `tenant` calls `id`, as it was when `of_break` came up. It is segment `now`, or the one that the break ended before; what nobody has
    /// asked for in `patience` segments is forgotten.
    pub fn skin(
        &self,
        (tenant, id, of_break): (&Arc<str>, &str, &str),
        (now, patience): (SegmentNumber, u64),
        look_up: impl FnOnce() -> Option<Arc<Skin>>,
    ) -> Option<Arc<Skin>> {
        let key = Of { tenant: tenant.clone(), skin: id.to_owned(), of_break: of_break.to_owned() };
        let mut of = self.of.lock();
        if let Some(kept) = of.get_mut(&key) {
            kept.at = now;
            return Some(kept.skin.clone());
        }
        of.retain(|_, kept| kept.at + patience >= now);
        // One that is not there is looked for again: it may come.
        let skin = look_up()?;
        of.insert(key, Kept { skin: skin.clone(), at: now });
        Some(skin)
    }

    /// Whether any that was asked for since then and that `tenant` called `id` has this art.
    pub fn has(&self, tenant: &str, id: &str, asset: &AssetId, since: SegmentNumber) -> bool {
        let is_meant = |(of, kept): (&Of, &Kept)| {
            *of.tenant == *tenant && of.skin == id && kept.at >= since && kept.skin.art.values().any(|its| its == asset)
        };
        self.of.lock().iter().any(is_meant)
    }
}
