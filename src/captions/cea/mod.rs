//! Captions in pictures: CTA-608-E (line 21) and CTA-708-E (DTVCC), as H.264 carries them (ATSC A/53 part 4, 6.2.3).
//!
//! A [`Decoder`] takes the caption data of pictures in the order of showing, and tells with each what screens have changed. Text that grows on
//! the screen, as roll-up and paint-on captions do, is told in steps: see [`Growth`].

mod codes;
mod descriptor;
mod dtvcc;
mod line21;
mod sei;
#[cfg(test)]
mod tests;
mod window;

use std::collections::BTreeMap;
use std::time::Duration;

use super::Screen;
use crate::timeline::MediaTime;
use dtvcc::Dtvcc;
use line21::Field;

pub use descriptor::{Described, services_of_descriptor};
pub use sei::{cc_data_of_h264, cc_data_of_h265};

/// A stream of captions within a game's pictures; `Display` gives it as `EXT-X-MEDIA`'s `INSTREAM-ID` has it (RFC 8216bis, 4.4.6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum Service {
    /// `CC1` to `CC4`.
    Line21(u8),
    /// `SERVICE1` to `SERVICE63`.
    Dtvcc(u8),
}

impl std::fmt::Display for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Line21(channel) => write!(f, "CC{channel}"),
            Self::Dtvcc(number) => write!(f, "SERVICE{number}"),
        }
    }
}

/// In which steps text that grows on the screen is told. What replaces a whole screen at once (pop-on, erasing, a window shown) is always told
/// with the picture that it came with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Growth {
    /// At most so often: a viewer sees words as they come, this much later at the most. Line 21 brings two characters a frame; a cue for each
    /// would be thirty a second, and players flicker. Zero tells every change.
    Steps(Duration),
    /// Line by line, when the next one begins: fewest cues, later by as long as a line takes to write.
    Lines,
}

impl Default for Growth {
    /// A third of a second, as the grid's parts are: a player shows no change sooner than it gets the part that has it.
    fn default() -> Self {
        Self::Steps(Duration::from_millis(333))
    }
}

/// Shape of the picture, which says how wide DTVCC's rows are (CTA-708-E, 8.2 and 8.4: 42 columns in 16:9, 32 in 4:3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Aspect {
    #[default]
    Wide,
    FourToThree,
}

/// What a service's screen shows now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub service: Service,
    pub screen: Screen,
}

/// What the code of a decoder did to its screen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Effect {
    #[default]
    None,
    /// Text came to a visible place.
    Grew,
    /// A line is finished.
    Line,
    /// The screen is another one.
    Changed,
}

/// What was told of a service's screen, and what is still to be told.
#[derive(Clone, Debug, Default)]
struct Told {
    texts: Vec<super::Text>,
    at: Option<MediaTime>,
    pending: Effect,
}

/// Reads the captions of one stream of pictures.
#[derive(Debug)]
pub struct Decoder {
    fields: [Field; 2],
    dtvcc: Dtvcc,
    growth: Growth,
    told: BTreeMap<Service, Told>,
    now: MediaTime,
}

/// A field of line 21 without valid data for so long has its screens erased, as decoders do (CTA-608-E). Padding is data.
const LINE21_SILENCE: Duration = Duration::from_secs(16);

/// DTVCC without a packet for so long. CTA-708-E knows no such rule and a caption may stand long; but a feed that lost its captions must not show
/// the last one for ever.
const DTVCC_SILENCE: Duration = Duration::from_secs(120);

impl Decoder {
    pub fn new(growth: Growth, aspect: Aspect) -> Self {
        Self {
            fields: [Field::new(false), Field::new(true)],
            dtvcc: Dtvcc::new(aspect),
            growth,
            told: BTreeMap::new(),
            now: MediaTime::ZERO,
        }
    }

    /// Takes in the `cc_data()` of the picture shown at `at` (ATSC A/53 part 4, 6.2.3.1; empty where it has none), and tells which screens it
    /// changed. To be called for every picture, in the order of showing: delays and silence end with time, not with data.
    pub fn push(&mut self, at: MediaTime, cc_data: &[u8]) -> Vec<Change> {
        self.now = self.now.max(at);
        for [head, first, second] in triples(cc_data) {
            let valid = head & 0x04 != 0;
            match head & 0x03 {
                field @ (0 | 1) if valid => self.fields[usize::from(field)].push(self.now, [first, second]),
                kind @ (2 | 3) => self.dtvcc.push(self.now, kind == 3, valid.then_some([first, second])),
                _ => {}
            }
        }
        self.dtvcc.tick(self.now, DTVCC_SILENCE);
        self.fields.iter_mut().for_each(|field| field.tick(self.now, LINE21_SILENCE));
        self.changes()
    }

    /// Services that have shown text so far: those that are worth a track.
    pub fn services(&self) -> Vec<Service> {
        self.told.iter().filter(|(_, told)| told.at.is_some()).map(|(service, _)| *service).collect()
    }

    /// The source begins anew: what is shown ends at `at`, and nothing is remembered but which services there were.
    pub fn reset(&mut self, at: MediaTime) -> Vec<Change> {
        self.now = self.now.max(at);
        self.fields = [Field::new(false), Field::new(true)];
        self.dtvcc = Dtvcc::new(self.dtvcc.aspect());
        let now = self.now;
        let shown = self.told.iter_mut().filter(|(_, told)| !told.texts.is_empty());
        let ended = shown.map(|(service, told)| {
            *told = Told { texts: Vec::new(), at: Some(now), pending: Effect::None };
            Change { service: *service, screen: Screen { at: now, texts: Vec::new() } }
        });
        ended.collect()
    }

    fn changes(&mut self) -> Vec<Change> {
        let [first, second] = &mut self.fields;
        let effects = first.effects(1).into_iter().chain(second.effects(3)).chain(self.dtvcc.effects());
        for (service, effect) in effects {
            let told = self.told.entry(service).or_default();
            told.pending = told.pending.max(effect);
        }
        let mut out = Vec::new();
        for (service, told) in &mut self.told {
            if !told.is_due(self.growth, self.now) {
                continue;
            }
            told.pending = Effect::None;
            let texts = match *service {
                Service::Line21(channel @ 1..=2) => self.fields[0].shown(channel - 1),
                Service::Line21(channel) => self.fields[1].shown(channel.saturating_sub(3)),
                Service::Dtvcc(number) => self.dtvcc.shown(number),
            };
            if texts != told.texts {
                told.at = Some(self.now);
                told.texts = texts;
                out.push(Change { service: *service, screen: Screen { at: self.now, texts: told.texts.clone() } });
            }
        }
        out
    }
}

impl Told {
    fn is_due(&self, growth: Growth, now: MediaTime) -> bool {
        match (self.pending, growth) {
            (Effect::None, _) => false,
            (Effect::Changed, _) | (Effect::Line, Growth::Lines) => true,
            (Effect::Grew, Growth::Lines) => false,
            (Effect::Grew | Effect::Line, Growth::Steps(step)) => self.at.is_none_or(|at| now.since(at) >= step),
        }
    }
}

/// The triples of a `cc_data()`; none where it says that it is not to be processed. One cut short gives those that are whole.
fn triples(cc_data: &[u8]) -> impl Iterator<Item = [u8; 3]> {
    // process_cc_data_flag, cc_count; then em_data.
    let count = match cc_data.first() {
        Some(head) if head & 0x40 != 0 => usize::from(head & 0x1f),
        _ => 0,
    };
    let rest = cc_data.get(2..).unwrap_or_default();
    rest.as_chunks::<3>().0.iter().take(count).copied()
}
