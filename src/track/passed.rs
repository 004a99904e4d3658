//! A sound that is handed on as it came: frames put down in their places, with silence of the same form where there are none. Nothing is encoded, so it has
//! no thread.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use super::{Block, LEAD_IN_SEGMENTS, Position, Track};
use crate::encode::silent_frame;
use crate::frame::{CodedSound, SoundUnit};
use crate::timeline::{Grid, PartNumber, SAMPLE_RATE_HZ, SegmentNumber};

/// After a longer loss it begins anew at a segment boundary, as encoded sound does.
const MOST_SILENCE_S: u64 = 30;

/// Frames of silence that are remembered.
const MOST_SILENCES: usize = 64;

/// See the module. One lock, and a track's own under it.
pub struct PassedSound {
    track: Arc<Track>,
    grid: Grid,
    form: CodedSound,
    silence: Bytes,
    filling: Mutex<Filling>,
}

/// The segment being filled, or to begin with, and its part.
struct Filling {
    segment: SegmentNumber,
    part: PartNumber,
    units: Vec<SoundUnit>,
    /// The frame that must come next; `None` before the first.
    next: Option<u64>,
}

impl PassedSound {
    /// Frames of `form` on `track` from segment `from` on, behind a lead-in; `silence` is a frame of it.
    pub fn new(track: Arc<Track>, grid: Grid, form: CodedSound, silence: Bytes, from: SegmentNumber) -> Self {
        let filling = Filling { segment: from, part: 0, units: Vec::new(), next: None };
        Self { track, grid, form, silence, filling: Mutex::new(filling) }
    }

    /// Takes in frame `number`, or that there is none: numbers ascend, and what is left out between them is silent. Quick.
    pub fn put(&self, number: u64, data: Option<Bytes>) {
        let mut filling = self.filling.lock();
        if filling.next.is_none() && !self.begin(&mut filling, number) {
            return;
        }
        let lost = number.saturating_sub(filling.next.unwrap_or(number));
        if lost * self.form.frame_samples() > MOST_SILENCE_S * u64::from(SAMPLE_RATE_HZ) {
            // What was begun gets its end.
            let end = self.first(filling.segment + 1);
            while filling.next.is_some_and(|next| next < end) {
                self.came(&mut filling, self.silence.clone());
            }
            let running = self.grid.segment_of_coded(number, self.form.frame_samples());
            *filling = Filling { segment: running + 1, part: 0, units: Vec::new(), next: None };
            return;
        }
        while filling.next.is_some_and(|next| next < number) {
            self.came(&mut filling, self.silence.clone());
        }
        if filling.next == Some(number) {
            self.came(&mut filling, data.unwrap_or_else(|| self.silence.clone()));
        }
    }

    fn first(&self, segment: SegmentNumber) -> u64 {
        self.grid.first_coded_frame(segment, self.form.frame_samples())
    }

    /// Whether `number` is of the segment to begin with or a later one. The segments before it are silent, so that who comes now has enough to begin with.
    fn begin(&self, filling: &mut Filling, number: u64) -> bool {
        let first = self.first(filling.segment);
        if number < first {
            return false;
        }
        let next = self.track.position().map_or(0, |come_to| come_to.segment + 1);
        for segment in next.max(filling.segment.saturating_sub(LEAD_IN_SEGMENTS))..filling.segment {
            for part in 0..self.grid.parts() {
                let frames = self.grid.part_coded_frames(segment, part, self.form.frame_samples());
                self.append(Position::new(segment, part), frames.map(|number| self.unit(number)).collect());
            }
        }
        filling.next = Some(first);
        true
    }

    fn unit(&self, number: u64) -> SoundUnit {
        SoundUnit { aac_frame: number, data: self.silence.clone() }
    }

    fn came(&self, filling: &mut Filling, data: Bytes) {
        let Some(number) = filling.next else { return };
        filling.units.push(SoundUnit { aac_frame: number, data });
        filling.next = Some(number + 1);
        let frames = self.grid.part_coded_frames(filling.segment, filling.part, self.form.frame_samples());
        if number + 1 < frames.end {
            return;
        }
        let units = std::mem::take(&mut filling.units);
        self.append(Position::new(filling.segment, filling.part), units);
        filling.part += 1;
        if filling.part == self.grid.parts() {
            filling.part = 0;
            filling.segment += 1;
        }
    }

    fn append(&self, at: Position, units: Vec<SoundUnit>) {
        // None is longer than 2048 samples.
        let frame_samples = self.form.frame_samples() as u16;
        // What is refused was there before.
        self.track.append(at, Block::Coded { frame_samples, units: units.into() });
    }
}

/// A frame of silence of each form that was asked for.
#[derive(Default)]
pub struct Silences(Mutex<Vec<(CodedSound, Option<Bytes>)>>);

impl Silences {
    /// The first of a form takes some milliseconds. `None` where none can be made: said once.
    pub fn of(&self, form: CodedSound) -> Option<Bytes> {
        let mut known = self.0.lock();
        if let Some((_, silence)) = known.iter().find(|(known, _)| *known == form) {
            return silence.clone();
        }
        let silence = silent_frame(form);
        if let Err(error) = &silence {
            tracing::warn!(%form, %error, "a sound is not offered as it comes: there is no silence for it");
        }
        if known.len() >= MOST_SILENCES {
            known.remove(0);
        }
        known.push((form, silence.ok()));
        known.last().and_then(|(_, silence)| silence.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Ac3;

    fn grid() -> Grid {
        Grid::new("30".parse().unwrap(), 30)
    }

    fn units(track: &Track, segment: u64) -> Vec<SoundUnit> {
        let block = |part| match track.get(Position::new(segment, part)) {
            Some(Block::Coded { frame_samples: 1536, units }) => units.to_vec(),
            other => panic!("{segment}.{part}: {other:?}"),
        };
        (0..grid().parts()).flat_map(block).collect()
    }

    #[test]
    fn every_segment_has_its_frames_and_what_did_not_come_is_silent() {
        let form = CodedSound::Ac3(Ac3 { bsid: 8, bsmod: 0, acmod: 2, lfe: false, rate_code: 10 });
        let track = Arc::new(Track::new(grid(), 100));
        let silence = Bytes::from_static(b"silence");
        let passed = PassedSound::new(track.clone(), grid(), form, silence.clone(), 1000);
        let first = grid().first_coded_frame(1000, 1536);
        let lost = first + 40..first + 45;
        for number in first - 10..grid().first_coded_frame(1004, 1536) + 3 {
            if !lost.contains(&number) {
                let data = (number % 7 != 0).then(|| number.to_string().into());
                passed.put(number, data);
            }
        }
        assert_eq!(track.runs().newest_run(), Some(996..=1003), "and a lead-in");
        for segment in 996..1004 {
            let units = units(&track, segment);
            let frames = grid().first_coded_frame(segment, 1536)..grid().first_coded_frame(segment + 1, 1536);
            assert!(units.iter().map(|unit| unit.aac_frame).eq(frames), "{segment}");
            for unit in units {
                let number = unit.aac_frame;
                let is_silent = segment < 1000 || number % 7 == 0 || lost.contains(&number);
                let expected = if is_silent { silence.clone() } else { number.to_string().into() };
                assert_eq!(unit.data, expected, "{number}");
            }
        }
        // Ticks of a minute are lost: it begins anew, and the hole stays one.
        let far = grid().first_coded_frame(1070, 1536) + 1;
        (far..far + 100).for_each(|number| passed.put(number, None));
        assert!(track.runs().contains(1004) && !track.runs().contains(1060) && track.runs().contains(1071));
    }
}
