//! Packaged segments, kept while hot: bounded by bytes, least recently used out.

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
    entries: LruCache<K, Bytes>,
    bytes: usize,
}

impl<K: Hash + Eq> ByteCache<K> {
    pub fn new(capacity_bytes: usize) -> Self {
        Self { held: Mutex::new(Held { entries: LruCache::unbounded(), bytes: 0 }), capacity_bytes }
    }

    pub fn get(&self, key: &K) -> Option<Bytes> {
        self.held.lock().entries.get(key).cloned()
    }

    pub fn put(&self, key: K, value: Bytes) {
        let mut held = self.held.lock();
        held.bytes += value.len();
        if let Some(before) = held.entries.put(key, value) {
            held.bytes -= before.len();
        }
        while held.bytes > self.capacity_bytes {
            let Some((_, out)) = held.entries.pop_lru() else { break };
            held.bytes -= out.len();
        }
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
}
