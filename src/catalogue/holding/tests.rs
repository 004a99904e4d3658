//! Who gives way, and who comes back.

use super::*;

fn at(s: u64) -> MediaTime {
    MediaTime::from_secs(s)
}

/// Feeds of one tenant.
fn of(names: &[&'static str]) -> Holding<&'static str> {
    let mut holding = Holding::new(Shares::default());
    for name in names {
        holding.came(name, Some("acme"));
    }
    holding
}

/// All of them decode, but those that are called dead.
fn see(holding: &mut Holding<&'static str>, watched: &[&'static str]) {
    let decoding = holding.feeds.keys().copied().filter(|key| !key.starts_with("dead")).collect();
    holding.are_seen(&watched.iter().copied().collect(), &decoding);
}

fn on_hold(holding: &Holding<&'static str>) -> BTreeMap<&'static str, (OnHold, u64)> {
    let held = holding.feeds.keys().filter_map(|key| Some((*key, holding.on_hold(key)?)));
    held.map(|(key, (why, rest))| (key, (why, rest.as_secs()))).collect()
}

/// A machine that is late for as long as `is_late` says, looked at every second: what was done, and when.
fn run(
    holding: &mut Holding<&'static str>,
    seconds: std::ops::Range<u64>,
    is_late: impl Fn(u64, &Holding<&'static str>) -> bool,
) -> Vec<(u64, String)> {
    let (mut done, mut late_at) = (Vec::new(), None);
    for second in seconds {
        let late = is_late(second, holding);
        late_at = if late { Some(at(second)) } else { late_at };
        let before = on_hold(holding);
        see(holding, &[]);
        holding.look(at(second), late, late_at, true, &KeptBy::new());
        let now = on_hold(holding);
        let gone = now.iter().filter(|(key, _)| !before.contains_key(*key));
        done.extend(gone.map(|(key, (_, rest))| (second, format!("{key} rests {rest}"))));
        let back = before.keys().filter(|key| !now.contains_key(*key));
        done.extend(back.map(|key| (second, format!("{key} is back"))));
    }
    done
}

fn said(done: &[(u64, String)]) -> Vec<(u64, &str)> {
    done.iter().map(|(second, what)| (*second, what.as_str())).collect()
}

#[test]
fn the_newest_gives_way_one_after_another_and_never_more_than_half() {
    let mut holding = of(&["a", "b", "c", "d", "e"]);
    let done = run(&mut holding, 100..200, |_, _| true);
    assert_eq!(said(&done), [(100, "e rests 60"), (110, "d rests 60")]);
    assert_eq!(holding.held(), 2);
    let mut one = of(&["a"]);
    assert_eq!(run(&mut one, 100..200, |_, _| true), [], "the only one is not what is too much");
}

#[test]
fn a_game_that_decodes_nothing_is_in_nobody_s_way() {
    // The newest are twelve games of the same tenant that have no source, and one of another tenant.
    let mut holding = of(&["a", "b", "c", "d"]);
    let dead = ["dead1", "dead2", "dead3", "dead4", "dead5", "dead6", "dead7", "dead8", "dead9", "deada", "deadb"];
    dead.iter().for_each(|name| _ = holding.came(name, Some("acme")));
    holding.came(&"deadc", Some("other"));
    let done = run(&mut holding, 100..200, |_, _| true);
    assert_eq!(said(&done), [(100, "d rests 60"), (110, "c rests 60")], "half of those that decode");
    // What is on hold is not given the place of what takes nothing.
    assert_eq!(look_on(&mut holding, &["c", "b", "a"], 200..220, true), "c d");
    // One that was given cores, of which no picture comes, frees none either.
    let (mut holding, turn) = two(&[("a", 0.2), ("deadd", 0.5)], Shares::default());
    holding.granted(&"other", turn, 0.1);
    assert_eq!(said(&run(&mut holding, 100..200, |_, _| true)), [(100, "a rests 60")]);
}

#[test]
fn those_on_hold_come_back_oldest_first_once_pictures_are_in_time() {
    let mut holding = of(&["a", "b", "c", "d", "e"]);
    let done = run(&mut holding, 100..300, |second, _| second < 180);
    let expected = [(100, "e rests 60"), (110, "d rests 60"), (189, "d is back"), (199, "e is back")];
    assert_eq!(said(&done), expected);
    assert_eq!(holding.held(), 0);
    let mut holding = of(&["a", "b"]);
    see(&mut holding, &[]);
    holding.look(at(100), true, Some(at(100)), true, &KeptBy::new());
    (101..1000).for_each(|second| holding.look(at(second), false, Some(at(100)), false, &KeptBy::new()));
    assert_eq!(holding.held(), 1, "where there is no room nobody is taken up");
    holding.look(at(1000), false, Some(at(100)), true, &KeptBy::new());
    assert_eq!(holding.held(), 0);
}

#[test]
fn a_feed_that_is_in_the_way_again_and_again_rests_longer_and_longer() {
    let mut holding = of(&["a", "b"]);
    // With both of them it is too much.
    let done = run(&mut holding, 1000..3800, |_, holding| holding.held() == 0);
    let rests: Vec<_> = done.iter().filter(|(_, what)| what.contains("rests")).map(|(_, what)| what.as_str()).collect();
    assert_eq!(rests, ["b rests 60", "b rests 120", "b rests 240", "b rests 480", "b rests 960", "b rests 960"]);
    let back = done.iter().filter(|(_, what)| what.contains("back")).count();
    assert_eq!(back, 5, "{done:?}");
    let mut patient = of(&["a", "b"]);
    run(&mut patient, 1000..1100, |second, _| second == 1000);
    assert_eq!(said(&run(&mut patient, 4000..4001, |_, _| true)), [(4000, "b rests 60")], "that was long ago");
}

#[test]
fn what_is_changed_or_registered_again_is_new_and_a_feed_that_is_replaced_keeps_its_place() {
    let mut holding = of(&["a", "b", "c", "d"]);
    holding.came(&"b", Some("acme"));
    assert_eq!(said(&run(&mut holding, 100..101, |_, _| true)), [(100, "d rests 60")]);
    // Its title was changed: a feed that runs.
    holding.came(&"d", Some("acme"));
    assert_eq!(holding.held(), 0);
    holding.forget(&"a");
    holding.came(&"a", Some("acme"));
    let done = run(&mut holding, 200..220, |_, _| true);
    assert_eq!(said(&done), [(200, "a rests 60"), (210, "d rests 120")]);
}

/// Feeds of `greedy`, and then one of `other`; each of the first takes so many cores.
fn two(greedy: &[(&'static str, f64)], limits: Shares) -> (Holding<&'static str>, Turn) {
    let mut holding = Holding::new(limits);
    for (name, cores) in greedy {
        let turn = holding.came(name, Some("greedy"));
        assert!(holding.asks(name, turn, *cores));
        holding.granted(name, turn, *cores);
    }
    let turn = holding.came(&"other", Some("other"));
    (holding, turn)
}

#[test]
fn a_feed_of_a_tenant_below_its_share_is_given_room_by_the_newest_of_the_one_above() {
    let (mut holding, turn) = two(&[("a", 0.8), ("b", 0.4), ("c", 0.4)], Shares::default());
    assert!(holding.asks(&"other", turn, 0.5));
    assert!((holding.left(&"other", 0.1, &KeptBy::new()) - 0.85).abs() < 1e-9, "half of 1.7");
    let freed = holding.make_room(at(100), &"other", 0.5, 0.1, &KeptBy::new()).unwrap();
    assert!((freed - 0.4).abs() < 1e-9);
    holding.granted(&"other", turn, 0.5);
    assert_eq!(on_hold(&holding), BTreeMap::from([("c", (OnHold::Share, 60))]));
    let (standing, held) = holding.standing("greedy", 0.0, &KeptBy::new());
    assert!((standing.taken - 1.2).abs() < 1e-9 && (standing.wanted - 1.6).abs() < 1e-9 && held == 1);
    // It rests, and what it asks for meanwhile it is not given. Back, it takes what is free and nothing of the other's.
    let again = holding.came(&"c", Some("greedy"));
    assert!(holding.asks(&"c", again, 0.4));
    assert_eq!(holding.make_room(at(200), &"c", 0.4, 0.0, &KeptBy::new()), None);
    assert_eq!(holding.refused(&"c").map(|(_, why)| why), Some(Beyond::Share));
    holding.over(&"other", turn);
    assert_eq!(holding.taken(), BTreeMap::from([("greedy".into(), 0.8 + 0.4), ("other".into(), 0.0)]));
    holding.granted(&"c", again, 0.4);
    assert_eq!(holding.refused(&"c"), None);
}

#[test]
fn what_an_earlier_feed_of_a_game_or_one_on_hold_asks_for_is_not_given() {
    let (mut holding, turn) = two(&[("a", 1.0)], Shares::default());
    let next = holding.came(&"other", Some("other"));
    assert!(!holding.asks(&"other", turn, 0.1));
    holding.granted(&"other", turn, 0.1);
    assert!(holding.asks(&"other", next, 0.1));
    holding.granted(&"other", next, 0.1);
    holding.over(&"other", turn);
    assert_eq!(holding.taken()["other"], 0.1, "it is the other's that is over");
    holding.put_on_hold(at(1), &"other", OnHold::Late);
    assert!(!holding.asks(&"other", next, 0.1));
    holding.over(&"other", next);
    assert_eq!((holding.taken()["other"], holding.standing("other", 0.0, &KeptBy::new()).0.wanted), (0.0, 0.1));
}

#[test]
fn a_tenant_has_its_limit_however_much_is_free() {
    let limits = Shares::new([("greedy".into(), Some(1.0)), ("other".into(), None)]);
    let (mut holding, _) = two(&[("a", 0.8)], limits);
    let turn = holding.came(&"b", Some("greedy"));
    assert!(!holding.asks(&"b", turn, 0.3));
    assert_eq!(holding.refused(&"b"), Some((0.8, Beyond::Limit(1.0))));
    assert!((holding.left(&"b", 9.0, &KeptBy::new()) - 0.2).abs() < 1e-9);
    assert!(holding.asks(&"b", turn, 0.2), "a part of it, thinned");
    let mut shared = Holding::new(Shares::default());
    let turn = shared.came(&"shared", None);
    assert!(shared.asks(&"shared", turn, 99.0), "of the configuration: no tenant's");
}

#[test]
fn pictures_that_are_late_cost_the_tenant_that_has_most() {
    let mut holding = Holding::new(Shares::default());
    holding.came(&"shared", None);
    for name in ["a", "b", "c", "d"] {
        holding.came(&name, Some("greedy"));
    }
    // Newest of all.
    holding.came(&"other", Some("other"));
    let done = run(&mut holding, 100..200, |_, _| true);
    assert_eq!(said(&done), [(100, "d rests 60"), (110, "c rests 60"), (120, "b rests 60")]);
    assert!(on_hold(&holding).values().all(|(why, _)| *why == OnHold::Late));
    let back = run(&mut holding, 200..400, |_, _| false);
    assert_eq!(back.first().map(|(_, what)| what.as_str()), Some("b is back"), "{back:?}");
}

/// Pictures are late for the first so many seconds from 100 on.
fn look_on(
    holding: &mut Holding<&'static str>,
    watched: &[&'static str],
    seconds: std::ops::Range<u64>,
    late: bool,
) -> String {
    see(holding, watched);
    let late_at = Some(at(if late { seconds.end } else { seconds.start.min(100) }));
    seconds.for_each(|second| holding.look(at(second), late, late_at, true, &KeptBy::new()));
    on_hold(holding).into_keys().collect::<Vec<_>>().join(" ")
}

#[test]
fn what_nobody_watches_goes_first_and_gives_its_place_to_what_somebody_picks() {
    let mut holding = of(&["a", "b", "c", "d", "e", "f"]);
    assert_eq!(look_on(&mut holding, &["d", "e", "f"], 100..125, true), "a b c", "the newest of them first");
    assert_eq!(look_on(&mut holding, &["d", "e"], 125..126, false), "a b c", "nobody asks for them");
    // Its rest is not over, and it is what is wanted; one of the three that run is not.
    assert_eq!(look_on(&mut holding, &["a", "d", "e"], 130..131, false), "b c f");
    assert_eq!(look_on(&mut holding, &["a", "b", "c"], 131..140, true), "b c f", "what was done shows first");
    assert_eq!(look_on(&mut holding, &["a", "b", "c"], 140..141, true), "c e f", "while pictures are late, too");
    assert_eq!(look_on(&mut holding, &["a", "b", "c"], 150..151, true), "d e f");
    assert_eq!(look_on(&mut holding, &["a", "b", "c", "d"], 160..161, true), "d e f", "all that run are watched");
    assert!(on_hold(&holding).values().all(|(why, rest)| (*why, *rest) == (OnHold::Late, 60)));
    assert_eq!(look_on(&mut holding, &["f"], 231..232, false), "d e", "what is wanted comes back first");
}

#[test]
fn a_game_is_exchanged_for_one_of_its_own_tenant_that_takes_as_much() {
    let (mut holding, turn) = two(&[("a", 0.2), ("b", 0.4)], Shares::default());
    assert!(holding.asks(&"other", turn, 0.4));
    holding.granted(&"other", turn, 0.4);
    holding.put_on_hold(at(100), &"b", OnHold::Late);
    assert_eq!(look_on(&mut holding, &["b"], 100..105, false), "b", "one takes less, the other is another's");
    let turn = holding.came(&"c", Some("greedy"));
    assert!(holding.asks(&"c", turn, 0.5));
    holding.granted(&"c", turn, 0.5);
    assert_eq!(look_on(&mut holding, &["b"], 105..106, false), "c");
    assert_eq!(holding.taken()["greedy"], 0.2, "until it asks");
}

#[test]
fn a_watched_game_of_the_configuration_is_back_before_newcomers_of_tenants_begin() {
    let mut holding = Holding::new(Shares::default());
    let turns = ["shared", "common"].map(|name| (name, holding.came(&name, None)));
    let begin = |holding: &mut Holding<_>, (name, turn)| {
        assert!(holding.asks(&name, turn, 0.4));
        holding.granted(&name, turn, 0.4);
    };
    turns.iter().for_each(|of| begin(&mut holding, *of));
    assert_eq!(look_on(&mut holding, &["shared", "common"], 100..105, true), "common", "there is nothing else");
    let turn = holding.came(&"new", Some("acme"));
    assert!(holding.asks(&"new", turn, 0.2) && holding.yields(&"new", at(106)));
    let other = holding.came(&"another", None);
    assert!(holding.asks(&"another", other, 0.2) && !holding.yields(&"another", at(106)), "as much as the other is");
    holding.forget(&"another");
    see(&mut holding, &["shared"]);
    assert!(!holding.yields(&"new", at(106)), "nobody watches it");
    holding.granted(&"new", turn, 0.2);
    see(&mut holding, &["shared", "common"]);
    assert!(!holding.yields(&"new", at(107)), "it runs: what it asks for more is nothing new");
    // Its rest would last until 160. It is the other one that is too much now.
    assert_eq!(look_on(&mut holding, &["shared", "common"], 107..120, false), "");
    begin(&mut holding, turns[1]);
    assert_eq!(look_on(&mut holding, &["shared", "common", "new"], 130..131, true), "new");
    // Where no tenant's game runs it was in the way by itself.
    holding.forget(&"new");
    assert_eq!(look_on(&mut holding, &["shared", "common"], 141..142, true), "common");
    assert_eq!(look_on(&mut holding, &["shared", "common"], 152..200, false), "common");
}

#[test]
fn newcomers_wait_for_a_watched_game_of_the_configuration_that_waits_itself() {
    let mut holding = Holding::new(Shares::default());
    let first = holding.came(&"shared", None);
    holding.came(&"new", Some("acme"));
    see(&mut holding, &["shared"]);
    assert!(!holding.yields(&"new", at(100)));
    holding.has_to_wait(&"shared", first, at(100));
    holding.over(&"shared", first);
    assert!(holding.yields(&"new", at(102)) && !holding.yields(&"shared", at(102)));
    assert!(!holding.yields(&"new", at(106)), "it has asked for nothing for a while: its source is gone");
    holding.has_to_wait(&"shared", first, at(106));
    holding.granted(&"shared", first, 0.2);
    assert!(!holding.yields(&"new", at(107)));
}
