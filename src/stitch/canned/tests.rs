//! The arithmetic by itself, and whole streams through FFmpeg, every sample of which must be the colour.

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use super::*;

/// Bits of a header.
#[derive(Default)]
struct Bits(Vec<bool>);

impl Bits {
    fn u(mut self, count: u32, value: u32) -> Self {
        self.0.extend((0..count).rev().map(|bit| value >> bit & 1 == 1));
        self
    }

    fn ue(self, value: u32) -> Self {
        let bits = (value + 1).ilog2();
        self.u(bits, 0).u(bits + 1, value + 1)
    }

    fn se(self, value: i32) -> Self {
        let code = 2 * value.unsigned_abs();
        self.ue(if value > 0 { code - 1 } else { code })
    }

    fn filled(mut self, with: bool) -> Vec<u8> {
        self.0.resize(self.0.len().next_multiple_of(8), with);
        self.0.chunks(8).map(|byte| byte.iter().fold(0, |value, bit| value << 1 | u8::from(*bit))).collect()
    }
}

/// A NAL unit with start code and emulation prevention (7.4.1, B.1).
fn nal(header: u8, rbsp: &[u8]) -> Vec<u8> {
    let mut unit = vec![0, 0, 0, 1, header];
    let mut zeros = 0;
    for &byte in rbsp {
        if zeros == 2 && byte <= 3 {
            unit.push(3);
            zeros = 0;
        }
        unit.push(byte);
        zeros = if byte == 0 { zeros + 1 } else { 0 };
    }
    unit
}

/// What the parameter sets and the deblocking of a stream are.
#[derive(Clone, Copy)]
struct Stream {
    width: u32,
    height: u32,
    offset: i32,
    deblocking_idc: u32,
    weighted_bipred_idc: u32,
}

#[derive(Clone, Copy, PartialEq)]
enum Type {
    Idr(u32),
    P,
    B,
}

impl Stream {
    fn new(width: u32, height: u32) -> Self {
        Self { width, height, offset: 0, deblocking_idc: 0, weighted_bipred_idc: 0 }
    }

    fn sets(&self) -> Vec<u8> {
        // profile_idc 100, level_idc 52, 4:2:0, 8 bits, no scaling matrix, frame_num of 4 bits, POC type 0 of 8 bits.
        let sps = Bits::default().u(8, 100).u(8, 0).u(8, 52).ue(0).ue(1).ue(0).ue(0).u(2, 0).ue(0).ue(0).ue(4);
        // Two reference frames, frames only, direct_8x8_inference.
        let sps = sps.ue(2).u(1, 0).ue(self.width - 1).ue(self.height - 1).u(1, 1).u(1, 1).u(1, 0);
        // A VUI with nothing but bitstream_restriction: one frame is reordered, two are buffered.
        let sps = sps.u(1, 1).u(8, 0).u(1, 1).u(1, 1).ue(0).ue(0).ue(16).ue(16).ue(1).ue(2).u(1, 1);
        let pps = Bits::default().ue(0).ue(0).u(1, 1).u(1, 0).ue(0).ue(0).ue(0).u(1, 0).u(2, self.weighted_bipred_idc);
        let pps = pps.se(0).se(0).se(self.offset).u(3, 0b100).u(1, 1).u(1, 0).se(self.offset).u(1, 1);
        [nal(0x67, &sps.filled(false)), nal(0x68, &pps.filled(false))].concat()
    }

    fn slice(
        &self,
        kind: Type,
        first_mb: u32,
        (frame_num, poc): (u32, u32),
        qp: i32,
        idc: u32,
        data: &[u8],
    ) -> Vec<u8> {
        let (header, slice_type) = match kind {
            Type::Idr(_) => (0x65, 7),
            Type::P => (0x41, 5),
            Type::B => (0x01, 6),
        };
        let mut bits = Bits::default().ue(first_mb).ue(slice_type).ue(0).u(4, frame_num);
        if let Type::Idr(id) = kind {
            bits = bits.ue(id).u(8, poc).u(2, 0);
        } else {
            bits = bits.u(8, poc);
            // Spatial direct; no override of reference counts, no reordering, sliding window.
            bits = if kind == Type::B { bits.u(1, 1).u(1, 0).u(2, 0) } else { bits.u(1, 0).u(1, 0).u(1, 0) };
            bits = bits.ue(idc);
        }
        bits = bits.se(qp - 26).ue(self.deblocking_idc);
        if self.deblocking_idc != 1 {
            bits = bits.se(0).se(0);
        }
        let mut rbsp = bits.filled(true);
        rbsp.extend_from_slice(data);
        nal(header, &rbsp)
    }

