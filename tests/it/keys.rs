//! Keys over HTTP: made, used, listed, expired, revoked; and what one of few scopes may not.

use std::time::Duration;

use quadrille::timeline::Clock as _;
use serde_json::{Value, json};

use crate::api_service::Service;

const KEYS: &str = "/v1/operator/keys";

async fn made(service: &Service, by: &str, body: Value) -> Value {
    let answer = service.post(KEYS, by, body).await.ok(201);
    assert_eq!(answer.header("cache-control"), "no-store");
    let made = answer.json();
    assert_eq!(answer.header("location"), format!("{KEYS}/{}", made["id"].as_str().unwrap()));
    made
}

fn text<'a>(key: &'a Value, member: &str) -> &'a str {
    key[member].as_str().unwrap()
}

#[tokio::test]
async fn a_key_that_was_made_opens_until_it_is_revoked() {
    let service = Service::start().await;
    let device = json!({ "name": "bar", "role": "device", "market": "de", "max_height": 540, "features": [] });
    let device = made(&service, "op-acme", device).await;
    assert!(text(&device, "key").starts_with("qk_"), "{device}");
    let (key, path) = (text(&device, "key"), format!("{KEYS}/{}", text(&device, "id")));

    let session = json!({ "games": ["a"], "layout": "1", "audio": "a" });
    let session = service.post("/v1/sessions", key, session).await.ok(201).json();
    assert_eq!((&session["market"], &session["features"]), (&json!("de"), &json!([])));
    service.get("/v1/operator/games", key).await.refused(403, "forbidden");

    let told = service.get(&path, "op-acme").await.ok(200);
    assert!(!told.text().contains(key), "it is told once");
    let told = told.json();
    assert_eq!((&told["name"], &told["origin"]), (&json!("bar"), &json!("operator")));
    assert_eq!(told["last_used_at"], told["created_at"], "the clock stands still");
    let all = service.get(KEYS, "op-acme").await.ok(200).json();
    let origins: Vec<_> = all.as_array().unwrap().iter().map(|key| (text(key, "origin"), text(key, "role"))).collect();
    let used: Vec<_> = all.as_array().unwrap().iter().map(|key| key["last_used_at"].is_string()).collect();
    assert_eq!(used, [true, false, false, true], "of the configuration, too: {all}");
    assert_eq!(origins, [("config", "operator"), ("config", "device"), ("config", "device"), ("operator", "device")]);
    assert!(!all.to_string().contains("op-acme"), "what opens is not listed");

    // Another tenant's is nobody's, and what the file says stays.
    service.get(&path, "op-other").await.refused(404, "key_unknown");
    service.ask("DELETE", &path, "op-other").await.refused(404, "key_unknown");
    let config = format!("{KEYS}/{}", text(&all[0], "id"));
    service.ask("DELETE", &config, "op-acme").await.refused(409, "key_read_only");

    service.ask("DELETE", &path, "op-acme").await.ok(204);
    service.get("/v1/games", key).await.refused(401, "unauthorized");
    service.ask("DELETE", &path, "op-acme").await.refused(404, "key_unknown");
    service.get(&format!("/v1/sessions/{}", text(&session, "id")), "dev-acme").await.ok(200);
}

#[tokio::test]
async fn a_key_expires() {
    let service = Service::start().await;
    let expires_at = (jiff::Timestamp::from_millisecond(service.clock.now().unix_millis()).unwrap()
        + Duration::from_secs(60))
    .to_string();
    let brief = made(&service, "op-acme", json!({ "role": "operator", "expires_at": expires_at })).await;
    let key = text(&brief, "key");
    service.get("/v1/operator/games", key).await.ok(200);
    service.clock.advance(Duration::from_secs(60));
    service.get("/v1/operator/games", key).await.refused(401, "unauthorized");
    let past = service.post(KEYS, "op-acme", json!({ "role": "device", "expires_at": expires_at })).await;
    assert_eq!(past.refused(422, "field_invalid")["field"], "expires_at");
}

