//! `make bench`: what it takes to tell players what is there. Prints `name value unit` a line.
//!
//! Three thousand sessions of distinct mosaics that ask for their playlists as players do, and ten thousand requests that wait for a segment at
//! the same time.

#[path = "follow/asking.rs"]
mod asking;
#[path = "service/child.rs"]
#[allow(dead_code, reason = "shared with the other benches of the released program")]
mod child;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use asking::Asking;
use child::Child;
use serde_json::json;
use tokio::sync::Semaphore;

const GAMES: usize = 6;
const SESSIONS: usize = 3000;
const WAITERS: usize = 10_000;
const SEGMENT: Duration = Duration::from_secs(2);
/// How long playlists are asked for.
const FOLLOWED: Duration = Duration::from_secs(20);

/// How long one cost is measured, how often those whose difference counts, and how many ask at once.
const COSTED: Duration = Duration::from_secs(4);
const COST_ROUNDS: usize = 5;
const ASKED_AT_ONCE: usize = 4;

/// Requests under way at once while sessions are made.
const CREATES_AT_ONCE: usize = 16;

const REST: &str = "[[output.renditions]]\nname = \"360p\"\nwidth = 640\nheight = 360\nbitrate = 800_000\n\
    [sessions]\nmax_sessions = 10_000\nidle_s = 300\n[stitch]\ntile_preset = \"ultrafast\"\nkeep_warm = false\n";

#[tokio::main]
async fn main() {
    raise_open_files();
    let dir = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/target/bench"));
    std::fs::create_dir_all(&dir).expect("target/bench can be made");
    let game = |n: usize| (format!("g{n}"), format!("test://ball?size=640x360&tone={}", 300 + 100 * n));
    let service = Child::start(&dir, &(0..GAMES).map(game).collect::<Vec<_>>(), REST).await;
    let playlists = create_all(&service).await;
    tokio::time::sleep(SEGMENT * 6).await;

    let began = Instant::now();
    let asking = playlists.iter().enumerate().map(|(n, path)| {
        // Spread over the segment, as viewers are.
        let start = began + SEGMENT.mul_f64(n as f64 / SESSIONS as f64);
        tokio::spawn(Asking::new(service.address(), path).every(SEGMENT, start, began + FOLLOWED))
    });
    let mut latencies = Vec::new();
    for asked in asking.collect::<Vec<_>>() {
        latencies.extend(asked.await.expect("it ends"));
    }
    latencies.sort();
    let ms = |percent: usize| latencies[(latencies.len() - 1) * percent / 100].as_secs_f64() * 1000.0;
    println!("playlist_p50_ms {:.2} ms", ms(50));
    println!("playlist_p99_ms {:.2} ms", ms(99));
    costs(&service, &playlists).await;

    waiters(&service, &playlists).await;
}

/// How many playlists a core tells in a second, with all of these sessions there, and what of that is finding out whether an address is one that was given.
async fn costs(service: &Child, playlists: &[String]) {
    let playlist_us = cost_us(service, playlists).await;
    println!("requests_per_s {:.0} requests", 1e6 / playlist_us);
    // Both are refused with the same words: one has no signature, and of the other the signature is reckoned.
    let forged = |path: &String, by: &str| {
        let element = path.split('/').nth(3).expect("a token");
        let (said, signature) = element.rsplit_once('~').expect("a signature");
        let other: String = signature.chars().map(|c| if c == 'A' { 'B' } else { 'A' }).collect();
        path.replace(element, &format!("{said}{by}{other}"))
    };
    let unsigned: Vec<String> = playlists.iter().map(|path| forged(path, "-")).collect();
    let signed: Vec<String> = playlists.iter().map(|path| forged(path, "~")).collect();
    let mut overheads = Vec::new();
    for _ in 0..COST_ROUNDS {
        overheads.push(cost_us(service, &signed).await - cost_us(service, &unsigned).await);
    }
    overheads.sort_by(f64::total_cmp);
    println!("auth_overhead_us {:.1} us", overheads[overheads.len() / 2]);
}

