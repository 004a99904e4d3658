//! What may take a source apart and decode it, by name. Whatever else is installed is never chosen by what a source claims to be: no decoder
//! of still images, no archive, and nothing that opens other files or addresses by itself.

use gstreamer as gst;

const DEMUXERS: [&str; 8] =
    ["qtdemux", "matroskademux", "flvdemux", "tsdemux", "mpegpsdemux", "avidemux", "oggdemux", "id3demux"];

const PARSERS: [&str; 14] = [
    "h264parse",
    "h265parse",
    "mpegvideoparse",
    "mpeg4videoparse",
    "vp9parse",
    "av1parse",
    "aacparse",
    "ac3parse",
    "mpegaudioparse",
    "opusparse",
    "flacparse",
    "dcaparse",
    "vorbisparse",
    "wavparse",
];

const DECODERS: [&str; 54] = [
    // libav's, and the codecs' own libraries'.
    "avdec_h264",
    "avdec_h265",
    "avdec_mpegvideo",
    "avdec_mpeg2video",
    "avdec_mpeg4",
    "avdec_vp8",
    "avdec_vp9",
    "avdec_av1",
    "openh264dec",
    "libde265dec",
    "mpeg2dec",
    "vp8dec",
    "vp9dec",
    "av1dec",
    "dav1ddec",
    // What graphics cards have.
    "vah264dec",
    "vah265dec",
    "vampeg2dec",
    "vavp8dec",
    "vavp9dec",
    "vaav1dec",
    "nvh264dec",
    "nvh265dec",
    "nvmpeg2videodec",
    "nvvp8dec",
    "nvvp9dec",
    "nvav1dec",
    "v4l2slh264dec",
    "v4l2slh265dec",
    "v4l2slmpeg2dec",
    "v4l2slvp8dec",
    "v4l2slvp9dec",
    "v4l2slav1dec",
    // Sound.
    "avdec_aac",
    "avdec_aac_latm",
    "fdkaacdec",
    "faad",
    "avdec_ac3",
    "avdec_eac3",
    "a52dec",
    "avdec_mp1float",
    "avdec_mp2float",
    "avdec_mp3",
    "avdec_mp3float",
    "mpg123audiodec",
    "opusdec",
    "avdec_opus",
    "vorbisdec",
    "flacdec",
    "avdec_flac",
    "avdec_dca",
    "avdec_alac",
    "avdec_s302m",
    "mulawdec",
];

/// Whether a factory of this kind may be used.
pub(super) fn is_admitted(kind: gst::ElementFactoryType, name: &str) -> bool {
    match kind {
        gst::ElementFactoryType::DEMUXER => DEMUXERS.contains(&name),
        gst::ElementFactoryType::PARSER => PARSERS.contains(&name),
        gst::ElementFactoryType::DECODER => DECODERS.contains(&name),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::pipeline::parts::{Calls, calls_for, decoders, factories};

    #[test]
    fn images_lists_and_archives_find_nobody() {
        gst::init().unwrap();
        for media in [
            "image/png",
            "image/jpeg",
            "image/gif",
            "image/svg+xml",
            "image/webp",
            "image/bmp",
            "application/x-bzip",
            "application/dash+xml",
            "application/x-hls",
            "application/sdp",
            "multipart/x-mixed-replace",
            "application/mxf",
            "video/x-flic",
        ] {
            let caps = gst::Caps::new_empty_simple(media);
            assert!(!matches!(calls_for(&caps), Calls::Container(_)), "{media}");
            assert!(decoders(&caps).is_empty(), "{media}: {:?}", decoders(&caps));
            assert!(factories(gst::ElementFactoryType::PARSER, &caps).is_empty(), "{media}");
        }
        for media in ["image/png", "image/jpeg"] {
            assert!(matches!(calls_for(&gst::Caps::new_empty_simple(media)), Calls::Nothing), "{media}");
        }
    }

    #[test]
    fn what_games_are_made_of_finds_its_decoder() {
        gst::init().unwrap();
        for media in [
            "video/x-h264",
            "video/x-h265",
            "video/mpeg,mpegversion=2",
            "audio/mpeg,mpegversion=4",
            "audio/x-ac3",
            "audio/x-opus",
        ] {
            assert!(!decoders(&media.parse().unwrap()).is_empty(), "{media}");
        }
    }
}
