//! One layout file: read, checked, and refused with what is allowed.

use std::path::PathBuf;

use serde::Deserialize;

use super::{ArtSlot, Layout};
use crate::frame::Rect;

/// What is wrong with a layout file.
#[derive(Debug, thiserror::Error)]
#[error("layout {}: {problem}", .file.display())]
pub struct LayoutError {
    pub file: PathBuf,
    pub problem: LayoutProblem,
}

/// A mistake in a layout file. The message names the slot or key and says what is allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutProblem {
    #[error("cannot be read: {0}")]
    Unreadable(String),
    #[error("line {line}: {message}")]
    Syntax { line: usize, message: String },
    #[error("key `id`: {id:?} is not allowed; 1 to 32 letters, digits, `-` and `_` are")]
    Id { id: String },
    #[error("key `id`: {id:?} is not the file's name; it must be, so that the file can be found")]
    IdIsNotFileName { id: String },
    #[error("key `name`: it must be 1 to 64 characters")]
    Name,
    #[error("key `canvas`: {width}x{height} is not allowed; even numbers from {} to {} are", CANVAS_MIN, CANVAS_MAX)]
    Canvas { width: i64, height: i64 },
    #[error("key `background`: {0:?} is not a colour; `#rrggbb` in hexadecimal is")]
    Background(String),
    #[error("key `gap`: {gap} is not allowed; even numbers from 0 to {most} are, a sixteenth of the canvas's height")]
    Gap { gap: i64, most: u32 },
    #[error(
        "key `gap`: {gap} is too much for slot {slot} of {width}x{height}; a quarter of its shorter side is the most"
    )]
    GapOfSlot { gap: u32, slot: usize, width: u32, height: u32 },
    #[error("key `slots`: there are {0} of games; 1 to {max} are allowed", max = Layout::MAX_SLOTS)]
    SlotCount(usize),
    #[error("key `slots`: there are {0} of art; 0 to {max} are allowed", max = Layout::MAX_ART)]
    ArtCount(usize),
    #[error("key `slots`: its art has {0} names; up to {max} are allowed, and slots may share one", max = Layout::MAX_ART_NAMES)]
    ArtNames(usize),
    #[error("slot {slot}: `kind` = {kind:?} is not allowed; `game` and `art` are")]
    Kind { slot: usize, kind: String },
    #[error("slot {slot}: a slot of art needs a `name`; 1 to 32 letters, digits, `-` and `_` are allowed")]
    ArtName { slot: usize },
    #[error("slot {slot}: `name` is for slots of art alone; leave it out, or write `kind = \"art\"`")]
    GameName { slot: usize },
    #[error("slot {slot}: it is a game's and stands behind one of art; write those of games first")]
    Order { slot: usize },
    #[error("slot {slot}: `{key}` = {value} is not allowed; even numbers from 0 are")]
    OddOrNegative { slot: usize, key: &'static str, value: i64 },
    #[error(
        "slot {slot}: {width}x{height} is too small; at least {least_width}x{least_height} is allowed, a sixteenth of the canvas"
    )]
    TooSmall { slot: usize, width: u32, height: u32, least_width: u32, least_height: u32 },
    #[error("slot {slot}: it ends at {right},{bottom}, outside the canvas of {width}x{height}; it must lie inside")]
    OutOfCanvas { slot: usize, right: i64, bottom: i64, width: u32, height: u32 },
    #[error("slot {slot}: it overlaps slot {under}; that is allowed only with `overlap = true`")]
    Overlap { slot: usize, under: usize },
    #[error("key `overlap`: it is true, but no slots overlap; leave it out, so that every engine can make the layout")]
    NoOverlap,
}

const CANVAS_MIN: i64 = 160;
const CANVAS_MAX: i64 = 3840;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLayout {
    id: String,
    name: String,
    canvas: RawCanvas,
    #[serde(default = "black")]
    background: String,
    #[serde(default)]
    gap: i64,
    #[serde(default)]
    overlap: bool,
    slots: Vec<RawSlot>,
}

