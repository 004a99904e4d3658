//! Matches in skins, as outputs of the released program: configured, drawn, found by their addresses.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

/// Patterns of FFmpeg's, each another picture all over.
const PATTERNS: [&str; 4] = ["testsrc2", "testsrc", "smptehdbars", "rgbtestsrc"];

/// Looped clips of 360p, and the games that they are: some games have the same pictures, and each is decoded and encoded by itself.
pub fn matches(dir: &Path, count: usize) -> Vec<(String, String)> {
    let clips: Vec<String> = PATTERNS.iter().enumerate().map(|(n, pattern)| clip(dir, n, pattern)).collect();
    (0..count).map(|n| (format!("m{n}"), clips[n % clips.len()].clone())).collect()
}

/// The same many that the service draws itself, each another picture.
pub fn drawn(count: usize) -> Vec<(String, String)> {
    let patterns = ["ball", "smpte", "ball", "pinwheel"];
    let source = |n: usize| format!("test://{}?size=640x360&label=Match%20{n}&tone={}", patterns[n % 4], 300 + 10 * n);
    (0..count).map(|n| (format!("m{n}"), source(n))).collect()
}

fn clip(dir: &Path, n: usize, pattern: &str) -> String {
    let path = dir.join(format!("match{n}.mp4"));
    let picture = format!("{pattern}=size=640x360:rate=30,scroll=h=0.005:v=0.003");
    let sound = format!("sine=frequency={}:sample_rate=48000", 300 + 100 * n);
    let status = Command::new("ffmpeg")
        .args(["-nostdin", "-y", "-v", "error", "-f", "lavfi", "-i", &picture, "-f", "lavfi", "-i", &sound])
        .args(["-t", "10", "-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "fast", "-g", "60", "-c:a", "aac"])
        .arg(&path)
        .status()
        .expect("ffmpeg runs");
    assert!(status.success(), "ffmpeg makes a clip");
    format!("file://{}", path.display())
}

/// The drawing of a skin: a colour all over, of which the frame is seen.
pub fn drawing(n: usize) -> String {
    let [red, green, blue] = [n * 53 % 256, n * 97 % 256, n * 151 % 256];
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 1920 1080\"><path fill=\"rgb({red},{green},{blue})\" \
         d=\"M0 0H1920V1080H0z\"/><circle cx=\"96\" cy=\"96\" r=\"{}\" fill=\"#fff\"/></svg>",
        20 + 2 * n
    )
}

/// Configuration of `skins` skins, `languages` markets, and the outputs of all of them, for everybody.
pub fn configured(dir: &Path, skins: usize, languages: usize) -> String {
    let mut text = String::from("[[outputs]]\nid = \"matches\"\ntenant = \"bench\"\naccess = \"public\"\n");
    for n in 0..skins {
        let path = dir.join(format!("skin{n}.svg"));
        std::fs::write(&path, drawing(n)).expect("a drawing can be written");
        let art = path.display().to_string();
        write!(text, "[[skins]]\nid = \"s{n}\"\ntenant = \"bench\"\nart = {{ frame = {art:?} }}\n").expect("a text");
    }
    for n in 0..languages {
        let market = format!("[[markets]]\nid = \"l{n}\"\ntenant = \"bench\"\ntitle = \"Language {n}\"\n");
        text += &format!("{market}sound_language = \"{0}\"\ntext_language = \"{0}\"\n", ["en", "de", "es"][n % 3]);
    }
    text
}

/// The URL that a player is given whose media playlists lie beside it: those of the output at `path`, once somebody asked for it.
pub async fn opened(address: &str, path: &str) -> String {
    let base = format!("http://{address}{path}");
    for _ in 0..240 {
        let answer = reqwest::get(&base).await.expect("the service answers");
        let status = answer.status().as_u16();
        let text = answer.text().await.expect("text");
        match status {
            200 => {
                let uri = text.lines().find(|line| line.contains("/video/")).expect("a rendition");
                let grant = uri.split('/').next().expect("what it is granted for");
                let folder = base.split_once("/index.m3u8").expect("an index").0;
                return format!("{folder}/{grant}/index.m3u8");
            }
            // Until they are measured, tiles count for more than they take.
            503 => tokio::time::sleep(std::time::Duration::from_millis(250)).await,
            _ => panic!("{base}: {text}"),
        }
    }
    panic!("there is no room for {base}")
}
