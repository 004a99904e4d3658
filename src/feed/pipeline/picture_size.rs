//! How large pictures will be, read in front of the decoder, from what the decoder itself goes by.
//!
//! A parser tells the size of the parameter set that came last; the decoder takes the one that a picture names. So each is looked at.

use super::clean_point::{Bits, Coding, cut, nal_units};
use crate::cadence::SourceNanos;

const SECOND: SourceNanos = 1_000_000_000;

/// Profiles whose parameter sets tell the chroma format (7.3.2.1.1).
const HIGH_PROFILES: [u32; 13] = [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135];

/// The size of a damaged parameter set: what cannot be read here is not for a decoder either.
pub(super) const UNREADABLE: (u32, u32) = (u32::MAX, u32::MAX);

/// The largest size, in pixels, that an access unit declares; `None` where it declares none.
pub(super) fn declared(coding: Coding, codec: &str, bytes: &[u8]) -> Option<(u32, u32)> {
    let larger = |(a, b): (u32, u32), (c, d): (u32, u32)| (a.max(c), b.max(d));
    match coding {
        Coding::H264 => {
            // Parameter sets stand in front of the first slice.
            let sets = nal_units(bytes).take_while(|nal| !matches!(nal.first().map(|head| head & 0x1f), Some(1..=5)));
            let sets = sets.filter(|nal| nal.first().is_some_and(|head| head & 0x1f == 7));
            sets.map(|nal| h264(&mut Bits::new(cut(&nal[1..]))).unwrap_or(UNREADABLE)).reduce(larger)
        }
        Coding::Hevc => {
            let kind = |nal: &&[u8]| nal.first().map(|head| head >> 1 & 0x3f);
            let sets = nal_units(bytes).take_while(|nal| !matches!(kind(nal), Some(0..=31)));
            let sets = sets.filter(|nal| kind(nal) == Some(33) && nal.get(1).is_some_and(|low| low >> 3 == 0));
            sets.map(|nal| hevc(&mut Bits::new(cut(&nal[2..]))).unwrap_or(UNREADABLE)).reduce(larger)
        }
        Coding::Mpeg12 => mpeg12(bytes),
        Coding::Flagged if codec == "vp8" => vp8(bytes),
        Coding::Flagged => None,
    }
}

/// seq_parameter_set_data (ITU-T H.264, 7.3.2.1.1), as far as the size.
fn h264(bits: &mut Bits) -> Option<(u32, u32)> {
    let profile = bits.bits(8)?;
    bits.bits(16)?;
    bits.ue()?;
    if HIGH_PROFILES.contains(&profile) {
        let chroma = bits.ue()?;
        if chroma == 3 {
            bits.bits(1)?;
        }
        bits.ue()?;
        bits.ue()?;
        bits.bits(1)?;
        if bits.bits(1)? == 1 {
            for list in 0..if chroma == 3 { 12 } else { 8 } {
                if bits.bits(1)? == 1 {
                    scaling_list(bits, if list < 6 { 16 } else { 64 })?;
                }
            }
        }
    }
    bits.ue()?;
    match bits.ue()? {
        0 => _ = bits.ue()?,
        1 => {
            bits.bits(1)?;
            bits.ue()?;
            bits.ue()?;
            let count = bits.ue()?;
            // num_ref_frames_in_pic_order_cnt_cycle is 0 to 255.
            (count <= 255).then_some(())?;
            (0..count).try_for_each(|_| bits.ue().map(drop))?;
        }
        _ => {}
    }
    bits.ue()?;
    bits.bits(1)?;
    let (width, height) = (bits.ue()?, bits.ue()?);
    let fields = 2 - bits.bits(1)?;
    Some(((width + 1).checked_mul(16)?, (height + 1).checked_mul(16 * fields)?))
}

/// 7.3.2.1.1.1. What is left out repeats what came.
fn scaling_list(bits: &mut Bits, size: usize) -> Option<()> {
    let (mut last, mut next) = (8i64, 8i64);
    for _ in 0..size {
        if next != 0 {
            let code = i64::from(bits.ue()?);
            let delta = if code % 2 == 1 { code / 2 + 1 } else { -(code / 2) };
            next = (last + delta).rem_euclid(256);
        }
        if next != 0 {
            last = next;
        }
    }
    Some(())
}

