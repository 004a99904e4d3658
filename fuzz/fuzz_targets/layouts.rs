//! Files of layouts, made of any text and of well-formed pieces; what is drawn and stitched by them, and which layout games are shown in.
#![no_main]

#[allow(dead_code, unused_imports)]
#[path = "../../src/layout/mod.rs"]
mod layout;
#[allow(dead_code, unused_imports)]
#[path = "../../src"]
mod rooms {
    pub mod frame;
}

use std::sync::LazyLock;

use arbitrary::Arbitrary;
use frame::{CodedSize, MACROBLOCK, Rect, fit};
use layout::{Layout, Layouts, Misfit};
use libfuzzer_sys::fuzz_target;
use rooms::frame;

static BUNDLED: LazyLock<Layouts> = LazyLock::new(Layouts::bundled);

#[derive(Arbitrary, Debug)]
enum Input<'a> {
    Text(&'a str),
    File(File<'a>, Vec<(u16, u16)>),
    Pick(Option<&'a str>, u8),
    Bundled(u8, Option<u8>, Vec<(u16, u16)>),
}

#[derive(Arbitrary, Debug)]
struct File<'a> {
    name: Option<&'a str>,
    canvas: Canvas,
    background: Option<&'a str>,
    gap: Option<u8>,
    overlap: Option<bool>,
    games: Vec<Slot>,
    art: Vec<(Slot, u8)>,
    more: Option<&'a str>,
}

#[derive(Arbitrary, Debug)]
enum Canvas {
    Usual,
    Even(u16, u16),
    Any(i64, i64),
}

#[derive(Arbitrary, Debug)]
enum Slot {
    /// In parts of a grid of 24, which lie on even pixels of the usual canvas.
    Grid(u8, u8, u8, u8),
    /// Even pixels.
    Even(u16, u16, u16, u16),
    Any(i64, i64, i64, i64),
}

impl File<'_> {
    fn written(&self) -> String {
        let (width, height) = match self.canvas {
            Canvas::Usual => (1920, 1080),
            Canvas::Even(width, height) => (160 + i64::from(width) % 1841 * 2, 160 + i64::from(height) % 1841 * 2),
            Canvas::Any(width, height) => (width, height),
        };
        let slot = |slot: &Slot| {
            let [x, y, wide, high] = match *slot {
                Slot::Grid(x, y, wide, high) => {
                    let of = |n: u8, length: i64| i64::from(n % 25) * (length / 24 & !1);
                    [of(x, width), of(y, height), of(wide, width), of(high, height)]
                }
                Slot::Even(x, y, wide, high) => [x, y, wide, high].map(|v| i64::from(v / 8) * 2),
                Slot::Any(x, y, wide, high) => [x, y, wide, high],
            };
            format!("x = {x}, y = {y}, width = {wide}, height = {high}")
        };
        let games = self.games.iter().map(|game| format!("{{ {} }}", slot(game)));
        let art =
            self.art.iter().map(|(art, name)| format!("{{ {}, kind = \"art\", name = \"n{}\" }}", slot(art), name % 6));
        let slots: Vec<String> = games.chain(art).collect();
        let text = |text: &str| toml::Value::from(text).to_string();
        let mut lines = vec!["id = \"own\"".to_owned(), format!("name = {}", text(self.name.unwrap_or("Own")))];
        lines.push(format!("canvas = {{ width = {width}, height = {height} }}"));
        lines.extend(self.background.map(|colour| format!("background = {}", text(colour))));
        lines.extend(self.gap.map(|gap| format!("gap = {gap}")));
        lines.extend(self.overlap.map(|overlap| format!("overlap = {overlap}")));
        lines.push(format!("slots = [{}]", slots.join(", ")));
        lines.extend(self.more.map(str::to_owned));
        lines.join("\n")
    }
}

fuzz_target!(|input: Input<'_>| match input {
    Input::Text(text) => read(text, &[]),
    Input::File(file, rungs) => read(&file.written(), &rungs),
    Input::Pick(id, games) => pick(id, games.into()),
    Input::Bundled(of, games, rungs) => {
        let layout = BUNDLED.iter().nth(usize::from(of) % BUNDLED.len()).unwrap();
        pick(Some(&layout.id), games.map_or(layout.slots.len(), usize::from));
        drawn(layout, &rungs);
    }
});

/// A file that is taken is within its limits, and is read as what is written of it; one that is not says why, briefly.
fn read(text: &str, rungs: &[(u16, u16)]) {
    let layout = match Layout::parse(text, "own") {
        Ok(layout) => layout,
        Err(problem) => {
            assert!(problem.to_string().len() <= 1000 + 8 * text.len());
            return;
        }
    };
    assert!(layout.id == "own" && (1..=64).contains(&layout.name.chars().count()));
    let (width, height) = layout.canvas;
    assert!([width, height].iter().all(|side| side % 2 == 0 && (160..=3840).contains(side)));
    assert!((1..=Layout::MAX_SLOTS).contains(&layout.slots.len()) && layout.art.len() <= Layout::MAX_ART);
    assert!(layout.art_names().len() <= Layout::MAX_ART_NAMES && layout.gap <= height / 16);
    let all: Vec<Rect> = rects(&layout);
    for rect in &all {
        assert!([rect.x, rect.y, rect.width, rect.height].iter().all(|v| v % 2 == 0), "{rect:?}");
        assert!(rect.x + rect.width <= width && rect.y + rect.height <= height, "{rect:?}");
        assert!(rect.width * 16 >= width && rect.height * 16 >= height, "{rect:?}");
        assert!(layout.gap <= rect.width.min(rect.height) / 4, "{rect:?}");
    }
    assert_eq!(layout.overlap, meet(&all));
    assert_eq!(Layout::parse(&written(&layout), "own"), Ok(layout.clone()));
    drawn(&layout, rungs);
}

