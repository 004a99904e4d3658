//! What both targets need.

use bytes::Bytes;

pub struct Encoded {
    pub sps: Vec<u8>,
    pub pps: Vec<u8>,
    pub units: Vec<Vec<u8>>,
}

/// A tile's Annex B stream with access unit delimiters, taken apart; NAL units get four-byte lengths.
pub fn encoded(stream: &[u8]) -> Encoded {
    let mut begins: Vec<usize> = (0..stream.len() - 2).filter(|at| stream[*at..].starts_with(&[0, 0, 1])).collect();
    begins.push(stream.len());
    let mut tile = Encoded { sps: Vec::new(), pps: Vec::new(), units: Vec::new() };
    for pair in begins.windows(2) {
        let mut nal = &stream[pair[0] + 3..pair[1]];
        while let [before @ .., 0] = nal {
            nal = before;
        }
        match nal[0] & 31 {
            9 => tile.units.push(Vec::new()),
            7 => tile.sps = nal.to_vec(),
            8 => tile.pps = nal.to_vec(),
            _ => {
                let unit = tile.units.last_mut().unwrap();
                unit.extend((nal.len() as u32).to_be_bytes());
                unit.extend(nal);
            }
        }
    }
    tile
}

/// Overwrites bytes of `bytes`: three of `edits` each are a place and a value.
pub fn damage(bytes: &mut [u8], edits: &[u8]) {
    for edit in edits.chunks_exact(3) {
        let at = usize::from(u16::from_be_bytes([edit[0], edit[1]]));
        if let Some(byte) = bytes.get_mut(at) {
            *byte = edit[2];
        }
    }
}

/// NAL units of access units that stand one after the other.
#[allow(dead_code)]
pub fn nals(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut nals = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk() {
        let (nal, rest) = rest.split_at(u32::from_be_bytes(*length) as usize);
        nals.push(nal);
        bytes = rest;
    }
    nals
}

#[allow(dead_code)]
pub fn shared(units: Vec<Vec<u8>>) -> Vec<Bytes> {
    units.into_iter().map(Bytes::from).collect()
}
