//! Caption data out of the SEI messages of a picture (ATSC A/53 part 4, 6.2.3; ITU-T H.264, 7.3.2.3 and D.1.6; ITU-T H.265, D.2.6).

/// `user_data_registered_itu_t_t35`.
const REGISTERED: usize = 4;
const H264_SEI: u8 = 6;
const H265_PREFIX_SEI: u8 = 39;

/// The `cc_data()` of a NAL unit of H.264 (without start code or length). None where it is another NAL unit, or has none. Usually there is one.
pub fn cc_data_of_h264(nal: &[u8]) -> Vec<Vec<u8>> {
    match nal.split_first() {
        Some((head, rest)) if head & 0x1f == H264_SEI => cc_data_of(rest),
        _ => Vec::new(),
    }
}

/// As [`cc_data_of_h264`], of H.265.
pub fn cc_data_of_h265(nal: &[u8]) -> Vec<Vec<u8>> {
    match nal {
        [head, _, rest @ ..] if head >> 1 & 0x3f == H265_PREFIX_SEI => cc_data_of(rest),
        _ => Vec::new(),
    }
}

fn cc_data_of(escaped: &[u8]) -> Vec<Vec<u8>> {
    let bytes = unescaped(escaped);
    let mut rest = &bytes[..];
    let mut found = Vec::new();
    // One byte that is left, or that begins with the stop bit, is the trailing bits (H.264, 7.3.2.11).
    while rest.len() > 1 {
        let (Some(kind), Some(size)) = (varying(&mut rest), varying(&mut rest)) else { break };
        let (payload, after) = rest.split_at(size.min(rest.len()));
        rest = after;
        if kind == REGISTERED {
            found.extend(cc_data(payload).map(<[u8]>::to_vec));
        }
    }
    found
}

/// A number in bytes of 255 and a last one (H.264, 7.3.2.3.1).
fn varying(rest: &mut &[u8]) -> Option<usize> {
    let mut number = 0;
    loop {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        number += usize::from(*byte);
        if *byte != 0xff {
            return Some(number);
        }
    }
}

/// ATSC's form, and DirecTV's, which leaves out the identifier.
fn cc_data(payload: &[u8]) -> Option<&[u8]> {
    const UNITED_STATES: u8 = 0xb5;
    match payload {
        [UNITED_STATES, 0x00, 0x31, b'G', b'A', b'9', b'4', 0x03, data @ ..] => Some(data),
        // Its length comes first.
        [UNITED_STATES, 0x00, 0x2f, 0x03, _, data @ ..] => Some(data),
        _ => None,
    }
}

/// Without the bytes that keep start codes out (H.264, 7.4.1: 3 after two zeros).
fn unescaped(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut zeros = 0;
    for byte in bytes {
        if zeros >= 2 && *byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if *byte == 0 { zeros + 1 } else { 0 };
        out.push(*byte);
    }
    out
}
