//! Packaged segments, kept while hot: bounded by bytes and by rounds, least recently used out.

use std::hash::Hash;

use bytes::Bytes;
use lru::LruCache;
use parking_lot::Mutex;

/// A cache of byte strings by key. At its bound the least recently used go.
pub struct ByteCache<K: Hash + Eq> {
    held: Mutex<Held<K>>,
    capacity_bytes: usize,
}

struct Held<K: Hash + Eq> {
    entries: LruCache<K, Entry>,
    bytes: usize,
    round: u64,
}

struct Entry {
    value: Bytes,
    /// The round in which it was asked for last.
    used: u64,
}

impl<K: Hash + Eq> ByteCache<K> {
    pub fn new(capacity_bytes: usize) -> Self {
        Self { held: Mutex::new(Held { entries: LruCache::unbounded(), bytes: 0, round: 0 }), capacity_bytes }
    }

    pub fn get(&self, key: &K) -> Option<Bytes> {
        let mut held = self.held.lock();
        let round = held.round;
        let entry = held.entries.get_mut(key)?;
        entry.used = round;
        Some(entry.value.clone())
    }

    pub fn put(&self, key: K, value: Bytes) {
        let mut held = self.held.lock();
        held.bytes += value.len();
        let entry = Entry { value, used: held.round };
        if let Some(before) = held.entries.put(key, entry) {
            held.bytes -= before.value.len();
        }
        while held.bytes > self.capacity_bytes && held.drop_oldest() {}
    }

    /// One more round: what nobody asked for in the last `kept` of them goes.
    pub fn go_on(&self, kept: u64) {
        let mut held = self.held.lock();
        held.round += 1;
        let is_old = |held: &Held<K>| held.entries.peek_lru().is_some_and(|(_, entry)| entry.used + kept < held.round);
        while is_old(&held) && held.drop_oldest() {}
    }
}

impl<K: Hash + Eq> Held<K> {
    /// Whether there was one.
    fn drop_oldest(&mut self) -> bool {
        let oldest = self.entries.pop_lru();
        self.bytes -= oldest.as_ref().map_or(0, |(_, entry)| entry.value.len());
        oldest.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_go_when_the_bytes_run_out() {
        let cache = ByteCache::new(10);
        cache.put("a", Bytes::from_static(b"1234"));
        cache.put("b", Bytes::from_static(b"1234"));
        assert!(cache.get(&"a").is_some());
        cache.put("c", Bytes::from_static(b"1234"));
        assert!(cache.get(&"b").is_none(), "b was used least recently");
        assert!(cache.get(&"a").is_some() && cache.get(&"c").is_some());
        // Replacing frees what was there; something larger than the whole cache is not kept.
        cache.put("a", Bytes::from_static(b"123456"));
        assert!(cache.get(&"c").is_some());
        cache.put("d", Bytes::from_static(b"12345678901"));
        assert!(cache.get(&"d").is_none());
    }
    #[test]
    fn what_nobody_asks_for_goes_after_so_many_rounds() {
        let cache = ByteCache::new(10);
        cache.put("cold", Bytes::from_static(b"1234"));
        cache.put("hot", Bytes::from_static(b"1234"));
        for _ in 0..2 {
            cache.go_on(2);
            assert!(cache.get(&"hot").is_some());
        }
        cache.go_on(2);
        assert!(cache.get(&"cold").is_none() && cache.get(&"hot").is_some());
        // Its bytes went with it.
        cache.put("more", Bytes::from_static(b"123456"));
        assert!(cache.get(&"hot").is_some());
    }
}
