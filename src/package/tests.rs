use bytes::Bytes;
use mp4_atom::{Any, Codec, Decode, Moof, Moov};

use super::*;
use crate::frame::{AccessUnit, SoundUnit};
use crate::timeline::Grid;

const SPS: &[u8] = &[0x67, 0x64, 0x00, 0x28, 0xac, 0xd9, 0x40, 0x78, 0x02, 0x27, 0xe5, 0x84];
const PPS: &[u8] = &[0x68, 0xeb, 0xe3, 0xcb];

fn grid() -> Grid {
    Grid::new("30000/1001".parse().unwrap(), 60)
}

fn track() -> VideoTrack<'static> {
    VideoTrack { width: 1920, height: 1080, grid: grid(), sps: SPS, pps: PPS }
}

fn unit(frame: u64, sync: bool) -> AccessUnit {
    AccessUnit { frame, sync, data: Bytes::from(vec![frame as u8; 5]) }
}

fn boxes(bytes: &Bytes) -> Vec<Any> {
    let mut rest: &[u8] = bytes;
    let mut found = Vec::new();
    while !rest.is_empty() {
        found.push(Any::decode(&mut rest).unwrap());
    }
    found
}

fn moof(bytes: &Bytes) -> Moof {
    match boxes(bytes).into_iter().find(|b| matches!(b, Any::Moof(_))) {
        Some(Any::Moof(moof)) => moof,
        other => panic!("{other:?}"),
    }
}

/// Kinds of the boxes of a file in their order, down to `depth` levels, as `moov/trak/tkhd`.
fn kinds(mut bytes: &[u8], path: &str, out: &mut Vec<String>) {
    while bytes.len() >= 8 {
        let size = u32::from_be_bytes(bytes[..4].try_into().unwrap()) as usize;
        let kind = format!("{path}{}", String::from_utf8_lossy(&bytes[4..8]));
        let inner = &bytes[8..size];
        let open = ["moov", "trak", "mdia", "minf", "mvex"].iter().any(|c| kind.ends_with(c));
        out.push(kind.clone());
        if open {
            kinds(inner, &format!("{kind}/"), out);
        }
        bytes = &bytes[size..];
    }
}

#[test]
fn an_init_segment_is_the_same_bytes_every_time_and_holds_no_time_of_day() {
    let init = video_init(&track()).unwrap();
    assert_eq!(init, video_init(&track()).unwrap());
    assert_eq!(audio_init(96_000).unwrap(), audio_init(96_000).unwrap());
    for bytes in [init, audio_init(96_000).unwrap()] {
        let [Any::Ftyp(ftyp), Any::Moov(Moov { mvhd, trak, mvex: Some(mvex), .. })] = &boxes(&bytes)[..] else {
            panic!("not ftyp and moov")
        };
        assert!(ftyp.compatible_brands.contains(&b"cmfc".into()));
        let [trak] = &trak[..] else { panic!("{} tracks", trak.len()) };
        let times = [mvhd.creation_time, mvhd.modification_time, mvhd.duration, trak.tkhd.creation_time];
        let media = [trak.mdia.mdhd.creation_time, trak.mdia.mdhd.modification_time, trak.mdia.mdhd.duration];
        assert_eq!((times, media), ([0; 4], [0; 3]));
        assert_eq!((mvex.trex.len(), mvex.trex[0].track_id, trak.tkhd.track_id), (1, 1, 1));
    }
}

#[test]
fn a_sound_track_says_the_rate_it_is_encoded_at() {
    for bitrate_bps in [96_000, 320_000] {
        let bytes = audio_init(bitrate_bps).unwrap();
        let [_, Any::Moov(moov)] = &boxes(&bytes)[..] else { panic!("not ftyp and moov") };
        let [Codec::Mp4a(entry)] = &moov.trak[0].mdia.minf.stbl.stsd.codecs[..] else { panic!("not AAC") };
        let told = &entry.esds.es_desc.dec_config;
        assert_eq!((told.max_bitrate, told.avg_bitrate), (bitrate_bps, bitrate_bps));
    }
}

