//! How long somebody else's file is.

use mp4_atom::{Atom, Decode, FourCC, Header, Mvhd};

/// How long a file of ISO boxes says that it is, in milliseconds; `None` where it does not, as where it is in fragments.
pub fn length_ms(file: &[u8]) -> Option<u64> {
    const MOOV: FourCC = FourCC::new(b"moov");
    let mut inside = file;
    // What lies in `moov` lies side by side as at the top.
    loop {
        let mut body = inside;
        let Header { kind, size } = Header::decode(&mut body).ok()?;
        if kind == MOOV {
            inside = body;
            continue;
        }
        let size = size.unwrap_or(body.len());
        if kind == Mvhd::KIND {
            let mvhd = Mvhd::decode(&mut inside).ok()?;
            return mvhd.duration.checked_mul(1000)?.checked_div(mvhd.timescale.into()).filter(|ms| *ms > 0);
        }
        inside = body.get(size..)?;
    }
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

    fn file(timescale: u32, duration: u64) -> Vec<u8> {
        let mut mvhd = Vec::new();
        Mvhd { timescale, duration, ..Mvhd::default() }.encode(&mut mvhd).unwrap();
        let moov = [boxed(b"free", &[0; 5]), mvhd].concat();
        [boxed(b"ftyp", b"isom0000"), boxed(b"mdat", &[7; 100]), boxed(b"moov", &moov)].concat()
    }

    #[test]
    fn a_file_says_how_long_it_is_wherever_that_stands() {
        assert_eq!(length_ms(&file(1000, 30_030)), Some(30_030));
        assert_eq!(length_ms(&file(90_000, 1_350_000)), Some(15_000));
        // One in fragments does not.
        assert_eq!(length_ms(&file(1000, 0)), None);
        assert_eq!((length_ms(&file(0, 5)), length_ms(b"")), (None, None));
        assert_eq!(length_ms(&file(1, u64::MAX)), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_go_on_for_ever(
            at in 0usize..200, with in any::<u8>(), cut in 0usize..200, noise in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            let mut bytes = file(1000, 30_030);
            let at = at % bytes.len();
            bytes[at] = with;
            length_ms(&bytes);
            length_ms(&bytes[..cut.min(bytes.len())]);
            length_ms(&noise);
        }
    }
}
