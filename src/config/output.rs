//! What comes out: the grid, the ladder, the encoder's effort, the live window.

use std::str::FromStr;

use super::names::check_id;
use super::reader::{Table, Value};
use crate::ladder::{RenditionSpec, VideoCodec};
use crate::timeline::{Fps, Grid};

/// Longest ladder.
pub const MAX_RENDITIONS: usize = 6;

/// More frames of look-ahead than this change hardly a picture.
pub const MAX_LOOKAHEAD_FRAMES: u32 = 60;

/// What every session gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    pub grid: Grid,
    /// 1 to [`MAX_RENDITIONS`]: those in H.264, of which there is one at least, before those in HEVC; of each best (widest) first.
    pub renditions: Vec<RenditionSpec>,
    /// Nobody said which: see [`Output::fit`].
    pub renditions_by_room: bool,
    pub preset: Preset,
    /// Pictures that encoders look ahead at, 0 to [`MAX_LOOKAHEAD_FRAMES`]: each is a frame of latency.
    pub lookahead_frames: u32,
    /// Length of the live window in seconds; at least three segments.
    pub window_s: u32,
    pub audio_bitrate_bps: u32,
    /// Sounds of a game that are offered at most, its main one among them.
    pub max_sounds: usize,
}

/// The x264 preset: how much work goes into a picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Preset {
    Ultrafast,
    Superfast,
    #[default]
    Veryfast,
    Faster,
    Fast,
    Medium,
}

impl Preset {
    /// All presets on offer, the quickest first. Slower ones than `medium` keep no live stream in real time.
    pub const ALL: [Preset; 6] =
        [Preset::Ultrafast, Preset::Superfast, Preset::Veryfast, Preset::Faster, Preset::Fast, Preset::Medium];

    /// As x264 names it.
    pub const fn name(self) -> &'static str {
        match self {
            Preset::Ultrafast => "ultrafast",
            Preset::Superfast => "superfast",
            Preset::Veryfast => "veryfast",
            Preset::Faster => "faster",
            Preset::Fast => "fast",
            Preset::Medium => "medium",
        }
    }
}

/// A text that names no preset.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no preset on offer")]
pub struct PresetError(String);

impl FromStr for Preset {
    type Err = PresetError;

    fn from_str(text: &str) -> Result<Self, PresetError> {
        Self::ALL.into_iter().find(|p| p.name() == text).ok_or_else(|| PresetError(text.to_owned()))
    }
}

impl Default for Output {
    fn default() -> Self {
        let grid = Grid::new(default_fps(), default_segment_frames(default_fps()));
        Self {
            grid,
            renditions: ladder_for(1),
            renditions_by_room: true,
            preset: Preset::default(),
            lookahead_frames: 10,
            window_s: 30,
            audio_bitrate_bps: 128_000,
            max_sounds: 4,
        }
    }
}

impl Output {
    /// Takes as many renditions as a machine of `cores` has room for, where nobody said which. By cores and not by measurement: the ladder is part
    /// of what mosaics are called, and must be the same after a restart.
    pub fn fit(&mut self, cores: usize) {
        if self.renditions_by_room {
            self.renditions = ladder_for(cores);
        }
    }
}

/// 540p before 360p before 720p: the steps that a player on a slower line misses most come first.
fn ladder_for(cores: usize) -> Vec<RenditionSpec> {
    const RUNGS: [(&str, u32, u32, u32, usize); 4] = [
        ("1080p", 1920, 1080, 6_000_000, 1),
        ("720p", 1280, 720, 3_000_000, 8),
        ("540p", 960, 540, 1_600_000, 1),
        ("360p", 640, 360, 800_000, 4),
    ];
    let rung = |&(name, width, height, bitrate_bps, _): &(&str, u32, u32, u32, usize)| RenditionSpec {
        name: name.to_owned(),
        width,
        height,
        bitrate_bps,
        codec: VideoCodec::H264,
    };
    RUNGS.iter().filter(|(.., least_cores)| *least_cores <= cores).map(rung).collect()
}

