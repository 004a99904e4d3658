//! `GET /openapi.json`: the contract (OpenAPI 3.1), generated from the handlers and their types.

use std::sync::OnceLock;

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::describe::Common;
use super::problem::{Code, Problem, ProblemBody};
use super::told::Told;
use super::{
    choices, cues, games, health, images, layouts, media, multiview, operator, outputs, playback, sessions, texts,
};

/// The API's description as JSON.
#[utoipa::path(get, path = "/openapi.json", operation_id = "get_openapi", tag = "operators",
    responses((status = 200, description = "OpenAPI 3.1", body = Object, content_type = "application/json")))]
pub async fn serve() -> Result<Response, Problem> {
    static TEXT: OnceLock<Bytes> = OnceLock::new();
    let text = match TEXT.get() {
        Some(text) => text.clone(),
        None => {
            let text = document().to_json().map_err(Problem::internal)?;
            TEXT.get_or_init(|| text.into()).clone()
        }
    };
    Ok(([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], text).into_response())
}

/// The whole description.
pub fn document() -> utoipa::openapi::OpenApi {
    Description::openapi()
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Quadrille",
        description = "Server-side multiview for live sports: up to four games in one ordinary HLS stream.\n\n\
            Refusals are problem details (RFC 9457) with a stable `code`. Every answer has an `X-Request-Id`, which is the request's own where that \
            has one; routes with keys have `RateLimit` and `RateLimit-Policy`.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    paths(
        games::list, cues::list, layouts::list, choices::markets, choices::skins,
        sessions::create, sessions::get, sessions::change, sessions::renew, sessions::end,
        multiview::open, outputs::multivariant, outputs::media,
        playback::multivariant, playback::video, playback::key_pictures, images::playlist, images::sprite, playback::audio, playback::sound, texts::text, texts::text_segment, texts::own_text_segment,
        media::video_init, media::video_segment, media::audio_init, media::audio_segment, media::own_video_segment, media::own_audio_segment, games::thumbnail,
        operator::games::list, operator::games::create, operator::games::get, operator::games::replace,
        operator::games::delete, operator::sources::try_one,
        operator::capacity::get,
        operator::audit::list, operator::audit::chain, operator::keys::list, operator::keys::create, operator::keys::get, operator::keys::revoke,
        operator::markets::list, operator::markets::create, operator::markets::get, operator::markets::replace,
        operator::markets::delete,
        operator::outputs::list, operator::outputs::get, operator::outputs::replace, operator::outputs::delete,
        operator::breaks::begin, operator::breaks::end, operator::breaks::report,
        operator::sessions::list, operator::sessions::get, operator::sessions::end,
        operator::clips::list, operator::clips::create, operator::clips::get, operator::clips::delete, operator::clips::file,
        operator::assets::list, operator::assets::upload, operator::assets::get, operator::assets::preview, operator::assets::file, operator::assets::delete,
        operator::assets::skins, operator::assets::skin, operator::assets::put_skin, operator::assets::delete_skin,
        operator::usage::report, operator::usage::records, operator::usage::quote,
        operator::webhooks::list, operator::webhooks::create, operator::webhooks::get, operator::webhooks::replace, operator::webhooks::delete,
        operator::webhooks::deliveries, operator::webhooks::rotate, operator::webhooks::test,
        health::metrics, health::alive, health::ready, serve,
    ),
    components(schemas(ProblemBody, Code, operator::audit::Order)),
    modifiers(&Keys, &Told, &Common),
    tags(
        (name = "devices", description = "Set-top boxes and other clients, with a device key"),
        (name = "playback", description = "Players: the session's token, or a segment's name, is the only key"),
        (name = "operators", description = "Operators, with an operator key; health and metrics need none"),
    )
)]
struct Description;

struct Keys;

impl Modify for Keys {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        for (name, holder) in [("device_key", "A device key"), ("operator_key", "An operator key")] {
            let mut scheme = Http::new(HttpAuthScheme::Bearer);
            scheme.description = Some(format!("{holder} of the tenant: `Authorization: Bearer <key>`."));
            components.add_security_scheme(name, SecurityScheme::Http(scheme));
        }
    }
}
