//! The date ranges of an event: one line when it is announced, one when it has ended, and neither changes ever again.
//!
//! Two lines with one ID are one range (RFC 8216bis, 4.4.5.1): what stands in both must be the same in both. So the first
//! line can stay as it was, planned duration and all, whatever was said since.

use super::super::daterange::{ClientValue, DateRange, Scte35Attribute};
use super::super::scte35::Role;
use super::event::{Event, Key, State};

/// Writes the lines that are due and were not written.
pub(super) fn write(event: &mut Event, game: &str) {
    // A way back that nothing led out of has no range: SCTE35-IN is for a pair's second line (4.4.5.1.1).
    if event.orphan {
        return;
    }
    match event.state {
        State::Pending | State::Cancelled => {}
        State::Announced | State::Open => open(event, game),
        State::Ended { at, .. } => {
            open(event, game);
            if event.closing.is_none() && !event.instant {
                let mut line = common(event, game);
                line.end = Some(at);
                if event.role == Role::Break && !is_half_a_pair(event) {
                    line.scte35 = event.end_hex.as_ref().map(|hex| (Scte35Attribute::In, hex.to_string()));
                }
                event.closing = Some(line.to_string());
            }
        }
    }
}

fn open(event: &mut Event, game: &str) {
    if event.opening.is_some() {
        return;
    }
    let mut line = common(event, game);
    if event.instant {
        // "A single instant in time SHOULD be represented with a duration of 0" (4.4.5.1).
        line.end = Some(event.starts_at);
    } else {
        line.planned_duration = event.planned;
    }
    let attribute =
        if event.role == Role::Break && !event.instant { Scte35Attribute::Out } else { Scte35Attribute::Cmd };
    line.scte35 = event.hex.as_ref().map(|hex| (attribute, hex.to_string()));
    if let Some(type_id) = event.type_id {
        line.client.push(("X-COM-QUADRILLE-TYPE".into(), ClientValue::Hex(vec![type_id])));
    }
    event.opening = Some(line.to_string());
}

/// Whether the section that began it was too large to be listed: SCTE35-IN is the other half of an SCTE35-OUT (4.4.5.1.1).
fn is_half_a_pair(event: &Event) -> bool {
    event.hex.is_none() && matches!(event.key, Key::Splice(_) | Key::Segment { .. })
}

/// What both lines say.
fn common(event: &Event, game: &str) -> DateRange {
    let mut line = DateRange::new(range_id(event), event.starts_at);
    line.class = Some(format!("com.quadrille.{}.{game}", class(event.role)));
    line.client.push(("X-COM-QUADRILLE-GAME".into(), ClientValue::Text(game.to_owned())));
    line
}

/// An event that was moved after it had been listed is listed as another range.
pub(super) fn range_id(event: &Event) -> String {
    if event.moves == 0 { event.id.clone() } else { format!("{}-m{}", event.id, event.moves) }
}

fn class(role: Role) -> &'static str {
    match role {
        Role::Break => "break",
        Role::Overlay => "overlay",
        Role::Programme => "programme",
        Role::Chapter => "chapter",
        Role::Network => "network",
        Role::Other => "cue",
    }
}