    /// An IDR picture of `colour`, then P B B P B B that skip all, in slices of `rows` rows.
    fn group(&self, index: u32, colour: [u8; 3], rows: u32) -> Vec<u8> {
        let kinds = [
            (Type::Idr(index % 2), 0, 0),
            (Type::P, 1, 6),
            (Type::B, 2, 2),
            (Type::B, 2, 4),
            (Type::P, 2, 12),
            (Type::B, 3, 8),
            (Type::B, 3, 10),
        ];
        let mut bytes = Vec::new();
        for (at, (kind, frame_num, poc)) in (0..).zip(kinds) {
            let idc = (index + at) % 3;
            let qp = match kind {
                Type::Idr(_) => flat_qp(self.offset),
                _ => ((index * 7 + at) * 11 % 52).try_into().unwrap(),
            };
            let count = self.width * rows;
            let data = match kind {
                Type::Idr(_) => flat(self.width, rows, colour, qp, self.offset),
                Type::P => skipped(Skipped::P, count, qp, idc),
                Type::B => skipped(Skipped::B, count, qp, idc),
            };
            for first_mb in (0..self.width * self.height).step_by(count as usize) {
                bytes.extend(self.slice(kind, first_mb, (frame_num, poc), qp, idc, &data));
            }
        }
        bytes
    }
}

