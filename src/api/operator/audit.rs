//! `/v1/operator/audit`: who did what on operators' routes.

use std::sync::{Arc, OnceLock};

use axum::Json;
use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::api::App;
use crate::api::auth::Operator;
use crate::api::extract::Params;
use crate::api::limits;
use crate::api::problem::{Code, Problem, ProblemBody};
use crate::api::refuse;
use crate::audit::{AuditRow, Deed};
use crate::usage::Period;

/// Characters of a path that are noted.
const MAX_PATH: usize = 512;

/// Where whoever asks an operator's route is put down once it is known who that is: its tenant and its name.
#[derive(Clone, Default)]
pub struct Doer(Arc<OnceLock<(Arc<str>, Arc<str>)>>);

impl Doer {
    pub fn is(&self, tenant: &Arc<str>, name: &Arc<str>) {
        // Asked once a request; whoever is known stays that.
        let _ = self.0.set((tenant.clone(), name.clone()));
    }
}

/// Notes what changes something, and who was not let.
pub async fn note(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if reads || !route.starts_with("/v1/operator/") || route == "/v1/operator/usage/quote" {
        return next.run(request).await;
    }
    let doer = Doer::default();
    request.extensions_mut().insert(doer.clone());
    let method = request.method().to_string();
    let path: String = request.uri().path().chars().take(MAX_PATH).collect();
    let response = next.run(request).await;
    if let Some((tenant, who)) = doer.0.get() {
        let at_ms = app.clock.now().unix_millis();
        let (tenant, who, status) = (tenant.to_string(), who.to_string(), response.status().as_u16());
        let deed = Deed { tenant, at_ms, who, method, path, status };
        // Of a client that goes away meanwhile it is noted all the same.
        let noted = tokio::spawn(async move { app.audit.note(deed).await });
        // A panic there is in the log.
        let _ = noted.await;
    }
    response
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AuditQuestion {
    /// RFC 3339 time or day, included; 30 days before `to` when absent.
    from: Option<String>,
    /// RFC 3339 time or day, excluded; now when absent.
    to: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Entries of a page: 1 to 1000, 100 when absent.
    limit: Option<u32>,
}

/// One thing that was done.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditEntry {
    /// From 1 on, without a hole.
    pub seq: u64,
    /// RFC 3339.
    pub at: String,
    /// The key's id or name, or the token's subject.
    pub who: String,
    pub method: String,
    pub path: String,
    /// What it was answered with.
    pub status: u16,
    /// SHA-256, in hexadecimal, over this entry and the digest of the one before it.
    pub digest: String,
}

/// A page of what was done, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditPage {
    pub entries: Vec<AuditEntry>,
    /// For the next page; `null` at the end.
    pub next_cursor: Option<String>,
}

impl From<AuditRow> for AuditEntry {
    fn from(row: AuditRow) -> Self {
        let at = jiff::Timestamp::from_millisecond(row.at_ms).unwrap_or(jiff::Timestamp::MAX);
        let (at, digest) = (format!("{at:.3}"), hex::encode(row.digest));
        Self { seq: row.seq, at, who: row.who, method: row.method, path: row.path, status: row.status, digest }
    }
}

/// What was done on operators' routes in a period: by whom, and how it was answered.
#[utoipa::path(get, path = "/v1/operator/audit", operation_id = "list_audit_entries", tag = "operators", params(AuditQuestion), security(("operator_key" = [])),
    responses(
        (status = 200, description = "A page of entries", body = AuditPage),
        (status = 401, description = "`unauthorized`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`parameter_invalid`, `time_invalid`, `period_invalid`, `cursor_invalid`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`store_unavailable`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn list(
    State(app): State<Arc<App>>,
    operator: Operator,
    Params(question): Params<AuditQuestion>,
) -> Result<Json<AuditPage>, Problem> {
    let limit = limits::page(question.limit)?;
    let period = Period::parse(question.from.as_deref(), question.to.as_deref(), app.clock.now())?;
    let cursor = question.cursor.map(|cursor| {
        let invalid =
            || Problem::new(Code::CursorInvalid, "The cursor is not one of ours.").with("parameter", "cursor");
        cursor.parse::<u64>().ok().filter(|seq| seq.to_string() == cursor).ok_or_else(invalid)
    });
    let after = cursor.transpose()?.unwrap_or(0);
    // What is done now is in it where no end was said.
    let to_ms = if question.to.is_some() { period.to.as_millisecond() } else { i64::MAX };
    let within = [period.from.as_millisecond(), to_ms];
    let rows = app.audit.entries(&operator.tenant, after, within, limit + 1).await;
    let mut rows = rows.map_err(|cause| refuse::store_unavailable(&cause))?;
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next_cursor = rows.last().filter(|_| more).map(|last| last.seq.to_string());
    Ok(Json(AuditPage { entries: rows.into_iter().map(AuditEntry::from).collect(), next_cursor }))
}