fn black() -> String {
    "#000000".to_owned()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCanvas {
    width: i64,
    height: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSlot {
    x: i64,
    y: i64,
    width: i64,
    height: i64,
    kind: Option<String>,
    name: Option<String>,
}

impl Layout {
    /// Reads one layout. `file_stem` is the file's name without `.toml`: the layout's id must be the same.
    ///
    /// # Errors
    /// The first mistake in it.
    pub fn parse(text: &str, file_stem: &str) -> Result<Self, LayoutProblem> {
        let raw: RawLayout = toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or("");
            let line = 1 + before.matches('\n').count();
            LayoutProblem::Syntax { line, message: error.message().replace('\n', ", ") }
        })?;
        check_names(&raw, file_stem)?;
        let canvas = check_canvas(&raw.canvas)?;
        let background =
            parse_colour(&raw.background).ok_or_else(|| LayoutProblem::Background(raw.background.clone()))?;
        let most = canvas.1 / 16;
        let gap = u32::try_from(raw.gap).ok().filter(|gap| gap % 2 == 0 && *gap <= most);
        let gap = gap.ok_or(LayoutProblem::Gap { gap: raw.gap, most })?;
        let art = check_kinds(&raw.slots)?;
        let slots =
            raw.slots.iter().enumerate().map(|(n, s)| check_slot(n, s, canvas)).collect::<Result<Vec<_>, _>>()?;
        if let Some((slot, rect)) = slots.iter().enumerate().find(|(_, rect)| gap > rect.width.min(rect.height) / 4) {
            return Err(LayoutProblem::GapOfSlot { gap, slot, width: rect.width, height: rect.height });
        }
        let first_overlap = (1..slots.len()).find_map(|slot| {
            let under = (0..slot).find(|&under| overlaps(slots[slot], slots[under]))?;
            Some(LayoutProblem::Overlap { slot, under })
        });
        match (first_overlap, raw.overlap) {
            (Some(problem), false) => return Err(problem),
            (None, true) => return Err(LayoutProblem::NoOverlap),
            (Some(_), true) | (None, false) => {}
        }
        let mut slots = slots;
        let rects = slots.split_off(slots.len() - art.len());
        let art = art.into_iter().zip(rects).map(|(name, rect)| ArtSlot { name, rect }).collect();
        Ok(Self { id: raw.id, name: raw.name, canvas, slots, art, overlap: raw.overlap, background, gap })
    }
}

/// The names of the slots of art, which stand behind those of games.
fn check_kinds(slots: &[RawSlot]) -> Result<Vec<String>, LayoutProblem> {
    let mut art: Vec<String> = Vec::new();
    for (slot, raw) in slots.iter().enumerate() {
        match (raw.kind.as_deref().unwrap_or("game"), &raw.name) {
            ("game", None) if art.is_empty() => {}
            ("game", None) => return Err(LayoutProblem::Order { slot }),
            ("game", Some(_)) => return Err(LayoutProblem::GameName { slot }),
            ("art", Some(name)) if is_name(name) => art.push(name.clone()),
            ("art", _) => return Err(LayoutProblem::ArtName { slot }),
            (kind, _) => return Err(LayoutProblem::Kind { slot, kind: kind.chars().take(40).collect() }),
        }
    }
    let games = slots.len() - art.len();
    if games == 0 || games > Layout::MAX_SLOTS {
        return Err(LayoutProblem::SlotCount(games));
    }
    if art.len() > Layout::MAX_ART {
        return Err(LayoutProblem::ArtCount(art.len()));
    }
    let names: std::collections::BTreeSet<&String> = art.iter().collect();
    if names.len() > Layout::MAX_ART_NAMES { Err(LayoutProblem::ArtNames(names.len())) } else { Ok(art) }
}

