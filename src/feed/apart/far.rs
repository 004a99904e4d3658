//! The child's end: what a run hands over to where the intake is another process's.
//!
//! Nobody holds a lock while waiting for a credit.

use std::io::{self, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use gstreamer as gst;
use parking_lot::{Condvar, Mutex};

use super::message::{self, Form, Lane, Origin, PictureHead, Place, Track, Up};
use super::places::Places;
use crate::cadence::{Placed, SourceNanos, Step};
use crate::cues::track::Signal;
use crate::feed::error::SourceError;
use crate::feed::intake::Gone;
use crate::feed::outlet::Outlet;
use crate::feed::room::{DecodeRoom, Refused};
use crate::feed::signals::Signalled;
use crate::feed::texts::Writing;
use crate::frame::{CodedSound, Picture, SoundTrack};
use crate::sync::Claim;
use crate::timeline::{Clock, MediaTime, SAMPLE_RATE_HZ};

/// Messages of a lane of sound that may be under way, and how many of them are taken in before that is said: each time somebody is woken, and somebody
/// there.
pub const WINDOW: u32 = 8;
pub const SAID_AT_ONCE: u32 = 4;
/// Pictures that may be, and how many of them are taken in before that is said.
pub const PICTURES: u32 = 4;
pub const PICTURES_AT_ONCE: u32 = 2;
/// Samples of one message: a stretch that is longer is told in several.
const MOST_SAMPLES: usize = 1 << 16;
/// The parent answers at once or is gone.
const ANSWER_PATIENCE: Duration = Duration::from_secs(2);

/// The pipe to the parent. What cannot be written ends the run: the parent is gone.
pub struct Mouth {
    words: Mutex<Words>,
    over: AtomicBool,
}

struct Words {
    pipe: UnixStream,
    /// What is said with what comes next.
    held: Vec<u8>,
}

impl Words {
    fn speak(&mut self) -> io::Result<()> {
        let said = self.pipe.write_all(&self.held);
        self.held.clear();
        said
    }
}

impl Mouth {
    pub fn new(pipe: UnixStream) -> Self {
        Self { words: Mutex::new(Words { pipe, held: Vec::new() }), over: AtomicBool::new(false) }
    }

    pub fn say(&self, message: &Up) -> Result<(), Gone> {
        self.say_with(message, &[])
    }

    /// After all that is held.
    pub fn say_with(&self, message: &Up, tail: &[u8]) -> Result<(), Gone> {
        self.with(|words| {
            message::append(&mut words.held, message, tail)?;
            words.speak()
        })
    }

    /// Says one of two with what comes next: the parent is woken half as often. What comes next is a picture, another of these or, at last, the next
    /// beat.
    fn hold_with(&self, message: &Up, tail: &[u8]) -> Result<(), Gone> {
        self.with(|words| {
            let is_second = !words.held.is_empty();
            message::append(&mut words.held, message, tail)?;
            if is_second { words.speak() } else { Ok(()) }
        })
    }

    /// Says what is held.
    fn let_out(&self) -> Result<(), Gone> {
        self.with(|words| if words.held.is_empty() { Ok(()) } else { words.speak() })
    }

    fn with(&self, say: impl FnOnce(&mut Words) -> io::Result<()>) -> Result<(), Gone> {
        if self.is_over() {
            return Err(Gone);
        }
        say(&mut self.words.lock()).map_err(|error| {
            if error.kind() != io::ErrorKind::InvalidInput {
                self.over.store(true, Ordering::Release);
            }
            Gone
        })
    }

    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }
}

#[derive(Default)]
struct Waits {
    pictures: u32,
    sound: u32,
    besides: Vec<u32>,
    beside: Option<Option<u32>>,
    admitted: Option<Result<(), Refused>>,
    last_push: Option<Instant>,
}

impl Waits {
    fn of(&mut self, lane: Lane) -> &mut u32 {
        match lane {
            Lane::Picture => &mut self.pictures,
            Lane::Sound => &mut self.sound,
            Lane::Beside(index) => {
                let index = index as usize;
                if self.besides.len() <= index {
                    self.besides.resize(index + 1, WINDOW);
                }
                &mut self.besides[index]
            }
        }
    }
}

