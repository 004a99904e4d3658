//! What sources write with their pictures, as it comes to players.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use quadrille::layout::Layouts;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::support::barcode::Clip;
use crate::support::captioned::{PopOn, SeenCue, as_ffmpeg_reads, cues, write};
use crate::support::decode::{Decode, decode};
use crate::support::hls_source::{Files, read_folder, serve};
use crate::support::service::{SMALL_OUTPUT, TestService, WHOLE_SLOTS, config};

/// A segment of text behind all cues.
const AFTER_ALL_TEXT: &str = "t5.vtt";

/// Real time in which text is fetched, also beside compilers.
const PATIENCE: Duration = Duration::from_secs(60);

/// Captions of a clip of 14 seconds. The second begins within a segment of ours and goes over two boundaries.
const CAPTIONS: [PopOn; 3] = [
    PopOn { shows: 95, ends: 140, text: "GOAL FOR THE VISITORS", row: 15 },
    PopOn { shows: 187, ends: 260, text: "a throw from the left", row: 1 },
    PopOn { shows: 300, ends: 345, text: "time out", row: 15 },
];

async fn playlist(service: &TestService, session: &Value, name: &str) -> String {
    let url = session["playback_url"].as_str().unwrap();
    service.text(&url[url.find("/v1/play").unwrap()..].replace("index.m3u8", name)).await
}

/// The cues of all segments of a playlist, with their times counted from the date of its first segment.
async fn cues_of(service: &TestService, playlist: &str) -> Vec<SeenCue> {
    let instant = |text: &str| text.parse::<jiff::Timestamp>().unwrap().as_millisecond();
    let epoch = instant("2024-01-01T00:00:00Z");
    let begins = instant(playlist.lines().find_map(|line| line.strip_prefix("#EXT-X-PROGRAM-DATE-TIME:")).unwrap());
    let mut seen: Vec<SeenCue> = Vec::new();
    for uri in playlist.lines().filter(|line| line.contains(".vtt") && !line.starts_with('#')) {
        let text = service.text(uri).await;
        let map = text.lines().find_map(|line| line.strip_prefix("X-TIMESTAMP-MAP=MPEGTS:")).unwrap();
        let (ticks, local) = map.split_once(",LOCAL:").unwrap();
        assert_eq!(local, "00:00:00.000");
        // Of all the instants that the ticks may mean the one near the segment.
        let (ticks, wrap) = (ticks.parse::<i64>().unwrap(), 1i64 << 33);
        let since_epoch = (begins - epoch) * 90;
        let zero = ticks + (since_epoch - ticks + wrap / 2).div_euclid(wrap) * wrap;
        for cue in cues(&text) {
            let at = |ms: u64| u64::try_from(zero / 90 + ms as i64 - (begins - epoch)).unwrap();
            let cue = SeenCue { start_ms: at(cue.start_ms), end_ms: at(cue.end_ms), ..cue };
            match seen.last_mut() {
                // Told whole in every segment that it stands in.
                Some(last) if *last == cue => {}
                // It goes on.
                Some(last) if last.end_ms == cue.start_ms && last.text == cue.text => {
                    assert_eq!(last.settings, cue.settings, "it stays where it is");
                    last.end_ms = cue.end_ms;
                }
                _ => seen.push(cue),
            }
        }
    }
    seen
}

