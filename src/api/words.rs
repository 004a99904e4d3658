//! What is wrong with a body or a query, in the contract's words: serde's own messages name types of Rust.

use super::problem::{Code, Problem};

/// Characters of a wrong text that a refusal repeats.
const REPEATED: usize = 40;

/// A mistake in a value, as serde told it.
#[derive(Debug, PartialEq, Eq)]
pub struct Mistake {
    pub code: Code,
    /// Where it is: `games[2]`; empty for the whole.
    pub place: String,
    pub detail: String,
    /// What would do, where that can be listed.
    pub allowed: Vec<String>,
}

impl Mistake {
    /// Reads serde's `message` about the value at `place`.
    pub fn read(place: &str, message: &str) -> Self {
        // Where in the text it is says nothing to whoever is told the field.
        let message = message.rsplit_once(" at line ").map_or(message, |(message, _)| message);
        let mistake =
            |place: String, detail: String, allowed| Self { code: Code::FieldInvalid, place, detail, allowed };
        if let Some(name) = quoted(message, "missing field ") {
            return mistake(inside(place, name), format!("The field {name:?} is missing."), Vec::new());
        }
        if let Some(name) = quoted(message, "duplicate field ") {
            return mistake(at(place, name), format!("{name:?} is given more than once."), Vec::new());
        }
        if let Some((name, allowed)) = named_and_allowed(message, "unknown field ") {
            let known = if allowed.is_empty() { "none".to_owned() } else { allowed.join(", ") };
            let detail = format!("There is no field {name:?}; the fields are {known}.");
            return Self { code: Code::FieldUnknown, place: at(place, name), detail, allowed };
        }
        if let Some((name, allowed)) = named_and_allowed(message, "unknown variant ") {
            let detail = format!("It cannot be {:?}; allowed are {}.", shortened(name), allowed.join(", "));
            return mistake(place.to_owned(), detail, allowed);
        }
        for start in ["invalid type: ", "invalid value: ", "invalid length "] {
            let parts = message.strip_prefix(start).and_then(|rest| rest.rsplit_once(", expected "));
            if let Some((given, wanted)) = parts {
                let is_bool = wanted == "a boolean";
                let allowed = if is_bool { vec!["true".to_owned(), "false".to_owned()] } else { Vec::new() };
                let detail = format!("It must be {}, not {}.", wanted_in_words(wanted), given_in_words(given));
                return mistake(place.to_owned(), detail, allowed);
            }
        }
        let (detail, allowed) = plain(message);
        mistake(place.to_owned(), detail, allowed)
    }

    /// The refusal of a body with it.
    pub fn in_body(self) -> Problem {
        let Self { code, place, detail, allowed } = self;
        let problem = Problem::new(code, detail).with("field", place);
        if allowed.is_empty() { problem } else { problem.with("allowed", allowed) }
    }

    /// The refusal of a query with it.
    pub fn in_query(self) -> Problem {
        let detail = match self.code {
            Code::FieldUnknown => {
                self.detail.replace("no field", "no parameter").replace("the fields", "the parameters")
            }
            _ => self.detail.replace("The field", "The parameter"),
        };
        let problem = Problem::parameter(&self.place, detail);
        if self.allowed.is_empty() { problem } else { problem.with("allowed", self.allowed) }
    }
}

/// Why a body cannot be read as JSON at all; `position` is added by whoever has it.
pub fn unreadable(error: &serde_json::Error) -> Problem {
    let text = error.to_string();
    let why = match &text {
        _ if error.is_eof() => "it ends too early".to_owned(),
        text if text.starts_with("recursion limit exceeded") => {
            "it is nested too deeply: 127 levels are read".to_owned()
        }
        text if text.starts_with("trailing characters") => "something follows behind its end".to_owned(),
        text if text.starts_with("expected value") => "there is no value where one must be".to_owned(),
        text => text.rsplit_once(" at line ").map_or(text.as_str(), |(message, _)| message).to_owned(),
    };
    let detail = format!("The body is no readable JSON at line {}, column {}: {why}.", error.line(), error.column());
    Problem::new(Code::BodyInvalid, detail).with("line", error.line()).with("column", error.column())
}

/// A mistake in the query, from axum's text of it: `limit: invalid digit found in string`.
pub fn in_query(text: &str) -> Problem {
    let text = text.strip_prefix("Failed to deserialize query string: ").unwrap_or(text);
    let is_name = |name: &str| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let (place, message) = text.split_once(": ").filter(|(name, _)| is_name(name)).unwrap_or(("", text));
    Mistake::read(place, message).in_query()
}

