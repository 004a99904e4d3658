use super::*;
use crate::encode::{Decoder, VideoEncoder, decode};
use crate::frame::Colour;
use crate::ladder::VideoCodec;
use crate::timeline::{Grid, PictureKind};

fn settings() -> VideoSettings {
    VideoSettings {
        codec: VideoCodec::Hevc,
        width: 320,
        height: 192,
        grid: Grid::new("30".parse().unwrap(), 10),
        bitrate_bps: 400_000,
        preset: "veryfast".into(),
        level_idc: 30,
        lookahead_frames: 4,
        is_tile: false,
    }
}

/// Large enough for several threads.
fn large() -> VideoSettings {
    VideoSettings { width: 1280, height: 720, bitrate_bps: 3_000_000, preset: "ultrafast".into(), ..settings() }
}

/// Bars that move over noise that stays.
fn picture(n: u64, settings: &VideoSettings) -> Picture {
    let (width, height) = (settings.width as usize, settings.height as usize);
    let mut x = 0x9e37_79b9_7f4a_7c15_u64;
    let luma = (0..width * height).map(|at| {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        let bar = (at % width + 3 * n as usize) / 16 % 4 * 40;
        40 + bar as u8 + (x >> 60) as u8
    });
    let luma: Vec<u8> = luma.collect();
    let chroma = || vec![120; width * height / 4];
    Picture::from_planes(settings.width, settings.height, Colour::CANVAS, [luma, chroma(), chroma()]).unwrap()
}

/// All access units of frames `frames`.
fn coded(encoder: &mut HevcEncoder, frames: std::ops::Range<u64>) -> Vec<AccessUnit> {
    let settings = encoder.settings.clone();
    let mut units: Vec<_> = frames.filter_map(|n| encoder.encode(&picture(n, &settings), n).unwrap()).collect();
    units.extend(std::iter::from_fn(|| encoder.drain().unwrap()));
    units
}

/// Types of NAL units (ITU-T H.265, table 7-1).
fn nal_types(data: &[u8]) -> Vec<u8> {
    let mut types = Vec::new();
    let mut rest = data;
    while rest.len() > 4 {
        let size = u32::from_be_bytes(rest[..4].try_into().unwrap()) as usize;
        types.push(rest[4] >> 1 & 63);
        rest = &rest[4 + size..];
    }
    assert!(rest.is_empty());
    types
}

#[test]
fn pictures_come_in_the_pattern_of_their_segments() {
    let mut encoder = HevcEncoder::new(&settings()).unwrap();
    let units = coded(&mut encoder, 1000..1035);
    let gop = settings().grid.gop();
    let expected: Vec<u64> = (100..103)
        .flat_map(|n| gop.pictures().iter().map(move |p| n * 10 + u64::from(p.shown)))
        .chain([1030, 1033, 1031, 1032, 1034])
        .collect();
    assert_eq!(units.iter().map(|unit| unit.frame).collect::<Vec<_>>(), expected);
    for unit in units {
        assert_eq!(unit.sync, unit.frame % 10 == 0, "frame {}", unit.frame);
        // IDR_N_LP or IDR_W_RADL, TRAIL_R, TRAIL_N: parameter sets and all else stay outside.
        let types = nal_types(&unit.data);
        match settings().grid.kind_of(unit.frame) {
            PictureKind::Idr => assert!(matches!(types[..], [19 | 20]), "{types:?}"),
            PictureKind::P => assert_eq!(types, [1]),
            PictureKind::B if unit.frame < 1034 => assert_eq!(types, [0]),
            PictureKind::B => {}
        }
    }
}

#[test]
fn what_is_given_comes_out_after_the_delay() {
    for lookahead_frames in [0, 4, 10] {
        let settings = VideoSettings { lookahead_frames, ..settings() };
        let mut encoder = HevcEncoder::new(&settings).unwrap();
        for n in 0..40 {
            let out = encoder.encode(&picture(n, &settings), n).unwrap();
            assert_eq!(out.is_some(), n >= u64::from(settings.delay_frames()), "frame {n} of {lookahead_frames}");
        }
    }
}

#[test]
fn what_comes_out_looks_as_what_went_in_and_is_the_same_every_time() {
    for settings in [settings(), large()] {
        let run = || {
            let mut encoder = HevcEncoder::new(&settings).unwrap();
            let units = coded(&mut encoder, 0..20);
            assert!(encoder.threads_cpu_time() > Duration::ZERO, "it codes on threads of its own");
            (units, encoder.parameter_sets().clone())
        };
        let (units, sets) = run();
        let (again, sets_again) = run();
        assert_eq!(sets, sets_again);
        let data: Vec<Bytes> = units.iter().map(|unit| unit.data.clone()).collect();
        assert!(
            data == again.into_iter().map(|unit| unit.data).collect::<Vec<_>>(),
            "another run comes to other bytes"
        );
        let pictures = decode(Decoder::FfmpegHevc, &sets, &data).unwrap();
        assert_eq!(pictures.len(), 20);
        for (n, got) in (0..).zip(&pictures) {
            let wanted = picture(n, &settings);
            let off = (0..settings.height as usize).flat_map(|row| {
                wanted
                    .row(0, row)
                    .iter()
                    .zip(got.row(0, row))
                    .map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2))
                    .collect::<Vec<_>>()
            });
            let mean = off.sum::<u64>() as f64 / f64::from(settings.width * settings.height);
            assert!(mean < 60.0, "picture {n}: {mean}");
        }
    }
}

#[test]
fn parameter_sets_are_the_same_bytes_whatever_was_encoded() {
    let mut a = HevcEncoder::new(&settings()).unwrap();
    coded(&mut a, 0..25);
    let b = HevcEncoder::new(&VideoSettings { lookahead_frames: 0, ..settings() }).unwrap();
    assert_eq!(a.parameter_sets(), b.parameter_sets(), "looking ahead is no part of them");
    let types = a.parameter_sets().each().map(|set| set[0] >> 1);
    assert_eq!(types.collect::<Vec<_>>(), [32, 33, 34]);
}

#[test]
fn the_rate_stays_bound_on_what_is_hard() {
    let settings = settings();
    let mut encoder = HevcEncoder::new(&settings).unwrap();
    let bytes: usize = coded(&mut encoder, 0..150).iter().map(|unit| unit.data.len()).sum();
    // Five seconds at 400 kb/s, and one second of VBV.
    assert!(bytes * 8 <= 400_000 * 6, "{} bits", bytes * 8);
}

#[test]
fn what_does_not_fit_is_refused() {
    let mut encoder = HevcEncoder::new(&settings()).unwrap();
    let small = Picture::from_planes(16, 16, Colour::CANVAS, [vec![0; 256], vec![0; 64], vec![0; 64]]).unwrap();
    assert!(matches!(encoder.encode(&small, 0), Err(VideoEncodeError::WrongSize { .. })));
    assert!(matches!(encoder.encode(&picture(1, &settings()), 1), Err(VideoEncodeError::Disordered { .. })));
    let unknown = VideoSettings { preset: "quick".into(), ..settings() };
    let refused = HevcEncoder::new(&unknown).err().unwrap().to_string();
    assert!(refused.contains("libx265 refuses 320x192") && refused.contains("\"quick\""), "{refused}");
    // The other library's message is its own.
    let refused = VideoEncoder::new(&VideoSettings { codec: VideoCodec::H264, ..unknown }).err().unwrap().to_string();
    assert!(refused.contains("libx264 refuses"), "{refused}");
}
