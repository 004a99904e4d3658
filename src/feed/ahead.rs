//! Room for a source whose demand is known: what it was refused the last time is asked for before anything of it is started again.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::facts::Facts;
use super::room::{DecodeRoom, Demand, Refused};
use crate::timeline::MediaTime;

/// A source may have become smaller: after so long it is looked into without its room, and more and more seldom where it has not.
const FIRST_LOOK: Duration = Duration::from_secs(60);
const SELDOM: Duration = Duration::from_secs(16 * 60);
/// Variants of a playlist that are tried: another one may be smaller.
const VARIANTS_TRIED: u32 = 3;

/// What a run was refused, in cores that it would have had in all.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Lack {
    pub most: f64,
    /// A part of it, where it asked for one, too.
    pub least: f64,
    pub why: Refused,
}

#[derive(Default)]
struct State {
    /// What was had for the run beforehand, and is not spent yet.
    ahead: f64,
    /// What the run has.
    has: f64,
    lacks: Option<Lack>,
}

/// The room of one feed, which has some of it before its run asks, and knows what that was refused. Its lock is held while the machine is asked.
pub(super) struct Ahead {
    room: Arc<dyn DecodeRoom>,
    state: Mutex<State>,
}

impl Ahead {
    pub fn of(room: Arc<dyn DecodeRoom>) -> Self {
        Self { room, state: Mutex::default() }
    }

    /// Has `cores` for the run that begins next.
    ///
    /// # Errors
    /// Why there is no room.
    pub fn has(&self, cores: f64) -> Result<(), Refused> {
        let mut state = self.state.lock();
        let more = cores - state.ahead;
        if more > 0.0 {
            self.room.admit(more)?;
            state.ahead = cores;
        }
        Ok(())
    }

    /// What the run was refused that is over now.
    pub fn take_lack(&self) -> Option<Lack> {
        self.state.lock().lacks.take()
    }
}

impl DecodeRoom for Ahead {
    fn admit(&self, cores: f64) -> Result<(), Refused> {
        let mut state = self.state.lock();
        let more = cores - state.ahead;
        let answer = if more > 0.0 { self.room.admit(more) } else { Ok(()) };
        match answer {
            Ok(()) => {
                state.ahead = (state.ahead - cores).max(0.0);
                state.has += cores;
            }
            Err(why) => {
                let all = state.has + cores;
                let (most, least) =
                    state.lacks.map_or((all, all), |before| (before.most.max(all), before.least.min(all)));
                state.lacks = Some(Lack { most, least, why });
            }
        }
        answer
    }

    fn left(&self) -> f64 {
        self.room.left() + self.state.lock().ahead
    }

    fn is_late(&self) -> bool {
        self.room.is_late()
    }

    fn over(&self) {
        let mut state = self.state.lock();
        *state = State::default();
        self.room.over();
    }
}

/// A source that there was no room for: what it takes, and when it is looked into again without that.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Shortage {
    takes: f64,
    /// What it would be shown with.
    needs: f64,
    demand: Option<Demand>,
    look_at: MediaTime,
    looks: Duration,
    /// Runs that ended for it in a row, and whether the source has variants of several sizes.
    runs: u32,
    varies: bool,
}

impl Shortage {
    /// A run ended for it at `now`, after another such one perhaps.
    pub fn after(before: Option<&Self>, lack: Lack, facts: &Facts, now: MediaTime) -> Self {
        let video = facts.video.as_ref().filter(|video| video.width > 0);
        let demand = video.map(|video| Demand { width: video.width, height: video.height, fps: video.fps });
        let varies = facts.variant.is_some();
        let looks = before.map_or(FIRST_LOOK, |before| {
            if now >= before.look_at { (before.looks * 2).min(SELDOM) } else { before.looks }
        });
        // Of several variants the smallest that was seen counts.
        let needs = before.filter(|_| varies).map_or(lack.least, |before| before.needs.min(lack.least));
        let runs = before.map_or(0, |before| before.runs) + 1;
        Self { takes: lack.most, needs, demand, look_at: now + looks, looks, runs, varies }
    }

    /// The cores to be had before it is started again; `None` where it is to be started all the same.
    pub fn asks(&self, now: MediaTime) -> Option<f64> {
        let is_known = !self.varies || self.runs >= VARIANTS_TRIED;
        (is_known && now < self.look_at).then_some(self.needs)
    }

    /// As its operator is told.
    pub fn told(&self, why: Refused) -> String {
        format!("no room: {}", Needs { demand: self.demand, cores: self.takes, why })
    }
}

