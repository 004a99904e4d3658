//! Every route with every key that does not fit, and paths that lead out.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::{Method, Request, header};
use serde_json::{Value, json};

use super::{Operation, example, operations};
use crate::api_service::{Answer, Service, with_key};

/// Stands in all that is the other tenant's: whoever reads it has read what is not theirs.
const SECRET: &str = "xyzzy-of-the-other-tenant";

/// Objects of tenant `other`, by what a path has in front of their ids.
struct Others {
    session: String,
    key: String,
    token: String,
}

impl Others {
    async fn make(service: &Service) -> Self {
        let game = json!({ "id": "theirs", "title": SECRET, "sources": ["test://ball"], "labels": { "of": SECRET } });
        service.post("/v1/operator/games", "op-other", game).await.ok(201);
        let market = json!({ "id": "theirs", "title": SECRET });
        service.post("/v1/operator/markets", "op-other", market).await.ok(201);
        let key = json!({ "name": SECRET, "role": "operator" });
        let key = service.post("/v1/operator/keys", "op-other", key).await.ok(201).json();
        let session = json!({ "games": ["theirs"], "device_id": SECRET, "labels": { "of": SECRET } });
        let session = service.post("/v1/sessions", "op-other", session).await.ok(201).json();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let url = text(&session["playback_url"]);
        let token = url.split("/v1/play/").nth(1).unwrap().split('/').next().unwrap().to_owned();
        Self { session: text(&session["id"]), key: text(&key["id"]), token }
    }

    /// A path of `operation` that names what is the other tenant's wherever it names anything.
    fn path(&self, operation: &Operation) -> String {
        let id = match operation.path.as_str() {
            path if path.contains("/sessions/") => &self.session,
            path if path.contains("/keys/") => &self.key,
            _ => "theirs",
        };
        // What nobody else can know: addresses of media are signed, tokens are chance.
        filled(&operation.path, id)
    }

    /// All that there is of it, as its owner sees it.
    async fn seen(&self, service: &Service) -> Vec<Value> {
        let mut seen = Vec::new();
        for path in [
            "/v1/operator/games/theirs".to_owned(),
            "/v1/operator/markets/theirs".to_owned(),
            format!("/v1/operator/keys/{}", self.key),
            format!("/v1/sessions/{}", self.session),
            "/v1/operator/skins".to_owned(),
            "/v1/operator/outputs".to_owned(),
        ] {
            let mut one = service.get(&path, "op-other").await.ok(200).json();
            // That its owner looked is no harm.
            one.as_object_mut().map(|one| one.remove("last_used_at"));
            seen.push(one);
        }
        seen
    }
}

/// `path` with `id` where it has an id, and something that is well made and nobody's elsewhere.
fn filled(path: &str, id: &str) -> String {
    let mut filled = String::new();
    for (n, element) in path.split('/').enumerate() {
        if n > 0 {
            filled.push('/');
        }
        match element {
            "{id}" | "{break}" | "{match}" | "{skin}" | "{game}" => filled.push_str(id),
            "{token}" | "{mosaic}" | "{signature}" | "{grant}" => filled.push_str(&"0".repeat(32)),
            "{n}.m4s" => filled.push_str("45500000.m4s"),
            "{n}.vtt" => filled.push_str("45500000.vtt"),
            "{first}-{segments}.jpg" => filled.push_str("45500000-10.jpg"),
            other => filled.push_str(&other.replace(['{', '}'], "")),
        }
    }
    filled
}

async fn ask(service: &Service, operation: &Operation, path: &str, key: &str) -> Answer {
    match operation.body.as_deref() {
        Some("application/json") => service.tell(&operation.method, path, key, &[], example(operation)).await,
        Some(_) => service.upload(path, key, "image/png", vec![0; 64]).await,
        None => service.ask(&operation.method, path, key).await,
    }
}

