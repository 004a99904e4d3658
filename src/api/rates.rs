//! How often a key may ask: a bound of each key's own, so that one that runs wild shuts nobody else out. Told in the fields of the IETF's draft
//! (`RateLimit`, `RateLimit-Policy`), and refused with `429`.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use governor::clock::{Clock, MonotonicClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use parking_lot::Mutex;
use percent_encoding::percent_decode_str;

use super::App;
use super::auth::Presented;
use super::problem::{Code, Problem};
use crate::config::Requests;
use crate::keys::Principal;

pub const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
pub const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Routes that take a key in the query as well, for clients that can only open a URL.
const WITH_KEY_IN_QUERY: [&str; 2] = ["/v1/multiview.m3u8", "/v1/out/"];

/// Most buckets that are kept: beyond it all begin full again, which is better than memory that whoever signs tokens decides on.
const MOST_BUCKETS: usize = 20_000;

type Bucket<C> = RateLimiter<NotKeyed, InMemoryState, C, StateInformationMiddleware>;

/// A tenant, and the name of one of its keys.
type Name = (Arc<str>, Arc<str>);

/// One bucket for each key that asked.
pub struct Rates<C: Clock = MonotonicClock> {
    bound: Bound,
    quota: Quota,
    buckets: Mutex<HashMap<Name, Arc<Bucket<C>>>>,
    clock: C,
}

/// What every key may ask.
#[derive(Clone, Copy, Debug)]
struct Bound {
    per_s: NonZeroU32,
    burst: NonZeroU32,
}

/// What a key has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Left {
    requests: u32,
    /// Until it has all again, rounded up.
    whole_in_s: u64,
}

impl Rates {
    /// `None` where keys may ask as often as they like.
    pub fn new(requests: Requests) -> Option<Self> {
        Self::on(requests, MonotonicClock)
    }
}

impl<C: Clock + Clone> Rates<C> {
    fn on(requests: Requests, clock: C) -> Option<Self> {
        let bound = Bound { per_s: NonZeroU32::new(requests.per_key_per_s)?, burst: NonZeroU32::new(requests.burst)? };
        let quota = Quota::per_second(bound.per_s).allow_burst(bound.burst);
        Some(Self { bound, quota, buckets: Mutex::default(), clock })
    }

    fn bucket(&self, name: &Name) -> Arc<Bucket<C>> {
        let mut buckets = self.buckets.lock();
        if let Some(bucket) = buckets.get(name) {
            return bucket.clone();
        }
        if buckets.len() >= MOST_BUCKETS {
            buckets.clear();
        }
        let bucket = RateLimiter::direct_with_clock(self.quota, self.clock.clone()).with_middleware();
        buckets.entry(name.clone()).or_insert(Arc::new(bucket)).clone()
    }

    /// One request of the key called `name`: what it has left, or how long it is to wait.
    fn ask(&self, name: &Name) -> Result<Left, Duration> {
        match self.bucket(name).check() {
            Ok(state) => Ok(self.bound.left(state.remaining_burst_capacity())),
            Err(not_yet) => Err(not_yet.wait_time_from(self.clock.now())),
        }
    }
}

impl Bound {
    fn left(self, requests: u32) -> Left {
        let missing = u64::from(self.burst.get().saturating_sub(requests));
        Left { requests, whole_in_s: missing.div_ceil(self.per_s.get().into()) }
    }

    /// `"key";q=2000;w=2`: so many in the time in which an empty bucket fills.
    fn policy(self) -> HeaderValue {
        let window_s = self.burst.get().div_ceil(self.per_s.get());
        super::header_text(&format!("\"key\";q={};w={window_s}", self.burst))
    }

    fn tell(self, left: Left, headers: &mut HeaderMap) {
        let Left { requests, whole_in_s } = left;
        headers.insert(RATE_LIMIT_POLICY, self.policy());
        headers.insert(RATE_LIMIT, super::header_text(&format!("\"key\";r={requests};t={whole_in_s}")));
    }
}

