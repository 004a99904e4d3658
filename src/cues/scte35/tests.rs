use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::encoder::{made, sections};
use super::section::sealed;
use super::*;

/// Made by `tests/cues/make.py` with an encoder of others.
const MESSAGES: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cues/messages.tsv"));

/// As that encoder's reader writes numbers in hex: an even number of digits, nothing in front.
fn hexed(bytes: &[u8]) -> String {
    let digits = hex::encode(bytes);
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() {
        return "0x00".into();
    }
    format!("0x{}{digits}", if digits.len() % 2 == 1 { "0" } else { "" })
}

/// Ticks as that reader writes them.
fn seconds(ticks: u64) -> f64 {
    (ticks as f64 / 90_000.0 * 1e6).round() / 1e6
}

fn upid_value(upid: &Upid) -> Value {
    let text = |bytes: &[u8]| json!(String::from_utf8_lossy(bytes));
    match upid {
        Upid::None => json!(""),
        Upid::One { kind: 0x06 | 0x08, bytes } => json!(hexed(bytes)),
        Upid::One { kind: 0x0a, bytes } => json!(format!("0x{}", hex::encode(bytes))),
        Upid::One { kind: 0x0b, bytes } => json!({
            "TSID": u16::from_be_bytes([bytes[0], bytes[1]]),
            "reserved": bytes[2] >> 6,
            "end_of_day": bytes[2] >> 1 & 31,
            "unique_for": u16::from(bytes[2] & 1) << 8 | u16::from(bytes[3]),
            "content_id": text(&bytes[4..]),
        }),
        Upid::One { bytes, .. } => text(bytes),
        Upid::Mpu { format, private } => json!({ "format_identifier": text(format), "private_data": hexed(private) }),
        Upid::Mid(members) => members
            .iter()
            .map(|member| {
                json!({
                    "upid_type": member.kind(),
                    "upid_length": upid_length(member),
                    "segmentation_upid": upid_value(member),
                })
            })
            .collect(),
    }
}

fn upid_length(upid: &Upid) -> usize {
    match upid {
        Upid::None => 0,
        Upid::One { bytes, .. } => bytes.len(),
        Upid::Mpu { private, .. } => 4 + private.len(),
        Upid::Mid(members) => members.iter().map(|member| 2 + upid_length(member)).sum(),
    }
}

fn put(object: &mut Value, fields: Value) {
    let Value::Object(fields) = fields else { unreachable!() };
    object.as_object_mut().unwrap().extend(fields);
}

fn time_value(object: &mut Value, when: When) {
    match when {
        When::Pts(pts) => put(object, json!({ "time_specified_flag": true, "pts_time": seconds(pts) })),
        When::Unsaid => put(object, json!({ "time_specified_flag": false })),
        When::Immediate => {}
    }
}

fn command_value(command: &Command) -> Value {
    let named = |kind: u8, name: &str| json!({ "command_type": kind, "name": name });
    match command {
        Command::Null => named(0, "Splice Null"),
        Command::BandwidthReservation => named(7, "Bandwidth Reservation"),
        Command::Private { identifier, bytes } => {
            let mut value = named(255, "Private Command");
            let bytes = String::from_utf8_lossy(bytes);
            put(&mut value, json!({ "identifier": identifier, "private_bytes": bytes }));
            value
        }
        Command::TimeSignal(when) => {
            let mut value = named(6, "Time Signal");
            time_value(&mut value, *when);
            value
        }
        Command::Insert(insert) => {
            let mut value = named(5, "Splice Insert");
            let cancel = insert.splice.is_none();
            put(&mut value, json!({ "splice_event_id": insert.event_id, "splice_event_cancel_indicator": cancel }));
            if let Some(splice) = &insert.splice {
                splice_value(&mut value, splice);
            }
            value
        }
        Command::Schedule(_) | Command::Encrypted | Command::Reserved { .. } => unreachable!(),
    }
}

fn splice_value(value: &mut Value, splice: &Splice) {
    let SpliceMode::Programme(when) = splice.mode else { unreachable!() };
    time_value(value, when);
    put(
        value,
        json!({
            "out_of_network_indicator": splice.out_of_network,
            "program_splice_flag": true,
            "duration_flag": splice.duration.is_some(),
            "splice_immediate_flag": splice.immediate,
            "event_id_compliance_flag": splice.event_id_compliance,
            "unique_program_id": splice.unique_program_id,
            "avail_num": splice.avail_num,
            "avails_expected": splice.avails_expected,
        }),
    );
    if let Some(BreakDuration { auto_return, ticks }) = splice.duration {
        put(value, json!({ "break_auto_return": auto_return, "break_duration": seconds(ticks) }));
    }
}

