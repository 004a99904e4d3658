//! The buffer of `make bench-3000`'s players: what it counts as a stall.

#[path = "../../benches/many/buffer.rs"]
mod buffer;

use std::time::{Duration, Instant};

use buffer::{Buffer, Playing, START_SEGMENTS};

const SEGMENT: Duration = Duration::from_secs(2);

/// How a player fares whose segments come at these times, in milliseconds, and that is closed at the last.
fn played(fetched_ms: &[u64], end_ms: u64) -> Playing {
    let began = Instant::now();
    let at = |ms: u64| began + Duration::from_millis(ms);
    let mut buffer = Buffer::new(SEGMENT);
    fetched_ms.iter().for_each(|ms| buffer.fetched(at(*ms)));
    buffer.end(at(end_ms))
}

#[test]
fn a_player_that_gets_a_segment_every_two_seconds_never_stalls() {
    let playing = played(&[0, 10, 20, 2000, 4000, 6000], 8000);
    // It plays from 20 ms on and has six segments by the end.
    let least = Some(Duration::from_millis(4020));
    assert_eq!(playing, Playing { stalls: 0, stalled: Duration::ZERO, least });
}

#[test]
fn a_segment_that_comes_late_takes_from_the_buffer_before_it_stalls() {
    // The fourth is 3.9 s late and finds 100 ms left; the fifth comes 1.5 s after those 2.1 s are gone.
    let playing = played(&[0, 0, 0, 5900, 9500], 9500);
    assert_eq!(playing.stalls, 1);
    assert_eq!(playing.stalled, Duration::from_millis(1500));
    assert_eq!(playing.least, Some(Duration::ZERO));
    assert_eq!(played(&[0, 0, 0, 5900], 6000).stalls, 0);
}

#[test]
fn a_stall_that_lasts_counts_up_to_the_end() {
    let playing = played(&[0, 0, 0], 10_000);
    assert_eq!((playing.stalls, playing.stalled), (1, Duration::from_secs(4)));
}

#[test]
fn a_player_begins_with_three_segments_and_not_before() {
    assert_eq!(START_SEGMENTS, 3);
    assert_eq!(played(&[0, 0], 60_000), Playing::default());
}
