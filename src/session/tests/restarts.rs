//! What a new process makes of sessions: other engines, other set-ups, another time.

use std::time::Duration;

use super::{audio, lines, play, video};
use crate::mosaic::{EngineChoice, EngineKind};
use crate::session::testing::{House, SEGMENT, START, asking_for};
use crate::session::{CreateSession, SessionView, ViewState};
use crate::store::testing;

fn number(playlist: &str, tag: &str) -> Option<u64> {
    playlist.lines().find_map(|line| line.strip_prefix(tag)?.strip_prefix(':')?.parse().ok())
}

/// Media sequence number of a playlist's first segment and of its newest.
fn numbers(playlist: &str) -> (u64, u64) {
    let first = number(playlist, "#EXT-X-MEDIA-SEQUENCE").unwrap();
    (first, first + playlist.lines().filter(|line| line.ends_with(".m4s")).count() as u64 - 1)
}

fn map(playlist: &str) -> &str {
    playlist.lines().find(|line| line.starts_with("#EXT-X-MAP")).unwrap()
}

async fn engine(house: &House, session: &SessionView) -> String {
    house.sessions.get("acme", &session.id).await.unwrap().engine
}

#[tokio::test]
async fn a_restart_that_changes_the_engine_is_told_and_booked_from_then_on() {
    let mut house = House::stitching().await;
    let (session, _) = house.sessions.create("acme", asking_for("a,b")).await.unwrap();
    assert_eq!(session.engine, "stitch");
    play(&house, &session, 58).await;
    for (stitches, expected) in [(false, "render"), (true, "stitch"), (false, "render")] {
        house.crash_into_engines(stitches).await;
        assert_eq!(engine(&house, &session).await, expected);
        play(&house, &session, 58).await;
    }
    house.sessions.shutdown().await;
    let engines: Vec<_> = lines(&house).await.into_iter().map(|line| line.watched.engine).collect();
    // Restarts are at whole minutes, and a minute is told by what was shown last in it.
    assert_eq!(engines, ["stitch", "render", "stitch", "render"]);
    // What was booked is what is kept.
    house.crash_into_engines(false).await;
    assert_eq!(engine(&house, &session).await, "render");
}

#[tokio::test]
async fn a_session_whose_engine_is_gone_is_made_by_the_other_and_one_that_chose_stays() {
    let mut house = House::stitching().await;
    let only = |engine| CreateSession { engine: EngineChoice::Only(engine), ..asking_for("a,b") };
    let (stitched, _) = house.sessions.create("acme", only(EngineKind::Stitch)).await.unwrap();
    let (rendered, _) = house.sessions.create("acme", only(EngineKind::Render)).await.unwrap();
    let (either, _) = house.sessions.create("acme", asking_for("a,b")).await.unwrap();
    house.pass(10).await;
    for (stitches, expected) in [
        (false, ["render", "render", "render"]),
        (true, ["stitch", "render", "stitch"]),
        (true, ["stitch", "render", "stitch"]),
    ] {
        house.crash_into_engines(stitches).await;
        house.pass(10).await;
        for (session, expected) in [&stitched, &rendered, &either].into_iter().zip(expected) {
            assert_eq!(engine(&house, session).await, expected);
            assert!(video(&house, session).await.contains(".m4s"));
        }
    }
}

#[tokio::test]
async fn another_set_up_breaks_the_playlist_and_names_its_own_init_segment() {
    let mut house = House::new().await;
    let (session, _) = house.sessions.create("acme", asking_for("a")).await.unwrap();
    play(&house, &session, 16).await;
    let before = video(&house, &session).await;
    assert!(!before.contains("DISCONTINUITY"), "{before}");
    house.crash_into(Duration::from_secs(2), "v2-").await;
    house.pass(8).await;
    let after = video(&house, &session).await;
    assert!(map(&after).contains("/v1/media/v2-1-a/1080p~"), "{after}");
    assert!(numbers(&after).0 > numbers(&before).1);
    let lines: Vec<_> = after.lines().collect();
    let breaks = lines.iter().position(|line| *line == "#EXT-X-DISCONTINUITY").unwrap();
    let first = lines.iter().position(|line| line.starts_with("#EXT-X-PROGRAM-DATE-TIME")).unwrap();
    assert!(breaks < first, "{after}");
    assert_eq!(number(&after, "#EXT-X-DISCONTINUITY-SEQUENCE"), Some(0));
    // Once it has left the window it is counted, and the map stays.
    play(&house, &session, 40).await;
    let later = video(&house, &session).await;
    assert_eq!((number(&later, "#EXT-X-DISCONTINUITY-SEQUENCE"), map(&later)), (Some(1), map(&after)));
    assert!(!later.contains("#EXT-X-DISCONTINUITY\n"), "{later}");
}

