//! Tiers: what of the quality a session may have.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a tier has or has not, beside the height of its pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Feature {
    /// Playlists may list parts (`?low_latency=true`).
    LowLatency,
    /// AC-3 and E-AC-3 may be handed on as they came (`?sounds=as_came`).
    Dolby,
    /// Renditions in HDR are offered, where there are any.
    Hdr,
}

impl Feature {
    /// Those that there are.
    pub const ALL: [Self; 3] = [Self::LowLatency, Self::Dolby, Self::Hdr];

    /// For people.
    pub const ALLOWED: &str = "\"low_latency\", \"dolby\" and \"hdr\" are allowed";

    /// As in the configuration and the API.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LowLatency => "low_latency",
            Self::Dolby => "dolby",
            Self::Hdr => "hdr",
        }
    }
}

/// A text that names no feature.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FeatureError {
    #[error("{given:?} is no feature of a tier; {}", Feature::ALLOWED)]
    Unknown { given: String },
}

impl FromStr for Feature {
    type Err = FeatureError;

    fn from_str(text: &str) -> Result<Self, FeatureError> {
        let named = Self::ALL.into_iter().find(|feature| feature.name() == text);
        named.ok_or_else(|| FeatureError::Unknown { given: text.chars().take(40).collect() })
    }
}

impl<'de> Deserialize<'de> for Feature {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a session may have at most. Where nothing is said there is no bound.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Tier {
    /// No rendition with more rows of pixels is offered; absent or `null`: all are.
    #[schema(minimum = 1, maximum = 16_384)]
    pub max_height: Option<u32>,
    /// What sessions may have of `low_latency`, `dolby` and `hdr`; absent or `null`: all.
    pub features: Option<BTreeSet<Feature>>,
}

impl Tier {
    /// Whether it has `feature`.
    pub fn has(&self, feature: Feature) -> bool {
        self.features.as_ref().is_none_or(|features| features.contains(&feature))
    }

    /// Whether it bounds nothing.
    pub fn is_open(&self) -> bool {
        *self == Self::default()
    }

    /// What both allow: of the heights the lower, of the features those that both have.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let max_height = match (self.max_height, other.max_height) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        let features = match (&self.features, &other.features) {
            (Some(one), Some(other)) => Some(one.intersection(other).copied().collect()),
            (one, other) => one.clone().or_else(|| other.clone()),
        };
        Self { max_height, features }
    }

    /// Of the features that there are, those that it has.
    pub fn features(&self) -> BTreeSet<Feature> {
        Feature::ALL.into_iter().filter(|feature| self.has(*feature)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tier(max_height: Option<u32>, features: Option<&[Feature]>) -> Tier {
        Tier { max_height, features: features.map(|its| its.iter().copied().collect()) }
    }

    #[test]
    fn of_two_tiers_the_lower_counts_in_each_respect() {
        let free = tier(Some(720), Some(&[Feature::LowLatency]));
        let sound = tier(Some(1080), Some(&[Feature::Dolby]));
        assert_eq!(free.and(&sound), tier(Some(720), Some(&[])));
        assert_eq!(sound.and(&free), free.and(&sound));
        assert_eq!(free.and(&Tier::default()), free);
        assert_eq!(Tier::default().and(&free), free);
        assert!(Tier::default().is_open() && !free.is_open());
        assert_eq!(Tier::default().features(), Feature::ALL.into());
    }

    #[test]
    fn features_are_known_by_their_names() {
        assert_eq!(Feature::ALL.map(|feature| feature.name().parse()), Feature::ALL.map(Ok));
        assert!(matches!("8k".parse::<Feature>(), Err(FeatureError::Unknown { .. })));
        let refused = serde_json::from_str::<Tier>(r#"{"features":["dolby","8k"]}"#).unwrap_err().to_string();
        assert!(refused.contains("\"8k\" is no feature") && refused.contains("\"hdr\" are allowed"), "{refused}");
        let read: Tier = serde_json::from_str(r#"{"max_height":720,"features":["dolby"]}"#).unwrap();
        assert_eq!(read, tier(Some(720), Some(&[Feature::Dolby])));
        assert_eq!(serde_json::to_string(&read).unwrap(), r#"{"max_height":720,"features":["dolby"]}"#);
    }
}
