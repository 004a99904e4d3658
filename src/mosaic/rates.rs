//! What renditions of mosaics take, for playlists to say.
//!
//! Tracks know what their blocks come to. What is served of them differs a little, by boxes and by slices that become one: by how much is learnt
//! from the segments that are packaged, rendition by rendition.

use parking_lot::Mutex;

use super::contract::Rate;
use crate::timeline::{Grid, SegmentNumber};

/// Fewer segments say too little.
const LEAST_SEGMENTS: usize = 5;

/// With each segment that is packaged, what was learnt before counts for a sixteenth less.
const FADES: f64 = 15.0 / 16.0;

/// What is learnt is a mean, and one segment differs a little: a playlist's peak must not be less than what comes.
const PEAK_MARGIN: f64 = 1.005;

/// See the module.
pub(super) struct Rates {
    segment_s: f64,
    /// One a rendition.
    learnt: Vec<Mutex<Learnt>>,
}

/// Bytes of blocks, and bytes served of them: sums that fade, so that stills, which are little but boxes, hardly count.
#[derive(Clone, Copy, Default)]
struct Learnt {
    coded: f64,
    served: f64,
}

impl Rates {
    pub fn new(grid: Grid, renditions: usize) -> Self {
        let learnt = (0..renditions).map(|_| Mutex::default()).collect();
        Self { segment_s: grid.segment_duration().as_secs_f64(), learnt }
    }

    /// Takes note that a segment of `coded` bytes of blocks was packaged into `served`.
    pub fn packaged(&self, rendition: usize, coded: usize, served: usize) {
        let Some(learnt) = self.learnt.get(rendition) else { return };
        let mut learnt = learnt.lock();
        learnt.coded = learnt.coded * FADES + coded as f64;
        learnt.served = learnt.served * FADES + served as f64;
    }

    /// What segments of tracks that came to `sizes` take.
    pub fn rate(&self, rendition: usize, sizes: &[(SegmentNumber, u64)]) -> Option<Rate> {
        if sizes.len() < LEAST_SEGMENTS {
            return None;
        }
        let learnt = *self.learnt.get(rendition)?.lock();
        let served = if learnt.coded > 0.0 { learnt.served / learnt.coded } else { 1.0 };
        let bps = |bytes: f64| (bytes * 8.0 * served / self.segment_s).round() as u32;
        let peak = sizes.iter().map(|(_, bytes)| *bytes).max()?;
        let all: u64 = sizes.iter().map(|(_, bytes)| *bytes).sum();
        let peak_bps = bps(peak as f64 * PEAK_MARGIN);
        Some(Rate { peak_bps, average_bps: bps(all as f64 / sizes.len() as f64) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_served_is_learnt_from_what_is_packaged() {
        let rates = Rates::new(Grid::new("30".parse().unwrap(), 60), 2);
        let sizes: Vec<(u64, u64)> = (0..6).map(|n| (n, 1000 + 100 * n)).collect();
        assert_eq!(rates.rate(0, &sizes[..4]), None, "too few");
        assert_eq!(rates.rate(0, &sizes), Some(Rate { peak_bps: 6030, average_bps: 5000 }));
        rates.packaged(0, 1200, 1320);
        assert_eq!(rates.rate(0, &sizes), Some(Rate { peak_bps: 6633, average_bps: 5500 }), "a tenth more");
        assert_eq!(rates.rate(1, &sizes), Some(Rate { peak_bps: 6030, average_bps: 5000 }), "another rendition");
        rates.packaged(0, 1, 100);
        assert!(rates.rate(0, &sizes).unwrap().average_bps < 6000, "a still says little");
        (0..200).for_each(|_| rates.packaged(0, 1000, 1000));
        assert_eq!(rates.rate(0, &sizes), Some(Rate { peak_bps: 6030, average_bps: 5000 }));
    }
}
