//! How far what is encoded as it is shown can have come. What is put down ahead of time, as what stands in for games in breaks is, counts as there no sooner:
//! where nothing else is in the picture nothing would hold it back, and playlists would run into the future and stand still when the game is back.

use tokio::sync::watch;

use crate::ladder::{Rung, VideoCodec};
use crate::timeline::{FrameNumber, Grid};
use crate::track::Position;

/// See the module. It moves with the tick, part by part.
pub(super) struct Pace {
    grid: Grid,
    /// Frames that encoders of tiles hold back.
    delay_frames: u64,
    come_to: watch::Sender<Option<Position>>,
}

impl Pace {
    /// Of tiles of `rungs`.
    pub fn new(grid: Grid, rungs: &[Rung]) -> Self {
        let of_tiles = rungs.iter().filter(|rung| rung.spec.codec == VideoCodec::H264);
        let delay_frames = of_tiles.map(|rung| rung.settings.delay_frames()).max().unwrap_or(0);
        Self { grid, delay_frames: delay_frames.into(), come_to: watch::channel(None).0 }
    }

    /// `frame` has ticked.
    pub fn ticked(&self, frame: FrameNumber) {
        let come_to = self.encoded_by(frame);
        // Who waits is woken by parts, and not by frames.
        self.come_to.send_if_modified(|known| {
            let is_later = come_to > *known;
            if is_later {
                *known = come_to;
            }
            is_later
        });
    }

    /// The last part of which an encoder that keeps up has given every picture when `frame` is given to it.
    fn encoded_by(&self, frame: FrameNumber) -> Option<Position> {
        let grid = &self.grid;
        let newest = frame.checked_sub(self.delay_frames)?;
        let segment = grid.segment_of(newest);
        let pictures = newest + 1 - grid.first_frame(segment);
        let is_whole = |part: &u32| grid.part_pictures(*part).end as u64 <= pictures;
        match (0..grid.parts()).take_while(is_whole).last() {
            Some(part) => Some(Position::new(segment, part)),
            None => Some(Position::end_of(grid, segment.checked_sub(1)?)),
        }
    }

    pub fn come_to(&self) -> Option<Position> {
        *self.come_to.borrow()
    }

    /// Waits until it has come to `at`.
    pub async fn comes_to(&self, at: Position) {
        // The other end lives as long as this.
        let _ = self.come_to.subscribe().wait_for(|now| *now >= Some(at)).await;
    }
}
