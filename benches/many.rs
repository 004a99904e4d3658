//! `make bench-3000`: three thousand distinct live mosaics on this machine, each watched by a player of its own for five
//! minutes. Prints `name value unit` a line.
//!
//! The players are honest about time, not about pictures: each asks for its playlist and for what is new in it once a segment duration,
//! reads every byte and throws it away. It counts what it has ahead of it as a player's buffer, and stalls when that runs dry.

#[path = "many/buffer.rs"]
mod buffer;
#[path = "service/child.rs"]
#[allow(dead_code, reason = "shared with the other bench of the released program")]
mod child;
#[path = "many/player.rs"]
mod player;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use child::Child;
use player::{Clock, Player, Seen};
use serde_json::json;
use tokio::sync::Semaphore;

/// Of eight games, four at a time in any order, there are 4,096 mosaics of one layout, and eight tiles.
const GAMES: usize = 8;
const SEGMENT: Duration = Duration::from_secs(2);

/// Requests under way at once while sessions are made.
const CREATES_AT_ONCE: usize = 16;

/// Everything on this machine but the players: the quickest preset leaves them room, and so do tiles that no mosaic of theirs needs.
const RENDITION: &str = "[[output.renditions]]\nname = \"540p\"\nwidth = 960\nheight = 540\nbitrate = 1_600_000\n\
    [sessions]\nmax_sessions = 10_000\n[stitch]\ntile_preset = \"ultrafast\"\nkeep_warm = false\n";

/// Synthetic games: pictures that move all over, sound that differs. Decoding six clips is not what this measures.
const SOURCES: [&str; GAMES] = [
    "test://ball?size=1280x720&tone=300",
    "test://pinwheel?size=1280x720&tone=400",
    "test://ball?size=1280x720&tone=500&label=Second",
    "test://smpte?size=1280x720&tone=600",
    "test://pinwheel?size=960x540&tone=700",
    "test://ball?size=960x540&tone=800&label=Third",
    "test://smpte?size=960x540&tone=900",
    "test://pinwheel?size=1280x720&tone=1000&label=Fourth",
];

#[tokio::main]
async fn main() {
    let argument = |name: &str, default: u64| {
        let value = std::env::args().find_map(|a| a.strip_prefix(name)?.strip_prefix('=')?.parse().ok());
        value.unwrap_or(default)
    };
    let (count, seconds) = (argument("--sessions", 3000) as usize, argument("--seconds", 300));
    let dir = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/target/bench"));
    std::fs::create_dir_all(&dir).expect("target/bench can be made");
    let games: Vec<(String, String)> =
        SOURCES.iter().enumerate().map(|(n, source)| (format!("g{n}"), (*source).to_owned())).collect();
    let service = Child::start(&dir, &games, RENDITION).await;
    let before = (service.cpu(), Instant::now());
    let sessions = create_all(&service, count).await;
    println!("many_sessions {} sessions", sessions.len());
    println!("many_create_s {:.1} s", before.1.elapsed().as_secs_f64());
    println!("many_mosaics {} mosaics", service.metric("quadrille_mosaics{engine=\"stitch\"}").await);
    println!("many_tiles {} encoders", service.metric("quadrille_encoders{kind=\"tile\"}").await);
    // The stills before what moves are over: what is measured is what goes on for hours.
    tokio::time::sleep(SEGMENT * 6).await;

    let (cpu, began) = (service.cpu(), Instant::now());
    let clock = Clock::new(SEGMENT);
    let watching = sessions.into_iter().enumerate().map(|(n, url)| {
        // Spread over the segment, as viewers are.
        let start = began + SEGMENT.mul_f64(n as f64 / count as f64);
        tokio::spawn(Player::new(&url, "540p").watch(clock, start, Duration::from_secs(seconds)))
    });
    let mut seen = Seen::default();
    for player in watching.collect::<Vec<_>>() {
        seen.add(player.await.expect("a player ends"));
    }
    let cores = (service.cpu() - cpu).as_secs_f64() / began.elapsed().as_secs_f64();
    let late = service.metric("quadrille_late_segments_total").await as u64;
    println!("many_segments {} segments", seen.segments);
    println!("late_segments {} segments", seen.late + late);
    println!("missing_segments {} segments", seen.missing);
    println!("errors {} requests", seen.errors);
    println!("many_stalled_players {} players", seen.stalled_players);
    println!("many_never_began {} players", seen.never_began);
    println!("many_stalls {} stalls", seen.playing.stalls);
    println!("many_stall_s {:.1} s", seen.playing.stalled.as_secs_f64());
    println!("many_buffer_least_s {:.2} s", seen.playing.least.unwrap_or_default().as_secs_f64());
    println!("many_segment_p50_ms {:.1} ms", seen.percentile_ms(50));
    println!("many_segment_p99_ms {:.1} ms", seen.percentile_ms(99));
    println!("many_mbit_per_s {:.0} Mb/s", seen.bytes as f64 * 8.0 / began.elapsed().as_secs_f64() / 1e6);
    println!("many_service_cores {cores:.2} cores");
    println!("many_peak_rss_mib {:.0} MiB", service.peak_rss_mib());
}

/// Playback URLs of `count` sessions, each with a mosaic of its own.
async fn create_all(service: &Child, count: usize) -> Vec<String> {
    const SLOTS: u32 = 4;
    let all = GAMES.pow(SLOTS);
    assert!(count <= all, "there are {all} mosaics");
    let places = Arc::new(Semaphore::new(CREATES_AT_ONCE));
    let creates = (0..count).map(|n| {
        let (service, places) = (service.handle(), places.clone());
        tokio::spawn(async move {
            let _place = places.acquire().await.expect("it is never closed");
            let games: Vec<String> = (0..SLOTS).map(|slot| format!("g{}", n / GAMES.pow(slot) % GAMES)).collect();
            let session = service.create_in_time(json!({"games": games, "layout": "4E", "engine": "stitch"})).await;
            session["playback_url"].as_str().expect("a URL").to_owned()
        })
    });
    let mut urls = Vec::new();
    for create in creates.collect::<Vec<_>>() {
        urls.push(create.await.expect("a create finishes"));
    }
    urls
}