#[test]
fn boxes_come_in_the_order_of_the_standards_table() {
    let mut found = Vec::new();
    kinds(&video_init(&track()).unwrap(), "", &mut found);
    let expected = [
        "ftyp",
        "moov",
        "moov/mvhd",
        "moov/trak",
        "moov/trak/tkhd",
        "moov/trak/mdia",
        "moov/trak/mdia/mdhd",
        "moov/trak/mdia/hdlr",
        "moov/trak/mdia/minf",
        "moov/trak/mdia/minf/vmhd",
        "moov/trak/mdia/minf/dinf",
        "moov/trak/mdia/minf/stbl",
        "moov/mvex",
        "moov/mvex/trex",
    ];
    assert_eq!(found, expected);
}

#[test]
fn what_is_no_parameter_set_is_refused() {
    let refused = |track: VideoTrack| matches!(video_init(&track), Err(CmafError::ParameterSet(_)));
    assert!(refused(VideoTrack { sps: &[], ..track() }));
    assert!(refused(VideoTrack { sps: &SPS[..3], ..track() }));
    assert!(refused(VideoTrack { sps: PPS, ..track() }));
    assert!(refused(VideoTrack { pps: SPS, ..track() }));
    assert!(refused(VideoTrack { pps: &[0x68], ..track() }));
    assert!(matches!(video_init(&VideoTrack { width: 70_000, ..track() }), Err(CmafError::TooLarge(_))));
    assert_eq!(video_codec(SPS).unwrap(), "avc1.640028");
}

/// The access units of segment `n`, in the order of decoding.
fn units_of(n: u64) -> Vec<AccessUnit> {
    let (grid, k) = (grid(), grid().first_frame(n));
    grid.gop().pictures().iter().map(|p| unit(k + u64::from(p.shown), p.shown == 0)).collect()
}

#[test]
fn pictures_are_decoded_from_the_segments_start_on_and_shown_at_their_frames() {
    let grid = grid();
    let n = 45_664_200;
    let k = grid.first_frame(n);
    let segment = video_segment(&grid, n, &units_of(n)).unwrap();
    let moof = moof(&segment);
    assert_eq!(u64::from(moof.mfhd.sequence_number), n);
    let traf = &moof.traf[0];
    // Some 2.7e12: far beyond 32 bits.
    assert_eq!(traf.tfdt.as_ref().unwrap().base_media_decode_time, k * 1001);
    let run = &traf.trun[0];
    assert!(run.samples.iter().all(|s| s.duration == Some(1001)));
    let offsets: Vec<_> = run.samples.iter().map(|s| s.cts.unwrap() / 1001).collect();
    assert_eq!(offsets[..7], [0, 2, -1, -1, 2, -1, -1]);
    // 59 pictures after the first: nineteen threes and a pair.
    assert_eq!(offsets[58..], [1, -1]);
    let mut shown: Vec<i64> = (0..).zip(&offsets).map(|(decoded, offset)| decoded + offset).collect();
    shown.sort_unstable();
    assert_eq!(shown, (0..60).collect::<Vec<_>>());
    let flags: Vec<_> = run.samples.iter().map(|s| s.flags.unwrap()).collect();
    assert_eq!(flags[0], 0x0200_0000);
    assert!(flags[1..].iter().all(|f| *f == 0x0101_0000));
    // The run's data begins right after the mdat's header.
    let styp_len = u32::from_be_bytes(segment[..4].try_into().unwrap()) as usize;
    let data = styp_len + run.data_offset.unwrap() as usize;
    assert_eq!(&segment[data - 4..data], b"mdat");
    assert_eq!(segment.len() - data, 5 * 60);
    assert_eq!(segment[data], k as u8);
}

