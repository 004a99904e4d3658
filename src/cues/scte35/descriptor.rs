//! Splice descriptors (ANSI/SCTE 35 2023, clause 10).

use super::ScteError;
use super::bits::Bits;
use super::upid::Upid;

const CUEI: u32 = u32::from_be_bytes(*b"CUEI");

/// What a section says besides its command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Descriptor {
    /// 10.3.1.
    Avail { provider_avail_id: u32 },
    /// 10.3.2: tones that a device may play, `preroll` tenths of a second ahead.
    Dtmf { preroll: u8, tones: Vec<u8> },
    /// 10.3.3.
    Segmentation(Segmentation),
    /// 10.3.4: the wall clock of the place where it was made.
    Time { tai_seconds: u64, tai_ns: u32, utc_offset: u16 },
    /// 10.3.5.
    Audio(Vec<AudioChannel>),
    /// Somebody's own, or of a later edition.
    Other { tag: u8, identifier: u32, bytes: Vec<u8> },
    /// One of the above that its own length cuts off.
    Broken { tag: u8, error: ScteError },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AudioChannel {
    pub component_tag: u8,
    /// ISO 639-2, three letters.
    pub language: [u8; 3],
    pub bit_stream_mode: u8,
    pub channels: u8,
    pub full_service: bool,
}

/// segmentation_descriptor (10.3.3). Without a `segment` every segment of this event is cancelled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segmentation {
    pub event_id: u32,
    /// segmentation_event_id_compliance_indicator as it stands.
    pub event_id_compliance: bool,
    pub segment: Option<Segment>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// `None`: it may go anywhere.
    pub delivery: Option<Delivery>,
    /// `None`: it is about the whole programme.
    pub components: Option<Vec<SegmentationComponent>>,
    /// Ticks of 90 kHz.
    pub duration_ticks: Option<u64>,
    pub upid: Upid,
    /// What begins, ends or happens (table 23); [`super::segmentation_name`].
    pub type_id: u8,
    pub segment_num: u8,
    pub segments_expected: u8,
    /// sub_segment_num and sub_segments_expected.
    pub sub_segments: Option<(u8, u8)>,
}

/// Where it may go (10.3.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    pub web_allowed: bool,
    pub no_regional_blackout: bool,
    pub archive_allowed: bool,
    /// Groups 0 to 2, or 3 for none (table 21).
    pub device_restrictions: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentationComponent {
    pub tag: u8,
    /// Ticks of 90 kHz on top of the splice's time.
    pub pts_offset: u64,
}

/// The descriptors of a loop. Only a loop that does not add up is an error.
pub(super) fn descriptors(bytes: &[u8]) -> Result<Vec<Descriptor>, ScteError> {
    let mut bits = Bits::new(bytes);
    let mut list = Vec::new();
    while bits.left() > 0 {
        let tag = bits.byte("splice_descriptor_tag")?;
        let length = usize::from(bits.byte("descriptor_length")?);
        let body = bits.bytes(length, "splice_descriptor")?;
        list.push(descriptor(tag, body).unwrap_or_else(|error| Descriptor::Broken { tag, error }));
    }
    Ok(list)
}

fn descriptor(tag: u8, body: &[u8]) -> Result<Descriptor, ScteError> {
    let short = |what| move |_: ScteError| ScteError::DescriptorLength { what, bytes: body.len() };
    let mut bits = Bits::new(body);
    let identifier = bits.word("identifier").map_err(short("splice_descriptor"))?;
    if identifier != CUEI {
        return Ok(Descriptor::Other { tag, identifier, bytes: bits.rest().to_vec() });
    }
    match tag {
        0x00 => avail(&mut bits).map_err(short("avail_descriptor")),
        0x01 => dtmf(&mut bits).map_err(short("DTMF_descriptor")),
        0x02 => segmentation(&mut bits).map(Descriptor::Segmentation).map_err(short("segmentation_descriptor")),
        0x03 => time(&mut bits).map_err(short("time_descriptor")),
        0x04 => audio(&mut bits).map_err(short("audio_descriptor")),
        _ => Ok(Descriptor::Other { tag, identifier, bytes: bits.rest().to_vec() }),
    }
}

