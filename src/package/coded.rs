//! Sound as it came, in boxes: ETSI TS 102 366, annex F, and ISO/IEC 14496-14.

use bytes::Bytes;
use mp4_atom::{Ac3SpecificBox, Audio, Codec, Ec3IndependentSubstream, Ec3SpecificBox, FixedPoint, Mp4a, esds};

use super::{AUDIO_TIMESCALE, CmafError, init};
use crate::frame::{Aac, AacObject, Ac3, CodedSound, Eac3};

/// The header of a track of `form`.
pub fn coded_init(form: CodedSound) -> Result<Bytes, CmafError> {
    let audio = Audio {
        data_reference_index: 1,
        // ETSI TS 102 366, F.3 and F.5: two, whatever comes; the specific box tells it.
        channel_count: if matches!(form, CodedSound::Aac(_)) { form.channels() as u16 } else { 2 },
        sample_size: 16,
        sample_rate: FixedPoint::from(AUDIO_TIMESCALE as u16),
    };
    let entry: Codec = match form {
        CodedSound::Ac3(Ac3 { bsid, bsmod, acmod, lfe, rate_code }) => {
            let dac3 = Ac3SpecificBox { fscod: 0, bsid, bsmod, acmod, lfeon: lfe, bit_rate_code: rate_code };
            mp4_atom::Ac3 { audio, dac3 }.into()
        }
        CodedSound::Eac3(Eac3 { kbps, bsid, bsmod, acmod, lfe, .. }) => {
            let substream = Ec3IndependentSubstream {
                fscod: 0,
                bsid,
                asvc: false,
                bsmod,
                acmod,
                lfeon: lfe,
                num_dep_sub: 0,
                chan_loc: None,
            };
            let dec3 = Ec3SpecificBox { data_rate: kbps, substreams: vec![substream] };
            mp4_atom::Eac3 { audio, dec3 }.into()
        }
        CodedSound::Aac(aac) => aac_entry(aac, audio, form.bitrate_bps()),
    };
    let header = init::audio_header(entry, AUDIO_TIMESCALE)?;
    match form {
        // ETSI TS 103 420, C.3.2: seven reserved bits, the flag of extension type A, its complexity index.
        CodedSound::Eac3(Eac3 { objects: of @ 1.., .. }) => extended(&header, &[0x01, of]),
        _ => Ok(header),
    }
}

fn aac_entry(aac: Aac, audio: Audio, bitrate_bps: u32) -> Codec {
    let (object, core) = (aac.object.number(), aac.channels);
    // AudioSpecificConfig (ISO/IEC 14496-3, 1.6.2.1) in 32 bits, the highest first: of a core at 24 kHz (index 6) the type of what is on top of it, its rate,
    // and then that of the core.
    let specific: Vec<u8> = match aac.object {
        AacObject::Lc => (2u16 << 11 | 3 << 7 | u16::from(core) << 3).to_be_bytes().to_vec(),
        AacObject::He | AacObject::HeV2 => {
            let bits = u32::from(object) << 27 | 6 << 23 | u32::from(core) << 19 | 3 << 15 | 2 << 10;
            bits.to_be_bytes().to_vec()
        }
    };
    let esds = esds::Esds {
        es_desc: esds::EsDescriptor {
            es_id: 0,
            dec_config: esds::DecoderConfig {
                object_type_indication: 0x40,
                stream_type: 0x05,
                max_bitrate: bitrate_bps,
                avg_bitrate: bitrate_bps,
                dec_specific: Some(esds::DecoderSpecific {
                    profile: object,
                    freq_index: if aac.object == AacObject::Lc { 3 } else { 6 },
                    chan_conf: core,
                    raw: specific,
                }),
                ..esds::DecoderConfig::default()
            },
            ..esds::EsDescriptor::default()
        },
    };
    Mp4a { audio, esds, btrt: None, taic: None }.into()
}

/// Boxes that hold `dec3`, and how far into each the next one begins.
const WAY: [(&[u8; 4], usize); 8] =
    [(b"moov", 8), (b"trak", 8), (b"mdia", 8), (b"minf", 8), (b"stbl", 8), (b"stsd", 16), (b"ec-3", 36), (b"dec3", 8)];

/// `header` with `more` at the end of its `dec3`, which the library of boxes does not write.
fn extended(header: &[u8], more: &[u8]) -> Result<Bytes, CmafError> {
    let mut out = header.to_vec();
    let (mut at, mut end) = (0, out.len());
    for (kind, inside) in WAY {
        loop {
            let head = out.get(at..at + 8).filter(|_| at < end).ok_or(CmafError::NoTrack)?;
            let size = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
            if head[4..] == *kind {
                out[at..at + 4].copy_from_slice(&(size + more.len() as u32).to_be_bytes());
                (at, end) = (at + inside, at + size as usize);
                break;
            }
            at += (size as usize).max(8);
        }
    }
    out.splice(end..end, more.iter().copied());
    Ok(out.into())
}
