use super::*;
use proptest::prelude::*;

fn grid(fps: &str, segment_frames: u32) -> Grid {
    Grid::new(fps.parse().unwrap(), segment_frames)
}

fn variant(name: &str, width: u32, height: u32, fps: &str) -> VideoVariant {
    VideoVariant {
        uri: format!("video/{name}.m3u8"),
        key_pictures_uri: format!("keys/{name}.m3u8"),
        bandwidth_bps: 6_500_000,
        average_bandwidth_bps: 6_140_000,
        width,
        height,
        fps: fps.parse().unwrap(),
        video_codec: "avc1.640028".to_owned(),
        range: VideoRange::Sdr,
        score: None,
    }
}

fn sound(id: &str, name: &str, language: Option<&str>, default: bool) -> AudioRendition {
    AudioRendition {
        uri: format!("audio/{id}.m3u8"),
        name: name.to_owned(),
        language: language.map(str::to_owned),
        default,
        characteristics: None,
    }
}

#[test]
fn a_multivariant_playlist_names_every_rendition_and_every_games_sound() {
    let playlist = Multivariant {
        renditions: vec![variant("1080p", 1920, 1080, "30000/1001"), variant("540p", 960, 540, "60")],
        audio: vec![
            sound("a", "Hawks at Ravens", Some("en"), false),
            sound("b", "Derby de la ciudad", Some("es-MX"), true),
        ],
        ..Multivariant::default()
    };
    // 4.3.1.1: EXTM3U MUST be the first line. 4.3.4.1: AUTOSELECT, if present, MUST be YES where DEFAULT is YES.
    // 4.3.4.2: BANDWIDTH is required; CODECS lists every format; AUDIO matches a GROUP-ID.
    assert_eq!(
        playlist.render(),
        "#EXTM3U\n\
         #EXT-X-VERSION:6\n\
         #EXT-X-INDEPENDENT-SEGMENTS\n\
         #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"sound\",NAME=\"Hawks at Ravens\",LANGUAGE=\"en\",DEFAULT=NO,AUTOSELECT=NO,\
         CHANNELS=\"2\",URI=\"audio/a.m3u8\"\n\
         #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"sound\",NAME=\"Derby de la ciudad\",LANGUAGE=\"es-MX\",DEFAULT=YES,\
         AUTOSELECT=YES,CHANNELS=\"2\",URI=\"audio/b.m3u8\"\n\
         #EXT-X-STREAM-INF:BANDWIDTH=6500000,AVERAGE-BANDWIDTH=6140000,CODECS=\"avc1.640028,mp4a.40.2\",\
         RESOLUTION=1920x1080,FRAME-RATE=29.970,VIDEO-RANGE=SDR,AUDIO=\"sound\",CLOSED-CAPTIONS=NONE\n\
         video/1080p.m3u8\n\
         #EXT-X-STREAM-INF:BANDWIDTH=6500000,AVERAGE-BANDWIDTH=6140000,CODECS=\"avc1.640028,mp4a.40.2\",\
         RESOLUTION=960x540,FRAME-RATE=60.000,VIDEO-RANGE=SDR,AUDIO=\"sound\",CLOSED-CAPTIONS=NONE\n\
         video/540p.m3u8\n\
         #EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=6500000,CODECS=\"avc1.640028\",RESOLUTION=1920x1080,VIDEO-RANGE=SDR,\
         URI=\"keys/1080p.m3u8\"\n\
         #EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=6500000,CODECS=\"avc1.640028\",RESOLUTION=960x540,VIDEO-RANGE=SDR,\
         URI=\"keys/540p.m3u8\"\n"
    );
}

