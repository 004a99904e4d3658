//! What is wrong with a configuration: every mistake at once, each with its line, its key and what is allowed.

use std::fmt;
use std::path::PathBuf;

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{}: cannot be read: {source}", .path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Mistaken(#[from] ConfigErrors),
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Line in the file, from 1.
    pub line: usize,
    /// As `output.renditions[0].width`; empty when the file is no TOML at that line.
    pub key: String,
    pub problem: String,
    /// What would be right; empty when the problem says it.
    pub allowed: String,
}

/// Everything that is wrong with a configuration file, in the order of its lines. Prints one line a mistake:
/// ``file:line: key `k`: what is wrong; what is allowed``.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors {
    pub path: PathBuf,
    pub mistakes: Vec<Mistake>,
}

impl std::error::Error for ConfigErrors {}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, mistake) in self.mistakes.iter().enumerate() {
            if n > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{}:{}: ", self.path.display(), mistake.line)?;
            if !mistake.key.is_empty() {
                write!(f, "key `{}`: ", mistake.key)?;
            }
            f.write_str(&mistake.problem)?;
            if !mistake.allowed.is_empty() {
                write!(f, "; {}", mistake.allowed)?;
            }
        }
        Ok(())
    }
}
