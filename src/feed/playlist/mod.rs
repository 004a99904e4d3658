//! HLS sources: what a feed reads where others publish playlists (RFC 8216; what we publish is the room `hls`).
//!
//! A choice of picture and sound is made once and kept ([`choice`]); each of the two has a follower, a pure machine that says
//! when to read its playlist again and which segment is next ([`follower`]); segments of any origin get their place on one
//! timeline ([`stretches`]) by what their first bytes say ([`stamp`]). The [`client`] has the threads around them and hands
//! bytes to a [`Sink`].

mod boxed;
mod choice;
mod client;
mod cues;
mod decrypt;
mod follower;
mod master;
mod media;
mod queue;
mod ranges;
mod stamp;
mod stretches;
#[cfg(test)]
mod tests;
mod text;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use url::Url;

use super::fetch::{FetchError, Fetched, Fetcher, Request};
use super::texts::TextOrigin;
use crate::cadence::SourceNanos;
use crate::captions::Text;
use crate::captions::cea::{Described, Service};
use crate::config::masked;
pub use choice::{Choice, Limit, VariantWish};
pub use client::{Client, Outcome, Setting};
pub use cues::{Known, Said};
pub use follower::Shown;
pub use stamp::Container;
pub use stretches::Track;
pub use text::{PlaylistError, is_playlist};

pub const MAX_PLAYLIST_BYTES: usize = 1 << 20;
const OPEN_TIME: Duration = Duration::from_secs(8);

/// What follows on a track begins anew: by another clock, after a hole, in another form. A demuxer that was fed before is
/// of no use for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stretch {
    pub container: Container,
    /// To be given to the demuxer before anything else.
    pub init: Option<Bytes>,
    /// The source time at which a demuxer that is fed from here counts zero, of pictures and of sound. Packed sound has no
    /// demuxer: its first frame is due then.
    pub zero_at: [SourceNanos; 2],
    /// What is due before this was shown already.
    pub from: SourceNanos,
    /// The sound of these pictures comes from a playlist of its own.
    pub own_sound: bool,
    /// When the first picture was taken, in microseconds since 1970, where the playlist tells it.
    pub programme_us: Option<i64>,
}

/// The run is over: nothing more is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused;

/// Takes what a client fetches. One thread a track calls; calls may block for as long as there is no room.
pub trait Sink: Send + Sync {
    fn begin(&self, track: Track, stretch: Stretch) -> Result<(), Refused>;
    fn data(&self, track: Track, bytes: Bytes) -> Result<(), Refused>;
    /// The first picture of what follows, due at `at`, was captured at `unix_us`, microseconds since 1970.
    fn date(&self, _at: SourceNanos, _unix_us: i64) {}
    /// Nothing follows on this track.
    fn end(&self, track: Track);
    /// A cue of a text, which stands for so long of the run's time.
    fn text(&self, _origin: &Arc<TextOrigin>, _text: Text, _stands: Range<SourceNanos>) {}
    /// What the playlist says of breaks; before the pictures that it is about, as a rule. Returns at once.
    fn cue(&self, said: Said);
}

/// What a source's parameters and its feed ask for.
#[derive(Clone, Debug, PartialEq)]
pub struct Wishes {
    pub variant: VariantWish,
    /// Of the sound, as RFC 5646 has it.
    pub language: Option<String>,
    /// Sounds beside the main one that are followed at most.
    pub beside: usize,
    /// A whole presentation is played again and again.
    pub looped: bool,
    pub limit: Limit,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum OpenError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("{error} ({url})")]
    Playlist { url: String, error: PlaylistError },
}

/// Reads the playlist that a source's URL has led to: the choices of a master playlist, or itself.
pub(super) fn setting(
    found: Fetched,
    asked: &Url,
    wishes: &Wishes,
    shown: Shown,
    decodes: &dyn Fn(&str) -> bool,
) -> Result<Setting, OpenError> {
    let refused = |error| OpenError::Playlist { url: masked(found.url.as_str()), error };
    let text = String::from_utf8_lossy(&found.bytes);
    let master = master::MasterPlaylist::read(&text, &found.url).map_err(refused)?;
    let Some(master) = master else {
        media::MediaPlaylist::read(&text, &found.url, &text::Variables::default()).map_err(refused)?;
        let choices = vec![Choice {
            picture: asked.clone(),
            sound: None,
            language: None,
            texts: Vec::new(),
            beside: Vec::new(),
            label: "the only variant".into(),
        }];
        return Ok(Setting {
            choices,
            beside: Vec::new(),
            variables: text::Variables::default(),
            first: Some(found),
            looped: wishes.looped,
            shown,
            captions: Vec::new(),
            known: Known::default(),
        });
    };
    let choices = choice::choices(&master, wishes.variant, wishes.language.as_deref(), wishes.limit, decodes);
    let mut choices = choices.map_err(refused)?;
    let beside = choice::sounds_beside(&master, &mut choices, wishes.beside);
    let captions = master.closed_captions.iter().filter_map(described).collect();
    Ok(Setting {
        choices,
        beside,
        variables: master.variables,
        first: None,
        looped: wishes.looped,
        shown,
        captions,
        known: Known::default(),
    })
}

/// What EXT-X-MEDIA says of captions within the pictures (RFC 8216, 4.3.4.1).
fn described(told: &master::ClosedCaptions) -> Option<Described> {
    let number = |prefix: &str| told.instream_id.strip_prefix(prefix)?.parse().ok();
    let service = match (number("CC"), number("SERVICE")) {
        (Some(channel @ 1..=4), _) => Service::Line21(channel),
        (_, Some(service @ 1..=63)) => Service::Dtvcc(service),
        _ => return None,
    };
    Some(Described { service, language: choice::language_tag(&told.language), easy_reader: false, wide: true })
}

/// What is behind a source's URL.
#[derive(Debug)]
pub(super) enum Found {
    Playlist(Fetched),
    /// Anything else, and its version, as [`super::fetch::Opened`] has it.
    Other(Option<String>),
}

/// Fetches what is behind a source's URL, if it is a playlist.
pub(super) fn open(fetcher: &Arc<Fetcher>, url: &Url) -> Result<Found, OpenError> {
    let request = Request { url, range: None, limit: MAX_PLAYLIST_BYTES, time: OPEN_TIME, silence: OPEN_TIME };
    let mut opened = fetcher.stream(&request)?;
    let mut body = fetcher.body();
    while let Some(chunk) = opened.read(MAX_PLAYLIST_BYTES)? {
        body.push(&opened.url, &chunk)?;
        let bytes = body.as_ref();
        // A byte order mark and empty lines may come first; a film does not begin with them.
        if bytes.len() >= 64 && !is_playlist(bytes) {
            return Ok(Found::Other(opened.version));
        }
        if bytes.len() > MAX_PLAYLIST_BYTES {
            let error = PlaylistError::TooLarge { limit: MAX_PLAYLIST_BYTES };
            return Err(OpenError::Playlist { url: masked(opened.url.as_str()), error });
        }
    }
    Ok(if is_playlist(body.as_ref()) {
        Found::Playlist(Fetched { url: opened.url, bytes: body.into_bytes() })
    } else {
        Found::Other(opened.version)
    })
}
