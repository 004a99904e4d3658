//! Bits at equal quality: four tiles with a slice a row against one encoder of the same picture.

use std::sync::mpsc;

use bytes::Bytes;
use quadrille::compositor::{Canvas, Compositor, Draw, Job, fit};
use quadrille::encode::{Decoder, Libraries, PictureEncoders, decode};
use quadrille::frame::{Colour, Picture, Rect};
use quadrille::ladder::{ParameterSets, Rung, VideoCodec, VideoSettings};
use quadrille::stitch::{Format, Plan, Pps, Slices, Sps, Stitched, TileBlock, TileShape};

use crate::clips::{self, PICTURES};

/// Size of a tile. The picture fills it.
const TILE: (u32, u32) = (960, 544);
const INSIDE: Rect = Rect { x: 0, y: 0, width: 960, height: 544 };
const BACKGROUND: [u8; 3] = [0x0b, 0x0e, 0x14];

/// Rates of the mosaic that the curves go through, bits a second.
pub const RATES_BPS: [u32; 4] = [1_500_000, 3_000_000, 6_000_000, 12_000_000];

/// Rate and quality (luma SSIM in decibels) of one encode.
pub type Curve = Vec<(f64, f64)>;

/// Prints what stitching takes more than a render of the same mosaic, clip by clip, with tiles of the render's preset and of a slower one.
pub fn overhead(rung: &Rung, compositor: &dyn Compositor) {
    for (name, sources) in clips::looked_at() {
        let tiles = sources.map(|pictures| draw_tiles(&pictures, compositor));
        let mosaic = laid_out(&tiles);
        let whole: Curve = RATES_BPS.iter().map(|rate| render(&rung.settings, *rate, &mosaic)).collect();
        for preset in ["veryfast", "medium"] {
            let stitched: Curve = RATES_BPS.iter().map(|rate| stitch(rung, *rate, preset, &tiles, &mosaic)).collect();
            println!("stitch_rate_overhead_{name}_{preset}_percent {:.1} %", more_bits(&whole, &stitched));
        }
    }
}

/// The mosaic of four games' pictures.
pub fn mosaic_of(sources: &[Vec<Picture>; 4], compositor: &dyn Compositor) -> Vec<Picture> {
    laid_out(&sources.each_ref().map(|pictures| draw_tiles(pictures, compositor)))
}

fn laid_out(tiles: &[Vec<Picture>; 4]) -> Vec<Picture> {
    (0..PICTURES).map(|n| put_together([0, 1, 2, 3].map(|t| &tiles[t][n]))).collect()
}

fn draw_tiles(pictures: &[Picture], compositor: &dyn Compositor) -> Vec<Picture> {
    let draw = |picture: &Picture| {
        let rect = fit(picture.width, picture.height, picture.pixel_aspect, INSIDE);
        let (give, take) = mpsc::channel();
        let job = Job {
            affinity: 0,
            colour: Colour::CANVAS,
            canvas: Canvas {
                width: TILE.0,
                height: TILE.1,
                background: BACKGROUND,
                draws: vec![Draw { picture: picture.clone(), rect }],
            },
            smaller: Vec::new(),
            deliver: Box::new(move |drawn| drawn.into_iter().for_each(|p| give.send(p).expect("it is waited for"))),
        };
        assert!(compositor.submit(vec![job]).is_empty(), "the compositor is idle");
        take.recv().expect("it is drawn")
    };
    pictures.iter().map(draw).collect()
}

/// The four tiles as 1920x1080: eight rows are cropped below.
fn put_together(tiles: [&Picture; 4]) -> Picture {
    let planes = [0, 1, 2].map(|plane| {
        let rows = if plane == 0 { 1080 } else { 540 };
        let tile_rows = tiles[0].plane_size(plane).1;
        (0..rows)
            .flat_map(|row| {
                let pair = row / tile_rows * 2;
                [tiles[pair].row(plane, row % tile_rows), tiles[pair + 1].row(plane, row % tile_rows)].concat()
            })
            .collect()
    });
    Picture::from_planes(1920, 1080, Colour::CANVAS, planes).expect("an even size")
}

pub fn render(settings: &VideoSettings, bitrate_bps: u32, mosaic: &[Picture]) -> (f64, f64) {
    let (bits, decoded) = code(&VideoSettings { bitrate_bps, ..settings.clone() }, mosaic);
    (bits, quality(mosaic, &decoded))
}

fn stitch(rung: &Rung, bitrate_bps: u32, preset: &str, tiles: &[Vec<Picture>; 4], mosaic: &[Picture]) -> (f64, f64) {
    let settings = VideoSettings {
        width: TILE.0,
        height: TILE.1,
        bitrate_bps: bitrate_bps / 4,
        preset: preset.into(),
        is_tile: true,
        ..rung.settings.clone()
    };
    let sets = rung.codec.sets();
    let format =
        Format::new(Sps::parse(&sets.sps).expect("the ladder's SPS"), Pps::parse(&sets.pps).expect("the ladder's PPS"));
    let format = format.expect("a canvas that can be stitched");
    let gop = rung.settings.grid.gop();
    let shape = TileShape { width_mbs: TILE.0 / 16, height_mbs: TILE.1 / 16, slices: Slices::PerRow };
    let mut places = Vec::new();
    let mut inputs = Vec::new();
    for (n, tile) in (0..).zip(tiles) {
        let (units, _) = encode(&settings, tile);
        let segment = TileBlock::index(&format, shape, 0, &units, &gop, None).expect("a tile of the canvas");
        let placed = segment.placed(n % 2 * shape.width_mbs, n / 2 * shape.height_mbs, shape.height_mbs);
        let placed = placed.expect("a quarter of it");
        places.push(placed.place());
        inputs.push(placed);
    }
    let plan = Plan::new(&format, &places, Slices::PerRow, 1000).expect("four quarters");
    let stitched = Stitched::new(&plan, inputs).expect("they fit");
    let mut bytes = Vec::new();
    stitched.append_to(&mut bytes);
    let mut bytes = Bytes::from(bytes);
    let units: Vec<Bytes> = stitched.sizes().map(|size| bytes.split_to(size as usize)).collect();
    let decoded = decode(Decoder::Ffmpeg, sets, &units).expect("it decodes");
    (bits_a_second(&units), quality(mosaic, &decoded))
}

