//! What the registry holds of one session: its state, what it shows, its splices and its meter. No locks, no clock, no
//! store: everything comes in as a parameter.

mod detour;
mod past;
mod polled;
mod splicing;
mod viewed;
mod written;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use self::detour::Detour;
pub(super) use self::detour::{Piece, Span};
pub(super) use self::past::{Home, Past};
pub(super) use self::splicing::Coming;
pub(super) use self::viewed::{operated_row, view_of_row};
pub(super) use self::written::{Receipt, TakenUp, choice_name, choice_of, offer_of};
use super::SessionError;
use super::had::Had;
use super::numbering::Numbering;
use super::rights::Rights;
use super::splice::{Listing, Splice, Splices, Window};
use super::state::{EndReason, Refusal, State, Trigger};
use super::tickets::Players;
use super::watched::{Shown, ShownTimes};
use crate::assets::Skin;
use crate::frame::SoundTrack;
use crate::layout::Layout;
use crate::mosaic::{EngineChoice, EngineKind, GameKey, MosaicSpec, Placement};
use crate::store::IdempotencyRow;
use crate::timeline::{Grid, MediaTime, PartNumber, SegmentNumber};
use crate::track::{Held, Position, Runs, SoundKey, sound_key};
use crate::usage::{Meter, MeterTerms, Slate};

/// A session that the store refuses is offered to it again after this, or when its viewer changes it.
const REFUSED_RETRY_MS: i64 = 60_000;

/// A game of the session: what the viewer calls it, and what the service does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pick {
    pub id: String,
    pub key: GameKey,
}

/// What a session shows, as asked for and checked.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Show {
    pub layout: Arc<Layout>,
    /// One for each slot, in slot order.
    pub games: Vec<Pick>,
    /// The sound that is the default: one of `games`, or a sound of it beside its main one, `game/deu`.
    pub audio: String,
    pub engine: EngineChoice,
    /// What slots of art show, as it was when it was asked for.
    pub skin: Option<Arc<Skin>>,
    /// The viewer has chosen `audio`, and no market has.
    pub is_chosen: bool,
}

impl Show {
    pub(super) fn spec(&self) -> MosaicSpec {
        let art = self.skin.as_ref().map(|skin| skin.art_of(&self.layout)).unwrap_or_default();
        MosaicSpec { layout: self.layout.clone(), games: self.game_keys(), art }
    }

    pub(super) fn game_ids(&self) -> Vec<String> {
        self.games.iter().map(|g| g.id.clone()).collect()
    }

    pub(super) fn game_keys(&self) -> Vec<GameKey> {
        self.games.iter().map(|g| g.key.clone()).collect()
    }

    /// What is heard.
    pub(super) fn sound_key(&self) -> SoundKey {
        let (id, track) = split_audio(&self.audio);
        match self.games.iter().find(|game| game.id == id) {
            Some(game) => sound_key(&game.key, track),
            // A session has a game.
            None => self.games.first().map_or_else(|| "".into(), |game| game.key.clone()),
        }
    }

    fn wanted(&self, mosaic: Arc<str>) -> Wanted {
        Wanted { mosaic, spec: self.spec(), engine: self.engine, signalled: self.game_keys() }
    }

    fn shown(&self, engine: EngineKind) -> Shown {
        Shown { engine, layout: self.layout.id.clone(), games: self.game_ids() }
    }
}

/// The game of a sound as viewers name it, `game` or `game/deu`, and which of its sounds; `None`: the main one.
pub(super) fn split_audio(audio: &str) -> (&str, Option<&str>) {
    let (game, track) = audio.split_once('/').map_or((audio, None), |(game, track)| (game, Some(track)));
    (game, track.filter(|track| *track != SoundTrack::MAIN))
}

/// A mosaic of the session's splices, as the registry of mosaics is asked for it.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub mosaic: Arc<str>,
    pub spec: MosaicSpec,
    pub engine: EngineChoice,
    /// The games whose signals are told beside it: where something stands in for one in a break, that one.
    pub signalled: Vec<GameKey>,
}

/// Which sound a playlist is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sound {
    /// What the session has chosen.
    Main,
    /// That of whatever a slot shows: its main sound, or the one that is so called.
    Slot(usize, Option<String>),
    /// One sound, whatever is shown.
    Game(SoundKey),
}

/// A sound, segment by segment, and what is there of its games.
#[derive(Clone, Debug)]
pub(super) struct Sounding {
    pub games: Splices,
    pub held: Vec<(SoundKey, Held)>,
}

