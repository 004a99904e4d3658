//! What is read in front of decoders: tables of transport streams, sizes of pictures, frames of sound, captions in pictures.
#![no_main]

#[allow(dead_code, unused_imports)]
#[path = "../../src/cadence/mod.rs"]
mod cadence;
#[allow(dead_code, unused_imports)]
#[path = "../../src/captions/mod.rs"]
mod captions;
#[allow(dead_code, unused_imports)]
#[path = "../../src/cues/mod.rs"]
mod cues;
#[allow(dead_code, unused_imports, private_interfaces)]
mod feed;
#[allow(dead_code, unused_imports)]
#[path = "../../src"]
mod rooms {
    pub mod frame;
}
#[allow(dead_code, unused_imports)]
#[path = "../../src/timeline/mod.rs"]
mod timeline;

use arbitrary::Arbitrary;
use captions::cea;
use feed::pipeline::checks;
use frame::CodedSound;
use libfuzzer_sys::fuzz_target;
use rooms::frame;

#[derive(Arbitrary, Debug)]
enum Input<'a> {
    Packets(Vec<checks::Packet>),
    Programme(checks::Programme),
    H264(checks::H264, bool),
    Hevc(checks::Hevc),
    Units(u8, Vec<(&'a [u8], Option<i64>, bool)>),
    A52([u8; 4], &'a [u8]),
    Aac(&'a [u8], (u8, u8), (u8, u8)),
    Sei(bool, Vec<(u16, &'a [u8])>),
    Services(&'a [u8]),
}

fuzz_target!(|input: Input<'_>| match input {
    Input::Packets(packets) => checks::packets(&packets),
    Input::Programme(programme) => checks::programme(&programme),
    Input::H264(sps, fields) => checks::h264(&sps, fields),
    Input::Hevc(sps) => checks::hevc(&sps),
    Input::Units(coding, units) => checks::units(coding, &units),
    Input::A52(head, rest) => {
        // A head with its sync word, and what came.
        let bytes = [&[0x0b, 0x77][..], &head, rest].concat();
        for bytes in [&bytes[..], rest] {
            if let Some(frame) = CodedSound::a52_frame(bytes) {
                named(frame.form);
                assert_eq!(frame.data, bytes);
            }
        }
    }
    Input::Aac(bytes, core, decoded) => {
        const RATES: [u32; 4] = [24_000, 48_000, 44_100, 0];
        let shape = |(rate, channels): (u8, u8)| (RATES[usize::from(rate % 4)], u32::from(channels % 10));
        if let Some(frame) = CodedSound::aac_frame(bytes, shape(core), shape(decoded)) {
            named(frame.form);
            assert!(bytes.ends_with(frame.data) || frame.data.len() < bytes.len());
        }
    }
    Input::Sei(hevc, payloads) => sei(hevc, &payloads),
    Input::Services(body) => {
        let services = cea::services_of_descriptor(body);
        assert!(services.len() <= 31);
    }
});

/// What is handed on is named in playlists, and the name says which it is.
fn named(form: CodedSound) {
    assert!((1..=8).contains(&form.channels()) && form.frame_samples() > 0);
    assert_eq!(form.to_string().parse(), Ok(form));
}

/// Captions of the data that pictures carry for their users: one for each that holds them, and no more bytes than came.
fn sei(hevc: bool, payloads: &[(u16, &[u8])]) {
    let mut nal = if hevc { vec![39 << 1, 1] } else { vec![6] };
    for (kind, payload) in payloads {
        // Every other one says that it is what captions come in.
        let head: &[u8] = if kind & 1 == 0 { &[0xb5, 0, 0x31, b'G', b'A', b'9', b'4', 3] } else { &[] };
        let mut put = |mut number: usize| {
            while number >= 255 {
                nal.push(255);
                number -= 255;
            }
            nal.push(number as u8);
        };
        put(if kind & 1 == 0 { 4 } else { usize::from(*kind) });
        put(head.len() + payload.len());
        nal.extend_from_slice(head);
        nal.extend_from_slice(payload);
    }
    let found = if hevc { cea::cc_data_of_h265(&nal) } else { cea::cc_data_of_h264(&nal) };
    assert!(found.iter().map(Vec::len).sum::<usize>() <= nal.len());
}
