//! From where on a stream decodes to whole pictures.
//!
//! Who joins in the middle of a stream has none of the pictures that the next ones refer to. Decoders make something up for
//! them: grey, or what another programme left. So a branch passes nothing on until a picture comes that needs no other, and
//! then leaves out what is shown before it and refers behind it.

use crate::cadence::SourceNanos;

/// A stream that marks no clean point is entered at a picture of its own (intra) after so much of it.
const MARKED_PATIENCE: SourceNanos = 5_000_000_000;
/// A stream that never has one (refreshed piece by piece, without saying so) is shown as it comes after so much of it.
const PATIENCE: SourceNanos = 20_000_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    /// ITU-T H.264, byte stream, whole access units.
    H264,
    /// ITU-T H.265, likewise.
    Hevc,
    /// ISO/IEC 11172-2 and 13818-2.
    Mpeg12,
    /// Where the container or the parser says which pictures need no other.
    Flagged,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing is passed on; the stream has been looked at since this time.
    Waiting(Option<SourceNanos>),
    /// Decoded, and not shown before so many more pictures that others refer to.
    Recovering(u32),
    /// Shown from this time on.
    From(SourceNanos),
    /// Pictures that are shown before the clean point and refer behind it are left out (H.265 RASL, MPEG-2 B).
    Leading,
    Open,
}

/// Stands in front of a decoder and behind it.
#[derive(Debug)]
pub(super) struct Gate {
    coding: Coding,
    /// Whether each field is an access unit.
    fields: bool,
    state: State,
}

/// What an access unit says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Unit {
    /// Everything after it decodes, in the order of decoding.
    closed: bool,
    /// Clean in the order of showing, after so many pictures.
    recovers_after: Option<u32>,
    /// Needs no other picture.
    intra: bool,
    /// Others may refer to it.
    referred: bool,
    /// Shown before the clean point and referring behind it.
    leading: bool,
    /// A cut was made before it: what leads refers to something that is not there (MPEG-2 `broken_link`).
    broken: bool,
}

impl Gate {
    pub fn new(coding: Coding) -> Self {
        Self { coding, fields: false, state: State::Waiting(None) }
    }

    /// The stream starts anew.
    pub fn close(&mut self) {
        self.state = State::Waiting(None);
    }

    pub fn coding(&self) -> Coding {
        self.coding
    }

    pub fn set_fields(&mut self, fields: bool) {
        self.fields = fields;
    }

    /// Whether the stream was entered at a picture that others in front of it were to be decoded for.
    pub fn is_open_entry(&self) -> bool {
        self.coding == Coding::H264 && matches!(self.state, State::Recovering(_) | State::From(_))
    }

    /// Whether nothing was passed on yet.
    pub fn is_waiting(&self) -> bool {
        matches!(self.state, State::Waiting(_))
    }

    /// Whether an access unit goes to the decoder. `at` is when it is shown, or else decoded; `flagged` what the container
    /// says of it: whether it needs no other.
    pub fn passes_unit(&mut self, bytes: &[u8], at: Option<SourceNanos>, flagged: bool) -> bool {
        if self.state == State::Open && matches!(self.coding, Coding::H264 | Coding::Flagged) {
            return true;
        }
        let unit = match self.coding {
            Coding::H264 => h264(bytes),
            Coding::Hevc => hevc(bytes),
            Coding::Mpeg12 => mpeg12(bytes),
            Coding::Flagged => Unit { closed: flagged, ..Unit::default() },
        };
        self.state = match self.state {
            State::Waiting(since) => self.entered(unit, since.or(at), at),
            State::Recovering(left) if unit.referred => match (left.saturating_sub(1), at) {
                (0, Some(at)) => State::From(at),
                (left, _) => State::Recovering(left),
            },
            State::Open if unit.broken => State::Leading,
            State::Leading if unit.referred && !unit.leading && !unit.broken => State::Open,
            _ if unit.closed => State::Open,
            as_is => as_is,
        };
        match self.state {
            State::Waiting(_) => false,
            State::Leading => !unit.leading,
            State::Recovering(_) | State::From(_) | State::Open => true,
        }
    }

