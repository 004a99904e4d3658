//! The CABAC encoder (9.3.4), and as much of a decoder (9.3.3.2) as flags need.

/// How likely a bin is what it mostly is (9.3.1.1).
#[derive(Clone, Copy, Debug)]
pub(super) struct Context {
    /// `pStateIdx`, at most 62.
    state: usize,
    /// `valMPS`.
    likely: bool,
}

impl Context {
    /// As m and n make it at the beginning of a slice.
    pub(super) fn new((m, n): (i8, i8), slice_qp: i32) -> Self {
        let state = ((i32::from(m) * slice_qp.clamp(0, 51)) >> 4) + i32::from(n);
        let state = state.clamp(1, 126).unsigned_abs() as usize;
        if state < 64 { Self { state: 63 - state, likely: false } } else { Self { state: state - 64, likely: true } }
    }
}

/// The arithmetic encoder and the bytes it has written.
#[derive(Clone, Debug)]
pub(super) struct Encoder {
    /// `codILow`.
    low: u32,
    /// `codIRange`.
    range: u32,
    /// `firstBitFlag`: the first bit is always 0 and not sent.
    at_first_bit: bool,
    /// `bitsOutstanding`: bits that are the opposite of the next that is known.
    outstanding: u32,
    bytes: Vec<u8>,
    /// The value of the last bit written in its byte; 1 if the byte is full.
    mask: u8,
}

impl Encoder {
    pub(super) const fn new() -> Self {
        Self { low: 0, range: 510, at_first_bit: true, outstanding: 0, bytes: Vec::new(), mask: 1 }
    }

    /// `EncodeDecision` (9.3.4.2).
    pub(super) fn decision(&mut self, context: &mut Context, bin: bool) {
        let quarter = (self.range >> 6 & 3) as usize;
        let unlikely = u32::from(RANGE_TAB_LPS[4 * context.state + quarter]);
        self.range -= unlikely;
        if bin == context.likely {
            context.state = (context.state + 1).min(62);
        } else {
            self.low += self.range;
            self.range = unlikely;
            context.likely ^= context.state == 0;
            context.state = usize::from(TRANS_IDX_LPS[context.state]);
        }
        self.renormalize();
    }

    /// `EncodeBypass` (9.3.4.4).
    pub(super) fn bypass(&mut self, bin: bool) {
        self.low <<= 1;
        if bin {
            self.low += self.range;
        }
        if self.low >= 1024 {
            self.low -= 1024;
            self.put(true);
        } else if self.low < 512 {
            self.put(false);
        } else {
            self.low -= 512;
            self.outstanding += 1;
        }
    }

    /// `coeff_abs_level_minus1`: UEG0 with uCoff 14 (9.3.2.3). `first` is the first bin's context.
    pub(super) fn level(&mut self, first: &mut Context, others: &mut Context, value: u32) {
        const PREFIX: u32 = 14;
        for bin in 0..PREFIX.min(value + 1) {
            self.decision(if bin == 0 { first } else { others }, bin < value);
        }
        let Some(suffix) = value.checked_sub(PREFIX) else { return };
        // Exp-Golomb of order 0: as many ones as bits follow the zero.
        let bits = (suffix + 1).ilog2();
        for _ in 0..bits {
            self.bypass(true);
        }
        self.bypass(false);
        for bit in (0..bits).rev() {
            self.bypass((suffix + 1) >> bit & 1 == 1);
        }
    }

    /// A terminating bin 0 (9.3.4.5): `end_of_slice_flag`, or that an `mb_type` is not `I_PCM`.
    pub(super) fn terminate(&mut self) {
        self.range -= 2;
        self.renormalize();
    }

    /// `end_of_slice_flag` 1 and `EncodeFlush` (9.3.4.5), whose last bit is `rbsp_stop_one_bit`; zeros fill its byte.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.low += self.range - 2;
        self.range = 2;
        self.renormalize();
        self.put(self.low >> 9 & 1 == 1);
        self.write(self.low >> 8 & 1 == 1);
        self.write(true);
        self.bytes
    }

    /// `RenormE` (9.3.4.3).
    fn renormalize(&mut self) {
        while self.range < 256 {
            if self.low < 256 {
                self.put(false);
            } else if self.low >= 512 {
                self.low -= 512;
                self.put(true);
            } else {
                self.low -= 256;
                self.outstanding += 1;
            }
            self.range <<= 1;
            self.low <<= 1;
        }
    }

    /// `PutBit` (9.3.4.3).
    fn put(&mut self, bit: bool) {
        if self.at_first_bit {
            self.at_first_bit = false;
        } else {
            self.write(bit);
        }
        for _ in 0..std::mem::take(&mut self.outstanding) {
            self.write(!bit);
        }
    }

    fn write(&mut self, bit: bool) {
        self.mask = self.mask.rotate_right(1);
        if self.mask == 0x80 {
            self.bytes.push(0);
        }
        if bit && let Some(last) = self.bytes.last_mut() {
            *last |= self.mask;
        }
    }
}

