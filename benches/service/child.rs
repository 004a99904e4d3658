//! The released program as a child process: started, asked, measured, ended.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

/// Clock ticks a second in `/proc/PID/stat` (Linux has had no other value on x86-64 and arm64).
const TICKS_PER_S: u64 = 100;

/// How to reach the service.
#[derive(Clone)]
pub struct Handle {
    base: String,
    http: reqwest::Client,
}

/// What a process and those that it has started take: memory of their own, without programs and libraries, and threads.
#[derive(Clone, Copy)]
#[allow(dead_code, reason = "only one of the benches tells what takes how much")]
pub struct Footprint {
    pub memory_kib: u64,
    pub threads: u64,
}

pub struct Child {
    process: std::process::Child,
    handle: Handle,
}

impl std::ops::Deref for Child {
    type Target = Handle;
    fn deref(&self) -> &Handle {
        &self.handle
    }
}

impl Child {
    /// Starts the service with an empty database and waits until it is ready and its games are live.
    pub async fn start(dir: &Path, games: &[(String, String)], renditions: &str) -> Self {
        Self::start_with(dir, "", games, renditions).await
    }

    /// The same, with lines of configuration that come first.
    pub async fn start_with(dir: &Path, first: &str, games: &[(String, String)], renditions: &str) -> Self {
        let data: PathBuf = dir.join("data");
        // There may be none from before.
        let _ = std::fs::remove_dir_all(&data);
        let config = dir.join("quadrille.toml");
        let mut text = format!(
            "{first}listen = \"127.0.0.1:0\"\ndata_dir = {:?}\n[[tenants]]\nid = \"bench\"\ndevice_keys = [\"dev\"]\n\
             operator_keys = [\"op\"]\n",
            data.display().to_string()
        );
        for (id, source) in games {
            text += &format!("[[games]]\nid = {id:?}\ntitle = {id:?}\nsources = [{source:?}]\n");
        }
        std::fs::write(
            &config,
            text + "[requests]\nper_key_per_s = 0\n[output]\nfps = \"30\"\nsegment_frames = 60\n" + renditions,
        )
        .expect("the configuration can be written");
        let mut process = Command::new(env!("CARGO_BIN_EXE_quadrille"))
            .args(["serve", "--config"])
            .arg(&config)
            .stderr(Stdio::piped())
            .spawn()
            .expect("the service starts");
        let log = BufReader::new(process.stderr.take().expect("it has a log"));
        let (tell, told) = std::sync::mpsc::channel();
        // The log is read to its end, so that the service never waits for a full pipe.
        std::thread::spawn(move || {
            for line in log.lines().map_while(Result::ok) {
                // A line a request: most are none of our business, and reading them would take time from the service.
                if !line.contains("\"serving\"") && !line.contains("\"ERROR\"") {
                    continue;
                }
                let event: Value = serde_json::from_str(&line).unwrap_or_default();
                if let (Some("serving"), Some(address)) = (event["message"].as_str(), event["address"].as_str()) {
                    // Nobody waits for it a second time.
                    let _ = tell.send(address.to_owned());
                } else if event["level"] == "ERROR" {
                    eprintln!("{line}");
                }
            }
        });
        let address = told.recv_timeout(Duration::from_secs(60)).expect("the service says where it listens");
        let handle = Handle { base: format!("http://{address}"), http: reqwest::Client::new() };
        let child = Self { process, handle };
        while child.metric("quadrille_feeds{status=\"live\"}").await < games.len() as f64 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        child
    }

    /// To ask the service from another task.
    #[allow(dead_code, reason = "only one of the benches has many tasks")]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Where it is asked.
    #[allow(dead_code, reason = "only one of the benches asks for what no other does")]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Host and port it listens on.
    pub fn address(&self) -> &str {
        self.base.trim_start_matches("http://")
    }

    /// Processor time of the process and of those that it has started and that run, so far.
    pub fn cpu(&self) -> Duration {
        // Fields 14 and 15 of proc(5): utime and stime. A child may be gone by now.
        let ticks =
            |fields: Vec<String>| [11, 12].iter().filter_map(|at| fields.get(*at)?.parse::<u64>().ok()).sum::<u64>();
        let all = std::iter::once(self.process.id()).chain(self.children());
        Duration::from_millis(all.filter_map(stat_of).map(ticks).sum::<u64>() * 1000 / TICKS_PER_S)
    }

    /// The processes that it has started and that run.
    fn children(&self) -> Vec<u32> {
        let parent = self.process.id().to_string();
        let processes = std::fs::read_dir("/proc").expect("proc is mounted").flatten();
        let processes = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        // Field 4 of proc(5), behind the name: the parent.
        processes.filter(|process| stat_of(*process).is_some_and(|fields| fields.get(1) == Some(&parent))).collect()
    }

    /// Processor time so far of those of its threads whose names begin with `name`.
    #[allow(dead_code, reason = "only the ledger's bench tells threads apart")]
    pub fn threads_cpu(&self, name: &str) -> Duration {
        threads_cpu(self.process.id(), name)
    }

    pub fn peak_rss_mib(&self) -> f64 {
        status_of(self.process.id(), "VmHWM:") as f64 / 1024.0
    }

