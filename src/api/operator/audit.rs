//! `/v1/operator/audit`: who did what on operators' routes.

use std::sync::{Arc, OnceLock};

use axum::Json;
use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use tracing::Instrument as _;
use utoipa::{IntoParams, ToSchema};

use crate::api::App;
use crate::api::auth::Operator;
use crate::api::client::Client;
use crate::api::extract::Params;
use crate::api::limits;
use crate::api::problem::{Code, Problem, ProblemBody};
use crate::api::refuse;
use crate::audit::{AuditFilter, AuditRow, Broken, Deed};
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
    let (_waits, client) = Client::waiting();
    request.extensions_mut().insert(client);
    // A client that goes away meanwhile stops neither the change half-way nor what is noted of it.
    let done = async move {
        let response = next.run(request).await;
        if let Some((tenant, who)) = doer.0.get() {
            let at_ms = app.clock.now().unix_millis();
            let (tenant, who, status) = (tenant.to_string(), who.to_string(), response.status().as_u16());
            app.audit.note(Deed { tenant, at_ms, who, method, path, status }).await;
        }
        response
    };
    let done = tokio::spawn(done.in_current_span());
    done.await.unwrap_or_else(|panic| Problem::internal(panic).into_response())
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
    /// Only what one did: a key's id or name, or a token's `token:<iss>#<sub>`.
    who: Option<String>,
    /// Only what was done at paths that begin so: `/v1/operator/games`.
    path: Option<String>,
    /// `true`: only what was refused; `false`: only what was not.
    refused: Option<bool>,
    /// `oldest` first when absent.
    order: Option<Order>,
}

/// Which entries come first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = AuditOrder)]
pub enum Order {
    #[default]
    Oldest,
    Newest,
}

/// One thing that was done.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditEntry {
    /// From 1 on, without a hole.
    pub seq: u64,
    /// RFC 3339.
    pub at: String,
    /// The key's id or name, or the token's `token:<iss>#<sub>`.
    pub who: String,
    pub method: String,
    pub path: String,
    /// What it was answered with.
    pub status: u16,
    /// SHA-256, in hexadecimal, over this entry and the digest of the one before it.
    pub digest: String,
}

/// A page of what was done, in the order that was asked for.
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
    let cursor = cursor.transpose()?;
    let newest_first = question.order.unwrap_or_default() == Order::Newest;
    let mut filter = AuditFilter {
        from_ms: period.from.as_millisecond(),
        who: question.who,
        path: question.path,
        refused: question.refused,
        newest_first,
        ..AuditFilter::all(limit + 1)
    };
    // What is done now is in it where no end was said.
    if question.to.is_some() {
        filter.to_ms = period.to.as_millisecond();
    }
    match cursor {
        Some(seq) if newest_first => filter.before = seq,
        Some(seq) => filter.after = seq,
        None => {}
    }
    let rows = app.audit.entries(&operator.tenant, filter).await;
    let mut rows = rows.map_err(|cause| refuse::store_unavailable(&cause))?;
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next_cursor = rows.last().filter(|_| more).map(|last| last.seq.to_string());
    Ok(Json(AuditPage { entries: rows.into_iter().map(AuditEntry::from).collect(), next_cursor }))
}

/// Whether a tenant's chain holds.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditChain {
    /// Whether every entry is what was written there, and none is missing.
    pub holds: bool,
    /// Entries up to which it does.
    pub entries: u64,
    /// The digest of the newest entry, in hexadecimal: noted elsewhere it tells later whether the whole chain was made anew. `null` where there is none, or
    /// the chain does not hold.
    pub head: Option<String>,
    /// The first entry that is not what was written there, or comes after one that is not.
    pub broken_at: Option<u64>,
}

/// Digests the tenant's whole chain anew, which takes a while where it is long.
#[utoipa::path(get, path = "/v1/operator/audit/chain", operation_id = "verify_audit_chain", tag = "operators", security(("operator_key" = [])),
    responses(
        (status = 200, description = "Whether the chain holds", body = AuditChain),
        (status = 401, description = "`unauthorized`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`store_unavailable`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn chain(State(app): State<Arc<App>>, operator: Operator) -> Result<Json<AuditChain>, Problem> {
    let told = match app.audit.verify(&operator.tenant).await {
        Ok(holds) => {
            let head = (holds.entries > 0).then(|| hex::encode(holds.head));
            AuditChain { holds: true, entries: holds.entries, head, broken_at: None }
        }
        Err(Broken::Entry { seq, .. }) => {
            AuditChain { holds: false, entries: seq.saturating_sub(1), head: None, broken_at: Some(seq) }
        }
        // No head was given that the chain could miss.
        Err(Broken::Head) => AuditChain { holds: false, entries: 0, head: None, broken_at: None },
        Err(Broken::Store(cause)) => return Err(refuse::store_unavailable(&cause)),
    };
    Ok(Json(told))
}
