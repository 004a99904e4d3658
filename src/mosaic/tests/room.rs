//! Who is let in, what runs ahead of demand, and which tiles there are.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::mosaic::testing::{House, Plan};
use crate::mosaic::{AdmitError, EngineChoice, EngineKind, Mosaics};

fn encoders(house: &House, kind: &str) -> i64 {
    house.settle();
    house.metrics.encoders.with_label_values(&[kind]).get()
}

fn retry_after_s(refused: Result<impl std::fmt::Debug, AdmitError>) -> u32 {
    match refused.unwrap_err() {
        AdmitError::Capacity { retry_after_s, .. } => retry_after_s,
        other => panic!("{other}"),
    }
}

#[test]
fn games_that_come_and_go_leave_no_tile_and_take_no_warmth_from_others() {
    let house = House::new(&Plan { keep_warm: None, ..Plan::default() });
    house.register("stays");
    house.finish(4);
    let warm = encoders(&house, "tile");
    assert!(warm > 2, "{warm}: all sizes of tiles that bundled layouts have, in the two renditions");
    for cycle in 0..12 {
        let game = format!("guest-{cycle}");
        house.register(&game);
        house.finish(2);
        house.until("the guest is warm", || encoders(&house, "tile") == 2 * warm);
        house.remove(&game);
        house.finish(2);
        house.until("nothing is left of it", || encoders(&house, "tile") == warm);
    }
    // A mosaic has its segments at once, as before the first of them came.
    let placement = house.want(EngineKind::Stitch, "1", &["stays"]).unwrap();
    assert!(house.segments(&placement.id).contains(placement.first_segment), "{placement:?}");
}

#[test]
fn the_tiles_of_a_removed_game_run_as_long_as_a_mosaic_holds_them() {
    let house = House::new(&Plan { keep_warm: None, ..Plan::default() });
    ["a", "b"].iter().for_each(|game| house.register(game));
    let mosaic = house.want(EngineKind::Stitch, "2EH", &["a", "b"]).unwrap().id;
    house.finish(2);
    house.remove("b");
    house.finish(3);
    assert_eq!(house.segments(&mosaic).newest(), Some(house.grid.segment_of(house.next()) - 1));
    house.remove("a");
    house.finish(1);
    house.until("two slots in two renditions", || encoders(&house, "tile") == 4);
    // Nobody wants the mosaic any more.
    house.clock.advance(Duration::from_secs(21));
    house.registry.sweep();
    house.until("none is left", || encoders(&house, "tile") == 0);
}

#[test]
fn late_pictures_refuse_what_costs_something_for_as_long_as_they_say() {
    let house = House::new(&Plan { cores: 8.0, mosaic_cores: 0.5, ..Plan::default() });
    house.want(EngineKind::Render, "1", &["a"]).unwrap();
    house.want(EngineKind::Stitch, "4E", &["a", "b", "c", "d"]).unwrap();
    house.registry.late();
    let render = || house.want(EngineKind::Render, "1", &["b"]);
    assert_eq!(retry_after_s(render()), 5);
    house.clock.advance(Duration::from_secs(3));
    assert_eq!(retry_after_s(render()), 2);
    // All its tiles run: any order of the games costs nothing.
    assert!(house.want(EngineKind::Stitch, "4E", &["d", "c", "b", "a"]).is_ok());
    house.clock.advance(Duration::from_secs(2));
    assert!(render().is_ok());
}

#[test]
fn a_change_that_takes_no_more_than_it_gives_up_is_let_in_however_late_the_machine_is() {
    for engine in [EngineKind::Render, EngineKind::Stitch] {
        let house = House::new(&Plan { cores: 8.0, mosaic_cores: 0.5, ..Plan::default() });
        let four = house.want(engine, "4E", &["a", "b", "c", "d"]).unwrap().id;
        house.registry.late();
        let instead = |left, layout, games: &[&str]| {
            house.registry.want_instead(left, &house.spec(layout, games), EngineChoice::Only(engine))
        };
        assert!(house.want(engine, "1", &["a"]).is_err(), "{}: a newcomer", engine.name());
        let one = instead(&four, "1", &["a"]).unwrap_or_else(|e| panic!("{}: {e}", engine.name())).id;
        // The room that it gave up is given away; and what was just let in for it makes no room for a third.
        assert!(instead(&four, "1", &["b"]).is_err(), "{}", engine.name());
        assert!(instead(&one, "1", &["b"]).is_err(), "{}", engine.name());
        let pass = |seconds: u32| {
            for _ in 0..seconds {
                house.clock.advance(Duration::from_secs(1));
                house.want(engine, "1", &["a"]).unwrap();
                house.registry.sweep();
            }
        };
        // What was left stops as soon as nobody lists it.
        pass(5);
        assert_eq!(house.metrics.mosaics.with_label_values(&[engine.name()]).get(), 1);
        pass(26);
        house.registry.late();
        assert!(instead(&one, "1", &["b"]).is_ok(), "{}: by then its own room is measured", engine.name());
    }
}

