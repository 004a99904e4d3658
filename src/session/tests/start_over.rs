//! Going back: to what was played before the session was made, before a change, before a pause, before its end.

use std::sync::Arc;
use std::time::Duration;

use super::{NOW, booked_seconds, play, token};
use crate::market::GameRights;
use crate::mosaic::Image;
use crate::session::testing::{House, SEGMENT, asking_for, grid};
use crate::session::{ChangeSession, EndedBy, Player, Reload, SessionError, SessionView, Sounds, StartOverRight};
use crate::timeline::Clock;

/// An hour.
const RIGHT: StartOverRight =
    StartOverRight { segments: 1800, pause: Duration::from_secs(600), linger: Duration::from_secs(1200) };

/// A house whose mosaic of `a` and `b` ran for two hours, watched by nobody.
pub(super) async fn house() -> House {
    let mut settings = House::new().await.settings;
    settings.start_over = Some(RIGHT);
    let house = House::with(settings).await;
    house.mosaics.running.lock().insert("2EH-a-b".into(), SEGMENT - 3600);
    house
}

pub(super) fn back(house: &House, seconds: i64) -> Reload {
    Reload { parts: false, start_ms: Some(house.clock.now().unix_millis() - 1000 * seconds), ..NOW }
}

pub(super) async fn video(house: &House, session: &SessionView, reload: Reload) -> String {
    house.sessions.video_playlist(token(session), "540p", reload).await.unwrap()
}

/// The segments of a playlist and their mosaics, or games.
pub(super) fn listed(playlist: &str) -> Vec<(u64, String)> {
    let addresses = playlist.lines().filter(|line| line.ends_with(".m4s"));
    let named = |address: &str| {
        let number = address.rsplit('/').next().and_then(|file| file.strip_suffix(".m4s")).unwrap();
        // Behind "media", which in a session's own addresses stands behind its token.
        let mosaic = address.split("/media/").nth(1).unwrap().split('/').next().unwrap();
        (number.parse().unwrap(), mosaic.to_owned())
    };
    addresses.map(named).collect()
}

/// The path element that opens segment `n`.
pub(super) fn element(playlist: &str, n: u64) -> String {
    let address = playlist.lines().find(|line| line.ends_with(&format!("/{n}.m4s"))).unwrap();
    address.rsplit('/').nth(1).unwrap().to_owned()
}

#[tokio::test]
async fn a_session_made_now_begins_before_it_was_made() {
    let house = house().await;
    let (session, _) = house.sessions.create("acme", asking_for("a,b")).await.unwrap();
    assert_eq!(session.start_over_s, Some(3600));
    // An instant within a segment: half an hour and a second back.
    let reload = back(&house, 1801);
    let multivariant = house.sessions.multivariant(token(&session), Sounds::Own, false, reload.start_ms).await.unwrap();
    assert!(multivariant.contains("\nvideo/540p.m3u8?start=2026-11-22T15:29:59.000Z\n"), "{multivariant}");
    assert!(multivariant.contains("URI=\"sound/main.m3u8?start=2026-11-22T15:29:59.000Z\""), "{multivariant}");

    let playlist = video(&house, &session, reload).await;
    let numbers: Vec<u64> = listed(&playlist).into_iter().map(|(n, _)| n).collect();
    assert_eq!(numbers, (SEGMENT - 901..SEGMENT).collect::<Vec<_>>());
    assert!(listed(&playlist).iter().all(|(_, mosaic)| mosaic == "2EH-a-b"));
    assert!(playlist.contains("#EXT-X-START:TIME-OFFSET=1.000,PRECISE=YES\n"), "{}", &playlist[..600]);
    let sound = house.sessions.sound_playlist(token(&session), "main", reload).await.unwrap();
    assert_eq!(listed(&sound).into_iter().map(|(n, _)| n).collect::<Vec<_>>(), numbers);
    assert!(sound.contains("#EXT-X-START:TIME-OFFSET=1.000"), "where the picture begins");
    // It begins where it began, and goes on.
    house.pass(4).await;
    let later = listed(&video(&house, &session, reload).await);
    assert_eq!(
        (later.first().map(|(n, _)| *n), later.last().map(|(n, _)| *n)),
        (Some(SEGMENT - 901), Some(SEGMENT + 1))
    );
    // What is new, for those who have the rest.
    house.pass(40).await;
    let delta = video(&house, &session, Reload { skip: true, ..reload }).await;
    assert!(delta.contains("#EXT-X-SKIP:SKIPPED-SEGMENTS=91"), "{delta}");
}

