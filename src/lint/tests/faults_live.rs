//! Planted faults in playlists that live.

use super::super::FetchError;
use super::planted::{Fault, fault};
use super::world::Base::{Live, Ts, Vod};
use super::world::{Change, World, body, from, rep, with};

const V: &str = "v1.m3u8";
const A: &str = "a.m3u8";
/// Reloads come after this; the first load at 100.1 s is over.
const LATER_S: f64 = 103.0;

pub fn faults() -> Vec<Fault> {
    [low_latency(), reloads(), ended(), http()].into_iter().flatten().collect()
}

/// The same edit in both playlists.
fn both(rule: &'static str, text: &str, to: &str) -> Fault {
    fault(rule, Live, [rep(V, text, to), rep(A, text, to)])
}

fn low_latency() -> Vec<Fault> {
    let one = |rule, text: &str, to: &str| fault(rule, Live, [rep(V, text, to)]);
    vec![
        one("part-inf-missing", "#EXT-X-PART-INF:PART-TARGET=0.5\n", ""),
        one("part-too-long", "PART-TARGET=0.5", "PART-TARGET=0.4"),
        one("part-too-short", "PART-TARGET=0.5", "PART-TARGET=0.7").also(&["part-hold-back-tight"]),
        one("part-sum", "PART:DURATION=0.5", "PART:DURATION=0.4"),
        one("part-tags-late", "#EXTINF:2.0,\nv-49", "#EXT-X-DISCONTINUITY\n#EXTINF:2.0,\nv-49")
            .also(&["discontinuity-differs"]),
        one("part-byterange", "PART:DURATION=0.5,", "PART:DURATION=0.5,BYTERANGE=\"5\","),
        one("parts-old", "#EXTINF", "#EXT-X-PART:DURATION=2.0,URI=\"o.mp4\",INDEPENDENT=YES\n#EXTINF")
            .also(&["part-too-long"]),
        fault("parts-with-i-frames-only", Live, [rep(V, "#EXT-X-MAP", "#EXT-X-I-FRAMES-ONLY\n#EXT-X-MAP")]),
        both("hold-back-short", ",HOLD-BACK=6.0", ",HOLD-BACK=5.0"),
        one("part-hold-back-missing", ",PART-HOLD-BACK=1.5", ""),
        one("part-hold-back-short", "PART-HOLD-BACK=1.5", "PART-HOLD-BACK=0.9"),
        one("part-hold-back-tight", "PART-HOLD-BACK=1.5", "PART-HOLD-BACK=1.2"),
        one("skip-until-short", "UNTIL=12.0", "UNTIL=11.0"),
        one("skip-dateranges-alone", "CAN-SKIP-UNTIL=12.0", "CAN-SKIP-DATERANGES=YES"),
        fault(
            "skip-unasked",
            Ts,
            [rep(V, "#EXTINF", "#EXT-X-SKIP:SKIPPED-SEGMENTS=1\n#EXTINF"), rep(V, "VERSION:7", "VERSION:9")],
        ),
        fault("hint-after-end", Ts, [rep(V, "#EXT-X-END", "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"p\"\n#EXT-X-END")]),
        one("hint-repeated", "#EXT-X-PRELOAD-HINT", "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"p\"\n#EXT-X-PRELOAD-HINT")
            .also(&["hint-broken"]),
        one("hint-missing", "#EXT-X-PRELOAD-HINT", "# "),
        one("hint-broken", "TYPE=PART,URI=\"v-", "TYPE=PART,URI=\"w-"),
        one("report-absolute", "REPORT:URI=\"a", "REPORT:URI=\"http://tv.test/game/a"),
        one("report-unknown", "REPORT:URI=\"a", "REPORT:URI=\"b").also(&["report-missing"]),
        one("report-missing", "#EXT-X-RENDITION-REPORT", "# "),
        fault(
            "report-stale",
            Live,
            [body(A, |text| String::from_utf8(text).unwrap().replace("LAST-MSN=", "LAST-MSN=1,X-WAS=").into_bytes())],
        ),
        one("block-reload-missing", "CAN-BLOCK-RELOAD=YES,", ""),
        fault("low-latency-date-time", Live, [body(V, undated), body(A, undated)]),
        // Another playlist than the one that was waited for: an older one.
        fault(
            "block-reload-wrong",
            Live,
            [with(V, Change::Header("x", None)), from(100.4, with(V, Change::Status(503)))],
        )
        .also(&["playlist-lost"]),
        fault("block-reload-too-far", Live, [with(V, Change::Status(200))]),
        one("delta-wrong", "#EXT-X-SKIP:SKIPPED-SEGMENTS=2", "#EXT-X-SKIP:SKIPPED-SEGMENTS=3"),
        fault("delta-not-given", Live, [body(V, unskipped)]),
    ]
}

