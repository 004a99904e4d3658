//! A tile's pictures, checked and indexed once, and their slice headers for each place where they are shown.

mod bridge;
mod byte_form;

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::plan::Place;
use super::slice::{CutSlice, SliceHeader, SliceKind};
use super::{Format, StitchError, nal};
use crate::timeline::{Gop, GopPicture, PictureKind};

/// Bytes of an access unit that is indexed.
const MAX_UNIT_BYTES: usize = 16 << 20;
/// Places of which a segment keeps the headers. Layouts have a handful; beyond that, headers are made anew each time.
const MAX_PLACES_KEPT: usize = 32;
/// Slice data of a macroblock row that is all skipped: CABAC spends far less than a bit on each.
const MAX_STILL_ROW_BYTES: usize = 256;
/// Headers are copied by so many bytes at once ([`super::gather`]), so that many may be read from where each begins.
pub(super) const HEADER_CHUNK: usize = 16;

/// How a tile's pictures are cut into slices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slices {
    /// One a macroblock row.
    PerRow,
    /// One a picture, for a tile that is the whole canvas.
    Whole,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TileShape {
    pub width_mbs: u32,
    pub height_mbs: u32,
    pub slices: Slices,
}

impl TileShape {
    const fn slices_per_picture(self) -> u32 {
        match self.slices {
            Slices::PerRow => self.height_mbs,
            Slices::Whole => 1,
        }
    }
}

/// What a slice of a [`TileBlock`] is made of, in bytes.
#[derive(Clone, Copy, Debug)]
struct SliceSize {
    head: u16,
    /// Whether all its macroblocks are skipped.
    is_skipped: bool,
    rest: u32,
}

/// Pictures of a tile that follow each other in one segment, as a part of it or the whole, taken apart: slice data that stays as it is, and
/// the headers that go before.
#[derive(Debug)]
pub struct TileBlock {
    format: Format,
    shape: TileShape,
    idr_pic_id: u16,
    /// Of all slices one after the other, as are `rests`: the NAL unit up to where [`CutSlice`] cuts it, as the encoder made it.
    heads: Vec<u8>,
    /// What follows, and is copied as it is. Beside each other, because a mosaic reads them in this order.
    rests: Bytes,
    slices: Vec<SliceSize>,
    /// Slices of each access unit.
    unit_slices: Arc<[u32]>,
    gop: Gop,
    /// Access units that are not a still tile's.
    own_units: usize,
    placed: Mutex<Vec<Arc<Placed>>>,
}

impl TileBlock {
    /// Checks and takes in `units`: access units of NAL units with four-byte lengths, which are the pictures of `gop` in the order of
    /// coding. SEI, delimiters and filler data are left out. The IDR picture will have `idr_pic_id`, which must differ from one
    /// segment to the next (7.4.3). The bytes are copied: nothing of `units` is kept.
    ///
    /// If an encoder ended early, `hold` stands in for the access units that are missing: a still tile of the same pictures, the same width and
    /// one macroblock row, of which everything but the IDR picture is skipped. A P picture then shows the reference picture before it,
    /// whatever that is, and a B picture what lies between its two.
    ///
    /// # Errors
    /// Whatever would make another picture on the canvas than alone, as far as headers show it, and access units of more than 16 MiB.
    pub fn index(
        format: &Format,
        shape: TileShape,
        idr_pic_id: u16,
        units: &[Bytes],
        gop: &Gop,
        hold: Option<&TileBlock>,
    ) -> Result<Self, StitchError> {
        let frames = gop.pictures().len();
        shape.check(format)?;
        if frames == 0 || units.len() > frames || (units.len() < frames && hold.is_none()) {
            return Err(StitchError::UnitCount { got: units.len(), expected: frames });
        }
        let mut index = Index::new(format, shape, units.iter().map(Bytes::len).sum());
        for (k, (unit, picture)) in units.iter().zip(gop.pictures()).enumerate() {
            index.push(k, unit, *picture)?;
        }
        if let Some(hold) = hold.filter(|_| units.len() < frames) {
            index.hold(hold, gop)?;
        }
        Ok(index.finish(idr_pic_id, gop, units.len()))
    }

