//! How long somebody else's file is.

use mp4_atom::{Atom, Decode, FourCC, Header, Mdhd, Mvhd};

const MOOV: FourCC = FourCC::new(b"moov");
const TRAK: FourCC = FourCC::new(b"trak");
const MDIA: FourCC = FourCC::new(b"mdia");
const HDLR: FourCC = FourCC::new(b"hdlr");
/// Boxes of which a part is no use.
const NEEDED: [FourCC; 3] = [MOOV, FourCC::new(b"moof"), FourCC::new(b"mdat")];

/// What a file of ISO boxes says of its length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Length {
    /// Of all of it, in milliseconds; `None` where it does not say, as where it is in fragments.
    pub ms: Option<u64>,
    /// Of its first track of pictures, until the last of them is over.
    pub pictures_ms: Option<u64>,
    /// It ends before a box does that is needed.
    pub is_cut_off: bool,
}

impl Length {
    pub fn of(file: &[u8]) -> Self {
        let mut length = Self::default();
        for Found { kind, body, is_whole, .. } in boxes(file) {
            length.is_cut_off |= !is_whole && NEEDED.contains(&kind);
            if kind == MOOV && length.ms.is_none() {
                let mvhd = first(body, Mvhd::KIND).and_then(|mut its| Mvhd::decode(&mut its.whole).ok());
                length.ms = mvhd.and_then(|mvhd| milliseconds(mvhd.duration, mvhd.timescale));
                length.pictures_ms = boxes(body).filter(|its| its.kind == TRAK).find_map(|its| pictures_ms(its.body));
            }
        }
        length
    }
}

/// How long a track is, if it is of pictures.
fn pictures_ms(trak: &[u8]) -> Option<u64> {
    let mdia = first(trak, MDIA)?.body;
    // ISO/IEC 14496-12, 8.4.3: version, flags and a field of old before it.
    let is_of_pictures = first(mdia, HDLR)?.body.get(8..12)? == b"vide";
    let mdhd = Mdhd::decode(&mut first(mdia, Mdhd::KIND).filter(|_| is_of_pictures)?.whole).ok()?;
    milliseconds(mdhd.duration, mdhd.timescale)
}

fn milliseconds(duration: u64, timescale: u32) -> Option<u64> {
    duration.checked_mul(1000)?.checked_div(timescale.into()).filter(|ms| *ms > 0)
}

/// A box, as much as there is of it.
struct Found<'a> {
    kind: FourCC,
    whole: &'a [u8],
    body: &'a [u8],
    is_whole: bool,
}

fn first(inside: &[u8], kind: FourCC) -> Option<Found<'_>> {
    boxes(inside).find(|its| its.kind == kind)
}

/// Boxes that lie side by side.
fn boxes(mut left: &[u8]) -> impl Iterator<Item = Found<'_>> {
    std::iter::from_fn(move || {
        let (whole, mut body) = (left, left);
        let Header { kind, size } = Header::decode(&mut body).ok()?;
        // Without a size it goes on to the end.
        let size = size.unwrap_or(body.len());
        let has = size.min(body.len());
        left = &body[has..];
        Some(Found { kind, whole: &whole[..whole.len() - left.len()], body: &body[..has], is_whole: has == size })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use mp4_atom::Encode as _;
    use proptest::prelude::*;

    fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
        let size = u32::try_from(8 + body.len()).unwrap();
        [&size.to_be_bytes()[..], kind, body].concat()
    }

    /// A track of a handler, in thousandths.
    fn track(handler: &[u8; 4], duration: u64) -> Vec<u8> {
        let mut mdhd = Vec::new();
        Mdhd { timescale: 1000, duration, language: "und".into(), ..Mdhd::default() }.encode(&mut mdhd).unwrap();
        let hdlr = boxed(b"hdlr", &[&[0; 8][..], handler, &[0; 13]].concat());
        boxed(b"trak", &[boxed(b"tkhd", &[0; 84]), boxed(b"mdia", &[mdhd, hdlr].concat())].concat())
    }

    fn file(timescale: u32, duration: u64) -> Vec<u8> {
        let mut mvhd = Vec::new();
        Mvhd { timescale, duration, ..Mvhd::default() }.encode(&mut mvhd).unwrap();
        let moov = [boxed(b"free", &[0; 5]), mvhd, track(b"soun", 30_030), track(b"vide", 29_970)].concat();
        [boxed(b"ftyp", b"isom0000"), boxed(b"moov", &moov), boxed(b"mdat", &[7; 100])].concat()
    }

    #[test]
    fn a_file_says_how_long_it_is_wherever_that_stands() {
        let ms = |file: &[u8]| Length::of(file).ms;
        assert_eq!(ms(&file(1000, 30_030)), Some(30_030));
        assert_eq!(ms(&file(90_000, 1_350_000)), Some(15_000));
        // One in fragments does not.
        assert_eq!(ms(&file(1000, 0)), None);
        assert_eq!((ms(&file(0, 5)), Length::of(b"")), (None, Length::default()));
        assert_eq!(ms(&file(1, u64::MAX)), None);
        assert_eq!(Length::of(&file(1000, 30_030)).pictures_ms, Some(29_970));
    }

    #[test]
    fn a_file_that_ends_within_what_it_needs_is_cut_off() {
        let whole = file(1000, 30_030);
        assert!(!Length::of(&whole).is_cut_off);
        for cut in [whole.len() - 1, whole.len() - 100, whole.len() / 2] {
            assert!(Length::of(&whole[..cut]).is_cut_off, "{cut} of {}", whole.len());
        }
        // What follows the last box may be anything, and one without a size goes on to the end.
        for after in [&b"padding"[..], b"padding that is longer than a box's head", b"\0\0\0\0mdat and so on"] {
            assert!(!Length::of(&[&whole[..], after].concat()).is_cut_off);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_go_on_for_ever(
            at in 0usize..600, with in any::<u8>(), cut in 0usize..600, noise in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            let mut bytes = file(1000, 30_030);
            let at = at % bytes.len();
            bytes[at] = with;
            Length::of(&bytes);
            Length::of(&bytes[..cut.min(bytes.len())]);
            Length::of(&noise);
        }
    }
}
