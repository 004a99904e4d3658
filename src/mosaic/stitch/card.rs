//! A tile's card: the game's slate as a picture of the tile, encoded beforehand. It shows where the tile's encoder made nothing.

use std::sync::Arc;

use parking_lot::Mutex;

use super::plans::Rung;
use super::stills::{Stills, idr_pic_id};
use super::tile::{Segment, TileKey};
use crate::compositor::{Canvas, Draw, draw_now, fit};
use crate::encode::{PictureEncoders, VideoSettings};
use crate::frame::Picture;
use crate::stitch::TileSegment;
use crate::timeline::{Grid, SegmentNumber};

/// What a card is made with.
pub(super) struct CardMaker<'a> {
    pub grid: Grid,
    pub rungs: &'a [Rung],
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
    slate: Option<Picture>,
    /// Of `slate`, by the parity of the segment.
    made: Option<[Segment; 2]>,
}

impl Card {
    /// The slate that it is to show from now on.
    pub fn show(&self, slate: &Picture) {
        let mut state = self.state.lock();
        if !state.slate.as_ref().is_some_and(|known| known.same_memory(slate)) {
            *state = State { slate: Some(slate.clone()), made: None };
        }
    }

    /// A segment of it, if it is made.
    pub fn of(&self, segment: SegmentNumber) -> Option<Segment> {
        self.state.lock().made.as_ref().map(|pair| pair[usize::from(idr_pic_id(segment))].clone())
    }

    /// Makes it unless it is, which takes an encoder for one picture. It is no misfortune if that fails: the background's colour is there
    /// without.
    pub fn make(&self, key: &TileKey, maker: &CardMaker) {
        let slate = {
            let state = self.state.lock();
            if state.made.is_some() { None } else { state.slate.clone() }
        };
        let Some(slate) = slate else { return };
        match maker.make(key, &slate) {
            Ok(pair) => {
                let mut state = self.state.lock();
                if state.slate.as_ref().is_some_and(|known| known.same_memory(&slate)) {
                    state.made = Some(pair);
                }
            }
            Err(error) => tracing::debug!(game = %key.game, %error, "a tile has no card"),
        }
    }
}

impl CardMaker<'_> {
    fn make(&self, key: &TileKey, slate: &Picture) -> Result<[Segment; 2], Box<dyn std::error::Error>> {
        let (rung, size) = (&self.rungs[key.rendition], key.size);
        // One picture needs no look ahead, which is no part of what decoders are told.
        let settings = VideoSettings { lookahead_frames: 0, ..rung.tile_settings(size, self.grid, self.preset) };
        let (width, height) = (settings.width, settings.height);
        let rect = fit(slate.width, slate.height, slate.pixel_aspect, size.inside);
        let draws = vec![Draw { picture: slate.clone(), rect }];
        let picture = draw_now(&Canvas { width, height, background: key.colour, draws }).ok_or("it cannot be drawn")?;
        let mut encoder = self.encoders.open(&settings)?;
        rung.accepts(encoder.parameter_sets())?;
        let unit = match encoder.encode(&picture, 0)? {
            Some(unit) => unit,
            None => encoder.drain()?.ok_or("its encoder made nothing")?,
        };
        let (shape, gop) = (size.shape(), self.grid.gop());
        // Its parity does not matter: nothing of the row's IDR picture is shown.
        let row = self.stills.of(self.rungs, key.rendition, size.width_mbs, key.colour, 0)?;
        let index =
            |id| TileSegment::index(&rung.format, shape, id, &[unit.data.clone()], &gop, Some(&row)).map(Arc::new);
        Ok([index(0)?, index(1)?])
    }
}

#[cfg(test)]
mod tests {
    use super::super::plans::Plans;
    use super::*;
    use crate::encode::{Decoder, Libraries, decode};
    use crate::layout::Layouts;
    use crate::mosaic::ladder;
    use crate::mosaic::testing::renditions;
    use crate::stitch::Stitched;

    #[test]
    fn a_card_shows_the_slate_in_its_slot_for_a_whole_segment() {
        let (grid, layouts) = (Grid::new("30".parse().unwrap(), 6), Layouts::bundled());
        let rungs: Vec<Rung> = ladder(grid, &renditions(), "veryfast", 10, Some(&layouts))
            .unwrap()
            .iter()
            .map(|rung| Rung::new(rung).unwrap())
            .collect();
        let (stills, layout) = (Stills::new(grid), layouts.get("4E").unwrap());
        let plan = &Plans::new().of(&layout, &rungs).unwrap()[0];
        let maker = CardMaker { grid, rungs: &rungs, stills: &stills, encoders: &Libraries, preset: "veryfast" };
        let slate = crate::feed::slate("Knicks at Celtics", "Signal lost").unwrap();
        let cards: Vec<Card> = plan.tiles.iter().map(|_| Card::default()).collect();
        for parity in [0, 1] {
            let mut inputs = Vec::new();
            for ((size, place), card) in plan.tiles.iter().zip(&cards) {
                let key = TileKey { game: "g".into(), rendition: 0, size: *size, colour: layout.background };
                assert!(parity == 1 || card.of(parity).is_none(), "there is no slate yet");
                card.show(&slate);
                card.make(&key, &maker);
                // The same slate again is no reason to make it anew.
                let made = card.of(parity).unwrap();
                card.show(&slate.clone());
                assert!(Arc::ptr_eq(&made, &card.of(parity).unwrap()));
                inputs.push(made.placed(place.x_mb, place.y_mb, place.height_mbs).unwrap());
            }
            for place in plan.plan.fillers() {
                let still = stills.of(&rungs, 0, place.width_mbs, layout.background, parity).unwrap();
                inputs.push(still.placed(place.x_mb, place.y_mb, place.height_mbs).unwrap());
            }
            let stitched = Stitched::new(&plan.plan, inputs).unwrap();
            let mut bytes = Vec::new();
            stitched.append_to(&mut bytes);
            let mut bytes = bytes::Bytes::from(bytes);
            let units: Vec<_> = stitched.sizes().map(|size| bytes.split_to(size as usize)).collect();
            let shown = decode(Decoder::Ffmpeg, &rungs[0].sets, &units).unwrap();
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
        // Another title is another card.
        let made = cards[0].of(0).unwrap();
        cards[0].show(&crate::feed::slate("Lakers at Suns", "Signal lost").unwrap());
        assert!(cards[0].of(0).is_none());
        let key = TileKey { game: "g".into(), rendition: 0, size: plan.tiles[0].0, colour: layout.background };
        cards[0].make(&key, &maker);
        assert!(!Arc::ptr_eq(&made, &cards[0].of(0).unwrap()));
    }
}