fn undated(text: Vec<u8>) -> Vec<u8> {
    let text = String::from_utf8(text).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with("#EXT-X-PROGRAM"));
    lines.map(|line| format!("{line}\n")).collect::<String>().into_bytes()
}

/// A delta update as a server gives it that skips nothing.
fn unskipped(text: Vec<u8>) -> Vec<u8> {
    let text = String::from_utf8(text).unwrap().replace("UNTIL=12.0", "UNTIL=12.001");
    let skip = "#EXT-X-SKIP:SKIPPED-SEGMENTS=2\n";
    let older = "#EXT-X-MAP:URI=\"vi.mp4\"\n#EXTINF:2.0,\nv-42.mp4\n#EXTINF:2.0,\nv-43.mp4\n";
    text.replace("UNTIL=12.001", "UNTIL=12.0").replace(skip, older).into_bytes()
}

fn reloads() -> Vec<Fault> {
    let later = |rule, text: &str, to: &str| fault(rule, Live, [from(LATER_S, rep(V, text, to))]);
    vec![
        fault("playlist-lost", Live, [from(LATER_S, with(V, Change::Status(404)))]),
        fault("playlist-stalled", Live, [from(LATER_S, with(V, Change::Frozen))]).also(&["report-stale"]),
        fault("media-sequence-back", Live, [from(LATER_S, body(V, |text| renumber(text, -20)))]),
        fault("media-sequence-wrong", Live, [from(LATER_S, body(V, |text| renumber(text, 1)))])
            .also(&["timeline-break"]),
        fault("media-sequence-jump", Live, [from(LATER_S, body(V, |text| renumber(text, 60)))]).also(&["report-stale"]),
        fault("segments-vanished", Live, [from(LATER_S, body(V, cut))]),
        later("segment-changed", "#EXTINF:2.0,\nv-46", "#EXTINF:2.0,\nw-46"),
        fault("part-changed", Live, [from(101.0, body(V, renamed))]),
        later("discontinuity-sequence-wrong", "#EXT-X-PART-INF", "#EXT-X-DISCONTINUITY-SEQUENCE:1\n#EXT-X-PART-INF")
            .also(&["discontinuity-differs"]),
        fault("event-removed", Live, [rep(V, "#EXT-X-MAP", "#EXT-X-PLAYLIST-TYPE:EVENT\n#EXT-X-MAP")])
            .also(&["playlist-type-differs"]),
        later("playlist-type-changed", "#EXT-X-MAP", "#EXT-X-PLAYLIST-TYPE:EVENT\n#EXT-X-MAP")
            .also(&["event-removed", "playlist-type-differs"]),
        later("target-duration-changed", "DURATION:2", "DURATION:3").also(&[
            "hold-back-short",
            "skip-until-short",
            "target-duration-differs",
        ]),
        later("part-target-changed", "TARGET=0.5", "TARGET=0.52").also(&["part-hold-back-tight"]),
        later("hold-back-changed", ",HOLD-BACK=6.0", ",HOLD-BACK=6.5"),
        fault("date-time-changed", Live, [from(LATER_S, body(V, shift)), from(LATER_S, body(A, shift))]),
    ]
}

fn renamed(text: Vec<u8>) -> Vec<u8> {
    String::from_utf8(text).unwrap().replace(".0.mp4", ".x.mp4").into_bytes()
}

