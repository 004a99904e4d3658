//! The memory of pictures, for any head that a child may claim and any bytes that it may write.
#![no_main]

#[allow(dead_code, unused_imports)]
#[path = "../../src/cadence/mod.rs"]
mod cadence;
#[allow(dead_code, unused_imports)]
#[path = "../../src/captions/mod.rs"]
mod captions;
/// Of the room `config`, what a child is told.
#[allow(dead_code)]
mod config {
    #[derive(Clone, Copy, Debug, Default, serde::Serialize, serde::Deserialize)]
    pub struct PictureLimits {
        pub width: u32,
        pub height: u32,
        pub fps: u32,
        pub streams: u32,
    }
}
#[allow(dead_code, unused_imports)]
#[path = "../../src/cues/mod.rs"]
mod cues;
#[allow(dead_code, unused_imports, private_interfaces)]
#[path = "child/mod.rs"]
mod feed;
#[allow(dead_code, unused_imports)]
#[path = "../../src/reach/mod.rs"]
mod reach;
#[allow(dead_code, unused_imports)]
#[path = "../../src"]
mod rooms {
    pub mod frame;
}
#[allow(dead_code, unused_imports)]
#[path = "../../src/sync/mod.rs"]
mod sync;
#[allow(dead_code, unused_imports)]
#[path = "../../src/timeline/mod.rs"]
mod timeline;
#[allow(dead_code)]
mod work {
    pub fn count_child_cpu(_: f64) {}

    pub fn cpu_time_of(_: u32) -> Option<f64> {
        None
    }
}

use feed::apart::checks;
use libfuzzer_sys::fuzz_target;
use rooms::frame;

fuzz_target!(|input: (Vec<(checks::Head, u8)>, Vec<(u32, &[u8])>)| checks::pictures(&input.0, &input.1));
