//! Rectangle arithmetic: what of a canvas no picture covers.

use crate::frame::Rect;

/// The parts of a `width` x `height` canvas that none of `rects` covers, as rectangles that do not overlap. Even if they are.
pub(super) fn uncovered(width: u32, height: u32, rects: impl Iterator<Item = Rect>) -> Vec<Rect> {
    let mut bare = vec![Rect { x: 0, y: 0, width, height }];
    for rect in rects {
        bare = bare.into_iter().flat_map(|b| without(b, rect)).collect();
    }
    bare
}

/// `a` less `b`: at most four rectangles, above, left, right and below.
fn without(a: Rect, b: Rect) -> Vec<Rect> {
    if !overlap(a, b) {
        return vec![a];
    }
    let (a_right, a_bottom) = (a.x + a.width, a.y + a.height);
    let (top, bottom) = (a.y.max(b.y), a_bottom.min(b.y + b.height));
    let (left, right) = (a.x.max(b.x), a_right.min(b.x + b.width));
    let parts = [
        Rect { x: a.x, y: a.y, width: a.width, height: top - a.y },
        Rect { x: a.x, y: top, width: left - a.x, height: bottom - top },
        Rect { x: right, y: top, width: a_right - right, height: bottom - top },
        Rect { x: a.x, y: bottom, width: a.width, height: a_bottom - bottom },
    ];
    parts.into_iter().filter(|r| r.width > 0 && r.height > 0).collect()
}

/// Whether two rectangles share a pixel.
pub(super) fn overlap(a: Rect, b: Rect) -> bool {
    a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rect(x: u32, y: u32, width: u32, height: u32) -> Rect {
        Rect { x, y, width, height }
    }

    proptest! {
        #[test]
        fn every_pixel_is_covered_or_bare_once(
            rects in proptest::collection::vec((0u32..20, 0u32..20, 1u32..20, 1u32..20), 0..5)
        ) {
            let rects: Vec<_> = rects.into_iter().map(|(x, y, w, h)| rect(x, y, w.min(24 - x), h.min(24 - y))).collect();
            let bare = uncovered(24, 24, rects.iter().copied());
            for y in 0..24 {
                for x in 0..24 {
                    let covered = rects.iter().any(|r| overlap(*r, rect(x, y, 1, 1)));
                    let times = bare.iter().filter(|r| overlap(**r, rect(x, y, 1, 1))).count();
                    prop_assert_eq!(times, usize::from(!covered));
                }
            }
        }
    }
}