#[tokio::test]
async fn nobody_goes_back_further_than_there_is_something_nor_into_the_future() {
    let house = house().await;
    let (session, _) = house.sessions.create("acme", asking_for("a,b")).await.unwrap();
    let first = |playlist: &str| listed(playlist).first().map(|(n, _)| *n);
    let oldest = video(&house, &session, back(&house, 7200)).await;
    assert_eq!(first(&oldest), Some(SEGMENT - 1800), "the window's");
    assert!(oldest.contains("#EXT-X-START:TIME-OFFSET=0.000,"));
    let live = listed(&video(&house, &session, Reload { parts: false, ..NOW }).await).len();
    for reload in [back(&house, -600), back(&house, 6)] {
        let playlist = video(&house, &session, reload).await;
        assert_eq!(listed(&playlist).len(), live, "the live window");
    }
    // A mosaic that begins now has no past; neither has one where nothing is kept.
    let (young, _) = house.sessions.create("acme", asking_for("c,d")).await.unwrap();
    house.pass(10).await;
    let playlist = video(&house, &young, back(&house, 600)).await;
    assert!(first(&playlist) > Some(SEGMENT), "{playlist}");
    let plain = House::new().await;
    plain.mosaics.running.lock().insert("2EH-a-b".into(), SEGMENT - 20);
    let (session, _) = plain.sessions.create("acme", asking_for("a,b")).await.unwrap();
    assert_eq!(session.start_over_s, None);
    let asked = video(&plain, &session, back(&plain, 600)).await;
    assert_eq!(asked, video(&plain, &session, Reload { parts: false, ..NOW }).await);
}

/// `b` may be shown from the middle of segment `n` on.
fn limit_from(house: &House, n: u64) {
    let from_ms = Some(grid().segment_time(n).unix_millis() + 700);
    house.limits.lock().insert("b".into(), Arc::new(GameRights { from_ms, ..GameRights::default() }));
}

#[tokio::test]
async fn nobody_goes_back_to_before_a_right_began() {
    let house = house().await;
    let lit = SEGMENT - 99;
    limit_from(&house, lit - 1);
    let (session, _) = house.sessions.create("acme", asking_for("a,b")).await.unwrap();
    let (reload, whole) = (back(&house, 1800), (lit..SEGMENT).collect::<Vec<_>>());
    let numbers = |playlist: &str| listed(playlist).into_iter().map(|(n, _)| n).collect::<Vec<_>>();
    let playlist = video(&house, &session, reload).await;
    assert_eq!(numbers(&playlist), whole);
    assert!(playlist.contains("#EXT-X-START:TIME-OFFSET=0.000,"), "{}", &playlist[..600]);
    let keys = house.sessions.key_pictures_playlist(token(&session), "540p", reload).await.unwrap();
    assert!(!keys.contains(&format!("/{}.", lit - 1)) && keys.contains(&format!("/{lit}.")), "{keys}");
    for name in ["main", "0", "1"] {
        let sound = house.sessions.sound_playlist(token(&session), name, reload).await.unwrap();
        assert_eq!(numbers(&sound), whole, "{name}");
    }
    // Nor is it heard beside other pictures, which go further back.
    house.mosaics.running.lock().insert("2EH-c-d".into(), SEGMENT - 3600);
    let (other, _) = house.sessions.create("acme", asking_for("c,d")).await.unwrap();
    assert_eq!(numbers(&video(&house, &other, reload).await).len(), 900);
    for (game, first) in [("b", lit), ("a", SEGMENT - 900)] {
        let sound = house.sessions.audio_playlist(token(&other), game, reload).await.unwrap();
        assert_eq!(numbers(&sound), (first..SEGMENT).collect::<Vec<_>>(), "{game}");
    }
    // Images begin there, too, and each segment since has its picture on one of them.
    let images = house.sessions.images_playlist(token(&session), reload).await.unwrap();
    let sprites = sprites(&images);
    assert_eq!(sprites[0], (lit, 1));
    assert_eq!(sprites.last().map(|(first, count)| first + count), Some(SEGMENT / 10 * 10));
    for line in images.lines().filter(|line| line.ends_with(".jpg")) {
        let signature = line.rsplit('/').nth(1).unwrap();
        let opened = sprites
            .iter()
            .filter_map(|(first, count)| house.sessions.sprite(token(&session), signature, *first, *count));
        let opened: Vec<Image> = opened.collect();
        let [Image::Sprite { mosaics, .. }] = opened.as_slice() else { panic!("{line}: {opened:?}") };
        assert!(mosaics.iter().all(Option::is_some), "{line}: {mosaics:?}");
        for other in [(lit - 1, 1), (lit - 1, 2), (lit / 10 * 10, 10), (lit, 0), (lit + 1, 10)] {
            assert!(house.sessions.sprite(token(&session), signature, other.0, other.1).is_none(), "{other:?}");
        }
    }
}

