//! What the whole service costs, against FFmpeg doing the same job, in one run: `name value unit` a line.
//!
//! Clips are made by FFmpeg; the service is the released program, a child process whose processor time and memory are read
//! from `/proc`. `cargo bench --bench service -- create` measures only what it takes to make sessions.

#[path = "service/burst.rs"]
mod burst;
#[path = "service/child.rs"]
mod child;
#[path = "service/clips.rs"]
mod clips;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use burst::Burst;
use child::Child;
use serde_json::{Value, json};

/// Seconds of output that are measured for the processor time.
const MEASURED_S: u64 = 24;

/// What is measured against FFmpeg, and all that a mosaic of its own costs, is rendering.
const RENDER: &str = "[stitch]\nenabled = false\n";
const HD: &str = "[[output.renditions]]\nname = \"1080p\"\nwidth = 1920\nheight = 1080\nbitrate = 6_000_000\n";
const SMALL: &str = "[[output.renditions]]\nname = \"540p\"\nwidth = 960\nheight = 540\nbitrate = 1_600_000\n";

// One thread: what this process takes, the service beside it lacks.
#[tokio::main(flavor = "current_thread")]
async fn main() {
    let dir = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/target/bench"));
    let clips = clips::make(&dir);
    if std::env::args().any(|arg| arg == "create") {
        let (service, first) = small_service(&dir, &clips).await;
        return creates(&service, &first).await;
    }
    let ffmpeg = ffmpeg_cpu_per_second(&clips);
    println!("ffmpeg_cpu_s_per_s {ffmpeg:.3} s/s");
    let ours = render_cpu_per_second(&dir, &clips).await;
    println!("render_cpu_s_per_s {ours:.3} s/s");
    println!("render_vs_ffmpeg_cpu_ratio {:.3} ratio", ours / ffmpeg);
    default_ladder_rss(&dir, &clips).await;
    let (service, first) = small_service(&dir, &clips).await;
    creates(&service, &first).await;
    first_segments(&service, &first).await;
    drop(service);
    stitched_playable(&dir, &clips).await;
}

/// Processor seconds that FFmpeg takes per second of output for decoding, scaling, stacking and encoding.
fn ffmpeg_cpu_per_second(clips: &[PathBuf]) -> f64 {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-y", "-nostdin"]);
    for clip in clips {
        command.args(["-stream_loop", "-1", "-i"]).arg(clip);
    }
    let scaled: String = (0..4).map(|n| format!("[{n}:v]scale=960:540:flags=lanczos[s{n}];")).collect();
    let graph = format!("{scaled}[s0][s1][s2][s3]xstack=inputs=4:layout=0_0|w0_0|0_h0|w0_h0[out]");
    // As the service's encoder is set: one thread, two B-frames, ten frames of look-ahead, IDR every 60 frames, one second of VBV.
    let x264 = "bframes=2:b-adapt=0:b-pyramid=none:direct=spatial:scenecut=0:open-gop=0:keyint=60:min-keyint=60:\
                rc-lookahead=10:sync-lookahead=0:weightp=0:threads=1";
    command.args(["-filter_complex", &graph, "-map", "[out]", "-an", "-r", "30"]);
    command.args(["-c:v", "libx264", "-preset", "veryfast", "-profile:v", "high", "-b:v", "6M", "-maxrate", "6M"]);
    command.args(["-bufsize", "6M", "-x264-params", x264, "-t", &MEASURED_S.to_string(), "-f", "mp4", "/dev/null"]);
    let before = child::children_cpu();
    assert!(command.status().expect("ffmpeg runs").success(), "ffmpeg failed");
    (child::children_cpu() - before).as_secs_f64() / MEASURED_S as f64
}

