//! What to do next with a media playlist: read it again, fetch a segment, wait, or stop. Pure: whoever asks says the time and
//! tells how it went.

use std::sync::Arc;
use std::time::Duration;

use super::media::{Kind, Mark, MediaPlaylist, Protection, Segment};

/// RFC 8216, 6.3.3: nothing that begins less than three target durations from the end of a live playlist is begun with.
const EDGE_TARGETS: u32 = 3;
/// The time a segment has, retries and all, is its own length within these: what takes longer keeps the next ones from coming.
const LEAST_SEGMENT_TIME: Duration = Duration::from_secs(1);
const LONGEST_SEGMENT_TIME: Duration = Duration::from_secs(10);
const FIRST_RETRY: Duration = Duration::from_millis(250);
const LONGEST_RETRY: Duration = Duration::from_secs(2);
/// A playlist of which so many segments in a row are lost, over so long, is given up.
const LOST_SEGMENTS: u32 = 3;
const LOST_FOR: Duration = Duration::from_secs(8);
/// A playlist that stands still or cannot be read is given up after three of its target durations, but no sooner than this.
const LEAST_PATIENCE: Duration = Duration::from_secs(10);
/// One that could never be read has less time: another variant may be there.
const FIRST_PATIENCE: Duration = Duration::from_secs(4);
/// A server behind several caches may answer with an older playlist. One that stays behind this often began anew.
const STALE_ANSWERS: u32 = 3;

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    Load,
    Fetch(Box<Job>),
    /// Nothing to do before then.
    Wait(Duration),
    /// All was fetched and no more will come.
    End,
    Fail(Lost),
}

/// A segment to be fetched.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    pub segment: Segment,
    pub era: Era,
    /// How much was left out between the last segment and this one.
    pub hole: Duration,
    /// How long fetching may take.
    pub time: Duration,
}

/// Counts what breaks the order of a playlist's timestamps, apart from the discontinuities that it tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Era {
    /// Leaps to the live edge.
    pub leaps: u32,
    /// Numberings that began anew.
    pub restarts: u32,
    /// Times that the end was reached and the beginning follows.
    pub laps: u32,
}

/// Why a playlist is given up. The reasons of single failures are its reader's to tell.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    #[error("the playlist cannot be read")]
    Unreadable,
    #[error("the playlist stands still")]
    Still,
    #[error("its segments cannot be had")]
    Segments,
    #[error("nothing in the playlist can be played")]
    Unplayable,
    #[error("its segments are encrypted with {method}, and only AES-128 of whole segments can be undone")]
    Encrypted { method: Arc<str> },
}

/// Where to begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begin {
    /// As the playlist wants it: near the end where it lives, else at the beginning, but for what was shown before.
    Anew(Shown),
    /// Where another variant of the same presentation left off.
    At { sequence: u64, played: Duration },
}

/// What runs before this one have shown of a source: what has ended is not shown twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// Whether the playlist lived when it was first read.
    lived: bool,
    mark: Option<Mark>,
    /// The first segment that was not shown; `None` before anything was.
    next: Option<u64>,
}

impl Shown {
    /// Whether the playlist was read, and lived.
    pub fn lived(&self) -> bool {
        self.lived
    }

    /// Where to go on in a playlist that has ended; `None` when it is another one.
    fn goes_on_at(&self, playlist: &MediaPlaylist) -> Option<u64> {
        let next = self.next?;
        let held = playlist.first_sequence()? <= next && next <= playlist.next_sequence()?;
        (held && (self.lived || self.mark == playlist.mark())).then_some(next)
    }
}

/// How a fetch went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failed {
    /// Another try may help.
    Now,
    /// No try will help: too large, garbage.
    ForGood,
}

#[derive(Clone, Copy, Debug)]
struct Attempt {
    since: Duration,
    not_before: Duration,
    pause: Duration,
}

pub struct Follower {
    begin: Begin,
    looped: bool,
    playlist: Option<MediaPlaylist>,
    /// Whether the first reading had no end.
    lived: bool,
    load_due: Duration,
    load_began: Duration,
    changed_at: Duration,
    unreadable_since: Option<Duration>,
    /// The first reading failed in a way that another try does not mend.
    hopeless: bool,
    stale_answers: u32,
    /// The number of the next segment.
    next: u64,
    era: Era,
    hole: Duration,
    played: Duration,
    attempt: Option<Attempt>,
    lost_in_row: u32,
    good_at: Duration,
    fetched_in_lap: bool,
}

