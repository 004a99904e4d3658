//! The run: load, check, follow. One thread, one request at a time: a checker must not be a load.

use std::collections::HashMap;
use std::time::Duration;

use url::Url;

use super::across::{self, Role};
use super::fetch::{Answer, Clock, Fetch, FetchError, Request};
use super::finding::{Findings, Notes};
use super::media::{self, MediaPlaylist};
use super::multivariant::{self, Multivariant};
use super::options::LintOptions;
use super::report::{PlaylistFacts, Report};
use super::rules::{http as http_rules, multivariant as rules};
use super::schema::Kind;
use super::text::{self, Variables};
use super::track::Track;
use super::{bandwidth, daterange, http_check, images, low_latency, media_check, multivariant_check};

/// Checks one stream.
pub struct Linter<'a> {
    pub(super) fetch: &'a mut dyn Fetch,
    pub(super) clock: &'a dyn Clock,
    pub(super) options: &'a LintOptions,
    pub(super) findings: Findings,
    pub(super) tracks: Vec<Track>,
    pub(super) multivariant: Option<Multivariant>,
    variables: Option<Variables>,
    pub(super) keys: HashMap<Url, Option<[u8; 16]>>,
    root: Url,
    pub(super) began: Duration,
    pub(super) requests: u64,
    pub(super) bytes: u64,
}

impl<'a> Linter<'a> {
    pub fn new(root: Url, fetch: &'a mut dyn Fetch, clock: &'a dyn Clock, options: &'a LintOptions) -> Self {
        Self {
            fetch,
            clock,
            options,
            findings: Findings::default(),
            tracks: Vec::new(),
            multivariant: None,
            variables: None,
            keys: HashMap::new(),
            root,
            began: clock.now(),
            requests: 0,
            bytes: 0,
        }
    }

    /// Checks everything, and watches what lives.
    ///
    /// # Errors
    /// Why the stream's first playlist could not be had.
    pub fn run(mut self) -> Result<Report, String> {
        let root = self.root.clone();
        let answer = match self.get(&root, None, self.options.limits.playlist_bytes) {
            Ok(answer) if answer.is_success() => answer,
            Ok(answer) => return Err(format!("status {}", answer.status)),
            Err(error) => return Err(error.to_string()),
        };
        let name = root.to_string();
        let mut notes = self.findings.of(&name);
        http_check::body(&answer, &mut notes);
        let text = text::read(&answer.body, &answer.url, None, &mut notes);
        match text.kind() {
            Some(Kind::Multivariant) => {
                http_check::playlist(&answer, None, &mut notes);
                let playlist = multivariant::read(text, &answer.url, &mut notes);
                multivariant_check::check(&playlist, &mut notes);
                self.variables = Some(playlist.text.variables.clone());
                self.name_tracks(&playlist);
                self.multivariant = Some(playlist);
                for index in 0..self.tracks.len() {
                    self.load_first(index);
                }
            }
            Some(_) => {
                let mut track = Track::new(root, Role::Video);
                let playlist = media::read(text, &answer.url, &mut notes);
                Self::check_media(&playlist, &answer, false, &mut notes);
                track.loaded = self.clock.now();
                track.grown = track.loaded;
                track.due = track.loaded + Duration::from_secs_f64(playlist.target());
                track.playlist = Some(playlist);
                self.tracks.push(track);
            }
            None => return Ok(self.report()),
        }
        self.presentation();
        for index in 0..self.tracks.len() {
            self.segments(index);
        }
        for index in 0..self.tracks.len() {
            self.probe(index);
        }
        self.together();
        self.watch();
        bandwidth::check(self.multivariant.as_ref(), &self.tracks, &mut self.findings);
        images::together(self.multivariant.as_ref(), &self.tracks, &mut self.findings);
        Ok(self.report())
    }

