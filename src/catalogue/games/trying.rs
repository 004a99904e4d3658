//! Trying a source before there is a game with it: it is decoded as a game's would be, for a few seconds, and nothing of it stays.
//!
//! What is tried has a feed of its own that no mosaic shows. A thread ticks it as the ticker would, since captions and what is wrong with a sound come out
//! with pictures alone, and ends it before the answer is given.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::Catalogue;
use super::asked::told as told_text;
use crate::catalogue::contract::{AudioTrack, CatalogueError, GameSpec, Tried};
use crate::catalogue::texts::GameTexts;
use crate::config::{SourceUri, masked};
use crate::feed::{Decoding, Feed, FeedSpec, Outcome, Reason};
use crate::frame::SoundTrack;
use crate::timeline::{Clock, Grid, MediaTime};
use crate::track::MemoryShelf;

/// Sources that are tried at once: each takes a decoder that games could need.
const AT_ONCE: usize = 2;
/// That long pictures are looked at: captions, rates and other sounds are not told by the first.
const LOOK: Duration = Duration::from_secs(3);
/// A listener is given 20 s by its feed, everything else 10 s; what sends and cannot be decoded from where it is would be waited for longer.
const MOST: Duration = Duration::from_secs(25);
/// Real time that a trial may take, whatever the clock says.
const MOST_REAL: Duration = Duration::from_secs(60);
/// How often a trial that waits for its clock looks whether anybody waits for it.
const LOOK_AROUND: Duration = Duration::from_millis(200);

/// Whose trials run.
#[derive(Clone, Default)]
pub(super) struct Trials(Arc<Mutex<Vec<String>>>);

impl Trials {
    /// One at a time of a tenant, and few of all.
    fn begin(&self, tenant: &str) -> Result<Turn, CatalogueError> {
        let mut running = self.0.lock();
        if running.len() >= AT_ONCE || running.iter().any(|other| other == tenant) {
            return Err(CatalogueError::Trying);
        }
        running.push(tenant.to_owned());
        Ok(Turn { trials: self.clone(), tenant: tenant.to_owned() })
    }
}

/// A trial's place among those that run, until it is dropped.
struct Turn {
    trials: Trials,
    tenant: String,
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut running = self.trials.0.lock();
        if let Some(at) = running.iter().position(|tenant| *tenant == self.tenant) {
            running.swap_remove(at);
        }
    }
}

struct Trial {
    feed: Arc<Feed>,
    texts: GameTexts,
    clock: Arc<dyn Clock>,
    grid: Grid,
    source: String,
    _turn: Turn,
}

impl Catalogue {
    /// Decodes `source` for a moment and tells what it is. `game` is the one that it is, masked perhaps, or shall be a source of.
    pub(super) async fn try_one(
        &self,
        tenant: &str,
        source: String,
        game: Option<&str>,
    ) -> Result<Tried, CatalogueError> {
        // A game's own port counts as taken, too: what is tried there would take the game's datagrams.
        let mut spec = GameSpec { sources: vec![source], ..GameSpec::default() };
        if let Some(id) = game {
            spec.keep_masked(&self.own(tenant, id)?.spec)?;
        }
        let mut sources = self.admitted(tenant, &spec)?;
        let Some(source) = sources.pop() else { return Err(CatalogueError::Trying) };
        let trial = self.begin_trial(tenant, &source)?;
        let (answer, answered) = oneshot::channel();
        let run = move || {
            let tried = trial.run(&answer);
            // Nobody may be waiting for it any more.
            let _ = answer.send(tried);
        };
        let spawned = std::thread::Builder::new().name("trial".into()).spawn(run);
        spawned.map_err(|_| CatalogueError::Trying)?;
        answered.await.map_err(|_| CatalogueError::Trying)
    }

