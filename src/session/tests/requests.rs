//! What is asked of sessions, and every refusal.

use std::time::Duration;

use crate::mosaic::{EngineChoice, EngineKind};
use crate::session::testing::{House, SEGMENT, asking_for};
use crate::session::{ChangeSession, CreateSession, EndedBy, ListSessions, SessionError, SessionsWanted, ViewState};
use crate::timeline::Clock;

use super::NOW;

#[tokio::test]
async fn a_session_is_shown_as_the_contract_says() {
    let house = House::new().await;
    let (made, created) = house.sessions.create("acme", asking_for("a,b")).await.unwrap();
    assert!(created);
    let token = made.playback_url.strip_prefix("/v1/play/").unwrap().strip_suffix("/index.m3u8").unwrap();
    assert_eq!(token.split('~').next().unwrap().len(), 32);
    assert_eq!(
        serde_json::to_value(&made).unwrap(),
        serde_json::json!({
            "id": made.id, "state": "active", "revision": 1, "playback_url": made.playback_url, "layout": "2EH",
            "engine": "render", "games": ["a", "b"],
            "slots": [
                {"slot": 0, "game": "a", "x": 0, "y": 270, "width": 960, "height": 540, "skew_ms": null, "restricted": null},
                {"slot": 1, "game": "b", "x": 960, "y": 270, "width": 960, "height": 540, "skew_ms": null, "restricted": null},
            ],
            "audio": "a", "max_height": null, "skin": null, "market": null, "region": null, "device_class": null, "features": ["low_latency", "dolby", "hdr"], "start_over_s": null, "skew_ms": null, "created_at": "2026-11-22T16:00:00.000Z", "effective_segment": SEGMENT + 2,
            "effective_at": "2026-11-22T16:00:04.000Z", "billable_seconds": 0, "end_reason": null,
        })
    );
    assert_eq!(house.sessions.get("acme", &made.id).await.unwrap(), made);
    assert_eq!(house.metrics.sessions.get(), 1);
}

#[tokio::test]
async fn the_default_layout_follows_the_number_of_games() {
    let house = House::new().await;
    for (games, layout) in [("a", "1"), ("a,b", "2EH"), ("a,b,c", "3EL"), ("a,b,c,d", "4E"), ("a,a,a,a", "4E")] {
        let (made, _) = house.sessions.create("acme", asking_for(games)).await.unwrap();
        assert_eq!(made.layout, layout, "{games}");
    }
}

#[tokio::test]
async fn every_refusal_of_a_new_session_has_its_code() {
    let house = House::new().await;
    let with = |games: &str, layout: Option<&str>, audio: Option<&str>| CreateSession {
        layout: layout.map(str::to_owned),
        audio: audio.map(str::to_owned),
        ..asking_for(games)
    };
    let none = CreateSession::default();
    let stitched = CreateSession { engine: EngineChoice::Only(EngineKind::Stitch), ..with("a,b", Some("pip"), None) };
    let refusals = [
        (none, "games_count", 422),
        (asking_for("a,b,c,d,a"), "games_count", 422),
        (asking_for("a,nobody"), "game_unknown", 404),
        (with("a", Some("9X"), None), "layout_unknown", 404),
        (with("a,b,c", Some("4E"), None), "layout_mismatch", 422),
        (with("a,b", Some("1"), None), "layout_mismatch", 422),
        (with("a,b", None, Some("c")), "audio_unknown", 422),
        (stitched, "engine_unsuited", 422),
    ];
    for (request, code, status) in refusals {
        let refused = house.sessions.create("acme", request.clone()).await.unwrap_err();
        assert_eq!((refused.code(), refused.status()), (code, status), "{request:?}");
    }
    let foreign = house.sessions.create("other", asking_for("own")).await.unwrap_err();
    assert_eq!(foreign.code(), "game_unknown", "another tenant's game does not exist");
    assert_eq!(house.mosaics.running.lock().len(), 0, "a refusal starts nothing");
    assert_eq!(house.metrics.sessions.get(), 0);
}

