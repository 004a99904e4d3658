//! How much this machine takes on: which compositor, how many sessions and mosaics, how long they idle.

use std::str::FromStr;

use super::reader::Table;

/// What draws the canvases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CompositorChoice {
    /// The faster of the two, measured at start.
    #[default]
    Auto,
    Gpu,
    Cpu,
}

/// A text that names no compositor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no compositor")]
pub struct CompositorChoiceError(String);

impl FromStr for CompositorChoice {
    type Err = CompositorChoiceError;

    fn from_str(text: &str) -> Result<Self, CompositorChoiceError> {
        match text {
            "auto" => Ok(Self::Auto),
            "gpu" => Ok(Self::Gpu),
            "cpu" => Ok(Self::Cpu),
            other => Err(CompositorChoiceError(other.to_owned())),
        }
    }
}

/// Bounds on sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionLimits {
    /// A session that asks for no playlist this long ends, in seconds.
    pub idle_s: u32,
    /// A mosaic that nobody asks for this long is stopped, in seconds.
    pub mosaic_idle_s: u32,
    /// Most active sessions of this process.
    pub max_sessions: u32,
    /// Most outputs that are polled at a time.
    pub max_outputs: u32,
    /// How long ended sessions can still be looked up, in days. Their ledger entries stay for good.
    pub keep_ended_days: u32,
    /// How long a playback URL can begin playing, in seconds; 0: as long as its session is there.
    pub url_valid_s: u32,
    /// Players of a session at once, of which the newest go on; 0: any number.
    pub max_players: u32,
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self {
            idle_s: 30,
            mosaic_idle_s: 20,
            max_sessions: 10_000,
            max_outputs: 10_000,
            keep_ended_days: 30,
            url_valid_s: 86_400,
            max_players: 0,
        }
    }
}

/// Bounds on mosaics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admission {
    /// How much of the machine measured at start mosaics may fill, in percent. The rest is for what comes in bursts.
    pub headroom_percent: u32,
    /// Most rendered mosaics at a time, whatever was measured; `None` leaves it to the measurement. Stitched ones have no
    /// encoders of their own and do not count.
    pub max_mosaics: Option<u32>,
}

impl Default for Admission {
    fn default() -> Self {
        Self { headroom_percent: 85, max_mosaics: None }
    }
}

pub(super) fn read_compositor(root: &mut Table) -> CompositorChoice {
    let value = root.optional("compositor");
    value.and_then(|v| v.parsed("\"auto\", \"gpu\" and \"cpu\" are allowed", str::parse)).unwrap_or_default()
}

pub(super) fn read_sessions(root: &mut Table) -> SessionLimits {
    let mut limits = SessionLimits::default();
    let Some(mut table) = root.table("sessions") else { return limits };
    let mut read = |key, range, unit, to: &mut u32| {
        if let Some(number) = table.optional(key).and_then(|v| v.whole(range, unit)) {
            *to = number;
        }
    };
    // A player asks about once a segment, and a segment has up to ten seconds.
    read("idle_s", 10..=600, "seconds", &mut limits.idle_s);
    read("mosaic_idle_s", 5..=600, "seconds", &mut limits.mosaic_idle_s);
    read("max_sessions", 1..=1_000_000, "", &mut limits.max_sessions);
    read("max_outputs", 1..=1_000_000, "", &mut limits.max_outputs);
    // Longer than idempotency keys are kept: what they name can be looked up.
    read("keep_ended_days", 2..=3650, "days", &mut limits.keep_ended_days);
    read("url_valid_s", 0..=31_536_000, "seconds", &mut limits.url_valid_s);
    read("max_players", 0..=64, "", &mut limits.max_players);
    table.finish();
    limits
}

pub(super) fn read_admission(root: &mut Table) -> Admission {
    let mut admission = Admission::default();
    let Some(mut table) = root.table("admission") else { return admission };
    if let Some(percent) = table.optional("headroom_percent").and_then(|v| v.whole(10..=100, "percent")) {
        admission.headroom_percent = percent;
    }
    admission.max_mosaics = table.optional("max_mosaics").and_then(|v| v.whole(1..=10_000, ""));
    table.finish();
    admission
}
