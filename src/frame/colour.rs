//! What the numbers in a picture's planes mean.

/// Matrix coefficients (ITU-T H.273, table 4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Matrix {
    Bt601,
    #[default]
    Bt709,
    Bt2020,
}

/// Sample range (ITU-T H.273, VideoFullRangeFlag).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Range8 {
    #[default]
    Limited,
    Full,
}

/// Colour primaries (ITU-T H.273, table 2), as far as sports feeds use them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Primaries {
    #[default]
    Bt709,
    Bt601_525,
    Bt601_625,
    Bt2020,
}

/// Transfer characteristics (ITU-T H.273, table 3). BT.601, BT.709 and BT.2020 share one curve.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Transfer {
    #[default]
    Bt709,
    Srgb,
    /// Of pictures that are as bright as this at most.
    Pq(Peak),
    Hlg,
}

/// The light of the brightest that a PQ picture shows. There are few, because each has tables of its own: a source that claims another every second
/// costs no more than these.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Peak {
    Cd600,
    #[default]
    Cd1000,
    Cd2000,
    Cd4000,
    Cd10000,
}

impl Peak {
    pub const ALL: [Peak; 5] = [Peak::Cd600, Peak::Cd1000, Peak::Cd2000, Peak::Cd4000, Peak::Cd10000];

    /// In cd/m2.
    pub const fn cd_m2(self) -> u32 {
        match self {
            Peak::Cd600 => 600,
            Peak::Cd1000 => 1000,
            Peak::Cd2000 => 2000,
            Peak::Cd4000 => 4000,
            Peak::Cd10000 => 10_000,
        }
    }

    /// The least that has room for `cd_m2`. More than PQ can say is as much as it can.
    pub fn over(cd_m2: u32) -> Self {
        Self::ALL.into_iter().find(|peak| peak.cd_m2() >= cd_m2).unwrap_or(Peak::Cd10000)
    }
}

/// Bits of a sample. Of ten, a sample is two bytes, the low one first, and what is above those bits is not read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Depth {
    #[default]
    Eight,
    Ten,
}

impl Depth {
    pub const fn bits(self) -> u32 {
        match self {
            Depth::Eight => 8,
            Depth::Ten => 10,
        }
    }

    /// Bytes of a sample.
    pub const fn bytes(self) -> usize {
        match self {
            Depth::Eight => 1,
            Depth::Ten => 2,
        }
    }

    /// The sample in [`Self::bytes`] bytes. One that is too large for its bits, as somebody may write into memory who lies, is the largest.
    #[inline]
    pub fn sample(self, bytes: &[u8]) -> u16 {
        match (self, bytes) {
            (Depth::Eight, &[sample, ..]) => sample.into(),
            (Depth::Ten, &[low, high, ..]) => u16::from_le_bytes([low, high]).min((1 << 10) - 1),
            _ => 0,
        }
    }
}

/// What the numbers in a picture's planes mean. It travels with every picture; nothing assumes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Colour {
    pub matrix: Matrix,
    pub range: Range8,
    pub primaries: Primaries,
    pub transfer: Transfer,
    pub depth: Depth,
}

impl Colour {
    /// What canvases are made in, but for those in HDR: BT.709, limited range.
    pub const CANVAS: Colour = Colour {
        matrix: Matrix::Bt709,
        range: Range8::Limited,
        primaries: Primaries::Bt709,
        transfer: Transfer::Bt709,
        depth: Depth::Eight,
    };

    /// What HDR canvases in PQ are made in: of BT.2020, limited range, ten bits.
    pub const PQ_CANVAS: Colour = Colour {
        matrix: Matrix::Bt2020,
        range: Range8::Limited,
        primaries: Primaries::Bt2020,
        transfer: Transfer::Pq(Peak::Cd10000),
        depth: Depth::Ten,
    };

    /// The same in HLG.
    pub const HLG_CANVAS: Colour = Colour { transfer: Transfer::Hlg, ..Self::PQ_CANVAS };

    /// Whether it is what canvases in HDR are made in.
    pub fn is_hdr_canvas(self) -> bool {
        self == Self::PQ_CANVAS || self == Self::HLG_CANVAS
    }

    /// Whether its samples mean what a canvas's do, but for their depth.
    pub fn is_canvas(self) -> bool {
        Self { depth: Self::CANVAS.depth, ..self } == Self::CANVAS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_has_room_for_what_was_told() {
        assert_eq!(
            [0, 600, 601, 1000, 4000, 9999, 10_000, u32::MAX].map(|told| Peak::over(told).cd_m2()),
            [600, 600, 1000, 1000, 4000, 10_000, 10_000, 10_000]
        );
    }

    #[test]
    fn a_sample_is_never_larger_than_its_bits() {
        assert_eq!(Depth::Eight.sample(&[255]), 255);
        assert_eq!(Depth::Ten.sample(&[0xff, 0x03]), 1023);
        assert_eq!(Depth::Ten.sample(&[0x00, 0x04]), 1023);
        assert_eq!(Depth::Ten.sample(&[0xff, 0xff]), 1023);
        assert_eq!(Depth::Ten.sample(&[0x01, 0x02]), 513);
    }
}
