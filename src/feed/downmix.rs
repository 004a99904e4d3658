//! From as many channels as a source has to two, at the level they were mixed at.
//!
//! GStreamer's own mixer scales its coefficients until nothing can clip: 5.1 comes 10 dB lower than the same programme in
//! stereo, 7.1 lower still, and a source that changes between them jumps. Here the coefficients are those of ITU-R BS.775-3,
//! annex 4, unscaled, and a limiter sees to the rare sum that would clip.
//!
//! - one channel goes to both sides, two stay as they are;
//! - with positions: the front pair as it is, the centre and every other channel of a side 3 dB lower, a single rear centre
//!   6 dB lower on either side, low-frequency effects left out;
//! - three channels or more without positions are not a room but tracks side by side, as contribution feeds, MXF and SMPTE
//!   ST 302 have them: the first pair is the programme, what follows is other languages, effects, clean sound. Four channels
//!   that are positioned as two pairs without a centre are taken for the same, because decoders of ST 302 say that of any
//!   four.

use gstreamer as gst;
use gstreamer_audio as gst_audio;
use gstreamer_audio::AudioChannelPosition as Position;

/// What the sound branch of a pipeline ends in. The number of channels is the source's and may change at any time.
pub(super) const CAPS: &str = "audio/x-raw,format=F32LE,rate=48000,layout=interleaved";

/// 3 dB lower.
const LOWER: f32 = std::f32::consts::FRAC_1_SQRT_2;
/// How fast the limiter lets go, per sample: 63 % of the way in 100 ms.
const RELEASE: f32 = 1.0 / 4800.0;

/// What each channel adds to the left and to the right.
type Matrix = Vec<[f32; 2]>;

/// A source's sound on its way to stereo; knows the last form it had.
pub(super) struct Downmix {
    caps: Option<gst::Caps>,
    matrix: Matrix,
    limiter: Limiter,
}

impl Default for Downmix {
    fn default() -> Self {
        Self { caps: None, matrix: Matrix::new(), limiter: Limiter { gain: 1.0 } }
    }
}

impl Downmix {
    /// Interleaved stereo of a sample of [`CAPS`]; `None` where it is nothing of the kind.
    pub fn stereo_of(&mut self, sample: &gst::Sample) -> Option<Vec<i16>> {
        let caps = sample.caps()?;
        if self.caps.as_deref() != Some(caps) {
            let info = gst_audio::AudioInfo::from_caps(caps).ok()?;
            if info.format() != gst_audio::AudioFormat::F32le {
                return None;
            }
            self.matrix = matrix(info.channels() as usize, info.positions());
            self.caps = Some(caps.to_owned());
        }
        let map = sample.buffer()?.map_readable().ok()?;
        let values = map.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
        Some(self.mix(&values.collect::<Vec<_>>()))
    }

    fn mix(&mut self, interleaved: &[f32]) -> Vec<i16> {
        let limited = self.matrix.len() > 2;
        let mut stereo = Vec::with_capacity(interleaved.len() / self.matrix.len().max(1) * 2);
        for frame in interleaved.chunks_exact(self.matrix.len().max(1)) {
            let mut sides = [0.0f32; 2];
            for (value, shares) in frame.iter().zip(&self.matrix) {
                // A decoder's NaN must not stay in the limiter for good.
                let value = if value.is_finite() { *value } else { 0.0 };
                for (side, share) in sides.iter_mut().zip(shares) {
                    *side += value * share;
                }
            }
            let gain = if limited { self.limiter.gain_for(sides) } else { 1.0 };
            // A cast saturates.
            stereo.extend(sides.map(|side| (side * gain * 32_768.0).round() as i16));
        }
        stereo
    }
}

/// Turns down at once what would clip, and lets go slowly.
struct Limiter {
    gain: f32,
}

impl Limiter {
    fn gain_for(&mut self, sides: [f32; 2]) -> f32 {
        let peak = sides[0].abs().max(sides[1].abs());
        self.gain += (1.0 - self.gain) * RELEASE;
        if peak * self.gain > 1.0 {
            self.gain = 1.0 / peak;
        }
        self.gain
    }
}

fn matrix(channels: usize, positions: Option<&[Position]>) -> Matrix {
    match positions {
        _ if channels == 1 => vec![[1.0, 1.0]],
        _ if channels == 2 => vec![[1.0, 0.0], [0.0, 1.0]],
        Some(positions) if !are_pairs(positions) => positions.iter().map(|p| shares_of(*p)).collect(),
        _ => (0..channels).map(|channel| [[1.0, 0.0], [0.0, 1.0]].get(channel).copied().unwrap_or_default()).collect(),
    }
}

/// Left and right twice over.
fn are_pairs(positions: &[Position]) -> bool {
    matches!(
        positions,
        [Position::FrontLeft, Position::FrontRight, Position::RearLeft, Position::RearRight]
            | [Position::FrontLeft, Position::FrontRight, Position::SideLeft, Position::SideRight]
    )
}

