//! What stands signed in an address of a session, beside its token.

/// What an address was given out for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ticket {
    /// To begin playing, from this instant on, milliseconds of Unix time.
    Begin(i64),
    /// To the player that began then. Later is newer.
    Player(i64),
}

impl Ticket {
    /// As it stands in an address.
    pub(super) fn text(self) -> String {
        match self {
            Self::Begin(at_ms) => format!("b{at_ms:x}"),
            Self::Player(at_ms) => format!("p{at_ms:x}"),
        }
    }

    pub(super) fn read(text: &str) -> Option<Self> {
        let (kind, at) = text.split_at_checked(1)?;
        let at_ms = i64::from_str_radix(at, 16).ok()?;
        let ticket = match kind {
            "b" => Self::Begin(at_ms),
            "p" => Self::Player(at_ms),
            _ => return None,
        };
        // One spelling alone.
        (ticket.text() == text).then_some(ticket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_has_one_spelling() {
        for ticket in [Ticket::Begin(0), Ticket::Begin(1_795_363_200_000), Ticket::Player(7)] {
            assert_eq!(Ticket::read(&ticket.text()), Some(ticket));
        }
        for text in ["", "b", "x0", "b00", "B0", "p+7", "pF", "p-1x", "é", "b 1"] {
            assert_eq!(Ticket::read(text), None, "{text}");
        }
    }
}
