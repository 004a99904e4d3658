//! Cues in transport streams (ANSI/SCTE 35 2023, clause 8; ISO/IEC 13818-1, 2.4.4): packets in, sections with their time out.

use std::time::Duration;

use super::scte35::{PTS_MODULUS, ScteError, SpliceInfo};
use crate::timeline::MediaTime;

/// stream_type of cues (8.2).
pub const STREAM_TYPE: u8 = 0x86;

/// Table id, length: what must be there to know how long a section is.
const HEAD_BYTES: usize = 3;
/// A private section is at most this long (13818-1, 2.4.4.10).
const LONGEST_SECTION: usize = 4096;
const PACKET_BYTES: usize = 188;

/// Whether a stream carries cues: by its type, and a registration of CUEI in the programme's descriptors (8.1), or, as some
/// senders have it, in its own. Others use the type for DTS.
pub fn is_cue_stream(stream_type: u8, programme_descriptors: &[u8], own_descriptors: &[u8]) -> bool {
    stream_type == STREAM_TYPE && (is_registered(programme_descriptors) || is_registered(own_descriptors))
}

fn is_registered(mut descriptors: &[u8]) -> bool {
    while let [tag, length, rest @ ..] = descriptors {
        let Some((body, behind)) = rest.split_at_checked(usize::from(*length)) else { return false };
        if *tag == 0x05 && body.starts_with(b"CUEI") {
            return true;
        }
        descriptors = behind;
    }
    false
}

/// A section, and the media time of its splice where it names one that can be brought to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timed {
    pub info: SpliceInfo,
    pub at: Option<MediaTime>,
}

/// Puts the sections of one PID together.
#[derive(Clone, Debug, Default)]
pub struct CueReader {
    /// What is there of a section that has begun; begins with it.
    section: Vec<u8>,
    /// continuity_counter of the last packet with a payload.
    counter: Option<u8>,
}

impl CueReader {
    pub fn new() -> Self {
        Self::default()
    }

    /// The sections that a packet of 188 bytes completes. `to_media` brings a presentation time of 33 bits to media time;
    /// see [`PtsReference`]. What is no packet, is marked broken or is scrambled is left out.
    pub fn take(
        &mut self,
        packet: &[u8],
        to_media: impl Fn(u64) -> Option<MediaTime>,
    ) -> Vec<Result<Timed, ScteError>> {
        let timed = |section: Vec<u8>| {
            let info = SpliceInfo::parse(&section)?;
            let at = info.splice_pts().and_then(&to_media);
            Ok(Timed { info, at })
        };
        self.sections(packet).into_iter().map(timed).collect()
    }

    fn sections(&mut self, packet: &[u8]) -> Vec<Vec<u8>> {
        let Some((begins, payload)) = self.payload(packet) else { return Vec::new() };
        let mut done = Vec::new();
        if !begins {
            if !self.section.is_empty() {
                self.section.extend_from_slice(payload);
                self.cut(&mut done);
            }
            return done;
        }
        // pointer_field: the rest of a section that began before, then new ones (2.4.4.1).
        let Some((pointer, rest)) = payload.split_first() else { return done };
        let Some((before, after)) = rest.split_at_checked(usize::from(*pointer)) else {
            self.section.clear();
            return done;
        };
        if !self.section.is_empty() {
            self.section.extend_from_slice(before);
            self.cut(&mut done);
        }
        self.section = after.to_vec();
        self.cut(&mut done);
        done
    }

    /// A packet's payload, and whether a section begins in it.
    fn payload<'a>(&mut self, packet: &'a [u8]) -> Option<(bool, &'a [u8])> {
        let [0x47, flags, _, control, ..] = *packet else { return None };
        if packet.len() != PACKET_BYTES {
            return None;
        }
        let (broken, begins) = (flags & 0x80 != 0, flags & 0x40 != 0);
        if broken || control & 0xc0 != 0 {
            self.section.clear();
            return None;
        }
        if control & 0x10 == 0 {
            return None;
        }
        let adaptation = control & 0x20 != 0;
        let at = if adaptation { 5 + usize::from(packet[4]) } else { 4 };
        let jumps = adaptation && packet[4] > 0 && packet[5] & 0x80 != 0;
        let counter = control & 0x0f;
        let last = self.counter.replace(counter);
        // 2.4.3.3: the same packet may come twice in a row.
        if last == Some(counter) && !jumps {
            return None;
        }
        if last.is_some_and(|last| (last + 1) & 0x0f != counter) || jumps {
            self.section.clear();
        }
        packet.get(at..).map(|payload| (begins, payload))
    }

    /// Cuts whole sections off the front.
    fn cut(&mut self, done: &mut Vec<Vec<u8>>) {
        loop {
            // Stuffing (2.4.4.1): nothing more until a section begins.
            if self.section.first() == Some(&0xff) {
                self.section.clear();
            }
            if self.section.len() < HEAD_BYTES {
                return;
            }
            let whole = HEAD_BYTES + (usize::from(self.section[1] & 0x0f) << 8 | usize::from(self.section[2]));
            if whole > LONGEST_SECTION {
                self.section.clear();
                return;
            }
            if self.section.len() < whole {
                return;
            }
            let rest = self.section.split_off(whole);
            done.push(std::mem::replace(&mut self.section, rest));
        }
    }
}

/// A presentation time and the media time that it stands for. Times near it, 13 hours to either side, can be told from it
/// though the count wraps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PtsReference {
    /// 33 bits of 90 kHz.
    pub pts: u64,
    pub at: MediaTime,
}

impl PtsReference {
    /// The media time of `pts`; `None` before the media epoch.
    pub fn media_time(&self, pts: u64) -> Option<MediaTime> {
        let ahead = pts.wrapping_sub(self.pts) % PTS_MODULUS;
        let span = |ticks: u64| Duration::from_nanos((u128::from(ticks) * 100_000 / 9) as u64);
        if ahead < PTS_MODULUS / 2 {
            return Some(self.at + span(ahead));
        }
        let back = span(PTS_MODULUS - ahead);
        (self.at.since(MediaTime::ZERO) >= back).then(|| self.at - back)
    }
}

#[cfg(test)]
#[path = "ts_tests.rs"]
mod tests;
