//! The rooms that requests, addresses and tokens are read in, as far as they stand without the rest of the service. What is entangled with
//! it has its few names here.
#![allow(dead_code, unused_imports)]

#[path = "../../../src/ladder/mod.rs"]
pub mod ladder;
#[path = "../../../src/layout/mod.rs"]
pub mod layout;
#[path = "../../../src/timeline/mod.rs"]
pub mod timeline;

#[path = "../../../src"]
mod files {
    pub mod frame;
}
pub use files::frame;

#[path = "../../../src/config"]
pub mod config {
    use std::path::PathBuf;

    pub mod breaks;
    pub mod markets;
    pub mod mistake;
    pub mod names;
    pub mod reader;
    pub mod rights;
    pub mod source;

    pub use breaks::BreakPolicy;
    pub use markets::{MAX_HEIGHT, MAX_MARKET_GAMES, check_market};
    pub use names::{check_id, check_labels, check_region, check_title};
    pub use rights::check_rights;
    pub use source::mask::mask_text;

    use super::ladder::RenditionSpec;

    /// As in the room.
    pub const MAX_OFFSET_MS: i32 = 86_400_000;
    pub const MAX_SOURCES: usize = 8;

    /// As in the room.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum KeyRole {
        Device,
        Operator,
    }

    /// As in the room.
    pub struct TokenIssuer {
        pub tenant: String,
        pub issuer: String,
        pub audience: String,
        pub role_claim: String,
        pub tenant_claim: Option<String>,
    }

    pub struct Tenant {
        pub id: String,
    }

    pub struct Output {
        pub renditions: Vec<RenditionSpec>,
    }
}

#[path = "../../../src/market"]
pub mod market {
    pub mod breaks;
    pub mod region;
    pub mod rights;
    pub mod rules;
    pub mod tier;

    pub use breaks::{DecidedFor, MarketBreakPolicy, MarketBreaks};
    pub use region::is_region;
    pub use rights::{GameRights, MAX_RIGHTS_NAMES};
    pub use rules::{KeyTerms, Market};
    pub use tier::{Feature, Tier};
}

pub mod assets {
    /// As in the room.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
    pub struct AssetId(pub [u8; 32]);
}

#[path = "../../../src/mosaic"]
pub mod mosaic {
    pub mod names;
    pub mod spec;

    pub use spec::{EngineChoice, EngineKind, GameKey, MosaicId, MosaicSpec};
}

#[path = "../../../src/track"]
pub mod track {
    pub mod position;

    pub use position::Position;
}

#[path = "../../../src/store"]
pub mod store {
    pub mod rows;

    pub use rows::{EntryCursor, SessionsWanted};

    /// As in the room.
    #[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
    #[error("the store failed: {0}")]
    pub struct StoreError(String);
}

#[path = "../../../src/usage"]
pub mod usage {
    pub mod cursor;
    pub mod period;

    pub use period::{Period, UsageError, instant};

    use super::store::EntryCursor;

    pub mod chain {
        /// As in the room.
        pub const HOUR_MS: i64 = 3_600_000;
    }

    pub fn read_cursor(text: &str) -> Option<EntryCursor> {
        cursor::read(text).ok()
    }

    pub fn write_cursor(cursor: &EntryCursor) -> String {
        cursor::write(cursor)
    }
}

#[path = "../../../src/session"]
pub mod session {
    #[path = "../../fuzz/fuzz_targets/api/address_checks.rs"]
    pub mod checks;
    pub mod paths;
    pub mod ticket;

    pub use super::store::SessionsWanted;

    /// As in the room.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Reload {
        pub msn: Option<u64>,
        pub part: Option<u32>,
        pub skip: bool,
        pub parts: bool,
        pub start_ms: Option<i64>,
        pub player: Player,
    }

    /// As in the room: the opening of a playback URL.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Player;

    impl Player {
        pub const FIRST: Self = Self;
    }

    /// As in the room.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum Sounds {
        Main,
        Own,
        AsCame,
        All,
    }

    /// As in the room.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, utoipa::ToSchema)]
    #[serde(rename_all = "lowercase")]
    pub enum ViewState {
        Active,
        Ended,
    }
}

#[path = "../../../src/keys"]
pub mod keys {
    #[path = "../../fuzz/fuzz_targets/api/token_checks.rs"]
    pub mod checks;
    pub mod principal;
    pub mod scope;
    pub mod token;

    pub use principal::Principal;
    pub use scope::{Scope, ScopeError, Scopes};
    pub use token::TokenError;

    use super::config::KeyRole;
    use super::market::KeyTerms;

    /// As in the room.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct NewKey {
        pub name: String,
        pub role: KeyRole,
        pub scopes: Scopes,
        pub terms: KeyTerms,
        pub expires_ms: Option<i64>,
    }
}

#[path = "../../../src/spans"]
pub mod spans {
    mod parent;

    pub use parent::Parent;
}

pub mod catalogue {
    use std::collections::BTreeMap;

    use super::config::BreakPolicy;
    use super::market::GameRights;

    /// As in the room.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct GameSpec {
        pub id: String,
        pub title: String,
        pub sources: Vec<String>,
        pub labels: BTreeMap<String, String>,
        pub break_policy: Option<BreakPolicy>,
        pub offset_ms: i32,
        pub rights: GameRights,
    }
}
