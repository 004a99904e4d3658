//! Bit streams by libx264 (`fixtures/`: 96x48 and, still, 96x16 pixels, one slice a row, seven pictures) and by the writer below, which
//! shares nothing with the room's: bits in a `Vec<bool>`, emulation prevention undone and done over whole NAL units.

mod hostile;
mod rewriting;
mod segments;
mod sets;

use bytes::Bytes;

use super::{Format, Pps, Slices, Sps, TileBlock, TileShape};
use crate::timeline::{Gop, Grid};

const NOISE: &[u8] = include_bytes!("../fixtures/noise.264");
const BARS: &[u8] = include_bytes!("../fixtures/bars.264");
const STILL: &[u8] = include_bytes!("../fixtures/still.264");
const FRAMES: usize = 7;

/// A tile as an encoder gives it.
struct Encoded {
    sps: Vec<u8>,
    pps: Vec<u8>,
    units: Vec<Bytes>,
}

/// Takes an Annex B stream with access unit delimiters apart.
fn encoded(stream: &[u8]) -> Encoded {
    let mut begins: Vec<usize> = (0..stream.len() - 2).filter(|at| stream[*at..].starts_with(&[0, 0, 1])).collect();
    begins.push(stream.len());
    let mut tile = Encoded { sps: Vec::new(), pps: Vec::new(), units: Vec::new() };
    let mut units: Vec<Vec<u8>> = Vec::new();
    for pair in begins.windows(2) {
        let mut nal = &stream[pair[0] + 3..pair[1]];
        while let [before @ .., 0] = nal {
            nal = before;
        }
        match nal[0] & 31 {
            9 => units.push(Vec::new()),
            7 => tile.sps = nal.to_vec(),
            8 => tile.pps = nal.to_vec(),
            _ => units.last_mut().unwrap().extend(with_length(nal)),
        }
    }
    tile.units = units.into_iter().map(Bytes::from).collect();
    tile
}

fn with_length(nal: &[u8]) -> Vec<u8> {
    [&u32::try_from(nal.len()).unwrap().to_be_bytes(), nal].concat()
}

/// The NAL units of access units that stand one after the other.
fn nals(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut nals = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk() {
        let (nal, rest) = rest.split_at(u32::from_be_bytes(*length) as usize);
        nals.push(nal);
        bytes = rest;
    }
    nals
}

/// A canvas of `width` x `height` pixels for tiles like the fixtures.
fn canvas(width: u32, height: u32) -> Format {
    let tile = encoded(NOISE);
    let sps = Sps::parse(&tile.sps).unwrap().with_size(width, height).unwrap();
    Format::new(sps, Pps::parse(&tile.pps).unwrap()).unwrap()
}

/// The pattern of a segment of so many pictures.
fn gop(frames: usize) -> Gop {
    Grid::new("30".parse().unwrap(), u32::try_from(frames).unwrap()).gop()
}

fn rows(width_mbs: u32, height_mbs: u32) -> TileShape {
    TileShape { width_mbs, height_mbs, slices: Slices::PerRow }
}

fn segment(format: &Format, stream: &[u8], height_mbs: u32) -> TileBlock {
    TileBlock::index(format, rows(6, height_mbs), 1, &encoded(stream).units, &gop(FRAMES), None).unwrap()
}

/// Undoes emulation prevention.
fn unescaped(nal: &[u8]) -> Vec<u8> {
    let mut rbsp = Vec::new();
    for (at, byte) in nal.iter().enumerate() {
        let prevents = *byte == 3 && at >= 2 && nal[at - 2..at] == [0, 0];
        if !prevents {
            rbsp.push(*byte);
        }
    }
    rbsp
}

fn escaped(rbsp: &[u8]) -> Vec<u8> {
    let mut nal: Vec<u8> = Vec::new();
    for byte in rbsp {
        if *byte <= 3 && nal.ends_with(&[0, 0]) {
            nal.push(3);
        }
        nal.push(*byte);
    }
    nal
}

/// Bits, written and read one by one.
#[derive(Default)]
struct Bits(Vec<bool>);

impl Bits {
    fn of(bytes: &[u8]) -> Self {
        Self(bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1 == 1)).collect())
    }

    fn u(mut self, count: u32, value: u64) -> Self {
        self.0.extend((0..count).rev().map(|bit| value >> bit & 1 == 1));
        self
    }

    fn ue(self, value: u32) -> Self {
        let code = u64::from(value) + 1;
        self.u(code.ilog2(), 0).u(code.ilog2() + 1, code)
    }

    fn se(self, value: i32) -> Self {
        let twice = value.unsigned_abs() * 2;
        self.ue(if value > 0 { twice - 1 } else { twice })
    }

    fn align(mut self, with: bool) -> Self {
        while !self.0.len().is_multiple_of(8) {
            self.0.push(with);
        }
        self
    }

    fn bytes(self) -> Vec<u8> {
        self.align(false).0.chunks(8).map(|bits| bits.iter().fold(0, |byte, bit| byte << 1 | u8::from(*bit))).collect()
    }

    /// The `ue(v)` at bit `at`, and the bit after it.
    fn ue_at(&self, at: usize) -> (u32, usize) {
        let zeros = self.0[at..].iter().position(|bit| *bit).unwrap();
        let code = self.0[at + zeros..][..zeros + 1].iter().fold(0u64, |code, bit| code << 1 | u64::from(*bit));
        ((code - 1) as u32, at + 2 * zeros + 1)
    }
}
