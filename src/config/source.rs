//! Where a game's pictures and sound come from.

pub mod mask;
pub mod srt;

use std::borrow::Cow;
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use url::Url;

/// Patterns of `test://PATTERN`.
pub const TEST_PATTERNS: [&str; 6] = ["ball", "smpte", "snow", "zone-plate", "pinwheel", "black"];

/// How a source is taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SourceKind {
    /// A file on this machine, played for ever without a hole at its end.
    File,
    /// HLS, or one file, over HTTP or HTTPS.
    Http,
    /// MPEG-TS over SRT; a caller, or with `?mode=listener` a listener.
    Srt,
    /// MPEG-TS in UDP datagrams, unicast or multicast.
    Udp,
    /// MPEG-TS in RTP (RFC 2250).
    Rtp,
    Rtmp,
    /// A synthetic picture and tone. Query: `fps`, `size` (`1280x720`), `tone` (Hz), `label`, `flash=1` (a flash and a beep
    /// every second), `barcode=1` (the frame's number in blocks), `captions=en` (the time, in a language).
    Test,
}

/// A checked source address. It may hold a password or a passphrase, so that `Display`, `Debug` and [`SourceUri::masked`],
/// which answers and logs use, leave those out; [`SourceUri::as_str`] and serialisation are whole.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct SourceUri {
    given: String,
    url: Url,
    kind: SourceKind,
}

/// Why a text is no source. The message says what is allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    #[error("a source has 1 to 2048 characters, and this one has {0}")]
    Length(usize),
    #[error("it is no address ({0}); {ALLOWED}")]
    NoUrl(url::ParseError),
    #[error("the scheme {0:?} is not known; {ALLOWED}")]
    Scheme(String),
    #[error("a file is named by its whole path with three slashes, as in file:///clips/a.mp4")]
    FilePath,
    #[error("it names no host; {0}://HOST… is allowed")]
    NoHost(&'static str),
    #[error("it names no port; {0}://HOST:PORT is allowed")]
    NoPort(&'static str),
    #[error("it names no application and stream; rtmp://HOST/APPLICATION/STREAM is allowed")]
    NoStream,
    #[error("an SRT source has no parameter {key:?}; it has {allowed}")]
    SrtKey { key: String, allowed: &'static str },
    #[error("a parameter has no name or no value; KEY=VALUE is allowed")]
    SrtNoValue,
    #[error("the parameter `{0}` is given twice, perhaps by another of its names")]
    SrtTwice(&'static str),
    #[error("the value of `{key}` is not allowed: {allowed}")]
    SrtValue { key: &'static str, allowed: &'static str },
    #[error(
        "part of it is masked (…): write what stands there in full, or send the source exactly as it was shown to keep it"
    )]
    Masked,
    #[error("there is no test pattern {0:?}; there are {patterns}", patterns = TEST_PATTERNS.join(", "))]
    Pattern(String),
    #[error("a test source has no parameter {0:?}; it has fps, size, tone, label, flash, barcode and captions")]
    TestKey(String),
    #[error("the parameter {key}={value} of a test source is not allowed; {allowed}")]
    TestValue { key: String, value: String, allowed: &'static str },
}

const ALLOWED: &str = "file:///…, http(s)://…, srt://…, udp://…, rtp://…, rtmp://… and test://PATTERN are allowed";

/// The schemes of sources, as programs are told them.
const SCHEMES: [&str; 8] = ["file", "http", "https", "srt", "udp", "rtp", "rtmp", "test"];

/// What a test source takes.
const TEST_KEYS: [&str; 7] = ["fps", "size", "tone", "label", "flash", "barcode", "captions"];

impl SourceError {
    /// What would do in the place of what is wrong, where that can be listed.
    pub fn allowed(&self) -> &'static [&'static str] {
        match self {
            Self::NoUrl(_) | Self::Scheme(_) => &SCHEMES,
            Self::Pattern(_) => &TEST_PATTERNS,
            Self::TestKey(_) => &TEST_KEYS,
            _ => &[],
        }
    }
}

impl SourceUri {
    /// What a source may be, for people.
    pub const ALLOWED: &str = ALLOWED;

    /// The address as it was given.
    pub fn as_str(&self) -> &str {
        &self.given
    }

    /// The address as the feed takes it: a missing host of a listening source is filled in.
    pub fn url(&self) -> &Url {
        &self.url
    }

    pub fn kind(&self) -> SourceKind {
        self.kind
    }

    /// Whether it can be read at any speed and from its beginning: nothing is lost by not reading.
    pub fn is_pulled(&self) -> bool {
        matches!(self.kind, SourceKind::File | SourceKind::Test)
    }

    /// The address without what may be secret: what may stand in an answer or a log.
    pub fn masked(&self) -> String {
        mask::masked(&self.given)
    }
}

impl FromStr for SourceUri {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Self, SourceError> {
        if text.is_empty() || text.len() > 2048 {
            return Err(SourceError::Length(text.len()));
        }
        if mask::is_masked(text) {
            return Err(SourceError::Masked);
        }
        let (filled, listens) = with_host(text);
        let is_srt = filled.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("srt://"));
        let filled = if is_srt { srt::canonical(&filled) } else { filled.as_ref().into() };
        let mut url = Url::parse(&filled).map_err(SourceError::NoUrl)?;
        let kind = match url.scheme() {
            "file" => check_file(&url, text)?,
            "http" | "https" => check_network(&url, "http", SourceKind::Http, false)?,
            "srt" => srt::check(&mut url, listens).map(|()| SourceKind::Srt)?,
            "udp" => check_network(&url, "udp", SourceKind::Udp, true)?,
            "rtp" => check_network(&url, "rtp", SourceKind::Rtp, true)?,
            "rtmp" => check_rtmp(&url)?,
            "test" => check_test(&url)?,
            other => return Err(SourceError::Scheme(other.to_owned())),
        };
        Ok(Self { given: text.to_owned(), url, kind })
    }
}

