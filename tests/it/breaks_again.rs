//! Breaks that go on in another process, and creatives whose sound goes on without a picture.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use quadrille::config::StartOver;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::breaks::{
    AD, AdServer, Seen, TONES, answer, clip, create, heard, made, market, play, runs, seen_in, settings, start, until,
    until_made, vast, watched, watched_from,
};
use crate::support::service::TestService;

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_begins_in_a_break_goes_on_with_it() {
    let dir = tempfile::tempdir().unwrap();
    clip(AD, 360, TONES[2]).write(&dir.path().join("ad.mp4"));
    let settings = settings(dir.path());
    let service = TestService::start(&settings).await;
    let ads = AdServer::start(dir.path(), |base, client| {
        answer(client, "application/xml", vast(base, &[("ad.mp4", 12)]).as_bytes())
    });
    market(&service, json!({ "policy": "advertisement", "decision_url": format!("{}/vast", ads.base) })).await;
    let mine = create(&service, json!({ "games": ["a", "b"], "audio": "b", "market": "de" })).await;
    play(&service, &[&mine], 5).await;
    let body = json!({ "duration_s": 30 });
    service.operator(Method::POST, "/v1/operator/games/b/breaks", Some(body), StatusCode::CREATED).await;
    play(&service, &[&mine], 2).await;
    until_made(&service).await;
    play(&service, &[&mine], 7).await;
    let taken = async |service: &TestService, from: &str| {
        service.metric(&format!("quadrille_creatives_total{{from=\"{from}\"}}")).await
    };
    assert_eq!((taken(&service, "server").await, taken(&service, "disk").await), (1.0, 0.0));
    until("no impression is told", async || {
        service.service.sweep().await;
        ads.asked_for("/told/0/impression") > 0
    })
    .await;

    let now = service.stop().await;
    let service = TestService::start_at(&settings, now + Duration::from_secs(2)).await;
    play(&service, &[&mine], 2).await;
    // Nobody begins the break again, and nobody is asked again what to show in it.
    until("nothing is taken up", async || taken(&service, "disk").await > 0.0).await;
    play(&service, &[&mine], 28).await;
    assert_eq!((taken(&service, "server").await, ads.asked_for("/media/")), (0.0, 1), "its server is asked once");
    assert_eq!(made(&service).await, 0.0, "nothing is made again");
    assert_eq!(ads.asked_for("/vast"), 1);

    let (seen, sound) = watched(&service, &mine, &[seen_in("2EH", 1)]).await;
    let its: Vec<_> = runs(&seen[0]).into_iter().filter(|(.., count)| *count > 1).collect();
    // The rest of the advertisement where it would have been, the slate, and the game: which is not seen before.
    let at = its.iter().position(|(whose, ..)| *whose == Some(1)).unwrap();
    let before: Vec<_> = its[..at].iter().filter(|(whose, ..)| whose.is_some()).collect();
    let [(Some(AD), from, 359, count)] = before[..] else { panic!("{its:?}") };
    assert!(*from > 0 && from % 30 == 0 && *count == 360 - *from as usize, "{its:?}");
    assert!(heard(&sound).contains(&Some(TONES[2])), "and it is heard");
    service.service.sweep().await;
    let told = |event: &str| ads.asked_for(&format!("/told/0/{event}"));
    assert_eq!(["impression", "start"].map(told), [1, 1]);
    assert_eq!(told("complete"), 0, "nobody saw all of it");
    let report = service.operator(Method::GET, "/v1/operator/breaks/report", None, StatusCode::OK).await;
    let german = &report["markets"][0];
    let counts = ["decisions", "decided", "play_outs", "completes"].map(|count| german[count].as_u64().unwrap());
    assert_eq!(counts, [1, 1, 1, 0], "{german}");
}