/// The intake, seen from here.
pub struct Far {
    pub mouth: Mouth,
    live: bool,
    pub places: Arc<Places>,
    waits: Mutex<Waits>,
    /// Who waits for a credit for pictures, for one for the main sound, for anything else: nobody is woken by what is not theirs.
    changed: [Condvar; 3],
    /// One question at a time.
    asking: Mutex<()>,
    resettle: AtomicBool,
    delay: AtomicI64,
    left: AtomicU64,
    pictures: AtomicU64,
    clock: Mutex<(u64, Instant)>,
}

impl Far {
    pub fn new(mouth: Mouth, places: Arc<Places>, live: bool, now: u64) -> Self {
        let waits = Waits { pictures: PICTURES, sound: WINDOW, ..Waits::default() };
        Self {
            mouth,
            live,
            places,
            waits: Mutex::new(waits),
            changed: Default::default(),
            asking: Mutex::new(()),
            resettle: AtomicBool::new(false),
            delay: AtomicI64::new(0),
            left: AtomicU64::new(0),
            pictures: AtomicU64::new(0),
            clock: Mutex::new((now, Instant::now())),
        }
    }

    /// Nobody waits any more.
    pub fn end(&self) {
        self.mouth.over.store(true, Ordering::Release);
        let _waits = self.waits.lock();
        self.changed.iter().for_each(|changed| _ = changed.notify_all());
    }

    fn changed(&self, lane: Lane) -> &Condvar {
        match lane {
            Lane::Picture => &self.changed[0],
            Lane::Sound => &self.changed[1],
            Lane::Beside(_) => &self.changed[2],
        }
    }

    fn answered(&self) -> &Condvar {
        &self.changed[2]
    }

    pub fn beat(&self, now: u64, delay: i64, left: f64) {
        *self.clock.lock() = (now, Instant::now());
        self.delay.store(delay, Ordering::Relaxed);
        self.left.store(left.to_bits(), Ordering::Relaxed);
    }

    pub fn credit(&self, lane: Lane, count: u32, resettle: bool) {
        if resettle {
            self.resettle.store(true, Ordering::Release);
        }
        *self.waits.lock().of(lane) += count;
        self.changed(lane).notify_all();
    }

    pub fn answer_beside(&self, index: Option<u32>) {
        self.waits.lock().beside = Some(index);
        self.answered().notify_all();
    }

    pub fn answer_admitted(&self, admitted: Result<(), Refused>) {
        self.waits.lock().admitted = Some(admitted);
        self.answered().notify_all();
    }

    fn await_credit(&self, lane: Lane) -> Result<(), Gone> {
        if *self.waits.lock().of(lane) == 0 {
            // Its credit may hang on what is held.
            self.mouth.let_out()?;
        }
        let mut waits = self.waits.lock();
        while *waits.of(lane) == 0 && !self.mouth.is_over() {
            self.changed(lane).wait(&mut waits);
        }
        if self.mouth.is_over() {
            return Err(Gone);
        }
        *waits.of(lane) -= 1;
        waits.last_push = Some(Instant::now());
        Ok(())
    }

    fn ask<T>(&self, question: &Up, answer: impl Fn(&mut Waits) -> Option<T>) -> Option<T> {
        let _asking = self.asking.lock();
        // An answer that came too late is not the next one's.
        answer(&mut self.waits.lock());
        self.mouth.say(question).ok()?;
        let until = Instant::now() + ANSWER_PATIENCE;
        let mut waits = self.waits.lock();
        loop {
            if let Some(answer) = answer(&mut waits) {
                return Some(answer);
            }
            if self.mouth.is_over() || self.answered().wait_until(&mut waits, until).timed_out() {
                return None;
            }
        }
    }

    /// In pieces that messages have room for.
    fn push(&self, lane: Lane, place: Placed, interleaved: &[i16], head: impl Fn(Place) -> Up) -> Result<(), Gone> {
        let mut place = place;
        for piece in interleaved.chunks(2 * MOST_SAMPLES) {
            self.await_credit(lane)?;
            self.mouth.hold_with(&head(Place::of(place)), &message::bytes_of(piece))?;
            let nanos = (piece.len() as i64 / 2) * 1_000_000_000 / i64::from(SAMPLE_RATE_HZ);
            place = Placed { at: place.at + nanos, raw: place.raw + nanos, step: Step::Follows };
        }
        Ok(())
    }

