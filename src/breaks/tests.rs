//! What is put down, segment by segment, and what is told of it.

use std::collections::HashMap;
use std::sync::Arc;

use super::asking::left_out;
use super::creative::{Creative, Stage, segments_of};
use super::lineup::Lineup;
use super::stand_in::{Placed, StandIn};
use super::told::events_of;
use super::{CREATIVES_BYTES, CreativeKey, MOST_CREATIVES, check_decision_url, forget_creatives, name_of};
use crate::decisions::{ChosenAd, Event, MediaFile, Tracking};
use crate::encode::Libraries;
use crate::frame::Rect;
use crate::market::{Market, MarketBreaks};
use crate::reach::{Reach, Rules};
use crate::session::Instead;
use crate::timeline::Grid;
use crate::track::{LayeredShelf, MemoryShelf, TileName, is_stand_in};

fn grid() -> Grid {
    Grid::new("30".parse().unwrap(), 60)
}

fn media() -> MediaFile {
    MediaFile {
        url: "http://c/1.mp4".into(),
        media_type: "video/mp4".into(),
        width: 640,
        height: 360,
        bitrate_kbps: 0,
        codec: None,
    }
}

fn tile() -> TileName {
    TileName {
        game: "~acme/1".into(),
        rung: "360p".into(),
        width_mbs: 20,
        height_mbs: 23,
        inside: Rect { x: 0, y: 90, width: 320, height: 180 },
        whole: false,
        colour: [0; 3],
        over: "".into(),
    }
}

fn placed(from: u64, segments: u64) -> Placed {
    let ad = ChosenAd { id: None, duration_ms: 2000 * segments, media: media(), tracking: Vec::new() };
    let creative = Arc::new(Creative::new("acme", media(), ad.duration_ms, &grid(), 0));
    Placed { from, segments, creative, ad: Arc::new(ad), nth: 0 }
}

#[test]
fn a_server_is_not_asked_where_sources_may_not_lead() {
    let check = |url: &str, networks: &[&str]| {
        let networks = networks.iter().map(|network| network.parse().unwrap()).collect();
        let reach = Reach::new(Rules { networks, ..Rules::default() }, [Some("127.0.0.1:8080".parse().unwrap()), None]);
        let breaks = MarketBreaks { decision_url: Some(url.into()), ..MarketBreaks::default() };
        check_decision_url(&Market { breaks, ..Market::default() }, &reach)
    };
    for url in ["https://ads.example/v?g=[GAME]&r=[CACHEBUSTING]", "http://localhost/", "http://[GAME].example/"] {
        assert_eq!(check(url, &[]), Ok(()), "{url}");
    }
    for (url, network) in [
        ("http://127.0.0.1:9/", "127.0.0.0/8"),
        ("http://10.0.0.1/v?r=[CACHEBUSTING]", "10.0.0.0/8"),
        ("http://0x7f.1/", "127.0.0.0/8"),
        ("http://[::1]/v?g=[GAME]", "::1/128"),
        ("http://10.0.0.[SERVERSIDE]/", "10.0.0.0/8"),
    ] {
        let why = check(url, &[]).unwrap_err();
        assert!(why.ends_with("which is not allowed here"), "{why}");
        assert_eq!(check(url, &[network]), Ok(()), "{url}");
    }
    assert_eq!(check("http://127.0.0.1:8080/", &["127.0.0.0/8"]), Err("127.0.0.1 is this service itself".into()));
}

#[test]
fn what_is_a_little_longer_than_segments_is_cut_and_the_rest_is_given_one_more() {
    let of = |ms| segments_of(&grid(), ms);
    assert_eq!([30_000, 30_200, 30_251, 31_000].map(of), [15, 15, 16, 16]);
    assert_eq!([0, 1, 2_000, 1 << 40].map(of), [1, 1, 1, 90]);
    // A file that is shorter than was declared is not shown for longer than it is; one that is longer is cut.
    let creative = Creative::new("acme", media(), 30_000, &grid(), 0);
    creative.lasts(b"no boxes", &grid()).unwrap();
    creative.fetched("/x".into());
    assert_eq!((creative.segments(), creative.pictures(), creative.stage()), (15, None, Stage::There));
    assert!(creative.lasts(b"\0\0\0\x40mdat half of it", &grid()).is_err_and(|why| why.contains("cut off")));
}

