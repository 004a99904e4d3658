//! One line a request. It names the route, never the path: tokens and keys stand in paths and queries.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument;

use super::{App, trace};

/// Failures of ours are warnings, changes are information, reading is for debugging: a thousand viewers poll every second.
pub async fn requests(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("-", MatchedPath::as_str);
    let id = trace::request_id(request.headers());
    let client = app.door.client(request.headers(), request.extensions()).map(tracing::field::display);
    let span = tracing::info_span!("request", id, client, trace_id = trace::trace_id(request.headers()));
    let began = Instant::now();
    let mut response = next.run(request).instrument(span.clone()).await;
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(trace::REQUEST_ID, id);
    }
    let status = response.status();
    let ms = began.elapsed().as_secs_f64() * 1000.0;
    let reading = method == Method::GET || method == Method::HEAD || method == Method::OPTIONS;
    span.in_scope(|| {
        if status.is_server_error() {
            tracing::warn!(%method, route, status = status.as_u16(), ms, "request");
        } else if reading {
            tracing::debug!(%method, route, status = status.as_u16(), ms, "request");
        } else {
            tracing::info!(%method, route, status = status.as_u16(), ms, "request");
        }
    });
    response
}
