//! What a run hands over to: the feed's intake, or, in a process of its own, whoever tells the intake there.

use std::time::{Duration, Instant};

use bytes::Bytes;
use gstreamer as gst;

use super::intake::{Gone, Intake};
use super::signals::Signalled;
use super::texts::Writing;
use crate::cadence::{Placed, SourceNanos};
use crate::frame::{CodedSound, Picture, SoundTrack};
use crate::sync::Claim;
use crate::timeline::MediaTime;

/// All that a run asks of an intake. What the methods promise stands at those of the same name of [`Intake`].
pub(super) trait Outlet: Send + Sync {
    /// Where pictures are best put by who makes them, if anywhere.
    fn picture_pool(&self) -> Option<gst::BufferPool> {
        None
    }
    fn is_live(&self) -> bool;
    fn pictures_in_run(&self) -> u64;
    fn signal(&self, run: u64, signalled: Signalled);
    fn write(&self, run: u64, at: SourceNanos, writing: Writing);
    fn claim(&self, run: u64, place: Placed, claim: Option<Claim>);
    fn expect_sound(&self, run: u64, expected: bool);
    fn realign_sound(&self, run: u64);
    fn take_resettling(&self, run: u64) -> bool;
    fn push_picture(
        &self,
        run: u64,
        place: Placed,
        picture: Picture,
        fps: Option<(u32, u32)>,
        now: MediaTime,
    ) -> Result<(), Gone>;
    fn push_sound(&self, run: u64, place: Placed, interleaved: &[i16]) -> Result<(), Gone>;
    fn push_coded(&self, run: u64, form: CodedSound, at: SourceNanos, data: Bytes);
    fn sound_beside(&self, run: u64, track: SoundTrack, most: usize) -> Option<usize>;
    fn realign_beside(&self, run: u64, index: usize);
    fn realign_besides(&self, run: u64);
    fn push_beside(&self, run: u64, index: usize, place: Placed, interleaved: &[i16]) -> Result<(), Gone>;
    fn held_for(&self, arrived: MediaTime, now: MediaTime) -> Duration;
    fn idle_since(&self, started: (Instant, MediaTime), now: MediaTime) -> (Duration, Duration);
}

impl Outlet for Intake {
    fn is_live(&self) -> bool {
        self.is_live()
    }

    fn pictures_in_run(&self) -> u64 {
        self.pictures_in_run()
    }

    fn signal(&self, run: u64, signalled: Signalled) {
        self.signal(run, signalled);
    }

    fn write(&self, run: u64, at: SourceNanos, writing: Writing) {
        self.write(run, at, writing);
    }

    fn claim(&self, run: u64, place: Placed, claim: Option<Claim>) {
        self.claim(run, place, claim);
    }

    fn expect_sound(&self, run: u64, expected: bool) {
        self.expect_sound(run, expected);
    }

    fn realign_sound(&self, run: u64) {
        self.realign_sound(run);
    }

    fn take_resettling(&self, run: u64) -> bool {
        self.take_resettling(run)
    }

    fn push_picture(
        &self,
        run: u64,
        place: Placed,
        picture: Picture,
        fps: Option<(u32, u32)>,
        now: MediaTime,
    ) -> Result<(), Gone> {
        self.push_picture(run, place, picture, fps, now)
    }

    fn push_sound(&self, run: u64, place: Placed, interleaved: &[i16]) -> Result<(), Gone> {
        self.push_sound(run, place, interleaved)
    }

    fn push_coded(&self, run: u64, form: CodedSound, at: SourceNanos, data: Bytes) {
        self.push_coded(run, form, at, data);
    }

    fn sound_beside(&self, run: u64, track: SoundTrack, most: usize) -> Option<usize> {
        self.sound_beside(run, track, most)
    }

    fn realign_beside(&self, run: u64, index: usize) {
        self.realign_beside(run, index);
    }

    fn realign_besides(&self, run: u64) {
        self.realign_besides(run);
    }

    fn push_beside(&self, run: u64, index: usize, place: Placed, interleaved: &[i16]) -> Result<(), Gone> {
        self.push_beside(run, index, place, interleaved)
    }

    fn held_for(&self, arrived: MediaTime, now: MediaTime) -> Duration {
        self.held_for(arrived, now)
    }

    fn idle_since(&self, started: (Instant, MediaTime), now: MediaTime) -> (Duration, Duration) {
        self.idle_since(started, now)
    }
}
