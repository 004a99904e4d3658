//! Webhooks as operators manage them, and what a whole service tells them.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::api_service::Service;
use crate::support::hook::Hook;
use crate::support::service::{OPERATOR, OWN_SOURCES, TestService, config};

const WEBHOOKS: &str = "/v1/operator/webhooks";

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap()
}

#[tokio::test]
async fn webhooks_are_made_read_changed_rotated_tried_and_removed_over_rest() {
    let (hook, service) = (Hook::start().await, Service::start_with(OWN_SOURCES).await);
    let body = json!({ "url": hook.url(), "events": ["session.started"] });
    let answer = service.post(WEBHOOKS, "op-acme", body.clone()).await.ok(201);
    assert_eq!(answer.header("cache-control"), "no-store");
    let made = answer.json();
    let (secret, path) = (text(&made, "secret").to_owned(), format!("{WEBHOOKS}/{}", text(&made, "id")));
    assert_eq!((answer.header("location"), &secret[..6]), (path.as_str(), "whsec_"));
    assert_eq!((&made["state"], &made["pending"], &made["events"]), (&json!("active"), &json!(0), &body["events"]));

    let told = service.get(&path, "op-acme").await.ok(200);
    assert!(!told.text().contains("whsec_"), "it is told once");
    let mut without = made.clone();
    without.as_object_mut().unwrap().remove("secret");
    assert_eq!(told.json(), without);
    assert_eq!(service.get(WEBHOOKS, "op-acme").await.ok(200).json(), json!([without]));

    // Another tenant's is nobody's.
    assert_eq!(service.get(WEBHOOKS, "op-other").await.ok(200).json(), json!([]));
    for (method, path) in [
        ("GET", path.clone()),
        ("DELETE", path.clone()),
        ("GET", format!("{path}/deliveries")),
        ("POST", format!("{path}/test")),
        ("POST", format!("{path}/rotate")),
    ] {
        service.ask(method, &path, "op-other").await.refused(404, "webhook_unknown");
    }
    service.tell("PUT", &path, "op-other", &[], body.clone()).await.refused(404, "webhook_unknown");
    service.get(&path, "dev-acme").await.refused(403, "forbidden");

    // A session is told, to the webhook alone that wants to know.
    service.session(&["a"]).await;
    service.webhooks.run().await;
    assert_eq!(hook.kinds(), ["session.started"]);
    let tried = service.ask("POST", &format!("{path}/test"), "op-acme").await.ok(200).json();
    assert_eq!((&tried["delivered"], &tried["status"], &tried["error"]), (&json!(true), &json!(204), &Value::Null));
    let test = hook.taken().pop().unwrap();
    assert_eq!((&test.event["type"], test.signed_by(&secret)), (&json!("webhook.test"), 1));
    assert_eq!(test.event["data"], json!({ "webhook_id": made["id"] }));

    let recent = service.get(&format!("{path}/deliveries"), "op-acme").await.ok(200).json();
    let recent: Vec<_> = recent.as_array().unwrap().iter().collect();
    let told = |one: &Value| {
        let at_once = one["next_attempt_at"].is_null() && one["sent_at"].is_string() && one["took_ms"].is_u64();
        at_once && one["delivered"] == true && one["status"] == 204 && one["error"].is_null() && one["attempt"] == 1
    };
    assert!(recent.iter().all(|one| told(one)), "{recent:?}");
    let named: Vec<_> = recent.iter().map(|one| (text(one, "type"), text(one, "event_id"))).collect();
    let sent: Vec<String> = hook.taken().iter().map(|got| got.id().to_owned()).collect();
    assert_eq!(named, [("webhook.test", &*sent[1]), ("session.started", &*sent[0])]);

    let rotated = service.ask("POST", &format!("{path}/rotate"), "op-acme").await.ok(200);
    assert_eq!(rotated.header("cache-control"), "no-store");
    let rotated = rotated.json();
    assert!(text(&rotated, "secret") != secret && rotated["rotated_at"].is_string(), "{rotated}");
    let changed = service.tell("PUT", &path, "op-acme", &[], json!({ "url": hook.url() })).await.ok(200).json();
    assert_eq!((&changed["events"], &changed["rotated_at"]), (&Value::Null, &rotated["rotated_at"]));
    assert!(changed.get("secret").is_none());
    service.ask("DELETE", &path, "op-acme").await.ok(204);
    service.get(&path, "op-acme").await.refused(404, "webhook_unknown");

    let done = service.get("/v1/operator/audit", "op-acme").await.ok(200).json();
    let done: Vec<(&str, &str)> =
        done["entries"].as_array().unwrap().iter().map(|one| (text(one, "method"), text(one, "path"))).collect();
    let (test, rotate) = (format!("{path}/test"), format!("{path}/rotate"));
    let expected = [("POST", WEBHOOKS), ("POST", &*test), ("POST", &*rotate), ("PUT", &*path), ("DELETE", &*path)];
    assert_eq!(done, expected);
}

