//! Art that takes too long: refused in time, ended with whoever sent it, and in nobody's way.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use quadrille::config::Config;
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::skins::{grey, send};
use crate::support::service::{OPERATOR, SMALL_OUTPUT, TestService, config};

const OTHERS: &str = "[[tenants]]\nid = \"rival\"\noperator_keys = [\"op-2\"]\ndevice_keys = [\"dev-2\"]\n";

/// Real time in which anything here ends, also beside compilers.
const PATIENCE: Duration = Duration::from_secs(60);

fn configured(dir: &Path) -> Config {
    let source = "test://ball?size=160x90&fps=30&tone=300".to_owned();
    config(&dir.join("data"), &[("a", source)], &format!("{SMALL_OUTPUT}{OTHERS}"))
}

/// What stands in `<svg>`, followed by what makes it another file than all others.
fn svg(inside: &str, number: usize) -> Vec<u8> {
    let root = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"480\" height=\"270\">";
    format!("{root}{inside}</svg><!--{number}-->").into_bytes()
}

/// Masks, each of which is drawn twice by the one before it.
fn masks(depth: usize, number: usize, reference: impl Fn(usize) -> String) -> Vec<u8> {
    let classes: String = (0..depth).map(|n| format!(".m{n}{{mask:url(#m{n})}}")).collect();
    let rect = |n: usize, height: u32| {
        let inner = if n < depth { reference(n) } else { String::new() };
        format!("<rect width=\"480\" height=\"{height}\" fill=\"#fff\" {inner}/>")
    };
    let place = "maskUnits=\"userSpaceOnUse\" x=\"0\" y=\"0\" width=\"480\" height=\"270\"";
    let mask = |n: usize| format!("<mask id=\"m{n}\" {place}>{}{}</mask>", rect(n + 1, 200), rect(n + 1, 201));
    let all: String = (0..depth).map(mask).collect();
    svg(&format!("<style>{classes}</style><defs>{all}</defs>{}", rect(0, 270)), number)
}

/// By classes, whose references are in no attribute.
fn css_masks(depth: usize, number: usize) -> Vec<u8> {
    masks(depth, number, |n| format!("class=\"m{n}\""))
}

fn dashes(count: usize) -> Vec<u8> {
    let line = |n: usize| format!("<path d=\"M0 {n} H480000\" stroke=\"red\" stroke-dasharray=\"0.5\"/>");
    svg(&(0..count).map(line).collect::<String>(), 0)
}

/// Processes of this one that draw.
fn drawing() -> usize {
    let own = std::process::id().to_string();
    let is_one = |pid: &str| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let named = stat.split_once(") ").filter(|(head, _)| head.ends_with("(quadrille-art"));
        named.is_some_and(|(_, rest)| rest.split(' ').nth(1) == Some(&own))
    };
    let pids = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    pids.filter(|pid| pid.bytes().all(|b| b.is_ascii_digit()) && is_one(pid)).count()
}

