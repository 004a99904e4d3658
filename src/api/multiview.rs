//! `GET /v1/multiview.m3u8`: for clients that can do nothing but open a URL.

mod wish;

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::App;
use super::auth::Caller;
use super::base::Base;
use super::extract::Params;
use super::playback::{self, PLAYLIST_TYPE};
use super::problem::{Problem, ProblemBody};
use super::sessions::about_body;
use crate::session::CreateSession;
pub use wish::Wish;

/// Makes a session and redirects to its playback URL. `HEAD` makes none.
#[utoipa::path(get, path = "/v1/multiview.m3u8", operation_id = "open_multiview", tag = "devices", params(Wish),
    security((), ("device_key" = []), ("operator_key" = [])),
    responses(
        (status = 302, description = "To the new session's multivariant playlist", headers(("Location" = String))),
        (status = 400, description = "`start_invalid`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "`unauthorized`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 402, description = "`cap_reached`: the month's `cap` of `unit` is reached (`billed`), until `frees_at`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`game_restricted`, with the `reason` (`not_in_market`, `not_in_region`, `region_missing`, `not_on_device_class`, `device_class_missing`, `not_yet`, `no_longer`), `region_restricted` (`not_in_market`, `region_missing`), `forbidden`: the key's sessions are made in another market", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`game_unknown`, `layout_unknown`, `skin_unknown`, `market_unknown`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`games_count`, `layout_mismatch`, `engine_unsuited`, `audio_unknown`, `parameter_invalid`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`capacity` with its `reason`, `store_unavailable`, with `Retry-After`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn open(
    State(app): State<Arc<App>>,
    method: Method,
    headers: HeaderMap,
    base: Base,
    Params(wish): Params<Wish>,
) -> Result<Response, Problem> {
    let principal = match &wish.key {
        Some(key) => app.principal(key).await?,
        None => app.principal_or_key(&headers).await?,
    };
    let caller = Caller::of(principal, "/v1/multiview.m3u8")?;
    if method == Method::HEAD {
        // HEAD is safe (RFC 9110, 9.2.1): a client that looks before it opens must not pay for a session.
        return Ok((StatusCode::OK, [(header::CONTENT_TYPE, PLAYLIST_TYPE)]).into_response());
    }
    wish.check().map_err(Problem::in_query)?;
    let games = wish.games();
    let skin = app.first_skin(&caller, wish.skin.as_deref(), wish.market.as_deref());
    let asked_for = games.clone();
    let request = CreateSession {
        games,
        layout: wish.layout,
        audio: wish.audio,
        engine: wish.engine.unwrap_or_default().into(),
        max_height: wish.max_height,
        skin: skin.map_err(Problem::in_query)?,
        market: wish.market,
        region: wish.region,
        device_class: wish.device_class,
        terms: (*caller.terms).clone(),
        device_id: wish.device_id,
        ..CreateSession::default()
    };
    let start = wish.start.as_deref().map(|text| playback::start_ms(text, Some(app.clock.now().unix_millis())));
    let start = start.transpose()?.map(|ms| format!("start={}", playback::written(ms)));
    app.may_start(&caller.tenant)?;
    let made = app.sessions.create(&caller.tenant, request).await;
    let (session, _) = made.map_err(|error| about_body(error, &asked_for).in_query())?;
    let parts = wish.low_latency.then(|| "low_latency=true".to_owned());
    let images = wish.images.then(|| "images=true".to_owned());
    let asked: Vec<String> = parts.into_iter().chain(images).chain(start).collect();
    let query = if asked.is_empty() { String::new() } else { format!("?{}", asked.join("&")) };
    let headers = [
        (header::LOCATION, super::header_text(&format!("{}{query}", base.url(&session.playback_url)))),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        // The key stands in this URL; nothing that is fetched next may learn it.
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    Ok((StatusCode::FOUND, headers).into_response())
}
