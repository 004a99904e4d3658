//! What goes out by itself, to a receiver that fails in every way: events of closed hours, webhooks of thresholds, caps.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use quadrille::config::Config;
use quadrille::metrics::Metrics;
use quadrille::outbound::{Outbound, OutboundParts, WebhookParts, Webhooks};
use quadrille::reach::Reach;
use quadrille::store::{MeterLine, Pending, SessionRow, SessionWrite, SqliteStore, Store, StoreError, Watched};
use quadrille::timeline::{Clock, MEDIA_EPOCH_UNIX_S, MediaTime, SimulatedClock};
use quadrille::usage::{CapBoard, Month, Standing, Standings};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::receiver::{Does, Receiver};
use crate::support::service::{DEVICE, TestService, config};

/// 2026-11-22T16:00:00Z
const START_MS: i64 = 1_795_363_200_000;
const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 3_600_000;

const TENANTS: &str = "[[tenants]]\nid = \"acme\"\ndevice_keys = [\"d1\"]\n";
const OTHER: &str = "[[tenants]]\nid = \"other\"\ndevice_keys = [\"d2\"]\n";

/// Standings that a test sets, by tenant and month.
#[derive(Default)]
pub struct SetStandings {
    of: Mutex<BTreeMap<(String, i64), Standing>>,
    asked: Mutex<u32>,
    fails: Mutex<bool>,
}

impl SetStandings {
    pub fn set(&self, tenant: &str, at_ms: i64, billed_minutes: i64, euros: &str) {
        let month_start_ms = Month::of(at_ms).start_ms;
        let costs = vec![("EUR".to_owned(), euros.parse().unwrap())];
        let standing = Standing { month_start_ms, billable_seconds: billed_minutes * 60 - 1, billed_minutes, costs };
        self.of.lock().unwrap().insert((tenant.to_owned(), month_start_ms), standing);
    }
}

impl Standings for SetStandings {
    fn standing<'a>(&'a self, tenant: &'a str, now_ms: i64) -> Pending<'a, Standing> {
        *self.asked.lock().unwrap() += 1;
        let month_start_ms = Month::of(now_ms).start_ms;
        let found = self.of.lock().unwrap().get(&(tenant.to_owned(), month_start_ms)).cloned();
        let fails = *self.fails.lock().unwrap();
        Box::pin(async move {
            if fails {
                return Err(StoreError::Busy);
            }
            Ok(found.unwrap_or(Standing { month_start_ms, ..Standing::default() }))
        })
    }
}

/// A store, a clock that is cranked, and what goes out of them.
struct House {
    dir: tempfile::TempDir,
    config: Config,
    store: Arc<SqliteStore>,
    clock: Arc<SimulatedClock>,
    metrics: Arc<Metrics>,
    standings: Arc<SetStandings>,
    caps: Arc<CapBoard>,
    outbound: Outbound,
}

impl House {
    async fn new(text: &str) -> Self {
        let config = Config::parse(text, Path::new("test.toml")).unwrap();
        let clock = Arc::new(SimulatedClock::new(instant(START_MS)));
        Self::open(tempfile::tempdir().unwrap(), config, clock, Arc::default()).await
    }

    async fn open(
        dir: tempfile::TempDir,
        config: Config,
        clock: Arc<SimulatedClock>,
        standings: Arc<SetStandings>,
    ) -> Self {
        let store = Arc::new(SqliteStore::open(dir.path()).await.unwrap());
        let (metrics, caps) = (Arc::new(Metrics::new().unwrap()), Arc::<CapBoard>::default());
        let webhooks = WebhookParts {
            rows: store.clone(),
            events: Arc::default(),
            clock: clock.clone(),
            metrics: metrics.clone(),
            reach_of: Arc::new(|_| Reach::of_ones_own()),
            root: [7; 32],
        };
        let parts = OutboundParts {
            webhooks: Webhooks::open(&config, webhooks).await.unwrap(),
            outbox: store.clone(),
            standings: standings.clone(),
            caps: caps.clone(),
            clock: clock.clone(),
            metrics: metrics.clone(),
        };
        let outbound = Outbound::new(&config, parts).unwrap();
        Self { dir, config, store, clock, metrics, standings, caps, outbound }
    }

