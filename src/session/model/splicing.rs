//! What a session changes to, and from which part on.

use std::sync::Arc;

use super::{Session, Show, Wanted};
use crate::mosaic::{GameKey, MosaicId, Placement};
use crate::session::splice::{Bridge, Splices};
use crate::timeline::{PartNumber, SegmentNumber};
use crate::track::{Position, is_stand_in};

/// A mosaic that a session is to show.
pub(in crate::session) struct Coming<'a> {
    pub placement: &'a Placement,
    /// Where a session begins that shows nothing else.
    pub begins: SegmentNumber,
    /// The first part that is not there yet.
    pub reached: Position,
    /// The name of the bridge from the mosaic given that goes over in the part given.
    pub bridge: &'a dyn Fn(&Arc<str>, PartNumber) -> Option<MosaicId>,
}

impl Session {
    /// Shows `show` from the first part on that no playlist can have listed, `running` being the segment that ran when it was wanted; all of it from its beginning where
    /// nothing was listed. Within a segment that is a bridge. A mosaic that may be late shows from the next segment on. `time_ms` is when a
    /// part begins to show. `aired` is `show`, or in a break what then stands for it.
    pub(in crate::session) fn splice(
        &mut self,
        (show, aired): (Show, &Show),
        coming: &Coming<'_>,
        running: SegmentNumber,
        time_ms: impl Fn(Position) -> i64,
    ) {
        let placement = coming.placement;
        let is_new = self.listed_by.is_none();
        if is_new {
            // As if it had been made so.
            self.splices = Splices::new(coming.begins, placement.id.0.clone());
            self.sounds = Splices::new(coming.begins, aired.sound_key());
        }
        let is_in_step =
            coming.reached >= self.free_from && !(self.is_followed_closely() && self.may_be_late(coming, running));
        // Where another engine makes the same pictures nobody waits for them.
        let is_seen = show.spec() != self.show.spec();
        let from = match self.bridge(coming).filter(|_| is_in_step && is_seen) {
            Some((name, bridge)) => {
                let at = self.free_from;
                self.splices.push_bridge(at.segment, name.0, bridge, placement.id.0.clone());
                at
            }
            None => {
                let from = if self.shows_still(placement) {
                    // Whatever else was planned for the rest of the segment is off.
                    self.free_from.segment
                } else if is_in_step {
                    self.free_segment().max(placement.first_segment)
                } else {
                    let begun = self.listed_by.map_or(0, |_| running + 1);
                    self.free_segment().max(begun).max(placement.first_segment)
                };
                let from = if is_new { from.max(coming.begins) } else { from };
                self.splices.push(from, placement.id.0.clone());
                Position::new(from, 0)
            }
        };
        let both = show.games.iter().zip(&aired.games).filter(|(asked, aired)| asked.key != aired.key);
        let instead: Vec<_> = both.map(|(asked, aired)| (asked.key.clone(), aired.key.clone())).collect();
        self.want(placement, aired, &instead);
        let sounds_from = (from.segment + u64::from(from.part > 0)).max(self.free_segment());
        self.sounds.push(sounds_from, aired.sound_key());
        self.detour.goes_over(sounds_from, &instead);
        self.engine = placement.engine;
        (self.effective_segment, self.effective_part) = (from.segment, from.part);
        self.shown.change(time_ms(from), show.shown(placement.engine));
        self.show = show;
        self.detour.is_off();
    }

    /// The bridge to what is coming, if it can come within the segment of which something is listed.
    fn bridge(&self, coming: &Coming<'_>) -> Option<(MosaicId, Bridge)> {
        let Position { segment, part: begins } = self.free_from;
        let before = self.listed_last()?;
        // A segment goes over once.
        let has_gone_over = self.splices.mosaic_of(Position::new(segment, 0)) != Some(before);
        if has_gone_over || segment < coming.placement.first_segment || self.shows_still(coming.placement) {
            return None;
        }
        Some(((coming.bridge)(before, begins)?, Bridge { before: before.clone(), begins }))
    }

    /// Whether some client plays part by part.
    fn is_followed_closely(&self) -> bool {
        self.parts_of.is_some_and(|parts_of| parts_of + 1 >= self.free_from.segment)
    }

    /// Whether `coming` has only just begun, and nothing says yet that it comes as fast as the clock.
    fn may_be_late(&self, coming: &Coming<'_>, running: SegmentNumber) -> bool {
        coming.placement.first_segment >= running && coming.reached <= self.free_from
    }

    /// The part that a mosaic which has only just begun had better come to before this session shows it: who plays part by part has no more than a second
    /// in hand. `None` where there is time.
    pub(in crate::session) fn to_come_first(&self, placement: &Placement, running: SegmentNumber) -> Option<Position> {
        (self.is_followed_closely() && placement.first_segment >= running).then_some(self.free_from)
    }