/// Listening sources are often written without a host (`srt://:9000`, `udp://@:5000`), which is no URL by the letter: the
/// host that means every interface is put in.
fn with_host(text: &str) -> (Cow<'_, str>, bool) {
    for scheme in ["srt://", "udp://", "rtp://"] {
        let Some(rest) = text.strip_prefix(scheme) else { continue };
        let bare = rest.strip_prefix('@').unwrap_or(rest);
        if bare.starts_with(':') {
            return (format!("{scheme}0.0.0.0{bare}").into(), true);
        }
        if bare.len() < rest.len() {
            return (format!("{scheme}{bare}").into(), true);
        }
    }
    (text.into(), false)
}

fn check_file(url: &Url, text: &str) -> Result<SourceKind, SourceError> {
    let whole =
        text.starts_with("file:///") && url.to_file_path().is_ok_and(|p| p.is_absolute() && p.file_name().is_some());
    if whole { Ok(SourceKind::File) } else { Err(SourceError::FilePath) }
}

fn check_network(url: &Url, scheme: &'static str, kind: SourceKind, port: bool) -> Result<SourceKind, SourceError> {
    if url.host_str().is_none_or(str::is_empty) {
        return Err(SourceError::NoHost(scheme));
    }
    if port && url.port().is_none_or(|p| p == 0) {
        return Err(SourceError::NoPort(scheme));
    }
    Ok(kind)
}

fn check_rtmp(url: &Url) -> Result<SourceKind, SourceError> {
    check_network(url, "rtmp", SourceKind::Rtmp, false)?;
    let parts = url.path_segments().map_or(0, |parts| parts.filter(|p| !p.is_empty()).count());
    if parts < 2 { Err(SourceError::NoStream) } else { Ok(SourceKind::Rtmp) }
}

fn check_test(url: &Url) -> Result<SourceKind, SourceError> {
    let pattern = url.host_str().unwrap_or("");
    if !TEST_PATTERNS.contains(&pattern) || !matches!(url.path(), "" | "/") {
        return Err(SourceError::Pattern(format!("{pattern}{}", url.path().trim_end_matches('/'))));
    }
    for (key, value) in url.query_pairs() {
        let allowed = match key.as_ref() {
            "tone" if value.parse::<u32>().is_ok_and(|hz| hz <= 24_000) => continue,
            "tone" => "0 (silence) to 24000 Hz are",
            "label" if value.chars().count() <= 64 && !value.chars().any(char::is_control) => continue,
            "label" => "up to 64 characters are",
            "fps" if is_source_rate(&value) => continue,
            "fps" => "1 to 120 is, or a fraction such as 30000/1001",
            "size" if is_size(&value) => continue,
            "size" => "WIDTHxHEIGHT is, both even, 64x36 to 3840x2160",
            "flash" | "barcode" if matches!(value.as_ref(), "0" | "1") => continue,
            "flash" | "barcode" => "0 and 1 are",
            "captions" if is_language(&value) => continue,
            "captions" => "a language of two or three letters is",
            _ => return Err(SourceError::TestKey(key.into_owned())),
        };
        return Err(SourceError::TestValue { key: key.into_owned(), value: value.into_owned(), allowed });
    }
    Ok(SourceKind::Test)
}

/// Sources may have any frame rate, so this is wider than the output's list.
fn is_source_rate(text: &str) -> bool {
    let (num, den) = text.split_once('/').unwrap_or((text, "1"));
    let (Ok(num), Ok(den)) = (num.parse::<u32>(), den.parse::<u32>()) else { return false };
    den > 0 && num >= den && u64::from(num) <= 120 * u64::from(den)
}

fn is_language(text: &str) -> bool {
    (2..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_lowercase())
}

