//! Where what shows in breaks is made beforehand, on threads that stand back behind everything that is live: one for pictures that stand still, which are
//! needed soon, and one for creatives, which take their time.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded};
use url::Url;

use super::creative::{Creative, Stage};
use super::kept::Kept;
use crate::config::PictureLimits;
use crate::encode::{Libraries, SoundEncoders};
use crate::feed::{Apart, DecodeCosts, Decoding, Ended, Feed, FeedSpec, Outcome, Pace};
use crate::frame::Picture;
use crate::metrics::Metrics;
use crate::mosaic::{ReelMaker, ReelWriter};
use crate::reach::{Own, Reach, Rules};
use crate::timeline::{Clock, Grid, SegmentNumber};
use crate::track::TileName;
use crate::work::lower_priority;

/// Pieces of work that wait at most: what is more is asked for again later.
const MOST_WAITING: usize = 4096;

/// What the workshop works with.
pub struct Tools {
    pub maker: Arc<ReelMaker>,
    pub clock: Arc<dyn Clock>,
    pub metrics: Arc<Metrics>,
    /// Where files of creatives lie, and what is made of them.
    pub kept: Arc<Kept>,
    /// How they are decoded in a process of their own; `None`: they are decoded here.
    pub apart: Option<Arc<Apart>>,
    pub sound_bitrate_bps: u32,
}

/// Tiles that a creative is encoded for at once: it is decoded anew for the next ones.
const ENCODED_AT_ONCE: usize = 8;

/// How often a creative is made whose process ended or said nothing: that may pass, and breaks are short.
const TRIES: usize = 3;

/// Why a creative could not be made.
struct NotMade {
    why: String,
    /// It may pass: the process that decodes it ended, or was not given a processor.
    may_pass: bool,
}

impl NotMade {
    /// As the feed of it says, and the process that decodes it ended.
    fn without_picture(error: Option<String>, ended: Option<Ended>) -> Self {
        // Nothing is said of it where its process says nothing, which may be found out only later.
        let may_pass = error.is_none() || matches!(ended, Some(Ended::Died | Ended::Hung));
        Self { why: error.unwrap_or_else(|| "no picture of it can be decoded".to_owned()), may_pass }
    }
}

impl From<String> for NotMade {
    fn from(why: String) -> Self {
        Self { why, may_pass: false }
    }
}

type Work = Box<dyn FnOnce(&Tools) + Send>;

/// Work, and the segment that it is needed for.
type Due = (SegmentNumber, Work);

/// See the module.
pub struct Workshop {
    tools: Arc<Tools>,
    stills: Sender<Due>,
    creatives: Sender<Due>,
}

impl Workshop {
    /// Starts its threads. They end with it.
    ///
    /// # Errors
    /// Where the system has no threads.
    pub fn start(tools: Tools) -> std::io::Result<Self> {
        let tools = Arc::new(tools);
        let (stills, creatives) = (bench("break-stills", &tools)?, bench("break-creatives", &tools)?);
        Ok(Self { tools, stills, creatives })
    }

    pub fn tools(&self) -> &Tools {
        &self.tools
    }

    /// Has a still made; false where too much waits.
    pub fn still(&self, work: impl FnOnce(&Tools) + Send + 'static) -> bool {
        self.stills.try_send((0, Box::new(work))).is_ok()
    }

    /// Has something made of a creative, which is needed with segment `due`: what is needed first is made first. False where too much waits.
    pub fn creative(&self, due: SegmentNumber, work: impl FnOnce(&Tools) + Send + 'static) -> bool {
        self.creatives.try_send((due, Box::new(work))).is_ok()
    }
}

/// What the reel for tiles of this fingerprint is kept as. Another decision may have it last for fewer segments.
fn reel_of(creative: &Creative, fingerprint: &str) -> String {
    format!("{fingerprint}.{}.reel", creative.segments())
}

fn sound_of(creative: &Creative) -> String {
    format!("{}.sound", creative.segments())
}

/// What waits, by when it is needed, and of equals by when it came.
fn next_due(waiting: &mut BTreeMap<(SegmentNumber, u64), Work>, come: &Receiver<Due>, count: &mut u64) -> Option<Work> {
    let first = if waiting.is_empty() { come.recv().ok() } else { None };
    let room = MOST_WAITING.saturating_sub(waiting.len());
    for (due, work) in first.into_iter().chain(come.try_iter().take(room)) {
        waiting.insert((due, *count), work);
        *count += 1;
    }
    waiting.pop_first().map(|(_, work)| work)
}

