use std::time::Duration;

use proptest::prelude::*;

use super::super::master::{MAX_VARIANTS, MasterPlaylist};
use super::super::media::{ByteRange, Kind, MAX_SEGMENTS, Protection};
use super::super::text::{PlaylistError, Variables};
use super::{base, media};

fn master(text: &str) -> MasterPlaylist {
    MasterPlaylist::read(text, &base()).unwrap().expect("a master playlist")
}

#[test]
fn a_media_playlist_tells_each_segment_all_that_is_known_of_it() {
    let playlist = media(
        "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:4\n#EXT-X-MEDIA-SEQUENCE:71\n\
         #EXT-X-DISCONTINUITY-SEQUENCE:3\n#EXT-X-MAP:URI=\"init.mp4\",BYTERANGE=\"800@16\"\n\
         #EXT-X-PROGRAM-DATE-TIME:2026-11-25T20:00:00.500+01:00\n#EXTINF:3.84,a title, with a comma\na.m4s\n\
         #EXTINF:4\n#EXT-X-BYTERANGE:1000@500\nall.m4s\n#EXTINF:4,\n#EXT-X-BYTERANGE:200\nall.m4s\n\
         #EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI=\"ad.mp4\"\n#EXT-X-GAP\n#EXTINF:2,\nhttp://ads/ad.m4s?x=1",
    )
    .unwrap();
    assert_eq!((playlist.target, playlist.kind, playlist.ended), (Duration::from_secs(4), Kind::Live, false));
    let urls: Vec<_> = playlist.segments.iter().map(|s| s.url.as_str()).collect();
    let all = "http://h/live/all.m4s";
    assert_eq!(urls, ["http://h/live/a.m4s", all, all, "http://ads/ad.m4s?x=1"]);
    let [first, second, third, last] = &playlist.segments[..] else { panic!("{playlist:?}") };
    assert_eq!([first.sequence, last.sequence], [71, 74]);
    assert_eq!([first.discontinuity, third.discontinuity, last.discontinuity], [3, 3, 4]);
    assert_eq!(second.range, Some(ByteRange { offset: 500, length: 1000 }));
    assert_eq!(third.range, Some(ByteRange { offset: 1500, length: 200 }));
    let init = first.init.as_ref().unwrap();
    assert_eq!((init.url.path(), init.range), ("/live/init.mp4", Some(ByteRange { offset: 16, length: 800 })));
    assert_eq!((third.init.as_ref(), last.init.as_ref().unwrap().url.path()), (Some(init), "/live/ad.mp4"));
    assert_eq!((first.gap, last.gap), (false, true));
    // 2026-11-25T19:00:00.5Z, and 3.84 s later.
    assert_eq!(first.programme_us, Some(1_795_633_200_500_000));
    assert_eq!((second.programme_us, last.programme_us), (Some(1_795_633_204_340_000), None));
}

#[test]
fn keys_are_the_last_ones_of_their_format_and_what_cannot_be_undone_says_so() {
    let playlist = media(
        "#EXTM3U\n#EXTINF:2,\n0.ts\n#EXT-X-KEY:METHOD=AES-128,URI=\"k1\"\n#EXTINF:2,\n1.ts\n\
         #EXT-X-KEY:METHOD=AES-128,URI=\"k2?a=b\",IV=0x0000000000000000000000000000ABCD\n#EXTINF:2,\n2.ts\n\
         #EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://x\",KEYFORMAT=\"com.apple.streamingkeydelivery\"\n#EXTINF:2,\n3.ts\n\
         #EXT-X-KEY:METHOD=NONE\n#EXTINF:2,\n4.ts\n#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"k\"\n#EXTINF:2,\n5.ts\n",
    )
    .unwrap();
    let key = |n: usize| match &playlist.segments[n].protection {
        Protection::Clear => "clear".to_owned(),
        Protection::Aes128 { key, iv } => format!("{} {:x?}", key.as_str(), iv.map(u128::from_be_bytes)),
        Protection::Refused { method } => method.to_string(),
    };
    assert_eq!([key(0), key(4), key(5)], ["clear", "clear", "SAMPLE-AES"]);
    assert_eq!(key(1), "http://h/live/k1 None");
    assert_eq!([key(2), key(3)], ["http://h/live/k2?a=b Some(abcd)"; 2]);
}

#[test]
fn key_formats_without_end_are_left_out() {
    let usable = |others: usize| {
        let other = |n: usize| format!("#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"k\",KEYFORMAT=\"drm{n}\"\n");
        let keys: String = (0..others).map(other).collect();
        let text = format!("#EXTM3U\n{keys}#EXT-X-KEY:METHOD=AES-128,URI=\"k\"\n#EXTINF:2,\na.ts\n");
        matches!(media(&text).unwrap().segments[0].protection, Protection::Aes128 { .. })
    };
    assert_eq!((usable(0), usable(15), usable(16), usable(9000)), (true, true, false, false));
}

