//! What a segment is known by elsewhere (ANSI/SCTE 35 2023, 10.3.3.1, table 22).

use std::fmt;

/// segmentation_upid. Its text is the identifier as its own register writes it, where that is known; else hex.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Upid {
    None,
    /// One of one kind.
    One {
        kind: u8,
        bytes: Vec<u8>,
    },
    /// Managed private UPID (table 25).
    Mpu {
        format: [u8; 4],
        private: Vec<u8>,
    },
    /// Several.
    Mid(Vec<Upid>),
}

const MPU: u8 = 0x0c;
const MID: u8 = 0x0d;

impl Upid {
    /// Nothing is lost: what does not add up is kept as it stands.
    pub(super) fn read(kind: u8, bytes: &[u8]) -> Self {
        match kind {
            MID => list(bytes).map_or_else(|| Self::one(kind, bytes), Self::Mid),
            _ => Self::single(kind, bytes),
        }
    }

    fn single(kind: u8, bytes: &[u8]) -> Self {
        match (kind, bytes) {
            (0, []) => Self::None,
            (MPU, [a, b, c, d, private @ ..]) => Self::Mpu { format: [*a, *b, *c, *d], private: private.to_vec() },
            _ => Self::one(kind, bytes),
        }
    }

    fn one(kind: u8, bytes: &[u8]) -> Self {
        Self::One { kind, bytes: bytes.to_vec() }
    }

    /// segmentation_upid_type.
    pub fn kind(&self) -> u8 {
        match self {
            Self::None => 0,
            Self::One { kind, .. } => *kind,
            Self::Mpu { .. } => MPU,
            Self::Mid(_) => MID,
        }
    }

    /// What the kind is called.
    pub fn kind_name(&self) -> &'static str {
        match self.kind() {
            0x00 => "none",
            0x01 => "user-defined",
            0x02 => "ISCI",
            0x03 => "Ad-ID",
            0x04 => "UMID",
            0x05 | 0x06 => "ISAN",
            0x07 => "TID",
            0x08 => "TI",
            0x09 => "ADI",
            0x0a => "EIDR",
            0x0b => "ATSC",
            0x0c => "MPU",
            0x0d => "MID",
            0x0e => "ADS",
            0x0f => "URI",
            0x10 => "UUID",
            0x11 => "SCR",
            _ => "reserved",
        }
    }
}

/// The members of a MID. One within another is not looked into: nobody sends it, and depth would have no end.
fn list(mut bytes: &[u8]) -> Option<Vec<Upid>> {
    let mut members = Vec::new();
    while let [kind, length, rest @ ..] = bytes {
        let (member, behind) = rest.split_at_checked(usize::from(*length))?;
        members.push(Upid::single(*kind, member));
        bytes = behind;
    }
    bytes.is_empty().then_some(members)
}

impl fmt::Display for Upid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => Ok(()),
            Self::One { kind: 0x0a, bytes } if bytes.len() == 12 => write_eidr(f, bytes),
            Self::One { kind: 0x10, bytes } if bytes.len() == 16 => write_uuid(f, bytes),
            Self::One { kind: 0x01..=0x03 | 0x07 | 0x09 | 0x0e | 0x0f | 0x11, bytes } if is_text(bytes) => {
                bytes.iter().try_for_each(|byte| write!(f, "{}", char::from(*byte)))
            }
            Self::One { bytes, .. } => write!(f, "0x{}", hex::encode(bytes)),
            Self::Mpu { format, private } if is_text(format) => {
                write!(f, "{}:0x{}", String::from_utf8_lossy(format), hex::encode(private))
            }
            Self::Mpu { format, private } => write!(f, "0x{}:0x{}", hex::encode(format), hex::encode(private)),
            Self::Mid(members) => {
                for (i, member) in members.iter().enumerate() {
                    let blank = if i == 0 { "" } else { " " };
                    write!(f, "{blank}{}={member}", member.kind_name())?;
                }
                Ok(())
            }
        }
    }
}

fn is_text(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ')
}

/// The canonical form of compact binary EIDR (SMPTE ST 2079): prefix, five groups of four digits, check character.
fn write_eidr(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    write!(f, "10.{}/", u16::from_be_bytes([bytes[0], bytes[1]]))?;
    for pair in bytes[2..].chunks_exact(2) {
        write!(f, "{:02X}{:02X}-", pair[0], pair[1])?;
    }
    // ISO/IEC 7064, MOD 37,36, over the digits behind the prefix.
    let mut product = 36;
    for digit in bytes[2..].iter().flat_map(|byte| [byte >> 4, byte & 15]) {
        let sum = (product + u32::from(digit)) % 36;
        product = if sum == 0 { 36 } else { sum } * 2 % 37;
    }
    let check = (37 - product) % 36;
    write!(f, "{}", char::from_digit(check, 36).unwrap_or('?').to_ascii_uppercase())
}

fn write_uuid(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    for (i, byte) in bytes.iter().enumerate() {
        let dash = if matches!(i, 4 | 6 | 8 | 10) { "-" } else { "" };
        write!(f, "{dash}{byte:02x}")?;
    }
    Ok(())
}
