//! Where a listing of the ledger goes on, as its callers keep it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::period::UsageError;
use crate::store::EntryCursor;

/// The last line of a page, opaque to callers.
pub(super) fn write(cursor: &EntryCursor) -> String {
    let EntryCursor { at_ms, session_id, minute_start_ms, reason } = cursor;
    URL_SAFE_NO_PAD.encode(format!("{at_ms} {session_id} {minute_start_ms} {reason}"))
}

pub(super) fn read(text: &str) -> Result<EntryCursor, UsageError> {
    let parse = || {
        let plain = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let mut fields = plain.splitn(4, ' ');
        let mut field = || fields.next();
        let cursor = EntryCursor {
            at_ms: field()?.parse().ok()?,
            session_id: field()?.to_owned(),
            minute_start_ms: field()?.parse().ok()?,
            reason: field()?.to_owned(),
        };
        // One spelling alone.
        (write(&cursor) == text).then_some(cursor)
    };
    parse().ok_or(UsageError::CursorInvalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_has_one_spelling() {
        let cursor = EntryCursor {
            at_ms: 1_795_363_200_000,
            session_id: "01a2".into(),
            minute_start_ms: -60_000,
            reason: "late_booking".into(),
        };
        assert_eq!(read(&write(&cursor)), Ok(cursor));
        for bad in ["", "!", "7 s 0", "+7 s 0 ", "07 s 0 ", "7 s -0 ", "x s 0 "] {
            assert_eq!(read(&URL_SAFE_NO_PAD.encode(bad)), Err(UsageError::CursorInvalid), "{bad}");
        }
        assert_eq!(read("7 s 0 "), Err(UsageError::CursorInvalid));
    }
}
