//! Changes of one session, one after the other in the order in which they were asked for.

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Mutex, MutexGuard, Notify};

/// Whose turn it is.
#[derive(Default)]
pub(super) struct Turns {
    turn: Mutex<()>,
    /// Changes that wait for their turn, of which whoever has it is told.
    waiting: AtomicUsize,
    comes: Notify,
}

/// The turn of one change.
pub(super) struct Turn<'a> {
    turns: &'a Turns,
    _turn: MutexGuard<'a, ()>,
}

/// Somebody who waits, until it is let go.
struct Waiting<'a>(&'a AtomicUsize);

impl Turns {
    /// Waits for those who came before.
    pub async fn take(&self) -> Turn<'_> {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let waiting = Waiting(&self.waiting);
        self.comes.notify_waiters();
        let turn = self.turn.lock().await;
        drop(waiting);
        Turn { turns: self, _turn: turn }
    }
}

impl Turn<'_> {
    /// Waits until somebody else waits for a turn: there is no use in taking time any more.
    pub async fn is_awaited(&self) {
        loop {
            let mut comes = pin!(self.turns.comes.notified());
            // Who comes after this is told of, who came before is counted.
            comes.as_mut().enable();
            if self.turns.waiting.load(Ordering::SeqCst) > 0 {
                return;
            }
            comes.await;
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn changes_come_in_their_order_and_who_has_the_turn_hears_of_others() {
        let turns = Arc::new(Turns::default());
        let first = turns.take().await;
        assert!(tokio::time::timeout(std::time::Duration::ZERO, first.is_awaited()).await.is_err(), "nobody waits");
        let order = Arc::new(parking_lot::Mutex::new(Vec::new()));
        let mut tasks = Vec::new();
        for n in 0..3 {
            let (turns, order) = (turns.clone(), order.clone());
            tasks.push(tokio::spawn(async move {
                let _turn = turns.take().await;
                order.lock().push(n);
            }));
            tokio::task::yield_now().await;
        }
        first.is_awaited().await;
        // One that is given up while it waits is waited for no more.
        tasks.remove(1).abort();
        drop(first);
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*order.lock(), [0, 2]);
        let last = turns.take().await;
        assert!(tokio::time::timeout(std::time::Duration::ZERO, last.is_awaited()).await.is_err(), "nobody waits");
    }
}
