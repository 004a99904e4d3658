//! Parameter sets and slice headers, read and written.
#![no_main]

#[allow(dead_code, unused_imports)]
#[path = "../../src/stitch/mod.rs"]
mod stitch;
mod support;
#[allow(dead_code, unused_imports)]
mod timeline;

use libfuzzer_sys::fuzz_target;
use stitch::{Format, Pps, SliceHeader, Sps};

const NOISE: &[u8] = include_bytes!("../../src/stitch/fixtures/noise.264");

fuzz_target!(|data: &[u8]| {
    let Some((&[mode, split_a, split_b, a, b, c, d, e], data)) = data.split_first_chunk::<8>() else { return };
    let tile = support::encoded(NOISE);
    let (sps, rest) = data.split_at(usize::from(split_a).min(data.len()));
    let (pps, slice) = rest.split_at(usize::from(split_b).min(rest.len()));
    let real = |original: &[u8], edits: &[u8]| {
        let mut nal = original.to_vec();
        support::damage(&mut nal, edits);
        nal
    };
    // Each of the three is what came, or a real one with what came as damage.
    let sps = if mode & 1 == 0 { sps.to_vec() } else { real(&tile.sps, sps) };
    let pps = if mode & 2 == 0 { pps.to_vec() } else { real(&tile.pps, pps) };
    let unit = &tile.units[usize::from(mode >> 3) % tile.units.len()];
    let slice = if mode & 4 == 0 { slice.to_vec() } else { real(support::nals(unit)[0], slice) };

    let sps = Sps::parse(&sps).inspect(|sps| assert_eq!(Sps::parse(&sps.write()).as_ref(), Ok(sps)));
    let Ok(pps) = Pps::parse(&pps) else { return };
    let sps = sps.unwrap_or_else(|_| Sps::parse(&tile.sps).unwrap());
    let Ok(format) = Format::new(sps.clone(), pps.clone()) else { return };
    assert_eq!(format.accepts(&sps, &pps), Ok(()));
    let Ok(header) = SliceHeader::parse(&format, &slice) else { return };
    let first_mb = u32::from_be_bytes([0, a & 1, b, c]);
    let idr_pic_id = u16::from_be_bytes([d, e]);
    let made = SliceHeader::replace(&format, &slice, first_mb, idr_pic_id).unwrap();
    let expected = SliceHeader { first_mb, idr_pic_id: header.idr_pic_id.map(|_| idr_pic_id), ..header };
    assert_eq!(SliceHeader::parse(&format, &made), Ok(expected));
    // There is one way to write it: from then on, nothing but what is replaced changes.
    let back = SliceHeader::replace(&format, &made, header.first_mb, header.idr_pic_id.unwrap_or(0)).unwrap();
    assert_eq!(SliceHeader::replace(&format, &back, first_mb, idr_pic_id), Ok(made));
});
