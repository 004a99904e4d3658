//! The operator part of the HTTP contract: games, sessions, usage, health, metrics, the description.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};

use crate::api_service::{Service, path_of};

#[tokio::test]
async fn a_file_that_is_too_large_is_refused() {
    let service = Service::start().await;
    let path = "/v1/operator/assets";
    let large = service.upload(path, "op-acme", "image/png", vec![7; 10_000_001]).await.refused(413, "body_too_large");
    assert_eq!(large["limit_bytes"], 10_000_000);
    service.upload(path, "op-acme", "image/png", vec![7; 10_000]).await.refused(422, "asset_invalid");
    service.upload(path, "op-acme", "text/plain", vec![7; 10]).await.refused(415, "media_type_unsupported");
    service.upload(path, "dev-acme", "image/png", vec![7; 10]).await.refused(403, "forbidden");
}

#[tokio::test]
async fn games_are_registered_changed_and_forgotten() {
    let service = Service::start().await;
    let game = json!({ "id": "nyk-bos", "title": "Knicks at Celtics", "sources": ["srt://10.0.0.1:9000", "test://ball"],
        "labels": { "league": "nba" }, "break_policy": "slate" });
    let made = service.post("/v1/operator/games", "op-acme", game.clone()).await.ok(201);
    assert_eq!(made.header("location"), "/v1/operator/games/nyk-bos");
    let mut expected = game.clone();
    expected["status"] = json!("slate");
    expected["origin"] = json!("operator");
    expected["active_sessions"] = json!(0);
    expected["thumbnail_url"] = Value::Null;
    expected["offset_ms"] = json!(0);
    expected["rights"] = Value::Null;
    expected["current_break"] = Value::Null;
    expected["health"] = made.json()["health"].clone();
    assert_eq!(made.json(), expected);
    assert_eq!(expected["health"]["status"], "slate");
    service.post("/v1/operator/games", "op-acme", game.clone()).await.refused(409, "game_exists");
    assert_eq!(service.get("/v1/operator/games/nyk-bos", "op-acme").await.ok(200).json(), expected);
    assert_eq!(service.get("/v1/operator/games", "op-acme").await.ok(200).json().as_array().unwrap().len(), 7);
    assert_eq!(service.get("/v1/games", "dev-acme").await.json().as_array().unwrap().len(), 7);
    service.session(&["nyk-bos", "a"]).await;
    service.session(&["a", "a"]).await;
    for (game, sessions) in [("nyk-bos", 1), ("a", 2), ("b", 0)] {
        let told = service.get(&format!("/v1/operator/games/{game}"), "op-acme").await.ok(200).json();
        assert_eq!(told["active_sessions"], sessions, "a session that shows a game twice counts once: {told}");
    }

    let told = service.get("/v1/operator/games/a", "op-acme").await.ok(200).json();
    assert_eq!(told["thumbnail_url"], "http://tv.example:8080/v1/media/thumb/thumb-a.jpg");

    let put = json!({ "title": "Game 7", "sources": ["udp://239.0.0.1:5000"] });
    let changed = service.tell("PUT", "/v1/operator/games/nyk-bos", "op-acme", &[], put.clone()).await.ok(200);
    assert_eq!((&changed.json()["title"], &changed.json()["labels"]), (&json!("Game 7"), &json!({})));
    assert_eq!(changed.json()["break_policy"], Value::Null, "what is not said is not kept");
    let new = service.tell("PUT", "/v1/operator/games/lal-gsw", "op-acme", &[], put.clone()).await.ok(201);
    assert_eq!(new.header("location"), "/v1/operator/games/lal-gsw");

    // Another tenant sees none of it.
    service.get("/v1/operator/games/nyk-bos", "op-other").await.refused(404, "game_unknown");
    service.ask("DELETE", "/v1/operator/games/nyk-bos", "op-other").await.refused(404, "game_unknown");
    service.post("/v1/sessions", "dev-other", json!({ "games": ["nyk-bos"] })).await.refused(404, "game_unknown");

    service.ask("DELETE", "/v1/operator/games/nyk-bos", "op-acme").await.ok(204);
    service.ask("DELETE", "/v1/operator/games/nyk-bos", "op-acme").await.refused(404, "game_unknown");
    // The configuration's games are not to be changed here.
    service
        .post("/v1/operator/games", "op-acme", json!({ "id": "a", "title": "A", "sources": ["test://ball"] }))
        .await
        .refused(409, "game_exists");
    service.tell("PUT", "/v1/operator/games/a", "op-acme", &[], put).await.refused(409, "game_read_only");
    service.ask("DELETE", "/v1/operator/games/a", "op-acme").await.refused(409, "game_read_only");
}

