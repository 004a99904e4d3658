//! Sections, written: for tests alone, and on its own, so that it shares no mistake with the reader.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::section::sealed;
use super::*;

/// Bits as they come, most significant first.
#[derive(Default)]
struct Writer(Vec<bool>);

impl Writer {
    fn put(&mut self, count: u32, value: impl Into<u64>) {
        let value = value.into();
        self.0.extend((0..count).rev().map(|bit| value >> bit & 1 == 1));
    }

    fn ones(&mut self, count: usize) {
        self.0.extend(std::iter::repeat_n(true, count));
    }

    fn bytes(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.put(8, *byte));
    }

    fn done(self) -> Vec<u8> {
        assert_eq!(self.0.len() % 8, 0);
        self.0.chunks(8).map(|bits| bits.iter().fold(0, |byte, bit| byte << 1 | u8::from(*bit))).collect()
    }
}

/// What a section is made of.
#[derive(Clone, Debug)]
pub struct Made {
    pub pts_adjustment: u64,
    pub cw_index: u8,
    pub tier: u16,
    pub command: Command,
    pub descriptors: Vec<Descriptor>,
}

pub fn made(command: Command, descriptors: Vec<Descriptor>) -> Made {
    Made { pts_adjustment: 0, cw_index: 0, tier: 0xfff, command, descriptors }
}

impl Made {
    pub fn section(&self) -> Vec<u8> {
        let command = command(&self.command);
        let mut out = Writer::default();
        out.put(8, 0u8);
        out.put(7, 0u8);
        out.put(33, self.pts_adjustment);
        out.put(8, self.cw_index);
        out.put(12, self.tier);
        out.put(12, command.len() as u64);
        out.put(8, kind(&self.command));
        out.bytes(&command);
        let loops: Vec<u8> = self.descriptors.iter().flat_map(descriptor).collect();
        out.put(16, loops.len() as u64);
        out.bytes(&loops);
        sealed(&out.done())
    }

    pub fn info(&self) -> SpliceInfo {
        SpliceInfo::parse(&self.section()).unwrap()
    }
}

fn kind(command: &Command) -> u8 {
    match command {
        Command::Null => 0,
        Command::Schedule(_) => 4,
        Command::Insert(_) => 5,
        Command::TimeSignal(_) => 6,
        Command::BandwidthReservation => 7,
        Command::Private { .. } => 255,
        Command::Reserved { kind, .. } => *kind,
        Command::Encrypted => unreachable!(),
    }
}

fn command(command: &Command) -> Vec<u8> {
    let mut out = Writer::default();
    match command {
        Command::Null | Command::BandwidthReservation | Command::Encrypted => {}
        Command::TimeSignal(at) => when(&mut out, *at),
        Command::Private { identifier, bytes } => {
            out.put(32, *identifier);
            out.bytes(bytes);
        }
        Command::Reserved { bytes, .. } => out.bytes(bytes),
        Command::Insert(insert) => {
            out.put(32, insert.event_id);
            out.put(1, insert.splice.is_none());
            out.ones(7);
            if let Some(it) = &insert.splice {
                splice(&mut out, it);
            }
        }
        Command::Schedule(list) => {
            out.put(8, list.len() as u64);
            list.iter().for_each(|entry| scheduled(&mut out, entry));
        }
    }
    out.done()
}

fn when(out: &mut Writer, at: When) {
    match at {
        When::Pts(pts) => {
            out.ones(7);
            out.put(33, pts);
        }
        When::Unsaid => {
            out.put(1, false);
            out.ones(7);
        }
        When::Immediate => {}
    }
}

fn duration(out: &mut Writer, duration: Option<BreakDuration>) {
    if let Some(BreakDuration { auto_return, ticks }) = duration {
        out.put(1, auto_return);
        out.ones(6);
        out.put(33, ticks);
    }
}

fn splice(out: &mut Writer, it: &Splice) {
    out.put(1, it.out_of_network);
    out.put(1, matches!(it.mode, SpliceMode::Programme(_)));
    out.put(1, it.duration.is_some());
    out.put(1, it.immediate);
    out.put(1, it.event_id_compliance);
    out.ones(3);
    match &it.mode {
        SpliceMode::Programme(at) => when(out, *at),
        SpliceMode::Components(components) => {
            out.put(8, components.len() as u64);
            for component in components {
                out.put(8, component.tag);
                when(out, component.when);
            }
        }
    }
    duration(out, it.duration);
    out.put(16, it.unique_program_id);
    out.put(8, it.avail_num);
    out.put(8, it.avails_expected);
}

fn scheduled(out: &mut Writer, entry: &Scheduled) {
    out.put(32, entry.event_id);
    out.put(1, entry.cancel);
    out.ones(7);
    if entry.cancel {
        return;
    }
    out.put(1, entry.out_of_network);
    out.put(1, true);
    out.put(1, entry.duration.is_some());
    out.ones(5);
    out.put(32, entry.utc_splice_time.unwrap());
    duration(out, entry.duration);
    out.put(16, entry.unique_program_id);
    out.put(8, entry.avail_num);
    out.put(8, entry.avails_expected);
}

