//! What a session shows in place of a game that is in a break, as its market says, or that may not be shown to it, and for how long. The session shows it by
//! itself and goes back by itself: entries of its splices like any others, planned ahead, on whole segments.

use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::model::{Pick, Piece, Show, Span, choice_name};
use super::registry::{Entry, Sessions};
use super::rights::Rules;
use super::state::EndReason;
use crate::assets::Skin;
use crate::cues::track::Break;
use crate::market::{GameRights, Market, MarketBreakPolicy};
use crate::mosaic::{AdmitError, EngineKind, GameKey, MosaicSpec, Placement};
use crate::timeline::{Grid, MediaTime, SegmentNumber};
use crate::track::{LEAD_IN_SEGMENTS, is_stand_in};

/// Breaks that begin no later than so many segments from now are looked for: whoever decides on advertisements has the time until then.
const LOOKED_AHEAD: u64 = 60;

/// Whether a picture that stands still is made is asked so often.
pub(super) const STILL_WAIT: Duration = Duration::from_millis(20);

/// What begins within so many segments is planned.
const PLANNED_AHEAD: u64 = 4;

/// A game in a break, and who asks.
pub struct BreakAsk<'a> {
    pub tenant: &'a str,
    pub session: &'a str,
    pub market: &'a Arc<Market>,
    /// The game: as the viewer calls it, and as the service does.
    pub game: (&'a str, &'a GameKey),
    /// What the session shows else, in which the game is to be replaced.
    pub spec: &'a MosaicSpec,
    /// The break, and the segments that are of it.
    pub of: &'a Break,
    pub from: SegmentNumber,
    /// `None`: nothing says yet when it ends.
    pub until: Option<SegmentNumber>,
}

/// A game in a break that was before who asks began.
pub struct BygoneAsk<'a> {
    pub tenant: &'a str,
    /// As in [`BreakAsk`].
    pub game: (&'a str, &'a GameKey),
    pub spec: &'a MosaicSpec,
}

/// Something that stands in for a game, segment by segment: its blocks are there, or will be when they are due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instead {
    pub from: SegmentNumber,
    pub until: Option<SegmentNumber>,
    pub stand_in: GameKey,
}

impl Instead {
    /// The same, `other` in the spans given, which are in order.
    pub fn with(self, other: &GameKey, spans: impl Iterator<Item = Range<SegmentNumber>>) -> Vec<Self> {
        let (mut all, mut from) = (Vec::new(), self.from);
        let end = self.until.unwrap_or(SegmentNumber::MAX);
        for span in spans {
            let (begins, ends) = (span.start.clamp(from, end), span.end.clamp(from, end));
            if begins >= ends {
                continue;
            }
            if from < begins {
                all.push(Self { from, until: Some(begins), stand_in: self.stand_in.clone() });
            }
            all.push(Self { from: begins, until: Some(ends), stand_in: other.clone() });
            from = ends;
        }
        if from < end {
            all.push(Self { from, ..self });
        }
        all
    }
}

/// What was listed to a session of a stand-in.
pub struct Served<'a> {
    pub tenant: &'a str,
    pub session: &'a str,
    pub stand_in: &'a GameKey,
    pub segments: Range<SegmentNumber>,
    /// What was listed in them, the stand-in in its slots.
    pub spec: &'a MosaicSpec,
}

/// What stands in for games. Implemented by those who know of advertisements; sessions know no more.
pub trait StandIns: Send + Sync {
    /// What stands in for a game, by its beginning, none over another. Where there is nothing, the game goes on; `None`: what there will be is being
    /// made. Asked about once a second, and quick.
    fn instead(&self, ask: &BreakAsk) -> Option<Vec<Instead>>;

    /// What stands in for a game in breaks that were before a session began, and whether it is made as it was asked for. There is one of any segment.
    fn bygone(&self, ask: &BygoneAsk) -> (GameKey, bool);

    /// Of each stand-in each segment is told once, in order.
    fn served(&self, served: &Served);

    /// The skin that `tenant` calls `id`.
    fn skin(&self, tenant: &str, id: &str) -> Option<Arc<Skin>>;
}

/// What of a session is other than was asked for, from one segment to another.
#[derive(Clone)]
pub(super) enum Other {
    /// Of a game that may not be shown, its card. It comes first: what stands in for a game that may not be shown is not looked for.
    Restricted(GameKey, GameKey),
    /// Of a game, which stand-in.
    Instead(GameKey, GameKey),
    /// The layout, and its art.
    SqueezedBack(Arc<crate::layout::Layout>, Option<Arc<Skin>>),
}

