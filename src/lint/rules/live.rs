//! What a playlist may become while it is reloaded. 6.2.1 lists what may change; nothing else does.

use super::super::rule::{Level, Rule, rules};

rules! {
    PLAYLIST_LOST Error "playlist-lost" "8216bis 6.2.1" "A live playlist can be loaded again.";
    STALLED Error "playlist-stalled" "8216bis 6.2.1" "A live playlist gets a new segment within one and a half target durations.";
    SEQUENCE_BACK Error "media-sequence-back" "8216bis 6.2.2" "EXT-X-MEDIA-SEQUENCE does not decrease.";
    SEQUENCE_WRONG Error "media-sequence-wrong" "8216bis 6.2.2" "EXT-X-MEDIA-SEQUENCE grows by one for every segment that goes.";
    SEQUENCE_JUMP Warning "media-sequence-jump" "8216bis 6.2.2" "Two loads at the proper pace have segments in common.";
    VANISHED Error "segments-vanished" "8216bis 6.2.1" "Segments leave at the beginning only.";
    SEGMENT_CHANGED Error "segment-changed" "8216bis 6.2.1" "A segment that is listed does not change.";
    PART_CHANGED Error "part-changed" "8216bis 6.2.1" "A part that is listed does not change.";
    DISCONTINUITY_SEQUENCE Error "discontinuity-sequence-wrong" "8216bis 6.2.2" "EXT-X-DISCONTINUITY-SEQUENCE grows by one for every discontinuity that goes, and only then.";
    ENDED_CHANGED Error "endlist-then-changed" "8216bis 4.4.3.4" "An ended playlist gets no more segments.";
    ENDLIST_GONE Error "endlist-gone" "8216bis 6.2.1" "EXT-X-ENDLIST stays.";
    EVENT_REMOVED Error "event-removed" "8216bis 4.4.3.5" "An EVENT playlist loses no segments.";
    VOD_CHANGED Error "vod-changed" "8216bis 4.4.3.5" "A VOD playlist does not change.";
    TYPE_CHANGED Error "playlist-type-changed" "8216bis 6.2.1" "EXT-X-PLAYLIST-TYPE does not change.";
    TARGET_CHANGED Error "target-duration-changed" "8216bis 6.2.1" "The target duration does not change.";
    PART_TARGET_CHANGED Error "part-target-changed" "8216bis 6.2.1; AVPlayer -12642" "PART-TARGET does not change.";
    HOLD_BACK_CHANGED Error "hold-back-changed" "8216bis 6.2.1; AVPlayer -12642" "PART-HOLD-BACK and HOLD-BACK do not change.";
    CLOCK_CHANGED Error "date-time-changed" "8216bis 6.2.1" "The date of a segment does not change.";
    DATERANGE_CHANGED Error "daterange-changed" "8216bis 4.4.5.1" "A date range gains attributes over reloads, but neither changes nor loses them.";
}
