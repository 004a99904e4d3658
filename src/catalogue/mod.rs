//! The games: from the configuration and from operators, their feeds, their sound.

mod contract;

pub use contract::{
    AudioTrack, CatalogueError, GameCatalogue, GameOrigin, GameSpec, GameStatus, GameView, Pending, RegisteredGame,
};
