//! One viewer, real clips, the whole way: from files to what an independent decoder sees in the stream.

use std::path::Path;

use quadrille::frame::Rect;
use quadrille::layout::Layouts;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::barcode::{Clip, ClipSound};
use crate::support::decode::{Decode, Decoded, decode};
use crate::support::service::{SMALL_OUTPUT, TestService, WHOLE_SLOTS, config};
use crate::support::tone;

const TONES_HZ: [u32; 5] = [400, 600, 900, 1300, 1900];

/// Five clips with a barcode and a tone each; game `gN` shows clip `N`.
fn games(dir: &Path) -> Vec<(String, String)> {
    (0..5u8)
        .map(|n| {
            let path = dir.join(format!("{n}.mp4"));
            Clip { width: 640, height: 360, ..Clip::new(n, 300, TONES_HZ[usize::from(n)]) }.write(&path);
            (format!("g{n}"), format!("file://{}", path.display()))
        })
        .collect()
}

fn whole_slots() -> String {
    format!("{SMALL_OUTPUT}{WHOLE_SLOTS}")
}

async fn start(dir: &Path) -> TestService {
    let games = games(dir);
    let games: Vec<(&str, String)> = games.iter().map(|(id, source)| (id.as_str(), source.clone())).collect();
    TestService::start(&config(&dir.join("data"), &games, &whole_slots())).await
}

async fn create(service: &TestService, body: Value) -> Value {
    service.device(Method::POST, "/v1/sessions", Some(body), StatusCode::CREATED).await
}

fn playback_path(session: &Value) -> String {
    let url = session["playback_url"].as_str().unwrap();
    url[url.find("/v1/play").unwrap()..].to_owned()
}

/// Lists what is finished, ends the session, so that its playlists say where they end, and has FFmpeg decode all they list.
async fn end_and_decode(
    service: &TestService,
    session: &Value,
    mut each: impl FnMut(usize, crate::support::decode::Frame) + Send + 'static,
) -> Decoded {
    let id = session["id"].as_str().unwrap();
    for playlist in ["video/big.m3u8".to_owned(), format!("audio/{}.m3u8", session["audio"].as_str().unwrap())] {
        service.text(&playback_path(session).replace("index.m3u8", &playlist)).await;
    }
    service.device(Method::DELETE, &format!("/v1/sessions/{id}"), None, StatusCode::NO_CONTENT).await;
    let url = format!("{}{}", service.base, playback_path(session));
    tokio::task::spawn_blocking(move || decode(&Decode::new(&url, 60.0), &mut each)).await.unwrap()
}

fn slots(layout: &str, width: u32, height: u32) -> Vec<Rect> {
    let layout = Layouts::bundled().get(layout).unwrap();
    (0..layout.slots.len()).map(|slot| layout.slot_on(slot, width, height)).collect()
}

/// Per frame, the clip and the frame number read in each slot.
type Seen = Vec<Vec<Option<(u8, u32)>>>;

async fn watch(service: &TestService, session: &Value, layout: &str) -> (Seen, Decoded) {
    let slots = slots(layout, 960, 540);
    let (tell, told) = std::sync::mpsc::channel();
    let decoded = end_and_decode(service, session, move |_, frame| {
        let row: Vec<_> = slots.iter().map(|slot| frame.barcode(*slot).map(|b| (b.clip, b.frame))).collect();
        tell.send(row).unwrap();
    })
    .await;
    (told.iter().collect(), decoded)
}

