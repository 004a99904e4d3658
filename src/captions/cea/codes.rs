//! Codes of a DTVCC service, out of its bytes (CTA-708-E, 7.1).

use cea708_types::tables::{Code, Ext1};

/// The code that `bytes` begin with, and its length; `None` while not all of it is here.
///
/// The tables are the crate's. Lengths are known here, so that a code whose rest comes with the next block is not lost, and nothing depends on
/// how the crate takes what is cut short.
pub(super) fn next(bytes: &[u8]) -> Option<(Code, usize)> {
    let length = length_of(bytes)?;
    let code = bytes.get(..length)?;
    let known = match code {
        // The crate has no reading for it.
        [0x8d, tenths] => Some(Code::Delay(*tenths)),
        code => Code::from_data(code).ok().and_then(|codes| codes.into_iter().next()),
    };
    Some((known.unwrap_or(Code::NUL), length))
}

/// How many bytes the code takes (CTA-708-E, 7.1: the ranges of C0, C1, C2 and C3).
fn length_of(bytes: &[u8]) -> Option<usize> {
    Some(match bytes.first()? {
        0x10 => {
            1 + match bytes.get(1)? {
                0x08..=0x0f => 2,
                0x10..=0x17 => 3,
                0x18..=0x1f => 4,
                0x80..=0x87 => 5,
                0x88..=0x8f => 6,
                // A header byte with the number of bytes that follow it.
                0x90..=0x9f => 2 + usize::from(bytes.get(2)? & 0x1f),
                _ => 1,
            }
        }
        0x11..=0x17 | 0x88..=0x8d => 2,
        0x18..=0x1f | 0x90 | 0x92 => 3,
        0x91 => 4,
        0x97 => 5,
        0x98..=0x9f => 7,
        _ => 1,
    })
}

/// What a code of the sets G0 to G3 prints. One of G2 or G3 that is not known prints an underscore (CTA-708-E, 7.1).
pub(super) fn char_of(code: &Code) -> Option<char> {
    match code {
        Code::P16(number) => char::from_u32(u32::from(*number)),
        Code::Ext1(ext) => match ext {
            Ext1::TransparentSpace => Some(' '),
            Ext1::NonBreakingTransparentSpace => Some('\u{a0}'),
            Ext1::SolidDot => Some('•'),
            Ext1::VerticalBorder => Some('│'),
            Ext1::UpperRightBorder => Some('┐'),
            Ext1::LowerLeftBorder => Some('└'),
            Ext1::HorizontalBorder => Some('─'),
            Ext1::LowerRightBorder => Some('┘'),
            Ext1::UpperLeftBorder => Some('┌'),
            Ext1::ClosedCaptionSign => Some('㏄'),
            Ext1::Unknown(bytes) => matches!(bytes.first(), Some(0x20..=0x7f | 0xa0..=0xff)).then_some('_'),
            _ => code.char(),
        },
        code => code.char(),
    }
}
