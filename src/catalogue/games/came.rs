//! The main sounds of games as their sources code them. Of each form that a source had there is a track for as long as the game is there: what did not come,
//! and what its source sends in another form, is silence of that form. Its id tells all that boxes say, so that it goes on whatever becomes of its game.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::RwLock;

use super::Catalogue;
use super::sounds::packaged;
use crate::feed::{CODED_LAG_SAMPLES, Feed};
use crate::frame::{CodedSound, SoundUnit};
use crate::mosaic::GameKey;
use crate::package;
use crate::timeline::{MediaTime, SegmentNumber};
use crate::track::{
    Block, Held, PassedSound, Position, Runs, Shelf, Silences, SoundKey, SoundSettings, TrackName, sound_key,
};

/// Forms of a game that are kept at most: a source that changes its form again and again is offered no more.
const MOST_FORMS: usize = 4;

/// See the module.
#[derive(Default)]
pub(super) struct CameSounds {
    forms: RwLock<Vec<Arc<Came>>>,
}

struct Came {
    form: CodedSound,
    passed: PassedSound,
    from: SegmentNumber,
}

impl CameSounds {
    /// Hands on what came of a tick that is of `samples`, but for what viewers are not to hear: that is silence. Quick.
    pub fn push(&self, feed: &Feed, samples: &Range<u64>, is_off_air: impl Fn(MediaTime) -> bool) {
        let forms = self.forms.read().clone();
        let late = |sample: u64| sample.saturating_sub(CODED_LAG_SAMPLES);
        for came in forms {
            let of = late(samples.start)..late(samples.end);
            for (number, data) in feed.coded_at(came.form, &of) {
                if !is_off_air(MediaTime::of_sample(of.start)) {
                    came.passed.put(number, data);
                }
            }
        }
    }

    /// Takes up the form that `feed` has come to bring, from segment `from` on.
    pub fn take_up(
        &self,
        settings: &SoundSettings,
        silences: &Silences,
        game: &GameKey,
        feed: &Feed,
        from: SegmentNumber,
    ) {
        let Some(form) = feed.coded_form() else { return };
        let known = self.forms.read();
        if known.iter().any(|came| came.form == form) || known.len() >= MOST_FORMS {
            return;
        }
        drop(known);
        let Some(silence) = silences.of(form) else { return };
        tracing::info!(%game, %form, "a source's sound is offered as it comes");
        let track = settings.shelf.track(&TrackName::sound(&sound_key(game, Some(&form.to_string()))));
        let passed = PassedSound::new(track, settings.grid, form, silence, from);
        self.forms.write().push(Arc::new(Came { form, passed, from }));
    }

    /// The form that its source has now, where it is offered.
    pub fn offered(&self, feed: &Feed) -> Option<CodedSound> {
        let form = feed.coded_form()?;
        self.forms.read().iter().any(|came| came.form == form).then_some(form)
    }

    fn begins(&self, form: CodedSound) -> Option<SegmentNumber> {
        self.forms.read().iter().find(|came| came.form == form).map(|came| came.from)
    }
}

impl Catalogue {
    fn came_from(&self, game: &str, form: CodedSound) -> Option<SegmentNumber> {
        self.games.read().running.get(game).and_then(|game| game.came.begins(form))
    }

    /// Whether `track` is a form of `game` that is handed on now.
    pub(super) fn is_came(&self, game: &str, track: &str) -> bool {
        track.parse().is_ok_and(|form| self.came_from(game, form).is_some())
    }

    /// What there is of sound `key`, which is `form` of `game` as it came: silence before it begins, and where it is of the past.
    pub(super) fn came_held(&self, key: &SoundKey, game: &str, form: CodedSound) -> Held {
        let own = self.shelf.held_now(&TrackName::sound(key));
        let silence = self.silence();
        let Some(from) = self.came_from(game, form) else {
            return Held { whole: own.whole.or(&silence.whole), come_to: silence.come_to };
        };
        let Some(last) = from.checked_sub(1) else { return own };
        let before = silence.whole.and(&Runs::from(0..=last));
        let led_in = silence.come_to.min(Some(Position::end_of(&self.sound.grid, last)));
        Held { whole: own.whole.or(&before), come_to: own.come_to.max(led_in) }
    }

    /// Segment `n` of it in its box.
    pub(super) async fn came_segment(
        &self,
        key: &SoundKey,
        game: &str,
        form: CodedSound,
        n: SegmentNumber,
    ) -> Option<Bytes> {
        let (grid, frame_samples) = (&self.sound.grid, form.frame_samples());
        if let Some(blocks) = self.shelf.segment(&TrackName::sound(key), n).await {
            return packaged(n, package::coded_segment(grid, n, frame_samples, &units_of(&blocks)));
        }
        let Held { whole, .. } = self.silence();
        let is_silent = whole.contains(n) && self.came_from(game, form).is_none_or(|from| n < from);
        let silence = if is_silent { self.silences.of(form)? } else { return None };
        let frames = grid.first_coded_frame(n, frame_samples)..grid.first_coded_frame(n + 1, frame_samples);
        let units: Vec<_> = frames.map(|aac_frame| SoundUnit { aac_frame, data: silence.clone() }).collect();
        packaged(n, package::coded_segment(grid, n, frame_samples, &units))
    }
}

fn units_of(blocks: &[Block]) -> Vec<SoundUnit> {
    let mut units = Vec::new();
    for block in blocks {
        if let Block::Coded { units: its, .. } = block {
            units.extend_from_slice(its);
        }
    }
    units
}
