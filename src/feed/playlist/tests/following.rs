use std::time::Duration;

use super::super::follower::{Begin, Era, Failed, Follower, Job, Lost, Shown, Step};
use super::super::media::MediaPlaylist;
use super::media;

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Segments `numbers` of two seconds each.
fn playlist(numbers: std::ops::Range<u64>, tags: &str) -> MediaPlaylist {
    named("s", numbers, tags)
}

fn named(name: &str, numbers: std::ops::Range<u64>, tags: &str) -> MediaPlaylist {
    let mut text = format!("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:{}\n", numbers.start);
    numbers.for_each(|n| text.push_str(&format!("#EXTINF:2,\n{name}{n}.ts\n")));
    media(&format!("{text}{tags}")).unwrap()
}

fn follower() -> Follower {
    Follower::new(Begin::Anew(Shown::default()), false, Era::default(), s(0))
}

/// Loads the playlist, which must be what is wanted now.
fn load(follower: &mut Follower, playlist: MediaPlaylist, now: Duration) {
    assert_eq!(follower.next(now), Step::Load);
    follower.loading(now);
    follower.loaded(playlist, now);
}

fn job(follower: &mut Follower, now: Duration) -> Box<Job> {
    match follower.next(now) {
        Step::Fetch(job) => job,
        other => panic!("at {now:?}: {other:?}"),
    }
}

/// Fetches all there is; the numbers.
fn drain(follower: &mut Follower, now: Duration) -> Vec<u64> {
    let mut numbers = Vec::new();
    while let Step::Fetch(job) = follower.next(now) {
        numbers.push(job.segment.sequence);
        follower.fetched(now);
    }
    numbers
}

#[test]
fn a_live_playlist_is_begun_three_targets_from_its_end_and_read_again_in_step() {
    let mut follower = follower();
    load(&mut follower, playlist(10..20, ""), s(0));
    assert_eq!(drain(&mut follower, s(0)), [17, 18, 19]);
    // RFC 8216, 6.3.4: a target duration after a change, half of one while nothing changes.
    assert_eq!(follower.next(s(1)), Step::Wait(s(2)));
    load(&mut follower, playlist(11..21, ""), s(2));
    assert_eq!(drain(&mut follower, s(2)), [20]);
    load(&mut follower, playlist(11..21, ""), s(4));
    assert_eq!(follower.next(s(4)), Step::Wait(s(5)));
    load(&mut follower, playlist(12..22, ""), s(5));
    assert_eq!(drain(&mut follower, s(5)), [21]);
    assert_eq!(follower.next(s(5)), Step::Wait(s(7)));
}

#[test]
fn an_event_is_begun_near_its_end_and_a_whole_presentation_at_its_beginning() {
    let begun = |tags: &str| {
        let mut follower = follower();
        load(&mut follower, playlist(0..30, tags), s(0));
        job(&mut follower, s(0)).segment.sequence
    };
    assert_eq!(begun("#EXT-X-PLAYLIST-TYPE:EVENT"), 27);
    assert_eq!(begun("#EXT-X-ENDLIST"), 0);
    assert_eq!(begun("#EXT-X-START:TIME-OFFSET=9\n#EXT-X-ENDLIST"), 4);
    assert_eq!(begun("#EXT-X-START:TIME-OFFSET=-20"), 20);
    assert_eq!(begun("#EXT-X-START:TIME-OFFSET=-1"), 27, "not nearer than three targets");
    assert_eq!(begun("#EXT-X-START:TIME-OFFSET=0"), 0);
}

#[test]
fn an_end_is_an_end_and_what_was_shown_is_not_shown_again() {
    let mut first = follower();
    load(&mut first, playlist(10..20, ""), s(0));
    drain(&mut first, s(0));
    load(&mut first, playlist(11..21, "#EXT-X-ENDLIST"), s(2));
    assert_eq!(drain(&mut first, s(2)), [20]);
    assert_eq!(first.next(s(2)), Step::End);
    // The next run finds the same playlist, with other tokens perhaps, and has nothing to show.
    let mut second = Follower::new(Begin::Anew(first.shown()), false, Era::default(), s(0));
    load(&mut second, playlist(11..21, "#EXT-X-ENDLIST"), s(0));
    assert_eq!(second.next(s(0)), Step::End);
    // Another game in its place is shown, whole or live.
    let mut third = Follower::new(Begin::Anew(second.shown()), false, Era::default(), s(0));
    load(&mut third, named("other", 0..3, "#EXT-X-ENDLIST"), s(0));
    assert_eq!(drain(&mut third, s(0)), [0, 1, 2]);
    let mut fourth = Follower::new(Begin::Anew(second.shown()), false, Era::default(), s(0));
    load(&mut fourth, playlist(30..40, ""), s(0));
    assert_eq!(drain(&mut fourth, s(0)), [37, 38, 39]);
}

