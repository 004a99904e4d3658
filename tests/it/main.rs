//! The integration tests: one binary, one file per area.

mod api_operator;
mod api_playback;
mod api_service;
mod api_sessions;
mod house;
mod support;
mod viewing;
