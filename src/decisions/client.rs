//! Asks for a decision: fetches a response, follows its wrappers, and takes a file of each advertisement. It blocks, for no longer than it may.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use url::Url;

use super::choice::Wanted;
use super::macros::Values;
use super::vast::{self, Ad, AdKind, Event, MediaFile, Tracking};
use crate::feed::{VisitError, visit};
use crate::reach::Reach;

/// Most addresses that one decision is told at: wrappers add theirs.
const MAX_TRACKING: usize = 256;

/// Types of a response. Some servers say the second of all XML.
const XML_TYPES: [&str; 3] = ["application/xml", "text/xml", "application/vast+xml"];

/// What a decision may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// For all of it, wrappers included.
    pub time: Duration,
    /// Of a response.
    pub response_bytes: usize,
    /// Wrappers one behind the other (VAST 4.3, 2.4.2, thinks five enough), and requests in all.
    pub depth: usize,
    pub requests: usize,
    pub ads: usize,
    /// Of a creative, and how long it may take.
    pub creative_bytes: usize,
    pub creative_time: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(5),
            response_bytes: 1 << 20,
            depth: 5,
            requests: 16,
            ads: 16,
            creative_bytes: 128 << 20,
            creative_time: Duration::from_secs(60),
        }
    }
}

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The decision server's address, macros and all.
    pub url: String,
    pub values: Values,
    pub wanted: Wanted,
}

/// An advertisement that can be shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChosenAd {
    pub id: Option<String>,
    pub duration_ms: u64,
    pub media: MediaFile,
    /// What is to be told, of its wrappers too. Macros are filled in when it is.
    pub tracking: Vec<Tracking>,
}

/// What was decided: nothing to show, where there are no ads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// In the order in which they are shown.
    pub ads: Vec<ChosenAd>,
    /// Where to tell what could not be used, ready to be asked.
    pub errors: Vec<String>,
    /// What that was, by its code (VAST 4.3, 2.3.6.3).
    pub codes: Vec<u16>,
}

impl Decision {
    /// Those of the first ads that are over within `break_ms`.
    pub fn within(&self, break_ms: u64) -> &[ChosenAd] {
        let mut left = break_ms;
        let fits = |ad: &&ChosenAd| left.checked_sub(ad.duration_ms).map(|rest| left = rest).is_some();
        let count = self.ads.iter().take_while(fits).count();
        &self.ads[..count]
    }
}

/// Why there is no decision, and where to tell that.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why} (VAST {code})")]
pub struct NoDecision {
    pub why: String,
    /// VAST 4.3, 2.3.6.3.
    pub code: u16,
    /// Ready to be asked.
    pub errors: Vec<String>,
}

/// Why a creative cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CreativeError {
    #[error("its address cannot be read")]
    Address,
    #[error("the server says that it is {said:?} and not {wanted:?}")]
    MediaType { said: String, wanted: String },
    #[error(transparent)]
    Visit(#[from] VisitError),
}

impl CreativeError {
    /// VAST 4.3, 2.3.6.3.
    pub const fn code(&self) -> u16 {
        match self {
            Self::Visit(VisitError::Late(_)) => 402,
            Self::Visit(VisitError::Status(_)) | Self::Address => 401,
            Self::MediaType { .. } => 403,
            Self::Visit(_) => 400,
        }
    }
}

/// Who asks for one tenant: where decisions, wrappers and creatives may lie says `reach`.
#[derive(Clone, Debug)]
pub struct Client {
    reach: Reach,
    bounds: Bounds,
}

/// A decision under way.
struct Asking<'a> {
    ask: &'a Ask,
    until: Instant,
    requests: usize,
    found: Decision,
    /// The first that went wrong.
    trouble: Option<(String, u16)>,
}

/// What led to a response.
#[derive(Clone, Default)]
struct Behind {
    depth: usize,
    /// Addresses that were asked on the way.
    seen: HashSet<String>,
    tracking: Vec<Tracking>,
    is_last: bool,
}

impl Client {
    pub fn new(reach: Reach, bounds: Bounds) -> Self {
        Self { reach, bounds }
    }

    /// Asks, and waits for the answer: no longer than [`Bounds::time`], but for what a connection takes to be given up.
    ///
    /// # Errors
    /// When nothing of it can be shown, though something was to be. A server that has nothing to show has decided.
    pub fn decide(&self, ask: &Ask) -> Result<Decision, NoDecision> {
        let until = Instant::now() + self.bounds.time;
        let mut asking = Asking { ask, until, requests: 0, found: Decision::default(), trouble: None };
        self.follow(&mut asking, &ask.url, Behind::default());
        let Asking { found, trouble, .. } = asking;
        match trouble {
            Some((why, code)) if found.ads.is_empty() => Err(NoDecision { why, code, errors: found.errors }),
            _ => Ok(found),
        }
    }

