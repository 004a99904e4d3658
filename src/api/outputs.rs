//! `/v1/out/{match}/{skin}/…`: one game in a skin at an address that stays. The first playlist is asked for with a key, or without one where its set is
//! public; those under it say for whom they are in their address, signed, so that no key stands in what viewers are given.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::App;
use super::auth::Caller;
use super::extract::{Named, Params};
use super::playback::{self, Following, PLAYLIST_TYPE, stem};
use super::problem::{Code, Problem, ProblemBody};
use crate::market::KeyTerms;
use crate::outputs::{Access, OutputSet};
use crate::session::{OutputGrant, OutputWish, Reload, SessionError, Sounds};

/// Names that a refusal lists at most.
const MOST_LISTED: usize = 100;

/// How long a cache may give a playlist to others: less than a segment, so that who asks once a segment finds each.
const KEPT: &str = "max-age=1";

/// Which sounds an output's multivariant playlist lists.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OutputSounds {
    /// The default alone.
    Main,
    /// That, and every sound of the game.
    #[default]
    Own,
    /// The default, and in a second group the game's main sound as its source codes it.
    AsCame,
}

/// Who asks for an output, and how.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Asked {
    /// A key of the tenant, for those who cannot send an Authorization header. It stands in no playlist.
    key: Option<String>,
    /// Whose it is, where there is no key. It may be left out where one tenant alone has outputs for everybody.
    tenant: Option<String>,
    /// The market that it is made in: languages, rights and tier.
    market: Option<String>,
    /// `own` when absent.
    #[param(inline)]
    #[serde(default)]
    sounds: OutputSounds,
    /// `true`: the playlists that are named list parts (RFC 8216bis).
    #[serde(default)]
    low_latency: bool,
}

/// Who asks.
struct Who {
    tenant: String,
    with_key: bool,
    terms: KeyTerms,
}

/// The multivariant playlist of a game in a skin: the same address for good, for everybody who may see it. Nothing runs for it until somebody asks.
#[utoipa::path(get, path = "/v1/out/{match}/{skin}/index.m3u8", operation_id = "get_output_playlist", tag = "playback",
    params(("match" = String, Path, description = "Id of the game"), ("skin" = String, Path, description = "Id of the skin"), Asked),
    security((), ("device_key" = []), ("operator_key" = [])),
    responses(
        (status = 200, description = "The playlist", body = String, content_type = "application/vnd.apple.mpegurl"),
        (status = 304, description = "The client has it"),
        (status = 401, description = "`unauthorized`: there are no outputs without a key", body = ProblemBody, content_type = "application/problem+json"),
        (status = 402, description = "`cap_reached`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`game_restricted`, with the `reason` (`not_in_market`, `not_yet`, `no_longer`), `forbidden`: the key is bound to another market, or is an operator's without the `scope` that is needed", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`game_unknown`, `skin_unknown`, `market_unknown`, `tenant_unknown`, `output_unknown`: `allowed` lists up to 100 that there are; `layout_unknown`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`parameter_invalid`, `field_invalid`, `layout_mismatch`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`capacity`, `store_unavailable`, with `Retry-After`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn multivariant(
    State(app): State<Arc<App>>,
    method: Method,
    headers: HeaderMap,
    Named((game, skin)): Named<(String, String)>,
    Params(asked): Params<Asked>,
) -> Result<Response, Problem> {
    let who = app.who_asks(&headers, &asked).await?;
    let sets = app.sessions.outputs().seen(&who.tenant, who.with_key);
    let refused = || app.output_refused(&who.tenant, &sets, &game, &skin);
    let fitting: Vec<_> = sets.iter().filter(|set| set.has_game(&game) && set.has_skin(&skin)).collect();
    let Some(art) = app.assets.skin(&who.tenant, &skin).filter(|_| !fitting.is_empty()) else { return Err(refused()) };
    let market = market_of(&app, &who, &fitting, asked.market)?;
    let set = fitting.into_iter().find(|set| set.has_market(market.as_deref())).ok_or_else(&refused)?.clone();
    let public = !who.with_key;
    let grant = OutputGrant { tenant: who.tenant.clone(), set: set.id.clone(), market, public, tier: who.terms.tier };
    let wish = OutputWish { grant, set, game: game.clone(), skin: art };
    if method == Method::HEAD {
        // HEAD is safe (RFC 9110, 9.2.1): who only looks starts nothing.
        return Ok((StatusCode::OK, [(header::CONTENT_TYPE, PLAYLIST_TYPE)]).into_response());
    }
    let token = app.sessions.output(&wish).await.map_err(|error| match error {
        SessionError::GameUnknown { .. } => refused(),
        other => other.into(),
    })?;
    let sounds = match asked.sounds {
        OutputSounds::Main => Sounds::Main,
        OutputSounds::Own => Sounds::Own,
        OutputSounds::AsCame => Sounds::AsCame,
    };
    let element = app.sessions.output_element(&wish);
    let text = app.sessions.output_multivariant(&token, &element, sounds, asked.low_latency).await?;
    Ok(playback::playlist_kept(&app, &method, &headers, text, KEPT))
}

/// A playlist of an output, as its multivariant playlist names it: of a rendition (`video`), of the pictures that open its segments (`keys`), of its sound
/// (`sound`, `audio`) or of its text (`text`). The first request after nobody polled for a while waits for the first segment.
#[utoipa::path(get, path = "/v1/out/{match}/{skin}/{grant}/{kind}/{name}.m3u8", operation_id = "get_output_media_playlist", tag = "playback",
    params(("match" = String, Path, description = "Id of the game"), ("skin" = String, Path, description = "Id of the skin"), ("grant" = String, Path, description = "Opaque"), ("kind" = String, Path, description = "As in the playlist that names it: `video`, `sound` and so on"), ("name" = String, Path, description = "As in the playlist that names it"), Following),
    responses(
        (status = 200, description = "The playlist", body = String, content_type = "application/vnd.apple.mpegurl"),
        (status = 304, description = "The client has it"),
        (status = 400, description = "`reload_invalid`, `start_invalid`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 402, description = "`cap_reached`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "`game_restricted`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "`output_unknown`: nobody was given this address, or the set is not what it was; `game_unknown`, `skin_unknown`, `market_unknown`, `rendition_unknown`, `sound_unknown`, `text_unknown`, `layout_unknown`, `not_found`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "`parameter_invalid`, `field_invalid`, `layout_mismatch`", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "`not_ready`, `capacity`, `store_unavailable`, with `Retry-After`", body = ProblemBody, content_type = "application/problem+json"),
    ))]
