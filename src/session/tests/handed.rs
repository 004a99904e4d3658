//! How fast a session is handed its past, and what does not make up for it.

use super::start_over::{back, element, house, listed, video};
use super::{NOW, booked_seconds, token};
use crate::session::testing::{House, SEGMENT, asking_for};
use crate::session::{EndedBy, Reload, SessionError, SessionView};

/// Downloads what `playlist` lists from segment `n` on, as fast as it is handed out; the next one that would come.
async fn download(house: &House, session: &SessionView, playlist: &str, mut n: u64) -> u64 {
    let own = Some(token(session));
    while house.sessions.keeps_pace(n, own).await.is_ok() {
        let element = element(playlist, n);
        assert!(house.sessions.rendition_of("2EH-a-b", &element, Some(n), own).is_some(), "{n}");
        n += 1;
    }
    n
}

#[tokio::test]
async fn who_downloads_the_past_is_handed_no_more_than_twice_what_is_billed_and_ten_minutes() {
    let house = house().await;
    let (session, _) = house.sessions.create("acme", asking_for("a,b")).await.unwrap();
    let given = video(&house, &session, back(&house, 3600)).await;
    let first = listed(&given)[0].0;
    let mut n = download(&house, &session, &given, first).await;
    assert!((300..=304).contains(&(n - first)), "{} segments", n - first);
    let refused = house.sessions.keeps_pace(n, Some(token(&session))).await;
    assert_eq!(refused, Err(SessionError::Ahead { retry_after_s: 2 }));
    // What it has it may read again, and live goes on.
    assert_eq!(house.sessions.keeps_pace(n - 1, Some(token(&session))).await, Ok(()));
    assert!(!listed(&video(&house, &session, Reload { parts: false, ..NOW }).await).is_empty());
    for _ in 0..200 {
        house.pass(2).await;
        video(&house, &session, Reload { parts: false, ..NOW }).await;
        n = download(&house, &session, &given, n).await;
    }
    house.sessions.end("acme", &session.id, EndedBy::Device).await.unwrap();
    let (handed_s, billed_s) = (2 * (n - first), booked_seconds(&house, &session).await);
    assert!((398..=404).contains(&billed_s), "nothing but time is billed: {billed_s}");
    assert!(handed_s >= 1390 && handed_s <= 2 * billed_s + 602, "{handed_s} s of {billed_s} s");
}

#[tokio::test]
async fn who_plays_at_twice_the_speed_and_seeks_about_waits_for_nothing() {
    let house = house().await;
    let (session, _) = house.sessions.create("acme", asking_for("a,b")).await.unwrap();
    let given = video(&house, &session, back(&house, 3600)).await;
    let (first, own) = (listed(&given)[0].0, Some(token(&session)));
    let mut n = first;
    // Now and then it goes on a little further on, and reads half a minute ahead.
    for second in 0..300 {
        let more = if second % 60 == 0 { (n += 20, 15).1 } else { 1 };
        for n in n..n + more {
            assert_eq!(house.sessions.keeps_pace(n, own).await, Ok(()), "in second {second}");
            assert!(house.sessions.rendition_of("2EH-a-b", &element(&given, n), Some(n), own).is_some());
        }
        n += more;
        house.pass(1).await;
    }
}

#[tokio::test]
async fn who_looked_at_first_pictures_has_not_had_their_segments() {
    let house = house().await;
    let (session, _) = house.sessions.create("acme", asking_for("a,b")).await.unwrap();
    let given = video(&house, &session, back(&house, 3600)).await;
    let (first, own) = (listed(&given)[0].0, Some(token(&session)));
    let looks = |n: u64| house.sessions.rendition_of_picture("2EH-a-b", &element(&given, n), n, own).is_some();
    // As fast as it likes: they are for seeking.
    assert!((first..first + 1000).all(looks));
    house.sessions.end("acme", &session.id, EndedBy::Device).await.unwrap();
    assert!(!looks(first), "when it is over they are gone, as their segments are");
    let again = video(&house, &session, back(&house, 3600)).await;
    let there = again.split("#EXT-X-PROGRAM-DATE-TIME:").filter(|entry| !entry.contains("#EXT-X-GAP"));
    let there: String = there.collect();
    assert!(listed(&there).iter().all(|(n, _)| *n > SEGMENT - 40), "{there}");
}
