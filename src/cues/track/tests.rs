use std::time::Duration;

use super::super::daterange::{OlderTag, SourceRange};
use super::super::scte35::encoder::made;
use super::super::scte35::{
    BreakDuration, Command, Descriptor, Insert, Segment, Segmentation, Splice, SpliceMode, Upid, When,
};
use super::*;
use crate::timeline::Grid;

pub(super) const BEGIN: u64 = 1_000_000;

pub(super) fn s(seconds: f64) -> MediaTime {
    MediaTime::from_nanos((BEGIN as i64 * 1_000_000_000 + (seconds * 1e9) as i64) as u64)
}

pub(super) fn track() -> CueTrack {
    CueTrack::new("derby", Policy::new(Grid::new("30000/1001".parse().unwrap(), 60)))
}

pub(super) fn insert(event_id: u32, out: bool, immediate: bool, seconds: Option<u64>, auto_return: bool) -> Signal {
    let when = if immediate { When::Immediate } else { When::Pts(u64::from(event_id)) };
    let splice = Splice {
        out_of_network: out,
        immediate,
        mode: SpliceMode::Programme(when),
        duration: seconds.map(|seconds| BreakDuration { auto_return, ticks: seconds * 90_000 }),
        event_id_compliance: true,
        unique_program_id: 1,
        avail_num: 0,
        avails_expected: 0,
    };
    Signal::Section(made(Command::Insert(Insert { event_id, splice: Some(splice) }), Vec::new()).info())
}

pub(super) fn cancel(event_id: u32) -> Signal {
    Signal::Section(made(Command::Insert(Insert { event_id, splice: None }), Vec::new()).info())
}

pub(super) fn segments(list: &[(u32, u8, Option<u64>)]) -> Signal {
    let descriptor = |(event_id, type_id, seconds): &(u32, u8, Option<u64>)| {
        let segment = Segment {
            delivery: None,
            components: None,
            duration_ticks: seconds.map(|seconds| seconds * 90_000),
            upid: Upid::Mpu { format: *b"QUAD", private: vec![1] },
            type_id: *type_id,
            segment_num: 1,
            segments_expected: 1,
            sub_segments: None,
        };
        Descriptor::Segmentation(Segmentation {
            event_id: *event_id,
            event_id_compliance: true,
            segment: (*type_id != 0xee).then_some(segment),
        })
    };
    Signal::Section(made(Command::TimeSignal(When::Pts(5)), list.iter().map(descriptor).collect()).info())
}

fn texts(track: &CueTrack) -> Vec<String> {
    track.date_ranges(s(-99_999.0)..s(99_999.0)).into_iter().map(|line| line.text).collect()
}

fn all(track: &CueTrack) -> Vec<CueEvent> {
    track.events(MediaTime::ZERO..MediaTime::from_secs(BEGIN * 2))
}

#[test]
fn a_break_is_announced_opened_and_ended_by_its_way_back() {
    let mut track = track();
    let out = insert(7, true, false, Some(60), false);
    assert_eq!(track.feed(s(0.0), Some(s(20.0)), &out, Source::Ts), Outcome::New);
    assert_eq!(track.feed(s(1.0), Some(s(20.0)), &out, Source::Ts), Outcome::Repeated);
    assert_eq!(track.feed(s(1.0), Some(s(20.0)), &out, Source::Hls), Outcome::Repeated);
    assert!(texts(&track).is_empty());
    track.advance(s(13.0));
    let opening = texts(&track);
    assert_eq!(opening.len(), 1);
    assert!(opening[0].contains("SCTE35-OUT=0xFC") && opening[0].contains("PLANNED-DURATION=60.000"), "{opening:?}");
    assert!(opening[0].contains("X-COM-QUADRILLE-GAME=\"derby\"") && opening[0].contains(".derby\""), "{opening:?}");
    assert!(!opening[0].contains("END-DATE") && !opening[0].contains(",DURATION="), "{opening:?}");
    assert_eq!(track.in_break(s(15.0)), None);
    track.advance(s(30.0));
    assert!(track.in_break(s(30.0)).is_some_and(|b| b.until.is_some()));
    // Early return, said ahead.
    let back = insert(7, false, false, None, false);
    assert_eq!(track.feed(s(40.0), Some(s(45.0)), &back, Source::Ts), Outcome::Changed);
    assert!(track.in_break(s(44.9)).is_some() && track.in_break(s(45.1)).is_none());
    assert_eq!(texts(&track), opening);
    track.advance(s(46.0));
    let lines = texts(&track);
    assert_eq!(lines[0], opening[0]);
    assert!(lines[1].contains("SCTE35-IN=0xFC") && lines[1].contains(",DURATION=2"), "{lines:?}");
    // Neither repeat opens it again.
    assert_eq!(track.feed(s(47.0), Some(s(45.0)), &back, Source::Ts), Outcome::Repeated);
    assert_eq!(track.feed(s(48.0), Some(s(20.0)), &out, Source::Ts), Outcome::Repeated);
    assert_eq!(texts(&track), lines);
    let event = &all(&track)[0];
    assert_eq!((event.kind, event.direction, event.ended_by), (Kind::Break, Direction::Out, Some(EndedBy::Signal)));
    let json = serde_json::to_value(event).unwrap();
    assert_eq!((&json["kind"], &json["source"], &json["state"]), (&"break".into(), &"ts".into(), &"ended".into()));
    // The same number again is another event.
    assert_eq!(track.feed(s(500.0), Some(s(520.0)), &out, Source::Ts), Outcome::New);
    assert_ne!(all(&track)[0].id, all(&track)[1].id);
}