#[derive(Clone)]
pub(super) struct Otherwise {
    /// Where it is due. It may be there later, from `from` on.
    pub due: SegmentNumber,
    pub from: SegmentNumber,
    pub until: Option<SegmentNumber>,
    pub what: Other,
}

impl Otherwise {
    fn is_restriction(&self) -> bool {
        matches!(self.what, Other::Restricted(..))
    }

    /// What something stands for.
    fn game(&self) -> Option<&GameKey> {
        match &self.what {
            Other::Restricted(game, _) | Other::Instead(game, _) => Some(game),
            Other::SqueezedBack(..) => None,
        }
    }

    fn covers(&self, n: SegmentNumber) -> bool {
        self.from <= n && self.until.is_none_or(|until| n < until)
    }
}

/// When a session is planned.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    /// While it plays.
    Playing,
    /// It is taken up again: nothing of it plays on that a card at once would break.
    TakenUp,
    /// Nothing of it was listed: it may begin with a later segment.
    First,
}

/// What is looked up once for all sessions.
#[derive(Default)]
pub(super) struct Known {
    /// Of each game that was asked for, its breaks.
    breaks: HashMap<GameKey, Arc<[Break]>>,
    /// Of the games that may not be shown to everybody, to whom.
    pub limited: HashMap<GameKey, Arc<GameRights>>,
}

/// The segment that begins nearest to `at`.
pub(super) fn nearest_segment(grid: &Grid, at: MediaTime) -> SegmentNumber {
    let n = grid.segment_at(at);
    n + u64::from(at.since(grid.segment_time(n)) * 2 >= grid.segment_duration())
}

impl Sessions {
    /// Says who knows what stands in for games in breaks.
    pub fn set_stand_ins(&self, stand_ins: Arc<dyn StandIns>) {
        // Once: those that were named before are known to sessions.
        let _ = self.stand_ins.set(stand_ins);
    }

    pub(super) fn direct_all(&self, entries: &[Arc<Entry>]) {
        // Of each game once: thousands of sessions may show it.
        let mut known = self.known();
        for entry in entries {
            self.direct_by(entry, &mut known, When::Playing);
            if let Some(stand_ins) = self.stand_ins.get() {
                self.tell_served(&**stand_ins, entry);
            }
        }
        self.tell_restricted(entries);
    }

    fn known(&self) -> Known {
        Known { breaks: HashMap::new(), limited: self.games.limited() }
    }

    fn tell_served(&self, stand_ins: &dyn StandIns, entry: &Entry) {
        let listed = entry.session.lock().listed_stand_ins();
        for (Span { stand_in, .. }, segments, spec) in listed.iter().filter(|(span, ..)| is_stand_in(&span.stand_in)) {
            let (tenant, session) = (&*entry.tenant, &*entry.id);
            stand_ins.served(&Served { tenant, session, stand_in, segments: segments.clone(), spec });
        }
    }

    /// `show` as it is on the air where the session's next change shows. `None`: what is to stand in for one of its games is yet to be made, and the game may
    /// not be shown meanwhile.
    pub(super) fn aired(&self, entry: &Entry, show: &Show) -> Option<Show> {
        let (rights, free) = {
            let session = entry.session.lock();
            (session.rights.clone(), session.free_to_plan(self.running()))
        };
        let (rules, mut known) = (self.rules(&entry.tenant, &rights), self.known());
        let mut otherwise = self.restricted(&rights, &rules, show, &known);
        let named = self.mosaics.name(&show.spec(), show.engine);
        if named.is_ok_and(|(_, engine)| engine == EngineKind::Stitch) {
            let (mut in_breaks, mut made) = self.otherwise(entry, &rules, show, &mut known);
            made.retain(|game| !is_replaced(&otherwise, game, free));
            if !made.is_empty() {
                return None;
            }
            // It may show as late as that.
            let soon = in_breaks.iter_mut().filter(|its| its.game().is_some() && its.from <= self.running() + 1);
            soon.for_each(|its| its.from = its.from.min(free));
            otherwise.extend(in_breaks);
        }
        Some(on_air(show, &otherwise, free).0)
    }

    /// Plans what the session shows from the first segment on that it can plan: what it may be shown, what its market shows in breaks, and what it was
    /// asked for.
    pub(super) fn direct(&self, entry: &Entry) {
        self.direct_by(entry, &mut self.known(), When::Playing);
    }

