//! Reading requests: bounded JSON bodies and query strings whose mistakes are named.

use std::time::Duration;

use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::{Path, Segment};

use super::problem::{Code, Problem};
use super::words::{self, Mistake};

/// The largest request body that is read, in bytes.
pub const BODY_LIMIT_BYTES: usize = 64 * 1024;

/// How long a body may take to arrive: a client that trickles one must not hold a request for ever.
const BODY_PATIENCE: Duration = Duration::from_secs(10);

/// A body that is too large is passed over up to so many bytes, which the head has to announce; what is larger is cut off.
const MOST_PASSED_OVER: u64 = 64 << 20;

/// A request body: its type lists its fields, so that an unknown one can be answered with the known ones.
pub trait RequestBody: DeserializeOwned {
    const FIELDS: &'static [&'static str];
}

/// A JSON body of at most [`BODY_LIMIT_BYTES`].
pub struct Body<T>(pub T);

impl<S: Send + Sync, T: RequestBody> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        require_json(request.headers())?;
        let bytes = read(request, BODY_LIMIT_BYTES).await?;
        parse(&bytes).map(Body)
    }
}

fn require_json(headers: &HeaderMap) -> Result<(), Problem> {
    let given = headers.get(header::CONTENT_TYPE).map(|v| v.to_str().unwrap_or("unreadable"));
    let essence = given.unwrap_or("").split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    let json = essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"));
    if json {
        return Ok(());
    }
    let said = given.map_or("The request has no Content-Type".to_owned(), |g| format!("Content-Type is {g:?}"));
    Err(Problem::new(Code::MediaTypeUnsupported, format!("{said}; send application/json."))
        .with("allowed", vec!["application/json"]))
}

/// Nothing is unpacked: what came small could be large.
fn require_plain(headers: &HeaderMap) -> Result<(), Problem> {
    let coding = headers.get(header::CONTENT_ENCODING).map(|value| value.to_str().unwrap_or("unreadable"));
    let Some(coding) = coding.filter(|coding| !coding.trim().eq_ignore_ascii_case("identity")) else { return Ok(()) };
    let detail = format!("Content-Encoding is {coding:?}; send the body as it is.");
    Err(Problem::new(Code::MediaTypeUnsupported, detail)
        .header(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"))
        .with("allowed", vec!["identity"]))
}

/// A body of at most `limit` bytes.
pub async fn read(request: Request, limit: usize) -> Result<Bytes, Problem> {
    require_plain(request.headers())?;
    let too_large = || {
        Problem::new(Code::BodyTooLarge, format!("A body may have at most {limit} bytes.")).with("limit_bytes", limit)
    };
    let announced = request.headers().get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|n| n > limit as u64) {
        // Who asked first need not send it. Who sends at once reads the answer behind it: left unread, it would break the connection.
        let is_sent = !request.headers().contains_key(header::EXPECT);
        if is_sent && announced.is_some_and(|n| n <= MOST_PASSED_OVER) {
            let _ = tokio::time::timeout(BODY_PATIENCE, pass_over(request.into_body())).await;
        }
        return Err(too_large());
    }
    let body = Limited::new(request.into_body(), limit).collect();
    // At least 128 KiB a second, which is what is asked of small ones, too.
    let patience = BODY_PATIENCE + Duration::from_secs(limit as u64 / (128 * 1024));
    match tokio::time::timeout(patience, body).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(e)) if e.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(Problem::new(Code::BodyInvalid, "The body broke off before its end.")),
        Err(_) => Err(Problem::new(Code::BodyTimeout, format!("The body took longer than {} s.", patience.as_secs()))),
    }
}

async fn pass_over(mut body: axum::body::Body) {
    while let Some(Ok(_)) = body.frame().await {}
}

fn parse<T: RequestBody>(bytes: &[u8]) -> Result<T, Problem> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let outcome: Result<T, _> = serde_path_to_error::deserialize(&mut json);
    let error = match outcome {
        // serde takes a list for a structure too, member by member: that is nobody's contract.
        Ok(_) if bytes.trim_ascii_start().first() == Some(&b'[') => return Err(no_object::<T>()),
        Ok(value) => return json.end().map(|()| value).map_err(|e| words::unreadable(&e)),
        Err(error) => error,
    };
    // Two mistakes in one body: unreadable JSON behind a wrong field is still unreadable JSON.
    let whole: Value = serde_json::from_slice(bytes).map_err(|e| words::unreadable(&e))?;
    let Some(object) = whole.as_object() else { return Err(no_object::<T>()) };
    if let Some(unknown) = object.keys().find(|k| !T::FIELDS.contains(&k.as_str())) {
        let detail = format!("There is no field {unknown:?}; the fields are {}.", T::FIELDS.join(", "));
        return Err(Problem::new(Code::FieldUnknown, detail)
            .with("field", unknown.as_str())
            .with("allowed", T::FIELDS));
    }
    // The text's reader takes a number in place of a name for a mistake in the JSON; that of values does not.
    let again: Result<T, _> = serde_path_to_error::deserialize(&whole);
    let error = again.err().unwrap_or(error);
    let mut mistake = Mistake::read(&place_of(error.path()), &error.inner().to_string());
    if mistake.allowed.is_empty() {
        mistake.allowed = names_allowed::<T>(whole, error.path());
    }
    Err(mistake.in_body())
}