#[tokio::test]
async fn a_webhook_leads_nowhere_that_sources_may_not() {
    let service = Service::start().await;
    let made = async |url: &str| service.post(WEBHOOKS, "op-acme", json!({ "url": url })).await;
    for url in [
        "http://127.0.0.1:9/",
        "http://[::1]/",
        "http://10.1.2.3/",
        "http://169.254.169.254/latest",
        "http://0x7f000001/",
    ] {
        let refused = made(url).await.refused(422, "webhook_forbidden");
        assert_eq!(refused["field"], "url", "{refused}");
        assert!(!text(&refused, "detail").contains("source"), "{refused}");
    }
    for url in
        ["ftp://h/", "nothing", "http://u:p@h/", "file:///etc/passwd", &format!("http://h/{}", "x".repeat(2_050))]
    {
        let refused = made(url).await.refused(422, "field_invalid");
        assert!(refused["field"] == "url" && text(&refused, "detail").contains("https://HOST"), "{refused}");
    }
    // A name is judged by what it leads to, each time it is asked.
    let named = made("http://localhost:9/").await.ok(201).json();
    let tried = service.ask("POST", &format!("{WEBHOOKS}/{}/test", text(&named, "id")), "op-acme").await.ok(200).json();
    assert!(text(&tried, "error").contains("loopback") && tried["delivered"] == false, "{tried}");

    let events = json!({ "url": "https://ops.example/", "events": ["game.gone"] });
    let refused = service.post(WEBHOOKS, "op-acme", events).await.refused(422, "field_invalid");
    assert_eq!(refused["field"], "events[0]");
    assert!(refused["allowed"].as_array().unwrap().contains(&json!("game.slate")), "{refused}");
    let none = json!({ "url": "https://ops.example/", "events": [] });
    let refused = service.post(WEBHOOKS, "op-acme", none).await.refused(422, "field_invalid");
    assert_eq!((&refused["field"], refused["allowed"].as_array().unwrap().len()), (&json!("events"), 10));
    service
        .post(WEBHOOKS, "op-acme", json!({ "url": "https://h/", "secret": "x" }))
        .await
        .refused(422, "field_unknown");
    for _ in 0..15 {
        made("http://ops.example/").await.ok(201);
    }
    assert_eq!(made("http://ops.example/").await.refused(409, "limit_reached")["limit"], 16);
    service.post(WEBHOOKS, "op-other", json!({ "url": "http://ops.example/" })).await.ok(201);
}

