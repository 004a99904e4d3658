//! How far games are apart, and by how much which of them is delayed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::claim::{ClockKind, Latency};
use crate::timeline::MediaTime;

/// Differences below this are not worth a change.
const DEADBAND: i64 = 2_000_000;
/// The games of a clock stay as late as the latest was for so long after it went or became earlier: it may come back.
const LINGER: Duration = Duration::from_secs(60);
/// A game that is delayed stays so until it is a tenth of the bound beyond it: at the edge it would come and go.
const EDGE: i64 = 10;

/// How each of `latencies` differs from the latest by the same clock, in ns: 0 for that one, negative for what is shown too
/// early. `None` where there is no latency, or no other one by its clock.
pub fn skews(latencies: &[Option<Latency>]) -> Vec<Option<i64>> {
    let mut latest: BTreeMap<ClockKind, (i64, usize)> = BTreeMap::new();
    for latency in latencies.iter().flatten() {
        let (most, count) = latest.entry(latency.clock).or_insert((latency.ns, 0));
        *most = latency.ns.max(*most);
        *count += 1;
    }
    let skew = |latency: &Latency| {
        let (most, count) = latest.get(&latency.clock)?;
        (*count > 1).then(|| latency.ns - most)
    };
    latencies.iter().map(|latency| latency.as_ref().and_then(skew)).collect()
}

/// How a game is at present.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading<K> {
    pub game: K,
    pub latency: Latency,
    /// How much of its latency is delay of ours, in ns.
    pub delay: i64,
}

/// The games of one clock.
#[derive(Debug)]
struct Group<K> {
    /// The latency that all are brought to.
    target: Option<i64>,
    /// Since when it could be less.
    loose_since: Option<MediaTime>,
    /// Whose latency that is.
    latest: Option<K>,
    /// Those that are delayed.
    delayed: BTreeSet<K>,
}

/// Brings the games of each clock to one latency by delaying the early ones: that of the latest within the bound. A game that
/// is farther off is left as it is.
#[derive(Debug)]
pub struct Aligner<K> {
    most: i64,
    groups: BTreeMap<ClockKind, Group<K>>,
}

impl<K: Ord + Clone> Aligner<K> {
    /// No game is delayed by more than `most`; zero switches it off.
    pub fn new(most: Duration) -> Self {
        Self { most: i64::try_from(most.as_nanos()).unwrap_or(i64::MAX / 4), groups: BTreeMap::new() }
    }

    /// The delay that each game is to have, in ns, of those that tell when their pictures were captured. All others keep theirs.
    pub fn align(&mut self, now: MediaTime, readings: &[Reading<K>]) -> Vec<(K, i64)> {
        if self.most == 0 {
            return Vec::new();
        }
        let mut wanted = Vec::with_capacity(readings.len());
        for clock in ClockKind::ALL {
            let bases: Vec<_> = readings
                .iter()
                .filter(|reading| reading.latency.clock == clock)
                .map(|reading| (reading.game.clone(), reading.latency.ns.saturating_sub(reading.delay)))
                .collect();
            if !bases.is_empty() {
                let most = self.most;
                self.groups.entry(clock).or_insert_with(Group::new).align(now, most, bases, &mut wanted);
            }
        }
        wanted
    }
}

impl<K: Ord + Clone> Group<K> {
    const fn new() -> Self {
        Self { target: None, loose_since: None, latest: None, delayed: BTreeSet::new() }
    }

    /// `bases` are latencies as they would be without a delay of ours.
    fn align(&mut self, now: MediaTime, most: i64, bases: Vec<(K, i64)>, wanted: &mut Vec<(K, i64)>) {
        let Some(latest) = self.latest(most, &bases) else { return };
        let target = self.settle(now, latest);
        for (game, base) in bases {
            let reach = if self.delayed.contains(&game) { most + most / EDGE } else { most };
            let delay = target - base;
            let fits = (-DEADBAND..=reach).contains(&delay);
            // One that waits for nobody is not held to anybody.
            if fits && delay > DEADBAND {
                self.delayed.insert(game.clone());
            } else {
                self.delayed.remove(&game);
            }
            wanted.push((game, if fits { delay.clamp(0, most) } else { 0 }));
        }
    }

    /// The latency that the most games can be brought to; of several, what is nearest to the one that is in force, or else the
    /// least.
    fn latest(&mut self, most: i64, bases: &[(K, i64)]) -> Option<i64> {
        let reached = |latest: &K, top: i64| {
            let within = |(game, base): &&(K, i64)| {
                // Who waits for a game goes on to wait for it a little beyond the bound, and for no other.
                let waits = self.latest.as_ref() == Some(latest) && self.delayed.contains(game);
                let reach = if waits { most + most / EDGE } else { most };
                (0..=reach).contains(&(top - base))
            };
            bases.iter().filter(within).count()
        };
        let away = |top: i64| self.target.map_or(top, |target| (top - target).abs());
        let (game, top) =
            bases.iter().max_by_key(|(game, top)| (reached(game, *top), std::cmp::Reverse(away(*top))))?;
        self.latest = Some(game.clone());
        Some(*top)
    }