#[test]
fn late_pictures_cost_tiles_that_nobody_watches_and_no_others() {
    let house = House::new(&Plan { keep_warm: None, mosaic_cores: 0.5, ..Plan::default() });
    ["a", "b", "c"].iter().for_each(|game| house.register(game));
    let tiles = || encoders(&house, "tile");
    house.until("many tiles are warm", || {
        house.finish(1);
        tiles() > 3 * 4
    });
    let mut warm = 0;
    while warm != tiles() {
        warm = tiles();
        house.finish(3);
    }
    let watch = || house.want(EngineKind::Stitch, "2EH", &["a", "b"]).unwrap();
    watch();
    house.finish(1);
    assert_eq!(tiles(), warm, "the mosaic's are among them");
    let seconds = |count: u32, late: bool| {
        for _ in 0..count {
            house.clock.advance(Duration::from_secs(1));
            watch();
            if late {
                house.registry.late();
            }
            house.registry.sweep();
        }
    };
    seconds(2, true);
    assert_eq!(tiles(), warm, "a hiccup costs none");
    seconds(2, true);
    // Two slots in two renditions.
    house.until("those that are watched are left", || tiles() == 4);
    seconds(30, false);
    assert_eq!(tiles(), 4, "and none is begun again at once");
    seconds(40, false);
    house.until("later all are", || tiles() == warm);
}

#[test]
fn a_game_is_decoded_before_anything_runs_that_nobody_watches() {
    let house = House::new(&Plan { keep_warm: None, cores: 8.0, mosaic_cores: 0.5, ..Plan::default() });
    ["a", "b", "c"].iter().for_each(|game| house.register(game));
    let mut warm = 0;
    while warm != encoders(&house, "tile") || warm <= 4 {
        warm = encoders(&house, "tile");
        house.finish(3);
    }
    // What the tiles of tests take is next to nothing.
    let cores = house.registry.left_for_decoding() + 1e-9;
    assert!(house.registry.admit_decoding(cores), "{cores} of a machine that is full of what nobody watches");
    house.until("some of it is given up", || encoders(&house, "tile") < warm);
    // Not for one that would not fit anyhow; and what is watched is not given up.
    assert!(!house.registry.admit_decoding(100.0));
    house.finish(1);
    assert!(encoders(&house, "tile") > 0);
}

#[test]
fn tiles_that_others_share_are_not_given_up() {
    let house = House::new(&Plan { cores: 8.0, mosaic_cores: 0.5, ..Plan::default() });
    let four = house.want(EngineKind::Stitch, "4E", &["a", "b", "c", "d"]).unwrap().id;
    house.want(EngineKind::Stitch, "4E", &["d", "c", "b", "a"]).unwrap();
    house.registry.late();
    let stitch = EngineChoice::Only(EngineKind::Stitch);
    let one = house.registry.want_instead(&four, &house.spec("1", &["a"]), stitch);
    assert_eq!(retry_after_s(one), 5);
}

#[test]
fn the_operators_limit_lets_a_change_through_and_says_when_there_is_room() {
    let house = House::new(&Plan { max_mosaics: Some(1), ..Plan::default() });
    let one = house.want(EngineKind::Render, "1", &["a"]).unwrap().id;
    house.clock.advance(Duration::from_secs(8));
    // Nobody has asked for it for 8 of 20 seconds; a sweep comes within a second.
    assert_eq!(retry_after_s(house.want(EngineKind::Render, "1", &["b"])), 13);
    let render = EngineChoice::Only(EngineKind::Render);
    assert!(house.registry.want_instead(&one, &house.spec("1", &["b"]), render).is_ok());
    assert!(house.registry.want_instead(&one, &house.spec("1", &["c"]), render).is_err(), "a third at once");
}

#[test]
fn games_are_watched_while_a_mosaic_with_them_runs() {
    let house = House::new(&Plan::default());
    let watched = || house.registry.watched_games().iter().map(ToString::to_string).collect::<BTreeSet<_>>();
    assert!(watched().is_empty());
    house.one_of_each();
    house.want(EngineKind::Stitch, "4E", &["a", "a", "b", "e"]).unwrap();
    assert_eq!(watched(), ["a", "b", "c", "d", "e"].map(String::from).into());
    for _ in 0..25 {
        house.clock.advance(Duration::from_secs(1));
        house.registry.sweep();
    }
    assert!(watched().is_empty(), "nobody asks any more, though their segments may still be fetched");
}
