//! Text in fragmented MP4 (ISO/IEC 14496-30): the samples, when they are, and what WebVTT in them says.

use super::stamp::{boxes, child, full, in_ns, is_mp4, shift, u32_at};
use crate::captions::{Text, webvtt};

/// Samples of one segment that are read, and cues in them.
const MOST_SAMPLES: usize = 4096;
/// Styles and regions of a WebVTT track; it is read with every cue.
const MAX_HEADER_BYTES: usize = 16 << 10;

/// What an init section says of its track of text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TextForm {
    scale: u32,
    /// How long samples are that do not say it, in ticks.
    usual: u32,
    /// By how much an edit list shows them later, in ns.
    shift: i64,
    /// What stands in front of the cues of WebVTT; `None` of anything else.
    webvtt: Option<String>,
}

/// A sample by its track's own clock, in ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample<'a> {
    pub bytes: &'a [u8],
    begins: u64,
    lasts: u32,
}

/// A cue by the track's clock, in ns.
#[derive(Clone, Debug, PartialEq)]
pub struct BoxedCue {
    pub start: i64,
    pub end: i64,
    pub text: Text,
}

impl TextForm {
    /// Reads an init section, or a segment that has its own. The first track with a time scale is taken.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let moov = child(bytes, b"moov")?;
        let movie_scale = child(moov, b"mvhd").and_then(full);
        let movie_scale = movie_scale.and_then(|(version, _, mvhd)| u32_at(mvhd, if version == 1 { 16 } else { 8 }));
        let extends = child(moov, b"mvex").and_then(|mvex| child(mvex, b"trex"));
        let usual = extends.and_then(|trex| u32_at(trex, 12)).unwrap_or(0);
        boxes(moov).filter(|(kind, _)| kind == b"trak").find_map(|(_, trak)| {
            let mdia = child(trak, b"mdia")?;
            let (version, _, mdhd) = full(child(mdia, b"mdhd")?)?;
            let scale = u32_at(mdhd, if version == 1 { 16 } else { 8 }).filter(|scale| *scale > 0)?;
            let edits = child(trak, b"edts").and_then(|edts| child(edts, b"elst"));
            let shift = edits.and_then(|elst| shift(elst, scale, movie_scale.unwrap_or(0))).unwrap_or(0);
            let table = child(mdia, b"minf").and_then(|minf| child(minf, b"stbl"));
            let entries = table.and_then(|stbl| child(stbl, b"stsd")).and_then(|stsd| stsd.get(8..));
            Some(Self { scale, usual, shift, webvtt: entries.and_then(header) })
        })
    }

    fn ns(&self, ticks: u64) -> i64 {
        in_ns(i128::from(ticks), self.scale).saturating_add(self.shift)
    }

    /// The cues of a segment's samples; `None` where they are not WebVTT in boxes.
    pub fn webvtt(&self, samples: &[Sample<'_>]) -> Option<Vec<BoxedCue>> {
        let header = self.webvtt.as_deref()?;
        let mut cues: Vec<BoxedCue> = Vec::new();
        let all = samples.iter().flat_map(|sample| {
            let vttc = boxes(sample.bytes).filter(|(kind, _)| kind == b"vttc");
            vttc.map(move |(_, vttc)| (sample, vttc))
        });
        // A sample may hold any number, and with each the header is read.
        for (sample, vttc) in all.take(MOST_SAMPLES) {
            let (start, end) = (self.ns(sample.begins), self.ns(sample.begins.saturating_add(sample.lasts.into())));
            let Some(text) = text(header, vttc) else { continue };
            // Whatever begins or ends while a cue stands cuts it into samples.
            match cues.iter_mut().find(|cue| cue.end == start && cue.text == text) {
                Some(cue) => cue.end = end,
                None => cues.push(BoxedCue { start, end, text }),
            }
        }
        Some(cues)
    }
}

/// The WebVTT header in a `wvtt` sample entry, which follows eight bytes that all entries have.
fn header(entries: &[u8]) -> Option<String> {
    let entry = child(entries, b"wvtt")?;
    let config = entry.get(8..).and_then(|boxes| child(boxes, b"vttC")).unwrap_or_default();
    let config = String::from_utf8_lossy(&config[..config.len().min(MAX_HEADER_BYTES)]).into_owned();
    Some(if config.starts_with("WEBVTT") { config } else { "WEBVTT".to_owned() })
}

/// The text of a cue in a box, read as one of a WebVTT file.
fn text(header: &str, vttc: &[u8]) -> Option<Text> {
    let line = |kind: &[u8; 4]| {
        let line = String::from_utf8_lossy(child(vttc, kind).unwrap_or_default()).replace(['\n', '\r'], " ");
        line.replace("-->", "")
    };
    let payload = String::from_utf8_lossy(child(vttc, b"payl")?);
    // An empty line would end it.
    let payload: Vec<&str> = payload.lines().filter(|line| !line.trim().is_empty()).collect();
    let cue = format!("{}\n00:00:00.000 --> 00:00:01.000 {}\n{}\n", line(b"iden"), line(b"sttg"), payload.join("\n"));
    let document = webvtt::read(&format!("{}\n\n{cue}", header.trim_end())).ok()?;
    document.cues.into_iter().next().map(|cue| cue.text)
}

