//! The integration tests: one binary, one file per area.

// Helpers of tests are tests too: what they cannot have ends the test, with the line.
#![allow(clippy::unwrap_used)]

mod api_asking;
mod api_conventions;
mod api_operator;
mod api_playback;
mod api_service;
mod api_sessions;
mod art_apart;
mod attacks;
mod awkward_hls;
mod bench_buffer;
mod breaks;
mod caching;
mod captions;
mod cues;
mod decoders;
mod docs;
mod hdr;
mod hevc;
mod hostile_feeds;
mod hostile_slots;
mod house;
mod images;
mod keys;
mod ledger;
mod ledger_month;
mod ledger_points;
mod ledger_rules;
mod lifecycle;
mod live;
mod losses;
mod low_latency;
mod markets;
mod network;
mod on_hold;
mod outbound;
mod outputs;
mod over;
mod process;
mod reach;
mod rights;
mod seen;
mod skins;
mod soak;
mod sounds;
mod start_over;
mod stitching;
mod support;
mod sync;
mod trying;
mod vectors;
mod viewing;
mod webhooks;
mod webhooks_over_rest;
