//! Sound as its source codes it, so that it can be handed on as it came: AC-3, E-AC-3, HE-AAC, and AAC-LC of more than two channels, all at 48 kHz.
//!
//! Everything that boxes and playlists say of a sound is in its id, so that whoever has the id can go on without the source.

mod a52;

use std::fmt;
use std::str::FromStr;

pub use a52::{Ac3, Eac3};

/// What makes a coded sound's boxes. Two of one form can follow each other under one init segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CodedSound {
    Ac3(Ac3),
    Eac3(Eac3),
    Aac(Aac),
}

/// AAC as decoders are told of it (ISO/IEC 14496-3, 1.6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Aac {
    pub object: AacObject,
    /// Channel configuration of the core, 1 to 7.
    pub channels: u8,
}

/// Audio object types (ISO/IEC 14496-3, table 1.17).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AacObject {
    /// AAC-LC at 48 kHz.
    Lc,
    /// With spectral band replication: the core runs at 24 kHz.
    He,
    /// With parametric stereo, too: the core has one channel.
    HeV2,
}

impl AacObject {
    pub const fn number(self) -> u8 {
        match self {
            Self::Lc => 2,
            Self::He => 5,
            Self::HeV2 => 29,
        }
    }
}

/// A frame of a coded sound with what stands in front of it, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodedFrame<'a> {
    pub form: CodedSound,
    /// What a sample of a box holds.
    pub data: &'a [u8],
}

impl CodedSound {
    /// The frame of AC-3 or E-AC-3 that `bytes` are; `None` for anything that is not handed on: other rates than 48 kHz, two programmes in one, frames of
    /// fewer than six blocks, substreams that others add to.
    pub fn a52_frame(bytes: &[u8]) -> Option<CodedFrame<'_>> {
        let form = a52::read(bytes)?;
        Some(CodedFrame { form, data: bytes })
    }

    /// The frame of AAC that `bytes` are, with its ADTS header or without: `core_hz` and `core_channels` are what its header says, `hz` and `channels` what a
    /// decoder makes of it. `None` where that is stereo or mono of AAC-LC, which is encoded anyway, or no 48 kHz.
    pub fn aac_frame(bytes: &[u8], core: (u32, u32), decoded: (u32, u32)) -> Option<CodedFrame<'_>> {
        let ((core_hz, core_channels), (hz, channels)) = (core, decoded);
        let object = match (core_hz, hz) {
            (24_000, 48_000) if (core_channels, channels) == (1, 2) => AacObject::HeV2,
            (24_000, 48_000) if core_channels == channels => AacObject::He,
            (48_000, 48_000) if core_channels == channels && channels > 2 => AacObject::Lc,
            _ => return None,
        };
        let channels = match core_channels {
            1..=6 => core_channels as u8,
            8 => 7,
            _ => return None,
        };
        let data = match bytes {
            // ADTS (ISO/IEC 14496-3, 1.A.2.2): a checksum where protection is not absent, and one raw block in the frame.
            [0xff, b, ..] if b & 0xf6 == 0xf0 => {
                let one_block = bytes.get(6)? & 3 == 0;
                bytes.get(if b & 1 == 1 { 7 } else { 9 }..).filter(|_| one_block)?
            }
            _ => bytes,
        };
        (!data.is_empty()).then_some(CodedFrame { form: Self::Aac(Aac { object, channels }), data })
    }

    /// Samples of 48 kHz in a frame.
    pub const fn frame_samples(self) -> u64 {
        match self {
            // ETSI TS 102 366, 4.1 and E.1.2.1: six blocks of 256.
            Self::Ac3(_) | Self::Eac3(_) => 1536,
            Self::Aac(Aac { object: AacObject::Lc, .. }) => 1024,
            Self::Aac(_) => 2048,
        }
    }

    /// Whether it is AC-3 or E-AC-3.
    pub const fn is_dolby(self) -> bool {
        matches!(self, Self::Ac3(_) | Self::Eac3(_))
    }

    /// RFC 6381.
    pub fn codec(self) -> String {
        match self {
            Self::Ac3(_) => "ac-3".to_owned(),
            Self::Eac3(_) => "ec-3".to_owned(),
            Self::Aac(aac) => format!("mp4a.40.{}", aac.object.number()),
        }
    }

    /// Channels that are heard, the low-frequency one among them.
    pub fn channels(self) -> u32 {
        match self {
            Self::Ac3(Ac3 { acmod, lfe, .. }) | Self::Eac3(Eac3 { acmod, lfe, .. }) => a52::channels(acmod, lfe),
            Self::Aac(Aac { object: AacObject::HeV2, .. }) => 2,
            Self::Aac(Aac { channels: 7, .. }) => 8,
            Self::Aac(Aac { channels, .. }) => channels.into(),
        }
    }

    /// As playlists tell it (RFC 8216bis, 4.4.6.1): `6`, or `16/JOC` where objects are coded jointly.
    pub fn told_channels(self) -> String {
        match self {
            Self::Eac3(Eac3 { objects, .. }) if objects > 0 => format!("{objects}/JOC"),
            _ => self.channels().to_string(),
        }
    }

    /// Bits a second, as far as it tells.
    pub fn bitrate_bps(self) -> u32 {
        match self {
            Self::Ac3(ac3) => ac3.kbps() * 1000,
            Self::Eac3(eac3) => u32::from(eac3.kbps) * 1000,
            // ISO/IEC 14496-3, 4.5.3.1 allows far more; nobody sends it.
            Self::Aac(aac) => 64_000 * u32::from(aac.channels),
        }
    }

    /// Whether `id` is one of a sound as it came.
    pub fn is_id(id: &str) -> bool {
        id.starts_with(PREFIX)
    }
}

