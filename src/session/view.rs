//! What goes in and out of a session: requests and the JSON view of the HTTP contract.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;

use super::state::EndReason;
use crate::assets::Skin;
use crate::captions::TextInfo;
use crate::cues::track::{Break, RangeLine};
use crate::frame::{CodedSound, SoundTrack};
use crate::layout::Layout;
use crate::market::{Feature, GameRights, KeyTerms, Restriction};
use crate::mosaic::{EngineChoice, EngineKind, GameKey, MosaicId};
pub use crate::store::SessionsWanted;
use crate::sync::Latency;
use crate::timeline::{MediaTime, SegmentNumber};
use crate::track::{Held, Pending, Position, SoundKey, rights_card};

/// A game as sessions see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GameInfo {
    pub key: GameKey,
    /// Unique within the tenant.
    pub id: String,
    pub title: String,
    /// What is spoken, where its source says so.
    pub language: Option<String>,
    /// What is written with its pictures.
    pub texts: Vec<TextInfo>,
    /// The sounds beside its main one.
    pub sounds: Vec<SoundTrack>,
    /// How its source codes its main sound, where that is offered as it comes.
    pub as_came: Option<CodedSound>,
}

/// The games that tenants may show. Implemented by the catalogue; sessions know no more.
pub trait Games: Send + Sync {
    /// The game that `tenant` calls `id`.
    fn find(&self, tenant: &str, id: &str) -> Option<GameInfo>;

    /// Every game that `tenant` may show, in a stable order.
    fn all(&self, tenant: &str) -> Vec<GameInfo>;

    /// What there is of a sound. That of a game that is gone is silence, without an end; one that a game does not have is its main one.
    fn sound_held(&self, key: &SoundKey) -> Held;

    /// Waits until a sound has come to `at`, for as long as it takes.
    fn wait<'a>(&'a self, key: &'a SoundKey, at: Position) -> Pending<'a, ()>;

    /// What the sound of every game is encoded at, bits per second.
    fn sound_bitrate_bps(&self) -> u32;

    /// The EXT-X-DATERANGE lines of a game for segments of `span`. A line that was given stays the same.
    fn date_ranges(&self, _key: &GameKey, _span: Range<MediaTime>) -> Vec<RangeLine> {
        Vec::new()
    }

    /// The breaks of a game that lie, or lie in part, in `span`, by their beginning; none overlaps another.
    fn breaks(&self, _key: &GameKey, _span: Range<MediaTime>) -> Vec<Break> {
        Vec::new()
    }

    /// To whom a game may be shown; `None`: to everybody.
    fn rights(&self, _key: &GameKey) -> Option<Arc<GameRights>> {
        None
    }

    /// The games that may not be shown to everybody.
    fn limited(&self) -> HashMap<GameKey, Arc<GameRights>> {
        HashMap::new()
    }

    /// What stands in for a game that may not be shown: a name that mosaics show as a card that says `why`, and whose sound is silence.
    fn card(&self, key: &GameKey, why: Restriction) -> GameKey {
        rights_card(why.card(), key)
    }

    /// How long ago what each of `games` shows was captured, where its source tells.
    fn latencies(&self, games: &[GameKey]) -> Vec<Option<Latency>> {
        vec![None; games.len()]
    }

    /// The game that `tenant` called `id` until a while ago: a player may have chosen its sound.
    fn removed_sound(&self, _tenant: &str, _id: &str) -> Option<GameKey> {
        None
    }

    /// The games with pictures of their own at present. All others show a slate.
    fn live(&self) -> HashSet<GameKey>;
}

/// A mosaic as it is asked for, and one of its games to be heard.
#[derive(Clone, Debug, Default)]
pub struct MosaicWish {
    /// Game ids, one for each slot.
    pub games: Vec<String>,
    pub layout: Option<String>,
    pub audio: Option<String>,
    pub engine: EngineChoice,
}

/// A mosaic and what is heard of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedMosaic {
    pub id: MosaicId,
    pub engine: EngineKind,
    pub layout: String,
    /// Game ids in slot order.
    pub games: Vec<String>,
    /// What is heard, as in [`CreateSession::audio`], and its key.
    pub audio: String,
    pub sound: SoundKey,
}

/// A request for a session.
#[derive(Clone, Debug, Default)]
pub struct CreateSession {
    /// Game ids, one for each slot.
    pub games: Vec<String>,
    pub layout: Option<String>,
    /// One of `games`, or a sound of it beside its main one, `game/deu`; the first one's main sound if not given.
    pub audio: Option<String>,
    pub engine: EngineChoice,
    /// No rendition above it is offered, pixels.
    pub max_height: Option<u32>,
    /// What the layout's slots of art show.
    pub skin: Option<Arc<Skin>>,
    /// The market that it is made in.
    pub market: Option<String>,
    /// Where its viewer is, as who asks says: the code of a country.
    pub region: Option<String>,
    /// What it is watched on, likewise.
    pub device_class: Option<String>,
    /// What the key allows that asks for it.
    pub terms: KeyTerms,
    pub device_id: Option<String>,
    pub labels: BTreeMap<String, String>,
    /// The Idempotency-Key and a digest of the body it came with.
    pub idempotency: Option<(String, [u8; 32])>,
}

/// A request to change a session: what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct ChangeSession {
    pub games: Option<Vec<String>>,
    pub layout: Option<String>,
    pub audio: Option<String>,
    pub engine: Option<EngineChoice>,
    /// `Some(None)`: none any more.
    pub skin: Option<Option<Arc<Skin>>>,
    /// Revisions that the caller would change; another one refuses the change.
    pub if_match: Option<Vec<u64>>,
}