#[tokio::test]
async fn no_room_says_when_to_come_back() {
    let mut house = House::new().await;
    *house.mosaics.room.lock() = 1;
    house.sessions.create("acme", asking_for("a")).await.unwrap();
    let refused = house.sessions.create("acme", asking_for("b")).await.unwrap_err();
    assert_eq!((refused.code(), refused.status(), refused.retry_after_s()), ("capacity", 503, Some(7)));
    house.sessions.create("acme", asking_for("a")).await.expect("a mosaic that runs has room for all");

    house.settings.max_sessions = 3;
    house.crash(Duration::ZERO).await;
    *house.mosaics.room.lock() = 9;
    let (third, _) = house.sessions.create("acme", asking_for("a")).await.unwrap();
    let refused = house.sessions.create("acme", asking_for("a")).await.unwrap_err();
    assert_eq!((refused.code(), refused.retry_after_s()), ("capacity", Some(10)));
    house.sessions.end("acme", &third.id, EndedBy::Device).await.unwrap();
    house.sessions.create("acme", asking_for("a")).await.expect("an ended session makes room");
}

#[tokio::test]
async fn an_idempotency_key_makes_one_session() {
    let mut house = House::new().await;
    let keyed = |games: &str, digest: u8| CreateSession {
        idempotency: Some(("key-1".into(), [digest; 32])),
        ..asking_for(games)
    };
    let at_once: Vec<_> = (0..20)
        .map(|_| {
            let (sessions, request) = (house.sessions.clone(), keyed("a", 1));
            tokio::spawn(async move { sessions.create("acme", request).await.unwrap() })
        })
        .collect();
    let mut made = Vec::new();
    for task in at_once {
        made.push(task.await.unwrap());
    }
    let first = made[0].0.clone();
    assert!(made.iter().all(|(view, _)| view.id == first.id));
    assert_eq!(made.iter().filter(|(_, created)| *created).count(), 1);

    assert_eq!(house.sessions.create("acme", keyed("b", 2)).await, Err(SessionError::IdempotencyConflict));
    let (other, created) = house.sessions.create("other", keyed("b", 2)).await.unwrap();
    assert!(created && other.id != first.id, "keys are a tenant's own");

    house.crash(Duration::from_secs(1)).await;
    let (again, created) = house.sessions.create("acme", keyed("a", 1)).await.unwrap();
    assert!(!created && again.id == first.id, "and outlive the process");
    assert_eq!(house.sessions.create("acme", keyed("b", 2)).await, Err(SessionError::IdempotencyConflict));

    house.pass(40).await;
    house.clock.advance(Duration::from_secs(23 * 3600));
    house.sessions.sweep().await;
    let (again, created) = house.sessions.create("acme", keyed("a", 1)).await.unwrap();
    assert!(!created && again.id == first.id && again.state == ViewState::Ended, "and the session");
    house.clock.advance(Duration::from_secs(3 * 3600));
    house.sessions.sweep().await;
    let (fresh, created) = house.sessions.create("acme", keyed("b", 2)).await.unwrap();
    assert!(created && fresh.id != first.id, "after a day it is as good as new");
}

#[tokio::test]
async fn every_refusal_of_a_change_leaves_the_session_as_it_was() {
    let house = House::new().await;
    let (made, _) = house.sessions.create("acme", asking_for("a,b")).await.unwrap();
    *house.mosaics.room.lock() = 1;
    let games = |games: &str| ChangeSession { games: Some(asking_for(games).games), ..Default::default() };
    let refusals = [
        (games("a,nobody"), "game_unknown", 404),
        (ChangeSession { games: Some(vec![]), ..Default::default() }, "games_count", 422),
        (games("a,b,c,d"), "layout_mismatch", 422),
        (ChangeSession { layout: Some("9X".into()), ..Default::default() }, "layout_unknown", 404),
        (ChangeSession { layout: Some("4E".into()), ..Default::default() }, "layout_mismatch", 422),
        (ChangeSession { audio: Some("c".into()), ..Default::default() }, "audio_unknown", 422),
        (games("a,c"), "capacity", 503),
        (ChangeSession { if_match: Some(vec![7]), ..games("b,a") }, "revision_stale", 412),
    ];
    for (request, code, status) in refusals {
        let refused = house.sessions.change("acme", &made.id, request.clone()).await.unwrap_err();
        assert_eq!((refused.code(), refused.status()), (code, status), "{request:?}");
        assert_eq!(house.sessions.get("acme", &made.id).await.unwrap(), made);
    }
    let foreign = house.sessions.change("other", &made.id, games("b,a")).await.unwrap_err();
    assert_eq!(foreign, SessionError::SessionUnknown);
    assert_eq!(house.sessions.get("other", &made.id).await, Err(SessionError::SessionUnknown));
    assert_eq!(house.sessions.end("other", &made.id, EndedBy::Operator).await, Err(SessionError::SessionUnknown));
}

