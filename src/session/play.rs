//! The playlists of a session.

use std::sync::Arc;

use super::model::Listing;
use super::numbering::Numbering;
use super::paths::Paths;
use super::registry::{Entry, Sessions};
use super::state::{State, Trigger};
use super::{GameInfo, SessionError};
use crate::hls::playlist::{
    AudioRendition, Media, MediaSegment, Multivariant, VideoVariant, peak_bandwidth_bps, target_duration_s,
};
use crate::hls::splice::Listed;
use crate::mosaic::{GameKey, MosaicId, RenditionSpec};
use crate::timeline::SegmentNumber;

/// What a media playlist is made from.
struct Playlist {
    segments: Listing,
    ended: bool,
    /// The mosaic of its init segment.
    map_mosaic: Arc<str>,
    numbering: Numbering,
}

impl Sessions {
    /// Text of the multivariant playlist: every rendition, and the sound of every game that the tenant may show, so that a
    /// player can follow a swap without reading it again: the chosen one first (players that know no DEFAULT take the first),
    /// then those on the picture.
    pub async fn multivariant(&self, token: &str) -> Result<String, SessionError> {
        let entry = self.entry_of_token(token)?;
        let (picks, audio) = {
            let mut session = entry.session.lock();
            session.step(Trigger::Polled)?;
            session.seen(self.now_ms());
            (session.show.games.clone(), session.show.audio.clone())
        };
        let mut games: Vec<GameInfo> = Vec::new();
        let all = self.games.all(&entry.tenant);
        for pick in &picks {
            let title = all.iter().find(|g| g.id == pick.id).map_or_else(|| pick.id.clone(), |g| g.title.clone());
            games.push(GameInfo { key: pick.key.clone(), id: pick.id.clone(), title });
        }
        games.extend(all);
        let mut seen = std::collections::HashSet::new();
        games.retain(|game| seen.insert(game.id.clone()));
        games.sort_by_key(|game| game.id != audio);
        let audio = games.into_iter().map(|game| AudioRendition {
            uri: format!("audio/{}.m3u8", game.id),
            default: game.id == audio,
            name: game.title,
            language: None,
        });
        let audio = audio.collect();
        Ok(Multivariant { renditions: self.variants(), audio }.render())
    }

    fn variants(&self) -> Vec<VideoVariant> {
        self.mosaics.renditions().iter().filter_map(|rendition| self.variant(rendition)).collect()
    }

    /// `None` for a rendition that is none of this machine's.
    fn variant(&self, rendition: &RenditionSpec) -> Option<VideoVariant> {
        let video_codec = self.mosaics.codec(&rendition.name)?.to_owned();
        let bitrate_bps = rendition.bitrate_bps;
        let sound_bps = self.games.sound_bitrate_bps();
        Some(VideoVariant {
            uri: format!("video/{}.m3u8", rendition.name),
            // The encoder's buffer holds one second of its rate.
            bandwidth_bps: peak_bandwidth_bps(&self.grid, bitrate_bps, bitrate_bps, sound_bps),
            average_bandwidth_bps: bitrate_bps.saturating_add(sound_bps),
            width: rendition.width,
            height: rendition.height,
            fps: self.grid.fps(),
            video_codec,
        })
    }

    /// Text of a rendition's media playlist (`rendition` without `.m3u8`). Waits for the first segment of a new mosaic.
    pub async fn video_playlist(&self, token: &str, rendition: &str) -> Result<String, SessionError> {
        let entry = self.entry_of_token(token)?;
        if !self.mosaics.renditions().iter().any(|r| r.name == rendition) {
            return Err(SessionError::RenditionUnknown { name: rendition.to_owned() });
        }
        let playlist = self.listing(&entry, None).await?;
        let map_uri = Paths::video_init(&playlist.map_mosaic, rendition);
        let uri = |n: SegmentNumber, mosaic: &str| Paths::video_segment(mosaic, rendition, n);
        let segment = |l: &Listed| MediaSegment {
            gap: l.gap,
            ..MediaSegment::video(&self.grid, l.number, uri(l.number, &l.mosaic))
        };
        Ok(self.render(&playlist, map_uri, segment))
    }

