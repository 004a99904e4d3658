//! Playlists: whole texts, swaps, waiting.

use std::time::Duration;

use super::token;
use crate::session::testing::{House, SEGMENT, asking_for, grid};
use crate::session::{ChangeSession, EndedBy, SessionError};

/// Segment numbers and mosaics of a playlist, read from its URIs.
fn segments(playlist: &str) -> Vec<(u64, String)> {
    let uris = playlist.lines().filter(|line| line.ends_with(".m4s"));
    uris.map(|uri| {
        let mut parts = uri.rsplit('/');
        let n = parts.next().unwrap().strip_suffix(".m4s").unwrap().parse().unwrap();
        let _rendition = parts.next().unwrap();
        (n, parts.next().unwrap().to_owned())
    })
    .collect()
}

#[tokio::test]
async fn playlists_are_whole_and_stable() {
    let house = House::new().await;
    let (session, _) = house.sessions.create("acme", asking_for("own,b")).await.unwrap();
    let token = token(&session);
    // Its first segment is SEGMENT + 2: finished six seconds from now.
    assert_eq!(house.sessions.video_playlist(token, "1080p").await, Err(SessionError::NotReady { retry_after_s: 2 }));
    house.clock.advance(Duration::from_secs(8));

    let video = house.sessions.video_playlist(token, "1080p").await.unwrap();
    let (n, m) = (SEGMENT + 2, SEGMENT + 3);
    let expected = format!(
        "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:{n}\n#EXT-X-INDEPENDENT-SEGMENTS\n\
         #EXT-X-MAP:URI=\"/v1/media/2EH-acme/own-b/1080p/init.mp4\"\n\
         #EXT-X-PROGRAM-DATE-TIME:2026-11-22T16:00:04.000Z\n#EXTINF:2.000000,\n/v1/media/2EH-acme/own-b/1080p/{n}.m4s\n\
         #EXT-X-PROGRAM-DATE-TIME:2026-11-22T16:00:06.000Z\n#EXTINF:2.000000,\n/v1/media/2EH-acme/own-b/1080p/{m}.m4s\n"
    );
    assert_eq!(video, expected);

    let audio = house.sessions.audio_playlist(token, "own").await.unwrap();
    let map = audio.lines().find_map(|l| l.strip_prefix("#EXT-X-MAP:URI=\"/v1/media/audio/")).unwrap();
    let element = map.strip_suffix("/init.mp4\"").unwrap();
    assert_eq!(house.sessions.sound_of(element).as_deref(), Some("acme/own"));
    assert_eq!(segments(&audio).iter().map(|(n, _)| *n).collect::<Vec<_>>(), [n, m], "in step with the picture");

    let multivariant = house.sessions.multivariant(token).await.unwrap();
    let names: Vec<_> = multivariant.lines().filter_map(|l| l.split("NAME=\"").nth(1)?.split('"').next()).collect();
    assert_eq!(names, ["Own game", "Game B", "Game A", "Game C", "Game D"], "those on the picture first");
    assert!(
        multivariant.contains("DEFAULT=YES,AUTOSELECT=YES,CHANNELS=\"2\",URI=\"audio/own.m3u8\""),
        "{multivariant}"
    );
    assert!(multivariant.contains("CODECS=\"avc1.640028,mp4a.40.2\",RESOLUTION=960x540"), "{multivariant}");
    assert!(multivariant.contains("\nvideo/540p.m3u8"), "{multivariant}");

    let unknown = house.sessions.video_playlist(token, "4k").await.unwrap_err();
    assert_eq!((unknown.code(), unknown.status()), ("rendition_unknown", 404));
    assert_eq!(house.sessions.audio_playlist(token, "nobody").await.unwrap_err().code(), "game_unknown");
    assert_eq!(house.sessions.multivariant("0000").await, Err(SessionError::SessionUnknown));
}

