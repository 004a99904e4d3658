//! One media playlist as it is followed.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::time::Duration;

use url::Url;

use super::across::Role;
use super::media::MediaPlaylist;
use super::segment::init::Init;
use super::segment_check::Before;

/// Measured segments that are kept.
const MAX_MEASURED: usize = 10_000;

/// An address, and offset and length in what is there.
pub type Place = (String, Option<(u64, u64)>);

pub struct Track {
    pub url: Url,
    /// As findings name it.
    pub uri: String,
    pub role: Role,
    /// Named by EXT-X-I-FRAME-STREAM-INF.
    pub iframes: bool,
    /// Variants (by index) whose pictures and sound it has part in.
    pub variants: Vec<usize>,
    pub playlist: Option<MediaPlaylist>,
    pub loaded: Duration,
    /// When the newest segment was first seen.
    pub grown: Duration,
    pub due: Duration,
    pub failures: u32,
    /// Segments up to this number have been looked at.
    pub looked_to: Option<u64>,
    pub before: Option<Before>,
    /// By address and byte range; `None` where there is nothing to read.
    pub inits: HashMap<Place, Option<Rc<Init>>>,
    /// Bits and seconds by number.
    measured: BTreeMap<u64, (f64, f64)>,
    /// Date of a media timestamp of 0, in microseconds since 1970.
    pub zero_us: Option<f64>,
}

impl Track {
    pub fn new(url: Url, role: Role) -> Self {
        Self {
            uri: url.to_string(),
            url,
            role,
            iframes: role == Role::IFrames,
            variants: Vec::new(),
            playlist: None,
            loaded: Duration::ZERO,
            grown: Duration::ZERO,
            due: Duration::ZERO,
            failures: 0,
            looked_to: None,
            before: None,
            inits: HashMap::new(),
            measured: BTreeMap::new(),
            zero_us: None,
        }
    }

    pub fn lives(&self) -> bool {
        self.playlist.as_ref().is_some_and(MediaPlaylist::lives)
    }

    pub fn target(&self) -> Duration {
        Duration::from_secs_f64(self.playlist.as_ref().map_or(6.0, MediaPlaylist::target))
    }

    pub fn measure(&mut self, sequence: u64, bytes: usize, duration_s: f64) {
        if self.measured.len() < MAX_MEASURED && duration_s > 0.0 {
            self.measured.insert(sequence, (bytes as f64 * 8.0, duration_s));
        }
    }

    pub fn measured(&self) -> usize {
        self.measured.len()
    }

    /// The peak segment bit rate: the largest of any run of segments that lasts 0.5 to 1.5 target durations (4.1).
    pub fn peak_bps(&self) -> Option<f64> {
        let target_s = self.playlist.as_ref().map_or(6.0, MediaPlaylist::target);
        let mut peak: Option<f64> = None;
        let numbers: Vec<(u64, f64, f64)> = self.measured.iter().map(|(n, (bits, s))| (*n, *bits, *s)).collect();
        for begin in 0..numbers.len() {
            let (mut bits, mut seconds) = (0.0, 0.0);
            for (index, (number, own_bits, own_s)) in numbers.iter().enumerate().skip(begin) {
                if *number != numbers[begin].0 + (index - begin) as u64 {
                    break;
                }
                bits += own_bits;
                seconds += own_s;
                if seconds > 1.5 * target_s {
                    break;
                }
                if seconds >= 0.5 * target_s {
                    peak = Some(peak.unwrap_or(0.0).max(bits / seconds));
                }
            }
        }
        peak
    }

    pub fn average_bps(&self) -> Option<f64> {
        let sum = self.measured.values().fold((0.0, 0.0), |sum, (bits, s)| (sum.0 + bits, sum.1 + s));
        (sum.1 > 0.0).then(|| sum.0 / sum.1)
    }
}