pub async fn media(
    State(app): State<Arc<App>>,
    method: Method,
    headers: HeaderMap,
    Named((game, skin, element, kind, file)): Named<(String, String, String, String, String)>,
    Params(following): Params<Following>,
) -> Result<Response, Problem> {
    let name = stem(&file)?;
    let unknown = || Problem::new(Code::OutputUnknown, "There is no such output any more, or there never was.");
    let grant = app.sessions.output_granted(&game, &skin, &element).ok_or_else(unknown)?;
    let goes_on = |set: &Arc<OutputSet>| {
        let may_see = !grant.public || set.access == Access::Public;
        may_see && set.has_game(&game) && set.has_skin(&skin) && set.has_market(grant.market.as_deref())
    };
    let set = app.sessions.outputs().find(&grant.tenant, &grant.set).filter(goes_on).ok_or_else(unknown)?;
    let skin = app.skin(&grant.tenant, &skin)?;
    // Outputs list what is live: an address of one's own, as a past needs, is nobody's here.
    let reload = Reload { start_ms: None, ..following.reload()? };
    let token = app.sessions.output(&OutputWish { grant, set, game: game.clone(), skin }).await?;
    let text = match &*kind {
        "video" => app.sessions.video_playlist(&token, name, reload).await?,
        "keys" => app.sessions.key_pictures_playlist(&token, name, reload).await?,
        "sound" => app.sessions.sound_playlist(&token, name, reload).await?,
        "text" => app.sessions.text_playlist(&token, name, reload).await?,
        // Of its own game alone: as it came.
        "audio" if name.split('~').next() == Some(game.as_str()) => {
            app.sessions.audio_playlist(&token, name, reload).await?
        }
        _ => return Err(Problem::new(Code::NotFound, "Outputs have video, keys, sound, audio and text.")),
    };
    Ok(playback::playlist_kept(&app, &method, &headers, text, KEPT))
}

