//! A file of media as it is kept and sent: its bytes in one piece, or in several, of which other files may have some, too.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

/// See the module. A clone shares all pieces.
#[derive(Clone, Debug, Default)]
pub struct Packaged {
    /// One after the other; none is empty.
    pieces: Arc<[Bytes]>,
    bytes: usize,
}

impl Packaged {
    /// Of `pieces`, which follow each other.
    pub fn of(pieces: impl IntoIterator<Item = Bytes>) -> Self {
        let pieces: Arc<[Bytes]> = pieces.into_iter().filter(|piece| !piece.is_empty()).collect();
        let bytes = pieces.iter().map(Bytes::len).sum();
        Self { pieces, bytes }
    }

    /// In bytes.
    pub fn len(&self) -> usize {
        self.bytes
    }

    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    pub fn pieces(&self) -> &[Bytes] {
        &self.pieces
    }

    /// Bytes `range` of it, as far as it has them. Nothing is copied.
    pub fn slice(&self, range: Range<usize>) -> Self {
        let mut begins = 0;
        Self::of(self.pieces.iter().map(|piece| {
            let within = |at: usize| at.saturating_sub(begins).min(piece.len());
            let (from, to) = (within(range.start), within(range.end));
            begins += piece.len();
            piece.slice(from..to.max(from))
        }))
    }

    /// All of it in one piece: a copy where there are several.
    pub fn whole(&self) -> Bytes {
        match &*self.pieces {
            [] => Bytes::new(),
            [one] => one.clone(),
            several => several.concat().into(),
        }
    }
}

impl From<Bytes> for Packaged {
    fn from(bytes: Bytes) -> Self {
        Self::of([bytes])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_pieces_is_that_of_the_whole() {
        let file = Packaged::of(["abc", "", "de", "fghi"].map(Bytes::from));
        assert_eq!((file.pieces().len(), file.len(), file.is_empty()), (3, 9, false));
        let whole = file.whole();
        assert_eq!(whole, "abcdefghi");
        for from in 0..=9 {
            for to in from..=9 {
                let part = file.slice(from..to);
                assert_eq!((part.whole(), part.len()), (whole.slice(from..to), to - from));
                assert!(part.pieces().iter().all(|piece| !piece.is_empty()));
            }
        }
        assert_eq!(file.slice(7..90).whole(), "hi");
        // Where they lie: nothing was copied.
        assert_eq!(file.slice(3..5).pieces()[0].as_ptr(), file.pieces()[1].as_ptr());
    }

    #[test]
    fn one_piece_is_the_whole() {
        let bytes = Bytes::from(vec![1, 2, 3]);
        let file = Packaged::from(bytes.clone());
        assert_eq!(file.whole().as_ptr(), bytes.as_ptr());
        let nothing = Packaged::from(Bytes::new());
        assert!(nothing.is_empty() && nothing.pieces().is_empty() && nothing.whole().is_empty());
    }
}
