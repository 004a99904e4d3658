//! Time expressions (TTML2, 12.3).

/// What a document says about its times (TTML2, 7.2).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rates {
    /// Frames in so many seconds.
    frames: (u64, u64),
    sub_frames: u64,
    ticks: u64,
}

impl Rates {
    /// From the values of `ttp:frameRate`, `ttp:frameRateMultiplier`, `ttp:subFrameRate` and `ttp:tickRate`.
    pub fn new(frames: Option<&str>, multiplier: Option<&str>, sub_frames: Option<&str>, ticks: Option<&str>) -> Self {
        // No rate is beyond a billion, so that products of three stay in 128 bits.
        let number = |text: &str| text.trim().parse::<u64>().ok().filter(|number| (1..=1_000_000_000).contains(number));
        let rate = frames.and_then(number);
        let multiplier = multiplier.and_then(|text| {
            let (top, bottom) = text.trim().split_once([' ', ':'])?;
            Some((number(top)?, number(bottom)?))
        });
        let (top, bottom) = multiplier.unwrap_or((1, 1));
        let sub_frames = sub_frames.and_then(number).unwrap_or(1);
        // Without a tick rate it is that of sub-frames, or a second where no frame rate is given either.
        let usual = rate.map_or(1, |rate| rate * sub_frames);
        let per_second = rate.unwrap_or(30);
        Self { frames: (per_second * top, bottom), sub_frames, ticks: ticks.and_then(number).unwrap_or(usual) }
    }

    /// Nanoseconds of a time expression: `01:02:03.5`, `01:02:03:12`, `01:02:03:12.1`, `2.5s`, `90f`, `900000t`.
    pub fn nanos(&self, text: &str) -> Option<u64> {
        let text = text.trim();
        let nanos = if text.contains(':') { self.clock(text)? } else { self.offset(text)? };
        // A hundred years; what is longer is a mistake, and later sums could not hold it.
        (nanos <= 100 * 366 * 86_400 * SECOND).then_some(nanos as u64)
    }

    fn clock(&self, text: &str) -> Option<u128> {
        let mut parts = text.split(':');
        let (hours, minutes, seconds) = (parts.next()?, parts.next()?, parts.next()?);
        let whole = (u128::from(digits(hours)?) * 60 + u128::from(digits(minutes)?)) * 60;
        match (parts.next(), parts.next()) {
            (None, _) => Some(whole * SECOND + scaled(seconds, SECOND)?),
            (Some(frames), None) => {
                let (frames, sub) = frames.split_once('.').unwrap_or((frames, "0"));
                let sub = u128::from(digits(frames)?) * u128::from(self.sub_frames) + u128::from(digits(sub)?);
                let nanos = self.of_frames(sub * SECOND) / u128::from(self.sub_frames);
                Some((whole + u128::from(digits(seconds)?)) * SECOND + nanos)
            }
            (Some(_), Some(_)) => None,
        }
    }

    fn offset(&self, text: &str) -> Option<u128> {
        let unit_at = text.find(|char: char| char.is_ascii_alphabetic())?;
        let (number, unit) = text.split_at(unit_at);
        Some(match unit {
            "h" => scaled(number, 3600 * SECOND)?,
            "m" => scaled(number, 60 * SECOND)?,
            "s" => scaled(number, SECOND)?,
            "ms" => scaled(number, SECOND / 1000)?,
            "f" => self.of_frames(scaled(number, SECOND)?),
            "t" => scaled(number, SECOND)? / u128::from(self.ticks),
            _ => return None,
        })
    }

    /// The nanoseconds of billionths of frames.
    fn of_frames(&self, billionths: u128) -> u128 {
        billionths * u128::from(self.frames.1) / u128::from(self.frames.0)
    }
}

const SECOND: u128 = 1_000_000_000;

/// A whole number of at most 18 digits.
fn digits(text: &str) -> Option<u64> {
    let is_number = !text.is_empty() && text.len() <= 18 && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

/// A decimal number of units, in nanoseconds; digits past the ninth count for nothing.
fn scaled(text: &str, unit: u128) -> Option<u128> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    if !part.bytes().all(|byte| byte.is_ascii_digit()) || part.is_empty() {
        return None;
    }
    let part = &part[..part.len().min(9)];
    let below = u128::from(digits(part)?) * unit / 10u128.pow(part.len() as u32);
    Some(u128::from(digits(whole)?) * unit + below)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_forms_of_times_are_read() {
        let plain = Rates::new(None, None, None, None);
        assert_eq!(plain.nanos("01:02:03.5"), Some(3_723_500_000_000));
        assert_eq!(plain.nanos("00:00:01:15"), Some(1_500_000_000));
        assert_eq!(plain.nanos("2.5s"), Some(2_500_000_000));
        assert_eq!(plain.nanos("1500ms"), Some(1_500_000_000));
        assert_eq!(plain.nanos("1.5h"), Some(5_400_000_000_000));
        assert_eq!(plain.nanos("3t"), Some(3_000_000_000));
        let film = Rates::new(Some("24"), Some("1000 1001"), None, Some("10000000"));
        assert_eq!(film.nanos("24f"), Some(1_001_000_000));
        assert_eq!(film.nanos("00:00:10:12"), Some(10_500_500_000));
        assert_eq!(film.nanos("15000000t"), Some(1_500_000_000));
        let halves = Rates::new(Some("25"), None, Some("2"), None);
        assert_eq!(halves.nanos("00:00:00:01.1"), Some(60_000_000));
        for wrong in ["", "1", "s", "1:2", "-1s", "1.s", "1e9s", "99999999999h", "1:1:1:1:1", "wallclock(2024)"] {
            assert_eq!(plain.nanos(wrong), None, "{wrong}");
        }
    }
}
