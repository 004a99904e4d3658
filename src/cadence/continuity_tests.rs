//! What sources do to their timestamps, and that pictures and sound stay together through it.

use proptest::prelude::*;

use super::*;
use crate::timeline::MediaTime;

const SECOND: i64 = 1_000_000_000;
const MILLI: i64 = 1_000_000;
/// Pictures are 40 ms long, stretches of sound 24 ms.
const PICTURE: i64 = 40 * MILLI;
const SOUND: i64 = 24 * MILLI;

/// One sample of a source, in the order of delivery.
#[derive(Clone, Copy, Debug)]
struct Sent {
    stream: Stream,
    /// When it was seen or heard in reality.
    real: i64,
    raw: i64,
    /// When it is delivered, by the source's clock.
    sent: i64,
}

/// `seconds` of a source whose sound is delivered `sound_lead` ahead of its pictures.
fn source(seconds: i64, sound_lead: i64) -> Vec<Sent> {
    let pictures = (0..seconds * SECOND / PICTURE).map(|n| (Stream::Picture, n * PICTURE, 0));
    let sounds = (0..seconds * SECOND / SOUND).map(|n| (Stream::Sound, n * SOUND, sound_lead));
    let mut all: Vec<Sent> = pictures
        .chain(sounds)
        .map(|(stream, real, lead)| Sent { stream, real, raw: real, sent: real - lead })
        .collect();
    all.sort_by_key(|s| s.sent);
    all
}

fn length(stream: Stream) -> i64 {
    if stream == Stream::Picture { PICTURE } else { SOUND }
}

/// Where each sample goes; `jitter` shifts the arrivals of a live source.
fn place_all(line: &mut Continuity, samples: &[Sent], live: Option<&[i64]>) -> Vec<Placed> {
    let place = |(n, s): (usize, &Sent)| {
        let arrived = live.map(|jitter| {
            let late = jitter.get(n % jitter.len().max(1)).copied().unwrap_or(0);
            MediaTime::from_nanos((1_000_000 * SECOND + s.sent + late) as u64)
        });
        line.place(s.stream, s.raw, length(s.stream), arrived)
    };
    samples.iter().enumerate().map(place).collect()
}

/// How far apart picture and sound of the same real instant come out at the end, and how far they are from real time.
fn skew_at_end(samples: &[Sent], placed: &[Placed]) -> i64 {
    let offset = |stream| samples.iter().zip(placed).rfind(|(s, _)| s.stream == stream).map(|(s, p)| p.at - s.real);
    offset(Stream::Picture).unwrap() - offset(Stream::Sound).unwrap()
}

fn streams() -> impl Strategy<Value = Vec<Stream>> {
    prop::sample::select(vec![vec![Stream::Picture], vec![Stream::Sound], vec![Stream::Picture, Stream::Sound]])
}