    /// The beginning of a segment that shows this one's first picture all the time, by `hold` as [`TileBlock::index`] says, for a segment that
    /// is missing after it.
    ///
    /// # Errors
    /// If `hold` does not fit.
    pub fn frozen(&self, idr_pic_id: u16, hold: &TileBlock) -> Result<Self, StitchError> {
        let mut index = Index::new(&self.format, self.shape, 0);
        let first = self.unit_slices.first().copied().unwrap_or(0);
        for (head, rest, is_skipped) in self.slices().take(first as usize) {
            index.add(head, rest, is_skipped)?;
        }
        index.unit_slices.push(first);
        index.hold(hold, &self.gop)?;
        Ok(index.finish(idr_pic_id, &self.gop, 1))
    }

    pub fn shape(&self) -> TileShape {
        self.shape
    }

    /// Access units, those of a still tile included.
    pub fn frames(&self) -> usize {
        self.unit_slices.len()
    }

    /// Access units that a still tile stands in for.
    pub fn held_frames(&self) -> usize {
        self.frames() - self.own_units
    }

    /// Bytes of its pictures, as good as: headers of slices differ by a few bits from place to place.
    pub fn coded_bytes(&self) -> usize {
        /// A length, and a header that says little.
        const HEAD: usize = 8;
        self.rests.len() + HEAD * self.slices.len()
    }

    /// Memory it takes, with the headers of the places asked for so far.
    pub fn bytes(&self) -> usize {
        let placed = self.placed.lock().unwrap_or_else(PoisonError::into_inner);
        let placed: usize = placed.iter().map(|placed| placed.bytes()).sum();
        let index = size_of_val(&*self.slices) + size_of_val(&*self.unit_slices);
        self.heads.capacity() + self.rests.len() + index + placed
    }

    /// This segment with its top left macroblock at `x_mb`, `y_mb` of the canvas, `rows` macroblock rows high: its own height, or any
    /// for a tile of one row, which is repeated downwards. Made on first use and kept.
    ///
    /// # Errors
    /// If that is not within the canvas, or a repeated row is too large.
    pub fn placed(&self, x_mb: u32, y_mb: u32, rows: u32) -> Result<Arc<Placed>, StitchError> {
        let TileShape { width_mbs, height_mbs, .. } = self.shape;
        if rows != height_mbs && (height_mbs != 1 || rows == 0) {
            return Err(StitchError::Rows { height_mbs, rows });
        }
        let place = Place { x_mb, y_mb, width_mbs, height_mbs: rows };
        place.check_within(self.format.width_mbs(), self.format.height_mbs())?;
        // Held while headers are made: whoever else asks needs them too, and would only make them twice.
        let mut kept = self.placed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(placed) = kept.iter().find(|placed| placed.place == place) {
            return Ok(Arc::clone(placed));
        }
        let placed = Arc::new(Placed::new(self, place)?);
        if kept.len() < MAX_PLACES_KEPT {
            kept.push(Arc::clone(&placed));
        }
        Ok(placed)
    }

    /// Head and rest of each slice, and whether it is skipped.
    fn slices(&self) -> impl Iterator<Item = (&[u8], &[u8], bool)> {
        let (mut heads, mut rests) = (&self.heads[..], &self.rests[..]);
        self.slices.iter().map(move |size| {
            // Sizes are those of what was appended, so both splits are within.
            let (head, later_heads) = heads.split_at(size.head.into());
            let (rest, later_rests) = rests.split_at(size.rest as usize);
            (heads, rests) = (later_heads, later_rests);
            (head, rest, size.is_skipped)
        })
    }
}

/// A [`TileBlock`] in the making.
struct Index<'a> {
    format: &'a Format,
    shape: TileShape,
    heads: Vec<u8>,
    rests: Vec<u8>,
    slices: Vec<SliceSize>,
    unit_slices: Vec<u32>,
}

