//! The games and their feeds.
//!
//! Lock order: `changing` (one change at a time, held over the store), then `games`, then a feed's own; `games` is never held
//! over an await or while a feed starts or stops.

mod asked;
mod break_slate;
mod by_hand;
mod came;
mod cards;
mod decoders;
mod floods;
mod for_sessions;
mod in_step;
mod on_hold;
mod rows;
mod shares;
mod sounds;
mod told;
mod trying;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};

use self::break_slate::BreakSlate;
use self::cards::Cards;
use super::borders::Borders;
use super::contract::{CatalogueError, GameOrigin, GameSpec, GameStatus, RegisteredGame};
use super::keys::{game_key, thumbnail_element};
use super::room::{MachineRoom, SharedRoom};
use super::texts::GameTexts;
use crate::config::{self, BreakPolicy, SourceUri};
use crate::cues::track::{CueTrack, Policy};
use crate::feed::{self, Apart, Decoding, Feed, FeedSignal, FeedSpec, FeedStatus, Outcome, Pace, Starts, slate};
use crate::frame::Picture;
use crate::market::GameRights;
use crate::metrics::Metrics;
use crate::mosaic::{self, Decoders, GameKey, GamePictures, MosaicRegistry, Shares};
use crate::package;
use crate::store::{Store, StoreError};
use crate::sync::Aligner;
use crate::timeline::{Clock, FrameNumber, SegmentNumber};
use crate::track::{Held, LayeredShelf, Position, Runs, Silences, SoundSettings};
use came::CameSounds;
use rows::{row, spec_of};
use sounds::Sounds;
use told::Told;
use trying::Trials;

/// Segments left out at a game's start, so that the first one is whole.
const START_MARGIN_SEGMENTS: u64 = 1;

/// Removed games whose slate is kept for the mosaics that still show them; past that the oldest slots go dark. Their sound is
/// silence in any case.
const REMOVED_KEPT: usize = 64;

/// What the catalogue works with.
pub struct CatalogueSettings {
    pub clock: Arc<dyn Clock>,
    pub metrics: Arc<Metrics>,
    pub store: Arc<dyn Store>,
    pub sound: Arc<SoundSettings>,
    /// Where its sound is read, that of the past too.
    pub shelf: LayeredShelf,
    pub pace: Pace,
    /// Whose admission says what may be decoded.
    pub registry: Arc<MosaicRegistry>,
    /// Key of the names of thumbnails.
    pub secret: [u8; 32],
    /// Games that may run on this machine.
    pub max_games: usize,
    /// How many of them tenants may register.
    pub shares: Shares,
    /// Cores that decoding them may take, by tenants, where they have a limit.
    pub decoding_limits: Shares,
    /// Of games that say nothing of their own.
    pub break_policy: BreakPolicy,
    /// No game is delayed by more than this to be in step with others.
    pub most_delay: Duration,
    /// Sounds of a game that are taken at most, its main one among them.
    pub max_sounds: usize,
    /// Where sources may lead.
    pub borders: Borders,
    /// How sources are decoded in processes of their own; `None`: they are decoded in this one.
    pub apart: Option<Arc<Apart>>,
}

struct Game {
    key: GameKey,
    spec: GameSpec,
    /// The tenant it belongs to; `None` for one of the configuration file.
    owner: Option<String>,
    /// Who may show it besides its owner, when it has none: everybody when empty.
    tenants: Vec<String>,
    thumbnail_element: String,
    feed: Arc<Feed>,
    sounds: Arc<Sounds>,
    came: Arc<CameSounds>,
    cues: Arc<Mutex<CueTrack>>,
    texts: Arc<Mutex<GameTexts>>,
    /// What stands for it in a break, where it is not to be shown then.
    break_slate: Option<BreakSlate>,
    /// `None`: it may be shown to everybody.
    rights: Option<Arc<GameRights>>,
}

impl Game {
    fn visible_to(&self, tenant: &str) -> bool {
        match &self.owner {
            Some(owner) => owner == tenant,
            None => self.tenants.is_empty() || self.tenants.iter().any(|t| t == tenant),
        }
    }

