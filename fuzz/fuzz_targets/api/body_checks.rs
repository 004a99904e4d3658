//! What must hold of the bodies that the API reads.

use std::collections::BTreeMap;

use arbitrary::Arbitrary;
use serde_json::{Value, json};

use super::extract::{BODY_LIMIT_BYTES, RequestBody};
use super::limits;
use super::operator::games::body::{GameBody, RightsBody};
use super::operator::keys::body::KeyBody;
use super::operator::markets::body::MarketBody;
use super::problem::{Code, Problem};
use super::refusals::{self, SECRET};
use super::sessions::body::{ChangeBody, CreateBody};
use crate::config::{
    KeyRole, MAX_OFFSET_MS, MAX_SOURCES, check_id, check_labels, check_market, check_rights, check_title,
};
use crate::keys::{Scope, Scopes};
use crate::market::KeyTerms;

/// Rows of the lowest rendition.
const LEAST_HEIGHT: u32 = 180;

/// A body: any bytes, or an object of members that are mostly known, perhaps cut short.
#[derive(Arbitrary, Debug)]
pub enum Body<'a> {
    Bytes(&'a [u8]),
    Object(Vec<Member<'a>>, Option<u16>),
    /// Something within so many lists or objects.
    Nested(u8, u8, bool),
}

#[derive(Arbitrary, Debug)]
pub struct Member<'a> {
    name: Name<'a>,
    value: Any<'a>,
}

#[derive(Arbitrary, Debug)]
enum Name<'a> {
    /// One of the body's own.
    Known(u8),
    Word(u8),
    Text(&'a str),
}

#[derive(Arbitrary, Debug)]
enum Any<'a> {
    Null,
    Truth(bool),
    Whole(i64),
    Number(f64),
    /// As it is written: too large, too long.
    Digits(u8),
    Text(&'a str),
    Word(u8),
    /// A source with a password.
    Secret(u8, u8),
    List(Vec<Any<'a>>),
    Object(Vec<Member<'a>>),
    Long(u8, u16),
}

const WORDS: [&str; 40] = [
    "nyk-bos",
    "a",
    "4E",
    "2EH",
    "auto",
    "stitch",
    "render",
    "device",
    "operator",
    "games:read",
    "keys:write",
    "usage:all",
    "GB",
    "IE",
    "XX",
    "tv",
    "de",
    "pt-BR",
    "dolby",
    "hdr",
    "low_latency",
    "8k",
    "show",
    "slate",
    "programme",
    "advertisement",
    "squeeze_back",
    "session",
    "market",
    "2026-11-27T19:30:00Z",
    "2027-06-30",
    "1970-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999Z",
    "http://ads.example/vast?b=[BREAKID]",
    "policy",
    "max_height",
    "features",
    "decision_url",
    "regions",
    "quadrille:output",
];

fn word(of: u8) -> &'static str {
    WORDS[usize::from(of) % WORDS.len()]
}

fn text(text: &str) -> String {
    Value::from(text).to_string()
}

impl Any<'_> {
    fn written(&self, fields: &[&str], deep: usize) -> String {
        match self {
            Any::Null => "null".to_owned(),
            Any::Truth(truth) => truth.to_string(),
            Any::Whole(number) => number.to_string(),
            Any::Number(number) => Value::from(*number).to_string(),
            Any::Digits(count) => format!("{}e{count}", "9".repeat(usize::from(*count) + 1)),
            Any::Text(some) => text(some),
            Any::Word(of) => text(word(*of)),
            Any::Secret(scheme, form) => {
                let scheme = ["http", "https", "rtmp", "srt", "udp", "ftp"][usize::from(*scheme % 6)];
                let address = match form % 3 {
                    0 => format!("{scheme}://user:{SECRET}@origin.example/live"),
                    1 => format!("{scheme}://{SECRET}@origin.example:9000"),
                    _ => format!("{scheme}://origin.example/live?passphrase={SECRET}&token={SECRET}"),
                };
                text(&address)
            }
            Any::List(all) if deep < 6 => {
                let all: Vec<String> = all.iter().map(|any| any.written(fields, deep + 1)).collect();
                format!("[{}]", all.join(","))
            }
            Any::Object(members) if deep < 6 => object(members, fields, deep + 1),
            Any::List(_) | Any::Object(_) => "{}".to_owned(),
            Any::Long(letter, count) => text(&char::from(*letter).to_string().repeat(usize::from(*count))),
        }
    }
}