    /// The same for a session that is about to list something for the first time: what is to stand in is waited for as its first segment is, as until then the
    /// game would be listed.
    pub(super) async fn direct_first(&self, entry: &Entry) {
        {
            let session = entry.session.lock();
            if session.has_begun() || session.rights.market.is_none() {
                return;
            }
        }
        // Nothing of it plays on: what stands in shows from its first segment on.
        let directed = async {
            loop {
                entry.session.lock().plan_again();
                if !self.direct_by(entry, &mut self.known(), When::First) {
                    break;
                }
                tokio::time::sleep(STILL_WAIT).await;
            }
        };
        let _ = tokio::time::timeout(self.settings.first_segment_wait, directed).await;
    }

    /// The same for a session that is taken up again: nothing of it plays on that a card at once would break.
    pub(super) fn direct_again(&self, entry: &Entry) {
        self.direct_by(entry, &mut self.known(), When::TakenUp);
    }

    /// The same for all sessions that were taken up again, before anybody is served: a market's breaks, too. Whether some of what stands in then is yet
    /// to be made.
    pub fn direct_taken_up(&self) -> bool {
        let mut known = self.known();
        let mut is_coming = false;
        for entry in self.entries() {
            is_coming |= self.direct_by(&entry, &mut known, When::TakenUp);
        }
        is_coming
    }

    /// Whether a break of one of its games runs of which what stands in is yet to be made.
    fn direct_by(&self, entry: &Entry, known: &mut Known, when: When) -> bool {
        let running = self.running();
        let (rights, show, free, is_away) = {
            let session = entry.session.lock();
            let is_limited = || session.show.games.iter().any(|pick| known.limited.contains_key(&pick.key));
            let is_free = session.rights.market.is_none() && !session.is_on_detour();
            if !session.state.is_active() || (is_free && !is_limited()) {
                return false;
            }
            let free =
                if when == When::TakenUp { session.free_at_once(running) } else { session.free_to_plan(running) };
            (session.rights.clone(), session.show.clone(), free, session.is_on_detour())
        };
        let rules = self.rules(&entry.tenant, &rights);
        let mut otherwise = self.restricted(&rights, &rules, &show, known);
        let (in_breaks, mut made) = self.otherwise(entry, &rules, &show, known);
        made.retain(|game| !is_replaced(&otherwise, game, free));
        let is_coming = !made.is_empty();
        // What is shown stays until what is to stand in now is made: the game may not be shown meanwhile. No longer than it may be shown itself.
        let barred = otherwise.iter().filter(|its| its.covers(free)).filter_map(Otherwise::game);
        if is_coming && entry.session.lock().shows_none_of(made.iter().chain(barred), free) {
            return is_coming;
        }
        otherwise.extend(in_breaks);
        otherwise.retain(|its| its.from <= running + PLANNED_AHEAD);
        if otherwise.is_empty() && !is_away {
            return is_coming;
        }
        let plan = plan_of(&show, &otherwise);
        if !entry.session.lock().plans_anew(plan) {
            return is_coming;
        }
        let free = if when == When::First { begins_with(&otherwise, free) } else { free };
        match self.pieces(&show, &otherwise, free, when) {
            Ok((home, pieces)) => {
                let mut session = entry.session.lock();
                // Others may have been listed more meanwhile.
                let free = if when == When::Playing { session.free_to_plan(running) } else { free };
                let is_asked_anew = session.is_asked_anew();
                session.planned(plan);
                let is_all = pieces.iter().all(|piece| piece.placement.id == home.id && piece.instead.is_empty());
                if is_asked_anew || !session.shows(&pieces) || is_all == session.is_on_detour() {
                    // What is rendered for nobody is not made until it may be shown again.
                    let is_kept = home.engine == EngineKind::Stitch || !is_barred(&otherwise, free);
                    session.take_detour(&pieces, Some((&home, is_kept)).filter(|_| !is_all), free);
                    if when == When::First
                        && let Some(first) = pieces.first().filter(|first| !first.instead.is_empty())
                    {
                        session.begin_with(first.from);
                    }
                }
            }
            // Rather dark than shown against the rights.
            Err(refusal) if is_barred(&otherwise, free) => {
                tracing::warn!(session = %entry.id, %refusal, "there is no room for the card of a game that may not be shown: the session ends");
                let _ = self.end_entry(entry, EndReason::Restricted);
            }
            Err(refusal) => tracing::debug!(session = %entry.id, %refusal, "what a break asks for is not to be had"),
        }
        is_coming
    }

