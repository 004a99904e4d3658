//! Clips: files of what was played, made of the segments as they are, without encoding.
//!
//! One is made at a time, segment by segment, so that live viewers notice nothing. A clip is two files, what it is (JSON) and the movie; what a process
//! leaves half made goes at the next start.
//!
//! Lock order: the list alone, never over an await or a file.

mod making;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::catalogue::GameCatalogue;
use crate::mosaic::{GameKey, MosaicId, Mosaics};
use crate::session::Games;
use crate::timeline::{Clock, Grid, MediaTime, SegmentNumber};

/// The longest clip.
pub const LONGEST: Duration = Duration::from_secs(3600);

/// Clips that wait to be made, of all tenants.
const MOST_WAITING: usize = 100;

/// How a clip is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ClipState {
    /// It waits for others, or is being made.
    Making,
    /// It can be fetched.
    Ready,
    /// `problem` says why not.
    Failed,
}

/// A clip, as the API shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Clip {
    pub id: String,
    pub state: ClipState,
    pub layout: String,
    /// Game ids in slot order.
    pub games: Vec<String>,
    /// The game that is heard.
    pub audio: String,
    /// What made the mosaic.
    #[schema(value_type = crate::mosaic::EngineKind)]
    pub engine: String,
    pub rendition: String,
    /// Its first instant, to the frame. RFC 3339, UTC.
    pub from: String,
    pub to: String,
    pub duration_s: f64,
    /// Of the file; 0 until it is ready.
    pub bytes: u64,
    /// Path of the file, for operator keys.
    pub url: String,
    /// RFC 3339, UTC.
    pub created_at: String,
    /// Why it failed.
    pub problem: Option<String>,
}

/// What a clip is to be made of.
#[derive(Clone, Debug)]
pub struct ClipSpec {
    pub tenant: String,
    pub layout: String,
    pub games: Vec<String>,
    pub audio: String,
    pub engine: String,
    pub rendition: String,
    pub mosaic: MosaicId,
    pub sound: GameKey,
    /// The first frame's instant, and the one behind the last.
    pub from: MediaTime,
    pub to: MediaTime,
}

/// Why there is no clip.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClipError {
    #[error("there is no clip {0:?}")]
    Unknown(String),
    #[error("clip {0:?} is not ready")]
    NotReady(String),
    /// The first instant of which there is nothing.
    #[error("there is nothing of {missing} to {until}")]
    Missing { missing: String, until: String },
    #[error("{waiting} clips wait to be made")]
    Busy { waiting: usize },
    #[error("clips take {bytes} bytes of {limit}: delete some")]
    Full { bytes: u64, limit: u64 },
    #[error("the folder of clips: {0}")]
    Disk(String),
}

/// A clip on the disk.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Kept {
    tenant: String,
    clip: Clip,
}

/// What clips are made with.
pub struct ClipSettings {
    pub dir: PathBuf,
    /// Bytes of all clips together.
    pub bytes: u64,
    pub grid: Grid,
}

/// All clips of this machine.
pub struct Clips {
    settings: ClipSettings,
    mosaics: Arc<dyn Mosaics>,
    games: Arc<dyn Games>,
    sounds: Arc<dyn GameCatalogue>,
    clock: Arc<dyn Clock>,
    known: Mutex<BTreeMap<String, Kept>>,
    /// One is made at a time.
    turn: tokio::sync::Mutex<()>,
}