    /// The file of a creative, whole.
    ///
    /// # Errors
    /// When it is not what the decision said, or cannot be had.
    pub fn creative(&self, media: &MediaFile) -> Result<Bytes, CreativeError> {
        let url = Url::parse(&media.url).map_err(|_| CreativeError::Address)?;
        let found = visit(&url, &self.reach, self.bounds.creative_bytes, self.bounds.creative_time)?;
        // Storage that knows no types says that it is bytes; a page says what it is.
        if ![media.media_type.as_str(), "application/octet-stream", ""].contains(&found.media_type.as_str()) {
            return Err(CreativeError::MediaType { said: found.media_type, wanted: media.media_type.clone() });
        }
        Ok(found.bytes)
    }

    fn follow(&self, asking: &mut Asking, template: &str, mut behind: Behind) {
        let is_wrapped = behind.depth > 0;
        let url = asking.ask.values.fill(template);
        // By the template: a number that is another each time makes no other address.
        if behind.depth > self.bounds.depth || !behind.seen.insert(template.to_owned()) {
            return asking.fail("wrappers lead in a circle, or too far", 302, &behind.tracking);
        }
        asking.requests += 1;
        if asking.requests > self.bounds.requests {
            return asking.fail("too many requests for one decision", 302, &behind.tracking);
        }
        let response = match self.response(asking, &url) {
            Ok(response) => response,
            Err((why, code)) => {
                // Of a wrapper's own trouble there are codes of their own.
                let code = match code {
                    301 if !is_wrapped => 900,
                    code => code,
                };
                return asking.fail(&why, code, &behind.tracking);
            }
        };
        if response.ads.is_empty() {
            asking.found.codes.push(303);
            asking.tell(303, &response.errors);
            if is_wrapped {
                // Nothing to show is an answer, also behind wrappers, whose servers want to know.
                asking.tell(303, &errors_of(&behind.tracking));
            }
            return;
        }
        let mut ads = response.ads;
        // Those of a pod in their order; one that stands alone is for where there is no pod (VAST 4.3, 3.3.1).
        if ads.iter().any(|ad| ad.sequence.is_some()) {
            ads.retain(|ad| ad.sequence.is_some());
            ads.sort_by_key(|ad| ad.sequence);
        } else {
            ads.truncate(1);
        }
        for ad in ads {
            self.take(asking, ad, &behind);
        }
    }

    fn take(&self, asking: &mut Asking, ad: Ad, behind: &Behind) {
        if asking.found.ads.len() >= self.bounds.ads {
            return;
        }
        let Ad { id, kind, tracking, .. } = ad;
        let tracking: Vec<_> = behind.tracking.iter().cloned().chain(tracking).take(MAX_TRACKING).collect();
        match kind {
            AdKind::InLine(linear) => {
                let Some(linear) = linear else {
                    return asking.fail("an advertisement that does not play by itself", 200, &tracking);
                };
                match asking.ask.wanted.choose(&linear.media) {
                    Some(media) => {
                        let (media, duration_ms) = (media.clone(), linear.duration_ms);
                        asking.found.ads.push(ChosenAd { id, duration_ms, media, tracking });
                    }
                    None => asking.fail("no file of the creative can be played", 403, &tracking),
                }
            }
            AdKind::Wrapper { .. } if behind.is_last => {
                asking.fail("a wrapper where its own said that there is none", 302, &tracking);
            }
            AdKind::Wrapper { url, follows } => {
                let (depth, seen) = (behind.depth + 1, behind.seen.clone());
                self.follow(asking, &url, Behind { depth, seen, tracking, is_last: !follows });
            }
        }
    }

    /// What is at `url`, or VAST's code of what it is instead.
    fn response(&self, asking: &Asking, url: &str) -> Result<vast::Vast, (String, u16)> {
        let left = asking.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(("no answer in time".to_owned(), 301));
        }
        let url = Url::parse(url).map_err(|error| (format!("an address that is none: {error}"), 300))?;
        let found = visit(&url, &self.reach, self.bounds.response_bytes, left).map_err(|error| {
            let code = if matches!(error, VisitError::Late(_)) { 301 } else { 300 };
            (error.to_string(), code)
        })?;
        if found.bytes.is_empty() {
            return Ok(vast::Vast::default());
        }
        if !XML_TYPES.contains(&found.media_type.as_str()) {
            return Err((format!("an answer of type {:?} and not XML", found.media_type), 100));
        }
        let text = std::str::from_utf8(&found.bytes).map_err(|_| ("XML that is not UTF-8".to_owned(), 100))?;
        vast::read(text).map_err(|error| (error.to_string(), error.code()))
    }
}

/// Addresses that are told of errors.
fn errors_of(tracking: &[Tracking]) -> Vec<String> {
    tracking.iter().filter(|its| its.event == Event::Error).map(|its| its.url.clone()).collect()
}

impl Asking<'_> {
    /// Notes that part of it cannot be used.
    fn fail(&mut self, why: &str, code: u16, tracking: &[Tracking]) {
        tracing::debug!(why, code, "part of a decision is left out");
        self.found.codes.push(code);
        self.tell(code, &errors_of(tracking));
        self.trouble.get_or_insert_with(|| (why.to_owned(), code));
    }

    fn tell(&mut self, code: u16, urls: &[String]) {
        let values = Values { error: Some(code), ..self.ask.values.clone() };
        let room = MAX_TRACKING.saturating_sub(self.found.errors.len());
        self.found.errors.extend(urls.iter().take(room).map(|url| values.fill(url)));
    }
}
