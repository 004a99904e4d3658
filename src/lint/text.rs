//! The lines of a playlist: tags, attributes, variables (8216bis 4.1 to 4.3). What is wrong is noted and then read as it was
//! meant, so that one fault does not hide the next.

use std::collections::BTreeMap;

use url::Url;

use super::finding::Notes;
use super::rules::text as rules;
use super::schema::{self, Form, Kind, Type};

/// More lines than this are not read: a day of one-second segments with parts has fewer.
const MAX_LINES: usize = 500_000;
const MAX_VARIABLES: usize = 256;
/// Variables that blow a value up past this are not followed.
const MAX_VALUE_BYTES: usize = 16 << 10;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    pub name: String,
    /// Without quotes, variables put in.
    pub value: String,
    pub quoted: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    pub line: u32,
    /// Without `#`.
    pub name: String,
    pub value: String,
    /// Empty where the tag has no list.
    pub list: Vec<Attribute>,
}

impl Tag {
    pub fn text(&self, name: &str) -> Option<&str> {
        self.list.iter().find(|attribute| attribute.name == name).map(|attribute| attribute.value.as_str())
    }

    pub fn number<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.text(name)?.parse().ok()
    }

    /// Seconds; what is no finite number counts as absent.
    pub fn seconds(&self, name: &str) -> Option<f64> {
        self.number::<f64>(name).filter(|seconds| seconds.is_finite())
    }

    pub fn is_yes(&self, name: &str) -> bool {
        self.text(name) == Some("YES")
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    Tag(Tag),
    Uri { line: u32, text: String },
}

/// A playlist's tags and URIs in order.
#[derive(Clone, Debug, Default)]
pub struct Text {
    pub entries: Vec<Entry>,
    pub variables: Variables,
}

impl Text {
    pub fn tags(&self) -> impl Iterator<Item = &Tag> + Clone {
        self.entries.iter().filter_map(|entry| match entry {
            Entry::Tag(tag) => Some(tag),
            Entry::Uri { .. } => None,
        })
    }

    /// Whether it is a multivariant playlist, as far as its tags tell: the first that belongs to one kind decides.
    pub fn kind(&self) -> Option<Kind> {
        let kind = |tag: &Tag| schema::tag_spec(&tag.name).map(|spec| spec.kind).filter(|kind| *kind != Kind::Both);
        // A stray EXT-X-KEY does not make a media playlist of a list of variants.
        let telling = ["EXT-X-STREAM-INF", "EXTINF", "EXT-X-TARGETDURATION"];
        self.tags().filter(|tag| telling.contains(&tag.name.as_str())).find_map(kind).or(self.tags().find_map(kind))
    }
}

/// The variables of a playlist (8216bis 4.3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variables(BTreeMap<String, String>);

/// Reads the playlist that was found at `url`. `imported` are the variables of its multivariant playlist, if it has one.
pub fn read(bytes: &[u8], url: &Url, imported: Option<&Variables>, notes: &mut Notes) -> Text {
    let text = decoded(bytes, notes);
    let mut reader = Reader { made: Text::default(), url, imported, notes };
    let header = text.split('\n').next().unwrap_or("").trim_end_matches('\r');
    if header != "#EXTM3U" {
        reader.notes.add(&rules::EXTM3U_FIRST, 1, format!("{header:?}"), "#EXTM3U and nothing else");
    }
    for (index, raw) in text.split('\n').take(MAX_LINES).enumerate() {
        let line = u32::try_from(index + 1).unwrap_or(u32::MAX);
        reader.line(line, raw.strip_suffix('\r').unwrap_or(raw));
    }
    placed(&reader.made, reader.notes);
    reader.made
}

