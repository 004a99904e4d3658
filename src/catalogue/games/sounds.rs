//! The sounds of a game: its main one, and those beside it that its sources have had. All of them are decoded and encoded as long as the game is there:
//! what a session chooses is there at once.
//!
//! A sound that a game does not have, or not yet, is its main sound, so that no address of it is ever empty and who follows a language through swaps
//! always hears something. One that its sources no longer have is silent.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::RwLock;

use super::{Catalogue, Game, LOOK_AGAIN};
use crate::catalogue::contract::AudioTrack;
use crate::catalogue::silence::{silent_part, silent_segment};
use crate::feed::Feed;
use crate::frame::{CodedSound, NoCodedSound, Sound, SoundTrack, SoundUnit};
use crate::mosaic::GameKey;
use crate::package;
use crate::session::GameInfo;
use crate::timeline::SegmentNumber;
use crate::track::{
    Block, Held, LEAD_IN_SEGMENTS, Position, Runs, Shelf, SoundEncoding, SoundKey, SoundSettings, TrackName, sound_key,
    split_sound_key,
};

/// See the module.
pub(super) struct Sounds {
    main: Arc<SoundEncoding>,
    /// In the order in which they came. Lock order: after a feed's own.
    beside: RwLock<Vec<Beside>>,
}

/// A sound beside the main one.
#[derive(Clone)]
struct Beside {
    track: SoundTrack,
    encoding: Arc<SoundEncoding>,
    /// Its first segment. What lies before it is the main sound's.
    from: SegmentNumber,
}

impl Sounds {
    /// The sounds of `game` from segment `from` on.
    pub fn new(settings: &Arc<SoundSettings>, game: &GameKey, from: SegmentNumber) -> Self {
        settings.metrics.encoders.with_label_values(&["audio"]).inc();
        let main = Arc::new(SoundEncoding::new(settings.clone(), game, from));
        Self { main, beside: RwLock::default() }
    }

    /// Hands the sound of a tick to the encoders; silence where viewers are not to hear it. Waits for nothing but, in lockstep, the feed.
    pub fn push(&self, feed: &Feed, samples: &Range<u64>, is_off_air: bool) {
        let heard = |sound: Sound| {
            if !is_off_air {
                return sound;
            }
            Sound { interleaved: vec![0; sound.interleaved.len()], ..sound }
        };
        self.main.push(heard(feed.sound_at(samples.clone())));
        let beside = self.beside.read().clone();
        for Beside { track, encoding, .. } in beside {
            encoding.push(heard(feed.sound_beside_at(&track.id, samples.clone())));
        }
    }

    /// Takes up what `feed` has come to bring, from segment `from` on.
    pub fn take_up(&self, settings: &Arc<SoundSettings>, game: &GameKey, feed: &Feed, from: SegmentNumber) {
        for track in feed.sounds_beside() {
            let mut beside = self.beside.write();
            if let Some(known) = beside.iter_mut().find(|beside| beside.track.id == track.id) {
                known.track = track;
                continue;
            }
            tracing::info!(%game, sound = &*track.id, label = track.label, "a source has another sound");
            let key = sound_key(game, Some(&track.id));
            let encoding = Arc::new(SoundEncoding::new(settings.clone(), &key, from));
            settings.metrics.encoders.with_label_values(&["audio"]).inc();
            beside.push(Beside { track, encoding, from });
        }
    }

    /// Starts the threads that are missing.
    pub fn mend(&self) {
        self.main.mend();
        let beside = self.beside.read().clone();
        beside.iter().for_each(|beside| beside.encoding.mend());
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        1 + self.beside.read().len()
    }

    /// Those beside the main one.
    pub fn tracks(&self) -> Vec<SoundTrack> {
        self.beside.read().iter().map(|beside| beside.track.clone()).collect()
    }

    /// The first segment of the sound `id`, if it is there.
    fn begins(&self, id: &str) -> Option<SegmentNumber> {
        self.beside.read().iter().find(|beside| *beside.track.id == *id).map(|beside| beside.from)
    }
}

