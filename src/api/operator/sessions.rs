//! `/v1/operator/sessions`: watching sessions, looking for them, ended ones too, and ending them.

mod filter;

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::App;
use crate::api::auth::Operator;
use crate::api::base::Base;
use crate::api::extract::{Named, Params};
use crate::api::limits;
use crate::api::problem::{Problem, ProblemBody};
use crate::keys::{Access, Area, Scope};
use crate::session::{EndedBy, ListSessions, OperatedSession, SessionPage, SessionView};
use crate::usage::{Billed, Period};
pub use filter::Filter;

/// The tenant's sessions, newest first: all, or those that are looked for. A page looks through 20,000 of them at most, so that one with fewer sessions than were asked for
/// need not be the last: `next_cursor` says whether there are more to look through.
#[utoipa::path(get, path = "/v1/operator/sessions", operation_id = "list_sessions", tag = "operators", params(Filter), security(("operator_key" = [])),
    responses(
        (status = 200, description = "A page of sessions", body = SessionPage),
        (status = 401, description = "`unauthorized`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`parameter_invalid`, `cursor_invalid`, `time_invalid`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`store_unavailable`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn list(
    State(app): State<Arc<App>>,
    operator: Operator,
    base: Base,
    Params(filter): Params<Filter>,
) -> Result<Response, Problem> {
    let wanted = filter.wanted()?;
    let Filter { state, cursor, limit, .. } = filter;
    let request = ListSessions { state, cursor, limit: limits::page(limit)?, wanted };
    let mut page = app.sessions.list(&operator.tenant, request).await?;
    for listed in &mut page.sessions {
        listed.session.playback_url = playback_url(&operator, &base, &listed.session);
    }
    Ok(([(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], Json(page)).into_response())
}

/// Whoever has an address that plays can have its session billed: who may read alone is given none.
fn playback_url(operator: &Operator, base: &Base, session: &SessionView) -> String {
    let plays = Scope { area: Area::Sessions, access: Access::Write };
    if operator.principal.scopes.allow(plays) { base.url(&session.playback_url) } else { String::new() }
}

/// A session, and what was billed of it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SessionDetail)]
pub struct Detail {
    #[serde(flatten)]
    pub operated: OperatedSession,
    pub billed: Billed,
}

/// A session, and what was billed of it so far.
#[utoipa::path(get, path = "/v1/operator/sessions/{id}", operation_id = "get_operated_session", tag = "operators", security(("operator_key" = [])),
    params(("id" = String, Path)),
    responses(
        (status = 200, description = "The session", body = Detail),
        (status = 401, description = "`unauthorized`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`session_unknown`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`store_unavailable`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn get(
    State(app): State<Arc<App>>,
    operator: Operator,
    base: Base,
    Named(id): Named<String>,
) -> Result<Response, Problem> {
    let mut operated = app.sessions.operated(&operator.tenant, &id).await?;
    operated.session.playback_url = playback_url(&operator, &base, &operated.session);
    let at_ms = |text: &str| text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond);
    let now_ms = app.clock.now().unix_millis();
    let begun_ms = at_ms(&operated.session.created_at).unwrap_or(now_ms);
    let ended_ms = operated.ended_at.as_deref().and_then(at_ms);
    let period = Period::of(begun_ms, now_ms.max(begun_ms));
    let billed = app.reports.of_session(&operator.tenant, &id, period, ended_ms).await?;
    let detail = Detail { operated, billed };
    Ok(([(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))], Json(detail)).into_response())
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