#[test]
fn a_segments_parts_are_the_segment_in_pieces() {
    let grid = grid();
    let k = grid.first_frame(7);
    let units = units_of(7);
    let whole = moof(&video_segment(&grid, 7, &units).unwrap());
    let mut end = whole.traf[0].tfdt.clone().unwrap().base_media_decode_time;
    let mut samples = Vec::new();
    for (start, part) in (k..).step_by(15).zip(units.chunks(15)) {
        let part = moof(&video_fragment(&grid, 7, start..start + 15, part).unwrap());
        assert_eq!(part.traf[0].tfdt.clone().unwrap().base_media_decode_time, end);
        for sample in &part.traf[0].trun[0].samples {
            end += u64::from(sample.duration.unwrap());
            samples.push(sample);
        }
    }
    assert_eq!(samples, whole.traf[0].trun[0].samples.iter().collect::<Vec<_>>());
    assert_eq!(end, grid.video_ticks(k + 60));
}

#[test]
fn video_that_does_not_fit_its_segment_is_refused() {
    let grid = grid();
    let k = grid.first_frame(7);
    let units = units_of(7);
    let made = |units: &[AccessUnit]| video_segment(&grid, 7, units);
    let with = |at: usize, unit: AccessUnit| {
        let mut units = units.clone();
        units[at] = unit;
        made(&units)
    };
    assert!(made(&units).is_ok());
    assert!(matches!(made(&[]), Err(CmafError::Empty)));
    assert!(matches!(with(0, unit(k, false)), Err(CmafError::NotSync)));
    assert!(matches!(with(0, unit(k + 1, true)), Err(CmafError::WrongStart { .. })));
    assert!(matches!(made(&units[..59]), Err(CmafError::WrongCount { got: 59, expected: 60 })));
    assert!(matches!(with(3, unit(k + 3, false)), Err(CmafError::Twice(frame)) if frame == k + 3));
    for outside in [k - 1, k + 60] {
        assert!(matches!(with(3, unit(outside, false)), Err(CmafError::Elsewhere { got, .. }) if got == outside));
    }
    let hollow = AccessUnit { data: Bytes::new(), ..unit(k, true) };
    assert!(matches!(with(0, hollow), Err(CmafError::NoBytes(_))));
}

#[test]
fn sound_is_whole_aac_frames_on_the_sample_grid() {
    let grid = Grid::new("30".parse().unwrap(), 60);
    let n = 45_664_201;
    let range = grid.first_aac_frame(n)..grid.first_aac_frame(n + 1);
    let units: Vec<_> = range.clone().map(|j| SoundUnit { aac_frame: j, data: Bytes::from_static(b"aac") }).collect();
    let moof = moof(&audio_segment(&grid, n, &units).unwrap());
    let traf = &moof.traf[0];
    assert_eq!(traf.tfdt.as_ref().unwrap().base_media_decode_time, range.start * 1024);
    assert_eq!((traf.tfhd.default_sample_duration, traf.tfhd.default_sample_flags), (Some(1024), Some(0x0200_0000)));
    assert_eq!(traf.trun[0].samples.len() as u64, range.end - range.start);

    assert!(matches!(audio_segment(&grid, n, &[]), Err(CmafError::Empty)));
    assert!(matches!(audio_segment(&grid, n, &units[1..]), Err(CmafError::WrongStart { .. })));
    assert!(matches!(audio_segment(&grid, n, &units[..50]), Err(CmafError::Incomplete { .. })));
    let holed = [&units[..10], &units[11..]].concat();
    assert!(matches!(audio_segment(&grid, n, &holed), Err(CmafError::Disordered { .. })));
    let long = [&units[..], &[SoundUnit { aac_frame: range.end, data: Bytes::from_static(b"x") }]].concat();
    assert!(matches!(audio_segment(&grid, n, &long), Err(CmafError::BeyondEnd { .. })));
}
