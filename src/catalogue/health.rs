//! How a game is, as its operator reads it. What is not known is `null`.

use serde::Serialize;
use utoipa::ToSchema;

use super::contract::GameStatus;
use crate::feed::{ChildHealth, Ended, Facts, FeedHealth, FeedStatus, Reason, Wall};
use crate::frame::{Colour, Matrix, Peak, Range8, Transfer, light};
use crate::sync::ClockKind;
use crate::timeline::MediaTime;

/// How a game is, and what its source is made of.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct GameHealth {
    pub status: GameStatus,
    /// `null` while all is well.
    pub reason: Option<Reason>,
    /// RFC 3339, UTC: since when the status is what it is.
    pub since: String,
    /// Which of the game's sources runs or is tried, from 0.
    pub source_index: usize,
    /// How often a source was lost or could not be reached since the game was registered, changed or the service started.
    pub reconnects: u64,
    /// Why a source was lost last, for people. It stays when pictures come again.
    pub last_error: Option<String>,
    /// As in `mpegts` or `mp4`.
    pub container: Option<String>,
    pub video: Option<VideoHealth>,
    pub audio: Option<AudioHealth>,
    /// Bits per second of the source.
    pub bitrate_bps: Option<u64>,
    /// How much later than its picture sound is, in milliseconds; negative when it is early.
    pub av_offset_ms: Option<i64>,
    /// What tells when its pictures were captured: `pdt` (the date of an HLS playlist), `rtcp` (sender reports), `sei` (time codes
    /// in the pictures).
    pub clock: Option<ClockKind>,
    /// How long before it is drawn a picture was captured, by that clock and the game's `offset_ms`, in milliseconds.
    pub latency_ms: Option<i64>,
    /// How much of that is delay that keeps it in step with other games.
    pub delay_ms: i64,
    /// The process that decodes its source, unless `feeds = "inside"`.
    pub decoder: Option<DecoderHealth>,
}

/// A source's picture.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct VideoHealth {
    pub codec: Option<String>,
    /// Pixels.
    pub width: u32,
    pub height: u32,
    /// Pictures a second.
    pub fps: Option<f64>,
    pub interlaced: Option<bool>,
    /// Matrix, transfer and range, as in `bt709` or `bt2020 pq full`.
    pub colour: Option<String>,
    /// Bits of a sample: 8 or 10.
    pub bits: Option<u32>,
    /// Whether, and how, it has more light than the canvas; it is tone-mapped then.
    pub hdr: Option<Hdr>,
    /// The light of its brightest that the tone mapping reckons with, in cd/m2.
    pub hdr_peak_cd_m2: Option<u32>,
}

/// How a source tells more light than a standard picture has (ITU-R BT.2100).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Hdr {
    Pq,
    Hlg,
}

impl Hdr {
    /// Of a picture of this transfer, and the light of its brightest.
    fn of(transfer: Transfer) -> Option<(Self, Peak)> {
        match transfer {
            Transfer::Bt709 | Transfer::Srgb => None,
            Transfer::Pq(peak) => Some((Self::Pq, peak)),
            Transfer::Hlg => Some((Self::Hlg, light::HLG_PEAK)),
        }
    }
}

/// The process that decodes a source.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct DecoderHealth {
    /// Bytes that it wrote to; 0 while none runs.
    pub memory_bytes: u64,
    /// Processor time that it took over the last second, in cores.
    pub cores: f64,
    /// Why the last one was ended that did not end with its source.
    pub ended: Option<Ended>,
    /// How often that was since the game was registered, changed or the service started.
    pub restarts: u64,
    /// Walls around it that there are not, because this system has them not.
    pub missing_walls: Vec<Wall>,
}

impl From<ChildHealth> for DecoderHealth {
    fn from(child: ChildHealth) -> Self {
        let ChildHealth { memory_bytes, cores, ended, restarts, missing, .. } = child;
        let cores = (cores * 1000.0).round() / 1000.0;
        Self { memory_bytes, cores, ended, restarts, missing_walls: missing }
    }
}

/// A source's sound.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct AudioHealth {
    pub codec: Option<String>,
    pub channels: Option<u32>,
    /// Hz.
    pub sample_rate: Option<u32>,
}

impl From<FeedStatus> for GameStatus {
    fn from(status: FeedStatus) -> Self {
        match status {
            FeedStatus::Live => GameStatus::Live,
            FeedStatus::Slate => GameStatus::Slate,
            FeedStatus::Off => GameStatus::Off,
        }
    }
}

