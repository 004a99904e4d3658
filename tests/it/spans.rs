//! Spans for a collector: whose they are, what they say and what they never say, and that a collector costs the service nothing but spans.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTracePartialSuccess, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use prost::Message;
use quadrille::config::{Config, Tracing};
use quadrille::metrics::Metrics;
use quadrille::outbound::{SpanExport, SpanTask};
use quadrille::spans::{SpanSettings, TARGET, open};
use reqwest::{Method, StatusCode};
use serde_json::json;
use tracing_subscriber::layer::SubscriberExt;

use crate::support::collector::{Collector, Does, text};
use crate::support::program::{DEVICE, OPERATOR, Program, RENDITION, until, write_config};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// What goes to no collector, but as the header that it is given.
const SECRETS: [&str; 5] = [DEVICE, OPERATOR, "collector-s3cret", "source-s3cret", "source-t0ken"];

fn tracing(url: &str) -> String {
    format!(
        "[tracing]\notlp_endpoint = \"{url}\"\nheaders = {{ Authorization = \"Bearer collector-s3cret\" }}\nservice_name = \"west\"\n"
    )
}

async fn asked(program: &Program, method: Method, path: &str, body: serde_json::Value) -> serde_json::Value {
    let request = reqwest::Client::new()
        .request(method, format!("http://{}{path}", program.address))
        .bearer_auth(DEVICE)
        .header("traceparent", format!("00-{TRACE}-{PARENT}-01"))
        .json(&body);
    request.send().await.unwrap().error_for_status().unwrap().json().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_gets_the_spans_of_whose_request_it_was_and_no_secret() {
    let (collector, dir) = (Collector::start().await, tempfile::tempdir().unwrap());
    let game = "[[games]]\nid = \"c\"\ntitle = \"Gone\"\n\
                sources = [\"http://u:source-s3cret@127.0.0.1:1/live.m3u8?token=source-t0ken\"]\n";
    let tail = format!("{game}{}", tracing(&collector.url()));
    let mut program = Program::serve(&write_config(dir.path(), &dir.path().join("data"), "", &tail));
    let session = asked(&program, Method::POST, "/v1/sessions", json!({ "games": ["a", "b"] })).await;
    let playback = session["playback_url"].as_str().unwrap();
    let path = &playback[playback.find("/v1/play").unwrap()..];
    let playlist = path.replace("index.m3u8", &format!("video/{RENDITION}.m3u8"));
    let segment = until("a segment", async || {
        let (_, listed) = program.get(&playlist).await.filter(|(status, _)| *status == StatusCode::OK)?;
        listed.lines().rfind(|line| line.ends_with(".m4s")).map(str::to_owned)
    })
    .await;
    assert_eq!(program.bytes(&segment).await.unwrap().0, StatusCode::OK);
    let id = session["id"].as_str().unwrap();
    asked(&program, Method::PATCH, &format!("/v1/sessions/{id}"), json!({ "games": ["b", "c"] })).await;
    let refused = program.send(Method::POST, "/v1/sessions", DEVICE, Some(json!({ "games": ["source-t0ken"] }))).await;
    assert_eq!(refused.status(), StatusCode::NOT_FOUND);
    assert_eq!(program.send(Method::GET, "/v1/games?key=source-t0ken", "source-s3cret", None).await.status(), 401);

    program.terminate();
    assert_eq!(program.until_exit(Duration::from_secs(30)).code(), Some(0));
    let one = |name: &str| collector.named(name).into_iter().next().unwrap_or_else(|| panic!("no {name}"));
    let hex = |bytes: &[u8]| hex::encode(bytes);
    for (route, inner) in [("POST /v1/sessions", "session.start"), ("PATCH /v1/sessions/{id}", "session.change")] {
        let (request, inner) = (one(route), one(inner));
        assert_eq!((hex(&request.trace_id), hex(&request.parent_span_id)), (TRACE.to_owned(), PARENT.to_owned()));
        assert_eq!((&inner.trace_id, &inner.parent_span_id), (&request.trace_id, &request.span_id), "{inner:?}");
        assert_eq!((request.kind, inner.kind), (SpanKind::Server as i32, SpanKind::Internal as i32));
        assert_eq!(text(&inner.attributes, "quadrille.session").as_deref(), Some(id));
        assert_eq!(text(&inner.attributes, "quadrille.tenant").as_deref(), Some("acme"));
        assert!(inner.start_time_unix_nano >= request.start_time_unix_nano);
        assert!(inner.end_time_unix_nano <= request.end_time_unix_nano, "it is over before its request");
    }
    let request = one("POST /v1/sessions");
    assert_eq!(text(&request.attributes, "http.response.status_code").as_deref(), Some("201"));
    assert_eq!(text(&request.attributes, "http.route").as_deref(), Some("/v1/sessions"));
    assert_eq!(text(&one("session.change").attributes, "quadrille.effective_segment").map(|n| n.len() > 6), Some(true));
    // Of a request that nobody traces a trace of our own.
    let gathered = one("segment.gather");
    let served = collector.named("GET /v1/media/{mosaic}/{rendition}/{file}");
    let whose = served.iter().find(|span| span.span_id == gathered.parent_span_id).expect("the segment's request");
    assert!(whose.parent_span_id.is_empty() && hex(&whose.trace_id) != TRACE, "{whose:?}");
    assert_eq!(text(&gathered.attributes, "quadrille.rendition").as_deref(), Some(RENDITION));
    assert!(collector.spans().iter().all(|(service, _)| service == "west"));

    let got = collector.got();
    assert!(got.iter().all(|got| got.headers["authorization"] == "Bearer collector-s3cret"));
    assert!(got.iter().all(|got| got.headers["content-type"] == "application/x-protobuf"));
    let bytes: Vec<u8> = got.iter().flat_map(|got| got.body.to_vec()).collect();
    let holds = |text: &str| bytes.windows(text.len()).any(|part| part == text.as_bytes());
    assert!(holds("session.start") && holds(id), "what is looked for would be found");
    let token = path.split('/').nth(3).unwrap();
    let mosaic = segment.split('/').nth(3).unwrap();
    for secret in SECRETS.into_iter().chain([token, mosaic]) {
        assert!(!holds(secret), "{secret} went out");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_hangs_holds_up_neither_viewers_nor_the_end() {
    let (collector, dir) = (Collector::that(Does::Hang).await, tempfile::tempdir().unwrap());
    let tail = tracing(&collector.url());
    let mut program = Program::serve(&write_config(dir.path(), &dir.path().join("data"), "", &tail));
    let viewer = program.create(&["a", "b"]).await;
    until("spans on their way", async || (!collector.got().is_empty()).then_some(())).await;
    viewer.play_until(&program, 0).await;
    assert_eq!(program.metric("quadrille_spans_total{outcome=\"exported\"}").await, 0.0);
    program.terminate();
    // As without a collector.
    assert_eq!(program.until_exit(Duration::from_secs(6)).code(), Some(0));
}

/// The export of three spans to `url`, begun; what was counted.
fn export(url: &str) -> (Arc<Metrics>, SpanTask) {
    let text = format!("[[tenants]]\nid = \"acme\"\ndevice_keys = [\"d\"]\n{}", tracing(url));
    let tracing: Tracing = Config::parse(&text, "test.toml".as_ref()).unwrap().tracing.unwrap();
    let metrics = Arc::new(Metrics::new().unwrap());
    let (layer, finished) = open(&SpanSettings { service: "west".to_owned(), sample_one_in: 1 });
    ::tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        (0..3).for_each(|n| drop(::tracing::info_span!(target: TARGET, "one", n)));
    });
    let task = SpanExport::new(&tracing, finished, metrics.clone()).unwrap().start();
    (metrics, task)
}

fn counted(metrics: &Metrics) -> (u64, u64) {
    let count = |outcome| metrics.spans.with_label_values(&[outcome]).get();
    (count("exported"), count("lost"))
}

#[tokio::test]
async fn what_a_collector_does_not_take_is_lost_and_counted() {
    let part = ExportTraceServiceResponse {
        partial_success: Some(ExportTracePartialSuccess { rejected_spans: 2, error_message: "full".to_owned() }),
    };
    let endless = Bytes::from(vec![0xff; 1 << 20]);
    for (does, expected) in [
        (Does::Answer(200, Bytes::new()), (3, 0)),
        (Does::Answer(200, part.encode_to_vec().into()), (1, 2)),
        (Does::Answer(200, Bytes::from_static(b"<html>welcome</html>")), (3, 0)),
        (Does::Answer(200, endless.clone()), (3, 0)),
        (Does::Answer(307, Bytes::new()), (0, 3)),
        (Does::Answer(401, endless), (0, 3)),
        (Does::Answer(503, Bytes::from_static(b"later")), (0, 3)),
    ] {
        let collector = Collector::that(does.clone()).await;
        let (metrics, task) = export(&collector.url());
        until("the outcome", async || (counted(&metrics) != (0, 0)).then_some(())).await;
        assert_eq!((counted(&metrics), collector.got().len()), (expected, 1), "{does:?}");
        task.end().await;
    }
    // Nobody is there.
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let (metrics, task) = export(&format!("http://{gone}"));
    until("the loss", async || (counted(&metrics) == (0, 3)).then_some(())).await;
    task.end().await;
}

#[tokio::test]
async fn the_end_sends_what_waits_and_waits_for_no_answer_that_does_not_come() {
    let collector = Collector::start().await;
    let (metrics, task) = export(&collector.url());
    task.end().await;
    assert_eq!((counted(&metrics), collector.spans().len()), ((3, 0), 3));
    let hanging = Collector::that(Does::Hang).await;
    let (metrics, task) = export(&hanging.url());
    task.end().await;
    assert_eq!((counted(&metrics), hanging.got().len()), ((0, 3), 1));
}
