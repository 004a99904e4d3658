//! Of the room `feed`, what reads bytes of sources and stands without GStreamer.

#[path = "../../../src/feed/playlist"]
pub mod playlist {
    pub mod boxed;
    pub mod choice;
    pub mod cues;
    pub mod follower;
    pub mod master;
    pub mod media;
    pub mod ranges;
    pub mod stamp;
    pub mod stretches;
    pub mod text;
}
#[path = "../../../src/feed/pipeline"]
pub mod pipeline {
    #[path = "../../../fuzz/fuzz_targets/feed/pipeline_checks.rs"]
    pub mod checks;
    pub mod clean_point;
    pub mod picture_size;
    pub mod tables;
    pub mod teletext;
}
#[path = "signal_checks.rs"]
pub mod signal_checks;
#[path = "../../../src/feed/signals.rs"]
mod signals;
#[path = "../../../src/feed/texts.rs"]
pub mod texts;
