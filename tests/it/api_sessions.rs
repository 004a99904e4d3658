//! The device part of the HTTP contract: sessions, their refusals, entity tags, idempotency, the URL-only client.

use axum::body::Body;
use axum::http::header;
use serde_json::{Value, json};

use crate::api_service::{Service, path_of, with_key};

#[tokio::test]
async fn a_session_is_made_shown_changed_and_ended() {
    let service = Service::start().await;
    let made = service.post("/v1/sessions", "dev-acme", json!({ "games": ["a", "b", "c", "d"] })).await.ok(201);
    let session = made.json();
    let path = format!("/v1/sessions/{}", session["id"].as_str().unwrap());
    assert_eq!(made.header("location"), path);
    let tag = made.header("etag").to_owned();
    assert_eq!(tag, format!("\"{}\"", session["revision"]));
    assert_eq!(
        (&session["state"], &session["layout"], &session["engine"], &session["audio"]),
        (&json!("active"), &json!("4E"), &json!("render"), &json!("a"))
    );
    let last = json!({ "slot": 3, "game": "d", "x": 960, "y": 540, "width": 960, "height": 540, "skew_ms": null, "restricted": null });
    assert_eq!(session["slots"][3], last);
    assert_eq!(session["billable_seconds"], 0);
    assert!(session["created_at"].as_str().unwrap().ends_with('Z'));
    assert!(path_of(&session["playback_url"]).starts_with("/v1/play/"));
    let mut members: Vec<_> = session.as_object().unwrap().keys().map(String::as_str).collect();
    members.sort_unstable();
    let expected = "audio billable_seconds created_at device_class effective_at effective_segment end_reason engine features games id layout market \
         max_height playback_url region revision skew_ms skin slots start_over_s state";
    assert_eq!(members, expected.split(' ').collect::<Vec<_>>());

    let shown = service.get(&path, "dev-acme").await.ok(200);
    assert_eq!((shown.header("etag"), shown.json()), (tag.as_str(), session.clone()));

    let swap = json!({ "games": ["a", "b", "e", "d"] });
    let changed = service.tell("PATCH", &path, "dev-acme", &[("if-match", &tag)], swap.clone()).await.ok(200);
    assert_ne!(changed.header("etag"), tag);
    let now = changed.json();
    assert_eq!((&now["games"], &now["playback_url"]), (&swap["games"], &session["playback_url"]));
    assert!(now["effective_segment"].as_u64() >= session["effective_segment"].as_u64());

    let stale = service.tell("PATCH", &path, "dev-acme", &[("if-match", &tag)], swap.clone()).await;
    assert_eq!(stale.header("etag"), changed.header("etag"));
    assert_eq!(stale.refused(412, "revision_stale")["revision"], now["revision"]);
    service
        .tell("PATCH", &path, "dev-acme", &[("if-match", "\"no such\"")], swap.clone())
        .await
        .refused(412, "revision_stale");
    service
        .tell("PATCH", &path, "dev-acme", &[("if-match", "7")], swap.clone())
        .await
        .refused(422, "parameter_invalid");
    let weak = format!("W/{}", changed.header("etag"));
    service.tell("PATCH", &path, "dev-acme", &[("if-match", &weak)], swap.clone()).await.refused(412, "revision_stale");
    let list = format!("\"x,y\", {}, \"9999\"", changed.header("etag"));
    service.tell("PATCH", &path, "dev-acme", &[("if-match", &list)], swap.clone()).await.ok(200);
    service.tell("PATCH", &path, "dev-acme", &[("if-match", "*")], swap.clone()).await.ok(200);
    service.tell("PATCH", &path, "dev-acme", &[], json!({ "audio": "d" })).await.ok(200);

    service.ask("DELETE", &path, "dev-acme").await.ok(204);
    service.ask("DELETE", &path, "dev-acme").await.ok(204);
    assert_eq!(service.get(&path, "dev-acme").await.ok(200).json()["state"], "ended");
    service.tell("PATCH", &path, "dev-acme", &[], swap).await.refused(409, "session_ended");
}

