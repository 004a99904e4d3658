//! How a playlist is written.

use super::super::rule::{Level, Rule, rules};

rules! {
    EXTM3U_FIRST Error "extm3u-first" "8216bis 4.4.1.1" "The first line is exactly #EXTM3U.";
    BYTE_ORDER_MARK Error "byte-order-mark" "8216bis 4.1" "A playlist has no byte order mark.";
    NOT_UTF8 Error "not-utf8" "8216bis 4.1" "A playlist is UTF-8.";
    CONTROL_CHARACTER Error "control-character" "8216bis 4.1" "A playlist has no control characters but CR and LF.";
    LONE_CR Error "lone-carriage-return" "8216bis 4.1" "A line ends with LF or CRLF.";
    WHITESPACE Error "whitespace" "8216bis 4.1" "No blanks stand where none are specified.";
    LINE_SEPARATOR Warning "line-separator" "device: m3u8 (Python)" "No U+0085, U+2028 or U+2029: some readers end a line there.";
    PLAYLIST_KIND Error "playlist-kind" "8216bis 4.1" "A playlist names segments, or variants.";
    TAG_UNKNOWN Note "tag-unknown" "8216bis 6.3.1" "A tag that the specification does not know is ignored.";
    TAG_MISPLACED Error "tag-misplaced" "8216bis 4.4.3, 4.4.4, 4.4.6" "Tags of media playlists and of multivariant playlists do not mix.";
    TAG_REPEATED Error "tag-repeated" "8216bis 4.4.1.2, 4.4.2, 4.4.3" "A tag that speaks for the whole playlist stands there once.";
    TAG_VALUE Error "tag-value" "8216bis 4.4" "A tag's value has the form that is specified.";
    ATTRIBUTE_LIST Error "attribute-list" "8216bis 4.2" "An attribute list is NAME=value, separated by commas, without blanks.";
    ATTRIBUTE_REPEATED Error "attribute-repeated" "8216bis 4.2" "An attribute stands once in its list.";
    ATTRIBUTE_TYPE Error "attribute-type" "8216bis 4.2" "An attribute's value has the type that is specified.";
    ATTRIBUTE_VALUE Error "attribute-value" "8216bis 4.2" "An enumerated value is one of those that are specified.";
    ATTRIBUTE_MISSING Error "attribute-missing" "8216bis 4.4" "A required attribute is there.";
    ATTRIBUTE_UNKNOWN Note "attribute-unknown" "8216bis 6.3.1" "An attribute that the specification does not know is ignored.";
    VERSION_TOO_LOW Error "version-too-low" "8216bis 8" "EXT-X-VERSION is as high as the tags and attributes in use ask for.";
    URI_INVALID Error "uri-invalid" "8216bis 4.1" "A URI can be resolved.";
    VARIABLE_UNDEFINED Error "variable-undefined" "8216bis 4.3" "A variable is defined before it is used.";
    VARIABLE_REPEATED Error "variable-repeated" "8216bis 4.4.2.3" "A variable is defined once.";
    DEFINE_FORM Error "define-form" "8216bis 4.4.2.3" "EXT-X-DEFINE has one of NAME with VALUE, IMPORT and QUERYPARAM.";
    DEFINE_NAME Error "define-name" "8216bis 4.4.2.3" "A variable's name is of letters, digits, - and _.";
    DEFINE_IMPORT Error "define-import" "8216bis 4.4.2.3" "IMPORT names a variable of the multivariant playlist, and stands in media playlists only.";
    DEFINE_QUERY Error "define-query" "8216bis 4.4.2.3" "QUERYPARAM names a parameter with a value in the playlist's URI.";
    START_OUTSIDE Warning "start-outside" "8216bis 4.4.2.2" "TIME-OFFSET is not longer than the playlist.";
    START_NEAR_END Warning "start-near-end" "8216bis 4.4.2.2" "TIME-OFFSET of a live playlist stays three target durations from its end.";
}
