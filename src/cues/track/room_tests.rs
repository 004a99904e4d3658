//! Sources that say too much, and ordinary ones, which must not notice that there is a bound.

use std::time::Duration;

use super::super::daterange::{Carried, SourceRange};
use super::super::scte35::encoder::made;
use super::super::scte35::{
    BreakDuration, Command, Descriptor, Insert, Segment, Segmentation, Splice, SpliceMode, Upid, When,
};
use super::budget::bytes;
use super::tests::{cancel, insert, s, segments, track};
use super::*;

const HOUR: u32 = 3600;

/// A splice_insert out with `private` bytes of somebody's own behind it.
fn padded(event_id: u32, private: usize, seconds: Option<u64>) -> Signal {
    let splice = Splice {
        out_of_network: true,
        immediate: true,
        mode: SpliceMode::Programme(When::Immediate),
        duration: seconds.map(|seconds| BreakDuration { auto_return: false, ticks: seconds * 90_000 }),
        event_id_compliance: true,
        unique_program_id: 1,
        avail_num: 0,
        avails_expected: 0,
    };
    let other = |bytes| Descriptor::Other { tag: 0xf0, identifier: 0x5155_4144, bytes: vec![0xab; bytes] };
    let descriptors = std::iter::repeat_n(other(250), private / 250).chain([other(private % 250)]);
    let command = Command::Insert(Insert { event_id, splice: Some(splice) });
    Signal::Section(made(command, descriptors.collect()).info())
}

/// Another splice that is said with the same bytes: they are slow to make.
fn named(signal: &Signal, id: u32) -> Signal {
    let mut signal = signal.clone();
    let Signal::Section(info) = &mut signal else { unreachable!() };
    let Command::Insert(insert) = &mut info.command else { unreachable!() };
    insert.event_id = id;
    signal
}

fn line_bytes(track: &CueTrack, from: f64, to: f64) -> usize {
    track.date_ranges(s(from)..s(to)).iter().map(|line| line.text.len() + 1).sum()
}

/// What is listed of the last minute, of all that is kept, and told by the API.
fn check_bounds(track: &CueTrack, now: f64) {
    let policy = track.policy;
    let minute = policy.max_live_bytes + policy.bytes_at_once + 60 * policy.bytes_per_s;
    assert!(line_bytes(track, now - 60.0, now) <= minute.min(policy.max_bytes), "at {now}");
    assert!(line_bytes(track, -99_999.0, 99_999.0) <= policy.max_bytes, "at {now}");
    let told = track.events(s(-99_999.0)..s(99_999.0));
    let told = serde_json::to_string(&told).unwrap().len();
    assert!(told <= 2 * policy.max_bytes, "{told} bytes at {now}");
    for event in &track.events {
        let listed = event.opening.as_ref().map_or(0, String::len) + event.closing.as_ref().map_or(0, String::len);
        assert!(listed + 2 <= bytes(&track.game, event), "{event:?}");
    }
}

fn is_open(track: &CueTrack, name: &str) -> bool {
    track.events(s(-99_999.0)..s(99_999.0)).iter().any(|e| e.id.contains(name) && e.state == CueState::Open)
}

#[test]
fn ten_sections_a_frame_are_bounded_over_an_hour() {
    for private in [0, 700, 3900] {
        let (mut track, mut id) = (track(), 0);
        let template = padded(0, private, None);
        for second in 0..HOUR {
            // Every twenty minutes a second of ten a frame; else as many as the bucket lets in, which is what counts.
            let frames = if second % 1200 == 0 { 60 } else { 1 };
            for frame in 0..frames {
                let now = s(f64::from(second) + f64::from(frame) / 60.0);
                for _ in 0..if frames == 1 { 3 } else { 10 } {
                    id += 1;
                    track.feed(now, None, &named(&template, id), Source::Ts);
                }
            }
            if second % 60 == 2 {
                check_bounds(&track, f64::from(second));
            }
        }
        check_bounds(&track, f64::from(HOUR));
        let troubles = track.take_troubles();
        assert!(troubles.refused > 0 && troubles.ended > 0 && troubles.is_news, "{troubles:?}");
        assert_eq!(troubles.shortened > 0, private > 1024);
        assert_eq!(track.take_troubles(), Troubles::default());
        (0..10).for_each(|n| _ = track.feed(s(3600.0), None, &named(&template, id + 1 + n), Source::Ts));
        let troubles = track.take_troubles();
        assert!(troubles.refused > 0 && !troubles.is_news, "a flood is said once");
    }
}

