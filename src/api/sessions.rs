//! `/v1/sessions`: a device asks for a session, looks at it, changes it, ends it.

mod body;

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::IntoParams;

use super::App;
use super::auth::Caller;
use super::base::Base;
use super::etag::{self, IfMatch};
use super::extract::{Body, Named, Params, single_header};
use super::limits;
use super::problem::{Problem, ProblemBody};
use crate::session::{ChangeSession, CreateSession, EndedBy, SessionError, SessionView};
pub use body::{ChangeBody, CreateBody, EngineWish};

/// Set on an answer that an Idempotency-Key found again.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Starts a session. Its `playback_url` can be played at once.
#[utoipa::path(post, path = "/v1/sessions", operation_id = "create_session", tag = "devices", request_body = CreateBody,
    security(("device_key" = []), ("operator_key" = [])),
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 255, pattern = "^[!-~]+$", description = "1 to 255 visible ASCII characters; the same key and body give the same session for 24 hours, across restarts")),
    responses(
        (status = 201, description = "The session, new or (with `Idempotency-Replayed: true`) found again", body = SessionView,
            headers(("Location" = String, description = "Path of the session"), ("ETag" = String, description = "Its revision"))),
        (status = 400, description = "`body_invalid`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "`unauthorized`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 402, description = "`cap_reached`: the month's `cap` of `unit` is reached (`billed`), until `frees_at`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`game_restricted`, with the `reason` (`not_in_market`, `not_in_region`, `region_missing`, `not_on_device_class`, `device_class_missing`, `not_yet`, `no_longer`), `region_restricted` (`not_in_market`, `region_missing`), `forbidden`: the key's sessions are made in another market", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`game_unknown`, `layout_unknown`, `skin_unknown`, `market_unknown`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 413, description = "`body_too_large`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 415, description = "`media_type_unsupported`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`games_count`, `layout_mismatch`, `engine_unsuited`, `audio_unknown`, `field_unknown`, `field_invalid`, `idempotency_conflict`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`capacity` with its `reason` (`machine`, `sessions`, `share`, `tenant_sessions`, `tenant_egress`, `tenant_mosaics`), `store_unavailable`, with `Retry-After`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn create(
    State(app): State<Arc<App>>,
    caller: Caller,
    base: Base,
    headers: HeaderMap,
    Body(body): Body<CreateBody>,
) -> Result<Response, Problem> {
    body.check()?;
    let idempotency = match single_header(&headers, "Idempotency-Key")? {
        Some(key) => Some((limits::idempotency_key(key)?.to_owned(), body.digest(&caller.terms)?)),
        None => None,
    };
    let asked = body.games.clone();
    let request = CreateSession {
        games: body.games,
        layout: body.layout,
        audio: body.audio,
        engine: body.engine.unwrap_or_default().into(),
        max_height: body.max_height,
        skin: app.first_skin(&caller, body.skin.as_deref(), body.market.as_deref())?,
        market: body.market,
        region: body.region,
        device_class: body.device_class,
        terms: (*caller.terms).clone(),
        device_id: body.device_id,
        labels: body.labels,
        idempotency,
    };
    app.may_start(&caller.tenant)?;
    let made = app.sessions.create(&caller.tenant, request).await;
    let (session, created) = made.map_err(|error| about_body(error, &asked))?;
    let location = super::header_text(&format!("/v1/sessions/{}", session.id));
    let mut response = (StatusCode::CREATED, [(header::LOCATION, location)], shown(session, &base)).into_response();
    if !created {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// The session as it is.
#[utoipa::path(get, path = "/v1/sessions/{id}", operation_id = "get_session", tag = "devices", security(("device_key" = []), ("operator_key" = [])),
    params(("id" = String, Path)),
    responses(
        (status = 200, description = "The session", body = SessionView, headers(("ETag" = String, description = "Its revision"))),
        (status = 401, description = "`unauthorized`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`session_unknown`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn get(
    State(app): State<Arc<App>>,
    caller: Caller,
    base: Base,
    Named(id): Named<String>,
) -> Result<Response, Problem> {
    app.sessions.check_terms(&caller.tenant, &id, &caller.terms)?;
    Ok(shown(app.sessions.get(&caller.tenant, &id).await?, &base))
}

/// Changes what the session shows, from `effective_segment` on, at the same playback URL.
#[utoipa::path(patch, path = "/v1/sessions/{id}", operation_id = "change_session", tag = "devices", request_body = ChangeBody,
    security(("device_key" = []), ("operator_key" = [])),
    params(("id" = String, Path), ("If-Match" = Option<String>, Header, pattern = r#"^(\*|(W/)?"[!#-~]*"( ?, ?(W/)?"[!#-~]*")*)$"#, description = "ETags of the session, of which one must be its present one, or `*`; weak ones never are")),
    responses(
        (status = 200, description = "The session as it is now", body = SessionView, headers(("ETag" = String, description = "Its revision"))),
        (status = 400, description = "`body_invalid`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "`unauthorized`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`game_restricted`, with the `reason` as when it was made, or `market_gone` where the session's market was taken away; `region_restricted`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`session_unknown`, `game_unknown`, `layout_unknown`, `skin_unknown`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`session_ended`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 412, description = "`revision_stale`, with the current `revision`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 413, description = "`body_too_large`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 415, description = "`media_type_unsupported`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`games_count`, `layout_mismatch`, `engine_unsuited`, `audio_unknown`, `field_unknown`, `field_invalid`, `parameter_invalid`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`capacity`, `store_unavailable`, with `Retry-After`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn change(
    State(app): State<Arc<App>>,
    caller: Caller,
    base: Base,
    Named(id): Named<String>,
    headers: HeaderMap,
    Body(body): Body<ChangeBody>,
) -> Result<Response, Problem> {
    app.sessions.check_terms(&caller.tenant, &id, &caller.terms)?;
    let if_match = match etag::if_match(&headers)? {
        IfMatch::Any => None,
        IfMatch::OneOf(revisions) => Some(revisions),
    };
    let engine = body.engine.map(Into::into);
    let asked = body.games.clone().unwrap_or_default();
    let skin = match body.skin.as_deref() {
        Some("") => Some(None),
        Some(skin) => Some(Some(app.skin_asked(&caller.tenant, skin)?)),
        None => None,
    };
    let request = ChangeSession { games: body.games, layout: body.layout, audio: body.audio, engine, skin, if_match };
    let changed = app.sessions.change(&caller.tenant, &id, request).await;
    Ok(shown(changed.map_err(|error| about_body(error, &asked))?, &base))
}

/// Of a game that is not there or may not be shown: which of `games`, as they were asked for.
pub(super) fn about_body(error: SessionError, games: &[String]) -> Problem {
    let at = match &error {
        SessionError::GameUnknown { id } | SessionError::GameRestricted { id, .. } => {
            games.iter().position(|game| game == id)
        }
        _ => None,
    };
    let problem = Problem::from(error);
    match at {
        Some(at) => problem.with("field", format!("games[{at}]")),
        None => problem,
    }
}

/// What becomes of who plays at present.
#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Renewal {
    /// `true`: what plays at present is let on no further, either. Players have what they fetched, and stop with it.
    #[serde(default)]
    end_players: bool,
}

/// Takes back every playback URL of the session that was given out so far, and gives a fresh one. Nobody can begin to play by the old ones; what plays goes on.
#[utoipa::path(post, path = "/v1/sessions/{id}/playback_url", operation_id = "renew_playback_url", tag = "devices", security(("device_key" = []), ("operator_key" = [])),
    params(("id" = String, Path), Renewal),
    responses(
        (status = 200, description = "The session with its fresh `playback_url`", body = SessionView, headers(("ETag" = String, description = "Its revision"))),
        (status = 401, description = "`unauthorized`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`session_unknown`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "`session_ended`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`parameter_invalid`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`store_unavailable`, with `Retry-After`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn renew(
    State(app): State<Arc<App>>,
    caller: Caller,
    base: Base,
    Named(id): Named<String>,
    Params(renewal): Params<Renewal>,
) -> Result<Response, Problem> {
    app.sessions.check_terms(&caller.tenant, &id, &caller.terms)?;
    Ok(shown(app.sessions.renew_playback(&caller.tenant, &id, renewal.end_players).await?, &base))
}

/// Ends the session: its meter stops and its playlists end. Ending an ended session changes nothing.
#[utoipa::path(delete, path = "/v1/sessions/{id}", operation_id = "end_session", tag = "devices", security(("device_key" = []), ("operator_key" = [])),
    params(("id" = String, Path)),
    responses(
        (status = 204, description = "Ended"),
        (status = 401, description = "`unauthorized`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`session_unknown`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn end(State(app): State<Arc<App>>, caller: Caller, Named(id): Named<String>) -> Result<StatusCode, Problem> {
    app.sessions.check_terms(&caller.tenant, &id, &caller.terms)?;
    app.sessions.end(&caller.tenant, &id, EndedBy::Device).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A session with its URL made whole, tagged by its revision, kept by no cache: it holds a token.
fn shown(session: SessionView, base: &Base) -> Response {
    let tag = etag::of_number(session.revision);
    let headers = [(header::ETAG, tag), (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    (headers, Json(with_base(session, base))).into_response()
}

fn with_base(mut session: SessionView, base: &Base) -> SessionView {
    session.playback_url = base.url(&session.playback_url);
    session
}
