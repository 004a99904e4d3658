//! As much of CSS as captions use: `STYLE` blocks of WebVTT (W3C WebVTT, 8.2.1), and colours, which TTML writes in the same way.

use crate::captions::{Rgba, Style};

/// The eight colours that have classes of their own (W3C WebVTT, 5.1 and 5.2: `white`, `bg_white`, ...).
pub(super) const CLASSES: [(&str, Rgba); 8] = [
    ("white", Rgba::opaque(255, 255, 255)),
    ("lime", Rgba::opaque(0, 255, 0)),
    ("cyan", Rgba::opaque(0, 255, 255)),
    ("red", Rgba::opaque(255, 0, 0)),
    ("yellow", Rgba::opaque(255, 255, 0)),
    ("magenta", Rgba::opaque(255, 0, 255)),
    ("blue", Rgba::opaque(0, 0, 255)),
    ("black", Rgba::opaque(0, 0, 0)),
];

/// Further names that CSS and TTML2 both know.
const NAMES: [(&str, Rgba); 11] = [
    ("green", Rgba::opaque(0, 128, 0)),
    ("silver", Rgba::opaque(192, 192, 192)),
    ("gray", Rgba::opaque(128, 128, 128)),
    ("maroon", Rgba::opaque(128, 0, 0)),
    ("purple", Rgba::opaque(128, 0, 128)),
    ("fuchsia", Rgba::opaque(255, 0, 255)),
    ("olive", Rgba::opaque(128, 128, 0)),
    ("navy", Rgba::opaque(0, 0, 128)),
    ("teal", Rgba::opaque(0, 128, 128)),
    ("aqua", Rgba::opaque(0, 255, 255)),
    ("transparent", Rgba { r: 0, g: 0, b: 0, a: 0 }),
];

/// A colour by name, `#rgb`, `#rrggbb`, `#rrggbbaa`, `rgb()` or `rgba()`. TTML's `rgba()` has its fourth number in 0 to 255, CSS's in 0 to 1.
pub fn colour(text: &str) -> Option<Rgba> {
    let text = text.trim().to_ascii_lowercase();
    if let Some(digits) = text.strip_prefix('#') {
        let digit = |at: usize| digits.as_bytes().get(at).and_then(|digit| char::from(*digit).to_digit(16));
        let short = |at: usize| digit(at).map(|digit| (digit * 17) as u8);
        let long = |at: usize| Some((digit(at)? * 16 + digit(at + 1)?) as u8);
        return match digits.len() {
            3 => Some(Rgba::opaque(short(0)?, short(1)?, short(2)?)),
            6 => Some(Rgba::opaque(long(0)?, long(2)?, long(4)?)),
            8 => Some(Rgba { r: long(0)?, g: long(2)?, b: long(4)?, a: long(6)? }),
            _ => None,
        };
    }
    if let Some(numbers) = text.strip_prefix("rgb").and_then(|rest| rest.trim_start_matches('a').strip_prefix('(')) {
        let numbers = numbers.strip_suffix(')')?;
        let mut numbers = numbers.split(',').map(str::trim);
        let mut next = || numbers.next()?.parse::<u8>().ok();
        let (r, g, b) = (next()?, next()?, next()?);
        let a = match numbers.next() {
            None => 255,
            // A whole number above 1 can only be TTML's; "1" is taken as CSS's, since nobody means nearly nothing.
            Some(alpha) => match alpha.parse::<f64>().ok()? {
                alpha if alpha > 1.0 => alpha.min(255.0) as u8,
                alpha => (alpha.max(0.0) * 255.0).round() as u8,
            },
        };
        return Some(Rgba { r, g, b, a });
    }
    CLASSES.iter().chain(&NAMES).find(|(name, _)| *name == text).map(|(_, colour)| *colour)
}

/// What a rule says about a style.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Declared {
    italic: Option<bool>,
    bold: Option<bool>,
    underline: Option<bool>,
    colour: Option<Rgba>,
    background: Option<Rgba>,
}

impl Declared {
    fn read(block: &str) -> Self {
        let mut declared = Self::default();
        for (name, value) in block.split(';').filter_map(|one| one.split_once(':')) {
            let value = value.trim().trim_end_matches("!important").trim_end();
            match name.trim().to_ascii_lowercase().as_str() {
                "color" => declared.colour = colour(value),
                "background-color" | "background" => declared.background = colour(value),
                "font-style" => declared.italic = Some(matches!(value, "italic" | "oblique")),
                "font-weight" => {
                    let heavy = value.parse::<u16>().is_ok_and(|weight| weight >= 600);
                    declared.bold = Some(heavy || matches!(value, "bold" | "bolder"));
                }
                "text-decoration" | "text-decoration-line" => {
                    declared.underline = Some(value.split_ascii_whitespace().any(|word| word == "underline"));
                }
                _ => {}
            }
        }
        declared
    }

