//! `GET /v1/games/{id}/cues`: when a game leaves its programme and comes back.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::App;
use super::auth::Caller;
use super::extract::{Named, Params};
use super::instant;
use super::problem::{Code, Problem, ProblemBody};
use crate::cues::track::CueEvent;
use crate::timeline::MediaTime;

/// How far is looked where nothing else is said.
const LOOKED_BACK: Duration = Duration::from_secs(3600);
const LOOKED_AHEAD: Duration = Duration::from_secs(3600);

/// The time that is asked about.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Span {
    /// RFC 3339; an hour ago when absent.
    from: Option<String>,
    /// RFC 3339; in an hour when absent.
    to: Option<String>,
}

/// What was signalled of a game.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Cues)]
pub struct CuesBody {
    pub game: String,
    /// By their beginning.
    pub events: Vec<CueEvent>,
}

/// What was signalled of a game within a span of time, by its sources or by hand: breaks, programmes, chapters. Six hours are kept.
#[utoipa::path(get, path = "/v1/games/{id}/cues", operation_id = "list_cues", tag = "devices", params(("id" = String, Path), Span),
    security(("device_key" = []), ("operator_key" = [])),
    responses(
        (status = 200, description = "The events", body = CuesBody),
        (status = 401, description = "`unauthorized`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`game_unknown`; `market_unknown`: that of the key is gone", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`parameter_invalid`, `period_invalid`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Named(id): Named<String>,
    Params(span): Params<Span>,
) -> Result<Json<CuesBody>, Problem> {
    let now = app.clock.now();
    let from = span.from.as_deref().map(|text| instant("from", text)).transpose()?;
    let to = span.to.as_deref().map(|text| instant("to", text)).transpose()?;
    let (from, to) = (from.unwrap_or(now.saturating_sub(LOOKED_BACK)), to.unwrap_or(now + LOOKED_AHEAD));
    if to <= from {
        return Err(Problem::new(Code::PeriodInvalid, "`to` is not after `from`.").with("parameter", "to"));
    }
    // Of what the key's sessions cannot show its holder hears nothing.
    let market = app.sessions.market_for(&caller.tenant, None, &caller.terms)?;
    if market.is_some_and(|market| !market.shows(&id)) {
        return Err(unknown(&id));
    }
    let events = app.catalogue.cues(&caller.tenant, &id, from..to).ok_or_else(|| unknown(&id))?;
    Ok(Json(CuesBody { game: id, events }))
}

pub(super) fn unknown(id: &str) -> Problem {
    Problem::new(Code::GameUnknown, format!("There is no game {id:?}.")).with("game", id)
}

fn instant(parameter: &'static str, text: &str) -> Result<MediaTime, Problem> {
    instant::read(text).ok_or_else(|| {
        let detail = format!("{text:?} is no instant: {}.", instant::ALLOWED);
        Problem::new(Code::ParameterInvalid, detail).with("parameter", parameter)
    })
}
