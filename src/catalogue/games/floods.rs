//! What is told of sources that say more cues than are listed.

use super::{Catalogue, Game};
use crate::cues::track::Troubles;

impl Catalogue {
    /// Under the lock on the games, as all that is told of them.
    pub(super) fn tell_floods(&self, game: &Game) {
        let Troubles { refused, shortened, ended, is_news } = game.cues.lock().take_troubles();
        let floods = &self.settings.metrics.game_cue_floods;
        for (outcome, count) in [("refused", refused), ("shortened", shortened), ("ended", ended)] {
            if count > 0 {
                floods.with_label_values(&[&*game.key, outcome]).inc_by(count);
            }
        }
        if is_news {
            tracing::warn!(game = &*game.key, refused, shortened, ended, "a source says more cues than are listed");
        }
    }
}
