//! What was fetched, handed over.

use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::{Outcome, Shared};
use crate::feed::playlist::follower::Shown;
use crate::feed::playlist::queue::Item;
use crate::feed::playlist::stretches::Track;

/// What is said of a segment that gave way.
const CUT: &str = "a segment was cut: its game holds more of what is fetched than others, and they wait for it";

/// Why a segment is not handed over to its end.
#[derive(PartialEq, Eq)]
enum Over {
    Gone,
    /// Games that have had much less wait for what it holds.
    Cut,
}

impl Shared {
    /// The thread between a track's queue and the sink, which may block for as long as the feed has no room.
    pub(super) fn hand_over(&self, track: Track) {
        // What follows a segment that was cut is of use where a demuxer begins anew.
        let mut cut = false;
        while let Some(item) = self.queue(track).take() {
            let gone = match item {
                Item::Segment { stretch: None, .. } if cut => false,
                Item::Segment { stretch, dated, bytes, shown } => {
                    let mut gone = stretch.is_some_and(|stretch| self.sink.begin(track, stretch).is_err());
                    if let Some((at, unix_us)) = dated.filter(|_| track == Track::Picture) {
                        self.sink.date(at, unix_us);
                    }
                    cut = false;
                    if !gone {
                        let left = self.hand_over_bytes(track, bytes);
                        (gone, cut) = (left == Err(Over::Gone), left == Err(Over::Cut));
                    }
                    if !gone {
                        self.note_shown(track, shown);
                    }
                    gone
                }
                Item::End(shown) => {
                    self.note_shown(track, shown);
                    self.sink.end(track);
                    if track == Track::Picture {
                        // A sound beside it that cannot be had must not keep the run from its end.
                        self.beside.iter().for_each(|track| self.sink.end(*track));
                        self.finish(Outcome::Ended);
                    }
                    return;
                }
            };
            if gone {
                return;
            }
        }
    }

    fn hand_over_bytes(&self, track: Track, mut bytes: Bytes) -> Result<(), Over> {
        // No more pictures begin in it than a tap for cues remembers: what leaves the demuxer is to be known again.
        const CHUNK_BYTES: usize = 16 << 10;
        while !bytes.is_empty() && !self.is_stopped() {
            if self.fetcher.gives_way() {
                self.state.lock().problem = Some(CUT.to_owned());
                self.cut[track.index()].store(true, Ordering::Release);
                return Err(Over::Cut);
            }
            let chunk = bytes.split_to(bytes.len().min(CHUNK_BYTES));
            self.sink.data(track, chunk).map_err(|_| Over::Gone)?;
        }
        Ok(())
    }

    fn note_shown(&self, track: Track, shown: Shown) {
        if track == Track::Picture {
            self.state.lock().shown = shown;
        }
    }
}
