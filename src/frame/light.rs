//! Light: what R'G'B' values of other primaries and transfers look like on the canvas's display, in exact arithmetic. The compositor fills its tables
//! with it.
//!
//! Everything is brought to display light in units of the canvas's white. A standard picture goes through the reference
//! display's curve (ITU-R BT.1886), so that what the graders saw is kept; an HDR one is tone-mapped from its peak to the
//! 203 cd/m2 that its reference white has (ITU-R BT.2408).

use super::{Peak, Primaries, Transfer};

/// Exponent of the reference display (ITU-R BT.1886, black at zero).
const DISPLAY_GAMMA: f64 = 2.4;
/// Light of HDR reference white in cd/m2 (ITU-R BT.2408, table 1): the canvas's white.
pub const WHITE_CD_M2: f64 = 203.0;
/// Light in cd/m2 of the brightest that HLG shows on its nominal display, and the system gamma there (ITU-R BT.2100, table 5).
pub const HLG_PEAK: Peak = Peak::Cd1000;
const HLG_GAMMA: f64 = 1.2;
/// What red, green and blue of BT.2020 are of luminance (ITU-R BT.2100, table 5).
pub const LUMINANCE: [f64; 3] = [0.2627, 0.6780, 0.0593];
/// What of a standard picture is brighter than white is kept as far as limited range has room above it: 255 is 1.09.
const HEADROOM: f64 = 1.09;

/// R'G'B' as in the picture to R'G'B' of the canvas: 0 to 1, and of standard pictures a little more.
pub fn to_canvas(rgb: [f64; 3], primaries: Primaries, transfer: Transfer) -> [f64; 3] {
    let light = rgb.map(|value| component(value, transfer));
    let largest = light[0].max(light[1]).max(light[2]);
    let gain = match transfer {
        Transfer::Bt709 | Transfer::Srgb => 1.0,
        Transfer::Pq(peak) => tone_gain(largest, peak),
        Transfer::Hlg => {
            let system = system_gain(LUMINANCE.iter().zip(light).map(|(weight, light)| weight * light).sum());
            system * tone_gain(system * largest, HLG_PEAK)
        }
    };
    multiply(&into_bt709(primaries), light.map(|light| gain * light)).map(|light| value(light, transfer))
}

/// The light of one component: in units of the canvas's white; of PQ in cd/m2; of HLG the scene's, 0 to 1.
pub fn component(value: f64, transfer: Transfer) -> f64 {
    let value = value.max(0.0);
    match transfer {
        Transfer::Bt709 => value.powf(DISPLAY_GAMMA),
        Transfer::Srgb => srgb_light(value),
        Transfer::Pq(_) => pq_light(value.min(1.0)),
        Transfer::Hlg => hlg_scene(value.min(1.0)),
    }
}

/// The canvas's value of light in units of its white. Of HDR nothing is brighter: its highlights are where they are meant to be, and what is beyond
/// is beyond the gamut.
pub fn value(light: f64, transfer: Transfer) -> f64 {
    let most = match transfer {
        Transfer::Bt709 | Transfer::Srgb => HEADROOM,
        Transfer::Pq(_) | Transfer::Hlg => 1.0,
    };
    light.max(0.0).powf(1.0 / DISPLAY_GAMMA).min(most)
}

/// IEC 61966-2-1.
fn srgb_light(c: f64) -> f64 {
    if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
}

const PQ_M1: f64 = 2610.0 / 16384.0;
const PQ_M2: f64 = 2523.0 / 4096.0 * 128.0;
const PQ_C1: f64 = 3424.0 / 4096.0;
const PQ_C2: f64 = 2413.0 / 4096.0 * 32.0;
const PQ_C3: f64 = 2392.0 / 4096.0 * 32.0;

/// Light in cd/m2 of a PQ value (ITU-R BT.2100, table 4).
fn pq_light(value: f64) -> f64 {
    let root = value.powf(1.0 / PQ_M2);
    10_000.0 * ((root - PQ_C1).max(0.0) / (PQ_C2 - PQ_C3 * root)).powf(1.0 / PQ_M1)
}

/// PQ value of light in cd/m2.
pub fn pq_value(light: f64) -> f64 {
    let power = (light / 10_000.0).powf(PQ_M1);
    ((PQ_C1 + PQ_C2 * power) / (1.0 + PQ_C3 * power)).powf(PQ_M2)
}

const HLG_A: f64 = 0.178_832_77;
const HLG_B: f64 = 1.0 - 4.0 * HLG_A;

fn hlg_c() -> f64 {
    0.5 - HLG_A * (4.0 * HLG_A).ln()
}

