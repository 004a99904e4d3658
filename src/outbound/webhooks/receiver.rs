//! Whom something is told, and how that fares.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use serde::{Deserialize, Serialize};

use super::super::backoff::{Backoff, retry_wait_ms};
use super::super::http::Http;
use crate::config::{Endpoint, Secret};
use crate::events::EventKind;
use crate::reach::Reach;
use crate::store::MessageEnd;

/// The former secret is good for so long after a rotation.
const ROTATION_MS: i64 = 24 * 3_600_000;

/// What was not taken by then is not sent any more, and a webhook that has failed for so long is disabled.
pub(super) const GIVEN_UP_AFTER_MS: i64 = 3 * 24 * 3_600_000;

/// Requests to one receiver at once, while it takes what it is told.
const AT_ONCE: u32 = 4;

/// Attempts that are remembered of a receiver.
const REMEMBERED: usize = 50;

/// How it fares is written down when that changes, and else no more often than this.
const NOTED_EVERY_MS: i64 = 60_000;

/// What a webhook is, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Definition {
    pub url: String,
    /// `None`: all.
    pub events: Option<BTreeSet<EventKind>>,
    pub created_ms: i64,
    /// How often its secret was rotated, and when last.
    pub generation: u32,
    pub rotated_ms: Option<i64>,
}

impl Definition {
    pub fn wants(&self, kind: EventKind) -> bool {
        self.events.as_ref().is_none_or(|events| events.contains(&kind))
    }

    /// The generations whose secrets are good at `now_ms`, the newest first.
    pub fn generations(&self, now_ms: i64) -> impl Iterator<Item = u32> {
        let is_fresh = self.rotated_ms.is_some_and(|rotated_ms| now_ms - rotated_ms < ROTATION_MS);
        let former = self.generation.checked_sub(1).filter(|_| is_fresh);
        [Some(self.generation), former].into_iter().flatten()
    }
}

/// Why nothing is sent to a webhook any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Why {
    /// It took nothing for days.
    Failing,
    /// It answered that it is gone (410).
    Gone,
}

/// How a receiver has fared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Fared {
    /// Since when it has taken nothing.
    pub failing_since_ms: Option<i64>,
    pub last_error: Option<String>,
    pub last_delivered_ms: Option<i64>,
    pub disabled: Option<(i64, Why)>,
}

/// A webhook as the store has it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Kept {
    pub definition: Definition,
    pub fared: Fared,
}

/// Where to tell it.
pub(super) enum To {
    /// A threshold's webhook in the configuration.
    Threshold { webhook: Endpoint, secret: Option<Secret>, http: Http },
    /// One that an operator made.
    Webhook(Box<Webhook>),
}

pub(super) struct Webhook {
    pub id: Arc<str>,
    pub definition: Definition,
    pub url: Endpoint,
    pub reach: Reach,
    /// Why nothing can be sent there at all.
    pub http: Result<Http, String>,
}

/// What came of sending something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Taken { status: u16 },
    Failed { blame: Blame, status: Option<u16>, why: String, asked_ms: Option<i64> },
}

/// An attempt to tell it something, and what came of it. Times are milliseconds of Unix time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Of the event, as in `webhook-id`.
    pub event: String,
    /// As in the event's `type`.
    pub kind: String,
    /// When it was sent.
    pub at_ms: i64,
    /// From 1.
    pub attempt: u32,
    /// What it answered.
    pub status: Option<u16>,
    /// Why it was not taken; `None` where it was.
    pub error: Option<String>,
    pub took: Duration,
    /// When it is sent again at the earliest; `None` where it is not.
    pub again_ms: Option<i64>,
}

/// What the failure says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blame {
    /// It would take nothing else now.
    Receiver,
    /// It does not like this message.
    Message,
    /// It wants nothing ever again.
    Gone,
}

/// Receivers of the outbox are called so.
pub(super) fn webhook_key(tenant: &str, id: &str) -> String {
    format!("{tenant}/{id}")
}