fn object(members: &[Member], fields: &[&str], deep: usize) -> String {
    let member = |Member { name, value }: &Member| {
        let name = match name {
            Name::Known(of) => fields[usize::from(*of) % fields.len()],
            Name::Word(of) => word(*of),
            Name::Text(text) => text,
        };
        format!("{}:{}", text(name), value.written(fields, deep))
    };
    format!("{{{}}}", members.iter().map(member).collect::<Vec<_>>().join(","))
}

impl Body<'_> {
    fn bytes(&self, fields: &[&str]) -> Vec<u8> {
        match self {
            Body::Bytes(bytes) => bytes.to_vec(),
            Body::Object(members, cut) => {
                let mut bytes = object(members, fields, 0).into_bytes();
                if let Some(cut) = cut {
                    bytes.truncate(usize::from(*cut));
                }
                bytes
            }
            Body::Nested(field, deep, lists) => {
                let (open, close) = if *lists { ("[", "]") } else { ("{\"a\":", "}") };
                let (deep, field) = (usize::from(*deep), fields[usize::from(*field) % fields.len()]);
                format!("{{{}:{}1{}}}", text(field), open.repeat(deep), close.repeat(deep)).into_bytes()
            }
        }
    }
}

/// One of the bodies is read.
pub fn body(of: u8, body: &Body) {
    match of % 5 {
        0 => read::<CreateBody>(body, made),
        1 => read::<ChangeBody>(body, changed),
        2 => read::<GameBody>(body, game),
        3 => read::<KeyBody>(body, key),
        _ => read::<MarketBody>(body, market),
    }
}

/// What is no JSON is told so, and nothing else is; what is refused is told in our words; the rest holds what `check` asks of it.
fn read<T: RequestBody>(body: &Body, check: impl Fn(T) -> Result<(), Problem>) {
    let bytes = body.bytes(T::FIELDS);
    let is_json = serde_json::from_slice::<Value>(&bytes).is_ok();
    let said = match refusals::body::<T>(&bytes) {
        Ok(body) => {
            assert!(is_json && bytes.len() <= BODY_LIMIT_BYTES);
            check(body).err().map(refusals::holds)
        }
        Err(problem) if bytes.len() > BODY_LIMIT_BYTES => {
            assert_eq!(problem.code(), Code::BodyTooLarge);
            return;
        }
        Err(problem) => {
            assert_eq!(problem.code() == Code::BodyInvalid, !is_json, "{problem:?}");
            Some(refusals::holds(problem))
        }
    };
    let Some(said) = said else { return };
    let is_planted_alone = matches!(body, Body::Object(members, _) if !format!("{members:?}").contains(SECRET));
    assert!(!is_planted_alone || !said.to_string().contains(SECRET), "{said}");
    if said["code"] == "field_unknown" {
        let allowed = said["allowed"].as_array().unwrap();
        let unknown = said["field"].as_str().unwrap();
        // Within an object its fields are told, at the top all of the body's.
        assert!(!allowed.is_empty() && !allowed.contains(&Value::from(unknown)), "{said}");
    }
}

