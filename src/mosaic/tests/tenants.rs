//! Tiles of tenants beside each other: who may take what is left, and who gives way.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::mosaic::testing::{House, Plan};
use crate::mosaic::{AdmitError, Decoders, Engine, EngineChoice, EngineKind, Kept, KeptBy, Mosaics, Placement, Shares};

/// A machine that so many whole tiles fill, and two tenants.
fn house(whole_tiles: f64) -> House {
    let tenants = Shares::new(["greedy", "other"].map(|tenant| (tenant.into(), None)));
    let plan = |cores| Plan { cores, mosaic_cores: 1.0, tenants: tenants.clone(), ..Plan::default() };
    let any = House::new(&plan(f64::INFINITY));
    House::new(&plan(any.stitch.cost(&any.spec("1", &["any"])) * whole_tiles))
}

fn want(house: &House, tenant: &str, layout: &str, games: &[&str]) -> Result<Placement, AdmitError> {
    let stitch = EngineChoice::Only(EngineKind::Stitch);
    house.registry.want_for(tenant, None, &house.spec(layout, games), stitch)
}

fn is_share(refused: Result<Placement, AdmitError>) -> bool {
    matches!(refused, Err(AdmitError::Tenant { reason: "share", .. }))
}

/// Feeds of the greedy that take so much and give way for whatever the other asks for.
struct Feeds(f64, Mutex<Vec<(String, f64)>>);

impl Decoders for Feeds {
    fn make_room(&self, tenant: &str, more: f64, free: f64) -> f64 {
        self.1.lock().push((tenant.to_owned(), more - free));
        if tenant == "other" { more - free } else { 0.0 }
    }

    fn sums(&self) -> KeptBy {
        KeptBy::from([("greedy".into(), Kept { takes: self.0, wants: self.0 })])
    }
}

#[test]
fn one_alone_may_have_the_whole_machine_and_who_is_above_its_share_gets_nothing_that_another_was_refused() {
    let house = house(3.5);
    for game in ["a", "b", "c"] {
        want(&house, "greedy", "1", &[game]).unwrap();
    }
    // There is half a tile left: too little for the other, whose share is more, and enough for a small one.
    let small = ["a"; 4];
    let refused = want(&house, "other", "1", &["d"]);
    assert!(matches!(refused, Err(AdmitError::Capacity { .. })), "{refused:?}");
    assert!(is_share(want(&house, "greedy", "4E", &small)), "it is kept for the other");
    let standing = house.registry.encoding("other");
    assert!(
        standing.taken == 0.0 && standing.wanted > 0.0 && standing.share.unwrap() > standing.wanted,
        "{standing:?}"
    );
    // What runs costs nothing, whoever asks.
    assert!(want(&house, "greedy", "1", &["a"]).is_ok() && want(&house, "other", "1", &["a"]).is_ok());
    assert!(house.registry.encoding("greedy").taken > 2.0 * standing.wanted);
    // What it was refused is forgotten once it gets something.
    want(&house, "other", "4E", &["d"; 4]).unwrap();
    assert!(!is_share(want(&house, "greedy", "4E", &small)), "it has got something since");
}

#[test]
fn feeds_of_others_give_way_for_the_tiles_of_a_tenant_within_its_share() {
    let house = house(2.5);
    let whole = house.stitch.cost(&house.spec("1", &["any"]));
    let feeds = Arc::new(Feeds(whole, Mutex::default()));
    house.registry.set_decoders(&(feeds.clone() as Arc<dyn Decoders>));
    for game in ["a", "b"] {
        want(&house, "greedy", "1", &[game]).unwrap();
    }
    assert!(want(&house, "greedy", "1", &["c"]).is_err());
    want(&house, "other", "1", &["d"]).unwrap();
    let (tenant, short) = feeds.1.lock().pop().unwrap();
    assert!(tenant == "other" && (short - whole / 2.0).abs() < 1e-9, "{short} of {whole}");
    let standing = house.registry.encoding("other");
    assert!(standing.taken > 0.9 * whole, "{standing:?}");
    // Two tiles, a third that was refused and the feeds are the greedy's: the other may have half of what there is.
    let all = house.registry.encoding("greedy");
    assert!(
        all.wanted > 2.9 * whole && (standing.share.unwrap() - 2.0 * whole).abs() < whole / 2.0,
        "{all:?} {standing:?}"
    );
}
