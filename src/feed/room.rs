//! Room for decoding: a source that is too large for what the machine has left is thinned, or not decoded at all, before it
//! takes anything from those who are watched.
//!
//! What a picture stream will cost is known before its first picture is decoded: its size and rate stand in its headers, and
//! what a pixel costs is measured on everything that is decoded here. The machine is asked for that much; where it has less,
//! pictures that no other refers to are left out, and where even that is too much, all of them, until there is room.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::ahead::Needs;
use super::apart::Apart;
use super::fetch::FetchCounts;
use super::starts::{Starts, StartsOf};
use crate::config::PictureLimits;
use crate::reach::Reach;
use crate::timeline::MediaTime;

/// Processor seconds to decode and convert a pixel, before anything was measured: 1080p30 H.264 took a quarter of a core on the
/// machine this was first measured on, and codecs that are newer take more.
const PIXEL_SECONDS: [(&str, f64); 5] =
    [("h264", 4e-9), ("hevc", 6e-9), ("mpeg2", 3e-9), ("vp9", 6e-9), ("av1", 10e-9)];
const OTHER_PIXEL_SECONDS: f64 = 6e-9;
/// Likewise to draw one of a pattern, and what this is called among codecs. Not in that list, of which children tell: patterns are drawn here.
const PATTERN_PIXEL_SECONDS: f64 = 0.5e-9;
pub(super) const PATTERN: &str = "pattern";
/// What a source takes whatever its size: reading, taking apart, its sound decoded and encoded.
pub const SOURCE_CORES: f64 = 0.02;
/// Smaller pictures say nothing of what a pixel costs: what each picture costs whatever its size is most of theirs.
const LEAST_TELLING_PIXELS: u64 = 320 * 180;
/// How many times its guess a pixel's cost may be, and the other way round: no source, however strange, decides for all others.
const FARTHEST: f64 = 16.0;
/// Pictures over which a pixel's cost is averaged: about two seconds of one source.
const AVERAGED_PICTURES: f64 = 64.0;
/// A stream that does not tell its rate is taken to have this one.
const USUAL_FPS: f64 = 30.0;
/// A stream of which so many times more pictures come than its headers say costs what comes.
const FAR_MORE: f64 = 1.25;
/// How often a thinned stream asks again, and one that waits for room.
pub(super) const ASK_EVERY: Duration = Duration::from_secs(2);
/// Access units by which the share of those that others refer to is judged.
const JUDGED_UNITS: u32 = 50;

/// What the machine has left for decoding. Asked on a feed's own thread.
pub trait DecodeRoom: Send + Sync {
    /// Whether `cores` more may be spent from now on. What is granted is taken to be spent until the load shows it.
    ///
    /// # Errors
    /// Why not.
    fn admit(&self, cores: f64) -> Result<(), Refused>;

    /// Cores that are left, for people.
    fn left(&self) -> f64;

    /// Whether pictures of the machine go on being late.
    fn is_late(&self) -> bool {
        false
    }

    /// Nothing of what was granted is spent any more.
    fn over(&self) {}
}

/// What is short.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Refused {
    /// The machine: so many cores are left of it.
    Left(f64),
    /// Pictures are late, and a source was let in a moment ago.
    Late,
    /// A game of the configuration that is watched has no picture for want of room: it comes first.
    Yields,
    /// Its tenant's limit, of which its games take so many cores.
    Limit { taken: f64, limit: f64 },
    /// Its tenant's share, of which its games take so many cores.
    Share { taken: f64 },
    /// Its feed gives way.
    OnHold,
    /// Nobody answered.
    Unanswered,
}

/// As it goes on after what would have been taken.
impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Left(cores) => write!(f, ", and {:.2} are left", cores.max(0.0)),
            Self::Late => f.write_str("; pictures are late on this machine, and new sources come one after another"),
            Self::Yields => f.write_str("; a game that comes before it is watched, and has no room"),
            Self::Limit { taken, limit } => {
                write!(f, "; its tenant's games take {taken:.2} cores to decode, and {limit} is its limit")
            }
            Self::Share { taken } => {
                write!(
                    f,
                    "; its tenant's games take {taken:.2} cores to decode, and the rest is taken or other tenants' share"
                )
            }
            Self::OnHold => f.write_str("; the game is on hold"),
            Self::Unanswered => f.write_str("; this machine was too busy to say whether it has them"),
        }
    }
}

