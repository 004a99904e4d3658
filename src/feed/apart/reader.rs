//! What a child says, heard by its parent.

use std::io::{BufReader, ErrorKind};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use super::doors::FarDoors;
use super::lanes::{Lanes, MOST_BESIDES, Target, Task};
use super::message::{self, Down, Lane, Lie, Up};
use super::meter::Meter;
use super::parent::Link;
use super::watched::{Ended, Wall};
use crate::cues::scte35::SpliceInfo;
use crate::cues::track::{Signal, Source};
use crate::feed::error::SourceError;
use crate::feed::facts::Facts;
use crate::feed::pipeline::Doors;
use crate::feed::room::{Decoding, Refused};
use crate::feed::signals::Signalled;
use crate::feed::texts::Writing;

/// Cores that one source may be granted in all.
const MOST_CORES: f64 = 16.0;
/// Pixels by which a cost is told to those who average it.
const TOLD_PIXELS: u64 = 1280 * 720;
/// Longest `cc_data()`: a head and as many triples as it can count (ATSC A/53 part 4, 6.2.3.1).
const MOST_CC_DATA: usize = 2 + 31 * 3;
/// Longest data of a page of teletext, of a section, of a frame of coded sound.
const MOST_ASIDE: usize = 1 << 16;

/// What a child said of itself.
#[derive(Default)]
pub struct Told {
    /// It says that it lives: it does so from when its pipeline has started, which takes its time on a machine that is busy.
    pub beats: bool,
    /// Why nothing comes, where an element knows.
    pub warned: Option<SourceError>,
    /// What does not stand around it.
    pub missing: Vec<Wall>,
}

/// Calls the feeder of a source that comes through doors.
pub type Feeder = Box<dyn FnOnce(Doors) + Send>;

pub struct Reader {
    pub link: Arc<Link>,
    pub lanes: Lanes,
    pub target: Target,
    pub facts: Arc<Mutex<Facts>>,
    pub told: Arc<Mutex<Told>>,
    pub decoding: Decoding,
    pub feeder: Option<Feeder>,
    /// Cores that the child was granted.
    pub granted: f64,
}

impl Reader {
    /// Hears the child out.
    pub fn work(mut self, pipe: UnixStream) {
        let (mut pipe, mut buffer, mut meter) = (BufReader::with_capacity(1 << 16, pipe), Vec::new(), Meter::new());
        loop {
            let heard = match message::receive(&mut pipe, &mut buffer) {
                Ok(Some(())) => meter.take(buffer.len()).and_then(|()| self.take(&buffer)),
                Err(error) if error.kind() == ErrorKind::InvalidData => Err(Lie::Length(message::MOST_BYTES + 1)),
                Ok(None) | Err(_) => {
                    self.lanes.end(Ended::Died, SourceError::Ended);
                    break;
                }
            };
            if let Err(lie) = heard {
                self.link.lied(&lie);
                break;
            }
        }
        self.link.end();
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), Lie> {
        let (message, tail) = message::parse::<Up>(bytes)?;
        self.link.hear();
        match message {
            Up::Sound(place) => {
                let task = Task::Sound(place.checked()?, message::samples_of(tail)?);
                return self.lanes.give(Lane::Sound, task);
            }
            Up::Beside { index, place } => {
                let task = Task::Beside(index, place.checked()?, message::samples_of(tail)?);
                return self.lanes.give(Lane::Beside(index), task);
            }
            Up::Section { .. } | Up::Captions { .. } | Up::Teletext { .. } | Up::Coded { .. } => {
                return self.take_aside(message, tail);
            }
            _ if !tail.is_empty() => return Err(Lie::Malformed),
            Up::Picture(head) => {
                // Not when there is room for it: a file's pictures wait for that, here as inside.
                self.link.handed_over(head.sent_us);
                let place = head.place.checked()?;
                self.lanes.give(Lane::Picture, Task::Picture(head, place))?;
            }
            Up::RealignSound => self.lanes.give(Lane::Sound, Task::RealignSound)?,
            Up::RealignBesides => self.lanes.realign_besides()?,
            Up::RealignBeside(index) => self.lanes.give(Lane::Beside(index), Task::RealignBeside(index))?,
            // Before the next picture, which a tick shows with the sound that belongs to it.
            Up::ExpectSound(true) => self.target.intake.expect_sound(self.target.run, true),
            // After the sound that came before.
            Up::ExpectSound(false) => self.lanes.give(Lane::Sound, Task::ExpectNoSound)?,
            other => return self.take_word(other),
        }
        Ok(())
    }

