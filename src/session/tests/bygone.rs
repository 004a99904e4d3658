//! Going back to before a session was made, where its market had breaks then.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::stand_ins::{One, at_home, create, listed, put, running, seen, slate};
use super::{NOW, token};
use crate::session::testing::{House, SEGMENT, asking_for, grid};
use crate::session::{Reload, SessionView, Sounds, StartOverRight};
use crate::timeline::{Clock as _, SegmentNumber};

/// An hour.
const RIGHT: StartOverRight =
    StartOverRight { segments: 1800, pause: Duration::from_secs(600), linger: Duration::from_secs(1200) };

/// A house with an hour's past of all that there is of `a` and `b`.
async fn house() -> (House, Arc<One>) {
    let mut settings = House::new().await.settings;
    settings.start_over = Some(RIGHT);
    let one = Arc::default();
    let house = at_home(House::stitching_with(settings).await, slate(), &one);
    there(&house);
    (house, one)
}

fn there(house: &House) {
    let mut running = house.mosaics.running.lock();
    for games in ["a-b", "a-~tv.bygone.b", "~tv.bygone.a-b", "~tv.bygone.a-~tv.bygone.b", "b-a", "a-~tv.b"] {
        running.insert(format!("2EH-{games}-of-tiles"), SEGMENT - 3600);
    }
}

fn back(house: &House, seconds: i64) -> Reload {
    Reload { parts: false, start_ms: Some(house.clock.now().unix_millis() - 1000 * seconds), ..NOW }
}

/// What is heard in each segment of the session's own sound.
async fn heard(house: &House, session: &SessionView, name: &str, reload: Reload) -> BTreeMap<SegmentNumber, String> {
    heard_in(&house.sessions.sound_playlist(token(session), name, reload).await.unwrap())
}

fn heard_in(playlist: &str) -> BTreeMap<SegmentNumber, String> {
    let addresses = playlist.lines().filter(|line| line.ends_with(".m4s"));
    let of = |address: &str| {
        let (sound, file) = address.split("/media/audio/").nth(1).unwrap().rsplit_once('/').unwrap();
        let name = URL_SAFE_NO_PAD.decode(sound.split('~').next().unwrap()).unwrap();
        (file.split('.').next().unwrap().parse().unwrap(), String::from_utf8(name).unwrap())
    };
    addresses.map(of).collect()
}

#[tokio::test]
async fn who_comes_after_a_break_and_goes_back_sees_its_slate_and_who_was_asked_nothing_live_nothing() {
    let (house, _) = house().await;
    let now = running(&house);
    put(&house, "b", now - 100, Some(now - 90));
    let session = create(&house, "a,b").await;
    let long_ago = listed(&house, &session, back(&house, 600)).await;
    assert_eq!(seen(&long_ago, "bygone"), (now - 100..now - 90).collect::<Vec<_>>(), "{long_ago:?}");
    assert!(long_ago.len() > 290 && *long_ago.keys().next().unwrap() <= now - 299, "{}", long_ago.len());
    // Further back than before, and less far: of what was listed nothing changes.
    for seconds in [900, 300, 100] {
        for (n, mosaic) in listed(&house, &session, back(&house, seconds)).await {
            assert_eq!(*long_ago.get(&n).unwrap_or(&mosaic), mosaic, "{n}");
        }
    }
    // Who watches live has nothing of it.
    let live = listed(&house, &session, NOW).await;
    assert!(*live.keys().next().unwrap() >= now - 3 && seen(&live, "bygone").is_empty(), "{live:?}");
    // As long as it lists, what was before stays what it was.
    let mut before = long_ago;
    for _ in 0..50 {
        house.pass(2).await;
        let after = listed(&house, &session, back(&house, 660)).await;
        assert!(after.iter().all(|(n, mosaic)| before.get(n).is_none_or(|was| was == mosaic)));
        before = after;
    }
    // Those of another market, and of none, saw the game.
    let (free, _) = house.sessions.create("tv", asking_for("a,b")).await.unwrap();
    assert!(seen(&listed(&house, &free, back(&house, 600)).await, "bygone").is_empty());
}

