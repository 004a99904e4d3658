//! What of an operator's routes a key may use.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What stands after `/v1/operator/` in a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Area {
    Assets,
    Audit,
    Breaks,
    Clips,
    Games,
    Keys,
    Markets,
    Outputs,
    Sessions,
    Skins,
    Usage,
    Webhooks,
}

impl Area {
    pub const ALL: [Self; 12] = [
        Self::Assets,
        Self::Audit,
        Self::Breaks,
        Self::Clips,
        Self::Games,
        Self::Keys,
        Self::Markets,
        Self::Outputs,
        Self::Sessions,
        Self::Skins,
        Self::Usage,
        Self::Webhooks,
    ];

    /// As in paths.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Assets => "assets",
            Self::Audit => "audit",
            Self::Breaks => "breaks",
            Self::Clips => "clips",
            Self::Games => "games",
            Self::Keys => "keys",
            Self::Markets => "markets",
            Self::Outputs => "outputs",
            Self::Sessions => "sessions",
            Self::Skins => "skins",
            Self::Usage => "usage",
            Self::Webhooks => "webhooks",
        }
    }

    /// The area of a path below `/v1/operator/`.
    pub fn of_path(path: &str) -> Option<Self> {
        let area = path.strip_prefix("/v1/operator/")?.split('/').next()?;
        // Sources are games', and what a tenant has of the machine is its usage.
        let area = match area {
            "sources" => "games",
            "capacity" => "usage",
            area => area,
        };
        Self::ALL.into_iter().find(|one| one.name() == area)
    }
}

impl Scope {
    /// What an operator's key needs for a route of devices; `None` where any will do. Every answer about a session has an address that plays it.
    pub fn for_devices(path: &str) -> Option<Self> {
        match path.strip_prefix("/v1/")?.split('/').next()? {
            "sessions" | "multiview.m3u8" => Some(Self { area: Area::Sessions, access: Access::Write }),
            "games" => Some(Self { area: Area::Games, access: Access::Read }),
            // Whoever may look at outputs may look at them.
            "out" => Some(Self { area: Area::Outputs, access: Access::Read }),
            _ => None,
        }
    }
}

/// Whether something is looked at or changed. Who may change may look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Access {
    Read,
    Write,
}

/// One thing that may be done: `games:read`, `games:write`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope {
    pub area: Area,
    pub access: Access,
}

/// A text that names no scope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is no scope; {}", Scope::ALLOWED)]
pub struct ScopeError {
    given: String,
}

impl Scope {
    /// For people.
    pub const ALLOWED: &str = "assets, audit, breaks, clips, games, keys, markets, outputs, sessions, skins, usage and webhooks are allowed, each with :read or :write";

    /// Those that there are, as texts.
    pub fn all_names() -> Vec<String> {
        let of = |area| [Access::Read, Access::Write].map(|access| Self { area, access }.to_string());
        Area::ALL.into_iter().flat_map(of).collect()
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let access = if self.access == Access::Read { "read" } else { "write" };
        write!(f, "{}:{access}", self.area.name())
    }
}

impl FromStr for Scope {
    type Err = ScopeError;

    fn from_str(text: &str) -> Result<Self, ScopeError> {
        let read = || {
            let (area, access) = text.split_once(':')?;
            let area = Area::ALL.into_iter().find(|one| one.name() == area)?;
            let access = match access {
                "read" => Access::Read,
                "write" => Access::Write,
                _ => return None,
            };
            Some(Self { area, access })
        };
        read().ok_or_else(|| ScopeError { given: text.chars().take(40).collect() })
    }
}

impl Serialize for Scope {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

/// All that an operator may do, or some of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Scopes(Option<BTreeSet<Scope>>);

impl Scopes {
    pub const fn all() -> Self {
        Self(None)
    }

    /// What may be done on devices' routes: what an operator needs there who has some scopes alone.
    pub fn of_devices() -> Self {
        let scope = |area, access| Scope { area, access };
        Self::of([scope(Area::Sessions, Access::Write), scope(Area::Games, Access::Read)])
    }

    pub fn of(scopes: impl IntoIterator<Item = Scope>) -> Self {
        Self(Some(scopes.into_iter().collect()))
    }

    /// `None`: all.
    pub fn named(&self) -> Option<Vec<String>> {
        self.0.as_ref().map(|scopes| scopes.iter().map(Scope::to_string).collect())
    }

    pub fn allow(&self, wanted: Scope) -> bool {
        let Some(scopes) = &self.0 else { return true };
        scopes.contains(&wanted) || scopes.contains(&Scope { access: Access::Write, ..wanted })
    }

    /// Whether `others` is nothing that these are not.
    pub fn cover(&self, others: &Self) -> bool {
        match &others.0 {
            None => self.0.is_none(),
            Some(others) => others.iter().all(|scope| self.allow(*scope)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_change_may_look_and_nothing_else() {
        let scopes = Scopes::of(["games:write".parse().unwrap(), "usage:read".parse().unwrap()]);
        for (wanted, allowed) in [
            ("games:read", true),
            ("games:write", true),
            ("usage:read", true),
            ("usage:write", false),
            ("keys:read", false),
        ] {
            assert_eq!(scopes.allow(wanted.parse().unwrap()), allowed, "{wanted}");
        }
        assert!(Scopes::all().cover(&scopes) && !scopes.cover(&Scopes::all()));
        assert!(scopes.cover(&Scopes::of(["games:read".parse().unwrap()])));
        assert!(!scopes.cover(&Scopes::of(["usage:write".parse().unwrap()])));
    }

    #[test]
    fn scopes_are_written_as_they_are_read() {
        for name in Scope::all_names() {
            assert_eq!(name.parse::<Scope>().unwrap().to_string(), name);
        }
        for bad in ["", "games", "games:", "games:all", "Games:read", "*", "games:read:write"] {
            assert!(bad.parse::<Scope>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_path_has_one_area() {
        assert_eq!(Area::of_path("/v1/operator/games/a/breaks"), Some(Area::Games));
        assert_eq!(Area::of_path("/v1/operator/usage"), Some(Area::Usage));
        for other in ["/v1/operator/", "/v1/operator", "/v1/games", "/v1/operator/gamesx", "/v1/operator//games"] {
            assert_eq!(Area::of_path(other), None, "{other}");
        }
        let for_devices = |path| Scope::for_devices(path).map(|scope| scope.to_string());
        for path in ["/v1/sessions", "/v1/sessions/s/playback_url", "/v1/multiview.m3u8"] {
            assert_eq!(for_devices(path).as_deref(), Some("sessions:write"));
        }
        assert_eq!(for_devices("/v1/games/a/cues").as_deref(), Some("games:read"));
        assert_eq!(for_devices("/v1/out/a/red/index.m3u8").as_deref(), Some("outputs:read"));
        assert_eq!(for_devices("/v1/layouts"), None);
    }
}
