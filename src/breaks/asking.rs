//! Who is asked what to show in a break, and what comes of it: a decision, its creatives, and each of them in its place once everything of it is made.

use std::sync::Arc;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest as _, Sha256};
use url::Url;

use super::creative::{Creative, Stage, segments_of};
use super::fill::Filled;
use super::stand_in::{Placed, StandIn};
use super::{Breaks, State};
use crate::decisions::{Ask, ChosenAd, Client, Event, Taken, Values, Wanted};
use crate::market::{DecidedFor, Market};
use crate::mosaic::GameKey;
use crate::reach::Reach;
use crate::session::BreakAsk;
use crate::timeline::SegmentNumber;

/// Advertisements of one break at most.
const MOST_ADS: usize = 16;

/// What can be decoded, as types and codecs are written.
const MEDIA_TYPES: [&str; 1] = ["video/mp4"];
const CODECS: [&str; 6] = ["avc1", "avc3", "hvc1", "hev1", "mp4a", "av01"];

/// Rows of pixels that are wanted where nobody shows it yet.
const USUAL_HEIGHT: u32 = 720;

/// An advertisement that was decided on.
pub(super) struct Chosen {
    pub ad: Arc<ChosenAd>,
    pub creative: Arc<Creative>,
    /// It has its place, or will have none.
    pub is_done: bool,
    /// What came of it where it was not shown has been told.
    pub is_told: bool,
}

/// A break for which a server is asked.
#[derive(Default)]
pub(super) struct Asking {
    /// What was decided, once it was.
    pub chosen: Option<Vec<Chosen>>,
    /// What is told with it.
    pub values: Values,
    /// Those that have their places and whose sound is to be made once it is known, of what another process had decided.
    pub silent: Vec<usize>,
    /// It is other than what is kept of it.
    pub is_unkept: bool,
}

impl Breaks {
    /// The name of what stands in for a game whose advertisements are decided on.
    pub(super) fn name_of_asked(&self, ask: &BreakAsk) -> GameKey {
        let whom = match ask.market.breaks.decided_for {
            DecidedFor::Market => "",
            DecidedFor::Session => ask.session,
        };
        super::name_of(ask.tenant, "ad", &[ask.game.1, &ask.market.id, &ask.of.id, whom])
    }

