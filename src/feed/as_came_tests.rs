//! Sources whose sound can be handed on.

use std::path::Path;
use std::process::Command;

use super::CODED_LAG_SAMPLES;
use super::tests::{Bench, url_of};
use crate::frame::CodedSound;

/// Four seconds of grey pictures with 5.1 in this codec, and its frames by themselves.
fn clip(folder: &Path, codec: &str, options: &str) -> (String, Vec<u8>) {
    let run = |arguments: &str, path: &Path| {
        let mut command = Command::new("ffmpeg");
        command.args(["-nostdin", "-v", "error", "-y"]).args(arguments.split_whitespace()).arg(path);
        assert!(command.status().unwrap().success(), "{arguments}");
    };
    let (clip, raw) = (folder.join("clip.ts"), folder.join("raw"));
    run(
        &format!(
            "-f lavfi -t 4 -i color=gray:s=160x96:r=30 -f lavfi -t 4 -i anoisesrc=r=48000:a=0.2 -af pan=5.1|c0=c0|c1=c0|c2=c0|c4=c0|c5=c0 \
             -c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 30 -c:a {codec} {options} -f mpegts"
        ),
        &clip,
    );
    let format = if codec == "aac" { "adts" } else { codec };
    run(&format!("-i {} -c:a copy -f {format}", clip.display()), &raw);
    (url_of(&clip), std::fs::read(raw).unwrap())
}

/// What of three seconds is handed on.
fn handed_on(bench: &mut Bench) -> (CodedSound, Vec<Option<Vec<u8>>>) {
    bench.until_live(100);
    // The sound has a thread of its own.
    let form = (0..30).find_map(|_| {
        bench.tick();
        bench.feed.coded_form()
    });
    let form = form.expect("a form");
    let mut got = Vec::new();
    for _ in 0..90 {
        let samples = bench.grid.sample_at_frame(bench.frame)..bench.grid.sample_at_frame(bench.frame + 1);
        bench.tick();
        let late = samples.start - CODED_LAG_SAMPLES..samples.end - CODED_LAG_SAMPLES;
        for (number, data) in bench.feed.coded_at(form, &late) {
            assert!((late.start..late.end).contains(&(number * form.frame_samples())));
            got.push(data.map(|data| data.to_vec()));
        }
    }
    (form, got)
}

#[test]
fn frames_are_handed_on_bit_by_bit_and_none_is_missing() {
    for (codec, options, told, channels) in
        [("ac3", "-b:a 448k", "ac-3", "6"), ("eac3", "-b:a 384k", "ec-3", "6"), ("aac", "-b:a 256k", "mp4a.40.2", "6")]
    {
        let folder = tempfile::tempdir().unwrap();
        let (url, raw) = clip(folder.path(), codec, options);
        let mut bench = Bench::new("30", &[&url]);
        let (form, got) = handed_on(&mut bench);
        assert_eq!((form.codec().as_str(), form.told_channels().as_str()), (told, channels));
        let first = got.iter().position(Option::is_some).expect("something");
        assert!(first <= 8, "{codec}: {first} places were empty at the beginning");
        let frames: Vec<_> = got[first..].iter().map(|frame| frame.as_deref().expect("none is missing")).collect();
        assert!(frames.len() as u64 * form.frame_samples() > 2 * 48_000);
        // One after the other, as the source has them; of AAC without their headers.
        let mut at = 0;
        for (n, frame) in frames.iter().enumerate() {
            let found = raw[at..].windows(frame.len()).position(|window| window == *frame);
            let skipped = found.unwrap_or_else(|| panic!("{codec}: frame {n} is none of the source's"));
            assert!(n == 0 || skipped <= 9, "{codec}: {skipped} bytes are left out before frame {n}");
            at += skipped + frame.len();
        }
    }
}

#[test]
fn what_is_encoded_anyway_or_has_another_rate_is_not_handed_on() {
    let folder = tempfile::tempdir().unwrap();
    for (codec, options) in [("aac", "-ac 2"), ("mp2", "-ac 2"), ("ac3", "-ar 44100 -b:a 448k")] {
        let path = folder.path().join("clip.ts");
        let mut command = Command::new("ffmpeg");
        command.args(["-nostdin", "-v", "error", "-y", "-f", "lavfi", "-t", "2", "-i", "color=gray:s=160x96:r=30"]);
        command.args(["-f", "lavfi", "-t", "2", "-i", "sine=frequency=400:sample_rate=48000"]);
        command.args(["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", codec]);
        assert!(command.args(options.split(' ')).args(["-f", "mpegts"]).arg(&path).status().unwrap().success());
        let mut bench = Bench::new("30", &[&url_of(&path)]);
        bench.until_live(100);
        (0..20).for_each(|_| drop(bench.tick()));
        assert_eq!(bench.feed.coded_form(), None, "{codec} {options}");
    }
}