    /// Hands what the source signals to the game's cues.
    fn take_signals(&self) {
        let signals = self.feed.take_signals();
        if signals.is_empty() {
            return;
        }
        let mut cues = self.cues.lock();
        for FeedSignal { signal, source, arrived, at } in signals {
            tracing::debug!(game = %self.key, %at, ?signal, "a signal of a source");
            cues.feed(arrived, Some(at), &signal, source);
        }
    }

    /// Hands what the source writes to the game's texts. `shows` is whether the source's picture is shown.
    fn take_texts(&self, frame: FrameNumber, shows: bool) {
        let texts = self.feed.take_texts(frame);
        let languages = |service| self.feed.facts().caption_language(service);
        self.texts.lock().tick(frame, texts, shows, &languages);
    }

    fn status(&self) -> GameStatus {
        self.feed.status().into()
    }

    fn registered(&self) -> RegisteredGame {
        let origin = if self.owner.is_some() { GameOrigin::Operator } else { GameOrigin::Config };
        RegisteredGame { spec: self.spec.clone(), origin, health: self.health() }
    }
}

/// What a game's feed goes on with that takes the place of another.
#[derive(Default)]
struct Earlier {
    sounds: Option<Arc<Sounds>>,
    came: Option<Arc<CameSounds>>,
    cues: Option<Arc<Mutex<CueTrack>>>,
    texts: Option<Arc<Mutex<GameTexts>>>,
}

#[derive(Default)]
struct Games {
    /// Ordered by key, so that lists are stable.
    running: BTreeMap<GameKey, Arc<Game>>,
    /// Oldest first.
    removed: Vec<Removed>,
}

/// Who waits for the sound of a game looks this often whether the game is still there.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// A game that is gone, for those who still show it. Its last sound lies on the shelf yet; what comes after it is silence.
struct Removed {
    key: GameKey,
    slate: Option<Picture>,
}

/// See the module.
pub struct Catalogue {
    settings: CatalogueSettings,
    sound: Arc<SoundSettings>,
    shelf: LayeredShelf,
    sound_init: Bytes,
    silences: Silences,
    pace: Pace,
    decoding: Decoding,
    games: RwLock<Games>,
    changing: tokio::sync::Mutex<()>,
    last_frame: AtomicU64,
    /// The frame up to which texts lie on the shelf.
    written_to: AtomicU64,
    aligner: Mutex<Aligner<GameKey>>,
    room: Arc<SharedRoom>,
    /// Which of them may start.
    starts: Arc<Starts>,
    cards: Mutex<Cards>,
    told: Told,
    trials: Trials,
}

/// Why the catalogue cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the sound's init segment: {0}")]
    Init(#[from] package::CmafError),
}