    /// Text of a game's sound playlist (`game` is the game's id, without `.m3u8`). It lists the same segments as the
    /// picture's, so that players find both in step.
    pub async fn audio_playlist(&self, token: &str, game: &str) -> Result<String, SessionError> {
        let entry = self.entry_of_token(token)?;
        let picked = entry.session.lock().show.games.iter().find(|pick| pick.id == game).map(|pick| pick.key.clone());
        let key = match picked {
            Some(key) => key,
            None => {
                let running = self.games.find(&entry.tenant, game).map(|info| info.key);
                running
                    .or_else(|| self.games.removed_sound(&entry.tenant, game))
                    .ok_or_else(|| SessionError::GameUnknown { id: game.to_owned() })?
            }
        };
        let playlist = self.listing(&entry, Some(&key)).await?;
        let element = self.paths.sound_element(&key);
        let segment = |l: &Listed| MediaSegment {
            gap: l.gap,
            ..MediaSegment::audio(&self.grid, l.number, Paths::sound_segment(&element, l.number))
        };
        Ok(self.render(&playlist, Paths::sound_init(&element), segment))
    }

    /// `playlist` as text, `segment` making an entry for each. Pictures and sound break at the same places, which is how
    /// players put them together again.
    fn render(&self, playlist: &Playlist, map_uri: String, segment: impl Fn(&Listed) -> MediaSegment) -> String {
        let Playlist { segments, ended, numbering, .. } = playlist;
        let entry = |listed: &Listed| MediaSegment {
            number: numbering.sequence(listed.number),
            discontinuity: numbering.breaks_at(listed.number),
            ..segment(listed)
        };
        let media = Media {
            target_duration_s: target_duration_s(&self.grid),
            map_uri,
            segments: segments.iter().map(entry).collect(),
            ended: *ended,
            discontinuity_sequence: segments.first().map_or(0, |first| numbering.breaks_before(first.number)),
        };
        media.render()
    }

    /// What a media playlist lists: the picture's, or that of the game `sound`.
    async fn listing(&self, entry: &Entry, sound: Option<&GameKey>) -> Result<Playlist, SessionError> {
        self.until_ready(|| self.listing_now(entry, sound).transpose()).await?
    }

    fn listing_now(&self, entry: &Entry, sound: Option<&GameKey>) -> Result<Option<Playlist>, SessionError> {
        // Mosaics are asked between two holds of the session's lock, and not within one.
        let mosaics = entry.session.lock().mosaics();
        let finished: Vec<_> =
            mosaics.into_iter().map(|id| (id.clone(), self.mosaics.segments(&MosaicId(id)))).collect();
        let sounds = sound.map(|key| self.games.sound_segments(key));
        let (now_ms, terms) = (self.now_ms(), self.terms());
        let mut session = entry.session.lock();
        let segments = session.list(now_ms, self.settings.window_segments, &finished, sounds.as_ref(), terms)?;
        let ended = matches!(session.state, State::Ended(_));
        let (map_mosaic, numbering) = (session.map_mosaic().clone(), session.numbering().clone());
        Ok((ended || !segments.is_empty()).then_some(Playlist { segments, ended, map_mosaic, numbering }))
    }

    /// Asks `attempt` again whenever a segment is finished, until it has an answer or patience ends.
    async fn until_ready<T>(&self, mut attempt: impl FnMut() -> Option<T>) -> Result<T, SessionError> {
        let mut finished = self.mosaics.finished();
        let deadline = tokio::time::Instant::now() + self.settings.first_segment_wait;
        loop {
            // Seen before the attempt: what is finished during it wakes the wait after it.
            finished.borrow_and_update();
            if let Some(ready) = attempt() {
                return Ok(ready);
            }
            match tokio::time::timeout_at(deadline, finished.changed()).await {
                Ok(Ok(())) => {}
                // Patience is over, or the mosaics are: the process ends.
                Err(_) | Ok(Err(_)) => {
                    let segment_s = self.grid.segment_duration().as_secs_f64().ceil() as u32;
                    return Err(SessionError::NotReady { retry_after_s: segment_s.max(1) });
                }
            }
        }
    }
}