    /// What is other than `show`: of each of its games that is in a break, or will be; and the games in one of which that is yet to be made.
    fn otherwise(
        &self,
        entry: &Entry,
        rules: &Rules,
        show: &Show,
        known: &mut Known,
    ) -> (Vec<Otherwise>, Vec<GameKey>) {
        let (mut otherwise, mut made) = (Vec::new(), Vec::new());
        let (Some(stand_ins), Some(market)) = (self.stand_ins.get(), rules.market()) else { return (otherwise, made) };
        let policy = market.breaks.policy;
        if policy == MarketBreakPolicy::Programme {
            return (otherwise, made);
        }
        let (grid, running) = (&self.grid, self.running());
        let span = grid.segment_time(running.saturating_sub(self.reach_of_breaks()))
            ..grid.segment_time(running + LOOKED_AHEAD);
        let mut seen: BTreeSet<&GameKey> = BTreeSet::new();
        for Pick { id, key } in show.games.iter().filter(|pick| seen.insert(&pick.key)) {
            let breaks = known.breaks.entry(key.clone()).or_insert_with(|| self.games.breaks(key, span.clone()).into());
            for of in breaks.clone().iter() {
                let from = nearest_segment(grid, of.starts_at);
                let until = of.ends_at.map(|end| nearest_segment(grid, end));
                if until.is_some_and(|until| until <= from) {
                    continue;
                }
                if policy == MarketBreakPolicy::SqueezeBack {
                    let squeezed =
                        self.squeezed(&**stand_ins, entry, market, show, (&of.id, from..until.unwrap_or(running)));
                    otherwise.extend(squeezed.map(|what| Otherwise { due: from, from, until, what }));
                    continue;
                }
                let spec = show.spec();
                let ask = BreakAsk {
                    tenant: &entry.tenant,
                    session: &entry.id,
                    market,
                    game: (id, key),
                    spec: &spec,
                    of,
                    from,
                    until,
                };
                let Some(instead) = stand_ins.instead(&ask) else {
                    if from <= running + 1 && until.is_none_or(|until| running < until) {
                        made.push(key.clone());
                    }
                    continue;
                };
                // The first one stands in as soon as it is there.
                let dues = std::iter::once(from).chain(instead.iter().skip(1).map(|its| its.from)).collect::<Vec<_>>();
                otherwise.extend(instead.into_iter().zip(dues).map(|(Instead { from, until, stand_in }, due)| {
                    Otherwise { due, from, until, what: Other::Instead(key.clone(), stand_in) }
                }));
            }
        }
        (otherwise, made)
    }

    /// Segments in the past of which a break is still looked at.
    fn reach_of_breaks(&self) -> u64 {
        self.settings.window_segments as u64 + PLANNED_AHEAD
    }

    /// What is squeezed back is one game alone, where the layout is there.
    fn squeezed(
        &self,
        stand_ins: &dyn StandIns,
        entry: &Entry,
        market: &Market,
        show: &Show,
        (of_break, span): (&str, Range<SegmentNumber>),
    ) -> Option<Other> {
        let layout = self.layouts.get(market.breaks.layout.as_deref()?)?;
        if layout.slots.len() != 1 || show.games.len() != 1 {
            return None;
        }
        let running = self.running();
        let skin = match market.breaks.skin.as_deref() {
            None => show.skin.clone(),
            // Until it is planned, it may change.
            Some(id) if span.start > running + PLANNED_AHEAD => stand_ins.skin(&entry.tenant, id),
            Some(id) => {
                let now = (running.min(span.end), self.reach_of_breaks());
                self.break_art.skin((&entry.tenant, id, of_break), now, || stand_ins.skin(&entry.tenant, id))
            }
        };
        Some(Other::SqueezedBack(layout, skin))
    }

