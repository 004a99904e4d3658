//! To whom a game may be shown, and when: what its rights holder says, whatever the market.

use serde::{Deserialize, Serialize};

/// Names of each kind that a game's rights may list.
pub const MAX_RIGHTS_NAMES: usize = 500;

/// The limits of a game. The default has none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GameRights {
    /// Codes of the countries (ISO 3166-1) in which it may be shown; `None`: everywhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regions: Option<Vec<String>>,
    /// The classes of devices that may show it; `None`: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_classes: Option<Vec<String>>,
    /// The markets whose sessions may show it; `None`: all, and those without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub markets: Option<Vec<String>>,
    /// From when on, in milliseconds of Unix time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_ms: Option<i64>,
    /// Until when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until_ms: Option<i64>,
}

/// Who would be shown a game.
#[derive(Clone, Copy, Debug, Default)]
pub struct Viewer<'a> {
    pub market: Option<&'a str>,
    pub region: Option<&'a str>,
    pub device_class: Option<&'a str>,
    /// Nobody knows where and on what it is seen, and whoever stands in front sees to that.
    pub is_anywhere: bool,
}

/// Why a game may not be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Restriction {
    NotInMarket,
    /// The session's market was taken away: what it shows goes on, and it can be given no other.
    MarketGone,
    NotInRegion,
    RegionMissing,
    NotOnDeviceClass,
    DeviceClassMissing,
    NotYet,
    NoLonger,
}

impl GameRights {
    pub fn is_open(&self) -> bool {
        *self == Self::default()
    }

    /// Why `viewer` may not be shown it at `at_ms`; the first reason of several.
    pub fn restricts(&self, viewer: &Viewer, at_ms: i64) -> Option<Restriction> {
        self.restricts_ever(viewer).or_else(|| match at_ms {
            at_ms if self.from_ms.is_some_and(|from_ms| at_ms < from_ms) => Some(Restriction::NotYet),
            at_ms if self.until_ms.is_some_and(|until_ms| at_ms >= until_ms) => Some(Restriction::NoLonger),
            _ => None,
        })
    }

    /// Why `viewer` may not be shown it at any time.
    pub fn restricts_ever(&self, viewer: &Viewer) -> Option<Restriction> {
        let listed = |names: &Option<Vec<String>>, own: Option<&str>| {
            names.as_ref().is_none_or(|names| names.iter().any(|name| Some(name.as_str()) == own))
        };
        if !listed(&self.markets, viewer.market) {
            return Some(Restriction::NotInMarket);
        }
        if viewer.is_anywhere {
            return None;
        }
        if !listed(&self.regions, viewer.region) {
            let is_said = viewer.region.is_some();
            return Some(if is_said { Restriction::NotInRegion } else { Restriction::RegionMissing });
        }
        if !listed(&self.device_classes, viewer.device_class) {
            let is_said = viewer.device_class.is_some();
            return Some(if is_said { Restriction::NotOnDeviceClass } else { Restriction::DeviceClassMissing });
        }
        None
    }

    /// Whether `viewer` may pick it at `at_ms`, as far as they say who they are: who does not say where they are is not taken to be elsewhere.
    pub fn may_be_picked(&self, viewer: &Viewer, at_ms: i64) -> bool {
        let said = Self {
            regions: self.regions.clone().filter(|_| viewer.region.is_some()),
            device_classes: self.device_classes.clone().filter(|_| viewer.device_class.is_some()),
            ..self.clone()
        };
        said.restricts(viewer, at_ms).is_none()
    }

    /// What of them `why` is about, as far as somebody could choose among it.
    pub fn allowed(&self, why: Restriction) -> &[String] {
        let names = match why {
            Restriction::NotInMarket | Restriction::MarketGone => &self.markets,
            Restriction::NotInRegion | Restriction::RegionMissing => &self.regions,
            Restriction::NotOnDeviceClass | Restriction::DeviceClassMissing => &self.device_classes,
            Restriction::NotYet | Restriction::NoLonger => &None,
        };
        names.as_deref().unwrap_or_default()
    }
}

