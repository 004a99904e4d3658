//! What is shown of a game while it is in a break.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::reader::Table;

/// What a game's slot shows while an advertisement break runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum BreakPolicy {
    /// What its source sends.
    #[default]
    Show,
    /// A card with its title, and silence.
    Slate,
}

impl BreakPolicy {
    pub const ALLOWED: &'static str = "\"show\" and \"slate\" are allowed";

    /// As in the configuration, the API and the store.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Show => "show",
            Self::Slate => "slate",
        }
    }
}

/// A text that names no policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no break policy")]
pub struct BreakPolicyError(String);

impl FromStr for BreakPolicy {
    type Err = BreakPolicyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Show, Self::Slate]
            .into_iter()
            .find(|policy| policy.name() == text)
            .ok_or_else(|| BreakPolicyError(text.chars().take(40).collect()))
    }
}

/// `break_policy`, of a game or for all of them.
pub(super) fn read(table: &mut Table) -> Option<BreakPolicy> {
    table.optional("break_policy")?.parsed(BreakPolicy::ALLOWED, str::parse)
}
