//! All sessions of this process.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, OnceLock};

use parking_lot::{Mutex, RwLock};

use super::break_art::BreakArt;
use super::handed::Of;
use super::model::{BEGUN_WITH, Session, TakenUp, UNFINISHED, choice_of, view_of_row};
use super::paths::Paths;
use super::room::{Place, Rooms};
use super::settings::{SessionSettings, StartOverRight};
use super::state::EndReason;
use super::turns::Turns;
use super::{EndedBy, Games, SessionError, SessionView, StandIns};
use crate::events::Events;
use crate::hls::playlist::target_duration_s;
use crate::ladder::RenditionSpec;
use crate::layout::{Layout, Layouts};
use crate::market::{Feature, Markets};
use crate::metrics::Metrics;
use crate::mosaic::{EngineChoice, EngineKind, GameKey, MosaicId, Mosaics, Placement};
use crate::outputs::Outputs;
use crate::store::{SessionRow, SessionWrite, Store};
use crate::timeline::{Clock, Grid, MEDIA_EPOCH_UNIX_S, MediaTime, SegmentNumber};
use crate::track::{Held, LEAD_IN_SEGMENTS};
use crate::usage::{CapBoard, MeterTerms};

/// Requests with the same Idempotency-Key go one after the other; keys share this many queues.
pub(super) const IDEMPOTENCY_QUEUES: usize = 64;

/// The registry of sessions.
pub struct Sessions {
    pub(super) store: Arc<dyn Store>,
    pub(super) mosaics: Arc<dyn Mosaics>,
    pub(super) games: Arc<dyn Games>,
    pub(super) layouts: Arc<Layouts>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) grid: Grid,
    pub(super) settings: SessionSettings,
    pub(super) metrics: Arc<Metrics>,
    pub(super) paths: Paths,
    pub(super) caps: Arc<CapBoard>,
    pub(super) markets: Markets,
    /// What stands in for games in breaks, once there is somebody who knows.
    pub(super) stand_ins: OnceLock<Arc<dyn StandIns>>,
    /// The art of breaks that run.
    pub(super) break_art: BreakArt,
    pub(super) outputs: Outputs,
    /// Where to tell what happens, once that is known; and what is to be told then.
    pub(super) events: OnceLock<Arc<Events>>,
    /// The games of tenants of which a card stands somewhere, by market.
    pub(super) restricted: Mutex<HashSet<RestrictedGame>>,
    pub(super) unrestored: Mutex<Vec<SessionRow>>,
    /// The games that were live at the last sweep. Asking all of them takes locks that their media threads hold, and those give
    /// way to everybody: a creation does not wait for them.
    pub(super) live: RwLock<Arc<HashSet<GameKey>>>,
    pub(super) shelf: RwLock<Shelf>,
    pub(super) rooms: Rooms,
    /// Outputs begin one after the other in them, too.
    pub(super) idempotency_queues: Vec<tokio::sync::Mutex<()>>,
    /// When sessions were swept last.
    pub(super) swept_ms: AtomicI64,
    /// Since when the service has run without standing still: nobody could fetch anything before.
    pub(super) up_since_ms: AtomicI64,
    pub(super) idempotency_swept_ms: AtomicI64,
    pub(super) ended_swept_ms: AtomicI64,
    /// When seconds were booked last; long ago where that failed.
    pub(super) booked_ms: AtomicI64,
}

/// A session in the registry. What never changes lies beside the lock.
pub(super) struct Entry {
    pub id: Arc<str>,
    pub tenant: Arc<str>,
    pub token: Arc<str>,
    pub session: Mutex<Session>,
    pub turns: Turns,
    pub place: Place,
}

/// A tenant, its game and a market of it.
pub(super) type RestrictedGame = (Arc<str>, String, Option<String>);

/// A tenant and its Idempotency-Key.
pub(super) type TenantKey = (Arc<str>, String);

/// Active sessions, and ended ones until their playlists are forgotten and their meter is booked.
#[derive(Default)]
pub(super) struct Shelf {
    pub by_id: HashMap<Arc<str>, Arc<Entry>>,
    pub by_token: HashMap<Arc<str>, Arc<Entry>>,
    /// What idempotency keys made, as long as the session is here; the store knows the rest.
    pub by_key: HashMap<TenantKey, ([u8; 32], Arc<Entry>)>,
    /// The newest session of each output.
    pub by_output: HashMap<Arc<str>, Arc<Entry>>,
    /// How many there are of each tenant, however they ended: of viewers, and of outputs.
    held: [HashMap<Arc<str>, usize>; 2],
}