/// seq_parameter_set_rbsp (ITU-T H.265, 7.3.2.2.1), as far as the size.
fn hevc(bits: &mut Bits) -> Option<(u32, u32)> {
    bits.bits(4)?;
    let layers = bits.bits(3)?;
    bits.bits(1)?;
    // profile_tier_level (7.3.3): 88 bits of profile, 8 of level, and the same of each layer that has them.
    bits.skip(96)?;
    let mut present = 0;
    for _ in 0..layers {
        present += 88 * bits.bits(1)? + 8 * bits.bits(1)?;
    }
    if layers > 0 {
        bits.skip(2 * (8 - layers))?;
    }
    bits.skip(present)?;
    bits.ue()?;
    if bits.ue()? == 3 {
        bits.bits(1)?;
    }
    Some((bits.ue()?, bits.ue()?))
}

/// sequence_header and sequence_extension (ISO/IEC 13818-2, 6.2.2.1 and 6.2.2.3).
fn mpeg12(bytes: &[u8]) -> Option<(u32, u32)> {
    let mut size: Option<(u32, u32)> = None;
    for part in nal_units(bytes) {
        match *part {
            [0xb3, a, b, c, ..] => {
                let (a, b, c) = (u32::from(a), u32::from(b), u32::from(c));
                let read = (a << 4 | b >> 4, (b & 15) << 8 | c);
                size = Some(size.map_or(read, |(width, height)| (width.max(read.0), height.max(read.1))));
            }
            [0xb5, a, b, c, ..] if a >> 4 == 1 => {
                let (width, height) = size?;
                let (b, c) = (u32::from(b), u32::from(c));
                size = Some((width | (b & 1) << 13 | (c >> 7) << 12, height | (c >> 5 & 3) << 12));
            }
            // A picture: what follows is its own.
            [0, ..] => break,
            _ => {}
        }
    }
    size
}

/// The head of a key frame (RFC 6386, 9.1).
fn vp8(bytes: &[u8]) -> Option<(u32, u32)> {
    match *bytes {
        [tag, _, _, 0x9d, 0x01, 0x2a, a, b, c, d, ..] if tag & 1 == 0 => {
            let side = |low: u8, high: u8| u32::from(low) | u32::from(high & 0x3f) << 8;
            Some((side(a, b), side(c, d)))
        }
        _ => None,
    }
}

/// How many pictures a second come, in their own time.
#[derive(Debug, Default)]
pub(super) struct Pace {
    since: Option<SourceNanos>,
    last: Option<SourceNanos>,
    count: u32,
}

