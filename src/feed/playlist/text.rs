//! The lines of a playlist: tags, attributes, variables (RFC 8216, 4.1 and 4.2; EXT-X-DEFINE of its second edition).
//!
//! Lenient, as players are: what real servers get wrong (blanks around commas, quotes that are missing, a byte order mark,
//! any line ending) is read as it was meant; what makes no sense is left out.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use url::Url;

/// More variables than this are refused: no playlist needs them.
const MAX_VARIABLES: usize = 256;
/// A value that variables blow up past this is refused.
const MAX_VALUE_BYTES: usize = 16 << 10;

/// Attributes of one tag; more are left out. Each may be blown up so far.
const MAX_ATTRIBUTES: usize = 128;

/// Why a text is not a playlist that can be played.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlaylistError {
    #[error("not a playlist: it does not begin with #EXTM3U")]
    NoHeader,
    #[error("the playlist has no segments and no variants")]
    Empty,
    #[error("the playlist is larger than {limit} bytes")]
    TooLarge { limit: usize },
    #[error("the playlist has more than {limit} {what}")]
    TooMany { what: &'static str, limit: usize },
    #[error("the playlist's variable {name:?} is not defined")]
    Variable { name: String },
    #[error("the playlist has no variant with pictures that can be decoded here")]
    NoVariant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// `#EXT…`, taken apart at its first colon.
    Tag {
        name: &'a str,
        value: &'a str,
    },
    Uri(&'a str),
}

/// Whether these bytes begin like a playlist: the header may stand behind a byte order mark and empty lines.
pub fn is_playlist(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    bytes.trim_ascii_start().starts_with(b"#EXTM3U")
}

/// The lines that mean something; comments and blanks are left out.
pub fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    text.trim_start_matches('\u{feff}').split(['\n', '\r']).map(str::trim).filter_map(|line| {
        if line.is_empty() {
            None
        } else if line.starts_with("#EXT") {
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            Some(Line::Tag { name: name.trim_end(), value: value.trim() })
        } else if line.starts_with('#') {
            None
        } else {
            Some(Line::Uri(line))
        }
    })
}

/// An attribute list. Where a name comes twice, the first counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes<'a>(Vec<(&'a str, Cow<'a, str>)>);

impl<'a> Attributes<'a> {
    pub fn read(text: &'a str, variables: &Variables) -> Result<Self, PlaylistError> {
        let mut list = Vec::new();
        let mut rest = text;
        while let Some((name, after)) = rest.split_once('=').filter(|_| list.len() < MAX_ATTRIBUTES) {
            // A name cannot hold a comma: what stands before one is an entry without a value.
            let name = name.rsplit(',').next().unwrap_or(name).trim();
            let after = after.trim_start();
            let value;
            if let Some(quoted) = after.strip_prefix('"') {
                let end = quoted.find('"').unwrap_or(quoted.len());
                value = &quoted[..end];
                let behind = quoted.get(end + 1..).unwrap_or("");
                rest = behind.find(',').map_or("", |comma| &behind[comma + 1..]);
            } else {
                let end = after.find(',').unwrap_or(after.len());
                value = after[..end].trim();
                rest = after.get(end + 1..).unwrap_or("");
            }
            list.push((name, variables.put_into(value)?));
        }
        Ok(Self(list))
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| *n == name).map(|(_, value)| value.as_ref())
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_ref()))
    }

    pub fn number<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.text(name)?.parse().ok()
    }

    pub fn is_yes(&self, name: &str) -> bool {
        self.text(name).is_some_and(|value| value.eq_ignore_ascii_case("yes"))
    }
}

/// The variables of a playlist.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variables(BTreeMap<String, String>);

impl Variables {
    /// Takes in an EXT-X-DEFINE; IMPORT takes from the master playlist's variables, QUERYPARAM from the playlist's URL.
    pub fn define(&mut self, text: &str, imported: &Self, url: &Url) -> Result<(), PlaylistError> {
        let attributes = Attributes::read(text, self)?;
        let missing = |name: &str| PlaylistError::Variable { name: name.chars().take(40).collect() };
        let (name, value) = if let Some(name) = attributes.text("NAME") {
            (name, attributes.text("VALUE").unwrap_or_default().to_owned())
        } else if let Some(name) = attributes.text("IMPORT") {
            (name, imported.0.get(name).cloned().ok_or_else(|| missing(name))?)
        } else if let Some(name) = attributes.text("QUERYPARAM") {
            let found = url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
            (name, found.ok_or_else(|| missing(name))?)
        } else {
            return Ok(());
        };
        if self.0.len() >= MAX_VARIABLES {
            return Err(PlaylistError::TooMany { what: "variables", limit: MAX_VARIABLES });
        }
        self.0.insert(name.to_owned(), value);
        Ok(())
    }

    /// `text` with each `{$name}` replaced. Once: what a value holds is not looked at again.
    pub fn put_into<'a>(&self, text: &'a str) -> Result<Cow<'a, str>, PlaylistError> {
        if !text.contains("{$") {
            return Ok(Cow::Borrowed(text));
        }
        let mut made = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{$") {
            made.push_str(before);
            let Some((name, behind)) = after.split_once('}') else {
                made.push_str("{$");
                rest = after;
                break;
            };
            let value = self.0.get(name);
            made.push_str(value.ok_or_else(|| PlaylistError::Variable { name: name.chars().take(40).collect() })?);
            if made.len() > MAX_VALUE_BYTES {
                return Err(PlaylistError::TooLarge { limit: MAX_VALUE_BYTES });
            }
            rest = behind;
        }
        made.push_str(rest);
        Ok(Cow::Owned(made))
    }
}