impl Shelf {
    fn held_of(&mut self, place: &Place) -> &mut usize {
        self.held[usize::from(place.is_output)].entry(place.tenant.clone()).or_default()
    }
}

impl Sessions {
    /// Opens the registry and takes up again every session that was active when the process last ended, however it ended.
    ///
    /// # Errors
    /// [`SessionError::Store`] when the store cannot be read.
    #[allow(clippy::too_many_arguments)]
    pub async fn open(
        store: Arc<dyn Store>,
        mosaics: Arc<dyn Mosaics>,
        games: Arc<dyn Games>,
        layouts: Arc<Layouts>,
        clock: Arc<dyn Clock>,
        grid: Grid,
        settings: SessionSettings,
        metrics: Arc<Metrics>,
    ) -> Result<Arc<Self>, SessionError> {
        let now = clock.now();
        let now_ms = now.unix_millis();
        let paths = Paths::new(store.secret("server_secret").await?, settings.era, grid.segment_at(now), now_ms);
        let rows = store.active_sessions().await?;
        let live = RwLock::new(Arc::new(games.live()));
        let sessions = Arc::new(Self {
            store,
            mosaics,
            games,
            layouts,
            clock,
            grid,
            settings,
            metrics,
            paths,
            caps: Arc::default(),
            markets: Markets::default(),
            stand_ins: OnceLock::new(),
            break_art: BreakArt::default(),
            outputs: Outputs::default(),
            events: OnceLock::new(),
            restricted: Mutex::default(),
            unrestored: Mutex::default(),
            live,
            shelf: RwLock::default(),
            rooms: Rooms::default(),
            idempotency_queues: (0..IDEMPOTENCY_QUEUES).map(|_| tokio::sync::Mutex::default()).collect(),
            swept_ms: AtomicI64::new(now_ms),
            up_since_ms: AtomicI64::new(now_ms),
            idempotency_swept_ms: AtomicI64::new(0),
            ended_swept_ms: AtomicI64::new(0),
            booked_ms: AtomicI64::new(0),
        });
        let found = rows.len();
        for row in rows {
            sessions.take_up(row).await;
        }
        sessions.keep_wanted();
        sessions.count();
        if found > 0 {
            tracing::info!(found, taken_up = sessions.rooms.active(false), "sessions of the last run go on");
        }
        Ok(sessions)
    }

    /// Where creations look whether a tenant has reached a cap; whoever finds out writes it there.
    pub fn caps(&self) -> Arc<CapBoard> {
        self.caps.clone()
    }

    /// Takes up one session of the last run, or ends it where it cannot go on.
    async fn take_up(&self, row: SessionRow) {
        let now_ms = self.now_ms();
        let tier = |max_height| self.tier(max_height);
        let with = |layout| TakenUp {
            layout,
            choice: choice_of(&row.engine_choice),
            tier: &tier,
            now_ms,
            segment: self.segment_at(now_ms),
            unknown_segments: self.settings.window_segments as u64,
        };
        let layout = self.layouts.get(&row.layout);
        match layout.and_then(|layout| Session::restored(row.clone(), with(layout))) {
            Some(session) => {
                let entry = self.shelve(session, None);
                self.rooms.take(&entry.place);
                // What may not be shown is not shown until the first sweep, either.
                self.direct_again(&entry);
            }
            None => {
                tracing::warn!(
                    session = row.id,
                    layout = row.layout,
                    "a session cannot go on: its row is unreadable, or its layout is gone or has other slots"
                );
                let end_reason = Some(EndReason::Unrestorable.name().to_owned());
                let session = SessionRow { ended_ms: Some(now_ms), end_reason, version: row.version + 1, ..row };
                let write = SessionWrite::whole(session.clone(), Vec::new());
                match self.store.write_sessions(vec![write]).await {
                    Ok(()) => self.note_unrestored(session),
                    // It is found so again at the next start.
                    Err(error) => tracing::warn!(%error, "the end of a session could not be written"),
                }
            }
        }
    }

