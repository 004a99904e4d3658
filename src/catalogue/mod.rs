//! The catalogue: the games of this machine, whose they are, their running feeds and their sound.

mod contract;
mod games;
mod keys;
mod silence;
mod sound;

pub use contract::{
    AudioTrack, CatalogueError, GameCatalogue, GameOrigin, GameSpec, GameStatus, GameView, Pending, RegisteredGame,
};
pub use games::{Catalogue, CatalogueSettings, OpenError};
pub use sound::{SoundSettings, SoundTrack};
