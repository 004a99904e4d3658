//! Planted faults in segments.

use super::bytes;
use super::planted::{Fault, fault};
use super::world::Base::{Aac, Ts, Vod};
use super::world::{Change, body, rep, with};

const V: &str = "v1.m3u8";
const LAST: &str = "v1-3.ts";
const LAST_MP4: &str = "v1-3.mp4";

pub fn faults() -> Vec<Fault> {
    [access(), mp4(), others()].into_iter().flatten().collect()
}

fn access() -> Vec<Fault> {
    let key = |rule, key: &str, also| {
        fault(rule, Ts, [rep(V, "v1-3", &format!("#EXT-X-KEY:METHOD=AES-128,URI=\"{key}\"\nv1-3"))]).also(also)
    };
    vec![
        fault("segment-unavailable", Ts, [with(LAST, Change::Status(404))]),
        fault("byterange-outside", Ts, [rep(V, "v1-3", "#EXT-X-BYTERANGE:99999@0\nv1-3")]),
        fault(
            "byterange-ignored",
            Ts,
            [rep(V, "v1-3", "#EXT-X-BYTERANGE:2256@0\nv1-3"), with(LAST, Change::Status(200))],
        ),
        fault(
            "segment-format",
            Ts,
            [rep(V, "v1-3.ts", "vi.xyz"), with("vi.xyz", Change::Status(200)), body("vi.xyz", |_| vec![9; 99])],
        ),
        fault("segment-format-changed", Ts, [body(LAST, |_| bytes::vtt())]).also(&["segment-mime"]),
        key("key-unavailable", "nokey", &[]),
        fault(
            "key-length",
            Ts,
            [rep(V, "v1-3", "#EXT-X-KEY:METHOD=AES-128,URI=\"key\"\nv1-3"), body("key", |_| vec![7; 15])],
        ),
        key("segment-decrypt", "key", &[]),
        fault("bitrate-tag", Ts, [rep(V, "v1-3", "#EXT-X-BITRATE:900\nv1-3")]),
    ]
}

/// Takes one box's type away, wherever it stands first.
fn without(mut bytes: Vec<u8>, kind: &[u8; 4]) -> Vec<u8> {
    let at = bytes.windows(4).position(|window| window == kind).unwrap();
    bytes[at..at + 4].copy_from_slice(b"free");
    bytes
}

fn mp4() -> Vec<Fault> {
    // The init section is asked for by three playlists under one name: this one gets its own.
    let init = |rule, change: fn(Vec<u8>) -> Vec<u8>, also| {
        fault(rule, Vod, [rep("a.m3u8", "ai.mp4", "ai.mp4"), body("ai.mp4", change)]).also(also)
    };
    let last = |rule, change: fn(Vec<u8>) -> Vec<u8>, also| fault(rule, Vod, [body(LAST_MP4, change)]).also(also);
    vec![
        fault("map-missing", Vod, [rep(V, "#EXT-X-MAP:URI=\"vi.mp4\"\n", "")]),
        init("map-form", |bytes| without(bytes, b"ftyp"), &[]),
        init("map-samples", |bytes| without(bytes, b"mvex"), &[]),
        init("map-media", |bytes| [bytes, bytes::atom(b"mdat", &[0])].concat(), &[]),
        last("box-broken", |bytes| [bytes, vec![0, 0, 1, 0, 1]].concat(), &[]),
        last("segment-moov", |bytes| [bytes, bytes::atom(b"moov", &[])].concat(), &[]),
        last("fragment-form", |bytes| without(bytes, b"mdat"), &[]),
        last("fragment-tfdt", |bytes| without(bytes, b"tfdt"), &[]),
        last(
            "fragment-addressing",
            |mut bytes| {
                let at = bytes.windows(4).position(|window| window == b"tfhd").unwrap();
                bytes[at + 7] |= 1;
                bytes
            },
            &["segment-duration"],
        ),
        last(
            "fragment-track",
            |mut bytes| {
                let at = bytes.windows(4).position(|window| window == b"tfhd").unwrap();
                bytes[at + 11] = 9;
                bytes
            },
            &[],
        ),
        last("timeline-break", |_| bytes::segment(12_500, 4000, 0, 10_000), &[]),
        last("timeline-gap", |_| bytes::segment(12_020, 4000, 0, 10_000), &[]),
        last("segment-duration", |_| bytes::segment(12_000, 5000, 0, 10_000), &[]),
        last("segment-not-independent", |_| bytes::segment(12_000, 4000, 0x1_0000, 10_000), &[]),
        fault("codec-unlisted", Vod, [rep("multi.m3u8", "1f,mp4a.40.2", "1f,ac-3")]),
        fault("codec-differs", Vod, [rep("multi.m3u8", "avc1.64001f", "avc1.4d001f")]),
        fault("resolution-differs", Vod, [rep("multi.m3u8", "RESOLUTION=640x360", "RESOLUTION=640x480")]),
        fault("video-range", Vod, [rep("multi.m3u8", "VIDEO-RANGE=SDR", "VIDEO-RANGE=PQ")]),
        fault(
            "subtitles-in-mp4",
            Vod,
            [
                rep("s.m3u8", "s-3.vtt", "v1-3.mp4"),
                rep("s.m3u8", "#EXT-X-PROG", "#EXT-X-MAP:URI=\"vi.mp4\"\n#EXT-X-PROG"),
            ],
        )
        .also(&["segment-format-changed"]),
    ]
}

fn others() -> Vec<Fault> {
    let ts = |rule, change: fn(Vec<u8>) -> Vec<u8>| fault(rule, Ts, [body(LAST, change)]);
    let vtt = |rule, change: fn(Vec<u8>) -> Vec<u8>| fault(rule, Vod, [body("s-3.vtt", change)]);
    vec![
        ts("ts-sync", |mut bytes| {
            bytes.push(0);
            bytes
        }),
        ts("ts-tables", |bytes| bytes[376..].to_vec()),
        ts("ts-programs", |bytes| [bytes::pat(&[1, 2]), bytes[188..].to_vec()].concat()),
        ts("ts-pts", |_| [bytes::pat(&[1]), bytes::pmt(), bytes::picture(None, 0x65)].concat()),
        ts("segment-not-independent", |_| bytes::ts(12, 0x41)),
        ts("timeline-break", |_| bytes::ts(22, 0x65)),
        fault("packed-audio-id3", Aac, [body("v1-3.aac", |bytes| bytes[73..].to_vec())]),
        vtt("webvtt-header", |bytes| bytes[3..].to_vec()),
        vtt("webvtt-map", |_| b"WEBVTT\n\n".to_vec()),
        vtt("webvtt-map-form", |_| b"WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:0\n\n".to_vec()),
        vtt("webvtt-cue", |_| {
            b"WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00.000,MPEGTS:0\n\n00:02.000 --> 00:01.000\n".to_vec()
        }),
    ]
}
