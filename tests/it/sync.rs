//! Games of one clock in a mosaic: how far they are apart is told, and the early ones are delayed, to the frame.

use std::path::Path;
use std::process::Command;

use quadrille::layout::Layouts;
use quadrille::timeline::MediaTime;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::live::serve;
use crate::support::barcode::{Clip, ClipSound};
use crate::support::decode::{Decode, decode};
use crate::support::service::{SMALL_OUTPUT, TestService, WHOLE_SLOTS, config};

const START: MediaTime = MediaTime::from_millis(91_000_000_100);
/// 1.7 s of 30 pictures a second: how much one game is ahead of the other.
const SEGMENT_FRAMES: usize = 51;
const AHEAD_MS: i64 = 1700;
/// The first picture of the clip was captured so long before the start.
const AGE_MS: i64 = 10_000;

/// A clip as HLS, three times: `ahead` and `behind` with dates by one clock, the first beginning a segment later; `undated` without.
fn write_playlists(dir: &Path) {
    let clip = dir.join("clip.mp4");
    Clip { width: 320, height: 180, sound: ClipSound::None, ..Clip::new(7, 40 * SEGMENT_FRAMES as u32, 0) }
        .write(&clip);
    let keys = format!("expr:not(mod(n,{SEGMENT_FRAMES}))");
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-v", "error", "-y", "-i"]).arg(&clip).args(["-c:v", "libx264", "-preset", "ultrafast"]);
    ffmpeg.args(["-bf", "2", "-g", "600", "-force_key_frames", &keys, "-f", "segment", "-segment_time", "1.7"]);
    assert!(ffmpeg.arg(dir.join("s%02d.ts")).status().unwrap().success());
    for (name, first, dated) in [("ahead", 1, true), ("behind", 0, true), ("undated", 0, false)] {
        let mut list = String::from("#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:2\n");
        if dated {
            let captured_ms = START.unix_millis() - AGE_MS + first * AHEAD_MS;
            let captured = jiff::Timestamp::from_millisecond(captured_ms).unwrap();
            list += &format!("#EXT-X-PROGRAM-DATE-TIME:{captured:.3}\n");
        }
        for n in first..40 {
            list += &format!("#EXTINF:1.700,\ns{n:02}.ts\n");
        }
        std::fs::write(dir.join(format!("{name}.m3u8")), list + "#EXT-X-ENDLIST\n").unwrap();
    }
}

async fn start(dir: &Path, extra: &str) -> (TestService, u16) {
    write_playlists(dir);
    let port = serve(dir.to_owned());
    let game = |id: &'static str| (id, format!("http://127.0.0.1:{port}/{id}.m3u8"));
    let games = ["ahead", "behind", "undated"].map(game);
    let output = format!("{SMALL_OUTPUT}{WHOLE_SLOTS}{extra}");
    (TestService::start_at(&config(&dir.join("data"), &games, &output), START).await, port)
}

async fn health(service: &TestService, id: &str) -> Value {
    let path = format!("/v1/operator/games/{id}");
    service.operator(Method::GET, &path, None, StatusCode::OK).await["health"].clone()
}

async fn session(service: &TestService, id: &Value) -> Value {
    let path = format!("/v1/sessions/{}", id.as_str().unwrap());
    service.device(Method::GET, &path, None, StatusCode::OK).await
}

/// What each slot says of its skew, in ms.
fn skews(session: &Value) -> Vec<Option<i64>> {
    session["slots"].as_array().unwrap().iter().map(|slot| slot["skew_ms"].as_i64()).collect()
}

fn near(ms: Option<i64>, wanted: i64) -> bool {
    ms.is_some_and(|ms| (ms - wanted).abs() <= 33)
}

