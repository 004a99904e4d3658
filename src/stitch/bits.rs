//! Bits of an RBSP (7.2, 9.1), read through the emulation prevention of a NAL unit and written without.

use super::StitchError;

/// Reads an RBSP from a NAL unit's bytes, header byte included. Emulation-prevention bytes (7.4.1) are passed over.
#[derive(Clone, Copy, Debug)]
pub(super) struct BitReader<'a> {
    nal: &'a [u8],
    /// The next byte of `nal` to take.
    at: usize,
    /// Zero bytes just taken, at most two of them counted.
    zeros: u8,
    byte: u8,
    /// Bits of `byte` that are not read yet.
    left: u32,
    /// RBSP bits read.
    position: u64,
}

impl<'a> BitReader<'a> {
    pub(super) fn new(nal: &'a [u8]) -> Self {
        Self { nal, at: 0, zeros: 0, byte: 0, left: 0, position: 0 }
    }

    /// RBSP bits read so far.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Where in the NAL unit's bytes the next whole byte is taken, if no bits are left of the last one.
    pub(super) fn raw_position(&self) -> usize {
        self.at
    }

    #[inline]
    fn take_byte(&mut self, field: &'static str) -> Result<u8, StitchError> {
        if self.zeros == 2 && self.nal.get(self.at) == Some(&3) {
            self.at += 1;
            self.zeros = 0;
        }
        let Some(&byte) = self.nal.get(self.at) else { return Err(StitchError::Ended { field }) };
        self.at += 1;
        self.zeros = if byte == 0 { (self.zeros + 1).min(2) } else { 0 };
        Ok(byte)
    }

    /// `u(count)`, at most 32 bits.
    #[inline]
    pub(super) fn u(&mut self, count: u32, field: &'static str) -> Result<u32, StitchError> {
        debug_assert!(count <= 32);
        // Most fields are a few bits, and within a byte.
        if count <= self.left {
            self.left -= count;
            self.position += u64::from(count);
            return Ok((u32::from(self.byte) >> self.left) & ((1 << count) - 1));
        }
        let mut value = 0u64;
        let mut wanted = count;
        while wanted > 0 {
            if self.left == 0 {
                self.byte = self.take_byte(field)?;
                self.left = 8;
            }
            let taken = wanted.min(self.left);
            let bits = (u32::from(self.byte) >> (self.left - taken)) & ((1 << taken) - 1);
            value = value << taken | u64::from(bits);
            self.left -= taken;
            wanted -= taken;
            self.position += u64::from(taken);
        }
        Ok(value as u32)
    }

    pub(super) fn flag(&mut self, field: &'static str) -> Result<bool, StitchError> {
        Ok(self.u(1, field)? == 1)
    }

    /// `ue(v)` (9.1), refused above `max`.
    pub(super) fn ue(&mut self, max: u32, field: &'static str) -> Result<u32, StitchError> {
        let mut zeros = 0;
        loop {
            if self.left == 0 {
                self.byte = self.take_byte(field)?;
                self.left = 8;
            }
            // Bits that are read already are shifted out, so that those to come lead.
            let leading = (self.byte << (8 - self.left)).leading_zeros().min(self.left);
            zeros += leading;
            // 32 zeros would begin a number that no field of H.264 can have.
            if zeros >= 32 {
                return Err(StitchError::OutOfRange { field, value: i64::from(u32::MAX), min: 0, max: i64::from(max) });
            }
            let found = leading < self.left;
            let taken = leading + u32::from(found);
            self.left -= taken;
            self.position += u64::from(taken);
            if found {
                break;
            }
        }
        let value = ((1u64 << zeros) - 1 + u64::from(self.u(zeros, field)?)) as u32;
        if value > max {
            return Err(StitchError::OutOfRange { field, value: i64::from(value), min: 0, max: i64::from(max) });
        }
        Ok(value)
    }

    /// `se(v)` (9.1.1), refused outside `min..=max`.
    pub(super) fn se(&mut self, min: i32, max: i32, field: &'static str) -> Result<i32, StitchError> {
        let code = i64::from(self.ue(u32::MAX, field)?);
        let value = if code & 1 == 1 { (code + 1) / 2 } else { -(code / 2) };
        if value < i64::from(min) || value > i64::from(max) {
            return Err(StitchError::OutOfRange { field, value, min: i64::from(min), max: i64::from(max) });
        }
        Ok(value as i32)
    }

