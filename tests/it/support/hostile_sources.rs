//! Sources that mean no good, with the reasons that their games' health may give for it.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::barcode::Clip;
use super::hostile_servers::{PATHS, everything, self_signed, serve, without_tls};
use super::hostile_streams::{h264_of, hevc_holding, mutated, png_of, programme_of};

/// A source, and the reasons that its game's health may give; none where it may also play.
pub struct Hostile {
    pub name: String,
    pub sources: Vec<String>,
    pub reasons: &'static [&'static str],
}

impl Hostile {
    pub fn new(name: &str, source: String, reasons: &'static [&'static str]) -> Self {
        Self { name: name.to_owned(), sources: vec![source], reasons }
    }

    /// Whether `reason` is one of those.
    pub fn is_known(&self, reason: &Value) -> bool {
        self.reasons.iter().any(|known| *reason == **known)
    }
}

/// A file in the folder that operators may show files of; its address.
fn file(dir: &Path, name: &str, bytes: &[u8]) -> String {
    let path = dir.join("media").join(name);
    std::fs::write(&path, bytes).unwrap();
    format!("file://{}", path.display())
}

const TOO_LARGE: &[&str] = &["too_large"];
const DARK: &[&str] = &["too_large", "no_picture", "failed", "stalled", "ended", "unsupported", "unreachable"];

/// Files that lie about themselves.
pub fn files(dir: &Path) -> Vec<Hostile> {
    let still = Hostile::new(
        "a still of 16000x16000",
        file(dir, "still.png", &png_of(16_000)),
        &["unsupported", "no_picture", "failed"],
    );
    let at = |name: &str, bytes: Vec<u8>, reasons| {
        Hostile::new(name, file(dir, &format!("{}.ts", name.replace(' ', "-")), &bytes), reasons)
    };
    vec![
        at("a stream of 16000x16000", h264_of(16_000, 16_000), TOO_LARGE),
        at("a stream of 16384x16384", h264_of(16_384, 16_384), TOO_LARGE),
        still,
        // As many as may be: what it holds when the stream ends may be shown.
        at("a decoder that is to hold sixteen pictures", hevc_holding(16), &[]),
        at("a decoder that is to hold a million pictures", hevc_holding(1_000_000), DARK),
        at("a programme of 8000 streams", programme_of(8000), TOO_LARGE),
    ]
}

/// What is no file, or another than it says.
pub fn places(dir: &Path) -> Vec<Hostile> {
    let media = dir.join("media");
    let pipe = Command::new("mkfifo").arg(media.join("pipe.ts")).status().unwrap();
    assert!(pipe.success());
    for (name, to) in [("passwd.ts", "/etc/passwd"), ("zero.ts", "/dev/zero")] {
        std::os::unix::fs::symlink(to, media.join(name)).unwrap();
    }
    ["pipe.ts", "passwd.ts", "zero.ts"]
        .map(|name| {
            Hostile::new(
                name,
                format!("file://{}", media.join(name).display()),
                &["forbidden", "failed", "unreachable"],
            )
        })
        .into()
}

/// What answers over HTTP, with TLS or without.
pub fn servers(dir: &Path) -> Vec<Hostile> {
    let inside = serve("127.0.0.1", |_, _| panic!("nobody is led here"));
    let stream = h264_of(16_384, 16_384);
    let address = everything(inside, vec![("/large.ts", stream)]);
    let mut servers: Vec<_> =
        PATHS.iter().map(|(path, reasons)| Hostile::new(path, format!("http://{address}{path}"), reasons)).collect();
    servers.push(Hostile::new("large over HTTP", format!("http://{address}/large.ts"), TOO_LARGE));
    const INSECURE: &[&str] = &["unreachable", "failed"];
    for (name, at) in [
        ("no TLS", without_tls(b"HTTP/1.1 400 Bad Request\r\n\r\n")),
        ("noise for TLS", without_tls(&[0x16, 3, 3, 0xff, 0xff, 1, 2, 3])),
        ("hangs up on TLS", without_tls(b"")),
        ("signed by itself", self_signed()),
    ] {
        servers.push(Hostile::new(name, format!("https://{at}/a.m3u8"), INSECURE));
    }
    // The name of the folder is of no use here, and that of a file that is not there is.
    servers.push(Hostile::new(
        "missing",
        format!("file://{}/media/none.ts", dir.display()),
        &["not_found", "failed", "unreachable", "forbidden"],
    ));
    servers
}

/// Mutations of a clip in each container.
pub fn mutations(dir: &Path, of_each: u64) -> Vec<Hostile> {
    let mut hostile = Vec::new();
    for name in ["clip.ts", "clip.mp4", "clip.flv"] {
        let path = dir.join(name);
        Clip { width: 160, height: 96, ..Clip::new(7, 60, 700) }.write(&path);
        let clip = std::fs::read(&path).unwrap();
        for seed in 0..of_each {
            let name = format!("{seed}-{name}");
            let source = file(dir, &name, &mutated(&clip, seed)) + "?loop=1";
            hostile.push(Hostile::new(&name, source, &[]));
        }
    }
    hostile
}
