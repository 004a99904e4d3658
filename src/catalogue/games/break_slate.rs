//! What stands for a game in a break that viewers are not to see: a card with its title, and silence. It is put in at the tick, so that
//! every mosaic, tile and clip has it from the same frame to the same frame. The source goes on behind it, and is not lost.

use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;

use super::{Catalogue, Game};
use crate::catalogue::contract::GameSpec;
use crate::config::BreakPolicy;
use crate::cues::track::Break;
use crate::feed::{self, slate};
use crate::frame::Picture;
use crate::jpeg;
use crate::timeline::MediaTime;

/// A thumbnail's picture may be so old.
const THUMBNAIL_AGE: Duration = Duration::from_secs(6);

pub(super) struct BreakSlate {
    /// `None` where it could not be drawn: the feed's card stands in.
    picture: Option<Picture>,
    thumbnail: Option<Bytes>,
}

impl Catalogue {
    /// The slate of a game whose breaks are not shown.
    pub(super) fn break_slate(&self, spec: &GameSpec) -> Option<BreakSlate> {
        match spec.break_policy.unwrap_or(self.settings.break_policy) {
            BreakPolicy::Show => None,
            BreakPolicy::Slate => {
                let picture = slate(&spec.title, feed::BREAK);
                let thumbnail = picture.as_ref().and_then(jpeg::thumbnail);
                Some(BreakSlate { picture, thumbnail })
            }
        }
    }
}

impl Game {
    /// Its breaks that lie in `span`, as they are known at `now`.
    pub(super) fn breaks(&self, now: MediaTime, span: Range<MediaTime>) -> Vec<Break> {
        let mut cues = self.cues.lock();
        cues.advance(now);
        cues.breaks(span)
    }

    /// Whether something else stands for it at `at`.
    pub(super) fn is_off_air(&self, at: MediaTime) -> bool {
        self.break_slate.is_some() && self.cues.lock().is_off_air(at)
    }

    /// What stands for its picture in a break.
    pub(super) fn break_picture(&self) -> Picture {
        let slate = self.break_slate.as_ref().and_then(|slate| slate.picture.as_ref());
        slate.unwrap_or_else(|| self.feed.card()).clone()
    }

    /// A JPEG of its picture, or of what stands for it in a break.
    pub(super) fn thumbnail(&self, now: MediaTime) -> Option<Bytes> {
        let Some(slate) = &self.break_slate else { return self.feed.thumbnail() };
        let was_off_air = self.cues.lock().was_off_air(now.saturating_sub(THUMBNAIL_AGE), now);
        if was_off_air { slate.thumbnail.clone() } else { self.feed.thumbnail() }
    }
}
