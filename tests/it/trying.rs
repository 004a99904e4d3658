//! Sources that are tried before there is a game with them: what is told of them, and that nothing of them stays.

use std::path::Path;
use std::time::{Duration, Instant};

use quadrille::config::Config;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::barcode::Clip;
use crate::support::captioned::{self, PopOn};
use crate::support::service::{OPERATOR, TestService, config};

const TRY: &str = "/v1/operator/sources/try";
const GAMES: &str = "/v1/operator/games";

/// Real time that a place may take to become free.
const PATIENCE: Duration = Duration::from_secs(60);

fn one_game(data_dir: &Path) -> Config {
    config(data_dir, &[("a", "test://ball?size=160x90&fps=30".to_owned())], "")
}

/// What is answered when a source is tried, while time goes on.
async fn tried(service: &TestService, body: Value, status: StatusCode) -> Value {
    let mut asked = std::pin::pin!(service.operator(Method::POST, TRY, Some(body), status));
    loop {
        tokio::select! {
            biased;
            told = &mut asked => return told,
            () = service.crank(2) => {}
        }
    }
}

async fn games(service: &TestService) -> usize {
    service.operator(Method::GET, GAMES, None, StatusCode::OK).await.as_array().unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_is_tried_and_told_with_its_picture_and_nothing_of_it_stays() {
    let dir = tempfile::tempdir().unwrap();
    let service = TestService::start(&one_game(dir.path())).await;
    service.crank_segments(1).await;
    let source = "test://smpte?size=320x180&fps=30&tone=440&captions=en";
    let told = tried(&service, json!({ "source": source }), StatusCode::OK).await;
    assert_eq!(
        (&told["works"], &told["reason"], &told["source"]),
        (&json!(true), &Value::Null, &json!(source)),
        "{told}"
    );
    assert_eq!((&told["video"]["width"], &told["video"]["height"]), (&json!(320), &json!(180)), "{told}");
    assert_eq!(told["texts"], json!([{ "id": "en", "language": "en", "kind": "captions" }]), "{told}");
    assert_eq!((&told["sounds"][0]["id"], told["sounds"].as_array().unwrap().len()), (&json!("main"), 1), "{told}");
    assert!(told["thumbnail"].as_str().unwrap().starts_with("data:image/jpeg;base64,/9j/"), "{told}");
    assert!((3000..25_000).contains(&told["took_ms"].as_u64().unwrap()), "{told}");
    assert_eq!(games(&service).await, 1);
    service.crank_segments(1).await;
    assert_eq!(service.metric("quadrille_feeds{status=\"live\"}").await, 1.0);
    assert!(!service.text("/metrics").await.contains("trial"), "it has no figures of its own");
    let noted = service.operator(Method::GET, "/v1/operator/audit", None, StatusCode::OK).await;
    assert_eq!((&noted["entries"][0]["path"], &noted["entries"][0]["status"]), (&json!(TRY), &json!(200)), "{noted}");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_told_with_container_codecs_sound_and_captions() {
    let dir = tempfile::tempdir().unwrap();
    let clip = Clip { width: 640, height: 360, ..Clip::new(7, 240, 400) };
    let captions = [PopOn { shows: 10, ends: 100, text: "HELLO", row: 15 }];
    let file = captioned::write(&dir.path().join("clip"), &clip, &captions);
    let service = TestService::start(&one_game(dir.path())).await;
    service.crank(4).await;
    let told = tried(&service, json!({ "source": format!("file://{}", file.display()) }), StatusCode::OK).await;
    assert_eq!((&told["works"], &told["container"]), (&json!(true), &json!("mpeg-ts")), "{told}");
    assert_eq!((&told["video"]["codec"], &told["video"]["fps"]), (&json!("h264"), &json!(30.0)), "{told}");
    assert_eq!((&told["audio"]["codec"], &told["audio"]["sample_rate"]), (&json!("aac"), &json!(48_000)), "{told}");
    assert_eq!(told["texts"][0]["kind"], "captions", "{told}");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_fails_says_why_and_one_that_may_not_be_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let service = TestService::start(&one_game(dir.path())).await;
    service.crank(4).await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let secret = format!("http://bob:hunter2@127.0.0.1:{closed}/a.m3u8?token=hunter2");
    let told = tried(&service, json!({ "source": secret }), StatusCode::OK).await;
    assert_eq!((&told["works"], &told["reason"]), (&json!(false), &json!("unreachable")), "{told}");
    assert!(told["detail"].as_str().is_some_and(|text| text.len() > 10) && told["thumbnail"].is_null(), "{told}");
    assert!(!told.to_string().contains("hunter2"), "{told}");
    let nothing = dir.path().join("nothing.mp4");
    let told = tried(&service, json!({ "source": format!("file://{}", nothing.display()) }), StatusCode::OK).await;
    assert_eq!((&told["works"], &told["reason"]), (&json!(false), &json!("failed")), "{told}");
    assert!(told["detail"].as_str().unwrap().contains("cannot be opened"), "{told}");

    for (source, status, code) in [
        ("file:///etc/passwd", StatusCode::UNPROCESSABLE_ENTITY, "source_forbidden"),
        ("http://169.254.169.254/latest", StatusCode::UNPROCESSABLE_ENTITY, "source_forbidden"),
        ("gopher://old", StatusCode::UNPROCESSABLE_ENTITY, "source_invalid"),
    ] {
        let refused = service.operator(Method::POST, TRY, Some(json!({ "source": source })), status).await;
        assert_eq!((&refused["code"], &refused["field"]), (&json!(code), &json!("source")), "{source}: {refused}");
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_game_s_own_source_is_tried_masked_and_its_port_is_not_taken_from_it() {
    let dir = tempfile::tempdir().unwrap();
    let service = TestService::start(&one_game(dir.path())).await;
    service.crank(4).await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let listens = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let sources = [format!("http://127.0.0.1:{closed}/a.m3u8?token=hunter2"), format!("udp://127.0.0.1:{listens}")];
    let game = json!({ "id": "g", "title": "G", "sources": sources });
    service.operator(Method::POST, GAMES, Some(game), StatusCode::CREATED).await;
    let masked = format!("http://127.0.0.1:{closed}/a.m3u8?token=…");
    let told = tried(&service, json!({ "source": masked, "game": "g" }), StatusCode::OK).await;
    assert_eq!((&told["source"], &told["reason"]), (&json!(masked), &json!("unreachable")), "{told}");
    for body in [json!({ "source": sources[1], "game": "g" }), json!({ "source": sources[1] })] {
        let refused = service.operator(Method::POST, TRY, Some(body), StatusCode::CONFLICT).await;
        assert_eq!((&refused["code"], &refused["field"]), (&json!("source_in_use"), &json!("source")), "{refused}");
    }
    let of_configuration = json!({ "source": "test://ball", "game": "a" });
    let refused = service.operator(Method::POST, TRY, Some(of_configuration), StatusCode::CONFLICT).await;
    assert_eq!(refused["code"], "game_read_only");
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_source_is_tried_at_a_time_and_who_goes_away_frees_the_place() {
    let dir = tempfile::tempdir().unwrap();
    let service = TestService::start(&one_game(dir.path())).await;
    service.crank(4).await;
    let source = json!({ "source": "test://ball?size=160x90&fps=30" });
    {
        // Time stands still: the one that is tried comes to no end, and the other is refused at once.
        let mut one = std::pin::pin!(service.send(Method::POST, TRY, OPERATOR, Some(source.clone())));
        let mut other = std::pin::pin!(service.send(Method::POST, TRY, OPERATOR, Some(source.clone())));
        let refused = tokio::select! { first = &mut one => first, first = &mut other => first };
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(refused.json::<Value>().await.unwrap()["code"], "capacity");
    }
    // Both connections are gone.
    let began = Instant::now();
    loop {
        assert!(began.elapsed() < PATIENCE, "the place is not free");
        let mut asked = std::pin::pin!(service.send(Method::POST, TRY, OPERATOR, Some(source.clone())));
        let answer = loop {
            tokio::select! {
                biased;
                answer = &mut asked => break answer,
                () = service.crank(2) => {}
            }
        };
        if answer.status() == StatusCode::OK {
            assert_eq!(answer.json::<Value>().await.unwrap()["works"], true);
            break;
        }
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
    service.stop().await;
}