#[test]
fn a_break_ends_by_itself_or_by_policy() {
    let mut track = track();
    track.feed(s(0.0), Some(s(5.0)), &insert(1, true, false, Some(30), true), Source::Ts);
    // Longer, while it runs: what is listed stays.
    track.advance(s(6.0));
    let opening = texts(&track);
    assert_eq!(
        track.feed(s(10.0), Some(s(5.0)), &insert(1, true, false, Some(40), true), Source::Ts),
        Outcome::Changed
    );
    assert_eq!(texts(&track), opening);
    track.advance(s(44.0));
    assert!(track.in_break(s(44.0)).is_some());
    track.advance(s(46.0));
    assert_eq!(all(&track)[0].ended_by, Some(EndedBy::AutoReturn));
    assert!((all(&track)[0].duration_s.unwrap() - 40.0).abs() < 0.04);
    // No way back ever comes.
    track.feed(s(50.0), None, &insert(2, true, true, None, false), Source::Ts);
    track.advance(s(50.0) + Duration::from_secs(1799));
    assert!(track.in_break(s(1000.0)).is_some_and(|b| b.until.is_none()));
    track.advance(s(50.0) + Duration::from_secs(1801));
    assert_eq!(all(&track)[1].ended_by, Some(EndedBy::Cap));
    // An advertisement's end never comes.
    track.feed(s(2000.0), Some(s(2001.0)), &segments(&[(3, 0x30, Some(15))]), Source::Ts);
    track.advance(s(2017.0));
    assert!(track.in_break(s(2017.0)).is_some());
    track.advance(s(2019.0));
    assert_eq!(all(&track)[2].ended_by, Some(EndedBy::PlannedEnd));
    assert!((all(&track)[2].duration_s.unwrap() - 15.0).abs() < 0.04);
}

#[test]
fn what_is_cancelled_before_its_time_never_was() {
    let mut track = track();
    track.feed(s(0.0), Some(s(5.0)), &insert(1, true, false, Some(30), true), Source::Ts);
    assert_eq!(texts(&track).len(), 1);
    assert_eq!(track.feed(s(1.0), None, &cancel(1), Source::Ts), Outcome::Changed);
    assert!(texts(&track).is_empty() && all(&track).is_empty());
    assert_eq!(track.feed(s(2.0), None, &cancel(1), Source::Ts), Outcome::Repeated);
    assert_eq!(track.feed(s(2.0), None, &cancel(9), Source::Ts), Outcome::Ignored);
    // After it has begun it ends then.
    track.feed(s(10.0), Some(s(12.0)), &segments(&[(4, 0x34, Some(30)), (4, 0x30, Some(30))]), Source::Ts);
    assert_eq!(track.feed(s(20.0), None, &segments(&[(4, 0xee, None)]), Source::Ts), Outcome::Changed);
    track.advance(s(20.1));
    let events = all(&track);
    assert_eq!(events.len(), 2);
    assert!(events.iter().all(|e| e.ended_by == Some(EndedBy::Cancelled) && (e.duration_s.unwrap() - 8.0).abs() < 0.1));
}

