//! The tags and attributes that are known (8216bis 4.4; image playlists are Roku's and others' extension), as data.

/// Where a tag may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// In any playlist.
    Both,
    /// In media playlists.
    Media,
    /// In multivariant playlists.
    Multivariant,
}

/// What stands behind a tag's colon.
#[derive(Clone, Copy, Debug)]
pub enum Form {
    Nothing,
    Integer,
    /// An integer of at least 1.
    Positive,
    OneOf(&'static [&'static str]),
    /// `<duration>,[<title>]`
    Extinf,
    /// `<n>[@<o>]`
    Range,
    Date,
    List(&'static [Spec]),
}

/// The type of an attribute's value (4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    Integer,
    Float,
    Signed,
    Hex,
    Quoted,
    OneOf(&'static [&'static str]),
    /// A quoted string, or NONE.
    QuotedOrNone,
    Resolution,
    /// Looked at elsewhere.
    Any,
}

#[derive(Clone, Copy, Debug)]
pub struct Spec {
    pub name: &'static str,
    pub kind: Type,
    pub required: bool,
}

#[derive(Clone, Copy, Debug)]
pub struct TagSpec {
    pub name: &'static str,
    pub kind: Kind,
    pub once: bool,
    pub form: Form,
}

const fn must(name: &'static str, kind: Type) -> Spec {
    Spec { name, kind, required: true }
}

const fn may(name: &'static str, kind: Type) -> Spec {
    Spec { name, kind, required: false }
}

const fn tag(name: &'static str, kind: Kind, once: bool, form: Form) -> TagSpec {
    TagSpec { name, kind, once, form }
}

use Kind::{Both, Media, Multivariant};
use Type::{Any, Float, Hex, Integer, OneOf, Quoted, QuotedOrNone, Resolution, Signed};

const YES: Type = OneOf(&["YES"]);
const YES_NO: Type = OneOf(&["YES", "NO"]);
const METHODS: Type = OneOf(&["NONE", "AES-128", "SAMPLE-AES", "SAMPLE-AES-CTR", "AES-256-GCM"]);

const KEY: &[Spec] = &[
    must("METHOD", METHODS),
    may("URI", Quoted),
    may("IV", Hex),
    may("KEYFORMAT", Quoted),
    may("KEYFORMATVERSIONS", Quoted),
];
const START: &[Spec] = &[must("TIME-OFFSET", Signed), may("PRECISE", YES_NO)];
const DEFINE: &[Spec] = &[may("NAME", Quoted), may("VALUE", Quoted), may("IMPORT", Quoted), may("QUERYPARAM", Quoted)];
const CONTROL: &[Spec] = &[
    may("CAN-SKIP-UNTIL", Float),
    may("CAN-SKIP-DATERANGES", YES),
    may("HOLD-BACK", Float),
    may("PART-HOLD-BACK", Float),
    may("CAN-BLOCK-RELOAD", YES),
];
const MAP: &[Spec] = &[must("URI", Quoted), may("BYTERANGE", Quoted)];
const PART: &[Spec] =
    &[must("URI", Quoted), must("DURATION", Float), may("INDEPENDENT", YES), may("BYTERANGE", Quoted), may("GAP", YES)];
// Durations are read as signed here: a negative one has a rule of its own.
const DATERANGE: &[Spec] = &[
    must("ID", Quoted),
    may("CLASS", Quoted),
    may("START-DATE", Quoted),
    may("CUE", Quoted),
    may("END-DATE", Quoted),
    may("DURATION", Signed),
    may("PLANNED-DURATION", Signed),
    may("SCTE35-CMD", Any),
    may("SCTE35-OUT", Any),
    may("SCTE35-IN", Any),
    may("END-ON-NEXT", YES),
];
const SKIP: &[Spec] = &[must("SKIPPED-SEGMENTS", Integer), may("RECENTLY-REMOVED-DATERANGES", Quoted)];
const HINT: &[Spec] = &[
    must("TYPE", OneOf(&["PART", "MAP"])),
    must("URI", Quoted),
    may("BYTERANGE-START", Integer),
    may("BYTERANGE-LENGTH", Integer),
];
// LAST-MSN may be left out where it is that of the carrying playlist (4.4.5.4).
const REPORT: &[Spec] = &[must("URI", Quoted), may("LAST-MSN", Integer), may("LAST-PART", Integer)];
const MEDIA: &[Spec] = &[
    must("TYPE", OneOf(&["AUDIO", "VIDEO", "SUBTITLES", "CLOSED-CAPTIONS"])),
    may("URI", Quoted),
    must("GROUP-ID", Quoted),
    may("LANGUAGE", Quoted),
    may("ASSOC-LANGUAGE", Quoted),
    must("NAME", Quoted),
    may("STABLE-RENDITION-ID", Quoted),
    may("DEFAULT", YES_NO),
    may("AUTOSELECT", YES_NO),
    may("FORCED", YES_NO),
    may("INSTREAM-ID", Quoted),
    may("BIT-DEPTH", Integer),
    may("SAMPLE-RATE", Integer),
    may("CHARACTERISTICS", Quoted),
    may("CHANNELS", Quoted),
];
macro_rules! stream {
    ($($more:expr),* $(,)?) => {
        &[
            must("BANDWIDTH", Integer),
            may("AVERAGE-BANDWIDTH", Integer),
            may("SCORE", Float),
            may("CODECS", Quoted),
            may("SUPPLEMENTAL-CODECS", Quoted),
            may("RESOLUTION", Resolution),
            may("HDCP-LEVEL", OneOf(&["TYPE-0", "TYPE-1", "NONE"])),
            may("ALLOWED-CPC", Quoted),
            may("VIDEO-RANGE", OneOf(&["SDR", "HLG", "PQ"])),
            may("REQ-VIDEO-LAYOUT", Quoted),
            may("STABLE-VARIANT-ID", Quoted),
            may("VIDEO", Quoted),
            may("PATHWAY-ID", Quoted),
            $($more),*
        ]
    };
}
const STREAM: &[Spec] = stream![
    may("FRAME-RATE", Float),
    may("AUDIO", Quoted),
    may("SUBTITLES", Quoted),
    may("CLOSED-CAPTIONS", QuotedOrNone),
    // RFC 8216 took it back; old packagers write it.
    may("PROGRAM-ID", Integer),
    may("NAME", Quoted),
];
const IFRAME: &[Spec] = stream![must("URI", Quoted)];
const SESSION_DATA: &[Spec] = &[
    must("DATA-ID", Quoted),
    may("VALUE", Quoted),
    may("URI", Quoted),
    may("FORMAT", OneOf(&["JSON", "RAW"])),
    may("LANGUAGE", Quoted),
];
const STEERING: &[Spec] = &[must("SERVER-URI", Quoted), may("PATHWAY-ID", Quoted)];
const TILES: &[Spec] = &[must("RESOLUTION", Resolution), must("LAYOUT", Resolution), must("DURATION", Float)];

