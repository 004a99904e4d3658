//! Files and streams on HTTP that are no playlists: read by the feed's own client, and handed to the demuxer as it asks.
//!
//! Nothing is read ahead: who asks waits for the server, on the demuxer's thread, and the end of the run ends the waiting.

use std::sync::Arc;
use std::time::Duration;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use parking_lot::Mutex;
use url::Url;

use super::stage::Stage;
use crate::feed::error::SourceError;
use crate::feed::fetch::{FetchError, Fetcher, Opened, Request};

/// Nobody plays one file for longer.
const LONGEST: Duration = Duration::from_secs(7 * 86_400);
/// A server that says nothing for so long is asked again.
const SILENCE: Duration = Duration::from_secs(10);
/// How often in a row.
const RETRIES: u32 = 3;
const CHUNK_BYTES: usize = 64 << 10;

/// Where a file is read.
struct Reading {
    fetcher: Arc<Fetcher>,
    url: Url,
    opened: Option<Opened>,
    /// The next byte to hand over.
    at: u64,
    length: Option<u64>,
    /// Whether it can be read from anywhere.
    seekable: bool,
    failures: u32,
}

impl Reading {
    /// Asks for what begins at `at`.
    fn open(&mut self) -> Result<&mut Opened, FetchError> {
        let range = Some((self.at, u64::MAX));
        let request = Request { url: &self.url, range, limit: usize::MAX, time: LONGEST, silence: SILENCE };
        let opened = match self.opened.take() {
            Some(opened) => opened,
            None => self.fetcher.stream(&request)?,
        };
        Ok(self.opened.insert(opened))
    }

    /// The next bytes; `None` at the end.
    fn next(&mut self) -> Result<Option<bytes::Bytes>, FetchError> {
        loop {
            if self.length.is_some_and(|length| self.at >= length) {
                return Ok(None);
            }
            let read = self.open().and_then(|opened| opened.read(CHUNK_BYTES));
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

impl Stage {
    /// An element that reads what is at `url`.
    ///
    /// # Errors
    /// What the server says when it is asked first.
    pub(super) fn read_by_http(self: &Arc<Self>, url: &Url) -> Result<gst::Element, SourceError> {
        let fetcher = Fetcher::new(url, &self.decoding.reach).counting(Arc::clone(&self.decoding.fetches));
        let fetcher = Arc::new(fetcher);
        *self.fetcher.lock() = Some(Arc::clone(&fetcher));
        if self.is_over() {
            fetcher.stop();
        }
        let mut reading =
            Reading { fetcher, url: url.clone(), opened: None, at: 0, length: None, seekable: false, failures: 0 };
        let opened = reading.open().map_err(|error| error.source_error())?;
        let (length, seekable) = (opened.length, opened.ranged);
        (reading.length, reading.seekable) = (length, seekable);
        let kind = if seekable { gst_app::AppStreamType::Seekable } else { gst_app::AppStreamType::Stream };
        let app = gst_app::AppSrc::builder().format(gst::Format::Bytes).stream_type(kind).build();
        if let Some(length) = length.and_then(|length| i64::try_from(length).ok()) {
            app.set_size(length);
        }
        let reading = Arc::new(Mutex::new(reading));
        let sought = Arc::clone(&reading);
        let stage = Arc::downgrade(self);
        let callbacks = gst_app::AppSrcCallbacks::builder()
            .need_data(move |app, _| {
                let (at, next) = {
                    let mut reading = reading.lock();
                    (reading.at, reading.next())
                };
                // What cannot be handed over is not wanted any more: the run ends, or reads elsewhere.
                match next {
                    Ok(Some(bytes)) => {
                        let mut buffer = gst::Buffer::from_slice(bytes);
                        if let Some(buffer) = buffer.get_mut() {
                            buffer.set_offset(at);
                        }
                        let _ = app.push_buffer(buffer);
                    }
                    Ok(None) => _ = app.end_of_stream(),
                    Err(error) => {
                        if let Some(stage) = stage.upgrade() {
                            stage.fail(error.source_error());
                        }
                        let _ = app.end_of_stream();
                    }
                }
            })
            .seek_data(move |_, at| {
                let mut reading = sought.lock();
                if at != reading.at {
                    reading.opened = None;
                }
                reading.at = at;
                true
            })
            .build();
        app.set_callbacks(callbacks);
        Ok(app.upcast())
    }
}
