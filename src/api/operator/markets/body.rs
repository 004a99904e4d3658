//! A market as its operator makes it.

use serde::Deserialize;
use utoipa::ToSchema;

use crate::api::extract::RequestBody;
use crate::api::ids::id_of;
use crate::api::problem::Problem;
use crate::config::{MAX_MARKET_GAMES, check_market};
use crate::market::{Market, MarketBreaks, Tier};

/// A market to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = MarketRequest, examples(json!({ "id": "de", "title": "Germany", "sound_language": "de", "tier": { "max_height": 720 } })))]
pub struct MarketBody {
    /// 1 to 64 letters, digits, `.`, `_`, `-`. With `PUT` it may be absent, and must else be the one in the path.
    pub id: Option<String>,
    pub title: String,
    /// RFC 5646 tag: of a game's sounds the one in it is heard where the viewer has chosen none.
    #[serde(default)]
    pub sound_language: Option<String>,
    /// RFC 5646 tag: the text in it is shown where the viewer has chosen none.
    #[serde(default)]
    pub text_language: Option<String>,
    /// Ids of the games that may be shown, up to 1000; they need not be there yet. Absent or `null`: all of the tenant's.
    #[serde(default)]
    pub games: Option<Vec<String>>,
    /// Codes of the countries where its sessions may be (ISO 3166-1 alpha-2, as `GB`). Absent or `null`: everywhere.
    #[serde(default)]
    pub regions: Option<Vec<String>>,
    /// Id of the skin that its sessions begin with where none is named; it need not be there yet.
    #[serde(default)]
    pub skin: Option<String>,
    /// What its sessions see in breaks; absent: the programme.
    #[serde(default)]
    pub breaks: MarketBreaks,
    #[serde(default)]
    pub tier: Tier,
}

impl RequestBody for MarketBody {
    const FIELDS: &'static [&'static str] =
        &["id", "title", "sound_language", "text_language", "games", "regions", "skin", "breaks", "tier"];
}

impl MarketBody {
    /// The market, by the rules that the configuration's markets follow; `path_id` is the id in the path of a `PUT`, and the lowest rendition has `least_height` rows.
    pub(in crate::api) fn checked(self, path_id: Option<String>, least_height: u32) -> Result<Market, Problem> {
        let id = id_of(self.id, path_id)?;
        let Self { title, sound_language, text_language, games, regions, skin, breaks, tier, .. } = self;
        let market = Market { id, title, sound_language, text_language, games, regions, skin, breaks, tier };
        check_market(&market, least_height).map_err(|mistake| {
            let field = if mistake.field == "max_height" { "tier.max_height" } else { &mistake.field };
            let problem = Problem::field(field, format!("{}.", mistake.problem));
            if field == "games" { problem.with("limit", MAX_MARKET_GAMES) } else { problem }
        })?;
        Ok(market)
    }
}
