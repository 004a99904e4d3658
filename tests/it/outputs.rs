//! Outputs: games alone in skins at addresses that stay, pulled as caches pull them.

use std::path::Path;

use quadrille::config::Config;
use quadrille::frame::Rect;
use quadrille::layout::Layouts;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::skins::{game, level, luma, session, skin, status};
use crate::support::barcode::{Clip, moving};
use crate::support::decode::{Decode, decode};
use crate::support::service::{DEVICE, OPERATOR, SMALL_OUTPUT, TestService, config};

const SETS: &str = "/v1/operator/outputs";

const LITTLE_OUTPUT: &str = "[output]\nfps = \"30\"\nsegment_frames = 30\nwindow_s = 10\nlookahead_frames = 0\n\
    [[output.renditions]]\nname = \"big\"\nwidth = 320\nheight = 180\nbitrate = 400_000\n\
    [[output.renditions]]\nname = \"small\"\nwidth = 160\nheight = 90\nbitrate = 200_000\n";

/// Two matches that are told apart by their pictures. `extra` comes last.
fn matches(dir: &Path, extra: &str) -> Config {
    let of = |n: u8| {
        let path = dir.join(format!("{n}.mp4"));
        Clip { width: 640, height: 360, ..Clip::new(n, 300, 400) }.write(&path);
        (format!("g{n}"), format!("file://{}", path.display()))
    };
    let games = [of(0), of(1)];
    let games = games.each_ref().map(|(id, source)| (id.as_str(), source.clone()));
    config(&dir.join("data"), &games, &format!("{SMALL_OUTPUT}[stitch]\nkeep_warm = false\n{extra}"))
}

/// Games that cost next to nothing, where pictures do not matter.
fn drawn(dir: &Path, extra: &str) -> Config {
    let game = |id| (id, "test://ball?size=160x90&fps=30".to_owned());
    config(dir, &[game("g0"), game("g1")], &format!("{LITTLE_OUTPUT}[stitch]\nkeep_warm = false\n{extra}"))
}

async fn set(service: &TestService, id: &str, body: Value) -> Value {
    service.operator(Method::PUT, &format!("{SETS}/{id}"), Some(body), StatusCode::CREATED).await
}

/// The path of a playlist of an output, as its multivariant playlist names it.
pub async fn named(service: &TestService, index: &str, name: &str) -> String {
    let text = service.text(index).await;
    let uri = text.split(['\n', '"']).find(|part| part.ends_with(name) && !part.starts_with('#'));
    let uri = uri.unwrap_or_else(|| panic!("no {name} in {text}"));
    format!("{}/{uri}", index.split_once("/index.m3u8").unwrap().0)
}

pub fn index(game: &str, skin: &str) -> String {
    format!("/v1/out/{game}/{skin}/index.m3u8?key={DEVICE}")
}

/// Addresses of the initialisation and of the segments that a playlist lists.
pub async fn segments(service: &TestService, playlist: &str) -> (String, Vec<String>) {
    let text = service.text(playlist).await;
    let map = text.lines().find_map(|line| line.strip_prefix("#EXT-X-MAP:URI=\"")?.strip_suffix('"'));
    (map.unwrap().to_owned(), text.lines().filter(|line| line.ends_with(".m4s")).map(str::to_owned).collect())
}

/// Of a frame: the luma in the middle of each slot of art, and which frame of which clip the game's slot has.
pub type Shown = (Vec<u8>, Option<(u8, u32)>);

