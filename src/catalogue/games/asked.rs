//! What the HTTP contract asks of the catalogue.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::{Catalogue, Game, sounds};
use crate::captions;
use crate::captions::webvtt::SegmentForm;
use crate::captions::{Kind, TextInfo};
use crate::catalogue::contract::{
    CatalogueError, GameCatalogue, GameSpec, GameText, GameView, RegisteredGame, TextKind, TextWanted, Tried,
};
use crate::catalogue::texts::read_back;
use crate::cues::track::{BeginBreak, BreakError, CueEvent};
use crate::mosaic::Standing;
use crate::timeline::{MediaTime, PartNumber, SegmentNumber};
use crate::track::{Pending, Position, SoundKey, TrackName};

/// A text, for whoever may show the game.
pub(super) fn told(info: &TextInfo) -> GameText {
    let kind = match info.track.kind {
        Kind::Subtitles => TextKind::Subtitles,
        Kind::Captions => TextKind::Captions,
        Kind::Forced => TextKind::Forced,
    };
    GameText { id: info.id.to_string(), language: info.track.language.clone(), kind }
}

impl GameCatalogue for Catalogue {
    fn games(&self, tenant: &str) -> Vec<GameView> {
        let now = self.settings.clock.now();
        let view = |game: &Arc<Game>| GameView {
            id: game.spec.id.clone(),
            title: game.spec.title.clone(),
            status: game.status(),
            audio: sounds::told(game),
            texts: game.texts.lock().infos().iter().map(told).collect(),
            thumbnail: game.thumbnail(now).map(|_| game.thumbnail_element.clone()),
        };
        self.visible(tenant).iter().map(view).collect()
    }

    fn registered(&self, tenant: &str) -> Vec<RegisteredGame> {
        self.visible(tenant).iter().map(|game| game.registered()).collect()
    }

    fn decoding(&self, tenant: &str) -> (Standing, usize) {
        self.decoding_of(tenant)
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

    fn try_source<'a>(
        &'a self,
        tenant: &'a str,
        source: String,
        game: Option<&'a str>,
    ) -> Pending<'a, Result<Tried, CatalogueError>> {
        Box::pin(self.try_one(tenant, source, game))
    }

    fn cues(&self, tenant: &str, id: &str, span: Range<MediaTime>) -> Option<Vec<CueEvent>> {
        let game = self.by_id(tenant, id)?;
        let mut cues = game.cues.lock();
        cues.advance(self.settings.clock.now());
        Some(cues.events(span))
    }

    fn begin_break<'a>(
        &'a self,
        tenant: &'a str,
        id: &'a str,
        asked: &'a BeginBreak,
    ) -> Pending<'a, Option<Result<CueEvent, BreakError>>> {
        Box::pin(self.begin_by_hand(tenant, id, asked))
    }

    fn end_break<'a>(
        &'a self,
        tenant: &'a str,
        id: &'a str,
        of: &'a str,
    ) -> Pending<'a, Option<Result<CueEvent, BreakError>>> {
        Box::pin(self.end_by_hand(tenant, id, of))
    }

    fn thumbnail(&self, element: &str) -> Option<Bytes> {
        let game = self.games.read().running.values().find(|g| g.thumbnail_element == element).cloned()?;
        game.thumbnail(self.settings.clock.now())
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

    fn text_segment<'a>(
        &'a self,
        wanted: &'a TextWanted,
        segment: SegmentNumber,
        part: Option<PartNumber>,
    ) -> Pending<'a, Option<Bytes>> {
        Box::pin(async move {
            let grid = &self.sound.grid;
            if part.is_some_and(|part| part >= grid.parts()) {
                return None;
            }
            let first = grid.first_frame(segment);
            let frames = match part {
                Some(part) => {
                    let begins = first + u64::from(part) * u64::from(grid.part_frames());
                    begins..(begins + u64::from(grid.part_frames())).min(grid.first_frame(segment + 1))
                }
                None => first..grid.first_frame(segment + 1),
            };
            // What is served is kept for ever: not before all of it was written.
            if frames.end > self.written_to.load(Ordering::Acquire) + 1 {
                return None;
            }
            let mut games = Vec::with_capacity(wanted.slots.len());
            for (slot, game) in &wanted.slots {
                let name = TrackName::Text { game: game.clone(), text: wanted.text.as_str().into() };
                games.push((*slot, read_back(&self.shelf, grid, &name, segment, part).await));
            }
            let games: Vec<_> = games.iter().map(|(slot, text)| (*slot, text)).collect();
            let (from, to) = (grid.frame_time(frames.start), grid.frame_time(frames.end));
            Some(captions::mosaic_text(from, to, &SegmentForm::default(), &games).into())
        })
    }

    fn sound_comes<'a>(&'a self, sound: &'a SoundKey, at: Position) -> Pending<'a, ()> {
        Box::pin(self.comes(sound, at))
    }
}
