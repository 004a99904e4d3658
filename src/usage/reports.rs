//! Making reports: sums of closed hours as they are stored, the rest summed on the way; rows go out as they are made.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::mpsc;

use super::chain::{HOUR_MS, hour_of};
use super::period::{Period, UsageError, rfc_3339};
use super::prices::PriceBook;
use super::pricing::{MonthMark, month_start};
use super::report::{
    Billed, Charged as ChargedRow, GroupBy, Head, MinuteRow, ReportState, Totals, UsageReport, UsageRow, day_text,
};
use super::tariff::MARKET_LABEL;
use super::walk::{Charged, HourSums, Walk};
use crate::store::{Figures, GroupSum, HourSum, StoreError, SumKey, UsageReads};

/// Most rows of a report by anything but session or minute, which are streamed: bounds its memory.
pub const MAX_ROWS: u32 = 100_000;

/// Sums read at once where rows are streamed.
const PAGE: u32 = 5000;

/// Rows that wait for whoever reads them.
const ROWS_AHEAD: usize = 256;

const DAY_MS: i64 = 24 * HOUR_MS;

/// Makes reports of a ledger, whether or not a service runs on it.
#[derive(Clone)]
pub struct Reports {
    pub(super) ledger: Arc<dyn UsageReads>,
    pub(super) prices: PriceBook,
    /// Who sells the minutes, as FOCUS rows name it.
    pub(super) provider: String,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    pub tenant: String,
    pub period: Period,
    pub group_by: GroupBy,
}

/// A report under way: its head, then rows, then the totals.
pub(super) enum Part {
    Head(Head),
    Row(Box<UsageRow>),
    Totals(Totals),
}

pub(super) type Parts = mpsc::Sender<Result<Part, UsageError>>;

/// Sums by key and currency.
type Groups = BTreeMap<(String, String), GroupSum>;

impl Reports {
    pub fn new(ledger: Arc<dyn UsageReads>, prices: PriceBook, provider: String) -> Self {
        Self { ledger, prices, provider }
    }

    /// Begins a report. It ends early when nobody reads on.
    pub(super) fn parts(&self, question: Question) -> mpsc::Receiver<Result<Part, UsageError>> {
        let (sender, parts) = mpsc::channel(ROWS_AHEAD);
        let reports = self.clone();
        tokio::spawn(async move {
            let making =
                Making { reports: &reports, question: &question, parts: sender.clone(), totals: Totals::default() };
            if let Err(Stop::Failed(error)) = making.run().await {
                // Where the reader is gone, so is who would want to know.
                let _ = sender.send(Err(error)).await;
            }
        });
        parts
    }
}

/// Why a report ends before its end.
enum Stop {
    Failed(UsageError),
    NobodyReads,
}

impl<E: Into<UsageError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

struct Making<'a> {
    reports: &'a Reports,
    question: &'a Question,
    parts: Parts,
    totals: Totals,
}

/// The hours of a period that are summed, and what is left before and after them.
struct Cut {
    summed_until_ms: i64,
    closed_until_ms: i64,
    /// Whole summed hours: `from..to`, empty where there are none.
    whole: (i64, i64),
    edges: Vec<(i64, i64)>,
}

impl Cut {
    fn new(period: (i64, i64), summed_until_ms: i64, closed_until_ms: i64) -> Self {
        let (from_ms, to_ms) = period;
        let first = hour_of(from_ms) + if from_ms % HOUR_MS == 0 { 0 } else { HOUR_MS };
        let last = hour_of(to_ms.min(summed_until_ms));
        let cut = |whole, edges| Self { summed_until_ms, closed_until_ms, whole, edges };
        if first >= last {
            return cut((from_ms, from_ms), vec![period]);
        }
        let edges = [(from_ms, first), (last, to_ms)].into_iter().filter(|(from, to)| from < to);
        cut((first, last), edges.collect())
    }

