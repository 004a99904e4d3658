//! A whole service in this process, with a clock that the test cranks: every frame ticks, nothing is dropped, and the wall
//! clock does not matter.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use quadrille::config::Config;
use quadrille::mosaic::Trial;
use quadrille::service::{Options, Service};
use quadrille::store::Begin;
use quadrille::timeline::{Clock, Grid, MediaTime, SimulatedClock};
use reqwest::{Method, Response, StatusCode};
use serde_json::Value;

use super::watchdog::step;

pub const DEVICE: &str = "dev-1";
pub const OPERATOR: &str = "op-1";

/// Frames the clock is cranked at a time, unless a test says otherwise: fewer than any queue holds.
const STEP_FRAMES: u64 = 4;

/// Real time that anything may take before the test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct TestService {
    pub service: Service,
    pub clock: Arc<SimulatedClock>,
    pub base: String,
    pub grid: Grid,
    /// Frames the clock is cranked at a time. Where more is drawn a tick than a queue of the compositor holds a few ticks of, one.
    pub step_frames: u64,
    /// Paths of sessions whose viewers have been given no playlist yet.
    waiting: Mutex<Vec<String>>,
    http: reqwest::Client,
}

/// What is in a slot is easier to say of whole slots: for tests that read those.
pub const WHOLE_SLOTS: &str = "[stitch]\nenabled = false\n";

/// Lets operators show what tests serve on this machine, and files of theirs.
pub const OWN_SOURCES: &str = "[sources]\nnetworks = [\"0.0.0.0/32\", \"127.0.0.0/8\", \"::1/128\", \"239.0.0.0/8\"]\n\
    media_dirs = [\"/tmp\"]\n";

/// A configuration with one tenant, small pictures and segments of a second. `extra` is appended.
pub fn config(data_dir: &Path, games: &[(&str, String)], extra: &str) -> Config {
    let mut text = format!(
        "listen = \"127.0.0.1:0\"\ndata_dir = {:?}\ncompositor = \"cpu\"\n\
         [[tenants]]\nid = \"acme\"\noperator_keys = [\"{OPERATOR}\"]\ndevice_keys = [\"{DEVICE}\"]\n",
        data_dir.to_str().unwrap()
    );
    // All of these tests hold for both places.
    let feeds = std::env::var("QUADRILLE_TEST_FEEDS").unwrap_or_else(|_| "inside".into());
    text = format!("feeds = {feeds:?}\n{text}");
    for (id, source) in games {
        text += &format!("[[games]]\nid = {id:?}\ntitle = \"Game {id}\"\nsources = [{source:?}]\n");
    }
    text += if extra.is_empty() { SMALL_OUTPUT } else { extra };
    // What tests serve is on this machine.
    if !extra.contains("[sources]") {
        text += OWN_SOURCES;
    }
    // As in service, but for the tiles that nobody has asked for yet.
    if !extra.contains("[stitch]") {
        text += "[stitch]\nkeep_warm = false\n";
    }
    Config::parse(&text, Path::new("test.toml")).unwrap()
}

pub const SMALL_OUTPUT: &str = "[output]\nfps = \"30\"\nsegment_frames = 30\nwindow_s = 10\nlookahead_frames = 0\n\
    [[output.renditions]]\nname = \"big\"\nwidth = 960\nheight = 540\nbitrate = 3_000_000\n\
    [[output.renditions]]\nname = \"small\"\nwidth = 480\nheight = 270\nbitrate = 800_000\n";

impl TestService {
    /// Starts at an instant of 2026, just after a segment boundary.
    pub async fn start(config: &Config) -> Self {
        Self::start_at(config, MediaTime::from_millis(91_000_000_100)).await
    }

    pub async fn start_at(config: &Config, at: MediaTime) -> Self {
        Self::start_decoding_with(config, at, Path::new(env!("CARGO_BIN_EXE_quadrille"))).await
    }

    /// The same with another program that decodes apart.
    pub async fn start_decoding_with(config: &Config, at: MediaTime, program: &Path) -> Self {
        let clock = Arc::new(SimulatedClock::new(at));
        let options = Options {
            clock: clock.clone(),
            lockstep: true,
            feed_program: Some(program.to_owned()),
            begin: Begin::default(),
            spans: None,
        };
        // No trial: with a cranked clock there is no real time that a measurement could speak of.
        let trial = Trial { compose: 0.0, encode: vec![0.0; config.output.renditions.len()] };
        step("the service starts");
        let service = Service::start(config, options, Some(trial)).await.unwrap();
        let base = format!("http://{}", service.address);
        let http = reqwest::Client::builder().timeout(PATIENCE).build().unwrap();
        Self {
            service,
            clock,
            base,
            grid: config.output.grid,
            step_frames: STEP_FRAMES,
            waiting: Mutex::default(),
            http,
        }
    }

    /// Ends the service cleanly; the instant it ended at.
    pub async fn stop(self) -> MediaTime {
        step("the service ends");
        self.service.drain().await;
        step("the service has ended");
        self.clock.now()
    }