/// Without its last segments.
fn cut(text: Vec<u8>) -> Vec<u8> {
    let text = String::from_utf8(text).unwrap();
    let head = text.split("#EXTINF").take(5).collect::<Vec<_>>().join("#EXTINF");
    head.into_bytes()
}

fn renumber(text: Vec<u8>, by: i64) -> Vec<u8> {
    let text = String::from_utf8(text).unwrap();
    let lines = text.lines().map(|line| match line.strip_prefix("#EXT-X-MEDIA-SEQUENCE:") {
        Some(number) => format!("#EXT-X-MEDIA-SEQUENCE:{}\n", (number.parse::<i64>().unwrap() + by).max(0)),
        None => format!("{line}\n"),
    });
    lines.collect::<String>().into_bytes()
}

fn shift(text: Vec<u8>) -> Vec<u8> {
    String::from_utf8(text).unwrap().replace(".000Z", ".050Z").into_bytes()
}

/// What is on demand is loaded a second time at the end, some milliseconds after the first.
const AT_END_S: f64 = 100.104;

fn ended() -> Vec<Fault> {
    let untyped = || rep(V, "#EXT-X-PLAYLIST-TYPE:VOD\n", "");
    let end = |to| from(AT_END_S, rep(V, "#EXT-X-ENDLIST\n", to));
    let range = |value: &str| {
        format!("#EXT-X-DATERANGE:ID=\"a\",START-DATE=\"2026-11-27T00:00:00.000Z\",X-A=\"{value}\"\n#EXT-X-MAP")
    };
    vec![
        fault("endlist-gone", Ts, [untyped(), end("")]),
        fault("endlist-then-changed", Ts, [untyped(), end("#EXTINF:4.0,\nv1-4.ts\n#EXT-X-ENDLIST\n")]),
        fault("vod-changed", Ts, [from(AT_END_S, rep(V, "#EXTINF:4.0,\nv1-3.ts\n", ""))]),
        fault(
            "daterange-changed",
            Live,
            [rep(V, "#EXT-X-MAP", &range("1")), from(LATER_S, rep(V, "X-A=\"1\"", "X-A=\"2\""))],
        ),
    ]
}

fn second(_: Vec<u8>) -> Vec<u8> {
    World::new(Vod, Vec::new()).vod("v2.m3u8").into_bytes()
}

fn http() -> Vec<Fault> {
    let iframes = |n| {
        format!(
            "#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=50000,CODECS=\"avc1.64001f\",RESOLUTION=640x360,URI=\"i.m3u8?{n}\"\n"
        )
    };
    let many: String = (0..100).map(iframes).collect();
    let header = |rule, path, name, value| fault(rule, Ts, [with(path, Change::Header(name, value))]);
    vec![
        fault("playlist-unavailable", Vod, [with("v2.m3u8", Change::Error(FetchError::Redirects))]),
        fault(
            "playlist-unidentifiable",
            Vod,
            [rep("multi.m3u8", "v2.m3u8", "v2"), with("v2", Change::Status(200)), body("v2", second)],
        ),
        fault("not-all-checked", Vod, [rep("multi.m3u8", "#EXT-X-I-FRAME", &format!("{many}#EXT-X-I-FRAME"))]),
        header("playlist-mime", V, "content-type", Some("text/plain")),
        header("segment-mime", "v1-1.ts", "content-type", Some("video/mp4")),
        fault(
            "playlist-not-gzip",
            Ts,
            [
                body(V, |mut text| {
                    text.extend(vec![b'\n'; 5000]);
                    text
                }),
                with(V, Change::Header("content-length", Some("9"))),
            ],
        ),
        header("segment-gzip", "v1-1.ts", "content-encoding", Some("gzip")),
        fault("playlist-cached-long", Live, [with(V, Change::Header("cache-control", Some("max-age=3")))]),
        header("segment-uncacheable", "v1-1.ts", "cache-control", Some("no-store")),
        header("cors-missing", V, "access-control-allow-origin", None),
        header("body-truncated", "v1-1.ts", "content-length", Some("99999")),
        fault("answer-too-large", Ts, [with("v1-1.ts", Change::TooLarge)]),
    ]
}
