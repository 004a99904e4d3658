//! Outputs: one session for all who poll, as long as they do, and what its market says at any time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::NOW;
use crate::assets::Skin;
use crate::market::{Feature, Market, Tier};
use crate::outputs::OutputSet;
use crate::session::testing::{House, asking_for};
use crate::session::{OutputGrant, OutputWish, SessionError, Sounds, StartOverRight};
use crate::store::testing;
use crate::usage::OUTPUT_LABEL;

fn german(sound_language: &str, max_height: Option<u32>) -> Market {
    Market {
        id: "de".into(),
        title: "Germany".into(),
        sound_language: Some(sound_language.into()),
        text_language: Some("de".into()),
        games: Some(vec!["z".into()]),
        tier: Tier { max_height, features: None },
        ..Market::default()
    }
}

fn configure(house: &House, market: Market) {
    house.sessions.markets().configure(&[("tv".to_owned(), market)]);
}

fn wish(game: &str, market: Option<&str>) -> OutputWish {
    let grant = OutputGrant {
        tenant: "tv".into(),
        set: "m".into(),
        market: market.map(str::to_owned),
        public: false,
        tier: Tier::default(),
    };
    let set = OutputSet { id: "m".into(), layout: "1F".into(), ..OutputSet::default() };
    let skin = Skin { id: "red".into(), art: BTreeMap::new(), origin: Default::default() };
    OutputWish { grant, set: Arc::new(set), game: game.into(), skin: Arc::new(skin) }
}

/// Polls once, as a cache does; the token of the session that answered.
async fn poll(house: &House, wish: &OutputWish) -> Arc<str> {
    let token = house.sessions.output(wish).await.unwrap();
    match house.sessions.video_playlist(&token, "540p", NOW).await {
        Ok(text) => assert!(!text.contains("#EXT-X-ENDLIST"), "{text}"),
        Err(SessionError::NotReady { .. }) => {}
        Err(other) => panic!("{other}"),
    }
    token
}

/// Polls every two seconds for `seconds`.
async fn polled(house: &House, wish: &OutputWish, seconds: u64) {
    for second in 0..seconds {
        if second % 2 == 0 {
            poll(house, wish).await;
        }
        house.pass(1).await;
    }
}

fn gauges(house: &House) -> (i64, i64) {
    (house.metrics.outputs.get(), house.metrics.sessions.get())
}

#[tokio::test]
async fn an_output_speaks_its_market_s_language_from_the_poll_on_that_the_market_changes() {
    let house = House::new().await;
    configure(&house, german("de", None));
    let (wish, unknown) = (wish("z", Some("de")), wish("nope", None));
    let token = house.sessions.output(&wish).await.unwrap();
    let element = house.sessions.output_element(&wish);
    let text = house.sessions.output_multivariant(&token, &element, Sounds::Own, true).await.unwrap();
    let uris: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let uris = uris.into_iter().chain(text.split("URI=\"").skip(1)).collect::<Vec<_>>();
    assert!(uris.len() > 6 && uris.iter().all(|uri| uri.starts_with(&format!("{element}/"))), "{text}");
    assert!(text.contains("NAME=\"Main\",LANGUAGE=\"de\",DEFAULT=YES"), "{text}");
    assert!(text.contains(&format!("{element}/text/main-de.m3u8?low_latency=true")), "{text}");
    assert_eq!(house.sessions.output_granted("z", "red", &element), Some(wish.grant.clone()));

    configure(&house, german("en", None));
    assert_eq!(poll(&house, &wish).await, token, "the same session");
    let text = house.sessions.output_multivariant(&token, &element, Sounds::Own, false).await.unwrap();
    assert!(text.contains("NAME=\"Main\",LANGUAGE=\"en\",DEFAULT=YES"), "{text}");
    // A right that is withdrawn is withdrawn at once.
    configure(&house, Market { games: Some(vec!["y".into()]), ..german("en", None) });
    let refused = house.sessions.output(&wish).await.unwrap_err();
    assert_eq!(refused.code(), "game_restricted");
    assert_eq!(house.sessions.output(&unknown).await, Err(SessionError::GameUnknown { id: "nope".into() }));
}

#[tokio::test]
async fn a_market_s_other_tier_holds_with_the_next_poll_and_a_key_s_cannot_be_talked_away() {
    let house = House::new().await;
    configure(&house, german("de", None));
    let full = wish("z", Some("de"));
    let before = poll(&house, &full).await;
    polled(&house, &full, 10).await;
    house.sessions.video_playlist(&before, "1080p", NOW).await.unwrap();
    configure(&house, german("de", Some(540)));
    let after = poll(&house, &full).await;
    assert_ne!(before, after);
    let above = house.sessions.video_playlist(&after, "1080p", NOW).await;
    assert_eq!(above, Err(SessionError::RenditionUnknown { name: "1080p".into() }));
    polled(&house, &full, 40).await;
    assert_eq!(gauges(&house), (1, 0), "the former is polled no more");

    let mut free = wish("a", None);
    free.grant.tier = Tier { max_height: Some(540), features: Some([Feature::Dolby].into()) };
    let token = poll(&house, &free).await;
    let text = house.sessions.output_multivariant(&token, "x", Sounds::Own, true).await.unwrap();
    assert!(!text.contains("1080") && !text.contains("low_latency"), "{text}");
    // The tier is told apart: who has the better key has another session.
    assert_ne!(poll(&house, &wish("a", None)).await, token);
    assert_eq!(gauges(&house), (3, 0));
}

