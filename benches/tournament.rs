//! `make bench-tournament`: every match of a tournament in every sponsor's skin at once, each polled as a cache polls it: 63 matches in 25 skins for five
//! minutes, then 3,000 outputs of 40 matches in three languages. Prints `name value unit` a line, and ends with 1 where anything was late or missing or
//! an encoder ran that need not.
//!
//! `--matches=8 --skins=25 --languages=1 --seconds=30` polls those alone. `--drawn=1`: the service draws the matches, and decodes nothing.

#[path = "many/buffer.rs"]
mod buffer;
#[path = "service/child.rs"]
#[allow(dead_code, reason = "shared with other benches of the released program")]
mod child;
#[path = "variants/outputs.rs"]
#[allow(dead_code, reason = "shared with the other bench of outputs")]
mod outputs;
#[path = "many/player.rs"]
mod player;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use child::Child;
use player::{Clock, Player, Seen};
use tokio::sync::Semaphore;

const SEGMENT: Duration = Duration::from_secs(2);

/// Requests under way at once while outputs are opened.
const OPENED_AT_ONCE: usize = 16;

/// One rendition, the quickest preset, no tiles that nobody needs, and games decoded in the service: a process for each of 63 is not what this measures.
const REST: &str = "[[output.renditions]]\nname = \"360p\"\nwidth = 640\nheight = 360\nbitrate = 600_000\n\
    [stitch]\ntile_preset = \"ultrafast\"\nkeep_warm = false\n";

#[derive(Clone, Copy)]
struct Round {
    name: &'static str,
    matches: usize,
    skins: usize,
    /// 0: no market is named.
    languages: usize,
    seconds: u64,
}

#[tokio::main]
async fn main() -> ExitCode {
    let argument =
        |name: &str| std::env::args().find_map(|a| a.strip_prefix(name)?.strip_prefix('=')?.parse::<u64>().ok());
    let seconds = argument("--seconds").unwrap_or(300);
    let rounds = match argument("--matches") {
        Some(matches) => vec![Round {
            name: "tournament",
            matches: matches as usize,
            skins: argument("--skins").unwrap_or(25) as usize,
            languages: argument("--languages").unwrap_or(0) as usize,
            seconds,
        }],
        None => vec![
            Round { name: "tournament", matches: 63, skins: 25, languages: 0, seconds },
            Round { name: "languages", matches: 40, skins: 25, languages: 3, seconds },
        ],
    };
    let mut holds = true;
    for round in rounds {
        holds &= polled(round, argument("--drawn") == Some(1)).await;
    }
    if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Polls every output of a round; whether nothing was late, missing or too much.
async fn polled(round: Round, is_drawn: bool) -> bool {
    let Round { name, matches, skins, languages, seconds } = round;
    let dir = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/target/bench"));
    std::fs::create_dir_all(&dir).expect("target/bench can be made");
    let games = if is_drawn { outputs::drawn(matches) } else { outputs::matches(&dir, matches) };
    let rest = format!("{REST}{}", outputs::configured(&dir, skins, languages));
    let service = Child::start_with(&dir, "feeds = \"inside\"\n", &games, &rest).await;
    let began = Instant::now();
    let urls = open_all(&service, round).await;
    let count = urls.len();
    println!("{name}_outputs {count} outputs");
    println!("{name}_open_s {:.1} s", began.elapsed().as_secs_f64());
    // The stills before what moves are over: what is measured is what goes on for hours.
    tokio::time::sleep(SEGMENT * 6).await;

    let (cpu, began) = (service.cpu(), Instant::now());
    let clock = Clock::new(SEGMENT);
    let late_before = service.metric("quadrille_late_segments_total").await as u64;
    let watching = urls.into_iter().enumerate().map(|(n, url)| {
        // Spread over the segment, as caches are.
        let start = began + SEGMENT.mul_f64(n as f64 / count as f64);
        tokio::spawn(Player::new(&url, "360p").watch(clock, start, Duration::from_secs(seconds)))
    });
    let watching: Vec<_> = watching.collect();
    tokio::time::sleep(Duration::from_secs(seconds / 2)).await;
    let encoders = service.metric("quadrille_encoders{kind=\"tile\"}").await
        + service.metric("quadrille_encoders{kind=\"render\"}").await;
    let (art, polled) = (service.metric("quadrille_art_tiles").await, service.metric("quadrille_outputs").await);
    let mut seen = Seen::default();
    for player in watching {
        seen.add(player.await.expect("a player ends"));
    }
    let cores = (service.cpu() - cpu).as_secs_f64() / began.elapsed().as_secs_f64();
    let late = seen.late + service.metric("quadrille_late_segments_total").await as u64 - late_before;
    println!("{name}_polled {polled} outputs");
    println!("{name}_encoders {encoders} encoders");
    println!("{name}_art_tiles {art} tiles");
    println!("{name}_segments {} segments", seen.segments);
    println!("{name}_late {late} segments");
    println!("{name}_missing {} segments", seen.missing);
    println!("{name}_errors {} requests", seen.errors);
    println!("{name}_stalls {} stalls", seen.playing.stalls);
    println!("{name}_segment_p99_ms {:.1} ms", seen.percentile_ms(99));
    println!("{name}_mbit_per_s {:.0} Mb/s", seen.bytes as f64 * 8.0 / began.elapsed().as_secs_f64() / 1e6);
    println!("{name}_cores {cores:.2} cores");
    println!("{name}_peak_rss_mib {:.0} MiB", service.peak_rss_mib());
    late + seen.missing + seen.errors == 0 && encoders <= matches as f64 && polled == count as f64
}

/// The URLs of all outputs.
async fn open_all(service: &Child, round: Round) -> Vec<String> {
    let Round { matches, skins, languages, .. } = round;
    let markets: Vec<String> = match languages {
        0 => vec![String::new()],
        some => (0..some).map(|n| format!("?market=l{n}")).collect(),
    };
    let places = Arc::new(Semaphore::new(OPENED_AT_ONCE));
    let mut opening = Vec::new();
    for game in 0..matches {
        for skin in 0..skins {
            for market in &markets {
                let path = format!("/v1/out/m{game}/s{skin}/index.m3u8{market}");
                let (address, places) = (service.address().to_owned(), places.clone());
                opening.push(tokio::spawn(async move {
                    let _place = places.acquire().await.expect("it is never closed");
                    outputs::opened(&address, &path).await
                }));
            }
        }
    }
    let mut urls = Vec::new();
    for opened in opening {
        urls.push(opened.await.expect("an output opens"));
    }
    urls
}
