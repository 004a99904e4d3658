//! What is read as its demuxer asks for it, by its place: files and streams on HTTP that are no playlists.
//!
//! Nothing is read ahead: who asks waits for the server.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use url::Url;

use super::error::SourceError;
use super::fetch::{FetchError, Fetcher, Opened, Request};

/// Nobody plays one file for longer.
const LONGEST: Duration = Duration::from_secs(7 * 86_400);
/// A server that says nothing for so long is asked again.
const SILENCE: Duration = Duration::from_secs(10);
/// How often in a row.
const RETRIES: u32 = 3;
/// Bytes that are had at once, at most.
const CHUNK_BYTES: usize = 64 << 10;

/// Whatever a demuxer's bytes come from.
pub(super) trait ByPlace: Send {
    /// Of the whole, in bytes, where that is known.
    fn length(&self) -> Option<u64>;
    /// Whether it can be read from anywhere.
    fn is_seekable(&self) -> bool;
    /// The place of the next byte.
    fn at(&self) -> u64;
    fn seek(&mut self, at: u64);
    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// They cannot be had.
    fn next(&mut self) -> Result<Option<Bytes>, SourceError>;
}

/// A file on HTTP, read by a client of ours.
pub(super) struct Reading {
    fetcher: Arc<Fetcher>,
    url: Url,
    opened: Option<Opened>,
    at: u64,
    length: Option<u64>,
    seekable: bool,
    failures: u32,
}

impl Reading {
    /// Asks for what is at `url`.
    ///
    /// # Errors
    /// What the server says.
    pub fn open(fetcher: Arc<Fetcher>, url: &Url) -> Result<Self, SourceError> {
        let mut this =
            Self { fetcher, url: url.clone(), opened: None, at: 0, length: None, seekable: false, failures: 0 };
        let opened = this.ask().map_err(|error| error.source_error())?;
        (this.length, this.seekable) = (opened.length, opened.ranged);
        Ok(this)
    }

    /// Asks for what begins at `at`, where nothing is open.
    fn ask(&mut self) -> Result<&mut Opened, FetchError> {
        let range = Some((self.at, u64::MAX));
        let request = Request { url: &self.url, range, limit: usize::MAX, time: LONGEST, silence: SILENCE };
        let opened = match self.opened.take() {
            Some(opened) => opened,
            None => self.fetcher.stream(&request)?,
        };
        Ok(self.opened.insert(opened))
    }

    fn read(&mut self) -> Result<Option<Bytes>, FetchError> {
        loop {
            if self.length.is_some_and(|length| self.at >= length) {
                return Ok(None);
            }
            let read = self.ask().and_then(|opened| opened.read(CHUNK_BYTES));
            let error = match read {
                Ok(Some(bytes)) => {
                    self.at += bytes.len() as u64;
                    self.failures = 0;
                    return Ok(Some(bytes));
                }
                Ok(None) if self.length.is_none() => return Ok(None),
                Ok(None) => FetchError::truncated(&self.url),
                Err(error) => error,
            };
            self.opened = None;
            self.failures += 1;
            if error.problem.is_final() || !self.seekable || self.failures > RETRIES {
                return Err(error);
            }
        }
    }
}

impl ByPlace for Reading {
    fn length(&self) -> Option<u64> {
        self.length
    }

    fn is_seekable(&self) -> bool {
        self.seekable
    }

    fn at(&self) -> u64 {
        self.at
    }

    fn seek(&mut self, at: u64) {
        if at != self.at {
            self.opened = None;
        }
        self.at = at;
    }

    fn next(&mut self) -> Result<Option<Bytes>, SourceError> {
        self.read().map_err(|error| error.source_error())
    }
}