impl Pace {
    /// Takes in a picture that is due `at`; whether more than `most` a second come. What comes in a second's bounds may be a quarter more.
    pub fn exceeds(&mut self, at: Option<SourceNanos>, most: u32) -> bool {
        let begins = match (self.since, at) {
            // Another lap, or another stretch, counts from its own beginning.
            (Some(since), Some(at)) => at - since >= SECOND || self.last.is_some_and(|last| at < last),
            (None, _) => true,
            (Some(_), None) => false,
        };
        self.last = at.or(self.last);
        if begins {
            (self.since, self.count) = (at, 0);
        }
        self.count += 1;
        self.count > most + most / 4 + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bits, written.
    #[derive(Default)]
    struct Written(Vec<bool>);

    impl Written {
        fn bits(mut self, value: u32, count: u32) -> Self {
            self.0.extend((0..count).rev().map(|n| value >> n & 1 == 1));
            self
        }

        fn ue(self, value: u32) -> Self {
            let length = 32 - (value + 1).leading_zeros();
            self.bits(0, length - 1).bits(value + 1, length)
        }

        fn nal(mut self, head: &[u8]) -> Vec<u8> {
            self.0.push(true);
            let bytes = self
                .0
                .chunks(8)
                .map(|byte| byte.iter().enumerate().fold(0u8, |sum, (n, bit)| sum | u8::from(*bit) << (7 - n)));
            let mut nal = [&[0, 0, 1], head].concat();
            for byte in bytes {
                if nal.ends_with(&[0, 0]) && byte <= 3 {
                    nal.push(3);
                }
                nal.push(byte);
            }
            nal
        }
    }

    fn sps(width: u32, height: u32) -> Vec<u8> {
        let begun = Written::default().bits(77, 8).bits(0, 8).bits(52, 8).ue(0).ue(0).ue(2).ue(1).bits(0, 1);
        begun.ue(width / 16 - 1).ue(height / 16 - 1).bits(1, 1).bits(1, 1).bits(0, 2).nal(&[0x67])
    }

    const IDR: &[u8] = &[0, 0, 1, 0x65, 0x88, 0x80];

    #[test]
    fn h264_is_as_large_as_its_largest_parameter_set() {
        let unit = [sps(1920, 1088), IDR.to_vec()].concat();
        assert_eq!(declared(Coding::H264, "h264", &unit), Some((1920, 1088)));
        // The small one is the last: a parser tells its size, and a picture may name the other.
        let unit = [sps(16_384, 16_384), sps(320, 192), IDR.to_vec()].concat();
        assert_eq!(declared(Coding::H264, "h264", &unit), Some((16_384, 16_384)));
        assert_eq!(declared(Coding::H264, "h264", IDR), None);
        let high = Written::default().bits(100, 8).bits(0, 8).bits(52, 8).ue(0).ue(1).ue(0).ue(0).bits(0, 1);
        // A scaling matrix whose first list ends at once.
        let high = high.bits(1, 1).bits(1, 1).ue(16).bits(0, 7).ue(0).ue(1).bits(0, 1).ue(0).ue(0).ue(1).ue(3);
        let high = high.ue(1).bits(0, 1).ue(511).ue(255).bits(0, 1).bits(0, 3).nal(&[0x67]);
        assert_eq!(declared(Coding::H264, "h264", &high), Some((8192, 8192)), "of fields, twice as high");
        assert_eq!(declared(Coding::H264, "h264", &[0, 0, 1, 0x67, 77, 0]), Some(UNREADABLE));
    }

    #[test]
    fn hevc_is_read_behind_its_layers() {
        let sps = |layers: u32| {
            let mut written = Written::default().bits(0, 4).bits(layers, 3).bits(1, 1);
            (0..3).for_each(|_| written = std::mem::take(&mut written).bits(0x0123_4567, 32));
            for _ in 0..layers {
                written = written.bits(3, 2);
            }
            if layers > 0 {
                written = written.bits(0, 2 * (8 - layers));
            }
            (0..layers * 3).for_each(|_| written = std::mem::take(&mut written).bits(0x89ab_cdef, 32));
            written.ue(0).ue(1).ue(16_000).ue(9_000).bits(0, 1).nal(&[33 << 1, 1])
        };
        for layers in [0, 1, 6] {
            assert_eq!(declared(Coding::Hevc, "hevc", &sps(layers)), Some((16_000, 9_000)), "{layers}");
        }
    }

    #[test]
    fn older_codecs_are_read_too() {
        let sequence = [0, 0, 1, 0xb3, 0x78, 0x04, 0x38, 0x33, 0, 0, 1, 0xb5, 0x14, 0x8b, 0x60, 0, 0, 0, 1, 0, 0, 8];
        assert_eq!(declared(Coding::Mpeg12, "mpeg2", &sequence[..8]), Some((1920, 1080)));
        assert_eq!(declared(Coding::Mpeg12, "mpeg2", &sequence), Some((1920 | 1 << 13, 1080 | 3 << 12)));
        let key = [0x10, 0, 0, 0x9d, 0x01, 0x2a, 0xff, 0x3f, 0x00, 0x10];
        assert_eq!(declared(Coding::Flagged, "vp8", &key), Some((16_383, 4096)));
        assert_eq!(declared(Coding::Flagged, "vp9", &key), None);
    }

    proptest::proptest! {
        #[test]
        fn hostile_bytes_have_a_size_or_none(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200), kind in 0u8..64) {
            let unit = [&[0, 0, 1, kind, 1][..], &bytes].concat();
            for (coding, codec) in [(Coding::H264, "h264"), (Coding::Hevc, "hevc"), (Coding::Mpeg12, "mpeg2"), (Coding::Flagged, "vp8")] {
                let _ = declared(coding, codec, &unit);
                let _ = declared(coding, codec, &bytes);
            }
        }
    }

    #[test]
    fn pictures_are_counted_in_their_own_time() {
        let mut pace = Pace::default();
        assert!((0..600).all(|n| !pace.exceeds(Some(n * SECOND / 120), 120)));
        let mut pace = Pace::default();
        assert!((0..600).any(|n| pace.exceeds(Some(n * SECOND / 300), 120)));
        let mut pace = Pace::default();
        assert!((0..600).any(|_| pace.exceeds(Some(SECOND), 120)), "all of them at once");
        let mut pace = Pace::default();
        assert!((0..6000).all(|n| !pace.exceeds(Some(n % 30 * SECOND / 30), 120)), "a second, again and again");
    }
}
