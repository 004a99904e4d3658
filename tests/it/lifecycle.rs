//! How things begin, go idle, end and come back: games, sessions, mosaics, the meter, on a cranked clock.

use std::path::Path;

use quadrille::config::Config;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::decode::{self, Decode};
use crate::support::service::{TestService, config};

const TINY: &str = "[output]\nfps = \"25\"\nsegment_frames = 25\nwindow_s = 6\npreset = \"ultrafast\"\n\
    [[output.renditions]]\nname = \"tiny\"\nwidth = 384\nheight = 216\nbitrate = 100_000\n";

fn tiny(data_dir: &Path) -> Config {
    let source = |tone: u32| format!("test://ball?size=160x90&fps=25&tone={tone}");
    config(data_dir, &[("a", source(300)), ("b", source(500))], TINY)
}

async fn create(service: &TestService, games: Value) -> Value {
    service.device(Method::POST, "/v1/sessions", Some(json!({ "games": games })), StatusCode::CREATED).await
}

async fn session(service: &TestService, created: &Value) -> Value {
    let path = format!("/v1/sessions/{}", created["id"].as_str().unwrap());
    service.device(Method::GET, &path, None, StatusCode::OK).await
}

fn playlist_path(session: &Value) -> String {
    let url = session["playback_url"].as_str().unwrap();
    url[url.find("/v1/play").unwrap()..].replace("index.m3u8", "video/tiny.m3u8")
}