/// The first segment of each sprite, and how many it has: one after the other, and without a hole.
fn sprites(images: &str) -> Vec<(u64, u64)> {
    let files = images.lines().filter_map(|line| line.rsplit('/').next()?.strip_suffix(".jpg"));
    let pair = |file: &str| {
        let (first, count) = file.split_once('-').unwrap();
        (first.parse().unwrap(), count.parse().unwrap())
    };
    let sprites: Vec<(u64, u64)> = files.map(pair).collect();
    assert!(sprites.windows(2).all(|pair| pair[0].0 + pair[0].1 == pair[1].0), "{images}");
    sprites
}

#[tokio::test]
async fn what_a_session_was_shown_stays_whatever_becomes_of_its_rights() {
    let house = house().await;
    let (session, _) = house.sessions.create("acme", asking_for("a,b")).await.unwrap();
    play(&house, &session, 60).await;
    let shown = listed(&video(&house, &session, Reload { parts: false, ..NOW }).await);
    limit_from(&house, SEGMENT + 20);
    house.pass(60).await;
    let again = listed(&video(&house, &session, back(&house, 3600)).await);
    assert_eq!(again.first().map(|(n, _)| *n), Some(SEGMENT), "what was there before it was made is left out");
    assert!(shown.iter().filter(|(n, _)| *n >= SEGMENT).all(|line| again.contains(line)), "{shown:?}\n{again:?}");
}

#[tokio::test]
async fn who_comes_when_a_right_begins_is_shown_nothing_from_before() {
    let house = house().await;
    limit_from(&house, SEGMENT - 2);
    let (session, _) = house.sessions.create("acme", asking_for("a,b")).await.unwrap();
    let first = |playlist: &str| listed(playlist).first().map(|(n, _)| *n);
    assert_eq!(first(&video(&house, &session, Reload { parts: false, ..NOW }).await), Some(SEGMENT - 1));
    // Nor has it images from before, of which nothing is whole yet.
    let since = back(&house, 600);
    let images = house.sessions.images_playlist(token(&session), since).await.unwrap();
    assert_eq!(sprites(&images)[0], (SEGMENT - 1, 1), "{images}");
    play(&house, &session, 60).await;
    let later = house.sessions.images_playlist(token(&session), since).await.unwrap();
    let (before, now) = (sprites(&images), sprites(&later));
    assert!(now.starts_with(&before) && now.len() >= before.len() + 2, "{before:?} {now:?}");
}

#[tokio::test]
async fn who_turns_to_a_game_before_anything_was_listed_is_shown_nothing_from_before_its_right_began() {
    let house = house().await;
    limit_from(&house, SEGMENT - 2);
    let (session, _) = house.sessions.create("acme", asking_for("a,c")).await.unwrap();
    let change = ChangeSession { games: Some(vec!["a".into(), "b".into()]), ..Default::default() };
    let changed = house.sessions.change("acme", &session.id, change).await.unwrap();
    let shown = listed(&video(&house, &session, Reload { parts: false, ..NOW }).await);
    assert_eq!(shown.first(), Some(&(SEGMENT - 1, "2EH-a-b".to_owned())));
    let sound = house.sessions.sound_playlist(token(&session), "1", NOW).await.unwrap();
    assert_eq!(listed(&sound).first().map(|(n, _)| *n), Some(SEGMENT - 1), "{sound}");
    assert!(changed.effective_segment >= SEGMENT - 1, "{}", changed.effective_segment);
}

