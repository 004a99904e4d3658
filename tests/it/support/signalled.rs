//! Transport streams of FFmpeg's with cues put in (ANSI/SCTE 35 2023; ISO/IEC 13818-1), byte by byte: nothing of the service's own is used for it.

const PACKET: usize = 188;
const CUE_PID: u16 = 0x1ee;

/// A splice_insert, by the pictures of the stream.
#[derive(Clone, Copy, Debug)]
pub struct SpliceInsert {
    pub event_id: u32,
    pub out: bool,
    /// The first picture that is out, or in again.
    pub frame: u32,
    pub duration_frames: Option<u32>,
}

/// `stream`, of 30 pictures a second, with each cue in front of the picture of the number given.
pub fn signalled(stream: &[u8], cues: &[(u32, SpliceInsert)]) -> Vec<u8> {
    let packets: Vec<&[u8]> = stream.chunks_exact(PACKET).collect();
    let pid = |packet: &[u8]| u16::from(packet[1] & 0x1f) << 8 | u16::from(packet[2]);
    let section = |of: u16| {
        let packet = packets.iter().find(|packet| pid(packet) == of && packet[1] & 0x40 != 0).unwrap();
        let begin = if packet[3] & 0x20 != 0 { 5 + usize::from(packet[4]) } else { 4 };
        let section = &packet[begin + 1 + usize::from(packet[begin])..];
        section[..3 + (usize::from(section[1] & 0x0f) << 8 | usize::from(section[2]))].to_vec()
    };
    let pat = section(0);
    let pmt_pid = u16::from(pat[10] & 0x1f) << 8 | u16::from(pat[11]);
    let mut pmt = section(pmt_pid);
    let mut at = 12 + usize::from(pmt[11]);
    while pmt[at] != 0x1b {
        at += 5 + usize::from(pmt[at + 4]);
    }
    let picture_pid = u16::from(pmt[at + 1] & 0x1f) << 8 | u16::from(pmt[at + 2]);
    pmt.truncate(pmt.len() - 4);
    // Registered in the stream's own descriptors.
    pmt.extend([0x86, 0xe0 | (CUE_PID >> 8) as u8, CUE_PID as u8, 0xf0, 6, 5, 4]);
    pmt.extend(b"CUEI");
    pmt[2] = (pmt.len() + 4 - 3) as u8;
    let pmt = sealed(pmt);

    let pts_of = |packet: &[u8]| {
        let begin = if packet[3] & 0x20 != 0 { 5 + usize::from(packet[4]) } else { 4 };
        let pts = &packet[begin + 9..begin + 14];
        let bits = |at: usize, shift: u32, mask: u8| u64::from(pts[at] >> 1 & mask) << shift;
        bits(0, 30, 7) | u64::from(pts[1]) << 22 | bits(2, 15, 0x7f) | u64::from(pts[3]) << 7 | bits(4, 0, 0x7f)
    };
    let begins_picture = |packet: &[u8]| pid(packet) == picture_pid && packet[1] & 0x40 != 0;
    let first = packets.iter().filter(|packet| begins_picture(packet)).map(|packet| pts_of(packet)).min().unwrap();
    let mut out = Vec::with_capacity(stream.len() + PACKET * cues.len());
    let mut counter = 0;
    for packet in packets {
        if pid(packet) == pmt_pid {
            out.extend(in_packet(pmt_pid, packet[3] & 0x0f, &pmt));
            continue;
        }
        if begins_picture(packet) {
            let frame = (pts_of(packet) - first) / 3000;
            for (_, cue) in cues.iter().filter(|(before, _)| u64::from(*before) == frame) {
                out.extend(in_packet(CUE_PID, counter, &cue.section(first)));
                counter = (counter + 1) % 16;
            }
        }
        out.extend(packet);
    }
    out
}

impl SpliceInsert {
    /// Its splice_info_section, in a stream whose first picture is stamped `first_pts`.
    pub fn section(&self, first_pts: u64) -> Vec<u8> {
        let time = |ticks: u64| {
            let mut bytes = vec![0xfe | (ticks >> 32) as u8];
            bytes.extend((ticks as u32).to_be_bytes());
            bytes
        };
        let mut command = self.event_id.to_be_bytes().to_vec();
        let flags = 0x4f | u8::from(self.out) << 7 | u8::from(self.duration_frames.is_some()) << 5;
        command.extend([0x7f, flags]);
        command.extend(time(first_pts + u64::from(self.frame) * 3000));
        if let Some(frames) = self.duration_frames {
            // With its first bit it returns by itself.
            command.extend(time(u64::from(frames) * 3000));
        }
        command.extend([0, 1, 0, 0]);
        let mut section =
            vec![0xfc, 0x30, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xf0 | (command.len() >> 8) as u8, command.len() as u8, 5];
        section.extend(command);
        section.extend([0, 0]);
        section[2] = (section.len() + 4 - 3) as u8;
        sealed(section)
    }
}

fn in_packet(pid: u16, counter: u8, section: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x47, 0x40 | (pid >> 8) as u8, pid as u8, 0x10 | counter, 0];
    packet.extend(section);
    assert!(packet.len() <= PACKET, "it fits a packet");
    packet.resize(PACKET, 0xff);
    packet
}

/// With its CRC-32 (13818-1, annex A).
pub fn sealed(mut section: Vec<u8>) -> Vec<u8> {
    let crc = section.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte) << 24, |crc, _| crc << 1 ^ if crc >> 31 == 1 { 0x04c1_1db7 } else { 0 })
    });
    section.extend(crc.to_be_bytes());
    section
}