    /// Sessions on the shelf by tenant, of viewers or of outputs.
    pub(super) fn shelved(&self, is_output: bool) -> HashMap<Arc<str>, usize> {
        self.shelf.read().held[usize::from(is_output)].clone()
    }

    pub(super) fn shelve(&self, session: Session, key: Option<(String, [u8; 32])>) -> Arc<Entry> {
        let output = session.rights.output.clone();
        let place = Place {
            tenant: session.tenant.clone(),
            is_output: output.is_some(),
            rate_bps: self.rate_bps(Offer::of(&session)),
        };
        let entry = Arc::new(Entry {
            id: session.id.clone(),
            tenant: session.tenant.clone(),
            token: session.token.clone(),
            session: Mutex::new(session),
            turns: Turns::default(),
            place,
        });
        let mut shelf = self.shelf.write();
        shelf.by_id.insert(entry.id.clone(), entry.clone());
        shelf.by_token.insert(entry.token.clone(), entry.clone());
        *shelf.held_of(&entry.place) += 1;
        if let Some(output) = output {
            shelf.by_output.insert(output, entry.clone());
        }
        if let Some((key, digest)) = key {
            shelf.by_key.insert((entry.tenant.clone(), key), (digest, entry.clone()));
        }
        entry
    }

    /// Takes sessions off the shelf.
    pub(super) fn forget(&self, entries: &[Arc<Entry>]) {
        if entries.is_empty() {
            return;
        }
        let mut shelf = self.shelf.write();
        for entry in entries {
            let was_there = shelf.by_id.remove(&entry.id).is_some();
            shelf.by_token.remove(&entry.token);
            *shelf.held_of(&entry.place) -= usize::from(was_there);
        }
        let Shelf { by_id, by_key, by_output, .. } = &mut *shelf;
        by_key.retain(|_, (_, entry)| by_id.contains_key(&entry.id));
        if entries.iter().any(|entry| entry.place.is_output) {
            by_output.retain(|_, entry| by_id.contains_key(&entry.id));
        }
    }

    pub(super) fn entries(&self) -> Vec<Arc<Entry>> {
        self.shelf.read().by_id.values().cloned().collect()
    }

    pub(super) fn entry(&self, tenant: &str, id: &str) -> Option<Arc<Entry>> {
        self.shelf.read().by_id.get(id).filter(|entry| &*entry.tenant == tenant).cloned()
    }

    pub(super) fn entry_of_token(&self, token: &str) -> Result<Arc<Entry>, SessionError> {
        self.shelf.read().by_token.get(token).cloned().ok_or(SessionError::SessionUnknown)
    }

    /// The session's entry, or why there is none to change: [`SessionError::SessionEnded`] if the store alone knows it.
    pub(super) async fn entry_to_change(&self, tenant: &str, id: &str) -> Result<Arc<Entry>, SessionError> {
        if let Some(entry) = self.entry(tenant, id) {
            return Ok(entry);
        }
        let known = self.store.session(tenant, id).await?.is_some();
        Err(if known { SessionError::SessionEnded } else { SessionError::SessionUnknown })
    }

    /// One session of a tenant, active or ended.
    pub async fn get(&self, tenant: &str, id: &str) -> Result<SessionView, SessionError> {
        if let Some(entry) = self.entry(tenant, id) {
            return Ok(self.fresh_view(&entry));
        }
        let row = self.store.session(tenant, id).await?.ok_or(SessionError::SessionUnknown)?;
        Ok(self.row_view(row))
    }

    fn fresh_view(&self, entry: &Entry) -> SessionView {
        entry.session.lock().advance_meter(self.now_ms(), self.terms());
        self.view_of(entry)
    }

    /// With what is the same for all sessions.
    pub(super) fn told(&self, view: SessionView) -> SessionView {
        let window_s = |right: StartOverRight| {
            let segments = u32::try_from(right.segments).unwrap_or(u32::MAX);
            u32::try_from((self.grid.segment_duration() * segments).as_secs()).unwrap_or(u32::MAX)
        };
        // A view has the session's token there.
        let playback_url = self.playback(&view.playback_url);
        SessionView { start_over_s: self.settings.start_over.map(window_s), playback_url, ..view }
    }

    fn row_view(&self, row: SessionRow) -> SessionView {
        let layout = self.layouts.get(&row.layout);
        self.told(view_of_row(row, layout.as_deref(), &self.grid))
    }

