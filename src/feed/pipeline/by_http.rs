//! Files and streams on HTTP that are no playlists: read by the feed's own client, and handed to the demuxer as it asks. In a process
//! of its own the client is another's, who is asked.
//!
//! Nothing is read ahead: who asks waits for the server, on the demuxer's thread, and the end of the run ends the waiting.

use std::sync::Arc;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use parking_lot::Mutex;
use url::Url;

use super::stage::Stage;
use crate::feed::apart::Asked;
use crate::feed::error::SourceError;
use crate::feed::fetch::Fetcher;
use crate::feed::reading::{ByPlace, Reading};

impl Stage {
    /// An element that reads what is at `url`.
    ///
    /// # Errors
    /// What the server says when it is asked first.
    pub(super) fn read_by_http(self: &Arc<Self>, url: &Url) -> Result<gst::Element, SourceError> {
        let reading: Box<dyn ByPlace> = match self.sockets.first() {
            Some(line) => Box::new(Asked::open(line)?),
            None => Box::new(self.fetch(url)?),
        };
        let kind =
            if reading.is_seekable() { gst_app::AppStreamType::Seekable } else { gst_app::AppStreamType::Stream };
        let app = gst_app::AppSrc::builder().format(gst::Format::Bytes).stream_type(kind).build();
        if let Some(length) = reading.length().and_then(|length| i64::try_from(length).ok()) {
            app.set_size(length);
        }
        let reading = Arc::new(Mutex::new(reading));
        let sought = Arc::clone(&reading);
        let stage = Arc::downgrade(self);
        let callbacks = gst_app::AppSrcCallbacks::builder()
            .need_data(move |app, _| {
                let (at, next) = {
                    let mut reading = reading.lock();
                    (reading.at(), reading.next())
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
                            stage.fail(error);
                        }
                        let _ = app.end_of_stream();
                    }
                }
            })
            .seek_data(move |_, at| {
                sought.lock().seek(at);
                true
            })
            .build();
        app.set_callbacks(callbacks);
        Ok(app.upcast())
    }

    fn fetch(&self, url: &Url) -> Result<Reading, SourceError> {
        let fetcher = Fetcher::new(url, &self.decoding.reach).counting(Arc::clone(&self.decoding.fetches));
        let fetcher = Arc::new(fetcher);
        *self.fetcher.lock() = Some(Arc::clone(&fetcher));
        if self.is_over() {
            fetcher.stop();
        }
        Reading::open(fetcher, url)
    }
}
