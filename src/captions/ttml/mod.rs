//! TTML (W3C TTML2, IMSC 1.1 text profile), as plain files and as samples of `stpp` tracks (ISO/IEC 14496-30).

mod content;
mod style;
#[cfg(test)]
mod tests;
mod time;

use std::time::Duration;

use super::{Cue, Text, Told};
use crate::timeline::MediaTime;

/// Most elements of a document. An hour of subtitles has some thousands.
const MAX_NODES: u32 = 200_000;

/// Why a text is no TTML.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TtmlError {
    #[error("no XML: {0}")]
    Xml(String),
    #[error("an XML document whose root is {0}, not tt")]
    Root(String),
}

/// A cue with the document's own times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timed {
    pub start: Duration,
    /// `None` where the document leaves it open: to the end of the sample, or of the programme.
    pub end: Option<Duration>,
    /// `itts:forcedDisplay` (IMSC 1.1): to be seen by those, too, who have subtitles off.
    pub forced: bool,
    pub text: Text,
}

/// What a document says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    /// `xml:lang` of the root.
    pub language: Option<String>,
    /// In order of time. Texts of one region that are seen together are one cue; one that comes or goes makes another.
    pub cues: Vec<Timed>,
}

/// Reads a document.
///
/// # Errors
/// When it is no XML (one with a DTD is none here), or another kind of it. Attributes that make no sense are not there.
pub fn read(xml: &str) -> Result<Document, TtmlError> {
    let options = roxmltree::ParsingOptions { allow_dtd: false, nodes_limit: MAX_NODES, ..Default::default() };
    let xml = xml.trim_start_matches('\u{feff}');
    let parsed =
        roxmltree::Document::parse_with_options(xml, options).map_err(|err| TtmlError::Xml(err.to_string()))?;
    let root = parsed.root_element();
    if root.tag_name().name() != "tt" {
        return Err(TtmlError::Root(root.tag_name().name().to_owned()));
    }
    let language = root.attribute(("http://www.w3.org/XML/1998/namespace", "lang"));
    let language = language.filter(|its| !its.is_empty()).map(str::to_owned);
    Ok(Document { language, cues: content::cues(root) })
}

impl Document {
    /// Its cues on our time, where the document's time `media` is the instant `at`: of a plain file zero and its beginning; of a sample the
    /// track's time at some instant, since a sample's times are the track's (ISO/IEC 14496-30). What has no end in the document ends with
    /// `until`, the end of the sample.
    pub fn cues_on(&self, media: Duration, at: MediaTime, until: Option<MediaTime>) -> Vec<Cue> {
        let on_grid = |time: Duration| {
            let time = i128::from(at.as_nanos()) + time.as_nanos() as i128 - media.as_nanos() as i128;
            MediaTime::from_nanos(u64::try_from(time.max(0)).unwrap_or(u64::MAX))
        };
        let cue = |timed: &Timed| {
            let (start, end) = (on_grid(timed.start), timed.end.map(on_grid).or(until));
            end.is_none_or(|end| end > start).then(|| Cue { start, end, told: Told::Whole, text: timed.text.clone() })
        };
        self.cues.iter().filter_map(cue).collect()
    }
}