    /// Another process on the same disk.
    async fn restart(self) -> Self {
        self.store.close().await.unwrap();
        Self::open(self.dir, self.config, self.clock, self.standings).await
    }

    async fn book(&self, tenant: &str, session: &str, minute_start_ms: i64, seconds: u32) {
        self.store.write_sessions(vec![write(tenant, session, minute_start_ms, seconds)]).await.unwrap();
    }

    /// `count` whole minutes of a session from `from_ms` on.
    async fn book_minutes(&self, tenant: &str, session: &str, from_ms: i64, count: i64) {
        let writes = (0..count).map(|n| write(tenant, session, from_ms + n * MINUTE_MS, 60)).collect();
        self.store.write_sessions(writes).await.unwrap();
    }

    /// Cranks to `at_ms` and closes the hours that are over then.
    async fn close_at(&self, at_ms: i64) {
        self.clock.advance_to(instant(at_ms));
        self.store.close_hours(at_ms - at_ms.rem_euclid(HOUR_MS)).await.unwrap();
    }

    /// Lets `seconds` pass, `step` at a time, with a run each.
    async fn pass(&self, seconds: u64, step: u64) {
        for _ in 0..seconds / step {
            self.clock.advance(Duration::from_secs(step));
            self.outbound.run().await;
        }
    }

    fn now_ms(&self) -> i64 {
        self.clock.now().unix_millis()
    }

    fn failures(&self, reason: &str) -> u64 {
        self.metrics.export_failures.with_label_values(&[reason]).get()
    }
}

fn instant(unix_ms: i64) -> MediaTime {
    MediaTime::from_millis(u64::try_from(unix_ms).unwrap() - MEDIA_EPOCH_UNIX_S * 1000)
}

fn write(tenant: &str, session: &str, minute_start_ms: i64, seconds: u32) -> SessionWrite {
    let line = MeterLine {
        tenant: tenant.into(),
        session_id: session.into(),
        minute_start_ms,
        billable_seconds: seconds,
        slate_seconds: seconds / 3,
        slate_all_seconds: 0,
        watched: Watched {
            engine: "stitch".into(),
            layout: "2EH".into(),
            tier: "1080p".into(),
            games: vec!["a".into(), "b".into()],
            labels: BTreeMap::from([("box".to_owned(), "x1".to_owned())]),
        },
    };
    let session = SessionRow {
        id: session.into(),
        tenant: tenant.into(),
        token: format!("token-of-{session}"),
        version: u64::try_from(minute_start_ms).unwrap(),
        revision: 1,
        layout: "2EH".into(),
        engine_choice: "auto".into(),
        engine: "stitch".into(),
        games: vec!["a".into(), "b".into()],
        audio: "a".into(),
        labels: BTreeMap::new(),
        device_id: None,
        splices: "{}".into(),
        meter: "{}".into(),
        last_listed: None,
        effective_segment: 0,
        created_ms: START_MS,
        last_seen_ms: minute_start_ms,
        ended_ms: None,
        end_reason: None,
        billable_seconds: 0,
    };
    SessionWrite::whole(session, vec![line])
}

fn exporting(receiver: &Receiver, more: &str) -> String {
    format!("{TENANTS}{OTHER}[export]\nurl = \"{}\"\n{more}", receiver.url())
}

fn ids(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["id"].as_str().unwrap()).collect()
}

#[track_caller]
fn assert_each_once(events: &[Value], count: usize) {
    let ids = ids(events);
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "an event came twice");
    assert_eq!(ids.len(), count);
}

/// Session and minute of each event.
fn minutes(events: &[Value]) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    events.iter().map(|e| (text(&e["data"]["session_id"]), text(&e["data"]["minute_start"]))).collect()
}

