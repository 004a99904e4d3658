//! Somebody whom events are posted to: takes them, refuses them, fails, as the test says.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::Value;

/// What it does with a request.
#[derive(Clone, Copy)]
pub struct Does {
    /// The events are taken, whatever is answered.
    pub takes: bool,
    pub answers: u16,
    pub retry_after_s: Option<u32>,
}

impl Does {
    pub const TAKE: Self = Self { takes: true, answers: 204, retry_after_s: None };

    pub const fn refuse(status: u16) -> Self {
        Self { takes: false, answers: status, retry_after_s: None }
    }
}

/// A request as it came.
#[derive(Clone)]
pub struct Got {
    pub headers: HeaderMap,
    pub body: String,
    /// One event, or those of a list.
    pub events: Vec<Value>,
}

type Rule = Box<dyn Fn(&Got) -> Does + Send>;

struct Inner {
    rule: Rule,
    got: Vec<Got>,
    taken: Vec<Value>,
}

/// A server on a port of its own.
pub struct Receiver {
    pub address: SocketAddr,
    inner: Arc<Mutex<Inner>>,
}

impl Receiver {
    /// One that takes everything.
    pub async fn start() -> Self {
        let inner = Inner { rule: Box::new(|_| Does::TAKE), got: Vec::new(), taken: Vec::new() };
        let inner = Arc::new(Mutex::new(inner));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = Router::new().route("/events", post(receive)).with_state(inner.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, inner }
    }

    pub fn url(&self) -> String {
        format!("http://{}/events", self.address)
    }

    /// From now on it does as `rule` says.
    pub fn set(&self, rule: impl Fn(&Got) -> Does + Send + 'static) {
        self.inner.lock().unwrap().rule = Box::new(rule);
    }

    pub fn got(&self) -> Vec<Got> {
        self.inner.lock().unwrap().got.clone()
    }

    /// Every event it took, in order, as often as it came.
    pub fn taken(&self) -> Vec<Value> {
        self.inner.lock().unwrap().taken.clone()
    }
}

async fn receive(State(inner): State<Arc<Mutex<Inner>>>, headers: HeaderMap, body: Bytes) -> Response {
    let body = String::from_utf8(body.to_vec()).unwrap();
    let events = match serde_json::from_str(&body).unwrap() {
        Value::Array(events) => events,
        event => vec![event],
    };
    let got = Got { headers, body, events };
    let mut inner = inner.lock().unwrap();
    let does = (inner.rule)(&got);
    if does.takes {
        inner.taken.extend(got.events.iter().cloned());
    }
    inner.got.push(got);
    let status = StatusCode::from_u16(does.answers).unwrap();
    match does.retry_after_s {
        Some(seconds) => (status, [("retry-after", seconds.to_string())]).into_response(),
        None => (status, "as the test says").into_response(),
    }
}