    /// Ends a session; one that has ended already stays as it is.
    pub async fn end(&self, tenant: &str, id: &str, by: EndedBy) -> Result<(), SessionError> {
        let entry = match self.entry_to_change(tenant, id).await {
            Err(SessionError::SessionEnded) => return Ok(()),
            other => other?,
        };
        let reason = match by {
            EndedBy::Device => EndReason::Device,
            EndedBy::Operator => EndReason::Operator,
        };
        self.end_entry(&entry, reason)?;
        let _ = self.persist(&entry).await;
        Ok(())
    }

    pub(super) fn end_entry(&self, entry: &Entry, reason: EndReason) -> Result<(), SessionError> {
        let mut session = entry.session.lock();
        let (was_active, now_ms) = (session.state.is_active(), self.now_ms());
        session.end(reason, now_ms, |ms| self.segment_at(ms), self.terms())?;
        if was_active {
            self.rooms.give_back(&entry.place);
            self.count();
            self.tell_ended(entry, &session);
        }
        Ok(())
    }

    pub(super) fn count(&self) {
        let number = |is_output| i64::try_from(self.rooms.active(is_output)).unwrap_or(i64::MAX);
        self.metrics.sessions.set(number(false));
        self.metrics.outputs.set(number(true));
    }

    /// The game behind a path element of `/v1/media/audio/{element}/…`, if this service signed it for segment `n`, or for the init segment. `token`: of
    /// a session's own address.
    pub fn sound_of(&self, element: &str, n: Option<SegmentNumber>, token: Option<&str>) -> Option<GameKey> {
        let game = self.paths.game_of(element, n, token)?;
        (self.may_hear(&game, token) && self.may_have(n.map(Of::Segment), token)).then_some(game)
    }

