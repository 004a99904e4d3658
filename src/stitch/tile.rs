//! A tile's segment, checked and indexed once, and its slice headers for each place where it is shown.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::plan::Place;
use super::slice::{CutSlice, SliceHeader};
use super::{Format, StitchError, level, nal};

/// Bytes of an access unit that is indexed.
const MAX_UNIT_BYTES: usize = 16 << 20;
/// Places of which a segment keeps the headers. Layouts have a handful; beyond that, headers are made anew each time.
const MAX_PLACES_KEPT: usize = 32;
/// Headers are copied by so many bytes at once ([`super::gather`]), so that many may be read behind each of them.
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

/// A slice within its access unit, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct SliceAt {
    /// Where its NAL unit begins, after the length.
    nal: u32,
    /// Where the bytes begin that are copied as they are, and how many they are.
    pub(super) rest: u32,
    pub(super) rest_bytes: u32,
}

impl SliceAt {
    fn nal(self, unit: &[u8]) -> &[u8] {
        let end = self.rest as usize + self.rest_bytes as usize;
        unit.get(self.nal as usize..end).unwrap_or_default()
    }
}

/// One segment of a tile: access units that stay as the encoder made them, and where their slices are.
#[derive(Debug)]
pub struct TileSegment {
    format: Format,
    shape: TileShape,
    idr_pic_id: u16,
    units: Arc<[Bytes]>,
    /// Of all units, one after the other.
    slices: Arc<[SliceAt]>,
    /// Slices of each unit.
    unit_slices: Arc<[u32]>,
    /// Access units of its own; those after them are a still tile's.
    own_units: usize,
    placed: Mutex<Vec<Arc<Placed>>>,
}

impl TileSegment {
    /// Checks and indexes `units`: access units of NAL units with four-byte lengths, of which the first is an IDR picture and the
    /// others are P pictures with `frame_num` 1, 2, … SEI, delimiters and filler data are left out. The IDR picture
    /// will have `idr_pic_id`, which must differ from one segment to the next (7.4.3).
    ///
    /// If an encoder ended early, `hold` stands in for the access units that are missing of `frames`: a still tile of the same
    /// width and one macroblock row, whose P rows are all `P_Skip`. Each shows the picture before, whatever that is.
    ///
    /// # Errors
    /// Whatever would make another picture on the canvas than alone, as far as headers show it, and access units of more than 16 MiB.
    pub fn index(
        format: &Format,
        shape: TileShape,
        idr_pic_id: u16,
        units: &[Bytes],
        frames: usize,
        hold: Option<&TileSegment>,
    ) -> Result<Self, StitchError> {
        let TileShape { width_mbs, height_mbs, slices } = shape;
        let mbs = u64::from(width_mbs) * u64::from(height_mbs);
        if mbs == 0 || mbs > u64::from(level::MAX_PICTURE_MBS) {
            return Err(StitchError::Shape { width_mbs, height_mbs });
        }
        if slices == Slices::Whole && (width_mbs, height_mbs) != (format.width_mbs(), format.height_mbs()) {
            return Err(StitchError::WholeIsNotCanvas);
        }
        if units.is_empty() || units.len() > frames || (units.len() < frames && hold.is_none()) {
            return Err(StitchError::UnitCount { got: units.len(), expected: frames });
        }
        let mut index = Index { format, shape, units: units.to_vec(), slices: Vec::new(), unit_slices: Vec::new() };
        for (k, unit) in units.iter().enumerate() {
            index.push(k, unit)?;
        }
        if let Some(hold) = hold.filter(|_| units.len() < frames) {
            index.hold(hold, frames)?;
        }
        let Index { units: all, slices, unit_slices, .. } = index;
        Ok(Self {
            format: format.clone(),
            shape,
            idr_pic_id,
            units: all.into(),
            slices: slices.into(),
            unit_slices: unit_slices.into(),
            own_units: units.len(),
            placed: Mutex::default(),
        })
    }

    pub fn shape(&self) -> TileShape {
        self.shape
    }

    /// Access units, those of a still tile included.
    pub fn frames(&self) -> usize {
        self.units.len()
    }