#[tokio::test]
async fn all_who_poll_share_one_session_that_ends_with_them_and_is_billed_once() {
    let mut house = House::new().await;
    let wish = wish("a", None);
    let first = poll(&house, &wish).await;
    for _ in 0..30 {
        let both = tokio::join!(poll(&house, &wish), poll(&house, &wish));
        assert_eq!((&both.0, &both.1), (&first, &first));
        house.pass(2).await;
    }
    assert_eq!(gauges(&house), (1, 0));
    assert_eq!(house.sessions.audience("tv").sessions, 0, "nobody is a viewer");
    house.pass(4).await;
    let seconds = async |house: &House| -> u64 {
        let lines = testing::lines(&*house.disk, "tv").await;
        assert!(lines.iter().all(|line| line.watched.labels[OUTPUT_LABEL] == "a/red"), "{lines:?}");
        lines.iter().map(|line| u64::from(line.billable_seconds)).sum()
    };
    // From the first playlist that listed a segment, after six seconds, to the last one after 58, which is good for two.
    assert_eq!(seconds(&house).await, 54);

    // It goes on in another process, with the same session.
    house.crash(Duration::from_secs(3)).await;
    assert_eq!(poll(&house, &wish).await, first);
    assert_eq!(gauges(&house), (1, 0));
    house.pass(40).await;
    assert_eq!(gauges(&house), (0, 0), "nobody polls");
    let booked = seconds(&house).await;
    house.pass(60).await;
    assert_eq!(seconds(&house).await, booked, "which costs nothing");
    assert_ne!(poll(&house, &wish).await, first);
}

#[tokio::test]
async fn an_output_does_not_pause_and_outputs_take_no_viewer_s_place() {
    let mut settings = House::new().await.settings;
    let (pause, linger) = (Duration::from_secs(600), Duration::from_secs(1200));
    settings.start_over = Some(StartOverRight { segments: 1800, pause, linger });
    (settings.max_sessions, settings.max_outputs) = (1, 2);
    let house = House::with(settings).await;
    house.sessions.create("tv", asking_for("a")).await.unwrap();
    poll(&house, &wish("a", None)).await;
    poll(&house, &wish("b", None)).await;
    let refused = house.sessions.output(&wish("c", None)).await.unwrap_err();
    assert!(matches!(&refused, SessionError::Capacity { detail, .. } if detail == "2 outputs are active"), "{refused}");
    polled(&house, &wish("a", None), 40).await;
    assert_eq!(gauges(&house), (1, 1), "who is not polled goes, and a viewer pauses");
    poll(&house, &wish("c", None)).await;
    assert_eq!(gauges(&house), (2, 1));
}

#[tokio::test]
async fn an_output_that_is_polled_seldom_is_begun_anew_each_time_and_is_no_fresh_window() {
    let mut settings = House::new().await.settings;
    settings.idle = Duration::from_secs(10);
    let house = House::with(settings).await;
    let wish = wish("a", None);
    polled(&house, &wish, 60).await;
    house.pass(20).await;
    let before: u64 =
        testing::lines(&*house.disk, "tv").await.iter().map(|line| u64::from(line.billable_seconds)).sum();
    let (mut seen, mut tokens, mut newest) = (BTreeSet::new(), BTreeSet::new(), 0);
    for _ in 0..8 {
        let token = poll(&house, &wish).await;
        let text = house.sessions.video_playlist(&token, "540p", NOW).await.unwrap();
        let files = text.lines().filter_map(|line| line.strip_suffix(".m4s")?.rsplit('/').next());
        let listed: Vec<u64> = files.map(|file| file.parse().unwrap()).collect();
        assert_eq!(listed.len(), 3, "what a player begins with: {text}");
        // Its numbers are those of before, which it goes on from.
        let sequence = format!("#EXT-X-MEDIA-SEQUENCE:{}\n", listed[0]);
        assert!(text.contains(&sequence) && listed[0] > newest, "{text}");
        newest = listed[2];
        seen.extend(listed);
        tokens.insert(token);
        house.pass(14).await;
    }
    house.pass(10).await;
    let lines = testing::lines(&*house.disk, "tv").await;
    let billed = lines.iter().map(|line| u64::from(line.billable_seconds)).sum::<u64>() - before;
    assert_eq!((tokens.len(), seen.len(), billed), (8, 24, 16), "a target duration for three segments");
}
