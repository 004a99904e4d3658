//! Asking the service of `api_service`, and what it answers.

use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode, header};
use bytes::Bytes;
use http_body_util::BodyExt;
use quadrille::catalogue::GameCatalogue;
use serde_json::Value;
use tower::ServiceExt;

use crate::api_service::Service;

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }

    /// Checks that this is the refusal `code`, in the form that every refusal has.
    #[track_caller]
    pub fn refused(self, status: u16, code: &str) -> Value {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:?}");
        let body = self.json();
        assert_eq!((body["code"].as_str(), body["status"].as_u64()), (Some(code), Some(u64::from(status))), "{body}");
        assert!(body["title"].is_string() && body["detail"].is_string() && body["type"] == "about:blank", "{body}");
        body
    }

    #[track_caller]
    pub fn ok(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        self
    }
}

impl Service {
    /// The sources of a registered game, in full.
    pub fn sources(&self, tenant: &str, game: &str) -> Vec<String> {
        self.catalogue.registered_game(tenant, game).unwrap().spec.sources
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        Answer { status: parts.status, headers: parts.headers, body: body.collect().await.unwrap().to_bytes() }
    }

    /// A request without a body; `key` may be empty.
    pub async fn ask(&self, method: &str, path: &str, key: &str) -> Answer {
        self.send(with_key(method, path, key).body(Body::empty()).unwrap()).await
    }

    pub async fn get(&self, path: &str, key: &str) -> Answer {
        self.ask("GET", path, key).await
    }

    /// A request with a JSON body and further headers.
    pub async fn tell(&self, method: &str, path: &str, key: &str, headers: &[(&str, &str)], body: Value) -> Answer {
        let mut request = with_key(method, path, key).header(header::CONTENT_TYPE, "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }

    /// A file as a body.
    pub async fn upload(&self, path: &str, key: &str, media_type: &str, bytes: Vec<u8>) -> Answer {
        let request = with_key("POST", path, key).header(header::CONTENT_TYPE, media_type);
        self.send(request.body(Body::from(bytes)).unwrap()).await
    }

    pub async fn post(&self, path: &str, key: &str, body: Value) -> Answer {
        self.tell("POST", path, key, &[], body).await
    }

    /// A session of tenant `acme` that shows `games`.
    pub async fn session(&self, games: &[&str]) -> Value {
        self.post("/v1/sessions", "dev-acme", serde_json::json!({ "games": games })).await.ok(201).json()
    }
}

pub fn with_key(method: &str, path: &str, key: &str) -> axum::http::request::Builder {
    let request = Request::builder().method(method).uri(path).header(header::HOST, "tv.example:8080");
    if key.is_empty() { request } else { request.header(header::AUTHORIZATION, format!("Bearer {key}")) }
}

/// The path of a URL on this service.
pub fn path_of(url: &Value) -> String {
    url.as_str().unwrap().strip_prefix("http://tv.example:8080").unwrap().to_owned()
}