    fn has_whole(&self) -> bool {
        self.whole.0 < self.whole.1
    }

    fn state(&self, until_ms: i64) -> ReportState {
        if until_ms <= self.closed_until_ms { ReportState::Final } else { ReportState::Draft }
    }
}

/// Until when hours are summed, and closed. Sealed hours whose sums are gone are not priced as they were: until they are summed again,
/// nothing of them is final.
async fn summed_and_closed(ledger: &dyn UsageReads) -> Result<(i64, i64), StoreError> {
    // In this order: an hour is summed before it is sealed, and one that is closed in between is taken for open, and reads the same.
    let sealed_ms = ledger.last_closed_hour().await?.map_or(i64::MIN, |last| last.hour_start_ms + HOUR_MS);
    let (summed, closed) = (ledger.summed_until().await?, ledger.closed_until().await?);
    Ok((summed, if summed < sealed_ms { summed } else { closed }))
}

impl Making<'_> {
    async fn run(mut self) -> Result<(), Stop> {
        let ledger = &self.reports.ledger;
        let (summed, closed) = summed_and_closed(&**ledger).await?;
        let Period { from, to } = self.question.period;
        let cut = Cut::new((from.as_millisecond(), to.as_millisecond()), summed, closed);
        let head = Head {
            from: from.to_string(),
            to: to.to_string(),
            group_by: self.question.group_by.name(),
            state: cut.state(to.as_millisecond()),
            closed_until: (closed > 0).then(|| rfc_3339(closed)),
        };
        self.send(Part::Head(head)).await?;
        match self.question.group_by.sum_key() {
            None => self.minutes(&cut).await?,
            Some(SumKey::Session) => self.sessions(&cut).await?,
            Some(key) => self.groups(&cut, key).await?,
        }
        let totals = std::mem::take(&mut self.totals);
        self.send(Part::Totals(totals)).await
    }

    async fn send(&self, part: Part) -> Result<(), Stop> {
        self.parts.send(Ok(part)).await.map_err(|_| Stop::NobodyReads)
    }

    async fn send_row(&self, row: UsageRow) -> Result<(), Stop> {
        self.send(Part::Row(Box::new(row))).await
    }

    /// Every line of the period.
    async fn minutes(&mut self, cut: &Cut) -> Result<(), Stop> {
        let (question, reports) = (self.question, self.reports);
        let list = reports.prices.of(&question.tenant);
        let Period { from, to } = question.period;
        let period = (from.as_millisecond(), to.as_millisecond());
        let mut walk = Walk::new(&*reports.ledger, &question.tenant, &list, period, cut.summed_until_ms);
        while let Some(page) = walk.next_page().await? {
            for charged in page {
                let (row, figures) = minute_row(charged, cut);
                self.totals.add(row.currency.as_deref().unwrap_or_default(), &figures);
                self.send_row(row).await?;
            }
        }
        Ok(())
    }

    /// One row a session, in the order of their ids: stored sums come page by page, what is not summed is merged in.
    async fn sessions(&mut self, cut: &Cut) -> Result<(), Stop> {
        let mut edges = group(&self.reports.edge_sums(&self.question.tenant, cut).await?, &SumKey::Session);
        let mut after = None;
        while cut.has_whole() {
            let of_tenant = &self.question.tenant;
            let page = self.reports.ledger.group_sums(of_tenant, cut.whole, SumKey::Session, after, PAGE).await?;
            let is_last = page.len() < PAGE as usize;
            after = page.last().map(|sum| (sum.key.clone(), sum.currency.clone()));
            for mut sum in page {
                let key = (sum.key.clone(), sum.currency.clone());
                let later = edges.split_off(&key);
                for earlier in std::mem::replace(&mut edges, later).into_values() {
                    self.send_sum(earlier, cut, None).await?;
                }
                if let Some(edge) = edges.remove(&key) {
                    merge(&mut sum, &edge);
                }
                self.send_sum(sum, cut, None).await?;
            }
            if is_last {
                break;
            }
        }
        for sum in edges.into_values() {
            self.send_sum(sum, cut, None).await?;
        }
        Ok(())
    }

    async fn groups(&mut self, cut: &Cut, key: SumKey) -> Result<(), Stop> {
        let edge_sums = self.reports.edge_sums(&self.question.tenant, cut).await?;
        let mut groups = group(&edge_sums, &key);
        let (ledger, tenant) = (&self.reports.ledger, &self.question.tenant);
        if cut.has_whole() {
            for sum in ledger.group_sums(tenant, cut.whole, key.clone(), None, MAX_ROWS + 1).await? {
                match groups.get_mut(&(sum.key.clone(), sum.currency.clone())) {
                    Some(edge) => merge(edge, &sum),
                    None => {
                        groups.insert((sum.key.clone(), sum.currency.clone()), sum);
                    }
                }
            }
        }
        if groups.len() > MAX_ROWS as usize {
            return Err(UsageError::TooLarge { limit: MAX_ROWS }.into());
        }
        let counted = self.count_sessions(cut, &key, &edge_sums).await?;
        // By game, a session's seconds are in several rows: the totals are those of the sessions.
        let overlap = matches!(key, SumKey::Game);
        if overlap {
            self.totals = self.game_totals(cut, &edge_sums).await?;
        }
        let mut rows: Vec<GroupSum> = groups.into_values().collect();
        if matches!(key, SumKey::Day | SumKey::Hour) {
            rows.sort_by_key(|sum| sum.key.parse().unwrap_or(i64::MAX));
        }
        for sum in rows {
            let sessions = counted.get(&sum.key).copied();
            self.send_sum(sum, cut, sessions).await?;
        }
        Ok(())
    }

    async fn game_totals(&self, cut: &Cut, edges: &HourSums) -> Result<Totals, Stop> {
        let mut totals = Totals::default();
        edges.iter().for_each(|(_, sum)| totals.add(&sum.currency, &sum.figures));
        if cut.has_whole() {
            let (ledger, tenant) = (&self.reports.ledger, &self.question.tenant);
            for sum in ledger.group_sums(tenant, cut.whole, SumKey::Day, None, MAX_ROWS).await? {
                totals.add(&sum.currency, &sum.figures);
            }
        }
        Ok(totals)
    }

    /// How many sessions each day, hour or market had, of those that a report by session has rows for. One that is both in stored sums and in those
    /// made on the way counts once.
    async fn count_sessions(&self, cut: &Cut, key: &SumKey, edges: &HourSums) -> Result<BTreeMap<String, u64>, Stop> {
        let span_ms = match key {
            SumKey::Day => DAY_MS,
            SumKey::Hour => HOUR_MS,
            SumKey::Label(label) if label == MARKET_LABEL => return self.count_by_label(cut, label, edges).await,
            _ => return Ok(BTreeMap::new()),
        };
        let (ledger, tenant) = (&self.reports.ledger, &self.question.tenant);
        let mut counted = BTreeMap::new();
        if cut.has_whole() {
            counted.extend(ledger.sessions_by(tenant, cut.whole, key.clone()).await?);
        }
        let mut on_the_way: BTreeMap<i64, BTreeSet<&str>> = BTreeMap::new();
        for (hour_start_ms, sum) in edges.iter().filter(|(_, sum)| !sum.figures.is_nothing()) {
            let span_start_ms = hour_start_ms - hour_start_ms.rem_euclid(span_ms);
            on_the_way.entry(span_start_ms).or_default().insert(&sum.session_id);
        }
        for (start_ms, sessions) in on_the_way {
            let stored = (start_ms.max(cut.whole.0), (start_ms + span_ms).min(cut.whole.1));
            let mut count = sessions.len() as u64;
            if stored.0 < stored.1 {
                let known = sessions.into_iter().map(str::to_owned).collect();
                count += ledger.count_sessions(tenant, stored, known).await?;
            }
            counted.insert(time_key(key, start_ms), count);
        }
        Ok(counted)
    }

    /// How many sessions have each value of a label, likewise.
    async fn count_by_label(&self, cut: &Cut, label: &str, edges: &HourSums) -> Result<BTreeMap<String, u64>, Stop> {
        let mut on_the_way: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (_, sum) in edges.iter().filter(|(_, sum)| !sum.figures.is_nothing()) {
            let value = sum.watched.labels.get(label).map_or("", String::as_str);
            on_the_way.entry(value).or_default().insert(&sum.session_id);
        }
        let mut counted = BTreeMap::new();
        if cut.has_whole() {
            let pairs = on_the_way.iter().flat_map(|(value, ids)| ids.iter().map(move |id| (*id, *value)));
            let known = pairs.map(|(id, value)| (id.to_owned(), value.to_owned())).collect();
            let (ledger, tenant) = (&self.reports.ledger, &self.question.tenant);
            counted.extend(ledger.sessions_by_label(tenant, cut.whole, label.to_owned(), known).await?);
        }
        for (value, sessions) in on_the_way {
            *counted.entry(value.to_owned()).or_default() += sessions.len() as u64;
        }
        Ok(counted)
    }

    async fn send_sum(&mut self, sum: GroupSum, cut: &Cut, sessions: Option<u64>) -> Result<(), Stop> {
        let Period { from, to } = self.question.period;
        let (from_ms, to_ms) = (from.as_millisecond(), to.as_millisecond());
        let group_by = &self.question.group_by;
        let within = |start_ms: i64, span_ms: i64| (start_ms.max(from_ms), (start_ms + span_ms).min(to_ms));
        let number = sum.key.parse::<i64>().unwrap_or_default();
        let span = match group_by {
            GroupBy::Day => within(number * DAY_MS, DAY_MS),
            GroupBy::Hour => within(number, HOUR_MS),
            _ => (from_ms, to_ms),
        };
        if !matches!(group_by, GroupBy::Game) {
            self.totals.add(&sum.currency, &sum.figures);
        }
        let mut row = UsageRow::of(&sum.figures, &sum.currency, cut.state(span.1), span);
        row.sessions = sessions;
        match group_by {
            GroupBy::Session => {
                row.first_minute = Some(rfc_3339(sum.first_minute_ms));
                row.last_minute = Some(rfc_3339(sum.last_minute_ms));
                row.session_id = Some(sum.key);
            }
            GroupBy::Day => row.day = Some(day_text(number)),
            GroupBy::Hour => row.hour = Some(rfc_3339(number)),
            GroupBy::Minute => {}
            GroupBy::Game => row.game = Some(sum.key),
            GroupBy::Layout => row.layout = Some(sum.key),
            GroupBy::Tier => row.tier = Some(sum.key),
            GroupBy::Output => row.output = Some(sum.key),
            GroupBy::Market => row.market = Some(sum.key),
            GroupBy::Label(_) => row.label = Some(sum.key),
        }
        self.send_row(row).await
    }
}

