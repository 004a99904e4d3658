//! What the store is told of a session, and what a session is taken up from by the next process.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::super::had::Had;
use super::super::numbering::Numbering;
use super::super::rights::Rights;
use super::super::splice::Splices;
use super::super::state::State;
use super::super::tickets::Players;
use super::super::watched::{Shown, ShownTimes};
use super::detour::{Detour, Stay};
use super::{Past, Pick, Session, Show};
use crate::assets::Skin;
use crate::layout::Layout;
use crate::mosaic::{EngineChoice, EngineKind};
use crate::store::{MeterLine, SessionMeterRow, SessionPart, SessionRow, SessionWrite, StoreError, Watched};
use crate::timeline::SegmentNumber;
use crate::track::Position;
use crate::usage::{Booking, MARKET_LABEL, Meter, MinuteSeconds};

/// What a session is taken up with by a new process.
pub(in crate::session) struct TakenUp<'a> {
    pub layout: Arc<Layout>,
    pub choice: EngineChoice,
    /// The highest rendition that it is offered from now on, of those up to a height.
    pub tier: &'a dyn Fn(Option<u32>) -> Arc<str>,
    pub now_ms: i64,
    /// The segment that runs now.
    pub segment: SegmentNumber,
    /// Segments that the process before may have listed since it wrote the row.
    pub unknown_segments: u64,
}

/// What a snapshot covered; handed back when it is on the disk.
pub(in crate::session) struct Receipt {
    version: u64,
    is_whole: bool,
    booking: Option<Booking>,
}

/// The part of a session's row that only this module reads.
#[derive(Serialize, Deserialize)]
struct Saved {
    splices: Splices,
    games: Vec<Pick>,
    map_mosaic: Arc<str>,
    #[serde(default)]
    numbering: Numbering,
    /// Absent in rows of a version that had none.
    #[serde(default)]
    sounds: Option<Splices>,
    #[serde(default)]
    max_height: Option<u32>,
    #[serde(default)]
    skin: Option<Arc<Skin>>,
    /// Absent in rows of a version that had no markets.
    #[serde(default)]
    rights: Rights,
    #[serde(default)]
    audio_is_chosen: bool,
    /// Before when its addresses were taken back: playback URLs, players.
    #[serde(default)]
    taken_back_ms: (i64, i64),
    /// Absent where it shows what it was asked for, and in rows of a version that wrote down nothing else.
    #[serde(default)]
    stay: Option<Stay>,
}

impl Saved {
    /// Shows from segment `segment` on, which runs, what the session was asked for.
    fn go_on(&mut self, segment: SegmentNumber) -> Detour {
        let stay = self.stay.take();
        let detour = stay.map(|stay| stay.taken_up(segment, &mut self.splices, self.sounds.as_mut()));
        // A change that was to show later shows now: nobody has the segments until then. This is also where time went back.
        if self.splices.newest_from() > segment {
            self.splices = Splices::new(segment, self.splices.newest().clone());
        }
        detour.unwrap_or_default()
    }
}

/// What a session's row says of the renditions that it is offered, and of what it may have.
pub(in crate::session) fn offer_of(row: &SessionRow) -> (Option<u32>, Rights) {
    serde_json::from_str::<Saved>(&row.splices).map(|saved| (saved.max_height, saved.rights)).unwrap_or_default()
}

pub(in crate::session) const fn choice_name(choice: EngineChoice) -> &'static str {
    match choice {
        EngineChoice::Auto => "auto",
        EngineChoice::Only(engine) => engine.name(),
    }
}

pub(in crate::session) fn choice_of(name: &str) -> EngineChoice {
    match name {
        "render" => EngineChoice::Only(EngineKind::Render),
        "stitch" => EngineChoice::Only(EngineKind::Stitch),
        _ => EngineChoice::Auto,
    }
}

/// The skin that a session's row names.
pub(super) fn skin_of(row: &SessionRow) -> Option<String> {
    Some(serde_json::from_str::<Saved>(&row.splices).ok()?.skin?.id.clone())
}

