//! What the ledger takes, in one run: `name value unit` a line.
//!
//! `ledger_lines_per_s` is how many meter lines are booked durably (`synchronous=FULL`, each commit waits for the disk), with the
//! sessions' rows and from the sessions' meters on, as the service books them: sweep by sweep, in batches as large as its own, while
//! the log is carried over beside it. The clock is cranked: a second of the audience's passes as soon as the one before is booked.
//!
//! `meter_overhead_percent` is the share of metering and booking in what it costs to serve. Sessions of the released program are
//! watched on mosaics of their own, playlists and segments. The serving cost is the processor time of the whole program, less what it
//! takes while nobody watches (decoding and encoding the games), so that the figure gets no better with dearer pictures. Of the
//! ledger's share, SQLite's threads are read off that same program. What it does on the async threads, among all else there, is
//! done once more here, for as many sessions and seconds: meters polled and advanced, rows and lines built and handed to a store;
//! the time of this process outside SQLite's threads is that part.
//!
//! `report_month_…` is how long reports of a month of ten million lines take, in closed hours: by day as JSON, by session as CSV, by game in
//! FOCUS's columns. The month is made once and kept.
//!
//! `cargo bench --bench ledger -- lines` measures the first alone, `-- month` the last.

#[path = "ledger/audience.rs"]
mod audience;
#[path = "many/buffer.rs"]
#[allow(dead_code, reason = "shared with the bench of many mosaics")]
mod buffer;
#[path = "service/child.rs"]
#[allow(dead_code, reason = "shared with the other benches of the released program")]
mod child;
#[path = "ledger/month.rs"]
mod month;
#[path = "many/player.rs"]
#[allow(dead_code, reason = "shared with the bench of many mosaics")]
mod player;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use audience::{Audience, ledger_seconds};
use child::Child;
use player::{Clock, Player, Seen};
use quadrille::store::SqliteStore;
use serde_json::json;

/// Sessions whose lines are booked.
const SESSIONS: usize = 5_000;
/// Long enough for several turns of the log.
const SUSTAINED: Duration = Duration::from_secs(20);

/// Sessions that are watched, and for how long.
const WATCHED: usize = 600;
const WATCHED_S: u64 = 40;
const SEGMENT: Duration = Duration::from_secs(2);

/// What SQLite's threads are called.
const SQLITE: &str = "sqlx-sqlite";

const GAMES: usize = 6;
const RENDITION: &str = "[[output.renditions]]\nname = \"540p\"\nwidth = 960\nheight = 540\nbitrate = 1_600_000\n\
    [sessions]\nmax_sessions = 10_000\n[stitch]\ntile_preset = \"veryfast\"\n";

#[tokio::main]
async fn main() {
    // On the disk that is built on: a folder in memory would flush nothing.
    let dir = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/target/bench-ledger"));
    let asked = |part: &str| {
        let mut parts =
            std::env::args().filter(|arg| ["lines", "overhead", "month"].contains(&arg.as_str())).peekable();
        parts.peek().is_none() || parts.any(|arg| arg == part)
    };
    if asked("lines") {
        lines_per_s(&dir).await;
    }
    if asked("overhead") {
        overhead(&dir).await;
    }
    if asked("month") {
        month::measure(&dir).await;
    }
}

async fn empty_store(dir: &Path) -> SqliteStore {
    // There may be none from before.
    let _ = std::fs::remove_dir_all(dir);
    SqliteStore::open(dir).await.expect("a store")
}

async fn lines_per_s(dir: &Path) {
    let folder = dir.join("lines");
    let store = empty_store(&folder).await;
    let mut audience = Audience::new(SESSIONS);
    // The sessions' rows are made before they are booked.
    while audience.pass_second(&store).await == 0 {}
    let (cpu, began) = (own_cpu(), Instant::now());
    let mut lines = 0;
    while began.elapsed() < SUSTAINED {
        lines += audience.pass_second(&store).await;
    }
    let (took, used) = (began.elapsed().as_secs_f64(), own_cpu() - cpu);
    println!("ledger_lines_per_s {:.0} lines/s", lines as f64 / took);
    println!("ledger_cpu_us_per_line {:.1} us", used.as_secs_f64() * 1e6 / lines as f64);
    let log = folder.join("quadrille.sqlite-wal").metadata().map_or(0, |log| log.len());
    println!("ledger_log_mib {:.0} MiB", log as f64 / 1024.0 / 1024.0);
    audience.book(&store).await;
    let (metered, booked) = (audience.billable_seconds(), ledger_seconds(&store).await);
    assert_eq!(u64::try_from(booked), Ok(metered), "the ledger has what was metered");
}