fn minute_row(charged: Charged, cut: &Cut) -> (UsageRow, Figures) {
    let Charged { entry, charge } = charged;
    let (currency, cost) = charge.price.unwrap_or_default();
    let figures = Figures {
        billable_seconds: entry.billable_seconds,
        slate_seconds: entry.slate_seconds,
        slate_all_seconds: entry.slate_all_seconds,
        billed_minutes: charge.minutes,
        cost: cost.billed.ten_billionths(),
        list_cost: cost.list.ten_billionths(),
    };
    let state = cut.state(hour_of(entry.at_ms) + HOUR_MS);
    let span = (entry.minute_start_ms, entry.minute_start_ms + 60_000);
    let mut row = UsageRow::of(&figures, &currency, state, span);
    let corrects_earlier_month = month_start(entry.minute_start_ms) < month_start(entry.at_ms);
    row.charged = ChargedRow { corrects_earlier_month, ..row.charged };
    row.session_id = Some(entry.session_id);
    row.minute = Some(MinuteRow {
        minute_start: rfc_3339(entry.minute_start_ms),
        engine: entry.watched.engine,
        layout: entry.watched.layout,
        tier: entry.watched.tier,
        games: entry.watched.games,
        labels: entry.watched.labels,
        correction: (!entry.reason.is_empty()).then_some(entry.reason),
    });
    (row, figures)
}