#[tokio::test]
async fn every_refusal_of_a_session_has_its_code_for_post_and_patch_alike() {
    let service = Service::start().await;
    let session = service.session(&["a", "b"]).await;
    let path = format!("/v1/sessions/{}", session["id"].as_str().unwrap());
    let wishes: [(Value, u16, &str); 9] = [
        (json!({ "games": [] }), 422, "games_count"),
        (json!({ "games": ["a", "b", "c", "d", "e"] }), 422, "games_count"),
        (json!({ "games": ["a", "nope"] }), 404, "game_unknown"),
        (json!({ "games": ["a", "b"], "layout": "9X" }), 404, "layout_unknown"),
        (json!({ "games": ["a", "b"], "layout": "4E" }), 422, "layout_mismatch"),
        (json!({ "games": ["a", "b"], "layout": "1" }), 422, "layout_mismatch"),
        (json!({ "games": ["a", "b"], "audio": "nope" }), 422, "audio_unknown"),
        (json!({ "games": "a" }), 422, "field_invalid"),
        (json!({ "games": ["a"], "colour": "red" }), 422, "field_unknown"),
    ];
    for (wish, status, code) in wishes {
        service.post("/v1/sessions", "dev-acme", wish.clone()).await.refused(status, code);
        service.tell("PATCH", &path, "dev-acme", &[], wish).await.refused(status, code);
    }
    let stitch = json!({ "games": ["a"], "engine": "stitch" });
    let refused = service.post("/v1/sessions", "dev-acme", stitch).await.refused(422, "engine_unsuited");
    assert_eq!((&refused["field"], &refused["allowed"]), (&json!("engine"), &json!(["auto", "render"])));
    let engine = service.post("/v1/sessions", "dev-acme", json!({ "games": ["a"], "engine": "magic" })).await;
    assert_eq!(engine.refused(422, "field_invalid")["field"], "engine");
    let unknown = service.post("/v1/sessions", "dev-acme", json!({ "games": ["a"], "colour": 1 })).await;
    let unknown = unknown.refused(422, "field_unknown");
    assert_eq!(unknown["field"], "colour");
    assert!(unknown["allowed"].as_array().unwrap().contains(&json!("layout")));
    // A refused change leaves the session as it was.
    assert_eq!(service.get(&path, "dev-acme").await.json(), session);

    service.mosaics.full.store(true, std::sync::atomic::Ordering::Relaxed);
    let full = service.post("/v1/sessions", "dev-acme", json!({ "games": ["f"] })).await;
    assert_eq!(full.header("retry-after"), "7");
    full.refused(503, "capacity");
    service.tell("PATCH", &path, "dev-acme", &[], json!({ "games": ["f", "a"] })).await.refused(503, "capacity");
    assert_eq!(service.get(&path, "dev-acme").await.json(), session);
}

#[tokio::test]
async fn a_game_may_come_twice() {
    let service = Service::start().await;
    assert_eq!(service.session(&["a", "a"]).await["games"], json!(["a", "a"]));
}

#[tokio::test]
async fn bodies_are_bounded_and_must_be_json() {
    let service = Service::start().await;
    let send = |content_type: &'static str, body: String| {
        let request = with_key("POST", "/v1/sessions", "dev-acme").header(header::CONTENT_TYPE, content_type);
        service.send(request.body(Body::from(body)).unwrap())
    };
    let padded = |bytes: usize| {
        let body = json!({ "games": ["a"] }).to_string();
        format!("{body}{}", " ".repeat(bytes - body.len()))
    };
    let large = send("application/json", padded(64 * 1024 + 1)).await;
    assert_eq!(large.refused(413, "body_too_large")["limit_bytes"], 65_536);
    send("application/json", padded(64 * 1024)).await.ok(201);
    send("application/json; charset=utf-8", padded(100)).await.ok(201);
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "json", ""] {
        send(kind, padded(100)).await.refused(415, "media_type_unsupported");
    }
    for body in ["", "{", "{\"games\":[\"a\"]", "not json", "{\"games\":[\"a\"]}{}", "{'games':['a']}", "\u{0}"] {
        let answer = send("application/json", body.into()).await.refused(400, "body_invalid");
        assert!(answer["line"].is_u64() && answer["column"].is_u64(), "{answer}");
    }
    send("application/json", "[".repeat(60_000)).await.refused(400, "body_invalid");
    send("application/json", "[]".into()).await.refused(422, "field_invalid");
    // Streamed without a length.
    let chunks = streamed(vec![" ".repeat(40_000), " ".repeat(40_000)]);
    let request = with_key("POST", "/v1/sessions", "dev-acme").header(header::CONTENT_TYPE, "application/json");
    service.send(request.body(chunks).unwrap()).await.refused(413, "body_too_large");
}

/// A body of several frames whose length is not said.
fn streamed(chunks: Vec<String>) -> Body {
    struct Frames(std::vec::IntoIter<String>);
    impl http_body::Body for Frames {
        type Data = bytes::Bytes;
        type Error = std::convert::Infallible;
        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<http_body::Frame<bytes::Bytes>, Self::Error>>> {
            std::task::Poll::Ready(self.0.next().map(|c| Ok(http_body::Frame::data(c.into()))))
        }
    }
    Body::new(Frames(chunks.into_iter()))
}