#[tokio::test]
async fn closed_hours_go_out_whole_in_batches_each_entry_once() {
    let receiver = Receiver::start().await;
    let house = House::new(&exporting(&receiver, "token = \"s3cret\"\nsource = \"quad/one\"\n")).await;
    for session in ["s1", "s2", "s3"] {
        house.book_minutes("acme", session, START_MS, 60).await;
    }
    house.book("other", "o1", START_MS, 7).await;
    house.book("acme", "s1", START_MS + HOUR_MS, 30).await;
    house.outbound.run().await;
    assert!(receiver.got().is_empty(), "no hour is closed");
    house.close_at(START_MS + HOUR_MS + 10 * MINUTE_MS).await;
    house.outbound.run().await;
    let taken = receiver.taken();
    assert_each_once(&taken, 181);
    let got = receiver.got();
    assert!(got.iter().all(|got| got.events.len() <= 100), "batches have 100 at most");
    assert_eq!(got[0].headers["content-type"], "application/cloudevents-batch+json");
    assert_eq!(got[0].headers["authorization"], "Bearer s3cret");
    let acme: Vec<Value> = taken.iter().filter(|e| e["subject"] == "acme").cloned().collect();
    assert_eq!(acme.len(), 180);
    let booked: i64 = acme.iter().map(|e| e["data"]["billable_seconds"].as_i64().unwrap()).sum();
    assert_eq!(booked, 180 * 60);
    let times: Vec<&str> = acme.iter().map(|e| e["time"].as_str().unwrap()).collect();
    assert!(times.is_sorted(), "in the order of the ledger");
    let mut other = taken.iter().find(|e| e["subject"] == "other").unwrap().clone();
    other["id"] = "x".into();
    let expected = json!({
        "specversion": "1.0", "id": "x", "source": "quad/one", "type": "com.quadrille.session-minute", "subject": "other",
        "time": "2026-11-22T16:00:00Z", "datacontenttype": "application/json",
        "data": {"session_id": "o1", "minute_start": "2026-11-22T16:00:00Z", "billable_seconds": 7, "slate_seconds": 2,
            "slate_all_seconds": 0, "engine": "stitch", "layout": "2EH", "tier": "1080p", "game_count": 2,
            "games": ["a", "b"], "labels": {"box": "x1"}},
    });
    assert_eq!(other, expected);
    assert_eq!((house.metrics.export_events.get(), house.metrics.export_lag_seconds.get()), (181, 0));

    // Seconds that come late are an entry of their own, in the hour that is open, and go out when that is closed.
    house.book("other", "o1", START_MS, 20).await;
    house.pass(30, 1).await;
    assert_eq!(receiver.taken().len(), 181);
    house.close_at(START_MS + 2 * HOUR_MS + 10 * MINUTE_MS).await;
    house.outbound.run().await;
    let taken = receiver.taken();
    assert_each_once(&taken, 183);
    let late = taken.iter().rfind(|e| e["subject"] == "other").unwrap();
    assert_eq!(late["data"]["billable_seconds"], 13);
    assert_eq!(
        (&late["time"], &late["data"]["minute_start"]),
        (&json!("2026-11-22T17:00:00Z"), &json!("2026-11-22T16:00:00Z"))
    );
    assert_eq!(late["data"]["correction"]["reason"], "late_booking");
}

