//! Where tenants stand in their month, looked at every so often: caps that are reached go on the board that creations ask,
//! thresholds that are passed into the store, from where their webhooks are told.
//!
//! A threshold is passed once: its row in the store is made once a tenant, month and amount, with the very body that is sent. It is
//! told until the webhook answers with a success and that is kept; a process that is killed in between tells it again, with the same
//! id.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use hmac::{Hmac, Mac};
use serde::Serialize;
use sha2::Sha256;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use super::backoff::Backoff;
use super::event::{CloudEvent, EVENT_TYPE};
use super::http::{Http, Message};
use crate::config::{Endpoint, Threshold};
use crate::metrics::Metrics;
use crate::store::{Outbox, PassedThreshold, StoreError};
use crate::timeline::Clock;
use crate::usage::{Amount, CapBoard, CapReached, Month, Standing, Standings};

const THRESHOLD_PASSED: &str = "com.quadrille.threshold-passed";

/// With bookings every five seconds and the webhook's answer, a threshold is told, and a cap holds, within half a minute.
const LOOK_EVERY_MS: i64 = 20_000;

/// What was watched at the very end of a month is booked a little later: for so long, the month before is looked at too.
const MONTH_END_MS: i64 = 3_600_000;

/// Webhooks asked at once.
const AT_ONCE: usize = 8;

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
    /// Passed thresholds that the store is known to have: tenant, start of the month, amount.
    kept: HashSet<(String, i64, String)>,
}

impl Watch {
    /// Looks, if it is time; whether a threshold was passed that was not known to be.
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
        for Threshold { amount, .. } in thresholds.iter().filter(|t| t.amount.is_reached_by(&standing)) {
            let key = (tenant.clone(), month.start_ms, amount.key());
            if state.kept.contains(&key) {
                continue;
            }
            let passed = PassedThreshold {
                tenant: tenant.clone(),
                month_start_ms: month.start_ms,
                threshold: amount.key(),
                passed_ms: now_ms,
                event: self.event(tenant, month, amount, &standing, now_ms)?,
            };
            if self.outbox.pass_threshold(passed).await? {
                tracing::info!(tenant, month = month.name(), threshold = %amount, "a threshold was passed");
                passed_any = true;
            }
            state.kept.insert(key);
        }
        Ok(passed_any)
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

    fn event(
        &self,
        tenant: &str,
        month: Month,
        amount: &Amount,
        standing: &Standing,
        now_ms: i64,
    ) -> Result<String, StoreError> {
        let costs = standing.costs.iter().map(|(currency, cost)| Cost { currency, cost: cost.normalize().to_string() });
        let data = Passed {
            month: month.name(),
            threshold: ThresholdData::of(amount),
            billable_seconds: standing.billable_seconds,
            billed_minutes: standing.billed_minutes,
            costs: costs.collect(),
        };
        let id = format!("{tenant}/{}/{}", month.name(), amount.key());
        let time = jiff::Timestamp::from_millisecond(now_ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        let event = CloudEvent::new(THRESHOLD_PASSED, id, &self.source, tenant, format!("{time:.0}"), data);
        serde_json::to_string(&event).map_err(|e| StoreError::Failed(e.to_string()))
    }
}

/// `data` of the event. Amounts of money are texts: numbers of JSON are floats to many readers.
#[derive(Serialize)]
struct Passed<'a> {
    /// `2026-11`.
    month: String,
    threshold: ThresholdData<'a>,
    billable_seconds: i64,
    billed_minutes: i64,
    costs: Vec<Cost<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum ThresholdData<'a> {
    Minutes { minutes: i64 },
    Cost(Cost<'a>),
}

#[derive(Serialize)]
struct Cost<'a> {
    currency: &'a str,
    cost: String,
}

impl<'a> ThresholdData<'a> {
    fn of(amount: &'a Amount) -> Self {
        match amount {
            Amount::Minutes(minutes) => Self::Minutes { minutes: *minutes },
            Amount::Cost { amount, currency } => Self::Cost(Cost { currency, cost: amount.normalize().to_string() }),
        }
    }
}

/// Tells webhooks what was passed.
pub(super) struct Teller {
    pub tenants: Vec<Watched>,
    pub outbox: Arc<dyn Outbox>,
    pub http: Http,
    pub clock: Arc<dyn Clock>,
    pub metrics: Arc<Metrics>,
    /// There may be something in the store to tell.
    pub news: AtomicBool,
    pub state: Mutex<BTreeMap<RowKey, Telling>>,
}

/// Tenant, start of the month, amount.
type RowKey = (String, i64, String);

#[derive(Default)]
pub(super) struct Telling {
    backoff: Backoff,
    /// It was told, and the store could not keep that: it is kept, not told, the next time.
    told_ms: Option<i64>,
}

