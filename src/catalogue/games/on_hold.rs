//! Games that give way: the newest feed goes on hold while the machine is short, and comes back when there is room.

use super::Catalogue;
use crate::catalogue::holding::Change;
use crate::mosaic::Pressure;

impl Catalogue {
    /// Puts the newest feed on hold where pictures go on being late though all was given up that nobody watches, and takes it up
    /// again later. Call about once a second, after the registry's sweep.
    pub fn give_way(&self) {
        let registry = &self.settings.registry;
        let (now, Pressure { short, late_at }) = (self.settings.clock.now(), registry.pressure());
        let has_room = registry.left_for_decoding() > 0.0;
        // Under the lock on the games: a feed that is replaced meanwhile would not be the one that is meant.
        let games = self.games.read();
        let (change, held) = {
            let mut holding = self.holding.lock();
            let change = holding.look(now, short, late_at, has_room);
            (change, i64::try_from(holding.held()).unwrap_or(i64::MAX))
        };
        let metrics = &self.settings.metrics;
        metrics.feeds_on_hold.set(held);
        match change {
            Some(Change::Hold { key, rest }) => {
                let Some(game) = games.running.get(&key) else { return };
                game.feed.put_on_hold();
                metrics.feed_holds.with_label_values(&[&*key]).inc();
                let rest_s = rest.as_secs();
                tracing::warn!(game = %key, rest_s, "pictures are late and nothing else is left to give up: the newest game is put on hold");
            }
            Some(Change::TakeUp { key }) => {
                let Some(game) = games.running.get(&key) else { return };
                game.feed.take_up_again();
                tracing::info!(game = %key, "there is room again: a game on hold is taken up");
            }
            None => {}
        }
    }
}