fn last_segment(playlist: &str) -> u64 {
    let last = playlist.lines().rfind(|l| l.ends_with(".m4s")).unwrap();
    last.rsplit('/').next().unwrap().trim_end_matches(".m4s").parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_polls_nothing_is_ended_billed_to_the_last_poll_and_frees_the_mosaic() {
    let dir = tempfile::tempdir().unwrap();
    let service = TestService::start(&tiny(dir.path())).await;
    let idle = create(&service, json!(["a"])).await;
    service.nobody_asks();
    service.crank_segments(4).await;
    assert_eq!(
        session(&service, &idle).await["billable_seconds"],
        0,
        "no playlist that lists a segment was served yet"
    );
    service.text(&playlist_path(&idle)).await;
    for _ in 0..5 {
        service.crank_segments(1).await;
        service.text(&playlist_path(&idle)).await;
    }
    service.crank_segments(29).await;
    assert_eq!(session(&service, &idle).await["state"], "active");
    assert_eq!(service.metric("quadrille_mosaics{engine=\"stitch\"}").await, 1.0);
    service.crank_segments(3).await;
    let ended = session(&service, &idle).await;
    assert_eq!(ended["state"], "ended");
    // Five seconds of polls, and one target duration (a segment of one second) after the last.
    assert_eq!(ended["billable_seconds"], 6);
    assert_eq!(service.metric("quadrille_sessions").await, 0.0);
    service.crank_segments(22).await;
    assert_eq!(service.metric("quadrille_mosaics{engine=\"stitch\"}").await, 0.0, "nobody asked for it in 20 s");
    assert_eq!(service.metric("quadrille_encoders{kind=\"tile\"}").await, 0.0);
    let usage = service.operator(Method::GET, "/v1/operator/usage?group_by=session", None, StatusCode::OK).await;
    assert_eq!(usage["total_billable_seconds"], 6, "{usage}");
    assert_eq!(usage["rows"][0]["session_id"], idle["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_and_registered_games_survive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let config = tiny(dir.path());
    let service = TestService::start(&config).await;
    let game = json!({"id": "own", "title": "Own game", "sources": ["test://smpte?size=160x90&fps=25&tone=700"]});
    service.operator(Method::POST, "/v1/operator/games", Some(game), StatusCode::CREATED).await;
    let watched = create(&service, json!(["a", "own"])).await;
    service.crank_segments(5).await;
    let before = last_segment(&service.text(&playlist_path(&watched)).await);
    service.crank_segments(4).await;
    service.text(&playlist_path(&watched)).await;
    let billed = session(&service, &watched).await["billable_seconds"].as_u64().unwrap();
    let now = service.stop().await;
    let service = TestService::start_at(&config, now + std::time::Duration::from_secs(4)).await;
    service.crank_segments(4).await;
    let again = session(&service, &watched).await;
    assert_eq!(again["state"], "active");
    assert_eq!(again["games"], json!(["a", "own"]));
    assert!(again["billable_seconds"].as_u64().unwrap() >= billed);
    let playlist = service.text(&playlist_path(&watched)).await;
    assert!(last_segment(&playlist) > before, "{playlist}");
    assert!(!playlist.contains("EXT-X-ENDLIST"));
    let uri = playlist.lines().rfind(|l| l.ends_with(".m4s")).unwrap();
    assert!(service.bytes(uri).await.len() > 500);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_game_is_registered_changed_and_removed_while_everything_runs() {
    let dir = tempfile::tempdir().unwrap();
    let service = TestService::start(&tiny(dir.path())).await;
    let body = json!({"games": ["new"]});
    service.device(Method::POST, "/v1/sessions", Some(body.clone()), StatusCode::NOT_FOUND).await;
    let game = |pattern: &str| {
        let source = format!("test://{pattern}?size=160x90&fps=25&tone=700");
        json!({"id": "new", "title": "New game", "sources": [source], "labels": {"league": "x"}})
    };
    service.operator(Method::POST, "/v1/operator/games", Some(game("ball")), StatusCode::CREATED).await;
    service.operator(Method::POST, "/v1/operator/games", Some(game("ball")), StatusCode::CONFLICT).await;
    let watched = create(&service, json!(["new"])).await;
    service.crank_segments(4).await;
    service.text(&playlist_path(&watched)).await;
    service.operator(Method::PUT, "/v1/operator/games/new", Some(game("smpte")), StatusCode::OK).await;
    service.crank_segments(3).await;
    service.operator(Method::DELETE, "/v1/operator/games/new", None, StatusCode::NO_CONTENT).await;
    service.device(Method::POST, "/v1/sessions", Some(body), StatusCode::NOT_FOUND).await;
    // The session that shows it goes on, with a slate.
    let before = last_segment(&service.text(&playlist_path(&watched)).await);
    service.crank_segments(3).await;
    assert!(last_segment(&service.text(&playlist_path(&watched)).await) > before);
    assert_eq!(service.metric("quadrille_late_segments_total").await, 0.0);
}

/// Media sequence number of the newest listed segment.
fn last_number(playlist: &str) -> u64 {
    let first: u64 = playlist.lines().find_map(|l| l.strip_prefix("#EXT-X-MEDIA-SEQUENCE:")).unwrap().parse().unwrap();
    first + playlist.lines().filter(|l| l.ends_with(".m4s")).count() as u64 - 1
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_restart_an_hour_in_the_past_playlists_go_on_and_no_name_comes_again() {
    let dir = tempfile::tempdir().unwrap();
    let config = tiny(dir.path());
    let service = TestService::start(&config).await;
    let watched = create(&service, json!(["a", "b"])).await;
    service.crank_segments(5).await;
    let before = service.text(&playlist_path(&watched)).await;
    let now = service.stop().await;
    let mut names: Vec<String> = before.lines().filter(|l| l.ends_with(".m4s")).map(str::to_owned).collect();
    for hours in [1, 2] {
        let service = TestService::start_at(&config, now - std::time::Duration::from_secs(hours * 3600)).await;
        // As far as it had come, and further.
        service.crank_segments(6).await;
        let sound = service.text(&playlist_path(&watched).replace("video/tiny", "audio/a")).await;
        let after = service.text(&playlist_path(&watched)).await;
        assert!(last_number(&after) > last_number(&before) + 1, "{before}\n{after}");
        assert_eq!(last_number(&sound), last_number(&after), "{sound}");
        assert!(
            after.contains("#EXT-X-DISCONTINUITY\n") && sound.contains("#EXT-X-DISCONTINUITY\n"),
            "{after}\n{sound}"
        );
        for uri in after.lines().chain(sound.lines()).filter(|l| l.ends_with(".m4s")) {
            assert!(!service.bytes(uri).await.is_empty());
            assert!(!names.contains(&uri.to_owned()), "{uri} was something else an hour later");
            names.push(uri.to_owned());
        }
        service.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sound_of_a_removed_game_is_silence_at_once_and_for_good() {
    let dir = tempfile::tempdir().unwrap();
    let config = tiny(dir.path());
    let service = TestService::start(&config).await;
    for id in ["own", "other"] {
        let game = json!({"id": id, "title": id, "sources": ["test://smpte?size=160x90&fps=25&tone=700"]});
        service.operator(Method::POST, "/v1/operator/games", Some(game), StatusCode::CREATED).await;
    }
    let watched = create(&service, json!(["own"])).await;
    // A player may have chosen the sound of a game that is not on its picture.
    let sound = |id: &str| playlist_path(&watched).replace("video/tiny", &format!("audio/{id}"));
    service.crank_segments(5).await;
    let listed = service.text(&sound("own")).await;
    let newest = last_segment(&listed);
    for id in ["own", "other"] {
        service.operator(Method::DELETE, &format!("/v1/operator/games/{id}"), None, StatusCode::NO_CONTENT).await;
    }
    let at_once = service.text(&sound("own")).await;
    assert!(last_segment(&at_once) >= newest);
    // What stands before the first segment that moves is silent.
    let first = watched["effective_segment"].as_u64().unwrap();
    let moves = |uri: &&str| uri.ends_with(".m4s") && last_segment(uri) > first;
    for uri in listed.lines().filter(moves) {
        let bytes = service.bytes(uri).await;
        assert!(bytes.len() > 2000, "{uri} was listed with sound in it: {} bytes", bytes.len());
    }
    service.crank_segments(4).await;
    for id in ["own", "other"] {
        let after = service.text(&sound(id)).await;
        assert!(last_segment(&after) >= newest + 3, "{after}");
        let samples = decoded(&service, dir.path(), &after, 2).await;
        // Two seconds, less what the decoder keeps back; nothing is heard.
        assert!(samples.len() > 80_000, "{} samples", samples.len());
        assert!(samples.iter().all(|s| s.unsigned_abs() <= 1));
    }
    let now = service.stop().await;
    let service = TestService::start_at(&config, now + std::time::Duration::from_secs(4)).await;
    service.crank_segments(4).await;
    let after = service.text(&sound("own")).await;
    assert!(last_segment(&after) > newest + 4, "{after}");
    assert_eq!(last_segment(&after), last_segment(&service.text(&playlist_path(&watched)).await));
    service.bytes(after.lines().rfind(|l| l.ends_with(".m4s")).unwrap()).await;
}

/// The newest `segments` of a sound playlist, decoded.
async fn decoded(service: &TestService, dir: &Path, playlist: &str, segments: usize) -> Vec<i16> {
    let map = playlist.lines().find_map(|l| l.strip_prefix("#EXT-X-MAP:URI=\"")?.strip_suffix('"')).unwrap();
    let mut bytes = service.bytes(map).await;
    let uris: Vec<_> = playlist.lines().filter(|l| l.ends_with(".m4s")).collect();
    for uri in &uris[uris.len() - segments..] {
        bytes.extend(service.bytes(uri).await);
    }
    let file = dir.join("sound.mp4");
    std::fs::write(&file, bytes).unwrap();
    let decode = Decode { video: None, ..Decode::new(file.to_str().unwrap(), 30.0) };
    let decoded = decode::decode(&decode, |_, _| {});
    assert_eq!(decoded.complaints, "");
    decoded.sound
}
