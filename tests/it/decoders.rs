//! What operators are told of the processes that decode: what they take, why they were ended, and what of a source was refused.

use std::time::{Duration, Instant};

use quadrille::config::Feeds;
use reqwest::{Method, StatusCode};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::support::barcode::Clip;
use crate::support::hostile_streams::h264_of;
use crate::support::service::{TestService, config};

const PATIENCE: Duration = Duration::from_secs(60);

/// Plays until `there` is true of a game's health.
async fn until(service: &TestService, id: &str, what: &str, there: impl Fn(&Value) -> bool) -> Value {
    let begun = Instant::now();
    loop {
        service.crank(4).await;
        let path = format!("/v1/operator/games/{id}");
        let health = service.operator(Method::GET, &path, None, StatusCode::OK).await["health"].take();
        if there(&health) {
            return health;
        }
        assert!(begun.elapsed() < PATIENCE, "{what}: {health}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The process that decodes, of which there is one.
fn decoder() -> Pid {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let children = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    let ids: Vec<i32> =
        children.flat_map(|ids| ids.split_whitespace().map(|id| id.parse().unwrap()).collect::<Vec<_>>()).collect();
    assert_eq!(ids.len(), 1);
    Pid::from_raw(ids[0]).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_games_health_tells_what_its_process_takes_and_why_one_was_ended() {
    let dir = tempfile::tempdir().unwrap();
    let clip = dir.path().join("good.mp4");
    Clip { width: 320, height: 180, ..Clip::new(1, 60, 500) }.write(&clip);
    let mut config = config(dir.path(), &[("a", format!("file://{}", clip.display()))], "");
    config.feeds = Feeds::Apart;
    let service = TestService::start(&config).await;
    // What was looked at as it began says nothing yet.
    let has_begun = |decoder: &Value| decoder["memory_bytes"].as_u64().is_some_and(|bytes| bytes >= 1 << 20);
    let plays = |health: &Value| health["status"] == "live" && has_begun(&health["decoder"]);
    let health = until(&service, "a", "it plays", plays).await;
    assert_eq!((&health["reason"], &health["last_error"]), (&Value::Null, &Value::Null));
    let told = &health["decoder"];
    assert_eq!((&told["ended"], &told["restarts"]), (&Value::Null, &json!(0)));
    // More than a program that does nothing, less than it may have.
    let memory = told["memory_bytes"].as_u64().unwrap();
    assert!((1 << 20..1 << 30).contains(&memory), "{memory}");
    let walls: Vec<_> = told["missing_walls"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(walls.iter().all(|wall| ["control_group", "landlock"].contains(wall)), "{walls:?}");
    let busy = |health: &Value| health["decoder"]["cores"].as_f64().is_some_and(|cores| cores > 0.0 && cores < 16.0);
    until(&service, "a", "it takes of a processor", busy).await;
    for (n, (signal, why, said)) in
        [(Signal::KILL, "died", "signal 9"), (Signal::STOP, "hung", "hangs")].into_iter().enumerate()
    {
        kill_process(decoder(), signal).unwrap();
        let again = |health: &Value| health["decoder"]["restarts"] == n + 1 && plays(health);
        let health = until(&service, "a", "another one decodes", again).await;
        assert_eq!((&health["decoder"]["ended"], &health["reason"]), (&json!(why), &Value::Null), "{health}");
        let error = health["last_error"].as_str().unwrap();
        assert!(error.contains(said), "{error}");
        assert_eq!(service.metric(&format!("quadrille_decoders_ended_total{{reason=\"{why}\"}}")).await, 1.0);
    }
    assert_eq!(service.metric("quadrille_decoders").await, 1.0);
    assert!(service.metric("quadrille_decoders_memory_bytes").await > 0.0);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_games_health_tells_what_of_its_source_was_refused() {
    for feeds in [Feeds::Inside, Feeds::Apart] {
        let dir = tempfile::tempdir().unwrap();
        let large = dir.path().join("large.ts");
        std::fs::write(&large, h264_of(16_384, 16_384)).unwrap();
        let mut config = config(dir.path(), &[("large", format!("file://{}", large.display()))], "");
        config.feeds = feeds;
        let service = TestService::start(&config).await;
        let health = until(&service, "large", "it is refused", |health| health["reason"] == "too_large").await;
        let error = health["last_error"].as_str().unwrap();
        assert!(error.contains("16384x16384") && error.contains("4096x2304"), "{error}");
        assert_eq!((&health["status"], health["decoder"].is_null()), (&json!("slate"), feeds == Feeds::Inside));
        service.stop().await;
    }
}
