//! Playlists: whole texts, swaps, waiting.

use std::time::Duration;

use super::{NOW, plain, play, token};
use crate::mosaic::Rate;
use crate::session::testing::{House, SEGMENT, asking_for, grid};
use crate::session::{ChangeSession, CreateSession, EndedBy, Reload, SessionError, Sounds};

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
    assert_eq!(
        house.sessions.video_playlist(token, "1080p", NOW).await,
        Err(SessionError::NotReady { retry_after_s: 2 })
    );
    house.clock.advance(Duration::from_secs(8));

    let video = house.sessions.video_playlist(token, "1080p", NOW).await.unwrap();
    let (n, m) = (SEGMENT + 2, SEGMENT + 3);
    let expected = format!(
        "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:{n}\n#EXT-X-INDEPENDENT-SEGMENTS\n\
         #EXT-X-MAP:URI=\"/v1/media/2EH-acme/own-b/1080p/init.mp4\"\n\
         #EXT-X-PROGRAM-DATE-TIME:2026-11-22T16:00:04.000Z\n#EXTINF:2.000000,\n/v1/media/2EH-acme/own-b/1080p/{n}.m4s\n\
         #EXT-X-PROGRAM-DATE-TIME:2026-11-22T16:00:06.000Z\n#EXTINF:2.000000,\n/v1/media/2EH-acme/own-b/1080p/{m}.m4s\n"
    );
    assert_eq!(plain(&video), expected);

    let audio = house.sessions.audio_playlist(token, "own", NOW).await.unwrap();
    let map = audio.lines().find_map(|l| l.strip_prefix("#EXT-X-MAP:URI=\"/v1/media/audio/")).unwrap();
    let element = map.strip_suffix("/init.mp4\"").unwrap();
    assert_eq!(house.sessions.sound_of(element, None, None).as_deref(), Some("acme/own"));
    assert_eq!(segments(&audio).iter().map(|(n, _)| *n).collect::<Vec<_>>(), [n, m], "in step with the picture");

    let multivariant = house.sessions.multivariant(token, Sounds::All, false, None).await.unwrap();
    let names: Vec<_> = multivariant.lines().filter_map(|l| l.split("NAME=\"").nth(1)?.split('"').next()).collect();
    assert_eq!(names, ["Own game", "Game B", "Game A", "Game C", "Game D"], "those on the picture first");
    assert!(
        multivariant.contains("DEFAULT=YES,AUTOSELECT=YES,CHANNELS=\"2\",URI=\"audio/own.m3u8\""),
        "{multivariant}"
    );
    assert!(multivariant.contains("CODECS=\"avc1.640028,mp4a.40.2\",RESOLUTION=960x540"), "{multivariant}");
    assert!(multivariant.contains("\nvideo/540p.m3u8"), "{multivariant}");

    let own = house.sessions.multivariant(token, Sounds::Own, false, None).await.unwrap();
    let sounds: Vec<_> = own.lines().filter(|line| line.starts_with("#EXT-X-MEDIA")).collect();
    let line = |name: &str, language: &str, yes_no: &str, uri: &str| {
        format!(
            "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"sound\",NAME=\"{name}\"{language},DEFAULT={yes_no},AUTOSELECT={yes_no},CHANNELS=\"2\",URI=\"sound/{uri}.m3u8\""
        )
    };
    // What the source says is spoken, and nothing where it says nothing.
    let german = ",LANGUAGE=\"de\"";
    let expected_sounds =
        [line("Main", german, "YES", "main"), line("Own game", german, "NO", "0"), line("Game B", "", "NO", "1")];
    assert_eq!(sounds, expected_sounds);
    let main = house.sessions.multivariant(token, Sounds::Main, false, None).await.unwrap();
    assert_eq!(main.lines().filter(|line| line.starts_with("#EXT-X-MEDIA")).collect::<Vec<_>>(), expected_sounds[..1]);

    // Parts are for those who ask for them.
    let followed = house.sessions.multivariant(token, Sounds::Own, true, None).await.unwrap();
    assert_eq!(followed.replace("?low_latency=true", ""), own);
    assert_eq!(followed.matches("?low_latency=true").count(), 5);
    let without = Reload { parts: false, ..NOW };
    let standard = house.sessions.video_playlist(token, "1080p", without).await.unwrap();
    assert_eq!(plain(&standard), expected);
    assert!(!standard.contains("PART") && standard.contains("#EXT-X-START:TIME-OFFSET=-6.0\n"), "{standard}");

    let unknown = house.sessions.video_playlist(token, "4k", NOW).await.unwrap_err();
    assert_eq!((unknown.code(), unknown.status()), ("rendition_unknown", 404));
    assert_eq!(house.sessions.audio_playlist(token, "nobody", NOW).await.unwrap_err().code(), "game_unknown");
    assert_eq!(house.sessions.multivariant("0000", Sounds::Own, false, None).await, Err(SessionError::SessionUnknown));
}

