use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::timeline::{Fps, Grid, MediaTime};

const SECOND: i64 = 1_000_000_000;

fn grid(fps: &str) -> Grid {
    Grid::new(fps.parse::<Fps>().unwrap(), 60)
}

fn tick_nanos(grid: &Grid) -> i64 {
    grid.frame_duration().as_nanos() as i64
}

/// How many ticks each picture is shown, for a source of `num/den` fps on a grid, after it has settled.
fn pattern(num: i64, den: i64, out: &str, jitter: impl Fn(i64) -> i64, ticks: i64) -> (Vec<u32>, u32) {
    let grid = grid(out);
    let mut queue = PictureQueue::new(tick_nanos(&grid), 10_000);
    for n in 0..ticks * 4 {
        queue.push(n * SECOND * den / num + jitter(n), n);
    }
    let mut shown = Vec::new();
    let mut dropped = 0;
    for k in 0..ticks as u64 {
        let picked = queue.pick(grid.frame_time(k).as_nanos() as i64).unwrap();
        dropped += picked.dropped;
        match shown.last_mut() {
            Some((picture, count)) if *picture == picked.picture => *count += 1,
            _ => shown.push((picked.picture, 1u32)),
        }
    }
    (shown.into_iter().map(|(_, count)| count).collect(), dropped)
}

#[test]
fn equal_rates_show_every_picture_once_whatever_the_rounding() {
    for jitter in [0i64, 1, -1, 400_000] {
        let (counts, dropped) = pattern(30, 1, "30", |n| if n % 2 == 0 { jitter } else { -jitter }, 600);
        assert!(counts.iter().all(|c| *c == 1), "{counts:?}");
        assert_eq!(dropped, 0);
    }
}

#[test]
fn other_rates_give_their_regular_patterns() {
    let (counts, dropped) = pattern(10, 1, "30", |_| 0, 300);
    assert!(counts[1..counts.len() - 1].iter().all(|c| *c == 3) && dropped == 0, "{counts:?}");
    let (counts, dropped) = pattern(60, 1, "30", |_| 0, 300);
    assert!(counts.iter().all(|c| *c == 1));
    assert!((298..=300).contains(&dropped), "{dropped}");
    let (counts, dropped) = pattern(25, 1, "30", |_| 0, 300);
    let holds = counts.iter().filter(|c| **c == 2).count();
    assert!((48..=51).contains(&holds) && dropped == 0 && counts.iter().all(|c| *c <= 2), "{holds} {dropped}");
    let (counts, dropped) = pattern(50, 1, "30", |_| 0, 300);
    assert!(counts.iter().all(|c| *c == 1) && (195..=202).contains(&dropped), "{dropped}");
    let (counts, dropped) = pattern(30_000, 1001, "30", |_| 0, 3000);
    assert_eq!((counts.iter().filter(|c| **c == 2).count(), dropped), (3, 0));
    let (counts, dropped) = pattern(60_000, 1001, "30000/1001", |_| 0, 3000);
    assert!(counts.iter().all(|c| *c == 1) && (2998..=3001).contains(&dropped), "{dropped}");
}