#[tokio::test]
async fn a_receiver_that_was_down_for_a_day_gets_all_of_it_each_entry_once() {
    let receiver = Receiver::start().await;
    let house = House::new(&exporting(&receiver, "batch = 20\n")).await;
    receiver.set(|_| Does::refuse(503));
    for hour in 0..24 {
        let hour_ms = START_MS + hour * HOUR_MS;
        house.book_minutes("acme", &format!("s{hour}"), hour_ms, 10).await;
        house.book("other", "o", hour_ms, 60).await;
        house.close_at(hour_ms + HOUR_MS).await;
        house.pass(3_600, 10).await;
    }
    assert_eq!(receiver.taken().len(), 0);
    let asked = receiver.got().len();
    assert!((200..450).contains(&asked), "every five minutes or a little less, by one for all: {asked}");
    assert_eq!(house.failures("answer"), asked as u64);
    let lag_s = (house.now_ms() - START_MS) / 1000;
    assert_eq!(house.metrics.export_lag_seconds.get(), lag_s);
    receiver.set(|_| Does::TAKE);
    house.pass(300, 10).await;
    assert_each_once(&receiver.taken(), 24 * 11);
    assert_eq!(house.metrics.export_lag_seconds.get(), 0);
    // One that cannot even be reached.
    let mut text = exporting(&receiver, "");
    text = text.replace(&receiver.address.port().to_string(), "1");
    let house = House::new(&text).await;
    house.book("acme", "s", START_MS, 60).await;
    house.close_at(START_MS + HOUR_MS).await;
    house.outbound.run().await;
    assert_eq!((house.failures("unreachable"), house.metrics.export_lag_seconds.get()), (1, 3_600));
}

#[tokio::test]
async fn a_receiver_is_left_alone_as_long_as_it_asks() {
    let receiver = Receiver::start().await;
    let house = House::new(&exporting(&receiver, "")).await;
    receiver.set(|_| Does { retry_after_s: Some(120), ..Does::refuse(429) });
    house.book("acme", "s", START_MS, 60).await;
    house.book("other", "o", START_MS, 60).await;
    house.close_at(START_MS + HOUR_MS).await;
    house.outbound.run().await;
    house.pass(119, 1).await;
    assert_eq!(receiver.got().len(), 1, "not another, of no tenant");
    receiver.set(|_| Does::TAKE);
    house.pass(1, 1).await;
    assert_each_once(&receiver.taken(), 2);
}

#[tokio::test]
async fn batches_that_are_too_large_are_halved_and_nothing_comes_twice() {
    let receiver = Receiver::start().await;
    let house = House::new(&exporting(&receiver, "")).await;
    receiver.set(|got| if got.events.len() > 30 { Does::refuse(413) } else { Does::TAKE });
    house.book_minutes("acme", "s1", START_MS, 60).await;
    house.book_minutes("acme", "s2", START_MS, 60).await;
    house.book_minutes("acme", "s3", START_MS + HOUR_MS, 60).await;
    house.close_at(START_MS + 2 * HOUR_MS).await;
    house.outbound.run().await;
    assert_each_once(&receiver.taken(), 180);
    let refused = receiver.got().iter().filter(|got| got.events.len() > 30).count();
    assert!(refused <= 4, "it is not asked for more than it takes all the time: {refused}");
    assert_eq!(house.metrics.export_waiting_tenants.get(), 0);
}

#[tokio::test]
async fn an_entry_that_is_refused_holds_up_its_tenant_alone_until_it_is_taken() {
    let receiver = Receiver::start().await;
    let house = House::new(&exporting(&receiver, "")).await;
    let is_poison = |event: &Value| event["data"]["session_id"] == "s37";
    receiver.set(move |got| if got.events.iter().any(is_poison) { Does::refuse(422) } else { Does::TAKE });
    for n in 0..80 {
        house.book("acme", &format!("s{n:02}"), START_MS, 60).await;
    }
    house.book_minutes("other", "o", START_MS, 60).await;
    house.close_at(START_MS + HOUR_MS).await;
    house.outbound.run().await;
    let before: BTreeSet<_> = (0..37).map(|n| format!("s{n:02}")).collect();
    let acme_taken = |receiver: &Receiver| {
        let of_acme = receiver.taken().into_iter().filter(|e| e["subject"] == "acme").collect::<Vec<_>>();
        minutes(&of_acme).into_iter().map(|(session, _)| session).collect::<BTreeSet<_>>()
    };
    assert_eq!(acme_taken(&receiver), before, "all before it, and nothing after it");
    assert_each_once(&receiver.taken(), 37 + 60);
    assert_eq!(house.metrics.export_waiting_tenants.get(), 1);
    let asked = receiver.got().len();
    house.pass(1_800, 5).await;
    let asked = receiver.got().len() - asked;
    assert!((6..25).contains(&asked), "with growing patience: {asked}");
    assert!(house.metrics.export_lag_seconds.get() >= 3_600 + 1_800);
    // The others go on meanwhile.
    house.book("other", "o2", START_MS + HOUR_MS, 60).await;
    house.close_at(START_MS + 2 * HOUR_MS).await;
    house.outbound.run().await;
    assert_eq!(receiver.taken().len(), 37 + 61);
    receiver.set(|_| Does::TAKE);
    house.pass(300, 5).await;
    assert_each_once(&receiver.taken(), 80 + 61);
    assert_eq!(house.metrics.export_waiting_tenants.get(), 0);
}