fn shares_of(position: Position) -> [f32; 2] {
    use Position as P;
    match position {
        P::FrontLeft => [1.0, 0.0],
        P::FrontRight => [0.0, 1.0],
        P::Mono | P::FrontCenter | P::TopFrontCenter | P::BottomFrontCenter | P::TopCenter => [LOWER, LOWER],
        P::RearCenter | P::TopRearCenter => [LOWER * LOWER, LOWER * LOWER],
        P::RearLeft
        | P::SideLeft
        | P::FrontLeftOfCenter
        | P::WideLeft
        | P::SurroundLeft
        | P::TopFrontLeft
        | P::TopRearLeft
        | P::TopSideLeft
        | P::BottomFrontLeft => [LOWER, 0.0],
        P::RearRight
        | P::SideRight
        | P::FrontRightOfCenter
        | P::WideRight
        | P::SurroundRight
        | P::TopFrontRight
        | P::TopRearRight
        | P::TopSideRight
        | P::BottomFrontRight => [0.0, LOWER],
        // Low-frequency effects, and what no layout names.
        _ => [0.0, 0.0],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level_db(stereo: &[i16], side: usize) -> f64 {
        let power = stereo.iter().skip(side).step_by(2).map(|v| (f64::from(*v) / 32_768.0).powi(2)).sum::<f64>();
        10.0 * (power / (stereo.len() / 2) as f64 * 2.0).log10()
    }

    fn tone(channels: usize, loud: &[usize], peak: f32) -> Vec<f32> {
        (0..4800)
            .flat_map(|n| {
                let value = peak * (n as f32 * std::f32::consts::TAU / 48.0).sin();
                (0..channels).map(move |c| if loud.contains(&c) { value } else { 0.0 })
            })
            .collect()
    }

    fn downmix(channels: usize, positions: Option<&[Position]>) -> Downmix {
        Downmix { matrix: matrix(channels, positions), ..Downmix::default() }
    }

    use Position as P;
    const FIVE_ONE: [P; 6] = [P::FrontLeft, P::FrontRight, P::FrontCenter, P::Lfe1, P::SideLeft, P::SideRight];
    const SEVEN_ONE: [P; 8] =
        [P::FrontLeft, P::FrontRight, P::FrontCenter, P::Lfe1, P::RearLeft, P::RearRight, P::SideLeft, P::SideRight];

    #[test]
    fn every_channel_of_a_room_comes_at_the_level_of_bs_775() {
        let silent = f64::NEG_INFINITY;
        for layout in [&FIVE_ONE[..], &SEVEN_ONE[..]] {
            for (channel, position) in layout.iter().enumerate() {
                let mixed = downmix(layout.len(), Some(layout)).mix(&tone(layout.len(), &[channel], 0.5));
                let (left, right) = match position {
                    P::FrontLeft => (-6.0, silent),
                    P::FrontRight => (silent, -6.0),
                    P::FrontCenter => (-9.0, -9.0),
                    P::RearLeft | P::SideLeft => (-9.0, silent),
                    P::RearRight | P::SideRight => (silent, -9.0),
                    _ => (silent, silent),
                };
                for (side, expected) in [left, right].into_iter().enumerate() {
                    let got = level_db(&mixed, side);
                    let right = if expected == silent { got == silent } else { (got - expected).abs() < 0.1 };
                    assert!(right, "{position:?} of {}: {got} dB on side {side}", layout.len());
                }
            }
        }
    }

    #[test]
    fn the_programme_in_the_centre_is_as_loud_from_stereo_five_one_and_seven_one() {
        // In stereo the centre is the same on both sides, 3 dB lower.
        let stereo = downmix(2, None).mix(&tone(2, &[0, 1], 0.4 * LOWER));
        for layout in [&FIVE_ONE[..], &SEVEN_ONE[..]] {
            let mixed = downmix(layout.len(), Some(layout)).mix(&tone(layout.len(), &[2], 0.4));
            let step = level_db(&mixed, 0) - level_db(&stereo, 0);
            assert!(step.abs() < 0.1, "{step} dB");
        }
    }

    #[test]
    fn channels_without_positions_are_pairs_and_the_first_is_heard() {
        for channels in 3..=16 {
            let mut mix = downmix(channels, None);
            let heard = mix.mix(&tone(channels, &[0], 0.5));
            assert!((level_db(&heard, 0) + 6.0).abs() < 0.1 && level_db(&heard, 1) == f64::NEG_INFINITY, "{channels}");
            let others: Vec<usize> = (2..channels).collect();
            assert!(mix.mix(&tone(channels, &others, 0.5)).iter().all(|v| *v == 0), "{channels}");
        }
        let quad = [P::FrontLeft, P::FrontRight, P::RearLeft, P::RearRight];
        assert!(downmix(4, Some(&quad)).mix(&tone(4, &[2, 3], 0.5)).iter().all(|v| *v == 0));
        assert_eq!(downmix(1, None).mix(&[0.5, -0.25]), [16_384, 16_384, -8192, -8192]);
    }

    #[test]
    fn full_scale_in_every_channel_is_turned_down_and_not_clipped() {
        let mut mix = downmix(6, Some(&FIVE_ONE));
        let all: Vec<usize> = (0..6).collect();
        let mixed = mix.mix(&tone(6, &all, 1.0).repeat(4));
        // A clipped sine has flat tops: many samples at the peak. A limited one touches it.
        let later = &mixed[mixed.len() / 2..];
        let at_peak = later.iter().step_by(2).filter(|v| v.unsigned_abs() >= 32_700).count();
        assert!((level_db(later, 0)).abs() < 0.5, "{}", level_db(later, 0));
        assert!(at_peak * 10 < later.len() / 2, "{at_peak} of {}", later.len() / 2);
        // And lets go again.
        let quiet = mix.mix(&tone(6, &[0], 0.5).repeat(10));
        assert!((level_db(&quiet[quiet.len() - 960..], 0) + 6.0).abs() < 0.2);
        let mut broken = downmix(3, None);
        assert_eq!(broken.mix(&[f32::NAN, f32::INFINITY, 0.0, 0.5, 0.5, 0.0]), [0, 0, 16_384, 16_384]);
    }
}
