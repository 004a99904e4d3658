//! Settings of cues and regions (W3C WebVTT, 6.2 and 6.3).

use std::fmt::Write;

use crate::captions::{Align, LineAlign, LinePosition, Percent, Placement, PositionAlign, Writing};

/// Height of a region's line in percent of the picture's (W3C WebVTT, 7: 6vh).
const REGION_LINE: f64 = 6.0;

/// A region, as a `REGION` block has it. It scrolls by itself or not at all: cues come with their times either way.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Region {
    pub id: String,
    width: f64,
    lines: u16,
    anchor: (f64, f64),
    viewport: (f64, f64),
}

impl Region {
    pub fn read(settings: &str) -> Self {
        let mut region =
            Self { id: String::new(), width: 100.0, lines: 3, anchor: (0.0, 100.0), viewport: (0.0, 100.0) };
        let pair = |value: &str| {
            let (x, y) = value.split_once(',')?;
            Some((percent(x)?.percent(), percent(y)?.percent()))
        };
        for (name, value) in settings.split_ascii_whitespace().filter_map(|setting| setting.split_once(':')) {
            match name {
                "id" => region.id = value.to_owned(),
                "width" => region.width = percent(value).map_or(region.width, Percent::percent),
                "lines" => region.lines = value.parse().unwrap_or(region.lines),
                "regionanchor" => region.anchor = pair(value).unwrap_or(region.anchor),
                "viewportanchor" => region.viewport = pair(value).unwrap_or(region.viewport),
                _ => {}
            }
        }
        region
    }

    /// Where a cue with this placement in the region stands on the picture: its lines end at the region's lower edge, where new text of a
    /// region comes in.
    fn resolve(&self, within: Placement) -> Placement {
        let height = f64::from(self.lines) * REGION_LINE;
        let left = self.viewport.0 - self.anchor.0 / 100.0 * self.width;
        let bottom = self.viewport.1 + (1.0 - self.anchor.1 / 100.0) * height;
        let at = within.position.map_or_else(|| usual_position(within.align), Percent::percent);
        Placement {
            line: LinePosition::At(Percent::of(bottom)),
            line_align: LineAlign::End,
            position: Some(Percent::of(left + at / 100.0 * self.width)),
            size: Percent::of(self.width * within.size.percent() / 100.0),
            ..within
        }
    }
}

/// The position of a cue that tells none (W3C WebVTT, "computed position").
pub(in crate::captions) fn usual_position(align: Align) -> f64 {
    match align {
        Align::Start | Align::Left => 0.0,
        Align::Center => 50.0,
        Align::End | Align::Right => 100.0,
    }
}

/// Placement of a cue by its settings. What is not understood is not there (6.3).
pub(super) fn read(settings: &str, regions: &[Region]) -> Placement {
    let mut placement = Placement::default();
    let mut region = None;
    for (name, value) in settings.split([' ', '\t']).filter_map(|setting| setting.split_once(':')) {
        match name {
            "vertical" => {
                placement.writing = match value {
                    "rl" => Writing::VerticalRightToLeft,
                    "lr" => Writing::VerticalLeftToRight,
                    _ => continue,
                };
            }
            "line" => read_line(value, &mut placement),
            "position" => read_position(value, &mut placement),
            "size" => placement.size = percent(value).unwrap_or(placement.size),
            "align" => {
                placement.align = match value {
                    "start" => Align::Start,
                    "center" | "middle" => Align::Center,
                    "end" => Align::End,
                    "left" => Align::Left,
                    "right" => Align::Right,
                    _ => continue,
                };
            }
            // The last of a name counts.
            "region" => region = regions.iter().rev().find(|region| region.id == value),
            _ => {}
        }
    }
    // A cue with a line, a size or vertical text is in no region (6.3).
    let free = placement.line == LinePosition::Auto
        && placement.size == Percent::WHOLE
        && placement.writing == Writing::Horizontal;
    match region {
        Some(region) if free => region.resolve(placement),
        _ => placement,
    }
}

fn read_line(value: &str, placement: &mut Placement) {
    let (at, edge) = value.split_once(',').unwrap_or((value, "start"));
    let edge = match edge {
        "start" => LineAlign::Start,
        "center" => LineAlign::Center,
        "end" => LineAlign::End,
        _ => return,
    };
    let line = if at.ends_with('%') {
        percent(at).map(LinePosition::At)
    } else {
        at.parse::<f64>().ok().filter(|row| row.is_finite()).map(|row| LinePosition::Row(row as i16))
    };
    if let Some(line) = line {
        (placement.line, placement.line_align) = (line, edge);
    }
}

fn read_position(value: &str, placement: &mut Placement) {
    let (at, edge) = value.split_once(',').unwrap_or((value, "auto"));
    let edge = match edge {
        "line-left" | "start" => PositionAlign::LineLeft,
        "center" | "middle" => PositionAlign::Center,
        "line-right" | "end" => PositionAlign::LineRight,
        "auto" => PositionAlign::Auto,
        _ => return,
    };
    if let Some(at) = percent(at) {
        (placement.position, placement.position_align) = (Some(at), edge);
    }
}

/// `12.5%`.
fn percent(value: &str) -> Option<Percent> {
    let number = value.strip_suffix('%')?;
    if !number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return None;
    }
    let number: f64 = number.parse().ok()?;
    (number <= 100.0).then(|| Percent::of(number))
}

struct Shown(Percent);

impl std::fmt::Display for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (whole, part) = (self.0.hundredths() / 100, self.0.hundredths() % 100);
        match (part, part % 10) {
            (0, _) => write!(f, "{whole}%"),
            (_, 0) => write!(f, "{whole}.{}%", part / 10),
            _ => write!(f, "{whole}.{part:02}%"),
        }
    }
}

/// Settings, each with a space before it; what a player does by itself is not written.
pub(super) fn write(out: &mut String, placement: &Placement) {
    // A String takes whatever is written.
    let mut put = |text: std::fmt::Arguments<'_>| {
        let _ = out.write_fmt(text);
    };
    match placement.writing {
        Writing::Horizontal => {}
        Writing::VerticalRightToLeft => put(format_args!(" vertical:rl")),
        Writing::VerticalLeftToRight => put(format_args!(" vertical:lr")),
    }
    let edge = match placement.line_align {
        LineAlign::Start => "",
        LineAlign::Center => ",center",
        LineAlign::End => ",end",
    };
    match placement.line {
        LinePosition::Auto => {}
        LinePosition::Row(row) => put(format_args!(" line:{row}{edge}")),
        LinePosition::At(at) => put(format_args!(" line:{}{edge}", Shown(at))),
    }
    if let Some(at) = placement.position {
        let edge = match placement.position_align {
            PositionAlign::Auto => "",
            PositionAlign::LineLeft => ",line-left",
            PositionAlign::Center => ",center",
            PositionAlign::LineRight => ",line-right",
        };
        put(format_args!(" position:{}{edge}", Shown(at)));
    }
    if placement.size != Percent::WHOLE {
        put(format_args!(" size:{}", Shown(placement.size)));
    }
    match placement.align {
        Align::Center => {}
        Align::Start => put(format_args!(" align:start")),
        Align::End => put(format_args!(" align:end")),
        Align::Left => put(format_args!(" align:left")),
        Align::Right => put(format_args!(" align:right")),
    }
}
