//! What is told of what was served: beacons to advertisement servers, sums to the operator. What counts is what playlists listed to a session, segment by segment.

use std::sync::Arc;

use super::Breaks;
use super::fill::Filled;
use super::stand_in::Placed;
use crate::decisions::{ChosenAd, Event, Values};
use crate::mosaic::GameKey;
use crate::session::Served;
use crate::timeline::SegmentNumber;

/// Beacons that wait for the store: what is more is not told.
const MOST_UNKEPT: usize = 100_000;

impl Breaks {
    /// Takes note of what was listed to a session.
    pub(super) fn note_served(&self, served: &Served) {
        let now_ms = self.now_ms();
        // What the session has changed to since is not what it was listed.
        let tiles = self.settings.registry.tiles_of(served.spec, served.stand_in);
        let mut state = self.state.lock();
        let values = state.asking.get(served.stand_in).map(|asking| asking.values.clone());
        let Some(its) = state.stand_ins.get_mut(served.stand_in) else { return };
        let mut filled = Filled::default();
        let mut told = Vec::new();
        for n in served.segments.clone() {
            let found = its.placed().iter().enumerate().find(|(_, placed)| placed.span().contains(&n));
            let Some((nth, placed)) = found.filter(|(nth, _)| its.was_seen(&tiles, *nth, n)) else {
                filled.slate_segments += 1;
                continue;
            };
            filled.ad_segments += 1;
            let placed = placed.clone();
            // Who came in later, or was away meanwhile, has not seen it: nothing is told of it.
            if !its.follows(served.session, nth, n) {
                continue;
            }
            for event in events_of(&placed, n) {
                match event {
                    Event::Impression => filled.play_outs += 1,
                    Event::Complete => filled.completes += 1,
                    _ => {}
                }
                told.push((placed.clone(), event));
            }
        }
        let (tenant, market) = (its.tenant.clone(), its.market.clone());
        drop(state);
        self.fills.note(&tenant, &market, now_ms, filled);
        let Some(values) = values else { return };
        for (placed, event) in told {
            self.tell_event(&tenant, served, &placed, event, &Values { now_ms, ..values.clone() });
        }
    }

    fn tell_event(&self, tenant: &Arc<str>, served: &Served, placed: &Placed, event: Event, values: &Values) {
        let playhead_ms = event.at_ms(placed.ad.duration_ms);
        let values = Values { asset: Some(placed.ad.media.url.clone()), playhead_ms, ..values.clone() };
        let of = format!("{}/{}/{}", served.stand_in, served.session, placed.nth);
        self.tell_of(tenant, &of, (&placed.ad, event), &values);
    }

    /// Tells an event of an advertisement, which is called `of`.
    pub(super) fn tell_of(&self, tenant: &Arc<str>, of: &str, (ad, event): (&ChosenAd, Event), values: &Values) {
        let urls = ad.tracking.iter().filter(|told| told.event == event);
        let mut telling = self.telling.lock();
        for (n, url) in urls.enumerate() {
            // The same whenever the same is told.
            let id = format!("{of}/{}/{n}", event.name());
            let filled = values.of_chance(&id).fill(&url.url);
            telling.push((tenant.clone(), id, filled));
        }
    }

    /// Takes note of something that cannot be shown, of which `urls` are told.
    pub(super) fn note_error(&self, whose: (&Arc<str>, &str), code: u16, of: &GameKey, urls: &[String]) {
        self.note_codes(whose, &[code], of, urls);
    }

    /// Takes note of what servers answered beside what can be shown, of which `urls` are told.
    pub(super) fn note_codes(&self, (tenant, market): (&Arc<str>, &str), codes: &[u16], of: &GameKey, urls: &[String]) {
        for code in codes {
            self.fills.note_error(tenant, market, self.now_ms(), *code);
            self.settings.metrics.break_errors.with_label_values(&[&code.to_string()]).inc();
        }
        self.tell_errors(tenant, of, urls);
    }

    pub(super) fn tell_errors(&self, tenant: &Arc<str>, of: &GameKey, urls: &[String]) {
        let mut telling = self.telling.lock();
        telling
            .extend(urls.iter().enumerate().map(|(n, url)| (tenant.clone(), format!("{of}/error/{n}"), url.clone())));
    }

    /// Writes down what is to be told, what was filled, and what was decided: all that another process has to know, together. Called every second or so, one call
    /// after the other; it asks no server, which would make the rest wait.
    pub async fn keep(&self) {
        let now_ms = self.now_ms();
        let telling = std::mem::take(&mut *self.telling.lock());
        let mut telling = telling.into_iter();
        while let Some((tenant, id, url)) = telling.next() {
            match self.beacons.offer(&tenant, &[(id.clone(), url.clone())], now_ms).await {
                Ok(offered) => {
                    self.settings.metrics.beacons.with_label_values(&["kept"]).inc_by(u64::from(offered.kept))
                }
                Err(error) => {
                    tracing::debug!(%error, "beacons wait until the store takes them");
                    // In front of what came meanwhile; it is bounded by what can be listed while the store fails.
                    let mut waiting = self.telling.lock();
                    let unkept = std::iter::once((tenant, id, url)).chain(telling.by_ref());
                    let unkept: Vec<_> = unkept.chain(waiting.drain(..)).take(MOST_UNKEPT).collect();
                    *waiting = unkept;
                }
            }
        }
        self.fills.keep().await;
        self.keep_lineups().await;
    }

    /// Tells what is due. Called every second or so, one call after the other.
    pub async fn tell(&self) {
        let now_ms = self.now_ms();
        match self.beacons.step(now_ms).await {
            Ok(stepped) => {
                for (became, count) in
                    [("told", stepped.told), ("failed", stepped.failed), ("given_up", stepped.given_up)]
                {
                    self.settings.metrics.beacons.with_label_values(&[became]).inc_by(u64::from(count));
                }
            }
            Err(error) => tracing::debug!(%error, "beacons wait"),
        }
        if let Err(error) = self.beacons.forget(now_ms).await {
            tracing::debug!(%error, "old beacons are kept a little longer");
        }
    }
}

/// What happens in segment `n` of an advertisement: an event belongs to the segment that it falls into, and its end to the last one.
pub(super) fn events_of(placed: &Placed, n: SegmentNumber) -> Vec<Event> {
    let nth = n - placed.from;
    let of = |event: &Event| match event {
        Event::Impression | Event::Start => nth == 0,
        Event::FirstQuartile => nth == placed.segments / 4,
        Event::Midpoint => nth == placed.segments / 2,
        Event::ThirdQuartile => nth == placed.segments * 3 / 4,
        Event::Complete => nth + 1 == placed.segments,
        Event::NotUsed | Event::Error => false,
    };
    let all =
        [Event::Impression, Event::Start, Event::FirstQuartile, Event::Midpoint, Event::ThirdQuartile, Event::Complete];
    all.into_iter().filter(of).collect()
}
