//! What is asked of a multivariant playlist, seen by itself.

use std::collections::{BTreeMap, BTreeSet};

use super::finding::Notes;
use super::images;
use super::media_check;
use super::multivariant::{Multivariant, Rendition, Variant};
use super::rules::multivariant as rules;
use super::text::{self, Tag};

/// First letters of the sample formats of pictures.
const VIDEO: &[&str] = &["avc", "hvc", "hev", "dvh", "dva", "vp0", "av01", "dav", "mp4v", "mjpg"];
/// 4.4.6.1.1: what members of corresponding groups may differ in. GROUP-ID is what tells them apart.
const OWN: &[&str] = &["GROUP-ID", "URI", "CHANNELS", "BIT-DEPTH", "STABLE-RENDITION-ID", "INSTREAM-ID", "SAMPLE-RATE"];

pub fn is_video(codec: &str) -> bool {
    VIDEO.iter().any(|format| codec.starts_with(format))
}

pub fn check(playlist: &Multivariant, notes: &mut Notes) {
    media_check::version(playlist.text.tags(), notes);
    if playlist.tags("EXT-X-STREAM-INF").next().is_none() {
        notes.add(&rules::VARIANTS_NONE, None, "no #EXT-X-STREAM-INF", "one at least");
    }
    for rendition in &playlist.renditions {
        media(rendition, notes);
    }
    groups(playlist, notes);
    for variant in &playlist.variants {
        variant_alone(variant, notes);
        resolution(variant, notes);
        references(playlist, variant, &["AUDIO", "VIDEO", "SUBTITLES", "CLOSED-CAPTIONS"], notes);
    }
    for variant in &playlist.iframes {
        variant_alone(variant, notes);
        references(playlist, variant, &["VIDEO"], notes);
    }
    for stream in &playlist.images {
        images::stream(stream, notes);
    }
    together(playlist, notes);
    unused(playlist, notes);
    session(playlist, notes);
}

fn media(rendition: &Rendition, notes: &mut Notes) {
    let tag = &rendition.tag;
    let kind = rendition.kind();
    let has = |name: &str| tag.text(name).is_some();
    if kind == "SUBTITLES" && !has("URI") {
        notes.add(&rules::MEDIA_URI, tag.line, "subtitles without URI", "URI");
    }
    if kind == "CLOSED-CAPTIONS" {
        if has("URI") {
            notes.add(&rules::MEDIA_URI_FORBIDDEN, tag.line, "closed captions with URI", "no URI");
        }
        let id = tag.text("INSTREAM-ID").unwrap_or_default();
        let service = id.strip_prefix("SERVICE").and_then(|n| n.parse::<u8>().ok());
        if !matches!(id, "CC1" | "CC2" | "CC3" | "CC4") && !service.is_some_and(|n| (1..=63).contains(&n)) {
            notes.add(
                &rules::INSTREAM_ID,
                tag.line,
                format!("INSTREAM-ID {id:?}"),
                "CC1 to CC4, SERVICE1 to SERVICE63",
            );
        }
    }
    if tag.is_yes("DEFAULT") && tag.text("AUTOSELECT") == Some("NO") {
        notes.add(&rules::DEFAULT_AUTOSELECT, tag.line, "DEFAULT=YES,AUTOSELECT=NO", "AUTOSELECT=YES, or none");
    }
    if has("FORCED") && kind != "SUBTITLES" {
        notes.add(&rules::FORCED, tag.line, format!("FORCED with TYPE={kind}"), "subtitles");
    }
    for name in ["CHANNELS", "BIT-DEPTH", "SAMPLE-RATE"] {
        if has(name) && kind != "AUDIO" {
            notes.add(&rules::AUDIO_ONLY, tag.line, format!("{name} with TYPE={kind}"), "audio");
        }
    }
    if kind == "AUDIO" {
        match tag.text("CHANNELS") {
            None => notes.add(&rules::CHANNELS_MISSING, tag.line, "no CHANNELS", "CHANNELS"),
            Some(channels) if !text::is_integer(channels.split('/').next().unwrap_or("")) => {
                notes.add(
                    &rules::CHANNELS_FORM,
                    tag.line,
                    format!("CHANNELS={channels:?}"),
                    "a count, then more behind a slash",
                );
            }
            Some(_) => {}
        }
    }
    for name in ["LANGUAGE", "ASSOC-LANGUAGE"] {
        if let Some(language) = tag.text(name).filter(|language| !is_language(language)) {
            notes.add(&rules::LANGUAGE_TAG, tag.line, format!("{name}={language:?}"), "such as en or pt-BR");
        }
    }
    stable_id(tag, "STABLE-RENDITION-ID", notes);
}

