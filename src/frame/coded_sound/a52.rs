//! Headers of AC-3 and E-AC-3 frames (ETSI TS 102 366; clauses in brackets), as far as a box has to tell of them.

use super::CodedSound;

/// What a box tells of AC-3 (F.4) at 48 kHz.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ac3 {
    pub bsid: u8,
    pub bsmod: u8,
    /// Channels but the low-frequency one (4.4.2.3), 1 to 7.
    pub acmod: u8,
    pub lfe: bool,
    /// The bit rate (F.4.2.6), an index into the table of 4.4.1.4.
    pub rate_code: u8,
}

/// What a box tells of E-AC-3 (F.6) of one independent substream at 48 kHz.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Eac3 {
    pub kbps: u16,
    pub bsid: u8,
    pub bsmod: u8,
    pub acmod: u8,
    pub lfe: bool,
    /// Complexity of jointly coded objects (ETSI TS 103 420, 8.3.2); 0 where there are none.
    pub objects: u8,
}

/// Nominal bit rates in kb/s (4.4.1.4, table 4.13).
const KBPS: [u16; 19] = [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640];

/// Channels by acmod (4.4.2.3).
const CHANNELS: [u32; 8] = [2, 1, 2, 3, 3, 4, 4, 5];

pub(super) fn channels(acmod: u8, lfe: bool) -> u32 {
    CHANNELS.get(usize::from(acmod)).copied().unwrap_or(2) + u32::from(lfe)
}

impl Ac3 {
    pub fn kbps(self) -> u32 {
        KBPS.get(usize::from(self.rate_code)).copied().unwrap_or(640).into()
    }

    pub(super) fn packed(self) -> u32 {
        let Self { bsid, bsmod, acmod, lfe, rate_code } = self;
        u32::from(bsid) << 12
            | u32::from(bsmod) << 9
            | u32::from(acmod) << 6
            | u32::from(lfe) << 5
            | u32::from(rate_code)
    }

    pub(super) fn unpacked(bits: u32) -> Option<Self> {
        let of = |from: u32, bits_wide: u32| (bits >> from & ((1 << bits_wide) - 1)) as u8;
        let ac3 = Self { bsid: of(12, 5), bsmod: of(9, 3), acmod: of(6, 3), lfe: of(5, 1) == 1, rate_code: of(0, 5) };
        (bits < 1 << 17 && ac3.acmod > 0 && ac3.bsid <= 8 && usize::from(ac3.rate_code) < KBPS.len()).then_some(ac3)
    }
}

impl Eac3 {
    pub(super) fn packed(self) -> u64 {
        let Self { kbps, bsid, bsmod, acmod, lfe, objects } = self;
        u64::from(kbps) << 20
            | u64::from(bsid) << 15
            | u64::from(bsmod) << 12
            | u64::from(acmod) << 9
            | u64::from(lfe) << 8
            | u64::from(objects)
    }

    pub(super) fn unpacked(bits: u64) -> Option<Self> {
        let of = |from: u32, wide: u32| bits >> from & ((1 << wide) - 1);
        let eac3 = Self {
            kbps: of(20, 13) as u16,
            bsid: of(15, 5) as u8,
            bsmod: of(12, 3) as u8,
            acmod: of(9, 3) as u8,
            lfe: of(8, 1) == 1,
            objects: of(0, 8) as u8,
        };
        (bits < 1 << 33 && eac3.acmod > 0 && (11..=16).contains(&eac3.bsid)).then_some(eac3)
    }
}

/// The form of the frame that `bytes` are; see [`CodedSound::a52_frame`].
pub(super) fn read(bytes: &[u8]) -> Option<CodedSound> {
    // bsid lies at the same place in both (E.1.3.1.6).
    match bytes.get(5)? >> 3 {
        _ if bytes.get(..2)? != [0x0b, 0x77] => None,
        0..=8 => read_ac3(bytes).map(CodedSound::Ac3),
        11..=16 => read_eac3(bytes).map(CodedSound::Eac3),
        _ => None,
    }
}