/// Processor time that the service takes for one of these requests, beside what it does all the while, in microseconds.
async fn cost_us(service: &Child, paths: &[String]) -> f64 {
    let (cpu, began) = (service.cpu(), Instant::now());
    tokio::time::sleep(COSTED).await;
    let else_of_a_second = (service.cpu() - cpu).as_secs_f64() / began.elapsed().as_secs_f64();
    let (cpu, began) = (service.cpu(), Instant::now());
    let asking = (0..ASKED_AT_ONCE).map(|n| {
        let paths: Vec<String> = paths.iter().skip(n).step_by(ASKED_AT_ONCE).cloned().collect();
        tokio::spawn(Asking::new(service.address(), "").hurrying(paths, began + COSTED))
    });
    let mut asked = 0;
    for count in asking.collect::<Vec<_>>() {
        asked += count.await.expect("it ends");
    }
    let busy = (service.cpu() - cpu).as_secs_f64() - else_of_a_second * began.elapsed().as_secs_f64();
    busy * 1e6 / asked as f64
}

/// Ten thousand reloads of the segment after the next, each on a connection of its own.
async fn waiters(service: &Child, playlists: &[String]) {
    let mut waiting = Vec::with_capacity(WAITERS);
    for n in 0..WAITERS {
        let mut asking = Asking::new(service.address(), &playlists[n % playlists.len()]);
        asking.connect().await.expect("it takes connections");
        waiting.push(asking);
    }
    // They differ by one at most, where a segment ends meanwhile; who is two ahead is refused.
    let newest = waiting[0].newest().await.expect("there is one");
    let before = service.footprint().memory_kib;
    let began = Instant::now();
    let mut answers = Vec::with_capacity(WAITERS);
    for asking in waiting {
        answers.push(tokio::spawn(asking.wait_for(newest + 2)));
    }
    // All of them were sent, and no segment more than the next has come.
    tokio::time::sleep(SEGMENT / 2).await;
    let held = answers.iter().filter(|answer| !answer.is_finished()).count();
    let memory_kib = service.footprint().memory_kib.saturating_sub(before);
    let mut answered = 0;
    for answer in answers {
        answered += usize::from(answer.await.expect("it ends").is_ok());
    }
    println!("blocking_waiters {held} requests");
    println!("blocking_waiters_mib {:.0} MiB", memory_kib as f64 / 1024.0);
    println!("blocking_waiters_answered {answered} requests");
    println!("blocking_waiters_s {:.2} s", began.elapsed().as_secs_f64());
}

/// The media playlists of so many sessions, each with a mosaic of its own.
async fn create_all(service: &Child) -> Vec<String> {
    let of = |layout: &'static str, slots: u32| {
        (0..GAMES.pow(slots)).map(move |n| (layout, (0..slots).map(|s| n / GAMES.pow(s) % GAMES).collect::<Vec<_>>()))
    };
    let all = of("4E", 4).chain(of("4PL", 4)).chain(of("3EL", 3)).chain(of("3PL", 3));
    let places = Arc::new(Semaphore::new(CREATES_AT_ONCE));
    let creates = all.take(SESSIONS).map(|(layout, games)| {
        let (service, places) = (service.handle(), places.clone());
        tokio::spawn(async move {
            let _place = places.acquire().await.expect("it is never closed");
            let games: Vec<String> = games.iter().map(|n| format!("g{n}")).collect();
            let session = service.create_in_time(json!({"games": games, "layout": layout, "engine": "stitch"})).await;
            let url = session["playback_url"].as_str().expect("a URL");
            url[url.find("/v1/play").expect("a path")..].replace("index.m3u8", "video/360p.m3u8?low_latency=true")
        })
    });
    let mut playlists = Vec::new();
    for create in creates.collect::<Vec<_>>() {
        playlists.push(create.await.expect("a create finishes"));
    }
    playlists
}

/// Sockets are files: as many as may be. The service's process inherits it.
fn raise_open_files() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = rustix::process::Rlimit { current: limit.maximum, maximum: limit.maximum };
    setrlimit(Resource::Nofile, raised).expect("the limit can be raised to its maximum");
}
