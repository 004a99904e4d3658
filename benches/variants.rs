//! `make bench`: what a sponsor's version of a match costs. Prints `name value unit` a line.
//!
//! One match in one skin, polled and fetched as a cache does it; the same in twenty-five; and in twenty-five with four markets, a hundred outputs.

#[path = "many/buffer.rs"]
mod buffer;
#[path = "service/child.rs"]
#[allow(dead_code, reason = "shared with other benches of the released program")]
mod child;
#[path = "variants/outputs.rs"]
#[allow(dead_code, reason = "shared with the other bench of outputs")]
mod outputs;
#[path = "service/pairs.rs"]
mod pairs;
#[path = "many/player.rs"]
#[allow(dead_code, reason = "shared with the benches of many players")]
mod player;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use child::Child;
use pairs::pairs;
use player::{Clock, Player, Seen};
use serde_json::json;

const SEGMENT: Duration = Duration::from_secs(2);
const SKINS: usize = 25;
const MARKETS: usize = 4;
/// How long outputs are polled, each time.
const POLLED: Duration = Duration::from_secs(20);

const REST: &str = "[[output.renditions]]\nname = \"1080p\"\nwidth = 1920\nheight = 1080\nbitrate = 6_000_000\n\
    [[output.renditions]]\nname = \"540p\"\nwidth = 960\nheight = 540\nbitrate = 1_600_000\n[stitch]\nkeep_warm = false\n";

#[tokio::main]
async fn main() {
    let dir = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/target/bench"));
    std::fs::create_dir_all(&dir).expect("target/bench can be made");
    let game = vec![("m0".to_owned(), "test://ball?size=1280x720&fps=30&tone=300".to_owned())];
    let rest = format!("{REST}{}", outputs::configured(&dir, SKINS, MARKETS));
    let service = Child::start_with(&dir, "feeds = \"inside\"\n", &game, &rest).await;

    let of = |skins: usize, markets: &[&str]| -> Vec<String> {
        let path = |skin: usize, market: &&str| format!("/v1/out/m0/s{skin}/index.m3u8{market}");
        (0..skins).flat_map(|skin| markets.iter().map(move |market| path(skin, market))).collect()
    };
    let (one, all) = (of(1, &[""]), of(SKINS, &[""]));
    let skins = pairs(async |is_all| cores(&service, if is_all { &all } else { &one }).await).await;
    let markets = ["?market=l0", "?market=l1", "?market=l2", "?market=l3"];
    let most = of(SKINS, &markets);
    let with_markets = cores(&service, &most).await;
    println!("variant_one_cores {:.3} cores", skins.first);
    println!("variant_25_cores {:.3} cores", skins.second);
    println!("variant_cost_ratio {:.2} ratio", skins.ratio);
    // What the encodes take is the match's, however many there are.
    let each = (with_markets - skins.first) / (most.len() - 1) as f64;
    println!("outputs_per_core {:.0} outputs", 1.0 / each.max(1e-4));
    println!("variant_tiles {} encoders", service.metric("quadrille_encoders{kind=\"tile\"}").await);
    println!("asset_conditioning_s {:.3} s", conditioning(&service).await);
}

/// Cores that the service takes while each of these outputs is polled once a segment, and what is new in it is fetched.
async fn cores(service: &Child, paths: &[String]) -> f64 {
    let mut urls = Vec::new();
    for path in paths {
        urls.push(outputs::opened(service.address(), path).await);
    }
    let clock = Clock::new(SEGMENT);
    // A skin's art is made once, for who comes first: `asset_conditioning_s` says what that takes.
    let mut seen = Seen::default();
    for url in &urls {
        seen.add(Player::new(url, "1080p").watch(clock, Instant::now(), Duration::from_millis(1)).await);
    }
    // The stills before what moves, and what runs for those that were polled before, are over.
    tokio::time::sleep(SEGMENT * 6).await;
    let (cpu, began) = (service.cpu(), Instant::now());
    let count = urls.len();
    let watching = urls.into_iter().enumerate().map(|(n, url)| {
        let start = began + SEGMENT.mul_f64(n as f64 / count as f64);
        tokio::spawn(Player::new(&url, "1080p").watch(clock, start, POLLED))
    });
    for player in watching.collect::<Vec<_>>() {
        seen.add(player.await.expect("a player ends"));
    }
    assert_eq!(seen.errors, 0, "each is answered");
    (service.cpu() - cpu).as_secs_f64() / began.elapsed().as_secs_f64()
}

/// From the upload of a picture until a segment of the match with it around can be had, both renditions; the mean of ten.
async fn conditioning(service: &Child) -> f64 {
    const PICTURES: usize = 10;
    let http = reqwest::Client::new();
    let address = service.address();
    let mut took = Duration::ZERO;
    for n in 0..PICTURES {
        // Its own, so that nothing of it is there.
        let drawing = outputs::drawing(1000 + n);
        let began = Instant::now();
        let upload = http.post(format!("http://{address}/v1/operator/assets")).bearer_auth("op");
        let upload = upload.header("content-type", "image/svg+xml").body(drawing).send().await.expect("an answer");
        let asset: serde_json::Value = upload.json().await.expect("JSON");
        let skin = http.put(format!("http://{address}/v1/operator/skins/new{n}")).bearer_auth("op");
        let made = skin.json(&json!({"art": {"frame": asset["id"]}})).send().await.expect("an answer");
        assert!(made.status().is_success(), "{asset}");
        let url = outputs::opened(address, &format!("/v1/out/m0/new{n}/index.m3u8")).await;
        for rendition in ["1080p", "540p"] {
            let playlist = url.replace("index.m3u8", &format!("video/{rendition}.m3u8"));
            let text = reqwest::get(playlist).await.expect("an answer").text().await.expect("text");
            let segment = text.lines().rfind(|line| line.ends_with(".m4s")).expect("a segment");
            service.bytes(segment).await;
        }
        took += began.elapsed();
    }
    took.as_secs_f64() / PICTURES as f64
}