fn descriptor_value(descriptor: &Descriptor) -> Value {
    let named = |tag: u8, name: &str| json!({ "tag": tag, "identifier": "CUEI", "name": name });
    let (mut value, fields) = match descriptor {
        Descriptor::Avail { provider_avail_id } => {
            (named(0, "Avail Descriptor"), json!({ "provider_avail_id": provider_avail_id }))
        }
        Descriptor::Dtmf { preroll, tones } => {
            let chars: Vec<String> = tones.iter().map(|tone| char::from(*tone).to_string()).collect();
            let fields = json!({ "preroll": preroll, "dtmf_count": tones.len(), "dtmf_chars": chars });
            (named(1, "DTMF Descriptor"), fields)
        }
        Descriptor::Segmentation(segmentation) => {
            let mut fields = json!({
                "segmentation_event_id": hexed(&segmentation.event_id.to_be_bytes()),
                "segmentation_event_cancel_indicator": segmentation.segment.is_none(),
                "segmentation_event_id_compliance_indicator": segmentation.event_id_compliance,
            });
            if let Some(segment) = &segmentation.segment {
                segment_value(&mut fields, segment);
            }
            (named(2, "Segmentation Descriptor"), fields)
        }
        Descriptor::Time { tai_seconds, tai_ns, utc_offset } => {
            let fields = json!({ "tai_seconds": tai_seconds, "tai_ns": tai_ns, "utc_offset": utc_offset });
            (named(3, "Time Descriptor"), fields)
        }
        Descriptor::Other { tag, identifier, bytes } => {
            let (identifier, data) = (identifier.to_be_bytes(), String::from_utf8_lossy(bytes));
            (json!({ "tag": tag, "identifier": String::from_utf8_lossy(&identifier) }), json!({ "private_data": data }))
        }
        Descriptor::Audio(_) | Descriptor::Broken { .. } => panic!("{descriptor:?}"),
    };
    put(&mut value, fields);
    value
}

fn segment_value(fields: &mut Value, segment: &Segment) {
    put(
        fields,
        json!({
            "program_segmentation_flag": segment.components.is_none(),
            "segmentation_duration_flag": segment.duration_ticks.is_some(),
            "delivery_not_restricted_flag": segment.delivery.is_none(),
            "segmentation_upid_type": segment.upid.kind(),
            "segmentation_upid_length": upid_length(&segment.upid),
            "segmentation_upid": upid_value(&segment.upid),
            "segmentation_type_id": segment.type_id,
            "segmentation_message": segmentation_name(segment.type_id),
            "segment_num": segment.segment_num,
            "segments_expected": segment.segments_expected,
        }),
    );
    if let Some(ticks) = segment.duration_ticks {
        put(fields, json!({ "segmentation_duration": seconds(ticks) }));
    }
    if let Some((number, expected)) = segment.sub_segments {
        put(fields, json!({ "sub_segment_num": number, "sub_segments_expected": expected }));
    }
    if let Some(delivery) = segment.delivery {
        let groups = ["Restrict Group 0", "Restrict Group 1", "Restrict Group 2", "No Restrictions"];
        put(
            fields,
            json!({
                "web_delivery_allowed_flag": delivery.web_allowed,
                "no_regional_blackout_flag": delivery.no_regional_blackout,
                "archive_allowed_flag": delivery.archive_allowed,
                "device_restrictions": groups[usize::from(delivery.device_restrictions)],
            }),
        );
    }
}

/// What cannot differ in meaning: lengths that the section's shape already has, and names of our own.
fn without_noise(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for noise in ["command_length", "descriptor_length", "segmentation_upid_type_name", "upid_type_name"] {
                fields.remove(noise);
            }
            // It names two types in ways of its own.
            if let Some(message) = fields.get_mut("segmentation_message") {
                *message = match message.as_str().unwrap() {
                    "Program RunoverUnplanned" => json!("Program Runover Unplanned"),
                    "Program Start ??? In Progress" => json!("Program Join"),
                    same => json!(same),
                };
            }
            fields.values_mut().for_each(without_noise);
        }
        Value::Array(values) => values.iter_mut().for_each(without_noise),
        _ => {}
    }
}

