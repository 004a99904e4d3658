//! Every route, in one table that the API's description is compared with.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::handler::Handler;
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware;
use axum::routing::{MethodFilter, MethodRouter, on};
use tower_http::cors::{Any, CorsLayer};
use tower_http::set_header::SetResponseHeaderLayer;

use super::problem::{Code, Problem};
use super::{App, games, health, layouts, log, media, multiview, openapi, operator, page, playback, sessions};

/// Routes under construction. `described` is each route as the API's description names it.
struct Table {
    router: Router<Arc<App>>,
    described: Vec<(&'static str, &'static str)>,
}

impl Table {
    fn new() -> Self {
        Self { router: Router::new(), described: Vec::new() }
    }

    /// A route whose pattern is its path in the description.
    fn add<H: Handler<T, Arc<App>>, T: 'static>(self, method: &'static str, path: &'static str, handler: H) -> Self {
        self.add_as(method, path, path, handler)
    }

    /// A route whose last element is taken apart by its handler: `{n}.m4s` is matched as `{file}`.
    fn add_as<H, T>(mut self, method: &'static str, described: &'static str, pattern: &'static str, handler: H) -> Self
    where
        H: Handler<T, Arc<App>>,
        T: 'static,
    {
        let filter = match method {
            "post" => MethodFilter::POST,
            "put" => MethodFilter::PUT,
            "patch" => MethodFilter::PATCH,
            "delete" => MethodFilter::DELETE,
            _ => MethodFilter::GET,
        };
        let route: MethodRouter<Arc<App>> = on(filter, handler);
        self.router = self.router.route(pattern, route);
        self.described.push((method, described));
        self
    }
}

fn table() -> Table {
    use operator::{games as operator_games, sessions as operator_sessions, usage};
    Table::new()
        .add("get", "/v1/games", games::list)
        .add("get", "/v1/layouts", layouts::list)
        .add("post", "/v1/sessions", sessions::create)
        .add("get", "/v1/sessions/{id}", sessions::get)
        .add("patch", "/v1/sessions/{id}", sessions::change)
        .add("delete", "/v1/sessions/{id}", sessions::end)
        .add("get", "/v1/multiview.m3u8", multiview::open)
        .add("get", "/v1/play/{token}/index.m3u8", playback::multivariant)
        .add_as("get", "/v1/play/{token}/video/{rendition}.m3u8", "/v1/play/{token}/video/{file}", playback::video)
        .add_as("get", "/v1/play/{token}/audio/{game}.m3u8", "/v1/play/{token}/audio/{file}", playback::audio)
        .add("get", "/v1/media/{mosaic}/{rendition}/init.mp4", media::video_init)
        .add_as(
            "get",
            "/v1/media/{mosaic}/{rendition}/{n}.m4s",
            "/v1/media/{mosaic}/{rendition}/{file}",
            media::video_segment,
        )
        .add("get", "/v1/media/audio/{game}/init.mp4", media::audio_init)
        .add_as("get", "/v1/media/audio/{game}/{n}.m4s", "/v1/media/audio/{game}/{file}", media::audio_segment)
        .add_as("get", "/v1/media/thumb/{thumbnail}.jpg", "/v1/media/thumb/{file}", games::thumbnail)
        .add("get", "/v1/operator/games", operator_games::list)
        .add("post", "/v1/operator/games", operator_games::create)
        .add("get", "/v1/operator/games/{id}", operator_games::get)
        .add("put", "/v1/operator/games/{id}", operator_games::replace)
        .add("delete", "/v1/operator/games/{id}", operator_games::delete)
        .add("get", "/v1/operator/sessions", operator_sessions::list)
        .add("delete", "/v1/operator/sessions/{id}", operator_sessions::end)
        .add("get", "/v1/operator/usage", usage::report)
        .add("get", "/v1/operator/usage/records", usage::records)
        .add("post", "/v1/operator/usage/quote", usage::quote)
        .add("get", "/metrics", health::metrics)
        .add("get", "/healthz", health::alive)
        .add("get", "/readyz", health::ready)
        .add("get", "/openapi.json", openapi::serve)
}

/// The whole service as one router.
pub fn router(app: Arc<App>) -> Router {
    table()
        .router
        .fallback(page::serve)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(cors())
        .layer(SetResponseHeaderLayer::if_not_present(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ))
        .layer(middleware::from_fn(log::requests))
        .with_state(app)
}

async fn method_not_allowed() -> Problem {
    Problem::new(Code::MethodNotAllowed, "The Allow header says which methods there are.")
}

/// Players and operators' pages live on other origins. No cookie is ever used, so that any origin may ask: what it may do
/// is decided by the key or token that it knows.
fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::IF_MATCH,
            header::IF_NONE_MATCH,
            header::RANGE,
            HeaderName::from_static("idempotency-key"),
        ])
        .expose_headers([
            header::ETAG,
            header::LOCATION,
            header::RETRY_AFTER,
            header::CONTENT_RANGE,
            header::CONTENT_LENGTH,
            HeaderName::from_static("idempotency-replayed"),
        ])
        .max_age(Duration::from_secs(86_400))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_description_has_every_route_and_no_other() {
        let document = serde_json::to_value(openapi::document()).unwrap();
        let mut described = BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for method in item.as_object().unwrap().keys() {
                described.insert((method.clone(), path.clone()));
            }
        }
        let routed: BTreeSet<_> = table().described.into_iter().map(|(m, p)| (m.to_owned(), p.to_owned())).collect();
        assert_eq!(described, routed);
    }
}
