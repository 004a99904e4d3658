//! Addresses that sessions are played by: signed, for a while, taken back, and by how many at once.

use std::num::NonZeroUsize;
use std::time::Duration;

use super::{NOW, element, start_over, token};
use crate::session::testing::{House, asking_for};
use crate::session::{Followed, Reload, SessionError, SessionSettings};

const DAY_S: u64 = 86_400;

async fn house(url_valid: Option<u64>, max_players: usize) -> House {
    let settings = House::new().await.settings;
    let url_valid = url_valid.map(Duration::from_secs);
    House::with(SessionSettings { url_valid, max_players: NonZeroUsize::new(max_players), ..settings }).await
}

/// The path element of the player that an admission leads to.
fn player(prefix: &str) -> String {
    prefix.trim_start_matches("../").trim_end_matches('/').to_owned()
}

#[tokio::test]
async fn an_address_is_the_session_s_alone_and_nobody_makes_one_up() {
    let house = house(Some(DAY_S), 0).await;
    let sessions = &house.sessions;
    let (one, _) = sessions.create("acme", asking_for("a,b")).await.unwrap();
    let (two, _) = sessions.create("acme", asking_for("a,b")).await.unwrap();
    let given = element(&one).to_owned();
    let admitted = sessions.admit(&given).unwrap();
    assert_eq!((&*admitted.token, &*sessions.follow(&given).unwrap().token), (token(&one), token(&one)));
    let player = player(&admitted.prefix);
    assert_eq!(&*sessions.follow(&player).unwrap().token, token(&one));
    let rest = given.split_once('~').unwrap().1;
    let later = given.replacen("~b", "~bf", 1);
    let as_player = given.replacen("~b", "~p", 1);
    let long = "a".repeat(100_000);
    let others = format!("{}~{rest}", token(&two));
    for forged in ["", "~", "~~", token(&one), &others, &later, &as_player, &given[..given.len() - 1], &long] {
        assert_eq!(sessions.admit(forged).unwrap_err(), SessionError::SessionUnknown, "{forged:.80}");
        assert_eq!(sessions.follow(forged).unwrap_err(), SessionError::SessionUnknown, "{forged:.80}");
    }
    // Everything that it names lies under the player's own address.
    let text = sessions.multivariant_under(&admitted.prefix, &admitted.token, Default::default(), true, None).await;
    let text = text.unwrap();
    let uris: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    assert!(!uris.is_empty() && uris.iter().all(|uri| uri.starts_with(&admitted.prefix)), "{text}");
    let named = text.matches("URI=\"").count();
    assert_eq!(text.matches(&format!("URI=\"{}", admitted.prefix)).count(), named, "{text}");
}

#[tokio::test]
async fn a_playback_url_begins_for_a_while_and_who_plays_goes_on() {
    let house = house(Some(3600), 0).await;
    let sessions = &house.sessions;
    let (session, _) = sessions.create("acme", asking_for("a,b")).await.unwrap();
    let given = element(&session).to_owned();
    let player = player(&sessions.admit(&given).unwrap().prefix);
    for _ in 0..3600 / 20 {
        house.pass(20).await;
        sessions.video_playlist(&sessions.follow(&player).unwrap().token, "1080p", NOW).await.unwrap();
    }
    assert_eq!(sessions.admit(&given).unwrap_err(), SessionError::TokenExpired);
    assert_eq!(sessions.follow(&given).unwrap_err(), SessionError::TokenExpired);
    let (code, status) = (SessionError::TokenExpired.code(), SessionError::TokenExpired.status());
    assert_eq!((code, status), ("token_expired", 401));
    assert!(sessions.follow(&player).is_ok(), "nobody's address changes while it plays");
    let fresh = sessions.get("acme", &session.id).await.unwrap();
    assert_ne!(element(&fresh), given);
    assert!(sessions.admit(element(&fresh)).is_ok());
    // Who asks twice is given the same.
    assert_eq!(sessions.get("acme", &session.id).await.unwrap().playback_url, fresh.playback_url);
}

#[tokio::test]
async fn what_was_given_out_can_be_taken_back_over_restarts_too() {
    let mut house = house(Some(DAY_S), 0).await;
    let (session, _) = house.sessions.create("acme", asking_for("a,b")).await.unwrap();
    let given = element(&session).to_owned();
    let playing = player(&house.sessions.admit(&given).unwrap().prefix);
    let renewed = house.sessions.renew_playback("acme", &session.id, false).await.unwrap();
    let fresh = element(&renewed).to_owned();
    assert_eq!(renewed.revision, session.revision, "nothing that shows has changed");
    house.crash(Duration::from_secs(1)).await;
    let sessions = &house.sessions;
    assert_eq!(sessions.admit(&given).unwrap_err(), SessionError::TokenExpired);
    assert!(sessions.follow(&playing).is_ok());
    let newer = player(&sessions.admit(&fresh).unwrap().prefix);
    let again = sessions.renew_playback("acme", &session.id, true).await.unwrap();
    for old in [&given, &fresh, &playing, &newer] {
        assert_eq!(sessions.follow(old).unwrap_err(), SessionError::TokenExpired);
    }
    assert!(sessions.admit(element(&again)).is_ok());
    assert_eq!(sessions.renew_playback("else", &session.id, true).await.unwrap_err(), SessionError::SessionUnknown);
    sessions.end("acme", &session.id, crate::session::EndedBy::Device).await.unwrap();
    assert_eq!(sessions.renew_playback("acme", &session.id, true).await.unwrap_err(), SessionError::SessionEnded);
}

