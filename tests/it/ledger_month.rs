//! A month of viewers on a cranked clock, from playlists to the ledger, against a recount.
//!
//! Each of the seats has a viewer all the time, with seconds between one and the next: who polls about every six seconds, pauses,
//! sees slates, and ends or just goes away. Their meters are polled, advanced and booked as sessions' are; only bookings are minutes
//! apart instead of seconds, and now and then a seat's store is out for hours, so that hours are closed before its bookings come.
//! What is booked goes into a ledger in memory (of every figure the largest stays) and, of some of the seats, into the store as well, in
//! the order of time and with its hours closed on the way: all of five thousand seats are 170 million lines.
//!
//! The recount knows nothing of the meter: it walks every second of a viewer's script and asks of each by itself whether it was
//! watched (docs/billing.md, “What is billed”), and which minute it was over in. Lines must be equal, minute by minute, to the last second.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};

use quadrille::store::{LedgerReads, Store};
use quadrille::usage::{Meter, MeterTerms, Slate};

use crate::support::bookings::{HOUR_MS, MINUTE_MS, START_MS, line, minute_of, open, verify_folder, write};

/// Six-second segments.
const GRACE_S: u32 = 6;
const PAUSE_S: u32 = 12;
const TERMS: MeterTerms = MeterTerms { grace_ms: GRACE_S as i64 * 1000, pause_ms: PAUSE_S as i64 * 1000 };
const IDLE_S: u32 = 30;
/// What a playlist lists: three segments.
const WINDOW_S: u32 = 18;

const TENANTS: [&str; 3] = ["acme", "other", "third"];

/// Hours that a seat's store is out for, once in about a hundred.
const OUTAGE_MS: i64 = 3 * HOUR_MS;

/// Billable, slate and all-slate seconds of each minute.
type Minutes = BTreeMap<i64, [u32; 3]>;

/// Xorshift (Marsaglia 2003): the same month every time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (((self.0 >> 32) * u64::from(bound)) >> 32) as u32
    }

    fn one_in(&mut self, many: u32) -> bool {
        self.below(many) == 0
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// The device said so.
    Told,
    Idle,
}

/// What a viewer does, in whole seconds from the first playlist on.
struct Script {
    start_ms: i64,
    polls: Vec<u32>,
    slates: Vec<(u32, Slate)>,
    end_s: u32,
    end: End,
}

impl Script {
    fn new(start_ms: i64, chance: &mut Chance) -> Self {
        let longest_s = if chance.one_in(4) { 10_000 } else { 4_000 };
        let length_s = 60 + chance.below(longest_s);
        let (mut polls, mut slates, mut at_s) = (vec![0], Vec::new(), 0);
        while at_s < length_s {
            // In time, a little late, or after a pause.
            at_s += match chance.below(400) {
                0 => PAUSE_S + chance.below(1_500),
                1..20 => 8 + chance.below(8),
                _ => 5 + chance.below(3),
            };
            polls.push(at_s);
            if chance.one_in(150) {
                let slate = [Slate::Nothing, Slate::Part, Slate::All][chance.below(3) as usize];
                slates.push((at_s + chance.below(5), slate));
            }
        }
        let (end, after_s) = if chance.one_in(3) { (End::Idle, IDLE_S) } else { (End::Told, chance.below(20)) };
        let end_s = at_s + after_s;
        slates.retain(|(at_s, _)| *at_s < end_s);
        Self { start_ms, polls, slates, end_s, end }
    }

    /// Asks of every second by itself.
    fn recount(&self) -> Minutes {
        let mut minutes = Minutes::new();
        let mut polls = self.polls.iter().copied().peekable();
        let mut slates = self.slates.iter().copied().peekable();
        let (mut last_s, mut slate) = (0, Slate::Nothing);
        // What was listed last can be fetched after the end.
        let over_s = self.polls.last().map_or(0, |last| self.end_s.max(last + GRACE_S));
        for second in 0..over_s {
            while let Some(poll) = polls.next_if(|poll| *poll <= second) {
                last_s = poll;
            }
            while let Some((_, now)) = slates.next_if(|(since, _)| *since <= second) {
                slate = now;
            }
            let told_end = (self.end == End::Told).then_some(self.end_s);
            let heard_s = polls.peek().copied().or(told_end);
            let is_listed = polls.peek().is_some_and(|poll| second + WINDOW_S >= *poll);
            let heard_soon = heard_s.is_some_and(|heard| heard - last_s <= PAUSE_S);
            let watched = second - last_s < GRACE_S || heard_soon || is_listed;
            if watched {
                let over_ms = self.start_ms + i64::from(second + 1) * 1000;
                let figures = minutes.entry(minute_of(over_ms - 1)).or_default();
                figures[0] += 1;
                figures[1] += u32::from(slate != Slate::Nothing);
                figures[2] += u32::from(slate == Slate::All);
            }
        }
        minutes
    }
}

