//! Where sources are decoded.

use std::str::FromStr;

use super::reader::Table;

/// Where a game's source is decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Feeds {
    /// In the service's own process.
    Inside,
    /// In a process of its own for each source that runs.
    #[default]
    Apart,
}

/// A text that names no place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no place where feeds are decoded")]
pub struct FeedsError(String);

impl FromStr for Feeds {
    type Err = FeedsError;

    fn from_str(text: &str) -> Result<Self, FeedsError> {
        match text {
            "inside" => Ok(Self::Inside),
            "apart" => Ok(Self::Apart),
            _ => Err(FeedsError(text.to_owned())),
        }
    }
}

pub(super) fn read(root: &mut Table) -> Feeds {
    let feeds = root.optional("feeds");
    feeds.and_then(|value| value.parsed("\"inside\" and \"apart\" are allowed", str::parse)).unwrap_or_default()
}