    /// Every media playlist that is named, once.
    fn name_tracks(&mut self, playlist: &Multivariant) {
        let mut add = |url: &Url, role: Role, variants: Vec<usize>| {
            if let Some(known) = self.tracks.iter_mut().find(|track| track.url == *url) {
                known.variants.extend(variants);
            } else if self.tracks.len() < self.options.limits.playlists {
                let mut track = Track::new(url.clone(), role);
                track.variants = variants;
                self.tracks.push(track);
            } else {
                let found = format!("more than {} media playlists", self.options.limits.playlists);
                self.findings.of(self.root.as_str()).add(&http_rules::NOT_ALL, None, found, "fewer");
            }
        };
        for (index, variant) in playlist.variants.iter().enumerate() {
            let codecs = variant.codecs();
            let pictures = codecs.is_empty() || codecs.iter().any(|codec| multivariant_check::is_video(codec));
            add(&variant.url, if pictures { Role::Video } else { Role::Audio }, vec![index]);
        }
        for rendition in &playlist.renditions {
            let Some(url) = &rendition.url else { continue };
            let kind = rendition.kind();
            let role = match kind {
                "AUDIO" => Role::Audio,
                "SUBTITLES" => Role::Subtitles,
                _ => Role::Video,
            };
            let named = playlist.variants.iter().enumerate();
            let named = named.filter(|(_, variant)| variant.tag.text(kind) == Some(rendition.group()));
            add(url, role, named.map(|(index, _)| index).collect());
        }
        for variant in &playlist.iframes {
            add(&variant.url, Role::IFrames, Vec::new());
        }
        for stream in &playlist.images {
            add(&stream.url, Role::Images, Vec::new());
        }
    }

    /// Asks, and counts. What is no answer, and what the bounds forbid, is an error.
    pub(super) fn get(&mut self, url: &Url, range: Option<(u64, u64)>, limit: usize) -> Result<Answer, FetchError> {
        self.get_within(url, range, limit, self.options.limits.request_time)
    }

    pub(super) fn get_within(
        &mut self,
        url: &Url,
        range: Option<(u64, u64)>,
        limit: usize,
        time: Duration,
    ) -> Result<Answer, FetchError> {
        // A playlist from the network must not make us read the machine's own files.
        let scheme = url.scheme();
        let own_file = scheme == "file" && self.root.scheme() == "file";
        if !matches!(scheme, "http" | "https") && !own_file {
            return Err(FetchError::Scheme(scheme.to_owned()));
        }
        if self.requests >= self.options.limits.requests {
            return Err(FetchError::Connection("the run's requests are used up".into()));
        }
        self.requests += 1;
        let answer = self.fetch.fetch(&Request { url: url.clone(), range, limit, time })?;
        self.bytes = self.bytes.saturating_add(answer.body.len() as u64);
        Ok(answer)
    }

    fn load_first(&mut self, index: usize) {
        let uri = self.tracks[index].uri.clone();
        match self.load(index, None, false) {
            Ok(playlist) => {
                let now = self.clock.now();
                let track = &mut self.tracks[index];
                (track.loaded, track.grown) = (now, now);
                track.due = now + Duration::from_secs_f64(playlist.target());
                track.playlist = Some(playlist);
            }
            Err(Lost::Nested) => {
                let found = "a multivariant playlist";
                self.findings.of(&uri).add(&rules::NESTED, None, found, "a media playlist");
            }
            Err(Lost::Gone(why)) => {
                self.findings.of(&uri).add(&http_rules::PLAYLIST_UNAVAILABLE, None, why, "status 200");
            }
            Err(Lost::NoPlaylist) => {}
        }
    }

    /// Loads a media playlist anew and checks it by itself. `query` is added to its address.
    pub(super) fn load(&mut self, index: usize, query: Option<&str>, skips: bool) -> Result<MediaPlaylist, Lost> {
        let track = &self.tracks[index];
        let (mut url, uri) = (track.url.clone(), track.uri.clone());
        let mut time = self.options.limits.request_time;
        if let Some(query) = query {
            let own = url.query().filter(|own| !own.is_empty());
            let query = own.map_or_else(|| query.to_owned(), |own| format!("{own}&{query}"));
            url.set_query(Some(&query));
            // 6.2.5.2: a server may hold a request for three target durations.
            time = time.max(track.target() * 3);
        }
        let answer = self.get_within(&url, None, self.options.limits.playlist_bytes, time);
        let answer = answer.map_err(|error| Lost::Gone(error.to_string()))?;
        if !answer.is_success() {
            return Err(Lost::Gone(format!("status {}", answer.status)));
        }
        let mut notes = self.findings.of(&uri);
        http_check::body(&answer, &mut notes);
        let text = text::read(&answer.body, &answer.url, self.variables.as_ref(), &mut notes);
        match text.kind() {
            Some(Kind::Media | Kind::Both) => {}
            Some(Kind::Multivariant) => return Err(Lost::Nested),
            None => return Err(Lost::NoPlaylist),
        }
        let playlist = media::read(text, &answer.url, &mut notes);
        Self::check_media(&playlist, &answer, skips, &mut notes);
        if playlist.cut {
            let found = format!("more than {} segments", media::MAX_SEGMENTS);
            notes.add(&http_rules::NOT_ALL, None, found, "fewer");
        }
        Ok(playlist)
    }