impl Catalogue {
    /// Starts the feeds of `shared` and of every game that operators registered.
    pub async fn open(settings: CatalogueSettings, shared: Vec<config::Game>) -> Result<Arc<Self>, OpenError> {
        let (sound, shelf, pace) = (settings.sound.clone(), settings.shelf.clone(), settings.pace);
        let first = sound.grid.frame_at(settings.clock.now());
        let rows = settings.store.games().await?;
        let room = Arc::new(MachineRoom(settings.registry.clone()));
        let (max_sounds, limits) = (settings.max_sounds, settings.borders.limits);
        let (reach, apart) = (settings.borders.of(None).clone(), settings.apart.clone());
        // Each takes a processor for a moment.
        let starts = Starts::new(std::thread::available_parallelism().map_or(1, usize::from));
        let decoding = Decoding {
            room,
            costs: Arc::default(),
            max_sounds,
            reach,
            limits,
            fetches: Arc::default(),
            apart,
            starts: starts.of(None),
        };
        let aligner = Mutex::new(Aligner::new(settings.most_delay));
        let shared_room = Arc::new(SharedRoom::new(settings.registry.clone(), settings.decoding_limits.clone()));
        settings.registry.set_decoders(&(shared_room.clone() as Arc<dyn Decoders>));
        let catalogue = Arc::new(Self {
            settings,
            sound_init: package::audio_init(sound.bitrate_bps)?,
            silences: Silences::default(),
            sound,
            shelf,
            pace,
            decoding,
            games: RwLock::default(),
            changing: tokio::sync::Mutex::new(()),
            last_frame: AtomicU64::new(first),
            written_to: AtomicU64::new(0),
            aligner,
            room: shared_room,
            starts,
            cards: Mutex::default(),
            told: Told::default(),
            trials: Trials::default(),
        });
        for game in shared {
            let sources = game.sources.iter().map(|s| s.as_str().to_owned()).collect();
            let config::Game { id, title, labels, break_policy, offset_ms, rights, .. } = game;
            let spec = GameSpec { id, title, sources, labels, break_policy, offset_ms, rights };
            catalogue.run(spec, game.sources, None, game.tenants.unwrap_or_default(), Earlier::default());
        }
        for row in rows {
            let spec = spec_of(&row);
            // A source that a newer version no longer takes must not keep the service down: the game shows its slate.
            let checked = spec.checked_sources();
            let sources =
                checked.and_then(|sources| catalogue.unclaimed(&row.tenant, &spec, &sources).map(|()| sources));
            let sources = sources.unwrap_or_else(|e| {
                tracing::error!(game = spec.id, tenant = row.tenant, error = %e, "registered game cannot run");
                Vec::new()
            });
            catalogue.run(spec, sources, Some(row.tenant), Vec::new(), Earlier::default());
        }
        catalogue.resume_breaks().await?;
        Ok(catalogue)
    }

    /// Starts a game's feed and makes it known; `earlier` carries on an earlier feed's tracks.
    fn run(
        &self,
        spec: GameSpec,
        sources: Vec<SourceUri>,
        owner: Option<String>,
        tenants: Vec<String>,
        earlier: Earlier,
    ) -> Arc<Game> {
        let key = game_key(owner.as_deref(), &spec.id);
        let reach = self.borders().of(owner.as_deref()).clone();
        let room = Arc::new(self.room.of(&key, owner.as_deref()));
        let starts = self.starts.of(owner.as_deref());
        let feed = Feed::start_within(
            FeedSpec {
                key: key.clone(),
                title: spec.title.clone(),
                sources: sources.iter().map(|s| s.url().clone()).collect(),
            },
            self.sound.grid,
            self.settings.clock.clone(),
            self.pace,
            Decoding { reach, room, starts, ..self.decoding.clone() },
        );
        let from = self.next_segment();
        let new_cues = || Arc::new(Mutex::new(CueTrack::new(&spec.id, Policy::new(self.sound.grid))));
        let cues = earlier.cues.unwrap_or_else(new_cues);
        let new_texts = || Arc::new(Mutex::new(GameTexts::new(key.clone(), self.sound.grid, self.sound.shelf.clone())));
        let texts = earlier.texts.unwrap_or_else(new_texts);
        let sounds = earlier.sounds.unwrap_or_else(|| Arc::new(Sounds::new(&self.sound, &key, from)));
        sounds.mend();
        let came = earlier.came.unwrap_or_default();
        let thumbnail_element = thumbnail_element(&self.settings.secret, &key);
        let break_slate = self.break_slate(&spec);
        let rights = limits_of(&spec);
        let game = Arc::new(Game {
            key: key.clone(),
            spec,
            owner,
            tenants,
            thumbnail_element,
            feed,
            sounds,
            came,
            cues,
            texts,
            break_slate,
            rights,
        });
        let mut games = self.games.write();
        games.removed.retain(|removed| removed.key != key);
        // A feed that replaces another counts anew.
        let _ = self.settings.metrics.feed_sound_losses.remove_label_values(&[&*key]);
        self.cards.lock().forget(&key);
        games.running.insert(key, game.clone());
        game
    }

    pub(super) fn borders(&self) -> &Borders {
        &self.settings.borders
    }

    /// Shows each game that runs, and whose it is.
    pub(super) fn each_game(&self, show: &mut dyn FnMut(Option<&str>, &GameSpec)) {
        self.games.read().running.values().for_each(|game| show(game.owner.as_deref(), &game.spec));
    }