/// HLG value of the scene's light (ITU-R BT.2100, table 5: the OETF), also above 1.
pub fn hlg_value(scene: f64) -> f64 {
    let scene = scene.max(0.0);
    if scene <= 1.0 / 12.0 { (3.0 * scene).sqrt() } else { HLG_A * (12.0 * scene - HLG_B).ln() + hlg_c() }
}

/// The scene's light of an HLG value (ITU-R BT.2100, table 5).
fn hlg_scene(value: f64) -> f64 {
    const A: f64 = HLG_A;
    let (b, c) = (HLG_B, hlg_c());
    if value <= 0.5 { value * value / 3.0 } else { (((value - c) / A).exp() + b) / 12.0 }
}

/// Display light in cd/m2 for each unit of the scene's light, of HLG where the scene's luminance is this (ITU-R BT.2100, table 5: the OOTF).
pub fn system_gain(luminance: f64) -> f64 {
    f64::from(HLG_PEAK.cd_m2()) * luminance.max(0.0).powf(HLG_GAMMA - 1.0)
}

/// Units of the scene's light for each cd/m2 on HLG's nominal display, where the display's luminance is this (ITU-R BT.2100, table 5: the inverse
/// OOTF).
pub fn scene_gain(luminance: f64) -> f64 {
    let most = f64::from(HLG_PEAK.cd_m2());
    if luminance <= 0.0 { 0.0 } else { (luminance / most).powf((1.0 - HLG_GAMMA) / HLG_GAMMA) / most }
}

/// Units of the canvas's white for each cd/m2, where the largest component of an HDR colour has `largest` of them and none of its picture more than
/// `peak`: the EETF of ITU-R BT.2390, 5.4.1, with black at zero, by the largest component, so that highlights keep their hue.
pub fn tone_gain(largest: f64, peak: Peak) -> f64 {
    display_gain(largest, peak, WHITE_CD_M2) / WHITE_CD_M2
}

/// The same for a display whose brightest is `display`, cd/m2 for each cd/m2; 1 where that has room for `peak`.
pub fn display_gain(largest: f64, peak: Peak, display: f64) -> f64 {
    if largest <= 0.0 || display >= f64::from(peak.cd_m2()) {
        return 1.0;
    }
    let peak = pq_value(f64::from(peak.cd_m2()));
    let most = pq_value(display) / peak;
    let knee = 1.5 * most - 0.5;
    let value = (pq_value(largest) / peak).min(1.0);
    if value < knee {
        return 1.0;
    }
    let t = (value - knee) / (1.0 - knee);
    let (t2, t3) = (t * t, t * t * t);
    let mapped = (2.0 * t3 - 3.0 * t2 + 1.0) * knee + (t3 - 2.0 * t2 + t) * (1.0 - knee) + (3.0 * t2 - 2.0 * t3) * most;
    pq_light(mapped * peak) / largest
}

/// Chromaticities of red, green, blue (ITU-T H.273, table 2); white is D65 in all of them.
fn chromaticities(primaries: Primaries) -> [(f64, f64); 3] {
    match primaries {
        Primaries::Bt709 => [(0.640, 0.330), (0.300, 0.600), (0.150, 0.060)],
        Primaries::Bt601_525 => [(0.630, 0.340), (0.310, 0.595), (0.155, 0.070)],
        Primaries::Bt601_625 => [(0.640, 0.330), (0.290, 0.600), (0.150, 0.060)],
        Primaries::Bt2020 => [(0.708, 0.292), (0.170, 0.797), (0.131, 0.046)],
    }
}

/// Three rows.
pub type Matrix3 = [[f64; 3]; 3];

/// Linear RGB of `primaries` to CIE XYZ (SMPTE RP 177).
fn to_xyz(primaries: Primaries) -> Matrix3 {
    let xyz = |(x, y): (f64, f64)| [x / y, 1.0, (1.0 - x - y) / y];
    let columns = chromaticities(primaries).map(xyz);
    let mut matrix = [[0.0; 3]; 3];
    for (row, out) in matrix.iter_mut().enumerate() {
        *out = [columns[0][row], columns[1][row], columns[2][row]];
    }
    let scale = multiply(&invert(&matrix), xyz((0.3127, 0.3290)));
    matrix.map(|row| [row[0] * scale[0], row[1] * scale[1], row[2] * scale[2]])
}

/// Linear RGB of `primaries` to that of BT.709. Each row adds up to one: they have white in common.
pub fn into_bt709(primaries: Primaries) -> Matrix3 {
    into(Primaries::Bt709, primaries)
}

/// The same to that of BT.2020.
pub fn into_bt2020(primaries: Primaries) -> Matrix3 {
    into(Primaries::Bt2020, primaries)
}

