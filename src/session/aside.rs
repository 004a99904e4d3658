//! Bookings that the store refuses: the one that is at fault is found, and keeps nobody else from the disk.

use std::sync::Arc;

use super::keep::{Refused, snapshot};
use super::registry::{Entry, Sessions};
use crate::store::StoreError;

/// Refused bookings that are tried again in a sweep, those that waited longest: each is a commit by itself.
const TRIED_AT_ONCE: usize = 16;

/// A refused booking waits this long.
const TRY_AGAIN_MS: i64 = 10_000;

/// Whether the store would take nothing at present, whatever it was given.
const fn takes_nothing(error: &StoreError) -> bool {
    matches!(error, StoreError::Unwritable(_) | StoreError::Closed | StoreError::Busy)
}

impl Sessions {
    /// Writes a refused batch in halves, down to the session that is at fault, which is set aside.
    ///
    /// # Errors
    /// The store's, when it takes nothing at all.
    pub(super) async fn write_in_parts(&self, refused: Refused) -> Result<(), StoreError> {
        let mut parts = vec![refused];
        while let Some(Refused { error, mut entries }) = parts.pop() {
            if takes_nothing(&error) {
                let waiting = entries.len() + parts.iter().map(|part| part.entries.len()).sum::<usize>();
                self.metrics.booking_failures.inc_by(waiting as u64);
                return Err(error);
            }
            if let [entry] = &entries[..] {
                self.set_aside(entry, &error);
                continue;
            }
            let others = entries.split_off(entries.len() / 2);
            for half in [others, entries] {
                let due = half.iter().filter_map(|entry| snapshot(entry, &mut entry.session.lock())).collect();
                parts.extend(self.write(due).await.err());
            }
        }
        Ok(())
    }

    /// Tries again what was set aside.
    pub(super) async fn book_set_aside(&self, entries: &[Arc<Entry>]) {
        let now_ms = self.now_ms();
        let tried_ms = |entry: &Arc<Entry>| entry.session.lock().set_aside_ms;
        let mut waiting: Vec<_> =
            entries.iter().filter_map(|entry| Some((tried_ms(entry)?, entry))).collect();
        waiting.sort_by_key(|(tried_ms, _)| *tried_ms);
        for (tried_ms, entry) in waiting.into_iter().take(TRIED_AT_ONCE) {
            if now_ms - tried_ms < TRY_AGAIN_MS {
                break;
            }
            let due = {
                let mut session = entry.session.lock();
                session.advance_meter(now_ms, self.terms());
                snapshot(entry, &mut session)
            };
            match self.write(due.into_iter().collect()).await {
                Ok(()) => {
                    entry.session.lock().set_aside_ms = None;
                    tracing::info!(session = %entry.id, "the store takes a session's bookings again");
                }
                Err(refused) => {
                    if takes_nothing(&refused.error) {
                        return;
                    }
                    self.set_aside(entry, &refused.error);
                }
            }
        }
    }

    /// Logged once a session and counted each time: it is tried again for as long as it is here.
    fn set_aside(&self, entry: &Arc<Entry>, error: &StoreError) {
        self.metrics.booking_failures.inc();
        let before = entry.session.lock().set_aside_ms.replace(self.now_ms());
        if before.is_none() {
            tracing::error!(session = %entry.id, %error, "the store refuses a session's bookings; they wait in memory");
        }
    }
}
