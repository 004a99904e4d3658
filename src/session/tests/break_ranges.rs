//! What playlists say of breaks in which something stands in for a game: the same as those of sessions that see the programme.

use std::collections::BTreeSet;
use std::time::Duration;

use super::stand_ins::{create, house, slate};
use super::{NOW, token};
use crate::cues::track::{BeginBreak, CueTrack, Policy};
use crate::session::testing::{House, asking_for, grid};
use crate::session::{ChangeSession, SessionView};
use crate::timeline::Clock as _;

/// A third of a second, or a part.
const PART: Duration = Duration::from_nanos(333_333_334);

/// Begins a break of game `b` by hand.
fn begin(house: &House, id: &str, (starts_in_s, duration_s): (f64, f64)) {
    let asked = BeginBreak { duration_s: Some(duration_s), starts_in_s: Some(starts_in_s), id: Some(id.into()) };
    let mut cues = house.cues.lock();
    let cues = cues.entry("b".into()).or_insert_with(|| CueTrack::new("b", Policy::new(grid())));
    cues.begin_break(house.clock.now(), &asked).unwrap();
}

/// The date ranges of a playlist: each break, and whether its line is the one that ends it.
fn ranges(playlist: &str) -> BTreeSet<(String, bool)> {
    let range = |line: &str| {
        let id = line.split("ID=\"").nth(1).unwrap().split('"').next().unwrap();
        (["x1", "x2", "x3"].into_iter().find(|its| id.contains(its)).unwrap().to_owned(), line.contains("END-DATE"))
    };
    playlist.lines().filter(|line| line.starts_with("#EXT-X-DATERANGE:")).map(range).collect()
}

/// Those of the pictures' playlist, which are those of each sound's, too.
async fn listed(house: &House, session: &SessionView) -> BTreeSet<(String, bool)> {
    let Ok(video) = house.sessions.video_playlist(token(session), "1080p", NOW).await else { return BTreeSet::new() };
    for name in ["main", "0"] {
        let sound = house.sessions.sound_playlist(token(session), name, NOW).await.unwrap();
        assert_eq!(ranges(&sound), ranges(&video), "{name}");
    }
    ranges(&video)
}

/// Lets seconds pass: the session in the market lists what the other one lists. All that was listed.
async fn play(house: &House, of_market: &SessionView, free: &SessionView, seconds: u64) -> BTreeSet<(String, bool)> {
    let mut all = BTreeSet::new();
    for second in 0..seconds {
        house.pass(1).await;
        let (of_market, free) = (listed(house, of_market).await, listed(house, free).await);
        assert_eq!(of_market, free, "second {second}");
        all.extend(free);
    }
    all
}

/// Both lines of each.
fn whole(ids: &[&str]) -> BTreeSet<(String, bool)> {
    ids.iter().flat_map(|id| [((*id).to_owned(), false), ((*id).to_owned(), true)]).collect()
}

#[tokio::test]
async fn a_break_within_another_is_listed_and_so_is_one_that_begins_as_another_ends() {
    for games in ["b", "a,b"] {
        let (house, _) = house(slate()).await;
        let of_market = create(&house, games).await;
        let (free, _) = house.sessions.create("tv", asking_for(games)).await.unwrap();
        play(&house, &of_market, &free, 20).await;
        begin(&house, "x1", (6.0, 16.0));
        let mut all = play(&house, &of_market, &free, 9).await;
        begin(&house, "x2", (0.0, 6.0));
        begin(&house, "x3", (13.0, 5.0));
        all.extend(play(&house, &of_market, &free, 50).await);
        assert_eq!(all, whole(&["x1", "x2", "x3"]), "{games}");
    }
}

#[tokio::test]
async fn a_break_without_notice_just_after_a_session_was_made_is_listed() {
    for seconds in 0..6 {
        let (house, _) = house(slate()).await;
        let of_market = create(&house, "b").await;
        let (free, _) = house.sessions.create("tv", asking_for("b")).await.unwrap();
        play(&house, &of_market, &free, seconds).await;
        begin(&house, "x1", (0.0, 8.0));
        let all = play(&house, &of_market, &free, 60).await;
        assert_eq!(all, whole(&["x1"]), "{seconds} s after it was made");
    }
}

#[tokio::test]
async fn what_is_announced_stays_listed_while_the_newest_segment_goes_over_to_other_games() {
    let house = House::new().await;
    *house.mosaics.bridges.lock() = true;
    let (session, _) = house.sessions.create("acme", asking_for("a,b")).await.unwrap();
    house.sessions.create("acme", asking_for("c,b")).await.unwrap();
    house.pass(20).await;
    begin(&house, "x1", (6.0, 8.0));
    let listed = async || house.sessions.video_playlist(token(&session), "540p", NOW).await.unwrap();
    house.clock.advance(2 * PART);
    assert_eq!(ranges(&listed().await), BTreeSet::from([("x1".to_owned(), false)]));
    let games = Some(vec!["c".into(), "b".into()]);
    house.sessions.change("acme", &session.id, ChangeSession { games, ..Default::default() }).await.unwrap();
    let mut newest = Vec::new();
    for _ in 0..18 {
        house.clock.advance(PART);
        let playlist = listed().await;
        assert_eq!(ranges(&playlist), BTreeSet::from([("x1".to_owned(), false)]), "{playlist}");
        newest.extend(playlist.lines().rfind(|line| line.ends_with(".m4s")).map(str::to_owned));
    }
    assert!(newest.iter().any(|uri| uri.contains("2EH-a-b_2_2EH-c-b")), "{newest:?}");
}
