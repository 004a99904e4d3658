//! `/v1/play/{token}/…`: a session's playlists. The token is the only key; it is never logged.

mod asked;

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::App;
use super::etag;
use super::extract::{Named, Params};
use super::problem::{Code, Problem, ProblemBody};
use crate::session::{Admitted, Followed};
pub use asked::{Following, Listed};
pub(super) use asked::{start_ms, written};

/// Media type of playlists (RFC 8216, section 10).
pub const PLAYLIST_TYPE: &str = "application/vnd.apple.mpegurl";

/// The session's multivariant playlist: the ladder, and its sounds.
#[utoipa::path(get, path = "/v1/play/{token}/index.m3u8", operation_id = "get_playlist", tag = "playback", params(("token" = String, Path), Listed),
    responses(
        (status = 200, description = "The playlist", body = String, content_type = "application/vnd.apple.mpegurl"),
        (status = 304, description = "The client has it"),
        (status = 400, description = "`start_invalid`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`parameter_invalid`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "`token_expired`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`played_elsewhere`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`session_unknown`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`not_ready`, with `Retry-After`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn multivariant(
    State(app): State<Arc<App>>,
    method: Method,
    headers: HeaderMap,
    Named(token): Named<String>,
    Params(listed): Params<Listed>,
) -> Result<Response, Problem> {
    let start_ms =
        listed.start.as_deref().map(|text| start_ms(text, Some(app.clock.now().unix_millis()))).transpose()?;
    let Admitted { token, prefix } = app.sessions.admit(&token)?;
    let (sounds, parts) = (listed.sounds(), listed.low_latency);
    let mut text = app.sessions.multivariant_under(&prefix, &token, sounds, parts, start_ms).await?;
    if listed.images {
        text += &app.sessions.image_stream((&token, &prefix), start_ms)?;
    }
    Ok(playlist(&app, &method, &headers, text))
}

/// A rendition's media playlist. The first request for a session waits for its first segment.
#[utoipa::path(get, path = "/v1/play/{token}/video/{rendition}.m3u8", operation_id = "get_video_playlist", tag = "playback",
    params(("token" = String, Path), ("rendition" = String, Path), Following),
    responses(
        (status = 400, description = "`reload_invalid`, `start_invalid`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`parameter_invalid`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 200, description = "The playlist", body = String, content_type = "application/vnd.apple.mpegurl"),
        (status = 304, description = "The client has it"),
        (status = 401, description = "`token_expired`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`played_elsewhere`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`session_unknown`, `rendition_unknown`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`not_ready`, with `Retry-After`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn video(
    State(app): State<Arc<App>>,
    method: Method,
    headers: HeaderMap,
    Named((token, file)): Named<(String, String)>,
    Params(following): Params<Following>,
) -> Result<Response, Problem> {
    let Followed { token, player } = app.sessions.follow(&token)?;
    let text = app.sessions.video_playlist(&token, stem(&file)?, following.reload_by(player)?).await?;
    Ok(playlist(&app, &method, &headers, text))
}

/// The pictures that open a rendition's segments, one by one, for players that show them while viewers seek (RFC 8216, 4.3.3.6).
#[utoipa::path(get, path = "/v1/play/{token}/keys/{rendition}.m3u8", operation_id = "get_key_pictures_playlist", tag = "playback",
    params(("token" = String, Path), ("rendition" = String, Path), Following),
    responses(
        (status = 400, description = "`reload_invalid`, `start_invalid`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`parameter_invalid`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 200, description = "The playlist", body = String, content_type = "application/vnd.apple.mpegurl"),
        (status = 304, description = "The client has it"),
        (status = 401, description = "`token_expired`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`played_elsewhere`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`session_unknown`, `rendition_unknown`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`not_ready`, with `Retry-After`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn key_pictures(
    State(app): State<Arc<App>>,
    method: Method,
    headers: HeaderMap,
    Named((token, file)): Named<(String, String)>,
    Params(following): Params<Following>,
) -> Result<Response, Problem> {
    let Followed { token, player } = app.sessions.follow(&token)?;
    let text = app.sessions.key_pictures_playlist(&token, stem(&file)?, following.reload_by(player)?).await?;
    Ok(playlist(&app, &method, &headers, text))
}

/// The playlist of a game's sound: its main one, or with `~` and its id another, `nyk-bos~deu`, which is the main one where the game has no such sound.
#[utoipa::path(get, path = "/v1/play/{token}/audio/{game}.m3u8", operation_id = "get_audio_playlist", tag = "playback",
    params(("token" = String, Path), ("game" = String, Path), Following),
    responses(
        (status = 400, description = "`reload_invalid`, `start_invalid`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`parameter_invalid`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 200, description = "The playlist", body = String, content_type = "application/vnd.apple.mpegurl"),
        (status = 304, description = "The client has it"),
        (status = 401, description = "`token_expired`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`played_elsewhere`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`session_unknown`, `game_unknown`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`not_ready`, with `Retry-After`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn audio(
    State(app): State<Arc<App>>,
    method: Method,
    headers: HeaderMap,
    Named((token, file)): Named<(String, String)>,
    Params(following): Params<Following>,
) -> Result<Response, Problem> {
    let Followed { token, player } = app.sessions.follow(&token)?;
    let text = app.sessions.audio_playlist(&token, stem(&file)?, following.reload_by(player)?).await?;
    Ok(playlist(&app, &method, &headers, text))
}

/// The playlist of the session's own sound: `main` is what it has chosen, a number what that slot shows, with `~` and an id
/// another sound of its game, `0~deu`, or its main one where it has no such sound. It changes with them: with the
/// picture where that changes with a segment, and else from the next segment on.
#[utoipa::path(get, path = "/v1/play/{token}/sound/{name}.m3u8", operation_id = "get_sound_playlist", tag = "playback",
    params(("token" = String, Path), ("name" = String, Path), Following),
    responses(
        (status = 400, description = "`reload_invalid`, `start_invalid`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`parameter_invalid`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 200, description = "The playlist", body = String, content_type = "application/vnd.apple.mpegurl"),
        (status = 304, description = "The client has it"),
        (status = 401, description = "`token_expired`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`played_elsewhere`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`session_unknown`, `sound_unknown`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`not_ready`, with `Retry-After`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn sound(
    State(app): State<Arc<App>>,
    method: Method,
    headers: HeaderMap,
    Named((token, file)): Named<(String, String)>,
    Params(following): Params<Following>,
) -> Result<Response, Problem> {
    let Followed { token, player } = app.sessions.follow(&token)?;
    let text = app.sessions.sound_playlist(&token, stem(&file)?, following.reload_by(player)?).await?;
    Ok(playlist(&app, &method, &headers, text))
}

pub(super) fn stem(file: &str) -> Result<&str, Problem> {
    file.strip_suffix(".m3u8").ok_or_else(|| Problem::new(Code::NotFound, "Playlists here end in .m3u8."))
}

/// A session's playlist: its own, so no cache that others share may keep it, and soon another, so each time it is asked whether it still is. A
/// request that finds that it has it is a request all the same: the meter runs.
pub(super) fn playlist(app: &App, method: &Method, headers: &HeaderMap, text: String) -> Response {
    playlist_kept(app, method, headers, text, "private, no-cache")
}

/// A playlist that caches keep as `kept` (`Cache-Control`) says.
pub(super) fn playlist_kept(
    app: &App,
    method: &Method,
    headers: &HeaderMap,
    text: String,
    kept: &'static str,
) -> Response {
    let tag = etag::weak_of(&text);
    let has_it = etag::matches_none(headers, &tag);
    let common = [
        (header::CONTENT_TYPE, HeaderValue::from_static(PLAYLIST_TYPE)),
        (header::CACHE_CONTROL, HeaderValue::from_static(kept)),
        (header::ETAG, tag),
    ];
    if has_it {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    app.count_served(method, text.len());
    (common, text).into_response()
}