    /// Asks, unless that was done.
    pub(super) fn ask_for(self: &Arc<Self>, state: &mut State, key: &GameKey, ask: &BreakAsk) {
        let Some(template) = ask.market.breaks.decision_url.as_deref() else { return };
        if state.asking.contains_key(key) {
            return;
        }
        if let Some(asked) = self.asked_before(state, key) {
            state.asking.insert(key.clone(), asked);
            return;
        }
        let now_ms = self.now_ms();
        let segment_ms = u64::try_from(self.grid.segment_duration().as_millis()).unwrap_or(0);
        let left = ask.until.map(|until| until.saturating_sub(ask.from.max(self.running())) * segment_ms);
        // It is over, and still listed: whoever is asked now would count what nobody will see.
        if left == Some(0) {
            return;
        }
        let digest = Sha256::digest(key.as_bytes());
        let values = Values {
            now_ms,
            chance: u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]) ^ (now_ms & 0xffff_ffff) as u32,
            transaction: hex::encode(&digest[..16]),
            break_ms: left,
            ..Values::default()
        };
        let rows = state.stand_ins.get(key).map(StandIn::tiles).unwrap_or_default();
        let height = rows.iter().map(|tile| tile.inside.height).max().unwrap_or(USUAL_HEIGHT);
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let asked = Ask {
            url: filled(template, ask),
            values: values.clone(),
            wanted: Wanted { height, media_types: owned(&MEDIA_TYPES), codecs: owned(&CODECS) },
        };
        let client = Client::new((self.settings.reach_of)(ask.tenant), self.settings.bounds);
        if self.ahead.ask(key.clone(), now_ms, move || client.decide(&asked)) {
            self.fills.note(ask.tenant, &ask.market.id, now_ms, Filled { decisions: 1, ..Filled::default() });
            state.asking.insert(key.clone(), Asking { values, ..Asking::default() });
        }
    }

    /// Sees to what was decided: has creatives fetched and made, and puts those in their places that are ready.
    pub(super) fn follow_decisions(self: &Arc<Self>) {
        let (now_ms, running) = (self.now_ms(), self.running());
        let mut state = self.state.lock();
        let keys: Vec<GameKey> = state.asking.keys().cloned().collect();
        for key in keys {
            let Some(its) = state.stand_ins.get(&key) else { continue };
            let (tenant, market) = (its.tenant.clone(), its.market.clone());
            let is_new = state.asking.get(&key).is_some_and(|asking| asking.chosen.is_none());
            if is_new {
                let chosen = match self.ahead.take(&key) {
                    Taken::Late => continue,
                    // It was forgotten, which is late enough.
                    Taken::Unasked => Vec::new(),
                    Taken::Failed(why) => {
                        tracing::warn!(%tenant, %market, %why, "no decision for a break: its slate is shown");
                        self.note_error((&tenant, &market), why.code, &key, &why.errors);
                        Vec::new()
                    }
                    Taken::Ready(decision) => {
                        self.note_codes((&tenant, &market), &decision.codes, &key, &decision.errors);
                        let ads = decision.ads.iter().take(MOST_ADS).map(|ad| Arc::new(ad.clone()));
                        let ads: Vec<Arc<ChosenAd>> = ads.collect();
                        self.fills.note(
                            &tenant,
                            &market,
                            now_ms,
                            Filled { decided: ads.len() as u64, ..Filled::default() },
                        );
                        let chosen = |ad: Arc<ChosenAd>| {
                            let creative = self.creative_of(&mut state, &tenant, &ad);
                            Chosen { ad, creative, is_done: false, is_told: false }
                        };
                        ads.into_iter().map(chosen).collect()
                    }
                };
                if let Some(asking) = state.asking.get_mut(&key) {
                    (asking.chosen, asking.is_unkept) = (Some(chosen), true);
                }
            }
            self.place_ready(&mut state, &key, running);
        }
    }

    /// The creative of an advertisement; it is fetched if it is new.
    pub(super) fn creative_of(self: &Arc<Self>, state: &mut State, tenant: &Arc<str>, ad: &ChosenAd) -> Arc<Creative> {
        // Another decision may say that it lasts longer.
        let segments = segments_of(&self.grid, ad.duration_ms);
        let (now_ms, key) = (self.now_ms(), (tenant.clone(), ad.media.url.clone(), segments));
        let known = state.creatives.get(&key).filter(|known| !matches!(known.stage(), Stage::Failed { .. }));
        if let Some(known) = known {
            known.used(now_ms);
            return known.clone();
        }
        let fresh = Arc::new(Creative::new(tenant, ad.media.clone(), ad.duration_ms, &self.grid, now_ms));
        state.creatives.insert(key, fresh.clone());
        let (breaks, creative, tenant) = (self.clone(), fresh.clone(), tenant.clone());
        tokio::spawn(async move {
            // Never closed.
            let _turn = breaks.fetching.clone().acquire_owned().await;
            let fetched = tokio::task::spawn_blocking(move || breaks.fetch(&tenant, &creative));
            if let Err(error) = fetched.await {
                tracing::error!(%error, "a creative could not be fetched");
            }
        });
        fresh
    }

    /// Takes a creative up from the disk, or has it from its server. Takes its time.
    fn fetch(&self, tenant: &str, creative: &Creative) {
        let (now_ms, reach) = (self.now_ms(), (self.settings.reach_of)(tenant));
        let count = |from: &str| self.settings.metrics.creatives.with_label_values(&[from]).inc();
        // Rules may have changed since.
        let is_allowed = Url::parse(&creative.media.url).is_ok_and(|url| reach.check(&url).is_ok());
        if let Some((file, bytes)) = self.kept.film(&creative.name, now_ms).filter(|_| is_allowed) {
            count("disk");
            // It was whole when it was kept.
            let _ = creative.lasts(&bytes, &self.grid);
            self.workshop.tools().take_up(creative);
            return creative.fetched(file);
        }
        match Client::new(reach, self.settings.bounds).creative(&creative.media) {
            Ok(bytes) => {
                // VAST 4.3, 2.3.6.3: a media file that cannot be displayed.
                if let Err(why) = creative.lasts(&bytes, &self.grid) {
                    return creative.fail(why, 405);
                }
                match self.kept.keep_film(&creative.name, &bytes, now_ms) {
                    Ok(file) => {
                        count("server");
                        creative.fetched(file);
                    }
                    Err(error) => creative.fail(error.to_string(), 900),
                }
            }
            Err(error) => creative.fail(error.to_string(), error.code()),
        }
    }

    /// Puts each advertisement of `key` in its place that is ready, one after the other, as far as they fit; of others has made what is missing. They stand in
    /// their order, but that one which is not ready when its turn comes lets those before it that are.
    fn place_ready(&self, state: &mut State, key: &GameKey, running: u64) {
        let (Some(its), Some(asking)) = (state.stand_ins.get_mut(key), state.asking.get_mut(key)) else { return };
        let tiles = its.tiles();
        let Some(chosen) = &mut asking.chosen else { return };
        if tiles.is_empty() {
            return;
        }
        self.make_silent(&mut asking.silent, its);
        // When each is due, were all before it shown; and whether one of those is still to come.
        let (mut due, mut is_awaited) = (its.from, false);
        let is_over = its.until.is_some_and(|until| running >= until);
        for (nth, Chosen { ad, creative, is_done, is_told }) in chosen.iter_mut().enumerate() {
            let (turn, segments) = (due, creative.segments());
            due += segments;
            // For a break that is over nothing is made.
            let fresh = if is_over { Vec::new() } else { creative.ask(&tiles) };
            if !fresh.is_empty() {
                self.make_reels(creative, fresh, turn, its.until);
            }
            if is_over && !*is_told && its.is_cut_off(nth, *is_done, turn) {
                (*is_done, *is_told, asking.is_unkept) = (true, true, true);
                self.tell_of(&its.tenant, &format!("{key}/{nth}"), (ad, Event::NotUsed), &asking.values);
            }
            if *is_done {
                continue;
            }
            let stage = creative.stage();
            let is_made = creative.is_made(&tiles);
            if let Some((why, code)) = left_out(&stage, is_made, turn, its.until, running) {
                (*is_done, *is_told, asking.is_unkept) = (true, true, true);
                tracing::warn!(tenant = %its.tenant, market = %its.market, why, "an advertisement is left out");
                let errors = ad.tracking.iter().filter(|told| told.event == Event::Error);
                let of = format!("{key}/{nth}");
                let values = Values { error: Some(code), ..asking.values.of_chance(&of) };
                let errors: Vec<String> = errors.map(|told| values.fill(&told.url)).collect();
                self.note_error((&its.tenant, &its.market), code, &of.into(), &errors);
                continue;
            }
            let free = its.free_from(running);
            let from = its.placed().last().map_or(its.from, Placed::until).max(its.from).max(free);
            // What is shorter may still fit, and what comes before it may still be ready.
            let fits = its.until.is_none_or(|until| from + segments <= until);
            if !is_made || !fits || (is_awaited && from > free + 1) {
                is_awaited |= !is_made;
                continue;
            }
            (*is_done, asking.is_unkept) = (true, true);
            self.make_sound(creative, from);
            its.place(Placed { from, segments, creative: creative.clone(), ad: ad.clone(), nth });
        }
    }

    /// Has the sound made of those that have their places already, as far as it is known.
    fn make_silent(&self, silent: &mut Vec<usize>, its: &StandIn) {
        silent.retain(|nth| {
            let Some(placed) = its.placed().iter().find(|placed| placed.nth == *nth) else { return false };
            if placed.creative.has_sound() {
                self.make_sound(&placed.creative, placed.from);
            }
            !placed.creative.has_sound()
        });
    }

    /// Has reels made for what is due with segment `due`, unless the break is over by then, with segment `until`.
    fn make_reels(
        &self,
        creative: &Arc<Creative>,
        tiles: Vec<crate::track::TileName>,
        due: SegmentNumber,
        until: Option<SegmentNumber>,
    ) {
        let (its, asked) = (creative.clone(), tiles.clone());
        let is_taken = self.workshop.creative(due, move |tools| {
            if until.is_some_and(|until| tools.grid().segment_at(tools.clock.now()) >= until) {
                // Whoever else shows it asks for it.
                return its.unasked(&tiles);
            }
            tools.condition(&its, &tiles);
        });
        if !is_taken {
            creative.unasked(&asked);
        }
    }

    /// Has the sound encoded for where it will be. Where that comes too late it begins later, and silence stands for the rest.
    fn make_sound(&self, creative: &Arc<Creative>, from: u64) {
        if creative.coded(&self.grid, from).is_some() {
            return;
        }
        let creative = creative.clone();
        let is_taken = self.workshop.still(move |tools| {
            let made = creative.encode_sound(tools.sound_encoders(), &tools.grid(), from, tools.sound_bitrate_bps);
            match made {
                Ok(_) => tools.metrics.creative_sounds.inc(),
                Err(why) => tracing::error!(why, "an advertisement has no sound"),
            }
        });
        if !is_taken {
            tracing::error!("an advertisement has no sound: too much waits to be made");
        }
    }
}

