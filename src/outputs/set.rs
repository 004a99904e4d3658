//! What a set of outputs says.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The layout of a set that names none.
pub const DEFAULT_LAYOUT: &str = "1F";

/// Who may see the outputs of a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// Who has a key of the tenant, or was given a playlist's address.
    #[default]
    Key,
    /// Everybody.
    Public,
}

/// A text that names no access.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no access {0:?}")]
pub struct AccessError(String);

impl FromStr for Access {
    type Err = AccessError;

    fn from_str(text: &str) -> Result<Self, AccessError> {
        match text {
            "key" => Ok(Self::Key),
            "public" => Ok(Self::Public),
            _ => Err(AccessError(text.chars().take(40).collect())),
        }
    }
}

/// Outputs of a tenant: each of its games in each of its skins.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OutputSet {
    /// Unique within the tenant.
    pub id: String,
    /// Ids of the games; `null`: all of the tenant's.
    pub games: Option<Vec<String>>,
    /// Ids of the skins; `null`: all of the tenant's.
    pub skins: Option<Vec<String>>,
    /// Ids of the markets that they are made in, of which one must then be named; `null`: any of the tenant's, or none.
    pub markets: Option<Vec<String>>,
    /// A layout with one game.
    pub layout: String,
    pub access: Access,
}

fn names(ids: Option<&Vec<String>>, id: &str) -> bool {
    ids.is_none_or(|ids| ids.iter().any(|its| its == id))
}

impl OutputSet {
    pub fn has_game(&self, id: &str) -> bool {
        names(self.games.as_ref(), id)
    }

    pub fn has_skin(&self, id: &str) -> bool {
        names(self.skins.as_ref(), id)
    }

    /// Whether its outputs may be made in `market`, or in none.
    pub fn has_market(&self, market: Option<&str>) -> bool {
        match (&self.markets, market) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(markets), Some(id)) => markets.iter().any(|its| its == id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_what_it_names_or_all() {
        let all = OutputSet::default();
        assert!(all.has_game("a") && all.has_skin("red") && all.has_market(None) && all.has_market(Some("de")));
        let one = || Some(vec!["a".to_owned()]);
        let few = OutputSet { games: one(), skins: one(), markets: one(), ..OutputSet::default() };
        assert!(few.has_game("a") && few.has_skin("a") && few.has_market(Some("a")));
        assert!(!few.has_game("b") && !few.has_skin("b") && !few.has_market(Some("b")) && !few.has_market(None));
    }

    #[test]
    fn who_may_see_it_is_said_plainly() {
        assert_eq!(("key".parse(), "public".parse()), (Ok(Access::Key), Ok(Access::Public)));
        assert_eq!("everybody".parse::<Access>(), Err(AccessError("everybody".into())));
        assert_eq!(OutputSet::default().access, Access::Key);
    }
}
