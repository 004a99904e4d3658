//! Webhooks, and the one outbox of all that they and the configuration's thresholds are told.
//!
//! What happened waits on the board ([`Events`]) until it is kept: a row in the store for each receiver that wants to know. From there it is sent until it is
//! taken, so that it is told at least once, and again only where an answer or its note was lost. Each receiver has a delivery of its own: one that is slow, or
//! that fails, delays nobody else. A store that takes no writes stops both: what happens waits in memory, and nothing is sent that could not be struck off.
//!
//! Lock order: `keeping`, `changing` (async, held over the store), then `receivers`, then a receiver's own; the latter two are never held over an await.

mod book;
mod deliver;
mod receiver;
mod sign;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::{Mutex, RwLock};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::task::JoinSet;

use super::http::{Http, HttpError};
use super::thresholds::kind_of;
use crate::config::{Config, Threshold};
use crate::events::{self, EventKind, Events, Wanted};
use crate::metrics::Metrics;
use crate::reach::Reach;
use crate::store::{NewMessage, PassedThreshold, StoreError, WebhookRows};
use crate::timeline::Clock;
pub use book::{MadeWebhook, NewWebhook, RegisteredWebhook, WebhookError, WebhookState};
pub use deliver::Tested;
pub use receiver::Delivery;
use receiver::{Fared, Receiver, To, threshold_key};

/// Most messages that wait for one receiver.
const MOST_WAITING: u64 = 10_000;

/// Events of a tenant that are kept in one write.
const KEPT_AT_ONCE: usize = 64;

/// What ids of thresholds and caps begin to be digested with, so that they can be taken for nothing else.
const ID_DOMAIN: &[u8] = b"quadrille usage event 1";

/// Where the webhooks of a tenant may lead.
pub type ReachOf = dyn Fn(&str) -> Reach + Send + Sync;

/// What they stand on.
pub struct WebhookParts {
    pub rows: Arc<dyn WebhookRows>,
    pub events: Arc<Events>,
    pub clock: Arc<dyn Clock>,
    pub metrics: Arc<Metrics>,
    pub reach_of: Arc<ReachOf>,
    /// What secrets are made of.
    pub root: [u8; 32],
}

/// Why they cannot be taken up.
#[derive(Debug, thiserror::Error)]
pub enum WebhooksError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Http(#[from] HttpError),
}

/// See the module.
pub struct Webhooks {
    rows: Arc<dyn WebhookRows>,
    events: Arc<Events>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    reach_of: Arc<ReachOf>,
    root: [u8; 32],
    /// By what they are called in the outbox.
    receivers: RwLock<BTreeMap<String, Arc<Receiver>>>,
    /// One takes what happened from the board.
    keeping: tokio::sync::Mutex<()>,
    /// One changes what is kept of webhooks.
    changing: tokio::sync::Mutex<()>,
    /// Where the clock runs: deliveries under way.
    sending: Mutex<JoinSet<()>>,
    /// No further message is begun.
    stopping: AtomicBool,
}

impl Webhooks {
    /// Takes up the thresholds of `config`, the webhooks that operators made before, and what was not told yet.
    ///
    /// # Errors
    /// When the store cannot be read, or when an https address of the configuration cannot be spoken to at all.
    pub async fn open(config: &Config, parts: WebhookParts) -> Result<Arc<Self>, WebhooksError> {
        let WebhookParts { rows, events, clock, metrics, reach_of, root } = parts;
        let webhooks = Self {
            rows,
            events,
            clock,
            metrics,
            reach_of,
            root,
            receivers: RwLock::default(),
            keeping: tokio::sync::Mutex::default(),
            changing: tokio::sync::Mutex::default(),
            sending: Mutex::default(),
            stopping: AtomicBool::new(false),
        };
        webhooks.take_up_thresholds(config)?;
        let tenants: HashSet<&str> = config.tenants.iter().map(|tenant| tenant.id.as_str()).collect();
        let known = webhooks.take_up(&tenants).await?;
        for (receiver, waiting) in webhooks.rows.waiting_messages().await? {
            let found = webhooks.receivers.read().get(&receiver).cloned();
            match found {
                Some(found) => found.standing.lock().waiting = waiting,
                // A webhook that cannot be read, or whose tenant is gone for now, may be back.
                None if known.contains(&receiver) => {}
                None => drop(webhooks.rows.drop_messages(&receiver).await?),
            }
        }
        webhooks.tell_what_is_wanted();
        webhooks.measure();
        Ok(Arc::new(webhooks))
    }