impl Clips {
    /// Takes up what is in the folder.
    ///
    /// # Errors
    /// Where it cannot be made or read.
    pub fn open(
        settings: ClipSettings,
        mosaics: Arc<dyn Mosaics>,
        games: Arc<dyn Games>,
        sounds: Arc<dyn GameCatalogue>,
        clock: Arc<dyn Clock>,
    ) -> io::Result<Arc<Self>> {
        fs::create_dir_all(&settings.dir)?;
        let mut known = BTreeMap::new();
        let mut files: Vec<PathBuf> =
            fs::read_dir(&settings.dir)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
        files.sort();
        for path in files.iter().filter(|path| path.extension().is_some_and(|e| e == "json")) {
            let kept: Option<Kept> = fs::read(path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
            let Some(mut kept) = kept else {
                tracing::warn!(file = %path.display(), "a clip cannot be read and is let go");
                continue;
            };
            if kept.clip.state != ClipState::Ready || !path.with_extension("mp4").is_file() {
                kept.clip.state = ClipState::Failed;
                kept.clip.problem.get_or_insert_with(|| "the service ended while it was made".to_owned());
            }
            known.insert(kept.clip.id.clone(), kept);
        }
        let is_wanted = |path: &Path| {
            let known = path.file_stem().and_then(|stem| known.get(stem.to_str()?));
            known.is_some_and(|kept| {
                kept.clip.state == ClipState::Ready || path.extension().is_some_and(|e| e == "json")
            })
        };
        for left in files.iter().filter(|path| !is_wanted(path) && path.is_file()) {
            if left.extension().is_some_and(|e| e == "json" || e == "mp4" || e == "part") {
                fs::remove_file(left)?;
            }
        }
        let turn = tokio::sync::Mutex::default();
        Ok(Arc::new(Self { settings, mosaics, games, sounds, clock, known: Mutex::new(known), turn }))
    }

    /// Begins to make a clip; it is looked at first whether all of it is there.
    ///
    /// # Errors
    /// [`ClipError::Missing`], [`ClipError::Busy`], [`ClipError::Full`].
    pub async fn make(self: &Arc<Self>, spec: ClipSpec) -> Result<Clip, ClipError> {
        let bytes = self.bytes();
        if bytes >= self.settings.bytes {
            return Err(ClipError::Full { bytes, limit: self.settings.bytes });
        }
        self.check(&spec).await?;
        let id = self.new_id()?;
        let clip = Clip {
            url: format!("/v1/operator/clips/{id}/clip.mp4"),
            id: id.clone(),
            state: ClipState::Making,
            layout: spec.layout.clone(),
            games: spec.games.clone(),
            audio: spec.audio.clone(),
            engine: spec.engine.clone(),
            rendition: spec.rendition.clone(),
            from: spec.from.to_string(),
            to: spec.to.to_string(),
            duration_s: spec.to.since(spec.from).as_secs_f64(),
            bytes: 0,
            created_at: self.clock.now().to_string(),
            problem: None,
        };
        {
            let mut known = self.known.lock();
            let waiting = known.values().filter(|kept| kept.clip.state == ClipState::Making).count();
            if waiting >= MOST_WAITING {
                return Err(ClipError::Busy { waiting });
            }
            let kept = Kept { tenant: spec.tenant.clone(), clip: clip.clone() };
            // Whoever was told of it finds it after a restart, too.
            self.note(&kept).map_err(|error| ClipError::Disk(error.to_string()))?;
            known.insert(id.clone(), kept);
        }
        let clips = self.clone();
        tokio::spawn(async move { clips.work(id, spec).await });
        Ok(clip)
    }

    async fn work(&self, id: String, spec: ClipSpec) {
        let _one_at_a_time = self.turn.lock().await;
        let path = self.path(&id);
        let made = self.written(&path, &spec).await;
        let kept = {
            let mut known = self.known.lock();
            // It may have been deleted meanwhile.
            let Some(kept) = known.get_mut(&id) else {
                drop(known);
                let _ = fs::remove_file(&path);
                return;
            };
            match &made {
                Ok(bytes) => (kept.clip.state, kept.clip.bytes) = (ClipState::Ready, *bytes),
                Err(error) => (kept.clip.state, kept.clip.problem) = (ClipState::Failed, Some(error.to_string())),
            }
            kept.clone()
        };
        if let Err(error) = made {
            tracing::error!(clip = id, %error, "a clip could not be made");
        }
        if let Err(error) = self.note(&kept) {
            tracing::error!(clip = id, %error, "a clip will be gone after a restart");
        }
    }

    /// Writes down what a clip is: some hundred bytes.
    fn note(&self, kept: &Kept) -> io::Result<()> {
        let json = serde_json::to_vec(kept).map_err(io::Error::other)?;
        fs::write(self.path(&kept.clip.id).with_extension("json"), json)
    }

    /// The tenant's clips, the newest first.
    pub fn list(&self, tenant: &str) -> Vec<Clip> {
        let known = self.known.lock();
        known.values().rev().filter(|kept| kept.tenant == tenant).map(|kept| kept.clip.clone()).collect()
    }

    pub fn get(&self, tenant: &str, id: &str) -> Result<Clip, ClipError> {
        let known = self.known.lock();
        let found = known.get(id).filter(|kept| kept.tenant == tenant);
        found.map(|kept| kept.clip.clone()).ok_or_else(|| ClipError::Unknown(id.to_owned()))
    }

    /// The file of a clip that is ready.
    pub fn file(&self, tenant: &str, id: &str) -> Result<PathBuf, ClipError> {
        let clip = self.get(tenant, id)?;
        if clip.state == ClipState::Ready { Ok(self.path(id)) } else { Err(ClipError::NotReady(id.to_owned())) }
    }

    /// Lets a clip go, ready or not.
    pub fn delete(&self, tenant: &str, id: &str) -> Result<(), ClipError> {
        self.get(tenant, id)?;
        self.known.lock().remove(id);
        for file in [self.path(id), self.path(id).with_extension("json")] {
            match fs::remove_file(file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(ClipError::Disk(error.to_string()));
                }
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }

    pub fn grid(&self) -> &Grid {
        &self.settings.grid
    }

    /// Sorts by time.
    fn new_id(&self) -> Result<String, ClipError> {
        let mut chance = [0u8; 10];
        getrandom::fill(&mut chance).map_err(|error| ClipError::Disk(format!("no random bytes: {error}")))?;
        Ok(format!("{:012x}{}", self.clock.now().unix_millis().max(0), hex::encode(chance)))
    }

    fn bytes(&self) -> u64 {
        self.known.lock().values().map(|kept| kept.clip.bytes).sum()
    }

    fn path(&self, id: &str) -> PathBuf {
        self.settings.dir.join(format!("{id}.mp4"))
    }

    fn segments(&self, spec: &ClipSpec) -> std::ops::RangeInclusive<SegmentNumber> {
        let grid = &self.settings.grid;
        let last = spec.to.as_nanos().saturating_sub(1).max(spec.from.as_nanos());
        grid.segment_at(spec.from)..=grid.segment_at(MediaTime::from_nanos(last))
    }

    /// Whether all of it is there.
    async fn check(&self, spec: &ClipSpec) -> Result<(), ClipError> {
        let there = self.mosaics.held(&spec.mosaic).await.whole.and(&self.games.sound_held(&spec.sound).whole);
        let segments = self.segments(spec);
        let Some(first) = segments.clone().find(|n| !there.contains(*n)) else { return Ok(()) };
        let grid = &self.settings.grid;
        let until = there.oldest_from(first).map_or(spec.to, |next| grid.segment_time(next).min(spec.to));
        Err(ClipError::Missing {
            missing: grid.segment_time(first).max(spec.from).to_string(),
            until: until.to_string(),
        })
    }
}