    fn apply(&self, style: &mut Style) {
        style.italic = self.italic.unwrap_or(style.italic);
        style.bold = self.bold.unwrap_or(style.bold);
        style.underline = self.underline.unwrap_or(style.underline);
        style.colour = self.colour.or(style.colour);
        style.background = self.background.or(style.background);
    }
}

/// Classes of a tag, and those that a rule may ask for: each is looked for among the others.
pub(super) const MAX_CLASSES: usize = 16;

/// What a rule is about: `::cue`, `::cue(b)`, `::cue(.loud)`, `::cue(c.loud)`, `::cue(#id)`. Of any other selector nothing is known.
#[derive(Clone, Debug, PartialEq)]
struct Selector {
    tag: Option<String>,
    id: Option<String>,
    classes: Vec<String>,
}

impl Selector {
    fn read(text: &str) -> Option<Self> {
        let rest = text.trim().strip_prefix("::cue")?;
        let inner = match rest.trim() {
            "" => "",
            inner => inner.strip_prefix('(')?.strip_suffix(')')?.trim(),
        };
        if inner.contains([' ', '[', ':', '>', '+', '~', '*']) {
            return None;
        }
        let (inner, id) = match inner.split_once('#') {
            Some((before, id)) => (before, Some(id.replace('\\', ""))),
            None => (inner, None),
        };
        let mut parts = inner.split('.');
        let tag = parts.next().filter(|tag| !tag.is_empty()).map(str::to_owned);
        let classes: Vec<String> = parts.take(MAX_CLASSES + 1).map(str::to_owned).collect();
        (classes.len() <= MAX_CLASSES).then_some(Self { tag, id, classes })
    }

    fn is_of(&self, tag: &str, classes: &[&str]) -> bool {
        self.id.is_none()
            && (self.tag.is_some() || !self.classes.is_empty())
            && self.tag.as_deref().is_none_or(|its| its == tag)
            && self.classes.iter().all(|class| classes.contains(&class.as_str()))
    }
}

/// Rules of a text; more are not there. Every tag of the text is held against each.
const MAX_RULES: usize = 256;

/// The rules of a text, in the order of their coming: of two for one thing the later counts.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules(Vec<(Selector, Declared)>);

impl Rules {
    pub fn add(&mut self, sheet: &str) {
        let sheet = without_comments(sheet);
        let mut rest = &sheet[..];
        while let Some((selectors, after)) = rest.split_once('{') {
            let (block, after) = after.split_once('}').unwrap_or((after, ""));
            let declared = Declared::read(block);
            let room = MAX_RULES.saturating_sub(self.0.len());
            let selectors = selectors.split(',').filter_map(Selector::read).take(room);
            self.0.extend(selectors.map(|selector| (selector, declared)));
            rest = after;
        }
    }

    /// What all of a cue looks like.
    pub fn of_cue(&self, id: &str) -> Style {
        let mut style = Style::default();
        for (selector, declared) in &self.0 {
            let is_all = selector.tag.is_none() && selector.classes.is_empty();
            if is_all && selector.id.as_deref().is_none_or(|its| its == id) {
                declared.apply(&mut style);
            }
        }
        style
    }

    /// What a tag with these classes makes of a style. Colours by the classes' names come first: a rule may name such a class, too.
    pub fn apply(&self, tag: &str, classes: &[&str], style: &mut Style) {
        for class in classes {
            let named = |name: &str| CLASSES.iter().find(|(its, _)| *its == name).map(|(_, colour)| *colour);
            style.colour = named(class).or(style.colour);
            style.background = class.strip_prefix("bg_").and_then(named).or(style.background);
        }
        for (selector, declared) in &self.0 {
            if selector.is_of(tag, classes) {
                declared.apply(style);
            }
        }
    }
}

fn without_comments(sheet: &str) -> String {
    let mut out = String::with_capacity(sheet.len());
    let mut rest = sheet;
    while let Some((before, after)) = rest.split_once("/*") {
        out.push_str(before);
        rest = after.split_once("*/").map_or("", |(_, after)| after);
    }
    out.push_str(rest);
    out
}