    fn by_id(&self, tenant: &str, id: &str) -> Option<Arc<Game>> {
        let games = self.games.read();
        // A tenant's own game hides a shared one of the same id.
        let own = games.running.get(&game_key(Some(tenant), id));
        own.or_else(|| games.running.get(id).filter(|g| g.visible_to(tenant))).cloned()
    }

    fn visible(&self, tenant: &str) -> Vec<Arc<Game>> {
        let mut visible: Vec<_> =
            self.games.read().running.values().filter(|g| g.visible_to(tenant)).cloned().collect();
        // Own games first where an id comes twice; then one of each.
        visible.sort_by(|a, b| (&a.spec.id, a.owner.is_none()).cmp(&(&b.spec.id, b.owner.is_none())));
        visible.dedup_by(|b, a| a.spec.id == b.spec.id);
        visible
    }

    fn by_key(&self, key: &GameKey) -> Option<Arc<Game>> {
        self.games.read().running.get(key).cloned()
    }

    /// What begins now begins with this segment.
    fn next_segment(&self) -> SegmentNumber {
        self.sound.grid.segment_of(self.last_frame.load(Ordering::Acquire)) + START_MARGIN_SEGMENTS
    }

    /// What there is of silence: what is over, as far back as tracks go.
    fn silence(&self) -> Held {
        let grid = self.sound.grid;
        let next = self.last_frame.load(Ordering::Acquire) + 1;
        let running = grid.segment_of(next);
        let newest = running.saturating_sub(1);
        let whole = Runs::from(newest.saturating_sub(self.shelf.capacity())..=newest);
        let parts = (next - grid.first_frame(running)) / u64::from(grid.part_frames());
        // Fewer than a segment has.
        let come_to = match u32::try_from(parts).ok().and_then(|parts| parts.checked_sub(1)) {
            Some(part) => Position::new(running, part),
            None => Position::end_of(&grid, newest),
        };
        Held { whole, come_to: Some(come_to) }
    }

    /// Counts feeds by status, and tells each game's slate, reconnects and sound; takes up the
    /// sounds that sources have come to bring, and starts the threads of sound that are missing. Call about once a second.
    pub fn sweep(&self) {
        let running: Vec<_> = self.games.read().running.values().cloned().collect();
        for game in running {
            game.sounds.take_up(&self.sound, &game.key, &game.feed, self.next_segment());
            game.sounds.mend();
            game.came.take_up(&self.sound, &self.silences, &game.key, &game.feed, self.next_segment());
        }
        let metrics = &self.settings.metrics;
        let now = self.settings.clock.now();
        let cues: Vec<_> = self.games.read().running.values().map(|game| game.cues.clone()).collect();
        cues.iter().for_each(|cues| cues.lock().advance(now));
        let mut counts = [(FeedStatus::Live, 0), (FeedStatus::Slate, 0), (FeedStatus::Off, 0)];
        // Told under the lock: a game that is removed meanwhile would be told after it is forgotten.
        let games = self.games.read();
        for (key, game) in &games.running {
            let health = game.feed.health();
            for (status, count) in &mut counts {
                *count += i64::from(health.status == *status);
            }
            let dark_s = if health.status == FeedStatus::Slate { now.since(health.since).as_secs() } else { 0 };
            metrics.game_slate_seconds.with_label_values(&[key]).set(i64::try_from(dark_s).unwrap_or(i64::MAX));
            metrics.game_reconnects.with_label_values(&[key]).inc_by(game.feed.untold_reconnects());
            let [requests, failures, bytes] = game.feed.take_fetches();
            metrics.game_fetches.with_label_values(&[key]).inc_by(requests);
            metrics.game_fetch_failures.with_label_values(&[key]).inc_by(failures);
            metrics.game_fetched_bytes.with_label_values(&[key]).inc_by(bytes);
            self.tell_sound(game);
            self.tell_latency(game);
            self.tell_floods(game);
        }
        let abandoned = feed::abandoned();
        metrics.pipelines_abandoned.inc_by(abandoned.total.saturating_sub(metrics.pipelines_abandoned.get()));
        metrics.pipelines_hanging.set(i64::try_from(abandoned.hanging).unwrap_or(i64::MAX));
        self.tell_starts();
        self.tell_decoders();
        for (status, count) in counts {
            metrics.feeds.with_label_values(&[status.name()]).set(count);
        }
    }

