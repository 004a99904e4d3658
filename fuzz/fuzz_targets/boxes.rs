//! Files of ISO boxes that advertisement servers send: any bytes, boxes within boxes, and damage to a whole one.
#![no_main]

#[allow(dead_code, unused_imports)]
#[path = "../../src/package/length.rs"]
mod length;

use arbitrary::Arbitrary;
use length::Length;
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
enum Input<'a> {
    Bytes(&'a [u8]),
    Boxes(Vec<Piece<'a>>),
    /// A whole file with a few bytes exchanged, cut somewhere.
    Damaged { edits: Vec<(u16, u8)>, cut: u16 },
}

#[derive(Arbitrary, Debug)]
enum Piece<'a> {
    /// Opens a box that ends where the next `Close` is, or with the file.
    Open(u8),
    Close,
    Raw(&'a [u8]),
    Header { version: bool, timescale: u32, duration: u64 },
    Handler { of_pictures: bool },
}

const KINDS: [&[u8; 4]; 8] = [b"moov", b"trak", b"mdia", b"mdat", b"moof", b"free", b"uuid", b"ftyp"];

/// Content of `mvhd` and of the first half of `mdhd`: version, flags, two times, a scale, a duration, and enough behind them.
fn times(version: bool, timescale: u32, duration: u64) -> Vec<u8> {
    let mut body = vec![u8::from(version), 0, 0, 0];
    body.extend(vec![0; if version { 16 } else { 8 }]);
    body.extend(timescale.to_be_bytes());
    if version {
        body.extend(duration.to_be_bytes());
    } else {
        body.extend((duration as u32).to_be_bytes());
    }
    body
}

fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    [&(8 + body.len() as u32).to_be_bytes()[..], kind, body].concat()
}

fn written(pieces: &[Piece]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut open = Vec::new();
    let close = |file: &mut Vec<u8>, at: usize| {
        let size = (file.len() - at) as u32;
        file[at..at + 4].copy_from_slice(&size.to_be_bytes());
    };
    for piece in pieces {
        match piece {
            Piece::Open(kind) => {
                open.push(file.len());
                file.extend([0; 4]);
                file.extend(KINDS[*kind as usize % KINDS.len()]);
            }
            Piece::Close => {
                if let Some(at) = open.pop() {
                    close(&mut file, at);
                }
            }
            Piece::Raw(bytes) => file.extend(*bytes),
            Piece::Header { version, timescale, duration } => {
                let times = times(*version, *timescale, *duration);
                file.extend(boxed(b"mvhd", &[&times[..], &[0; 80]].concat()));
                file.extend(boxed(b"mdhd", &[&times[..], &[0x55, 0xc4, 0, 0]].concat()));
            }
            Piece::Handler { of_pictures } => {
                let handler = if *of_pictures { b"vide" } else { b"soun" };
                file.extend(boxed(b"hdlr", &[&[0; 8][..], handler, &[0; 13]].concat()));
            }
        }
    }
    while let Some(at) = open.pop() {
        close(&mut file, at);
    }
    file
}

/// A film of half a minute, its pictures a little shorter.
fn whole() -> Vec<u8> {
    let track = |of_pictures, duration| {
        [
            Piece::Open(1),
            Piece::Open(2),
            Piece::Header { version: true, timescale: 90_000, duration },
            Piece::Handler { of_pictures },
            Piece::Close,
            Piece::Close,
        ]
    };
    let mut pieces = vec![Piece::Open(7), Piece::Raw(b"isom0000"), Piece::Close, Piece::Open(0)];
    pieces.push(Piece::Header { version: false, timescale: 1000, duration: 30_030 });
    pieces.extend(track(false, 2_702_700));
    pieces.extend(track(true, 2_700_000));
    pieces.extend([Piece::Close, Piece::Open(3), Piece::Raw(&[7; 100]), Piece::Close]);
    written(&pieces)
}

fuzz_target!(|input: Input| {
    let file = match input {
        Input::Bytes(bytes) => bytes.to_vec(),
        Input::Boxes(pieces) => written(&pieces),
        Input::Damaged { edits, cut } => {
            let mut file = whole();
            let is_whole = edits.is_empty() && usize::from(cut) >= file.len();
            for (at, value) in edits {
                let at = usize::from(at) % file.len();
                file[at] = value;
            }
            file.truncate(cut.into());
            let told = Length::of(&file);
            assert!(!is_whole || told == Length { ms: Some(30_030), pictures_ms: Some(30_000), is_cut_off: false });
            file
        }
    };
    let told = Length::of(&file);
    assert_eq!(told, Length::of(&file), "it says the same of the same bytes");
    assert!(told.ms != Some(0) && told.pictures_ms != Some(0), "no length is none");
    assert!(told.pictures_ms.is_none() || file.windows(4).any(|kind| kind == b"vide"));
});