    /// Whether other pictures may refer to an access unit.
    pub fn refers(&self, bytes: &[u8]) -> bool {
        match self.coding {
            Coding::H264 => h264(bytes).referred,
            Coding::Hevc => hevc(bytes).referred,
            Coding::Mpeg12 => mpeg12(bytes).referred,
            Coding::Flagged => true,
        }
    }

    fn entered(&self, unit: Unit, since: Option<SourceNanos>, at: Option<SourceNanos>) -> State {
        let waited = since.zip(at).map_or(0, |(since, at)| at - since);
        let marked = unit.recovers_after.or((unit.intra && waited >= MARKED_PATIENCE).then_some(0));
        match (marked, at) {
            _ if unit.closed || waited >= PATIENCE => State::Open,
            // H.265 and MPEG-2 tell which pictures lead; in H.264 the time they are shown at does.
            (Some(0), _) if self.coding != Coding::H264 => State::Leading,
            (Some(0), Some(at)) => State::From(at),
            (Some(0), None) => State::Open,
            (Some(count), _) => State::Recovering(if self.fields { count * 2 } else { count }),
            (None, _) => State::Waiting(since),
        }
    }

    /// Whether a decoded picture is shown.
    pub fn shows(&self, at: Option<SourceNanos>) -> bool {
        match self.state {
            State::Waiting(_) | State::Recovering(_) => false,
            State::From(from) => at.is_none_or(|at| at >= from),
            State::Leading | State::Open => true,
        }
    }
}

/// What follows each start code, to the end of the bytes: where a slice ends is not worth a search.
pub(super) fn nal_units(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        rest = &rest[rest.windows(3).position(|w| w == [0, 0, 1])? + 3..];
        Some(rest)
    })
}

/// What of `unit` comes before the next start code.
pub(super) fn cut(unit: &[u8]) -> &[u8] {
    let end = unit.windows(3).position(|w| w[0] == 0 && w[1] == 0 && w[2] <= 1);
    &unit[..end.unwrap_or(unit.len())]
}

/// Bits of a NAL unit's payload, emulation prevention (ITU-T H.264, 7.4.1) taken out.
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    byte: usize,
    bit: u32,
    zeros: u32,
}

impl<'a> Bits<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, byte: 0, bit: 0, zeros: 0 }
    }

    fn bit(&mut self) -> Option<u32> {
        if self.bit == 0 && self.zeros >= 2 && self.bytes.get(self.byte) == Some(&3) {
            self.byte += 1;
            self.zeros = 0;
        }
        let byte = *self.bytes.get(self.byte)?;
        let value = u32::from(byte >> (7 - self.bit) & 1);
        self.bit = (self.bit + 1) % 8;
        if self.bit == 0 {
            self.byte += 1;
            self.zeros = if byte == 0 { self.zeros + 1 } else { 0 };
        }
        Some(value)
    }

    pub fn bits(&mut self, count: u32) -> Option<u32> {
        (0..count).try_fold(0, |value, _| Some(value << 1 | self.bit()?))
    }

    pub fn skip(&mut self, count: u32) -> Option<()> {
        (0..count).try_for_each(|_| self.bit().map(drop))
    }

    /// An unsigned Exp-Golomb code (9.1).
    pub fn ue(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while self.bit()? == 0 {
            zeros += 1;
            if zeros > 20 {
                return None;
            }
        }
        Some((1 << zeros) - 1 + self.bits(zeros)?)
    }
}

/// The recovery point (payload type 6) in a unit of supplemental information (7.3.2.3 in both standards).
fn recovery_point(sei: &[u8], signed: bool) -> Option<u32> {
    let mut bits = Bits::new(cut(sei));
    // The last byte holds the stop bit alone.
    for _ in 0..32 {
        let mut number = || {
            let mut sum = 0;
            loop {
                let byte = bits.bits(8)?;
                sum += byte;
                if byte < 255 {
                    return Some(sum);
                }
            }
        };
        let (kind, size) = (number()?, number()?);
        if kind == 6 {
            let count = bits.ue()?;
            // A signed code (H.265) counts 1, -1, 2, -2; one that is not ahead is reached.
            return Some(if signed { if count % 2 == 1 { count / 2 + 1 } else { 0 } } else { count });
        }
        (0..size).try_for_each(|_| bits.bits(8).map(drop))?;
    }
    None
}

