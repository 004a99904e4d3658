//! The helpers themselves, checked on a clip: what is written is what is read.

use super::barcode::{Barcode, Clip, ClipSound};
use super::decode::{Decode, decode, whole};
use super::tone;

#[test]
fn a_clips_frames_tone_and_times_are_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("clip.mp4");
    Clip { width: 640, height: 360, ..Clip::new(3, 60, 660) }.write(&path);
    let mut codes = Vec::new();
    // At a quarter of the size and a low rate, as in a mosaic's smallest tile.
    let small = dir.path().join("small.mp4");
    let args = ["-v", "error", "-i", path.to_str().unwrap(), "-vf", "scale=240:134", "-b:v", "100k", "-c:a", "copy"];
    assert!(std::process::Command::new("ffmpeg").args(args).arg(&small).status().unwrap().success());
    let decoded =
        decode(&Decode::new(small.to_str().unwrap(), 10.0), |_, frame| codes.push(frame.barcode(whole(240, 134))));
    let expected: Vec<_> = (0..60).map(|frame| Some(Barcode { clip: 3, frame, flash: false })).collect();
    assert_eq!(codes, expected);
    assert_eq!(decoded.complaints, "");
    assert_eq!(tone::dominant(&decoded.sound, &[440, 660, 880]), Some(660));
    assert!(decoded.times_s.windows(2).all(|t| (t[1] - t[0] - 1.0 / 30.0).abs() < 0.001), "{:?}", decoded.times_s);
}

#[test]
fn a_clip_may_have_no_sound() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("clip.mp4");
    Clip { width: 128, height: 96, sound: ClipSound::None, ..Clip::new(1, 10, 0) }.write(&path);
    let what = Decode { audio: None, ..Decode::new(path.to_str().unwrap(), 1.0) };
    let decoded = decode(&what, |i, frame| {
        assert_eq!((frame.width, frame.height), (128, 96));
        assert_eq!(frame.barcode(whole(128, 96)).map(|code| code.frame), Some(i as u32));
    });
    assert_eq!((decoded.times_s.len(), decoded.sound.len()), (10, 0));
}

#[test]
fn a_flash_and_its_beep_coincide_and_a_shift_shows() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("clip.mp4");
    let sound = ClipSound::FlashAndBeep(1000);
    Clip { width: 320, height: 180, fps: "30000/1001", sound, ..Clip::new(9, 120, 0) }.write(&path);
    let late = dir.path().join("late.mp4");
    let input = path.to_str().unwrap();
    let args =
        ["-v", "error", "-i", input, "-itsoffset", "0.1", "-i", input, "-map", "0:v", "-map", "1:a", "-c", "copy"];
    assert!(std::process::Command::new("ffmpeg").args(args).arg(&late).status().unwrap().success());
    for (file, shift_s) in [(&path, 0.0), (&late, 0.1)] {
        let mut flash = Vec::new();
        let decoded = decode(&Decode::new(file.to_str().unwrap(), 10.0), |_, frame| {
            flash.push(frame.barcode(whole(320, 180)).unwrap().flash);
        });
        let pictures: Vec<_> = decoded.times_s.iter().copied().zip(flash).collect();
        let offsets = tone::av_offsets_s(&tone::flashes_s(&pictures), &tone::beeps_s(&decoded.sound));
        assert_eq!(offsets.len(), 3, "{offsets:?}");
        // A flash waits for the next picture: up to one frame after the beep.
        assert!(offsets.iter().all(|o| (-0.034..=0.002).contains(&(o - shift_s))), "{offsets:?}");
    }
}
