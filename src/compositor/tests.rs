//! What both compositors must do alike, and the GPU's bytes against the CPU's.

mod hdr;
mod hdr_twins;
mod likeness;
mod pq;
mod support;
mod twins;

use std::sync::mpsc;

use super::*;
use crate::frame::{Colour, Matrix};
use support::*;

fn letterbox_and_order(compositor: &dyn Compositor) {
    let (white, black) = (flat(64, 36, [235, 128, 128]), flat(36, 64, [16, 128, 128]));
    let draws = vec![
        Draw { picture: white, rect: Rect { x: 2, y: 6, width: 50, height: 34 } },
        Draw { picture: black, rect: Rect { x: 30, y: 20, width: 26, height: 30 } },
    ];
    let canvas = Canvas { width: 64, height: 54, background: [255, 0, 0], draws };
    let got = compose(compositor, canvas, vec![(32, 26)]);
    let big = &got[0];
    assert_eq!((big.width, big.height, big.colour), (64, 54, Colour::CANVAS));
    let at = |x: usize, y: usize| (big.row(0, y)[x], big.row(1, y / 2)[x / 2], big.row(2, y / 2)[x / 2]);
    // BT.709 red, limited range.
    for (x, y) in [(0, 0), (1, 20), (63, 53), (56, 40), (52, 10), (2, 40), (29, 41), (30, 50)] {
        assert_eq!(at(x, y), (63, 102, 240), "background at {x},{y}");
    }
    for (x, y) in [(2, 6), (51, 19), (29, 39), (2, 39)] {
        assert_eq!(at(x, y), (235, 128, 128), "first at {x},{y}");
    }
    for (x, y) in [(30, 20), (51, 39), (55, 49)] {
        assert_eq!(at(x, y), (16, 128, 128), "the second lies over the first at {x},{y}");
    }
    assert_eq!((got[1].width, got[1].height), (32, 26));
    // Away from edges, where Lanczos rings.
    assert!(got[1].row(0, 10)[8].abs_diff(235) <= 3, "{}", got[1].row(0, 10)[8]);
    assert_eq!(got[1].row(1, 12)[0], 102);
}

fn conversions_and_sharing(compositor: &dyn Compositor) {
    let bars = [[81, 90, 240], [145, 54, 34]].map(|yuv| recoloured(&flat(32, 32, yuv), Matrix::Bt601));
    let rect = |x| Rect { x, y: 0, width: 16, height: 16 };
    let draws = vec![
        Draw { picture: bars[0].clone(), rect: rect(0) },
        Draw { picture: bars[1].clone(), rect: rect(16) },
        Draw { picture: bars[0].clone(), rect: rect(32) },
    ];
    for _ in 0..3 {
        let canvas = Canvas { width: 48, height: 16, background: [0; 3], draws: draws.clone() };
        let got = compose(compositor, canvas, vec![]);
        for (x, yuv) in [(8, [63, 102, 240]), (24, [173, 42, 26]), (40, [63, 102, 240])] {
            for plane in 0..3 {
                let value = got[0].row(plane, 4)[x >> usize::from(plane > 0)];
                assert!(value.abs_diff(yuv[plane]) <= 1, "{x}: {value} for {yuv:?}");
            }
        }
    }
}

fn impossible_jobs_come_back(compositor: &dyn Compositor) {
    let picture = flat(16, 16, [50, 60, 70]);
    let canvas = |width, rect| Canvas {
        width,
        height: 32,
        background: [0; 3],
        draws: vec![Draw { picture: picture.clone(), rect }],
    };
    let r = |x, y, width, height| Rect { x, y, width, height };
    let bad = [
        (canvas(32, r(1, 0, 16, 16)), vec![]),
        (canvas(32, r(0, 0, 34, 16)), vec![]),
        (canvas(32, r(u32::MAX - 1, 0, 16, 16)), vec![]),
        (canvas(32, r(0, 0, 16, 0)), vec![]),
        (canvas(31, r(0, 0, 16, 16)), vec![]),
        (canvas(8192, r(0, 0, 16, 16)), vec![]),
        (canvas(32, r(0, 0, 16, 16)), vec![(15, 16)]),
    ];
    let count = bad.len();
    let jobs = bad.into_iter().map(|(canvas, smaller)| Job {
        affinity: 0,
        colour: Colour::CANVAS,
        canvas,
        smaller,
        deliver: Box::new(|_| panic!("a refused job was delivered")),
    });
    assert_eq!(compositor.submit(jobs.collect()).len(), count);
    assert_eq!(compositor.queued(), 0);
}