fn made(body: CreateBody) -> Result<(), Problem> {
    let digest = body.digest(&KeyTerms::default())?;
    let again: CreateBody = refusals::body(&serde_json::to_vec(&body).unwrap()).unwrap();
    assert_eq!(again.digest(&KeyTerms::default())?, digest, "the same however it is written");
    let bound = KeyTerms { market: Some("de".into()), ..KeyTerms::default() };
    assert_ne!(body.digest(&bound)?, digest, "with a key of other terms it is another");
    body.check()?;
    let is_plain = |text: &str, most: usize| text.chars().count() <= most && !text.chars().any(char::is_control);
    assert!(body.device_id.is_none_or(|id| !id.is_empty() && is_plain(&id, limits::DEVICE_ID_CHARS)));
    assert!(body.region.is_none_or(|code| code.len() == 2));
    assert!(body.device_class.is_none_or(|class| check_id(&class).is_ok()));
    assert!(body.labels.len() <= limits::LABELS);
    for (name, value) in &body.labels {
        assert!(!name.is_empty() && !name.starts_with(limits::RESERVED));
        assert!(is_plain(name, limits::LABEL_KEY_CHARS) && is_plain(value, limits::LABEL_VALUE_CHARS));
    }
    Ok(())
}

fn changed(body: ChangeBody) -> Result<(), Problem> {
    let again: ChangeBody = refusals::body(&serde_json::to_vec(&body).unwrap()).unwrap();
    assert_eq!(serde_json::to_value(&again).unwrap(), serde_json::to_value(&body).unwrap());
    Ok(())
}

fn game(body: GameBody) -> Result<(), Problem> {
    let spec = body.checked(Some("nyk-bos".into()))?;
    assert_eq!(spec.id, "nyk-bos");
    assert!(
        check_title(&spec.title).is_ok() && check_labels(&spec.labels).is_ok() && check_rights(&spec.rights).is_ok()
    );
    assert!((1..=MAX_SOURCES).contains(&spec.sources.len()));
    assert!((-MAX_OFFSET_MS..=MAX_OFFSET_MS).contains(&spec.offset_ms));
    // Rights are told as they are taken.
    if let Some(told) = RightsBody::told(spec.rights.clone()) {
        let body = json!({ "title": "a", "sources": ["test://ball"], "rights": told });
        let again: GameBody = refusals::body(body.to_string().as_bytes()).unwrap();
        assert_eq!(again.checked(Some("a".into()))?.rights, spec.rights);
    }
    Ok(())
}

fn key(body: KeyBody) -> Result<(), Problem> {
    let own = Scopes::of(["games:write".parse::<Scope>().unwrap()]);
    let named = body.scopes.clone();
    let new = body.checked(&own, LEAST_HEIGHT)?;
    assert!(new.name.chars().count() <= 100 && !new.name.chars().any(char::is_control));
    assert!(new.terms.market.as_ref().is_none_or(|market| check_id(market).is_ok()));
    assert!(new.terms.tier.max_height.is_none_or(|height| height >= LEAST_HEIGHT));
    match (new.role, named) {
        (KeyRole::Device, named) => assert!(named.is_none()),
        (KeyRole::Operator, None) => assert_eq!(new.scopes, own, "no more than whoever asks has"),
        (KeyRole::Operator, Some(named)) => {
            assert!(new.terms == KeyTerms::default());
            let told: BTreeMap<String, ()> = named.into_iter().map(|name| (name, ())).collect();
            let scopes = new.scopes.named().unwrap();
            assert!(scopes.len() == told.len() && scopes.iter().all(|scope| told.contains_key(scope)));
        }
    }
    Ok(())
}

fn market(body: MarketBody) -> Result<(), Problem> {
    let market = body.checked(Some("de".into()), LEAST_HEIGHT)?;
    assert_eq!((check_market(&market, LEAST_HEIGHT), market.id.as_str()), (Ok(()), "de"));
    // A market is told as it is taken.
    let told = serde_json::to_vec(&market).unwrap();
    if told.len() <= BODY_LIMIT_BYTES {
        let again: MarketBody = refusals::body(&told).unwrap();
        assert_eq!(again.checked(None, LEAST_HEIGHT)?, market);
    }
    Ok(())
}
