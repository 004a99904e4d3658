//! Clips for the benches of the released program.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Moving, detailed pictures, two of them hard for an encoder.
const SOURCES: [&str; 4] = [
    "testsrc2=size=1280x720:rate=30",
    "mandelbrot=size=1280x720:rate=30:end_scale=0.01",
    "life=s=640x360:mold=10:r=30:ratio=0.1:seed=7:death_color=#C83232:life_color=#00ff00,scale=1280:720:flags=neighbor,scroll=h=0.02:v=0.013",
    "cellauto=s=1280x720:rate=30:rule=110:seed=7,scroll=h=-0.05:v=0.03,hue=s=1:h=t*40",
];

/// The clips, made by FFmpeg where they are not there.
pub fn make(dir: &Path) -> Vec<PathBuf> {
    std::fs::create_dir_all(dir).expect("target/bench can be made");
    let make = |(n, source): (usize, &&str)| {
        let path = dir.join(format!("{n}.mp4"));
        if !path.exists() {
            let part = dir.join(format!("{n}.part.mp4"));
            let status = Command::new("ffmpeg")
                .args(["-v", "error", "-y", "-f", "lavfi", "-i", source, "-t", "12", "-pix_fmt", "yuv420p"])
                .args(["-c:v", "libx264", "-preset", "fast", "-b:v", "4M"])
                .arg(&part)
                .status();
            assert!(status.expect("ffmpeg runs").success(), "ffmpeg made no clip");
            std::fs::rename(&part, &path).expect("a clip can be renamed");
        }
        path
    };
    SOURCES.iter().enumerate().map(make).collect()
}

/// A game of each clip: `g0`, `g1` and so on.
pub fn games(clips: &[PathBuf]) -> Vec<(String, String)> {
    clips.iter().enumerate().map(|(n, clip)| (format!("g{n}"), format!("file://{}", clip.display()))).collect()
}
