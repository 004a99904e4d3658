//! Breaks, by hand and as sources signal them, to what players and devices are told.

use std::time::Duration;

use quadrille::config::{BreakPolicy, Config};
use quadrille::layout::Layouts;
use quadrille::timeline::{Clock as _, MediaTime};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::barcode::Clip;
use crate::support::decode::{Decode, decode};
use crate::support::hls_source::{Files, segmented, serve_files};
use crate::support::service::{SMALL_OUTPUT, TestService, WHOLE_SLOTS, config};
use crate::support::signalled::{SpliceInsert, signalled};
use crate::support::tone;

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

/// Ends the session and plays it whole: the picture of each date is the one with the number, which is what a cue names. `playlist` is its list of pictures.
async fn assert_shown_at(service: &TestService, session: &Value, playlist: &str, cues: &[(u32, &str)]) {
    let begins = playlist.lines().find_map(|line| line.strip_prefix("#EXT-X-PROGRAM-DATE-TIME:")).unwrap();
    let (seen, _) = play(service, session).await;
    let instant = |text: &str| text.parse::<jiff::Timestamp>().unwrap().as_millisecond();
    for (number, told) in cues {
        let shown = seen.iter().position(|frame| *frame == Some(*number)).unwrap();
        let shown_ms = instant(begins) + (shown as i64 * 1000 + 15) / 30;
        assert!((shown_ms - instant(told)).abs() <= 1, "{number} is shown at {shown_ms}, told {told}");
    }
}

/// Ends the session and plays it whole: the number of each picture in its first slot, where there is one, and what is heard.
async fn play(service: &TestService, session: &Value) -> (Vec<Option<u32>>, Vec<i16>) {
    // What came since the last playlist is told with one more, and not after the end.
    playlist(service, session, "video/big.m3u8").await;
    let path = format!("/v1/sessions/{}", session["id"].as_str().unwrap());
    service.device(Method::DELETE, &path, None, StatusCode::NO_CONTENT).await;
    service.crank_segments(1).await;
    let url = session["playback_url"].as_str().unwrap();
    let url = format!("{}{}", service.base, &url[url.find("/v1/play").unwrap()..]);
    let slot = Layouts::bundled().get("2EH").unwrap().slot_on(0, 960, 540);
    let seen = tokio::task::spawn_blocking(move || {
        let mut seen = Vec::new();
        let decoded =
            decode(&Decode::new(&url, 60.0), |_, frame| seen.push(frame.barcode(slot).map(|code| code.frame)));
        (seen, decoded.sound)
    });
    seen.await.unwrap()
}

/// A service whose game `a` comes from `source`, with whole slots and half a minute in its playlists.
async fn start_long(dir: &std::path::Path, source: String) -> TestService {
    TestService::start(&long_config(dir, source)).await
}

fn long_config(dir: &std::path::Path, source: String) -> Config {
    let games = [("a", source), ("b", "test://ball?size=320x180&fps=30".into())];
    let output = SMALL_OUTPUT.replace("window_s = 10", "window_s = 30");
    config(&dir.join("data"), &games, &format!("{output}{WHOLE_SLOTS}"))
}

async fn events(service: &TestService) -> Vec<Value> {
    let told = service.device(Method::GET, "/v1/games/a/cues", None, StatusCode::OK).await;
    told["events"].as_array().unwrap().clone()
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
    let running = async || {
        let games = service.operator(Method::GET, "/v1/operator/games", None, StatusCode::OK).await;
        let games = games.as_array().unwrap().iter().map(|game| game["current_break"]["id"].clone());
        games.collect::<Vec<_>>()
    };
    assert_eq!(running().await, [Value::Null, begun["id"].clone(), Value::Null]);
    let ended = service.operator(Method::DELETE, path, None, StatusCode::OK).await;
    assert!(running().await.iter().all(Value::is_null));
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
        assert!(refused["detail"].as_str().unwrap().contains(&format!("`{field}`")), "{refused}");
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

    let service = start_long(dir.path(), format!("file://{}", path.display())).await;
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

    assert_shown_at(&service, &session, &text, &[(210, starts_at)]).await;
}

/// A clip of half a minute.
fn clip(number: u8) -> Clip {
    Clip { width: 640, height: 360, ..Clip::new(number, 900, 400) }
}

/// When the clip's picture `frame` was taken, by a clock that is years off ours.
fn taken_at(frame: u32) -> String {
    let first: jiff::Timestamp = "2031-02-03T04:05:06.700Z".parse().unwrap();
    format!("{:.3}", first + Duration::from_micros(u64::from(frame) * 1_000_000 / 30))
}