fn time_key(key: &SumKey, start_ms: i64) -> String {
    if matches!(key, SumKey::Day) { (start_ms / DAY_MS).to_string() } else { start_ms.to_string() }
}

fn merge(into: &mut GroupSum, other: &GroupSum) {
    into.first_minute_ms = into.first_minute_ms.min(other.first_minute_ms);
    into.last_minute_ms = into.last_minute_ms.max(other.last_minute_ms);
    into.figures += other.figures;
}

/// Groups sums as the store groups those it keeps.
fn group(sums: &HourSums, key: &SumKey) -> Groups {
    let mut groups = Groups::new();
    let mut add = |key: &str, sum: &HourSum, figures: Figures| {
        let HourSum { currency, first_minute_ms, last_minute_ms, .. } = sum;
        let (first_minute_ms, last_minute_ms) = (*first_minute_ms, *last_minute_ms);
        let (key, currency) = (key.to_owned(), currency.clone());
        let part = GroupSum { key: key.clone(), currency: currency.clone(), first_minute_ms, last_minute_ms, figures };
        groups.entry((key, currency)).and_modify(|sum| merge(sum, &part)).or_insert(part);
    };
    for (hour_start_ms, sum) in sums.iter() {
        let watched = &sum.watched;
        match key {
            SumKey::Session => add(&sum.session_id, sum, sum.figures),
            SumKey::Day | SumKey::Hour => {
                let span_ms = if matches!(key, SumKey::Day) { DAY_MS } else { HOUR_MS };
                let start_ms = hour_start_ms - hour_start_ms.rem_euclid(span_ms);
                add(&time_key(key, start_ms), sum, sum.figures);
            }
            SumKey::Layout => add(&watched.layout, sum, sum.figures),
            SumKey::Tier => add(&watched.tier, sum, sum.figures),
            SumKey::Label(name) => add(watched.labels.get(name).map_or("", String::as_str), sum, sum.figures),
            SumKey::Game => {
                for (slot, game) in watched.games.iter().enumerate() {
                    let is_first = watched.games[..slot].iter().all(|earlier| earlier != game);
                    add(game, sum, share(&sum.figures, slot, watched.games.len(), is_first));
                }
            }
        }
    }
    groups.retain(|_, sum| !sum.figures.is_nothing());
    groups
}

