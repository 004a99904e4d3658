//! Files for tests.

use std::io::Cursor;

/// A PNG of `width` x `height`, each pixel as `pixel` has it (R, G, B).
pub fn png(width: u32, height: u32, pixel: impl Fn(u32, u32) -> [u8; 3]) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let picture = image::RgbImage::from_fn(width, height, |x, y| image::Rgb(pixel(x, y)));
    picture.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// Grey levels that follow each other, each for `picture_ms`, as an animated PNG.
pub fn apng(width: u32, height: u32, levels: &[u8], picture_ms: u16) -> Vec<u8> {
    let chunk = |name: &[u8], data: &[u8]| {
        let named = [name, data].concat();
        [&(data.len() as u32).to_be_bytes()[..], &named, &crc32fast::hash(&named).to_be_bytes()].concat()
    };
    let stills: Vec<Vec<u8>> = levels.iter().map(|level| png(width, height, |_, _| [*level; 3])).collect();
    // Behind the signature: length, name, data, checksum.
    let coded = |still: &[u8]| {
        let (mut at, mut data) = (8, Vec::new());
        while at + 8 <= still.len() {
            let length = u32::from_be_bytes(still[at..at + 4].try_into().unwrap()) as usize;
            if &still[at + 4..at + 8] == b"IDAT" {
                data.extend_from_slice(&still[at + 8..at + 8 + length]);
            }
            at += 12 + length;
        }
        data
    };
    let mut out = stills[0][..33].to_vec();
    out.extend(chunk(b"acTL", &[(levels.len() as u32).to_be_bytes(), [0; 4]].concat()));
    let mut sequence = 0u32;
    let mut next = || {
        sequence += 1;
        (sequence - 1).to_be_bytes()
    };
    for (n, still) in stills.iter().enumerate() {
        let numbers = [next(), width.to_be_bytes(), height.to_be_bytes(), [0; 4], [0; 4]].concat();
        let delay = [picture_ms.to_be_bytes(), 1000u16.to_be_bytes()].concat();
        out.extend(chunk(b"fcTL", &[numbers, delay, vec![0, 0]].concat()));
        match n {
            0 => out.extend(chunk(b"IDAT", &coded(still))),
            _ => out.extend(chunk(b"fdAT", &[next().to_vec(), coded(still)].concat())),
        }
    }
    out.extend(chunk(b"IEND", &[]));
    out
}

/// The same as an animated WebP.
pub fn webp(width: u32, height: u32, levels: &[u8], picture_ms: u32) -> Vec<u8> {
    let three = |value: u32| value.to_le_bytes()[..3].to_vec();
    let chunk = |name: &[u8], data: &[u8]| {
        let padding = vec![0; data.len() % 2];
        [name, &(data.len() as u32).to_le_bytes(), data, &padding].concat()
    };
    let mut body = b"WEBP".to_vec();
    body.extend(chunk(b"VP8X", &[vec![2, 0, 0, 0], three(width - 1), three(height - 1)].concat()));
    body.extend(chunk(b"ANIM", &[0; 6]));
    for level in levels {
        let mut still = Cursor::new(Vec::new());
        let picture = image::RgbImage::from_pixel(width, height, image::Rgb([*level; 3]));
        picture.write_to(&mut still, image::ImageFormat::WebP).unwrap();
        let sizes = [three(0), three(0), three(width - 1), three(height - 1), three(picture_ms), vec![2]].concat();
        // Behind the file's head the one chunk of its picture.
        body.extend(chunk(b"ANMF", &[&sizes[..], &still.into_inner()[12..]].concat()));
    }
    chunk(b"RIFF", &body)
}