#[tokio::test]
async fn texts_are_bounded() {
    let service = Service::start().await;
    let labels: serde_json::Map<_, _> = (0..21).map(|n| (format!("l{n}"), json!("v"))).collect();
    for (extra, field) in [
        (json!({ "labels": labels }), "labels"),
        (json!({ "labels": { "k": "v".repeat(257) } }), "labels.k"),
        (json!({ "labels": { "k": 7 } }), "labels.k"),
        (json!({ "device_id": "x".repeat(201) }), "device_id"),
        (json!({ "device_id": "a\nb" }), "device_id"),
        (json!({ "max_height": 100 }), "max_height"),
        (json!({ "max_height": -720 }), "max_height"),
        (json!({ "max_height": 16_385 }), "max_height"),
    ] {
        let mut body = json!({ "games": ["a"] });
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let refusal = service.post("/v1/sessions", "dev-acme", body).await.refused(422, "field_invalid");
        assert_eq!(refusal["field"], field, "{refusal}");
    }
    let fine = json!({ "games": ["a"], "device_id": "stb-7", "labels": { "region": "north" }, "layout": null });
    service.post("/v1/sessions", "dev-acme", fine).await.ok(201);
}

#[tokio::test]
async fn the_same_idempotency_key_makes_one_session() {
    let service = Service::start().await;
    let body = json!({ "games": ["a", "b"], "labels": { "x": "1", "y": "2" } });
    let key = [("idempotency-key", "k-1")];
    let first = service.tell("POST", "/v1/sessions", "dev-acme", &key, body.clone()).await.ok(201);
    let again = service.tell("POST", "/v1/sessions", "dev-acme", &key, body.clone()).await.ok(201);
    assert_eq!(first.json(), again.json());
    assert_eq!((first.header("idempotency-replayed"), again.header("idempotency-replayed")), ("", "true"));
    let other = json!({ "games": ["a", "c"] });
    service.tell("POST", "/v1/sessions", "dev-acme", &key, other.clone()).await.refused(422, "idempotency_conflict");
    // Another tenant's key of the same name is another key.
    service.tell("POST", "/v1/sessions", "dev-other", &key, other).await.ok(201);
    for bad in ["", "a b", &"k".repeat(256)] {
        let key = [("idempotency-key", bad)];
        service.tell("POST", "/v1/sessions", "dev-acme", &key, body.clone()).await.refused(422, "parameter_invalid");
    }
}

#[tokio::test]
async fn keys_decide_who_sees_what() {
    let service = Service::start().await;
    let session = service.session(&["a"]).await;
    let path = format!("/v1/sessions/{}", session["id"].as_str().unwrap());
    for key in ["", "nope", "dev-acm", "dev-acme2"] {
        for (method, route) in [
            ("GET", "/v1/games"),
            ("GET", "/v1/layouts"),
            ("POST", "/v1/sessions"),
            ("GET", path.as_str()),
            ("DELETE", path.as_str()),
            ("GET", "/v1/operator/games"),
            ("GET", "/v1/operator/sessions"),
            ("GET", "/v1/operator/usage"),
            ("GET", "/v1/multiview.m3u8?games=a"),
        ] {
            let answer = service.ask(method, route, key).await;
            assert!(answer.header("www-authenticate").starts_with("Bearer realm="), "{method} {route}");
            answer.refused(401, "unauthorized");
        }
    }
    let basic = with_key("GET", "/v1/games", "").header(header::AUTHORIZATION, "Basic ZGV2LWFjbWU=");
    service.send(basic.body(Body::empty()).unwrap()).await.refused(401, "unauthorized");
    let twice = with_key("GET", "/v1/games", "dev-acme").header(header::AUTHORIZATION, "Bearer dev-other");
    service.send(twice.body(Body::empty()).unwrap()).await.refused(401, "unauthorized");

    // Another tenant's session is not there at all; an operator may do what its devices may.
    for (method, key) in [("GET", "dev-other"), ("DELETE", "op-other")] {
        service.ask(method, &path, key).await.refused(404, "session_unknown");
    }
    let body = json!({ "audio": "a" });
    service.tell("PATCH", &path, "dev-other", &[], body).await.refused(404, "session_unknown");
    service.get(&path, "op-acme").await.ok(200);
    service.get("/v1/sessions/none", "dev-acme").await.refused(404, "session_unknown");
}

