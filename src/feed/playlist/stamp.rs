//! What a segment is, and what its first timestamp says: MPEG-TS, fragmented MP4, packed audio.
//!
//! Read here because a demuxer counts from its own beginning: only the bytes say how picture and sound of two playlists, or
//! two variants of one, lie to each other.

use super::stretches::WRAP_NANOS;

const PACKET_BYTES: usize = 188;
const TS_SYNC: u8 = 0x47;
/// An ID3 tag larger than this in front of packed audio is none.
const MAX_ID3_BYTES: usize = 1 << 20;
const ID3_OWNER: &[u8] = b"com.apple.streaming.transportStreamTimestamp\0";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Container {
    TransportStream,
    /// Fragments, to be read after an init section.
    FragmentedMp4,
    /// One elementary stream of sound.
    PackedAudio,
}

impl Container {
    /// Whether timestamps have 33 bits.
    pub const fn wraps(self) -> bool {
        !matches!(self, Self::FragmentedMp4)
    }
}

/// What a segment's bytes say of time, in ns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    pub container: Container,
    /// The first timestamp: of the pictures, where there are any.
    pub first: Option<i64>,
    /// From the first timestamp to the first picture that is shown: where timestamps are those of decoding, it is later.
    pub shown_after: i64,
    /// From the first timestamp to the end of the last picture.
    pub measured: Option<i64>,
    /// The timestamps at which a demuxer that begins with this segment counts zero, of pictures and of sound.
    pub zero: Option<[i64; 2]>,
    /// Bytes at the beginning that are no media.
    pub skip: usize,
}

/// What the tracks of an init section are: their time scales, and which one has the pictures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InitInfo {
    tracks: Vec<TrackInfo>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct TrackInfo {
    id: u32,
    scale: u32,
    picture: bool,
    sample_duration: u32,
    /// By how much its edit list (ISO/IEC 14496-12, 8.6.6) shows it later than its decoding times say, in ns.
    shift: i64,
}

/// Reads what can be read; `None` when this is no media. `init` belongs to a fragmented MP4.
pub fn stamp(bytes: &[u8], init: Option<&InitInfo>) -> Option<Stamp> {
    let (id3, skip) = read_id3(bytes);
    let media = &bytes[skip..];
    if let Some(at) = sync(media) {
        return Some(transport_stream(&media[at..], skip + at));
    }
    if is_mp4(media) {
        return Some(fragments(media, skip, init));
    }
    let packed = match media {
        [0xff, second, ..] => second & 0xe0 == 0xe0,
        [0x0b, 0x77, ..] => true,
        _ => false,
    };
    packed.then_some(Stamp {
        container: Container::PackedAudio,
        first: id3,
        shown_after: 0,
        measured: None,
        zero: id3.map(|id3| [id3; 2]),
        skip,
    })
}

fn of_90_khz(ticks: u64) -> i64 {
    (i128::from(ticks) * 1_000_000_000 / 90_000) as i64
}

/// Where packets begin, within the first one's length: three in a row, or as many as there are.
fn sync(bytes: &[u8]) -> Option<usize> {
    (0..PACKET_BYTES.min(bytes.len())).find(|at| {
        let mut heads = bytes[*at..].iter().step_by(PACKET_BYTES).take(3);
        bytes.len() - at >= PACKET_BYTES && heads.all(|byte| *byte == TS_SYNC)
    })
}

/// Presentation timestamps of one kind of stream, relative to the first: a wrap in the middle does no harm.
#[derive(Default)]
struct Seen {
    first: Option<i64>,
    earliest: i64,
    latest: i64,
    count: i64,
}

impl Seen {
    fn take(&mut self, pts: i64) {
        let first = *self.first.get_or_insert(pts);
        let mut away = pts - first;
        if away > WRAP_NANOS / 2 {
            away -= WRAP_NANOS;
        } else if away < -WRAP_NANOS / 2 {
            away += WRAP_NANOS;
        }
        self.earliest = self.earliest.min(away);
        self.latest = self.latest.max(away);
        self.count += 1;
    }

    fn begins(&self) -> Option<i64> {
        self.first.map(|first| (first + self.earliest).rem_euclid(WRAP_NANOS))
    }