    /// Cranks the clock by `frames`, a few at a time, each time until all of them have ticked.
    pub async fn crank(&self, frames: u64) {
        let end = self.grid.frame_at(self.clock.now()) + frames;
        let mut frame = self.grid.frame_at(self.clock.now());
        while frame < end {
            let before = frame;
            frame = (frame + self.step_frames).min(end);
            step(format!("frame {frame} ticks"));
            self.clock.advance_to(self.grid.frame_time(frame));
            let began = Instant::now();
            while self.service.position() <= frame || !self.service.is_settled() {
                assert!(began.elapsed() < PATIENCE, "frame {frame} does not tick, or is not encoded");
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            // Sweeps that come late are a service that stood still, in which nobody goes idle.
            if self.grid.segment_of(frame) > self.grid.segment_of(before) || frame == end {
                self.service.sweep().await;
                self.ask_first().await;
            }
        }
    }

    /// Players ask for their first playlist as soon as they know where: asks for those that have been given none.
    async fn ask_first(&self) {
        let waiting = std::mem::take(&mut *self.waiting.lock());
        for path in waiting {
            let master = self.http.get(format!("{}{path}", self.base)).send().await.unwrap();
            // It may have ended meanwhile.
            if !master.status().is_success() {
                continue;
            }
            let master = master.text().await.unwrap();
            let media = master.lines().find(|line| !line.starts_with('#')).unwrap();
            let media = format!("{}{}{media}", self.base, path.trim_end_matches("index.m3u8"));
            // What is encoded is there: more does not come before the clock moves.
            let asked = self.http.get(media).timeout(Duration::from_millis(200)).send().await;
            if !asked.is_ok_and(|answer| answer.status().is_success()) {
                self.waiting.lock().push(path);
            }
        }
    }

    /// Whoever is to watch the sessions made so far asks for nothing yet.
    pub fn nobody_asks(&self) {
        self.waiting.lock().clear();
    }

    /// Cranks by whole segments and a little more, so that the last one's sound is finished too.
    pub async fn crank_segments(&self, segments: u64) {
        self.crank(segments * u64::from(self.grid.segment_frames())).await;
    }

    /// Cranks until `playlist` lists the first part of a segment and not the second; the playlist then.
    pub async fn crank_to_first_part(&self, playlist: &str) -> String {
        let mut listed = self.text(playlist).await;
        for _ in 0..2 * self.grid.segment_frames() {
            if listed.lines().any(|line| line.starts_with("#EXT-X-PRELOAD-HINT") && line.contains(".1.m4s")) {
                return listed;
            }
            self.crank(1).await;
            listed = self.text(playlist).await;
        }
        panic!("in two segments no second part was waited for: {listed}");
    }

    pub async fn send(&self, method: Method, path: &str, key: &str, body: Option<Value>) -> Response {
        step(format!("{method} {path}"));
        let mut request = self.http.request(method, format!("{}{path}", self.base)).bearer_auth(key);
        if let Some(body) = body {
            request = request.json(&body);
        }
        request.send().await.unwrap()
    }

    /// Sends with the device's key; the answer must have `status`. Its JSON, or null when there is none.
    pub async fn device(&self, method: Method, path: &str, body: Option<Value>, status: StatusCode) -> Value {
        let made = method == Method::POST && path == "/v1/sessions";
        let answer = self.expect(method, path, DEVICE, body, status).await;
        if let Some(url) = answer["playback_url"].as_str().filter(|_| made) {
            let path = url.find("/v1/play/").map(|at| url[at..].split('?').next().unwrap_or_default());
            self.waiting.lock().extend(path.map(str::to_owned));
        }
        answer
    }

    pub async fn operator(&self, method: Method, path: &str, body: Option<Value>, status: StatusCode) -> Value {
        self.expect(method, path, OPERATOR, body, status).await
    }

    async fn expect(&self, method: Method, path: &str, key: &str, body: Option<Value>, status: StatusCode) -> Value {
        let response = self.send(method.clone(), path, key, body).await;
        let got = response.status();
        let text = response.text().await.unwrap();
        assert_eq!(got, status, "{method} {path}: {text}");
        if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() }
    }

    /// Text at an absolute or relative address, without a key.
    pub async fn text(&self, path: &str) -> String {
        String::from_utf8(self.bytes(path).await).unwrap()
    }

    pub async fn bytes(&self, path: &str) -> Vec<u8> {
        let url = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.base) };
        step(format!("GET {url}"));
        let response = self.http.get(&url).send().await.unwrap();
        let status = response.status();
        let body = response.bytes().await.unwrap();
        assert_eq!(status, StatusCode::OK, "{url}: {}", String::from_utf8_lossy(&body));
        body.to_vec()
    }

    /// The value of one sample of `/metrics`, named with its labels as Prometheus writes them.
    pub async fn metric(&self, name: &str) -> f64 {
        let text = self.text("/metrics").await;
        let line = text.lines().find(|l| l.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')));
        line.unwrap_or_else(|| panic!("no sample {name} in\n{text}")).rsplit(' ').next().unwrap().parse().unwrap()
    }
}
