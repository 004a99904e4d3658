//! Quadrille: server-side multiview for live sports.
//!
//! A viewer picks up to four live games; one ordinary HLS stream comes back with the pictures on it. `ARCHITECTURE.md`
//! walks the data through the modules below.

pub mod api;
pub mod assets;
pub mod audit;
pub mod breaks;
pub mod cadence;
pub mod captions;
pub mod catalogue;
pub mod clips;
pub mod compositor;
pub mod config;
pub mod cues;
pub mod decisions;
pub mod encode;
pub mod events;
pub mod feed;
pub mod frame;
pub mod hls;
pub mod jpeg;
pub mod keys;
pub mod ladder;
pub mod layout;
pub mod lint;
pub mod market;
pub mod metrics;
pub mod mosaic;
pub mod outbound;
pub mod outputs;
pub mod package;
pub mod reach;
pub mod service;
pub mod session;
pub mod spans;
pub mod stitch;
pub mod store;
pub mod sync;
pub mod timeline;
pub mod track;
pub mod usage;
pub mod work;
