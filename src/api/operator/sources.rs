//! `/v1/operator/sources/try`: what a source is, before there is a game with it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::App;
use crate::api::auth::Operator;
use crate::api::extract::{Body, RequestBody};
use crate::api::problem::{Problem, ProblemBody};
use crate::catalogue::{AudioHealth, AudioTrack, CatalogueError, GameText, Reason, Tried, VideoHealth};

/// A source to try.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SourceTrial, examples(json!({ "source": "https://origin.example/nyk-bos/index.m3u8" })))]
pub struct TrialBody {
    /// As in a game's `sources`.
    pub source: String,
    /// A registered game that it is a source of: then it may be sent as it was shown, masked.
    #[serde(default)]
    pub game: Option<String>,
}

impl RequestBody for TrialBody {
    const FIELDS: &'static [&'static str] = &["source", "game"];
}

/// What a source turned out to be.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TriedSource)]
pub struct TriedBody {
    /// Masked.
    pub source: String,
    /// Whether its pictures came, and went on coming for three seconds.
    pub works: bool,
    /// Why it does not work, or what is wrong with it though it does; `null` where all is well.
    pub reason: Option<Reason>,
    /// The same for people.
    pub detail: Option<String>,
    /// As in `mpegts` or `mp4`; it and what follows are `null` where they are not known.
    pub container: Option<String>,
    pub video: Option<VideoHealth>,
    /// Its main sound.
    pub audio: Option<AudioHealth>,
    /// All of its sounds that a game would have, the main one first.
    pub sounds: Vec<AudioTrack>,
    /// Captions and subtitles that it lists, and those that showed something meanwhile.
    pub texts: Vec<GameText>,
    pub bitrate_bps: Option<u64>,
    /// How much later than its picture sound is, in milliseconds; negative when it is early.
    pub av_offset_ms: Option<i64>,
    /// Its last picture, as a `data:` URL of a JPEG.
    pub thumbnail: Option<String>,
    pub took_ms: u64,
}

impl From<Tried> for TriedBody {
    fn from(tried: Tried) -> Self {
        let Tried { source, works, reason, health, sounds, texts, thumbnail, took } = tried;
        Self {
            source,
            works,
            reason,
            detail: health.last_error,
            container: health.container,
            video: health.video,
            audio: health.audio,
            sounds,
            texts,
            bitrate_bps: health.bitrate_bps,
            av_offset_ms: health.av_offset_ms,
            thumbnail: thumbnail.map(|jpeg| format!("data:image/jpeg;base64,{}", STANDARD.encode(jpeg))),
            took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// Decodes a source for a moment, as a game's, and tells what it is or why it does not work: within 25 seconds, mostly 3 seconds after its first picture. No game is made, and nothing of it
/// stays. One at a time of a tenant is tried, and two on a machine.
#[utoipa::path(post, path = "/v1/operator/sources/try", operation_id = "try_source", tag = "operators", request_body = TrialBody, security(("operator_key" = [])),
    responses(
        (status = 200, description = "What it is, whether or not it works", body = TriedBody),
        (status = 400, description = "`body_invalid`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "`unauthorized`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`game_unknown`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`source_in_use`, `game_read_only`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 413, description = "`body_too_large`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 415, description = "`media_type_unsupported`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`source_invalid`, `source_forbidden`, `field_unknown`, `field_invalid`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`capacity`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn try_one(
    State(app): State<Arc<App>>,
    operator: Operator,
    Body(body): Body<TrialBody>,
) -> Result<Response, Problem> {
    let tried = app.catalogue.try_source(&operator.tenant, body.source, body.game.as_deref()).await;
    let tried = tried.map_err(|error| {
        let names_it = matches!(
            error,
            CatalogueError::SourceInvalid { .. }
                | CatalogueError::SourceForbidden { .. }
                | CatalogueError::SourceInUse { .. }
        );
        let names_game = matches!(error, CatalogueError::Unknown(_) | CatalogueError::ReadOnly(_));
        match Problem::from(error) {
            problem if names_it => problem.with("field", "source"),
            problem if names_game => problem.with("field", "game"),
            problem => problem,
        }
    })?;
    let headers = [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    Ok((headers, Json(TriedBody::from(tried))).into_response())
}
