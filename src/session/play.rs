//! The playlists of a session.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use super::follow::{Playlist, Reload};
use super::model::{Lists, Sound, rfc_3339_ms};
use super::paths::{Addresses, Own};
use super::registry::{Entry, Offer, Sessions};
use super::renditions::{as_came, audio_renditions, split_address};
use super::splice::{Bridge, Listed, Listing};
use super::state::Trigger;
use super::{GameInfo, SessionError, Sounds, texts};
use crate::cues::track::RangeLine;
use crate::frame::CodedSound;
use crate::hls::playlist::{
    Coming, LowLatency, Media, MediaSegment, Multivariant, Part, VideoRange, VideoVariant, audio_part_duration,
    part_target, peak_bandwidth_bps, target_duration_s, video_part_duration,
};
use crate::ladder::{RenditionSpec, VideoCodec};
use crate::market::Feature;
use crate::mosaic::{MosaicId, Rate};
use crate::timeline::SegmentNumber;
use crate::track::{Position, sound_key};

/// What the address of a playlist ends with that lists parts, or what was played since an instant (milliseconds of Unix time): media playlists
/// have no other way to know what the client asked for.
pub(super) fn query(parts: bool, start_ms: Option<i64>) -> String {
    let parts = parts.then(|| "low_latency=true".to_owned());
    let start = start_ms.map(|ms| format!("start={}", rfc_3339_ms(ms)));
    let asked: Vec<String> = parts.into_iter().chain(start).collect();
    if asked.is_empty() { String::new() } else { format!("?{}", asked.join("&")) }
}

/// Stands for no game in the address of an init segment: no game can be called so.
const ANY_GAME: &str = "*";

/// A rendition is announced with this part of its bit rate at least.
const STILL_SHARE: u32 = 2;

/// Slots of the largest layout.
const MAX_SLOTS: usize = 4;

impl Sessions {
    /// Text of the multivariant playlist: every rendition, and `sounds`: of the session's own what it has chosen first (players that know no DEFAULT
    /// take the first), then that of each slot. They are few whatever there is: many players open all of them before the first picture.
    ///
    /// `start_ms`: what was played since is listed, too.
    pub async fn multivariant(
        &self,
        token: &str,
        sounds: Sounds,
        parts: bool,
        start_ms: Option<i64>,
    ) -> Result<String, SessionError> {
        self.multivariant_under("", token, sounds, parts, start_ms).await
    }

    /// [`Sessions::multivariant`], whose playlists lie under `prefix`.
    pub async fn multivariant_under(
        &self,
        prefix: &str,
        token: &str,
        sounds: Sounds,
        parts: bool,
        start_ms: Option<i64>,
    ) -> Result<String, SessionError> {
        let entry = self.entry_of_token(token)?;
        let (picks, chosen, engine, offer, mosaic, rights) = {
            let mut session = entry.session.lock();
            session.step(Trigger::Polled)?;
            session.seen(self.now_ms());
            (
                session.show.games.clone(),
                session.show.audio.clone(),
                session.show.engine,
                Offer::of(&session),
                session.newest_mosaic().clone(),
                session.rights.clone(),
            )
        };
        let (rules, parts) = (self.rules(&entry.tenant, &rights), parts && rights.tier.has(Feature::LowLatency));
        let all = self.games_for(&entry, &picks, &rules);
        let audio = audio_renditions(sounds, &picks, &chosen, &all);
        let as_came = as_came(sounds, &chosen, &all, rights.tier.has(Feature::Dolby));
        let query = query(parts, start_ms);
        let shown: Vec<&GameInfo> =
            picks.iter().filter_map(|pick| all.iter().find(|game| game.key == pick.key)).collect();
        let texts = texts::renditions(&shown, &all, rules.text_language(), &query);
        let renditions = self.variants(&MosaicId(mosaic), offer, self.stays_in_hevc(engine)).await;
        let audio_bitrate_bps = self.games.sound_bitrate_bps();
        let mut playlist = Multivariant { renditions, audio, texts, as_came, audio_bitrate_bps };
        // Pictures alone have no parts.
        let of_keys = self::query(false, start_ms);
        playlist.renditions.iter_mut().for_each(|variant| variant.key_pictures_uri.push_str(&of_keys));
        let uris = playlist.renditions.iter_mut().map(|variant| &mut variant.uri);
        uris.chain(playlist.audio.iter_mut().map(|audio| &mut audio.uri)).for_each(|uri| uri.push_str(&query));
        // It has no parts.
        playlist.as_came.iter_mut().for_each(|came| came.uri.push_str(&of_keys));
        if !prefix.is_empty() {
            playlist.lie_under(prefix);
        }
        Ok(playlist.render())
    }

