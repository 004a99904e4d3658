//! Blocks of tracks, from their bytes, as a disk or another machine gives them.
#![no_main]

#[allow(dead_code, unused_imports)]
#[path = "../../src/captions/mod.rs"]
mod captions;
#[allow(dead_code, unused_imports)]
#[path = "../../src"]
mod rooms {
    pub mod frame;
}
#[allow(dead_code, unused_imports)]
#[path = "../../src/stitch/mod.rs"]
mod stitch;
mod support;
#[allow(dead_code, unused_imports)]
#[path = "../../src/timeline/mod.rs"]
mod timeline;
/// Of the room `track`, what has to do with bytes.
#[allow(dead_code, unused_imports)]
#[path = "."]
mod track {
    #[path = "../../src/track/block.rs"]
    mod block;
    #[path = "../../src/track/position.rs"]
    mod position;

    pub use block::{Block, BlockError};
    pub use position::Position;
}

use std::sync::Arc;

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use rooms::frame;
use stitch::{Format, Pps, Slices, Sps, TileBlock, TileShape};
use track::{Block, BlockError, Position};

const NOISE: &[u8] = include_bytes!("../../src/stitch/fixtures/noise.264");
const FRAMES: u32 = 7;
const SEGMENT: u64 = 45_000_000;

fuzz_target!(|data: &[u8]| {
    let Some((&[mode, kind, part], data)) = data.split_first_chunk::<3>() else { return };
    let grid = timeline::Grid::new("30".parse().unwrap(), FRAMES);
    let tile = support::encoded(NOISE);
    let sps = Sps::parse(&tile.sps).unwrap().with_size(208, 96).unwrap();
    let format = Format::new(sps, Pps::parse(&tile.pps).unwrap()).unwrap();
    let at = Position::new(SEGMENT, u32::from(part % 2));
    // A head, and what came behind it; or a real tile's bytes with what came as damage. The sum is right in both.
    let mut bytes = if mode & 1 == 0 {
        // Text has a head and a sum of its own.
        let mut data = if kind % 8 == 4 { [&b"QTXT\x01"[..], data].concat() } else { data.to_vec() };
        if kind % 8 == 4 {
            data.extend(crc32fast::hash(&data).to_be_bytes());
        }
        [b"QBLK", &[1, kind % 8][..], &SEGMENT.to_be_bytes(), &at.part.to_be_bytes(), &data].concat()
    } else {
        let shape = TileShape { width_mbs: 6, height_mbs: 3, slices: Slices::PerRow };
        let gop = grid.part_gop(0);
        let units = support::shared(tile.units[..gop.pictures().len()].to_vec());
        let block = Block::Tile(Arc::new(TileBlock::index(&format, shape, 1, &units, &gop, None).unwrap()));
        let whole = block.to_bytes(&grid, Position::new(SEGMENT, 0));
        let mut damaged = whole[..whole.len() - 4].to_vec();
        support::damage(&mut damaged, data);
        damaged
    };
    bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
    let bytes = Bytes::from(bytes);
    match Block::from_bytes(&grid, at, Some(&format), &bytes) {
        Ok(Block::Tile(block)) => {
            // Whatever was taken can be placed, or says why not.
            let _ = block.placed(0, 0, block.shape().height_mbs);
            assert!(block.frames() <= FRAMES as usize);
        }
        Ok(block) => assert_eq!(block.to_bytes(&grid, at), bytes),
        Err(error) => assert_ne!(error, BlockError::Damaged, "the sum is right"),
    }
});
