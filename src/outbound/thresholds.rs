//! Where tenants stand in their month, looked at every so often: caps that are reached go on the board that creations ask; that they were, and
//! thresholds that were passed, into the store, from where they are handed to the outbox.
//!
//! An amount is passed once: its row in the store is made once a tenant, month and amount, with the very body that a threshold's own webhook is sent. A process
//! that is killed before the outbox has it hands it over again, with the same id.

use std::collections::HashSet;
use std::sync::Arc;

use serde::Serialize;
use tokio::sync::Mutex;

use super::event::CloudEvent;
use crate::config::Threshold;
use crate::events::{CapReachedTold, Cost, EventKind, ThresholdPassed, UsageAmount};
use crate::store::{Outbox, PassedThreshold, StoreError};
use crate::timeline::Clock;
use crate::usage::{Amount, CapBoard, CapReached, Month, Standing, Standings};

const THRESHOLD_PASSED: &str = "com.quadrille.threshold-passed";
const CAP_REACHED: &str = "com.quadrille.cap-reached";

/// What stands before a cap's amount where thresholds are kept: one may be of the same amount.
const CAP_PREFIX: &str = "cap/";

/// What it is that a row of passed amounts tells.
pub(super) fn kind_of(threshold: &str) -> EventKind {
    if threshold.starts_with(CAP_PREFIX) { EventKind::UsageCap } else { EventKind::UsageThreshold }
}

/// With bookings every five seconds and the webhook's answer, a threshold is told, and a cap holds, within half a minute.
const LOOK_EVERY_MS: i64 = 20_000;

/// What was watched at the very end of a month is booked a little later: for so long, the month before is looked at too.
const MONTH_END_MS: i64 = 3_600_000;

/// A tenant that has amounts to be compared with.
#[derive(Clone)]
pub(super) struct Watched {
    pub tenant: String,
    pub thresholds: Vec<Threshold>,
    pub caps: Vec<Amount>,
}

/// Looks where tenants stand.
pub(super) struct Watch {
    pub tenants: Vec<Watched>,
    pub source: String,
    pub standings: Arc<dyn Standings>,
    pub outbox: Arc<dyn Outbox>,
    pub board: Arc<CapBoard>,
    pub clock: Arc<dyn Clock>,
    pub state: Mutex<WatchState>,
}

#[derive(Default)]
pub(super) struct WatchState {
    due_ms: i64,
    /// Passed amounts that the store is known to have: tenant, start of the month, and what they are called there.
    kept: HashSet<(String, i64, String)>,
}

impl Watch {
    /// Looks, if it is time; whether an amount was passed that was not known to be.
    pub async fn run(&self) -> bool {
        let now_ms = self.clock.now().unix_millis();
        let mut state = self.state.lock().await;
        if now_ms < state.due_ms {
            return false;
        }
        state.due_ms = now_ms + LOOK_EVERY_MS;
        let month = Month::of(now_ms);
        let ended = (now_ms - month.start_ms < MONTH_END_MS).then(|| Month::of(month.start_ms - 1));
        state.kept.retain(|(_, of_ms, _)| *of_ms == month.start_ms || ended.is_some_and(|e| e.start_ms == *of_ms));
        let mut passed_any = false;
        for watched in &self.tenants {
            let found = match ended {
                Some(ended) => self.look(watched, ended, ended.end_ms - 1, now_ms, &mut state).await,
                None => Ok(false),
            };
            let found = match found {
                Ok(in_ended) => self.look(watched, month, now_ms, now_ms, &mut state).await.map(|any| any || in_ended),
                Err(error) => Err(error),
            };
            match found {
                Ok(any) => passed_any |= any,
                Err(error) => {
                    tracing::warn!(tenant = watched.tenant, %error, "where a tenant stands cannot be told; its caps stay as they were");
                }
            }
        }
        passed_any
    }