#[tokio::test]
async fn a_client_that_can_only_open_a_url_is_sent_to_its_playlist() {
    let service = Service::start().await;
    let answer = service.get("/v1/multiview.m3u8?games=a,b&layout=2PL&key=dev-acme&cachebust=7", "").await.ok(302);
    let location = json!(answer.header("location"));
    service.get(&path_of(&location), "").await.ok(200);
    assert_eq!(answer.header("referrer-policy"), "no-referrer");
    service.get("/v1/multiview.m3u8?games=a", "dev-acme").await.ok(302);

    let sessions = || async { service.get("/v1/operator/sessions", "op-acme").await.json()["sessions"].clone() };
    assert_eq!(sessions().await.as_array().unwrap().len(), 2);
    let head = service.ask("HEAD", "/v1/multiview.m3u8?games=a&key=dev-acme", "").await.ok(200);
    assert_eq!(head.header("content-type"), "application/vnd.apple.mpegurl");
    assert_eq!(sessions().await.as_array().unwrap().len(), 2);

    service.get("/v1/multiview.m3u8?games=a&key=wrong", "dev-acme").await.refused(401, "unauthorized");
    service.get("/v1/multiview.m3u8?key=dev-acme", "").await.refused(422, "games_count");
    service.get("/v1/multiview.m3u8?games=&key=dev-acme", "").await.refused(422, "games_count");
    service.get("/v1/multiview.m3u8?games=a,b,c,d,e&key=dev-acme", "").await.refused(422, "games_count");
    let refused = service.get("/v1/multiview.m3u8?games=a,zz&key=dev-acme", "").await.refused(404, "game_unknown");
    assert_eq!((&refused["parameter"], refused.get("field")), (&json!("games"), None), "{refused}");
    let refused = service.get("/v1/multiview.m3u8?games=a", "").await.refused(401, "unauthorized");
    assert!(refused["detail"].as_str().unwrap().contains("?key="), "{refused}");
    let refused = service.get("/v1/multiview.m3u8?games=a&region=GBR&key=dev-acme", "").await;
    assert_eq!(refused.refused(422, "parameter_invalid")["parameter"], "region");
    let body = json!({ "games": ["a"], "skin": "zz" });
    let refused = service.post("/v1/sessions", "dev-acme", body).await.refused(404, "skin_unknown");
    assert_eq!((&refused["field"], &refused["allowed"]), (&json!("skin"), &json!([])), "{refused}");
    let refused = service.get("/v1/multiview.m3u8?games=a&skin=zz&key=dev-acme", "").await.refused(404, "skin_unknown");
    assert_eq!((&refused["parameter"], &refused["allowed"]), (&json!("skin"), &json!([])), "{refused}");
    service.get("/v1/multiview.m3u8?games=a&layout=zz&key=dev-acme", "").await.refused(404, "layout_unknown");
    service.get("/v1/multiview.m3u8?games=a&engine=zz&key=dev-acme", "").await.refused(422, "parameter_invalid");
}

#[tokio::test]
async fn games_and_layouts_are_listed_with_what_the_contract_names() {
    let service = Service::start().await;
    let games = service.get("/v1/games", "dev-acme").await.ok(200).json();
    assert_eq!(games.as_array().unwrap().len(), 6);
    let thumbnail = "http://tv.example:8080/v1/media/thumb/thumb-a.jpg";
    let expected = json!({ "id": "a", "title": "Game A", "status": "live", "thumbnail_url": thumbnail,
        "audio": [{ "id": "a", "language": "en", "label": "Game A", "default": true, "characteristics": [] }],
        "texts": [] });
    assert_eq!(games[0], expected);
    let picture = service.get(&path_of(&games[0]["thumbnail_url"]), "").await.ok(200);
    assert_eq!(picture.header("content-type"), "image/jpeg");
    let known = with_key("GET", "/v1/media/thumb/thumb-a.jpg", "").header("if-none-match", picture.header("etag"));
    assert!(service.send(known.body(Body::empty()).unwrap()).await.ok(304).body.is_empty());
    service.get("/v1/media/thumb/guess.jpg", "").await.refused(404, "not_found");

    let layouts = service.get("/v1/layouts", "dev-acme").await.ok(200).json();
    let ids: Vec<_> = layouts.as_array().unwrap().iter().map(|l| l["id"].as_str().unwrap()).collect();
    for id in ["1", "2EH", "2PL", "3EL", "3PL", "4E", "4PL", "pip"] {
        assert!(ids.contains(&id), "{id}");
    }
    let quad = layouts.as_array().unwrap().iter().find(|l| l["id"] == "4E").unwrap();
    assert_eq!(quad["canvas"], json!({ "width": 1920, "height": 1080 }));
    assert_eq!(quad["slots"][1], json!({ "x": 960, "y": 0, "width": 960, "height": 540, "kind": "game" }));
    assert_eq!(quad["engines"], json!(["render"]));
    assert!(quad["name"].is_string());
}
