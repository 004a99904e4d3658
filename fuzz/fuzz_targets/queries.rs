//! Queries, cursors and headers of requests: any text, and parameters that are mostly known.
#![no_main]

mod api;
#[path = "api/rooms.rs"]
mod rooms;

use api::query_checks::{self, Asked};
use libfuzzer_sys::fuzz_target;
#[allow(unused_imports)]
use rooms::{
    assets, catalogue, config, frame, keys, ladder, layout, market, mosaic, session, spans, store, timeline, track,
    usage,
};

fuzz_target!(|asked: Asked<'_>| query_checks::asked(&asked));
