//! Going back in a whole service: what was played lies on the disk, is the same bytes as it was, and outlives the process and faults of the disk.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use quadrille::config::Config;
use quadrille::layout::Layouts;
use quadrille::timeline::{Clock as _, MediaTime};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::barcode::Clip;
use crate::support::decode::{Decode, Decoded, decode};
use crate::support::service::{DEVICE, OPERATOR, SMALL_OUTPUT, TestService, WHOLE_SLOTS, config};
use crate::support::tone;

/// Playlists of three seconds, of which memory keeps seven.
fn configured(dir: &Path, layouts: &str) -> Config {
    let source = |tone: u32| format!("test://ball?size=320x180&fps=30&tone={tone}");
    let output = SMALL_OUTPUT.replace("window_s = 10", "window_s = 3");
    let start_over = format!("[start_over]\nwindow_s = 120\ngigabytes = 1\nlayouts = {layouts}\n");
    config(dir, &[("a", source(300)), ("b", source(500))], &format!("{output}{start_over}"))
}

async fn create(service: &TestService, games: [&str; 2]) -> Value {
    let session =
        service.device(Method::POST, "/v1/sessions", Some(json!({ "games": games })), StatusCode::CREATED).await;
    assert_eq!((session["engine"].as_str(), session["start_over_s"].as_u64()), (Some("stitch"), Some(120)));
    session
}

fn playback(session: &Value) -> String {
    let url = session["playback_url"].as_str().unwrap();
    url[url.find("/v1/play").unwrap()..].to_owned()
}

/// The picture's and the main sound's playlists, as the multivariant playlist with `query` names them.
async fn playlists(service: &TestService, session: &Value, query: &str) -> [String; 2] {
    let index = service.text(&format!("{}{query}", playback(session))).await;
    let video = index.lines().find(|line| line.contains("/video/big.m3u8")).unwrap();
    let mut uris = index.split("URI=\"").filter_map(|uri| uri.split('"').next());
    let sound = uris.find(|uri| uri.contains("/sound/main")).unwrap();
    let of = |uri: &str| playback(session).replace("index.m3u8", uri);
    [service.text(&of(video)).await, service.text(&of(sound)).await]
}

/// The listed segments and their addresses; `None` for gaps.
fn listed(playlist: &str) -> BTreeMap<u64, Option<String>> {
    let first = playlist.lines().find_map(|line| line.strip_prefix("#EXT-X-MEDIA-SEQUENCE:")).unwrap();
    let mut listed = BTreeMap::new();
    let mut gap = false;
    for line in playlist.lines() {
        gap |= line == "#EXT-X-GAP";
        if line.contains("/media/") && line.starts_with("/v1/") {
            let n = first.parse::<u64>().unwrap() + listed.len() as u64;
            listed.insert(n, (!std::mem::take(&mut gap)).then(|| line.to_owned()));
        }
    }
    listed
}

