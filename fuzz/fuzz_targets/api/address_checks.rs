//! What must hold of addresses that are signed, and of mosaics' names.

use std::sync::LazyLock;

use arbitrary::Arbitrary;

use super::paths::{Addresses, Own, Paths};
use super::ticket::Ticket;
use crate::assets::AssetId;
use crate::ladder::{RenditionSpec, VideoCodec};
use crate::layout::Layouts;
use crate::mosaic::names::{Named, Names};
use crate::mosaic::{EngineKind, MosaicId, MosaicSpec};
use crate::timeline::Grid;
use crate::track::Position;

/// The segment in which the process began.
const BEGAN_IN: u64 = 45_500_000;

static PATHS: LazyLock<Paths> = LazyLock::new(|| Paths::new([7; 32], 1, BEGAN_IN, 1_795_363_200_000));
static LAYOUTS: LazyLock<Layouts> = LazyLock::new(Layouts::bundled);
static NAMES: LazyLock<Names> = LazyLock::new(|| {
    let rendition =
        RenditionSpec { name: "540p".into(), width: 960, height: 540, bitrate_bps: 1_600_000, codec: VideoCodec::H264 };
    Names::new([7; 32], Grid::new("30".parse().unwrap(), 60), &[rendition], "veryfast", &LAYOUTS)
});

/// Something that was given out, and what is changed of it.
#[derive(Arbitrary, Debug)]
pub struct Address<'a> {
    what: What<'a>,
    edits: Vec<(u16, u8)>,
}

#[derive(Arbitrary, Debug)]
enum What<'a> {
    Ticket { token: u64, at_ms: i64, plays: bool },
    Media { kind: Kind, of: u8, is_own: bool, segment: Option<i8>, other: i8 },
    Output { game: u8, skin: u8, said: &'a str },
    Sprite { mosaics: Vec<Option<u8>>, first: u8 },
    Mosaic(Mosaic),
    Bridge(Mosaic, Mosaic, u8),
}

#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Rung,
    Sound,
    Text,
}

#[derive(Arbitrary, Debug)]
pub struct Mosaic {
    layout: u8,
    games: Vec<(u8, u8)>,
    art: Vec<Option<[u8; 2]>>,
    renders: bool,
}

/// `text` with letters that may stand in an address in the place of some of its own.
pub fn edited(text: &str, edits: &[(u16, u8)]) -> String {
    const LETTERS: &[u8; 67] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_~.=";
    let mut bytes = text.as_bytes().to_vec();
    for (at, letter) in edits {
        let at = usize::from(*at);
        match bytes.get_mut(at) {
            Some(byte) => *byte = LETTERS[usize::from(*letter) % LETTERS.len()],
            // Behind its end letters are added, and some of it is cut off.
            None if at.is_multiple_of(2) => bytes.push(LETTERS[usize::from(*letter) % LETTERS.len()]),
            None => bytes.truncate(bytes.len().saturating_sub(1)),
        }
    }
    String::from_utf8(bytes).unwrap_or_default()
}

/// What was given out opens what it was given out for; whatever was changed of it opens nothing.
pub fn address(address: &Address) {
    let edit = |given: &str| {
        let edited = edited(given, &address.edits);
        let is_same = edited == given;
        (edited, is_same)
    };
    match &address.what {
        What::Ticket { token, at_ms, plays } => {
            // No instant here is before that of Unix.
            let at_ms = at_ms & i64::MAX;
            let ticket = if *plays { Ticket::Player(at_ms) } else { Ticket::Begin(at_ms) };
            assert_eq!(Ticket::read(&ticket.text()), Some(ticket));
            let token = format!("{token:032x}");
            let (element, is_same) = edit(&PATHS.ticket(&token, &ticket.text()));
            let opened = PATHS.ticketed(&element).map(|(token, said)| (token, Ticket::read(said)));
            assert_eq!(opened, is_same.then_some((token.as_str(), Some(ticket))), "{element}");
        }
        What::Media { kind, of, is_own, segment, other } => media(*kind, *of, *is_own, (*segment, *other), &edit),
        What::Output { game, skin, said } => {
            let (game, skin) = (format!("g{game}"), format!("s{skin}"));
            let given = PATHS.output(&game, &skin, said);
            let (element, is_same) = edit(&given);
            let is_opened = PATHS.said_of_output(&game, &skin, &element);
            assert!(is_opened.is_none() || is_same && is_opened.as_deref() == Some(said), "{element}");
            assert!(is_opened.is_some() || !is_same || given.len() > 512);
            assert_eq!(PATHS.said_of_output(&game, "another", &given), None);
            assert_eq!(PATHS.said_of_output("another", &skin, &given), None);
        }
        What::Sprite { mosaics, first } => {
            let mosaics: Vec<_> =
                mosaics.iter().take(100).map(|of| of.map(|of| MosaicId(format!("m{of}").into()))).collect();
            let first = BEGAN_IN + u64::from(*first);
            let given = PATHS.sprite(&its(), &mosaics, first);
            let (signature, is_same) = edit(given.rsplit('/').nth(1).unwrap());
            assert_eq!(PATHS.signed_sprite("t", &mosaics, first, &signature), is_same, "{signature}");
            let given = given.rsplit('/').nth(1).unwrap();
            assert!(!PATHS.signed_sprite("t", &mosaics, first + 1, given));
            assert!(!PATHS.signed_sprite("u", &mosaics, first, given), "another session's");
        }
        What::Mosaic(mosaic) => {
            let (name, spec, engine) = mosaic.named();
            let (given, is_same) = edit(&name.0);
            let is_known = is_same && given.len() <= 2048;
            assert_eq!(NAMES.read(&given), is_known.then_some(Named { engine, spec }), "{given}");
            assert_eq!((NAMES.gave(&given), NAMES.read_bridge(&given)), (is_known, None));
        }
        What::Bridge(from, to, begins) => {
            let (from, to) = (from.named().0, to.named().0);
            let Some(bridge) = NAMES.bridge(&from, &to, u32::from(*begins)) else {
                assert!(from.0.len() + to.0.len() > 1500);
                return;
            };
            let (given, is_same) = edit(&bridge.0);
            assert_eq!(NAMES.read_bridge(&given), is_same.then_some((from, to, u32::from(*begins))), "{given}");
            assert_eq!((NAMES.gave(&given), NAMES.read(&given)), (is_same, None));
        }
    }
}

