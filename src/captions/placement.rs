//! A game's text in its slot of a mosaic.
//!
//! A player sets text at one size for the whole picture, so a slot has room for fewer characters than the game's own picture had. Texts are
//! broken anew to the slot's width and put where they were in the game's picture, as far as the slot has room. Estimates are wide: a player's
//! font is not known, and a line that the player breaks once more would stand on another one.

use std::time::Duration;

use super::webvtt::{SegmentForm, usual_position, write_segment};
use super::{
    Align, Cue, Line, LineAlign, LinePosition, Percent, Piece, Placement, PositionAlign, Style, Text, TextTrack,
    Writing,
};
use crate::frame::Rect;
use crate::timeline::MediaTime;

/// Height of a line in percent of the picture's. Players set text at 5 percent (W3C WebVTT, 7.4: 5vh), and lines 1.2 of it.
const LINE_HEIGHT: f64 = 6.0;

/// Height of a row in the game's own picture: a fifteenth of its safe area, as captions count them.
const ROW_HEIGHT: f64 = 80.0 / 15.0;

/// Width of a character in percent of the picture's height: 0.55 of the text's size, the mean of sans-serif fonts with some to spare.
const CHAR_WIDTH: f64 = 2.75;

/// What stays free of a slot at each edge, in parts of its length.
const MARGIN: f64 = 0.03;

/// Fewest characters of a line: of a slot that is narrower nothing could be read anyway.
const LEAST_CHARS: usize = 8;

/// How long ago a cue may have begun to have a say in where others stand. All segments must find the same places, so all look back as far.
const LOOK_BACK: Duration = Duration::from_secs(120);

/// A slot's rectangle, and the canvas that it is on, in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotOnCanvas {
    pub rect: Rect,
    pub canvas: (u32, u32),
}

/// A text of a slot's game.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InSlot {
    pub slot: SlotOnCanvas,
    pub text: Text,
}

/// Part of the picture, in percent of it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Area {
    left: f64,
    top: f64,
    right: f64,
    bottom: f64,
}

impl Area {
    fn meets(&self, other: &Area) -> bool {
        // Edges that touch do not meet, whatever rounding made of them.
        const TOUCH: f64 = 0.011;
        self.left + TOUCH < other.right
            && other.left + TOUCH < self.right
            && self.top + TOUCH < other.bottom
            && other.top + TOUCH < self.bottom
    }
}

impl SlotOnCanvas {
    fn is_whole(&self) -> bool {
        self.rect == Rect { x: 0, y: 0, width: self.canvas.0, height: self.canvas.1 }
    }

    fn area(&self) -> Area {
        let part = |at: u32, of: u32| f64::from(at) * 100.0 / f64::from(of.max(1));
        let Rect { x, y, width, height } = self.rect;
        Area {
            left: part(x, self.canvas.0),
            top: part(y, self.canvas.1),
            right: part(x.saturating_add(width), self.canvas.0).min(100.0),
            bottom: part(y.saturating_add(height), self.canvas.1).min(100.0),
        }
    }

    /// Its area without the margins.
    fn inside(&self) -> Area {
        let Area { left, top, right, bottom } = self.area();
        let (x, y) = ((right - left) * MARGIN, (bottom - top) * MARGIN);
        Area { left: left + x, top: top + y, right: right - x, bottom: bottom - y }
    }

    /// Width of a character in percent of the canvas's.
    fn char_width(&self) -> f64 {
        CHAR_WIDTH * f64::from(self.canvas.1.max(1)) / f64::from(self.canvas.0.max(1))
    }
}

/// Texts that are seen at one time, each in its slot, in the order given. One that would stand on another is moved within its slot, if there is
/// room. A slot that is the whole canvas leaves its texts as they are.
pub fn place(texts: &[InSlot]) -> Vec<Text> {
    let mut taken = Vec::new();
    let place = |its: &InSlot| {
        let (text, area) = place_one(&its.text, &its.slot, &taken);
        taken.push(area);
        text
    };
    texts.iter().map(place).collect()
}

