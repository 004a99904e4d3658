//! One tenant asks for all that there is. Another is served all the same.

use std::path::Path;
use std::time::{Duration, Instant};

use quadrille::config::{Config, TenantLimits};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::barcode::Clip;
use crate::support::service::{TestService, config};

const OUTPUT: &str = "[output]\nfps = \"25\"\nsegment_frames = 25\nwindow_s = 6\npreset = \"ultrafast\"\n\
    [[output.renditions]]\nname = \"tiny\"\nwidth = 384\nheight = 216\nbitrate = 1_000_000\n";

/// Tenants `acme` and `other`, and a game that both may show.
fn two(data_dir: &Path, more: &str) -> Config {
    let source = "test://ball?size=160x90&fps=25&tone=300".to_owned();
    let other = "[[tenants]]\nid = \"other\"\noperator_keys = [\"op-2\"]\ndevice_keys = [\"dev-2\"]\n";
    config(data_dir, &[("a", source)], &format!("{OUTPUT}{more}{other}"))
}

struct Tenant<'s> {
    service: &'s TestService,
    device: &'static str,
    operator: &'static str,
}

impl<'s> Tenant<'s> {
    fn both(service: &'s TestService) -> [Self; 2] {
        [("dev-1", "op-1"), ("dev-2", "op-2")].map(|(device, operator)| Self { service, device, operator })
    }

    async fn ask(&self, key: &str, path: &str, body: Value) -> (StatusCode, Value) {
        let answer = self.service.send(Method::POST, path, key, Some(body)).await;
        let (status, retry) = (answer.status(), answer.headers().get("retry-after").is_some());
        let body: Value = answer.json().await.unwrap();
        assert_eq!(retry, !status.is_success(), "{body}");
        (status, body)
    }

    /// Sessions until there is no room for one more, at most `most`: how many, and the reason of the refusal.
    async fn sessions(&self, most: usize, body: &Value) -> (usize, String) {
        for n in 0..most {
            let (status, told) = self.ask(self.device, "/v1/sessions", body.clone()).await;
            if status != StatusCode::CREATED {
                return (n, reason(&told));
            }
        }
        (most, String::new())
    }

    async fn games(&self, most: usize) -> (usize, String) {
        for n in 0..most {
            let game = json!({ "id": format!("g{n}"), "title": "Dead", "sources": ["test://ball?size=160x90&fps=25"] });
            let (status, told) = self.ask(self.operator, "/v1/operator/games", game).await;
            if status != StatusCode::CREATED {
                return (n, reason(&told));
            }
        }
        (most, String::new())
    }
}

fn reason(refusal: &Value) -> String {
    assert!(matches!(refusal["code"].as_str(), Some("capacity" | "rate_limited")), "{refusal}");
    refusal["reason"].as_str().unwrap_or_else(|| panic!("{refusal}")).to_owned()
}

