//! The pages for people, built by the npm package in `web/` and compiled in.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use rust_embed::{EmbeddedFile, RustEmbed};

use super::App;
use super::etag;
use super::problem::{Code, Problem};

/// What `web/` builds. A checkout where it was not built compiles too, and has no pages.
#[derive(RustEmbed)]
#[folder = "web/dist"]
#[allow_missing = true]
struct Pages;

/// Answers every path that is no route: a file of the pages, or `404`.
pub async fn serve(
    State(app): State<Arc<App>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let path = uri.path();
    let file = match path {
        "/" => Some("index.html".to_owned()),
        "/operator" | "/operator/" => Some("operator.html".to_owned()),
        "/docs" | "/docs/" => Some("docs.html".to_owned()),
        _ => path.strip_prefix('/').filter(|p| !p.starts_with("v1/") && !p.contains("..")).map(str::to_owned),
    };
    let found = file.and_then(|f| Pages::get(&f).map(|page| (page, f)));
    let Some((page, name)) = found else {
        let built = Pages::iter().next().is_some();
        let hint = if path == "/" && !built { " This program was built without its pages." } else { "" };
        return Err(Problem::new(Code::NotFound, format!("There is no such route.{hint}")));
    };
    if method != Method::GET && method != Method::HEAD {
        let problem = Problem::new(Code::MethodNotAllowed, "Pages are read with GET.");
        return Err(problem.header(header::ALLOW, HeaderValue::from_static("GET,HEAD")));
    }
    Ok(answer(&app, &name, page, &headers))
}

fn answer(app: &App, name: &str, page: EmbeddedFile, headers: &HeaderMap) -> Response {
    let tag = super::header_text(&format!("\"{}\"", hex::encode(&page.metadata.sha256_hash()[..12])));
    // The build puts a digest into the names below assets/; everything else keeps its name when it changes.
    let cached = if name.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    let common = [
        (header::ETAG, tag.clone()),
        (header::CACHE_CONTROL, HeaderValue::from_static(cached)),
        (header::CONTENT_SECURITY_POLICY, content_security_policy(app)),
        // The demo's URL has a key in it.
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        (PERMISSIONS_POLICY, HeaderValue::from_static("camera=(), geolocation=(), microphone=(), payment=(), usb=()")),
        (CROSS_ORIGIN_OPENER_POLICY, HeaderValue::from_static("same-origin")),
    ];
    if etag::matches_none(headers, &tag) {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    let media_type = super::header_text(page.metadata.mimetype());
    (common, [(header::CONTENT_TYPE, media_type)], page.data.into_owned()).into_response()
}

const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");
const CROSS_ORIGIN_OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

/// The page's own files, the service's API and media; hls.js works in a worker and plays from a MediaSource, both `blob:`.
fn content_security_policy(app: &App) -> HeaderValue {
    let own = app.door.public_base().unwrap_or("");
    super::header_text(&format!(
        "default-src 'self'; script-src 'self'; style-src 'self'; connect-src 'self' {own}; img-src 'self' data: blob: {own}; \
         media-src 'self' blob: data: {own}; worker-src 'self' blob:; object-src 'none'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'"
    ))
}
