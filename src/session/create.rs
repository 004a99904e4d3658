//! Making sessions: checked, admitted, put on the shelf.

use std::sync::Arc;

use tracing::Instrument;
use tracing::field::Empty;

use super::model::{Identity, Session, Show};
use super::registry::{Entry, IDEMPOTENCY_QUEUES, Offer, Sessions, begins};
use super::room::Place;
use super::{CreateSession, SessionError, SessionView};
use crate::market::Feature;
use crate::spans::span;
use crate::store::{IdempotencyRow, StoreError};

/// Idempotency keys are kept at least this long.
const IDEMPOTENCY_MS: i64 = 24 * 3600 * 1000;

impl Sessions {
    /// Makes a session; false where its Idempotency-Key found the one made before.
    pub async fn create(&self, tenant: &str, request: CreateSession) -> Result<(SessionView, bool), SessionError> {
        let span = span!(
            "session.start",
            quadrille.tenant = tenant,
            quadrille.games = request.games.len(),
            quadrille.session = Empty,
            quadrille.layout = Empty,
            quadrille.engine = Empty,
            otel.status_code = Empty
        );
        let made = self.create_once(tenant, request).instrument(span.clone()).await;
        match &made {
            Ok((view, _)) => {
                span.record("quadrille.session", view.id.as_str());
                span.record("quadrille.layout", view.layout.as_str());
                span.record("quadrille.engine", view.engine.as_str());
            }
            // Why is the answer's: what somebody wrote into a request may stand in it.
            Err(_) => {
                span.record("otel.status_code", "ERROR");
            }
        }
        made
    }

    async fn create_once(&self, tenant: &str, request: CreateSession) -> Result<(SessionView, bool), SessionError> {
        let Some((key, digest)) = request.idempotency.clone() else {
            return self.create_new(tenant, request).await.map(|view| (view, true));
        };
        // Without the queue, two requests with one key that come at once would make two sessions. It is an async lock, made
        // to be held here.
        let queue = hash_of((tenant, &key)) as usize % IDEMPOTENCY_QUEUES;
        let _turn = self.idempotency_queues[queue].lock().await;
        match self.created_before(tenant, &key).await? {
            Some((made_with, _)) if made_with != digest => Err(SessionError::IdempotencyConflict),
            Some((_, id)) => self.get(tenant, &id).await.map(|view| (view, false)),
            None => self.create_new(tenant, request).await.map(|view| (view, true)),
        }
    }

    /// Digest and session of an idempotency key that was used within its time.
    async fn created_before(&self, tenant: &str, key: &str) -> Result<Option<([u8; 32], String)>, SessionError> {
        let since_ms = self.now_ms() - IDEMPOTENCY_MS;
        let held = self.shelf.read().by_key.get(&(tenant.into(), key.to_owned())).cloned();
        if let Some((digest, entry)) = held
            && entry.session.lock().created_ms >= since_ms
        {
            return Ok(Some((digest, entry.id.to_string())));
        }
        let row = self.store.idempotency(tenant, key, since_ms).await?;
        Ok(row.map(|row| (row.digest, row.session_id)))
    }

    async fn create_new(&self, tenant: &str, request: CreateSession) -> Result<SessionView, SessionError> {
        let entry = self.make(tenant, request, None).await?;
        Ok(self.view_of(&entry))
    }

    /// `output`: the one that the session is of, instead of a viewer's.
    pub(super) async fn make(
        &self,
        tenant: &str,
        request: CreateSession,
        output: Option<Arc<str>>,
    ) -> Result<Arc<Entry>, SessionError> {
        let CreateSession {
            games,
            layout,
            audio,
            engine,
            max_height,
            skin,
            market,
            region,
            device_class,
            terms,
            device_id,
            labels,
            idempotency,
        } = request;
        let mut show = Show { skin, ..self.show(tenant, games, layout, audio, engine)? };
        self.check_height(max_height)?;
        let (mut rights, rules) = self.granted(tenant, market, &terms)?;
        (rights.region, rights.device_class, rights.output) = (region, device_class, output);
        rules.check_region(&rights)?;
        self.check_games(&show.games, &rights, &rules)?;
        if !show.is_chosen {
            show.audio = self.heard_by_default(tenant, &show.games[0], &rules);
        }
        self.check_height(rights.tier.max_height)?;
        let max_height = max_height.into_iter().chain(rights.tier.max_height).min();
        if let Some(reached) = self.caps.reached(tenant, self.now_ms()) {
            self.metrics.admission_refused.with_label_values(&["cap"]).inc();
            return Err(reached.into());
        }
        let offer = Offer { max_height, hdr: rights.tier.has(Feature::Hdr) };
        let (is_output, rate_bps) = (rights.output.is_some(), self.rate_bps(offer));
        let room = self.reserve(Place { tenant: tenant.into(), is_output, rate_bps })?;
        let placement = self.mosaics.want_for(tenant, None, &show.spec(), engine)?;
        let held = self.mosaics.held(&placement.id).await;
        let now_ms = self.now_ms();
        let begins = begins(&placement, &held, self.segment_at(now_ms)).max(self.lit_from(&show.game_keys()));
        let id: Arc<str> = session_id(now_ms)?.into();
        let key = idempotency.as_ref().map(|(key, digest)| (key.clone(), *digest));
        let idempotency = idempotency.map(|(key, digest)| IdempotencyRow {
            key,
            digest,
            session_id: id.to_string(),
            created_ms: now_ms,
        });
        let token = random_hex::<16>()?.into();
        let identity = Identity {
            id,
            tenant: tenant.into(),
            token,
            labels,
            device_id,
            max_height,
            rights,
            tier: self.tier(max_height),
            idempotency,
        };
        // On the shelf before it is on the disk: if the caller goes away meanwhile, the session is swept like any other.
        let mut session = Session::new(identity, show, &placement, begins, now_ms);
        session.note_slate(now_ms, &self.live.read().clone());
        let entry = self.shelve(session, key);
        room.keep();
        self.count();
        self.direct(&entry);
        self.tell_started(&entry);
        // A store that does not take it does not keep a viewer from watching: sweeps try again.
        let _ = self.persist(&entry).await;
        Ok(entry)
    }
}

pub(super) fn hash_of(value: impl std::hash::Hash) -> u64 {
    use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
    BuildHasherDefault::<DefaultHasher>::default().hash_one(value)
}

/// 32 hex digits that sort by time: 12 of milliseconds, 20 of chance. Listings walk them newest first.
fn session_id(now_ms: i64) -> Result<String, StoreError> {
    Ok(format!("{:012x}{}", now_ms.max(0), random_hex::<10>()?))
}

fn random_hex<const BYTES: usize>() -> Result<String, StoreError> {
    let mut bytes = [0u8; BYTES];
    getrandom::fill(&mut bytes).map_err(|e| StoreError::Failed(format!("no random bytes: {e}")))?;
    Ok(hex::encode(bytes))
}