/// The text, and what is wrong with its bytes.
fn decoded(bytes: &[u8], notes: &mut Notes) -> String {
    let bare = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if bare.len() != bytes.len() {
        notes.add(&rules::BYTE_ORDER_MARK, 1, "U+FEFF at the beginning", "none");
    }
    let line_of = |at: usize| {
        let before = bare.get(..at).unwrap_or_default();
        u32::try_from(before.iter().filter(|byte| **byte == b'\n').count() + 1).ok()
    };
    if let Err(error) = std::str::from_utf8(bare) {
        notes.add(&rules::NOT_UTF8, line_of(error.valid_up_to()), "bytes that are not UTF-8", "UTF-8");
    }
    let text = String::from_utf8_lossy(bare).into_owned();
    let lone = text.match_indices('\r').find(|(at, _)| text.as_bytes().get(at + 1) != Some(&b'\n'));
    if let Some((at, _)) = lone {
        notes.add(&rules::LONE_CR, line_of(at), "CR without LF", "LF or CRLF");
    }
    // U+0085 is a control character, too, but what makes it harmful is that readers end a line at it. Tabs have a place in a
    // list of date ranges (4.4.5.2).
    let odd = |c: char| c.is_control() && !matches!(c, '\r' | '\n' | '\t' | '\u{85}');
    if let Some((at, c)) = text.char_indices().find(|(_, c)| odd(*c)) {
        notes.add(&rules::CONTROL_CHARACTER, line_of(at), format!("U+{:04X}", u32::from(c)), "CR and LF alone");
    }
    if let Some((at, c)) = text.char_indices().find(|(_, c)| matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}')) {
        notes.add(&rules::LINE_SEPARATOR, line_of(at), format!("U+{:04X}", u32::from(c)), "none");
    }
    // Old Mac line ends are read as they were meant.
    if lone.is_some() && !text.contains('\n') { text.replace('\r', "\n") } else { text }
}

struct Reader<'r, 'n, 'f> {
    made: Text,
    url: &'r Url,
    imported: Option<&'r Variables>,
    notes: &'n mut Notes<'f>,
}

