//! What playlists say of breaks, on the time of the pictures.

use std::ops::Range;

use super::super::cues::{Known, PlaylistCues, Said};
use super::super::follower::Era;
use super::super::media::MediaPlaylist;
use super::super::ranges::MAX_RANGES;
use super::media;
use crate::cues::daterange::OlderTag;

const SECOND: i64 = 1_000_000_000;

/// The date so many seconds after the beginning.
fn date(seconds: f64) -> String {
    let begin: jiff::Timestamp = "2030-01-01T00:00:00Z".parse().unwrap();
    format!("{:.3}", begin + std::time::Duration::from_secs_f64(seconds))
}

fn range(id: &str, start: f64, more: &str) -> String {
    format!("#EXT-X-DATERANGE:ID=\"{id}\",START-DATE=\"{}\"{more}\n", date(start))
}

/// Segments `numbers` of two seconds, the first with its date, and `lines` in front of them.
fn list(numbers: Range<u64>, lines: &str) -> MediaPlaylist {
    let dated = format!("#EXT-X-PROGRAM-DATE-TIME:{}\n", date(2.0 * numbers.start as f64));
    undated(numbers, &format!("{lines}{dated}"))
}

fn undated(numbers: Range<u64>, lines: &str) -> MediaPlaylist {
    let mut text = format!("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:{}\n{lines}", numbers.start);
    numbers.for_each(|n| text.push_str(&format!("#EXTINF:2,\ns{n}.ts\n")));
    media(&text).unwrap()
}

/// Gives segment `n` of `playlist` its place, in seconds of the run.
fn place(cues: &mut PlaylistCues, playlist: &MediaPlaylist, n: u64, at: f64) -> Vec<Said> {
    place_in(cues, playlist, n, at, Era::default())
}

fn place_in(cues: &mut PlaylistCues, playlist: &MediaPlaylist, n: u64, at: f64, era: Era) -> Vec<Said> {
    let segment = playlist.segments.iter().find(|segment| segment.sequence == n).unwrap();
    cues.placed(segment, era, (at * 1e9) as i64)
}

/// ID, beginning and end of what is said, in milliseconds of the run.
fn times(said: &[Said]) -> Vec<(&str, Option<i64>, Option<i64>)> {
    let of = |said| match said {
        &Said::Range { ref range, start, end } => {
            (range.id.as_str(), start.map(|at| at / 1_000_000), end.map(|at| at / 1_000_000))
        }
        Said::Tag { tag, .. } => panic!("{tag:?}"),
    };
    said.iter().map(of).collect()
}

#[test]
fn a_date_lies_where_the_segment_that_holds_it_does_and_is_said_once() {
    let mut cues = PlaylistCues::new(Known::default());
    let playlist = list(10..14, &range("ad", 23.25, ",PLANNED-DURATION=30"));
    assert_eq!(cues.loaded(&playlist), []);
    // It is in segment 11, whose place may be off from what durations say.
    assert_eq!(place(&mut cues, &playlist, 10, 100.0), []);
    assert_eq!(times(&place(&mut cues, &playlist, 11, 102.04)), [("ad", Some(103_290), None)]);
    assert_eq!(cues.loaded(&playlist), []);
    assert_eq!(place(&mut cues, &playlist, 12, 104.0), []);
}

#[test]
fn a_date_ahead_of_the_playlist_is_reckoned_and_then_certain() {
    let mut cues = PlaylistCues::new(Known::default());
    let first = list(10..12, &range("ad", 25.0, ""));
    cues.loaded(&first);
    assert_eq!(times(&place(&mut cues, &first, 10, 100.0)), [("ad", Some(105_000), None)]);
    assert_eq!(place(&mut cues, &first, 11, 102.0), []);
    let later = list(10..14, &range("ad", 25.0, ""));
    assert_eq!(cues.loaded(&later), []);
    assert_eq!(times(&place(&mut cues, &later, 12, 104.3)), [("ad", Some(105_300), None)]);
    // What is further away than an hour waits.
    let far = list(10..14, &range("far", 9_000.0, ""));
    assert_eq!(cues.loaded(&far), []);
}

