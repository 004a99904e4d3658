//! Every route, in one table that the API's description is compared with.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::handler::Handler;
use axum::http::{Extensions, HeaderMap, HeaderValue, StatusCode, Version, header};
use axum::middleware;
use axum::routing::{MethodFilter, MethodRouter, on};
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{Predicate, SizeAbove};
use tower_http::set_header::SetResponseHeaderLayer;

use super::playback::PLAYLIST_TYPE;
use super::problem::{Code, Problem};
use super::server::Peer;
use super::{
    App, choices, cors, cues, games, health, images, layouts, log, media, multiview, openapi, operator, outputs, page,
    playback, rates, sessions, texts,
};

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

/// All but what [`for_orchestrators`] adds.
fn public() -> Table {
    for_operators(for_viewers(Table::new())).add("get", "/openapi.json", openapi::serve)
}

fn for_orchestrators(table: Table) -> Table {
    table.add("get", "/metrics", health::metrics).add("get", "/healthz", health::alive).add(
        "get",
        "/readyz",
        health::ready,
    )
}

fn for_viewers(table: Table) -> Table {
    table
        .add("get", "/v1/games", games::list)
        .add("get", "/v1/games/{id}/cues", cues::list)
        .add("get", "/v1/layouts", layouts::list)
        .add("get", "/v1/markets", choices::markets)
        .add("get", "/v1/skins", choices::skins)
        .add("post", "/v1/sessions", sessions::create)
        .add("get", "/v1/sessions/{id}", sessions::get)
        .add("patch", "/v1/sessions/{id}", sessions::change)
        .add("delete", "/v1/sessions/{id}", sessions::end)
        .add("post", "/v1/sessions/{id}/playback_url", sessions::renew)
        .add("get", "/v1/multiview.m3u8", multiview::open)
        .add("get", "/v1/play/{token}/index.m3u8", playback::multivariant)
        .add_as("get", "/v1/play/{token}/video/{rendition}.m3u8", "/v1/play/{token}/video/{file}", playback::video)
        .add_as("get", "/v1/play/{token}/keys/{rendition}.m3u8", "/v1/play/{token}/keys/{file}", playback::key_pictures)
        .add_as("get", "/v1/play/{token}/audio/{game}.m3u8", "/v1/play/{token}/audio/{file}", playback::audio)
        .add_as("get", "/v1/play/{token}/sound/{name}.m3u8", "/v1/play/{token}/sound/{file}", playback::sound)
        .add("get", "/v1/play/{token}/images.m3u8", images::playlist)
        .add_as(
            "get",
            "/v1/play/{token}/images/{signature}/{first}-{segments}.jpg",
            "/v1/play/{token}/images/{signature}/{file}",
            images::sprite,
        )
        .add_as("get", "/v1/play/{token}/text/{name}.m3u8", "/v1/play/{token}/text/{file}", texts::text)
        .add_as(
            "get",
            "/v1/play/{token}/media/{mosaic}/text/{text}/{n}.vtt",
            "/v1/play/{token}/media/{mosaic}/text/{text}/{file}",
            texts::own_text_segment,
        )
        .add_as(
            "get",
            "/v1/play/{token}/media/{mosaic}/{rendition}/{n}.m4s",
            "/v1/play/{token}/media/{mosaic}/{rendition}/{file}",
            media::own_video_segment,
        )
        .add_as(
            "get",
            "/v1/play/{token}/media/audio/{game}/{n}.m4s",
            "/v1/play/{token}/media/audio/{game}/{file}",
            media::own_audio_segment,
        )
        .add("get", "/v1/out/{match}/{skin}/index.m3u8", outputs::multivariant)
        .add_as(
            "get",
            "/v1/out/{match}/{skin}/{grant}/{kind}/{name}.m3u8",
            "/v1/out/{match}/{skin}/{grant}/{kind}/{file}",
            outputs::media,
        )
        .add("get", "/v1/media/{mosaic}/{rendition}/init.mp4", media::video_init)
        .add_as(
            "get",
            "/v1/media/{mosaic}/{rendition}/{n}.m4s",
            "/v1/media/{mosaic}/{rendition}/{file}",
            media::video_segment,
        )
        .add_as(
            "get",
            "/v1/media/{mosaic}/text/{text}/{n}.vtt",
            "/v1/media/{mosaic}/text/{text}/{file}",
            texts::text_segment,
        )
        .add("get", "/v1/media/audio/{game}/init.mp4", media::audio_init)
        .add_as("get", "/v1/media/audio/{game}/{n}.m4s", "/v1/media/audio/{game}/{file}", media::audio_segment)
        .add_as("get", "/v1/media/thumb/{thumbnail}.jpg", "/v1/media/thumb/{file}", games::thumbnail)
}

