//! Refusals as problem details (RFC 9457): one table of stable codes, one way to answer them.

use std::borrow::Cow;
use std::fmt;

use axum::Json;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::config::mask_text;

/// Makes [`Code`] from the one table of refusals: variant, name on the wire, HTTP status, title.
macro_rules! codes {
    ($($variant:ident = $name:literal, $status:ident, $title:literal;)*) => {
        /// Stable name of a refusal: programs branch on it, so none is ever renamed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
        pub enum Code {
            $(#[serde(rename = $name)] $variant,)*
        }

        impl Code {
            pub const ALL: &'static [Code] = &[$(Code::$variant,)*];

            /// As in the `code` member.
            pub const fn name(self) -> &'static str {
                match self { $(Code::$variant => $name,)* }
            }

            pub const fn status(self) -> StatusCode {
                match self { $(Code::$variant => StatusCode::$status,)* }
            }

            pub const fn title(self) -> &'static str {
                match self { $(Code::$variant => $title,)* }
            }
        }
    };
}

codes! {
    AssetInUse = "asset_in_use", CONFLICT, "The asset is shown";
    AssetInvalid = "asset_invalid", UNPROCESSABLE_ENTITY, "The file is no picture that can be shown";
    AssetUnknown = "asset_unknown", NOT_FOUND, "There is no such asset";
    AudioUnknown = "audio_unknown", UNPROCESSABLE_ENTITY, "No such sound in this session";
    BodyInvalid = "body_invalid", BAD_REQUEST, "The body is not readable JSON";
    BodyTimeout = "body_timeout", REQUEST_TIMEOUT, "The body did not arrive in time";
    BodyTooLarge = "body_too_large", PAYLOAD_TOO_LARGE, "The body is too large";
    BreakEnded = "break_ended", CONFLICT, "The break has ended";
    BreakRunning = "break_running", CONFLICT, "A break of this id is running";
    BreakUnknown = "break_unknown", NOT_FOUND, "There is no such break";
    CapReached = "cap_reached", PAYMENT_REQUIRED, "The month's cap is reached";
    Capacity = "capacity", SERVICE_UNAVAILABLE, "No room now";
    ClipMissing = "clip_missing", UNPROCESSABLE_ENTITY, "Not all of it was kept";
    ClipNotReady = "clip_not_ready", CONFLICT, "The clip is not ready";
    ClipUnknown = "clip_unknown", NOT_FOUND, "There is no such clip";
    CursorInvalid = "cursor_invalid", UNPROCESSABLE_ENTITY, "The cursor is not one of ours";
    DecisionForbidden = "decision_forbidden", UNPROCESSABLE_ENTITY, "A server of decisions may not be asked there";
    EngineUnsuited = "engine_unsuited", UNPROCESSABLE_ENTITY, "The engine cannot make this layout";
    FieldInvalid = "field_invalid", UNPROCESSABLE_ENTITY, "A field has a value that is not allowed";
    FieldUnknown = "field_unknown", UNPROCESSABLE_ENTITY, "A field is not known here";
    Forbidden = "forbidden", FORBIDDEN, "This key may not do that";
    GameExists = "game_exists", CONFLICT, "There is already a game with this id";
    GameReadOnly = "game_read_only", CONFLICT, "This game is defined in the configuration";
    GameRestricted = "game_restricted", FORBIDDEN, "This game may not be shown there";
    GameUnknown = "game_unknown", NOT_FOUND, "There is no such game";
    GamesCount = "games_count", UNPROCESSABLE_ENTITY, "A session shows one to four games";
    IdempotencyConflict = "idempotency_conflict", UNPROCESSABLE_ENTITY, "This Idempotency-Key was used with another body";
    HostInvalid = "host_invalid", BAD_REQUEST, "A request says once which host it is for";
    Internal = "internal", INTERNAL_SERVER_ERROR, "Something went wrong on our side";
    LayoutMismatch = "layout_mismatch", UNPROCESSABLE_ENTITY, "The layout has another number of slots";
    LayoutUnknown = "layout_unknown", NOT_FOUND, "There is no such layout";
    KeyReadOnly = "key_read_only", CONFLICT, "This key is defined in the configuration";
    KeyUnknown = "key_unknown", NOT_FOUND, "There is no such key";
    LimitReached = "limit_reached", CONFLICT, "There are as many as there may be";
    MarketExists = "market_exists", CONFLICT, "There is already a market with this id";
    MarketReadOnly = "market_read_only", CONFLICT, "This market is defined in the configuration";
    MarketUnknown = "market_unknown", NOT_FOUND, "There is no such market";
    MediaTypeUnsupported = "media_type_unsupported", UNSUPPORTED_MEDIA_TYPE, "The body is of another media type";
    MethodNotAllowed = "method_not_allowed", METHOD_NOT_ALLOWED, "This resource has no such method";
    NotFound = "not_found", NOT_FOUND, "There is nothing here";
    NotReady = "not_ready", SERVICE_UNAVAILABLE, "Not ready yet";
    OutputReadOnly = "output_read_only", CONFLICT, "These outputs are defined in the configuration";
    OutputUnknown = "output_unknown", NOT_FOUND, "There is no such output";
    ParameterInvalid = "parameter_invalid", UNPROCESSABLE_ENTITY, "A query parameter or header has a value that is not allowed";
    PeriodInvalid = "period_invalid", UNPROCESSABLE_ENTITY, "The period ends before it begins";
    QuoteInvalid = "quote_invalid", UNPROCESSABLE_ENTITY, "This cannot be quoted";
    RateLimited = "rate_limited", TOO_MANY_REQUESTS, "This key asks too often";
    RangeUnsatisfiable = "range_unsatisfiable", RANGE_NOT_SATISFIABLE, "The range lies outside the representation";
    RegionRestricted = "region_restricted", FORBIDDEN, "Nothing of this market may be shown there";
    ReloadInvalid = "reload_invalid", BAD_REQUEST, "This playlist cannot be waited for so";
    RenditionUnknown = "rendition_unknown", NOT_FOUND, "There is no such rendition";
    ReportTooLarge = "report_too_large", UNPROCESSABLE_ENTITY, "The report would have too many rows";
    RevisionStale = "revision_stale", PRECONDITION_FAILED, "The session has changed since you read it";
    SegmentUnknown = "segment_unknown", NOT_FOUND, "The segment is not in the window";
    SessionEnded = "session_ended", CONFLICT, "The session has ended";
    SessionUnknown = "session_unknown", NOT_FOUND, "There is no such session";
    SkinReadOnly = "skin_read_only", CONFLICT, "This skin is defined in the configuration";
    SkinUnknown = "skin_unknown", NOT_FOUND, "There is no such skin";
    SoundUnknown = "sound_unknown", NOT_FOUND, "There is no such sound";
    TextUnknown = "text_unknown", NOT_FOUND, "There is no such text";
    SourceForbidden = "source_forbidden", UNPROCESSABLE_ENTITY, "A source may not lead there";
    SourceInUse = "source_in_use", CONFLICT, "Another game listens there";
    SourceInvalid = "source_invalid", UNPROCESSABLE_ENTITY, "A source cannot be used";
    StartInvalid = "start_invalid", BAD_REQUEST, "A playlist cannot begin there";
    StartOverOff = "start_over_off", CONFLICT, "This service keeps nothing of what was played";
    StoreUnavailable = "store_unavailable", SERVICE_UNAVAILABLE, "The store cannot keep changes now";
    TariffMissing = "tariff_missing", UNPROCESSABLE_ENTITY, "No tariff is valid then";
    TenantUnknown = "tenant_unknown", NOT_FOUND, "There is no such tenant";
    TimeInvalid = "time_invalid", UNPROCESSABLE_ENTITY, "A time cannot be read";
    TokenExpired = "token_expired", UNAUTHORIZED, "This playback URL is too old, or was taken back";
    PlayedElsewhere = "played_elsewhere", FORBIDDEN, "The session is played elsewhere";
    Unauthorized = "unauthorized", UNAUTHORIZED, "A valid key is needed";
    WebhookForbidden = "webhook_forbidden", UNPROCESSABLE_ENTITY, "A webhook may not lead there";
    WebhookUnknown = "webhook_unknown", NOT_FOUND, "There is no such webhook";
}

