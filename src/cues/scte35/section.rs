//! The section itself (ANSI/SCTE 35 2023, 9.6): its header, its checksum, and what it carries.

use std::sync::Arc;

use super::bits::Bits;
use super::command::{Command, SpliceMode, When};
use super::descriptor::{Descriptor, Segmentation, descriptors};

/// Presentation times have 33 bits (ISO/IEC 13818-1, 2.4.3.7).
pub const PTS_MODULUS: u64 = 1 << 33;

const TABLE_ID: u8 = 0xfc;
/// Of table_id to section_length.
const HEAD_BYTES: usize = 3;
const CRC_BYTES: usize = 4;
/// A section's length field is at most this (9.6.1).
const MAX_LENGTH: usize = 4093;
/// A splice_command_length that says nothing: what the first editions wrote (9.6.1).
const LENGTH_UNSAID: usize = 0xfff;

/// Why bytes are no splice_info_section that can be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScteError {
    #[error("table {0:#04x} is not a splice_info_section (0xfc)")]
    Table(u8),
    #[error("section_length says {said} bytes, there are {there}")]
    Length { said: usize, there: usize },
    #[error("the checksum is wrong")]
    Checksum,
    #[error("protocol_version {0} is not known")]
    Version(u8),
    #[error("it ends within {field}")]
    Short { field: &'static str },
    #[error("splice_command_length ({said} bytes) is not the command's")]
    CommandLength { said: usize },
    #[error("a {what} of {bytes} bytes is too short")]
    DescriptorLength { what: &'static str, bytes: usize },
}

/// How the rest of a section is encrypted (9.6.1, table 26): told, never undone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encryption {
    pub algorithm: u8,
    /// Which of the keys.
    pub cw_index: u8,
}

/// A splice_info_section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpliceInfo {
    pub sap_type: u8,
    pub encryption: Option<Encryption>,
    /// Ticks of 90 kHz that are added to every time in the section.
    pub pts_adjustment: u64,
    pub cw_index: u8,
    /// Whom it is for; 0xfff is everybody.
    pub tier: u16,
    pub command: Command,
    pub descriptors: Vec<Descriptor>,
    section: Arc<[u8]>,
}

impl SpliceInfo {
    /// Reads a section. What stands behind its end, stuffing for instance, is left alone.
    ///
    /// # Errors
    /// [`ScteError`]. A descriptor that is broken in itself is none: it is told as [`Descriptor::Broken`], and what else the
    /// section says holds.
    pub fn parse(bytes: &[u8]) -> Result<Self, ScteError> {
        let section = whole_section(bytes)?;
        let mut bits = Bits::new(&section[HEAD_BYTES..section.len() - CRC_BYTES]);
        match bits.byte("protocol_version")? {
            0 => {}
            version => return Err(ScteError::Version(version)),
        }
        let encrypted = bits.flag("encrypted_packet")?;
        let algorithm = bits.number(6, "encryption_algorithm")? as u8;
        let pts_adjustment = bits.number(33, "pts_adjustment")?;
        let cw_index = bits.byte("cw_index")?;
        let tier = bits.number(12, "tier")? as u16;
        let length = bits.number(12, "splice_command_length")? as usize;
        let encryption = encrypted.then_some(Encryption { algorithm, cw_index });
        let (command, descriptors) =
            if encrypted { (Command::Encrypted, Vec::new()) } else { body(&mut bits, length)? };
        let sap_type = section[1] >> 4 & 3;
        Ok(Self { sap_type, encryption, pts_adjustment, cw_index, tier, command, descriptors, section: section.into() })
    }

    /// Exactly the section's bytes.
    pub fn section(&self) -> &[u8] {
        &self.section
    }

    /// The section as EXT-X-DATERANGE carries it: a hexadecimal-sequence (RFC 8216bis, 4.2).
    pub fn hex(&self) -> String {
        format!("0x{}", hex::encode_upper(&self.section))
    }

    /// The presentation time of the splice, pts_adjustment counted in (9.6.1: carry is ignored). `None` where the command
    /// has no time or names none. Of several components the first one's.
    pub fn splice_pts(&self) -> Option<u64> {
        let when = match &self.command {
            Command::TimeSignal(when) => *when,
            Command::Insert(insert) => match &insert.splice.as_ref()?.mode {
                SpliceMode::Programme(when) => *when,
                SpliceMode::Components(components) => components.iter().map(|c| c.when).find(|w| w.is_timed())?,
            },
            _ => return None,
        };
        match when {
            When::Pts(pts) => Some((pts + self.pts_adjustment) % PTS_MODULUS),
            When::Unsaid | When::Immediate => None,
        }
    }

    /// Its segmentation descriptors.
    pub fn segmentations(&self) -> impl Iterator<Item = &Segmentation> {
        self.descriptors.iter().filter_map(|descriptor| match descriptor {
            Descriptor::Segmentation(segmentation) => Some(segmentation),
            _ => None,
        })
    }
}

/// The bytes up to the checksum, which is right.
fn whole_section(bytes: &[u8]) -> Result<&[u8], ScteError> {
    let [table, high, low, ..] = *bytes else { return Err(ScteError::Short { field: "section_length" }) };
    if table != TABLE_ID {
        return Err(ScteError::Table(table));
    }
    let said = usize::from(high & 0x0f) << 8 | usize::from(low);
    let length = ScteError::Length { said, there: bytes.len() - HEAD_BYTES };
    if !(CRC_BYTES..=MAX_LENGTH).contains(&said) {
        return Err(length);
    }
    let section = bytes.get(..HEAD_BYTES + said).ok_or(length)?;
    if crc32(section) == 0 { Ok(section) } else { Err(ScteError::Checksum) }
}

fn body(bits: &mut Bits<'_>, length: usize) -> Result<(Command, Vec<Descriptor>), ScteError> {
    let kind = bits.byte("splice_command_type")?;
    let command = if length == LENGTH_UNSAID {
        Command::read(kind, bits, true)?
    } else {
        let mut own = Bits::new(bits.bytes(length, "splice_command")?);
        let command = Command::read(kind, &mut own, false).map_err(|error| match error {
            // The section goes on, the command does not.
            ScteError::Short { .. } if bits.left() > 0 => ScteError::CommandLength { said: length },
            other => other,
        })?;
        if own.left() > 0 {
            return Err(ScteError::CommandLength { said: length });
        }
        command
    };
    let loop_length = bits.number(16, "descriptor_loop_length")? as usize;
    let descriptors = descriptors(bits.bytes(loop_length, "descriptor loop")?)?;
    Ok((command, descriptors))
}

/// The checksum of sections (ISO/IEC 13818-1, annex A); 0 over a whole section with its own.
pub fn crc32(bytes: &[u8]) -> u32 {
    bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte) << 24, |crc, _| crc << 1 ^ if crc >> 31 == 1 { 0x04c1_1db7 } else { 0 })
    })
}

/// A section with the right length and checksum around `body`, which begins with the protocol version.
#[cfg(test)]
pub fn sealed(body: &[u8]) -> Vec<u8> {
    let length = body.len() + CRC_BYTES;
    let mut section = vec![TABLE_ID, 0x30 | (length >> 8) as u8, length as u8];
    section.extend_from_slice(body);
    let crc = crc32(&section);
    section.extend_from_slice(&crc.to_be_bytes());
    section
}
