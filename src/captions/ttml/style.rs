//! Styles and regions (TTML2, 10 and 11; IMSC 1.1 text profile).

use std::collections::HashMap;

use roxmltree::Node;

use crate::captions::webvtt::colour;
use crate::captions::{Align, LineAlign, LinePosition, Percent, Placement, PositionAlign, Style, Writing};

/// Styles that refer to styles that refer to styles: what is deeper is not followed, and so no circle is.
const MAX_DEPTH: usize = 8;

/// Styles that one element has by references, all in all: those of a fan of fans would be millions.
const MAX_REFERENCES: usize = 64;

/// Where lines stand in their region.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Display {
    #[default]
    Before,
    Center,
    After,
}

/// What applies to an element.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Properties {
    pub style: Style,
    pub align: Option<Align>,
    display: Display,
    pub hidden: bool,
    pub preserve: bool,
    pub forced: bool,
    /// Left, top, width and height in percent of the picture: of regions.
    origin: Option<(f64, f64)>,
    extent: Option<(f64, f64)>,
    writing: Writing,
}

/// The value of an attribute of TTML's own vocabularies: `kind` is the last part of the namespace's name, which all versions have in common.
pub(super) fn attribute<'a>(node: Node<'a, '_>, kind: &str, name: &str) -> Option<&'a str> {
    let is_it = |space: &str| space.rsplit_once('#').is_some_and(|(_, its)| its == kind);
    node.attributes().find(|its| its.name() == name && its.namespace().is_some_and(is_it)).map(|its| its.value())
}

fn id_of<'a>(node: Node<'a, '_>) -> Option<&'a str> {
    node.attribute(("http://www.w3.org/XML/1998/namespace", "id"))
}

/// The head of a document.
#[derive(Default)]
pub(super) struct Head<'a, 'input> {
    styles: HashMap<&'a str, Node<'a, 'input>>,
    regions: HashMap<&'a str, Node<'a, 'input>>,
    /// Pixels and cells of the whole picture.
    pixels: Option<(f64, f64)>,
    cells: (f64, f64),
}

impl<'a, 'input> Head<'a, 'input> {
    pub fn new(root: Node<'a, 'input>) -> Self {
        let pair = |text: &str, unit: &str| {
            let mut numbers =
                text.split_ascii_whitespace().map(|number| number.strip_suffix(unit)?.parse::<f64>().ok());
            let (width, height) = (numbers.next()??, numbers.next()??);
            (width > 0.0 && height > 0.0).then_some((width, height))
        };
        let mut head = Self {
            pixels: attribute(root, "styling", "extent").and_then(|text| pair(text, "px")),
            // TTML2, 7.2.1.
            cells: attribute(root, "parameter", "cellResolution")
                .and_then(|text| pair(text, ""))
                .unwrap_or((32.0, 15.0)),
            ..Self::default()
        };
        let parts = root.children().filter(|node| node.has_tag_name_local("head")).flat_map(|head| head.children());
        for part in parts.flat_map(|part| part.children()) {
            let Some(id) = id_of(part) else { continue };
            if part.has_tag_name_local("style") {
                head.styles.insert(id, part);
            } else if part.has_tag_name_local("region") {
                head.regions.insert(id, part);
            }
        }
        head
    }

    /// Whether there is such a region.
    pub fn has_region(&self, id: &str) -> bool {
        self.regions.contains_key(id)
    }

    /// What holds in a region, before its content says more.
    pub fn region(&self, id: &str) -> Properties {
        let mut properties = Properties::default();
        if let Some(region) = self.regions.get(id) {
            self.apply(*region, &mut properties);
            region.children().filter(|node| node.has_tag_name_local("style")).for_each(|style| {
                self.apply(style, &mut properties);
            });
        }
        properties
    }

    /// What an element changes: first by the styles that it refers to, then by its own attributes (TTML2, 10.4).
    pub fn apply(&self, node: Node<'a, 'input>, properties: &mut Properties) {
        let mut left = MAX_REFERENCES;
        self.apply_within(node, properties, &mut left, 0);
    }

