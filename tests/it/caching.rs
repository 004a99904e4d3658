//! The bundled nginx configuration before a whole service: what is shared is asked for once.

use std::collections::HashMap;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::service::{SMALL_OUTPUT, TestService, config};

const SESSIONS: usize = 500;

struct Nginx {
    process: Child,
    base: String,
}

impl Nginx {
    /// The bundled configuration, which only learns where the service is, where to listen and where to put things.
    fn start(dir: &Path, service: &str) -> Self {
        // nginx cannot say which port it was given: one that was free a moment ago.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut text = include_str!("../../deploy/nginx.conf").to_owned();
        for (theirs, ours) in [
            ("server 127.0.0.1:8080;", format!("server {service};")),
            ("listen 80;", format!("listen {address};")),
            ("/var/cache/nginx/quadrille", dir.join("cache").display().to_string()),
        ] {
            assert_eq!(text.matches(theirs).count(), 1, "{theirs}");
            text = text.replace(theirs, &ours);
        }
        // Started as root, workers would be another user, who may not write here.
        let user = if rustix::process::geteuid().is_root() { "user root; " } else { "" };
        let temps = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
        let temps = temps.map(|kind| format!("{kind}_temp_path {};", dir.join(kind).display())).concat();
        let text = text.replace("http {", &format!("http {{ {temps}"));
        std::fs::write(dir.join("nginx.conf"), format!("daemon off; {user}pid {}; {text}", dir.join("pid").display()))
            .unwrap();
        let process = Command::new("nginx")
            .args(["-e", "stderr", "-p"])
            .arg(dir)
            .arg("-c")
            .arg(dir.join("nginx.conf"))
            .stderr(Stdio::inherit())
            .spawn()
            .expect("nginx is installed");
        let nginx = Self { process, base: format!("http://{address}") };
        for _ in 0..500 {
            if TcpStream::connect(address).is_ok() {
                return nginx;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("nginx does not listen");
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // The master would leave its workers behind if it were killed: it is asked to end.
        let _ = Command::new("kill").args(["-s", "TERM", &self.process.id().to_string()]).status();
        let _ = self.process.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_sessions_of_one_mosaic_ask_for_each_segment_once() {
    let dir = tempfile::tempdir().unwrap();
    let games = [("a", "test://ball?size=320x180&fps=30&tone=300".to_owned())];
    let service = TestService::start(&config(dir.path(), &games, SMALL_OUTPUT)).await;
    let nginx = Nginx::start(dir.path(), service.base.strip_prefix("http://").unwrap());
    let mut urls = Vec::new();
    for _ in 0..SESSIONS {
        let session =
            service.device(Method::POST, "/v1/sessions", Some(json!({"games": ["a"]})), StatusCode::CREATED).await;
        let url = session["playback_url"].as_str().unwrap();
        urls.push(format!(
            "{}{}",
            nginx.base,
            url[url.find("/v1/play").unwrap()..].replace("index.m3u8", "video/big.m3u8")
        ));
    }
    service.crank_segments(3).await;
    let before = service.metric("quadrille_bytes_served_total").await;
    let client = reqwest::Client::new();
    let watching: Vec<_> = urls
        .into_iter()
        .enumerate()
        .map(|(n, url)| tokio::spawn(watch(client.clone(), nginx.base.clone(), url, n)))
        .collect();
    let (mut seen, mut playlists): (HashMap<String, (usize, usize, usize)>, u64) = Default::default();
    for watched in watching {
        let (playlist_bytes, segments) = watched.await.unwrap();
        playlists += playlist_bytes;
        for (segment, bytes, missed) in segments {
            let known = seen.entry(segment).or_insert((bytes, 0, 0));
            assert_eq!(known.0, bytes, "everybody has the same");
            known.1 += 1;
            known.2 += usize::from(missed);
        }
    }
    assert!(seen.len() >= 3, "{seen:?}");
    assert!(seen.values().all(|(_, asked, missed)| (*asked, *missed) == (SESSIONS, 1)), "{seen:?}");
    let once: usize = seen.values().map(|(bytes, ..)| bytes).sum();
    assert_eq!(service.metric("quadrille_bytes_served_total").await - before, (playlists + once as u64) as f64);
}

/// Reads a playlist and all that it lists, from a page of its own origin: the bytes of the playlist; of each segment its address, bytes, and whether
/// nginx had to ask.
async fn watch(client: reqwest::Client, base: String, url: String, n: usize) -> (u64, Vec<(String, usize, bool)>) {
    let get = |url: String| client.get(url).header("origin", format!("https://page-{n}.example")).send();
    let playlist = get(url).await.unwrap().error_for_status().unwrap();
    assert!(playlist.headers().get("x-cache-status").is_none(), "the meter counts these");
    let playlist = playlist.text().await.unwrap();
    let mut segments = Vec::new();
    for address in playlist.lines().filter(|line| line.contains(".m4s")) {
        let answer = get(format!("{base}{address}")).await.unwrap().error_for_status().unwrap();
        assert_eq!(answer.headers()["access-control-allow-origin"], "*");
        let missed = answer.headers()["x-cache-status"] == "MISS";
        segments.push((address.to_owned(), answer.bytes().await.unwrap().len(), missed));
    }
    (playlist.len() as u64, segments)
}