/// What a stream takes, and why it has not got it.
pub(super) struct Needs {
    pub demand: Option<Demand>,
    pub cores: f64,
    pub why: Refused,
}

impl fmt::Display for Needs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { demand, cores, why } = self;
        match demand {
            Some(demand) => write!(f, "{demand}")?,
            None => f.write_str("its picture")?,
        }
        write!(f, " takes about {cores:.2} cores to decode{why}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::facts::VideoFacts;
    use crate::feed::room::tests::Cores;

    fn ahead(cores: f64) -> (Ahead, Arc<Cores>) {
        let cores = Arc::new(Cores(Mutex::new(cores)));
        (Ahead::of(cores.clone()), cores)
    }

    #[test]
    fn what_was_had_beforehand_is_spent_first() {
        let (room, cores) = ahead(1.0);
        assert_eq!(room.has(0.25), Ok(()));
        assert_eq!(room.has(0.25), Ok(()), "it has them");
        assert_eq!((cores.left(), room.left()), (0.75, 1.0));
        // The run asks for all of it, then for more as its picture grows.
        assert_eq!(room.admit(0.25), Ok(()));
        assert_eq!((cores.left(), room.left()), (0.75, 0.75));
        assert_eq!(room.admit(0.5), Ok(()));
        assert_eq!(room.admit(0.5), Err(Refused::Left(0.25)));
        assert_eq!(room.take_lack(), Some(Lack { most: 1.25, least: 1.25, why: Refused::Left(0.25) }));
        assert_eq!(room.take_lack(), None);
        room.over();
        assert_eq!(room.has(0.5), Err(Refused::Left(0.25)), "nothing is left of what a run had");
    }

    #[test]
    fn a_part_that_was_had_beforehand_does_for_a_part() {
        let (room, cores) = ahead(0.5);
        assert_eq!(room.has(0.5), Ok(()));
        assert_eq!(room.admit(1.0), Err(Refused::Left(0.0)));
        assert_eq!(room.admit(0.5), Ok(()));
        assert_eq!((cores.left(), room.take_lack().map(|lack| lack.least)), (0.0, Some(1.0)));
    }

    fn facts(variant: Option<&str>) -> Facts {
        let video = VideoFacts {
            codec: "h264".into(),
            profile: None,
            width: 1920,
            height: 1080,
            fps: Some((60, 1)),
            interlaced: false,
        };
        Facts { video: Some(video), variant: variant.map(str::to_owned), ..Facts::default() }
    }

    fn lack(cores: f64) -> Lack {
        Lack { most: cores, least: cores, why: Refused::Left(0.1) }
    }

    #[test]
    fn a_source_is_looked_into_without_its_room_more_and_more_seldom() {
        let mut now = MediaTime::from_secs(1000);
        let mut known: Option<Shortage> = None;
        let mut waits = Vec::new();
        for _ in 0..7 {
            let shortage = Shortage::after(known.as_ref(), lack(0.5), &facts(None), now);
            assert_eq!(shortage.asks(now), Some(0.5));
            let wait = (1..).find(|s| shortage.asks(now + Duration::from_secs(*s)).is_none()).unwrap();
            waits.push(wait);
            now = now + Duration::from_secs(wait);
            known = Some(shortage);
        }
        assert_eq!(waits, [60, 120, 240, 480, 960, 960, 960]);
        // One that was started because its room was there and took more than that is no such look.
        let known = known.unwrap();
        let again = Shortage::after(Some(&known), lack(0.7), &facts(None), now - Duration::from_secs(1));
        assert_eq!((again.looks, again.asks(now)), (known.looks, Some(0.7)));
        assert_eq!(
            known.told(Refused::Late),
            "no room: 1920x1080 at 60 takes about 0.50 cores to decode; pictures are late on this machine, and new sources come one after another"
        );
    }

    #[test]
    fn of_several_variants_the_smallest_that_was_tried_is_waited_for() {
        let now = MediaTime::from_secs(1000);
        let first = Shortage::after(None, lack(0.5), &facts(Some("1080p")), now);
        assert_eq!(first.asks(now), None, "another one may be smaller");
        let second = Shortage::after(Some(&first), lack(0.2), &facts(Some("360p")), now);
        let third = Shortage::after(Some(&second), lack(0.3), &facts(Some("720p")), now);
        assert_eq!((second.asks(now), third.asks(now)), (None, Some(0.2)));
    }
}