/// `playlist` with `lines` behind its first one, and its first picture's date.
fn with_lines(files: &mut Files, playlist: &str, lines: &[String]) {
    let text = String::from_utf8(files.remove(playlist).unwrap()).unwrap();
    let date = format!("#EXT-X-PROGRAM-DATE-TIME:{}\n#EXTINF", taken_at(0));
    let text = text.replacen("#EXTINF", &date, 1).replacen('\n', &format!("\n{}\n", lines.join("\n")), 1);
    files.insert(playlist.into(), text.into_bytes());
}

fn hex(insert: SpliceInsert) -> String {
    let digits: String = insert.section(90_000).iter().map(|byte| format!("{byte:02X}")).collect();
    format!("0x{digits}")
}

const OUT: SpliceInsert = SpliceInsert { event_id: 815, out: true, frame: 217, duration_frames: Some(180) };
const BACK: SpliceInsert = SpliceInsert { event_id: 815, out: false, frame: 301, duration_frames: None };

/// A break from `OUT` to `BACK`, as date ranges say it: one that begins it, and the same again with its end.
fn said_by_ranges() -> Vec<String> {
    let start = format!("#EXT-X-DATERANGE:ID=\"ad\",START-DATE=\"{}\"", taken_at(OUT.frame));
    let end = taken_at(BACK.frame);
    vec![
        format!("{start},PLANNED-DURATION=6,SCTE35-OUT={}", hex(OUT)),
        format!("#EXT-X-DATERANGE:ID=\"ad\",END-DATE=\"{end}\",SCTE35-IN={}", hex(BACK)),
    ]
}