#[tokio::test]
async fn the_newer_device_wins() {
    let house = house(Some(DAY_S), 1).await;
    let sessions = &house.sessions;
    let (session, _) = sessions.create("acme", asking_for("a,b")).await.unwrap();
    let given = element(&session);
    let first = player(&sessions.admit(given).unwrap().prefix);
    assert!(sessions.follow(&first).is_ok());
    house.pass(5).await;
    // Who only looks takes nothing over.
    let second = player(&sessions.admit(given).unwrap().prefix);
    assert!(sessions.follow(&first).is_ok());
    assert!(sessions.follow(&second).is_ok());
    let refused = sessions.follow(&first).unwrap_err();
    assert_eq!((refused.code(), refused.status()), ("played_elsewhere", 403));
    assert_eq!(
        sessions.follow(given).unwrap_err().code(),
        "played_elsewhere",
        "and by the playback URL alone nobody gets around it"
    );
    assert!(sessions.follow(&second).is_ok());
}

#[tokio::test]
async fn a_million_addresses_that_nobody_was_given_open_nothing() {
    let house = house(Some(DAY_S), 1).await;
    let sessions = &house.sessions;
    let (session, _) = sessions.create("acme", asking_for("a,b")).await.unwrap();
    let given = element(&session);
    let (own, rest) = given.split_once('~').unwrap();
    let (ticket, signature) = rest.split_once('~').unwrap();
    let playing = player(&sessions.admit(given).unwrap().prefix);
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let letter = |n: usize| char::from(LETTERS[n % LETTERS.len()]);
    let mut tried = 0;
    // Two letters off, another session's, of another instant, of a signature by chance: whatever a program would try.
    for n in 0..1_000_000_usize {
        let forged = match n % 4 {
            0 => {
                let mut forged = given.as_bytes().to_vec();
                let (first, second) = (n / 4 % forged.len(), n / 4 / forged.len() % forged.len());
                (forged[first], forged[second]) = (LETTERS[n / 31 % 64], LETTERS[n / 127 % 64]);
                String::from_utf8(forged).unwrap()
            }
            1 => format!("{n:032x}~{rest}"),
            2 => format!("{own}~{}{n:x}~{signature}", if n % 8 == 2 { 'b' } else { 'p' }),
            _ => {
                let by_chance = (0..16).map(|at| letter(n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (3 * at)));
                format!("{own}~{ticket}~{}", by_chance.collect::<String>())
            }
        };
        if forged != given {
            let opened = if n % 2 == 0 {
                sessions.admit(&forged).map(|its| its.token)
            } else {
                sessions.follow(&forged).map(|its| its.token)
            };
            assert_eq!(opened.unwrap_err(), SessionError::SessionUnknown, "{forged}");
            tried += 1;
        }
    }
    assert!(tried > 999_000, "{tried}");
    // Nobody took over from who plays.
    assert_eq!(&*sessions.follow(&playing).unwrap().token, own);
}

#[tokio::test]
async fn who_is_not_let_on_is_given_no_more_of_the_past_either() {
    let house =
        House::with(SessionSettings { max_players: NonZeroUsize::new(1), ..start_over::house().await.settings }).await;
    let sessions = &house.sessions;
    let (session, _) = sessions.create("acme", asking_for("a,b")).await.unwrap();
    house.pass(120).await;
    let begin = async |given: &str| {
        let led_to = player(&sessions.admit(given).unwrap().prefix);
        let Followed { token, player } = sessions.follow(&led_to).unwrap();
        let reload = Reload { player, ..start_over::back(&house, 60) };
        let playlists = [
            sessions.video_playlist(&token, "540p", reload).await.unwrap(),
            sessions.sound_playlist(&token, "main", reload).await.unwrap(),
            sessions.images_playlist(&token, reload).await.unwrap(),
        ];
        playlists.map(|text| {
            let address = text.lines().find(|line| line.starts_with("/v1/play/")).unwrap();
            address.split('/').nth(3).unwrap().to_owned()
        })
    };
    let first = begin(element(&session)).await;
    assert!(first.iter().all(|own| sessions.follow(own).is_ok() && own == &first[0]), "{first:?}");
    house.pass(5).await;
    let second = begin(element(&session)).await;
    assert_eq!(sessions.follow(&first[0]).unwrap_err().code(), "played_elsewhere");
    assert!(sessions.follow(&second[0]).is_ok());
    sessions.renew_playback("acme", &session.id, true).await.unwrap();
    assert_eq!(sessions.follow(&second[0]).unwrap_err(), SessionError::TokenExpired);
}
