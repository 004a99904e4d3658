//! Changes within a segment.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use super::{NOW, token};
use crate::session::testing::{House, asking_for, grid};
use crate::session::{ChangeSession, EndedBy, Reload, SessionView};
use crate::timeline::Clock;
use crate::track::Position;

/// A third of a second, or a part.
const PART: Duration = Duration::from_nanos(333_333_334);

/// Every address of a playlist, with its place: of a segment, and of a part.
fn addresses(playlist: &str) -> BTreeMap<(u64, Option<u32>), String> {
    let mut addresses = BTreeMap::new();
    for line in playlist.lines() {
        let uri = match line.strip_prefix("#EXT-X-PART:") {
            Some(attributes) => attributes.split("URI=\"").nth(1).and_then(|uri| uri.split('"').next()),
            None => Some(line).filter(|line| line.ends_with(".m4s")),
        };
        let Some(uri) = uri else { continue };
        let (mosaic, name) = (uri.split('/').nth(3).unwrap(), uri.rsplit('/').next().unwrap());
        let mut numbers = name.strip_suffix(".m4s").unwrap().split('.');
        let segment = numbers.next().unwrap().parse().unwrap();
        addresses.insert((segment, numbers.next().map(|part| part.parse().unwrap())), mosaic.to_owned());
    }
    addresses
}

/// A house in which `a,b` is watched, and `a,c` and `a,d` run; the clock stands at the beginning of a segment, which is the number given.
async fn house() -> (House, SessionView, u64) {
    let house = House::new().await;
    *house.mosaics.bridges.lock() = true;
    let (session, _) = house.sessions.create("acme", asking_for("a,b")).await.unwrap();
    for games in ["a,c", "a,d"] {
        house.sessions.create("acme", asking_for(games)).await.unwrap();
    }
    house.pass(20).await;
    let running = grid().segment_at(house.clock.now());
    (house, session, running)
}

async fn listed(house: &House, session: &SessionView, reload: Reload) -> BTreeMap<(u64, Option<u32>), String> {
    addresses(&house.sessions.video_playlist(token(session), "540p", reload).await.unwrap())
}

async fn shows(house: &House, session: &SessionView, games: &str) -> SessionView {
    let games = games.split(',').map(str::to_owned).collect();
    let change = ChangeSession { games: Some(games), ..Default::default() };
    house.sessions.change("acme", &session.id, change).await.unwrap()
}

#[tokio::test]
async fn a_change_shows_with_the_first_part_that_was_not_listed() {
    let (house, session, n) = house().await;
    house.clock.advance(2 * PART);
    let before = listed(&house, &session, NOW).await;
    assert_eq!(before.keys().next_back(), Some(&(n, Some(1))));
    // The clock goes on, the client does not.
    house.clock.advance(PART);
    let changed = shows(&house, &session, "a,c").await;
    assert_eq!(changed.effective_segment, n);
    let anchor = grid().first_frame(n) + 24;
    assert_eq!(changed.effective_at, grid().frame_time(anchor).to_string(), "the first reference picture of part 2");

    house.clock.advance(3 * PART);
    let after = listed(&house, &session, NOW).await;
    let of = |segment, part| after.get(&(segment, part)).map(String::as_str);
    let bridge = "2EH-a-b_2_2EH-a-c";
    let expected = [(0, "2EH-a-b"), (1, "2EH-a-b"), (2, bridge), (3, bridge), (4, bridge), (5, bridge)];
    assert_eq!(expected.map(|(part, _)| of(n, Some(part))), expected.map(|(_, mosaic)| Some(mosaic)));
    assert_eq!(of(n, None), Some(bridge));
    assert_eq!(of(n - 1, None), Some("2EH-a-b"));
    // Both of its mosaics are kept alive until it is over.
    house.mosaics.wants.lock().clear();
    house.pass(2).await;
    assert!(house.mosaics.wants.lock().iter().all(|id| !id.contains('_')), "{:?}", house.mosaics.wants);
    let next = listed(&house, &session, NOW).await;
    assert_eq!(next.get(&(n + 1, None)).map(String::as_str), Some("2EH-a-c"));
    let unchanged = before.iter().all(|(place, mosaic)| next.get(place).is_none_or(|now| now == mosaic));
    assert!(unchanged, "what was listed stays");
}

