//! What a transport stream has beside its programme (signals, pages of teletext), put on the time of its pictures.
//!
//! A splice is named by a presentation time of the stream, and demuxers stamp their pictures anew. A picture that is seen on both sides, by its first
//! bytes, tells how one follows from the other. Until one was seen, what is signalled waits.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use super::teletext::Page;
use crate::captions::cea::Described;
use crate::cues::scte35::SpliceInfo;

/// Pictures in front of the demuxer that are remembered: all that can begin in what it is given at once (16 KiB), and what it holds back.
/// One that is not there any more could be taken for another that begins alike.
const SEEN: usize = 128;
/// What may wait for a picture. The oldest goes first.
const WAITING: usize = 32;
/// The first bytes of a picture that tell it from others: as much as is in one packet at most.
const PREFIX_MOST: usize = 184;
/// Fewer are alike in many pictures.
const PREFIX_LEAST: usize = 24;
/// Presentation times are counted in 33 bits (ISO/IEC 13818-1, 2.4.3.7).
const PTS_MODULUS: u64 = 1 << 33;
/// Pictures are sent before they are presented, by less than this (2.4.2.6 has a second, for most).
const FARTHEST_NANOS: i64 = 10_000_000_000;

/// What was found in front of a demuxer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// A picture begins: its presentation time, and its first bytes.
    Picture {
        pts: u64,
        prefix: Vec<u8>,
    },
    Aside(Aside),
    /// What is written in its captions.
    Services(Vec<Described>),
    /// A clock reference, in ticks of 90 kHz, and when it was sent, in microseconds since 1970.
    Clock {
        pcr: u64,
        sent_us: i64,
    },
    /// What follows is another picture's.
    Fresh,
}

/// What lies beside the programme.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::feed) enum Aside {
    Signal(SpliceInfo),
    /// Data of a page of teletext, and the time that it names.
    Teletext {
        page: Page,
        pts: Option<u64>,
        data: Vec<u8>,
    },
}

impl Aside {
    /// The presentation time that it is about.
    fn pts(&self) -> Option<u64> {
        match self {
            Self::Signal(info) => info.splice_pts(),
            Self::Teletext { pts, .. } => *pts,
        }
    }
}

/// What lies beside, and its time, in nanoseconds as the demuxer stamps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::feed) struct Stamped {
    pub what: Aside,
    pub raw: i64,
}

#[derive(Default)]
pub(super) struct CueTap {
    /// Whether anything waits: mostly nothing does, and nothing is looked for then.
    waits: AtomicBool,
    /// Whether a clock reference says what pictures are dated.
    dates: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    seen: VecDeque<(u64, Vec<u8>)>,
    /// A presentation time, and what the demuxer makes of it.
    reference: Option<(u64, i64)>,
    waiting: VecDeque<Aside>,
    clock: Option<(u64, i64)>,
}

impl CueTap {
    /// Takes note of what was found in front of the demuxer.
    pub fn told(&self, told: Told) {
        let mut state = self.state.lock();
        match told {
            Told::Picture { pts, prefix } => {
                if state.seen.len() == SEEN {
                    state.seen.pop_front();
                }
                if prefix.len() >= PREFIX_LEAST {
                    state.seen.push_back((pts, prefix));
                }
            }
            Told::Services(_) => {}
            Told::Aside(what) => {
                if state.waiting.len() == WAITING {
                    state.waiting.pop_front();
                }
                state.waiting.push_back(what);
                self.waits.store(true, Ordering::Release);
            }
            Told::Clock { pcr, sent_us } => {
                state.clock = Some((pcr, sent_us));
                self.dates.store(true, Ordering::Release);
            }
            // What waits is of what is over.
            Told::Fresh => *state = State::default(),
        }
    }

    /// Whether anything waits for a picture.
    pub fn waits(&self) -> bool {
        self.waits.load(Ordering::Acquire) || self.dates.load(Ordering::Acquire)
    }

    /// What the last clock reference makes of the picture that was seen last on both sides: as the demuxer stamps it, and when it was
    /// sent, in microseconds since 1970. Each reference is told once.
    pub fn take_date(&self) -> Option<(i64, i64)> {
        let mut state = self.state.lock();
        let (pts, raw) = state.reference?;
        let (pcr, sent_us) = state.clock.take()?;
        self.dates.store(false, Ordering::Release);
        let ahead = by((pcr, 0), pts);
        // Another programme's clock says nothing of this picture.
        (ahead.abs() <= FARTHEST_NANOS).then(|| (raw, sent_us.saturating_add(ahead / 1000)))
    }

    /// A picture left the demuxer, stamped `raw`: what can be placed by it.
    pub fn demuxed(&self, first_bytes: &[u8], raw: i64) -> Vec<Stamped> {
        let mut state = self.state.lock();
        let mut alike = state.seen.iter().filter(|(_, prefix)| first_bytes.starts_with(prefix));
        if let (Some((pts, _)), None) = (alike.next(), alike.next()) {
            state.reference = Some((*pts, raw));
        }
        let Some(reference) = state.reference else { return Vec::new() };
        self.waits.store(false, Ordering::Release);
        let stamped = |what: Aside| {
            // What names no time means the picture that goes by.
            let raw = what.pts().map_or(raw, |pts| by(reference, pts));
            Stamped { what, raw }
        };
        std::mem::take(&mut state.waiting).into_iter().map(stamped).collect()
    }
}

/// When `pts` is, 13 hours to either side.
fn by((known, raw): (u64, i64), pts: u64) -> i64 {
    let ahead = pts.wrapping_sub(known) % PTS_MODULUS;
    let nanos = |ticks: u64| i64::try_from(u128::from(ticks) * 100_000 / 9).unwrap_or(i64::MAX);
    if ahead < PTS_MODULUS / 2 { raw + nanos(ahead) } else { raw - nanos(PTS_MODULUS - ahead) }
}

