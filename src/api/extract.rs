//! Reading requests: bounded JSON bodies and query strings whose mistakes are named.

use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

use super::problem::{Code, Problem};

/// The largest request body that is read, in bytes.
pub const BODY_LIMIT_BYTES: usize = 64 * 1024;

/// How long a body may take to arrive: a client that trickles one must not hold a request for ever.
const BODY_PATIENCE: Duration = Duration::from_secs(10);

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

/// A body of at most `limit` bytes.
pub async fn read(request: Request, limit: usize) -> Result<Bytes, Problem> {
    let too_large = || {
        Problem::new(Code::BodyTooLarge, format!("A body may have at most {limit} bytes.")).with("limit_bytes", limit)
    };
    // Said by the header already: refuse without reading, so that the client need not send it.
    let announced = request.headers().get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|n| n > limit as u64) {
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

fn parse<T: RequestBody>(bytes: &[u8]) -> Result<T, Problem> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let outcome: Result<T, _> = serde_path_to_error::deserialize(&mut json);
    let error = match outcome {
        Ok(value) => match json.end() {
            Ok(()) => return Ok(value),
            Err(e) => return Err(unreadable(&e)),
        },
        Err(e) => e,
    };
    let path = error.path().to_string();
    let error = error.into_inner();
    if !error.is_data() {
        return Err(unreadable(&error));
    }
    // Two mistakes in one body: unreadable JSON behind a wrong field is still unreadable JSON.
    let whole: serde_json::Value = serde_json::from_slice(bytes).map_err(|e| unreadable(&e))?;
    let Some(object) = whole.as_object() else {
        return Err(Problem::field("", "The body must be a JSON object.").with("allowed", T::FIELDS));
    };
    if let Some(unknown) = object.keys().find(|k| !T::FIELDS.contains(&k.as_str())) {
        let detail = format!("There is no field {unknown:?}; the fields are {}.", T::FIELDS.join(", "));
        return Err(Problem::new(Code::FieldUnknown, detail)
            .with("field", unknown.as_str())
            .with("allowed", T::FIELDS));
    }
    let path = if path == "." { "" } else { &path };
    Err(Problem::field(path, sentence(&without_position(&error.to_string()))))
}

fn unreadable(e: &serde_json::Error) -> Problem {
    Problem::new(Code::BodyInvalid, sentence(&e.to_string())).with("line", e.line()).with("column", e.column())
}

/// serde_json ends its messages with the position; a wrong value is found by its path instead.
fn without_position(message: &str) -> String {
    message.rsplit_once(" at line ").map_or(message, |(m, _)| m).to_owned()
}

fn sentence(message: &str) -> String {
    let mut chars = message.chars();
    chars.next().map_or_else(String::new, |c| format!("{}{}.", c.to_uppercase(), chars.as_str()))
}

/// A query string read into `T`; a mistake in it is `422 parameter_invalid`.
pub struct Params<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(value)) => Ok(Self(value)),
            Err(QueryRejection::FailedToDeserializeQueryString(e)) => {
                Err(Problem::new(Code::ParameterInvalid, sentence(&e.body_text())))
            }
            Err(e) => Err(Problem::new(Code::ParameterInvalid, sentence(&e.body_text()))),
        }
    }
}

/// The parts of a path that its route names. A path that cannot be read (`%FF`) names nothing: `404`.
pub struct Named<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Named<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::<T>::from_request_parts(parts, state).await {
            Ok(Path(value)) => Ok(Self(value)),
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
    }

    impl RequestBody for Wish {
        const FIELDS: &'static [&'static str] = &["games", "layout"];
    }

    fn refusal(body: &str) -> Problem {
        parse::<Wish>(body.as_bytes()).expect_err(body)
    }

    #[test]
    fn mistakes_are_told_apart_and_named() {
        for body in ["", "{", "{\"games\":[1,", "{\"games\":[]} x", "\u{feff}{}", "{\"nope\":1", "{\"games\":5, oops"] {
            assert_eq!(refusal(body).code(), Code::BodyInvalid, "{body}");
        }
        for body in ["[]", "null", "7", "{}", "{\"games\":\"a\"}", "{\"games\":[1]}", "{\"games\":[],\"games\":[]}"] {
            assert_eq!(refusal(body).code(), Code::FieldInvalid, "{body}");
        }
        assert_eq!(refusal("{\"games\":[],\"lay\":1}").code(), Code::FieldUnknown);
        let text = format!("{:?}", refusal("{\"games\":[\"a\",1]}"));
        assert!(text.contains("games[1]") && text.contains("expected a string"), "{text}");
        assert!(parse::<Wish>(br#"{"games":["a"],"layout":null}"#).is_ok());
    }

    #[test]
    fn a_deep_body_is_refused_not_followed() {
        assert_eq!(refusal(&"[".repeat(60_000)).code(), Code::BodyInvalid);
    }
}
