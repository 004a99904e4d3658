//! What a session shows for a while beside what it was asked for: in breaks other things stand in for games. The session stays what it is, and goes back by
//! itself.

use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Pick, Session, Show, Wanted};
use crate::frame::CodedSound;
use crate::mosaic::{EngineKind, GameKey, MosaicId, MosaicSpec, Placement};
use crate::session::splice::Splices;
use crate::timeline::SegmentNumber;
use crate::track::{SoundKey, is_rights_card, split_sound_key};

/// Stand-ins that a session remembers: more are in no window.
const MOST_SPANS: usize = 256;

/// What is shown from a segment on.
#[derive(Clone, Debug)]
pub(in crate::session) struct Piece {
    pub from: SegmentNumber,
    pub show: Show,
    pub placement: Placement,
    /// Of games that something stands in for, that.
    pub instead: Vec<(GameKey, GameKey)>,
}

/// Something that stands in for a game.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::session) struct Span {
    pub from: SegmentNumber,
    /// `None`: nothing says yet how long.
    pub until: Option<SegmentNumber>,
    pub game: GameKey,
    pub stand_in: GameKey,
}

impl Span {
    pub(super) fn covers(&self, n: SegmentNumber) -> bool {
        self.from <= n && self.until.is_none_or(|until| n < until)
    }
}

/// What the next process is to know of a session that shows, or will show, something else than it was asked for: what it goes back to, and what stood in. Of
/// what was shown until then the splices say it, whoever was told of it: what was made in the last moments and was listed to nobody must not be the game's.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Stay {
    home: Arc<str>,
    home_sound: SoundKey,
    spans: Vec<Span>,
}

impl Stay {
    /// Goes back with segment `from`, which runs: what stands in from then on is planned anew.
    pub fn taken_up(self, from: SegmentNumber, splices: &mut Splices, sounds: Option<&mut Splices>) -> Detour {
        splices.push(from, self.home);
        if let Some(sounds) = sounds {
            sounds.push(from, self.home_sound);
        }
        // What the process before told of it cannot be known to the segment: none is told twice.
        let mut detour = Detour { spans: self.spans, told_to: from, ..Detour::default() };
        detour.cut(from);
        detour
    }
}

/// See the module.
#[derive(Default)]
pub(super) struct Detour {
    /// What the session was asked for, while something else is or will be shown.
    home: Option<Wanted>,
    /// It is made all the while, so that it is there when it comes back.
    is_home_kept: bool,
    /// Ascending.
    spans: Vec<Span>,
    /// What it was planned by.
    plan: Option<u64>,
    /// What the session was asked for last does not show yet: see [`Session::hold_back`].
    is_held_back: bool,
    /// What was listed before this segment is told.
    told_to: SegmentNumber,
}

impl Detour {
    /// What the session goes back to, where that is made all the while.
    pub fn kept_home(&self) -> Option<&Wanted> {
        self.home.as_ref().filter(|_| self.is_home_kept)
    }

    /// Whether a card stands for `game` in segment `n`, as it may not be shown.
    fn is_barred(&self, game: &GameKey, n: SegmentNumber) -> bool {
        self.spans.iter().any(|span| span.game == *game && is_rights_card(&span.stand_in) && span.covers(n))
    }

    pub fn is_under_way(&self) -> bool {
        self.home.is_some()
    }

    /// The game that `game`, which is shown in segment `n`, stands for; itself where that is none.
    pub fn home_of<'a>(&'a self, game: &'a GameKey, n: SegmentNumber) -> &'a GameKey {
        let stands = |span: &&Span| span.stand_in == *game && span.covers(n);
        self.spans.iter().find(stands).map_or(game, |span| &span.game)
    }

    pub fn prune(&mut self, oldest: SegmentNumber) {
        self.spans.retain(|span| span.until.is_none_or(|until| until > oldest));
        self.spans.drain(..self.spans.len().saturating_sub(MOST_SPANS));
    }

    /// A game's sound, and that of whatever stood in for it. Nothing stands in for a sound as it came: what does is coded otherwise.
    /// `past` are those of before the session began.
    pub fn sound_of(&self, key: &SoundKey, past: &[Span]) -> Splices {
        let (game, track) = split_sound_key(key);
        let is_coded = track.is_some_and(CodedSound::is_id);
        let mut sound = Splices::new(0, key.clone());
        for span in past.iter().chain(&self.spans).filter(|span| *span.game == *game && !is_coded) {
            sound.push(span.from, span.stand_in.clone());
            if let Some(until) = span.until {
                sound.push(until, key.clone());
            }
        }
        sound
    }

    /// The session was asked for something else: what is shown is to be planned anew.
    pub fn is_off(&mut self) {
        self.plan = None;
        self.is_held_back = false;
    }

