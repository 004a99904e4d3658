//! Markets and tiers: what sessions may have, and that nothing they ask for gets them more.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use proptest::prelude::*;

use super::{NOW, lines, play, token};
use crate::market::{Feature, KeyTerms, Market, Tier};
use crate::session::testing::{House, asking_for};
use crate::session::{ChangeSession, CreateSession, EndedBy, ListSessions, Reload, SessionError, SessionView, Sounds};
use crate::usage::MARKET_LABEL;

/// A house with these markets of tenant `tv`.
async fn house(markets: &[Market]) -> House {
    let house = House::new().await;
    configure(&house, markets);
    house
}

fn configure(house: &House, markets: &[Market]) {
    let of_tenant: Vec<_> = markets.iter().map(|market| ("tv".to_owned(), market.clone())).collect();
    house.sessions.markets().configure(&of_tenant);
}

fn german() -> Market {
    let games = Some(vec!["a".into(), "y".into(), "z".into()]);
    let (sound_language, text_language) = (Some("de".into()), Some("de".into()));
    Market { id: "de".into(), title: "Germany".into(), sound_language, text_language, games, ..Market::default() }
}

fn in_market(games: &str, market: &str) -> CreateSession {
    CreateSession { market: Some(market.into()), ..asking_for(games) }
}

fn to(games: &str) -> ChangeSession {
    ChangeSession { games: Some(games.split(',').map(str::to_owned).collect()), ..ChangeSession::default() }
}

async fn multivariant(house: &House, session: &SessionView, sounds: Sounds) -> String {
    house.sessions.multivariant(token(session), sounds, true, None).await.unwrap()
}

fn lines_with<'t>(text: &'t str, what: &str) -> Vec<&'t str> {
    text.lines().filter(|line| line.contains(what)).collect()
}

#[tokio::test]
async fn a_market_chooses_sound_and_text_where_the_viewer_has_chosen_none() {
    let house = house(&[german()]).await;
    let (session, _) = house.sessions.create("tv", in_market("z,y", "de")).await.unwrap();
    assert_eq!((session.market.as_deref(), session.audio.as_str()), (Some("de"), "z/deu"));
    let text = multivariant(&house, &session, Sounds::Own).await;
    let sounds = lines_with(&text, "TYPE=AUDIO");
    assert!(sounds[0].contains("NAME=\"Main\",LANGUAGE=\"de\",DEFAULT=YES"), "{sounds:?}");
    assert!(sounds[1..].iter().all(|sound| sound.contains("DEFAULT=NO")), "{sounds:?}");
    let texts = lines_with(&text, "TYPE=SUBTITLES");
    let default: Vec<_> = texts.iter().filter(|text| text.contains("DEFAULT=YES,AUTOSELECT=YES")).collect();
    assert!(default.len() == 1 && default[0].contains("URI=\"text/main-de.m3u8"), "{texts:?}");
    let all = multivariant(&house, &session, Sounds::All).await;
    let default: Vec<_> =
        lines_with(&all, "TYPE=AUDIO").into_iter().filter(|line| line.contains("DEFAULT=YES")).collect();
    assert!(default.len() == 1 && default[0].contains("audio/z~deu.m3u8"), "{all}");

    // A swap goes on in the market's language: that game's main sound is German.
    let swapped = house.sessions.change("tv", &session.id, to("y,a")).await.unwrap();
    assert_eq!(swapped.audio, "y");
    // What the viewer chooses stands above it, also where it is what the market had chosen.
    let choose = |audio: &str| ChangeSession { audio: Some(audio.into()), ..ChangeSession::default() };
    house.sessions.change("tv", &session.id, to("z,a")).await.unwrap();
    let chosen = house.sessions.change("tv", &session.id, choose("z")).await.unwrap();
    assert_eq!(chosen.audio, "z");
    let swapped = house.sessions.change("tv", &session.id, to("a,z")).await.unwrap();
    assert_eq!(swapped.audio, "z", "it is on the picture");
    let before = house.sessions.change("tv", &session.id, choose("z/deu")).await.unwrap();
    let again = house.sessions.change("tv", &session.id, choose("z/deu")).await.unwrap();
    assert_eq!(before.revision, again.revision);

    let asked = CreateSession { audio: Some("z".into()), ..in_market("z", "de") };
    assert_eq!(house.sessions.create("tv", asked).await.unwrap().0.audio, "z");
    // Without a market all is as it was.
    let (plain, _) = house.sessions.create("tv", asking_for("z,y")).await.unwrap();
    assert_eq!((plain.market.as_deref(), plain.audio.as_str()), (None, "z"));
    let texts = multivariant(&house, &plain, Sounds::Own).await;
    assert!(lines_with(&texts, "TYPE=SUBTITLES").iter().all(|line| line.contains("DEFAULT=NO")), "{texts}");
}