    fn apply_within(&self, node: Node<'a, 'input>, properties: &mut Properties, left: &mut usize, depth: usize) {
        for style in node.attribute("style").unwrap_or_default().split_ascii_whitespace() {
            if depth >= MAX_DEPTH || *left == 0 {
                break;
            }
            *left -= 1;
            if let Some(style) = self.styles.get(style) {
                self.apply_within(*style, properties, left, depth + 1);
            }
        }
        if let Some(space) = node.attribute(("http://www.w3.org/XML/1998/namespace", "space")) {
            properties.preserve = space == "preserve";
        }
        for its in node.attributes() {
            let kind = its.namespace().and_then(|space| space.rsplit_once('#')).map(|(_, kind)| kind);
            match (kind, its.name()) {
                // IMSC has a vocabulary of its own, whose name ends in the same way.
                (_, "forcedDisplay") => properties.forced = its.value() == "true",
                (Some("styling"), name) => self.set(properties, name, its.value().trim()),
                _ => {}
            }
        }
    }

    fn set(&self, properties: &mut Properties, name: &str, value: &str) {
        let style = &mut properties.style;
        match name {
            "color" => style.colour = colour(value).or(style.colour),
            "backgroundColor" => style.background = colour(value).or(style.background),
            "fontStyle" => style.italic = matches!(value, "italic" | "oblique"),
            "fontWeight" => style.bold = value == "bold",
            "textDecoration" => match value {
                "none" | "noUnderline" => style.underline = false,
                value => style.underline |= value.split_ascii_whitespace().any(|word| word == "underline"),
            },
            "textAlign" => {
                properties.align = match value {
                    "left" => Some(Align::Left),
                    "right" => Some(Align::Right),
                    "start" => Some(Align::Start),
                    "end" => Some(Align::End),
                    "center" => Some(Align::Center),
                    _ => properties.align,
                };
            }
            "displayAlign" => {
                properties.display = match value {
                    "center" => Display::Center,
                    "after" => Display::After,
                    _ => Display::Before,
                };
            }
            "display" => properties.hidden |= value == "none",
            "visibility" => properties.hidden = value == "hidden",
            "origin" => properties.origin = self.pair(value),
            "extent" => properties.extent = self.pair(value),
            "writingMode" => {
                properties.writing = match value {
                    "tbrl" | "tb" => Writing::VerticalRightToLeft,
                    "tblr" => Writing::VerticalLeftToRight,
                    _ => Writing::Horizontal,
                };
            }
            _ => {}
        }
    }

    /// Two lengths in percent of the picture.
    fn pair(&self, text: &str) -> Option<(f64, f64)> {
        let mut lengths = text.split_ascii_whitespace();
        let (x, y) = (lengths.next()?, lengths.next()?);
        let length = |text: &str, pixels: Option<f64>, cells: f64, own: &str| {
            let unit_at = text.find(|char: char| char.is_ascii_alphabetic() || char == '%')?;
            let (number, unit) = text.split_at(unit_at);
            let number: f64 = number.parse().ok().filter(|number: &f64| number.is_finite())?;
            match unit {
                "%" => Some(number),
                "px" => Some(number * 100.0 / pixels?),
                "c" => Some(number * 100.0 / cells),
                unit if unit == own => Some(number),
                _ => None,
            }
        };
        let x = length(x, self.pixels.map(|its| its.0), self.cells.0, "rw")?;
        Some((x, length(y, self.pixels.map(|its| its.1), self.cells.1, "rh")?))
    }
}

impl Properties {
    /// Where text stands in this region, which has `align` from its paragraphs.
    pub fn placement(&self, align: Option<Align>) -> Placement {
        let align = align.or(self.align).unwrap_or(Align::Start);
        let (left, top) = self.origin.unwrap_or((0.0, 0.0));
        let (width, height) = self.extent.unwrap_or((100.0 - left, 100.0 - top));
        let across = match align {
            Align::Start | Align::Left => left,
            Align::Center => left + width / 2.0,
            Align::End | Align::Right => left + width,
        };
        let (line, line_align) = match self.display {
            Display::Before => (top, LineAlign::Start),
            Display::Center => (top + height / 2.0, LineAlign::Center),
            Display::After => (top + height, LineAlign::End),
        };
        Placement {
            line: LinePosition::At(Percent::of(line)),
            line_align,
            position: Some(Percent::of(across)),
            position_align: PositionAlign::Auto,
            size: Percent::of(width),
            align,
            writing: self.writing,
        }
    }

    /// Where text without a region stands: where the player puts it.
    pub fn free_placement(align: Option<Align>) -> Placement {
        Placement { align: align.unwrap_or(Align::Center), ..Placement::default() }
    }
}

/// Names without regard to the version of the vocabulary.
pub(super) trait Local {
    fn has_tag_name_local(&self, name: &str) -> bool;
}

impl Local for Node<'_, '_> {
    fn has_tag_name_local(&self, name: &str) -> bool {
        self.is_element() && self.tag_name().name() == name
    }
}
