//! What a market says, and what a key allows.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{MarketBreaks, Tier};

/// A tenant's named rules for the sessions that are made in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Market {
    /// Unique within the tenant.
    pub id: String,
    pub title: String,
    /// RFC 5646 tag: of a game's sounds the one in it is heard where the viewer has chosen none. `null`: the main one is.
    pub sound_language: Option<String>,
    /// RFC 5646 tag: the text in it is shown where the viewer has chosen none. `null`: no text is.
    pub text_language: Option<String>,
    /// Ids of the games that may be shown; `null`: all of the tenant's.
    pub games: Option<Vec<String>>,
    /// Codes of the countries (ISO 3166-1, as `GB`) where its sessions may be; `null`: everywhere.
    #[serde(default)]
    pub regions: Option<Vec<String>>,
    /// The skin that its sessions begin with where none is named. One that is not there shows nothing.
    #[serde(default)]
    pub skin: Option<String>,
    #[serde(default)]
    pub breaks: MarketBreaks,
    pub tier: Tier,
}

impl Market {
    /// Whether the game that the tenant calls `id` may be shown.
    pub fn shows(&self, id: &str) -> bool {
        self.games.as_ref().is_none_or(|games| games.iter().any(|game| game == id))
    }

    /// Whether a session may be in `region`; `None`: nobody says where it is.
    pub fn reaches(&self, region: Option<&str>) -> bool {
        self.regions.as_ref().is_none_or(|regions| regions.iter().any(|its| Some(its.as_str()) == region))
    }
}

/// What the holder of a key may ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyTerms {
    /// The one market that its sessions are made in; `None`: any of the tenant's, or none.
    pub market: Option<String>,
    pub tier: Tier,
}

/// Whether what is tagged `told` is what who asks for `wanted` means: as RFC 4647 (3.3.1) filters, and of one language in general also the other way round,
/// as a source that says `de` has nothing better for `de-AT`.
pub fn speaks(wanted: &str, told: &str) -> bool {
    let begins = |long: &str, short: &str| {
        let head = long.get(..short.len());
        let rest = long.get(short.len()..).unwrap_or_default();
        head.is_some_and(|head| head.eq_ignore_ascii_case(short)) && (rest.is_empty() || rest.starts_with('-'))
    };
    begins(told, wanted) || (!told.contains('-') && begins(wanted, told))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_is_met_by_its_regions_and_a_region_by_its_language() {
        for (wanted, told) in [("de", "de"), ("de", "de-AT"), ("de-AT", "de"), ("DE", "de-at"), ("pt-BR", "pt-br")] {
            assert!(speaks(wanted, told), "{wanted} {told}");
        }
        for (wanted, told) in [("de", "den"), ("de-AT", "de-CH"), ("de", "en"), ("den", "de"), ("de", "")] {
            assert!(!speaks(wanted, told), "{wanted} {told}");
        }
    }

    #[test]
    fn a_market_shows_all_games_everywhere_or_those_that_it_names_where_it_says() {
        let all = Market::default();
        let few = Market { games: Some(vec!["a".into()]), ..Market::default() };
        let none = Market { games: Some(Vec::new()), ..Market::default() };
        let isles = Market { regions: Some(vec!["GB".into(), "IE".into()]), ..Market::default() };
        assert!(all.reaches(None) && all.reaches(Some("FR")) && isles.reaches(Some("IE")));
        assert!(!isles.reaches(Some("FR")) && !isles.reaches(None), "who does not say where it is may be anywhere");
        assert!(all.shows("a") && few.shows("a") && !few.shows("b") && !none.shows("a"));
    }
}