#[test]
fn a_queue_gives_up_what_is_late_and_says_how_much() {
    let mut queue = PictureQueue::new(SECOND / 30, 4);
    for n in 0..4 {
        queue.push(n * SECOND, n);
    }
    assert!(queue.is_full());
    queue.drop_oldest();
    queue.push(4 * SECOND, 4);
    queue.push(4 * SECOND, 5);
    let picked = queue.pick(3 * SECOND).unwrap();
    // 0 made room, 1 and 2 were passed over, 5 came with a time that had been.
    assert_eq!((picked.picture, picked.fresh, picked.dropped), (3, true, 4));
    let again = queue.pick(3 * SECOND + SECOND / 30).unwrap();
    assert_eq!((again.picture, again.fresh, again.dropped, again.age), (3, false, 0, SECOND / 30));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any rate, jitter and gaps: a picture at every tick once there is one, never an older one than before.
    #[test]
    fn every_tick_gets_exactly_one_picture_and_never_an_older_one(
        interval in 8_000_000i64..150_000_000,
        jitters in prop::collection::vec(-40_000_000i64..40_000_000, 100),
        start in 0u64..1_000_000_000,
    ) {
        let grid = grid("30");
        let mut queue = PictureQueue::new(tick_nanos(&grid), 64);
        let origin = grid.frame_time(start).as_nanos() as i64;
        let mut last = -1i64;
        let mut pushed = 0usize;
        let (mut seen, mut dropped) = (0u64, 0u64);
        for k in 0..100u64 {
            let now = grid.frame_time(start + k).as_nanos() as i64 - origin;
            while pushed < jitters.len() && pushed as i64 * interval <= now {
                queue.drop_oldest();
                queue.push(pushed as i64 * interval + jitters[pushed], pushed as i64);
                pushed += 1;
            }
            match queue.pick(now) {
                Some(picked) => {
                    prop_assert!(picked.picture >= last);
                    prop_assert_eq!(picked.fresh, picked.picture > last);
                    seen += u64::from(picked.fresh);
                    dropped += u64::from(picked.dropped);
                    last = picked.picture;
                }
                None => prop_assert_eq!(last, -1),
            }
        }
        // Every picture is shown, dropped or waiting: none is lost count of. (Before the first pick drops are not told.)
        if last >= 0 {
            prop_assert!(seen + dropped + queue.len() as u64 == pushed as u64);
        }
    }

    /// A live source up to 500 ppm off, with jitter, for an hour: the lead stays at its target, the slew within bounds.
    #[test]
    fn a_drifting_source_never_runs_away(ppm in -500i64..=500, seed in any::<u64>()) {
        let target = 400_000_000i64;
        let mut clock = SourceClock::live(Duration::from_nanos(target as u64));
        let start = MediaTime::from_secs(90_000_000).as_nanos() as i64;
        let mut noise = seed | 1;
        let mut last_source = i64::MIN;
        for n in 0..3600 * 25i64 {
            noise ^= noise << 13;
            noise ^= noise >> 7;
            noise ^= noise << 17;
            let source = n * 40_000_000;
            let sent = source + source / 1_000_000 * ppm;
            let arrival = start + sent + (noise % 60_000_000) as i64;
            let at = MediaTime::from_nanos(arrival as u64);
            clock.observe(source, at);
            prop_assert!(clock.slew_ppb().abs() <= MAX_SLEW_PPB);
            let wanted = clock.source_at(at).unwrap();
            let lead = source - wanted;
            prop_assert!((target - 250_000_000..target + 250_000_000).contains(&lead), "lead {} at {}", lead, n);
            if n > 25 * 120 {
                // Mean jitter is 30 ms; 500 ppm leave the damped loop 10 ms off.
                prop_assert!((lead - target).abs() < 80_000_000, "lead {} at {}", lead, n);
            }
            if n > 50 {
                prop_assert!(wanted > last_source - 60_000_000);
            }
            last_source = last_source.max(wanted);
        }
    }

    /// Timestamps that jitter by milliseconds make no seam: the samples come out as they went in.
    #[test]
    fn sound_is_continuous_over_jittering_timestamps(jitters in prop::collection::vec(-3_000_000i64..3_000_000, 40)) {
        let mut buffer = SoundBuffer::new(96_000);
        let mut out = Vec::new();
        let mut pushed = 0i64;
        let mut read = 0i64;
        for jitter in jitters {
            let chunk: Vec<i16> = (pushed..pushed + 1024).flat_map(|n| [saw(n), -saw(n)]).collect();
            buffer.push(pushed * SECOND / 48_000 + jitter, &chunk);
            pushed += 1024;
            while read + 900 < pushed - 1200 {
                buffer.read(800, read * SECOND / 48_000, (read + 800) * SECOND / 48_000, &mut out);
                read += 800;
            }
        }
        for pair in out.chunks_exact(2).skip(300).collect::<Vec<_>>().windows(2) {
            prop_assert!((i32::from(pair[1][0]) - i32::from(pair[0][0])).abs() < 60);
        }
    }
}