async fn a_break_of_a_playlist_is_where_its_pictures_are(files: Files, address: &str) {
    let dir = tempfile::tempdir().unwrap();
    let service = start_long(dir.path(), format!("{}/{address}", serve_files(files))).await;
    let session = create(&service, ["a", "b"]).await;
    let mut ahead = None;
    for _ in 0..16 {
        service.crank_segments(1).await;
        let text = playlist(&service, &session, "video/big.m3u8").await;
        let told = ranges(&text).first().map(|line| attribute(line, "START-DATE").unwrap().to_owned());
        ahead = ahead.or(told.map(|begins| (begins, service.clock.now().to_string())));
    }
    let (begins, told_at) = ahead.expect("it is listed");
    assert!(begins > told_at, "whoever puts something in its place is told ahead: {begins}, at {told_at}");
    let events = events(&service).await;
    let [event] = &events[..] else { panic!("{events:?}") };
    assert_eq!((&event["source"], &event["kind"], &event["state"]), (&json!("hls"), &json!("break"), &json!("ended")));
    assert_eq!((&event["planned_duration_s"], &event["ended_by"]), (&json!(6.0), &json!("signal")));
    let text = playlist(&service, &session, "video/big.m3u8").await;
    let lines = ranges(&text);
    assert_eq!(lines.len(), 2, "{text}");
    assert!(lines[0].contains("SCTE35-OUT=0xFC") && lines[1].contains("SCTE35-IN=0xFC"), "{lines:?}");
    let (begins, ends) = (attribute(&lines[0], "START-DATE").unwrap(), attribute(&lines[1], "END-DATE").unwrap());
    assert_shown_at(&service, &session, &text, &[(OUT.frame, begins), (BACK.frame, ends)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_playlist_dates_is_where_its_picture_is() {
    let mut files = segmented(&clip(7), "", &["-bf", "2"]);
    with_lines(&mut files, "list.m3u8", &said_by_ranges());
    a_break_of_a_playlist_is_where_its_pictures_are(files, "list.m3u8").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fragments_that_are_decoded_before_they_are_shown_move_no_date() {
    // Pictures that are shown later than decoded, and no edit list that takes it back.
    let options = ["-bf", "2", "-hls_segment_type", "fmp4", "-hls_segment_options", "use_editlist=0"];
    let mut files = segmented(&clip(8), "", &options);
    with_lines(&mut files, "list.m3u8", &said_by_ranges());
    a_break_of_a_playlist_is_where_its_pictures_are(files, "list.m3u8").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_break_that_stream_and_playlist_signal_is_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("whole.ts");
    let coding = ["-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-g", "30", "-c:a", "aac", "-f", "mpegts"];
    clip(9).write_with(&path, &coding);
    let in_band = signalled(&std::fs::read(&path).unwrap(), &[(100, OUT), (240, BACK)]);
    let mut files = Files::new();
    files.insert("whole.ts".into(), in_band);
    let list = "#EXTM3U\n#EXT-X-TARGETDURATION:30\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXTINF:30.0,\nwhole.ts\n#EXT-X-ENDLIST\n";
    files.insert("list.m3u8".into(), list.into());
    with_lines(&mut files, "list.m3u8", &said_by_ranges());
    let service = start_long(dir.path(), format!("{}/list.m3u8", serve_files(files))).await;
    let session = create(&service, ["a", "b"]).await;
    service.crank_segments(16).await;
    let events = events(&service).await;
    assert_eq!(events.len(), 1, "{events:?}");
    let text = playlist(&service, &session, "video/big.m3u8").await;
    assert_eq!(ranges(&text).len(), 2, "{text}");
    assert_shown_at(&service, &session, &text, &[(OUT.frame, events[0]["starts_at"].as_str().unwrap())]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_without_a_date_are_of_the_segment_that_they_stand_before() {
    let dir = tempfile::tempdir().unwrap();
    let mut files = segmented(&clip(10), "", &[]);
    let text = String::from_utf8(files["list.m3u8"].clone()).unwrap();
    // Segments are a second long.
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        let number = line.strip_suffix(".ts").map(|number| number.parse::<u32>().unwrap());
        let tag = match number {
            Some(7) => Some("#EXT-X-CUE-OUT:6.0".to_owned()),
            Some(n @ 8..10) => Some(format!("#EXT-X-CUE-OUT-CONT:{}/6", n - 7)),
            Some(10) => Some("#EXT-X-CUE-IN".to_owned()),
            _ => None,
        };
        lines.extend(tag);
        lines.push(line.to_owned());
    }
    files.insert("list.m3u8".into(), lines.join("\n").into_bytes());
    let service = start_long(dir.path(), format!("{}/list.m3u8", serve_files(files))).await;
    let session = create(&service, ["a", "b"]).await;
    service.crank_segments(16).await;
    let events = events(&service).await;
    let [event] = &events[..] else { panic!("{events:?}") };
    assert_eq!((&event["kind"], &event["planned_duration_s"]), (&json!("break"), &json!(6.0)));
    let text = playlist(&service, &session, "video/big.m3u8").await;
    let times = [(210, event["starts_at"].as_str().unwrap()), (300, event["ends_at"].as_str().unwrap())];
    assert_shown_at(&service, &session, &text, &times).await;
}

/// What stands in a file: half a minute with a break from `OUT` to `BACK` in it.
fn signalled_clip(dir: &std::path::Path, cues: &[(u32, SpliceInsert)]) -> String {
    let path = dir.join("signalled.ts");
    let coding = ["-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-g", "30", "-c:a", "aac", "-f", "mpegts"];
    clip(11).write_with(&path, &coding);
    std::fs::write(&path, signalled(&std::fs::read(&path).unwrap(), cues)).unwrap();
    format!("file://{}", path.display())
}

/// The frames `from..to` of what is heard, without those at its ends: AAC rings.
fn heard(sound: &[i16], from: usize, to: usize) -> f64 {
    tone::share(&sound[(from + 3) * 1600..(to - 3) * 1600], 400)
}

/// Cranks as somebody watches.
async fn watch(service: &TestService, session: &Value, segments: u64) {
    for _ in 0..segments {
        service.crank_segments(1).await;
        playlist(service, session, "video/big.m3u8").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_break_slate_stands_from_the_splices_frame_to_its_return() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = long_config(dir.path(), signalled_clip(dir.path(), &[(100, OUT), (240, BACK)]));
    config.games[0].break_policy = Some(BreakPolicy::Slate);
    let service = TestService::start(&config).await;
    let session = create(&service, ["a", "b"]).await;
    // Within the break.
    watch(&service, &session, 9).await;
    let games = service.device(Method::GET, "/v1/games", None, StatusCode::OK).await;
    assert_eq!(games[0]["status"], "live", "{games}");
    assert_eq!(service.metric("quadrille_game_slate_seconds{game=\"a\"}").await, 0.0);
    let thumbnail = games[0]["thumbnail_url"].as_str().expect("the slate's");
    let of_slate = service.bytes(thumbnail).await;
    watch(&service, &session, 2).await;
    assert!(service.bytes(thumbnail).await == of_slate, "its last picture may be of the break");
    watch(&service, &session, 9).await;
    let (seen, sound) = play(&service, &session).await;
    let last = seen.iter().position(|frame| *frame == Some(OUT.frame - 1)).unwrap();
    let back = last + 1 + (BACK.frame - OUT.frame) as usize;
    assert!(seen[last + 1..back].iter().all(Option::is_none), "{:?}", &seen[last..=back]);
    assert_eq!(seen[back], Some(BACK.frame));
    assert!(heard(&sound, last - 60, last + 1) > 0.9 && heard(&sound, back, back + 60) > 0.9);
    assert_eq!(heard(&sound, last + 1, back), 0.0, "silence");
    // It is billed as what was there.
    service.crank_segments(6).await;
    let path = format!("/v1/operator/usage/records?from=2020-01-01&session_id={}", session["id"].as_str().unwrap());
    let mut told = service.operator(Method::GET, &path, None, StatusCode::OK).await;
    // What is booked is committed by a thread of its own.
    for _ in 0..100 {
        if told["records"] != json!([]) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        told = service.operator(Method::GET, &path, None, StatusCode::OK).await;
    }
    let records = told["records"].as_array().unwrap();
    let sum = |field: &str| records.iter().map(|record| record[field].as_u64().unwrap()).sum::<u64>();
    assert!(sum("billable_seconds") >= 10 && sum("slate_seconds") == 0, "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registered_game_has_a_break_policy_of_its_own_and_keeps_it() {
    let dir = tempfile::tempdir().unwrap();
    let source = signalled_clip(dir.path(), &[]);
    let config = long_config(dir.path(), source.clone());
    let service = TestService::start(&config).await;
    let game = |policy: Option<&str>| json!({"title": "Own", "sources": [source], "break_policy": policy});
    let path = "/v1/operator/games/own";
    let made = service.operator(Method::PUT, path, Some(game(Some("slate"))), StatusCode::CREATED).await;
    assert_eq!(made["break_policy"], "slate");
    let session = create(&service, ["own", "b"]).await;
    service.crank_segments(6).await;
    break_of(&service, "own", json!({"duration_s": 20}), StatusCode::CREATED).await;
    service.crank(45).await;
    // It ends with the policy, and the source has gone on behind it.
    let changed = service.operator(Method::PUT, path, Some(game(None)), StatusCode::OK).await;
    assert_eq!(changed["break_policy"], Value::Null);
    service.crank_segments(4).await;
    let (seen, _) = play(&service, &session).await;
    let shown = |frame: &Option<u32>| frame.is_some();
    let first = seen.iter().position(shown).unwrap();
    let dark = first + seen[first..].iter().position(Option::is_none).unwrap();
    let back = dark + seen[dark..].iter().position(shown).unwrap();
    assert!((40..=50).contains(&(back - dark)), "{}", back - dark);
    let before = seen[dark - 1].unwrap();
    assert_eq!(seen[back], Some(before + 1 + (back - dark) as u32));
    service.operator(Method::PUT, path, Some(game(Some("slate"))), StatusCode::OK).await;
    let ended = service.stop().await;
    let service = TestService::start_at(&config, ended).await;
    let kept = service.operator(Method::GET, path, None, StatusCode::OK).await;
    assert_eq!((&kept["break_policy"], &kept["title"]), (&json!("slate"), &json!("Own")));
}

/// A break hides a game from everybody who shows it.
#[tokio::test(flavor = "multi_thread")]
async fn a_break_by_hand_is_for_who_has_the_game_alone() {
    let dir = tempfile::tempdir().unwrap();
    let others = "[[tenants]]\nid = \"rival\"\noperator_keys = [\"op-2\"]\ndevice_keys = [\"dev-2\"]\n";
    let games = [("mine", "test://ball?size=320x180"), ("ours", "test://smpte?size=320x180")];
    let games = games.map(|(id, source)| (id, source.to_owned()));
    let mut config = config(&dir.path().join("data"), &games, &format!("{SMALL_OUTPUT}{others}"));
    config.games[0].tenants = Some(vec!["acme".into()]);
    let service = TestService::start(&config).await;
    let own = json!({"id": "own", "title": "Own", "sources": ["test://snow?size=320x180"]});
    service.operator(Method::POST, "/v1/operator/games", Some(own), StatusCode::CREATED).await;
    service.crank_segments(2).await;

    let refused = break_of(&service, "ours", json!({}), StatusCode::CONFLICT).await;
    assert_eq!(refused["code"], "game_read_only");
    assert!(refused["detail"].as_str().unwrap().contains("other tenants"), "{refused}");
    let theirs = service.send(Method::POST, "/v1/operator/games/ours/breaks", "op-2", Some(json!({}))).await;
    assert_eq!(theirs.status(), StatusCode::CONFLICT);
    let ended = service.operator(Method::DELETE, "/v1/operator/games/ours/breaks/x", None, StatusCode::CONFLICT).await;
    assert_eq!(ended["code"], "game_read_only");
    for game in ["mine", "own"] {
        break_of(&service, game, json!({}), StatusCode::CREATED).await;
    }
    // What the rival may not show it does not know.
    let theirs = service.send(Method::POST, "/v1/operator/games/mine/breaks", "op-2", Some(json!({}))).await;
    assert_eq!(theirs.status(), StatusCode::NOT_FOUND);
    service.stop().await;
}