impl Restriction {
    /// Every one.
    pub const ALL: [Self; 8] = [
        Self::NotInMarket,
        Self::MarketGone,
        Self::NotInRegion,
        Self::RegionMissing,
        Self::NotOnDeviceClass,
        Self::DeviceClassMissing,
        Self::NotYet,
        Self::NoLonger,
    ];

    /// The stable word of the contract.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotInMarket => "not_in_market",
            Self::MarketGone => "market_gone",
            Self::NotInRegion => "not_in_region",
            Self::RegionMissing => "region_missing",
            Self::NotOnDeviceClass => "not_on_device_class",
            Self::DeviceClassMissing => "device_class_missing",
            Self::NotYet => "not_yet",
            Self::NoLonger => "no_longer",
        }
    }

    /// What a viewer reads in its slot.
    pub const fn note(self) -> &'static str {
        match self {
            Self::NotInMarket | Self::MarketGone => "Not available here",
            Self::NotInRegion | Self::RegionMissing => "Not available in your region",
            Self::NotOnDeviceClass | Self::DeviceClassMissing => "Not available on this device",
            Self::NotYet => "Not available yet",
            Self::NoLonger => "No longer available",
        }
    }

    /// Tells what viewers read from each other, in the names of what stands in for games.
    pub const fn card(self) -> &'static str {
        match self {
            Self::NotInMarket | Self::MarketGone => "market",
            Self::NotInRegion | Self::RegionMissing => "region",
            Self::NotOnDeviceClass | Self::DeviceClassMissing => "device",
            Self::NotYet => "early",
            Self::NoLonger => "late",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_game_is_shown_where_every_limit_allows_it() {
        let names = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());
        let rights = GameRights {
            regions: names(&["GB", "IE"]),
            device_classes: names(&["tv"]),
            markets: names(&["isles"]),
            from_ms: Some(1_000),
            until_ms: Some(2_000),
        };
        let viewer = Viewer { market: Some("isles"), region: Some("IE"), device_class: Some("tv"), is_anywhere: false };
        let why = |viewer: Viewer, at_ms| rights.restricts(&viewer, at_ms).map(Restriction::name);
        assert_eq!((why(viewer, 1_000), why(viewer, 1_999)), (None, None));
        assert_eq!((why(viewer, 999), why(viewer, 2_000)), (Some("not_yet"), Some("no_longer")));
        assert_eq!(why(Viewer { market: None, ..viewer }, 1_500), Some("not_in_market"));
        assert_eq!(why(Viewer { region: Some("FR"), ..viewer }, 1_500), Some("not_in_region"));
        assert_eq!(why(Viewer { region: None, ..viewer }, 1_500), Some("region_missing"));
        assert_eq!(why(Viewer { device_class: Some("phone"), ..viewer }, 1_500), Some("not_on_device_class"));
        assert_eq!(why(Viewer { device_class: None, ..viewer }, 1_500), Some("device_class_missing"));
        let anywhere = Viewer { region: None, device_class: None, is_anywhere: true, ..viewer };
        assert_eq!((why(anywhere, 1_500), why(anywhere, 2_000)), (None, Some("no_longer")));
        assert_eq!(rights.allowed(Restriction::RegionMissing), ["GB", "IE"]);
        let may = |viewer: Viewer| rights.may_be_picked(&viewer, 1_500);
        assert!(may(viewer) && may(Viewer { region: None, device_class: None, ..viewer }));
        assert!(!may(Viewer { region: None, device_class: Some("phone"), ..viewer }));
        assert!(
            !may(Viewer { region: Some("FR"), device_class: None, ..viewer })
                && !may(Viewer { market: None, ..viewer })
        );
        assert!(GameRights::default().is_open() && GameRights::default().restricts(&Viewer::default(), 0).is_none());
    }

    #[test]
    fn every_restriction_has_a_word_of_its_own() {
        let words: std::collections::BTreeSet<_> = Restriction::ALL.map(Restriction::name).into();
        assert_eq!(words.len(), Restriction::ALL.len());
    }
}