#[tokio::test]
async fn what_was_shown_is_what_is_shown_again() {
    let house = house().await;
    let (session, _) = house.sessions.create("acme", asking_for("a,b")).await.unwrap();
    play(&house, &session, 20).await;
    let live = listed(&video(&house, &session, Reload { parts: false, ..NOW }).await);
    let change = ChangeSession { games: Some(vec!["a".into(), "c".into()]), ..Default::default() };
    let changed = house.sessions.change("acme", &session.id, change).await.unwrap();
    play(&house, &session, 300).await;
    let again = listed(&video(&house, &session, back(&house, 600)).await);
    assert_eq!(again.first(), Some(&(grid().segment_at(house.clock.now()) - 300, "2EH-a-b".to_owned())));
    assert!(live.iter().all(|line| again.contains(line)), "what was listed live");
    let at = again.iter().position(|(_, mosaic)| mosaic == "2EH-a-c").unwrap();
    assert_eq!(again[at].0, changed.effective_segment);
    assert!(again[at..].iter().all(|(_, mosaic)| mosaic == "2EH-a-c"));
    // What was left is no longer made for it.
    house.mosaics.wants.lock().clear();
    house.pass(2).await;
    assert!(house.mosaics.wants.lock().iter().all(|id| id == "2EH-a-c"), "{:?}", house.mosaics.wants.lock());
    let sound = house.sessions.sound_playlist(token(&session), "1", back(&house, 600)).await.unwrap();
    let games: std::collections::BTreeSet<String> = sound
        .lines()
        .filter(|line| line.ends_with(".m4s"))
        .map(|line| line.split("/media/").nth(1).unwrap().split('~').next().unwrap().to_owned())
        .collect();
    assert_eq!(games.len(), 2, "what was heard in the slot then, and since: {games:?}");
}

#[tokio::test]
async fn changes_without_end_cost_the_oldest_of_them() {
    let house = house().await;
    let (session, _) = house.sessions.create("acme", asking_for("a,b")).await.unwrap();
    for turn in 0..300 {
        let other = if turn % 2 == 0 { "c" } else { "d" };
        let change = ChangeSession { games: Some(vec!["a".into(), other.into()]), ..Default::default() };
        house.sessions.change("acme", &session.id, change).await.unwrap();
        play(&house, &session, 8).await;
    }
    let again = listed(&video(&house, &session, back(&house, 3000)).await);
    let changes = again.windows(2).filter(|pair| pair[0].1 != pair[1].1).count();
    assert!((250..=256).contains(&changes), "{changes}");
    let numbers: Vec<u64> = again.iter().map(|(n, _)| *n).collect();
    assert!(numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]));
}

#[tokio::test]
async fn an_ended_session_is_played_again_for_a_while() {
    let house = house().await;
    let (session, _) = house.sessions.create("acme", asking_for("a,b")).await.unwrap();
    play(&house, &session, 60).await;
    house.sessions.end("acme", &session.id, EndedBy::Device).await.unwrap();
    let ended_in = grid().segment_at(house.clock.now());
    let billed = booked_seconds(&house, &session).await;
    house.pass(1000).await;
    let playlist = video(&house, &session, back(&house, 1060)).await;
    assert!(playlist.ends_with("#EXT-X-ENDLIST\n"));
    let again = listed(&playlist);
    assert_eq!(
        (again.first().map(|(n, _)| *n), again.last().map(|(n, _)| *n)),
        (Some(ended_in - 30), Some(ended_in - 1))
    );
    house.pass(100).await;
    assert_eq!(booked_seconds(&house, &session).await, billed, "it costs nothing");
    house.pass(200).await;
    let gone = house.sessions.video_playlist(token(&session), "540p", back(&house, 1060)).await;
    assert_eq!(gone, Err(SessionError::SessionUnknown));
}

