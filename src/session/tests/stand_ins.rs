//! Breaks: what stands in for games, planned ahead and to the segment, and that nothing that was listed once changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use proptest::prelude::*;

use super::{NOW, token};
use crate::assets::{AssetId, Skin, SkinOrigin};
use crate::cues::track::Break;
use crate::market::{DecidedFor, Market, MarketBreakPolicy, MarketBreaks};
use crate::mosaic::{EngineChoice, EngineKind, GameKey};
use crate::session::testing::{House, asking_for, grid};
use crate::session::{
    BreakAsk, BygoneAsk, ChangeSession, CreateSession, Instead, Reload, Served, SessionView, Sounds, StandIns,
};
use crate::timeline::SegmentNumber;

/// Has one stand-in for each game, which is there from a segment on.
#[derive(Default)]
pub(super) struct One {
    from: Mutex<SegmentNumber>,
    served: Mutex<Vec<(String, SegmentNumber)>>,
    /// It is yet to be made.
    is_coming: Mutex<bool>,
    /// Looks until that of the past is made; others are made at once.
    pub(super) bygone_in: Mutex<u32>,
    /// Every name's.
    skin: Mutex<Option<Arc<Skin>>>,
}

impl StandIns for One {
    fn instead(&self, ask: &BreakAsk) -> Option<Vec<Instead>> {
        if *self.is_coming.lock() {
            return None;
        }
        let from = ask.from.max(*self.from.lock());
        let is_any = ask.until.is_none_or(|until| from < until);
        let stand_in: GameKey = format!("~{}.{}", ask.tenant, ask.game.0).into();
        Some(if is_any { vec![Instead { from, until: ask.until, stand_in }] } else { Vec::new() })
    }

    fn bygone(&self, ask: &BygoneAsk) -> (GameKey, bool) {
        let mut left = self.bygone_in.lock();
        *left = left.saturating_sub(1);
        (format!("~{}.bygone.{}", ask.tenant, ask.game.0).into(), *left == 0)
    }

    fn served(&self, served: &Served) {
        let told = served.segments.clone().map(|n| (served.stand_in.to_string(), n));
        self.served.lock().extend(told);
    }

    fn skin(&self, _: &str, _: &str) -> Option<Arc<Skin>> {
        self.skin.lock().clone()
    }
}

pub(super) async fn house(breaks: MarketBreaks) -> (House, Arc<One>) {
    let one = Arc::default();
    (at_home(House::stitching().await, breaks, &one), one)
}

pub(super) fn at_home(house: House, breaks: MarketBreaks, one: &Arc<One>) -> House {
    let market = Market { id: "de".into(), title: "Germany".into(), breaks, ..Market::default() };
    house.sessions.markets().configure(&[("tv".to_owned(), market)]);
    house.sessions.set_stand_ins(one.clone());
    house
}

pub(super) fn slate() -> MarketBreaks {
    MarketBreaks { policy: MarketBreakPolicy::Slate, ..MarketBreaks::default() }
}

pub(super) async fn create(house: &House, games: &str) -> SessionView {
    let asked = CreateSession { market: Some("de".into()), ..asking_for(games) };
    house.sessions.create("tv", asked).await.unwrap().0
}

pub(super) fn running(house: &House) -> SegmentNumber {
    use crate::timeline::Clock as _;
    grid().segment_at(house.clock.now())
}

/// A break of segments.
pub(super) fn put(house: &House, game: &str, from: SegmentNumber, until: Option<SegmentNumber>) {
    put_as(house, "1", game, from, until);
}

fn put_as(house: &House, id: &str, game: &str, from: SegmentNumber, until: Option<SegmentNumber>) {
    let mut breaks = house.breaks.lock();
    breaks.retain(|(of, _)| **of != *game);
    let ends_at = until.map(|until| grid().segment_time(until));
    breaks.push((game.into(), Break { id: id.into(), starts_at: grid().segment_time(from), ends_at }));
}

/// The mosaic of each segment that is listed.
pub(super) async fn listed(house: &House, session: &SessionView, reload: Reload) -> BTreeMap<u64, String> {
    let Ok(text) = house.sessions.video_playlist(token(session), "1080p", reload).await else { return BTreeMap::new() };
    assert!(!text.contains("DISCONTINUITY") && !text.contains("EXT-X-GAP"), "{text}");
    let first = text.lines().find_map(|line| line.strip_prefix("#EXT-X-MEDIA-SEQUENCE:")).unwrap().parse().unwrap();
    let uris = text.lines().filter(|line| !line.starts_with('#'));
    let mosaic = |uri: &str| uri.split('/').rev().nth(2).unwrap().to_owned();
    (first..).zip(uris.map(mosaic)).collect()
}

