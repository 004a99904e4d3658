//! A feed on hold: the machine is short, and this feed gives way to those who were there before it.

use std::sync::Arc;
use std::time::Duration;

use super::Feed;
use super::error::SourceError;
use super::facts::Facts;
use super::slate;
use super::supervisor::Supervisor;

/// How often a feed on hold looks whether it may go on.
const LOOK: Duration = Duration::from_millis(20);

impl Feed {
    /// Gives up the source that runs, whatever it is, and tries none: the slate says why. The source goes on with
    /// [`Feed::take_up_again`], from where it is by then.
    pub fn put_on_hold(&self) {
        self.report.lock().is_on_hold = true;
    }

    pub fn take_up_again(&self) {
        self.report.lock().is_on_hold = false;
    }
}

impl Supervisor {
    pub(super) fn is_on_hold(&self) -> bool {
        self.report.lock().is_on_hold
    }

    /// Waits, with nothing that runs, for as long as the feed is on hold.
    pub(super) fn stay_on_hold(&self) {
        let (why, note) = (SourceError::OnHold, slate::refusal(SourceError::OnHold.reason()));
        let card = note.and_then(|note| slate::draw(&self.spec.title, note));
        let facts = {
            let mut report = self.report.lock();
            (report.failure, report.last_error, report.refusal) = (Some(why.reason()), Some(why.to_string()), card);
            Arc::clone(&report.facts)
        };
        // What was known of the source is not true of nothing.
        *facts.lock() = Facts::default();
        while self.is_on_hold() && !self.intake.stopped_within(LOOK) {}
        let mut report = self.report.lock();
        (report.failure, report.refusal) = (None, None);
    }
}