/// Counts requests with a key that is known; whoever has none is told so by the route.
pub async fn limit(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let Some(rates) = &app.rates else { return next.run(request).await };
    let known = match key_in(request.uri()) {
        Some(presented) => app.principal(&presented).await,
        None if request.headers().contains_key(header::AUTHORIZATION) => {
            let known = app.principal_of(request.headers()).await;
            if let Ok(principal) = &known {
                // A token takes reckoning: whoever asks next who it is need not do it again.
                request.extensions_mut().insert(Presented(principal.clone()));
            }
            known
        }
        None => return next.run(request).await,
    };
    let Ok(Principal { tenant, name, .. }) = known else { return next.run(request).await };
    match rates.ask(&(tenant, name)) {
        Ok(left) => {
            let mut response = next.run(request).await;
            rates.bound.tell(left, response.headers_mut());
            response
        }
        Err(wait) => {
            app.metrics.admission_refused.with_label_values(&["rate"]).inc();
            let seconds = u32::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u32::MAX).max(1);
            let Bound { per_s, burst } = rates.bound;
            let detail = format!("A key may ask {per_s} times a second, and {burst} times at once.");
            let mut response = Problem::new(Code::RateLimited, detail).retry_after_s(seconds).into_response();
            rates.bound.tell(rates.bound.left(0), response.headers_mut());
            response
        }
    }
}

/// The key in a query, where the route takes one there.
fn key_in(uri: &Uri) -> Option<String> {
    if !WITH_KEY_IN_QUERY.iter().any(|start| uri.path().starts_with(start)) {
        return None;
    }
    let key = uri.query()?.split('&').find_map(|pair| pair.strip_prefix("key="))?;
    Some(percent_decode_str(&key.replace('+', " ")).decode_utf8_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use governor::clock::FakeRelativeClock;

    fn rates(per_key_per_s: u32, burst: u32) -> Option<Rates<FakeRelativeClock>> {
        Rates::on(Requests { per_key_per_s, burst }, FakeRelativeClock::default())
    }

    fn name(key: &str) -> Name {
        ("acme".into(), key.into())
    }

    #[test]
    fn a_key_has_its_burst_and_then_its_rate_and_another_has_its_own() {
        let rates = rates(2, 4).unwrap();
        let left: Vec<_> = (0..4).map(|_| rates.ask(&name("a")).unwrap()).collect();
        assert_eq!(left.iter().map(|left| left.requests).collect::<Vec<_>>(), [3, 2, 1, 0]);
        assert_eq!(left.iter().map(|left| left.whole_in_s).collect::<Vec<_>>(), [1, 1, 2, 2]);
        assert_eq!(rates.ask(&name("a")), Err(Duration::from_millis(500)));
        assert_eq!(rates.ask(&name("b")).map(|left| left.requests), Ok(3));
        rates.clock.advance(Duration::from_millis(500));
        assert!(rates.ask(&name("a")).is_ok() && rates.ask(&name("a")).is_err());
        rates.clock.advance(Duration::from_secs(60));
        assert_eq!(rates.ask(&name("a")).map(|left| left.requests), Ok(3));
    }

    #[test]
    fn nothing_is_bounded_where_the_rate_is_zero() {
        assert!(rates(0, 4).is_none());
    }

    #[test]
    fn fields_are_those_of_the_draft() {
        let mut headers = HeaderMap::new();
        let rates = rates(1_000, 2_500).unwrap();
        rates.bound.tell(rates.bound.left(700), &mut headers);
        assert_eq!(headers[RATE_LIMIT_POLICY], "\"key\";q=2500;w=3");
        assert_eq!(headers[RATE_LIMIT], "\"key\";r=700;t=2");
    }

    #[test]
    fn keys_in_addresses_count_where_they_are_taken() {
        let of = |uri: &str| key_in(&uri.parse().unwrap());
        assert_eq!(of("/v1/multiview.m3u8?games=a&key=dev%2D1").as_deref(), Some("dev-1"));
        assert_eq!(of("/v1/out/a/red/index.m3u8?key=k").as_deref(), Some("k"));
        assert_eq!((of("/v1/games?key=k"), of("/v1/multiview.m3u8")), (None, None));
    }
}
