//! What markets show while a game is in a break: its slate, or advertisements that a server decides on, in the game's slot and with their sound, made beforehand.
//!
//! A stand-in is a game that nothing is decoded or encoded for: its blocks are made once and put down in its tracks, as if an encoder had, a few seconds ahead. So
//! everything after the shelf is as ever, and what a thousand sessions see in a break costs a thousand copies of bytes.
//!
//! Lock order: `state`, then a creative's; nothing waits or is decided with either held.

mod asking;
mod bygone;
mod creative;
mod fill;
mod kept;
mod lineup;
mod stand_in;
#[cfg(test)]
mod tests;
mod told;
mod workshop;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;

use self::asking::Asking;
pub use self::asking::check_decision_url;
use self::bygone::Bygone;
use self::creative::Creative;
pub use self::fill::{Fills, MarketFill};
use self::kept::Kept;
use self::lineup::Lineup;
use self::stand_in::StandIn;
use self::workshop::{Tools, Workshop};
use crate::assets::{Assets, Skin};
use crate::decisions::{Ahead, Beacons, Bounds};
use crate::feed::{Apart, BREAK, slate};
use crate::frame::Picture;
use crate::market::MarketBreakPolicy;
use crate::metrics::Metrics;
use crate::mosaic::{GameKey, MosaicRegistry, MosaicSpec, ReelMaker};
use crate::reach::Reach;
use crate::session::{BreakAsk, BygoneAsk, Games, Instead, Served, StandIns};
use crate::store::{BeaconRows, LineupRows};
use crate::timeline::{Clock, Grid, SegmentNumber};
use crate::track::{LayeredShelf, TileName, stand_in};

/// Creatives that are fetched at once.
const FETCHED_AT_ONCE: usize = 8;

/// Memory that what is made of creatives may take; those that were shown longest ago go first.
const CREATIVES_BYTES: usize = 512 << 20;

/// Room on the disk for creatives and what is made of them; those that were shown longest ago go first.
const KEPT_BYTES: u64 = 1 << 30;

/// So many creatives are known at once, at most: those that could not be had have no bytes, and a peer may name each anew.
const MOST_CREATIVES: usize = 4_096;

/// What no session has asked for this long is put down no further.
const UNUSED_AFTER_MS: i64 = 15_000;

/// It is forgotten when nothing of it can be listed or told any more.
const FORGOTTEN_AFTER_MS: i64 = 15 * 60_000;

/// Stand-ins at once: where each session has its own, each of them shows one or two.
const MOST_STAND_INS: usize = 32_768;

/// What a tenant's requests may lead to.
pub type ReachOf = dyn Fn(&str) -> Reach + Send + Sync;

/// What breaks are made with.
pub struct BreakSettings {
    pub maker: Arc<ReelMaker>,
    pub clock: Arc<dyn Clock>,
    pub metrics: Arc<Metrics>,
    pub shelf: LayeredShelf,
    pub registry: Arc<MosaicRegistry>,
    pub games: Arc<dyn Games>,
    pub assets: Arc<Assets>,
    pub beacons: Arc<dyn BeaconRows>,
    pub lineups: Arc<dyn LineupRows>,
    pub fills: Arc<Fills>,
    pub reach_of: Arc<ReachOf>,
    /// Where creatives lie, also for the next process.
    pub dir: PathBuf,
    pub apart: Option<Arc<Apart>>,
    pub bounds: Bounds,
}

/// A creative of a tenant, by its address and the segments that it is said to last.
type CreativeKey = (Arc<str>, String, u64);

#[derive(Default)]
struct State {
    stand_ins: HashMap<GameKey, StandIn>,
    /// Those that a server is asked for.
    asking: HashMap<GameKey, Asking>,
    /// What the last process had decided, until somebody asks for it.
    kept: HashMap<GameKey, Lineup>,
    creatives: HashMap<CreativeKey, Arc<Creative>>,
    /// Those of the past.
    bygones: HashMap<GameKey, Bygone>,
}

/// See the module.
pub struct Breaks {
    settings: BreakSettings,
    grid: Grid,
    kept: Arc<Kept>,
    workshop: Workshop,
    ahead: Ahead<GameKey>,
    fetching: Arc<Semaphore>,
    state: Arc<Mutex<State>>,
    beacons: Beacons,
    fills: Arc<Fills>,
    /// Beacons that are to be kept, and whose.
    telling: Mutex<Vec<(Arc<str>, String, String)>>,
}

