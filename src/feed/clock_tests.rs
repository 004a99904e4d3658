//! Sources that tell when their pictures were captured, and feeds that are delayed.

use gstreamer::prelude::*;
use gstreamer_video as gst_video;

use super::tests::{Bench, CLIP, url_of};
use super::*;
use crate::sync::{ClockKind, Latency};
use crate::timeline::SystemClock;

const SECOND: i64 = 1_000_000_000;

/// Runs a pipeline to its end.
fn run(description: &str, prepare: impl FnOnce(&gst::Pipeline)) {
    let pipeline = gst::parse::launch(description).unwrap().downcast::<gst::Pipeline>().unwrap();
    prepare(&pipeline);
    pipeline.set_state(gst::State::Playing).unwrap();
    let bus = pipeline.bus().unwrap();
    let over =
        bus.timed_pop_filtered(gst::ClockTime::from_seconds(30), &[gst::MessageType::Eos, gst::MessageType::Error]);
    assert!(matches!(over.unwrap().view(), gst::MessageView::Eos(_)));
    pipeline.set_state(gst::State::Null).unwrap();
}

#[test]
fn time_codes_in_pictures_tell_when_they_were_captured_in_whatever_zone() {
    init().unwrap();
    let folder = tempfile::tempdir().unwrap();
    // The clock of a bench begins at 05:46:40 UTC.
    for (name, hours, bframes) in [("utc.ts", 5, 2), ("elsewhere.ts", 15, 0)] {
        let path = folder.path().join(name);
        let encode = format!(
            "videotestsrc num-buffers=250 ! video/x-raw,width=160,height=96,framerate=25/1 ! timecodestamper name=stamp \
             set=always source=internal ! x264enc option-string=pic-struct=1 bframes={bframes} key-int-max=25 ! h264parse \
             update-timecode=true ! mpegtsmux ! filesink location={}",
            path.display()
        );
        run(&encode, |pipeline| {
            let fps = gst::Fraction::new(25, 1);
            let flags = gst_video::VideoTimeCodeFlags::empty();
            let code = gst_video::VideoTimeCode::new(fps, None, flags, hours, 46, 35, 0, 0);
            pipeline.by_name("stamp").unwrap().set_property("set-internal-timecode", code);
        });
        let mut bench = Bench::new("25", &[&url_of(&path)]);
        bench.until_live(500);
        for _ in 0..50 {
            bench.tick();
        }
        let latency = bench.feed.latency().unwrap_or_else(|| panic!("{name}: {:?}", bench.feed.health()));
        assert_eq!(latency.clock, ClockKind::Sei);
        let Latency { ns, .. } = latency.corrected(0).unwrap();
        // From the first tick until the first picture is there.
        assert!((5 * SECOND..6 * SECOND).contains(&ns), "{name}: {ns}");
    }
}

#[test]
fn a_source_without_a_clock_tells_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut bench = Bench::new("30", &[&url_of(&CLIP.make(folder.path()))]);
    bench.until_live(500);
    for _ in 0..30 {
        bench.tick();
    }
    assert_eq!((bench.feed.latency(), bench.feed.delay()), (None, 0));
}

#[test]
fn a_feed_that_is_delayed_walks_there_unseen_or_holds_one_picture() {
    let folder = tempfile::tempdir().unwrap();
    // Twelve seconds, darker to lighter four pictures a step.
    let clip = tests::Clip { frames: 360, luma: |n| 20 + (n / 2) as u8, ..CLIP };
    let mut bench = Bench::new("30", &[&url_of(&clip.make(folder.path()))]);
    bench.until_live(500);
    bench.tick();
    bench.feed.delay_to(SECOND / 10, false);
    let mut held = 0;
    for _ in 0..90 {
        let (pick, _) = bench.tick();
        held += usize::from(pick.outcome == Outcome::Held);
        assert!(pick.outcome != Outcome::Slate);
    }
    // Three seconds at half a percent: 15 ms, not a frame yet.
    assert!((14_000_000..=15_100_000).contains(&bench.feed.delay()) && held <= 1, "{} {held}", bench.feed.delay());
    bench.feed.delay_to(2 * SECOND, true);
    let outcomes: Vec<_> = (0..90).map(|_| bench.tick().0.outcome).collect();
    let held = outcomes.iter().filter(|outcome| **outcome == Outcome::Held).count();
    assert!((58..=61).contains(&held) && !outcomes.contains(&Outcome::Slate), "{outcomes:?}");
    assert_eq!((bench.feed.delay(), bench.feed.health().reconnects), (2 * SECOND, 0));
    // What is drawn here is due when it is due.
    let mut drawn = Bench::new("30", &["test://ball?size=320x180"]);
    drawn.until_live(100);
    drawn.feed.delay_to(SECOND, true);
    assert_eq!((drawn.feed.delay(), drawn.tick().0.outcome), (0, Outcome::OnTime));
}

#[test]
fn sender_reports_of_rtp_tell_when_it_was_sent() {
    init().unwrap();
    // A pair of ports, as RTP and its reports have.
    let free = |port: u16| std::net::UdpSocket::bind(("127.0.0.1", port)).is_ok();
    let port = (20_000..60_000u16).step_by(2).find(|port| free(*port) && free(port + 1)).unwrap();
    let reports = port + 1;
    let sender = format!(
        "rtpbin name=bin videotestsrc is-live=true ! video/x-raw,width=160,height=96,framerate=25/1 ! x264enc \
         tune=zerolatency key-int-max=12 ! mpegtsmux alignment=7 ! rtpmp2tpay ! bin.send_rtp_sink_0 bin.send_rtp_src_0 ! \
         udpsink host=127.0.0.1 port={port} bin.send_rtcp_src_0 ! udpsink host=127.0.0.1 port={reports} sync=false \
         async=false"
    );
    let sender = gst::parse::launch(&sender).unwrap();
    sender.set_state(gst::State::Playing).unwrap();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let grid = tests::grid("25");
    let source = Url::parse(&format!("rtp://127.0.0.1:{port}?rtcp=1")).unwrap();
    let spec = FeedSpec { key: "a".into(), title: "A".into(), sources: vec![source] };
    let feed = Feed::start(spec, grid, Arc::clone(&clock), Pace::Realtime);
    let mut told = None;
    let begin = grid.frame_at(clock.now());
    for frame in begin..begin + 25 * 20 {
        clock.wait_until(grid.frame_time(frame), Duration::from_secs(1));
        feed.picture_at(frame);
        told = feed.latency();
        if told.is_some() {
            break;
        }
    }
    let health = feed.health();
    feed.stop();
    sender.set_state(gst::State::Null).unwrap();
    let told = told.unwrap_or_else(|| panic!("{health:?}"));
    assert_eq!(told.clock, ClockKind::Rtcp);
    // The jitter that is allowed for, and what encoder, multiplexer and buffers take.
    assert!((SECOND / 10..5 * SECOND).contains(&told.ns), "{told:?}");
}
