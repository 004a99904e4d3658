//! HDR pictures on the canvas, against FFmpeg's colour conversion (zimg) and BT.2390 written down once more.

use std::process::Command;

use super::support::*;
use super::*;
use crate::frame::{Depth, Matrix, Peak, Primaries, Range8, Transfer};

const CHART: u32 = 216;
const PATCH: usize = 8;

fn bt2100(transfer: Transfer) -> Colour {
    let (matrix, primaries) = (Matrix::Bt2020, Primaries::Bt2020);
    Colour { matrix, range: Range8::Limited, primaries, transfer, depth: Depth::Ten }
}

/// Ten bits of (Y, Cb, Cr) for R'G'B' of BT.2020, in limited range (ITU-R BT.2100, table 9).
fn codes(rgb: [f64; 3]) -> [u16; 3] {
    let y = 0.2627 * rgb[0] + 0.6780 * rgb[1] + 0.0593 * rgb[2];
    let (cb, cr) = ((rgb[2] - y) / 1.8814, (rgb[0] - y) / 1.4746);
    [876.0 * y + 64.0, 896.0 * cb + 512.0, 896.0 * cr + 512.0].map(|code| code.round() as u16)
}

/// 27 by 27 patches: all combinations of nine values of red, green and blue, up to the brightest that `transfer` is to show.
fn chart(transfer: Transfer, brightest: f64) -> Picture {
    let side = CHART as usize;
    let patch = |column: usize, row: usize| {
        let at = (row / PATCH) * (side / PATCH) + column / PATCH;
        codes([at % 9, at / 9 % 9, at / 81].map(|step| brightest * step as f64 / 8.0))
    };
    let plane = |plane: usize, scale: usize| {
        let size = side / scale;
        let samples = (0..size * size).map(|i| patch(i % size * scale, i / size * scale)[plane]);
        samples.flat_map(u16::to_le_bytes).collect()
    };
    Picture::from_planes(CHART, CHART, bt2100(transfer), [plane(0, 1), plane(1, 2), plane(2, 2)]).expect("sound planes")
}

/// Linear light of each pixel in units of 100 cd/m2, R, G and B of BT.2020, as FFmpeg reads the picture.
fn light_by_ffmpeg(picture: &Picture, transfer: &str) -> [Vec<f32>; 3] {
    let folder = tempfile::tempdir().expect("temporary folder");
    let (from, to) = (folder.path().join("in.yuv"), folder.path().join("out.rgb"));
    let bytes: Vec<u8> = (0..3).flat_map(|plane| packed(picture, plane)).collect();
    std::fs::write(&from, bytes).expect("written");
    // Without approximations, of which one is HLG's system gamma taken by component.
    let (from_colours, to_light) = ("min=2020_ncl:pin=2020:rin=limited", "t=linear:p=2020:m=gbr:npl=100:agamma=0");
    let filter = format!("zscale=tin={transfer}:{from_colours}:{to_light},format=gbrpf32le");
    let status = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "rawvideo", "-pix_fmt", "yuv420p10le", "-s", "216x216", "-i"])
        .arg(&from)
        .args(["-vf", &filter, "-f", "rawvideo"])
        .arg(&to)
        .status()
        .expect("ffmpeg runs");
    assert!(status.success());
    let all = std::fs::read(&to).expect("ffmpeg wrote");
    let plane = |plane: usize| {
        let bytes = all.chunks_exact(4).skip(plane * (CHART * CHART) as usize).take((CHART * CHART) as usize);
        bytes.map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])).collect()
    };
    // Planes are in the order G, B, R.
    [plane(2), plane(0), plane(1)]
}

/// The EETF of ITU-R BT.2390, 5.4.1, in its own letters: from a master of `peak` cd/m2, black at zero, to a display of 203. cd/m2 in and out.
fn eetf(light: f64, peak: f64) -> f64 {
    let pq = |light: f64| {
        let y = (light / 10_000.0).powf(0.159_301_757_812_5);
        ((0.835_937_5 + 18.851_562_5 * y) / (1.0 + 18.6875 * y)).powf(78.84375)
    };
    let light_of = |e: f64| {
        let p = e.powf(1.0 / 78.84375);
        10_000.0 * ((p - 0.835_937_5).max(0.0) / (18.851_562_5 - 18.6875 * p)).powf(1.0 / 0.159_301_757_812_5)
    };
    let e1 = (pq(light) / pq(peak)).min(1.0);
    let max_lum = pq(203.0) / pq(peak);
    let ks = 1.5 * max_lum - 0.5;
    let p = |b: f64| {
        let t = (b - ks) / (1.0 - ks);
        (2.0 * t.powi(3) - 3.0 * t.powi(2) + 1.0) * ks
            + (t.powi(3) - 2.0 * t.powi(2) + t) * (1.0 - ks)
            + (-2.0 * t.powi(3) + 3.0 * t.powi(2)) * max_lum
    };
    let e2 = if e1 < ks { e1 } else { p(e1) };
    light_of(e2 * pq(peak))
}