    async fn variants(&self, mosaic: &MosaicId, offer: Offer, in_hevc: bool) -> Vec<VideoVariant> {
        let (mut variants, mut offered) = (Vec::new(), Vec::new());
        for rendition in self.offered(offer).filter(|r| in_hevc || r.plays_everywhere()) {
            let rate = self.mosaics.rate(mosaic, &rendition.name).await;
            if let Some(variant) = self.variant(rendition, rate) {
                variants.push(variant);
                offered.push(rendition);
            }
        }
        for (variant, score) in variants.iter_mut().zip(scores(&offered)) {
            variant.score = score;
        }
        variants
    }

    /// `rate` is what was measured of its pictures. `None` for a rendition that is none of this machine's.
    fn variant(&self, rendition: &RenditionSpec, rate: Option<Rate>) -> Option<VideoVariant> {
        let video_codec = self.mosaics.codec(&rendition.name)?.to_owned();
        let bitrate_bps = rendition.bitrate_bps;
        let sound_bps = self.games.sound_bitrate_bps();
        let (bandwidth_bps, average_bandwidth_bps) = match rate {
            Some(Rate { peak_bps, average_bps }) => {
                // What stands still now will move: a player that took it for cheap would stall with the first picture that does.
                let least = |bps: u32| bps.max(bitrate_bps / STILL_SHARE).saturating_add(sound_bps);
                (least(peak_bps), least(average_bps))
            }
            // The encoder's buffer holds one second of its rate.
            None => (
                peak_bandwidth_bps(&self.grid, bitrate_bps, bitrate_bps, sound_bps),
                bitrate_bps.saturating_add(sound_bps),
            ),
        };
        Some(VideoVariant {
            uri: format!("video/{}.m3u8", rendition.name),
            key_pictures_uri: format!("keys/{}.m3u8", rendition.name),
            bandwidth_bps,
            average_bandwidth_bps,
            width: rendition.width,
            height: rendition.height,
            fps: self.grid.fps(),
            video_codec,
            range: match rendition.codec {
                VideoCodec::H264 | VideoCodec::Hevc => VideoRange::Sdr,
                VideoCodec::HevcPq => VideoRange::Pq,
                VideoCodec::HevcHlg => VideoRange::Hlg,
            },
            score: None,
        })
    }

    /// Text of a rendition's media playlist (`rendition` without `.m3u8`). Waits for the first segment of a new mosaic, and for what
    /// `reload` waits for.
    pub async fn video_playlist(&self, token: &str, rendition: &str, reload: Reload) -> Result<String, SessionError> {
        let entry = self.entry_of_token(token)?;
        let reload = self.within_tier(&entry, reload);
        let offer = Offer::of(&entry.session.lock());
        if !self.offered(offer).any(|r| r.name == rendition) {
            return Err(SessionError::RenditionUnknown { name: rendition.to_owned() });
        }
        let playlist = self.listing(&entry, None, reload).await?;
        let grid = &self.grid;
        let in_hevc = self.stays_in_hevc(entry.session.lock().show.engine);
        let others = self.offered(offer).filter(|r| r.name != rendition && (in_hevc || r.plays_everywhere()));
        let sounds = ["main".to_owned()].into_iter().chain((0..playlist.slots).map(|slot| slot.to_string()));
        let query = query(true, reload.start_ms);
        let sounds = sounds.map(|sound| format!("../sound/{sound}.m3u8{query}"));
        let own = self.own(&entry, reload);
        // A playlist names a mosaic or two, many times.
        let known: RefCell<Vec<(String, Rc<Addresses<'_>>)>> = RefCell::default();
        let of = |mosaic: &str| -> Rc<Addresses<'_>> {
            let mut known = known.borrow_mut();
            if let Some((_, addresses)) = known.iter().find(|(known, _)| known == mosaic) {
                return addresses.clone();
            }
            let addresses = Rc::new(self.paths.rung(mosaic, rendition).of_session(own.as_ref()));
            known.push((mosaic.to_owned(), addresses.clone()));
            addresses
        };
        let media = Entries {
            map_uri: Some(self.paths.rung(&playlist.map_mosaic, rendition).init()),
            segment: &|n, mosaic| MediaSegment {
                gap: self.lacks(mosaic, rendition),
                ..MediaSegment::video(grid, n, of(mosaic).segment(n))
            },
            part: &|at, mosaic| Part {
                uri: of(mosaic).part(at),
                duration: video_part_duration(grid, at.part),
                independent: at.part == 0,
            },
            report_uris: others.map(|r| format!("{}.m3u8{query}", r.name)).chain(sounds).collect(),
        };
        Ok(self.render(&playlist, media, reload))
    }