    /// The rendition behind the second path element of `/v1/media/{mosaic}/{element}/…`, if this service signed it for the mosaic and segment `n`, or
    /// for the init segment. `token`: of a session's own address.
    pub fn rendition_of<'a>(
        &self,
        mosaic: &str,
        element: &'a str,
        n: Option<SegmentNumber>,
        token: Option<&str>,
    ) -> Option<&'a str> {
        let rendition = self.paths.rendition_of(mosaic, element, n, token)?;
        (self.may_see(rendition, token) && self.may_have(n.map(Of::Segment), token)).then_some(rendition)
    }

    /// The same where the picture that opens the segment is asked for, and no more of it.
    pub fn rendition_of_picture<'a>(
        &self,
        mosaic: &str,
        element: &'a str,
        n: SegmentNumber,
        token: Option<&str>,
    ) -> Option<&'a str> {
        let rendition = self.paths.rendition_of(mosaic, element, Some(n), token)?;
        (self.may_see(rendition, token) && self.may_have(Some(Of::Beside(n)), token)).then_some(rendition)
    }

    /// The address of segment `n` of a mosaic in one rendition.
    pub fn segment_address(&self, mosaic: &str, rendition: &str, n: SegmentNumber) -> String {
        self.paths.rung(mosaic, rendition).segment(n)
    }

    pub(super) fn now_ms(&self) -> i64 {
        self.clock.now().unix_millis()
    }

    pub(super) fn segment_ms(&self) -> i64 {
        i64::try_from(self.grid.segment_duration().as_millis()).unwrap_or(i64::MAX)
    }

    pub(super) fn terms(&self) -> MeterTerms {
        let idle_ms = self.idle_ms();
        let grace_ms = i64::from(target_duration_s(&self.grid)) * 1000;
        // A player asks once a target duration (RFC 8216, 6.3.4). Where one request in a row is late or lost, it still plays.
        MeterTerms { grace_ms, pause_ms: (2 * grace_ms).min(idle_ms) }
    }

    /// A session without a playlist request for this long ends.
    pub(super) fn idle_ms(&self) -> i64 {
        let idle = self.settings.start_over.map_or(self.settings.idle, |right| right.pause);
        i64::try_from(idle.as_millis()).unwrap_or(i64::MAX)
    }

    /// The segment that runs.
    pub(super) fn running(&self) -> SegmentNumber {
        self.segment_at(self.now_ms())
    }

    /// Segments that a playlist may list at most, whatever was asked for.
    pub(super) fn reach(&self) -> u64 {
        let segments = self.settings.start_over.map_or(0, |right| right.segments);
        segments.max(2 * self.settings.window_segments as u64)
    }

    /// The renditions that a session may be offered: those that everything plays first, each best first.
    pub(super) fn offered(&self, offer: Offer) -> impl Iterator<Item = &RenditionSpec> {
        let Offer { max_height, hdr } = offer;
        let is_offered =
            move |r: &&RenditionSpec| max_height.is_none_or(|most| r.height <= most) && (hdr || !r.is_hdr());
        self.mosaics.renditions().iter().filter(is_offered)
    }

    /// Whether there is nothing of a mosaic in rendition `rendition`, which is one of the ladder.
    pub(super) fn lacks(&self, mosaic: &str, rendition: &str) -> bool {
        let is_rare = |r: &RenditionSpec| r.name == rendition && !r.plays_everywhere();
        self.mosaics.renditions().iter().any(is_rare) && !self.mosaics.has(&MosaicId(mosaic.into()), rendition)
    }

    /// Whether what a session shows now and after each change is in HEVC, too: no mosaic of tiles is.
    pub(super) fn stays_in_hevc(&self, engine: EngineChoice) -> bool {
        let stitches = |layout: &Arc<Layout>| self.mosaics.engines_for(layout).contains(&EngineKind::Stitch);
        engine == EngineChoice::Only(EngineKind::Render) || !self.layouts.iter().any(stitches)
    }

    /// Rows of pixels of the lowest rendition that plays everywhere.
    pub fn least_height(&self) -> u32 {
        let for_all = self.mosaics.renditions().iter().filter(|r| r.plays_everywhere());
        for_all.map(|r| r.height).min().unwrap_or(0)
    }

    pub(super) fn check_height(&self, max_height: Option<u32>) -> Result<(), SessionError> {
        let least = self.least_height();
        match max_height {
            Some(given) if given < least => Err(SessionError::HeightTooLow { given, least }),
            Some(_) | None => Ok(()),
        }
    }

    /// Name of the highest rendition in H.264 that a session is offered: its place in the price list.
    pub(super) fn tier(&self, max_height: Option<u32>) -> Arc<str> {
        let offer = Offer { max_height, hdr: false };
        let for_all = self.offered(offer).filter(|r| r.plays_everywhere());
        let highest = for_all.max_by_key(|r| (r.height, r.width, r.bitrate_bps));
        highest.map_or("", |r| r.name.as_str()).into()
    }

    /// The segment that the instant `unix_ms` lies in.
    pub(super) fn segment_at(&self, unix_ms: i64) -> u64 {
        let media_ms = unix_ms.saturating_sub_unsigned(MEDIA_EPOCH_UNIX_S * 1000);
        self.grid.segment_at(MediaTime::from_millis(u64::try_from(media_ms).unwrap_or(0)))
    }
}

/// What bounds the renditions of a session.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offer {
    pub max_height: Option<u32>,
    pub hdr: bool,
}

impl Offer {
    pub fn of(session: &Session) -> Self {
        Self { max_height: session.max_height, hdr: session.rights.tier.has(Feature::Hdr) }
    }
}

/// The segment from which a session that has shown nothing yet shows `placement`, of which `held` is there: with its lead-in, but after what others
/// may have to step over. `made_in` is the segment that ran when the session was made.
///
/// What others watched before it was made it is given no more of than a player begins with: else every new session would be a window that nobody is billed.
pub(super) fn begins(placement: &Placement, held: &Held, made_in: SegmentNumber) -> SegmentNumber {
    let lead_in = placement.first_segment.saturating_sub(LEAD_IN_SEGMENTS);
    let begins = held.whole.newest_run().map_or(lead_in, |run| lead_in.max(*run.start()));
    // Where nothing is there yet, what comes first are stills.
    begins.max(newest_to_begin_with(held, made_in).unwrap_or(0))
}

/// The first of the newest segments that a player begins with while `running` runs, if any is there.
pub(super) fn newest_to_begin_with(held: &Held, running: SegmentNumber) -> Option<SegmentNumber> {
    // As many that are finished.
    let next = (held.whole.newest()? + 1).clamp(running.saturating_sub(UNFINISHED), running);
    Some(next.saturating_sub(BEGUN_WITH as u64))
}