/// The text of segment or part `from..to` of a mosaic with the text of all its games. `games` are in the order of their slots.
pub fn mosaic_text(from: MediaTime, to: MediaTime, form: &SegmentForm, games: &[(SlotOnCanvas, &TextTrack)]) -> String {
    let of_game = |(number, (slot, track)): (usize, &(SlotOnCanvas, &TextTrack))| {
        track.cues_in(from - LOOK_BACK, to).map(|cue| (number, *slot, cue.clone())).collect::<Vec<_>>()
    };
    let mut cues: Vec<(usize, SlotOnCanvas, Cue)> = games.iter().enumerate().flat_map(of_game).collect();
    // Who was there first stays where it is; of those that come together the upper slot's.
    cues.sort_by_key(|(number, _, cue)| (cue.start, *number));
    let mut placed: Vec<(Cue, Area)> = Vec::new();
    let mut pieces = Vec::new();
    for (number, slot, mut cue) in cues {
        let id = format!("{number}-{}", cue.id());
        placed.retain(|(other, _)| other.end.is_none_or(|end| end > cue.start));
        let taken: Vec<Area> = placed.iter().map(|(_, area)| *area).collect();
        let (text, area) = place_one(&cue.text, &slot, &taken);
        cue.text = text;
        pieces.extend(Piece::of(&cue, from, to).map(|piece| Piece { id, ..piece }));
        placed.push((cue, area));
    }
    write_segment(from, form, &pieces)
}

fn place_one(text: &Text, slot: &SlotOnCanvas, taken: &[Area]) -> (Text, Area) {
    let inside = slot.inside();
    let chars = ((inside.right - inside.left) / slot.char_width()) as usize;
    let most = (((inside.bottom - inside.top) / LINE_HEIGHT) as usize).max(1);
    let mut lines: Vec<Line> = text.lines.iter().flat_map(|line| wrapped(line, chars.max(LEAST_CHARS))).collect();
    // Of more than the slot has room for the last are seen, as they would be when text rolls up.
    let over = lines.len().saturating_sub(most);
    if !slot.is_whole() {
        lines.drain(..over);
    }
    let longest = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0);
    let width = (longest as f64 * slot.char_width()).min(inside.right - inside.left);
    let height = lines.len() as f64 * LINE_HEIGHT;
    let (top, bottom) = rows_of(text);
    let tall = inside.bottom - inside.top;
    // Text of the lower half grows upward, that of the upper half downward: away from the edge that it stands at.
    let wanted = if top + bottom >= 100.0 {
        inside.top + bottom.min(100.0) / 100.0 * tall - height
    } else {
        inside.top + top / 100.0 * tall
    };
    let last = (inside.bottom - height).max(inside.top);
    let wanted = wanted.clamp(inside.top, last);
    let (position, size, left) = across(&text.placement, &inside, width);
    let area = |top: f64| Area { left, top, right: left + width, bottom: top + height };
    if slot.is_whole() {
        return (text.clone(), area(wanted));
    }
    let top = free_top(wanted, inside.top, last, |top| taken.iter().all(|other| !area(top).meets(other)));
    let placement = Placement {
        line: LinePosition::At(Percent::of(top)),
        line_align: LineAlign::Start,
        position: Some(Percent::of(position)),
        position_align: PositionAlign::Auto,
        size: Percent::of(size),
        align: text.placement.align,
        writing: Writing::Horizontal,
    };
    (Text { placement, lines }, area(top))
}

/// The free place nearest the one wanted, in quarters of lines; the wanted one where none is free.
fn free_top(wanted: f64, first: f64, last: f64, is_free: impl Fn(f64) -> bool) -> f64 {
    const STEP: f64 = LINE_HEIGHT / 4.0;
    // The picture is a hundred high, so no step beyond these is within a slot.
    let steps = (100.0 / STEP) as usize;
    let near = (0..=steps).flat_map(|step| [wanted - step as f64 * STEP, wanted + step as f64 * STEP]);
    let mut tried = near.chain([first, last]).filter(|top| (first..=last).contains(top));
    tried.find(|top| is_free(*top)).unwrap_or(wanted)
}

/// Upper and lower edge of a text in its game's own picture, in percent.
fn rows_of(text: &Text) -> (f64, f64) {
    let height = text.lines.len() as f64 * ROW_HEIGHT;
    let Placement { line, line_align, writing, .. } = text.placement;
    let top = match line {
        // Vertical text is set as horizontal, and its line says where it is across.
        _ if writing != Writing::Horizontal => 100.0 - height,
        LinePosition::Auto => 100.0 - height,
        LinePosition::Row(row) if row < 0 => 100.0 + (f64::from(row) + 1.0) * ROW_HEIGHT - height,
        LinePosition::Row(row) => f64::from(row) * ROW_HEIGHT,
        LinePosition::At(at) => match line_align {
            LineAlign::Start => at.percent(),
            LineAlign::Center => at.percent() - height / 2.0,
            LineAlign::End => at.percent() - height,
        },
    };
    (top, top + height)
}