/// Bits a second, and the pictures as decoded.
fn code(settings: &VideoSettings, pictures: &[Picture]) -> (f64, Vec<Picture>) {
    let (units, sets) = encode(settings, pictures);
    let decoder = match settings.codec {
        VideoCodec::H264 => Decoder::Ffmpeg,
        VideoCodec::Hevc | VideoCodec::HevcPq | VideoCodec::HevcHlg => Decoder::FfmpegHevc,
    };
    (bits_a_second(&units), decode(decoder, &sets, &units).expect("it decodes"))
}

fn bits_a_second(units: &[Bytes]) -> f64 {
    8.0 * 30.0 * units.iter().map(Bytes::len).sum::<usize>() as f64 / units.len() as f64
}

fn encode(settings: &VideoSettings, pictures: &[Picture]) -> (Vec<Bytes>, ParameterSets) {
    let mut encoder = Libraries.open(settings).expect("the encoder opens");
    let mut units: Vec<Bytes> = (0u64..)
        .zip(pictures)
        .filter_map(|(frame, picture)| Some(encoder.encode(picture, frame).expect("it encodes")?.data))
        .collect();
    units.extend(std::iter::from_fn(|| Some(encoder.drain().expect("it encodes")?.data)));
    (units, encoder.parameter_sets().clone())
}

/// Mean luma SSIM (Wang et al. 2004, in blocks of 8x8 every four pixels, as x264 and FFmpeg do), in decibels.
fn quality(source: &[Picture], decoded: &[Picture]) -> f64 {
    let mean = source.iter().zip(decoded).map(|(a, b)| ssim(a, b)).sum::<f64>() / source.len() as f64;
    -10.0 * (1.0 - mean).log10()
}

pub fn ssim(a: &Picture, b: &Picture) -> f64 {
    const C1: f64 = (0.01 * 255.0) * (0.01 * 255.0);
    const C2: f64 = (0.03 * 255.0) * (0.03 * 255.0);
    let (width, height) = a.plane_size(0);
    let (mut sum, mut blocks) = (0.0, 0u32);
    for y in (0..=height - 8).step_by(4) {
        let rows: Vec<(&[u8], &[u8])> = (y..y + 8).map(|row| (a.row(0, row), b.row(0, row))).collect();
        for x in (0..=width - 8).step_by(4) {
            let (mut sa, mut sb, mut saa, mut sbb, mut sab) = (0u32, 0u32, 0u32, 0u32, 0u32);
            for (ra, rb) in &rows {
                for (&pa, &pb) in ra[x..x + 8].iter().zip(&rb[x..x + 8]) {
                    let (pa, pb) = (u32::from(pa), u32::from(pb));
                    sa += pa;
                    sb += pb;
                    saa += pa * pa;
                    sbb += pb * pb;
                    sab += pa * pb;
                }
            }
            let n = 64.0;
            let (ma, mb) = (f64::from(sa) / n, f64::from(sb) / n);
            let (va, vb) = (f64::from(saa) / n - ma * ma, f64::from(sbb) / n - mb * mb);
            let vab = f64::from(sab) / n - ma * mb;
            sum += (2.0 * ma * mb + C1) * (2.0 * vab + C2) / ((ma * ma + mb * mb + C1) * (va + vb + C2));
            blocks += 1;
        }
    }
    sum / f64::from(blocks)
}

/// Bits that `b` takes more than `a` in percent, averaged over the qualities that both reach (the logarithm of the rate as a
/// function of quality, straight between points).
pub fn more_bits(a: &Curve, b: &Curve) -> f64 {
    const STEPS: u32 = 100;
    let lowest = |curve: &Curve| curve.iter().map(|p| p.1).fold(f64::INFINITY, f64::min);
    let highest = |curve: &Curve| curve.iter().map(|p| p.1).fold(f64::NEG_INFINITY, f64::max);
    let (from, to) = (lowest(a).max(lowest(b)), highest(a).min(highest(b)));
    assert!(from < to, "no quality that both reach: {a:?} {b:?}");
    let mean = (0..=STEPS)
        .map(|step| {
            let at = from + (to - from) * f64::from(step) / f64::from(STEPS);
            log_rate(b, at) - log_rate(a, at)
        })
        .sum::<f64>()
        / f64::from(STEPS + 1);
    (mean.exp() - 1.0) * 100.0
}

fn log_rate(curve: &Curve, quality: f64) -> f64 {
    let next = curve.iter().position(|p| p.1 >= quality).unwrap_or(curve.len() - 1).max(1);
    let ((rate_a, q_a), (rate_b, q_b)) = (curve[next - 1], curve[next]);
    let share = if q_b > q_a { ((quality - q_a) / (q_b - q_a)).clamp(0.0, 1.0) } else { 0.0 };
    rate_a.ln() + share * (rate_b.ln() - rate_a.ln())
}
