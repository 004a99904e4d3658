//! Clips with captions of line 21 in their pictures (CTA-608-E; ATSC A/53 part 4), put in byte by byte: nothing of the service's own is used for it.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::barcode::{Clip, ClipSound};

/// A caption that is there at once with one picture, and gone with another.
pub struct PopOn {
    pub shows: u32,
    pub ends: u32,
    /// Letters and spaces, 32 at most.
    pub text: &'static str,
    /// Row of the screen, 1 or 15.
    pub row: u8,
}

/// Writes `clip` as a transport stream with `captions` in its pictures, which are shown in another order than they are coded; `path` without its extension.
pub fn write(path: &Path, clip: &Clip, captions: &[PopOn]) -> PathBuf {
    let (plain, with_captions, out) =
        (path.with_extension("plain.h264"), path.with_extension("h264"), path.with_extension("ts"));
    let one_after_the_other =
        ["-c:v", "libx264", "-preset", "ultrafast", "-bf", "0", "-g", "30", "-x264-params", "aud=1", "-f", "h264"];
    Clip { sound: ClipSound::None, ..clip.clone() }.write_with(&plain, &one_after_the_other);
    std::fs::write(&with_captions, inserted(&std::fs::read(&plain).unwrap(), &pairs(clip.frames, captions))).unwrap();
    let seconds = format!("{:.6}", f64::from(clip.frames) / 30.0);
    let encoded = Command::new("ffmpeg")
        .args(["-y", "-v", "error", "-r", "30", "-i"])
        .arg(&with_captions)
        .args(["-f", "lavfi", "-t", &seconds, "-i", "sine=300:r=48000"])
        .args([
            "-c:v", "libx264", "-preset", "fast", "-crf", "20", "-bf", "2", "-g", "30", "-c:a", "aac", "-f", "mpegts",
        ])
        .arg(&out)
        .status()
        .unwrap();
    assert!(encoded.success());
    out
}

/// What FFmpeg reads of the captions of `path`: begin and end in milliseconds, and text.
pub fn as_ffmpeg_reads(path: &Path) -> Vec<(u64, u64, String)> {
    let source = format!("movie={}[out0+subcc]", path.display());
    let read = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", &source, "-map", "0:s", "-f", "webvtt", "-"])
        .output()
        .unwrap();
    cues(std::str::from_utf8(&read.stdout).unwrap())
        .into_iter()
        .map(|cue| (cue.start_ms, cue.end_ms, cue.text))
        .collect()
}

/// A cue of a WebVTT text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenCue {
    pub start_ms: u64,
    pub end_ms: u64,
    pub settings: String,
    pub text: String,
}

/// The cues of a WebVTT text, with its own times.
pub fn cues(text: &str) -> Vec<SeenCue> {
    let ms = |time: &str| {
        let seconds = time.split(':').fold(0.0, |sum, part| sum * 60.0 + part.parse::<f64>().unwrap());
        (seconds * 1000.0).round() as u64
    };
    let cue = |block: &str| {
        let lines: Vec<&str> = block.lines().collect();
        let at = lines.iter().position(|line| line.contains(" --> "))?;
        let (start, rest) = lines[at].split_once(" --> ")?;
        let (end, settings) = rest.split_once(' ').unwrap_or((rest, ""));
        let text = lines[at + 1..].join("\n");
        Some(SeenCue { start_ms: ms(start), end_ms: ms(end), settings: settings.to_owned(), text })
    };
    text.split("\n\n").filter_map(cue).collect()
}

/// Of each picture, the two bytes of the first field.
fn pairs(frames: u32, captions: &[PopOn]) -> Vec<[u8; 2]> {
    const PADDING: [u8; 2] = [0x00, 0x00];
    let mut pairs = vec![PADDING; frames as usize];
    for PopOn { shows, ends, text, row } in captions {
        // Resume caption loading, erase what is not displayed, the row's first column; all control codes come twice.
        let first_column = if *row == 1 { [0x11, 0x50] } else { [0x14, 0x70] };
        let mut load: Vec<[u8; 2]> =
            [[0x14, 0x20], [0x14, 0x2e], first_column].into_iter().flat_map(|code| [code; 2]).collect();
        load.extend(text.as_bytes().chunks(2).map(|two| [two[0], two.get(1).copied().unwrap_or(0)]));
        let begin = *shows as usize - load.len();
        for (n, pair) in load.into_iter().enumerate() {
            pairs[begin + n] = pair;
        }
        // End of caption; erase what is displayed.
        for (at, code) in [(*shows, [0x14, 0x2f]), (*ends, [0x14, 0x2c])] {
            pairs[at as usize] = code;
            pairs[at as usize + 1] = code;
        }
    }
    pairs.into_iter().map(|pair| pair.map(|byte| byte | ((byte.count_ones() as u8 + 1) & 1) << 7)).collect()
}

/// A byte stream of H.264 with a message of captions in each access unit, in front of its first slice.
fn inserted(stream: &[u8], pairs: &[[u8; 2]]) -> Vec<u8> {
    let starts: Vec<usize> = (0..stream.len() - 4).filter(|at| stream[*at..].starts_with(&[0, 0, 1])).collect();
    let mut out = Vec::with_capacity(stream.len() + pairs.len() * 90);
    let (mut unit, mut is_due) = (0, false);
    for (n, start) in starts.iter().enumerate() {
        let end = starts.get(n + 1).copied().unwrap_or(stream.len());
        let kind = stream[start + 3] & 0x1f;
        if kind == 9 {
            is_due = true;
        }
        if is_due && matches!(kind, 1 | 5) {
            let [first, second] = pairs[unit];
            // The second field is padding.
            let cc_data = [0x42, 0xff, 0xfc, first, second, 0xfd, 0x80, 0x80, 0xff];
            let mut payload = vec![0xb5, 0x00, 0x31, b'G', b'A', b'9', b'4', 0x03];
            payload.extend(cc_data);
            out.extend([0, 0, 0, 1, 6, 4, payload.len() as u8]);
            out.extend(payload);
            out.push(0x80);
            (unit, is_due) = (unit + 1, false);
        }
        out.extend(&stream[*start..end]);
    }
    assert_eq!(unit, pairs.len());
    out
}