    /// Compares what a tenant has in `month` by `at_ms`, an instant of it.
    async fn look(
        &self,
        watched: &Watched,
        month: Month,
        at_ms: i64,
        now_ms: i64,
        state: &mut WatchState,
    ) -> Result<bool, StoreError> {
        let Watched { tenant, thresholds, caps } = watched;
        let standing = self.standings.standing(tenant, at_ms).await?;
        if month.contains(now_ms) {
            let reached = caps.iter().find(|cap| cap.is_reached_by(&standing)).map(|cap| CapReached {
                cap: cap.clone(),
                figure: cap.figure_in(&standing),
                month,
            });
            self.note_cap(tenant, reached, now_ms);
        }
        let mut passed_any = false;
        // Of a month that is over none keeps anybody out.
        for cap in caps.iter().filter(|cap| month.contains(now_ms) && cap.is_reached_by(&standing)) {
            let data = CapReachedTold {
                month: month.name(),
                cap: amount_told(cap),
                billable_seconds: standing.billable_seconds,
                billed_minutes: standing.billed_minutes,
                costs: costs(&standing),
                frees_at: month.end(),
            };
            let key = format!("{CAP_PREFIX}{}", cap.key());
            passed_any |= self.pass(tenant, (month, now_ms), (CAP_REACHED, key), data, state).await?;
        }
        for Threshold { amount, .. } in thresholds.iter().filter(|t| t.amount.is_reached_by(&standing)) {
            let data = ThresholdPassed {
                month: month.name(),
                threshold: amount_told(amount),
                billable_seconds: standing.billable_seconds,
                billed_minutes: standing.billed_minutes,
                costs: costs(&standing),
            };
            passed_any |= self.pass(tenant, (month, now_ms), (THRESHOLD_PASSED, amount.key()), data, state).await?;
        }
        Ok(passed_any)
    }

    /// Keeps that an amount, `key`, was passed; whether that is news.
    async fn pass<T: Serialize>(
        &self,
        tenant: &str,
        (month, now_ms): (Month, i64),
        (kind, key): (&'static str, String),
        data: T,
        state: &mut WatchState,
    ) -> Result<bool, StoreError> {
        let known = (tenant.to_owned(), month.start_ms, key.clone());
        if state.kept.contains(&known) {
            return Ok(false);
        }
        let id = format!("{tenant}/{}/{key}", month.name());
        let time = jiff::Timestamp::from_millisecond(now_ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        let event = CloudEvent::new(kind, id, &self.source, tenant, format!("{time:.0}"), data);
        let event = serde_json::to_string(&event).map_err(|e| StoreError::Failed(e.to_string()))?;
        let (tenant, month_start_ms, threshold) = known.clone();
        let passed = PassedThreshold { tenant, month_start_ms, threshold, passed_ms: now_ms, event };
        let is_news = self.outbox.pass_threshold(passed).await?;
        if is_news {
            let (tenant, _, amount) = &known;
            tracing::info!(tenant, month = month.name(), amount, "a threshold was passed, or a cap reached");
        }
        state.kept.insert(known);
        Ok(is_news)
    }

    fn note_cap(&self, tenant: &str, reached: Option<CapReached>, now_ms: i64) {
        let was = self.board.reached(tenant, now_ms).is_some();
        match &reached {
            Some(reached) if !was => tracing::warn!(tenant, %reached, "a tenant gets no new sessions"),
            None if was => tracing::info!(tenant, "a tenant gets new sessions again"),
            _ => {}
        }
        self.board.note(tenant, reached);
    }
}

fn costs(standing: &Standing) -> Vec<Cost> {
    let cost = |(currency, cost): &(String, rust_decimal::Decimal)| Cost {
        currency: currency.clone(),
        cost: cost.normalize().to_string(),
    };
    standing.costs.iter().map(cost).collect()
}

fn amount_told(amount: &Amount) -> UsageAmount {
    match amount {
        Amount::Minutes(minutes) => UsageAmount { minutes: Some(*minutes), ..UsageAmount::default() },
        Amount::Cost { amount, currency } => UsageAmount {
            cost: Some(amount.normalize().to_string()),
            currency: Some(currency.clone()),
            ..UsageAmount::default()
        },
    }
}