impl Teller {
    /// Tells what is due, several webhooks at a time.
    pub async fn run(&self) {
        let mut state = self.state.lock().await;
        if !self.news.swap(false, Ordering::AcqRel) {
            return;
        }
        let untold = match self.outbox.untold_thresholds().await {
            Ok(untold) => untold,
            Err(error) => {
                tracing::debug!(%error, "what is to be told could not be read");
                self.news.store(true, Ordering::Release);
                return;
            }
        };
        // Thresholds that are no longer in the configuration have nobody to be told to.
        let untold: Vec<_> = untold
            .into_iter()
            .filter_map(|row| self.threshold(&row).cloned().map(|threshold| (row, threshold)))
            .collect();
        let now_ms = self.clock.now().unix_millis();
        let is_due =
            |(row, _): &&(PassedThreshold, Threshold)| state.get(&key(row)).is_none_or(|t| t.backoff.is_due(now_ms));
        let due: Vec<_> = untold.iter().filter(is_due).cloned().collect();
        let mut open = untold.len();
        for some in due.chunks(AT_ONCE) {
            open -= self.tell_some(some, &mut state, now_ms).await;
        }
        if open > 0 {
            self.news.store(true, Ordering::Release);
        }
    }

    fn threshold(&self, row: &PassedThreshold) -> Option<&Threshold> {
        let of = self.tenants.iter().find(|watched| watched.tenant == row.tenant)?;
        of.thresholds.iter().find(|threshold| threshold.amount.key() == row.threshold)
    }

    /// Tells each; how many are done with.
    async fn tell_some(
        &self,
        some: &[(PassedThreshold, Threshold)],
        state: &mut BTreeMap<RowKey, Telling>,
        now_ms: i64,
    ) -> usize {
        let mut telling = JoinSet::new();
        for (row, threshold) in some {
            let told_ms = state.get(&key(row)).and_then(|telling| telling.told_ms);
            let (http, row, threshold) = (self.http.clone(), row.clone(), threshold.clone());
            telling.spawn(async move {
                let outcome = match told_ms {
                    Some(_) => Ok(()),
                    None => tell(&http, &threshold, &row.event, now_ms).await,
                };
                (row, threshold, outcome)
            });
        }
        let mut done = 0;
        while let Some(joined) = telling.join_next().await {
            // Nothing in there panics, and nobody aborts it but with all of this.
            let Ok((row, threshold, outcome)) = joined else { continue };
            done += usize::from(self.note(&row, &threshold.webhook, outcome, state, now_ms).await);
        }
        done
    }

    /// Keeps what came of telling; whether that is the end of it.
    async fn note(
        &self,
        row: &PassedThreshold,
        webhook: &Endpoint,
        outcome: Result<(), Failure>,
        state: &mut BTreeMap<RowKey, Telling>,
        now_ms: i64,
    ) -> bool {
        let telling = state.entry(key(row)).or_default();
        match outcome {
            Ok(()) => {
                if telling.told_ms.is_none() {
                    self.metrics.webhooks.with_label_values(&["told"]).inc();
                }
                telling.told_ms = Some(now_ms);
                if let Err(error) = self.outbox.threshold_told(row, now_ms).await {
                    tracing::debug!(%error, "that a threshold was told could not be kept");
                    telling.backoff.fail(now_ms, None);
                    return false;
                }
                state.remove(&key(row));
                true
            }
            Err(Failure { why, asked_ms }) => {
                self.metrics.webhooks.with_label_values(&["failed"]).inc();
                if telling.backoff.failures == 0 {
                    let PassedThreshold { tenant, threshold, .. } = row;
                    tracing::warn!(tenant, threshold, %webhook, why, "a threshold's webhook takes nothing; it is asked again");
                }
                telling.backoff.fail(now_ms, asked_ms);
                false
            }
        }
    }
}

fn key(row: &PassedThreshold) -> RowKey {
    (row.tenant.clone(), row.month_start_ms, row.threshold.clone())
}

struct Failure {
    why: String,
    asked_ms: Option<i64>,
}

async fn tell(http: &Http, threshold: &Threshold, event: &str, now_ms: i64) -> Result<(), Failure> {
    let signed = threshold.secret.as_ref().map(|secret| signature(secret.reveal(), now_ms.div_euclid(1000), event));
    let message = Message {
        to: &threshold.webhook,
        content_type: EVENT_TYPE,
        headers: signed.map(|value| ("quadrille-signature", value)).into_iter().collect(),
        body: Bytes::from(event.to_owned()),
    };
    match http.post(message).await {
        Ok(answer) if answer.is_success() => Ok(()),
        Ok(answer) => Err(Failure { why: answer.describe(), asked_ms: answer.retry_after_ms(now_ms) }),
        Err(why) => Err(Failure { why, asked_ms: None }),
    }
}

/// `t=…,v1=…`: the instant in seconds of Unix time, and the HMAC-SHA256 (RFC 2104) of that, a full stop and the body. The instant is
/// signed too, so that a receiver can refuse what somebody recorded and sends again later.
fn signature(secret: &str, unix_s: i64, body: &str) -> String {
    // HMAC takes keys of any length; were it not so, an unsigned text is refused by whoever checks.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return String::new() };
    mac.update(format!("{unix_s}.{body}").as_bytes());
    format!("t={unix_s},v1={}", hex::encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_signed_is_the_instant_and_the_body() {
        // printf '1795363200.{}' | openssl dgst -sha256 -hmac whsec
        let expected = "68c53236800eb6ad4672325bf253241c4c82ecaeb2cdee93a30a7fc15c70dd71";
        assert_eq!(signature("whsec", 1_795_363_200, "{}"), format!("t=1795363200,v1={expected}"));
        assert_ne!(signature("whsec", 1_795_363_201, "{}")[13..], signature("whsec", 1_795_363_200, "{}")[13..]);
    }
}