#[tokio::test(flavor = "multi_thread")]
async fn games_of_one_clock_show_the_same_picture_within_a_frame() {
    let dir = tempfile::tempdir().unwrap();
    let (service, _) = start(dir.path(), "").await;
    service.crank_segments(6).await;
    let (ahead, behind) = (health(&service, "ahead").await, health(&service, "behind").await);
    assert_eq!((&ahead["clock"], &behind["clock"]), (&json!("pdt"), &json!("pdt")), "{ahead} {behind}");
    assert!(near(ahead["delay_ms"].as_i64(), AHEAD_MS) && near(behind["delay_ms"].as_i64(), 0), "{ahead} {behind}");
    let latency = ahead["latency_ms"].as_i64();
    assert!(near(latency, behind["latency_ms"].as_i64().unwrap()), "{ahead} {behind}");
    // And the few ticks until there was a picture.
    assert!((AGE_MS..AGE_MS + 500).contains(&latency.unwrap()), "{ahead}");
    let undated = health(&service, "undated").await;
    assert_eq!(
        (&undated["clock"], &undated["latency_ms"], &undated["delay_ms"]),
        (&Value::Null, &Value::Null, &json!(0))
    );

    let body = json!({"games": ["ahead", "behind", "undated"], "layout": "3EL"});
    let made = service.device(Method::POST, "/v1/sessions", Some(body), StatusCode::CREATED).await;
    service.crank_segments(5).await;
    let told = session(&service, &made["id"]).await;
    let [first, second, third] = skews(&told)[..] else { panic!("{told}") };
    assert!(near(first, 0) && near(second, 0) && third.is_none() && near(told["skew_ms"].as_i64(), 0), "{told}");
    let count = service.metric("quadrille_skew_frames_count").await;
    assert!(count >= 4.0, "{count}");
    assert_eq!(service.metric("quadrille_skew_frames_bucket{le=\"1\"}").await, count);
    assert!((service.metric("quadrille_game_delay_seconds{game=\"ahead\"}").await - 1.7).abs() < 0.033);

    let url = made["playback_url"].as_str().unwrap();
    let path = &url[url.find("/v1/play").unwrap()..];
    service.text(&path.replace("index.m3u8", "video/big.m3u8")).await;
    let ended = format!("/v1/sessions/{}", made["id"].as_str().unwrap());
    service.device(Method::DELETE, &ended, None, StatusCode::NO_CONTENT).await;
    service.crank_segments(1).await;
    let url = format!("{}{path}", service.base);
    let layout = Layouts::bundled().get("3EL").unwrap();
    let slots = [0, 1].map(|slot| layout.slot_on(slot, 960, 540));
    let seen = tokio::task::spawn_blocking(move || {
        let mut seen = Vec::new();
        decode(&Decode { audio: None, ..Decode::new(&url, 60.0) }, |_, frame| {
            let [ahead, behind] = slots.map(|slot| frame.barcode(slot).map(|code| i64::from(code.frame)));
            seen.extend(ahead.zip(behind).map(|(ahead, behind)| ahead - behind));
        });
        seen
    });
    let seen = seen.await.unwrap();
    assert!(seen.len() > 100 && seen.iter().all(|apart| apart.abs() <= 1), "{seen:?}");
    // An ended session shows nothing that could be apart.
    let gone = session(&service, &made["id"]).await;
    assert_eq!((&gone["skew_ms"], skews(&gone)), (&Value::Null, vec![None; 3]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_skew_that_is_not_to_be_mended_is_told_and_an_offset_explains_it() {
    let dir = tempfile::tempdir().unwrap();
    let (service, port) = start(dir.path(), "[sync]\nmost_delay_ms = 0\n").await;
    let mine = |offset_ms: i64| {
        let source = format!("http://127.0.0.1:{port}/behind.m3u8");
        json!({"id": "mine", "title": "Mine", "sources": [source], "offset_ms": offset_ms})
    };
    let made = service.operator(Method::POST, "/v1/operator/games", Some(mine(0)), StatusCode::CREATED).await;
    assert_eq!(made["offset_ms"], 0);
    let body = json!({"games": ["ahead", "mine"], "layout": "2EH"});
    let made = service.device(Method::POST, "/v1/sessions", Some(body), StatusCode::CREATED).await;
    assert_eq!(skews(&made), [None, None], "nothing was shown yet");
    service.crank_segments(4).await;
    let told = session(&service, &made["id"]).await;
    let [ahead, mine_before] = skews(&told)[..] else { panic!("{told}") };
    assert!(near(ahead, -AHEAD_MS) && mine_before == Some(0) && near(told["skew_ms"].as_i64(), AHEAD_MS), "{told}");

    let path = "/v1/operator/games/mine";
    let refused = service.operator(Method::PUT, path, Some(mine(90_000_000)), StatusCode::UNPROCESSABLE_ENTITY).await;
    assert_eq!((&refused["code"], &refused["field"]), (&json!("field_invalid"), &json!("offset_ms")));
    let changed = service.operator(Method::PUT, path, Some(mine(AHEAD_MS)), StatusCode::OK).await;
    assert_eq!((&changed["offset_ms"], &changed["status"]), (&json!(AHEAD_MS), &json!("live")), "its feed goes on");
    let told = session(&service, &made["id"]).await;
    assert!(near(told["skew_ms"].as_i64(), 0), "{told}");
}