    /// Access units that a still tile stands in for.
    pub fn held_frames(&self) -> usize {
        self.units.len() - self.own_units
    }

    /// Memory it keeps alive: access units of its own, the index and the headers made so far.
    pub fn bytes(&self) -> usize {
        let own: usize = self.units[..self.own_units].iter().map(Bytes::len).sum();
        let index = size_of_val(&*self.units) + size_of_val(&*self.slices) + size_of_val(&*self.unit_slices);
        let placed = self.placed.lock().unwrap_or_else(PoisonError::into_inner);
        own + index + placed.iter().map(|placed| placed.bytes()).sum::<usize>()
    }

    /// This segment with its top left macroblock at `x_mb`, `y_mb` of the canvas, `rows` macroblock rows high: its own height, or any
    /// for a tile of one row, which is repeated downwards. Made on first use and kept.
    ///
    /// # Errors
    /// If that is not within the canvas.
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
}

/// A [`TileSegment`] in the making.
struct Index<'a> {
    format: &'a Format,
    shape: TileShape,
    units: Vec<Bytes>,
    slices: Vec<SliceAt>,
    unit_slices: Vec<u32>,
}

impl Index<'_> {
    /// Indexes access unit `k` of the tile's own.
    fn push(&mut self, k: usize, unit: &Bytes) -> Result<(), StitchError> {
        if unit.len() > MAX_UNIT_BYTES {
            let bytes = unit.len() as u64;
            return Err(StitchError::TooLarge { what: "an access unit", bytes, max: MAX_UNIT_BYTES as u64 });
        }
        let expected = self.shape.slices_per_picture() as usize;
        let mut got = 0;
        for range in nal::units(unit) {
            let range = range.ok_or(StitchError::BadLengths { unit: k, bytes: unit.len() })?;
            let nal = &unit[range.clone()];
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
                self.check(&cut.header, k, got)?;
                // Both fit: an access unit is smaller than MAX_UNIT_BYTES.
                let rest = (range.start + cut.rest) as u32;
                self.slices.push(SliceAt { nal: range.start as u32, rest, rest_bytes: range.end as u32 - rest });
            }
            got += 1;
        }
        if got != expected {
            return Err(StitchError::SliceCount { unit: k, got, expected });
        }
        self.unit_slices.push(self.shape.slices_per_picture());
        Ok(())
    }

    /// Whether slice `slice` of access unit `unit` is the one that a tile in lockstep with the others has there.
    fn check(&self, header: &SliceHeader, unit: usize, slice: usize) -> Result<(), StitchError> {
        let frame_nums = 1u64 << self.format.sps().frame_num_bits;
        let first_mb = slice as i64 * i64::from(self.shape.width_mbs);
        for (field, got, expected) in [
            ("first_mb_in_slice", i64::from(header.first_mb), first_mb),
            ("frame_num", i64::from(header.frame_num), (unit as u64 % frame_nums) as i64),
            ("whether it is of an IDR picture", i64::from(header.idr_pic_id.is_some()), i64::from(unit == 0)),
            ("whether it is a P slice", i64::from(header.is_p()), i64::from(unit != 0)),
        ] {
            if got != expected {
                return Err(StitchError::Slice { unit, slice, field, got, expected });
            }
        }
        Ok(())
    }

    /// Lets `hold` stand in for the access units that are missing of `frames`.
    fn hold(&mut self, hold: &TileSegment, frames: usize) -> Result<(), StitchError> {
        let refused = |why| Err(StitchError::Hold { why });
        if hold.format != *self.format {
            return refused("it is made for another canvas");
        }
        if (hold.shape.width_mbs, hold.shape.height_mbs) != (self.shape.width_mbs, 1) {
            return refused("it is not of the same width and one row high");
        }
        if hold.own_units < frames {
            return refused("it is too short");
        }
        for k in self.units.len()..frames {
            let (unit, slice) = (&hold.units[k], hold.slices[k]);
            if CutSlice::read(self.format, slice.nal(unit))?.header.list_modified {
                return refused("its first reference picture is not the picture before");
            }
            self.units.push(unit.clone());
            self.slices.extend(std::iter::repeat_n(slice, self.shape.height_mbs as usize));
            self.unit_slices.push(self.shape.height_mbs);
        }
        Ok(())
    }
}

