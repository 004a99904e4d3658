//! What a media playlist says of its segments.

use super::super::rule::{Level, Rule, rules};

rules! {
    TARGET_MISSING Error "target-duration-missing" "8216bis 4.4.3.1" "A media playlist has EXT-X-TARGETDURATION.";
    TARGET_EXCEEDED Error "target-duration-exceeded" "8216bis 4.4.3.1" "No EXTINF, rounded, is longer than the target duration.";
    MEDIA_SEQUENCE_LATE Error "media-sequence-late" "8216bis 4.4.3.2" "EXT-X-MEDIA-SEQUENCE stands before the first segment.";
    DISCONTINUITY_SEQUENCE_LATE Error "discontinuity-sequence-late" "8216bis 4.4.3.3" "EXT-X-DISCONTINUITY-SEQUENCE stands before the first segment and any EXT-X-DISCONTINUITY.";
    EXTINF_MISSING Error "extinf-missing" "8216bis 4.4.4.1" "Every segment has an EXTINF.";
    EXTINF_COMMA Error "extinf-comma" "8216bis 4.4.4.1" "A comma stands behind EXTINF's duration.";
    SEGMENT_TAG_DANGLING Error "segment-tag-dangling" "8216bis 4.4.4" "EXTINF and EXT-X-BYTERANGE are followed by their segment's URI.";
    BYTERANGE_START Error "byterange-start" "8216bis 4.4.4.2" "A byte range without an offset follows a range of the same resource.";
    KEY_URI Error "key-uri" "8216bis 4.4.4.4" "A key has a URI unless METHOD is NONE.";
    KEY_NONE Error "key-none" "8216bis 4.4.4.4" "METHOD=NONE stands alone.";
    KEY_IV Error "key-iv" "8216bis 4.4.4.4" "IV has 128 bits, and is not there with AES-256-GCM and SAMPLE-AES-CTR.";
    KEY_FORMAT_VERSIONS Error "key-format-versions" "8216bis 4.4.4.4" "KEYFORMATVERSIONS is of positive integers, separated by slashes.";
    KEY_INSECURE Note "key-insecure" "8216bis 11" "Keys come over https.";
    MAP_IV Error "map-iv" "8216bis 4.4.4.5" "The key of an init section that is encrypted with AES-128 has an IV.";
    MAP_BYTERANGE Error "map-byterange" "8216bis 4.4.4.5" "BYTERANGE of EXT-X-MAP is <n>@<o>.";
    PDT_ZONE Warning "date-time-zone" "8216bis 4.4.4.6" "EXT-X-PROGRAM-DATE-TIME names its time zone.";
    PDT_MILLISECONDS Warning "date-time-milliseconds" "8216bis 4.4.4.6" "EXT-X-PROGRAM-DATE-TIME is exact to a millisecond.";
    PDT_DRIFT Warning "date-time-drift" "8216bis 4.4.4.6" "Dates of segments without a discontinuity between them are as far apart as their durations say.";
    VOD_OPEN Warning "vod-without-endlist" "8216bis 4.4.3.5" "A playlist that cannot change has EXT-X-ENDLIST, or players go on asking.";
    LIVE_SHORT Error "live-window-short" "8216bis 6.2.2" "A live playlist that lets segments go keeps three target durations.";
    DATERANGE_NO_CLOCK Error "daterange-without-date-time" "8216bis 4.4.5.1" "A playlist with EXT-X-DATERANGE has EXT-X-PROGRAM-DATE-TIME.";
    DATERANGE_START Error "daterange-start" "8216bis 4.4.5.1" "The first EXT-X-DATERANGE of an ID has START-DATE.";
    DATERANGE_DATE Error "daterange-date" "8216bis 4.4.5.1" "START-DATE and END-DATE are ISO 8601 dates with a time.";
    DATERANGE_ZONE Warning "daterange-zone" "8216bis 4.4.5.1" "START-DATE and END-DATE name their time zone.";
    DATERANGE_END Error "daterange-end" "8216bis 4.4.5.1" "END-DATE is not before START-DATE.";
    DATERANGE_NEGATIVE Error "daterange-negative" "8216bis 4.4.5.1" "DURATION and PLANNED-DURATION are not negative.";
    DATERANGE_SUM Error "daterange-sum" "8216bis 4.4.5.1" "END-DATE is START-DATE plus DURATION.";
    DATERANGE_NEXT_CLASS Error "daterange-next-class" "8216bis 4.4.5.1" "A range with END-ON-NEXT has a CLASS.";
    DATERANGE_NEXT_END Error "daterange-next-end" "8216bis 4.4.5.1" "A range with END-ON-NEXT has neither DURATION nor END-DATE.";
    DATERANGE_OVERLAP Error "daterange-overlap" "8216bis 4.4.5.1" "Ranges of a CLASS with END-ON-NEXT do not overlap.";
    DATERANGE_CONFLICT Error "daterange-conflict" "8216bis 4.4.5.1" "Two tags of one ID agree in every attribute that both have.";
    DATERANGE_CUE Error "daterange-cue" "8216bis 4.4.5.1" "CUE is of PRE, POST and ONCE, and not both PRE and POST.";
    SCTE35 Error "scte35-hex" "8216bis 4.4.5.1.1" "SCTE35 attributes are a whole splice_info_section as a hexadecimal sequence.";
}