    /// What goes with pictures and sound, and never waits.
    fn take_aside(&self, message: Up, tail: &[u8]) -> Result<(), Lie> {
        let Target { intake, run, .. } = &self.target;
        if tail.len() > MOST_ASIDE {
            return Err(Lie::Length(tail.len()));
        }
        match message {
            Up::Section { at } => {
                let info = SpliceInfo::parse(tail).map_err(|_| Lie::Value("a section"))?;
                self.signal(Signal::Section(info), Source::Ts, at.map(message::time).transpose()?, None);
            }
            Up::Captions { .. } if tail.len() > MOST_CC_DATA => return Err(Lie::Length(tail.len())),
            Up::Captions { at } => intake.write(*run, message::time(at)?, Writing::Captions(tail.to_vec())),
            Up::Teletext { at, origin, page } => {
                let origin = Arc::new(origin.checked()?);
                let writing = Writing::Teletext { origin, page, data: tail.to_vec() };
                intake.write(*run, message::time(at)?, writing);
            }
            Up::Coded { form, at } => {
                let form = form.checked(tail)?;
                intake.push_coded(*run, form, message::time(at)?, Bytes::copy_from_slice(tail));
            }
            _ => return Err(Lie::Malformed),
        }
        Ok(())
    }

    fn signal(&self, signal: Signal, source: Source, at: Option<i64>, ends: Option<i64>) {
        let arrived = self.target.clock.now();
        self.target.intake.signal(self.target.run, Signalled { signal, source, arrived, at, ends });
    }

    fn take_word(&mut self, message: Up) -> Result<(), Lie> {
        let Target { intake, run, .. } = &self.target;
        match message {
            Up::Beat => self.told.lock().beats = true,
            Up::Ready { missing } => self.ready(missing),
            Up::Facts { facts, warned } => {
                self.told.lock().warned = warned.map(message::plain_error);
                message::take_facts(&mut self.facts.lock(), *facts);
            }
            Up::Failed(error) => self.lanes.end(Ended::Source, message::plain_error(error)),
            Up::Claim { place, clock, captured } => {
                intake.claim(*run, place.checked()?, Some(message::claim_of(clock, captured)?));
            }
            Up::NoClaim(place) => intake.claim(*run, place.checked()?, None),
            Up::TextStands { number, at, until } => {
                if let Some((origin, text)) = self.link.desk.lock().take_text(number) {
                    let writing = Writing::Cue { origin, text, until: message::time(until)? };
                    intake.write(*run, message::time(at)?, writing);
                }
            }
            Up::CueStands { number, at, ends } => {
                let (at, ends) = (at.map(message::time).transpose()?, ends.map(message::time).transpose()?);
                let signal = self.link.desk.lock().take_cue(number);
                if let Some(signal) = signal {
                    self.signal(signal, Source::Hls, at, ends);
                }
            }
            Up::SoundBeside { track, most } => self.open_beside(track.checked()?, most),
            Up::Admit(cores) => {
                let admitted = self.admit(cores);
                self.link.say(&Down::Admitted(admitted));
            }
            Up::Costs(costs) => self.decoding.costs.told(&costs, TOLD_PIXELS),
            Up::DoorOpened { door, error } => {
                self.link.desk.lock().opened(door, error.map(message::plain_error))?;
                self.link.changed.notify_all();
            }
            Up::DoorTook { door, bytes } => {
                self.link.desk.lock().took(door, bytes)?;
                self.link.changed.notify_all();
            }
            _ => return Err(Lie::Malformed),
        }
        Ok(())
    }

    fn ready(&mut self, mut missing: Vec<Wall>) {
        missing.sort_unstable();
        missing.dedup();
        if !missing.is_empty() {
            tracing::debug!(?missing, "a feed's process is locked in by less than there could be");
        }
        self.told.lock().missing = missing;
        if let Some(feeder) = self.feeder.take() {
            feeder(Doors::far(FarDoors::new(Arc::clone(&self.link))));
        }
    }

    fn open_beside(&self, track: crate::frame::SoundTrack, most: u32) {
        let most = most.min(MOST_BESIDES) as usize;
        let most = most.min(self.decoding.max_sounds.saturating_sub(1));
        let index = self.target.intake.sound_beside(self.target.run, track, most);
        let index = index.filter(|index| match self.lanes.open_beside(*index) {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(%error, "a sound of a source is left out");
                false
            }
        });
        self.link.say(&Down::SoundBeside(index.map(|index| index as u32)));
    }

    fn admit(&mut self, cores: f64) -> Result<(), Refused> {
        let can_be = cores.is_finite() && cores >= 0.0 && self.granted + cores <= MOST_CORES;
        if !can_be {
            return Err(Refused::Left((MOST_CORES - self.granted).max(0.0)));
        }
        self.decoding.room.admit(cores)?;
        self.granted += cores;
        Ok(())
    }
}