fn into(target: Primaries, primaries: Primaries) -> Matrix3 {
    let back = invert(&to_xyz(target));
    let there = to_xyz(primaries);
    let column = |c: usize| multiply(&back, [there[0][c], there[1][c], there[2][c]]);
    let (r, g, b) = (column(0), column(1), column(2));
    [[r[0], g[0], b[0]], [r[1], g[1], b[1]], [r[2], g[2], b[2]]]
}

fn multiply(m: &Matrix3, v: [f64; 3]) -> [f64; 3] {
    m.map(|row| row[0] * v[0] + row[1] * v[1] + row[2] * v[2])
}

/// Inverse by cofactors. Primaries that span no triangle do not occur.
fn invert(m: &Matrix3) -> Matrix3 {
    let minor = |r: usize, c: usize| {
        let (r1, r2, c1, c2) = ((r + 1) % 3, (r + 2) % 3, (c + 1) % 3, (c + 2) % 3);
        m[r1][c1] * m[r2][c2] - m[r1][c2] * m[r2][c1]
    };
    let determinant: f64 = (0..3).map(|c| m[0][c] * minor(0, c)).sum();
    let mut inverse = [[0.0; 3]; 3];
    for (r, row) in inverse.iter_mut().enumerate() {
        for (c, value) in row.iter_mut().enumerate() {
            *value = minor(c, r) / determinant;
        }
    }
    inverse
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn primaries_convert_by_the_published_matrix() {
        // ITU-R BT.2087, M2: BT.2020 to BT.709.
        let want = [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]];
        let got = into_bt709(Primaries::Bt2020);
        for r in 0..3 {
            for c in 0..3 {
                assert!((got[r][c] - want[r][c]).abs() < 2e-4, "{got:?}");
            }
        }
    }

    #[test]
    fn transfer_curves_meet_their_published_points() {
        assert!((pq_value(100.0) - 0.508).abs() < 1e-3, "BT.2408: 100 cd/m2 is 51 % PQ");
        assert!((pq_value(203.0) - 0.58).abs() < 2e-3, "BT.2408: 203 cd/m2 is 58 % PQ");
        assert!((pq_light(pq_value(321.0)) - 321.0).abs() < 1e-6);
        let grey = |value: f64| hlg_scene(value) * system_gain(hlg_scene(value));
        assert!((grey(0.75) - 203.0).abs() < 1.0, "BT.2408: 75 % HLG is 203 cd/m2, not {}", grey(0.75));
        assert!((grey(1.0) - 1000.0).abs() < 1.0);
        for value in [0.0, 0.1, 0.4999, 0.5, 0.5001, 0.75, 1.0] {
            assert!((hlg_value(hlg_scene(value)) - value).abs() < 1e-9, "{value}");
            let light = grey(value);
            assert!((hlg_value(light * scene_gain(light)) - value).abs() < 1e-9, "{value} there and back");
        }
    }

    #[test]
    fn tone_mapping_keeps_the_dark_half_and_puts_the_peak_on_white() {
        for peak in Peak::ALL {
            let lightest = f64::from(peak.cd_m2());
            let mapped = |light: f64| light * tone_gain(light, peak);
            assert!((mapped(lightest) - 1.0).abs() < 1e-6, "{peak:?}");
            assert!((mapped(2.0 * lightest) - 1.0).abs() < 1e-6, "{peak:?}: what is brighter than was told");
            let mut last = 0.0;
            for light in (0..200).map(|n| lightest * f64::from(n) / 199.0) {
                let now = mapped(light);
                assert!(
                    now >= last && now <= light / WHITE_CD_M2 + 1e-9,
                    "{peak:?}: {light} became {now} after {last}"
                );
                last = now;
            }
        }
        for light in [10.0, 20.0, 50.0] {
            assert!((light * tone_gain(light, Peak::Cd1000) - light / WHITE_CD_M2).abs() < 1e-9);
        }
    }

    #[test]
    fn a_colour_keeps_its_hue_where_its_largest_component_is_mapped() {
        // Of BT.2020's own primaries, which are not left: the proportions of light stay.
        let light = |nits: f64| pq_value(nits);
        let got = to_canvas([light(900.0), light(450.0), light(90.0)], Primaries::Bt709, Transfer::Pq(Peak::Cd1000));
        let got = got.map(|value| value.powf(DISPLAY_GAMMA));
        assert!((got[0] / got[1] - 2.0).abs() < 1e-6 && (got[0] / got[2] - 10.0).abs() < 1e-5, "{got:?}");
        assert!(got[0] < 1.0);
    }
}
