//! The catalogue: the games of this machine, whose they are, their running feeds and their sound.

mod borders;
mod contract;
mod games;
mod health;
mod holding;
mod keys;
mod room;
mod silence;
mod sources;
mod texts;

pub use crate::feed::Reason;
pub use borders::Borders;
pub use contract::{
    AudioTrack, CatalogueError, GameCatalogue, GameOrigin, GameSpec, GameStatus, GameText, GameView, RegisteredGame,
    TextKind, TextWanted, Tried,
};
pub use games::{Catalogue, CatalogueSettings, OpenError};
pub use health::{AudioHealth, DecoderHealth, GameHealth, Hdr, VideoHealth};
