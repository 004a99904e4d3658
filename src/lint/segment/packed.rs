//! Packed audio (8216bis 3.1.3): an ID3 tag with the timestamp of the first sample, then frames.

use super::super::rules::segment as rules;
use super::{Facts, Span};

const OWNER: &[u8] = b"com.apple.streaming.transportStreamTimestamp\0";
const RATES: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];
const AAC_SAMPLES: f64 = 1024.0;

pub fn read(bytes: &[u8]) -> Facts {
    let mut facts = Facts::default();
    let (tag, mut rest) = id3(bytes);
    let stamp = tag.and_then(timestamp);
    match stamp {
        None => facts.fault(&rules::PACKED_ID3, "no ID3 timestamp", "a PRIV frame with 8 bytes of timestamp"),
        // 3.1.3: 33 bits in the eight bytes, the upper 31 are 0.
        Some(stamp) if stamp >> 33 != 0 => {
            facts.fault(&rules::PACKED_ID3, format!("timestamp {stamp:#x}"), "33 bits");
        }
        Some(_) => {}
    }
    let (mut lasts_s, mut sample_s) = (0.0, 0.0);
    // ADTS frames; of others nothing is added up.
    while let [0xff, second, third, fourth, fifth, sixth, ..] = *rest
        && second & 0xf6 == 0xf0
    {
        let length = usize::from(fourth & 3) << 11 | usize::from(fifth) << 3 | usize::from(sixth) >> 5;
        let Some(rate) = RATES.get(usize::from(third >> 2 & 15)) else { break };
        if length < 7 || length > rest.len() {
            break;
        }
        sample_s = AAC_SAMPLES / f64::from(*rate);
        lasts_s += sample_s;
        rest = &rest[length..];
        // Tags may stand between frames.
        rest = id3(rest).1;
    }
    if lasts_s > 0.0 {
        facts.codecs.push("mp4a".into());
        if let Some(stamp) = stamp {
            let begin_s = (stamp & ((1 << 33) - 1)) as f64 / 90_000.0;
            facts.spans.push(Span { track: 0, is_video: false, begin_s, end_s: begin_s + lasts_s, sample_s });
        }
    }
    facts
}

/// The first ID3 tag's body, and what comes behind all tags.
fn id3(bytes: &[u8]) -> (Option<&[u8]>, &[u8]) {
    let (mut found, mut rest) = (None, bytes);
    while rest.starts_with(b"ID3")
        && let Some(size) = rest.get(6..10)
    {
        let size = size.iter().fold(0usize, |size, byte| size << 7 | usize::from(byte & 0x7f));
        let end = (10 + size).min(rest.len());
        found = found.or(rest.get(10..end));
        rest = &rest[end..];
    }
    (found, rest)
}

/// The PRIV frame's eight bytes.
fn timestamp(tag: &[u8]) -> Option<u64> {
    let at = tag.windows(OWNER.len()).position(|window| window == OWNER)? + OWNER.len();
    super::boxes::be64(tag, at)
}