fn descriptor(descriptor: &Descriptor) -> Vec<u8> {
    let mut out = Writer::default();
    let mut identifier = u32::from_be_bytes(*b"CUEI");
    let tag = match descriptor {
        Descriptor::Avail { provider_avail_id } => {
            out.put(32, *provider_avail_id);
            0
        }
        Descriptor::Dtmf { preroll, tones } => {
            out.put(8, *preroll);
            out.put(3, tones.len() as u64);
            out.ones(5);
            out.bytes(tones);
            1
        }
        Descriptor::Segmentation(it) => {
            out.put(32, it.event_id);
            out.put(1, it.segment.is_none());
            out.put(1, it.event_id_compliance);
            out.ones(6);
            if let Some(it) = &it.segment {
                segment(&mut out, it);
            }
            2
        }
        Descriptor::Time { tai_seconds, tai_ns, utc_offset } => {
            out.put(48, *tai_seconds);
            out.put(32, *tai_ns);
            out.put(16, *utc_offset);
            3
        }
        Descriptor::Audio(channels) => {
            out.put(4, channels.len() as u64);
            out.ones(4);
            for channel in channels {
                out.put(8, channel.component_tag);
                out.bytes(&channel.language);
                out.put(3, channel.bit_stream_mode);
                out.put(4, channel.channels);
                out.put(1, channel.full_service);
            }
            4
        }
        Descriptor::Other { tag, identifier: its, bytes } => {
            identifier = *its;
            out.bytes(bytes);
            *tag
        }
        Descriptor::Broken { .. } => unreachable!(),
    };
    let body = out.done();
    [&[tag, body.len() as u8 + 4][..], &identifier.to_be_bytes()[..], &body[..]].concat()
}

fn segment(out: &mut Writer, it: &Segment) {
    out.put(1, it.components.is_none());
    out.put(1, it.duration_ticks.is_some());
    out.put(1, it.delivery.is_none());
    match &it.delivery {
        None => out.ones(5),
        Some(delivery) => {
            out.put(1, delivery.web_allowed);
            out.put(1, delivery.no_regional_blackout);
            out.put(1, delivery.archive_allowed);
            out.put(2, delivery.device_restrictions);
        }
    }
    if let Some(components) = &it.components {
        out.put(8, components.len() as u64);
        for component in components {
            out.put(8, component.tag);
            out.ones(7);
            out.put(33, component.pts_offset);
        }
    }
    if let Some(ticks) = it.duration_ticks {
        out.put(40, ticks);
    }
    let (kind, bytes) = upid(&it.upid);
    out.put(8, kind);
    out.put(8, bytes.len() as u64);
    out.bytes(&bytes);
    out.bytes(&[it.type_id, it.segment_num, it.segments_expected]);
    if let Some((number, expected)) = it.sub_segments {
        out.bytes(&[number, expected]);
    }
}

fn upid(upid: &Upid) -> (u8, Vec<u8>) {
    match upid {
        Upid::None => (0, Vec::new()),
        Upid::One { kind, bytes } => (*kind, bytes.clone()),
        Upid::Mpu { format, private } => (0x0c, [&format[..], private].concat()),
        Upid::Mid(members) => {
            let member = |member: &Upid| {
                let (kind, bytes) = self::upid(member);
                [&[kind, bytes.len() as u8][..], &bytes[..]].concat()
            };
            (0x0d, members.iter().flat_map(member).collect())
        }
    }
}

fn pts() -> impl Strategy<Value = u64> {
    0..PTS_MODULUS
}

fn durations() -> impl Strategy<Value = Option<BreakDuration>> {
    option::of((any::<bool>(), pts()).prop_map(|(auto_return, ticks)| BreakDuration { auto_return, ticks }))
}

fn timed() -> impl Strategy<Value = When> {
    prop_oneof![pts().prop_map(When::Pts), Just(When::Unsaid)]
}

fn splices() -> impl Strategy<Value = Splice> {
    let modes = any::<bool>().prop_flat_map(|immediate| {
        let when = if immediate { Just(When::Immediate).boxed() } else { timed().boxed() };
        let component = (any::<u8>(), when.clone()).prop_map(|(tag, when)| Component { tag, when });
        let components = vec(component, 0..9).prop_map(SpliceMode::Components);
        (Just(immediate), prop_oneof![when.prop_map(SpliceMode::Programme), components])
    });
    let numbers = (any::<u16>(), any::<u8>(), any::<u8>());
    (any::<(bool, bool)>(), modes, durations(), numbers).prop_map(
        |((out, compliant), (immediate, mode), duration, n)| Splice {
            out_of_network: out,
            immediate,
            mode,
            duration,
            event_id_compliance: compliant,
            unique_program_id: n.0,
            avail_num: n.1,
            avails_expected: n.2,
        },
    )
}

