//! What reports are made of, and what it is priced by, against what was sealed.

use super::*;
use crate::store::testing::{flip, tamper};
use crate::store::{LedgerReads, SqliteLedger, Store};
use crate::usage::summing::sum_hours;
use crate::usage::testing::*;
use crate::usage::{PriceBook, PriceList, Rounding};

const SEED: [u8; 32] = [7; 32];
const SUMS_GONE: &str = "DELETE FROM hour_sums; DELETE FROM month_marks; UPDATE ledger_state SET summed_until_ms = 0";

fn prices(per_minute: &str) -> PriceList {
    list(vec![tariff(0, Rounding::StartedMinute, per_minute)])
}

/// Three sessions in each of four hours.
async fn booked() -> House {
    let minutes = (0..4).flat_map(|hour| ["s1", "s2", "s3"].map(|session| line(session, 60 * hour + 5, 60)));
    House::with(prices("0.04"), minutes.collect()).await
}

async fn sealed() -> House {
    let house = booked().await;
    house.close(250).await;
    assert_eq!(verified(&house).await.map(|verified| verified.hours), Ok(4));
    house
}

/// As the tool does it: beside the service, on a connection of its own.
async fn verified(house: &House) -> Result<Verified, VerifyError> {
    let mut trusted = TrustedKeys::default();
    trusted.add_seed(&SEED);
    verify(&SqliteLedger::open(house.dir.path()).await.unwrap(), &trusted, None).await
}

/// The hour that is broken, counted from the first, and how.
async fn fault(house: &House) -> (i64, HourFault) {
    match verified(house).await {
        Err(VerifyError::Broken { hour_start_ms, fault }) => ((hour_start_ms - START_MS) / HOUR_MS, fault),
        other => panic!("{other:?}"),
    }
}

async fn report(house: &House) -> serde_json::Value {
    house.json("2026-11-22", "2026-11-22T20:00:00Z", "session").await
}

#[tokio::test]
async fn sums_that_are_made_anew_have_the_prices_that_were_sealed() {
    let mut house = sealed().await;
    let before = report(&house).await;
    assert_eq!(before["state"], "final");
    tamper(house.dir.path(), SUMS_GONE).await;
    assert_eq!(fault(&house).await, (0, HourFault::Unsummed));
    house.change_prices(prices("6.12")).await;
    assert_eq!(report(&house).await["state"], "draft", "no price of today's is final");
    house.close(250).await;
    assert_eq!(report(&house).await, before);
    assert_eq!(verified(&house).await.map(|verified| (verified.hours, verified.unpriced_hours)), Ok((4, 0)));
}

#[tokio::test]
async fn sums_by_other_prices_than_were_sealed_are_found() {
    let mut house = sealed().await;
    // Somebody who knows how: without its seals the ledger is summed by what is in force.
    let aside = format!("CREATE TABLE aside AS SELECT * FROM closed_hours; DELETE FROM closed_hours; {SUMS_GONE}");
    tamper(house.dir.path(), &aside).await;
    house.change_prices(prices("6.12")).await;
    let tenants = house.store.billed_tenants().await.unwrap();
    sum_hours(&*house.store, &house.reports.prices, &tenants, START_MS + 4 * HOUR_MS).await.unwrap();
    tamper(house.dir.path(), "INSERT INTO closed_hours SELECT * FROM aside").await;
    let (hour, fault_found) = fault(&house).await;
    assert!(matches!(&fault_found, HourFault::Prices { differs } if differs.contains("acme")), "{fault_found:?}");
    assert_eq!(hour, 0);
    let renamed =
        "UPDATE closed_hours SET price_lists = json_object('acme', (SELECT max(price_list) FROM month_marks))";
    tamper(house.dir.path(), renamed).await;
    assert_eq!(fault(&house).await, (0, HourFault::Changed));
}

#[tokio::test]
async fn a_price_list_that_was_changed_is_found_and_prices_nothing() {
    let mut house = sealed().await;
    tamper(house.dir.path(), "UPDATE price_lists SET tariffs = '[]'").await;
    let (hour, fault_found) = fault(&house).await;
    assert!(matches!(&fault_found, HourFault::Sums { differs } if differs.contains("price list")), "{fault_found:?}");
    assert_eq!(hour, 0);
    let ledger = SqliteLedger::open(house.dir.path()).await.unwrap();
    let recorded = PriceBook::recorded(&ledger, "acme").await;
    assert!(matches!(recorded, Err(StoreError::Damaged(_))), "{recorded:?}");
    // A start with the same tariffs knows their text.
    house.change_prices(prices("0.04")).await;
    assert!(verified(&house).await.is_ok());
}