    /// To the end of the last one, which lasts as long as they do on the average.
    fn length(&self) -> Option<i64> {
        let span = self.latest - self.earliest;
        (self.count > 1).then(|| span + span / (self.count - 1))
    }
}

fn transport_stream(bytes: &[u8], skip: usize) -> Stamp {
    let (mut picture, mut sound) = (Seen::default(), Seen::default());
    let mut clock = None;
    for packet in bytes.chunks_exact(PACKET_BYTES) {
        let &[TS_SYNC, flags, _, control, ..] = packet else { continue };
        let mut payload = &packet[4..];
        if control & 0x20 != 0 {
            let length = usize::from(payload[0]);
            if clock.is_none()
                && let [_, fields, a, b, c, d, e, ..] = *payload
                && length >= 7
                && fields & 0x10 != 0
            {
                let base = u64::from(u32::from_be_bytes([a, b, c, d])) << 1 | u64::from(e >> 7);
                clock = Some(of_90_khz(base));
            }
            payload = payload.get(1 + length..).unwrap_or_default();
        }
        // A unit begins here, and it is not scrambled.
        if flags & 0x40 == 0 || control & 0xd0 != 0x10 {
            continue;
        }
        if let Some((kind, pts)) = pes_pts(payload) {
            match kind {
                0xe0..=0xef => picture.take(pts),
                0xbd | 0xc0..=0xdf | 0xfd => sound.take(pts),
                _ => {}
            }
        }
    }
    let ruling = if picture.count > 0 { &picture } else { &sound };
    let first = ruling.begins();
    let zero = clock.or(first).map(|zero| [zero; 2]);
    Stamp { container: Container::TransportStream, first, shown_after: 0, measured: ruling.length(), zero, skip }
}

/// The stream id and the presentation timestamp of a PES packet (ISO/IEC 13818-1, 2.4.3.6).
fn pes_pts(payload: &[u8]) -> Option<(u8, i64)> {
    let &[0, 0, 1, kind, _, _, marker, flags, _, a, b, c, d, e, ..] = payload else { return None };
    if marker & 0xc0 != 0x80 || flags & 0x80 == 0 {
        return None;
    }
    let [a, b, c, d, e] = [a, b, c, d, e].map(u64::from);
    let ticks = (a >> 1 & 7) << 30 | b << 22 | (c >> 1) << 15 | d << 7 | e >> 1;
    Some((kind, of_90_khz(ticks)))
}

/// The timestamp in an ID3 tag at the beginning (RFC 8216, 3.4), and where the tags end.
fn read_id3(bytes: &[u8]) -> (Option<i64>, usize) {
    let mut at = 0;
    let mut found = None;
    while let Some(&[b'I', b'D', b'3', _, _, flags, a, b, c, d]) = bytes.get(at..at + 10) {
        let size = [a, b, c, d].iter().fold(0usize, |size, byte| size << 7 | usize::from(byte & 0x7f));
        let end = at + 10 + size + if flags & 0x10 != 0 { 10 } else { 0 };
        if size > MAX_ID3_BYTES || end > bytes.len() {
            break;
        }
        let tag = &bytes[at + 10..at + 10 + size];
        let owner = tag.windows(ID3_OWNER.len()).position(|window| window == ID3_OWNER);
        let stamp = owner.and_then(|owner| tag.get(owner + ID3_OWNER.len()..)?.first_chunk::<8>());
        found = found.or(stamp.map(|stamp| of_90_khz(u64::from_be_bytes(*stamp) & ((1 << 33) - 1))));
        at = end;
    }
    (found, at)
}

pub(super) fn is_mp4(bytes: &[u8]) -> bool {
    const FIRST: [&[u8]; 9] = [b"ftyp", b"styp", b"moof", b"moov", b"sidx", b"emsg", b"prft", b"free", b"mdat"];
    bytes.get(4..8).is_some_and(|kind| FIRST.contains(&kind))
}