/// A slot's share: all seconds for the first slot of a game, minutes and costs divided, what cannot be to the first slots.
fn share(figures: &Figures, slot: usize, slots: usize, is_first: bool) -> Figures {
    let (slot, slots) = (slot as i128, slots.max(1) as i128);
    let part = |whole: i128| whole / slots + if slot < (whole % slots).abs() { whole.signum() } else { 0 };
    let seconds = |whole: i64| if is_first { whole } else { 0 };
    Figures {
        billable_seconds: seconds(figures.billable_seconds),
        slate_seconds: seconds(figures.slate_seconds),
        slate_all_seconds: seconds(figures.slate_all_seconds),
        billed_minutes: i64::try_from(part(figures.billed_minutes.into())).unwrap_or(i64::MAX),
        cost: part(figures.cost),
        list_cost: part(figures.list_cost),
    }
}

impl Reports {
    /// What was summed on the way: the period's hours that are open or not whole.
    async fn edge_sums(&self, tenant: &str, cut: &Cut) -> Result<HourSums, StoreError> {
        let list = self.prices.of(tenant);
        let mut sums = HourSums::default();
        for edge in &cut.edges {
            let mut walk = Walk::new(&*self.ledger, tenant, &list, *edge, cut.summed_until_ms);
            while let Some(page) = walk.next_page().await? {
                page.iter().for_each(|charged| sums.add(charged));
            }
        }
        Ok(sums)
    }