#[tokio::test]
async fn a_games_health_has_every_member_and_null_where_nothing_is_known() {
    let service = Service::start().await;
    let game = json!({ "id": "g", "title": "G", "sources": ["srt://10.0.0.1:9000"] });
    service.post("/v1/operator/games", "op-acme", game).await.ok(201);
    let one = service.get("/v1/operator/games/g", "op-acme").await.ok(200).json();
    let expected = json!({ "status": "slate", "reason": "connecting", "since": one["health"]["since"], "source_index": 0,
        "reconnects": 0, "last_error": null, "container": null, "video": null, "audio": null, "bitrate_bps": null,
        "av_offset_ms": null, "clock": null, "latency_ms": null, "delay_ms": 0, "decoder": null });
    assert_eq!(one["health"], expected);
    assert!(one["health"]["since"].as_str().unwrap().ends_with('Z'), "{one}");
    let all = service.get("/v1/operator/games", "op-acme").await.ok(200).json();
    assert!(all.as_array().unwrap().iter().all(|game| game["health"]["status"] == game["status"]), "{all}");
    let document = service.get("/openapi.json", "").await.ok(200).json();
    let described = &document["components"]["schemas"]["GameHealth"]["properties"];
    let members: BTreeSet<&String> = expected.as_object().unwrap().keys().collect();
    assert_eq!(described.as_object().unwrap().keys().collect::<BTreeSet<_>>(), members);
}

#[tokio::test]
async fn a_source_is_told_masked_and_sent_back_masked_it_stays_what_it_is() {
    let service = Service::start().await;
    let sources = json!([
        "srt://10.0.0.1:9000?streamid=#!::r=hunter2,m=request&latency=200&passphrase=hunter2hunter2",
        "https://bob:hunter2@o.example/a.m3u8?token=hunter2",
        "rtmp://o.example/live/hunter2"
    ]);
    let shown = json!([
        "srt://10.0.0.1:9000?streamid=…&latency=200&passphrase=…",
        "https://…@o.example/a.m3u8?token=…",
        "rtmp://o.example/live/…"
    ]);
    let mut game = json!({ "id": "g", "title": "G", "sources": sources });
    let made = service.post("/v1/operator/games", "op-acme", game.clone()).await.ok(201);
    assert_eq!(made.json()["sources"], shown, "for its owner too");
    for path in ["/v1/operator/games/g", "/v1/operator/games", "/v1/games"] {
        let told = service.get(path, "op-acme").await.ok(200);
        assert!(!told.text().contains("hunter2"), "{told:?}");
    }
    // Read, another title, sent back: the members that are only told may not be in it.
    game["title"] = json!("Game 7");
    game["sources"] = shown.clone();
    let path = "/v1/operator/games/g";
    assert_eq!(service.tell("PUT", path, "op-acme", &[], game.clone()).await.ok(200).json()["sources"], shown);
    assert_eq!(json!(service.sources("acme", "g")), sources, "no secret is lost");

    for (index, lost) in
        [(0, "srt://10.0.0.2:9000?passphrase=…"), (1, "https://…@o.example/b.m3u8"), (2, "rtmp://o.example/x/…")]
    {
        let mut moved = game.clone();
        moved["sources"][index] = json!(lost);
        let refused = service.tell("PUT", path, "op-acme", &[], moved.clone()).await.refused(422, "source_invalid");
        assert_eq!(refused["field"], format!("sources[{index}]"), "{refused}");
        assert!(refused["detail"].as_str().unwrap().contains("in full"), "{refused}");
        moved["id"] = json!("new");
        service.post("/v1/operator/games", "op-acme", moved).await.refused(422, "source_invalid");
    }
    assert_eq!(json!(service.sources("acme", "g")), sources);
}