#[tokio::test]
async fn no_route_gives_anything_to_a_key_that_does_not_fit() {
    let service = Service::start().await;
    let others = Others::make(&service).await;
    let before = others.seen(&service).await;
    let mut tried = 0;
    for operation in operations() {
        let path = others.path(&operation);
        let at = format!("{} {path}", operation.method);
        let long = "k".repeat(4096);
        for key in ["", "nope", "op-acme ", "OP-ACME", "sha256:00", "qk_0123456789abcdef", &long, "dev-acme", "op-acme"]
        {
            let answer = ask(&service, &operation, &path, key).await;
            let (status, text) = (answer.status.as_u16(), String::from_utf8_lossy(&answer.body).into_owned());
            assert!(
                status < 500 || path == "/readyz" || path.ends_with("/sources/try"),
                "{at} with {key:?}: {answer:?}"
            );
            assert!(!text.contains(SECRET) && !text.contains(&others.token), "{at} with {key:?}: {text}");
            let is_known = ["dev-acme", "op-acme"].contains(&key.trim());
            if !operation.is_open && !is_known {
                assert_eq!(status, 401, "{at} with {key:?}: {text}");
                assert!(answer.header("www-authenticate").starts_with("Bearer"), "{at}: {answer:?}");
            }
            if operation.is_operators() && key == "dev-acme" {
                assert_eq!(status, 403, "{at}: {text}");
            }
            // A PUT makes an object of the asker's own under the same name, and that is theirs.
            let names_others = path.contains(&others.session) || path.contains(&others.key) || path.contains("theirs");
            if names_others && is_known && operation.method != "PUT" && !(200..300).contains(&status) {
                assert!((400..500).contains(&status), "{at}: {text}");
            }
            if [&others.session, &others.key].iter().any(|id| path.contains(*id)) {
                assert!(!(200..300).contains(&status), "{at} with {key:?}: {text}");
            }
            tried += 1;
        }
    }
    assert!(tried > 500, "{tried}");
    assert_eq!(others.seen(&service).await, before, "and nothing of it was touched");
}

#[tokio::test]
async fn a_hundred_thousand_wrong_keys_and_tokens_open_nothing() {
    let service = Service::start().await;
    let session = service.session(&["a"]).await;
    let url = session["playback_url"].as_str().unwrap();
    let token = url.split("/v1/play/").nth(1).unwrap().split('/').next().unwrap();
    // Of the right shape, a digit off, cut short, one after the other: whatever a program would try.
    let near = |n: usize| {
        let mut near = token.as_bytes().to_vec();
        let at = n % near.len();
        near[at] = b"0123456789abcdef"[(n / near.len()) % 16];
        String::from_utf8(near).unwrap()
    };
    let mut opened = BTreeSet::new();
    for n in 0..100_000 {
        let (path, key) = match n % 4 {
            0 => (format!("/v1/play/{}/index.m3u8", near(n / 4)), String::new()),
            1 => (format!("/v1/play/{n:032x}/index.m3u8"), String::new()),
            2 => ("/v1/games".to_owned(), format!("qk_{n:040x}")),
            _ => ("/v1/operator/games".to_owned(), format!("eyJhbGciOiJub25lIn0.{n:x}.")),
        };
        let request = with_key("GET", &path, &key).body(Body::empty()).unwrap();
        let answer = service.send(request).await;
        if answer.status.is_success() {
            opened.insert(path);
            continue;
        }
        let expected = if n % 4 < 2 { 404 } else { 401 };
        assert_eq!(answer.status.as_u16(), expected, "{path} {key}: {answer:?}");
    }
    let own = format!("/v1/play/{token}/index.m3u8");
    assert!(opened.iter().all(|path| *path == own), "{opened:?}");
}

