//! Which sessions are looked for.

use serde::Deserialize;
use utoipa::IntoParams;

use crate::api::problem::Problem;
use crate::session::{SessionsWanted, ViewState};
use crate::usage::instant;

/// Characters of what is looked for, at most.
const LOOKED_FOR_CHARS: usize = 400;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// Only sessions in this state.
    pub(in crate::api) state: Option<ViewState>,
    /// Only sessions with this in their id or their device's name, whatever its case.
    q: Option<String>,
    /// Only sessions of this device.
    device_id: Option<String>,
    /// Only sessions with this game in a slot, at present or at their end.
    game: Option<String>,
    /// Only sessions with this label: `plan=gold`, or `plan` for any value.
    label: Option<String>,
    /// Only sessions that were not over before this RFC 3339 time or day.
    from: Option<String>,
    /// Only sessions that had begun before this RFC 3339 time or day.
    to: Option<String>,
    /// `next_cursor` of the page before.
    pub(in crate::api) cursor: Option<String>,
    /// Sessions of a page: 1 to 1000, 100 when absent.
    pub(in crate::api) limit: Option<u32>,
}

impl Filter {
    /// What is looked for.
    pub(in crate::api) fn wanted(&self) -> Result<SessionsWanted, Problem> {
        let text = |name: &str, value: &Option<String>| {
            let Some(value) = value else { return Ok(None) };
            let count = value.chars().count();
            if count == 0 || count > LOOKED_FOR_CHARS {
                let detail = format!("It has 1 to {LOOKED_FOR_CHARS} characters, not {count}.");
                return Err(Problem::parameter(name, detail).with("limit", LOOKED_FOR_CHARS));
            }
            Ok(Some(value.clone()))
        };
        let time = |of: &'static str, value: &Option<String>| {
            let at = value.as_deref().map(|text| instant(of, text)).transpose();
            at.map(|at| at.map(jiff::Timestamp::as_millisecond))
        };
        let label = text("label", &self.label)?.map(|label| match label.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (label, None),
        });
        Ok(SessionsWanted {
            text: text("q", &self.q)?,
            device_id: text("device_id", &self.device_id)?,
            game: text("game", &self.game)?,
            label,
            from_ms: time("from", &self.from)?,
            to_ms: time("to", &self.to)?,
        })
    }
}