/// Room without end: for tests, and for work offline.
pub struct Unlimited;

impl DecodeRoom for Unlimited {
    fn admit(&self, _cores: f64) -> Result<(), Refused> {
        Ok(())
    }

    fn left(&self) -> f64 {
        f64::INFINITY
    }
}

/// What feeds decode with.
#[derive(Clone)]
pub struct Decoding {
    pub room: Arc<dyn DecodeRoom>,
    pub costs: Arc<DecodeCosts>,
    /// Sounds of a game that are decoded at most, the main one among them.
    pub max_sounds: usize,
    /// Where its sources may lead.
    pub reach: Reach,
    /// What of them is decoded at most.
    pub limits: PictureLimits,
    /// What they fetch is counted there; each feed's own.
    pub fetches: Arc<FetchCounts>,
    /// How sources are decoded in processes of their own; `None`: they are decoded here.
    pub apart: Option<Arc<Apart>>,
    /// Where they get in line to be started.
    pub starts: StartsOf,
}

/// Sounds of a game where nothing else is said.
const MAX_SOUNDS: usize = 4;

impl Decoding {
    /// As much as comes.
    pub fn unlimited() -> Self {
        // What holds inside holds apart: all of a feed's tests can be run so.
        #[cfg(test)]
        let apart = std::env::var("QUADRILLE_TEST_FEEDS").is_ok_and(|feeds| feeds == "apart").then(super::apart::apart);
        #[cfg(not(test))]
        let apart = None;
        Self {
            room: Arc::new(Unlimited),
            costs: Arc::default(),
            max_sounds: MAX_SOUNDS,
            reach: Reach::of_ones_own(),
            limits: PictureLimits::default(),
            fetches: Arc::default(),
            apart,
            starts: Starts::unlimited().of(None),
        }
    }
}

/// What decoding was measured to cost, by codec.
#[derive(Debug, Default)]
pub struct DecodeCosts {
    pixel_seconds: Mutex<HashMap<String, f64>>,
}

impl DecodeCosts {
    /// A picture of `pixels` took so many processor seconds.
    pub fn measured(&self, codec: &str, pixels: u64, seconds: f64) {
        if pixels < LEAST_TELLING_PIXELS {
            return;
        }
        let usual = guess(codec);
        let each = (seconds / pixels as f64).clamp(usual / FARTHEST, usual * FARTHEST);
        let mut known = self.pixel_seconds.lock();
        match known.get_mut(codec) {
            Some(average) => *average += (each - *average) / AVERAGED_PICTURES,
            None => {
                // The first picture of a stream opens decoders and buffers: it moves the guess and does not replace it.
                known.insert(codec.to_owned(), usual + (each - usual) / AVERAGED_PICTURES);
            }
        }
    }

    /// What is known, as told by [`DecodeCosts::known`] elsewhere.
    pub(super) fn knowing(known: &[(String, f64)]) -> Self {
        Self { pixel_seconds: Mutex::new(known.iter().cloned().collect()) }
    }

    /// Processor seconds of a pixel, by codec.
    pub(super) fn known(&self) -> Vec<(String, f64)> {
        self.pixel_seconds.lock().iter().map(|(codec, seconds)| (codec.clone(), *seconds)).collect()
    }

    /// Takes in what somebody else measured, who may be wrong: each codec that is listed here as one picture of `pixels`.
    pub(super) fn told(&self, known: &[(String, f64)], pixels: u64) {
        for (codec, _) in PIXEL_SECONDS {
            let seconds = known.iter().find(|(told, _)| told == codec).map(|(_, seconds)| *seconds);
            if let Some(seconds) = seconds.filter(|seconds| seconds.is_finite()) {
                self.measured(codec, pixels, seconds * pixels as f64);
            }
        }
    }

