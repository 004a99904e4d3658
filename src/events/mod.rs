//! What happens that tenants may want to be told of, and the board where it waits to be kept.
//!
//! Whoever tells waits for nothing: the board is memory, bounded for each tenant, and what nobody wants is not even put into words. Who keeps what is on it
//! ([`Events::first`], [`Events::kept`]) is one task.

mod said;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use said::{
    BreakTold, CapReachedTold, CapacityLow, Cost, GameRestricted, GameTold, LowReason, SessionEnded, SessionStarted,
    ThresholdPassed, UsageAmount,
};

/// Events of a tenant that wait in memory; a store that fails for long costs those that come after.
const MOST_WAITING: usize = 4_096;

/// What happened. The names are stable: programs branch on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[schema(as = WebhookEventType)]
pub enum EventKind {
    #[serde(rename = "session.started")]
    SessionStarted,
    #[serde(rename = "session.ended")]
    SessionEnded,
    #[serde(rename = "game.live")]
    GameLive,
    #[serde(rename = "game.slate")]
    GameSlate,
    #[serde(rename = "game.restricted")]
    GameRestricted,
    #[serde(rename = "break.started")]
    BreakStarted,
    #[serde(rename = "break.ended")]
    BreakEnded,
    #[serde(rename = "usage.threshold")]
    UsageThreshold,
    #[serde(rename = "usage.cap")]
    UsageCap,
    #[serde(rename = "capacity.low")]
    CapacityLow,
}

impl EventKind {
    pub const ALL: [Self; 10] = [
        Self::SessionStarted,
        Self::SessionEnded,
        Self::GameLive,
        Self::GameSlate,
        Self::GameRestricted,
        Self::BreakStarted,
        Self::BreakEnded,
        Self::UsageThreshold,
        Self::UsageCap,
        Self::CapacityLow,
    ];

    /// As in an event's `type`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SessionStarted => "session.started",
            Self::SessionEnded => "session.ended",
            Self::GameLive => "game.live",
            Self::GameSlate => "game.slate",
            Self::GameRestricted => "game.restricted",
            Self::BreakStarted => "break.started",
            Self::BreakEnded => "break.ended",
            Self::UsageThreshold => "usage.threshold",
            Self::UsageCap => "usage.cap",
            Self::CapacityLow => "capacity.low",
        }
    }
}

/// An event as it is sent (Standard Webhooks 1.0, "payload structure").
#[derive(Serialize)]
struct Envelope<'a, T> {
    #[serde(rename = "type")]
    kind: &'a str,
    /// RFC 3339.
    timestamp: &'a str,
    data: T,
}

/// The body of an event of `kind` at an instant (RFC 3339).
///
/// # Errors
/// When `data` is nothing that JSON has.
pub fn body<T: Serialize>(kind: &str, timestamp: &str, data: T) -> Result<String, serde_json::Error> {
    serde_json::to_string(&Envelope { kind, timestamp, data })
}

/// An instant of Unix time in milliseconds, RFC 3339.
pub fn rfc_3339(unix_ms: i64) -> String {
    format!("{:.3}", jiff::Timestamp::from_millisecond(unix_ms).unwrap_or(jiff::Timestamp::MAX))
}

/// What an event is told apart by, the same each time it is sent; `None` where the system has no chance to give.
pub fn new_id() -> Option<String> {
    let mut chance = [0u8; 16];
    getrandom::fill(&mut chance).ok()?;
    Some(format!("msg_{}", hex::encode(chance)))
}

/// Something that happened, as it will be sent to the letter.
#[derive(Debug, PartialEq, Eq)]
pub struct Happened {
    pub id: String,
    pub kind: EventKind,
    pub tenant: Arc<str>,
    /// Milliseconds of Unix time.
    pub at_ms: i64,
    pub body: String,
}

/// Which tenants want to be told of what.
pub type Wanted = HashMap<EventKind, Vec<Arc<str>>>;

/// See the module.
#[derive(Default)]
pub struct Events {
    wanted: RwLock<Wanted>,
    waiting: Mutex<BTreeMap<Arc<str>, VecDeque<Arc<Happened>>>>,
    lost: AtomicU64,
}

impl Events {
    /// From now on these are told.
    pub fn want(&self, wanted: Wanted) {
        *self.wanted.write() = wanted;
    }

    /// Whether anybody wants to be told of it.
    pub fn is_wanted(&self, kind: EventKind) -> bool {
        self.wanted.read().contains_key(&kind)
    }

    /// Tells a tenant what happened at `at_ms`, if it wants to know.
    pub fn tell<T: Serialize>(&self, tenant: &str, kind: EventKind, at_ms: i64, data: impl FnOnce() -> T) {
        let wanted = self.wanted.read();
        let wanting = wanted.get(&kind).and_then(|all| all.iter().find(|one| &***one == tenant)).cloned();
        drop(wanted);
        if let Some(tenant) = wanting {
            self.put(tenant, kind, at_ms, data());
        }
    }