#[test]
fn another_reader_reads_the_same() {
    let mut count = 0;
    for line in MESSAGES.lines() {
        let [name, section, fields] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let bytes = hex::decode(section).unwrap();
        let info = SpliceInfo::parse(&bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut theirs: Value = serde_json::from_str(fields).unwrap();
        without_noise(&mut theirs);
        assert_eq!(command_value(&info.command), theirs["command"], "{name}");
        let descriptors: Vec<Value> = info.descriptors.iter().map(descriptor_value).collect();
        assert_eq!(json!(descriptors), theirs["descriptors"], "{name}");
        let section = &theirs["info_section"];
        assert_eq!(json!(seconds(info.pts_adjustment)), section["pts_adjustment"], "{name}");
        assert_eq!(json!(hexed(&info.tier.to_be_bytes())), section["tier"], "{name}");
        assert_eq!(json!(hexed(&[info.cw_index])), section["cw_index"], "{name}");
        assert_eq!(json!(hexed(&[info.sap_type])), section["sap_type"], "{name}");
        assert_eq!(info.section(), &bytes[..], "{name}");
        assert_eq!(info.hex().to_lowercase(), format!("0x{}", hex::encode(&bytes)), "{name}");
        count += 1;
    }
    assert!(count > 100, "{count}");
}

#[test]
fn every_pair_of_types_knows_its_other() {
    for type_id in 0..=255u8 {
        match segmentation_role(type_id) {
            (role, Side::Start { end }) => {
                let (end_role, side) = segmentation_role(end);
                assert_eq!(role, end_role, "{type_id:#x}");
                assert!(matches!(side, Side::End { .. }), "{type_id:#x}");
                // All that begin a programme end alike.
                assert!(end == 0x11 || side == Side::End { start: type_id }, "{type_id:#x}");
            }
            (_, Side::End { start }) => {
                assert!(matches!(segmentation_role(start).1, Side::Start { .. }), "{type_id:#x}");
            }
            (_, Side::Mark) => {}
        }
    }
    assert_eq!(segmentation_name(0x51), "Network End");
    assert_eq!(segmentation_name(0x7f), "Reserved");
}

#[test]
fn what_is_wrong_is_named() {
    let good = made(Command::TimeSignal(When::Pts(7)), Vec::new()).section();
    let error = |bytes: &[u8]| SpliceInfo::parse(bytes).unwrap_err();
    assert_eq!(error(&[]), ScteError::Short { field: "section_length" });
    assert_eq!(error(&[0xfd, 0, 0]).to_string(), "table 0xfd is not a splice_info_section (0xfc)");
    assert_eq!(error(&good[..9]), ScteError::Length { said: 22, there: 6 });
    let mut flipped = good.clone();
    flipped[14] ^= 1;
    assert_eq!(error(&flipped), ScteError::Checksum);
    let body = good[3..good.len() - 4].to_vec();
    let with = |at: usize, byte: u8| {
        let mut body = body.clone();
        body[at] = byte;
        sealed(&body)
    };
    assert_eq!(error(&with(0, 1)), ScteError::Version(1));
    // splice_command_length: too short, too long, longer than all there is.
    assert_eq!(error(&with(9, 4)), ScteError::CommandLength { said: 4 });
    assert_eq!(error(&with(9, 6)), ScteError::CommandLength { said: 6 });
    assert_eq!(error(&with(9, 60)), ScteError::Short { field: "splice_command" });
    // descriptor_loop_length.
    assert_eq!(error(&with(17, 1)), ScteError::Short { field: "descriptor loop" });
    assert_eq!(error(&sealed(&body[..5])), ScteError::Short { field: "pts_adjustment" });
}

#[test]
fn what_is_encrypted_is_told_and_not_read() {
    let mut body = made(Command::TimeSignal(When::Pts(7)), Vec::new()).section()[3..].to_vec();
    body.truncate(body.len() - 4);
    body[1] |= 0x80 | 3 << 1;
    body[6] = 9;
    let info = SpliceInfo::parse(&sealed(&body)).unwrap();
    assert_eq!(info.encryption, Some(Encryption { algorithm: 3, cw_index: 9 }));
    assert_eq!((&info.command, info.splice_pts()), (&Command::Encrypted, None));
}

#[test]
fn a_command_of_unsaid_length_is_read_by_its_kind() {
    let section = made(Command::TimeSignal(When::Pts(7)), Vec::new()).section();
    let mut body = section[3..section.len() - 4].to_vec();
    body[8] |= 0x0f;
    body[9] = 0xff;
    assert_eq!(SpliceInfo::parse(&sealed(&body)).unwrap().command, Command::TimeSignal(When::Pts(7)));
    body[10] = 0xff;
    assert_eq!(SpliceInfo::parse(&sealed(&body)), Err(ScteError::CommandLength { said: 0xfff }));
}

#[test]
fn a_broken_descriptor_is_told_and_the_others_hold() {
    let descriptors = vec![Descriptor::Other { tag: 2, identifier: 0x4355_4549, bytes: vec![1, 2] }];
    let mut all = descriptors.clone();
    all.push(Descriptor::Avail { provider_avail_id: 5 });
    let info = made(Command::Null, all).info();
    let error = ScteError::DescriptorLength { what: "segmentation_descriptor", bytes: 6 };
    assert_eq!(error.to_string(), "a segmentation_descriptor of 6 bytes is too short");
    assert_eq!(info.descriptors[0], Descriptor::Broken { tag: 2, error });
    assert_eq!(info.descriptors[1], Descriptor::Avail { provider_avail_id: 5 });
}

#[test]
fn times_are_adjusted_and_wrap() {
    let mut section = made(Command::TimeSignal(When::Pts(PTS_MODULUS - 10)), Vec::new());
    section.pts_adjustment = 30;
    assert_eq!(section.info().splice_pts(), Some(20));
    let components = [(1, When::Unsaid), (2, When::Pts(5)), (3, When::Pts(9))];
    let mode = SpliceMode::Components(components.map(|(tag, when)| Component { tag, when }).to_vec());
    section.command = Command::Insert(Insert {
        event_id: 1,
        splice: Some(Splice {
            out_of_network: true,
            immediate: false,
            mode,
            duration: None,
            event_id_compliance: true,
            unique_program_id: 0,
            avail_num: 0,
            avails_expected: 0,
        }),
    });
    assert_eq!(section.info().splice_pts(), Some(35));
}

#[test]
fn identifiers_are_written_as_their_registers_do() {
    let one = |kind, text: &str| Upid::read(kind, &hex::decode(text).unwrap()).to_string();
    assert_eq!(one(0x0a, "1478779185342c2390308610"), "10.5240/7791-8534-2C23-9030-8610-5");
    assert_eq!(one(0x10, "00112233445566778899aabbccddeeff"), "00112233-4455-6677-8899-aabbccddeeff");
    assert_eq!(one(0x08, "000000002ca0a18a"), "0x000000002ca0a18a");
    assert_eq!(Upid::read(0x0f, b"urn:a").to_string(), "urn:a");
    assert_eq!(Upid::read(0x0f, b"a\nb").to_string(), "0x610a62");
    assert_eq!(Upid::read(0x0d, b"\x03\x02AB\x0c\x05QUAD\x01").to_string(), "Ad-ID=AB MPU=QUAD:0x01");
    // A list that does not add up is kept as it stands.
    assert_eq!(Upid::read(0x0d, b"\x03\x09AB").to_string(), "0x03094142");
}

proptest! {
    #[test]
    fn any_section_reads_back(made in sections()) {
        let bytes = made.section();
        let info = SpliceInfo::parse(&bytes).unwrap();
        prop_assert_eq!(&info.command, &made.command);
        prop_assert_eq!(&info.descriptors, &made.descriptors);
        prop_assert_eq!((info.pts_adjustment, info.cw_index, info.tier), (made.pts_adjustment, made.cw_index, made.tier));
        prop_assert_eq!(info.section(), &bytes[..]);
        // Stuffing behind it changes nothing.
        let stuffed = [&bytes[..], &[0xff; 9]].concat();
        prop_assert_eq!(SpliceInfo::parse(&stuffed).unwrap(), info);
    }

    #[test]
    fn hostile_bytes_never_panic(bytes in vec(any::<u8>(), 0..300)) {
        let _ = SpliceInfo::parse(&bytes);
        let _ = SpliceInfo::parse(&sealed(&bytes)).map(|info| (info.splice_pts(), format!("{info:?}")));
    }

    #[test]
    fn a_section_with_changed_bytes_never_panics(
        made in sections(), changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..9), cut in 0usize..40
    ) {
        let section = made.section();
        let mut body = section[3..section.len() - 4].to_vec();
        for (at, byte) in changes {
            let at = at.index(body.len());
            body[at] = byte;
        }
        body.truncate(body.len().saturating_sub(cut));
        if let Ok(info) = SpliceInfo::parse(&sealed(&body)) {
            let _ = (info.splice_pts(), info.segmentations().map(|s| format!("{s:?}")).collect::<Vec<_>>());
        }
    }
}
