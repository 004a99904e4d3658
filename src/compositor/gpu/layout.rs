//! How a picture lies in a storage buffer: three planes one after another, rows padded to whole fours of samples, which are a word, or two of ten bits.

use std::ops::Range;

use crate::frame::Depth;

/// Words after the last plane: a filter window laid on whole words may reach that far past its samples, unweighted.
const SLACK_WORDS: u32 = 16;

/// Places in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PlaneLayout {
    pub width: u32,
    pub height: u32,
    pub depth: Depth,
    pub offsets: [u32; 3],
    pub strides: [u32; 3],
    /// Of all planes, without what follows them.
    pub words: u32,
}

impl PlaneLayout {
    pub(super) fn new(width: u32, height: u32, depth: Depth) -> Self {
        let words = depth.bytes() as u32;
        let (luma, chroma) = (width.div_ceil(4) * words, (width / 2).div_ceil(4) * words);
        let (luma_words, chroma_words) = (luma * height, chroma * (height / 2));
        Self {
            width,
            height,
            depth,
            offsets: [0, luma_words, luma_words + chroma_words],
            strides: [luma, chroma, chroma],
            words: luma_words + 2 * chroma_words,
        }
    }

    /// Words of a buffer that the scaler may read.
    pub(super) fn buffer_words(&self) -> u32 {
        self.words + SLACK_WORDS
    }

    /// Rows of plane `plane`.
    pub(super) fn rows(&self, plane: usize) -> u32 {
        if plane == 0 { self.height } else { self.height / 2 }
    }

    /// Bytes of plane `plane`.
    pub(super) fn bytes(&self, plane: usize) -> Range<usize> {
        let at = self.offsets[plane] as usize * 4;
        at..at + (self.strides[plane] * self.rows(plane)) as usize * 4
    }
}