fn avail(bits: &mut Bits<'_>) -> Result<Descriptor, ScteError> {
    Ok(Descriptor::Avail { provider_avail_id: bits.word("provider_avail_id")? })
}

fn dtmf(bits: &mut Bits<'_>) -> Result<Descriptor, ScteError> {
    let preroll = bits.byte("preroll")?;
    let count = bits.number(3, "dtmf_count")? as usize;
    bits.skip(5)?;
    Ok(Descriptor::Dtmf { preroll, tones: bits.bytes(count, "DTMF_char")?.to_vec() })
}

fn time(bits: &mut Bits<'_>) -> Result<Descriptor, ScteError> {
    let tai_seconds = bits.number(48, "TAI_seconds")?;
    let tai_ns = bits.word("TAI_ns")?;
    Ok(Descriptor::Time { tai_seconds, tai_ns, utc_offset: bits.number(16, "UTC_offset")? as u16 })
}

fn audio(bits: &mut Bits<'_>) -> Result<Descriptor, ScteError> {
    let count = bits.number(4, "audio_count")?;
    bits.skip(4)?;
    let mut channel = || {
        let component_tag = bits.byte("component_tag")?;
        let [_, language @ ..] = (bits.number(24, "ISO_code")? as u32).to_be_bytes();
        Ok(AudioChannel {
            component_tag,
            language,
            bit_stream_mode: bits.number(3, "Bit_Stream_Mode")? as u8,
            channels: bits.number(4, "Num_Channels")? as u8,
            full_service: bits.flag("Full_Srvc_Audio")?,
        })
    };
    Ok(Descriptor::Audio((0..count).map(|_| channel()).collect::<Result<_, _>>()?))
}

fn segmentation(bits: &mut Bits<'_>) -> Result<Segmentation, ScteError> {
    let event_id = bits.word("segmentation_event_id")?;
    let cancel = bits.flag("segmentation_event_cancel_indicator")?;
    let event_id_compliance = bits.flag("segmentation_event_id_compliance_indicator")?;
    bits.skip(6)?;
    let segment = if cancel { None } else { Some(segment(bits)?) };
    Ok(Segmentation { event_id, event_id_compliance, segment })
}

fn segment(bits: &mut Bits<'_>) -> Result<Segment, ScteError> {
    let programme = bits.flag("program_segmentation_flag")?;
    let lasts = bits.flag("segmentation_duration_flag")?;
    let delivery = if bits.flag("delivery_not_restricted_flag")? {
        bits.skip(5)?;
        None
    } else {
        Some(Delivery {
            web_allowed: bits.flag("web_delivery_allowed_flag")?,
            no_regional_blackout: bits.flag("no_regional_blackout_flag")?,
            archive_allowed: bits.flag("archive_allowed_flag")?,
            device_restrictions: bits.number(2, "device_restrictions")? as u8,
        })
    };
    let components = if programme {
        None
    } else {
        let component = |bits: &mut Bits<'_>| {
            let tag = bits.byte("component_tag")?;
            bits.skip(7)?;
            Ok(SegmentationComponent { tag, pts_offset: bits.number(33, "pts_offset")? })
        };
        let count = bits.byte("component_count")?;
        Some((0..count).map(|_| component(bits)).collect::<Result<_, _>>()?)
    };
    let duration_ticks = if lasts { Some(bits.number(40, "segmentation_duration")?) } else { None };
    let upid_type = bits.byte("segmentation_upid_type")?;
    let upid_length = usize::from(bits.byte("segmentation_upid_length")?);
    let upid = Upid::read(upid_type, bits.bytes(upid_length, "segmentation_upid")?);
    let type_id = bits.byte("segmentation_type_id")?;
    let segment_num = bits.byte("segment_num")?;
    let segments_expected = bits.byte("segments_expected")?;
    // Of the types that can have them (10.3.3.1), messages of older editions end here.
    let sub_segments = if matches!(type_id, 0x30 | 0x32 | 0x34 | 0x36 | 0x38 | 0x3a | 0x44 | 0x46) && bits.left() >= 2 {
        Some((bits.byte("sub_segment_num")?, bits.byte("sub_segments_expected")?))
    } else {
        None
    };
    Ok(Segment { delivery, components, duration_ticks, upid, type_id, segment_num, segments_expected, sub_segments })
}
