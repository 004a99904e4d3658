//! Webhooks, and the outbox: what is yet to be told, a row for each event and receiver.

use serde::Serialize;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::sqlite::SqliteStore;
use super::writer::{Command, Statement};
use super::{Pending, StoreError, codec};

/// A webhook of a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookRow {
    pub tenant: String,
    pub id: String,
    /// What it says, as JSON.
    pub body: String,
}

/// Something to be told to a receiver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NewMessage {
    pub receiver: String,
    /// Of the event.
    pub id: String,
    pub body: String,
    pub at_ms: i64,
}

/// Something that waits to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageRow {
    pub seq: i64,
    pub id: String,
    pub body: String,
    pub created_ms: i64,
    /// That failed.
    pub attempts: u32,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageEnd {
    /// It waits no more: it was taken, or given up.
    Over,
    /// It failed, and is due again then.
    PutOff { due_ms: i64 },
}

/// Webhooks and the outbox. All times are milliseconds of Unix time, UTC.
pub trait WebhookRows: Send + Sync {
    /// Those of all tenants, ordered by tenant and id. What cannot be read is left out, and named in the log.
    fn webhooks(&self) -> Pending<'_, Vec<WebhookRow>>;

    /// Keeps a new webhook.
    fn add_webhook(&self, webhook: WebhookRow) -> Pending<'_, ()>;

    /// Replaces one; false when there is none of that tenant and id.
    fn replace_webhook(&self, webhook: WebhookRow) -> Pending<'_, bool>;

    /// Forgets one; false when there is none.
    fn remove_webhook(&self, tenant: &str, id: &str) -> Pending<'_, bool>;

    /// Puts messages into the outbox, all or none; how many are new. One that waits there for the same receiver under the same id stays as it is.
    fn put_messages(&self, messages: Vec<NewMessage>) -> Pending<'_, u64>;

    /// A receiver's messages that are due at `now_ms`, the longest due `limit`.
    fn due_messages<'a>(&'a self, receiver: &'a str, now_ms: i64, limit: u32) -> Pending<'a, Vec<MessageRow>>;

    /// Notes what became of a message. Outlives the process, not at once a power cut: it is sent again then.
    fn end_message(&self, seq: i64, end: MessageEnd) -> Pending<'_, ()>;

    /// Takes all of a receiver's messages out of the outbox; how many they were.
    fn drop_messages(&self, receiver: &str) -> Pending<'_, u64>;

    /// How many messages wait for each receiver that has any.
    fn waiting_messages(&self) -> Pending<'_, Vec<(String, u64)>>;
}

/// What the writer is asked to do for webhooks: a statement each.
pub(super) enum WebhookWrite {
    Add(WebhookRow),
    Replace(WebhookRow),
    Remove {
        tenant: String,
        id: String,
    },
    /// Messages, as a list in JSON.
    Put {
        messages: String,
    },
    End {
        seq: i64,
        end: MessageEnd,
    },
    Drop {
        receiver: String,
    },
}

impl WebhookWrite {
    pub fn may_be_flushed_later(&self) -> bool {
        matches!(self, Self::End { .. })
    }

    pub fn statement(&self) -> Statement {
        match self {
            Self::Add(WebhookRow { tenant, id, body }) => {
                let add = sqlx::query("INSERT INTO webhooks (tenant, id, body) VALUES (?, ?, ?)");
                add.bind(tenant.clone()).bind(id.clone()).bind(body.clone())
            }
            Self::Replace(WebhookRow { tenant, id, body }) => {
                let replace = sqlx::query("UPDATE webhooks SET body = ? WHERE tenant = ? AND id = ?");
                replace.bind(body.clone()).bind(tenant.clone()).bind(id.clone())
            }
            Self::Remove { tenant, id } => {
                let remove = sqlx::query("DELETE FROM webhooks WHERE tenant = ? AND id = ?");
                remove.bind(tenant.clone()).bind(id.clone())
            }
            Self::Put { messages } => {
                // One statement however many there are. `WHERE true` tells SQLite's parser that the ON after it is no join's.
                let put = "INSERT INTO outbox (receiver, id, body, created_ms, due_ms) \
                           SELECT value ->> 'receiver', value ->> 'id', value ->> 'body', value ->> 'at_ms', value ->> 'at_ms' \
                           FROM json_each(?) WHERE true ORDER BY key ON CONFLICT DO NOTHING";
                sqlx::query(put).bind(messages.clone())
            }
            Self::End { seq, end: MessageEnd::Over } => sqlx::query("DELETE FROM outbox WHERE seq = ?").bind(*seq),
            Self::End { seq, end: MessageEnd::PutOff { due_ms } } => {
                let put_off = sqlx::query("UPDATE outbox SET due_ms = ?, attempts = attempts + 1 WHERE seq = ?");
                put_off.bind(*due_ms).bind(*seq)
            }
            Self::Drop { receiver } => sqlx::query("DELETE FROM outbox WHERE receiver = ?").bind(receiver.clone()),
        }
    }
}

