//! What the registry holds of one session: its state, what it shows, its splices and its meter. No locks, no clock, no
//! store: everything comes in as a parameter.

mod written;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub(super) use self::written::{Receipt, TakenUp};
use super::numbering::Numbering;
use super::paths::Paths;
use super::state::{EndReason, Refusal, State, Trigger};
use super::view::slots_of;
use super::watched::{Shown, ShownTimes};
use super::{OperatedSession, SessionError, SessionView, ViewState};
use crate::hls::runs::Runs;
use crate::hls::splice::{Listed, Said, Splices, beside, next_unlisted};
use crate::layout::Layout;
use crate::mosaic::{EngineChoice, EngineKind, GameKey, MosaicSpec, Placement};
use crate::store::{IdempotencyRow, SessionRow};
use crate::timeline::SegmentNumber;
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
    /// The game whose sound is the default; one of `games`.
    pub audio: String,
    pub engine: EngineChoice,
}

impl Show {
    pub(super) fn spec(&self) -> MosaicSpec {
        MosaicSpec { layout: self.layout.clone(), games: self.games.iter().map(|g| g.key.clone()).collect() }
    }

    pub(super) fn game_ids(&self) -> Vec<String> {
        self.games.iter().map(|g| g.id.clone()).collect()
    }

    fn shown(&self, engine: EngineKind) -> Shown {
        Shown { engine, layout: self.layout.id.clone(), games: self.game_ids() }
    }
}

/// A mosaic of the session's splices, as the registry of mosaics is asked for it.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub mosaic: Arc<str>,
    pub spec: MosaicSpec,
    pub engine: EngineChoice,
}

/// The segments of a playlist, oldest first.
pub(super) type Listing = Vec<Listed>;

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
    /// The mosaic whose init segment every playlist of this session names: the URI must not change within a playlist's
    /// life, and its bytes are the same for every mosaic.
    map_mosaic: Arc<str>,
    numbering: Numbering,
    /// What its playlists have listed.
    said: Said,
    /// The last listed segment in the newest snapshot.
    noted_listed: Option<SegmentNumber>,
    pub effective_segment: SegmentNumber,
    pub created_ms: i64,
    /// Last request for a playlist, or the start of this process if that is later.
    last_seen_ms: i64,
    /// How long the service has run since, in which it could have been asked.
    idle_ms: i64,
    pub ended_ms: Option<i64>,
    meter: Meter,
    shown: ShownTimes,
    /// The highest rendition it is offered.
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
    /// The highest rendition it is offered.
    pub tier: Arc<str>,
    pub idempotency: Option<IdempotencyRow>,
}

