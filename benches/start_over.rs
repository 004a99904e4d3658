//! `make bench`: what it takes to keep what was played, and to play it again. Prints `name value unit` a line.
//!
//! Four games of real movement, all tiles of `4E` at 1080p recorded. Memory keeps seven segments; what is asked for is older, in an order of games that
//! nobody watched, and out of the system's page cache.

#[path = "service/child.rs"]
#[allow(dead_code, reason = "shared with the other benches of the released program")]
mod child;
#[path = "service/clips.rs"]
mod clips;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use child::Child;
use serde_json::json;

const REST: &str = "window_s = 6\n\
    [[output.renditions]]\nname = \"1080p\"\nwidth = 1920\nheight = 1080\nbitrate = 6_000_000\n\
    [stitch]\nkeep_warm = false\ntile_preset = \"veryfast\"\n[start_over]\nlayouts = [\"4E\"]\n";

/// Decoding is measured elsewhere: two cores are to have room for the tiles.
const FEEDS: &str = "feeds = \"inside\"\n";

/// Until tiles run and bits are what they mostly are.
const SETTLED: Duration = Duration::from_secs(15);
/// Until there is room for all tiles.
const ROOM_WITHIN: Duration = Duration::from_secs(120);
const MEASURED: Duration = Duration::from_secs(60);
const GAMES: f64 = 4.0;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let dir = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/target/bench"));
    let clips = clips::make(&dir);
    let service = Child::start_with(&dir, FEEDS, &clips::games(&clips), REST).await;
    // Ahead of demand tiles have no more than part of the machine; somebody watches, in another order than the one that is asked for.
    service.create_in_time(json!({"games": ["g0", "g1", "g2", "g3"], "layout": "4E"})).await;
    let began = Instant::now();
    while service.metric("quadrille_encoders{kind=\"tile\"}").await < GAMES {
        assert!(
            began.elapsed() < ROOM_WITHIN,
            "the machine has no room for the tiles of four games: nothing of one would be kept"
        );
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    tokio::time::sleep(SETTLED).await;
    let (cpu, bytes, began) =
        (service.threads_cpu("shelf"), service.metric("quadrille_shelf_bytes").await, Instant::now());
    tokio::time::sleep(MEASURED).await;
    let taken = (service.threads_cpu("shelf") - cpu).as_secs_f64() / began.elapsed().as_secs_f64();
    let written = service.metric("quadrille_shelf_bytes").await - bytes;
    println!("dvr_write_cpu_percent {:.2} %", 100.0 * taken);
    println!("dvr_game_hour_gb {:.2} GB", written / began.elapsed().as_secs_f64() * 3600.0 / GAMES / 1e9);

    let session = service.create(json!({"games": ["g3", "g1", "g0", "g2"], "layout": "4E"})).await;
    let index = session["playback_url"].as_str().expect("a session has one").to_owned();
    let index = &index[index.find("/v1/play").expect("it is a path of ours")..];
    let listed = text(&service, &format!("{index}?start=60")).await;
    let uri = listed.lines().find(|line| !line.starts_with('#') && line.contains("video/")).expect("a rendition");
    let playlist = text(&service, &index.replace("index.m3u8", uri)).await;
    let old: Vec<&str> = playlist.lines().filter(|line| line.ends_with(".m4s")).take(20).collect();
    assert_eq!(old.len(), 20, "{playlist}");
    let mut took = Vec::new();
    for address in old {
        forget_pages(&dir.join("data/start-over"));
        let began = Instant::now();
        assert!(service.bytes(address).await.len() > 10_000);
        took.push(began.elapsed());
    }
    took.sort();
    println!("dvr_gather_ms {:.1} ms", took[took.len() / 2].as_secs_f64() * 1000.0);
}

async fn text(service: &Child, path: &str) -> String {
    String::from_utf8(service.bytes(path).await).expect("a playlist is text")
}

/// Lets the system forget what it has read or written of the window, as of hours ago.
fn forget_pages(dir: &Path) {
    for entry in std::fs::read_dir(dir).expect("the window is there") {
        let path = entry.expect("it can be read").path();
        if path.is_dir() {
            forget_pages(&path);
            continue;
        }
        let file = File::open(&path).expect("it can be read");
        // What is not on the disk yet cannot be forgotten.
        file.sync_all().expect("it is written");
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).expect("the system takes advice");
    }
}
