//! What is asked of playlists.

use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::api::instant;
use crate::api::problem::{Code, Problem};
use crate::session::{Player, Reload, Sounds};

/// Which sounds a multivariant playlist lists.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SoundsWish {
    /// What the session has chosen alone: for players that open every sound before the first picture.
    Main,
    /// That, and what each slot shows.
    #[default]
    Own,
    /// What the session has chosen, and in a second group the same as its source codes it (AC-3, E-AC-3, HE-AAC, AAC of more than two channels), with the
    /// renditions listed again. That follows no swap: read the playlist again after one.
    AsCame,
    /// Every game of the tenant by itself, so that a player can follow a swap without reading the playlist again.
    All,
}

/// What a multivariant playlist lists.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Listed {
    /// `own` when absent.
    #[param(inline)]
    #[serde(default)]
    sounds: SoundsWish,
    /// `true`: the same as `sounds=all`.
    #[serde(default)]
    all_sounds: bool,
    /// `true`: the playlists that are named list parts (RFC 8216bis). Some players follow them wherever they see them, and not all do it well.
    #[serde(default)]
    pub(in crate::api) low_latency: bool,
    /// `true`: images for scrubbing are named, too (`EXT-X-IMAGE-STREAM-INF`). Some players read them before anything else.
    #[serde(default)]
    pub(in crate::api) images: bool,
    /// What was played is listed too, and players begin there: an instant (RFC 3339), or so many seconds back. As far as the start-over window reaches;
    /// without one, or beyond the present, it is as without `start`.
    pub(in crate::api) start: Option<String>,
}

impl Listed {
    pub(in crate::api) fn sounds(&self) -> Sounds {
        match self.sounds {
            _ if self.all_sounds => Sounds::All,
            SoundsWish::Main => Sounds::Main,
            SoundsWish::Own => Sounds::Own,
            SoundsWish::AsCame => Sounds::AsCame,
            SoundsWish::All => Sounds::All,
        }
    }
}

/// What a low-latency client asks of a media playlist (RFC 8216bis, 6.2.5). Anything else in the query is for others.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Following {
    /// Media sequence number: the answer waits until it is listed.
    #[serde(rename = "_HLS_msn")]
    msn: Option<u64>,
    /// With `_HLS_msn`: a part of that segment is enough.
    #[serde(rename = "_HLS_part")]
    part: Option<u32>,
    /// `YES` or `v2`: segments that the client has may be left out.
    #[serde(rename = "_HLS_skip")]
    skip: Option<String>,
    /// Whether parts are listed, as the multivariant playlist was asked.
    #[serde(default)]
    low_latency: bool,
    /// The instant from which on it lists what was played (RFC 3339), as the multivariant playlist was asked.
    start: Option<String>,
}

/// The instant that `start` means, in milliseconds of Unix time. Seconds back are counted from `now_ms`; without it they mean nothing.
pub(in crate::api) fn start_ms(text: &str, now_ms: Option<i64>) -> Result<i64, Problem> {
    let instant = instant::read(text).map(|at| at.unix_millis());
    let back = || {
        let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        let seconds =
            text.parse::<f64>().ok().filter(|_| is_plain).filter(|seconds| (0.0..=MOST_BACK_S).contains(seconds))?;
        Some(now_ms? - (seconds * 1000.0) as i64)
    };
    instant.or_else(back).ok_or_else(|| {
        let seconds = if now_ms.is_some() { ", or seconds back from now, 0 to 86400, as 600" } else { "" };
        let detail = format!("An instant is allowed, as 2026-11-27T19:30:00Z{seconds}.");
        Problem::new(Code::StartInvalid, detail).with("parameter", "start").with("value", text)
    })
}

/// `unix_ms` as `start` has it.
pub(in crate::api) fn written(unix_ms: i64) -> String {
    format!("{:.3}", jiff::Timestamp::from_millisecond(unix_ms).unwrap_or(jiff::Timestamp::MAX))
}

/// The furthest that is understood in seconds; windows are shorter.
const MOST_BACK_S: f64 = 86_400.0;

impl Following {
    /// As `player` asks.
    pub(in crate::api) fn reload_by(&self, player: Player) -> Result<Reload, Problem> {
        Ok(Reload { player, ..self.reload()? })
    }

    pub(in crate::api) fn reload(&self) -> Result<Reload, Problem> {
        if self.part.is_some() && self.msn.is_none() {
            let detail = "_HLS_part says which part of _HLS_msn, which is missing.";
            return Err(Problem::new(Code::ReloadInvalid, detail).with("parameter", "_HLS_part"));
        }
        let skip = matches!(self.skip.as_deref(), Some("YES" | "v2"));
        let start_ms = self.start.as_deref().map(|text| start_ms(text, None)).transpose()?;
        Ok(Reload { msn: self.msn, part: self.part, skip, parts: self.low_latency, start_ms, player: Player::FIRST })
    }
}
