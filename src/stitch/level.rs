//! Levels: how large and how finely sliced a picture may be (A.3).

use super::StitchError;

/// `MaxFS` of the highest level (table A-1), in macroblocks.
pub const MAX_PICTURE_MBS: u32 = 139_264;

/// `level_idc`, `MaxMBPS` and `MaxFS` (table A-1), `SliceRate` of the Main and High profiles (table A-4; none below level 3).
const LEVELS: [(u8, u32, u32, Option<u32>); 19] = [
    (10, 1_485, 99, None),
    (11, 3_000, 396, None),
    (12, 6_000, 396, None),
    (13, 11_880, 396, None),
    (20, 11_880, 396, None),
    (21, 19_800, 792, None),
    (22, 20_250, 1_620, None),
    (30, 40_500, 1_620, Some(22)),
    (31, 108_000, 3_600, Some(60)),
    (32, 216_000, 5_120, Some(60)),
    (40, 245_760, 8_192, Some(60)),
    (41, 245_760, 8_192, Some(24)),
    (42, 522_240, 8_704, Some(24)),
    (50, 589_824, 22_080, Some(24)),
    (51, 983_040, 36_864, Some(24)),
    (52, 2_073_600, 36_864, Some(24)),
    (60, 4_177_920, MAX_PICTURE_MBS, Some(24)),
    (61, 8_355_840, MAX_PICTURE_MBS, Some(24)),
    (62, 16_711_680, MAX_PICTURE_MBS, Some(24)),
];

/// Pictures of a sequence, as far as the level depends on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pictures {
    pub width_mbs: u32,
    pub height_mbs: u32,
    /// Pictures a second: `fps_num / fps_den`, neither 0.
    pub fps_num: u32,
    pub fps_den: u32,
}

/// Slices a picture may have at `level_idc` (A.3.3: `MaxMBPS` times the time to the next picture over `SliceRate`): 136 at level 4
/// and 341 at level 4.1, both at 30 pictures a second. `None` for a `level_idc` that is none.
pub fn max_slices(level_idc: u8, fps_num: u32, fps_den: u32) -> Option<u32> {
    let (_, max_mbps, max_fs, slice_rate) = LEVELS.into_iter().find(|level| level.0 == level_idc)?;
    // Without a rate, a slice holds a macroblock at least.
    let Some(slice_rate) = slice_rate else { return Some(max_fs) };
    let slices = u64::from(max_mbps) * u64::from(fps_den) / (u64::from(fps_num.max(1)) * u64::from(slice_rate));
    Some(u32::try_from(slices).unwrap_or(u32::MAX))
}

/// The lowest level from `level_idc` on that allows `pictures` of `slices` slices. An encoder's own level, which knows about bit
/// rate and reference pictures but not about being stitched, is what to begin with.
///
/// # Errors
/// [`StitchError::NoLevel`] if none does.
pub fn at_least(level_idc: u8, pictures: Pictures, slices: u32) -> Result<u8, StitchError> {
    let Pictures { width_mbs, height_mbs, fps_num, fps_den } = pictures;
    let mbs = u64::from(width_mbs) * u64::from(height_mbs);
    // A side is at most the square root of eight times MaxFS (A.3.1).
    let longest = u64::from(width_mbs.max(height_mbs));
    let fits = |max_mbps: u32, max_fs: u32| {
        mbs <= u64::from(max_fs)
            && longest.saturating_mul(longest) <= 8 * u64::from(max_fs)
            && mbs.saturating_mul(fps_num.into()) <= u64::from(max_mbps) * u64::from(fps_den)
    };
    let mut what = "the size or the frame rate";
    for (level, max_mbps, max_fs, _) in LEVELS.into_iter().filter(|level| level.0 >= level_idc) {
        if fits(max_mbps, max_fs) {
            if max_slices(level, fps_num, fps_den).is_some_and(|max| slices <= max) {
                return Ok(level);
            }
            what = "the number of slices";
        }
    }
    Err(StitchError::NoLevel { level_idc: LEVELS[LEVELS.len() - 1].0, what })
}