fn bench(name: &str, tools: &Arc<Tools>) -> std::io::Result<Sender<Due>> {
    let (sender, come): (Sender<Due>, Receiver<Due>) = bounded(MOST_WAITING);
    let tools = tools.clone();
    std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        lower_priority();
        let (mut waiting, mut count) = (BTreeMap::new(), 0);
        while let Some(work) = next_due(&mut waiting, &come, &mut count) {
            // One that panics is one that was not made; those that wait are no worse for it.
            let worked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(&tools)));
            if worked.is_err() {
                tracing::error!("something for a break could not be made");
            }
        }
    })?;
    Ok(sender)
}

impl Tools {
    pub fn grid(&self) -> Grid {
        self.maker.grid()
    }

    /// Takes up what another process has made of a creative whose file it kept.
    pub fn take_up(&self, creative: &Creative) {
        let Some(sound) = self.kept.piece(&creative.name, &sound_of(creative)) else { return };
        creative.heard(sound.as_chunks().0.iter().map(|sample| i16::from_le_bytes(*sample)).collect());
    }

    /// Makes reels of `creative` for `tiles`, and, the first time, takes its sound. What was made before is kept.
    pub fn condition(&self, creative: &Creative, tiles: &[TileName]) {
        // What could not be shown once is not there for other tiles either, and why it could not is known.
        if matches!(creative.stage(), Stage::Failed { .. }) {
            return tiles.iter().for_each(|tile| creative.made(tile, None));
        }
        let tiles: Vec<TileName> = tiles.iter().filter(|tile| !self.is_kept(creative, tile)).cloned().collect();
        if tiles.is_empty() && creative.has_sound() {
            return;
        }
        let (begun, tiles) = (self.clock.now(), &tiles[..]);
        let conditioned = match creative.file() {
            Some(file) => self.conditioned(creative, &file, tiles),
            None => Err("its file is not there".to_owned()),
        };
        match conditioned {
            Ok(()) => {
                let seconds = self.clock.now().since(begun).as_secs_f64();
                self.metrics.creative_seconds.observe(seconds);
                tracing::info!(
                    creative = crate::config::masked(&creative.media.url),
                    tiles = tiles.len(),
                    seconds,
                    "an advertisement is ready"
                );
            }
            Err(why) => {
                tracing::warn!(
                    creative = crate::config::masked(&creative.media.url),
                    why,
                    "an advertisement cannot be shown"
                );
                tiles.iter().for_each(|tile| creative.made(tile, None));
                // It is fetched again when it is asked for again.
                self.kept.forget(&creative.name);
                // VAST 4.3, 2.3.6.3: a media file that cannot be displayed.
                creative.fail(why, 405);
            }
        }
    }

    /// Whether the reel for `tile` was made before: it is, then.
    fn is_kept(&self, creative: &Creative, tile: &TileName) -> bool {
        let reel = self.maker.fingerprint(tile).ok().and_then(|fingerprint| {
            let piece = self.kept.piece(&creative.name, &reel_of(creative, &fingerprint))?;
            self.maker.reel(piece)
        });
        let is_kept = reel.is_some();
        if is_kept {
            creative.made(tile, reel);
        }
        is_kept
    }

    fn conditioned(&self, creative: &Creative, file: &Path, tiles: &[TileName]) -> Result<(), String> {
        if tiles.is_empty() {
            return self.conditioned_for(creative, file, tiles);
        }
        // An encoder each: all at once would take gigabytes.
        tiles.chunks(ENCODED_AT_ONCE).try_for_each(|tiles| self.conditioned_for(creative, file, tiles))
    }

    fn conditioned_for(&self, creative: &Creative, file: &Path, tiles: &[TileName]) -> Result<(), String> {
        let mut tries = 1;
        loop {
            match self.conditioned_once(creative, file, tiles) {
                Err(NotMade { why, may_pass: true }) if tries < TRIES => {
                    tracing::warn!(
                        creative = crate::config::masked(&creative.media.url),
                        why,
                        "an advertisement is decoded again"
                    );
                    tries += 1;
                }
                made => return made.map_err(|not_made| not_made.why),
            }
        }
    }