impl From<FeedHealth> for GameHealth {
    fn from(health: FeedHealth) -> Self {
        let Facts { container, video: video_facts, audio, bitrate_bps, .. } = health.facts;
        let hdr = health.colour.and_then(|colour| Hdr::of(colour.transfer));
        let video = (health.width > 0).then(|| VideoHealth {
            codec: video_facts.as_ref().map(|video| video.codec.clone()),
            width: health.width,
            height: health.height,
            // Two decimals tell 29.97 from 30.
            fps: health.fps.map(|(num, den)| (f64::from(num) / f64::from(den.max(1)) * 100.0).round() / 100.0),
            interlaced: video_facts.as_ref().map(|video| video.interlaced),
            colour: health.colour.map(colour_name),
            bits: health.colour.map(|colour| colour.depth.bits()),
            hdr: hdr.map(|(hdr, _)| hdr),
            hdr_peak_cd_m2: hdr.map(|(_, peak)| peak.cd_m2()),
        });
        Self {
            status: health.status.into(),
            reason: health.reason,
            since: rfc_3339(health.since),
            source_index: health.source_index,
            reconnects: health.reconnects,
            last_error: health.last_error,
            container,
            video,
            audio: audio.map(|audio| AudioHealth {
                codec: Some(audio.codec),
                channels: known(audio.channels),
                sample_rate: known(audio.sample_rate_hz),
            }),
            bitrate_bps,
            // Finite, and of a few seconds at most.
            av_offset_ms: health.av_offset_ms.map(|ms| ms.round() as i64),
            clock: None,
            latency_ms: None,
            delay_ms: 0,
            decoder: health.child.map(DecoderHealth::from),
        }
    }
}

/// 0 stands for what is not known yet.
fn known(figure: u32) -> Option<u32> {
    Some(figure).filter(|figure| *figure > 0)
}

fn rfc_3339(at: MediaTime) -> String {
    jiff::Timestamp::from_millisecond(at.unix_millis()).map(|t| t.to_string()).unwrap_or_default()
}

fn colour_name(colour: Colour) -> String {
    let matrix = match colour.matrix {
        Matrix::Bt601 => "bt601",
        Matrix::Bt709 => "bt709",
        Matrix::Bt2020 => "bt2020",
    };
    let transfer = match colour.transfer {
        Transfer::Bt709 => "",
        Transfer::Srgb => " srgb",
        Transfer::Pq(_) => " pq",
        Transfer::Hlg => " hlg",
    };
    let range = match colour.range {
        Range8::Limited => "",
        Range8::Full => " full",
    };
    format!("{matrix}{transfer}{range}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_told_and_the_rest_is_null() {
        let unknown = FeedHealth {
            status: FeedStatus::Slate,
            reason: Some(Reason::Unauthorized),
            since: MediaTime::from_secs(90),
            source_index: 1,
            last_error: Some("wrong passphrase".into()),
            reconnects: 3,
            width: 0,
            height: 0,
            fps: None,
            colour: None,
            av_offset_ms: None,
            child: None,
            facts: Facts::default(),
        };
        let expected = serde_json::json!({
            "status": "slate", "reason": "unauthorized", "since": "2024-01-01T00:01:30Z", "source_index": 1,
            "reconnects": 3, "last_error": "wrong passphrase", "container": null, "video": null, "audio": null,
            "bitrate_bps": null, "av_offset_ms": null, "clock": null, "latency_ms": null, "delay_ms": 0,
            "decoder": null,
        });
        assert_eq!(serde_json::to_value(GameHealth::from(unknown.clone())).unwrap(), expected);
        let transfer = Transfer::Pq(Peak::Cd4000);
        let depth = crate::frame::Depth::Ten;
        let colour = Colour { matrix: Matrix::Bt2020, transfer, range: Range8::Full, depth, ..Colour::CANVAS };
        let live = FeedHealth {
            status: FeedStatus::Live,
            reason: Some(Reason::SoundOffPicture),
            av_offset_ms: Some(-120.4),
            width: 1920,
            height: 1080,
            fps: Some((30_000, 1001)),
            colour: Some(colour),
            ..unknown
        };
        let video = serde_json::json!({ "codec": null, "width": 1920, "height": 1080, "fps": 29.97, "interlaced": null,
            "colour": "bt2020 pq full", "bits": 10, "hdr": "pq", "hdr_peak_cd_m2": 4000 });
        let told = serde_json::to_value(GameHealth::from(live)).unwrap();
        assert_eq!(told["video"], video);
        assert_eq!((&told["reason"], &told["av_offset_ms"]), (&"sound_off_picture".into(), &(-120).into()));
    }
}