    /// What is shown from segment `free` on, piece by piece, and where `show` itself is made.
    fn pieces(
        &self,
        show: &Show,
        otherwise: &[Otherwise],
        free: SegmentNumber,
        when: When,
    ) -> Result<(Placement, Vec<Piece>), AdmitError> {
        let (id, engine) = self.mosaics.name(&show.spec(), show.engine)?;
        let home = if engine == EngineKind::Render && is_barred(otherwise, free) {
            Placement { id, engine, first_segment: free }
        } else {
            self.mosaics.want(&show.spec(), show.engine)?
        };
        // What is rendered would cost an encoder for each session's break; what may not be shown is not shown whatever it costs.
        let is_had = |its: &&Otherwise| home.engine == EngineKind::Stitch || its.is_restriction();
        let otherwise: Vec<Otherwise> = otherwise.iter().filter(is_had).cloned().collect();
        let mut from: BTreeSet<SegmentNumber> = BTreeSet::from([free]);
        for its in &otherwise {
            from.extend([Some(its.from), its.until].into_iter().flatten().filter(|n| *n > free));
        }
        let mut pieces: Vec<Piece> = Vec::new();
        for from in from {
            let (show, instead) = on_air(show, &otherwise, from);
            let is_barred = is_barred(&otherwise, from);
            let wanted = self.mosaics.want(&show.spec(), show.engine).or_else(|refusal| match is_barred {
                true => self.mosaics.want_instead(&home.id, &show.spec(), show.engine),
                false => Err(refusal),
            });
            let placement = match wanted? {
                placed if placed.engine == EngineKind::Stitch || placed.id == home.id || is_barred => placed,
                _ => home.clone(),
            };
            let from = match when {
                // Who begins with it begins with what stands still before it.
                When::First if pieces.is_empty() && !instead.is_empty() => {
                    from.max(placement.first_segment.saturating_sub(LEAD_IN_SEGMENTS))
                }
                When::TakenUp if is_barred || !instead.is_empty() || pieces.is_empty() => from,
                // What has only just begun stands still in its first segment.
                _ if placement.first_segment >= from => placement.first_segment + 1,
                _ => from,
            };
            let from = pieces.last().map_or(from, |last| from.max(last.from));
            let is_same = |last: &Piece| last.placement.id == placement.id && last.instead == instead;
            if !pieces.last().is_some_and(is_same) {
                pieces.push(Piece { from, show, placement, instead });
            }
        }
        // Of what was before the first that stands in, its row says what it was.
        if when == When::TakenUp && pieces.len() > 1 && pieces[0].instead.is_empty() {
            pieces.remove(0);
        }
        Ok((home, pieces))
    }
}

/// The segment that a session begins with of which nothing was listed and that might begin with `first`: one that is to show a stand-in which is there later begins with
/// that.
fn begins_with(otherwise: &[Otherwise], first: SegmentNumber) -> SegmentNumber {
    let is_late = |its: &&Otherwise| its.due <= first && first < its.from;
    otherwise.iter().filter(is_late).map(|its| its.from).max().unwrap_or(first)
}

/// Whether something stands for `game` in segment `n`.
fn is_replaced(otherwise: &[Otherwise], game: &GameKey, n: SegmentNumber) -> bool {
    otherwise.iter().any(|its| its.game() == Some(game) && its.covers(n))
}

/// Whether a game that was asked for may not be shown in segment `n`.
fn is_barred(otherwise: &[Otherwise], n: SegmentNumber) -> bool {
    otherwise.iter().any(|its| its.is_restriction() && its.covers(n))
}

/// Tells one plan from another.
fn plan_of(show: &Show, otherwise: &[Otherwise]) -> u64 {
    let mut plan = DefaultHasher::new();
    (&show.layout.id, show.game_keys(), &show.audio, choice_name(show.engine)).hash(&mut plan);
    show.skin.as_ref().map(|skin| (&skin.id, &skin.art)).hash(&mut plan);
    for Otherwise { from, until, what, .. } in otherwise {
        (from, until).hash(&mut plan);
        match what {
            Other::Instead(game, stand_in) | Other::Restricted(game, stand_in) => (game, stand_in).hash(&mut plan),
            Other::SqueezedBack(layout, skin) => {
                (&layout.id, skin.as_ref().map(|skin| (&skin.id, &skin.art))).hash(&mut plan);
            }
        }
    }
    plan.finish()
}

/// `show` as it is in segment `n`, and which stand-ins that has.
fn on_air(show: &Show, otherwise: &[Otherwise], n: SegmentNumber) -> (Show, Vec<(GameKey, GameKey)>) {
    let (mut aired, mut instead) = (show.clone(), Vec::new());
    for its in otherwise.iter().filter(|its| its.covers(n)) {
        match &its.what {
            Other::Instead(game, stand_in) | Other::Restricted(game, stand_in) => {
                let mut is_there = false;
                for pick in aired.games.iter_mut().filter(|pick| pick.key == *game) {
                    (pick.key, is_there) = (stand_in.clone(), true);
                }
                if is_there {
                    instead.push((game.clone(), stand_in.clone()));
                }
            }
            Other::SqueezedBack(layout, skin) => (aired.layout, aired.skin) = (layout.clone(), skin.clone()),
        }
    }
    (aired, instead)
}
