//! Canonical init segments: one per rendition and one for all sound, byte for byte, wherever they are made.

use bytes::Bytes;
use mp4_atom::{
    Audio, Avc1, Avcc, AvccExt, Codec, Colr, Dinf, Dref, DrefEntry, Encode, FixedPoint, FourCC, Ftyp, Hdlr, Mdhd, Mp4a,
    Mvex, Mvhd, Pasp, Smhd, Stbl, Stco, Stsd, Tkhd, Trex, Url, Visual, Vmhd, esds,
};

use super::{AUDIO_TIMESCALE, CmafError, TRACK_ID};
use crate::timeline::Grid;

/// What decides a rendition's init segment.
#[derive(Clone, Copy, Debug)]
pub struct VideoTrack<'a> {
    /// Picture size in pixels.
    pub width: u32,
    pub height: u32,
    pub grid: Grid,
    /// One sequence and one picture parameter set: NAL units without start code or length (ITU-T H.264, 7.3.2).
    pub sps: &'a [u8],
    pub pps: &'a [u8],
}

/// The header of a video track (ISO/IEC 23000-19, 7.3.1): `ftyp` and `moov`. Pictures are 8-bit 4:2:0 in the canvas's
/// colour, BT.709 limited, with square pixels. Sample entry `avc1`: parameter sets live here and nowhere else.
pub fn video_init(track: &VideoTrack) -> Result<Bytes, CmafError> {
    check_parameter_sets(track)?;
    let width = u16::try_from(track.width).map_err(|_| CmafError::TooLarge("picture width"))?;
    let height = u16::try_from(track.height).map_err(|_| CmafError::TooLarge("picture height"))?;
    let entry = Avc1 {
        visual: Visual { data_reference_index: 1, width, height, ..Visual::default() },
        avcc: Avcc { ext: has_chroma_fields(track.sps[1]).then(AvccExt::default), ..Avcc::new(track.sps, track.pps)? },
        // ITU-T H.273: 1 is BT.709 for primaries, transfer and matrix alike.
        colr: Some(Colr::Nclx {
            colour_primaries: 1,
            transfer_characteristics: 1,
            matrix_coefficients: 1,
            full_range_flag: false,
        }),
        pasp: Some(Pasp { h_spacing: 1, v_spacing: 1 }),
        ..Avc1::default()
    };
    picture_header((width, height), track.grid, entry.into()).write()
}

/// The header of a track of pictures.
pub(super) fn picture_header((width, height): (u16, u16), grid: Grid, entry: Codec) -> TrackHeader {
    TrackHeader {
        timescale: grid.video_timescale(),
        tkhd: Tkhd { width: width.into(), height: height.into(), ..canonical_tkhd() },
        hdlr: Hdlr { handler: FourCC::new(b"vide"), name: "video".to_owned() },
        media: MediaHeader::Video(Vmhd::default()),
        entry,
    }
}

/// The header of every audio track: AAC-LC, 48 kHz, stereo, of the encoders' rate.
pub fn audio_init(bitrate_bps: u32) -> Result<Bytes, CmafError> {
    let entry = Mp4a {
        audio: Audio {
            data_reference_index: 1,
            channel_count: 2,
            sample_size: 16,
            sample_rate: FixedPoint::from(AUDIO_TIMESCALE as u16),
        },
        esds: esds::Esds {
            es_desc: esds::EsDescriptor {
                // ISO/IEC 14496-14, 4.1.2: in a file, ES_ID is 0 (the track's number stands for it).
                es_id: 0,
                dec_config: esds::DecoderConfig {
                    object_type_indication: 0x40, // ISO/IEC 14496-1, table 5: audio of ISO/IEC 14496-3
                    stream_type: 0x05,            // table 6: audio stream
                    max_bitrate: bitrate_bps,
                    avg_bitrate: bitrate_bps,
                    // AudioSpecificConfig (ISO/IEC 14496-3, 1.6.2.1): object type 2, 48 kHz (index 3), two channels.
                    dec_specific: Some(esds::DecoderSpecific {
                        profile: 2,
                        freq_index: 3,
                        chan_conf: 2,
                        raw: vec![0x11, 0x90],
                    }),
                    ..esds::DecoderConfig::default()
                },
                ..esds::EsDescriptor::default()
            },
        },
        btrt: None,
        taic: None,
    };
    audio_header(entry.into(), AUDIO_TIMESCALE)
}

/// The header of a track of sound.
pub(super) fn audio_header(entry: Codec, timescale: u32) -> Result<Bytes, CmafError> {
    let header = TrackHeader {
        timescale,
        tkhd: Tkhd { volume: 1.into(), ..canonical_tkhd() },
        hdlr: Hdlr { handler: FourCC::new(b"soun"), name: "audio".to_owned() },
        media: MediaHeader::Sound(Smhd::default()),
        entry,
    };
    header.write()
}

