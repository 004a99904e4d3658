//! What it costs to decode apart: feeds alone, of 720p games, inside and in processes of their own, with the program of this build: `name value unit` a
//! line.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quadrille::feed::{Apart, Decoding, Feed, FeedSpec, Outcome, Pace};
use quadrille::mosaic::process_cpu_time;
use quadrille::timeline::{Clock, Fps, Grid, SystemClock};
use rustix::process::{Pid, Signal, kill_process};
use url::Url;

const FPS: u64 = 30;
const GAMES: usize = 6;
const MANY: usize = 12;
/// Decoders have settled by then.
const WARM: Duration = Duration::from_secs(5);
const MEASURED: Duration = Duration::from_secs(20);
const KILLS: usize = 5;

fn main() {
    quadrille::feed::init().expect("GStreamer");
    let dir = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/target/bench"));
    let clip = clip(&dir);
    let inside = Stand::new(&clip, GAMES, None).cores();
    let stand = Stand::new(&clip, GAMES, Some(apart()));
    let apart = stand.cores();
    println!("isolation_inside_cores {inside:.3} cores");
    println!("isolation_apart_cores {apart:.3} cores");
    println!("isolation_cpu_percent {:.1} %", (apart / inside - 1.0) * 100.0);
    let (count, bytes, _) = stand.apart.as_ref().expect("it is apart").load();
    println!("child_rss_mib {:.1} MiB", mib(bytes) / count as f64);
    println!("child_restart_s {:.2} s", stand.restart());
    drop(stand);
    let stand = Stand::new(&clip, MANY, None);
    stand.play(WARM);
    println!("isolation_memory_inside_mib {:.0} MiB", mib(own_memory()));
    drop(stand);
    let stand = Stand::new(&clip, MANY, Some(self::apart()));
    stand.play(WARM);
    let (_, bytes, _) = stand.apart.as_ref().expect("it is apart").load();
    println!("isolation_memory_apart_mib {:.0} MiB", mib(own_memory() + bytes));
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