#[test]
fn kinds_ends_starts_and_missing_tags_are_told_apart() {
    let of = |tags: &str| media(&format!("#EXTM3U\n{tags}\n#EXTINF:5,\na.ts\n#EXTINF:7,\nb.ts\n")).unwrap();
    assert_eq!((of("").kind, of("").ended), (Kind::Live, false));
    assert_eq!(of("").target, Duration::from_secs(7), "no target duration: the longest segment's");
    assert_eq!(of("#EXT-X-PLAYLIST-TYPE:EVENT").kind, Kind::Event);
    assert!(of("#EXT-X-PLAYLIST-TYPE:VOD").ended && of("#EXT-X-ENDLIST").ended);
    assert_eq!(of("#EXT-X-START:TIME-OFFSET=-12.5,PRECISE=YES").start_s, Some(-12.5));
    assert_eq!(of("#EXT-X-TARGETDURATION:0").target, Duration::from_millis(500));
    // Parts, hints and reports of low-latency playlists are no segments.
    let parts = "#EXT-X-PART:DURATION=0.3,URI=\"p.ts\"\n#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"q.ts\"\n#EXT-X-SKIP:SKIPPED-SEGMENTS=3";
    assert_eq!(of(parts).segments.len(), 2);
    assert_eq!(media("#EXTM3U\n#EXT-X-TARGETDURATION:2\n").unwrap().segments, []);
    assert_eq!(media("<html>no</html>"), Err(PlaylistError::NoHeader));
    let unusable = media("#EXTM3U\n#EXTINF:2,\nrtmp://x/y\n#EXTINF:2,\nb.ts\n").unwrap();
    assert_eq!([unusable.segments[0].gap, unusable.segments[1].gap], [true, false]);
}

#[test]
fn variables_reach_into_uris_of_both_kinds_of_playlist() {
    let master = master(
        "#EXTM3U\n#EXT-X-DEFINE:NAME=\"cdn\",VALUE=\"http://cdn\"\n#EXT-X-DEFINE:QUERYPARAM=\"token\"\n\
         #EXT-X-STREAM-INF:BANDWIDTH=1,RESOLUTION=640x360\n{$cdn}/v.m3u8?t={$token}\n",
    );
    assert_eq!(master.variants[0].url.as_str(), "http://cdn/v.m3u8?t=t");
    let text = "#EXTM3U\n#EXT-X-DEFINE:IMPORT=\"cdn\"\n#EXTINF:2,\n{$cdn}/a.ts\n";
    let playlist = super::MediaPlaylist::read(text, &base(), &master.variables).unwrap();
    assert_eq!(playlist.segments[0].url.as_str(), "http://cdn/a.ts");
    let alone = super::MediaPlaylist::read(text, &base(), &Variables::default());
    assert_eq!(alone, Err(PlaylistError::Variable { name: "cdn".into() }));
}

#[test]
fn what_is_no_language_is_none_and_a_name_is_short() {
    let long = "x".repeat(5000);
    for bad in ["en\u{2028}x", "", "e n", "en-", &long, "a-b-c-d-e-f-g-h-i-j-k-l-m-n-o-p-q-r-s-t"] {
        let text = format!(
            "#EXTM3U\n#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"s\",NAME=\"{long}\",LANGUAGE=\"{bad}\",URI=\"s.m3u8\"\n\
             #EXT-X-STREAM-INF:BANDWIDTH=9,SUBTITLES=\"s\"\na.m3u8\n"
        );
        let texts = master(&text).texts;
        assert_eq!((texts[0].language.as_deref(), texts[0].name.len()), (None, 120), "{bad:?}");
    }
}

#[test]
fn a_master_playlist_has_variants_and_sound_and_leaves_the_rest_out() {
    let master = master(
        "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"Deutsch\",LANGUAGE=\"DE\",DEFAULT=YES,URI=\"de.m3u8\"\n\
         #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"Stadium\"\n\
         #EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"s\",NAME=\"x\",URI=\"s.m3u8\"\n\
         #EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=9,URI=\"i.m3u8\"\n\
         #EXT-X-STREAM-INF:BANDWIDTH=3000000,RESOLUTION=1280x720,FRAME-RATE=50.000,CODECS=\"avc1.64001f, mp4a.40.2\",AUDIO=\"a\"\n\
         # a comment between\n720.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=nonsense\nb.m3u8\n",
    );
    assert_eq!(master.variants.len(), 2);
    let first = &master.variants[0];
    assert_eq!((first.resolution, first.frame_rate, first.bandwidth_bps), (Some((1280, 720)), Some(50.0), 3_000_000));
    assert_eq!((first.codecs.len(), first.audio.as_deref()), (2, Some("a")));
    assert_eq!(master.variants[1].bandwidth_bps, 0);
    assert_eq!(master.audio.len(), 2);
    assert_eq!((master.audio[0].language.as_deref(), master.audio[0].default), (Some("de"), true));
    assert_eq!(master.audio[1].url, None);
    assert_eq!(MasterPlaylist::read("#EXTM3U\n#EXTINF:2,\na.ts", &base()), Ok(None));
}