#[test]
fn what_was_decided_is_read_again_as_it_was() {
    let tracking = vec![Tracking { event: Event::FirstQuartile, url: "http://t/?c=[CACHEBUSTING]".into() }];
    let ad = ChosenAd { id: Some("1".into()), duration_ms: 10_000, media: media(), tracking };
    let lineup = Lineup::one(ad, 100, 5);
    let kept = serde_json::to_string(&lineup).unwrap();
    assert_eq!(serde_json::from_str::<Lineup>(&kept).unwrap(), lineup, "{kept}");
}

#[test]
fn who_was_not_ready_in_time_is_told_so_and_what_an_early_return_cuts_off_is_nobodys_error() {
    let code =
        |stage: &Stage, is_made, turn, running| left_out(stage, is_made, turn, Some(110), running).map(|it| it.1);
    for running in [90, 100, 109] {
        assert_eq!(code(&Stage::Fetching, false, 100, running), None, "it may still come");
    }
    assert_eq!(code(&Stage::Fetching, false, 100, 110), Some(402));
    assert_eq!(code(&Stage::There, false, 109, 110), Some(407));
    assert_eq!(code(&Stage::There, true, 105, 111), Some(202));
    // It ended before its turn.
    assert_eq!(code(&Stage::There, false, 110, 110), None);
    assert_eq!(left_out(&Stage::Fetching, false, 100, None, 1_000), None, "nothing says when it ends");
    let failed = Stage::Failed { why: "no".into(), code: 405 };
    assert_eq!(code(&failed, false, 100, 50), Some(405));
}

#[test]
fn each_event_is_told_in_one_segment_and_in_its_order() {
    for segments in 1..40 {
        let placed = placed(100, segments);
        let all: Vec<Event> = (100..100 + segments).flat_map(|n| events_of(&placed, n)).collect();
        let expected = [
            Event::Impression,
            Event::Start,
            Event::FirstQuartile,
            Event::Midpoint,
            Event::ThirdQuartile,
            Event::Complete,
        ];
        assert_eq!(all, expected, "{segments} segments");
    }
    let at = |n: u64| events_of(&placed(100, 15), 100 + n);
    assert_eq!(at(0), [Event::Impression, Event::Start]);
    assert_eq!((at(3), at(7), at(14)), (vec![Event::FirstQuartile], vec![Event::Midpoint], vec![Event::Complete]));
    assert!(at(1).is_empty());
}

#[test]
fn sound_is_encoded_for_where_it_will_be() {
    let creative = Creative::new("acme", media(), 4_000, &grid(), 0);
    let wave = |n: usize| ((n as f64 * 0.05).sin() * 8000.0) as i16;
    creative.heard((0..2 * 4 * 48_000).map(|n| wave(n / 2)).collect());
    let mut lengths = Vec::new();
    for from in 700..704 {
        assert!(creative.coded(&grid(), from).is_none());
        creative.encode_sound(&Libraries, &grid(), from, 128_000).unwrap();
        let units = creative.coded(&grid(), from).unwrap();
        let expected = grid().first_aac_frame(from + 2) - grid().first_aac_frame(from);
        assert_eq!(units.len() as u64, expected);
        assert!(units.iter().skip(2).take(150).all(|unit| unit.len() > 20), "it is heard");
        lengths.push(units.len());
    }
    // Four segments later it lies as before.
    assert!(creative.coded(&grid(), 704).is_some() && creative.bytes() > 4 * 48_000);
}

#[test]
fn an_advertisement_whose_sound_is_not_known_yet_is_not_made() {
    let creative = Creative::new("acme", media(), 4_000, &grid(), 0);
    let tiles = [tile()];
    creative.fetched("/x".into());
    creative.ask(&tiles);
    creative.made(&tiles[0], None);
    assert!(!creative.is_made(&tiles), "it would be shown in silence");
    creative.heard(Arc::new([]));
    assert!(creative.is_made(&tiles));
}

#[test]
fn names_of_stand_ins_are_no_games_and_differ_where_what_they_are_of_does() {
    let name = name_of("acme", "ad", &["a", "bc"]);
    assert!(is_stand_in(&name) && name.len() < 64 + 32);
    assert_ne!(name, name_of("acme", "ad", &["ab", "c"]));
    assert_ne!(name, name_of("other", "ad", &["a", "bc"]));
    assert_eq!(name, name_of("acme", "ad", &["a", "bc"]));
}