    fn check_media(playlist: &MediaPlaylist, answer: &Answer, skips: bool, notes: &mut Notes) {
        let fresh_s = playlist.lives().then(|| playlist.target());
        http_check::playlist(answer, fresh_s, notes);
        media_check::check(playlist, skips, notes);
        daterange::check(playlist, notes);
        low_latency::check(playlist, notes);
    }

    /// What the multivariant playlist and its media playlists say of each other.
    fn presentation(&mut self) {
        let Some(multivariant) = &self.multivariant else { return };
        for track in &self.tracks {
            let Some(playlist) = &track.playlist else { continue };
            let mut notes = self.findings.of(&track.uri);
            if track.iframes && !playlist.iframes_only {
                notes.add(&rules::IFRAME_KIND, None, "no #EXT-X-I-FRAMES-ONLY", "#EXT-X-I-FRAMES-ONLY");
            }
            for (both, name) in
                [(multivariant.independent, "EXT-X-INDEPENDENT-SEGMENTS"), (multivariant.start, "EXT-X-START")]
            {
                if let Some(tag) = playlist.tags(name).next().filter(|_| both) {
                    notes.add(&rules::BOTH_LEVELS, tag.line, format!("#{name} here, too"), "on one level");
                }
            }
            let session = multivariant.tags("EXT-X-SESSION-KEY").map(|tag| media::Key::read(tag, &self.root));
            for key in session {
                let differs = |own: &&media::Key| {
                    own.url == key.url
                        && (&own.method, &own.format, &own.versions) != (&key.method, &key.format, &key.versions)
                };
                let own = playlist.segments.iter().filter_map(|segment| segment.key.as_deref());
                if let Some(own) = own.into_iter().find(differs) {
                    let found = format!("{} here, {} in the session", own.method, key.method);
                    notes.add(&rules::SESSION_KEY_DIFFERS, own.line, found, "the same method and format");
                }
            }
        }
        self.reports();
    }

    pub(super) fn together(&mut self) {
        let members: Vec<across::Member> = self
            .tracks
            .iter()
            .filter_map(|track| {
                Some(across::Member {
                    uri: &track.uri,
                    role: track.role,
                    playlist: track.playlist.as_ref()?,
                    zero_us: track.zero_us,
                    loaded_s: track.loaded.as_secs_f64(),
                })
            })
            .collect();
        across::check(&members, &mut self.findings);
    }

    fn report(self) -> Report {
        let playlists = self.tracks.iter().map(|track| PlaylistFacts {
            uri: track.uri.clone(),
            kind: track.role,
            live: track.lives(),
            segments: track.playlist.as_ref().map_or(0, |playlist| playlist.segments.len()),
            segments_checked: track.measured(),
            peak_bps: track.peak_bps().map(|bps| bps as u64),
        });
        Report {
            url: self.root.to_string(),
            seconds: (self.clock.now().saturating_sub(self.began)).as_secs_f64(),
            requests: self.requests,
            bytes: self.bytes,
            playlists: playlists.collect(),
            findings: self.findings.all().to_vec(),
            left_out: self.findings.left_out(),
        }
    }
}

/// Why there is no media playlist.
#[derive(Debug)]
pub(super) enum Lost {
    Gone(String),
    Nested,
    /// It has been noted.
    NoPlaylist,
}