fn for_operators(table: Table) -> Table {
    use operator::{
        assets, audit, breaks, capacity, clips, games as operator_games, keys, markets, outputs as operator_outputs,
        sessions as operator_sessions, sources, usage, webhooks,
    };
    table
        .add("get", "/v1/operator/games", operator_games::list)
        .add("post", "/v1/operator/games", operator_games::create)
        .add("get", "/v1/operator/games/{id}", operator_games::get)
        .add("put", "/v1/operator/games/{id}", operator_games::replace)
        .add("delete", "/v1/operator/games/{id}", operator_games::delete)
        .add("post", "/v1/operator/sources/try", sources::try_one)
        .add("get", "/v1/operator/capacity", capacity::get)
        .add("get", "/v1/operator/audit", audit::list)
        .add("get", "/v1/operator/audit/chain", audit::chain)
        .add("get", "/v1/operator/keys", keys::list)
        .add("post", "/v1/operator/keys", keys::create)
        .add("get", "/v1/operator/keys/{id}", keys::get)
        .add("delete", "/v1/operator/keys/{id}", keys::revoke)
        .add("get", "/v1/operator/markets", markets::list)
        .add("post", "/v1/operator/markets", markets::create)
        .add("get", "/v1/operator/markets/{id}", markets::get)
        .add("put", "/v1/operator/markets/{id}", markets::replace)
        .add("delete", "/v1/operator/markets/{id}", markets::delete)
        .add("get", "/v1/operator/outputs", operator_outputs::list)
        .add("get", "/v1/operator/outputs/{id}", operator_outputs::get)
        .add("put", "/v1/operator/outputs/{id}", operator_outputs::replace)
        .add("delete", "/v1/operator/outputs/{id}", operator_outputs::delete)
        .add("get", "/v1/operator/sessions", operator_sessions::list)
        .add("get", "/v1/operator/sessions/{id}", operator_sessions::get)
        .add("delete", "/v1/operator/sessions/{id}", operator_sessions::end)
        .add("post", "/v1/operator/games/{id}/breaks", breaks::begin)
        .add("delete", "/v1/operator/games/{id}/breaks/{break}", breaks::end)
        .add("get", "/v1/operator/breaks/report", breaks::report)
        .add("get", "/v1/operator/clips", clips::list)
        .add("post", "/v1/operator/clips", clips::create)
        .add("get", "/v1/operator/clips/{id}", clips::get)
        .add("delete", "/v1/operator/clips/{id}", clips::delete)
        .add("get", "/v1/operator/clips/{id}/clip.mp4", clips::file)
        .add("get", "/v1/operator/assets", assets::list)
        .add("post", "/v1/operator/assets", assets::upload)
        .add("get", "/v1/operator/assets/{id}", assets::get)
        .add("get", "/v1/operator/assets/{id}/preview", assets::preview)
        .add("get", "/v1/operator/assets/{id}/file", assets::file)
        .add("delete", "/v1/operator/assets/{id}", assets::delete)
        .add("get", "/v1/operator/skins", assets::skins)
        .add("get", "/v1/operator/skins/{id}", assets::skin)
        .add("put", "/v1/operator/skins/{id}", assets::put_skin)
        .add("delete", "/v1/operator/skins/{id}", assets::delete_skin)
        .add("get", "/v1/operator/usage", usage::report)
        .add("get", "/v1/operator/usage/records", usage::records)
        .add("post", "/v1/operator/usage/quote", usage::quote)
        .add("get", "/v1/operator/webhooks", webhooks::list)
        .add("post", "/v1/operator/webhooks", webhooks::create)
        .add("get", "/v1/operator/webhooks/{id}", webhooks::get)
        .add("put", "/v1/operator/webhooks/{id}", webhooks::replace)
        .add("delete", "/v1/operator/webhooks/{id}", webhooks::delete)
        .add("get", "/v1/operator/webhooks/{id}/deliveries", webhooks::deliveries)
        .add("post", "/v1/operator/webhooks/{id}/rotate", webhooks::rotate)
        .add("post", "/v1/operator/webhooks/{id}/test", webhooks::test)
}