impl Sounding {
    /// What is there of the game that is heard in segment `n`.
    pub(super) fn held_in(&self, n: SegmentNumber) -> Option<&Held> {
        let game = self.games.mosaic_at(n)?;
        self.held.iter().find(|(key, _)| key == game).map(|(_, held)| held)
    }
}

/// What a media playlist lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lists {
    pub listing: Listing,
    /// No segment will ever be added.
    pub ended: bool,
    /// Where playlists went on after their newest break.
    pub resumed: Option<SegmentNumber>,
}

/// Segments that a player begins from (RFC 8216, 6.3.3).
pub(super) const BEGUN_WITH: usize = 3;

/// Segments before the one that runs of which the newest may not be finished yet.
pub(super) const UNFINISHED: u64 = 2;

impl Lists {
    /// The segment that is worth waiting for where this is too short to begin with, `running` being the one that runs: what stands before
    /// the first one of a mosaic is made in one go.
    pub(super) fn comes_at_once(&self, running: SegmentNumber) -> Option<SegmentNumber> {
        let newest = self.listing.segments.last()?.number;
        let is_short = !self.ended && self.listing.segments.len() < BEGUN_WITH && newest + UNFINISHED < running;
        is_short.then_some(newest + 1)
    }

    /// The newest part that is listed.
    pub(super) fn come_to(&self, parts: PartNumber) -> Option<Position> {
        let running = self.listing.running.as_ref();
        let running = running.and_then(|r| Some(Position::new(r.number, r.parts.checked_sub(1)?)));
        running.or_else(|| Some(Position::new(self.listing.segments.last()?.number, parts - 1)))
    }
}

/// One session.
pub(super) struct Session {
    pub id: Arc<str>,
    pub tenant: Arc<str>,
    pub token: Arc<str>,
    pub state: State,
    pub revision: u64,
    pub show: Show,
    pub engine: EngineKind,
    pub labels: BTreeMap<String, String>,
    pub device_id: Option<String>,
    splices: Splices,
    /// The mosaics in `splices`.
    wanted: Vec<Wanted>,
    /// What it shows beside what it was asked for.
    detour: Detour,
    past: Past,
    /// The games whose sound it has chosen, as `splices` has mosaics.
    sounds: Splices,
    /// The mosaic whose init segment every playlist of this session names: the URI must not change within a playlist's
    /// life, and its bytes are the same for every mosaic.
    map_mosaic: Arc<str>,
    numbering: Numbering,
    /// The segment that ran when a playlist was last served to it: none that is newer was listed.
    listed_by: Option<SegmentNumber>,
    /// The first part that no playlist of it can have listed.
    free_from: Position,
    /// The newest segment of which parts were listed.
    parts_of: Option<SegmentNumber>,
    /// The same in the newest snapshot.
    noted_listed_by: Option<SegmentNumber>,
    /// Of a session that has ended, the last segment.
    last_segment: Option<SegmentNumber>,
    had: Had,
    /// Segments that it asked for under addresses of its own, and had not had.
    handed: u64,
    pub effective_segment: SegmentNumber,
    /// The part of it with which the last change begins to show.
    effective_part: PartNumber,
    pub created_ms: i64,
    /// Last request for its first playlist that came too early, or when it was made.
    asked_ms: i64,
    /// Last request for a playlist, or the start of this process if that is later.
    last_seen_ms: i64,
    /// How long the service has run since, in which it could have been asked.
    idle_ms: i64,
    pub ended_ms: Option<i64>,
    meter: Meter,
    shown: ShownTimes,
    /// No rendition above it is offered, and the highest that is.
    pub max_height: Option<u32>,
    pub rights: Rights,
    /// Who plays it.
    pub players: Players,
    tier: Arc<str>,
    /// Written with the session until the store has it.
    pub idempotency: Option<IdempotencyRow>,
    version: u64,
    /// Something changed that no snapshot has yet, and that should not wait for the next booking.
    pub unsaved: bool,
    /// The newest snapshot of the whole row, and the newest that the store has. A write that fails, or whose request goes away
    /// half-way, says nothing: the two differ, and the next snapshot is whole again.
    whole_version: u64,
    whole_saved: u64,
    /// The store refused the row: it is not offered again before this.
    put_off_until_ms: i64,
    /// Seconds that the store has.
    booked_seconds: u64,
}

