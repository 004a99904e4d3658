//! The real program as a child process: started, asked, signalled, ended.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::{Method, Response, StatusCode};
use rustix::process::{Pid, Signal};
use serde_json::{Value, json};

use super::service::OWN_SOURCES;

/// Real time that anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// The one rendition of [`write_config`].
pub const RENDITION: &str = "small";

pub const DEVICE: &str = "dev-1";
pub const OPERATOR: &str = "op-1";

/// A configuration with one tenant, two games, one small rendition and segments of a second. `head` and `tail` go before the
/// first and after the last table.
pub fn write_config(dir: &Path, data_dir: &Path, head: &str, tail: &str) -> PathBuf {
    let sources = if tail.contains("[sources]") { "" } else { OWN_SOURCES };
    let listen = if head.contains("listen") { "" } else { "listen = \"127.0.0.1:0\"\n" };
    let text = format!(
        "{listen}data_dir = {data_dir:?}\ncompositor = \"cpu\"\n{head}\n\
         [[tenants]]\nid = \"acme\"\noperator_keys = [\"{OPERATOR}\"]\ndevice_keys = [\"{DEVICE}\"]\n\
         [[games]]\nid = \"a\"\ntitle = \"Ball\"\nsources = [\"test://ball?size=320x180&tone=300\"]\n\
         [[games]]\nid = \"b\"\ntitle = \"Bars\"\nsources = [\"test://smpte?size=320x180&tone=500\"]\n\
         {sources}[output]\nfps = \"30\"\nsegment_frames = 30\nwindow_s = 10\n\
         [[output.renditions]]\nname = \"{RENDITION}\"\nwidth = 320\nheight = 180\nbitrate = 200_000\n\
         [admission]\nheadroom_percent = 100\n{tail}"
    );
    let path = dir.join("quadrille.toml");
    std::fs::write(&path, text).unwrap();
    path
}

/// What a program that ends by itself said.
pub struct Said {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

/// Runs the program to its end.
pub fn run(args: &[&str]) -> Said {
    let mut process = command(args).stdout(Stdio::piped()).spawn().unwrap();
    let out = read_whole(process.stdout.take().unwrap());
    let err = read_whole(process.stderr.take().unwrap());
    let code = until_exit(&mut process, PATIENCE).code();
    Said { code, out: out.join().unwrap(), err: err.join().unwrap() }
}

fn read_whole(mut from: impl Read + Send + 'static) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut text = String::new();
        from.read_to_string(&mut text).unwrap();
        text
    })
}

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quadrille"));
    command.args(args).stdin(Stdio::null()).stderr(Stdio::piped()).env_remove("QUADRILLE_LOG");
    command
}

