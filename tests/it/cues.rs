//! Breaks, by hand and as sources signal them, to what players and devices are told.

use std::time::Duration;

use quadrille::layout::Layouts;
use quadrille::timeline::{Clock as _, MediaTime};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::barcode::Clip;
use crate::support::decode::{Decode, decode};
use crate::support::service::{SMALL_OUTPUT, TestService, WHOLE_SLOTS, config};
use crate::support::signalled::{SpliceInsert, signalled};

async fn start(dir: &std::path::Path) -> TestService {
    let source = |tone: u32| format!("test://ball?size=320x180&fps=30&tone={tone}");
    let games = [("a", source(300)), ("b", source(500)), ("c", source(700))];
    TestService::start(&config(dir, &games, SMALL_OUTPUT)).await
}

async fn create(service: &TestService, games: [&str; 2]) -> Value {
    service.device(Method::POST, "/v1/sessions", Some(json!({ "games": games })), StatusCode::CREATED).await
}

async fn playlist(service: &TestService, session: &Value, name: &str) -> String {
    let url = session["playback_url"].as_str().unwrap();
    service.text(&url[url.find("/v1/play").unwrap()..].replace("index.m3u8", name)).await
}

fn ranges(playlist: &str) -> Vec<String> {
    playlist.lines().filter(|line| line.starts_with("#EXT-X-DATERANGE:")).map(str::to_owned).collect()
}

/// A quoted attribute.
fn attribute<'l>(line: &'l str, name: &str) -> Option<&'l str> {
    line.split(&format!("{name}=\"")).nth(1)?.split('"').next()
}

