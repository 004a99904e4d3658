//! `/v1/operator/games/{id}/breaks`: breaks by hand.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::api::App;
use crate::api::auth::Operator;
use crate::api::cues::unknown;
use crate::api::extract::{Body, Named, Params, RequestBody};
use crate::api::problem::{Problem, ProblemBody};
use crate::breaks::FillReport;
use crate::cues::track::{BeginBreak, CueEvent};
use crate::session::SessionError;
use crate::usage::Period;

impl RequestBody for BeginBreak {
    const FIELDS: &'static [&'static str] = &["duration_s", "starts_in_s", "id"];
}

/// Begins a break of a game now, as if its source had said so. With `duration_s` it ends by itself; else when it is ended, or after half an hour. Every
/// playlist that shows the game lists it.
#[utoipa::path(post, path = "/v1/operator/games/{id}/breaks", operation_id = "begin_break", tag = "operators", request_body = BeginBreak, security(("operator_key" = [])),
    params(("id" = String, Path)),
    responses(
        (status = 201, description = "The break", body = CueEvent, headers(("Location" = String, description = "Path of the break"))),
        (status = 400, description = "`body_invalid`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "`unauthorized`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`game_unknown`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`break_running`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 413, description = "`body_too_large`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 415, description = "`media_type_unsupported`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`field_invalid`, `field_unknown`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`capacity`: the game has too many cues", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn begin(
    State(app): State<Arc<App>>,
    operator: Operator,
    Named(id): Named<String>,
    Body(body): Body<BeginBreak>,
) -> Result<Response, Problem> {
    let event = app.catalogue.begin_break(&operator.tenant, &id, &body).ok_or_else(|| unknown(&id))??;
    let location = crate::api::header_text(&format!("/v1/operator/games/{id}/breaks/{}", event.id));
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(event)).into_response())
}

/// Ends a break now, whoever began it: by the id that was asked for, or that of its event.
#[utoipa::path(delete, path = "/v1/operator/games/{id}/breaks/{break}", operation_id = "end_break", tag = "operators", security(("operator_key" = [])),
    params(("id" = String, Path), ("break" = String, Path)),
    responses(
        (status = 200, description = "The break, with its end", body = CueEvent),
        (status = 401, description = "`unauthorized`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`game_unknown`, `break_unknown`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`break_ended`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn end(
    State(app): State<Arc<App>>,
    operator: Operator,
    Named((id, of)): Named<(String, String)>,
) -> Result<Json<CueEvent>, Problem> {
    Ok(Json(app.catalogue.end_break(&operator.tenant, &id, &of).ok_or_else(|| unknown(&id))??))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct FillQuestion {
    /// RFC 3339 time or day, included: from the beginning of its hour on; 30 days before `to` when absent.
    from: Option<String>,
    /// RFC 3339 time or day, excluded: to the end of its hour; now when absent.
    to: Option<String>,
}

/// What breaks came to, by market: how often advertisement servers were asked, what was shown, and what went wrong.
#[utoipa::path(get, path = "/v1/operator/breaks/report", operation_id = "get_fill_report", tag = "operators", params(FillQuestion), security(("operator_key" = [])),
    responses(
        (status = 200, description = "The report", body = FillReport),
        (status = 401, description = "`unauthorized`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`parameter_invalid`, `time_invalid`, `period_invalid`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`store_unavailable`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn report(
    State(app): State<Arc<App>>,
    operator: Operator,
    Params(question): Params<FillQuestion>,
) -> Result<Json<FillReport>, Problem> {
    let period = Period::parse(question.from.as_deref(), question.to.as_deref(), app.clock.now())?;
    let (from_ms, to_ms) = (period.from.as_millisecond(), period.to.as_millisecond());
    let report = app.fills.report(&operator.tenant, from_ms, to_ms).await;
    Ok(Json(report.map_err(SessionError::from)?))
}