/// The samples of text in a segment, in order (ISO/IEC 14496-12, 8.8); none where it is something else. One track is taken to be in it.
pub fn samples<'a>(bytes: &'a [u8], form: Option<&TextForm>) -> Vec<Sample<'a>> {
    if !is_mp4(bytes) {
        return Vec::new();
    }
    let usual = form.map_or(0, |form| form.usual);
    let mut told: Vec<Told> = Vec::new();
    let mut samples = Vec::new();
    for (kind, content) in boxes(bytes) {
        match &kind {
            b"moof" => {
                told = boxes(content)
                    .filter(|(kind, _)| kind == b"traf")
                    .filter_map(|(_, traf)| fragment(traf, usual))
                    .flatten()
                    .take(MOST_SAMPLES)
                    .collect();
            }
            b"mdat" => {
                let mut rest = content;
                for Told { begins, lasts, size } in told.drain(..) {
                    // Where sizes are left to the defaults there is one sample.
                    let size = size.map_or(rest.len(), |size| size as usize);
                    let Some((bytes, after)) = rest.split_at_checked(size) else { break };
                    samples.extend((!bytes.is_empty()).then_some(Sample { bytes, begins, lasts }));
                    rest = after;
                }
            }
            _ => {}
        }
    }
    samples.truncate(MOST_SAMPLES);
    samples
}

/// What a fragment tells of a sample.
struct Told {
    begins: u64,
    lasts: u32,
    size: Option<u32>,
}

