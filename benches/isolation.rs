//! What it costs to decode apart: the service with six 720p games and two mosaics, then feeds alone, inside and in processes of their own, with the
//! program of this build: `name value unit` a line.

#[allow(dead_code, reason = "most of it is what the other benches ask for")]
#[path = "service/child.rs"]
mod child;
#[path = "service/pairs.rs"]
mod pairs;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quadrille::feed::{Apart, Decoding, Feed, FeedSpec, Outcome, Pace};
use quadrille::mosaic::process_cpu_time;
use quadrille::timeline::{Clock, Fps, Grid, SystemClock};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use url::Url;

use child::Child;
use pairs::pairs;

const FPS: u64 = 30;
const GAMES: usize = 6;
const MANY: usize = 12;
/// Decoders have settled by then.
const WARM: Duration = Duration::from_secs(5);
const MEASURED: Duration = Duration::from_secs(20);
const KILLS: usize = 5;
/// One of the smaller renditions alone, so that two cores have room to spare.
const LADDER: &str = "[[output.renditions]]\nname = \"540p\"\nwidth = 960\nheight = 540\nbitrate = 1_600_000\n";

fn main() {
    quadrille::feed::init().expect("GStreamer");
    let dir = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/target/bench"));
    let clip = clip(&dir);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let feeds = |is_apart| if is_apart { "apart" } else { "inside" };
    let service = runtime.block_on(pairs(async |is_apart| service_cores(&dir, &clip, feeds(is_apart)).await));
    println!("isolation_inside_cores {:.3} cores", service.first);
    println!("isolation_apart_cores {:.3} cores", service.second);
    println!("isolation_cpu_percent {:.1} %", (service.ratio - 1.0) * 100.0);
    let decoding = runtime.block_on(pairs(async |is_apart| Stand::new(&clip, GAMES, is_apart.then(apart)).cores()));
    println!("isolation_decoding_inside_cores {:.3} cores", decoding.first);
    println!("isolation_decoding_apart_cores {:.3} cores", decoding.second);
    println!("isolation_decoding_percent {:.1} %", (decoding.ratio - 1.0) * 100.0);
    let stand = Stand::new(&clip, GAMES, Some(apart()));
    stand.play(WARM + MEASURED);
    let (count, bytes, _) = stand.apart.as_ref().expect("it is apart").load();
    let taken = stand.apart.as_ref().and_then(|apart| apart.hand_over()).expect("there were pictures");
    println!("isolation_latency_ms {:.2} ms", taken.as_secs_f64() * 1000.0);
    println!("child_rss_mib {:.1} MiB", mib(bytes) / count as f64);
    println!("child_restart_s {:.2} s", stand.restart());
    drop(stand);
    let stand = Stand::new(&clip, MANY, None);
    stand.play(WARM);
    println!("isolation_memory_inside_mib {:.0} MiB", mib(own_memory()));
    drop(stand);
    let stand = Stand::new(&clip, MANY, Some(apart()));
    stand.play(WARM);
    let (_, bytes, _) = stand.apart.as_ref().expect("it is apart").load();
    println!("isolation_memory_apart_mib {:.0} MiB", mib(own_memory() + bytes));
}

