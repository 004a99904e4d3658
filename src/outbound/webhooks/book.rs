//! Webhooks that operators make: kept over restarts, listed, changed, their secrets rotated.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use super::Webhooks;
use super::receiver::{Definition, Delivery, Fared, Kept, Receiver, To, Webhook, Why, webhook_key};
use super::sign::SigningSecret;
use crate::config::{Endpoint, EndpointError};
use crate::events::EventKind;
use crate::outbound::http::Http;
use crate::store::{StoreError, WebhookRow};

/// Most webhooks of a tenant.
const MAX_WEBHOOKS: usize = 16;

/// What a webhook is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewWebhook {
    pub url: String,
    /// `None`: all, and those that are yet to come.
    pub events: Option<BTreeSet<EventKind>>,
}

/// How a webhook is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookState {
    Active,
    /// It did not take what it was told last, and is asked again.
    Failing,
    /// It is told nothing.
    Disabled,
}

impl WebhookState {
    pub(super) const ALL: [Self; 3] = [Self::Active, Self::Failing, Self::Disabled];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Failing => "failing",
            Self::Disabled => "disabled",
        }
    }

    pub(super) fn of(fared: &Fared) -> Self {
        match fared {
            Fared { disabled: Some(_), .. } => Self::Disabled,
            Fared { failing_since_ms: Some(_), .. } => Self::Failing,
            Fared { .. } => Self::Active,
        }
    }
}

/// A webhook as its tenant sees it. Times are milliseconds of Unix time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisteredWebhook {
    pub id: String,
    pub url: String,
    pub events: Option<Vec<EventKind>>,
    pub state: WebhookState,
    pub created_ms: i64,
    pub rotated_ms: Option<i64>,
    pub last_delivered_ms: Option<i64>,
    pub last_error: Option<String>,
    pub failing_since_ms: Option<i64>,
    pub disabled_ms: Option<i64>,
    /// `failing` or `gone`.
    pub disabled_why: Option<&'static str>,
    /// Events that wait for it.
    pub pending: u64,
    /// Events that were not kept for it, for lack of room, since this process began.
    pub lost: u64,
}

/// A webhook whose secret was just made.
#[derive(Clone, PartialEq, Eq)]
pub struct MadeWebhook {
    pub registered: RegisteredWebhook,
    /// What its messages are signed with. It is told this once.
    pub secret: String,
}

impl std::fmt::Debug for MadeWebhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MadeWebhook").field("registered", &self.registered).finish_non_exhaustive()
    }
}

