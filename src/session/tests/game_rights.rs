//! Rights of games: who may be shown what, refused when it is asked for, and a card in its place from the segment on in which it may no longer be shown.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::stand_ins::{listed, play, running, seen};
use super::{NOW, audio, token};
use crate::market::{GameRights, Market, Restriction, Viewer};
use crate::mosaic::{EngineChoice, EngineKind};
use crate::session::testing::{House, asking_for, grid};
use crate::session::{ChangeSession, CreateSession, SessionError, SessionView};
use crate::timeline::SegmentNumber;

fn limit(house: &House, game: &str, rights: GameRights) {
    house.limits.lock().insert(game.into(), Arc::new(rights));
}

fn names(names: &[&str]) -> Option<Vec<String>> {
    Some(names.iter().map(|name| (*name).to_owned()).collect())
}

fn time_ms(n: SegmentNumber) -> i64 {
    grid().segment_time(n).unix_millis()
}

fn to(games: &str) -> ChangeSession {
    ChangeSession { games: Some(games.split(',').map(str::to_owned).collect()), ..ChangeSession::default() }
}

async fn create(house: &House, asked: CreateSession) -> SessionView {
    house.sessions.create("tv", asked).await.unwrap().0
}

fn reason(error: &SessionError) -> &'static str {
    match error {
        SessionError::GameRestricted { why, .. } => why.name(),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn who_may_not_be_shown_a_game_is_told_why_and_starts_nothing() {
    let house = House::new().await;
    limit(&house, "b", GameRights { regions: names(&["GB"]), device_classes: names(&["tv"]), ..GameRights::default() });
    let asked = |region: Option<&str>, class: Option<&str>| CreateSession {
        region: region.map(Into::into),
        device_class: class.map(Into::into),
        ..asking_for("a,b")
    };
    for (region, class, why) in [
        (None, Some("tv"), "region_missing"),
        (Some("FR"), Some("tv"), "not_in_region"),
        (Some("GB"), None, "device_class_missing"),
        (Some("GB"), Some("phone"), "not_on_device_class"),
    ] {
        let refused = house.sessions.create("tv", asked(region, class)).await.unwrap_err();
        assert_eq!((refused.code(), refused.status(), reason(&refused)), ("game_restricted", 403, why));
        assert!(refused.to_string().contains("\"b\""), "{refused}");
    }
    assert!(house.mosaics.running.lock().is_empty());
    let session = create(&house, asked(Some("GB"), Some("tv"))).await;
    assert_eq!((session.region.as_deref(), session.device_class.as_deref()), (Some("GB"), Some("tv")));
    // Who has it not can be given it by no change, and neither its picture nor its sound.
    let other = create(&house, asking_for("a,c")).await;
    let refused = house.sessions.change("tv", &other.id, to("a,b")).await.unwrap_err();
    assert_eq!(reason(&refused), "region_missing");
    let refused = house.sessions.audio_playlist(token(&other), "b", NOW).await.unwrap_err();
    assert_eq!(refused.code(), "game_unknown");
    limit(&house, "b", GameRights { markets: names(&["de"]), ..GameRights::default() });
    let refused = house.sessions.create("tv", asking_for("b")).await.unwrap_err();
    assert_eq!(reason(&refused), "not_in_market");
}

/// The card of `b` in the mosaics of `all`, and what stands beside it.
async fn a_window_closes_on_its_segment(engine: EngineKind) {
    let house = if engine == EngineKind::Stitch { House::stitching().await } else { House::new().await };
    let engine = EngineChoice::Only(engine);
    let session = create(&house, CreateSession { engine, ..asking_for("a,b") }).await;
    let mut all = BTreeMap::new();
    play(&house, &session, 20, &mut all).await;
    let ends = running(&house) + 8;
    // In the middle of a segment: nothing of that is shown.
    limit(&house, "b", GameRights { until_ms: Some(time_ms(ends) + 700), ..GameRights::default() });
    play(&house, &session, 40, &mut all).await;
    let newest = *all.last_key_value().unwrap().0;
    assert_eq!(seen(&all, "!late:b"), (ends..=newest).collect::<Vec<_>>(), "{all:?}");
    assert!(all.values().all(|mosaic| mosaic.contains('a')), "the rest goes on: {all:?}");
    // Its sound is the card's from there on, too.
    let sound = audio(&house, &session, "b").await;
    let uris: Vec<&str> = sound.lines().filter(|line| !line.starts_with('#')).collect();
    let last = uris.iter().map(|uri| uri.split('/').nth(4).unwrap()).next_back().unwrap();
    let of_card = sound_name("!late:b");
    assert!(last.starts_with(&of_card), "{last} {of_card}");
    let view = house.sessions.get("tv", &session.id).await.unwrap();
    let told: Vec<_> = view.slots.iter().map(|slot| slot.restricted).collect();
    assert_eq!(
        (view.games.as_slice(), told.as_slice()),
        (&["a".to_owned(), "b".to_owned()][..], &[None, Some("no_longer")][..])
    );
    assert_eq!(house.metrics.restricted_slots.get(), 1);
    // It keeps nobody from changing the rest, and who leaves it does not get it back.
    house.sessions.change("tv", &session.id, to("c,b")).await.unwrap();
    play(&house, &session, 12, &mut all).await;
    let last = all.last_key_value().unwrap().1;
    assert!(last.contains('c') && last.contains("!late:b"), "{last}");
    house.sessions.change("tv", &session.id, to("c,d")).await.unwrap();
    assert_eq!(reason(&house.sessions.change("tv", &session.id, to("c,b")).await.unwrap_err()), "no_longer");
    play(&house, &session, 12, &mut all).await;
    assert!(!all.last_key_value().unwrap().1.contains('!'));
    assert_eq!(house.metrics.restricted_slots.get(), 0);
}

fn sound_name(game: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(game)
}

#[tokio::test]
async fn a_window_closes_on_its_segment_where_it_is_stitched() {
    a_window_closes_on_its_segment(EngineKind::Stitch).await;
}

#[tokio::test]
async fn a_window_closes_on_its_segment_where_it_is_rendered() {
    a_window_closes_on_its_segment(EngineKind::Render).await;
}

#[tokio::test]
async fn a_right_that_is_withdrawn_shows_within_segments_and_comes_back() {
    let house = House::new().await;
    let session = create(&house, CreateSession { region: Some("FR".into()), ..asking_for("a,b") }).await;
    let mut all = BTreeMap::new();
    play(&house, &session, 20, &mut all).await;
    let at = running(&house);
    limit(&house, "b", GameRights { regions: names(&["GB"]), ..GameRights::default() });
    play(&house, &session, 20, &mut all).await;
    let dark = seen(&all, "!region:b");
    // These mosaics take two segments to come.
    assert!((at..=at + 3).contains(&dark[0]), "{dark:?} from {at} on");
    let back = running(&house);
    house.limits.lock().clear();
    play(&house, &session, 20, &mut all).await;
    let dark = seen(&all, "!region:b");
    assert!((back - 1..=back + 3).contains(dark.last().unwrap()), "{dark:?} until {back}");
    assert_eq!(dark, (dark[0]..=dark[dark.len() - 1]).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_game_that_a_market_no_longer_allows_is_dark_and_one_of_a_market_that_is_gone_is_not() {
    let mut house = House::stitching().await;
    let market = |games: &[&str]| Market { id: "de".into(), games: names(games), ..Market::default() };
    let configure = |house: &House, market: Market| {
        house.sessions.markets().configure(&[("tv".to_owned(), market)]);
    };
    configure(&house, market(&["a", "b"]));
    let session = create(&house, CreateSession { market: Some("de".into()), ..asking_for("a,b") }).await;
    let mut all = BTreeMap::new();
    play(&house, &session, 20, &mut all).await;
    configure(&house, market(&["a"]));
    play(&house, &session, 20, &mut all).await;
    assert!(all.last_key_value().unwrap().1.contains("!market:b"), "{all:?}");
    // The next process knows nothing of the market.
    house.crash(Duration::from_secs(1)).await;
    play(&house, &session, 20, &mut all).await;
    assert!(!all.last_key_value().unwrap().1.contains('!'), "{all:?}");
}

#[tokio::test]
async fn a_restart_shows_nothing_that_may_not_be_shown() {
    let mut house = House::stitching().await;
    let session = create(&house, asking_for("a,b")).await;
    let mut all = BTreeMap::new();
    play(&house, &session, 20, &mut all).await;
    limit(&house, "b", GameRights { until_ms: Some(time_ms(running(&house))), ..GameRights::default() });
    play(&house, &session, 12, &mut all).await;
    let dark = seen(&all, "!late:b");
    assert!(!dark.is_empty());
    house.crash(Duration::from_secs(1)).await;
    let crashed = running(&house);
    for _ in 0..12 {
        house.pass(1).await;
        let after = listed(&house, &session, NOW).await;
        let shown: Vec<_> = after.iter().filter(|(n, mosaic)| **n >= crashed && !mosaic.contains("!late:b")).collect();
        assert!(shown.is_empty(), "{shown:?}");
    }
    assert!(!listed(&house, &session, NOW).await.is_empty());
}

#[tokio::test]
async fn a_sound_as_it_came_ends_where_the_card_begins() {
    let house = House::stitching().await;
    let session = create(&house, asking_for("z,a")).await;
    let mut all = BTreeMap::new();
    play(&house, &session, 20, &mut all).await;
    let came = "z~came-eac3-01c080f00";
    let listed = house.sessions.audio_playlist(token(&session), came, NOW).await.unwrap();
    let ends = running(&house) + 3;
    limit(&house, "tv/z", GameRights { until_ms: Some(time_ms(ends)), ..GameRights::default() });
    play(&house, &session, 12, &mut all).await;
    let view = house.sessions.get("tv", &session.id).await.unwrap();
    assert_eq!(view.slots[0].restricted, Some("no_longer"));
    let refused = house.sessions.audio_playlist(token(&session), came, NOW).await.unwrap_err();
    assert_eq!(refused.code(), "game_unknown");
    let of_game = sound_name("tv/z#came-eac3-01c080f00");
    assert!(listed.lines().filter(|line| line.ends_with(".m4s")).all(|uri| uri.contains(&of_game)), "{listed}");
}

#[tokio::test]
async fn outputs_know_no_region_and_end_with_the_window() {
    let rights = GameRights { regions: names(&["GB"]), until_ms: Some(1_000), ..GameRights::default() };
    let anywhere = Viewer { is_anywhere: true, ..Viewer::default() };
    assert_eq!(rights.restricts(&anywhere, 999), None);
    assert_eq!(rights.restricts(&anywhere, 1_000), Some(Restriction::NoLonger));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// However rights come and go: no segment is listed again as another's, and of a window that is known in time nothing is shown outside of it.
    #[test]
    fn nothing_is_shown_outside_of_a_window_that_is_known(
        stitched in any::<bool>(),
        from in 6u64..12,
        polls in prop::collection::vec(any::<bool>(), 40),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let house = if stitched { House::stitching().await } else { House::new().await };
            let session = create(&house, asking_for("a,b")).await;
            let mut all: BTreeMap<u64, String> = BTreeMap::new();
            play(&house, &session, 12, &mut all).await;
            let ends = running(&house) + from;
            limit(&house, "b", GameRights { until_ms: Some(time_ms(ends)), ..GameRights::default() });
            for is_polled in polls {
                house.pass(1).await;
                if is_polled {
                    for (n, mosaic) in listed(&house, &session, NOW).await {
                        let before = all.entry(n).or_insert_with(|| mosaic.clone());
                        assert_eq!(*before, mosaic, "segment {n}");
                    }
                }
            }
            let lit: Vec<_> = all.iter().filter(|(n, mosaic)| **n >= ends && !mosaic.contains("!late:b")).collect();
            assert!(lit.is_empty(), "{lit:?} from {ends} on");
        });
    }
}
