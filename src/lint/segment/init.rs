//! Init sections of fragmented MP4 (8216bis 3.1.2).

use super::super::rules::segment as rules;
use super::Fault;
use super::boxes::{at, be16, be32, boxes, first};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrackKind {
    Video,
    Audio,
    Text,
    Other,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Track {
    pub id: u32,
    pub timescale: u32,
    pub kind: TrackKind,
    /// RFC 6381 string, or the four letters alone.
    pub codec: String,
    /// Of the sample entry, in pixels.
    pub size: Option<(u32, u32)>,
    /// Code point of H.273.
    pub transfer: Option<u16>,
    /// From trex.
    pub default_duration: u32,
    pub default_flags: u32,
}

#[derive(Clone, Debug, Default)]
pub struct Init {
    pub tracks: Vec<Track>,
    pub faults: Vec<Fault>,
}

/// Reads an init section.
pub fn read(bytes: &[u8]) -> Init {
    let mut made = Init::default();
    let (list, broken) = boxes(bytes);
    if broken {
        made.faults.push((&rules::BOX_BROKEN, "a box reaches past the end of the init section".into(), "whole boxes"));
    }
    let place = |kind: &[u8; 4]| list.iter().position(|atom| atom.kind == *kind);
    let good = matches!((place(b"ftyp"), place(b"moov")), (Some(ftyp), Some(moov)) if ftyp < moov);
    if !good && !broken {
        let names: Vec<String> = list.iter().take(8).map(super::boxes::Atom::name).collect();
        made.faults.push((&rules::MAP_FORM, format!("boxes {}", names.join(" ")), "ftyp, then moov"));
    }
    if place(b"moof").or(place(b"mdat")).is_some() {
        made.faults.push((&rules::MAP_MEDIA, "media in the init section".into(), "ftyp and moov"));
    }
    let Some(moov) = first(bytes, b"moov") else { return made };
    let mvex = first(moov, b"mvex");
    if mvex.is_none() {
        made.faults.push((&rules::MAP_SAMPLES, "no mvex".into(), "mvex"));
    }
    for trak in boxes(moov).0.iter().filter(|atom| atom.kind == *b"trak") {
        let entries = at(trak.body, &[b"mdia", b"minf", b"stbl", b"stts"]).and_then(|stts| be32(stts, 4));
        if entries.unwrap_or(0) > 0 {
            made.faults.push((&rules::MAP_SAMPLES, "samples in moov".into(), "none"));
        }
        if let Some(mut track) = track(trak.body) {
            let trex = boxes(mvex.unwrap_or_default()).0;
            let trex = trex.iter().find(|atom| atom.kind == *b"trex" && be32(atom.body, 4) == Some(track.id));
            track.default_duration = trex.and_then(|atom| be32(atom.body, 12)).unwrap_or(0);
            track.default_flags = trex.and_then(|atom| be32(atom.body, 20)).unwrap_or(0);
            made.tracks.push(track);
        }
    }
    made
}

fn track(trak: &[u8]) -> Option<Track> {
    let tkhd = first(trak, b"tkhd")?;
    let id = be32(tkhd, if tkhd.first() == Some(&1) { 20 } else { 12 })?;
    let mdhd = at(trak, &[b"mdia", b"mdhd"])?;
    let timescale = be32(mdhd, if mdhd.first() == Some(&1) { 20 } else { 12 })?;
    let handler = at(trak, &[b"mdia", b"hdlr"])?.get(8..12)?;
    let kind = match handler {
        b"vide" => TrackKind::Video,
        b"soun" => TrackKind::Audio,
        b"text" | b"subt" | b"sbtl" => TrackKind::Text,
        _ => TrackKind::Other,
    };
    let stsd = at(trak, &[b"mdia", b"minf", b"stbl", b"stsd"])?;
    let entry = boxes(stsd.get(8..)?).0.into_iter().next()?;
    // Fixed fields before the boxes of a sample entry: 78 bytes of pictures, 28 of sound.
    let fields = match kind {
        TrackKind::Video => 78,
        TrackKind::Audio => 28,
        _ => 8,
    };
    let inner = entry.body.get(fields..).unwrap_or_default();
    let size = (kind == TrackKind::Video)
        .then(|| Some((u32::from(be16(entry.body, 24)?), u32::from(be16(entry.body, 26)?))))
        .flatten();
    // Encrypted entries tell the original format in sinf.
    let original = match &entry.kind {
        b"encv" | b"enca" | b"enct" => at(inner, &[b"sinf", b"frma"]).and_then(|frma| frma.get(..4)),
        _ => None,
    };
    let format = original.map_or_else(|| entry.name(), |kind| String::from_utf8_lossy(kind).into_owned());
    let transfer = first(inner, b"colr").filter(|colr| colr.starts_with(b"nclx")).and_then(|colr| be16(colr, 6));
    let codec = codec(&format, inner);
    Some(Track { id, timescale, kind, codec, size, transfer, default_duration: 0, default_flags: 0 })
}

/// The RFC 6381 string where the configuration box tells it.
fn codec(format: &str, inner: &[u8]) -> String {
    match format {
        "avc1" | "avc3" => match first(inner, b"avcC").and_then(|config| config.get(1..4)) {
            Some([profile, constraints, level]) => format!("{format}.{profile:02x}{constraints:02x}{level:02x}"),
            _ => format.to_owned(),
        },
        "hvc1" | "hev1" => {
            first(inner, b"hvcC").and_then(|config| hevc(format, config)).unwrap_or_else(|| format.to_owned())
        }
        _ => format.to_owned(),
    }
}

/// ISO/IEC 14496-15, E.3: of the decoder's configuration record.
fn hevc(format: &str, config: &[u8]) -> Option<String> {
    let profile = config.get(1)?;
    let (space, tier) = (["", "a", "b", "c"][usize::from(profile >> 6)], if profile & 0x20 == 0 { 'l' } else { 'h' });
    let compatible = be32(config, 2)?.reverse_bits();
    let level = config.get(12)?;
    let constraints = config.get(6..12)?;
    let said = constraints.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let constraints: String = constraints[..said].iter().map(|byte| format!(".{byte:x}")).collect();
    Some(format!("{format}.{space}{}.{compatible:x}.{tier}{level}{constraints}", profile & 0x1f))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hevc_is_told_by_its_configuration() {
        // Main, compatible with Main and Main 10, main tier of level 3.1, progressive and frames alone.
        let config = [1, 1, 0x60, 0, 0, 0, 0x90, 0, 0, 0, 0, 0, 93, 0xf0, 0];
        assert_eq!(hevc("hvc1", &config).unwrap(), "hvc1.1.6.l93.90");
        let high = [1, 0x22, 0x20, 0, 0, 0, 0xb0, 0, 0, 0, 0, 0, 153];
        assert_eq!(hevc("hev1", &high).unwrap(), "hev1.2.4.h153.b0");
        assert_eq!(hevc("hvc1", &config[..12]), None);
    }
}
