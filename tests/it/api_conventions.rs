//! What holds on every route of the contract: how mistakes are named, how often a key may ask, what a request is called.

use axum::body::Body;
use axum::http::header;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::api_service::{Answer, Service, path_of, with_key};
use crate::support::program::{DEVICE, Program, write_config};

async fn send(service: &Service, path: &str, body: &str) -> Answer {
    let request = with_key("POST", path, "op-acme").header(header::CONTENT_TYPE, "application/json");
    service.send(request.body(Body::from(body.to_owned())).unwrap()).await
}

#[tokio::test]
async fn a_bodys_mistake_names_its_field_and_what_would_do_in_words_of_the_contract() {
    let service = Service::start().await;
    let sessions = "/v1/sessions";
    let quote = "/v1/operator/usage/quote";
    let markets = "/v1/operator/markets";
    let cases = [
        (sessions, r#"{}"#, "field_invalid", "games", "is missing"),
        (sessions, r#"{"games":"a"}"#, "field_invalid", "games", "must be a list, not the text \"a\""),
        (sessions, r#"{"games":["a",null]}"#, "field_invalid", "games[1]", "must be a text, not null"),
        (sessions, r#"{"games":["a"],"labels":[]}"#, "field_invalid", "labels", "must be an object, not a list"),
        (sessions, r#"{"games":["a"],"labels":{"k":true}}"#, "field_invalid", "labels.k", "must be a text, not true"),
        (
            sessions,
            r#"{"games":["a"],"max_height":-1}"#,
            "field_invalid",
            "max_height",
            "from 0 to 4294967295, not the number -1",
        ),
        (sessions, r#"{"games":["a"],"max_height":4294967296}"#, "field_invalid", "max_height", "from 0 to 4294967295"),
        (sessions, r#"{"games":["a"],"max_height":7.5}"#, "field_invalid", "max_height", "not the number 7.5"),
        (sessions, r#"{"games":["a"],"engine":5}"#, "field_invalid", "engine", "must be a text"),
        (sessions, r#"{"games":["a"],"engine":"magic"}"#, "field_invalid", "engine", "cannot be \"magic\""),
        (sessions, r#"{"games":["a"],"games":["b"]}"#, "field_invalid", "games", "more than once"),
        (sessions, r#"{"games":["a"],"nope":1}"#, "field_unknown", "nope", "no field \"nope\""),
        (sessions, r#"["a"]"#, "field_invalid", "", "must be a JSON object"),
        (sessions, r#"[["a"],null,null,null,null,null,null,null,{}]"#, "field_invalid", "", "must be a JSON object"),
        (
            quote,
            r#"{"items":[{"sessions":1,"tier":"x"}]}"#,
            "field_invalid",
            "items[0].seconds_per_session",
            "is missing",
        ),
        (quote, r#"{"items":[{"nope":1}]}"#, "field_unknown", "items[0].nope", "the fields are sessions"),
        (quote, r#"{"items":[],"month_to_date":"some"}"#, "field_invalid", "month_to_date", "allowed are none, actual"),
        (
            markets,
            r#"{"id":"x","title":"X","tier":{"features":["tv"]}}"#,
            "field_invalid",
            "tier.features[0]",
            "are allowed",
        ),
    ];
    for (path, body, code, field, detail) in cases {
        let refused = send(&service, path, body).await.refused(422, code);
        assert_eq!(refused["field"], field, "{body}: {refused}");
        assert!(refused["detail"].as_str().unwrap().contains(detail), "{body}: {refused}");
        for serde in ["expected", "struct", "u32", "sequence", "variant", "integer `", " at line "] {
            assert!(!refused["detail"].as_str().unwrap().contains(serde), "{body}: {refused}");
        }
    }
    // Where one of a few names belongs they are told, whatever stands there.
    for given in ["5", "\"magic\"", "{\"x\":1}", "[]"] {
        let refused = send(&service, sessions, &format!("{{\"games\":[\"a\"],\"engine\":{given}}}")).await;
        assert_eq!(refused.refused(422, "field_invalid")["allowed"], json!(["auto", "render", "stitch"]), "{given}");
    }
    let deep = format!("{{\"games\":{}", "[".repeat(5_000));
    for (body, why) in
        [("{\"games\":[\"a\"", "ends too early"), (deep.as_str(), "nested too deeply"), ("{} x", "behind its end")]
    {
        let refused = send(&service, sessions, body).await.refused(400, "body_invalid");
        assert!(refused["detail"].as_str().unwrap().contains(why), "{refused}");
        assert!(refused["line"].is_u64() && refused["column"].is_u64(), "{refused}");
    }
}

#[tokio::test]
async fn a_querys_mistake_names_its_parameter() {
    let service = Service::start().await;
    for (path, parameter, detail) in [
        ("/v1/operator/sessions?limit=many", "limit", "whole number"),
        ("/v1/operator/sessions?limit=-1", "limit", "whole number"),
        ("/v1/operator/sessions?limit=0", "limit", "1 to 1000"),
        ("/v1/operator/sessions?limit=1&limit=2", "limit", "more than once"),
        ("/v1/operator/sessions?state=over", "state", "allowed are active, ended"),
        ("/v1/operator/usage?nope=1", "nope", "no parameter \"nope\""),
        ("/v1/multiview.m3u8?games=a&key=dev-acme&low_latency=yes", "low_latency", "true or false"),
        ("/v1/multiview.m3u8?games=a&key=dev-acme&engine=magic", "engine", "allowed are auto, render, stitch"),
    ] {
        let refused = service.get(path, "op-acme").await.refused(422, "parameter_invalid");
        assert_eq!(refused["parameter"], parameter, "{path}: {refused}");
        assert!(refused["detail"].as_str().unwrap().contains(detail), "{path}: {refused}");
    }
}

#[tokio::test]
async fn a_parameter_that_a_route_does_not_have_is_refused_with_those_that_it_has() {
    let service = Service::start().await;
    for (path, parameter, allowed) in [
        ("/v1/games?regon=US", "regon", json!(["market", "region", "device_class"])),
        ("/v1/games/a/cues?form=noon", "form", json!(["from", "to"])),
        ("/v1/layouts?games=2", "games", json!([])),
        ("/v1/operator/games?id=a", "id", json!([])),
        ("/v1/operator/breaks/report?group_by=day", "group_by", json!(["from", "to"])),
    ] {
        let refused = service.get(path, "op-acme").await.refused(422, "parameter_invalid");
        assert_eq!((&refused["parameter"], &refused["allowed"]), (&json!(parameter), &allowed), "{path}: {refused}");
        let head = service.ask("HEAD", path, "op-acme").await;
        assert_eq!(head.status, StatusCode::UNPROCESSABLE_ENTITY, "{path}");
    }
    let body = json!({ "games": ["a"] });
    service.post("/v1/sessions?market=de", "dev-acme", body).await.refused(422, "parameter_invalid");
    // Who has no key is told that first, and players may add what they like.
    service.get("/v1/games?regon=US", "wrong").await.refused(401, "unauthorized");
    let session = service.session(&["a"]).await;
    service.get(&format!("{}?cdn=7", path_of(&session["playback_url"])), "").await.ok(200);
    let opened = service.get("/v1/multiview.m3u8?games=a&key=dev-acme&cdn=7", "").await;
    assert_eq!(opened.status, StatusCode::FOUND);
}

#[tokio::test]
async fn a_layout_that_does_not_fit_is_refused_with_those_that_do() {
    let service = Service::start().await;
    let session = service.session(&["a", "b"]).await;
    let path = format!("/v1/sessions/{}", session["id"].as_str().unwrap());
    let layouts = service.get("/v1/layouts", "dev-acme").await.json();
    let of_two: Vec<&Value> = layouts
        .as_array()
        .unwrap()
        .iter()
        .filter(|layout| layout["slots"].as_array().unwrap().iter().filter(|slot| slot["kind"] == "game").count() == 2)
        .map(|layout| &layout["id"])
        .collect();
    assert!(of_two.len() >= 3);
    for (layout, status, code) in [("7XL", 404, "layout_unknown"), ("4E", 422, "layout_mismatch")] {
        let made = service.post("/v1/sessions", "dev-acme", json!({ "games": ["a", "b"], "layout": layout })).await;
        let changed = service.tell("PATCH", &path, "dev-acme", &[], json!({ "layout": layout })).await;
        for refused in [made.refused(status, code), changed.refused(status, code)] {
            assert_eq!((&refused["allowed"], &refused["field"]), (&json!(of_two), &json!("layout")), "{refused}");
        }
    }
    let refused = service.post("/v1/sessions", "dev-acme", json!({ "games": ["a", "b", "nope"] })).await;
    assert_eq!(refused.refused(404, "game_unknown")["field"], "games[2]");
    let refused = service.post("/v1/sessions", "dev-acme", json!({ "games": ["a", "b"], "audio": "c" })).await;
    assert_eq!(refused.refused(422, "audio_unknown")["allowed"], json!(["a", "b"]));
}

#[tokio::test]
async fn a_key_that_asks_too_often_waits_and_no_other_does() {
    let service = Service::start_with("[requests]\nper_key_per_s = 1\nburst = 5\n").await;
    let first = service.get("/v1/games", "dev-acme").await.ok(200);
    assert_eq!(first.header("ratelimit-policy"), "\"key\";q=5;w=5");
    assert_eq!(first.header("ratelimit"), "\"key\";r=4;t=1");
    // Four more, and one for each second that this takes.
    let mut refused = None;
    for _ in 0..10_000 {
        let answer = service.get("/v1/multiview.m3u8?games=a&key=dev-acme", "").await;
        if answer.status == StatusCode::TOO_MANY_REQUESTS {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.unwrap();
    assert_eq!((refused.header("retry-after"), refused.header("ratelimit")), ("1", "\"key\";r=0;t=5"));
    assert_eq!(refused.header("cache-control"), "no-store");
    assert_eq!(refused.refused(429, "rate_limited")["retry_after_s"], 1);
    service.get("/v1/games", "dev-other").await.ok(200);
    service.get("/v1/operator/games", "op-acme").await.ok(200);
    // Who has no key is not counted, and is told of no bucket; nor is playback.
    let wrong = service.get("/v1/games", "nope").await;
    assert_eq!(wrong.header("ratelimit"), "");
    wrong.refused(401, "unauthorized");
    assert_eq!(service.get("/v1/play/nope/index.m3u8", "").await.header("ratelimit"), "");
    assert!(service.metrics.admission_refused.with_label_values(&["rate"]).get() >= 1);
}

#[tokio::test]
async fn every_answer_has_the_requests_id() {
    let service = Service::start_said("cors_origins = [\"*\"]").await;
    let named = |path: &str, id: &str| {
        let request = with_key("GET", path, "dev-acme").header("x-request-id", id);
        service.send(request.body(Body::empty()).unwrap())
    };
    for path in ["/v1/games", "/v1/sessions/nope", "/nope", "/v1/operator/games", "/healthz"] {
        assert_eq!(named(path, "box-17.4100").await.header("x-request-id"), "box-17.4100", "{path}");
        let made = service.get(path, "").await;
        assert_eq!(made.header("x-request-id").len(), 24, "{path}");
    }
    assert_ne!(named("/v1/games", "no \"id\"").await.header("x-request-id"), "no \"id\"");
    let preflight = with_key("OPTIONS", "/v1/sessions", "")
        .header("origin", "https://player.example")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization,traceparent,x-request-id");
    let answer = service.send(preflight.body(Body::empty()).unwrap()).await.ok(200);
    assert!(answer.header("access-control-allow-headers").contains("traceparent"), "{answer:?}");
    let read = with_key("GET", "/v1/games", "dev-acme").header("origin", "https://player.example");
    let exposed = service.send(read.body(Body::empty()).unwrap()).await.ok(200);
    for name in ["x-request-id", "ratelimit", "ratelimit-policy"] {
        assert!(exposed.header("access-control-expose-headers").contains(name), "{exposed:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_has_the_requests_id_and_its_trace() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::serve(&write_config(dir.path(), &dir.path().join("data"), "", ""));
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let request = reqwest::Client::new()
        .post(format!("http://{}/v1/sessions", program.address))
        .bearer_auth(DEVICE)
        .header("x-request-id", "box-17.4100")
        .header("traceparent", format!("00-{trace}-00f067aa0ba902b7-01"))
        .json(&json!({ "games": ["a", "b"] }));
    assert_eq!(request.send().await.unwrap().status(), StatusCode::CREATED);
    let line = crate::support::program::until("the request's line", async || {
        let is_its = |line: &&str| line.contains("box-17.4100") && line.contains(r#""message":"request""#);
        program.whole_log().lines().find(is_its).map(str::to_owned)
    });
    let line: Value = serde_json::from_str(&line.await).unwrap();
    assert_eq!((&line["message"], &line["route"]), (&json!("request"), &json!("/v1/sessions")), "{line}");
    assert_eq!((&line["span"]["id"], &line["span"]["trace_id"]), (&json!("box-17.4100"), &json!(trace)), "{line}");
}