#[tokio::test]
async fn what_was_not_paid_for_is_not_played_when_it_is_over() {
    let house = house().await;
    let (session, _) = house.sessions.create("acme", asking_for("a,b")).await.unwrap();
    // Everything is named to it, and it opens three of them.
    let given = video(&house, &session, back(&house, 1800)).await;
    let opens = |n: u64| {
        let element = element(&given, n);
        house.sessions.rendition_of("2EH-a-b", &element, Some(n), Some(token(&session))).map(str::to_owned)
    };
    for n in SEGMENT - 800..SEGMENT - 797 {
        assert!(opens(n).is_some());
    }
    play(&house, &session, 20).await;
    // A pause, of which nothing is billed.
    house.pass(300).await;
    house.sessions.end("acme", &session.id, EndedBy::Device).await.unwrap();
    let again = video(&house, &session, back(&house, 2200)).await;
    assert!(again.ends_with("#EXT-X-ENDLIST\n"));
    let there = |playlist: &str| -> String {
        let entries = playlist.split("#EXT-X-PROGRAM-DATE-TIME:");
        entries.filter(|entry| !entry.contains("#EXT-X-GAP")).collect()
    };
    let numbers: Vec<u64> = listed(&there(&again)).iter().map(|(n, _)| *n).collect();
    assert_eq!(numbers[..3], [SEGMENT - 800, SEGMENT - 799, SEGMENT - 798]);
    let live = house.sessions.settings.window_segments as u64;
    assert!(numbers[3] >= SEGMENT - live && numbers.last().is_some_and(|last| *last <= SEGMENT + 12), "{numbers:?}");
    // Nor under addresses that it was told before.
    assert!(opens(SEGMENT - 799).is_some() && opens(SEGMENT - 700).is_none());
    let (unseen, _) = house.sessions.create("acme", asking_for("a,b")).await.unwrap();
    house.sessions.end("acme", &unseen.id, EndedBy::Device).await.unwrap();
    assert_eq!(listed(&there(&video(&house, &unseen, back(&house, 600)).await)), []);
}

#[tokio::test]
async fn who_ends_a_session_finds_its_playlist_ended() {
    let house = house().await;
    let (session, _) = house.sessions.create("acme", asking_for("a,b")).await.unwrap();
    play(&house, &session, 20).await;
    // Its time is over; it is being made.
    let last = grid().segment_at(house.clock.now()) - 1;
    house.mosaics.holes.lock().insert(last);
    house.sessions.end("acme", &session.id, EndedBy::Device).await.unwrap();
    let comes = async {
        tokio::task::yield_now().await;
        house.mosaics.holes.lock().remove(&last);
        house.mosaics.finished.send_modify(|_| ());
    };
    let plain = Reload { parts: false, ..NOW };
    let (playlist, ()) = tokio::join!(video(&house, &session, plain), comes);
    assert!(playlist.ends_with("#EXT-X-ENDLIST\n"), "{playlist}");
    assert_eq!(listed(&playlist).last().map(|(n, _)| *n), Some(last));
}

/// What docs/billing.md says of pauses.
#[tokio::test]
async fn a_pause_ends_no_session_and_who_plays_without_asking_is_billed() {
    let house = house().await;
    let (paused, _) = house.sessions.create("acme", asking_for("a,b")).await.unwrap();
    let (plays_on, _) = house.sessions.create("acme", asking_for("a,b")).await.unwrap();
    let (gone, _) = house.sessions.create("acme", asking_for("a,b")).await.unwrap();
    let since = back(&house, 1800);
    let mut given = String::new();
    for _ in 0..10 {
        for session in [&paused, &gone, &plays_on] {
            given = video(&house, session, since).await;
        }
        house.pass(2).await;
    }
    // Five minutes without a playlist. One of them has half an hour in the last one, and plays that.
    let given_at = SEGMENT - 900;
    for n in given_at..given_at + 150 {
        let element = element(&given, n);
        let opened = house.sessions.rendition_of("2EH-a-b", &element, Some(n), Some(token(&plays_on)));
        assert_eq!(opened, Some("540p"));
        house.pass(2).await;
    }
    for session in [&paused, &plays_on] {
        assert_eq!(house.sessions.get("acme", &session.id).await.unwrap().end_reason, None);
        video(&house, session, since).await;
    }
    house.pass(2).await;
    for session in [&paused, &plays_on] {
        house.sessions.end("acme", &session.id, EndedBy::Device).await.unwrap();
    }
    house.pass(300).await;
    let window_s = house.sessions.settings.window_segments as u64 * 2;
    assert_eq!(booked_seconds(&house, &paused).await, 20 + window_s + 2, "what is listed after the pause");
    assert_eq!(booked_seconds(&house, &plays_on).await, 20 + 300 + 2);
    // Who does not come back is billed no more than anybody else, and its addresses go with it.
    assert_eq!(house.sessions.get("acme", &gone.id).await.unwrap().end_reason.as_deref(), Some("idle"));
    assert_eq!(booked_seconds(&house, &gone).await, 20);
}