    /// What is shown is planned once more, as it was asked for.
    pub fn plan_again(&mut self) {
        self.plan = None;
    }

    /// From `from` on what stands for games is `instead`, until something else is planned.
    pub fn goes_over(&mut self, from: SegmentNumber, instead: &[(GameKey, GameKey)]) {
        self.cut(from);
        instead.iter().for_each(|instead| self.add(from, None, instead));
    }

    /// Nothing was listed of what came since the last playlist and before segment `first`.
    pub fn was_away(&mut self, first: SegmentNumber) {
        self.told_to = self.told_to.max(first);
    }

    /// From `from` on nothing stands in any more but what comes then.
    fn cut(&mut self, from: SegmentNumber) {
        self.spans.retain(|span| span.from < from);
        for span in &mut self.spans {
            span.until = Some(span.until.map_or(from, |until| until.min(from)));
        }
    }

    fn add(&mut self, from: SegmentNumber, until: Option<SegmentNumber>, (game, stand_in): &(GameKey, GameKey)) {
        let before = self.spans.iter_mut().rev().find(|span| span.game == *game);
        match before.filter(|before| before.stand_in == *stand_in && before.until == Some(from)) {
            Some(before) => before.until = until,
            None => self.spans.push(Span { from, until, game: game.clone(), stand_in: stand_in.clone() }),
        }
    }
}

impl Session {
    /// Whether something else than what it was asked for is or will be shown.
    pub(in crate::session) fn is_on_detour(&self) -> bool {
        self.detour.is_under_way()
    }

    /// Whether a card stands for `game` where playlists end now, as it may not be shown.
    pub(in crate::session) fn is_barred(&self, game: &GameKey) -> bool {
        self.detour.is_barred(game, self.free_from.segment)
    }