#[tokio::test]
async fn a_swap_changes_uris_from_the_first_unlisted_segment_on_and_nothing_else() {
    let house = House::new().await;
    let (session, _) = house.sessions.create("acme", asking_for("a,b")).await.unwrap();
    let (running, _) = house.sessions.create("acme", asking_for("a,c")).await.unwrap();
    let token = token(&session);
    house.pass(20).await;
    let before = house.sessions.video_playlist(token, "1080p").await.unwrap();
    let sound_before = house.sessions.audio_playlist(token, "a").await.unwrap();
    let last = segments(&before).last().unwrap().0;
    house.clock.advance(Duration::from_secs(4));

    let swap =
        ChangeSession { games: Some(vec!["a".into(), "c".into()]), if_match: Some(vec![1]), ..Default::default() };
    let swapped = house.sessions.change("acme", &session.id, swap).await.unwrap();
    assert_eq!(
        swapped.effective_segment,
        last + 1,
        "the mosaic runs: the first segment not listed, though two are due"
    );
    assert_eq!((swapped.revision, &swapped.playback_url), (2, &session.playback_url));

    let after = house.sessions.video_playlist(token, "1080p").await.unwrap();
    let expected: Vec<_> = (SEGMENT + 2..=last)
        .map(|n| (n, "2EH-a-b".to_owned()))
        .chain((last + 1..=last + 2).map(|n| (n, "2EH-a-c".to_owned())))
        .collect();
    assert_eq!(segments(&after), expected);
    assert!(!after.contains("DISCONTINUITY") && after.matches("#EXT-X-MAP").count() == 1, "{after}");
    assert!(after.starts_with(&before), "what was listed is never changed");
    let sound_after = house.sessions.audio_playlist(token, "a").await.unwrap();
    assert!(sound_after.starts_with(&sound_before), "a swap never touches sound");

    house.pass(60).await;
    assert_eq!(house.sessions.get("acme", &running.id).await.unwrap().billable_seconds, 0, "nobody watched that one");
}

#[tokio::test]
async fn a_swap_to_a_new_mosaic_waits_for_it_while_the_old_one_goes_on() {
    let house = House::new().await;
    let (session, _) = house.sessions.create("acme", asking_for("a,b")).await.unwrap();
    let token = token(&session);
    for _ in 0..10 {
        house.pass(2).await;
        let _ = house.sessions.video_playlist(token, "540p").await;
    }
    let now = grid().segment_at(crate::timeline::Clock::now(&*house.clock));
    let swap = ChangeSession { games: Some(vec!["d".into(), "b".into()]), ..Default::default() };
    let swapped = house.sessions.change("acme", &session.id, swap).await.unwrap();
    assert_eq!(swapped.effective_segment, now + 2, "where the new mosaic begins");

    house.mosaics.wants.lock().clear();
    house.pass(1).await;
    assert_eq!(*house.mosaics.wants.lock(), ["2EH-a-b", "2EH-d-b"].map(str::to_owned).to_vec(), "both are kept alive");
    for _ in 0..10 {
        house.pass(1).await;
        let playlist = house.sessions.video_playlist(token, "540p").await.unwrap();
        for (n, mosaic) in segments(&playlist) {
            assert_eq!(mosaic, if n < now + 2 { "2EH-a-b" } else { "2EH-d-b" }, "segment {n}");
        }
    }
    house.mosaics.wants.lock().clear();
    house.pass(1).await;
    assert_eq!(*house.mosaics.wants.lock(), ["2EH-d-b".to_owned()], "and the old one is let go");
}

#[tokio::test]
async fn a_swap_overtaken_before_it_shows_leaves_no_trace() {
    let house = House::new().await;
    let (session, _) = house.sessions.create("acme", asking_for("a,b")).await.unwrap();
    let token = token(&session);
    house.pass(10).await;
    let listed = segments(&house.sessions.video_playlist(token, "540p").await.unwrap()).last().unwrap().0;
    for games in [["c", "b"], ["a", "b"]] {
        let swap = ChangeSession { games: Some(games.map(str::to_owned).to_vec()), ..Default::default() };
        house.sessions.change("acme", &session.id, swap).await.unwrap();
    }
    house.mosaics.wants.lock().clear();
    house.pass(10).await;
    let after = segments(&house.sessions.video_playlist(token, "540p").await.unwrap());
    assert!(after.iter().all(|(_, mosaic)| mosaic == "2EH-a-b"), "{after:?}");
    assert!(after.last().unwrap().0 > listed);
    assert!(house.mosaics.wants.lock().iter().all(|id| id == "2EH-a-b"), "nobody wants the mosaic in between");
}

#[tokio::test]
async fn a_playlist_asked_for_too_early_waits_for_its_first_segment() {
    let mut house = House::new().await;
    house.settings.first_segment_wait = Duration::from_secs(60);
    house.crash(Duration::ZERO).await;
    let (session, _) = house.sessions.create("acme", asking_for("a")).await.unwrap();
    let (sessions, token) = (house.sessions.clone(), token(&session).to_owned());
    let waiting = tokio::spawn(async move { sessions.video_playlist(&token, "1080p").await });
    // It has subscribed once it waits.
    while house.mosaics.finished.receiver_count() == 0 {
        tokio::task::yield_now().await;
    }
    house.mosaics.finished.send_modify(|n| *n += 1);
    house.clock.advance(Duration::from_secs(6));
    house.mosaics.finished.send_modify(|n| *n += 1);
    let playlist = waiting.await.unwrap().unwrap();
    assert_eq!(segments(&playlist), [(SEGMENT + 2, "1-a".to_owned())]);
}