/// The segments of those that are listed in which `stand_in` is seen.
pub(super) fn seen(listed: &BTreeMap<u64, String>, stand_in: &str) -> Vec<u64> {
    listed.iter().filter(|(_, mosaic)| mosaic.contains(stand_in)).map(|(n, _)| *n).collect()
}

/// Lets seconds pass, with a playlist each.
pub(super) async fn play(house: &House, session: &SessionView, seconds: u64, all: &mut BTreeMap<u64, String>) {
    for _ in 0..seconds {
        house.pass(1).await;
        for (n, mosaic) in listed(house, session, NOW).await {
            let before = all.entry(n).or_insert_with(|| mosaic.clone());
            assert_eq!(*before, mosaic, "segment {n} was listed as another's");
        }
    }
}

#[tokio::test]
async fn a_break_that_is_known_shows_on_its_segments_and_is_told_once() {
    let (house, one) = house(slate()).await;
    let session = create(&house, "a,b").await;
    let mut all = BTreeMap::new();
    play(&house, &session, 20, &mut all).await;
    let from = running(&house) + 3;
    put(&house, "b", from, Some(from + 5));
    play(&house, &session, 40, &mut all).await;
    assert_eq!(seen(&all, "~tv.b"), (from..from + 5).collect::<Vec<_>>());
    assert!(seen(&all, "~tv.a").is_empty());
    let told: Vec<_> = (from..from + 5).map(|n| ("~tv.b".to_owned(), n)).collect();
    assert_eq!(*one.served.lock(), told);
    // What the viewer asked for is what the session says.
    let view = house.sessions.get("tv", &session.id).await.unwrap();
    assert_eq!((view.games, view.revision), (vec!["a".to_owned(), "b".to_owned()], session.revision));
    // Of another market, or of none, nothing is other.
    let (free, _) = house.sessions.create("tv", asking_for("a,b")).await.unwrap();
    put(&house, "b", running(&house) + 2, None);
    let mut others = BTreeMap::new();
    play(&house, &free, 10, &mut others).await;
    assert!(seen(&others, "~tv").is_empty());
}

#[tokio::test]
async fn a_break_without_an_end_ends_when_that_is_said_and_early_is_early() {
    let (house, _) = house(slate()).await;
    let session = create(&house, "b").await;
    let mut all = BTreeMap::new();
    play(&house, &session, 20, &mut all).await;
    let from = running(&house) + 1;
    put(&house, "b", from, None);
    play(&house, &session, 20, &mut all).await;
    // It was over a while ago, and nobody knew.
    let now = running(&house);
    put(&house, "b", from, Some(now - 3));
    play(&house, &session, 20, &mut all).await;
    let shown = seen(&all, "~tv.b");
    // These mosaics take two segments to come.
    assert!((from..=from + 3).contains(&shown[0]), "{shown:?} from {from} on");
    assert_eq!(shown, (shown[0]..=shown[shown.len() - 1]).collect::<Vec<_>>());
    assert!((now - 1..=now + 1).contains(shown.last().unwrap()), "{shown:?} at {now}");
    // One that is called off before it began never shows.
    let from = running(&house) + 4;
    put(&house, "b", from, Some(from + 4));
    play(&house, &session, 3, &mut all).await;
    house.breaks.lock().clear();
    play(&house, &session, 20, &mut all).await;
    assert_eq!(seen(&all, "~tv.b"), shown);
}