/// What the whole service takes with six games and two mosaics that show all of them, in cores.
async fn service_cores(dir: &Path, clip: &Url, feeds: &str) -> f64 {
    let games: Vec<_> = (0..GAMES).map(|n| (format!("g{n}"), clip.to_string())).collect();
    let first = format!("feeds = {feeds:?}\n");
    let service = Child::start_with(dir, &first, &games, LADDER).await;
    let mut sessions = Vec::new();
    for four in [[0, 1, 2, 3], [2, 3, 4, 5]] {
        let four = four.map(|n| format!("g{n}"));
        sessions.push(service.create_in_time(json!({"games": four, "layout": "4E"})).await);
    }
    for session in &sessions {
        service.until_listed(session, "540p").await;
    }
    let watch = async |time: Duration| {
        let began = Instant::now();
        while began.elapsed() < time {
            for session in &sessions {
                service.watch_once(session, "540p").await;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    // The window fills, and what tiles cost is known.
    watch(Duration::from_secs(15)).await;
    let (before, began) = (service.cpu(), Instant::now());
    watch(Duration::from_secs(30)).await;
    let cores = (service.cpu() - before).as_secs_f64() / began.elapsed().as_secs_f64();
    assert_eq!(service.metric("quadrille_late_segments_total").await, 0.0, "the service was late");
    cores
}

fn apart() -> Arc<Apart> {
    Arc::new(Apart::new(env!("CARGO_BIN_EXE_quadrille").into(), vec!["feed-child".into()]))
}

/// Ten seconds of 720p at 3 Mb/s with sound.
fn clip(dir: &Path) -> Url {
    fs::create_dir_all(dir).expect("a folder");
    let path = dir.join("isolation.mp4");
    if !path.exists() {
        let mut command = Command::new("ffmpeg");
        command.args(["-v", "error", "-y", "-f", "lavfi", "-i", "testsrc2=s=1280x720:r=30:d=10"]);
        command.args(["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000:duration=10"]);
        command.args(["-c:v", "libx264", "-preset", "medium", "-b:v", "3M", "-pix_fmt", "yuv420p", "-c:a", "aac"]);
        assert!(command.arg(&path).status().expect("ffmpeg").success());
    }
    Url::from_file_path(&path).expect("an absolute path")
}

/// Feeds that are ticked as a service ticks them.
struct Stand {
    clock: Arc<dyn Clock>,
    grid: Grid,
    feeds: Vec<Arc<Feed>>,
    apart: Option<Arc<Apart>>,
}

impl Stand {
    fn new(clip: &Url, games: usize, apart: Option<Arc<Apart>>) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let grid = Grid::new(Fps::new(FPS as u32, 1).expect("a rate"), 60);
        let feed = |n: usize| {
            let spec = FeedSpec { key: format!("g{n}").into(), title: "Game".into(), sources: vec![clip.clone()] };
            let decoding = Decoding { apart: apart.clone(), ..Decoding::unlimited() };
            Feed::start_within(spec, grid, clock.clone(), Pace::Realtime, decoding)
        };
        let feeds = (0..games).map(feed).collect();
        Self { clock, grid, feeds, apart }
    }

    /// A tick of every feed; how many showed a picture that was not shown before.
    fn tick(&self, frame: u64) -> usize {
        self.clock.wait_until(self.grid.frame_time(frame), Duration::from_secs(1));
        let samples = self.grid.sample_at_frame(frame)..self.grid.sample_at_frame(frame + 1);
        let fresh = |feed: &&Arc<Feed>| {
            feed.sound_at(samples.clone());
            feed.picture_at(frame).outcome == Outcome::OnTime
        };
        self.feeds.iter().filter(fresh).count()
    }

    fn play(&self, time: Duration) -> usize {
        let first = self.grid.frame_at(self.clock.now()) + 1;
        (first..first + time.as_secs() * FPS).map(|frame| self.tick(frame)).sum()
    }

    /// What they take, together.
    fn cores(&self) -> f64 {
        self.play(WARM);
        let spent = || process_cpu_time().as_secs_f64() + self.apart.as_ref().map_or(0.0, |apart| apart.load().2);
        let (before, began) = (spent(), Instant::now());
        let fresh = self.play(MEASURED);
        let expected = MEASURED.as_secs() as usize * FPS as usize * self.feeds.len();
        assert!(fresh * 10 > expected * 9, "the machine is too busy: {fresh} of {expected} pictures in time");
        (spent() - before) / began.elapsed().as_secs_f64()
    }

    /// From a child's violent end to its successor's first picture, median.
    fn restart(&self) -> f64 {
        let feed = &self.feeds[0];
        let child = || feed.health().child.expect("it is apart");
        let mut times = Vec::new();
        for _ in 0..KILLS {
            self.play(Duration::from_secs(4));
            let (restarts, pid) = (child().restarts, child().pid.expect("one runs"));
            kill_process(Pid::from_raw(pid as i32).expect("no zero"), Signal::KILL).expect("it runs");
            let began = Instant::now();
            let mut frame = self.grid.frame_at(self.clock.now());
            // What was decoded before is still shown.
            loop {
                frame += 1;
                self.tick(frame);
                let back = feed.health().reason.is_none() && child().restarts > restarts && child().pid.is_some();
                if back && feed.picture_at(frame).outcome != Outcome::Slate {
                    break;
                }
            }
            times.push(began.elapsed().as_secs_f64());
        }
        times.sort_by(f64::total_cmp);
        times[KILLS / 2]
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        self.feeds.iter().for_each(|feed| feed.stop());
    }
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// Memory of this process alone.
fn own_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("/proc");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("Linux");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}