#[test]
fn a_splice_that_is_moved_is_another_range() {
    let mut track = track();
    let out = insert(1, true, false, Some(30), true);
    track.feed(s(0.0), Some(s(50.0)), &out, Source::Ts);
    assert_eq!(track.feed(s(1.0), Some(s(5.0)), &out, Source::Ts), Outcome::Changed);
    let first = track.date_ranges(s(0.0)..s(99.0));
    assert_eq!(track.feed(s(2.0), Some(s(7.0)), &out, Source::Ts), Outcome::Changed);
    let second = track.date_ranges(s(0.0)..s(99.0));
    assert_eq!((first.len(), second.len(), all(&track).len()), (1, 1, 1));
    assert_ne!(first[0].id, second[0].id);
}

#[test]
fn stretches_lie_in_one_another() {
    let mut track = track();
    track.feed(s(0.0), Some(s(0.0)), &segments(&[(1, 0x10, None)]), Source::Ts);
    track.feed(
        s(9.0),
        Some(s(10.0)),
        &segments(&[(2, 0x22, None), (3, 0x34, Some(60)), (4, 0x30, Some(30))]),
        Source::Ts,
    );
    track.feed(s(39.0), Some(s(40.0)), &segments(&[(4, 0x31, None), (5, 0x30, Some(30))]), Source::Ts);
    track.advance(s(50.0));
    let within = track.in_break(s(50.0)).unwrap();
    assert!(within.id.starts_with("derby-segment-2-22-") && within.until.is_none());
    track.feed(s(69.0), Some(s(70.0)), &segments(&[(5, 0x31, None), (3, 0x35, None), (2, 0x23, None)]), Source::Ts);
    track.feed(s(80.0), Some(s(81.0)), &segments(&[(1, 0x11, None)]), Source::Ts);
    track.advance(s(90.0));
    let lengths: Vec<_> = all(&track).iter().map(|e| (e.type_id.unwrap(), e.duration_s.unwrap().round())).collect();
    assert_eq!(lengths, [(0x10, 81.0), (0x22, 60.0), (0x34, 60.0), (0x30, 30.0), (0x30, 30.0)]);
    let lines = texts(&track);
    assert_eq!(lines.len(), 10);
    assert!(lines[0].contains("SCTE35-CMD=") && !lines[1].contains("SCTE35"), "{lines:?}");
    assert!(all(&track).iter().all(|event| event.upid.as_deref() == Some("QUAD:0x01")));
}

#[test]
fn immediate_splices_echo_and_come_back() {
    let mut track = track();
    let (out, back) = (insert(1, true, true, None, false), insert(1, false, true, None, false));
    assert_eq!(track.feed(s(10.01), None, &out, Source::Ts), Outcome::New);
    assert_eq!(track.feed(s(11.0), None, &out, Source::Ts), Outcome::Repeated);
    assert_eq!(track.feed(s(15.0), None, &back, Source::Ts), Outcome::Changed);
    assert_eq!(track.feed(s(16.0), None, &out, Source::Ts), Outcome::Repeated);
    assert_eq!(track.feed(s(16.0), None, &back, Source::Ts), Outcome::Repeated);
    assert_eq!(all(&track).len(), 1);
    assert_eq!(track.feed(s(40.0), None, &out, Source::Ts), Outcome::New);
}

#[test]
fn the_late_and_the_unordered_find_their_place() {
    let mut track = track();
    // Already running when it is heard of.
    assert_eq!(track.feed(s(30.0), Some(s(10.0)), &insert(1, true, false, Some(60), true), Source::Ts), Outcome::New);
    assert!(track.in_break(s(30.0)).is_some());
    assert_eq!(texts(&track).len(), 1);
    // Over when it is heard of.
    track.feed(s(100.0), Some(s(80.0)), &segments(&[(2, 0x30, Some(5))]), Source::Ts);
    assert!(all(&track)[1].ended_by.is_some());
    // Its end came first.
    track.feed(s(200.0), Some(s(230.0)), &insert(3, false, false, None, false), Source::Ts);
    assert_eq!(all(&track)[2].direction, Direction::In);
    track.feed(s(201.0), Some(s(210.0)), &insert(3, true, false, Some(60), true), Source::Ts);
    track.advance(s(240.0));
    assert_eq!(all(&track).len(), 3);
    assert!((all(&track)[2].duration_s.unwrap() - 20.0).abs() < 0.04);
    // Too old to be kept.
    let old = insert(4, true, false, None, false);
    assert_eq!(track.feed(s(300.0), Some(s(-30_000.0)), &old, Source::Ts), Outcome::Ignored);
}