fn order_is_kept_and_a_panic_harms_nobody(compositor: &dyn Compositor) {
    let (sender, receiver) = mpsc::channel();
    let mut submitted = 0;
    for frame in 0..12u8 {
        let jobs = (0..3u64).map(|affinity| {
            let sender = sender.clone();
            let canvas = Canvas {
                width: 16,
                height: 16,
                background: [0; 3],
                draws: vec![Draw {
                    picture: flat(32, 32, [frame + 20, 128, 128]),
                    rect: Rect { x: 0, y: 0, width: 16, height: 16 },
                }],
            };
            let deliver: Deliver = if affinity == 2 && frame == 5 {
                Box::new(|_| panic!("this delivery fails on purpose"))
            } else {
                Box::new(move |got| sender.send((affinity, got[0].row(0, 3)[3])).expect("test listens"))
            };
            Job { affinity, colour: Colour::CANVAS, canvas, smaller: vec![], deliver }
        });
        let refused = compositor.submit(jobs.collect());
        submitted += 3 - refused.len();
        // A tick's worth of waiting, so that small queues suffice.
        while compositor.queued() > 3 {
            std::thread::yield_now();
        }
    }
    assert_eq!(submitted, 36, "nothing may be refused while queues are short");
    drop(sender);
    let mut seen = [vec![], vec![], vec![]];
    for (affinity, value) in receiver {
        seen[affinity as usize].push(value);
    }
    assert_eq!(seen[0], (20..32).collect::<Vec<u8>>());
    assert_eq!(seen[1], seen[0]);
    assert_eq!(seen[2], [20, 21, 22, 23, 24, 26, 27, 28, 29, 30, 31]);
}

#[test]
fn cpu_letterbox_overlap_and_smaller_renditions() {
    letterbox_and_order(&cpu());
}

#[test]
fn cpu_converts_colours_also_when_a_tile_is_copied() {
    conversions_and_sharing(&cpu());
}

#[test]
fn cpu_refuses_what_cannot_be_drawn() {
    impossible_jobs_come_back(&cpu());
}

#[test]
fn cpu_keeps_the_order_of_a_mosaic_and_survives_a_panic() {
    order_is_kept_and_a_panic_harms_nobody(&cpu());
}

#[test]
fn a_full_queue_gives_jobs_back_instead_of_waiting() {
    let compositor = CpuCompositor::new(1).expect("threads");
    let (hold, held) = mpsc::channel::<()>();
    let (entered, inside) = mpsc::channel();
    let canvas = || Canvas { width: 16, height: 16, background: [0; 3], draws: vec![] };
    let first = Job {
        affinity: 0,
        colour: Colour::CANVAS,
        canvas: canvas(),
        smaller: vec![],
        deliver: Box::new(move |_| {
            entered.send(()).expect("test listens");
            held.recv().expect("test lets go");
        }),
    };
    assert!(compositor.submit(vec![first]).is_empty());
    inside.recv().expect("the worker delivers");
    let (done, finished) = mpsc::channel();
    let more = (0..100).map(|affinity| {
        let done = done.clone();
        Job {
            affinity,
            colour: Colour::CANVAS,
            canvas: canvas(),
            smaller: vec![],
            deliver: Box::new(move |_| done.send(()).expect("listens")),
        }
    });
    let refused = compositor.submit(more.collect());
    assert_eq!(refused.len(), 36, "64 wait");
    drop((done, refused));
    hold.send(()).expect("worker waits");
    assert_eq!(finished.iter().count(), 64);
}

#[test]
fn choosing_the_cpu_says_so() {
    let chosen = new(Choice::Cpu, 1).expect("threads");
    assert_eq!(chosen.report.chosen, Kind::Cpu);
    assert!(chosen.report.to_string().starts_with("compositor cpu (1 threads"), "{}", chosen.report);
}
