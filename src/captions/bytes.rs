//! The byte form of text units: in memory, on disk, in object storage and between machines the same.

use super::{
    Align, Cue, Line, LineAlign, LinePosition, Percent, Placement, PositionAlign, Rgba, Style, Text, Told, Writing,
};
use crate::timeline::MediaTime;

/// The cues of a text track that stand in one part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TextBlock {
    pub cues: Vec<Cue>,
}

/// Why bytes are no block of text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextBlockError {
    #[error("the bytes of a block of text end too soon")]
    Ended,
    #[error("the bytes of a block of text go on after its end")]
    Trailing,
    #[error("these are no bytes of a block of text")]
    NoBlock,
    #[error("a block of text of version {0}, which is not known here")]
    Version(u8),
    #[error("the bytes of a block of text are damaged")]
    Damaged,
    #[error("a block of text whose {0} is none")]
    Value(&'static str),
}

const MAGIC: &[u8; 4] = b"QTXT";
const VERSION: u8 = 1;
/// Where a cue has no end yet.
const OPEN: u64 = u64::MAX;

/// Bounds of what is written; the rest is left out. No source comes near: a screen of captions has 15 lines of 42 characters.
const MAX_CUES: usize = 4096;
const MAX_LINES: usize = 64;
const MAX_SPANS: usize = 1024;
const MAX_SPAN_BYTES: usize = 4096;

const ITALIC: u8 = 1;
const BOLD: u8 = 2;
const UNDERLINE: u8 = 4;
const COLOUR: u8 = 8;
const BACKGROUND: u8 = 16;

impl TextBlock {
    /// Numbers are big-endian:
    ///
    /// ```text
    /// "QTXT", version (8 bits), number of cues (16), cues, CRC-32 of all that (32)
    /// cue:       start, end (64 each, nanoseconds since the media epoch, all ones where it is open), told (8), text
    /// text:      placement, number of lines (8), of each: number of spans (16), of each: style, length (16), UTF-8
    /// placement: line (8: 0 none, 1 row, 2 percent; then 16), line's edge (8), position (16, all ones for none), its edge (8), size (16),
    ///            align (8), writing (8)
    /// style:     what follows and holds (8), colour (32), background (32)
    /// ```
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.push(VERSION);
        let cues = &self.cues[..self.cues.len().min(MAX_CUES)];
        out.extend_from_slice(&(cues.len() as u16).to_be_bytes());
        for cue in cues {
            out.extend_from_slice(&cue.start.as_nanos().to_be_bytes());
            out.extend_from_slice(&cue.end.map_or(OPEN, MediaTime::as_nanos).to_be_bytes());
            out.push(u8::from(cue.told == Told::AsItGoes));
            write_text(&mut out, &cue.text);
        }
        let sum = crc32fast::hash(&out);
        out.extend_from_slice(&sum.to_be_bytes());
        out
    }

    /// Memory it takes, give or take.
    pub fn bytes(&self) -> usize {
        let lines = self.cues.iter().flat_map(|cue| &cue.text.lines);
        let spans = lines.flat_map(|line| line.spans()).map(|span| span.text.len() + size_of_val(span));
        spans.sum::<usize>() + self.cues.len() * size_of::<Cue>()
    }

    /// The block that [`TextBlock::to_bytes`] wrote.
    ///
    /// # Errors
    /// Whatever makes it another one than was written: of any block there is one byte form.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, TextBlockError> {
        let mut fields = Fields(bytes);
        if fields.array::<4>()? != *MAGIC {
            return Err(TextBlockError::NoBlock);
        }
        let version = fields.u8()?;
        if version != VERSION {
            return Err(TextBlockError::Version(version));
        }
        let Some((body, sum)) = bytes.split_last_chunk::<4>() else { return Err(TextBlockError::Ended) };
        if crc32fast::hash(body) != u32::from_be_bytes(*sum) {
            return Err(TextBlockError::Damaged);
        }
        let Some(rest) = body.get(MAGIC.len() + 1..) else { return Err(TextBlockError::Ended) };
        fields.0 = rest;
        let count = usize::from(fields.u16()?);
        if count > MAX_CUES {
            return Err(TextBlockError::Value("number of cues"));
        }
        // Nothing is set aside for what the bytes only claim to hold.
        let cues = (0..count).map(|_| fields.cue()).collect::<Result<_, _>>()?;
        if fields.0.is_empty() { Ok(Self { cues }) } else { Err(TextBlockError::Trailing) }
    }
}

