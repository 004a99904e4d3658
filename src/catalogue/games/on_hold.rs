//! Games that give way: feeds go on hold while the machine is short, or while another tenant has less than its share, and come back when there is room.

use std::collections::HashSet;

use super::Catalogue;
use crate::feed::OnHold;
use crate::mosaic::Pressure;

impl Catalogue {
    /// Puts a feed on hold where pictures go on being late though all was given up that nobody watches, and takes it up again later; and those that gave
    /// way meanwhile for others' shares. Call about once a second, after the registry's sweep.
    pub fn give_way(&self) {
        let registry = &self.settings.registry;
        let (now, Pressure { short, late_at }) = (self.settings.clock.now(), registry.pressure());
        let (has_room, kept) = (registry.left_for_decoding() > 0.0, registry.encoding_by_tenant());
        // Before any lock here: the registry holds its own while it asks for room.
        let is_anything_to_choose = short || registry.is_late() || self.room.holding.lock().held() > 0;
        let watched = if is_anything_to_choose { registry.watched_games() } else { HashSet::new() };
        // Under the lock on the games: a feed that is replaced meanwhile would not be the one that is meant.
        let games = self.games.read();
        let decoding = games.running.values().filter(|game| is_anything_to_choose && game.feed.brings_pictures());
        let decoding = decoding.map(|game| game.key.clone()).collect();
        let mut holding = self.room.holding.lock();
        holding.are_seen(&watched, &decoding);
        holding.look(now, short, late_at, has_room, &kept);
        let on_hold: Vec<_> = games.running.values().map(|game| (game, holding.on_hold(&game.key))).collect();
        let (held, taken) = (i64::try_from(holding.held()).unwrap_or(i64::MAX), holding.taken());
        drop(holding);
        let metrics = &self.settings.metrics;
        metrics.feeds_on_hold.set(held);
        for (tenant, cores) in taken {
            metrics.tenant_decoding_cores.with_label_values(&[&*tenant]).set(cores);
        }
        for (game, on_hold) in on_hold {
            match (on_hold, game.feed.on_hold()) {
                (Some((why, rest)), None) => {
                    game.feed.put_on_hold(why);
                    metrics.feed_holds.with_label_values(&[&*game.key]).inc();
                    let (game, rest_s) = (&game.key, rest.as_secs());
                    match why {
                        OnHold::Late => {
                            tracing::warn!(%game, rest_s, "pictures are late and nothing else is left to give up: a game is put on hold");
                        }
                        OnHold::Share => {
                            tracing::warn!(%game, rest_s, "another tenant is given its share of the processors: a game is put on hold");
                        }
                    }
                }
                (None, Some(_)) => {
                    game.feed.take_up_again();
                    tracing::info!(game = %game.key, "there is room again: a game on hold is taken up");
                }
                (Some(_), Some(_)) | (None, None) => {}
            }
        }
    }
}