fn default_fps() -> Fps {
    match Fps::new(30, 1) {
        Ok(fps) => fps,
        Err(_) => unreachable!("30 is on the list of rates"),
    }
}

/// Two seconds, to the nearest whole frame.
fn default_segment_frames(fps: Fps) -> u32 {
    (2 * fps.num() + fps.den() / 2) / fps.den()
}

/// Reads `[output]`; what is not there keeps its default.
pub(super) fn read(root: &mut Table) -> Output {
    let mut output = Output::default();
    let Some(mut table) = root.table("output") else { return output };
    let fps = table
        .optional("fps")
        .and_then(|v| v.parsed("write it in quotes, as \"30\"", str::parse::<Fps>))
        .unwrap_or_else(default_fps);
    // One to ten seconds: shorter ones waste bits on IDR pictures, longer ones make swaps wait.
    let (least, most) = (fps.num().div_ceil(fps.den()), 10 * fps.num() / fps.den());
    let segment_frames = table
        .optional("segment_frames")
        .and_then(|v| v.whole(least..=most, &format!("(one to ten seconds at {fps} frames a second)")))
        .unwrap_or_else(|| default_segment_frames(fps));
    output.grid = Grid::new(fps, segment_frames);
    if let Some(list) = table.optional("renditions") {
        output.renditions = read_renditions(&list);
        output.renditions_by_room = false;
    }
    let presets = Preset::ALL.map(Preset::name).join(", ");
    if let Some(preset) = table.optional("preset").and_then(|v| v.parsed(&format!("{presets} are allowed"), str::parse))
    {
        output.preset = preset;
    }
    let lookahead = table.optional("lookahead_frames").and_then(|v| v.whole(0..=MAX_LOOKAHEAD_FRAMES, "frames"));
    output.lookahead_frames = lookahead.unwrap_or(output.lookahead_frames);
    // RFC 8216 6.2.2: a live playlist keeps at least three target durations.
    let least_s = (3 * output.grid.segment_duration().as_millis()).div_ceil(1000) as u32;
    match table.optional("window_s") {
        Some(value) => output.window_s = value.whole(least_s..=300, "seconds").unwrap_or(output.window_s),
        None => output.window_s = output.window_s.max(least_s),
    }
    let audio = table.optional("audio_bitrate").and_then(|v| v.whole(32_000..=320_000, "bits per second"));
    output.audio_bitrate_bps = audio.unwrap_or(output.audio_bitrate_bps);
    let sounds = table.optional("max_sounds").and_then(|v| v.whole(1..=8, "sounds of a game"));
    output.max_sounds = sounds.map_or(output.max_sounds, |sounds: u32| sounds as usize);
    table.finish();
    output
}

fn read_renditions(list: &Value) -> Vec<RenditionSpec> {
    let items = list.items("write each as [[output.renditions]]");
    if items.is_empty() || items.len() > MAX_RENDITIONS {
        list.refuse(format!("there are {} renditions", items.len()), &format!("1 to {MAX_RENDITIONS} are allowed"));
    }
    let mut renditions: Vec<RenditionSpec> = Vec::new();
    for item in items {
        if let Some(rendition) = read_rendition(&item, &renditions) {
            renditions.push(rendition);
        }
    }
    let best = renditions.iter().filter(|rendition| rendition.plays_everywhere()).map(|best| best.width).max();
    match best {
        None if !renditions.is_empty() => {
            list.refuse("all renditions are in HEVC", "boxes without it need one: one in \"h264\" at least is allowed");
        }
        // The canvas is drawn as large as the best in H.264 is.
        Some(best) if renditions.iter().any(|r| r.width > best) => {
            list.refuse(
                "a rendition in HEVC is wider than all in H.264",
                &format!("the widest in \"h264\" is {best} pixels wide: as much at most is allowed"),
            );
        }
        Some(_) | None => {}
    }
    renditions.sort_by_key(|rendition| (!rendition.plays_everywhere(), rendition.is_hdr()));
    renditions
}