impl App {
    async fn who_asks(&self, headers: &HeaderMap, asked: &Asked) -> Result<Who, Problem> {
        let unknown = |id: &str, allowed: Vec<String>| {
            let detail = format!("There is no tenant {id:?} with outputs for you.");
            Problem::new(Code::TenantUnknown, detail).with("parameter", "tenant").with("allowed", allowed)
        };
        let principal = match &asked.key {
            Some(key) => Some(self.principal(key).await?),
            None if headers.contains_key(header::AUTHORIZATION) => Some(self.principal_of(headers).await?),
            None => None,
        };
        if let Some(principal) = principal {
            let caller = Caller::of(principal, "/v1/out/")?;
            return match &asked.tenant {
                Some(id) if **id != *caller.tenant => Err(unknown(id, vec![caller.tenant.to_string()])),
                Some(_) | None => {
                    let terms = (*caller.terms).clone();
                    Ok(Who { tenant: caller.tenant.to_string(), with_key: true, terms })
                }
            };
        }
        let mut public = self.sessions.outputs().public_tenants();
        let tenant = match (&asked.tenant, &public[..]) {
            // That says which key is missing.
            (_, []) => {
                let refused = self.principal_or_key(headers).await.err();
                return Err(refused.unwrap_or_else(|| unknown("", Vec::new())));
            }
            (Some(id), all) if all.contains(id) => id.clone(),
            (None, [one]) => one.clone(),
            (Some(id), _) => {
                public.truncate(MOST_LISTED);
                return Err(unknown(id, public));
            }
            (None, _) => {
                public.truncate(MOST_LISTED);
                let detail = "Without a key it takes a tenant: several have outputs for everybody.";
                return Err(Problem::parameter("tenant", detail).with("allowed", public));
            }
        };
        Ok(Who { tenant, with_key: false, terms: KeyTerms::default() })
    }

    /// Why none of `sets` has `game` in `skin`, with what they have.
    fn output_refused(&self, tenant: &str, sets: &[Arc<OutputSet>], game: &str, skin: &str) -> Problem {
        let all_games = self.catalogue.games(tenant).into_iter().map(|game| game.id);
        let games: Vec<String> = all_games.filter(|id| sets.iter().any(|set| set.has_game(id))).collect();
        let all_skins: Vec<String> = self.assets.skins(tenant).iter().map(|skin| skin.id.clone()).collect();
        let with = |is_in: &dyn Fn(&OutputSet, &str) -> bool| -> Vec<String> {
            all_skins.iter().filter(|id| sets.iter().any(|set| is_in(set, id))).cloned().collect()
        };
        let skins = with(&|set, id| set.has_skin(id));
        let (code, detail, allowed) = if !games.iter().any(|id| id == game) {
            (Code::GameUnknown, format!("No output shows a game {game:?}."), games)
        } else if !skins.iter().any(|id| id == skin) {
            (Code::SkinUnknown, format!("No output has a skin {skin:?}."), skins)
        } else {
            let of_game = with(&|set, id| set.has_game(game) && set.has_skin(id));
            (Code::OutputUnknown, format!("No output shows {game:?} in {skin:?}; allowed are its skins."), of_game)
        };
        let allowed: Vec<String> = allowed.into_iter().take(MOST_LISTED).collect();
        Problem::new(code, detail).with("game", game).with("skin", skin).with("allowed", allowed)
    }
}

/// The market that an output of one of `sets` is made in.
fn market_of(app: &App, who: &Who, sets: &[&Arc<OutputSet>], asked: Option<String>) -> Result<Option<String>, Problem> {
    let wanted = who.terms.market.clone().or(asked.clone());
    if sets.iter().any(|set| set.has_market(wanted.as_deref())) {
        let found = app.sessions.market_for(&who.tenant, asked, &who.terms);
        let found = found.map_err(|error| Problem::from(error).in_query())?;
        return Ok(found.map(|market| market.id.clone()));
    }
    let mut allowed: Vec<String> = sets.iter().flat_map(|set| set.markets.clone().unwrap_or_default()).collect();
    allowed.sort();
    allowed.dedup();
    allowed.truncate(MOST_LISTED);
    let detail = match wanted {
        Some(id) => format!("This output is not made in a market {id:?}."),
        None => "This output is made in one of its markets: name one.".to_owned(),
    };
    Err(Problem::new(Code::MarketUnknown, detail).with("parameter", "market").with("allowed", allowed))
}
