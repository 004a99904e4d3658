//! Mosaics that are refused, so that each is told once: a session that goes on asking would fill the log.

use std::collections::HashMap;
use std::time::Duration;

use super::spec::MosaicId;
use crate::timeline::MediaTime;

/// Refused mosaics that are remembered; more at a time are told again each time.
const REMEMBERED: usize = 1024;

/// See the module.
#[derive(Default)]
pub struct Refusals {
    by_mosaic: HashMap<MosaicId, Refused>,
}

struct Refused {
    times: u64,
    last: MediaTime,
}

impl Refusals {
    /// `id` is refused at `now`; whether that is news.
    pub fn refused(&mut self, id: &MosaicId, now: MediaTime) -> bool {
        if let Some(refused) = self.by_mosaic.get_mut(id) {
            refused.times += 1;
            refused.last = now;
            return false;
        }
        if self.by_mosaic.len() < REMEMBERED {
            self.by_mosaic.insert(id.clone(), Refused { times: 1, last: now });
        }
        true
    }

    /// `id` is taken in; how often it was refused before.
    pub fn taken(&mut self, id: &MosaicId) -> u64 {
        self.by_mosaic.remove(id).map_or(0, |refused| refused.times)
    }

    /// Forgets those that nobody has asked for again within `patience`.
    pub fn forget(&mut self, now: MediaTime, patience: Duration) {
        self.by_mosaic.retain(|_, refused| now.since(refused.last) <= patience);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_news_once_and_again_after_it_was_forgotten() {
        let (mut refusals, id) = (Refusals::default(), |n: usize| MosaicId(n.to_string().into()));
        let at = MediaTime::from_secs;
        assert!(refusals.refused(&id(1), at(0)));
        assert!((1..9).all(|s| !refusals.refused(&id(1), at(s))));
        assert_eq!((refusals.taken(&id(1)), refusals.taken(&id(1))), (9, 0));
        assert!(refusals.refused(&id(1), at(10)));
        refusals.forget(at(30), Duration::from_secs(20));
        assert!(!refusals.refused(&id(1), at(30)));
        refusals.forget(at(51), Duration::from_secs(20));
        assert!(refusals.refused(&id(1), at(51)));
        assert!((0..5000).all(|n| n == 1 || refusals.refused(&id(n), at(60))));
        assert!(refusals.by_mosaic.len() <= REMEMBERED);
    }
}
