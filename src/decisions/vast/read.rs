//! Reads a response. What makes no sense is not there; what is too much is left out.

use roxmltree::Node;

use super::{Ad, AdKind, Event, Linear, MediaFile, Tracking, Vast, VastError};

/// Most elements of a response, text between them included. A pod of ten has some thousands.
const MAX_NODES: u32 = 40_000;

/// Most ads of a response, and of an ad media files and places that are told.
const MAX_ADS: usize = 32;
const MAX_MEDIA: usize = 64;
const MAX_TRACKING: usize = 128;

/// Longest address.
const MAX_URL: usize = 4096;

/// Longest creative: no break is longer.
const MAX_DURATION_MS: u64 = 3_600_000;

/// Reads the response that `xml` is.
///
/// # Errors
/// When it is no XML (one with a DTD is none here), or no VAST.
pub fn read(xml: &str) -> Result<Vast, VastError> {
    let xml = xml.trim_start_matches('\u{feff}').trim_start();
    let options = roxmltree::ParsingOptions { allow_dtd: false, nodes_limit: MAX_NODES, ..Default::default() };
    let document =
        roxmltree::Document::parse_with_options(xml, options).map_err(|error| VastError::Xml(error.to_string()))?;
    let root = document.root_element();
    let name = root.tag_name().name();
    if name != "VAST" {
        return Err(VastError::Root(name.chars().take(40).collect()));
    }
    let version = root.attribute("version").unwrap_or_default().trim();
    if !matches!(version.split('.').next(), Some("2" | "3" | "4")) {
        return Err(VastError::Version(version.chars().take(20).collect()));
    }
    let ads = children(root, "Ad").take(MAX_ADS).filter_map(ad).collect();
    let errors = children(root, "Error").filter_map(url).take(MAX_TRACKING).collect();
    Ok(Vast { ads, errors })
}

fn children<'a, 'input>(of: Node<'a, 'input>, name: &'static str) -> impl Iterator<Item = Node<'a, 'input>> {
    of.children().filter(move |child| child.is_element() && child.tag_name().name() == name)
}

fn child<'a, 'input>(of: Node<'a, 'input>, name: &'static str) -> Option<Node<'a, 'input>> {
    children(of, name).next()
}

/// The text of an element, in as many pieces as it comes.
fn text(of: Node<'_, '_>) -> String {
    let pieces = of.children().filter(|child| child.is_text()).filter_map(|child| child.text());
    pieces.collect::<String>().trim().to_owned()
}

/// An address, macros and all: what it leads to is judged when it is fetched.
fn url(of: Node<'_, '_>) -> Option<String> {
    let url = text(of);
    let is_http = ["http://", "https://"]
        .into_iter()
        .any(|scheme| url.get(..scheme.len()).is_some_and(|begins| begins.eq_ignore_ascii_case(scheme)));
    let is_plain = url.len() <= MAX_URL && !url.chars().any(|c| c.is_whitespace() || c.is_control());
    (is_http && is_plain).then_some(url)
}

fn ad(of: Node<'_, '_>) -> Option<Ad> {
    let (body, is_inline) = match (child(of, "InLine"), child(of, "Wrapper")) {
        (Some(inline), _) => (inline, true),
        (None, Some(wrapper)) => (wrapper, false),
        (None, None) => return None,
    };
    let linear = child(body, "Creatives").into_iter().flat_map(|creatives| children(creatives, "Creative"));
    let linear = linear.filter_map(|creative| child(creative, "Linear")).next();
    let kind = if is_inline {
        AdKind::InLine(linear.and_then(playable))
    } else {
        let url = child(body, "VASTAdTagURI").and_then(url)?;
        let follows = body.attribute("followAdditionalWrappers").is_none_or(|said| !matches!(said, "false" | "0"));
        AdKind::Wrapper { url, follows }
    };
    let of_event = |event: Event| move |node| Some(Tracking { event, url: url(node)? });
    let mut tracking: Vec<Tracking> = children(body, "Impression").filter_map(of_event(Event::Impression)).collect();
    tracking.extend(children(body, "Error").filter_map(of_event(Event::Error)));
    tracking.extend(linear.into_iter().flat_map(tracked));
    tracking.truncate(MAX_TRACKING);
    let id = of.attribute("id").map(|id| id.chars().take(100).collect());
    Some(Ad { id, sequence: of.attribute("sequence").and_then(|n| n.trim().parse().ok()), kind, tracking })
}

fn tracked(linear: Node<'_, '_>) -> Vec<Tracking> {
    let named = |node: Node<'_, '_>| {
        let name = node.attribute("event")?;
        let event = Event::TRACKED.into_iter().find(|event| event.name() == name)?;
        Some(Tracking { event, url: url(node)? })
    };
    let events = child(linear, "TrackingEvents").into_iter().flat_map(|events| children(events, "Tracking"));
    events.filter_map(named).take(MAX_TRACKING).collect()
}

/// A creative that says how long it is; without that nobody knows when it is over.
fn playable(linear: Node<'_, '_>) -> Option<Linear> {
    let duration_ms = child(linear, "Duration").and_then(|node| duration_ms(&text(node)))?;
    let files = child(linear, "MediaFiles").into_iter().flat_map(|files| children(files, "MediaFile"));
    let media = files.filter_map(media_file).take(MAX_MEDIA).collect();
    Some(Linear { duration_ms, media })
}

fn media_file(node: Node<'_, '_>) -> Option<MediaFile> {
    // What is streamed is a playlist, and no file.
    if node.attribute("delivery").is_some_and(|delivery| delivery.trim() != "progressive") {
        return None;
    }
    let number = |name: &str| node.attribute(name).and_then(|text| text.trim().parse::<u32>().ok());
    Some(MediaFile {
        url: url(node)?,
        media_type: node.attribute("type")?.trim().to_ascii_lowercase().chars().take(100).collect(),
        width: number("width")?,
        height: number("height")?,
        bitrate_kbps: number("bitrate").or_else(|| number("maxBitrate")).unwrap_or(0),
        codec: node.attribute("codec").map(|codec| codec.trim().chars().take(100).collect()),
    })
}

/// `HH:MM:SS` or `HH:MM:SS.mmm`, longer than nothing.
fn duration_ms(text: &str) -> Option<u64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let is_plain = |text: &str| !text.is_empty() && text.len() <= 3 && text.bytes().all(|byte| byte.is_ascii_digit());
    let fields: Vec<&str> = whole.split(':').collect();
    let [hours, minutes, seconds] = fields[..] else { return None };
    if !(is_plain(hours) && is_plain(minutes) && is_plain(seconds)) || !(part.is_empty() || is_plain(part)) {
        return None;
    }
    let of = |text: &str| text.parse::<u64>().ok();
    let (minutes, seconds) = (of(minutes).filter(|n| *n < 60)?, of(seconds).filter(|n| *n < 60)?);
    let ms = if part.is_empty() { 0 } else { of(&format!("{part:0<3}"))? };
    let whole_ms = ((of(hours)? * 60 + minutes) * 60 + seconds) * 1000 + ms;
    (1..=MAX_DURATION_MS).contains(&whole_ms).then_some(whole_ms)
}

#[cfg(test)]
pub(super) fn read_duration_ms(text: &str) -> Option<u64> {
    duration_ms(text)
}
