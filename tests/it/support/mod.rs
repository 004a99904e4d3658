//! What the integration tests share.

pub mod barcode;
pub mod bookings;
pub mod captioned;
pub mod collector;
pub mod decode;
pub mod hls_source;
pub mod hook;
pub mod hostile;
pub mod hostile_servers;
pub mod hostile_sources;
pub mod hostile_streams;
pub mod player;
pub mod program;
pub mod receiver;
pub mod remembering_disk;
mod round_trip;
pub mod service;
pub mod signalled;
pub mod tone;
mod watchdog;
