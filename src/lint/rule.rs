//! A rule is data: what is asked, by whom, and how bad it is to break it.

use serde::Serialize;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Good to know.
    Note,
    /// A SHOULD of the specification, or something that a known device needs.
    Warning,
    /// A MUST of the specification.
    Error,
}

impl Level {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One thing that is asked of a stream.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// Stable, in kebab case: scripts may rely on it.
    pub id: &'static str,
    pub level: Level,
    /// The clause, or who needs it: "8216bis 4.4.3.1", "Apple authoring", "device: AAMP", "limit".
    pub clause: &'static str,
    /// What is asked, in one sentence.
    pub sentence: &'static str,
}

/// Makes a table of rules: a static for each, and `ALL` of them. `Rule` and `Level` are to be in scope.
macro_rules! rules {
    ($($name:ident $level:ident $id:literal $clause:literal $sentence:literal;)*) => {
        $(
            #[doc = $sentence]
            pub static $name: Rule = Rule { id: $id, level: Level::$level, clause: $clause, sentence: $sentence };
        )*
        /// Every rule of this table.
        pub static ALL: &[&Rule] = &[$(&$name),*];
    };
}

pub(crate) use rules;