/// Seconds, as EXTINF has them. Out of range is taken for absent.
pub fn seconds(text: &str) -> Option<Duration> {
    const DAY_S: f64 = 86_400.0;
    let seconds: f64 = text.trim().parse().ok()?;
    (0.0..=DAY_S).contains(&seconds).then(|| Duration::from_secs_f64(seconds))
}

/// `uri` as seen from `base`; only what HTTP can fetch.
pub fn resolve(base: &Url, uri: &str) -> Option<Url> {
    let mut url = base.join(uri).ok()?;
    url.set_fragment(None);
    matches!(url.scheme(), "http" | "https").then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base() -> Url {
        Url::parse("http://h/a/b.m3u8?token=t").unwrap()
    }

    #[test]
    fn any_line_ending_a_byte_order_mark_and_comments_are_read_alike() {
        let plain = "#EXTM3U\n#EXT-X-VERSION:3\n# a comment\n\n#EXTINF:2.0,title\na.ts\n";
        let marked = format!("\u{feff}{}", plain.replace('\n', "\r\n").trim_end());
        let old = plain.replace('\n', "\r");
        assert!(lines(plain).eq(lines(&marked)) && lines(plain).eq(lines(&old)));
        assert_eq!(lines(plain).count(), 4);
        assert_eq!(lines(plain).last(), Some(Line::Uri("a.ts")));
        assert!(is_playlist(marked.as_bytes()) && is_playlist(b"\n#EXTM3U") && !is_playlist(b"<html>"));
    }

    #[test]
    fn what_variables_blow_up_is_not_blown_up_without_end() {
        let mut variables = Variables::default();
        let define = format!("NAME=\"v\",VALUE=\"{}\"", "x".repeat(16_000));
        variables.define(&define, &Variables::default(), &base()).unwrap();
        let text = "A={$v},".repeat(100_000);
        let attributes = Attributes::read(&text, &variables).unwrap();
        assert_eq!(attributes.iter().count(), MAX_ATTRIBUTES);
    }

    #[test]
    fn attributes_are_read_as_they_were_meant() {
        let none = Variables::default();
        let list = Attributes::read(r#"BANDWIDTH=1280000, CODECS = "avc1.4d,mp4a.40.2" ,X,AUDIO="a=b",LAST=7"#, &none)
            .unwrap();
        assert_eq!(list.number::<u64>("BANDWIDTH"), Some(1_280_000));
        assert_eq!(list.text("CODECS"), Some("avc1.4d,mp4a.40.2"));
        assert_eq!((list.text("AUDIO"), list.number("LAST")), (Some("a=b"), Some(7u8)));
        let open = Attributes::read(r#"URI="no end"#, &none).unwrap();
        assert_eq!(open.text("URI"), Some("no end"));
        assert_eq!(Attributes::read("=,==,", &none).unwrap().text("URI"), None);
    }

    #[test]
    fn variables_come_from_the_playlist_its_master_and_its_url() {
        let mut master = Variables::default();
        master.define(r#"NAME="host",VALUE="http://cdn""#, &Variables::default(), &base()).unwrap();
        let mut mine = Variables::default();
        mine.define(r#"IMPORT="host""#, &master, &base()).unwrap();
        mine.define(r#"QUERYPARAM="token""#, &master, &base()).unwrap();
        mine.define(r#"NAME="both",VALUE="{$host}/{$token}""#, &master, &base()).unwrap();
        assert_eq!(mine.put_into("{$both}/a.ts?x={$token}").unwrap(), "http://cdn/t/a.ts?x=t");
        assert_eq!(mine.put_into("{$open").unwrap(), "{$open");
        let unknown = PlaylistError::Variable { name: "no".into() };
        assert_eq!(mine.put_into("{$no}"), Err(unknown.clone()));
        assert_eq!(mine.define(r#"IMPORT="no""#, &master, &base()), Err(unknown));
    }

    #[test]
    fn variables_that_blow_up_are_refused() {
        let mut variables = Variables::default();
        let none = Variables::default();
        variables.define(&format!(r#"NAME="v0",VALUE="{}""#, "x".repeat(100)), &none, &base()).unwrap();
        let grown = (1..10).try_for_each(|n| {
            let ten = format!("{{$v{}}}", n - 1).repeat(10);
            variables.define(&format!(r#"NAME="v{n}",VALUE="{ten}""#), &none, &base())
        });
        assert_eq!(grown, Err(PlaylistError::TooLarge { limit: MAX_VALUE_BYTES }));
    }

    #[test]
    fn a_uri_is_resolved_by_the_playlists_own_and_must_be_http() {
        let url = |uri| resolve(&base(), uri).map(String::from);
        assert_eq!(url("c.ts?k=v#f").as_deref(), Some("http://h/a/c.ts?k=v"));
        assert_eq!(url("/c.ts").as_deref(), Some("http://h/c.ts"));
        assert_eq!(url("//cdn/c.ts").as_deref(), Some("http://cdn/c.ts"));
        assert_eq!(url("file:///etc/passwd"), None);
    }
}
