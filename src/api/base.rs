//! Where this service is reached, for the URLs in its answers.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderName, header};

use super::App;
use super::server::Secure;

/// Scheme and authority before a path, without a slash at the end: the configured public address, else what the client
/// itself asked, as a proxy in between tells it, else nothing, which leaves URLs relative. Whoever lies about what they asked
/// deceives themselves: the answer goes to nobody else and is kept by no shared cache.
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
        Ok(Self(asked(parts).unwrap_or_default()))
    }
}

fn asked(parts: &Parts) -> Option<String> {
    // Of a chain of proxies the first tells what the client asked.
    let first = |text: &'_ str| text.split(',').next().map(|t| t.trim().to_owned());
    let text = |name: HeaderName| parts.headers.get(name).and_then(|v| v.to_str().ok()).and_then(first);
    let is_secure = parts.extensions.get::<Secure>().is_some();
    let scheme = match text(HeaderName::from_static("x-forwarded-proto")).as_deref() {
        Some("https") => "https",
        None if is_secure => "https",
        _ => "http",
    };
    // HTTP/2 has :authority, which hyper puts into the URI; HTTP/1.1 has Host.
    let direct = || parts.uri.authority().map(Authority::to_string).or_else(|| text(header::HOST));
    let host = text(HeaderName::from_static("x-forwarded-host")).or_else(direct)?;
    let authority: Authority = host.parse().ok()?;
    (!authority.as_str().contains('@')).then(|| format!("{scheme}://{authority}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Request;

    fn of(headers: &[(&str, &str)]) -> Option<String> {
        let mut request = Request::builder().uri("/v1/games");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        asked(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn the_base_is_what_the_client_asked() {
        assert_eq!(of(&[("host", "tv.example:8080")]).as_deref(), Some("http://tv.example:8080"));
        assert_eq!(of(&[("host", "[::1]:80"), ("x-forwarded-proto", "https")]).as_deref(), Some("https://[::1]:80"));
        let proxied = [("host", "10.0.0.1"), ("x-forwarded-host", "tv.example"), ("x-forwarded-proto", "https")];
        assert_eq!(of(&proxied).as_deref(), Some("https://tv.example"));
        let chain = [("x-forwarded-host", "tv.example, inner.example"), ("x-forwarded-proto", "https, http")];
        assert_eq!(of(&chain).as_deref(), Some("https://tv.example"));
        for unusable in [&[][..], &[("host", "a b")], &[("host", "user@tv.example")], &[("host", "a/b")]] {
            assert_eq!(of(unusable), None, "{unusable:?}");
        }
    }
}