/// The form of RFC 5646: subtags of up to eight letters and digits, the first one of letters.
fn is_language(text: &str) -> bool {
    let mut subtags = text.split('-');
    let first = subtags.next().unwrap_or("");
    let good = (2..=8).contains(&first.len()) || matches!(first, "x" | "i");
    good && first.bytes().all(|b| b.is_ascii_alphabetic())
        && subtags.all(|tag| (1..=8).contains(&tag.len()) && tag.bytes().all(|b| b.is_ascii_alphanumeric()))
}

fn stable_id(tag: &Tag, name: &str, notes: &mut Notes) {
    let good = |b: u8| b.is_ascii_alphanumeric() || b"+/=.-_".contains(&b);
    if let Some(id) = tag.text(name).filter(|id| !id.bytes().all(good)) {
        notes.add(&rules::STABLE_ID, tag.line, format!("{name}={id:?}"), "letters, digits and + / = . - _");
    }
}

/// 4.4.6.1.1.
fn groups(playlist: &Multivariant, notes: &mut Notes) {
    let mut groups: BTreeMap<(&str, &str), Vec<&Rendition>> = BTreeMap::new();
    for rendition in &playlist.renditions {
        groups.entry((rendition.kind(), rendition.group())).or_default().push(rendition);
    }
    for members in groups.values() {
        let (mut names, mut chosen, mut defaults) = (BTreeSet::new(), BTreeSet::new(), 0);
        for member in members {
            let tag = &member.tag;
            let name = tag.text("NAME").unwrap_or_default();
            let told_apart = ["LANGUAGE", "ASSOC-LANGUAGE", "FORCED", "CHARACTERISTICS"].map(|name| tag.text(name));
            if !names.insert(name) {
                notes.add(&rules::NAME_REPEATED, tag.line, format!("NAME={name:?} again"), "another name");
            } else if tag.is_yes("AUTOSELECT") && !chosen.insert(told_apart) {
                let found = format!("{name:?} is like another AUTOSELECT member");
                notes.add(&rules::AUTOSELECT_ALIKE, tag.line, found, "another language, forced or characteristics");
            }
            defaults += u32::from(tag.is_yes("DEFAULT"));
            if tag.is_yes("DEFAULT") && defaults == 2 {
                notes.add(&rules::DEFAULT_REPEATED, tag.line, "another DEFAULT=YES", "one");
            }
        }
    }
    let mut first: BTreeMap<&str, (&str, &Vec<&Rendition>)> = BTreeMap::new();
    for ((kind, group), members) in &groups {
        let Some((reference, others)) = first.get(kind) else {
            first.insert(kind, (group, members));
            continue;
        };
        if facts(members) != facts(others) {
            let line = members.first().map(|member| member.tag.line);
            let found = format!("groups {reference:?} and {group:?} of TYPE={kind} differ in members");
            // Renditions that differ in nothing that a viewer or a player could see are the members meant here.
            notes.add(&rules::GROUPS_DIFFER, line, found, "the same members with the same attributes");
        }
    }
}

/// What members are, apart from what may differ.
fn facts<'a>(members: &[&'a Rendition]) -> BTreeSet<BTreeMap<&'a str, &'a str>> {
    members.iter().map(|member| common(&member.tag)).collect()
}

fn common(tag: &Tag) -> BTreeMap<&str, &str> {
    let shared = tag.list.iter().filter(|attribute| !OWN.contains(&attribute.name.as_str()));
    shared.map(|attribute| (attribute.name.as_str(), attribute.value.as_str())).collect()
}

