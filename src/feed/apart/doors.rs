//! Doors of a pipeline that is in another process: what is fetched here goes in there.
//!
//! What a playlist writes and says stays here, under a number: the child, whose pictures tell, finds out when it is due.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::message::{Down, Lie, Takes, Track};
use super::parent::Link;
use super::watched::Ended;
use crate::captions::Text;
use crate::cues::track::Signal;
use crate::feed::error::SourceError;
use crate::feed::intake::Gone;
use crate::feed::pipeline;
use crate::feed::playlist::Said;
use crate::feed::texts::TextOrigin;
use crate::frame::SoundTrack;

/// Bytes of a door that may be under way.
const WINDOW: u32 = 1 << 18;
/// Bytes of one message.
const PIECE: usize = 1 << 16;
const OPEN_PATIENCE: Duration = Duration::from_secs(10);
/// Texts and cues whose time is asked for at most. The oldest goes first.
const MOST_ASKED: usize = 2048;

#[derive(Default)]
struct Door {
    /// Whether it is open, once that is known.
    opened: Option<Result<(), SourceError>>,
    under_way: u32,
}

/// What the parent keeps of what it pushed.
#[derive(Default)]
pub struct Desk {
    next: u32,
    doors: BTreeMap<u32, Door>,
    numbers: u64,
    texts: BTreeMap<u64, (Arc<TextOrigin>, Text)>,
    cues: BTreeMap<u64, Signal>,
}

impl Desk {
    pub fn opened(&mut self, door: u32, error: Option<SourceError>) -> Result<(), Lie> {
        let door = self.doors.get_mut(&door).filter(|door| door.opened.is_none()).ok_or(Lie::Value("a door"))?;
        door.opened = Some(error.map_or(Ok(()), Err));
        Ok(())
    }

    pub fn took(&mut self, door: u32, bytes: u32) -> Result<(), Lie> {
        // One that was closed is forgotten before it has taken everything in.
        let Some(door) = self.doors.get_mut(&door) else { return Ok(()) };
        door.under_way = door.under_way.checked_sub(bytes).ok_or(Lie::Value("a door's bytes"))?;
        Ok(())
    }

    pub fn take_text(&mut self, number: u64) -> Option<(Arc<TextOrigin>, Text)> {
        self.texts.remove(&number)
    }

    pub fn take_cue(&mut self, number: u64) -> Option<Signal> {
        self.cues.remove(&number)
    }
}

/// As [`pipeline::Doors`].
#[derive(Clone)]
pub struct FarDoors {
    link: Arc<Link>,
}

impl FarDoors {
    pub fn new(link: Arc<Link>) -> Self {
        Self { link }
    }

    pub fn open(
        &self,
        takes: pipeline::Takes,
        timed: bool,
        beside: Option<&SoundTrack>,
    ) -> Result<FarFed, SourceError> {
        let door = {
            let mut desk = self.link.desk.lock();
            desk.next += 1;
            let door = desk.next;
            desk.doors.insert(door, Door::default());
            door
        };
        let beside = beside.map(Track::of);
        self.link.say(&Down::Open { door, takes: takes.into(), timed, beside });
        let until = Instant::now() + OPEN_PATIENCE;
        let mut desk = self.link.desk.lock();
        loop {
            if let Some(opened) = desk.doors.get(&door).and_then(|door| door.opened.clone()) {
                return opened.map(|()| FarFed { link: Arc::clone(&self.link), door });
            }
            if self.link.is_over() || self.link.changed.wait_until(&mut desk, until).timed_out() {
                return Err(SourceError::Pipeline("the process that decodes it opens no door".into()));
            }
        }
    }

    pub fn expect_sound(&self) {
        self.link.say(&Down::ExpectSound);
    }

    pub fn text(&self, origin: &Arc<TextOrigin>, text: Text, stands: Range<i64>) {
        let number = {
            let mut desk = self.link.desk.lock();
            desk.numbers += 1;
            let number = desk.numbers;
            desk.texts.insert(number, (Arc::clone(origin), text));
            if desk.texts.len() > MOST_ASKED {
                desk.texts.pop_first();
            }
            number
        };
        self.link.say(&Down::Text { number, start: stands.start, end: stands.end });
    }

    pub fn cue(&self, said: Said, base: i64) {
        let (signal, start, end) = match said {
            Said::Tag { tag, at } => (Signal::Older(tag), Some(at), None),
            Said::Range { range, start, end } => (Signal::Range { range, start: None, end: None }, start, end),
        };
        let number = {
            let mut desk = self.link.desk.lock();
            desk.numbers += 1;
            let number = desk.numbers;
            desk.cues.insert(number, signal);
            if desk.cues.len() > MOST_ASKED {
                desk.cues.pop_first();
            }
            number
        };
        self.link.say(&Down::Cue { number, start, end, base });
    }

    pub fn date(&self, raw: i64, unix_us: i64) {
        self.link.say(&Down::Date { raw, unix_us });
    }

    pub fn fail(&self, error: SourceError) {
        self.link.fail(Ended::Source, error);
    }

    pub fn over_within(&self, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        let mut desk = self.link.desk.lock();
        while !self.link.is_over() && !self.link.changed.wait_until(&mut desk, until).timed_out() {}
        self.link.is_over()
    }
}

/// As [`pipeline::Fed`].
pub struct FarFed {
    link: Arc<Link>,
    door: u32,
}

impl FarFed {
    pub fn push(&self, mut bytes: Bytes, at: Option<Duration>) -> Result<(), Gone> {
        let mut at_ns = at.map(|at| u64::try_from(at.as_nanos()).unwrap_or(u64::MAX));
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(PIECE));
            self.reserve(piece.len() as u32)?;
            // The rest follows what is timed.
            let message = Down::Push { door: self.door, at_ns: at_ns.take() };
            if !self.link.say_with(&message, &piece) {
                return Err(Gone);
            }
        }
        Ok(())
    }

    /// Waits for room.
    fn reserve(&self, bytes: u32) -> Result<(), Gone> {
        let mut desk = self.link.desk.lock();
        loop {
            if self.link.is_over() {
                return Err(Gone);
            }
            let door = desk.doors.get_mut(&self.door).ok_or(Gone)?;
            if door.under_way + bytes <= WINDOW {
                door.under_way += bytes;
                return Ok(());
            }
            self.link.changed.wait(&mut desk);
        }
    }

    pub fn fresh(&self, zero: Option<[i64; 2]>) {
        self.link.say(&Down::Fresh { door: self.door, zero });
    }

    pub fn end(&self) {
        self.link.say(&Down::End { door: self.door });
        self.link.desk.lock().doors.remove(&self.door);
        self.link.changed.notify_all();
    }
}

impl From<pipeline::Takes> for Takes {
    fn from(takes: pipeline::Takes) -> Self {
        match takes {
            pipeline::Takes::Both => Self::Both,
            pipeline::Takes::Picture => Self::Picture,
            pipeline::Takes::Sound => Self::Sound,
        }
    }
}

impl From<Takes> for pipeline::Takes {
    fn from(takes: Takes) -> Self {
        match takes {
            Takes::Both => Self::Both,
            Takes::Picture => Self::Picture,
            Takes::Sound => Self::Sound,
        }
    }
}
