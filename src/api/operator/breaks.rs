//! `/v1/operator/games/{id}/breaks`: breaks by hand.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::api::App;
use crate::api::auth::Operator;
use crate::api::cues::unknown;
use crate::api::extract::{Body, Named, Params, RequestBody};
use crate::api::problem::{Problem, ProblemBody};
use crate::breaks::MarketFill;
use crate::cues::track::{BeginBreak, CueEvent};
use crate::session::SessionError;
use crate::usage::{CurrencyCost, GroupBy, Period, Question, ReportState, UsageReport};

impl RequestBody for BeginBreak {
    const FIELDS: &'static [&'static str] = &["duration_s", "starts_in_s", "id"];
}

/// Begins a break of a game now, as if its source had said so. With `duration_s` it ends by itself; else when it is ended, or after half an hour. Every
/// playlist that shows the game lists it. It outlives a restart.
#[utoipa::path(post, path = "/v1/operator/games/{id}/breaks", operation_id = "begin_break", tag = "operators", request_body = BeginBreak, security(("operator_key" = [])),
    params(("id" = String, Path)),
    responses(
        (status = 201, description = "The break", body = CueEvent, headers(("Location" = String, description = "Path of the break"))),
        (status = 400, description = "`body_invalid`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "`unauthorized`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`game_unknown`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`break_running`, `game_read_only`: the game is also other tenants'", body = ProblemBody, content_type = "application/problem+json"),
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
    let event = app.catalogue.begin_break(&operator.tenant, &id, &body).await.ok_or_else(|| unknown(&id))??;
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
        (status = 409, description = "`break_ended`, `game_read_only`: the game is also other tenants'", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn end(
    State(app): State<Arc<App>>,
    operator: Operator,
    Named((id, of)): Named<(String, String)>,
) -> Result<Json<CueEvent>, Problem> {
    Ok(Json(app.catalogue.end_break(&operator.tenant, &id, &of).await.ok_or_else(|| unknown(&id))??))
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

/// What breaks came to in a market, beside what was watched there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct MarketBreaksReport {
    #[serde(flatten)]
    fill: MarketFill,
    /// Sessions made in the market that were billed in the period, outputs among them, …
    sessions: u64,
    /// … their seconds, in breaks or not, …
    billable_seconds: i64,
    /// … and what these come to in the usage report.
    billed_minutes: i64,
    /// By currency; empty where nothing has a price.
    costs: Vec<CurrencyCost>,
}

/// What breaks came to in a period, and what was watched in it.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct BreaksReport {
    /// RFC 3339, UTC: the hour that it begins with, and the one that it ends before.
    from: String,
    to: String,
    /// Of what was watched: whether it may still change.
    state: ReportState,
    /// Every market in which something was watched, or decided on, by its id.
    markets: Vec<MarketBreaksReport>,
}

/// `fills` beside the sessions of each market, as `usage` has them by market.
fn joined(fills: Vec<MarketFill>, usage: UsageReport) -> BreaksReport {
    let of_fill = |fill: MarketFill| (fill.market.clone(), MarketBreaksReport { fill, ..Default::default() });
    let mut markets: BTreeMap<String, MarketBreaksReport> = fills.into_iter().map(of_fill).collect();
    for row in usage.rows {
        // Who is in no market sees no market's breaks.
        let Some(market) = row.market.filter(|market| !market.is_empty()) else { continue };
        let its = markets.entry(market.clone()).or_default();
        its.fill.market = market;
        // One row for each currency, each with all of the market's sessions.
        its.sessions = its.sessions.max(row.sessions.unwrap_or(0));
        its.billable_seconds += row.billable_seconds;
        its.billed_minutes += row.billed_minutes;
        its.costs.extend(row.currency.zip(row.cost).map(|(currency, cost)| CurrencyCost { currency, cost }));
    }
    BreaksReport { from: usage.from, to: usage.to, state: usage.state, markets: markets.into_values().collect() }
}

/// What breaks came to, by market: how often advertisement servers were asked, what was shown, and what went wrong; and beside it what was watched in the
/// same hours, as the usage report has it.
#[utoipa::path(get, path = "/v1/operator/breaks/report", operation_id = "get_fill_report", tag = "operators", params(FillQuestion), security(("operator_key" = [])),
    responses(
        (status = 200, description = "The report", body = BreaksReport),
        (status = 401, description = "`unauthorized`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`parameter_invalid`, `time_invalid`, `period_invalid`, `report_too_large`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`store_unavailable`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn report(
    State(app): State<Arc<App>>,
    operator: Operator,
    Params(question): Params<FillQuestion>,
) -> Result<Json<BreaksReport>, Problem> {
    let period = Period::parse(question.from.as_deref(), question.to.as_deref(), app.clock.now())?.whole_hours();
    let (from_ms, to_ms) = (period.from.as_millisecond(), period.to.as_millisecond());
    let fills = app.fills.by_market(&operator.tenant, from_ms, to_ms).await.map_err(SessionError::from)?;
    let question = Question { tenant: operator.tenant.to_string(), period, group_by: GroupBy::Market };
    Ok(Json(joined(fills, app.reports.gathered(question).await?)))
}