/// What identifies a new session.
pub(super) struct Identity {
    pub id: Arc<str>,
    pub tenant: Arc<str>,
    pub token: Arc<str>,
    pub labels: BTreeMap<String, String>,
    pub device_id: Option<String>,
    pub max_height: Option<u32>,
    pub rights: Rights,
    /// The highest rendition it is offered.
    pub tier: Arc<str>,
    pub idempotency: Option<IdempotencyRow>,
}

impl Session {
    /// A session that shows `show` from segment `begins` on, which stands still before `placement.first_segment`.
    pub(super) fn new(
        identity: Identity,
        show: Show,
        placement: &Placement,
        begins: SegmentNumber,
        now_ms: i64,
    ) -> Self {
        let mosaic = placement.id.0.clone();
        let wanted = vec![show.wanted(mosaic.clone())];
        let sounds = Splices::new(begins, show.sound_key());
        let Identity { id, tenant, token, labels, device_id, max_height, rights, tier, idempotency } = identity;
        Self {
            id,
            tenant,
            token,
            state: State::Active,
            revision: 1,
            shown: ShownTimes::new(show.shown(placement.engine)),
            show,
            engine: placement.engine,
            labels,
            device_id,
            splices: Splices::new(begins, mosaic.clone()),
            wanted,
            detour: Detour::default(),
            past: Past::default(),
            sounds,
            map_mosaic: mosaic,
            numbering: Numbering::default(),
            listed_by: None,
            free_from: Position::new(0, 0),
            parts_of: None,
            noted_listed_by: None,
            last_segment: None,
            had: Had::default(),
            handed: 0,
            effective_segment: placement.first_segment.max(begins),
            effective_part: 0,
            created_ms: now_ms,
            asked_ms: now_ms,
            last_seen_ms: now_ms,
            idle_ms: 0,
            ended_ms: None,
            meter: Meter::default(),
            max_height,
            rights,
            players: Players::default(),
            tier,
            idempotency,
            version: 0,
            unsaved: true,
            whole_version: 0,
            whole_saved: 0,
            put_off_until_ms: i64::MIN,
            booked_seconds: 0,
        }
    }

    /// Takes `trigger`, or says why not.
    pub(super) fn step(&mut self, trigger: Trigger) -> Result<(), SessionError> {
        self.state = self.state.step(trigger).map_err(|refusal| match refusal {
            Refusal::HasEnded => SessionError::SessionEnded,
            Refusal::IsGone => SessionError::SessionUnknown,
        })?;
        Ok(())
    }

    /// Of a session that has ended, the last segment that is listed.
    pub(super) fn last_segment(&self) -> Option<SegmentNumber> {
        self.last_segment
    }

    /// Mosaics that still have a segment to make from `oldest` on.
    pub(super) fn wanted(&self, oldest: SegmentNumber) -> impl Iterator<Item = &Wanted> {
        let since = self.splices.mosaics_since(oldest);
        let shown = self.wanted.iter().filter(move |wanted| since.contains(&wanted.mosaic));
        let home = self.detour.kept_home().filter(|home| !self.splices.mosaics_since(oldest).contains(&home.mosaic));
        shown.chain(home)
    }

    /// Forgets what no playlist lists any more, `oldest` being the oldest segment that any may list.
    pub(super) fn forget_before(&mut self, oldest: SegmentNumber) {
        self.splices.prune(oldest);
        self.sounds.prune(oldest);
        self.had.forget_before(oldest);
        let kept = self.splices.mosaics_since(oldest);
        self.wanted.retain(|wanted| kept.contains(&wanted.mosaic));
        self.detour.prune(oldest);
        self.past.prune(oldest);
    }

    /// The games of the mosaics that it shows or showed, each game once.
    pub(super) fn shown_games(&self) -> Vec<(Arc<str>, Vec<GameKey>)> {
        let distinct = |games: &[GameKey]| {
            let mut seen = HashSet::new();
            games.iter().filter(|game| seen.insert(*game)).cloned().collect()
        };
        self.all_wanted().map(|wanted| (wanted.mosaic.clone(), distinct(&wanted.spec.games))).collect()
    }

    /// The mosaic that part `at` is of.
    pub(super) fn mosaic_of(&self, at: Position) -> Option<&Arc<str>> {
        self.splices.mosaic_of(at)
    }

    /// The mosaic shown in segment `n`.
    pub(super) fn mosaic_at(&self, n: SegmentNumber) -> Option<&Arc<str>> {
        self.splices.mosaic_at(n)
    }

