//! The games' pictures, decoded once.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use quadrille::frame::{Colour, Picture};

pub const WIDTH: u32 = 1280;
pub const HEIGHT: u32 = 720;

/// Pictures of each game.
pub const PICTURES: usize = 60;

/// Moving, detailed pictures, some of them hard for an encoder.
const GENERATED: [&str; 4] = [
    "testsrc2=size=1280x720:rate=30",
    "mandelbrot=size=1280x720:rate=30:end_scale=0.01",
    "life=s=640x360:mold=10:r=30:ratio=0.1:seed=7:death_color=#C83232:life_color=#00ff00,scale=1280:720:flags=neighbor,scroll=h=0.02:v=0.013",
    "cellauto=s=1280x720:rate=30:rule=110:seed=7,scroll=h=-0.05:v=0.03,hue=s=1:h=t*40",
];

/// Where each part of the real clip begins, in seconds.
const REAL_FROM_S: [u32; 4] = [0, 1, 2, 3];

fn fetched(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/target/clips")).join(name)
}

/// What is coded to see what it looks like: a name, and four games of pictures each, which are parts of one clip.
pub fn looked_at() -> Vec<(String, [Vec<Picture>; 4])> {
    let mut sets = vec![
        ("animation".to_owned(), [0, 1, 2, 3].map(real)),
        ("bicycles".to_owned(), REAL_FROM_S.map(|from| part(&fetched("bikes.mp4"), from))),
        ("generated".to_owned(), [0, 1, 2, 3].map(generated)),
    ];
    let more = std::env::var("CLIPS").unwrap_or_default();
    for path in more.split(',').filter(|path| !path.is_empty()) {
        let path = PathBuf::from(path);
        let stem = path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().to_lowercase());
        let name = stem.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
        sets.push((name, REAL_FROM_S.map(|from| part(&path, from))));
    }
    sets
}

/// Pictures of game `n` of eight: the generated clips, then parts of the real one.
pub fn pictures(n: usize) -> Vec<Picture> {
    if n < GENERATED.len() { generated(n) } else { real(n - GENERATED.len()) }
}

pub fn generated(n: usize) -> Vec<Picture> {
    decode(&["-f", "lavfi", "-i", GENERATED[n % GENERATED.len()]])
}

pub fn real(n: usize) -> Vec<Picture> {
    part(&fetched("bigbuckbunny.mp4"), REAL_FROM_S[n % REAL_FROM_S.len()])
}

/// A clip's pictures from second `from_s` on, again from its beginning where it ends.
fn part(clip: &Path, from_s: u32) -> Vec<Picture> {
    let path = clip.to_str().expect("a path in UTF-8");
    decode(&["-stream_loop", "-1", "-ss", &from_s.to_string(), "-i", path])
}

fn decode(input: &[&str]) -> Vec<Picture> {
    let size = format!("scale={WIDTH}:{HEIGHT}");
    let count = PICTURES.to_string();
    let mut ffmpeg = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin"])
        .args(input)
        .args(["-vf", &size, "-frames:v", &count, "-pix_fmt", "yuv420p", "-f", "rawvideo", "-"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("ffmpeg runs");
    let mut out = ffmpeg.stdout.take().expect("it has an output");
    let (w, h) = (WIDTH as usize, HEIGHT as usize);
    let pictures: Vec<Picture> = (0..PICTURES)
        .map(|_| {
            let planes = [w * h, w * h / 4, w * h / 4].map(|size| {
                let mut plane = vec![0; size];
                out.read_exact(&mut plane).expect("a picture");
                plane
            });
            Picture::from_planes(WIDTH, HEIGHT, Colour::CANVAS, planes).expect("an even size")
        })
        .collect();
    assert!(ffmpeg.wait().expect("ffmpeg ends").success(), "ffmpeg failed");
    pictures
}