impl Follower {
    pub fn new(begin: Begin, looped: bool, era: Era, now: Duration) -> Self {
        Self {
            begin,
            looped,
            playlist: None,
            lived: false,
            load_due: now,
            load_began: now,
            changed_at: now,
            unreadable_since: None,
            hopeless: false,
            stale_answers: 0,
            next: 0,
            era,
            hole: Duration::ZERO,
            played: Duration::ZERO,
            attempt: None,
            lost_in_row: 0,
            good_at: now,
            fetched_in_lap: false,
        }
    }

    pub fn era(&self) -> Era {
        self.era
    }

    /// Where another variant has to go on.
    pub fn left_off(&self) -> Begin {
        match self.playlist {
            Some(_) => Begin::At { sequence: self.next, played: self.played },
            None => self.begin.clone(),
        }
    }

    /// For the next run of the same source.
    pub fn shown(&self) -> Shown {
        match (&self.playlist, &self.begin) {
            (Some(playlist), _) => {
                Shown { lived: self.lived, mark: playlist.mark(), next: Some(self.next).filter(|_| !self.looped) }
            }
            (None, Begin::Anew(shown)) => shown.clone(),
            (None, Begin::At { .. }) => Shown::default(),
        }
    }

    /// How long this playlist may bring nothing before it is given up, here or by whoever watches.
    pub fn patience(&self) -> Duration {
        let target = self.playlist.as_ref().map_or(Duration::ZERO, |playlist| playlist.target);
        (target * 3).max(LEAST_PATIENCE)
    }

    pub fn next(&mut self, now: Duration) -> Step {
        let Some(playlist) = &self.playlist else {
            return if self.is_unreadable(now) {
                Step::Fail(Lost::Unreadable)
            } else if now >= self.load_due {
                Step::Load
            } else {
                Step::Wait(self.load_due)
            };
        };
        if !playlist.ended && now >= self.load_due {
            return Step::Load;
        }
        if let Some(method) = refused_by(playlist) {
            return Step::Fail(Lost::Encrypted { method });
        }
        self.skip_what_is_not_there();
        if self.lost_in_row >= LOST_SEGMENTS && now.saturating_sub(self.good_at) >= LOST_FOR {
            return Step::Fail(Lost::Segments);
        }
        match (self.segment(), self.playlist.as_ref().is_some_and(|playlist| playlist.ended)) {
            (Some(segment), ended) => {
                let until = self.attempt.map_or(Duration::ZERO, |attempt| attempt.not_before);
                if now < until {
                    return Step::Wait(if ended { until } else { until.min(self.load_due) });
                }
                let (segment, time) = (segment.clone(), segment_time(segment));
                self.attempt.get_or_insert(Attempt { since: now, not_before: now, pause: FIRST_RETRY });
                Step::Fetch(Box::new(Job { segment, era: self.era, hole: self.hole, time }))
            }
            (None, true) if self.looped && !self.lived => self.begin_lap(now),
            (None, true) => Step::End,
            (None, false) if self.is_unreadable(now) => Step::Fail(Lost::Unreadable),
            (None, false) if now.saturating_sub(self.changed_at) >= self.patience() => Step::Fail(Lost::Still),
            (None, false) => Step::Wait(self.load_due),
        }
    }

    fn begin_lap(&mut self, now: Duration) -> Step {
        // A lap in which nothing could be played would be followed by another one at once.
        let Some(first) =
            self.playlist.as_ref().and_then(MediaPlaylist::first_sequence).filter(|_| self.fetched_in_lap)
        else {
            return Step::Fail(Lost::Unplayable);
        };
        self.next = first;
        self.era.laps += 1;
        (self.hole, self.played, self.attempt, self.fetched_in_lap) = (Duration::ZERO, Duration::ZERO, None, false);
        self.next(now)
    }