#[tokio::test]
async fn what_was_given_of_the_past_is_the_session_s_own_and_goes_with_it() {
    let mut house = house().await;
    let (session, _) = house.sessions.create("acme", asking_for("a,b")).await.unwrap();
    let token = token(&session).to_owned();
    let reload = back(&house, 1800);
    let playlist = video(&house, &session, reload).await;
    let sound = house.sessions.sound_playlist(&token, "main", reload).await.unwrap();
    let own = format!("/v1/play/{}/media/2EH-a-b/540p~", house.sessions.own_of(&token, Player::FIRST).element);
    assert!(playlist.lines().filter(|line| line.ends_with(".m4s")).all(|line| line.starts_with(&own)), "{playlist}");
    let at = SEGMENT - 800;
    let (past, heard) = (element(&playlist, at), element(&sound, at));
    let opens = |house: &House, token: Option<&str>| {
        let rendition = house.sessions.rendition_of("2EH-a-b", &past, Some(at), token).is_some();
        assert_eq!(house.sessions.sound_of(&heard, Some(at), token).is_some(), rendition);
        rendition
    };
    assert!(opens(&house, Some(&token)) && !opens(&house, None), "everybody's are good for what is live");
    assert!(!opens(&house, Some("0000")), "no session");
    assert_eq!(house.sessions.rendition_of("2EH-a-b", &past, Some(at + 1), Some(&token)), None);
    // No address in the playlist changes, whatever grows old: RFC 8216, 6.2.1.
    let address =
        |playlist: &str, n: u64| playlist.lines().find(|line| line.ends_with(&format!("/{n}.m4s"))).unwrap().to_owned();
    for _ in 0..5 {
        house.pass(100).await;
        let later = video(&house, &session, reload).await;
        assert!((at..SEGMENT).all(|n| address(&later, n) == address(&playlist, n)));
    }
    house.crash(Duration::from_secs(4)).await;
    house.mosaics.running.lock().insert("2EH-a-b".into(), SEGMENT - 3600);
    assert!(opens(&house, Some(&token)), "a restart changes nothing");
    // A live address is good for as long as it is listed, and again.
    let live = video(&house, &session, Reload { parts: false, ..NOW }).await;
    let (n, _) = listed(&live).pop().unwrap();
    let live = element(&live, n);
    let is_good = |house: &House| house.sessions.rendition_of("2EH-a-b", &live, Some(n), None).is_some();
    house.clock.advance(Duration::from_secs(60));
    assert!(is_good(&house));
    house.clock.advance(Duration::from_secs(90));
    assert!(!is_good(&house));
    // With the session its addresses go.
    house.sessions.end("acme", &session.id, EndedBy::Device).await.unwrap();
    assert!(opens(&house, Some(&token)), "it is played again for a while");
    house.pass(1300).await;
    assert!(!opens(&house, Some(&token)));
}

#[tokio::test]
async fn a_restart_loses_nothing_of_what_a_session_showed() {
    let mut house = house().await;
    let (session, _) = house.sessions.create("acme", asking_for("a,b")).await.unwrap();
    play(&house, &session, 20).await;
    let change = ChangeSession { games: Some(vec!["a".into(), "c".into()]), ..Default::default() };
    house.sessions.change("acme", &session.id, change).await.unwrap();
    play(&house, &session, 60).await;
    let before = listed(&video(&house, &session, back(&house, 600)).await);
    house.crash(Duration::from_secs(10)).await;
    for id in ["2EH-a-b", "2EH-a-c"] {
        house.mosaics.running.lock().insert(id.into(), SEGMENT - 3600);
    }
    let after = listed(&video(&house, &session, back(&house, 610)).await);
    assert!(before.iter().all(|line| after.contains(line)), "{before:?}\n{after:?}");
}

