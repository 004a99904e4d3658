//! A tile's card: the game's title as a picture of the tile, encoded beforehand. It shows where the tile's encoder has made nothing yet.

use std::sync::Arc;

use parking_lot::Mutex;

use super::plans::{SlicedRung, TileSize};
use super::stills::{Stills, idr_pic_id};
use super::tile::TileKey;
use crate::compositor::{Canvas, Draw, draw_now, fit};
use crate::encode::{PictureEncoders, encode_still};
use crate::frame::Picture;
use crate::ladder::VideoSettings;
use crate::stitch::TileBlock;
use crate::timeline::{Grid, SegmentNumber};
use crate::track::Position;

/// What a card is made with.
pub(super) struct CardMaker<'a> {
    pub grid: Grid,
    pub rungs: &'a [SlicedRung],
    pub stills: &'a Stills,
    pub encoders: &'a dyn PictureEncoders,
    pub preset: &'a str,
}

/// See the module. Taking it never waits for its making.
#[derive(Default)]
pub(super) struct Card {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    face: Option<Picture>,
    /// The first block of a segment of it, by the parity of the segment. In those that follow all is skipped.
    made: Option<[Arc<TileBlock>; 2]>,
}

impl Card {
    /// What it is to show from now on.
    pub fn show(&self, face: &Picture) {
        let mut state = self.state.lock();
        if !state.face.as_ref().is_some_and(|known| known.same_memory(face)) {
            *state = State { face: Some(face.clone()), made: None };
        }
    }

    /// The first block of a segment of it, if it is made.
    pub fn of(&self, segment: SegmentNumber) -> Option<Arc<TileBlock>> {
        self.state.lock().made.as_ref().map(|pair| pair[usize::from(idr_pic_id(segment))].clone())
    }

    /// Makes it unless it is, which takes an encoder for one picture. It is no misfortune if that fails: the background's colour is there
    /// without.
    pub fn make(&self, key: &TileKey, maker: &CardMaker) {
        let face = {
            let state = self.state.lock();
            if state.made.is_some() { None } else { state.face.clone() }
        };
        let Some(face) = face else { return };
        match maker.make(key, &face) {
            Ok(pair) => {
                let mut state = self.state.lock();
                if state.face.as_ref().is_some_and(|known| known.same_memory(&face)) {
                    state.made = Some(pair);
                }
            }
            Err(error) => tracing::debug!(game = %key.game, %error, "a tile has no card"),
        }
    }
}

impl CardMaker<'_> {
    fn make(&self, key: &TileKey, face: &Picture) -> Result<[Arc<TileBlock>; 2], Box<dyn std::error::Error>> {
        let (rung, size) = (&self.rungs[key.rendition], key.size);
        let VideoSettings { width, height, .. } = rung.tile_settings(size, self.grid, self.preset);
        let rect = fit(face.width, face.height, face.pixel_aspect, size.inside);
        let draws = vec![Draw { picture: face.clone(), rect }];
        let picture = draw_now(&Canvas { width, height, background: key.colour, draws }).ok_or("it cannot be drawn")?;
        self.encoded(key.rendition, size, key.colour, &picture)
    }

    /// The first block of a segment of `picture`, by the parity of the segment. In those that follow all is skipped.
    pub fn encoded(
        &self,
        rendition: usize,
        size: TileSize,
        colour: [u8; 3],
        picture: &Picture,
    ) -> Result<[Arc<TileBlock>; 2], Box<dyn std::error::Error>> {
        let rung = &self.rungs[rendition];
        let settings = rung.tile_settings(size, self.grid, self.preset);
        let check = |sets: &_| rung.accepts(sets).map_err(|e| e.to_string());
        let unit = encode_still(self.encoders, &settings, check, picture)?;
        let (shape, gop) = (size.shape(), self.grid.part_gop(0));
        // Its parity does not matter: nothing of the row's IDR picture is shown.
        let row = self.stills.of(self.rungs, rendition, size.width_mbs, colour, Position::new(0, 0))?;
        let index = |id| {
            TileBlock::index(&rung.format, shape, id, std::slice::from_ref(&unit.data), &gop, Some(&row)).map(Arc::new)
        };
        Ok([index(0)?, index(1)?])
    }
}

#[cfg(test)]
mod tests {
    use super::super::plans::Plans;
    use super::super::pool::TileStills;
    use super::*;
    use crate::encode::{Decoder, Libraries, decode};
    use crate::layout::Layouts;
    use crate::mosaic::opening::open_ladder;
    use crate::mosaic::testing::renditions;
    use crate::stitch::{Placed, Plan, Stitched};
    use crate::track::{Block, Track};

    #[test]
    fn another_title_is_another_card() {
        let (grid, layouts) = (Grid::new("30".parse().unwrap(), 6), Layouts::bundled());
        let rungs = rungs(grid, &layouts);
        let (stills, layout) = (Stills::new(grid), layouts.get("4E").unwrap());
        let size = Plans::new().of(&layout, &rungs).unwrap()[0].tiles[0].0;
        let key = TileKey { game: "g".into(), rendition: 0, size, colour: layout.background, over: None };
        let maker = CardMaker { grid, rungs: &rungs, stills: &stills, encoders: &Libraries, preset: "veryfast" };
        let card = Card::default();
        let made = ["Knicks at Celtics", "Lakers at Suns"].map(|title| {
            card.show(&crate::feed::slate(title, "Signal lost").unwrap());
            assert!(card.of(0).is_none());
            card.make(&key, &maker);
            card.of(0).unwrap()
        });
        assert!(!Arc::ptr_eq(&made[0], &made[1]));
    }

