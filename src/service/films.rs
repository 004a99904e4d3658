//! Clips for slots of art, decoded where feeds are: in a process of its own each, unless the configuration says otherwise.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::assets::{EachPicture, Fault, FilmFacts, Films, NotShown};
use crate::compositor::{Canvas, Draw, draw_now, fit};
use crate::config::PictureLimits;
use crate::feed::{Apart, Blame, Decoding, Film, FilmError, SourceError};
use crate::frame::{Picture, Rect};
use crate::reach::{Own, Reach, Rules};
use crate::timeline::{Clock, Grid};

/// Rows that art's pictures have at most, and pictures a second that clips have.
const LIMITS: PictureLimits = PictureLimits { width: 4096, height: 2160, fps: 60, streams: 16 };

/// See the module.
pub(super) struct FilmsOfAssets {
    pub grid: Grid,
    pub clock: Arc<dyn Clock>,
    /// Where they lie: their whole path.
    pub dir: PathBuf,
    /// What of sources is decoded at most: of clips no more.
    pub limits: PictureLimits,
    pub apart: Option<Arc<Apart>>,
}

impl Films for FilmsOfAssets {
    fn show(&self, file: &Path, again: bool, each: &mut EachPicture<'_>) -> Result<FilmFacts, NotShown> {
        // It may lead to itself and nowhere else.
        let rules = Rules { schemes: vec!["file"], media_dirs: vec![self.dir.clone()], ..Rules::default() };
        let decoding = Decoding {
            max_sounds: 1,
            reach: Reach::new(rules, Own::default()),
            limits: PictureLimits {
                width: LIMITS.width.min(self.limits.width),
                height: LIMITS.height.min(self.limits.height),
                fps: LIMITS.fps.min(self.limits.fps),
                streams: LIMITS.streams.min(self.limits.streams),
            },
            costs: Arc::default(),
            apart: self.apart.clone(),
            ..Decoding::unlimited()
        };
        let film = Film { file, again, grid: &self.grid, clock: &self.clock, decoding: &decoding };
        let mut shown = |at: Duration, picture: &Picture| -> ControlFlow<()> { each(at, picture) };
        let facts = film.show(&mut shown).map_err(|error| not_shown(&error))?;
        Ok(FilmFacts { codec: facts.video.map(|video| video.codec), has_sound: facts.audio.is_some() })
    }

    fn draw(&self, picture: &Picture, (width, height): (u32, u32), background: [u8; 3]) -> Option<Picture> {
        let rect = fit(picture.width, picture.height, picture.pixel_aspect, Rect { x: 0, y: 0, width, height });
        let draws = vec![Draw { picture: picture.clone(), rect }];
        draw_now(&Canvas { width, height, background, draws })
    }
}

fn not_shown(FilmError { error, blame }: &FilmError) -> NotShown {
    let fault = match blame {
        Blame::File => Fault::File,
        Blame::Unknown => Fault::Unknown,
        Blame::Moment => Fault::Moment,
    };
    NotShown { why: why(error), fault }
}

/// Why a file cannot be shown, in words for who sent a file and not for who runs a feed.
fn why(error: &SourceError) -> String {
    match error {
        // The first of a source's pictures is waited with until there is a second.
        SourceError::NoPicture => "fewer than two pictures of it can be decoded".to_owned(),
        SourceError::Stalled { seconds } => format!("no further picture of it came for {seconds} s"),
        error => error.to_string(),
    }
}
