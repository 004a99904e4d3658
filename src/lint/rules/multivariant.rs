//! Multivariant playlists, and how the playlists that they name fit together.

use super::super::rule::{Level, Rule, rules};

rules! {
    VARIANTS_NONE Error "variants-none" "8216bis 4.4.6.2" "A multivariant playlist has a variant.";
    MEDIA_URI Error "media-uri-missing" "8216bis 4.4.6.2.1" "EXT-X-MEDIA of subtitles has a URI.";
    MEDIA_URI_FORBIDDEN Error "media-uri-forbidden" "8216bis 4.4.6.1" "EXT-X-MEDIA of closed captions has no URI.";
    INSTREAM_ID Error "instream-id" "8216bis 4.4.6.1" "Closed captions have an INSTREAM-ID of CC1 to CC4 or SERVICE1 to SERVICE63.";
    NAME_REPEATED Error "name-repeated" "8216bis 4.4.6.1.1" "Renditions of a group have different names.";
    DEFAULT_REPEATED Error "default-repeated" "8216bis 4.4.6.1.1" "A group has one DEFAULT=YES at most.";
    DEFAULT_AUTOSELECT Error "default-autoselect" "8216bis 4.4.6.1" "AUTOSELECT is not NO where DEFAULT is YES.";
    AUTOSELECT_ALIKE Warning "autoselect-alike" "8216bis 4.4.6.1.1" "AUTOSELECT members of a group differ in language, forced or characteristics.";
    FORCED Error "forced-forbidden" "8216bis 4.4.6.1" "FORCED is for subtitles only.";
    AUDIO_ONLY Error "audio-attribute-forbidden" "8216bis 4.4.6.1" "CHANNELS, BIT-DEPTH and SAMPLE-RATE are for audio only.";
    CHANNELS_MISSING Warning "channels-missing" "8216bis 4.4.6.1" "Audio renditions have CHANNELS.";
    CHANNELS_FORM Error "channels-form" "8216bis 4.4.6.1" "CHANNELS begins with a count.";
    LANGUAGE_TAG Error "language-tag" "8216bis 4.4.6.1" "LANGUAGE and ASSOC-LANGUAGE are RFC 5646 tags.";
    STABLE_ID Error "stable-id" "8216bis 4.4.6.1, 4.4.6.2" "Stable identifiers are of letters, digits and + / = . - _.";
    GROUPS_DIFFER Error "groups-differ" "8216bis 4.4.6.1.1" "Groups of one type have the same members with the same attributes.";
    RENDITION_ALIKE Warning "rendition-alike" "device: AAMP" "Audio renditions are told apart by language, group or name over all groups.";
    STREAM_URI Error "stream-uri-missing" "8216bis 4.4.6.2" "A URI line follows EXT-X-STREAM-INF.";
    GROUP_MISSING Error "group-missing" "8216bis 4.4.6.2" "A group that a variant names exists.";
    GROUP_UNUSED Warning "group-unused" "8216bis 4.4.6.2.1" "A group that exists is named by a variant.";
    CODECS_MISSING Warning "codecs-missing" "8216bis 4.4.6.2" "A variant says its CODECS.";
    CODECS_FORM Error "codecs-form" "8216bis 4.4.6.2" "CODECS is a list of RFC 6381 formats.";
    SUPPLEMENTAL Error "supplemental-codecs" "8216bis 4.4.6.2" "SUPPLEMENTAL-CODECS comes with CODECS, whose formats it enhances.";
    RESOLUTION_MISSING Warning "resolution-missing" "8216bis 4.4.6.2" "A variant with pictures says its RESOLUTION.";
    FRAME_RATE_MISSING Warning "frame-rate-missing" "8216bis 4.4.6.2" "A variant with pictures says its FRAME-RATE.";
    FRAME_RATE_DIGITS Warning "frame-rate-digits" "8216bis 4.4.6.2" "FRAME-RATE has three decimal places at most.";
    SCORE_PARTIAL Warning "score-partial" "8216bis 4.4.6.2" "All variants have a SCORE, or none.";
    AVERAGE_ABOVE_PEAK Error "average-above-peak" "8216bis 4.4.6.2" "AVERAGE-BANDWIDTH is not more than BANDWIDTH.";
    CAPTIONS_MIXED Error "captions-mixed" "8216bis 4.4.6.2" "CLOSED-CAPTIONS=NONE stands in every variant, or in none.";
    VIDEO_LAYOUT Error "video-layout-empty" "8216bis 4.4.6.2" "REQ-VIDEO-LAYOUT and its entries are not empty.";
    IFRAME_KIND Error "i-frame-playlist" "8216bis 4.4.6.3" "A playlist of EXT-X-I-FRAME-STREAM-INF has EXT-X-I-FRAMES-ONLY.";
    SESSION_DATA Error "session-data-form" "8216bis 4.4.6.4" "EXT-X-SESSION-DATA has VALUE or URI, not both.";
    SESSION_DATA_REPEATED Error "session-data-repeated" "8216bis 4.4.6.4" "DATA-ID and LANGUAGE together stand once.";
    SESSION_KEY_NONE Error "session-key-none" "8216bis 4.4.6.5" "METHOD of EXT-X-SESSION-KEY is not NONE.";
    SESSION_KEY_REPEATED Error "session-key-repeated" "8216bis 4.4.6.5" "No two EXT-X-SESSION-KEY are alike.";
    SESSION_KEY_DIFFERS Error "session-key-differs" "8216bis 4.4.6.5" "EXT-X-SESSION-KEY and EXT-X-KEY of one URI agree.";
    STEERING_PATHWAY Error "steering-pathway" "8216bis 4.4.6.6" "PATHWAY-ID of EXT-X-CONTENT-STEERING is that of a variant.";
    NESTED Error "variant-is-multivariant" "8216bis 4.4.6.2" "A variant's playlist is a media playlist.";
    BOTH_LEVELS Warning "tag-on-both-levels" "8216bis 4.4.2" "EXT-X-INDEPENDENT-SEGMENTS and EXT-X-START stand in the multivariant playlist or in media playlists, not in both.";
    TARGET_DIFFERS Error "target-duration-differs" "8216bis 6.2.4" "All media playlists have the same target duration; subtitles and I-frames on demand may differ.";
    TYPE_DIFFERS Error "playlist-type-differs" "8216bis 6.2.4" "All media playlists have the same EXT-X-PLAYLIST-TYPE.";
    CLOCK_PARTIAL Error "date-time-partial" "8216bis 6.2.4" "All media playlists have EXT-X-PROGRAM-DATE-TIME, or none.";
    CLOCK_DIFFERS Error "date-time-differs" "8216bis 6.2.4" "All media playlists map dates to media timestamps alike.";
    SEQUENCE_UNALIGNED Warning "sequence-unaligned" "Apple authoring" "Segments of one number show the same time in every variant.";
    DISCONTINUITY_DIFFERS Error "discontinuity-differs" "8216bis 6.2.4" "Matching content has matching discontinuity sequence numbers, in sound as in pictures.";
    LENGTH_DIFFERS Error "length-differs" "8216bis 6.2.4" "Renditions on demand differ in length by a target duration at most.";
    ENDLIST_PARTIAL Warning "endlist-partial" "8216bis 6.2.4" "Renditions end together.";
    BANDWIDTH_EXCEEDED Error "bandwidth-exceeded" "8216bis 4.4.6.2.1" "No playable combination of renditions on demand needs more than BANDWIDTH.";
    BANDWIDTH_EXCEEDED_LIVE Warning "bandwidth-exceeded-live" "8216bis 4.4.6.2" "BANDWIDTH of a live variant is that of its peaks.";
    AVERAGE_EXCEEDED Warning "average-bandwidth-exceeded" "8216bis 4.4.6.2" "AVERAGE-BANDWIDTH on demand is not less than what the segments need on average.";
}