impl Session {
    /// A session that shows `show` from `placement.first_segment` on.
    pub(super) fn new(identity: Identity, show: Show, placement: &Placement, now_ms: i64) -> Self {
        let mosaic = placement.id.0.clone();
        let wanted = vec![Wanted { mosaic: mosaic.clone(), spec: show.spec(), engine: show.engine }];
        let Identity { id, tenant, token, labels, device_id, tier, idempotency } = identity;
        Self {
            id,
            tenant,
            token,
            state: State::Waiting,
            revision: 1,
            shown: ShownTimes::new(show.shown(placement.engine)),
            show,
            engine: placement.engine,
            labels,
            device_id,
            splices: Splices::new(placement.first_segment, mosaic.clone()),
            wanted,
            map_mosaic: mosaic,
            numbering: Numbering::default(),
            said: Said::default(),
            noted_listed: None,
            effective_segment: placement.first_segment,
            created_ms: now_ms,
            last_seen_ms: now_ms,
            idle_ms: 0,
            ended_ms: None,
            meter: Meter::default(),
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

    /// A playlist was asked for at `now_ms`.
    pub(super) fn seen(&mut self, now_ms: i64) {
        self.last_seen_ms = self.last_seen_ms.max(now_ms);
        self.idle_ms = 0;
    }

    /// The service has run from `since_ms` to `now_ms`; whether nobody has asked for a playlist for longer than `idle_ms` of
    /// such time.
    pub(super) fn is_idle(&mut self, since_ms: i64, now_ms: i64, idle_ms: i64) -> bool {
        self.idle_ms = self.idle_ms.saturating_add((now_ms - since_ms.max(self.last_seen_ms)).max(0));
        self.state.is_active() && self.idle_ms > idle_ms
    }

    fn last_listed(&self) -> Option<SegmentNumber> {
        self.said.last()
    }

    /// Mosaics that may still have a segment to list, `oldest` being the oldest segment that playlists hold at this time.
    pub(super) fn wanted(&self, oldest: SegmentNumber) -> impl Iterator<Item = &Wanted> {
        let since = self.splices.mosaics_since(next_unlisted(self.last_listed(), oldest).max(oldest));
        self.wanted.iter().filter(move |wanted| since.contains(&wanted.mosaic))
    }

    /// Mosaics whose segments a playlist may list now.
    pub(super) fn mosaics(&self) -> Vec<Arc<str>> {
        self.splices.mosaics_since(0)
    }

    /// What a media playlist lists at `now_ms`: that of the picture, or that of a sound of which `sound` is there. `finished`
    /// are the finished segments of [`Session::mosaics`]. Empty when there is nothing yet. Listing a segment runs the meter and
    /// fixes what a change can no longer touch.
    pub(super) fn list(
        &mut self,
        now_ms: i64,
        window_segments: usize,
        finished: &[(Arc<str>, Runs)],
        sound: Option<&Runs>,
        terms: MeterTerms,
    ) -> Result<Listing, SessionError> {
        self.step(Trigger::Polled)?;
        if !self.state.is_active() {
            return Ok(self.last_listing());
        }
        self.seen(now_ms);
        let runs = |mosaic: &str| {
            finished.iter().find(|(id, _)| &**id == mosaic).map(|(_, runs)| runs.clone()).unwrap_or_default()
        };
        let picture = self.splices.listed(&self.said, window_segments, runs);
        let listing = match sound {
            Some(there) => beside(picture.clone(), there),
            None => picture.clone(),
        };
        if let Some(first) = picture.first().map(|l| l.number).filter(|_| !listing.is_empty()) {
            self.step(Trigger::Listed)?;
            self.numbering.settle(first, self.said.last());
            self.said.note(&picture);
            self.splices.prune(first);
            let kept = self.splices.mosaics_since(first);
            self.wanted.retain(|wanted| kept.contains(&wanted.mosaic));
            self.meter.listed(now_ms, terms);
        }
        Ok(listing)
    }

    /// What an ended session's playlists list for ever: what they listed last.
    fn last_listing(&self) -> Listing {
        let listed = |number| {
            let mosaic = self.splices.mosaic_at(number)?.clone();
            Some(Listed { number, mosaic, gap: self.said.is_gap(number) })
        };
        self.said.numbers().filter_map(listed).collect()
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

    /// Shows `show` from the first segment on that is not listed yet and that `placement` has; `time_ms` is when a segment
    /// begins.
    pub(super) fn splice(&mut self, show: Show, placement: &Placement, time_ms: impl Fn(SegmentNumber) -> i64) {
        let from = next_unlisted(self.last_listed(), placement.first_segment).max(placement.first_segment);
        self.splice_at(from, placement, show.spec(), show.engine);
        self.engine = placement.engine;
        self.effective_segment = from;
        self.shown.change(time_ms(from), show.shown(placement.engine));
        self.show = show;
    }

    /// A wanted mosaic turns out to have another name: the service was set up anew since the session began. From here on it
    /// is told, and priced, by what makes it now. Its encoder's set-up may differ, so the playlist breaks and names another
    /// init segment.
    pub(super) fn rename(&mut self, old: &Arc<str>, placement: &Placement, time_ms: impl Fn(SegmentNumber) -> i64) {
        let Some(known) = self.wanted.iter().find(|w| w.mosaic == *old).cloned() else { return };
        if self.splices.newest() == old && known.mosaic != placement.id.0 {
            let from = next_unlisted(self.last_listed(), placement.first_segment).max(placement.first_segment);
            self.splice_at(from, placement, known.spec, known.engine);
            if self.state == State::Watched {
                self.numbering.break_at(from, self.last_listed());
            }
            self.map_mosaic = placement.id.0.clone();
            self.engine = placement.engine;
            self.shown.change(time_ms(from), self.show.shown(placement.engine));
            self.unsaved = true;
        }
    }

    fn splice_at(&mut self, from: SegmentNumber, placement: &Placement, spec: MosaicSpec, engine: EngineChoice) {
        let mosaic = placement.id.0.clone();
        self.splices.push(from, mosaic.clone());
        self.wanted.push(Wanted { mosaic, spec, engine });
        // Swaps that were overtaken before they showed are gone from the splices: nobody wants their mosaics.
        let kept = self.splices.mosaics_since(0);
        let mut seen = Vec::new();
        self.wanted.retain(|w| {
            let fresh = kept.contains(&w.mosaic) && !seen.contains(&w.mosaic);
            seen.push(w.mosaic.clone());
            fresh
        });
    }

    /// Ends the session at `now_ms`, if it has not ended.
    pub(super) fn end(&mut self, reason: EndReason, now_ms: i64, terms: MeterTerms) -> Result<(), SessionError> {
        let was_active = self.state.is_active();
        self.step(Trigger::End(reason))?;
        if was_active {
            match reason {
                EndReason::Device | EndReason::Operator => self.meter.stop(now_ms, terms),
                EndReason::Idle | EndReason::Unrestorable => self.meter.stop_idle(now_ms, terms),
            }
            self.ended_ms = Some(now_ms);
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
        self.is_unsaved() || self.noted_listed != self.last_listed() || self.meter.unbooked().is_some()
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
        let off = self.show.games.iter().filter(|game| !live.contains(&game.key)).count();
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

    pub(super) fn operated(&self) -> OperatedSession {
        OperatedSession {
            session: self.view(),
            device_id: self.device_id.clone(),
            labels: self.labels.clone(),
            last_seen_at: rfc_3339_ms(self.last_seen_ms),
            ended_at: self.ended_ms.map(rfc_3339_ms),
            end_reason: self.end_reason(),
        }
    }

    pub(super) fn view(&self) -> SessionView {
        let games = self.show.game_ids();
        SessionView {
            id: self.id.to_string(),
            state: if self.state.is_active() { ViewState::Active } else { ViewState::Ended },
            revision: self.revision,
            playback_url: Paths::playback(&self.token),
            layout: self.show.layout.id.clone(),
            engine: self.engine.name().to_owned(),
            slots: slots_of(&self.show.layout, &games),
            games,
            audio: self.show.audio.clone(),
            created_at: rfc_3339_ms(self.created_ms),
            effective_segment: self.numbering.sequence(self.effective_segment),
            billable_seconds: self.meter.billable_seconds(),
        }
    }
}

/// The view of a session that only the store still knows.
pub(super) fn view_of_row(row: SessionRow, layout: Option<&Layout>) -> SessionView {
    SessionView {
        playback_url: Paths::playback(&row.token),
        state: if row.ended_ms.is_none() { ViewState::Active } else { ViewState::Ended },
        slots: layout.map(|layout| slots_of(layout, &row.games)).unwrap_or_default(),
        created_at: rfc_3339_ms(row.created_ms),
        id: row.id,
        revision: row.revision,
        layout: row.layout,
        engine: row.engine,
        games: row.games,
        audio: row.audio,
        effective_segment: row.effective_segment,
        billable_seconds: row.billable_seconds,
    }
}

/// What the operator sees of a session that only the store still knows.
pub(super) fn operated_row(mut row: SessionRow, layout: Option<&Layout>) -> OperatedSession {
    OperatedSession {
        device_id: row.device_id.take(),
        labels: std::mem::take(&mut row.labels),
        last_seen_at: rfc_3339_ms(row.last_seen_ms),
        ended_at: row.ended_ms.map(rfc_3339_ms),
        end_reason: row.end_reason.take(),
        session: view_of_row(row, layout),
    }
}

pub(super) const fn choice_name(choice: EngineChoice) -> &'static str {
    match choice {
        EngineChoice::Auto => "auto",
        EngineChoice::Only(engine) => engine.name(),
    }
}

pub(super) fn choice_of(name: &str) -> EngineChoice {
    match name {
        "render" => EngineChoice::Only(EngineKind::Render),
        "stitch" => EngineChoice::Only(EngineKind::Stitch),
        _ => EngineChoice::Auto,
    }
}

fn rfc_3339_ms(unix_ms: i64) -> String {
    format!("{:.3}", jiff::Timestamp::from_millisecond(unix_ms).unwrap_or(jiff::Timestamp::MAX))
}