    /// What was billed of one session in `period`, corrections too: as its row of a report by session. `ended_ms` is when it did.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn of_session(
        &self,
        tenant: &str,
        session_id: &str,
        period: Period,
        ended_ms: Option<i64>,
    ) -> Result<Billed, UsageError> {
        let (summed, closed) = summed_and_closed(&*self.ledger).await?;
        let Period { from, to } = period.whole_hours();
        let cut = Cut::new((from.as_millisecond(), to.as_millisecond()), summed, closed);
        let mut totals = Totals::default();
        let edges = self.edge_sums(tenant, &cut).await?;
        let own = edges.iter().filter(|(_, sum)| sum.session_id == session_id);
        own.for_each(|(_, sum)| totals.add(&sum.currency, &sum.figures));
        if cut.has_whole() {
            // Sums are in the order of sessions' ids: what is in front of it is not read.
            let before: String = session_id.chars().take(session_id.chars().count().saturating_sub(1)).collect();
            let after = Some((before, String::new()));
            let sums = self.ledger.group_sums(tenant, cut.whole, SumKey::Session, after, PAGE).await?;
            let own = sums.iter().filter(|sum| sum.key == session_id);
            own.for_each(|sum| totals.add(&sum.currency, &sum.figures));
        }
        let state = ended_ms.map_or(ReportState::Draft, |ms| cut.state(hour_of(ms) + HOUR_MS));
        let (billable_seconds, minutes) = (totals.billable_seconds, totals.billed_minutes);
        Ok(Billed { state, billable_seconds, minutes, costs: totals.costs() })
    }

    /// A whole report, in memory: for what has few rows.
    ///
    /// # Errors
    /// Those of making it.
    pub async fn gathered(&self, question: Question) -> Result<UsageReport, UsageError> {
        let mut parts = self.parts(question);
        let (mut head, mut rows, mut totals) = (None, Vec::new(), Totals::default());
        while let Some(part) = parts.recv().await {
            match part? {
                Part::Head(its) => head = Some(its),
                Part::Row(row) => rows.push(*row),
                Part::Totals(its) => totals = its,
            }
        }
        // A report has a head, but for one whose making broke off.
        let Head { from, to, group_by, state, closed_until } = head.ok_or(StoreError::Closed)?;
        let (total_billable_seconds, total_billed_minutes) = (totals.billable_seconds, totals.billed_minutes);
        let costs = totals.costs();
        Ok(UsageReport {
            from,
            to,
            group_by,
            state,
            closed_until,
            rows,
            total_billable_seconds,
            total_billed_minutes,
            costs,
        })
    }

    /// The month of `now_ms` so far, with all that pricing remembers of it.
    pub(super) async fn month_mark(&self, tenant: &str, now_ms: i64) -> Result<MonthMark, StoreError> {
        let summed_until_ms = self.ledger.summed_until().await?;
        let month_start_ms = month_start(now_ms);
        let list = self.prices.of(tenant);
        // An empty period where all is summed: the walk takes up the state at its start then.
        let period = (month_start_ms.max(summed_until_ms), now_ms.max(summed_until_ms) + 1);
        let mut walk = Walk::new(&*self.ledger, tenant, &list, period, summed_until_ms);
        while walk.next_page().await?.is_some() {}
        let mark = walk.pricer.mark;
        let is_of_month = mark.month_start_ms == month_start_ms;
        Ok(if is_of_month { mark } else { MonthMark { month_start_ms, ..MonthMark::default() } })
    }
}

#[cfg(test)]
#[path = "reports_tests.rs"]
mod tests;