    /// Pixels of a codec that `cores` decode in a second.
    pub fn pixels_per_s(&self, codec: &str, cores: f64) -> f64 {
        cores / self.pixel_seconds(codec)
    }

    fn pixel_seconds(&self, codec: &str) -> f64 {
        self.pixel_seconds.lock().get(codec).copied().unwrap_or_else(|| guess(codec))
    }
}

fn guess(codec: &str) -> f64 {
    if codec == PATTERN {
        return PATTERN_PIXEL_SECONDS;
    }
    PIXEL_SECONDS.iter().find(|(name, _)| *name == codec).map_or(OTHER_PIXEL_SECONDS, |(_, seconds)| *seconds)
}

/// How much of a stream is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Share {
    /// Nothing was asked for yet.
    Unasked,
    Whole,
    /// Only pictures that others refer to.
    Referred,
    Nothing,
}

/// The size and rate of a stream.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Demand {
    pub width: u32,
    pub height: u32,
    pub fps: Option<(u32, u32)>,
}

impl fmt::Display for Demand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { width, height, fps } = self;
        write!(f, "{width}x{height}")?;
        let Some((num, den)) = fps.filter(|(_, den)| *den > 0) else { return Ok(()) };
        let rate = format!("{:.3}", f64::from(num) / f64::from(den));
        write!(f, " at {}", rate.trim_end_matches('0').trim_end_matches('.'))
    }
}

impl Demand {
    fn rate(self) -> f64 {
        self.fps.filter(|(_, den)| *den > 0).map_or(USUAL_FPS, |(num, den)| f64::from(num) / f64::from(den))
    }

    pub fn pixels_per_s(self) -> f64 {
        f64::from(self.width) * f64::from(self.height) * self.rate()
    }
}

/// One picture stream's share of the machine: what it was granted, and when it asks for more. Pure but for what it asks of its
/// [`DecodeRoom`].
pub(super) struct Ration {
    room: Arc<dyn DecodeRoom>,
    costs: Arc<DecodeCosts>,
    codec: String,
    demand: Option<Demand>,
    /// What its headers say.
    declared: Option<Demand>,
    share: Share,
    granted: f64,
    /// Why it was not given all of it the last time.
    refused: Refused,
    asked_at: MediaTime,
    units: u32,
    referred_units: u32,
}

impl Ration {
    pub fn new(room: Arc<dyn DecodeRoom>, costs: Arc<DecodeCosts>, codec: &str) -> Self {
        Self {
            room,
            costs,
            codec: codec.to_owned(),
            demand: None,
            declared: None,
            share: Share::Unasked,
            granted: 0.0,
            refused: Refused::Unanswered,
            asked_at: MediaTime::ZERO,
            units: 0,
            referred_units: 0,
        }
    }

    /// In place of another of the same source, of which it has what that was granted.
    pub fn after(mut self, other: Option<&Self>) -> Self {
        self.granted = other.map_or(0.0, |other| other.granted);
        self
    }

    /// The stream has this size and rate from now on.
    pub fn demands(&mut self, demand: Demand) {
        if self.declared != Some(demand) {
            (self.demand, self.declared) = (Some(demand), Some(demand));
            self.share = Share::Unasked;
        }
    }

    pub fn share(&self) -> Share {
        self.share
    }

    /// So many of its pictures were decoded in a second of late. Headers may say less, by mistake or to be let in: what comes is asked for then.
    pub fn comes(&mut self, fps: f64) {
        let Some(demand) = &mut self.demand else { return };
        if self.share == Share::Whole && fps > demand.rate() * FAR_MORE {
            demand.fps = Some(((fps * 1000.0).round() as u32, 1000));
            self.share = Share::Unasked;
        }
    }