#[tokio::test]
async fn viewers_change_games_in_a_break_and_begin_in_one() {
    let (house, one) = house(slate()).await;
    let session = create(&house, "a,b").await;
    let mut all = BTreeMap::new();
    play(&house, &session, 20, &mut all).await;
    let from = running(&house) + 1;
    put(&house, "b", from, Some(from + 24));
    play(&house, &session, 8, &mut all).await;
    let to = |games: &str| ChangeSession {
        games: Some(games.split(',').map(str::to_owned).collect()),
        ..ChangeSession::default()
    };
    // Another game in the other slot: what stands in goes on.
    house.sessions.change("tv", &session.id, to("c,b")).await.unwrap();
    play(&house, &session, 6, &mut all).await;
    // Away from the game, and back while it is in its break still.
    house.sessions.change("tv", &session.id, to("c,d")).await.unwrap();
    play(&house, &session, 12, &mut all).await;
    house.sessions.change("tv", &session.id, to("c,b")).await.unwrap();
    play(&house, &session, 40, &mut all).await;
    for (n, mosaic) in &all {
        let (is_b, stands_in) = (mosaic.contains('b'), mosaic.contains("~tv.b"));
        assert!(!stands_in || (from..from + 24).contains(n), "{n}: {mosaic}");
        assert!(!is_b || !(from + 3..from + 24).contains(n) || stands_in, "{n}: {mosaic}");
    }
    assert!(all.values().any(|mosaic| mosaic.contains('d')));
    // Who begins in a break begins with what stands in, as far as that is there.
    put(&house, "b", running(&house) - 10, Some(running(&house) + 8));
    *one.from.lock() = running(&house) - 2;
    let late = create(&house, "b").await;
    let mut first = BTreeMap::new();
    play(&house, &late, 20, &mut first).await;
    assert!(seen(&first, "~tv.b").len() >= 2, "{first:?}");
}

/// Where all of its mosaic is to be made yet, its first segments are the stand-in's, too; and where that is there later than they, it begins later.
#[tokio::test]
async fn who_begins_in_a_break_alone_sees_nothing_of_the_game_from_the_first_segment_on() {
    for laid_before in [10, 1] {
        let (house, one) = house(slate()).await;
        // Somebody of another market watches it.
        let (other, _) = house.sessions.create("tv", asking_for("b")).await.unwrap();
        play(&house, &other, 20, &mut BTreeMap::new()).await;
        let now = running(&house);
        put(&house, "b", now - 6, None);
        *one.from.lock() = now - laid_before;
        let session = create(&house, "b").await;
        // What was made of it beforehand.
        house.mosaics.running.lock().insert("1-~tv.b-of-tiles".into(), now - laid_before.min(4));
        let mut all = BTreeMap::new();
        all.extend(listed(&house, &session, NOW).await);
        assert!(!all.is_empty(), "it begins at once");
        play(&house, &session, 10, &mut all).await;
        assert_eq!(seen(&all, "~tv.b").len(), all.len(), "{all:?}");
    }
}

#[tokio::test]
async fn what_is_rendered_shows_the_programme() {
    let (house, _) = house(slate()).await;
    let engine = EngineChoice::Only(EngineKind::Render);
    let asked = CreateSession { market: Some("de".into()), engine, ..asking_for("a,b") };
    let (session, _) = house.sessions.create("tv", asked).await.unwrap();
    let mut all = BTreeMap::new();
    play(&house, &session, 20, &mut all).await;
    put(&house, "b", running(&house) + 1, None);
    play(&house, &session, 10, &mut all).await;
    let to = ChangeSession { games: Some(vec!["b".into(), "c".into()]), ..ChangeSession::default() };
    house.sessions.change("tv", &session.id, to).await.unwrap();
    play(&house, &session, 20, &mut all).await;
    assert!(seen(&all, "~tv").is_empty() && !seen(&all, "b-c").is_empty(), "{all:?}");
}

#[tokio::test]
async fn a_restart_that_knows_no_stand_ins_goes_on_with_the_programme() {
    let (mut house, _) = house(slate()).await;
    let session = create(&house, "a,b").await;
    let mut all = BTreeMap::new();
    play(&house, &session, 20, &mut all).await;
    let from = running(&house) + 1;
    put(&house, "b", from, Some(from + 20));
    play(&house, &session, 10, &mut all).await;
    assert!(!seen(&all, "~tv.b").is_empty());
    house.crash(std::time::Duration::from_secs(1)).await;
    // The next process knows nothing of stand-ins yet.
    house.pass(12).await;
    let after = listed(&house, &session, NOW).await;
    let newest = after.last_key_value().unwrap();
    assert!(!newest.1.contains("~tv"), "{after:?}");
}