// By hand: utoipa's derive cannot read a name that comes out of a macro.
impl PartialSchema for Code {
    fn schema() -> RefOr<Schema> {
        let names = Self::ALL.iter().map(|code| code.name());
        let object = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names));
        object.description(Some("Stable name of a refusal: programs branch on it.")).build().into()
    }
}

impl ToSchema for Code {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Code")
    }
}

/// Bytes of a refusal's detail, and of a text among its members: what was sent is repeated, and might be as long as a body.
const LONGEST_DETAIL: usize = 1024;
const LONGEST_MEMBER: usize = 320;

/// One refusal on its way out: a code, what happened in a sentence, and members that programs can use.
#[derive(Clone, Debug)]
pub struct Problem(Box<Inner>);

/// Boxed, so that a `Result` is no larger for the rare refusal in it.
#[derive(Clone, Debug)]
struct Inner {
    code: Code,
    detail: String,
    members: Map<String, Value>,
    headers: HeaderMap,
}

/// The body of a refusal, as described in `openapi.json`. Refusals may carry more members: `field` (path of the field
/// meant), `parameter` (query parameter or header), `allowed` (values or names that would do), `retry_after_s`.
#[derive(Debug, Serialize)]
pub struct ProblemBody {
    /// `about:blank`: `code` says what `type` would.
    #[serde(rename = "type")]
    pub type_uri: String,
    pub title: String,
    pub status: u16,
    pub code: Code,
    pub detail: String,
    #[serde(flatten)]
    pub members: Map<String, Value>,
}