/// What devices are told of a game's sounds.
pub(super) fn told(game: &Game) -> Vec<AudioTrack> {
    let language = |told: Option<String>| told.filter(|code| code != "und").unwrap_or_else(|| "und".into());
    let main = AudioTrack {
        id: SoundTrack::MAIN.into(),
        language: language(game.feed.language()),
        label: game.spec.title.clone(),
        default: true,
        characteristics: Vec::new(),
    };
    let beside = game.sounds.tracks().into_iter().map(|track| AudioTrack {
        id: track.id.to_string(),
        language: language(track.language),
        label: track.label,
        default: false,
        characteristics: track.role.characteristic().into_iter().map(str::to_owned).collect(),
    });
    [main].into_iter().chain(beside).collect()
}

pub(super) fn info(game: &Game) -> GameInfo {
    // Whoever does not know what is spoken says that it is undetermined (ISO 639-2).
    let language = game.feed.language().filter(|code| code != "und");
    GameInfo {
        key: game.key.clone(),
        id: game.spec.id.clone(),
        title: game.spec.title.clone(),
        language,
        sounds: game.sounds.tracks(),
        as_came: game.came.offered(&game.feed),
        texts: game.texts.lock().infos(),
    }
}

/// Of a sound beside the main one: where its own blocks are to be heard.
#[derive(Clone, Copy, Debug)]
enum Own {
    /// What is there of it is of the past.
    Past,
    /// From this segment on, and before its lead-in, which is another process's.
    From(SegmentNumber),
}

impl Own {
    /// Whether segment `n` is its own or nobody's; the main sound may stand for it otherwise.
    fn is_alone(self, n: SegmentNumber) -> bool {
        matches!(self, Self::From(from) if n >= from)
    }

    fn may_have(self, n: SegmentNumber) -> bool {
        !matches!(self, Self::From(from) if lead_in(from).contains(&n))
    }
}

/// The segments of silence before a track's first one: the main sound is heard there.
fn lead_in(from: SegmentNumber) -> Range<SegmentNumber> {
    // It begins behind the segment that runs, which is led in, too.
    from.saturating_sub(LEAD_IN_SEGMENTS + 1)..from
}

impl Catalogue {
    fn own_blocks(&self, game: &str, track: &str) -> Own {
        let begins = self.games.read().running.get(game).and_then(|game| game.sounds.begins(track));
        begins.map_or(Own::Past, Own::From)
    }

    /// What there is of a sound.
    pub(super) fn held_of(&self, key: &SoundKey) -> Held {
        let (game, track) = split_sound_key(key);
        if let Some(form) = track.and_then(|track| track.parse().ok()) {
            return self.came_held(key, game, form);
        }
        let main = self.main_held(&game.into());
        let Some(track) = track else { return main };
        let own = self.shelf.held_now(&TrackName::sound(key));
        match self.own_blocks(game, track) {
            Own::Past => Held { whole: main.whole.or(&own.whole), come_to: main.come_to },
            Own::From(from) => {
                let Some(last) = from.checked_sub(1) else { return own };
                let before = main.whole.and(&Runs::from(0..=last));
                let led_in = lead_in(from).start..=last;
                let begun = own.come_to.filter(|at| at.segment >= from);
                let come_to = begun.or(main.come_to.min(Some(Position::end_of(&self.sound.grid, last))));
                Held { whole: own.whole.without(&led_in).or(&before), come_to }
            }
        }
    }

    /// What there is of the main sound of a game, running or gone.
    fn main_held(&self, game: &GameKey) -> Held {
        let held = self.shelf.held_now(&TrackName::sound(game));
        if self.by_key(game).is_some() {
            return held;
        }
        let silence = self.silence();
        Held { whole: held.whole.or(&silence.whole), come_to: silence.come_to }
    }

