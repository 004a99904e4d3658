//! Packaged segments, kept while hot: bounded by bytes and by rounds, least recently used out.

use std::collections::{HashMap, hash_map};
use std::hash::Hash;

use bytes::Bytes;
use lru::LruCache;
use parking_lot::Mutex;

use crate::package::Packaged;

/// What lies in pieces of memory, of which others may lie in some, too.
pub trait InPieces: Clone {
    fn pieces(&self) -> &[Bytes];
}

impl InPieces for Bytes {
    fn pieces(&self) -> &[Bytes] {
        std::slice::from_ref(self)
    }
}

impl InPieces for Packaged {
    fn pieces(&self) -> &[Bytes] {
        Packaged::pieces(self)
    }
}

/// A cache of what lies in pieces, by key. A piece that several have counts once. At its bound the least recently used go.
pub struct ByteCache<K: Hash + Eq, V: InPieces> {
    held: Mutex<Held<K, V>>,
    capacity_bytes: usize,
}

struct Held<K: Hash + Eq, V: InPieces> {
    entries: LruCache<K, Entry<V>>,
    /// How many entries have a piece, told by where it lies: while one of them is here, nothing else comes to lie there.
    uses: HashMap<(usize, usize), usize>,
    bytes: usize,
    round: u64,
}

struct Entry<V> {
    value: V,
    /// The round in which it was asked for last.
    used: u64,
}

impl<K: Hash + Eq, V: InPieces> ByteCache<K, V> {
    pub fn new(capacity_bytes: usize) -> Self {
        let held = Held { entries: LruCache::unbounded(), uses: HashMap::new(), bytes: 0, round: 0 };
        Self { held: Mutex::new(held), capacity_bytes }
    }

    pub fn get(&self, key: &K) -> Option<V> {
        let mut held = self.held.lock();
        let round = held.round;
        let entry = held.entries.get_mut(key)?;
        entry.used = round;
        Some(entry.value.clone())
    }

    pub fn put(&self, key: K, value: V) {
        let mut held = self.held.lock();
        held.count(&value);
        let entry = Entry { value, used: held.round };
        if let Some(before) = held.entries.put(key, entry) {
            held.discount(&before.value);
        }
        while held.bytes > self.capacity_bytes && held.drop_oldest() {}
    }

    /// One more round: what nobody asked for in the last `kept` of them goes.
    pub fn go_on(&self, kept: u64) {
        let mut held = self.held.lock();
        held.round += 1;
        let is_old =
            |held: &Held<K, V>| held.entries.peek_lru().is_some_and(|(_, entry)| entry.used + kept < held.round);
        while is_old(&held) && held.drop_oldest() {}
    }
}

/// Where a piece lies.
fn place(piece: &Bytes) -> (usize, usize) {
    (piece.as_ptr().addr(), piece.len())
}

impl<K: Hash + Eq, V: InPieces> Held<K, V> {
    fn count(&mut self, value: &V) {
        for piece in value.pieces() {
            let uses = self.uses.entry(place(piece)).or_default();
            *uses += 1;
            if *uses == 1 {
                self.bytes += piece.len();
            }
        }
    }

    fn discount(&mut self, value: &V) {
        for piece in value.pieces() {
            if let hash_map::Entry::Occupied(mut uses) = self.uses.entry(place(piece)) {
                *uses.get_mut() -= 1;
                if *uses.get() == 0 {
                    uses.remove();
                    self.bytes -= piece.len();
                }
            }
        }
    }

    /// Whether there was one.
    fn drop_oldest(&mut self) -> bool {
        let Some((_, oldest)) = self.entries.pop_lru() else { return false };
        self.discount(&oldest.value);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_go_when_the_bytes_run_out() {
        let cache = ByteCache::new(10);
        cache.put("a", Bytes::from_static(b"1234"));
        cache.put("b", Bytes::from_static(b"5678"));
        assert!(cache.get(&"a").is_some());
        cache.put("c", Bytes::from_static(b"9abc"));
        assert!(cache.get(&"b").is_none(), "b was used least recently");
        assert!(cache.get(&"a").is_some() && cache.get(&"c").is_some());
        // Replacing frees what was there; something larger than the whole cache is not kept.
        cache.put("a", Bytes::from_static(b"defghi"));
        assert!(cache.get(&"c").is_some());
        cache.put("d", Bytes::from_static(b"jklmnopqrst"));
        assert!(cache.get(&"d").is_none());
    }

    #[test]
    fn what_nobody_asks_for_goes_after_so_many_rounds() {
        let cache = ByteCache::new(10);
        cache.put("cold", Bytes::from_static(b"1234"));
        cache.put("hot", Bytes::from_static(b"5678"));
        for _ in 0..2 {
            cache.go_on(2);
            assert!(cache.get(&"hot").is_some());
        }
        cache.go_on(2);
        assert!(cache.get(&"cold").is_none() && cache.get(&"hot").is_some());
        // Its bytes went with it.
        cache.put("more", Bytes::from_static(b"9abcde"));
        assert!(cache.get(&"hot").is_some());
    }

    #[test]
    fn what_several_have_counts_once_and_as_long_as_one_of_them_is_there() {
        let cache = ByteCache::new(20);
        let [common, later] = [vec![1; 10], vec![2; 10]].map(Bytes::from);
        let kept = |cache: &ByteCache<u8, Packaged>| {
            let held = cache.held.lock();
            (held.bytes, held.uses.len())
        };
        let own = |n: u8, common: &Bytes| Packaged::of([Bytes::from(vec![n, 0]), common.clone()]);
        for n in 0..5 {
            cache.put(n, own(n, &common));
        }
        assert!((0..5).all(|n| cache.get(&n).is_some()), "five times two, and ten");
        assert_eq!(cache.held.lock().bytes, 20);
        // One goes, and what it had in common with the others stays.
        cache.put(5, own(5, &common));
        assert!(cache.get(&0).is_none() && (1..6).all(|n| cache.get(&n).is_some()));
        // What has the same bytes elsewhere has others: all go that stand before it.
        cache.put(6, own(6, &later));
        assert_eq!((0..7).filter(|n| cache.get(n).is_some()).collect::<Vec<_>>(), [6]);
        assert_eq!(cache.held.lock().bytes, 12);
        // The same entry anew.
        cache.put(6, own(6, &later));
        cache.put(7, own(7, &later));
        assert_eq!(kept(&cache), (14, 3));
        // One of them is asked for, the other is not: it goes alone, and what both had goes with the last.
        cache.go_on(1);
        assert!(cache.get(&7).is_some());
        cache.go_on(1);
        assert_eq!(kept(&cache), (12, 2));
        assert!(!later.is_unique(), "an entry has it");
        cache.go_on(0);
        assert_eq!(kept(&cache), (0, 0));
        assert!(later.is_unique(), "nobody has it any more");
    }
}
