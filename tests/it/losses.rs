//! A whole service whose tick is held up: what it makes good for, what is a hole, and that nothing listed is ever missing.

use std::time::Duration;

use quadrille::timeline::Clock as _;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::decode::{Decode, decode};
use crate::support::service::{SMALL_OUTPUT, TestService, config};

/// A service that stitches, and a session with two of its games.
async fn start(dir: &std::path::Path) -> (TestService, Value) {
    let source = |tone: u32| format!("test://ball?size=320x180&fps=30&tone={tone}");
    let service = TestService::start(&config(dir, &[("a", source(300)), ("b", source(500))], SMALL_OUTPUT)).await;
    let body = json!({"games": ["a", "b"]});
    let session = service.device(Method::POST, "/v1/sessions", Some(body), StatusCode::CREATED).await;
    assert_eq!(session["engine"], "stitch");
    (service, session)
}

async fn playlist(service: &TestService, session: &Value, name: &str) -> String {
    let url = session["playback_url"].as_str().unwrap();
    service.text(&url[url.find("/v1/play").unwrap()..].replace("index.m3u8", name)).await
}

/// The listed segments: number, address, whether it is a gap. Numbers have no hole, whatever happened.
fn listed(playlist: &str) -> Vec<(u64, String, bool)> {
    let mut listed = Vec::new();
    let mut gap = false;
    for line in playlist.lines() {
        gap |= line == "#EXT-X-GAP";
        if let Some((address, _)) = line.split_once(".m4s") {
            let number: u64 = address.rsplit('/').next().unwrap().parse().unwrap();
            listed.push((number, line.to_owned(), std::mem::take(&mut gap)));
        }
    }
    assert!(listed.windows(2).all(|pair| pair[0].0 + 1 == pair[1].0), "{playlist}");
    let first = playlist.lines().find_map(|l| l.strip_prefix("#EXT-X-MEDIA-SEQUENCE:")).unwrap();
    assert_eq!(first, listed[0].0.to_string());
    listed
}

/// The numbers of the gaps; everything else that is listed is there.
async fn gaps(service: &TestService, playlist: &str) -> Vec<u64> {
    let mut gaps = Vec::new();
    for (number, address, gap) in listed(playlist) {
        if gap {
            gaps.push(number);
        } else {
            assert!(service.bytes(&address).await.len() > 500, "{address}");
        }
    }
    gaps
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tick_that_was_held_up_for_three_seconds_costs_no_frame() {
    let dir = tempfile::tempdir().unwrap();
    let (service, session) = start(dir.path()).await;
    service.crank_segments(4).await;
    service.clock.advance(Duration::from_secs(3));
    service.crank_segments(3).await;
    let names = ["video/big.m3u8", "video/small.m3u8", "audio/a.m3u8", "audio/b.m3u8"];
    for name in names {
        let text = playlist(&service, &session, name).await;
        assert!(gaps(&service, &text).await.is_empty(), "{name}: {text}");
        assert!(listed(&text).len() >= 7, "{name}: {text}");
    }
    let path = format!("/v1/sessions/{}", session["id"].as_str().unwrap());
    service.device(Method::DELETE, &path, None, StatusCode::NO_CONTENT).await;
    let segments = listed(&playlist(&service, &session, "video/big.m3u8").await).len();
    let url = session["playback_url"].as_str().unwrap();
    let url = format!("{}{}", service.base, &url[url.find("/v1/play").unwrap()..]);
    let decoded = tokio::task::spawn_blocking(move || decode(&Decode::new(&url, 60.0), |_, _| {})).await.unwrap();
    assert_eq!(decoded.complaints, "");
    assert_eq!(decoded.times_s.len(), 30 * segments);
    let steps = decoded.times_s.windows(2).map(|pair| pair[1] - pair[0]);
    assert!(steps.into_iter().all(|step| (step - 1.0 / 30.0).abs() < 0.001), "{:?}", decoded.times_s);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_longer_one_leaves_a_gap_and_takes_nothing_away_that_was_listed() {
    let dir = tempfile::tempdir().unwrap();
    let (service, session) = start(dir.path()).await;
    service.crank_segments(5).await;
    let before = listed(&playlist(&service, &session, "video/big.m3u8").await);
    let lost_from = service.grid.segment_at(service.clock.now());
    service.clock.advance(Duration::from_secs(6));
    service.crank_segments(2).await;
    let text = playlist(&service, &session, "video/big.m3u8").await;
    let gaps_of_picture = gaps(&service, &text).await;
    // The segment that was begun has all its frames; five were lost whole.
    assert_eq!(gaps_of_picture, (lost_from + 1..lost_from + 6).collect::<Vec<_>>(), "{text}");
    // What an earlier playlist listed can still be had, whether this one lists it or not.
    for (_, address, _) in &before {
        assert!(service.bytes(address).await.len() > 500);
    }
    // Sound is silent for so long, and goes on under the same numbers.
    let sound = playlist(&service, &session, "audio/a.m3u8").await;
    assert!(gaps(&service, &sound).await.is_empty(), "{sound}");
    let numbers = |text: &str| listed(text).iter().map(|(n, ..)| *n).collect::<Vec<_>>();
    assert_eq!(numbers(&sound), numbers(&text));
    // Who comes now is told nothing of it.
    let body = json!({"games": ["a", "b"]});
    let newcomer = service.device(Method::POST, "/v1/sessions", Some(body), StatusCode::CREATED).await;
    let fresh = playlist(&service, &newcomer, "video/big.m3u8").await;
    assert!(gaps(&service, &fresh).await.is_empty() && numbers(&fresh)[0] == lost_from + 6, "{fresh}");
}