#[test]
fn a_run_that_was_lost_goes_on_in_what_ended_meanwhile() {
    let mut first = follower();
    load(&mut first, playlist(10..20, ""), s(0));
    drain(&mut first, s(0));
    let mut second = Follower::new(Begin::Anew(first.shown()), false, Era::default(), s(0));
    load(&mut second, playlist(12..22, "#EXT-X-ENDLIST"), s(0));
    assert_eq!(drain(&mut second, s(0)), [20, 21]);
    // The same with a whole presentation: not from its beginning.
    let mut film = follower();
    load(&mut film, playlist(0..9, "#EXT-X-ENDLIST"), s(0));
    job(&mut film, s(0));
    film.fetched(s(0));
    let mut again = Follower::new(Begin::Anew(film.shown()), false, Era::default(), s(0));
    load(&mut again, playlist(0..9, "#EXT-X-ENDLIST"), s(0));
    assert_eq!(job(&mut again, s(0)).segment.sequence, 1);
}

#[test]
fn a_loop_goes_round_but_never_without_a_segment() {
    let mut follower = Follower::new(Begin::Anew(Shown::default()), true, Era::default(), s(0));
    load(&mut follower, playlist(0..2, "#EXT-X-ENDLIST"), s(0));
    let laps: Vec<_> = (0..6)
        .map(|_| {
            let job = job(&mut follower, s(1));
            follower.fetched(s(1));
            (job.segment.sequence, job.era.laps)
        })
        .collect();
    assert_eq!(laps, [(0, 0), (1, 0), (0, 1), (1, 1), (0, 2), (1, 2)]);
    let mut empty = Follower::new(Begin::Anew(Shown::default()), true, Era::default(), s(0));
    let gaps = media("#EXTM3U\n#EXT-X-GAP\n#EXTINF:2,\na.ts\n#EXT-X-ENDLIST").unwrap();
    load(&mut empty, gaps, s(0));
    assert_eq!(empty.next(s(0)), Step::Fail(Lost::Unplayable));
    // A game that was live and ended is no loop, whatever the source asks for.
    let mut live = Follower::new(Begin::Anew(Shown::default()), true, Era::default(), s(0));
    load(&mut live, playlist(0..3, ""), s(0));
    drain(&mut live, s(0));
    load(&mut live, playlist(0..3, "#EXT-X-ENDLIST"), s(2));
    assert_eq!(live.next(s(2)), Step::End);
}

#[test]
fn a_segment_is_tried_again_within_its_time_then_left_out_as_a_hole() {
    let mut follower = follower();
    load(&mut follower, playlist(0..3, ""), s(0));
    let mut now = s(0);
    let mut tries = 0;
    while job_number(&mut follower, now) == Some(0) {
        tries += 1;
        follower.fetch_failed(Failed::Now, now);
        if let Step::Wait(until) = follower.next(now) {
            now = until;
        }
        if follower.next(now) == Step::Load {
            follower.loading(now);
            follower.loaded(playlist(0..3, ""), now);
        }
    }
    assert!(tries >= 3 && now <= s(2), "{tries} tries until {now:?}");
    let next = job(&mut follower, now);
    assert_eq!((next.segment.sequence, next.hole), (1, s(2)));
    follower.fetched(now);
    assert_eq!(job(&mut follower, now).hole, s(0));
}

fn job_number(follower: &mut Follower, now: Duration) -> Option<u64> {
    match follower.next(now) {
        Step::Fetch(job) => Some(job.segment.sequence),
        _ => None,
    }
}