    /// Text of the playlist of the pictures that open a rendition's segments: what players show while they seek.
    pub async fn key_pictures_playlist(
        &self,
        token: &str,
        rendition: &str,
        reload: Reload,
    ) -> Result<String, SessionError> {
        let entry = self.entry_of_token(token)?;
        let offer = Offer::of(&entry.session.lock());
        if !self.offered(offer).any(|r| r.name == rendition) {
            return Err(SessionError::RenditionUnknown { name: rendition.to_owned() });
        }
        let reload = Reload { parts: false, part: None, ..reload };
        let playlist = self.listing(&entry, None, reload).await?;
        let (grid, own) = (&self.grid, self.own(&entry, reload));
        let of = |mosaic: &str| self.paths.rung(mosaic, rendition).of_session(own.as_ref());
        let media = Entries {
            map_uri: Some(self.paths.rung(&playlist.map_mosaic, rendition).init()),
            segment: &|n, mosaic| MediaSegment {
                gap: self.lacks(mosaic, rendition),
                ..MediaSegment::video(grid, n, of(mosaic).key_picture(n))
            },
            part: &|at, mosaic| Part {
                uri: of(mosaic).part(at),
                duration: video_part_duration(grid, at.part),
                independent: at.part == 0,
            },
            report_uris: Vec::new(),
        };
        let media = Media { key_pictures: true, ..self.media(&playlist, media, reload) };
        Ok(media.render())
    }

    /// Text of a game's sound playlist: `game` is the game's id, without `.m3u8`, or that and one of its sounds, `game~deu`, which is the main one where the
    /// game has no such sound. It lists the same segments as the
    /// picture's, so that players find both in step.
    pub async fn audio_playlist(&self, token: &str, game: &str, reload: Reload) -> Result<String, SessionError> {
        let entry = self.entry_of_token(token)?;
        let unknown = || SessionError::GameUnknown { id: game.to_owned() };
        let (game, track) = split_address(game).ok_or_else(unknown)?;
        let picked = entry.session.lock().show.games.iter().find(|pick| pick.id == game).map(|pick| pick.key.clone());
        let key = match picked {
            Some(key) => key,
            None => {
                let running = self.games.find(&entry.tenant, game).map(|info| info.key);
                let key = running.or_else(|| self.games.removed_sound(&entry.tenant, game)).ok_or_else(unknown)?;
                let rights = entry.session.lock().rights.clone();
                let rules = self.rules(&entry.tenant, &rights);
                if self.restriction((game, &key), &rights, &rules, self.now_ms()).is_some() {
                    return Err(unknown());
                }
                key
            }
        };
        let form = track.filter(|track| CodedSound::is_id(track)).map(|id| id.parse().map_err(|_| unknown()));
        let form: Option<CodedSound> = form.transpose()?;
        if form.is_some_and(CodedSound::is_dolby) && !entry.session.lock().rights.tier.has(Feature::Dolby) {
            return Err(unknown());
        }
        // Nothing could stand for it in its own form.
        if form.is_some() && entry.session.lock().is_barred(&key) {
            return Err(unknown());
        }
        // Frames that are longer than AAC's would make longer parts than are announced.
        let reload = if form.is_some() { Reload { parts: false, part: None, ..reload } } else { reload };
        self.sound(&entry, &Sound::Game(sound_key(&key, track)), form, reload).await
    }

    /// Text of the playlist of the session's own sound: `main`, or a slot's number, or that and one of the sounds of the game in it, `0~deu`.
    pub async fn sound_playlist(&self, token: &str, name: &str, reload: Reload) -> Result<String, SessionError> {
        let entry = self.entry_of_token(token)?;
        let in_slot = || {
            let (slot, track) = split_address(name).filter(|(_, track)| !track.is_some_and(CodedSound::is_id))?;
            let slot = slot.parse().ok().filter(|n: &usize| *n < MAX_SLOTS && n.to_string() == slot)?;
            Some(Sound::Slot(slot, track.map(str::to_owned)))
        };
        let sound = match name {
            "main" => Sound::Main,
            _ => in_slot().ok_or_else(|| SessionError::SoundUnknown { name: name.to_owned() })?,
        };
        self.sound(&entry, &sound, None, reload).await
    }