#[tokio::test]
async fn a_swap_changes_uris_from_the_next_segment_on_and_nothing_else() {
    let house = House::new().await;
    let (session, _) = house.sessions.create("acme", asking_for("a,b")).await.unwrap();
    let (running, _) = house.sessions.create("acme", asking_for("a,c")).await.unwrap();
    let token = token(&session);
    play(&house, &session, 20).await;
    let before = house.sessions.video_playlist(token, "1080p", NOW).await.unwrap();
    let sound_before = house.sessions.audio_playlist(token, "a", NOW).await.unwrap();
    let last = segments(&before).last().unwrap().0;
    house.clock.advance(Duration::from_secs(4));

    let swap =
        ChangeSession { games: Some(vec!["a".into(), "c".into()]), if_match: Some(vec![1]), ..Default::default() };
    let swapped = house.sessions.change("acme", &session.id, swap).await.unwrap();
    let from = last + 1;
    assert_eq!(swapped.effective_segment, from, "the mosaic runs: the first segment that was not listed");
    assert_eq!((swapped.revision, &swapped.playback_url), (2, &session.playback_url));

    house.clock.advance(Duration::from_secs(6));
    let after = house.sessions.video_playlist(token, "1080p", NOW).await.unwrap();
    let expected: Vec<_> = (SEGMENT + 2..from)
        .map(|n| (n, "2EH-a-b".to_owned()))
        .chain((from..=from + 4).map(|n| (n, "2EH-a-c".to_owned())))
        .collect();
    assert_eq!(segments(&after), expected);
    assert!(!after.contains("DISCONTINUITY") && after.matches("#EXT-X-MAP").count() == 1, "{after}");
    assert!(plain(&after).starts_with(&plain(&before)), "what was listed is never changed");
    let sound_after = house.sessions.audio_playlist(token, "a", NOW).await.unwrap();
    assert!(plain(&sound_after).starts_with(&plain(&sound_before)), "a swap never touches sound");

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
        let _ = house.sessions.video_playlist(token, "540p", NOW).await;
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
        let playlist = house.sessions.video_playlist(token, "540p", NOW).await.unwrap();
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
    let listed = segments(&house.sessions.video_playlist(token, "540p", NOW).await.unwrap()).last().unwrap().0;
    for games in [["c", "b"], ["a", "b"]] {
        let swap = ChangeSession { games: Some(games.map(str::to_owned).to_vec()), ..Default::default() };
        house.sessions.change("acme", &session.id, swap).await.unwrap();
    }
    house.mosaics.wants.lock().clear();
    house.pass(10).await;
    let after = segments(&house.sessions.video_playlist(token, "540p", NOW).await.unwrap());
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
    let waiting = tokio::spawn(async move { sessions.video_playlist(&token, "1080p", NOW).await });
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

/// The games whose segments a sound's playlist lists, with the first segment of each.
fn heard(house: &House, playlist: &str) -> Vec<(u64, String)> {
    let mut heard: Vec<(u64, String)> = Vec::new();
    for (n, element) in playlist.lines().filter(|l| l.ends_with(".m4s")).map(|uri| {
        let mut parts = uri.rsplit('/');
        let n = parts.next().unwrap().strip_suffix(".m4s").unwrap().parse().unwrap();
        (n, parts.next().unwrap())
    }) {
        let game = house.sessions.sound_of(element, Some(n), None).unwrap().to_string();
        if heard.last().is_none_or(|(_, last)| *last != game) {
            heard.push((n, game));
        }
    }
    heard
}

#[tokio::test]
async fn a_session_s_own_sounds_follow_what_it_chose_and_what_its_slots_show() {
    let house = House::new().await;
    let (session, _) = house.sessions.create("acme", asking_for("a,b")).await.unwrap();
    let (running, _) = house.sessions.create("acme", asking_for("c,b")).await.unwrap();
    let token = token(&session);
    play(&house, &session, 20).await;
    let sound = async |name: &str| house.sessions.sound_playlist(token, name, NOW).await.unwrap();
    let first = SEGMENT + 2;
    let before = sound("main").await;
    assert_eq!(heard(&house, &before), [(first, "a".to_owned())]);
    let change = async |change: ChangeSession| {
        house.sessions.change("acme", &session.id, change).await.unwrap().effective_segment
    };
    let to_b = change(ChangeSession { audio: Some("b".into()), ..Default::default() }).await;
    house.pass(6).await;
    sound("main").await;
    // Another game in the first slot: what was chosen stays.
    let swap = change(ChangeSession { games: Some(vec!["c".into(), "b".into()]), ..Default::default() }).await;
    assert!(swap > to_b);
    house.pass(8).await;
    let after = sound("main").await;
    assert_eq!(heard(&house, &after), [(first, "a".to_owned()), (to_b, "b".to_owned())]);
    assert!(!after.contains("DISCONTINUITY") && after.matches("#EXT-X-MAP").count() == 1, "{after}");
    let map = |text: &str| text.lines().find(|l| l.starts_with("#EXT-X-MAP")).unwrap().to_owned();
    assert_eq!(map(&after), map(&before));
    assert_eq!(heard(&house, &sound("0").await), [(first, "a".to_owned()), (swap, "c".to_owned())]);
    assert_eq!(heard(&house, &sound("1").await), [(first, "b".to_owned())]);
    // No slot of this session: what it has chosen.
    assert_eq!(heard(&house, &sound("3").await).last().unwrap().1, "b");
    for unknown in ["4", "01", "a", ""] {
        let refused = house.sessions.sound_playlist(token, unknown, NOW).await.unwrap_err();
        assert_eq!((refused.code(), refused.status()), ("sound_unknown", 404), "{unknown}");
    }
    drop(running);
}

fn after(msn: u64, part: Option<u32>) -> Reload {
    Reload { msn: Some(msn), part, ..NOW }
}

#[tokio::test]
async fn who_reloads_waits_for_the_segment_asked_for_and_is_told_what_is_too_far() {
    let house = House::new().await;
    let (session, _) = house.sessions.create("acme", asking_for("a,b")).await.unwrap();
    let token = token(&session).to_owned();
    house.pass(12).await;
    let newest = segments(&house.sessions.video_playlist(&token, "1080p", NOW).await.unwrap()).last().unwrap().0;
    // What is there already is told at once.
    for there in [after(newest, None), after(newest, Some(2)), after(newest - 3, Some(0))] {
        house.sessions.video_playlist(&token, "1080p", there).await.unwrap();
        house.sessions.audio_playlist(&token, "a", there).await.unwrap();
    }
    let far = house.sessions.video_playlist(&token, "1080p", after(newest + 3, None)).await.unwrap_err();
    assert_eq!(far, SessionError::ReloadTooFar { asked: newest + 3, newest });
    assert_eq!((far.code(), far.status()), ("reload_invalid", 400));

    // A part that no segment has is the first of the next.
    for (asked, comes) in [(after(newest + 1, None), 1), (after(newest + 1, Some(99)), 2)] {
        let (sessions, token) = (house.sessions.clone(), token.clone());
        let waiting = tokio::spawn(async move { sessions.video_playlist(&token, "1080p", asked).await });
        while house.mosaics.finished.receiver_count() == 0 {
            tokio::task::yield_now().await;
        }
        house.clock.advance(Duration::from_secs(2));
        house.mosaics.finished.send_modify(|n| *n += 1);
        let playlist = waiting.await.unwrap().unwrap();
        assert_eq!(segments(&playlist).last().unwrap().0, newest + comes);
    }
    // Nothing more will come.
    house.sessions.end("acme", &session.id, EndedBy::Device).await.unwrap();
    let ended = house.sessions.video_playlist(&token, "1080p", after(newest + 4, None)).await.unwrap();
    assert!(ended.ends_with("#EXT-X-ENDLIST\n"), "{ended}");
}

#[tokio::test]
async fn an_ended_playlist_keeps_what_it_listed_and_adds_nothing() {
    let house = House::new().await;
    let (session, _) = house.sessions.create("acme", asking_for("a,b")).await.unwrap();
    let token = token(&session);
    house.pass(12).await;
    let before = house.sessions.video_playlist(token, "1080p", NOW).await.unwrap();
    let sound_before = house.sessions.audio_playlist(token, "b", NOW).await.unwrap();
    house.clock.advance(Duration::from_millis(1_900));
    house.sessions.end("acme", &session.id, EndedBy::Device).await.unwrap();

    for _ in 0..2 {
        let ended = house.sessions.video_playlist(token, "1080p", NOW).await.unwrap();
        assert_eq!(plain(&ended), format!("{}#EXT-X-ENDLIST\n", plain(&before)));
        let sound = house.sessions.audio_playlist(token, "b", NOW).await.unwrap();
        assert_eq!(plain(&sound), format!("{}#EXT-X-ENDLIST\n", plain(&sound_before)));
        house.pass(14).await;
    }
    house.pass(1).await;
    house.pass(2).await;
    assert_eq!(house.sessions.video_playlist(token, "1080p", NOW).await, Err(SessionError::SessionUnknown));
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
    house.sessions.video_playlist(token, "1080p", NOW).await.unwrap();
    house.mosaics.holes.lock().insert(hole);
    house.clock.advance(Duration::from_secs(6));
    let (before, end) = (SEGMENT + 3, SEGMENT + 6);
    let picture = house.sessions.video_playlist(token, "1080p", NOW).await.unwrap();
    let uri = |segment: u64| format!("/v1/media/2EH-a-b/1080p/{segment}.m4s");
    let length = "#EXTINF:2.000000,";
    assert!(picture.contains("#EXT-X-VERSION:8\n"), "the first that knows EXT-X-GAP: {picture}");
    assert_eq!(
        body(&plain(&picture)),
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
    let sound = house.sessions.audio_playlist(token, "a", NOW).await.unwrap();
    assert!(!sound.contains("GAP"), "{sound}");
    assert_eq!(segments(&sound).iter().map(|(n, _)| *n).collect::<Vec<_>>(), (n..=end).collect::<Vec<_>>());
    // Who comes now begins after the hole, and hears of none.
    let (newcomer, _) = house.sessions.create("acme", asking_for("a,b")).await.unwrap();
    let fresh = house.sessions.video_playlist(self::token(&newcomer), "1080p", NOW).await.unwrap();
    assert_eq!(segments(&fresh)[0].0, hole + 1, "{fresh}");
    assert!(!fresh.contains("GAP"), "{fresh}");
    // When it has ended, its playlist says for ever what it said last.
    house.sessions.end("acme", &session.id, EndedBy::Device).await.unwrap();
    let last = house.sessions.video_playlist(token, "1080p", NOW).await.unwrap();
    assert_eq!(plain(&last), format!("{}#EXT-X-ENDLIST\n", plain(&picture)));
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

#[tokio::test]
async fn a_session_is_offered_what_its_height_allows_and_no_address_says_more() {
    let mut house = House::new().await;
    let up_to = |max_height| CreateSession { max_height: Some(max_height), ..asking_for("a,b") };
    let refused = house.sessions.create("acme", up_to(539)).await.unwrap_err();
    assert_eq!((refused.code(), refused.status()), ("field_invalid", 422));
    let (session, _) = house.sessions.create("acme", up_to(720)).await.unwrap();
    assert_eq!(session.max_height, Some(720));
    let token = token(&session);
    house.clock.advance(Duration::from_secs(12));
    let multivariant = house.sessions.multivariant(token, Sounds::Own, false, None).await.unwrap();
    assert!(multivariant.contains("RESOLUTION=960x540") && !multivariant.contains("1920x1080"), "{multivariant}");
    assert_eq!(house.sessions.video_playlist(token, "1080p", NOW).await.unwrap_err().code(), "rendition_unknown");
    let video = house.sessions.video_playlist(token, "540p", NOW).await.unwrap();
    let audio = house.sessions.audio_playlist(token, "a", NOW).await.unwrap();
    assert!(!video.contains("1080p") && !audio.contains("1080p"), "reports name what there is: {audio}");
    let address = video.lines().find_map(|line| line.strip_prefix("/v1/media/")).unwrap();
    let mut elements = address.split('/');
    let (mosaic, rung) = (elements.next().unwrap(), elements.next().unwrap());
    let n = elements.next().unwrap().strip_suffix(".m4s").unwrap().parse().ok();
    assert_eq!(house.sessions.rendition_of(mosaic, rung, n, None), Some("540p"));
    assert_eq!(house.sessions.rendition_of(mosaic, rung, n.map(|n| n + 1), None), None, "nor is the next one given");
    assert_eq!(house.sessions.rendition_of(mosaic, &rung.replace("540p", "1080p"), n, None), None);
    // Another process goes on with it.
    house.crash(Duration::from_secs(2)).await;
    assert_eq!(house.sessions.get("acme", &session.id).await.unwrap().max_height, Some(720));
    assert_eq!(house.sessions.video_playlist(token, "1080p", NOW).await.unwrap_err().code(), "rendition_unknown");
    house.sessions.end("acme", &session.id, EndedBy::Device).await.unwrap();
    house.pass(20).await;
    assert_eq!(
        house.sessions.get("acme", &session.id).await.unwrap().max_height,
        Some(720),
        "of a session that is over"
    );
}

#[tokio::test]
async fn playlists_announce_what_was_measured_and_no_less_than_half_of_what_may_come() {
    let house = House::new().await;
    let (session, _) = house.sessions.create("acme", asking_for("a,b")).await.unwrap();
    let announced = || async {
        let text = house.sessions.multivariant(token(&session), Sounds::Own, false, None).await.unwrap();
        let figures = |name: &str| -> Vec<u32> {
            text.lines().filter_map(|line| line.split(name).nth(1)?.split(',').next()?.parse().ok()).collect()
        };
        (figures("#EXT-X-STREAM-INF:BANDWIDTH="), figures("AVERAGE-BANDWIDTH="))
    };
    let sound = 128_000;
    let (peaks, averages) = announced().await;
    assert!(peaks[0] > 9_000_000 && averages == [6_000_000 + sound, 1_600_000 + sound], "{peaks:?} {averages:?}");
    house.mosaics.rates.lock().insert("1080p".into(), Rate { peak_bps: 5_500_000, average_bps: 4_000_000 });
    house.mosaics.rates.lock().insert("540p".into(), Rate { peak_bps: 900_000, average_bps: 30_000 });
    let (peaks, averages) = announced().await;
    assert_eq!((peaks, averages), (vec![5_500_000 + sound, 900_000 + sound], vec![4_000_000 + sound, 800_000 + sound]));
}
