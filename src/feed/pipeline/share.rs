//! What of a picture stream is decoded, as far as the machine has room, and what its decoding costs.

use std::collections::VecDeque;
use std::thread::{self, ThreadId};
use std::time::Duration;

use gstreamer as gst;
use parking_lot::Mutex;

use super::clean_point::{Coding, Gate};
use super::picture_size::{Pace, UNREADABLE, declared};
use super::stage::Stage;
use crate::cadence::{SourceNanos, Stream};
use crate::feed::error::SourceError;
use crate::feed::facts::VideoFacts;
use crate::feed::room::{Demand, Ration, Share};
use crate::timeline::MediaTime;
use crate::work::thread_cpu_time;

/// A source's bit rate is told anew each time so much of it has come.
const RATE_SPAN_NANOS: SourceNanos = 2_000_000_000;

/// The share of the picture stream that runs, and who decoded its last picture. No lock here is taken under another; the machine is
/// asked for room under the first.
#[derive(Default)]
pub(super) struct Sharing {
    rationed: Mutex<Option<Rationed>>,
    /// The thread that handed the last picture over, and the processor time it had used by then.
    spent: Mutex<Option<(ThreadId, Duration)>>,
    rate: Mutex<RateMeter>,
    pictures: Mutex<PictureRate>,
}

/// A stream's ration.
struct Rationed {
    codec: String,
    ration: Ration,
    /// What the operator was told last: nothing, as long as all is decoded.
    told: Share,
}

/// Over which pictures are counted, and how many of these spans.
const PICTURES_SPAN: Duration = Duration::from_secs(1);
const PICTURES_SPANS: usize = 5;

/// Decoded pictures a second of our time.
#[derive(Debug, Default)]
struct PictureRate {
    count: f64,
    since: Option<MediaTime>,
    /// The last spans.
    spans: VecDeque<f64>,
}

impl PictureRate {
    /// A picture came at `now`, or a part of one.
    fn take(&mut self, now: MediaTime, part: f64) {
        let since = *self.since.get_or_insert(now);
        let span = now.since(since);
        if span >= PICTURES_SPAN {
            self.spans.push_back(self.count / span.as_secs_f64());
            if self.spans.len() > PICTURES_SPANS {
                self.spans.pop_front();
            }
            (self.count, self.since) = (0.0, Some(now));
        }
        self.count += part;
    }

    /// The middle one of the spans, once all are there: queues that fill at first and a hold-up that is made up for are over sooner.
    fn middle(&self) -> Option<f64> {
        let mut spans: Vec<_> = self.spans.iter().copied().collect();
        spans.sort_by(f64::total_cmp);
        (spans.len() == PICTURES_SPANS).then(|| spans[PICTURES_SPANS / 2])
    }
}

/// Bits per second of the source's own time.
#[derive(Debug, Default)]
struct RateMeter {
    bytes: u64,
    since: Option<SourceNanos>,
}

impl RateMeter {
    /// Takes in a unit; its rate, when a span is over. Sound comes without a time: pictures tell it.
    fn take(&mut self, bytes: usize, at: Option<SourceNanos>) -> Option<u64> {
        let bytes = bytes as u64;
        let span = at.zip(self.since).map(|(at, since)| at - since);
        if at.is_none() || span.is_some_and(|span| (0..RATE_SPAN_NANOS).contains(&span)) {
            self.bytes += bytes;
            return None;
        }
        // The picture that ends a span is the next one's first.
        let before = std::mem::replace(self, Self { bytes, since: at });
        let span = span.filter(|span| (1..2 * RATE_SPAN_NANOS).contains(span))?;
        Some((before.bytes as f64 * 8e9 / span as f64).round() as u64)
    }
}

impl Stage {
    /// The picture stream's headers say that it is so large.
    pub fn note_demand(&self, video: &VideoFacts) {
        let mut rationed = self.sharing.rationed.lock();
        if rationed.as_ref().is_none_or(|known| known.codec != video.codec) {
            let ration = Ration::new(self.decoding.room.clone(), self.decoding.costs.clone(), &video.codec);
            let ration = ration.after(rationed.as_ref().map(|known| &known.ration));
            let told = rationed.as_ref().map_or(Share::Whole, |known| known.told);
            *rationed = Some(Rationed { codec: video.codec.clone(), ration, told });
        }
        if let Some(known) = rationed.as_mut().filter(|_| video.width > 0) {
            known.ration.demands(Demand { width: video.width, height: video.height, fps: video.fps });
        }
    }

    /// Whether pictures of this size are decoded. The run ends where they are not: before anything is made for them.
    pub fn bears_size(&self, width: u32, height: u32) -> bool {
        let limits = self.decoding.limits;
        let bears = limits.allow(width, height);
        if !bears {
            let most = format!("{}x{} is decoded at most", limits.width, limits.height);
            self.refuse(SourceError::TooLarge(format!("the pictures are {width}x{height}, and {most}")));
        }
        bears
    }