#[test]
fn an_end_that_becomes_known_is_said_though_the_beginning_is_listed_no_more() {
    let mut cues = PlaylistCues::new(Known::default());
    let first = list(10..12, &range("ad", 21.0, ",SCTE35-OUT=0xFC00"));
    cues.loaded(&first);
    assert_eq!(times(&place(&mut cues, &first, 10, 100.0)), [("ad", Some(101_000), None)]);
    let second = list(11..14, &format!("#EXT-X-DATERANGE:ID=\"ad\",END-DATE=\"{}\"\n", date(27.5)));
    assert_eq!(times(&cues.loaded(&second)), [("ad", Some(101_000), Some(107_500))]);
    assert_eq!(cues.loaded(&second), []);
    // Its segment has the last word.
    place(&mut cues, &second, 11, 102.0);
    place(&mut cues, &second, 12, 104.0);
    assert_eq!(times(&place(&mut cues, &second, 13, 106.1)), [("ad", Some(101_000), Some(107_600))]);
    // Two lines of one range are one, and DURATION says an end as well.
    let two = range("b", 24.0, ",SCTE35-OUT=0xFC00") + &range("b", 24.0, ",DURATION=1.5");
    assert_eq!(times(&cues.loaded(&list(11..14, &two))), [("b", Some(104_000), Some(105_500))]);
}

#[test]
fn tags_are_of_the_next_segment_that_is_there() {
    let mut cues = PlaylistCues::new(Known::default());
    let text = "#EXTM3U\n#EXTINF:2,\n0.ts\n#EXT-X-CUE-OUT:30\n#EXTINF:2,\n1.ts\n\
                #EXT-X-CUE-OUT-CONT:2/30\n#EXTINF:2,\n2.ts\n#EXT-X-CUE-IN\n#EXT-X-CUE-IN\n#EXTINF:2,\n3.ts\n";
    let playlist = media(text).unwrap();
    assert_eq!(cues.loaded(&playlist), []);
    assert_eq!(place(&mut cues, &playlist, 0, 10.0), []);
    // Segment 1 cannot be had.
    let said = place(&mut cues, &playlist, 2, 12.0);
    assert!(
        matches!(&said[..], [Said::Tag { tag: OlderTag::Out { .. }, at }, Said::Tag { tag: OlderTag::Continues { .. }, at: same }]
            if (*at, *same) == (12 * SECOND, 12 * SECOND)),
        "{said:?}"
    );
    assert_eq!(place(&mut cues, &playlist, 3, 14.0), [Said::Tag { tag: OlderTag::In, at: 14 * SECOND }]);
    // The end of such a presentation, and its beginning again.
    let lap = Era { laps: 1, ..Era::default() };
    assert_eq!(place_in(&mut cues, &playlist, 0, 16.0, lap), []);
    assert_eq!(place_in(&mut cues, &playlist, 1, 18.0, lap).len(), 1);
}

#[test]
fn without_dates_nothing_ties_a_range_to_the_pictures() {
    let mut cues = PlaylistCues::new(Known::default());
    let playlist = undated(0..3, &range("ad", 1.0, ""));
    cues.loaded(&playlist);
    assert_eq!(place(&mut cues, &playlist, 0, 10.0), []);
    // A later segment's date counts backwards, too.
    let text = format!(
        "#EXTM3U\n{}#EXTINF:2,\n0.ts\n#EXT-X-PROGRAM-DATE-TIME:{}\n#EXTINF:2,\n1.ts\n",
        range("ad", 1.0, ""),
        date(2.0)
    );
    let playlist = media(&text).unwrap();
    let mut cues = PlaylistCues::new(Known::default());
    cues.loaded(&playlist);
    assert_eq!(times(&place(&mut cues, &playlist, 0, 10.0)), [("ad", Some(11_000), None)]);
}

#[test]
fn a_run_that_takes_over_says_what_is_yet_to_be_shown_and_nothing_twice() {
    let known = Known::default();
    let lines = range("past", 21.0, ",DURATION=0.5") + &range("runs", 22.5, "") + &range("comes", 26.0, "");
    let playlist = list(10..15, &lines);
    let mut first = PlaylistCues::new(known.clone());
    first.loaded(&playlist);
    let all: Vec<Said> = (10..14).flat_map(|n| place(&mut first, &playlist, n, 80.0 + 2.0 * n as f64)).collect();
    assert_eq!(
        times(&all),
        [("past", Some(101_000), Some(101_500)), ("runs", Some(102_500), None), ("comes", Some(106_000), None)]
    );
    // The source was lost behind segment 11, and goes on at 12 with another clock of its own.
    let mut second = PlaylistCues::new(known);
    assert_eq!(second.loaded(&playlist), []);
    assert_eq!(place(&mut second, &playlist, 12, 0.0), []);
    assert_eq!(times(&place(&mut second, &playlist, 13, 2.0)), [("comes", Some(2_000), None)]);
    // Who comes in the middle is told of what runs, and not of what is over.
    let mut late = PlaylistCues::new(Known::default());
    late.loaded(&playlist);
    assert_eq!(times(&place(&mut late, &playlist, 12, 50.0)), [("runs", Some(48_500), None)]);
}