#[tokio::test]
async fn a_viewer_who_chose_what_the_market_had_chosen_keeps_it_through_swaps() {
    let house = house(&[german()]).await;
    let (session, _) = house.sessions.create("tv", in_market("y,z", "de")).await.unwrap();
    assert_eq!(session.audio, "y", "its main sound is German");
    let choice = ChangeSession { audio: Some("y".into()), ..ChangeSession::default() };
    let same = house.sessions.change("tv", &session.id, choice).await.unwrap();
    assert_eq!(same.revision, session.revision, "nothing that shows has changed");
    // The viewer wants main sounds, and gets that of the next game.
    assert_eq!(house.sessions.change("tv", &session.id, to("z,a")).await.unwrap().audio, "z");
}

#[tokio::test]
async fn games_that_a_market_does_not_allow_are_refused_and_nowhere_named() {
    let house = house(&[german()]).await;
    let sessions = &house.sessions;
    let unknown = sessions.create("tv", in_market("a", "fr")).await.unwrap_err();
    assert_eq!((unknown.code(), unknown.status()), ("market_unknown", 404));
    assert_eq!(unknown, SessionError::MarketUnknown { id: "fr".into(), there: vec!["de".into()] });
    let restricted = sessions.create("tv", in_market("a,b", "de")).await.unwrap_err();
    assert_eq!((restricted.code(), restricted.status()), ("game_restricted", 403));
    assert!(restricted.to_string().contains("\"b\"") && restricted.to_string().contains("\"de\""), "{restricted}");
    let nobody = sessions.create("tv", in_market("nobody", "de")).await.unwrap_err();
    assert_eq!(nobody.code(), "game_unknown");
    assert_eq!(sessions.create("acme", in_market("a", "de")).await.unwrap_err().code(), "market_unknown");
    assert_eq!(house.mosaics.running.lock().len(), 0, "a refusal starts nothing");

    let (session, _) = sessions.create("tv", in_market("a,z", "de")).await.unwrap();
    assert_eq!(sessions.change("tv", &session.id, to("a,c")).await.unwrap_err().code(), "game_restricted");
    assert_eq!(sessions.get("tv", &session.id).await.unwrap().games, ["a", "z"]);
    house.clock.advance(Duration::from_secs(20));
    let all = multivariant(&house, &session, Sounds::All).await;
    assert!(all.contains("audio/y.m3u8") && !all.contains("audio/b.m3u8") && !all.contains("Game B"), "{all}");
    for game in ["b", "c", "d~deu"] {
        let refused = sessions.audio_playlist(token(&session), game, NOW).await.unwrap_err();
        assert_eq!(refused.code(), "game_unknown", "{game}");
    }
    assert!(sessions.audio_playlist(token(&session), "y", NOW).await.is_ok());

    // A right that is withdrawn is withdrawn at once; the rest goes on.
    configure(&house, &[Market { games: Some(vec!["z".into()]), ..german() }]);
    assert_eq!(sessions.audio_playlist(token(&session), "y", NOW).await.unwrap_err().code(), "game_unknown");
    assert!(sessions.audio_playlist(token(&session), "a", NOW).await.is_ok());
    assert_eq!(sessions.change("tv", &session.id, to("z,y")).await.unwrap_err().code(), "game_restricted");
    assert!(sessions.change("tv", &session.id, to("z,a")).await.is_ok(), "there a card stands");
    assert!(sessions.change("tv", &session.id, to("z,z")).await.is_ok());
}