#[test]
fn a_sound_as_it_came_has_a_group_of_its_own_and_every_rendition_once_more() {
    let described = AudioRendition {
        characteristics: Some("public.accessibility.describes-video"),
        ..sound("a~eng-ad", "Described", Some("en"), false)
    };
    let playlist = Multivariant {
        renditions: vec![variant("540p", 960, 540, "30")],
        audio: vec![sound("a", "Main", Some("en"), true), described],
        as_came: Some(AsCame {
            uri: "audio/a~came-ac3-1.m3u8".into(),
            name: "Hawks at Ravens".into(),
            language: Some("en".into()),
            codec: "ac-3".into(),
            channels: "6".into(),
            bitrate_bps: 448_000,
        }),
        audio_bitrate_bps: 128_000,
        texts: vec![],
    };
    let text = playlist.render();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[4].ends_with(
        "DEFAULT=NO,AUTOSELECT=NO,CHARACTERISTICS=\"public.accessibility.describes-video\",CHANNELS=\"2\",URI=\"audio/a~eng-ad.m3u8\""
    ));
    assert_eq!(
        lines[5..],
        [
            "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"sound as it came\",NAME=\"Hawks at Ravens\",LANGUAGE=\"en\",DEFAULT=YES,\
             AUTOSELECT=YES,CHANNELS=\"6\",URI=\"audio/a~came-ac3-1.m3u8\"",
            "#EXT-X-STREAM-INF:BANDWIDTH=6500000,AVERAGE-BANDWIDTH=6140000,CODECS=\"avc1.640028,mp4a.40.2\",\
             RESOLUTION=960x540,FRAME-RATE=30.000,VIDEO-RANGE=SDR,AUDIO=\"sound\",CLOSED-CAPTIONS=NONE",
            "video/540p.m3u8",
            "#EXT-X-STREAM-INF:BANDWIDTH=6820000,AVERAGE-BANDWIDTH=6460000,CODECS=\"avc1.640028,ac-3\",\
             RESOLUTION=960x540,FRAME-RATE=30.000,VIDEO-RANGE=SDR,AUDIO=\"sound as it came\",CLOSED-CAPTIONS=NONE",
            "video/540p.m3u8",
            "#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=6500000,CODECS=\"avc1.640028\",RESOLUTION=960x540,VIDEO-RANGE=SDR,\
             URI=\"keys/540p.m3u8\"",
        ]
    );
}

#[test]
fn no_sound_means_no_group_and_no_audio_codec() {
    let playlist = Multivariant { renditions: vec![variant("1080p", 1920, 1080, "25")], ..Multivariant::default() };
    assert_eq!(
        playlist.render(),
        "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-INDEPENDENT-SEGMENTS\n\
         #EXT-X-STREAM-INF:BANDWIDTH=6500000,AVERAGE-BANDWIDTH=6140000,CODECS=\"avc1.640028\",\
         RESOLUTION=1920x1080,FRAME-RATE=25.000,VIDEO-RANGE=SDR,CLOSED-CAPTIONS=NONE\n\
         video/1080p.m3u8\n\
         #EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=6500000,CODECS=\"avc1.640028\",RESOLUTION=1920x1080,VIDEO-RANGE=SDR,\
         URI=\"keys/1080p.m3u8\"\n"
    );
}

#[test]
fn what_operators_write_never_breaks_a_playlist() {
    let playlist = Multivariant {
        renditions: vec![],
        audio: vec![
            sound("a", "The \"Clásico\"\n#EXT-X-ENDLIST", Some("en\",DEFAULT=YES"), true),
            sound("b", "  Derby ", Some(""), true),
            sound("c", "Derby", None, false),
            sound("d", "Derby (2)", None, false),
            sound("e", "\u{0}", None, false),
            sound("f\" x\n", "", None, false),
        ],
        ..Multivariant::default()
    };
    // 4.2: a quoted string holds no CR, LF or double quote. 4.3.4.1.1: names differ within a group; one default at most.
    let line = |name: &str, yes_no: &str, uri: &str| {
        format!(
            "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"sound\",NAME=\"{name}\",DEFAULT={yes_no},AUTOSELECT={yes_no},\
             CHANNELS=\"2\",URI=\"{uri}\"\n"
        )
    };
    let lines: String = [
        line("The 'Clásico' #EXT-X-ENDLIST", "YES", "audio/a.m3u8"),
        line("Derby", "NO", "audio/b.m3u8"),
        line("Derby (2)", "NO", "audio/c.m3u8"),
        line("Derby (2) (2)", "NO", "audio/d.m3u8"),
        line("Sound", "NO", "audio/e.m3u8"),
        line("Sound (2)", "NO", "audio/f%22%20x%0A.m3u8"),
    ]
    .concat();
    assert_eq!(playlist.render(), format!("#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-INDEPENDENT-SEGMENTS\n{lines}"));
}

fn media(segments: Vec<MediaSegment>) -> Media {
    Media {
        target_duration_s: 2,
        map_uri: Some("/v1/media/aa/1080p/init.mp4".to_owned()),
        segments,
        ended: false,
        discontinuity_sequence: 0,
        start: None,
        date_ranges: Vec::new(),
        key_pictures: false,
        can_skip: false,
        skips: false,
        low_latency: None,
    }
}