/// Likewise the webhook of a tenant's threshold.
pub(super) fn threshold_key(tenant: &str, amount: &str) -> String {
    format!("{tenant}/threshold/{amount}")
}

/// Whom something is told.
pub(super) struct Receiver {
    /// Names it in the outbox.
    pub key: String,
    pub tenant: Arc<str>,
    to: RwLock<Arc<To>>,
    pub standing: Mutex<Standing>,
    /// One delivery at a time.
    pub turn: tokio::sync::Mutex<()>,
}

impl Receiver {
    pub fn new(key: String, tenant: Arc<str>, to: To, fared: Fared) -> Self {
        let standing = Mutex::new(Standing { fared, ..Standing::default() });
        Self { key, tenant, to: RwLock::new(Arc::new(to)), standing, turn: tokio::sync::Mutex::default() }
    }

    pub fn to(&self) -> Arc<To> {
        self.to.read().clone()
    }

    pub fn set_to(&self, to: To) {
        *self.to.write() = Arc::new(to);
    }

    /// Whether it is told of `kind`.
    pub fn wants(&self, kind: EventKind) -> bool {
        let is_wanted = matches!(&*self.to(), To::Webhook(webhook) if webhook.definition.wants(kind));
        is_wanted && self.standing.lock().fared.disabled.is_none()
    }

    /// Whether there is something to be done for it at `now_ms`.
    pub fn is_due(&self, now_ms: i64) -> bool {
        let standing = self.standing.lock();
        let sends = standing.waiting > 0 && standing.backoff.is_due(now_ms);
        sends || !standing.unnoted.is_empty() || standing.is_to_be_noted(now_ms)
    }
}

/// What is known of a receiver in this process.
#[derive(Default)]
pub(super) struct Standing {
    /// Messages in the outbox.
    pub waiting: u64,
    /// Events for which there was no room since the start.
    pub lost: u64,
    pub backoff: Backoff,
    pub fared: Fared,
    /// The newest attempts of this process, the newest first.
    recent: VecDeque<Delivery>,
    /// What became of messages and the store does not know yet.
    pub unnoted: Vec<(i64, MessageEnd)>,
    /// When `fared` was written down last.
    noted_ms: i64,
    /// `fared` has changed since, and so that it is to be written down now.
    has_changed: bool,
    has_news: bool,
}

impl Standing {
    /// How many messages may be sent now; none where it is disabled, or left alone.
    pub fn room(&self, now_ms: i64) -> Option<u32> {
        let may_send = self.fared.disabled.is_none() && self.waiting > 0 && self.backoff.is_due(now_ms);
        // Whether it is back one message finds out.
        may_send.then_some(if self.backoff.failures == 0 { AT_ONCE } else { 1 })
    }

    /// Takes in what came of sending a message, which was made at `created_ms` and had failed `attempts` times; whether it is given up.
    pub fn note(&mut self, outcome: &Outcome, now_ms: i64, (created_ms, attempts): (i64, u32), ends: bool) -> Noted {
        match outcome {
            Outcome::Taken { .. } => {
                let was_failing = self.fared.failing_since_ms.take().is_some();
                self.backoff.clear();
                self.fared.last_error = None;
                self.fared.last_delivered_ms = Some(now_ms);
                self.has_changed = true;
                self.has_news |= was_failing;
                Noted { end: MessageEnd::Over, given_up: false, is_news: was_failing }
            }
            Outcome::Failed { blame, why, asked_ms, .. } => {
                let mut is_news = false;
                let was_down = self.backoff.failures > 0;
                if *blame != Blame::Message {
                    is_news = self.fared.failing_since_ms.is_none();
                    let since_ms = *self.fared.failing_since_ms.get_or_insert(now_ms);
                    self.backoff.fail(now_ms, *asked_ms);
                    let disabled = match blame {
                        Blame::Gone => Some(Why::Gone),
                        _ => (now_ms - since_ms >= GIVEN_UP_AFTER_MS).then_some(Why::Failing),
                    };
                    if ends && self.fared.disabled.is_none() {
                        self.fared.disabled = disabled.map(|why| (now_ms, why));
                    }
                }
                self.has_changed = true;
                self.has_news |= is_news || self.fared.disabled.is_some();
                self.fared.last_error = Some(why.clone());
                let given_up = ends && now_ms - created_ms >= GIVEN_UP_AFTER_MS;
                // Where the receiver takes nothing at all, it is asked with another message next time, and when says its own back-off. Where it took the one
                // before, this one alone may be to blame, and stands back behind others.
                let wait_ms = if was_down && *blame != Blame::Message { 0 } else { retry_wait_ms(attempts) };
                let due_ms = now_ms.saturating_add(wait_ms);
                Noted {
                    end: if given_up { MessageEnd::Over } else { MessageEnd::PutOff { due_ms } },
                    given_up,
                    is_news,
                }
            }
        }
    }