/// What the canvas is to hold for that light.
fn wanted(light: [f64; 3], peak: f64) -> [f64; 3] {
    let largest = light[0].max(light[1]).max(light[2]).max(1e-9);
    let mapped = light.map(|light| light * eetf(largest, peak) / largest / 203.0);
    // ITU-R BT.2087, M2, to two more digits, and a display of gamma 2.4.
    let m2 =
        [[1.660_491, -0.587_641, -0.072_850], [-0.124_550, 1.132_900, -0.008_349], [-0.018_151, -0.100_579, 1.118_730]];
    let rgb = m2.map(|row: [f64; 3]| row.iter().zip(mapped).map(|(m, light)| m * light).sum::<f64>());
    let [r, g, b] = rgb.map(|light| light.clamp(0.0, 1.0).powf(1.0 / 2.4));
    let y = 0.2126 * r + 0.7152 * g + 0.0722 * b;
    [16.0 + 219.0 * y, 128.0 + 224.0 * (b - y) / 1.8556, 128.0 + 224.0 * (r - y) / 1.5748]
}

/// Mean and largest difference over the middles of the chart's patches, of luma and of chroma.
fn differences(
    compositor: &dyn Compositor,
    transfer: Transfer,
    name: &str,
    brightest: f64,
    peak: f64,
) -> [[f64; 2]; 2] {
    let picture = chart(transfer, brightest);
    let rect = Rect { x: 0, y: 0, width: CHART, height: CHART };
    let draws = vec![Draw { picture: picture.clone(), rect }];
    let canvas = Canvas { width: CHART, height: CHART, background: [0; 3], draws };
    let got = compose(compositor, canvas, vec![]).remove(0);
    let light = light_by_ffmpeg(&picture, name);
    let (mut sums, mut most, mut count) = ([0.0; 2], [0.0f64; 2], 0.0);
    let side = CHART as usize;
    for y in (PATCH / 2..side).step_by(PATCH) {
        for x in (PATCH / 2..side).step_by(PATCH) {
            let here = [0, 1, 2].map(|c| f64::from(light[c][y * side + x]) * 100.0);
            let want = wanted(here, peak);
            let got = [got.row(0, y)[x], got.row(1, y / 2)[x / 2], got.row(2, y / 2)[x / 2]];
            let apart = [0, 1, 2].map(|plane| (f64::from(got[plane]) - want[plane].clamp(0.0, 255.0)).abs());
            for (kind, apart) in [apart[0], apart[1].max(apart[2])].into_iter().enumerate() {
                if apart > 3.0 {
                    println!("{name} {x},{y}: {here:?} became {got:?}, wanted {want:?}");
                }
                sums[kind] += apart;
                most[kind] = most[kind].max(apart);
            }
            count += 1.0;
        }
    }
    [[sums[0] / count, most[0]], [sums[1] / count, most[1]]]
}

/// In steps of eight bits. Rounding alone takes a quarter on the average, and a half at most.
#[test]
fn tone_mapped_pictures_are_what_ffmpeg_and_bt_2390_make_of_them() {
    // 75 % PQ is 983 cd/m2, 90 % is 3906.
    let cases = [
        (Transfer::Pq(Peak::Cd1000), "smpte2084", 0.75, 1000.0),
        (Transfer::Pq(Peak::Cd4000), "smpte2084", 0.90, 4000.0),
        (Transfer::Pq(Peak::Cd600), "smpte2084", 0.75, 600.0),
        (Transfer::Hlg, "arib-std-b67", 1.0, 1000.0),
    ];
    for (transfer, name, brightest, peak) in cases {
        let [luma, chroma] = differences(&cpu(), transfer, name, brightest, peak);
        println!("{transfer:?}: luma {luma:.2?}, chroma {chroma:.2?} (mean, largest)");
        assert!(luma[0] < 0.35 && luma[1] < 1.0, "{transfer:?}: luma {luma:?}");
        assert!(chroma[0] < 0.4 && chroma[1] < 1.0, "{transfer:?}: chroma {chroma:?}");
    }
}

/// A row of every code of ten bits: no step of the canvas goes down, and none is left out where the eye sees it.
#[test]
fn a_ramp_of_ten_bits_has_no_bands_that_eight_would_have() {
    for transfer in [Transfer::Pq(Peak::Cd1000), Transfer::Hlg] {
        let (width, height) = (1024, 4);
        let luma = (0..width * height).flat_map(|i| ((i % width) as u16).to_le_bytes()).collect();
        let chroma = || (0..width * height / 4).flat_map(|_| 512u16.to_le_bytes()).collect();
        let picture = Picture::from_planes(width, height, bt2100(transfer), [luma, chroma(), chroma()]);
        let draws = vec![Draw { picture: picture.expect("sound"), rect: Rect { x: 0, y: 0, width, height } }];
        let got = compose(&cpu(), Canvas { width, height, background: [0; 3], draws }, vec![]).remove(0);
        let row = got.row(0, 1);
        assert_eq!((row[64], row[0]), (16, 16), "black is black, and below it too");
        assert!(row.is_sorted(), "{transfer:?}");
        let steps = row.windows(2).map(|pair| pair[1] - pair[0]).max();
        assert!(steps <= Some(1), "{transfer:?}: {steps:?} at once");
        assert!(row[940] >= 234, "{transfer:?}: the peak is {}", row[940]);
        assert!(got.row(1, 0).iter().chain(got.row(2, 1)).all(|value| *value == 128), "grey stays grey");
    }
}
