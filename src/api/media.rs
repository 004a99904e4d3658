//! `/v1/media/…`: init segments and segments, shared by all sessions that show them, immutable, cacheable anywhere.

use std::future::Future;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::App;
use super::etag;
use super::extract::Named;
use super::pieces;
use super::problem::{Code, Problem, ProblemBody};
use super::range::{self, Wanted};
use crate::mosaic::{GameKey, Image, MosaicId, Packaged};
use crate::session::Followed;
use crate::timeline::SegmentNumber;
use crate::track::Position;

const VIDEO: &str = "video/mp4";
const AUDIO: &str = "audio/mp4";
pub(super) const IMAGE: &str = "image/jpeg";

/// A segment's name says everything that decides its bytes (RFC 8246). A day outlives every window many times.
const IMMUTABLE: HeaderValue = HeaderValue::from_static("public, max-age=86400, immutable");

const OWN: HeaderValue = HeaderValue::from_static("private, max-age=86400, immutable");

/// A part that is hinted at comes within its own length and what encoders hold back.
const HINT_PATIENCE: Duration = Duration::from_secs(2);

/// Init segments are the same bytes for every mosaic, but a restart with another ladder changes them.
const INIT_CACHED: HeaderValue = HeaderValue::from_static("public, max-age=60");

/// The init segment of a rendition: the same bytes whatever the mosaic.
#[utoipa::path(get, path = "/v1/media/{mosaic}/{rendition}/init.mp4", operation_id = "get_video_init", tag = "playback",
    params(("mosaic" = String, Path), ("rendition" = String, Path, description = "Opaque, as in the session's playlists")),
    responses(
        (status = 200, description = "CMAF init segment", content_type = "video/mp4"),
        (status = 206, description = "The range asked for", content_type = "video/mp4"),
        (status = 304, description = "The client has it"),
        (status = 404, description = "`rendition_unknown`, `not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 416, description = "`range_unsatisfiable`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn video_init(
    State(app): State<Arc<App>>,
    method: Method,
    headers: HeaderMap,
    Named((mosaic, rung)): Named<(String, String)>,
) -> Result<Response, Problem> {
    // A session's map outlives its first mosaic, so it need not run: that we gave the name is enough.
    mosaic_id(&app, &mosaic)?;
    let rendition = rendition(&app, &mosaic, &rung, None, None)?;
    let bytes = app.mosaics.init_segment(rendition).ok_or_else(|| rendition_unknown(&app, rendition))?;
    let tag = etag::of_bytes(&bytes);
    served(&app, &method, &headers, Kept { media_type: VIDEO, cached: INIT_CACHED, tag }, bytes)
}

/// A segment of a mosaic in one rendition, a part of one (`{n}.{part}.m4s`), or the picture that opens it (`{n}.key.m4s`, or as a JPEG `{n}.jpg`), while it is in the window. A part that a playlist hints at is waited for.
#[utoipa::path(get, path = "/v1/media/{mosaic}/{rendition}/{n}.m4s", operation_id = "get_video_segment", tag = "playback",
    params(("mosaic" = String, Path), ("rendition" = String, Path, description = "Opaque, as in the session's playlists"), ("n" = String, Path, description = "Segment number on the epoch grid, or that and a part's: `46012345`, `46012345.2`")),
    responses(
        (status = 200, description = "CMAF segment", content_type = "video/mp4"),
        (status = 206, description = "The range asked for", content_type = "video/mp4"),
        (status = 304, description = "The client has it"),
        (status = 404, description = "`segment_unknown`, `not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 416, description = "`range_unsatisfiable`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn video_segment(
    State(app): State<Arc<App>>,
    method: Method,
    headers: HeaderMap,
    Named((mosaic, rung, file)): Named<(String, String, String)>,
) -> Result<Response, Problem> {
    video(&app, &method, &headers, [&mosaic, &rung, &file], None).await
}

/// The same for one session, as the playlists have it that begin where `start` says: good as long as the session is there, and its meter runs.
#[utoipa::path(get, path = "/v1/play/{token}/media/{mosaic}/{rendition}/{n}.m4s", operation_id = "get_own_video_segment", tag = "playback",
    params(("token" = String, Path), ("mosaic" = String, Path), ("rendition" = String, Path, description = "Opaque, as in the session's playlists"), ("n" = String, Path, description = "Segment number on the epoch grid, or that and a part's: `46012345`, `46012345.2`")),
    responses(
        (status = 200, description = "CMAF segment", content_type = "video/mp4"),
        (status = 206, description = "The range asked for", content_type = "video/mp4"),
        (status = 304, description = "The client has it"),
        (status = 401, description = "`token_expired`: its playlists were taken back", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`played_elsewhere`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`session_unknown`, `segment_unknown`, `not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 416, description = "`range_unsatisfiable`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`not_ready`: the session is handed no more of its past than twice what is billed, and ten minutes", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn own_video_segment(
    State(app): State<Arc<App>>,
    method: Method,
    headers: HeaderMap,
    Named((token, mosaic, rung, file)): Named<(String, String, String, String)>,
) -> Result<Response, Problem> {
    let Followed { token, .. } = app.sessions.follow(&token)?;
    video(&app, &method, &headers, [&mosaic, &rung, &file], Some(&token)).await
}

async fn video(
    app: &App,
    method: &Method,
    headers: &HeaderMap,
    [mosaic, rung, file]: [&str; 3],
    token: Option<&str>,
) -> Result<Response, Problem> {
    let (id, number) = (mosaic_id(app, mosaic)?, number(file)?);
    if number.is_played() {
        app.sessions.keeps_pace(number.segment(), token).await?;
    }
    let rendition = rendition(app, mosaic, rung, Some(number), token)?;
    let found = match number {
        Number::Segment(segment) => app.mosaics.segment(&id, rendition, segment).await,
        Number::KeyPicture(segment) => app.mosaics.key_picture(&id, rendition, segment).await,
        Number::Image(segment) => app.mosaics.image(&Image::Single(id, segment)).await.map(Packaged::from),
        Number::Part(at) => {
            hinted(app.mosaics.wait(&id, at)).await;
            app.mosaics.part(&id, rendition, at).await
        }
    };
    let file = found.ok_or_else(|| not_in_window(number.segment()))?;
    served(
        app,
        method,
        headers,
        Kept { media_type: number.media_type(), cached: cached(token), tag: number.tag() },
        file,
    )
}

/// What is one viewer's no cache that others share has to keep.
pub(super) fn cached(token: Option<&str>) -> HeaderValue {
    if token.is_some() { OWN } else { IMMUTABLE }
}

/// The init segment of a game's sound.
#[utoipa::path(get, path = "/v1/media/audio/{game}/init.mp4", operation_id = "get_audio_init", tag = "playback",
    params(("game" = String, Path, description = "Opaque, as in the session's playlists")),
    responses(
        (status = 200, description = "CMAF init segment", content_type = "audio/mp4"),
        (status = 206, description = "The range asked for", content_type = "audio/mp4"),
        (status = 304, description = "The client has it"),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 416, description = "`range_unsatisfiable`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn audio_init(
    State(app): State<Arc<App>>,
    method: Method,
    headers: HeaderMap,
    Named(element): Named<String>,
) -> Result<Response, Problem> {
    let bytes = app.catalogue.sound_init(&sound(&app, &element, None, None)?).ok_or_else(no_such_sound)?;
    let tag = etag::of_bytes(&bytes);
    served(&app, &method, &headers, Kept { media_type: AUDIO, cached: INIT_CACHED, tag }, bytes)
}

/// A segment of a game's sound, or a part of one, while it is in the window.
#[utoipa::path(get, path = "/v1/media/audio/{game}/{n}.m4s", operation_id = "get_audio_segment", tag = "playback",
    params(("game" = String, Path, description = "Opaque, as in the session's playlists"), ("n" = String, Path, description = "Segment number on the epoch grid, or that and a part's: `46012345`, `46012345.2`")),
    responses(
        (status = 200, description = "CMAF segment", content_type = "audio/mp4"),
        (status = 206, description = "The range asked for", content_type = "audio/mp4"),
        (status = 304, description = "The client has it"),
        (status = 404, description = "`segment_unknown`, `not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 416, description = "`range_unsatisfiable`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn audio_segment(
    State(app): State<Arc<App>>,
    method: Method,
    headers: HeaderMap,
    Named((element, file)): Named<(String, String)>,
) -> Result<Response, Problem> {
    audio(&app, &method, &headers, [&element, &file], None).await
}

/// The same for one session, as the playlists have it that begin where `start` says.
#[utoipa::path(get, path = "/v1/play/{token}/media/audio/{game}/{n}.m4s", operation_id = "get_own_audio_segment", tag = "playback",
    params(("token" = String, Path), ("game" = String, Path, description = "Opaque, as in the session's playlists"), ("n" = String, Path, description = "Segment number on the epoch grid, or that and a part's: `46012345`, `46012345.2`")),
    responses(
        (status = 200, description = "CMAF segment", content_type = "audio/mp4"),
        (status = 206, description = "The range asked for", content_type = "audio/mp4"),
        (status = 304, description = "The client has it"),
        (status = 401, description = "`token_expired`: its playlists were taken back", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`played_elsewhere`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`session_unknown`, `segment_unknown`, `not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 416, description = "`range_unsatisfiable`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`not_ready`: the session is handed no more of its past than twice what is billed, and ten minutes", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn own_audio_segment(
    State(app): State<Arc<App>>,
    method: Method,
    headers: HeaderMap,
    Named((token, element, file)): Named<(String, String, String)>,
) -> Result<Response, Problem> {
    let Followed { token, .. } = app.sessions.follow(&token)?;
    audio(&app, &method, &headers, [&element, &file], Some(&token)).await
}

async fn audio(
    app: &App,
    method: &Method,
    headers: &HeaderMap,
    [element, file]: [&str; 2],
    token: Option<&str>,
) -> Result<Response, Problem> {
    let number = number(file)?;
    if number.is_played() {
        app.sessions.keeps_pace(number.segment(), token).await?;
    }
    let game = sound(app, element, Some(number), token)?;
    let found = match number {
        // Sound has none.
        Number::KeyPicture(_) | Number::Image(_) => None,
        Number::Segment(segment) => app.catalogue.sound_segment(&game, segment).await,
        Number::Part(at) => {
            hinted(app.catalogue.sound_comes(&game, at)).await;
            app.catalogue.sound_part(&game, at).await
        }
    };
    let bytes = found.ok_or_else(|| not_in_window(number.segment()))?;
    served(app, method, headers, Kept { media_type: AUDIO, cached: cached(token), tag: number.tag() }, bytes)
}

/// What caches are told of a file of media.
pub(super) struct Kept {
    pub media_type: &'static str,
    pub cached: HeaderValue,
    pub tag: HeaderValue,
}

/// The bytes, or the range of them that was asked for, or that the client has them already.
pub(super) fn served(
    app: &App,
    method: &Method,
    headers: &HeaderMap,
    kept: Kept,
    file: impl Into<Packaged>,
) -> Result<Response, Problem> {
    let Kept { media_type, cached, tag } = kept;
    let file: Packaged = file.into();
    let has_it = etag::matches_none(headers, &tag);
    let in_range = range::holds(headers, &tag);
    let common = [
        (header::CONTENT_TYPE, HeaderValue::from_static(media_type)),
        (header::CACHE_CONTROL, cached),
        (header::ACCEPT_RANGES, HeaderValue::from_static("bytes")),
        (header::ETAG, tag),
    ];
    if has_it {
        return Ok((StatusCode::NOT_MODIFIED, common).into_response());
    }
    let length = file.len();
    // Ranges are defined for GET alone (RFC 9110, 14.2).
    let wanted = if method == Method::GET && in_range { range::wanted(headers, length) } else { Wanted::All };
    match wanted {
        Wanted::All => {
            app.count_served(method, length);
            Ok((common, pieces::body(&file)).into_response())
        }
        Wanted::Part(part) => {
            app.count_served(method, part.len());
            let place = super::header_text(&format!("bytes {}-{}/{length}", part.start, part.end - 1));
            let body = pieces::body(&file.slice(part));
            Ok((StatusCode::PARTIAL_CONTENT, common, [(header::CONTENT_RANGE, place)], body).into_response())
        }
        Wanted::Nothing => {
            let problem = Problem::new(Code::RangeUnsatisfiable, format!("The representation has {length} bytes."));
            Err(problem.header(header::CONTENT_RANGE, super::header_text(&format!("bytes */{length}"))))
        }
    }
}

/// The mosaic of a name that we gave; any other name, well made or not, names nothing.
pub(super) fn mosaic_id(app: &App, text: &str) -> Result<MosaicId, Problem> {
    let ours = app.mosaics.signed(text);
    if ours { Ok(MosaicId(text.into())) } else { Err(Problem::new(Code::NotFound, "There is no such mosaic.")) }
}

/// The rendition of a path element that we gave for a segment, or for the init segment. Who was given one has been given no other.
fn rendition<'a>(
    app: &App,
    mosaic: &str,
    element: &'a str,
    number: Option<Number>,
    token: Option<&str>,
) -> Result<&'a str, Problem> {
    let found = match number.filter(|number| !number.is_played()) {
        Some(picture) => app.sessions.rendition_of_picture(mosaic, element, picture.segment(), token),
        None => app.sessions.rendition_of(mosaic, element, number.map(Number::segment), token),
    };
    found.ok_or_else(|| {
        Problem::new(
            Code::NotFound,
            "This is no address of a rendition of this mosaic; playlists have those that there are.",
        )
    })
}

/// What a file of media is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Number {
    Segment(SegmentNumber),
    Part(Position),
    /// The picture that opens a segment.
    KeyPicture(SegmentNumber),
    /// The same as a JPEG.
    Image(SegmentNumber),
}

impl Number {
    /// Strong: behind an address there are never other bytes (RFC 9110, 8.8.3: a tag tells apart what is at one address).
    fn tag(self) -> HeaderValue {
        match self {
            Self::Segment(segment) => etag::of_number(segment),
            Self::Part(Position { segment, part }) => etag::of_text(&format!("{segment}.{part}")),
            Self::KeyPicture(segment) => etag::of_text(&format!("{segment}.key")),
            Self::Image(segment) => etag::of_text(&format!("{segment}.jpg")),
        }
    }

    fn media_type(self) -> &'static str {
        match self {
            Self::Image(_) => IMAGE,
            Self::Segment(_) | Self::Part(_) | Self::KeyPicture(_) => VIDEO,
        }
    }

    /// Whether it is what players play, and no picture to show while they seek.
    fn is_played(self) -> bool {
        matches!(self, Self::Segment(_) | Self::Part(_))
    }

    fn segment(self) -> SegmentNumber {
        match self {
            Self::Segment(segment) | Self::KeyPicture(segment) | Self::Image(segment) => segment,
            Self::Part(Position { segment, .. }) => segment,
        }
    }
}

/// `46012345.m4s`, `46012345.2.m4s`, `46012345.jpg`; other spellings of the numbers are none, or caches would keep one under many names.
fn number(file: &str) -> Result<Number, Problem> {
    let read = || {
        if let Some(segment) = file.strip_suffix(".jpg") {
            return Some(Number::Image(plain(segment)?));
        }
        let name = file.strip_suffix(".m4s")?;
        Some(match name.split_once('.') {
            Some((segment, "key")) => Number::KeyPicture(plain(segment)?),
            Some((segment, part)) => Number::Part(Position { segment: plain(segment)?, part: plain(part)? }),
            None => Number::Segment(plain(name)?),
        })
    };
    read().ok_or_else(|| {
        Problem::new(
            Code::NotFound,
            "Segments are named by their number, {n}.m4s, parts by theirs, {n}.{part}.m4s, the picture that opens one {n}.key.m4s or {n}.jpg.",
        )
    })
}

/// A number as we write it.
pub(super) fn plain<N: FromStr + ToString>(text: &str) -> Option<N> {
    text.parse().ok().filter(|number: &N| number.to_string() == text)
}

/// Waits for a part that a playlist hinted at (RFC 8216bis, 6.2.5.4), but not for one that is far off.
pub(super) async fn hinted(comes: impl Future<Output = ()>) {
    // What is not there after that is answered as what is gone.
    let _ = tokio::time::timeout(HINT_PATIENCE, comes).await;
}

fn sound(app: &App, element: &str, number: Option<Number>, token: Option<&str>) -> Result<GameKey, Problem> {
    app.sessions.sound_of(element, number.map(Number::segment), token).ok_or_else(no_such_sound)
}

fn no_such_sound() -> Problem {
    Problem::new(Code::NotFound, "There is no such sound.")
}

pub(super) fn not_in_window(number: SegmentNumber) -> Problem {
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
        assert_eq!(number("46012345.m4s").ok(), Some(Number::Segment(46_012_345)));
        assert_eq!(number("46012345.key.m4s").ok(), Some(Number::KeyPicture(46_012_345)));
        assert_eq!(number("46012345.jpg").ok(), Some(Number::Image(46_012_345)));
        assert_eq!(number("46012345.2.m4s").ok(), Some(Number::Part(Position::new(46_012_345, 2))));
        for bad in [
            "046.m4s",
            "+46.m4s",
            "-1.m4s",
            "46",
            "46.mp4",
            ".m4s",
            "46.01.m4s",
            "46..m4s",
            "46.1.2.m4s",
            "46.key.1.m4s",
            "046.key.m4s",
            "046.jpg",
            "46.2.jpg",
            "46.key.jpg",
            "46.4294967296.m4s",
            "99999999999999999999.m4s",
        ] {
            assert!(number(bad).is_err(), "{bad}");
        }
    }
}
