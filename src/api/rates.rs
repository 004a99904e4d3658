//! How often a key may ask: a bound of each key's own, so that one that runs wild shuts nobody else out. Told in the fields of the IETF's draft
//! (`RateLimit`, `RateLimit-Policy`), and refused with `429`.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use governor::clock::{Clock, MonotonicClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use parking_lot::Mutex;

use super::App;
use super::auth::Presented;
use super::bearer;
use super::problem::{Code, Problem};
use crate::config::Requests;
use crate::keys::Principal;

pub const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
pub const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

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

    /// One request of whoever is known; of whoever is not nothing is counted, and nothing is kept.
    fn count<E>(&self, known: Result<Principal, E>) -> Option<Result<Left, Duration>> {
        let Principal { tenant, name, .. } = known.ok()?;
        Some(self.ask(&(tenant, name)))
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
    let known = match bearer::in_query(request.uri()) {
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
    match rates.count(known) {
        None => next.run(request).await,
        Some(Ok(left)) => {
            let mut response = next.run(request).await;
            rates.bound.tell(left, response.headers_mut());
            response
        }
        Some(Err(wait)) => {
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use governor::clock::FakeRelativeClock;

    use super::*;
    use crate::config::Config;
    use crate::keys::{Keys, TokenError, Unknown};

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

    /// What asks: a configured key's near misses, made keys, digests, and tokens that nobody signed.
    fn wrong(n: usize) -> String {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let claims =
            |n: usize| format!(r#"{{"iss":"https://id.example","aud":"q","role":"operator","exp":9e12,"jti":{n}}}"#);
        match n {
            // Reckoning a signature takes a hundred times as long as all else.
            n if n % 200 == 199 => {
                let signature = URL_SAFE_NO_PAD.encode(n.to_be_bytes().repeat(8));
                format!("{}.{}.{signature}", part(r#"{"alg":"EdDSA","kid":"one"}"#), part(&claims(n)))
            }
            n if n % 5 == 0 => format!("qk_{n:043x}"),
            n if n % 5 == 1 => format!("op-secre{}", char::from_u32(0x100 + n as u32).unwrap_or('-')),
            n if n % 5 == 2 => format!("op-secret{n}"),
            n if n % 5 == 3 => format!("sha256:{n:064x}"),
            n => format!("{}.{}.", part(r#"{"alg":"none"}"#), part(&claims(n))),
        }
    }

    #[tokio::test]
    async fn a_million_wrong_keys_open_nothing_and_take_nothing_from_a_right_one() {
        let dir = tempfile::tempdir().unwrap();
        let jwks = dir.path().join("jwks.json");
        // The public key of RFC 8037, A.2.
        let set =
            r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"one","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
        std::fs::write(&jwks, set).unwrap();
        let text = format!(
            "[[tenants]]\nid = \"acme\"\noperator_keys = [\"op-secret\"]\n\
             [[tenants.issuers]]\nissuer = \"https://id.example\"\naudience = \"q\"\njwks = {jwks:?}\n"
        );
        let keys = Keys::new(&Config::parse(&text, Path::new("q.toml")).unwrap().tenants);
        let rates = rates(10, 10).unwrap();
        let mut now_ms = 1_795_363_200_000;
        let mut refused = HashMap::new();
        for n in 0..1_000_000 {
            let wrong = wrong(n);
            let known = keys.principal(&wrong, now_ms).await;
            *refused.entry(known.as_ref().err().cloned()).or_insert(0_u32) += 1;
            assert_eq!(rates.count(known), None, "{wrong}");
            // Beside 10,000 of them a second, a right one asks as often as it may.
            if n % 1000 == 0 {
                (now_ms, _) = (now_ms + 100, rates.clock.advance(Duration::from_millis(100)));
                let left = rates.count(keys.principal("op-secret", now_ms).await);
                assert!(left.is_some_and(|left| left.is_ok()), "{n}");
            }
        }
        let times = |why: Unknown| refused.get(&Some(why)).copied().unwrap_or(0);
        let of_tokens = [TokenError::Signature, TokenError::Algorithm].map(|why| times(Unknown::Token(why)));
        assert_eq!((times(Unknown::Key), of_tokens), (800_000, [5_000, 195_000]));
        assert_eq!(rates.buckets.lock().len(), 1, "nothing is kept of those who are nobody");
    }
}