#[tokio::test]
async fn hours_that_were_sealed_without_their_prices_hold_and_are_counted() {
    let mut house = booked().await;
    let (tenants, until_ms) = (house.store.billed_tenants().await.unwrap(), START_MS + 2 * HOUR_MS);
    house.store.close_hours(until_ms).await.unwrap();
    sum_hours(&*house.store, &house.reports.prices, &tenants, until_ms).await.unwrap();
    let mut previous = GENESIS;
    for hour in 0..2 {
        let digest = digest_hour(&*house.store, &tenants, &previous, START_MS + hour * HOUR_MS, None).await.unwrap();
        let seal = digest.seal(&SigningKey::from_bytes(&SEED));
        previous = seal.digest;
        house.store.seal_hour(seal).await.unwrap();
    }
    let before =
        "ALTER TABLE closed_hours DROP COLUMN price_lists; ALTER TABLE ledger_state DROP COLUMN sealed_until_ms";
    tamper(house.dir.path(), before).await;
    let told = verified(&house).await.map(|verified| (verified.hours, verified.unpriced_hours));
    assert_eq!(told, Ok((2, 2)), "as no newer version has opened it");
    let since = "ALTER TABLE closed_hours ADD COLUMN price_lists TEXT; \
                 ALTER TABLE ledger_state ADD COLUMN sealed_until_ms INTEGER NOT NULL DEFAULT 0";
    tamper(house.dir.path(), since).await;
    house.close(250).await;
    let told = verified(&house).await.map(|verified| (verified.hours, verified.unpriced_hours));
    assert_eq!(told, Ok((4, 2)));

    // Of those hours their marks alone say what they were priced by.
    let before = report(&house).await;
    tamper(house.dir.path(), "DELETE FROM hour_sums; UPDATE ledger_state SET summed_until_ms = 0").await;
    house.change_prices(prices("6.12")).await;
    house.close(250).await;
    assert_eq!(report(&house).await, before);
    assert!(verified(&house).await.is_ok());
}

#[tokio::test]
async fn sums_that_no_closed_hour_has_are_found() {
    let moved = |change: &str| {
        format!(
            "CREATE TEMP TABLE one AS SELECT * FROM hour_sums WHERE session_id = 's1' AND hour_start_ms = {START_MS}; \
             UPDATE one SET cost = 99999900000000, {change}; INSERT INTO hour_sums SELECT * FROM one"
        )
    };
    for (tampering, hour) in [
        (moved("hour_start_ms = hour_start_ms - 36000000"), -10),
        (moved("hour_start_ms = hour_start_ms + 36000000"), 10),
        (moved("tenant = 'zeta', hour_start_ms = hour_start_ms - 36000000"), -10),
        (
            "INSERT INTO month_marks SELECT tenant, hour_start_ms - 36000000, mark, price_list FROM month_marks".into(),
            -10,
        ),
    ] {
        let house = sealed().await;
        tamper(house.dir.path(), &tampering).await;
        let (found, said) = fault(&house).await;
        assert!(matches!(said, HourFault::SumsOfNoHour { .. }), "{tampering}: {said:?}");
        assert_eq!(found, hour, "{tampering}");
    }
    // In a closed hour, of somebody without entries; and of a session that has none.
    for (change, named) in [("tenant = 'zeta'", "zeta"), ("session_id = 's9'", "s9")] {
        let house = sealed().await;
        tamper(house.dir.path(), &moved(change)).await;
        let (hour, said) = fault(&house).await;
        assert!(matches!(&said, HourFault::Sums { differs } if differs.contains(named)), "{change}: {said:?}");
        assert_eq!(hour, 0);
    }
}

#[tokio::test]
async fn a_byte_that_was_flipped_in_sums_or_in_their_index_is_found() {
    let hour = (START_MS + HOUR_MS).to_be_bytes()[2..].to_vec();
    for (place, at, change) in [("hour_sums_of_session", b"s2".to_vec(), 1), ("hour_sums", hour, 3)] {
        for bit in [1, 0x80] {
            let house = sealed().await;
            house.store.close().await.unwrap();
            flip(house.dir.path(), place, &at, change, bit).await;
            let said = verified(&house).await;
            assert!(
                matches!(&said, Err(VerifyError::Damaged { said, .. }) if said.contains("hour_sums")),
                "{place}: {said:?}"
            );
        }
    }
}

#[tokio::test]
async fn seals_that_are_gone_from_the_end_are_missed() {
    let last = "DELETE FROM closed_hours WHERE hour_start_ms = (SELECT max(hour_start_ms) FROM closed_hours)";
    let forgotten = "UPDATE ledger_state SET sealed_until_ms = 0";
    for (tampering, hour) in [(last, 3), ("DELETE FROM closed_hours", 0)] {
        // The database knows; and of who makes it forget, the marker beside it.
        let house = sealed().await;
        tamper(house.dir.path(), &format!("{tampering}; {forgotten}")).await;
        assert_eq!(fault(&house).await, (hour, HourFault::SealMissing), "{tampering}");
        let house = sealed().await;
        tamper(house.dir.path(), tampering).await;
        std::fs::remove_file(house.dir.path().join("deployment.json")).unwrap();
        assert_eq!(fault(&house).await, (hour, HourFault::SealMissing), "{tampering}");
    }
    let house = sealed().await;
    let all = format!("DELETE FROM closed_hours; DELETE FROM meter_lines; {SUMS_GONE}; {forgotten}");
    tamper(house.dir.path(), &all).await;
    assert_eq!(fault(&house).await, (3, HourFault::SealMissing), "nothing is left but the marker");
}
