//! Splice commands (ANSI/SCTE 35 2023, 9.7).

use super::ScteError;
use super::bits::Bits;

/// What a section commands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// A heartbeat (9.7.1).
    Null,
    /// Splices by the wall clock (9.7.2): told, not acted on.
    Schedule(Vec<Scheduled>),
    Insert(Insert),
    TimeSignal(When),
    BandwidthReservation,
    Private {
        identifier: u32,
        bytes: Vec<u8>,
    },
    /// Nobody can tell without the key.
    Encrypted,
    /// A type that this edition reserves.
    Reserved {
        kind: u8,
        bytes: Vec<u8>,
    },
}

/// When something happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// A presentation time in ticks of 90 kHz, before pts_adjustment.
    Pts(u64),
    /// splice_time() without a time: with the arrival (9.8.1).
    Unsaid,
    /// splice_immediate_flag: as soon as can be.
    Immediate,
}

impl When {
    pub fn is_timed(self) -> bool {
        matches!(self, Self::Pts(_))
    }
}

/// splice_insert (9.7.3). Without a `splice` the event is cancelled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Insert {
    pub event_id: u32,
    pub splice: Option<Splice>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Splice {
    /// Away from the network's programme, or back to it.
    pub out_of_network: bool,
    pub immediate: bool,
    pub mode: SpliceMode,
    pub duration: Option<BreakDuration>,
    /// event_id_compliance_flag as it stands.
    pub event_id_compliance: bool,
    pub unique_program_id: u16,
    pub avail_num: u8,
    pub avails_expected: u8,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SpliceMode {
    /// The whole programme.
    Programme(When),
    /// Some of its streams.
    Components(Vec<Component>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Component {
    pub tag: u8,
    pub when: When,
}

/// How long a break is (9.8.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakDuration {
    /// It ends by itself.
    pub auto_return: bool,
    /// Ticks of 90 kHz.
    pub ticks: u64,
}

/// An entry of splice_schedule (9.7.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scheduled {
    pub event_id: u32,
    pub cancel: bool,
    pub out_of_network: bool,
    /// Seconds since 1980-01-06T00:00:00Z, of the first component where there are several.
    pub utc_splice_time: Option<u32>,
    pub duration: Option<BreakDuration>,
    pub unique_program_id: u16,
    pub avail_num: u8,
    pub avails_expected: u8,
}

impl Command {
    /// Reads a command of type `kind` (table 7). `open` where its length is not said.
    pub(super) fn read(kind: u8, bits: &mut Bits<'_>, open: bool) -> Result<Self, ScteError> {
        Ok(match kind {
            0x00 => Self::Null,
            0x04 => Self::Schedule(schedule(bits)?),
            0x05 => Self::Insert(insert(bits)?),
            0x06 => Self::TimeSignal(splice_time(bits)?),
            0x07 => Self::BandwidthReservation,
            // Only the length tells where these end.
            _ if open => return Err(ScteError::CommandLength { said: 0xfff }),
            0xff => Self::Private { identifier: bits.word("private_command identifier")?, bytes: bits.rest().to_vec() },
            kind => Self::Reserved { kind, bytes: bits.rest().to_vec() },
        })
    }
}

fn splice_time(bits: &mut Bits<'_>) -> Result<When, ScteError> {
    if bits.flag("time_specified_flag")? {
        bits.skip(6)?;
        Ok(When::Pts(bits.number(33, "pts_time")?))
    } else {
        bits.skip(7)?;
        Ok(When::Unsaid)
    }
}

fn break_duration(bits: &mut Bits<'_>) -> Result<BreakDuration, ScteError> {
    let auto_return = bits.flag("auto_return")?;
    bits.skip(6)?;
    Ok(BreakDuration { auto_return, ticks: bits.number(33, "break_duration")? })
}

fn insert(bits: &mut Bits<'_>) -> Result<Insert, ScteError> {
    let event_id = bits.word("splice_event_id")?;
    let cancel = bits.flag("splice_event_cancel_indicator")?;
    bits.skip(7)?;
    let splice = if cancel { None } else { Some(splice(bits)?) };
    Ok(Insert { event_id, splice })
}

fn splice(bits: &mut Bits<'_>) -> Result<Splice, ScteError> {
    let out_of_network = bits.flag("out_of_network_indicator")?;
    let programme = bits.flag("program_splice_flag")?;
    let lasts = bits.flag("duration_flag")?;
    let immediate = bits.flag("splice_immediate_flag")?;
    let event_id_compliance = bits.flag("event_id_compliance_flag")?;
    bits.skip(3)?;
    let when = |bits: &mut Bits<'_>| if immediate { Ok(When::Immediate) } else { splice_time(bits) };
    let mode = if programme {
        SpliceMode::Programme(when(bits)?)
    } else {
        let count = bits.byte("component_count")?;
        let component = |bits: &mut Bits<'_>| Ok(Component { tag: bits.byte("component_tag")?, when: when(bits)? });
        SpliceMode::Components((0..count).map(|_| component(bits)).collect::<Result<_, _>>()?)
    };
    Ok(Splice {
        out_of_network,
        immediate,
        mode,
        duration: if lasts { Some(break_duration(bits)?) } else { None },
        event_id_compliance,
        unique_program_id: bits.number(16, "unique_program_id")? as u16,
        avail_num: bits.byte("avail_num")?,
        avails_expected: bits.byte("avails_expected")?,
    })
}

fn schedule(bits: &mut Bits<'_>) -> Result<Vec<Scheduled>, ScteError> {
    let count = bits.byte("splice_count")?;
    (0..count).map(|_| scheduled(bits)).collect()
}

fn scheduled(bits: &mut Bits<'_>) -> Result<Scheduled, ScteError> {
    let event_id = bits.word("splice_event_id")?;
    let cancel = bits.flag("splice_event_cancel_indicator")?;
    bits.skip(7)?;
    let mut entry = Scheduled {
        event_id,
        cancel,
        out_of_network: false,
        utc_splice_time: None,
        duration: None,
        unique_program_id: 0,
        avail_num: 0,
        avails_expected: 0,
    };
    if cancel {
        return Ok(entry);
    }
    entry.out_of_network = bits.flag("out_of_network_indicator")?;
    let programme = bits.flag("program_splice_flag")?;
    let lasts = bits.flag("duration_flag")?;
    bits.skip(5)?;
    if programme {
        entry.utc_splice_time = Some(bits.word("utc_splice_time")?);
    } else {
        for _ in 0..bits.byte("component_count")? {
            bits.skip(8)?;
            let at = bits.word("utc_splice_time")?;
            entry.utc_splice_time.get_or_insert(at);
        }
    }
    if lasts {
        entry.duration = Some(break_duration(bits)?);
    }
    entry.unique_program_id = bits.number(16, "unique_program_id")? as u16;
    entry.avail_num = bits.byte("avail_num")?;
    entry.avails_expected = bits.byte("avails_expected")?;
    Ok(entry)
}