/// Every tag that is known.
pub static TAGS: &[TagSpec] = &[
    tag("EXTM3U", Both, true, Form::Nothing),
    tag("EXT-X-VERSION", Both, true, Form::Positive),
    tag("EXT-X-INDEPENDENT-SEGMENTS", Both, true, Form::Nothing),
    tag("EXT-X-START", Both, true, Form::List(START)),
    tag("EXT-X-DEFINE", Both, false, Form::List(DEFINE)),
    tag("EXT-X-TARGETDURATION", Media, true, Form::Positive),
    tag("EXT-X-MEDIA-SEQUENCE", Media, true, Form::Integer),
    tag("EXT-X-DISCONTINUITY-SEQUENCE", Media, true, Form::Integer),
    tag("EXT-X-ENDLIST", Media, true, Form::Nothing),
    tag("EXT-X-PLAYLIST-TYPE", Media, true, Form::OneOf(&["EVENT", "VOD"])),
    tag("EXT-X-I-FRAMES-ONLY", Media, true, Form::Nothing),
    tag("EXT-X-PART-INF", Media, true, Form::List(&[must("PART-TARGET", Float)])),
    tag("EXT-X-SERVER-CONTROL", Media, true, Form::List(CONTROL)),
    tag("EXTINF", Media, false, Form::Extinf),
    tag("EXT-X-BYTERANGE", Media, false, Form::Range),
    tag("EXT-X-DISCONTINUITY", Media, false, Form::Nothing),
    tag("EXT-X-KEY", Media, false, Form::List(KEY)),
    tag("EXT-X-MAP", Media, false, Form::List(MAP)),
    tag("EXT-X-PROGRAM-DATE-TIME", Media, false, Form::Date),
    tag("EXT-X-GAP", Media, false, Form::Nothing),
    tag("EXT-X-BITRATE", Media, false, Form::Integer),
    tag("EXT-X-PART", Media, false, Form::List(PART)),
    tag("EXT-X-DATERANGE", Media, false, Form::List(DATERANGE)),
    tag("EXT-X-SKIP", Media, true, Form::List(SKIP)),
    tag("EXT-X-PRELOAD-HINT", Media, false, Form::List(HINT)),
    tag("EXT-X-RENDITION-REPORT", Media, false, Form::List(REPORT)),
    tag("EXT-X-MEDIA", Multivariant, false, Form::List(MEDIA)),
    tag("EXT-X-STREAM-INF", Multivariant, false, Form::List(STREAM)),
    tag("EXT-X-I-FRAME-STREAM-INF", Multivariant, false, Form::List(IFRAME)),
    tag("EXT-X-IMAGE-STREAM-INF", Multivariant, false, Form::List(IFRAME)),
    tag("EXT-X-SESSION-DATA", Multivariant, false, Form::List(SESSION_DATA)),
    tag("EXT-X-SESSION-KEY", Multivariant, false, Form::List(KEY)),
    tag("EXT-X-CONTENT-STEERING", Multivariant, true, Form::List(STEERING)),
    tag("EXT-X-IMAGES-ONLY", Media, true, Form::Nothing),
    tag("EXT-X-TILES", Media, false, Form::List(TILES)),
    // Protocol version 7 took it away; players go on reading over it.
    tag("EXT-X-ALLOW-CACHE", Media, true, Form::OneOf(&["YES", "NO"])),
];

/// What is known of a tag, by its name without `#`.
pub fn tag_spec(name: &str) -> Option<&'static TagSpec> {
    TAGS.iter().find(|spec| spec.name == name)
}
