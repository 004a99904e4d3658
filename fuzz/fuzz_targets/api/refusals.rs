//! What must hold of every refusal, and how requests are made of bytes.

use std::future::Future;

use axum::body::Body;
use axum::http::{Request, header};
use axum::response::IntoResponse;
use http_body_util::BodyExt;
use serde_json::Value;

use super::extract::{Body as Read, Params, RequestBody};
use super::problem::{Code, Problem};
use crate::usage::UsageError;

/// The longest refusal, in bytes: what was sent is repeated in part alone. Lists of what is allowed are ours.
const LONGEST: usize = 8 << 10;

/// Stands in addresses where only their owner may see it.
pub const SECRET: &str = "hunter2";

impl From<UsageError> for Problem {
    fn from(error: UsageError) -> Self {
        Self::new(Code::TimeInvalid, format!("{error}."))
    }
}

/// What comes of a request that waits for nothing.
pub fn done<T>(future: impl Future<Output = T>) -> T {
    thread_local! {
        static RUNTIME: tokio::runtime::Runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    }
    RUNTIME.with(|runtime| runtime.block_on(future))
}

/// What the API reads of a body.
pub fn body<T: RequestBody>(bytes: &[u8]) -> Result<T, Problem> {
    let request = Request::post("/").header(header::CONTENT_TYPE, "application/json");
    let request = request.body(Body::from(bytes.to_vec())).unwrap();
    done(<Read<T> as axum::extract::FromRequest<()>>::from_request(request, &())).map(|Read(body)| body)
}

/// The same of a query; `None` where the address is none.
pub fn query<T: serde::de::DeserializeOwned>(path: &str, query: &str) -> Option<Result<T, Problem>> {
    let (mut parts, _) = Request::get(format!("{path}?{query}")).body(()).ok()?.into_parts();
    let read = done(<Params<T> as axum::extract::FromRequestParts<()>>::from_request_parts(&mut parts, &()));
    Some(read.map(|Params(params)| params))
}

/// A refusal names one of the contract's codes and what is meant, is short, and repeats no secret. What it says.
pub fn holds(problem: Problem) -> Value {
    let code = problem.code();
    let response = problem.into_response();
    assert_eq!(response.status(), code.status());
    assert!(code.status().is_client_error(), "{code:?}");
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
    let bytes = done(response.into_body().collect()).unwrap().to_bytes();
    assert!(bytes.len() <= LONGEST, "{} bytes", bytes.len());
    let said: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(said["code"], code.name());
    let detail = said["detail"].as_str().unwrap();
    assert!(!detail.is_empty() && (detail.ends_with('.') || detail.ends_with('…')), "{detail:?}");
    match code {
        Code::FieldInvalid | Code::FieldUnknown => assert!(said["field"].is_string(), "{said}"),
        Code::ParameterInvalid | Code::StartInvalid | Code::ReloadInvalid => {
            assert!(said["parameter"].is_string(), "{said}");
        }
        Code::BodyInvalid => assert!(said["line"].is_u64() && said["column"].is_u64(), "{said}"),
        Code::BodyTooLarge | Code::TimeInvalid => {}
        other => panic!("nothing here is refused with {other:?}"),
    }
    if let Some(allowed) = said.get("allowed") {
        assert!(allowed.as_array().is_some_and(|allowed| allowed.iter().all(Value::is_string)), "{said}");
    }
    said
}
