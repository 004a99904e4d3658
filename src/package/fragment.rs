//! Media segments: one `moof` and one `mdat` each, placed on the epoch grid.

use std::ops::Range;

use bytes::Bytes;
use mp4_atom::{Encode, FourCC, Mfhd, Moof, Styp, Tfdt, Tfhd, Traf, Trun, TrunEntry};

use super::{CmafError, TRACK_ID};
use crate::frame::{AccessUnit, SoundUnit};
use crate::timeline::{AAC_FRAME_SAMPLES, FrameNumber, Grid, SegmentNumber};

/// Sample flags (ISO/IEC 14496-12, 8.8.3.1) of a picture that stands alone: depends on no other.
const SYNC: u32 = 0x0200_0000;
/// Sample flags of a picture that depends on others and is no place to start.
const NOT_SYNC: u32 = 0x0101_0000;

/// Bytes of a box's size and kind.
const BOX_HEADER_BYTES: usize = 8;

/// Segment `n` of a video track (ISO/IEC 23000-19, 7.3.2.3): an access unit for each of its frames, in the order of decoding, the first
/// of them its first frame and an IDR picture. Pictures are decoded a frame apart from the segment's start on and shown at their
/// frames: those that are shown sooner than decoded have negative composition offsets, so that the first PTS is `tfdt`.
pub fn video_segment(grid: &Grid, n: SegmentNumber, units: &[AccessUnit]) -> Result<Bytes, CmafError> {
    video_segment_of(grid, n, &heads_of(units), 0, |out| append_all(units, out))
}

fn heads_of(units: &[AccessUnit]) -> Vec<UnitHead> {
    units.iter().map(UnitHead::from).collect()
}

fn append_all(units: &[AccessUnit], out: &mut Vec<u8>) {
    units.iter().for_each(|unit| out.extend_from_slice(&unit.data));
}

/// What a segment's boxes say of an access unit; its bytes may lie anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnitHead {
    /// The grid frame it shows.
    pub frame: FrameNumber,
    /// Whether it is an IDR picture.
    pub sync: bool,
    pub bytes: usize,
}

impl From<&AccessUnit> for UnitHead {
    fn from(unit: &AccessUnit) -> Self {
        Self { frame: unit.frame, sync: unit.sync, bytes: unit.data.len() }
    }
}

/// As [`video_segment`], of access units that `append` writes one after the other, each as long as its head says. It leaves out the last `elsewhere` bytes
/// of them, which lie elsewhere and are to follow.
pub fn video_segment_of(
    grid: &Grid,
    n: SegmentNumber,
    heads: &[UnitHead],
    elsewhere: usize,
    append: impl FnOnce(&mut Vec<u8>),
) -> Result<Bytes, CmafError> {
    if heads.first().is_some_and(|first| !first.sync) {
        return Err(CmafError::NotSync);
    }
    let frames = grid.first_frame(n)..grid.first_frame(n + 1);
    video(grid, n, (heads, elsewhere), append, frames, b"cmfs")
}

/// A part of segment `n`: a CMAF chunk of the access units that are decoded in the time of `frames`, whichever of the segment they
/// show. Concatenated, the parts of a segment play like the segment.
pub fn video_fragment(
    grid: &Grid,
    n: SegmentNumber,
    frames: Range<FrameNumber>,
    units: &[AccessUnit],
) -> Result<Bytes, CmafError> {
    video_fragment_of(grid, n, frames, &heads_of(units), 0, |out| append_all(units, out))
}

/// As [`video_fragment`], of access units as [`video_segment_of`] takes them.
pub fn video_fragment_of(
    grid: &Grid,
    n: SegmentNumber,
    frames: Range<FrameNumber>,
    heads: &[UnitHead],
    elsewhere: usize,
    append: impl FnOnce(&mut Vec<u8>),
) -> Result<Bytes, CmafError> {
    video(grid, n, (heads, elsewhere), append, frames, b"cmfl")
}

/// The picture that opens segment `n`, alone, and shown for as long as the segment: what players show while they seek (RFC 8216, 4.3.3.6). `append`
/// writes its `bytes`.
pub fn video_key_picture(
    grid: &Grid,
    n: SegmentNumber,
    bytes: usize,
    append: impl FnOnce(&mut Vec<u8>),
) -> Result<Bytes, CmafError> {
    if bytes == 0 {
        return Err(CmafError::NoBytes(grid.first_frame(n)));
    }
    let duration = grid.segment_frames().checked_mul(grid.frame_ticks()).ok_or(CmafError::TooLarge("duration"))?;
    let sample =
        TrunEntry { duration: Some(duration), size: Some(sample_size(bytes)?), flags: Some(SYNC), cts: Some(0) };
    let tfdt = grid.video_ticks(grid.first_frame(n));
    Run { n, tfdt, defaults: Defaults::default(), samples: vec![sample] }.write(b"cmfs", (bytes, 0), append)
}