fn no_object<T: RequestBody>() -> Problem {
    Problem::field("", "The body must be a JSON object.").with("allowed", T::FIELDS)
}

fn place_of(path: &Path) -> String {
    let text = path.to_string();
    if text == "." { String::new() } else { text }
}

/// Where one of a few names belongs and something else stands, those names: what a text that is none of them would be told.
fn names_allowed<T: RequestBody>(mut whole: Value, path: &Path) -> Vec<String> {
    let pointer: Option<String> = path
        .iter()
        .map(|segment| match segment {
            Segment::Seq { index } => Some(format!("/{index}")),
            Segment::Map { key } => Some(format!("/{}", key.replace('~', "~0").replace('/', "~1"))),
            Segment::Enum { .. } | Segment::Unknown => None,
        })
        .collect();
    let Some(value) = pointer.and_then(|pointer| whole.pointer_mut(&pointer)) else { return Vec::new() };
    *value = Value::String(String::new());
    let outcome: Result<T, _> = serde_path_to_error::deserialize(&whole);
    let error = outcome.err().filter(|error| error.path().to_string() == path.to_string());
    error.map(|error| Mistake::read("", &error.inner().to_string()).allowed).unwrap_or_default()
}

/// A query string read into `T`; a mistake in it is `422 parameter_invalid`.
pub struct Params<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(value)) => Ok(Self(value)),
            Err(rejection) => Err(words::in_query(&rejection.body_text())),
        }
    }
}

/// The parts of a path that its route names. A path that cannot be read (`%FF`) names nothing: `404`.
pub struct Named<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Named<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match axum::extract::Path::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Self(value)),
            Err(_) => Err(Problem::new(Code::NotFound, "There is nothing with such a name.")),
        }
    }
}

/// Text of a header that may come at most once; `None` when it is absent.
pub fn single_header<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<Option<&'a str>, Problem> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Problem::parameter(name, format!("{name} is given more than once.")));
    }
    value.to_str().map(Some).map_err(|_| Problem::parameter(name, format!("{name} is not plain text.")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Wish {
        #[allow(dead_code)]
        games: Vec<String>,
        #[allow(dead_code)]
        layout: Option<String>,
        #[allow(dead_code)]
        engine: Option<Engine>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Engine {
        Auto,
        Render,
    }

    impl RequestBody for Wish {
        const FIELDS: &'static [&'static str] = &["games", "layout", "engine"];
    }

    fn refusal(body: &str) -> Problem {
        parse::<Wish>(body.as_bytes()).expect_err(body)
    }

    #[test]
    fn mistakes_are_told_apart_and_named() {
        for body in ["", "{", "{\"games\":[1,", "{\"games\":[]} x", "\u{feff}{}", "{\"nope\":1", "{\"games\":5, oops"] {
            assert_eq!(refusal(body).code(), Code::BodyInvalid, "{body}");
        }
        let lists = ["[]", "[[\"a\"],null,null]"];
        for body in ["null", "7", "{}", "{\"games\":\"a\"}", "{\"games\":[1]}", "{\"games\":[],\"games\":[]}"]
            .iter()
            .chain(&lists)
        {
            assert_eq!(refusal(body).code(), Code::FieldInvalid, "{body}");
        }
        assert_eq!(refusal("{\"games\":[],\"lay\":1}").code(), Code::FieldUnknown);
        let text = format!("{:?}", refusal("{\"games\":[\"a\",1]}"));
        assert!(text.contains("games[1]") && text.contains("must be a text, not the number 1"), "{text}");
        let missing = format!("{:?}", refusal("{}"));
        assert!(missing.contains("String(\"games\")") && missing.contains("is missing"), "{missing}");
        assert!(parse::<Wish>(br#"{"games":["a"],"layout":null}"#).is_ok());
    }

    #[test]
    fn where_a_name_belongs_the_names_are_told_whatever_stands_there() {
        for given in ["5", "\"magic\"", "[]", "{\"x\":1}", "true", "1e400"] {
            let body = format!("{{\"games\":[],\"engine\":{given}}}");
            let refused = refusal(&body);
            if given == "1e400" {
                assert_eq!(refused.code(), Code::BodyInvalid, "no number of JSON's reader");
                continue;
            }
            let text = format!("{refused:?}");
            assert!(text.contains("FieldInvalid") && text.contains("String(\"engine"), "{text}");
            assert!(text.contains("String(\"auto\"), String(\"render\")"), "{text}");
        }
    }

    #[test]
    fn a_deep_body_is_refused_not_followed() {
        assert_eq!(refusal(&"[".repeat(60_000)).code(), Code::BodyInvalid);
    }
}