#[tokio::test]
async fn a_market_has_sessions_in_its_regions_alone() {
    let isles = |regions: &[&str]| {
        let regions = regions.iter().map(|region| (*region).to_owned()).collect();
        [Market { id: "isles".into(), regions: Some(regions), ..german() }, german()]
    };
    let mut house = house(&isles(&["GB", "IE"])).await;
    let from = |region: Option<&str>, market: &str| CreateSession {
        region: region.map(str::to_owned),
        ..in_market("a,z", market)
    };
    for region in [Some("FR"), None] {
        let refused = house.sessions.create("tv", from(region, "isles")).await.unwrap_err();
        assert_eq!((refused.code(), refused.status()), ("region_restricted", 403));
        let allowed = vec!["GB".to_owned(), "IE".to_owned()];
        let region = region.map(str::to_owned);
        assert_eq!(refused, SessionError::RegionRestricted { region, market: "isles".into(), allowed });
        assert!(refused.to_string().contains("its regions are GB, IE"), "{refused}");
    }
    assert_eq!(house.mosaics.running.lock().len(), 0, "a refusal starts nothing");
    assert!(
        house.sessions.create("tv", from(Some("FR"), "de")).await.is_ok(),
        "a market without regions is everywhere"
    );
    let (session, _) = house.sessions.create("tv", from(Some("IE"), "isles")).await.unwrap();
    assert_eq!(session.region.as_deref(), Some("IE"));
    assert!(house.sessions.change("tv", &session.id, to("z,a")).await.is_ok());

    // A region that is given up is given up also for those who are there, and a restart does not help them.
    configure(&house, &isles(&["GB"]));
    assert_eq!(house.sessions.change("tv", &session.id, to("a,a")).await.unwrap_err().code(), "region_restricted");
    let layout = ChangeSession { layout: Some("2PL".into()), ..ChangeSession::default() };
    assert!(house.sessions.change("tv", &session.id, layout).await.is_ok(), "what it shows goes on");
    house.crash(Duration::from_secs(2)).await;
    configure(&house, &isles(&["GB"]));
    assert_eq!(house.sessions.get("tv", &session.id).await.unwrap().region.as_deref(), Some("IE"));
    assert_eq!(house.sessions.change("tv", &session.id, to("a,a")).await.unwrap_err().code(), "region_restricted");
}

#[tokio::test]
async fn the_ledger_tells_the_market_of_each_line_and_the_viewers_labels_stay_as_they_are() {
    let house = house(&[german()]).await;
    let labels: std::collections::BTreeMap<_, _> = [("box".to_owned(), "x1".to_owned())].into();
    let request = CreateSession { labels: labels.clone(), ..in_market("a,z", "de") };
    let (session, _) = house.sessions.create("tv", request).await.unwrap();
    play(&house, &session, 20).await;
    let page = house.sessions.list("tv", ListSessions { limit: 1, ..ListSessions::default() }).await.unwrap();
    assert_eq!(page.sessions[0].labels, labels);
    house.sessions.end("tv", &session.id, EndedBy::Device).await.unwrap();
    let told = crate::store::testing::lines(&*house.disk, "tv").await;
    assert!(!told.is_empty());
    for line in told {
        assert_eq!((&*line.watched.labels[MARKET_LABEL], &*line.watched.labels["box"]), ("de", "x1"));
    }
}

#[tokio::test]
async fn a_session_whose_market_is_gone_is_given_no_other_games() {
    let mut house = house(&[german()]).await;
    let (session, _) = house.sessions.create("tv", in_market("a,z", "de")).await.unwrap();
    // The next process is configured without it.
    house.crash(Duration::from_secs(2)).await;
    let view = house.sessions.get("tv", &session.id).await.unwrap();
    assert_eq!((view.market.as_deref(), view.audio.as_str()), (Some("de"), "a"));
    let refused = house.sessions.change("tv", &session.id, to("z,y")).await.unwrap_err();
    assert_eq!(refused.code(), "game_restricted");
    assert!(refused.to_string().contains("is gone"), "{refused}");
    assert!(house.sessions.change("tv", &session.id, to("z,a")).await.is_ok(), "what it shows it may keep");
    let layout = ChangeSession { layout: Some("2PL".into()), ..ChangeSession::default() };
    assert!(house.sessions.change("tv", &session.id, layout).await.is_ok());
    house.clock.advance(Duration::from_secs(20));
    assert!(house.sessions.audio_playlist(token(&session), "a", NOW).await.is_ok());
    assert_eq!(house.sessions.audio_playlist(token(&session), "y", NOW).await.unwrap_err().code(), "game_unknown");
}

#[tokio::test]
async fn a_key_with_a_market_makes_its_sessions_there_and_nowhere_else() {
    let house = house(&[german(), Market { id: "fr".into(), ..german() }]).await;
    let terms = KeyTerms { market: Some("de".into()), ..KeyTerms::default() };
    let with = |market: Option<&str>, games: &str| CreateSession {
        market: market.map(str::to_owned),
        terms: terms.clone(),
        ..asking_for(games)
    };
    assert_eq!(house.sessions.create("tv", with(None, "z")).await.unwrap().0.market.as_deref(), Some("de"));
    assert_eq!(house.sessions.create("tv", with(None, "b")).await.unwrap_err().code(), "game_restricted");
    let elsewhere = house.sessions.create("tv", with(Some("fr"), "z")).await.unwrap_err();
    assert_eq!((elsewhere.code(), elsewhere.status()), ("forbidden", 403));
}

