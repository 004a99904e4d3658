//! Responses of advertisement servers, made of any text and of well-formed pieces, and the macros of their addresses.
#![no_main]

#[allow(dead_code, unused_imports)]
#[path = "../../src/decisions/choice.rs"]
mod choice;
#[allow(dead_code, unused_imports)]
#[path = "../../src/decisions/macros.rs"]
mod macros;
#[allow(dead_code, unused_imports)]
#[path = "../../src/decisions/vast/mod.rs"]
mod vast;

use arbitrary::Arbitrary;
use choice::Wanted;
use libfuzzer_sys::fuzz_target;
use macros::Values;
use vast::{AdKind, Vast};

#[derive(Arbitrary, Debug)]
enum Input<'a> {
    Text(&'a str),
    Pieces(Vec<Piece<'a>>),
}

#[derive(Arbitrary, Debug)]
enum Piece<'a> {
    Open(u8),
    Close(u8),
    /// An element with text in it.
    Whole(u8, &'a str),
    Address(&'a str),
    MediaFile(u32, u32, &'a str),
    Tracking(u8, &'a str),
    Text(&'a str),
}

const NAMES: [&str; 14] = [
    "VAST",
    "Ad",
    "InLine",
    "Wrapper",
    "Creatives",
    "Creative",
    "Linear",
    "MediaFiles",
    "TrackingEvents",
    "Duration",
    "VASTAdTagURI",
    "Impression",
    "Error",
    "Extensions",
];
const EVENTS: [&str; 6] = ["start", "firstQuartile", "midpoint", "thirdQuartile", "complete", "mute"];

fn name(of: u8) -> &'static str {
    NAMES[of as usize % NAMES.len()]
}

fn written(piece: &Piece) -> String {
    match piece {
        Piece::Open(0..=40) => "<Ad sequence=\"1\"><InLine><Creatives><Creative><Linear>".into(),
        Piece::Open(of) => format!("<{}>", name(*of)),
        Piece::Close(0..=40) => "</Linear></Creative></Creatives></InLine></Ad>".into(),
        Piece::Close(of) => format!("</{}>", name(*of)),
        Piece::Whole(of, text) => format!("<{0}>{text}</{0}>", name(*of)),
        Piece::Address(url) => format!("<VASTAdTagURI><![CDATA[http://{url}]]></VASTAdTagURI>"),
        Piece::MediaFile(width, height, url) => {
            format!("<MediaFile type=\"video/mp4\" width=\"{width}\" height=\"{height}\">http://{url}</MediaFile>")
        }
        Piece::Tracking(event, url) => {
            format!("<Tracking event=\"{}\">http://{url}</Tracking>", EVENTS[*event as usize % EVENTS.len()])
        }
        Piece::Text(text) => (*text).to_owned(),
    }
}

fuzz_target!(|input: Input| {
    let text = match &input {
        Input::Text(text) => (*text).to_owned(),
        Input::Pieces(pieces) => {
            format!("<VAST version=\"4.2\">{}</VAST>", pieces.iter().map(written).collect::<String>())
        }
    };
    let values = Values { asset: Some("[ERRORCODE]".into()), ..Values::default() };
    let filled = values.fill(&text);
    assert!(filled.len() <= text.len() * 6 + 64, "no macro is worth more than its name and a little");
    if let Ok(vast) = vast::read(&text) {
        holds(&vast, &values);
    }
});

fn holds(vast: &Vast, values: &Values) {
    let is_address = |url: &str| {
        assert!(url.len() <= 4096 && url.to_ascii_lowercase().starts_with("http"), "{url}");
        assert!(!url.chars().any(|c| c.is_whitespace() || c.is_control()), "{url:?}");
        assert!(!values.fill(url).chars().any(|c| c.is_whitespace() || c.is_control()), "{url:?}");
    };
    assert!(vast.ads.len() <= 32 && vast.errors.len() <= 128);
    vast.errors.iter().for_each(|url| is_address(url));
    for ad in &vast.ads {
        assert!(ad.tracking.len() <= 128);
        ad.tracking.iter().for_each(|its| is_address(&its.url));
        match &ad.kind {
            AdKind::Wrapper { url, .. } => is_address(url),
            AdKind::InLine(None) => {}
            AdKind::InLine(Some(linear)) => {
                assert!((1..=3_600_000).contains(&linear.duration_ms) && linear.media.len() <= 64);
                linear.media.iter().for_each(|file| is_address(&file.url));
                let wanted = Wanted { height: 540, media_types: vec!["video/mp4".into()], codecs: vec!["avc1".into()] };
                let chosen = wanted.choose(&linear.media);
                assert!(chosen.is_none_or(|chosen| linear.media.contains(chosen)));
            }
        }
    }
}
