//! Following live playlists at the pace of a player, and asking what low latency allows to ask.

use std::time::Duration;

use super::linter::{Linter, Lost};
use super::media::MediaPlaylist;
use super::reload;
use super::rules::{live as rules, low_latency as low};

/// Target durations that are watched by default.
const WATCHED_TARGETS: u32 = 4;
/// A playlist that could not be loaded this often in a row is given up.
const MAX_FAILURES: u32 = 3;
/// Seconds beyond 1.5 target durations: our own requests take time.
const STALL_SLACK_S: f64 = 0.5;
/// Far beyond what 6.2.5.2 lets a client ask for.
const FAR: u64 = 20;

impl Linter<'_> {
    /// Reloads what lives until the time is over; then, once, what does not: it must still be the same (4.4.3.4, 4.4.3.5).
    pub(super) fn watch(&mut self) {
        self.watch_living();
        for index in 0..self.tracks.len() {
            let track = &self.tracks[index];
            if track.playlist.is_some() && !track.lives() && track.url.scheme() != "file" {
                self.reload(index);
            }
        }
    }

    fn watch_living(&mut self) {
        let living = self.tracks.iter().filter(|track| track.lives());
        let Some(target) = living.map(|track| track.target()).max() else { return };
        let time = self.options.watch.unwrap_or(target * WATCHED_TARGETS);
        let end = (self.clock.now() + time).min(self.began + time + self.options.limits.run_time);
        loop {
            let living =
                self.tracks.iter().enumerate().filter(|(_, track)| track.lives() && track.failures < MAX_FAILURES);
            let Some((index, due)) = living.map(|(index, track)| (index, track.due)).min_by_key(|(_, due)| *due) else {
                return;
            };
            if due > end {
                return;
            }
            self.clock.sleep(due.saturating_sub(self.clock.now()));
            if !self.reload(index) {
                continue;
            }
            self.segments(index);
            self.together();
        }
    }

    /// Loads a playlist again; whether there is anything new.
    fn reload(&mut self, index: usize) -> bool {
        let asked = self.clock.now();
        match self.load(index, None, false) {
            Ok(playlist) => self.accept(index, playlist, asked),
            Err(lost) => {
                let why = match lost {
                    Lost::Gone(why) => why,
                    Lost::Nested => "a multivariant playlist".into(),
                    Lost::NoPlaylist => "no playlist".into(),
                };
                let track = &mut self.tracks[index];
                track.failures += 1;
                track.due = self.clock.now() + track.target();
                let uri = track.uri.clone();
                self.findings.of(&uri).add(&rules::PLAYLIST_LOST, None, why, "the playlist");
                false
            }
        }
    }

    /// Takes in a new version.
    fn accept(&mut self, index: usize, playlist: MediaPlaylist, asked: Duration) -> bool {
        let now = self.clock.now();
        let track = &mut self.tracks[index];
        let Some(before) = &track.playlist else { return false };
        let uri = track.uri.clone();
        let mut notes = self.findings.of(&uri);
        reload::check(before, &playlist, &mut notes);
        let grown = playlist.next_sequence() > before.next_sequence();
        let changed = grown || playlist.growing.len() != before.growing.len() || playlist.ended != before.ended;
        if playlist.ended || grown {
            track.grown = now;
        }
        // 6.2.1. What was loaded at `grown` is known to be no younger; what was asked for at `asked` still has nothing new.
        let still_s = asked.saturating_sub(track.grown).as_secs_f64();
        let most_s = 1.5 * playlist.target();
        if !grown && !playlist.ended && still_s > most_s + STALL_SLACK_S {
            let found = format!("no new segment for {still_s:.1} s");
            notes.add(&rules::STALLED, None, found, &format!("{most_s} s"));
            // Said once a stall.
            track.grown = asked;
        }
        let target = Duration::from_secs_f64(playlist.target());
        (track.loaded, track.failures) = (now, 0);
        // 6.3.4: after a target duration, or half of one if nothing has changed.
        track.due = asked + if changed { target } else { target / 2 };
        track.playlist = Some(playlist);
        self.reports();
        changed
    }

    /// EXT-X-RENDITION-REPORT against what is known of the other playlists.
    pub(super) fn reports(&mut self) {
        let low_latency = |playlist: &MediaPlaylist| playlist.has_parts() && playlist.lives();
        for (index, track) in self.tracks.iter().enumerate() {
            let Some(playlist) = track.playlist.as_ref().filter(|playlist| low_latency(playlist)) else { continue };
            let mut notes = self.findings.of(&track.uri);
            let mut reported = Vec::new();
            for tag in playlist.tags("EXT-X-RENDITION-REPORT") {
                let Some(uri) = tag.text("URI") else { continue };
                let path = track.url.join(uri).ok();
                let same = |url: &url::Url| path.as_ref().is_some_and(|own| own.path() == url.path());
                let Some(other) = self.tracks.iter().position(|track| same(&track.url)) else {
                    if self.multivariant.is_some() {
                        notes.add(&low::REPORT_UNKNOWN, tag.line, uri, "a media playlist of the presentation");
                    }
                    continue;
                };
                reported.push(other);
                let other = &self.tracks[other];
                // Only what was loaded before this one can tell that the report is old.
                let Some(theirs) = other.playlist.as_ref().filter(|_| other.loaded < track.loaded) else { continue };
                let newest = theirs.next_sequence().saturating_sub(u64::from(theirs.growing.is_empty()));
                if let Some(said) = tag.number::<u64>("LAST-MSN").filter(|said| *said < newest) {
                    let found = format!("LAST-MSN={said} of {uri}, which had {newest} before");
                    notes.add(&low::REPORT_STALE, tag.line, found, "as new as this playlist");
                }
            }
            let missing = self.tracks.iter().enumerate().find(|(other, theirs)| {
                *other != index && !reported.contains(other) && theirs.playlist.as_ref().is_some_and(low_latency)
            });
            if let Some((_, missing)) = missing {
                notes.add(
                    &low::REPORT_MISSING,
                    None,
                    format!("no report on {}", missing.uri),
                    "one for each rendition",
                );
            }
        }
    }

    /// Tries what a playlist says that may be asked (6.2.5).
    pub(super) fn probe(&mut self, index: usize) {
        let Some(playlist) = self.tracks[index].playlist.as_ref().filter(|playlist| playlist.lives()) else { return };
        let (can_block, can_skip) = (playlist.can_block, playlist.skip_until_s.is_some());
        if can_skip {
            self.probe_delta(index);
        }
        if can_block {
            self.probe_far(index);
            self.probe_block(index);
        }
    }

    /// Asks for what comes next, and looks whether it came.
    fn probe_block(&mut self, index: usize) {
        let Some(playlist) = &self.tracks[index].playlist else { return };
        let (number, part) = (playlist.next_sequence(), playlist.growing.len());
        let query = if playlist.has_parts() {
            format!("_HLS_msn={number}&_HLS_part={part}")
        } else {
            format!("_HLS_msn={number}")
        };
        let with_parts = playlist.has_parts();
        let asked = self.clock.now();
        let uri = self.tracks[index].uri.clone();
        let allowed = "a playlist that has it";
        match self.load(index, Some(&query), false) {
            Ok(playlist) => {
                let whole = playlist.next_sequence() > number || playlist.ended;
                let has_part = with_parts && playlist.next_sequence() == number && playlist.growing.len() > part;
                if !whole && !has_part {
                    let (next, parts) = (playlist.next_sequence(), playlist.growing.len());
                    let found = format!("{query} gave segments up to {next}, and {parts} parts of that");
                    self.findings.of(&uri).add(&low::BLOCK_WRONG, None, found, allowed);
                }
                self.accept(index, playlist, asked);
            }
            Err(lost) => {
                let found = format!("{query} gave {lost:?}");
                self.findings.of(&uri).add(&low::BLOCK_WRONG, None, found, allowed);
            }
        }
    }

    fn probe_far(&mut self, index: usize) {
        let track = &self.tracks[index];
        let Some(playlist) = &track.playlist else { return };
        let (mut url, uri) = (track.url.clone(), track.uri.clone());
        let query = format!("_HLS_msn={}", playlist.next_sequence().saturating_add(FAR));
        let own = url.query().filter(|own| !own.is_empty()).map(|own| format!("{own}&{query}"));
        url.set_query(Some(own.as_deref().unwrap_or(&query)));
        let time = track.target().min(Duration::from_secs(3));
        let answer = self.get_within(&url, None, self.options.limits.playlist_bytes, time);
        let found = match answer {
            Ok(answer) if answer.status == 400 => return,
            Ok(answer) => format!("{query} gave status {}", answer.status),
            Err(error) => format!("{query} gave {error}"),
        };
        self.findings.of(&uri).add(&low::BLOCK_FAR, None, found, "status 400");
    }

    fn probe_delta(&mut self, index: usize) {
        let uri = self.tracks[index].uri.clone();
        let Ok(delta) = self.load(index, Some("_HLS_skip=YES"), true) else {
            let found = "_HLS_skip=YES gave no playlist";
            return self.findings.of(&uri).add(&low::DELTA_WRONG, None, found, "an update, or the full playlist");
        };
        let Some(full) = &self.tracks[index].playlist else { return };
        let mut notes = self.findings.of(&uri);
        if delta.skipped.is_some() {
            reload::delta(full, &delta, &mut notes);
        } else if full.duration_s() > full.skip_until_s.unwrap_or(f64::MAX) + full.target() {
            let found = format!("all of {:.0} s", full.duration_s());
            notes.add(&low::DELTA_NOT_GIVEN, None, found, "#EXT-X-SKIP");
        }
    }
}