fn h264(bytes: &[u8]) -> Unit {
    let mut unit = Unit::default();
    for nal in nal_units(bytes) {
        let Some(&head) = nal.first() else { continue };
        match head & 0x1f {
            5 => return Unit { closed: true, intra: true, referred: true, ..unit },
            6 => unit.recovers_after = unit.recovers_after.or(recovery_point(&nal[1..], false)),
            1 | 2 => {
                unit.referred = head >> 5 & 3 != 0;
                let mut bits = Bits::new(&nal[1..]);
                // first_mb_in_slice, slice_type (7.3.3): 2 and 4 are intra, and the same again plus five.
                let kind = bits.ue().and_then(|_| bits.ue());
                unit.intra = kind.is_some_and(|kind| matches!(kind % 5, 2 | 4));
                // The first slice speaks for the picture: what follows costs time alone.
                return unit;
            }
            _ => {}
        }
    }
    unit
}

fn hevc(bytes: &[u8]) -> Unit {
    let mut unit = Unit::default();
    for nal in nal_units(bytes) {
        let Some(&head) = nal.first() else { continue };
        let kind = head >> 1 & 0x3f;
        match kind {
            // IDR: nothing that follows refers behind it.
            19 | 20 => return Unit { closed: true, intra: true, referred: true, ..unit },
            // BLA and CRA (3.13, 3.19): only their RASL pictures do.
            16..=18 | 21 => {
                return Unit { recovers_after: Some(0), intra: true, referred: true, broken: kind < 19, ..unit };
            }
            39 => unit.recovers_after = unit.recovers_after.or(nal.get(2..).and_then(|sei| recovery_point(sei, true))),
            // RASL, then everything else that is a slice. The even ones up to 14 are not referred to in their layer.
            8 | 9 => return Unit { leading: true, ..unit },
            0..=15 => {
                unit.referred = kind % 2 == 1 && !(6..=7).contains(&kind);
                return unit;
            }
            _ => {}
        }
    }
    unit
}

