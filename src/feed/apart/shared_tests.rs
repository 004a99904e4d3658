//! The memory that a feed's process shares with its parent, from both ends.

use std::sync::Arc;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_video as gst_video;
use gstreamer_video::VideoBufferPoolConfig as _;
use proptest::prelude::*;

use super::message::{Lie, PictureHead, colour_code};
use super::places::Places;
use super::shared::{MOST_LENT, PLACE_BYTES, PLACES, Shared};
use super::tests::{bytes, picture_head};
use crate::feed::pipeline::offer_memory;
use crate::feed::tests::CLIP;
use crate::frame::{Colour, Depth, Picture};

fn grey(width: u32, height: u32, luma: u8) -> Picture {
    let (w, h) = (width as usize, height as usize);
    Picture::from_planes(width, height, Colour::CANVAS, [vec![luma; w * h], vec![128; w * h / 4], vec![90; w * h / 4]])
        .unwrap()
}

/// Both ends of the memory.
fn shared() -> (Shared, Arc<Places>) {
    let shared = Shared::new().unwrap();
    let places = Places::new(&shared.memory().try_clone_to_owned().unwrap()).unwrap();
    (shared, places)
}

/// Shows a picture at one end, and takes it at the other.
fn pass(shared: &mut Shared, places: &Arc<Places>, picture: &Picture) -> Picture {
    let (number, planes) = places.show(picture).unwrap();
    let colour = colour_code(picture.colour);
    shared.take(&PictureHead { planes, colour, ..picture_head(number, picture.width, picture.height) }).unwrap()
}

#[test]
fn pictures_stay_as_they_are_for_as_long_as_they_are_looked_at() {
    let (mut shared, places) = shared();
    let mut kept = Vec::new();
    // More than may be lent: the rest are copies.
    for n in 0..2 * MOST_LENT {
        kept.push(pass(&mut shared, &places, &grey(320, 180, n as u8)));
        places.returned(&shared.lent().returned());
    }
    for (n, picture) in kept.iter().enumerate() {
        assert!(bytes(picture) == bytes(&grey(320, 180, n as u8)), "{n}");
    }
    // Another size in between; places come back.
    kept.clear();
    for n in 0..3 * PLACES {
        places.returned(&shared.lent().returned());
        let picture = pass(&mut shared, &places, &grey(64, 48, n as u8));
        assert!(bytes(&picture) == bytes(&grey(64, 48, n as u8)));
    }
    assert!(places.show(&grey(4096, 5464, 0)).is_err());
    let resized = |size: usize| rustix::fs::ftruncate(shared.memory(), size as u64);
    assert!(resized(0).is_err() && resized(PLACES * PLACE_BYTES + 1).is_err(), "nobody makes it smaller or larger");
}

#[test]
fn ten_bits_pass_as_they_are_and_are_no_smaller_than_they_claim() {
    let (mut shared, places) = shared();
    let colour = Colour { depth: Depth::Ten, ..Colour::CANVAS };
    let planes = [(64 * 48, 1023u16), (32 * 24, 511), (32 * 24, 513)]
        .map(|(samples, code)| (0..samples).flat_map(|_| code.to_le_bytes()).collect());
    let picture = Picture::from_planes(64, 48, colour, planes).unwrap();
    let taken = pass(&mut shared, &places, &picture);
    assert_eq!((taken.colour, taken.samples(2, 23).last()), (colour, Some(513)));
    assert!(bytes(&taken) == bytes(&picture));
    // Rows that have room for eight bits are none of ten; nor are planes at the end of the memory.
    let claim = |planes| PictureHead { planes, colour: colour_code(colour), ..picture_head(1, 64, 48) };
    let end = (PLACES * PLACE_BYTES) as u64;
    let (luma, chroma) = (128 * 48, 64 * 24);
    for planes in [
        [(0, 64), (luma, 64), (luma + chroma, 64)],
        [(0, 128), (luma, 32), (luma + chroma, 64)],
        [(0, 128), (luma, 64), (end - chroma + 1, 64)],
        [(end - 64 * 48, 128), (0, 64), (chroma, 64)],
    ] {
        assert!(matches!(shared.take(&claim(planes)), Err(Lie::Value(_))), "{planes:?}");
    }
    assert!(shared.take(&claim([(0, 128), (luma, 64), (end - chroma, 64)])).is_ok());
    let far = PictureHead { width: u32::MAX - 1, height: 2, ..claim([(0, u32::MAX), (0, u32::MAX), (0, u32::MAX)]) };
    assert!(matches!(shared.take(&PictureHead { number: 2, ..far }), Err(Lie::Value(_))));
}

