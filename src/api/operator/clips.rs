//! `/v1/operator/clips`: files of what was played.

use std::sync::Arc;

use axum::Json;
use axum::body::Body as Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tower::ServiceExt as _;
use tower_http::services::ServeFile;
use utoipa::ToSchema;

use crate::api::App;
use crate::api::auth::Operator;
use crate::api::etag;
use crate::api::extract::{Body, Named, RequestBody};
use crate::api::instant;
use crate::api::problem::{Code, Problem, ProblemBody};
use crate::api::range::{self, Wanted};
use crate::api::sessions::{EngineWish, about_body};
use crate::clips::{Clip, ClipSpec, Clips, LONGEST};
use crate::session::{MosaicWish, NamedMosaic};
use crate::timeline::{Grid, MediaTime};

/// What a clip is to show.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ClipRequest, examples(json!({ "game": "nyk-bos", "from": "2026-11-27T19:30:00Z", "to": "2026-11-27T19:30:20Z" })))]
pub struct ClipBody {
    /// One game, as large as the picture; or `games`.
    pub game: Option<String>,
    /// One to four ids, in slot order.
    pub games: Option<Vec<String>>,
    /// As for a session.
    pub layout: Option<String>,
    /// The game that is heard, or one of its sounds beside its main one, as `nyk-bos/deu`; the first game when absent.
    pub audio: Option<String>,
    pub engine: Option<EngineWish>,
    /// The best when absent.
    pub rendition: Option<String>,
    /// RFC 3339. It begins with the frame of that instant.
    pub from: String,
    /// At most an hour later.
    pub to: String,
}

impl RequestBody for ClipBody {
    const FIELDS: &'static [&'static str] = &["game", "games", "layout", "audio", "engine", "rendition", "from", "to"];
}

fn clips(app: &App) -> Result<&Arc<Clips>, Problem> {
    let off = || {
        Problem::new(Code::StartOverOff, "Clips are made of the start-over window: [start_over] in the configuration.")
    };
    app.clips.as_ref().ok_or_else(off)
}

fn instant(field: &'static str, text: &str) -> Result<MediaTime, Problem> {
    instant::read(text).ok_or_else(|| Problem::field(field, format!("{text:?} is no instant: {}.", instant::ALLOWED)))
}

/// Makes an MP4 of what was played: of a game, or of any mosaic, watched or not, as far as the start-over window reaches. Nothing is encoded. It is begun at
/// once and is ready some seconds later.
#[utoipa::path(post, path = "/v1/operator/clips", operation_id = "create_clip", tag = "operators", request_body = ClipBody, security(("operator_key" = [])),
    responses(
        (status = 201, description = "The clip, which is being made", body = Clip, headers(("Location" = String, description = "Path of the clip"))),
        (status = 400, description = "`body_invalid`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "`unauthorized`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`game_unknown`, `layout_unknown`, `rendition_unknown`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`start_over_off`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 413, description = "`body_too_large`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 415, description = "`media_type_unsupported`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`clip_missing`: nothing was kept of `missing_from` to `missing_to`; `field_invalid`, `field_unknown`, `games_count`, `layout_mismatch`, `engine_unsuited`, `audio_unknown`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`capacity`, with `Retry-After`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn create(
    State(app): State<Arc<App>>,
    operator: Operator,
    Body(body): Body<ClipBody>,
) -> Result<Response, Problem> {
    let clips = clips(&app)?;
    let (from, to) = (instant("from", &body.from)?, instant("to", &body.to)?);
    let frame = |grid: &Grid, at| grid.frame_time(grid.frame_at(at));
    let (from, to) = (frame(clips.grid(), from), frame(clips.grid(), to));
    if to <= from || to.since(from) > LONGEST {
        let detail = format!("It is after `from`, by a frame at least and {} s at most.", LONGEST.as_secs());
        return Err(Problem::field("to", detail));
    }
    let is_one = body.game.is_some();
    let games = match (body.game, body.games) {
        (Some(game), None) => vec![game],
        (None, games) => games.unwrap_or_default(),
        (Some(_), Some(_)) => return Err(Problem::field("game", "One of `game` and `games` is allowed.")),
    };
    let engine = body.engine.unwrap_or_default().into();
    let asked_for = games.clone();
    let wish = MosaicWish { games, layout: body.layout, audio: body.audio, engine };
    let named = app.sessions.named(&operator.tenant, wish).map_err(|error| {
        let refused = about_body(error, &asked_for);
        if is_one && refused.code() == Code::GameUnknown { refused.with("field", "game") } else { refused }
    });
    let NamedMosaic { id, engine, layout, games, audio, sound } = named?;
    let known = || app.mosaics.renditions().iter().map(|rendition| rendition.name.as_str());
    let rendition = match body.rendition {
        Some(name) if known().any(|known| known == name) => name,
        Some(name) => {
            let detail = format!("There is no rendition {name:?}.");
            let refused = Problem::new(Code::RenditionUnknown, detail).with("field", "rendition");
            return Err(refused.with("allowed", known().collect::<Vec<_>>()));
        }
        None => known().next().unwrap_or_default().to_owned(),
    };
    let engine = engine.name().to_owned();
    let spec = ClipSpec {
        tenant: operator.tenant.to_string(),
        layout,
        games,
        audio,
        engine,
        rendition,
        mosaic: id,
        sound,
        from,
        to,
    };
    let clip = clips.make(spec).await?;
    let location = crate::api::header_text(&format!("/v1/operator/clips/{}", clip.id));
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(clip)).into_response())
}

