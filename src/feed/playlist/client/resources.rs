//! What playlists name, fetched and decrypted.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use url::Url;

use super::{Fetching, KEYS_KEPT, LEAST_SILENCE, MAX_KEY_BYTES, Reading};
use crate::feed::fetch::{Body, Request};
use crate::feed::playlist::decrypt::{decrypt, iv_of};
use crate::feed::playlist::follower::{Failed, Lost};
use crate::feed::playlist::media::{ByteRange, Protection};

impl Fetching<'_> {
    pub(super) fn clear(
        &self,
        reading: &mut Reading,
        protection: &Protection,
        sequence: u64,
        mut body: Body,
        time: Duration,
    ) -> Result<Bytes, (Failed, String)> {
        let (url, iv) = match protection {
            Protection::Clear => return Ok(body.into_bytes()),
            Protection::Refused { method } => {
                return Err((Failed::ForGood, Lost::Encrypted { method: Arc::clone(method) }.to_string()));
            }
            Protection::Aes128 { key, iv } => (key, iv.unwrap_or_else(|| iv_of(sequence))),
        };
        let known = reading.keys.iter().find(|(known, _)| known == url).map(|(_, key)| key.clone());
        let key = match known {
            Some(key) => key,
            None => {
                let key = self.resource(url, None, MAX_KEY_BYTES, time)?.into_bytes();
                if reading.keys.len() >= KEYS_KEPT {
                    reading.keys.remove(0);
                }
                reading.keys.push((Arc::clone(url), key.clone()));
                key
            }
        };
        decrypt(body.bytes_mut(), &key, iv).map_err(|error| {
            // The key may have been wrong for a moment.
            reading.keys.retain(|(known, _)| known != url);
            (Failed::Now, error.to_string())
        })?;
        Ok(body.into_bytes())
    }

    pub(super) fn resource(
        &self,
        url: &Url,
        range: Option<ByteRange>,
        limit: usize,
        time: Duration,
    ) -> Result<Body, (Failed, String)> {
        let range = range.map(|range| (range.offset, range.length));
        let silence = (time / 3).max(LEAST_SILENCE);
        let request = Request { url, range, limit, time: time.max(silence), silence };
        self.shared.fetcher.whole(&request).map(|(_, body)| body).map_err(|error| {
            // A status may change: a segment that is listed before it is there, a server that is being restarted.
            let lasting = error.problem.is_final() && !error.problem.is_status();
            (if lasting { Failed::ForGood } else { Failed::Now }, error.to_string())
        })
    }
}
