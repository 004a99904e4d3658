//! HDR canvases, against FFmpeg's colour conversion (zimg).

use std::process::Command;

use super::support::*;
use super::*;
use crate::frame::{Depth, Matrix, Peak, Primaries, Transfer};

const SIDE: u32 = 216;
const PATCH: usize = 8;

const INTO: [(Colour, &str); 2] = [(Colour::PQ_CANVAS, "smpte2084"), (Colour::HLG_CANVAS, "arib-std-b67")];

/// 27 by 27 patches: all combinations of nine values of red, green and blue, up to `most`, in `colour`.
fn chart(colour: Colour, most: f64) -> Picture {
    let side = SIDE as usize;
    let scale = f64::from(1u32 << (colour.depth.bits() - 8));
    let patch = |column: usize, row: usize| {
        let at = (row / PATCH) * (side / PATCH) + column / PATCH;
        let rgb = [at % 9, at / 9 % 9, at / 81].map(|step| most * step as f64 / 8.0);
        colour::to_codes(rgb, colour).map(|code| (scale * code).round() as u16)
    };
    let plane = |plane: usize, by: usize| {
        let size = side / by;
        let samples = (0..size * size).map(|i| patch(i % size * by, i / size * by)[plane]);
        samples.flat_map(|sample| sample.to_le_bytes()[..colour.depth.bytes()].to_vec()).collect()
    };
    Picture::from_planes(SIDE, SIDE, colour, [plane(0, 1), plane(1, 2), plane(2, 2)]).expect("sound planes")
}

/// What FFmpeg makes of a picture in BT.2020, ten bits, as samples of each plane.
fn by_ffmpeg(picture: &Picture, from: &str, into: &str) -> [Vec<u16>; 3] {
    let folder = tempfile::tempdir().expect("temporary folder");
    let (source, made) = (folder.path().join("in.yuv"), folder.path().join("out.yuv"));
    let bytes: Vec<u8> = (0..3).flat_map(|plane| packed(picture, plane)).collect();
    std::fs::write(&source, bytes).expect("written");
    let format = if picture.colour.depth == Depth::Eight { "yuv420p" } else { "yuv420p10le" };
    let filter =
        format!("zscale={from}:rin=limited:t={into}:m=2020_ncl:p=2020:r=limited:npl=203:agamma=0,format=yuv420p10le");
    let status = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "rawvideo", "-pix_fmt", format, "-s", "216x216", "-i"])
        .arg(&source)
        .args(["-vf", &filter, "-f", "rawvideo"])
        .arg(&made)
        .status()
        .expect("ffmpeg runs");
    assert!(status.success());
    let bytes = std::fs::read(&made).expect("ffmpeg wrote");
    let mut all = bytes.as_chunks::<2>().0.iter().map(|bytes| u16::from_le_bytes(*bytes));
    let luma = (SIDE * SIDE) as usize;
    [luma, luma / 4, luma / 4].map(|count| all.by_ref().take(count).collect())
}

fn drawn(picture: Picture, into: Colour, size: (u32, u32), smaller: Vec<(u32, u32)>) -> Vec<Picture> {
    let rect = Rect { x: 0, y: 0, width: size.0, height: size.1 };
    let canvas = Canvas { width: size.0, height: size.1, background: [0; 3], draws: vec![Draw { picture, rect }] };
    compose_in(&cpu(), into, canvas, smaller).expect("the job is delivered")
}

/// In steps of ten bits. Rounding alone takes a quarter on the average, and a half at most.
fn is_what_ffmpeg_makes(picture: &Picture, from: &str, (canvas, into): (Colour, &str)) {
    let got = drawn(picture.clone(), canvas, (SIDE, SIDE), vec![]).remove(0);
    assert_eq!(got.colour, canvas);
    let want = by_ffmpeg(picture, from, into);
    let (side, mut sum, mut count) = (SIDE as usize, 0, 0);
    for y in (PATCH / 2..side).step_by(PATCH) {
        for x in (PATCH / 2..side).step_by(PATCH) {
            for plane in 0..3 {
                let half = usize::from(plane > 0);
                let got = got.samples(plane, y >> half).nth(x >> half).expect("a sample");
                let want = want[plane][(y >> half) * (side >> half) + (x >> half)];
                let apart = got.abs_diff(want);
                assert!(apart <= 2, "{from} to {into}, plane {plane} at {x},{y}: {got}, not {want}");
                (sum, count) = (sum + u32::from(apart), count + 1);
            }
        }
    }
    assert!(f64::from(sum) / f64::from(count) < 0.5, "{from} to {into}: {sum} of {count}");
}

#[test]
fn standard_pictures_are_placed_where_ffmpeg_places_them() {
    let srgb = Colour { transfer: Transfer::Srgb, matrix: Matrix::Bt709, ..Colour::CANVAS };
    let pal = Colour { matrix: Matrix::Bt601, primaries: Primaries::Bt601_625, ..Colour::CANVAS };
    let cases = [
        (Colour::CANVAS, "tin=709:min=709:pin=709"),
        (srgb, "tin=iec61966-2-1:min=709:pin=709"),
        (pal, "tin=601:min=470bg:pin=bt470bg"),
    ];
    for (colour, from) in cases {
        let picture = chart(colour, 1.0);
        INTO.into_iter().for_each(|into| is_what_ffmpeg_makes(&picture, from, into));
    }
}