    /// When a message that ended so is sent again at the earliest, if it is.
    pub fn again_ms(&self, end: MessageEnd) -> Option<i64> {
        match end {
            MessageEnd::PutOff { due_ms } if self.fared.disabled.is_none() => Some(due_ms.max(self.backoff.due_ms())),
            MessageEnd::PutOff { .. } | MessageEnd::Over => None,
        }
    }

    /// Remembers an attempt; the oldest goes where there are many.
    pub fn remember(&mut self, delivery: Delivery) {
        self.recent.truncate(REMEMBERED - 1);
        self.recent.push_front(delivery);
    }

    /// The newest attempts of this process, the newest first.
    pub fn recent(&self) -> Vec<Delivery> {
        self.recent.iter().cloned().collect()
    }

    /// What is to be written down, if anything is.
    pub fn take_news(&mut self, now_ms: i64) -> Option<Fared> {
        if !self.is_to_be_noted(now_ms) {
            return None;
        }
        (self.has_changed, self.has_news, self.noted_ms) = (false, false, now_ms);
        Some(self.fared.clone())
    }

    /// It could not be written down, and is to be yet.
    pub fn keep_news(&mut self) {
        (self.has_changed, self.has_news) = (true, true);
    }

    fn is_to_be_noted(&self, now_ms: i64) -> bool {
        self.has_changed && (self.has_news || now_ms - self.noted_ms >= NOTED_EVERY_MS)
    }
}

