//! Rights of games, seen from outside: what may not be shown is refused, and turns into a card where it is shown, while the rest plays on.

use std::path::Path;

use quadrille::config::Config;
use quadrille::timeline::Clock as _;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::breaks::{Seen, TONES, clip, create, heard, play, poll, runs, seen_in, watched};
use crate::support::service::{DEVICE, OPERATOR, SMALL_OUTPUT, TestService, config};

/// No game of the configuration: rights are changed over REST.
fn settings(dir: &Path, more: &str) -> Config {
    let output = SMALL_OUTPUT.replace("window_s = 10", "window_s = 40");
    config(&dir.join("data"), &[], &format!("{more}{output}"))
}

/// Registers game `id`, with clip `number`, or changes its rights.
async fn put(service: &TestService, dir: &Path, (id, number): (&str, u8), rights: Value, status: StatusCode) -> Value {
    let path = dir.join(format!("{number}.mp4"));
    if !path.exists() {
        clip(number, 1500, TONES[usize::from(number)]).write(&path);
    }
    let source = format!("file://{}", path.display());
    let body = json!({ "title": format!("Game {id}"), "sources": [source], "rights": rights });
    service.operator(Method::PUT, &format!("/v1/operator/games/{id}"), Some(body), status).await
}

async fn two_games(dir: &Path, more: &str) -> TestService {
    let service = TestService::start(&settings(dir, more)).await;
    for game in [("a", 0), ("b", 1)] {
        put(&service, dir, game, Value::Null, StatusCode::CREATED).await;
    }
    service.crank_segments(3).await;
    service
}

fn instant(service: &TestService, ahead_s: u64) -> String {
    (service.clock.now() + std::time::Duration::from_secs(ahead_s)).to_string()
}

fn moving(seen: &Seen) -> Vec<(Option<u8>, u32, u32, usize)> {
    runs(seen).into_iter().filter(|(.., count)| *count > 1).collect()
}

