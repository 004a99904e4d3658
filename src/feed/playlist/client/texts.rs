//! Renditions of text at work: a thread each, which fetches, reads and hands over cue by cue.
//!
//! A text that cannot be had costs nothing but itself: it is tried again, and the pictures go on.

use std::sync::Arc;
use std::time::Duration;

use super::{Fetching, LEAST_SILENCE, Reading, SOUND_RETRY, Shared};
use crate::cadence::SourceNanos;
use crate::captions::{Text, ttml, webvtt};
use crate::feed::playlist::boxed::{BoxedCue, TextForm, samples};
use crate::feed::playlist::choice::TextChoice;
use crate::feed::playlist::follower::{Begin, Era, Failed, Follower, Job, Shown, Step};
use crate::feed::playlist::stretches::Track;

/// A segment of text is some kilobytes; a file of a whole film some hundreds.
const MAX_TEXT_BYTES: usize = 4 << 20;
/// Cues of one segment that are taken.
const MOST_CUES: usize = 4096;
/// A text is fetched no further ahead of the pictures than this.
const AHEAD_NANOS: i64 = 10_000_000_000;
/// Whoever waits for pictures looks this often.
const LOOK: Duration = Duration::from_millis(100);
/// What has no end of its own (TTML) stands as long.
const OPEN_NANOS: i64 = 10_000_000_000;
/// No cue stands longer.
const LONGEST_NANOS: i64 = 3_600_000_000_000;

/// A cue by the stream's own clock, in ns.
struct Stamped {
    start: i64,
    end: i64,
    text: Text,
}

/// Begins with the texts of the first choice, a thread each.
pub(super) fn start(shared: &Arc<Shared>) {
    let texts = shared.choices.first().map_or(0, |choice| choice.texts.len());
    for text in 0..texts {
        let fetching = Arc::clone(shared);
        let run = move || {
            let text = fetching.choices.first().and_then(|choice| choice.texts.get(text));
            text.iter().for_each(|choice| TextFetching { shared: &fetching, choice }.run());
        };
        // Without a thread there is no text, and all else.
        if let Err(error) = std::thread::Builder::new().name("hls-text".into()).spawn(run) {
            tracing::warn!(%error, "no thread for a text");
        }
    }
}

/// A rendition of text at work.
struct TextFetching<'a> {
    shared: &'a Shared,
    choice: &'a TextChoice,
}

impl TextFetching<'_> {
    fn run(&self) {
        // How much of it was fetched, on the time line of the run.
        let mut fetched = 0;
        while !self.shared.is_stopped() {
            let begin = Begin::Anew(Shown::default());
            let mut follower = Follower::new(begin, self.shared.looped, Era::default(), self.shared.now());
            let mut reading = Reading::new(self.choice.url.clone());
            if self.follow(&mut follower, &mut reading, &mut fetched) {
                return;
            }
            let until = self.shared.now() + SOUND_RETRY;
            while !self.shared.is_stopped() && self.shared.now() < until {
                self.shared.wait_until(until);
            }
        }
    }

    /// Whether nothing follows.
    fn follow(&self, follower: &mut Follower, reading: &mut Reading, fetched: &mut i64) -> bool {
        // What is beside the pictures is fetched as sound is.
        let fetching = Fetching { shared: self.shared, track: Track::Sound };
        while !self.shared.is_stopped() {
            let leaps = self.shared.state.lock().leaps;
            follower.leap_to(leaps);
            match follower.next(self.shared.now()) {
                Step::Load => fetching.load(follower, reading),
                Step::Fetch(job) => {
                    self.is_there();
                    self.await_pictures(*fetched);
                    match self.segment(&fetching, reading, &job) {
                        Ok(cues) => {
                            *fetched += nanos(job.segment.duration + job.hole);
                            self.hand_over(&job, cues);
                            follower.fetched(self.shared.now());
                        }
                        Err((failed, problem)) => {
                            reading.problem = problem;
                            follower.fetch_failed(failed, self.shared.now());
                        }
                    }
                }
                Step::Wait(until) => self.shared.wait_until(until),
                Step::End => return true,
                Step::Fail(lost) => {
                    tracing::debug!(text = self.choice.origin.name.as_ref(), %lost, problem = reading.problem, "a text is given up for now");
                    return false;
                }
            }
        }
        true
    }

    /// Its playlist was read, and lists something.
    fn is_there(&self) {
        let texts = &mut self.shared.state.lock().texts;
        if !texts.contains(&self.choice.origin) {
            texts.push(Arc::clone(&self.choice.origin));
        }
    }

    /// A film's text could be had at once: as much is taken as there are pictures for.
    fn await_pictures(&self, fetched: i64) {
        while !self.shared.is_stopped() {
            let come_to = self.shared.state.lock().stretches.come_to(Track::Picture);
            if fetched < come_to.unwrap_or(0) + AHEAD_NANOS {
                return;
            }
            self.shared.wait_until(self.shared.now() + LOOK);
        }
    }

    fn segment(
        &self,
        fetching: &Fetching<'_>,
        reading: &mut Reading,
        job: &Job,
    ) -> Result<Vec<Stamped>, (Failed, String)> {
        let segment = &job.segment;
        let time = job.time.max(LEAST_SILENCE);
        let body = fetching.resource(&segment.url, segment.range, MAX_TEXT_BYTES, time)?;
        let bytes = fetching.clear(reading, &segment.protection, segment.sequence, body, time)?;
        let form = match &segment.init {
            Some(init) => {
                fetching.init(reading, init, segment.sequence, time)?;
                reading.init.as_ref().and_then(|(_, bytes, _)| TextForm::read(bytes))
            }
            None => TextForm::read(&bytes),
        };
        read(&bytes, form.as_ref()).map_err(|problem| (Failed::ForGood, problem))
    }

    fn hand_over(&self, job: &Job, cues: Vec<Stamped>) {
        if cues.is_empty() {
            return;
        }
        let (era, discontinuity) = (job.era, job.segment.discontinuity);
        // Pictures say where a stretch lies.
        let mut patience = self.shared.now() + super::PICTURE_FIRST;
        while !self.shared.is_stopped() {
            let (has_begun, knows) = {
                let state = self.shared.state.lock();
                (state.stretches.has_begun(), state.stretches.knows(era, discontinuity))
            };
            if !has_begun {
                patience = self.shared.now() + super::PICTURE_FIRST;
            }
            if knows || self.shared.now() >= patience {
                break;
            }
            self.shared.wait_until(self.shared.now() + LOOK);
        }
        for Stamped { start, end, text } in cues {
            let placed: Option<SourceNanos> = self.shared.state.lock().stretches.source_of(era, discontinuity, start);
            if let Some(at) = placed {
                self.shared.sink.text(&self.choice.origin, text, at..at + (end - start));
            }
        }
    }
}

