//! The life of a session, as a pure state machine: every state answers every trigger.

/// Where a session is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Its playlists go on. Whether anybody has asked for them is the meter's matter.
    Active,
    /// Over. Its playlists, ended, are still served for a while.
    Ended(EndReason),
    /// Nothing of it is served any more.
    Forgotten,
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, utoipa::ToSchema)]
#[schema(rename_all = "snake_case")]
pub(super) enum EndReason {
    /// Its device said so.
    Device,
    /// An operator said so.
    Operator,
    /// No playlist was asked for in a while.
    Idle,
    /// It could not be taken up again after a restart: its layout is gone, say.
    Unrestorable,
    /// It showed a game that may no longer be shown, and there was no room for a card in its place.
    Restricted,
}

/// What can happen to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trigger {
    /// A playlist was asked for.
    Polled,
    /// What it shows is to change.
    Changed,
    /// It is to end.
    End(EndReason),
    /// Its ended playlists have been kept long enough.
    LingerOver,
    /// The process ends; the session goes on in the next one.
    Shutdown,
}

/// Why a trigger is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    HasEnded,
    IsGone,
}

impl EndReason {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Operator => "operator",
            Self::Idle => "idle",
            Self::Unrestorable => "unrestorable",
            Self::Restricted => "restricted",
        }
    }
}

impl State {
    /// What a session becomes when `trigger` happens to it.
    pub(super) const fn step(self, trigger: Trigger) -> Result<State, Refusal> {
        match (self, trigger) {
            (Self::Active, Trigger::End(reason)) => Ok(Self::Ended(reason)),
            // Only what has ended lingers.
            (Self::Active, Trigger::Polled | Trigger::Changed | Trigger::LingerOver | Trigger::Shutdown) => {
                Ok(Self::Active)
            }
            // The ended playlist is still served; the first end is the one that counts.
            (Self::Ended(reason), Trigger::Polled | Trigger::End(_) | Trigger::Shutdown) => Ok(Self::Ended(reason)),
            (Self::Ended(_), Trigger::Changed) => Err(Refusal::HasEnded),
            (Self::Ended(_), Trigger::LingerOver) => Ok(Self::Forgotten),
            (Self::Forgotten, Trigger::LingerOver | Trigger::Shutdown | Trigger::End(_)) => Ok(Self::Forgotten),
            (Self::Forgotten, Trigger::Polled | Trigger::Changed) => Err(Refusal::IsGone),
        }
    }

    pub(super) const fn is_active(self) -> bool {
        matches!(self, Self::Active)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_answers_every_trigger() {
        use EndReason::*;
        use State::*;
        use Trigger::*;
        let triggers = [Polled, Changed, End(Device), LingerOver, Shutdown];
        let table = [
            (Active, [Ok(Active), Ok(Active), Ok(Ended(Device)), Ok(Active), Ok(Active)]),
            (Ended(Idle), [Ok(Ended(Idle)), Err(Refusal::HasEnded), Ok(Ended(Idle)), Ok(Forgotten), Ok(Ended(Idle))]),
            (Forgotten, [Err(Refusal::IsGone), Err(Refusal::IsGone), Ok(Forgotten), Ok(Forgotten), Ok(Forgotten)]),
        ];
        for (state, answers) in table {
            for (trigger, answer) in triggers.into_iter().zip(answers) {
                assert_eq!(state.step(trigger), answer, "{state:?} on {trigger:?}");
            }
        }
    }
}