/// Why webhooks are not changed so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    #[error("there is no webhook {0:?}")]
    Unknown(String),
    #[error(
        "the address cannot be used: {0}; http://HOST… and https://HOST… are allowed, up to 2048 characters, without a user or password"
    )]
    Url(#[from] EndpointError),
    #[error("{0}")]
    Forbidden(String),
    #[error("it is told of nothing; name one type of event at least, or leave `events` out for all")]
    NoEvents,
    #[error("no room for another webhook: a tenant has at most {limit}")]
    Full { limit: usize },
    /// Nothing was changed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Webhooks {
    /// Takes up the webhooks of `tenants`; what all that are kept are called in the outbox.
    pub(super) async fn take_up(&self, tenants: &HashSet<&str>) -> Result<HashSet<String>, StoreError> {
        let rows = self.rows.webhooks().await?;
        let known = rows.iter().map(|row| webhook_key(&row.tenant, &row.id)).collect();
        for WebhookRow { tenant, id, body } in rows.iter().filter(|row| tenants.contains(&*row.tenant)) {
            let read = serde_json::from_str::<Kept>(body).map_err(|error| error.to_string());
            let made = read.and_then(|Kept { definition, fared }| {
                let webhook = self.webhook(tenant, id.as_str().into(), definition).map_err(|e| e.to_string())?;
                Ok((webhook, fared))
            });
            match made {
                Ok((webhook, fared)) => self.seat(tenant, webhook, fared),
                Err(error) => tracing::error!(tenant, webhook = id, error, "a webhook cannot be read and is left out"),
            }
        }
        Ok(known)
    }

    fn webhook(&self, tenant: &str, id: Arc<str>, definition: Definition) -> Result<Webhook, EndpointError> {
        let url: Endpoint = definition.url.parse()?;
        let reach = (self.reach_of)(tenant);
        let http = Http::within(reach.of(url.url()), &url).map_err(|error| error.to_string());
        Ok(Webhook { id, definition, url, reach, http })
    }

    fn seat(&self, tenant: &str, webhook: Webhook, fared: Fared) {
        let key = webhook_key(tenant, &webhook.id);
        let receiver = Receiver::new(key.clone(), tenant.into(), To::Webhook(Box::new(webhook)), fared);
        self.receivers.write().insert(key, Arc::new(receiver));
    }

    /// A tenant's webhooks, the oldest first.
    pub fn all(&self, tenant: &str) -> Vec<RegisteredWebhook> {
        let mut all: Vec<_> = self.of_tenant(tenant).iter().filter_map(|receiver| told(receiver)).collect();
        all.sort_by(|a, b| (a.created_ms, &a.id).cmp(&(b.created_ms, &b.id)));
        all
    }

    /// One of them.
    ///
    /// # Errors
    /// [`WebhookError::Unknown`].
    pub fn get(&self, tenant: &str, id: &str) -> Result<RegisteredWebhook, WebhookError> {
        told(&*self.receiver(tenant, id)?).ok_or_else(|| WebhookError::Unknown(id.to_owned()))
    }

    /// The newest attempts to tell one of them something since this process began, the newest first.
    ///
    /// # Errors
    /// [`WebhookError::Unknown`].
    pub fn deliveries(&self, tenant: &str, id: &str) -> Result<Vec<Delivery>, WebhookError> {
        Ok(self.receiver(tenant, id)?.standing.lock().recent())
    }

    /// The one that is meant. An id holds no slash, so that no threshold's webhook is.
    pub(super) fn receiver(&self, tenant: &str, id: &str) -> Result<Arc<Receiver>, WebhookError> {
        let found = self.receivers.read().get(&webhook_key(tenant, id)).cloned();
        let is_webhook = |receiver: &Arc<Receiver>| matches!(&*receiver.to(), To::Webhook(_));
        found.filter(is_webhook).ok_or_else(|| WebhookError::Unknown(id.to_owned()))
    }

    /// Makes a webhook for `tenant`.
    ///
    /// # Errors
    /// [`WebhookError`].
    pub async fn make(&self, tenant: &str, new: NewWebhook) -> Result<MadeWebhook, WebhookError> {
        let _one_at_a_time = self.changing.lock().await;
        if self.all(tenant).len() >= MAX_WEBHOOKS {
            return Err(WebhookError::Full { limit: MAX_WEBHOOKS });
        }
        let mut chance = [0u8; 8];
        getrandom::fill(&mut chance).map_err(|e| StoreError::Failed(format!("no random bytes: {e}")))?;
        let id: Arc<str> = format!("wh_{}", hex::encode(chance)).into();
        let NewWebhook { url, events } = new;
        let definition = Definition { url, events, created_ms: self.now_ms(), generation: 0, rotated_ms: None };
        let webhook = self.checked(tenant, id.clone(), definition)?;
        self.rows.add_webhook(row(tenant, &webhook, Fared::default())?).await?;
        self.seat(tenant, webhook, Fared::default());
        self.tell_what_is_wanted();
        self.measure();
        self.with_secret(tenant, &id)
    }

    /// Changes a webhook. One that was disabled is told things again, from now on.
    ///
    /// # Errors
    /// [`WebhookError`].
    pub async fn replace(&self, tenant: &str, id: &str, new: NewWebhook) -> Result<RegisteredWebhook, WebhookError> {
        let _one_at_a_time = self.changing.lock().await;
        let receiver = self.receiver(tenant, id)?;
        let NewWebhook { url, events } = new;
        let definition = Definition { url, events, ..definition_of(&receiver)? };
        let webhook = self.checked(tenant, id.into(), definition)?;
        let last_delivered_ms = receiver.standing.lock().fared.last_delivered_ms;
        let fared = Fared { last_delivered_ms, ..Fared::default() };
        if !self.rows.replace_webhook(row(tenant, &webhook, fared.clone())?).await? {
            return Err(WebhookError::Unknown(id.to_owned()));
        }
        receiver.set_to(To::Webhook(Box::new(webhook)));
        {
            let mut standing = receiver.standing.lock();
            standing.fared = fared;
            standing.backoff.clear();
        }
        self.tell_what_is_wanted();
        self.measure();
        self.get(tenant, id)
    }

    /// Gives a webhook another secret. The one that it had is good for another day, and messages are signed with both until then.
    ///
    /// # Errors
    /// [`WebhookError`].
    pub async fn rotate(&self, tenant: &str, id: &str) -> Result<MadeWebhook, WebhookError> {
        let _one_at_a_time = self.changing.lock().await;
        let receiver = self.receiver(tenant, id)?;
        let before = definition_of(&receiver)?;
        let generation = before.generation.saturating_add(1);
        let definition = Definition { generation, rotated_ms: Some(self.now_ms()), ..before };
        let webhook = self.webhook(tenant, id.into(), definition)?;
        let fared = receiver.standing.lock().fared.clone();
        if !self.rows.replace_webhook(row(tenant, &webhook, fared)?).await? {
            return Err(WebhookError::Unknown(id.to_owned()));
        }
        receiver.set_to(To::Webhook(Box::new(webhook)));
        self.with_secret(tenant, id)
    }

    /// Forgets a webhook, and what waits for it.
    ///
    /// # Errors
    /// [`WebhookError`].
    pub async fn remove(&self, tenant: &str, id: &str) -> Result<(), WebhookError> {
        // What is being kept may be for it.
        let _nobody_keeps = self.keeping.lock().await;
        let _one_at_a_time = self.changing.lock().await;
        let receiver = self.receiver(tenant, id)?;
        self.rows.remove_webhook(tenant, id).await?;
        self.receivers.write().remove(&receiver.key);
        self.tell_what_is_wanted();
        self.measure();
        // What stays behind here goes with the next start.
        if let Err(error) = self.rows.drop_messages(&receiver.key).await {
            tracing::debug!(receiver = receiver.key, %error, "what waits for a webhook that is gone stays for now");
        }
        Ok(())
    }

    /// Writes down how a webhook fares, if there is news of that; whether the store has it.
    pub(super) async fn write_down(&self, receiver: &Receiver) -> bool {
        let _one_at_a_time = self.changing.lock().await;
        let now_ms = self.now_ms();
        let to = receiver.to();
        let To::Webhook(webhook) = &*to else { return true };
        let Some(fared) = receiver.standing.lock().take_news(now_ms) else { return true };
        let kept = match row(&receiver.tenant, webhook, fared) {
            // One that is gone meanwhile is in nobody's way.
            Ok(row) => self.rows.replace_webhook(row).await.map(drop),
            Err(error) => Err(error),
        };
        if let Err(error) = &kept {
            tracing::debug!(receiver = receiver.key, %error, "how a webhook fares could not be kept");
            receiver.standing.lock().keep_news();
        }
        kept.is_ok()
    }

    fn checked(&self, tenant: &str, id: Arc<str>, definition: Definition) -> Result<Webhook, WebhookError> {
        if definition.events.as_ref().is_some_and(BTreeSet::is_empty) {
            return Err(WebhookError::NoEvents);
        }
        let webhook = self.webhook(tenant, id, definition)?;
        webhook.reach.check(webhook.url.url()).map_err(|denied| WebhookError::Forbidden(denied.of_others()))?;
        Ok(webhook)
    }

    fn with_secret(&self, tenant: &str, id: &str) -> Result<MadeWebhook, WebhookError> {
        let generation = definition_of(&*self.receiver(tenant, id)?)?.generation;
        let secret = SigningSecret::of(&self.root, tenant, id, generation).reveal();
        Ok(MadeWebhook { registered: self.get(tenant, id)?, secret })
    }
}