/// What follows of an outcome.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Noted {
    pub end: MessageEnd,
    pub given_up: bool,
    /// It began to fail, or is back.
    pub is_news: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(blame: Blame) -> Outcome {
        Outcome::Failed { blame, status: Some(500), why: "status 500".into(), asked_ms: None }
    }

    const DAY_MS: i64 = 24 * 3_600_000;

    #[test]
    fn a_webhook_that_fails_for_days_is_disabled_and_a_threshold_never_is() {
        for (ends, disabled) in [(true, Some((3 * DAY_MS + 7, Why::Failing))), (false, None)] {
            let mut standing = Standing { waiting: 2, ..Standing::default() };
            let first = standing.note(&failed(Blame::Receiver), 7, (0, 0), ends);
            assert!(first.is_news && standing.take_news(7).is_some() && standing.fared.failing_since_ms == Some(7));
            assert_eq!(standing.room(8), None, "it is left alone");
            standing.note(&failed(Blame::Receiver), 3 * DAY_MS + 6, (DAY_MS, 9), ends);
            assert_eq!(standing.fared.disabled, None);
            let last = standing.note(&failed(Blame::Receiver), 3 * DAY_MS + 7, (DAY_MS, 10), ends);
            assert_eq!((standing.fared.disabled, last.given_up), (disabled, false));
            assert_eq!(standing.room(i64::MAX).is_none(), ends);
        }
    }

    #[test]
    fn what_one_message_is_refused_for_delays_no_other_and_is_given_up_in_the_end() {
        let mut standing = Standing { waiting: 2, ..Standing::default() };
        let noted = standing.note(&failed(Blame::Message), 1_000, (1_000, 0), true);
        assert!(matches!(noted.end, MessageEnd::PutOff { due_ms } if (1_750..=2_000).contains(&due_ms)), "{noted:?}");
        assert_eq!((standing.room(1_000), standing.fared.failing_since_ms), (Some(4), None));
        let late = standing.note(&failed(Blame::Message), 1_000 + 3 * DAY_MS, (1_000, 800), true);
        assert_eq!((late.end, late.given_up), (MessageEnd::Over, true));
        assert_eq!(standing.fared.disabled, None);
    }

    #[test]
    fn what_fails_amid_successes_stands_back_and_what_fails_with_all_others_takes_turns() {
        let mut standing = Standing { waiting: 2, ..Standing::default() };
        let due_ms = |noted: Noted| match noted.end {
            MessageEnd::PutOff { due_ms } => due_ms,
            MessageEnd::Over => panic!("it is sent again"),
        };
        let first = due_ms(standing.note(&failed(Blame::Receiver), 1_000, (0, 5), true));
        assert!(first >= 1_000 + 24_000, "{first}");
        assert_eq!(due_ms(standing.note(&failed(Blame::Receiver), 2_000, (0, 5), true)), 2_000);
    }

    #[test]
    fn one_that_is_back_is_as_if_nothing_had_been() {
        let mut standing = Standing { waiting: 1, ..Standing::default() };
        standing.note(&failed(Blame::Receiver), 1_000, (0, 0), true);
        let taken = standing.note(&Outcome::Taken { status: 204 }, 9_000, (0, 1), true);
        assert_eq!(taken, Noted { end: MessageEnd::Over, given_up: false, is_news: true });
        let fared = standing.take_news(9_000).unwrap();
        assert_eq!(fared, Fared { last_delivered_ms: Some(9_000), ..Fared::default() });
        // In the minute after that nothing is written down for what is taken.
        standing.note(&Outcome::Taken { status: 204 }, 9_001, (0, 0), true);
        assert_eq!((standing.take_news(9_001), standing.take_news(68_999)), (None, None));
        assert_eq!(standing.take_news(69_000).unwrap().last_delivered_ms, Some(9_001));
        assert_eq!(standing.take_news(200_000), None);
    }

    #[test]
    fn the_newest_attempts_are_remembered_and_when_each_is_made_again() {
        let mut standing = Standing { waiting: 1, ..Standing::default() };
        let refused = standing.note(&failed(Blame::Message), 1_000, (0, 0), true);
        let again_ms = standing.again_ms(refused.end).unwrap();
        assert!((1_750..=2_000).contains(&again_ms), "{again_ms}");
        // The receiver is left alone for longer than its messages are put off.
        standing.note(&failed(Blame::Receiver), 2_000, (0, 1), true);
        let down = standing.note(&failed(Blame::Receiver), 3_000, (0, 0), true);
        assert!(standing.again_ms(down.end).unwrap() >= 4_500, "{down:?}");
        assert_eq!(standing.again_ms(MessageEnd::Over), None);
        let gone = standing.note(&failed(Blame::Gone), 9_000, (0, 2), true);
        assert_eq!(standing.again_ms(gone.end), None, "it is disabled");
        for n in 0..60 {
            standing.remember(Delivery {
                event: format!("msg_{n}"),
                kind: "game.live".to_owned(),
                at_ms: n,
                attempt: 1,
                status: Some(204),
                error: None,
                took: Duration::ZERO,
                again_ms: None,
            });
        }
        let recent = standing.recent();
        assert_eq!((recent.len(), &*recent[0].event, &*recent[49].event), (50, "msg_59", "msg_10"));
    }

    #[test]
    fn the_former_secret_is_good_for_a_day() {
        let mut one = Definition { url: String::new(), events: None, created_ms: 0, generation: 0, rotated_ms: None };
        assert_eq!(one.generations(0).collect::<Vec<_>>(), [0]);
        (one.generation, one.rotated_ms) = (2, Some(1_000));
        assert_eq!(one.generations(1_000 + DAY_MS - 1).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(one.generations(1_000 + DAY_MS).collect::<Vec<_>>(), [2]);
    }
}
