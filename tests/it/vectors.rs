//! Every vector of coded tiles, as FFmpeg's decoder tells them: none reads beyond the tile. That a stitched picture is exact then hangs on
//! no luck of content.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use quadrille::encode::VideoEncoder;
use quadrille::ladder::{VideoCodec, VideoSettings};
use quadrille::mosaic::TilePicture;
use quadrille::timeline::Grid;

use crate::support::hostile::Content;

const WIDTH: u32 = 320;
const HEIGHT: u32 = 192;
const FRAMES: u32 = 30;

/// Builds the program that lists vectors.
fn tool(dir: &Path) -> PathBuf {
    let tool = dir.join("vectors");
    let flags = Command::new("pkg-config").args(["--cflags", "--libs", "libavcodec", "libavutil"]).output().unwrap();
    assert!(flags.status.success(), "libavcodec-dev is missing: packages.txt");
    let flags = String::from_utf8(flags.stdout).unwrap();
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/support/vectors.c");
    let mut cc = Command::new("cc");
    let built = cc.args(["-std=c11", "-O2", "-o"]).arg(&tool).arg(source).args(flags.split_whitespace()).status();
    assert!(built.unwrap().success());
    tool
}

/// A segment of tile `slot` as an Annex B stream.
fn coded(content: Content, slot: usize, preset: &str, bitrate_bps: u32, is_tile: bool) -> Vec<u8> {
    let settings = VideoSettings {
        codec: VideoCodec::H264,
        width: WIDTH,
        height: HEIGHT,
        grid: Grid::new("30".parse().unwrap(), FRAMES),
        bitrate_bps,
        preset: preset.to_owned(),
        level_idc: 31,
        lookahead_frames: 10,
        is_tile,
    };
    let mut encoder = VideoEncoder::new(&settings).unwrap();
    let mut units = Vec::new();
    for frame in 0..u64::from(FRAMES) {
        let picture = content.draw(TilePicture { tile: slot, frame, width: WIDTH, height: HEIGHT });
        units.extend(encoder.encode(&picture, frame).unwrap());
    }
    units.extend(std::iter::from_fn(|| encoder.drain().unwrap()));
    let sets = encoder.parameter_sets();
    let mut stream = [[0, 0, 0, 1].as_slice(), &sets.sps, &[0, 0, 0, 1], &sets.pps].concat();
    for unit in units {
        let mut rest = &unit.data[..];
        while let Some((length, after)) = rest.split_first_chunk::<4>() {
            let (nal, after) = after.split_at(u32::from_be_bytes(*length) as usize);
            stream.extend([0, 0, 0, 1]);
            stream.extend(nal);
            rest = after;
        }
    }
    stream
}

fn vectors(tool: &Path, stream: &[u8]) -> Output {
    let mut run = Command::new(tool);
    let run = run.args([WIDTH, HEIGHT].map(|side| side.to_string()));
    let mut run = run.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    run.stdin.take().unwrap().write_all(stream).unwrap();
    run.wait_with_output().unwrap()
}

/// What it said last: `pictures N vectors M luma_outside A chroma_outside B`.
fn totals(said: &Output) -> Vec<u64> {
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    let last = text.lines().last().unwrap_or_default().to_owned();
    let totals: Vec<u64> = last.split(' ').filter_map(|word| word.parse().ok()).collect();
    assert_eq!(totals.len(), 4, "{text}{}", String::from_utf8_lossy(&said.stderr));
    totals
}

#[test]
fn no_vector_of_a_tile_reads_beyond_it() {
    let dir = tempfile::tempdir().unwrap();
    let tool = tool(dir.path());
    for (n, preset) in ["ultrafast", "superfast", "veryfast", "faster", "fast", "medium"].into_iter().enumerate() {
        for (slot, content) in Content::ALL.into_iter().enumerate().skip(n % 2).step_by(2) {
            let bitrate_bps = [60_000, 250_000, 1_000_000][slot % 3];
            let said = vectors(&tool, &coded(content, slot, preset, bitrate_bps, true));
            let told = totals(&said);
            let text = String::from_utf8_lossy(&said.stdout);
            assert_eq!((told[0], told[2], told[3]), (FRAMES.into(), 0, 0), "{preset} {content:?}: {text}");
            assert!(said.status.success());
        }
    }
}

/// That the test above would see them: pictures that are no tiles have vectors beyond their edges.
#[test]
fn vectors_of_whole_canvases_do_and_are_seen() {
    let dir = tempfile::tempdir().unwrap();
    let tool = tool(dir.path());
    let said = vectors(&tool, &coded(Content::Pan(18, -64), 0, "veryfast", 1_000_000, false));
    let told = totals(&said);
    assert!(told[1] > 1000 && told[2] > 100, "{told:?}");
    assert_eq!(said.status.code(), Some(1));
}
