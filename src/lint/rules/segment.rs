//! What is in the segments.

use super::super::rule::{Level, Rule, rules};

rules! {
    UNAVAILABLE Error "segment-unavailable" "8216bis 6.2.1" "A segment, part or init section that is listed can be loaded.";
    RANGE_OUTSIDE Error "byterange-outside" "8216bis 4.4.4.2" "A byte range lies within its resource.";
    RANGE_IGNORED Warning "byterange-ignored" "RFC 9110 14.2" "A server whose playlist has byte ranges answers Range with 206.";
    FORMAT Error "segment-format" "8216bis 3.1" "A segment is MPEG-TS, fragmented MP4, packed audio or WebVTT.";
    FORMAT_CHANGED Error "segment-format-changed" "8216bis 4.4.4.3" "The format of segments changes at a discontinuity only.";
    KEY_UNAVAILABLE Error "key-unavailable" "8216bis 6.2.3" "A key can be loaded.";
    KEY_LENGTH Error "key-length" "8216bis 5.1" "An identity key for AES-128 has 16 bytes.";
    DECRYPT Error "segment-decrypt" "8216bis 4.4.4.4" "An encrypted segment can be decrypted with its key.";
    BITRATE Error "bitrate-tag" "8216bis 4.4.4.8" "EXT-X-BITRATE is within 10 % of what the segment needs.";
    MAP_MISSING Error "map-missing" "8216bis 3.1.2" "Fragmented MP4 has EXT-X-MAP.";
    MAP_FORM Error "map-form" "8216bis 3.1.2" "An init section has ftyp, then moov.";
    MAP_SAMPLES Error "map-samples" "8216bis 3.1.2" "The moov of an init section holds no samples, and has mvex.";
    MAP_MEDIA Warning "map-media" "8216bis 4.4.4.5" "An init section holds nothing but itself.";
    BOX_BROKEN Error "box-broken" "8216bis 3.1.2" "Boxes lie within what holds them.";
    SEGMENT_MOOV Warning "segment-moov" "device: set-top boxes" "A segment with EXT-X-MAP has no moov of its own.";
    FRAGMENT_FORM Error "fragment-form" "8216bis 3.1.2" "A segment of fragmented MP4 has moof, then mdat.";
    FRAGMENT_TFDT Error "fragment-tfdt" "8216bis 3.1.2" "Every track fragment has tfdt.";
    FRAGMENT_ADDRESSING Error "fragment-addressing" "8216bis 3.1.2" "Fragments address their data relative to moof.";
    FRAGMENT_TRACK Error "fragment-track" "8216bis 3.1.2" "A fragment's tracks are those of the init section.";
    TIMELINE_BREAK Error "timeline-break" "8216bis 4.4.4.3" "Timestamps go on from segment to segment unless EXT-X-DISCONTINUITY says otherwise.";
    TIMELINE_GAP Warning "timeline-gap" "8216bis 4.4.4.3" "A segment begins where the one before ended.";
    DURATION_OFF Warning "segment-duration" "8216bis 4.4.4.1" "EXTINF is what the samples last.";
    NOT_INDEPENDENT Error "segment-not-independent" "8216bis 4.4.2.1" "With EXT-X-INDEPENDENT-SEGMENTS every segment of pictures begins with one that needs no other.";
    CODEC_UNLISTED Error "codec-unlisted" "8216bis 4.4.6.2, 4.4.6.1.1" "CODECS lists every sample format of the variant and its groups.";
    CODEC_DIFFERS Warning "codec-differs" "8216bis 4.4.6.2" "CODECS names the profile and level that the samples have.";
    RESOLUTION_DIFFERS Warning "resolution-differs" "8216bis 4.4.6.2" "RESOLUTION is that of the pictures.";
    VIDEO_RANGE Error "video-range" "8216bis 4.4.6.2" "VIDEO-RANGE is that of the pictures.";
    SUBTITLES_MP4 Warning "subtitles-in-mp4" "device: AAMP" "Subtitles are plain WebVTT.";
    TS_SYNC Error "ts-sync" "8216bis 3.1.1" "A transport stream is of whole packets of 188 bytes that begin with 0x47.";
    TS_TABLES Error "ts-tables" "8216bis 3.1.1" "A transport stream begins with PAT and PMT, or EXT-X-MAP has them.";
    TS_PROGRAMS Error "ts-programs" "8216bis 3.1.1" "A transport stream has one programme.";
    TS_PTS Error "ts-pts" "8216bis 3.1.1" "Elementary streams have timestamps.";
    PACKED_ID3 Error "packed-audio-id3" "8216bis 3.1.3" "Packed audio begins with an ID3 tag that has its 33-bit timestamp.";
    VTT_HEADER Error "webvtt-header" "8216bis 3.1.4" "A WebVTT segment begins with WEBVTT.";
    VTT_MAP Warning "webvtt-map" "8216bis 3.1.4" "A WebVTT segment has X-TIMESTAMP-MAP.";
    VTT_MAP_FORM Error "webvtt-map-form" "8216bis 3.1.4" "X-TIMESTAMP-MAP has LOCAL and MPEGTS.";
    VTT_CUE Warning "webvtt-cue" "8216bis 3.1.4" "Cues have good times, and do not end before they begin.";
}
