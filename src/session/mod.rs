//! One viewer's ongoing stream: a row, a playlist generator and a meter. Sessions own no pipeline.

mod error;
mod registry;
mod view;

pub use error::SessionError;
pub use registry::{SessionSettings, Sessions};
pub use view::{
    ChangeSession, CreateSession, EndedBy, GameInfo, Games, ListSessions, SessionPage, SessionView, SlotView, ViewState,
};