fn mpeg12(bytes: &[u8]) -> Unit {
    let mut unit = Unit::default();
    let mut closed_gop = false;
    for part in nal_units(bytes) {
        match part.first() {
            // group_of_pictures_header (ISO/IEC 13818-2, 6.2.2.6): 25 bits of time, closed_gop, broken_link.
            Some(0xb8) => {
                let flags = part.get(4).copied().unwrap_or(0);
                closed_gop = flags & 0x40 != 0;
                unit.broken = flags & 0x20 != 0 && !closed_gop;
            }
            // picture_header (6.2.3): 10 bits of temporal_reference, picture_coding_type.
            Some(0) => {
                let kind = part.get(2).copied().unwrap_or(0) >> 3 & 7;
                unit.intra = kind == 1;
                unit.referred = matches!(kind, 1 | 2);
                unit.leading = kind == 3;
                unit.closed = unit.intra && closed_gop;
                unit.recovers_after = unit.intra.then_some(0);
                return unit;
            }
            _ => {}
        }
    }
    unit
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: SourceNanos = 1_000_000;

    fn passes(gate: &mut Gate, unit: &[u8], ms: i64) -> (bool, bool) {
        let at = Some(ms * MS);
        (gate.passes_unit(unit, at, false), gate.shows(at))
    }

    /// Slices as they begin: start code, NAL head, first_mb 0 (`1`), slice type.
    const IDR: &[u8] = &[0, 0, 1, 0x65, 0x88, 0x80];
    const P: &[u8] = &[0, 0, 1, 0x41, 0x9a, 0x80];
    const B: &[u8] = &[0, 0, 1, 0x01, 0x9e, 0x80];
    const I: &[u8] = &[0, 0, 0, 1, 0x09, 0x10, 0, 0, 1, 0x41, 0x88, 0x80];
    /// Recovery after 0 frames (`1`), and after 2 (`011`), in front of an intra and a P slice.
    const I_MARKED: &[u8] = &[0, 0, 1, 0x06, 6, 1, 0xc4, 0x80, 0, 0, 1, 0x41, 0x88, 0x80];
    const P_IN_TWO: &[u8] = &[0, 0, 1, 0x06, 5, 2, 9, 9, 6, 1, 0x64, 0x80, 0, 0, 1, 0x41, 0x9a, 0x80];

    #[test]
    fn h264_is_shown_from_an_idr_or_a_recovery_point_on() {
        let mut gate = Gate::new(Coding::H264);
        assert_eq!(passes(&mut gate, P, 0), (false, false));
        assert_eq!(passes(&mut gate, I, 40), (false, false), "an intra picture says nothing of those after it");
        assert_eq!(passes(&mut gate, IDR, 80), (true, true));
        assert_eq!(passes(&mut gate, P, 120), (true, true));
        gate.close();
        assert_eq!(passes(&mut gate, B, 130), (false, false));
        assert_eq!(passes(&mut gate, I_MARKED, 240), (true, true));
        assert_eq!(passes(&mut gate, B, 160), (true, false), "it is shown before the point");
        assert_eq!(passes(&mut gate, P, 280), (true, true));
        gate.close();
        assert_eq!(passes(&mut gate, P_IN_TWO, 0), (true, false));
        assert_eq!(passes(&mut gate, P, 40), (true, false));
        assert_eq!(passes(&mut gate, B, 60), (true, false), "nobody refers to it: it does not count");
        assert_eq!(passes(&mut gate, P, 80), (true, true));
    }

    #[test]
    fn a_stream_without_marks_is_entered_at_an_intra_picture_and_in_the_end_anywhere() {
        let mut gate = Gate::new(Coding::H264);
        for second in 0..5 {
            assert_eq!(passes(&mut gate, I, second * 1000), (false, false));
        }
        assert_eq!(passes(&mut gate, I, 5000), (true, true));
        let mut gate = Gate::new(Coding::H264);
        assert!((0..20).all(|second| passes(&mut gate, P, second * 1000) == (false, false)));
        assert_eq!(passes(&mut gate, P, 20_000), (true, true));
    }

    #[test]
    fn hevc_leaves_out_what_leads_to_the_first_clean_point_only() {
        let nal = |kind: u8| vec![0, 0, 1, kind << 1, 1, 0xaf];
        let (trail, cra, rasl, radl, idr) = (nal(1), nal(21), nal(8), nal(7), nal(19));
        let mut gate = Gate::new(Coding::Hevc);
        assert!(!gate.passes_unit(&trail, Some(0), false));
        assert!(gate.passes_unit(&cra, Some(3), false));
        assert!(!gate.passes_unit(&rasl, Some(1), false));
        assert!(gate.passes_unit(&radl, Some(2), false));
        assert!(gate.passes_unit(&trail, Some(4), false));
        assert!(gate.passes_unit(&cra, Some(8), false));
        assert!(gate.passes_unit(&rasl, Some(6), false), "what it refers to is there");
        gate.close();
        assert!(gate.passes_unit(&idr, Some(9), false));
    }

    #[test]
    fn mpeg2_leaves_out_b_pictures_of_an_open_group_and_behind_a_broken_link() {
        let picture = |kind: u8| vec![0, 0, 1, 0, 0, kind << 3, 0, 0];
        let group = |flags: u8| [vec![0, 0, 1, 0xb8, 0, 8, 0, flags], picture(1)].concat();
        let (p, b) = (picture(2), picture(3));
        let mut gate = Gate::new(Coding::Mpeg12);
        let mut passed = |unit: &[u8]| gate.passes_unit(unit, Some(0), false);
        assert!(!passed(&p) && !passed(&b));
        assert!(passed(&group(0)) && !passed(&b) && passed(&p) && passed(&b));
        assert!(passed(&group(0)) && passed(&b), "the group before it is there");
        assert!(passed(&p));
        assert!(passed(&group(0x20)) && !passed(&b) && passed(&p) && passed(&b));
        assert!(passed(&group(0x40)) && passed(&b), "closed");
    }

    #[test]
    fn hostile_bytes_are_no_clean_point() {
        let noise: Vec<u8> = (0..4000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 11) as u8).collect();
        for cut in 0..200 {
            for coding in [Coding::H264, Coding::Hevc, Coding::Mpeg12] {
                Gate::new(coding).passes_unit(&noise[cut..], Some(0), false);
            }
        }
        assert_eq!(recovery_point(&[255; 40], false), None);
        assert_eq!(recovery_point(&[6, 1, 0, 0, 0, 0], false), None);
    }
}