/// Live with arrivals that jitter, or pulled.
fn arrivals() -> impl Strategy<Value = Option<Vec<i64>>> {
    prop::option::of(prop::collection::vec(0..300 * MILLI, 50))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// One stream pauses, or both do, for 50 ms to 90 s: nothing is moved, neither in the hole nor after it.
    #[test]
    fn a_pause_of_either_stream_or_of_both_is_a_hole_and_moves_nothing(
        paused in streams(),
        begins in 1_000i64..5_000,
        lasts in prop_oneof![50i64..1_500, 1_500i64..15_000, 15_000i64..90_000],
        lead in -700i64..700,
        live in arrivals(),
    ) {
        let (begins, lasts) = (begins * MILLI, lasts * MILLI);
        let mut samples = source((begins + lasts) / SECOND + 5, lead * MILLI);
        samples.retain(|s| !(paused.contains(&s.stream) && (begins..begins + lasts).contains(&s.real)));
        let placed = place_all(&mut Continuity::new(), &samples, live.as_deref());
        for (sample, place) in samples.iter().zip(&placed) {
            prop_assert_eq!(place.at, sample.real, "{:?}", sample);
            prop_assert_ne!(place.step, Step::Jump);
        }
        let holes = placed.iter().filter(|p| matches!(p.step, Step::Hole(_))).count();
        prop_assert!(holes <= paused.len() && (lasts < 1_100 * MILLI || holes == paused.len()), "{} holes", holes);
    }

    /// Packets are lost in bursts of up to five seconds, in both streams, at their own times: no burst is a jump.
    #[test]
    fn packet_loss_is_never_a_jump(
        bursts in prop::collection::vec((0i64..60_000, 0i64..5_000, streams()), 1..12),
        lead in -700i64..700,
        live in arrivals(),
    ) {
        let mut samples = source(66, lead * MILLI);
        samples.retain(|s| !bursts.iter().any(|(from, lasts, streams)| {
            streams.contains(&s.stream) && (from * MILLI..(from + lasts) * MILLI).contains(&s.real)
        }));
        let placed = place_all(&mut Continuity::new(), &samples, live.as_deref());
        for (sample, place) in samples.iter().zip(&placed) {
            prop_assert_eq!(place.at, sample.real, "{:?}", sample);
        }
    }

    /// Both jump, forward or backward, up to a second apart, either first: both end on one mapping, without a hole.
    #[test]
    fn a_jump_of_both_streams_is_one_jump_whichever_comes_first(
        jump in prop_oneof![3_000i64..90_000_000, -90_000_000i64..-3_000],
        picture_jumps in 3_000i64..4_000,
        apart in -1_000i64..1_000,
        live in arrivals(),
    ) {
        let mut samples = source(8, 0);
        for s in &mut samples {
            let jumps = if s.stream == Stream::Picture { picture_jumps } else { picture_jumps + apart };
            s.raw += if s.real >= jumps * MILLI { jump * MILLI } else { 0 };
        }
        // Of a pulled source, what it leaves out may be a hole of up to five minutes, and is passed over when it is shown.
        prop_assume!(live.is_some() || !(0..310_000).contains(&jump));
        let placed = place_all(&mut Continuity::new(), &samples, live.as_deref());
        prop_assert_eq!(skew_at_end(&samples, &placed), 0);
        for pair in samples.iter().zip(&placed).filter(|(s, _)| s.stream == Stream::Picture).collect::<Vec<_>>().windows(2) {
            prop_assert!((pair[1].1.at - pair[0].1.at - PICTURE).abs() <= 1_100 * MILLI, "{:?}", pair);
        }
        prop_assert!(placed.iter().filter(|p| p.step == Step::Jump).count() <= 2);
    }

    /// A jump while one of the streams pauses: it comes back to the other one's new place.
    #[test]
    fn a_stream_that_was_silent_over_a_jump_comes_back_in_place(
        jump in prop_oneof![310_000i64..90_000_000, -90_000_000i64..-20_000],
        silent in prop::sample::select(vec![Stream::Picture, Stream::Sound]),
        lasts in 1_500i64..9_000,
        into in 0i64..100,
        live in arrivals(),
    ) {
        let mut samples = source(20, 0);
        let jumps = 3_000 + lasts * into / 100;
        for s in &mut samples {
            s.raw += if s.real >= jumps * MILLI { jump * MILLI } else { 0 };
        }
        samples.retain(|s| s.stream != silent || !(3_000 * MILLI..(3_000 + lasts) * MILLI).contains(&s.real));
        let placed = place_all(&mut Continuity::new(), &samples, live.as_deref());
        prop_assert_eq!(skew_at_end(&samples, &placed), 0);
    }

    /// The source says that its timestamps begin anew: any step, however small, either stream first.
    #[test]
    fn an_announced_stretch_is_one_for_both_streams(
        jumps in prop::collection::vec(-90_000_000i64..90_000_000, 1..5),
        apart in -900i64..900,
        live in arrivals(),
    ) {
        let mut line = Continuity::new();
        let (mut samples, mut placed) = (Vec::new(), Vec::new());
        let all = source(4 * jumps.len() as i64 + 4, 0);
        let mut stretch = [0usize; 2];
        for mut s in all {
            let off = if s.stream == Stream::Sound { apart * MILLI } else { 0 };
            let number = ((s.real - off).max(0) / (4 * SECOND)) as usize;
            let mine = &mut stretch[usize::from(s.stream == Stream::Sound)];
            if *mine != number {
                *mine = number;
                line.begin_stretch(s.stream, number as u64);
            }
            s.raw += number.checked_sub(1).and_then(|n| jumps.get(n)).map_or(0, |jump| jump * MILLI);
            placed.extend(place_all(&mut line, &[s], live.as_deref()));
            samples.push(s);
            let both = stretch[0] == stretch[1] && (number == 0 || (s.real - off) % (4 * SECOND) > SECOND);
            if both && samples.len() > 100 {
                prop_assert_eq!(skew_at_end(&samples, &placed), 0);
            }
        }
    }

    /// Jitter, repeats, small steps back, a constant offset and drift are the source's own business: nothing is moved.
    #[test]
    fn crooked_timestamps_are_taken_as_they_are(
        crooked in prop::collection::vec(-400 * MILLI..400 * MILLI, 20),
        offset in -5_000i64..5_000,
        drift_ppm in -2_000i64..2_000,
        live in arrivals(),
    ) {
        let mut samples = source(60, 0);
        for (n, s) in samples.iter_mut().enumerate() {
            s.raw += crooked[n * 7 % crooked.len()];
            if s.stream == Stream::Sound {
                s.raw += offset * MILLI + s.real / 1_000_000 * drift_ppm;
            }
        }
        let placed = place_all(&mut Continuity::new(), &samples, live.as_deref());
        for (sample, place) in samples.iter().zip(&placed) {
            prop_assert_eq!(place.at, sample.raw, "{:?}", sample);
        }
    }

    /// A single timestamp that is off by hours costs its own sample its place, and no other one's.
    #[test]
    fn one_wild_timestamp_moves_nobody_else(at in 100usize..400, off in 310_000i64..90_000_000, live in arrivals()) {
        let mut samples = source(15, 0);
        samples[at].raw += off * MILLI * if off % 2 == 0 { 1 } else { -1 };
        let placed = place_all(&mut Continuity::new(), &samples, live.as_deref());
        for (n, (sample, place)) in samples.iter().zip(&placed).enumerate() {
            prop_assert!(n == at || place.at == sample.real, "{:?} {:?}", sample, place);
        }
    }

    /// The 33 bits of MPEG's clock run over, with or without a hole across it.
    #[test]
    fn a_wrap_of_33_bits_is_exact(hole in prop::option::of(100i64..900), live in arrivals()) {
        let wrap = (1i64 << 33) * 100_000 / 9;
        let mut samples = source(10, 0);
        if let Some(hole) = hole {
            samples.retain(|s| !((5_000 - hole) * MILLI..5_000 * MILLI).contains(&s.real));
        }
        for s in &mut samples {
            s.raw = (s.real + wrap - 5 * SECOND) % wrap;
        }
        let placed = place_all(&mut Continuity::new(), &samples, live.as_deref());
        for (sample, place) in samples.iter().zip(&placed) {
            prop_assert_eq!(place.at, sample.real + wrap - 5 * SECOND);
        }
    }
}

