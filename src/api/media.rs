//! `/v1/media/…`: init segments and segments, shared by all sessions that show them, immutable, cacheable anywhere.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;

use super::App;
use super::extract::Named;
use super::problem::{Code, Problem, ProblemBody};
use super::range::{self, Wanted};
use crate::mosaic::{GameKey, MosaicId};
use crate::timeline::SegmentNumber;

const VIDEO: &str = "video/mp4";
const AUDIO: &str = "audio/mp4";

/// A segment's name says everything that decides its bytes (RFC 8246). A day outlives every window many times.
const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=86400, immutable");

/// Init segments are the same bytes for every mosaic, but a restart with another ladder changes them.
const INIT_CACHED: HeaderValue = HeaderValue::from_static("public, max-age=60");

/// The init segment of a rendition: the same bytes whatever the mosaic.
#[utoipa::path(get, path = "/v1/media/{mosaic}/{rendition}/init.mp4", tag = "playback",
    params(("mosaic" = String, Path), ("rendition" = String, Path)),
    responses(
        (status = 200, description = "CMAF init segment", content_type = "video/mp4"),
        (status = 206, description = "The range asked for", content_type = "video/mp4"),
        (status = 404, description = "`rendition_unknown`, `not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 416, description = "`range_unsatisfiable`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn video_init(
    State(app): State<Arc<App>>,
    method: Method,
    headers: HeaderMap,
    Named((mosaic, rendition)): Named<(String, String)>,
) -> Result<Response, Problem> {
    // A session's map outlives its first mosaic, so it need not run: that we gave the name is enough.
    mosaic_id(&app, &mosaic)?;
    let bytes = app.mosaics.init_segment(&rendition).ok_or_else(|| rendition_unknown(&app, &rendition))?;
    served(&app, &method, &headers, VIDEO, INIT_CACHED, bytes)
}

/// A segment of a mosaic in one rendition, while it is in the window.
#[utoipa::path(get, path = "/v1/media/{mosaic}/{rendition}/{n}.m4s", tag = "playback",
    params(("mosaic" = String, Path), ("rendition" = String, Path), ("n" = u64, Path, description = "Segment number on the epoch grid")),
    responses(
        (status = 200, description = "CMAF segment", content_type = "video/mp4"),
        (status = 206, description = "The range asked for", content_type = "video/mp4"),
        (status = 404, description = "`segment_unknown`, `not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 416, description = "`range_unsatisfiable`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn video_segment(
    State(app): State<Arc<App>>,
    method: Method,
    headers: HeaderMap,
    Named((mosaic, rendition, file)): Named<(String, String, String)>,
) -> Result<Response, Problem> {
    let (id, number) = (mosaic_id(&app, &mosaic)?, segment_number(&file)?);
    let found = if app.mosaics.is_hot(&id, &rendition, number) {
        app.mosaics.segment(&id, &rendition, number)
    } else {
        // The bytes must be put together first: no work for the threads that carry the connections.
        let mosaics = Arc::clone(&app.mosaics);
        let made = tokio::task::spawn_blocking(move || mosaics.segment(&id, &rendition, number)).await;
        made.map_err(Problem::internal)?
    };
    let bytes = found.ok_or_else(|| not_in_window(number))?;
    served(&app, &method, &headers, VIDEO, IMMUTABLE, bytes)
}

/// The init segment of a game's sound.
#[utoipa::path(get, path = "/v1/media/audio/{game}/init.mp4", tag = "playback",
    params(("game" = String, Path, description = "Opaque, as in the session's playlists")),
    responses(
        (status = 200, description = "CMAF init segment", content_type = "audio/mp4"),
        (status = 206, description = "The range asked for", content_type = "audio/mp4"),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 416, description = "`range_unsatisfiable`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn audio_init(
    State(app): State<Arc<App>>,
    method: Method,
    headers: HeaderMap,
    Named(element): Named<String>,
) -> Result<Response, Problem> {
    let bytes = app.catalogue.sound_init(&sound(&app, &element)?).ok_or_else(no_such_sound)?;
    served(&app, &method, &headers, AUDIO, INIT_CACHED, bytes)
}

/// A segment of a game's sound, while it is in the window.
#[utoipa::path(get, path = "/v1/media/audio/{game}/{n}.m4s", tag = "playback",
    params(("game" = String, Path, description = "Opaque, as in the session's playlists"), ("n" = u64, Path, description = "Segment number on the epoch grid")),
    responses(
        (status = 200, description = "CMAF segment", content_type = "audio/mp4"),
        (status = 206, description = "The range asked for", content_type = "audio/mp4"),
        (status = 404, description = "`segment_unknown`, `not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 416, description = "`range_unsatisfiable`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn audio_segment(
    State(app): State<Arc<App>>,
    method: Method,
    headers: HeaderMap,
    Named((element, file)): Named<(String, String)>,
) -> Result<Response, Problem> {
    let number = segment_number(&file)?;
    let bytes = app.catalogue.sound_segment(&sound(&app, &element)?, number).ok_or_else(|| not_in_window(number))?;
    served(&app, &method, &headers, AUDIO, IMMUTABLE, bytes)
}

/// The bytes, or the range of them that was asked for.
fn served(
    app: &App,
    method: &Method,
    headers: &HeaderMap,
    media_type: &'static str,
    cached: HeaderValue,
    bytes: Bytes,
) -> Result<Response, Problem> {
    let common = [
        (header::CONTENT_TYPE, HeaderValue::from_static(media_type)),
        (header::CACHE_CONTROL, cached),
        (header::ACCEPT_RANGES, HeaderValue::from_static("bytes")),
    ];
    let length = bytes.len();
    // Ranges are defined for GET alone (RFC 9110, 14.2).
    let wanted = if method == Method::GET { range::wanted(headers, length) } else { Wanted::All };
    match wanted {
        Wanted::All => {
            app.count_served(method, length);
            Ok((common, bytes).into_response())
        }
        Wanted::Part(part) => {
            app.count_served(method, part.len());
            let place = super::header_text(&format!("bytes {}-{}/{length}", part.start, part.end - 1));
            let body = bytes.slice(part);
            Ok((StatusCode::PARTIAL_CONTENT, common, [(header::CONTENT_RANGE, place)], body).into_response())
        }
        Wanted::Nothing => {
            let problem = Problem::new(Code::RangeUnsatisfiable, format!("The representation has {length} bytes."));
            Err(problem.header(header::CONTENT_RANGE, super::header_text(&format!("bytes */{length}"))))
        }
    }
}

/// The mosaic of a name that we gave; any other name, well made or not, names nothing.
fn mosaic_id(app: &App, text: &str) -> Result<MosaicId, Problem> {
    let ours = app.mosaics.signed(text);
    if ours { Ok(MosaicId(text.into())) } else { Err(Problem::new(Code::NotFound, "There is no such mosaic.")) }
}

/// `46012345.m4s`; other spellings of the number are no segments, or caches would keep one under many names.
fn segment_number(file: &str) -> Result<SegmentNumber, Problem> {
    let number = file.strip_suffix(".m4s").and_then(|n| n.parse().ok().filter(|p: &u64| p.to_string() == n));
    number.ok_or_else(|| Problem::new(Code::NotFound, "Segments are named by their number: {n}.m4s."))
}

fn sound(app: &App, element: &str) -> Result<GameKey, Problem> {
    app.sessions.sound_of(element).ok_or_else(no_such_sound)
}

fn no_such_sound() -> Problem {
    Problem::new(Code::NotFound, "There is no such sound.")
}

fn not_in_window(number: SegmentNumber) -> Problem {
    Problem::new(Code::SegmentUnknown, format!("Segment {number} is not in the window.")).with("segment", number)
}

fn rendition_unknown(app: &App, name: &str) -> Problem {
    let allowed: Vec<&str> = app.mosaics.renditions().iter().map(|r| r.name.as_str()).collect();
    Problem::new(Code::RenditionUnknown, format!("There is no rendition {name:?}.")).with("allowed", allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_spelling_of_a_segment_is_a_segment() {
        assert_eq!(segment_number("46012345.m4s").ok(), Some(46_012_345));
        for bad in ["046.m4s", "+46.m4s", "-1.m4s", "46", "46.mp4", ".m4s", "46.1.m4s", "99999999999999999999.m4s"] {
            assert!(segment_number(bad).is_err(), "{bad}");
        }
    }
}