// 2026-11-23T01:00:00Z on a grid of 30 fps and 60 frames a segment.
const N: SegmentNumber = 45_664_200;

fn video(n: SegmentNumber, mosaic: &str) -> MediaSegment {
    MediaSegment::video(&grid("30", 60), n, format!("/v1/media/{mosaic}/1080p/{n}.m4s"))
}

#[test]
fn a_swap_is_another_uri_and_nothing_else() {
    let playlist = media(vec![video(N, "aa"), video(N + 1, "aa"), video(N + 2, "bb")]);
    // 4.3.3.2: the media sequence number is the first segment's. 4.3.2.5: EXT-X-MAP applies to all segments after it.
    assert_eq!(
        playlist.render(),
        "#EXTM3U\n\
         #EXT-X-VERSION:6\n\
         #EXT-X-TARGETDURATION:2\n\
         #EXT-X-MEDIA-SEQUENCE:45664200\n\
         #EXT-X-INDEPENDENT-SEGMENTS\n\
         #EXT-X-START:TIME-OFFSET=-6.0\n\
         #EXT-X-MAP:URI=\"/v1/media/aa/1080p/init.mp4\"\n\
         #EXT-X-PROGRAM-DATE-TIME:2026-11-23T01:00:00.000Z\n\
         #EXTINF:2.000000,\n\
         /v1/media/aa/1080p/45664200.m4s\n\
         #EXT-X-PROGRAM-DATE-TIME:2026-11-23T01:00:02.000Z\n\
         #EXTINF:2.000000,\n\
         /v1/media/aa/1080p/45664201.m4s\n\
         #EXT-X-PROGRAM-DATE-TIME:2026-11-23T01:00:04.000Z\n\
         #EXTINF:2.000000,\n\
         /v1/media/bb/1080p/45664202.m4s\n"
    );
}

#[test]
fn sound_segments_have_their_own_exact_length_and_instant() {
    let grid = grid("30", 60);
    let audio = |n| MediaSegment::audio(&grid, n, format!("/v1/media/audio/hawks/{n}.m4s"));
    let playlist = Media {
        map_uri: Some("/v1/media/audio/hawks/init.mp4".to_owned()),
        ended: true,
        ..media((N + 1..N + 5).map(audio).collect())
    };
    // 93.75 AAC frames a segment: N is a multiple of 4 and begins on one, then boundaries are 94, 188, 281, 375, 469 frames on.
    assert_eq!(
        playlist.render(),
        "#EXTM3U\n\
         #EXT-X-VERSION:6\n\
         #EXT-X-TARGETDURATION:2\n\
         #EXT-X-MEDIA-SEQUENCE:45664201\n\
         #EXT-X-INDEPENDENT-SEGMENTS\n\
         #EXT-X-MAP:URI=\"/v1/media/audio/hawks/init.mp4\"\n\
         #EXT-X-PROGRAM-DATE-TIME:2026-11-23T01:00:02.005Z\n\
         #EXTINF:2.005333,\n\
         /v1/media/audio/hawks/45664201.m4s\n\
         #EXT-X-PROGRAM-DATE-TIME:2026-11-23T01:00:04.010Z\n\
         #EXTINF:1.984000,\n\
         /v1/media/audio/hawks/45664202.m4s\n\
         #EXT-X-PROGRAM-DATE-TIME:2026-11-23T01:00:05.994Z\n\
         #EXTINF:2.005333,\n\
         /v1/media/audio/hawks/45664203.m4s\n\
         #EXT-X-PROGRAM-DATE-TIME:2026-11-23T01:00:08.000Z\n\
         #EXTINF:2.005333,\n\
         /v1/media/audio/hawks/45664204.m4s\n\
         #EXT-X-ENDLIST\n"
    );
}

