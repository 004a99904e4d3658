//! What feeds may spend on decoding: what admission has left, and what tenants that are above their share give way for those that are not.
//!
//! Lock order: `holding`, then the registry's own. The registry holds its map of mosaics while it asks for room here.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::holding::{Holding, Turn};
use crate::feed::{DecodeRoom, Refused};
use crate::mosaic::{Beyond, Decoders, GameKey, KeptBy, MosaicRegistry, Shares};
use crate::timeline::MediaTime;

/// What is left is reckoned anew this often: each feed asks ten times a second.
const RECKONED_EVERY: Duration = Duration::from_secs(1);

/// Of a source that is tried: it is no game yet.
pub(super) struct MachineRoom(pub Arc<MosaicRegistry>);

impl DecodeRoom for MachineRoom {
    fn admit(&self, cores: f64) -> Result<(), Refused> {
        if !self.0.allows_source() {
            return Err(Refused::Late);
        }
        if self.0.admit_decoding(cores) { Ok(()) } else { Err(Refused::Left(self.left())) }
    }

    fn left(&self) -> f64 {
        self.0.left_for_decoding()
    }

    fn is_late(&self) -> bool {
        self.0.is_late()
    }
}

/// The room that all games' feeds share.
pub(super) struct SharedRoom {
    registry: Arc<MosaicRegistry>,
    pub holding: Mutex<Holding<GameKey>>,
}

impl SharedRoom {
    pub fn new(registry: Arc<MosaicRegistry>, limits: Shares) -> Self {
        Self { registry, holding: Mutex::new(Holding::new(limits)) }
    }

    /// The room of a feed that begins.
    pub fn of(self: &Arc<Self>, key: &GameKey, tenant: Option<&str>) -> FeedRoom {
        let turn = self.holding.lock().came(key, tenant);
        FeedRoom { room: self.clone(), key: key.clone(), turn, reckoned: Mutex::default() }
    }
}

/// Those who decode for the mosaics of this machine. Not held by what it holds itself: the registry has it weakly.
impl Decoders for SharedRoom {
    fn make_room(&self, tenant: &str, more: f64, free: f64) -> f64 {
        let (now, kept) = (self.registry.now(), self.registry.encoding_by_tenant());
        self.holding.lock().make_room_for(now, tenant, more, free, &kept).unwrap_or(0.0)
    }

    fn sums(&self) -> KeptBy {
        self.holding.lock().sums()
    }
}

/// One game's feed in it.
pub(super) struct FeedRoom {
    room: Arc<SharedRoom>,
    key: GameKey,
    turn: Turn,
    /// What is left, and when that was reckoned.
    reckoned: Mutex<Option<(MediaTime, f64)>>,
}

impl DecodeRoom for FeedRoom {
    fn admit(&self, cores: f64) -> Result<(), Refused> {
        let registry = &self.room.registry;
        let mut holding = self.room.holding.lock();
        if !holding.asks(&self.key, self.turn, cores) {
            // One that an earlier feed asks for is on hold for good.
            let limit = Self::beyond(&holding, &self.key).filter(|_| holding.on_hold(&self.key).is_none());
            return Err(limit.unwrap_or(Refused::OnHold));
        }
        let now = registry.now();
        if holding.yields(&self.key, now) {
            return Err(Refused::Yields);
        }
        if !registry.allows_source() {
            holding.has_to_wait(&self.key, self.turn, now);
            return Err(Refused::Late);
        }
        if !registry.admit_decoding(cores) {
            let free = registry.left_for_decoding();
            let freed = holding.make_room(now, &self.key, cores, free, &registry.encoding_by_tenant());
            let Some(freed) = freed else {
                return Err(Self::beyond(&holding, &self.key).unwrap_or(Refused::Left(free)));
            };
            if !registry.admit_decoding_instead(cores, freed) {
                return Err(Refused::Left(free + freed));
            }
        }
        holding.granted(&self.key, self.turn, cores);
        Ok(())
    }

    fn left(&self) -> f64 {
        let now = self.room.registry.now();
        let mut reckoned = self.reckoned.lock();
        if let Some((at, left)) = *reckoned
            && now.since(at) < RECKONED_EVERY
        {
            return left;
        }
        let free = self.room.registry.left_for_decoding();
        let left = self.room.holding.lock().left(&self.key, free, &self.room.registry.encoding_by_tenant());
        *reckoned = Some((now, left));
        left
    }

    fn is_late(&self) -> bool {
        self.room.registry.is_late()
    }

    fn over(&self) {
        self.room.holding.lock().over(&self.key, self.turn);
    }
}

