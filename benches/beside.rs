//! `make bench`: what stands beside the pictures. Prints `name value unit` a line.
//!
//! Two HLS sources of one clock whose segments have other lengths, so that one comes some seconds after the other, and a game with captions.

#[path = "service/child.rs"]
#[allow(dead_code, reason = "shared with the other benches of the released program")]
mod child;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use axum::extract::{self, State};
use axum::http::StatusCode;
use axum::routing::get;
use child::{Child, Handle};
use serde_json::{Value, json};

const REST: &str = "[[output.renditions]]\nname = \"360p\"\nwidth = 640\nheight = 360\nbitrate = 900_000\n[stitch]\nkeep_warm = false\n";
/// Upper ends of the buckets of `quadrille_skew_frames`, in frames.
const BUCKETS: [&str; 4] = ["0.25", "0.5", "1", "2"];
const IN_STEP_WITHIN: Duration = Duration::from_secs(120);
const MEASURED: Duration = Duration::from_secs(60);
/// Parts of a third of a second that are waited for.
const PARTS: u64 = 90;
const PARTS_IN_SEGMENT: u64 = 6;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let dir = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/target/bench/beside"));
    // There may be none from before.
    let _ = std::fs::remove_dir_all(&dir);
    let sources = [Encoder::start(&dir.join("near"), 1), Encoder::start(&dir.join("far"), 2)];
    for encoder in &sources {
        encoder.until_it_lists().await;
    }
    let origin = serve(dir.clone()).await;
    let mut games: Vec<(String, String)> =
        ["near", "far"].map(|id| (id.to_owned(), format!("http://{origin}/{id}/index.m3u8"))).into();
    games.push(("told".to_owned(), "test://smpte?captions=en".to_owned()));
    let service = Child::start(&dir, &games, REST).await;
    captions(&service).await;
    skew(&service).await;
}

/// How long after a part of the pictures the captions of the same third of a second can be fetched.
async fn captions(service: &Child) {
    let session = service.create(json!({"games": ["told"], "layout": "1"})).await;
    let play = playback(&session);
    service.until_listed(&session, "360p").await;
    let lists = |kind: &str| format!("{}/{kind}.m3u8?low_latency=true", play.trim_end_matches("/index.m3u8"));
    let (pictures, words) = (lists("video/360p"), lists("text/main-en"));
    let listed = text(service, &pictures).await;
    let first: u64 = listed
        .lines()
        .find_map(|line| line.strip_prefix("#EXT-X-MEDIA-SEQUENCE:"))
        .and_then(|number| number.parse().ok())
        .expect("a playlist says where it begins");
    let next = first + listed.lines().filter(|line| line.starts_with("#EXTINF")).count() as u64 + 1;
    let mut late = Vec::new();
    for at in 0..PARTS {
        let ask = format!("&_HLS_msn={}&_HLS_part={}", next + at / PARTS_IN_SEGMENT, at % PARTS_IN_SEGMENT);
        let (shown, said) = tokio::join!(
            come(service.handle(), format!("{pictures}{ask}")),
            come(service.handle(), format!("{words}{ask}"))
        );
        late.push(said.saturating_duration_since(shown));
    }
    let newest = text(service, &words).await;
    let newest = newest.lines().rfind(|line| line.ends_with(".vtt")).expect("it lists texts");
    assert!(text(service, newest).await.contains("-->"), "the captions say something");
    late.sort();
    println!("caption_delay_ms {:.1} ms", late[late.len() * 99 / 100].as_secs_f64() * 1000.0);
    service.end(&session).await;
}

async fn come(service: Handle, path: String) -> Instant {
    service.bytes(&path).await;
    Instant::now()
}

/// How far two games of one clock are apart once they are in step, as the service measures it.
async fn skew(service: &Child) {
    let session = service.create(json!({"games": ["near", "far"], "layout": "2EH"})).await;
    let began = Instant::now();
    loop {
        let apart = service.json(&format!("/v1/sessions/{}", session["id"].as_str().expect("an id"))).await;
        let apart = apart["skew_ms"].as_f64();
        if apart.is_some_and(|ms| ms <= 1000.0 / 30.0) && began.elapsed() > Duration::from_secs(10) {
            break;
        }
        assert!(began.elapsed() < IN_STEP_WITHIN, "the games are apart by {apart:?} ms");
        service.watch_once(&session, "360p").await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let before = counts(service).await;
    let measured = Instant::now();
    while measured.elapsed() < MEASURED {
        service.watch_once(&session, "360p").await;
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    let after = counts(service).await;
    let all = after[BUCKETS.len()] - before[BUCKETS.len()];
    assert!(all > 30.0, "it was measured {all} times");
    let within = BUCKETS.iter().enumerate().find(|(at, _)| after[*at] - before[*at] >= 0.99 * all);
    println!("skew_frames_p99 {} frames", within.map_or("inf", |(_, bucket)| bucket));
}

/// Of each bucket, and of all.
async fn counts(service: &Child) -> Vec<f64> {
    let mut counts = Vec::new();
    for bucket in BUCKETS {
        counts.push(service.metric(&format!("quadrille_skew_frames_bucket{{le=\"{bucket}\"}}")).await);
    }
    counts.push(service.metric("quadrille_skew_frames_count").await);
    counts
}

fn playback(session: &Value) -> String {
    let url = session["playback_url"].as_str().expect("a session has one");
    url[url.find("/v1/play").expect("it is a path of ours")..].to_owned()
}

async fn text(service: &Child, path: &str) -> String {
    String::from_utf8(service.bytes(path).await).expect("it is text")
}

/// FFmpeg, which sends pictures as they are taken, in segments of so many seconds, and dates them.
struct Encoder {
    process: std::process::Child,
    playlist: PathBuf,
}

impl Encoder {
    fn start(dir: &Path, segment_s: u32) -> Self {
        std::fs::create_dir_all(dir).expect("target/bench can be made");
        let playlist = dir.join("index.m3u8");
        let process = Command::new("ffmpeg")
            .args(["-v", "error", "-re", "-f", "lavfi", "-i", "testsrc2=size=640x360:rate=30"])
            .args(["-c:v", "libx264", "-preset", "ultrafast", "-g", "30", "-f", "hls"])
            .args(["-hls_time", &segment_s.to_string(), "-hls_list_size", "6"])
            .args(["-hls_flags", "program_date_time+delete_segments"])
            .arg(&playlist)
            .stdin(Stdio::null())
            .spawn()
            .expect("ffmpeg runs");
        Self { process, playlist }
    }

    async fn until_it_lists(&self) {
        while std::fs::read_to_string(&self.playlist).unwrap_or_default().matches("#EXTINF").count() < 4 {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Serves what lies in `dir`; the answer is where.
async fn serve(dir: PathBuf) -> std::net::SocketAddr {
    let file = |State(dir): State<PathBuf>, extract::Path((game, name)): extract::Path<(String, String)>| async move {
        tokio::fs::read(dir.join(game).join(name)).await.map_err(|_| StatusCode::NOT_FOUND)
    };
    let router = axum::Router::new().route("/{game}/{name}", get(file)).with_state(dir);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = listener.local_addr().expect("it has an address");
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}
