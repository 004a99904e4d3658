//! The GPU's bytes are the CPU's.

use super::support::*;
use super::*;
use crate::frame::{Depth, Peak, Primaries, Range8, Transfer};

/// The rectangles of every bundled layout at a tenth of its size, rounded to even.
pub fn layouts() -> Vec<(&'static str, Vec<Rect>)> {
    let r = |x, y, width, height| Rect { x, y, width, height };
    vec![
        ("1", vec![r(0, 0, 192, 108)]),
        ("2EH", vec![r(0, 28, 96, 54), r(96, 28, 96, 54)]),
        ("2PL", vec![r(0, 18, 128, 72), r(128, 36, 64, 36)]),
        ("3EL", vec![r(0, 0, 96, 54), r(96, 28, 96, 54), r(0, 54, 96, 54)]),
        ("3PL", vec![r(0, 18, 128, 72), r(128, 18, 64, 36), r(128, 54, 64, 36)]),
        ("4E", vec![r(0, 0, 96, 54), r(96, 0, 96, 54), r(0, 54, 96, 54), r(96, 54, 96, 54)]),
        ("4PL", vec![r(0, 18, 128, 72), r(128, 0, 64, 36), r(128, 36, 64, 36), r(128, 72, 64, 36)]),
        ("pip", vec![r(0, 0, 192, 108), r(138, 76, 48, 28)]),
        ("ragged", vec![r(2, 2, 94, 50), r(98, 6, 90, 46), r(6, 58, 86, 46), r(94, 54, 34, 30)]),
    ]
}

/// A feed's picture as they come: sizes that fit nothing, and every colour description.
pub fn feeds() -> Vec<Picture> {
    let colour = |matrix, range, primaries, transfer| {
        let depth = Depth::Eight;
        Colour { matrix, range, primaries, transfer, depth }
    };
    let colours = [
        Colour::CANVAS,
        colour(Matrix::Bt601, Range8::Limited, Primaries::Bt709, Transfer::Bt709),
        colour(Matrix::Bt601, Range8::Full, Primaries::Bt601_625, Transfer::Bt709),
        colour(Matrix::Bt2020, Range8::Limited, Primaries::Bt2020, Transfer::Pq(Peak::Cd1000)),
        colour(Matrix::Bt2020, Range8::Limited, Primaries::Bt2020, Transfer::Hlg),
        colour(Matrix::Bt709, Range8::Full, Primaries::Bt601_525, Transfer::Srgb),
    ];
    let sizes = [(128, 72), (96, 54), (90, 62), (320, 180), (34, 18), (64, 46), (2, 2)];
    let all = sizes.iter().enumerate().map(|(seed, &(width, height))| {
        let mut picture = busy(width, height, seed);
        picture.colour = colours[seed % colours.len()];
        picture
    });
    let hdr = |transfer| colour(Matrix::Bt2020, Range8::Limited, Primaries::Bt2020, transfer);
    let deep = [
        ((128, 72), hdr(Transfer::Pq(Peak::Cd4000))),
        ((96, 54), hdr(Transfer::Hlg)),
        ((90, 62), Colour::CANVAS),
        ((320, 180), colour(Matrix::Bt601, Range8::Full, Primaries::Bt709, Transfer::Bt709)),
        ((34, 18), hdr(Transfer::Bt709)),
        ((64, 46), hdr(Transfer::Pq(Peak::Cd600))),
    ];
    let deep = deep.into_iter().enumerate();
    let deep =
        deep.map(|(seed, ((width, height), colour))| deepened(&busy(width, height, seed), colour, seed % 2 == 1));
    all.chain(deep).collect()
}

pub fn canvas(rects: &[Rect], first: usize, feeds: &[Picture]) -> Canvas {
    let draws = rects
        .iter()
        .enumerate()
        .map(|(i, rect)| Draw { picture: feeds[(first + i) % feeds.len()].clone(), rect: *rect });
    Canvas { width: 192, height: 108, background: [12, 80, 160], draws: draws.collect() }
}

#[test]
fn gpu_and_cpu_draw_the_same_bytes() {
    let (gpu, cpu, feeds) = (gpu(), cpu(), feeds());
    for (name, rects) in layouts() {
        for first in 0..feeds.len() {
            let smaller = vec![(96, 54), (70, 38)];
            let ours = compose(&gpu, canvas(&rects, first, &feeds), smaller.clone());
            let theirs = compose(&cpu, canvas(&rects, first, &feeds), smaller);
            assert_eq!(ours.len(), 3);
            for (a, b) in ours.iter().zip(&theirs) {
                assert_same(a, b, &format!("{name} from feed {first}, {}x{}", a.width, a.height));
            }
        }
    }
}

