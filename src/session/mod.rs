//! One viewer's ongoing stream: a row, a playlist generator and a meter. Sessions own no pipeline.
//!
//! Locks: [`registry`]'s shelf, what it knows of live games and each session's own lock are never held together, never across
//! an `await`, and never around a call to mosaics, games or the store.

mod change;
mod error;
mod keep;
mod model;
mod numbering;
mod paths;
mod play;
mod registry;
mod state;
mod view;
mod watched;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use error::SessionError;
pub use registry::{SessionSettings, Sessions};
pub use view::{
    Audience, ChangeSession, CreateSession, EndedBy, GameInfo, Games, ListSessions, OperatedSession, SessionPage,
    SessionView, SlotView, ViewState,
};