    /// What cannot be said is left unsaid: the run is over then.
    fn tell(&self, message: &Up, tail: &[u8]) {
        let _ = self.mouth.say_with(message, tail);
    }
}

impl Outlet for Far {
    fn picture_pool(&self) -> Option<gst::BufferPool> {
        Some(self.places.pool())
    }

    fn is_live(&self) -> bool {
        self.live
    }

    fn pictures_in_run(&self) -> u64 {
        self.pictures.load(Ordering::Relaxed)
    }

    fn signal(&self, _run: u64, signalled: Signalled) {
        let Signalled { signal, at, ends, .. } = signalled;
        match signal {
            Signal::Section(info) => self.tell(&Up::Section { at }, info.section()),
            // A playlist's words stay with the parent: here they are numbers.
            Signal::Range { range, .. } => {
                if let Ok(number) = range.id.parse() {
                    self.tell(&Up::CueStands { number, at, ends }, &[]);
                }
            }
            Signal::Older(_) => {}
        }
    }

    fn write(&self, _run: u64, at: SourceNanos, writing: Writing) {
        match writing {
            Writing::Captions(data) => self.tell(&Up::Captions { at }, &data),
            Writing::Teletext { origin, page, data } => {
                self.tell(&Up::Teletext { at, origin: Origin::of(&origin), page }, &data);
            }
            Writing::Cue { origin, until, .. } => {
                if let Ok(number) = origin.name.parse() {
                    self.tell(&Up::TextStands { number, at, until }, &[]);
                }
            }
        }
    }

    fn claim(&self, _run: u64, place: Placed, claim: Option<Claim>) {
        let place = Place::of(place);
        let message = match claim.map(message::claim_code) {
            Some((clock, captured)) => Up::Claim { place, clock, captured },
            None => Up::NoClaim(place),
        };
        self.tell(&message, &[]);
    }

    fn expect_sound(&self, _run: u64, expected: bool) {
        self.tell(&Up::ExpectSound(expected), &[]);
    }

    fn realign_sound(&self, _run: u64) {
        self.tell(&Up::RealignSound, &[]);
    }

    fn take_resettling(&self, _run: u64) -> bool {
        self.resettle.swap(false, Ordering::AcqRel)
    }

    fn push_picture(
        &self,
        _run: u64,
        place: Placed,
        picture: Picture,
        fps: Option<(u32, u32)>,
        _now: MediaTime,
    ) -> Result<(), Gone> {
        #[cfg(test)]
        super::tests::planted(self.pictures.load(Ordering::Relaxed));
        self.await_credit(Lane::Picture)?;
        let (number, planes) = self.places.show(&picture).map_err(|error| {
            self.tell(&Up::Failed(SourceError::Pipeline(error.to_string())), &[]);
            Gone
        })?;
        let head = PictureHead {
            number,
            width: picture.width,
            height: picture.height,
            colour: message::colour_code(picture.colour),
            pixel_aspect: picture.pixel_aspect,
            fps,
            sent_us: super::watched::now_us(),
            planes,
            place: Place::of(place),
        };
        self.pictures.fetch_add(1, Ordering::Relaxed);
        self.mouth.say(&Up::Picture(head))
    }

    fn push_sound(&self, _run: u64, place: Placed, interleaved: &[i16]) -> Result<(), Gone> {
        self.push(Lane::Sound, place, interleaved, Up::Sound)
    }

    fn push_coded(&self, _run: u64, form: CodedSound, at: SourceNanos, data: Bytes) {
        self.tell(&Up::Coded { form: Form::of(form), at }, &data);
    }

    fn sound_beside(&self, _run: u64, track: SoundTrack, most: usize) -> Option<usize> {
        let most = u32::try_from(most).unwrap_or(u32::MAX);
        let question = Up::SoundBeside { track: Track::of(&track), most };
        self.ask(&question, |waits| waits.beside.take()).flatten().map(|index| index as usize)
    }

    fn realign_beside(&self, _run: u64, index: usize) {
        self.tell(&Up::RealignBeside(index as u32), &[]);
    }

    fn realign_besides(&self, _run: u64) {
        self.tell(&Up::RealignBesides, &[]);
    }

    fn push_beside(&self, _run: u64, index: usize, place: Placed, interleaved: &[i16]) -> Result<(), Gone> {
        let index = index as u32;
        self.push(Lane::Beside(index), place, interleaved, |place| Up::Beside { index, place })
    }

