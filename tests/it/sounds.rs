//! Games with several sounds, from their source to a player's ears.

use std::path::Path;
use std::process::Command;

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::decode::{Decode, decode};
use crate::support::service::{TestService, config};
use crate::support::tone;

const TONES_HZ: [u32; 4] = [400, 700, 1100, 1700];

/// Ten seconds of pictures, and a tone a sound: in English, in German, and described in English.
fn three_sounds(path: &Path, tones_hz: &[u32]) {
    let options = ["language=eng", "language=ger", "language=eng -disposition:a:2 visual_impaired"];
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-y", "-f", "lavfi", "-t", "10", "-i", "testsrc2=s=320x180:r=30"]);
    for hertz in tones_hz {
        command.args(["-f", "lavfi", "-t", "10", "-i", &format!("aevalsrc=0.4*sin(2*PI*{hertz}*t):s=48000")]);
    }
    command.args("-map 0:v -c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 30 -c:a aac -ac 2".split(' '));
    for (n, options) in (0..tones_hz.len()).zip(options) {
        command.args(["-map", &format!("{}:a", n + 1), &format!("-metadata:s:a:{n}")]);
        command.args(options.split(' '));
    }
    assert!(command.args(["-f", "mpegts"]).arg(path).status().unwrap().success());
}

async fn start(dir: &Path) -> TestService {
    let (three, one) = (dir.join("three.ts"), dir.join("one.ts"));
    three_sounds(&three, &TONES_HZ[..3]);
    three_sounds(&one, &TONES_HZ[3..]);
    let source = |path: &Path| format!("file://{}", path.display());
    TestService::start(&config(dir, &[("three", source(&three)), ("one", source(&one))], "")).await
}

fn playlist(session: &Value, name: &str) -> String {
    let url = session["playback_url"].as_str().unwrap();
    let path = &url[url.find("/v1/").unwrap()..];
    // What the multivariant playlist names lies beside it.
    match name.strip_prefix("../") {
        Some(beside) => format!("/v1/play/{beside}"),
        None => path.replace("index.m3u8", name),
    }
}