/// Processor time of this process.
fn own_cpu() -> Duration {
    child::threads_cpu(std::process::id(), "")
}

async fn overhead(dir: &Path) {
    let sources = ["ball", "pinwheel", "smpte"];
    let source = |n: usize| format!("test://{}?size=960x540&tone={}", sources[n % sources.len()], 300 + 100 * n);
    let games: Vec<(String, String)> = (0..GAMES).map(|n| (format!("g{n}"), source(n))).collect();
    let service = Child::start(dir, &games, RENDITION).await;
    // Every tile of the layout runs, and has something in its window.
    while service.metric("quadrille_encoders{kind=\"tile\"}").await < GAMES as f64 {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    tokio::time::sleep(SEGMENT * 15).await;
    let idle = cpu_within(&service, Duration::from_secs(15)).await;
    let mut urls = Vec::new();
    for n in 0..WATCHED {
        let games: Vec<String> = (0..4).map(|slot| format!("g{}", n / GAMES.pow(slot) % GAMES)).collect();
        let session = service.create(json!({"games": games, "layout": "4E", "engine": "stitch"})).await;
        urls.push(session["playback_url"].as_str().expect("a URL").to_owned());
    }
    let clock = Clock::new(SEGMENT);
    let watch = |(n, url): (usize, &String)| {
        let start = Instant::now() + SEGMENT.mul_f64(n as f64 / WATCHED as f64);
        tokio::spawn(Player::new(url, "540p").watch(clock, start, Duration::from_secs(WATCHED_S + 10)))
    };
    let watching: Vec<_> = urls.iter().enumerate().map(watch).collect();
    tokio::time::sleep(SEGMENT * 3).await;
    let busy = cpu_within(&service, Duration::from_secs(WATCHED_S)).await;
    let mut seen = Seen::default();
    for player in watching {
        seen.add(player.await.expect("a player ends"));
    }
    assert_eq!(seen.errors, 0, "every request is answered");
    drop(service);
    let asynchronous = async_share(&dir.join("async")).await;
    let serving = busy.all - idle.all;
    let metering = busy.sqlite + asynchronous;
    println!("meter_serving_cpu_ms_per_s {:.2} ms/s", serving * 1e3);
    println!("meter_sqlite_cpu_ms_per_s {:.2} ms/s", busy.sqlite * 1e3);
    println!("meter_async_cpu_ms_per_s {:.2} ms/s", asynchronous * 1e3);
    println!("meter_overhead_percent {:.2} %", 100.0 * metering / serving);
}

/// Processor seconds a second.
struct Cpu {
    all: f64,
    sqlite: f64,
}

async fn cpu_within(service: &Child, length: Duration) -> Cpu {
    let (all, sqlite, began) = (service.threads_cpu(""), service.threads_cpu(SQLITE), Instant::now());
    tokio::time::sleep(length).await;
    let took = began.elapsed().as_secs_f64();
    Cpu {
        all: (service.threads_cpu("") - all).as_secs_f64() / took,
        sqlite: (service.threads_cpu(SQLITE) - sqlite).as_secs_f64() / took,
    }
}

/// What as many sessions as are watched cost a second outside SQLite's threads.
async fn async_share(dir: &Path) -> f64 {
    let store = empty_store(dir).await;
    let mut audience = Audience::new(WATCHED);
    while audience.pass_second(&store).await == 0 {}
    let own = |name| child::threads_cpu(std::process::id(), name);
    let before = own("") - own(SQLITE);
    for _ in 0..WATCHED_S {
        audience.pass_second(&store).await;
    }
    (own("") - own(SQLITE) - before).as_secs_f64() / WATCHED_S as f64
}