/// A viewer under way.
struct Viewer {
    session_id: String,
    script: Script,
    meter: Meter,
    /// Polls and slates that have happened.
    polled: usize,
    slated: usize,
    ended: bool,
    ledger: Minutes,
}

impl Viewer {
    /// Everything that happens to it until `now_ms`, in order.
    fn pass_to(&mut self, now_ms: i64) {
        let at_ms = |second: u32| self.script.start_ms + i64::from(second) * 1000;
        loop {
            let poll = self.script.polls.get(self.polled).map_or(i64::MAX, |second| at_ms(*second));
            let slate = self.script.slates.get(self.slated).map_or(i64::MAX, |(second, _)| at_ms(*second));
            if poll.min(slate) > now_ms {
                break;
            }
            if slate <= poll {
                self.meter.note_slate(slate, self.script.slates[self.slated].1);
                self.slated += 1;
            } else {
                self.meter.listed(poll, i64::from(WINDOW_S) * 1000, TERMS);
                self.polled += 1;
            }
        }
        let end_ms = at_ms(self.script.end_s);
        if end_ms > now_ms {
            self.meter.advance(now_ms, TERMS);
        } else if !self.ended {
            self.ended = true;
            match self.script.end {
                End::Told => self.meter.stop(end_ms, TERMS),
                End::Idle => self.meter.stop_idle(TERMS),
            }
        }
    }
}

/// What one booking of a session says: session, minute, figures.
type Booked = (String, Vec<(i64, [u32; 3])>);

/// A seat with one viewer after the other.
struct Seat {
    number: u32,
    chance: Chance,
    viewers: Vec<Viewer>,
    next_start_ms: i64,
    out_until_ms: i64,
    visits: u32,
    /// Counted anew and found equal.
    lines: u64,
    seconds: u64,
}

impl Seat {
    fn new(number: u32) -> Self {
        let mut chance = Chance(0x2545_f491_4f6c_dd1d ^ (u64::from(number) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let next_start_ms = START_MS + i64::from(chance.below(120_000));
        Self { number, chance, viewers: Vec::new(), next_start_ms, out_until_ms: 0, visits: 0, lines: 0, seconds: 0 }
    }

    fn tenant(&self) -> &'static str {
        TENANTS[self.number as usize % TENANTS.len()]
    }

    /// Time comes to `now_ms`; what is booked then, unless the store is out. `is_last` ends every viewer and outage.
    fn pass_to(&mut self, now_ms: i64, is_last: bool) -> Vec<Booked> {
        while !is_last && self.next_start_ms <= now_ms {
            let script = Script::new(self.next_start_ms, &mut self.chance);
            // Any millisecond may be a viewer's first.
            self.next_start_ms += i64::from(script.end_s) * 1000 + i64::from(self.chance.below(5_000));
            self.viewers.push(Viewer {
                session_id: format!("{}-{}", self.number, self.visits),
                script,
                meter: Meter::default(),
                polled: 0,
                slated: 0,
                ended: false,
                ledger: Minutes::new(),
            });
            self.visits += 1;
        }
        for viewer in &mut self.viewers {
            viewer.pass_to(if is_last { i64::MAX / 2 } else { now_ms });
        }
        if self.chance.one_in(600) {
            self.out_until_ms = now_ms + OUTAGE_MS;
        }
        if now_ms < self.out_until_ms && !is_last {
            return Vec::new();
        }
        let booked = self.viewers.iter_mut().filter_map(book).collect();
        let ended = self.viewers.extract_if(.., |viewer| viewer.ended);
        for viewer in ended {
            let counted = viewer.script.recount();
            let mut billed = viewer.ledger;
            // A minute that a part of a second fell into has a line with nothing on it.
            billed.retain(|_, figures| *figures != [0; 3]);
            assert_eq!(billed, counted, "{}", viewer.session_id);
            self.lines += counted.len() as u64;
            self.seconds += counted.values().map(|figures| u64::from(figures[0])).sum::<u64>();
        }
        booked
    }
}

fn book(viewer: &mut Viewer) -> Option<Booked> {
    let booking = viewer.meter.unbooked()?;
    let figures = |m: &quadrille::usage::MinuteSeconds| [m.seconds, m.slate_seconds, m.slate_all_seconds];
    let lines: Vec<_> = booking.minutes.iter().map(|minute| (minute.minute_start_ms, figures(minute))).collect();
    for (minute, figures) in &lines {
        let kept = viewer.ledger.entry(*minute).or_default();
        kept.iter_mut().zip(figures).for_each(|(kept, figure)| *kept = (*kept).max(*figure));
    }
    viewer.meter.booked(&booking);
    Some((viewer.session_id.clone(), lines))
}

/// How long, how many, and how far apart.
#[derive(Clone, Copy)]
struct Month {
    seats: u32,
    /// One seat in so many is booked in the store as well.
    stored_one_in: u32,
    days: i64,
    book_every_ms: i64,
}

impl Month {
    fn instants(self) -> impl Iterator<Item = (i64, bool)> {
        let last = self.days * 24 * HOUR_MS / self.book_every_ms;
        (1..=last).map(move |n| (START_MS + n * self.book_every_ms, n == last))
    }