#[test]
fn a_decoder_writes_where_its_parent_reads() {
    crate::feed::init().unwrap();
    let (mut shared, places) = shared();
    let caps: gst::Caps = "video/x-raw,format=I420,width=324,height=182,framerate=30/1".parse().unwrap();
    let pool = places.pool();
    let mut config = pool.config();
    config.set_params(Some(&caps), 0, 0, 0);
    config.add_option("GstBufferPoolOptionVideoMeta");
    config.add_option("GstBufferPoolOptionVideoAlignment");
    config.set_video_alignment(&gst_video::VideoAlignment::new(16, 16, 32, 32, &[31; 4]));
    pool.set_config(config).unwrap();
    pool.set_active(true).unwrap();
    let mut made = Vec::new();
    let mut lie_there = 0;
    for n in 0..PLACES {
        let mut buffer = pool.acquire_buffer(None).unwrap();
        let info = gst_video::VideoInfo::from_caps(&caps).unwrap();
        {
            let mut frame =
                gst_video::VideoFrameRef::from_buffer_ref_writable(buffer.get_mut().unwrap(), &info).unwrap();
            for plane in 0..3 {
                frame.plane_data_mut(plane).unwrap().fill(n as u8 + plane as u8);
            }
        }
        let sample = gst::Sample::builder().buffer(&buffer).caps(&caps).build();
        drop(buffer);
        let (picture, _) = crate::feed::samples::picture_of(&sample).unwrap();
        drop(sample);
        let taken = pass(&mut shared, &places, &picture);
        lie_there += usize::from(taken.strides == picture.strides && taken.strides[0] > 324);
        assert!(bytes(&taken) == bytes(&picture), "{n}");
        made.push((n, picture, taken));
        // Some are shown for longer than others, and all places are wanted at once.
        if n % 3 == 0 {
            made.remove(made.len() / 2);
            places.returned(&shared.lent().returned());
        }
        let whole = |(n, _, taken): &(usize, Picture, Picture)| {
            (0..3).all(|plane| taken.row(plane, 5).iter().all(|value| *value == *n as u8 + plane as u8))
        };
        assert!(made.iter().all(whole), "{n}");
    }
    assert!(lie_there > PLACES / 2, "{lie_there} were not copied");
    pool.set_active(false).unwrap();
}

/// Pictures of a clip as its decoder makes them, each pulled while the decoder may refer to it, and whether they lie where they were shown.
fn decoded(places: &Arc<Places>, shared: &mut Shared, path: &std::path::Path) -> Vec<bool> {
    let line =
        format!("filesrc location={} ! qtdemux ! h264parse ! avdec_h264 ! appsink name=end sync=false", path.display());
    let pipeline = gst::parse::launch(&line).unwrap().downcast::<gst::Pipeline>().unwrap();
    let end = pipeline.by_name("end").unwrap().downcast::<gstreamer_app::AppSink>().unwrap();
    let pool = Arc::clone(places);
    offer_memory(&end.static_pad("sink").unwrap(), move || Some(pool.pool()));
    pipeline.set_state(gst::State::Playing).unwrap();
    let mut lie_there = Vec::new();
    while let Ok(sample) = end.pull_sample() {
        let (picture, _) = crate::feed::samples::picture_of(&sample).unwrap();
        drop(sample);
        let taken = pass(shared, places, &picture);
        assert!(bytes(&taken) == bytes(&picture), "{}", lie_there.len());
        // A copy is packed tightly.
        lie_there.push(taken.strides == picture.strides && taken.strides[0] > 160);
        drop(taken);
        places.returned(&shared.lent().returned());
    }
    pipeline.set_state(gst::State::Null).unwrap();
    lie_there
}