async fn break_of(service: &TestService, game: &str, body: Value, status: StatusCode) -> Value {
    service.operator(Method::POST, &format!("/v1/operator/games/{game}/breaks"), Some(body), status).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_break_by_hand_is_in_every_playlist_that_shows_the_game_to_the_frame() {
    let dir = tempfile::tempdir().unwrap();
    let service = start(dir.path()).await;
    let (shows, other) = (create(&service, ["a", "b"]).await, create(&service, ["b", "c"]).await);
    service.crank_segments(3).await;
    service.crank(7).await;
    let now = service.clock.now();
    let begun = break_of(&service, "a", json!({"duration_s": 3, "id": "ad-1"}), StatusCode::CREATED).await;
    let frame = service.grid.frame_time(service.grid.frame_at(now));
    assert_eq!(begun["starts_at"], frame.to_string(), "the frame that runs");
    assert_eq!(
        (&begun["kind"], &begun["direction"], &begun["source"]),
        (&json!("break"), &json!("out"), &json!("operator"))
    );
    service.crank_segments(2).await;
    for name in ["video/big.m3u8", "video/small.m3u8", "sound/main.m3u8", "sound/1.m3u8"] {
        let text = playlist(&service, &shows, name).await;
        let lines = ranges(&text);
        let [line] = &lines[..] else { panic!("{name}: {text}") };
        assert_eq!(attribute(line, "START-DATE"), Some(&*frame.to_string()));
        assert_eq!(attribute(line, "X-COM-QUADRILLE-GAME"), Some("a"));
        assert!(line.contains("PLANNED-DURATION=3"), "{line}");
        assert!(ranges(&playlist(&service, &other, name).await).is_empty(), "it does not show the game");
    }
    // It ends by itself; what was listed stays, and its end comes beside it.
    let before = ranges(&playlist(&service, &shows, "video/big.m3u8").await);
    service.crank_segments(4).await;
    let after = ranges(&playlist(&service, &shows, "video/big.m3u8").await);
    assert_eq!((after.len(), &after[0]), (2, &before[0]));
    assert_eq!(attribute(&after[1], "ID"), attribute(&after[0], "ID"));
    let told = service.device(Method::GET, "/v1/games/a/cues", None, StatusCode::OK).await;
    assert_eq!((&told["game"], told["events"].as_array().unwrap().len()), (&json!("a"), 1));
    let event = &told["events"][0];
    assert_eq!(
        (&event["duration_s"], &event["state"], &event["ended_by"]),
        (&json!(3.0), &json!("ended"), &json!("auto_return"))
    );
    // It leaves with the segments that it lay in.
    service.crank_segments(12).await;
    assert!(ranges(&playlist(&service, &shows, "video/big.m3u8").await).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_break_ends_early_and_what_is_asked_wrong_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let service = start(dir.path()).await;
    let session = create(&service, ["a", "b"]).await;
    service.crank_segments(3).await;
    let begun = break_of(&service, "b", json!({"id": "x"}), StatusCode::CREATED).await;
    assert_eq!(begun["planned_duration_s"], Value::Null);
    let again = break_of(&service, "b", json!({"id": "x"}), StatusCode::CONFLICT).await;
    assert_eq!(again["code"], "break_running");
    service.crank(45).await;
    let path = "/v1/operator/games/b/breaks/x";
    let ended = service.operator(Method::DELETE, path, None, StatusCode::OK).await;
    assert_eq!((&ended["duration_s"], &ended["ended_by"]), (&json!(1.5), &json!("signal")));
    assert_eq!(service.operator(Method::DELETE, path, None, StatusCode::CONFLICT).await["code"], "break_ended");
    service.crank_segments(1).await;
    let lines = ranges(&playlist(&service, &session, "video/big.m3u8").await);
    assert!(lines.len() == 2 && lines[1].contains("DURATION=1.5"), "{lines:?}");

    for (body, field) in [
        (json!({"duration_s": 0}), "duration_s"),
        (json!({"duration_s": 1e9}), "duration_s"),
        (json!({"id": "a b"}), "id"),
    ] {
        let refused = break_of(&service, "b", body, StatusCode::UNPROCESSABLE_ENTITY).await;
        assert_eq!((&refused["code"], &refused["field"]), (&json!("field_invalid"), &json!(field)));
    }
    let unknown = break_of(&service, "b", json!({"length": 3}), StatusCode::UNPROCESSABLE_ENTITY).await;
    assert_eq!(unknown["code"], "field_unknown");
    assert_eq!(break_of(&service, "z", json!({}), StatusCode::NOT_FOUND).await["code"], "game_unknown");
    let none = service.operator(Method::DELETE, "/v1/operator/games/b/breaks/y", None, StatusCode::NOT_FOUND).await;
    assert_eq!(none["code"], "break_unknown");
    let by_device = format!("/v1/operator/games/{}/breaks", "b");
    service.device(Method::POST, &by_device, Some(json!({})), StatusCode::FORBIDDEN).await;
    // A span of time, and one that is none.
    let at = |at: MediaTime| at.to_string();
    let now = service.clock.now();
    let span = |from: MediaTime, to: MediaTime| format!("/v1/games/b/cues?from={}&to={}", at(from), at(to));
    let before = service
        .device(Method::GET, &span(now - Duration::from_secs(60), now - Duration::from_secs(30)), None, StatusCode::OK)
        .await;
    assert_eq!(before["events"], json!([]));
    assert_eq!(
        service.device(Method::GET, &span(now, now), None, StatusCode::UNPROCESSABLE_ENTITY).await["code"],
        "period_invalid"
    );
    let path = "/v1/games/b/cues?from=noon";
    assert_eq!(
        service.device(Method::GET, path, None, StatusCode::UNPROCESSABLE_ENTITY).await["code"],
        "parameter_invalid"
    );
    assert_eq!(
        service.device(Method::GET, "/v1/games/z/cues", None, StatusCode::NOT_FOUND).await["code"],
        "game_unknown"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_transport_stream_signals_is_where_its_picture_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("signalled.ts");
    let coding = ["-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-g", "30", "-c:a", "aac", "-f", "mpegts"];
    Clip { width: 640, height: 360, ..Clip::new(7, 900, 400) }.write_with(&path, &coding);
    // Four seconds before it, as SCTE 35 advises, and once more a second later; then an end that comes early.
    let out = SpliceInsert { event_id: 4711, out: true, frame: 210, duration_frames: Some(180) };
    let back = SpliceInsert { event_id: 4711, out: false, frame: 300, duration_frames: None };
    let with_cues = signalled(&std::fs::read(&path).unwrap(), &[(90, out), (120, out), (240, back)]);
    std::fs::write(&path, with_cues).unwrap();

    let games = [("a", format!("file://{}", path.display())), ("b", "test://ball?size=320x180&fps=30".into())];
    let output = SMALL_OUTPUT.replace("window_s = 10", "window_s = 30");
    let service =
        TestService::start(&config(&dir.path().join("data"), &games, &format!("{output}{WHOLE_SLOTS}"))).await;
    let session = create(&service, ["a", "b"]).await;
    service.crank_segments(14).await;
    let told = service.device(Method::GET, "/v1/games/a/cues", None, StatusCode::OK).await;
    let [event] = &told["events"].as_array().unwrap()[..] else { panic!("{told}") };
    assert_eq!((&event["source"], &event["kind"], &event["state"]), (&json!("ts"), &json!("break"), &json!("ended")));
    assert_eq!((&event["planned_duration_s"], &event["duration_s"]), (&json!(6.0), &json!(3.0)));
    let text = playlist(&service, &session, "video/big.m3u8").await;
    let lines = ranges(&text);
    assert_eq!(lines.len(), 2, "{text}");
    assert!(lines[0].contains("SCTE35-OUT=0xFC") && lines[1].contains("SCTE35-IN=0xFC"), "{lines:?}");
    let starts_at = event["starts_at"].as_str().unwrap();
    assert_eq!(attribute(&lines[0], "START-DATE"), Some(starts_at));

    // The picture of that date is the one that the splice names.
    let begins = text.lines().find_map(|line| line.strip_prefix("#EXT-X-PROGRAM-DATE-TIME:")).unwrap().to_owned();
    let path = format!("/v1/sessions/{}", session["id"].as_str().unwrap());
    service.device(Method::DELETE, &path, None, StatusCode::NO_CONTENT).await;
    service.crank_segments(1).await;
    let url = session["playback_url"].as_str().unwrap();
    let url = format!("{}{}", service.base, &url[url.find("/v1/play").unwrap()..]);
    let slot = Layouts::bundled().get("2EH").unwrap().slot_on(0, 960, 540);
    let seen = tokio::task::spawn_blocking(move || {
        let mut seen = Vec::new();
        decode(&Decode::new(&url, 60.0), |_, frame| seen.push(frame.barcode(slot).map(|code| code.frame)));
        seen
    });
    let shown = seen.await.unwrap().iter().position(|frame| *frame == Some(210)).unwrap();
    let instant = |text: &str| text.parse::<jiff::Timestamp>().unwrap().as_millisecond();
    let shown_ms = instant(&begins) + (shown as i64 * 1000 + 15) / 30;
    assert!((shown_ms - instant(starts_at)).abs() <= 1, "shown at {shown_ms}, told {starts_at}");
}
