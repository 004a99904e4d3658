//! How breaks were filled: sums by tenant, market and hour, kept in the store a few seconds later.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;
use serde::Serialize;
use utoipa::ToSchema;

use crate::store::{FillRow, FillRows, StoreError};
use crate::timeline::Grid;

const HOUR_MS: i64 = 3_600_000;

/// What came to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Filled {
    pub decisions: u64,
    pub decided: u64,
    pub ad_segments: u64,
    pub slate_segments: u64,
    pub play_outs: u64,
    pub completes: u64,
}

/// A tenant, its market, and the hour.
type FillKey = (String, String, i64);

#[derive(Clone, Default)]
struct Sums {
    filled: Filled,
    errors: BTreeMap<u16, u64>,
}

/// The sums, those that are not written down yet among them.
pub struct Fills {
    store: Arc<dyn FillRows>,
    grid: Grid,
    unkept: Mutex<HashMap<FillKey, Sums>>,
}

impl Fills {
    pub fn new(store: Arc<dyn FillRows>, grid: Grid) -> Self {
        Self { store, grid, unkept: Mutex::default() }
    }

    fn note_in(&self, tenant: &str, market: &str, now_ms: i64, note: impl FnOnce(&mut Sums)) {
        let key = (tenant.to_owned(), market.to_owned(), now_ms - now_ms.rem_euclid(HOUR_MS));
        note(self.unkept.lock().entry(key).or_default());
    }

    pub(super) fn note(&self, tenant: &str, market: &str, now_ms: i64, more: Filled) {
        if more == Filled::default() {
            return;
        }
        self.note_in(tenant, market, now_ms, |sums| {
            let Filled { decisions, decided, ad_segments, slate_segments, play_outs, completes } = more;
            sums.filled.decisions += decisions;
            sums.filled.decided += decided;
            sums.filled.ad_segments += ad_segments;
            sums.filled.slate_segments += slate_segments;
            sums.filled.play_outs += play_outs;
            sums.filled.completes += completes;
        });
    }

    pub(super) fn note_error(&self, tenant: &str, market: &str, now_ms: i64, code: u16) {
        self.note_in(tenant, market, now_ms, |sums| *sums.errors.entry(code).or_default() += 1);
    }

    /// Writes down what is not yet. What the store does not take waits.
    pub async fn keep(&self) {
        let unkept = std::mem::take(&mut *self.unkept.lock());
        for (key, sums) in unkept {
            let (tenant, market, hour_ms) = key.clone();
            let Filled { decisions, decided, ad_segments, slate_segments, play_outs, completes } = sums.filled;
            let errors = sums.errors.clone();
            let row = FillRow {
                tenant,
                market,
                hour_ms,
                decisions,
                decided,
                ad_segments,
                slate_segments,
                play_outs,
                completes,
                errors,
            };
            if let Err(error) = self.store.add_fill(row).await {
                tracing::debug!(%error, "what breaks came to waits until the store takes it");
                let (tenant, market, hour_ms) = key;
                self.note(&tenant, &market, hour_ms, sums.filled);
                for (code, count) in sums.errors {
                    self.note_in(&tenant, &market, hour_ms, |sums| *sums.errors.entry(code).or_default() += count);
                }
            }
        }
    }
}

/// What breaks came to in a market.
#[derive(Clone, Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct MarketFill {
    pub market: String,
    /// How often a server was asked.
    pub decisions: u64,
    /// Advertisements that were decided on.
    pub decided: u64,
    /// How often one was begun in a session, and how often it was listed to its end. A session that came in later is in neither.
    pub play_outs: u64,
    pub completes: u64,
    /// Seconds of sessions' slots in breaks in which an advertisement was listed, and those in which the slate was.
    pub advertisement_s: f64,
    pub slate_s: f64,
    /// Both together: what sessions saw of breaks in which something stood in for the game.
    pub break_s: f64,
    /// Of that, the advertisements' share; `null` where there was no break.
    pub fill: Option<f64>,
    /// What went wrong, by VAST's code of it.
    pub errors: BTreeMap<String, u64>,
}

impl Fills {
    /// What a tenant's breaks came to in the hours that begin in `from_ms..to_ms` (milliseconds of Unix time), market by market.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn by_market(&self, tenant: &str, from_ms: i64, to_ms: i64) -> Result<Vec<MarketFill>, StoreError> {
        self.keep().await;
        let rows = self.store.fills(tenant, from_ms, to_ms).await?;
        let segment_s = self.grid.segment_duration().as_secs_f64();
        let mut markets: BTreeMap<String, MarketFill> = BTreeMap::new();
        for row in rows {
            let its = markets
                .entry(row.market.clone())
                .or_insert_with(|| MarketFill { market: row.market.clone(), ..MarketFill::default() });
            its.decisions += row.decisions;
            its.decided += row.decided;
            its.play_outs += row.play_outs;
            its.completes += row.completes;
            its.advertisement_s += row.ad_segments as f64 * segment_s;
            its.slate_s += row.slate_segments as f64 * segment_s;
            for (code, count) in row.errors {
                *its.errors.entry(code.to_string()).or_default() += count;
            }
        }
        for its in markets.values_mut() {
            its.break_s = its.advertisement_s + its.slate_s;
            its.fill = (its.break_s > 0.0).then(|| its.advertisement_s / its.break_s);
        }
        Ok(markets.into_values().collect())
    }
}
