//! A feed on hold: the machine is short, and this feed gives way to those who were there before it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::Feed;
use super::error::SourceError;
use super::facts::Facts;
use super::slate;
use super::supervisor::Supervisor;

/// How often a feed on hold looks whether it may go on.
const LOOK: Duration = Duration::from_millis(20);

/// Why a feed gives way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum OnHold {
    /// Pictures were late.
    Late,
    /// Another tenant has less than its share of the processors.
    Share,
}

impl fmt::Display for OnHold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Late => "pictures were late, and of the games of the tenant that takes most this one was added last",
            Self::Share => {
                "another tenant is given its share of this machine, and of the games of the one most above its own this one was added last"
            }
        })
    }
}

impl Feed {
    /// Gives up the source that runs, whatever it is, and tries none: the slate says why. The source goes on with
    /// [`Feed::take_up_again`], from where it is by then.
    pub fn put_on_hold(&self, why: OnHold) {
        self.report.lock().on_hold = Some(why);
    }

    pub fn take_up_again(&self) {
        self.report.lock().on_hold = None;
    }

    /// Why it is on hold, if it is.
    pub fn on_hold(&self) -> Option<OnHold> {
        self.report.lock().on_hold
    }
}

impl Supervisor {
    pub(super) fn on_hold(&self) -> Option<OnHold> {
        self.report.lock().on_hold
    }

    /// Waits, with nothing that runs, for as long as the feed is on hold.
    pub(super) fn stay_on_hold(&self, why: OnHold) {
        let why = SourceError::OnHold(why);
        let note = slate::refusal(why.reason());
        let card = note.and_then(|note| slate::draw(&self.spec.title, note));
        let facts = {
            let mut report = self.report.lock();
            (report.failure, report.last_error, report.refusal) = (Some(why.reason()), Some(why.to_string()), card);
            Arc::clone(&report.facts)
        };
        // What was known of the source is not true of nothing.
        *facts.lock() = Facts::default();
        while self.on_hold().is_some() && !self.intake.stopped_within(LOOK) {}
        let mut report = self.report.lock();
        (report.failure, report.refusal) = (None, None);
    }
}