fn is_size(text: &str) -> bool {
    let side = |t: &str, range: RangeInclusive<u32>| t.parse::<u32>().is_ok_and(|v| v % 2 == 0 && range.contains(&v));
    text.split_once('x').is_some_and(|(width, height)| side(width, 64..=3840) && side(height, 36..=2160))
}

impl fmt::Display for SourceUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

impl fmt::Debug for SourceUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SourceUri({})", self.masked())
    }
}

impl Serialize for SourceUri {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.given)
    }
}

impl<'de> Deserialize<'de> for SourceUri {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> SourceUri {
        text.parse().unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    #[test]
    fn every_kind_of_source_is_known() {
        let cases = [
            ("file:///clips/a.mp4", SourceKind::File),
            ("file:///clips/with%20space.ts", SourceKind::File),
            ("http://origin.example/live/index.m3u8", SourceKind::Http),
            ("https://origin.example:8443/a.m3u8?token=x", SourceKind::Http),
            ("srt://10.0.0.1:9000?latency=200", SourceKind::Srt),
            ("srt://0.0.0.0:9000?mode=listener", SourceKind::Srt),
            ("srt://:9000", SourceKind::Srt),
            ("udp://239.1.1.1:5000", SourceKind::Udp),
            ("udp://@239.1.1.1:5000", SourceKind::Udp),
            ("udp://@:5000", SourceKind::Udp),
            ("udp://[ff02::1]:5000", SourceKind::Udp),
            ("rtp://127.0.0.1:5004", SourceKind::Rtp),
            ("rtmp://origin.example/live/stream", SourceKind::Rtmp),
            ("test://ball", SourceKind::Test),
            (
                "test://smpte?tone=440&label=Hawks%20at%20Ravens&fps=30000/1001&size=960x540&flash=1&barcode=1&captions=en",
                SourceKind::Test,
            ),
        ];
        for (text, kind) in cases {
            assert_eq!(source(text).kind(), kind, "{text}");
            assert_eq!(source(text).as_str(), text);
        }
    }

    #[test]
    fn a_listening_source_without_a_host_gets_one() {
        assert_eq!(source("srt://:9000").url().as_str(), "srt://0.0.0.0:9000?mode=listener");
        assert_eq!(source("srt://:9000?latency=80").url().as_str(), "srt://0.0.0.0:9000?latency=80&mode=listener");
        assert_eq!(source("udp://@:5000").url().as_str(), "udp://0.0.0.0:5000");
        assert_eq!(source("udp://@239.1.1.1:5000").url().as_str(), "udp://239.1.1.1:5000");
    }

    #[test]
    fn what_is_no_source_is_refused_with_what_is_allowed() {
        let cases = [
            ("", "1 to 2048"),
            ("a.mp4", "file:///…"),
            ("ftp://host/a.mp4", "scheme \"ftp\""),
            ("file://clips/a.mp4", "three slashes"),
            ("file:clips/a.mp4", "three slashes"),
            ("file:///", "three slashes"),
            ("http://", "address"),
            ("udp://239.1.1.1", "udp://HOST:PORT"),
            ("srt://host", "srt://HOST:PORT"),
            ("srt://host:1?mode=push", "caller and listener"),
            ("srt://host:1?passphrase=…", "in full"),
            ("rtmp://host/live", "APPLICATION/STREAM"),
            ("test://football", "there are ball, smpte"),
            ("test://ball/2", "ball/2"),
            ("test://ball?volume=3", "tone, label, flash, barcode and captions"),
            ("test://ball?tone=99999", "to 24000 Hz"),
            ("test://ball?size=961x540", "both even"),
            ("test://ball?captions=EN-us", "two or three letters"),
            ("test://ball?fps=0", "1 to 120"),
            ("test://ball?fps=1/0", "1 to 120"),
        ];
        for (text, says) in cases {
            let message = text.parse::<SourceUri>().unwrap_err().to_string();
            assert!(message.contains(says), "{text}: {message}");
        }
    }

    #[test]
    fn secrets_stay_out_of_logs_and_in_what_is_stored() {
        let text = "https://bob:hunter2@origin.example/a.m3u8?token=hunter2";
        let uri = source(text);
        assert_eq!(format!("{uri} {uri:?}").matches("hunter2").count(), 0);
        assert_eq!(uri.masked(), "https://…@origin.example/a.m3u8?token=…");
        assert_eq!(serde_json::to_string(&uri).unwrap(), format!("\"{text}\""));
        assert_eq!(serde_json::from_str::<SourceUri>(&format!("\"{text}\"")).unwrap(), uri);
        assert!(!source("srt://h:1?passphrase=hunter2hunter2").masked().contains("hunter2"));
        assert_eq!(source("rtmp://origin.example/live/hunter2").masked(), "rtmp://origin.example/live/…");
    }
}
