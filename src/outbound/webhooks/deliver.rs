//! Sending what waits to one receiver, until it took all that is due, fails, or the end is near.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use tokio::task::JoinSet;
use tracing::Instrument;
use tracing::field::Empty;

use super::Webhooks;
use super::book::WebhookError;
use super::receiver::{Blame, Delivery, Outcome, Receiver, To, Webhook};
use super::sign::{SigningSecret, signatures, threshold_signature};
use crate::config::{Endpoint, Secret};
use crate::events;
use crate::outbound::event::EVENT_TYPE;
use crate::outbound::http::{Http, Message};
use crate::spans::span;
use crate::store::{MessageEnd, MessageRow, StoreError};

/// What webhooks are sent.
const JSON: &str = "application/json";

/// Type of the event that a webhook is tried with.
const TEST: &str = "webhook.test";

/// Characters of an error that are told.
const MOST_WHY: usize = 300;

/// What came of trying a webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tested {
    pub delivered: bool,
    /// What it answered.
    pub status: Option<u16>,
    /// Why it was not taken.
    pub error: Option<String>,
    pub took: Duration,
}

/// What an attempt was.
struct Attempt<'a> {
    event: &'a str,
    body: &'a str,
    at_ms: i64,
    /// From 1.
    number: u32,
    took: Duration,
}

impl Attempt<'_> {
    /// With what came of it.
    fn delivery(&self, outcome: &Outcome, again_ms: Option<i64>) -> Delivery {
        let (status, error) = match outcome {
            Outcome::Taken { status } => (Some(*status), None),
            Outcome::Failed { status, why, .. } => (*status, Some(why.clone())),
        };
        Delivery {
            event: self.event.to_owned(),
            kind: kind_of(self.body),
            at_ms: self.at_ms,
            attempt: self.number,
            status,
            error,
            took: self.took,
            again_ms,
        }
    }
}

/// The type of the event that a body of ours tells.
fn kind_of(body: &str) -> String {
    #[derive(Deserialize)]
    struct Told {
        #[serde(rename = "type")]
        kind: String,
    }
    serde_json::from_str(body).map_or_else(|_| String::new(), |Told { kind }| kind)
}

/// What is sent of a message, and to whom.
#[derive(Clone, Copy)]
struct Sent<'a> {
    id: &'a str,
    body: &'a str,
    now_ms: i64,
}

impl Webhooks {
    /// Sends to one receiver what is due.
    pub(super) async fn deliver(self: Arc<Self>, receiver: Arc<Receiver>) {
        let Ok(_turn) = receiver.turn.try_lock() else { return };
        loop {
            if !self.settle(&receiver).await || self.stopping.load(Ordering::Acquire) {
                return;
            }
            let now_ms = self.now_ms();
            let Some(room) = receiver.standing.lock().room(now_ms) else { return };
            let due = match self.rows.due_messages(&receiver.key, now_ms, room).await {
                Ok(due) if due.is_empty() => return,
                Ok(due) => due,
                Err(error) => {
                    tracing::debug!(receiver = receiver.key, %error, "what waits for a webhook cannot be read");
                    return;
                }
            };
            let mut sending = JoinSet::new();
            for row in due {
                let (to, root, tenant) = (receiver.to(), self.root, receiver.tenant.clone());
                sending.spawn(async move {
                    let sent = Sent { id: &row.id, body: &row.body, now_ms };
                    let began = tokio::time::Instant::now();
                    let outcome = send_traced(&to, &root, &tenant, sent, row.attempts).await;
                    (row, outcome, began.elapsed())
                });
            }
            // Nothing in there panics, and nobody aborts it but with all of this.
            while let Some(Ok((row, outcome, took))) = sending.join_next().await {
                let number = row.attempts.saturating_add(1);
                let attempt = Attempt { event: &row.id, body: &row.body, at_ms: now_ms, number, took };
                self.note(&receiver, &row, &attempt, &outcome);
            }
        }
    }

