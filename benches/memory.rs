//! What a machine needs of memory and threads for each game, tile, rendered mosaic and session, on the released program with the default
//! ladder: `name value unit` a line. Each is the difference between two states of the service that differ in that alone, both
//! with their windows full.

#[path = "service/child.rs"]
#[allow(dead_code, reason = "shared with the other benches of the released program")]
mod child;
#[path = "service/clips.rs"]
mod clips;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use child::{Child, Footprint};
use serde_json::{Value, json};

const LADDER: &str = "[[output.renditions]]\nname = \"1080p\"\nwidth = 1920\nheight = 1080\nbitrate = 6_000_000\n\
    [[output.renditions]]\nname = \"540p\"\nwidth = 960\nheight = 540\nbitrate = 1_600_000\n\
    [sessions]\nmax_sessions = 10_000\n[admission]\nheadroom_percent = 100\n[stitch]\nkeep_warm = false\n\
    tile_preset = \"ultrafast\"\n";
/// The whole window of thirty seconds, and what is made beside it.
const FULL: Duration = Duration::from_secs(40);
const SESSIONS: usize = 5000;
const TILES: f64 = 4.0;
const GAMES: usize = 4;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let dir = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/target/bench"));
    let clips = clips::make(&dir);
    let games = clips::games(&clips);
    let one = {
        let service = Child::start(&dir, &games[..1], LADDER).await;
        tokio::time::sleep(FULL / 4).await;
        service.footprint()
    };
    let service = Child::start(&dir, &games, LADDER).await;
    tokio::time::sleep(FULL / 4).await;
    let all = service.footprint();
    say("game", one, all, (GAMES - 1) as f64);
    let per_game = (all.memory_kib as f64 - one.memory_kib as f64) / (GAMES - 1) as f64;
    println!("memory_service_mib {:.0} MiB", (one.memory_kib as f64 - per_game) / 1024.0);

    let stitched = watched(&service, "stitch").await;
    let tiles = service.footprint();
    say("tile", all, tiles, TILES);
    // Everyone has a seat of their own in the same mosaic: what one more costs is theirs alone.
    let before = service.footprint();
    for _ in 0..SESSIONS {
        let session = service.create(four("stitch")).await;
        service.until_listed(&session, "540p").await;
    }
    let kib = (service.footprint().memory_kib as f64 - before.memory_kib as f64) / SESSIONS as f64;
    println!("memory_session_kib {:.1} KiB", kib.max(0.0));
    service.end(&stitched).await;
    drop(service);

    // A fresh one: what tiles leave in the windows is not to be told from what a render takes.
    let service = Child::start(&dir, &games, LADDER).await;
    tokio::time::sleep(FULL / 4).await;
    let all = service.footprint();
    watched(&service, "render").await;
    say("render", all, service.footprint(), 1.0);
}

fn say(what: &str, before: Footprint, after: Footprint, count: f64) {
    let per_one = |before: u64, after: u64| (after as f64 - before as f64) / count;
    println!("memory_{what}_mib {:.1} MiB", per_one(before.memory_kib, after.memory_kib) / 1024.0);
    println!("threads_{what} {:.1} threads", per_one(before.threads, after.threads));
}

fn four(engine: &str) -> Value {
    json!({"games": ["g0", "g1", "g2", "g3"], "layout": "4E", "engine": engine})
}

/// A session that is watched until the windows are full.
async fn watched(service: &Child, engine: &str) -> Value {
    let session = service.create(four(engine)).await;
    service.until_listed(&session, "1080p").await;
    let began = Instant::now();
    while began.elapsed() < FULL {
        // Nothing is fetched: packaged segments are kept up to a bound of their own, whoever's they are.
        service.until_listed(&session, "1080p").await;
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    session
}