fn until_exit(process: &mut Child, patience: Duration) -> ExitStatus {
    let began = Instant::now();
    loop {
        if let Some(status) = process.try_wait().unwrap() {
            return status;
        }
        if began.elapsed() > patience {
            let _ = process.kill();
            panic!("the program has not ended after {patience:?}");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Asks `attempt` every few milliseconds until it has an answer.
pub async fn until<T>(what: &str, mut attempt: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = attempt().await {
            return answer;
        }
        assert!(began.elapsed() < PATIENCE, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What a process takes of the machine.
#[derive(Clone, Copy, Debug)]
pub struct Footprint {
    /// Memory of its own: programs and libraries, which are shared and can be read again, are left out.
    pub memory_mib: u64,
    pub threads: u64,
    /// But for connections of clients, who come and go as they like.
    pub descriptors: u64,
}

/// A service that runs.
pub struct Program {
    process: Child,
    log: Arc<Mutex<Vec<Value>>>,
    pub address: String,
    http: reqwest::Client,
}

impl Program {
    /// Starts `serve` and waits until it says that it serves.
    pub fn serve(config: &Path) -> Self {
        Self::serve_with(config, &[])
    }

    /// As [`Program::serve`], with more on the command line.
    pub fn serve_with(config: &Path, more: &[&str]) -> Self {
        let given = ["serve", "--config", config.to_str().unwrap()];
        let mut process = command(&[&given[..], more].concat()).spawn().unwrap();
        let lines = BufReader::new(process.stderr.take().unwrap()).lines();
        let log = Arc::new(Mutex::new(Vec::new()));
        let (kept, (tell, told)) = (log.clone(), std::sync::mpsc::channel());
        // Read to its end, so that the program never waits for a full pipe.
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let event = serde_json::from_str(&line).unwrap_or(Value::String(line));
                if let (Some("serving"), Some(address)) = (event["message"].as_str(), event["address"].as_str()) {
                    // Nobody waits for it a second time.
                    let _ = tell.send(address.to_owned());
                }
                kept.lock().unwrap().push(event);
            }
        });
        let Ok(address) = told.recv_timeout(PATIENCE) else {
            let _ = process.kill();
            panic!("the program does not serve: {:#?}", log.lock().unwrap());
        };
        Self { process, log, address, http: reqwest::Client::new() }
    }

    /// How often the log has a line with this message.
    pub fn logged(&self, message: &str) -> usize {
        self.log.lock().unwrap().iter().filter(|e| e["message"].as_str().is_some_and(|m| m.contains(message))).count()
    }

    /// Everything that the log says.
    pub fn whole_log(&self) -> String {
        self.log.lock().unwrap().iter().map(|event| format!("{event}\n")).collect()
    }

    pub fn terminate(&self) {
        rustix::process::kill_process(Pid::from_child(&self.process), Signal::TERM).unwrap();
    }

    /// Stops it as a debugger or a frozen control group does; it goes on with [`Program::go_on`].
    pub fn stop(&self) {
        rustix::process::kill_process(Pid::from_child(&self.process), Signal::STOP).unwrap();
    }

    pub fn go_on(&self) {
        rustix::process::kill_process(Pid::from_child(&self.process), Signal::CONT).unwrap();
    }

    /// kill -9.
    pub fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// What it takes of the machine now.
    pub fn footprint(&self) -> Footprint {
        let process = PathBuf::from(format!("/proc/{}", self.process.id()));
        let status = std::fs::read_to_string(process.join("status")).unwrap();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.split_whitespace().next().unwrap().parse::<u64>().unwrap()
        };
        Footprint {
            memory_mib: field("RssAnon:") / 1024,
            threads: field("Threads:"),
            descriptors: self.own_descriptors(&process.join("fd")),
        }
    }

    fn own_descriptors(&self, descriptors: &Path) -> u64 {
        let port = self.address.rsplit(':').next().unwrap().parse::<u16>().unwrap();
        // Address, state and inode are the second, fourth and tenth of a line (proc(5)); 0A listens.
        let connections = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let of_clients: HashSet<String> = connections
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>())
            .filter(|fields| fields.len() > 9 && fields[1].ends_with(&format!(":{port:04X}")) && fields[3] != "0A")
            .map(|fields| format!("socket:[{}]", fields[9]))
            .collect();
        let links = std::fs::read_dir(descriptors).unwrap().flatten();
        // One that is closed meanwhile leads nowhere.
        let targets = links.filter_map(|link| Some(std::fs::read_link(link.path()).ok()?.to_str()?.to_owned()));
        targets.filter(|target| !of_clients.contains(target)).count() as u64
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Processes that it started and that run: their ids, and their memory in MiB.
    pub fn children(&self) -> Vec<(u32, u64)> {
        let parent = self.process.id().to_string();
        let processes = std::fs::read_dir("/proc").unwrap().flatten();
        processes
            .filter_map(|process| {
                let id = process.file_name().to_str()?.parse().ok()?;
                // One that ends meanwhile has none.
                let status = std::fs::read_to_string(process.path().join("status")).ok()?;
                let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
                let kib = field("RssAnon:")?.split_whitespace().next()?.parse::<u64>().ok()?;
                (field("PPid:") == Some(&parent)).then_some((id, kib / 1024))
            })
            .collect()
    }

    pub fn until_exit(&mut self, patience: Duration) -> ExitStatus {
        until_exit(&mut self.process, patience)
    }

    pub async fn send(&self, method: Method, path: &str, key: &str, body: Option<Value>) -> Response {
        let mut request = self.http.request(method, format!("http://{}{path}", self.address)).bearer_auth(key);
        if let Some(body) = body {
            request = request.json(&body);
        }
        request.send().await.unwrap()
    }

    /// As a device: the answer must have `status`.
    pub async fn device(&self, method: Method, path: &str, body: Option<Value>, status: StatusCode) -> Value {
        read(self.send(method, path, DEVICE, body).await, status).await
    }

    /// As an operator.
    pub async fn operator(&self, path: &str) -> Value {
        read(self.send(Method::GET, path, OPERATOR, None).await, StatusCode::OK).await
    }

    /// Makes a session.
    pub async fn create(&self, games: &[&str]) -> Viewer {
        let session =
            self.device(Method::POST, "/v1/sessions", Some(json!({"games": games})), StatusCode::CREATED).await;
        Viewer::new(&session)
    }

    /// A request without a key; `None` where the service does not answer any more.
    pub async fn get(&self, path: &str) -> Option<(StatusCode, String)> {
        let answer = self.http.get(format!("http://{}{path}", self.address)).send().await.ok()?;
        let status = answer.status();
        Some((status, answer.text().await.ok()?))
    }

    /// As [`Program::get`], for what is no text.
    pub async fn bytes(&self, path: &str) -> Option<(StatusCode, bytes::Bytes)> {
        let answer = self.http.get(format!("http://{}{path}", self.address)).send().await.ok()?;
        Some((answer.status(), answer.bytes().await.ok()?))
    }

    pub async fn metric(&self, name: &str) -> f64 {
        let (_, text) = self.get("/metrics").await.unwrap();
        let line = text.lines().find(|l| l.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')));
        line.unwrap_or_else(|| panic!("no sample {name} in\n{text}")).rsplit(' ').next().unwrap().parse().unwrap()
    }
}

/// The JSON of an answer that must have `status`.
pub async fn read(answer: Response, status: StatusCode) -> Value {
    let (got, url) = (answer.status(), answer.url().clone());
    let text = answer.text().await.unwrap();
    assert_eq!(got, status, "{url}: {text}");
    serde_json::from_str(&text).unwrap()
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            for event in self.log.lock().unwrap().iter() {
                eprintln!("{event}");
            }
        }
    }
}

