//! Bytes that nobody vouches for: an error, or something that is whole.

use proptest::prelude::*;

use super::super::nal::units;
use super::super::{Place, Plan, SliceHeader, Stitched};
use super::*;

/// What is read from `bytes`, whatever it is; what can be read must be able to be written.
fn read_all(bytes: &[u8]) {
    if let Ok(sps) = Sps::parse(bytes) {
        assert_eq!(Sps::parse(&sps.write()), Ok(sps));
    }
    let _ = Pps::parse(bytes);
    let format = canvas(192, 96);
    if let Ok(made) = SliceHeader::replace(&format, bytes, 71, u16::MAX) {
        assert_eq!(SliceHeader::parse(&format, &made).unwrap().first_mb, 71);
    }
    for unit in units(bytes).flatten() {
        assert!(bytes.get(unit).is_some_and(|nal| !nal.is_empty()));
    }
}

/// If `units` are a tile, they must be able to be stitched to as many bytes as are announced.
fn stitch(units: &[Bytes], hold: bool) {
    let format = canvas(192, 48);
    let still = segment(&format, STILL, 1);
    let hold = hold.then_some(&still);
    let Ok(tile) = TileBlock::index(&format, rows(6, 3), 1, units, &gop(FRAMES), hold) else { return };
    let places = [0, 6].map(|x_mb| Place { x_mb, y_mb: 0, width_mbs: 6, height_mbs: 3 });
    let plan = Plan::new(&format, &places, Slices::PerRow, 60).unwrap();
    let other = segment(&format, NOISE, 3);
    let inputs = vec![tile.placed(0, 0, 3).unwrap(), other.placed(6, 0, 3).unwrap()];
    let stitched = Stitched::new(&plan, inputs).unwrap();
    let mut out = Vec::new();
    stitched.append_to(&mut out);
    assert_eq!(out.len(), stitched.total());
    assert_eq!(nals(&out).len(), 2 * 3 * FRAMES);
}

#[test]
fn every_truncation_and_every_flipped_bit_is_survived() {
    for stream in [NOISE, BARS, STILL] {
        let tile = encoded(stream);
        let mut nal_units = vec![&tile.sps[..], &tile.pps];
        nal_units.extend(tile.units.iter().flat_map(|unit| nals(unit)));
        for nal in nal_units {
            let begin = &nal[..nal.len().min(64)];
            for end in 0..begin.len() {
                read_all(&begin[..end]);
            }
            for bit in 0..begin.len() * 8 {
                let mut flipped = begin.to_vec();
                flipped[bit / 8] ^= 0x80 >> (bit % 8);
                read_all(&flipped);
            }
        }
    }
}

proptest! {
    #[test]
    fn random_bytes_are_survived(kind in 0u8..5, bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        let mut bytes = bytes;
        // Else hardly any would get past its first byte.
        if let Some(first) = bytes.first_mut() {
            *first = [0x67, 0x68, 0x65, 0x41, 0x01][usize::from(kind)];
        }
        if let (0, Some(profile)) = (kind, bytes.get_mut(1)) {
            *profile = 100;
        }
        read_all(&bytes);
    }

    #[test]
    fn damaged_tiles_are_survived(
        flips in prop::collection::vec((0usize..FRAMES, any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in prop::option::of((0usize..FRAMES, any::<prop::sample::Index>())),
        count in 0usize..=FRAMES,
        hold: bool,
    ) {
        let mut units: Vec<Vec<u8>> = encoded(BARS).units.iter().map(|unit| unit.to_vec()).collect();
        for (unit, at, by) in flips {
            let at = at.index(units[unit].len());
            units[unit][at] ^= by;
        }
        if let Some((unit, at)) = cut {
            let end = at.index(units[unit].len());
            units[unit].truncate(end);
        }
        units.truncate(count);
        let units: Vec<Bytes> = units.into_iter().map(Bytes::from).collect();
        stitch(&units, hold);
    }
}
