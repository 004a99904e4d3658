//! A game as its operator registers it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::api::extract::RequestBody;
use crate::api::ids::id_of;
use crate::api::problem::Problem;
use crate::catalogue::GameSpec;
use crate::config::{BreakPolicy, MAX_OFFSET_MS, MAX_SOURCES, check_labels, check_rights, check_title};
use crate::market::GameRights;

/// A game to register.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = GameRequest, examples(
    json!({ "id": "nyk-bos", "title": "Knicks at Celtics", "sources": ["https://origin.example/nyk-bos/index.m3u8", "srt://10.0.0.7:9000"] })
))]
pub struct GameBody {
    /// 1 to 64 letters, digits, `.`, `_`, `-`. With `PUT` it may be absent, and must else be the one in the path.
    pub id: Option<String>,
    pub title: String,
    /// URIs, the primary first: `file://`, `http(s)://` (HLS), `srt://`, `udp://`, `rtp://`, `rtmp://`, `test://PATTERN`. With
    /// `PUT`, one that is sent as it was shown, masked, stays what it is.
    #[schema(min_items = 1)]
    pub sources: Vec<String>,
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// What its slot shows while a break runs: what the source sends (`show`), or a card with its title, and silence (`slate`). Absent or `null`: as the
    /// configuration has it for all games.
    #[serde(default)]
    pub break_policy: Option<BreakPolicy>,
    /// How much later than its source claims its pictures are captured, in milliseconds, a day at most; negative: earlier. For encoders
    /// whose clocks are known to be wrong. It takes effect at once.
    #[serde(default)]
    pub offset_ms: i32,
    /// Where, on what and when it may be shown. Absent or `null`: everywhere and always.
    #[serde(default)]
    pub rights: Option<RightsBody>,
}

impl RequestBody for GameBody {
    const FIELDS: &'static [&'static str] =
        &["id", "title", "sources", "labels", "break_policy", "offset_ms", "rights"];
}

/// To whom a game may be shown, and when: each limit counts beside the others. What may not be shown is refused (`403 game_restricted`), and a card stands for
/// it, silent, in sessions that show it when that begins.
#[derive(Clone, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
#[schema(as = GameRights)]
pub struct RightsBody {
    /// Codes of the countries (ISO 3166-1, as `GB`) of which a session has to name one as its `region`; `null`: it need not.
    #[schema(min_items = 1, max_items = 500)]
    pub regions: Option<Vec<String>>,
    /// What a session has to name one of as its `device_class`: `tv`, `phone`, as you call them; `null`: it need not.
    #[schema(min_items = 1, max_items = 500)]
    pub device_classes: Option<Vec<String>>,
    /// The markets whose sessions may show it; `null`: those of all, and those without one.
    #[schema(min_items = 1, max_items = 500)]
    pub markets: Option<Vec<String>>,
    /// From when on (RFC 3339).
    #[schema(format = DateTime)]
    pub from: Option<String>,
    /// Until when (RFC 3339).
    #[schema(format = DateTime)]
    pub until: Option<String>,
}

impl RightsBody {
    /// The rights, by the rules that those of the configuration follow.
    fn checked(self) -> Result<GameRights, Problem> {
        let instant = |field: &str, text: Option<String>| {
            let read = |text: &String| text.parse::<jiff::Timestamp>().map(jiff::Timestamp::as_millisecond);
            let Some(text) = text else { return Ok(None) };
            read(&text).map(Some).map_err(|_| {
                let detail =
                    format!("{text:?} is no instant; RFC 3339 is allowed up to 9999-12-30, as 2026-11-27T19:30:00Z.");
                Problem::field(&format!("rights.{field}"), detail)
            })
        };
        let (from_ms, until_ms) = (instant("from", self.from)?, instant("until", self.until)?);
        let Self { regions, device_classes, markets, .. } = self;
        let rights = GameRights { regions, device_classes, markets, from_ms, until_ms };
        check_rights(&rights)
            .map_err(|mistake| Problem::field(&format!("rights.{}", mistake.field), format!("{}.", mistake.problem)))?;
        Ok(rights)
    }

    pub(in crate::api) fn told(rights: GameRights) -> Option<Self> {
        if rights.is_open() {
            return None;
        }
        let instant = |ms: i64| format!("{:.3}", jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::MAX));
        let GameRights { regions, device_classes, markets, from_ms, until_ms } = rights;
        Some(Self { regions, device_classes, markets, from: from_ms.map(instant), until: until_ms.map(instant) })
    }
}

impl GameBody {
    /// The game, by the rules that the configuration's games follow (the catalogue checks sources); `path_id` is the id in the path of a `PUT`.
    pub(in crate::api) fn checked(self, path_id: Option<String>) -> Result<GameSpec, Problem> {
        let id = id_of(self.id, path_id)?;
        check_title(&self.title).map_err(|e| Problem::field("title", format!("{e}.")))?;
        check_labels(&self.labels).map_err(|e| Problem::field("labels", format!("{e}.")))?;
        if self.sources.is_empty() || self.sources.len() > MAX_SOURCES {
            let detail = format!("A game has 1 to {MAX_SOURCES} sources, not {}.", self.sources.len());
            return Err(Problem::field("sources", detail).with("limit", MAX_SOURCES));
        }
        if !(-MAX_OFFSET_MS..=MAX_OFFSET_MS).contains(&self.offset_ms) {
            let detail =
                format!("An offset is -{MAX_OFFSET_MS} to {MAX_OFFSET_MS} milliseconds, not {}.", self.offset_ms);
            return Err(Problem::field("offset_ms", detail).with("limit", MAX_OFFSET_MS));
        }
        let Self { title, sources, labels, break_policy, offset_ms, rights, .. } = self;
        let rights = rights.map(RightsBody::checked).transpose()?.unwrap_or_default();
        Ok(GameSpec { id, title, sources, labels, break_policy, offset_ms, rights })
    }
}