/// Segment `n` of an audio track: exactly AAC frames `first_aac_frame(n) .. first_aac_frame(n + 1)`, in order.
pub fn audio_segment(grid: &Grid, n: SegmentNumber, units: &[SoundUnit]) -> Result<Bytes, CmafError> {
    audio(n, units, grid.first_aac_frame(n)..grid.first_aac_frame(n + 1), AAC_FRAME_SAMPLES, b"cmfs")
}

/// AAC frames `aac_frames`, a part of segment `n` of an audio track.
pub fn audio_fragment(n: SegmentNumber, aac_frames: Range<u64>, units: &[SoundUnit]) -> Result<Bytes, CmafError> {
    audio(n, units, aac_frames, AAC_FRAME_SAMPLES, b"cmfl")
}

/// Segment `n` of a track of sound as it came, whose frames have `frame_samples`: exactly those of [`Grid::first_coded_frame`], in order.
pub fn coded_segment(
    grid: &Grid,
    n: SegmentNumber,
    frame_samples: u64,
    units: &[SoundUnit],
) -> Result<Bytes, CmafError> {
    let frames = grid.first_coded_frame(n, frame_samples)..grid.first_coded_frame(n + 1, frame_samples);
    audio(n, units, frames, frame_samples, b"cmfs")
}

fn video(
    grid: &Grid,
    n: SegmentNumber,
    (units, elsewhere): (&[UnitHead], usize),
    append: impl FnOnce(&mut Vec<u8>),
    frames: Range<FrameNumber>,
    brand: &[u8; 4],
) -> Result<Bytes, CmafError> {
    check_video(grid, n, units, &frames)?;
    let ticks = grid.frame_ticks();
    let samples: Result<Vec<_>, CmafError> = frames
        .clone()
        .zip(units)
        .map(|(decoded, unit)| {
            let ahead = i64::try_from(unit.frame).ok().zip(i64::try_from(decoded).ok());
            let ahead = ahead.ok_or(CmafError::TooLarge("composition offset"))?;
            Ok(TrunEntry {
                duration: Some(ticks),
                size: Some(sample_size(unit.bytes)?),
                flags: Some(if unit.sync { SYNC } else { NOT_SYNC }),
                cts: Some((ahead.0 - ahead.1) * i64::from(ticks)),
            })
        })
        .collect();
    let run = Run { n, tfdt: grid.video_ticks(frames.start), defaults: Defaults::default(), samples: samples? };
    run.write(brand, (units.iter().map(|u| u.bytes).sum(), elsewhere), append)
}

fn audio(
    n: SegmentNumber,
    units: &[SoundUnit],
    aac_frames: Range<u64>,
    frame_samples: u64,
    brand: &[u8; 4],
) -> Result<Bytes, CmafError> {
    check_order(units.iter().map(|u| (u.aac_frame, u.data.len())), &aac_frames)?;
    if let Some(pair) = units.windows(2).find(|pair| pair[0].aac_frame + 1 != pair[1].aac_frame) {
        return Err(CmafError::Disordered { before: pair[0].aac_frame, got: pair[1].aac_frame });
    }
    let end = aac_frames.start + units.len() as u64;
    if end != aac_frames.end {
        return Err(CmafError::Incomplete { end: aac_frames.end, got: end });
    }
    let samples: Result<Vec<_>, CmafError> = units
        .iter()
        .map(|unit| Ok(TrunEntry { size: Some(sample_size(unit.data.len())?), ..TrunEntry::default() }))
        .collect();
    let run = Run {
        n,
        tfdt: aac_frames.start * frame_samples,
        // Every frame is as long as the next and stands alone: said once, not per sample.
        defaults: Defaults { duration: Some(frame_samples as u32), flags: Some(SYNC) },
        samples: samples?,
    };
    let bytes = units.iter().map(|u| u.data.len()).sum();
    run.write(brand, (bytes, 0), |out| units.iter().for_each(|unit| out.extend_from_slice(&unit.data)))
}

