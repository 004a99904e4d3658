//! What stands in for games in the slots of those who may not see them: a card with the game's title and why. It is a game by its name, so that every engine
//! has it like any other; it has no sound, which is silence.

use std::collections::HashMap;

use super::Catalogue;
use crate::feed::slate;
use crate::frame::Picture;
use crate::market::Restriction;
use crate::mosaic::GameKey;
use crate::track::rights_card;

/// Cards that nobody asks for are forgotten when there are more: a game has five at most.
const MOST_CARDS: usize = 2_048;

#[derive(Default)]
pub(super) struct Cards {
    drawn: HashMap<GameKey, Option<Picture>>,
}

impl Cards {
    /// `pictures` of what does not run, and the cards.
    pub fn beside(&self, mut pictures: HashMap<GameKey, Picture>) -> HashMap<GameKey, Picture> {
        let drawn = self.drawn.iter().filter_map(|(key, picture)| Some((key.clone(), picture.clone()?)));
        pictures.extend(drawn);
        pictures
    }

    /// A game has come that may be called otherwise.
    pub fn forget(&mut self, game: &GameKey) {
        self.drawn.retain(|card, _| card.split_once(':').is_none_or(|(_, of)| of != &**game));
    }
}

impl Catalogue {
    /// The name of the card of a game; it is drawn if it is new.
    pub(super) fn card_of(&self, key: &GameKey, why: Restriction) -> GameKey {
        let card = rights_card(why.card(), key);
        if self.cards.lock().drawn.contains_key(&card) {
            return card;
        }
        let id = key.rsplit('/').next().unwrap_or_default();
        let title = self.by_key(key).map_or_else(|| id.to_owned(), |game| game.spec.title.clone());
        // Drawn with no lock held: the tick waits for it.
        let picture = slate(&title, why.note());
        let mut cards = self.cards.lock();
        if cards.drawn.len() >= MOST_CARDS {
            cards.drawn.clear();
        }
        cards.drawn.insert(card.clone(), picture);
        card
    }
}