#[test]
fn what_is_too_much_is_refused_with_the_limit() {
    let segments = format!("#EXTM3U\n{}", "#EXTINF:1,\na\n".repeat(MAX_SEGMENTS + 1));
    assert_eq!(media(&segments), Err(PlaylistError::TooMany { what: "segments", limit: MAX_SEGMENTS }));
    let variants = format!("#EXTM3U\n{}", "#EXT-X-STREAM-INF:BANDWIDTH=1\na\n".repeat(MAX_VARIANTS + 1));
    let refused = MasterPlaylist::read(&variants, &base());
    assert_eq!(refused, Err(PlaylistError::TooMany { what: "variants", limit: MAX_VARIANTS }));
}

/// Lines of playlists, and what nobody would write.
fn line() -> impl Strategy<Value = String> {
    let tags = prop::sample::select(vec![
        "#EXTM3U",
        "#EXTINF:",
        "#EXT-X-KEY:METHOD=AES-128,URI=",
        "#EXT-X-MAP:URI=",
        "#EXT-X-BYTERANGE:",
        "#EXT-X-DEFINE:NAME=\"a\",VALUE=",
        "#EXT-X-MEDIA-SEQUENCE:",
        "#EXT-X-STREAM-INF:BANDWIDTH=",
        "#EXT-X-MEDIA:TYPE=AUDIO,URI=",
        "#EXT-X-DISCONTINUITY",
        "#EXT-X-DISCONTINUITY-SEQUENCE:",
        "#EXT-X-TARGETDURATION:",
        "#EXT-X-PROGRAM-DATE-TIME:",
        "#EXT-X-START:TIME-OFFSET=",
        "seg.ts",
        "",
    ]);
    let value = prop_oneof![
        Just(String::new()),
        Just("18446744073709551615".to_owned()),
        Just("-1e308".to_owned()),
        Just("\"{$a}\"".to_owned()),
        Just("0xffffffffffffffffffffffffffffffffff".to_owned()),
        "[0-9.@,=\"a-z{}$]{0,12}",
        "\\PC{0,12}",
    ];
    (tags, value).prop_map(|(tag, value)| format!("{tag}{value}"))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_a_server_sends_is_read_or_refused(lines in prop::collection::vec(line(), 0..40)) {
        let text = format!("#EXTM3U\n{}", lines.join("\n"));
        let master = MasterPlaylist::read(&text, &base());
        if let Ok(playlist) = media(&text) {
            // Numbers ascend by one, and discontinuities never go back, whatever the tags said.
            for pair in playlist.segments.windows(2) {
                prop_assert!(pair[1].sequence == pair[0].sequence.saturating_add(1));
                prop_assert!(pair[1].discontinuity >= pair[0].discontinuity);
            }
            prop_assert!(playlist.target >= Duration::from_millis(500));
            prop_assert!(playlist.segments.iter().all(|s| s.url.scheme().starts_with("http")));
        }
        if let Ok(Some(master)) = master {
            prop_assert!(!master.variants.is_empty());
        }
    }

    #[test]
    fn what_is_written_by_the_book_is_read_back(
        first in 0u64..1 << 40,
        lengths in prop::collection::vec(1u32..20_000, 1..30),
        breaks in prop::collection::vec(any::<bool>(), 30),
        crlf in any::<bool>(),
    ) {
        let mut text = format!("#EXTM3U\n#EXT-X-TARGETDURATION:20\n#EXT-X-MEDIA-SEQUENCE:{first}\n");
        let mut discontinuities = Vec::new();
        let mut count = 0;
        for (n, ms) in lengths.iter().enumerate() {
            if breaks[n] {
                text.push_str("#EXT-X-DISCONTINUITY\n");
                count += 1;
            }
            discontinuities.push(count);
            text.push_str(&format!("#EXTINF:{}.{:03},\ns{n}.ts\n", ms / 1000, ms % 1000));
        }
        let text = if crlf { text.replace('\n', "\r\n") } else { text };
        let playlist = media(&text).unwrap();
        prop_assert_eq!(playlist.segments.len(), lengths.len());
        for (n, segment) in playlist.segments.iter().enumerate() {
            prop_assert_eq!(segment.sequence, first + n as u64);
            prop_assert_eq!(segment.duration.as_millis(), u128::from(lengths[n]));
            prop_assert_eq!(segment.discontinuity, discontinuities[n]);
        }
    }
}