impl<'a> Index<'a> {
    fn new(format: &'a Format, shape: TileShape, bytes: usize) -> Self {
        let (heads, slices, unit_slices) = (Vec::new(), Vec::new(), Vec::new());
        Self { format, shape, heads, rests: Vec::with_capacity(bytes), slices, unit_slices }
    }

    /// Takes in access unit `k` of the tile's own, which is `picture`.
    fn push(&mut self, k: usize, unit: &[u8], picture: GopPicture) -> Result<(), StitchError> {
        if unit.len() > MAX_UNIT_BYTES {
            let bytes = unit.len() as u64;
            return Err(StitchError::TooLarge { what: "an access unit", bytes, max: MAX_UNIT_BYTES as u64 });
        }
        let expected = self.shape.slices_per_picture() as usize;
        let mut got = 0;
        for range in nal::units(unit) {
            let nal = &unit[range.ok_or(StitchError::BadLengths { unit: k, bytes: unit.len() })?];
            match nal[0] & 31 {
                nal::SLICE | nal::IDR_SLICE => {}
                nal::SEI | nal::DELIMITER | nal::FILLER_DATA => continue,
                nal_type => return Err(StitchError::UnexpectedNal { unit: k, nal_type }),
            }
            if got < expected {
                let cut = CutSlice::read(self.format, nal).map_err(|cause| StitchError::UnreadableSlice {
                    unit: k,
                    slice: got,
                    cause: Box::new(cause),
                })?;
                self.check(&cut.header, k, got, picture)?;
                let is_skipped = self.shape.slices == Slices::PerRow && cut.is_skipped(self.shape.width_mbs);
                self.add(&nal[..cut.rest], &nal[cut.rest..], is_skipped)?;
            }
            got += 1;
        }
        if got != expected {
            return Err(StitchError::SliceCount { unit: k, got, expected });
        }
        self.unit_slices.push(self.shape.slices_per_picture());
        Ok(())
    }

    fn finish(self, idr_pic_id: u16, gop: &Gop, own_units: usize) -> TileBlock {
        let Self { format, shape, mut heads, mut rests, mut slices, unit_slices } = self;
        // Room was made for headers too, and by doubling; a segment is kept for long.
        heads.shrink_to_fit();
        rests.shrink_to_fit();
        slices.shrink_to_fit();
        TileBlock {
            format: format.clone(),
            shape,
            idr_pic_id,
            heads,
            rests: rests.into(),
            slices,
            unit_slices: unit_slices.into(),
            gop: gop.clone(),
            own_units,
            placed: Mutex::default(),
        }
    }

    fn add(&mut self, head: &[u8], rest: &[u8], is_skipped: bool) -> Result<(), StitchError> {
        let bytes = head.len() as u64;
        let too_large = |_| StitchError::TooLarge { what: "a slice header", bytes, max: u16::MAX.into() };
        let head_bytes = u16::try_from(head.len()).map_err(too_large)?;
        self.heads.extend_from_slice(head);
        self.rests.extend_from_slice(rest);
        // It is within an access unit, which MAX_UNIT_BYTES bounds.
        self.slices.push(SliceSize { head: head_bytes, is_skipped, rest: rest.len() as u32 });
        Ok(())
    }