#[test]
fn many_canvases_of_a_tick_do_not_disturb_each_other() {
    let (gpu, cpu, feeds) = (gpu(), cpu(), feeds());
    for tick in 0..3 {
        let (sender, receiver) = mpsc::channel();
        let wanted: Vec<_> = layouts().into_iter().map(|(_, rects)| canvas(&rects, tick, &feeds)).collect();
        let jobs = wanted.iter().enumerate().map(|(i, canvas)| {
            let sender = sender.clone();
            let deliver: Deliver = Box::new(move |got| sender.send((i, got)).expect("test listens"));
            Job { affinity: i as u64, colour: Colour::CANVAS, canvas: canvas.clone(), smaller: vec![(48, 26)], deliver }
        });
        assert!(gpu.submit(jobs.collect()).is_empty());
        drop(sender);
        for (i, got) in receiver {
            let want = compose(&cpu, wanted[i].clone(), vec![(48, 26)]);
            assert_same(&got[0], &want[0], "canvas");
            assert_same(&got[1], &want[1], "smaller");
        }
    }
}

#[test]
fn gpu_letterbox_overlap_and_smaller_renditions() {
    letterbox_and_order(&gpu());
}

#[test]
fn gpu_converts_colours() {
    conversions_and_sharing(&gpu());
}

#[test]
fn gpu_refuses_what_cannot_be_drawn() {
    impossible_jobs_come_back(&gpu());
}

#[test]
fn gpu_keeps_the_order_of_a_mosaic_and_survives_a_panic() {
    order_is_kept_and_a_panic_harms_nobody(&gpu());
}

#[test]
fn a_lost_gpu_is_opened_again_and_at_last_replaced_by_the_cpu() {
    let (gpu, feeds, rects) = (gpu(), feeds(), layouts()[5].1.clone());
    let before = packed(&compose(&gpu, canvas(&rects, 0, &feeds), vec![])[0], 0);
    // The tick at which a device is lost is lost; then another is open.
    let lost_until_drawn = |gpu: &GpuCompositor| {
        let lost = (0..20).take_while(|_| {
            let got = try_compose(gpu, canvas(&rects, 0, &feeds), vec![]);
            got.is_none_or(|got| packed(&got[0], 0) != before)
        });
        lost.count()
    };
    gpu.lose_device(1);
    assert!(lost_until_drawn(&gpu) <= 1);
    assert_eq!(gpu.kind(), Kind::Gpu);
    gpu.lose_device(usize::MAX);
    assert!(lost_until_drawn(&gpu) <= 4);
    assert_eq!(gpu.kind(), Kind::Cpu);
    assert!(gpu.describe().contains("after the GPU was lost"));
    assert_eq!(lost_until_drawn(&gpu), 0);
    // Counted down just after delivery.
    while gpu.queued() > 0 {
        std::thread::yield_now();
    }
}

#[test]
fn choosing_measures_both_and_takes_the_faster() {
    let chosen = new(Choice::Auto, 2).expect("a compositor");
    let report = &chosen.report;
    println!("{report}");
    assert!(report.cpu_ms.is_some());
    match (report.cpu_ms, report.gpu_ms) {
        (Some(cpu), Some(gpu)) => assert_eq!(report.chosen == Kind::Gpu, gpu < cpu),
        _ => assert_eq!(report.chosen, Kind::Cpu),
    }
    assert_eq!(chosen.compositor.kind(), report.chosen);
}

/// Reference pictures, kept in the repository: later changes of a byte are meant or wrong. To make one anew, delete the
/// file and run the test.
#[test]
fn both_draw_the_golden_pictures() {
    let golden = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden");
    let feeds = feeds();
    let r = |x, y, width, height| Rect { x, y, width, height };
    let draws = vec![
        Draw { picture: feeds[0].clone(), rect: r(2, 0, 60, 34) },
        Draw { picture: feeds[1].clone(), rect: r(40, 22, 22, 12) },
        Draw { picture: feeds[3].clone(), rect: r(6, 20, 18, 14) },
    ];
    let wanted = Canvas { width: 64, height: 36, background: [12, 80, 160], draws };
    let kinds = [(Colour::CANVAS, "i420"), (Colour::PQ_CANVAS, "pq.i010"), (Colour::HLG_CANVAS, "hlg.i010")];
    for (colour, ending) in kinds {
        let path = golden.join(format!("pip_64x36.{ending}"));
        let bytes = |compositor: &dyn Compositor| {
            let got = compose_in(compositor, colour, wanted.clone(), vec![]).expect("delivered");
            (0..3).flat_map(|plane| packed(&got[0], plane)).collect::<Vec<u8>>()
        };
        let ours = bytes(&cpu());
        if !path.exists() {
            std::fs::create_dir_all(&golden).expect("made");
            std::fs::write(&path, &ours).expect("written");
            panic!("{} was missing and has been made anew", path.display());
        }
        let kept = std::fs::read(&path).expect("readable");
        assert!(ours == kept, "the CPU's picture is not {}", path.display());
        assert!(bytes(&gpu()) == kept, "the GPU's picture is not {}", path.display());
    }
}
