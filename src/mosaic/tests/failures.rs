//! Encoders that do not open, fail, die or stand still, and threads that are not to be had.

use std::sync::atomic::Ordering;

use crate::mosaic::EngineKind;
use crate::mosaic::testing::{FIRST, FRAMES, House, Order, Plan};

fn failures(house: &House, kind: &str, at: &str) -> u64 {
    house.metrics.encoder_failures.with_label_values(&[kind, at]).get()
}

#[test]
fn encoders_that_do_not_open_are_tried_again_and_the_machine_says_that_it_is_unwell() {
    let house = House::new(&Plan::default());
    house.encoders.order(Order::RefuseToOpen);
    let [render, stitch] = house.one_of_each();
    house.finish(6);
    // What has no encoder is dark; the mosaics go on.
    assert_eq!(house.units(EngineKind::Render, &render, FIRST + 3), Some(FRAMES as usize));
    assert_eq!(house.units(EngineKind::Stitch, &stitch, FIRST + 3), Some(FRAMES as usize));
    let told = house.shared.failing.report().unwrap_err();
    assert!(told.contains("in a row"), "{told}");
    // At the start, with the first segment and with the next but one; the next attempt is a second after that.
    assert_eq!((failures(&house, "render", "open"), failures(&house, "tile", "open")), (3 * 2, 3 * 4 * 2));
    assert_eq!(house.encoders.opened.load(Ordering::Relaxed), 0);

    house.encoders.order(Order::Work);
    house.finish(20);
    assert_eq!(house.shared.failing.report(), Ok(()));
    let newest = house.grid.segment_of(house.next()) - 1;
    for (engine, id) in [(EngineKind::Render, &render), (EngineKind::Stitch, &stitch)] {
        assert_eq!(house.segments(id).newest(), Some(newest));
        assert_eq!(house.units(engine, id, newest), Some(FRAMES as usize));
    }
    assert_eq!(house.encoders.opened.load(Ordering::Relaxed), 2 + 2 * 4);
}

#[test]
fn an_encoder_that_fails_in_mid_segment_is_replaced_with_the_next() {
    let house = House::new(&Plan::default());
    let [render, stitch] = house.one_of_each();
    house.finish(2);
    house.tick(4);
    house.encoders.order(Order::Fail);
    house.tick(1);
    house.encoders.order(Order::Work);
    house.finish(3);
    // What it had made is shown for longer: the segment keeps all its frames.
    for segment in FIRST + 1..=FIRST + 4 {
        assert_eq!(house.units(EngineKind::Render, &render, segment), Some(FRAMES as usize));
        assert_eq!(house.units(EngineKind::Stitch, &stitch, segment), Some(FRAMES as usize));
    }
    assert_eq!((failures(&house, "render", "encode"), failures(&house, "tile", "encode")), (2, 8));
    assert_eq!(house.shared.failing.report(), Ok(()), "one failure is no reason to be unwell");
}

#[test]
fn an_encoder_whose_thread_dies_gets_another() {
    let house = House::new(&Plan::default());
    let [render, _] = house.one_of_each();
    house.finish(2);
    house.encoders.order(Order::Panic);
    house.tick(1);
    house.encoders.order(Order::Work);
    let replaced = || {
        house.registry.sweep();
        failures(&house, "render", "thread") == 2 && failures(&house, "tile", "thread") == 8
    };
    house.until("dead threads are noticed", replaced);
    house.finish(2);
    assert_eq!(house.units(EngineKind::Render, &render, FIRST + 3), Some(FRAMES as usize));
    let encoders = |kind| house.metrics.encoders.with_label_values(&[kind]).get();
    assert_eq!((encoders("render"), encoders("tile")), (2, 8));
}