#[tokio::test]
async fn its_sound_is_the_slates_whichever_is_asked_for() {
    let (house, _) = house().await;
    let now = running(&house);
    put(&house, "b", now - 100, Some(now - 90));
    let session = create(&house, "a,b").await;
    let asked = back(&house, 600);
    house.sessions.multivariant(token(&session), Sounds::All, false, asked.start_ms).await.unwrap();
    // The slot's, before anybody asked for a picture; the game's, under its own name; and the one that is chosen, which is the other game's.
    let slot = heard(&house, &session, "1", asked).await;
    let quiet = |heard: &BTreeMap<u64, String>| {
        heard.iter().filter(|(_, of)| of.contains("bygone")).map(|(n, _)| *n).collect::<Vec<_>>()
    };
    assert_eq!(quiet(&slot), (now - 100..now - 90).collect::<Vec<_>>());
    let own = house.sessions.audio_playlist(token(&session), "b", asked).await.unwrap();
    assert_eq!(quiet(&heard_in(&own)), (now - 100..now - 90).collect::<Vec<_>>());
    assert!(quiet(&heard(&house, &session, "main", asked).await).is_empty());
    let asked_b =
        crate::session::CreateSession { market: Some("de".into()), audio: Some("b".into()), ..asking_for("a,b") };
    let (b, _) = house.sessions.create("tv", asked_b).await.unwrap();
    assert_eq!(quiet(&heard(&house, &b, "main", asked).await), (now - 100..now - 90).collect::<Vec<_>>());
}

#[tokio::test]
async fn who_comes_within_a_break_goes_back_to_the_game() {
    let (mut house, one) = house().await;
    let now = running(&house);
    put(&house, "b", now - 20, None);
    let session = create(&house, "a,b").await;
    let check = |all: &BTreeMap<u64, String>, own: SegmentNumber| {
        let stood: Vec<u64> = seen(all, "~tv.");
        assert_eq!(stood, (now - 20..=*all.keys().next_back().unwrap()).collect::<Vec<_>>(), "{all:?}");
        assert_eq!(seen(all, "bygone"), (now - 20..own).collect::<Vec<_>>());
        assert!(*all.keys().next().unwrap() < now - 200);
    };
    let all = listed(&house, &session, back(&house, 600)).await;
    let own = *seen(&all, "~tv.b-").first().unwrap();
    assert!((now - 5..=now).contains(&own), "{all:?}");
    check(&all, own);
    // So it is for the next process, which knows the session from its row alone.
    house.sessions.shutdown().await;
    house.crash(Duration::from_secs(4)).await;
    let breaks = slate();
    house = at_home(house, breaks, &one);
    there(&house);
    house.sessions.direct_taken_up();
    house.pass(2).await;
    check(&listed(&house, &session, back(&house, 600)).await, own);
}

#[tokio::test]
async fn rights_that_began_are_where_the_past_begins_whatever_stood_in_for_the_game() {
    let (house, _) = house().await;
    let now = running(&house);
    let from_ms = grid().segment_time(now - 50).unix_millis();
    let rights = crate::market::GameRights { from_ms: Some(from_ms), ..Default::default() };
    house.limits.lock().insert("b".into(), Arc::new(rights));
    put(&house, "b", now - 20, None);
    let session = create(&house, "a,b").await;
    let all = listed(&house, &session, back(&house, 600)).await;
    assert_eq!(all.keys().next(), Some(&(now - 50)), "{all:?}");
}

#[tokio::test]
async fn a_slate_of_the_past_is_waited_for_and_without_one_there_is_nothing() {
    let (house, one) = house().await;
    let now = running(&house);
    put(&house, "b", now - 100, Some(now - 90));
    let session = create(&house, "a,b").await;
    *one.bygone_in.lock() = u32::MAX;
    house.mosaics.running.lock().remove("2EH-a-~tv.bygone.b-of-tiles");
    let asked = back(&house, 600);
    let text = house.sessions.video_playlist(token(&session), "1080p", asked).await.unwrap();
    assert_eq!(text.matches("#EXT-X-GAP").count(), 10, "rather nothing than the game");
}