    fn conditioned_once(&self, creative: &Creative, file: &Path, tiles: &[TileName]) -> Result<(), NotMade> {
        let open = |tile: &TileName| self.maker.open(tile).map_err(|error| error.to_string());
        let mut writers = tiles.iter().map(open).collect::<Result<Vec<ReelWriter>, String>>()?;
        let push = |picture: &Picture| {
            writers.iter_mut().try_for_each(|writer| writer.push(picture)).map_err(|error| error.to_string())
        };
        let sound = self.decoded(file, creative, push)?;
        let now_ms = self.clock.now().unix_millis();
        for (tile, writer) in tiles.iter().zip(writers) {
            let reel = writer.finish().map_err(|error| error.to_string())?;
            if let Ok(fingerprint) = self.maker.fingerprint(tile) {
                self.kept.keep_piece(&creative.name, &reel_of(creative, &fingerprint), &reel.to_bytes(), now_ms);
            }
            creative.made(tile, Some(reel));
        }
        if !creative.has_sound() {
            let bytes: Vec<u8> = sound.iter().flat_map(|sample| sample.to_le_bytes()).collect();
            self.kept.keep_piece(&creative.name, &sound_of(creative), &bytes, now_ms);
            creative.heard(sound.into());
        }
        Ok(())
    }

    /// Shows the pictures of `file` to `each`, on the grid, for as many segments as `creative` lasts, the last one until they are over; its sound, interleaved
    /// stereo, comes back.
    fn decoded(
        &self,
        file: &Path,
        creative: &Creative,
        mut each: impl FnMut(&Picture) -> Result<(), String>,
    ) -> Result<Vec<i16>, NotMade> {
        let url = Url::from_file_path(file).map_err(|()| "its file has no address".to_owned())?;
        // It may lead to itself and nowhere else.
        let rules = Rules { schemes: vec!["file"], media_dirs: vec![self.kept.dir().to_owned()], ..Rules::default() };
        let decoding = Decoding {
            max_sounds: 1,
            reach: Reach::new(rules, Own::default()),
            limits: PictureLimits::default(),
            costs: Arc::<DecodeCosts>::default(),
            apart: self.apart.clone(),
            ..Decoding::unlimited()
        };
        let spec = FeedSpec { key: "creative".into(), title: String::new(), sources: vec![url] };
        let grid = self.grid();
        let feed = Feed::start_within(spec, grid, self.clock.clone(), Pace::Lockstep, decoding);
        let first = grid.first_frame(grid.segment_at(self.clock.now()));
        let end = first + creative.segments() * u64::from(grid.segment_frames());
        // Behind its last picture a feed would begin it again.
        let over = creative.pictures().map_or(end, |pictures| end.min(first + pictures));
        let heard_until = creative.frames().map_or(over, |frames| end.min(first + frames)).max(over);
        let (mut sound, mut last) = (Vec::new(), None);
        for frame in first..over {
            let pick = feed.picture_at(frame);
            if pick.outcome == Outcome::Slate {
                let health = feed.health();
                feed.stop();
                return Err(NotMade::without_picture(health.last_error, health.child.and_then(|child| child.ended)));
            }
            sound.extend(feed.sound_at(grid.sample_at_frame(frame)..grid.sample_at_frame(frame + 1)).interleaved);
            each(&pick.picture)?;
            last = Some(pick.picture);
        }
        // Its sound may go on.
        for frame in over..heard_until {
            let _ = feed.picture_at(frame);
            sound.extend(feed.sound_at(grid.sample_at_frame(frame)..grid.sample_at_frame(frame + 1)).interleaved);
        }
        feed.stop();
        for _ in over..end {
            last.iter().try_for_each(&mut each)?;
        }
        Ok(sound)
    }

    /// The encoders of sound.
    pub fn sound_encoders(&self) -> &dyn SoundEncoders {
        &Libraries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_decoded_again_where_its_process_is_to_blame_or_says_nothing() {
        let may_pass = |error: Option<&str>, ended| NotMade::without_picture(error.map(str::to_owned), ended).may_pass;
        assert!(may_pass(None, None) && may_pass(None, Some(Ended::Hung)));
        assert!(may_pass(Some("it ended"), Some(Ended::Died)) && may_pass(Some("it hung"), Some(Ended::Hung)));
        assert!(!may_pass(Some("there is no picture in it"), None));
    }

    #[test]
    fn what_is_needed_first_is_made_first_and_of_equals_what_came_first() {
        let (sender, come) = bounded::<Due>(8);
        let ask = |due| sender.send((due, Box::new(|_: &Tools| {}))).unwrap();
        let (mut waiting, mut count) = (BTreeMap::new(), 0);
        let mut left = || {
            assert!(next_due(&mut waiting, &come, &mut count).is_some());
            waiting.keys().copied().collect::<Vec<_>>()
        };
        ask(30);
        ask(10);
        assert_eq!(left(), [(30, 0)]);
        ask(10);
        ask(10);
        assert_eq!(left(), [(10, 3), (30, 0)]);
        assert_eq!(left(), [(30, 0)]);
        assert_eq!(left(), []);
    }
}
