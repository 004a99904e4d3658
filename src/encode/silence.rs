//! A frame of silence of a coded sound, to stand where its source sent none.

use bytes::Bytes;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;

use super::AudioEncodeError;
use crate::frame::{Aac, Ac3, CodedSound, Eac3};

/// The encoder is warm after so many frames.
const FRAMES: u32 = 4;
/// How long a frame may take.
const PATIENCE: gst::ClockTime = gst::ClockTime::from_seconds(5);

/// A frame of silence of `form`: AAC written by hand, AC-3 and E-AC-3 by FFmpeg's encoders, which takes some milliseconds.
///
/// # Errors
/// There is no such encoder, or it makes something else.
pub fn silent_frame(form: CodedSound) -> Result<Bytes, AudioEncodeError> {
    match form {
        CodedSound::Aac(aac) => Ok(silent_aac(aac)),
        CodedSound::Ac3(Ac3 { acmod, lfe, .. }) => {
            encoded(form, &format!("avenc_ac3 bitrate={}", form.bitrate_bps()), acmod, lfe)
        }
        CodedSound::Eac3(Eac3 { acmod, lfe, .. }) => {
            encoded(form, &format!("avenc_eac3 bitrate={}", 96_000 * form.channels()), acmod, lfe)
        }
    }
}

/// Speakers by acmod (ETSI TS 102 366, 4.4.2.3), as GStreamer's encoders name them: surrounds stand behind.
const SPEAKERS: [u64; 8] = [0x3, 0x4, 0x3, 0x7, 0x103, 0x107, 0x33, 0x37];
const LOW_FREQUENCY: u64 = 0x8;

fn encoded(form: CodedSound, encoder: &str, acmod: u8, lfe: bool) -> Result<Bytes, AudioEncodeError> {
    let unavailable = |what: String| AudioEncodeError::Unavailable(what);
    gst::init().map_err(|error| unavailable(error.to_string()))?;
    let speakers = SPEAKERS.get(usize::from(acmod)).copied().unwrap_or(0x3) | if lfe { LOW_FREQUENCY } else { 0 };
    let channels = form.channels();
    let mask = if channels > 1 { format!(",channel-mask=(bitmask){speakers:#x}") } else { String::new() };
    let line = format!(
        "audiotestsrc wave=silence num-buffers={FRAMES} samplesperbuffer={} ! audioconvert ! \
         audio/x-raw,rate=48000,channels={channels}{mask} ! {encoder} ! appsink name=out sync=false",
        form.frame_samples()
    );
    let pipeline = gst::parse::launch(&line).map_err(|error| unavailable(error.to_string()))?;
    let bin = pipeline.downcast_ref::<gst::Bin>().and_then(|bin| bin.by_name("out"));
    let out = bin.and_then(|out| out.downcast::<gst_app::AppSink>().ok());
    let frame = out.and_then(|out| {
        pipeline.set_state(gst::State::Playing).ok()?;
        let samples = std::iter::from_fn(|| out.try_pull_sample(PATIENCE));
        let sample = samples.take(FRAMES as usize).last()?;
        let map = sample.buffer()?.map_readable().ok()?;
        Some(Bytes::copy_from_slice(&map))
    });
    // It has no more to do; nothing depends on how it stops.
    let _ = pipeline.set_state(gst::State::Null);
    let frame = frame.ok_or_else(|| unavailable(format!("no frame came of: {line}")))?;
    let is_alike = CodedSound::a52_frame(&frame).is_some_and(|made| {
        let of = |form: CodedSound| (form.codec(), form.channels(), form.frame_samples());
        of(made.form) == of(form)
    });
    if is_alike { Ok(frame) } else { Err(unavailable(format!("another frame came of: {line}"))) }
}

/// Elements of a raw block by channel configuration (ISO/IEC 14496-3, table 1.19): single, pair, low-frequency.
const ELEMENTS: [&[Element]; 8] = {
    use Element::{Lfe, Pair, Single};
    [
        &[],
        &[Single],
        &[Pair],
        &[Single, Pair],
        &[Single, Pair, Single],
        &[Single, Pair, Pair],
        &[Single, Pair, Pair, Lfe],
        &[Single, Pair, Pair, Pair, Lfe],
    ]
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Element {
    Single,
    Pair,
    Lfe,
}

/// A raw block of silence (4.4.2.1): long windows without a scale factor band, so that there is nothing to decode.
fn silent_aac(aac: Aac) -> Bytes {
    /// Gain, window, and none of what is optional.
    const CHANNEL_BITS: usize = 22;
    let mut bits: Vec<bool> = Vec::new();
    let mut write = |value: u8, count: usize| bits.extend((0..count).rev().map(|at| value >> at & 1 == 1));
    let elements = ELEMENTS.get(usize::from(aac.channels)).copied().unwrap_or(&[Element::Pair]);
    let mut tags = [0u8; 3];
    for element in elements {
        let (id, kind, channels) = match element {
            Element::Single => (0, 0, 1),
            Element::Pair => (1, 1, 2),
            Element::Lfe => (3, 2, 1),
        };
        write(id, 3);
        write(tags[kind], 4);
        tags[kind] += 1;
        if channels == 2 {
            // No common window.
            write(0, 1);
        }
        (0..channels * CHANNEL_BITS).for_each(|_| write(0, 1));
    }
    // ID_END.
    write(7, 3);
    let byte = |bits: &[bool]| bits.iter().zip((0..8).rev()).fold(0, |byte, (bit, at)| byte | u8::from(*bit) << at);
    bits.chunks(8).map(byte).collect::<Vec<u8>>().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::AacObject;

    #[test]
    fn there_is_silence_of_every_form() {
        for acmod in 1..=7 {
            for lfe in [false, true] {
                if (acmod, lfe) == (6, true) {
                    // Two in front, two behind and a low-frequency one: no encoder here makes it.
                    continue;
                }
                let ac3 = CodedSound::Ac3(Ac3 { bsid: 8, bsmod: 0, acmod, lfe, rate_code: 14 });
                assert_eq!(silent_frame(ac3).unwrap().len(), 384 * 4, "{acmod} {lfe}: as long as the source's are");
                let eac3 = CodedSound::Eac3(Eac3 { kbps: 384, bsid: 16, bsmod: 0, acmod, lfe, objects: 0 });
                assert!(silent_frame(eac3).is_ok(), "{acmod} {lfe}");
            }
        }
        let pair = CodedSound::Aac(Aac { object: AacObject::He, channels: 2 });
        // As `silent_unit` of what is encoded, but for its common window.
        assert_eq!(silent_frame(pair).unwrap()[..], [0b0010_0000, 0, 0, 0, 0, 0, 0b0000_1110]);
    }
}
