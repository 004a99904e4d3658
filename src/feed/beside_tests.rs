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
    let rises: Vec<usize> = (1..left.len()).filter(|at| left[at - 1] < 0 && left[*at] >= 0).collect();
    let mut periods: Vec<usize> = rises.windows(2).map(|pair| pair[1] - pair[0]).collect();
    periods.sort_unstable();
    // The median: where laps meet some of AAC's frames are missing, and crossings are none of the tone's.
    periods.get(periods.len() / 2).map_or(0, |period| (48_000.0 / *period as f64).round() as u32)
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

/// Within a twentieth: periods are whole samples.
fn near(got: u32, expected: u32) -> bool {
    got.abs_diff(expected) * 20 <= expected
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

/// A presentation whose sounds have playlists of their own: six seconds in segments of two.
fn presentation(folder: &Path, fmp4: bool) -> u16 {
    let whole = folder.join("whole.ts");
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-y", "-f", "lavfi", "-t", "6", "-i", "color=gray:s=160x96:r=30"]);
    for (hertz, _) in THREE {
        let sine = format!("sine=frequency={hertz}:sample_rate=48000");
        command.args(["-f", "lavfi", "-t", "6", "-i", &sine]);
    }
    let maps =
        "-map 0:v -map 1:a -map 2:a -map 3:a -c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 60 -c:a aac -f mpegts";
    assert!(command.args(maps.split(' ')).arg(&whole).status().unwrap().success());
    for (name, stream) in [("v", "0:v"), ("a0", "0:a:0"), ("a1", "0:a:1"), ("a2", "0:a:2")] {
        let mut command = Command::new("ffmpeg");
        command.args(["-v", "error", "-y", "-i"]).arg(&whole).args(["-map", stream, "-c", "copy", "-f", "hls"]);
        command.args(["-hls_time", "2", "-hls_list_size", "0", "-hls_playlist_type", "vod"]);
        if fmp4 {
            command.args(["-hls_segment_type", "fmp4", "-hls_fmp4_init_filename", &format!("{name}.mp4")]);
            if name != "v" {
                command.args(["-bsf:a", "aac_adtstoasc"]);
            }
        }
        assert!(command.arg(folder.join(format!("{name}.m3u8"))).status().unwrap().success());
    }
    let media = |n: usize, name: &str, more: &str| {
        format!("#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"g\",NAME=\"{name}\",URI=\"a{n}.m3u8\"{more}\n")
    };
    let master = [
        "#EXTM3U\n".to_owned(),
        media(0, "English", ",LANGUAGE=\"en\",DEFAULT=YES,AUTOSELECT=YES"),
        media(1, "Deutsch", ",LANGUAGE=\"de-AT\""),
        media(2, "Described", ",LANGUAGE=\"en\",CHARACTERISTICS=\"public.accessibility.describes-video\""),
        "#EXT-X-STREAM-INF:BANDWIDTH=900000,RESOLUTION=160x96,CODECS=\"avc1.640028,mp4a.40.2\",AUDIO=\"g\"\nv.m3u8\n"
            .to_owned(),
    ];
    std::fs::write(folder.join("index.m3u8"), master.concat()).unwrap();
    super::sync_tests::serve(folder.to_owned())
}

#[test]
fn sounds_in_playlists_of_their_own_are_heard_beside_the_main_one() {
    for fmp4 in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let port = presentation(folder.path(), fmp4);
        let mut bench = Bench::new("30", &[&format!("http://127.0.0.1:{port}/index.m3u8?loop=1")]);
        bench.until_live(1000);
        // Each comes by a thread of its own, which nobody's ticks wait for.
        for _ in 0..200 {
            heard(&mut bench, 15, &[]);
            if bench.feed.sounds_beside().len() == 2 {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        let told = bench.feed.sounds_beside();
        let mut told: Vec<_> = told.iter().map(|t| (&*t.id, t.language.as_deref(), t.label.as_str())).collect();
        told.sort_unstable();
        assert_eq!(
            told,
            [("deu", Some("de-at"), "Deutsch"), ("eng-ad", Some("en"), "Described, audio description")],
            "fMP4: {fmp4}"
        );
        assert_eq!(bench.feed.language().as_deref(), Some("en"), "the main one's, by the playlist");
        // Into the second lap.
        for stretch in 0..4 {
            let heard = heard(&mut bench, 60, &["deu", "eng-ad"]);
            let pitches: Vec<_> = heard.iter().map(|sound| hertz(sound)).collect();
            let right = near(pitches[0], 400) && near(pitches[1], 700) && near(pitches[2], 1100);
            assert!(right, "fMP4: {fmp4}, {stretch}: {pitches:?}");
        }
    }
}