    fn take_up_thresholds(&self, config: &Config) -> Result<(), HttpError> {
        for tenant in &config.tenants {
            for Threshold { amount, webhook, secret } in &tenant.thresholds {
                let Some(webhook) = webhook.clone() else { continue };
                let http = Http::new(webhook.is_https())?;
                let to = To::Threshold { webhook, secret: secret.clone(), http };
                let key = threshold_key(&tenant.id, &amount.key());
                let receiver = Receiver::new(key.clone(), tenant.id.as_str().into(), to, Fared::default());
                self.receivers.write().insert(key, Arc::new(receiver));
            }
        }
        Ok(())
    }

    /// Says on the board who wants to be told of what.
    fn tell_what_is_wanted(&self) {
        let mut wanted: BTreeMap<EventKind, BTreeSet<Arc<str>>> = BTreeMap::new();
        for receiver in self.receivers.read().values() {
            for kind in EventKind::ALL.into_iter().filter(|kind| receiver.wants(*kind)) {
                wanted.entry(kind).or_default().insert(receiver.tenant.clone());
            }
        }
        let wanted = wanted.into_iter().map(|(kind, tenants)| (kind, tenants.into_iter().collect()));
        self.events.want(wanted.collect::<Wanted>());
    }

    fn of_tenant(&self, tenant: &str) -> Vec<Arc<Receiver>> {
        self.receivers.read().values().filter(|receiver| &*receiver.tenant == tenant).cloned().collect()
    }

    /// Keeps what happened, for each who wants to know. What cannot be kept now waits where it is.
    pub async fn keep(&self) {
        let _one_at_a_time = self.keeping.lock().await;
        self.metrics.webhooks.with_label_values(&["lost"]).inc_by(self.events.take_lost());
        loop {
            let some = self.events.first(KEPT_AT_ONCE);
            if some.is_empty() {
                return;
            }
            let mut parcels = Parcels::default();
            for one in &some {
                for receiver in self.of_tenant(&one.tenant).iter().filter(|receiver| receiver.wants(one.kind)) {
                    parcels.put(receiver, &one.id, &one.body, one.at_ms);
                }
            }
            if let Err(error) = self.send_off(parcels).await {
                tracing::debug!(%error, "what happened could not be kept; it waits");
                return;
            }
            self.events.kept(&some);
        }
    }