/// A packet of pictures in which one begins (ISO/IEC 13818-1, 2.4.3.6): its presentation time, and its first bytes.
pub(super) fn picture_in(packet: &[u8]) -> Option<(u64, Vec<u8>)> {
    if packet.get(1)? & 0x40 == 0 {
        return None;
    }
    let begin = if packet.get(3)? & 0x20 != 0 { 5 + usize::from(*packet.get(4)?) } else { 4 };
    let pes = packet.get(begin..)?;
    let [0, 0, 1, _, _, _, flags, has, head, ..] = *pes else { return None };
    if flags & 0xc0 != 0x80 || has & 0x80 == 0 {
        return None;
    }
    let [a, b, c, d, e] = *pes.get(9..)?.first_chunk::<5>()?;
    let pts = u64::from(a >> 1 & 7) << 30
        | u64::from(b) << 22
        | u64::from(c >> 1) << 15
        | u64::from(d) << 7
        | u64::from(e >> 1);
    let bytes = pes.get(9 + usize::from(head)..)?;
    Some((pts, bytes[..bytes.len().min(PREFIX_MOST)].to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signal(pts: Option<u64>) -> Aside {
        // A time_signal (ANSI/SCTE 35 2023, 9.7.4), or a splice_null.
        let mut section = vec![0xfc, 0x30, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xf0];
        match pts {
            Some(pts) => {
                section.extend([5, 6, 0xfe | (pts >> 32) as u8]);
                section.extend((pts as u32).to_be_bytes());
            }
            None => section.extend([0, 0]),
        }
        section.extend([0, 0]);
        section[2] = (section.len() + 4 - 3) as u8;
        let sum = crate::feed::pipeline::tables::crc32(&section);
        section.extend(sum.to_be_bytes());
        Aside::Signal(SpliceInfo::parse(&section).unwrap())
    }

    fn prefix(of: u8) -> Vec<u8> {
        vec![of; 60]
    }

    #[test]
    fn a_splice_is_where_its_picture_is() {
        let tap = CueTap::default();
        assert!(!tap.waits());
        tap.told(Told::Picture { pts: 900_000, prefix: prefix(1) });
        tap.told(Told::Aside(signal(Some(990_000))));
        tap.told(Told::Aside(signal(None)));
        assert!(tap.waits());
        assert_eq!(tap.demuxed(&prefix(7), 5), [], "none that was seen before");
        let placed = tap.demuxed(&[prefix(1), prefix(9)].concat(), 5_000_000_000);
        assert_eq!(placed.iter().map(|stamped| stamped.raw).collect::<Vec<_>>(), [6_000_000_000, 5_000_000_000]);
        assert!(!tap.waits());
        // It stays known, over a wrap of the count, until the stream is another one.
        tap.told(Told::Aside(signal(Some(PTS_MODULUS - 90_000))));
        assert_eq!(tap.demuxed(&prefix(7), 0)[0].raw, 5_000_000_000 - 11_000_000_000);
        tap.told(Told::Fresh);
        tap.told(Told::Aside(signal(Some(990_000))));
        assert_eq!(tap.demuxed(&prefix(1), 0), []);
    }

    #[test]
    fn a_clock_reference_dates_the_picture_that_was_seen_last() {
        let tap = CueTap::default();
        tap.told(Told::Picture { pts: 900_000, prefix: prefix(1) });
        tap.told(Told::Clock { pcr: PTS_MODULUS - 90_000, sent_us: 1_000_000 });
        assert!(tap.waits());
        assert_eq!(tap.take_date(), None, "no picture yet");
        tap.demuxed(&prefix(1), 5);
        // Eleven seconds over the wrap: that is another clock.
        assert_eq!((tap.take_date(), tap.waits()), (None, false));
        tap.told(Told::Clock { pcr: 855_000, sent_us: 1_000_000 });
        assert_eq!((tap.take_date(), tap.take_date()), (Some((5, 1_500_000)), None));
    }

    #[test]
    fn pictures_that_look_alike_tell_nothing() {
        let tap = CueTap::default();
        tap.told(Told::Picture { pts: 900_000, prefix: prefix(1) });
        tap.told(Told::Picture { pts: 903_000, prefix: prefix(1) });
        tap.told(Told::Aside(signal(Some(990_000))));
        assert_eq!(tap.demuxed(&prefix(1), 0), []);
        tap.told(Told::Picture { pts: 906_000, prefix: prefix(2) });
        assert_eq!(tap.demuxed(&prefix(2), 1_000)[0].raw, 1_000 + 84_000 * 100_000 / 9);
    }

    #[test]
    fn a_picture_begins_where_its_packet_says() {
        let mut packet = vec![0x47, 0x41, 0x00, 0x10, 0, 0, 1, 0xe0, 0, 0, 0x80, 0x80, 5];
        let pts: u64 = 0x1_2345_6789;
        packet.extend([
            0x21 | (pts >> 29) as u8 & 0x0e,
            (pts >> 22) as u8,
            (pts >> 14) as u8 | 1,
            (pts >> 7) as u8,
            (pts << 1) as u8 | 1,
        ]);
        packet.extend([9; 40]);
        assert_eq!(picture_in(&packet), Some((pts, vec![9; 40])));
        packet[1] = 0x01;
        assert_eq!(picture_in(&packet), None, "it goes on");
        packet[1] = 0x41;
        for cut in 0..packet.len() {
            // What ends too soon is none, or has fewer bytes.
            let _ = picture_in(&packet[..cut]);
        }
    }
}
