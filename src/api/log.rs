//! One line a request, and one span. Both name the route, never the path: tokens and keys stand in paths and queries.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use tracing::field::Empty;
use tracing::{Instrument, Span};

use super::{App, trace};
use crate::spans::{self, span};

/// Failures of ours are warnings, changes are information, reading is for debugging: a thousand viewers poll every second.
pub async fn requests(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("-", MatchedPath::as_str);
    let id = trace::request_id(request.headers());
    let client = app.door.client(request.headers(), request.extensions()).map(tracing::field::display);
    let traced = begin(request.headers(), &method, route, &id);
    let own = spans::trace_id(&traced);
    let trace_id = own.as_deref().or_else(|| trace::parent(request.headers()).map(|parent| parent.trace_id));
    let span = tracing::info_span!("request", id, client, trace_id);
    let began = Instant::now();
    let mut response = next.run(request).instrument(traced.clone()).instrument(span.clone()).await;
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(trace::REQUEST_ID, id);
    }
    let status = response.status();
    end(&traced, status);
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

/// The span of a request, as OpenTelemetry's conventions for servers of HTTP have it. It ends when the head of the answer is known.
fn begin(headers: &HeaderMap, method: &Method, route: &str, id: &str) -> Span {
    // Whoever asks may call his method anything.
    let method = match *method {
        Method::GET | Method::HEAD | Method::POST | Method::PUT | Method::PATCH | Method::DELETE | Method::OPTIONS => {
            method.as_str()
        }
        _ => "_OTHER",
    };
    let span = span!(
        "request",
        otel.kind = "server",
        otel.name = Empty,
        otel.status_code = Empty,
        http.request.method = method,
        http.route = route,
        http.response.status_code = Empty,
        quadrille.request = id,
    );
    if !span.is_disabled() {
        if let Some(parent) = trace::parent(headers) {
            spans::follow(&span, parent);
        }
        span.record("otel.name", format!("{method} {route}"));
    }
    span
}

fn end(span: &Span, status: StatusCode) {
    span.record("http.response.status_code", status.as_u16());
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
}