#[test]
fn pictures_that_a_decoder_still_refers_to_are_not_copied() {
    crate::feed::init().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = CLIP.make(folder.path());
    let (mut shared, places) = shared();
    let lie_there = decoded(&places, &mut shared, &path);
    assert_eq!(lie_there.len(), 30);
    // The first ones may come before a decoder has asked for memory.
    assert!(lie_there[5..].iter().all(|there| *there), "{lie_there:?}");
}

#[test]
fn what_others_have_too_is_copied_before_it_is_written() {
    crate::feed::init().unwrap();
    let (_, places) = shared();
    let caps: gst::Caps = "video/x-raw,format=I420,width=64,height=48,framerate=30/1".parse().unwrap();
    let info = gst_video::VideoInfo::from_caps(&caps).unwrap();
    let pool = places.pool();
    let mut config = pool.config();
    config.set_params(Some(&caps), 0, 0, 0);
    pool.set_config(config).unwrap();
    pool.set_active(true).unwrap();
    let mut first = pool.acquire_buffer(None).unwrap();
    let fill = |buffer: &mut gst::BufferRef, value| {
        let mut frame = gst_video::VideoFrameRef::from_buffer_ref_writable(buffer, &info).unwrap();
        frame.plane_data_mut(0).unwrap().fill(value);
    };
    let luma = |buffer: &gst::BufferRef| {
        let frame = gst_video::VideoFrameRef::from_buffer_ref_readable(buffer, &info).unwrap();
        (frame.plane_data(0).unwrap()[17], frame.plane_data(0).unwrap().as_ptr())
    };
    fill(first.get_mut().unwrap(), 1);
    let mut second = first.copy();
    assert_eq!(luma(&second), luma(&first), "one memory, two buffers");
    fill(second.get_mut().unwrap(), 2);
    assert_eq!((luma(&first).0, luma(&second).0), (1, 2));
    pool.set_active(false).unwrap();
}

proptest! {
    #[test]
    fn whatever_is_said_of_a_picture_it_is_read_within_the_memory(
        number in prop_oneof![Just(0u64), any::<u64>()],
        width in prop_oneof![0u32..5000, any::<u32>()],
        height in prop_oneof![0u32..5000, any::<u32>()],
        planes in any::<[(u32, u16, bool); 3]>(),
        colour in prop_oneof![any::<[u8; 5]>(), any::<[u8; 5]>().prop_map(|codes| codes.map(|code| code % 2))],
        pixel_aspect in any::<(u32, u32)>(),
    ) {
        let mut shared = Shared::new().unwrap();
        let end = (PLACES * PLACE_BYTES) as u64;
        let planes = planes.map(|(at, stride, near_end)| {
            (if near_end { end.saturating_sub(u64::from(at)) } else { u64::from(at) << 8 }, u32::from(stride))
        });
        let head = PictureHead { colour, pixel_aspect, planes, ..picture_head(number, width, height) };
        match shared.take(&head) {
            Ok(picture) => {
                prop_assert_eq!((number, picture.width, picture.height), (0, width, height));
                for (plane, (at, _)) in planes.into_iter().enumerate() {
                    let (across, rows) = (picture.row_bytes(plane), picture.plane_size(plane).1);
                    prop_assert_eq!(picture.row(plane, rows - 1).len(), across);
                    prop_assert!(at + (picture.strides[plane] * (rows - 1) + across) as u64 <= end);
                }
            }
            Err(Lie::Turn) => prop_assert_ne!(number, 0),
            Err(_) => {}
        }
    }
}
