//! Markets that the configuration defines, and tiers, of markets and of keys.

use std::collections::BTreeSet;

use super::names::{NameError, check_id, check_language, check_region, check_title};
use super::reader::{Table, Value};
use super::{Output, Tenant};
use crate::market::{DecidedFor, Feature, Market, MarketBreakPolicy, MarketBreaks, Tier};

/// Most games that a market names.
pub const MAX_MARKET_GAMES: usize = 1000;

/// Most regions that a market names: there are 249 countries.
const MAX_REGIONS: usize = 249;

/// Tallest picture that a tier may name.
pub const MAX_HEIGHT: u32 = 16_384;

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
    check_regions(market.regions.as_deref())?;
    check_breaks(&market.breaks)?;
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

fn check_regions(regions: Option<&[String]>) -> Result<(), MarketMistake> {
    let Some(regions) = regions else { return Ok(()) };
    if !(1..=MAX_REGIONS).contains(&regions.len()) {
        let problem =
            format!("there are {} regions; 1 to {MAX_REGIONS} are allowed, or none of the field", regions.len());
        return Err(MarketMistake { field: "regions".into(), problem });
    }
    let checked = regions.iter().enumerate().map(|(n, region)| (n, check_region(region)));
    let wrong = checked.filter_map(|(n, checked)| Some((n, checked.err()?))).next();
    wrong.map_or(Ok(()), |(n, error)| Err(MarketMistake { field: format!("regions[{n}]"), problem: error.to_string() }))
}

/// Longest address of a decision server, macros and all.
const MAX_DECISION_URL: usize = 2048;

/// Each policy has what it needs, and nothing that belongs to another.
fn check_breaks(breaks: &MarketBreaks) -> Result<(), MarketMistake> {
    let MarketBreaks { policy, decision_url, decided_for, layout, skin } = breaks;
    let wrong = |field: &str, problem: String| Err(MarketMistake { field: format!("breaks.{field}"), problem });
    let is_asked = *policy == MarketBreakPolicy::Advertisement;
    let is_squeezed = *policy == MarketBreakPolicy::SqueezeBack;
    match decision_url.as_deref() {
        None if is_asked => return wrong("decision_url", "a policy \"advertisement\" needs it".into()),
        Some(_) if !is_asked => return wrong("decision_url", format!("a policy {:?} asks nobody", policy.name())),
        Some(url) => {
            // Macros in brackets are no part of an address before they are filled in; numbers of IPv6 are.
            let plain: String = url.chars().map(|c| if matches!(c, '[' | ']') { '-' } else { c }).collect();
            let read = url::Url::parse(url).or_else(|_| url::Url::parse(&plain)).ok();
            let read = read.filter(|read| matches!(read.scheme(), "http" | "https"));
            if url.len() > MAX_DECISION_URL
                || read.is_none_or(|read| read.username() != "" || read.password().is_some())
            {
                let problem =
                    "http://HOST… or https://HOST… is allowed, up to 2048 characters, without a user or password";
                return wrong("decision_url", problem.into());
            }
        }
        None => {}
    }
    if *decided_for != DecidedFor::default() && !is_asked {
        return wrong("decided_for", format!("a policy {:?} asks nobody", policy.name()));
    }
    for (field, value) in [("layout", layout), ("skin", skin)] {
        match value.as_deref() {
            None if is_squeezed && field == "layout" => {
                return wrong("layout", "a policy \"squeeze_back\" needs it".into());
            }
            Some(_) if !is_squeezed => {
                return wrong(field, format!("a policy {:?} shows no other layout", policy.name()));
            }
            Some(id) => {
                if let Err(problem) = check_id(id) {
                    return wrong(field, problem.to_string());
                }
            }
            None => {}
        }
    }
    Ok(())
}

/// The markets, each with its tenant.
pub(super) fn read_all(root: &mut Table, tenants: &[Tenant], output: &Output) -> Vec<(String, Market)> {
    let for_all = output.renditions.iter().filter(|rendition| rendition.plays_everywhere());
    let least_height = for_all.map(|rendition| rendition.height).min().unwrap_or(0);
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
    let region = |item: &Value| item.text("the code of a country is allowed, as \"GB\"").map(str::to_owned);
    let regions = table.optional("regions").map(|list| {
        list.items("write [\"…\"], or leave it out to allow all").iter().filter_map(region).collect::<Vec<_>>()
    });
    let skin = table.optional("skin").and_then(|value| value.text("the id of a skin is allowed").map(str::to_owned));
    let breaks = table.table("breaks").map(read_breaks).unwrap_or_default();
    let tier = read_tier(&mut table);
    table.finish();
    let (id, title) = (id?, title?);
    Some((tenant?, Market { id, title, sound_language, text_language, games, regions, skin, breaks, tier }))
}

/// `[markets.breaks]`.
fn read_breaks(mut table: Table) -> MarketBreaks {
    let policy = table.optional("policy").and_then(|v| v.parsed(MarketBreakPolicy::ALLOWED, str::parse));
    let decided_for = table.optional("decided_for").and_then(|v| v.parsed(DecidedFor::ALLOWED, str::parse));
    let mut text = |key, allowed| table.optional(key)?.text(allowed).map(str::to_owned);
    let decision_url = text("decision_url", "an address of a server is allowed");
    let (layout, skin) = (text("layout", "the id of a layout is allowed"), text("skin", "the id of a skin is allowed"));
    table.finish();
    let (policy, decided_for) = (policy.unwrap_or_default(), decided_for.unwrap_or_default());
    MarketBreaks { policy, decision_url, decided_for, layout, skin }
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