/// A triangle wave of 960 samples, 24 a step: any seam shows as a larger step.
fn saw(n: i64) -> i16 {
    let phase = n.rem_euclid(960);
    (if phase < 480 { phase * 24 } else { (960 - phase) * 24 }) as i16
}

#[test]
fn a_pulled_source_keeps_its_anchor() {
    let mut clock = SourceClock::pulled();
    assert_eq!(clock.source_at(MediaTime::from_secs(5)), None);
    clock.observe(3, MediaTime::from_secs(5));
    assert!(!clock.is_anchored());
    clock.anchor(-7, MediaTime::from_secs(100));
    assert_eq!(clock.source_at(MediaTime::from_secs(101)), Some(SECOND - 7));
    assert_eq!(clock.source_at(MediaTime::from_secs(99)), Some(-SECOND - 7));
}

proptest! {
    #[test]
    fn whatever_a_source_says_of_times_to_come_has_an_instant_or_none(source in any::<i64>(), at in 0u64..4_000_000_000) {
        let mut clock = SourceClock::pulled();
        clock.anchor(0, MediaTime::from_millis(at));
        clock.delay_to(SECOND, MediaTime::from_millis(at), false);
        let due = clock.due_at(source);
        prop_assert!(due.is_none() || source > -4_000_000_000_000_000_000);
    }
}

#[test]
fn a_live_source_that_jumps_is_anchored_anew_and_a_burst_settles() {
    let target = Duration::from_millis(400);
    let mut clock = SourceClock::live(target);
    let at = |ms: u64| MediaTime::from_millis(1_000_000 + ms);
    // A burst of a second of pictures: the freshest rules.
    for n in 0..25 {
        clock.observe(n * 40_000_000, at(0));
    }
    assert!((clock.source_at(at(400)).unwrap() - 960_000_000).abs() <= 100_000_000);
    for n in 0..100u64 {
        clock.observe(960_000_000 + n as i64 * 40_000_000, at(n * 40));
    }
    // The source skips ten seconds.
    clock.observe(14_960_000_000, at(4000));
    assert_eq!(clock.source_at(at(4400)), Some(14_960_000_000));
}

#[test]
fn sound_is_copied_as_it_is_when_nothing_slews() {
    let mut buffer = SoundBuffer::new(96_000);
    let chunk: Vec<i16> = (0..4800).flat_map(|n| [saw(n), 7]).collect();
    buffer.push(0, &chunk);
    let mut out = Vec::new();
    for k in 0..2i64 {
        buffer.read(1600, k * SECOND / 30, (k + 1) * SECOND / 30, &mut out);
    }
    // The first 5 ms fade in.
    assert_eq!(out[480..], chunk[480..6400]);
}

#[test]
fn sound_follows_a_slewing_clock_and_fades_over_a_jump() {
    let mut buffer = SoundBuffer::new(480_000);
    let chunk: Vec<i16> = (0..200_000).flat_map(|n| [saw(n), saw(n)]).collect();
    buffer.push(0, &chunk);
    let mut out = Vec::new();
    let mut source = 0i64;
    for _ in 0..60 {
        // Half a percent slower than it claims.
        let next = source + SECOND / 30 * 995 / 1000;
        buffer.read(1600, source, next, &mut out);
        source = next;
    }
    // Two seconds later the reader is where the clock is: 1.99 s into the source.
    let expected = f64::from(saw((source * 48 / 1_000_000) % 960));
    let got = f64::from(out[out.len() - 2]);
    assert!((expected - got).abs() < 24.0 * 8.0, "{expected} {got}");
    // A jump of a second: no step larger than the fade and the wave make.
    source += SECOND;
    buffer.read(1600, source, source + SECOND / 30, &mut out);
    let left: Vec<i32> = out.iter().step_by(2).map(|v| i32::from(*v)).collect();
    let step = left.windows(2).map(|w| (w[1] - w[0]).abs()).max().unwrap();
    assert!(step < 120, "{step}");
}

