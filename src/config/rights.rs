//! To whom a game may be shown, and when: of the configuration's games and of the API's.

use super::names::{check_id, check_region};
use super::reader::{Table, Value};
use crate::market::{GameRights, MAX_RIGHTS_NAMES};

/// What an instant looks like.
const INSTANT: &str = "an instant in quotes is allowed, as \"2026-11-27T19:30:00Z\"";

/// Why rights are refused: the field, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RightsMistake {
    pub field: String,
    pub problem: String,
}

/// The one rule for rights.
///
/// # Errors
/// The first field that is not allowed.
pub fn check_rights(rights: &GameRights) -> Result<(), RightsMistake> {
    let GameRights { regions, device_classes, markets, from_ms, until_ms } = rights;
    let mistake = |field: String, problem: String| Err(RightsMistake { field, problem });
    for (field, names) in [("regions", regions), ("device_classes", device_classes), ("markets", markets)] {
        let Some(names) = names else { continue };
        if !(1..=MAX_RIGHTS_NAMES).contains(&names.len()) {
            let problem = format!(
                "there are {} names; 1 to {MAX_RIGHTS_NAMES} are allowed, or none of the field for no limit",
                names.len()
            );
            return mistake(field.into(), problem);
        }
        for (n, name) in names.iter().enumerate() {
            let checked = if field == "regions" { check_region(name) } else { check_id(name) };
            if let Err(error) = checked {
                return mistake(format!("{field}[{n}]"), error.to_string());
            }
        }
    }
    match from_ms.zip(*until_ms) {
        Some((from_ms, until_ms)) if until_ms <= from_ms => {
            mistake("until".into(), "it is not after `from`".to_owned())
        }
        Some(_) | None => Ok(()),
    }
}

pub(super) fn read(mut table: Table) -> GameRights {
    let mut names = |key| {
        let name = |item: &Value| item.text("a name in quotes is allowed").map(str::to_owned);
        let list = table.optional(key)?;
        Some(list.items("write [\"…\"], or leave it out for no limit").iter().filter_map(name).collect::<Vec<_>>())
    };
    let (regions, device_classes, markets) = (names("regions"), names("device_classes"), names("markets"));
    let mut instant = |key| {
        let text = |text: &str| text.parse::<jiff::Timestamp>().map(jiff::Timestamp::as_millisecond);
        table.optional(key)?.parsed(INSTANT, text)
    };
    let (from_ms, until_ms) = (instant("from"), instant("until"));
    let rights = GameRights { regions, device_classes, markets, from_ms, until_ms };
    if let Err(RightsMistake { field, problem }) = check_rights(&rights) {
        table.refuse(format!("{field}: {problem}"), "");
    }
    table.finish();
    rights
}
