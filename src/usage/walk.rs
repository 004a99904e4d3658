//! Walking a stretch of the ledger with its prices, page by page: what an hour is summed from when it is closed, and what
//! reports take where hours are not summed or not whole.

use std::collections::{BTreeMap, BTreeSet};

use super::chain::{HOUR_MS, hour_of};
use super::pricing::{Charge, MonthMark, Pricer};
use super::tariff::PriceList;
use crate::store::{EntryCursor, Figures, HourSum, LedgerEntry, StoreError, UsageReads};

/// Entries read at once: bounds the memory.
const PAGE: u32 = 2000;

/// An entry and what it is charged with.
#[derive(Clone, Debug)]
pub(super) struct Charged {
    pub entry: LedgerEntry,
    pub charge: Charge,
}

/// A walk along one tenant's entries. Hours that are summed are priced as they were then, each by the list of its own; later ones
/// by the list in force.
pub(super) struct Walk<'a> {
    ledger: &'a dyn UsageReads,
    tenant: &'a str,
    in_force: &'a PriceList,
    from_ms: i64,
    to_ms: i64,
    summed_until_ms: i64,
    /// Where the next stretch of one price list begins.
    next_ms: i64,
    stretch: Option<Stretch>,
    /// The list of summed hours, most of which have the same.
    recorded: Option<(String, PriceList)>,
    pub pricer: Pricer,
}

/// A summed hour, or all that is not summed.
struct Stretch {
    start_ms: i64,
    end_ms: i64,
    after: Option<EntryCursor>,
    is_summed: bool,
}

impl<'a> Walk<'a> {
    /// Along the entries of `period`, when hours until `summed_until_ms` are summed.
    pub fn new(
        ledger: &'a dyn UsageReads,
        tenant: &'a str,
        in_force: &'a PriceList,
        period: (i64, i64),
        summed_until_ms: i64,
    ) -> Self {
        let (from_ms, to_ms) = period;
        // What a minute costs depends on what came before it: known at the start of each summed hour and after the last.
        let next_ms = hour_of(from_ms).min(summed_until_ms);
        let pricer = Pricer::default();
        Self {
            ledger,
            tenant,
            in_force,
            from_ms,
            to_ms,
            summed_until_ms,
            next_ms,
            stretch: None,
            recorded: None,
            pricer,
        }
    }

    /// Goes on where a walk ended, with what it knew there: its period began after all summed hours, and so does `period`.
    pub fn going_on(
        ledger: &'a dyn UsageReads,
        tenant: &'a str,
        in_force: &'a PriceList,
        period: (i64, i64),
        summed_until_ms: i64,
        pricer: Pricer,
    ) -> Self {
        let (start_ms, end_ms) = period;
        let stretch = Some(Stretch { start_ms, end_ms, after: None, is_summed: false });
        let began = Self::new(ledger, tenant, in_force, period, summed_until_ms);
        Self { next_ms: end_ms, stretch, pricer, ..began }
    }

    /// The next entries; `None` when there are no more.
    pub async fn next_page(&mut self) -> Result<Option<Vec<Charged>>, StoreError> {
        loop {
            let Some(stretch) = self.stretch.take() else {
                if self.next_ms >= self.to_ms {
                    return Ok(None);
                }
                self.stretch = self.begin_stretch().await?;
                continue;
            };
            let Stretch { start_ms, end_ms, after, is_summed } = stretch;
            let entries = self.ledger.entries(self.tenant, start_ms, end_ms, after, PAGE).await?;
            self.learn_sessions(&entries, start_ms.min(self.summed_until_ms)).await?;
            if let Some(last) = entries.last().filter(|_| entries.len() == PAGE as usize) {
                self.stretch = Some(Stretch { start_ms, end_ms, after: Some(last.cursor()), is_summed });
            }
            let list = match &self.recorded {
                Some((_, recorded)) if is_summed => recorded,
                _ => self.in_force,
            };
            let (pricer, from_ms) = (&mut self.pricer, self.from_ms);
            let charged = entries.into_iter().filter_map(|entry| {
                let charge = pricer.charge(&entry, list);
                (entry.at_ms >= from_ms).then_some(Charged { entry, charge })
            });
            return Ok(Some(charged.collect()));
        }
    }

