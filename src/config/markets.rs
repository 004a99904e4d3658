//! Markets that the configuration defines, and tiers, of markets and of keys.

use std::collections::BTreeSet;

use super::names::{NameError, check_id, check_language, check_title};
use super::reader::{Table, Value};
use super::{Output, Tenant};
use crate::market::{Feature, Market, Tier};

/// Most games that a market names.
pub const MAX_MARKET_GAMES: usize = 1000;

/// Tallest picture that a tier may name.
const MAX_HEIGHT: u32 = 16_384;

/// Why a market is refused: the field, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarketMistake {
    pub field: String,
    pub problem: String,
}

/// The one rule for markets, of the configuration and of the API. `least_height` is that of the lowest rendition: a tier without one would be a tier
/// without pictures.
///
/// # Errors
/// The first field that is not allowed.
pub fn check_market(market: &Market, least_height: u32) -> Result<(), MarketMistake> {
    let of = |field: &str, checked: Result<(), NameError>| {
        checked.map_err(|problem| MarketMistake { field: field.to_owned(), problem: problem.to_string() })
    };
    of("id", check_id(&market.id))?;
    of("title", check_title(&market.title))?;
    for (field, language) in [("sound_language", &market.sound_language), ("text_language", &market.text_language)] {
        of(field, language.as_deref().map_or(Ok(()), check_language))?;
    }
    of("skin", market.skin.as_deref().map_or(Ok(()), check_id))?;
    let games = market.games.as_deref().unwrap_or_default();
    if games.len() > MAX_MARKET_GAMES {
        let problem = format!("there are {} games; up to {MAX_MARKET_GAMES} are allowed", games.len());
        return Err(MarketMistake { field: "games".into(), problem });
    }
    for (n, game) in games.iter().enumerate() {
        of(&format!("games[{n}]"), check_id(game))?;
    }
    match market.tier.max_height {
        Some(height) if !(least_height..=MAX_HEIGHT).contains(&height) => {
            let problem = format!(
                "{height} is not allowed: the lowest rendition has {least_height}, and {MAX_HEIGHT} is the most"
            );
            Err(MarketMistake { field: "max_height".into(), problem })
        }
        Some(_) | None => Ok(()),
    }
}

/// The markets, each with its tenant.
pub(super) fn read_all(root: &mut Table, tenants: &[Tenant], output: &Output) -> Vec<(String, Market)> {
    let least_height = output.renditions.iter().map(|rendition| rendition.height).min().unwrap_or(0);
    let mut markets: Vec<(String, Market)> = Vec::new();
    for item in root.items("markets", "write each as [[markets]]") {
        let Some((tenant, market)) = read_one(&item, tenants) else { continue };
        if let Err(MarketMistake { field, problem }) = check_market(&market, least_height) {
            item.refuse(format!("`{field}`: {problem}"), "");
        } else if markets.iter().any(|(of, its)| *of == tenant && its.id == market.id) {
            item.refuse(format!("{tenant:?} has a market {:?} already", market.id), "each id once is allowed");
        } else {
            markets.push((tenant, market));
        }
    }
    markets
}

fn read_one(item: &Value, tenants: &[Tenant]) -> Option<(String, Market)> {
    let mut table = item.table()?;
    let known = tenants.iter().map(|t| format!("{:?}", t.id)).collect::<Vec<_>>().join(", ");
    let tenant = table.required("tenant", "the id of a tenant is needed").and_then(|value| {
        let id = value.text("the id of a tenant is allowed")?;
        if !tenants.iter().any(|tenant| tenant.id == id) {
            value.refuse(format!("there is no tenant {id:?}"), &format!("there are {known}"));
        }
        Some(id.to_owned())
    });
    let mut text = |key, allowed| Some(table.required(key, allowed)?.text(allowed)?.to_owned());
    let id = text("id", "a short name such as \"de\" is needed");
    let title = text("title", "a text such as \"Germany\" is needed");
    let mut language = |key| table.optional(key)?.text("a tag of RFC 5646 is allowed, as \"de\"").map(str::to_owned);
    let (sound_language, text_language) = (language("sound_language"), language("text_language"));
    let game = |item: &Value| item.text("the id of a game is allowed").map(str::to_owned);
    let games = table.optional("games").map(|list| {
        list.items("write [\"…\"], or leave it out to allow all games").iter().filter_map(game).collect::<Vec<_>>()
    });
    let skin = table.optional("skin").and_then(|value| value.text("the id of a skin is allowed").map(str::to_owned));
    let tier = read_tier(&mut table);
    table.finish();
    Some((tenant?, Market { id: id?, title: title?, sound_language, text_language, games, skin, tier }))
}

/// `max_height` and `features`, of a market or of a key.
pub(super) fn read_tier(table: &mut Table) -> Tier {
    let max_height = table.optional("max_height").and_then(|v| v.whole(1..=MAX_HEIGHT, "pixels"));
    let features = table.optional("features").map(|list| {
        let items = list.items("write [\"…\"], or leave it out to allow all");
        items.iter().filter_map(|item| item.parsed("", str::parse::<Feature>)).collect::<BTreeSet<_>>()
    });
    Tier { max_height, features }
}
