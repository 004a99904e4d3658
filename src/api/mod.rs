//! The HTTP contract: routes, keys, refusals. The only room that knows HTTP; nothing imports it but `main`.

// utoipa's macro writes whole paths where short ones would do.
#![allow(unused_qualifications)]

mod auth;
mod base;
mod bearer;
mod choices;
mod client;
mod cors;
mod cues;
mod describe;
mod door;
mod etag;
mod extract;
mod games;
mod health;
mod ids;
mod images;
mod instant;
mod layouts;
mod limits;
mod log;
mod media;
mod multiview;
mod openapi;
mod operator;
mod outputs;
mod page;
mod parameters;
mod patient;
mod peers;
mod pieces;
mod playback;
mod problem;
mod progress;
mod range;
mod rates;
mod refuse;
mod routes;
mod server;
mod sessions;
mod starts;
mod texts;
mod tls;
mod told;
mod trace;
mod words;

use std::sync::Arc;

use axum::http::{HeaderValue, Method};

pub use door::Door;
pub use health::Readiness;
pub use openapi::document as openapi_document;
pub use problem::{Code, Problem};
pub use rates::Rates;
pub use routes::{admin_router, router};
pub use server::{ServerLimits, serve};
pub use starts::Starts;
pub use tls::{Tls, TlsError};

use self::auth::Caller;
use crate::assets::{Assets, Skin};
use crate::audit::Audit;
use crate::breaks::Fills;
use crate::catalogue::{Borders, GameCatalogue};
use crate::clips::Clips;
use crate::keys::Keys;
use crate::layout::Layouts;
use crate::metrics::Metrics;
use crate::mosaic::Mosaics;
use crate::outbound::Webhooks;
use crate::session::Sessions;
use crate::timeline::Clock;
use crate::usage::Reports;

/// Skins that a refusal lists at most.
const MOST_SKINS_TOLD: usize = 100;

/// Everything that requests are answered from. Made once by `main`.
pub struct App {
    pub sessions: Arc<Sessions>,
    pub mosaics: Arc<dyn Mosaics>,
    pub catalogue: Arc<dyn GameCatalogue>,
    pub layouts: Arc<Layouts>,
    pub assets: Arc<Assets>,
    pub reports: Reports,
    /// What breaks came to.
    pub fills: Arc<Fills>,
    pub keys: Keys,
    pub audit: Audit,
    pub webhooks: Arc<Webhooks>,
    /// Where keys may not ask as often as they like.
    pub rates: Option<Rates>,
    /// Where tenants may not start sessions as often as they like.
    pub starts: Starts,
    pub metrics: Arc<Metrics>,
    pub clock: Arc<dyn Clock>,
    pub readiness: Readiness,
    /// Where there is a start-over window to make them of.
    pub clips: Option<Arc<Clips>>,
    /// Whom it believes, and which pages may ask it.
    pub door: Door,
    /// Where what tenants name may lead.
    pub borders: Borders,
}

impl App {
    /// What slots of art show in a session that is made so: the skin that is named, else its market's, as far as that is there.
    fn first_skin(
        &self,
        caller: &Caller,
        skin: Option<&str>,
        market: Option<&str>,
    ) -> Result<Option<Arc<Skin>>, Problem> {
        if let Some(id) = skin {
            return self.skin_asked(&caller.tenant, id).map(Some);
        }
        let market = self.sessions.market_for(&caller.tenant, market.map(str::to_owned), &caller.terms)?;
        Ok(market.and_then(|market| self.assets.skin(&caller.tenant, market.skin.as_deref()?)))
    }

    /// The skin that a body names.
    fn skin_asked(&self, tenant: &str, id: &str) -> Result<Arc<Skin>, Problem> {
        self.skin(tenant, id).map_err(|problem| {
            let there = self.assets.skins(tenant);
            let allowed: Vec<String> = there.iter().take(MOST_SKINS_TOLD).map(|skin| skin.id.clone()).collect();
            problem.with("field", "skin").with("allowed", allowed)
        })
    }

    fn skin(&self, tenant: &str, id: &str) -> Result<Arc<Skin>, Problem> {
        let unknown = || Problem::new(Code::SkinUnknown, format!("There is no skin {id:?}.")).with("skin", id);
        self.assets.skin(tenant, id).ok_or_else(unknown)
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