#[tokio::test]
async fn sounds_go_over_when_the_segment_is_over() {
    let (house, session, n) = house().await;
    house.clock.advance(2 * PART);
    listed(&house, &session, NOW).await;
    let change = ChangeSession { games: Some(vec!["c".into(), "b".into()]), ..Default::default() };
    house.sessions.create("acme", asking_for("c,b")).await.unwrap();
    house.pass(10).await;
    let n = n + 5;
    listed(&house, &session, NOW).await;
    assert_eq!(house.sessions.change("acme", &session.id, change).await.unwrap().effective_segment, n);
    house.pass(6).await;
    for name in ["main", "0"] {
        let playlist = house.sessions.sound_playlist(token(&session), name, NOW).await.unwrap();
        let games: Vec<_> = addresses_of_sound(&house, &playlist);
        assert!(games.contains(&(n, "a".to_owned())) && games.contains(&(n + 1, "c".to_owned())), "{name}: {games:?}");
    }
}

fn addresses_of_sound(house: &House, playlist: &str) -> Vec<(u64, String)> {
    let uris = playlist.lines().filter(|line| line.ends_with(".m4s"));
    uris.map(|uri| {
        let mut elements = uri.rsplit('/');
        let segment = elements.next().unwrap().strip_suffix(".m4s").unwrap().parse().unwrap();
        (segment, house.sessions.sound_of(elements.next().unwrap(), Some(segment), None).unwrap().to_string())
    })
    .collect()
}

#[tokio::test]
async fn many_changes_in_a_segment_show_the_last_and_no_segment_goes_over_twice() {
    let (house, session, n) = house().await;
    house.clock.advance(2 * PART);
    listed(&house, &session, NOW).await;
    // What nobody was told of leaves no trace.
    for games in ["a,c", "a,d", "a,c", "a,b"] {
        shows(&house, &session, games).await;
    }
    house.clock.advance(PART);
    assert_eq!(listed(&house, &session, NOW).await.get(&(n, Some(2))).map(String::as_str), Some("2EH-a-b"));
    assert_eq!(shows(&house, &session, "a,d").await.effective_segment, n);
    assert_eq!(shows(&house, &session, "a,c").await.effective_segment, n, "it overtakes the other");
    house.clock.advance(PART);
    let bridge = "2EH-a-b_3_2EH-a-c";
    assert_eq!(listed(&house, &session, NOW).await.get(&(n, Some(3))).map(String::as_str), Some(bridge));
    assert_eq!(shows(&house, &session, "a,d").await.effective_segment, n + 1, "it has gone over");
    house.clock.advance(4 * PART);
    let after = listed(&house, &session, NOW).await;
    assert_eq!(after.get(&(n, None)).map(String::as_str), Some(bridge));
    assert_eq!(after.get(&(n + 1, Some(0))).map(String::as_str), Some("2EH-a-d"));
}

#[tokio::test]
async fn who_reads_whole_segments_is_shown_the_first_that_was_not_listed_and_no_bridge() {
    let (house, session, n) = house().await;
    let whole = Reload { parts: false, ..NOW };
    house.clock.advance(3 * PART);
    assert_eq!(listed(&house, &session, whole).await.keys().next_back(), Some(&(n - 1, None)));
    assert_eq!(shows(&house, &session, "a,c").await.effective_segment, n, "though it runs");
    house.clock.advance(4 * PART);
    assert_eq!(listed(&house, &session, whole).await.get(&(n, None)).map(String::as_str), Some("2EH-a-c"));
}

