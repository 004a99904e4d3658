//! A collector of OpenTelemetry: takes spans over HTTP, and reads their protobuf.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

/// What it does with a request.
#[derive(Clone, Debug)]
pub enum Does {
    /// It answers with that status and body.
    Answer(u16, Bytes),
    /// It never answers.
    Hang,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Got {
    pub headers: HeaderMap,
    pub body: Bytes,
}

#[derive(Clone)]
struct Kept {
    does: Does,
    got: Arc<Mutex<Vec<Got>>>,
}

/// A server on a port of its own.
pub struct Collector {
    pub address: SocketAddr,
    got: Arc<Mutex<Vec<Got>>>,
}

impl Collector {
    /// One that takes everything.
    pub async fn start() -> Self {
        Self::that(Does::Answer(200, Bytes::new())).await
    }

    pub async fn that(does: Does) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let got = Arc::<Mutex<Vec<Got>>>::default();
        let router = Router::new().route("/v1/traces", post(receive)).with_state(Kept { does, got: got.clone() });
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, got }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }

    /// All that it was told, and of what service.
    pub fn spans(&self) -> Vec<(String, Span)> {
        let mut all = Vec::new();
        for Got { body, .. } in self.got() {
            for of in ExportTraceServiceRequest::decode(body).unwrap().resource_spans {
                let service = text(&of.resource.unwrap().attributes, "service.name").unwrap();
                let spans = of.scope_spans.into_iter().flat_map(|scope| scope.spans);
                all.extend(spans.map(|span| (service.clone(), span)));
            }
        }
        all
    }

    /// The spans of a name.
    pub fn named(&self, name: &str) -> Vec<Span> {
        self.spans().into_iter().map(|(_, span)| span).filter(|span| span.name == name).collect()
    }
}

async fn receive(State(kept): State<Kept>, headers: HeaderMap, body: Bytes) -> Response {
    kept.got.lock().unwrap().push(Got { headers, body });
    match kept.does {
        Does::Answer(status, body) => (StatusCode::from_u16(status).unwrap(), body).into_response(),
        Does::Hang => std::future::pending().await,
    }
}

/// The value of an attribute, as text.
pub fn text(attributes: &[KeyValue], name: &str) -> Option<String> {
    let value = attributes.iter().find(|attribute| attribute.key == name)?.value.as_ref();
    match value {
        Some(AnyValue { value: Some(Value::StringValue(text)) }) => Some(text.clone()),
        Some(AnyValue { value: Some(Value::IntValue(number)) }) => Some(number.to_string()),
        other => panic!("{name} is {other:?}"),
    }
}