/// What each frame of a file of these segments shows.
pub async fn shown(service: &TestService, map: &str, segments: &[String]) -> Vec<Shown> {
    let mut bytes = service.bytes(map).await;
    for segment in segments {
        bytes.extend(service.bytes(segment).await);
    }
    let layout = Layouts::bundled().get("1F").unwrap();
    let slots: Vec<Rect> = (0..layout.art.len()).map(|slot| layout.art_on(slot, 960, 540)).collect();
    let in_slot = game("stitch");
    let seen = tokio::task::spawn_blocking(move || {
        let file = tempfile::NamedTempFile::with_suffix(".mp4").unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        let mut seen = Vec::new();
        let what = Decode { audio: None, ..Decode::new(file.path().to_str().unwrap(), 60.0) };
        let decoded = decode(&what, |_, frame| {
            let middle =
                |r: &Rect| frame.planes[0][(r.y + r.height / 2) as usize * frame.width + (r.x + r.width / 2) as usize];
            seen.push((slots.iter().map(middle).collect(), frame.barcode(in_slot).map(|b| (b.clip, b.frame))));
        });
        assert_eq!(decoded.complaints, "");
        seen
    });
    seen.await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_output_is_bit_for_bit_what_a_session_with_the_same_picks_has_and_none_has_an_encoder() {
    let dir = tempfile::tempdir().unwrap();
    let service = TestService::start(&matches(dir.path(), "")).await;
    for n in 0..5u8 {
        skin(&service, &format!("s{n}"), level(4 * n)).await;
    }
    set(&service, "matches", json!({})).await;
    service.crank_segments(1).await;
    let running = async || {
        let mosaics = service.metric("quadrille_mosaics{engine=\"stitch\"}").await;
        (service.metric("quadrille_outputs").await, mosaics, service.metric("quadrille_encoders{kind=\"tile\"}").await)
    };
    assert_eq!(running().await, (0.0, 0.0, 0.0), "nothing runs for what nobody polls");

    let mut playlists = Vec::new();
    for game in ["g0", "g1"] {
        for n in 0..5 {
            playlists.push(named(&service, &index(game, &format!("s{n}")), "video/big.m3u8").await);
        }
    }
    service.crank_segments(4).await;
    // Two matches in two renditions: skins need none.
    assert_eq!(running().await, (10.0, 10.0, 4.0));
    assert_eq!(service.metric("quadrille_encoders{kind=\"render\"}").await, 0.0);
    assert_eq!(service.metric("quadrille_sessions").await, 0.0, "nobody is a viewer");
    for (game, n) in [(0u8, 0u8), (0, 3), (1, 4)] {
        let playlist = &playlists[usize::from(game * 5 + n)];
        let picks = json!({"games": [format!("g{game}")], "layout": "1F", "skin": format!("s{n}")});
        let same = session(&service, picks).await;
        let url = same["playback_url"].as_str().unwrap();
        let same = url[url.find("/v1/play").unwrap()..].replace("index.m3u8", "video/big.m3u8");
        let (of_output, of_session) = (segments(&service, playlist).await, segments(&service, &same).await);
        assert!(of_session.1.len() >= 3, "{of_session:?}");
        // The same addresses are the same bytes.
        assert_eq!(of_output.0, of_session.0);
        assert!(of_output.1.ends_with(&of_session.1), "{of_output:?} {of_session:?}");

        let seen = shown(&service, &of_output.0, &of_output.1).await;
        assert!(seen.len() >= 90, "{} frames", seen.len());
        let wanted = luma(level(4 * n));
        for (at, (art, _)) in seen.iter().enumerate() {
            let apart = art.iter().map(|seen| (i32::from(*seen) - wanted).abs()).max();
            assert!(apart <= Some(3), "frame {at} of skin {n}: {art:?}, not {wanted}");
        }
        let games: Vec<_> = seen.into_iter().map(|(_, game)| game).collect();
        let moves = moving(&games);
        let first = moves[0].unwrap().1;
        let expected = (first..).take(moves.len()).map(|frame| Some((game, frame % 300)));
        assert!(moves.iter().copied().eq(expected), "the match goes on frame by frame: {games:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_polls_any_more_is_given_back_and_its_address_goes_on_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let settings = drawn(dir.path(), "[sessions]\nidle_s = 10\nmosaic_idle_s = 5\n");
    let service = TestService::start(&settings).await;
    skin(&service, "red", 90).await;
    set(&service, "matches", json!({"skins": ["red"]})).await;
    let playlist = named(&service, &index("g0", "red"), "video/small.m3u8").await;
    let numbers = async |service: &TestService| -> Vec<u64> {
        let text = service.text(&playlist).await;
        let of = |line: &str| line.strip_prefix("#EXT-X-MEDIA-SEQUENCE:")?.parse::<u64>().ok();
        let first = text.lines().find_map(of).unwrap();
        assert!(!text.contains("#EXT-X-ENDLIST") && !text.contains("#EXT-X-DISCONTINUITY"), "{text}");
        (first..).zip(text.lines().filter(|line| line.ends_with(".m4s"))).map(|(n, _)| n).collect()
    };
    service.crank_segments(4).await;
    let before = numbers(&service).await;
    service.crank_segments(18).await;
    assert_eq!(service.metric("quadrille_outputs").await, 0.0);
    assert_eq!(service.metric("quadrille_mosaics{engine=\"stitch\"}").await, 0.0);
    // The playlist's address is good for ever, and its numbers are the grid's.
    tokio::join!(numbers(&service), numbers(&service), service.crank_segments(2));
    service.crank_segments(2).await;
    let later = numbers(&service).await;
    assert!(later.last().unwrap() >= &(before.last().unwrap() + 18), "{before:?} {later:?}");
    assert_eq!(service.metric("quadrille_outputs").await, 1.0, "who polls first at the same time shares one");

    // A process that begins anew takes it up.
    let now = service.stop().await;
    let service = TestService::start_at(&settings, now + std::time::Duration::from_secs(2)).await;
    assert_eq!(service.metric("quadrille_outputs").await, 1.0);
    service.crank_segments(3).await;
    let again = numbers(&service).await;
    assert!(again.last() > later.last(), "{later:?} {again:?}");
    assert_eq!(service.metric("quadrille_outputs").await, 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_art_of_the_skin_shows_at_the_same_address() {
    let dir = tempfile::tempdir().unwrap();
    let service = TestService::start(&matches(dir.path(), "")).await;
    skin(&service, "red", 40).await;
    set(&service, "matches", json!({"games": ["g0"]})).await;
    let playlist = named(&service, &index("g0", "red"), "video/big.m3u8").await;
    service.crank_segments(3).await;
    segments(&service, &playlist).await;
    let other = crate::skins::upload(&service, 200).await;
    let body = json!({"art": {"frame": other}});
    service.operator(Method::PUT, "/v1/operator/skins/red", Some(body), StatusCode::OK).await;
    segments(&service, &playlist).await;
    service.crank_segments(4).await;
    let (map, listed) = segments(&service, &playlist).await;
    let seen = shown(&service, &map, &listed).await;
    let near = |art: &[u8], grey: u8| art.iter().all(|seen| (i32::from(*seen) - luma(grey)).abs() <= 3);
    let changes = seen.iter().position(|(art, _)| !near(art, 40)).unwrap();
    assert!(changes > 0 && seen[..changes].iter().all(|(art, _)| near(art, 40)), "the former art first");
    assert!(near(&seen.last().unwrap().0, 200), "then the other one");
    assert_eq!(service.metric("quadrille_outputs").await, 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_see_it_is_refused_with_what_is_allowed() {
    let dir = tempfile::tempdir().unwrap();
    let others = "[[tenants]]\nid = \"rival\"\noperator_keys = [\"op-2\"]\ndevice_keys = [\"dev-2\"]\n\
        [[outputs]]\ntenant = \"acme\"\nid = \"house\"\ngames = [\"g0\"]\nskins = [\"red\"]\n";
    let service = TestService::start(&drawn(dir.path(), others)).await;
    skin(&service, "red", 90).await;
    skin(&service, "blue", 60).await;
    let refused = async |path: &str| -> (u16, String, Value) {
        let answer = reqwest::get(format!("{}{path}", service.base)).await.unwrap();
        let status = answer.status().as_u16();
        let body: Value = answer.json().await.unwrap_or_default();
        (status, body["code"].as_str().unwrap_or_default().to_owned(), body["allowed"].clone())
    };
    let at = |game: &str, skin: &str, query: &str| format!("/v1/out/{game}/{skin}/index.m3u8{query}");
    let of = |status: u16, code: &str, allowed: Value| (status, code.to_owned(), allowed);
    let keyed = format!("?key={DEVICE}");
    assert_eq!(refused(&at("g9", "red", &keyed)).await, of(404, "game_unknown", json!(["g0"])));
    assert_eq!(refused(&at("g1", "red", &keyed)).await, of(404, "game_unknown", json!(["g0"])), "in no set");
    assert_eq!(refused(&at("g0", "blue", &keyed)).await, of(404, "skin_unknown", json!(["red"])));
    let market = format!("{keyed}&market=xx");
    assert_eq!(refused(&at("g0", "red", &market)).await, of(404, "market_unknown", json!([])));
    // Nothing of it is public; and another tenant has none.
    assert_eq!(refused(&at("g0", "red", "")).await.0, 401);
    assert_eq!(refused(&at("g0", "red", "?tenant=acme")).await.0, 401);
    assert_eq!(refused(&at("g0", "red", "?key=wrong")).await.0, 401);
    assert_eq!(refused(&at("g0", "red", "?key=dev-2")).await, of(404, "game_unknown", json!([])));
    let another = refused(&at("g0", "red", &format!("{keyed}&tenant=rival"))).await;
    assert_eq!(another, of(404, "tenant_unknown", json!(["acme"])));

    // What is public takes no key, shows nothing else, and is so no longer than its set says.
    set(&service, "free", json!({"games": ["g1"], "skins": ["blue"], "access": "public"})).await;
    assert_eq!(refused(&at("g1", "blue", "?tenant=nobody")).await, of(404, "tenant_unknown", json!(["acme"])));
    assert_eq!(refused(&at("g0", "red", "?tenant=acme")).await, of(404, "game_unknown", json!(["g1"])));
    let open = at("g1", "blue", "");
    let playlist = named(&service, &open, "video/small.m3u8").await;
    assert!(!service.text(&open).await.contains(DEVICE) && !playlist.contains('?'), "no key stands in it");
    let head = reqwest::Client::new().head(format!("{}{}", service.base, index("g0", "red"))).send().await.unwrap();
    assert_eq!(head.status(), StatusCode::OK);
    service.crank_segments(3).await;
    assert_eq!(service.metric("quadrille_outputs").await, 1.0, "HEAD starts nothing");
    let listed = reqwest::get(format!("{}{playlist}", service.base)).await.unwrap();
    assert_eq!((listed.status(), &listed.headers()["cache-control"]), (StatusCode::OK, &"max-age=1".parse().unwrap()));

    let forged = playlist.replace("/g1/", "/g0/");
    assert_eq!(refused(&forged).await.1, "output_unknown", "an address opens its own output alone");
    assert_eq!(refused(&playlist.replace("/video/small", "/audio/g0")).await.1, "not_found");
    assert_eq!(refused(&playlist.replace("small", "huge")).await.1, "rendition_unknown");
    let closed = Some(json!({"games": ["g1"], "skins": ["blue"]}));
    service.operator(Method::PUT, &format!("{SETS}/free"), closed, StatusCode::OK).await;
    assert_eq!(refused(&playlist).await.1, "output_unknown", "its set is public no more");
    assert_eq!(refused(&open).await.0, 401);
    let keyed = named(&service, &index("g1", "blue"), "video/small.m3u8").await;
    service.operator(Method::DELETE, &format!("{SETS}/free"), None, StatusCode::NO_CONTENT).await;
    assert_eq!(refused(&keyed).await.1, "output_unknown", "its set is gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn sets_are_told_to_their_tenant_and_what_is_wrong_with_one_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let others = "[[tenants]]\nid = \"rival\"\noperator_keys = [\"op-2\"]\ndevice_keys = [\"dev-2\"]\n\
        [[outputs]]\ntenant = \"acme\"\nid = \"house\"\nlayout = \"1B\"\naccess = \"public\"\n";
    let service = TestService::start(&drawn(dir.path(), others)).await;
    let made = set(&service, "own", json!({"games": ["g0"]})).await;
    assert_eq!((&made["layout"], &made["access"], &made["origin"]), (&json!("1F"), &json!("key"), &json!("operator")));
    let all = service.operator(Method::GET, SETS, None, StatusCode::OK).await;
    let ids: Vec<_> = all.as_array().unwrap().iter().map(|set| (&set["id"], &set["origin"], &set["access"])).collect();
    let (house, own) = (json!("house"), json!("own"));
    assert_eq!(ids, [(&house, &json!("config"), &json!("public")), (&own, &json!("operator"), &json!("key"))]);
    let own = format!("{SETS}/own");
    for (method, path, key, refusal) in [
        (Method::GET, own.as_str(), "op-2", (404, "output_unknown")),
        (Method::DELETE, &own, "op-2", (404, "output_unknown")),
        (Method::GET, &own, DEVICE, (403, "forbidden")),
        (Method::DELETE, "/v1/operator/outputs/house", OPERATOR, (409, "output_read_only")),
    ] {
        assert_eq!(status(&service, method, path, key, None).await, (refusal.0, refusal.1.to_owned()));
    }
    let put = async |body: Value| {
        let answer = service.send(Method::PUT, &own, OPERATOR, Some(body)).await;
        let status = answer.status().as_u16();
        let body: Value = answer.json().await.unwrap();
        (status, body["field"].clone(), body["allowed"].clone())
    };
    let alone = json!(["1", "1F", "1L", "1B"]);
    assert_eq!(put(json!({"layout": "4E"})).await, (422, json!("layout"), alone.clone()));
    assert_eq!(put(json!({"layout": "9Z"})).await, (404, json!("layout"), alone));
    assert_eq!(put(json!({"games": ["a/b"]})).await.1, json!("games[0]"));
    assert_eq!(put(json!({"skins": vec!["a"; 1001]})).await.1, json!("skins"));
    assert_eq!(put(json!({"access": "friends"})).await.0, 422);
    // And what is reserved for the bill of outputs is no viewer's.
    let label = json!({"games": ["g0"], "labels": {"quadrille:output": "g0/red"}});
    let refused = service.device(Method::POST, "/v1/sessions", Some(label), StatusCode::UNPROCESSABLE_ENTITY).await;
    assert_eq!(refused["field"], "labels.quadrille:output");
}

/// A market with less than there is, prices of their own for outputs.
const BILLED: &str = "[[markets]]\ntenant = \"acme\"\nid = \"de\"\ntitle = \"Germany\"\ngames = [\"g0\"]\nmax_height = 100\nfeatures = []\n\
    [[tariffs]]\ntenant = \"acme\"\ncurrency = \"EUR\"\n\
    [[tariffs.prices]]\noutput = true\nper_minute = \"0.02\"\n[[tariffs.prices]]\nper_minute = \"0.004\"\n";

#[tokio::test(flavor = "multi_thread")]
async fn an_output_is_billed_once_while_it_is_polled_at_a_price_of_its_own_and_a_market_bounds_it() {
    let dir = tempfile::tempdir().unwrap();
    let service = TestService::start(&drawn(dir.path(), BILLED)).await;
    skin(&service, "red", 90).await;
    set(&service, "matches", json!({})).await;
    let market = format!("{}&market=de&low_latency=true", index("g0", "red"));
    let text = service.text(&market).await;
    assert!(text.contains("160x90") && !text.contains("320x180") && !text.contains("low_latency"), "{text}");
    let in_market = named(&service, &market, "video/small.m3u8").await;
    let above = in_market.replace("video/small", "video/big");
    assert_eq!(service.send(Method::GET, &above, "", None).await.status(), StatusCode::NOT_FOUND);
    let restricted = format!("{}&market=de", index("g1", "red"));
    assert_eq!(service.send(Method::GET, &restricted, "", None).await.status(), StatusCode::FORBIDDEN);

    let free = named(&service, &index("g0", "red"), "video/small.m3u8").await;
    let viewer = session(&service, json!({"games": ["g0"], "layout": "1F", "skin": "red"})).await;
    let url = viewer["playback_url"].as_str().unwrap();
    let viewer = url[url.find("/v1/play").unwrap()..].replace("index.m3u8", "video/small.m3u8");
    service.nobody_asks();
    for _ in 0..16 {
        service.crank_segments(1).await;
        // Three who poll one output are one output.
        for playlist in [&free, &free, &free, &viewer, &in_market] {
            service.text(playlist).await;
        }
    }
    let report = "/v1/operator/usage?from=2020-01-01&group_by=";
    let read = async |by: &str| service.operator(Method::GET, &format!("{report}{by}"), None, StatusCode::OK).await;
    let by_output = read("output").await;
    let row = |output: &str| {
        let rows = by_output["rows"].as_array().unwrap();
        rows.iter().find(|row| row["output"] == output).unwrap_or_else(|| panic!("{by_output}")).clone()
    };
    let seconds = |row: &Value| row["billable_seconds"].as_i64().unwrap();
    assert_eq!(by_output["rows"].as_array().unwrap().len(), 3, "{by_output}");
    let [viewers, output, german] = ["", "g0/red", "de/g0/red"].map(row);
    assert!(seconds(&viewers) >= 10, "{by_output}");
    assert_eq!((seconds(&output), seconds(&german)), (seconds(&viewers), seconds(&viewers)), "exact as a session's");
    assert_eq!((&viewers["cost"], &output["cost"], &german["cost"]), (&json!("0.004"), &json!("0.02"), &json!("0.02")));
    let tiers = read("tier").await;
    let of_tier =
        |tier: &str| tiers["rows"].as_array().unwrap().iter().find(|row| row["tier"] == tier).unwrap().clone();
    assert_eq!(seconds(&of_tier("small")), seconds(&german), "a market's tier is on the line");
    // Audience and sessions are viewers' alone.
    let sessions = service.operator(Method::GET, "/v1/operator/sessions", None, StatusCode::OK).await;
    assert_eq!(sessions["active_sessions"], 1);
    let quote = |output: bool| json!({"items": [{"sessions": 1, "seconds_per_session": 600, "tier": "big", "games": 1, "output": output}]});
    for (output, cost) in [(true, "0.2"), (false, "0.04")] {
        let quoted =
            service.operator(Method::POST, "/v1/operator/usage/quote", Some(quote(output)), StatusCode::OK).await;
        assert_eq!(quoted["cost"], cost);
    }
}