#[tokio::test]
async fn an_ended_playlist_keeps_what_it_listed_and_adds_nothing() {
    let house = House::new().await;
    let (session, _) = house.sessions.create("acme", asking_for("a,b")).await.unwrap();
    let token = token(&session);
    house.pass(12).await;
    let before = house.sessions.video_playlist(token, "1080p").await.unwrap();
    let sound_before = house.sessions.audio_playlist(token, "b").await.unwrap();
    house.clock.advance(Duration::from_secs(4));
    house.sessions.end("acme", &session.id, EndedBy::Device).await.unwrap();

    house.mosaics.running.lock().clear();
    house.pass(29).await;
    let ended = house.sessions.video_playlist(token, "1080p").await.unwrap();
    assert_eq!(ended, format!("{before}#EXT-X-ENDLIST\n"), "though its mosaic no longer runs");
    assert_eq!(house.sessions.audio_playlist(token, "b").await.unwrap(), format!("{sound_before}#EXT-X-ENDLIST\n"));
    house.pass(2).await;
    assert_eq!(house.sessions.video_playlist(token, "1080p").await, Err(SessionError::SessionUnknown));
}

/// The lines of a playlist from its media sequence number on, without dates.
fn body(playlist: &str) -> Vec<&str> {
    let lines = playlist.lines().skip_while(|line| !line.starts_with("#EXT-X-MEDIA-SEQUENCE"));
    lines.filter(|line| !line.starts_with("#EXT-X-PROGRAM-DATE-TIME") && !line.starts_with("#EXT-X-INDEP")).collect()
}

#[tokio::test]
async fn a_segment_that_never_came_is_a_gap_and_what_was_listed_stays() {
    let house = House::new().await;
    let (session, _) = house.sessions.create("acme", asking_for("a,b")).await.unwrap();
    let token = token(&session);
    let (n, hole) = (SEGMENT + 2, SEGMENT + 4);
    house.clock.advance(Duration::from_secs(8));
    house.sessions.video_playlist(token, "1080p").await.unwrap();
    house.mosaics.holes.lock().insert(hole);
    house.clock.advance(Duration::from_secs(6));
    let (before, end) = (SEGMENT + 3, SEGMENT + 6);
    let picture = house.sessions.video_playlist(token, "1080p").await.unwrap();
    let uri = |segment: u64| format!("/v1/media/2EH-a-b/1080p/{segment}.m4s");
    let length = "#EXTINF:2.000000,";
    assert!(picture.contains("#EXT-X-VERSION:8\n"), "the first that knows EXT-X-GAP: {picture}");
    assert_eq!(
        body(&picture),
        [
            format!("#EXT-X-MEDIA-SEQUENCE:{n}").as_str(),
            "#EXT-X-MAP:URI=\"/v1/media/2EH-a-b/1080p/init.mp4\"",
            length,
            &uri(n),
            length,
            &uri(before),
            "#EXT-X-GAP",
            length,
            &uri(hole),
            length,
            &uri(hole + 1),
            length,
            &uri(end),
        ]
    );
    // The sound was there all the time, and lists the same segments.
    let sound = house.sessions.audio_playlist(token, "a").await.unwrap();
    assert!(!sound.contains("GAP"), "{sound}");
    assert_eq!(segments(&sound).iter().map(|(n, _)| *n).collect::<Vec<_>>(), (n..=end).collect::<Vec<_>>());
    // Who comes now begins after the hole, and hears of none.
    let (newcomer, _) = house.sessions.create("acme", asking_for("a,b")).await.unwrap();
    let fresh = house.sessions.video_playlist(self::token(&newcomer), "1080p").await.unwrap();
    assert_eq!(segments(&fresh)[0].0, hole + 1, "{fresh}");
    assert!(!fresh.contains("GAP"), "{fresh}");
    // When it has ended, its playlist says for ever what it said last.
    house.sessions.end("acme", &session.id, EndedBy::Device).await.unwrap();
    let last = house.sessions.video_playlist(token, "1080p").await.unwrap();
    assert_eq!(last, format!("{picture}#EXT-X-ENDLIST\n"));
}

#[tokio::test]
async fn who_leaves_a_mosaic_alone_says_so_and_who_shares_it_does_not() {
    let house = House::new().await;
    let (first, _) = house.sessions.create("acme", asking_for("a,b")).await.unwrap();
    let (second, _) = house.sessions.create("acme", asking_for("a,b")).await.unwrap();
    let to = |games: &str| ChangeSession {
        games: Some(games.split(',').map(str::to_owned).collect()),
        ..ChangeSession::default()
    };
    house.sessions.change("acme", &first.id, to("c,d")).await.unwrap();
    assert_eq!(*house.mosaics.exchanged.lock(), [], "the other still shows it");
    house.sessions.change("acme", &second.id, to("b,a")).await.unwrap();
    assert_eq!(*house.mosaics.exchanged.lock(), [("2EH-a-b".to_owned(), "2EH-b-a".to_owned())]);
}