    /// Tells all tenants whom it is `for_whom`, of those who want to know.
    pub fn tell_all<T: Serialize>(
        &self,
        for_whom: impl Fn(&str) -> bool,
        kind: EventKind,
        at_ms: i64,
        data: impl Fn() -> T,
    ) {
        let wanting = self.wanted.read().get(&kind).cloned().unwrap_or_default();
        for tenant in wanting.into_iter().filter(|tenant| for_whom(tenant)) {
            self.put(tenant, kind, at_ms, data());
        }
    }

    /// A game that may not be shown to some of a tenant's viewers any more.
    pub fn game_restricted(&self, tenant: &str, at_ms: i64, game: impl FnOnce() -> GameRestricted) {
        self.tell(tenant, EventKind::GameRestricted, at_ms, game);
    }

    fn put<T: Serialize>(&self, tenant: Arc<str>, kind: EventKind, at_ms: i64, data: T) {
        // Outside the lock: what is large to write holds nobody up.
        let body = body(kind.name(), &rfc_3339(at_ms), data).ok();
        let Some((id, body)) = new_id().zip(body) else {
            self.lost.fetch_add(1, Ordering::Relaxed);
            return;
        };
        let happened = Arc::new(Happened { id, kind, tenant: tenant.clone(), at_ms, body });
        let mut waiting = self.waiting.lock();
        let of_tenant = waiting.entry(tenant).or_default();
        if of_tenant.len() >= MOST_WAITING {
            self.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        of_tenant.push_back(happened);
    }

    /// What has waited longest, `limit` of each tenant at most. It goes on waiting until it is [`Events::kept`].
    pub fn first(&self, limit: usize) -> Vec<Arc<Happened>> {
        self.waiting.lock().values().flat_map(|of_tenant| of_tenant.iter().take(limit)).cloned().collect()
    }

    /// These, as [`Events::first`] gave them, wait no more.
    pub fn kept(&self, kept: &[Arc<Happened>]) {
        let mut waiting = self.waiting.lock();
        for one in kept {
            let Some(of_tenant) = waiting.get_mut(&one.tenant) else { continue };
            if of_tenant.front().is_some_and(|first| Arc::ptr_eq(first, one)) {
                of_tenant.pop_front();
            }
        }
        waiting.retain(|_, of_tenant| !of_tenant.is_empty());
    }

    /// How many were lost since this was asked last: there was no room for them.
    pub fn take_lost(&self) -> u64 {
        self.lost.swap(0, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(of: &[(EventKind, &[&str])]) -> Wanted {
        let tenants = |names: &[&str]| names.iter().map(|name| Arc::from(*name)).collect();
        of.iter().map(|(kind, names)| (*kind, tenants(names))).collect()
    }

    #[test]
    fn names_are_written_as_they_are_read() {
        for kind in EventKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
            assert_eq!(serde_json::from_value::<EventKind>(kind.name().into()).unwrap(), kind);
        }
    }

    #[test]
    fn who_does_not_want_to_know_is_not_told_and_nothing_is_put_into_words() {
        let events = Events::default();
        events.want(wanted(&[(EventKind::CapacityLow, &["acme", "other"])]));
        events.tell("acme", EventKind::SessionEnded, 0, || -> u8 { panic!("nobody asked") });
        events.tell("third", EventKind::CapacityLow, 0, || -> u8 { panic!("it did not ask") });
        assert_eq!(events.first(9), []);
        events.tell_all(|tenant| tenant != "other", EventKind::CapacityLow, 1_795_363_200_000, || 7);
        let told = events.first(9);
        assert_eq!((told.len(), &*told[0].tenant), (1, "acme"));
        assert_eq!(told[0].body, r#"{"type":"capacity.low","timestamp":"2026-11-22T16:00:00.000Z","data":7}"#);
    }

    #[test]
    fn each_tenant_has_room_of_its_own_and_the_newest_is_lost() {
        let events = Events::default();
        events.want(wanted(&[(EventKind::GameLive, &["a", "b"])]));
        for n in 0..MOST_WAITING + 3 {
            events.tell("a", EventKind::GameLive, n as i64, || n);
        }
        events.tell("b", EventKind::GameLive, 0, || 0);
        assert_eq!((events.take_lost(), events.take_lost()), (3, 0));
        let some = events.first(2);
        assert_eq!(
            some.iter().map(|one| (&*one.tenant, one.at_ms)).collect::<Vec<_>>(),
            [("a", 0), ("a", 1), ("b", 0)]
        );
        assert_eq!(events.first(2), some, "they wait until they are kept");
        events.kept(&some);
        assert_eq!(events.first(1)[0].at_ms, 2);
        events.kept(&some);
        assert_eq!(events.first(1)[0].at_ms, 2, "nothing else goes with them");
    }
}