    /// How a game's sound is. Under the lock on the games, for the same reason.
    fn tell_sound(&self, game: &Game) {
        let metrics = &self.settings.metrics;
        match game.feed.av_offset_ms() {
            Some(ms) => metrics.feed_av_offset_ms.with_label_values(&[&*game.key]).set(ms),
            // Not there is not an error: it was absent before.
            None => _ = metrics.feed_av_offset_ms.remove_label_values(&[&*game.key]),
        }
        let losses = metrics.feed_sound_losses.with_label_values(&[&*game.key]);
        losses.inc_by(game.feed.sound_losses().saturating_sub(losses.get()));
    }

    /// Stops all feeds. For the end of the process.
    pub fn stop(&self) {
        let running: Vec<_> = self.games.read().running.values().cloned().collect();
        // Each waits for a pipeline to let go; together they wait no longer than the slowest.
        std::thread::scope(|scope| {
            for game in &running {
                scope.spawn(|| game.feed.stop());
            }
        });
    }

    fn own(&self, tenant: &str, id: &str) -> Result<Arc<Game>, CatalogueError> {
        match self.by_id(tenant, id) {
            None => Err(CatalogueError::Unknown(id.to_owned())),
            Some(game) if game.owner.is_none() => Err(CatalogueError::ReadOnly(id.to_owned())),
            Some(game) => Ok(game),
        }
    }

    async fn add(&self, tenant: &str, spec: GameSpec) -> Result<RegisteredGame, CatalogueError> {
        let _one_at_a_time = self.changing.lock().await;
        if self.by_id(tenant, &spec.id).is_some() {
            return Err(CatalogueError::Exists(spec.id));
        }
        let sources = self.admitted(tenant, &spec)?;
        self.add_checked(tenant, spec, sources).await
    }

    async fn add_checked(
        &self,
        tenant: &str,
        spec: GameSpec,
        sources: Vec<SourceUri>,
    ) -> Result<RegisteredGame, CatalogueError> {
        self.check_room(tenant)?;
        self.settings.store.add_game(row(tenant, &spec)).await.map_err(|e| match e {
            StoreError::Exists => CatalogueError::Exists(spec.id.clone()),
            other => CatalogueError::Store(other.to_string()),
        })?;
        let game = self.run(spec, sources, Some(tenant.to_owned()), Vec::new(), Earlier::default());
        Ok(game.registered())
    }

    async fn put(&self, tenant: &str, mut spec: GameSpec) -> Result<(RegisteredGame, bool), CatalogueError> {
        let _one_at_a_time = self.changing.lock().await;
        let before = match self.own(tenant, &spec.id) {
            Ok(before) => before,
            Err(CatalogueError::Unknown(_)) => {
                let sources = self.admitted(tenant, &spec)?;
                return Ok((self.add_checked(tenant, spec, sources).await?, true));
            }
            Err(e) => return Err(e),
        };
        spec.keep_masked(&before.spec)?;
        let sources = self.admitted(tenant, &spec)?;
        self.settings.store.replace_game(row(tenant, &spec)).await.map_err(|e| CatalogueError::Store(e.to_string()))?;
        if before.spec.sources == spec.sources && before.spec.title == spec.title {
            // Labels, the offset, rights or what is shown in breaks: the feed goes on untouched.
            let rights = limits_of(&spec);
            let game = Arc::new(Game {
                key: before.key.clone(),
                break_slate: self.break_slate(&spec),
                spec,
                owner: before.owner.clone(),
                tenants: Vec::new(),
                thumbnail_element: before.thumbnail_element.clone(),
                feed: before.feed.clone(),
                sounds: before.sounds.clone(),
                came: before.came.clone(),
                cues: before.cues.clone(),
                texts: before.texts.clone(),
                rights,
            });
            self.games.write().running.insert(game.key.clone(), game.clone());
            return Ok((game.registered(), false));
        }
        let earlier = Earlier {
            sounds: Some(before.sounds.clone()),
            came: Some(before.came.clone()),
            cues: Some(before.cues.clone()),
            texts: Some(before.texts.clone()),
        };
        let is_another = before.spec.sources != spec.sources;
        if is_another {
            self.room.holding.lock().forget(&before.key);
        }
        let game = self.run(spec, sources, Some(tenant.to_owned()), Vec::new(), earlier);
        if is_another {
            // Behind the last that is taken of the one before.
            game.cues.lock().change_source(self.settings.clock.now());
        }
        stop_aside(before.feed.clone());
        Ok((game.registered(), false))
    }