#[tokio::test]
async fn a_restart_in_the_past_goes_on_at_once_with_higher_numbers() {
    let mut house = House::new().await;
    let (session, _) = house.sessions.create("acme", asking_for("a")).await.unwrap();
    let (unwatched, _) = house.sessions.create("acme", asking_for("b")).await.unwrap();
    play(&house, &session, 20).await;
    let mut before = video(&house, &session).await;
    let billed = house.sessions.get("acme", &session.id).await.unwrap().billable_seconds;
    for sessions in [&[&session, &unwatched][..], &[&session]] {
        house.sessions.shutdown().await;
        house.crash_to(START - Duration::from_secs(3600)).await;
        house.pass(8).await;
        for session in sessions {
            assert!(video(&house, session).await.contains(&format!("/{}.m4s", SEGMENT - 1800 + 2)));
        }
        let after = video(&house, &session).await;
        assert!(numbers(&after).0 > numbers(&before).1, "{before}\n{after}");
        assert!(after.contains("#EXT-X-DISCONTINUITY\n"), "{after}");
        let sound = audio(&house, &session, "a").await;
        assert_eq!(numbers(&sound), numbers(&after), "{sound}");
        assert!(sound.contains("#EXT-X-DISCONTINUITY\n"), "{sound}");
        play(&house, &session, 60).await;
        let later = video(&house, &session).await;
        assert!(numbers(&later).0 > numbers(&after).0);
        let breaks = |text| number(text, "#EXT-X-DISCONTINUITY-SEQUENCE").unwrap_or(0);
        assert_eq!(breaks(&later), breaks(&after) + 1);
        before = later;
    }
    let view = house.sessions.get("acme", &session.id).await.unwrap();
    assert_eq!(view.state, ViewState::Active);
    assert!(numbers(&before).1 > view.effective_segment, "told in the numbers that players see");
    // The hour was billed as far as it was watched when it came first.
    assert_eq!(view.billable_seconds, billed);
    house.clock.advance_to(START + Duration::from_secs(30));
    play(&house, &session, 10).await;
    assert!(house.sessions.get("acme", &session.id).await.unwrap().billable_seconds > billed);
}

#[tokio::test]
async fn a_kill_in_the_past_before_anything_was_listed_takes_no_number_back() {
    let mut house = House::new().await;
    let (session, _) = house.sessions.create("acme", asking_for("a")).await.unwrap();
    play(&house, &session, 20).await;
    let before = video(&house, &session).await;
    house.sessions.shutdown().await;
    house.crash_to(START - Duration::from_secs(600)).await;
    house.pass(1).await;
    house.crash_to(START - Duration::from_secs(1200)).await;
    house.pass(8).await;
    let after = video(&house, &session).await;
    assert!(numbers(&after).0 > numbers(&before).1, "{before}\n{after}");
}

#[tokio::test]
async fn a_change_that_a_kill_overtook_shows_as_soon_as_it_can() {
    let mut house = House::new().await;
    let (session, _) = house.sessions.create("acme", asking_for("a")).await.unwrap();
    play(&house, &session, 20).await;
    let swap = crate::session::ChangeSession { games: Some(vec!["b".into()]), ..Default::default() };
    let effective = house.sessions.change("acme", &session.id, swap).await.unwrap().effective_segment;
    house.crash(Duration::ZERO).await;
    let again = house.sessions.get("acme", &session.id).await.unwrap();
    assert!(again.effective_segment < effective && again.games == ["b"], "{again:?}");
    house.pass(8).await;
    assert!(video(&house, &session).await.contains("/1-b/"));
}

#[tokio::test]
async fn a_session_whose_layout_has_other_slots_now_ends() {
    let mut house = House::new().await;
    let (session, _) = house.sessions.create("acme", asking_for("a,b")).await.unwrap();
    house.sessions.shutdown().await;
    testing::tamper(house.dir.path(), "UPDATE sessions SET layout = '1'").await;
    house.crash(Duration::from_secs(2)).await;
    let view = house.sessions.get("acme", &session.id).await.unwrap();
    assert_eq!((view.state, house.metrics.sessions.get()), (ViewState::Ended, 0));
}