#[tokio::test]
async fn no_refusal_repeats_a_secret() {
    let service = Service::start().await;
    let of = |sources: Value| json!({ "id": "g", "title": "G", "sources": sources });
    for body in [
        of(json!("srt://h:1?passphrase=hunter2hunter2")),
        of(json!(["srt://h:1?passphrase=hunter2"])),
        of(json!(["srt://u:hunter2@h:1?mode=push"])),
        of(json!(["gopher://u:hunter2@h/"])),
        of(json!(["http://u:hunter2@"])),
        of(json!(["srt://h:1?hunter2"])),
        json!({ "id": "https://u:hunter2@h/", "title": "G", "sources": ["test://ball"] }),
        json!({ "https://u:hunter2@h/": 1 }),
    ] {
        let refused = service.post("/v1/operator/games", "op-acme", body.clone()).await;
        assert_eq!(refused.status, 422, "{body}");
        assert!(!refused.text().contains("hunter2"), "{}", refused.text());
    }
}

#[tokio::test]
async fn a_game_that_cannot_be_is_refused_with_what_is_allowed() {
    let service = Service::start().await;
    let of = |change: Value| {
        let mut game = json!({ "id": "g", "title": "G", "sources": ["test://ball"] });
        game.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        game
    };
    for (change, code, field) in [
        (json!({ "sources": ["test://ball", "gopher://x"] }), "source_invalid", "sources[1]"),
        (json!({ "sources": ["no address"] }), "source_invalid", "sources[0]"),
        (json!({ "sources": ["test://nothing-like-it"] }), "source_invalid", "sources[0]"),
        (json!({ "sources": [] }), "field_invalid", "sources"),
        (json!({ "sources": vec!["test://ball"; 50] }), "field_invalid", "sources"),
        (json!({ "sources": [7] }), "field_invalid", "sources[0]"),
        (json!({ "id": "a/b" }), "field_invalid", "id"),
        (json!({ "id": "x".repeat(65) }), "field_invalid", "id"),
        (json!({ "title": "" }), "field_invalid", "title"),
        (json!({ "labels": { "a b": "" } }), "field_invalid", "labels"),
        (json!({ "break_policy": "advertise" }), "field_invalid", "break_policy"),
        (json!({ "source": "test://ball" }), "field_unknown", "source"),
    ] {
        let answer = service.post("/v1/operator/games", "op-acme", of(change)).await.refused(422, code);
        assert_eq!(answer["field"], field, "{answer}");
    }
    let schemes = service.post("/v1/operator/games", "op-acme", of(json!({ "sources": ["ftp://a/b"] }))).await;
    let allowed = schemes.refused(422, "source_invalid")["allowed"].clone();
    assert_eq!(allowed, json!(["file", "http", "https", "srt", "udp", "rtp", "rtmp", "test"]));
    // What would do is told of what is wrong: of a pattern the patterns, of a port nothing that could be listed.
    for (source, allowed) in [
        ("test://bal", json!(["ball", "smpte", "snow", "zone-plate", "pinwheel", "black"])),
        ("test://ball?colour=1", json!(["fps", "size", "tone", "label", "flash", "barcode", "captions"])),
        ("udp://10.0.0.1", Value::Null),
    ] {
        let refused = service.post("/v1/operator/games", "op-acme", of(json!({ "sources": [source] }))).await;
        assert_eq!(refused.refused(422, "source_invalid")["allowed"], allowed, "{source}");
    }
    let missing = json!({ "title": "G", "sources": ["test://ball"] });
    assert_eq!(
        service.post("/v1/operator/games", "op-acme", missing).await.refused(422, "field_invalid")["field"],
        "id"
    );
    let other = of(json!({}));
    service.tell("PUT", "/v1/operator/games/h", "op-acme", &[], other).await.refused(422, "field_invalid");
}