    /// Whether the segment of which something is listed has come to nothing but `placement`.
    fn shows_still(&self, placement: &Placement) -> bool {
        self.listed_last() == Some(&placement.id.0)
    }

    /// What the newest part shows that can be listed of a segment that is not listed whole.
    fn listed_last(&self) -> Option<&Arc<str>> {
        let Position { segment, part } = self.free_from;
        self.splices.mosaic_of(Position::new(segment, part.checked_sub(1)?))
    }

    /// Lets `show`, which differs in its sound alone, be heard from the first segment on of which nothing can be listed.
    pub(in crate::session) fn hear(&mut self, show: Show, aired: &Show) {
        // Not before a change of games that is yet to show: its sound comes with it.
        let from = self.free_segment().max(if self.is_on_detour() { 0 } else { self.splices.newest_from() });
        self.sounds.push(from, aired.sound_key());
        (self.effective_segment, self.effective_part) = (self.effective_segment.max(from), 0);
        self.show = show;
        self.detour.is_off();
    }

    /// A wanted mosaic turns out to have another name: the service was set up anew since the session began. From here on it
    /// is told, and priced, by what makes it now. Its encoder's set-up may differ, so the playlist breaks and names another
    /// init segment.
    pub(in crate::session) fn rename(
        &mut self,
        old: &Arc<str>,
        placement: &Placement,
        running: SegmentNumber,
        time_ms: impl Fn(SegmentNumber) -> i64,
    ) {
        let Some(known) = self.wanted.iter().find(|w| w.mosaic == *old).cloned() else { return };
        if self.splices.newest() == old && known.mosaic != placement.id.0 {
            let from = self.listed_by.map_or(0, |by| by.max(running) + 1).max(placement.first_segment);
            self.splices.push(from, placement.id.0.clone());
            self.want_too(Wanted { mosaic: placement.id.0.clone(), ..known });
            if self.listed_by.is_some() {
                self.numbering.break_at(from, self.listed_by);
            }
            self.map_mosaic = placement.id.0.clone();
            self.engine = placement.engine;
            self.shown.change(time_ms(from), self.show.shown(placement.engine));
            self.unsaved = true;
        }
    }

    /// The oldest segment that it lists live.
    pub(in crate::session) fn lists_from(&self) -> SegmentNumber {
        self.splices.entries().first().map_or(0, |first| first.from)
    }

    /// The first segment of which no playlist can have listed anything.
    pub(super) fn free_segment(&self) -> SegmentNumber {
        self.free_from.segment + u64::from(self.free_from.part > 0)
    }

    /// `instead` are games of which something else is in `aired`, and that.
    pub(super) fn want(&mut self, placement: &Placement, aired: &Show, instead: &[(GameKey, GameKey)]) {
        // What may not be shown is not told of either: its card has no signals.
        let game_of = |key: GameKey| {
            let known = instead.iter().find(|(_, stand_in)| *stand_in == key && is_stand_in(&key));
            known.map_or(key, |(game, _)| game.clone())
        };
        let signalled = aired.game_keys().into_iter().map(game_of).collect();
        self.want_too(Wanted { signalled, ..aired.wanted(placement.id.0.clone()) });
    }

    /// Of each mosaic that it shows or showed, the games whose signals are told beside it; of a bridge, those of both its mosaics.
    pub(in crate::session) fn signalled(&self) -> Vec<(Arc<str>, Vec<GameKey>)> {
        let of = |mosaic: &Arc<str>| {
            let wanted = self.wanted.iter().find(|wanted| wanted.mosaic == *mosaic);
            wanted.map(|wanted| wanted.signalled.clone()).unwrap_or_default()
        };
        let bridges = self.splices.entries().iter().filter_map(|splice| {
            let before = &splice.bridge.as_ref()?.before;
            let both = [Some(before), self.splices.mosaic_at(splice.from + 1)];
            Some((splice.mosaic.clone(), both.into_iter().flatten().flat_map(of).collect()))
        });
        let mosaics = self.all_wanted().map(|wanted| (wanted.mosaic.clone(), wanted.signalled.clone()));
        mosaics.chain(bridges).collect()
    }

    fn want_too(&mut self, wanted: Wanted) {
        self.wanted.push(wanted);
        // Swaps that were overtaken before they showed are gone from the splices: nobody wants their mosaics.
        let kept = self.splices.mosaics_since(0);
        let mut seen = Vec::new();
        self.wanted.retain(|w| {
            let fresh = kept.contains(&w.mosaic) && !seen.contains(&w.mosaic);
            seen.push(w.mosaic.clone());
            fresh
        });
    }
}