/// Why an advertisement whose turn is segment `turn` of a break until `until` is not shown any more, and VAST's code of that (4.3, 2.3.6.3).
pub(super) fn left_out(
    stage: &Stage,
    is_made: bool,
    turn: SegmentNumber,
    until: Option<SegmentNumber>,
    running: SegmentNumber,
) -> Option<(String, u16)> {
    if let Stage::Failed { why, code } = stage {
        return Some((why.clone(), *code));
    }
    // What an early return cuts off is nobody's error: it was not used.
    let is_missed = until.is_some_and(|until| running >= until && turn < until);
    let (why, code) = match stage {
        Stage::Fetching => ("its file did not come before the break was over", 402),
        _ if !is_made => ("it was not made ready before the break was over", 407),
        _ => ("it did not fit into what was left of the break", 202),
    };
    is_missed.then(|| (why.to_owned(), code))
}

/// Whether the server that decides for `market` may be asked, as far as its address says: what a name leads to is judged each time it is asked.
///
/// # Errors
/// Why not, for people.
pub fn check_decision_url(market: &Market, reach: &Reach) -> Result<(), String> {
    let Some(template) = market.breaks.decision_url.as_deref() else { return Ok(()) };
    // One that is an address with our own macros alone is judged when it is asked, too.
    let Ok(url) = Url::parse(&Values::default().fill(template)) else { return Ok(()) };
    reach.check(&url).map_err(|denied| denied.of_others())
}

/// Our own macros: what is asked for, and for whom.
fn filled(template: &str, ask: &BreakAsk) -> String {
    let escaped = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    template
        .replace("[GAME]", &escaped(ask.game.0))
        .replace("[MARKET]", &escaped(&ask.market.id))
        .replace("[BREAK]", &escaped(&ask.of.id))
        .replace(
            "[SESSION]",
            &escaped(match ask.market.breaks.decided_for {
                DecidedFor::Market => "",
                DecidedFor::Session => ask.session,
            }),
        )
}