/// The boxes in `bytes`: kind and content. Ends where the sizes make no sense.
pub(super) fn boxes(mut bytes: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    std::iter::from_fn(move || {
        let (head, _) = bytes.split_first_chunk::<8>()?;
        let [a, b, c, d, kind @ ..] = *head;
        let (header, size) = match u32::from_be_bytes([a, b, c, d]) {
            0 => (8, bytes.len()),
            1 => {
                let large = bytes.get(8..16)?.first_chunk::<8>()?;
                (16, usize::try_from(u64::from_be_bytes(*large)).ok()?)
            }
            size => (8, size as usize),
        };
        let content = bytes.get(header..size)?;
        bytes = &bytes[size..];
        Some((kind, content))
    })
}

pub(super) fn child<'a>(bytes: &'a [u8], wanted: &[u8; 4]) -> Option<&'a [u8]> {
    boxes(bytes).find(|(kind, _)| kind == wanted).map(|(_, content)| content)
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

/// Version and flags, then `then` bytes.
pub(super) fn full(bytes: &[u8]) -> Option<(u8, u32, &[u8])> {
    let flags = u32_at(bytes, 0)?;
    Some(((flags >> 24) as u8, flags & 0xff_ffff, &bytes[4..]))
}

impl InitInfo {
    /// Reads an init section; one that makes no sense has no tracks.
    pub fn read(bytes: &[u8]) -> Self {
        let Some(moov) = child(bytes, b"moov") else { return Self::default() };
        let movie_scale = child(moov, b"mvhd")
            .and_then(full)
            .and_then(|(version, _, mvhd)| u32_at(mvhd, if version == 1 { 16 } else { 8 }));
        let movie_scale = movie_scale.unwrap_or(0);
        let mut tracks: Vec<TrackInfo> =
            boxes(moov).filter(|(kind, _)| kind == b"trak").filter_map(|(_, trak)| track(trak, movie_scale)).collect();
        let extends = child(moov, b"mvex").unwrap_or_default();
        for (_, trex) in boxes(extends).filter(|(kind, _)| kind == b"trex") {
            if let (Some(id), Some(duration)) = (u32_at(trex, 4), u32_at(trex, 12))
                && let Some(track) = tracks.iter_mut().find(|track| track.id == id)
            {
                track.sample_duration = duration;
            }
        }
        Self { tracks }
    }
}

fn track(trak: &[u8], movie_scale: u32) -> Option<TrackInfo> {
    let (version, _, tkhd) = full(child(trak, b"tkhd")?)?;
    let id = u32_at(tkhd, if version == 1 { 16 } else { 8 })?;
    let mdia = child(trak, b"mdia")?;
    let (version, _, mdhd) = full(child(mdia, b"mdhd")?)?;
    let scale = u32_at(mdhd, if version == 1 { 16 } else { 8 })?;
    let picture = child(mdia, b"hdlr")?.get(8..12)? == b"vide";
    let shift =
        child(trak, b"edts").and_then(|edts| child(edts, b"elst")).and_then(|elst| shift(elst, scale, movie_scale));
    (scale > 0).then_some(TrackInfo { id, scale, picture, sample_duration: 0, shift: shift.unwrap_or(0) })
}

pub(super) fn in_ns(ticks: i128, scale: u32) -> i64 {
    i64::try_from(ticks * 1_000_000_000 / i128::from(scale.max(1))).unwrap_or(0)
}

/// An empty edit shows what follows later, a media time leaves out what comes before it: sound's priming, pictures' delay.
pub(super) fn shift(elst: &[u8], scale: u32, movie_scale: u32) -> Option<i64> {
    let (version, _, list) = full(elst)?;
    let entries = list.get(4..)?.chunks_exact(if version == 1 { 20 } else { 12 });
    let mut shift = 0i64;
    for entry in entries {
        let (duration, media_time) = if version == 1 {
            let media_time = i64::from_be_bytes(*entry.get(8..)?.first_chunk()?);
            (u64::from_be_bytes(*entry.first_chunk()?), media_time)
        } else {
            let media_time = i32::from_be_bytes(*entry.get(4..)?.first_chunk()?);
            (u64::from(u32_at(entry, 0)?), i64::from(media_time))
        };
        if media_time >= 0 {
            return Some(shift.saturating_sub(in_ns(i128::from(media_time), scale)));
        }
        shift = shift.saturating_add(in_ns(i128::from(duration), movie_scale));
    }
    Some(shift)
}