/// What ids of layouts are made of, and names of art.
fn is_name(text: &str) -> bool {
    (1..=32).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

fn check_names(raw: &RawLayout, file_stem: &str) -> Result<(), LayoutProblem> {
    if !is_name(&raw.id) {
        return Err(LayoutProblem::Id { id: raw.id.clone() });
    }
    if raw.id != file_stem {
        return Err(LayoutProblem::IdIsNotFileName { id: raw.id.clone() });
    }
    if raw.name.trim().is_empty() || raw.name.chars().count() > 64 {
        return Err(LayoutProblem::Name);
    }
    Ok(())
}

fn check_canvas(raw: &RawCanvas) -> Result<(u32, u32), LayoutProblem> {
    let side = |v: i64| u32::try_from(v).ok().filter(|_| v % 2 == 0 && (CANVAS_MIN..=CANVAS_MAX).contains(&v));
    side(raw.width).zip(side(raw.height)).ok_or(LayoutProblem::Canvas { width: raw.width, height: raw.height })
}

fn check_slot(slot: usize, raw: &RawSlot, canvas: (u32, u32)) -> Result<Rect, LayoutProblem> {
    let even = |key: &'static str, value: i64| {
        let wrong = LayoutProblem::OddOrNegative { slot, key, value };
        if value % 2 == 0 { u32::try_from(value).map_err(|_| wrong) } else { Err(wrong) }
    };
    let rect = Rect {
        x: even("x", raw.x)?,
        y: even("y", raw.y)?,
        width: even("width", raw.width)?,
        height: even("height", raw.height)?,
    };
    // A sixteenth stays drawable on the smallest renditions, and nobody can follow a game in less.
    let (least_width, least_height) = (canvas.0.div_ceil(16), canvas.1.div_ceil(16));
    if rect.width < least_width || rect.height < least_height {
        return Err(LayoutProblem::TooSmall {
            slot,
            width: rect.width,
            height: rect.height,
            least_width,
            least_height,
        });
    }
    let (right, bottom) = (raw.x.saturating_add(raw.width), raw.y.saturating_add(raw.height));
    if right > i64::from(canvas.0) || bottom > i64::from(canvas.1) {
        return Err(LayoutProblem::OutOfCanvas { slot, right, bottom, width: canvas.0, height: canvas.1 });
    }
    Ok(rect)
}

pub(super) fn overlaps(a: Rect, b: Rect) -> bool {
    a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height
}

