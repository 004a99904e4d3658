//! Multivariant playlists as data (8216bis 4.4.6).

use url::Url;

use super::finding::Notes;
use super::rules::{multivariant as rules, text as text_rules};
use super::text::{Entry, Tag, Text};

/// EXT-X-STREAM-INF, EXT-X-I-FRAME-STREAM-INF or EXT-X-IMAGE-STREAM-INF.
#[derive(Clone, Debug)]
pub struct Variant {
    pub tag: Tag,
    pub url: Url,
}

impl Variant {
    pub fn bandwidth_bps(&self) -> Option<u64> {
        self.tag.number("BANDWIDTH")
    }

    pub fn codecs(&self) -> Vec<&str> {
        let list = self.tag.text("CODECS").unwrap_or_default();
        list.split(',').map(str::trim).filter(|codec| !codec.is_empty()).collect()
    }
}

/// EXT-X-MEDIA.
#[derive(Clone, Debug)]
pub struct Rendition {
    pub tag: Tag,
    pub url: Option<Url>,
}

impl Rendition {
    pub fn kind(&self) -> &str {
        self.tag.text("TYPE").unwrap_or_default()
    }

    pub fn group(&self) -> &str {
        self.tag.text("GROUP-ID").unwrap_or_default()
    }
}

#[derive(Clone, Debug)]
pub struct Multivariant {
    pub text: Text,
    pub variants: Vec<Variant>,
    pub iframes: Vec<Variant>,
    /// Playlists of images for scrubbing.
    pub images: Vec<Variant>,
    pub renditions: Vec<Rendition>,
    pub independent: bool,
    pub start: bool,
}

impl Multivariant {
    pub fn tags<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Tag> {
        self.text.tags().filter(move |tag| tag.name == name)
    }
}

/// Takes a multivariant playlist apart.
pub fn read(text: Text, base: &Url, notes: &mut Notes) -> Multivariant {
    let (mut variants, mut iframes, mut images, mut renditions) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let resolve = |line: u32, uri: &str, notes: &mut Notes| match base.join(uri) {
        Ok(url) => Some(url),
        Err(error) => {
            notes.add(&text_rules::URI_INVALID, line, format!("{uri}: {error}"), "a URI (RFC 3986)");
            None
        }
    };
    let mut announced: Option<&Tag> = None;
    for entry in &text.entries {
        match entry {
            Entry::Tag(tag) if tag.name == "EXT-X-STREAM-INF" => {
                if let Some(tag) = announced.replace(tag) {
                    no_uri(tag, notes);
                }
            }
            Entry::Tag(tag) if ["EXT-X-I-FRAME-STREAM-INF", "EXT-X-IMAGE-STREAM-INF"].contains(&&*tag.name) => {
                let uri = tag.text("URI").unwrap_or_default();
                if let Some(url) = resolve(tag.line, uri, notes).filter(|_| !uri.is_empty()) {
                    let them = if tag.name == "EXT-X-IMAGE-STREAM-INF" { &mut images } else { &mut iframes };
                    them.push(Variant { tag: tag.clone(), url });
                }
            }
            Entry::Tag(tag) if tag.name == "EXT-X-MEDIA" => {
                let url = tag.text("URI").and_then(|uri| resolve(tag.line, uri, notes));
                renditions.push(Rendition { tag: tag.clone(), url });
            }
            Entry::Tag(_) => {}
            Entry::Uri { line, text } => {
                if let Some(tag) = announced.take()
                    && let Some(url) = resolve(*line, text, notes)
                {
                    variants.push(Variant { tag: tag.clone(), url });
                }
            }
        }
    }
    if let Some(tag) = announced {
        no_uri(tag, notes);
    }
    let has = |name: &str| text.tags().any(|tag| tag.name == name);
    let (independent, start) = (has("EXT-X-INDEPENDENT-SEGMENTS"), has("EXT-X-START"));
    Multivariant { variants, iframes, images, renditions, independent, start, text }
}

fn no_uri(tag: &Tag, notes: &mut Notes) {
    notes.add(&rules::STREAM_URI, tag.line, "#EXT-X-STREAM-INF without a URI", "a URI line behind it");
}