#[test]
fn new_ranges_with_each_reload_are_bounded_over_an_hour() {
    for is_read in [false, true] {
        let (mut track, mut id) = (track(), 0);
        let template = padded(1, 3900, None);
        for reload in 0..HOUR / 30 {
            let now = f64::from(reload) * 30.0;
            for _ in 0..120 {
                id += 1;
                let Signal::Section(read) = named(&template, id) else { unreachable!() };
                let (bytes, read) = if is_read { (read.section().to_vec(), Some(read)) } else { (vec![7; 4000], None) };
                let out = Some(Carried { bytes, info: read });
                let class = Some("c".repeat(2000));
                let range = SourceRange { id: format!("r{id}"), class, out, ..SourceRange::default() };
                let end = (id % 2 == 0).then(|| s(now + 3.0));
                let signal = Signal::Range { range: Box::new(range), start: Some(s(now + 1.0)), end };
                track.feed(s(now), None, &signal, Source::Hls);
            }
            if reload % 4 == 0 {
                check_bounds(&track, now);
            }
        }
        check_bounds(&track, f64::from(HOUR));
        assert!(track.take_troubles().refused > 0);
    }
}

#[test]
fn an_ordinary_day_is_listed_whole() {
    let mut track = track();
    let (mut id, mut sent) = (0, 0);
    for minute in 0..24 * 60 {
        let begin = f64::from(minute) * 60.0;
        // Every five minutes a break that is said ten times, moved and ended early, one at once, and one that is called off.
        if minute % 60 >= 10 && minute % 5 == 0 {
            let [early, now, off] = [id + 1, id + 2, id + 3];
            (id, sent) = (id + 3, sent + 2);
            let out = |id| insert(id, true, false, Some(30), true);
            for tenth in 0..10 {
                track.feed(s(begin + f64::from(tenth) / 10.0), Some(s(begin + 20.0)), &out(early), Source::Ts);
            }
            track.feed(s(begin + 2.0), None, &padded(now, 240, Some(20)), Source::Ts);
            track.feed(s(begin + 3.0), Some(s(begin + 50.0)), &out(off), Source::Ts);
            track.feed(s(begin + 12.5), Some(s(begin + 21.0)), &out(early), Source::Ts);
            track.feed(s(begin + 18.0), None, &insert(now, false, true, None, false), Source::Ts);
            track.feed(s(begin + 41.0), Some(s(begin + 45.0)), &insert(early, false, false, None, false), Source::Ts);
            track.feed(s(begin + 46.0), None, &cancel(off), Source::Ts);
        }
        // For ten minutes of each hour a pod: ten breaks a minute of four segments, each said ten times and ended.
        for part in (0..10).filter(|_| minute % 60 < 10) {
            let (now, ids) = (begin + f64::from(part) * 6.0, id + 1..=id + 4);
            let types = [(0x22, 0x23), (0x30, 0x31), (0x34, 0x35), (0x36, 0x37)];
            let list = |ends: bool| -> Vec<_> {
                let of = |(id, (start, end))| (id, if ends { end } else { start }, (!ends).then_some(5));
                ids.clone().zip(types).map(of).collect()
            };
            id += 4;
            sent += 4;
            for tenth in 0..10 {
                let at = now + f64::from(tenth) / 10.0;
                track.feed(s(at), Some(s(now + 1.0)), &segments(&list(false)), Source::Ts);
            }
            track.feed(s(now + 4.0), Some(s(now + 5.5)), &segments(&list(true)), Source::Ts);
        }
        assert_eq!(track.take_troubles(), Troubles::default(), "in minute {minute}");
        if minute % 60 == 59 {
            track.advance(s(begin + 60.0));
            let hour = track.events(s(begin - 59.0 * 60.0)..s(begin + 60.0));
            assert_eq!(hour.len(), sent, "by minute {minute}");
            assert!(hour.iter().all(|event| event.scte35.is_some()));
            assert!(hour.iter().all(|event| event.ended_by == Some(EndedBy::Signal)));
            sent = 0;
        }
    }
}