/// Metrics and health alone, for a listener of their own.
pub fn admin_router(app: Arc<App>) -> Router {
    for_orchestrators(Table::new())
        .router
        .fallback(not_here)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(middleware::from_fn_with_state(app.clone(), log::requests))
        .with_state(app)
}

async fn not_here() -> Problem {
    Problem::new(Code::NotFound, "Here are /metrics, /healthz and /readyz alone.")
}

/// The whole service as one router, or all but what has a listener of its own.
pub fn router(app: Arc<App>) -> Router {
    let table = if app.door.admin_apart { public() } else { for_orchestrators(public()) };
    table
        .router
        .fallback(page::serve)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(middleware::from_fn_with_state(app.clone(), operator::audit::note))
        .layer(CompressionLayer::new().compress_when(SizeAbove::new(LEAST_COMPRESSED).and(is_text)))
        .layer(middleware::map_request(any_coding))
        .layer(middleware::map_request(for_one_host))
        .layer(middleware::from_fn_with_state(app.clone(), rates::limit))
        .layer(middleware::from_fn_with_state(app.clone(), cors::answer))
        .layer(SetResponseHeaderLayer::if_not_present(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ))
        .layer(middleware::from_fn_with_state(app.clone(), log::requests))
        .with_state(app)
}

/// Who refuses what is not compressed, media included, gets it all the same (RFC 9110, 12.5.3 allows it): a refusal with a body would be kept by caches.
async fn any_coding(mut request: Request) -> Request {
    let is_none = |coding: &str| {
        coding
            .split_once(';')
            .is_some_and(|(_, weight)| weight.trim().strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0f32)))
    };
    let refuses = |value: &HeaderValue| value.to_str().is_ok_and(|text| text.split(',').any(is_none));
    if request.headers().get_all(header::ACCEPT_ENCODING).iter().any(refuses) {
        request.headers_mut().remove(header::ACCEPT_ENCODING);
    }
    request
}

/// RFC 9112, 3.2: what says for no host, or for two, may be read in two ways by those who stand one behind the other.
async fn for_one_host(request: Request) -> Result<Request, Problem> {
    let hosts = request.headers().get_all(header::HOST).iter().count();
    // What is asked of the router itself has been through no wire, and no proxy.
    let is_by_wire = request.extensions().get::<Peer>().is_some();
    if is_by_wire && request.version() == Version::HTTP_11 && hosts != 1 {
        let detail = format!("There are {hosts} Host headers; one is needed.");
        return Err(Problem::new(Code::HostInvalid, detail).with("header", "host"));
    }
    Ok(request)
}

/// Bytes of an answer that is worth compressing.
const LEAST_COMPRESSED: u64 = 512;

/// Playlists and JSON are a tenth when compressed; media are compressed already, and short answers gain nothing.
fn is_text(_: StatusCode, _: Version, headers: &HeaderMap, _: &Extensions) -> bool {
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    media_type == PLAYLIST_TYPE || media_type.contains("json")
}

async fn method_not_allowed() -> Problem {
    Problem::new(Code::MethodNotAllowed, "The Allow header says which methods there are.")
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
        let routed: BTreeSet<_> =
            for_orchestrators(public()).described.into_iter().map(|(m, p)| (m.to_owned(), p.to_owned())).collect();
        assert_eq!(described, routed);
    }
}