#[tokio::test]
async fn an_answer_that_is_lost_costs_a_repetition_with_the_same_ids_and_a_restart_none() {
    let receiver = Receiver::start().await;
    let house = House::new(&exporting(&receiver, "batch = 10\n")).await;
    house.book_minutes("acme", "s", START_MS, 60).await;
    house.close_at(START_MS + HOUR_MS).await;
    // Thirty are taken; of the next ten the receiver's answer says otherwise.
    let asked = Arc::new(Mutex::new(0));
    let count = asked.clone();
    receiver.set(move |_| {
        *count.lock().unwrap() += 1;
        if *count.lock().unwrap() == 4 { Does { takes: true, ..Does::refuse(500) } } else { Does::TAKE }
    });
    house.outbound.run().await;
    assert_eq!((*asked.lock().unwrap(), receiver.taken().len()), (4, 40));
    let house = house.restart().await;
    house.outbound.run().await;
    let taken = receiver.taken();
    assert_eq!(taken.len(), 70);
    assert_eq!(ids(&taken[30..40]), ids(&taken[40..50]), "the same entries have the same ids");
    let distinct: BTreeSet<_> = ids(&taken).into_iter().collect();
    assert_eq!(distinct.len(), 60);
    // All is out: another restart sends nothing.
    let house = house.restart().await;
    house.pass(10, 1).await;
    assert_eq!(receiver.taken().len(), 70);
}

fn with_thresholds(receiver: &Receiver) -> String {
    let url = receiver.url();
    format!(
        "{TENANTS}[[tenants.thresholds]]\nminutes = 100\nwebhook = \"{url}\"\nsecret = \"whsec\"\n\
         [[tenants.thresholds]]\ncost = \"12.50\"\ncurrency = \"EUR\"\nwebhook = \"{url}\"\n{OTHER}"
    )
}

/// What a receiver that knows the secret works out.
fn is_signed(signature: &str, secret: &str, body: &str) -> bool {
    use hmac::{Hmac, Mac};
    let (instant, digest) = signature.strip_prefix("t=").unwrap().split_once(",v1=").unwrap();
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{instant}.{body}").as_bytes());
    mac.verify_slice(&hex::decode(digest).unwrap()).is_ok()
}

