//! A file to keep: an MP4 (ISO/IEC 14496-12) of CMAF segments, with its tables in front, so that whatever plays or cuts files takes it. Samples are as they
//! are; where it begins and ends within its segments is said by edit lists.

use bytes::Bytes;
use mp4_atom::{
    Any, Co64, Ctts, CttsEntry, DecodeMaybe as _, Edts, Elst, ElstEntry, Encode, FourCC, Ftyp, Moof, Mvhd, Stbl, Stsc,
    StscEntry, Stss, Stsz, StszSamples, Stts, SttsEntry, Trak,
};

use super::CmafError;
use super::init::container;
use crate::timeline::MediaTime;

/// A movie in the making: tracks of init segments, which grow by media segments.
pub struct Movie {
    tracks: Vec<MovieTrack>,
    /// Of each chunk: its track, its samples, its bytes. In the order in which their bytes were given back.
    chunks: Vec<(usize, u32, u64)>,
}

struct MovieTrack {
    trak: Trak,
    timescale: u32,
    /// Decode time of the first sample.
    begins: Option<u64>,
    ends: u64,
    samples: Vec<Sample>,
}

#[derive(Clone, Copy)]
struct Sample {
    bytes: u32,
    duration: u32,
    cts: i64,
    is_sync: bool,
}

/// Sample flags (8.8.3.1) of what is no place to start.
const NO_SYNC: u32 = 0x0001_0000;

/// Bytes of the head of an `mdat` with a 64-bit size.
const MDAT_HEAD: u64 = 16;

impl Movie {
    /// A movie with a track for each of `inits`, the first of which says in what time it is counted.
    ///
    /// # Errors
    /// Where one of them is no init segment of one track.
    pub fn new(inits: &[Bytes]) -> Result<Self, CmafError> {
        let tracks = inits.iter().zip(1..).map(|(init, id)| {
            let moov =
                boxes(init)?.into_iter().find_map(|found| if let Any::Moov(moov) = found { Some(moov) } else { None });
            let mut trak = moov.and_then(|moov| moov.trak.into_iter().next()).ok_or(CmafError::NoTrack)?;
            trak.tkhd.track_id = id;
            let timescale = trak.mdia.mdhd.timescale;
            Ok(MovieTrack { trak, timescale, begins: None, ends: 0, samples: Vec::new() })
        });
        Ok(Self { tracks: tracks.collect::<Result<_, CmafError>>()?, chunks: Vec::new() })
    }

    /// Adds a media segment to track `track`; gives back the bytes of its samples, which come next in the movie.
    ///
    /// # Errors
    /// Where it is no media segment, or does not go on where the one before ended.
    pub fn add(&mut self, track: usize, segment: &Bytes) -> Result<Bytes, CmafError> {
        let at = self.tracks.get_mut(track).ok_or(CmafError::NoTrack)?;
        let (mut moof, mut data): (Option<Moof>, Option<Bytes>) = (None, None);
        for found in boxes(segment)? {
            match found {
                Any::Moof(found) => moof = Some(found),
                Any::Mdat(found) => data = Some(found.data.into()),
                _ => {}
            }
        }
        let (Some(traf), Some(data)) = (moof.and_then(|moof| moof.traf.into_iter().next()), data) else {
            return Err(CmafError::NoTrack);
        };
        let begins = traf.tfdt.as_ref().ok_or(CmafError::NoTrack)?.base_media_decode_time;
        match at.begins {
            None => (at.begins, at.ends) = (Some(begins), begins),
            Some(_) if begins != at.ends => return Err(CmafError::Disordered { before: at.ends, got: begins }),
            Some(_) => {}
        }
        let before = at.samples.len();
        for entry in traf.trun.iter().flat_map(|run| run.samples.iter()) {
            let duration = entry.duration.or(traf.tfhd.default_sample_duration).unwrap_or(0);
            let flags = entry.flags.or(traf.tfhd.default_sample_flags).unwrap_or(0);
            let bytes = entry.size.or(traf.tfhd.default_sample_size).unwrap_or(0);
            let cts = entry.cts.unwrap_or(0);
            at.samples.push(Sample { bytes, duration, cts, is_sync: flags & NO_SYNC == 0 });
            at.ends += u64::from(duration);
        }
        let added = &at.samples[before..];
        let bytes: u64 = added.iter().map(|sample| u64::from(sample.bytes)).sum();
        if bytes != data.len() as u64 {
            return Err(CmafError::WrongLength {
                expected: usize::try_from(bytes).unwrap_or(usize::MAX),
                got: data.len(),
            });
        }
        let count = u32::try_from(added.len()).map_err(|_| CmafError::TooLarge("segment"))?;
        self.chunks.push((track, count, bytes));
        Ok(data)
    }

