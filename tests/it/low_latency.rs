//! Followed closely: parts, reloads that wait, hints, delta updates; and what the tags' readers and others make of it.

use std::time::Duration;

use quadrille::track::Position;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::service::{SMALL_OUTPUT, TestService, config};

/// Real time that anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(30);

/// A service that stitches, and a session with two of its games on `engine`.
async fn start(dir: &std::path::Path, engine: &str) -> (TestService, Value) {
    let source = |tone: u32| format!("test://ball?size=320x180&fps=30&tone={tone}");
    let service = TestService::start(&config(dir, &[("a", source(300)), ("b", source(500))], SMALL_OUTPUT)).await;
    let body = json!({"games": ["a", "b"], "engine": engine});
    let session = service.device(Method::POST, "/v1/sessions", Some(body), StatusCode::CREATED).await;
    assert_eq!(session["engine"], engine);
    (service, session)
}

/// Path of one of the session's playlists, `name` with its query.
fn path(session: &Value, name: &str) -> String {
    let url = session["playback_url"].as_str().unwrap();
    let (name, query) = name.split_once('?').map_or((name, String::new()), |(name, query)| (name, format!("&{query}")));
    url[url.find("/v1/play").unwrap()..].replace("index.m3u8", &format!("{name}?low_latency=true{query}"))
}

/// What stands behind `name="` in a tag.
fn attribute<'a>(line: &'a str, name: &str) -> &'a str {
    line.split_once(&format!("{name}=\"")).unwrap().1.split_once('"').unwrap().0
}

fn parts(playlist: &str) -> Vec<&str> {
    playlist.lines().filter(|l| l.starts_with("#EXT-X-PART:")).map(|l| attribute(l, "URI")).collect()
}

/// Segment and part of an address.
fn position(address: &str) -> Position {
    let name = address.rsplit('/').next().unwrap().strip_suffix(".m4s").unwrap();
    let (segment, part) = name.split_once('.').unwrap();
    Position { segment: segment.parse().unwrap(), part: part.parse().unwrap() }
}

fn hint(playlist: &str) -> &str {
    attribute(playlist.lines().find(|l| l.starts_with("#EXT-X-PRELOAD-HINT")).unwrap(), "URI")
}

/// What the boxes of kind `mdat` hold, one after the other.
fn media(mut file: &[u8]) -> Vec<u8> {
    let mut media = Vec::new();
    while let Some((size, rest)) = file.split_first_chunk::<4>() {
        let (content, later) = rest.split_at(u32::from_be_bytes(*size) as usize - 4);
        if let Some(content) = content.strip_prefix(b"mdat") {
            media.extend_from_slice(content);
        }
        file = later;
    }
    media
}