/// The sounds that a multivariant playlist lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sounds {
    /// What the session has chosen, and nothing else.
    Main,
    /// That, and what each slot shows.
    #[default]
    Own,
    /// What the session has chosen, and in a second group the same as its source codes it, where it does in a way that players may prefer.
    AsCame,
    /// Every game that the tenant may show, each by itself.
    All,
}

/// Which of a tenant's sessions to list: newest first.
#[derive(Clone, Debug, Default)]
pub struct ListSessions {
    pub state: Option<ViewState>,
    /// [`SessionPage::next_cursor`] of the page before.
    pub cursor: Option<String>,
    pub limit: u32,
    pub wanted: SessionsWanted,
}

/// A page of sessions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct SessionPage {
    pub sessions: Vec<OperatedSession>,
    /// For the next page; `null` on the last one. Where something is looked for a page may have fewer sessions than were asked for, or none, and not be the last.
    pub next_cursor: Option<String>,
    /// The tenant's active sessions at present, on whatever page they are.
    pub active_sessions: u64,
}

/// A session, as the operator sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct OperatedSession {
    #[serde(flatten)]
    pub session: SessionView,
    /// What its device called itself.
    pub device_id: Option<String>,
    pub labels: BTreeMap<String, String>,
    /// When it last asked for a playlist, or started, or was taken up by a new process; RFC 3339, UTC.
    pub last_seen_at: String,
    /// RFC 3339, UTC; `null` while it is active.
    pub ended_at: Option<String>,
}

/// What a tenant's active sessions show at present.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audience {
    pub sessions: u64,
    /// By game id; a session that shows a game twice counts once.
    pub by_game: HashMap<String, u64>,
}

/// Who ends a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndedBy {
    Device,
    Operator,
}

/// Whether a session goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, serde::Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ViewState {
    Active,
    Ended,
}

/// A slot of the session's layout and the game in it, in pixels of the layout's canvas.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct SlotView {
    /// From 0, in reading order.
    pub slot: usize,
    pub game: String,
    pub x: u32,
    pub y: u32,
    pub width: u32,
    pub height: u32,
    /// How much later than the session's latest game by the same kind of clock this one is shown, in milliseconds: 0 for that one, negative
    /// for one that is early. `null` where its source does not tell, or no other one's does.
    pub skew_ms: Option<i64>,
    /// Why the game may not be shown to the session, and a card stands for it, as `reason` of `game_restricted` has it; `null`: it may.
    #[schema(value_type = Option<String>, examples("not_in_region", "no_longer"))]
    pub restricted: Option<&'static str>,
}

/// A session, as the API shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Session)]
pub struct SessionView {
    pub id: String,
    pub state: ViewState,
    /// Counts changes; also the ETag.
    pub revision: u64,
    /// Address of the multivariant playlist: `…/v1/play/{token}/index.m3u8`. Empty for operators who may read sessions alone (`sessions:read`).
    pub playback_url: String,
    pub layout: String,
    /// What makes the mosaic.
    #[schema(value_type = EngineKind)]
    pub engine: String,
    /// Game ids in slot order.
    pub games: Vec<String>,
    pub slots: Vec<SlotView>,
    /// The sound that is the default: a game's id, or `nyk-bos/deu` for one beside its main one.
    pub audio: String,
    /// No rendition above it is offered, pixels: the least of what was asked for, and of what its market and its key allow. `null` where all are.
    pub max_height: Option<u32>,
    /// The skin whose art is in the layout's slots of art, as it was when it was named; `null` where they show the background.
    pub skin: Option<String>,
    /// The market that it was made in; `null` for none.
    pub market: Option<String>,
    /// Where its viewer is, as was said when it was made; `null`: nobody said.
    pub region: Option<String>,
    /// What it is watched on, likewise.
    pub device_class: Option<String>,
    /// What its tier has beside the height of its pictures.
    pub features: BTreeSet<Feature>,
    /// How far back its playlists can begin (`?start=`), in seconds; `null` where they cannot.
    pub start_over_s: Option<u32>,
    /// How far its games are apart at most, in milliseconds, as far as their sources tell; `null` where no two do, by the same kind of clock.
    pub skew_ms: Option<i64>,
    /// RFC 3339, UTC.
    pub created_at: String,
    /// The segment in which the last change begins to show.
    pub effective_segment: SegmentNumber,
    /// The date of the first picture that shows it whole, as playlists date pictures; before the request where what comes was not listed yet. Within a
    /// segment two pictures before it fade. RFC 3339, UTC.
    pub effective_at: String,
    pub billable_seconds: u64,
    /// `device`, `operator`, `idle`, `unrestorable` or `restricted`; `null` while it is active.
    #[schema(value_type = Option<EndReason>)]
    pub end_reason: Option<String>,
}

/// The slots of `layout` with `games` in them.
pub(super) fn slots_of(layout: &Layout, games: &[String]) -> Vec<SlotView> {
    let slot = |(slot, (rect, game)): (usize, (&crate::frame::Rect, &String))| SlotView {
        slot,
        game: game.clone(),
        x: rect.x,
        y: rect.y,
        width: rect.width,
        height: rect.height,
        skew_ms: None,
        restricted: None,
    };
    layout.slots.iter().zip(games).enumerate().map(slot).collect()
}
