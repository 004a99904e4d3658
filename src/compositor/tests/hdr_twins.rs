//! The GPU's bytes of canvases in HDR are the CPU's.

use super::support::*;
use super::twins::{canvas, feeds, layouts};
use super::*;
use crate::frame::{Depth, Matrix, Peak, Primaries, Range8, Transfer};

const BOTH: [Colour; 2] = [Colour::PQ_CANVAS, Colour::HLG_CANVAS];

#[test]
fn gpu_and_cpu_draw_the_same_bytes_in_hdr() {
    let (gpu, cpu, feeds) = (gpu(), cpu(), feeds());
    for colour in BOTH {
        for (name, rects) in layouts() {
            for first in 0..feeds.len() {
                let smaller = vec![(96, 54), (70, 38)];
                let wanted = canvas(&rects, first, &feeds);
                let ours = compose_in(&gpu, colour, wanted.clone(), smaller.clone()).expect("delivered");
                let theirs = compose_in(&cpu, colour, wanted, smaller).expect("delivered");
                assert_eq!((ours.len(), ours[0].colour), (3, colour));
                for (a, b) in ours.iter().zip(&theirs) {
                    assert_same(
                        a,
                        b,
                        &format!("{name} from feed {first} in {:?}, {}x{}", colour.transfer, a.width, a.height),
                    );
                }
            }
        }
    }
}

/// Any samples there are, many of them as small or as large as can be.
fn noise(colour: Colour, seed: u32) -> Picture {
    let (mut state, most) = (seed.wrapping_mul(0x9e37_79b9) | 1, (1u16 << colour.depth.bits()) - 1);
    let mut sample = move || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        match state % 5 {
            0 => 0,
            1 => most,
            // Dark ones, too.
            2 => (state >> 8) as u16 & most >> 3,
            _ => (state >> 8) as u16 & most,
        }
    };
    let planes = [96 * 54, 48 * 27, 48 * 27].map(|samples| {
        (0..samples).flat_map(|_| sample().to_le_bytes()[..colour.depth.bytes()].to_vec()).collect::<Vec<u8>>()
    });
    Picture::from_planes(96, 54, colour, planes).expect("sound planes")
}

#[test]
fn any_colour_becomes_the_same_on_both() {
    let (gpu, cpu) = (gpu(), cpu());
    let transfers = [Transfer::Bt709, Transfer::Srgb, Transfer::Hlg].into_iter().chain(Peak::ALL.map(Transfer::Pq));
    let kinds = [
        (Matrix::Bt709, Range8::Limited, Primaries::Bt709, Depth::Eight),
        (Matrix::Bt601, Range8::Full, Primaries::Bt601_525, Depth::Eight),
        (Matrix::Bt601, Range8::Limited, Primaries::Bt601_625, Depth::Ten),
        (Matrix::Bt2020, Range8::Limited, Primaries::Bt2020, Depth::Ten),
        (Matrix::Bt2020, Range8::Full, Primaries::Bt2020, Depth::Ten),
    ];
    let colours = transfers.flat_map(|transfer| {
        kinds.map(|(matrix, range, primaries, depth)| Colour { matrix, range, primaries, transfer, depth })
    });
    for (seed, colour) in colours.enumerate() {
        let picture = noise(colour, seed as u32);
        let rect = Rect { x: 0, y: 0, width: 96, height: 54 };
        let draws = vec![Draw { picture, rect }];
        let wanted = Canvas { width: 96, height: 54, background: [0; 3], draws };
        for into in BOTH {
            let [ours, theirs] = [&gpu as &dyn Compositor, &cpu]
                .map(|by| compose_in(by, into, wanted.clone(), vec![]).expect("delivered").remove(0));
            assert_same(&ours, &theirs, &format!("{colour:?} on {:?}", into.transfer));
        }
    }
}

#[test]
fn canvases_of_all_kinds_share_a_tick() {
    let (gpu, cpu, feeds) = (gpu(), cpu(), feeds());
    for tick in 0..3 {
        let (sender, receiver) = mpsc::channel();
        let wanted: Vec<_> = layouts().into_iter().map(|(_, rects)| canvas(&rects, tick, &feeds)).collect();
        let colour_of = |i: usize| [Colour::CANVAS, Colour::PQ_CANVAS, Colour::HLG_CANVAS][i % 3];
        let jobs = wanted.iter().enumerate().map(|(i, canvas)| {
            let sender = sender.clone();
            let deliver: Deliver = Box::new(move |got| sender.send((i, got)).expect("test listens"));
            Job { affinity: i as u64, colour: colour_of(i), canvas: canvas.clone(), smaller: vec![(48, 26)], deliver }
        });
        assert!(gpu.submit(jobs.collect()).is_empty());
        drop(sender);
        let mut count = 0;
        for (i, got) in receiver {
            let want = compose_in(&cpu, colour_of(i), wanted[i].clone(), vec![(48, 26)]).expect("delivered");
            assert_same(&got[0], &want[0], "canvas");
            assert_same(&got[1], &want[1], "smaller");
            count += 1;
        }
        assert_eq!(count, wanted.len());
    }
}

#[test]
fn the_device_draws_them_and_the_cpu_after_it() {
    let (gpu, feeds, rects) = (gpu(), feeds(), layouts()[5].1.clone());
    let draw = || compose_in(&gpu, Colour::PQ_CANVAS, canvas(&rects, 0, &feeds), vec![]);
    let before = draw().expect("delivered").remove(0);
    // What is not read back from the device is delivered empty; the CPU's would be there.
    gpu.read_back(false);
    assert!(draw().expect("delivered").is_empty());
    gpu.read_back(true);
    gpu.lose_device(usize::MAX);
    let after = (0..20).find_map(|_| draw()).expect("the CPU draws in the end").remove(0);
    assert_eq!(gpu.kind(), Kind::Cpu);
    assert_same(&before, &after, "before and after");
}
