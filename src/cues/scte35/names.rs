//! What segmentation types are called and what they are about (ANSI/SCTE 35 2023, 10.3.3.1, table 23).

/// What a stretch of the programme is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Something else may be shown in its place, or is: a break, an advertisement, an opportunity for one.
    Break,
    /// It is laid over the programme, which goes on.
    Overlay,
    Programme,
    Chapter,
    /// What a network carries.
    Network,
    /// Everything else.
    Other,
}

/// What a segmentation type does to a stretch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// It begins one, which ends with the type that is named.
    Start { end: u8 },
    /// It ends the one that began with the type that is named.
    End { start: u8 },
    /// It stands for an instant.
    Mark,
}

/// Types, their names, what they are about and what ends them. An end stands behind its start.
const TYPES: &[(u8, &str, Role, Option<u8>)] = &[
    (0x00, "Not Indicated", Role::Other, None),
    (0x01, "Content Identification", Role::Other, None),
    (0x02, "Call Ad Server", Role::Other, None),
    (0x10, "Program Start", Role::Programme, Some(0x11)),
    (0x11, "Program End", Role::Programme, None),
    (0x12, "Program Early Termination", Role::Programme, None),
    (0x13, "Program Breakaway", Role::Other, Some(0x14)),
    (0x14, "Program Resumption", Role::Other, None),
    (0x15, "Program Runover Planned", Role::Programme, None),
    (0x16, "Program Runover Unplanned", Role::Programme, None),
    (0x17, "Program Overlap Start", Role::Programme, Some(0x11)),
    (0x18, "Program Blackout Override", Role::Programme, None),
    (0x19, "Program Join", Role::Programme, Some(0x11)),
    (0x20, "Chapter Start", Role::Chapter, Some(0x21)),
    (0x21, "Chapter End", Role::Chapter, None),
    (0x22, "Break Start", Role::Break, Some(0x23)),
    (0x23, "Break End", Role::Break, None),
    (0x24, "Opening Credit Start", Role::Chapter, Some(0x25)),
    (0x25, "Opening Credit End", Role::Chapter, None),
    (0x26, "Closing Credit Start", Role::Chapter, Some(0x27)),
    (0x27, "Closing Credit End", Role::Chapter, None),
    (0x30, "Provider Advertisement Start", Role::Break, Some(0x31)),
    (0x31, "Provider Advertisement End", Role::Break, None),
    (0x32, "Distributor Advertisement Start", Role::Break, Some(0x33)),
    (0x33, "Distributor Advertisement End", Role::Break, None),
    (0x34, "Provider Placement Opportunity Start", Role::Break, Some(0x35)),
    (0x35, "Provider Placement Opportunity End", Role::Break, None),
    (0x36, "Distributor Placement Opportunity Start", Role::Break, Some(0x37)),
    (0x37, "Distributor Placement Opportunity End", Role::Break, None),
    (0x38, "Provider Overlay Placement Opportunity Start", Role::Overlay, Some(0x39)),
    (0x39, "Provider Overlay Placement Opportunity End", Role::Overlay, None),
    (0x3a, "Distributor Overlay Placement Opportunity Start", Role::Overlay, Some(0x3b)),
    (0x3b, "Distributor Overlay Placement Opportunity End", Role::Overlay, None),
    (0x3c, "Provider Promo Start", Role::Break, Some(0x3d)),
    (0x3d, "Provider Promo End", Role::Break, None),
    (0x3e, "Distributor Promo Start", Role::Break, Some(0x3f)),
    (0x3f, "Distributor Promo End", Role::Break, None),
    (0x40, "Unscheduled Event Start", Role::Other, Some(0x41)),
    (0x41, "Unscheduled Event End", Role::Other, None),
    (0x42, "Alternate Content Opportunity Start", Role::Other, Some(0x43)),
    (0x43, "Alternate Content Opportunity End", Role::Other, None),
    (0x44, "Provider Ad Block Start", Role::Break, Some(0x45)),
    (0x45, "Provider Ad Block End", Role::Break, None),
    (0x46, "Distributor Ad Block Start", Role::Break, Some(0x47)),
    (0x47, "Distributor Ad Block End", Role::Break, None),
    (0x50, "Network Start", Role::Network, Some(0x51)),
    (0x51, "Network End", Role::Network, None),
];

/// What a type is called.
pub fn segmentation_name(type_id: u8) -> &'static str {
    TYPES.iter().find(|(id, ..)| *id == type_id).map_or("Reserved", |(_, name, ..)| name)
}

/// What a type is about, and what it does.
pub fn segmentation_role(type_id: u8) -> (Role, Side) {
    // Both end a programme, however it began.
    if matches!(type_id, 0x11 | 0x12) {
        return (Role::Programme, Side::End { start: 0x10 });
    }
    let Some((_, _, role, end)) = TYPES.iter().find(|(id, ..)| *id == type_id) else {
        return (Role::Other, Side::Mark);
    };
    let ended = TYPES.iter().find(|(.., its_end)| *its_end == Some(type_id));
    let side = match (end, ended) {
        (Some(end), _) => Side::Start { end: *end },
        (None, Some((start, ..))) => Side::End { start: *start },
        (None, None) => Side::Mark,
    };
    (*role, side)
}
