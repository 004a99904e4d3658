//! One viewer, real clips, the whole way: from files to what an independent decoder sees in the stream.

use std::path::Path;

use quadrille::frame::Rect;
use quadrille::layout::Layouts;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::barcode::{Clip, ClipSound, moving};
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
    // What was listed in part comes whole before the end.
    service.crank_segments(1).await;
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
    let path = playback_path(&session);
    for (path, names) in [
        (path.clone(), vec!["Main", "Game g0", "Game g1", "Game g2", "Game g3"]),
        (format!("{path}?all_sounds=true"), vec!["Game g2", "Game g0", "Game g1", "Game g3", "Game g4"]),
    ] {
        let index = service.text(&path).await;
        assert!(index.starts_with("#EXTM3U\n"), "{index}");
        let listed: Vec<_> = index.split("NAME=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert_eq!(listed, names);
    }
    let (seen, decoded) = watch(&service, &session, "4E").await;
    assert_eq!(decoded.complaints, "");
    assert!(seen.len() >= 4 * 30, "{} frames", seen.len());
    for (slot, clip) in (0u8..4).enumerate() {
        let frames: Vec<_> = seen.iter().map(|row| row[slot]).collect();
        let first = frames[0].unwrap().1;
        let moving = moving(&frames);
        assert!((4 * 30..5 * 30).contains(&(frames.len() - moving.len())), "what stands still before them");
        assert!(
            moving.iter().copied().eq((first..).take(moving.len()).map(|frame| Some((clip, frame)))),
            "slot {slot}: {frames:?}"
        );
    }
    // Five seconds of stills are silent.
    let sound = &decoded.sound[5 * 48_000..];
    assert_eq!(tone::dominant(sound, &TONES_HZ), Some(TONES_HZ[2]), "the sound chosen is game g2's");
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
    let kept = |before: &str, after: &str| {
        let (oldest, listed) = (numbers(after)[0], numbers(before));
        let lines = before.lines().filter(|line| !line.starts_with('#')).zip(listed);
        lines.filter(|(_, number)| *number >= oldest).all(|(line, _)| after.contains(line))
    };
    assert!(kept(&listed, &after) && kept(&heard, &heard_after));
    let (seen, decoded) = watch(&service, &session, "4E").await;
    assert_eq!(decoded.complaints, "");
    let swapped = seen.iter().position(|row| row[1].unwrap().0 == 4).expect("the new game is not there");
    assert_eq!(swapped % 30, 0, "swapped at a segment boundary");
    let still = seen.len() - moving(&seen).len();
    for (at, pair) in seen.windows(2).enumerate().skip(still) {
        for slot in [0, 2, 3] {
            let (before, after) = (pair[0][slot].unwrap(), pair[1][slot].unwrap());
            assert_eq!(after.1, (before.1 + 1) % 300, "slot {slot} after frame {at}");
        }
        let expected = if at + 1 < swapped { 1 } else { 4 };
        assert_eq!(pair[1][1].unwrap().0, expected, "slot 1, frame {}", at + 1);
    }
}

