//! FFmpeg as an independent decoder: pictures with their times, and sound on the same time line.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};

use quadrille::frame::Rect;

use super::barcode::{self, Barcode};
use super::watchdog::step;

/// What to decode of a stream.
#[derive(Clone, Debug)]
pub struct Decode<'a> {
    /// Path or URL; an HLS URL may be a multivariant or a media playlist.
    pub input: &'a str,
    /// FFmpeg options in front of the input, such as `-live_start_index 0`.
    pub input_options: &'a [&'a str],
    /// Which of the input's streams: `0:v:0`; `None` for no picture.
    pub video: Option<&'a str>,
    pub audio: Option<&'a str>,
    /// Stops after this many seconds of media.
    pub seconds: f64,
    /// Gives up after this many seconds of real time.
    pub patience_s: u32,
}

impl<'a> Decode<'a> {
    /// First picture and first sound of `input`, `seconds` of them.
    pub fn new(input: &'a str, seconds: f64) -> Self {
        Self { input, input_options: &[], video: Some("0:v:0"), audio: Some("0:a:0"), seconds, patience_s: 60 }
    }
}

/// A decoded picture, 8-bit 4:2:0, planes without padding.
pub struct Frame<'a> {
    pub width: usize,
    pub height: usize,
    pub planes: [&'a [u8]; 3],
}

impl Frame<'_> {
    /// The barcode drawn at `rect`; see [`barcode::read`].
    pub fn barcode(&self, rect: Rect) -> Option<Barcode> {
        barcode::read(self.planes[0], self.width, rect)
    }
}

/// What is known after decoding.
#[derive(Clone, Debug, Default)]
pub struct Decoded {
    /// When each picture shows, in seconds from the stream's start.
    pub times_s: Vec<f64>,
    /// 48 kHz mono from the stream's start; silence stands where there was no sound.
    pub sound: Vec<i16>,
    /// What FFmpeg complained about; empty for a stream without fault.
    pub complaints: String,
}

/// Decodes, calling `each` with every picture's index and content. Panics if FFmpeg fails or runs out of patience.
pub fn decode(what: &Decode, mut each: impl FnMut(usize, Frame)) -> Decoded {
    step(format!("FFmpeg decodes {}", what.input));
    let dir = tempfile::tempdir().expect("a folder");
    let file = |name: &str| dir.path().join(name).to_str().expect("UTF-8").to_owned();
    let (times, sound, log) = (file("times"), file("sound"), file("log"));
    let seconds = format!("{:.3}", what.seconds);
    let patience = what.patience_s.to_string();
    let mut command = Command::new("timeout");
    command.args([&patience, "ffmpeg", "-nostdin", "-y", "-v", "warning"]).args(what.input_options);
    command.args(["-i", what.input]);
    if let Some(stream) = what.video {
        // One decode, two outputs: the pictures, and their times without them. A frame that comes twice or is missing
        // must show, so nothing may be duplicated or dropped to fit a rate.
        command.args(["-map", stream, "-t", &seconds, "-fps_mode", "passthrough", "-pix_fmt", "yuv420p"]);
        command.args(["-strict", "-1", "-f", "yuv4mpegpipe", "pipe:1"]);
        command.args(["-map", stream, "-t", &seconds, "-fps_mode", "passthrough", "-enc_time_base", "1:90000"]);
        command.args(["-c:v", "wrapped_avframe", "-f", "framecrc", &times]);
    }
    if let Some(stream) = what.audio {
        command.args(["-map", stream, "-t", &seconds, "-af", "aresample=48000:async=1:first_pts=0"]);
        command.args(["-ac", "1", "-f", "s16le", &sound]);
    }
    command.stderr(std::fs::File::create(&log).expect("a log")).stdout(Stdio::piped()).stdin(Stdio::null());
    let mut child = command.spawn().expect("ffmpeg starts");
    let count = read_pictures(child.stdout.take().expect("piped"), &mut each);
    let status = child.wait().expect("ffmpeg ends");
    let complaints = std::fs::read_to_string(&log).expect("a log");
    assert!(status.success(), "ffmpeg on {}: {status}\n{complaints}", what.input);

    let times_s = if what.video.is_some() { read_times(&times) } else { Vec::new() };
    assert_eq!(times_s.len(), count, "every picture has a time");
    let bytes = if what.audio.is_some() { std::fs::read(&sound).expect("sound") } else { Vec::new() };
    let sound = bytes.as_chunks::<2>().0.iter().map(|b| i16::from_le_bytes(*b)).collect();
    Decoded { times_s, sound, complaints }
}

/// Reads a YUV4MPEG2 stream; returns the number of pictures.
fn read_pictures(pipe: impl std::io::Read, each: &mut impl FnMut(usize, Frame)) -> usize {
    let mut pipe = BufReader::with_capacity(1 << 20, pipe);
    let mut line = String::new();
    if pipe.read_line(&mut line).expect("a header") == 0 {
        return 0;
    }
    let field = |tag: char| line.split_whitespace().skip(1).find_map(|f| f.strip_prefix(tag)?.parse::<usize>().ok());
    let (width, height) = (field('W').expect("width"), field('H').expect("height"));
    let chroma = width.div_ceil(2) * height.div_ceil(2);
    let mut bytes = vec![0; width * height + 2 * chroma];
    let mut count = 0;
    let mut frame_line = Vec::new();
    while pipe.read_until(b'\n', &mut frame_line).expect("a picture's header") > 0 {
        assert!(frame_line.starts_with(b"FRAME"));
        frame_line.clear();
        pipe.read_exact(&mut bytes).expect("a picture");
        let (y, rest) = bytes.split_at(width * height);
        let (u, v) = rest.split_at(chroma);
        each(count, Frame { width, height, planes: [y, u, v] });
        count += 1;
    }
    count
}

/// Reads the times out of FFmpeg's `framecrc` format: `#tb 0: 1/90000`, then `0, dts, pts, …` a line.
fn read_times(path: &str) -> Vec<f64> {
    let text = std::fs::read_to_string(path).expect("times");
    let base = text.lines().find_map(|l| l.strip_prefix("#tb 0: ")?.split_once('/')).expect("a time base");
    let tick_s = base.0.trim().parse::<f64>().expect("time base") / base.1.trim().parse::<f64>().expect("time base");
    let pts = |line: &str| line.split(',').nth(2)?.trim().parse::<f64>().ok();
    text.lines().filter(|l| !l.starts_with('#')).map(|l| pts(l).expect("a time") * tick_s).collect()
}

/// A rectangle over a whole picture.
pub const fn whole(width: u32, height: u32) -> Rect {
    Rect { x: 0, y: 0, width, height }
}
