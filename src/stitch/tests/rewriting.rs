//! Bits, emulation prevention and slice headers, beside the plain writer.

use proptest::prelude::*;

use super::super::bits::{BitReader, BitWriter};
use super::super::nal::escape_onto;
use super::super::slice::CutSlice;
use super::super::sps::PictureOrder;
use super::super::{Format, SliceHeader, SliceKind, StitchError};
use super::*;

/// Bytes among which zeros are frequent enough for emulation prevention.
fn zeros_and_others(size: std::ops::Range<usize>) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop_oneof![4 => Just(0u8), 2 => 0u8..5, 1 => any::<u8>()], size)
}

/// A slice header's fields in the order of 7.3.3.
#[derive(Clone, Debug)]
struct Fields {
    frame_num_bits: u32,
    ref_idc: u8,
    first_mb: u32,
    slice_type: u8,
    frame_num: u32,
    idr_pic_id: Option<u16>,
    order_lsb: u32,
    /// Of list 0 and of list 1.
    override_refs: Option<[u32; 2]>,
    modifications: [Option<Vec<(u32, u32)>>; 2],
    cabac_init_idc: u32,
    qp: i32,
    deblocking: (u8, i32, i32),
    data: Vec<u8>,
}

/// Bits of `pic_order_cnt_lsb`.
const ORDER_BITS: u32 = 6;

impl Fields {
    /// Reference lists.
    fn lists(&self) -> usize {
        [1, 2, 0][usize::from(self.slice_type % 5)]
    }

    fn format(&self) -> Format {
        let tile = encoded(NOISE);
        let order = PictureOrder::Sent { lsb_bits: ORDER_BITS };
        let sps = Sps { frame_num_bits: self.frame_num_bits, order, ..Sps::parse(&tile.sps).unwrap() };
        Format::new(sps.with_size(4080, 4080).unwrap(), Pps::parse(&tile.pps).unwrap()).unwrap()
    }

    /// The NAL unit, with other values for what is rewritten.
    fn nal(&self, first_mb: u32, idr_pic_id: u16) -> Vec<u8> {
        let nal_type = if self.idr_pic_id.is_some() { 5 } else { 1 };
        let bits = Bits::default().u(8, u64::from(self.ref_idc << 5 | nal_type));
        let mut bits = bits.ue(first_mb).ue(self.slice_type.into()).ue(0);
        bits = bits.u(self.frame_num_bits, self.frame_num.into());
        if self.idr_pic_id.is_some() {
            bits = bits.ue(idr_pic_id.into());
        }
        bits = bits.u(ORDER_BITS, self.order_lsb.into());
        if self.lists() == 2 {
            bits = bits.u(1, 1);
        }
        if self.lists() > 0 {
            bits = bits.u(1, self.override_refs.is_some().into());
            let overridden = self.override_refs.iter().flatten().take(self.lists());
            bits = overridden.fold(bits, |bits, active| bits.ue(active - 1));
            for changes in self.modifications.iter().take(self.lists()) {
                bits = bits.u(1, changes.is_some().into());
                if let Some(changes) = changes {
                    bits = changes.iter().fold(bits, |bits, (idc, by)| bits.ue(*idc).ue(*by)).ue(3);
                }
            }
        }
        if self.ref_idc > 0 {
            bits = bits.u(if self.idr_pic_id.is_some() { 2 } else { 1 }, 0);
        }
        if self.lists() > 0 {
            bits = bits.ue(self.cabac_init_idc);
        }
        bits = bits.se(self.qp - 26).ue(self.deblocking.0.into());
        if self.deblocking.0 != 1 {
            bits = bits.se(self.deblocking.1).se(self.deblocking.2);
        }
        escaped(&[bits.align(true).bytes(), self.data.clone()].concat())
    }
}