#[tokio::test]
async fn a_line_of_the_ledger_says_the_tier_that_was_offered() {
    let free = Market { tier: Tier { max_height: Some(720), features: None }, ..german() };
    let mut house = house(&[free]).await;
    let (low, _) = house.sessions.create("acme", asking_for("a")).await.unwrap();
    let terms = KeyTerms { tier: Tier { max_height: Some(540), features: None }, ..KeyTerms::default() };
    let high = CreateSession { max_height: Some(1080), terms, ..asking_for("a") };
    let (high, _) = house.sessions.create("acme", high).await.unwrap();
    assert_eq!(high.max_height, Some(540));
    let tiers = |lines: Vec<crate::store::MeterLine>, id: &str| -> BTreeSet<String> {
        lines.into_iter().filter(|line| line.session_id == id).map(|line| line.watched.tier).collect()
    };
    play(&house, &low, 20).await;
    for _ in 0..10 {
        let _ = house.sessions.video_playlist(token(&high), "540p", NOW).await;
        house.pass(2).await;
    }
    house.crash(Duration::from_secs(2)).await;
    for _ in 0..40 {
        let _ = house.sessions.video_playlist(token(&high), "540p", NOW).await;
        house.pass(2).await;
    }
    let lines = lines(&house).await;
    assert_eq!(tiers(lines.clone(), &low.id), BTreeSet::from(["1080p".to_owned()]));
    assert_eq!(tiers(lines, &high.id), BTreeSet::from(["540p".to_owned()]));
}

fn tiers() -> impl Strategy<Value = Tier> {
    let height = prop_oneof![Just(None), Just(Some(540)), Just(Some(720)), Just(Some(1079)), Just(Some(1080))];
    let feature = prop_oneof![Just(Feature::LowLatency), Just(Feature::Dolby), Just(Feature::Hdr)];
    (height, prop::option::of(prop::collection::btree_set(feature, 0..=3)))
        .prop_map(|(max_height, features)| Tier { max_height, features })
}