/// Who plays a session, whatever process serves it.
pub struct Viewer {
    pub id: String,
    /// Path of the session in the API.
    pub path: String,
    /// Path of the picture's media playlist.
    playlist: String,
}

/// A media playlist with at least one segment.
pub struct Listed {
    pub text: String,
    pub media_sequence: u64,
    pub newest: u64,
    newest_uri: String,
}

impl Viewer {
    pub fn new(session: &Value) -> Self {
        let id = session["id"].as_str().unwrap().to_owned();
        let url = session["playback_url"].as_str().unwrap();
        let playlist = url[url.find("/v1/play").unwrap()..].replace("index.m3u8", &format!("video/{RENDITION}.m3u8"));
        Self { path: format!("/v1/sessions/{id}"), id, playlist }
    }

    pub async fn session(&self, program: &Program) -> Value {
        program.device(Method::GET, &self.path, None, StatusCode::OK).await
    }

    pub async fn billable_seconds(&self, program: &Program) -> u64 {
        self.session(program).await["billable_seconds"].as_u64().unwrap()
    }

    /// The playlist, and its newest segment fetched, as a player does; `None` where the service is gone or not ready.
    pub async fn poll(&self, program: &Program) -> Option<Listed> {
        let (status, text) = program.get(&self.playlist).await?;
        if status != StatusCode::OK {
            return None;
        }
        let newest_uri = text.lines().rfind(|l| l.ends_with(".m4s"))?.to_owned();
        let newest = newest_uri.rsplit('/').next().unwrap().strip_suffix(".m4s").unwrap().parse().unwrap();
        let line = text.lines().find_map(|l| l.strip_prefix("#EXT-X-MEDIA-SEQUENCE:")).unwrap();
        Some(Listed { media_sequence: line.parse().unwrap(), newest, newest_uri, text })
    }

    /// Plays until the newest listed segment is at least `segment`, and fetches it.
    pub async fn play_until(&self, program: &Program, segment: u64) -> Listed {
        let what = format!("segment {segment} of session {}", self.id);
        let listed = until(&what, async || self.poll(program).await.filter(|l| l.newest >= segment)).await;
        assert!(self.fetch(program, &listed).await, "{} is listed and not served", listed.newest_uri);
        listed
    }

    /// Whether the newest segment of a playlist is served whole.
    pub async fn fetch(&self, program: &Program, listed: &Listed) -> bool {
        let url = format!("http://{}{}", program.address, listed.newest_uri);
        let Ok(answer) = program.http.get(url).send().await else { return false };
        answer.status() == StatusCode::OK && answer.bytes().await.is_ok_and(|bytes| bytes.len() > 500)
    }
}
