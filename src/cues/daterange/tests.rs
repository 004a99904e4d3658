use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::cues::scte35::encoder::made;
use crate::cues::scte35::{Command, When};

/// A strict reader of attribute lists (RFC 8216bis, 4.2): names, and values with their quotes.
fn strict(line: &str) -> Vec<(String, String)> {
    let mut rest = line.strip_prefix("#EXT-X-DATERANGE:").unwrap();
    let mut list = Vec::new();
    loop {
        let (name, after) = rest.split_once('=').unwrap();
        assert!(!name.is_empty() && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-'));
        let end = match after.strip_prefix('"') {
            Some(quoted) => quoted.find('"').unwrap() + 2,
            None => after.find(',').unwrap_or(after.len()),
        };
        assert!(end > 0 && (after.starts_with('"') || !after[..end].contains([' ', '"'])), "{line}");
        assert!(list.iter().all(|(other, _)| other != name), "{name} twice in {line}");
        list.push((name.to_owned(), after[..end].to_owned()));
        if end == after.len() {
            return list;
        }
        rest = after[end..].strip_prefix(',').unwrap();
    }
}

fn unquoted(list: &[(String, String)]) -> Vec<(&str, &str)> {
    list.iter().map(|(name, value)| (name.as_str(), value.trim_matches('"'))).collect()
}

fn full() -> DateRange {
    DateRange {
        class: Some("com.quadrille.break.derby".into()),
        planned_duration: Some(Duration::from_micros(30_033_366)),
        scte35: Some((Scte35Attribute::Out, "0xFC00".into())),
        client: vec![("X-COM-QUADRILLE-GAME".into(), ClientValue::Text("derby".into()))],
        ..DateRange::new("derby-1", MediaTime::from_millis(1250))
    }
}

#[test]
fn a_range_is_one_line_of_attributes() {
    assert_eq!(
        full().to_string(),
        "#EXT-X-DATERANGE:ID=\"derby-1\",CLASS=\"com.quadrille.break.derby\",START-DATE=\"2024-01-01T00:00:01.250Z\",\
         PLANNED-DURATION=30.033,X-COM-QUADRILLE-GAME=\"derby\",SCTE35-OUT=0xFC00"
    );
    let ended = DateRange {
        end: Some(MediaTime::from_millis(31_284)),
        scte35: Some((Scte35Attribute::In, "0xFC01".into())),
        ..DateRange::new("derby-1", MediaTime::from_millis(1250))
    };
    assert_eq!(
        ended.to_string(),
        "#EXT-X-DATERANGE:ID=\"derby-1\",START-DATE=\"2024-01-01T00:00:01.250Z\",END-DATE=\"2024-01-01T00:00:31.284Z\",\
         DURATION=30.034,SCTE35-IN=0xFC01"
    );
}

#[test]
fn what_the_clause_forbids_is_left_out() {
    let next = DateRange { end_on_next: true, ..full() };
    assert!(next.to_string().ends_with(",END-ON-NEXT=YES"));
    assert!(!DateRange { class: None, ..next.clone() }.to_string().contains("END-ON-NEXT"));
    assert!(!DateRange { end: Some(MediaTime::from_secs(9)), ..next }.to_string().contains("END-ON-NEXT"));
    let before = DateRange { end: Some(MediaTime::ZERO), ..full() };
    assert!(!before.to_string().contains("END-DATE"));
    let odd = DateRange {
        scte35: Some((Scte35Attribute::Cmd, "0xFC,X=1".into())),
        client: vec![
            ("X-a".into(), ClientValue::Number(1.0)),
            ("Y-A".into(), ClientValue::Number(1.0)),
            ("X-N".into(), ClientValue::Number(f64::NAN)),
            ("X-H".into(), ClientValue::Hex(vec![0xab])),
        ],
        ..DateRange::new("a\"b\nc", MediaTime::ZERO)
    };
    let tail = "ID=\"a'b c\",START-DATE=\"2024-01-01T00:00:00.000Z\",X-N=0,X-H=0xAB";
    assert_eq!(odd.to_string(), format!("#EXT-X-DATERANGE:{tail}"));
}

#[test]
fn a_source_s_range_is_read() {
    let section = made(Command::TimeSignal(When::Pts(9)), Vec::new()).section();
    let hex = format!("0x{}", hex::encode(&section));
    let list = [
        ("ID", "splice-6FFFFFF0"),
        ("CLASS", "c"),
        ("START-DATE", "2014-03-05T11:15:00Z"),
        ("PLANNED-DURATION", "59.993"),
        ("SCTE35-OUT", hex.as_str()),
        ("X-A", "1"),
        ("ID", "another"),
        ("WHAT", "?"),
    ];
    let range = SourceRange::read(list).unwrap();
    assert_eq!((range.id.as_str(), range.class.as_deref()), ("splice-6FFFFFF0", Some("c")));
    assert_eq!(range.start_us, Some(1_394_018_100_000_000));
    assert_eq!(range.planned_duration, Some(Duration::from_millis(59_993)));
    assert_eq!(range.ends_us(), None);
    assert_eq!(range.client, [("X-A".to_owned(), "1".to_owned())]);
    let out = range.out.unwrap();
    assert_eq!(out.bytes, section);
    assert_eq!(out.info.unwrap().splice_pts(), Some(9));
    let offset = SourceRange::read([("ID", "a"), ("START-DATE", "2024-01-01T02:00:00.5+02:00"), ("DURATION", "1.5")]);
    assert_eq!(offset.unwrap().ends_us(), Some(1_704_067_202_000_000));
}

#[test]
fn a_range_that_says_nothing_is_refused() {
    assert_eq!(SourceRange::read([("START-DATE", "2024-01-01T00:00:00Z")]), Err(DateRangeError::NoId));
    let error = SourceRange::read([("ID", "a"), ("START-DATE", "yesterday"), ("DURATION", "-1")]).unwrap_err();
    assert_eq!(error.to_string(), "EXT-X-DATERANGE \"a\" says neither START-DATE nor an end");
}

#[test]
fn older_tags_are_read() {
    let read = |name: &str, value: &str| OlderTag::read(name, value).unwrap().unwrap();
    let s = |seconds| Some(Duration::from_secs_f64(seconds));
    for value in ["30", "30.000", "DURATION=30", "Duration=30.0,ID=7", "\"30\""] {
        assert_eq!(read("#EXT-X-CUE-OUT", value), OlderTag::Out { duration: s(30.0) }, "{value}");
    }
    assert_eq!(read("#EXT-X-CUE-OUT", ""), OlderTag::Out { duration: None });
    let continues = OlderTag::Continues { elapsed: s(8.844), duration: s(60.0) };
    for value in
        ["8.844/60", "ElapsedTime=8.844,Duration=60,SCTE35=/DAl,A=\"a,b\"", "X=\",\",ELAPSED=8.844,DURATION=60"]
    {
        assert_eq!(read("#EXT-X-CUE-OUT-CONT", value), continues, "{value}");
    }
    assert_eq!(read("#EXT-X-CUE-IN", ""), OlderTag::In);
    let base64 = "/DAWAAAAAAAAAP/wBQb+zto7dwAADRCw6g==";
    let section = read("#EXT-OATCLS-SCTE35", base64);
    assert!(matches!(&section, OlderTag::Section(info) if info.splice_pts() == Some(0xceda_3b77)));
    assert_eq!(read("#EXT-X-SPLICEPOINT-SCTE35", base64.trim_end_matches('=')), section);
    assert_eq!(read("#EXT-X-SCTE35", &format!("ID=\"1,2\",CUE=\"{base64}\",CUE-OUT=YES")), section);
    assert_eq!(read("#EXT-X-SCTE35", "CUE=\"\",CUE-OUT=CONT,ELAPSED=8.844,DURATION=60"), continues);
    assert_eq!(OlderTag::read("#EXTINF", "2.0"), None);
    let error = |name: &str, value: &str| OlderTag::read(name, value).unwrap().unwrap_err().to_string();
    assert_eq!(error("#EXT-OATCLS-SCTE35", "?"), "#EXT-OATCLS-SCTE35 carries no base64");
    assert_eq!(
        error("#EXT-X-SCTE35", "CUE=\"AAAA\""),
        "#EXT-X-SCTE35 carries no section: table 0x00 is not a splice_info_section (0xfc)"
    );
}

proptest! {
    #[test]
    fn any_range_is_well_formed_and_reads_back(
        id in "\\PC{1,20}|[\"\n\r]x", class in proptest::option::of("\\PC{0,9}"), start in 0u64..1 << 60,
        length in proptest::option::of(0u64..1 << 44), planned in proptest::option::of(0u64..1 << 40),
        next in any::<bool>(), value in "\\PC{0,9}", number in any::<f64>(),
    ) {
        let start = MediaTime::from_nanos(start);
        let range = DateRange {
            id, class, start,
            end: length.map(|nanos| start + Duration::from_nanos(nanos)),
            planned_duration: planned.map(Duration::from_nanos),
            end_on_next: next,
            scte35: Some((Scte35Attribute::Cmd, "0xFC".into())),
            client: vec![("X-T".into(), ClientValue::Text(value)), ("X-N".into(), ClientValue::Number(number))],
        };
        let line = range.to_string();
        prop_assert!(!line.contains(['\n', '\r']));
        let list = strict(&line);
        let read = SourceRange::read(unquoted(&list)).unwrap();
        prop_assert_eq!(read.start_us.unwrap() / 1000, start.unix_millis());
        if let (Some(end_us), Some(duration)) = (read.end_us, read.duration) {
            // END-DATE is START-DATE plus DURATION, to the millisecond that both have.
            prop_assert!((read.start_us.unwrap() + duration.as_micros() as i64 - end_us).abs() < 500);
        }
        prop_assert_eq!(read.end_on_next, next && read.class.is_some() && length.is_none());
    }

    #[test]
    fn hostile_attributes_never_panic(list in vec(("\\PC{0,12}", "\\PC{0,40}"), 0..20), value in "\\PC{0,60}") {
        let _ = SourceRange::read(list.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let known = ["ID", "START-DATE", "END-DATE", "DURATION", "SCTE35-OUT", "SCTE35-IN", "PLANNED-DURATION", "X-A"];
        let _ = SourceRange::read(known.iter().zip(&list).map(|(name, (_, value))| (*name, value.as_str())));
        for name in ["#EXT-X-CUE-OUT", "#EXT-X-CUE-OUT-CONT", "#EXT-OATCLS-SCTE35", "#EXT-X-SCTE35"] {
            let _ = OlderTag::read(name, &value);
        }
    }
}
