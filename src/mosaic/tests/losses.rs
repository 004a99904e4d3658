//! Canvases that are dropped, ticks that are lost, mosaics that stop and start again.

use std::sync::atomic::Ordering;

use crate::mosaic::engine::Engine;
use crate::mosaic::testing::{FIRST, FRAMES, House, Plan};
use crate::mosaic::{EngineKind, MosaicId};
use crate::track::{LEAD_IN_SEGMENTS, Runs};

const BOTH: [EngineKind; 2] = [EngineKind::Render, EngineKind::Stitch];

/// Every segment of `runs` can be had and has all its frames.
fn assert_whole(house: &House, ids: &[MosaicId; 2], runs: &Runs) {
    for (engine, id) in BOTH.into_iter().zip(ids) {
        assert_eq!(house.segments(id), *runs, "{}", engine.name());
        for segment in runs.iter() {
            assert_eq!(house.units(engine, id, segment), Some(FRAMES as usize), "{} {segment}", engine.name());
        }
    }
}

#[test]
fn a_canvas_that_was_dropped_is_the_one_before_for_longer() {
    let house = House::new(&Plan::default());
    let mosaics = house.one_of_each();
    let first = house.next();
    // The first picture of all, one in the middle, the last two of a segment, and a whole segment's.
    let lost: Vec<u64> = [0, 3, 10, 11].into_iter().chain(18..24).collect();
    for at in 0..30 {
        house.floor.is_full.store(lost.contains(&at), Ordering::Relaxed);
        house.tick(1);
    }
    assert_whole(&house, &mosaics, &Runs::from(FIRST - LEAD_IN_SEGMENTS..=FIRST + 4));
    let shown = |at: u64| house.encoders.shown(first + at);
    let luma = |at: u64| Some(House::luma(first + at));
    assert_eq!(shown(0), luma(1), "nothing was there before it");
    assert_eq!((shown(2), shown(3), shown(4)), (luma(2), luma(2), luma(4)));
    assert_eq!((shown(9), shown(10), shown(11), shown(12)), (luma(9), luma(9), luma(9), luma(12)));
    assert!((18..24).all(|at| shown(at) == luma(17)), "a segment of nothing but the last picture");
}

#[test]
fn ticks_that_were_lost_are_made_good_for_while_they_are_few() {
    let house = House::new(&Plan::default());
    let mosaics = house.one_of_each();
    house.finish(3);
    house.tick(2);
    // The rest of a segment, three whole ones, the beginning of the next.
    house.lose(4 + 3 * FRAMES + 1);
    house.finish(2);
    assert_whole(&house, &mosaics, &Runs::from(FIRST - LEAD_IN_SEGMENTS..=FIRST + 8));
}

#[test]
fn a_long_loss_is_a_hole_and_what_was_finished_before_it_stays() {
    let house = House::new(&Plan::default());
    let mosaics = house.one_of_each();
    house.finish(3);
    house.tick(2);
    // One segment more than is made good for; the window holds eight seconds.
    house.lose(4 + 21 * FRAMES);
    house.finish(2);
    let (before, after) = (FIRST - LEAD_IN_SEGMENTS..=FIRST + 3, FIRST + 25..=FIRST + 26);
    assert_whole(&house, &mosaics, &before.clone().chain(after.clone()).collect());
    // Whoever comes now begins after the hole.
    let another = house.want(EngineKind::Stitch, "4E", &["d", "c", "b", "a"]).unwrap();
    assert_eq!(another.first_segment, *after.start());
}

#[test]
fn a_mosaic_that_stops_and_starts_again_keeps_what_it_had() {
    let house = House::new(&Plan::default());
    let mosaics = house.one_of_each();
    house.finish(3);
    // Nobody wants them; their segments linger.
    house.clock.advance(std::time::Duration::from_secs(21));
    house.registry.sweep();
    assert_eq!(house.metrics.mosaics.with_label_values(&["render"]).get(), 0);
    house.lose(house.grid.frame_at(house.now()) + 1 - house.next());
    let again = house.one_of_each();
    assert_eq!(again, mosaics);
    house.finish(3);
    for (engine, id) in BOTH.into_iter().zip(&mosaics) {
        let newest = house.segments(id).newest().unwrap();
        assert_eq!(newest, house.grid.segment_of(house.next()) - 1, "{}", engine.name());
        // The window spans 40 segments, eight seconds: what is older than that has had its time.
        assert_eq!(house.units(engine, id, newest), Some(FRAMES as usize));
    }
}

#[test]
fn who_begins_in_mid_segment_has_stills_before_it_and_the_whole_segment_at_once() {
    let house = House::new(&Plan::default());
    house.register("a");
    house.tick(3);
    let mosaics = house.one_of_each();
    assert_eq!(house.segments(&mosaics[0]), Runs::default());
    house.tick(1);
    // With the first picture, before its own segment is over.
    let stills = FIRST - LEAD_IN_SEGMENTS..=FIRST - 1;
    assert_whole(&house, &mosaics, &Runs::from(stills.clone()));
    house.finish(2);
    assert_whole(&house, &mosaics, &Runs::from(*stills.start()..=FIRST + 1));
    let shown = |at: u64| house.encoders.shown(house.grid.first_frame(FIRST) + at);
    let luma = |at: u64| Some(House::luma(house.grid.first_frame(FIRST) + at));
    assert_eq!([0, 2, 3, 4].map(shown), [luma(3), luma(3), luma(3), luma(4)], "what had gone by stands still");
}

#[test]
fn who_comes_back_within_a_segment_goes_on_where_the_next_begins() {
    let house = House::new(&Plan::default());
    let [render, stitch] = house.one_of_each();
    house.finish(2);
    // The first of two parts is there.
    house.tick(5);
    let engines: [(&dyn Engine, _); 2] = [(&*house.render, &render), (&*house.stitch, &stitch)];
    for (engine, id) in engines {
        engine.stop(id);
        house.settle();
        let again = engine.start(id, &house.spec("4E", &["a", "b", "c", "d"])).unwrap();
        assert!(again <= FIRST + 3, "{again}");
        engine.mend();
    }
    house.finish(3);
    // Nothing is missing, and nothing was put down twice.
    assert_whole(&house, &[render, stitch], &Runs::from(FIRST - LEAD_IN_SEGMENTS..=FIRST + 4));
}
