//! One line a request. It names the route, never the path: tokens and keys stand in paths and queries.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;

/// Failures of ours are warnings, changes are information, reading is for debugging: a thousand viewers poll every second.
pub async fn requests(request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("-", MatchedPath::as_str);
    let began = Instant::now();
    let response = next.run(request).await;
    let status = response.status();
    let ms = began.elapsed().as_secs_f64() * 1000.0;
    let reading = method == Method::GET || method == Method::HEAD || method == Method::OPTIONS;
    if status.is_server_error() {
        tracing::warn!(%method, route, status = status.as_u16(), ms, "request");
    } else if reading {
        tracing::debug!(%method, route, status = status.as_u16(), ms, "request");
    } else {
        tracing::info!(%method, route, status = status.as_u16(), ms, "request");
    }
    response
}