#[tokio::test]
async fn a_device_key_opens_no_operator_route() {
    let service = Service::start().await;
    for (method, path) in [
        ("GET", "/v1/operator/games"),
        ("POST", "/v1/operator/games"),
        ("GET", "/v1/operator/games/a"),
        ("PUT", "/v1/operator/games/a"),
        ("DELETE", "/v1/operator/games/a"),
        ("POST", "/v1/operator/sources/try"),
        ("GET", "/v1/operator/audit/chain"),
        ("GET", "/v1/operator/sessions"),
        ("GET", "/v1/operator/sessions/x"),
        ("DELETE", "/v1/operator/sessions/x"),
        ("GET", "/v1/operator/usage"),
        ("GET", "/v1/operator/usage/records"),
    ] {
        service.ask(method, path, "dev-acme").await.refused(403, "forbidden");
    }
}

#[tokio::test]
async fn operators_watch_and_end_their_sessions() {
    let service = Service::start().await;
    let mut made = BTreeSet::new();
    for game in ["a", "b", "c"] {
        made.insert(service.session(&[game]).await["id"].as_str().unwrap().to_owned());
    }
    service.post("/v1/sessions", "dev-other", json!({ "games": ["a"] })).await.ok(201);
    let first = service.get("/v1/operator/sessions?limit=2", "op-acme").await.ok(200).json();
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = service.get(&format!("/v1/operator/sessions?limit=2&cursor={cursor}"), "op-acme").await.ok(200).json();
    assert!(second["next_cursor"].is_null(), "{second}");
    let listed = first["sessions"].as_array().unwrap().iter().chain(second["sessions"].as_array().unwrap());
    let listed: BTreeSet<_> = listed.map(|s| s["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(listed, made);

    assert_eq!((&first["active_sessions"], &second["active_sessions"]), (&json!(3), &json!(3)), "whatever the page");
    let newest = &first["sessions"][0];
    assert_eq!(newest["last_seen_at"], newest["created_at"], "{newest}");
    assert_eq!(newest["labels"], json!({}), "{newest}");
    assert!(
        newest["device_id"].is_null() && newest["ended_at"].is_null() && newest["end_reason"].is_null(),
        "{newest}"
    );

    let one = made.first().unwrap();
    service.ask("DELETE", &format!("/v1/operator/sessions/{one}"), "op-other").await.refused(404, "session_unknown");
    service.ask("DELETE", &format!("/v1/operator/sessions/{one}"), "op-acme").await.ok(204);
    let ended = service.get("/v1/operator/sessions?state=ended", "op-acme").await.ok(200).json();
    assert_eq!(ended["sessions"][0]["id"].as_str(), Some(one.as_str()));
    assert_eq!((&ended["sessions"][0]["end_reason"], &ended["active_sessions"]), (&json!("operator"), &json!(2)));
    assert!(ended["sessions"][0]["ended_at"].is_string(), "{ended}");
    let active = service.get("/v1/operator/sessions?state=active", "op-acme").await.ok(200).json();
    assert_eq!(active["sessions"].as_array().unwrap().len(), 2);
    for (query, code) in [
        ("limit=0", "parameter_invalid"),
        ("limit=1001", "parameter_invalid"),
        ("limit=-1", "parameter_invalid"),
        ("limit=many", "parameter_invalid"),
        ("state=gone", "parameter_invalid"),
        ("cursor=%21%21", "cursor_invalid"),
    ] {
        service.get(&format!("/v1/operator/sessions?{query}"), "op-acme").await.refused(422, code);
    }
}

/// The devices that a search finds, newest first.
async fn found(service: &Service, query: &str) -> Vec<String> {
    let page = service.get(&format!("/v1/operator/sessions?{query}"), "op-acme").await.ok(200).json();
    let device = |session: &Value| session["device_id"].as_str().unwrap().to_owned();
    page["sessions"].as_array().unwrap().iter().map(device).collect()
}

#[tokio::test]
async fn sessions_are_looked_for_by_device_game_label_and_time_ended_ones_too() {
    let service = Service::start().await;
    let made = async |device: &str, games: &[&str], labels: Value| {
        let body = json!({ "games": games, "device_id": device, "labels": labels });
        let session = service.post("/v1/sessions", "dev-acme", body).await.ok(201).json();
        service.clock.advance(Duration::from_secs(10));
        session
    };
    let early = made("stb-1", &["a", "b"], json!({ "plan": "gold" })).await;
    let path = format!("/v1/operator/sessions/{}", early["id"].as_str().unwrap());
    service.ask("DELETE", &path, "op-acme").await.ok(204);
    service.clock.advance(Duration::from_secs(3600));
    let late = made("stb-21", &["b"], json!({ "plan": "silver", "late": "" })).await;
    made("TV 2", &["c"], json!({})).await;
    service.post("/v1/sessions", "dev-other", json!({ "games": ["a"], "device_id": "stb-1" })).await.ok(201);

    let ended = service.get(&path, "op-acme").await.ok(200).json()["ended_at"].as_str().unwrap().to_owned();
    let begun = late["created_at"].as_str().unwrap();
    for (query, expected) in [
        (String::new(), vec!["TV 2", "stb-21", "stb-1"]),
        ("device_id=stb-1".into(), vec!["stb-1"]),
        ("device_id=stb".into(), vec![]),
        ("q=STB".into(), vec!["stb-21", "stb-1"]),
        ("q=tv%202".into(), vec!["TV 2"]),
        (format!("q={}", &late["id"].as_str().unwrap()[6..]), vec!["stb-21"]),
        ("game=b".into(), vec!["stb-21", "stb-1"]),
        ("game=b&state=active".into(), vec!["stb-21"]),
        ("label=plan".into(), vec!["stb-21", "stb-1"]),
        ("label=plan%3Dgold".into(), vec!["stb-1"]),
        ("label=late%3D".into(), vec!["stb-21"]),
        ("label=plan%3D".into(), vec![]),
        (format!("to={begun}"), vec!["stb-1"]),
        (format!("from={ended}"), vec!["TV 2", "stb-21", "stb-1"]),
        (format!("from={begun}"), vec!["TV 2", "stb-21"]),
        (format!("from={begun}&to={begun}&game=c"), vec![]),
    ] {
        assert_eq!(found(&service, &query).await, expected, "{query}");
    }
    // Page by page it is the same.
    let first = service.get("/v1/operator/sessions?game=b&limit=1", "op-acme").await.ok(200).json();
    let next = format!("game=b&limit=1&cursor={}", first["next_cursor"].as_str().unwrap());
    assert_eq!(
        (&first["sessions"][0]["device_id"], found(&service, &next).await),
        (&json!("stb-21"), vec!["stb-1".into()])
    );
    for (query, code, parameter) in [
        ("q=", "parameter_invalid", json!("q")),
        ("game=", "parameter_invalid", json!("game")),
        ("device=stb-1", "parameter_invalid", json!("device")),
        ("from=yesterday", "time_invalid", json!("from")),
        ("to=tomorrow", "time_invalid", json!("to")),
    ] {
        let refused = service.get(&format!("/v1/operator/sessions?{query}"), "op-acme").await.refused(422, code);
        assert_eq!(refused["parameter"], parameter, "{query}: {refused}");
    }
}

#[tokio::test]
async fn a_session_tells_why_it_ended_and_what_was_billed_of_it() {
    let service = Service::start().await;
    let session = service.session(&["a"]).await;
    let path = format!("/v1/operator/sessions/{}", session["id"].as_str().unwrap());
    let video = path_of(&session["playback_url"]).replace("index.m3u8", "video/1080p.m3u8");
    for _ in 0..50 {
        service.get(&video, "").await.ok(200);
        service.clock.advance(Duration::from_secs(2));
    }
    service.ask("DELETE", &path, "op-acme").await.ok(204);
    service.sessions.sweep().await;
    // Another one's minutes are not its own.
    let other = service.session(&["a"]).await;
    service.get(&path_of(&other["playback_url"]).replace("index.m3u8", "video/1080p.m3u8"), "").await.ok(200);
    service.clock.advance(Duration::from_secs(2));
    service.sessions.sweep().await;

    let told = service.get(&path, "op-acme").await.ok(200).json();
    assert_eq!((&told["state"], &told["end_reason"]), (&json!("ended"), &json!("operator")), "{told}");
    let seconds = told["billable_seconds"].as_u64().unwrap();
    let report = service.get("/v1/operator/usage?from=2020-01-01", "op-acme").await.ok(200).json();
    let row = report["rows"].as_array().unwrap().iter().find(|row| row["session_id"] == session["id"]).unwrap();
    assert_eq!(
        (&told["billed"]["minutes"], &told["billed"]["billable_seconds"]),
        (&row["billed_minutes"], &json!(seconds))
    );
    assert_eq!(
        (seconds > 60, &told["billed"]["minutes"], &told["billed"]["state"]),
        (true, &json!(2), &json!("draft"))
    );
    service.get(&path, "op-other").await.refused(404, "session_unknown");
    service.get("/v1/operator/sessions/nobody", "op-acme").await.refused(404, "session_unknown");
}

#[tokio::test]
async fn a_source_that_cannot_be_tried_says_which_field_is_wrong() {
    let service = Service::start().await;
    let path = "/v1/operator/sources/try";
    let game = json!({ "id": "g", "title": "G", "sources": ["srt://u:hunter2hunter2@10.0.0.1:9000?passphrase=hunter2hunter2"] });
    service.post("/v1/operator/games", "op-acme", game).await;
    for source in ["gopher://old", "srt://10.0.0.1:9000?passphrase=…", ""] {
        let refused = service.post(path, "op-acme", json!({ "source": source })).await.refused(422, "source_invalid");
        assert_eq!(refused["field"], "source", "{refused}");
    }
    let of = |game: &str| json!({ "source": "test://ball", "game": game });
    service.post(path, "op-acme", of("nobody")).await.refused(404, "game_unknown");
    let busy = service.post(path, "op-acme", json!({ "source": "test://ball" })).await;
    assert_eq!(busy.header("retry-after"), "5");
    busy.refused(503, "capacity");
    // Those who may change games may try sources.
    let key = async |scope: &str| {
        let made = service.post("/v1/operator/keys", "op-acme", json!({ "role": "operator", "scopes": [scope] })).await;
        made.ok(201).json()["key"].as_str().unwrap().to_owned()
    };
    service.post(path, &key("games:write").await, of("nobody")).await.refused(404, "game_unknown");
    service.post(path, &key("games:read").await, of("nobody")).await.refused(403, "forbidden");
}

#[tokio::test]
async fn usage_is_reported_by_session_and_day_as_json_and_csv() {
    let service = Service::start().await;
    let session = service.session(&["a"]).await;
    let top_path = path_of(&session["playback_url"]);
    let video = top_path.replace("index.m3u8", "video/1080p.m3u8");
    for _ in 0..10 {
        service.get(&video, "").await.ok(200);
        service.clock.advance(Duration::from_secs(2));
        service.sessions.sweep().await;
    }
    service.ask("DELETE", &format!("/v1/sessions/{}", session["id"].as_str().unwrap()), "dev-acme").await.ok(204);
    service.sessions.sweep().await;
    let now = service.get(&format!("/v1/sessions/{}", session["id"].as_str().unwrap()), "dev-acme").await.json();
    let seconds = now["billable_seconds"].as_u64().unwrap();
    assert!(seconds >= 18, "{now}");

    let report = service.get("/v1/operator/usage?from=2020-01-01&group_by=session", "op-acme").await.ok(200).json();
    assert_eq!(report["total_billable_seconds"], seconds, "{report}");
    assert_eq!(report["rows"][0]["session_id"], session["id"]);
    let day = service.get("/v1/operator/usage?from=2020-01-01T00:00:00Z&group_by=day", "op-acme").await.ok(200).json();
    assert_eq!(day["total_billable_seconds"], seconds, "{day}");
    let csv = service.get("/v1/operator/usage?from=2020-01-01&format=csv", "op-acme").await.ok(200);
    assert!(csv.header("content-type").starts_with("text/csv"));
    assert!(csv.text().contains("\r\n") && csv.text().contains(session["id"].as_str().unwrap()), "{}", csv.text());
    let records = service.get("/v1/operator/usage/records?from=2020-01-01", "op-acme").await.ok(200).json();
    let sum: u64 = records["records"].as_array().unwrap().iter().map(|r| r["billable_seconds"].as_u64().unwrap()).sum();
    assert_eq!(sum, seconds, "{records}");
    let other = service.get("/v1/operator/usage?from=2020-01-01", "op-other").await.ok(200).json();
    assert_eq!((&other["total_billable_seconds"], &other["rows"]), (&json!(0), &json!([])));

    for group_by in ["hour", "minute", "game", "layout", "tier", "rendition", "label:box"] {
        let path = format!("/v1/operator/usage?from=2020-01-01&group_by={group_by}");
        let report = service.get(&path, "op-acme").await.ok(200).json();
        assert_eq!(
            (&report["total_billable_seconds"], &report["state"]),
            (&json!(seconds), &json!("draft")),
            "{report}"
        );
        assert_eq!(report["rows"][0]["billed_minutes"], 1, "{report}");
    }
    let focus = service.get("/v1/operator/usage?from=2020-01-01&format=focus", "op-acme").await.ok(200);
    assert!(focus.header("content-disposition").contains("usage.csv"));
    assert!(focus.text().starts_with("BilledCost,BillingAccountId,"), "{}", focus.text());
    let of_session =
        format!("/v1/operator/usage/records?from=2020-01-01&session_id={}", session["id"].as_str().unwrap());
    assert_eq!(service.get(&of_session, "op-acme").await.ok(200).json()["records"], records["records"]);
    let of_nobody = service.get("/v1/operator/usage/records?from=2020-01-01&session_id=x", "op-acme").await.ok(200);
    assert_eq!(of_nobody.json()["records"], json!([]));

    for (query, code) in [
        ("group_by=colour", "parameter_invalid"),
        ("group_by=label:", "parameter_invalid"),
        ("format=xml", "parameter_invalid"),
        ("from=yesterday", "time_invalid"),
        ("to=tomorrow&from=2026-01-02", "time_invalid"),
        ("from=2026-01-02&to=2026-01-01", "period_invalid"),
    ] {
        let answer = service.get(&format!("/v1/operator/usage?{query}"), "op-acme").await.refused(422, code);
        assert!(code != "parameter_invalid" || answer["allowed"].is_array(), "{answer}");
        let wrong = if query.starts_with("from=2026") { "to" } else { query.split('=').next().unwrap() };
        assert_eq!(answer["parameter"], wrong, "{answer}");
    }
    // A parameter that is none would be a report of another period than was meant.
    for path in ["/v1/operator/usage?month=2026-11", "/v1/operator/usage/records?month=2026-11"] {
        let answer = service.get(path, "op-acme").await.refused(422, "parameter_invalid");
        assert!(answer["detail"].as_str().is_some_and(|d| d.contains("month") && d.contains("from")), "{answer}");
    }
    service.get("/v1/operator/usage/records?cursor=%21", "op-acme").await.refused(422, "cursor_invalid");
}

#[tokio::test]
async fn a_quote_is_priced_by_the_tenants_tariff_and_mistakes_are_named() {
    let service = Service::start().await;
    let quote = async |key: &str, body: Value| service.post("/v1/operator/usage/quote", key, body).await;
    let item = json!({ "sessions": 1000, "seconds_per_session": 5400, "tier": "1080p" });
    let quoted = quote("op-acme", json!({ "items": [item] })).await.ok(200).json();
    assert_eq!(
        (&quoted["currency"], &quoted["cost"], &quoted["billed_minutes"]),
        (&json!("EUR"), &json!("359.6"), &json!(90_000))
    );
    assert_eq!(quoted["lines"][0]["free_minutes"], 100);
    for (body, code) in [
        (json!({}), "field_invalid"),
        (json!({ "items": [] }), "quote_invalid"),
        (json!({ "items": [{ "sessions": 0, "seconds_per_session": 1, "tier": "1080p" }] }), "quote_invalid"),
        (json!({ "items": [item], "at": "soon" }), "time_invalid"),
        (json!({ "items": [item], "currency": "EUR" }), "field_unknown"),
        (json!({ "items": [item], "month_to_date": "maybe" }), "field_invalid"),
    ] {
        quote("op-acme", body).await.refused(422, code);
    }
    let with = |field: &str, value: Value| {
        let mut wrong = item.clone();
        wrong[field] = value;
        json!({ "items": [item, wrong] })
    };
    for (field, value, allowed) in [
        ("tier", json!("4k"), json!(["1080p", "540p"])),
        ("engine", json!("magic"), json!(["stitch", "render"])),
        ("games", json!(5), Value::Null),
        ("sessions", json!(0), Value::Null),
        ("seconds_per_session", json!(0), Value::Null),
    ] {
        let refused = quote("op-acme", with(field, value)).await.refused(422, "quote_invalid");
        assert_eq!(refused["field"], format!("items[1].{field}"), "{refused}");
        assert_eq!(refused["allowed"], allowed, "{refused}");
        assert!(!refused["detail"].as_str().unwrap().starts_with("Items"), "{refused}");
    }
    let soon = quote("op-acme", json!({ "items": [item], "at": "soon" })).await.refused(422, "time_invalid");
    assert_eq!(soon["field"], "at", "{soon}");
    quote("op-other", json!({ "items": [item] })).await.refused(422, "tariff_missing");
    quote("dev-acme", json!({ "items": [item] })).await.refused(403, "forbidden");
}

#[tokio::test]
async fn health_readiness_and_metrics_need_no_key() {
    let service = Service::start().await;
    service.get("/healthz", "").await.ok(200);
    let ready = service.get("/readyz", "").await.ok(200).json();
    assert_eq!(ready, json!({ "status": "ready", "checks": { "store": "ok" } }));
    service.ready.store(false, Ordering::Relaxed);
    let not = service.get("/readyz", "").await.refused(503, "not_ready");
    assert_eq!(not["checks"]["store"], "the disk is full");
    service.get("/healthz", "").await.ok(200);

    let session = service.session(&["a"]).await;
    let metrics = service.get("/metrics", "").await.ok(200);
    assert!(metrics.header("content-type").starts_with("text/plain; version=0.0.4"));
    let text = metrics.text();
    for line in [
        "quadrille_sessions 1",
        "quadrille_mosaics{engine=\"render\"} ",
        "quadrille_encoders{kind=\"audio\"} ",
        "quadrille_feeds{status=\"live\"} ",
        "quadrille_frames_total{outcome=\"late\"} ",
        "quadrille_late_segments_total ",
        "quadrille_bytes_served_total ",
        "quadrille_admission_refused_total{reason=\"capacity\"} ",
    ] {
        assert!(text.lines().any(|l| l.starts_with(line)), "{line} in\n{text}");
    }
    assert!(!text.contains(session["id"].as_str().unwrap()));
}

#[tokio::test]
async fn what_no_route_answers_is_a_problem_too() {
    let service = Service::start().await;
    service.get("/nothing", "").await.refused(404, "not_found");
    service.ask("POST", "/v2/sessions", "").await.refused(404, "not_found");
    for (method, path, allowed) in
        [("POST", "/v1/games", "GET"), ("PUT", "/v1/sessions", "POST"), ("POST", "/metrics", "GET")]
    {
        let answer = service.ask(method, path, "op-acme").await;
        assert!(answer.header("allow").contains(allowed), "{answer:?}");
        answer.refused(405, "method_not_allowed");
    }
}

/// Every `$ref` in `value`.
fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(Value::as_str));
            members.values().for_each(|v| references(v, found));
        }
        Value::Array(items) => items.iter().for_each(|v| references(v, found)),
        _ => {}
    }
}

