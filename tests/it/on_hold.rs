//! A machine that is short sheds the game that was added last, of the tenant that has most, says so, and takes it up again.

use std::time::{Duration, Instant};

use quadrille::timeline::Clock;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::service::{TestService, config};

const NEWEST: &str = "/v1/operator/games/newest";

async fn game(service: &TestService, id: &str) -> Value {
    service.operator(Method::GET, &format!("/v1/operator/games/{id}"), None, StatusCode::OK).await["health"].clone()
}

/// Cranks until the game's health is as `wanted` says: its supervisor takes a moment of real time.
async fn until(service: &TestService, id: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let begun = Instant::now();
    loop {
        let health = game(service, id).await;
        if wanted(&health) {
            return health;
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "{id}: {health}");
        service.crank(4).await;
    }
}

/// The clock leaps by a second, so that every tick is late, and what is done every second is done once.
async fn late(service: &TestService) {
    let frame = service.grid.frame_at(service.clock.now()) + u64::from(service.grid.segment_frames());
    service.clock.advance_to(service.grid.frame_time(frame));
    let begun = Instant::now();
    while service.service.position() <= frame || !service.service.is_settled() {
        assert!(begun.elapsed() < Duration::from_secs(30), "frame {frame} does not tick");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    service.service.sweep().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_game_gives_way_to_those_before_it_and_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let games = [("old", "test://ball?size=160x90".to_owned()), ("older", "test://smpte?size=160x90".to_owned())];
    let service = TestService::start(&config(dir.path(), &games, "")).await;
    let newest = json!({"id": "newest", "title": "Newest", "sources": ["test://snow?size=160x90"]});
    service.operator(Method::POST, "/v1/operator/games", Some(newest), StatusCode::CREATED).await;
    until(&service, "newest", |health| health["status"] == "live").await;
    assert_eq!(service.metric("quadrille_feeds_on_hold").await, 0.0);

    for _ in 0..4 {
        late(&service).await;
    }
    assert_eq!(game(&service, "newest").await["status"], "live", "a hiccup costs nobody anything");
    for _ in 0..8 {
        late(&service).await;
    }
    let held = until(&service, "newest", |health| health["reason"] == "on_hold").await;
    assert_eq!(held["status"], "slate", "{held}");
    assert!(held["last_error"].as_str().unwrap().contains("added last"), "{held}");
    assert_eq!(held["reconnects"], 0, "nothing is wrong with its source");
    for id in ["old", "older"] {
        assert_eq!(game(&service, id).await["status"], "live", "{id}");
    }
    assert_eq!(service.metric("quadrille_feeds_on_hold").await, 1.0);
    assert_eq!(service.metric("quadrille_feed_holds_total{game=\"acme/newest\"}").await, 1.0);

    // However late it goes on to be: half of three.
    for _ in 0..15 {
        late(&service).await;
    }
    assert_eq!(service.metric("quadrille_feeds_on_hold").await, 1.0);
    service.crank_segments(8).await;
    assert_eq!(game(&service, "newest").await["reason"], "on_hold", "it rests");
    service.crank_segments(60).await;
    until(&service, "newest", |health| health["status"] == "live" && health["reason"].is_null()).await;
    assert_eq!(service.metric("quadrille_feeds_on_hold").await, 0.0);

    // A game that is gone is held no longer.
    for _ in 0..12 {
        late(&service).await;
    }
    assert_eq!(service.metric("quadrille_feed_holds_total{game=\"acme/newest\"}").await, 2.0);
    service.operator(Method::DELETE, NEWEST, None, StatusCode::NO_CONTENT).await;
    service.crank_segments(1).await;
    assert_eq!(service.metric("quadrille_feeds_on_hold").await, 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_with_many_games_gives_way_before_another_with_a_newer_one() {
    const SMALL: &str = "[output]\nfps = \"25\"\nsegment_frames = 25\nwindow_s = 6\npreset = \"ultrafast\"\n\
        [[output.renditions]]\nname = \"tiny\"\nwidth = 384\nheight = 216\nbitrate = 1_000_000\n";
    let dir = tempfile::tempdir().unwrap();
    let other = "[[tenants]]\nid = \"other\"\noperator_keys = [\"op-2\"]\ndevice_keys = [\"dev-2\"]\n";
    let shared = [("shared", "test://smpte?size=160x90&fps=25".to_owned())];
    let service = TestService::start(&config(dir.path(), &shared, &format!("{SMALL}{other}"))).await;
    let register = async |key: &str, id: &str| {
        let game = json!({"id": id, "title": id, "sources": ["test://ball?size=160x90&fps=25"]});
        let answer = service.send(Method::POST, "/v1/operator/games", key, Some(game)).await;
        assert_eq!(answer.status(), StatusCode::CREATED);
    };
    let many = ["g0", "g1", "g2", "g3"];
    for id in many {
        register("op-1", id).await;
    }
    // Newest of all.
    register("op-2", "only").await;
    let health = async |key: &str, id: &str| {
        let answer = service.send(Method::GET, &format!("/v1/operator/games/{id}"), key, None).await;
        answer.json::<Value>().await.unwrap()["health"].clone()
    };
    for id in many {
        until(&service, id, |health| health["status"] == "live").await;
    }
    for _ in 0..60 {
        late(&service).await;
    }
    for id in ["g1", "g2", "g3"] {
        let held = until(&service, id, |health| health["reason"] == "on_hold").await;
        assert!(held["last_error"].as_str().unwrap().contains("of the tenant that takes most"), "{held}");
    }
    assert_eq!(service.metric("quadrille_feeds_on_hold").await, 3.0, "half of six, and no other's");
    assert_eq!(health("op-2", "only").await["status"], "live");
    for id in ["g0", "shared"] {
        assert_eq!(game(&service, id).await["status"], "live", "{id}");
    }
    for (key, on_hold) in [("op-1", 3), ("op-2", 0)] {
        let answer = service.send(Method::GET, "/v1/operator/capacity", key, None).await;
        let capacity: Value = answer.json().await.unwrap();
        assert_eq!(capacity["games_on_hold"], on_hold, "{capacity}");
    }
}
