//! How the server answers.

use super::super::rule::{Level, Rule, rules};

rules! {
    PLAYLIST_UNAVAILABLE Error "playlist-unavailable" "8216bis 6.2.1" "A playlist that is named can be loaded.";
    UNIDENTIFIABLE Error "playlist-unidentifiable" "8216bis 4" "A playlist is known by its path, .m3u8 or .m3u, or by its media type.";
    PLAYLIST_MIME Warning "playlist-mime" "8216bis 4" "A playlist's media type is application/vnd.apple.mpegurl or audio/mpegurl.";
    SEGMENT_MIME Warning "segment-mime" "8216bis 3.1, Apple authoring" "A segment's media type is that of its format.";
    GZIP_MISSING Warning "playlist-not-gzip" "8216bis 6.2.1" "A playlist of more than 4 kB comes in gzip to clients that take it.";
    SEGMENT_GZIP Note "segment-gzip" "Apple authoring" "Compressing media gains nothing.";
    CACHED_LONG Warning "playlist-cached-long" "8216bis 6.2.1" "A live playlist is not kept in caches for longer than a target duration.";
    UNCACHEABLE Note "segment-uncacheable" "Apple authoring" "Segments may be kept in caches.";
    CORS Note "cors-missing" "Fetch standard" "Players in browsers need Access-Control-Allow-Origin.";
    TRUNCATED Error "body-truncated" "RFC 9112 8" "An answer is as long as it says.";
    TOO_LARGE Warning "answer-too-large" "limit" "An answer ends within the size that is checked here.";
    NOT_ALL Note "not-all-checked" "limit" "Everything is checked, within bounds.";
}
