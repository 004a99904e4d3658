//! The pattern of pictures within a segment: which are coded from which, and in what order.

use std::ops::Range;
use std::sync::Arc;

/// B pictures between two reference pictures.
pub const B_PICTURES: u32 = 2;

/// What a picture is coded from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PictureKind {
    /// Nothing: the segment's first.
    Idr,
    /// The reference picture before it.
    P,
    /// The reference pictures on both sides; nothing is coded from it.
    B,
}

/// A picture of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GopPicture {
    /// Its frame, counted from the segment's first: the order of showing.
    pub shown: u32,
    pub kind: PictureKind,
    /// Reference pictures of the segment before it in the order of coding: `frame_num`, before it wraps (ITU-T H.264, 7.4.3).
    pub references: u32,
}

/// The one pattern of all encoders: a segment is closed, opens with its only IDR picture and ends with a reference picture; between
/// reference pictures stand [`B_PICTURES`], fewer before the last one. All tiles and canvases of a segment number agree in it picture by
/// picture, which is what lets their slices stand side by side.
///
/// Or a run of its pictures, as a part of the segment has them.
#[derive(Clone, Debug)]
pub struct Gop {
    /// Of the whole segment, in the order of coding.
    pictures: Arc<[GopPicture]>,
    run: Range<usize>,
}

impl PartialEq for Gop {
    fn eq(&self, other: &Self) -> bool {
        self.pictures() == other.pictures()
    }
}

impl Eq for Gop {}

impl Gop {
    pub(super) fn new(segment_frames: u32) -> Self {
        let mut pictures = vec![GopPicture { shown: 0, kind: PictureKind::Idr, references: 0 }];
        let (mut before, mut references) = (0, 1);
        while before + 1 < segment_frames {
            let next = (before + 1 + B_PICTURES).min(segment_frames - 1);
            pictures.push(GopPicture { shown: next, kind: PictureKind::P, references });
            references += 1;
            pictures.extend((before + 1..next).map(|shown| GopPicture { shown, kind: PictureKind::B, references }));
            before = next;
        }
        Self { run: 0..pictures.len(), pictures: pictures.into() }
    }

    /// In the order of coding.
    pub fn pictures(&self) -> &[GopPicture] {
        &self.pictures[self.run.clone()]
    }

    /// The pictures `run` of these, counted in the order of coding; those that there are none of are left out.
    pub fn run(&self, run: Range<usize>) -> Self {
        let (start, end) = (self.run.start + run.start, self.run.start + run.end);
        let start = start.min(self.run.end);
        Self { pictures: self.pictures.clone(), run: start..end.clamp(start, self.run.end) }
    }

    /// What the picture of frame `shown` of a segment of `segment_frames` is.
    pub const fn kind_of(shown: u32, segment_frames: u32) -> PictureKind {
        match shown {
            0 => PictureKind::Idr,
            _ if shown + 1 >= segment_frames || shown.is_multiple_of(B_PICTURES + 1) => PictureKind::P,
            _ => PictureKind::B,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn two_b_pictures_stand_between_reference_pictures() {
        let order: Vec<_> = Gop::new(6).pictures().iter().map(|p| (p.shown, p.kind, p.references)).collect();
        use PictureKind::{B, Idr, P};
        assert_eq!(order, [(0, Idr, 0), (3, P, 1), (1, B, 2), (2, B, 2), (5, P, 2), (4, B, 3)]);
        assert_eq!(Gop::new(1).pictures().len(), 1);
    }

    #[test]
    fn a_run_of_pictures_is_a_pattern_too() {
        let gop = Gop::new(6);
        let run = gop.run(2..5);
        assert_eq!(run.pictures(), &gop.pictures()[2..5]);
        assert_eq!(run.run(1..99).pictures(), &gop.pictures()[3..5]);
        assert_eq!(gop.run(0..6), gop);
        assert!(gop.run(9..12).pictures().is_empty());
    }

    proptest! {
        #[test]
        fn every_picture_comes_once_and_after_what_it_is_coded_from(frames in 1u32..400) {
            let gop = Gop::new(frames);
            let mut shown: Vec<u32> = gop.pictures().iter().map(|p| p.shown).collect();
            let mut coded = Vec::new();
            for picture in gop.pictures() {
                prop_assert_eq!(picture.kind, Gop::kind_of(picture.shown, frames));
                let before = coded.iter().filter(|p: &&GopPicture| p.kind != PictureKind::B).count();
                prop_assert_eq!(picture.references as usize, before);
                if picture.kind == PictureKind::B {
                    let refs = || coded.iter().filter(|p| p.kind != PictureKind::B).map(|p| p.shown);
                    prop_assert!(refs().any(|r| r < picture.shown) && refs().any(|r| r > picture.shown));
                }
                coded.push(*picture);
            }
            prop_assert!(gop.pictures().iter().all(|p| p.shown + 1 < frames || p.kind != PictureKind::B));
            shown.sort_unstable();
            prop_assert_eq!(shown, (0..frames).collect::<Vec<_>>());
        }
    }
}