/// What a device does to get more.
#[derive(Clone, Debug)]
enum Act {
    Change(ChangeSession),
    Multivariant(Sounds, bool),
    Video(&'static str, Reload),
    Audio(&'static str, Reload),
    Sound(&'static str, Reload),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let reload = (any::<bool>(), prop::option::of(0u32..3), any::<bool>()).prop_map(|(parts, part, skip)| Reload {
        parts,
        part,
        skip,
        ..NOW
    });
    let games = prop_oneof![Just("z"), Just("z,y"), Just("a,b"), Just("y,z,a,a")];
    let audio = prop_oneof![Just("z"), Just("z/deu"), Just("z/eng-ad"), Just(DOLBY)];
    let change = (prop::option::of(games), prop::option::of(audio)).prop_map(|(games, audio)| {
        let games = games.map(|games: &str| games.split(',').map(str::to_owned).collect());
        Act::Change(ChangeSession { games, audio: audio.map(str::to_owned), ..ChangeSession::default() })
    });
    let sounds = prop_oneof![Just(Sounds::Main), Just(Sounds::Own), Just(Sounds::AsCame), Just(Sounds::All)];
    let name = prop_oneof![Just("1080p"), Just("540p"), Just("light"), Just("4k")];
    let game = prop_oneof![Just("z"), Just("z~deu"), Just(DOLBY_ADDRESS), Just("y~came-ac3-1")];
    let slot = prop_oneof![Just("main"), Just("0"), Just("0~deu"), Just("0~came-eac3-1")];
    let act = prop_oneof![
        change,
        (sounds, any::<bool>()).prop_map(|(sounds, parts)| Act::Multivariant(sounds, parts)),
        (name, reload.clone()).prop_map(|(name, reload)| Act::Video(name, reload)),
        (game, reload.clone()).prop_map(|(game, reload)| Act::Audio(game, reload)),
        (slot, reload).prop_map(|(slot, reload)| Act::Sound(slot, reload)),
    ];
    prop::collection::vec(act, 1..16)
}

/// As the test's game `z` has it.
const DOLBY: &str = "z/came-eac3-01c080f00";
const DOLBY_ADDRESS: &str = "z~came-eac3-01c080f00";

/// What `session` is told must lie within `tier`, whatever it asked for.
fn lies_within(tier: &Tier, text: &str) -> Result<(), TestCaseError> {
    for line in text.lines() {
        if let Some(size) = line.split("RESOLUTION=").nth(1) {
            let height: u32 = size.split(',').next().unwrap().split('x').nth(1).unwrap().parse().unwrap();
            prop_assert!(tier.max_height.is_none_or(|most| height <= most), "{line}");
        }
        if tier.max_height.is_some_and(|most| most < 1080) {
            prop_assert!(!line.contains("1080p"), "{line}");
        }
        if !tier.has(Feature::Hdr) {
            prop_assert!(!line.contains("light") && !line.contains("=PQ"), "{line}");
        }
        if !tier.has(Feature::Dolby) {
            prop_assert!(!line.contains("ec-3") && !line.contains("came-eac3"), "{line}");
        }
        if !tier.has(Feature::LowLatency) {
            let is_of_parts = line.starts_with("#EXT-X-PART") || line.starts_with("#EXT-X-PRELOAD");
            prop_assert!(!is_of_parts && !line.contains("low_latency=true") && !line.contains("PART-HOLD"), "{line}");
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn nothing_that_a_session_asks_for_gets_it_more_than_its_tier(
        of_key in tiers(), of_market in tiers(), asked in prop::option::of(540u32..2000), acts in acts(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let market = Market { tier: of_market.clone(), games: None, ..german() };
            let house = house(&[market]).await;
            *house.mosaics.bridges.lock() = true;
            house.mosaics.in_hdr.store(true, Ordering::Relaxed);
            let terms = KeyTerms { market: None, tier: of_key.clone() };
            let request = CreateSession { max_height: asked, terms, ..in_market("z,y", "de") };
            let (session, _) = house.sessions.create("tv", request).await.unwrap();
            // By other means than the product's: each of the two holds by itself.
            let both = [&of_key, &of_market];
            prop_assert!(session.max_height.is_none_or(|height| asked.is_none_or(|asked| height <= asked)));
            house.clock.advance(Duration::from_millis(20_400));
            for act in acts {
                let told = match act {
                    Act::Change(change) => {
                        let _ = house.sessions.change("tv", &session.id, change).await;
                        house.clock.advance(Duration::from_millis(2_300));
                        continue;
                    }
                    Act::Multivariant(sounds, parts) => {
                        house.sessions.multivariant(token(&session), sounds, parts, None).await
                    }
                    Act::Video(name, reload) => house.sessions.video_playlist(token(&session), name, reload).await,
                    Act::Audio(game, reload) => {
                        let told = house.sessions.audio_playlist(token(&session), game, reload).await;
                        let is_dolby = game.contains("came-") && both.iter().any(|tier| !tier.has(Feature::Dolby));
                        prop_assert!(!is_dolby || told.is_err(), "{game}");
                        told
                    }
                    Act::Sound(slot, reload) => house.sessions.sound_playlist(token(&session), slot, reload).await,
                };
                if let Ok(text) = told {
                    for tier in both {
                        lies_within(tier, &text)?;
                    }
                }
            }
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn hdr_is_offered_to_tiers_that_have_it() {
    let house = house(&[]).await;
    house.mosaics.in_hdr.store(true, Ordering::Relaxed);
    for (features, is_offered) in [
        (None, true),
        (Some(vec![Feature::Hdr, Feature::LowLatency]), true),
        (Some(vec![Feature::Dolby, Feature::LowLatency]), false),
    ] {
        let tier = Tier { max_height: None, features: features.map(|its| its.into_iter().collect()) };
        let request = CreateSession { terms: KeyTerms { market: None, tier }, ..asking_for("z") };
        let (session, _) = house.sessions.create("tv", request).await.unwrap();
        house.clock.advance(Duration::from_millis(20_400));
        let text = multivariant(&house, &session, Sounds::Own).await;
        assert_eq!(lines_with(&text, "VIDEO-RANGE=PQ").len(), 2 * usize::from(is_offered), "{text}");
        assert_eq!(text.contains("SCORE=2,AUDIO"), is_offered, "{text}");
        let list = house.sessions.video_playlist(token(&session), "light", NOW).await;
        assert_eq!(list.is_ok(), is_offered);
        let list = house.sessions.video_playlist(token(&session), "540p", Reload { parts: true, ..NOW }).await.unwrap();
        assert_eq!(list.contains("light.m3u8"), is_offered, "{list}");
    }
}