#[tokio::test]
async fn a_key_of_few_scopes_may_nothing_else() {
    let service = Service::start().await;
    let clerk =
        json!({ "name": "billing", "role": "operator", "scopes": ["usage:read", "keys:write", "sessions:read"] });
    let clerk = made(&service, "op-acme", clerk).await;
    let key = text(&clerk, "key");
    service.get("/v1/operator/sessions", key).await.ok(200);
    service.post("/v1/operator/usage/quote", key, json!({ "items": [] })).await;
    let refused = |answer: Value, scope: &str| assert_eq!(answer["scope"], scope, "{answer}");
    refused(service.get("/v1/operator/games", key).await.refused(403, "forbidden"), "games:read");
    refused(service.ask("DELETE", "/v1/operator/games/a", key).await.refused(403, "forbidden"), "games:write");
    refused(service.ask("DELETE", "/v1/operator/sessions/x", key).await.refused(403, "forbidden"), "sessions:write");
    refused(service.get("/v1/operator/markets", key).await.refused(403, "forbidden"), "markets:read");
    // It makes no key that may do more, and takes none back that does.
    for scopes in [json!(null), json!(["usage:read"])] {
        made(&service, key, json!({ "role": "operator", "scopes": scopes })).await;
    }
    let more = json!({ "role": "operator", "scopes": ["games:read"] });
    service.post(KEYS, key, more.clone()).await.refused(403, "forbidden");
    // A device's makes sessions, and finds those of others.
    service.post(KEYS, key, json!({ "role": "device" })).await.refused(403, "forbidden");
    let more = made(&service, "op-acme", more).await;
    service.ask("DELETE", &format!("{KEYS}/{}", text(&more, "id")), key).await.refused(403, "forbidden");
}

#[tokio::test]
async fn a_key_of_few_scopes_is_no_device_s() {
    let service = Service::start().await;
    let of = async |scopes: Value| {
        let key = made(&service, "op-acme", json!({ "role": "operator", "scopes": scopes })).await;
        text(&key, "key").to_owned()
    };
    let (clerk, desk) = (of(json!(["usage:read", "sessions:read"])).await, of(json!(["sessions:write"])).await);
    let wish = json!({ "games": ["a"], "layout": "1" });
    let session = service.post("/v1/sessions", &desk, wish.clone()).await.ok(201).json();
    let path = format!("/v1/sessions/{}", text(&session, "id"));
    let refused = service.post("/v1/sessions", &clerk, wish).await.refused(403, "forbidden");
    assert_eq!(refused["scope"], "sessions:write");
    for (method, path) in [("GET", &*path), ("DELETE", &*path), ("GET", "/v1/games")] {
        service.ask(method, path, &clerk).await.refused(403, "forbidden");
    }
    service.get(&format!("/v1/multiview.m3u8?games=a&key={clerk}"), "").await.refused(403, "forbidden");
    service.get("/v1/layouts", &clerk).await.ok(200);
    service.get(&path, &desk).await.ok(200);
    // Nor is it led there: an address that plays has a session billed.
    for path in ["/v1/operator/sessions".to_owned(), path.replace("/v1/", "/v1/operator/")] {
        let url = |told: Value| {
            told.get("sessions").map_or_else(|| told.clone(), |all| all[0].clone())["playback_url"].clone()
        };
        assert_eq!(url(service.get(&path, &clerk).await.ok(200).json()), "");
        assert_ne!(url(service.get(&path, &desk).await.ok(200).json()), "");
    }
    let refused = service.get("/v1/out/a/red/index.m3u8", &clerk).await.refused(403, "forbidden");
    assert_eq!(refused["scope"], "outputs:read");
    service.get("/v1/out/a/red/index.m3u8", &of(json!(["outputs:read"])).await).await.refused(404, "game_unknown");
}

#[tokio::test]
async fn a_device_s_key_finds_no_session_that_has_more_than_its_own() {
    let service = Service::start().await;
    let low = json!({ "role": "device", "max_height": 540, "features": [] });
    let low = made(&service, "op-acme", low).await;
    let low = text(&low, "key");
    let session = async |key: &str| {
        let made = service.post("/v1/sessions", key, json!({ "games": ["a"], "layout": "1" })).await.ok(201).json();
        format!("/v1/sessions/{}", text(&made, "id"))
    };
    let (high, own) = (session("dev-acme").await, session(low).await);
    for method in ["GET", "DELETE"] {
        service.ask(method, &high, low).await.refused(404, "session_unknown");
    }
    service.post(&format!("{high}/playback_url"), low, json!({})).await.refused(404, "session_unknown");
    service.get(&own, low).await.ok(200);
    service.get(&own, "dev-acme").await.ok(200);
    service.get(&high, "dev-acme").await.ok(200);
}