    /// `form` is that of a sound as it came.
    async fn sound(
        &self,
        entry: &Entry,
        sound: &Sound,
        form: Option<CodedSound>,
        reload: Reload,
    ) -> Result<String, SessionError> {
        let reload = self.within_tier(entry, reload);
        let playlist = self.listing(entry, Some(sound), reload).await?;
        let offer = Offer::of(&entry.session.lock());
        let grid = &self.grid;
        let (own, query) = (self.own(entry, reload), query(true, reload.start_ms));
        let sounding: Vec<(SegmentNumber, Addresses<'_>)> = playlist
            .sounding
            .iter()
            .flat_map(|sounding| sounding.entries())
            .map(|splice| (splice.from, self.paths.sound(&splice.mosaic).of_session(own.as_ref())))
            .collect();
        // The same bytes for every game, and one address over the playlist's whole life.
        let any = match sound {
            Sound::Game(key) => self.paths.sound(key).of_session(own.as_ref()),
            Sound::Main | Sound::Slot(..) => self.paths.sound(&ANY_GAME.into()),
        };
        let init = match sound {
            Sound::Game(key) => self.paths.sound(key).init(),
            Sound::Main | Sound::Slot(..) => any.init(),
        };
        let of = |n: SegmentNumber| {
            let from = sounding.iter().rev().find(|(from, _)| *from <= n).or(sounding.first());
            from.map_or(&any, |(_, addresses)| addresses)
        };
        let media = Entries {
            map_uri: Some(init),
            segment: &|n, _| match form {
                Some(form) => MediaSegment::coded(grid, n, form.frame_samples(), of(n).segment(n)),
                None => MediaSegment::audio(grid, n, of(n).segment(n)),
            },
            part: &|at, _| Part {
                uri: of(at.segment).part(at),
                duration: audio_part_duration(grid, at.segment, at.part),
                independent: true,
            },
            report_uris: self.offered(offer).map(|r| format!("../video/{}.m3u8{query}", r.name)).collect(),
        };
        Ok(self.render(&playlist, media, reload))
    }

    pub(super) fn render(&self, playlist: &Playlist, entries: Entries, reload: Reload) -> String {
        self.media(playlist, entries, reload).render()
    }

    /// Pictures and sound break at the same places, which is how players put them together again.
    fn media(&self, playlist: &Playlist, entries: Entries, reload: Reload) -> Media {
        let Playlist { lists: Lists { listing, ended, resumed }, numbering, .. } = playlist;
        let parts = |n, mosaic: &str, bridge: Option<&Bridge>, parts| {
            let of = |part| bridge.filter(|bridge| part < bridge.begins).map_or(mosaic, |bridge| &bridge.before);
            (0..parts).map(|part| (entries.part)(Position::new(n, part), of(part))).collect()
        };
        let entry = |listed: &Listed| {
            let segment = (entries.segment)(listed.number, &listed.mosaic);
            let gap = listed.gap || segment.gap;
            MediaSegment {
                number: numbering.sequence(listed.number),
                discontinuity: *resumed == Some(listed.number),
                gap,
                parts: if gap || *ended || !reload.parts {
                    Vec::new()
                } else {
                    parts(listed.number, &listed.mosaic, listed.bridge.as_ref(), self.grid.parts())
                },
                ..segment
            }
        };
        let come_to = playlist.lists.come_to(self.grid.parts()).filter(|_| !ended);
        let coming = come_to.zip(playlist.next_mosaic.as_ref()).map(|(come_to, next_mosaic)| Coming {
            running: listing
                .running
                .as_ref()
                .map(|r| parts(r.number, &r.mosaic, r.bridge.as_ref(), r.parts))
                .unwrap_or_default(),
            running_begins: (entries.segment)(come_to.segment, next_mosaic).program_date_time,
            hint_uri: (entries.part)(come_to.next(&self.grid), next_mosaic).uri,
            report_uris: entries.report_uris,
            come_to: (numbering.sequence(come_to.segment), come_to.part),
        });
        let low_latency = reload.parts.then(|| LowLatency { part_target: part_target(&self.grid), coming });
        let first = listing.segments.first();
        let asked = reload.start_ms.filter(|_| playlist.is_started);
        let start = asked.and_then(|start_ms| self.asked_start(listing, start_ms));
        Media {
            target_duration_s: target_duration_s(&self.grid),
            map_uri: entries.map_uri,
            segments: listing.segments.iter().map(entry).collect(),
            ended: *ended,
            start,
            can_skip: reload.parts || playlist.is_started,
            skips: reload.skip && !ended,
            discontinuity_sequence: first.map_or(0, |first| numbering.breaks_before(first.number, *resumed)),
            date_ranges: self.date_ranges(playlist),
            key_pictures: false,
            low_latency,
        }
    }
}

/// How good renditions look next to each other, from 1 (bis 4.4.6.2), where some are in HEVC: by size, then by light, then by bits, of which HEVC needs three quarters. Where all
/// are in H.264 their order says it.
fn scores(renditions: &[&RenditionSpec]) -> Vec<Option<u32>> {
    if renditions.iter().all(|r| r.plays_everywhere()) {
        return vec![None; renditions.len()];
    }
    let worth = |r: &RenditionSpec| {
        let bits = u64::from(r.bitrate_bps);
        let bits = match r.codec {
            VideoCodec::H264 => bits,
            VideoCodec::Hevc | VideoCodec::HevcPq | VideoCodec::HevcHlg => bits * 4 / 3,
        };
        (r.width, r.is_hdr(), bits, r.codec == VideoCodec::Hevc)
    };
    let place = |r: &&RenditionSpec| renditions.iter().filter(|other| worth(other) < worth(r)).count();
    renditions.iter().map(|r| u32::try_from(place(r) + 1).ok()).collect()
}

/// Longer than anything is announced ahead.
const AHEAD: Duration = Duration::from_secs(60);

impl Sessions {
    /// How far from the beginning of what is listed playback begins that was asked for from `start_ms` on; `None` where that is yet to come: it begins
    /// where live begins.
    pub(super) fn asked_start(&self, listing: &Listing, start_ms: i64) -> Option<Duration> {
        let (first, last) = listing.segments.first().zip(listing.segments.last())?;
        let time_ms = |n| self.grid.segment_time(n).unix_millis();
        let is_there = start_ms <= time_ms(last.number);
        is_there.then(|| Duration::from_millis(u64::try_from(start_ms - time_ms(first.number)).unwrap_or(0)))
    }