    /// What stands before the samples' bytes: all that was given back by [`Movie::add`], in that order. The movie shows what lies between `from` and `to`.
    pub fn head(&self, from: MediaTime, to: MediaTime) -> Result<Bytes, CmafError> {
        let payload: u64 = self.chunks.iter().map(|(.., bytes)| bytes).sum();
        // Offsets have a fixed width, so that the head is as long whatever they are.
        let length = self.written(from, to, 0)?.len() as u64 + MDAT_HEAD;
        let mut head = self.written(from, to, length)?;
        head.extend_from_slice(&1u32.to_be_bytes());
        head.extend_from_slice(b"mdat");
        head.extend_from_slice(&(payload + MDAT_HEAD).to_be_bytes());
        Ok(head.into())
    }

    fn written(&self, from: MediaTime, to: MediaTime, payload_at: u64) -> Result<Vec<u8>, CmafError> {
        let timescale = self.tracks.first().ok_or(CmafError::NoTrack)?.timescale;
        let duration = ticks(to, timescale).saturating_sub(ticks(from, timescale));
        let mut traks = self.tracks.iter().enumerate().map(|(n, track)| {
            let mut offset = payload_at;
            let mut chunks = Vec::new();
            for (of, samples, bytes) in &self.chunks {
                if *of == n {
                    chunks.push((offset, *samples));
                }
                offset += bytes;
            }
            track.trak(&chunks, (from, to), timescale)
        });
        let mvhd = Mvhd {
            timescale,
            duration,
            rate: 1.into(),
            volume: 1.into(),
            next_track_id: u32::try_from(self.tracks.len() + 1).unwrap_or(u32::MAX),
            ..Mvhd::default()
        };
        let mut out = Vec::new();
        let brands = [b"isom", b"iso6", b"mp41"];
        let compatible_brands = brands.into_iter().map(FourCC::new).collect();
        Ftyp { major_brand: FourCC::new(b"isom"), minor_version: 0, compatible_brands }.encode(&mut out)?;
        // In the order of init segments, for the same reason.
        container(b"moov", &mut out, |out| {
            mvhd.encode(out)?;
            traks.try_for_each(|trak| written(&trak, out))
        })?;
        Ok(out)
    }
}

fn written(trak: &Trak, out: &mut Vec<u8>) -> Result<(), CmafError> {
    container(b"trak", out, |out| {
        trak.tkhd.encode(out)?;
        if let Some(edts) = &trak.edts {
            edts.encode(out)?;
        }
        container(b"mdia", out, |out| {
            trak.mdia.mdhd.encode(out)?;
            trak.mdia.hdlr.encode(out)?;
            container(b"minf", out, |out| {
                let minf = &trak.mdia.minf;
                if let Some(vmhd) = &minf.vmhd {
                    vmhd.encode(out)?;
                }
                if let Some(smhd) = &minf.smhd {
                    smhd.encode(out)?;
                }
                minf.dinf.encode(out)?;
                Ok(minf.stbl.encode(out)?)
            })
        })
    })
}

