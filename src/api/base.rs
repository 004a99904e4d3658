//! Where this service is reached, for the URLs in its answers.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;
use axum::http::uri::Authority;

use super::App;

/// Scheme and authority before a path, without a slash at the end: the configured public address, else what the client
/// itself asked (the answer goes to nobody else), else nothing, which leaves URLs relative.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base(String);

impl Base {
    /// `path` begins with a slash.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }
}

impl FromRequestParts<Arc<App>> for Base {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Infallible> {
        if let Some(public) = &app.public_base {
            return Ok(Self(public.trim_end_matches('/').to_owned()));
        }
        // HTTP/2 has :authority, which hyper puts into the URI; HTTP/1.1 has Host.
        let host = parts.headers.get(header::HOST).and_then(|h| h.to_str().ok());
        let asked = parts.uri.authority().map(Authority::as_str).or(host);
        let sound = asked.and_then(|a| a.parse::<Authority>().ok()).filter(|a| !a.as_str().contains('@'));
        Ok(Self(sound.map_or_else(String::new, |a| format!("http://{a}"))))
    }
}