impl Reader<'_, '_, '_> {
    fn line(&mut self, line: u32, raw: &str) {
        let text = raw.trim();
        if text.is_empty() {
            return;
        }
        // A comment may be laid out as its author likes.
        let tag = text.strip_prefix('#').filter(|name| name.starts_with("EXT"));
        if text.starts_with('#') && tag.is_none() {
            return;
        }
        if raw != text && line > 1 {
            self.notes.add(&rules::WHITESPACE, line, format!("{raw:?}"), "no blanks around a line");
        }
        let Some(tag) = tag else {
            let text = self.put_in(line, text);
            self.made.entries.push(Entry::Uri { line, text });
            return;
        };
        let (name, value) = tag.split_once(':').unwrap_or((tag, ""));
        let mut tag = Tag { line, name: name.to_owned(), value: value.to_owned(), list: Vec::new() };
        match schema::tag_spec(name) {
            Some(spec) => self.known(&mut tag, spec.form),
            None => self.notes.add(&rules::TAG_UNKNOWN, line, format!("#{name}"), "tags of 8216bis"),
        }
        self.made.entries.push(Entry::Tag(tag));
    }

    fn known(&mut self, tag: &mut Tag, form: Form) {
        let value = tag.value.as_str();
        let allowed = match form {
            Form::Nothing if value.is_empty() => return,
            Form::Nothing => "nothing behind the tag",
            Form::Integer if is_integer(value) => return,
            Form::Integer => "a decimal integer",
            Form::Positive if is_integer(value) && value.bytes().any(|b| b != b'0') => return,
            Form::Positive => "a decimal integer of at least 1",
            Form::OneOf(values) if values.contains(&value) => return,
            Form::OneOf(_) => "one of the specified values",
            Form::Extinf if is_float(value.split(',').next().unwrap_or("")) => return,
            Form::Extinf => "<duration>,[<title>]",
            Form::Range if range(value).is_some() => return,
            Form::Range => "<n>[@<o>]",
            Form::Date if super::date::parse(value).is_some() => return,
            Form::Date => "an ISO 8601 date with a time",
            Form::List(specs) => return self.list(tag, specs),
        };
        // The first line has its own rule.
        if tag.name != "EXTM3U" || tag.line > 1 {
            self.notes.add(&rules::TAG_VALUE, tag.line, format!("#{}:{value}", tag.name), allowed);
        }
    }

    fn list(&mut self, tag: &mut Tag, specs: &[schema::Spec]) {
        let (mut list, fault) = attributes(&tag.value);
        if let Some(fault) = fault {
            self.notes.add(
                &rules::ATTRIBUTE_LIST,
                tag.line,
                format!("#{}: {fault}", tag.name),
                "NAME=value,NAME=value",
            );
        }
        for index in 0..list.len() {
            if list[..index].iter().any(|before| before.name == list[index].name) {
                self.notes.add(&rules::ATTRIBUTE_REPEATED, tag.line, &list[index].name, "once");
            }
            let value = self.put_in(tag.line, &list[index].value);
            list[index].value = value;
            self.attribute(tag, &list[index], specs);
        }
        for spec in specs.iter().filter(|spec| spec.required) {
            if !list.iter().any(|attribute| attribute.name == spec.name) {
                let found = format!("#{} without {}", tag.name, spec.name);
                self.notes.add(&rules::ATTRIBUTE_MISSING, tag.line, found, spec.name);
            }
        }
        tag.list = list;
        if tag.name == "EXT-X-DEFINE" {
            self.define(tag);
        }
    }

    fn attribute(&mut self, tag: &Tag, attribute: &Attribute, specs: &[schema::Spec]) {
        let Attribute { name, value, quoted } = attribute;
        let Some(spec) = specs.iter().find(|spec| spec.name == name) else {
            // X- is the namespace of others (4.4.5.1).
            if !name.starts_with("X-") {
                self.notes.add(
                    &rules::ATTRIBUTE_UNKNOWN,
                    tag.line,
                    format!("{name} of #{}", tag.name),
                    "attributes of 8216bis",
                );
            }
            return;
        };
        let (good, allowed) = match spec.kind {
            Type::Integer => (!quoted && is_integer(value), "a decimal integer"),
            Type::Float => (!quoted && is_float(value), "a decimal number"),
            Type::Signed => (!quoted && is_float(value.strip_prefix('-').unwrap_or(value)), "a signed decimal number"),
            Type::Hex => (!quoted && hex(value).is_some(), "0x and hexadecimal digits"),
            Type::Quoted => (*quoted, "a quoted string"),
            Type::QuotedOrNone => (*quoted || value == "NONE", "a quoted string or NONE"),
            Type::Resolution => (!quoted && resolution(value).is_some(), "<width>x<height>"),
            Type::OneOf(_) => (!quoted, "an enumerated value without quotes"),
            Type::Any => (true, ""),
        };
        if !good {
            self.notes.add(&rules::ATTRIBUTE_TYPE, tag.line, format!("{name}={value} of #{}", tag.name), allowed);
        } else if let Type::OneOf(values) = spec.kind
            && !values.contains(&value.as_str())
        {
            self.notes.add(&rules::ATTRIBUTE_VALUE, tag.line, format!("{name}={value}"), &values.join(", "));
        }
    }

    /// `text` with each `{$name}` replaced, once: what a value holds is not looked at again (4.3).
    fn put_in(&mut self, line: u32, text: &str) -> String {
        if !text.contains("{$") {
            return text.to_owned();
        }
        let mut made = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{$") {
            made.push_str(before);
            let Some((name, behind)) = after.split_once('}') else {
                rest = after;
                break;
            };
            match self.made.variables.0.get(name) {
                Some(value) => made.push_str(value),
                None => self.notes.add(
                    &rules::VARIABLE_UNDEFINED,
                    line,
                    format!("{{${name}}}"),
                    "a variable that is defined above",
                ),
            }
            if made.len() > MAX_VALUE_BYTES {
                return made;
            }
            rest = behind;
        }
        made.push_str(rest);
        made
    }

    fn define(&mut self, tag: &Tag) {
        let found = ["NAME", "IMPORT", "QUERYPARAM"].map(|kind| tag.text(kind));
        let (name, value) = match found {
            [Some(name), None, None] => match tag.text("VALUE") {
                Some(value) => (name, Some(value.to_owned())),
                None => (name, None),
            },
            [None, Some(name), None] => {
                let value = self.imported.and_then(|known| known.0.get(name).cloned());
                if value.is_none() {
                    self.notes.add(&rules::DEFINE_IMPORT, tag.line, name, "a variable of the multivariant playlist");
                }
                // What is missing is said once, not at every use.
                (name, Some(value.unwrap_or_default()))
            }
            [None, None, Some(name)] => {
                let mut pairs = self.url.query_pairs();
                let value =
                    pairs.find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.into_owned());
                if value.is_none() {
                    self.notes.add(&rules::DEFINE_QUERY, tag.line, name, "a parameter of the playlist's URI");
                }
                (name, Some(value.unwrap_or_default()))
            }
            _ => return self.notes.add(&rules::DEFINE_FORM, tag.line, &tag.value, "one of NAME, IMPORT, QUERYPARAM"),
        };
        if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
            self.notes.add(&rules::DEFINE_NAME, tag.line, name, "letters, digits, - and _");
        }
        let Some(value) = value else {
            return self.notes.add(&rules::DEFINE_FORM, tag.line, &tag.value, "NAME with VALUE");
        };
        if self.made.variables.0.len() < MAX_VARIABLES && self.made.variables.0.insert(name.to_owned(), value).is_some()
        {
            self.notes.add(&rules::VARIABLE_REPEATED, tag.line, name, "once");
        }
    }
}