#[tokio::test]
async fn what_was_listed_in_part_is_listed_whole_before_a_playlist_ends() {
    let (house, session, n) = house().await;
    house.clock.advance(2 * PART);
    listed(&house, &session, NOW).await;
    house.sessions.end("acme", &session.id, EndedBy::Device).await.unwrap();
    let text = async || house.sessions.video_playlist(token(&session), "540p", NOW).await.unwrap();
    let at_once = text().await;
    assert!(addresses(&at_once).contains_key(&(n, Some(1))) && !at_once.contains("ENDLIST"), "{at_once}");
    house.clock.advance(8 * PART);
    let ended = text().await;
    assert_eq!(addresses(&ended).keys().next_back(), Some(&(n, None)));
    assert!(ended.ends_with("#EXT-X-ENDLIST\n"), "{ended}");
    // Others watch the same mosaic: what has ended stays as it is.
    house.clock.advance(60 * PART);
    assert_eq!(text().await, ended);
}

#[tokio::test]
async fn another_client_that_reads_whole_segments_takes_nothing_from_the_one_that_reads_parts() {
    let (house, session, n) = house().await;
    house.clock.advance(2 * PART);
    for parts in [true, false] {
        listed(&house, &session, Reload { parts, ..NOW }).await;
    }
    assert_eq!(shows(&house, &session, "a,c").await.effective_segment, n);
    house.clock.advance(PART);
    let after = listed(&house, &session, NOW).await;
    assert_eq!(after.get(&(n, Some(2))).map(String::as_str), Some("2EH-a-b_2_2EH-a-c"));
}

#[tokio::test]
async fn a_bridge_survives_a_restart_as_what_it_was_called() {
    let (mut house, session, n) = house().await;
    house.clock.advance(2 * PART);
    listed(&house, &session, NOW).await;
    shows(&house, &session, "a,c").await;
    house.clock.advance(PART);
    listed(&house, &session, NOW).await;
    house.pass(5).await;
    house.crash(Duration::from_secs(1)).await;
    *house.mosaics.bridges.lock() = true;
    house.pass(20).await;
    let after = listed(&house, &session, NOW).await;
    assert!(after.iter().all(|((segment, _), mosaic)| *segment > n && mosaic == "2EH-a-c"), "{after:?}");
}

#[derive(Clone, Debug)]
enum Act {
    Wait(u32),
    Look { parts: bool },
    Show(usize),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        3 => (1u32..4).prop_map(Act::Wait),
        3 => any::<bool>().prop_map(|parts| Act::Look { parts }),
        2 => (0usize..3).prop_map(Act::Show),
    ];
    prop::collection::vec(act, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_was_listed_once_stays_and_the_last_change_shows_soon(acts in acts()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (house, session, _) = house().await;
            let mut seen: BTreeMap<(u64, Option<u32>), String> = BTreeMap::new();
            let mut newest = None;
            for act in acts {
                match act {
                    Act::Wait(parts) => house.clock.advance(parts * PART),
                    Act::Show(which) => drop(shows(&house, &session, ["a,b", "a,c", "a,d"][which]).await),
                    Act::Look { parts } => {
                        for (place, mosaic) in listed(&house, &session, Reload { parts, ..NOW }).await {
                            let known = seen.entry(place).or_insert_with(|| mosaic.clone());
                            prop_assert_eq!(&*known, &mosaic, "{:?}", place);
                            newest = newest.max(Some(place.0));
                        }
                        // The parts of a segment are those of what the segment is called.
                        for ((segment, part), mosaic) in seen.iter().filter(|((_, part), _)| part.is_some()) {
                            let Some(whole) = seen.get(&(*segment, None)) else { continue };
                            let bridge: Vec<&str> = whole.split('_').collect();
                            let expected = match bridge[..] {
                                [before, begins, _] if part.unwrap() < begins.parse::<u32>().unwrap() => before,
                                _ => whole,
                            };
                            prop_assert_eq!(mosaic, expected, "{}.{:?} of {}", segment, part, whole);
                        }
                    }
                }
            }
            let last = house.sessions.get("acme", &session.id).await.unwrap();
            // From the segment after the one that runs on at the latest.
            house.clock.advance(12 * PART);
            let at = Position::end_of(&grid(), grid().segment_at(house.clock.now()) - 1);
            let after = listed(&house, &session, NOW).await;
            let expected = format!("2EH-{}", last.games.join("-"));
            prop_assert_eq!(after.get(&(at.segment, None)), Some(&expected));
            Ok(())
        })?;
    }
}
