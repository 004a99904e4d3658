//! Pictures of more bits and of more light: what the feed makes of them.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::tests::{Bench, url_of};
use super::*;
use crate::frame::{Depth, Matrix, Peak, Primaries, Range8, Transfer};

const SIZE: (usize, usize) = (160, 96);
const FRAMES: u16 = 30;

/// A clip of flat pictures of ten bits, whose luma is `luma(n)` and whose chroma is neutral.
fn clip(folder: &Path, name: &str, luma: fn(u16) -> u16, video: &str) -> PathBuf {
    let path = folder.join(name);
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "yuv420p10le", "-s", "160x96", "-r", "30"]);
    command.args(["-i", "-"]).args(video.split_whitespace()).args(["-threads", "1"]).arg(&path);
    let mut child = command.stdin(Stdio::piped()).spawn().expect("ffmpeg is installed");
    let mut input = child.stdin.take().unwrap();
    for n in 0..FRAMES {
        let plane = |code: u16, samples: usize| (0..samples).flat_map(move |_| code.to_le_bytes());
        let frame: Vec<u8> = plane(luma(n), SIZE.0 * SIZE.1).chain(plane(512, SIZE.0 * SIZE.1 / 2)).collect();
        input.write_all(&frame).unwrap();
    }
    drop(input);
    assert!(child.wait().unwrap().success(), "{name}");
    path
}

const HEVC: &str = "-c:v libx265 -preset ultrafast -pix_fmt yuv420p10le";
const BT2020: &str = "-colorspace bt2020nc -color_primaries bt2020";

/// Codes that eight bits have not.
fn fine(n: u16) -> u16 {
    401 + 7 * n
}

fn bt2100(transfer: Transfer) -> Colour {
    let (matrix, primaries) = (Matrix::Bt2020, Primaries::Bt2020);
    Colour { matrix, range: Range8::Limited, primaries, transfer, depth: Depth::Ten }
}

/// A lap of the clip: every picture, in all of its bits.
fn assert_carried(url: &str, colour: Colour) {
    let mut bench = Bench::new("30", &[url]);
    for n in 0..FRAMES {
        let (pick, _) = bench.tick();
        let health = bench.feed.health();
        assert_eq!((pick.outcome, pick.dropped), (Outcome::OnTime, 0), "{n}: {health:?}");
        assert_eq!((pick.picture.colour, health.colour), (colour, Some(colour)), "{url}");
        let middle = pick.picture.samples(0, SIZE.1 / 2).nth(SIZE.0 / 2);
        assert_eq!(middle, Some(fine(n)), "{url}: picture {n}");
        assert!(pick.picture.samples(1, 7).all(|code| code == 512));
    }
}

#[test]
fn hdr_is_told_by_its_transfer_and_carried_in_ten_bits() {
    let folder = tempfile::tempdir().unwrap();
    let display = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)";
    let x265 = |more: &str| format!("{HEVC} {BT2020} -x265-params log-level=none:lossless=1{more}");
    let graded_on = format!(":hdr10=1:master-display={display}L(40000000,50)");
    let cases = [
        ("pq.mp4", "smpte2084", String::new(), Transfer::Pq(Peak::Cd1000)),
        ("pq.ts", "smpte2084", graded_on.clone(), Transfer::Pq(Peak::Cd4000)),
        ("found.mkv", "smpte2084", format!("{graded_on}:max-cll=1400,200"), Transfer::Pq(Peak::Cd2000)),
        ("hlg.ts", "arib-std-b67", String::new(), Transfer::Hlg),
        ("hlg.mp4", "arib-std-b67", String::new(), Transfer::Hlg),
    ];
    for (name, trc, more, transfer) in cases {
        let path = clip(folder.path(), name, fine, &format!("{} -color_trc {trc}", x265(&more)));
        assert_carried(&url_of(&path), bt2100(transfer));
    }
}

#[test]
fn ten_bits_of_a_standard_picture_are_carried_too() {
    let folder = tempfile::tempdir().unwrap();
    let bt709 = "-colorspace bt709 -color_primaries bt709 -color_trc bt709";
    let colour = Colour { depth: Depth::Ten, ..Colour::CANVAS };
    let h264 = format!("-c:v libx264 -preset ultrafast -qp 0 -pix_fmt yuv420p10le {bt709}");
    assert_carried(&url_of(&clip(folder.path(), "h264.mp4", fine, &h264)), colour);
    // Chroma of more samples is made less, and keeps its bits.
    let more =
        format!("-c:v libx265 -preset ultrafast -x265-params log-level=none:lossless=1 -pix_fmt yuv422p10le {bt709}");
    assert_carried(&url_of(&clip(folder.path(), "more.ts", fine, &more)), colour);
}

#[test]
fn interlaced_pictures_of_ten_bits_become_whole_ones_of_eight() {
    let folder = tempfile::tempdir().unwrap();
    let h264 = "-c:v libx264 -preset ultrafast -qp 4 -pix_fmt yuv420p10le -flags +ilme+ildct -x264-params tff=1";
    let url = url_of(&clip(folder.path(), "fields.ts", |n| 400 + 4 * n, h264));
    let mut bench = Bench::new("30", &[&url]);
    for n in 0..FRAMES {
        let (pick, _) = bench.tick();
        assert_eq!(pick.outcome, Outcome::OnTime, "{n}: {:?}", bench.feed.health());
        assert_eq!(pick.picture.colour.depth, Depth::Eight);
        let middle = pick.picture.samples(0, SIZE.1 / 2).nth(SIZE.0 / 2).unwrap();
        assert!(middle.abs_diff(100 + n) <= 2, "{n}: {middle}");
    }
}