    /// All seats in memory, seat by seat; lines and seconds.
    fn in_memory(self) -> (u64, u64) {
        let (next, lines, seconds) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
                scope.spawn(|| {
                    while let Some(number) =
                        u32::try_from(next.fetch_add(1, Ordering::Relaxed)).ok().filter(|n| *n < self.seats)
                    {
                        let mut seat = Seat::new(number);
                        self.instants().for_each(|(now_ms, is_last)| drop(seat.pass_to(now_ms, is_last)));
                        lines.fetch_add(seat.lines, Ordering::Relaxed);
                        seconds.fetch_add(seat.seconds, Ordering::Relaxed);
                    }
                });
            }
        });
        (lines.into_inner(), seconds.into_inner())
    }

    /// Some of the seats in the store, all of them at each instant; lines and corrections.
    async fn stored(self) -> (u64, u64) {
        let dir = tempfile::tempdir().unwrap();
        let (store, closing) = open(dir.path()).await;
        let mut seats: Vec<Seat> = (0..self.seats).step_by(self.stored_one_in as usize).map(Seat::new).collect();
        let mut expected = HashMap::<(String, i64), [u32; 3]>::new();
        for (now_ms, is_last) in self.instants() {
            let mut writes = Vec::new();
            for seat in &mut seats {
                let tenant = seat.tenant();
                for (session_id, minutes) in seat.pass_to(now_ms, is_last) {
                    let line = |(minute, [seconds, slate, slate_all]): &(i64, [u32; 3])| {
                        let mut line = line(tenant, &session_id, *minute, *seconds);
                        (line.slate_seconds, line.slate_all_seconds) = (*slate, *slate_all);
                        line
                    };
                    writes.push(write(minutes.iter().map(line).collect(), now_ms));
                    for (minute, figures) in minutes {
                        let kept = expected.entry((session_id.clone(), minute)).or_default();
                        kept.iter_mut().zip(figures).for_each(|(kept, figure)| *kept = (*kept).max(figure));
                    }
                }
            }
            store.write_sessions(writes).await.unwrap();
            closing.run(now_ms).await.unwrap();
        }
        // Another day, so that every hour with something in it is closed.
        closing.run(START_MS + (self.days + 1) * 24 * HOUR_MS).await.unwrap();
        let whole = verify_folder(dir.path()).await.unwrap();
        let (mut entries, mut corrections) = (0, 0);
        for tenant in TENANTS {
            let mut after = None;
            loop {
                let page = store.entries(tenant, 0, i64::MAX, after, 5000).await.unwrap();
                for entry in &page {
                    let figures = [entry.billable_seconds, entry.slate_seconds, entry.slate_all_seconds];
                    let key = (entry.session_id.clone(), entry.minute_start_ms);
                    let left = expected.get_mut(&key).unwrap_or_else(|| panic!("{tenant}: {entry:?} was never booked"));
                    for (left, figure) in left.iter_mut().zip(figures) {
                        *left = left.checked_sub(u32::try_from(figure).unwrap()).unwrap();
                    }
                    assert_eq!(seat_tenant(&entry.session_id), tenant);
                    entries += 1;
                    corrections += u64::from(!entry.reason.is_empty());
                }
                let Some(last) = page.last() else { break };
                after = Some(last.cursor());
            }
        }
        assert!(expected.values().all(|left| *left == [0; 3]), "some of it is not in the ledger");
        assert_eq!(whole.entries, entries, "every entry is in a sealed hour");
        assert!(corrections > 0, "nothing came late");
        (entries, corrections)
    }

    async fn holds(self) {
        let memory = tokio::task::spawn_blocking(move || self.in_memory());
        let (entries, corrections) = self.stored().await;
        let (lines, seconds) = memory.await.unwrap();
        let watched = seconds as f64 / (self.days * 86_400) as f64;
        eprintln!(
            "{lines} lines of {watched:.0} viewers at a time; {entries} entries stored, {corrections} of them late"
        );
        // The rest is paused, or about to go idle.
        assert!(watched > f64::from(self.seats) * 0.7, "{watched:.0} of {} seats are watched", self.seats);
    }
}

/// The tenant of a session's seat.
fn seat_tenant(session_id: &str) -> &'static str {
    let number: usize = session_id.split('-').next().unwrap().parse().unwrap();
    TENANTS[number % TENANTS.len()]
}

#[tokio::test(flavor = "multi_thread")]
async fn two_days_of_two_hundred_sessions_are_billed_to_the_second() {
    Month { seats: 200, stored_one_in: 20, days: 2, book_every_ms: 30 * MINUTE_MS }.holds().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes"]
async fn a_month_of_five_thousand_sessions_is_billed_to_the_second() {
    Month { seats: 5_000, stored_one_in: 100, days: 30, book_every_ms: 10 * MINUTE_MS }.holds().await;
}