impl FeedRoom {
    /// What of its tenant's is short.
    fn beyond(holding: &Holding<GameKey>, key: &GameKey) -> Option<Refused> {
        let (taken, beyond) = holding.refused(key)?;
        Some(match beyond {
            Beyond::Limit(limit) => Refused::Limit { taken, limit },
            Beyond::Share => Refused::Share { taken },
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::mosaic::testing::{House, Plan};

    /// A machine of so many cores of which nothing else takes any.
    fn shared(cores: f64, limits: Shares) -> (House, Arc<SharedRoom>) {
        let house = House::new(&Plan { cores, ..Plan::default() });
        let room = Arc::new(SharedRoom::new(house.registry.clone(), limits));
        (house, room)
    }

    fn feeds(room: &Arc<SharedRoom>, tenant: &str, names: &[&str]) -> Vec<FeedRoom> {
        names.iter().map(|name| room.of(&(*name).into(), Some(tenant))).collect()
    }

    #[test]
    fn many_games_of_one_tenant_do_not_keep_another_s_from_being_decoded() {
        let (_house, room) = shared(2.0, Shares::default());
        let greedy = feeds(&room, "greedy", &["a", "b", "c", "d", "e"]);
        assert_eq!(greedy.iter().filter(|feed| feed.admit(0.5).is_ok()).count(), 4, "one alone has all of it");
        let other = feeds(&room, "other", &["x", "y", "z"]);
        assert!((other[0].left() - 1.0).abs() < 1e-9, "half of it is its share");
        assert!(other[0].admit(0.5).is_ok() && other[1].admit(0.5).is_ok());
        let on_hold = |name: &str| room.holding.lock().on_hold(&name.into()).is_some();
        assert_eq!(["a", "b", "c", "d", "e"].map(on_hold), [false, false, true, true, false], "the newest that run");
        // More than its share is not taken from anybody, nor given to who is above, or on hold.
        assert_eq!(other[2].admit(0.5), Err(Refused::Share { taken: 1.0 }));
        assert_eq!(greedy[4].admit(0.5), Err(Refused::Share { taken: 1.0 }));
        assert_eq!(greedy[3].admit(0.1), Err(Refused::OnHold));
        // One is gone: what it had is free for whoever asks.
        other[0].over();
        room.registry.admit_decoding_instead(0.0, 0.5);
        assert!(greedy[4].admit(0.5).is_ok());
        // Their tiles need room, too, and what is on hold counts no more.
        assert_eq!(room.make_room("other", 0.5, 0.0), 0.5);
        assert!(on_hold("e") && !on_hold("x"));
        assert_eq!(room.make_room("greedy", 2.0, 0.0), 0.0);
    }

    #[test]
    fn a_limit_holds_on_an_empty_machine_and_games_of_the_configuration_have_none() {
        let (_house, room) = shared(4.0, Shares::new([("acme".into(), Some(0.6))]));
        let own = feeds(&room, "acme", &["a", "b"]);
        assert_eq!(own[0].admit(0.5), Ok(()));
        assert_eq!(own[1].admit(0.5), Err(Refused::Limit { taken: 0.5, limit: 0.6 }));
        assert!((own[1].left() - 0.1).abs() < 1e-9);
        let shared = room.of(&"shared".into(), None);
        assert!(shared.admit(3.5).is_ok(), "they come first");
        assert!(shared.admit(0.4).is_ok(), "and what is a tenant's gives way for them");
        assert!(room.holding.lock().on_hold(&"a".into()).is_some());
    }

    #[test]
    fn what_is_refused_while_pictures_are_late_is_not_said_to_be_too_large() {
        let (house, room) = shared(4.0, Shares::default());
        let own = feeds(&room, "acme", &["a", "b", "c"]);
        for second in 0..4 {
            house.registry.late();
            house.clock.advance(Duration::from_secs(1));
            house.registry.sweep();
            assert_eq!(own[0].is_late(), second >= 2, "{second}");
        }
        assert_eq!(own[0].admit(0.1), Ok(()), "now and then one is let in");
        assert_eq!(own[1].admit(0.1), Err(Refused::Late));
        let tried = MachineRoom(room.registry.clone());
        assert_eq!(tried.admit(0.1), Err(Refused::Late));
    }

    #[test]
    fn a_tenant_s_newcomer_is_told_that_a_watched_game_of_the_configuration_comes_first() {
        let (house, room) = shared(4.0, Shares::default());
        let (first, other) = (room.of(&"shared".into(), None), room.of(&"other".into(), None));
        assert_eq!((first.admit(0.5), other.admit(0.5)), (Ok(()), Ok(())));
        let keys: HashSet<GameKey> = ["shared".into(), "other".into()].into();
        room.holding.lock().are_seen(&keys, &keys);
        room.holding.lock().look(house.registry.now(), true, None, true, &KeptBy::new());
        let own = feeds(&room, "acme", &["a"]);
        assert_eq!(own[0].admit(0.1), Err(Refused::Yields));
        room.holding.lock().are_seen(&HashSet::new(), &keys);
        assert_eq!(own[0].admit(0.1), Ok(()));
    }
}