/// A [`TileSegment`] at one place of the canvas: every slice's header for that place beside the slice data, which is shared.
#[derive(Debug)]
pub struct Placed {
    pub(super) place: Place,
    pub(super) format: Format,
    pub(super) idr_pic_id: u16,
    pub(super) units: Arc<[Bytes]>,
    pub(super) slices: Arc<[SliceAt]>,
    /// Whether `slices` are not the tile's own, but each of them over and over.
    repeated: bool,
    pub(super) unit_slices: Arc<[u32]>,
    /// What stands before each slice's rest: NAL length, NAL header, slice header and the first slice data. One after the other, and
    /// [`HEADER_CHUNK`] bytes more.
    pub(super) headers: Box<[u8]>,
    pub(super) header_bytes: Box<[u8]>,
    /// Bytes of each access unit.
    pub(super) unit_bytes: Box<[u32]>,
}

impl Placed {
    fn new(tile: &TileSegment, place: Place) -> Result<Self, StitchError> {
        let (rows, repeated) = (place.height_mbs, place.height_mbs > tile.shape.height_mbs);
        let mut slices = Arc::clone(&tile.slices);
        let mut unit_slices = Arc::clone(&tile.unit_slices);
        if repeated {
            slices = tile.slices.iter().flat_map(|slice| std::iter::repeat_n(*slice, rows as usize)).collect();
            unit_slices = tile.unit_slices.iter().map(|_| rows).collect();
        }
        let mut headers = Vec::with_capacity(slices.len() * HEADER_CHUNK + HEADER_CHUNK);
        let mut header_bytes = Vec::with_capacity(slices.len());
        let mut unit_bytes = Vec::with_capacity(tile.units.len());
        let mut scratch = Vec::new();
        let mut next = slices.iter();
        for (unit, &count) in tile.units.iter().zip(&*unit_slices) {
            let mut bytes = 0u64;
            for (row, slice) in (0u32..).zip(next.by_ref().take(count as usize)) {
                let first_mb = (place.y_mb + row) * tile.format.width_mbs() + place.x_mb;
                let nal = slice.nal(unit);
                let cut = CutSlice::read(&tile.format, nal)?;
                let begin = headers.len();
                headers.extend_from_slice(&[0; 4]);
                cut.write_onto(&mut headers, &mut scratch, nal[0], first_mb, tile.idr_pic_id)?;
                let written = headers.len() - begin;
                let length = (written - 4) as u64 + u64::from(slice.rest_bytes);
                headers[begin..begin + 4].copy_from_slice(&in_u32("a slice", length)?.to_be_bytes());
                let too_large =
                    |_| StitchError::TooLarge { what: "a slice header", bytes: written as u64, max: u8::MAX.into() };
                header_bytes.push(u8::try_from(written).map_err(too_large)?);
                bytes += 4 + length;
            }
            unit_bytes.push(in_u32("an access unit", bytes)?);
        }
        headers.extend_from_slice(&[0; HEADER_CHUNK]);
        Ok(Self {
            place,
            format: tile.format.clone(),
            idr_pic_id: tile.idr_pic_id,
            units: Arc::clone(&tile.units),
            slices,
            repeated,
            unit_slices,
            headers: headers.into_boxed_slice(),
            header_bytes: header_bytes.into_boxed_slice(),
            unit_bytes: unit_bytes.into_boxed_slice(),
        })
    }

    /// Where it stands.
    pub fn place(&self) -> Place {
        self.place
    }

    /// Memory of its own, without what the [`TileSegment`] has.
    pub fn bytes(&self) -> usize {
        let own = self.headers.len() + self.header_bytes.len() + size_of_val(&*self.unit_bytes);
        own + if self.repeated { size_of_val(&*self.slices) } else { 0 }
    }
}

pub(super) fn in_u32(what: &'static str, bytes: u64) -> Result<u32, StitchError> {
    u32::try_from(bytes).map_err(|_| StitchError::TooLarge { what, bytes, max: u32::MAX.into() })
}