#[test]
fn sound_that_is_missing_is_silence_and_an_overlap_gives_way() {
    let mut buffer = SoundBuffer::new(96_000);
    let mut out = Vec::new();
    buffer.read_silence(100, &mut out);
    assert_eq!(out, vec![0; 200]);
    buffer.push(0, &[1000; 9600]);
    // Starts 50 ms before the end of what is there, a new lap.
    buffer.realign();
    buffer.push(50_000_000, &[-1000; 9600]);
    assert!(buffer.reaches(149_000_000) && !buffer.reaches(151_000_000));
    out.clear();
    buffer.read(9600, 0, 200_000_000, &mut out);
    assert_eq!(out.len(), 19_200);
    assert_eq!((out[2 * 2000], out[2 * 4000], out[2 * 9000]), (1000, -1000, 0));
}

#[test]
fn a_hole_takes_no_room_and_what_comes_after_it_is_in_place() {
    let mut buffer = SoundBuffer::new(96_000);
    buffer.push(0, &[1000; 9600]);
    // A minute later: what was there is still to be heard.
    buffer.push(60 * SECOND, &[-1000; 9600]);
    assert_eq!(buffer.len(), 9600);
    assert_eq!(buffer.next_from(50_000_000), Some(50_000_000));
    assert_eq!(buffer.next_from(10 * SECOND), Some(60 * SECOND));
    assert_eq!(buffer.next_from(61 * SECOND), None);
    assert!(buffer.reaches(30 * SECOND) && buffer.reaches(60 * SECOND + 99_000_000));
    let mut out = Vec::new();
    let stamp = buffer.read(4800, 0, 100_000_000, &mut out);
    assert_eq!(out[2 * 4000], 1000);
    assert!((stamp.unwrap() - 100_000_000).abs() < 30_000, "{stamp:?}");
    out.clear();
    assert_eq!(buffer.read(4800, 30 * SECOND, 30 * SECOND + 100_000_000, &mut out), None);
    // What was heard last fades out, then there is nothing.
    assert!(out[2 * 240..].iter().all(|v| *v == 0));
    out.clear();
    let stamp = buffer.read(4800, 60 * SECOND - 50_000_000, 60 * SECOND + 50_000_000, &mut out);
    assert_eq!((out[2 * 2000], out[2 * 4000]), (0, -1000));
    assert!((stamp.unwrap() - 60 * SECOND - 50_000_000).abs() < 30_000, "{stamp:?}");
}

#[test]
fn sound_that_was_placed_far_ahead_makes_way_for_sound_that_is_due() {
    let mut buffer = SoundBuffer::new(96_000);
    let mut out = Vec::new();
    buffer.push(0, &[1000; 9600]);
    buffer.read(4800, 0, 100_000_000, &mut out);
    buffer.push(3600 * SECOND, &[2000; 9600]);
    buffer.realign();
    buffer.push(200_000_000, &[-1000; 9600]);
    out.clear();
    buffer.read(4800, 100_000_000, 200_000_000, &mut out);
    buffer.read(4800, 200_000_000, 300_000_000, &mut out);
    assert_eq!((out[2 * 2000], out[2 * 4900 + 600]), (0, -1000));
    // What is late in whole or in part is not heard late.
    buffer.push(100_000_000, &[3000; 9600]);
    assert_eq!(buffer.next_from(300_000_000), None);
    buffer.push(250_000_000, &[3000; 9600]);
    out.clear();
    buffer.read(4800, 300_000_000, 400_000_000, &mut out);
    assert_eq!((out[2 * 2000], out[2 * 3000]), (3000, 0));
}

#[test]
fn a_capacity_holds_over_holes() {
    let mut buffer = SoundBuffer::new(9600);
    for n in 0..50i64 {
        buffer.push(n * SECOND, &[1; 4800]);
        assert!(buffer.len() <= 9600);
    }
    assert_eq!(buffer.next_from(0), Some(46 * SECOND));
}
