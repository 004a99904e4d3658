use std::time::Duration;

use mp4_atom::{Any, StszSamples};

use super::*;
use crate::frame::{AccessUnit, SoundUnit};
use crate::package::{VideoTrack, audio_init, audio_segment, video_init, video_segment};
use crate::timeline::Grid;

const FIRST: u64 = 45_664_200;

fn grid() -> Grid {
    Grid::new("30".parse().unwrap(), 60)
}

fn inits() -> [Bytes; 2] {
    let (sps, pps) = ([0x67, 0x64, 0, 0x28, 0xac], [0x68, 0xee, 0x3c, 0x80]);
    let track = VideoTrack { width: 1920, height: 1080, grid: grid(), sps: &sps, pps: &pps };
    [video_init(&track).unwrap(), audio_init(128_000).unwrap()]
}

/// Segment `n`, and the bytes of its samples.
fn picture(n: u64) -> (Bytes, Vec<u8>) {
    let first = grid().first_frame(n);
    let unit = |(at, picture): (usize, &crate::timeline::GopPicture)| AccessUnit {
        frame: first + u64::from(picture.shown),
        sync: picture.shown == 0,
        data: vec![n as u8; 20 + at].into(),
    };
    let units: Vec<AccessUnit> = grid().gop().pictures().iter().enumerate().map(unit).collect();
    (video_segment(&grid(), n, &units).unwrap(), units.iter().flat_map(|unit| unit.data.to_vec()).collect())
}

fn sound(n: u64) -> (Bytes, Vec<u8>) {
    let frames = grid().first_aac_frame(n)..grid().first_aac_frame(n + 1);
    let units: Vec<SoundUnit> =
        frames.map(|aac_frame| SoundUnit { aac_frame, data: vec![aac_frame as u8; 9].into() }).collect();
    (audio_segment(&grid(), n, &units).unwrap(), units.iter().flat_map(|unit| unit.data.to_vec()).collect())
}

/// Three segments, and the bytes of all samples in order.
fn movie() -> (Movie, Vec<u8>) {
    let mut movie = Movie::new(&inits()).unwrap();
    let mut payload = Vec::new();
    for n in FIRST..FIRST + 3 {
        for (track, (segment, bytes)) in [picture(n), sound(n)].into_iter().enumerate() {
            assert_eq!(movie.add(track, &segment).unwrap(), bytes);
            payload.extend(bytes);
        }
    }
    (movie, payload)
}

fn moov_of(head: &Bytes) -> mp4_atom::Moov {
    let mut rest: &[u8] = &head[28..];
    let Some(Any::Moov(moov)) = Any::decode_maybe(&mut rest).unwrap() else { panic!("no moov behind ftyp") };
    moov
}

#[test]
fn every_sample_is_where_the_tables_say() {
    let (movie, payload) = movie();
    let (from, to) = (grid().segment_time(FIRST), grid().segment_time(FIRST + 3));
    let file = [movie.head(from, to).unwrap().to_vec(), payload].concat();
    let found = boxes(&file.clone().into()).unwrap();
    let moov = found.iter().find_map(|found| if let Any::Moov(moov) = found { Some(moov) } else { None }).unwrap();
    assert!(matches!(found.as_slice(), [Any::Ftyp(_), Any::Moov(_), Any::Mdat(_)]), "tables in front");
    for (trak, of) in moov.trak.iter().zip([picture, sound]) {
        let stbl = &trak.mdia.minf.stbl;
        let StszSamples::Different { sizes } = &stbl.stsz.samples else { panic!("sizes differ") };
        let chunks = &stbl.co64.as_ref().unwrap().entries;
        let per_chunk = |n: usize| {
            let entry = stbl.stsc.entries.iter().rev().find(|entry| entry.first_chunk as usize <= n + 1);
            entry.unwrap().samples_per_chunk as usize
        };
        let mut sizes = sizes.iter().copied();
        for (n, offset) in chunks.iter().enumerate() {
            let bytes: u32 = sizes.by_ref().take(per_chunk(n)).sum();
            let at = usize::try_from(*offset).unwrap();
            assert_eq!(file[at..at + bytes as usize], of(FIRST + n as u64).1, "chunk {n}");
        }
        assert_eq!((chunks.len(), sizes.count()), (3, 0));
    }
    let picture = &moov.trak[0].mdia.minf.stbl;
    assert_eq!(picture.stss.as_ref().unwrap().entries, [1, 61, 121]);
    assert!(
        picture.ctts.as_ref().unwrap().entries.iter().all(|entry| entry.sample_offset >= 0),
        "old players know no others"
    );
    assert!(moov.trak[1].mdia.minf.stbl.stss.is_none() && moov.trak[1].mdia.minf.stbl.ctts.is_none());
}

#[test]
fn it_begins_and_ends_to_the_frame_and_sound_stays_beside_the_picture() {
    let (movie, _) = movie();
    let from = grid().segment_time(FIRST) + Duration::from_millis(500);
    let head = movie.head(from, from + Duration::from_millis(4200)).unwrap();
    let moov = moov_of(&head);
    assert_eq!((moov.mvhd.timescale, moov.mvhd.duration), (30_000, 126_000));
    let edits = |track: usize| moov.trak[track].edts.as_ref().unwrap().elst.as_ref().unwrap().entries.clone();
    // Pictures are shown a frame after they are decoded, at the most.
    let [picture] = &edits(0)[..] else { panic!("{:?}", edits(0)) };
    assert_eq!((picture.media_time, picture.segment_duration), (Some(15_000 + 1_000), 126_000));
    let [heard] = &edits(1)[..] else { panic!("{:?}", edits(1)) };
    let begins = grid().first_aac_frame(FIRST) * 1024;
    let at = ticks(from, 48_000);
    assert_eq!((heard.media_time, heard.segment_duration), (Some(at - begins), 126_000));
    // Where sound begins a little after the picture it is waited for.
    let late = (FIRST..FIRST + 9).find(|n| ticks(grid().segment_time(*n), 48_000) < grid().first_aac_frame(*n) * 1024);
    let late = late.unwrap();
    let mut movie = Movie::new(&inits()).unwrap();
    movie.add(0, &picture_of(late)).unwrap();
    movie.add(1, &sound(late).0).unwrap();
    let moov = moov_of(&movie.head(grid().segment_time(late), grid().segment_time(late + 1)).unwrap());
    let entries = &moov.trak[1].edts.as_ref().unwrap().elst.as_ref().unwrap().entries;
    assert_eq!((entries[0].media_time, entries[1].media_time), (None, Some(0)));
    assert_eq!(entries.iter().map(|entry| entry.segment_duration).sum::<u64>(), 60_000);
    assert!((1..=320).contains(&entries[0].segment_duration), "less than half an AAC frame: {entries:?}");
}

fn picture_of(n: u64) -> Bytes {
    picture(n).0
}

#[test]
fn what_does_not_follow_or_is_something_else_is_refused() {
    let (mut movie, _) = movie();
    assert!(matches!(movie.add(0, &picture_of(FIRST + 4)), Err(CmafError::Disordered { .. })), "a hole");
    assert!(matches!(movie.add(2, &picture_of(FIRST + 3)), Err(CmafError::NoTrack)));
    let [init, _] = inits();
    assert!(movie.add(0, &init).is_err() && movie.add(0, &Bytes::from_static(b"no boxes at all")).is_err());
    assert!(Movie::new(&[picture_of(FIRST)]).is_err());
    assert!(movie.add(0, &picture_of(FIRST + 3)).is_ok(), "what was refused changed nothing");
}