#[test]
fn tags_without_a_name_are_about_the_break_that_is_there() {
    let mut track = track();
    let older = Signal::Older;
    let thirty = Some(Duration::from_secs(30));
    let Signal::Section(info) = insert(1, true, false, None, false) else { unreachable!() };
    track.feed(s(9.0), Some(s(10.0)), &older(OlderTag::Out { duration: thirty }), Source::Hls);
    assert_eq!(track.feed(s(9.0), Some(s(10.0)), &older(OlderTag::Section(info)), Source::Hls), Outcome::Changed);
    for elapsed in [4.0, 8.0] {
        let elapsed = Some(Duration::from_secs_f64(elapsed));
        let continues = older(OlderTag::Continues { elapsed, duration: thirty });
        assert_eq!(track.feed(s(18.0), Some(s(18.0)), &continues, Source::Hls), Outcome::Repeated);
    }
    assert_eq!(track.feed(s(38.0), Some(s(40.0)), &older(OlderTag::In), Source::Hls), Outcome::Changed);
    track.advance(s(41.0));
    assert_eq!(all(&track).len(), 1);
    assert!(all(&track)[0].id.contains("break") && all(&track)[0].scte35.is_some());
    // Joined in the middle.
    let continues = older(OlderTag::Continues { elapsed: thirty, duration: Some(Duration::from_secs(60)) });
    assert_eq!(track.feed(s(100.0), Some(s(100.0)), &continues, Source::Hls), Outcome::New);
    assert!(track.in_break(s(100.0)).is_some_and(|b| b.since.since(s(70.0)) < Duration::from_millis(20)));
}

#[test]
fn a_source_s_ranges_are_taken_in() {
    let mut track = track();
    let range = |id: &str, next: bool| SourceRange {
        id: id.into(),
        class: Some("a".into()),
        end_on_next: next,
        ..SourceRange::default()
    };
    let signal = |id, next, start, end| Signal::Range { range: Box::new(range(id, next)), start, end };
    track.feed(s(0.0), None, &signal("one", true, Some(s(1.0)), None), Source::Hls);
    track.feed(s(5.0), None, &signal("two", true, Some(s(6.0)), None), Source::Hls);
    assert_eq!(track.feed(s(6.0), None, &signal("two", true, Some(s(6.0)), None), Source::Hls), Outcome::Repeated);
    track.feed(s(7.0), None, &signal("two", false, Some(s(6.0)), Some(s(9.0))), Source::Hls);
    track.advance(s(10.0));
    let lengths: Vec<_> = all(&track).iter().map(|event| event.duration_s.unwrap().round()).collect();
    assert_eq!(lengths, [5.0, 3.0]);
    // With a section in it, it is the section's event, whoever else sends that.
    let Signal::Section(info) = insert(7, true, false, None, false) else { unreachable!() };
    let hex = info.hex();
    let list = [("ID", "x"), ("START-DATE", "2024-01-12T13:46:40Z"), ("SCTE35-OUT", hex.as_str())];
    let out = SourceRange::read(list).unwrap();
    let out = Signal::Range { range: Box::new(out), start: Some(s(20.0)), end: Some(s(50.0)) };
    assert_eq!(track.feed(s(18.0), None, &out, Source::Hls), Outcome::New);
    assert_eq!(track.feed(s(18.0), Some(s(20.1)), &Signal::Section(info), Source::Ts), Outcome::Repeated);
    track.advance(s(51.0));
    assert_eq!(all(&track)[2].duration_s.unwrap().round(), 30.0);
}