/// A member of what is at `place`.
fn inside(place: &str, name: &str) -> String {
    if place.is_empty() { name.to_owned() } else { format!("{place}.{name}") }
}

/// The same, where the place may be that member's already.
fn at(place: &str, name: &str) -> String {
    if place.ends_with(name) { place.to_owned() } else { inside(place, name) }
}

/// The name in backticks behind `start`.
fn quoted<'a>(message: &'a str, start: &str) -> Option<&'a str> {
    message.strip_prefix(start)?.strip_prefix('`')?.strip_suffix('`')
}

/// ``unknown field `x`, expected one of `a`, `b` ``: what was named, and what would do.
fn named_and_allowed<'a>(message: &'a str, start: &str) -> Option<(&'a str, Vec<String>)> {
    let rest = message.strip_prefix(start)?.strip_prefix('`')?;
    // The name is the client's own and may have anything in it; what comes last is ours.
    let (name, expected) =
        rest.rsplit_once("`, expected ").or_else(|| Some((rest.rsplit_once("`, there are no ")?.0, "")))?;
    Some((name, expected.split('`').skip(1).step_by(2).map(str::to_owned).collect()))
}

/// What serde calls the type it wants.
fn wanted_in_words(wanted: &str) -> String {
    let range = |least: i128, most: i128| format!("a whole number from {least} to {most}");
    match wanted {
        "a string" | "str" | "string or map" | "a borrowed string" | "variant identifier" => "a text".to_owned(),
        "a sequence" => "a list".to_owned(),
        "a map" => "an object".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "u8" => range(0, u8::MAX.into()),
        "u16" => range(0, u16::MAX.into()),
        "u32" => range(0, u32::MAX.into()),
        "u64" | "usize" => range(0, u64::MAX.into()),
        "i32" => range(i32::MIN.into(), i32::MAX.into()),
        "i64" => range(i64::MIN.into(), i64::MAX.into()),
        other if other.starts_with("struct ") => "an object".to_owned(),
        other => other.to_owned(),
    }
}

/// What serde calls what it found.
fn given_in_words(given: &str) -> String {
    let number = ["integer `", "floating point `"].into_iter().find_map(|start| given.strip_prefix(start));
    let truth = given.strip_prefix("boolean `");
    match (number, truth, given.strip_prefix("string \"")) {
        (Some(number), ..) => format!("the number {}", number.trim_end_matches('`')),
        (_, Some(truth), _) => truth.trim_end_matches('`').to_owned(),
        (.., Some(text)) => format!("the text \"{}\"", shortened(text.strip_suffix('"').unwrap_or(text))),
        _ => match given {
            "unit value" | "null" => "null".to_owned(),
            "sequence" => "a list".to_owned(),
            "map" => "an object".to_owned(),
            other => shortened(other),
        },
    }
}

/// Texts of queries are read by the standard library, which has words of its own.
fn plain(message: &str) -> (String, Vec<String>) {
    let message = message.rsplit_once(" at line ").map_or(message, |(message, _)| message);
    let detail = match message {
        "invalid digit found in string" | "cannot parse integer from empty string" => "It must be a whole number.",
        "number too large to fit in target type" => "The number is too large.",
        "number too small to fit in target type" => "The number is too small.",
        "provided string was not `true` or `false`" => {
            return ("It must be true or false.".to_owned(), vec!["true".to_owned(), "false".to_owned()]);
        }
        other => return (sentence(other), names_told(other)),
    };
    (detail.to_owned(), Vec::new())
}

/// Errors read as clauses; a problem's detail is a sentence. The name of a field stays as it is, wherever it stands.
pub fn sentence(clause: &str) -> String {
    let first = clause.split(' ').next().unwrap_or_default();
    if first.contains(['_', '[', '`']) {
        return format!("{clause}.");
    }
    let mut chars = clause.chars();
    chars.next().map_or_else(String::new, |c| format!("{}{}.", c.to_uppercase(), chars.as_str()))
}

