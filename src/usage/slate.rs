//! How much of a session's mosaic was slate, and since when: what tells slate seconds from others.

use serde::{Deserialize, Serialize};

/// Changes remembered at most. At the bound the oldest two stretches become one that counts as the darker of them, so that a
/// game that flickers through a long outage of the store costs no memory, and in doubt nobody pays for slate.
const MAX_CHANGES: usize = 128;

/// How many of a mosaic's games show a slate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Slate {
    #[default]
    Nothing,
    Part,
    All,
}

impl Slate {
    /// What it is with `off` of `games` games off.
    pub const fn of(off: usize, games: usize) -> Self {
        match off {
            0 => Self::Nothing,
            off if off < games => Self::Part,
            _ => Self::All,
        }
    }
}

/// From when on a mosaic was how much slate; before the first change, as after [`Slate::Nothing`]. Times are milliseconds of
/// Unix time, ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SlateTimes(Vec<(i64, Slate)>);

impl SlateTimes {
    /// From `now_ms` on it is `slate`. A time before the last change counts as that: what was booked is never re-told.
    pub fn note(&mut self, now_ms: i64, slate: Slate) {
        let (newest_ms, newest) = self.0.last().copied().unwrap_or((i64::MIN, Slate::Nothing));
        if newest == slate {
            return;
        }
        self.0.push((now_ms.max(newest_ms), slate));
        if self.0.len() > MAX_CHANGES {
            let (_, second) = self.0.remove(1);
            self.0[0].1 = self.0[0].1.max(second);
        }
    }

    /// Forgets what only instants before `from_ms` need.
    pub fn forget_before(&mut self, from_ms: i64) {
        let needed = self.0.iter().rposition(|(since_ms, _)| *since_ms <= from_ms).unwrap_or(0);
        self.0.drain(..needed);
    }

    /// The stretches of `begin_ms..end_ms` with slate in them.
    pub fn within(&self, begin_ms: i64, end_ms: i64) -> impl Iterator<Item = (i64, i64, Slate)> {
        let untils = self.0.iter().skip(1).map(|(since_ms, _)| *since_ms).chain([i64::MAX]);
        self.0.iter().zip(untils).filter_map(move |((since_ms, slate), until_ms)| {
            let (begin, end) = (begin_ms.max(*since_ms), end_ms.min(until_ms));
            (begin < end && *slate > Slate::Nothing).then_some((begin, end, *slate))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_are_cut_to_what_is_asked_for() {
        let mut times = SlateTimes::default();
        times.note(5, Slate::Nothing);
        times.note(10, Slate::Part);
        times.note(20, Slate::All);
        times.note(30, Slate::Nothing);
        let within = |times: &SlateTimes, begin, end| times.within(begin, end).collect::<Vec<_>>();
        assert_eq!(within(&times, 0, 100), [(10, 20, Slate::Part), (20, 30, Slate::All)]);
        assert_eq!(within(&times, 12, 25), [(12, 20, Slate::Part), (20, 25, Slate::All)]);
        times.forget_before(22);
        assert_eq!(within(&times, 22, 100), [(22, 30, Slate::All)]);
        // A clock that went back changes nothing that was.
        times.note(7, Slate::Part);
        assert_eq!(within(&times, 0, 40), [(20, 30, Slate::All), (30, 40, Slate::Part)]);
    }

    #[test]
    fn at_the_bound_nothing_turns_from_slate_to_picture() {
        let mut times = SlateTimes::default();
        for change in 0..1000 {
            times.note(change, if change % 2 == 0 { Slate::All } else { Slate::Nothing });
        }
        assert_eq!(times.0.len(), MAX_CHANGES);
        let slate: i64 = times.within(0, 1000).map(|(begin, end, _)| end - begin).sum();
        assert!(slate >= 500, "{slate}");
    }

    #[test]
    fn a_share_is_told_by_games_off() {
        assert_eq!([0, 1, 3, 4].map(|off| Slate::of(off, 4)), [Slate::Nothing, Slate::Part, Slate::Part, Slate::All]);
        assert_eq!(Slate::of(1, 1), Slate::All);
    }
}