#[test]
fn ranges_whose_names_differ_in_what_no_playlist_can_hold_stay_two() {
    let mut track = track();
    for id in ["a\0", "a\u{1}"] {
        let range = SourceRange { id: id.into(), ..SourceRange::default() };
        let signal = Signal::Range { range: Box::new(range), start: Some(s(1.0)), end: Some(s(5.0)) };
        track.feed(s(0.0), None, &signal, Source::Hls);
    }
    let ids: Vec<String> = all(&track).into_iter().map(|event| event.id).collect();
    assert_eq!(ids.len(), 2);
    assert!(ids[0] != ids[1] && ids.iter().all(|id| !id.contains(char::is_control)), "{ids:?}");
    let lines = track.date_ranges(s(0.0)..s(9.0));
    assert!(lines.iter().all(|line| line.text.contains(&format!("ID=\"{}\"", line.id))), "{lines:?}");
}

#[test]
fn an_operator_begins_and_ends_breaks() {
    let mut track = track();
    let asked =
        |duration_s, id: Option<&str>| BeginBreak { duration_s, id: id.map(str::to_owned), ..BeginBreak::default() };
    let event = track.begin_break(s(1.0), &asked(None, Some("half-time"))).unwrap();
    assert_eq!((event.source, event.direction), (Source::Operator, Direction::Out));
    assert!(track.in_break(s(2.0)).is_some());
    let running = BreakError::Running { id: "half-time".into() };
    assert_eq!(track.begin_break(s(3.0), &asked(None, Some("half-time"))), Err(running));
    let ended = track.end_break(s(61.0), "half-time").unwrap();
    assert_eq!(ended.duration_s.unwrap().round(), 60.0);
    track.advance(s(62.0));
    assert!(matches!(track.end_break(s(62.0), "half-time"), Err(BreakError::Ended { .. })));
    assert!(matches!(track.end_break(s(62.0), "nobody"), Err(BreakError::Unknown { .. })));
    assert!(matches!(track.begin_break(s(62.0), &asked(Some(-1.0), None)), Err(BreakError::Duration { .. })));
    assert_eq!(track.begin_break(s(62.0), &asked(None, Some("a\"b"))), Err(BreakError::Id));
    let own = track.begin_break(s(70.0), &asked(Some(10.0), None)).unwrap();
    track.advance(s(81.0));
    assert_eq!(track.in_break(s(81.0)), None);
    assert!(matches!(track.end_break(s(82.0), &own.id), Err(BreakError::Ended { .. })));
    // One that is announced is known as a break to come; called off, it never was.
    let ahead = |starts_in_s| BeginBreak { starts_in_s: Some(starts_in_s), ..asked(Some(5.0), Some("ahead")) };
    track.begin_break(s(82.0), &ahead(3.0)).unwrap();
    assert_eq!(track.in_break(s(84.0)), None);
    let known = |span| track.breaks(span).into_iter().map(|its| (its.starts_at, its.ends_at)).collect::<Vec<_>>();
    let on_grid = |at: f64| track.policy().on_grid(s(at));
    let starts_at = on_grid(85.0);
    let ends_at = track.policy().on_grid(starts_at + Duration::from_secs(5));
    assert_eq!(known(s(82.0)..s(90.0)), [(starts_at, Some(ends_at))]);
    assert_eq!(known(s(82.0)..starts_at), []);
    assert!(track.end_break(s(83.0), "ahead").is_ok());
    assert!(track.breaks(s(82.0)..s(90.0)).is_empty());
    for wrong in [-1.0, 601.0, f64::NAN] {
        assert!(matches!(track.begin_break(s(83.0), &ahead(wrong)), Err(BreakError::StartsIn { max_s: 600 })));
    }
    // A source's break that hangs can be ended, too.
    track.feed(s(90.0), None, &insert(1, true, true, None, false), Source::Ts);
    let hanging = track.in_break(s(91.0)).unwrap().id;
    assert!(track.end_break(s(95.0), &hanging).is_ok());
}