fn entries() -> impl Strategy<Value = Scheduled> {
    let cancelled = any::<u32>().prop_map(|event_id| Scheduled {
        event_id,
        cancel: true,
        out_of_network: false,
        utc_splice_time: None,
        duration: None,
        unique_program_id: 0,
        avail_num: 0,
        avails_expected: 0,
    });
    let said = (cancelled.clone(), any::<(bool, u32, u16, u8, u8)>(), durations()).prop_map(|(entry, n, duration)| {
        let (out_of_network, at, unique_program_id, avail_num, avails_expected) = n;
        let utc_splice_time = Some(at);
        Scheduled {
            cancel: false,
            out_of_network,
            utc_splice_time,
            duration,
            unique_program_id,
            avail_num,
            avails_expected,
            ..entry
        }
    });
    prop_oneof![cancelled, said]
}

fn commands() -> impl Strategy<Value = Command> {
    let insert = (any::<u32>(), option::of(splices()));
    prop_oneof![
        Just(Command::Null),
        Just(Command::BandwidthReservation),
        timed().prop_map(Command::TimeSignal),
        insert.prop_map(|(event_id, splice)| Command::Insert(Insert { event_id, splice })),
        vec(entries(), 0..5).prop_map(Command::Schedule),
        (any::<u32>(), vec(any::<u8>(), 0..99)).prop_map(|(identifier, bytes)| Command::Private { identifier, bytes }),
        (8u8..255, vec(any::<u8>(), 0..99)).prop_map(|(kind, bytes)| Command::Reserved { kind, bytes }),
    ]
}

fn upids() -> impl Strategy<Value = Upid> {
    let plain = (1u8..=255, vec(any::<u8>(), 0..20))
        .prop_filter("are others", |(kind, _)| !matches!(kind, 0x0c | 0x0d))
        .prop_map(|(kind, bytes)| Upid::One { kind, bytes });
    let mpu = (any::<[u8; 4]>(), vec(any::<u8>(), 0..20)).prop_map(|(format, private)| Upid::Mpu { format, private });
    let single = prop_oneof![Just(Upid::None), plain, mpu];
    prop_oneof![single.clone(), vec(single, 0..5).prop_map(Upid::Mid)]
}

fn segments() -> impl Strategy<Value = Segment> {
    let delivery = (any::<(bool, bool, bool)>(), 0u8..4).prop_map(|(flags, device_restrictions)| Delivery {
        web_allowed: flags.0,
        no_regional_blackout: flags.1,
        archive_allowed: flags.2,
        device_restrictions,
    });
    let component = (any::<u8>(), pts()).prop_map(|(tag, pts_offset)| SegmentationComponent { tag, pts_offset });
    let types = (any::<u8>(), any::<(u8, u8)>(), any::<Option<(u8, u8)>>());
    let spans = (option::of(vec(component, 0..5)), option::of(0..1u64 << 40));
    (option::of(delivery), spans, upids(), types).prop_map(|(delivery, spans, upid, (type_id, numbers, sub))| {
        let may = matches!(type_id, 0x30 | 0x32 | 0x34 | 0x36 | 0x38 | 0x3a | 0x44 | 0x46);
        Segment {
            delivery,
            components: spans.0,
            duration_ticks: spans.1,
            upid,
            type_id,
            segment_num: numbers.0,
            segments_expected: numbers.1,
            sub_segments: sub.filter(|_| may),
        }
    })
}

fn channels() -> impl Strategy<Value = AudioChannel> {
    (any::<(u8, [u8; 3], bool)>(), 0u8..8, 0u8..16).prop_map(|(n, bit_stream_mode, channels)| AudioChannel {
        component_tag: n.0,
        language: n.1,
        bit_stream_mode,
        channels,
        full_service: n.2,
    })
}

fn descriptors() -> impl Strategy<Value = Descriptor> {
    let segmentation = (any::<u32>(), any::<bool>(), option::of(segments()));
    let other = (any::<u8>(), 0u32..1 << 30, vec(any::<u8>(), 0..99));
    prop_oneof![
        any::<u32>().prop_map(|provider_avail_id| Descriptor::Avail { provider_avail_id }),
        (any::<u8>(), vec(any::<u8>(), 0..8)).prop_map(|(preroll, tones)| Descriptor::Dtmf { preroll, tones }),
        segmentation.prop_map(|(event_id, event_id_compliance, segment)| {
            Descriptor::Segmentation(Segmentation { event_id, event_id_compliance, segment })
        }),
        (0..1u64 << 48, any::<u32>(), any::<u16>()).prop_map(|(tai_seconds, tai_ns, utc_offset)| Descriptor::Time {
            tai_seconds,
            tai_ns,
            utc_offset
        }),
        vec(channels(), 0..16).prop_map(Descriptor::Audio),
        other.prop_map(|(tag, identifier, bytes)| Descriptor::Other { tag, identifier, bytes }),
    ]
}

/// Any section that can be.
pub fn sections() -> impl Strategy<Value = Made> {
    (pts(), any::<u8>(), 0u16..0x1000, commands(), vec(descriptors(), 0..6)).prop_map(
        |(pts_adjustment, cw_index, tier, command, descriptors)| Made {
            pts_adjustment,
            cw_index,
            tier,
            command,
            descriptors,
        },
    )
}