fn fragments(bytes: &[u8], skip: usize, init: Option<&InitInfo>) -> Stamp {
    let own = init.is_none().then(|| InitInfo::read(bytes));
    let tracks = init.or(own.as_ref()).map(|info| info.tracks.as_slice()).unwrap_or_default();
    let ruling = tracks.iter().find(|track| track.picture).or(tracks.first());
    let mut first = None;
    let mut end = None;
    let mut shown_after = 0;
    if let Some(track) = ruling {
        let ns = |ticks: u64| in_ns(i128::from(ticks), track.scale).saturating_add(track.shift);
        for (_, moof) in boxes(bytes).filter(|(kind, _)| kind == b"moof") {
            for (_, traf) in boxes(moof).filter(|(kind, _)| kind == b"traf") {
                if let Some(Fragment { begins, length, shown_after: after }) = run(traf, track) {
                    if first.is_none() {
                        first = Some(ns(begins));
                        shown_after = in_ns(i128::from(after), track.scale);
                    }
                    end = Some(ns(begins.saturating_add(length)));
                }
            }
        }
    }
    let measured = first.zip(end).map(|(first, end)| end - first).filter(|length| *length > 0);
    let shift_of = |picture: bool| tracks.iter().find(|track| track.picture == picture).map_or(0, |track| track.shift);
    let zero = Some([shift_of(true), shift_of(false)]);
    Stamp { container: Container::FragmentedMp4, first, shown_after, measured, zero, skip }
}

/// A track fragment, in the track's ticks.
struct Fragment {
    /// Its first decode time.
    begins: u64,
    length: u64,
    /// From there to the earliest time of presentation.
    shown_after: i64,
}

/// What a track fragment says of its time; `None` for another track's.
fn run(traf: &[u8], track: &TrackInfo) -> Option<Fragment> {
    let (_, flags, tfhd) = full(child(traf, b"tfhd")?)?;
    if u32_at(tfhd, 0)? != track.id {
        return None;
    }
    let at = 4 + if flags & 1 != 0 { 8 } else { 0 } + if flags & 2 != 0 { 4 } else { 0 };
    let usual = if flags & 8 != 0 { u32_at(tfhd, at)? } else { track.sample_duration };
    let (version, _, tfdt) = full(child(traf, b"tfdt")?)?;
    let begins = if version == 1 { u64::from_be_bytes(*tfdt.first_chunk::<8>()?) } else { u64::from(u32_at(tfdt, 0)?) };
    let mut length = 0u64;
    let mut earliest: Option<i64> = None;
    for (_, trun) in boxes(traf).filter(|(kind, _)| kind == b"trun") {
        let Some((_, flags, trun)) = full(trun) else { continue };
        let count = u32_at(trun, 0)?;
        if flags & 0x900 == 0 {
            earliest.get_or_insert(i64::try_from(length).unwrap_or(i64::MAX));
            length = length.saturating_add(u64::from(count) * u64::from(usual));
            continue;
        }
        let mut at = 4 + if flags & 1 != 0 { 4 } else { 0 } + if flags & 4 != 0 { 4 } else { 0 };
        let sample_bytes = 4 * (flags >> 8 & 0xf).count_ones() as usize;
        for _ in 0..count {
            // A table that ends too soon is one of fewer samples.
            if at + sample_bytes > trun.len() {
                break;
            }
            let duration = if flags & 0x100 != 0 { u32_at(trun, at)? } else { usual };
            // The composition offset comes last. Read as signed in either version (8.8.8): none is as long as two billion ticks.
            let offset = if flags & 0x800 != 0 { u32_at(trun, at + sample_bytes - 4)?.cast_signed() } else { 0 };
            let shown = i64::try_from(length).unwrap_or(i64::MAX).saturating_add(i64::from(offset));
            earliest = Some(earliest.map_or(shown, |earliest| earliest.min(shown)));
            length = length.saturating_add(u64::from(duration));
            at += sample_bytes;
        }
    }
    Some(Fragment { begins, length, shown_after: earliest.unwrap_or(0) })
}
