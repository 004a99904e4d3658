//! Planted faults in the texts of playlists; those of live playlists and of segments are beside this.

use super::planted::{Fault, fault};
use super::world::Base::{Live, Ts, Vod};
use super::world::{body, rep};
use super::{faults_images, faults_live, faults_segment};

const V: &str = "v1.m3u8";
const M: &str = "multi.m3u8";
const DATE: &str = "#EXT-X-PROGRAM-DATE-TIME:2026-11-27T00:00:00.000Z\n";
const END: &str = "#EXT-X-ENDLIST\n";

pub fn faults() -> Vec<Fault> {
    let texts = [text(), media(), dateranges(), multivariant(), streams()].into_iter();
    texts.chain([faults_images::faults(), faults_live::faults(), faults_segment::faults()]).flatten().collect()
}

/// A line before the end of `v1.m3u8` of the transport stream.
fn line(rule: &'static str, line: &str) -> Fault {
    fault(rule, Ts, [rep(V, END, &format!("{line}\n{END}"))])
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn text() -> Vec<Fault> {
    vec![
        fault("extm3u-first", Ts, [rep(V, "#EXTM3U\n", "#EXTM3U \n")]),
        fault("extm3u-first", Ts, [rep(V, "#EXTM3U\n", "\n#EXTM3U\n")]),
        fault("byte-order-mark", Ts, [rep(V, "#EXTM3U", "\u{feff}#EXTM3U")]),
        fault(
            "not-utf8",
            Ts,
            [body(V, |mut text| {
                text.extend(b"# \xff\n");
                text
            })],
        ),
        line("control-character", "# \u{1}"),
        line("lone-carriage-return", "# a\r# b"),
        line("whitespace", " #EXT-X-DISCONTINUITY-SEQUENCE:0").also(&["discontinuity-sequence-late"]),
        line("line-separator", "# a\u{2028}b"),
        fault("playlist-kind", Ts, [body(V, |_| b"#EXTM3U\n#EXT-X-VERSION:3\n".to_vec())]),
        line("tag-unknown", "#EXT-X-CUE-OUT:30"),
        line("tag-misplaced", "#EXT-X-SESSION-DATA:DATA-ID=\"a.b\",VALUE=\"c\""),
        fault("tag-misplaced", Vod, [rep(M, "#EXT-X-MEDIA:", "#EXT-X-GAP\n#EXT-X-MEDIA:")]),
        line("tag-repeated", "#EXT-X-TARGETDURATION:4"),
        line("tag-value", "#EXT-X-GAP:1").also(&[]),
        fault("tag-value", Ts, [rep(V, "DURATION:4", "DURATION:4.0")]),
        line("attribute-list", "#EXT-X-START:TIME-OFFSET=1, PRECISE=NO"),
        line("attribute-repeated", "#EXT-X-START:TIME-OFFSET=1,TIME-OFFSET=1"),
        line("attribute-type", "#EXT-X-START:TIME-OFFSET=1,PRECISE=\"NO\""),
        line("attribute-value", "#EXT-X-START:TIME-OFFSET=1,PRECISE=MAYBE"),
        line("attribute-missing", "#EXT-X-START:PRECISE=NO"),
        fault("attribute-missing", Vod, [rep(M, "BANDWIDTH=100000,", "")]),
        line("attribute-unknown", "#EXT-X-START:TIME-OFFSET=1,COLOUR=RED"),
        fault("version-too-low", Ts, [rep(V, "VERSION:7", "VERSION:2")]),
        fault("uri-invalid", Vod, [rep(M, "URI=\"a.m3u8\"", "URI=\"http://[/a\"")]),
        line("variable-undefined", "#EXT-X-SERVER-CONTROL:X-A=\"{$no}\""),
        fault(
            "variable-repeated",
            Vod,
            [
                rep(
                    M,
                    "#EXT-X-M",
                    "#EXT-X-DEFINE:NAME=\"a\",VALUE=\"1\"\n#EXT-X-DEFINE:NAME=\"a\",VALUE=\"1\"\n#EXT-X-M",
                ),
                rep(M, "VERSION:7", "VERSION:8"),
            ],
        ),
        fault(
            "define-form",
            Vod,
            [rep(M, "#EXT-X-M", "#EXT-X-DEFINE:NAME=\"a\"\n#EXT-X-M"), rep(M, "VERSION:7", "VERSION:8")],
        ),
        fault(
            "define-form",
            Vod,
            [rep(M, "#EXT-X-M", "#EXT-X-DEFINE:VALUE=\"a\"\n#EXT-X-M"), rep(M, "VERSION:7", "VERSION:8")],
        ),
        fault(
            "define-name",
            Vod,
            [rep(M, "#EXT-X-M", "#EXT-X-DEFINE:NAME=\"a b\",VALUE=\"1\"\n#EXT-X-M"), rep(M, "VERSION:7", "VERSION:8")],
        ),
        fault(
            "define-import",
            Vod,
            [rep(V, "#EXT-X-MAP", "#EXT-X-DEFINE:IMPORT=\"a\"\n#EXT-X-MAP"), rep(V, "VERSION:7", "VERSION:8")],
        ),
        fault(
            "define-query",
            Ts,
            [rep(V, "#EXTINF", "#EXT-X-DEFINE:QUERYPARAM=\"a\"\n#EXTINF"), rep(V, "VERSION:7", "VERSION:11")],
        ),
        line("start-outside", "#EXT-X-START:TIME-OFFSET=17"),
        fault("start-near-end", Live, [rep(V, "#EXT-X-MAP", "#EXT-X-START:TIME-OFFSET=-5\n#EXT-X-MAP")]),
    ]
}

fn media() -> Vec<Fault> {
    let key = |rule, key: &str| {
        fault(rule, Ts, [rep(V, "v1-0.ts", &format!("#EXT-X-KEY:{key}\nv1-0.ts\n#EXT-X-KEY:METHOD=NONE"))])
    };
    vec![
        fault("target-duration-missing", Ts, [rep(V, "#EXT-X-TARGETDURATION:4\n", "")]),
        fault("target-duration-exceeded", Ts, [rep(V, "DURATION:4", "DURATION:3")]),
        line("media-sequence-late", "#EXT-X-MEDIA-SEQUENCE:0"),
        line("discontinuity-sequence-late", "#EXT-X-DISCONTINUITY-SEQUENCE:0"),
        fault("extinf-missing", Ts, [rep(V, "#EXTINF:4.0,\nv1-2", "v1-2")]).also(&["segment-duration"]),
        fault("extinf-comma", Ts, [rep(V, "4.0,", "4.0")]),
        line("segment-tag-dangling", "#EXTINF:4.0,"),
        line("segment-tag-dangling", "#EXT-X-BYTERANGE:5@0"),
        fault("byterange-start", Ts, [rep(V, "v1-0", "#EXT-X-BYTERANGE:2256\nv1-0")]),
        key("key-uri", "METHOD=SAMPLE-AES"),
        line("key-none", "#EXT-X-KEY:METHOD=NONE,KEYFORMAT=\"identity\""),
        key("key-iv", "METHOD=SAMPLE-AES,URI=\"key\",IV=0x000000000000000000000000000000001"),
        key("key-iv", "METHOD=AES-256-GCM,URI=\"key\",IV=0x1"),
        key("key-format-versions", "METHOD=SAMPLE-AES,URI=\"key\",KEYFORMATVERSIONS=\"1/a\""),
        key("key-insecure", "METHOD=SAMPLE-AES,URI=\"http://k.test/key\""),
        fault(
            "map-iv",
            Vod,
            [
                rep(V, "#EXT-X-MAP", "#EXT-X-KEY:METHOD=AES-128,URI=\"key\"\n#EXT-X-MAP"),
                rep(V, "#EXT-X-PROG", "#EXT-X-KEY:METHOD=NONE\n#EXT-X-PROG"),
            ],
        )
        .also(&["segment-decrypt"]),
        fault("map-byterange", Vod, [rep(V, "vi.mp4\"", "vi.mp4\",BYTERANGE=\"409\"")]).also(&["byterange-outside"]),
        fault("date-time-zone", Ts, [rep(V, "00.000Z", "00.000")]),
        fault("date-time-milliseconds", Ts, [rep(V, "00.000Z", "00Z")]),
        fault("date-time-drift", Ts, [rep(V, "v1-2", "#EXT-X-PROGRAM-DATE-TIME:2026-11-27T00:00:09.000Z\nv1-2")]),
        fault("vod-without-endlist", Ts, [rep(V, END, "")]),
        fault(
            "live-window-short",
            Live,
            [rep(V, "DURATION:2", "DURATION:6"), rep("a.m3u8", "DURATION:2", "DURATION:6")],
        )
        .also(&["hold-back-short", "skip-until-short"]),
    ]
}

/// A date range that starts at midnight.
fn range(rule: &'static str, attributes: &str) -> Fault {
    line(rule, &format!("#EXT-X-DATERANGE:ID=\"a\",START-DATE=\"2026-11-27T00:00:00.000Z\",{attributes}"))
}

fn dateranges() -> Vec<Fault> {
    let next = "#EXT-X-DATERANGE:ID=\"b\",CLASS=\"c\",START-DATE=\"2026-11-27T00:00:01.000Z\",END-ON-NEXT=YES";
    vec![
        fault(
            "daterange-without-date-time",
            Ts,
            [rep(V, DATE, "#EXT-X-DATERANGE:ID=\"a\",START-DATE=\"2026-11-27T00:00:00.000Z\"\n")],
        ),
        line("daterange-start", "#EXT-X-DATERANGE:ID=\"a\""),
        range("daterange-date", "END-DATE=\"tomorrow\""),
        range("daterange-zone", "END-DATE=\"2026-11-28T00:00:00.000\""),
        range("daterange-end", "END-DATE=\"2026-11-26T00:00:00.000Z\""),
        range("daterange-negative", "DURATION=-1"),
        range("daterange-negative", "PLANNED-DURATION=-0.5"),
        range("daterange-sum", "DURATION=1,END-DATE=\"2026-11-27T00:00:02.000Z\""),
        range("daterange-next-class", "END-ON-NEXT=YES"),
        range("daterange-next-end", "CLASS=\"c\",END-ON-NEXT=YES,DURATION=1"),
        range("daterange-overlap", &format!("CLASS=\"c\",DURATION=5\n{next}")),
        range("daterange-conflict", "X-A=\"1\"\n#EXT-X-DATERANGE:ID=\"a\",X-A=\"2\""),
        range("daterange-cue", "CUE=\"PRE,POST\""),
        range("scte35-hex", "SCTE35-OUT=0xFC3"),
        range("scte35-hex", "SCTE35-CMD=\"0xFC30\""),
        range("attribute-value", "END-ON-NEXT=NO,CLASS=\"c\""),
    ]
}

/// An EXT-X-MEDIA more.
fn rendition(rule: &'static str, attributes: &str) -> Fault {
    fault(rule, Vod, [rep(M, "#EXT-X-STREAM", &format!("#EXT-X-MEDIA:{attributes}\n#EXT-X-STREAM"))])
}

fn multivariant() -> Vec<Fault> {
    let captions = |rule, id: &str| {
        let tag = format!("#EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID=\"cc\",NAME=\"c\"{id}\n#EXT-X-STREAM");
        let (none, group) = ("CLOSED-CAPTIONS=NONE", "CLOSED-CAPTIONS=\"cc\"");
        fault(rule, Vod, [rep(M, "#EXT-X-STREAM", &tag), rep(M, none, group), rep(M, none, group)])
    };
    let sound = "TYPE=AUDIO,GROUP-ID=\"snd\",CHANNELS=\"2\",URI=\"a.m3u8\"";
    vec![
        fault("variants-none", Vod, [body(M, |_| {
            let media = "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"g\",NAME=\"n\",CHANNELS=\"2\",URI=\"a.m3u8\"\n";
            format!("#EXTM3U\n{media}").into_bytes()
        })]).also(&["group-unused"]),
        rendition("media-uri-missing", "TYPE=SUBTITLES,GROUP-ID=\"sub\",NAME=\"x\",LANGUAGE=\"fr\""),
        captions("media-uri-forbidden", ",INSTREAM-ID=\"CC1\",URI=\"a.m3u8\""),
        captions("instream-id", ""),
        captions("instream-id", ",INSTREAM-ID=\"SERVICE64\""),
        rendition("name-repeated", &format!("{sound},NAME=\"Hawks\",LANGUAGE=\"fr\"")),
        rendition("default-repeated", &format!("{sound},NAME=\"b\",LANGUAGE=\"fr\",DEFAULT=YES")),
        fault("default-autoselect", Vod, [rep(M, "AUTOSELECT=YES", "AUTOSELECT=NO")]),
        rendition("autoselect-alike", &format!("{sound},NAME=\"b\",LANGUAGE=\"en\",AUTOSELECT=YES")),
        rendition("forced-forbidden", &format!("{sound},NAME=\"b\",LANGUAGE=\"fr\",FORCED=NO")),
        rendition("audio-attribute-forbidden", "TYPE=SUBTITLES,GROUP-ID=\"sub\",NAME=\"b\",LANGUAGE=\"fr\",URI=\"s.m3u8\",CHANNELS=\"2\""),
        fault("channels-missing", Vod, [rep(M, ",CHANNELS=\"2\"", "")]),
        fault("channels-form", Vod, [rep(M, "CHANNELS=\"2\"", "CHANNELS=\"two\"")]),
        fault("language-tag", Vod, [rep(M, "LANGUAGE=\"en\"", "LANGUAGE=\"english lang\"")]),
        fault("stable-id", Vod, [rep(M, "NAME=\"Hawks\"", "NAME=\"Hawks\",STABLE-RENDITION-ID=\"a b\"")]),
        fault("groups-differ", Vod, [
            rep(M, "#EXT-X-STREAM", "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"hi\",NAME=\"b\",LANGUAGE=\"fr\",CHANNELS=\"2\",URI=\"a.m3u8\"\n#EXT-X-STREAM"),
            rep(M, "AUDIO=\"snd\",SUB", "AUDIO=\"hi\",SUB"),
        ]),
        fault("rendition-alike", Vod, [
            rep(M, "#EXT-X-STREAM", "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"hi\",NAME=\"Hawks\",LANGUAGE=\"en\",DEFAULT=YES,AUTOSELECT=YES,URI=\"a.m3u8\"\n#EXT-X-STREAM"),
            rep(M, "AUDIO=\"snd\",SUB", "AUDIO=\"hi\",SUB"),
        ]).also(&["channels-missing"]),
        fault("stream-uri-missing", Vod, [rep(M, "\nv2.m3u8", "")]),
        fault("group-missing", Vod, [rep(M, "AUDIO=\"snd\",SUB", "AUDIO=\"no\",SUB")]),
        rendition("group-unused", "TYPE=VIDEO,GROUP-ID=\"cam\",NAME=\"b\",URI=\"v1.m3u8\""),
    ]
}

#[expect(clippy::too_many_lines, reason = "a table")]
fn streams() -> Vec<Fault> {
    let add = |rule, attributes: &str| fault(rule, Vod, [rep(M, "INF:BAND", &format!("INF:{attributes},BAND"))]);
    let tag = |rule, tag: &str| fault(rule, Vod, [rep(M, "#EXT-X-STREAM", &format!("{tag}\n#EXT-X-STREAM"))]);
    let session = "#EXT-X-SESSION-KEY:METHOD=SAMPLE-AES,URI=\"key\"";
    vec![
        fault("codecs-missing", Vod, [rep(M, "CODECS=\"avc1.64001f,mp4a.40.2\",", "")]),
        fault("codecs-form", Vod, [rep(M, "mp4a.40.2", "mp4a.40.2,aac")]),
        add("supplemental-codecs", "SUPPLEMENTAL-CODECS=\"dolby\""),
        fault("resolution-missing", Vod, [rep(M, "RESOLUTION=640x360,FRAME", "FRAME")]),
        fault("frame-rate-missing", Vod, [rep(M, "FRAME-RATE=25.000,", "")]),
        fault("frame-rate-digits", Vod, [rep(M, "25.000", "25.0000")]),
        add("score-partial", "SCORE=1.5"),
        fault("average-above-peak", Vod, [rep(M, "AVERAGE-BANDWIDTH=90000", "AVERAGE-BANDWIDTH=190000")]),
        fault("captions-mixed", Vod, [rep(M, ",CLOSED-CAPTIONS=NONE", "")]),
        fault(
            "video-layout-empty",
            Vod,
            [rep(M, "INF:BAND", "INF:REQ-VIDEO-LAYOUT=\"CH-STEREO/\",BAND"), rep(M, "VERSION:7", "VERSION:12")],
        ),
        fault("i-frame-playlist", Vod, [rep("i.m3u8", "#EXT-X-I-FRAMES-ONLY\n", "")]).also(&["box-broken"]),
        tag("session-data-form", "#EXT-X-SESSION-DATA:DATA-ID=\"a.b\""),
        tag(
            "session-data-repeated",
            "#EXT-X-SESSION-DATA:DATA-ID=\"a\",VALUE=\"1\"\n#EXT-X-SESSION-DATA:DATA-ID=\"a\",VALUE=\"2\"",
        ),
        tag("session-key-none", "#EXT-X-SESSION-KEY:METHOD=NONE"),
        tag("session-key-repeated", &format!("{session}\n{session}")),
        fault(
            "session-key-differs",
            Vod,
            [
                rep(M, "#EXT-X-STREAM", &format!("{session}\n#EXT-X-STREAM")),
                rep(V, "v1-3", "#EXT-X-KEY:METHOD=SAMPLE-AES-CTR,URI=\"key\"\nv1-3"),
            ],
        ),
        tag("steering-pathway", "#EXT-X-CONTENT-STEERING:SERVER-URI=\"s\",PATHWAY-ID=\"b\""),
        fault(
            "variant-is-multivariant",
            Vod,
            [body("v2.m3u8", |_| b"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nv1.m3u8\n".to_vec())],
        ),
        fault("tag-on-both-levels", Vod, [rep(V, "#EXT-X-MAP", "#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-MAP")]),
        fault("target-duration-differs", Vod, [rep("v2.m3u8", "DURATION:4", "DURATION:5")]),
        fault("playlist-type-differs", Vod, [rep("v2.m3u8", "TYPE:VOD", "TYPE:EVENT")]),
        fault("date-time-partial", Vod, [rep("s.m3u8", DATE, "")]),
        fault("date-time-differs", Vod, [rep("a.m3u8", "00:00:00.000Z", "00:00:00.500Z")]),
        fault("sequence-unaligned", Vod, [rep("v2.m3u8", "TYPE:VOD", "TYPE:VOD\n#EXT-X-MEDIA-SEQUENCE:1")]),
        fault(
            "discontinuity-differs",
            Vod,
            [rep(
                "a.m3u8",
                "#EXTINF:4.0,\na-2",
                "#EXT-X-DISCONTINUITY\n#EXT-X-PROGRAM-DATE-TIME:2026-11-27T00:00:08.000Z\n#EXTINF:4.0,\na-2",
            )],
        ),
        fault("length-differs", Vod, [rep("s.m3u8", "#EXTINF:4.0,\ns-2.vtt\n#EXTINF:4.0,\ns-3.vtt\n", "")]),
        fault("endlist-partial", Vod, [rep("v2.m3u8", "TYPE:VOD", "TYPE:VOD"), rep("v2.m3u8", END, "")])
            .also(&["vod-without-endlist"]),
        fault(
            "bandwidth-exceeded",
            Vod,
            [
                rep(M, "INF:BANDWIDTH=100000,AVERAGE-BANDWIDTH=90000", "INF:BANDWIDTH=30000,AVERAGE-BANDWIDTH=30000"),
                rep(M, "X", "X"),
            ],
        )
        .also(&["average-bandwidth-exceeded"]),
        fault(
            "bandwidth-exceeded-live",
            Live,
            [rep(M, "INF:BANDWIDTH=100000,AVERAGE-BANDWIDTH=90000", "INF:BANDWIDTH=60000")],
        ),
        fault("average-bandwidth-exceeded", Vod, [rep(M, "AVERAGE-BANDWIDTH=90000", "AVERAGE-BANDWIDTH=20000")]),
    ]
}