async fn until(what: &str, is: impl Fn() -> bool) {
    let began = Instant::now();
    while !is() {
        assert!(began.elapsed() < PATIENCE, "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Sends a request, all of it, and leaves the connection open.
async fn post(service: &TestService, key: &str, path: &str, kind: &str, body: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(service.base.strip_prefix("http://").unwrap()).await.unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
    stream
}

async fn post_art(service: &TestService, body: &[u8]) -> TcpStream {
    post(service, OPERATOR, "/v1/operator/assets", "image/svg+xml", body).await
}

/// Statuses of what was posted at `path`, oldest first.
async fn noted(service: &TestService, path: &str) -> Vec<u64> {
    let page = service.operator(Method::GET, "/v1/operator/audit?limit=1000", None, StatusCode::OK).await;
    let entries = page["entries"].as_array().unwrap().iter();
    entries.filter(|e| e["path"] == path && e["method"] == "POST").map(|e| e["status"].as_u64().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_takes_too_long_is_refused_with_what_was_too_much_and_another_tenant_does_not_wait() {
    let dir = tempfile::tempdir().unwrap();
    let service = TestService::start(&configured(dir.path())).await;
    let bombs = [
        ("masks by classes", css_masks(24, 0)),
        ("masks by attributes", masks(8, 0, |n| format!("mask=\"url(#m{n})\""))),
        ("dashes", dashes(300)),
    ];
    for (what, bomb) in bombs {
        let began = Instant::now();
        let refused = send(&service, OPERATOR, bomb, "image/svg+xml");
        let other = async {
            until("nothing is drawn", || drawing() > 0).await;
            let level = what.len() as u8;
            send(&service, "op-2", grey(level), "image/png").await
        };
        let ((status, problem), (taken, asset)) = tokio::join!(refused, other);
        assert_eq!((status.as_u16(), &problem["code"]), (422, &json!("asset_invalid")), "{what}: {problem}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.starts_with("The SVG takes more than "), "{what}: {detail}");
        assert!(began.elapsed() < PATIENCE, "{what}: {:?}", began.elapsed());
        assert_eq!(taken, StatusCode::CREATED, "{what}: {asset}");
    }
    assert_eq!(drawing(), 0);
    let (status, asset) = send(&service, OPERATOR, svg("<rect width=\"9\" height=\"9\"/>", 1), "image/svg+xml").await;
    assert_eq!((status, &asset["width"]), (StatusCode::CREATED, &json!(480)), "{asset}");
    service.stop().await;
}

/// A runtime whose threads that block are eight: forty files that took one each would take them all.
#[test]
fn many_files_that_take_long_leave_the_threads_that_segments_need_and_end_with_who_sent_them() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().max_blocking_threads(8).build().unwrap();
    runtime.block_on(async {
        let dir = tempfile::tempdir().unwrap();
        let service = TestService::start(&configured(dir.path())).await;
        let session = json!({ "games": ["a"] });
        let session: Value =
            service.send(Method::POST, "/v1/sessions", "dev-2", Some(session)).await.json().await.unwrap();
        let url = session["playback_url"].as_str().unwrap().to_owned();
        let path = &url[url.find("/v1/play").unwrap()..];
        let playlist = path.replace("index.m3u8", "video/big.m3u8");
        service.crank_segments(3).await;
        service.text(&playlist).await;
        let mut senders = Vec::new();
        for number in 0..16 {
            senders.push(post_art(&service, &css_masks(24, number)).await);
        }
        until("nothing is drawn", || drawing() > 0).await;
        // Those that were refused early leave the line; the rest is not let in.
        let more = (100..140).map(|number| {
            let request = reqwest::Client::new().post(format!("{}/v1/operator/assets", service.base));
            request.bearer_auth(OPERATOR).header("content-type", "image/svg+xml").body(css_masks(24, number)).send()
        });
        let more: Vec<_> = more.map(tokio::spawn).collect();
        // Segments are put together meanwhile, and another's art is taken.
        service.crank_segments(3).await;
        let listed = service.text(&playlist).await;
        let segment = listed.lines().rfind(|line| !line.starts_with('#')).unwrap();
        let segment = if segment.starts_with('/') {
            segment.to_owned()
        } else {
            format!("{}{segment}", &playlist[..=playlist.rfind('/').unwrap()])
        };
        assert!(service.bytes(&segment).await.len() > 100);
        assert!(drawing() <= 1, "one of a tenant's is drawn at a time");
        assert_eq!(send(&service, "op-2", grey(7), "image/png").await.0, StatusCode::CREATED);
        let mut busy = 0;
        for answer in more {
            if busy > 0 {
                answer.abort();
                continue;
            }
            let answer: Response = answer.await.unwrap().unwrap();
            if answer.status() == StatusCode::SERVICE_UNAVAILABLE {
                assert!(answer.headers().contains_key("retry-after"));
                let problem: Value = answer.json().await.unwrap();
                assert_eq!((&problem["code"], &problem["reason"]), (&json!("capacity"), &json!("art")), "{problem}");
                busy += 1;
            }
        }
        assert!(busy > 0, "all of them found a place in line");
        drop(senders);
        until("a process draws on for those who have gone", || drawing() == 0).await;
        assert_eq!(send(&service, OPERATOR, grey(8), "image/png").await.0, StatusCode::CREATED, "the line is free");
        service.stop().await;
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_that_hangs_up_has_changed_is_in_the_audit() {
    let dir = tempfile::tempdir().unwrap();
    let service = TestService::start(&configured(dir.path())).await;
    // In the midst of drawing: nothing is changed, and that is noted.
    let sender = post_art(&service, &css_masks(24, 0)).await;
    until("nothing is drawn", || drawing() > 0).await;
    drop(sender);
    until("a process draws on for one who has gone", || drawing() == 0).await;
    let path = "/v1/operator/assets";
    let began = Instant::now();
    while noted(&service, path).await.is_empty() {
        assert!(began.elapsed() < PATIENCE, "what was begun is not noted");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(noted(&service, path).await, [400]);
    assert_eq!(service.operator(Method::GET, path, None, StatusCode::OK).await, json!([]));
    // As soon as it is sent: of each there is the change and its entry, or neither.
    let path = "/v1/operator/games";
    for n in 0..20 {
        let game = json!({ "id": format!("hung{n}"), "title": "Hung", "sources": ["test://ball?size=64x36"] });
        let sender = post(&service, OPERATOR, path, "application/json", game.to_string().as_bytes()).await;
        tokio::time::sleep(Duration::from_micros(200 * n)).await;
        drop(sender);
    }
    let began = Instant::now();
    loop {
        let games = service.operator(Method::GET, path, None, StatusCode::OK).await;
        let hung = |game: &&Value| game["id"].as_str().is_some_and(|id| id.starts_with("hung"));
        let made = games.as_array().unwrap().iter().filter(hung).count();
        let entries = noted(&service, path).await.iter().filter(|status| **status == 201).count();
        if made == entries && made > 0 {
            break;
        }
        assert!(began.elapsed() < PATIENCE, "{made} games were made, {entries} are noted");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    service.stop().await;
}