    #[allow(dead_code, reason = "only one of the benches tells what takes how much")]
    pub fn footprint(&self) -> Footprint {
        let all = || std::iter::once(self.process.id()).chain(self.children());
        let sum = |of: &dyn Fn(u32) -> u64| all().map(of).sum();
        // Memory that a child shares is its own.
        let shared: u64 = self.children().into_iter().map(|child| status_of(child, "RssShmem:")).sum();
        Footprint {
            memory_kib: sum(&|id| status_of(id, "RssAnon:")) + shared,
            threads: sum(&|id| status_of(id, "Threads:")),
        }
    }
}

/// A number of `/proc/PID/status`; 0 of a process that is gone.
fn status_of(process: u32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

/// What `/proc/PID/stat` says behind the name.
fn stat_of(process: u32) -> Option<Vec<String>> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    Some(stat.rsplit(')').next()?.split_whitespace().map(str::to_owned).collect())
}

impl Drop for Child {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Handle {
    /// A new session.
    pub async fn create(&self, body: Value) -> Value {
        let (status, session) = self.ask_for(&body).await;
        assert_eq!(status, 201, "{session}");
        session
    }

    /// The same, asked for again while there is no room: until they are measured, tiles count for more than they take.
    #[allow(dead_code, reason = "only those that begin with nothing have to")]
    pub async fn create_in_time(&self, body: Value) -> Value {
        for _ in 0..120 {
            let (status, session) = self.ask_for(&body).await;
            match status {
                503 => tokio::time::sleep(Duration::from_millis(500)).await,
                201 => return session,
                _ => panic!("{session}"),
            }
        }
        panic!("there is no room for {body}")
    }

    async fn ask_for(&self, body: &Value) -> (u16, Value) {
        let url = format!("{}/v1/sessions", self.base);
        let answer = self.http.post(url).bearer_auth("dev").json(body).send().await.expect("the service answers");
        (answer.status().as_u16(), answer.json().await.expect("JSON"))
    }

    pub async fn end(&self, session: &Value) {
        let url = format!("{}/v1/sessions/{}", self.base, session["id"].as_str().expect("an id"));
        let answer = self.http.delete(url).bearer_auth("dev").send().await.expect("the service answers");
        assert_eq!(answer.status(), 204);
    }

    /// Waits until the session's playlist lists a segment.
    pub async fn until_listed(&self, session: &Value, rendition: &str) {
        while self.playlist(session, rendition).await.is_none() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub async fn playlist(&self, session: &Value, rendition: &str) -> Option<String> {
        let url = session["playback_url"].as_str().expect("a URL").replace("index", &format!("video/{rendition}"));
        let text = self.http.get(url).send().await.expect("the service answers").text().await.expect("text");
        text.contains(".m4s").then_some(text)
    }

    /// Reads the playlist and fetches its newest segment, as a player does.
    pub async fn watch_once(&self, session: &Value, rendition: &str) {
        let playlist = self.playlist(session, rendition).await.expect("the playlist lists segments");
        let newest = playlist.lines().rfind(|l| l.ends_with(".m4s")).expect("a segment");
        let answer = self.http.get(format!("{}{newest}", self.base)).send().await.expect("the service answers");
        assert_eq!(answer.status(), 200);
        assert!(answer.bytes().await.expect("a body").len() > 1000);
    }

    /// What is behind a path.
    #[allow(dead_code, reason = "only one of the benches goes back")]
    pub async fn bytes(&self, path: &str) -> Vec<u8> {
        let answer = self.http.get(format!("{}{path}", self.base)).send().await.expect("the service answers");
        assert_eq!(answer.status(), 200, "{path}");
        answer.bytes().await.expect("a body").to_vec()
    }

    /// What REST answers a device.
    #[allow(dead_code, reason = "only one of the benches asks for more than figures")]
    pub async fn json(&self, path: &str) -> Value {
        let answer = self.http.get(format!("{}{path}", self.base)).bearer_auth("dev").send().await;
        answer.expect("the service answers").json().await.expect("JSON")
    }

    pub async fn metric(&self, name: &str) -> f64 {
        let answer = self.http.get(format!("{}/metrics", self.base)).send().await.expect("the service answers");
        let text = answer.text().await.expect("text");
        let line = text.lines().find(|l| l.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')));
        line.and_then(|l| l.rsplit(' ').next()?.parse().ok()).expect("the metric is there")
    }
}

/// Processor time of all children that have ended.
pub fn children_cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("proc is mounted");
    let fields: Vec<&str> = stat.rsplit(')').next().expect("stat has a name").split_whitespace().collect();
    // Fields 16 and 17 of proc(5): cutime and cstime.
    let ticks: u64 = [13, 14].iter().map(|at| fields[*at].parse::<u64>().expect("a number")).sum();
    Duration::from_millis(ticks * 1000 / TICKS_PER_S)
}

/// Processor time so far of the threads of `process` whose names begin with `name`: the first field of `schedstat`, in nanoseconds.
#[allow(dead_code, reason = "only the ledger's bench tells threads apart")]
pub fn threads_cpu(process: u32, name: &str) -> Duration {
    let threads = std::fs::read_dir(format!("/proc/{process}/task")).expect("the process lives");
    let read = |thread: &Path, what| std::fs::read_to_string(thread.join(what)).unwrap_or_default();
    // A thread that ends while the list is read has no name.
    let named = threads.flatten().map(|thread| thread.path()).filter(|thread| read(thread, "comm").starts_with(name));
    let ns = named.filter_map(|thread| read(&thread, "schedstat").split(' ').next()?.parse::<u64>().ok());
    Duration::from_nanos(ns.sum())
}
