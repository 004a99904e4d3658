//! Pages of other origins: any may play, and those that the configuration names may use the API. No cookie is ever used; what a page may do is decided
//! by the key or token that it knows, so a list keeps honest pages apart and no thief away.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tower::{Layer, Service};
use tower_http::cors::{Any, CorsLayer};

use super::{App, rates, trace};
use crate::config::CorsOrigins;

/// Whose pages may read answers.
#[derive(Debug)]
pub struct Cors {
    playback: CorsLayer,
    /// `None`: pages of the service's own origin alone.
    rest: Option<CorsLayer>,
}

impl Default for Cors {
    fn default() -> Self {
        Self::new(&CorsOrigins::default())
    }
}

impl Cors {
    pub fn new(origins: &CorsOrigins) -> Self {
        // No answer to a player depends on who asks, and caches keep one for all.
        let any = || told().allow_origin(Any).vary([]);
        let rest = match origins {
            CorsOrigins::Any => Some(any()),
            CorsOrigins::These(these) if these.is_empty() => None,
            CorsOrigins::These(these) => {
                let origins = these.iter().filter_map(|origin| HeaderValue::from_str(origin).ok());
                Some(told().allow_origin(origins.collect::<Vec<_>>()))
            }
        };
        Self { playback: any(), rest }
    }
}

/// What players ask for: playlists, segments, pictures, and the address that makes a session. The description of the API has no secrets.
const FOR_ALL: [&str; 5] = ["/v1/play/", "/v1/media/", "/v1/out/", "/v1/multiview.m3u8", "/openapi.json"];

fn told() -> CorsLayer {
    CorsLayer::new()
        .allow_methods([Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::IF_MATCH,
            header::IF_NONE_MATCH,
            header::IF_RANGE,
            header::RANGE,
            HeaderName::from_static("idempotency-key"),
            trace::REQUEST_ID,
            trace::TRACEPARENT,
            HeaderName::from_static("tracestate"),
        ])
        .expose_headers([
            header::ETAG,
            header::LOCATION,
            header::RETRY_AFTER,
            header::CONTENT_RANGE,
            header::CONTENT_LENGTH,
            HeaderName::from_static("idempotency-replayed"),
            trace::REQUEST_ID,
            rates::RATE_LIMIT,
            rates::RATE_LIMIT_POLICY,
        ])
        .max_age(Duration::from_secs(86_400))
}

/// Tells browsers which pages may read the answer, and answers what they ask beforehand.
pub async fn answer(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let is_for_all = FOR_ALL.iter().any(|start| request.uri().path().starts_with(start));
    let layer = if is_for_all { Some(&app.door.cors.playback) } else { app.door.cors.rest.as_ref() };
    match layer {
        // It cannot fail, as `Next` cannot.
        Some(layer) => layer.layer(next).call(request).await.into_response(),
        None => next.run(request).await,
    }
}
