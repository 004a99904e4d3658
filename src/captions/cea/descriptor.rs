//! What a transport stream says of its captions: `caption_service_descriptor()` (ATSC A/65, 6.9.2), tag 0x86.

use super::Service;

/// A service that the stream announces. Whether it ever has text is another matter: see [`super::Decoder::services`].
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Described {
    pub service: Service,
    /// ISO 639-2, three letters.
    pub language: String,
    pub easy_reader: bool,
    /// Made for 16:9.
    pub wide: bool,
}

/// The services of a descriptor's body, without tag and length. What is cut short or no language is left out.
pub fn services_of_descriptor(body: &[u8]) -> Vec<Described> {
    let Some((head, rest)) = body.split_first() else { return Vec::new() };
    let described = |entry: &[u8; 6]| {
        let [l1, l2, l3, number, flags, _] = *entry;
        // digital_cc, a reserved bit, then the service's number or, of line 21, the field in the lowest bit.
        let service = if number & 0x80 != 0 {
            Service::Dtvcc(number & 0x3f)
        } else {
            Service::Line21(if number & 1 == 1 { 3 } else { 1 })
        };
        let letters = [l1, l2, l3];
        let language = letters.iter().all(u8::is_ascii_alphabetic).then(|| letters.map(char::from).iter().collect());
        Some(Described { service, language: language?, easy_reader: flags & 0x80 != 0, wide: flags & 0x40 != 0 })
    };
    rest.as_chunks::<6>().0.iter().take(usize::from(head & 0x1f)).filter_map(described).collect()
}