/// One rung, checked against those above it.
fn read_rendition(item: &Value, above: &[RenditionSpec]) -> Option<RenditionSpec> {
    let mut table = item.table()?;
    let name_value = table.required("name", "a short name such as \"1080p\" is needed");
    let name = name_value.as_ref().and_then(|v| v.parsed("", |text| check_id(text).map(|()| text.to_owned())));
    let width_value = table.required("width", "pixels, even, 16 to 3840");
    let width = width_value.as_ref().and_then(even_side);
    let height_value = table.required("height", "pixels, even, 16 to 3840");
    let height = height_value.as_ref().and_then(even_side);
    let bitrate_bps = table
        .required("bitrate", "bits per second, 100000 to 50000000")
        .and_then(|v| v.whole(100_000..=50_000_000, "bits per second"));
    let codec = read_codec(&mut table);
    table.finish();
    let (name, width, height, codec) = (name?, width?, height?, codec?);
    if above.iter().any(|r| r.name == name) {
        name_value?.refuse(format!("there is a rendition {name:?} already"), "each name once is allowed");
    }
    let of_codec = above.iter().rev().find(|r| r.codec == codec);
    if let Some(last) = of_codec.filter(|last| last.width <= width) {
        let allowed =
            format!("widths fall from one rendition of a codec to the next: less than {} is allowed here", last.width);
        width_value?.refuse(format!("{width} is not less than the width before it"), &allowed);
    }
    // All are drawn from one composite: another shape would stretch it. 3 % covers sizes rounded to even or whole blocks.
    if let Some(best) = above.first().filter(|best| !same_shape((width, height), (best.width, best.height))) {
        let allowed = format!("all renditions have the shape of the first, {}x{}", best.width, best.height);
        height_value?.refuse(format!("{width}x{height} has another shape"), &allowed);
    }
    Some(RenditionSpec { name, width, height, bitrate_bps: bitrate_bps?, codec })
}

/// What a rung is coded in, and how light stands in it.
fn read_codec(table: &mut Table) -> Option<VideoCodec> {
    let (codec, range) = (table.optional("codec"), table.optional("range"));
    let place_of = |value: &Value, what: &str, names: &[&str]| {
        let quoted: Vec<String> = names.iter().map(|name| format!("{name:?}")).collect();
        let allowed = match quoted.split_last() {
            Some((last, others)) => format!("{} and {last} are allowed", others.join(", ")),
            None => String::new(),
        };
        let place = |text: &str| {
            let place = names.iter().position(|name| *name == text);
            place.ok_or_else(|| format!("{text:?} is no {what} of a rendition"))
        };
        value.parsed(&allowed, place)
    };
    let codec = codec.as_ref().map_or(Some(0), |value| place_of(value, "codec", &["h264", "hevc"]));
    let light = range.as_ref().map_or(Some(0), |value| place_of(value, "range", &["sdr", "pq", "hlg"]));
    match (codec?, light?) {
        (0, 0) => Some(VideoCodec::H264),
        (0, _) => {
            let allowed = "\"pq\" and \"hlg\" are allowed with codec = \"hevc\"";
            range?.refuse("H.264 here has eight bits, and HDR takes ten", allowed);
            None
        }
        (_, 0) => Some(VideoCodec::Hevc),
        (_, 1) => Some(VideoCodec::HevcPq),
        (_, _) => Some(VideoCodec::HevcHlg),
    }
}

fn even_side(value: &Value) -> Option<u32> {
    let side = value.whole(16..=3840, "pixels")?;
    if side % 2 == 1 {
        value.refuse(
            format!("{side} is odd"),
            "4:2:0 pictures have even sides: an even number from 16 to 3840 is allowed",
        );
        return None;
    }
    Some(side)
}

fn same_shape(a: (u32, u32), b: (u32, u32)) -> bool {
    let (left, right) = (u64::from(a.0) * u64::from(b.1), u64::from(b.0) * u64::from(a.1));
    left.abs_diff(right) * 100 <= 3 * left.max(right)
}
