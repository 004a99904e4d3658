//! Against FFmpeg's Lanczos: the same picture, and no aliasing.

use std::process::Command;

use super::support::*;
use super::*;

/// `picture` scaled by FFmpeg, chroma sited as ours.
fn ffmpeg_lanczos(picture: &Picture, width: u32, height: u32) -> [Vec<u8>; 3] {
    let folder = tempfile::tempdir().expect("temporary folder");
    let (from, to) = (folder.path().join("in.yuv"), folder.path().join("out.yuv"));
    let bytes: Vec<u8> = (0..3).flat_map(|plane| packed(picture, plane)).collect();
    std::fs::write(&from, bytes).expect("written");
    let status = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "rawvideo", "-pix_fmt", "yuv420p"])
        .args(["-s", &format!("{}x{}", picture.width, picture.height), "-i"])
        .arg(&from)
        .args(["-vf", &format!("scale={width}:{height}:flags=lanczos+accurate_rnd:in_h_chr_pos=0:out_h_chr_pos=0")])
        .args(["-pix_fmt", "yuv420p", "-f", "rawvideo"])
        .arg(&to)
        .status()
        .expect("ffmpeg runs");
    assert!(status.success());
    let all = std::fs::read(&to).expect("ffmpeg wrote");
    let luma = (width * height) as usize;
    [all[..luma].to_vec(), all[luma..luma * 5 / 4].to_vec(), all[luma * 5 / 4..].to_vec()]
}

/// One frame of an FFmpeg test source, as 4:2:0.
fn generated(source: &str, width: u32, height: u32) -> Picture {
    frame_of(&["-f", "lavfi", "-i", &format!("{source}=s={width}x{height}")], width, height)
}

/// The first frame of what FFmpeg reads with `input`, as 4:2:0.
fn frame_of(input: &[&str], width: u32, height: u32) -> Picture {
    let out = Command::new("ffmpeg")
        .args(["-v", "error"])
        .args(input)
        .args(["-frames:v", "1"])
        .args(["-pix_fmt", "yuv420p", "-f", "rawvideo", "-"])
        .output()
        .expect("ffmpeg runs");
    let luma = (width * height) as usize;
    assert_eq!(out.stdout.len(), luma * 3 / 2, "{}", String::from_utf8_lossy(&out.stderr));
    let (y, chroma) = out.stdout.split_at(luma);
    let planes = [y.to_vec(), chroma[..luma / 4].to_vec(), chroma[luma / 4..].to_vec()];
    Picture::from_planes(width, height, Colour::CANVAS, planes).expect("sound planes")
}

fn drawn(compositor: &dyn Compositor, picture: &Picture, width: u32, height: u32) -> Picture {
    let rect = Rect { x: 0, y: 0, width, height };
    let draws = vec![Draw { picture: picture.clone(), rect }];
    compose(compositor, Canvas { width, height, background: [0; 3], draws }, vec![]).remove(0)
}

#[test]
fn scaling_looks_like_ffmpegs_lanczos() {
    let compositor = cpu();
    let clip = std::env::var("QUADRILLE_CLIP").expect("QUADRILLE_CLIP is the real clip's path: `make test` fetches it");
    let pictures = [
        ("zone plate", zone_plate(1280, 720)),
        ("test card", generated("testsrc2", 1280, 720)),
        ("fractal", generated("mandelbrot", 1280, 720)),
        ("real clip", frame_of(&["-ss", "3", "-i", &clip], 1280, 720)),
    ];
    for (name, picture) in &pictures {
        for (width, height) in [(960, 540), (640, 360), (480, 270), (1920, 1080), (1276, 540)] {
            let (ours, theirs) = (drawn(&compositor, picture, width, height), ffmpeg_lanczos(picture, width, height));
            for (plane, theirs) in theirs.iter().enumerate() {
                let (w, h) = ours.plane_size(plane);
                let likeness = ssim(&packed(&ours, plane), theirs, w, h);
                println!("{name} {width}x{height} plane {plane}: SSIM {likeness:.4}");
                assert!(likeness >= 0.98, "{name} {width}x{height} plane {plane}: SSIM {likeness}");
            }
        }
    }
}

#[test]
fn what_is_finer_than_the_smaller_picture_can_show_turns_grey() {
    // Stripes of two samples' period, reduced to two thirds: anything but grey is an alias.
    let stripes = made(480, 270, |_, x, _| if x % 2 == 0 { 35 } else { 215 });
    let got = drawn(&cpu(), &stripes, 240, 136);
    for row in 8..128 {
        for x in 8..232 {
            let value = got.row(0, row)[x];
            assert!((119..=131).contains(&value), "{x},{row}: {value}");
        }
    }
}