/// Position and size of a text of such a width in the slot, and its left edge.
fn across(placement: &Placement, inside: &Area, width: f64) -> (f64, f64, f64) {
    let own = match placement.writing {
        Writing::Horizontal => placement.position.map_or_else(|| usual_position(placement.align), Percent::percent),
        _ => 50.0,
    };
    let wanted = inside.left + own / 100.0 * (inside.right - inside.left);
    match placement.align {
        Align::Start | Align::Left => {
            let left = wanted.min(inside.right - width).max(inside.left);
            (left, inside.right - left, left)
        }
        Align::End | Align::Right => {
            let right = wanted.max(inside.left + width).min(inside.right);
            (right, right - inside.left, right - width)
        }
        Align::Center => {
            let middle = wanted.min(inside.right - width / 2.0).max(inside.left + width / 2.0);
            (middle, 2.0 * (middle - inside.left).min(inside.right - middle), middle - width / 2.0)
        }
    }
}

/// A line in lines of at most `most` characters: broken at spaces, and a word within it where it is longer than that.
fn wrapped(line: &Line, most: usize) -> Vec<Line> {
    let chars: Vec<(char, Style)> = line.trimmed(true).chars().collect();
    let mut out = Vec::new();
    let mut rest = &chars[..];
    while !rest.is_empty() {
        let (now, after) = if rest.len() <= most {
            (rest, &rest[rest.len()..])
        } else {
            // The space may be the first character that has no more room.
            match rest[..=most].iter().rposition(|(char, _)| *char == ' ') {
                Some(space) if space > 0 => (&rest[..space], &rest[space + 1..]),
                _ => rest.split_at(most),
            }
        };
        let mut line = Line::default();
        now.iter().for_each(|(char, style)| line.push_char(*char, *style));
        out.push(line);
        rest = after;
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::captions::webvtt::tests::{text, track};
    use crate::captions::{Screen, Told};

    const CANVAS: (u32, u32) = (1920, 1080);

    fn slot(x: u32, y: u32, width: u32, height: u32) -> SlotOnCanvas {
        SlotOnCanvas { rect: Rect { x, y, width, height }, canvas: CANVAS }
    }

    fn quarters() -> [SlotOnCanvas; 4] {
        [slot(0, 0, 960, 540), slot(960, 0, 960, 540), slot(0, 540, 960, 540), slot(960, 540, 960, 540)]
    }

    /// The box that a player makes of a placement, as high as its lines need (W3C WebVTT, 7.2, cues that do not snap to lines).
    fn box_of(text: &Text) -> Area {
        let LinePosition::At(top) = text.placement.line else { panic!("{:?}", text.placement) };
        let (at, size) = (text.placement.position.unwrap().percent(), text.placement.size.percent());
        let left = match text.placement.align {
            Align::Start | Align::Left => at,
            Align::Center => at - size / 2.0,
            Align::End | Align::Right => at - size,
        };
        let bottom = top.percent() + text.lines.len() as f64 * LINE_HEIGHT;
        Area { left, top: top.percent(), right: left + size, bottom }
    }

    fn is_inside(inner: &Area, outer: &Area) -> bool {
        const ROUNDED: f64 = 0.02;
        inner.left >= outer.left - ROUNDED
            && inner.top >= outer.top - ROUNDED
            && inner.right <= outer.right + ROUNDED
            && inner.bottom <= outer.bottom + ROUNDED
    }

    proptest! {
        #[test]
        fn a_text_stays_in_its_slot(text in text(), x in 0u32..1500, y in 0u32..800, width in 300u32..1920, height in 100u32..1080) {
            let slot = slot(x, y, width.min(1920 - x), height.min(1080 - y));
            prop_assume!(slot.rect.width >= 300 && slot.rect.height >= 100 && !slot.is_whole());
            let placed = place(&[InSlot { slot, text: text.clone() }]).remove(0);
            prop_assert!(is_inside(&box_of(&placed), &slot.area()), "{:?} in {:?}", box_of(&placed), slot.area());
            let most = (slot.inside().right - slot.inside().left) / slot.char_width();
            prop_assert!(placed.lines.iter().all(|line| line.chars().count() <= (most as usize).max(LEAST_CHARS)));
            // Nothing is lost but spaces and lines that have no room.
            let bare = |text: &Text| text.text().replace([' ', '\n'], "");
            prop_assert!(bare(&text).ends_with(&bare(&placed)));
        }

        #[test]
        fn texts_of_four_games_do_not_meet(texts in prop::collection::vec(text(), 4)) {
            let texts: Vec<InSlot> = quarters().into_iter().zip(texts).map(|(slot, text)| InSlot { slot, text }).collect();
            let placed = place(&texts);
            for (at, one) in placed.iter().enumerate() {
                for other in &placed[at + 1..] {
                    prop_assert!(!box_of(one).meets(&box_of(other)), "{one:?} {other:?}");
                }
            }
        }
    }

    fn lines_of(text: &Text) -> Vec<String> {
        text.lines.iter().map(Line::text).collect()
    }

    #[test]
    fn a_text_of_the_upper_left_game_stands_in_the_upper_left_picture() {
        let text = Text::plain("The longest sentence that a commentator says in one breath, goal");
        let placed = place(&[InSlot { slot: quarters()[0], text }]).remove(0);
        assert_eq!(lines_of(&placed), ["The longest sentence that a", "commentator says in one", "breath, goal"]);
        let bottom = box_of(&placed).bottom;
        assert!((48.0..50.0).contains(&bottom) && box_of(&placed).right < 50.0, "{:?}", box_of(&placed));
        assert_eq!(placed.placement.position, Some(Percent::new(2500)));
        // At the top of its own picture, at the top of its slot.
        let mut text = Text::plain("Up");
        text.placement.line = LinePosition::At(Percent::new(500));
        let placed = place(&[InSlot { slot: quarters()[3], text }]).remove(0);
        assert!((51.0..55.0).contains(&box_of(&placed).top), "{:?}", box_of(&placed));
    }

    #[test]
    fn a_slot_that_is_the_canvas_leaves_texts_as_they_are() {
        let text = Text::plain("As it was, however long it may be, and wherever it may stand on the picture");
        assert_eq!(place(&[InSlot { slot: slot(0, 0, 1920, 1080), text: text.clone() }]), [text]);
    }

    #[test]
    fn texts_of_one_slot_and_of_slots_that_overlap_are_kept_apart() {
        let text = Text::plain("One");
        let both = [slot(0, 0, 1920, 1080), slot(1248, 720, 576, 324)].map(|slot| InSlot { slot, text: text.clone() });
        let placed = place(&both);
        assert_eq!(placed[0], text);
        let twice = [0, 0].map(|at| InSlot { slot: quarters()[at], text: text.clone() });
        let placed = place(&twice);
        assert!(!box_of(&placed[0]).meets(&box_of(&placed[1])));
        assert!(is_inside(&box_of(&placed[1]), &quarters()[0].area()));
    }

    #[test]
    fn more_lines_than_a_slot_has_room_for_keep_the_last() {
        let text = Text::plain("a\nb\nc\nd\ne\nf");
        let placed = place(&[InSlot { slot: slot(0, 0, 480, 270), text }]).remove(0);
        assert_eq!(lines_of(&placed), ["d", "e", "f"][3 - placed.lines.len()..]);
    }

    #[test]
    fn all_games_are_told_in_one_text_and_keep_their_places_over_segments() {
        let (mut first, mut second) = (track(), track());
        let at = MediaTime::from_millis;
        let whole = |start: u64, end: u64, text: &str| Cue {
            start: at(start),
            end: Some(at(end)),
            told: Told::Whole,
            text: Text::plain(text),
        };
        first.push(whole(1000, 2500, "gone soon"));
        first.push(whole(2000, 5000, "stays <b>"));
        second.show(&Screen { at: at(1500), texts: vec![Text::plain("stays <b>")] });
        let games = [(quarters()[0], &first), (quarters()[1], &second)];
        let form = SegmentForm::default();
        let texts = [0u64, 2000, 4000].map(|from| mosaic_text(at(from), at(from + 2000), &form, &games));
        assert_eq!(texts[1].matches("-->").count(), 3, "{}", texts[1]);
        // The one that came while the other was there stands above it, and still does when that is gone.
        let settings = |text: &str, of: &str| {
            let block = text.split("\n\n").find(|block| block.starts_with(of)).unwrap().to_owned();
            block.lines().nth(1).unwrap().split_once(" line:").unwrap().1.to_owned()
        };
        let id = first.cues_in(at(3000), at(3001)).next().unwrap().id();
        assert_eq!(settings(&texts[1], &format!("0-{id}")), settings(&texts[2], &format!("0-{id}")));
        let other = first.cues_in(at(1000), at(1001)).next().unwrap().id();
        assert_ne!(settings(&texts[1], &format!("0-{id}")), settings(&texts[1], &format!("0-{other}")));
        assert!(texts[1].contains("stays &lt;b&gt;"));
        assert_eq!(texts[1], mosaic_text(at(2000), at(4000), &form, &games));
    }
}
