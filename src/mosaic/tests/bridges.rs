//! Bridges between mosaics, found by their names.

use bytes::Bytes;

use crate::mosaic::testing::{FIRST, House, Plan};
use crate::mosaic::{EngineKind, MosaicId, Mosaics};
use crate::track::{Position, Runs};

fn part(house: &House, id: &MosaicId, at: Position) -> Option<Bytes> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(house.registry.part(id, "big", at)).map(|part| part.whole())
}

/// What is behind the headers of a file's `mdat` boxes.
fn media(mut file: &[u8]) -> Vec<u8> {
    let mut media = Vec::new();
    while let Some((size, rest)) = file.split_first_chunk::<4>() {
        let (content, later) = rest.split_at(u32::from_be_bytes(*size) as usize - 4);
        media.extend_from_slice(content.strip_prefix(b"mdat").unwrap_or_default());
        file = later;
    }
    media
}

/// A mosaic of each engine and one more stitched one, with some segments.
fn house() -> (House, [MosaicId; 3]) {
    let house = House::new(&Plan::default());
    let [rendered, stitched] = house.one_of_each();
    house.register("e");
    let other = house.want(EngineKind::Stitch, "2EH", &["a", "e"]).unwrap().id;
    house.finish(3);
    (house, [rendered, stitched, other])
}

#[test]
fn a_bridge_is_both_its_mosaics_part_by_part_whoever_makes_them() {
    let (house, [rendered, stitched, other]) = house();
    for (from, to) in [(&stitched, &other), (&other, &rendered), (&rendered, &stitched)] {
        let bridge = house.registry.bridge(from, to, 1).unwrap();
        assert!(house.registry.signed(&bridge.0));
        let held = pollster::block_on(house.registry.held(&bridge));
        let both = [from, to].map(|id| pollster::block_on(house.registry.held(id)));
        assert_eq!(held, both[0].and(&both[1]));
        let [whole, before, after] = [&bridge, from, to].map(|id| media(&house.segment(id, FIRST + 1).unwrap()));
        let [first, second] = [0, 1].map(|n| media(&part(&house, &bridge, Position::new(FIRST + 1, n)).unwrap()));
        assert_eq!(whole, [&first[..], &second].concat());
        assert_eq!(first, media(&part(&house, from, Position::new(FIRST + 1, 0)).unwrap()), "it begins as the one");
        assert!(whole != before && whole != after);
        // Two pictures by an encoder, and in another order than before.
        assert_ne!(second, media(&part(&house, to, Position::new(FIRST + 1, 1)).unwrap()));
    }
}

#[test]
fn a_bridge_outlives_its_mosaics_and_ends_where_one_of_them_does() {
    let (house, [_, stitched, other]) = house();
    let bridge = house.registry.bridge(&stitched, &other, 1).unwrap();
    let before = house.segment(&bridge, FIRST + 1).unwrap();
    // Nobody wants either any more.
    for _ in 0..25 {
        house.clock.advance(std::time::Duration::from_secs(1));
        house.registry.sweep();
    }
    assert_eq!(house.segment(&bridge, FIRST + 1), Some(before));
    let newest = house.segments(&bridge).newest().unwrap();
    assert_eq!(house.segment(&bridge, newest + 1), None);
    assert_eq!(part(&house, &bridge, Position::new(newest + 1, 0)), None);
}

#[test]
fn what_is_no_bridge_has_no_name() {
    let (house, [rendered, stitched, other]) = house();
    let name = |from: &MosaicId, to: &MosaicId, begins| house.registry.bridge(from, to, begins);
    assert_eq!(name(&stitched, &other, 0), None, "a segment's first part opens it");
    assert_eq!(name(&stitched, &other, 2), None, "it has two");
    let bridge = name(&stitched, &other, 1).unwrap();
    assert_eq!((name(&bridge, &rendered, 1), name(&rendered, &bridge, 1)), (None, None));
    let unknown = MosaicId("AAAA".into());
    assert_eq!(name(&unknown, &other, 1), None);
    assert_eq!(house.segments(&unknown), Runs::default());
}