#[test]
fn gaps_discontinuities_and_changed_maps_are_said() {
    let gap = MediaSegment { gap: true, ..video(N + 1, "aa") };
    let other = MediaSegment { discontinuity: true, new_map_uri: Some("/other.mp4".to_owned()), ..video(N + 2, "bb") };
    let playlist = Media { discontinuity_sequence: 3, ..media(vec![video(N, "aa"), gap, other, video(N + 3, "bb")]) };
    assert_eq!(
        playlist.render(),
        "#EXTM3U\n\
         #EXT-X-VERSION:8\n\
         #EXT-X-TARGETDURATION:2\n\
         #EXT-X-MEDIA-SEQUENCE:45664200\n\
         #EXT-X-DISCONTINUITY-SEQUENCE:3\n\
         #EXT-X-INDEPENDENT-SEGMENTS\n\
         #EXT-X-START:TIME-OFFSET=-6.0\n\
         #EXT-X-MAP:URI=\"/v1/media/aa/1080p/init.mp4\"\n\
         #EXT-X-PROGRAM-DATE-TIME:2026-11-23T01:00:00.000Z\n\
         #EXTINF:2.000000,\n\
         /v1/media/aa/1080p/45664200.m4s\n\
         #EXT-X-PROGRAM-DATE-TIME:2026-11-23T01:00:02.000Z\n\
         #EXT-X-GAP\n\
         #EXTINF:2.000000,\n\
         /v1/media/aa/1080p/45664201.m4s\n\
         #EXT-X-DISCONTINUITY\n\
         #EXT-X-MAP:URI=\"/other.mp4\"\n\
         #EXT-X-PROGRAM-DATE-TIME:2026-11-23T01:00:04.000Z\n\
         #EXTINF:2.000000,\n\
         /v1/media/bb/1080p/45664202.m4s\n\
         #EXT-X-PROGRAM-DATE-TIME:2026-11-23T01:00:06.000Z\n\
         #EXTINF:2.000000,\n\
         /v1/media/bb/1080p/45664203.m4s\n"
    );
}

#[test]
fn a_hole_in_the_numbers_cuts_and_never_renumbers() {
    let mapped = MediaSegment { new_map_uri: Some("/new.mp4".to_owned()), ..video(N, "aa") };
    let text = media(vec![mapped, video(N + 1, "aa"), video(N + 3, "aa")]).render();
    assert!(text.contains("#EXT-X-MEDIA-SEQUENCE:45664203\n"), "{text}");
    assert!(text.contains("#EXT-X-MAP:URI=\"/new.mp4\"\n"), "{text}");
    assert_eq!(text.matches("#EXTINF").count(), 1);
}

#[test]
fn an_ended_session_that_listed_nothing_is_still_a_playlist() {
    let text = Media { ended: true, ..media(vec![]) }.render();
    assert_eq!(
        text,
        "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-INDEPENDENT-SEGMENTS\n\
         #EXT-X-ENDLIST\n"
    );
}

#[test]
fn the_target_duration_holds_for_every_segment_of_picture_and_sound() {
    for fps in ["24", "25", "30", "50", "60", "24000/1001", "30000/1001", "60000/1001"] {
        for frames in [1, 24, 25, 30, 37, 60, 74, 89, 120, 149, 300] {
            let grid = grid(fps, frames);
            let target = target_duration_s(&grid);
            for n in N..N + 50 {
                for segment in
                    [MediaSegment::video(&grid, n, String::new()), MediaSegment::audio(&grid, n, String::new())]
                {
                    assert!(segment.duration.rounded_s() <= target, "{fps} {frames} {segment:?} {target}");
                }
            }
        }
    }
    assert_eq!(target_duration_s(&grid("30", 60)), 2);
    assert_eq!(target_duration_s(&grid("60000/1001", 120)), 2);
}

#[test]
fn peak_bandwidth_counts_the_encoders_buffer_the_sound_and_the_boxes() {
    // 6 Mb/s and a buffer of 6 Mb emptied within 2 s: 3 Mb/s more; 140.8 kb/s of sound; 7.36 kb/s of boxes.
    assert_eq!(peak_bandwidth_bps(&grid("30", 60), 6_000_000, 6_000_000, 128_000), 9_148_160);
}

/// `media` for those who follow closely, in parts of ten frames; `running` parts of the next segment are there.
fn followed(segments: Vec<MediaSegment>, running: u32) -> Media {
    let grid = grid("30", 60);
    let next = segments.last().unwrap().number + 1;
    let part = |n: u64, part: u32| Part {
        uri: format!("/v1/media/aa/1080p/{n}.{part}.m4s"),
        duration: video_part_duration(&grid, part),
        independent: part == 0,
    };
    let with_parts = |s: MediaSegment| MediaSegment { parts: (0..6).map(|p| part(s.number, p)).collect(), ..s };
    let low_latency = LowLatency {
        part_target: part_target(&grid),
        coming: Some(Coming {
            running: (0..running).map(|p| part(next, p)).collect(),
            running_begins: grid.segment_time(next),
            hint_uri: part(next, running).uri,
            report_uris: vec!["540p.m3u8".into(), "../audio/hawks.m3u8".into()],
            come_to: if running == 0 { (next - 1, 5) } else { (next, running - 1) },
        }),
    };
    Media { can_skip: true, low_latency: Some(low_latency), ..media(segments.into_iter().map(with_parts).collect()) }
}