#[test]
fn threads_that_are_not_to_be_had_are_asked_for_again() {
    let house = House::new(&Plan::default());
    house.threads.left.store(0, Ordering::Relaxed);
    let [render, stitch] = house.one_of_each();
    for _ in 0..4 * FRAMES {
        house.tick_only();
    }
    assert!(house.segments(&render).is_empty());
    assert_eq!(house.segments(&stitch).newest(), Some(FIRST + 1), "stills stand in for its tiles");
    house.registry.sweep();
    assert!(house.shared.failing.report().is_err());
    house.threads.left.store(100, Ordering::Relaxed);
    // A second later at the most.
    (0..30).for_each(|_| house.tick_only());
    house.registry.sweep();
    house.settle();
    house.finish(3);
    let newest = house.grid.segment_of(house.next()) - 1;
    assert_eq!(house.segments(&render).newest(), Some(newest));
    assert_eq!(house.units(EngineKind::Stitch, &stitch, newest), Some(FRAMES as usize));
    assert_eq!(house.shared.failing.report(), Ok(()));
}

#[test]
fn the_tick_and_all_other_mosaics_go_on_while_an_encoder_never_opens() {
    let house = House::new(&Plan::default());
    let [render, stitch] = house.one_of_each();
    house.finish(2);
    house.encoders.order(Order::StandStillAtOpen);
    let stuck = house.want(EngineKind::Render, "2EH", &["a", "b"]).unwrap().id;
    // Its canvases pile up to the bound of a queue; then they are dropped.
    for _ in 0..5 * FRAMES {
        house.tick_only();
        house.until("the others keep up", || house.shared.in_hand.count() <= 2 * (8 + 1));
    }
    house.registry.sweep();
    let newest = house.grid.segment_of(house.next()) - 1;
    let keeps_up = |id| house.segments(id).newest() == Some(newest);
    house.until("other mosaics finish their segments", || keeps_up(&render) && keeps_up(&stitch));
    assert!(house.segments(&stuck).is_empty());
    assert!(house.metrics.frames.with_label_values(&["dropped"]).get() > 0);
    house.encoders.order(Order::Work);
}

#[test]
fn a_segment_of_which_nothing_was_encoded_shows_the_picture_before_it() {
    let house = House::new(&Plan::default());
    let [_, stitch] = house.one_of_each();
    house.finish(2);
    house.encoders.order(Order::Fail);
    house.finish(4);
    let first_picture = |segment| house.sizes(EngineKind::Stitch, &stitch, segment).unwrap()[0];
    let (live, frozen) = (first_picture(FIRST + 1), first_picture(FIRST + 5));
    assert_eq!(frozen, live);
    assert_eq!(house.units(EngineKind::Stitch, &stitch, FIRST + 5), Some(FRAMES as usize));
}

#[test]
fn no_mosaic_waits_for_a_tile_whose_encoder_stands_still() {
    let house = House::new(&Plan::default());
    let [_, stitch] = house.one_of_each();
    house.finish(2);
    house.encoders.order(Order::StandStillAtOpen);
    house.register("e");
    let placement = house.want(EngineKind::Stitch, "4E", &["a", "b", "c", "e"]).unwrap();
    let newest = || house.grid.segment_of(house.next()) - 1;
    for _ in 0..6 * FRAMES {
        house.tick_only();
        house.until("the others keep up", || house.shared.in_hand.count() <= 2 * (8 + 1));
    }
    // It has all of its segments but the last two, with a still in the slot of the game that has no encoder.
    let listed = house.segments(&placement.id);
    assert_eq!((listed.oldest(), listed.newest()), (Some(placement.first_segment), Some(newest() - 2)));
    let before: Vec<_> = listed.iter().map(|n| house.segment(&placement.id, n).unwrap()).collect();
    assert!(before.len() >= 2 && house.metrics.late_segments.get() > 0);
    // Once it opens, what it makes of segments that were filled is let go.
    house.encoders.order(Order::Work);
    house.settle();
    house.finish(3);
    for (n, bytes) in listed.iter().zip(before) {
        assert_eq!(house.segment(&placement.id, n), Some(bytes), "{n}");
    }
    assert_eq!(house.segments(&placement.id).newest(), Some(newest()));
    assert_eq!(house.segments(&stitch).newest(), Some(newest()));
}