    /// What it shows from `since` on.
    pub(super) fn splices_since(&self, since: SegmentNumber) -> Splices {
        self.past.before(&self.splices).reaching_back(since)
    }

    /// Mosaics of which a playlist may list segments from `oldest` on.
    pub(super) fn mosaics_since(&self, oldest: SegmentNumber) -> Vec<Arc<str>> {
        self.past.before(&self.splices).mosaics_since(oldest)
    }

    /// What `sound` is, segment by segment: games take the place of mosaics.
    pub(super) fn sounding(&self, sound: &Sound) -> Splices {
        match sound {
            Sound::Game(key) => self.detour.sound_of(key, self.past.spans()),
            Sound::Main => self.past.sounds_before(&self.sounds).into_owned(),
            Sound::Slot(slot, track) => {
                let sounds = self.past.sounds_before(&self.sounds);
                // Where a layout has no such slot, what is heard is what the session has chosen.
                let in_slot = |splice: &Splice| {
                    // The sound of a bridge goes over when its segment is over.
                    let wanted = self.all_wanted().find(|wanted| wanted.mosaic == *splice.opens_with());
                    let game = wanted.and_then(|wanted| wanted.spec.games.get(*slot));
                    let its = game.map(|game| sound_key(game, track.as_deref()));
                    its.unwrap_or_else(|| sounds.mosaic_at(splice.from).unwrap_or(sounds.newest()).clone())
                };
                let shown = self.past.before(&self.splices);
                let mut entries = shown.entries().iter();
                let first = entries.next().map(|splice| (splice.from, in_slot(splice)));
                let (from, game) = first.unwrap_or_else(|| (0, self.sounds.newest().clone()));
                let mut sounding = Splices::new(from, game);
                entries.for_each(|splice| sounding.push(splice.from, in_slot(splice)));
                sounding
            }
        }
    }

    /// What a media playlist lists: that of the picture, or that of a sound of which `sound` is there; `held` is what is there of
    /// [`Session::mosaics_since`]. It follows from the splices and from what is there alone.
    pub(super) fn lists(&self, window: Window, held: &[(Arc<str>, Held)], sound: Option<&Sounding>) -> Lists {
        // Who asked for nothing before the end was billed for nothing, and is told nothing.
        if !self.state.is_active() && self.listed_by.is_none() {
            return Lists { listing: Listing::default(), ended: true, resumed: None };
        }
        // What comes after the end moves nothing: others may watch the same mosaics. Nor is anything of the past told then that it never had.
        let until_end = |held: &Held| match (self.last_segment, window) {
            (Some(last), Window::Newest(_)) => {
                Held { whole: held.whole.and(&Runs::from(0..=last)), come_to: held.come_to }
            }
            (Some(_), Window::Since(_)) => Held { whole: self.had.of(&held.whole), come_to: held.come_to },
            (None, _) => held.clone(),
        };
        let of = |mosaic: &str| {
            held.iter().find(|(id, _)| &**id == mosaic).map(|(_, held)| until_end(held)).unwrap_or_default()
        };
        let picture = match window {
            // Beyond a break lies what this process, as it is set up, knows nothing of.
            Window::Since(since) => {
                let since = since.max(self.numbering.newest_break().unwrap_or(0));
                self.splices_since(since).listing(Window::Since(since), of)
            }
            Window::Newest(_) => self.splices.listing(window, of),
        };
        let listing = match sound {
            Some(sound) => picture.beside(|n| sound.held_in(n).cloned().unwrap_or_default()),
            None => picture,
        };
        let (listing, ended) = match self.last_segment {
            // What it had has no more to come.
            Some(last) if matches!(window, Window::Since(_)) => (listing.until(last).0, true),
            Some(last) => listing.until(last),
            None => (listing, false),
        };
        let newest_break = self.numbering.newest_break();
        let resumed = newest_break.and_then(|at| self.splices.first_from(at, of));
        // A break shows at a whole segment: nothing of it is listed before.
        let is_over = |number| newest_break.is_none_or(|at| number < at) || resumed.is_some();
        let listing = Listing { running: listing.running.filter(|running| is_over(running.number)), ..listing };
        Lists { listing, ended, resumed }
    }

    /// The mosaic that it has come to show, and from which segment on.
    pub(super) fn newest_splice(&self) -> (&Arc<str>, SegmentNumber) {
        // Of what is planned for later nothing is to be waited for.
        let now = self.detour.is_under_way().then(|| self.splices.splice_at(self.free_from.segment)).flatten();
        now.map_or((self.splices.newest(), self.splices.newest_from()), |splice| (&splice.mosaic, splice.from))
    }