#[tokio::test]
async fn a_session_s_own_address_is_good_for_nobody_else_and_tells_nothing_of_everybody_s() {
    let house = house().await;
    let (session, _) = house.sessions.create("acme", asking_for("a,b")).await.unwrap();
    let (other, _) = house.sessions.create("acme", asking_for("a,b")).await.unwrap();
    let reload = back(&house, 1800);
    let playlist = video(&house, &session, reload).await;
    let sound = house.sessions.sound_playlist(token(&session), "main", reload).await.unwrap();
    let live = video(&house, &other, Reload { parts: false, ..NOW }).await;
    // What is still in everybody's window, too.
    for n in [SEGMENT - 800, SEGMENT - 1] {
        let (own, heard) = (element(&playlist, n), element(&sound, n));
        for (token, is_good) in [(Some(token(&session)), true), (Some(token(&other)), false), (None, false)] {
            assert_eq!(house.sessions.rendition_of("2EH-a-b", &own, Some(n), token).is_some(), is_good, "{n}");
            assert_eq!(house.sessions.sound_of(&heard, Some(n), token).is_some(), is_good, "{n}");
        }
    }
    let shared = element(&live, SEGMENT - 1);
    assert!(house.sessions.rendition_of("2EH-a-b", &shared, Some(SEGMENT - 1), None).is_some());
    assert!(house.sessions.rendition_of("2EH-a-b", &shared, Some(SEGMENT - 1), Some(token(&session))).is_none());
}

#[tokio::test]
async fn what_is_asked_for_of_the_past_is_no_cheap_end_of_a_pause() {
    let house = house().await;
    let (session, _) = house.sessions.create("acme", asking_for("a,b")).await.unwrap();
    let past = video(&house, &session, back(&house, 1800)).await;
    let live = async || listed(&video(&house, &session, Reload { parts: false, ..NOW }).await);
    let (n, mut all) = (SEGMENT - 700, live().await.len());
    let own = element(&past, n);
    for _ in 0..3 {
        house.pass(28).await;
        assert!(house.sessions.rendition_of("2EH-a-b", &own, Some(n), Some(token(&session))).is_some());
        all += live().await.len();
    }
    house.sessions.end("acme", &session.id, EndedBy::Device).await.unwrap();
    let (seen_s, billed_s) = (2 * all as u64, booked_seconds(&house, &session).await);
    assert!(seen_s > 80 && seen_s <= billed_s + 10, "{billed_s} s of {seen_s} s");
}

#[tokio::test]
async fn who_was_told_no_address_has_none_of_the_past() {
    let house = house().await;
    let (session, _) = house.sessions.create("acme", asking_for("a,b")).await.unwrap();
    let (other, _) = house.sessions.create("acme", asking_for("a,b")).await.unwrap();
    let images = house.sessions.images_playlist(token(&session), back(&house, 1800)).await.unwrap();
    let address = images.lines().find(|line| line.ends_with(".jpg")).unwrap();
    let [file, signature] = *address.rsplitn(3, '/').take(2).collect::<Vec<_>>() else { panic!("{address}") };
    let (first, count) = file.strip_suffix(".jpg").unwrap().split_once('-').unwrap();
    let (first, count) = (first.parse().unwrap(), count.parse().unwrap());
    assert!(house.sessions.sprite(token(&session), signature, first, count).is_some());
    assert!(house.sessions.sprite(token(&other), signature, first, count).is_none());
    assert_eq!(house.sessions.get("acme", &other.id).await.unwrap().billable_seconds, 0);
}

/// An instant before the session was made is the past, however near.
#[tokio::test]
async fn who_goes_back_a_moment_in_a_new_session_is_billed_segment_by_segment() {
    let house = house().await;
    let (session, _) = house.sessions.create("acme", asking_for("a,b")).await.unwrap();
    let reload = back(&house, 20);
    let playlist = video(&house, &session, reload).await;
    let numbers = |playlist: &str| listed(playlist).into_iter().map(|(n, _)| n).collect::<Vec<_>>();
    assert_eq!(numbers(&playlist), (SEGMENT - 10..SEGMENT).collect::<Vec<_>>());
    let opens = |n: u64| {
        let element = element(&playlist, n);
        house.sessions.rendition_of("2EH-a-b", &element, Some(n), Some(token(&session))).is_some()
    };
    for n in SEGMENT - 10..SEGMENT - 5 {
        assert!(opens(n));
        house.pass(2).await;
    }
    assert_eq!(numbers(&video(&house, &session, reload).await)[0], SEGMENT - 10, "it begins where it began");
    house.sessions.end("acme", &session.id, EndedBy::Device).await.unwrap();
    assert_eq!(booked_seconds(&house, &session).await, 12);
    assert!(opens(SEGMENT - 10) && !opens(SEGMENT - 1), "what was asked for is had, and no more");
}
