//! What the HTTP contract asks of the catalogue.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::{Catalogue, Game, sounds};
use crate::catalogue::contract::{CatalogueError, GameCatalogue, GameSpec, GameView, RegisteredGame};
use crate::cues::track::{BeginBreak, BreakError, CueEvent};
use crate::timeline::{MediaTime, SegmentNumber};
use crate::track::{Pending, Position, SoundKey};

impl GameCatalogue for Catalogue {
    fn games(&self, tenant: &str) -> Vec<GameView> {
        let view = |game: &Arc<Game>| GameView {
            id: game.spec.id.clone(),
            title: game.spec.title.clone(),
            status: game.status(),
            audio: sounds::told(game),
            thumbnail: game.feed.thumbnail().map(|_| game.thumbnail_element.clone()),
        };
        self.visible(tenant).iter().map(view).collect()
    }

    fn registered(&self, tenant: &str) -> Vec<RegisteredGame> {
        self.visible(tenant).iter().map(|g| g.registered()).collect()
    }

    fn create<'a>(&'a self, tenant: &'a str, spec: GameSpec) -> Pending<'a, Result<RegisteredGame, CatalogueError>> {
        Box::pin(self.add(tenant, spec))
    }

    fn replace<'a>(
        &'a self,
        tenant: &'a str,
        spec: GameSpec,
    ) -> Pending<'a, Result<(RegisteredGame, bool), CatalogueError>> {
        Box::pin(self.put(tenant, spec))
    }

    fn delete<'a>(&'a self, tenant: &'a str, id: &'a str) -> Pending<'a, Result<(), CatalogueError>> {
        Box::pin(self.remove(tenant, id))
    }

    fn cues(&self, tenant: &str, id: &str, span: Range<MediaTime>) -> Option<Vec<CueEvent>> {
        let game = self.by_id(tenant, id)?;
        let mut cues = game.cues.lock();
        cues.advance(self.settings.clock.now());
        Some(cues.events(span))
    }

    fn begin_break(&self, tenant: &str, id: &str, asked: &BeginBreak) -> Option<Result<CueEvent, BreakError>> {
        let game = self.by_id(tenant, id)?;
        Some(game.cues.lock().begin_break(self.settings.clock.now(), asked))
    }

    fn end_break(&self, tenant: &str, id: &str, of: &str) -> Option<Result<CueEvent, BreakError>> {
        let game = self.by_id(tenant, id)?;
        Some(game.cues.lock().end_break(self.settings.clock.now(), of))
    }

    fn thumbnail(&self, element: &str) -> Option<Bytes> {
        let game = self.games.read().running.values().find(|g| g.thumbnail_element == element).cloned()?;
        game.feed.thumbnail()
    }

    fn sound_init(&self, sound: &SoundKey) -> Option<Bytes> {
        self.init_of(sound)
    }

    fn sound_segment<'a>(&'a self, sound: &'a SoundKey, segment: SegmentNumber) -> Pending<'a, Option<Bytes>> {
        Box::pin(self.segment_of(sound, segment))
    }

    fn sound_part<'a>(&'a self, sound: &'a SoundKey, at: Position) -> Pending<'a, Option<Bytes>> {
        Box::pin(self.part_of(sound, at))
    }

    fn sound_comes<'a>(&'a self, sound: &'a SoundKey, at: Position) -> Pending<'a, ()> {
        Box::pin(self.comes(sound, at))
    }
}