/// 75 % PQ is 983 cd/m2: HLG's nominal display shows all of it.
#[test]
fn pq_is_in_hlg_what_ffmpeg_makes_of_it() {
    let colour = Colour { transfer: Transfer::Pq(Peak::Cd1000), ..Colour::PQ_CANVAS };
    is_what_ffmpeg_makes(&chart(colour, 0.75), "tin=smpte2084:min=2020_ncl:pin=2020", INTO[1]);
}

#[test]
fn white_is_203_and_pq_passes_through() {
    // BT.2408: 203 cd/m2 is 58 % PQ.
    for (canvas, want) in [(Colour::PQ_CANVAS, 573), (Colour::HLG_CANVAS, 721)] {
        let white = drawn(flat(32, 32, [235, 128, 128]), canvas, (32, 32), vec![]).remove(0);
        let seen = [0, 1, 2].map(|plane| white.samples(plane, 5).nth(5).expect("a sample"));
        assert!(seen[0].abs_diff(want) <= 1 && seen[1..] == [512, 512], "{canvas:?}: {seen:?}");
    }
    let pq = Colour { transfer: Transfer::Pq(Peak::Cd4000), ..Colour::PQ_CANVAS };
    for (colour, canvas) in [(pq, Colour::PQ_CANVAS), (Colour::HLG_CANVAS, Colour::HLG_CANVAS)] {
        let picture = chart(colour, 1.0);
        let pictures = drawn(picture.clone(), canvas, (SIDE, SIDE), vec![(SIDE / 2, SIDE / 2)]);
        for plane in 0..3 {
            assert!(packed(&pictures[0], plane) == packed(&picture, plane), "{canvas:?} plane {plane}");
        }
        assert_eq!((pictures[1].width, pictures[1].colour), (SIDE / 2, canvas));
    }
}

/// Ten bits of grey at `value` in `colour`, on a canvas in `into`.
fn grey_in(colour: Colour, value: f64, into: Colour) -> u16 {
    let luma = (64.0 + 876.0 * value).round() as u16;
    let plane = |code: u16, samples: usize| code.to_le_bytes().repeat(samples);
    let planes = [plane(luma, 1024), plane(512, 256), plane(512, 256)];
    let picture = Picture::from_planes(32, 32, colour, planes).expect("sound planes");
    let got = drawn(picture, into, (32, 32), vec![]).remove(0);
    assert_eq!(got.samples(1, 7).nth(7), Some(512), "grey stays grey");
    got.samples(0, 7).nth(7).expect("a sample")
}

#[test]
fn pq_that_is_brighter_than_hlgs_display_is_tone_mapped_to_it() {
    let of = |peak: Peak, value: f64| {
        grey_in(Colour { transfer: Transfer::Pq(peak), ..Colour::PQ_CANVAS }, value, Colour::HLG_CANVAS)
    };
    // 4000 cd/m2 is 90.3 % PQ, and all of HLG.
    assert!(of(Peak::Cd4000, 0.9026).abs_diff(940) <= 1);
    // What is dark stays as it was: 203 cd/m2 are below the knee of both.
    for peak in [Peak::Cd1000, Peak::Cd4000, Peak::Cd10000] {
        assert!(of(peak, 0.5807).abs_diff(721) <= 1, "{peak:?}: {}", of(peak, 0.5807));
    }
    let steps: Vec<u16> = (0..=100).map(|step| of(Peak::Cd4000, f64::from(step) / 100.0)).collect();
    assert!(steps.is_sorted(), "{steps:?}");
    // Of one that says that it has no more than HLG shows, what is brighter all the same is.
    assert!(of(Peak::Cd1000, 0.9026) > 940);
}

#[test]
fn hlg_is_shown_as_on_its_nominal_display() {
    // BT.2408: 75 % HLG is 203 cd/m2, and all of it 1000, which are 58 and 75 % PQ.
    for (value, want) in [(0.75, 573), (1.0, 723), (0.0, 64)] {
        let got = grey_in(Colour::HLG_CANVAS, value, Colour::PQ_CANVAS);
        assert!(got.abs_diff(want) <= 2, "{value} of HLG is {got}, not {want}");
    }
}

#[test]
fn the_background_has_the_light_that_it_has_elsewhere() {
    let background = [0x0b, 0x0e, 0x14];
    let canvas = Canvas { width: 16, height: 16, background, draws: Vec::new() };
    for (into, _) in INTO {
        let bare = compose_in(&cpu(), into, canvas.clone(), vec![]).expect("delivered").remove(0);
        let drawn = drawn(solid(16, 16, background).expect("even"), into, (16, 16), vec![]).remove(0);
        for plane in 0..3 {
            let [bare, drawn] = [&bare, &drawn].map(|picture| picture.samples(plane, 1).next().expect("a sample"));
            assert!(bare.abs_diff(drawn) <= 8, "{into:?} plane {plane}: {bare} and {drawn}");
        }
    }
}
