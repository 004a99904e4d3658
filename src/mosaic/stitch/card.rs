//! A tile's card: the game's title as a picture of the tile, encoded beforehand. It shows where the tile's encoder has made nothing yet.

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
    face: Option<Picture>,
    /// Of `face`, by the parity of the segment.
    made: Option<[Segment; 2]>,
}

impl Card {
    /// What it is to show from now on.
    pub fn show(&self, face: &Picture) {
        let mut state = self.state.lock();
        if !state.face.as_ref().is_some_and(|known| known.same_memory(face)) {
            *state = State { face: Some(face.clone()), made: None };
        }
    }

    /// A segment of it, if it is made.
    pub fn of(&self, segment: SegmentNumber) -> Option<Segment> {
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
    fn make(&self, key: &TileKey, face: &Picture) -> Result<[Segment; 2], Box<dyn std::error::Error>> {
        let (rung, size) = (&self.rungs[key.rendition], key.size);
        // One picture needs no look ahead, which is no part of what decoders are told.
        let settings = VideoSettings { lookahead_frames: 0, ..rung.tile_settings(size, self.grid, self.preset) };
        let (width, height) = (settings.width, settings.height);
        let rect = fit(face.width, face.height, face.pixel_aspect, size.inside);
        let draws = vec![Draw { picture: face.clone(), rect }];
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
        let index = |id| {
            TileSegment::index(&rung.format, shape, id, std::slice::from_ref(&unit.data), &gop, Some(&row))
                .map(Arc::new)
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
    use crate::mosaic::ladder;
    use crate::mosaic::testing::renditions;
    use crate::stitch::Stitched;

    #[test]
    fn a_card_shows_its_title_in_its_slot_for_a_whole_segment() {
        let (grid, layouts) = (Grid::new("30".parse().unwrap(), 6), Layouts::bundled());
        let rungs: Vec<Rung> = ladder(grid, &renditions(), "veryfast", 10, Some(&layouts))
            .unwrap()
            .iter()
            .map(|rung| Rung::new(rung).unwrap())
            .collect();
        let (stills, layout) = (Stills::new(grid), layouts.get("4E").unwrap());
        let plan = &Plans::new().of(&layout, &rungs).unwrap()[0];
        let maker = CardMaker { grid, rungs: &rungs, stills: &stills, encoders: &Libraries, preset: "veryfast" };
        let face = crate::feed::slate("Knicks at Celtics", "Signal lost").unwrap();
        let cards: Vec<Card> = plan.tiles.iter().map(|_| Card::default()).collect();
        for parity in [0, 1] {
            let mut inputs = Vec::new();
            for ((size, place), card) in plan.tiles.iter().zip(&cards) {
                let key = TileKey { game: "g".into(), rendition: 0, size: *size, colour: layout.background };
                assert!(parity == 1 || card.of(parity).is_none(), "it has no face yet");
                card.show(&face);
                card.make(&key, &maker);
                // The same again is no reason to make it anew.
                let made = card.of(parity).unwrap();
                card.show(&face.clone());
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
        // What stands for a segment: the first picture of the one before it, else the card, else the background's colour.
        let key = TileKey { game: "g".into(), rendition: 0, size: plan.tiles[0].0, colour: layout.background };
        let (rungs, stills) = (Arc::new(rungs), Arc::new(stills));
        let stand_in = |card: Card, before: Option<Segment>| {
            let window = Arc::new(Mutex::new(crate::hls::window::Window::new(4)));
            if let Some(before) = before {
                window.lock().push(6, before);
            }
            let (key, rungs, stills) = (key.clone(), rungs.clone(), stills.clone());
            TileStills { key, card: Arc::new(card), rungs, stills }.of(&window, 7).unwrap()
        };
        let made = |card: &Card| card.of(1).unwrap();
        let [first, second, third, _] = <[Card; 4]>::try_from(cards).ok().unwrap();
        let (face, before) = (made(&second), made(&third));
        assert!(Arc::ptr_eq(&stand_in(second, None), &face));
        let frozen = stand_in(Card::default(), Some(before.clone()));
        assert_eq!((frozen.frames(), frozen.held_frames()), (6, 5));
        assert!(!Arc::ptr_eq(&frozen, &before));
        assert_eq!(stand_in(Card::default(), None).shape().height_mbs, 1, "one row of the background's colour");
        // Another title is another card.
        let cards = [first];
        let maker = CardMaker { grid, rungs: &rungs, stills: &stills, encoders: &Libraries, preset: "veryfast" };
        let made = cards[0].of(0).unwrap();
        cards[0].show(&crate::feed::slate("Lakers at Suns", "Signal lost").unwrap());
        assert!(cards[0].of(0).is_none());
        cards[0].make(&key, &maker);
        assert!(!Arc::ptr_eq(&made, &cards[0].of(0).unwrap()));
    }
}