/// The cues of a segment: WebVTT, or TTML, plain or as samples of fragmented MP4 (ISO/IEC 14496-30), `form` being what their init section says.
fn read(bytes: &[u8], form: Option<&TextForm>) -> Result<Vec<Stamped>, String> {
    let samples = samples(bytes, form);
    let mut cues = Vec::new();
    if let Some(boxed) = form.and_then(|form| form.webvtt(&samples)) {
        cues.extend(boxed.into_iter().map(|BoxedCue { start, end, text }| Stamped { start, end, text }));
        return Ok(bounded(cues));
    }
    let whole = samples.is_empty().then_some(bytes);
    for text in samples.iter().map(|sample| sample.bytes).chain(whole) {
        if cues.len() >= MOST_CUES {
            break;
        }
        let text = String::from_utf8_lossy(text);
        if text.trim_start_matches('\u{feff}').trim_start().starts_with('<') {
            let document = ttml::read(&text).map_err(|error| error.to_string())?;
            cues.extend(document.cues.into_iter().map(|cue| {
                let start = nanos(cue.start);
                Stamped { start, end: cue.end.map_or(start.saturating_add(OPEN_NANOS), nanos), text: cue.text }
            }));
        } else {
            let document = webvtt::read(&text).map_err(|error| error.to_string())?;
            let (mpegts, local_ms) = document.map.unwrap_or_default();
            // 90 kHz; an end may lie before the zero of its text, but not by much.
            let zero = i64::try_from(u128::from(mpegts) * 100_000 / 9).unwrap_or(0) - ms(local_ms);
            cues.extend(document.cues.into_iter().map(|cue| Stamped {
                start: zero.saturating_add(ms(cue.start_ms)),
                end: zero.saturating_add(ms(cue.end_ms)),
                text: cue.text,
            }));
        }
    }
    Ok(bounded(cues))
}

/// Times may be anything, and cues as many as fit.
fn bounded(mut cues: Vec<Stamped>) -> Vec<Stamped> {
    cues.iter_mut().for_each(|cue| cue.end = cue.end.min(cue.start.saturating_add(LONGEST_NANOS)));
    cues.retain(|cue| cue.end > cue.start);
    cues.truncate(MOST_CUES);
    cues
}

fn ms(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX).saturating_mul(1_000_000)
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn webvtt_and_ttml_are_read_by_the_clock_of_their_stream() {
        let vtt = "WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:10.000,MPEGTS:1800000\n\n00:00:11.000 --> 00:00:12.500\nA\n";
        let cues = read(vtt.as_bytes(), None).unwrap();
        assert_eq!((cues[0].start, cues[0].end, cues[0].text.text()), (21_000_000_000, 22_500_000_000, "A".to_owned()));
        let xml = "<?xml version=\"1.0\"?><tt xmlns=\"http://www.w3.org/ns/ttml\"><body><div><p begin=\"3s\" end=\"4s\">B</p><p begin=\"5s\">C</p></div></body></tt>";
        let cues = read(xml.as_bytes(), None).unwrap();
        assert_eq!((cues[0].start, cues[0].text.text()), (3_000_000_000, "B".to_owned()));
        assert_eq!(cues[1].end - cues[1].start, OPEN_NANOS);
        // The same as a sample.
        let boxed =
            |kind: &[u8; 4], content: &[u8]| [&(content.len() as u32 + 8).to_be_bytes()[..], kind, content].concat();
        let sizes = [&[0, 0, 2, 0][..], &1u32.to_be_bytes(), &(xml.len() as u32).to_be_bytes()].concat();
        let trun = boxed(b"trun", &sizes);
        let moof = boxed(b"moof", &boxed(b"traf", &trun));
        let segment = [moof, boxed(b"mdat", xml.as_bytes())].concat();
        assert_eq!(read(&segment, None).unwrap().len(), 2);
        assert!(read(b"<html/>", None).is_err() && read(b"no text", None).is_err() && read(&[0xff; 40], None).is_err());
        assert_eq!(read(b"WEBVTT\n\n", None).unwrap().len(), 0);
        let far =
            read(b"WEBVTT\n\n2000000000000:00:00.000 --> 5000000000000:00:00.000\nfar\n", None).unwrap_or_default();
        assert!(far.iter().all(|cue| cue.end - cue.start <= LONGEST_NANOS));
    }
}