impl Session {
    /// A session taken up again from its row. The present counts as its last playlist request, so that an outage does not end
    /// it; the meter keeps to what was really asked for. `None` when the row cannot be read or no longer fits its layout.
    pub(in crate::session) fn restored(row: SessionRow, with: TakenUp) -> Option<Self> {
        let TakenUp { layout, choice, tier, now_ms, segment, unknown_segments } = with;
        let mut saved: Saved = serde_json::from_str(&row.splices).ok()?;
        let meter = serde_json::from_str::<Meter>(&row.meter).ok()?.restored();
        if saved.games.len() != layout.slots.len() {
            return None;
        }
        let detour = saved.go_on(segment);
        let show = Show {
            layout,
            games: saved.games,
            audio: row.audio,
            engine: choice,
            skin: saved.skin,
            is_chosen: saved.audio_is_chosen,
        };
        let engine = if row.engine == EngineKind::Stitch.name() { EngineKind::Stitch } else { EngineKind::Render };
        // Only what the session came to is wanted again: older mosaics' segments went with the old process.
        let newest = saved.splices.newest().clone();
        let wanted = vec![show.wanted(newest)];
        let sounds = saved.sounds.filter(|sounds| sounds.newest_from() <= segment);
        let sounds = sounds.unwrap_or_else(|| Splices::new(segment, show.sound_key()));
        // What was listed had begun. If it is yet to come, time went back, and these numbers come once more.
        let last = row.last_listed.or(saved.numbering.before_newest_break()).filter(|last| *last > segment);
        if let Some(last) = last {
            saved.numbering.go_on_from(segment, last, unknown_segments);
        }
        let listed_by = row.last_listed.filter(|_| last.is_none());
        Some(Self {
            id: row.id.into(),
            tenant: row.tenant.into(),
            token: row.token.into(),
            state: State::Active,
            revision: row.revision,
            engine,
            labels: row.labels,
            device_id: row.device_id,
            splices: saved.splices,
            wanted,
            detour,
            past: Past::default(),
            sounds,
            map_mosaic: saved.map_mosaic,
            numbering: saved.numbering,
            listed_by,
            free_from: Position::new(listed_by.map_or(0, |listed_by| listed_by.max(segment) + 1), 0),
            parts_of: None,
            noted_listed_by: listed_by,
            last_segment: None,
            // It is in no row: after a restart nothing of before is played again when the session is over.
            had: Had::default(),
            handed: 0,
            effective_segment: row.effective_segment.min(segment),
            effective_part: 0,
            created_ms: row.created_ms,
            asked_ms: row.created_ms,
            last_seen_ms: now_ms,
            idle_ms: 0,
            ended_ms: None,
            booked_seconds: meter.billable_seconds(),
            meter,
            shown: ShownTimes::new(show.shown(engine)),
            max_height: saved.max_height,
            rights: saved.rights,
            players: Players::taken_up(saved.taken_back_ms),
            tier: tier(saved.max_height),
            idempotency: None,
            version: row.version,
            unsaved: last.is_some(),
            whole_version: 0,
            whole_saved: 0,
            put_off_until_ms: i64::MIN,
            show,
        })
    }

    /// What the store should have: the whole row where something changed, else what the meter moved on alone.
    pub(in crate::session) fn snapshot(&mut self) -> Result<(SessionWrite, Receipt), StoreError> {
        self.version += 1;
        self.noted_listed_by = self.listed_by;
        let booking = self.meter.unbooked();
        let is_whole = self.is_unsaved();
        let part = if is_whole {
            let row = self.row()?;
            (self.whole_version, self.unsaved) = (self.version, false);
            SessionPart::Whole(Box::new(row), self.idempotency.clone())
        } else {
            SessionPart::Meter(SessionMeterRow {
                session_id: self.id.to_string(),
                version: self.version,
                meter: self.meter_json()?,
                last_listed: self.listed_by,
                last_seen_ms: self.last_seen_ms,
                billable_seconds: self.meter.billable_seconds(),
            })
        };
        let write = SessionWrite { part, lines: self.lines(booking.as_ref()) };
        Ok((write, Receipt { version: self.version, is_whole, booking }))
    }