    /// Keeps that a tenant's month has come to an amount: for that threshold's own webhook, and for those who want to know. Where it was kept before and is
    /// told already it is told again, under the same id.
    pub(super) async fn keep_passed(&self, passed: &PassedThreshold) -> Result<(), StoreError> {
        let _one_at_a_time = self.keeping.lock().await;
        let PassedThreshold { tenant, month_start_ms, threshold, event, .. } = passed;
        let mut hash = Sha256::new();
        hash.update(ID_DOMAIN);
        for text in [tenant, threshold] {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text.as_bytes());
        }
        hash.update(month_start_ms.to_be_bytes());
        let id = format!("msg_{}", hex::encode(&hash.finalize()[..16]));
        let (now_ms, kind) = (self.now_ms(), kind_of(threshold));
        let own = threshold_key(tenant, threshold);
        let unreadable = |error: serde_json::Error| StoreError::Failed(error.to_string());
        let told: Value = serde_json::from_str(event).map_err(unreadable)?;
        let at = told["time"].as_str().unwrap_or_default();
        let body = events::body(kind.name(), at, &told["data"]).map_err(unreadable)?;
        let mut parcels = Parcels::default();
        for receiver in self.of_tenant(tenant) {
            if receiver.key == own {
                parcels.put(&receiver, &id, event, now_ms);
            } else if receiver.wants(kind) {
                parcels.put(&receiver, &id, &body, now_ms);
            }
        }
        self.send_off(parcels).await
    }

    /// Puts messages into the outbox.
    async fn send_off(&self, parcels: Parcels) -> Result<(), StoreError> {
        let Parcels { messages, planned, lost } = parcels;
        if !messages.is_empty() {
            let count = messages.len() as u64;
            let new = self.rows.put_messages(messages).await?;
            if new == count {
                planned.values().for_each(|(receiver, count)| receiver.standing.lock().waiting += count);
            } else {
                self.count_waiting().await;
            }
        }
        for receiver in lost {
            self.metrics.webhooks.with_label_values(&["lost"]).inc();
            let mut standing = receiver.standing.lock();
            if standing.lost == 0 {
                tracing::warn!(
                    receiver = receiver.key,
                    "too much waits for a webhook: what happens is not kept for it"
                );
            }
            standing.lost += 1;
        }
        Ok(())
    }

    /// Counts anew what waits: something was there already.
    async fn count_waiting(&self) {
        let Ok(waiting) = self.rows.waiting_messages().await else { return };
        let waiting: BTreeMap<String, u64> = waiting.into_iter().collect();
        for (key, receiver) in self.receivers.read().iter() {
            receiver.standing.lock().waiting = waiting.get(key).copied().unwrap_or(0);
        }
    }

    /// Keeps what happened and sends what is due, for those who crank the clock: it is over when all of it is answered.
    pub async fn run(self: &Arc<Self>) {
        self.keep().await;
        let sending: Vec<_> = self.due().into_iter().map(|one| tokio::spawn(self.clone().deliver(one))).collect();
        for one in sending {
            // A panic there is in the log.
            let _ = one.await;
        }
        self.measure();
    }

    /// Keeps what happened, and begins to send what is due.
    pub async fn step(self: &Arc<Self>) {
        self.keep().await;
        let mut sending = self.sending.lock();
        while sending.try_join_next().is_some() {}
        for one in self.due() {
            sending.spawn(self.clone().deliver(one));
        }
        drop(sending);
        self.measure();
    }

    /// Those for whom there is something to do, and nobody does it.
    fn due(&self) -> Vec<Arc<Receiver>> {
        let now_ms = self.now_ms();
        let is_due = |one: &&Arc<Receiver>| one.is_due(now_ms) && one.turn.try_lock().is_ok();
        self.receivers.read().values().filter(is_due).cloned().collect()
    }

    /// Begins nothing further and waits until `deadline` for what is under way. What is cut off is sent again after the next start.
    pub async fn end(&self, deadline: tokio::time::Instant) {
        self.stopping.store(true, Ordering::Release);
        let mut sending = std::mem::take(&mut *self.sending.lock());
        while let Ok(Some(_)) = tokio::time::timeout_at(deadline, sending.join_next()).await {}
        sending.shutdown().await;
    }

    fn measure(&self) {
        let (mut waiting, mut states) = (0, [0, 0, 0]);
        for receiver in self.receivers.read().values() {
            let standing = receiver.standing.lock();
            waiting += standing.waiting;
            if matches!(&*receiver.to(), To::Webhook(_)) {
                states[WebhookState::of(&standing.fared) as usize] += 1;
            }
        }
        self.metrics.webhooks_waiting.set(i64::try_from(waiting).unwrap_or(i64::MAX));
        for state in WebhookState::ALL {
            self.metrics.webhook_endpoints.with_label_values(&[state.name()]).set(states[state as usize]);
        }
    }

    fn now_ms(&self) -> i64 {
        self.clock.now().unix_millis()
    }
}

/// Messages on their way into the outbox.
#[derive(Default)]
struct Parcels {
    messages: Vec<NewMessage>,
    /// How many are for whom.
    planned: BTreeMap<String, (Arc<Receiver>, u64)>,
    /// For whom there was no room, once for each message.
    lost: Vec<Arc<Receiver>>,
}

impl Parcels {
    fn put(&mut self, receiver: &Arc<Receiver>, id: &str, body: &str, at_ms: i64) {
        let (_, planned) = self.planned.entry(receiver.key.clone()).or_insert_with(|| (receiver.clone(), 0));
        if receiver.standing.lock().waiting + *planned >= MOST_WAITING {
            self.lost.push(receiver.clone());
            return;
        }
        *planned += 1;
        let (receiver, id, body) = (receiver.key.clone(), id.to_owned(), body.to_owned());
        self.messages.push(NewMessage { receiver, id, body, at_ms });
    }
}
