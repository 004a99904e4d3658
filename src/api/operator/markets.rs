//! `/v1/operator/markets`: the rules for sessions, market by market.

mod body;

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::api::App;
use crate::api::auth::Operator;
use crate::api::extract::{Body, Named};
use crate::api::problem::{Code, Problem, ProblemBody};
use crate::api::words;
use crate::breaks::check_decision_url;
use crate::market::Market;
use crate::market::RegisteredMarket;
pub use body::MarketBody;

/// The tenant's markets, ordered by id.
#[utoipa::path(get, path = "/v1/operator/markets", operation_id = "list_markets", tag = "operators", security(("operator_key" = [])),
    responses(
        (status = 200, description = "The markets", body = [RegisteredMarket]),
        (status = 401, description = "`unauthorized`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn list(State(app): State<Arc<App>>, operator: Operator) -> Json<Vec<RegisteredMarket>> {
    Json(app.sessions.markets().all(&operator.tenant))
}

/// Makes a market.
#[utoipa::path(post, path = "/v1/operator/markets", operation_id = "create_market", tag = "operators", request_body = MarketBody, security(("operator_key" = [])),
    responses(
        (status = 201, description = "The market", body = RegisteredMarket, headers(("Location" = String, description = "Path of the market"))),
        (status = 400, description = "`body_invalid`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "`unauthorized`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`market_exists`, `limit_reached`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 413, description = "`body_too_large`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 415, description = "`media_type_unsupported`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`field_unknown`, `field_invalid`, `decision_forbidden`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`store_unavailable`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn create(
    State(app): State<Arc<App>>,
    operator: Operator,
    Body(body): Body<MarketBody>,
) -> Result<Response, Problem> {
    let market = body.checked(None, least_height(&app))?;
    check_breaks(&app, &operator.tenant, &market)?;
    Ok(created(app.sessions.markets().create(&operator.tenant, market).await?))
}

/// One market.
#[utoipa::path(get, path = "/v1/operator/markets/{id}", operation_id = "get_market", tag = "operators", security(("operator_key" = [])),
    params(("id" = String, Path)),
    responses(
        (status = 200, description = "The market", body = RegisteredMarket),
        (status = 401, description = "`unauthorized`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`market_unknown`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn get(
    State(app): State<Arc<App>>,
    operator: Operator,
    Named(id): Named<String>,
) -> Result<Json<RegisteredMarket>, Problem> {
    Ok(Json(app.sessions.markets().get(&operator.tenant, &id)?))
}

/// Makes the market be as given; makes it if there is none. Sessions that run keep their tier; the rest of it holds for them at once.
#[utoipa::path(put, path = "/v1/operator/markets/{id}", operation_id = "replace_market", tag = "operators", request_body = MarketBody, security(("operator_key" = [])),
    params(("id" = String, Path)),
    responses(
        (status = 200, description = "The market", body = RegisteredMarket),
        (status = 201, description = "The market, newly made", body = RegisteredMarket, headers(("Location" = String, description = "Path of the market"))),
        (status = 400, description = "`body_invalid`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "`unauthorized`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`market_read_only`, `limit_reached`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 413, description = "`body_too_large`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 415, description = "`media_type_unsupported`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`field_unknown`, `field_invalid`, `decision_forbidden`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`store_unavailable`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn replace(
    State(app): State<Arc<App>>,
    operator: Operator,
    Named(id): Named<String>,
    Body(body): Body<MarketBody>,
) -> Result<Response, Problem> {
    let market = body.checked(Some(id), least_height(&app))?;
    check_breaks(&app, &operator.tenant, &market)?;
    let (market, is_new) = app.sessions.markets().replace(&operator.tenant, market).await?;
    Ok(if is_new { created(market) } else { Json(market).into_response() })
}

/// Forgets a market. Its sessions go on with what they show, and can be given no other games.
#[utoipa::path(delete, path = "/v1/operator/markets/{id}", operation_id = "delete_market", tag = "operators", security(("operator_key" = [])),
    params(("id" = String, Path)),
    responses(
        (status = 204, description = "Forgotten"),
        (status = 401, description = "`unauthorized`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`market_unknown`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`market_read_only`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`store_unavailable`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn delete(
    State(app): State<Arc<App>>,
    operator: Operator,
    Named(id): Named<String>,
) -> Result<StatusCode, Problem> {
    app.sessions.markets().remove(&operator.tenant, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn created(market: RegisteredMarket) -> Response {
    // Ids need no escape in a path: they were checked when the market was made.
    let location = crate::api::header_text(&format!("/v1/operator/markets/{}", market.market.id));
    (StatusCode::CREATED, [(header::LOCATION, location)], Json(market)).into_response()
}

/// Rows of the lowest rendition of those that everything plays.
fn least_height(app: &App) -> u32 {
    let for_all = app.mosaics.renditions().iter().filter(|rendition| rendition.plays_everywhere());
    for_all.map(|rendition| rendition.height).min().unwrap_or(0)
}

/// Whether there is the layout that the market squeezes games back into, and the server that decides on its advertisements may be asked.
fn check_breaks(app: &App, tenant: &str, market: &Market) -> Result<(), Problem> {
    check_decision_url(market, app.borders.of(Some(tenant))).map_err(|why| {
        Problem::new(Code::DecisionForbidden, words::sentence(&why)).with("field", "breaks.decision_url")
    })?;
    let fits = |id: &str| app.layouts.get(id).is_some_and(|layout| layout.is_for_breaks());
    let Some(id) = market.breaks.layout.as_deref().filter(|id| !fits(id)) else { return Ok(()) };
    let allowed: Vec<&str> = app.layouts.iter().filter(|l| l.is_for_breaks()).map(|l| l.id.as_str()).collect();
    let detail = format!("{id:?} is no layout with one game and art.");
    Err(Problem::field("breaks.layout", detail).with("allowed", allowed))
}