#[tokio::test]
async fn a_key_of_few_scopes_reads_webhooks_and_changes_none() {
    let service = Service::start().await;
    let of = async |scope: &str| {
        let body = json!({ "role": "operator", "scopes": [scope] });
        text(&service.post("/v1/operator/keys", "op-acme", body).await.ok(201).json(), "key").to_owned()
    };
    let body = json!({ "url": "http://ops.example/" });
    let (reads, writes, others) = (of("webhooks:read").await, of("webhooks:write").await, of("games:write").await);
    let made = service.post(WEBHOOKS, &writes, body.clone()).await.ok(201).json();
    service.get(WEBHOOKS, &reads).await.ok(200);
    assert_eq!(service.post(WEBHOOKS, &reads, body).await.refused(403, "forbidden")["scope"], "webhooks:write");
    let test = format!("{WEBHOOKS}/{}/test", text(&made, "id"));
    service.ask("POST", &test, &reads).await.refused(403, "forbidden");
    service.get(WEBHOOKS, &others).await.refused(403, "forbidden");
}

const TINY: &str = "[sessions]\nmax_sessions = 1\n[output]\nfps = \"25\"\nsegment_frames = 25\nwindow_s = 6\npreset = \"ultrafast\"\n\
    [[output.renditions]]\nname = \"tiny\"\nwidth = 160\nheight = 90\nbitrate = 100_000\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_service_tells_of_its_sessions_games_breaks_and_room_also_after_a_restart() {
    let (hook, dir) = (Hook::start().await, tempfile::tempdir().unwrap());
    let games = [("a", "test://ball?size=160x90&fps=25".to_owned())];
    let config = config(dir.path(), &games, TINY);
    let service = TestService::start(&config).await;
    let body = json!({ "url": hook.url() });
    let made = service.operator(Method::POST, WEBHOOKS, Some(body), StatusCode::CREATED).await;
    service.crank_segments(3).await;
    assert_eq!(hook.kinds(), ["game.live"]);
    let ask = json!({ "games": ["a"], "device_id": "box-1", "labels": { "room": "4" } });
    let session = service.device(Method::POST, "/v1/sessions", Some(ask), StatusCode::CREATED).await;
    service.crank_segments(1).await;
    let kinds = hook.kinds();
    assert!(kinds.contains(&"session.started".to_owned()) && kinds.contains(&"capacity.low".to_owned()), "{kinds:?}");
    let started = hook.taken().into_iter().find(|got| got.event["type"] == "session.started").unwrap().event;
    assert_eq!(
        started["data"],
        json!({"session_id": session["id"], "games": ["a"], "layout": "1", "market": null, "region": null,
            "device_id": "box-1", "labels": {"room": "4"}, "created_at": session["created_at"]})
    );
    let breaks = "/v1/operator/games/a/breaks";
    let body = json!({"duration_s": 2, "id": "ad-1"});
    let begun = service.operator(Method::POST, breaks, Some(body), StatusCode::CREATED).await;
    service.crank_segments(6).await;
    let kinds = hook.kinds();
    assert_eq!(kinds[kinds.len() - 2..], ["break.started", "break.ended"], "{kinds:?}");
    let ended = hook.taken().last().unwrap().event["data"].clone();
    assert_eq!(ended["break"], begun["id"]);
    let at = |name: &str| ended[name].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert_eq!((at("ends_at") - at("starts_at")).get_seconds(), 2, "when it was over, and not when that was found");

    // The next process tells of a session that the last one began, with the secret that it had.
    let told = hook.taken().len();
    let now = service.stop().await;
    let service = TestService::start_at(&config, now).await;
    let path = format!("/v1/sessions/{}", text(&session, "id"));
    assert_eq!(service.send(Method::DELETE, &path, OPERATOR, None).await.status(), StatusCode::NO_CONTENT);
    service.crank_segments(1).await;
    let ended = hook.taken().into_iter().skip(told).find(|got| got.event["type"] == "session.ended").unwrap();
    assert_eq!((&ended.event["data"]["session_id"], ended.signed_by(text(&made, "secret"))), (&session["id"], 1));
    assert_eq!(
        (&ended.event["data"]["reason"], &ended.event["data"]["labels"]["room"]),
        (&json!("device"), &json!("4"))
    );
    let read = service.operator(Method::GET, WEBHOOKS, None, StatusCode::OK).await;
    assert_eq!((&read[0]["state"], &read[0]["pending"]), (&json!("active"), &json!(0)));
    service.stop().await;
}