/// What variants of all kinds have.
fn variant_alone(variant: &Variant, notes: &mut Notes) {
    let tag = &variant.tag;
    match tag.text("CODECS") {
        None => notes.add(&rules::CODECS_MISSING, tag.line, "no CODECS", "CODECS"),
        Some(codecs) if !codecs.split(',').all(|codec| is_codec(codec.trim())) => {
            notes.add(&rules::CODECS_FORM, tag.line, format!("CODECS={codecs:?}"), "such as avc1.64001f,mp4a.40.2");
        }
        Some(_) => {}
    }
    if let Some(extra) = tag.text("SUPPLEMENTAL-CODECS") {
        let formats = extra.split(',').all(|element| is_codec(element.trim().split('/').next().unwrap_or("")));
        if !formats || variant.codecs().is_empty() {
            let found = format!("SUPPLEMENTAL-CODECS={extra:?}");
            notes.add(&rules::SUPPLEMENTAL, tag.line, found, "format/brand, and its base in CODECS");
        }
    }
    if let (Some(average), Some(peak)) = (tag.number::<u64>("AVERAGE-BANDWIDTH"), variant.bandwidth_bps())
        && average > peak
    {
        let found = format!("AVERAGE-BANDWIDTH={average}, BANDWIDTH={peak}");
        notes.add(&rules::AVERAGE_ABOVE_PEAK, tag.line, found, "the peak or less");
    }
    if let Some(layout) = tag.text("REQ-VIDEO-LAYOUT")
        && layout.split(',').any(|entry| entry.split('/').any(str::is_empty))
    {
        notes.add(&rules::VIDEO_LAYOUT, tag.line, format!("REQ-VIDEO-LAYOUT={layout:?}"), "no empty entry");
    }
    stable_id(tag, "STABLE-VARIANT-ID", notes);
}

/// `<four characters>[.<more>]` (RFC 6381, 3.3).
fn is_codec(text: &str) -> bool {
    let (format, rest) = text.split_once('.').unwrap_or((text, "-"));
    let graphic = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
    format.len() == 4 && graphic(format) && graphic(rest)
}

fn resolution(variant: &Variant, notes: &mut Notes) {
    let tag = &variant.tag;
    if variant.codecs().iter().any(|codec| is_video(codec)) {
        if tag.text("RESOLUTION").is_none() {
            notes.add(&rules::RESOLUTION_MISSING, tag.line, "pictures without RESOLUTION", "RESOLUTION");
        }
        if tag.text("FRAME-RATE").is_none() {
            notes.add(&rules::FRAME_RATE_MISSING, tag.line, "pictures without FRAME-RATE", "FRAME-RATE");
        }
    }
    if let Some(rate) = tag.text("FRAME-RATE")
        && rate.split_once('.').is_some_and(|(_, digits)| digits.len() > 3)
    {
        notes.add(&rules::FRAME_RATE_DIGITS, tag.line, format!("FRAME-RATE={rate}"), "three decimal places");
    }
}

fn references(playlist: &Multivariant, variant: &Variant, kinds: &[&str], notes: &mut Notes) {
    for kind in kinds {
        let attribute = variant.tag.list.iter().find(|attribute| attribute.name == *kind && attribute.quoted);
        let Some(group) = attribute.map(|attribute| attribute.value.as_str()) else { continue };
        if !playlist.renditions.iter().any(|member| member.kind() == *kind && member.group() == group) {
            let found = format!("{kind}={group:?}");
            notes.add(&rules::GROUP_MISSING, variant.tag.line, found, "the GROUP-ID of an EXT-X-MEDIA of that TYPE");
        }
    }
}

