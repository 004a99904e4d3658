//! `GET /v1/games` and the games' thumbnails.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::App;
use super::auth::Caller;
use super::base::Base;
use super::extract::{Named, Params};
use super::limits;
use super::problem::{Code, Problem, ProblemBody};
use crate::catalogue::{AudioTrack, GameStatus, GameText, GameView};
use crate::market::Viewer;

/// A game that this tenant may show.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Game)]
pub struct GameBody {
    pub id: String,
    pub title: String,
    pub status: GameStatus,
    pub audio: Vec<AudioTrack>,
    /// Captions and subtitles that have shown something so far.
    pub texts: Vec<GameText>,
    /// A JPEG that is renewed every few seconds; needs no key. `null` while there is none, and where the game's rights ask for more than the
    /// request said.
    pub thumbnail_url: Option<String>,
}

impl GameBody {
    fn new(game: GameView, base: &Base) -> Self {
        let thumbnail_url = game.thumbnail.map(|t| base.url(&format!("/v1/media/thumb/{t}.jpg")));
        Self {
            id: game.id,
            title: game.title,
            status: game.status,
            audio: game.audio,
            texts: game.texts,
            thumbnail_url,
        }
    }
}

/// Of which market the games are told.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Of {
    /// Only the games that sessions of this market may show. Without it those of the key's market, if the key has one.
    market: Option<String>,
    /// Only the games that may be shown in this country, as `GB`.
    region: Option<String>,
    /// Only the games that may be shown on this class of device.
    device_class: Option<String>,
}

/// The games this tenant may show, ordered by id.
#[utoipa::path(get, path = "/v1/games", operation_id = "list_games", tag = "devices", security(("device_key" = []), ("operator_key" = [])),
    params(Of),
    responses(
        (status = 200, description = "The games", body = [GameBody]),
        (status = 401, description = "`unauthorized`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden`: the key's sessions are made in another market", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`market_unknown`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`parameter_invalid`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    base: Base,
    Params(of): Params<Of>,
) -> Result<Json<Vec<GameBody>>, Problem> {
    limits::region(of.region.as_deref()).map_err(Problem::in_query)?;
    limits::device_class(of.device_class.as_deref()).map_err(Problem::in_query)?;
    let mut games = app.catalogue.games(&caller.tenant);
    let market = app.sessions.market_for(&caller.tenant, of.market, &caller.terms);
    let market = market.map_err(|error| Problem::from(error).in_query())?;
    let viewer = Viewer {
        market: market.as_ref().map(|market| market.id.as_str()),
        region: of.region.as_deref(),
        device_class: of.device_class.as_deref(),
        is_anywhere: false,
    };
    games.retain(|game| market.as_ref().is_none_or(|market| market.shows(&game.id)));
    games.retain(|game| app.sessions.may_pick(&caller.tenant, &game.id, &viewer));
    for game in &mut games {
        if !app.sessions.may_be_shown(&caller.tenant, &game.id, &viewer) {
            game.thumbnail = None;
        }
    }
    Ok(Json(games.into_iter().map(|g| GameBody::new(g, &base)).collect()))
}

/// A small picture of a game as it is now. Its URL is in `GET /v1/games` and cannot be guessed.
#[utoipa::path(get, path = "/v1/media/thumb/{thumbnail}.jpg", operation_id = "get_thumbnail", tag = "playback",
    params(("thumbnail" = String, Path, description = "Opaque")),
    responses(
        (status = 200, description = "The picture", content_type = "image/jpeg"),
        (status = 304, description = "The client has it"),
        (status = 404, description = "`not_found`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn thumbnail(
    State(app): State<Arc<App>>,
    Named(file): Named<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let missing = || Problem::new(Code::NotFound, "There is no such thumbnail, or none yet.");
    let element = file.strip_suffix(".jpg").ok_or_else(missing)?;
    let jpeg = app.catalogue.thumbnail(element).ok_or_else(missing)?;
    let tag = super::etag::of_bytes(&jpeg);
    let common = [(header::ETAG, tag.clone()), (header::CACHE_CONTROL, super::header_text("public, max-age=2"))];
    if super::etag::matches_none(&headers, &tag) {
        return Ok((axum::http::StatusCode::NOT_MODIFIED, common).into_response());
    }
    Ok((common, [(header::CONTENT_TYPE, "image/jpeg")], jpeg).into_response())
}
