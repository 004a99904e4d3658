//! Pictures that mosaics have in common: those of the same games at the same places, with other art around them. Art that stands still is one picture,
//! which opens a segment; after it, its rows are skipped, whatever it shows. So all pictures but that one are gathered once for all skins of a match, and are
//! there for as long as anybody has a segment that is made of them.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use crate::mosaic::engine::Common;
use crate::stitch::{Plan, StitchError, TileBlock};
use crate::track::Position;

/// Fewer that are known are not looked through for those that are gone.
const LOOKED_THROUGH_FROM: usize = 64;

/// A thing, told by where it lies: a name may come to stand for other bytes, as that of a track which stops and is begun anew within a segment. While it is
/// told here, nothing else comes to lie there.
struct Told<T>(Weak<T>);

impl<T> Told<T> {
    fn of(thing: &Arc<T>) -> Self {
        Self(Arc::downgrade(thing))
    }
}

impl<T> PartialEq for Told<T> {
    fn eq(&self, other: &Self) -> bool {
        Weak::ptr_eq(&self.0, &other.0)
    }
}

impl<T> Eq for Told<T> {}

impl<T> Hash for Told<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.as_ptr().hash(state);
    }
}

/// All that decides the bytes of such pictures: a layout's plan in a rendition, the part, and the blocks of its games.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    plan: Told<Plan>,
    at: Position,
    games: Vec<Told<TileBlock>>,
}

/// Who gathers them holds it; whoever comes meanwhile waits, and finds them.
type Slot = Arc<Mutex<Weak<Common>>>;

/// See the module.
#[derive(Default)]
pub(super) struct Commons {
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    slots: HashMap<Key, Slot>,
    /// With so many they are looked through.
    look_from: usize,
}

impl Commons {
    /// The pictures of `plan` in part `at` that show `games`, as they were gathered for another mosaic, or gathered now.
    ///
    /// # Errors
    /// Those of `gather`.
    pub fn of(
        &self,
        plan: &Arc<Plan>,
        at: Position,
        games: &[&Arc<TileBlock>],
        gather: impl FnOnce() -> Result<Common, StitchError>,
    ) -> Result<Arc<Common>, StitchError> {
        let games = games.iter().map(|block| Told::of(block)).collect();
        let slot = self.known.lock().slot(Key { plan: Told::of(plan), at, games });
        let mut held = slot.lock();
        if let Some(common) = held.upgrade() {
            return Ok(common);
        }
        let common = Arc::new(gather()?);
        *held = Arc::downgrade(&common);
        Ok(common)
    }

    /// How many are known, those included that are gone and were not looked for yet.
    #[cfg(test)]
    pub fn known(&self) -> usize {
        self.known.lock().slots.len()
    }
}

impl Known {
    fn slot(&mut self, key: Key) -> Slot {
        if self.slots.len() >= self.look_from.max(LOOKED_THROUGH_FROM) {
            // Somebody has one that is locked, or holds it to lock it.
            let is_used = |slot: &Slot| {
                Arc::strong_count(slot) > 1 || slot.try_lock().is_none_or(|common| common.strong_count() > 0)
            };
            self.slots.retain(|_, slot| is_used(slot));
            // Looking costs as much as there are: not for every one that comes.
            self.look_from = 2 * self.slots.len();
        }
        self.slots.entry(key).or_default().clone()
    }
}

#[cfg(test)]
#[path = "commons_tests.rs"]
mod tests;