/// One text, as [`TextBlock::to_bytes`] has it.
pub(super) fn write_text(out: &mut Vec<u8>, text: &Text) {
    let Placement { line, line_align, position, position_align, size, align, writing } = text.placement;
    let (kind, value) = match line {
        LinePosition::Auto => (0, 0),
        LinePosition::Row(row) => (1, row as u16),
        LinePosition::At(percent) => (2, percent.hundredths()),
    };
    out.push(kind);
    out.extend_from_slice(&value.to_be_bytes());
    out.push(line_align as u8);
    out.extend_from_slice(&position.map_or(u16::MAX, Percent::hundredths).to_be_bytes());
    out.push(position_align as u8);
    out.extend_from_slice(&size.hundredths().to_be_bytes());
    out.push(align as u8);
    out.push(writing as u8);
    let lines = &text.lines[..text.lines.len().min(MAX_LINES)];
    out.push(lines.len() as u8);
    for line in lines {
        let spans = &line.spans()[..line.spans().len().min(MAX_SPANS)];
        out.extend_from_slice(&(spans.len() as u16).to_be_bytes());
        for span in spans {
            write_style(out, &span.style);
            let text = span.text.get(..span.text.floor_char_boundary(MAX_SPAN_BYTES)).unwrap_or_default();
            out.extend_from_slice(&(text.len() as u16).to_be_bytes());
            out.extend_from_slice(text.as_bytes());
        }
    }
}

fn write_style(out: &mut Vec<u8>, style: &Style) {
    let bit = |is: bool, bit: u8| if is { bit } else { 0 };
    out.push(
        bit(style.italic, ITALIC)
            | bit(style.bold, BOLD)
            | bit(style.underline, UNDERLINE)
            | bit(style.colour.is_some(), COLOUR)
            | bit(style.background.is_some(), BACKGROUND),
    );
    for Rgba { r, g, b, a } in [style.colour, style.background].into_iter().flatten() {
        out.extend_from_slice(&[r, g, b, a]);
    }
}