#[test]
fn parts_are_listed_near_the_end_and_what_comes_next_is_hinted_at() {
    let playlist = followed((N..N + 4).map(|n| video(n, "aa")).collect(), 2);
    let parts = |n: u64, parts: u32| {
        (0..parts)
            .map(|part| {
                let independent = if part == 0 { ",INDEPENDENT=YES" } else { "" };
                // Three of them are a second.
                let micros = if part % 3 == 1 { 333_334 } else { 333_333 };
                format!("#EXT-X-PART:DURATION=0.{micros},URI=\"/v1/media/aa/1080p/{n}.{part}.m4s\"{independent}\n")
            })
            .collect::<String>()
    };
    let segment = |n: u64, its_parts: u32| {
        format!(
            "#EXT-X-PROGRAM-DATE-TIME:2026-11-23T01:00:{:02}.000Z\n{}#EXTINF:2.000000,\n/v1/media/aa/1080p/{n}.m4s\n",
            2 * (n - N),
            parts(n, its_parts)
        )
    };
    // bis 4.4.3.8 and 4.4.3.7: hold-backs of three, parts of sound may be an AAC frame longer than the grid's.
    let expected = [
        "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:2\n\
         #EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=12.0,HOLD-BACK=6.0,PART-HOLD-BACK=1.024002\n\
         #EXT-X-PART-INF:PART-TARGET=0.341334\n\
         #EXT-X-MEDIA-SEQUENCE:45664200\n#EXT-X-INDEPENDENT-SEGMENTS\n\
         #EXT-X-MAP:URI=\"/v1/media/aa/1080p/init.mp4\"\n"
            .to_owned(),
        segment(N, 0),
        segment(N + 1, 0),
        segment(N + 2, 6),
        segment(N + 3, 6),
        "#EXT-X-PROGRAM-DATE-TIME:2026-11-23T01:00:08.000Z\n".to_owned(),
        parts(N + 4, 2),
        "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"/v1/media/aa/1080p/45664204.2.m4s\"\n\
         #EXT-X-RENDITION-REPORT:URI=\"540p.m3u8\",LAST-MSN=45664204,LAST-PART=1\n\
         #EXT-X-RENDITION-REPORT:URI=\"../audio/hawks.m3u8\",LAST-MSN=45664204,LAST-PART=1\n"
            .to_owned(),
    ];
    assert_eq!(playlist.render(), expected.concat());
    let level = followed(vec![video(N, "aa")], 0).render();
    assert!(level.contains("LAST-MSN=45664200,LAST-PART=5\n") && !level.contains("01:00:02"), "{level}");
}