    /// Whether an access unit may be decoded at `now`; `referred` says whether others may refer to it, where that was looked at.
    pub fn passes(&mut self, referred: Option<bool>, now: MediaTime) -> bool {
        self.units += u32::from(referred.is_some());
        self.referred_units += u32::from(referred == Some(true));
        if self.units >= 2 * JUDGED_UNITS {
            (self.units, self.referred_units) = (self.units / 2, self.referred_units / 2);
        }
        let due = now.since(self.asked_at) >= ASK_EVERY;
        if self.share == Share::Unasked || (self.share != Share::Whole && due) {
            self.ask(now);
        }
        match self.share {
            Share::Unasked | Share::Whole => true,
            Share::Referred => referred != Some(false),
            Share::Nothing => false,
        }
    }

    /// Cores that the whole stream takes.
    fn whole(&self) -> Option<f64> {
        Some(SOURCE_CORES + self.demand?.pixels_per_s() * self.costs.pixel_seconds(&self.codec))
    }

    fn ask(&mut self, now: MediaTime) {
        // Without a size there is nothing to ask for: headers come with the first unit, and what has none is small.
        let Some(whole) = self.whole() else { return };
        self.asked_at = now;
        if self.grant(whole) {
            self.share = Share::Whole;
            return;
        }
        let referred = if self.units >= JUDGED_UNITS {
            whole * f64::from(self.referred_units) / f64::from(self.units)
        } else {
            whole
        };
        self.share = if referred < whole && self.grant(referred) { Share::Referred } else { Share::Nothing };
    }

    /// Asks for what `cores` are more than what was granted before.
    fn grant(&mut self, cores: f64) -> bool {
        let answer = if cores <= self.granted { Ok(()) } else { self.room.admit(cores - self.granted) };
        match answer {
            Ok(()) => self.granted = cores,
            Err(why) => self.refused = why,
        }
        answer.is_ok()
    }