/// What FFmpeg makes of a stream, and what it said about it.
fn decode(stream: Vec<u8>) -> (Vec<u8>, String) {
    let mut child = Command::new("ffmpeg")
        .args(["-v", "level+verbose", "-nostats", "-threads", "1", "-f", "h264", "-i", "-"])
        .args(["-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-threads", "1", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut input, mut output, mut errors) =
        (child.stdin.take().unwrap(), child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let writer = std::thread::spawn(move || input.write_all(&stream));
    let log = std::thread::spawn(move || {
        let mut said = String::new();
        errors.read_to_string(&mut said).map(|_| said)
    });
    let mut samples = Vec::new();
    output.read_to_end(&mut samples).unwrap();
    writer.join().unwrap().unwrap();
    assert!(child.wait().unwrap().success());
    (samples, log.join().unwrap().unwrap())
}

/// What FFmpeg complains about. That it conceals macroblocks it says by the way.
fn complaints(said: &str) -> Vec<&str> {
    let words = ["[warning]", "[error]", "[fatal]", "[panic]", "conceal"];
    said.lines().filter(|line| words.iter().any(|word| line.contains(word))).collect()
}

fn decode_cleanly(stream: Vec<u8>) -> Vec<u8> {
    let (samples, said) = decode(stream);
    assert_eq!(complaints(&said), Vec::<&str>::new());
    samples
}

/// All pictures of a stream, one colour after the other.
fn check(stream: Stream, colours: &[[u8; 3]], rows: u32) {
    let mut bytes = stream.sets();
    for (index, colour) in (0..).zip(colours) {
        bytes.extend(stream.group(index, *colour, rows));
    }
    let samples = decode_cleanly(bytes);
    let luma = (stream.width * stream.height * 256) as usize;
    assert_eq!(samples.len(), colours.len() * 7 * luma * 3 / 2);
    for (at, picture) in samples.chunks(luma * 3 / 2).enumerate() {
        let colour = colours[at / 7];
        let (y, chroma) = picture.split_at(luma);
        let (cb, cr) = chroma.split_at(luma / 4);
        for (plane, wanted) in [y, cb, cr].into_iter().zip(colour) {
            assert!(plane.iter().all(|sample| *sample == wanted), "picture {at} of {colour:?} at {}", stream.offset);
        }
    }
}

const CORNERS: [u8; 7] = [0, 255, 16, 235, 1, 254, 128];

/// Corner values of each component, all against others, and random ones.
fn colours(random: u32) -> Vec<[u8; 3]> {
    let corner = |at: usize| CORNERS[at % CORNERS.len()];
    let mut colours: Vec<_> = (0..7).map(|at| [corner(at), corner(at + 1), corner(at + 3)]).collect();
    colours.extend([[0, 0, 0], [255, 255, 255], [128, 128, 128], [16, 128, 128], [128, 90, 128], [128, 128, 91]]);
    let mut state = 0x2545_f491_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    colours.extend((0..random).map(|_| [next(), next(), next()]));
    colours
}

#[test]
fn every_colour_is_exact_up_to_the_flat_qp() {
    let luma_at = |qp: i32| {
        (0..=255u8)
            .all(|wanted| luma_sample(nearest_level(wanted, |level| luma_sample(level, qp)), qp) == i32::from(wanted))
    };
    let chroma_at = |qp_c: i32| {
        (0..=255u8).all(|wanted| {
            chroma_sample(nearest_level(wanted, |level| chroma_sample(level, qp_c)), qp_c) == i32::from(wanted)
        })
    };
    // Each once: offsets differ in which of them they pair.
    let luma: Vec<bool> = (0..=51).map(luma_at).collect();
    let chroma: Vec<bool> = (0..=51).map(chroma_at).collect();
    for offset in -12..=12 {
        let exact = |qp: i32| luma[qp as usize] && chroma[chroma_qp(qp, offset) as usize];
        for qp in 0..=flat_qp(offset) {
            assert!(exact(qp), "not at {qp} with {offset}");
        }
        let above = flat_qp(offset) + 1;
        assert!(!exact(above), "{above} would do as well at {offset}");
    }
}

#[test]
fn levels_map_one_to_one_at_luma_28_and_chroma_22() {
    assert_eq!((flat_qp(-6), flat_qp(0), flat_qp(-12)), (28, 22, 28));
    for wanted in 0..=255u8 {
        assert_eq!(nearest_level(wanted, |level| luma_sample(level, 28)), i32::from(wanted) - 128);
        assert_eq!(nearest_level(wanted, |level| chroma_sample(level, 22)), i32::from(wanted) - 128);
    }
}

/// The transforms in full, as matrices (8.5.10, 8.5.11, 8.5.12), beside the short cuts.
#[test]
fn short_cuts_are_the_transforms() {
    fn product<const N: usize>(a: [[i32; N]; N], b: [[i32; N]; N]) -> [[i32; N]; N] {
        std::array::from_fn(|i| std::array::from_fn(|j| (0..N).map(|k| a[i][k] * b[k][j]).sum()))
    }
    fn residual(dc: i32) -> [[i32; 4]; 4] {
        let one = |d: [i32; 4]| {
            let (e0, e1, e2, e3) = (d[0] + d[2], d[0] - d[2], (d[1] >> 1) - d[3], d[1] + (d[3] >> 1));
            [e0 + e3, e1 + e2, e1 - e2, e0 - e3]
        };
        let mut block = [[0; 4]; 4];
        block[0][0] = dc;
        let rows = block.map(one);
        let columns: [[i32; 4]; 4] = std::array::from_fn(|j| one(std::array::from_fn(|i| rows[i][j])));
        std::array::from_fn(|i| std::array::from_fn(|j| (columns[j][i] + 32) >> 6))
    }
    const H4: [[i32; 4]; 4] = [[1, 1, 1, 1], [1, 1, -1, -1], [1, -1, -1, 1], [1, -1, 1, -1]];
    const H2: [[i32; 2]; 2] = [[1, 1], [1, -1]];
    for qp in 0..52 {
        for level in -300..=300 {
            let mut c = [[0; 4]; 4];
            c[0][0] = level;
            for f in product(product(H4, c), H4).into_iter().flatten() {
                let scaled = f * level_scale(qp);
                let dc = match qp {
                    36.. => scaled << (qp / 6 - 6),
                    _ => (scaled + (1 << (5 - qp / 6))) >> (6 - qp / 6),
                };
                let wanted = luma_sample(level, qp);
                assert!(residual(dc).into_iter().flatten().all(|r| (128 + r).clamp(0, 255) == wanted));
            }
            for f in product(product(H2, [[level, 0], [0, 0]]), H2).into_iter().flatten() {
                let dc = ((f * level_scale(qp)) << (qp / 6)) >> 5;
                let wanted = chroma_sample(level, qp);
                assert!(residual(dc).into_iter().flatten().all(|r| (128 + r).clamp(0, 255) == wanted));
            }
        }
    }
}

#[test]
fn nothing_in_or_out_of_range_panics() {
    for qp in -2..54 {
        for idc in 0..4 {
            for count in [0, 1, 2, 700] {
                let ends = |data: Vec<u8>| data.last().is_some_and(|last| *last != 0);
                assert!(ends(skipped(Skipped::P, count, qp, idc)) && ends(skipped(Skipped::B, count, qp, idc)));
            }
        }
        for offset in [-99, -12, 0, 12, 99] {
            for colour in [[0; 3], [255; 3], [128; 3], [0, 255, 128]] {
                for (width, height) in [(0, 0), (0, 3), (3, 0), (1, 1), (1, 5), (5, 1), (4, 3)] {
                    assert!(!flat(width, height, colour, qp, offset).is_empty());
                }
            }
        }
    }
    assert_eq!((flat_qp(i32::MIN), flat_qp(i32::MAX)), (28, 10));
}

#[test]
fn small_pictures_decode() {
    for (width, height) in [(1, 1), (2, 1), (1, 2), (2, 2), (3, 5)] {
        for offset in [-2, 0, 2] {
            for deblocking_idc in [0, 2] {
                let stream = Stream { offset, deblocking_idc, ..Stream::new(width, height) };
                check(stream, &colours(4), 1);
                if height > 1 {
                    check(stream, &colours(4), height);
                }
            }
        }
    }
}

#[test]
fn rows_of_a_large_picture_decode() {
    for (offset, deblocking_idc, weighted_bipred_idc) in [(-2, 2, 0), (0, 0, 2), (2, 2, 2)] {
        let stream = Stream { offset, deblocking_idc, weighted_bipred_idc, ..Stream::new(60, 34) };
        check(stream, &colours(2)[..12], 1);
    }
}

#[test]
fn slices_of_some_rows_decode() {
    check(Stream { offset: -2, ..Stream::new(9, 12) }, &colours(9), 4);
    check(Stream { deblocking_idc: 2, ..Stream::new(40, 20) }, &colours(2), 10);
}

#[test]
fn one_slice_of_a_large_picture_decodes() {
    for (offset, deblocking_idc, from) in [(-2, 2, 0), (0, 0, 3), (2, 2, 11)] {
        let stream = Stream { offset, deblocking_idc, ..Stream::new(120, 68) };
        check(stream, &colours(2)[from..from + 3], 68);
    }
}

#[test]
fn every_qp_and_cabac_init_idc_skips() {
    let stream = Stream::new(60, 2);
    let colour = [200, 7, 99];
    let rows = |kind, numbers, qp, idc, data: &[u8]| {
        [0, 60].map(|first_mb| stream.slice(kind, first_mb, numbers, qp, idc, data)).concat()
    };
    let mut bytes = stream.sets();
    bytes.extend(rows(Type::Idr(0), (0, 0), 22, 0, &flat(60, 1, colour, 22, 0)));
    let all = (0..52).flat_map(|qp| (0..3).map(move |idc| (qp, idc)));
    for (number, (qp, idc)) in (1..).zip(all) {
        bytes.extend(rows(Type::P, (number % 16, 4 * number % 256), qp, idc, &skipped(Skipped::P, 60, qp, idc)));
        let numbers = ((number + 1) % 16, (4 * number - 2) % 256);
        bytes.extend(rows(Type::B, numbers, qp, idc, &skipped(Skipped::B, 60, qp, idc)));
    }
    let samples = decode_cleanly(bytes);
    assert_eq!(samples.len(), 313 * 60 * 2 * 384);
    for picture in samples.chunks(60 * 2 * 384) {
        let (y, chroma) = picture.split_at(60 * 2 * 256);
        let (cb, cr) = chroma.split_at(60 * 2 * 64);
        assert!(
            [y, cb, cr].into_iter().zip(colour).all(|(plane, wanted)| plane.iter().all(|sample| *sample == wanted))
        );
    }
}

#[test]
fn every_qp_up_to_the_flat_qp_decodes_flat() {
    for offset in [-12, -6, -2, 0, 2, 12] {
        let stream = Stream { offset, ..Stream::new(17, 5) };
        let mut bytes = stream.sets();
        let mut wanted = Vec::new();
        for qp in 0..=flat_qp(offset) {
            for (id, colour) in (0..).zip(&colours(3)) {
                let data = flat(17, 5, *colour, qp, offset);
                bytes.extend(stream.slice(Type::Idr(id), 0, (0, 0), qp, 0, &data));
                wanted.extend(colour.iter().zip([256, 64, 64]).flat_map(|(value, size)| vec![*value; 17 * 5 * size]));
            }
        }
        assert!(decode_cleanly(bytes) == wanted, "at {offset}");
    }
}

/// A picture of 256 slices of one macroblock, each of another colour: all values of all components, at every offset.
/// It is narrow because FFmpeg has room for 32 slices in any four rows.
#[test]
fn every_value_decodes_at_every_offset() {
    for offset in -12..=12 {
        for less in [0, 5] {
            let stream = Stream { offset, deblocking_idc: 2, ..Stream::new(4, 64) };
            let colour = |at: u32| [at as u8, (255 - at) as u8, (at * 77 % 256) as u8];
            let qp = flat_qp(offset) - less;
            let mut bytes = stream.sets();
            for at in 0..256 {
                let data = flat(1, 1, colour(at), qp, offset);
                bytes.extend(stream.slice(Type::Idr(0), at, (0, 0), qp, 0, &data));
            }
            let samples = decode_cleanly(bytes);
            assert_eq!(samples.len(), 256 * 256 * 3 / 2);
            for (at, sample) in samples.iter().enumerate() {
                let (plane, x, y) = match at {
                    ..0x10000 => (0, at % 64 / 16, at / 64 / 16),
                    _ => (at / 0x4000 - 3, at % 32 / 8, at % 0x4000 / 32 / 8),
                };
                assert_eq!(*sample, colour((4 * y + x) as u32)[plane], "plane {plane} of {x}, {y} at {offset}");
            }
        }
    }
}

/// Slices of different colours in one picture, two to a row, held by pictures that skip: no slice leans on another.
#[test]
fn slices_side_by_side_keep_their_colours() {
    let stream = Stream { deblocking_idc: 2, offset: -2, ..Stream::new(11, 9) };
    let colour = |row: u32, right: bool| colours(9)[(2 * row + u32::from(right)) as usize];
    let mut bytes = stream.sets();
    for (kind, frame_num, poc) in [(Type::Idr(0), 0, 0), (Type::P, 1, 4), (Type::B, 2, 2)] {
        for row in 0..9 {
            for (right, width) in [(false, 4), (true, 7)] {
                let qp = flat_qp(-2);
                let data = match kind {
                    Type::Idr(_) => flat(width, 1, colour(row, right), qp, -2),
                    Type::P => skipped(Skipped::P, width, qp, 1),
                    Type::B => skipped(Skipped::B, width, qp, 2),
                };
                let first_mb = 11 * row + if right { 4 } else { 0 };
                bytes.extend(stream.slice(kind, first_mb, (frame_num, poc), qp, frame_num, &data));
            }
        }
    }
    let samples = decode_cleanly(bytes);
    let (width, height) = (11 * 16, 9 * 16);
    assert_eq!(samples.len(), 3 * width * height * 3 / 2);
    for picture in samples.chunks(width * height * 3 / 2) {
        for (at, sample) in picture[..width * height].iter().enumerate() {
            assert_eq!(*sample, colour((at / width / 16) as u32, at % width >= 64)[0]);
        }
        for (at, sample) in picture[width * height..].iter().enumerate() {
            let (plane, at) = (at / (width * height / 4), at % (width * height / 4));
            assert_eq!(*sample, colour((at / (width / 2) / 8) as u32, at % (width / 2) >= 32)[1 + plane]);
        }
    }
}

/// That the checks above would see a slice that is too short, too long, or read with another slice's numbers.
#[test]
fn mistakes_are_seen() {
    let stream = Stream::new(60, 2);
    let picture = |kind, number, data: &[u8], qp| {
        [0, 60].map(|first_mb| stream.slice(kind, first_mb, (number, 2 * number), qp, 0, data)).concat()
    };
    let good = [stream.sets(), picture(Type::Idr(0), 0, &flat(60, 1, [90, 30, 200], 22, 0), 22)].concat();
    decode_cleanly(good.clone());
    let colour = [90, 30, 200];
    let flats = [(flat(59, 1, colour, 22, 0), 22), (flat(60, 1, colour, 22, 0), 40), (flat(60, 2, colour, 22, 0), 22)];
    let skips = [
        (skipped(Skipped::P, 59, 22, 0), 22),
        (skipped(Skipped::P, 60, 22, 1), 22),
        (skipped(Skipped::P, 60, 22, 0), 44),
    ];
    let bad = flats.map(|(data, qp)| [stream.sets(), picture(Type::Idr(0), 0, &data, qp)].concat());
    let also_bad = skips.map(|(data, qp)| [good.clone(), picture(Type::P, 1, &data, qp)].concat());
    for (at, bytes) in bad.into_iter().chain(also_bad).enumerate() {
        assert_ne!(complaints(&decode(bytes).1), Vec::<&str>::new(), "mistake {at}");
    }
}

/// Bins without contexts through a decoder (9.3.3.2), which must have read up to the stop bit in the end.
#[test]
fn bins_come_back_and_end_at_the_stop_bit() {
    let mut state = 1u32;
    let mut random = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state >> 16
    };
    for length in 0..600 {
        // All alike makes for long runs of bits outstanding.
        let bins: Vec<Option<bool>> = (0..length)
            .map(|_| match (length % 4, random() % 8) {
                (_, 0) => None,
                (0, _) => Some(true),
                (1, _) => Some(false),
                (_, value) => Some(value % 2 == 0),
            })
            .collect();
        let mut encoder = Encoder::new();
        for bin in &bins {
            match bin {
                Some(bin) => encoder.bypass(*bin),
                None => encoder.terminate(),
            }
        }
        let data = encoder.finish();
        let mut sent = data.iter().flat_map(|byte| (0..8).rev().map(move |at| u32::from(byte >> at & 1)));
        let mut read = 0;
        let mut next = || {
            read += 1;
            sent.next().unwrap()
        };
        let (mut range, mut offset) = (510, (0..9).fold(0, |value, _| value << 1 | next()));
        for (at, bin) in bins.iter().enumerate() {
            if let Some(bin) = bin {
                offset = offset << 1 | next();
                assert_eq!(offset >= range, *bin, "bin {at} of {length}");
                offset -= if *bin { range } else { 0 };
            } else {
                range -= 2;
                assert!(offset < range, "bin {at} of {length}");
                while range < 256 {
                    range <<= 1;
                    offset = offset << 1 | next();
                }
            }
        }
        // The terminating bin, after which nothing more is read.
        assert!(offset >= range - 2);
        let stop_bit = 8 * data.len() - data.last().unwrap().trailing_zeros() as usize;
        assert_eq!((offset & 1, read), (1, stop_bit));
    }
}

#[test]
fn sizes() {
    for (width, height) in [(1, 1), (60, 1), (120, 1), (240, 1), (120, 68), (256, 144)] {
        let all = width * height;
        for qp in [10, 22, 40] {
            let of = |kind| {
                [0, 1, 2].map(|idc| skipped(kind, all, qp, idc)).map(|data| {
                    let zeros = data.iter().take_while(|byte| **byte == 0).count();
                    (data.len(), zeros)
                })
            };
            println!("{width}x{height} at {qp}: P {:?}, B {:?}", of(Skipped::P), of(Skipped::B));
        }
        for colour in [[128; 3], [16, 128, 128], [0, 255, 1]] {
            let lengths = [-2, 0, 2, 12].map(|offset| flat(width, height, colour, flat_qp(offset), offset).len());
            println!("{width}x{height} flat {colour:?}: {lengths:?}");
        }
    }
}

#[test]
fn what_is_skipped_is_told_from_what_is_not() {
    for kind in [Skipped::P, Skipped::B] {
        for (qp, idc) in [(0, 0), (17, 1), (26, 2), (51, 0)] {
            for macroblocks in [1, 2, 7, 60, 1000] {
                let data = skipped(kind, macroblocks, qp, idc);
                let told = |n| is_skipped(kind, n, qp, idc, data.iter().copied());
                assert!(told(macroblocks), "{kind:?} {macroblocks} at {qp}");
                // The slice's end is where it is.
                assert!(!told(macroblocks + 1) && (macroblocks == 1 || !told(macroblocks - 1)));
            }
            // One macroblock that is not skipped, wherever.
            for coded in 0..9 {
                let mut context = skip_flag(kind, qp, idc);
                let mut cabac = Encoder::new();
                for n in 0..9 {
                    cabac.decision(&mut context, n != coded);
                    cabac.terminate();
                }
                assert!(!is_skipped(kind, 9, qp, idc, cabac.finish().into_iter()), "{coded}");
            }
        }
        assert!(!is_skipped(kind, 9, 26, 0, std::iter::empty()));
    }
}

#[test]
fn kept_slices_are_those_that_are_made() {
    for kind in [Skipped::P, Skipped::B] {
        for macroblocks in [1, 2, 60, 209, 210, 211, 4080, KEPT_MACROBLOCKS] {
            assert_eq!(kept_skipped(kind, macroblocks), skipped(kind, macroblocks, KEPT_QP, KEPT_CABAC_INIT_IDC));
        }
        assert_eq!((kept_skipped(kind, 0), kept_skipped(kind, KEPT_MACROBLOCKS + 1)), (&[][..], &[][..]));
    }
}
