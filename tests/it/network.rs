//! How the service meets those who ask it: what it is called outside, listeners, headers of pages, modes of files.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use axum::body::Body;
use reqwest::StatusCode;
use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit, umask};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::api_service::{Service, with_key};
use crate::support::program::{Program, write_config};
use crate::support::service::{SMALL_OUTPUT, TestService, config};

#[tokio::test]
async fn whole_addresses_begin_with_the_configured_one_and_nobody_s_word_is_taken_for_another() {
    let service = Service::start_said("public_base_url = \"https://tv.example\"").await;
    let session = service.session(&["a"]).await;
    let url = session["playback_url"].as_str().unwrap();
    assert!(url.starts_with("https://tv.example/v1/play/"), "{url}");
    let listed = service.get("/v1/operator/sessions", "op-acme").await.ok(200).json();
    assert_eq!(listed["sessions"][0]["playback_url"], session["playback_url"]);
    let opened = service.get("/v1/multiview.m3u8?games=a&key=dev-acme", "").await.ok(302);
    assert!(opened.header("location").starts_with("https://tv.example/v1/play/"), "{opened:?}");
    let games = service.get("/v1/games", "dev-acme").await.ok(200).json();
    assert!(games[0]["thumbnail_url"].as_str().unwrap().starts_with("https://tv.example/v1/media/thumb/"), "{games}");

    // Over a router there is no other end of a connection that could be trusted.
    let service = Service::start_said("trusted_proxies = [\"0.0.0.0/0\"]").await;
    let lied = [("x-forwarded-host", "evil.example"), ("forwarded", "host=evil.example;proto=https")];
    let made = service.tell("POST", "/v1/sessions", "dev-acme", &lied, json!({ "games": ["a"] })).await.ok(201);
    assert!(made.json()["playback_url"].as_str().unwrap().starts_with("http://tv.example:8080/v1/play/"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_is_believed_where_the_configuration_names_it() {
    for (trusted, expected) in [("[\"127.0.0.0/8\"]", "https://tv.example/v1/play/"), ("[\"10.0.0.1\"]", "http://127.")]
    {
        let dir = tempfile::tempdir().unwrap();
        let head = format!("trusted_proxies = {trusted}");
        let program = Program::serve(&write_config(dir.path(), &dir.path().join("data"), &head, ""));
        let request = reqwest::Client::new()
            .post(format!("http://{}/v1/sessions", program.address))
            .bearer_auth("dev-1")
            .header("forwarded", "for=198.51.100.7;host=tv.example;proto=https")
            .json(&json!({ "games": ["a"] }));
        let session: Value = request.send().await.unwrap().json().await.unwrap();
        let url = session["playback_url"].as_str().unwrap();
        assert!(url.starts_with(expected), "{trusted}: {url}");
        let logged = program.whole_log();
        assert_eq!(logged.contains("198.51.100.7"), expected.starts_with("https"), "{logged}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_says_for_no_host_or_two_and_what_is_packed_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let service = TestService::start(&config(dir.path(), &[], SMALL_OUTPUT)).await;
    let address = service.base.strip_prefix("http://").unwrap().to_owned();
    let ask = async |hosts: &str, version: &str| {
        let mut stream = TcpStream::connect(&address).await.unwrap();
        let said = format!("GET /healthz HTTP/{version}\r\n{hosts}Connection: close\r\n\r\n");
        stream.write_all(said.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    assert!(ask("Host: a\r\n", "1.1").await.starts_with("HTTP/1.1 200 "));
    assert!(ask("", "1.0").await.starts_with("HTTP/1.0 200 "), "there it need not stand");
    for hosts in ["", "Host: a\r\nHost: a\r\n", "Host: a\r\nHost: b\r\n"] {
        let answer = ask(hosts, "1.1").await;
        assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("\"host_invalid\""), "{hosts}: {answer}");
    }
    for (path, key, kind) in [("sessions", "dev-1", "application/json"), ("operator/assets", "op-1", "image/png")] {
        let packed = reqwest::Client::new()
            .post(format!("{}/v1/{path}", service.base))
            .bearer_auth(key)
            .header("content-type", kind)
            .header("content-encoding", "gzip")
            .body(&b"\x1f\x8b"[..]);
        let refused = packed.send().await.unwrap();
        assert_eq!(refused.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE, "{path}");
        assert_eq!(refused.headers()["accept-encoding"], "identity", "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_and_health_are_where_the_configuration_says_and_nowhere_else() {
    const TINY: &str = "[output]\nfps = \"25\"\nsegment_frames = 25\nwindow_s = 6\n\
        [[output.renditions]]\nname = \"tiny\"\nwidth = 384\nheight = 216\nbitrate = 100_000\n";
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path(), &[("a", "test://ball?size=160x90&fps=25".to_owned())], TINY);
    config.network.admin_listen = Some("127.0.0.1:0".parse().unwrap());
    let service = TestService::start(&config).await;
    let admin = format!("http://{}", service.service.admin_address().unwrap());
    let status = async |base: &str, path: &str| reqwest::get(format!("{base}{path}")).await.unwrap().status();
    for path in ["/metrics", "/healthz", "/readyz"] {
        assert_eq!(status(&service.base, path).await, StatusCode::NOT_FOUND, "{path}");
        assert_ne!(status(&admin, path).await, StatusCode::NOT_FOUND, "{path}");
    }
    assert!(
        reqwest::get(format!("{admin}/metrics")).await.unwrap().text().await.unwrap().contains("quadrille_sessions")
    );
    for path in ["/v1/games", "/openapi.json", "/operator", "/"] {
        assert_eq!(status(&admin, path).await, StatusCode::NOT_FOUND, "{path}");
    }
    service.stop().await;
    assert!(reqwest::get(format!("{admin}/healthz")).await.is_err(), "both end");
}

#[tokio::test]
async fn pages_are_in_no_frame_run_nothing_inline_and_tell_nobody_where_they_lead() {
    let service = Service::start().await;
    for path in ["/", "/operator", "/docs"] {
        let page = service.send(with_key("GET", path, "").body(Body::empty()).unwrap()).await;
        if page.status == 404 {
            assert!(page.text().contains("built without its pages") || path != "/", "{page:?}");
            continue;
        }
        let policy = page.header("content-security-policy");
        for said in [
            "default-src 'self'",
            "script-src 'self'",
            "style-src 'self'",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ] {
            assert!(policy.split(';').any(|directive| directive.trim() == said), "{path}: {said} is not in {policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("x-frame-options", "DENY"),
            ("cross-origin-opener-policy", "same-origin"),
        ] {
            assert_eq!(page.header(name), value, "{path}");
        }
        assert!(page.header("permissions-policy").contains("camera=()"), "{page:?}");
        assert_eq!(page.header("strict-transport-security"), "", "it did not come over TLS");
    }
}

#[tokio::test]
async fn a_tenant_that_starts_too_much_is_told_when_to_come_again() {
    let service = Service::start_of_limits("session_starts_per_s = 1").await;
    let start = || service.post("/v1/sessions", "dev-acme", json!({ "games": ["a"] }));
    start().await.ok(201);
    let mut refused = None;
    // One a second: of a hundred at once hardly two are let in, however slow this machine is.
    for _ in 0..100 {
        let answer = start().await;
        if answer.status == 429 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("nobody was refused");
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(refused.refused(429, "rate_limited")["reason"], "starts");
    service.post("/v1/sessions", "dev-other", json!({ "games": ["a"] })).await.ok(201);
    assert!(service.metrics.admission_refused.with_label_values(&["starts"]).get() >= 1);
}

/// What below `path` others than its owner may read or write.
fn open_to_others(path: &Path) -> Vec<String> {
    let about = std::fs::symlink_metadata(path).unwrap();
    let mode = about.permissions().mode() & 0o777;
    let mut open: Vec<_> = (mode & 0o077 != 0).then(|| format!("{} {mode:o}", path.display())).into_iter().collect();
    if about.is_dir() {
        open.extend(std::fs::read_dir(path).unwrap().flat_map(|entry| open_to_others(&entry.unwrap().path())));
    }
    open
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_is_the_service_s_alone_whatever_the_umask_and_what_is_wider_is_said() {
    const WIDER: &str = "others may read or change what is in it";
    // Of this process alone: each test has its own.
    umask(Mode::empty());
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let start_over = "[start_over]\nwindow_s = 60\ngigabytes = 1\n";
    let path = write_config(dir.path(), &data, "", start_over);
    let program = Program::serve(&path);
    program.create(&["a"]).await;
    crate::support::program::until("a segment on the disk", async || {
        (program.metric("quadrille_shelf_bytes").await > 0.0).then_some(())
    })
    .await;
    assert_eq!(open_to_others(&data), Vec::<String>::new());
    assert_eq!(program.logged(WIDER), 0);
    program.kill();
    std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o755)).unwrap();
    let program = Program::serve(&path);
    assert_eq!(program.logged(WIDER), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limit_of_open_files_is_raised_and_one_that_is_too_low_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let path = write_config(dir.path(), &dir.path().join("data"), "", "");
    let now = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(512), maximum: Some(2_000.min(now.maximum.unwrap_or(2_000))) })
        .unwrap();
    let program = Program::serve(&path);
    assert_eq!(program.logged("the limit of open files is raised"), 1);
    assert_eq!(program.logged("the limit of open files is too low for connections.max"), 1);
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", program.id())).unwrap();
    let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let numbers: Vec<_> = files.split_whitespace().filter_map(|word| word.parse::<u64>().ok()).collect();
    assert_eq!(numbers[0], numbers[1], "{files}");
}
