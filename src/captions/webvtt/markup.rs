//! Text of a cue with its tags (W3C WebVTT, 6.4).

use super::css::{CLASSES, MAX_CLASSES, Rules};
use crate::captions::{Line, Rgba, Style};

/// Tags within tags; what is deeper has the style of this depth. Nobody writes so, but somebody may.
const MAX_DEPTH: usize = 32;

struct Open<'a> {
    tag: &'a str,
    before: Style,
}

/// The lines of a cue's text. Tags give styles; voices, languages and times within a cue show nothing; a ruby text comes in brackets after its
/// base, since few players set it above.
pub(super) fn read(text: &str, id: &str, rules: &Rules) -> Vec<Line> {
    let mut lines = vec![Line::default()];
    let mut style = rules.of_cue(id);
    let mut open: Vec<Open<'_>> = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        match first {
            '<' => {
                let (tag, after) = rest[1..].split_once('>').unwrap_or((&rest[1..], ""));
                rest = after;
                read_tag(tag, rules, &mut open, &mut style, &mut lines);
            }
            '&' => {
                let (char, length) = entity(rest);
                push(&mut lines, char, style);
                rest = &rest[length..];
            }
            char => {
                push(&mut lines, char, style);
                rest = &rest[char.len_utf8()..];
            }
        }
    }
    while lines.last().is_some_and(|line| line.spans().is_empty()) {
        lines.pop();
    }
    lines
}

fn push(lines: &mut Vec<Line>, char: char, style: Style) {
    if char == '\n' {
        lines.push(Line::default());
    } else if let Some(line) = lines.last_mut() {
        line.push_char(char, style);
    }
}

fn read_tag<'a>(tag: &'a str, rules: &Rules, open: &mut Vec<Open<'a>>, style: &mut Style, lines: &mut Vec<Line>) {
    if let Some(name) = tag.strip_prefix('/') {
        // An end closes what was opened last, and `</ruby>` what is left open within it, too; any other is not there (6.4).
        let closes = match open.last() {
            Some(last) if last.tag == name => Some(open.len() - 1),
            Some(last) if last.tag == "rt" && name == "ruby" && open.len() > 1 => Some(open.len() - 2),
            _ => None,
        };
        let Some(at) = closes else { return };
        if open[at..].iter().any(|its| its.tag == "rt") {
            push(lines, ')', *style);
        }
        *style = open[at].before;
        open.truncate(at);
        return;
    }
    let head = tag.split([' ', '\t', '\n']).next().unwrap_or_default();
    let mut classes = head.split('.');
    let name = classes.next().unwrap_or_default();
    // Times, and what has no meaning here, are no tags.
    if !matches!(name, "c" | "i" | "b" | "u" | "v" | "lang" | "ruby" | "rt") || open.len() >= MAX_DEPTH {
        return;
    }
    open.push(Open { tag: name, before: *style });
    match name {
        "i" => style.italic = true,
        "b" => style.bold = true,
        "u" => style.underline = true,
        _ => {}
    }
    rules.apply(name, &classes.take(MAX_CLASSES).collect::<Vec<_>>(), style);
    if name == "rt" {
        push(lines, '(', *style);
    }
}

/// The character that `text` begins with, written as an entity, and how much of the text that is. What is none is an ampersand.
fn entity(text: &str) -> (char, usize) {
    const LONGEST: usize = 12;
    let Some(end) = text.bytes().take(LONGEST).position(|byte| byte == b';') else { return ('&', 1) };
    let name = &text[1..end];
    let numbered = |name: &str| {
        let digits = name.strip_prefix('#')?;
        let number = match digits.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => digits.parse().ok()?,
        };
        char::from_u32(number).filter(|char| *char != '\n')
    };
    let char = match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        "nbsp" => Some('\u{a0}'),
        "lrm" => Some('\u{200e}'),
        "rlm" => Some('\u{200f}'),
        name => numbered(name),
    };
    char.map_or(('&', 1), |char| (char, end + 1))
}

/// The class of a colour: one that every player knows, or one that [`rule_of`] defines.
fn class_of(colour: Rgba, ground: bool) -> String {
    match CLASSES.iter().find(|(_, its)| *its == colour) {
        Some((name, _)) => format!("{}{name}", if ground { "bg_" } else { "" }),
        None => format!("{}{}", if ground { "g" } else { "c" }, hex(colour)),
    }
}

fn hex(Rgba { r, g, b, a }: Rgba) -> String {
    if a == 255 { format!("{r:02x}{g:02x}{b:02x}") } else { format!("{r:02x}{g:02x}{b:02x}{a:02x}") }
}

/// The rule that a colour's class needs; none where players know it.
pub(super) fn rule_of(colour: Rgba, ground: bool) -> Option<String> {
    if CLASSES.iter().any(|(_, its)| *its == colour) {
        return None;
    }
    let property = if ground { "background-color" } else { "color" };
    Some(format!("::cue(.{}) {{ {property}: #{} }}", class_of(colour, ground), hex(colour)))
}

/// With the nearest of the colours that every player has a class for. A ground that hardly covers is none.
fn with_known_colours(style: Style) -> Style {
    const COVERS: u8 = 64;
    let nearest = |colour: Rgba| {
        let apart = |(_, other): &&(&str, Rgba)| {
            let parts = [(colour.r, other.r), (colour.g, other.g), (colour.b, other.b)];
            parts.map(|(one, other)| u32::from(one.abs_diff(other)).pow(2)).iter().sum::<u32>()
        };
        CLASSES.iter().min_by_key(apart).map_or(colour, |(_, its)| *its)
    };
    Style {
        colour: style.colour.map(nearest),
        background: style.background.filter(|ground| ground.a >= COVERS).map(nearest),
        ..style
    }
}

/// A line with its tags.
pub(super) fn write(out: &mut String, line: &Line, own_colours: bool) {
    // An empty line would end the cue (W3C WebVTT, 4.1).
    if line.spans().iter().all(|span| span.text.is_empty()) {
        out.push_str("&nbsp;");
    }
    for span in line.spans() {
        let Style { italic, bold, underline, colour, background } =
            if own_colours { span.style } else { with_known_colours(span.style) };
        let classes: Vec<String> = [(colour, false), (background, true)]
            .into_iter()
            .filter_map(|(colour, ground)| Some(class_of(colour?, ground)))
            .collect();
        let mut tags = vec![];
        if !classes.is_empty() {
            tags.push(("c", format!("<c.{}>", classes.join("."))));
        }
        tags.extend(
            [(bold, "b"), (italic, "i"), (underline, "u")]
                .into_iter()
                .filter(|(is, _)| *is)
                .map(|(_, tag)| (tag, format!("<{tag}>"))),
        );
        tags.iter().for_each(|(_, opening)| out.push_str(opening));
        for char in span.text.chars() {
            match char {
                '&' => out.push_str("&amp;"),
                '<' => out.push_str("&lt;"),
                '>' => out.push_str("&gt;"),
                char => out.push(char),
            }
        }
        for (tag, _) in tags.iter().rev() {
            out.push_str("</");
            out.push_str(tag);
            out.push('>');
        }
    }
}