fn some_slice() -> impl Strategy<Value = Fields> {
    (
        (4u32..17, any::<u16>(), 1u8..4, 0u32..65_025, any::<bool>(), 0u8..4, any::<u16>(), 0u32..1 << ORDER_BITS),
        (
            prop::option::of([1u32..17, 1u32..17]),
            [0, 1].map(|_| prop::option::of(prop::collection::vec((0u32..2, 0u32..16), 0..2))),
        ),
        (0u32..3, 0i32..52, (0u8..3, -6i32..7, -6i32..7)),
        (zeros_and_others(0..8), 1u8.., zeros_and_others(0..40), 1u8..),
    )
        .prop_map(
            |((bits, frame_num, ref_idc, first_mb, all, kind, id, order_lsb), (refs, modifications), rest, data)| {
                // P, B, IDR and other I slices.
                let (slice_type, idr) = ([0, 1, 2, 2][usize::from(kind)], kind == 2);
                Fields {
                    frame_num_bits: bits,
                    ref_idc: if slice_type == 1 { 0 } else { ref_idc },
                    first_mb,
                    slice_type: slice_type + if all { 5 } else { 0 },
                    frame_num: u32::from(frame_num) & ((1 << bits) - 1),
                    idr_pic_id: idr.then_some(id),
                    order_lsb,
                    override_refs: refs,
                    modifications,
                    cabac_init_idc: rest.0,
                    qp: rest.1,
                    deblocking: rest.2,
                    data: [data.0, vec![data.1], data.2, vec![data.3]].concat(),
                }
            },
        )
}

#[test]
fn an_emulation_prevention_byte_comes_and_goes_with_the_header() {
    let fields = Fields {
        frame_num_bits: 16,
        ref_idc: 2,
        first_mb: 0,
        slice_type: 2,
        frame_num: 0,
        idr_pic_id: Some(2_046),
        order_lsb: 0,
        override_refs: None,
        modifications: [None, None],
        cabac_init_idc: 0,
        qp: 26,
        deblocking: (0, 0, 0),
        data: vec![0, 0, 1, 0, 0, 2, 0x80],
    };
    let nal = fields.nal(0, 2_046);
    let format = fields.format();
    let mut lengths = std::collections::BTreeSet::new();
    for first_mb in 0..65_025 {
        let made = SliceHeader::replace(&format, &nal, first_mb, 2_046).unwrap();
        assert_eq!(made, fields.nal(first_mb, 2_046), "{first_mb}");
        lengths.insert(made.len() - unescaped(&made).len());
    }
    // frame_num and idr_pic_id and its order have more than 26 zero bits in a row: enough for a byte more or not, by where they begin. The slice data
    // needs two bytes wherever it stands.
    assert_eq!(lengths.into_iter().collect::<Vec<_>>(), [2, 3]);
}

#[test]
fn zeros_without_end_are_refused() {
    let format = canvas(192, 96);
    let tile = encoded(NOISE);
    let nal = nals(&tile.units[1])[0].to_vec();
    let cut = CutSlice::read(&format, &nal).unwrap();
    let mut zeros = nal[..cut.rest - 1].to_vec();
    zeros.extend(escaped(&[0; 1000]));
    assert_eq!(CutSlice::read(&format, &zeros).unwrap_err(), StitchError::ZeroRun { max: 800 });
    assert_eq!(CutSlice::read(&format, &nal[..cut.rest - 1]).unwrap_err(), StitchError::Ended { field: "slice_data" });
}

#[test]
fn references_that_are_marked_one_by_one_are_refused() {
    let order_bits = Sps::parse(&encoded(NOISE).sps).unwrap().order.lsb_bits();
    let nal = |marking: u64| {
        Bits::default().u(8, 0x41).ue(0).ue(5).ue(0).u(4, 1).u(order_bits, 6).u(2, 0).u(1, marking).ue(0).se(0)
    };
    let nal = |marking: u64| nal(marking).ue(1).align(true).u(8, 0x80).bytes();
    let format = canvas(192, 96);
    let header = CutSlice::read(&format, &nal(0)).unwrap().header;
    let expected = SliceHeader {
        ref_idc: 2,
        first_mb: 0,
        slice_type: 5,
        kind: SliceKind::P,
        frame_num: 1,
        idr_pic_id: None,
        order_lsb: 6,
        active_refs: [2, 0],
        list_modified: false,
        qp: 26,
        deblocking_idc: 1,
        cabac_init_idc: 0,
    };
    assert_eq!(header, expected);
    let refused = StitchError::Unsupported { field: "adaptive_ref_pic_marking_mode_flag", value: 1 };
    assert_eq!(CutSlice::read(&format, &nal(1)).unwrap_err(), refused);
}