fn is(expected: usize, why: &str) -> (usize, String) {
    (expected, why.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_takes_every_session_leaves_the_other_its_share() {
    let dir = tempfile::tempdir().unwrap();
    let service = TestService::start(&two(dir.path(), "[sessions]\nmax_sessions = 40\n")).await;
    let [greedy, other] = Tenant::both(&service);
    let body = json!({ "games": ["a"] });
    assert_eq!(greedy.sessions(100, &body).await, is(30, "share"));
    assert_eq!(other.sessions(100, &body).await, is(10, "sessions"));
    assert_eq!(service.metric("quadrille_admission_refused_total{reason=\"share\"}").await, 1.0);
    // Made and ended without end, they are still on the shelf.
    let first = service.send(Method::GET, "/v1/operator/sessions?limit=1000", "op-1", None).await;
    let first: Value = first.json().await.unwrap();
    for session in first["sessions"].as_array().unwrap() {
        let path = format!("/v1/sessions/{}", session["id"].as_str().unwrap());
        assert_eq!(service.send(Method::DELETE, &path, "dev-1", None).await.status(), StatusCode::NO_CONTENT);
    }
    for _ in 0..60 {
        let (status, told) = greedy.ask("dev-1", "/v1/sessions", body.clone()).await;
        if status != StatusCode::CREATED {
            assert_eq!(reason(&told), "share");
            break;
        }
        let path = format!("/v1/sessions/{}", told["id"].as_str().unwrap());
        service.send(Method::DELETE, &path, "dev-1", None).await;
    }
    let ended = service.send(Method::GET, "/v1/operator/sessions?limit=1&state=active", "op-2", None).await;
    let ended: Value = ended.json().await.unwrap();
    let path = format!("/v1/sessions/{}", ended["sessions"][0]["id"].as_str().unwrap());
    service.send(Method::DELETE, &path, "dev-2", None).await;
    assert_eq!(other.sessions(1, &body).await, is(1, ""), "there is room for whoever has a share of it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_has_its_own_limits_and_each_is_told_by_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let mut limited = two(dir.path(), "");
    let limits = |max_games, max_mosaics, max_egress_mbps, max_sessions| TenantLimits {
        max_sessions,
        session_starts_per_s: None,
        max_mosaics,
        max_games,
        max_decoding_millicores: None,
        max_egress_mbps,
    };
    limited.tenants[0].limits = limits(Some(2), Some(1), Some(4), None);
    limited.tenants[1].limits = limits(None, None, None, Some(9));
    let service = TestService::start(&limited).await;
    let [acme, other] = Tenant::both(&service);
    assert_eq!(acme.games(4).await, is(2, "tenant_games"));
    // The best rendition has 1 Mb/s, and sound 128 kb/s: three sessions are less than 4 Mb/s.
    assert_eq!(acme.sessions(9, &json!({ "games": ["a"] })).await, is(3, "tenant_egress"));
    assert_eq!(other.sessions(8, &json!({ "games": ["a"] })).await, is(8, ""));
    assert_eq!(other.games(4).await, is(4, ""));
    let listed: Value = service.send(Method::GET, "/v1/operator/sessions", "op-1", None).await.json().await.unwrap();
    for session in listed["sessions"].as_array().unwrap() {
        service.send(Method::DELETE, &format!("/v1/sessions/{}", session["id"].as_str().unwrap()), "dev-1", None).await;
    }
    let rendered = |games: Value| json!({ "games": games, "engine": "render" });
    assert_eq!(acme.sessions(1, &rendered(json!(["a"]))).await, is(1, ""));
    assert_eq!(acme.sessions(1, &rendered(json!(["a"]))).await, is(1, ""), "the same mosaic costs nothing more");
    assert_eq!(acme.sessions(1, &rendered(json!(["a", "g0"]))).await, is(0, "tenant_mosaics"));
    assert_eq!(other.sessions(9, &rendered(json!(["a", "g0"]))).await, is(1, "tenant_sessions"));
    // Whoever alone watches it may change it for another.
    let listed: Value =
        service.send(Method::GET, "/v1/operator/sessions?state=active", "op-1", None).await.json().await.unwrap();
    let ids: Vec<_> = listed["sessions"].as_array().unwrap().iter().map(|s| s["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 2);
    service.send(Method::DELETE, &format!("/v1/sessions/{}", ids[0]), "dev-1", None).await;
    let change = json!({ "games": ["g1"] });
    let changed = service.send(Method::PATCH, &format!("/v1/sessions/{}", ids[1]), "dev-1", Some(change)).await;
    assert_eq!(changed.status(), StatusCode::OK, "{}", changed.text().await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn rendered_mosaics_are_shared_out_where_there_is_a_number() {
    let dir = tempfile::tempdir().unwrap();
    let more = "[admission]\nmax_mosaics = 4\n[stitch]\nenabled = false\n";
    let service = TestService::start(&two(dir.path(), more)).await;
    let [greedy, other] = Tenant::both(&service);
    assert_eq!((greedy.games(4).await, other.games(4).await), (is(4, ""), is(4, "")));
    let mut begun = [0, 0];
    for (n, tenant) in [&greedy, &other].into_iter().enumerate() {
        for game in 0..4 {
            let body = json!({ "games": [format!("g{game}")] });
            begun[n] += tenant.sessions(1, &body).await.0;
        }
    }
    assert_eq!(begun, [3, 1]);
    let refused = greedy.sessions(1, &json!({ "games": ["g3"] })).await;
    assert_eq!(refused.0, 0);
}

/// What a game of the operator's says of itself once it says so.
async fn health(service: &TestService, id: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let begun = Instant::now();
    loop {
        let path = format!("/v1/operator/games/{id}");
        let health = service.operator(Method::GET, &path, None, StatusCode::OK).await["health"].clone();
        if wanted(&health) {
            return health;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{id}: {health}");
        service.crank(2).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_tenant_s_games_take_to_decode_has_a_limit_that_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("clip.mp4");
    // So small that what it takes is reckoned and not measured: 0.024 cores.
    Clip { width: 256, height: 144, fps: "25", ..Clip::new(1, 100, 500) }.write(&file);
    let clip = format!("file://{}", file.display());
    let mut limited = two(dir.path(), &format!("[sources]\nmedia_dirs = [{:?}]\n", dir.path()));
    limited.tenants[0].limits.max_decoding_millicores = Some(25);
    let service = TestService::start(&limited).await;
    let body = |source: &str| json!({ "title": "One", "sources": [source] });
    for id in ["first", "second"] {
        let mut game = body("test://ball?size=160x90&fps=25");
        game["id"] = id.into();
        service.operator(Method::POST, "/v1/operator/games", Some(game), StatusCode::CREATED).await;
    }
    let put = async |id: &str| {
        let path = format!("/v1/operator/games/{id}");
        service.operator(Method::PUT, &path, Some(body(&clip)), StatusCode::OK).await
    };
    put("first").await;
    health(&service, "first", |health| health["status"] == "live" && health["video"]["width"] == 256).await;
    put("second").await;
    let dark = health(&service, "second", |health| health["reason"] == "no_room").await;
    let said = dark["last_error"].as_str().unwrap();
    assert!(
        said.starts_with("no room: 256x144 at 25") && said.ends_with("cores to decode, and 0.025 is its limit"),
        "{said}"
    );
    let begun = Instant::now();
    let mut capacity = Value::Null;
    // One that is tried again wants nothing for a moment.
    while capacity["decoding"]["wanted"] != json!(0.047) {
        assert!(begun.elapsed() < Duration::from_secs(60), "{capacity}");
        service.crank(2).await;
        capacity = service.operator(Method::GET, "/v1/operator/capacity", None, StatusCode::OK).await;
    }
    let decoding = &capacity["decoding"];
    assert_eq!((&decoding["limit"], &capacity["share"]), (&json!(0.025), &Value::Null), "{capacity}");
    assert_eq!(decoding["taken"], json!(0.024), "{capacity}");
    let [acme, other] = Tenant::both(&service);
    assert_eq!(acme.games(1).await, is(0, "tenant_decoding"));
    assert_eq!(other.games(1).await, is(1, ""));
    assert_eq!(service.metric("quadrille_admission_refused_total{reason=\"tenant_decoding\"}").await, 1.0);
    let sample = "quadrille_tenant_decoding_cores{tenant=\"acme\"} 0.023";
    // Told once a second.
    while !service.text("/metrics").await.contains(sample) {
        assert!(begun.elapsed() < Duration::from_secs(60), "{sample}");
        service.crank(2).await;
    }
    // What it had is there again once it is gone.
    service.operator(Method::DELETE, "/v1/operator/games/first", None, StatusCode::NO_CONTENT).await;
    health(&service, "second", |health| health["status"] == "live").await;
}
