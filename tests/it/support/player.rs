//! A player that is no player: it polls its playlists, fetches whatever they list, and writes down what is not as it must be.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use reqwest::{Method, StatusCode};
use serde_json::Value;
use tokio::task::JoinHandle;

use super::program::{DEVICE, Program, until};

/// How often it asks; a segment is a second.
const POLL: Duration = Duration::from_millis(500);

/// A player: it fetches its playlists, and each segment that they list.
pub struct Player {
    /// Of its session in the API.
    session: String,
    stop: Arc<AtomicBool>,
    played: Arc<Mutex<Played>>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Played {
    /// The newest segment of each of its playlists.
    newest: BTreeMap<String, u64>,
    /// What was not as it must be.
    wrong: Vec<String>,
}

impl Player {
    /// Of a session of segments of `pictures` each.
    pub async fn start(program: &Arc<Program>, session: &Value, pictures: u64) -> Self {
        let url = session["playback_url"].as_str().unwrap();
        let (stop, played) = (Arc::<AtomicBool>::default(), Arc::<Mutex<Played>>::default());
        let (program, path) = (program.clone(), url[url.find("/v1/play").unwrap()..].to_owned());
        let (ends, tells) = (stop.clone(), played.clone());
        let playlists = until("a master playlist", async || master(&program, &path).await).await;
        let task = tokio::spawn(async move {
            while !ends.load(Ordering::Acquire) {
                for playlist in &playlists {
                    play(&program, playlist, pictures, &tells).await;
                }
                tokio::time::sleep(POLL).await;
            }
        });
        let session = format!("/v1/sessions/{}", session["id"].as_str().unwrap());
        Self { session, stop, played, task }
    }

    /// Whether it has fetched something of each of its playlists.
    pub fn plays(&self) -> bool {
        self.played.lock().newest.len() == 2
    }

    /// The newest segment that it has of all its playlists; 0 before there is one.
    pub fn newest(&self) -> u64 {
        self.played.lock().newest.values().min().copied().unwrap_or(0)
    }

    /// What was not as it must be since it was asked last.
    pub fn take_wrong(&self) -> Vec<String> {
        std::mem::take(&mut self.played.lock().wrong)
    }

    /// Leaves; what was not as it must be.
    pub async fn leave(self, program: &Program) -> Vec<String> {
        self.stop.store(true, Ordering::Release);
        self.task.await.unwrap();
        let ended = program.send(Method::DELETE, &self.session, DEVICE, None).await;
        assert_eq!(ended.status(), StatusCode::NO_CONTENT);
        std::mem::take(&mut self.played.lock().wrong)
    }
}

/// The media playlists of a session, pictures and sound.
async fn master(program: &Program, path: &str) -> Option<Vec<String>> {
    let (status, text) = program.get(path).await?;
    if status != StatusCode::OK {
        return None;
    }
    let base = &path[..=path.rfind('/').unwrap()];
    let uri = |line: &str| Some(line.split("URI=\"").nth(1)?.split('"').next()?.to_owned());
    let sounds = text.lines().filter(|line| line.starts_with("#EXT-X-MEDIA:TYPE=AUDIO")).filter_map(uri);
    let pictures = text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned);
    // One of each.
    let playlists: Vec<_> = pictures.take(1).chain(sounds.take(1)).map(|uri| format!("{base}{uri}")).collect();
    assert_eq!(playlists.len(), 2, "{text}");
    Some(playlists)
}

async fn play(program: &Program, playlist: &str, pictures: u64, played: &Mutex<Played>) {
    let wrong = |what: String| played.lock().wrong.push(format!("{playlist}: {what}"));
    let Some((status, text)) = program.get(playlist).await else { return wrong("nobody answers".into()) };
    if status != StatusCode::OK {
        return wrong(format!("{status}: {text}"));
    }
    if text.contains("DISCONTINUITY\n") || text.contains("EXT-X-GAP") || text.contains("EXT-X-ENDLIST") {
        wrong(text.clone());
    }
    let is_picture = playlist.contains("/video/");
    for uri in text.lines().filter(|line| line.ends_with(".m4s") && !line.starts_with('#')) {
        let number: u64 = uri.rsplit('/').next().unwrap().strip_suffix(".m4s").unwrap().parse().unwrap();
        let newest = played.lock().newest.get(playlist).copied();
        if newest.is_some_and(|newest| number <= newest) {
            continue;
        }
        if newest.is_some_and(|newest| number != newest + 1) {
            wrong(format!("{number} comes after {newest:?}"));
        }
        match program.bytes(uri).await {
            Some((StatusCode::OK, bytes)) => {
                let has = samples(&bytes);
                if is_picture && has != pictures {
                    wrong(format!("{uri} has {has} pictures"));
                }
            }
            answer => wrong(format!("{uri}: {:?}", answer.map(|(status, _)| status))),
        }
        played.lock().newest.insert(playlist.to_owned(), number);
    }
}

/// How many samples the runs of a segment have (ISO/IEC 14496-12, 8.8.8).
fn samples(segment: &[u8]) -> u64 {
    let runs = segment.windows(12).filter(|window| window.starts_with(b"trun"));
    runs.map(|run| u64::from(u32::from_be_bytes([run[8], run[9], run[10], run[11]]))).sum()
}
