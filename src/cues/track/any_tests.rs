//! Any messages in any order: what must hold whatever comes.

use std::collections::HashMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::event::State;
use super::tests::{cancel, insert, s, segments};
use super::*;
use crate::cues::daterange::{OlderTag, SourceRange};
use std::time::Duration;

#[derive(Clone, Debug)]
enum Step {
    Feed(Signal, Option<i32>, Source),
    Advance,
    Begin(u8, Option<u8>),
    End(u8),
}

fn signals() -> impl Strategy<Value = Signal> {
    let seconds = || proptest::option::of(0u64..60);
    let types = || prop::sample::select(vec![0x10u8, 0x11, 0x20, 0x21, 0x22, 0x23, 0x30, 0x31, 0x34, 0x35, 0x02, 0xee]);
    let lasts = || seconds().prop_map(|s| s.map(Duration::from_secs));
    prop_oneof![
        5 => (0u32..3, any::<bool>(), any::<bool>(), seconds(), any::<bool>())
            .prop_map(|(id, out, immediate, seconds, auto)| insert(id, out, immediate, seconds, auto)),
        1 => (0u32..3).prop_map(cancel),
        4 => vec((0u32..3, types(), seconds()), 0..4).prop_map(|list| segments(&list)),
        1 => lasts().prop_map(|duration| Signal::Older(OlderTag::Out { duration })),
        1 => (lasts(), lasts())
            .prop_map(|(elapsed, duration)| Signal::Older(OlderTag::Continues { elapsed, duration })),
        1 => Just(Signal::Older(OlderTag::In)),
        1 => (0u8..3, any::<bool>(), proptest::option::of(-30i32..90), proptest::option::of(-30i32..90)).prop_map(
            |(id, end_on_next, start, end)| {
                let class = Some("c".into());
                let range = SourceRange { id: format!("r{id}"), class, end_on_next, ..SourceRange::default() };
                let at = |seconds: Option<i32>| seconds.map(|seconds| s(f64::from(seconds)));
                Signal::Range { range: Box::new(range), start: at(start), end: at(end) }
            }
        ),
    ]
}

fn steps() -> impl Strategy<Value = Vec<(u16, Step)>> {
    let source = prop::sample::select(vec![Source::Ts, Source::Hls]);
    let at = proptest::option::of(-20_000i32..40_000);
    let step = prop_oneof![
        8 => (signals(), at, source).prop_map(|(signal, at, source)| Step::Feed(signal, at, source)),
        3 => Just(Step::Advance),
        1 => (0u8..3, proptest::option::of(1u8..60)).prop_map(|(id, seconds)| Step::Begin(id, seconds)),
        1 => (0u8..3).prop_map(Step::End),
    ];
    vec((0u16..9000, step), 1..60)
}

fn check_names(track: &CueTrack) -> Result<(), TestCaseError> {
    let known: Vec<&Event> = track.events.iter().filter(|e| e.state != State::Cancelled && !e.orphan).collect();
    for (i, one) in known.iter().enumerate() {
        prop_assert!(one.ended_at().is_none_or(|end| end >= one.starts_at), "{one:?}");
        prop_assert_eq!(track.policy.on_grid(one.starts_at), one.starts_at);
        for other in &known[i + 1..] {
            prop_assert_ne!(&one.id, &other.id);
            if one.key == other.key && !one.instant && !other.instant {
                let (first, second) = if one.starts_at <= other.starts_at { (one, other) } else { (other, one) };
                let end = first.ended_at().or(first.ends.map(|(end, _)| end));
                prop_assert!(end.is_some_and(|end| end <= second.starts_at), "{first:?}\n{second:?}");
            }
        }
    }
    Ok(())
}

/// What is listed of an event is no more than was reckoned, and of all no more than is kept of a game. Sections come with ends,
/// and of what has not ended none is taken away for them.
fn check_bytes(track: &CueTrack) -> Result<(), TestCaseError> {
    for event in &track.events {
        let lines = [&event.opening, &event.closing].into_iter().flatten().map(String::len).sum::<usize>();
        prop_assert!(lines <= budget::bytes(&track.game, event), "{event:?}");
    }
    let is_over = |event: &&Event| !event.is_live();
    prop_assert!(track.bytes_of(|_| true) <= track.policy.max_bytes || track.bytes_of(is_over) == 0);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_messages_leave_a_sound_track(steps in steps(), max_events in prop::sample::select(vec![6usize, 4096]), max_bytes in prop::sample::select(vec![5_000usize, 9_000, 512 << 10]), bytes_at_once in prop::sample::select(vec![3_000usize, 64 << 10])) {
        let mut track = tests::track();
        let policy = &mut track.policy;
        (policy.max_events, policy.max_bytes, policy.bytes_at_once) = (max_events, max_bytes, bytes_at_once);
        policy.max_live_bytes = max_bytes * 3 / 4;
        let mut now = s(0.0);
        let mut texts: HashMap<String, Vec<String>> = HashMap::new();
        let mut ended: HashMap<String, Option<String>> = HashMap::new();
        for (millis, step) in steps {
            now = now + Duration::from_millis(u64::from(millis));
            match step {
                Step::Feed(signal, at, source) => {
                    let at = at.map(|ms| s(now.since(s(0.0)).as_secs_f64() + f64::from(ms) / 1000.0));
                    track.feed(now, at, &signal, source);
                }
                Step::Advance => track.advance(now),
                Step::Begin(id, seconds) => {
                    let asked = BeginBreak { duration_s: seconds.map(f64::from), id: Some(format!("o{id}")), ..BeginBreak::default() };
                    let _ = track.begin_break(now, &asked);
                }
                Step::End(id) => {
                    let _ = track.end_break(now, &format!("o{id}"));
                }
            }
            prop_assert!(track.events.len() <= max_events);
            check_bytes(&track)?;
            check_names(&track)?;
            let mut lines: HashMap<String, Vec<String>> = HashMap::new();
            for line in track.date_ranges(s(-99_999.0)..s(99_999.0)) {
                lines.entry(line.id).or_default().push(line.text);
            }
            for (id, now_listed) in lines {
                // What was listed stays; lines are added behind it alone, and only one.
                let before = texts.entry(id).or_default();
                prop_assert!(now_listed.len() <= 2 && now_listed.starts_with(before), "{before:?}\n{now_listed:?}");
                *before = now_listed;
            }
            for event in track.events(MediaTime::ZERO..s(99_999.0)) {
                let is_ended = event.state == CueState::Ended;
                if let Some(end) = ended.get(&event.id) {
                    prop_assert!(is_ended && *end == event.ends_at, "{event:?}");
                } else if is_ended {
                    ended.insert(event.id, event.ends_at);
                }
            }
            prop_assert!(track.in_break(now).is_none_or(|b| b.since <= now && b.until.is_none_or(|until| until > now)));
        }
        // Silence ends everything.
        track.advance(now + Duration::from_secs(30 * 3600));
        track.advance(now + Duration::from_secs(60 * 3600));
        prop_assert!(track.events.is_empty());
    }
}
