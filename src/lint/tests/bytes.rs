//! Little segments, written from the clauses and independent of the readers.

pub fn atom(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let size = u32::try_from(body.len() + 8).unwrap();
    [&size.to_be_bytes()[..], kind, body].concat()
}

fn full(kind: &[u8; 4], flags: u32, fields: &[u32], more: &[u8]) -> Vec<u8> {
    let mut body = flags.to_be_bytes().to_vec();
    body.extend(fields.iter().flat_map(|field| field.to_be_bytes()));
    body.extend_from_slice(more);
    atom(kind, &body)
}

/// An init section with one track of number 1 and a timescale of 1000. `transfer`: code point of `colr`.
pub fn init(video: bool, size: (u16, u16), transfer: u16) -> Vec<u8> {
    let entry = if video {
        let mut fields = vec![0; 78];
        fields[24..26].copy_from_slice(&size.0.to_be_bytes());
        fields[26..28].copy_from_slice(&size.1.to_be_bytes());
        let config = atom(b"avcC", &[1, 0x64, 0, 0x1f, 0xff]);
        let colour = [b"nclx".to_vec(), vec![0, 1], transfer.to_be_bytes().to_vec(), vec![0, 1, 0]].concat();
        atom(b"avc1", &[fields, config, atom(b"colr", &colour)].concat())
    } else {
        atom(b"mp4a", &[0; 28])
    };
    let stsd = full(b"stsd", 0, &[1], &entry);
    let stbl = atom(b"stbl", &[stsd, full(b"stts", 0, &[0], &[])].concat());
    let handler = if video { b"vide" } else { b"soun" };
    let hdlr = full(b"hdlr", 0, &[0], handler);
    let mdhd = full(b"mdhd", 0, &[0, 0, 1000, 0], &[]);
    let mdia = atom(b"mdia", &[mdhd, hdlr, atom(b"minf", &stbl)].concat());
    let tkhd = full(b"tkhd", 0, &[0, 0, 1, 0, 0], &[]);
    let trak = atom(b"trak", &[tkhd, mdia].concat());
    let mvex = atom(b"mvex", &full(b"trex", 0, &[1, 1, 0, 0, 0], &[]));
    [atom(b"ftyp", b"iso6\0\0\0\0"), atom(b"moov", &[trak, mvex].concat())].concat()
}

/// A segment of ten samples from `begin_ms` on.
pub fn segment(begin_ms: u64, lasts_ms: u32, first_flags: u32, filling: usize) -> Vec<u8> {
    let tfhd = full(b"tfhd", 0x02_0008, &[1, lasts_ms / 10], &[]);
    let tfdt = full(b"tfdt", 0x0100_0000, &[], &begin_ms.to_be_bytes());
    let trun = full(b"trun", 0x4, &[10, first_flags], &[]);
    let moof = atom(b"moof", &[full(b"mfhd", 0, &[1], &[]), atom(b"traf", &[tfhd, tfdt, trun].concat())].concat());
    [moof, atom(b"mdat", &vec![0; filling])].concat()
}

pub fn packet(pid: u16, payload: &[u8]) -> Vec<u8> {
    let mut made = vec![0x47, 0x40 | (pid >> 8) as u8, pid as u8, 0x30];
    let stuffing = 183 - payload.len();
    made.push(stuffing as u8);
    if stuffing > 0 {
        made.push(0);
        made.resize(4 + 1 + stuffing, 0xff);
    }
    made.extend_from_slice(payload);
    assert_eq!(made.len(), 188);
    made
}

pub fn pat(programs: &[u16]) -> Vec<u8> {
    let entries: Vec<u8> = programs.iter().flat_map(|n| [0, *n as u8, 0xe1, 0x00]).collect();
    let length = 9 + entries.len();
    packet(0, &[&[0, 0, 0xb0, length as u8, 0, 1, 0xc1, 0, 0][..], &entries, &[0; 4]].concat())
}

pub fn pmt() -> Vec<u8> {
    packet(0x100, &[0, 2, 0xb0, 18, 0, 1, 0xc1, 0, 0, 0xe1, 1, 0xf0, 0, 0x1b, 0xe1, 1, 0xf0, 0, 0, 0, 0, 0])
}

/// A picture with a slice of a type.
pub fn picture(pts: Option<u64>, slice: u8) -> Vec<u8> {
    let mut payload = vec![0, 0, 1, 0xe0, 0, 0, 0x80];
    match pts {
        Some(pts) => payload.extend([
            0x80,
            5,
            0x21 | (pts >> 29) as u8 & 0x0e,
            (pts >> 22) as u8,
            (pts >> 14) as u8 | 1,
            (pts >> 7) as u8,
            (pts << 1) as u8 | 1,
        ]),
        None => payload.extend([0, 0]),
    }
    payload.extend([0, 0, 1, slice, 0x88]);
    packet(0x101, &payload)
}

/// Four seconds of ten pictures from `begin_s` on.
pub fn ts(begin_s: u64, first_slice: u8) -> Vec<u8> {
    let mut made = [pat(&[1]), pmt()].concat();
    for index in 0..10 {
        let slice = if index == 0 { first_slice } else { 1 };
        made.extend(picture(Some(begin_s * 90_000 + index * 36_000), slice));
    }
    made
}

/// About four seconds of AAC at 8 kHz behind an ID3 timestamp.
pub fn packed(pts: u64) -> Vec<u8> {
    let owner = b"com.apple.streaming.transportStreamTimestamp\0";
    let frame = [b"PRIV".to_vec(), vec![0, 0, 0, 53, 0, 0], owner.to_vec(), pts.to_be_bytes().to_vec()].concat();
    let mut made = [b"ID3\x04\0\0\0\0\0".to_vec(), vec![frame.len() as u8], frame].concat();
    for _ in 0..31 {
        made.extend([0xff, 0xf1, 0x6c, 0x80, 0x01, 0x00, 0xfc, 0]);
    }
    made
}

pub fn vtt() -> Vec<u8> {
    b"WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:0\n\n00:01.000 --> 00:02.000\nGoal\n".to_vec()
}