/// Waits for an answer that comes while the clock is cranked, a frame at a time.
async fn cranked<T: Send + 'static>(service: &TestService, asked: impl Future<Output = T> + Send + 'static) -> T {
    let asked = tokio::spawn(asked);
    let cranking = async {
        while !asked.is_finished() {
            service.crank(1).await;
        }
    };
    tokio::time::timeout(PATIENCE, cranking).await.expect("an answer");
    asked.await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_are_the_segment_in_pieces_whoever_makes_it() {
    for engine in ["stitch", "render"] {
        let dir = tempfile::tempdir().unwrap();
        let (service, session) = start(dir.path(), engine).await;
        service.crank_segments(4).await;
        service.crank(14).await;
        for name in ["video/big.m3u8", "video/small.m3u8", "audio/b.m3u8"] {
            let text = service.text(&path(&session, name)).await;
            let listed = parts(&text);
            let last = text.lines().rfind(|l| l.ends_with(".m4s")).unwrap();
            let number: u64 = last.rsplit('/').next().unwrap().strip_suffix(".m4s").unwrap().parse().unwrap();
            let mut together = Vec::new();
            for part in listed.iter().filter(|part| position(part).segment == number) {
                together.extend(media(&service.bytes(part).await));
            }
            assert!(!together.is_empty() && together == media(&service.bytes(last).await), "{engine}, {name}");
            assert_eq!(listed.len(), 2 * 3 + listed.iter().filter(|p| position(p).segment > number).count(), "{text}");
            // Each is where the playlist says, and the newest of them is the one before the hint.
            let (newest, next) = (position(listed.last().unwrap()), position(hint(&text)));
            assert_eq!(newest.next(&service.grid), next, "{text}");
        }
        service.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_waits_for_its_part_and_a_hint_for_its_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let (service, session) = start(dir.path(), "stitch").await;
    service.crank_segments(4).await;
    let names = ["video/big.m3u8", "audio/a.m3u8"];
    for name in names {
        let text = service.text(&path(&session, name)).await;
        let next = position(hint(&text));
        let url = |text: &str| format!("{}{text}", service.base);
        let hinted = url(hint(&text));
        let bytes =
            cranked(
                &service,
                async move { reqwest::get(hinted).await.unwrap().error_for_status().unwrap().bytes().await },
            );
        assert!(bytes.await.unwrap().len() > 50);

        let next = next.next(&service.grid);
        let reload = url(&path(&session, &format!("{name}?_HLS_msn={}&_HLS_part={}", next.segment, next.part)));
        let text = cranked(&service, async move { reqwest::get(reload).await.unwrap().text().await.unwrap() }).await;
        assert!(parts(&text).iter().any(|part| position(part) == next), "{next:?}: {text}");

        // A whole segment, and what a client has already left out.
        let reload = format!("{name}?_HLS_msn={}&_HLS_skip=YES", next.segment);
        let reload = url(&path(&session, &reload));
        let text = cranked(&service, async move { reqwest::get(reload).await.unwrap().text().await.unwrap() }).await;
        assert!(text.contains(&format!("/{}.m4s\n", next.segment)), "{text}");
    }
    // Segments of a second, of which a playlist has thirty and six target durations are never left out.
    service.crank_segments(8).await;
    for name in names {
        let delta = service.text(&path(&session, &format!("{name}?_HLS_skip=v2"))).await;
        let skipped = delta.lines().find_map(|l| l.strip_prefix("#EXT-X-SKIP:SKIPPED-SEGMENTS=")).unwrap();
        let whole = service.text(&path(&session, name)).await;
        let count = |text: &str| text.matches("#EXTINF").count();
        assert_eq!(skipped.parse::<usize>().unwrap() + count(&delta), count(&whole), "{delta}");
        assert_eq!(count(&delta), 6);
    }
}

/// A player whose sound stands still stops the picture as well.
#[tokio::test(flavor = "multi_thread")]
async fn the_sound_of_a_game_that_is_gone_is_followed_part_by_part_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let (service, _) = start(dir.path(), "stitch").await;
    let game = json!({"id": "own", "title": "Own", "sources": ["test://ball?size=320x180&fps=30&tone=700"]});
    service.operator(Method::POST, "/v1/operator/games", Some(game), StatusCode::CREATED).await;
    let body = json!({"games": ["own", "a"]});
    let session = service.device(Method::POST, "/v1/sessions", Some(body), StatusCode::CREATED).await;
    service.crank_segments(5).await;
    service.operator(Method::DELETE, "/v1/operator/games/own", None, StatusCode::NO_CONTENT).await;
    for name in ["audio/own.m3u8", "sound/0.m3u8", "sound/main.m3u8"] {
        let text = service.text(&path(&session, name)).await;
        let next = position(hint(&text));
        // Across the end of a segment, too.
        for next in [next, next.next(&service.grid), next.next(&service.grid).next(&service.grid)] {
            let reload = path(&session, &format!("{name}?_HLS_msn={}&_HLS_part={}", next.segment, next.part));
            let reload = format!("{}{reload}", service.base);
            let text =
                cranked(&service, async move { reqwest::get(reload).await.unwrap().text().await.unwrap() }).await;
            let part = parts(&text).into_iter().find(|part| position(part) == next).map(str::to_owned);
            let part = part.unwrap_or_else(|| panic!("{name}, {next:?}: {text}"));
            assert!(!media(&service.bytes(&part).await).is_empty(), "{part}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_waited_for_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (service, session) = start(dir.path(), "stitch").await;
    service.crank_segments(3).await;
    let text = service.text(&path(&session, "video/big.m3u8")).await;
    let newest = position(hint(&text)).segment - 1;
    for (query, parameter, detail) in [
        (format!("_HLS_msn={}", newest + 3), "_HLS_msn", "more than two"),
        ("_HLS_part=1".to_owned(), "_HLS_part", "_HLS_msn"),
    ] {
        let answer = reqwest::get(format!("{}{}", service.base, path(&session, &format!("video/big.m3u8?{query}"))));
        let answer = answer.await.unwrap();
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{query}");
        let problem: Value = answer.json().await.unwrap();
        assert_eq!((&problem["code"], &problem["parameter"]), (&json!("reload_invalid"), &json!(parameter)));
        assert!(problem["detail"].as_str().unwrap().contains(detail), "{problem}");
    }
    // What is listed has been there long; what others ask for in the query is theirs.
    for query in
        [format!("_HLS_msn={newest}"), format!("_HLS_msn={}&_HLS_part=0", newest - 2), "_HLS_report=x&y=1".into()]
    {
        assert_eq!(service.text(&path(&session, &format!("video/big.m3u8?{query}"))).await, text, "{query}");
    }
}