const PREFIX: &str = "came-";

/// Its id: `came-ac3-0c7ec`, `came-aac-5-2`.
impl fmt::Display for CodedSound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ac3(ac3) => write!(f, "{PREFIX}ac3-{:05x}", ac3.packed()),
            Self::Eac3(eac3) => write!(f, "{PREFIX}eac3-{:09x}", eac3.packed()),
            Self::Aac(Aac { object, channels }) => write!(f, "{PREFIX}aac-{}-{channels}", object.number()),
        }
    }
}

/// A text that is no id of a coded sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no id of a sound as it came")]
pub struct NoCodedSound;

impl FromStr for CodedSound {
    type Err = NoCodedSound;

    fn from_str(id: &str) -> Result<Self, NoCodedSound> {
        let read = || {
            let (codec, rest) = id.strip_prefix(PREFIX)?.split_once('-')?;
            let form = match codec {
                "ac3" => Self::Ac3(Ac3::unpacked(u32::from_str_radix(rest, 16).ok()?)?),
                "eac3" => Self::Eac3(Eac3::unpacked(u64::from_str_radix(rest, 16).ok()?)?),
                "aac" => {
                    let (object, channels) = rest.split_once('-')?;
                    let objects = [AacObject::Lc, AacObject::He, AacObject::HeV2];
                    let object = objects.into_iter().find(|known| known.number().to_string() == object)?;
                    Self::Aac(Aac { object, channels: channels.parse().ok().filter(|n| (1..=7).contains(n))? })
                }
                _ => return None,
            };
            // One spelling alone.
            (form.to_string() == id).then_some(form)
        };
        read().ok_or(NoCodedSound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::SoundTrack;
    use proptest::prelude::*;

    #[test]
    fn an_id_is_all_that_has_to_be_known_of_a_sound() {
        let ac3 = CodedSound::Ac3(Ac3 { bsid: 8, bsmod: 0, acmod: 7, lfe: true, rate_code: 15 });
        let eac3 = CodedSound::Eac3(Eac3 { kbps: 768, bsid: 16, bsmod: 0, acmod: 7, lfe: true, objects: 16 });
        let aac = CodedSound::Aac(Aac { object: AacObject::HeV2, channels: 1 });
        for (form, codec, channels) in [(ac3, "ac-3", "6"), (eac3, "ec-3", "16/JOC"), (aac, "mp4a.40.29", "2")] {
            let id = form.to_string();
            assert!(SoundTrack::is_id(&id), "{id}");
            assert_eq!(id.parse(), Ok(form));
            assert_eq!((form.codec().as_str(), form.told_channels().as_str()), (codec, channels));
        }
        assert_eq!(ac3.bitrate_bps(), 448_000);
        for wrong in ["came-", "came-ac3-", "came-ac3-fffff", "came-ac3-0", "came-aac-5-9", "came-aac-5-02", "deu"] {
            assert_eq!(wrong.parse::<CodedSound>(), Err(NoCodedSound), "{wrong}");
        }
    }

    #[test]
    fn aac_is_told_by_what_a_decoder_makes_of_it() {
        let adts = [0xff, 0xf1, 0x58, 0x80, 0x01, 0x3f, 0xfc, 1, 2, 3];
        let form = |core, decoded| CodedSound::aac_frame(&adts, core, decoded).map(|frame| (frame.form, frame.data));
        let of = |object, channels| CodedSound::Aac(Aac { object, channels });
        assert_eq!(form((24_000, 2), (48_000, 2)), Some((of(AacObject::He, 2), &adts[7..])));
        assert_eq!(form((24_000, 1), (48_000, 2)), Some((of(AacObject::HeV2, 1), &adts[7..])));
        assert_eq!(form((48_000, 6), (48_000, 6)), Some((of(AacObject::Lc, 6), &adts[7..])));
        assert_eq!(form((48_000, 2), (48_000, 2)), None, "that is what is encoded");
        assert_eq!(form((22_050, 2), (44_100, 2)), None);
        let raw = [0x21, 0x10, 4];
        assert_eq!(CodedSound::aac_frame(&raw, (24_000, 2), (48_000, 2)).unwrap().data, raw);
    }

    proptest! {
        #[test]
        fn whatever_comes_is_a_frame_or_is_none(bytes in prop::collection::vec(any::<u8>(), 0..80), sync in any::<bool>()) {
            let mut bytes = bytes;
            if sync && bytes.len() > 2 {
                bytes[..2].copy_from_slice(&[0x0b, 0x77]);
            }
            if let Some(frame) = CodedSound::a52_frame(&bytes) {
                prop_assert_eq!(frame.form.to_string().parse(), Ok(frame.form));
                prop_assert!((1..=6).contains(&frame.form.channels()));
            }
            let _ = CodedSound::aac_frame(&bytes, (24_000, 2), (48_000, 2));
        }

        #[test]
        fn no_text_is_read_as_another_id(text in "came-(ac3|eac3|aac)-[0-9a-f-]{0,14}") {
            if let Ok(form) = text.parse::<CodedSound>() {
                prop_assert_eq!(form.to_string(), text);
            }
        }
    }
}
