//! The sounds of a source beside its main one, where they meet the ticks: a buffer each, under the intake's lock.
//!
//! What was there once is known for as long as the feed runs: a sound that a source no longer has, or that its backup never had, is silent.

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use super::Pace;
use super::intake::{Gone, Intake, LOCKSTEP_SOUND_PATIENCE, Phase, SOUND_AHEAD, SOUND_CAPACITY, State};
use crate::cadence::{Placed, SoundBuffer, SourceNanos};
use crate::frame::{Sound, SoundTrack};
use crate::timeline::MediaTime;

/// One of them.
pub(super) struct Beside {
    track: SoundTrack,
    sound: SoundBuffer,
    /// Whether more of it is to come in this run.
    expected: bool,
}

/// All of them.
#[derive(Default)]
pub(super) struct Besides(Vec<Beside>);

impl Besides {
    /// Another run of the source, which may have others.
    pub fn restart(&mut self) {
        for beside in &mut self.0 {
            beside.sound.restart();
            beside.expected = false;
        }
    }

    pub fn drop_before(&mut self, at: SourceNanos) {
        self.0.iter_mut().for_each(|beside| beside.sound.drop_before(at));
    }

    /// Whether one of them can take in nothing more: the demuxer behind it stands.
    pub fn is_any_full(&self) -> bool {
        self.0.iter().any(|beside| beside.sound.is_full())
    }
}

impl State {
    /// As [`State::sound_has_to_wait`], of one of the others.
    fn beside_has_to_wait(&self, index: usize) -> bool {
        let Some(beside) = self.besides.0.get(index) else { return false };
        let has_much = beside.sound.len() >= SOUND_AHEAD;
        let is_full = self.clock.is_anchored() && beside.sound.is_full();
        !self.clock.is_live() && has_much && (!self.wants_pictures() || is_full)
    }
}

impl Intake {
    /// The number of a sound beside the main one that run `run` brings; `None` where the run is over, or there are `most` already.
    pub fn sound_beside(&self, run: u64, track: SoundTrack, most: usize) -> Option<usize> {
        let mut state = self.state.lock();
        if state.run != run {
            return None;
        }
        let besides = &mut state.besides.0;
        if let Some(index) = besides.iter().position(|beside| beside.track.id == track.id) {
            besides[index].track = track;
            return Some(index);
        }
        if besides.len() >= most {
            tracing::info!(sound = &*track.id, most, "a sound of a source is left out: there are more than are taken");
            return None;
        }
        besides.push(Beside { track, sound: SoundBuffer::new(SOUND_CAPACITY), expected: false });
        Some(besides.len() - 1)
    }

    /// The next sound of this number belongs exactly where its timestamp says.
    pub fn realign_beside(&self, run: u64, index: usize) {
        let mut state = self.state.lock();
        if state.run == run
            && let Some(beside) = state.besides.0.get_mut(index)
        {
            beside.sound.realign();
        }
    }

    /// The same for all of them: another lap begins.
    pub fn realign_besides(&self, run: u64) {
        let mut state = self.state.lock();
        if state.run == run {
            state.besides.0.iter_mut().for_each(|beside| beside.sound.realign());
        }
    }

    /// As [`Intake::push_sound`], of one of the others.
    pub fn push_beside(&self, run: u64, index: usize, place: Placed, interleaved: &[i16]) -> Result<(), Gone> {
        let mut state = self.state.lock();
        while state.run == run && state.beside_has_to_wait(index) {
            self.changed.wait(&mut state);
        }
        if state.run != run {
            return Err(Gone);
        }
        if let Some(beside) = state.besides.0.get_mut(index) {
            beside.expected = true;
            beside.sound.push(place, interleaved);
        }
        self.changed.notify_all();
        Ok(())
    }

    /// What there is beside the main sound, or was once.
    pub fn sounds_beside(&self) -> Vec<SoundTrack> {
        self.state.lock().besides.0.iter().map(|beside| beside.track.clone()).collect()
    }

    /// The sound `id` that is due at `samples`, silence where there is none.
    pub fn beside(&self, id: &str, samples: Range<u64>) -> Sound {
        let count = usize::try_from(samples.end.saturating_sub(samples.start)).unwrap_or(0);
        let (start, end) = (MediaTime::of_sample(samples.start), MediaTime::of_sample(samples.end));
        let mut interleaved = Vec::with_capacity(count * 2);
        let mut state = self.state.lock();
        let until = Instant::now() + LOCKSTEP_SOUND_PATIENCE;
        while self.pace == Pace::Lockstep && state.phase == Phase::Running && !state.clock.is_live() {
            let to = state.clock.source_at(end);
            let beside = state.besides.0.iter_mut().find(|beside| *beside.track.id == *id);
            let (Some(to), Some(beside)) = (to, beside.filter(|beside| beside.expected)) else { break };
            if beside.sound.reaches(to) {
                break;
            }
            if self.changed.wait_until(&mut state, until).timed_out()
                && let Some(beside) = state.besides.0.iter_mut().find(|beside| *beside.track.id == *id)
            {
                beside.expected = false;
            }
        }
        let span = state.clock.source_at(start).zip(state.clock.source_at(end));
        match (state.besides.0.iter_mut().find(|beside| *beside.track.id == *id), span) {
            (Some(beside), Some((from, to))) => _ = beside.sound.read(count, from, to, &mut interleaved),
            (Some(beside), None) => beside.sound.read_silence(count, &mut interleaved),
            (None, _) => interleaved.resize(count * 2, 0),
        }
        self.changed.notify_all();
        Sound { samples, interleaved }
    }
}

/// Which number a stream of sound has, once it is known what it is.
pub(super) type Number = Arc<std::sync::OnceLock<Option<usize>>>;