    /// What was signalled of the games that are shown, each while it is shown, and while something stands in for it in a break.
    fn date_ranges(&self, playlist: &Playlist) -> Vec<String> {
        let Lists { listing, .. } = &playlist.lists;
        let mut lines: Vec<RangeLine> = Vec::new();
        let newest = listing.segments.last().map(|newest| newest.number);
        for showing in listing.segments.chunk_by(|one, next| one.mosaic == next.mosaic) {
            let (Some(first), Some(last)) = (showing.first(), showing.last()) else { continue };
            let ends = self.grid.segment_time(last.number + 1);
            // Of what is shown now it also says what is announced: whoever puts something in its place needs the time.
            let is_now = Some(last.number) == newest && !playlist.lists.ended;
            let span = self.grid.segment_time(first.number)..if is_now { ends + AHEAD } else { ends };
            let games = playlist.signalled.iter().find(|(mosaic, _)| *mosaic == first.mosaic);
            for game in games.into_iter().flat_map(|(_, games)| games) {
                for line in self.games.date_ranges(game, span.clone()) {
                    if !lines.contains(&line) {
                        lines.push(line);
                    }
                }
            }
        }
        // Of one range the line that begins it comes first, as they were given.
        lines.sort_by_key(|line| line.starts_at);
        lines.into_iter().map(|line| line.text).collect()
    }

    /// The session whose own addresses a playlist has: one that begins where the client asked, all over its life, so that no address in it changes as
    /// what it opens grows old (6.2.1).
    pub(super) fn own<'a>(&self, entry: &'a Entry, reload: Reload) -> Option<Own<'a>> {
        let has_own = reload.start_ms.is_some() && self.settings.start_over.is_some();
        has_own.then(|| self.own_of(&entry.token, reload.player))
    }
}

/// How a track's entries look in a media playlist.
pub(super) struct Entries<'a> {
    pub map_uri: Option<String>,
    /// Of a segment of a mosaic.
    pub segment: &'a dyn Fn(SegmentNumber, &str) -> MediaSegment,
    pub part: &'a dyn Fn(Position, &str) -> Part,
    /// The session's other playlists.
    pub report_uris: Vec<String>,
}