impl Breaks {
    /// Starts its threads.
    ///
    /// # Errors
    /// Where the folder cannot be made, or the system has no threads.
    pub fn start(settings: BreakSettings) -> std::io::Result<Arc<Self>> {
        let kept = Arc::new(Kept::open(settings.dir.clone(), KEPT_BYTES)?);
        let tools = Tools {
            maker: settings.maker.clone(),
            clock: settings.clock.clone(),
            metrics: settings.metrics.clone(),
            kept: kept.clone(),
            apart: settings.apart.clone(),
            sound_bitrate_bps: settings.games.sound_bitrate_bps(),
        };
        let beacons = Beacons::new(settings.beacons.clone(), settings.reach_of.clone());
        Ok(Arc::new(Self {
            grid: settings.maker.grid(),
            kept,
            workshop: Workshop::start(tools)?,
            ahead: Ahead::default(),
            fetching: Arc::new(Semaphore::new(FETCHED_AT_ONCE)),
            state: Arc::default(),
            beacons,
            fills: settings.fills.clone(),
            telling: Mutex::default(),
            settings,
        }))
    }

    fn now_ms(&self) -> i64 {
        self.settings.clock.now().unix_millis()
    }

    fn running(&self) -> SegmentNumber {
        self.grid.segment_at(self.settings.clock.now())
    }

    /// Puts down what is due, and sees to what was decided. Called every second, in front of the sessions; quick.
    pub fn step(self: &Arc<Self>) {
        let (now_ms, running) = (self.now_ms(), self.running());
        self.follow_decisions();
        let mut state = self.state.lock();
        let State { stand_ins, asking, .. } = &mut *state;
        for (key, its) in stand_ins.iter_mut().filter(|(_, its)| now_ms - its.asked_ms < UNUSED_AFTER_MS) {
            if its.lay(&self.settings.maker, &self.settings.shelf, running)
                && let Some(asking) = asking.get_mut(key)
            {
                // Another process is to know what is seen of what this one put down.
                asking.is_unkept = true;
            }
        }
        state.stand_ins.retain(|_, its| now_ms - its.asked_ms < FORGOTTEN_AFTER_MS);
        let State { stand_ins, asking, creatives, bygones, .. } = &mut *state;
        asking.retain(|key, _| stand_ins.contains_key(key));
        forget_creatives(creatives);
        self.forget_bygones(bygones);
        self.settings.metrics.stand_ins.set(i64::try_from(stand_ins.len()).unwrap_or(i64::MAX));
        drop(state);
        self.ahead.forget_before(now_ms - FORGOTTEN_AFTER_MS);
    }

    /// The picture that stands for a game in a break.
    fn face(title: &str) -> Option<Picture> {
        slate(title, BREAK)
    }

    /// What the game is called that the tenant calls `id`.
    fn title_of(&self, tenant: &str, id: &str) -> String {
        self.settings.games.find(tenant, id).map_or_else(|| id.to_owned(), |game| game.title)
    }

    /// What `session` asks for under the name `key`; false where there is no room for it.
    fn want(self: &Arc<Self>, state: &mut State, key: &GameKey, ask: &BreakAsk) -> bool {
        let now_ms = self.now_ms();
        if !state.stand_ins.contains_key(key) {
            let title = self.title_of(ask.tenant, ask.game.0);
            let Some(face) = Self::face(&title).filter(|_| state.stand_ins.len() < MOST_STAND_INS) else {
                return false;
            };
            let fresh = StandIn::new((ask.tenant, &ask.market.id), face, ask.from, now_ms);
            state.stand_ins.insert(key.clone(), fresh);
        }
        let Some(its) = state.stand_ins.get_mut(key) else { return false };
        (its.asked_ms, its.from, its.until) = (now_ms, ask.from, ask.until);
        true
    }

    /// From when on `key` can be shown in a mosaic like that of `ask`.
    fn used(self: &Arc<Self>, state: &mut State, key: &GameKey, ask: &BreakAsk) -> Used {
        let tiles = self.settings.registry.tiles_of(&in_place(ask, key), key);
        let Some(its) = state.stand_ins.get_mut(key).filter(|_| !tiles.is_empty()) else { return Used::Nowhere };
        let face = its.face.clone();
        let (from, fresh) = its.used_in(&tiles, &self.settings.shelf);
        for tile in fresh {
            self.make_still(key, tile, face.clone(), its);
        }
        from.map_or(Used::Coming, Used::From)
    }

    /// `all`, but the slate, which is silent, where the tiles that `ask` is for show it in place of an advertisement that others see.
    fn unheard(self: &Arc<Self>, state: &mut State, ask: &BreakAsk, all: Instead) -> Option<Vec<Instead>> {
        let tiles = self.settings.registry.tiles_of(&in_place(ask, &all.stand_in), &all.stand_in);
        let its = state.stand_ins.get(&all.stand_in);
        let unseen = its.map(|its| its.unseen_in(&tiles, self.running())).unwrap_or_default();
        let slate = slate_of(ask);
        if unseen.is_empty() || !self.want(state, &slate, ask) {
            return Some(vec![all]);
        }
        match self.used(state, &slate, ask) {
            Used::Nowhere => Some(vec![all]),
            Used::Coming => None,
            Used::From(laid) => Some(all.with(&slate, unseen.into_iter().map(|its| its.start.max(laid)..its.end))),
        }
    }