#[test]
fn segments_that_are_404_for_twelve_seconds_are_waited_for() {
    let mut follower = follower();
    let mut got = Vec::new();
    let mut failed = None;
    for tenth in 0..300u64 {
        let now = Duration::from_millis(tenth * 100);
        // One more every two seconds, a window of six.
        let newest = 10 + now.as_secs() / 2;
        for _ in 0..8 {
            match follower.next(now) {
                Step::Load => {
                    follower.loading(now);
                    follower.loaded(playlist(newest - 6..newest, ""), now);
                }
                Step::Fetch(job) if now >= s(12) => {
                    got.push((now.as_secs(), job.segment.sequence));
                    follower.fetched(now);
                }
                Step::Fetch(_) => follower.fetch_failed(Failed::Now, now),
                Step::Fail(lost) => failed = failed.or(Some((now, lost))),
                Step::Wait(_) | Step::End => break,
            }
        }
        if failed.is_some() {
            // Whoever runs it begins anew.
            follower = follower_at(now);
            failed = None;
        }
    }
    assert!(got[0].0 <= 13, "{got:?}");
    assert!(got.windows(2).all(|w| w[1].1 == w[0].1 + 1), "a hole after it was good: {got:?}");
    assert_eq!(got.last().unwrap().1, 10 + 29 / 2 - 1);
}

fn follower_at(now: Duration) -> Follower {
    Follower::new(Begin::Anew(Shown::default()), false, Era::default(), now)
}