    /// Takes in what came of a message.
    fn note(&self, receiver: &Receiver, row: &MessageRow, attempt: &Attempt<'_>, outcome: &Outcome) {
        let ends = matches!(&*receiver.to(), To::Webhook(_));
        let now_ms = self.now_ms();
        let mut standing = receiver.standing.lock();
        let noted = standing.note(outcome, now_ms, (row.created_ms, row.attempts), ends);
        standing.unnoted.push((row.seq, noted.end));
        if noted.end == MessageEnd::Over {
            standing.waiting = standing.waiting.saturating_sub(1);
        }
        if ends {
            let again_ms = standing.again_ms(noted.end);
            standing.remember(attempt.delivery(outcome, again_ms));
        }
        drop(standing);
        let told = if matches!(outcome, Outcome::Taken { .. }) { "told" } else { "failed" };
        self.metrics.webhooks.with_label_values(&[told]).inc();
        let key = &receiver.key;
        match outcome {
            Outcome::Failed { why, .. } if noted.is_news => {
                tracing::warn!(receiver = key, why, "a webhook takes nothing; it is asked again");
            }
            Outcome::Taken { .. } if noted.is_news => tracing::info!(receiver = key, "a webhook is back"),
            _ => {}
        }
        if noted.given_up {
            self.metrics.webhooks.with_label_values(&["given_up"]).inc();
            tracing::warn!(receiver = key, id = row.id, "a webhook has not taken an event in days; it is given up");
        }
    }

    /// Writes down what came of messages and how the receiver fares; whether that was kept. Nothing more is sent until it is.
    async fn settle(&self, receiver: &Receiver) -> bool {
        loop {
            let Some((seq, end)) = receiver.standing.lock().unnoted.first().copied() else { break };
            if let Err(error) = self.rows.end_message(seq, end).await {
                tracing::debug!(receiver = receiver.key, %error, "what became of an event could not be kept");
                return false;
            }
            receiver.standing.lock().unnoted.remove(0);
        }
        let (was_disabled, waiting) = {
            let standing = receiver.standing.lock();
            (standing.fared.disabled, standing.waiting)
        };
        if let (Some((_, why)), true) = (was_disabled, waiting > 0) {
            let Ok(dropped) = self.rows.drop_messages(&receiver.key).await else { return false };
            receiver.standing.lock().waiting = 0;
            self.metrics.webhooks.with_label_values(&["given_up"]).inc_by(dropped);
            tracing::warn!(
                receiver = receiver.key,
                ?why,
                dropped,
                "a webhook is disabled, and what waited for it is given up"
            );
        }
        if was_disabled.is_some() {
            self.tell_what_is_wanted();
        }
        self.write_down(receiver).await
    }

    /// Tries a webhook with an event of its own, which waits for nothing and is not tried again.
    ///
    /// # Errors
    /// [`WebhookError::Unknown`].
    pub async fn test(&self, tenant: &str, id: &str) -> Result<Tested, WebhookError> {
        let receiver = self.receiver(tenant, id)?;
        let now_ms = self.now_ms();
        let data = serde_json::json!({ "webhook_id": id });
        let body =
            events::body(TEST, &events::rfc_3339(now_ms), data).map_err(|e| StoreError::Failed(e.to_string()))?;
        let message_id = events::new_id().ok_or_else(|| StoreError::Failed("no random bytes".to_owned()))?;
        let began = tokio::time::Instant::now();
        let sent = Sent { id: &message_id, body: &body, now_ms };
        let outcome = send(&receiver.to(), &self.root, tenant, sent).await;
        let took = began.elapsed();
        let attempt = Attempt { event: &message_id, body: &body, at_ms: now_ms, number: 1, took };
        receiver.standing.lock().remember(attempt.delivery(&outcome, None));
        Ok(match outcome {
            Outcome::Taken { status } => Tested { delivered: true, status: Some(status), error: None, took },
            Outcome::Failed { status, why, .. } => Tested { delivered: false, status, error: Some(why), took },
        })
    }
}

/// With a span of its own, which belongs to nobody's request: what happened may be days ago.
async fn send_traced(to: &To, root: &[u8; 32], tenant: &str, sent: Sent<'_>, failed: u32) -> Outcome {
    let span = span!(
        "webhook.deliver",
        otel.kind = "client",
        otel.status_code = Empty,
        quadrille.tenant = tenant,
        quadrille.event = sent.id,
        quadrille.attempt = failed.saturating_add(1),
        http.response.status_code = Empty,
    );
    let outcome = send(to, root, tenant, sent).instrument(span.clone()).await;
    let (Outcome::Taken { status } | Outcome::Failed { status: Some(status), .. }) = &outcome else {
        span.record("otel.status_code", "ERROR");
        return outcome;
    };
    span.record("http.response.status_code", *status);
    if matches!(outcome, Outcome::Failed { .. }) {
        span.record("otel.status_code", "ERROR");
    }
    outcome
}