#[tokio::test]
async fn a_restart_in_a_break_shows_nothing_of_the_game() {
    let (mut house, _) = house(slate()).await;
    let session = create(&house, "a,b").await;
    let mut all = BTreeMap::new();
    play(&house, &session, 20, &mut all).await;
    let from = running(&house) + 1;
    put(&house, "b", from, None);
    play(&house, &session, 10, &mut all).await;
    house.crash(std::time::Duration::from_secs(1)).await;
    let crashed = running(&house);
    let market = Market { id: "de".into(), title: "Germany".into(), breaks: slate(), ..Market::default() };
    house.sessions.markets().configure(&[("tv".to_owned(), market)]);
    let one = Arc::new(One::default());
    *one.is_coming.lock() = true;
    house.sessions.set_stand_ins(one.clone());
    // Who starts the service waits for it.
    assert!(house.sessions.direct_taken_up());
    *one.is_coming.lock() = false;
    assert!(!house.sessions.direct_taken_up());
    for _ in 0..12 {
        house.pass(1).await;
        let after = listed(&house, &session, NOW).await;
        let shown: Vec<_> = after.iter().filter(|(n, mosaic)| **n >= crashed && !mosaic.contains("~tv.b")).collect();
        assert!(shown.is_empty(), "{shown:?}");
    }
    assert!(!listed(&house, &session, NOW).await.is_empty());
}

/// What the process before made and nobody was told of is on the disk: the game's pictures, too.
#[tokio::test]
async fn what_nobody_was_told_of_before_a_restart_in_a_break_shows_nothing_of_the_game_either() {
    for laid_before in [4, 0] {
        let (mut house, _) = house(slate()).await;
        let session = create(&house, "a,b").await;
        let mut all = BTreeMap::new();
        play(&house, &session, 20, &mut all).await;
        let from = running(&house) + 3;
        put(&house, "b", from, None);
        play(&house, &session, 20, &mut all).await;
        let listed_by = running(&house);
        // It goes on for a while, and nobody asks.
        house.pass(5).await;
        house.sessions.shutdown().await;
        house.crash(std::time::Duration::from_secs(1)).await;
        for mosaic in ["2EH-a-b-of-tiles", "2EH-a-~tv.b-of-tiles"] {
            house.mosaics.running.lock().insert(mosaic.into(), from - 10);
        }
        let market = Market { id: "de".into(), title: "Germany".into(), breaks: slate(), ..Market::default() };
        house.sessions.markets().configure(&[("tv".to_owned(), market)]);
        let one = Arc::new(One::default());
        *one.from.lock() = running(&house) - laid_before;
        house.sessions.set_stand_ins(one);
        assert!(!house.sessions.direct_taken_up());
        let after = listed(&house, &session, NOW).await;
        assert!(after.contains_key(&listed_by) && after.contains_key(&(listed_by + 1)), "{after:?}");
        let shown: Vec<_> = after.iter().filter(|(n, mosaic)| **n >= from && !mosaic.contains("~tv.b")).collect();
        assert!(shown.is_empty(), "laid {laid_before} before: {shown:?}");
    }
}

/// As where a market shows advertisements instead of its slate from now on.
#[tokio::test]
async fn what_stands_in_stays_until_what_is_to_stand_in_now_is_made_and_viewers_may_change_meanwhile() {
    let (house, one) = house(slate()).await;
    let session = create(&house, "a,b").await;
    let mut all = BTreeMap::new();
    play(&house, &session, 20, &mut all).await;
    let from = running(&house) + 3;
    put(&house, "b", from, Some(from + 30));
    play(&house, &session, 12, &mut all).await;
    *one.is_coming.lock() = true;
    play(&house, &session, 10, &mut all).await;
    let newest = *all.last_key_value().unwrap().0;
    assert_eq!(seen(&all, "~tv.b"), (from..=newest).collect::<Vec<_>>());
    let to = ChangeSession { games: Some(vec!["a".into(), "c".into()]), ..ChangeSession::default() };
    let changed = house.sessions.change("tv", &session.id, to).await.unwrap();
    play(&house, &session, 12, &mut all).await;
    let after = all.range(changed.effective_segment..).map(|(_, mosaic)| mosaic);
    assert!(after.clone().count() > 2 && after.clone().all(|mosaic| mosaic.contains("a-c")), "{all:?}");
}

