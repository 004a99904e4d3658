//! Following a live stream: pace, bounds, what is told.

use std::time::Duration;

use super::super::{Clock, ExitStatus, LintOptions, SegmentChoice, run_with};
use super::world::{Base, Change, START_S, World, from, rep, with};

fn asked(world: &World, what: &str) -> usize {
    world.asked.iter().filter(|url| url.contains(what)).count()
}

#[test]
fn a_live_stream_is_reloaded_at_its_pace_and_new_segments_are_looked_at() {
    let mut world = World::new(Base::Live, Vec::new());
    let options = LintOptions { watch: Some(Duration::from_secs(20)), ..LintOptions::default() };
    let report = world.lint(&options).unwrap();
    // First load, delta, block, far, and one reload a target duration.
    let plain = world.asked.iter().filter(|url| url.ends_with("v1.m3u8")).count();
    assert!((9..=12).contains(&plain), "{plain}");
    assert_eq!(asked(&world, "_HLS_skip=YES"), 2);
    assert!(asked(&world, "v-58.mp4") == 1 && asked(&world, "v-42.mp4") == 0);
    assert!(world.time.now() < Duration::from_secs_f64(START_S + 25.0));
    assert!(report.playlists.iter().all(|facts| facts.live));
}

#[test]
fn a_stream_that_ends_is_watched_no_longer() {
    let ended = |path| from(105.0, rep(path, "#EXT-X-PRELOAD-HINT", "#EXT-X-ENDLIST\n# "));
    let mut world = World::new(Base::Live, vec![ended("v1.m3u8"), ended("a.m3u8")]);
    let options = LintOptions { watch: Some(Duration::from_secs(3600)), ..LintOptions::default() };
    let report = world.lint(&options).unwrap();
    assert!(world.time.now() < Duration::from_secs(120), "{:?}", world.time.now());
    assert!(report.playlists.iter().all(|facts| !facts.live));
}

#[test]
fn a_stream_that_is_lost_is_given_up() {
    let lost = |path| from(105.0, with(path, Change::Status(500)));
    let mut world = World::new(Base::Live, vec![lost("v1.m3u8"), lost("a.m3u8")]);
    let options = LintOptions { watch: Some(Duration::from_secs(3600)), ..LintOptions::default() };
    world.lint(&options).unwrap();
    assert!(world.time.now() < Duration::from_secs(120));
}

#[test]
fn segments_are_chosen_by_the_options() {
    for (segments, count) in [(SegmentChoice::None, 0), (SegmentChoice::Some, 3), (SegmentChoice::All, 4)] {
        let mut world = World::new(Base::Ts, Vec::new());
        world.lint(&LintOptions { segments, ..LintOptions::default() }).unwrap();
        assert_eq!(asked(&world, ".ts"), count);
    }
}

#[test]
fn the_exit_status_and_both_texts_tell_the_same() {
    let warning = || vec![rep("v1.m3u8", "00.000Z", "00Z")];
    let error = || vec![rep("v1.m3u8", "DURATION:4", "DURATION:3")];
    let none = || vec![with("v1.m3u8", Change::Status(404))];
    for (edits, strict, status) in [
        (Vec::new(), true, ExitStatus::Clean),
        (warning(), false, ExitStatus::Clean),
        (warning(), true, ExitStatus::Faulty),
        (error(), false, ExitStatus::Faulty),
        (none(), false, ExitStatus::Unusable),
    ] {
        for json in [false, true] {
            let mut world = World::new(Base::Ts, edits.clone());
            let (root, time, mut out) = (world.root(), world.time.clone(), Vec::new());
            let options = LintOptions { json, strict, url: root.to_string(), ..LintOptions::default() };
            assert_eq!(run_with(&options, root, &mut world, &time, &mut out).unwrap(), status);
            let text = String::from_utf8(out).unwrap();
            if json {
                let value: serde_json::Value = serde_json::from_str(&text).unwrap();
                assert_eq!(value["ok"], status == ExitStatus::Clean);
                assert_eq!(value["schema"], 1);
            } else {
                assert!(text.ends_with('\n'), "{text}");
            }
        }
    }
    assert_eq!([ExitStatus::Clean, ExitStatus::Faulty, ExitStatus::Unusable].map(ExitStatus::code), [0, 1, 2]);
}