    /// Whether a unit of the picture stream may come to the decoder at all, by what it declares and how fast they come.
    pub fn bears(&self, buffer: &gst::BufferRef, gate: &Mutex<Gate>, pace: &mut Pace) -> bool {
        let most = self.decoding.limits.fps;
        if self.is_over() {
            return false;
        }
        if pace.exceeds(buffer.dts_or_pts().and_then(|at| i64::try_from(at.nseconds()).ok()), most) {
            self.refuse(SourceError::TooLarge(format!("more than {most} pictures a second come")));
            return false;
        }
        let coding = gate.lock().coding();
        let codec = match coding {
            Coding::Flagged => self.facts.lock().video.as_ref().map(|video| video.codec.clone()).unwrap_or_default(),
            _ => String::new(),
        };
        let Ok(bytes) = buffer.map_readable() else { return true };
        match declared(coding, &codec, &bytes) {
            None => true,
            // Damaged on its way: the next one may be whole.
            Some(UNREADABLE) => false,
            Some((width, height)) => self.bears_size(width, height),
        }
    }

    /// Whether a unit of the picture stream is left out because the machine has no room for it. What was left out whole begins at
    /// a clean point again.
    pub fn withholds(&self, bytes: &[u8], gate: &Mutex<Gate>) -> bool {
        let is_whole = match self.sharing.rationed.lock().as_ref() {
            Some(known) => known.ration.share() == Share::Whole,
            None => return false,
        };
        let comes = self.sharing.pictures.lock().middle();
        // Whether others refer to it is asked only while it matters: to look costs a little.
        let referred = (!is_whole).then(|| gate.lock().refers(bytes));
        let (passes, news) = {
            let mut rationed = self.sharing.rationed.lock();
            let Some(known) = rationed.as_mut() else { return false };
            if let Some(fps) = comes {
                known.ration.comes(fps);
            }
            let passes = known.ration.passes(referred, self.clock.now());
            let share = known.ration.share();
            let is_news = share != Share::Unasked && share != std::mem::replace(&mut known.told, share);
            (passes, is_news.then(|| (share, known.ration.shortage())))
        };
        if let Some((share, shortage)) = news {
            if share == Share::Nothing {
                gate.lock().close();
            }
            match &shortage {
                Some(shortage) => tracing::warn!(shortage, "a source is not decoded whole"),
                None => tracing::info!("a source is decoded whole"),
            }
            let mut facts = self.facts.lock();
            facts.no_room = shortage.clone().filter(|_| share == Share::Nothing);
            facts.thinned_because = shortage.filter(|_| share == Share::Referred);
        }
        !passes
    }

    /// A picture is handed over by the calling thread: what it took is measured from one to the next.
    pub fn note_cost(&self) {
        let becomes_two =
            self.fields == "all" && self.facts.lock().video.as_ref().is_some_and(|video| video.interlaced);
        self.sharing.pictures.lock().take(self.clock.now(), if becomes_two { 0.5 } else { 1.0 });
        let (thread, used) = (thread::current().id(), thread_cpu_time());
        let before = self.sharing.spent.lock().replace((thread, used));
        let Some((_, before)) = before.filter(|(by, _)| *by == thread) else { return };
        let (codec, pixels) = match &self.facts.lock().video {
            Some(video) => (video.codec.clone(), u64::from(video.width) * u64::from(video.height)),
            None => return,
        };
        self.decoding.costs.measured(&codec, pixels, used.saturating_sub(before).as_secs_f64());
    }

    /// So many bytes of a stream came.
    pub fn note_rate(&self, stream: Stream, buffer: &gst::BufferRef, at: Option<SourceNanos>) {
        let at = at.filter(|_| stream == Stream::Picture);
        if let Some(rate) = self.sharing.rate.lock().take(buffer.size(), at) {
            self.facts.lock().bitrate_bps = Some(rate);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_does_not_make_a_rate_and_what_lasts_does() {
        let mut rate = PictureRate::default();
        // A queue fills; then thirty a second come.
        (0..60).for_each(|_| rate.take(MediaTime::ZERO, 1.0));
        let at = |rate: &mut PictureRate, from_ms: u64, count: u64, each_ms: u64| {
            (0..count).for_each(|n| rate.take(MediaTime::from_millis(from_ms + n * each_ms), 1.0));
            rate.middle()
        };
        assert_eq!(at(&mut rate, 0, 120, 40), None);
        assert!((at(&mut rate, 4800, 30, 40).unwrap() - 25.0).abs() < 0.1);
        // Two seconds of ten times as many, then five.
        assert!((at(&mut rate, 6000, 500, 4).unwrap() - 25.0).abs() < 0.1);
        assert!((at(&mut rate, 8000, 1250, 4).unwrap() - 250.0).abs() < 2.0);
        // One picture in a minute.
        (0..5).for_each(|n| _ = at(&mut rate, 60_000 * (n + 1), 1, 1));
        assert!(rate.middle().unwrap() < 0.1);
        let mut halves = PictureRate::default();
        (0..400).for_each(|n| halves.take(MediaTime::from_millis(n * 20), 0.5));
        assert!((halves.middle().unwrap() - 25.0).abs() < 0.1);
    }

    #[test]
    fn a_bit_rate_is_that_of_pictures_and_sound_in_the_sources_own_time() {
        let mut meter = RateMeter::default();
        let mut told = Vec::new();
        for n in 0..120 {
            told.extend(meter.take(5000, Some(n * 40_000_000)));
            told.extend(meter.take(400, None));
        }
        // 25 pictures a second and as much sound: 5400 bytes, 25 times.
        assert_eq!(told.len(), 2);
        assert!(told.iter().all(|rate| (1_070_000..1_090_000).contains(rate)), "{told:?}");
        // Time that jumps tells nothing.
        assert_eq!(meter.take(5000, Some(900_000_000_000)), None);
        assert_eq!(meter.take(5000, Some(5)), None);
    }
}
