//! Pictures that carry their own number, so that a decoded mosaic tells which game and which frame is in each slot.
//!
//! A picture is a mid-grey margin around 8 x 6 cells, black or white: four rows are the frame's number, one is the clip's
//! number, the last is a checksum over both. Cells are large enough to survive being scaled to a 240x135 tile and encoded
//! at a low rate. The margin turns white for a flash; the cells can be read during one.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use quadrille::frame::{Colour, Picture, Rect};

use super::watchdog::step;

/// Real time that FFmpeg may take for a clip, in seconds.
const PATIENCE_S: &str = "150";

const COLUMNS: usize = 8;
const ROWS: usize = 6;
/// The margin is this part of the width and of the height, on each side.
const MARGIN: usize = 12;
const BLACK: u8 = 32;
const WHITE: u8 = 208;
const MARGIN_LUMA: u8 = 110;
const FLASH_LUMA: u8 = 235;
/// A cell whose mean is nearer to the threshold than this is not read: better no number than a wrong one.
const DOUBT: u32 = 20;

/// What a barcode says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Barcode {
    pub clip: u8,
    pub frame: u32,
    /// Whether the margin is white.
    pub flash: bool,
}

impl Barcode {
    fn bytes(self) -> [u8; ROWS] {
        let [a, b, c, d] = self.frame.to_be_bytes();
        // Rotation makes swapped rows differ; the constant makes an all-black picture wrong.
        let check = [a, b, c, d, self.clip].iter().fold(0x5a_u8, |sum, byte| sum.rotate_left(3) ^ byte);
        [a, b, c, d, self.clip, check]
    }
}

/// Draws `code` as a picture of `width` x `height`, both even and at least 96. Each clip has a tint of its own.
pub fn draw(code: Barcode, width: u32, height: u32) -> Picture {
    let (w, h) = (width as usize, height as usize);
    let bytes = code.bytes();
    let mut luma = vec![if code.flash { FLASH_LUMA } else { MARGIN_LUMA }; w * h];
    for (row, byte) in bytes.iter().enumerate() {
        for column in 0..COLUMNS {
            let value = if byte >> (7 - column) & 1 == 1 { WHITE } else { BLACK };
            let (x, y) = (cell_edges(w, column, COLUMNS), cell_edges(h, row, ROWS));
            for line in y.clone() {
                luma[line * w + x.start..line * w + x.end].fill(value);
            }
        }
    }
    let tint = |shift: u8| vec![112 + (code.clip.rotate_left(u32::from(shift)) & 0x1f); w * h / 4];
    Picture::from_planes(width, height, Colour::CANVAS, [luma, tint(0), tint(4)]).expect("even size")
}

fn cell_edges(size: usize, at: usize, cells: usize) -> std::ops::Range<usize> {
    let margin = size / MARGIN;
    let inner = size - 2 * margin;
    margin + inner * at / cells..margin + inner * (at + 1) / cells
}

/// Reads the barcode that was drawn at `rect` (a slot, less its letterbox) of a luma plane. `None` if there is none, or if
/// it is damaged.
pub fn read(luma: &[u8], stride: usize, rect: Rect) -> Option<Barcode> {
    let (w, h) = (rect.width as usize, rect.height as usize);
    let mean = |x: std::ops::Range<usize>, y: std::ops::Range<usize>| -> u32 {
        let (left, top) = (rect.x as usize, rect.y as usize);
        let rows = y.clone().map(|line| &luma[(top + line) * stride + left..][x.clone()]);
        let sum: u32 = rows.flatten().map(|&v| u32::from(v)).sum();
        sum / (x.len() * y.len()).max(1) as u32
    };
    // The middle half of a cell: scaling and encoding blur its edges.
    let middle = |edges: std::ops::Range<usize>| {
        let quarter = edges.len() / 4;
        edges.start + quarter..edges.end - quarter
    };
    let threshold = (u32::from(BLACK) + u32::from(WHITE)) / 2;
    let mut bytes = [0u8; ROWS];
    for (row, byte) in bytes.iter_mut().enumerate() {
        for column in 0..COLUMNS {
            let value = mean(middle(cell_edges(w, column, COLUMNS)), middle(cell_edges(h, row, ROWS)));
            if value.abs_diff(threshold) < DOUBT {
                return None;
            }
            *byte = *byte << 1 | u8::from(value > threshold);
        }
    }
    let top_margin = mean(w / 4..w * 3 / 4, middle(0..h / MARGIN));
    let [a, b, c, d, clip, _] = bytes;
    let flash = top_margin > (u32::from(MARGIN_LUMA) + u32::from(FLASH_LUMA)) / 2;
    let code = Barcode { clip, frame: u32::from_be_bytes([a, b, c, d]), flash };
    (code.bytes() == bytes).then_some(code)
}