#[tokio::test]
async fn a_threshold_is_told_within_a_minute_once_a_month_and_signed() {
    let receiver = Receiver::start().await;
    let house = House::new(&with_thresholds(&receiver)).await;
    house.standings.set("acme", START_MS, 99, "12.4999999999");
    house.standings.set("other", START_MS, 5_000, "900");
    house.pass(60, 1).await;
    assert!(receiver.got().is_empty());
    assert!(
        *house.standings.asked.lock().unwrap() <= 4,
        "it looks every 20 s, and only where there is something to compare"
    );
    house.standings.set("acme", START_MS, 100, "12.4999999999");
    house.pass(25, 1).await;
    let got = receiver.got();
    assert_eq!(got.len(), 1);
    assert_eq!(got[0].headers["content-type"], "application/cloudevents+json");
    let signature = got[0].headers["quadrille-signature"].to_str().unwrap();
    assert!(is_signed(signature, "whsec", &got[0].body) && !is_signed(signature, "other", &got[0].body), "{signature}");
    let mut event = got[0].events[0].clone();
    event["time"] = Value::Null;
    let expected = json!({
        "specversion": "1.0", "id": "acme/2026-11/minutes-100", "source": "quadrille",
        "type": "com.quadrille.threshold-passed", "subject": "acme", "time": null, "datacontenttype": "application/json",
        "data": {"month": "2026-11", "threshold": {"minutes": 100}, "billable_seconds": 5999, "billed_minutes": 100,
            "costs": [{"currency": "EUR", "cost": "12.4999999999"}]},
    });
    assert_eq!(event, expected);
    house.standings.set("acme", START_MS, 200, "12.50");
    house.pass(25, 1).await;
    let got = receiver.got();
    assert_eq!(got.len(), 2, "the cost too, and the minutes not again");
    assert_eq!(got[1].events[0]["data"]["threshold"], json!({"currency": "EUR", "cost": "12.5"}));
    assert!(!got[1].headers.contains_key("quadrille-signature"), "it has no secret");
    let house = house.restart().await;
    house.pass(60, 1).await;
    assert_eq!(receiver.got().len(), 2, "not again after a restart");
    // The next month begins at nothing, and has its own.
    let december_ms = Month::of(START_MS).end_ms;
    house.clock.advance_to(instant(december_ms + 2 * HOUR_MS));
    house.pass(60, 1).await;
    assert_eq!(receiver.got().len(), 2);
    house.standings.set("acme", december_ms, 150, "1");
    house.pass(30, 1).await;
    assert_eq!(receiver.taken().last().unwrap()["id"], "acme/2026-12/minutes-100");
    assert_each_once(&receiver.taken(), 3);
}

#[tokio::test]
async fn a_webhook_that_fails_is_told_later_also_by_the_next_process() {
    let receiver = Receiver::start().await;
    let house = House::new(&with_thresholds(&receiver)).await;
    receiver.set(|_| Does::refuse(500));
    house.standings.set("acme", START_MS, 150, "1");
    house.pass(600, 1).await;
    let got = receiver.got();
    assert!((6..15).contains(&got.len()), "with growing patience: {}", got.len());
    let house = house.restart().await;
    receiver.set(|_| Does::TAKE);
    house.pass(2, 1).await;
    assert_each_once(&receiver.taken(), 1);
    assert_eq!(receiver.got().last().unwrap().body, got[0].body, "to the letter what it was at first");
    // Said to have failed, yet taken: it comes again, under its own id.
    receiver.set(|_| Does { takes: true, ..Does::refuse(503) });
    house.standings.set("acme", START_MS, 150, "13");
    house.pass(21, 1).await;
    receiver.set(|_| Does::TAKE);
    house.pass(10, 1).await;
    let taken = receiver.taken();
    assert!(taken.len() > 2 && ids(&taken)[1..].iter().all(|id| *id == "acme/2026-11/EUR-12.5"), "{:?}", ids(&taken));
}

#[tokio::test]
async fn what_passes_in_a_months_last_seconds_is_told_in_the_next() {
    let receiver = Receiver::start().await;
    let house = House::new(&with_thresholds(&receiver)).await;
    let december_ms = Month::of(START_MS).end_ms;
    house.clock.advance_to(instant(december_ms - 5_000));
    house.standings.set("acme", START_MS, 99, "1");
    house.outbound.run().await;
    house.standings.set("acme", START_MS, 101, "1");
    house.pass(60, 1).await;
    assert_each_once(&receiver.taken(), 1);
    assert_eq!(receiver.taken()[0]["data"]["month"], "2026-11");
}