    /// Whether nothing of `games` is seen in segment `n`: something stands for them, or other games are shown.
    pub(in crate::session) fn shows_none_of<'a>(
        &self,
        mut games: impl Iterator<Item = &'a GameKey>,
        n: SegmentNumber,
    ) -> bool {
        let Some(shown) = self.splices.mosaic_at(n) else { return false };
        let wanted = self.wanted.iter().find(|wanted| wanted.mosaic == *shown);
        wanted.is_some_and(|wanted| !games.any(|game| wanted.spec.games.contains(game)))
    }

    /// Takes note that `show` is asked for, and goes on with what is shown: what is to stand in for one of its games is yet to be made, and the game may not
    /// be shown meanwhile. `home` is where it is made itself. It shows once it can be planned, from segment `from` on as far as that is known now.
    pub(in crate::session) fn hold_back(
        &mut self,
        show: Show,
        (home, engine): (&MosaicId, EngineKind),
        from: SegmentNumber,
        at_ms: i64,
    ) {
        // Who begins the service anew meanwhile finds what was asked for.
        self.detour.home = Some(show.wanted(home.0.clone()));
        self.detour.is_home_kept = true;
        self.detour.is_off();
        self.detour.is_held_back = true;
        self.engine = engine;
        (self.effective_segment, self.effective_part) = (from, 0);
        self.shown.change(at_ms, show.shown(engine));
        self.show = show;
    }

    /// What an active session shows of which a card stands for a game, slot by slot.
    pub(in crate::session) fn barred(&self) -> Vec<Pick> {
        if !self.state.is_active() || !self.is_on_detour() {
            return Vec::new();
        }
        self.show.games.iter().filter(|pick| self.is_barred(&pick.key)).cloned().collect()
    }

    /// The first segment that a plan may be about, `running` being the one that runs: nothing of it or of those that follow can have been listed, and what
    /// was planned for the past stays.
    pub(in crate::session) fn free_to_plan(&self, running: SegmentNumber) -> SegmentNumber {
        match self.listed_by {
            None => self.splices.entries().first().map_or(running, |first| first.from),
            Some(_) => self.free_segment().max(running.saturating_sub(1)).max(self.changes_from()),
        }
    }

    /// Where what was asked for begins to show that nothing was planned for yet: before that it is what was asked for before.
    fn changes_from(&self) -> SegmentNumber {
        let is_to_plan = self.detour.plan.is_none() && !self.detour.is_held_back;
        if is_to_plan { self.effective_segment + u64::from(self.effective_part > 0) } else { 0 }
    }

    /// Begins with segment `first`: nothing was listed yet.
    pub(in crate::session) fn begin_with(&mut self, first: SegmentNumber) {
        self.splices.begin_with(first);
        self.sounds.begin_with(first);
        self.unsaved = true;
    }

    /// Whether what was asked for last is yet to be planned.
    pub(in crate::session) fn is_asked_anew(&self) -> bool {
        self.detour.plan.is_none()
    }

    /// Whether `plan` is another than the one that what is shown was planned by.
    pub(in crate::session) fn plans_anew(&self, plan: u64) -> bool {
        self.detour.plan != Some(plan)
    }

    /// What it shows is planned once more: nothing of it was listed.
    pub(in crate::session) fn plan_again(&mut self) {
        self.detour.plan_again();
    }

    pub(in crate::session) fn planned(&mut self, plan: u64) {
        self.detour.plan = Some(plan);
    }

    /// Whether it shows `pieces` already, from the first one's segment on.
    pub(in crate::session) fn shows(&self, pieces: &[Piece]) -> bool {
        let Some(first) = pieces.first() else { return true };
        let planned = |splices: &Splices, wanted: &dyn Fn(&Piece) -> Arc<str>| {
            let mut is = Splices::new(0, wanted(first));
            pieces[1..].iter().for_each(|piece| is.push(piece.from, wanted(piece)));
            let later = splices.entries().iter().filter(|splice| splice.from > first.from);
            let later = later.map(|splice| (splice.from, &splice.mosaic));
            splices.mosaic_at(first.from) == Some(&wanted(first))
                && later.eq(is.entries()[1..].iter().map(|splice| (splice.from, &splice.mosaic)))
        };
        planned(&self.splices, &|piece| piece.placement.id.0.clone())
            && planned(&self.sounds, &|piece| piece.show.sound_key())
    }

    /// Shows `pieces`, one after the other, and nothing else that was planned for then. None of them is about a segment before `free`, of which something can
    /// be listed: what would be begins later. `home` is what it was asked for, where that is not all that they show, and whether it is made all the while.
    pub(in crate::session) fn take_detour(
        &mut self,
        pieces: &[Piece],
        home: Option<(&Placement, bool)>,
        free: SegmentNumber,
    ) {
        if let Some(first) = pieces.first() {
            let from = first.from.max(free);
            self.detour.cut(from);
            if std::mem::take(&mut self.detour.is_held_back) {
                (self.effective_segment, self.effective_part) = (from, 0);
            }
        }
        let show = self.show.clone();
        self.detour.is_home_kept = home.is_some_and(|(_, is_kept)| is_kept);
        self.detour.home = home.map(|(home, _)| show.wanted(home.id.0.clone()));
        for (nth, piece) in pieces.iter().enumerate() {
            let (from, until) = (piece.from.max(free), pieces.get(nth + 1).map(|next| next.from.max(free)));
            if until == Some(from) {
                continue;
            }
            self.splices.push(from, piece.placement.id.0.clone());
            self.sounds.push(from, piece.show.sound_key());
            self.want(&piece.placement, &piece.show, &piece.instead);
            piece.instead.iter().for_each(|instead| self.detour.add(from, until, instead));
        }
        self.unsaved = true;
    }

    /// What stood in, in segments that were listed since this was asked last: each once, with what the mosaic was made of that was listed.
    pub(in crate::session) fn listed_stand_ins(&mut self) -> Vec<(Span, Range<SegmentNumber>, MosaicSpec)> {
        let listed_to = self.free_from.segment;
        let from = self.detour.told_to;
        self.detour.told_to = listed_to.max(from);
        let mut all: Vec<(Span, Range<SegmentNumber>, MosaicSpec)> = Vec::new();
        for span in &self.detour.spans {
            for n in span.from.max(from)..span.until.map_or(listed_to, |until| until.min(listed_to)) {
                let Some(spec) = self.listed_as(n) else { continue };
                match all.last_mut().filter(|(before, its, of)| before == span && its.end == n && of == spec) {
                    Some((_, its, _)) => its.end = n + 1,
                    None => all.push((span.clone(), n..n + 1, spec.clone())),
                }
            }
        }
        all
    }

    /// What the mosaic is made of that was listed in segment `n`; of a bridge, the one that it opens with.
    fn listed_as(&self, n: SegmentNumber) -> Option<&MosaicSpec> {
        let shown = self.splices.splice_at(n)?.opens_with();
        self.wanted.iter().find(|wanted| wanted.mosaic == *shown).map(|wanted| &wanted.spec)
    }

    /// The first segment that a plan may be about of a session that was taken up when segment `running` ran: what the process before listed stays, and of what
    /// it made besides nobody knows.
    pub(in crate::session) fn free_at_once(&self, running: SegmentNumber) -> SegmentNumber {
        self.listed_by.map_or_else(|| self.lists_from(), |listed_by| listed_by + 1).min(running)
    }

    pub(super) fn stay(&self) -> Option<Stay> {
        let home = self.detour.home.as_ref()?.mosaic.clone();
        Some(Stay { home, home_sound: self.show.sound_key(), spans: self.detour.spans.clone() })
    }
}