/// A clip file to be made: numbered pictures with a tone.
#[derive(Clone, Debug)]
pub struct Clip {
    pub number: u8,
    pub width: u32,
    pub height: u32,
    /// As FFmpeg reads it: `30`, `30000/1001`.
    pub fps: &'static str,
    pub frames: u32,
    pub sound: ClipSound,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClipSound {
    None,
    /// A sine of this many hertz.
    Tone(u32),
    /// For the first 0.1 s of every second the margin is white and this tone sounds; silence between.
    FlashAndBeep(u32),
}

/// Where a clip of this description, drawn by this file, is kept.
fn kept(description: &str, extension: &str) -> PathBuf {
    let mut hasher = DefaultHasher::new();
    (include_str!("barcode.rs"), description).hash(&mut hasher);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clips");
    std::fs::create_dir_all(&folder).expect("a folder for clips");
    folder.join(format!("{:016x}.{extension}", hasher.finish()))
}

impl Clip {
    /// 1280x720, 30 fps, with a tone.
    pub fn new(number: u8, frames: u32, tone_hz: u32) -> Self {
        Self { number, width: 1280, height: 720, fps: "30", frames, sound: ClipSound::Tone(tone_hz) }
    }

    /// Exact frames per second as a fraction.
    fn rate(&self) -> (u64, u64) {
        let (num, den) = self.fps.split_once('/').unwrap_or((self.fps, "1"));
        (num.parse().expect("fps"), den.parse().expect("fps"))
    }

    fn barcode(&self, frame: u32) -> Barcode {
        let (num, den) = self.rate();
        // Time within the second, in units of 1/num s.
        let flash = u64::from(frame) * den % num * 10 < num;
        Barcode { clip: self.number, frame, flash: flash && matches!(self.sound, ClipSound::FlashAndBeep(_)) }
    }

    /// Encodes the clip with FFmpeg into `path`, whose extension says the container: H.264 and AAC.
    pub fn write(&self, path: &Path) {
        self.write_with(path, &["-c:v", "libx264", "-preset", "ultrafast", "-crf", "23", "-g", "30", "-c:a", "aac"]);
    }

    /// The same with other FFmpeg output options (encoders, pixel format, filters, rates). Encoded once, however many tests want it.
    pub fn write_with(&self, path: &Path, output: &[&str]) {
        let Some(extension) = path.extension().and_then(|extension| extension.to_str()) else {
            unreachable!("{path:?}")
        };
        // A playlist has files of its own beside it.
        if extension == "m3u8" || output.iter().any(|option| option.contains('/')) {
            return self.encode(path, output);
        }
        let kept = kept(&format!("{self:?} {output:?}"), extension);
        if !kept.exists() {
            // Another test may be at the same one: whoever ends last is kept.
            let name = format!("{}-{:?}.{extension}", std::process::id(), std::thread::current().id());
            let made = kept.with_file_name(name);
            self.encode(&made, output);
            std::fs::rename(&made, &kept).expect("a clip is kept");
        }
        std::fs::copy(&kept, path).expect("a clip is copied");
    }

    fn encode(&self, path: &Path, output: &[&str]) {
        let size = format!("{}x{}", self.width, self.height);
        let (num, den) = self.rate();
        let seconds = format!("{:.6}", f64::from(self.frames) * den as f64 / num as f64);
        let source = match self.sound {
            ClipSound::None => None,
            ClipSound::Tone(hz) => Some(format!("0.5*sin(2*PI*{hz}*t)")),
            ClipSound::FlashAndBeep(hz) => Some(format!("0.5*sin(2*PI*{hz}*t)*lt(mod(t\\,1)\\,0.1)")),
        };
        let source = source.map(|left| format!("aevalsrc={left}|{left}:s=48000"));
        step(format!("FFmpeg encodes {}", path.display()));
        let mut command = Command::new("timeout");
        command.args([
            PATIENCE_S, "ffmpeg", "-y", "-v", "error", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", &size, "-r",
            self.fps,
        ]);
        command.args([
            "-color_range",
            "tv",
            "-colorspace",
            "bt709",
            "-color_primaries",
            "bt709",
            "-color_trc",
            "bt709",
        ]);
        command.args(["-i", "-"]);
        if let Some(source) = &source {
            command.args(["-f", "lavfi", "-t", &seconds, "-i", source]);
        }
        command.args(output).arg(path);
        let mut child = command.stdin(Stdio::piped()).spawn().expect("ffmpeg starts");
        let mut pipe = child.stdin.take().expect("piped");
        for frame in 0..self.frames {
            let picture = draw(self.barcode(frame), self.width, self.height);
            for plane in 0..3 {
                pipe.write_all(picture.plane(plane)).expect("ffmpeg takes pictures");
            }
        }
        drop(pipe);
        assert!(child.wait().expect("ffmpeg ends").success(), "ffmpeg could not write {}", path.display());
    }
}

#[test]
fn a_barcode_is_read_back_from_a_small_tile_of_a_larger_picture() {
    let code = Barcode { clip: 6, frame: 0xdead_beef, flash: true };
    let picture = draw(code, 240, 134);
    let mut luma = vec![16u8; 640 * 360];
    for row in 0..134 {
        luma[(row + 20) * 640 + 30..][..240].copy_from_slice(picture.row(0, row));
    }
    let rect = Rect { x: 30, y: 20, width: 240, height: 134 };
    assert_eq!(read(&luma, 640, rect), Some(code));
    // Out of place by half a cell, and on black: nothing rather than something wrong.
    assert_eq!(read(&luma, 640, Rect { x: 43, ..rect }), None);
    assert_eq!(read(&luma, 640, Rect { x: 350, y: 200, ..rect }), None);
}

/// What was seen of a mosaic without the stills before its first picture that moves.
pub fn moving<T: PartialEq>(frames: &[T]) -> &[T] {
    let still = frames.iter().take_while(|frame| **frame == frames[0]).count();
    &frames[still.saturating_sub(1)..]
}