    /// Takes up the state at `next_ms`; `None` for an hour without entries.
    async fn begin_stretch(&mut self) -> Result<Option<Stretch>, StoreError> {
        let start_ms = self.next_ms;
        let is_summed = start_ms < self.summed_until_ms;
        let end_ms = if is_summed { self.to_ms.min(start_ms + HOUR_MS) } else { self.to_ms };
        self.next_ms = end_ms;
        if is_summed {
            let own = self.ledger.month_mark(self.tenant, start_ms + 1).await?;
            let Some((_, _, id)) = own.filter(|(hour_start_ms, ..)| *hour_start_ms == start_ms) else {
                return Ok(None);
            };
            self.take_list(id).await?;
        }
        let mark = self.ledger.month_mark(self.tenant, start_ms).await?;
        self.pricer.mark = mark.map_or(Ok(MonthMark::default()), |(_, mark, _)| parse(&mark))?;
        self.pricer.forget_sessions();
        Ok(Some(Stretch { start_ms, end_ms, after: None, is_summed }))
    }

    async fn take_list(&mut self, id: String) -> Result<(), StoreError> {
        if self.recorded.as_ref().is_some_and(|(known, _)| *known == id) {
            return Ok(());
        }
        let row = self.ledger.price_list(self.tenant, Some(id.clone())).await?;
        let row = row.ok_or_else(|| StoreError::Damaged(format!("the price list {id} is not in the ledger")))?;
        self.recorded = Some((id, PriceList::of_record(&row)?));
        Ok(())
    }

    async fn learn_sessions(&mut self, entries: &[LedgerEntry], start_ms: i64) -> Result<(), StoreError> {
        let unknown = entries.iter().map(|entry| &entry.session_id).filter(|id| !self.pricer.knows(id));
        let unknown: BTreeSet<String> = unknown.cloned().collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let known = self.ledger.charged_seconds(self.tenant, start_ms, unknown.into_iter().collect()).await?;
        known.into_iter().for_each(|(session_id, seconds)| self.pricer.learn(session_id, seconds));
        Ok(())
    }
}

fn parse<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|e| StoreError::Failed(format!("a row of the ledger's prices: {e}")))
}

/// Sums of hours, by hour and session.
#[derive(Debug, Default)]
pub(super) struct HourSums(BTreeMap<(i64, String), Vec<HourSum>>);

impl HourSums {
    pub fn add(&mut self, charged: &Charged) {
        let Charged { entry, charge } = charged;
        let (currency, cost) = charge.price.clone().unwrap_or_default();
        let parts = self.0.entry((hour_of(entry.at_ms), entry.session_id.clone())).or_default();
        let same = parts.iter_mut().find(|sum| sum.watched == entry.watched && sum.currency == currency);
        let figures = Figures {
            billable_seconds: entry.billable_seconds,
            slate_seconds: entry.slate_seconds,
            slate_all_seconds: entry.slate_all_seconds,
            billed_minutes: charge.minutes,
            cost: cost.billed.ten_billionths(),
            list_cost: cost.list.ten_billionths(),
        };
        match same {
            Some(sum) => {
                sum.first_minute_ms = sum.first_minute_ms.min(entry.minute_start_ms);
                sum.last_minute_ms = sum.last_minute_ms.max(entry.minute_start_ms);
                sum.figures += figures;
                sum.charged_seconds += charge.seconds;
            }
            None => parts.push(HourSum {
                session_id: entry.session_id.clone(),
                watched: entry.watched.clone(),
                first_minute_ms: entry.minute_start_ms,
                last_minute_ms: entry.minute_start_ms,
                figures,
                charged_seconds: charge.seconds,
                currency,
            }),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each sum with the start of its hour; by hour and session.
    pub fn iter(&self) -> impl Iterator<Item = (i64, &HourSum)> {
        self.0.iter().flat_map(|((hour_start_ms, _), parts)| parts.iter().map(move |sum| (*hour_start_ms, sum)))
    }

    pub fn into_sums(self) -> Vec<HourSum> {
        self.0.into_values().flatten().collect()
    }
}