    fn begin_trial(&self, tenant: &str, source: &SourceUri) -> Result<Trial, CatalogueError> {
        let turn = self.trials.begin(tenant)?;
        let (clock, grid) = (self.settings.clock.clone(), self.sound.grid);
        let key: Arc<str> = format!("trial of {tenant}").into();
        let spec = FeedSpec { key: key.clone(), title: String::new(), sources: vec![source.url().clone()] };
        let reach = self.borders().of(Some(tenant)).clone();
        let starts = self.starts.of(Some(tenant)).waited_for();
        let decoding = Decoding { reach, starts, ..self.decoding.clone() };
        let feed = Feed::start_within(spec, grid, clock.clone(), self.pace, decoding);
        let texts = GameTexts::new(key, grid, Arc::new(MemoryShelf::new(grid, 2)));
        Ok(Trial { feed, texts, clock, grid, source: masked(source.as_str()), _turn: turn })
    }
}

impl Trial {
    fn run(mut self, answer: &oneshot::Sender<Tried>) -> Tried {
        let (begun, begun_real) = (self.clock.now(), Instant::now());
        let mut shown_since: Option<MediaTime> = None;
        let (mut last, mut shows) = (self.grid.frame_at(begun), false);
        loop {
            if answer.is_closed() || begun_real.elapsed() >= MOST_REAL {
                break;
            }
            if !self.clock.wait_until(self.grid.frame_time(last + 1), LOOK_AROUND) {
                continue;
            }
            let now = self.clock.now();
            let frame = self.grid.frame_at(now).max(last + 1);
            shows = self.tick(last, frame);
            last = frame;
            if shows {
                shown_since.get_or_insert(now);
            }
            let is_over = match shown_since {
                Some(since) => now.since(since) >= LOOK,
                None => now.since(begun) >= MOST,
            };
            if is_over || self.feed.health().reconnects > 0 {
                break;
            }
        }
        let tried = self.found(begun, shows);
        self.feed.stop();
        tried
    }

    /// Ticks the feed for `frame`, `last` being the one before; true where its source's picture is shown.
    fn tick(&mut self, last: u64, frame: u64) -> bool {
        let shows = self.feed.picture_at(frame).outcome != Outcome::Slate;
        self.feed.take_signals();
        self.feed.sound_at(self.grid.sample_at_frame(last + 1)..self.grid.sample_at_frame(frame + 1));
        let texts = self.feed.take_texts(frame);
        let feed = &self.feed;
        self.texts.tick(frame, texts, shows, &|service| feed.facts().caption_language(service));
        shows
    }

    fn found(&self, begun: MediaTime, shows: bool) -> Tried {
        let health = self.feed.health();
        let has_sound = health.facts.audio.is_some() || health.av_offset_ms.is_some();
        let track = |id: &str, language: Option<String>, label: String, default, characteristics| AudioTrack {
            id: id.to_owned(),
            language: language.unwrap_or_else(|| "und".into()),
            label,
            default,
            characteristics,
        };
        let main =
            has_sound.then(|| track(SoundTrack::MAIN, self.feed.language(), "Main sound".into(), true, Vec::new()));
        let beside = self.feed.sounds_beside().into_iter().map(|sound| {
            let characteristics = sound.role.characteristic().into_iter().map(str::to_owned).collect();
            track(&sound.id, sound.language, sound.label, false, characteristics)
        });
        // One that was lost meanwhile may still be shown.
        let works = shows && health.reconnects == 0;
        let reason = health.reason.or_else(|| (!works).then_some(Reason::Failed));
        Tried {
            source: self.source.clone(),
            works,
            reason,
            sounds: main.into_iter().chain(beside).collect(),
            texts: self.texts.infos().iter().map(told_text).collect(),
            thumbnail: self.feed.thumbnail(),
            took: self.clock.now().since(begun),
            health: health.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_tries_one_source_at_a_time_and_all_together_two() {
        let trials = Trials::default();
        let first = trials.begin("acme").unwrap();
        assert_eq!(trials.begin("acme").err(), Some(CatalogueError::Trying));
        let second = trials.begin("other").unwrap();
        assert_eq!(trials.begin("third").err(), Some(CatalogueError::Trying));
        drop(first);
        let third = trials.begin("third").unwrap();
        assert_eq!(trials.begin("acme").err(), Some(CatalogueError::Trying));
        drop((second, third));
        trials.begin("acme").unwrap();
    }
}