/// The bytes of all that is listed.
async fn fetched(service: &TestService, playlist: &str) -> BTreeMap<u64, Vec<u8>> {
    let mut all = BTreeMap::new();
    for (n, address) in listed(playlist) {
        if let Some(address) = address {
            all.insert(n, service.bytes(&address).await);
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn the_past_is_what_it_was_also_where_nobody_watched() {
    let dir = tempfile::tempdir().unwrap();
    let service = TestService::start(&configured(dir.path(), "[\"2EH\"]")).await;
    service.crank_segments(2).await;
    let watched = create(&service, ["a", "b"]).await;
    service.crank_segments(6).await;
    let mut live = Vec::new();
    for playlist in playlists(&service, &watched, "").await {
        live.push(fetched(&service, &playlist).await);
    }
    // Long out of memory.
    service.crank_segments(16).await;
    for (playlist, live) in playlists(&service, &watched, "?start=40").await.iter().zip(&live) {
        assert!(playlist.contains("#EXT-X-START:TIME-OFFSET="), "{playlist}");
        let again = fetched(&service, playlist).await;
        assert!(again.len() > 18 && !live.is_empty(), "{playlist}");
        assert!(live.iter().all(|(n, bytes)| again.get(n) == Some(bytes)), "what was served live");
    }
    // The other way round, asked for now.
    let other = create(&service, ["b", "a"]).await;
    let [video, sound] = playlists(&service, &other, "?start=15").await;
    let numbers: Vec<u64> = listed(&video).into_keys().collect();
    assert_eq!(numbers, listed(&sound).into_keys().collect::<Vec<_>>());
    assert!(numbers.len() >= 15 && listed(&video).values().all(Option::is_some), "{video}");
    // FFmpeg begins where it is told and plays through to the end of a session that has ended, what was had of it.
    for playlist in [&video, &sound] {
        assert_eq!(fetched(&service, playlist).await.len(), numbers.len());
    }
    let path = format!("/v1/sessions/{}", other["id"].as_str().unwrap());
    service.device(Method::DELETE, &path, None, StatusCode::NO_CONTENT).await;
    service.crank_segments(4).await;
    let [ended, _] = playlists(&service, &other, "?start=19").await;
    assert!(ended.ends_with("#EXT-X-ENDLIST\n") && listed(&ended).len() >= 15, "{ended}");
    let url = format!("{}{}?start=19", service.base, playback(&other));
    let decoded = tokio::task::spawn_blocking(move || {
        decode(&Decode { input_options: &["-live_start_index", "0"], ..Decode::new(&url, 60.0) }, |_, _| {})
    })
    .await
    .unwrap();
    assert_eq!(decoded.complaints, "");
    assert!(decoded.times_s.len() >= 30 * 14, "{}", decoded.times_s.len());
    let steps = decoded.times_s.windows(2).map(|pair| pair[1] - pair[0]);
    assert!(steps.into_iter().all(|step| (step - 1.0 / 30.0).abs() < 0.001), "{:?}", decoded.times_s);
    assert!(service.metric("quadrille_shelf_bytes").await > 500_000.0);
    let lost: f64 = service.metric("quadrille_shelf_lost_segments_total{reason=\"queue\"}").await;
    assert!(lost < 0.5, "{lost}");
}

/// The files of the window.
fn files(dir: &Path) -> Vec<PathBuf> {
    let within = |dir: &Path| std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    within(&dir.join("start-over")).iter().flat_map(|folder| within(folder)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_and_a_damaged_block_cost_a_gap_each() {
    let dir = tempfile::tempdir().unwrap();
    let config = configured(dir.path(), "[]");
    let service = TestService::start(&config).await;
    let session = create(&service, ["a", "b"]).await;
    service.crank_segments(14).await;
    let [before, _] = playlists(&service, &session, "?start=60").await;
    let before = fetched(&service, &before).await;
    let stopped_at = service.stop().await;

    // A tile of the larger rendition is the largest file.
    let file = files(dir.path()).into_iter().max_by_key(|file| file.metadata().unwrap().len()).unwrap();
    let mut bytes = std::fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    std::fs::write(&file, bytes).unwrap();

    let service = TestService::start_at(&config, stopped_at + Duration::from_secs(8)).await;
    service.crank_segments(6).await;
    let [playlist, _] = playlists(&service, &session, "?start=60").await;
    let mut damaged = Vec::new();
    for (n, address) in listed(&playlist) {
        let (Some(address), Some(bytes)) = (address, before.get(&n)) else { continue };
        let response = service.send(Method::GET, &address, DEVICE, None).await;
        if response.status() == StatusCode::OK {
            assert_eq!(response.bytes().await.unwrap(), bytes, "segment {n}");
        } else {
            damaged.push(n);
        }
    }
    assert_eq!(damaged.len(), 1, "{playlist}");
    let [playlist, _] = playlists(&service, &session, "?start=60").await;
    let listed = listed(&playlist);
    assert_eq!(listed.get(&damaged[0]), Some(&None), "from now on it is a gap: {playlist}");
    // So is what nobody made while the service was down, but for what stands still before it goes on; before and after there is everything.
    let now = service.grid.segment_at(service.clock.now());
    let gaps: Vec<u64> = listed.iter().filter(|(_, address)| address.is_none()).map(|(n, _)| *n).collect();
    assert!((3..=6).contains(&gaps.len()), "{gaps:?}");
    assert!(listed.keys().next() <= before.keys().next() && listed.keys().next_back() >= Some(&(now - 2)));
    assert!((service.metric("quadrille_shelf_damaged_segments_total").await - 1.0).abs() < 0.5);
}

/// Barcodes that FFmpeg reads in the first slot of a file's pictures, and what it complained of.
async fn barcodes(file: PathBuf) -> (Vec<Option<(u8, u32)>>, Decoded) {
    tokio::task::spawn_blocking(move || {
        let slot = Layouts::bundled().get("2EH").unwrap().slot_on(0, 960, 540);
        let mut read = Vec::new();
        let what = Decode::new(file.to_str().unwrap(), 60.0);
        let decoded = decode(&what, |_, frame| read.push(frame.barcode(slot).map(|code| (code.clip, code.frame))));
        (read, decoded)
    })
    .await
    .unwrap()
}

/// Makes a clip and fetches it.
async fn clip(service: &TestService, body: &Value, file: &Path) -> Value {
    let made = service.operator(Method::POST, "/v1/operator/clips", Some(body.clone()), StatusCode::CREATED).await;
    assert_eq!(made["state"], "making");
    let path = format!("/v1/operator/clips/{}", made["id"].as_str().unwrap());
    let mut clip = made;
    for _ in 0..600 {
        if clip["state"] != "making" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        clip = service.operator(Method::GET, &path, None, StatusCode::OK).await;
    }
    assert_eq!((&clip["state"], &clip["problem"]), (&json!("ready"), &Value::Null));
    let answer = service.send(Method::GET, clip["url"].as_str().unwrap(), OPERATOR, None).await;
    assert_eq!((answer.status(), answer.headers()["content-type"].to_str().unwrap()), (StatusCode::OK, "video/mp4"));
    let bytes = answer.bytes().await.unwrap();
    assert_eq!(clip["bytes"].as_u64(), Some(bytes.len() as u64));
    std::fs::write(file, bytes).unwrap();
    clip
}

#[tokio::test(flavor = "multi_thread")]
async fn clips_are_files_that_begin_and_end_to_the_frame() {
    let dir = tempfile::tempdir().unwrap();
    let games: Vec<(String, String)> = [(0u8, 400), (1, 900)]
        .into_iter()
        .map(|(n, tone_hz)| {
            let path = dir.path().join(format!("{n}.mp4"));
            Clip { width: 640, height: 360, ..Clip::new(n, 900, tone_hz) }.write(&path);
            (format!("g{n}"), format!("file://{}", path.display()))
        })
        .collect();
    let games: Vec<(&str, String)> = games.iter().map(|(id, source)| (id.as_str(), source.clone())).collect();
    let output = SMALL_OUTPUT.replace("window_s = 10", "window_s = 3");
    let start_over = "[start_over]\nwindow_s = 120\n";
    let data = dir.path().join("data");
    let config = config(&data, &games, &format!("{output}{start_over}{WHOLE_SLOTS}"));
    let service = TestService::start(&config).await;
    let body = json!({"games": ["g0", "g1"], "audio": "g1"});
    service.device(Method::POST, "/v1/sessions", Some(body.clone()), StatusCode::CREATED).await;
    service.crank_segments(2).await;
    let from = service.grid.segment_time(service.grid.segment_at(service.clock.now()) + 1);
    service.crank_segments(14).await;

    let asked = |from: MediaTime, to: MediaTime| {
        let mut asked = body.clone();
        (asked["from"], asked["to"]) = (json!(from.to_string()), json!(to.to_string()));
        asked
    };
    let ms = Duration::from_millis;
    clip(&service, &asked(from, from + ms(6000)), &dir.path().join("long.mp4")).await;
    // Ids sort by the time at which they are made.
    service.crank(1).await;
    let short = clip(&service, &asked(from + ms(1500), from + ms(3600)), &dir.path().join("short.mp4")).await;
    assert_eq!((&short["duration_s"], &short["games"]), (&json!(2.1), &json!(["g0", "g1"])));
    let (long, whole) = barcodes(dir.path().join("long.mp4")).await;
    let (cut, decoded) = barcodes(dir.path().join("short.mp4")).await;
    assert_eq!((&*whole.complaints, &*decoded.complaints), ("", ""));
    assert!(long.len() == 180 && long.iter().all(Option::is_some), "{long:?}");
    assert_eq!(cut, long[45..45 + 63]);
    assert_eq!(tone::dominant(&decoded.sound, &[400, 900]), Some(900), "the game chosen is heard");
    assert!(
        (whole.sound.len() as f64 / 48_000.0 - 6.0).abs() < 0.05
            && (decoded.sound.len() as f64 / 48_000.0 - 2.1).abs() < 0.05
    );

    // Refusals name what is wrong.
    let refused =
        |body: Value, status: StatusCode| service.operator(Method::POST, "/v1/operator/clips", Some(body), status);
    let early = refused(asked(from - ms(60_000), from), StatusCode::UNPROCESSABLE_ENTITY).await;
    assert_eq!(
        (&early["code"], &early["missing_from"]),
        (&json!("clip_missing"), &json!((from - ms(60_000)).to_string()))
    );
    for (from, to) in [(from, from), (from, from + ms(3_600_100))] {
        assert_eq!(refused(asked(from, to), StatusCode::UNPROCESSABLE_ENTITY).await["field"], "to");
    }
    let unknown = json!({"game": "g9", "from": from.to_string(), "to": (from + ms(1000)).to_string()});
    assert_eq!(refused(unknown, StatusCode::NOT_FOUND).await["code"], "game_unknown");
    // A range of it, over a restart, and its end.
    let id = short["id"].as_str().unwrap().to_owned();
    let at = service.stop().await;
    let service = TestService::start_at(&config, at).await;
    let listed = service.operator(Method::GET, "/v1/operator/clips", None, StatusCode::OK).await;
    assert_eq!(listed.as_array().unwrap().iter().map(|clip| &clip["id"]).next(), Some(&json!(id)));
    let path = format!("/v1/operator/clips/{id}");
    service.operator(Method::DELETE, &path, None, StatusCode::NO_CONTENT).await;
    assert_eq!(service.operator(Method::GET, &path, None, StatusCode::NOT_FOUND).await["code"], "clip_unknown");
    assert_eq!(std::fs::read_dir(data.join("clips")).unwrap().count(), 2, "the other's two files");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_to_begin_is_an_instant_or_seconds_back() {
    let dir = tempfile::tempdir().unwrap();
    let service = TestService::start(&configured(dir.path(), "[]")).await;
    let session = create(&service, ["a", "b"]).await;
    service.crank_segments(4).await;
    for wrong in ["yesterday", "-5", "1e9", "", "2026-13-01T00:00:00Z", "NaN", "1e2", "+5"] {
        let path = format!("{}?start={wrong}", playback(&session));
        let answer = service.send(Method::GET, &path, DEVICE, None).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{wrong}");
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["code"], "start_invalid");
        assert!(problem["detail"].as_str().unwrap().contains("2026-11-27T19:30:00Z, or seconds back"), "{problem}");
    }
    // Seconds back would slide with each reload.
    let path = playback(&session).replace("index.m3u8", "video/big.m3u8?start=60");
    assert_eq!(service.send(Method::GET, &path, DEVICE, None).await.status(), StatusCode::BAD_REQUEST);
    let at = service.clock.now() - Duration::from_secs(3);
    for right in [at.to_string(), at.to_string().replace('Z', "%2B00:00"), "3".into(), "2.5".into()] {
        let index = service.text(&format!("{}?start={right}", playback(&session))).await;
        assert!(index.contains("video/big.m3u8?start=20"), "{right}: {index}");
    }
    let url = format!("/v1/multiview.m3u8?games=a,b&start=3&key={DEVICE}");
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let answer = client.get(format!("{}{url}", service.base)).send().await.unwrap();
    assert!(answer.headers()["location"].to_str().unwrap().contains("index.m3u8?start=20"));
}
