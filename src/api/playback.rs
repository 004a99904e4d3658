//! `/v1/play/{token}/…`: a session's playlists. The token is the only key; it is never logged.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::App;
use super::etag;
use super::extract::{Named, Params};
use super::instant;
use super::problem::{Code, Problem, ProblemBody};
use crate::session::{Admitted, Reload, Sounds};

/// Media type of playlists (RFC 8216, section 10).
pub const PLAYLIST_TYPE: &str = "application/vnd.apple.mpegurl";

/// Which sounds a multivariant playlist lists.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SoundsWish {
    /// What the session has chosen alone: for players that open every sound before the first picture.
    Main,
    /// That, and what each slot shows.
    #[default]
    Own,
    /// What the session has chosen, and in a second group the same as its source codes it (AC-3, E-AC-3, HE-AAC, AAC of more than two channels), with the
    /// renditions listed again. That follows no swap: read the playlist again after one.
    AsCame,
    /// Every game of the tenant by itself, so that a player can follow a swap without reading the playlist again.
    All,
}

/// What a multivariant playlist lists.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Listed {
    /// `own` when absent.
    #[param(inline)]
    #[serde(default)]
    sounds: SoundsWish,
    /// `true`: the same as `sounds=all`.
    #[serde(default)]
    all_sounds: bool,
    /// `true`: the playlists that are named list parts (RFC 8216bis). Some players follow them wherever they see them, and not all do it well.
    #[serde(default)]
    low_latency: bool,
    /// `true`: images for scrubbing are named, too (`EXT-X-IMAGE-STREAM-INF`). Some players read them before anything else.
    #[serde(default)]
    images: bool,
    /// What was played is listed too, and players begin there: an instant (RFC 3339), or so many seconds back. As far as the start-over window reaches;
    /// without one, or beyond the present, it is as without `start`.
    start: Option<String>,
}

impl Listed {
    fn sounds(&self) -> Sounds {
        match self.sounds {
            _ if self.all_sounds => Sounds::All,
            SoundsWish::Main => Sounds::Main,
            SoundsWish::Own => Sounds::Own,
            SoundsWish::AsCame => Sounds::AsCame,
            SoundsWish::All => Sounds::All,
        }
    }
}

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
    let text = app.sessions.video_playlist(&app.sessions.follow(&token)?, stem(&file)?, following.reload()?).await?;
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
    let text =
        app.sessions.key_pictures_playlist(&app.sessions.follow(&token)?, stem(&file)?, following.reload()?).await?;
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
    let text = app.sessions.audio_playlist(&app.sessions.follow(&token)?, stem(&file)?, following.reload()?).await?;
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
    let text = app.sessions.sound_playlist(&app.sessions.follow(&token)?, stem(&file)?, following.reload()?).await?;
    Ok(playlist(&app, &method, &headers, text))
}

/// What a low-latency client asks of a media playlist (RFC 8216bis, 6.2.5). Anything else in the query is for others.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Following {
    /// Media sequence number: the answer waits until it is listed.
    #[serde(rename = "_HLS_msn")]
    msn: Option<u64>,
    /// With `_HLS_msn`: a part of that segment is enough.
    #[serde(rename = "_HLS_part")]
    part: Option<u32>,
    /// `YES` or `v2`: segments that the client has may be left out.
    #[serde(rename = "_HLS_skip")]
    skip: Option<String>,
    /// Whether parts are listed, as the multivariant playlist was asked.
    #[serde(default)]
    low_latency: bool,
    /// The instant from which on it lists what was played (RFC 3339), as the multivariant playlist was asked.
    start: Option<String>,
}

/// The instant that `start` means, in milliseconds of Unix time. Seconds back are counted from `now_ms`; without it they mean nothing.
pub(super) fn start_ms(text: &str, now_ms: Option<i64>) -> Result<i64, Problem> {
    let instant = instant::read(text).map(|at| at.unix_millis());
    let back = || {
        let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        let seconds =
            text.parse::<f64>().ok().filter(|_| is_plain).filter(|seconds| (0.0..=MOST_BACK_S).contains(seconds))?;
        Some(now_ms? - (seconds * 1000.0) as i64)
    };
    instant.or_else(back).ok_or_else(|| {
        let seconds = if now_ms.is_some() { ", or seconds back from now, 0 to 86400, as 600" } else { "" };
        let detail = format!("An instant is allowed, as 2026-11-27T19:30:00Z{seconds}.");
        Problem::new(Code::StartInvalid, detail).with("parameter", "start").with("value", text)
    })
}

/// `unix_ms` as `start` has it.
pub(super) fn written(unix_ms: i64) -> String {
    format!("{:.3}", jiff::Timestamp::from_millisecond(unix_ms).unwrap_or(jiff::Timestamp::MAX))
}

/// The furthest that is understood in seconds; windows are shorter.
const MOST_BACK_S: f64 = 86_400.0;

impl Following {
    pub(super) fn reload(&self) -> Result<Reload, Problem> {
        if self.part.is_some() && self.msn.is_none() {
            let detail = "_HLS_part says which part of _HLS_msn, which is missing.";
            return Err(Problem::new(Code::ReloadInvalid, detail).with("parameter", "_HLS_part"));
        }
        let skip = matches!(self.skip.as_deref(), Some("YES" | "v2"));
        let start_ms = self.start.as_deref().map(|text| start_ms(text, None)).transpose()?;
        Ok(Reload { msn: self.msn, part: self.part, skip, parts: self.low_latency, start_ms })
    }
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
