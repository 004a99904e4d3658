//! `/v1/play/{token}/images…`: pictures of a session's stream, for players that show them while viewers seek.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, Method};
use axum::response::Response;

use super::App;
use super::etag;
use super::extract::{Named, Params};
use super::media::{self, IMAGE, Kept};
use super::playback::{self, Following};
use super::problem::{Code, Problem, ProblemBody};
use crate::session::Followed;

/// Images of the stream, after the Image Media Playlist specification (version 0.4): of each segment of a live playlist its first picture; of one that begins
/// where `start` says, sprites of ten segments each.
#[utoipa::path(get, path = "/v1/play/{token}/images.m3u8", operation_id = "get_images_playlist", tag = "playback",
    params(("token" = String, Path), Following),
    responses(
        (status = 400, description = "`reload_invalid`, `start_invalid`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`parameter_invalid`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 200, description = "The playlist", body = String, content_type = "application/vnd.apple.mpegurl"),
        (status = 304, description = "The client has it"),
        (status = 401, description = "`token_expired`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`played_elsewhere`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`session_unknown`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`not_ready`, with `Retry-After`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn playlist(
    State(app): State<Arc<App>>,
    method: Method,
    headers: HeaderMap,
    Named(token): Named<String>,
    Params(following): Params<Following>,
) -> Result<Response, Problem> {
    let Followed { token, player } = app.sessions.follow(&token)?;
    let text = app.sessions.images_playlist(&token, following.reload_by(player)?).await?;
    Ok(playback::playlist(&app, &method, &headers, text))
}

/// A sprite: the first pictures of the segments of a run, in reading order, black where nothing was kept. Good as long as the session is there.
#[utoipa::path(get, path = "/v1/play/{token}/images/{signature}/{first}-{segments}.jpg", operation_id = "get_image", tag = "playback",
    params(("token" = String, Path), ("signature" = String, Path, description = "Opaque, as in the session's playlist"), ("first" = u64, Path, description = "Number of the run's first segment"), ("segments" = u64, Path, description = "How many there are")),
    responses(
        (status = 200, description = "JPEG", content_type = "image/jpeg"),
        (status = 206, description = "The range asked for", content_type = "image/jpeg"),
        (status = 304, description = "The client has it"),
        (status = 401, description = "`token_expired`: its playlists were taken back", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`played_elsewhere`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`session_unknown`, `segment_unknown`, `not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 416, description = "`range_unsatisfiable`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn sprite(
    State(app): State<Arc<App>>,
    method: Method,
    headers: HeaderMap,
    Named((token, signature, file)): Named<(String, String, String)>,
) -> Result<Response, Problem> {
    let (first, segments) = run(&file).ok_or_else(no_such_sprite)?;
    let Followed { token, .. } = app.sessions.follow(&token)?;
    let image = app.sessions.sprite(&token, &signature, first, segments).ok_or_else(no_such_sprite)?;
    let bytes = app.mosaics.image(&image).await.ok_or_else(|| media::not_in_window(first))?;
    let tag = etag::of_text(&format!("{first}-{segments}.jpg"));
    media::served(&app, &method, &headers, Kept { media_type: IMAGE, cached: media::cached(Some(&token)), tag }, bytes)
}

/// `46012340-10.jpg`, and no other spelling.
fn run(file: &str) -> Option<(u64, u64)> {
    let (first, segments) = file.strip_suffix(".jpg")?.split_once('-')?;
    Some((media::plain(first)?, media::plain(segments)?))
}

fn no_such_sprite() -> Problem {
    Problem::new(
        Code::NotFound,
        "This is no address of an image of this session; its playlist has those that there are.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_spelling_of_a_run_is_a_run() {
        assert_eq!(run("46012340-10.jpg"), Some((46_012_340, 10)));
        for bad in
            ["46012340.jpg", "046-10.jpg", "46-010.jpg", "46-10.jpeg", "46--1.jpg", "-10.jpg", "46-.jpg", "46-10-1.jpg"]
        {
            assert_eq!(run(bad), None, "{bad}");
        }
    }
}