#[tokio::test]
async fn the_sound_stays_with_its_game_or_goes_with_its_slot() {
    let house = House::new().await;
    let (made, _) = house.sessions.create("acme", asking_for("a,b")).await.unwrap();
    let change = |games: Option<&str>, audio: Option<&str>| {
        let request = ChangeSession {
            games: games.map(|g| asking_for(g).games),
            audio: audio.map(str::to_owned),
            ..Default::default()
        };
        house.sessions.change("acme", &made.id, request)
    };
    let after = change(None, Some("b")).await.unwrap();
    assert_eq!((after.audio.as_str(), after.revision, after.effective_segment), ("b", 2, made.effective_segment));
    assert_eq!(change(Some("b,a"), None).await.unwrap().audio, "b", "its game is still there");
    assert_eq!(change(Some("c,a"), None).await.unwrap().audio, "c", "its slot shows another game");
    assert_eq!(change(Some("a,d"), Some("d")).await.unwrap().audio, "d");
    let same = change(Some("a,d"), None).await.unwrap();
    assert_eq!(same.revision, 5, "a change to what is already so is none");
}

#[tokio::test]
async fn sessions_are_listed_newest_first_by_tenant_and_state() {
    let house = House::new().await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        house.clock.advance(Duration::from_millis(10));
        ids.push(house.sessions.create("acme", asking_for("a")).await.unwrap().0.id);
    }
    house.sessions.create("other", asking_for("a")).await.unwrap();
    house.sessions.end("acme", &ids[1], EndedBy::Operator).await.unwrap();
    let page = |state: Option<ViewState>, cursor: Option<String>| {
        house.sessions.list("acme", ListSessions { state, cursor, limit: 2, ..ListSessions::default() })
    };
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let got = page(None, cursor).await.unwrap();
        seen.extend(got.sessions.into_iter().map(|s| s.session.id));
        cursor = got.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, ids.iter().rev().cloned().collect::<Vec<_>>());
    let ended = page(Some(ViewState::Ended), None).await.unwrap();
    assert_eq!(ended.sessions.iter().map(|s| &s.session.id).collect::<Vec<_>>(), [&ids[1]]);
    assert_eq!(ended.sessions[0].session.state, ViewState::Ended);
    assert_eq!(ended.sessions[0].session.end_reason.as_deref(), Some("operator"));
    assert_eq!(ended.active_sessions, 4);
    assert_eq!(page(None, Some("nonsense".into())).await, Err(SessionError::CursorInvalid));
}