#[test]
fn breaks_by_hand_go_on_in_another_process_as_if_it_had_begun_them() {
    let mut before = track();
    let asked = |duration_s: Option<f64>, id: &str| BeginBreak { duration_s, id: Some(id.into()), starts_in_s: None };
    let begin = |track: &mut CueTrack, at: f64, asked: &BeginBreak| track.begin_break(s(at), asked).unwrap().id;
    let ahead = BeginBreak { starts_in_s: Some(30.0), ..asked(None, "ahead") };
    let ids = [
        begin(&mut before, 1.0, &asked(None, "ended")),
        begin(&mut before, 10.0, &asked(Some(5.0), "over")),
        begin(&mut before, 20.0, &asked(None, "open")),
        begin(&mut before, 21.0, &asked(Some(30.0), "planned")),
        begin(&mut before, 22.0, &ahead),
    ];
    before.end_break(s(22.5), "ended").unwrap();
    let called_off = begin(&mut before, 23.0, &BeginBreak { starts_in_s: Some(60.0), ..asked(None, "called-off") });
    before.end_break(s(24.0), "called-off").unwrap();
    let kept: Vec<ByHand> = ids.iter().map(|id| before.by_hand(id).unwrap()).collect();
    assert!(before.by_hand(&called_off).unwrap().is_cancelled);
    assert_eq!(before.by_hand("nobody"), None);

    let mut after = track();
    kept.iter().for_each(|kept| after.resume(s(40.0), kept));
    after.resume(s(40.0), &before.by_hand(&called_off).unwrap());
    before.advance(s(40.0));
    let span = || s(-99_999.0)..s(99_999.0);
    let known = |track: &CueTrack| {
        let live = track.events(span()).into_iter().filter(|event| event.id != called_off);
        live.map(|event| (event.id, event.state, event.starts_at, event.ends_at)).collect::<Vec<_>>()
    };
    assert_eq!(known(&after), known(&before));
    let lines = |track: &CueTrack| track.date_ranges(span()).into_iter().map(|line| line.text).collect::<Vec<_>>();
    assert_eq!(lines(&after), lines(&before));
    assert_eq!(after.in_break(s(41.0)), before.in_break(s(41.0)));
    // It is ended as if it had begun here, and its name is free again.
    assert!(after.begin_break(s(42.0), &asked(None, "open")).is_err());
    after.end_break(s(43.0), "open").unwrap();
    after.begin_break(s(44.0), &asked(None, "open")).unwrap();
    after.advance(s(60.0));
    assert!(after.in_break(s(60.0)).is_some_and(|its| its.since <= s(53.0)), "the one that was announced");
}

#[test]
fn breaks_that_overlap_are_one_and_end_as_was_said_or_planned_or_by_policy() {
    let mut track = track();
    let begin = |track: &mut CueTrack, at: f64, duration_s, id: &str| {
        let asked = BeginBreak { duration_s, id: Some(id.into()), ..BeginBreak::default() };
        track.begin_break(s(at), &asked).unwrap().id
    };
    // To the tenth: the grid's frames lie beside whole seconds.
    let tenths = |at: MediaTime| (at.since(s(0.0)).as_secs_f64() * 10.0).round() as u64;
    let known = |track: &CueTrack| -> Vec<(String, u64, Option<u64>)> {
        let told = |its: Break| (its.id, tenths(its.starts_at), its.ends_at.map(tenths));
        track.breaks(s(0.0)..s(1e6)).into_iter().map(told).collect()
    };
    let first = begin(&mut track, 10.0, Some(30.0), "a");
    begin(&mut track, 20.0, Some(40.0), "b");
    begin(&mut track, 60.0, Some(10.0), "c");
    assert_eq!(known(&track), [(first.clone(), 100, Some(700))]);
    track.end_break(s(65.0), "c").unwrap();
    assert_eq!(known(&track), [(first.clone(), 100, Some(650))]);
    let open = begin(&mut track, 100.0, None, "open");
    assert_eq!(known(&track)[1], (open.clone(), 1000, None));
    // Nobody ends it.
    track.advance(s(100.0) + track.policy().max_break + Duration::from_secs(60));
    assert_eq!(known(&track).last(), Some(&(open, 1000, Some(1000 + 10 * track.policy().max_break.as_secs()))));
}

