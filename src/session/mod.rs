//! One viewer's ongoing stream: a row, a playlist generator and a meter. Sessions own no pipeline.
//!
//! Locks: [`registry`]'s shelf, what it knows of live games and each session's own lock are never held together, never across
//! an `await`, and never around a call to mosaics, games or the store, but that for a bridge's name, which takes no lock.

mod audience;
mod break_art;
mod bygone;
mod change;
mod create;
mod error;
mod follow;
mod had;
mod handed;
mod images;
mod keep;
mod listed;
mod model;
mod numbering;
mod outputs;
mod paths;
mod play;
mod registry;
mod renditions;
mod rights;
mod room;
mod settings;
mod skew;
mod splice;
mod stand_ins;
mod state;
mod texts;
mod ticket;
mod tickets;
mod told;
mod turns;
mod view;
mod watched;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use error::SessionError;
pub use follow::Reload;
pub use outputs::{OutputGrant, OutputWish};
pub use registry::Sessions;
pub use room::TenantLimit;
pub use settings::{SessionSettings, StartOverRight};
pub use stand_ins::{BreakAsk, BygoneAsk, Instead, Served, StandIns};
pub use texts::{TextOf, TextWish};
pub use tickets::{Admitted, Followed, Player};
pub use view::{
    Audience, ChangeSession, CreateSession, EndedBy, GameInfo, Games, ListSessions, MosaicWish, NamedMosaic,
    OperatedSession, SessionPage, SessionView, SessionsWanted, SlotView, Sounds, ViewState,
};
