//! Low latency: parts, hints, reports and what may be asked of the server.

use super::super::rule::{Level, Rule, rules};

rules! {
    PART_INF Error "part-inf-missing" "8216bis 4.4.3.7" "A playlist with parts has EXT-X-PART-INF.";
    PART_LONG Error "part-too-long" "8216bis 4.4.4.9" "No part is longer than PART-TARGET.";
    PART_SHORT Error "part-too-short" "8216bis 4.4.4.9" "A part that is not a segment's last, independent or next to a gap has 85 % of PART-TARGET.";
    PART_SUM Warning "part-sum" "8216bis 4.4.4.9" "The parts of a segment are together as long as the segment.";
    PART_LATE Error "part-tags-late" "8216bis 4.4.4.9" "EXT-X-DISCONTINUITY, EXT-X-KEY, EXT-X-MAP and EXT-X-PROGRAM-DATE-TIME of a segment stand before its first part.";
    PART_RANGE Error "part-byterange" "8216bis 4.4.4.9" "A part's byte range without an offset follows a part of the same segment and resource.";
    PARTS_OLD Warning "parts-old" "8216bis 6.2.2" "Parts leave the playlist three target durations from its end.";
    PARTS_IFRAMES Warning "parts-with-i-frames-only" "8216bis 4.4.4.9" "A playlist of I-frames has no parts.";
    HOLD_BACK_SHORT Error "hold-back-short" "8216bis 4.4.3.8" "HOLD-BACK is at least three target durations.";
    PART_HOLD_BACK Error "part-hold-back-missing" "8216bis 4.4.3.8" "A playlist with EXT-X-PART-INF has PART-HOLD-BACK.";
    PART_HOLD_BACK_SHORT Error "part-hold-back-short" "8216bis 4.4.3.8" "PART-HOLD-BACK is at least twice PART-TARGET.";
    PART_HOLD_BACK_TIGHT Warning "part-hold-back-tight" "8216bis 4.4.3.8" "PART-HOLD-BACK is at least three times PART-TARGET.";
    SKIP_UNTIL_SHORT Error "skip-until-short" "8216bis 4.4.3.8" "CAN-SKIP-UNTIL is at least six target durations.";
    SKIP_DATERANGES Error "skip-dateranges-alone" "8216bis 4.4.3.8" "CAN-SKIP-DATERANGES comes with CAN-SKIP-UNTIL.";
    SKIP_UNASKED Error "skip-unasked" "8216bis 6.2.5.1" "EXT-X-SKIP stands only in an answer to _HLS_skip.";
    HINT_ENDED Error "hint-after-end" "8216bis 4.4.5.3" "An ended playlist has no EXT-X-PRELOAD-HINT.";
    HINT_TWICE Warning "hint-repeated" "8216bis 4.4.5.3" "There is one hint of each type.";
    HINT_MISSING Warning "hint-missing" "8216bis B.1" "A live playlist with parts hints at the next one.";
    HINT_BROKEN Warning "hint-broken" "8216bis 4.4.5.3" "What was hinted at appears under the URI that was hinted.";
    REPORT_ABSOLUTE Error "report-absolute" "8216bis 4.4.5.4" "The URI of EXT-X-RENDITION-REPORT is relative.";
    REPORT_UNKNOWN Warning "report-unknown" "8216bis 4.4.5.4" "A report names a media playlist of the same presentation.";
    REPORT_MISSING Warning "report-missing" "8216bis B.1" "A low-latency playlist reports on the other renditions.";
    REPORT_STALE Warning "report-stale" "8216bis 4.4.5.4" "A report is as new as the playlist that carries it.";
    BLOCK_MISSING Error "block-reload-missing" "8216bis B.1" "A low-latency playlist has CAN-BLOCK-RELOAD=YES.";
    CLOCK_MISSING Error "low-latency-date-time" "8216bis B.1" "A low-latency playlist has EXT-X-PROGRAM-DATE-TIME.";
    BLOCK_WRONG Error "block-reload-wrong" "8216bis 6.2.5.2" "The answer to _HLS_msn and _HLS_part holds what was waited for.";
    BLOCK_FAR Warning "block-reload-too-far" "8216bis 6.2.5.2" "A request for a segment that is far off gets status 400.";
    DELTA_WRONG Error "delta-wrong" "8216bis 6.2.5.1" "A delta update and the full playlist agree.";
    DELTA_NOT_GIVEN Note "delta-not-given" "8216bis 6.2.5.1" "A server with CAN-SKIP-UNTIL answers _HLS_skip=YES with EXT-X-SKIP where there is something to skip.";
}
