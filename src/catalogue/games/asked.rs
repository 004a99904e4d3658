//! What the HTTP contract asks of the catalogue.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;

use super::{Catalogue, Game};
use crate::captions;
use crate::captions::webvtt::SegmentForm;
use crate::catalogue::contract::{
    AudioTrack, CatalogueError, GameCatalogue, GameSpec, GameView, RegisteredGame, TextWanted,
};
use crate::catalogue::silence::{silent_part, silent_segment};
use crate::catalogue::texts::read_back;
use crate::cues::track::{BeginBreak, BreakError, CueEvent};
use crate::frame::SoundUnit;
use crate::mosaic::GameKey;
use crate::package;
use crate::session;
use crate::timeline::{MediaTime, PartNumber, SegmentNumber};
use crate::track::{Block, Pending, Position, Shelf, TrackName};

impl GameCatalogue for Catalogue {
    fn games(&self, tenant: &str) -> Vec<GameView> {
        let now = self.settings.clock.now();
        let view = |game: &Arc<Game>| GameView {
            id: game.spec.id.clone(),
            title: game.spec.title.clone(),
            status: game.status(),
            audio: vec![AudioTrack { id: "main".into(), language: "und".into(), label: game.spec.title.clone() }],
            thumbnail: game.thumbnail(now).map(|_| game.thumbnail_element.clone()),
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
        game.thumbnail(self.settings.clock.now())
    }

    fn sound_init(&self, _: &GameKey) -> Option<Bytes> {
        Some(self.sound_init.clone())
    }

    fn sound_segment<'a>(&'a self, game: &'a GameKey, segment: SegmentNumber) -> Pending<'a, Option<Bytes>> {
        Box::pin(async move {
            let grid = &self.sound.grid;
            if let Some(blocks) = self.shelf.segment(&TrackName::Sound { game: game.clone() }, segment).await {
                return packaged(segment, package::audio_segment(grid, segment, &units_of(&blocks)));
            }
            self.is_silent(game, Position::end_of(grid, segment)).then(|| silent_segment(grid, segment))?.ok()
        })
    }

    fn sound_part<'a>(&'a self, game: &'a GameKey, at: Position) -> Pending<'a, Option<Bytes>> {
        Box::pin(async move {
            let grid = &self.sound.grid;
            let frames = grid.part_aac_frames(at.segment, at.part);
            if let Some(block) = self.shelf.get(&TrackName::Sound { game: game.clone() }, at).await {
                return packaged(at.segment, package::audio_fragment(at.segment, frames, &units_of(&[block])));
            }
            self.is_silent(game, at).then(|| silent_part(grid, at))?.ok()
        })
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

    fn sound_comes<'a>(&'a self, game: &'a GameKey, at: Position) -> Pending<'a, ()> {
        session::Games::wait(self, game, at)
    }
}

/// AAC frames of blocks, in order: some thirty kilobytes a segment, so that nobody keeps what is packaged of them.
fn units_of(blocks: &[Block]) -> Vec<SoundUnit> {
    let mut units = Vec::new();
    for block in blocks {
        if let Block::Sound(its) = block {
            units.extend_from_slice(its);
        }
    }
    units
}

fn packaged(segment: SegmentNumber, made: Result<Bytes, package::CmafError>) -> Option<Bytes> {
    made.inspect_err(|error| tracing::error!(segment, %error, "cannot package a sound segment")).ok()
}