/// Says for each segment that was listed what stood in, and that is what is told.
fn is_told_as_listed(one: &One, all: &BTreeMap<u64, String>) {
    let told = one.served.lock();
    for (stand_in, n) in &*told {
        assert!(all.get(n).is_none_or(|mosaic| mosaic.contains(stand_in)), "{stand_in} in {n}: {all:?}");
    }
    let newest = told.last().map_or(0, |(_, n)| *n);
    for (n, mosaic) in all.range(..=newest) {
        let its: Vec<_> = told.iter().filter(|(_, segment)| segment == n).map(|(stand_in, _)| stand_in).collect();
        assert_eq!(its.len(), mosaic.matches("~tv").count(), "{its:?} in {n}: {mosaic}");
    }
}

fn to(games: &str) -> ChangeSession {
    let games: Vec<String> = games.split(',').map(str::to_owned).collect();
    let layout = Some(if games.len() == 1 { "1" } else { "2EH" }.to_owned());
    ChangeSession { games: Some(games), layout, ..ChangeSession::default() }
}

#[tokio::test]
async fn who_changes_to_games_whose_stand_in_is_yet_to_be_made_sees_nothing_of_the_game_meanwhile() {
    let heard = ChangeSession { audio: Some("b".into()), ..ChangeSession::default() };
    let layout = ChangeSession { layout: Some("2PL".into()), ..ChangeSession::default() };
    let changes = [("a,b", to("c,b")), ("a,b", to("b,a")), ("a,b", to("b")), ("c,d", to("a,b")), ("a,b", heard)];
    for (games, change) in changes.into_iter().chain([("a,b", layout)]) {
        for seconds in [0, 1, 5] {
            let (house, one) = house(slate()).await;
            let (session, mut all) = (create(&house, games).await, BTreeMap::new());
            // Everything is made for others.
            for others in ["c,b", "b,a", "b", "a,b"] {
                house.sessions.create("tv", asking_for(others)).await.unwrap();
            }
            play(&house, &session, 20, &mut all).await;
            let from = running(&house) + 3;
            put(&house, "b", from, Some(from + 30));
            play(&house, &session, 20 + seconds % 2, &mut all).await;
            *one.is_coming.lock() = true;
            let changed = house.sessions.change("tv", &session.id, change.clone()).await.unwrap();
            assert_eq!(changed.revision, session.revision + 1);
            play(&house, &session, seconds, &mut all).await;
            *one.is_coming.lock() = false;
            play(&house, &session, 16, &mut all).await;
            let view = house.sessions.get("tv", &session.id).await.unwrap();
            for (n, mosaic) in all.range(from..) {
                let is_shown = mosaic.split('-').any(|part| part == "b");
                assert!(!is_shown, "{games} to {:?} after {seconds}: {n}: {mosaic}", view.games);
            }
            let (newest, mosaic) = all.last_key_value().unwrap();
            assert!(mosaic.contains("~tv.b"), "{newest}: {mosaic}");
            if view.games != ["a", "b"] {
                let begins = |(n, shown): (&u64, &String)| (shown == mosaic).then_some(*n);
                assert_eq!(all.iter().find_map(begins), Some(view.effective_segment), "{all:?}");
            }
            is_told_as_listed(&one, &all);
        }
    }
}

#[tokio::test]
async fn what_is_told_of_stand_ins_is_what_was_listed_whatever_is_changed_in_the_break() {
    for (first, second) in [("a,b", "c,d"), ("a,b", "d,b"), ("b", "b,d"), ("a,b", "d"), ("b,d", "a")] {
        for seconds in [0, 1] {
            let (house, one) = house(slate()).await;
            let (session, mut all) = (create(&house, first).await, BTreeMap::new());
            play(&house, &session, 20, &mut all).await;
            let from = running(&house) + 3;
            put(&house, "b", from, Some(from + 30));
            put(&house, "d", from, Some(from + 30));
            play(&house, &session, 20 + seconds, &mut all).await;
            house.sessions.change("tv", &session.id, to(second)).await.unwrap();
            play(&house, &session, 14, &mut all).await;
            house.sessions.change("tv", &session.id, to(first)).await.unwrap();
            play(&house, &session, 14, &mut all).await;
            is_told_as_listed(&one, &all);
        }
    }
}