    /// Whether slice `slice` of access unit `unit` is the one that a tile in lockstep with the others has there.
    fn check(&self, header: &SliceHeader, unit: usize, slice: usize, picture: GopPicture) -> Result<(), StitchError> {
        let wrapped = |value: u32, bits: u32| i64::from(value) & ((1i64 << bits) - 1);
        let first_mb = slice as i64 * i64::from(self.shape.width_mbs);
        let is = |kind: SliceKind| i64::from(header.kind == kind);
        let wants = |kind: PictureKind| i64::from(picture.kind == kind);
        for (field, got, expected) in [
            ("first_mb_in_slice", i64::from(header.first_mb), first_mb),
            ("whether it is of an IDR picture", i64::from(header.idr_pic_id.is_some()), wants(PictureKind::Idr)),
            ("frame_num", i64::from(header.frame_num), wrapped(picture.references, self.format.sps().frame_num_bits)),
            ("whether it is a P slice", is(SliceKind::P), wants(PictureKind::P)),
            ("whether it is a B slice", is(SliceKind::B), wants(PictureKind::B)),
            // A frame counts twice: its fields have an order of their own (8.2.1).
            ("pic_order_cnt_lsb", i64::from(header.order_lsb), wrapped(2 * picture.shown, self.format.order_bits())),
        ] {
            if got != expected {
                return Err(StitchError::Slice { unit, slice, field, got, expected });
            }
        }
        Ok(())
    }

    /// Lets `hold` stand in for the access units that are missing of `gop`.
    fn hold(&mut self, hold: &TileBlock, gop: &Gop) -> Result<(), StitchError> {
        let refused = |why| Err(StitchError::Hold { why });
        if hold.format != *self.format {
            return refused("it is made for another canvas");
        }
        if (hold.shape.width_mbs, hold.shape.height_mbs) != (self.shape.width_mbs, 1) {
            return refused("it is not of the same width and one row high");
        }
        if hold.gop != *gop {
            return refused("it has other pictures");
        }
        let own = self.unit_slices.len();
        for (head, rest, is_skipped) in hold.slices().skip(own) {
            if CutSlice::read(self.format, head)?.header.list_modified {
                return refused("its first reference picture is not the picture before");
            }
            if rest.len() > MAX_STILL_ROW_BYTES {
                return refused("it is not still");
            }
            for _ in 0..self.shape.height_mbs {
                self.add(head, rest, is_skipped)?;
            }
            self.unit_slices.push(self.shape.height_mbs);
        }
        Ok(())
    }
}

/// A [`TileBlock`] at one place of the canvas: every slice's header for that place, to go before the slice data, which is shared.
#[derive(Debug)]
pub struct Placed {
    pub(super) place: Place,
    pub(super) format: Format,
    pub(super) idr_pic_id: u16,
    pub(super) unit_slices: Arc<[u32]>,
    pub(super) gop: Gop,
    /// For each slice, one after the other: its bytes, length and all, if all its macroblocks are skipped; else 0. A tile of one slice has
    /// none.
    pub(super) skipped: Vec<u8>,
    /// How many of them there are in each access unit.
    pub(super) unit_skipped: Vec<u16>,
    /// For each slice, one after the other: how many bytes follow for it here (one byte); NAL length, NAL header, slice header and
    /// first slice data. In the end there are [`HEADER_CHUNK`] bytes more.
    pub(super) heads: Vec<u8>,
    pub(super) rests: Bytes,
    /// Whether `rests` are not the tile's own, but each of them over and over.
    repeated: bool,
    /// Bytes of each access unit.
    pub(super) unit_bytes: Vec<u32>,
}

