//! Patterns of host names.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A host's name or address, or with `*.` in front every name below it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostPattern {
    name: String,
    below: bool,
}

/// A text that is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no host")]
pub struct HostPatternError(String);

impl HostPattern {
    pub fn fits(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        match host.strip_suffix(&self.name) {
            Some("") => !self.below,
            Some(before) => self.below && before.ends_with('.'),
            None => false,
        }
    }
}

impl FromStr for HostPattern {
    type Err = HostPatternError;

    fn from_str(text: &str) -> Result<Self, HostPatternError> {
        let (name, below) = text.strip_prefix("*.").map_or((text, false), |name| (name, true));
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
        if name.is_empty() || !name.chars().all(plain) || name.starts_with('.') {
            return Err(HostPatternError(text.to_owned()));
        }
        Ok(Self { name: name.trim_end_matches('.').to_ascii_lowercase(), below })
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.below { "*." } else { "" }, self.name)
    }
}
