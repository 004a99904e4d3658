//! All sessions of this process.

use std::sync::Arc;
use std::time::Duration;

use super::{ChangeSession, CreateSession, EndedBy, Games, ListSessions, SessionError, SessionPage, SessionView};
use crate::layout::Layouts;
use crate::metrics::Metrics;
use crate::mosaic::{GameKey, Mosaics};
use crate::store::Store;
use crate::timeline::{Clock, Grid};

/// The bounds of sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionSettings {
    /// A session without a playlist request for this long ends.
    pub idle: Duration,
    /// Segments in a media playlist.
    pub window_segments: u64,
    /// Active sessions at once.
    pub max_sessions: usize,
}

/// The registry of sessions.
pub struct Sessions {}

impl Sessions {
    /// Opens the registry and takes up again every session that was active when the process last ended, however it ended.
    #[allow(clippy::too_many_arguments)]
    pub async fn open(
        store: Arc<dyn Store>,
        mosaics: Arc<dyn Mosaics>,
        games: Arc<dyn Games>,
        layouts: Arc<Layouts>,
        clock: Arc<dyn Clock>,
        grid: Grid,
        settings: SessionSettings,
        metrics: Arc<Metrics>,
    ) -> Result<Arc<Self>, SessionError> {
        let _ = (store, mosaics, games, layouts, clock, grid, settings, metrics);
        todo!()
    }

    /// Makes a session; false where its Idempotency-Key found the one made before.
    pub async fn create(&self, tenant: &str, request: CreateSession) -> Result<(SessionView, bool), SessionError> {
        let _ = (tenant, request);
        todo!()
    }

    pub async fn get(&self, tenant: &str, id: &str) -> Result<SessionView, SessionError> {
        let _ = (tenant, id);
        todo!()
    }

    /// Changes what a session shows, from the first segment on that was not yet listed to it. A refusal changes nothing.
    pub async fn change(&self, tenant: &str, id: &str, request: ChangeSession) -> Result<SessionView, SessionError> {
        let _ = (tenant, id, request);
        todo!()
    }

    /// Ends a session; one that has ended already stays as it is.
    pub async fn end(&self, tenant: &str, id: &str, by: EndedBy) -> Result<(), SessionError> {
        let _ = (tenant, id, by);
        todo!()
    }

    /// A page of a tenant's sessions, newest first.
    pub async fn list(&self, tenant: &str, request: ListSessions) -> Result<SessionPage, SessionError> {
        let _ = (tenant, request);
        todo!()
    }

    /// Text of the multivariant playlist.
    pub async fn multivariant(&self, token: &str) -> Result<String, SessionError> {
        let _ = token;
        todo!()
    }

    /// Text of a rendition's media playlist (`rendition` without `.m3u8`). Waits for the first segment of a new mosaic.
    pub async fn video_playlist(&self, token: &str, rendition: &str) -> Result<String, SessionError> {
        let _ = (token, rendition);
        todo!()
    }

    /// Text of a game's sound playlist (`game` is the game's id, without `.m3u8`).
    pub async fn audio_playlist(&self, token: &str, game: &str) -> Result<String, SessionError> {
        let _ = (token, game);
        todo!()
    }

    /// The game behind a path element of `/v1/media/audio/{element}/…`, if this service signed it.
    pub fn sound_of(&self, element: &str) -> Option<GameKey> {
        let _ = element;
        todo!()
    }

    /// Called every second: ends idle sessions, books the meter, keeps wanted mosaics alive.
    pub async fn sweep(&self) {
        todo!()
    }

    /// Books everything and ends nothing: sessions go on after a restart.
    pub async fn shutdown(&self) {
        todo!()
    }
}
