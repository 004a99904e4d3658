//! Where sources may lead that operators register, and whose a port is.

use std::path::Path;

use quadrille::config::Config;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::service::{OPERATOR, SMALL_OUTPUT, TestService, config};

const GAMES: &str = "/v1/operator/games";

fn game(id: &str, source: &str) -> Value {
    json!({"id": id, "title": id, "sources": ["test://ball", source]})
}

/// What is refused, with which code, and why.
async fn refused(service: &TestService, key: &str, source: &str, status: StatusCode, code: &str) -> String {
    let response = service.send(Method::POST, GAMES, key, Some(game("refused", source))).await;
    let (got, body) = (response.status(), response.json::<Value>().await.unwrap());
    assert_eq!((got, &body["code"], &body["field"]), (status, &json!(code), &json!("sources[1]")), "{source}: {body}");
    body["detail"].as_str().unwrap().to_owned()
}

async fn taken(service: &TestService, key: &str, id: &str, source: &str) {
    let response = service.send(Method::POST, GAMES, key, Some(game(id, source))).await;
    assert_eq!(response.status(), StatusCode::CREATED, "{source}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_reaches_nothing_of_the_machine_or_its_network() {
    let dir = tempfile::tempdir().unwrap();
    let service = TestService::start(&config(dir.path(), &[], &format!("[sources]\n{SMALL_OUTPUT}"))).await;
    for (source, says) in [
        ("file:///etc/passwd", "folder"),
        ("file:///dev/zero", "folder"),
        ("http://127.0.0.1:9/a.m3u8", "loopback"),
        ("http://2130706433/a.m3u8", "loopback"),
        ("http://0177.1/a.m3u8", "loopback"),
        ("http://[::ffff:127.0.0.1]/a.m3u8", "IPv4"),
        ("http://169.254.169.254/latest/meta-data/", "link-local"),
        ("https://10.0.0.1/a.m3u8", "private"),
        ("srt://192.168.1.1:9000", "private"),
        ("srt://:9000", "unspecified"),
        ("rtmp://[fd00::1]/live/a", "private"),
        ("udp://239.1.1.1:5000", "multicast"),
        ("rtp://@:5000", "unspecified"),
    ] {
        let detail = refused(&service, OPERATOR, source, StatusCode::UNPROCESSABLE_ENTITY, "source_forbidden").await;
        assert!(detail.contains(says), "{source}: {detail}");
    }
    taken(&service, OPERATOR, "own", "test://smpte").await;
    let put = json!({"title": "Own", "sources": ["test://ball", "file:///etc/passwd"]});
    let answer = service.send(Method::PUT, "/v1/operator/games/own", OPERATOR, Some(put)).await;
    assert_eq!(answer.status(), StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenants_own_rules_and_the_service_itself() {
    let dir = tempfile::tempdir().unwrap();
    let media = dir.path().join("media");
    std::fs::create_dir(&media).unwrap();
    let extra = format!(
        "[sources]\nnetworks = [\"127.0.0.0/8\"]\n{SMALL_OUTPUT}\
         [[tenants]]\nid = \"rival\"\noperator_keys = [\"op-2\"]\n\
         [tenants.sources]\nnetworks = []\nschemes = [\"file\", \"https\", \"test\"]\nhosts = [\"*.example\"]\nmedia_dirs = [{media:?}]\n"
    );
    let service = TestService::start(&config(&dir.path().join("data"), &[], &extra)).await;
    let denied = StatusCode::UNPROCESSABLE_ENTITY;
    taken(&service, OPERATOR, "loopback", "http://127.0.0.1:9/a.m3u8").await;
    taken(&service, "op-2", "file", &format!("file://{}/a.ts", media.display())).await;
    for (source, says) in [
        ("http://origin.example/a.m3u8", "file, https, test"),
        ("https://origin.test/a.m3u8", "origin.test"),
        ("https://127.0.0.1:9/a.m3u8", "127.0.0.1"),
        ("file:///etc/passwd", "folder"),
    ] {
        let detail = refused(&service, "op-2", source, denied, "source_forbidden").await;
        assert!(detail.contains(says), "{source}: {detail}");
    }
    let own = format!("{}/v1/play/x/index.m3u8", service.base);
    let detail = refused(&service, OPERATOR, &own, denied, "source_forbidden").await;
    assert!(detail.contains("this service itself"), "{detail}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_or_a_group_is_one_tenants() {
    let dir = tempfile::tempdir().unwrap();
    let port = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let extra = format!(
        "[sources]\nnetworks = [\"0.0.0.0/32\", \"127.0.0.0/8\", \"239.0.0.0/8\"]\n{SMALL_OUTPUT}\
         [[tenants]]\nid = \"rival\"\noperator_keys = [\"op-2\"]\n"
    );
    let service = TestService::start(&config(dir.path(), &[], &extra)).await;
    taken(&service, OPERATOR, "mine", &format!("udp://127.0.0.1:{port}")).await;
    taken(&service, OPERATOR, "group", "udp://239.77.1.1:5998?program=1").await;
    let conflict = StatusCode::CONFLICT;
    for source in [
        format!("udp://127.0.0.1:{port}"),
        format!("udp://@:{port}"),
        format!("rtp://127.0.0.1:{port}"),
        format!("srt://:{port}"),
        "rtp://239.77.1.1:5998".into(),
    ] {
        let detail = refused(&service, "op-2", &source, conflict, "source_in_use").await;
        assert!(!detail.contains("mine") && !detail.contains("group"), "another's games are not named: {detail}");
    }
    let detail = refused(&service, OPERATOR, &format!("srt://:{port}"), conflict, "source_in_use").await;
    assert!(detail.contains("\"mine\""), "{detail}");
    taken(&service, OPERATOR, "second", "udp://239.77.1.1:5998?program=2").await;
    taken(&service, "op-2", "other", "udp://239.77.1.2:5998").await;
    // Whoever lets go of it leaves it to others.
    service.operator(Method::DELETE, "/v1/operator/games/mine", None, StatusCode::NO_CONTENT).await;
    taken(&service, "op-2", "now", &format!("udp://127.0.0.1:{port}")).await;
}

#[test]
fn a_configuration_says_what_is_wrong_with_its_rules() {
    let text = "[[tenants]]\nid = \"a\"\noperator_keys = [\"k\"]\n\
         [[games]]\nid = \"one\"\ntitle = \"One\"\nsources = [\"udp://@:5000\"]\n\
         [[games]]\nid = \"two\"\ntitle = \"Two\"\nsources = [\"test://ball\", \"srt://:5000\"]\n\
         [sources]\nschemes = [\"gopher\"]\nhosts = [\"*.\"]\nnetworks = [\"10.0.0.0/99\"]\nports = [\"9-8\"]\n\
         media_dirs = [\"media\"]\nmax_width = 1\nwhatever = 1\n";
    let mistakes = Config::parse(text, Path::new("test.toml")).unwrap_err().to_string();
    for says in [
        "game \"one\" listens where",
        "sources.schemes[0]",
        "sources.hosts[0]",
        "sources.networks[0]",
        "sources.ports[0]",
        "sources.media_dirs[0]",
        "sources.max_width",
        "sources.whatever",
    ] {
        assert!(mistakes.contains(says), "{says}: {mistakes}");
    }
}