/// What must fit over all variants.
fn together(playlist: &Multivariant, notes: &mut Notes) {
    let variants = || playlist.variants.iter().map(|variant| &variant.tag);
    let scored = variants().filter(|tag| tag.text("SCORE").is_some()).count();
    if scored > 0 && scored < playlist.variants.len() {
        let found = format!("SCORE in {scored} of {} variants", playlist.variants.len());
        notes.add(&rules::SCORE_PARTIAL, None, found, "all or none");
    }
    let says_none = |tag: &Tag| tag.list.iter().any(|a| a.name == "CLOSED-CAPTIONS" && !a.quoted && a.value == "NONE");
    let without = variants().filter(|tag| says_none(tag)).count();
    if without > 0 && without < playlist.variants.len() {
        let line = variants().find(|tag| !says_none(tag)).map(|tag| tag.line);
        let found = format!("CLOSED-CAPTIONS=NONE in {without} of {} variants", playlist.variants.len());
        notes.add(&rules::CAPTIONS_MIXED, line, found, "all or none");
    }
    let mut seen: Vec<[Option<&str>; 3]> = Vec::new();
    for rendition in playlist.renditions.iter().filter(|rendition| rendition.kind() == "AUDIO") {
        let told = ["LANGUAGE", "GROUP-ID", "NAME"].map(|name| rendition.tag.text(name));
        // Repeated names within a group are an error of their own.
        let alike = |other: &[Option<&str>; 3]| other[0] == told[0] && other[2] == told[2] && other[1] != told[1];
        let twin = seen.iter().any(alike);
        let channels = rendition.tag.text("CHANNELS").is_some();
        if twin && !channels {
            let found = format!("NAME={:?} in several groups, without CHANNELS", told[2].unwrap_or_default());
            notes.add(&rules::RENDITION_ALIKE, rendition.tag.line, found, "another language or name, or CHANNELS");
        }
        seen.push(told);
    }
}

fn unused(playlist: &Multivariant, notes: &mut Notes) {
    let mut said = BTreeSet::new();
    for rendition in &playlist.renditions {
        let (kind, group) = (rendition.kind(), rendition.group());
        let mut all = playlist.variants.iter().chain(&playlist.iframes);
        if !group.is_empty() && !all.any(|variant| variant.tag.text(kind) == Some(group)) && said.insert((kind, group))
        {
            let found = format!("group {group:?} of TYPE={kind}");
            notes.add(&rules::GROUP_UNUSED, rendition.tag.line, found, "named by a variant");
        }
    }
}

/// EXT-X-SESSION-DATA, EXT-X-SESSION-KEY and EXT-X-CONTENT-STEERING.
fn session(playlist: &Multivariant, notes: &mut Notes) {
    let mut data = BTreeSet::new();
    for tag in playlist.tags("EXT-X-SESSION-DATA") {
        if tag.text("VALUE").is_some() == tag.text("URI").is_some() {
            notes.add(&rules::SESSION_DATA, tag.line, &tag.value, "VALUE or URI");
        }
        if !data.insert((tag.text("DATA-ID"), tag.text("LANGUAGE"))) {
            notes.add(&rules::SESSION_DATA_REPEATED, tag.line, &tag.value, "another DATA-ID or LANGUAGE");
        }
    }
    let mut keys = BTreeSet::new();
    for tag in playlist.tags("EXT-X-SESSION-KEY") {
        if tag.text("METHOD") == Some("NONE") {
            notes.add(&rules::SESSION_KEY_NONE, tag.line, "METHOD=NONE", "another method");
        } else {
            media_check::key(tag, notes);
        }
        let names = ["METHOD", "URI", "IV", "KEYFORMAT", "KEYFORMATVERSIONS"];
        if !keys.insert(names.map(|name| tag.text(name))) {
            notes.add(&rules::SESSION_KEY_REPEATED, tag.line, &tag.value, "once");
        }
    }
    for tag in playlist.tags("EXT-X-CONTENT-STEERING") {
        let Some(pathway) = tag.text("PATHWAY-ID") else { continue };
        if !playlist.variants.iter().any(|variant| variant.tag.text("PATHWAY-ID").unwrap_or(".") == pathway) {
            notes.add(&rules::STEERING_PATHWAY, tag.line, pathway, "the PATHWAY-ID of a variant");
        }
    }
}
