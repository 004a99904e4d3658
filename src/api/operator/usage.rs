//! `/v1/operator/usage`: what was watched and what it costs, the lines behind it, and what-ifs.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use utoipa::IntoParams;

use crate::api::App;
use crate::api::auth::Operator;
use crate::api::extract::{self, Params};
use crate::api::limits;
use crate::api::problem::{Problem, ProblemBody};
use crate::usage::{Format, GroupBy, Period, Question, Quote, QuoteRequest, RecordPage, UsageReport};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ReportQuestion {
    /// RFC 3339 time or day, included; 30 days before `to` when absent.
    from: Option<String>,
    /// RFC 3339 time or day, excluded; now when absent.
    to: Option<String>,
    /// `session` (when absent), `day`, `hour`, `minute`, `game`, `layout`, `tier` (or `rendition`), `output`, `market` or `label:NAME`.
    group_by: Option<String>,
    /// `json` (when absent), `csv` or `focus` (CSV with the columns of FOCUS 1.2).
    format: Option<String>,
}

/// Billable seconds, billed minutes and their cost in a period. The answer is streamed: one that breaks off is not whole.
#[utoipa::path(get, path = "/v1/operator/usage", operation_id = "get_usage", tag = "operators", params(ReportQuestion), security(("operator_key" = [])),
    responses(
        (status = 200, description = "The report", content((UsageReport = "application/json"), (String = "text/csv"))),
        (status = 401, description = "`unauthorized`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`parameter_invalid` (with `allowed`), `time_invalid`, `period_invalid`, `report_too_large`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`store_unavailable`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn report(
    State(app): State<Arc<App>>,
    operator: Operator,
    Params(question): Params<ReportQuestion>,
) -> Result<Response, Problem> {
    let group_by = question.group_by.as_deref().unwrap_or("session");
    let group_by = GroupBy::parse(group_by).ok_or_else(|| not_offered("group_by", group_by, &GroupBy::OFFERED))?;
    let format = question.format.as_deref().unwrap_or("json");
    let format = Format::parse(format).ok_or_else(|| not_offered("format", format, &Format::OFFERED))?;
    let period = Period::parse(question.from.as_deref(), question.to.as_deref(), app.clock.now())?;
    let file = format!("attachment; filename=\"usage.{}\"", format.extension());
    let mut chunks = app.reports.write(Question { tenant: operator.tenant.to_string(), period, group_by }, format);
    // Refusals and a store that fails are told before anything is sent.
    let first = chunks.recv().await.transpose()?.unwrap_or_default();
    let rest = ReceiverStream::new(chunks);
    let body = Body::from_stream(tokio_stream::once(Ok(first)).chain(rest));
    let mut answer = body.into_response();
    let headers = answer.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(format.media_type()));
    if format != Format::Json
        && let Ok(file) = HeaderValue::from_str(&file)
    {
        headers.insert(header::CONTENT_DISPOSITION, file);
    }
    Ok(answer)
}

/// What sessions would cost, by the tenant's tariffs. Changes nothing.
#[utoipa::path(post, path = "/v1/operator/usage/quote", operation_id = "quote_usage", tag = "operators", request_body = QuoteRequest, security(("operator_key" = [])),
    responses(
        (status = 200, description = "The quote", body = Quote),
        (status = 400, description = "`body_invalid`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "`unauthorized`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 413, description = "`body_too_large`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 415, description = "`media_type_unsupported`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`field_unknown`, `field_invalid`, `quote_invalid` with the `field` and, of a tier or an engine, `allowed`; `time_invalid`, `tariff_missing`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`store_unavailable`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn quote(
    State(app): State<Arc<App>>,
    operator: Operator,
    extract::Body(request): extract::Body<QuoteRequest>,
) -> Result<Json<Quote>, Problem> {
    let offered: Vec<&str> = app.mosaics.renditions().iter().map(|rendition| rendition.name.as_str()).collect();
    Ok(Json(app.reports.quote(&operator.tenant, &request, Some(offered.as_slice()), app.clock.now()).await?))
}

impl extract::RequestBody for QuoteRequest {
    const FIELDS: &'static [&'static str] = &["items", "at", "month_to_date"];
}

fn not_offered(parameter: &str, given: &str, allowed: &[&str]) -> Problem {
    let detail = format!("{parameter} cannot be {given:?}; offered are {}.", allowed.join(", "));
    Problem::parameter(parameter, detail).with("allowed", allowed)
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RecordsQuestion {
    /// RFC 3339 time or day, included; 30 days before `to` when absent.
    from: Option<String>,
    /// RFC 3339 time or day, excluded; now when absent.
    to: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Only lines of this session.
    session_id: Option<String>,
    /// Records of a page: 1 to 1000, 100 when absent.
    limit: Option<u32>,
}

/// The meter's lines of a period, by minute: their sums are the reports.
#[utoipa::path(get, path = "/v1/operator/usage/records", operation_id = "list_usage_records", tag = "operators", params(RecordsQuestion), security(("operator_key" = [])),
    responses(
        (status = 200, description = "A page of lines", body = RecordPage),
        (status = 401, description = "`unauthorized`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`parameter_invalid`, `time_invalid`, `period_invalid`, `cursor_invalid`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`store_unavailable`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn records(
    State(app): State<Arc<App>>,
    operator: Operator,
    Params(question): Params<RecordsQuestion>,
) -> Result<Json<RecordPage>, Problem> {
    let limit = limits::page(question.limit)?;
    let period = Period::parse(question.from.as_deref(), question.to.as_deref(), app.clock.now())?;
    let RecordsQuestion { cursor, session_id, .. } = question;
    let page = app.reports.records(&operator.tenant, period, session_id.as_deref(), cursor.as_deref(), limit);
    Ok(Json(page.await?))
}
