//! Outputs: which games stand alone in which skins at addresses that stay, and who may see them. No pictures and no HTTP.

mod board;
mod set;

pub use board::{OutputError, OutputOrigin, Outputs, RegisteredOutputSet};
pub use set::{Access, AccessError, DEFAULT_LAYOUT, OutputSet};