    fn row(&self) -> Result<SessionRow, StoreError> {
        let saved = Saved {
            splices: self.splices.clone(),
            games: self.show.games.clone(),
            map_mosaic: self.map_mosaic.clone(),
            numbering: self.numbering.clone(),
            sounds: Some(self.sounds.clone()),
            max_height: self.max_height,
            skin: self.show.skin.clone(),
            rights: self.rights.clone(),
            audio_is_chosen: self.show.is_chosen,
            taken_back_ms: (self.players.urls_from_ms, self.players.players_from_ms),
            stay: self.stay(),
        };
        Ok(SessionRow {
            id: self.id.to_string(),
            tenant: self.tenant.to_string(),
            token: self.token.to_string(),
            version: self.version,
            revision: self.revision,
            layout: self.show.layout.id.clone(),
            engine_choice: choice_name(self.show.engine).to_owned(),
            engine: self.engine.name().to_owned(),
            games: self.show.game_ids(),
            audio: self.show.audio.clone(),
            labels: self.labels.clone(),
            device_id: self.device_id.clone(),
            splices: serde_json::to_string(&saved).map_err(|e| StoreError::Failed(e.to_string()))?,
            meter: self.meter_json()?,
            last_listed: self.listed_by,
            effective_segment: self.effective_segment,
            created_ms: self.created_ms,
            last_seen_ms: self.last_seen_ms,
            ended_ms: self.ended_ms,
            end_reason: self.end_reason(),
            billable_seconds: self.meter.billable_seconds(),
        })
    }

    fn meter_json(&self) -> Result<String, StoreError> {
        serde_json::to_string(&self.meter).map_err(|e| StoreError::Failed(e.to_string()))
    }

    /// The labels of its lines: its own, and the market that it was made in.
    fn labels_of_lines(&self) -> BTreeMap<String, String> {
        let market = self.rights.market.iter().map(|market| (MARKET_LABEL.to_owned(), market.clone()));
        self.labels.clone().into_iter().chain(market).collect()
    }

    fn lines(&self, booking: Option<&Booking>) -> Vec<MeterLine> {
        let Some(booking) = booking else { return Vec::new() };
        let labels = self.labels_of_lines();
        let line = |minute: &MinuteSeconds, until_ms: i64| {
            let last_ms = (minute.minute_start_ms + 60_000).min(until_ms) - 1;
            let Shown { engine, layout, games } = self.shown.at(last_ms.max(minute.minute_start_ms)).clone();
            MeterLine {
                tenant: self.tenant.to_string(),
                session_id: self.id.to_string(),
                minute_start_ms: minute.minute_start_ms,
                billable_seconds: minute.seconds,
                slate_seconds: minute.slate_seconds,
                slate_all_seconds: minute.slate_all_seconds,
                watched: Watched {
                    engine: engine.name().to_owned(),
                    layout,
                    tier: self.tier.to_string(),
                    games,
                    labels: labels.clone(),
                },
            }
        };
        booking.minutes.iter().map(|minute| line(minute, booking.until_ms)).collect()
    }

    /// The snapshot behind `receipt` is on the disk; the seconds it booked that were not booked before.
    pub(in crate::session) fn saved(&mut self, receipt: &Receipt) -> u64 {
        if receipt.is_whole {
            self.idempotency = None;
            self.whole_saved = self.whole_saved.max(receipt.version);
        }
        let Some(booking) = &receipt.booking else { return 0 };
        self.meter.booked(booking);
        self.shown.forget_before(booking.until_ms - booking.until_ms.rem_euclid(60_000));
        let fresh = booking.total_seconds.saturating_sub(self.booked_seconds);
        self.booked_seconds += fresh;
        fresh
    }
}