    fn rungs(grid: Grid, layouts: &Layouts) -> Vec<SlicedRung> {
        let rungs = open_ladder(grid, &renditions(), "veryfast", 10, Some(layouts)).unwrap();
        rungs.iter().map(|rung| SlicedRung::new(rung).unwrap()).collect()
    }

    type Inputs = Vec<Arc<Placed>>;

    /// The pictures of a segment whose parts `inputs` gives.
    fn shown(rung: &SlicedRung, plan: &Plan, grid: Grid, inputs: impl Fn(u32) -> Inputs) -> Vec<Picture> {
        let mut units = Vec::new();
        for part in 0..grid.parts() {
            let stitched = Stitched::new(plan, inputs(part)).unwrap();
            let mut bytes = Vec::new();
            stitched.append_to(&mut bytes);
            let mut bytes = bytes::Bytes::from(bytes);
            units.extend(stitched.sizes().map(|size| bytes.split_to(size as usize)));
        }
        decode(Decoder::Ffmpeg, &rung.sets, &units).unwrap()
    }

    #[test]
    fn a_card_shows_its_title_in_its_slot_for_a_whole_segment() {
        let (grid, layouts) = (Grid::new("30".parse().unwrap(), 6).with_part_frames(4), Layouts::bundled());
        let rungs = rungs(grid, &layouts);
        let (stills, layout) = (Stills::new(grid), layouts.get("4E").unwrap());
        let plan = &Plans::new().of(&layout, &rungs).unwrap()[0];
        let maker = CardMaker { grid, rungs: &rungs, stills: &stills, encoders: &Libraries, preset: "veryfast" };
        let face = crate::feed::slate("Knicks at Celtics", "Signal lost").unwrap();
        let cards: Vec<Card> = plan.tiles.iter().map(|_| Card::default()).collect();
        for segment in [0, 1] {
            let mut firsts = Vec::new();
            for ((size, _), card) in plan.tiles.iter().zip(&cards) {
                let key =
                    TileKey { game: "g".into(), rendition: 0, size: *size, colour: layout.background, over: None };
                assert!(segment == 1 || card.of(segment).is_none(), "it has no face yet");
                card.show(&face);
                card.make(&key, &maker);
                // The same again is no reason to make it anew.
                let made = card.of(segment).unwrap();
                card.show(&face.clone());
                assert!(Arc::ptr_eq(&made, &card.of(segment).unwrap()));
                firsts.push(made);
            }
            let shown = shown(&rungs[0], &plan.plan, grid, |part| {
                let at = Position::new(segment, part);
                let row = |width_mbs| stills.of(&rungs, 0, width_mbs, layout.background, at).unwrap();
                let tiles = plan.tiles.iter().zip(&firsts).map(|((size, place), first)| {
                    let block = if part == 0 { first.clone() } else { row(size.width_mbs) };
                    block.placed(place.x_mb, place.y_mb, place.height_mbs).unwrap()
                });
                let fillers = plan.plan.fillers().iter();
                let fillers =
                    fillers.map(|place| row(place.width_mbs).placed(place.x_mb, place.y_mb, place.height_mbs).unwrap());
                tiles.chain(fillers).collect()
            });
            assert_eq!(shown.len(), 6);
            let (width, height) = (shown[0].width as usize, shown[0].height as usize);
            for quarter in 0..4 {
                let (x, y) = (quarter % 2 * width / 2, quarter / 2 * height / 2);
                let bright = |row: usize| shown[0].row(0, row)[x..x + width / 2].iter().any(|luma| *luma > 180);
                assert!((y..y + height / 2).any(bright), "slot {quarter} has no title");
            }
            for picture in &shown {
                assert!((0..height).all(|row| picture.row(0, row) == shown[0].row(0, row)), "it does not stand still");
            }
        }
        // What stands for a segment: the first picture of the one before it, else the card, else the background's colour.
        let key =
            TileKey { game: "g".into(), rendition: 0, size: plan.tiles[0].0, colour: layout.background, over: None };
        let (rungs, stills) = (Arc::new(rungs), Arc::new(stills));
        let stand_in = |card: Card, before: Option<Arc<TileBlock>>, part| {
            let track = Track::new(grid, 4);
            if let Some(before) = before {
                track.append(Position::new(6, 0), Block::Tile(before));
            }
            let (key, rungs, stills) = (key.clone(), rungs.clone(), stills.clone());
            TileStills { key, card: Arc::new(card), rungs, stills }.of(&track, Position::new(7, part)).unwrap()
        };
        let made = |card: &Card| card.of(1).unwrap();
        let [_, second, third, _] = <[Card; 4]>::try_from(cards).ok().unwrap();
        let (face, before) = (made(&second), made(&third));
        assert!(Arc::ptr_eq(&stand_in(second, None, 0), &face));
        let frozen = stand_in(Card::default(), Some(before.clone()), 0);
        assert_eq!((frozen.frames(), frozen.held_frames()), (4, 3));
        assert!(!Arc::ptr_eq(&frozen, &before));
        assert_eq!(stand_in(Card::default(), Some(before), 1).frames(), 2, "within a segment the picture before stays");
        assert_eq!(stand_in(Card::default(), None, 0).shape().height_mbs, 1, "one row of the background's colour");
    }
}