/// The tone that each second of a playlist has, from its fifth segment on: stills come before.
async fn tones(service: &TestService, session: &Value, name: &str) -> Vec<Option<u32>> {
    let url = format!("{}{}", service.base, playlist(session, name));
    let what = move || {
        let decoded = decode(&Decode { video: None, ..Decode::new(&url, 60.0) }, |_, _| {});
        assert_eq!(decoded.complaints, "");
        decoded.sound
    };
    let sound = tokio::task::spawn_blocking(what).await.unwrap();
    sound.chunks_exact(48_000).map(|second| tone::dominant(second, &TONES_HZ)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_sound_of_a_game_can_be_chosen_by_a_session_and_by_a_player() {
    let dir = tempfile::tempdir().unwrap();
    let service = start(dir.path()).await;
    service.crank_segments(4).await;
    let games = service.device(Method::GET, "/v1/games", None, StatusCode::OK).await;
    let three = games.as_array().unwrap().iter().find(|game| game["id"] == "three").unwrap();
    assert_eq!(
        three["audio"],
        json!([
            {"id": "main", "language": "en", "label": "Game three", "default": true, "characteristics": []},
            {"id": "deu", "language": "de", "label": "German", "default": false, "characteristics": []},
            {"id": "eng-ad", "language": "en", "label": "English, audio description", "default": false,
             "characteristics": ["public.accessibility.describes-video"]},
        ])
    );
    let make = |body: Value, status| service.device(Method::POST, "/v1/sessions", Some(body), status);
    let refused = make(json!({"games": ["three"], "audio": "three/fra"}), StatusCode::UNPROCESSABLE_ENTITY).await;
    assert_eq!(refused["code"], "audio_unknown");
    let session = make(json!({"games": ["three"], "audio": "three/deu"}), StatusCode::CREATED).await;
    assert_eq!(session["audio"], "three/deu");

    let index = service.text(&playlist(&session, "index.m3u8")).await;
    let media: Vec<_> = index.lines().filter(|line| line.starts_with("#EXT-X-MEDIA")).collect();
    assert_eq!(media.len(), 4, "{index}");
    assert!(media[0].contains("NAME=\"Main\",LANGUAGE=\"de\",DEFAULT=YES"), "{index}");
    assert!(media[3].contains("NAME=\"Game three: English, audio description\",LANGUAGE=\"en\""), "{index}");
    assert!(media[3].contains("CHARACTERISTICS=\"public.accessibility.describes-video\""), "{index}");
    assert!(media[3].ends_with("/sound/0~eng-ad.m3u8\""), "{index}");

    service.crank_segments(6).await;
    for name in ["sound/main.m3u8", "sound/0.m3u8", "sound/0~eng-ad.m3u8"] {
        service.text(&playlist(&session, name)).await;
    }
    // A change of the sound, then a swap to a game that has no German: its main sound is heard.
    let path = format!("/v1/sessions/{}", session["id"].as_str().unwrap());
    let change = |body: Value| service.device(Method::PATCH, &path, Some(body), StatusCode::OK);
    assert_eq!(change(json!({"audio": "three/eng-ad"})).await["audio"], "three/eng-ad");
    service.crank_segments(3).await;
    for name in ["sound/main.m3u8", "sound/0.m3u8", "sound/0~eng-ad.m3u8"] {
        service.text(&playlist(&session, name)).await;
    }
    assert_eq!(change(json!({"games": ["one"]})).await["audio"], "one");
    service.crank_segments(4).await;
    // What nobody asked for is not listed after the end.
    service.text(&playlist(&session, "sound/main.m3u8")).await;
    service.device(Method::DELETE, &path, None, StatusCode::NO_CONTENT).await;

    let distinct = |tones: Vec<Option<u32>>| {
        let mut heard: Vec<u32> = tones.into_iter().flatten().collect();
        heard.dedup();
        heard
    };
    assert_eq!(distinct(tones(&service, &session, "sound/main.m3u8").await), [700, 1100, 1700]);
    assert_eq!(distinct(tones(&service, &session, "sound/0.m3u8").await), [400, 1700]);
    assert_eq!(distinct(tones(&service, &session, "sound/0~eng-ad.m3u8").await), [1100, 1700]);
    assert_eq!(distinct(tones(&service, &session, "audio/three~deu.m3u8").await), [700]);
    assert_eq!(distinct(tones(&service, &session, "audio/one~deu.m3u8").await), [1700], "it has no other");
}

/// What `quadrille lint` finds wrong with a stream.
async fn faults(url: String) -> String {
    use quadrille::lint::{ExitStatus, LintOptions, run};
    let check = move || {
        let options = LintOptions { url, ..LintOptions::default() };
        let mut out = Vec::new();
        let status = run(&options, &mut out).unwrap();
        if status == ExitStatus::Clean { String::new() } else { String::from_utf8(out).unwrap() }
    };
    tokio::task::spawn_blocking(check).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_of_five_channels_and_one_is_offered_as_it_came() {
    let dir = tempfile::tempdir().unwrap();
    let (surround, one) = (dir.path().join("surround.ts"), dir.path().join("one.ts"));
    three_sounds(&one, &TONES_HZ[3..]);
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-y", "-f", "lavfi", "-t", "10", "-i", "testsrc2=s=320x180:r=30"]);
    let tone = format!("0.3*sin(2*PI*{}*t)", TONES_HZ[1]);
    let sides = [tone.as_str(), &tone, &tone, "0", &tone, &tone].join("|");
    command.args(["-f", "lavfi", "-t", "10", "-i", &format!("aevalsrc={sides}:c=5.1(side):s=48000")]);
    command.args("-c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 30 -c:a ac3 -b:a 448k -f mpegts".split(' '));
    assert!(command.arg(&surround).status().unwrap().success());
    let source = |path: &Path| format!("file://{}", path.display());
    let games = [("surround", source(&surround)), ("one", source(&one))];
    let service = TestService::start(&config(dir.path(), &games, "")).await;
    service.crank_segments(4).await;
    let make = |body: Value| service.device(Method::POST, "/v1/sessions", Some(body), StatusCode::CREATED);
    let session = make(json!({"games": ["surround"]})).await;
    service.crank_segments(6).await;

    let plain = service.text(&playlist(&session, "index.m3u8")).await;
    assert!(!plain.contains("ac-3"), "only who asks is offered it: {plain}");
    let index = service.text(&playlist(&session, "index.m3u8?sounds=as_came")).await;
    let came = index.lines().find(|line| line.contains("GROUP-ID=\"sound as it came\"")).expect("a second group");
    assert!(came.contains("CHANNELS=\"6\""), "{index}");
    assert_eq!(index.matches(",ac-3\"").count(), 2, "each rendition once more: {index}");
    let uri = came.split("URI=\"").nth(1).unwrap().trim_end_matches('"').to_owned();
    let media = service.text(&playlist(&session, &uri)).await;
    assert!(!media.contains("EXT-X-PART"), "{media}");

    // It goes on beside a swap, and where there is another game it has none.
    let path = format!("/v1/sessions/{}", session["id"].as_str().unwrap());
    service.device(Method::PATCH, &path, Some(json!({"games": ["one"]})), StatusCode::OK).await;
    service.crank_segments(3).await;
    let other = service.text(&playlist(&session, "index.m3u8?sounds=as_came")).await;
    assert!(!other.contains("as it came"), "{other}");
    service.device(Method::DELETE, &path, None, StatusCode::NO_CONTENT).await;
    let heard = tones(&service, &session, &uri).await;
    assert!(heard.iter().flatten().all(|tone| *tone == TONES_HZ[1]), "{heard:?}");
    assert!(heard.iter().flatten().count() >= 5, "{heard:?}");

    let whole = make(json!({"games": ["surround"]})).await;
    service.crank_segments(4).await;
    let path = format!("/v1/sessions/{}", whole["id"].as_str().unwrap());
    service.text(&playlist(&whole, "sound/main.m3u8")).await;
    service.device(Method::DELETE, &path, None, StatusCode::NO_CONTENT).await;
    let found = faults(format!("{}{}", service.base, playlist(&whole, "index.m3u8?sounds=as_came"))).await;
    assert_eq!(found, "");
}
