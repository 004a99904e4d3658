//! `/v1/operator/games`: registering games.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::App;
use crate::api::auth::Operator;
use crate::api::base::Base;
use crate::api::extract::{Body, Named, RequestBody};
use crate::api::problem::{Code, Problem, ProblemBody};
use crate::catalogue::{GameHealth, GameOrigin, GameSpec, GameStatus, RegisteredGame};
use crate::config::{BreakPolicy, MAX_OFFSET_MS, MAX_SOURCES, check_id, check_labels, check_rights, check_title};
use crate::cues::track::{CueEvent, CueState, Direction, Kind};
use crate::market::GameRights;
use crate::session::Audience;

/// A game to register.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = GameRequest, examples(
    json!({ "id": "nyk-bos", "title": "Knicks at Celtics", "sources": ["https://origin.example/nyk-bos/index.m3u8", "srt://10.0.0.7:9000"] })
))]
pub struct GameBody {
    /// 1 to 64 letters, digits, `.`, `_`, `-`. With `PUT` it may be absent, and must else be the one in the path.
    pub id: Option<String>,
    pub title: String,
    /// URIs, the primary first: `file://`, `http(s)://` (HLS), `srt://`, `udp://`, `rtp://`, `rtmp://`, `test://PATTERN`. With
    /// `PUT`, one that is sent as it was shown, masked, stays what it is.
    #[schema(min_items = 1)]
    pub sources: Vec<String>,
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// What its slot shows while a break runs: what the source sends (`show`), or a card with its title, and silence (`slate`). Absent or `null`: as the
    /// configuration has it for all games.
    #[serde(default)]
    pub break_policy: Option<BreakPolicy>,
    /// How much later than its source claims its pictures are captured, in milliseconds, a day at most; negative: earlier. For encoders
    /// whose clocks are known to be wrong. It takes effect at once.
    #[serde(default)]
    pub offset_ms: i32,
    /// Where, on what and when it may be shown. Absent or `null`: everywhere and always.
    #[serde(default)]
    pub rights: Option<RightsBody>,
}

impl RequestBody for GameBody {
    const FIELDS: &'static [&'static str] =
        &["id", "title", "sources", "labels", "break_policy", "offset_ms", "rights"];
}

/// To whom a game may be shown, and when: each limit counts beside the others. What may not be shown is refused (`403 game_restricted`), and a card stands for
/// it, silent, in sessions that show it when that begins.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = GameRights)]
pub struct RightsBody {
    /// Codes of the countries (ISO 3166-1, as `GB`) of which a session has to name one as its `region`; `null`: it need not.
    #[schema(min_items = 1, max_items = 500)]
    pub regions: Option<Vec<String>>,
    /// What a session has to name one of as its `device_class`: `tv`, `phone`, as you call them; `null`: it need not.
    #[schema(min_items = 1, max_items = 500)]
    pub device_classes: Option<Vec<String>>,
    /// The markets whose sessions may show it; `null`: those of all, and those without one.
    #[schema(min_items = 1, max_items = 500)]
    pub markets: Option<Vec<String>>,
    /// From when on (RFC 3339).
    #[schema(format = DateTime)]
    pub from: Option<String>,
    /// Until when (RFC 3339).
    #[schema(format = DateTime)]
    pub until: Option<String>,
}

impl RightsBody {
    /// The rights, by the rules that those of the configuration follow.
    fn checked(self) -> Result<GameRights, Problem> {
        let instant = |field: &str, text: Option<String>| {
            let read = |text: &String| text.parse::<jiff::Timestamp>().map(jiff::Timestamp::as_millisecond);
            text.as_ref().map(read).transpose().map_err(|_| {
                let detail = format!("{text:?} is no instant; RFC 3339 is allowed, as 2026-11-27T19:30:00Z.");
                Problem::field(&format!("rights.{field}"), detail)
            })
        };
        let (from_ms, until_ms) = (instant("from", self.from)?, instant("until", self.until)?);
        let Self { regions, device_classes, markets, .. } = self;
        let rights = GameRights { regions, device_classes, markets, from_ms, until_ms };
        check_rights(&rights)
            .map_err(|mistake| Problem::field(&format!("rights.{}", mistake.field), format!("{}.", mistake.problem)))?;
        Ok(rights)
    }

    fn told(rights: GameRights) -> Option<Self> {
        if rights.is_open() {
            return None;
        }
        let instant = |ms: i64| format!("{:.3}", jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::MAX));
        let GameRights { regions, device_classes, markets, from_ms, until_ms } = rights;
        Some(Self { regions, device_classes, markets, from: from_ms.map(instant), until: until_ms.map(instant) })
    }
}

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
    let spec = checked(body, None)?;
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
    let spec = checked(body, Some(id))?;
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

/// The game of `body`, by the rules that the configuration's games follow (the catalogue checks sources); `path_id` is the id in the path of a `PUT`.
fn checked(body: GameBody, path_id: Option<String>) -> Result<GameSpec, Problem> {
    let id = match (body.id, path_id) {
        (Some(given), Some(path)) if given != path => {
            return Err(Problem::field("id", format!("The id in the body ({given:?}) is not the one in the path.")));
        }
        (Some(id), _) | (None, Some(id)) => id,
        (None, None) => return Err(Problem::field("id", "The field \"id\" is missing.")),
    };
    check_id(&id).map_err(|e| Problem::field("id", format!("{e}.")))?;
    check_title(&body.title).map_err(|e| Problem::field("title", format!("{e}.")))?;
    check_labels(&body.labels).map_err(|e| Problem::field("labels", format!("{e}.")))?;
    if body.sources.is_empty() || body.sources.len() > MAX_SOURCES {
        let detail = format!("A game has 1 to {MAX_SOURCES} sources, not {}.", body.sources.len());
        return Err(Problem::field("sources", detail).with("limit", MAX_SOURCES));
    }
    if !(-MAX_OFFSET_MS..=MAX_OFFSET_MS).contains(&body.offset_ms) {
        let detail = format!("An offset is -{MAX_OFFSET_MS} to {MAX_OFFSET_MS} milliseconds, not {}.", body.offset_ms);
        return Err(Problem::field("offset_ms", detail).with("limit", MAX_OFFSET_MS));
    }
    let GameBody { title, sources, labels, break_policy, offset_ms, rights, .. } = body;
    let rights = rights.map(RightsBody::checked).transpose()?.unwrap_or_default();
    Ok(GameSpec { id, title, sources, labels, break_policy, offset_ms, rights })
}