/// The tenant's clips, the newest first.
#[utoipa::path(get, path = "/v1/operator/clips", operation_id = "list_clips", tag = "operators", security(("operator_key" = [])),
    responses(
        (status = 200, description = "The clips", body = [Clip]),
        (status = 401, description = "`unauthorized`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`start_over_off`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn list(State(app): State<Arc<App>>, operator: Operator) -> Result<Json<Vec<Clip>>, Problem> {
    Ok(Json(clips(&app)?.list(&operator.tenant)))
}

/// A clip.
#[utoipa::path(get, path = "/v1/operator/clips/{id}", operation_id = "get_clip", tag = "operators", security(("operator_key" = [])),
    params(("id" = String, Path)),
    responses(
        (status = 200, description = "The clip", body = Clip),
        (status = 401, description = "`unauthorized`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`clip_unknown`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`start_over_off`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn get(
    State(app): State<Arc<App>>,
    operator: Operator,
    Named(id): Named<String>,
) -> Result<Json<Clip>, Problem> {
    Ok(Json(clips(&app)?.get(&operator.tenant, &id)?))
}

/// The clip's file.
#[utoipa::path(get, path = "/v1/operator/clips/{id}/clip.mp4", operation_id = "get_clip_file", tag = "operators", security(("operator_key" = [])),
    params(("id" = String, Path)),
    responses(
        (status = 200, description = "The movie", content_type = "video/mp4"),
        (status = 206, description = "The range asked for", content_type = "video/mp4"),
        (status = 304, description = "The client has it"),
        (status = 401, description = "`unauthorized`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`clip_unknown`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`clip_not_ready`, with `Retry-After`; `start_over_off`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 416, description = "`range_unsatisfiable`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn file(
    State(app): State<Arc<App>>,
    operator: Operator,
    method: Method,
    headers: HeaderMap,
    Named(id): Named<String>,
) -> Result<Response, Problem> {
    let path = clips(&app)?.file(&operator.tenant, &id)?;
    // Behind an id there are never other bytes.
    let tag = etag::of_text(&id);
    if etag::matches_none(&headers, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response());
    }
    let length = usize::try_from(clips(&app)?.get(&operator.tenant, &id)?.bytes).unwrap_or(usize::MAX);
    let in_range = method == Method::GET && range::holds(&headers, &tag);
    let mut request = axum::http::Request::new(Bytes::empty());
    *request.method_mut() = method;
    // As for all that is served here: which ranges are understood is told in one place.
    match if in_range { range::wanted(&headers, length) } else { Wanted::All } {
        Wanted::All => {}
        Wanted::Part(part) => {
            let wanted = crate::api::header_text(&format!("bytes={}-{}", part.start, part.end - 1));
            request.headers_mut().insert(header::RANGE, wanted);
        }
        Wanted::Nothing => {
            let problem = Problem::new(Code::RangeUnsatisfiable, format!("The file has {length} bytes."));
            return Err(problem.header(header::CONTENT_RANGE, crate::api::header_text(&format!("bytes */{length}"))));
        }
    }
    let Ok(served) = ServeFile::new(path).oneshot(request).await;
    let mut response = served.map(Bytes::new);
    response.headers_mut().insert(header::ETAG, tag);
    // An operator's own, behind a key.
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=3600"));
    Ok(response)
}

/// Lets a clip go.
#[utoipa::path(delete, path = "/v1/operator/clips/{id}", operation_id = "delete_clip", tag = "operators", security(("operator_key" = [])),
    params(("id" = String, Path)),
    responses(
        (status = 204, description = "It is gone"),
        (status = 401, description = "`unauthorized`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`clip_unknown`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`start_over_off`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn delete(
    State(app): State<Arc<App>>,
    operator: Operator,
    Named(id): Named<String>,
) -> Result<StatusCode, Problem> {
    clips(&app)?.delete(&operator.tenant, &id)?;
    Ok(StatusCode::NO_CONTENT)
}
