//! `/v1/operator/capacity`: what a tenant has of the machine.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::App;
use crate::api::auth::Operator;
use crate::api::problem::ProblemBody;
use crate::mosaic::Standing;

/// What a tenant has of the processors for one thing, in cores.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Cores)]
pub struct CoresBody {
    /// What it has.
    pub taken: f64,
    /// That, and what it asked for and was not given.
    pub wanted: f64,
    /// Its own limit (`[tenants.limits]`); `null` without one.
    pub limit: Option<f64>,
}

impl From<Standing> for CoresBody {
    fn from(Standing { taken, wanted, limit, .. }: Standing) -> Self {
        Self { taken: rounded(taken), wanted: rounded(wanted), limit }
    }
}

/// To thousandths.
fn rounded(cores: f64) -> f64 {
    // A sum of nothing is less than nothing in floating point, and would be told as -0.0.
    (cores * 1000.0).round() / 1000.0 + 0.0
}

/// What a tenant has of the machine's processors.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Capacity)]
pub struct CapacityBody {
    /// For decoding the games that it registered. Games of the configuration are nobody's.
    pub decoding: CoresBody,
    /// Its games that are on hold at present.
    pub games_on_hold: u64,
    /// For tiles and rendered mosaics that its sessions began.
    pub encoding: CoresBody,
    /// Cores that it may have as things are for both together, however much other tenants want; `null`: as many as it likes.
    pub share: Option<f64>,
}

/// What the tenant has of the processors, and what it may have.
#[utoipa::path(get, path = "/v1/operator/capacity", operation_id = "get_capacity", tag = "operators", security(("operator_key" = [])),
    responses(
        (status = 200, description = "What it has, as of now", body = CapacityBody),
        (status = 401, description = "`unauthorized`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn get(State(app): State<Arc<App>>, operator: Operator) -> Json<CapacityBody> {
    let (decoding, on_hold) = app.catalogue.decoding(&operator.tenant);
    let encoding = app.mosaics.encoding(&operator.tenant);
    let share = encoding.share.map(rounded);
    Json(CapacityBody {
        decoding: decoding.into(),
        games_on_hold: u64::try_from(on_hold).unwrap_or(u64::MAX),
        encoding: encoding.into(),
        share,
    })
}