fn rects(layout: &Layout) -> Vec<Rect> {
    layout.slots.iter().copied().chain(layout.art.iter().map(|art| art.rect)).collect()
}

/// Whether any two of them have something in common.
fn meet(all: &[Rect]) -> bool {
    all.iter().enumerate().any(|(n, a)| all[..n].iter().any(|b| layout::meeting(*a, *b).is_some()))
}

fn written(layout: &Layout) -> String {
    let Layout { name, canvas, slots, art, overlap, background, gap, .. } = layout;
    let rect = |Rect { x, y, width, height }: &Rect| format!("x = {x}, y = {y}, width = {width}, height = {height}");
    let games = slots.iter().map(|slot| format!("{{ {} }}", rect(slot)));
    let art = art.iter().map(|art| format!("{{ {}, kind = \"art\", name = \"{}\" }}", rect(&art.rect), art.name));
    format!(
        "id = \"own\"\nname = {}\ncanvas = {{ width = {}, height = {} }}\nbackground = \"#{}\"\ngap = {gap}\noverlap = {overlap}\nslots = [{}]",
        toml::Value::from(name.as_str()),
        canvas.0,
        canvas.1,
        hex::encode(background),
        games.chain(art).collect::<Vec<_>>().join(", "),
    )
}

/// On every canvas slots lie inside it, and tiles in macroblocks of their own.
fn drawn(layout: &Layout, rungs: &[(u16, u16)]) {
    let even = |side: u16| 32 + u32::from(side) % 1905 * 2;
    let rungs: Vec<CodedSize> =
        rungs.iter().take(4).map(|(width, height)| CodedSize::of(even(*width), even(*height))).collect();
    for rung in &rungs {
        let CodedSize { width, height, .. } = *rung;
        let inside = |rect: Rect| {
            assert!(rect.width >= 2 && rect.height >= 2, "{rect:?} on {rung:?}");
            assert!(rect.x + rect.width <= width && rect.y + rect.height <= height, "{rect:?} on {rung:?}");
            assert!([rect.x, rect.y, rect.width, rect.height].iter().all(|v| v % 2 == 0), "{rect:?}");
            rect
        };
        for slot in 0..layout.slots.len() {
            let within = inside(layout.slot_on(slot, width, height));
            let picture = layout.picture_on(slot, width, height);
            assert!(picture.width >= 2 && picture.height >= 2);
            let fitted = fit(640, 360, (1, 1), within);
            assert!(layout::meeting(fitted, within) == Some(fitted), "{fitted:?} in {within:?}");
        }
        for slot in 0..layout.art.len() {
            let (piece, whole) = (layout.art_on(slot, width, height), layout.art_picture_on(slot, width, height));
            assert_eq!(layout::meeting(inside(piece), inside(whole)), Some(piece));
        }
    }
    let Some(tiles) = layout.tiles_on(&rungs) else { return };
    assert!(!layout.is_only_rendered() && tiles.len() == rungs.len());
    for (rung, tiles) in rungs.iter().zip(&tiles) {
        assert_eq!(tiles.len(), layout.slots.len() + layout.art_slots(false).count());
        let rects: Vec<Rect> = tiles.iter().map(|tile| tile.rect()).collect();
        assert!(!meet(&rects), "{tiles:?}");
        for (tile, rect) in tiles.iter().zip(rects) {
            assert!(
                rect.x + rect.width <= rung.width_mbs * MACROBLOCK
                    && rect.y + rect.height <= rung.height_mbs * MACROBLOCK
            );
            let within = tile.size.inside;
            assert!(within.width >= 2 && within.height >= 2, "{tile:?}");
            assert!(within.x + within.width <= rect.width && within.y + within.height <= rect.height, "{tile:?}");
            assert!([within.x, within.y, within.width, within.height].iter().all(|v| v % 2 == 0), "{tile:?}");
        }
    }
}

/// Games get a layout with a slot for each, or are told which those are.
fn pick(id: Option<&str>, games: usize) {
    let fitting = BUNDLED.fitting(games);
    match BUNDLED.pick(id, games) {
        Ok(layout) => {
            assert!(layout.slots.len() == games && fitting.contains(&layout.id));
            assert!(id.is_none_or(|id| id == layout.id));
        }
        Err(Misfit::Unknown) => assert!(id.map_or(fitting.is_empty(), |id| BUNDLED.get(id).is_none())),
        Err(Misfit::Slots { layout, slots }) => {
            assert!(id == Some(&layout) && slots != games && !fitting.contains(&layout));
        }
    }
}