#[tokio::test]
async fn paths_lead_nowhere_that_has_no_route() {
    let service = Service::start().await;
    let paths = [
        "/..",
        "/../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/..%2f..%2fetc/passwd",
        "/..%5c..%5cetc/passwd",
        "/assets/../../Cargo.toml",
        "/assets/%2e%2e/%2e%2e/Cargo.toml",
        "/assets/..%00.js",
        "/%00",
        "/index.html%00",
        "//",
        "//etc/passwd",
        "///",
        "//v1//games",
        "/v1//games",
        "/v1/games/",
        "/v1/games/../operator/games",
        "/v1/./games",
        "/v1/play//index.m3u8",
        "/v1/play/%00/index.m3u8",
        "/v1/play/%FF%FE/index.m3u8",
        "/v1/play/../../metrics",
        "/v1/sessions/%2e%2e",
        "/v1/sessions/..%2foperator%2fgames",
        "/v1/sessions/%00",
        "/v1/sessions/%c0%ae%c0%ae",
        "/v1/media/%FF/x/init.mp4",
        "/v1/media/thumb/..%2f..%2fquadrille.sqlite",
        "/v1/media/audio/..%2f..%2f/init.mp4",
        "/v1/operator/clips/..%2f..%2fquadrille.sqlite/clip.mp4",
        "/v1/operator/assets/..%2f..%2fsecrets%2fledger_ed25519/file",
        "/v1/operator/assets/%2e%2e/file",
        "/v1/operator/skins/%2e%2e%2f",
        "/.git/config",
        "/operator/../../etc/passwd",
        "/metrics/..%2f",
        "http://elsewhere.example/v1/operator/games/..",
    ];
    for path in paths {
        for method in [Method::GET, Method::HEAD, Method::DELETE, Method::PUT, Method::OPTIONS] {
            let request = Request::builder().method(&method).uri(path).header(header::AUTHORIZATION, "Bearer op-acme");
            let answer = service.send(request.body(Body::empty()).unwrap()).await;
            let status = answer.status.as_u16();
            let is_preflight = method == Method::OPTIONS && status == 200 && answer.body.is_empty();
            assert!((400..500).contains(&status) || is_preflight, "{method} {path}: {answer:?}");
        }
    }
    // What cannot be in a header of ours, nor in a name of anything.
    for id in ["%0d%0aSet-Cookie:a=b", "%e2%80%ae", "%F0%9F%92%A9", &"a".repeat(8_000)] {
        for path in ["/v1/sessions/", "/v1/operator/games/", "/v1/operator/markets/", "/v1/operator/skins/"] {
            let answer = service.get(&format!("{path}{id}"), "op-acme").await;
            assert_eq!(answer.status.as_u16(), 404, "{path}{id}: {answer:?}");
            assert!(answer.headers.get("set-cookie").is_none());
        }
    }
}

#[tokio::test]
async fn a_replayed_idempotency_key_gives_what_it_gave_and_to_nobody_else() {
    let service = Service::start().await;
    let body = json!({ "games": ["a"], "device_id": SECRET });
    let keyed = [("idempotency-key", "replayed")];
    let tell = |key: &'static str, body: Value| {
        let service = &service;
        async move { service.tell("POST", "/v1/sessions", key, &keyed, body).await }
    };
    let first = tell("dev-other", body.clone()).await.ok(201).json();
    for _ in 0..100 {
        let again = tell("dev-other", body.clone()).await.ok(201);
        assert_eq!(again.header("idempotency-replayed"), "true");
        assert_eq!(again.json()["id"], first["id"]);
    }
    let changed = json!({ "games": ["b"], "device_id": SECRET });
    let refused = tell("dev-other", changed).await.refused(422, "idempotency_conflict");
    assert!(!refused.to_string().contains(first["id"].as_str().unwrap()), "{refused}");
    let foreign = tell("dev-acme", body.clone()).await.ok(201);
    assert_eq!(foreign.header("idempotency-replayed"), "");
    assert_ne!(foreign.json()["id"], first["id"]);
    // The session may have ended since: it is told, and no other is made.
    let path = format!("/v1/sessions/{}", first["id"].as_str().unwrap());
    service.ask("DELETE", &path, "dev-other").await.ok(204);
    let after = tell("dev-other", body).await.ok(201).json();
    assert_eq!((&after["id"], &after["state"]), (&first["id"], &json!("ended")));
}
