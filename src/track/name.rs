//! What a track is called. Nothing that is measured on a machine is in it, so that any machine makes the same name, and two that make a
//! track of one name make blocks that can follow each other.

use std::fmt;
use std::sync::Arc;

use crate::frame::{Rect, SoundTrack};

/// A track's name. Rungs are named as the ladder names them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TrackName {
    /// A game at one size in one rung, encoded for every mosaic that shows it so.
    Tile(TileName),
    /// One rung of a mosaic that is encoded as a whole.
    Canvas { mosaic: Arc<str>, rung: Arc<str> },
    /// A sound of a game: its main one, `main`, or another.
    Sound { game: Arc<str>, track: Arc<str> },
    /// A text of a game, as [`TextInfo`](crate::captions::TextInfo) names it.
    Text { game: Arc<str>, text: Arc<str> },
}

/// A sound of a game in one word, which stands in signed addresses and in the rows of sessions: the game's name for its main sound,
/// `acme/nyk-bos#deu` for another. No game's name has a `#`.
pub type SoundKey = Arc<str>;

/// The word for sound `track` of `game`; `None`: the main one.
pub fn sound_key(game: &Arc<str>, track: Option<&str>) -> SoundKey {
    match track.filter(|track| *track != SoundTrack::MAIN) {
        None => game.clone(),
        Some(track) => format!("{game}{BESIDE}{track}").into(),
    }
}

/// The game of a sound, and which of its sounds it is; `None`: the main one.
pub fn split_sound_key(key: &str) -> (&str, Option<&str>) {
    key.split_once(BESIDE).map_or((key, None), |(game, track)| (game, Some(track)))
}

const BESIDE: char = '#';

/// What the names of stand-ins begin with: no game's does.
const STAND_IN: char = '~';

/// The name of something that shows in place of games of a tenant, and is made beforehand: `what` tells it apart.
pub fn stand_in(tenant: &str, what: &str) -> Arc<str> {
    format!("{STAND_IN}{tenant}/{what}").into()
}

/// Whether a game's name is a stand-in's: nothing is decoded or encoded for it, its blocks are put down by those who made them.
pub fn is_stand_in(game: &str) -> bool {
    game.starts_with(STAND_IN)
}

/// What the names of cards begin with that stand in for games that may not be shown. They are drawn and encoded as games are.
const CARD: char = '!';

/// The name of the card that stands in for `game` where it may not be shown; `kind` tells cards of a game apart.
pub fn rights_card(kind: &str, game: &str) -> Arc<str> {
    format!("{CARD}{kind}:{game}").into()
}

/// Whether a game's name is a card's.
pub fn is_rights_card(game: &str) -> bool {
    game.starts_with(CARD)
}

impl TrackName {
    /// Whether its blocks are put down ahead of time, by those who made them.
    pub fn is_put_down_ahead(&self) -> bool {
        match self {
            Self::Tile(TileName { game, .. }) | Self::Sound { game, .. } | Self::Text { game, .. } => is_stand_in(game),
            Self::Canvas { .. } => false,
        }
    }

    /// The track of a sound that is named in one word.
    pub fn sound(key: &str) -> Self {
        let (game, track) = split_sound_key(key);
        Self::Sound { game: game.into(), track: track.unwrap_or(SoundTrack::MAIN).into() }
    }
}

/// What makes a tile's bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TileName {
    pub game: Arc<str>,
    pub rung: Arc<str>,
    pub width_mbs: u32,
    pub height_mbs: u32,
    /// What the tile shows its picture in, in pixels of its canvas.
    pub inside: Rect,
    /// The tile is a whole canvas, in one slice a picture.
    pub whole: bool,
    /// What is drawn around the picture, RGB.
    pub colour: [u8; 3],
    /// A digest of the art that lies over the picture; empty: none.
    pub over: Arc<str>,
}

/// A path of which games' and mosaics' names are the last element: `tile/540p/30x17@0,0+480x270/0b0e14/acme/nyk-bos`.
impl fmt::Display for TrackName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tile(TileName { game, rung, width_mbs, height_mbs, inside, whole, colour, over }) => {
                let kind = if *whole { "whole" } else { "tile" };
                let Rect { x, y, width, height } = inside;
                let with = if over.is_empty() { "" } else { "+" };
                let colour = format!("{}{with}{over}", hex::encode(colour));
                write!(f, "{kind}/{rung}/{width_mbs}x{height_mbs}@{x},{y}+{width}x{height}/{colour}/{game}")
            }
            Self::Canvas { mosaic, rung } => write!(f, "canvas/{rung}/{mosaic}"),
            Self::Sound { game, track } if &**track == SoundTrack::MAIN => write!(f, "sound/{game}"),
            Self::Sound { game, track } => write!(f, "sound:{track}/{game}"),
            Self::Text { game, text } => write!(f, "text/{text}/{game}"),
        }
    }
}