/// Tags in the wrong kind of playlist, and tags that stand too often.
fn placed(text: &Text, notes: &mut Notes) {
    let Some(kind) = text.kind() else {
        let count = text.entries.len();
        return notes.add(
            &rules::PLAYLIST_KIND,
            None,
            format!("{count} lines, no segments, no variants"),
            "segments or variants",
        );
    };
    let mut seen = std::collections::BTreeSet::new();
    for tag in text.tags() {
        let Some(spec) = schema::tag_spec(&tag.name) else { continue };
        if spec.kind != Kind::Both && spec.kind != kind {
            let allowed =
                if kind == Kind::Media { "tags of media playlists" } else { "tags of multivariant playlists" };
            notes.add(&rules::TAG_MISPLACED, tag.line, format!("#{}", tag.name), allowed);
        }
        if spec.once && !seen.insert(spec.name) {
            notes.add(&rules::TAG_REPEATED, tag.line, format!("#{}", tag.name), "once");
        }
        if kind == Kind::Multivariant && tag.name == "EXT-X-DEFINE" && tag.text("IMPORT").is_some() {
            notes.add(&rules::DEFINE_IMPORT, tag.line, &tag.value, "NAME or QUERYPARAM in a multivariant playlist");
        }
    }
}

/// An attribute list, and the first thing that is wrong with its form.
fn attributes(text: &str) -> (Vec<Attribute>, Option<String>) {
    let (mut list, mut fault) = (Vec::new(), None);
    let mut wrong = |what: &str, at: &str| {
        fault.get_or_insert_with(|| format!("{what} at {:?}", at.chars().take(30).collect::<String>()));
    };
    let mut rest = text;
    while !rest.is_empty() {
        let entry = rest.trim_start();
        if entry.len() != rest.len() {
            wrong("a blank", rest);
        }
        let end = entry.find([',', '=']).unwrap_or(entry.len());
        let (name, behind) = entry.split_at(end);
        let Some(behind) = behind.strip_prefix('=') else {
            wrong("no value", entry);
            rest = behind.get(1..).unwrap_or("");
            continue;
        };
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-') {
            wrong("not a name", entry);
        }
        let (value, quoted, after) = match behind.strip_prefix('"') {
            Some(behind) => {
                let (value, after) = behind.split_once('"').unwrap_or_else(|| {
                    wrong("a quote without an end", entry);
                    (behind, "")
                });
                (value, true, after)
            }
            None => {
                let (value, after) = behind.split_at(behind.find(',').unwrap_or(behind.len()));
                if value.is_empty() || value.contains(['"', ' ', '\t']) {
                    wrong("not a value", entry);
                }
                (value.trim(), false, after)
            }
        };
        list.push(Attribute { name: name.trim().to_owned(), value: value.to_owned(), quoted });
        rest = match after.split_once(',') {
            Some(("", behind)) => {
                if behind.is_empty() {
                    wrong("a comma at the end", after);
                }
                behind
            }
            Some((between, behind)) => {
                wrong("something between value and comma", between);
                behind
            }
            None => {
                if !after.is_empty() {
                    wrong("something behind the last value", after);
                }
                ""
            }
        };
    }
    (list, fault)
}

/// A decimal integer of at most 20 digits (4.2).
pub fn is_integer(text: &str) -> bool {
    (1..=20).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u64>().is_ok()
}

/// A non-negative decimal number (4.2): no sign, no exponent.
pub fn is_float(text: &str) -> bool {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    !whole.is_empty() && digits(whole) && digits(fraction) && text.parse::<f64>().is_ok_and(f64::is_finite)
}

/// The digits of `0x…`.
pub fn hex(text: &str) -> Option<&str> {
    let digits = text.strip_prefix("0x").or(text.strip_prefix("0X"))?;
    (!digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit())).then_some(digits)
}

/// `<n>[@<o>]`: length, and offset if there is one.
pub fn range(text: &str) -> Option<(u64, Option<u64>)> {
    let (length, offset) = match text.split_once('@') {
        Some((length, offset)) => (length, Some(offset)),
        None => (text, None),
    };
    let number = |text: &str| is_integer(text).then(|| text.parse().ok()).flatten();
    Some((
        number(length)?,
        match offset {
            Some(offset) => Some(number(offset)?),
            None => None,
        },
    ))
}

/// `<width>x<height>`.
pub fn resolution(text: &str) -> Option<(u32, u32)> {
    let (width, height) = text.split_once('x')?;
    let number = |text: &str| is_integer(text).then(|| text.parse().ok()).flatten();
    Some((number(width)?, number(height)?))
}