async fn send(to: &To, root: &[u8; 32], tenant: &str, sent: Sent<'_>) -> Outcome {
    match to {
        To::Threshold { webhook, secret, http } => send_threshold(http, webhook, secret.as_ref(), sent).await,
        To::Webhook(webhook) => send_webhook(webhook, root, tenant, sent).await,
    }
}

/// As thresholds of the configuration have always been told.
async fn send_threshold(http: &Http, to: &Endpoint, secret: Option<&Secret>, sent: Sent<'_>) -> Outcome {
    let Sent { body, now_ms, .. } = sent;
    let signed = secret.map(|secret| threshold_signature(secret.reveal(), now_ms.div_euclid(1000), body));
    let headers = signed.map(|value| ("quadrille-signature", value)).into_iter().collect();
    let message = Message { to, content_type: EVENT_TYPE, headers, body: Bytes::from(body.to_owned()) };
    let failed = |status, why, asked_ms| Outcome::Failed { blame: Blame::Receiver, status, why, asked_ms };
    match http.post(message).await {
        Ok(answer) if answer.is_success() => Outcome::Taken { status: answer.status },
        Ok(answer) => failed(Some(answer.status), answer.describe(), answer.retry_after_ms(now_ms)),
        Err(why) => failed(None, why, None),
    }
}

async fn send_webhook(webhook: &Webhook, root: &[u8; 32], tenant: &str, sent: Sent<'_>) -> Outcome {
    let Webhook { id: webhook_id, definition, url, reach, http } = webhook;
    let Sent { id, body, now_ms } = sent;
    let failed = |blame, status, why: String, asked_ms| {
        let why = why.chars().take(MOST_WHY).collect();
        Outcome::Failed { blame, status, why, asked_ms }
    };
    // An address without a name is judged here, and a name's addresses where they are looked up.
    if let Err(denied) = reach.check(url.url()) {
        return failed(Blame::Receiver, None, denied.of_others(), None);
    }
    let http = match http {
        Ok(http) => http,
        Err(why) => return failed(Blame::Receiver, None, why.clone(), None),
    };
    let secrets: Vec<_> =
        definition.generations(now_ms).map(|n| SigningSecret::of(root, tenant, webhook_id, n)).collect();
    let unix_s = now_ms.div_euclid(1000);
    let headers = vec![
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", unix_s.to_string()),
        ("webhook-signature", signatures(&secrets, id, unix_s, body)),
    ];
    match http.post(Message { to: url, content_type: JSON, headers, body: Bytes::from(body.to_owned()) }).await {
        Ok(answer) if answer.is_success() => Outcome::Taken { status: answer.status },
        Ok(answer) => {
            // What it says beside its status is not told: operators are to read nothing through us.
            let asked_ms = answer.retry_after_ms(now_ms);
            failed(blame(answer.status), Some(answer.status), format!("status {}", answer.status), asked_ms)
        }
        Err(why) => failed(Blame::Receiver, None, why, None),
    }
}

/// What an answer says that is no success (Standard Webhooks 1.0, "deliverability and reliability"; RFC 9110, 15).
const fn blame(status: u16) -> Blame {
    match status {
        410 => Blame::Gone,
        // Who is told to come back later, who is not known there any more, who may not ask: whatever is sent, it is answered so.
        401 | 403 | 404 | 405 | 408 | 425 | 429 => Blame::Receiver,
        400..=499 => Blame::Message,
        _ => Blame::Receiver,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_of_the_message_is_not_the_receivers_failure() {
        for status in [400, 409, 413, 415, 422] {
            assert_eq!(blame(status), Blame::Message, "{status}");
        }
        for status in [301, 302, 308, 401, 403, 404, 408, 429, 500, 502, 503, 504, 999] {
            assert_eq!(blame(status), Blame::Receiver, "{status}");
        }
        assert_eq!(blame(410), Blame::Gone);
    }
}