    /// The target goes up at once and down late.
    fn settle(&mut self, now: MediaTime, latest: i64) -> i64 {
        let target = match self.target {
            Some(target) if latest <= target + DEADBAND => target,
            _ => latest,
        };
        let since = *self.loose_since.get_or_insert(now);
        let is_loose = target - latest > DEADBAND;
        let settled = if is_loose && now.since(since) >= LINGER { latest } else { target };
        if !is_loose || settled == latest {
            self.loose_since = None;
        }
        self.target = Some(settled);
        settled
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MILLI: i64 = 1_000_000;

    fn latency(clock: ClockKind, ms: i64) -> Latency {
        Latency { clock, ns: ms * MILLI }
    }

    fn at(s: u64) -> MediaTime {
        MediaTime::from_secs(1_000_000 + s)
    }

    /// Games as they would be without a delay, and what they are delayed by, in ms.
    struct Field {
        aligner: Aligner<u32>,
        games: Vec<(i64, i64)>,
    }

    impl Field {
        fn new(most_ms: u64, bases: &[i64]) -> Self {
            let games = bases.iter().map(|base| (*base, 0)).collect();
            Self { aligner: Aligner::new(Duration::from_millis(most_ms)), games }
        }

        fn step(&mut self, s: u64, silent: &[u32]) -> Vec<i64> {
            let readings: Vec<_> = (0u32..)
                .zip(&self.games)
                .filter(|(game, _)| !silent.contains(game))
                .map(|(game, (base, delay))| Reading {
                    game,
                    latency: latency(ClockKind::Pdt, base + delay),
                    delay: delay * MILLI,
                })
                .collect();
            for (game, delay) in self.aligner.align(at(s), &readings) {
                self.games[game as usize].1 = delay / MILLI;
            }
            self.games.iter().map(|(_, delay)| *delay).collect()
        }
    }

    #[test]
    fn skew_is_against_the_latest_of_the_same_clock_and_null_where_nothing_tells() {
        let pdt = |ms| Some(latency(ClockKind::Pdt, ms));
        let sei = |ms| Some(latency(ClockKind::Sei, ms));
        assert_eq!(skews(&[pdt(8000), None, sei(500), pdt(9700)]), [Some(-1700 * MILLI), None, None, Some(0)]);
        assert_eq!(skews(&[pdt(1), sei(2)]), [None, None]);
        assert_eq!(skews(&[]), []);
    }

    #[test]
    fn the_early_are_delayed_and_what_is_too_far_off_is_left_alone() {
        assert_eq!(Field::new(3000, &[8000, 9700, 9000]).step(0, &[]), [1700, 0, 700]);
        assert_eq!(Field::new(3000, &[8000, 9700, 30_000]).step(0, &[]), [1700, 0, 0]);
        assert_eq!(Field::new(3000, &[8000, 30_000, 30_900]).step(0, &[]), [0, 900, 0]);
        // Two that are far apart: neither is delayed.
        assert_eq!(Field::new(3000, &[8000, 30_000]).step(0, &[]), [0, 0]);
        assert_eq!(Field::new(0, &[8000, 9700]).step(0, &[]), [0, 0]);
    }

    #[test]
    fn a_game_that_goes_changes_the_others_a_minute_later_and_one_that_comes_back_changes_nothing() {
        let mut field = Field::new(3000, &[8000, 9700, 9000]);
        field.step(0, &[]);
        for s in 1..50 {
            assert_eq!(field.step(s, &[1]), [1700, 0, 700], "{s}");
        }
        assert_eq!(field.step(50, &[]), [1700, 0, 700]);
        for s in 51..111 {
            assert_eq!(field.step(s, &[1]), [1700, 0, 700], "{s}");
        }
        assert_eq!(field.step(111, &[1]), [1000, 0, 0]);
        assert_eq!(field.step(112, &[]), [1700, 0, 700], "what is late is waited for at once");
    }

    #[test]
    fn a_later_game_that_begins_is_waited_for_and_the_edge_has_no_flutter() {
        let mut field = Field::new(3000, &[8000, 9700]);
        field.step(0, &[]);
        field.games.push((10_500, 0));
        assert_eq!(field.step(1, &[]), [2500, 800, 0]);
        field.games[2].0 = 11_100;
        assert_eq!(field.step(2, &[]), [3000, 1400, 0], "a little beyond the bound it is held at the bound");
        field.games[2].0 = 13_000;
        let after = field.step(3, &[]);
        assert_eq!((after[0], after[2]), (3000, 0), "two against one: {after:?}");
    }

    proptest! {
        /// Whatever the latencies: no delay beyond the bound, what is aligned is within the deadband of one latency, and once
        /// nothing changes, nothing is changed.
        #[test]
        fn delays_are_bounded_and_come_to_rest(
            bases in prop::collection::vec(0i64..20_000, 1..8),
            most in 100u64..10_000,
            jitters in prop::collection::vec(-1i64..=1, 8),
        ) {
            let mut field = Field::new(most, &bases);
            let mut before = field.step(0, &[]);
            prop_assert_eq!(field.step(1, &[]), before.clone());
            for s in 2..200u64 {
                for (n, game) in field.games.iter_mut().enumerate() {
                    game.0 = bases[n] + jitters[(n + s as usize) % 8];
                }
                before = field.step(s, &[]);
                prop_assert!(before.iter().all(|delay| (0..=most as i64).contains(delay)));
            }
            let shown: Vec<i64> = field.games.iter().map(|(base, delay)| base + delay).collect();
            let top = field.games.iter().zip(&shown).filter(|(game, _)| game.1 > 0).map(|(_, shown)| *shown).max();
            for (game, shown) in field.games.iter().zip(&shown) {
                let away = top.map_or(0, |top| (top - shown).abs());
                prop_assert!(game.1 == 0 || away <= 4 || game.1 == most as i64, "{:?}", field.games);
            }
        }
    }
}
