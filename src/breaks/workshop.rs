//! Where what shows in breaks is made beforehand, on threads that stand back behind everything that is live: one for pictures that stand still, which are
//! needed soon, and one for creatives, which take their time.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded};
use url::Url;

use super::creative::Creative;
use crate::config::PictureLimits;
use crate::encode::{Libraries, SoundEncoders};
use crate::feed::{Apart, DecodeCosts, Decoding, Feed, FeedSpec, Outcome, Pace};
use crate::frame::Picture;
use crate::metrics::Metrics;
use crate::mosaic::{ReelMaker, ReelWriter};
use crate::reach::{Reach, Rules};
use crate::timeline::{Clock, Grid};
use crate::track::TileName;
use crate::work::lower_priority;

/// Pieces of work that wait at most: what is more is asked for again later.
const MOST_WAITING: usize = 4096;

/// What the workshop works with.
pub struct Tools {
    pub maker: Arc<ReelMaker>,
    pub clock: Arc<dyn Clock>,
    pub metrics: Arc<Metrics>,
    /// Where files of creatives lie.
    pub dir: PathBuf,
    /// How they are decoded in a process of their own; `None`: they are decoded here.
    pub apart: Option<Arc<Apart>>,
    pub sound_bitrate_bps: u32,
}

/// Tiles that a creative is encoded for at once: it is decoded anew for the next ones.
const ENCODED_AT_ONCE: usize = 8;

type Work = Box<dyn FnOnce(&Tools) + Send>;

/// See the module.
pub struct Workshop {
    stills: Sender<Work>,
    creatives: Sender<Work>,
}

impl Workshop {
    /// Starts its threads. They end with it.
    ///
    /// # Errors
    /// Where the system has no threads.
    pub fn start(tools: Tools) -> std::io::Result<Self> {
        let tools = Arc::new(tools);
        Ok(Self { stills: bench("break-stills", &tools)?, creatives: bench("break-creatives", &tools)? })
    }

    /// Has a still made; false where too much waits.
    pub fn still(&self, work: impl FnOnce(&Tools) + Send + 'static) -> bool {
        self.stills.try_send(Box::new(work)).is_ok()
    }

    /// Has something made of a creative; false where too much waits.
    pub fn creative(&self, work: impl FnOnce(&Tools) + Send + 'static) -> bool {
        self.creatives.try_send(Box::new(work)).is_ok()
    }
}

fn bench(name: &str, tools: &Arc<Tools>) -> std::io::Result<Sender<Work>> {
    let (sender, waiting): (Sender<Work>, Receiver<Work>) = bounded(MOST_WAITING);
    let tools = tools.clone();
    std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        lower_priority();
        for work in waiting {
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

    /// Makes reels of `creative` for `tiles`, and, the first time, takes its sound.
    pub fn condition(&self, creative: &Creative, tiles: &[TileName]) {
        let begun = self.clock.now();
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
                // VAST 4.3, 2.3.6.3: a media file that cannot be displayed.
                creative.fail(why, 405);
            }
        }
    }

    fn conditioned(&self, creative: &Creative, file: &Path, tiles: &[TileName]) -> Result<(), String> {
        // An encoder each: all at once would take gigabytes.
        tiles.chunks(ENCODED_AT_ONCE).try_for_each(|tiles| self.conditioned_for(creative, file, tiles))
    }

    fn conditioned_for(&self, creative: &Creative, file: &Path, tiles: &[TileName]) -> Result<(), String> {
        let open = |tile: &TileName| self.maker.open(tile).map_err(|error| error.to_string());
        let mut writers = tiles.iter().map(open).collect::<Result<Vec<ReelWriter>, String>>()?;
        let push = |picture: &Picture| {
            writers.iter_mut().try_for_each(|writer| writer.push(picture)).map_err(|error| error.to_string())
        };
        let sound = self.decoded(file, creative.segments(), push)?;
        for (tile, writer) in tiles.iter().zip(writers) {
            creative.made(tile, Some(writer.finish().map_err(|error| error.to_string())?));
        }
        if !creative.has_sound() {
            creative.heard(sound);
        }
        Ok(())
    }

    /// Shows the pictures of `file` to `each`, on the grid, for so many segments; its sound, interleaved stereo, comes back.
    fn decoded(
        &self,
        file: &Path,
        segments: u64,
        mut each: impl FnMut(&Picture) -> Result<(), String>,
    ) -> Result<Vec<i16>, String> {
        let url = Url::from_file_path(file).map_err(|()| "its file has no address".to_owned())?;
        // It may lead to itself and nowhere else.
        let rules = Rules { schemes: vec!["file"], media_dirs: vec![self.dir.clone()], ..Rules::default() };
        let decoding = Decoding {
            max_sounds: 1,
            reach: Reach::new(rules, None),
            limits: PictureLimits::default(),
            costs: Arc::<DecodeCosts>::default(),
            apart: self.apart.clone(),
            ..Decoding::unlimited()
        };
        let spec = FeedSpec { key: "creative".into(), title: String::new(), sources: vec![url] };
        let grid = self.grid();
        let feed = Feed::start_within(spec, grid, self.clock.clone(), Pace::Lockstep, decoding);
        let first = grid.first_frame(grid.segment_at(self.clock.now()));
        let mut sound = Vec::new();
        for frame in first..first + segments * u64::from(grid.segment_frames()) {
            let pick = feed.picture_at(frame);
            if pick.outcome == Outcome::Slate {
                let error = feed.health().last_error.unwrap_or_else(|| "no picture of it can be decoded".to_owned());
                feed.stop();
                return Err(error);
            }
            sound.extend(feed.sound_at(grid.sample_at_frame(frame)..grid.sample_at_frame(frame + 1)).interleaved);
            each(&pick.picture)?;
        }
        feed.stop();
        Ok(sound)
    }

    /// The encoders of sound.
    pub fn sound_encoders(&self) -> &dyn SoundEncoders {
        &Libraries
    }
}