    /// Why not all of the stream is decoded, for its operator.
    pub fn shortage(&self) -> Option<String> {
        let needs = Needs { demand: Some(self.demand?), cores: self.whole()?, why: self.refused };
        match self.share {
            Share::Unasked | Share::Whole => None,
            Share::Referred => Some(format!("thinned: {needs}; pictures that no other refers to are left out")),
            Share::Nothing => Some(format!("no room: {needs}")),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// So many cores.
    pub struct Cores(pub Mutex<f64>);

    impl DecodeRoom for Cores {
        fn admit(&self, cores: f64) -> Result<(), Refused> {
            let mut left = self.0.lock();
            if cores > *left {
                return Err(Refused::Left(*left));
            }
            *left -= cores;
            Ok(())
        }

        fn left(&self) -> f64 {
            *self.0.lock()
        }
    }

    const HD: Demand = Demand { width: 1920, height: 1080, fps: Some((30, 1)) };
    const UHD: Demand = Demand { width: 3840, height: 2160, fps: Some((50, 1)) };

    fn ration(cores: f64) -> (Ration, Arc<Cores>) {
        let room = Arc::new(Cores(Mutex::new(cores)));
        (Ration::new(room.clone(), Arc::default(), "h264"), room)
    }

    fn at(ms: u64) -> MediaTime {
        MediaTime::from_millis(1_000_000 + ms)
    }

    #[test]
    fn a_stream_is_decoded_whole_where_there_is_room_and_its_cost_is_asked_for_once() {
        let (mut ration, room) = ration(1.0);
        assert!(ration.passes(Some(true), at(0)), "before its size is known nothing is held back");
        ration.demands(HD);
        for n in 0..300 {
            assert!(ration.passes(Some(n % 3 == 0), at(n * 33)));
        }
        assert_eq!((ration.share(), ration.shortage()), (Share::Whole, None));
        assert!((room.left() - 0.731).abs() < 0.001, "{}", room.left());
        // The same headers again are no new demand, a larger picture is.
        ration.demands(HD);
        assert!(ration.passes(Some(true), at(10_000)));
        assert!((room.left() - 0.731).abs() < 0.001);
    }

    #[test]
    fn what_comes_counts_where_headers_say_that_fewer_pictures_do() {
        let (mut ration, room) = ration(1.0);
        let says_little = Demand { fps: Some((1, 2)), ..HD };
        ration.demands(says_little);
        assert!(ration.passes(None, at(0)));
        assert!((1.0 - room.left() - 0.024).abs() < 0.001, "{}", room.left());
        ration.comes(30.0);
        ration.demands(says_little);
        assert!(ration.passes(None, at(5000)));
        assert!((room.left() - 0.731).abs() < 0.001, "as if it had said so: {}", room.left());
        ration.comes(33.0);
        ration.comes(2.0);
        assert!(ration.passes(None, at(6000)) && (room.left() - 0.731).abs() < 0.001, "nearly as much, and less");
        // There is no room for what comes.
        *room.0.lock() = 0.1;
        ration.comes(120.0);
        assert!(!ration.passes(None, at(7000)));
        let said = ration.shortage().unwrap();
        assert_eq!(said, "no room: 1920x1080 at 120 takes about 1.02 cores to decode, and 0.10 are left");
        ration.comes(240.0);
        assert!(!ration.passes(None, at(8000)), "it waits its two seconds");
        *room.0.lock() = 1.0;
        assert!(ration.passes(None, at(9001)));
    }

    #[test]
    fn what_is_too_large_is_not_decoded_then_thinned_then_whole_as_room_comes() {
        let (mut ration, room) = ration(0.5);
        ration.demands(UHD);
        assert!(!ration.passes(Some(true), at(0)), "1.68 cores are asked for");
        let said = ration.shortage().unwrap();
        assert_eq!(said, "no room: 3840x2160 at 50 takes about 1.68 cores to decode, and 0.50 are left");
        for n in 1..100 {
            assert!(!ration.passes(Some(n % 2 == 0), at(n * 19)), "not asked again before two seconds");
        }
        *room.0.lock() = 1.0;
        // Half of the pictures are referred to: 0.84 cores.
        assert!(ration.passes(Some(true), at(2000)) && !ration.passes(Some(false), at(2020)));
        assert_eq!(ration.share(), Share::Referred);
        assert!(ration.shortage().unwrap().starts_with("thinned: 3840x2160 at 50"));
        assert!((room.left() - 0.15).abs() < 0.02, "{}", room.left());
        *room.0.lock() = 0.9;
        assert!(ration.passes(Some(false), at(4100)), "the other half is asked for");
        assert_eq!((ration.share(), ration.shortage()), (Share::Whole, None));
    }

    #[test]
    fn a_stream_that_grows_asks_for_the_difference() {
        let (mut ration, room) = ration(1.0);
        ration.demands(HD);
        assert!(ration.passes(Some(true), at(0)));
        ration.demands(UHD);
        assert!(!ration.passes(Some(true), at(100)), "and shows nothing rather than take what is not there");
        ration.demands(HD);
        assert!(ration.passes(Some(true), at(200)));
        assert!((room.left() - 0.731).abs() < 0.001, "what it had is still its own: {}", room.left());
    }

    #[test]
    fn no_source_decides_what_all_others_cost() {
        let costs = DecodeCosts::default();
        let before = costs.pixel_seconds("h264");
        // Pictures of four pixels, of which each takes half a millisecond.
        for _ in 0..1000 {
            costs.measured("h264", 4, 0.0005);
        }
        assert_eq!(costs.pixel_seconds("h264"), before);
        for _ in 0..1000 {
            costs.measured("h264", 320 * 180, 10.0);
        }
        assert!(costs.pixel_seconds("h264") <= before * FARTHEST);
    }

    #[test]
    fn costs_follow_what_is_measured() {
        let costs = DecodeCosts::default();
        assert_eq!(costs.pixel_seconds("hevc"), 6e-9);
        for _ in 0..1000 {
            costs.measured("hevc", 1_000_000, 0.001);
        }
        assert!((costs.pixel_seconds("hevc") - 1e-9).abs() < 1e-11);
        costs.measured("h264", 1_000_000, 0.5);
        assert!(costs.pixel_seconds("h264") < 13e-9, "a first picture that took long does not decide");
        costs.measured("h264", 0, 1.0);
    }
}
