//! The parent's end of what a child decodes: a thread for each lane, which makes the calls that the pipeline would have made.

use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use parking_lot::Mutex;

use super::far::{PICTURES, PICTURES_AT_ONCE, SAID_AT_ONCE, WINDOW};
use super::message::{Lane, Lie, PictureHead};
use super::parent::Link;
use super::shared::Shared;
use super::watched::Ended;
use crate::cadence::Placed;
use crate::feed::error::SourceError;
use crate::feed::intake::Intake;
use crate::timeline::Clock;

/// What is to be done, in order, within a lane.
pub enum Task {
    Picture(PictureHead, Placed),
    Sound(Placed, Vec<i16>),
    Beside(u32, Placed, Vec<i16>),
    /// What is heard next stands exactly where its timestamp says.
    RealignSound,
    RealignBeside(u32),
    ExpectNoSound,
    /// Nothing follows.
    Last(Arc<Last>),
}

/// What ends a run. It is told when every lane has come to it, or is gone: what a child said before it is taken in first.
pub struct Last {
    link: Arc<Link>,
    end: Option<(Ended, SourceError)>,
}

impl Drop for Last {
    fn drop(&mut self) {
        if let Some((why, error)) = self.end.take() {
            self.link.fail(why, error);
        }
    }
}

/// Beside what a child has credit for, what it says without asking.
const MOST_UNASKED: usize = 64;
/// Sounds beside the main one that there can be.
pub const MOST_BESIDES: u32 = 16;

/// Where a run's pictures and sounds go.
pub struct Target {
    pub intake: Arc<Intake>,
    pub run: u64,
    pub clock: Arc<dyn Clock>,
}

/// The lanes of one child.
pub struct Lanes {
    target: Arc<Target>,
    link: Arc<Link>,
    picture: Sender<Task>,
    sound: Sender<Task>,
    besides: Mutex<Vec<Sender<Task>>>,
}

impl Lanes {
    /// # Errors
    /// No threads.
    pub fn start(target: Target, link: &Arc<Link>, mut shared: Shared) -> Result<Self, SourceError> {
        let (target, link) = (Arc::new(target), Arc::clone(link));
        let picture = {
            let (target, link) = (Arc::clone(&target), Arc::clone(&link));
            let mut owed = Owed::new(&link, Lane::Picture, PICTURES_AT_ONCE);
            lane("feed-pictures", PICTURES, move |task| {
                let Task::Picture(head, place) = task else { return true };
                let picture = match shared.take(&head) {
                    Ok(picture) => picture,
                    Err(lie) => {
                        link.lied(&lie);
                        return false;
                    }
                };
                let fps = head.fps.filter(|(num, den)| *num > 0 && *den > 0);
                let now = target.clock.now();
                let pushed = target.intake.push_picture(target.run, place, picture, fps, now);
                // Said though the child be gone: what it brought is shown all the same.
                pushed.is_ok_and(|()| {
                    owed.took(false);
                    true
                })
            })?
        };
        let sound = {
            let (target, mut owed) = (Arc::clone(&target), Owed::new(&link, Lane::Sound, SAID_AT_ONCE));
            lane("feed-sound", WINDOW, move |task| target.hear(&mut owed, task))?
        };
        Ok(Self { target, link, picture, sound, besides: Mutex::default() })
    }

    /// # Errors
    /// [`Lie::Flood`]: more than was asked for.
    pub fn give(&self, lane: Lane, task: Task) -> Result<(), Lie> {
        let given = match lane {
            Lane::Picture => self.picture.try_send(task),
            Lane::Sound => self.sound.try_send(task),
            Lane::Beside(index) => match self.besides.lock().get(index as usize) {
                Some(beside) => beside.try_send(task),
                None => return Err(Lie::Value("a sound")),
            },
        };
        match given {
            Err(TrySendError::Full(_)) => Err(Lie::Flood("pictures or sound")),
            // A lane that has ended: the run is over.
            Ok(()) | Err(TrySendError::Disconnected(_)) => Ok(()),
        }
    }

    /// There is a sound of that number.
    pub fn open_beside(&self, index: usize) -> Result<(), SourceError> {
        let mut besides = self.besides.lock();
        while besides.len() <= index && besides.len() < MOST_BESIDES as usize {
            let lane_of = Lane::Beside(besides.len() as u32);
            let (target, mut owed) = (Arc::clone(&self.target), Owed::new(&self.link, lane_of, SAID_AT_ONCE));
            besides.push(lane("feed-beside", WINDOW, move |task| target.hear(&mut owed, task))?);
        }
        Ok(())
    }

    /// The run ends when all that was given has been done.
    pub fn end(&self, why: Ended, error: SourceError) {
        let last = Arc::new(Last { link: Arc::clone(&self.link), end: Some((why, error)) });
        for lane in [&self.picture, &self.sound].into_iter().chain(&*self.besides.lock()) {
            // One that is full or has ended is not waited for.
            let _ = lane.try_send(Task::Last(Arc::clone(&last)));
        }
    }

    /// Another lap begins, for all of them.
    pub fn realign_besides(&self) -> Result<(), Lie> {
        let count = self.besides.lock().len() as u32;
        (0..count).try_for_each(|index| self.give(Lane::Beside(index), Task::RealignBeside(index)))
    }
}

/// A lane's thread. It ends with its sender, or when `work` says so.
fn lane(
    name: &str,
    window: u32,
    mut work: impl FnMut(Task) -> bool + Send + 'static,
) -> Result<Sender<Task>, SourceError> {
    let (sender, tasks): (_, Receiver<Task>) = bounded(window as usize + MOST_UNASKED);
    let thread =
        std::thread::Builder::new().name(name.into()).spawn(move || while tasks.recv().is_ok_and(&mut work) {});
    thread.map_err(|error| SourceError::Pipeline(format!("no thread: {error}")))?;
    Ok(sender)
}

/// What was taken in of a lane, and not said.
struct Owed {
    link: Arc<Link>,
    lane: Lane,
    at_once: u32,
    count: u32,
}

impl Owed {
    fn new(link: &Arc<Link>, lane: Lane, at_once: u32) -> Self {
        Self { link: Arc::clone(link), lane, at_once, count: 0 }
    }

    fn took(&mut self, resettle: bool) {
        self.count += 1;
        if self.count == self.at_once || resettle {
            self.link.credit(self.lane, std::mem::take(&mut self.count), resettle);
        }
    }
}

impl Target {
    fn hear(&self, owed: &mut Owed, task: Task) -> bool {
        let Self { intake, run, .. } = self;
        match task {
            Task::Sound(place, interleaved) => intake.push_sound(*run, place, &interleaved).is_ok_and(|()| {
                owed.took(intake.take_resettling(*run));
                true
            }),
            Task::Beside(index, place, interleaved) => {
                intake.push_beside(*run, index as usize, place, &interleaved).is_ok_and(|()| {
                    owed.took(false);
                    true
                })
            }
            Task::RealignSound => {
                intake.realign_sound(*run);
                true
            }
            Task::RealignBeside(index) => {
                intake.realign_beside(*run, index as usize);
                true
            }
            Task::ExpectNoSound => {
                intake.expect_sound(*run, false);
                true
            }
            Task::Last(last) => {
                drop(last);
                true
            }
            Task::Picture(..) => true,
        }
    }
}