#[tokio::test]
async fn caps_are_noted_within_half_a_minute_and_free_with_the_month() {
    let text = format!("{TENANTS}cap_minutes = 100\ncap_cost = \"50\"\ncap_currency = \"EUR\"\n{OTHER}");
    let house = House::new(&text).await;
    house.standings.set("acme", START_MS, 99, "49.99");
    house.outbound.run().await;
    assert_eq!(house.caps.reached("acme", house.now_ms()), None);
    house.standings.set("acme", START_MS, 99, "50");
    house.pass(21, 1).await;
    let reached = house.caps.reached("acme", house.now_ms()).unwrap();
    assert_eq!((reached.cap.to_string(), reached.figure.to_string()), ("50 EUR".to_owned(), "50".to_owned()));
    assert_eq!(house.caps.reached("other", house.now_ms()), None);
    // Where nobody knows, nothing changes.
    *house.standings.fails.lock().unwrap() = true;
    house.pass(60, 1).await;
    assert!(house.caps.reached("acme", house.now_ms()).is_some());
    let december_ms = Month::of(START_MS).end_ms;
    assert_eq!(house.caps.reached("acme", december_ms), None, "at once, before anybody looked");
    *house.standings.fails.lock().unwrap() = false;
    // A correction, or a higher cap after a restart.
    house.standings.set("acme", START_MS, 99, "49");
    house.pass(21, 1).await;
    assert_eq!(house.caps.reached("acme", house.now_ms()), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn service_exports_what_was_watched_and_keeps_to_a_cap() {
    let receiver = Receiver::start().await;
    let dir = tempfile::tempdir().unwrap();
    let url = receiver.url();
    let output = "[output]\nfps = \"25\"\nsegment_frames = 25\nwindow_s = 6\npreset = \"ultrafast\"\n\
        [[output.renditions]]\nname = \"tiny\"\nwidth = 160\nheight = 90\nbitrate = 100_000\n";
    let ball = "test://ball?size=160x90&fps=25".to_owned();
    let mut config = config(dir.path(), &[("a", ball)], &format!("{output}[export]\nurl = \"{url}\"\n"));
    config.tenants[0].caps = vec![quadrille::usage::Amount::Minutes(1)];
    let service = TestService::start(&config).await;
    let body = json!({"games": ["a"]});
    let made = service.device(Method::POST, "/v1/sessions", Some(body.clone()), StatusCode::CREATED).await;
    let playlist = made["playback_url"].as_str().unwrap().replace("index.m3u8", "video/tiny.m3u8");
    service.crank_segments(4).await;
    for _ in 0..5 {
        service.text(&playlist).await;
        service.crank_segments(1).await;
    }
    // It is looked at every twenty seconds.
    service.crank_segments(20).await;
    let refused = service.device(Method::POST, "/v1/sessions", Some(body), StatusCode::PAYMENT_REQUIRED).await;
    assert_eq!(
        (&refused["code"], &refused["cap"], &refused["unit"]),
        (&json!("cap_reached"), &json!("1"), &json!("minutes"))
    );
    let answer = service.send(Method::GET, "/v1/multiview.m3u8?games=a", DEVICE, None).await;
    assert_eq!(answer.status(), StatusCode::PAYMENT_REQUIRED);
    assert!(!answer.headers().contains_key("retry-after"));
    assert_eq!(service.metric("quadrille_admission_refused_total{reason=\"cap\"}").await, 2.0);
    assert_eq!(service.metric("quadrille_export_events_total").await, 0.0);
    let now = service.stop().await;
    let service = TestService::start_at(&config, now + Duration::from_secs(2 * 3600)).await;
    service.service.sweep().await;
    let taken = receiver.taken();
    assert!(!taken.is_empty());
    assert_each_once(&taken, taken.len());
    let seconds: i64 = taken.iter().map(|e| e["data"]["billable_seconds"].as_i64().unwrap()).sum();
    let path = format!("/v1/sessions/{}", made["id"].as_str().unwrap());
    let session = service.device(Method::GET, &path, None, StatusCode::OK).await;
    assert_eq!(session["billable_seconds"], seconds, "{taken:#?}");
    assert!(seconds > 4);
    service.service.sweep().await;
    assert_eq!(receiver.taken().len(), taken.len());
    service.stop().await;
}
