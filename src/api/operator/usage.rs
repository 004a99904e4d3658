//! `/v1/operator/usage`: what was watched, by session or day, and the meter's lines behind it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::api::App;
use crate::api::auth::Operator;
use crate::api::extract::Params;
use crate::api::limits;
use crate::api::problem::{Problem, ProblemBody};
use crate::usage::{GroupBy, Period, RecordPage, UsageReport};

const GROUPS: [&str; 2] = ["session", "day"];
const FORMATS: [&str; 2] = ["json", "csv"];

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Question {
    /// RFC 3339 time or day, included; 30 days before `to` when absent.
    from: Option<String>,
    /// RFC 3339 time or day, excluded; now when absent.
    to: Option<String>,
    /// `session` (when absent) or `day`.
    group_by: Option<String>,
    /// `json` (when absent) or `csv`.
    format: Option<String>,
}

/// Billable seconds of a period.
#[utoipa::path(get, path = "/v1/operator/usage", tag = "operators", params(Question), security(("operator_key" = [])),
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
    Params(question): Params<Question>,
) -> Result<Response, Problem> {
    let group_by = match question.group_by.as_deref().unwrap_or("session") {
        "session" => GroupBy::Session,
        "day" => GroupBy::Day,
        other => return Err(not_offered("group_by", other, &GROUPS)),
    };
    let csv = match question.format.as_deref().unwrap_or("json") {
        "json" => false,
        "csv" => true,
        other => return Err(not_offered("format", other, &FORMATS)),
    };
    let period = Period::parse(question.from.as_deref(), question.to.as_deref(), app.clock.now())?;
    let report = app.reports.report(&operator.tenant, period, group_by).await?;
    let kept = (header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if !csv {
        return Ok(([kept], Json(report)).into_response());
    }
    let headers = [
        kept,
        // RFC 4180, section 3.
        (header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8; header=present")),
        (header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"usage.csv\"")),
    ];
    Ok((headers, report.to_csv()).into_response())
}

fn not_offered(parameter: &str, given: &str, allowed: &[&str]) -> Problem {
    let detail = format!("{parameter} cannot be {given:?}; offered are {}.", allowed.join(", "));
    Problem::parameter(parameter, detail).with("allowed", allowed)
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RecordsQuestion {
    /// RFC 3339 time or day, included; 30 days before `to` when absent.
    from: Option<String>,
    /// RFC 3339 time or day, excluded; now when absent.
    to: Option<String>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// Records of a page: 1 to 1000, 100 when absent.
    limit: Option<u32>,
}

/// The meter's lines of a period, by minute: their sums are the reports.
#[utoipa::path(get, path = "/v1/operator/usage/records", tag = "operators", params(RecordsQuestion), security(("operator_key" = [])),
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
    Ok(Json(app.reports.records(&operator.tenant, period, question.cursor.as_deref(), limit).await?))
}
