//! Bodies that are too large, too deep, cut short, or no text at all, on every route that has one.

use axum::body::Body;
use axum::http::header;

use super::{Operation, example, operations};
use crate::api_service::{Answer, Service, with_key};

async fn send(service: &Service, operation: &Operation, media_type: &str, body: Vec<u8>) -> Answer {
    let path = operation.path.replace("{id}", "a").replace(['{', '}'], "");
    let request = with_key(&operation.method, &path, "op-acme").header(header::CONTENT_TYPE, media_type);
    service.send(request.body(Body::from(body)).unwrap()).await
}

/// Checks that it is refused as ours are, and that we are not to blame; its code.
fn refused(operation: &Operation, what: &str, answer: &Answer) -> String {
    let at = format!("{} {} with {what}", operation.method, operation.path);
    assert!((400..500).contains(&answer.status.as_u16()), "{at}: {answer:?}");
    assert_eq!(answer.header("content-type"), "application/problem+json", "{at}");
    answer.json()["code"].as_str().unwrap().to_owned()
}

fn with_bodies() -> Vec<Operation> {
    let operations: Vec<_> = operations().into_iter().filter(|operation| operation.body.is_some()).collect();
    assert!(operations.len() > 10, "{operations:?}");
    operations
}

#[tokio::test]
async fn whatever_a_body_is_it_is_refused_and_named() {
    let service = Service::start().await;
    let nested = |open: &str, close: &str, depth: usize| {
        [open.repeat(depth), "1".into(), close.repeat(depth)].concat().into_bytes()
    };
    for operation in with_bodies() {
        let is_json = operation.body.as_deref() == Some("application/json");
        let hostile: [(&str, Vec<u8>); 13] = [
            ("nothing", Vec::new()),
            ("100,000 lists", nested("[", "]", 100_000)),
            ("100,000 objects", nested("{\"games\":", "}", 100_000)),
            ("lists as deep as a body is long", nested("[", "]", 32_000)),
            ("objects as deep as a body is long", nested("{\"a\":", "}", 10_000)),
            ("lists that are not closed", b"[".repeat(60_000)),
            ("a megabyte", vec![b' '; 1 << 20]),
            ("a long text", [b"{\"games\":[\"".to_vec(), vec![b'a'; 60_000], b"\"]}".to_vec()].concat()),
            ("many members", [b"{".to_vec(), b"\"a\":1,".repeat(10_000), b"\"a\":1}".to_vec()].concat()),
            ("a long number", [b"{\"max_height\":".to_vec(), vec![b'9'; 60_000], b"}".to_vec()].concat()),
            ("no UTF-8", b"{\"games\":[\"\xff\xfe\"]}".to_vec()),
            ("a zero", b"{\"games\":[\"a\"]}\0".to_vec()),
            ("half a surrogate", b"{\"title\":\"\\ud800\",\"games\":[\"\\udc00\"]}".to_vec()),
        ];
        for (what, body) in hostile {
            let answer = send(&service, &operation, "application/json", body).await;
            let code = refused(&operation, what, &answer);
            let is_long = matches!(what, "100,000 lists" | "100,000 objects" | "a megabyte");
            if is_long && is_json {
                assert_eq!(code, "body_too_large", "{} {}", operation.method, operation.path);
            }
        }
        for media_type in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=a", ""] {
            let answer = send(&service, &operation, media_type, b"games=a".to_vec()).await;
            refused(&operation, media_type, &answer);
        }
    }
}

#[tokio::test]
async fn a_body_that_is_cut_short_anywhere_is_no_json() {
    let service = Service::start().await;
    let mut cut = 0;
    for operation in with_bodies().iter().filter(|o| o.body.as_deref() == Some("application/json")) {
        let whole = example(operation).to_string();
        for at in 0..whole.len() {
            let answer = send(&service, operation, "application/json", whole.as_bytes()[..at].to_vec()).await;
            assert_eq!(refused(operation, &whole[..at], &answer), "body_invalid", "{}", &whole[..at]);
            cut += 1;
        }
    }
    assert!(cut > 300, "{cut}");
}

#[tokio::test]
async fn what_a_head_says_of_a_body_is_not_believed() {
    let service = Service::start().await;
    let ask = |headers: &[(&str, &str)], body: &str| {
        let mut request = with_key("POST", "/v1/sessions", "op-acme").header(header::CONTENT_TYPE, "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        service.send(request.body(Body::from(body.to_owned())).unwrap())
    };
    ask(&[("content-length", "99999999999")], "{}").await.refused(413, "body_too_large");
    ask(&[("content-length", "18446744073709551616")], "{}").await.refused(422, "field_invalid");
    ask(&[("content-encoding", "gzip")], "\u{1f}\u{8b}").await.refused(415, "media_type_unsupported");
    ask(&[("authorization", "Bearer op-other")], "{}").await.refused(401, "unauthorized");
}
