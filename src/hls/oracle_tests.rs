//! What we write, judged by programs we did not write: FFmpeg and GStreamer.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use bytes::Bytes;

use super::playlist::{AudioRendition, Media, MediaSegment, Multivariant, VideoRange, VideoVariant, target_duration_s};
use crate::frame::{AccessUnit, SoundUnit};
use crate::package::{self, VideoTrack};
use crate::timeline::{Grid, SegmentNumber};

/// Some segment of 2026: `tfdt` far beyond 32 bits.
const FIRST: SegmentNumber = 45_664_201;
const SEGMENTS: u64 = 4;
const SEGMENT_FRAMES: u32 = 60;

fn run(program: &str, args: &[&str]) -> Output {
    let output = Command::new(program).args(args).output().unwrap_or_else(|e| panic!("{program} does not start: {e}"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {args:?}: {stderr}");
    output
}

/// Runs a decoder that must have nothing to say on stderr; returns its stdout.
fn quiet(program: &str, args: &[&str]) -> String {
    let output = run(program, args);
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{program} {args:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// An H.264 stream as our encoder makes it: no B-frames, an IDR picture every segment and nowhere else.
struct Encoded {
    sps: Vec<u8>,
    pps: Vec<u8>,
    units: Vec<AccessUnit>,
}

fn encode_video(grid: &Grid, pattern: &str) -> Encoded {
    let frames = (SEGMENTS * u64::from(SEGMENT_FRAMES)).to_string();
    let source = format!("{pattern}=size=320x180:rate={}", grid.fps());
    let x264 = format!(
        "keyint={SEGMENT_FRAMES}:min-keyint={SEGMENT_FRAMES}:scenecut=0:bframes=0:aud=1:threads=1:colorprim=bt709:\
         transfer=bt709:colormatrix=bt709"
    );
    let output = run(
        "ffmpeg",
        &[
            "-v",
            "error",
            "-f",
            "lavfi",
            "-i",
            &source,
            "-frames:v",
            &frames,
            "-pix_fmt",
            "yuv420p",
            "-c:v",
            "libx264",
            "-profile:v",
            "high",
            "-preset",
            "veryfast",
            "-b:v",
            "300k",
            "-x264-params",
            &x264,
            "-f",
            "h264",
            "-",
        ],
    );
    split_annex_b(&output.stdout, grid.first_frame(FIRST))
}

fn split_annex_b(stream: &[u8], first_frame: u64) -> Encoded {
    let starts: Vec<usize> = (0..stream.len() - 3).filter(|&i| stream[i..i + 3] == [0, 0, 1]).map(|i| i + 3).collect();
    let ends = starts.iter().skip(1).map(|next| next - 3).chain([stream.len()]);
    let mut encoded = Encoded { sps: vec![], pps: vec![], units: vec![] };
    let mut frame = first_frame;
    let (mut data, mut sync) = (Vec::new(), false);
    for (&start, end) in starts.iter().zip(ends) {
        let nal = stream[start..end].strip_suffix(&[0]).unwrap_or(&stream[start..end]);
        match nal[0] & 0x1f {
            7 => encoded.sps = nal.to_vec(),
            8 => encoded.pps = nal.to_vec(),
            1 | 5 => {
                data.extend_from_slice(&(nal.len() as u32).to_be_bytes());
                data.extend_from_slice(nal);
                sync = nal[0] & 0x1f == 5;
            }
            9 if !data.is_empty() => {
                encoded.units.push(AccessUnit { frame, sync, data: Bytes::from(std::mem::take(&mut data)) });
                frame += 1;
            }
            _ => {}
        }
    }
    encoded.units.push(AccessUnit { frame, sync, data: Bytes::from(data) });
    encoded
}

fn encode_sound(grid: &Grid, hertz: u32) -> Vec<SoundUnit> {
    let first = grid.first_aac_frame(FIRST);
    let count = grid.first_aac_frame(FIRST + SEGMENTS) - first;
    let source = format!("sine=frequency={hertz}:sample_rate=48000");
    let duration = format!("{:.3}", count as f64 * 1024.0 / 48_000.0 + 0.2);
    let args = ["-v", "error", "-f", "lavfi", "-i", &source, "-t", &duration, "-ac", "2", "-b:a", "128k"];
    let adts = run("ffmpeg", &[&args[..], &["-c:a", "aac", "-f", "adts", "-"]].concat()).stdout;
    let mut units = Vec::new();
    let mut rest = &adts[..];
    while units.len() < count as usize {
        // ISO/IEC 13818-7, 6.2: 13 bits of frame length, header included; the header is 7 bytes without a checksum.
        let len = usize::from(rest[3] & 3) << 11 | usize::from(rest[4]) << 3 | usize::from(rest[5] >> 5);
        units.push(SoundUnit { aac_frame: first + units.len() as u64, data: Bytes::copy_from_slice(&rest[7..len]) });
        rest = &rest[len..];
    }
    units
}

fn init(grid: Grid, encoded: &Encoded) -> Bytes {
    package::video_init(&VideoTrack { width: 320, height: 180, grid, sps: &encoded.sps, pps: &encoded.pps }).unwrap()
}

fn video_segments(grid: &Grid, encoded: &Encoded) -> Vec<Bytes> {
    let segments = encoded.units.chunks(SEGMENT_FRAMES as usize).zip(FIRST..);
    segments.map(|(units, n)| package::video_segment(grid, n, units).unwrap()).collect()
}

fn audio_segments(grid: &Grid, units: &[SoundUnit]) -> Vec<Bytes> {
    let first = grid.first_aac_frame(FIRST);
    let at = |n| (grid.first_aac_frame(n) - first) as usize;
    (FIRST..FIRST + SEGMENTS).map(|n| package::audio_segment(grid, n, &units[at(n)..at(n + 1)]).unwrap()).collect()
}

fn grid(fps: &str) -> Grid {
    Grid::new(fps.parse().unwrap(), SEGMENT_FRAMES)
}

fn write(dir: &Path, name: &str, pieces: &[&[u8]]) -> PathBuf {
    let path = dir.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, pieces.concat()).unwrap();
    path
}

/// MD5 of every decoded picture, in order.
fn picture_hashes(file: &Path) -> Vec<String> {
    let file = file.to_str().unwrap();
    let text = quiet("ffmpeg", &["-v", "warning", "-xerror", "-i", file, "-map", "0:v", "-f", "framemd5", "-"]);
    text.lines().filter(|l| !l.starts_with('#')).map(|l| l.rsplit(',').next().unwrap().trim().to_owned()).collect()
}

#[test]
fn ffmpeg_reads_every_picture_at_its_place_on_the_grid() {
    for fps in ["30", "60000/1001"] {
        let dir = tempfile::tempdir().unwrap();
        let grid = grid(fps);
        let encoded = encode_video(&grid, "testsrc2");
        let segments = video_segments(&grid, &encoded);
        let file = write(dir.path(), "v.mp4", &[&[&init(grid, &encoded)[..]], &each(&segments)[..]].concat());
        let file = file.to_str().unwrap();
        let probe = ["-v", "warning", "-show_entries", "packet=pts,dts,duration,flags", "-of", "csv=p=0", file];
        let packets = quiet("ffprobe", &probe);
        let mut count = 0;
        for (i, line) in packets.lines().enumerate() {
            let k = grid.first_frame(FIRST) + i as u64;
            let fields: Vec<_> = line.split(',').collect();
            let ticks = grid.video_ticks(k).to_string();
            assert_eq!(fields[..3], [&ticks, &ticks, &grid.frame_ticks().to_string()], "{fps} frame {i}");
            assert_eq!(fields[3].starts_with('K'), grid.opens_segment(k), "{fps} frame {i}: {line}");
            count += 1;
        }
        assert_eq!(count, SEGMENTS * u64::from(SEGMENT_FRAMES));
        let entries = "stream=codec_tag_string,width,height,sample_aspect_ratio,color_range,color_space,color_transfer,\
                       color_primaries,time_base";
        let stream = quiet("ffprobe", &["-v", "warning", "-show_entries", entries, "-of", "csv=p=0", file]);
        let expected = format!("avc1,320,180,1:1,tv,bt709,bt709,bt709,1/{}", grid.video_timescale());
        assert_eq!(stream.trim(), expected);
        assert_eq!(picture_hashes(Path::new(file)).len() as u64, SEGMENTS * u64::from(SEGMENT_FRAMES));
    }
}

fn each(segments: &[Bytes]) -> Vec<&[u8]> {
    segments.iter().map(|s| &s[..]).collect()
}

#[test]
fn segments_of_two_encodes_play_as_one_stream() {
    let dir = tempfile::tempdir().unwrap();
    let grid = grid("30");
    let (a, b) = (encode_video(&grid, "testsrc2"), encode_video(&grid, "mandelbrot"));
    let header = init(grid, &a);
    assert_eq!(header, init(grid, &b), "one init segment for both");
    let (sa, sb) = (video_segments(&grid, &a), video_segments(&grid, &b));
    let whole_a = picture_hashes(&write(dir.path(), "a.mp4", &[&[&header[..]], &each(&sa)[..]].concat()));
    let whole_b = picture_hashes(&write(dir.path(), "b.mp4", &[&[&header[..]], &each(&sb)[..]].concat()));
    let spliced = picture_hashes(&write(dir.path(), "s.mp4", &[&header, &sa[0], &sb[1], &sa[2], &sb[3]]));
    let f = SEGMENT_FRAMES as usize;
    let expected = [&whole_a[..f], &whole_b[f..2 * f], &whole_a[2 * f..3 * f], &whole_b[3 * f..]].concat();
    assert_eq!(spliced, expected);
    assert_ne!(whole_a[f], whole_b[f]);
}

#[test]
fn a_segment_in_parts_decodes_like_the_segment() {
    let dir = tempfile::tempdir().unwrap();
    let grid = grid("30");
    let encoded = encode_video(&grid, "testsrc2");
    let parts: Vec<Bytes> = encoded
        .units
        .chunks(15)
        .map(|part| {
            let start = part[0].frame;
            package::video_fragment(&grid, grid.segment_of(start), start..start + 15, part).unwrap()
        })
        .collect();
    let header = init(grid, &encoded);
    let in_parts = write(dir.path(), "p.mp4", &[&[&header[..]], &each(&parts)[..]].concat());
    let whole = write(dir.path(), "w.mp4", &[&[&header[..]], &each(&video_segments(&grid, &encoded))[..]].concat());
    assert_eq!(picture_hashes(&in_parts), picture_hashes(&whole));
}

/// A session's whole presentation in a folder: a swap from `a` to `b` and back in the picture, two games' sound. There is no
/// picture of segment `gap`.
fn write_presentation(dir: &Path, grid: &Grid, gap: Option<SegmentNumber>) -> PathBuf {
    let (a, b) = (encode_video(grid, "testsrc2"), encode_video(grid, "mandelbrot"));
    write(dir, "a/init.mp4", &[&init(*grid, &a)]);
    let mosaics = [("a", video_segments(grid, &a)), ("b", video_segments(grid, &b))];
    let mut listed = Vec::new();
    for (i, n) in (FIRST..FIRST + SEGMENTS).enumerate() {
        let (mosaic, segments) = &mosaics[i % 2];
        let gap = gap == Some(n);
        if !gap {
            write(dir, &format!("{mosaic}/{n}.m4s"), &[&segments[i]]);
        }
        listed.push(MediaSegment { gap, ..MediaSegment::video(grid, n, format!("{mosaic}/{n}.m4s")) });
    }
    let media = |map_uri: &str, segments| Media {
        target_duration_s: target_duration_s(grid),
        map_uri: Some(map_uri.to_owned()),
        segments,
        ended: true,
        discontinuity_sequence: 0,
        start: None,
        date_ranges: Vec::new(),
        key_pictures: false,
        can_skip: false,
        skips: false,
        low_latency: None,
    };
    write(dir, "video.m3u8", &[media("a/init.mp4", listed).render().as_bytes()]);
    let mut audio = Vec::new();
    for (game, hertz) in [("hawks", 440), ("ravens", 880)] {
        write(dir, &format!("{game}/init.mp4"), &[&package::audio_init(128_000).unwrap()]);
        let mut listed = Vec::new();
        for (segment, n) in audio_segments(grid, &encode_sound(grid, hertz)).iter().zip(FIRST..) {
            write(dir, &format!("{game}/{n}.m4s"), &[segment]);
            listed.push(MediaSegment::audio(grid, n, format!("{game}/{n}.m4s")));
        }
        let uri = format!("{game}.m3u8");
        write(dir, &uri, &[media(&format!("{game}/init.mp4"), listed).render().as_bytes()]);
        let language = Some("en".to_owned());
        audio.push(AudioRendition {
            uri,
            name: game.to_owned(),
            language,
            default: game == "ravens",
            characteristics: None,
        });
    }
    let rendition = VideoVariant {
        uri: "video.m3u8".to_owned(),
        key_pictures_uri: "keys.m3u8".into(),
        bandwidth_bps: 900_000,
        average_bandwidth_bps: 430_000,
        width: 320,
        height: 180,
        fps: grid.fps(),
        video_codec: package::video_codec(&a.sps).unwrap(),
        range: VideoRange::Sdr,
        score: None,
    };
    write(
        dir,
        "index.m3u8",
        &[Multivariant { renditions: vec![rendition], audio, ..Multivariant::default() }.render().as_bytes()],
    )
}

#[test]
fn ffmpeg_plays_a_presentation_with_swaps_and_two_sounds() {
    let dir = tempfile::tempdir().unwrap();
    let grid = grid("30");
    let index = write_presentation(dir.path(), &grid, None);
    let index = index.to_str().unwrap();
    let count = |stream: &str, entries: &str| {
        let args =
            ["-v", "error", "-count_frames", "-select_streams", stream, "-show_entries", entries, "-of", "csv=p=0"];
        quiet("ffprobe", &[&args[..], &[index]].concat()).lines().next().unwrap_or_default().to_owned()
    };
    assert_eq!(
        count("v:0", "stream=codec_name,nb_read_frames"),
        format!("h264,{}", SEGMENTS * u64::from(SEGMENT_FRAMES))
    );
    let aac_frames = grid.first_aac_frame(FIRST + SEGMENTS) - grid.first_aac_frame(FIRST);
    for sound in ["a:0", "a:1"] {
        let entries = "stream=codec_name,profile,sample_rate,channels,nb_read_frames";
        assert_eq!(count(sound, entries), format!("aac,LC,48000,2,{aac_frames}"));
    }
    // Picture and sound begin within half an AAC frame of each other.
    let start = |stream: &str| -> f64 { count(stream, "stream=start_time").parse().unwrap() };
    assert!((start("v:0") - start("a:0")).abs() <= 512.0 / 48_000.0 + 0.001, "{} {}", start("v:0"), start("a:0"));
}

#[test]
fn a_player_that_does_not_know_gaps_loses_the_gap_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let grid = grid("30");
    // FFmpeg 5 takes the tag for a comment and asks for the segment.
    write_presentation(dir.path(), &grid, Some(FIRST + 2));
    let playlist = dir.path().join("video.m3u8");
    let args = ["-v", "fatal", "-show_entries", "packet=pts", "-of", "csv=p=0", playlist.to_str().unwrap()];
    let packets = String::from_utf8(run("ffprobe", &args).stdout).unwrap();
    let got: Vec<u64> = packets.lines().map(|line| line.trim_end_matches(',').parse().unwrap()).collect();
    let segment = |n| grid.first_frame(n)..grid.first_frame(n + 1);
    let expected = [FIRST, FIRST + 1, FIRST + 3].into_iter().flat_map(segment);
    let first_ticks = grid.video_ticks(grid.first_frame(FIRST));
    let since_first = |ticks: u64| ticks - first_ticks;
    let begin = got[0];
    assert!(got.iter().map(|pts| pts - begin).eq(expected.map(|k| since_first(grid.video_ticks(k)))), "{}", got.len());
}

#[test]
fn gstreamer_plays_a_presentation_with_swaps() {
    let dir = tempfile::tempdir().unwrap();
    let grid = grid("30");
    write_presentation(dir.path(), &grid, None);
    let pictures = dir.path().join("decoded.i420");
    let pipeline = format!(
        "filesrc location={} ! hlsdemux ! qtdemux ! h264parse ! avdec_h264 ! video/x-raw,format=I420 ! filesink location={}",
        dir.path().join("video.m3u8").display(),
        pictures.display()
    );
    run("timeout", &[&["60", "gst-launch-1.0", "-q"][..], &pipeline.split(' ').collect::<Vec<_>>()].concat());
    let frames = fs::metadata(&pictures).unwrap().len() / (320 * 180 * 3 / 2);
    assert_eq!(frames, SEGMENTS * u64::from(SEGMENT_FRAMES));
}