    /// Reads `cabac_alignment_one_bit`s (7.3.4) up to the next whole byte.
    pub(super) fn align_with_ones(&mut self) -> Result<(), StitchError> {
        const FIELD: &str = "cabac_alignment_one_bit";
        let left = self.left;
        let bits = self.u(left, FIELD)?;
        if bits != (1 << left) - 1 {
            return Err(StitchError::OutOfRange { field: FIELD, value: 0, min: 1, max: 1 });
        }
        Ok(())
    }

    /// Whether syntax comes before the RBSP's trailing bits (`more_rbsp_data()`, 7.2).
    pub(super) fn more_data(&self) -> bool {
        let mut ahead = *self;
        // The stop bit is the last one that is set: if the next bit is a one with only zeros after it, that is the end.
        ahead.trailing("").is_err()
    }

    /// Reads `rbsp_trailing_bits()` (7.3.2.11), after which the NAL unit must end.
    pub(super) fn trailing(&mut self, what: &'static str) -> Result<(), StitchError> {
        let stop = self.flag("rbsp_stop_one_bit")?;
        let left = self.left;
        if !stop || self.u(left, "rbsp_alignment_zero_bit")? != 0 || self.at != self.nal.len() {
            return Err(StitchError::Trailing { what });
        }
        Ok(())
    }
}

/// Writes an RBSP; emulation prevention is another step ([`super::nal::escape_onto`]).
#[derive(Debug, Default)]
pub(super) struct BitWriter {
    bytes: Vec<u8>,
    /// Bits of the last byte that are not written yet.
    free: u32,
}

impl BitWriter {
    /// Writes over what `bytes` held, to spare an allocation.
    pub(super) fn reusing(mut bytes: Vec<u8>) -> Self {
        bytes.clear();
        Self { bytes, free: 0 }
    }

    /// `u(count)`, at most 32 bits; `value` must fit.
    pub(super) fn u(&mut self, count: u32, value: u32) {
        debug_assert!(count <= 32 && u64::from(value) < 1 << count);
        let mut wanted = count;
        while wanted > 0 {
            if self.free == 0 {
                self.bytes.push(0);
                self.free = 8;
            }
            let taken = wanted.min(self.free);
            let bits = (u64::from(value) >> (wanted - taken)) as u32 & ((1 << taken) - 1);
            if let Some(last) = self.bytes.last_mut() {
                *last |= (bits << (self.free - taken)) as u8;
            }
            self.free -= taken;
            wanted -= taken;
        }
    }

    pub(super) fn flag(&mut self, value: bool) {
        self.u(1, u32::from(value));
    }

    /// `ue(v)`; `value` is below `u32::MAX`, as every value that was read is.
    pub(super) fn ue(&mut self, value: u32) {
        debug_assert!(value < u32::MAX);
        let code = value.saturating_add(1);
        let bits = 32 - code.leading_zeros();
        self.u(bits - 1, 0);
        self.u(bits, code);
    }

    /// `se(v)` (9.1.1).
    pub(super) fn se(&mut self, value: i32) {
        let twice = 2 * value.unsigned_abs();
        self.ue(if value > 0 { twice - 1 } else { twice });
    }

    /// Copies the next `count` bits of `from`.
    pub(super) fn copy(
        &mut self,
        from: &mut BitReader<'_>,
        count: u64,
        field: &'static str,
    ) -> Result<(), StitchError> {
        let mut left = count;
        while left > 0 {
            let taken = left.min(32) as u32;
            self.u(taken, from.u(taken, field)?);
            left -= u64::from(taken);
        }
        Ok(())
    }

    pub(super) fn align_with_ones(&mut self) {
        self.u(self.free, (1 << self.free) - 1);
    }

    pub(super) fn trailing(&mut self) {
        self.u(1, 1);
        self.u(self.free, 0);
    }

    /// The bytes written; the last one is padded with zeros.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}