    fn held_for(&self, arrived: MediaTime, now: MediaTime) -> Duration {
        let delay = self.delay.load(Ordering::Relaxed);
        Duration::from_nanos(delay.max(0).unsigned_abs()).saturating_sub(now.since(arrived))
    }

    fn idle_since(&self, started: (Instant, MediaTime), now: MediaTime) -> (Duration, Duration) {
        let waits = self.waits.lock();
        if waits.pictures == 0 || waits.sound == 0 {
            return (Duration::ZERO, Duration::ZERO);
        }
        let real = waits.last_push.map_or(started.0, |at| at.max(started.0));
        (real.elapsed(), now.since(started.1))
    }
}

impl Clock for Far {
    fn now(&self) -> MediaTime {
        let (now, at) = *self.clock.lock();
        MediaTime::from_nanos(now) + at.elapsed()
    }

    fn wait_until(&self, at: MediaTime, patience: Duration) -> bool {
        std::thread::sleep(at.since(self.now()).min(patience));
        self.now() >= at
    }
}

impl DecodeRoom for Far {
    fn admit(&self, cores: f64) -> Result<(), Refused> {
        self.ask(&Up::Admit(cores), |waits| waits.admitted.take()).unwrap_or(Err(Refused::Unanswered))
    }

    fn left(&self) -> f64 {
        f64::from_bits(self.left.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Read as _};

    use super::*;

    #[test]
    fn what_is_held_is_said_with_what_comes_next() {
        let (ours, mut parents) = UnixStream::pair().unwrap();
        parents.set_nonblocking(true).unwrap();
        let mouth = Mouth::new(ours);
        let mut heard = || {
            let mut bytes = vec![0; 1 << 16];
            match parents.read(&mut bytes) {
                Ok(length) => bytes.truncate(length),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::WouldBlock);
                    bytes.clear();
                }
            }
            let (mut from, mut buffer, mut tails) = (&bytes[..], Vec::new(), Vec::new());
            while let Some(()) = message::receive(&mut from, &mut buffer).unwrap() {
                tails.push(message::parse::<Up>(&buffer).unwrap().1.to_vec());
            }
            tails
        };
        let sound = Up::RealignSound;
        mouth.hold_with(&sound, b"one").unwrap();
        assert!(heard().is_empty());
        mouth.hold_with(&sound, b"two").unwrap();
        assert_eq!(heard(), [b"one", b"two"], "the second of two goes at once");
        mouth.hold_with(&sound, b"three").unwrap();
        assert!(mouth.hold_with(&sound, &vec![0; message::MOST_BYTES]).is_err(), "what is too long is not said");
        mouth.say_with(&Up::Beat, b"four").unwrap();
        assert_eq!(heard(), [&b"three"[..], b"four"]);
        mouth.hold_with(&sound, b"five").unwrap();
        mouth.let_out().unwrap();
        mouth.let_out().unwrap();
        assert_eq!(heard(), [b"five"]);
    }

    #[test]
    fn who_waits_for_a_credit_holds_nothing_back() {
        let (ours, mut parents) = UnixStream::pair().unwrap();
        let memory = super::super::shared::Shared::new().unwrap();
        let places = Places::new(&memory.memory().try_clone_to_owned().unwrap()).unwrap();
        let far = Arc::new(Far::new(Mouth::new(ours), places, false, 0));
        // The last that there is credit for is the first of two then.
        far.mouth.hold_with(&Up::RealignSound, &[]).unwrap();
        let child = Arc::clone(&far);
        let pushing = std::thread::spawn(move || {
            let place = Placed { at: 0, raw: 0, step: Step::Follows };
            (0..=WINDOW).try_for_each(|_| child.push_sound(0, place, &[0; 64]))
        });
        let mut buffer = Vec::new();
        for _ in 0..=WINDOW {
            message::receive(&mut parents, &mut buffer).unwrap().unwrap();
        }
        far.credit(Lane::Sound, 2, false);
        assert!(pushing.join().unwrap().is_ok());
        far.mouth.say(&Up::Beat).unwrap();
        message::receive(&mut parents, &mut buffer).unwrap().unwrap();
        assert!(matches!(message::parse::<Up>(&buffer).unwrap().0, Up::Sound(_)));
    }
}
