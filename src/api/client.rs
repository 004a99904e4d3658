//! Whether whoever asked is still there. What changes something runs to its end without them; what takes long need not.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use tokio::sync::watch;

/// Whoever asked. One that nothing is known of is there for as long as its request is.
#[derive(Clone, Default)]
pub struct Client(Option<watch::Receiver<()>>);

/// Kept for as long as somebody waits for an answer.
pub struct Waits {
    _here: watch::Sender<()>,
}

impl Client {
    pub fn waiting() -> (Waits, Self) {
        let (here, client) = watch::channel(());
        (Waits { _here: here }, Self(Some(client)))
    }

    /// Waits until nobody waits for the answer.
    pub async fn gone(&self) {
        match &self.0 {
            // Nothing is ever sent: it ends with its other end.
            Some(client) => while client.clone().changed().await.is_ok() {},
            None => std::future::pending().await,
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}