#[test]
fn what_is_left_out_is_stood_for_by_the_next_picture() {
    let mut cues = PlaylistCues::new(Known::default());
    let playlist = list(10..15, &range("ad", 23.0, ""));
    cues.loaded(&playlist);
    place(&mut cues, &playlist, 10, 100.0);
    // A leap: segment 13 follows right after 10, and 11 with the date in it is never shown.
    let leapt = Era { leaps: 1, ..Era::default() };
    assert_eq!(times(&place_in(&mut cues, &playlist, 13, 102.0, leapt)), [("ad", Some(102_000), None)]);
}

#[test]
fn hostile_playlists_are_bounded() {
    let many: String = (0..5_000).map(|n| range(&format!("r{n}"), 20.0, "")).collect();
    let playlist = list(10..12, &many);
    assert_eq!(playlist.ranges.len(), MAX_RANGES);
    assert_eq!(playlist.ranges.last().unwrap().id, "r4999");
    let known = Known::default();
    let mut cues = PlaylistCues::new(known.clone());
    cues.loaded(&playlist);
    assert_eq!(place(&mut cues, &playlist, 10, 100.0).len(), MAX_RANGES);
    // Others take the place of those that are listed no more.
    let others: String = (0..5_000).map(|n| range(&format!("q{n}"), 20.0, "")).collect();
    assert_eq!(cues.loaded(&list(10..12, &others)).len(), MAX_RANGES);
    assert_eq!(known.lock().len(), MAX_RANGES);
    let huge = format!(
        "{}{}{}#EXT-X-DATERANGE:ID=\"none\"\n#EXT-X-DATERANGE:ID=\"v\",START-DATE=\"{{$x}}\"\n#EXT-X-SCTE35:CUE=\"!\"\n",
        range(&"i".repeat(300), 20.0, ""),
        range("kept", 20.0, &format!(",X-A=\"{}\",SCTE35-OUT=0x{}", "a".repeat(9_000), "F".repeat(20_000))),
        "#EXT-X-CUE-IN\n#EXT-X-CUE-OUT:1\n".repeat(100),
    );
    let playlist = list(10..12, &huge);
    let [range] = &playlist.ranges[..] else { panic!("{:?}", playlist.ranges) };
    assert_eq!((range.id.as_str(), &range.out, range.client.len()), ("kept", &None, 0));
    assert_eq!(playlist.segments[0].cues.len(), 2);
    // Dates at the end of time.
    let text = "#EXTM3U\n#EXT-X-DATERANGE:ID=\"a\",START-DATE=\"9999-12-30T00:00:00Z\",DURATION=1e5\n\
                #EXT-X-PROGRAM-DATE-TIME:-009999-01-02T00:00:00Z\n#EXTINF:2,\n0.ts\n";
    let playlist = media(text).unwrap();
    let mut cues = PlaylistCues::new(Known::default());
    cues.loaded(&playlist);
    assert_eq!(place(&mut cues, &playlist, 0, 1e9), []);
}

#[test]
fn a_numbering_that_begins_anew_goes_on_by_its_dates() {
    let mut cues = PlaylistCues::new(Known::default());
    let playlist = list(10..12, "");
    cues.loaded(&playlist);
    place(&mut cues, &playlist, 10, 100.0);
    place(&mut cues, &playlist, 11, 102.0);
    let dated = format!("{}#EXT-X-PROGRAM-DATE-TIME:{}\n", range("ad", 27.0, ""), date(24.0));
    let anew = undated(0..3, &dated);
    let restarted = Era { restarts: 1, ..Era::default() };
    cues.loaded(&anew);
    assert_eq!(place_in(&mut cues, &anew, 0, 104.0, restarted), []);
    assert_eq!(times(&place_in(&mut cues, &anew, 1, 106.0, restarted)), [("ad", Some(107_000), None)]);
}