/// A break that was planned goes on where that is said: before its planned end or behind it.
#[test]
fn a_break_overruns_where_that_is_said_and_no_further_than_policy_lets_it() {
    let mut track = track();
    let say = |track: &mut CueTrack, at: f64, of: f64, id: u32, is_out: bool| {
        let signal = insert(id, is_out, false, is_out.then_some(6), false);
        track.feed(s(at), Some(s(of)), &signal, Source::Ts);
        let told = |its: Break| its.ends_at.map(|end| (end.since(s(0.0)).as_secs_f64() * 10.0).round() as u64);
        track.breaks(s(0.0)..s(1e6)).into_iter().map(told).collect::<Vec<_>>()
    };
    assert_eq!(say(&mut track, 9.0, 10.0, 1, true), [Some(160)]);
    assert_eq!(say(&mut track, 12.0, 19.0, 1, false), [Some(190)]);
    assert_eq!(say(&mut track, 40.0, 40.0, 2, true), [Some(190), Some(460)]);
    assert_eq!(say(&mut track, 48.0, 50.0, 2, false), [Some(190), Some(500)], "said late is said all the same");
    say(&mut track, 100.0, 100.0, 3, true);
    let cap = track.policy().max_break.as_secs();
    let ends = say(&mut track, 103.0, 200.0 + cap as f64, 3, false);
    assert_eq!(ends.last(), Some(&Some(1000 + 10 * cap)));
}

#[test]
fn what_is_kept_is_bounded() {
    let mut track = CueTrack::new("derby", Policy { max_events: 4, ..track().policy });
    for id in 0..9 {
        track.feed(s(f64::from(id)), None, &insert(id, true, true, None, false), Source::Ts);
    }
    assert_eq!(all(&track).len(), 4);
    track.end_break(s(20.0), &all(&track)[0].id.clone()).unwrap();
    assert_eq!(track.feed(s(21.0), None, &insert(50, true, true, None, false), Source::Ts), Outcome::New);
    assert_eq!(all(&track).len(), 4);
    track.advance(s(80_000.0));
    assert!(all(&track).is_empty());
}

#[test]
fn everything_lands_on_the_nearest_frame() {
    let policy = track().policy;
    let half = policy.grid.frame_time(1).as_nanos() / 2 + 1;
    for nanos in (0..2_000_000_000u64).step_by(7_777_777) {
        let at = s(0.0) + Duration::from_nanos(nanos);
        let on = policy.on_grid(at);
        assert_eq!(policy.grid.frame_time(policy.grid.frame_at(on)), on);
        assert!(on.as_nanos().abs_diff(at.as_nanos()) <= half);
    }
}

#[test]
fn times_that_are_said_again_by_the_same_source_are_known_better_until_they_are_listed() {
    let mut track = track();
    let out = insert(7, true, false, Some(60), false);
    track.feed(s(0.0), Some(s(20.0)), &out, Source::Hls);
    track.feed(s(1.0), Some(s(20.2)), &out, Source::Hls);
    let better = track.policy.on_grid(s(20.2));
    assert_eq!(all(&track)[0].starts_at, better.to_string());
    // Another source measures differently, and what is listed stays.
    track.feed(s(2.0), Some(s(19.9)), &out, Source::Ts);
    track.advance(s(14.0));
    track.feed(s(14.0), Some(s(20.3)), &out, Source::Hls);
    assert_eq!((all(&track)[0].starts_at.clone(), all(&track).len()), (better.to_string(), 1));
    let back = insert(7, false, false, None, false);
    track.feed(s(30.0), Some(s(50.0)), &back, Source::Hls);
    track.feed(s(31.0), Some(s(50.2)), &back, Source::Hls);
    track.advance(s(60.0));
    assert_eq!(all(&track)[0].ends_at, Some(track.policy.on_grid(s(50.2)).to_string()));
}

#[test]
fn a_range_is_the_same_wherever_its_date_comes_to_lie() {
    let mut track = track();
    let range = |start: f64, end: Option<f64>| {
        let range = SourceRange { id: "chapter".into(), ..SourceRange::default() };
        Signal::Range { range: Box::new(range), start: Some(s(start)), end: end.map(s) }
    };
    track.feed(s(0.0), Some(s(0.0)), &range(2.0, None), Source::Hls);
    track.advance(s(3.0));
    // A backup takes over, and is two seconds behind.
    track.feed(s(4.0), Some(s(4.0)), &range(4.0, Some(9.0)), Source::Hls);
    track.advance(s(10.0));
    track.feed(s(11.0), Some(s(11.0)), &range(6.0, Some(11.0)), Source::Hls);
    assert_eq!(all(&track).len(), 1, "{:?}", all(&track));
    let alone = SourceRange {
        id: "back".into(),
        back_in: read_hex(&insert(9, false, false, None, false)),
        ..SourceRange::default()
    };
    track.feed(s(12.0), Some(s(12.0)), &insert(9, true, false, None, false), Source::Ts);
    let signal = Signal::Range { range: Box::new(alone), start: Some(s(15.0)), end: None };
    track.feed(s(13.0), Some(s(15.0)), &signal, Source::Hls);
    track.advance(s(16.0));
    let event = &all(&track)[1];
    assert_eq!((event.duration_s.map(f64::round), event.ended_by), (Some(3.0), Some(EndedBy::Signal)));
}

