//! Decisions that are asked for before they are needed, each once, and kept until they are: whoever is in need takes what is there, and waits for nothing.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Semaphore;

use super::client::{Decision, NoDecision};

/// Decisions that are known or under way at once.
const MAX_KNOWN: usize = 16_384;

/// Those of them that are asked for at the same time: a thread each.
const MAX_ASKED: usize = 16;

/// What there is of a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    Ready(Arc<Decision>),
    /// It is not there yet. Who cannot wait goes on without it.
    Late,
    Failed(Arc<NoDecision>),
    /// Nobody asked for it, or it was forgotten.
    Unasked,
}

struct Known {
    asked_ms: i64,
    /// `None` while it is under way.
    outcome: Option<Result<Arc<Decision>, Arc<NoDecision>>>,
}

/// See the module. `K` names a decision: a break of a game, and the session or market that it is for.
pub struct Ahead<K> {
    known: Arc<Mutex<HashMap<K, Known>>>,
    room: Arc<Semaphore>,
}

impl<K: Clone + Eq + Hash + Send + 'static> Default for Ahead<K> {
    fn default() -> Self {
        Self { known: Arc::default(), room: Arc::new(Semaphore::new(MAX_ASKED)) }
    }
}

impl<K: Clone + Eq + Hash + Send + 'static> Ahead<K> {
    /// Has `decide` run on a thread of its own, unless the decision `key` is known or under way; false where there is no room for it, which is as if it had been
    /// asked in vain. It needs a runtime, and does not wait.
    pub fn ask(
        &self,
        key: K,
        now_ms: i64,
        decide: impl FnOnce() -> Result<Decision, NoDecision> + Send + 'static,
    ) -> bool {
        {
            let mut known = self.known.lock();
            let is_full = known.len() >= MAX_KNOWN;
            match known.entry(key.clone()) {
                Entry::Occupied(_) => return true,
                Entry::Vacant(_) if is_full => return false,
                Entry::Vacant(place) => _ = place.insert(Known { asked_ms: now_ms, outcome: None }),
            }
        }
        let (known, room) = (self.known.clone(), self.room.clone());
        tokio::spawn(async move {
            // Never closed; and one that panics has failed.
            let _turn = room.acquire_owned().await;
            let outcome = tokio::task::spawn_blocking(decide)
                .await
                .unwrap_or_else(|error| Err(NoDecision { why: error.to_string(), code: 900, errors: Vec::new() }));
            // It may have been forgotten meanwhile.
            if let Some(asked) = known.lock().get_mut(&key) {
                asked.outcome = Some(outcome.map(Arc::new).map_err(Arc::new));
            }
        });
        true
    }

    /// What there is of the decision `key`.
    pub fn take(&self, key: &K) -> Taken {
        match self.known.lock().get(key).map(|known| &known.outcome) {
            None => Taken::Unasked,
            Some(None) => Taken::Late,
            Some(Some(Ok(decision))) => Taken::Ready(decision.clone()),
            Some(Some(Err(error))) => Taken::Failed(error.clone()),
        }
    }

    /// Forgets what was asked for before `before_ms`.
    pub fn forget_before(&self, before_ms: i64) {
        self.known.lock().retain(|_, known| known.asked_ms >= before_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    async fn settled(ahead: &Ahead<&'static str>, key: &'static str) -> Taken {
        loop {
            match ahead.take(&key) {
                Taken::Late => tokio::task::yield_now().await,
                taken => return taken,
            }
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_decision_is_asked_for_once_and_nobody_waits_for_it() {
        let ahead = Ahead::default();
        let (go, wait) = mpsc::channel::<()>();
        let decision = Decision { errors: vec!["http://e".into()], ..Decision::default() };
        let answer = decision.clone();
        assert_eq!(ahead.take(&"a"), Taken::Unasked);
        assert!(ahead.ask("a", 1_000, move || {
            wait.recv().unwrap();
            Ok(answer)
        }));
        assert_eq!(ahead.take(&"a"), Taken::Late);
        assert!(ahead.ask("a", 1_000, || unreachable!("it is under way")));
        go.send(()).unwrap();
        assert_eq!(settled(&ahead, "a").await, Taken::Ready(Arc::new(decision)));
        assert!(ahead.ask("a", 2_000, || unreachable!("it is known")));

        let failed = NoDecision { why: "no".into(), code: 300, errors: Vec::new() };
        let why = failed.clone();
        assert!(ahead.ask("b", 3_000, move || Err(why)));
        assert_eq!(settled(&ahead, "b").await, Taken::Failed(Arc::new(failed)));
        assert!(ahead.ask("c", 3_000, || panic!("this is a test's")));
        assert!(matches!(settled(&ahead, "c").await, Taken::Failed(_)));
        ahead.forget_before(3_000);
        assert_eq!(ahead.take(&"a"), Taken::Unasked);
        assert!(matches!(ahead.take(&"b"), Taken::Failed(_)));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn there_is_no_more_under_way_than_there_is_room_for() {
        let ahead = Ahead::default();
        for n in 0..MAX_KNOWN {
            assert!(ahead.ask(n, 0, || Ok(Decision::default())));
        }
        assert!(!ahead.ask(MAX_KNOWN, 0, || Ok(Decision::default())));
        ahead.forget_before(1);
        assert!(ahead.ask(MAX_KNOWN, 1, || Ok(Decision::default())));
    }
}