/// Types of our own say what would do themselves: `…; "a" and "b" are allowed`.
fn names_told(message: &str) -> Vec<String> {
    let names = message.strip_suffix(" are allowed").and_then(|message| message.rsplit("; ").next());
    names.map(|names| names.split('"').skip(1).step_by(2).map(str::to_owned).collect()).unwrap_or_default()
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(REPEATED) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(place: &str, message: &str) -> (String, String, String) {
        let Mistake { place, detail, allowed, .. } = Mistake::read(place, message);
        (place, detail, allowed.join(" "))
    }

    #[test]
    fn serdes_messages_are_told_in_our_words() {
        let cases = [
            ("", "missing field `games`", "games", "The field \"games\" is missing.", ""),
            ("items[0]", "missing field `tier`", "items[0].tier", "The field \"tier\" is missing.", ""),
            ("", "duplicate field `games`", "games", "\"games\" is given more than once.", ""),
            ("", "duplicate field `games` at line 1 column 24", "games", "\"games\" is given more than once.", ""),
            (
                "games",
                "invalid type: integer `5`, expected a sequence",
                "games",
                "It must be a list, not the number 5.",
                "",
            ),
            ("a", "invalid type: null, expected a string", "a", "It must be a text, not null.", ""),
            ("a", "invalid type: map, expected a string", "a", "It must be a text, not an object.", ""),
            ("a", "invalid type: sequence, expected struct Tier", "a", "It must be an object, not a list.", ""),
            (
                "a",
                "invalid type: string \"yes\", expected a boolean",
                "a",
                "It must be true or false, not the text \"yes\".",
                "true false",
            ),
            (
                "a",
                "invalid value: integer `-1`, expected u32",
                "a",
                "It must be a whole number from 0 to 4294967295, not the number -1.",
                "",
            ),
            (
                "a",
                "invalid type: floating point `1.5`, expected u32",
                "a",
                "It must be a whole number from 0 to 4294967295, not the number 1.5.",
                "",
            ),
            (
                "engine",
                "unknown variant `magic`, expected one of `auto`, `render`",
                "engine",
                "It cannot be \"magic\"; allowed are auto, render.",
                "auto render",
            ),
            (
                "engine",
                "unknown variant `a`, expected `b`, expected `auto` or `render`",
                "engine",
                "It cannot be \"a`, expected `b\"; allowed are auto, render.",
                "auto render",
            ),
            (
                "a",
                "\"tv\" is none; \"low_latency\" and \"dolby\" are allowed",
                "a",
                "\"tv\" is none; \"low_latency\" and \"dolby\" are allowed.",
                "low_latency dolby",
            ),
            (
                "tier.x",
                "unknown field `x`, expected `max_height` or `features`",
                "tier.x",
                "There is no field \"x\"; the fields are max_height, features.",
                "max_height features",
            ),
        ];
        for (place, message, where_, detail, allowed) in cases {
            assert_eq!(said(place, message), (where_.to_owned(), detail.to_owned(), allowed.to_owned()), "{message}");
        }
    }

    #[test]
    fn a_sentence_begins_with_a_capital_but_a_fields_name_does_not() {
        assert_eq!(sentence("there is no game \"a\""), "There is no game \"a\".");
        for named in ["duration_s is too much", "items[0].games is 5", "`id` is made otherwise"] {
            assert_eq!(sentence(named), format!("{named}."));
        }
        assert_eq!(sentence(""), "");
    }

    #[test]
    fn what_is_repeated_is_short() {
        let (_, detail, _) = said("a", &format!("invalid type: string \"{}\", expected u32", "é".repeat(60_000)));
        assert!(detail.len() < 200, "{detail}");
        let (_, detail, _) = said("a", &format!("unknown variant `{}`, expected `b`", "x".repeat(60_000)));
        assert!(detail.len() < 200, "{detail}");
    }

    #[test]
    fn parameters_are_named() {
        let problem = |text: &str| format!("{:?}", in_query(&format!("Failed to deserialize query string: {text}")));
        let limit = problem("limit: invalid digit found in string");
        assert!(limit.contains("\"parameter\": String(\"limit\")") && limit.contains("whole number"), "{limit}");
        let truth = problem("images: provided string was not `true` or `false`");
        assert!(truth.contains("\"images\"") && truth.contains("\"allowed\""), "{truth}");
        let unknown = problem("nope: unknown field `nope`, expected `from` or `to`");
        assert!(unknown.contains("no parameter") && unknown.contains("ParameterInvalid"), "{unknown}");
        let missing = problem("missing field `layout`");
        assert!(missing.contains("\"layout\"") && missing.contains("The parameter"), "{missing}");
    }
}