impl Placed {
    fn new(tile: &TileBlock, place: Place) -> Result<Self, StitchError> {
        let (rows, repeated) = (place.height_mbs, place.height_mbs > tile.shape.height_mbs);
        let (mut rests, mut unit_slices) = (tile.rests.clone(), Arc::clone(&tile.unit_slices));
        if repeated {
            let bytes = tile.rests.len() as u64 * u64::from(rows);
            if bytes > MAX_UNIT_BYTES as u64 {
                return Err(StitchError::TooLarge { what: "a repeated row", bytes, max: MAX_UNIT_BYTES as u64 });
            }
            rests = tile
                .slices()
                .flat_map(|(_, rest, _)| std::iter::repeat_n(rest, rows as usize))
                .flatten()
                .copied()
                .collect();
            unit_slices = tile.unit_slices.iter().map(|_| rows).collect();
        }
        let mut heads = Heads::new(tile, place, rows as usize * tile.frames());
        let mut unit_bytes = Vec::with_capacity(tile.frames());
        let mut unit_skipped = Vec::with_capacity(tile.frames());
        let per_row = tile.shape.slices == Slices::PerRow;
        let mut skipped = Vec::with_capacity(if per_row { rows as usize * tile.frames() } else { 0 });
        let mut slices = tile.slices();
        for &count in &*tile.unit_slices {
            let (mut bytes, mut skips) = (0, 0u16);
            for (row, (head, rest, is_skipped)) in (0..).zip(slices.by_ref().take(count as usize)) {
                let cut = CutSlice::read(&tile.format, head)?;
                for row in if repeated { 0..rows } else { row..row + 1 } {
                    let slice_bytes = heads.add(&cut, head[0], row, rest.len())?;
                    bytes += slice_bytes;
                    if per_row {
                        // One that is larger than a byte tells is no less right as it is.
                        let bytes = u8::try_from(slice_bytes).ok().filter(|_| is_skipped).unwrap_or(0);
                        skips = skips.saturating_add(u16::from(bytes > 0));
                        skipped.push(bytes);
                    }
                }
            }
            unit_bytes.push(in_u32("an access unit", bytes)?);
            unit_skipped.push(skips);
        }
        Ok(Self {
            place,
            format: tile.format.clone(),
            idr_pic_id: tile.idr_pic_id,
            unit_slices,
            gop: tile.gop.clone(),
            skipped,
            unit_skipped,
            heads: heads.finish(),
            rests,
            repeated,
            unit_bytes,
        })
    }

    /// Where it stands.
    pub fn place(&self) -> Place {
        self.place
    }

    /// Memory of its own, without what the [`TileBlock`] has.
    pub fn bytes(&self) -> usize {
        let rests = if self.repeated { self.rests.len() } else { 0 };
        let skipped = self.skipped.capacity() + size_of_val(&*self.unit_skipped);
        self.heads.capacity() + skipped + size_of_val(&*self.unit_bytes) + rests
    }
}

/// [`Placed::heads`] in the making.
struct Heads<'a> {
    tile: &'a TileBlock,
    place: Place,
    bytes: Vec<u8>,
    scratch: Vec<u8>,
}

impl<'a> Heads<'a> {
    fn new(tile: &'a TileBlock, place: Place, slices: usize) -> Self {
        Self { tile, place, bytes: Vec::with_capacity((slices + 1) * HEADER_CHUNK), scratch: Vec::new() }
    }

    /// Adds the head of the slice that shows `row` rows below the place's top, and gives the bytes of the whole slice.
    fn add(&mut self, cut: &CutSlice<'_>, nal_header: u8, row: u32, rest_bytes: usize) -> Result<u64, StitchError> {
        let first_mb = (self.place.y_mb + row) * self.tile.format.width_mbs() + self.place.x_mb;
        let begin = self.bytes.len();
        // Both sizes are not known yet.
        self.bytes.extend_from_slice(&[0; 5]);
        cut.write_onto(&mut self.bytes, &mut self.scratch, nal_header, first_mb, self.tile.idr_pic_id)?;
        let head_bytes = self.bytes.len() - begin - 1;
        let slice_bytes = head_bytes as u64 + rest_bytes as u64;
        self.bytes[begin] = u8::try_from(head_bytes).map_err(|_| StitchError::TooLarge {
            what: "a slice header",
            bytes: head_bytes as u64,
            max: u8::MAX.into(),
        })?;
        self.bytes[begin + 1..begin + 5].copy_from_slice(&in_u32("a slice", slice_bytes - 4)?.to_be_bytes());
        Ok(slice_bytes)
    }

    fn finish(mut self) -> Vec<u8> {
        self.bytes.extend_from_slice(&[0; HEADER_CHUNK]);
        self.bytes.shrink_to_fit();
        self.bytes
    }
}

pub(super) fn in_u32(what: &'static str, bytes: u64) -> Result<u32, StitchError> {
    u32::try_from(bytes).map_err(|_| StitchError::TooLarge { what, bytes, max: u32::MAX.into() })
}