fn definition_of(receiver: &Receiver) -> Result<Definition, WebhookError> {
    match &*receiver.to() {
        To::Webhook(webhook) => Ok(webhook.definition.clone()),
        To::Threshold { .. } => Err(WebhookError::Unknown(receiver.key.clone())),
    }
}

fn row(tenant: &str, webhook: &Webhook, fared: Fared) -> Result<WebhookRow, StoreError> {
    let kept = Kept { definition: webhook.definition.clone(), fared };
    let body = serde_json::to_string(&kept).map_err(|e| StoreError::Failed(e.to_string()))?;
    Ok(WebhookRow { tenant: tenant.to_owned(), id: webhook.id.to_string(), body })
}

fn told(receiver: &Receiver) -> Option<RegisteredWebhook> {
    let to = receiver.to();
    let To::Webhook(webhook) = &*to else { return None };
    let Definition { url, events, created_ms, rotated_ms, .. } = webhook.definition.clone();
    let standing = receiver.standing.lock();
    let Fared { failing_since_ms, last_error, last_delivered_ms, disabled } = standing.fared.clone();
    Some(RegisteredWebhook {
        id: webhook.id.to_string(),
        url,
        events: events.map(|events| events.into_iter().collect()),
        state: WebhookState::of(&standing.fared),
        created_ms,
        rotated_ms,
        last_delivered_ms,
        last_error,
        failing_since_ms,
        disabled_ms: disabled.map(|(at_ms, _)| at_ms),
        disabled_why: disabled.map(|(_, why)| if why == Why::Gone { "gone" } else { "failing" }),
        pending: standing.waiting,
        lost: standing.lost,
    })
}