    async fn remove(&self, tenant: &str, id: &str) -> Result<(), CatalogueError> {
        let _one_at_a_time = self.changing.lock().await;
        let game = self.own(tenant, id)?;
        self.settings.store.remove_game(tenant, id).await.map_err(|e| CatalogueError::Store(e.to_string()))?;
        let gone = slate(&game.spec.title, "This game has ended");
        {
            let mut games = self.games.write();
            games.running.remove(&game.key);
            self.room.holding.lock().forget(&game.key);
            self.settings.metrics.forget_game(&game.key);
            if games.removed.len() == REMOVED_KEPT {
                games.removed.remove(0);
            }
            games.removed.push(Removed { key: game.key.clone(), slate: gone });
        }
        self.forget_breaks(&game).await;
        let sounds = i64::try_from(game.sounds.count()).unwrap_or(i64::MAX);
        self.settings.metrics.encoders.with_label_values(&["audio"]).sub(sounds);
        stop_aside(game.feed.clone());
        Ok(())
    }
}

/// To whom a game may be shown; `None`: to everybody.
fn limits_of(spec: &GameSpec) -> Option<Arc<GameRights>> {
    (!spec.rights.is_open()).then(|| Arc::new(spec.rights.clone()))
}

/// Stops a feed without making anybody wait: its pipeline may take a moment to let go.
fn stop_aside(feed: Arc<Feed>) {
    tokio::task::spawn_blocking(move || feed.stop());
}

impl mosaic::Games for Catalogue {
    fn tick(&self, frame: FrameNumber) -> GamePictures {
        self.last_frame.store(frame, Ordering::Release);
        let (running, removed) = {
            let games = self.games.read();
            let slates = games.removed.iter().filter_map(|gone| Some((gone.key.clone(), gone.slate.clone()?)));
            (games.running.values().cloned().collect::<Vec<_>>(), slates.collect::<HashMap<_, _>>())
        };
        let removed = self.cards.lock().beside(removed);
        let grid = self.sound.grid;
        let frames = &self.settings.metrics.frames;
        let mut pictures: HashMap<GameKey, Picture> = HashMap::with_capacity(running.len());
        let mut cards: HashMap<GameKey, Picture> = HashMap::with_capacity(running.len());
        for game in running {
            let pick = game.feed.picture_at(frame);
            let outcome = match pick.outcome {
                Outcome::OnTime => "on_time",
                Outcome::Held | Outcome::Slate => "held",
            };
            frames.with_label_values(&[outcome]).inc();
            frames.with_label_values(&["dropped"]).inc_by(u64::from(pick.dropped));
            game.take_signals();
            let at = grid.frame_time(frame);
            let is_off_air = game.is_off_air(at);
            game.take_texts(frame, pick.outcome != Outcome::Slate && !is_off_air);
            pictures.insert(game.key.clone(), if is_off_air { game.break_picture() } else { pick.picture });
            cards.insert(game.key.clone(), game.feed.card().clone());
            let samples = grid.sample_at_frame(frame)..grid.sample_at_frame(frame + 1);
            game.sounds.push(&game.feed, &samples, is_off_air);
            game.came.push(&game.feed, &samples, |at| game.is_off_air(at));
        }
        self.written_to.store(frame, Ordering::Release);
        GamePictures { running: pictures, removed, cards }
    }
}
