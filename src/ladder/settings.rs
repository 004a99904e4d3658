//! What decides how pictures come out of an encoder.

use super::VideoCodec;
use crate::frame::CodedSize;
use crate::timeline::{B_PICTURES, Grid};

/// libx265 looks ahead at more pictures than there are B pictures in a row.
pub const LEAST_HEVC_LOOKAHEAD: u32 = B_PICTURES + 1;

/// What decides an encoder's output, and its SPS and PPS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VideoSettings {
    pub codec: VideoCodec,
    pub width: u32,
    pub height: u32,
    pub grid: Grid,
    /// Average and (VBV, over one second) highest rate.
    pub bitrate_bps: u32,
    /// Name of a preset of x264, and of x265: `ultrafast` to `placebo`.
    pub preset: String,
    /// `level_idc` to write (ITU-T H.264, A.3), 10 times the level: at least [`lowest_level_idc`]. HEVC's encoder finds its own, from the same.
    pub level_idc: u8,
    /// Pictures that are looked at before one is coded, beyond those that the pattern needs: what they show decides where bits are well
    /// spent. Each costs a frame of latency.
    pub lookahead_frames: u32,
    /// Whether pictures are tiles: a slice for each macroblock row, of which none depends on what lies beyond the tile. Sizes of tiles are
    /// whole macroblocks.
    pub is_tile: bool,
}

impl VideoSettings {
    /// Size of what is coded.
    pub fn coded(&self) -> CodedSize {
        CodedSize::of(self.width, self.height)
    }

    /// Frames that an encoder holds back: what is given comes out that many later.
    pub fn delay_frames(&self) -> u32 {
        match self.codec {
            VideoCodec::H264 => self.lookahead_frames.max(B_PICTURES) + self.threads() - 1,
            // One is with the thread that codes, and the others wait for it and for what they are coded from.
            VideoCodec::Hevc | VideoCodec::HevcPq | VideoCodec::HevcHlg => {
                self.lookahead_frames.max(LEAST_HEVC_LOOKAHEAD) + B_PICTURES + 3
            }
        }
    }

    /// Frames of H.264, or rows of HEVC's blocks, that are coded at a time. Many encoders fill the cores better than one encoder's threads do, and each thread costs a frame of
    /// latency: so there are as many as it takes to keep up, with a preset like `veryfast` and pictures that are hard.
    pub fn threads(&self) -> u32 {
        /// What a thread is good for, in macroblocks a second: 1080p at 18 fps, in HEVC at 6, of ten bits at 5.
        const THREAD_MBS: [u64; VideoCodec::ALL.len()] = [150_000, 50_000, 40_000, 40_000];
        const MOST: u64 = 8;
        let CodedSize { width_mbs, height_mbs, .. } = self.coded();
        let fps = self.grid.fps();
        let second = u64::from(width_mbs) * u64::from(height_mbs) * u64::from(fps.num()) / u64::from(fps.den());
        // At most MOST.
        second.div_ceil(THREAD_MBS[self.codec as usize]).clamp(1, MOST) as u32
    }
}

/// The lowest level that allows the size, rate and bit rate (ITU-T H.264, table A-1; High profile rates are 1.25 times the
/// table's). From these alone, so that every encoder of a rendition writes the same SPS.
pub fn lowest_level_idc(width: u32, height: u32, grid: Grid, bitrate_bps: u32) -> u8 {
    // (level_idc, macroblocks a second, macroblocks a frame, kb/s)
    const LEVELS: [(u8, u64, u64, u64); 10] = [
        (30, 40_500, 1_620, 10_000),
        (31, 108_000, 3_600, 14_000),
        (32, 216_000, 5_120, 20_000),
        (40, 245_760, 8_192, 20_000),
        (41, 245_760, 8_192, 50_000),
        (42, 522_240, 8_704, 50_000),
        (50, 589_824, 22_080, 135_000),
        (51, 983_040, 36_864, 240_000),
        (52, 2_073_600, 36_864, 240_000),
        (62, 16_711_680, 139_264, 800_000),
    ];
    let coded = CodedSize::of(width, height);
    let frame = u64::from(coded.width_mbs) * u64::from(coded.height_mbs);
    let fps = grid.fps();
    let second = (frame * u64::from(fps.num())).div_ceil(u64::from(fps.den()));
    let kbps = u64::from(bitrate_bps / 1000);
    LEVELS
        .iter()
        .find(|(_, per_second, per_frame, rate)| second <= *per_second && frame <= *per_frame && kbps * 4 <= rate * 5)
        .map_or(62, |level| level.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_follow_the_table() {
        let level =
            |width, height, fps: &str| lowest_level_idc(width, height, Grid::new(fps.parse().unwrap(), 60), 6_000_000);
        assert_eq!(level(1920, 1080, "30"), 40);
        assert_eq!(level(1920, 1080, "60"), 42);
        assert_eq!(level(960, 540, "30"), 31);
    }
}
