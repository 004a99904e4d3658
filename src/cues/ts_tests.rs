use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::cues::scte35::encoder::{made, sections};
use crate::cues::scte35::{Command, When};

const PID: u16 = 0x1f0;

/// Packs sections as a sender may: each packet with `room` bytes of payload at most, sections back to back.
fn packets(sections: &[Vec<u8>], room: usize) -> Vec<Vec<u8>> {
    let stream: Vec<u8> = sections.concat();
    let starts: Vec<usize> = sections
        .iter()
        .scan(0, |at, section| {
            let start = *at;
            *at += section.len();
            Some(start)
        })
        .collect();
    let mut packets = Vec::new();
    let mut at = 0;
    while at < stream.len() {
        // With a pointer_field a packet holds one byte less.
        let begins = starts.iter().find(|start| (at..at + room - 1).contains(*start));
        let end = stream.len().min(at + room - usize::from(begins.is_some()));
        let mut payload: Vec<u8> = begins.map(|start| (start - at) as u8).into_iter().collect();
        payload.extend_from_slice(&stream[at..end]);
        packets.push(packet(&payload, begins.is_some(), packets.len() as u8, end == stream.len()));
        at = end;
    }
    packets
}

fn packet(payload: &[u8], begins: bool, counter: u8, stuff: bool) -> Vec<u8> {
    let mut packet = vec![0x47, (PID >> 8) as u8 | if begins { 0x40 } else { 0 }, PID as u8];
    let short = 184 - payload.len();
    if stuff || short == 0 {
        packet.push(0x10 | counter & 15);
        packet.extend_from_slice(payload);
        packet.resize(PACKET_BYTES, 0xff);
        return packet;
    }
    packet.push(0x30 | counter & 15);
    packet.push((short - 1) as u8);
    if short > 1 {
        packet.push(0);
        packet.extend(std::iter::repeat_n(0xff, short - 2));
    }
    packet.extend_from_slice(payload);
    packet
}

fn read(reader: &mut CueReader, packets: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let all = packets.iter().flat_map(|packet| reader.take(packet, |_| None));
    all.map(|timed| timed.unwrap().info.section().to_vec()).collect()
}

fn signal(pts: u64) -> Vec<u8> {
    made(Command::TimeSignal(When::Pts(pts)), Vec::new()).section()
}

#[test]
fn a_stream_is_told_by_its_type_and_its_registration() {
    let registered = b"\x0a\x04eng\x00\x05\x04CUEI";
    assert!(is_cue_stream(0x86, registered, &[]) && is_cue_stream(0x86, &[], registered));
    assert!(!is_cue_stream(0x86, b"\x05\x04HDMV", &[]));
    assert!(!is_cue_stream(0x06, registered, &[]));
    // Cut off.
    assert!(!is_cue_stream(0x86, b"\x05\x04CUE", b"\x05"));
}

#[test]
fn what_is_missing_costs_the_section_it_is_missing_from() {
    let long = made(Command::Private { identifier: 1, bytes: vec![7; 300] }, Vec::new()).section();
    let list = [signal(1), long, signal(2)];
    let all = packets(&list, 100);
    assert_eq!(read(&mut CueReader::new(), &all), list);
    let mut lossy = all.clone();
    lossy.remove(1);
    assert_eq!(read(&mut CueReader::new(), &lossy), [list[0].clone(), list[2].clone()]);
    // Twice in a row is once.
    let twice: Vec<Vec<u8>> = all.iter().flat_map(|packet| [packet.clone(), packet.clone()]).collect();
    assert_eq!(read(&mut CueReader::new(), &twice), list);
    // From the middle of a section on.
    assert_eq!(read(&mut CueReader::new(), &all[2..]), [list[2].clone()]);
    let mut broken = all.clone();
    broken[1][1] |= 0x80;
    assert_eq!(read(&mut CueReader::new(), &broken), [list[0].clone(), list[2].clone()]);
}

#[test]
fn a_jump_that_is_announced_drops_what_was_begun() {
    let long = made(Command::Private { identifier: 1, bytes: vec![7; 200] }, Vec::new()).section();
    let all = packets(&[long], 150);
    let mut reader = CueReader::new();
    assert!(read(&mut reader, &all[..1]).is_empty());
    // discontinuity_indicator, in a packet whose counter goes on.
    let mut jump = packet(&all[1][40..], false, 1, false);
    jump[5] |= 0x80;
    assert!(read(&mut reader, &[jump]).is_empty());
    assert_eq!(read(&mut reader, &packets(&[signal(3)], 184)), [signal(3)]);
}

#[test]
fn a_wrong_checksum_is_told() {
    let mut all = packets(&[signal(1)], 184);
    all[0][10] ^= 1;
    assert_eq!(CueReader::new().take(&all[0], |_| None), [Err(ScteError::Checksum)]);
}

#[test]
fn a_splice_is_brought_to_media_time() {
    let at = MediaTime::from_secs(1_000_000);
    let reference = PtsReference { pts: PTS_MODULUS - 90_000, at };
    let all = packets(&[signal(90_000)], 184);
    let timed = CueReader::new().take(&all[0], |pts| reference.media_time(pts));
    assert_eq!(timed[0].as_ref().unwrap().at, Some(MediaTime::from_secs(1_000_002)));
    assert_eq!(reference.media_time(PTS_MODULUS - 180_000), Some(MediaTime::from_secs(999_999)));
    let early = PtsReference { pts: 90_000, at: MediaTime::ZERO };
    assert_eq!(early.media_time(0), None);
    assert_eq!(early.media_time(90_000), Some(MediaTime::ZERO));
}

proptest! {
    #[test]
    fn sections_come_out_as_they_went_in(all in vec(sections(), 1..6), room in 10usize..=184) {
        let list: Vec<Vec<u8>> = all.iter().map(|made| made.section()).collect();
        prop_assert_eq!(read(&mut CueReader::new(), &packets(&list, room)), list);
    }

    #[test]
    fn hostile_packets_never_panic(all in vec(vec(any::<u8>(), 0..190), 0..20), pointers in any::<bool>()) {
        let mut reader = CueReader::new();
        for (i, mut bytes) in all.into_iter().enumerate() {
            if bytes.len() > 8 {
                bytes.resize(PACKET_BYTES, 0xfc);
                bytes[0] = 0x47;
                bytes[1] &= 0x7f;
                bytes[3] = bytes[3] & 0x30 | i as u8 & 15;
                if pointers {
                    bytes[4] %= 8;
                }
            }
            let _ = reader.take(&bytes, |_| Some(MediaTime::ZERO));
            prop_assert!(reader.section.len() <= LONGEST_SECTION + PACKET_BYTES);
        }
    }

    #[test]
    fn a_time_near_the_reference_is_told_across_the_wrap(pts in 0..PTS_MODULUS, ahead in -(1i64 << 32) + 1..1i64 << 32) {
        let at = MediaTime::from_secs(10_000_000);
        let there = (pts as i64 + ahead).rem_euclid(PTS_MODULUS as i64) as u64;
        let got = PtsReference { pts, at }.media_time(there).unwrap().as_nanos() as i64;
        let exact = at.as_nanos() as i64 + (i128::from(ahead) * 100_000 / 9) as i64;
        prop_assert!((got - exact).abs() <= 1);
    }
}