#[test]
fn laps_of_a_file_follow_each_other_without_a_hole() {
    let mut line = Continuity::new();
    for n in 0..10i64 {
        let place = line.place(Stream::Picture, 80 + n * 40, 40, None);
        assert_eq!((place.at, place.step), (80 + n * 40, Step::Follows));
        line.place(Stream::Sound, n * 43, 43, None);
    }
    line.begin_lap();
    // Sound may come first; it is where it was in the lap before, one lap later.
    assert_eq!(line.place(Stream::Sound, 0, 43, None).at, 400);
    // A seek may land a little off: the picture still follows its predecessor.
    assert_eq!(line.place(Stream::Picture, 83, 40, None).at, 480);
    assert_eq!(line.place(Stream::Picture, 123, 40, None).at, 520);
}

#[test]
fn a_stream_alone_is_mended_by_itself_and_a_late_one_joins_it() {
    for alone in [Stream::Picture, Stream::Sound] {
        let mut line = Continuity::new();
        assert_eq!(line.place(alone, 5 * SECOND, PICTURE, None).at, 5 * SECOND);
        let back = line.place(alone, 0, PICTURE, None);
        assert_eq!((back.at, back.step), (5 * SECOND + PICTURE, Step::Jump));
        let joins = if alone == Stream::Picture { Stream::Sound } else { Stream::Picture };
        assert_eq!(line.place(joins, 0, SOUND, None).at, 5 * SECOND + PICTURE);
    }
}

#[test]
fn a_stream_that_jumps_alone_for_good_goes_on_as_it_arrives_and_may_come_back() {
    let mut line = Continuity::new();
    let mut samples = source(20, 0);
    for s in samples.iter_mut().filter(|s| s.stream == Stream::Sound && (5 * SECOND..12 * SECOND).contains(&s.real)) {
        s.raw -= 1000 * SECOND;
    }
    let placed = place_all(&mut line, &samples, Some(&[0]));
    for (sample, place) in samples.iter().zip(&placed) {
        assert!((place.at - sample.real).abs() <= SOUND, "{sample:?} {place:?}");
    }
    assert_eq!(skew_at_end(&samples, &placed), 0);
}

#[test]
fn sound_that_was_never_heard_is_placed_by_its_picture() {
    let mut line = Continuity::new();
    line.place(Stream::Picture, 60 * SECOND, PICTURE, None);
    assert_eq!(line.place(Stream::Sound, 50 * SECOND, SOUND, None).at, 50 * SECOND);
    line.resettle(Stream::Sound, 50 * SECOND + SOUND);
    assert_eq!(line.place(Stream::Sound, 50 * SECOND + SOUND, SOUND, None).at, 60 * SECOND + PICTURE);
    assert_eq!(line.place(Stream::Sound, 50 * SECOND + 2 * SOUND, SOUND, None).at, 60 * SECOND + PICTURE + SOUND);
}

#[test]
fn a_sound_beside_the_main_one_goes_by_the_picture_through_laps_and_jumps() {
    let mut line = Continuity::new();
    const FRAME: i64 = 40_000_000;
    let mut shown = 0;
    for lap in 0..3i64 {
        for n in 0..50 {
            let picture = line.place(Stream::Picture, n * FRAME, FRAME, None);
            let beside = line.place_beside(1, n * FRAME + 5_000_000, FRAME, None);
            assert_eq!(beside.at - picture.at, 5_000_000, "lap {lap}, {n}");
            assert_eq!(picture.at, shown);
            shown += FRAME;
        }
        line.begin_lap();
    }
}