impl Problem {
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self(Box::new(Inner { code, detail: detail.into(), members: Map::new(), headers: HeaderMap::new() }))
    }

    /// Adds an extension member (RFC 9457, 3.2).
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.members.insert(name.to_owned(), value.into());
        self
    }

    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.insert(name, value);
        self
    }

    /// `Retry-After` in seconds (RFC 9110, 10.2.3), as a member too.
    pub fn retry_after_s(self, seconds: u32) -> Self {
        self.with("retry_after_s", seconds).header(header::RETRY_AFTER, HeaderValue::from(seconds))
    }

    /// A field of the body with a value that is not allowed; `field` is its path (`games[2]`).
    pub fn field(field: &str, detail: impl Into<String>) -> Self {
        Self::new(Code::FieldInvalid, detail).with("field", field)
    }

    /// A query parameter or request header with a value that is not allowed.
    pub fn parameter(parameter: &str, detail: impl Into<String>) -> Self {
        Self::new(Code::ParameterInvalid, detail).with("parameter", parameter)
    }

    /// The same of a route that is asked with a query: what would be a field of the body is a parameter of it, `games[1]` one of `games`.
    #[must_use]
    pub fn in_query(mut self) -> Self {
        let inner = &mut self.0;
        if let Some(Value::String(field)) = inner.members.remove("field") {
            let parameter = field.split(['[', '.']).next().unwrap_or_default();
            inner.members.insert("parameter".to_owned(), parameter.into());
        }
        if inner.code == Code::FieldInvalid {
            inner.code = Code::ParameterInvalid;
        }
        self
    }

    /// Our own fault: the cause goes to the log, where it is handled, and never to the client.
    pub fn internal(cause: impl fmt::Display) -> Self {
        tracing::error!(cause = mask_text(&cause.to_string()), "a request failed on our side");
        Self::new(Code::Internal, "The request could not be answered; the log of the service says why.")
    }

    pub fn code(&self) -> Code {
        self.0.code
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Inner { code, detail, mut members, headers } = *self.0;
        // What was refused is often repeated, and it may be an address with a password in it: refusals end up in logs.
        let detail = shortened(mask_text(&detail), LONGEST_DETAIL);
        for member in members.values_mut() {
            if let Value::String(text) = member {
                *text = shortened(mask_text(text), LONGEST_MEMBER);
            }
        }
        let status = code.status();
        let body = ProblemBody {
            type_uri: "about:blank".to_owned(),
            title: code.title().to_owned(),
            status: status.as_u16(),
            code,
            detail,
            members,
        };
        let mut response = (status, Json(body)).into_response();
        let answered = response.headers_mut();
        answered.extend(headers);
        answered.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        // A refusal depends on the moment: a shared cache must not keep one for everybody (RFC 9111 makes 404 cacheable).
        answered.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

/// `text`, cut where it is longer than so many bytes.
fn shortened(mut text: String, bytes: usize) -> String {
    if text.len() > bytes {
        text.truncate(text.floor_char_boundary(bytes - "…".len()));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    #[tokio::test]
    async fn a_problem_has_its_members_content_type_and_headers() {
        let response = Problem::new(Code::Capacity, "full").with("allowed", vec!["a"]).retry_after_s(7).into_response();
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        assert_eq!(response.headers()["retry-after"], "7");
        let body: Value = serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap();
        let expected = serde_json::json!({
            "type": "about:blank", "title": "No room now", "status": 503, "code": "capacity",
            "detail": "full", "allowed": ["a"], "retry_after_s": 7,
        });
        assert_eq!(body, expected);
    }

    #[tokio::test]
    async fn a_problem_repeats_no_secret() {
        let detail = "Invalid type: string \"srt://h:1?passphrase=hunter2\", expected a sequence.";
        let response = Problem::field("sources", detail).with("game", "http://u:hunter2@h/").into_response();
        let body = String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap();
        assert!(!body.contains("hunter2") && body.contains("passphrase=…") && body.contains("http://…@h/"), "{body}");
    }

    #[tokio::test]
    async fn a_problem_is_short_whatever_it_repeats() {
        for sent in ["x".repeat(60_000), "é".repeat(30_000), "\u{1}".repeat(60_000)] {
            let refused = Problem::field(&format!("labels.{sent}"), format!("There is no field {sent:?}."));
            let response = refused.with("allowed", vec!["games"]).into_response();
            let body = response.into_body().collect().await.unwrap().to_bytes();
            assert!(body.len() < 4096, "{} bytes", body.len());
            let body: Value = serde_json::from_slice(&body).unwrap();
            let (field, detail) = (body["field"].as_str().unwrap(), body["detail"].as_str().unwrap());
            assert!(field.starts_with("labels.") && field.ends_with('…'), "{field}");
            assert!(detail.starts_with("There is no field") && detail.ends_with('…'), "{detail}");
        }
    }

    #[test]
    fn a_field_is_a_parameter_where_there_is_no_body() {
        let refused = Problem::field("region", "x").with("allowed", vec!["GB"]).in_query();
        assert_eq!((refused.code(), &refused.0.members["parameter"]), (Code::ParameterInvalid, &Value::from("region")));
        assert!(!refused.0.members.contains_key("field") && refused.0.members.contains_key("allowed"));
        let refused = Problem::new(Code::GameUnknown, "x").with("field", "games[1]").in_query();
        assert_eq!((refused.code(), &refused.0.members["parameter"]), (Code::GameUnknown, &Value::from("games")));
        assert!(!Problem::new(Code::Capacity, "full").in_query().0.members.contains_key("parameter"));
    }

    #[test]
    fn codes_are_distinct_and_snake_case() {
        let mut names: Vec<_> = Code::ALL.iter().map(|c| c.name()).collect();
        assert!(names.iter().all(|n| n.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Code::ALL.len());
    }
}
