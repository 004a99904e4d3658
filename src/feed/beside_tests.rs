//! Sources with several sounds.

use std::path::Path;
use std::process::Command;

use super::tests::{Bench, url_of};
use crate::frame::SoundRole;

/// A second of grey pictures with a sine a sound: its hertz and FFmpeg's options of its stream, `#` standing for its number.
fn clip(path: &Path, sounds: &[(u32, &str)], output: &str) {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-y", "-f", "lavfi", "-t", "1", "-i", "color=gray:s=160x96:r=30"]);
    for (hertz, _) in sounds {
        let sine = format!("sine=frequency={hertz}:sample_rate=48000");
        command.args(["-f", "lavfi", "-t", "1", "-i", &sine]);
    }
    command.args("-map 0:v -c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 30".split(' '));
    for (n, (_, options)) in sounds.iter().enumerate() {
        command.args(["-map", &format!("{}:a", n + 1)]);
        command.args(options.replace('#', &n.to_string()).split_whitespace());
    }
    command.args(output.split_whitespace()).arg(path);
    assert!(command.status().unwrap().success());
}

/// The pitch of what was heard; 0 for silence.
fn hertz(sound: &[i16]) -> u32 {
    let left: Vec<i16> = sound.iter().step_by(2).copied().collect();
    if left.iter().all(|value| value.unsigned_abs() < 300) {
        return 0;
    }
    let rises = left.windows(2).filter(|pair| pair[0] < 0 && pair[1] >= 0).count();
    (rises as f64 * 48_000.0 / left.len() as f64).round() as u32
}

/// Ticks `frames` times; what was heard of the main sound and of those that are called so.
fn heard(bench: &mut Bench, frames: usize, ids: &[&str]) -> Vec<Vec<i16>> {
    let mut heard = vec![Vec::new(); ids.len() + 1];
    for _ in 0..frames {
        let samples = bench.grid.sample_at_frame(bench.frame)..bench.grid.sample_at_frame(bench.frame + 1);
        let (_, main) = bench.tick();
        heard[0].extend(main.interleaved);
        for (sound, id) in heard[1..].iter_mut().zip(ids) {
            sound.extend(bench.feed.sound_beside_at(id, samples.clone()).interleaved);
        }
    }
    heard
}

/// Within two hundredths: AAC's first frames are missing in each lap.
fn near(got: u32, expected: u32) -> bool {
    got.abs_diff(expected) * 50 <= expected
}

const THREE: [(u32, &str); 3] = [
    (400, "-c:a:# aac -metadata:s:a:# language=eng"),
    (700, "-c:a:# ac3 -metadata:s:a:# language=ger"),
    (1100, "-c:a:# aac -metadata:s:a:# language=eng -disposition:a:# visual_impaired"),
];

#[test]
fn each_sound_of_a_transport_stream_is_heard_under_a_name_of_its_own_lap_after_lap() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("three.ts");
    clip(&path, &THREE, "-f mpegts");
    let mut bench = Bench::new("30", &[&url_of(&path)]);
    bench.until_live(100);
    let told = bench.feed.sounds_beside();
    let told: Vec<_> = told.iter().map(|t| (&*t.id, t.language.as_deref(), t.role, t.label.as_str())).collect();
    assert_eq!(
        told,
        [
            ("deu", Some("de"), SoundRole::Programme, "German"),
            ("eng-ad", Some("en"), SoundRole::Description, "English, audio description"),
        ]
    );
    for lap in 0..3 {
        let heard = heard(&mut bench, 30, &["deu", "eng-ad", "fra"]);
        let pitches: Vec<_> = heard.iter().map(|sound| hertz(sound)).collect();
        assert!(near(pitches[0], 400) && near(pitches[1], 700) && near(pitches[2], 1100), "lap {lap}: {pitches:?}");
        assert_eq!(pitches[3], 0, "nobody has such a sound");
    }
}

#[test]
fn sounds_of_files_are_told_apart_by_their_tags() {
    let folder = tempfile::tempdir().unwrap();
    for (name, title) in [("three.mp4", "Sound"), ("three.mkv", "Stadion")] {
        let path = folder.path().join(name);
        let two =
            [(900, "-c:a:# aac -metadata:s:a:# title=Stadion"), (1300, "-c:a:# aac -metadata:s:a:# language=fre")];
        clip(&path, &[&THREE[..1], &two].concat(), "");
        let mut bench = Bench::new("30", &[&url_of(&path)]);
        bench.until_live(100);
        heard(&mut bench, 5, &[]);
        let told = bench.feed.sounds_beside();
        let told: Vec<_> = told.iter().map(|t| (&*t.id, t.label.as_str())).collect();
        assert_eq!(told, [("und", title), ("fra", "French")], "{name}");
        let heard = heard(&mut bench, 60, &["und", "fra"]);
        let pitches: Vec<_> = heard.iter().map(|sound| hertz(sound)).collect();
        assert!(near(pitches[0], 400) && near(pitches[1], 900) && near(pitches[2], 1300), "{name}: {pitches:?}");
    }
}

#[test]
fn a_sound_that_goes_is_silent_and_comes_back_under_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let bytes: Vec<u8> = [&THREE[..], &THREE[..1], &[THREE[0], THREE[2], THREE[1]]]
        .iter()
        .enumerate()
        .flat_map(|(n, sounds)| {
            let path = folder.path().join(format!("{n}.ts"));
            clip(&path, sounds, "-f mpegts");
            std::fs::read(path).unwrap()
        })
        .collect();
    let path = folder.path().join("joined.ts");
    std::fs::write(&path, bytes).unwrap();
    let mut bench = Bench::new("30", &[&url_of(&path)]);
    bench.until_live(100);
    let mut stretches = Vec::new();
    for _ in 0..6 {
        let heard = heard(&mut bench, 30, &["deu", "eng-ad"]);
        // Its middle: where one stretch goes over into the next, both are heard.
        stretches.push(heard.iter().map(|sound| hertz(&sound[19_200..76_800])).collect::<Vec<_>>());
    }
    assert!(stretches.iter().all(|pitches| near(pitches[0], 400)), "{stretches:?}");
    for (n, pitches) in stretches.iter().enumerate() {
        let expected = if n % 3 == 1 { [0, 0] } else { [700, 1100] };
        assert!(near(pitches[1], expected[0]) && near(pitches[2], expected[1]), "{n}: {stretches:?}");
    }
    assert_eq!(bench.feed.sounds_beside().len(), 2, "no name is given twice");
}
