//! Bits of a section, most significant first (ANSI/SCTE 35 2023, 5.1: uimsbf and bslbf).

use super::ScteError;

/// What is left to read of a section or of a part of one. Every reading names its field, so that an error can.
#[derive(Clone, Debug)]
pub struct Bits<'a> {
    bytes: &'a [u8],
    /// Bits of `bytes` that were read.
    at: usize,
}

impl<'a> Bits<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The next `count` bits, 64 at most.
    pub fn number(&mut self, count: usize, field: &'static str) -> Result<u64, ScteError> {
        debug_assert!(count <= 64);
        let end = self.at + count;
        if end > self.bytes.len() * 8 {
            return Err(ScteError::Short { field });
        }
        let mut value = 0;
        while self.at < end {
            // A byte's rest, or as much of it as is wanted.
            let (offset, left) = (self.at % 8, end - self.at);
            let taken = left.min(8 - offset);
            let byte = u64::from(self.bytes[self.at / 8]);
            value = value << taken | (byte >> (8 - offset - taken) & ((1 << taken) - 1));
            self.at += taken;
        }
        Ok(value)
    }

    pub fn byte(&mut self, field: &'static str) -> Result<u8, ScteError> {
        Ok(self.number(8, field)? as u8)
    }

    pub fn word(&mut self, field: &'static str) -> Result<u32, ScteError> {
        Ok(self.number(32, field)? as u32)
    }

    pub fn flag(&mut self, field: &'static str) -> Result<bool, ScteError> {
        Ok(self.number(1, field)? == 1)
    }

    pub fn skip(&mut self, count: usize) -> Result<(), ScteError> {
        self.number(count, "reserved bits").map(|_| ())
    }

    /// The next `count` bytes. Only between bytes.
    pub fn bytes(&mut self, count: usize, field: &'static str) -> Result<&'a [u8], ScteError> {
        debug_assert!(self.at.is_multiple_of(8));
        let begin = self.at / 8;
        let bytes = self.bytes.get(begin..begin + count).ok_or(ScteError::Short { field })?;
        self.at += count * 8;
        Ok(bytes)
    }

    /// Whole bytes that are left.
    pub fn left(&self) -> usize {
        self.bytes.len() - self.at.div_ceil(8)
    }

    /// All that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        let rest = &self.bytes[self.at.div_ceil(8)..];
        self.at = self.bytes.len() * 8;
        rest
    }
}