#[tokio::test]
async fn one_game_alone_is_squeezed_back_and_others_are_not() {
    let breaks = MarketBreaks {
        policy: MarketBreakPolicy::SqueezeBack,
        layout: Some("1L".into()),
        decided_for: DecidedFor::Market,
        ..MarketBreaks::default()
    };
    let (house, _) = house(breaks).await;
    let (alone, both) = (create(&house, "b").await, create(&house, "a,b").await);
    let (mut of_one, mut of_both) = (BTreeMap::new(), BTreeMap::new());
    for _ in 0..20 {
        play(&house, &alone, 1, &mut of_one).await;
        play(&house, &both, 0, &mut of_both).await;
    }
    let from = running(&house) + 3;
    put(&house, "b", from, Some(from + 4));
    for _ in 0..30 {
        play(&house, &alone, 1, &mut of_one).await;
        of_both.extend(listed(&house, &both, NOW).await);
    }
    assert_eq!(seen(&of_one, "1L"), (from..from + 4).collect::<Vec<_>>());
    assert!(seen(&of_both, "1L").is_empty());
    assert_eq!(house.sessions.get("tv", &alone.id).await.unwrap().layout, "1");
}

#[tokio::test]
async fn art_of_a_break_stays_until_it_is_over_whatever_becomes_of_its_skin() {
    let breaks = MarketBreaks {
        policy: MarketBreakPolicy::SqueezeBack,
        layout: Some("1L".into()),
        skin: Some("red".into()),
        ..MarketBreaks::default()
    };
    let (house, one) = house(breaks).await;
    let [first, second]: [AssetId; 2] = ["1", "2"].map(|digit| digit.repeat(64).parse().unwrap());
    let has = |asset: AssetId| {
        let art = [("frame".to_owned(), asset)].into();
        *one.skin.lock() = Some(Arc::new(Skin { id: "red".into(), art, origin: SkinOrigin::default() }));
    };
    let (session, mut all) = (create(&house, "b").await, BTreeMap::new());
    play(&house, &session, 20, &mut all).await;
    let from = running(&house) + 12;
    put(&house, "b", from, Some(from + 6));
    has(first);
    play(&house, &session, 8, &mut all).await;
    // It is not planned yet: another edition shows.
    has(second);
    while running(&house) < from + 2 {
        play(&house, &session, 1, &mut all).await;
    }
    let showing = || [first, second].map(|asset| house.sessions.showing("tv", &asset));
    assert_eq!(showing(), [0, 1]);
    *one.skin.lock() = None;
    play(&house, &session, 2, &mut all).await;
    assert_eq!(showing(), [0, 1]);
    has(first);
    play(&house, &session, 40, &mut all).await;
    assert_eq!(showing(), [0, 0]);
    let its: Vec<&String> = all.values().filter(|mosaic| mosaic.contains("1L")).collect();
    assert!(its.len() == 6 && its.iter().all(|mosaic| *mosaic == its[0]), "{its:?}");
    // The next break has what there is by then.
    let from = running(&house) + 3;
    put_as(&house, "2", "b", from, Some(from + 4));
    play(&house, &session, 10, &mut all).await;
    assert_eq!(showing(), [1, 0]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever is said of a break, and however a player polls, what was listed once stays as it was, and no segment is missing.
    #[test]
    fn what_was_listed_stays(
        parts in any::<bool>(),
        steps in prop::collection::vec((0u64..4, 0u64..6, prop::option::of(0u64..8), any::<bool>()), 1..12),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (house, _) = house(slate()).await;
            let session = create(&house, "a,b").await;
            let reload = Reload { parts, ..NOW };
            let mut all: BTreeMap<u64, String> = BTreeMap::new();
            house.pass(20).await;
            for (seconds, from, length, polls) in steps {
                let from = running(&house) + from - 2;
                put(&house, "b", from, length.map(|length| from + length));
                house.pass(seconds).await;
                // Who asks for nothing but the list of renditions watches nothing, and stays.
                house.sessions.multivariant(token(&session), Sounds::Own, parts, None).await.unwrap();
                if polls {
                    for (n, mosaic) in listed(&house, &session, reload).await {
                        let before = all.entry(n).or_insert_with(|| mosaic.clone());
                        assert_eq!(*before, mosaic, "segment {n}");
                    }
                }
            }
            house.breaks.lock().clear();
            house.pass(12).await;
            let last = listed(&house, &session, reload).await;
            assert!(!last.last_key_value().unwrap().1.contains("~tv"), "{last:?}");
            assert!(last.keys().copied().eq(*last.first_key_value().unwrap().0..=*last.last_key_value().unwrap().0));
        });
    }
}
