//! Places for active sessions: so many on this machine, and of them as many as each tenant may take.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use super::SessionError;
use super::registry::{Offer, Sessions};
use crate::mosaic::{Beyond, Shares};

/// After this long, room may have become free: sessions end all the time.
const CAPACITY_RETRY_S: u32 = 10;

/// What a tenant may have at once, where its configuration says so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TenantLimit {
    /// Viewers' sessions.
    pub sessions: Option<u32>,
    /// What all its sessions may take together, each counted with the best rendition that it is offered.
    pub egress_bps: Option<u64>,
}

/// Active sessions, and creations under way.
#[derive(Default)]
pub(super) struct Rooms {
    bounds: OnceLock<Bounds>,
    viewers: Mutex<Taken>,
    outputs: Mutex<Taken>,
    /// What both take of the network, by tenant.
    egress: Mutex<HashMap<Arc<str>, u64>>,
}

#[derive(Default)]
struct Bounds {
    viewers: Shares,
    outputs: Shares,
    egress_bps: HashMap<Arc<str>, u64>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    by_tenant: HashMap<Arc<str>, usize>,
}

/// Whose place it is, and what it comes to.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub tenant: Arc<str>,
    pub is_output: bool,
    pub rate_bps: u64,
}

impl Rooms {
    fn of(&self, is_output: bool) -> &Mutex<Taken> {
        if is_output { &self.outputs } else { &self.viewers }
    }

    /// How many there are.
    pub fn active(&self, is_output: bool) -> usize {
        self.of(is_output).lock().all
    }

    /// Takes a place without asking: of a session that is there already.
    pub fn take(&self, place: &Place) {
        let mut taken = self.of(place.is_output).lock();
        taken.all += 1;
        *taken.by_tenant.entry(place.tenant.clone()).or_default() += 1;
        drop(taken);
        *self.egress.lock().entry(place.tenant.clone()).or_default() += place.rate_bps;
    }

    pub fn give_back(&self, place: &Place) {
        let mut taken = self.of(place.is_output).lock();
        taken.all = taken.all.saturating_sub(1);
        if let Some(own) = taken.by_tenant.get_mut(&place.tenant) {
            *own = own.saturating_sub(1);
        }
        drop(taken);
        if let Some(egress) = self.egress.lock().get_mut(&place.tenant) {
            *egress = egress.saturating_sub(place.rate_bps);
        }
    }
}

impl Sessions {
    /// Says which tenants there are and what each may have. Without it nobody is held up but by the machine's own bounds.
    pub fn share_among(&self, tenants: &BTreeMap<Arc<str>, TenantLimit>) {
        let bounds = Bounds {
            viewers: Shares::new(tenants.iter().map(|(id, limit)| (id.clone(), limit.sessions.map(f64::from)))),
            outputs: Shares::new(tenants.keys().map(|id| (id.clone(), None))),
            egress_bps: tenants.iter().filter_map(|(id, limit)| Some((id.clone(), limit.egress_bps?))).collect(),
        };
        // They are read once, at start.
        let _ = self.rooms.bounds.set(bounds);
    }

    /// Bits a second of the best that is offered, sound with it.
    pub(super) fn rate_bps(&self, offer: Offer) -> u64 {
        let best = self.offered(offer).map(|rendition| rendition.bitrate_bps).max().unwrap_or(0);
        u64::from(best) + u64::from(self.games.sound_bitrate_bps())
    }

    /// A place for one more active session, or for one more output.
    pub(super) fn reserve(&self, place: Place) -> Result<Room<'_>, SessionError> {
        let (most, what) = match place.is_output {
            false => (self.settings.max_sessions, "sessions"),
            true => (self.settings.max_outputs, "outputs"),
        };
        // Ended sessions are on the shelf until they are forgotten and booked; with a store that fails they may pile up.
        let (shelved, longest_shelf) = (self.shelved(place.is_output), most.saturating_mul(2));
        let unbounded = Bounds::default();
        let bounds = self.rooms.bounds.get().unwrap_or(&unbounded);
        let shares = if place.is_output { &bounds.outputs } else { &bounds.viewers };
        let held = |of: &str| shelved.get(of).map_or(0.0, |held| *held as f64);
        let mut taken = self.rooms.of(place.is_output).lock();
        let own = |of: &str| taken.by_tenant.get(of).map_or(0.0, |own| *own as f64);
        let allowed = shares.allow(most as f64, &place.tenant, 1.0, own).and_then(|()| {
            let without_limits = &bounds.outputs;
            without_limits.allow(longest_shelf as f64, &place.tenant, 1.0, held)
        });
        if let Err(Beyond::Limit(limit)) = allowed {
            let detail = format!("this tenant has {limit} active sessions, which is its limit");
            return Err(self.refused(detail, "tenant_sessions"));
        }
        if taken.all >= most || shelved.values().sum::<usize>() >= longest_shelf {
            return Err(self.refused(format!("{most} {what} are active"), what));
        }
        if allowed.is_err() {
            let detail = format!("what is left of {most} {what} is kept for other tenants");
            return Err(self.refused(detail, "share"));
        }
        let mut egress = self.rooms.egress.lock();
        let its = egress.entry(place.tenant.clone()).or_default();
        if let Some(limit) = bounds.egress_bps.get(&place.tenant).filter(|limit| *its + place.rate_bps > **limit) {
            let detail = format!("this tenant's sessions take up to {its} bit/s, and {limit} is its limit");
            return Err(self.refused(detail, "tenant_egress"));
        }
        *its += place.rate_bps;
        taken.all += 1;
        *taken.by_tenant.entry(place.tenant.clone()).or_default() += 1;
        Ok(Room { rooms: &self.rooms, place, kept: false })
    }

    fn refused(&self, detail: String, reason: &'static str) -> SessionError {
        self.metrics.admission_refused.with_label_values(&[reason]).inc();
        SessionError::Capacity { detail, reason, retry_after_s: CAPACITY_RETRY_S }
    }
}

/// A reserved place; given back unless the session comes to be.
pub(super) struct Room<'a> {
    rooms: &'a Rooms,
    place: Place,
    kept: bool,
}

impl Room<'_> {
    pub fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        if !self.kept {
            self.rooms.give_back(&self.place);
        }
    }
}