async fn render_cpu_per_second(dir: &Path, clips: &[PathBuf]) -> f64 {
    let service = Child::start(dir, &clips::games(clips), &format!("{HD}{RENDER}")).await;
    let session = service.create(json!({"games": ["g0", "g1", "g2", "g3"]})).await;
    service.until_listed(&session, "1080p").await;
    let before = service.cpu();
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(MEASURED_S) {
        service.watch_once(&session, "1080p").await;
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    let used = service.cpu() - before;
    let ours = used.as_secs_f64() / began.elapsed().as_secs_f64();
    assert_eq!(service.metric("quadrille_late_segments_total").await, 0.0, "the service was late");
    println!("render_frames_dropped {} frames", service.metric("quadrille_frames_total{outcome=\"dropped\"}").await);
    ours
}

async fn default_ladder_rss(dir: &Path, clips: &[PathBuf]) {
    let service = Child::start(dir, &clips::games(clips), &format!("{HD}{SMALL}{RENDER}")).await;
    let session = service.create(json!({"games": ["g0", "g1", "g2", "g3"]})).await;
    service.until_listed(&session, "1080p").await;
    // A whole window and more, so that nothing grows any further.
    for _ in 0..20 {
        service.watch_once(&session, "1080p").await;
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    println!("render_peak_rss_mib {:.0} MiB", service.peak_rss_mib());
}

/// A service whose one mosaic leaves the machine some room, and the session that watches it.
async fn small_service(dir: &Path, clips: &[PathBuf]) -> (Child, Value) {
    let service = Child::start(dir, &clips::games(clips), &format!("{SMALL}{RENDER}")).await;
    let first = service.create_in_time(json!({"games": ["g0", "g1", "g2", "g3"]})).await;
    service.until_listed(&first, "540p").await;
    (service, first)
}

/// Sessions of a mosaic that runs: fifty at once, and one after another. The second is what media work beside it costs, the first what fifty cost each other
/// on top of that.
async fn creates(service: &Child, first: &Value) {
    for (name, rounds, at_once) in [("session_create", 20, 50), ("session_create_alone", 1000, 1)] {
        let body = json!({"games": first["games"]}).to_string();
        let mut burst = Burst::open(service.address(), at_once, "POST /v1/sessions", "dev", &body).await;
        let mut times_ms = Vec::new();
        for _ in 0..rounds {
            times_ms.extend(burst.fire(201).await.into_iter().map(|took| took.as_secs_f64() * 1000.0));
        }
        times_ms.sort_by(f64::total_cmp);
        println!("{name}_p50_ms {:.2} ms", times_ms[times_ms.len() / 2]);
        println!("{name}_p99_ms {:.2} ms", times_ms[times_ms.len() * 99 / 100]);
    }
}

async fn first_segments(service: &Child, first: &Value) {
    // Whoever asks for room right after a thousand creations is told that the processors are taken.
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_secs(2)).await;
        service.watch_once(first, "540p").await;
    }
    let mut worst = 0.0f64;
    for (n, games) in [["g1", "g0", "g2", "g3"], ["g2", "g1", "g0", "g3"], ["g3", "g1", "g2", "g0"]].iter().enumerate()
    {
        // Each at another place in the segment.
        tokio::time::sleep(Duration::from_millis(300 + 650 * n as u64)).await;
        let began = Instant::now();
        let session = service.create(json!({"games": games})).await;
        service.until_listed(&session, "540p").await;
        worst = worst.max(began.elapsed().as_secs_f64());
        service.end(&session).await;
        tokio::time::sleep(Duration::from_secs(22)).await;
        service.watch_once(first, "540p").await;
    }
    println!("first_segment_s {worst:.2} s");
}

/// From `POST` to a playlist with segments, of mosaics new to the service whose tiles run.
async fn stitched_playable(dir: &Path, clips: &[PathBuf]) {
    // The size that most slots have comes first: that of 4E.
    const TILES: f64 = 4.0;
    const WINDOW: Duration = Duration::from_secs(32);
    let service = Child::start(dir, &clips::games(clips), SMALL).await;
    while service.metric("quadrille_encoders{kind=\"tile\"}").await < TILES {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    tokio::time::sleep(WINDOW).await;
    let mut times_ms = Vec::new();
    for n in 0..24usize {
        let games: Vec<String> = (0..4).map(|slot| format!("g{}", (n / 4usize.pow(slot)) % 4)).collect();
        let began = Instant::now();
        let session = service.create(json!({"games": games, "layout": "4E", "engine": "stitch"})).await;
        service.watch_once(&session, "540p").await;
        times_ms.push(began.elapsed().as_secs_f64() * 1000.0);
        tokio::time::sleep(Duration::from_millis(130)).await;
    }
    times_ms.sort_by(f64::total_cmp);
    println!("stitch_playable_ms_p50 {:.1} ms", times_ms[times_ms.len() / 2]);
    println!("stitch_playable_ms_max {:.1} ms", times_ms[times_ms.len() - 1]);
}