/// The arithmetic decoder. Bits that slice data lacks are zeros: whoever asks sees where it ends.
#[derive(Debug)]
pub(super) struct Decoder<I> {
    /// `codIRange`.
    range: u32,
    /// `codIOffset`.
    offset: u32,
    bytes: I,
    byte: u8,
    /// Bits of `byte` that are not read yet.
    left: u32,
}

impl<I: Iterator<Item = u8>> Decoder<I> {
    pub(super) fn new(bytes: I) -> Self {
        let mut decoder = Self { range: 510, offset: 0, bytes, byte: 0, left: 0 };
        for _ in 0..9 {
            decoder.shift();
        }
        decoder
    }

    /// `DecodeDecision` (9.3.3.2.1).
    pub(super) fn decision(&mut self, context: &mut Context) -> bool {
        let quarter = (self.range >> 6 & 3) as usize;
        let unlikely = u32::from(RANGE_TAB_LPS[4 * context.state + quarter]);
        self.range -= unlikely;
        let bin = if self.offset < self.range {
            context.state = (context.state + 1).min(62);
            context.likely
        } else {
            self.offset -= self.range;
            self.range = unlikely;
            let bin = !context.likely;
            context.likely ^= context.state == 0;
            context.state = usize::from(TRANS_IDX_LPS[context.state]);
            bin
        };
        self.renormalize();
        bin
    }

    /// `DecodeTerminate` (9.3.3.2.2.3).
    pub(super) fn terminate(&mut self) -> bool {
        self.range -= 2;
        if self.offset >= self.range {
            return true;
        }
        self.renormalize();
        false
    }

    fn renormalize(&mut self) {
        while self.range < 256 {
            self.range <<= 1;
            self.shift();
        }
    }

    fn shift(&mut self) {
        if self.left == 0 {
            self.byte = self.bytes.next().unwrap_or(0);
            self.left = 8;
        }
        self.left -= 1;
        self.offset = self.offset << 1 | u32::from(self.byte >> self.left & 1);
    }
}

/// `rangeTabLPS` (table 9-44): the four ranges of each `pStateIdx`.
const RANGE_TAB_LPS: [u8; 4 * 63] = [
    128, 176, 208, 240, 128, 167, 197, 227, 128, 158, 187, 216, 123, 150, 178, 205, 116, 142, 169, 195, 111, 135, 160,
    185, 105, 128, 152, 175, 100, 122, 144, 166, 95, 116, 137, 158, 90, 110, 130, 150, 85, 104, 123, 142, 81, 99, 117,
    135, 77, 94, 111, 128, 73, 89, 105, 122, 69, 85, 100, 116, 66, 80, 95, 110, 62, 76, 90, 104, 59, 72, 86, 99, 56,
    69, 81, 94, 53, 65, 77, 89, 51, 62, 73, 85, 48, 59, 69, 80, 46, 56, 66, 76, 43, 53, 63, 72, 41, 50, 59, 69, 39, 48,
    56, 65, 37, 45, 54, 62, 35, 43, 51, 59, 33, 41, 48, 56, 32, 39, 46, 53, 30, 37, 43, 50, 29, 35, 41, 48, 27, 33, 39,
    45, 26, 31, 37, 43, 24, 30, 35, 41, 23, 28, 33, 39, 22, 27, 32, 37, 21, 26, 30, 35, 20, 24, 29, 33, 19, 23, 27, 31,
    18, 22, 26, 30, 17, 21, 25, 28, 16, 20, 23, 27, 15, 19, 22, 25, 14, 18, 21, 24, 14, 17, 20, 23, 13, 16, 19, 22, 12,
    15, 18, 21, 12, 14, 17, 20, 11, 14, 16, 19, 11, 13, 15, 18, 10, 12, 15, 17, 10, 12, 14, 16, 9, 11, 13, 15, 9, 11,
    12, 14, 8, 10, 12, 14, 8, 9, 11, 13, 7, 9, 11, 12, 7, 9, 10, 12, 7, 8, 10, 11, 6, 8, 9, 11, 6, 7, 9, 10, 6, 7, 8,
    9,
];

/// `transIdxLPS` (table 9-45).
const TRANS_IDX_LPS: [u8; 63] = [
    0, 0, 1, 2, 2, 4, 4, 5, 6, 7, 8, 9, 9, 11, 11, 12, 13, 13, 15, 15, 16, 16, 18, 18, 19, 19, 21, 21, 22, 22, 23, 24,
    24, 25, 26, 26, 27, 27, 28, 29, 29, 30, 30, 30, 31, 32, 32, 33, 33, 33, 34, 34, 35, 35, 35, 36, 36, 36, 37, 37, 37,
    38, 38,
];