impl WebhookRows for SqliteStore {
    fn webhooks(&self) -> Pending<'_, Vec<WebhookRow>> {
        Box::pin(async move {
            let query = "SELECT tenant, id, body FROM webhooks ORDER BY tenant, id";
            let rows = sqlx::query(query).fetch_all(&self.readers).await?;
            Ok(codec::readable("webhook", &rows, webhook))
        })
    }

    fn add_webhook(&self, webhook: WebhookRow) -> Pending<'_, ()> {
        Box::pin(async move { self.submit(Command::Webhook(WebhookWrite::Add(webhook))).await.map(drop) })
    }

    fn replace_webhook(&self, webhook: WebhookRow) -> Pending<'_, bool> {
        Box::pin(async move { Ok(self.submit(Command::Webhook(WebhookWrite::Replace(webhook))).await? > 0) })
    }

    fn remove_webhook(&self, tenant: &str, id: &str) -> Pending<'_, bool> {
        let write = WebhookWrite::Remove { tenant: tenant.to_owned(), id: id.to_owned() };
        Box::pin(async move { Ok(self.submit(Command::Webhook(write)).await? > 0) })
    }

    fn put_messages(&self, messages: Vec<NewMessage>) -> Pending<'_, u64> {
        Box::pin(async move {
            let messages = codec::json(&messages)?;
            self.submit(Command::Webhook(WebhookWrite::Put { messages })).await
        })
    }

    fn due_messages<'a>(&'a self, receiver: &'a str, now_ms: i64, limit: u32) -> Pending<'a, Vec<MessageRow>> {
        Box::pin(async move {
            let query = "SELECT seq, id, body, created_ms, attempts FROM outbox WHERE receiver = ? AND due_ms <= ? \
                         ORDER BY due_ms, seq LIMIT ?";
            let rows = sqlx::query(query).bind(receiver).bind(now_ms).bind(limit).fetch_all(&self.readers).await?;
            rows.iter().map(message).collect()
        })
    }

    fn end_message(&self, seq: i64, end: MessageEnd) -> Pending<'_, ()> {
        let write = WebhookWrite::End { seq, end };
        Box::pin(async move { self.submit(Command::Webhook(write)).await.map(drop) })
    }

    fn drop_messages(&self, receiver: &str) -> Pending<'_, u64> {
        let write = WebhookWrite::Drop { receiver: receiver.to_owned() };
        Box::pin(self.submit(Command::Webhook(write)))
    }

    fn waiting_messages(&self) -> Pending<'_, Vec<(String, u64)>> {
        Box::pin(async move {
            let query = "SELECT receiver, count(*) AS waiting FROM outbox GROUP BY receiver ORDER BY receiver";
            let rows = sqlx::query(query).fetch_all(&self.readers).await?;
            let row = |row: &SqliteRow| {
                let waiting: i64 = row.try_get("waiting")?;
                Ok((row.try_get("receiver")?, u64::try_from(waiting).unwrap_or(0)))
            };
            rows.iter().map(row).collect()
        })
    }
}

fn webhook(row: &SqliteRow) -> Result<WebhookRow, StoreError> {
    Ok(WebhookRow { tenant: row.try_get("tenant")?, id: row.try_get("id")?, body: row.try_get("body")? })
}

fn message(row: &SqliteRow) -> Result<MessageRow, StoreError> {
    Ok(MessageRow {
        seq: row.try_get("seq")?,
        id: row.try_get("id")?,
        body: row.try_get("body")?,
        created_ms: row.try_get("created_ms")?,
        attempts: row.try_get("attempts")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    fn new(receiver: &str, id: &str, at_ms: i64) -> NewMessage {
        NewMessage { receiver: receiver.into(), id: id.into(), body: format!("{{\"of\":\"{id} ä\"}}"), at_ms }
    }

    #[tokio::test]
    async fn a_message_waits_once_for_each_receiver_until_it_is_over_and_outlives_the_process() {
        let dir = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(dir.path()).await.unwrap();
        let all = vec![new("a/1", "e1", 5), new("a/2", "e1", 5), new("a/1", "e2", 6)];
        assert_eq!(store.put_messages(all.clone()).await.unwrap(), 3);
        assert_eq!(store.put_messages(all).await.unwrap(), 0, "they wait already");
        assert_eq!(store.put_messages(Vec::new()).await.unwrap(), 0);
        let due = store.due_messages("a/1", 5, 9).await.unwrap();
        assert_eq!(due.iter().map(|row| &*row.id).collect::<Vec<_>>(), ["e1"], "the other is not due");
        assert_eq!((&*due[0].body, due[0].created_ms, due[0].attempts), ("{\"of\":\"e1 ä\"}", 5, 0));
        store.end_message(due[0].seq, MessageEnd::PutOff { due_ms: 70 }).await.unwrap();
        assert_eq!(store.due_messages("a/1", 69, 9).await.unwrap().len(), 1);
        store.close().await.unwrap();
        let store = SqliteStore::open(dir.path()).await.unwrap();
        let due = store.due_messages("a/1", 70, 9).await.unwrap();
        assert_eq!(due.iter().map(|row| (&*row.id, row.attempts)).collect::<Vec<_>>(), [("e2", 0), ("e1", 1)]);
        store.end_message(due[1].seq, MessageEnd::Over).await.unwrap();
        let waiting = store.waiting_messages().await.unwrap();
        assert_eq!(waiting, [("a/1".to_owned(), 1), ("a/2".to_owned(), 1)]);
        assert_eq!(store.drop_messages("a/1").await.unwrap(), 1);
        assert_eq!(store.waiting_messages().await.unwrap(), [("a/2".to_owned(), 1)]);
    }

    #[tokio::test]
    async fn a_webhook_is_replaced_where_it_is_and_made_nowhere_else() {
        let dir = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(dir.path()).await.unwrap();
        let row = |body: &str| WebhookRow { tenant: "acme".into(), id: "w".into(), body: body.into() };
        assert!(!store.replace_webhook(row("{}")).await.unwrap());
        store.add_webhook(row("{}")).await.unwrap();
        assert!(store.replace_webhook(row("{\"a\":1}")).await.unwrap());
        assert_eq!(store.webhooks().await.unwrap(), [row("{\"a\":1}")]);
        assert!(!store.remove_webhook("other", "w").await.unwrap());
        assert!(store.remove_webhook("acme", "w").await.unwrap());
        assert_eq!(store.webhooks().await.unwrap(), []);
    }
}