fn fragment(traf: &[u8], usual: u32) -> Option<Vec<Told>> {
    let (_, flags, tfhd) = child(traf, b"tfhd").and_then(full).unwrap_or((0, 0, &[]));
    let mut at = 4 + if flags & 1 != 0 { 8 } else { 0 } + if flags & 2 != 0 { 4 } else { 0 };
    let mut default = |bit: u32| {
        let value = (flags & bit != 0).then(|| u32_at(tfhd, at)).flatten();
        at += if flags & bit != 0 { 4 } else { 0 };
        value
    };
    let (usual, usual_size) = (default(8).unwrap_or(usual), default(0x10));
    let mut begins = child(traf, b"tfdt").and_then(full).map_or(Some(0), |(version, _, tfdt)| match version {
        1 => tfdt.first_chunk::<8>().map(|time| u64::from_be_bytes(*time)),
        _ => u32_at(tfdt, 0).map(u64::from),
    })?;
    let mut told = Vec::new();
    for (_, trun) in boxes(traf).filter(|(kind, _)| kind == b"trun") {
        let Some((_, flags, trun)) = full(trun) else { continue };
        let count = u32_at(trun, 0)?.min(u32::try_from(MOST_SAMPLES).unwrap_or(u32::MAX));
        let mut at = 4 + if flags & 1 != 0 { 4 } else { 0 } + if flags & 4 != 0 { 4 } else { 0 };
        let entry = 4 * (flags >> 8 & 0xf).count_ones() as usize;
        for _ in 0..count {
            // A table that ends too soon is one of fewer samples.
            if at + entry > trun.len() || told.len() >= MOST_SAMPLES {
                break;
            }
            let own = |bit: u32, offset: usize| (flags & bit != 0).then(|| u32_at(trun, at + offset)).flatten();
            let lasts = own(0x100, 0).unwrap_or(usual);
            let size = own(0x200, if flags & 0x100 != 0 { 4 } else { 0 }).or(usual_size);
            told.push(Told { begins, lasts, size });
            begins = begins.saturating_add(lasts.into());
            at += entry;
        }
    }
    Some(told)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn boxed(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
        [&(content.len() as u32 + 8).to_be_bytes()[..], kind, content].concat()
    }

    fn init(entry: &[u8]) -> Vec<u8> {
        let mdhd = [&[0; 12][..], &1000u32.to_be_bytes(), &[0; 8]].concat();
        let stsd = boxed(b"stsd", &[&[0, 0, 0, 0, 0, 0, 0, 1][..], entry].concat());
        let minf = boxed(b"minf", &boxed(b"stbl", &stsd));
        let trak = boxed(b"trak", &boxed(b"mdia", &[boxed(b"mdhd", &mdhd), minf].concat()));
        let trex = boxed(b"trex", &[0u32, 1, 1, 500, 0, 0].map(u32::to_be_bytes).concat());
        boxed(b"moov", &[trak, boxed(b"mvex", &trex)].concat())
    }

    fn webvtt_init(header: &str) -> Vec<u8> {
        init(&boxed(b"wvtt", &[&[0, 0, 0, 0, 0, 0, 0, 1][..], &boxed(b"vttC", header.as_bytes())].concat()))
    }

    /// A fragment that begins at `begins`, of samples with their lengths in ticks.
    fn segment(begins: u64, samples: &[(u32, Vec<u8>)]) -> Vec<u8> {
        let tfhd = boxed(b"tfhd", &[0, 0, 0, 0, 0, 0, 0, 1]);
        let tfdt = boxed(b"tfdt", &[&[1, 0, 0, 0][..], &begins.to_be_bytes()].concat());
        let mut trun = [&[0, 0, 3, 0][..], &(samples.len() as u32).to_be_bytes()].concat();
        for (lasts, bytes) in samples {
            trun.extend([*lasts, bytes.len() as u32].map(u32::to_be_bytes).concat());
        }
        let moof = boxed(b"moof", &boxed(b"traf", &[tfhd, tfdt, boxed(b"trun", &trun)].concat()));
        let media: Vec<u8> = samples.iter().flat_map(|(_, bytes)| bytes.clone()).collect();
        [moof, boxed(b"mdat", &media)].concat()
    }

    fn cue(settings: &str, payload: &str) -> Vec<u8> {
        let inner = [boxed(b"iden", b"1"), boxed(b"sttg", settings.as_bytes()), boxed(b"payl", payload.as_bytes())];
        boxed(b"vttc", &inner.concat())
    }

    #[test]
    fn webvtt_in_boxes_is_what_it_is_in_a_file_and_samples_that_go_on_are_one_cue() {
        let form = TextForm::read(&webvtt_init("WEBVTT\n\nSTYLE\n::cue(b) { color: #ff0000 }")).unwrap();
        let (long, short) = (cue("line:10% align:start", "<b>Goal</b>\nfor the hawks"), cue("", "Cheers"));
        let both = [long.clone(), short].concat();
        let bytes = segment(7_000, &[(250, boxed(b"vtte", &[])), (1_000, long.clone()), (500, both), (750, long)]);
        let samples = samples(&bytes, Some(&form));
        assert_eq!(samples.len(), 4);
        let cues = form.webvtt(&samples).unwrap();
        let times: Vec<_> =
            cues.iter().map(|cue| (cue.start / 1_000_000, cue.end / 1_000_000, cue.text.text())).collect();
        assert_eq!(times, [(7_250, 9_500, "Goal\nfor the hawks".into()), (8_250, 8_750, "Cheers".into())]);
        let file = "WEBVTT\n\nSTYLE\n::cue(b) { color: #ff0000 }\n\n1\n00:07.250 --> 00:09.500 line:10% align:start\n<b>Goal</b>\nfor the hawks\n";
        assert_eq!(cues[0].text, webvtt::read(file).unwrap().cues[0].text);
    }

    #[test]
    fn lengths_and_sizes_may_be_left_to_defaults() {
        let form = TextForm::read(&webvtt_init("WEBVTT")).unwrap();
        let tfhd = boxed(b"tfhd", &[0, 0, 0, 0, 0, 0, 0, 1]);
        let trun = boxed(b"trun", &[0, 0, 0, 0, 0, 0, 0, 1]);
        let moof = boxed(b"moof", &boxed(b"traf", &[tfhd, trun].concat()));
        let bytes = [moof, boxed(b"mdat", &cue("", "A"))].concat();
        let cues = form.webvtt(&samples(&bytes, Some(&form))).unwrap();
        assert_eq!((cues[0].start, cues[0].end), (0, 500_000_000));
    }

    #[test]
    fn a_sample_of_very_many_cues_is_read_as_far_as_a_segment_is() {
        let form = TextForm::read(&webvtt_init("WEBVTT")).unwrap();
        let many: Vec<u8> = (0..6000).flat_map(|n| cue("", &format!("cue {n}"))).collect();
        let bytes = segment(0, &[(1_000, many)]);
        assert_eq!(form.webvtt(&samples(&bytes, Some(&form))).unwrap().len(), MOST_SAMPLES);
    }

    #[test]
    fn ttml_in_boxes_is_no_webvtt() {
        let form = TextForm::read(&init(&boxed(b"stpp", &[0; 16]))).unwrap();
        assert_eq!(form.webvtt(&[]), None);
        assert_eq!(TextForm::read(b"no boxes"), None);
    }

    proptest! {
        #[test]
        fn whatever_the_bytes_are_no_more_is_read_than_there_is(
            flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12), cut in any::<prop::sample::Index>(),
        ) {
            let mut bytes = segment(7_000, &[(250, cue("line:0", "A\nB")), (1_000, cue("", "C"))]);
            let mut head = webvtt_init("WEBVTT");
            for (at, value) in flips {
                let (at, of) = (at.index(bytes.len() + head.len()), head.len());
                if at < of { head[at] = value } else { bytes[at - of] = value }
            }
            bytes.truncate(cut.index(bytes.len() + 1));
            let form = TextForm::read(&head);
            let samples = samples(&bytes, form.as_ref());
            prop_assert!(samples.iter().map(|sample| sample.bytes.len()).sum::<usize>() <= bytes.len());
            if let Some(form) = form {
                prop_assert!(form.webvtt(&samples).unwrap_or_default().len() <= MOST_SAMPLES);
            }
        }
    }
}