/// AVPlayer gives up on a playlist whose PART-TARGET or hold-backs change, or go.
#[test]
fn what_players_were_told_at_first_stands_in_the_end_too() {
    let told = |playlist: &Media| {
        let text = playlist.render();
        let lines = text
            .lines()
            .filter(|line| line.starts_with("#EXT-X-SERVER-CONTROL") || line.starts_with("#EXT-X-PART-INF"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    let live = followed(vec![video(N, "aa")], 2);
    let mut ended = Media { ended: true, ..live.clone() };
    ended.low_latency.as_mut().unwrap().coming = None;
    assert_eq!((told(&live).len(), told(&ended)), (2, told(&live)));
    let text = ended.render();
    assert!(text.ends_with("45664200.m4s\n#EXT-X-ENDLIST\n"), "nothing follows: {text}");
}

#[test]
fn a_delta_update_leaves_out_what_lies_before_the_skip_boundary() {
    let mut playlist = followed((N..N + 15).map(|n| video(n, "aa")).collect(), 1);
    let whole = playlist.render();
    playlist.skips = true;
    let delta = playlist.render();
    assert!(delta.contains("#EXT-X-VERSION:9\n") && delta.contains("#EXT-X-MEDIA-SEQUENCE:45664200\n"), "{delta}");
    assert!(delta.contains("#EXT-X-SKIP:SKIPPED-SEGMENTS=9\n"), "six segments are within twelve seconds: {delta}");
    assert_eq!(delta.matches("#EXTINF").count(), 6);
    let rest = |text: &str| text[text.find(&format!("/{}.m4s", N + 9)).unwrap()..].to_owned();
    assert_eq!(rest(&delta), rest(&whole));
    // Nothing lies that far back.
    let mut short = followed((N..N + 5).map(|n| video(n, "aa")).collect(), 1);
    let whole = short.render();
    short.skips = true;
    assert_eq!(short.render(), whole);
}

#[test]
fn what_begins_in_the_past_says_where_and_may_be_asked_for_what_is_new() {
    let segments: Vec<_> = (N..N + 3000).map(|n| video(n, "aa")).collect();
    let start = Some(Duration::from_millis(1500));
    let mut playlist = Media { start, can_skip: true, ..media(segments) };
    let whole = playlist.render();
    let head = "#EXT-X-TARGETDURATION:2\n#EXT-X-SERVER-CONTROL:CAN-SKIP-UNTIL=12.0\n#EXT-X-MEDIA-SEQUENCE:45664200\n\
                #EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-START:TIME-OFFSET=1.500,PRECISE=YES\n";
    assert!(whole.contains(head) && whole.matches("#EXTINF").count() == 3000, "{}", &whole[..400]);
    playlist.skips = true;
    let delta = playlist.render();
    assert!(delta.contains("#EXT-X-SKIP:SKIPPED-SEGMENTS=2994\n") && delta.len() < 2000, "{delta}");
    playlist.ended = true;
    assert!(playlist.render().contains("#EXT-X-START:TIME-OFFSET=1.500,PRECISE=YES\n"));
}

proptest! {
    /// A player that adds the durations of parts is where the segment's own says.
    #[test]
    fn parts_add_up_to_their_segment(
        fps in prop::sample::select(&["24", "25", "30", "60", "24000/1001", "30000/1001", "60000/1001"][..]),
        frames in 24u32..240,
        n in 1u64..50_000_000,
    ) {
        let grid = grid(fps, frames);
        let micros = |text: &str, tag: &str| -> Vec<u64> {
            let values = text.lines().filter_map(|line| line.strip_prefix(tag)).map(|rest| rest.split(',').next().unwrap());
            values.map(|seconds| seconds.replace('.', "").parse().unwrap()).collect()
        };
        for sound in [false, true] {
            let part = |part| Part {
                uri: "p".into(),
                duration: if sound { audio_part_duration(&grid, n, part) } else { video_part_duration(&grid, part) },
                independent: false,
            };
            let plain = if sound { MediaSegment::audio(&grid, n, "s".into()) } else { MediaSegment::video(&grid, n, "s".into()) };
            let segment = MediaSegment { parts: (0..grid.parts()).map(part).collect(), ..plain };
            let text = media(vec![segment]).render();
            let longest = micros(&text, "#EXT-X-PART:DURATION=").into_iter().max().unwrap() as u128;
            prop_assert!(longest <= part_target(&grid).micros_up());
            prop_assert_eq!(&micros(&text, "#EXTINF:")[..], &[micros(&text, "#EXT-X-PART:DURATION=").iter().sum::<u64>()][..]);
        }
    }

    /// bis 4.4.4.9: no part is longer than the part target, and all but a segment's last have 85 % of it.
    #[test]
    fn parts_are_as_long_as_they_must_be(
        fps in prop::sample::select(&["24", "25", "30", "50", "60", "24000/1001", "30000/1001", "60000/1001"][..]),
        frames in 24u32..240,
        part_frames in 4u32..30,
        n in 1u64..50_000_000,
    ) {
        let grid = grid(fps, frames).with_part_frames(part_frames);
        let target = part_target(&grid).as_secs();
        for part in 0..grid.parts() {
            for duration in [video_part_duration(&grid, part), audio_part_duration(&grid, n, part)] {
                prop_assert!(duration.as_secs() <= target, "{duration} > {target}");
                let is_last = part + 1 == grid.parts();
                // Parts of a tenth of a second are half a dozen AAC frames: one less is more than 15 %.
                prop_assert!(is_last || part_frames < 10 || duration.as_secs() >= 0.85 * target, "{duration} of {target}");
            }
        }
    }
}