    fn segment(&self) -> Option<&Segment> {
        let playlist = self.playlist.as_ref()?;
        let index = self.next.checked_sub(playlist.first_sequence()?)?;
        playlist.segments.get(usize::try_from(index).ok()?)
    }

    fn skip_what_is_not_there(&mut self) {
        while let Some(segment) = self.segment() {
            if !segment.gap && !matches!(segment.protection, Protection::Refused { .. }) {
                break;
            }
            self.skip();
        }
    }

    fn skip(&mut self) {
        let length = self.segment().map_or(Duration::ZERO, |segment| segment.duration);
        self.hole += length;
        self.played += length;
        self.next = self.next.saturating_add(1);
        self.attempt = None;
    }

    fn is_unreadable(&self, now: Duration) -> bool {
        let patience = if self.playlist.is_some() { self.patience() } else { FIRST_PATIENCE };
        self.hopeless || self.unreadable_since.is_some_and(|since| now.saturating_sub(since) >= patience)
    }

    /// The reading of the playlist begins: the next one is timed from here (RFC 8216, 6.3.4).
    pub fn loading(&mut self, now: Duration) {
        self.load_began = now;
    }

    pub fn load_failed(&mut self, failed: Failed, now: Duration) {
        self.unreadable_since.get_or_insert(now);
        self.hopeless = failed == Failed::ForGood && self.playlist.is_none();
        let target = self.playlist.as_ref().map_or(LEAST_SEGMENT_TIME, |playlist| playlist.target);
        self.load_due = now + (target / 2).clamp(FIRST_RETRY, LONGEST_RETRY);
    }

    pub fn loaded(&mut self, playlist: MediaPlaylist, now: Duration) {
        self.unreadable_since = None;
        let Some(known) = &self.playlist else {
            self.lived = !playlist.ended;
            self.next = self.beginning(&playlist);
            self.load_due = self.load_began + playlist.target;
            (self.changed_at, self.good_at) = (now, now);
            self.playlist = Some(playlist);
            return;
        };
        if known.next_sequence() == playlist.next_sequence()
            && known.ended == playlist.ended
            && known.mark() == playlist.mark()
        {
            // What slides out while nothing comes in does not count as change.
            self.load_due = self.load_began + playlist.target / 2;
            self.playlist = Some(playlist);
            return;
        }
        let behind = playlist.next_sequence().unwrap_or(0) < known.next_sequence().unwrap_or(0);
        if behind && !playlist.segments.is_empty() {
            self.stale_answers += 1;
            if is_older(known, &playlist) && self.stale_answers < STALE_ANSWERS {
                self.load_due = self.load_began + playlist.target / 2;
                return;
            }
            self.era.restarts += 1;
            self.begin_at(edge(&playlist));
        } else if playlist.first_sequence().is_some_and(|first| first > self.next) {
            self.era.leaps += 1;
            self.begin_at(edge(&playlist));
        }
        self.stale_answers = 0;
        self.changed_at = now;
        self.load_due = self.load_began + playlist.target;
        self.playlist = Some(playlist);
    }

    fn begin_at(&mut self, sequence: u64) {
        self.next = sequence;
        (self.hole, self.attempt) = (Duration::ZERO, None);
    }

    /// The other track has leapt to the live edge: so does this one, to stay with it.
    pub fn leap_to(&mut self, leaps: u32) {
        if self.era.leaps >= leaps {
            return;
        }
        self.era.leaps = leaps;
        if let Some(playlist) = self.playlist.as_ref().filter(|playlist| !playlist.ended) {
            self.begin_at(edge(playlist).max(self.next));
        }
    }

