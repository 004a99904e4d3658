//! Pictures and comparisons for the compositors' tests.

use std::sync::mpsc;

use crate::compositor::*;
use crate::frame::{Colour, Depth, Matrix, Picture};

pub fn cpu() -> CpuCompositor {
    CpuCompositor::new(2).expect("threads")
}

/// Draws one canvas and waits for it.
pub fn compose(compositor: &dyn Compositor, canvas: Canvas, smaller: Vec<(u32, u32)>) -> Vec<Picture> {
    try_compose(compositor, canvas, smaller).expect("the job is delivered")
}

/// Draws one canvas and waits until it is delivered or lost.
pub fn try_compose(compositor: &dyn Compositor, canvas: Canvas, smaller: Vec<(u32, u32)>) -> Option<Vec<Picture>> {
    compose_in(compositor, Colour::CANVAS, canvas, smaller)
}

/// The same in `colour`.
pub fn compose_in(
    compositor: &dyn Compositor,
    colour: Colour,
    canvas: Canvas,
    smaller: Vec<(u32, u32)>,
) -> Option<Vec<Picture>> {
    let (sender, receiver) = mpsc::channel();
    let deliver: Deliver = Box::new(move |pictures| sender.send(pictures).expect("test listens"));
    let refused = compositor.submit(vec![Job { affinity: 1, colour, canvas, smaller, deliver }]);
    assert!(refused.is_empty(), "refused {refused:?}");
    receiver.recv().ok()
}

pub fn flat(width: u32, height: u32, yuv: [u8; 3]) -> Picture {
    made(width, height, |plane, _, _| yuv[plane])
}

/// A picture of a function of plane, x and y (in samples of that plane).
pub fn made(width: u32, height: u32, value: impl Fn(usize, usize, usize) -> u8) -> Picture {
    let (w, h) = (width as usize, height as usize);
    let planes = [(w, h), (w / 2, h / 2), (w / 2, h / 2)];
    let mut plane = 0;
    let planes = planes.map(|(w, h)| {
        let made = (0..w * h).map(|i| value(plane, i % w, i / w)).collect();
        plane += 1;
        made
    });
    Picture::from_planes(width, height, Colour::CANVAS, planes).expect("sound planes")
}

/// All frequencies up to the finest, in rings around the middle; chroma at half of that.
pub fn zone_plate(width: u32, height: u32) -> Picture {
    made(width, height, |plane, x, y| {
        let scale = if plane == 0 { 1.0 } else { 2.0 };
        let (dx, dy) = (scale * x as f64 - f64::from(width) / 2.0, scale * y as f64 - f64::from(height) / 2.0);
        let phase = std::f64::consts::PI * (dx * dx + dy * dy) / f64::from(width) / scale;
        (127.5 + 100.0 * phase.cos()).round() as u8
    })
}

pub fn recoloured(picture: &Picture, matrix: Matrix) -> Picture {
    let mut picture = picture.clone();
    picture.colour.matrix = matrix;
    picture
}

/// Something with edges, slopes and grain, different for each `seed`, sizes as they come.
pub fn busy(width: u32, height: u32, seed: usize) -> Picture {
    made(width, height, |plane, x, y| {
        let grain = (x * 7919 + y * 104_729 + seed * 31 + plane * 17) % 23;
        let edge = if (x / 9 + y / 7 + seed).is_multiple_of(3) { 120 } else { 30 };
        (edge + grain + (x + 2 * y) % 80) as u8
    })
}

/// A picture of ten bits: `picture`'s, with grain in the bits that are added. Some samples claim more than ten, if `hostile`.
pub fn deepened(picture: &Picture, colour: Colour, hostile: bool) -> Picture {
    let planes = [0, 1, 2].map(|plane| {
        let samples = packed(picture, plane).into_iter().enumerate().flat_map(|(i, value)| {
            let fine = u16::from(value) << 2 | (i * 7 % 4) as u16;
            if hostile && i % 5 == 0 { fine | 0xfc00 } else { fine }.to_le_bytes()
        });
        samples.collect()
    });
    let colour = Colour { depth: Depth::Ten, ..colour };
    Picture::from_planes(picture.width, picture.height, colour, planes).expect("sound planes")
}

/// Mean structural similarity of two planes, 8x8 windows every four samples (Wang et al. 2004, flat windows).
pub fn ssim(a: &[u8], b: &[u8], width: usize, height: usize) -> f64 {
    assert_eq!((a.len(), b.len()), (width * height, width * height));
    let (c1, c2) = ((0.01f64 * 255.0).powi(2), (0.03f64 * 255.0).powi(2));
    let (mut sum, mut count) = (0.0, 0.0);
    for y in (0..=height - 8).step_by(4) {
        for x in (0..=width - 8).step_by(4) {
            let (mut sa, mut sb, mut saa, mut sbb, mut sab) = (0.0, 0.0, 0.0, 0.0, 0.0);
            for row in y..y + 8 {
                for at in row * width + x..row * width + x + 8 {
                    let (va, vb) = (f64::from(a[at]), f64::from(b[at]));
                    (sa, sb, saa, sbb, sab) = (sa + va, sb + vb, saa + va * va, sbb + vb * vb, sab + va * vb);
                }
            }
            let (ma, mb) = (sa / 64.0, sb / 64.0);
            let (va, vb, cov) = (saa / 64.0 - ma * ma, sbb / 64.0 - mb * mb, sab / 64.0 - ma * mb);
            sum += (2.0 * ma * mb + c1) * (2.0 * cov + c2) / ((ma * ma + mb * mb + c1) * (va + vb + c2));
            count += 1.0;
        }
    }
    sum / count
}

/// All of a plane, without padding.
pub fn packed(picture: &Picture, plane: usize) -> Vec<u8> {
    (0..picture.plane_size(plane).1).flat_map(|row| picture.row(plane, row).to_vec()).collect()
}

/// A compositor on whatever Vulkan there is. Mesa's software one is among the packages of `packages.txt`, so there is one, or the test
/// fails: one that was left out would count as passed.
pub fn gpu() -> GpuCompositor {
    GpuCompositor::new(1).unwrap_or_else(|error| panic!("{error} (install mesa-vulkan-drivers)"))
}

/// Asserts that two pictures have the same bytes.
pub fn assert_same(a: &Picture, b: &Picture, what: &str) {
    assert_eq!((a.width, a.height, a.colour), (b.width, b.height, b.colour), "{what}");
    for plane in 0..3 {
        for row in 0..a.plane_size(plane).1 {
            let differ = a.row(plane, row).iter().zip(b.row(plane, row)).position(|(a, b)| a != b);
            if let Some(x) = differ {
                let (a, b) = (a.row(plane, row)[x], b.row(plane, row)[x]);
                panic!("{what}: plane {plane} at {x},{row}: {a} and {b}");
            }
        }
    }
}
