//! Runs that are fed by hand, and runs that hang.

use std::process::Command;
use std::time::Instant;

use bytes::Bytes;

use super::*;
use crate::feed::Pace;
use crate::feed::intake::{Intake, Timing};
use crate::timeline::{MediaTime, SimulatedClock};

const START: MediaTime = MediaTime::from_secs(91_000_000);

/// An intake that a run feeds, and ticks that take from it.
struct Bench {
    grid: Grid,
    clock: Arc<dyn Clock>,
    intake: Arc<Intake>,
    facts: Arc<Mutex<Facts>>,
    run: u64,
}

impl Bench {
    fn new() -> Self {
        crate::feed::init().unwrap();
        let grid = Grid::new("30".parse().unwrap(), 60);
        let intake = Arc::new(Intake::new(&grid, Pace::Lockstep));
        let run = intake.begin(Timing::Pulled);
        Self { grid, clock: Arc::new(SimulatedClock::new(START)), intake, facts: Arc::default(), run }
    }

    fn start(&self, feeder: impl FnOnce(Doors) + Send + 'static) -> Run {
        let around = Surroundings {
            grid: &self.grid,
            clock: &self.clock,
            intake: self.intake.clone(),
            run: self.run,
            facts: &self.facts,
            decoding: &Decoding::unlimited(),
        };
        Run::start(Entry::Fed(Box::new(feeder)), Wanted::default(), &around).unwrap()
    }

    /// The width and the luma of what `count` ticks show.
    fn ticks(&self, count: u64) -> Vec<Option<(u32, u8)>> {
        let first = self.grid.frame_at(START);
        let shown = |frame| {
            let picture = self.intake.pick(self.grid.frame_time(frame))?.picture;
            Some((picture.width, picture.row(0, picture.height as usize / 2)[8]))
        };
        (first..first + count).map(shown).collect()
    }
}

fn media(arguments: &str) -> Bytes {
    let output = Command::new("ffmpeg").args(["-v", "error"]).args(arguments.split_whitespace()).arg("-").output();
    let output = output.unwrap();
    assert!(output.status.success(), "{arguments}");
    output.stdout.into()
}

#[test]
fn a_door_goes_from_container_to_container_without_a_hole() {
    let video = "-c:v libx264 -preset ultrafast -qp 8 -pix_fmt yuv420p";
    let fragments = "-f mp4 -movflags frag_keyframe+empty_moov+default_base_moof";
    let pieces = [
        media(&format!("-f lavfi -i color=0x404040:s=160x96:r=30:d=1 {video} -f mpegts")),
        media(&format!("-f lavfi -i color=0x808080:s=320x176:r=30:d=1 {video} {fragments}")),
        media(&format!("-f lavfi -i color=0xc0c0c0:s=160x96:r=30:d=1 {video} -f mpegts")),
    ];
    let bench = Bench::new();
    let run = bench.start(move |doors| {
        std::thread::spawn(move || {
            let door = doors.open(Takes::Both, false).unwrap();
            for (n, piece) in pieces.into_iter().enumerate() {
                if n > 0 {
                    door.fresh(None);
                }
                door.push(piece, None).unwrap();
            }
            door.end();
        });
    });
    let shown = bench.ticks(88);
    for (n, shown) in shown.iter().enumerate() {
        let expected = [(160, 71), (320, 126), (160, 181)][n / 30];
        let (width, luma) = shown.unwrap_or_else(|| panic!("nothing in tick {n}: {:?}", bench.facts.lock()));
        assert_eq!(width, expected.0, "tick {n}");
        assert!(luma.abs_diff(expected.1) <= 6, "tick {n}: {luma}");
    }
    assert_eq!(run.watch(&mut || None), SourceError::Ended);
    bench.intake.end();
    run.let_go("a");
}