    /// Waits until a sound has come to `at`.
    pub(super) async fn comes(&self, key: &SoundKey, at: Position) {
        let (game, track) = split_sound_key(key);
        // A game may go meanwhile, and silence wakes nobody; and a sound may come into its own.
        while self.held_of(key).come_to < Some(at) {
            // What nobody writes is no track: the main sound goes as fast.
            let is_own = track
                .is_none_or(|track| self.is_came(game, track) || self.own_blocks(game, track).is_alone(at.segment));
            let name = TrackName::sound(if is_own { key } else { game });
            let came = tokio::time::timeout(LOOK_AGAIN, self.sound.shelf.wait(&name, at)).await.is_ok();
            if came && self.held_of(key).come_to < Some(at) {
                // The track that was asked has come there, and what stands for it has not.
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        }
    }

    /// Segment `n` of a sound in its box.
    pub(super) async fn segment_of(&self, key: &SoundKey, n: SegmentNumber) -> Option<Bytes> {
        let grid = &self.sound.grid;
        if let (game, Some(Ok(form))) = came(key) {
            return self.came_segment(key, game, form, n).await;
        }
        for name in self.names(key, n) {
            if let Some(blocks) = self.shelf.segment(&name, n).await {
                return packaged(n, package::audio_segment(grid, n, &units_of(&blocks)));
            }
        }
        self.is_silent(key, Position::end_of(grid, n)).then(|| silent_segment(grid, n))?.ok()
    }

    /// One part of it.
    pub(super) async fn part_of(&self, key: &SoundKey, at: Position) -> Option<Bytes> {
        if matches!(came(key), (_, Some(Ok(_)))) {
            // Its playlists list no parts.
            return None;
        }
        let grid = &self.sound.grid;
        let frames = grid.part_aac_frames(at.segment, at.part);
        for name in self.names(key, at.segment) {
            if let Some(block) = self.shelf.get(&name, at).await {
                return packaged(at.segment, package::audio_fragment(at.segment, frames, &units_of(&[block])));
            }
        }
        self.is_silent(key, at).then(|| silent_part(grid, at))?.ok()
    }

    /// The init segment of a sound.
    pub(super) fn init_of(&self, key: &SoundKey) -> Option<Bytes> {
        match came(key) {
            (_, Some(Ok(form))) => packaged(0, package::coded_init(form)),
            _ => Some(self.sound_init.clone()),
        }
    }

    /// The tracks that segment `n` of a sound may be of, the likelier one first.
    fn names(&self, key: &SoundKey, n: SegmentNumber) -> Vec<TrackName> {
        let (game, track) = split_sound_key(key);
        let Some(track) = track else { return vec![TrackName::sound(key)] };
        let own = self.own_blocks(game, track);
        let its = own.may_have(n).then(|| TrackName::sound(key));
        let main = (!own.is_alone(n)).then(|| TrackName::sound(game));
        its.into_iter().chain(main).collect()
    }

    /// Whether a block of a sound is silence, because its game is gone.
    fn is_silent(&self, key: &SoundKey, at: Position) -> bool {
        let Held { whole, come_to } = self.silence();
        let (game, _) = split_sound_key(key);
        self.by_key(&game.into()).is_none() && whole.oldest() <= Some(at.segment) && come_to >= Some(at)
    }
}

/// The game of a sound, and how it is coded where it is one as it came.
fn came(key: &SoundKey) -> (&str, Option<Result<CodedSound, NoCodedSound>>) {
    let (game, track) = split_sound_key(key);
    (game, track.filter(|track| CodedSound::is_id(track)).map(str::parse))
}

/// AAC frames of blocks, in order: some thirty kilobytes a segment, so that nobody keeps what is packaged of them.
fn units_of(blocks: &[Block]) -> Vec<SoundUnit> {
    let mut units = Vec::new();
    for block in blocks {
        if let Block::Sound(its) = block {
            units.extend_from_slice(its);
        }
    }
    units
}

pub(super) fn packaged(segment: SegmentNumber, made: Result<Bytes, package::CmafError>) -> Option<Bytes> {
    made.inspect_err(|error| tracing::error!(segment, %error, "cannot package a sound segment")).ok()
}