impl Mosaic {
    fn named(&self) -> (MosaicId, MosaicSpec, EngineKind) {
        let layout = LAYOUTS.iter().nth(usize::from(self.layout) % LAYOUTS.len()).unwrap().clone();
        let game = |(letter, length): &(u8, u8)| {
            let letter = char::from(b'a' + letter % 26);
            format!("{letter}/{}", letter.to_string().repeat(usize::from(length % 127))).into()
        };
        let games = self.games.iter().take(4).map(game).collect();
        let asset = |bytes: &[u8; 2]| AssetId(std::array::from_fn(|n| bytes[n % 2]));
        let art = self.art.iter().take(8).map(|art| art.as_ref().map(asset)).collect();
        let engine = if self.renders { EngineKind::Render } else { EngineKind::Stitch };
        let spec = MosaicSpec { layout, games, art };
        (NAMES.name(&spec, engine), spec, engine)
    }
}

/// What a session's own addresses have.
fn its() -> Own<'static> {
    Own { token: "t", element: "t~p1~s".to_owned() }
}

fn token(is_own: bool) -> Option<&'static str> {
    is_own.then_some("t")
}

/// Media of a segment around that in which the process began, or what begins them.
fn media(kind: Kind, of: u8, is_own: bool, (at, other): (Option<i8>, i8), edit: &dyn Fn(&str) -> (String, bool)) {
    let name = format!("n{of}");
    let segment = |at: i8| BEGAN_IN.saturating_add_signed(at.into());
    let own = its();
    let addresses = |mosaic: &str| -> Addresses<'_> {
        let all = match kind {
            Kind::Rung => PATHS.rung(mosaic, &name),
            Kind::Sound => PATHS.sound(&name.as_str().into()),
            Kind::Text => PATHS.text(mosaic, &name),
        };
        all.of_session(is_own.then_some(&own))
    };
    let open = |kind: Kind, mosaic: &str, element: &str, n: Option<u64>, is_own: bool| match kind {
        Kind::Rung => PATHS.rendition_of(mosaic, element, n, token(is_own)).map(str::to_owned),
        Kind::Sound => PATHS.game_of(element, n, token(is_own)).map(|key| key.to_string()),
        Kind::Text => n.and_then(|n| PATHS.text_of(mosaic, element, n, token(is_own))).map(str::to_owned),
    };
    let n = if kind == Kind::Text { Some(at.unwrap_or(0)) } else { at };
    let (n, address) = match n.map(segment) {
        None => (None, addresses("m").init()),
        Some(n) if kind == Kind::Text => (Some(n), addresses("m").text_segment(n)),
        Some(n) => (Some(n), addresses("m").part(Position::new(n, 2))),
    };
    let given = address.rsplit('/').nth(1).unwrap();
    let (element, is_same) = edit(given);
    assert_eq!(open(kind, "m", &element, n, is_own), is_same.then_some(name.clone()), "{element}");
    let elsewhere = segment(other);
    assert!(n == Some(elsewhere) || open(kind, "m", given, Some(elsewhere), is_own).is_none(), "another segment");
    assert!(n.is_none() || kind == Kind::Text || open(kind, "m", given, None, is_own).is_none(), "what begins them");
    assert!(kind == Kind::Sound || open(kind, "another", given, n, is_own).is_none(), "another mosaic");
    assert!(open(kind, "m", given, n, !is_own).is_none(), "a session's own address is another than everybody's");
    for kind in [Kind::Rung, Kind::Sound, Kind::Text].into_iter().filter(|other| *other != kind) {
        assert!(open(kind, "m", given, n, is_own).is_none(), "{kind:?}");
    }
}

/// Nobody makes up an address.
pub fn text(text: &str) {
    assert!(PATHS.ticketed(text).is_none() && PATHS.said_of_output("g", "s", text).is_none());
    for n in [None, Some(BEGAN_IN), Some(BEGAN_IN + 1)] {
        assert!(PATHS.game_of(text, n, None).is_none() && PATHS.rendition_of("m", text, n, token(true)).is_none());
    }
    assert!(PATHS.text_of("m", text, BEGAN_IN, None).is_none() && !PATHS.signed_sprite("t", &[], BEGAN_IN, text));
    assert!(NAMES.read(text).is_none() && NAMES.read_bridge(text).is_none() && !NAMES.gave(text));
    if let Some(ticket) = Ticket::read(text) {
        assert_eq!(ticket.text(), text);
    }
}
