//! The catalogue: the games of this machine, whose they are, their running feeds and their sound.

mod contract;
mod games;
mod health;
mod keys;
mod room;
mod silence;
mod sources;
mod texts;

pub use contract::{
    AudioTrack, CatalogueError, GameCatalogue, GameOrigin, GameSpec, GameStatus, GameView, RegisteredGame, TextWanted,
};
pub use games::{Catalogue, CatalogueSettings, OpenError};
pub use health::{AudioHealth, DecoderHealth, GameHealth, VideoHealth};