/// A film of three seconds of pictures and eight of sound.
fn long_sound(path: &Path) {
    let pictures = path.with_extension("pictures.mp4");
    clip(AD, 90, TONES[2]).write(&pictures);
    let tone = format!("sine=frequency={}:sample_rate=48000:duration=8", TONES[2]);
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-i"])
        .arg(&pictures)
        .args(["-f", "lavfi", "-i", &tone, "-map", "0:v", "-map", "1:a", "-c:v", "copy", "-c:a", "aac"])
        .arg(path)
        .status()
        .unwrap();
    assert!(made.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_creatives_sound_goes_on_over_its_last_picture() {
    let dir = tempfile::tempdir().unwrap();
    long_sound(&dir.path().join("ad.mp4"));
    let service = start(dir.path()).await;
    let ads = AdServer::start(dir.path(), |base, client| {
        answer(client, "application/xml", vast(base, &[("ad.mp4", 8)]).as_bytes())
    });
    market(&service, json!({ "policy": "advertisement", "decision_url": format!("{}/vast", ads.base) })).await;
    let mine = create(&service, json!({ "games": ["a", "b"], "audio": "b", "market": "de" })).await;
    play(&service, &[&mine], 5).await;
    let body = json!({ "duration_s": 20 });
    service.operator(Method::POST, "/v1/operator/games/b/breaks", Some(body), StatusCode::CREATED).await;
    play(&service, &[&mine], 2).await;
    until_made(&service).await;
    play(&service, &[&mine], 24).await;
    let (seen, sound) = watched(&service, &mine, &[seen_in("2EH", 1)]).await;
    let ad: Vec<u32> = seen[0].iter().flatten().filter(|(clip, _)| *clip == AD).map(|(_, number)| *number).collect();
    assert_eq!(ad[..90], (0..90).collect::<Vec<u32>>());
    assert_eq!(ad[90..], [89; 150], "its last picture stands while its sound goes on");
    let heard = heard(&sound).into_iter().filter(|tone| *tone == Some(TONES[2])).count();
    assert!((7..=8).contains(&heard), "{heard} s of eight are heard");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_early_return_leaves_out_is_told_as_not_used() {
    let dir = tempfile::tempdir().unwrap();
    clip(AD, 180, TONES[2]).write(&dir.path().join("ad.mp4"));
    let service = start(dir.path()).await;
    let ads = AdServer::start(dir.path(), |base, client| {
        answer(client, "application/xml", vast(base, &[("ad.mp4", 6), ("ad.mp4", 6), ("ad.mp4", 6)]).as_bytes())
    });
    market(&service, json!({ "policy": "advertisement", "decision_url": format!("{}/vast", ads.base) })).await;
    let mine = create(&service, json!({ "games": ["a", "b"], "market": "de" })).await;
    play(&service, &[&mine], 5).await;
    let body = json!({ "duration_s": 40, "id": "early" });
    service.operator(Method::POST, "/v1/operator/games/b/breaks", Some(body), StatusCode::CREATED).await;
    play(&service, &[&mine], 2).await;
    until_made(&service).await;
    play(&service, &[&mine], 5).await;
    service.operator(Method::DELETE, "/v1/operator/games/b/breaks/early", None, StatusCode::OK).await;
    play(&service, &[&mine], 12).await;
    let told = |event: &str| [0, 1, 2].map(|ad| ads.asked_for(&format!("/told/{ad}/{event}")));
    until("what was not used is told", async || {
        service.service.sweep().await;
        told("notUsed") == [0, 1, 1]
    })
    .await;
    assert_eq!(told("impression"), [1, 0, 0]);
    assert_eq!(ads.asked_for("/error/"), 0, "it is nobody's fault");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_after_a_break_and_goes_back_sees_its_slate() {
    let dir = tempfile::tempdir().unwrap();
    let mut settings = settings(dir.path());
    settings.start_over = Some(StartOver { window_s: 120, ..StartOver::default() });
    let service = TestService::start(&settings).await;
    market(&service, json!({ "policy": "slate" })).await;
    // Somebody whose market has no breaks has all of the game.
    let others = create(&service, json!({ "games": ["a", "b"], "audio": "b" })).await;
    play(&service, &[&others], 8).await;
    let body = json!({ "duration_s": 6 });
    service.operator(Method::POST, "/v1/operator/games/b/breaks", Some(body), StatusCode::CREATED).await;
    play(&service, &[&others], 14).await;

    let late = create(&service, json!({ "games": ["a", "b"], "audio": "b", "market": "de" })).await;
    let url = late["playback_url"].as_str().unwrap();
    let path = &url[url.find("/v1/play").unwrap()..];
    let index = service.text(&format!("{path}?start=40")).await;
    let quoted = index.split("URI=\"").filter_map(|uri| uri.split('"').next()).filter(|uri| uri.contains("/sound/"));
    for of in quoted.chain(index.lines().filter(|line| line.contains("/video/") && !line.starts_with('#'))) {
        let playlist = service.text(&path.replace("index.m3u8", of)).await;
        assert!(!playlist.contains("DISCONTINUITY") && !playlist.contains("EXT-X-GAP"), "{playlist}");
        for address in playlist.lines().filter(|line| line.starts_with("/v1/")) {
            service.bytes(address).await;
        }
    }
    let slots = [seen_in("2EH", 0), seen_in("2EH", 1)];
    let (seen, sound) = watched_from(&service, &late, "?start=40", &slots).await;
    let moving = |seen: &Seen| runs(seen).into_iter().filter(|(.., count)| *count > 1).collect::<Vec<_>>();
    assert!(matches!(moving(&seen[0])[..], [.., (Some(0), ..)]), "{:?}", runs(&seen[0]));
    let its: Vec<_> = moving(&seen[1]).into_iter().skip_while(|(whose, ..)| whose.is_none()).collect();
    let [(Some(1), _, left, _), (None, .., slate), (Some(1), back, ..)] = its[..] else { panic!("{its:?}") };
    assert_eq!((slate, back - left - 1), (6 * 30, 6 * 30), "on its segments: {its:?}");
    let mut tones: Vec<_> = heard(&sound).into_iter().skip_while(Option::is_none).collect();
    tones.dedup();
    let own = Some(TONES[1]);
    assert_eq!(tones, [own, None, own]);
    assert_eq!(service.metric("quadrille_encoders{kind=\"tile\"}").await, 4.0, "nothing is encoded for it");
}

/// With a window on the disk what the last process put down ahead is seen, and what is seen is told.
#[tokio::test(flavor = "multi_thread")]
async fn an_advertisement_that_begins_in_what_was_put_down_before_a_restart_is_told() {
    let dir = tempfile::tempdir().unwrap();
    clip(AD, 180, TONES[2]).write(&dir.path().join("ad.mp4"));
    let mut settings = settings(dir.path());
    settings.start_over = Some(StartOver { window_s: 120, ..StartOver::default() });
    let service = TestService::start(&settings).await;
    let ads = AdServer::start(dir.path(), |base, client| {
        answer(client, "application/xml", vast(base, &[("ad.mp4", 6)]).as_bytes())
    });
    market(&service, json!({ "policy": "advertisement", "decision_url": format!("{}/vast", ads.base) })).await;
    let mine = create(&service, json!({ "games": ["a", "b"], "audio": "b", "market": "de" })).await;
    play(&service, &[&mine], 5).await;
    let body = json!({ "duration_s": 12, "starts_in_s": 8 });
    service.operator(Method::POST, "/v1/operator/games/b/breaks", Some(body), StatusCode::CREATED).await;
    play(&service, &[&mine], 2).await;
    until_made(&service).await;
    // Until the segment before it runs: two of the advertisement lie on the disk.
    play(&service, &[&mine], 5).await;
    let now = service.stop().await;
    assert_eq!(ads.asked_for("/told/"), 0);
    let service = TestService::start_at(&settings, now + Duration::from_millis(100)).await;
    play(&service, &[&mine], 18).await;
    until("not all is told", async || {
        service.service.sweep().await;
        ads.asked_for("/told/0/start") > 0
    })
    .await;
    assert_eq!(["impression", "start"].map(|event| ads.asked_for(&format!("/told/0/{event}"))), [1, 1]);
    let report = service.operator(Method::GET, "/v1/operator/breaks/report", None, StatusCode::OK).await;
    let german = &report["markets"][0];
    let told = |its: &str| german[its].as_f64().unwrap();
    assert_eq!(["play_outs", "break_s"].map(told), [1.0, 12.0], "{german}");
    // Two that lay there and what was taken up in time; where that was not all of it, nobody saw it to its end.
    let seen = told("advertisement_s");
    assert!(seen >= 2.0 && told("completes") == f64::from(u8::from(seen > 5.5)), "{german}");
}

/// Nobody of the market was there, and its slate is yet to be made: of the whole canvas, which nobody shows otherwise.
#[tokio::test(flavor = "multi_thread")]
async fn who_begins_in_a_break_sees_nothing_of_the_game() {
    let dir = tempfile::tempdir().unwrap();
    let service = start(dir.path()).await;
    market(&service, json!({ "policy": "slate" })).await;
    let others = create(&service, json!({ "games": ["b"] })).await;
    play(&service, &[&others], 6).await;
    let body = json!({ "duration_s": 30 });
    service.operator(Method::POST, "/v1/operator/games/b/breaks", Some(body), StatusCode::CREATED).await;
    play(&service, &[&others], 8).await;
    let late = create(&service, json!({ "games": ["b"], "market": "de" })).await;
    play(&service, &[&others, &late], 10).await;
    let (seen, sound) = watched(&service, &late, &[seen_in("1", 0)]).await;
    assert!(seen[0].len() >= 300 && seen[0].iter().all(Option::is_none), "{:?}", runs(&seen[0]));
    assert!(heard(&sound).iter().all(Option::is_none));
}