    fn beginning(&self, playlist: &MediaPlaylist) -> u64 {
        if let Begin::Anew(shown) = &self.begin
            && playlist.ended
            && let Some(next) = shown.goes_on_at(playlist)
        {
            return next;
        }
        if let Begin::At { sequence, played } = self.begin {
            let held = playlist.first_sequence().is_some_and(|first| first <= sequence)
                && playlist.next_sequence().is_some_and(|next| sequence <= next);
            return match (self.lived, held) {
                (true, true) => sequence,
                (true, false) => edge(playlist),
                (false, _) => after(playlist, played),
            };
        }
        match (playlist.start_s, self.lived && playlist.kind != Kind::Vod) {
            (None, false) => playlist.first_sequence().unwrap_or(0),
            (None, true) => edge(playlist),
            (Some(start_s), lives) => {
                let from = if start_s < 0.0 { playlist.duration().as_secs_f64() + start_s } else { start_s };
                let from = Duration::try_from_secs_f64(from.max(0.0)).unwrap_or(Duration::ZERO);
                // The last segment that begins no later.
                let mut at = Duration::ZERO;
                let mut sequence = playlist.first_sequence().unwrap_or(0);
                for segment in playlist.segments.iter().take_while(|segment| {
                    at += segment.duration;
                    at - segment.duration <= from
                }) {
                    sequence = segment.sequence;
                }
                if lives { sequence.min(edge(playlist)) } else { sequence }
            }
        }
    }

    pub fn fetched(&mut self, now: Duration) {
        self.played += self.segment().map_or(Duration::ZERO, |segment| segment.duration);
        self.next = self.next.saturating_add(1);
        (self.hole, self.attempt, self.lost_in_row) = (Duration::ZERO, None, 0);
        self.good_at = now;
        self.fetched_in_lap = true;
    }

    /// Tries again within the segment's time, then leaves it out.
    pub fn fetch_failed(&mut self, failed: Failed, now: Duration) {
        let time = self.segment().map_or(Duration::ZERO, segment_time);
        let Some(attempt) = &mut self.attempt else { return };
        let not_before = now + attempt.pause;
        if failed == Failed::Now && not_before <= attempt.since + time {
            attempt.not_before = not_before;
            attempt.pause = (attempt.pause * 2).min(LONGEST_RETRY);
        } else {
            self.lost_in_row += 1;
            self.skip();
        }
    }
}

fn segment_time(segment: &Segment) -> Duration {
    segment.duration.clamp(LEAST_SEGMENT_TIME, LONGEST_SEGMENT_TIME)
}

/// The newest segment that begins no less than three target durations from the end, or the first one.
fn edge(playlist: &MediaPlaylist) -> u64 {
    let mut left = playlist.target * EDGE_TARGETS;
    for segment in playlist.segments.iter().rev() {
        left = left.saturating_sub(segment.duration);
        if left.is_zero() {
            return segment.sequence;
        }
    }
    playlist.first_sequence().unwrap_or(0)
}

/// The segment of a whole presentation that follows after `played` of it.
fn after(playlist: &MediaPlaylist, played: Duration) -> u64 {
    let mut at = Duration::ZERO;
    for segment in &playlist.segments {
        if at + segment.duration / 2 >= played {
            return segment.sequence;
        }
        at += segment.duration;
    }
    playlist.next_sequence().unwrap_or(0)
}

/// Whether `playlist`, which ends sooner, is what `known` was before.
fn is_older(known: &MediaPlaylist, playlist: &MediaPlaylist) -> bool {
    // The last name alone: what stands before it may be a token that is new in every answer.
    let name = |segment: &Segment| segment.url.path().rsplit('/').next().map(str::to_owned);
    common(known, playlist).is_some_and(|(a, b)| name(a) == name(b))
}

/// What all segments that are there are encrypted with, if nothing here undoes it.
fn refused_by(playlist: &MediaPlaylist) -> Option<Arc<str>> {
    let mut refused = None;
    for segment in playlist.segments.iter().filter(|segment| !segment.gap) {
        match &segment.protection {
            Protection::Refused { method } => refused = Some(Arc::clone(method)),
            _ => return None,
        }
    }
    refused
}

/// The newest number that both playlists have.
fn common<'a>(a: &'a MediaPlaylist, b: &'a MediaPlaylist) -> Option<(&'a Segment, &'a Segment)> {
    let first = a.first_sequence()?.max(b.first_sequence()?);
    let last = a.segments.last()?.sequence.min(b.segments.last()?.sequence);
    let at = |playlist: &'a MediaPlaylist| {
        let index = last.checked_sub(playlist.first_sequence()?)?;
        playlist.segments.get(usize::try_from(index).ok()?)
    };
    if last < first { None } else { Some((at(a)?, at(b)?)) }
}