#[test]
fn two_doors_bring_picture_and_sound() {
    let picture =
        media("-f lavfi -i color=gray:s=160x96:r=30:d=2 -c:v libx264 -preset ultrafast -pix_fmt yuv420p -f mpegts");
    let sound = media("-f lavfi -i sine=frequency=1000:sample_rate=48000:duration=2 -c:a aac -f adts");
    let bench = Bench::new();
    let run = bench.start(move |doors| {
        for (takes, bytes) in [(Takes::Picture, picture), (Takes::Sound, sound)] {
            let door = doors.open(takes, false).unwrap();
            std::thread::spawn(move || {
                door.push(bytes, None).unwrap();
                door.end();
            });
        }
    });
    let first = bench.grid.frame_at(START);
    let mut loud = 0;
    for frame in first..first + 55 {
        assert!(bench.intake.pick(bench.grid.frame_time(frame)).is_some(), "tick {}", frame - first);
        let sound = bench.intake.sound(bench.grid.sample_at_frame(frame)..bench.grid.sample_at_frame(frame + 1));
        loud += usize::from(sound.0.interleaved.iter().any(|sample| sample.unsigned_abs() > 1000));
    }
    assert!(loud >= 48, "{loud} ticks of sound: {:?}", bench.facts.lock());
    bench.intake.end();
    run.let_go("a");
}

#[test]
fn a_run_that_hangs_in_its_tear_down_is_abandoned_and_the_next_one_runs() {
    let bench = Bench::new();
    let (release, held) = crossbeam_channel::bounded::<()>(0);
    let (tell, reached) = crossbeam_channel::bounded::<()>(1);
    let run = bench.start(move |doors| {
        // A source whose thread never comes back: its pads cannot be deactivated.
        let source = gst::ElementFactory::make("fakesrc").build().unwrap();
        doors.stage().add(&source, 0).unwrap();
        let pad = source.static_pad("src").unwrap();
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
            let _ = tell.try_send(());
            let _ = held.recv();
            gst::PadProbeReturn::Ok
        });
        source.sync_state_with_parent().unwrap();
    });
    reached.recv().unwrap();
    let (before, begun) = (abandoned(), Instant::now());
    bench.intake.end();
    run.let_go("a");
    assert!(begun.elapsed().as_secs() < 30);
    assert_eq!(abandoned().total, before.total + 1);
    let next = bench.start(|doors| doors.fail(SourceError::NoPicture));
    assert_eq!(next.watch(&mut || None), SourceError::NoPicture);
    next.let_go("a");
    drop(release);
    while abandoned().hanging > before.hanging {
        std::thread::yield_now();
    }
}

/// Both branches hand their last over at the same moment, and each looks whether everything has ended: the second one after
/// the lap that the first one ordered has begun.
#[test]
fn an_end_that_both_branches_see_is_one_lap() {
    let bench = Bench::new();
    let (failures, _lost) = unbounded();
    let stage = Stage::new(Setting {
        sockets: Vec::new(),
        wanted: Wanted::default(),
        looped: true,
        live: false,
        fields: "top",
        facts: Arc::clone(&bench.facts),
        intake: bench.intake.clone(),
        run: bench.run,
        delivery: Arc::new(Delivery::new(bench.intake.clone(), bench.run, Arc::clone(&bench.clock))),
        failures,
        clock: Arc::clone(&bench.clock),
        decoding: Decoding::unlimited(),
    });
    let plane = |bytes: usize| vec![128; bytes];
    let picture =
        crate::frame::Picture::from_planes(16, 16, crate::frame::Colour::CANVAS, [plane(256), plane(64), plane(64)]);
    bench.intake.push_picture(bench.run, 0, picture.unwrap(), None, START).unwrap();
    stage.state.lock().branches.iter_mut().for_each(|branch| branch.life = Some(branch::Life::Drained));
    stage.end_if_drained();
    assert_eq!(stage.order_within(Duration::ZERO), Some(Order::Lap));
    stage.end_if_drained();
    assert_eq!(stage.order_within(Duration::ZERO), None);
    // And an order to leave is not forgotten over it.
    stage.leave();
    stage.state.lock().ended = false;
    stage.end_if_drained();
    assert_eq!(stage.order_within(Duration::ZERO), Some(Order::Leave));
}