/// A window that closes while `engine` shows the game: a card, silence, and the other game frame by frame.
async fn a_window_closes(engine: &str) {
    let dir = tempfile::tempdir().unwrap();
    let service = two_games(dir.path(), "").await;
    let asked = |audio: &str| json!({ "games": ["a", "b"], "audio": audio, "engine": engine });
    let session = create(&service, asked("b")).await;
    play(&service, &[&session], 6).await;
    let until = instant(&service, 6);
    let told = put(&service, dir.path(), ("b", 1), json!({ "until": until }), StatusCode::OK).await;
    assert_eq!(told["rights"]["until"], until.as_str());
    assert_eq!(told["rights"]["regions"], Value::Null);
    play(&service, &[&session], 14).await;
    let playlist = poll(&service, &session).await;
    assert!(!playlist.contains("DISCONTINUITY") && !playlist.contains("EXT-X-GAP"), "{playlist}");
    assert!(service.metric("quadrille_restricted_slots").await > 0.0);
    let path = format!("/v1/sessions/{}", session["id"].as_str().unwrap());
    let view = service.device(Method::GET, &path, None, StatusCode::OK).await;
    let restricted: Vec<&Value> = view["slots"].as_array().unwrap().iter().map(|slot| &slot["restricted"]).collect();
    assert_eq!(restricted, [&Value::Null, &json!("no_longer")]);
    // Nobody else is given it, and nothing of it is listed any more.
    let refused = service.send(Method::POST, "/v1/sessions", DEVICE, Some(asked("b"))).await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    let refused: Value = refused.json().await.unwrap();
    assert_eq!((&refused["code"], &refused["reason"]), (&json!("game_restricted"), &json!("no_longer")));
    let games = service.device(Method::GET, "/v1/games", None, StatusCode::OK).await;
    assert_eq!(games.as_array().unwrap().len(), 1);

    let (seen, sound) = watched(&service, &session, &[seen_in("2EH", 0), seen_in("2EH", 1)]).await;
    assert!(matches!(moving(&seen[0])[..], [(Some(0), ..)]), "the other game goes on: {:?}", runs(&seen[0]));
    let its = moving(&seen[1]);
    let [(Some(1), _, _, lit), (None, _, _, dark)] = its[..] else { panic!("{its:?}") };
    assert!(lit > 8 * 30 && dark > 6 * 30 && (dark % 30 == 0 || engine == "render"), "to the segment: {its:?}");
    let mut tones = heard(&sound);
    tones.dedup();
    let after: Vec<_> = tones.iter().skip_while(|tone| tone.is_none()).collect();
    assert_eq!(after, [&Some(TONES[1]), &None], "{tones:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_closes_in_a_stitched_mosaic() {
    a_window_closes("stitch").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_window_closes_in_a_rendered_mosaic() {
    a_window_closes("render").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_is_withdrawn_given_back_and_outlives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let settings = settings(dir.path(), "");
    let service = two_games(dir.path(), "").await;
    let abroad = create(&service, json!({ "games": ["a", "b"], "region": "FR", "device_class": "tv" })).await;
    assert_eq!((&abroad["region"], &abroad["device_class"]), (&json!("FR"), &json!("tv")));
    play(&service, &[&abroad], 5).await;
    put(&service, dir.path(), ("b", 1), json!({ "regions": ["GB"] }), StatusCode::OK).await;
    play(&service, &[&abroad], 8).await;
    put(&service, dir.path(), ("b", 1), Value::Null, StatusCode::OK).await;
    play(&service, &[&abroad], 8).await;
    let (seen, _) = watched(&service, &abroad, &[seen_in("2EH", 0), seen_in("2EH", 1)]).await;
    assert!(matches!(moving(&seen[0])[..], [(Some(0), ..)]), "{:?}", runs(&seen[0]));
    let its = moving(&seen[1]);
    assert!(matches!(its[..], [(Some(1), ..), (None, ..), (Some(1), ..)]), "{its:?}");

    put(&service, dir.path(), ("b", 1), json!({ "regions": ["GB"], "device_classes": ["tv"] }), StatusCode::OK).await;
    let pictured = async |query: &str| {
        let games = service.device(Method::GET, &format!("/v1/games{query}"), None, StatusCode::OK).await;
        games.as_array().unwrap().iter().map(|game| game["thumbnail_url"].is_string()).collect::<Vec<_>>()
    };
    assert_eq!(pictured("?region=GB&device_class=tv").await, [true, true]);
    assert_eq!(pictured("?region=GB").await, [true, false], "a picture of it is shown to those alone who may see it");
    let at = service.stop().await;
    let service = TestService::start_at(&settings, at).await;
    let game = service.operator(Method::GET, "/v1/operator/games/b", None, StatusCode::OK).await;
    assert_eq!(game["rights"]["device_classes"], json!(["tv"]));
    let listed = async |query: &str| {
        let games = service.device(Method::GET, &format!("/v1/games{query}"), None, StatusCode::OK).await;
        games.as_array().unwrap().iter().map(|game| game["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(listed("?region=GB&device_class=tv").await, ["a", "b"]);
    assert_eq!(listed("").await, ["a", "b"], "who says nothing is not taken to be elsewhere");
    assert_eq!(listed("?region=FR").await, ["a"]);
    assert_eq!(listed("?device_class=phone").await, ["a"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_that_cannot_be_are_refused_with_the_field() {
    let dir = tempfile::tempdir().unwrap();
    let service = TestService::start(&settings(dir.path(), "")).await;
    for (rights, field) in [
        (json!({ "regions": ["UK"] }), "rights.regions[0]"),
        (json!({ "regions": [] }), "rights.regions"),
        (json!({ "device_classes": ["a b"] }), "rights.device_classes[0]"),
        (json!({ "from": "tomorrow" }), "rights.from"),
        (json!({ "from": "2026-11-27T22:00:00Z", "until": "2026-11-27T22:00:00Z" }), "rights.until"),
        (json!({ "countries": ["GB"] }), "rights.countries"),
    ] {
        let body = json!({ "id": "c", "title": "C", "sources": ["test://ball"], "rights": rights });
        let answer = service.send(Method::POST, "/v1/operator/games", OPERATOR, Some(body)).await;
        assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY, "{field}");
        let problem: Value = answer.json().await.unwrap();
        assert_eq!(problem["field"], field, "{problem}");
    }
    for (field, value) in [("region", "UK"), ("device_class", "a b")] {
        let body = json!({ "games": ["a"], field: value });
        let answer = service.send(Method::POST, "/v1/sessions", DEVICE, Some(body)).await;
        let problem: Value = answer.json().await.unwrap();
        assert_eq!((&problem["code"], &problem["field"]), (&json!("field_invalid"), &json!(field)));
    }
}