/// A slot changes while a segment runs of which a part was listed: the new game plays its segment from the beginning, and is where the others are from the next segment on. Then
/// all slots change, to a mosaic of the other engine.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_within_a_segment_is_seamless_too() {
    let dir = tempfile::tempdir().unwrap();
    let games = games(dir.path());
    let games: Vec<(&str, String)> = games.iter().map(|(id, source)| (id.as_str(), source.clone())).collect();
    let service = TestService::start(&config(&dir.path().join("data"), &games, SMALL_OUTPUT)).await;
    let session = create(&service, json!({"games": ["g0", "g1", "g2", "g3"], "engine": "stitch"})).await;
    create(&service, json!({"games": ["g0", "g4", "g2", "g3"], "engine": "stitch"})).await;
    let path = format!("/v1/sessions/{}", session["id"].as_str().unwrap());
    let video = playback_path(&session).replace("index.m3u8", "video/big.m3u8?low_latency=true");
    let mut changes = Vec::new();
    let other = json!({"games": ["g4", "g1", "g2", "g0"], "engine": "render"});
    create(&service, other.clone()).await;
    service.crank_segments(4).await;
    for change in [json!({"games": ["g0", "g4", "g2", "g3"]}), other] {
        let listed = service.crank_to_first_part(&video).await;
        let running = numbers(&listed).pop().unwrap() + 1;
        let changed = service.device(Method::PATCH, &path, Some(change), StatusCode::OK).await;
        assert_eq!(changed["effective_segment"].as_u64(), Some(running), "it runs");
        changes.push(running);
        service.crank_segments(2).await;
        let after = service.text(&video).await;
        // What was listed of it is found again.
        let before = listed.lines().find(|line| line.contains(&format!("/{running}.0.m4s"))).unwrap();
        assert!(after.contains(before), "{before} is not in {after}");
        for part in after.lines().filter(|line| line.starts_with("#EXT-X-PART:")) {
            assert!(!service.bytes(part.split('"').nth(1).unwrap()).await.is_empty());
        }
    }
    let (seen, decoded) = watch(&service, &session, "4E").await;
    assert_eq!(decoded.complaints, "");
    // As it ended.
    let first = numbers(&service.text(&video).await)[0];
    let [bridge, second] = changes[..] else { panic!("two changes") };
    let (bridge, second) = (30 * (bridge - first) as usize, 30 * (second - first) as usize);
    // Frame 12 is the first reference picture that is coded in the second part. What comes in there is as far in its segment as the pattern of pictures
    // goes, which ends early.
    let shown = |at: usize, change: usize| match at.checked_sub(change + 12) {
        Some(late) if at < change + 30 => change + late.min(15),
        _ => at,
    };
    let fades = |at: usize, change: usize| (change + 10..change + 12).contains(&at);
    let frame = |at: usize| (seen[bridge - 30][0].unwrap().1 + (at + 30 - bridge) as u32) % 300;
    for (at, row) in seen.iter().enumerate().skip(bridge - 30) {
        let of = |clip, at| Some((clip, frame(at)));
        if fades(at, second) {
            continue;
        }
        if at >= second + 12 {
            // A canvas comes in as a whole.
            let expected = [4, 1, 2, 0].map(|clip| of(clip, shown(at, second)));
            assert_eq!(*row, expected, "frame {at}");
            continue;
        }
        assert_eq!([row[0], row[2], row[3]], [of(0, at), of(2, at), of(3, at)], "frame {at}");
        if !fades(at, bridge) {
            let clip = if at < bridge + 12 { 1 } else { 4 };
            assert_eq!(row[1], of(clip, shown(at, bridge)), "slot 1, frame {at}");
        }
    }
    assert!(seen.len() > second + 30, "{} frames", seen.len());
}

/// AAC overlaps each frame with the one before: where another game's begins, the two fade into each other within a frame, and nothing clicks.
#[tokio::test(flavor = "multi_thread")]
async fn another_sound_comes_without_a_click_or_a_hole() {
    let dir = tempfile::tempdir().unwrap();
    let service = start(dir.path()).await;
    let session = create(&service, json!({"games": ["g0", "g1"], "audio": "g0"})).await;
    service.crank_segments(6).await;
    service.text(&playback_path(&session).replace("index.m3u8", "sound/main.m3u8")).await;
    let path = format!("/v1/sessions/{}", session["id"].as_str().unwrap());
    service.device(Method::PATCH, &path, Some(json!({"audio": "g1"})), StatusCode::OK).await;
    service.crank_segments(5).await;
    let decoded = end_and_decode(&service, &session, |_, _| {}).await;
    assert_eq!(decoded.complaints, "");
    const WINDOW: usize = 4800;
    let heard: Vec<_> = decoded.sound.chunks(WINDOW).map(|window| tone::dominant(window, &TONES_HZ)).collect();
    let other = heard.iter().position(|tone| *tone == Some(TONES_HZ[1])).expect("the other game is heard");
    assert_eq!(heard[other - 2], Some(TONES_HZ[0]), "the first was heard before: {heard:?}");
    let splice = other * WINDOW;
    let window = |from: usize, to: usize| &decoded.sound[from..to];
    let steady = [window(splice - 4 * WINDOW, splice - 2 * WINDOW), window(splice + WINDOW, splice + 3 * WINDOW)];
    let around = window(splice - 2 * WINDOW, splice + WINDOW);
    let jump = |sound: &[i16]| sound.windows(2).map(|pair| pair[0].abs_diff(pair[1])).max().unwrap();
    let peak = |sound: &[i16]| sound.iter().map(|sample| sample.unsigned_abs()).max().unwrap();
    let energy =
        |sound: &[i16]| sound.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / sound.len() as f64;
    let most = |of: &dyn Fn(&[i16]) -> u16| f64::from(steady.iter().map(|sound| of(sound)).max().unwrap());
    assert!(f64::from(jump(around)) < 1.5 * most(&jump), "it clicks: {} after {}", jump(around), most(&jump));
    assert!(f64::from(peak(around)) < 1.5 * most(&peak), "it is loud: {} after {}", peak(around), most(&peak));
    let least = steady.iter().map(|sound| energy(sound)).fold(f64::INFINITY, f64::min);
    let hole = around.chunks(480).map(energy).fold(f64::INFINITY, f64::min);
    assert!(hole > 0.2 * least, "it breaks off: {hole} of {least}");
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
        .filter(|l| !l.starts_with('#'))
        .filter_map(|l| l.split_once(".m4s")?.0.rsplit('/').next()?.parse().ok())
        .collect()
}
