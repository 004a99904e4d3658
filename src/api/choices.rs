//! `GET /v1/markets` and `GET /v1/skins`: what devices may name when they ask for a session.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::App;
use super::auth::Caller;
use super::problem::{Problem, ProblemBody};
use crate::assets::Skin;
use crate::market::Market;

/// A market, as devices see it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MarketChoice)]
pub struct MarketBody {
    pub id: String,
    pub title: String,
    /// The skin that its sessions begin with where none is named.
    pub skin: Option<String>,
    /// Codes of the countries (ISO 3166-1, as `GB`) of which a session in it has to name one as its `region`; `null`: it need not.
    pub regions: Option<Vec<String>>,
}

impl From<&Market> for MarketBody {
    fn from(market: &Market) -> Self {
        let Market { id, title, skin, regions, .. } = market.clone();
        Self { id, title, skin, regions }
    }
}

/// A skin, as devices see it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SkinChoice)]
pub struct SkinBody {
    pub id: String,
    /// The names of the slots of art that it has something for, as `/v1/layouts` tells them.
    pub slots: Vec<String>,
}

impl From<&Skin> for SkinBody {
    fn from(skin: &Skin) -> Self {
        Self { id: skin.id.clone(), slots: skin.art.keys().cloned().collect() }
    }
}

/// The markets that sessions of this key may be made in, ordered by id. Of a key with a market that one alone.
#[utoipa::path(get, path = "/v1/markets", operation_id = "list_market_choices", tag = "devices", security(("device_key" = []), ("operator_key" = [])),
    responses(
        (status = 200, description = "The markets", body = [MarketBody]),
        (status = 401, description = "`unauthorized`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`market_unknown`: that of the key is gone", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn markets(State(app): State<Arc<App>>, caller: Caller) -> Result<Json<Vec<MarketBody>>, Problem> {
    if let Some(market) = app.sessions.market_for(&caller.tenant, None, &caller.terms)? {
        return Ok(Json(vec![MarketBody::from(&*market)]));
    }
    let all = app.sessions.markets().all(&caller.tenant);
    Ok(Json(all.iter().map(|its| MarketBody::from(&its.market)).collect()))
}

/// The skins on offer, ordered by id. Of a key with a market that market's alone: what others sell is not told there.
#[utoipa::path(get, path = "/v1/skins", operation_id = "list_skin_choices", tag = "devices", security(("device_key" = []), ("operator_key" = [])),
    responses(
        (status = 200, description = "The skins", body = [SkinBody]),
        (status = 401, description = "`unauthorized`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`market_unknown`: that of the key is gone", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn skins(State(app): State<Arc<App>>, caller: Caller) -> Result<Json<Vec<SkinBody>>, Problem> {
    let mut skins = app.assets.skins(&caller.tenant);
    if let Some(market) = app.sessions.market_for(&caller.tenant, None, &caller.terms)? {
        skins.retain(|skin| market.skin.as_ref() == Some(&skin.id));
    }
    Ok(Json(skins.iter().map(|skin| SkinBody::from(&**skin)).collect()))
}
