//! The bodies that the API reads: any bytes, and objects of members that are mostly known.
#![no_main]

mod api;
#[path = "api/rooms.rs"]
mod rooms;

use api::body_checks::{self, Body};
use libfuzzer_sys::fuzz_target;
#[allow(unused_imports)]
use rooms::{
    assets, catalogue, config, frame, keys, ladder, layout, market, mosaic, session, spans, store, timeline, track,
    usage,
};

fuzz_target!(|input: (u8, Body<'_>)| body_checks::body(input.0, &input.1));