/// RFC 6381 codec string of an H.264 stream, `avc1.PPCCLL`, from its sequence parameter set (a NAL unit without start
/// code or length; ITU-T H.264, 7.3.2.1.1: profile, constraint flags and level are its first three bytes).
pub fn video_codec(sps: &[u8]) -> Result<String, CmafError> {
    match sps {
        [nal, profile, constraints, level, ..] if nal & 0x1f == 7 => {
            Ok(format!("avc1.{profile:02X}{constraints:02X}{level:02X}"))
        }
        _ => Err(CmafError::ParameterSet("sequence parameter set")),
    }
}

fn check_parameter_sets(track: &VideoTrack) -> Result<(), CmafError> {
    video_codec(track.sps)?;
    if track.pps.first().is_none_or(|nal| nal & 0x1f != 8) || track.pps.len() < 2 {
        return Err(CmafError::ParameterSet("picture parameter set"));
    }
    // avcC counts their bytes in 16 bits (ISO/IEC 14496-15, 5.3.3.1.2).
    if track.sps.len().max(track.pps.len()) > usize::from(u16::MAX) {
        return Err(CmafError::TooLarge("parameter set"));
    }
    Ok(())
}

/// Whether avcC ends with chroma format and bit depths (ISO/IEC 14496-15, 5.3.3.1.2): in the High profiles.
const fn has_chroma_fields(profile: u8) -> bool {
    matches!(profile, 100 | 110 | 122 | 144)
}

fn canonical_tkhd() -> Tkhd {
    Tkhd { track_id: TRACK_ID, enabled: true, in_movie: true, ..Tkhd::default() }
}

enum MediaHeader {
    Video(Vmhd),
    Sound(Smhd),
}

/// The parts of an init segment that differ between tracks. Times of creation and change are 0 everywhere.
pub(super) struct TrackHeader {
    timescale: u32,
    tkhd: Tkhd,
    hdlr: Hdlr,
    media: MediaHeader,
    entry: Codec,
}

impl TrackHeader {
    pub(super) fn write(&self) -> Result<Bytes, CmafError> {
        let mut out = Vec::with_capacity(1024);
        let ftyp = Ftyp {
            major_brand: FourCC::new(b"iso6"),
            minor_version: 0,
            compatible_brands: vec![FourCC::new(b"iso6"), FourCC::new(b"cmfc"), FourCC::new(b"mp41")],
        };
        ftyp.encode(&mut out)?;
        let mvhd = Mvhd {
            timescale: self.timescale,
            rate: 1.into(),
            volume: 1.into(),
            next_track_id: TRACK_ID + 1,
            ..Mvhd::default()
        };
        let trex = Trex { track_id: TRACK_ID, default_sample_description_index: 1, ..Trex::default() };
        // The containers are written here, not by the box library, which puts mvex before trak and vmhd after stbl;
        // ISO/IEC 14496-12, 6.3.4 recommends the order of its table, and simple demuxers count on it.
        container(b"moov", &mut out, |out| {
            mvhd.encode(out)?;
            container(b"trak", out, |out| {
                self.tkhd.encode(out)?;
                container(b"mdia", out, |out| self.write_media(out))
            })?;
            Ok(Mvex { mehd: None, trex: vec![trex] }.encode(out)?)
        })?;
        Ok(out.into())
    }

    fn write_media(&self, out: &mut Vec<u8>) -> Result<(), CmafError> {
        Mdhd { timescale: self.timescale, language: "und".to_owned(), ..Mdhd::default() }.encode(out)?;
        self.hdlr.encode(out)?;
        container(b"minf", out, |out| {
            match &self.media {
                MediaHeader::Video(vmhd) => vmhd.encode(out)?,
                MediaHeader::Sound(smhd) => smhd.encode(out)?,
            }
            Dinf { dref: Dref { entries: vec![DrefEntry::Url(Url::default())] } }.encode(out)?;
            let stsd = Stsd { codecs: vec![self.entry.clone()] };
            // 14496-12, 8.7.5: stco is there even when all samples are in fragments.
            Ok(Stbl { stsd, stco: Some(Stco::default()), ..Stbl::default() }.encode(out)?)
        })
    }
}

/// Writes a box of kind `kind` around what `body` writes.
pub(super) fn container(
    kind: &[u8; 4],
    out: &mut Vec<u8>,
    body: impl FnOnce(&mut Vec<u8>) -> Result<(), CmafError>,
) -> Result<(), CmafError> {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(kind);
    body(out)?;
    let size = u32::try_from(out.len() - start).map_err(|_| CmafError::TooLarge("box"))?;
    out[start..start + 4].copy_from_slice(&size.to_be_bytes());
    Ok(())
}