#[tokio::test(flavor = "multi_thread")]
async fn four_games_come_back_as_one_stream_with_every_frame_in_its_slot() {
    let dir = tempfile::tempdir().unwrap();
    let service = start(dir.path()).await;
    let session = create(&service, json!({"games": ["g0", "g1", "g2", "g3"], "audio": "g2"})).await;
    assert_eq!((session["layout"].as_str(), session["engine"].as_str()), (Some("4E"), Some("render")));
    service.crank_segments(6).await;
    let index = service.text(&playback_path(&session)).await;
    assert!(index.starts_with("#EXTM3U\n"), "{index}");
    for name in ["Game g0", "Game g1", "Game g2", "Game g3", "Game g4"] {
        assert!(index.contains(&format!("NAME=\"{name}\"")), "{index}");
    }
    let (seen, decoded) = watch(&service, &session, "4E").await;
    assert_eq!(decoded.complaints, "");
    assert!(seen.len() >= 4 * 30, "{} frames", seen.len());
    for (slot, clip) in (0u8..4).enumerate() {
        let frames: Vec<_> = seen.iter().map(|row| row[slot]).collect();
        let first = frames[0].unwrap().1;
        let expected: Vec<_> = (first..).take(frames.len()).map(|frame| Some((clip, frame))).collect();
        assert_eq!(frames, expected, "slot {slot}");
    }
    assert_eq!(tone::dominant(&decoded.sound, &TONES_HZ), Some(TONES_HZ[2]), "the sound chosen is game g2's");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_swap_is_seamless_at_the_same_url_and_leaves_the_sound_alone() {
    let dir = tempfile::tempdir().unwrap();
    let service = start(dir.path()).await;
    let session = create(&service, json!({"games": ["g0", "g1", "g2", "g3"]})).await;
    let path = format!("/v1/sessions/{}", session["id"].as_str().unwrap());
    service.crank_segments(4).await;
    let play = playback_path(&session);
    let video = play.replace("index.m3u8", "video/big.m3u8");
    let sound = play.replace("index.m3u8", "audio/g0.m3u8");
    let (listed, heard) = (service.text(&video).await, service.text(&sound).await);
    let changed =
        service.device(Method::PATCH, &path, Some(json!({"games": ["g0", "g4", "g2", "g3"]})), StatusCode::OK).await;
    assert_eq!(changed["playback_url"], session["playback_url"]);
    let from = changed["effective_segment"].as_u64().unwrap();
    let last_listed = numbers(&listed).pop().unwrap();
    assert!(from > last_listed, "segment {from} was listed already, up to {last_listed}");
    service.crank_segments(5).await;
    let (after, heard_after) = (service.text(&video).await, service.text(&sound).await);
    assert!(!after.contains("EXT-X-DISCONTINUITY"), "{after}");
    assert_eq!(after.matches("EXT-X-MAP").count(), 1);
    // What was listed stays as it was; so does the sound.
    let kept = |before: &str, after: &str| before.lines().filter(|l| l.contains(".m4s")).all(|l| after.contains(l));
    assert!(kept(&listed, &after) && kept(&heard, &heard_after));
    let (seen, decoded) = watch(&service, &session, "4E").await;
    assert_eq!(decoded.complaints, "");
    let swapped = seen.iter().position(|row| row[1].unwrap().0 == 4).expect("the new game is not there");
    assert_eq!(swapped % 30, 0, "swapped at a segment boundary");
    for (at, pair) in seen.windows(2).enumerate() {
        for slot in [0, 2, 3] {
            let (before, after) = (pair[0][slot].unwrap(), pair[1][slot].unwrap());
            assert_eq!(after.1, (before.1 + 1) % 300, "slot {slot} after frame {at}");
        }
        let expected = if at + 1 < swapped { 1 } else { 4 };
        assert_eq!(pair[1][1].unwrap().0, expected, "slot 1, frame {}", at + 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_mosaics_share_one_encoder_and_one_set_of_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let service = start(dir.path()).await;
    let first = create(&service, json!({"games": ["g0", "g1"]})).await;
    let second = create(&service, json!({"games": ["g0", "g1"], "audio": "g1"})).await;
    let other = create(&service, json!({"games": ["g1", "g0"]})).await;
    service.crank_segments(4).await;
    assert_eq!(service.metric("quadrille_mosaics{engine=\"render\"}").await, 2.0);
    assert_eq!(service.metric("quadrille_encoders{kind=\"render\"}").await, 4.0);
    assert_eq!(service.metric("quadrille_sessions").await, 3.0);
    let media = |session: &Value| playback_path(session).replace("index.m3u8", "video/small.m3u8");
    let segments = |text: &str| text.lines().filter(|l| !l.starts_with('#')).map(str::to_owned).collect::<Vec<_>>();
    let (a, b, c) = (
        segments(&service.text(&media(&first)).await),
        segments(&service.text(&media(&second)).await),
        segments(&service.text(&media(&other)).await),
    );
    assert_eq!(a, b);
    assert!(!a.is_empty() && a.iter().all(|uri| !c.contains(uri)));
    // Every init segment of a rendition is the same bytes, whatever the mosaic.
    let init = |text: &str| {
        let map = text.lines().find(|l| l.starts_with("#EXT-X-MAP")).unwrap();
        map.split('"').nth(1).unwrap().to_owned()
    };
    let (x, y) = (init(&service.text(&media(&first)).await), init(&service.text(&media(&other)).await));
    assert_ne!(x, y);
    assert_eq!(service.bytes(&x).await, service.bytes(&y).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn picture_and_sound_stay_together() {
    let dir = tempfile::tempdir().unwrap();
    let clip = dir.path().join("flash.mp4");
    let sound = ClipSound::FlashAndBeep(1000);
    Clip { width: 640, height: 360, sound, ..Clip::new(7, 240, 0) }.write(&clip);
    let source = format!("file://{}", clip.display());
    let service = TestService::start(&config(&dir.path().join("data"), &[("g0", source)], &whole_slots())).await;
    let session = create(&service, json!({"games": ["g0"]})).await;
    service.crank_segments(8).await;
    let slot = slots("1", 960, 540)[0];
    let (tell, told) = std::sync::mpsc::channel();
    let decoded = end_and_decode(&service, &session, move |_, frame| {
        tell.send(frame.barcode(slot).unwrap().flash).unwrap();
    })
    .await;
    let pictures: Vec<(f64, bool)> = decoded.times_s.iter().copied().zip(told.iter()).collect();
    let offsets = tone::av_offsets_s(&tone::flashes_s(&pictures), &tone::beeps_s(&decoded.sound));
    assert!(offsets.len() >= 3, "{offsets:?}");
    assert!(offsets.iter().all(|o| o.abs() < 0.040), "{offsets:?}");
}

fn numbers(playlist: &str) -> Vec<u64> {
    playlist
        .lines()
        .filter(|l| !l.starts_with('#') && l.ends_with(".m4s"))
        .map(|l| l.rsplit('/').next().unwrap().trim_end_matches(".m4s").parse().unwrap())
        .collect()
}
