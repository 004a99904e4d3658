//! NAL units: emulation prevention (7.4.1) and access units with four-byte lengths (ISO/IEC 14496-15, 5.3.3).

/// `nal_unit_type` (table 7-1) of a slice of a picture that is no IDR picture.
pub(super) const SLICE: u8 = 1;
pub(super) const IDR_SLICE: u8 = 5;
pub(super) const SEI: u8 = 6;
pub(super) const SPS: u8 = 7;
pub(super) const PPS: u8 = 8;
pub(super) const DELIMITER: u8 = 9;
pub(super) const FILLER_DATA: u8 = 12;

/// Appends `rbsp` to `out`, with an emulation-prevention byte wherever two zero bytes would be followed by a byte up to 3. What
/// `out` held does not count: `rbsp` begins with a NAL unit's header byte, which is never zero.
pub(super) fn escape_onto(out: &mut Vec<u8>, rbsp: &[u8]) {
    let mut zeros = 0;
    for &byte in rbsp {
        if zeros == 2 && byte <= 3 {
            out.push(3);
            zeros = 0;
        }
        out.push(byte);
        zeros = if byte == 0 { zeros + 1 } else { 0 };
    }
}

/// The NAL units of an access unit, as ranges of its bytes; `None` in place of one whose length is wrong.
pub(super) fn units(access_unit: &[u8]) -> impl Iterator<Item = Option<std::ops::Range<usize>>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        if at >= access_unit.len() {
            return None;
        }
        let range = access_unit[at..].first_chunk::<4>().and_then(|length| {
            let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
            let begin = at + 4;
            let end = begin.checked_add(length)?;
            (length > 0 && end <= access_unit.len()).then_some(begin..end)
        });
        // After a wrong length nothing can be found any more.
        at = range.as_ref().map_or(access_unit.len(), |range| range.end);
        Some(range)
    })
}
