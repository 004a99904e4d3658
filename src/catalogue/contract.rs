//! What the API sees of the games: which there are, how they are, and how an operator changes them.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::health::GameHealth;
use crate::captions::SlotOnCanvas;
use crate::config::BreakPolicy;
use crate::cues::track::{BeginBreak, BreakError, CueEvent};
use crate::feed::Reason;
use crate::market::GameRights;
use crate::mosaic::{GameKey, MosaicSpec, Standing};
use crate::timeline::{MediaTime, PartNumber, SegmentNumber};
use crate::track::{Pending, Position, SoundKey};

/// How a game's feed is right now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GameStatus {
    /// Pictures arrive.
    Live,
    /// No picture for a second or more: the slot shows a slate, the feed keeps reconnecting.
    Slate,
    /// The feed does not run.
    Off,
}

/// One sound track of a game.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AudioTrack {
    /// `main` or, as in a session's `audio` behind the game's id and a slash, `deu`, `eng-ad`.
    pub id: String,
    /// RFC 5646 language tag; `und` when the source does not say.
    pub language: String,
    /// For people.
    pub label: String,
    /// Whether it is what is heard where nobody chooses.
    pub default: bool,
    /// Media characteristics, as `public.accessibility.describes-video`; empty for most.
    pub characteristics: Vec<String>,
}

/// A text of a game that has shown something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GameText {
    /// As in the names of playlists, behind the slot: `en`, `es-2`, `und`.
    pub id: String,
    /// RFC 5646 language tag; `und` when the source does not say.
    pub language: String,
    pub kind: TextKind,
}

/// Whom a text is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TextKind {
    /// What is said, for those who hear.
    Subtitles,
    /// What is heard, for those who do not.
    Captions,
    /// What must be read by everybody.
    Forced,
}

/// A game as its tenant's devices may see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GameView {
    /// Unique within the tenant.
    pub id: String,
    pub title: String,
    pub status: GameStatus,
    pub audio: Vec<AudioTrack>,
    /// Captions and subtitles.
    pub texts: Vec<GameText>,
    /// Opaque, unguessable path element (`[0-9A-Za-z_-]+`) under which [`GameCatalogue::thumbnail`] finds the game's
    /// picture: an `<img>` can send no key. `None` while there is no picture.
    pub thumbnail: Option<String>,
}

/// What an operator registers. `Debug` has the sources masked.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct GameSpec {
    pub id: String,
    pub title: String,
    /// URIs in full, the primary first: no answer tells them so (see [`GameSpec::masked_sources`]).
    pub sources: Vec<String>,
    pub labels: BTreeMap<String, String>,
    /// `None`: as the configuration has it for all.
    pub break_policy: Option<BreakPolicy>,
    /// How much later than its source claims its pictures are captured; negative: earlier.
    pub offset_ms: i32,
    /// Where and when it may be shown.
    pub rights: GameRights,
}

impl fmt::Debug for GameSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GameSpec")
            .field("id", &self.id)
            .field("title", &self.title)
            .field("sources", &self.masked_sources())
            .field("labels", &self.labels)
            .field("break_policy", &self.break_policy)
            .field("offset_ms", &self.offset_ms)
            .field("rights", &self.rights)
            .finish()
    }
}

/// Where a game's definition lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GameOrigin {
    /// The configuration file: read-only over the API.
    Config,
    /// The operator part of the API.
    Operator,
}

/// A game as its operator sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct RegisteredGame {
    pub spec: GameSpec,
    pub origin: GameOrigin,
    pub health: GameHealth,
}

/// What a source turned out to be that was decoded for a moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Tried {
    /// Masked.
    pub source: String,
    /// Whether its pictures came and went on coming.
    pub works: bool,
    /// Why it does not work, or what is wrong with it though it does.
    pub reason: Option<Reason>,
    /// As a game's that has this source alone. Why it does not work is told in `last_error`.
    pub health: GameHealth,
    /// Its main sound first.
    pub sounds: Vec<AudioTrack>,
    /// Those that it lists, and others that showed something meanwhile.
    pub texts: Vec<GameText>,
    /// JPEG of its last picture.
    pub thumbnail: Option<Bytes>,
    pub took: Duration,
}

/// Why a game cannot be read or changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CatalogueError {
    #[error("there is already a game {0:?}")]
    Exists(String),
    #[error("there is no game {0:?}")]
    Unknown(String),
    #[error("game {0:?} is defined in the configuration file, which only its owner edits")]
    ReadOnly(String),
    /// `index` counts the game's sources from 0; `allowed` lists what would do, where that can be listed.
    #[error("source {index}: {detail}")]
    SourceInvalid { index: usize, detail: String, allowed: &'static [&'static str] },
    #[error("source {index}: {detail}")]
    SourceForbidden { index: usize, detail: String },
    #[error("source {index}: {detail}")]
    SourceInUse { index: usize, detail: String },
    #[error("no room for another game: at most {limit} run on this machine")]
    Capacity { limit: usize },
    /// `reason` is a stable name of which of the tenant's bounds it is.
    #[error("no room for another game of this tenant: {detail}")]
    Tenant { detail: String, reason: &'static str },
    #[error("a source is being tried already: one at a time of a tenant, and few on this machine")]
    Trying,
    /// The store could not keep the change (a full disk): nothing was changed.
    #[error("the change could not be stored: {0}")]
    Store(String),
}