proptest! {
    #[test]
    fn numbers_are_read_as_they_were_written(values in prop::collection::vec((1u32..33, any::<u32>()), 1..40)) {
        let mut writer = BitWriter::default();
        let mut plain = Bits::default();
        for (bits, value) in &values {
            let value = *value >> (32 - bits);
            writer.u(*bits, value);
            writer.ue(value.min(u32::MAX - 1));
            plain = plain.u(*bits, value.into()).ue(value.min(u32::MAX - 1));
        }
        writer.trailing();
        let rbsp = writer.into_bytes();
        prop_assert_eq!(&rbsp, &plain.u(1, 1).bytes());
        // A header byte as every NAL unit has, so that what is written is escaped as in one.
        let mut nal = Vec::new();
        escape_onto(&mut nal, &[&[0x65], rbsp.as_slice()].concat());
        let mut reader = BitReader::new(&nal);
        prop_assert_eq!(reader.u(8, "header"), Ok(0x65));
        for (bits, value) in &values {
            let value = *value >> (32 - bits);
            prop_assert_eq!(reader.u(*bits, "u"), Ok(value));
            prop_assert!(reader.more_data());
            prop_assert_eq!(reader.ue(u32::MAX, "ue"), Ok(value.min(u32::MAX - 1)));
        }
        prop_assert!(!reader.more_data());
        prop_assert_eq!(reader.trailing("numbers"), Ok(()));
        prop_assert_eq!(reader.u(1, "past the end"), Err(StitchError::Ended { field: "past the end" }));
    }

    #[test]
    fn signed_numbers_are_read(values in prop::collection::vec(-100_000i32..100_000, 1..20)) {
        let nal = values.iter().fold(Bits::default().u(8, 0x65), |bits, value| bits.se(*value)).u(1, 1).bytes();
        let nal = escaped(&nal);
        let mut reader = BitReader::new(&nal);
        reader.u(8, "header").unwrap();
        for value in &values {
            prop_assert_eq!(reader.se(-100_000, 100_000, "se"), Ok(*value));
        }
    }

    #[test]
    fn nothing_escaped_looks_like_a_start_code(rbsp in zeros_and_others(0..60)) {
        let rbsp = [&[0x65], rbsp.as_slice()].concat();
        let mut nal = Vec::new();
        escape_onto(&mut nal, &rbsp);
        prop_assert!(!nal.windows(3).any(|w| w[..2] == [0, 0] && w[2] < 3), "{:?}", nal);
        prop_assert_eq!(&nal, &escaped(&rbsp));
        prop_assert_eq!(unescaped(&nal), rbsp);
    }

    #[test]
    fn only_what_was_asked_for_is_rewritten(fields in some_slice(), first_mb in 0u32..65_025, id: u16) {
        let nal = fields.nal(fields.first_mb, fields.idr_pic_id.unwrap_or(0));
        // The fixtures' parameter sets say two pictures in list 0 and one in list 1.
        let active = fields.override_refs.unwrap_or([2, 1]);
        let too_many = |(list, active): (&Option<Vec<(u32, u32)>>, u32)| {
            list.as_ref().is_some_and(|list| {
                list.len() > active as usize || list.iter().any(|(_, by)| *by >= 1 << fields.frame_num_bits)
            })
        };
        if fields.modifications.iter().zip(active).take(fields.lists()).any(too_many) {
            return Ok(());
        }
        let format = fields.format();
        let made = SliceHeader::replace(&format, &nal, first_mb, id);
        let made = made.unwrap();
        prop_assert_eq!(&made, &fields.nal(first_mb, id));
        let before = CutSlice::read(&format, &nal).unwrap();
        let after = CutSlice::read(&format, &made).unwrap();
        let expected = SliceHeader { first_mb, idr_pic_id: fields.idr_pic_id.map(|_| id), ..before.header };
        prop_assert_eq!(after.header, expected);
        prop_assert_eq!(&nal[before.rest..], &made[after.rest..]);
        // And back again.
        let back = SliceHeader::replace(&format, &made, fields.first_mb, fields.idr_pic_id.unwrap_or(0));
        prop_assert_eq!(back.unwrap(), nal);
    }
}