    fn make_still(&self, key: &GameKey, tile: TileName, face: Picture, its: &mut StandIn) {
        let (state, key, name) = (self.state.clone(), key.clone(), tile.clone());
        let (shelf, clock) = (self.settings.shelf.clone(), self.settings.clock.clone());
        let is_taken = self.workshop.still(move |tools| {
            let still = tools.maker.still(&name, &face);
            if let Err(error) = &still {
                tracing::error!(rung = %name.rung, %error, "no slate for a break");
            }
            let mut state = state.lock();
            let Some(its) = state.stand_ins.get_mut(&key) else { return };
            its.still_made(&name, still.ok());
            if its.lay(&tools.maker, &shelf, tools.grid().segment_at(clock.now()))
                && let Some(asking) = state.asking.get_mut(&key)
            {
                asking.is_unkept = true;
            }
        });
        if !is_taken {
            its.still_made(&tile, None);
        }
    }
}

/// From when on something can be shown.
enum Used {
    /// It has no tile there.
    Nowhere,
    /// Its tiles are being made.
    Coming,
    From(SegmentNumber),
}

/// What is asked for, `key` in the place of its game.
fn in_place(ask: &BreakAsk, key: &GameKey) -> MosaicSpec {
    stands_in(ask.spec, ask.game.1, key)
}

/// `spec`, `key` in the place of `game`.
fn stands_in(spec: &MosaicSpec, game: &GameKey, key: &GameKey) -> MosaicSpec {
    let games = spec.games.iter().map(|its| if its == game { key.clone() } else { its.clone() });
    MosaicSpec { games: games.collect(), ..spec.clone() }
}

/// The name of the slate alone.
fn slate_of(ask: &BreakAsk) -> GameKey {
    name_of(ask.tenant, "slate", &[ask.game.1, &ask.market.id])
}

/// The name of a stand-in: what it is, and what it is of.
fn name_of(tenant: &str, kind: &str, of: &[&str]) -> GameKey {
    let mut digest = Sha256::new();
    for text in of {
        digest.update((text.len() as u64).to_be_bytes());
        digest.update(text);
    }
    stand_in(tenant, &format!("{kind}.{}", hex::encode(&digest.finalize()[..10])))
}

fn forget_creatives(creatives: &mut HashMap<CreativeKey, Arc<Creative>>) {
    let mut bytes: usize = creatives.values().map(|creative| creative.bytes()).sum();
    while bytes > CREATIVES_BYTES || creatives.len() > MOST_CREATIVES {
        // Those that a break has are in its hands, too.
        let unused = creatives.iter().filter(|(_, creative)| Arc::strong_count(creative) == 1);
        let Some(oldest) = unused.min_by_key(|(_, creative)| creative.used_ms()).map(|(key, _)| key.clone()) else {
            return;
        };
        // What is kept of it on the disk has room of its own.
        let Some(gone) = creatives.remove(&oldest) else { return };
        bytes -= gone.bytes();
    }
}

/// Sessions hold [`Breaks`] by this.
pub struct BreaksOfSessions(pub Arc<Breaks>);

impl StandIns for BreaksOfSessions {
    fn instead(&self, ask: &BreakAsk) -> Option<Vec<Instead>> {
        let breaks = &self.0;
        let mut state = breaks.state.lock();
        let key = match ask.market.breaks.policy {
            MarketBreakPolicy::Programme | MarketBreakPolicy::SqueezeBack => return Some(Vec::new()),
            MarketBreakPolicy::Slate => slate_of(ask),
            MarketBreakPolicy::Advertisement => breaks.name_of_asked(ask),
        };
        if !breaks.want(&mut state, &key, ask) {
            return Some(Vec::new());
        }
        if ask.market.breaks.policy == MarketBreakPolicy::Advertisement {
            breaks.ask_for(&mut state, &key, ask);
        }
        let laid = match breaks.used(&mut state, &key, ask) {
            Used::Nowhere => return Some(Vec::new()),
            Used::Coming => return None,
            Used::From(laid) => laid,
        };
        let all = Instead { from: ask.from.max(laid), until: ask.until, stand_in: key };
        if all.until.is_some_and(|until| until <= all.from) {
            return Some(Vec::new());
        }
        breaks.unheard(&mut state, ask, all)
    }

    fn bygone(&self, ask: &BygoneAsk) -> (GameKey, bool) {
        self.0.bygone(ask)
    }

    fn served(&self, served: &Served) {
        self.0.note_served(served);
    }

    fn skin(&self, tenant: &str, id: &str) -> Option<Arc<Skin>> {
        self.0.settings.assets.skin(tenant, id)
    }
}
