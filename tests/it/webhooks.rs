//! Webhooks: what is told, how it is signed, and what happens where a receiver is down, slow, hostile or gone, and where the store is.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use quadrille::config::Config;
use quadrille::events::{EventKind, Events};
use quadrille::metrics::Metrics;
use quadrille::outbound::{
    NewWebhook, Outbound, OutboundParts, RegisteredWebhook, WebhookError, WebhookParts, WebhookState, Webhooks,
};
use quadrille::reach::{Reach, Rules};
use quadrille::store::{
    MessageEnd, MessageRow, NewMessage, Pending, SqliteStore, Store, StoreError, WebhookRow, WebhookRows,
};
use quadrille::timeline::{Clock, MEDIA_EPOCH_UNIX_S, MediaTime, SimulatedClock};
use serde_json::json;

use crate::outbound::SetStandings;
use crate::support::hook::{Does, Got, Hook};

/// 2026-11-22T16:00:00Z
const START_MS: i64 = 1_795_363_200_000;
const HOUR_S: u64 = 3_600;
const DAY_S: u64 = 24 * HOUR_S;

const TENANTS: &str =
    "[[tenants]]\nid = \"acme\"\ndevice_keys = [\"d1\"]\n[[tenants]]\nid = \"other\"\ndevice_keys = [\"d2\"]\n";

/// The store, which fails to write where a test wants that.
struct Rows {
    inner: Arc<SqliteStore>,
    fails: AtomicBool,
}

impl Rows {
    fn check<'a, T: Send + 'a>(&self, done: Pending<'a, T>) -> Pending<'a, T> {
        if self.fails.load(Ordering::SeqCst) {
            return Box::pin(async { Err(StoreError::Unwritable("database or disk is full".into())) });
        }
        done
    }
}

impl WebhookRows for Rows {
    fn webhooks(&self) -> Pending<'_, Vec<WebhookRow>> {
        self.inner.webhooks()
    }

    fn add_webhook(&self, webhook: WebhookRow) -> Pending<'_, ()> {
        self.check(self.inner.add_webhook(webhook))
    }

    fn replace_webhook(&self, webhook: WebhookRow) -> Pending<'_, bool> {
        self.check(self.inner.replace_webhook(webhook))
    }

    fn remove_webhook(&self, tenant: &str, id: &str) -> Pending<'_, bool> {
        self.check(self.inner.remove_webhook(tenant, id))
    }

    fn put_messages(&self, messages: Vec<NewMessage>) -> Pending<'_, u64> {
        self.check(self.inner.put_messages(messages))
    }

    fn due_messages<'a>(&'a self, receiver: &'a str, now_ms: i64, limit: u32) -> Pending<'a, Vec<MessageRow>> {
        self.inner.due_messages(receiver, now_ms, limit)
    }

    fn end_message(&self, seq: i64, end: MessageEnd) -> Pending<'_, ()> {
        self.check(self.inner.end_message(seq, end))
    }

    fn drop_messages(&self, receiver: &str) -> Pending<'_, u64> {
        self.check(self.inner.drop_messages(receiver))
    }

    fn waiting_messages(&self) -> Pending<'_, Vec<(String, u64)>> {
        self.inner.waiting_messages()
    }
}

/// A store, a clock that is cranked, the board and the webhooks.
struct House {
    dir: tempfile::TempDir,
    rows: Arc<Rows>,
    clock: Arc<SimulatedClock>,
    metrics: Arc<Metrics>,
    events: Arc<Events>,
    webhooks: Arc<Webhooks>,
}

fn instant(unix_ms: i64) -> MediaTime {
    MediaTime::from_millis(u64::try_from(unix_ms).unwrap() - MEDIA_EPOCH_UNIX_S * 1000)
}

impl House {
    async fn new() -> Self {
        Self::open(tempfile::tempdir().unwrap(), Arc::new(SimulatedClock::new(instant(START_MS)))).await
    }

    async fn open(dir: tempfile::TempDir, clock: Arc<SimulatedClock>) -> Self {
        let store = Arc::new(SqliteStore::open(dir.path()).await.unwrap());
        let rows = Arc::new(Rows { inner: store.clone(), fails: AtomicBool::new(false) });
        let (metrics, events) = (Arc::new(Metrics::new().unwrap()), Arc::<Events>::default());
        let parts = WebhookParts {
            rows: rows.clone(),
            events: events.clone(),
            clock: clock.clone(),
            metrics: metrics.clone(),
            reach_of: Arc::new(|_| loopback()),
            root: store.secret("webhooks").await.unwrap(),
        };
        let config = Config::parse(TENANTS, Path::new("test.toml")).unwrap();
        let webhooks = Webhooks::open(&config, parts).await.unwrap();
        Self { dir, rows, clock, metrics, events, webhooks }
    }