/// `#rrggbb` as its three bytes.
fn parse_colour(text: &str) -> Option<[u8; 3]> {
    let mut rgb = [0u8; 3];
    hex::decode_to_slice(text.strip_prefix('#')?, &mut rgb).ok()?;
    Some(rgb)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIDE_BY_SIDE: &str = r##"
id = "2X"
name = "Two"
canvas = { width = 1920, height = 1080 }
background = "#102030"
slots = [
    { x = 0, y = 270, width = 960, height = 540 },
    { x = 960, y = 270, width = 960, height = 540 },
]
"##;

    fn refusal(text: &str) -> String {
        Layout::parse(text, "2X").unwrap_err().to_string()
    }

    /// The message when `from` is replaced by `to` in a sound file.
    fn refusal_with(from: &str, to: &str) -> String {
        assert!(SIDE_BY_SIDE.contains(from), "nothing to replace: {from}");
        refusal(&SIDE_BY_SIDE.replacen(from, to, 1))
    }

    #[test]
    fn a_sound_file_is_read_whole() {
        let layout = Layout::parse(SIDE_BY_SIDE, "2X").unwrap();
        assert_eq!((layout.id.as_str(), layout.name.as_str()), ("2X", "Two"));
        assert_eq!((layout.canvas, layout.background, layout.overlap), ((1920, 1080), [0x10, 0x20, 0x30], false));
        assert_eq!(layout.slots[1], Rect { x: 960, y: 270, width: 960, height: 540 });
    }

    #[test]
    fn every_mistake_names_its_place_and_what_is_allowed() {
        let cases = [
            (("id = \"2X\"", "id = \"2 X\""), "`id`", "letters"),
            (("id = \"2X\"", "id = \"3X\""), "`id`", "file's name"),
            (("name = \"Two\"", "name = \" \""), "`name`", "1 to 64"),
            (("width = 1920", "width = 1921"), "`canvas`", "even numbers from 160 to 3840"),
            (("width = 1920", "width = 8000"), "`canvas`", "even numbers from 160 to 3840"),
            (("#102030", "#10203"), "`background`", "#rrggbb"),
            (("#102030", "red"), "`background`", "#rrggbb"),
            (("slots =", "gap = 3\nslots ="), "`gap`", "even numbers from 0 to 67"),
            (("slots =", "gap = 68\nslots ="), "`gap`", "even numbers from 0 to 67"),
            (("slots =", "guard_colour = \"#000000\"\nslots ="), "unknown field `guard_colour`", "`gap`"),
            (("x = 960,", "x = 961,"), "slot 1: `x` = 961", "even"),
            (("x = 0,", "x = -2,"), "slot 0: `x` = -2", "from 0"),
            (("width = 960", "width = 0"), "slot 0: 0x540", "at least 120x68"),
            (("x = 960,", "x = 1200,"), "slot 1: it ends at 2160,810", "1920x1080"),
            (("x = 960,", "x = 958,"), "slot 1: it overlaps slot 0", "overlap = true"),
            (("x = 960,", "x = 9223372036854775806,"), "slot 1", "even"),
            (("name =", "overlap = true\nname ="), "`overlap`", "no slots overlap"),
            (("name =", "colour = 3\nname ="), "line 3: unknown field `colour`", "background"),
            (("x = 0, ", ""), "line 7: missing field `x`", ""),
            (("y = 270", "y = \"top\""), "line 7: invalid type", "i64"),
            (("x = 960,", "kind = \"clip\", x = 960,"), "slot 1: `kind` = \"clip\"", "`game` and `art`"),
            (("x = 960,", "kind = \"art\", x = 960,"), "slot 1", "needs a `name`"),
            (("x = 960,", "kind = \"art\", name = \"a b\", x = 960,"), "slot 1", "letters, digits"),
            (("x = 960,", "name = \"frame\", x = 960,"), "slot 1: `name`", "kind = \"art\""),
            (("x = 0,", "kind = \"art\", name = \"a\", x = 0,"), "slot 1: it is a game's", "games first"),
        ];
        for ((from, to), place, allowed) in cases {
            let message = refusal_with(from, to);
            assert!(message.contains(place) && message.contains(allowed), "{from} -> {to}: {message}");
        }
    }

    #[test]
    fn one_to_four_slots() {
        let slot = "{ x = 0, y = 0, width = 960, height = 540 },";
        let head = SIDE_BY_SIDE.split("slots").next().unwrap();
        for count in [0, 5] {
            let text = format!("{head}slots = [{}]", slot.repeat(count));
            assert_eq!(Layout::parse(&text, "2X"), Err(LayoutProblem::SlotCount(count)));
        }
    }

    #[test]
    fn slots_of_art_stand_behind_those_of_games_and_may_share_a_name() {
        let art =
            |y: u32| format!("{{ x = 960, y = {y}, width = 960, height = 70, kind = \"art\", name = \"side\" }},");
        let text = SIDE_BY_SIDE.replace("    { x = 960, y = 270, width = 960, height = 540 },\n", &(art(0) + &art(80)));
        let layout = Layout::parse(&text, "2X").unwrap();
        assert_eq!((layout.slots.len(), layout.art.len(), layout.art_names()), (1, 2, vec!["side"]));
        assert_eq!(layout.art_on(1, 960, 540), Rect { x: 480, y: 40, width: 480, height: 36 });
        let whole = Rect { x: 960, y: 0, width: 960, height: 150 };
        assert!((0..2).all(|slot| layout.art_picture_on(slot, 1920, 1080) == whole));
        let alone = SIDE_BY_SIDE.replace("height = 540 }", "height = 540, kind = \"art\", name = \"a\" }");
        assert_eq!(Layout::parse(&alone, "2X"), Err(LayoutProblem::SlotCount(0)));
        let many = SIDE_BY_SIDE.replace("    { x = 960, y = 270, width = 960, height = 540 },\n", &art(0).repeat(9));
        assert_eq!(Layout::parse(&many, "2X"), Err(LayoutProblem::ArtCount(9)));
        let named = (0..5).map(|n| art(80 * n).replace("side", &format!("n{n}"))).collect::<String>();
        let named = SIDE_BY_SIDE.replace("    { x = 960, y = 270, width = 960, height = 540 },\n", &named);
        assert_eq!(Layout::parse(&named, "2X"), Err(LayoutProblem::ArtNames(5)));
    }

    #[test]
    fn a_gap_is_none_or_what_the_file_says() {
        assert_eq!(Layout::parse(SIDE_BY_SIDE, "2X").unwrap().gap, 0);
        let small = SIDE_BY_SIDE.replace("y = 270, width = 960, height = 540", "y = 270, width = 120, height = 68");
        assert!(Layout::parse(&small.replace("slots =", "gap = 16\nslots ="), "2X").is_ok());
        let refused = Layout::parse(&small.replace("slots =", "gap = 18\nslots ="), "2X").unwrap_err();
        assert!(matches!(refused, LayoutProblem::GapOfSlot { gap: 18, slot: 0, .. }), "{refused}");
        let text = SIDE_BY_SIDE.replacen("slots =", "gap = 8\nslots =", 1);
        assert_eq!(Layout::parse(&text, "2X").unwrap().gap, 8);
    }

    #[test]
    fn overlap_that_is_said_is_allowed() {
        let text = SIDE_BY_SIDE.replacen("x = 960,", "x = 500,", 1).replacen("name =", "overlap = true\nname =", 1);
        assert!(Layout::parse(&text, "2X").unwrap().overlap);
    }
}
