//! The HTTP contract: routes, keys, refusals. The only room that knows HTTP; nothing imports it but `main`.

// utoipa's macro writes whole paths where short ones would do.
#![allow(unused_qualifications)]

mod auth;
mod base;
mod etag;
mod extract;
mod games;
mod health;
mod layouts;
mod limits;
mod log;
mod media;
mod multiview;
mod openapi;
mod operator;
mod page;
mod playback;
mod problem;
mod range;
mod refuse;
mod routes;
mod server;
mod sessions;

use std::sync::Arc;

use axum::http::{HeaderValue, Method};

pub use auth::Keys;
pub use health::Readiness;
pub use openapi::document as openapi_document;
pub use problem::{Code, Problem};
pub use routes::router;
pub use server::{ServerLimits, serve};

use crate::catalogue::GameCatalogue;
use crate::layout::{Layout, Layouts};
use crate::metrics::Metrics;
use crate::mosaic::{EngineKind, Mosaics};
use crate::session::Sessions;
use crate::timeline::Clock;
use crate::usage::Reports;

/// Everything that requests are answered from. Made once by `main`.
pub struct App {
    pub sessions: Arc<Sessions>,
    pub mosaics: Arc<dyn Mosaics>,
    pub catalogue: Arc<dyn GameCatalogue>,
    pub layouts: Arc<Layouts>,
    pub reports: Reports,
    pub keys: Keys,
    pub metrics: Arc<Metrics>,
    pub clock: Arc<dyn Clock>,
    pub readiness: Readiness,
    /// The engines that run here.
    pub engines: Vec<EngineKind>,
    /// Scheme and authority (`https://tv.example`) that clients reach this service at, when it is not what they ask for.
    pub public_base: Option<String>,
}

impl App {
    /// The engines of this service that can make `layout`: stitching needs slots that do not overlap.
    fn engines_for(&self, layout: &Layout) -> impl Iterator<Item = EngineKind> {
        let overlap = layout.overlap;
        self.engines.iter().copied().filter(move |engine| match engine {
            EngineKind::Render => true,
            EngineKind::Stitch => !overlap,
        })
    }

    /// Counts a body's bytes as served; the answer to `HEAD` has none.
    fn count_served(&self, method: &Method, bytes: usize) {
        if method != Method::HEAD {
            self.metrics.bytes_served.inc_by(bytes as u64);
        }
    }
}

/// A header's value from text of ours. Text that cannot stand in a header (there is none, ids being checked) is left out.
fn header_text(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
}