#[test]
fn an_early_return_in_a_flood_is_right() {
    let mut track = track();
    let out = insert(7, true, false, Some(120), false);
    track.feed(s(0.0), Some(s(4.0)), &out, Source::Ts);
    let template = padded(0, 3900, None);
    for n in 0..3600 {
        track.feed(s(5.0 + f64::from(n) / 60.0), None, &named(&template, 1000 + n), Source::Ts);
    }
    // The ends of what was refused are nobody else's.
    let back = |id| insert(id, false, true, None, false);
    assert_eq!(track.feed(s(65.0), None, &back(1000 + 3_599), Source::Ts), Outcome::Refused);
    assert!(is_open(&track, "splice-7-"));
    let end = insert(7, false, false, None, false);
    assert_eq!(track.feed(s(66.0), Some(s(68.0)), &end, Source::Ts), Outcome::Changed);
    track.advance(s(69.0));
    let mine = track.events(s(0.0)..s(99.0)).into_iter().find(|event| event.id.contains("splice-7-")).unwrap();
    assert_eq!((mine.state, mine.ended_by), (CueState::Ended, Some(EndedBy::Signal)));
    assert!((mine.duration_s.unwrap() - 64.0).abs() < 0.1, "{mine:?}");
    let lines = track.date_ranges(s(0.0)..s(99.0));
    assert_eq!(lines.iter().filter(|line| line.id == mine.id).count(), 2);
}

#[test]
fn open_events_that_fill_the_track_lock_nobody_out() {
    let mut track = track();
    // As many as the budget allows: for ten minutes.
    for second in 0..600 {
        for n in 0..4 {
            track.feed(s(f64::from(second)), None, &padded(1 + second * 4 + n, 0, None), Source::Ts);
        }
    }
    check_bounds(&track, 600.0);
    track.advance(s(610.0));
    let late = insert(9_000_000, true, false, Some(30), true);
    assert_eq!(track.feed(s(610.0), Some(s(612.0)), &late, Source::Ts), Outcome::New);
    track.advance(s(613.0));
    assert!(is_open(&track, "splice-9000000-"));
    let by_policy = |event: &CueEvent| event.ended_by == Some(EndedBy::Cap);
    assert!(track.events(s(0.0)..s(700.0)).iter().any(by_policy));
    // Neither do so many that are far ahead.
    for n in 0..2000_u32 {
        let at = s(700.0 + f64::from(n));
        track.feed(at, Some(at + Duration::from_secs(9000)), &insert(n + 1, true, false, None, false), Source::Ts);
    }
    assert_eq!(
        track.feed(s(2700.0), Some(s(2705.0)), &insert(77_777, true, false, None, false), Source::Ts),
        Outcome::New
    );
    track.advance(s(2706.0));
    assert!(is_open(&track, "splice-77777-"));
    check_bounds(&track, 2706.0);
}

#[test]
fn breaks_by_hand_are_begun_and_go_on_in_a_flood() {
    let mut track = CueTrack::new("derby", Policy { max_events: 8, ..track().policy });
    let asked = |id: &str| BeginBreak { id: Some(id.into()), ..BeginBreak::default() };
    track.begin_break(s(0.0), &asked("mine")).unwrap();
    for n in 1..200 {
        track.feed(s(1.0), None, &padded(n, 900, None), Source::Ts);
    }
    track.begin_break(s(1.0), &asked("other")).unwrap();
    for n in 200..400 {
        track.feed(s(60.0), None, &padded(n, 900, None), Source::Ts);
    }
    assert!(is_open(&track, "operator-mine-") && is_open(&track, "operator-other-"));
    assert_eq!(track.events.len(), 8);
    (0..6).for_each(|n| assert!(track.begin_break(s(61.0), &asked(&format!("b{n}"))).is_ok()));
    assert_eq!(track.begin_break(s(61.0), &asked("full")), Err(BreakError::Full));
    assert!(track.events(s(0.0)..s(99.0)).iter().all(|event| event.source == Source::Operator));
}

