//! What other rooms fetch by HTTP: a request each, by the client that feeds have, so that there is one place where addresses are judged and answers bounded.

use std::time::Duration;

use bytes::Bytes;
use url::Url;

use super::fetch::{FetchError, FetchProblem, Fetcher, Request};
use crate::reach::Reach;

/// As much of an answer as is read at once.
const CHUNK_BYTES: usize = 64 << 10;

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visited {
    /// Where, after redirects.
    pub url: Url,
    /// Type and subtype, in lower case; empty where the server does not say.
    pub media_type: String,
    pub bytes: Bytes,
}

/// Why there is nothing. Addresses in it are masked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VisitError {
    /// The rules do not allow to go there.
    #[error("{0}")]
    Denied(String),
    #[error("no answer in time ({0})")]
    Late(String),
    #[error("an answer of more than {limit} bytes")]
    TooLarge { limit: usize },
    #[error("status {0}")]
    Status(u16),
    #[error("{0}")]
    Failed(String),
}

impl VisitError {
    /// Whether the same request would fail again.
    pub const fn is_final(&self) -> bool {
        match self {
            Self::Denied(_) | Self::TooLarge { .. } => true,
            Self::Status(status) => matches!(status, 300..=499) && !matches!(status, 408 | 425 | 429),
            Self::Late(_) | Self::Failed(_) => false,
        }
    }
}

impl From<FetchError> for VisitError {
    fn from(error: FetchError) -> Self {
        match error.problem {
            FetchProblem::Denied(ref denied) if error.problem.is_final() => Self::Denied(denied.to_string()),
            FetchProblem::Time => Self::Late(error.url),
            FetchProblem::TooLarge { limit } => Self::TooLarge { limit },
            FetchProblem::Status(status) => Self::Status(status),
            _ => Self::Failed(error.to_string()),
        }
    }
}

/// Fetches what is at `url`, at most `limit` bytes within `time`, redirects included. An answer without a body has none here. It blocks.
///
/// # Errors
/// Where `reach` does not let it, or when there is no such answer.
pub fn visit(url: &Url, reach: &Reach, limit: usize, time: Duration) -> Result<Visited, VisitError> {
    let fetcher = Fetcher::new(url, reach);
    let request = Request { url, range: None, limit, time, silence: time };
    let mut opened = match fetcher.stream(&request) {
        Ok(opened) => opened,
        // That is an answer (RFC 9110, 15.3.5), though no source's.
        Err(FetchError { problem: FetchProblem::Status(204), .. }) => {
            return Ok(Visited { url: url.clone(), media_type: String::new(), bytes: Bytes::new() });
        }
        Err(error) => return Err(error.into()),
    };
    if opened.length.is_some_and(|length| length > limit as u64) {
        return Err(VisitError::TooLarge { limit });
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = opened.read(CHUNK_BYTES)? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > limit {
            return Err(VisitError::TooLarge { limit });
        }
    }
    let media_type = opened.media_type.as_deref().unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    Ok(Visited { url: opened.url, media_type, bytes: bytes.into() })
}

/// Asks for what is at `url` and reads no more than the head of the answer. It blocks.
///
/// # Errors
/// As [`visit`], for any answer but a success.
pub fn tell(url: &Url, reach: &Reach, time: Duration) -> Result<(), VisitError> {
    let request = Request { url, range: None, limit: 0, time, silence: time };
    match Fetcher::new(url, reach).stream(&request) {
        Ok(_) | Err(FetchError { problem: FetchProblem::Status(200..=299), .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
