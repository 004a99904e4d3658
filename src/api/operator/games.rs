//! `/v1/operator/games`: registering games.

mod body;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::App;
use crate::api::auth::Operator;
use crate::api::base::Base;
use crate::api::extract::{Body, Named};
use crate::api::problem::{Code, Problem, ProblemBody};
use crate::catalogue::{GameHealth, GameOrigin, GameSpec, GameStatus, RegisteredGame};
use crate::config::BreakPolicy;
use crate::cues::track::{CueEvent, CueState, Direction, Kind};
use crate::session::Audience;
pub use body::{GameBody, RightsBody};

/// A game as its operator sees it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RegisteredGame)]
pub struct RegisteredBody {
    pub id: String,
    pub title: String,
    /// Masked: in place of users, passwords, passphrases, stream ids, stream keys and parameters that may be secret stands
    /// `…`, for their owner too.
    pub sources: Vec<String>,
    pub labels: BTreeMap<String, String>,
    /// What was asked for; `null`: as the configuration has it for all games.
    pub break_policy: Option<BreakPolicy>,
    /// How much later than its source claims its pictures are captured, in milliseconds.
    pub offset_ms: i32,
    /// `null`: without limits.
    pub rights: Option<RightsBody>,
    pub status: GameStatus,
    pub health: GameHealth,
    /// `config`: from the configuration file, read-only here; `operator`: registered here.
    pub origin: GameOrigin,
    /// The break that it is in; `null` without one.
    pub current_break: Option<CueEvent>,
    /// Active sessions of the tenant that show it at present.
    pub active_sessions: u64,
    /// A JPEG that is renewed every few seconds, whatever the game's rights; needs no key. `null` while there is none.
    pub thumbnail_url: Option<String>,
}

/// What is told of games beside what they are.
struct Beside {
    base: Base,
    audience: Audience,
    /// Elements of the addresses of their pictures, by the games' ids.
    pictures: HashMap<String, String>,
}

impl Beside {
    fn of(app: &App, tenant: &str, base: Base) -> Self {
        let pictures = app.catalogue.games(tenant).into_iter().filter_map(|game| Some((game.id, game.thumbnail?)));
        Self { base, audience: app.sessions.audience(tenant), pictures: pictures.collect() }
    }
}

impl RegisteredBody {
    fn new(app: &App, tenant: &str, game: RegisteredGame, beside: &Beside) -> Self {
        let current_break = break_of(app, tenant, &game.spec.id);
        let picture = beside.pictures.get(&game.spec.id);
        let thumbnail_url = picture.map(|element| beside.base.url(&format!("/v1/media/thumb/{element}.jpg")));
        let sources = game.spec.masked_sources();
        let GameSpec { id, title, labels, break_policy, offset_ms, rights, .. } = game.spec;
        let active_sessions = beside.audience.by_game.get(&id).copied().unwrap_or(0);
        let status = game.health.status;
        Self {
            id,
            title,
            sources,
            labels,
            break_policy,
            offset_ms,
            rights: RightsBody::told(rights),
            status,
            health: game.health,
            origin: game.origin,
            current_break,
            active_sessions,
            thumbnail_url,
        }
    }
}

/// The break that a game is in, the one that began first where several run.
fn break_of(app: &App, tenant: &str, id: &str) -> Option<CueEvent> {
    let now = app.clock.now();
    let events = app.catalogue.cues(tenant, id, now..now + Duration::from_millis(1))?;
    let runs = |event: &CueEvent| {
        event.kind == Kind::Break && event.direction == Direction::Out && event.state == CueState::Open
    };
    events.into_iter().find(runs)
}

