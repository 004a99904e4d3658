//! An operator removes a game that is watched: its sound ends like its picture.

use std::path::Path;

use quadrille::config::Config;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::decode::{Decode, decode};
use crate::support::service::{TestService, config};
use crate::support::tone;

const TINY: &str = "[output]\nfps = \"25\"\nsegment_frames = 25\nwindow_s = 12\npreset = \"ultrafast\"\n\
    [[output.renditions]]\nname = \"tiny\"\nwidth = 384\nheight = 216\nbitrate = 100_000\n";

fn tiny(data_dir: &Path) -> Config {
    config(data_dir, &[("a", "test://ball?size=160x90&fps=25&tone=300".to_owned())], TINY)
}

/// How a game sounds that is always to be heard.
const TONE: u32 = 700;

#[tokio::test(flavor = "multi_thread")]
async fn a_game_that_is_removed_ends_in_slate_and_silence_and_its_playlists_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let service = TestService::start(&tiny(dir.path())).await;
    let source = format!("test://smpte?size=160x90&fps=25&tone={TONE}");
    let game = json!({ "id": "own", "title": "Own game", "sources": [source] });
    service.operator(Method::POST, "/v1/operator/games", Some(game), StatusCode::CREATED).await;
    let body = json!({ "games": ["own"] });
    let session = service.device(Method::POST, "/v1/sessions", Some(body), StatusCode::CREATED).await;
    let url = session["playback_url"].as_str().unwrap();
    let under = url[url.find("/v1/play").unwrap()..].trim_end_matches("index.m3u8").to_owned();
    let playlists = ["video/tiny.m3u8", "audio/own.m3u8", "sound/main.m3u8"].map(|name| format!("{under}{name}"));
    service.crank_segments(5).await;
    let newest = async |playlist: &str| last_number(&service.text(playlist).await);
    for playlist in &playlists {
        newest(playlist).await;
    }
    service.operator(Method::DELETE, "/v1/operator/games/own", None, StatusCode::NO_CONTENT).await;
    service.crank_segments(1).await;
    for _ in 0..6 {
        let mut before = Vec::new();
        for playlist in &playlists {
            before.push(newest(playlist).await);
        }
        assert_eq!(before[0], before[1], "sound is where the picture is");
        assert_eq!(before[0], before[2]);
        service.crank_segments(1).await;
        for (playlist, before) in playlists.iter().zip(before) {
            assert_eq!(newest(playlist).await, before + 1, "{playlist} hangs");
        }
    }
    for playlist in &playlists {
        let text = service.text(playlist).await;
        assert!(!text.contains("EXT-X-ENDLIST") && !text.contains("EXT-X-GAP"), "{text}");
        for uri in text.lines().filter(|line| line.ends_with(".m4s") && !line.starts_with('#')) {
            service.bytes(uri).await;
        }
    }
    // What is heard: the game, then nothing.
    for playlist in &playlists[1..] {
        let input = format!("{}{playlist}", service.base);
        let options = ["-live_start_index", "0"];
        let what = Decode { input_options: &options, video: None, ..Decode::new(&input, 10.0) };
        let sound = decode(&what, |_, _| {}).sound;
        let seconds: Vec<_> = sound.chunks_exact(48_000).collect();
        assert!(seconds.len() >= 9, "{}", seconds.len());
        let (first, last) = seconds.split_at(seconds.len() - 3);
        let shares: Vec<f64> = first.iter().map(|second| tone::share(second, TONE)).collect();
        assert!(shares.iter().any(|share| *share > 0.5), "it was heard: {shares:?}");
        for second in last {
            assert!(second.iter().all(|sample| sample.abs() < 64), "{playlist}: it is silent");
        }
    }
    let id = session["id"].as_str().unwrap();
    let told = service.device(Method::GET, &format!("/v1/sessions/{id}"), None, StatusCode::OK).await;
    assert_eq!(told["state"], "active");
}

/// Number of the newest listed segment.
fn last_number(playlist: &str) -> u64 {
    let last = playlist.lines().rfind(|line| line.ends_with(".m4s") && !line.starts_with('#')).expect(playlist);
    last.rsplit('/').next().unwrap().trim_end_matches(".m4s").parse().unwrap()
}
