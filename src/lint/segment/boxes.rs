//! Boxes of ISO 14496-12, walked over. A typed parser gives up at the first box that it does not know; a checker must go on.

/// One box: its type and what is in it.
#[derive(Clone, Copy, Debug)]
pub struct Atom<'a> {
    pub kind: [u8; 4],
    pub body: &'a [u8],
}

impl Atom<'_> {
    pub fn name(&self) -> String {
        self.kind.iter().map(|b| if b.is_ascii_graphic() { char::from(*b) } else { '?' }).collect()
    }
}

/// The boxes in `bytes`. The second is true if one of them does not end within.
pub fn boxes(bytes: &[u8]) -> (Vec<Atom<'_>>, bool) {
    /// More boxes side by side than this are no media.
    const MAX: usize = 20_000;
    let mut made = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() && made.len() < MAX {
        let (Some(size), Some(kind)) = (be32(rest, 0), rest.get(4..8)) else { return (made, true) };
        let kind = [kind[0], kind[1], kind[2], kind[3]];
        let (header, size) = match size {
            // To the end of the file.
            0 => (8, rest.len()),
            1 => match be64(rest, 8) {
                Some(size) => (16, usize::try_from(size).unwrap_or(usize::MAX)),
                None => return (made, true),
            },
            size => (8, size as usize),
        };
        let Some(body) = rest.get(header..size) else { return (made, true) };
        made.push(Atom { kind, body });
        rest = &rest[size..];
    }
    (made, false)
}

/// The first box of a kind.
pub fn first<'a>(bytes: &'a [u8], kind: &[u8; 4]) -> Option<&'a [u8]> {
    boxes(bytes).0.into_iter().find(|atom| atom.kind == *kind).map(|atom| atom.body)
}

/// The box at the end of a path.
pub fn at<'a>(bytes: &'a [u8], path: &[&[u8; 4]]) -> Option<&'a [u8]> {
    path.iter().try_fold(bytes, |within, kind| first(within, kind))
}

pub fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at.checked_add(2)?)?.try_into().ok().map(u16::from_be_bytes)
}

pub fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at.checked_add(4)?)?.try_into().ok().map(u32::from_be_bytes)
}

pub fn be64(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at.checked_add(8)?)?.try_into().ok().map(u64::from_be_bytes)
}
