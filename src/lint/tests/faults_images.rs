//! Planted faults of images for scrubbing.

use super::planted::{Fault, fault};
use super::world::Base::Vod;
use super::world::{body, rep};

const M: &str = "multi.m3u8";
const T: &str = "t.m3u8";

pub fn faults() -> Vec<Fault> {
    let one = |rule, path, was: &str, is: &str| fault(rule, Vod, [rep(path, was, is)]);
    vec![
        one("image-playlist", T, "#EXT-X-IMAGES-ONLY\n", ""),
        one("image-codecs", M, "CODECS=\"jpeg\",", ""),
        one("image-codecs", M, "CODECS=\"jpeg\"", "CODECS=\"avc1.64001f\""),
        one("image-resolution-missing", M, "RESOLUTION=64x36,URI=\"t", "URI=\"t"),
        one("image-map", T, "#EXT-X-IMAGES-ONLY", "#EXT-X-IMAGES-ONLY\n#EXT-X-MAP:URI=\"vi.mp4\""),
        one("image-layout-empty", T, "LAYOUT=2x1", "LAYOUT=0x1").also(&["image-size"]),
        one("image-tiles-short", T, "DURATION=4.0", "DURATION=3.0"),
        one("image-layout-changes", T, "LAYOUT=2x1", "LAYOUT=1x2").also(&["image-size"]),
        one("image-resolution-differs", M, "RESOLUTION=64x36", "RESOLUTION=32x18"),
        fault(
            "image-gaps-alone",
            Vod,
            [rep(T, "#EXT-X-TILES", "#EXT-X-GAP\n#EXT-X-TILES"), rep(T, "t-0.jpg\n", "t-0.jpg\n#EXT-X-GAP\n")],
        ),
        fault("image-format", Vod, [body("t-0.jpg", |_| b"<html>".to_vec())]),
        fault(
            "image-size",
            Vod,
            [body("t-1.jpg", |mut jpeg| {
                jpeg[8] = 35;
                jpeg
            })],
        ),
        one("image-bandwidth-exceeded", M, "BANDWIDTH=9000,CODECS", "BANDWIDTH=7,CODECS"),
        one("target-duration-exceeded", T, "TARGETDURATION:8", "TARGETDURATION:7"),
    ]
}
