//! Texts of games, as WebVTT: their playlists under `/v1/play/…`, their segments under `/v1/media/…`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, Method};
use axum::response::Response;

use super::App;
use super::extract::{Named, Params};
use super::media::{Kept, cached, hinted, mosaic_id, not_in_window, plain, served};
use super::playback::{Following, playlist, stem};
use super::problem::{Code, Problem, ProblemBody};
use crate::catalogue::TextWanted;
use crate::session::{Followed, TextOf, TextWish};
use crate::timeline::{PartNumber, SegmentNumber};
use crate::track::Position;

const WEBVTT: &str = "text/vtt";

/// The playlist of a text: of the game that is heard (`main-en`), of all games, each in its slot (`all-en`), or of a slot (`0-en`). It follows swaps.
#[utoipa::path(get, path = "/v1/play/{token}/text/{name}.m3u8", operation_id = "get_text_playlist", tag = "playback",
    params(("token" = String, Path), ("name" = String, Path, description = "As in the session's multivariant playlist"), Following),
    responses(
        (status = 400, description = "`reload_invalid`, `start_invalid`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`parameter_invalid`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 200, description = "The playlist", body = String, content_type = "application/vnd.apple.mpegurl"),
        (status = 304, description = "The client has it"),
        (status = 401, description = "`token_expired`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`played_elsewhere`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`session_unknown`, `text_unknown`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`not_ready`, with `Retry-After`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn text(
    State(app): State<Arc<App>>,
    method: Method,
    headers: HeaderMap,
    Named((token, file)): Named<(String, String)>,
    Params(following): Params<Following>,
) -> Result<Response, Problem> {
    let Followed { token, player } = app.sessions.follow(&token)?;
    let text = app.sessions.text_playlist(&token, stem(&file)?, following.reload_by(player)?).await?;
    Ok(playlist(&app, &method, &headers, text))
}

/// A segment of a text of a mosaic, or a part of one (`{n}.{part}.vtt`), while it is in the window. One in which nothing is written is there, too.
#[utoipa::path(get, path = "/v1/media/{mosaic}/text/{text}/{n}.vtt", operation_id = "get_text_segment", tag = "playback",
    params(("mosaic" = String, Path), ("text" = String, Path, description = "Opaque, as in the session's playlists"), ("n" = String, Path, description = "Segment number on the epoch grid, or that and a part's: `46012345`, `46012345.2`")),
    responses(
        (status = 200, description = "WebVTT", content_type = "text/vtt"),
        (status = 206, description = "The range asked for", content_type = "text/vtt"),
        (status = 304, description = "The client has it"),
        (status = 404, description = "`segment_unknown`, `not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 416, description = "`range_unsatisfiable`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn text_segment(
    State(app): State<Arc<App>>,
    method: Method,
    headers: HeaderMap,
    Named((mosaic, element, file)): Named<(String, String, String)>,
) -> Result<Response, Problem> {
    segment(&app, &method, &headers, [&mosaic, &element, &file], None).await
}

/// The same for one session, as the playlists have it that begin where `start` says.
#[utoipa::path(get, path = "/v1/play/{token}/media/{mosaic}/text/{text}/{n}.vtt", operation_id = "get_own_text_segment", tag = "playback",
    params(("token" = String, Path), ("mosaic" = String, Path), ("text" = String, Path, description = "Opaque, as in the session's playlists"), ("n" = String, Path, description = "Segment number on the epoch grid, or that and a part's: `46012345`, `46012345.2`")),
    responses(
        (status = 200, description = "WebVTT", content_type = "text/vtt"),
        (status = 206, description = "The range asked for", content_type = "text/vtt"),
        (status = 304, description = "The client has it"),
        (status = 401, description = "`token_expired`: its playlists were taken back", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`played_elsewhere`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`session_unknown`, `segment_unknown`, `not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 416, description = "`range_unsatisfiable`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn own_text_segment(
    State(app): State<Arc<App>>,
    method: Method,
    headers: HeaderMap,
    Named((token, mosaic, element, file)): Named<(String, String, String, String)>,
) -> Result<Response, Problem> {
    let Followed { token, .. } = app.sessions.follow(&token)?;
    segment(&app, &method, &headers, [&mosaic, &element, &file], Some(&token)).await
}

async fn segment(
    app: &App,
    method: &Method,
    headers: &HeaderMap,
    [mosaic, element, file]: [&str; 3],
    token: Option<&str>,
) -> Result<Response, Problem> {
    let id = mosaic_id(app, mosaic)?;
    let (segment, part) = number(file)?;
    let no_such = || Problem::new(Code::NotFound, "There is no such text.");
    let TextWish { slots, text } = app.sessions.text_of(mosaic, element, segment, token).ok_or_else(no_such)?;
    let shows = app.mosaics.shows(&id).ok_or_else(no_such)?;
    let is_wanted = |slot: usize| match slots {
        Some(TextOf::All) => true,
        Some(TextOf::Slot(wanted)) => wanted == slot,
        // Which one is heard the playlist has said.
        Some(TextOf::Main) | None => false,
    };
    let wanted = TextWanted::of(&shows, text, is_wanted);
    if let (Some(part), Some(game)) = (part, shows.games.first()) {
        // Sound comes after text.
        hinted(app.catalogue.sound_comes(game, Position::new(segment, part))).await;
    }
    let found = app.catalogue.text_segment(&wanted, segment, part).await;
    let bytes = found.ok_or_else(|| not_in_window(segment))?;
    let tag = super::etag::of_bytes(&bytes);
    served(app, method, headers, Kept { media_type: WEBVTT, cached: cached(token), tag }, bytes)
}

/// `{n}.vtt` or `{n}.{part}.vtt`, in one spelling.
fn number(file: &str) -> Result<(SegmentNumber, Option<PartNumber>), Problem> {
    let read = || {
        let name = file.strip_suffix(".vtt")?;
        Some(match name.split_once('.') {
            Some((segment, part)) => (plain(segment)?, Some(plain(part)?)),
            None => (plain(name)?, None),
        })
    };
    read().ok_or_else(|| {
        Problem::new(
            Code::NotFound,
            "Segments of text are named by their number, {n}.vtt, parts by theirs, {n}.{part}.vtt.",
        )
    })
}