#[tokio::test]
async fn what_is_wrong_with_a_key_is_named() {
    let service = Service::start().await;
    for (body, field) in [
        (json!({ "role": "operator", "scopes": ["games"] }), "scopes[0]"),
        (json!({ "role": "operator", "scopes": ["games:read", "*"] }), "scopes[1]"),
        (json!({ "role": "device", "scopes": [] }), "scopes"),
        (json!({ "role": "operator", "market": "de" }), "market"),
        (json!({ "role": "operator", "max_height": 540 }), "max_height"),
        (json!({ "role": "device", "max_height": 10 }), "max_height"),
        (json!({ "role": "device", "max_height": 16_385 }), "max_height"),
        (json!({ "role": "device", "market": "a b" }), "market"),
        (json!({ "role": "device", "expires_at": "tomorrow" }), "expires_at"),
        (json!({ "role": "device", "name": "x".repeat(101) }), "name"),
    ] {
        let refused = service.post(KEYS, "op-acme", body.clone()).await.refused(422, "field_invalid");
        assert_eq!(refused["field"], field, "{body}");
    }
    service.post(KEYS, "op-acme", json!({ "role": "device", "market": "xx" })).await.refused(404, "market_unknown");
    service.post(KEYS, "op-acme", json!({ "role": "device", "key": "mine" })).await.refused(422, "field_unknown");
}

#[tokio::test]
async fn what_operators_do_is_noted_and_what_they_read_is_not() {
    let service = Service::start().await;
    let clerk = made(&service, "op-acme", json!({ "role": "operator", "scopes": ["games:read", "audit:read"] })).await;
    let key = text(&clerk, "key");
    service.get("/v1/operator/games", key).await.ok(200);
    service.ask("DELETE", "/v1/operator/markets/zz?secret=hunter2", key).await.refused(403, "forbidden");
    service.ask("DELETE", "/v1/operator/markets/zz", "op-acme").await.refused(404, "market_unknown");
    service.ask("DELETE", "/v1/operator/markets/zz", "wrong").await.refused(401, "unauthorized");
    service.post("/v1/operator/usage/quote", "op-acme", json!({ "items": [] })).await;
    service.ask("DELETE", "/v1/operator/markets/zz", "op-other").await.refused(404, "market_unknown");

    let page = service.get("/v1/operator/audit", key).await.ok(200).json();
    let entries = page["entries"].as_array().unwrap();
    let told: Vec<_> = entries
        .iter()
        .map(|entry| (text(entry, "method"), text(entry, "path"), entry["status"].as_u64().unwrap()))
        .collect();
    let market = "/v1/operator/markets/zz";
    assert_eq!(told, [("POST", KEYS, 201), ("DELETE", market, 403), ("DELETE", market, 404)]);
    assert_eq!(text(&entries[1], "who"), text(&clerk, "id"));
    assert!(text(&entries[0], "who").starts_with("config-"), "{page}");
    assert!(!page.to_string().contains("hunter2"));
    // Page by page it is the same.
    let first = service.get("/v1/operator/audit?limit=2", key).await.ok(200).json();
    assert_eq!(first["entries"].as_array().unwrap()[..], entries[..2]);
    let next = format!("/v1/operator/audit?limit=2&cursor={}", text(&first, "next_cursor"));
    let second = service.get(&next, key).await.ok(200).json();
    assert_eq!((&second["entries"][0], &second["next_cursor"]), (&entries[2], &Value::Null));
    service.get("/v1/operator/audit?cursor=02", key).await.refused(422, "cursor_invalid");
    let others = service.get("/v1/operator/audit", "op-other").await.ok(200).json();
    assert_eq!(others["entries"].as_array().unwrap().len(), 1);

    // The newest first, and by who, where and with what outcome.
    let seqs = async |query: &str| {
        let page = service.get(&format!("/v1/operator/audit?{query}"), key).await.ok(200).json();
        page["entries"].as_array().unwrap().iter().map(|entry| entry["seq"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    let clerk = text(&clerk, "id");
    for (query, expected) in [
        ("order=newest".to_owned(), vec![3, 2, 1]),
        ("order=newest&limit=1&cursor=3".into(), vec![2]),
        (format!("who={clerk}"), vec![2]),
        ("path=/v1/operator/keys".into(), vec![1]),
        ("path=operator".into(), vec![]),
        ("refused=true".into(), vec![2, 3]),
        ("refused=false&order=newest".into(), vec![1]),
    ] {
        assert_eq!(seqs(&query).await, expected, "{query}");
    }
    service.get("/v1/operator/audit?order=up", key).await.refused(422, "parameter_invalid");
    let chain = service.get("/v1/operator/audit/chain", key).await.ok(200).json();
    assert_eq!(chain, json!({ "holds": true, "entries": 3, "head": entries[2]["digest"], "broken_at": null }));
}
