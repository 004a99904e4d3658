//! A track's units of one part, and their bytes.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::Position;
use crate::captions::{TextBlock, TextBlockError};
use crate::frame::{AccessUnit, SoundUnit};
use crate::stitch::{Format, StitchError, TileBlock};
use crate::timeline::Grid;

/// A track's units of one part, or as much of it as an encoder made in its time. Cheap to clone.
#[derive(Clone, Debug)]
pub enum Block {
    /// Pictures in the order of coding, each one run of bytes.
    Pictures(Arc<[AccessUnit]>),
    /// Pictures of a tile, taken apart for stitching.
    Tile(Arc<TileBlock>),
    /// AAC frames in order.
    Sound(Arc<[SoundUnit]>),
    /// The cues of a text that stand in it.
    Text(Arc<TextBlock>),
    /// Frames of a sound as it came, in order, each of so many samples.
    Coded { frame_samples: u16, units: Arc<[SoundUnit]> },
}

/// Why bytes are no block.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    #[error("the bytes of a block end too soon")]
    Ended,
    #[error("the bytes of a block go on after its end")]
    Trailing,
    #[error("these are no bytes of a block")]
    NoBlock,
    #[error("a block of version {0}, which is not known here")]
    Version(u8),
    #[error("a block of kind {0}, which is not known here")]
    Kind(u8),
    #[error("the bytes of a block are damaged")]
    Damaged,
    #[error("a block of segment {}, part {} where that of {}, {} was asked for", .got.segment, .got.part, .expected.segment, .expected.part)]
    Elsewhere { expected: Position, got: Position },
    #[error("unit {0} is none of its part")]
    UnitElsewhere(u64),
    #[error("a block of sound whose frames have {0} samples")]
    FrameLength(u16),
    #[error("a tile's block where the canvas is not known")]
    NoFormat,
    #[error(transparent)]
    Tile(#[from] StitchError),
    #[error(transparent)]
    Text(#[from] TextBlockError),
}

const MAGIC: &[u8; 4] = b"QBLK";
const VERSION: u8 = 1;
const PICTURES: u8 = 1;
const TILE: u8 = 2;
const SOUND: u8 = 3;
const TEXT: u8 = 4;
const CODED: u8 = 5;
/// The longest frame of a coded sound, in samples.
const LONGEST_FRAME: u16 = 4096;
/// The highest bit of a picture's length says that it is an IDR picture.
const SYNC: u32 = 1 << 31;

impl Block {
    /// The same on a disk, in a store of objects and between machines. Numbers are big-endian:
    ///
    /// ```text
    /// "QBLK", version (8 bits), kind (8), segment (64), part (32), payload, CRC-32 of all that (32)
    /// kind 1, pictures: their number (16); of each its frame within the segment (16), its length with the highest bit set where it is
    ///         an IDR picture (32); their bytes, one after the other
    /// kind 2, a tile's pictures: see TileBlock::write_onto
    /// kind 3, sound: number of AAC frames (16), the first one's number (64); of each its length (16); their bytes
    /// kind 4, text: see TextBlock::to_bytes
    /// kind 5, sound as it came: samples of a frame (16), then as kind 3
    /// ```
    pub fn to_bytes(&self, grid: &Grid, at: Position) -> Bytes {
        let mut out = Vec::with_capacity(64 + self.payload_bytes());
        out.extend_from_slice(MAGIC);
        out.push(VERSION);
        out.push(self.kind());
        out.extend_from_slice(&at.segment.to_be_bytes());
        out.extend_from_slice(&at.part.to_be_bytes());
        match self {
            Self::Pictures(units) => {
                let first = grid.first_frame(at.segment);
                // A segment has at most 65,535 frames, a unit far less than 2^31 bytes: encoders give no others.
                out.extend_from_slice(&(units.len() as u16).to_be_bytes());
                for unit in units.iter() {
                    out.extend_from_slice(&(unit.frame.saturating_sub(first) as u16).to_be_bytes());
                    let sync = if unit.sync { SYNC } else { 0 };
                    out.extend_from_slice(&(unit.data.len() as u32 | sync).to_be_bytes());
                }
                units.iter().for_each(|unit| out.extend_from_slice(&unit.data));
            }
            Self::Tile(block) => block.write_onto(&mut out),
            Self::Sound(units) => write_sound(units, &mut out),
            Self::Coded { frame_samples, units } => {
                out.extend_from_slice(&frame_samples.to_be_bytes());
                write_sound(units, &mut out);
            }
            Self::Text(block) => out.extend_from_slice(&block.to_bytes()),
        }
        let sum = crc32fast::hash(&out);
        out.extend_from_slice(&sum.to_be_bytes());
        out.into()
    }

    /// The block at `at` that [`Block::to_bytes`] wrote; its units share `bytes`. `format` is that of the canvas of a tile.
    ///
    /// # Errors
    /// Whatever makes it another block than the one written, or one that is not of this place.
    pub fn from_bytes(grid: &Grid, at: Position, format: Option<&Format>, bytes: &Bytes) -> Result<Self, BlockError> {
        let mut fields = Fields(bytes.clone());
        if fields.array::<4>()? != *MAGIC {
            return Err(BlockError::NoBlock);
        }
        let version = fields.u8()?;
        if version != VERSION {
            return Err(BlockError::Version(version));
        }
        let Some((body, sum)) = bytes.split_last_chunk::<4>() else { return Err(BlockError::Ended) };
        if crc32fast::hash(body) != u32::from_be_bytes(*sum) {
            return Err(BlockError::Damaged);
        }
        let kind = fields.u8()?;
        let got = Position { segment: fields.u64()?, part: fields.u32()? };
        if got != at {
            return Err(BlockError::Elsewhere { expected: at, got });
        }
        fields.0.truncate(fields.0.len().saturating_sub(4));
        match kind {
            PICTURES => pictures(grid, at, fields),
            TILE => {
                let format = format.ok_or(BlockError::NoFormat)?;
                Ok(Self::Tile(Arc::new(TileBlock::read(format, &grid.part_gop(at.part), &fields.0)?)))
            }
            SOUND => {
                let its = grid.part_aac_frames(at.segment, at.part);
                Ok(Self::Sound(sound(its, fields)?))
            }
            CODED => {
                let frame_samples = fields.u16()?;
                if frame_samples == 0 || frame_samples > LONGEST_FRAME {
                    return Err(BlockError::FrameLength(frame_samples));
                }
                let its = grid.part_coded_frames(at.segment, at.part, frame_samples.into());
                Ok(Self::Coded { frame_samples, units: sound(its, fields)? })
            }
            TEXT => Ok(Self::Text(Arc::new(TextBlock::from_bytes(&fields.0)?))),
            kind => Err(BlockError::Kind(kind)),
        }
    }

    const fn kind(&self) -> u8 {
        match self {
            Self::Pictures(_) => PICTURES,
            Self::Tile(_) => TILE,
            Self::Sound(_) => SOUND,
            Self::Text(_) => TEXT,
            Self::Coded { .. } => CODED,
        }
    }

    /// Bytes of its units, as good as: see [`TileBlock::coded_bytes`].
    pub fn coded_bytes(&self) -> usize {
        match self {
            Self::Pictures(units) => units.iter().map(|unit| unit.data.len()).sum(),
            Self::Tile(block) => block.coded_bytes(),
            Self::Sound(units) | Self::Coded { units, .. } => units.iter().map(|unit| unit.data.len()).sum(),
            Self::Text(block) => block.bytes(),
        }
    }

    /// Memory it takes, give or take.
    pub fn payload_bytes(&self) -> usize {
        match self {
            Self::Pictures(units) => units.iter().map(|unit| unit.data.len() + 6).sum(),
            Self::Tile(block) => block.bytes(),
            Self::Sound(units) | Self::Coded { units, .. } => units.iter().map(|unit| unit.data.len() + 2).sum(),
            Self::Text(block) => block.bytes(),
        }
    }
}

fn pictures(grid: &Grid, at: Position, mut fields: Fields) -> Result<Block, BlockError> {
    let first = grid.first_frame(at.segment);
    let pictures = grid.part_gop(at.part);
    let count = fields.u16()?;
    let mut heads = Vec::with_capacity(usize::from(count).min(pictures.pictures().len()));
    for n in 0..usize::from(count) {
        let frame = first + u64::from(fields.u16()?);
        // They come in the order of coding, and whoever reads them relies on that.
        if pictures.pictures().get(n).is_none_or(|picture| first + u64::from(picture.shown) != frame) {
            return Err(BlockError::UnitElsewhere(frame));
        }
        heads.push((frame, fields.u32()?));
    }
    let units = heads.into_iter().map(|(frame, length)| {
        let data = fields.take((length & !SYNC) as usize)?;
        Ok(AccessUnit { frame, sync: length & SYNC != 0, data })
    });
    let units = units.collect::<Result<_, BlockError>>()?;
    if fields.0.is_empty() { Ok(Block::Pictures(units)) } else { Err(BlockError::Trailing) }
}

fn write_sound(units: &[SoundUnit], out: &mut Vec<u8>) {
    out.extend_from_slice(&(units.len() as u16).to_be_bytes());
    let first = units.first().map_or(0, |unit| unit.aac_frame);
    out.extend_from_slice(&first.to_be_bytes());
    // An AAC frame has at most 768 bytes a channel (ISO/IEC 14496-3, 4.5.3.1), one of E-AC-3 4096 (ETSI TS 102 366, E.1.3.1.3).
    units.iter().for_each(|unit| out.extend_from_slice(&(unit.data.len() as u16).to_be_bytes()));
    units.iter().for_each(|unit| out.extend_from_slice(&unit.data));
}

/// The frames of a part that has `its`.
fn sound(its: Range<u64>, mut fields: Fields) -> Result<Arc<[SoundUnit]>, BlockError> {
    let (count, first) = (fields.u16()?, fields.u64()?);
    // Of nothing the first is number 0: a block is written in one way.
    let begins = if count > 0 { its.start } else { 0 };
    if first != begins || u64::from(count) > its.end - its.start {
        return Err(BlockError::UnitElsewhere(first));
    }
    let lengths = (0..count).map(|_| fields.u16()).collect::<Result<Vec<_>, _>>()?;
    let units = (first..).zip(lengths).map(|(aac_frame, length)| {
        let data = fields.take(length.into())?;
        Ok(SoundUnit { aac_frame, data })
    });
    let units = units.collect::<Result<_, BlockError>>()?;
    if fields.0.is_empty() { Ok(units) } else { Err(BlockError::Trailing) }
}

/// Fields of a block, one after the other.
struct Fields(Bytes);

impl Fields {
    fn take(&mut self, bytes: usize) -> Result<Bytes, BlockError> {
        if self.0.len() < bytes { Err(BlockError::Ended) } else { Ok(self.0.split_to(bytes)) }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], BlockError> {
        let array = *self.0.first_chunk().ok_or(BlockError::Ended)?;
        self.0 = self.0.slice(N..);
        Ok(array)
    }

    fn u8(&mut self) -> Result<u8, BlockError> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Result<u16, BlockError> {
        self.array().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Result<u32, BlockError> {
        self.array().map(u32::from_be_bytes)
    }

    fn u64(&mut self) -> Result<u64, BlockError> {
        self.array().map(u64::from_be_bytes)
    }
}

/// Blocks are equal when their bytes are, for those of tests that compare them.
#[cfg(test)]
impl PartialEq for Block {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Pictures(a), Self::Pictures(b)) => a == b,
            (Self::Tile(a), Self::Tile(b)) => {
                let bytes = |block: &TileBlock| {
                    let mut bytes = Vec::new();
                    block.write_onto(&mut bytes);
                    bytes
                };
                bytes(a) == bytes(b)
            }
            (Self::Sound(a), Self::Sound(b)) => a == b,
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::Coded { frame_samples: a, units: of_a }, Self::Coded { frame_samples: b, units: of_b }) => {
                (a, of_a) == (b, of_b)
            }
            (Self::Pictures(_) | Self::Tile(_) | Self::Sound(_) | Self::Text(_) | Self::Coded { .. }, _) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SEGMENT: u64 = 45_664_201;

    /// Parts of ten frames.
    fn grid() -> Grid {
        Grid::new("30".parse().unwrap(), 24)
    }

    fn blocks() -> impl Strategy<Value = (Position, Block)> {
        let data = prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..11);
        (0u32..3, 0u8..3, data).prop_map(|(part, kind, data)| {
            let at = Position::new(SEGMENT, part);
            let block = if kind == 2 {
                let frames = grid().part_coded_frames(SEGMENT, part, 1536);
                let unit = |(aac_frame, data): (u64, Vec<u8>)| SoundUnit { aac_frame, data: data.into() };
                Block::Coded { frame_samples: 1536, units: frames.zip(data).map(unit).collect() }
            } else if kind == 1 {
                let frames = grid().part_aac_frames(SEGMENT, part);
                Block::Sound(
                    frames.zip(data).map(|(aac_frame, data)| SoundUnit { aac_frame, data: data.into() }).collect(),
                )
            } else {
                let first = grid().first_frame(SEGMENT);
                let gop = grid().part_gop(part);
                let unit = |(picture, data): (&crate::timeline::GopPicture, Vec<u8>)| AccessUnit {
                    frame: first + u64::from(picture.shown),
                    sync: picture.shown == 0,
                    data: data.into(),
                };
                Block::Pictures(gop.pictures().iter().zip(data).map(unit).collect())
            };
            (at, block)
        })
    }

    proptest! {
        #[test]
        fn what_was_written_is_read((at, block) in blocks()) {
            let bytes = block.to_bytes(&grid(), at);
            prop_assert_eq!(Block::from_bytes(&grid(), at, None, &bytes).unwrap(), block);
            let elsewhere = Position::new(at.segment + 1, at.part);
            let refused = Block::from_bytes(&grid(), elsewhere, None, &bytes).unwrap_err();
            prop_assert_eq!(refused, BlockError::Elsewhere { expected: elsewhere, got: at });
        }

        #[test]
        fn what_was_changed_on_its_way_is_refused((at, block) in blocks(), cut in 0usize..300, flipped in any::<usize>(), bit in 0u32..8) {
            let bytes = block.to_bytes(&grid(), at);
            let cut = cut.min(bytes.len() - 1);
            prop_assert!(Block::from_bytes(&grid(), at, None, &bytes.slice(..cut)).is_err());
            let mut other = bytes.to_vec();
            let flipped = flipped % other.len();
            other[flipped] ^= 1 << bit;
            prop_assert!(Block::from_bytes(&grid(), at, None, &other.into()).is_err());
        }

        /// A block of no sound is written in one way, too.
        #[test]
        fn no_sound_begins_nowhere(first in 1u64..) {
            let head = [&MAGIC[..], &[VERSION, SOUND], &SEGMENT.to_be_bytes(), &0u32.to_be_bytes()].concat();
            let mut bytes = [&head[..], &0u16.to_be_bytes(), &first.to_be_bytes()].concat();
            bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
            let read = Block::from_bytes(&grid(), Position::new(SEGMENT, 0), None, &bytes.into());
            prop_assert_eq!(read.unwrap_err(), BlockError::UnitElsewhere(first));
        }

        /// What has a right sum may still be nonsense: from a program of another version, or made by somebody.
        #[test]
        fn whatever_has_a_right_sum_is_a_block_or_an_error(kind in 0u8..5, part in 0u32..4, payload in prop::collection::vec(any::<u8>(), 0..60)) {
            let mut bytes = [&MAGIC[..], &[VERSION, kind], &SEGMENT.to_be_bytes(), &part.to_be_bytes(), &payload].concat();
            bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
            let bytes = Bytes::from(bytes);
            let at = Position::new(SEGMENT, part);
            if let Ok(block) = Block::from_bytes(&grid(), at, None, &bytes) {
                prop_assert_eq!(block.to_bytes(&grid(), at), bytes);
            }
        }
    }

    #[test]
    fn other_versions_and_other_files_are_told_apart() {
        let at = Position::new(SEGMENT, 0);
        let bytes = Block::Sound(Arc::from([])).to_bytes(&grid(), at);
        let with = |at_byte: usize, byte: u8| {
            let mut other = bytes.to_vec();
            other[at_byte] = byte;
            Block::from_bytes(&grid(), at, None, &other.into()).unwrap_err()
        };
        assert_eq!(with(0, b'R'), BlockError::NoBlock);
        assert_eq!(with(4, 2), BlockError::Version(2));
        assert_eq!(with(9, 1), BlockError::Damaged);
        assert_eq!(Block::from_bytes(&grid(), at, None, &Bytes::new()).unwrap_err(), BlockError::Ended);
    }
}