/// 4.3.1, 4.3.2.
fn read_ac3(bytes: &[u8]) -> Option<Ac3> {
    let mut bits = Bits { bytes, at: 32 };
    let (fscod, frmsizecod) = (bits.take(2)?, bits.take(6)?);
    let (bsid, bsmod, acmod) = (bits.take(5)? as u8, bits.take(3)? as u8, bits.take(3)? as u8);
    if acmod & 1 == 1 && acmod != 1 {
        bits.take(2)?;
    }
    if acmod & 4 != 0 {
        bits.take(2)?;
    }
    if acmod == 2 {
        bits.take(2)?;
    }
    let lfe = bits.flag()?;
    let rate_code = (frmsizecod >> 1) as u8;
    // A frame of 48 kHz has two words a kb/s (table 4.13).
    let length = 4 * usize::from(*KBPS.get(usize::from(rate_code))?);
    (fscod == 0 && acmod > 0 && bytes.len() == length).then_some(Ac3 { bsid, bsmod, acmod, lfe, rate_code })
}

/// E.1.2.1, E.1.2.2.
fn read_eac3(bytes: &[u8]) -> Option<Eac3> {
    let mut bits = Bits { bytes, at: 16 };
    let (kind, substream) = (bits.take(2)?, bits.take(3)?);
    let length = 2 * (bits.take(11)? as usize + 1);
    let (fscod, blocks) = (bits.take(2)?, bits.take(2)?);
    let (acmod, lfe, bsid) = (bits.take(3)? as u8, bits.flag()?, bits.take(5)? as u8);
    // An independent one, the first, of six blocks.
    if (kind, substream, fscod, blocks) != (0, 0, 0, 3) || acmod == 0 || bytes.len() != length {
        return None;
    }
    bits.take(5)?;
    bits.optional(8)?;
    if bits.flag()? {
        mixing(&mut bits, acmod, lfe)?;
    }
    let mut bsmod = 0;
    if bits.flag()? {
        bsmod = bits.take(3)? as u8;
        bits.take(2)?;
        if acmod == 2 {
            bits.take(4)?;
        }
        if acmod >= 6 {
            bits.take(2)?;
        }
        bits.optional(8)?;
        // sourcefscod
        bits.take(1)?;
    }
    let mut objects = 0;
    if bits.flag()? {
        let length = bits.take(6)? + 1;
        // ETSI TS 103 420, 8.3.1: the lowest bit of the first byte says so.
        if length >= 2 && bits.take(8)? & 1 == 1 {
            objects = bits.take(8)? as u8;
        }
    }
    // 32 ms a frame.
    let kbps = u16::try_from(length / 4).ok()?;
    Some(Eac3 { kbps, bsid, bsmod, acmod, lfe, objects })
}

/// Mixing metadata (E.1.2.2) of an independent substream of six blocks, which is passed over.
fn mixing(bits: &mut Bits, acmod: u8, lfe: bool) -> Option<()> {
    if acmod > 2 {
        bits.take(2)?;
    }
    if acmod & 1 == 1 && acmod > 2 {
        bits.take(6)?;
    }
    if acmod & 4 != 0 {
        bits.take(6)?;
    }
    if lfe {
        bits.optional(5)?;
    }
    bits.optional(6)?;
    bits.optional(6)?;
    match bits.take(2)? {
        1 => bits.take(5).map(drop)?,
        2 => bits.take(12).map(drop)?,
        3 => {
            let bytes = bits.take(5)? + 2;
            (0..bytes).try_for_each(|_| bits.take(8).map(drop))?;
        }
        _ => {}
    }
    if acmod < 2 {
        bits.optional(14)?;
    }
    if bits.flag()? {
        // frmmixcfginfo: each block's in turn.
        (0..6).try_for_each(|_| bits.optional(5))?;
    }
    Some(())
}

/// Bits, the highest first.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    /// The next `count` of them, 32 at most.
    fn take(&mut self, count: usize) -> Option<u32> {
        let mut value = 0;
        for at in self.at..self.at + count {
            value = value << 1 | u32::from(self.bytes.get(at / 8)? >> (7 - at % 8) & 1);
        }
        self.at += count;
        Some(value)
    }

    fn flag(&mut self) -> Option<bool> {
        self.take(1).map(|bit| bit == 1)
    }

    /// A flag, and `count` bits where it is set.
    fn optional(&mut self, count: usize) -> Option<()> {
        if self.flag()? {
            self.take(count)?;
        }
        Some(())
    }
}