fn setting(cue: &SeenCue, name: &str) -> f64 {
    let value = cue.settings.split(' ').find_map(|setting| setting.strip_prefix(&format!("{name}:"))).unwrap();
    value.split(['%', ',']).next().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn captions_stand_in_their_slot_with_the_picture_that_they_came_with() {
    let dir = tempfile::tempdir().unwrap();
    let clip = Clip { width: 640, height: 360, ..Clip::new(7, 420, 400) };
    let file = write(&dir.path().join("captioned"), &clip, &CAPTIONS);
    let theirs = as_ffmpeg_reads(&file);
    assert_eq!(theirs.len(), 3, "{theirs:?}");

    let games = [("b", "test://ball?size=320x180&fps=30".into()), ("a", format!("file://{}", file.display()))];
    let output = SMALL_OUTPUT.replace("window_s = 10", "window_s = 30");
    let service =
        TestService::start(&config(&dir.path().join("data"), &games, &format!("{output}{WHOLE_SLOTS}"))).await;
    let body = json!({"games": ["b", "a"], "audio": "a", "layout": "2EH"});
    let session = service.device(Method::POST, "/v1/sessions", Some(body), StatusCode::CREATED).await;
    service.crank_segments(6).await;
    let multivariant = playlist(&service, &session, "index.m3u8").await;
    let texts: Vec<&str> = multivariant.lines().filter(|line| line.contains("TYPE=SUBTITLES")).collect();
    assert_eq!(texts.len(), 3, "{multivariant}");
    assert!(texts[0].contains("NAME=\"Main\",DEFAULT=NO,AUTOSELECT=YES,FORCED=NO"), "{texts:?}");
    assert!(texts.iter().all(|line| line.contains("transcribes-spoken-dialog") && !line.contains("LANGUAGE=")));
    assert!(texts[1].contains("NAME=\"All games\"") && texts[2].contains("NAME=\"Game a\""), "{texts:?}");
    let streams = multivariant.lines().filter(|line| line.starts_with("#EXT-X-STREAM-INF"));
    assert!(streams.clone().count() == 2 && streams.into_iter().all(|line| line.contains(",SUBTITLES=\"text\"")));

    let games = service.device(Method::GET, "/v1/games", None, StatusCode::OK).await;
    assert_eq!(games[0]["texts"], json!([{"id": "und", "language": "und", "kind": "captions"}]), "{games}");
    assert_eq!(games[1]["texts"], json!([]));

    service.crank_segments(9).await;
    let pictures = playlist(&service, &session, "video/big.m3u8").await;
    let mut all = Vec::new();
    for name in ["text/1-und.m3u8", "text/main-und.m3u8", "text/all-und.m3u8"] {
        let list = playlist(&service, &session, name).await;
        let dates = |text: &str| {
            let kept = ["#EXTINF", "#EXT-X-PROGRAM-DATE-TIME", "#EXT-X-MEDIA-SEQUENCE", "#EXT-X-TARGETDURATION"];
            let is_kept = |line: &&str| kept.iter().any(|tag| line.starts_with(tag));
            text.lines().filter(is_kept).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(dates(&list), dates(&pictures), "{name}");
        assert!(!list.contains("EXT-X-MAP"));
        all.push(cues_of(&service, &list).await);
    }
    assert!(all[0] == all[1] && all[1] == all[2], "the other game has none: {all:?}");
    let ours = &all[0];
    // What an independent reader found: the same texts, as long, as far apart.
    let spans =
        |times: &[(u64, u64)]| times.iter().map(|(from, to)| (from - times[0].0, to - from)).collect::<Vec<_>>();
    let our_times: Vec<_> = ours.iter().map(|cue| (cue.start_ms, cue.end_ms)).collect();
    let their_times: Vec<_> = theirs.iter().map(|(from, to, _)| (*from, *to)).collect();
    let near = |(a, b): ((u64, u64), (u64, u64))| a.0.abs_diff(b.0) <= 1 && a.1.abs_diff(b.1) <= 1;
    assert!(spans(&our_times).into_iter().zip(spans(&their_times)).all(near), "{our_times:?} {their_times:?}");
    assert_eq!(
        ours.iter().map(|cue| &cue.text).collect::<Vec<_>>(),
        theirs.iter().map(|(_, _, text)| text).collect::<Vec<_>>()
    );
    // Within the right half, the second above, the others below.
    let rect = Layouts::bundled().get("2EH").unwrap().picture_on(1, 960, 540);
    for cue in ours {
        let (line, position) = (setting(cue, "line"), setting(cue, "position"));
        let within = |at: f64, from: u32, length: u32, of: u32| {
            let of = f64::from(of);
            (f64::from(from) / of * 100.0..=f64::from(from + length) / of * 100.0).contains(&at)
        };
        assert!(
            within(line, rect.y, rect.height, 540) && within(position, rect.x, rect.width, 960),
            "{cue:?} {rect:?}"
        );
    }
    assert!(setting(&ours[1], "line") < 50.0 && setting(&ours[0], "line") > 50.0);

    // Each is there with the very picture that carried it.
    let seen = frames_in(&service, &session, 1).await;
    for (cue, PopOn { shows, .. }) in ours.iter().zip(&CAPTIONS) {
        let shown = seen.iter().position(|frame| *frame == Some(*shows)).unwrap();
        let shown_ms = (shown as u64 * 1000 + 15) / 30;
        assert!(cue.start_ms.abs_diff(shown_ms) <= 1, "{cue:?} at {shown_ms}");
    }
    let unknown = service.send(Method::GET, "/v1/play/nobody/text/all-en.m3u8", "", None).await;
    assert_eq!(unknown.status(), StatusCode::NOT_FOUND);
}

/// The session's stream, decoded when it has ended: the frame in slot `slot` of each picture.
async fn frames_in(service: &TestService, session: &Value, slot: usize) -> Vec<Option<u32>> {
    let path = format!("/v1/sessions/{}", session["id"].as_str().unwrap());
    service.device(Method::DELETE, &path, None, StatusCode::NO_CONTENT).await;
    service.crank_segments(1).await;
    let url = session["playback_url"].as_str().unwrap();
    let url = format!("{}{}", service.base, &url[url.find("/v1/play").unwrap()..]);
    let slot = Layouts::bundled().get("2EH").unwrap().slot_on(slot, 960, 540);
    let seen = tokio::task::spawn_blocking(move || {
        let mut seen = Vec::new();
        decode(&Decode::new(&url, 60.0), |_, frame| seen.push(frame.barcode(slot).map(|code| code.frame)));
        seen
    });
    seen.await.unwrap()
}

/// Files of a playlist with pictures whose clock wraps while they play, and with texts that go by it: WebVTT, and TTML at the end.
fn with_texts(dir: &Path) -> Files {
    let clip = Clip { width: 640, height: 360, ..Clip::new(9, 300, 400) };
    let coding =
        ["-c:v", "libx264", "-preset", "ultrafast", "-bf", "0", "-g", "30", "-sc_threshold", "0", "-c:a", "aac"];
    let hls = [
        "-f",
        "hls",
        "-hls_time",
        "2",
        "-hls_list_size",
        "0",
        "-hls_playlist_type",
        "vod",
        "-output_ts_offset",
        "95443",
        "-muxdelay",
        "0",
    ];
    clip.write_with(&dir.join("list.m3u8"), &[&coding[..], &hls].concat());
    let mut files: Files = read_folder(dir, "");
    // The clock of the pictures, which wraps while they play (26.5 hours are 95,443.7 s): the first picture's time, as the stream has it.
    let first = files["list0.ts"].chunks_exact(188).find_map(first_pts).unwrap();
    assert!(first < (1 << 33) && first + 10 * 90_000 > (1 << 33), "{first}");
    let vtt = |cues: &str| format!("WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:10:00.000,MPEGTS:{first}\n\n{cues}").into_bytes();
    let spans = "2\n00:10:03.700 --> 00:10:04.900 line:10% align:start\n<i>über</i> die Grenze\n\n";
    files.insert(
        "t0.vtt".into(),
        vtt("1\n00:10:01.000 --> 00:10:02.500\nEins & zwei\n\n".replace('&', "&amp;").as_str()),
    );
    files.insert("t1.vtt".into(), vtt(spans));
    files.insert("t2.vtt".into(), vtt(&format!("{spans}3\n00:10:05.000 --> 00:10:05.900\ndrei\n\n")));
    files.insert("t3.vtt".into(), vtt(""));
    // The last as TTML, whose times are the stream's own.
    let at = |s: f64| format!("{:.3}s", first as f64 / 90_000.0 + s);
    let ttml = format!(
        "<tt xmlns=\"http://www.w3.org/ns/ttml\"><body><div><p begin=\"{}\" end=\"{}\">vier</p></div></body></tt>",
        at(8.5),
        at(9.2)
    );
    files.insert("t4.vtt".into(), ttml.into_bytes());
    files.insert(AFTER_ALL_TEXT.into(), vtt(""));
    let segments: String = (0..6).map(|n| format!("#EXTINF:2.0,\nt{n}.vtt\n")).collect();
    files.insert(
        "text.m3u8".into(),
        format!("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-PLAYLIST-TYPE:VOD\n{segments}#EXT-X-ENDLIST\n").into_bytes(),
    );
    let media = "#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"subs\",NAME=\"Deutsch\",LANGUAGE=\"deu\",URI=\"text.m3u8\"\n#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"subs\",NAME=\"gone\",LANGUAGE=\"fr\",FORCED=YES,URI=\"gone.m3u8\"\n";
    files.insert(
        "master.m3u8".into(),
        format!(
            "#EXTM3U\n{media}#EXT-X-STREAM-INF:BANDWIDTH=900000,RESOLUTION=640x360,SUBTITLES=\"subs\"\nlist.m3u8\n"
        )
        .into_bytes(),
    );
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_of_a_playlist_are_where_its_pictures_are() {
    let dir = tempfile::tempdir().unwrap();
    let files = with_texts(dir.path());
    let all_text = Arc::new(Notify::new());
    let tells = all_text.clone();
    let address = serve(move |path, _| {
        if path == AFTER_ALL_TEXT {
            tells.notify_one();
        }
        files.get(path).cloned()
    });
    let games = [("a", format!("{address}/master.m3u8")), ("b", "test://ball?size=320x180&fps=30&captions=en".into())];
    let output = SMALL_OUTPUT.replace("window_s = 10", "window_s = 30");
    let service =
        TestService::start(&config(&dir.path().join("data"), &games, &format!("{output}{WHOLE_SLOTS}"))).await;
    let body = json!({"games": ["a", "b"], "audio": "b", "layout": "2EH"});
    let session = service.device(Method::POST, "/v1/sessions", Some(body), StatusCode::CREATED).await;
    // Pictures are waited for at each tick, text is not. A segment of text is fetched when the one before it was handed over.
    service.crank(10).await;
    tokio::time::timeout(PATIENCE, all_text.notified()).await.expect("its text is fetched");
    service.crank_segments(14).await;
    let health = service.operator(Method::GET, "/v1/operator/games/a", None, StatusCode::OK).await;
    let multivariant = playlist(&service, &session, "index.m3u8").await;
    let named = |name: &str| multivariant.lines().any(|line| line.contains("TYPE=SUBTITLES") && line.contains(name));
    assert!(
        named("NAME=\"Game a (de)\",LANGUAGE=\"de\"") && named("NAME=\"Game b (en)\",LANGUAGE=\"en\""),
        "{multivariant} {health}"
    );
    assert!(!named("FORCED=YES"), "what cannot be had is not offered");
    let list = playlist(&service, &session, "text/0-de.m3u8").await;
    let cues = cues_of(&service, &list).await;
    assert_eq!(
        cues.iter().map(|cue| &*cue.text).collect::<Vec<_>>(),
        ["Eins &amp; zwei", "<i>über</i> die Grenze", "drei", "vier"]
    );
    assert!(setting(&cues[1], "line") < 40.0 && setting(&cues[0], "line") > 50.0, "{cues:?}");
    // What is heard has no text of that language, and the other game says the time with each second one.
    assert_eq!(cues_of(&service, &playlist(&service, &session, "text/main-de.m3u8").await).await, []);
    let spoken = cues_of(&service, &playlist(&service, &session, "text/main-en.m3u8").await).await;
    assert!(
        spoken.len() >= 5
            && spoken.iter().all(|cue| cue.text.starts_with("Game b\nIt is ") && setting(cue, "position") > 50.0),
        "{spoken:?}"
    );
    let seen = frames_in(&service, &session, 0).await;
    for (cue, (begins, ends)) in cues.iter().zip([(30, 75), (111, 147), (150, 177), (255, 276)]) {
        let shown = seen.iter().position(|frame| *frame == Some(begins)).unwrap();
        let shown_ms = (shown as u64 * 1000 + 15) / 30;
        assert!(cue.start_ms.abs_diff(shown_ms) <= 1, "{cue:?} at {shown_ms}");
        assert!((cue.end_ms - cue.start_ms).abs_diff(u64::from(ends - begins) * 1000 / 30) <= 17, "{cue:?}");
    }
}

/// The presentation time of a picture that begins in this packet (ISO/IEC 13818-1, 2.4.3.6).
fn first_pts(packet: &[u8]) -> Option<u64> {
    let begin = if packet[3] & 0x20 != 0 { 5 + usize::from(packet[4]) } else { 4 };
    let [0, 0, 1, 0xe0..=0xef, _, _, _, 0x80..=0xff, _, a, b, c, d, e, ..] = *packet.get(begin..)? else { return None };
    let [a, b, c, d, e] = [a, b, c, d, e].map(u64::from);
    Some((a >> 1 & 7) << 30 | b << 22 | (c >> 1) << 15 | d << 7 | e >> 1)
}
