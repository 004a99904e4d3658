//! The lanes, without threads: what is given is done at once.

use std::sync::Arc;

use parking_lot::Mutex;

use super::message::{Lane, Lie, PictureHead};
use super::parent::Link;
use super::shared::Shared;
use super::watched::Ended;
use crate::cadence::Placed;
use crate::feed::error::SourceError;
use crate::feed::intake::Intake;
use crate::timeline::Clock;

pub enum Task {
    Picture(PictureHead, Placed),
    Sound(Placed, Vec<i16>),
    Beside(u32, Placed, Vec<i16>),
    RealignSound,
    RealignBeside(u32),
    ExpectNoSound,
}

pub const MOST_BESIDES: u32 = 16;

pub struct Target {
    pub intake: Arc<Intake>,
    pub run: u64,
    pub clock: Arc<dyn Clock>,
}

pub struct Lanes {
    pub target: Target,
    pub link: Arc<Link>,
    pub shared: Mutex<Shared>,
    pub besides: Mutex<u32>,
}

/// Source times as far from zero as a child may say.
fn bounded(place: Placed) {
    assert!(place.at.unsigned_abs() <= 1 << 59 && place.raw.unsigned_abs() <= 1 << 59);
}

impl Lanes {
    pub fn give(&self, lane: Lane, task: Task) -> Result<(), Lie> {
        let Target { intake, run, clock } = &self.target;
        if let Lane::Beside(index) = lane
            && index >= *self.besides.lock()
        {
            return Err(Lie::Value("a sound"));
        }
        match task {
            Task::Picture(head, place) => {
                bounded(place);
                let picture = self.shared.lock().take(&head)?;
                super::checks::picture(&head, &picture);
                let fps = head.fps.filter(|(num, den)| *num > 0 && *den > 0);
                let _ = intake.push_picture(*run, place, picture, fps, clock.now());
            }
            Task::Sound(place, interleaved) => {
                bounded(place);
                let _ = intake.push_sound(*run, place, &interleaved);
                let _ = intake.take_resettling(*run);
            }
            Task::Beside(index, place, interleaved) => {
                bounded(place);
                let _ = intake.push_beside(*run, index as usize, place, &interleaved);
            }
            Task::RealignSound => intake.realign_sound(*run),
            Task::RealignBeside(index) => intake.realign_beside(*run, index as usize),
            Task::ExpectNoSound => intake.expect_sound(*run, false),
        }
        Ok(())
    }

    pub fn open_beside(&self, index: usize) -> Result<(), SourceError> {
        let mut besides = self.besides.lock();
        *besides = (*besides).max(index as u32 + 1).min(MOST_BESIDES);
        Ok(())
    }

    pub fn end(&self, why: Ended, error: SourceError) {
        self.link.fail(why, error);
    }

    pub fn realign_besides(&self) -> Result<(), Lie> {
        let count = *self.besides.lock();
        (0..count).try_for_each(|index| self.give(Lane::Beside(index), Task::RealignBeside(index)))
    }
}
