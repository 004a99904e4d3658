//! Which tone sounds, and when a beep begins.

/// Sample rate of all sound that tests look at.
const RATE_HZ: f64 = 48_000.0;

/// Part (0 to 1) of a signal's energy that is a sine of `hertz`: Goertzel's algorithm over all of `samples`, 48 kHz mono.
/// Silence has no part of anything.
pub fn share(samples: &[i16], hertz: u32) -> f64 {
    let w = std::f64::consts::TAU * f64::from(hertz) / RATE_HZ;
    let (mut s1, mut s2, mut energy) = (0.0, 0.0, 0.0);
    for &sample in samples {
        let x = f64::from(sample);
        let s0 = x + 2.0 * w.cos() * s1 - s2;
        (s2, s1) = (s1, s0);
        energy += x * x;
    }
    if energy < samples.len() as f64 {
        return 0.0;
    }
    let power = s1 * s1 + s2 * s2 - 2.0 * w.cos() * s1 * s2;
    // A pure sine of amplitude a over n samples has power (a n / 2)^2 and energy n a^2 / 2.
    (2.0 * power / (samples.len() as f64 * energy)).min(1.0)
}

/// The one of `candidates` that makes up most of `samples`; `None` where none of them is at least half of it.
pub fn dominant(samples: &[i16], candidates: &[u32]) -> Option<u32> {
    candidates
        .iter()
        .map(|&hertz| (hertz, share(samples, hertz)))
        .filter(|(_, share)| *share >= 0.5)
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .map(|(hertz, _)| hertz)
}

/// When beeps begin, in seconds from the first sample: the sound rises above a tenth of its peak after at least 0.2 s below.
pub fn beeps_s(samples: &[i16]) -> Vec<f64> {
    let threshold = (samples.iter().map(|s| s.unsigned_abs()).max().unwrap_or(0) / 10).max(200);
    let quiet = (0.2 * RATE_HZ) as usize;
    let mut last_loud = None;
    let mut beeps = Vec::new();
    for (at, sample) in samples.iter().enumerate() {
        if sample.unsigned_abs() < threshold {
            continue;
        }
        // A beep that is under way when the samples begin has no beginning here.
        if last_loud.map_or(at, |last| at - last) >= quiet {
            beeps.push(at as f64 / RATE_HZ);
        }
        last_loud = Some(at);
    }
    beeps
}

/// When flashes begin, in seconds: `pictures` are times and whether the margin is white. One that is under way when the
/// pictures begin is left out.
pub fn flashes_s(pictures: &[(f64, bool)]) -> Vec<f64> {
    pictures.windows(2).filter(|pair| !pair[0].1 && pair[1].1).map(|pair| pair[1].0).collect()
}

/// Sound minus picture in seconds, positive where sound is late, for every flash that has a beep within half a second.
pub fn av_offsets_s(flashes: &[f64], beeps: &[f64]) -> Vec<f64> {
    flashes
        .iter()
        .filter_map(|flash| {
            let nearest = beeps.iter().map(|beep| beep - flash).min_by(|a, b| a.abs().total_cmp(&b.abs()))?;
            (nearest.abs() < 0.5).then_some(nearest)
        })
        .collect()
}

#[test]
fn a_tone_is_told_from_another_and_from_silence() {
    let sine = |hertz: f64| -> Vec<i16> {
        (0..24_000).map(|i| (8000.0 * (std::f64::consts::TAU * hertz * f64::from(i) / RATE_HZ).sin()) as i16).collect()
    };
    assert_eq!(dominant(&sine(440.0), &[330, 440, 550]), Some(440));
    assert!(share(&sine(440.0), 440) > 0.99);
    assert_eq!(dominant(&sine(500.0), &[330, 440, 550]), None);
    assert_eq!(dominant(&vec![0; 24_000], &[330, 440, 550]), None);
}