#[test]
fn a_section_that_is_too_large_is_listed_without_its_text() {
    let mut track = track();
    let large = padded(1, 3000, Some(30));
    assert_eq!(track.feed(s(0.0), None, &large, Source::Ts), Outcome::New);
    assert_eq!(track.feed(s(1.0), None, &large, Source::Ts), Outcome::Repeated);
    track.feed(s(9.0), None, &insert(1, false, true, None, false), Source::Ts);
    track.advance(s(10.0));
    let lines = track.date_ranges(s(0.0)..s(10.0));
    assert_eq!(lines.len(), 2);
    // An SCTE35-IN has its SCTE35-OUT.
    assert!(lines.iter().all(|line| !line.text.contains("SCTE35")), "{lines:?}");
    assert_eq!(track.take_troubles(), Troubles { shortened: 1, is_news: true, ..Troubles::default() });
    // An instant without its text is not another at each repeat.
    for at in [20.0, 20.1, 20.2] {
        let bytes = vec![Descriptor::Other { tag: 0xf0, identifier: 1, bytes: vec![0; 250] }; 8];
        let mark = Signal::Section(made(Command::TimeSignal(When::Pts(5)), bytes).info());
        track.feed(s(at), Some(s(25.0)), &mark, Source::Ts);
    }
    assert_eq!(track.events.len(), 2);
}

#[test]
fn another_source_ends_what_the_one_before_began() {
    let mut track = track();
    track.feed(s(0.0), None, &insert(1, true, true, None, false), Source::Ts);
    track.feed(s(0.0), None, &insert(2, true, true, Some(60), false), Source::Ts);
    track.feed(s(0.0), None, &insert(3, true, true, Some(1700), true), Source::Ts);
    track.feed(s(0.0), Some(s(12.0)), &insert(4, true, false, None, false), Source::Ts);
    track.begin_break(s(5.0), &BeginBreak { id: Some("mine".into()), ..BeginBreak::default() }).unwrap();
    track.change_source(s(10.0));
    track.advance(s(11.0));
    let known = |track: &CueTrack| -> Vec<_> {
        let events = track.events(s(0.0)..s(99.0));
        events.into_iter().map(|event| (event.ended_by, event.duration_s.map(f64::round))).collect()
    };
    let (cap, plan) = (Some(EndedBy::Cap), Some(EndedBy::PlannedEnd));
    assert_eq!(known(&track), [(cap, Some(10.0)), (None, Some(60.0)), (cap, Some(10.0)), (None, None)]);
    track.advance(s(61.0));
    assert_eq!(known(&track), [(cap, Some(10.0)), (plan, Some(60.0)), (cap, Some(10.0)), (None, None)]);
    // It may say the same names.
    assert_eq!(track.feed(s(62.0), None, &insert(1, true, true, None, false), Source::Ts), Outcome::New);
    assert!(is_open(&track, "operator-mine-"));
}

#[test]
fn another_source_is_not_charged_for_a_flood() {
    let mut track = track();
    (0..500).for_each(|n| _ = track.feed(s(0.0), None, &padded(n, 900, None), Source::Ts));
    assert_eq!(track.feed(s(0.0), None, &padded(501, 900, None), Source::Ts), Outcome::Refused);
    track.change_source(s(0.0));
    assert_eq!(track.feed(s(0.1), None, &padded(502, 900, None), Source::Ts), Outcome::New);
}

#[test]
fn a_segment_s_upid_is_paid_for() {
    let mut track = track();
    for event_id in 0..2000 {
        let upid = Upid::Mpu { format: *b"QUAD", private: vec![1; 150] };
        let (segment_num, segments_expected, type_id, duration_ticks) = (1, 1, 0x10, None);
        let (delivery, components, sub_segments) = (None, None, None);
        let segment = Some(Segment {
            delivery,
            components,
            duration_ticks,
            upid,
            type_id,
            segment_num,
            segments_expected,
            sub_segments,
        });
        let list = vec![Descriptor::Segmentation(Segmentation { event_id, event_id_compliance: true, segment })];
        let signal = Signal::Section(made(Command::TimeSignal(When::Pts(5)), list).info());
        track.feed(s(f64::from(event_id)), Some(s(f64::from(event_id))), &signal, Source::Ts);
    }
    check_bounds(&track, 2000.0);
}
