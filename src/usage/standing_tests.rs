use super::*;
use crate::store::MeterLine;
use crate::usage::testing::*;
use crate::usage::{Rounding, Standings};

#[tokio::test]
async fn a_standing_is_that_of_its_month() {
    let in_days = (8 * 24 + 8) * 60;
    let lines = vec![line("s", 0, 60), line("s", in_days - 1, 60), line("s", in_days, 30)];
    let house = House::with(list(vec![tariff(0, Rounding::StartedMinute, "0.5")]), lines).await;
    let watch = MonthWatch::new(house.reports.clone());
    for closed_at in [0, 200, in_days + 30, in_days + 200] {
        house.close(closed_at).await;
        let of = |minute: i64| watch.standing("acme", START_MS + minute * 60_000);
        let november = of(in_days - 1).await.unwrap();
        if closed_at < in_days {
            assert_eq!((november.billable_seconds, november.billed_minutes), (120, 2), "closed at {closed_at}");
        }
        let december = of(in_days + 10).await.unwrap();
        assert_eq!((december.billable_seconds, december.billed_minutes), (30, 1), "closed at {closed_at}");
        assert_eq!(december.costs, [("EUR".to_owned(), "0.5".parse().unwrap())]);
        let january = of(in_days + 31 * 24 * 60).await.unwrap();
        assert_eq!((january.billable_seconds, january.costs.len()), (0, 0));
    }
}

#[tokio::test]
async fn looking_again_and_again_finds_what_a_whole_walk_finds() {
    let house = House::new(contract(Rounding::StartedMinute)).await;
    let watch = MonthWatch::new(house.reports.clone());
    let mut lines = evening();
    lines.sort_by_key(|line| line.minute_start_ms);
    for minute in 0..230i64 {
        // The minute that runs is booked in part, and in full a minute later.
        let due =
            lines.iter().filter(|line| (minute - 1..=minute).contains(&((line.minute_start_ms - START_MS) / 60_000)));
        let now_ms = START_MS + minute * 60_000 + 30_000;
        let booked = due.map(|line| {
            let runs = line.minute_start_ms + 60_000 > now_ms;
            let part = |seconds: u32| if runs { seconds / 2 } else { seconds };
            MeterLine {
                billable_seconds: part(line.billable_seconds),
                slate_seconds: part(line.slate_seconds),
                slate_all_seconds: part(line.slate_all_seconds),
                ..line.clone()
            }
        });
        book(&house.store, booked.collect()).await;
        if minute % 3 == 0 {
            house.close(minute).await;
            let looked = watch.standing("acme", now_ms).await.unwrap();
            let walked = house.reports.month_mark("acme", now_ms).await.unwrap();
            assert_eq!(
                (looked.billable_seconds, looked.billed_minutes),
                (walked.billable_seconds, walked.billed_minutes)
            );
            let costs: Vec<_> =
                walked.costs.iter().map(|(currency, cost)| (currency.clone(), cost.to_decimal())).collect();
            assert_eq!(looked.costs, costs, "at {minute}");
        }
    }
    // The clock is set back, and on.
    for minute in [100, 220] {
        let now_ms = START_MS + minute * 60_000;
        let looked = watch.standing("acme", now_ms).await.unwrap();
        assert_eq!(looked.billed_minutes, house.reports.month_mark("acme", now_ms).await.unwrap().billed_minutes);
    }
}