/// Whether `units` are what is decoded in `frames`: as many, each showing another frame of the segment.
fn check_video(
    grid: &Grid,
    n: SegmentNumber,
    units: &[UnitHead],
    frames: &Range<FrameNumber>,
) -> Result<(), CmafError> {
    let first = units.first().ok_or(CmafError::Empty)?;
    let shown = grid.first_frame(n)..grid.first_frame(n + 1);
    if frames.start == shown.start && first.frame != shown.start {
        return Err(CmafError::WrongStart { expected: shown.start, got: first.frame });
    }
    let expected = frames.end.saturating_sub(frames.start);
    if units.len() as u64 != expected {
        return Err(CmafError::WrongCount { got: units.len(), expected });
    }
    let mut seen = vec![false; grid.segment_frames() as usize];
    for unit in units {
        let at = unit.frame.checked_sub(shown.start).and_then(|at| seen.get_mut(usize::try_from(at).ok()?));
        match at {
            None => return Err(CmafError::Elsewhere { frames: shown, got: unit.frame }),
            Some(true) => return Err(CmafError::Twice(unit.frame)),
            Some(seen) => *seen = true,
        }
        if unit.bytes == 0 {
            return Err(CmafError::NoBytes(unit.frame));
        }
    }
    Ok(())
}

fn check_order(units: impl Iterator<Item = (u64, usize)>, range: &Range<u64>) -> Result<(), CmafError> {
    let mut before = None;
    for (number, len) in units {
        match before {
            None if number != range.start => {
                return Err(CmafError::WrongStart { expected: range.start, got: number });
            }
            Some(before) if number <= before => return Err(CmafError::Disordered { before, got: number }),
            _ => {}
        }
        if number >= range.end {
            return Err(CmafError::BeyondEnd { end: range.end, got: number });
        }
        if len == 0 {
            return Err(CmafError::NoBytes(number));
        }
        before = Some(number);
    }
    before.map(|_| ()).ok_or(CmafError::Empty)
}

fn sample_size(bytes: usize) -> Result<u32, CmafError> {
    u32::try_from(bytes).map_err(|_| CmafError::TooLarge("access unit"))
}

#[derive(Default)]
struct Defaults {
    duration: Option<u32>,
    flags: Option<u32>,
}

/// One run of samples: all there is in a fragment.
struct Run {
    n: SegmentNumber,
    tfdt: u64,
    defaults: Defaults,
    samples: Vec<TrunEntry>,
}

impl Run {
    /// The boxes of samples of `bytes`, and after them those that `append` writes: all but the last `elsewhere`.
    fn write(
        self,
        brand: &[u8; 4],
        (bytes, elsewhere): (usize, usize),
        append: impl FnOnce(&mut Vec<u8>),
    ) -> Result<Bytes, CmafError> {
        let mdat_bytes = BOX_HEADER_BYTES + bytes;
        let mdat_size = u32::try_from(mdat_bytes).map_err(|_| CmafError::TooLarge("segment"))?;
        let mut moof = self.moof();
        // data_offset counts from the moof's first byte (default-base-is-moof), so the moof's own length is needed first;
        // the field is there both times, so the length is the same.
        let mut head = Vec::with_capacity(BOX_HEADER_BYTES + 128 + 12 * moof.traf[0].trun[0].samples.len());
        moof.encode(&mut head)?;
        let offset =
            i32::try_from(head.len() + BOX_HEADER_BYTES).map_err(|_| CmafError::TooLarge("fragment header"))?;
        moof.traf[0].trun[0].data_offset = Some(offset);
        head.clear();
        let styp = Styp {
            major_brand: FourCC::from(brand),
            minor_version: 0,
            compatible_brands: vec![FourCC::new(b"iso6"), FourCC::new(b"cmfc"), FourCC::from(brand)],
        };
        styp.encode(&mut head)?;
        moof.encode(&mut head)?;

        let mut out = Vec::with_capacity(head.len() + mdat_bytes.saturating_sub(elsewhere));
        out.extend_from_slice(&head);
        out.extend_from_slice(&mdat_size.to_be_bytes());
        out.extend_from_slice(b"mdat");
        let before = out.len();
        append(&mut out);
        let got = out.len() - before + elsewhere;
        if got != bytes {
            return Err(CmafError::WrongLength { expected: bytes, got });
        }
        Ok(out.into())
    }

    fn moof(self) -> Moof {
        let tfhd = Tfhd {
            track_id: TRACK_ID,
            default_sample_duration: self.defaults.duration,
            default_sample_flags: self.defaults.flags,
            default_base_is_moof: true,
            ..Tfhd::default()
        };
        let traf = Traf {
            tfhd,
            tfdt: Some(Tfdt { base_media_decode_time: self.tfdt }),
            trun: vec![Trun { data_offset: Some(0), samples: self.samples.into() }],
            ..Traf::default()
        };
        // 32 bits hold the number for 136 years of one-second segments; what wraps later is only a number that players
        // do not read.
        Moof { mfhd: Mfhd { sequence_number: self.n as u32 }, traf: vec![traf] }
    }
}