#[tokio::test]
async fn the_description_is_whole() {
    let service = Service::start().await;
    let document = service.get("/openapi.json", "").await.ok(200).json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"), "{}", document["openapi"]);
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 20);
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
    let codes: BTreeSet<&str> = quadrille::api::Code::ALL.iter().map(|c| c.name()).collect();
    let listed = document["components"]["schemas"]["Code"]["enum"].as_array().unwrap();
    assert_eq!(listed.iter().map(|c| c.as_str().unwrap()).collect::<BTreeSet<_>>(), codes);
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            assert!(operation["summary"].is_string(), "{method} {path} is not described");
            // Every parameter of the path is described, and every code that a refusal is said to have is one of ours.
            for name in path.split('{').skip(1).filter_map(|p| p.split('}').next()) {
                let parameters = operation["parameters"].as_array().unwrap();
                assert!(parameters.iter().any(|p| p["name"] == name && p["in"] == "path"), "{method} {path} {name}");
            }
            for (status, response) in operation["responses"].as_object().unwrap() {
                if status.starts_with(['4', '5']) {
                    let description = response["description"].as_str().unwrap();
                    let code = description.split('`').nth(1).unwrap();
                    assert!(codes.contains(code), "{method} {path} {status} {description}");
                }
            }
        }
    }
}