fn read_hex(signal: &Signal) -> Option<crate::cues::daterange::Carried> {
    let Signal::Section(info) = signal else { panic!("no section") };
    let text = info.hex();
    let range = SourceRange::read([("ID", "x"), ("START-DATE", "2030-01-01T00:00:00Z"), ("SCTE35-IN", &*text)]);
    range.unwrap().back_in
}

#[test]
fn a_break_is_off_the_air_until_it_is_said_planned_or_by_policy_to_end() {
    let off = |track: &CueTrack, at: f64| track.is_off_air(s(at));
    // Its way back never comes.
    let mut lost = track();
    lost.feed(s(0.0), Some(s(10.0)), &insert(1, true, false, Some(30), false), Source::Ts);
    assert!(!off(&lost, 9.9) && off(&lost, 10.1) && off(&lost, 39.9) && !off(&lost, 40.1));
    assert!(lost.in_break(s(50.0)).is_some(), "nobody said that it is over");
    // Nothing was planned.
    let mut open = track();
    open.feed(s(0.0), Some(s(10.0)), &insert(2, true, false, None, false), Source::Ts);
    assert!(off(&open, 1809.0) && !off(&open, 1811.0));
    open.advance(s(2000.0));
    assert!(!off(&open, 2000.0));
    // It comes back early, or never was; other things are no breaks.
    let mut early = track();
    early.feed(s(0.0), Some(s(10.0)), &insert(3, true, false, Some(30), true), Source::Ts);
    early.feed(s(15.0), Some(s(20.0)), &insert(3, false, false, None, false), Source::Ts);
    assert!(off(&early, 19.9) && !off(&early, 20.1));
    assert!(
        early.was_off_air(s(5.0), s(25.0))
            && !early.was_off_air(s(20.1), s(25.0))
            && !early.was_off_air(s(5.0), s(9.9))
    );
    let mut cancelled = track();
    cancelled.feed(s(0.0), Some(s(10.0)), &insert(4, true, false, Some(30), true), Source::Ts);
    cancelled.feed(s(5.0), None, &cancel(4), Source::Ts);
    assert!(!off(&cancelled, 15.0));
    let mut cut = track();
    cut.feed(s(0.0), Some(s(10.0)), &insert(5, true, false, Some(30), true), Source::Ts);
    cut.advance(s(12.0));
    cut.feed(s(15.0), None, &cancel(5), Source::Ts);
    assert!(off(&cut, 14.9) && !off(&cut, 15.1));
    let mut programme = track();
    programme.feed(s(0.0), Some(s(10.0)), &segments(&[(6, 0x10, Some(30))]), Source::Ts);
    assert!(!off(&programme, 15.0));
}

#[test]
fn a_nameless_break_moves_with_its_pictures_until_it_begins() {
    let mut track = track();
    let out = Signal::Older(OlderTag::Out { duration: Some(Duration::from_secs(30)) });
    let goes_on = Signal::Older(OlderTag::Continues { elapsed: Some(Duration::from_secs(2)), duration: None });
    track.feed(s(0.0), Some(s(5.0)), &out, Source::Hls);
    track.feed(s(0.0), Some(s(7.5)), &goes_on, Source::Hls);
    let started = |track: &CueTrack, at: f64| {
        let events = all(track);
        assert_eq!((events.len(), events[0].starts_at.clone()), (1, track.policy.on_grid(s(at)).to_string()));
        assert_eq!(events[0].planned_duration_s, Some(30.0));
    };
    started(&track, 5.0);
    track.feed(s(2.0), Some(s(9.0)), &out, Source::Hls);
    started(&track, 9.0);
    track.advance(s(9.5));
    track.feed(s(10.0), Some(s(13.0)), &out, Source::Hls);
    started(&track, 9.0);
}
