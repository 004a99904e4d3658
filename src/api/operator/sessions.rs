//! `/v1/operator/sessions`: watching and ending sessions.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::api::App;
use crate::api::auth::Operator;
use crate::api::base::Base;
use crate::api::extract::{Named, Params};
use crate::api::limits;
use crate::api::problem::{Problem, ProblemBody};
use crate::session::{EndedBy, ListSessions, SessionPage, ViewState};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// Only sessions in this state.
    state: Option<ViewState>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Sessions of a page: 1 to 1000, 100 when absent.
    limit: Option<u32>,
}

/// The tenant's sessions, newest first.
#[utoipa::path(get, path = "/v1/operator/sessions", operation_id = "list_sessions", tag = "operators", params(Filter), security(("operator_key" = [])),
    responses(
        (status = 200, description = "A page of sessions", body = SessionPage),
        (status = 401, description = "`unauthorized`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`parameter_invalid`, `cursor_invalid`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn list(
    State(app): State<Arc<App>>,
    operator: Operator,
    base: Base,
    Params(filter): Params<Filter>,
) -> Result<Response, Problem> {
    let request = ListSessions { state: filter.state, cursor: filter.cursor, limit: limits::page(filter.limit)? };
    let mut page = app.sessions.list(&operator.tenant, request).await?;
    for listed in &mut page.sessions {
        listed.session.playback_url = base.url(&listed.session.playback_url);
    }
    Ok(([(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], Json(page)).into_response())
}

/// Ends a session.
#[utoipa::path(delete, path = "/v1/operator/sessions/{id}", operation_id = "end_operated_session", tag = "operators", security(("operator_key" = [])),
    params(("id" = String, Path)),
    responses(
        (status = 204, description = "Ended"),
        (status = 401, description = "`unauthorized`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`session_unknown`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn end(
    State(app): State<Arc<App>>,
    operator: Operator,
    Named(id): Named<String>,
) -> Result<StatusCode, Problem> {
    app.sessions.end(&operator.tenant, &id, EndedBy::Operator).await?;
    Ok(StatusCode::NO_CONTENT)
}