#[test]
fn a_stand_in_gives_way_to_another_in_some_spans_and_leaves_no_hole() {
    let with = |until, spans: &[(u64, u64)]| {
        let all = Instead { from: 100, until, stand_in: "~ad".into() };
        let its = all.with(&"~slate".into(), spans.iter().map(|(from, end)| *from..*end));
        its.into_iter().map(|its| (its.stand_in.to_string(), its.from, its.until)).collect::<Vec<_>>()
    };
    let (ad, slate) =
        (|from, until| ("~ad".to_owned(), from, until), |from, end| ("~slate".to_owned(), from, Some(end)));
    assert_eq!(with(None, &[]), [ad(100, None)]);
    assert_eq!(with(Some(120), &[(90, 104)]), [slate(100, 104), ad(104, Some(120))]);
    assert_eq!(
        with(Some(120), &[(102, 104), (104, 106), (118, 130)]),
        [ad(100, Some(102)), slate(102, 104), slate(104, 106), ad(106, Some(118)), slate(118, 120)]
    );
    assert_eq!(with(None, &[(80, 90), (102, 104)]), [ad(100, Some(102)), slate(102, 104), ad(104, None)]);
}

/// A tile of another session's mosaic, of which nothing is made, shows the slate to its end.
#[test]
fn an_advertisement_that_is_not_made_for_a_tile_is_not_seen_in_it_and_what_is_over_is_nobodys() {
    let face = crate::feed::slate("b", crate::feed::BREAK).unwrap();
    let mut its = StandIn::new(("acme", "de"), face, 100, 0);
    let tile = tile();
    let shelf = LayeredShelf::new(Arc::new(MemoryShelf::new(grid(), 4)), None);
    its.used_in(std::slice::from_ref(&tile), &shelf);
    its.place(placed(100, 5));
    its.place(Placed { nth: 1, ..placed(105, 3) });
    assert_eq!(its.unseen_in(std::slice::from_ref(&tile), 102), [100..105, 105..108]);
    assert_eq!(its.unseen_in(std::slice::from_ref(&tile), 107).first(), Some(&(105..108)));
    assert!(its.unseen_in(std::slice::from_ref(&tile), 110).is_empty());
    assert!(!its.was_seen(std::slice::from_ref(&tile), 0, 102) && its.unseen_in(&[], 102).is_empty());
}

#[test]
fn who_was_away_in_the_middle_of_an_advertisement_has_not_seen_it() {
    let face = crate::feed::slate("b", crate::feed::BREAK).unwrap();
    let mut its = StandIn::new(("acme", "de"), face, 100, 0);
    its.place(placed(100, 5));
    let told = |its: &mut StandIn, session: &str, listed: &[u64]| {
        listed.iter().filter(|n| its.follows(session, 0, **n)).copied().collect::<Vec<_>>()
    };
    assert_eq!(told(&mut its, "all", &[100, 101, 102, 103, 104]), [100, 101, 102, 103, 104]);
    assert!(told(&mut its, "late", &[101, 102, 103, 104]).is_empty());
    assert_eq!(told(&mut its, "away", &[100, 101, 103, 104]), [100, 101]);
    assert_eq!(
        told(&mut its, "back", &[100, 102, 103, 100, 101]),
        [100, 100, 101],
        "from the beginning it counts again"
    );
}

fn key(n: usize) -> CreativeKey {
    ("acme".into(), n.to_string(), 1)
}

/// So many creatives, of which each was shown later than the one before.
fn creatives(count: usize) -> HashMap<CreativeKey, Arc<Creative>> {
    let its = |n| Arc::new(Creative::new("acme", media(), 2_000, &grid(), i64::try_from(n).unwrap()));
    (0..count).map(|n| (key(n), its(n))).collect()
}

#[test]
fn creatives_are_bounded_by_their_number_though_they_could_not_be_had() {
    let mut all = creatives(MOST_CREATIVES + 3);
    all.values().for_each(|creative| creative.fail("there is no such file".into(), 401));
    let in_a_break = all[&key(0)].clone();
    forget_creatives(&mut all);
    let there: Vec<usize> = (0..6).filter(|n| all.contains_key(&key(*n))).collect();
    assert_eq!(
        (all.len(), there),
        (MOST_CREATIVES, vec![0, 4, 5]),
        "those shown longest ago go, unless a break has them"
    );
    drop(in_a_break);
    forget_creatives(&mut all);
    assert_eq!(all.len(), MOST_CREATIVES, "with room nothing goes");
}

#[test]
fn creatives_are_bounded_by_the_memory_that_they_take() {
    let mut all = creatives(40);
    let sound: Arc<[i16]> = vec![0; 8 << 20].into();
    all.values().for_each(|creative| creative.heard(sound.clone()));
    forget_creatives(&mut all);
    assert_eq!(all.len(), CREATIVES_BYTES / (16 << 20));
    assert!((8..40).all(|n| all.contains_key(&key(n))), "those shown longest ago go");
}
