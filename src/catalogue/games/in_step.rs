//! Games that are kept in step: measured, told, and the early ones delayed.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::{Catalogue, Game};
use crate::catalogue::health::GameHealth;
use crate::feed::FeedStatus;
use crate::mosaic::GameKey;
use crate::sync::{Latency, Reading, millis, skews};

/// Nobody sees a game that nobody watches: it leaps to where it is wanted, where that is farther than this.
const LEAP: i64 = 20_000_000;
/// Who saw a slate until now does not mind a picture that stands still for a moment.
const JUST_LIVE: Duration = Duration::from_secs(5);

impl Game {
    /// How long ago what it shows was captured, where its source tells and the operator does not object.
    pub(super) fn latency(&self) -> Option<Latency> {
        let is_live = self.feed.status() == FeedStatus::Live;
        self.feed.latency().filter(|_| is_live)?.corrected(self.spec.offset_ms)
    }
}

impl Game {
    /// How it is, as its operator reads it.
    pub(super) fn health(&self) -> GameHealth {
        let latency = self.latency();
        GameHealth {
            clock: latency.map(|latency| latency.clock),
            latency_ms: latency.map(|latency| millis(latency.ns)),
            delay_ms: millis(self.feed.delay()),
            ..self.feed.health().into()
        }
    }
}

impl Catalogue {
    /// Delays games so that those of one clock are in step, and tells how far the games of each of the mosaics in `shown` are apart.
    /// Call about once a second.
    pub fn keep_in_step(&self, shown: &BTreeSet<Vec<GameKey>>) {
        let games: Vec<Arc<Game>> = self.games.read().running.values().cloned().collect();
        let watched: HashSet<&GameKey> = shown.iter().flatten().collect();
        let reading = |game: &Arc<Game>| {
            let latency = game.latency()?;
            Some(Reading { game: game.key.clone(), latency, delay: game.feed.delay() })
        };
        let readings: Vec<Reading<GameKey>> = games.iter().filter_map(reading).collect();
        let now = self.settings.clock.now();
        let wanted = self.aligner.lock().align(now, &readings);
        for (key, delay) in wanted {
            if let Some(game) = games.iter().find(|game| game.key == key) {
                let unseen = !watched.contains(&key) || now.since(game.feed.since()) < JUST_LIVE;
                let leaps = unseen && (delay - game.feed.delay()).abs() > LEAP;
                game.feed.delay_to(delay, leaps);
            }
        }
        let frame = self.sound.grid.frame_duration().as_nanos() as f64;
        for games in shown.iter().filter(|games| games.len() > 1) {
            let latencies: Vec<_> = games.iter().map(|key| self.latency_of(key)).collect();
            if let Some(worst) = skews(&latencies).into_iter().flatten().min() {
                self.settings.metrics.skew_frames.observe(-worst as f64 / frame);
            }
        }
    }

    pub(super) fn latency_of(&self, key: &GameKey) -> Option<Latency> {
        self.by_key(key)?.latency()
    }

    /// How old a game's picture is, and how much of that is delay. Under the lock on the games, as all that is told of them.
    pub(super) fn tell_latency(&self, game: &Game) {
        let metrics = &self.settings.metrics;
        let seconds = |ns: i64| ns as f64 / 1e9;
        match game.latency() {
            Some(latency) => metrics.game_latency_seconds.with_label_values(&[&*game.key]).set(seconds(latency.ns)),
            // Not there is not an error: it was absent before.
            None => _ = metrics.game_latency_seconds.remove_label_values(&[&*game.key]),
        }
        metrics.game_delay_seconds.with_label_values(&[&*game.key]).set(seconds(game.feed.delay()));
    }
}
