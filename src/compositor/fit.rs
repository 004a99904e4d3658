//! Rectangle arithmetic: fitting a picture into a slot, and what of a canvas no picture covers.

use crate::frame::Rect;

/// The largest rectangle in `slot` that shows a picture of `width` x `height` pixels of shape `pixel_aspect` (width over
/// height) undistorted: centred, all numbers even if the slot's are, at least 2x2. A zero in the aspect means square pixels.
pub fn fit(width: u32, height: u32, pixel_aspect: (u32, u32), slot: Rect) -> Rect {
    let (across, down) = if pixel_aspect.0 == 0 || pixel_aspect.1 == 0 { (1, 1) } else { pixel_aspect };
    // Shape of the picture on the screen. 32-bit factors: their products and the slot's sides stay below 2^96.
    let (wide, high) = (u128::from(width.max(1)) * u128::from(across), u128::from(height.max(1)) * u128::from(down));
    let (slot_wide, slot_high) = (u128::from(slot.width), u128::from(slot.height));
    let (fitted_width, fitted_height) = if wide * slot_high >= high * slot_wide {
        (slot.width, nearest_even(slot_wide * high, wide, slot.height))
    } else {
        (nearest_even(slot_high * wide, high, slot.width), slot.height)
    };
    Rect {
        x: slot.x + (slot.width - fitted_width) / 2 / 2 * 2,
        y: slot.y + (slot.height - fitted_height) / 2 / 2 * 2,
        width: fitted_width,
        height: fitted_height,
    }
}

/// `num / den` rounded to an even number from 2 to `most`.
fn nearest_even(num: u128, den: u128, most: u32) -> u32 {
    let halves = (num + den) / (2 * den);
    u32::try_from(halves * 2).unwrap_or(u32::MAX).clamp(2.min(most), most)
}

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

    #[test]
    fn pictures_keep_their_aspect() {
        let slot = rect(960, 540, 960, 540);
        assert_eq!(fit(1280, 720, (1, 1), slot), slot);
        assert_eq!(fit(640, 480, (1, 1), slot), rect(1080, 540, 720, 540), "4:3 between pillars");
        assert_eq!(fit(720, 576, (64, 45), slot), slot, "anamorphic SD fills");
        assert_eq!(fit(720, 576, (16, 15), slot), rect(1080, 540, 720, 540));
        assert_eq!(fit(1920, 800, (1, 1), slot), rect(960, 610, 960, 400), "scope between bars");
        assert_eq!(fit(1366, 768, (1, 1), slot), slot, "a third of a pixel is no bar");
        assert_eq!(fit(4000, 2, (1, 1), rect(0, 0, 100, 100)), rect(0, 48, 100, 2));
        assert_eq!(fit(2, 4000, (0, 0), rect(0, 0, 100, 100)), rect(48, 0, 2, 100));
    }

    proptest! {
        #[test]
        fn a_fitted_rectangle_is_even_and_inside(
            w in 1u32..8000, h in 1u32..8000, a in 0u32..100_000, b in 0u32..100_000,
            x in 0u32..500, y in 0u32..500, sw in 1u32..1000, sh in 1u32..1000,
        ) {
            let slot = rect(2 * x, 2 * y, 2 * sw, 2 * sh);
            let got = fit(w, h, (a, b), slot);
            prop_assert!([got.x, got.y, got.width, got.height].iter().all(|n| n % 2 == 0));
            prop_assert!(got.width >= 2 && got.height >= 2 && got.x >= slot.x && got.y >= slot.y);
            prop_assert!(got.x + got.width <= slot.x + slot.width && got.y + got.height <= slot.y + slot.height);
            prop_assert!(got.width == slot.width || got.height == slot.height);
        }

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