/// The tenant's games, ordered by id.
#[utoipa::path(get, path = "/v1/operator/games", operation_id = "list_registered_games", tag = "operators", security(("operator_key" = [])),
    responses(
        (status = 200, description = "The games", body = [RegisteredBody]),
        (status = 401, description = "`unauthorized`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn list(State(app): State<Arc<App>>, operator: Operator, base: Base) -> Json<Vec<RegisteredBody>> {
    let beside = Beside::of(&app, &operator.tenant, base);
    let games = app.catalogue.registered(&operator.tenant).into_iter();
    Json(games.map(|game| RegisteredBody::new(&app, &operator.tenant, game, &beside)).collect())
}

/// Registers a game. Its feed starts at once; it survives restarts.
#[utoipa::path(post, path = "/v1/operator/games", operation_id = "register_game", tag = "operators", request_body = GameBody, security(("operator_key" = [])),
    responses(
        (status = 201, description = "The game", body = RegisteredBody, headers(("Location" = String, description = "Path of the game"))),
        (status = 400, description = "`body_invalid`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "`unauthorized`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`game_exists`, `source_in_use`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 413, description = "`body_too_large`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 415, description = "`media_type_unsupported`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`source_invalid`, `source_forbidden`, `field_unknown`, `field_invalid`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`capacity`, `store_unavailable`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn create(
    State(app): State<Arc<App>>,
    operator: Operator,
    base: Base,
    Body(body): Body<GameBody>,
) -> Result<Response, Problem> {
    let spec = body.checked(None)?;
    let game = app.catalogue.create(&operator.tenant, spec).await?;
    Ok(created(RegisteredBody::new(&app, &operator.tenant, game, &Beside::of(&app, &operator.tenant, base))))
}

/// A game.
#[utoipa::path(get, path = "/v1/operator/games/{id}", operation_id = "get_registered_game", tag = "operators", security(("operator_key" = [])),
    params(("id" = String, Path)),
    responses(
        (status = 200, description = "The game", body = RegisteredBody),
        (status = 401, description = "`unauthorized`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`game_unknown`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn get(
    State(app): State<Arc<App>>,
    operator: Operator,
    base: Base,
    Named(id): Named<String>,
) -> Result<Json<RegisteredBody>, Problem> {
    let unknown = || Problem::new(Code::GameUnknown, format!("There is no game {id:?}."));
    let game = app.catalogue.registered_game(&operator.tenant, &id).ok_or_else(unknown)?;
    Ok(Json(RegisteredBody::new(&app, &operator.tenant, game, &Beside::of(&app, &operator.tenant, base))))
}

/// Makes the game be as given; registers it if there is none.
#[utoipa::path(put, path = "/v1/operator/games/{id}", operation_id = "replace_registered_game", tag = "operators", request_body = GameBody, security(("operator_key" = [])),
    params(("id" = String, Path)),
    responses(
        (status = 200, description = "The game", body = RegisteredBody),
        (status = 201, description = "The game, newly registered", body = RegisteredBody, headers(("Location" = String, description = "Path of the game"))),
        (status = 400, description = "`body_invalid`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "`unauthorized`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`game_read_only`, `source_in_use`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 413, description = "`body_too_large`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 415, description = "`media_type_unsupported`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`source_invalid`, `source_forbidden`, `field_unknown`, `field_invalid`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`capacity`, `store_unavailable`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn replace(
    State(app): State<Arc<App>>,
    operator: Operator,
    base: Base,
    Named(id): Named<String>,
    Body(body): Body<GameBody>,
) -> Result<Response, Problem> {
    let spec = body.checked(Some(id))?;
    let (game, new) = app.catalogue.replace(&operator.tenant, spec).await?;
    let game = RegisteredBody::new(&app, &operator.tenant, game, &Beside::of(&app, &operator.tenant, base));
    Ok(if new { created(game) } else { Json(game).into_response() })
}

/// Forgets a game. Sessions that show it see a slate in its slot.
#[utoipa::path(delete, path = "/v1/operator/games/{id}", operation_id = "delete_registered_game", tag = "operators", security(("operator_key" = [])),
    params(("id" = String, Path)),
    responses(
        (status = 204, description = "Forgotten"),
        (status = 401, description = "`unauthorized`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`forbidden`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`game_unknown`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`game_read_only`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`store_unavailable`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn delete(
    State(app): State<Arc<App>>,
    operator: Operator,
    Named(id): Named<String>,
) -> Result<StatusCode, Problem> {
    app.catalogue.delete(&operator.tenant, &id).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn created(game: RegisteredBody) -> Response {
    // Ids need no escape in a path: they were checked when the game was made.
    let location = crate::api::header_text(&format!("/v1/operator/games/{}", game.id));
    (StatusCode::CREATED, [(header::LOCATION, location)], Json(game)).into_response()
}
