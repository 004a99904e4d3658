//! Playback over HTTP: playlists, segments, ranges, caching, other origins.

use axum::body::Body;
use serde_json::json;

use crate::api_service::{Answer, Service, path_of, with_key};

async fn fetch(service: &Service, path: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = with_key("GET", path, "");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    service.send(request.body(Body::empty()).unwrap()).await
}

/// The URIs of a playlist: its lines that are no tags.
fn uris(playlist: &str) -> Vec<String> {
    playlist.lines().filter(|l| !l.starts_with('#') && !l.is_empty()).map(str::to_owned).collect()
}

/// What `URI="…"` holds in the first line that begins with `tag`.
fn attribute_uri(playlist: &str, tag: &str) -> String {
    let line = playlist.lines().find(|l| l.starts_with(tag)).unwrap_or_else(|| panic!("no {tag} in {playlist}"));
    line.split("URI=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
}

fn resolve(base: &str, uri: &str) -> String {
    let base = url::Url::parse(&format!("http://tv.example:8080{base}")).unwrap();
    path_of(&json!(base.join(uri).unwrap().as_str()))
}

#[tokio::test]
async fn a_player_finds_its_way_from_the_playback_url_to_every_byte() {
    let service = Service::start().await;
    let session = service.session(&["a", "b"]).await;
    let top_path = path_of(&session["playback_url"]);
    let top = service.get(&top_path, "").await.ok(200);
    assert_eq!(top.header("content-type"), "application/vnd.apple.mpegurl");
    assert_eq!(top.header("cache-control"), "private, no-cache");
    assert_eq!(top.header("access-control-allow-origin"), "*");
    assert!(top.text().starts_with("#EXTM3U\n"), "{}", top.text());

    let variants = uris(top.text());
    assert_eq!(variants.len(), 2);
    // 1 Mb/s of picture, and the sound at the rate it is encoded at.
    assert!(top.text().contains("AVERAGE-BANDWIDTH=1320000,"), "{}", top.text());
    let video_path = resolve(&top_path, &variants[0]);
    let video = service.get(&video_path, "").await.ok(200);
    let map = service.get(&resolve(&video_path, &attribute_uri(video.text(), "#EXT-X-MAP")), "").await.ok(200);
    assert_eq!((map.header("content-type"), map.text()), ("video/mp4", "init 1080p"));
    let segment_path = resolve(&video_path, uris(video.text()).last().unwrap());
    let segment = service.get(&segment_path, "").await.ok(200);
    assert_eq!(segment.header("content-type"), "video/mp4");
    assert!(segment.header("cache-control").contains("immutable"));
    assert_eq!(segment.header("accept-ranges"), "bytes");

    let audio_path = resolve(&top_path, &attribute_uri(top.text(), "#EXT-X-MEDIA:TYPE=AUDIO"));
    let audio = service.get(&audio_path, "").await.ok(200);
    let map = service.get(&resolve(&audio_path, &attribute_uri(audio.text(), "#EXT-X-MAP")), "").await.ok(200);
    assert_eq!((map.header("content-type"), map.text()), ("audio/mp4", "sound init"));
    let sound = service.get(&resolve(&audio_path, uris(audio.text()).last().unwrap()), "").await.ok(200);
    assert!(sound.text().starts_with("sound "));

    service.ask("DELETE", &format!("/v1/sessions/{}", session["id"].as_str().unwrap()), "dev-acme").await.ok(204);
    assert!(service.get(&video_path, "").await.ok(200).text().contains("#EXT-X-ENDLIST"));
}

#[tokio::test]
async fn ranges_head_and_the_byte_counter() {
    let service = Service::start().await;
    let session = service.session(&["a"]).await;
    let top_path = path_of(&session["playback_url"]);
    let top = service.get(&top_path, "").await;
    let video_path = resolve(&top_path, &uris(top.text())[0]);
    let video = service.get(&video_path, "").await;
    let path = resolve(&video_path, uris(video.text()).last().unwrap());
    let before = service.metrics.bytes_served.get();
    let whole = service.get(&path, "").await.ok(200);
    let length = whole.body.len();
    assert_eq!(whole.header("content-length"), length.to_string());
    assert_eq!(service.metrics.bytes_served.get() - before, length as u64);

    let part = fetch(&service, &path, &[("range", "bytes=4-9")]).await.ok(206);
    assert_eq!(part.body, whole.body.slice(4..10));
    assert_eq!(part.header("content-range"), format!("bytes 4-9/{length}"));
    assert_eq!(service.metrics.bytes_served.get() - before, length as u64 + 6);
    let tail = fetch(&service, &path, &[("range", "bytes=-3")]).await.ok(206);
    assert_eq!(tail.body, whole.body.slice(length - 3..));
    let beyond = fetch(&service, &path, &[("range", "bytes=100000-")]).await;
    assert_eq!(beyond.header("content-range"), format!("bytes */{length}"));
    beyond.refused(416, "range_unsatisfiable");
    for ignored in ["bytes=0-1,3-4", "lines=1-2", "bytes=9-4"] {
        assert_eq!(fetch(&service, &path, &[("range", ignored)]).await.ok(200).body, whole.body);
    }

    let counted = service.metrics.bytes_served.get();
    for path in [&path, &video_path, &top_path] {
        let head = service.ask("HEAD", path, "").await.ok(200);
        assert!(head.body.is_empty() && head.header("content-length").parse::<usize>().unwrap() > 0, "{head:?}");
    }
    assert_eq!(service.metrics.bytes_served.get(), counted);
}

#[tokio::test]
async fn who_has_it_already_is_told_so_and_what_is_text_comes_compressed() {
    let service = Service::start().await;
    let session = service.session(&["a"]).await;
    let top_path = path_of(&session["playback_url"]);
    let top = service.get(&top_path, "").await.ok(200);
    let video_path = resolve(&top_path, &uris(top.text())[0]);
    let video = service.get(&video_path, "").await.ok(200);
    let map_path = resolve(&video_path, &attribute_uri(video.text(), "#EXT-X-MAP"));
    let path = resolve(&video_path, uris(video.text()).last().unwrap());
    for path in [&top_path, &video_path, &map_path, &path] {
        let whole = service.get(path, "").await.ok(200);
        let tag = whole.header("etag");
        assert_eq!(tag.starts_with("W/"), path.ends_with(".m3u8"), "a playlist may come compressed: {path}");
        let again = fetch(&service, path, &[("if-none-match", tag)]).await.ok(304);
        assert!(again.body.is_empty() && again.header("etag") == tag, "{again:?}");
        assert_eq!(again.header("cache-control"), whole.header("cache-control"));
        assert_eq!(fetch(&service, path, &[("if-none-match", "\"another\"")]).await.ok(200).body, whole.body);
    }
    let tag = service.get(&path, "").await.header("etag").to_owned();
    for (if_range, status) in [(tag.as_str(), 206), ("\"another\"", 200)] {
        fetch(&service, &path, &[("range", "bytes=0-3"), ("if-range", if_range)]).await.ok(status);
    }
    // Long texts alone.
    let gzip = [("accept-encoding", "gzip")];
    let layouts = fetch(&service, "/openapi.json", &gzip).await.ok(200);
    assert_eq!((layouts.header("content-encoding"), layouts.header("vary")), ("gzip", "accept-encoding"));
    assert_eq!(layouts.body[..2], [0x1f, 0x8b]);
    let media = fetch(&service, &path, &gzip).await.ok(200);
    assert!(media.header("content-encoding").is_empty() && media.header("vary").is_empty(), "{media:?}");
    for choosy in ["identity;q=0", "*;q=0", "deflate, identity; q=0"] {
        for path in [&path, &video_path] {
            let answer = fetch(&service, path, &[("accept-encoding", choosy)]).await.ok(200);
            assert!(answer.header("content-encoding").is_empty() && !answer.body.is_empty(), "{choosy}");
        }
    }
}

#[tokio::test]
async fn what_is_not_there_is_refused_and_never_cached() {
    let service = Service::start().await;
    let session = service.session(&["a"]).await;
    let top_path = path_of(&session["playback_url"]);
    let root = top_path.strip_suffix("/index.m3u8").unwrap();
    let video = service.get(&format!("{root}/video/1080p.m3u8"), "").await.ok(200);
    let segment = resolve(&top_path, uris(video.text()).last().unwrap());
    let [mosaic, rung] = [3, 4].map(|at| segment.split('/').nth(at).unwrap().to_owned());
    let best = rung.replace("1080p", "4k");
    let guess = "0a".repeat(16);
    for (path, code) in [
        ("/v1/play/guess/index.m3u8".to_owned(), "session_unknown"),
        ("/v1/play/guess/video/1080p.m3u8".to_owned(), "session_unknown"),
        (format!("{root}/video/4k.m3u8"), "rendition_unknown"),
        (format!("{root}/audio/nope.m3u8"), "game_unknown"),
        (format!("{root}/video/1080p"), "not_found"),
        (format!("/v1/media/{mosaic}/{best}/init.mp4"), "not_found"),
        (format!("/v1/media/{mosaic}/1080p/7.m4s"), "not_found"),
        (format!("/v1/media/{mosaic}/{rung}/7.m4s"), "not_found"),
        (segment.replace(".m4s", ".77.m4s"), "segment_unknown"),
        (format!("/v1/media/{mosaic}/{rung}/007.m4s"), "not_found"),
        (format!("/v1/media/{mosaic}/{rung}/7.mp4"), "not_found"),
        (format!("/v1/media/{guess}/{rung}/init.mp4"), "not_found"),
        (format!("/v1/media/{guess}/{rung}/7.m4s"), "not_found"),
        (format!("/v1/media/NOPE/{rung}/init.mp4"), "not_found"),
        ("/v1/media/audio/guess/init.mp4".to_owned(), "not_found"),
        ("/v1/media/audio/a/7.m4s".to_owned(), "not_found"),
        ("/v1/play/%FF%FE/index.m3u8".to_owned(), "not_found"),
        ("/v1/nothing".to_owned(), "not_found"),
        ("/v1/media/../../etc/passwd".to_owned(), "not_found"),
    ] {
        let answer = service.get(&path, "").await;
        assert_eq!(answer.header("cache-control"), "no-store", "{path}");
        answer.refused(404, code);
    }
}

#[tokio::test]
async fn pages_of_other_origins_may_play_and_use_the_api_where_they_are_named() {
    for (origins, origin, allowed) in [
        ("[\"*\"]", "https://player.example", "*"),
        ("[\"https://tv.example\", \"https://player.example\"]", "https://player.example", "https://player.example"),
        ("[\"null\"]", "null", "null"),
        ("[\"https://tv.example\"]", "https://player.example", ""),
        ("[]", "https://player.example", ""),
    ] {
        let service = Service::start_said(&format!("cors_origins = {origins}")).await;
        let asked = |method: &str, path: &str, key: &str| {
            with_key(method, path, key).header("origin", origin).body(Body::empty()).unwrap()
        };
        let api = service.send(asked("GET", "/v1/games", "dev-acme")).await.ok(200);
        assert_eq!(api.header("access-control-allow-origin"), allowed, "{origins}");
        let varies = |answer: &Answer| answer.headers.get_all("vary").iter().any(|by| by == "origin");
        assert!(varies(&api) || ["", "*"].contains(&allowed), "{origins}: {api:?}");
        let session = service.session(&["a"]).await;
        for path in [path_of(&session["playback_url"]), "/v1/media/thumb/nope.jpg".into(), "/openapi.json".into()] {
            let played = service.send(asked("GET", &path, "")).await;
            assert_eq!(played.header("access-control-allow-origin"), "*", "{origins} {path}");
            assert!(!varies(&played), "one copy for all: {played:?}");
        }
    }
}

#[tokio::test]
async fn browsers_are_told_beforehand_what_a_named_page_may_ask() {
    let service = Service::start_said("cors_origins = [\"*\"]").await;
    let preflight = with_key("OPTIONS", "/v1/sessions", "")
        .header("origin", "https://player.example")
        .header("access-control-request-method", "PATCH")
        .header("access-control-request-headers", "authorization,if-match,content-type,idempotency-key");
    let answer = service.send(preflight.body(Body::empty()).unwrap()).await.ok(200);
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert!(answer.header("access-control-allow-methods").contains("PATCH"));
    assert!(answer.header("access-control-allow-headers").contains("idempotency-key"));
    let read = with_key("GET", "/v1/games", "dev-acme").header("origin", "https://player.example");
    let answer = service.send(read.body(Body::empty()).unwrap()).await.ok(200);
    assert!(answer.header("access-control-expose-headers").contains("etag"));
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
}