/// A text of the games of a mosaic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextWanted {
    /// As [`TextInfo::id`](crate::captions::TextInfo) has it.
    pub text: String,
    /// Where each game's text stands, in the order of the slots.
    pub slots: Vec<(SlotOnCanvas, GameKey)>,
}

impl TextWanted {
    /// That of the slots of `mosaic` that are wanted.
    pub fn of(mosaic: &MosaicSpec, text: String, is_wanted: impl Fn(usize) -> bool) -> Self {
        let MosaicSpec { layout, games, .. } = mosaic;
        let canvas = layout.canvas;
        let place = |slot| SlotOnCanvas { rect: layout.picture_on(slot, canvas.0, canvas.1), canvas };
        let wanted = games.iter().enumerate().filter(|(slot, _)| is_wanted(*slot));
        Self { text, slots: wanted.map(|(slot, game)| (place(slot), game.clone())).collect() }
    }
}

/// The games of this machine: those of the configuration file and those that operators registered.
pub trait GameCatalogue: Send + Sync {
    /// The games `tenant` may show, ordered by id.
    fn games(&self, tenant: &str) -> Vec<GameView>;

    /// The games `tenant`'s operator sees, ordered by id.
    fn registered(&self, tenant: &str) -> Vec<RegisteredGame>;

    fn registered_game(&self, tenant: &str, id: &str) -> Option<RegisteredGame> {
        self.registered(tenant).into_iter().find(|g| g.spec.id == id)
    }

    /// What `tenant` has of the processors for decoding its games, and how many of them are on hold.
    fn decoding(&self, _tenant: &str) -> (Standing, usize) {
        (Standing::default(), 0)
    }

    /// Registers a new game: kept over restarts, its feed starts at once.
    fn create<'a>(&'a self, tenant: &'a str, spec: GameSpec) -> Pending<'a, Result<RegisteredGame, CatalogueError>>;

    /// Makes the game `spec.id` be `spec`, registering it if there is none; true when it is new. A source as it was shown
    /// masked stays what it is.
    fn replace<'a>(
        &'a self,
        tenant: &'a str,
        spec: GameSpec,
    ) -> Pending<'a, Result<(RegisteredGame, bool), CatalogueError>>;

    /// Forgets a registered game. Sessions that show it see a slate.
    fn delete<'a>(&'a self, tenant: &'a str, id: &'a str) -> Pending<'a, Result<(), CatalogueError>>;

    /// Decodes a source for a moment and tells what it is; nothing of it stays. One that `game` has may be told masked. It ends early when the
    /// answer is not waited for.
    fn try_source<'a>(
        &'a self,
        tenant: &'a str,
        source: String,
        game: Option<&'a str>,
    ) -> Pending<'a, Result<Tried, CatalogueError>>;

    /// What was signalled of a game, as far as it lies in `span`; `None` for no game of `tenant`.
    fn cues(&self, tenant: &str, id: &str, span: Range<MediaTime>) -> Option<Vec<CueEvent>>;

    /// Begins a break by hand, which outlives the process; `None` for no game of `tenant`.
    fn begin_break<'a>(
        &'a self,
        tenant: &'a str,
        id: &'a str,
        asked: &'a BeginBreak,
    ) -> Pending<'a, Option<Result<CueEvent, BreakError>>>;

    /// Ends break `of`, whoever began it.
    fn end_break<'a>(
        &'a self,
        tenant: &'a str,
        id: &'a str,
        of: &'a str,
    ) -> Pending<'a, Option<Result<CueEvent, BreakError>>>;

    /// JPEG of the game whose [`GameView::thumbnail`] is `element`.
    fn thumbnail(&self, element: &str) -> Option<Bytes>;

    /// Init segment of a sound; the same for all that are encoded here.
    fn sound_init(&self, sound: &SoundKey) -> Option<Bytes>;

    /// Segment `segment` of a sound, if it is in the window. The sound of a game that is gone is silence; one that a game does not have is its main
    /// sound.
    fn sound_segment<'a>(&'a self, sound: &'a SoundKey, segment: SegmentNumber) -> Pending<'a, Option<Bytes>>;

    /// One part of a segment of a sound, as [`GameCatalogue::sound_segment`].
    fn sound_part<'a>(&'a self, sound: &'a SoundKey, at: Position) -> Pending<'a, Option<Bytes>>;

    /// Segment `segment` of a text as WebVTT, or its part `part`, once it is over. Where nothing is written it says so.
    fn text_segment<'a>(
        &'a self,
        wanted: &'a TextWanted,
        segment: SegmentNumber,
        part: Option<PartNumber>,
    ) -> Pending<'a, Option<Bytes>>;

    /// Waits until a sound has come to `at`, for as long as it takes.
    fn sound_comes<'a>(&'a self, sound: &'a SoundKey, at: Position) -> Pending<'a, ()>;
}