    /// Another process on the same disk.
    async fn restart(self) -> Self {
        self.rows.inner.close().await.unwrap();
        Self::open(self.dir, self.clock).await
    }

    /// A webhook of a tenant: its id and its secret.
    async fn hook(&self, tenant: &str, hook: &Hook, events: &[EventKind]) -> (String, String) {
        let made = self.webhooks.make(tenant, new(&hook.url(), events)).await.unwrap();
        (made.registered.id, made.secret)
    }

    fn tell(&self, tenant: &str, kind: EventKind, n: u32) {
        self.events.tell(tenant, kind, self.clock.now().unix_millis(), || json!({ "n": n }));
    }

    /// Lets `seconds` pass, `step` at a time, with a run each.
    async fn pass(&self, seconds: u64, step: u64) {
        for _ in 0..seconds / step {
            self.clock.advance(Duration::from_secs(step));
            self.webhooks.run().await;
        }
    }

    fn get(&self, id: &str) -> RegisteredWebhook {
        self.webhooks.get("acme", id).unwrap()
    }

    fn counted(&self, outcome: &str) -> u64 {
        self.metrics.webhooks.with_label_values(&[outcome]).get()
    }
}

/// What tests serve is on this machine.
fn loopback() -> Reach {
    Reach::new(Rules { networks: vec!["127.0.0.0/8".parse().unwrap()], ..Rules::default() }, [None; 2])
}

fn new(url: &str, events: &[EventKind]) -> NewWebhook {
    NewWebhook { url: url.to_owned(), events: (!events.is_empty()).then(|| events.iter().copied().collect()) }
}

fn numbers(got: &[Got]) -> Vec<u64> {
    let mut numbers: Vec<u64> = got.iter().map(|got| got.event["data"]["n"].as_u64().unwrap()).collect();
    numbers.sort_unstable();
    numbers
}

const LIVE: EventKind = EventKind::GameLive;
const SLATE: EventKind = EventKind::GameSlate;

