//! `/v1/operator/outputs`: which games stand alone in which skins at addresses that stay.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::ToSchema;

use crate::api::App;
use crate::api::auth::Operator;
use crate::api::extract::{Body, Named, RequestBody};
use crate::api::problem::{Code, Problem, ProblemBody};
use crate::config::{MAX_OUTPUT_NAMES, check_outputs};
use crate::outputs::{Access, DEFAULT_LAYOUT, OutputSet, RegisteredOutputSet};

/// What a set of outputs is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = OutputSetRequest, examples(json!({ "skins": ["red", "blue"], "access": "public" })))]
pub struct OutputSetBody {
    /// Ids of the games, up to 1000; they need not be there yet. Absent or `null`: all of the tenant's.
    #[serde(default)]
    pub games: Option<Vec<String>>,
    /// Ids of the skins, likewise.
    #[serde(default)]
    pub skins: Option<Vec<String>>,
    /// Ids of the markets that they are made in, of which each address must then name one. Absent or `null`: any, or none.
    #[serde(default)]
    pub markets: Option<Vec<String>>,
    /// A layout with one game; `1F` when absent.
    #[serde(default)]
    pub layout: Option<String>,
    /// Who may see them: who has a key of the tenant (`key`, when absent), or everybody (`public`).
    #[serde(default)]
    pub access: Access,
}

impl RequestBody for OutputSetBody {
    const FIELDS: &'static [&'static str] = &["games", "skins", "markets", "layout", "access"];
}

/// The tenant's sets of outputs, ordered by id.
#[utoipa::path(get, path = "/v1/operator/outputs", operation_id = "list_output_sets", tag = "operators", security(("operator_key" = [])),
    responses(
        (status = 200, description = "The sets", body = [RegisteredOutputSet]),
        (status = 401, description = "`unauthorized`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn list(State(app): State<Arc<App>>, operator: Operator) -> Json<Vec<RegisteredOutputSet>> {
    Json(app.sessions.outputs().all(&operator.tenant))
}

/// One set of outputs.
#[utoipa::path(get, path = "/v1/operator/outputs/{id}", operation_id = "get_output_set", tag = "operators", security(("operator_key" = [])),
    params(("id" = String, Path)),
    responses(
        (status = 200, description = "The set", body = RegisteredOutputSet),
        (status = 401, description = "`unauthorized`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`output_unknown`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn get(
    State(app): State<Arc<App>>,
    operator: Operator,
    Named(id): Named<String>,
) -> Result<Json<RegisteredOutputSet>, Problem> {
    Ok(Json(app.sessions.outputs().get(&operator.tenant, &id)?))
}

/// Makes the set be as given; makes it if there is none. Its addresses are good at once. Whoever plays an output that it does not have any more is refused.
#[utoipa::path(put, path = "/v1/operator/outputs/{id}", operation_id = "replace_output_set", tag = "operators", request_body = OutputSetBody, security(("operator_key" = [])),
    params(("id" = String, Path, description = "1 to 64 letters, digits, `.`, `_`, `-`")),
    responses(
        (status = 200, description = "The set", body = RegisteredOutputSet),
        (status = 201, description = "The set, newly made", body = RegisteredOutputSet, headers(("Location" = String, description = "Path of the set"))),
        (status = 400, description = "`body_invalid`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "`unauthorized`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`layout_unknown`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`output_read_only`, `limit_reached`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 413, description = "`body_too_large`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 415, description = "`media_type_unsupported`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`field_unknown`, `field_invalid`, `layout_mismatch`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`store_unavailable`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn replace(
    State(app): State<Arc<App>>,
    operator: Operator,
    Named(id): Named<String>,
    Body(body): Body<OutputSetBody>,
) -> Result<Response, Problem> {
    let set = checked(&app, body, id)?;
    let (set, is_new) = app.sessions.outputs().replace(&operator.tenant, set).await?;
    if !is_new {
        return Ok(Json(set).into_response());
    }
    // Ids need no escape in a path: they were checked when the set was made.
    let location = crate::api::header_text(&format!("/v1/operator/outputs/{}", set.set.id));
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(set)).into_response())
}

/// Forgets a set of outputs: its addresses open nothing any more.
#[utoipa::path(delete, path = "/v1/operator/outputs/{id}", operation_id = "delete_output_set", tag = "operators", security(("operator_key" = [])),
    params(("id" = String, Path)),
    responses(
        (status = 204, description = "Forgotten"),
        (status = 401, description = "`unauthorized`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`output_unknown`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`output_read_only`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`store_unavailable`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn delete(
    State(app): State<Arc<App>>,
    operator: Operator,
    Named(id): Named<String>,
) -> Result<StatusCode, Problem> {
    app.sessions.outputs().remove(&operator.tenant, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The set of `body`, by the rules that the configuration's follow.
fn checked(app: &App, body: OutputSetBody, id: String) -> Result<OutputSet, Problem> {
    let OutputSetBody { games, skins, markets, layout, access } = body;
    let layout = layout.unwrap_or_else(|| DEFAULT_LAYOUT.to_owned());
    let set = OutputSet { id, games, skins, markets, layout, access };
    check_outputs(&set).map_err(|mistake| {
        let problem = Problem::field(&mistake.field, format!("{}.", mistake.problem));
        let is_list = ["games", "skins", "markets"].contains(&&*mistake.field);
        if is_list { problem.with("limit", MAX_OUTPUT_NAMES) } else { problem }
    })?;
    let fit: Vec<&str> = app.layouts.iter().filter(|l| l.slots.len() == 1).map(|l| l.id.as_str()).collect();
    match app.layouts.get(&set.layout) {
        Some(layout) if layout.slots.len() == 1 => Ok(set),
        found => {
            let code = if found.is_some() { Code::LayoutMismatch } else { Code::LayoutUnknown };
            let detail = format!("{:?} is no layout with one game.", set.layout);
            Err(Problem::new(code, detail).with("field", "layout").with("allowed", fit))
        }
    }
}
