//! What a market shows of a game that is in a break.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What sessions of a market see in a break.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MarketBreakPolicy {
    /// The game as it is shown to those without a market.
    #[default]
    Programme,
    /// A card with the game's title in its slot, and silence.
    Slate,
    /// Advertisements in its slot, with their sound: those that a server decides on.
    Advertisement,
    /// The game, smaller, with art beside it: sessions of one game go over to another layout for the break.
    SqueezeBack,
}

impl MarketBreakPolicy {
    pub const ALL: [Self; 4] = [Self::Programme, Self::Slate, Self::Advertisement, Self::SqueezeBack];

    /// For people.
    pub const ALLOWED: &str = "\"programme\", \"slate\", \"advertisement\" and \"squeeze_back\" are allowed";

    /// As in the configuration and the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Programme => "programme",
            Self::Slate => "slate",
            Self::Advertisement => "advertisement",
            Self::SqueezeBack => "squeeze_back",
        }
    }
}

/// For whom an advertisement server is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DecidedFor {
    /// Once a break: all sessions of the market see the same.
    #[default]
    Market,
    /// For each session by itself.
    Session,
}

impl DecidedFor {
    pub const ALL: [Self; 2] = [Self::Market, Self::Session];

    /// For people.
    pub const ALLOWED: &str = "\"market\" and \"session\" are allowed";

    pub const fn name(self) -> &'static str {
        match self {
            Self::Market => "market",
            Self::Session => "session",
        }
    }
}

/// A word that none of them is called.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is none of them; {allowed}")]
pub struct WordError {
    given: String,
    allowed: &'static str,
}

macro_rules! by_name {
    ($its:ident) => {
        impl FromStr for $its {
            type Err = WordError;

            fn from_str(text: &str) -> Result<Self, WordError> {
                let named = Self::ALL.into_iter().find(|its| its.name() == text);
                named.ok_or_else(|| WordError { given: text.chars().take(40).collect(), allowed: Self::ALLOWED })
            }
        }

        impl<'de> Deserialize<'de> for $its {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = String::deserialize(from)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

by_name!(MarketBreakPolicy);
by_name!(DecidedFor);

/// What a market does in breaks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MarketBreaks {
    pub policy: MarketBreakPolicy,
    /// Where advertisements are decided on (VAST 2.0 to 4.x), with macros of VAST and of ours in brackets. Of `advertisement` alone, which needs it.
    pub decision_url: Option<String>,
    /// Whom the server is asked for.
    pub decided_for: DecidedFor,
    /// The layout of `squeeze_back`: one game, and slots of art.
    pub layout: Option<String>,
    /// The skin whose art is in them; absent or `null`: that of the session.
    pub skin: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_have_the_names_that_they_are_told_by() {
        for policy in MarketBreakPolicy::ALL {
            assert_eq!(serde_json::to_string(&policy).unwrap(), format!("{:?}", policy.name()));
            assert_eq!(policy.name().parse(), Ok(policy));
            assert!(MarketBreakPolicy::ALLOWED.contains(policy.name()));
        }
        for whom in DecidedFor::ALL {
            assert_eq!(serde_json::to_string(&whom).unwrap(), format!("{:?}", whom.name()));
            assert!(whom.name().parse() == Ok(whom) && DecidedFor::ALLOWED.contains(whom.name()));
        }
        let refused = serde_json::from_str::<MarketBreaks>(r#"{"policy":"advert"}"#).unwrap_err().to_string();
        assert!(refused.contains("\"advert\" is none of them") && refused.contains("\"squeeze_back\""), "{refused}");
        let read: MarketBreaks = serde_json::from_str(r#"{"policy":"slate"}"#).unwrap();
        assert_eq!(read, MarketBreaks { policy: MarketBreakPolicy::Slate, ..MarketBreaks::default() });
    }
}