#[tokio::test]
async fn what_happens_is_told_whom_it_concerns_signed() {
    let (acme, all, other, house) = (Hook::start().await, Hook::start().await, Hook::start().await, House::new().await);
    let (_, secret) = house.hook("acme", &acme, &[SLATE]).await;
    let (_, secret_of_all) = house.hook("acme", &all, &[]).await;
    house.hook("other", &other, &[]).await;
    house.tell("acme", SLATE, 1);
    house.tell("acme", LIVE, 2);
    house.clock.advance(Duration::from_secs(3));
    house.webhooks.run().await;
    assert_eq!((numbers(&acme.taken()), numbers(&all.taken())), (vec![1], vec![1, 2]));
    assert_eq!(other.got().len(), 0, "another tenant sees nothing");

    let got = &acme.got()[0];
    assert_eq!(got.body, r#"{"type":"game.slate","timestamp":"2026-11-22T16:00:00.000Z","data":{"n":1}}"#);
    assert_eq!(got.header("content-type"), "application/json");
    assert!(got.id().starts_with("msg_") && got.id().len() == 36, "{}", got.id());
    assert_eq!(got.header("webhook-timestamp"), (START_MS / 1000 + 3).to_string(), "when it is sent");
    assert_eq!((got.signed_by(&secret), got.signed_by(&secret_of_all)), (1, 0));
    let forged = Got { body: got.body.replace("slate", "live"), ..got.clone() };
    assert_eq!(forged.signed_by(&secret), 0);
    assert!(!got.headers.contains_key("authorization"));
    // The same event has the same id wherever it is told.
    assert!(all.got().iter().any(|one| one.id() == got.id()));
    assert_eq!((house.counted("told"), house.counted("failed"), house.metrics.webhooks_waiting.get()), (3, 0, 0));
}

#[tokio::test]
async fn one_that_is_down_gets_all_of_it_later_under_the_same_ids_whatever_was_restarted() {
    let (hook, mut house) = (Hook::start().await, House::new().await);
    let (id, secret) = house.hook("acme", &hook, &[]).await;
    hook.set(|_| Does::Refuse(503, None));
    for n in 0..20 {
        house.tell("acme", LIVE, n);
        house.pass(60, 20).await;
        if n % 7 == 3 {
            house = house.restart().await;
        }
    }
    let asked = hook.got();
    assert!((5..60).contains(&asked.len()), "with growing patience: {}", asked.len());
    let down = house.get(&id);
    assert_eq!((down.state, down.pending, down.last_error.as_deref()), (WebhookState::Failing, 20, Some("status 503")));
    assert_eq!(down.failing_since_ms, Some(START_MS + 20_000), "since the first of them, restarts or not");
    hook.set(|_| Does::Take);
    house.pass(300, 10).await;
    let taken = hook.taken();
    assert_eq!(numbers(&taken), (0..20).collect::<Vec<_>>(), "each once");
    assert!(taken.iter().all(|got| got.signed_by(&secret) == 1), "restarts change no secret");
    let ids: std::collections::BTreeMap<u64, &str> =
        taken.iter().map(|got| (got.event["data"]["n"].as_u64().unwrap(), got.id())).collect();
    for tried in &asked {
        let n = tried.event["data"]["n"].as_u64().unwrap();
        assert_eq!(ids[&n], tried.id());
        let told = taken.iter().find(|got| got.id() == tried.id()).unwrap();
        assert_eq!(told.body, tried.body, "to the letter what it was at first");
    }
    let back = house.get(&id);
    assert_eq!(
        (back.state, back.pending, back.last_error, back.failing_since_ms),
        (WebhookState::Active, 0, None, None)
    );
    assert!(back.last_delivered_ms.is_some());
    // All is out: another restart tells nothing again, and knows when it told last.
    let house = house.restart().await;
    house.pass(120, 10).await;
    assert_eq!(hook.taken().len(), 20);
    assert!(house.get(&id).last_delivered_ms.is_some());
    // One that cannot even be reached.
    let nobody = house.webhooks.make("acme", new("http://127.0.0.1:1/", &[])).await.unwrap().registered.id;
    house.tell("acme", LIVE, 99);
    house.webhooks.run().await;
    assert!(house.get(&nobody).last_error.unwrap().contains("refused"), "{:?}", house.get(&nobody));
}

#[tokio::test]
async fn an_event_whose_answer_was_lost_comes_again_under_its_own_id() {
    let (hook, house) = (Hook::start().await, House::new().await);
    house.hook("acme", &hook, &[]).await;
    hook.set(|_| Does::TakeAndFail);
    house.tell("acme", LIVE, 1);
    house.webhooks.run().await;
    hook.set(|_| Does::Take);
    house.pass(3, 1).await;
    let taken = hook.taken();
    assert_eq!(taken.len(), 2);
    assert_eq!((taken[0].id(), &taken[0].body), (taken[1].id(), &taken[1].body));
    assert_ne!(taken[0].header("webhook-timestamp"), taken[1].header("webhook-timestamp"), "each attempt has its own");
}

#[tokio::test]
async fn one_is_left_alone_as_long_as_it_asks() {
    let (hook, house) = (Hook::start().await, House::new().await);
    house.hook("acme", &hook, &[]).await;
    hook.set(|_| Does::Refuse(429, Some(120)));
    house.tell("acme", LIVE, 1);
    house.webhooks.run().await;
    house.tell("acme", LIVE, 2);
    house.pass(119, 7).await;
    assert_eq!(hook.got().len(), 1);
    hook.set(|_| Does::Take);
    house.pass(10, 1).await;
    assert_eq!(numbers(&hook.taken()), [1, 2]);
}

#[tokio::test]
async fn what_is_refused_for_itself_delays_nothing_else_and_is_given_up_after_three_days() {
    let (hook, house) = (Hook::start().await, House::new().await);
    let (id, _) = house.hook("acme", &hook, &[]).await;
    hook.set(|got| if got.event["data"]["n"] == 3 { Does::Refuse(422, None) } else { Does::Take });
    (0..8).for_each(|n| house.tell("acme", LIVE, n));
    house.webhooks.run().await;
    assert_eq!(numbers(&hook.taken()), [0, 1, 2, 4, 5, 6, 7], "at once, without a pause");
    let refusing = house.get(&id);
    assert_eq!((refusing.state, refusing.pending), (WebhookState::Active, 1));
    let recent = house.webhooks.deliveries("acme", &id).unwrap();
    let (refused, taken): (Vec<_>, Vec<_>) = recent.into_iter().partition(|one| one.status == Some(422));
    assert!(taken.len() == 7 && taken.iter().all(|one| one.error.is_none() && one.again_ms.is_none()), "{taken:?}");
    assert_eq!((refused.len(), &*refused[0].kind, refused[0].attempt), (1, "game.live", 1));
    assert_eq!((refused[0].error.as_deref(), refused[0].at_ms), (Some("status 422"), START_MS));
    assert!(refused[0].again_ms.is_some_and(|again_ms| again_ms > START_MS), "{refused:?}");
    house.pass(3 * DAY_S - 600, 600).await;
    assert_eq!((house.get(&id).pending, house.counted("given_up")), (1, 0));
    house.pass(1_200, 600).await;
    assert_eq!((house.get(&id).pending, house.counted("given_up")), (0, 1));
    let recent = house.webhooks.deliveries("acme", &id).unwrap();
    assert!(recent.len() == 50 && recent[0].again_ms.is_none() && recent[0].attempt > 100, "{:?}", recent[0]);
    assert!(recent[1..].iter().all(|one| one.again_ms.is_some()));
    assert_eq!(house.get(&id).state, WebhookState::Active, "it is no failure of the webhook");
}

#[tokio::test]
async fn one_that_takes_nothing_for_three_days_is_disabled_until_it_is_put_anew() {
    let (hook, well, house) = (Hook::start().await, Hook::start().await, House::new().await);
    let (id, secret) = house.hook("acme", &hook, &[]).await;
    house.hook("acme", &well, &[]).await;
    hook.set(|_| Does::Refuse(500, None));
    for n in 0..3 {
        house.tell("acme", LIVE, n);
        house.pass(DAY_S - 600, 600).await;
    }
    assert_eq!((house.get(&id).state, house.get(&id).pending), (WebhookState::Failing, 3));
    house.pass(3_000, 600).await;
    let disabled = house.get(&id);
    assert_eq!((disabled.state, disabled.pending, disabled.disabled_why), (WebhookState::Disabled, 0, Some("failing")));
    assert_eq!(disabled.last_error.as_deref(), Some("status 500"));
    assert_eq!(house.counted("given_up"), 3);
    assert_eq!(house.metrics.webhook_endpoints.with_label_values(&["disabled"]).get(), 1);

    // It stays so over a restart, and is asked nothing; what happens meanwhile is not for it.
    let house = house.restart().await;
    let asked = hook.got().len();
    house.tell("acme", LIVE, 10);
    house.pass(HOUR_S, 600).await;
    assert_eq!((hook.got().len(), house.get(&id).state), (asked, WebhookState::Disabled));
    assert_eq!(numbers(&well.taken()), [0, 1, 2, 10]);

    hook.set(|_| Does::Take);
    let tried = house.webhooks.test("acme", &id).await.unwrap();
    assert_eq!((tried.delivered, tried.status), (true, Some(204)));
    house.webhooks.replace("acme", &id, new(&hook.url(), &[])).await.unwrap();
    house.tell("acme", LIVE, 11);
    house.pass(10, 1).await;
    let told = hook.taken().pop().unwrap();
    assert_eq!((&told.event["data"]["n"], told.signed_by(&secret)), (&json!(11), 1), "its secret stayed");
    assert_eq!(house.get(&id).state, WebhookState::Active);
}

#[tokio::test]
async fn one_that_is_gone_is_disabled_at_once() {
    let (hook, house) = (Hook::start().await, House::new().await);
    let (id, _) = house.hook("acme", &hook, &[]).await;
    hook.set(|_| Does::Refuse(410, None));
    (0..9).for_each(|n| house.tell("acme", LIVE, n));
    house.webhooks.run().await;
    assert!(hook.got().len() <= 4, "the rest is not even tried: {}", hook.got().len());
    let gone = house.get(&id);
    assert_eq!((gone.state, gone.disabled_why, gone.pending), (WebhookState::Disabled, Some("gone"), 0));
    assert_eq!(gone.disabled_ms, Some(START_MS));
    assert!(!house.events.is_wanted(LIVE), "nobody is left who wants to know");
}

#[tokio::test]
async fn redirects_are_not_followed_and_nothing_of_an_answer_is_told_but_its_status() {
    let (hook, inner, house) = (Hook::start().await, Hook::start().await, House::new().await);
    let (id, _) = house.hook("acme", &hook, &[]).await;
    let to = inner.url();
    hook.set(move |_| Does::Redirect(to.clone()));
    house.tell("acme", LIVE, 1);
    house.webhooks.run().await;
    assert_eq!((inner.got().len(), house.get(&id).last_error.as_deref()), (0, Some("status 307")));
    hook.set(|_| Does::Refuse(500, None));
    house.pass(4, 1).await;
    assert_eq!(house.get(&id).last_error.as_deref(), Some("status 500"), "not a word of its body");
    let tried = house.webhooks.test("acme", &id).await.unwrap();
    assert_eq!((tried.delivered, tried.status, tried.error.as_deref()), (false, Some(500), Some("status 500")));
}

#[tokio::test]
async fn an_answer_without_an_end_is_an_answer() {
    let (hook, house) = (Hook::start().await, House::new().await);
    let (id, _) = house.hook("acme", &hook, &[]).await;
    hook.set(|_| Does::Babble);
    (0..3).for_each(|n| house.tell("acme", LIVE, n));
    house.webhooks.run().await;
    assert_eq!((numbers(&hook.taken()), house.get(&id).pending), (vec![0, 1, 2], 0));
}

#[tokio::test]
async fn one_that_does_not_answer_delays_no_other() {
    let (slow, quick, house) = (Hook::start().await, Hook::start().await, Arc::new(House::new().await));
    let (id, _) = house.hook("acme", &slow, &[]).await;
    house.hook("acme", &quick, &[]).await;
    house.hook("other", &quick, &[]).await;
    let (answer, held) = tokio::sync::watch::channel(false);
    slow.set(move |_| Does::Wait(held.clone()));
    house.tell("acme", LIVE, 1);
    house.webhooks.step().await;
    slow.until(1).await;
    quick.until(1).await;
    // It is still asked; others are told what comes meanwhile.
    for n in 2..6 {
        house.tell("acme", LIVE, n);
        house.tell("other", LIVE, n);
        house.webhooks.step().await;
        quick.until(1 + 2 * (n as usize - 1)).await;
    }
    assert_eq!((slow.got().len(), quick.got().len(), house.get(&id).pending), (1, 9, 5));
    answer.send_replace(true);
    slow.until(5).await;
    // What is under way is waited for at the end.
    house.webhooks.end(tokio::time::Instant::now() + Duration::from_secs(60)).await;
    assert_eq!(house.get(&id).pending, 0);
}

#[tokio::test]
async fn a_secret_is_rotated_and_both_are_good_for_a_day() {
    let (hook, house) = (Hook::start().await, House::new().await);
    let (id, first) = house.hook("acme", &hook, &[]).await;
    let second = house.webhooks.rotate("acme", &id).await.unwrap();
    assert!(second.secret != first && second.registered.rotated_ms == Some(START_MS));
    assert!(!format!("{second:?}").contains(&second.secret));
    let house = house.restart().await;
    let told = async |n: u32| {
        house.tell("acme", LIVE, n);
        house.webhooks.run().await;
        hook.taken().pop().unwrap()
    };
    let both = told(1).await;
    assert_eq!((both.signed_by(&first), both.signed_by(&second.secret)), (1, 1));
    assert_eq!(both.header("webhook-signature").split(' ').count(), 2);
    house.clock.advance(Duration::from_secs(DAY_S));
    let one = told(2).await;
    assert_eq!((one.signed_by(&first), one.signed_by(&second.secret)), (0, 1));
    assert_eq!(one.header("webhook-signature").split(' ').count(), 1);
    // Twice ends the former at once: for one that somebody else has.
    house.webhooks.rotate("acme", &id).await.unwrap();
    let third = house.webhooks.rotate("acme", &id).await.unwrap().secret;
    let after = told(3).await;
    assert_eq!((after.signed_by(&second.secret), after.signed_by(&third)), (0, 1));
}

#[tokio::test]
async fn too_much_for_one_is_lost_for_it_alone_and_counted() {
    let (down, well, house) = (Hook::start().await, Hook::start().await, House::new().await);
    let (id, _) = house.hook("acme", &down, &[LIVE]).await;
    house.hook("acme", &well, &[SLATE]).await;
    down.set(|_| Does::Refuse(503, Some(3_600)));
    for _ in 0..5 {
        (0..2_001).for_each(|n| house.tell("acme", LIVE, n));
        house.webhooks.keep().await;
    }
    house.tell("acme", SLATE, 7);
    house.webhooks.run().await;
    let full = house.get(&id);
    assert_eq!((full.pending, full.lost, house.counted("lost")), (10_000, 5, 5));
    assert_eq!(numbers(&well.taken()), [7]);
    assert_eq!(house.metrics.webhooks_waiting.get(), 10_000);
    // A webhook that goes takes what waits for it along.
    house.webhooks.remove("acme", &id).await.unwrap();
    assert_eq!(house.rows.inner.waiting_messages().await.unwrap(), []);
}

#[tokio::test]
async fn while_the_store_takes_nothing_what_happens_waits_and_nothing_is_sent() {
    let (hook, house) = (Hook::start().await, House::new().await);
    let (id, _) = house.hook("acme", &hook, &[]).await;
    house.tell("acme", LIVE, 0);
    house.webhooks.keep().await;
    house.rows.fails.store(true, Ordering::SeqCst);
    house.tell("acme", LIVE, 1);
    house.pass(20, 1).await;
    assert_eq!(hook.got().len(), 1, "what was kept is sent, and what cannot be struck off is not sent again");
    let refused = house.webhooks.make("acme", new(&hook.url(), &[])).await;
    assert!(matches!(refused, Err(WebhookError::Store(_))), "{refused:?}");
    assert!(matches!(house.webhooks.rotate("acme", &id).await, Err(WebhookError::Store(_))));
    // Memory has a bound, and the newest are lost.
    (2..5_000).for_each(|n| house.tell("acme", LIVE, n));
    house.rows.fails.store(false, Ordering::SeqCst);
    house.pass(2, 1).await;
    assert_eq!(numbers(&hook.taken()), (0..4_097).collect::<Vec<_>>(), "each once");
    assert_eq!(house.counted("lost"), 5_000 - 4_097);
}

#[tokio::test]
async fn thresholds_and_caps_are_told_once_a_month_with_what_they_were() {
    let (hook, other, dir) = (Hook::start().await, Hook::start().await, tempfile::tempdir().unwrap());
    let text = TENANTS.replacen(
        "device_keys = [\"d1\"]\n",
        "device_keys = [\"d1\"]\ncap_minutes = 200\n[[tenants.thresholds]]\nminutes = 100\n",
        1,
    );
    let config = Config::parse(&text, Path::new("test.toml")).unwrap();
    let clock = Arc::new(SimulatedClock::new(instant(START_MS)));
    let standings = Arc::<SetStandings>::default();
    let open = async || {
        let store = Arc::new(SqliteStore::open(dir.path()).await.unwrap());
        let metrics = Arc::new(Metrics::new().unwrap());
        let parts = WebhookParts {
            rows: store.clone(),
            events: Arc::default(),
            clock: clock.clone(),
            metrics: metrics.clone(),
            reach_of: Arc::new(|_| loopback()),
            root: [7; 32],
        };
        let webhooks = Webhooks::open(&config, parts).await.unwrap();
        let (outbox, standings) = (store.clone(), standings.clone());
        let parts = OutboundParts {
            outbox,
            standings,
            caps: Arc::default(),
            clock: clock.clone(),
            metrics,
            webhooks: webhooks.clone(),
        };
        (Outbound::new(&config, parts).unwrap(), webhooks, store)
    };
    let (outbound, webhooks, store) = open().await;
    webhooks.make("acme", new(&hook.url(), &[EventKind::UsageThreshold, EventKind::UsageCap])).await.unwrap();
    webhooks.make("other", new(&other.url(), &[])).await.unwrap();
    standings.set("acme", START_MS, 150, "12.50");
    for _ in 0..3 {
        clock.advance(Duration::from_secs(21));
        outbound.run().await;
    }
    let expected = json!({"month": "2026-11", "threshold": {"minutes": 100}, "billable_seconds": 8999, "billed_minutes": 150,
        "costs": [{"currency": "EUR", "cost": "12.5"}]});
    let taken = hook.taken();
    assert_eq!((hook.kinds(), &taken[0].event["data"]), (vec!["usage.threshold".to_owned()], &expected));
    store.close().await.unwrap();

    let (outbound, _, store) = open().await;
    standings.set("acme", START_MS, 200, "12.50");
    for _ in 0..3 {
        clock.advance(Duration::from_secs(21));
        outbound.run().await;
    }
    assert_eq!(hook.kinds(), ["usage.threshold", "usage.cap"], "neither again after a restart");
    let cap = &hook.taken()[1].event["data"];
    assert_eq!((&cap["cap"], &cap["frees_at"]), (&json!({"minutes": 200}), &json!("2026-12-01T00:00:00Z")));
    assert_eq!(other.got().len(), 0);
    store.close().await.unwrap();
}
