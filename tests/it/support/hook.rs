//! Somebody whom webhooks tell things: takes them, refuses them, is slow, redirects, talks without end, as the test says. What it makes of signatures is worked
//! out here, by nothing that the service has.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::sync::watch;

/// What it does with a request.
#[derive(Clone)]
pub enum Does {
    Take,
    /// As it says, with the seconds to wait that it asks for; the event is lost on it.
    Refuse(u16, Option<u32>),
    /// It keeps the event and says that it failed.
    TakeAndFail,
    Redirect(String),
    /// A success, and then a body that never ends.
    Babble,
    /// It answers when that is true.
    Wait(watch::Receiver<bool>),
}

/// A request as it came.
#[derive(Clone)]
pub struct Got {
    pub headers: HeaderMap,
    pub body: String,
    pub event: Value,
}

impl Got {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Of the event.
    pub fn id(&self) -> &str {
        self.header("webhook-id")
    }

    /// How many of its signatures `secret`, as `whsec_…`, made.
    pub fn signed_by(&self, secret: &str) -> usize {
        let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
        let signed = format!("{}.{}.{}", self.id(), self.header("webhook-timestamp"), self.body);
        let right = format!("v1,{}", STANDARD.encode(hmac_sha256(&key, signed.as_bytes())));
        self.header("webhook-signature").split(' ').filter(|one| *one == right).count()
    }
}

/// RFC 2104, by hand.
pub fn hmac_sha256(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut block = [0u8; 64];
    match key.len() {
        0..=64 => block[..key.len()].copy_from_slice(key),
        _ => block[..32].copy_from_slice(&Sha256::digest(key)),
    }
    let with = |pad: u8| block.map(|byte| byte ^ pad).to_vec();
    let inner = Sha256::digest([with(0x36), message.to_vec()].concat());
    Sha256::digest([with(0x5c), inner.to_vec()].concat()).to_vec()
}

type Rule = Box<dyn Fn(&Got) -> Does + Send>;

struct Inner {
    rule: Rule,
    got: Vec<Got>,
    taken: Vec<Got>,
}

/// A server on a port of its own.
pub struct Hook {
    pub address: SocketAddr,
    inner: Arc<Mutex<Inner>>,
    seen: watch::Receiver<usize>,
}

#[derive(Clone)]
struct Kept {
    inner: Arc<Mutex<Inner>>,
    seen: Arc<watch::Sender<usize>>,
}

impl Hook {
    /// One that takes everything.
    pub async fn start() -> Self {
        let inner = Inner { rule: Box::new(|_| Does::Take), got: Vec::new(), taken: Vec::new() };
        let inner = Arc::new(Mutex::new(inner));
        let (tell, seen) = watch::channel(0);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let kept = Kept { inner: inner.clone(), seen: Arc::new(tell) };
        let router = Router::new().route("/hook", post(receive)).with_state(kept);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, inner, seen }
    }

    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// From now on it does as `rule` says.
    pub fn set(&self, rule: impl Fn(&Got) -> Does + Send + 'static) {
        self.inner.lock().unwrap().rule = Box::new(rule);
    }

    pub fn got(&self) -> Vec<Got> {
        self.inner.lock().unwrap().got.clone()
    }

    /// What it took, as often as it came.
    pub fn taken(&self) -> Vec<Got> {
        self.inner.lock().unwrap().taken.clone()
    }

    /// Types of what it took.
    pub fn kinds(&self) -> Vec<String> {
        self.taken().iter().map(|got| got.event["type"].as_str().unwrap().to_owned()).collect()
    }

    /// Waits until so many requests came.
    pub async fn until(&self, requests: usize) {
        self.seen.clone().wait_for(|seen| *seen >= requests).await.unwrap();
    }
}

async fn receive(State(Kept { inner, seen }): State<Kept>, headers: HeaderMap, body: Bytes) -> Response {
    let body = String::from_utf8(body.to_vec()).unwrap();
    let event = serde_json::from_str(&body).unwrap();
    let got = Got { headers, body, event };
    let does = {
        let mut inner = inner.lock().unwrap();
        let does = (inner.rule)(&got);
        if matches!(does, Does::Take | Does::TakeAndFail | Does::Babble) {
            inner.taken.push(got.clone());
        }
        inner.got.push(got);
        does
    };
    seen.send_modify(|seen| *seen += 1);
    match does {
        Does::Take => StatusCode::NO_CONTENT.into_response(),
        Does::TakeAndFail => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Does::Refuse(status, None) => {
            (StatusCode::from_u16(status).unwrap(), "secret of an inner page").into_response()
        }
        Does::Refuse(status, Some(seconds)) => {
            (StatusCode::from_u16(status).unwrap(), [("retry-after", seconds.to_string())]).into_response()
        }
        Does::Redirect(to) => (StatusCode::TEMPORARY_REDIRECT, [("location", to)]).into_response(),
        Does::Babble => {
            let endless =
                tokio_stream::iter(std::iter::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; 65_536]))));
            Body::from_stream(endless).into_response()
        }
        Does::Wait(mut until) => {
            until.wait_for(|over| *over).await.unwrap();
            StatusCode::NO_CONTENT.into_response()
        }
    }
}