/// Fields of a block, one after the other.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, bytes: usize) -> Result<&'a [u8], TextBlockError> {
        let (taken, rest) = self.0.split_at_checked(bytes).ok_or(TextBlockError::Ended)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], TextBlockError> {
        let (array, rest) = self.0.split_first_chunk::<N>().ok_or(TextBlockError::Ended)?;
        self.0 = rest;
        Ok(*array)
    }

    fn u8(&mut self) -> Result<u8, TextBlockError> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Result<u16, TextBlockError> {
        self.array().map(u16::from_be_bytes)
    }

    fn u64(&mut self) -> Result<u64, TextBlockError> {
        self.array().map(u64::from_be_bytes)
    }

    /// One of `values`, by its number.
    fn one_of<T: Copy>(&mut self, values: &[T], what: &'static str) -> Result<T, TextBlockError> {
        values.get(usize::from(self.u8()?)).copied().ok_or(TextBlockError::Value(what))
    }

    fn percent(value: u16, what: &'static str) -> Result<Percent, TextBlockError> {
        if value <= Percent::WHOLE.hundredths() { Ok(Percent::new(value)) } else { Err(TextBlockError::Value(what)) }
    }

    fn cue(&mut self) -> Result<Cue, TextBlockError> {
        let (start, end) = (self.u64()?, self.u64()?);
        if end <= start {
            return Err(TextBlockError::Value("end of a cue"));
        }
        let end = (end != OPEN).then(|| MediaTime::from_nanos(end));
        let told = self.one_of(&[Told::Whole, Told::AsItGoes], "way of telling")?;
        Ok(Cue { start: MediaTime::from_nanos(start), end, told, text: self.text()? })
    }

    fn text(&mut self) -> Result<Text, TextBlockError> {
        let placement = self.placement()?;
        let lines = usize::from(self.u8()?);
        if lines > MAX_LINES {
            return Err(TextBlockError::Value("number of lines"));
        }
        let lines = (0..lines).map(|_| self.line()).collect::<Result<_, _>>()?;
        Ok(Text { placement, lines })
    }

    fn placement(&mut self) -> Result<Placement, TextBlockError> {
        let (kind, value) = (self.u8()?, self.u16()?);
        let line = match (kind, value) {
            (0, 0) => LinePosition::Auto,
            (1, row) => LinePosition::Row(row as i16),
            (2, percent) => LinePosition::At(Self::percent(percent, "line")?),
            _ => return Err(TextBlockError::Value("line")),
        };
        let line_align = self.one_of(&[LineAlign::Start, LineAlign::Center, LineAlign::End], "edge of a line")?;
        let position = match self.u16()? {
            u16::MAX => None,
            position => Some(Self::percent(position, "position")?),
        };
        let edges = [PositionAlign::Auto, PositionAlign::LineLeft, PositionAlign::Center, PositionAlign::LineRight];
        let position_align = self.one_of(&edges, "edge of a position")?;
        let size = Self::percent(self.u16()?, "size")?;
        let aligns = [Align::Start, Align::Center, Align::End, Align::Left, Align::Right];
        let align = self.one_of(&aligns, "alignment")?;
        let writings = [Writing::Horizontal, Writing::VerticalRightToLeft, Writing::VerticalLeftToRight];
        let writing = self.one_of(&writings, "way of writing")?;
        Ok(Placement { line, line_align, position, position_align, size, align, writing })
    }

    fn line(&mut self) -> Result<Line, TextBlockError> {
        let count = usize::from(self.u16()?);
        if count > MAX_SPANS {
            return Err(TextBlockError::Value("number of spans"));
        }
        let mut line = Line::default();
        for n in 0..count {
            let style = self.style()?;
            let length = usize::from(self.u16()?);
            let text = str::from_utf8(self.take(length)?).map_err(|_| TextBlockError::Value("text"))?;
            line.push(text, style);
            // Spans that would join, are empty or hold controls are not what was written.
            let is_as_written =
                line.spans().len() == n + 1 && line.spans().last().is_some_and(|span| span.text == text);
            if length > MAX_SPAN_BYTES || !is_as_written {
                return Err(TextBlockError::Value("span"));
            }
        }
        Ok(line)
    }

    fn style(&mut self) -> Result<Style, TextBlockError> {
        let bits = self.u8()?;
        if bits >= BACKGROUND << 1 {
            return Err(TextBlockError::Value("style"));
        }
        let has = |bit: u8| bits & bit != 0;
        let mut colour = |has: bool| -> Result<Option<Rgba>, TextBlockError> {
            if !has {
                return Ok(None);
            }
            self.array().map(|[r, g, b, a]| Some(Rgba { r, g, b, a }))
        };
        let (colour, background) = (colour(has(COLOUR))?, colour(has(BACKGROUND))?);
        Ok(Style { italic: has(ITALIC), bold: has(BOLD), underline: has(UNDERLINE), colour, background })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::captions::webvtt::tests::cue;

    fn block() -> impl Strategy<Value = TextBlock> {
        let cue = (cue(), any::<bool>()).prop_map(|(cue, open)| Cue { end: cue.end.filter(|_| !open), ..cue });
        prop::collection::vec(cue, 0..4).prop_map(|cues| TextBlock { cues })
    }

    fn with_sum(mut bytes: Vec<u8>) -> Vec<u8> {
        bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
        bytes
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(block in block()) {
            prop_assert_eq!(TextBlock::from_bytes(&block.to_bytes()), Ok(block));
        }

        #[test]
        fn what_was_changed_on_its_way_is_refused(block in block(), cut in any::<usize>(), flipped in any::<usize>(), bit in 0u32..8) {
            let mut bytes = block.to_bytes();
            prop_assert!(TextBlock::from_bytes(&bytes[..cut % bytes.len()]).is_err());
            let flipped = flipped % bytes.len();
            bytes[flipped] ^= 1 << bit;
            prop_assert!(TextBlock::from_bytes(&bytes).is_err());
        }

        /// What has a right sum may still be nonsense.
        #[test]
        fn whatever_has_a_right_sum_is_a_block_or_an_error(block in block(), at in any::<usize>(), byte in any::<u8>(), tail in prop::collection::vec(any::<u8>(), 0..4)) {
            let mut bytes = block.to_bytes();
            bytes.truncate(bytes.len() - 4);
            let at = at % bytes.len();
            bytes[at] = byte;
            bytes.extend(tail);
            let bytes = with_sum(bytes);
            if let Ok(block) = TextBlock::from_bytes(&bytes) {
                prop_assert_eq!(block.to_bytes(), bytes);
            }
        }

        #[test]
        fn any_bytes_are_a_block_or_an_error(payload in prop::collection::vec(any::<u8>(), 0..120)) {
            let bytes = with_sum([&MAGIC[..], &[VERSION], &payload].concat());
            if let Ok(block) = TextBlock::from_bytes(&bytes) {
                prop_assert_eq!(block.to_bytes(), bytes);
            }
            let _ = TextBlock::from_bytes(&payload);
        }
    }

    #[test]
    fn other_versions_and_other_files_are_told_apart() {
        let bytes = TextBlock::default().to_bytes();
        let with = |at: usize, byte: u8| {
            let mut other = bytes.clone();
            other[at] = byte;
            TextBlock::from_bytes(&other).unwrap_err()
        };
        assert_eq!(with(0, b'R'), TextBlockError::NoBlock);
        assert_eq!(with(4, 2), TextBlockError::Version(2));
        assert_eq!(with(5, 1), TextBlockError::Damaged);
        assert_eq!(TextBlock::from_bytes(&[]), Err(TextBlockError::Ended));
        assert_eq!(TextBlock::from_bytes(b"QTXT\x01\0\0"), Err(TextBlockError::Damaged));
        assert_eq!(TextBlock::from_bytes(&with_sum(b"QTXT\x01\0\0!".to_vec())), Err(TextBlockError::Trailing));
    }
}