impl MovieTrack {
    fn trak(&self, chunks: &[(u64, u32)], (from, to): (MediaTime, MediaTime), movie_timescale: u32) -> Trak {
        let mut trak = self.trak.clone();
        // Those that show pictures before they decode them are few, and none where a later sample is shown sooner.
        let shift = self.samples.iter().map(|sample| -sample.cts).max().unwrap_or(0).max(0);
        let in_movie = |at: MediaTime| ticks(at, movie_timescale);
        let begins = self.begins.unwrap_or(0);
        let skipped = ticks(from, self.timescale) as i64 - begins as i64;
        let mut entries = Vec::new();
        if skipped < 0 {
            // It begins with the first sample after that.
            let late = (skipped.unsigned_abs() * u64::from(movie_timescale)).div_ceil(u64::from(self.timescale).max(1));
            entries.push(ElstEntry { segment_duration: late, media_time: None, media_rate: 1.into() });
        }
        let waited: u64 = entries.iter().map(|entry| entry.segment_duration).sum();
        entries.push(ElstEntry {
            segment_duration: (in_movie(to) - in_movie(from)).saturating_sub(waited),
            media_time: Some((skipped.max(0) + shift).unsigned_abs()),
            media_rate: 1.into(),
        });
        trak.tkhd.duration = in_movie(to) - in_movie(from);
        trak.edts = Some(Edts { elst: Some(Elst { entries }) });
        trak.mdia.mdhd.duration = self.ends - begins;
        let stbl = &mut trak.mdia.minf.stbl;
        *stbl = Stbl { stsd: std::mem::take(&mut stbl.stsd), ..self.tables(chunks, shift) };
        trak
    }

    fn tables(&self, chunks: &[(u64, u32)], shift: i64) -> Stbl {
        let mut stts: Vec<SttsEntry> = Vec::new();
        let mut ctts: Vec<CttsEntry> = Vec::new();
        for sample in &self.samples {
            match stts.last_mut().filter(|last| last.sample_delta == sample.duration) {
                Some(last) => last.sample_count += 1,
                None => stts.push(SttsEntry { sample_count: 1, sample_delta: sample.duration }),
            }
            let sample_offset = sample.cts + shift;
            match ctts.last_mut().filter(|last| last.sample_offset == sample_offset) {
                Some(last) => last.sample_count += 1,
                None => ctts.push(CttsEntry { sample_count: 1, sample_offset }),
            }
        }
        let mut stsc: Vec<StscEntry> = Vec::new();
        for ((_, samples), first_chunk) in chunks.iter().zip(1..) {
            if stsc.last().is_none_or(|last| last.samples_per_chunk != *samples) {
                stsc.push(StscEntry { first_chunk, samples_per_chunk: *samples, sample_description_index: 1 });
            }
        }
        let is_shown_otherwise = ctts.iter().any(|entry| entry.sample_offset != 0);
        let syncs = || (1..).zip(&self.samples).filter(|(_, sample)| sample.is_sync).map(|(n, _)| n).collect();
        let has_others = self.samples.iter().any(|sample| !sample.is_sync);
        Stbl {
            stts: Stts { entries: stts },
            ctts: is_shown_otherwise.then_some(Ctts { entries: ctts }),
            stss: has_others.then(|| Stss { entries: syncs() }),
            stsc: Stsc { entries: stsc },
            stsz: Stsz { samples: StszSamples::Different { sizes: self.samples.iter().map(|s| s.bytes).collect() } },
            co64: Some(Co64 { entries: chunks.iter().map(|(offset, _)| *offset).collect() }),
            ..Stbl::default()
        }
    }
}

fn ticks(at: MediaTime, timescale: u32) -> u64 {
    let ticks = (u128::from(at.as_nanos()) * u128::from(timescale) + 500_000_000) / 1_000_000_000;
    u64::try_from(ticks).unwrap_or(u64::MAX)
}

fn boxes(bytes: &Bytes) -> Result<Vec<Any>, CmafError> {
    let mut rest: &[u8] = bytes;
    let mut found = Vec::new();
    while !rest.is_empty() {
        found.push(Any::decode_maybe(&mut rest)?.ok_or(CmafError::NoTrack)?);
    }
    Ok(found)
}

#[cfg(test)]
#[path = "movie_tests.rs"]
mod tests;
