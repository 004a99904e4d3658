//! `/v1/play/{token}/…`: a session's playlists. The token is the only key; it is never logged.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{Method, header};
use axum::response::{IntoResponse, Response};

use super::App;
use super::extract::Named;
use super::problem::{Code, Problem, ProblemBody};

/// Media type of playlists (RFC 8216, section 10).
pub const PLAYLIST_TYPE: &str = "application/vnd.apple.mpegurl";

/// The session's multivariant playlist: the ladder, and the sound of every game of the tenant.
#[utoipa::path(get, path = "/v1/play/{token}/index.m3u8", tag = "playback", params(("token" = String, Path)),
    responses(
        (status = 200, description = "The playlist", body = String, content_type = "application/vnd.apple.mpegurl"),
        (status = 404, description = "`session_unknown`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`not_ready`, with `Retry-After`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn multivariant(
    State(app): State<Arc<App>>,
    method: Method,
    Named(token): Named<String>,
) -> Result<Response, Problem> {
    let text = app.sessions.multivariant(&token).await?;
    Ok(playlist(&app, &method, text))
}

/// A rendition's media playlist. The first request for a session waits for its first segment.
#[utoipa::path(get, path = "/v1/play/{token}/video/{rendition}.m3u8", tag = "playback",
    params(("token" = String, Path), ("rendition" = String, Path)),
    responses(
        (status = 200, description = "The playlist", body = String, content_type = "application/vnd.apple.mpegurl"),
        (status = 404, description = "`session_unknown`, `rendition_unknown`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`not_ready`, with `Retry-After`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn video(
    State(app): State<Arc<App>>,
    method: Method,
    Named((token, file)): Named<(String, String)>,
) -> Result<Response, Problem> {
    let text = app.sessions.video_playlist(&token, stem(&file)?).await?;
    Ok(playlist(&app, &method, text))
}

/// The playlist of a game's sound.
#[utoipa::path(get, path = "/v1/play/{token}/audio/{game}.m3u8", tag = "playback",
    params(("token" = String, Path), ("game" = String, Path)),
    responses(
        (status = 200, description = "The playlist", body = String, content_type = "application/vnd.apple.mpegurl"),
        (status = 404, description = "`session_unknown`, `game_unknown`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`not_ready`, with `Retry-After`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn audio(
    State(app): State<Arc<App>>,
    method: Method,
    Named((token, file)): Named<(String, String)>,
) -> Result<Response, Problem> {
    let text = app.sessions.audio_playlist(&token, stem(&file)?).await?;
    Ok(playlist(&app, &method, text))
}

fn stem(file: &str) -> Result<&str, Problem> {
    file.strip_suffix(".m3u8").ok_or_else(|| Problem::new(Code::NotFound, "Playlists here end in .m3u8."))
}

/// A session's playlist: its own, new every time, never to be kept.
fn playlist(app: &App, method: &Method, text: String) -> Response {
    app.count_served(method, text.len());
    ([(header::CONTENT_TYPE, PLAYLIST_TYPE), (header::CACHE_CONTROL, "no-store")], text).into_response()
}