#[test]
fn a_variant_whose_segments_never_come_is_given_up() {
    let mut follower = follower();
    load(&mut follower, playlist(0..100, "#EXT-X-ENDLIST"), s(0));
    let mut now = s(0);
    let lost = loop {
        match follower.next(now) {
            Step::Fetch(_) => follower.fetch_failed(Failed::Now, now),
            Step::Wait(until) => now = until,
            Step::Fail(lost) => break lost,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(lost, Lost::Segments);
    assert!(now >= s(8) && now < s(12), "{now:?}");
    // A film of which single segments are missing goes on: what can never be had is left out at once.
    let mut holes = self::follower();
    load(&mut holes, playlist(0..4, "#EXT-X-ENDLIST"), s(0));
    job(&mut holes, s(0));
    holes.fetch_failed(Failed::ForGood, s(0));
    assert_eq!(drain(&mut holes, s(0)), [1, 2, 3]);
    assert_eq!(holes.next(s(0)), Step::End);
}

#[test]
fn who_falls_out_of_the_window_leaps_to_the_live_edge() {
    let mut follower = follower();
    load(&mut follower, playlist(0..6, ""), s(0));
    assert_eq!(drain(&mut follower, s(0)), [3, 4, 5]);
    // Held up for a minute.
    load(&mut follower, playlist(30..36, ""), s(60));
    let job = job(&mut follower, s(60));
    assert_eq!((job.segment.sequence, job.era.leaps, job.hole), (33, 1, s(0)));
    // The other track leaps with it, forwards only.
    let mut sound = self::follower();
    load(&mut sound, playlist(27..36, ""), s(60));
    sound.fetched(s(60));
    sound.leap_to(1);
    assert_eq!(self::job(&mut sound, s(60)).segment.sequence, 34);
    assert_eq!(sound.era().leaps, 1);
}

#[test]
fn an_encoder_that_begins_anew_is_followed_and_an_old_copy_is_not() {
    let mut follower = follower();
    load(&mut follower, playlist(100..106, ""), s(0));
    drain(&mut follower, s(0));
    // A cache answers with what was before: the same names.
    load(&mut follower, playlist(98..104, ""), s(2));
    assert_eq!(follower.next(s(2)), Step::Wait(s(3)));
    load(&mut follower, playlist(101..107, ""), s(3));
    assert_eq!(drain(&mut follower, s(3)), [106]);
    // Restarted: numbers from 0.
    load(&mut follower, playlist(0..2, ""), s(5));
    let first = job(&mut follower, s(5));
    assert_eq!((first.segment.sequence, first.era.restarts), (0, 1));
    assert_eq!(drain(&mut follower, s(5)), [0, 1]);
    // Restarted with the same names within the old window: believed after three answers.
    load(&mut follower, playlist(1..9, ""), s(7));
    drain(&mut follower, s(7));
    load(&mut follower, playlist(0..2, ""), s(9));
    load(&mut follower, playlist(0..3, ""), s(10));
    load(&mut follower, playlist(0..3, ""), s(11));
    assert_eq!(drain(&mut follower, s(11)), [0, 1, 2]);
    assert_eq!(follower.era().restarts, 2);
}

#[test]
fn a_playlist_that_stands_still_or_cannot_be_read_is_given_up_in_the_end() {
    let mut still = follower();
    load(&mut still, playlist(0..6, ""), s(0));
    let (mut now, mut asked) = (s(0), 0);
    let lost = loop {
        match still.next(now) {
            Step::Fetch(_) => still.fetched(now),
            Step::Load => {
                asked += 1;
                still.loading(now);
                still.loaded(playlist(0..6, ""), now);
            }
            Step::Wait(until) => now = until,
            Step::Fail(lost) => break lost,
            Step::End => panic!("no end was told"),
        }
    };
    assert_eq!((lost, now), (Lost::Still, s(10)));
    assert_eq!(asked, 9, "after two seconds, then every second");

    let mut missing = follower();
    assert_eq!(missing.next(s(0)), Step::Load);
    missing.load_failed(Failed::ForGood, s(0));
    assert_eq!(missing.next(s(0)), Step::Fail(Lost::Unreadable), "another variant may be there");

    let mut failing = follower();
    load(&mut failing, playlist(0..6, ""), s(0));
    drain(&mut failing, s(0));
    assert_eq!(failing.next(s(2)), Step::Load);
    failing.loading(s(2));
    failing.load_failed(Failed::ForGood, s(2));
    assert_eq!(failing.next(s(2)), Step::Wait(s(3)), "it was there before");
    load(&mut failing, playlist(1..7, ""), s(3));
    assert_eq!(drain(&mut failing, s(3)), [6]);
}

#[test]
fn what_is_encrypted_by_other_means_is_refused_with_the_reason() {
    let mut follower = follower();
    let text = "#EXTM3U\n#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"k\"\n#EXTINF:2,\na.ts\n#EXT-X-ENDLIST";
    load(&mut follower, media(text).unwrap(), s(0));
    let Step::Fail(lost) = follower.next(s(0)) else { panic!() };
    assert_eq!(lost, Lost::Encrypted { method: "SAMPLE-AES".into() });
    assert!(lost.to_string().contains("SAMPLE-AES"));
    // An advertisement in the clear between is played, the rest a hole.
    let mixed = "#EXTM3U\n#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"k\"\n#EXTINF:2,\na.ts\n#EXT-X-KEY:METHOD=NONE\n#EXTINF:2,\nb.ts\n#EXT-X-ENDLIST";
    let mut follower = self::follower();
    load(&mut follower, media(mixed).unwrap(), s(0));
    let job = job(&mut follower, s(0));
    assert_eq!((job.segment.sequence, job.hole), (1, s(2)));
}

#[test]
fn another_variant_goes_on_where_the_first_left_off() {
    let mut first = follower();
    load(&mut first, playlist(10..20, ""), s(0));
    assert_eq!(job(&mut first, s(0)).segment.sequence, 17);
    first.fetched(s(0));
    let mut second = Follower::new(first.left_off(), false, first.era(), s(1));
    load(&mut second, named("v", 11..21, ""), s(1));
    assert_eq!(job(&mut second, s(1)).segment.sequence, 18);
    // Other numbers: near the end, and where it is whole by the time that was played.
    let mut far = Follower::new(first.left_off(), false, first.era(), s(1));
    load(&mut far, named("v", 900..910, ""), s(1));
    assert_eq!(job(&mut far, s(1)).segment.sequence, 907);
    let mut film = follower();
    load(&mut film, playlist(0..10, "#EXT-X-ENDLIST"), s(0));
    (0..4).for_each(|_| {
        job(&mut film, s(0));
        film.fetched(s(0));
    });
    let mut other = Follower::new(film.left_off(), false, film.era(), s(1));
    load(&mut other, named("v", 100..110, "#EXT-X-ENDLIST"), s(1));
    assert_eq!(job(&mut other, s(1)).segment.sequence, 104);
}
