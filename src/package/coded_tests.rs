//! Against FFmpeg: its muxer's boxes, and what its decoder makes of ours.

use std::path::Path;
use std::process::Command;

use super::{coded_init, coded_segment};
use crate::frame::{CodedSound, SoundUnit};
use crate::timeline::Grid;

fn ffmpeg(arguments: &str, out: &Path) -> Vec<u8> {
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-v", "error", "-y"]).args(arguments.split_whitespace()).arg(out);
    assert!(command.status().unwrap().success(), "{arguments}");
    std::fs::read(out).unwrap()
}

/// Frames of a raw stream, each from one synchronisation word to the next.
fn frames(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        // A whole frame says how long it is.
        let end = (at + 64..=bytes.len()).step_by(2).find(|end| CodedSound::a52_frame(&bytes[at..*end]).is_some());
        let Some(end) = end else { break };
        frames.push(bytes[at..end].to_vec());
        at = end;
    }
    frames
}

/// The body of the first box of this kind, wherever it is.
fn body<'a>(bytes: &'a [u8], kind: &[u8]) -> &'a [u8] {
    let at = bytes.windows(4).position(|window| window == kind).expect("the box is there");
    let size = u32::from_be_bytes(bytes[at - 4..at].try_into().unwrap()) as usize;
    &bytes[at + 4..at - 4 + size]
}

const SINES: &str = "-f lavfi -t 3 -i aevalsrc=0.3*sin(2*PI*400*t)|0.3*sin(2*PI*500*t)|0.3*sin(2*PI*600*t)|0.3*sin(2*PI*60*t)|0.2*sin(2*PI*700*t)|0.2*sin(2*PI*800*t):c=5.1(side):s=48000";

#[test]
fn boxes_are_those_of_ffmpeg_and_frames_decode_as_the_source_s_do() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for (codec, layout, entry, specific) in [
        ("ac3", "-b:a 448k", b"ac-3", b"dac3"),
        ("ac3", "-ac 2 -b:a 192k", b"ac-3", b"dac3"),
        ("eac3", "-b:a 384k", b"ec-3", b"dec3"),
        ("eac3", "-ac 1 -b:a 96k", b"ec-3", b"dec3"),
    ] {
        let raw = ffmpeg(&format!("{SINES} -c:a {codec} {layout} -f {codec}"), &at("source.raw"));
        let frames = frames(&raw);
        assert_eq!(frames.concat().len(), raw.len(), "{codec} {layout}");
        let form = CodedSound::a52_frame(&frames[0]).unwrap().form;
        assert!(frames.iter().all(|frame| CodedSound::a52_frame(frame).unwrap().form == form));

        let theirs = ffmpeg(&format!("-i {} -c copy -f mp4", at("source.raw").display()), &at("theirs.mp4"));
        let ours = coded_init(form).unwrap();
        assert_eq!(body(&ours, specific), body(&theirs, specific), "{codec} {layout}");
        let (ours_entry, theirs_entry) = (body(&ours, entry), body(&theirs, entry));
        // Version, channels and rate; the size of a sample is a formality.
        assert_eq!(ours_entry[..18], theirs_entry[..18], "{codec} {layout}");
        assert_eq!(ours_entry[24..28], theirs_entry[24..28], "{codec} {layout}");

        let grid = Grid::new("30".parse().unwrap(), 30);
        let mut file = ours.to_vec();
        let mut left = frames.iter();
        for n in 1000..1002 {
            let numbers = grid.first_coded_frame(n, 1536)..grid.first_coded_frame(n + 1, 1536);
            let units: Vec<_> = numbers
                .zip(left.by_ref())
                .map(|(aac_frame, data)| SoundUnit { aac_frame, data: data.clone().into() })
                .collect();
            file.extend_from_slice(&coded_segment(&grid, n, 1536, &units).unwrap());
        }
        let used = frames.len() - left.len();
        std::fs::write(at("ours.mp4"), file).unwrap();
        std::fs::write(at("used.raw"), frames[..used].concat()).unwrap();
        let decoded = |input: &Path| ffmpeg(&format!("-i {} -f s16le", input.display()), &at("decoded"));
        let (ours, source) = (decoded(&at("ours.mp4")), decoded(&at("used.raw")));
        assert_eq!(ours.len(), used * 1536 * 2 * form.channels() as usize, "{codec} {layout}");
        assert!(ours == source, "{codec} {layout}: it decodes as the source does");
    }
}

#[test]
fn what_ffmpeg_reads_of_the_boxes_of_aac_is_what_was_meant() {
    let folder = tempfile::tempdir().unwrap();
    // Raw blocks of silence: a pair, a single channel, and five with a low-frequency one.
    const PAIR: &[u8] = &[0x20, 0, 0, 0, 0, 0, 0x0e];
    const SINGLE: &[u8] = &[0, 0, 0, 0x07];
    const SIX: &[u8] = &[0, 0, 0, 0x01, 0, 0, 0, 0, 0, 0, 0x11, 0, 0, 0, 0, 0, 0x03, 0, 0, 0, 0x38];
    for (id, silence, rate, channels) in [
        // What is on top of the core has nothing in silence, and FFmpeg believes frames: it is told by the rate alone.
        ("came-aac-5-2", PAIR, "48000", "2"),
        ("came-aac-29-1", SINGLE, "48000", ""),
        ("came-aac-2-6", SIX, "48000", "6"),
    ] {
        let form: CodedSound = id.parse().unwrap();
        let silence = bytes::Bytes::from_static(silence);
        let grid = Grid::new("30".parse().unwrap(), 30);
        let numbers = grid.first_coded_frame(7, form.frame_samples())..grid.first_coded_frame(8, form.frame_samples());
        let units: Vec<_> = numbers.map(|aac_frame| SoundUnit { aac_frame, data: silence.clone() }).collect();
        let segment = coded_segment(&grid, 7, form.frame_samples(), &units).unwrap();
        let path = folder.path().join("of.mp4");
        std::fs::write(&path, [&coded_init(form).unwrap()[..], &segment].concat()).unwrap();
        let told = Command::new("ffprobe")
            .args(["-v", "error", "-show_entries", "stream=sample_rate,channels", "-of", "csv=p=0"])
            .arg(&path)
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&told.stdout).trim().to_owned();
        assert!(told.starts_with(rate) && told.ends_with(channels), "{id}: {told}");
    }
}

/// Jointly coded objects are told of at the end of the box (ETSI TS 103 420), and every box around it is as much longer.
#[test]
fn objects_are_told_in_the_box() {
    let form =
        |objects: u8| format!("came-eac3-{:09x}", 448u64 << 20 | 16 << 15 | 7 << 9 | 1 << 8 | u64::from(objects));
    let init = |id: String| coded_init(id.parse().unwrap()).unwrap();
    let (with, without) = (init(form(16)), init(form(0)));
    assert_eq!(with.len(), without.len() + 2);
    let (long, short) = (body(&with, b"dec3"), body(&without, b"dec3"));
    assert_eq!(long, [short, &[1, 16]].concat());
    for kind in [&b"moov"[..], b"trak", b"mdia", b"minf", b"stbl", b"stsd", b"ec-3"] {
        assert_eq!(body(&with, kind).len(), body(&without, kind).len() + 2);
    }
    assert_eq!(body(&with, b"mvex"), body(&without, b"mvex"), "what comes after is where it was");
}