#[tokio::test]
async fn a_search_looks_through_so_many_sessions_at_a_time_and_says_where_to_go_on() {
    let house = House::new().await;
    let mut ids = Vec::new();
    for at in 0..7 {
        house.clock.advance(Duration::from_millis(10));
        let wish = CreateSession { device_id: Some(format!("stb-{at}")), ..asking_for("a") };
        ids.push(house.sessions.create("acme", wish).await.unwrap().0.id);
    }
    let wanted = SessionsWanted { device_id: Some("stb-0".into()), ..SessionsWanted::default() };
    let (mut cursor, mut pages) = (None, Vec::new());
    loop {
        let request = ListSessions { cursor, limit: 10, wanted: wanted.clone(), ..ListSessions::default() };
        let page = house.sessions.list("acme", request).await.unwrap();
        pages.push(page.sessions.into_iter().map(|found| found.session.id).collect::<Vec<_>>());
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(pages, [vec![], vec![], vec![ids[0].clone()]]);
}

/// Prints how long fifty creations at once take; the benches have the claim.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement, for a person to read"]
async fn fifty_sessions_created_at_once() {
    let house = House::new().await;
    house.sessions.create("acme", asking_for("a,b,c,d")).await.unwrap();
    let mut took = Vec::new();
    for _ in 0..20 {
        let tasks: Vec<_> = (0..50)
            .map(|_| {
                let sessions = house.sessions.clone();
                tokio::spawn(async move {
                    let begun = std::time::Instant::now();
                    sessions.create("acme", asking_for("a,b,c,d")).await.map(|_| begun.elapsed())
                })
            })
            .collect();
        for task in tasks {
            took.push(task.await.unwrap());
        }
    }
    let mut took: Vec<_> = took.into_iter().flatten().collect();
    took.sort();
    println!("{} creations: p50 {:?}, p99 {:?}", took.len(), took[took.len() / 2], took[took.len() * 99 / 100]);
    let begun = std::time::Instant::now();
    house.sessions.sweep().await;
    println!("a sweep of them: {:?}", begun.elapsed());
}

#[tokio::test]
async fn a_tenant_at_its_cap_gets_no_new_session_and_keeps_those_it_has() {
    use crate::usage::{Amount, CapReached, Month};

    let house = House::new().await;
    let with_key = CreateSession { idempotency: Some(("k".into(), [7; 32])), ..asking_for("a,b") };
    let (made, _) = house.sessions.create("acme", with_key.clone()).await.unwrap();
    let month = Month::of(house.clock.now().unix_millis());
    let reached = CapReached { cap: Amount::Minutes(10), figure: 11.into(), month };
    house.sessions.caps().note("acme", Some(reached.clone()));
    let refusal = house.sessions.create("acme", asking_for("a,b")).await.unwrap_err();
    assert_eq!((refusal.code(), refusal.status(), refusal.retry_after_s()), ("cap_reached", 402, None));
    assert_eq!(house.metrics.admission_refused.with_label_values(&["cap"]).get(), 1);
    let unknown = house.sessions.create("acme", asking_for("nobody")).await.unwrap_err();
    assert_eq!(unknown.code(), "game_unknown", "what is wrong for ever is said first");
    let (again, created) = house.sessions.create("acme", with_key).await.unwrap();
    assert_eq!((&again.id, created), (&made.id, false), "a repeated request makes nothing new");
    let change = ChangeSession { games: Some(vec!["c".into(), "d".into()]), ..ChangeSession::default() };
    assert!(house.sessions.change("acme", &made.id, change).await.is_ok());
    assert!(house.sessions.create("other", asking_for("a")).await.is_ok());
    house.clock.advance(Duration::from_secs(9 * 86_400));
    assert!(house.sessions.create("acme", asking_for("a")).await.is_ok(), "a new month frees");
}

#[tokio::test]
async fn of_many_changes_at_once_the_last_one_wins_and_the_others_leave_nothing_behind() {
    let house = House::new().await;
    let (made, _) = house.sessions.create("acme", asking_for("a,b")).await.unwrap();
    house.clock.advance(Duration::from_secs(12));
    let token = crate::session::tests::token(&made).to_owned();
    let listed = || house.sessions.video_playlist(&token, "1080p", NOW);
    listed().await.unwrap();
    let games = |n: usize| ["a,b", "b,a", "c,d", "d,c", "a,c", "d,b"][n % 6];
    let change = |n: usize| {
        let request = ChangeSession { games: Some(asking_for(games(n)).games), ..ChangeSession::default() };
        house.sessions.change("acme", &made.id, request)
    };
    // A change of nothing is none.
    let mut last = change(1).await.unwrap();
    for n in 2..100 {
        let changed = change(n).await.unwrap();
        assert_eq!(changed.revision, last.revision + 1, "{n}");
        last = changed;
        if n % 10 == 0 {
            listed().await.unwrap();
        }
    }
    assert_eq!(last.games, asking_for(games(99)).games);
    house.mosaics.wants.lock().clear();
    house.pass(1).await;
    let mut wanted = house.mosaics.wants.lock().clone();
    wanted.sort();
    wanted.dedup();
    assert_eq!(wanted, ["2EH-a-b", "2EH-d-c"], "what shows yet, and what comes");
    house.clock.advance(Duration::from_secs(10));
    let playlist = listed().await.unwrap();
    let mosaic_of = |line: &str| line.split('/').nth(3).map(str::to_owned);
    let mosaics: Vec<String> =
        playlist.lines().filter(|line| line.contains(".m4s") && !line.starts_with('#')).filter_map(mosaic_of).collect();
    let first_new = mosaics.iter().position(|mosaic| mosaic == "2EH-d-c").unwrap();
    assert!(mosaics[..first_new].iter().all(|mosaic| mosaic == "2EH-a-b"), "{mosaics:?}");
    assert!(mosaics[first_new..].iter().all(|mosaic| mosaic == "2EH-d-c"), "{mosaics:?}");
}