    /// The mosaic that it has come to show.
    pub(super) fn newest_mosaic(&self) -> &Arc<str> {
        self.splices.newest()
    }

    pub(super) fn map_mosaic(&self) -> &Arc<str> {
        &self.map_mosaic
    }

    pub(super) fn numbering(&self) -> &Numbering {
        &self.numbering
    }

    /// Ends the session at `now_ms`, if it has not ended; `segment_at` says which segment runs when. What was made whole before is listed, as far as
    /// it is billed: who asked for nothing any more is told nothing for nothing.
    pub(super) fn end(
        &mut self,
        reason: EndReason,
        now_ms: i64,
        segment_at: impl Fn(i64) -> SegmentNumber,
        terms: MeterTerms,
    ) -> Result<(), SessionError> {
        let was_active = self.state.is_active();
        self.step(Trigger::End(reason))?;
        if was_active {
            match reason {
                EndReason::Device | EndReason::Operator | EndReason::Restricted => self.meter.stop(now_ms, terms),
                EndReason::Idle | EndReason::Unrestorable => self.meter.stop_idle(terms),
            }
            self.ended_ms = Some(now_ms);
            // What is listed in part is listed whole before the playlist ends.
            let listed_in_part = Some(self.free_from.segment).filter(|_| self.free_from.part > 0);
            let listed = listed_in_part.max(self.free_from.segment.checked_sub(1));
            let billed_ms = self.meter.billed_until_ms().map_or(now_ms, |billed_ms| billed_ms.min(now_ms));
            self.last_segment = segment_at(billed_ms).checked_sub(1).max(listed);
            // Who played live had what is listed after its last playlist, and is billed.
            let newest = self.free_from.segment.saturating_sub(1);
            if let Some(last) = self.last_segment.filter(|last| *last > newest && self.had.contains(newest)) {
                self.had.take(newest..=last);
            }
            self.unsaved = true;
        }
        Ok(())
    }

    /// Whether the store lacks something that should not wait for the next booking.
    pub(super) fn is_unsaved(&self) -> bool {
        self.unsaved || self.whole_saved < self.whole_version
    }

    /// Whether a snapshot taken now would tell the store something.
    pub(super) fn has_news(&self) -> bool {
        // Where time went back, there is listing without billing for a while.
        self.is_unsaved() || self.noted_listed_by != self.listed_by || self.meter.unbooked().is_some()
    }

    /// The store refused this session's row or lines. What is wrong with them mostly stays so: asking every second would only
    /// cost the others.
    pub(super) fn put_off(&mut self, now_ms: i64) {
        self.put_off_until_ms = now_ms + REFUSED_RETRY_MS;
    }

    /// Whether the store is not to be bothered with it yet.
    pub(super) fn is_put_off(&self, now_ms: i64) -> bool {
        now_ms < self.put_off_until_ms
    }

    /// Notes how much of the picture is slate at `now_ms`, `live` being the games that are not off.
    pub(super) fn note_slate(&mut self, now_ms: i64, live: &HashSet<GameKey>) {
        let is_off = |game: &&Pick| !live.contains(&game.key) || self.is_barred(&game.key);
        let off = self.show.games.iter().filter(is_off).count();
        self.meter.note_slate(now_ms, Slate::of(off, self.show.games.len()));
    }

    /// Seconds that the store does not have yet.
    pub(super) fn unbooked_seconds(&self) -> u64 {
        self.meter.billable_seconds().saturating_sub(self.booked_seconds)
    }

    pub(super) fn advance_meter(&mut self, now_ms: i64, terms: MeterTerms) {
        self.meter.advance(now_ms, terms);
    }

    fn end_reason(&self) -> Option<String> {
        if let State::Ended(reason) = self.state { Some(reason.name().to_owned()) } else { None }
    }
}

/// When a change shows that is made at `at`.
pub(super) fn shows_at(grid: &Grid, at: Position) -> MediaTime {
    let within =
        grid.anchor_of(at.part).and_then(|anchor| grid.gop().pictures().get(anchor).map(|picture| picture.shown));
    grid.frame_time(grid.first_frame(at.segment) + u64::from(within.unwrap_or(0)))
}

pub(super) fn rfc_3339_ms(unix_ms: i64) -> String {
    format!("{:.3}", jiff::Timestamp::from_millisecond(unix_ms).unwrap_or(jiff::Timestamp::MAX))
}
