//! What markets show in breaks, to viewers of the whole service: pictures and sound, segment by segment, and what is told of it.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use quadrille::compositor::fit;
use quadrille::config::{Config, Feeds};
use quadrille::frame::{CodedSize, MACROBLOCK, Rect};
use quadrille::layout::Layouts;
use quadrille::timeline::MediaTime;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::outputs;
use crate::support::barcode::{Clip, ClipSound};
use crate::support::decode::{Decode, decode};
use crate::support::hostile_servers;
use crate::support::service::{SMALL_OUTPUT, TestService, config};
use crate::support::tone;

/// Tones of the games and of the advertisement.
pub const TONES: [u32; 3] = [400, 700, 1100];

/// The advertisement's number.
pub const AD: u8 = 9;

pub fn clip(number: u8, frames: u32, tone: u32) -> Clip {
    Clip { width: 640, height: 360, sound: ClipSound::Tone(tone), ..Clip::new(number, frames, tone) }
}

/// Decides on advertisements and hands out their files; what it was asked is kept.
pub struct AdServer {
    pub base: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl AdServer {
    /// `decision` makes the answer to `/vast`, of the server's base.
    pub fn start(
        folder: &Path,
        decision: impl Fn(&str, &mut std::net::TcpStream) -> std::io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let (noted, folder) = (asked.clone(), folder.to_owned());
        let base = Arc::new(Mutex::new(String::new()));
        let its = base.clone();
        let address = hostile_servers::serve("127.0.0.1", move |target, client| {
            noted.lock().push(target.to_owned());
            let path = target.split('?').next().unwrap_or_default();
            match path.strip_prefix("/media/") {
                Some(name) => answer(client, "video/mp4", &std::fs::read(folder.join(name)).unwrap_or_default()),
                None if path == "/vast" => decision(&its.lock().clone(), client),
                None => answer(client, "image/gif", b""),
            }
        });
        *base.lock() = format!("http://{address}");
        let base = base.lock().clone();
        Self { base, asked }
    }

    pub fn asked_for(&self, path: &str) -> usize {
        self.asked.lock().iter().filter(|target| target.starts_with(path)).count()
    }
}

pub fn answer(client: &mut std::net::TcpStream, media_type: &str, body: &[u8]) -> std::io::Result<()> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {media_type}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    client.write_all(head.as_bytes())?;
    client.write_all(body)
}

/// A response with one advertisement of so many seconds for each of `files`.
pub fn vast(base: &str, files: &[(&str, u32)]) -> String {
    let events = ["start", "firstQuartile", "midpoint", "thirdQuartile", "complete", "notUsed"];
    let ad = |(n, (file, seconds)): (usize, &(&str, u32))| {
        let tracking =
            events.map(|event| format!("<Tracking event=\"{event}\">{base}/told/{n}/{event}</Tracking>")).concat();
        format!(
            "<Ad id=\"{n}\" sequence=\"{}\"><InLine><AdSystem>t</AdSystem><AdTitle>t</AdTitle><Error>{base}/error/[ERRORCODE]</Error>\
             <Impression>{base}/told/{n}/impression</Impression><Creatives><Creative><Linear><Duration>00:00:{seconds:02}</Duration>\
             <TrackingEvents>{tracking}</TrackingEvents><MediaFiles><MediaFile delivery=\"progressive\" type=\"video/mp4\" width=\"640\" \
             height=\"360\">{base}/media/{file}</MediaFile></MediaFiles></Linear></Creative></Creatives></InLine></Ad>",
            n + 1
        )
    };
    let ads = files.iter().enumerate().map(ad).collect::<Vec<_>>().concat();
    format!("<VAST version=\"4.2\"><Error>{base}/error/[ERRORCODE]</Error>{ads}</VAST>")
}

/// Two games, the second of which has breaks.
pub fn settings(dir: &Path) -> Config {
    let games = [0u8, 1].map(|n| {
        let path = dir.join(format!("{n}.mp4"));
        clip(n, 1500, TONES[usize::from(n)]).write(&path);
        (["a", "b"][usize::from(n)], format!("file://{}", path.display()))
    });
    let output = SMALL_OUTPUT.replace("window_s = 10", "window_s = 40");
    config(&dir.join("data"), &games, &output)
}

pub async fn start(dir: &Path) -> TestService {
    TestService::start(&settings(dir)).await
}

pub async fn market(service: &TestService, breaks: Value) {
    let body = json!({ "title": "Germany", "breaks": breaks });
    service.operator(Method::PUT, "/v1/operator/markets/de", Some(body), StatusCode::CREATED).await;
}

pub async fn create(service: &TestService, body: Value) -> Value {
    service.device(Method::POST, "/v1/sessions", Some(body), StatusCode::CREATED).await
}

/// Asks for the session's playlists, as a player does.
pub async fn poll(service: &TestService, session: &Value) -> String {
    let url = session["playback_url"].as_str().unwrap();
    let path = &url[url.find("/v1/play").unwrap()..];
    service.text(&path.replace("index.m3u8", "sound/main.m3u8")).await;
    service.text(&path.replace("index.m3u8", "video/big.m3u8")).await
}

/// Cranks segment by segment, polling each time.
pub async fn play(service: &TestService, sessions: &[&Value], segments: u64) {
    for _ in 0..segments {
        service.crank_segments(1).await;
        for session in sessions {
            poll(service, session).await;
        }
    }
}

pub async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < Duration::from_secs(60), "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Creatives that were made.
pub async fn made(service: &TestService) -> f64 {
    service.metric("quadrille_creative_conditioning_seconds_count").await
}

/// What was decided and fetched is looked at every second: here without the clock, which may have gone on before its server answered.
pub async fn until_made(service: &TestService) {
    until("no advertisement is made", async || {
        service.service.sweep().await;
        made(service).await > 0.0 && service.metric("quadrille_creative_sounds_total").await > 0.0
    })
    .await;
}

/// Where a slot's picture is on the larger canvas.
pub fn seen_in(layout: &str, slot: usize) -> Rect {
    let layout = Layouts::bundled().get(layout).unwrap();
    if layout.is_whole() {
        return Rect { x: 0, y: 0, width: 960, height: 540 };
    }
    let tile = layout.tiles_on(&[CodedSize::of(960, 540), CodedSize::of(480, 270)]).unwrap()[0][slot];
    let Rect { x, y, width, height } = tile.size.inside;
    let (x, y) = (tile.x_mb * MACROBLOCK + x, tile.y_mb * MACROBLOCK + y);
    fit(640, 360, (1, 1), Rect { x, y, width, height })
}

/// What a slot shows: a game's or an advertisement's picture, by its clip and number, or neither.
pub type Seen = Vec<Option<(u8, u32)>>;

/// Ends the session and plays all of it: what each of `slots` shows, and the main sound.
pub async fn watched(service: &TestService, session: &Value, slots: &[Rect]) -> (Vec<Seen>, Vec<i16>) {
    watched_from(service, session, "", slots).await
}

/// The same from where `query` says.
pub async fn watched_from(
    service: &TestService,
    session: &Value,
    query: &str,
    slots: &[Rect],
) -> (Vec<Seen>, Vec<i16>) {
    let path = format!("/v1/sessions/{}", session["id"].as_str().unwrap());
    service.device(Method::DELETE, &path, None, StatusCode::NO_CONTENT).await;
    let url = session["playback_url"].as_str().unwrap();
    let (url, slots) = (format!("{}{}{query}", service.base, &url[url.find("/v1/play").unwrap()..]), slots.to_vec());
    let seen = tokio::task::spawn_blocking(move || {
        let mut seen: Vec<Seen> = vec![Vec::new(); slots.len()];
        // Where the playlist says where to begin, all the same from its beginning.
        let input_options: &[&str] = if url.contains('?') { &["-live_start_index", "0"] } else { &[] };
        let decoded = decode(&Decode { input_options, ..Decode::new(&url, 120.0) }, |_, frame| {
            for (slot, seen) in slots.iter().zip(&mut seen) {
                seen.push(frame.barcode(*slot).map(|code| (code.clip, code.frame)));
            }
        });
        assert_eq!(decoded.complaints, "");
        (seen, decoded.sound)
    });
    seen.await.unwrap()
}

/// Runs of what is shown: whose, the first and the last number of it, and how many pictures it is.
pub fn runs(seen: &Seen) -> Vec<(Option<u8>, u32, u32, usize)> {
    let mut runs: Vec<(Option<u8>, u32, u32, usize)> = Vec::new();
    for shown in seen {
        let (whose, number) = shown.map_or((None, 0), |(clip, number)| (Some(clip), number));
        match runs.last_mut().filter(|(last, _, to, _)| *last == whose && (whose.is_none() || *to + 1 == number)) {
            Some((_, _, to, count)) => (*to, *count) = (number, *count + 1),
            None => runs.push((whose, number, number, 1)),
        }
    }
    runs
}

/// The tone that is heard most in each second.
pub fn heard(sound: &[i16]) -> Vec<Option<u32>> {
    sound.chunks_exact(48_000).map(|second| tone::dominant(second, &TONES)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_advertisement_is_in_one_slot_and_the_other_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    clip(AD, 90, TONES[2]).write(&dir.path().join("ad.mp4"));
    let service = start(dir.path()).await;
    let ads = AdServer::start(dir.path(), |base, client| {
        answer(client, "application/xml", vast(base, &[("ad.mp4", 3)]).as_bytes())
    });
    let url = format!("{}/vast?game=[GAME]&market=[MARKET]&s=[SESSION]&max=[BREAKMAXDURATION]", ads.base);
    market(&service, json!({ "policy": "advertisement", "decision_url": url })).await;
    let mine = create(&service, json!({ "games": ["a", "b"], "audio": "b", "market": "de" })).await;
    let others = create(&service, json!({ "games": ["a", "b"], "audio": "b" })).await;
    play(&service, &[&mine, &others], 6).await;
    let tiles = service.metric("quadrille_encoders{kind=\"tile\"}").await;

    // Twelve seconds, from the middle of a segment on.
    service.crank(20).await;
    let body = json!({ "duration_s": 12 });
    service.operator(Method::POST, "/v1/operator/games/b/breaks", Some(body), StatusCode::CREATED).await;
    play(&service, &[&mine, &others], 2).await;
    until_made(&service).await;
    assert_eq!(service.metric("quadrille_encoders{kind=\"tile\"}").await, tiles, "nothing is encoded for it");
    play(&service, &[&mine, &others], 16).await;
    let playlist = poll(&service, &mine).await;
    assert!(!playlist.contains("DISCONTINUITY") && !playlist.contains("EXT-X-GAP"), "{playlist}");

    let slots = [seen_in("2EH", 0), seen_in("2EH", 1)];
    let (seen, sound) = watched(&service, &mine, &slots).await;
    let (all, _) = watched(&service, &others, &slots).await;
    // Before their first picture all stand still.
    let moving = |seen: &Seen| runs(seen).into_iter().filter(|(.., count)| *count > 1).collect::<Vec<_>>();
    let [(Some(0), ..)] = &moving(&seen[0])[..] else { panic!("the other game: {:?}", runs(&seen[0])) };
    let [(Some(1), _, end, whole)] = moving(&all[1])[..] else { panic!("{:?}", runs(&all[1])) };
    let its = moving(&seen[1]);
    let [(Some(1), from, left, before), (None, ..), ad, (None, ..), (Some(1), back, to, _)] = its[..] else {
        panic!("{its:?}")
    };
    assert_eq!(ad, (Some(AD), 0, 89, 90), "all of it, once");
    // Twelve segments, and the game goes on where it would be.
    assert_eq!(back - left - 1, 12 * 30, "{its:?}");
    assert!(to.abs_diff(end) <= 30 && whole > 20 * 30 && before > 30 && from < left, "{its:?}");
    // Frame by frame it is the same game at the same time as for the others.
    let shift = all[1].len() - seen[1].len();
    for (n, (mine, others)) in seen[0].iter().zip(&all[0][shift..]).enumerate() {
        assert_eq!(mine, others, "frame {n} of the other game");
    }
    // The sound of its slot is its own: the game's, silence, the advertisement's, silence, the game's.
    let mut tones = heard(&sound);
    tones.dedup();
    let told: Vec<_> = tones.iter().filter(|heard| heard.is_some()).copied().collect();
    assert_eq!(told, [Some(TONES[1]), Some(TONES[2]), Some(TONES[1])], "{tones:?}");

    // Asked once; each told once; and what it came to.
    let asked: Vec<String> = ads.asked.lock().iter().filter(|target| target.starts_with("/vast")).cloned().collect();
    assert_eq!(asked, ["/vast?game=b&market=de&s=&max=12"]);
    until("not all is told", async || {
        service.service.sweep().await;
        ads.asked_for("/told/0/complete") > 0
    })
    .await;
    for event in ["impression", "start", "firstQuartile", "midpoint", "thirdQuartile", "complete"] {
        assert_eq!(ads.asked_for(&format!("/told/0/{event}")), 1, "{event}");
    }
    let report = service.operator(Method::GET, "/v1/operator/breaks/report", None, StatusCode::OK).await;
    let expected = json!([{ "market": "de", "decisions": 1, "decided": 1, "play_outs": 1, "completes": 1, "advertisement_s": 3.0,
        "slate_s": 9.0, "break_s": 12.0, "fill": 0.25, "errors": {}, "sessions": 1, "costs": [] }]);
    let mut told = report["markets"].clone();
    // What was watched, beside it: a break is a part of that.
    let [seconds, minutes] =
        ["billable_seconds", "billed_minutes"].map(|its| told[0].as_object_mut().unwrap().remove(its));
    assert_eq!(told, expected);
    let seconds = seconds.unwrap().as_i64().unwrap();
    assert!((12..=40).contains(&seconds) && minutes.unwrap().as_i64() == Some(1), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slate_of_a_market_is_its_viewers_alone_and_an_early_return_is_early() {
    let dir = tempfile::tempdir().unwrap();
    let service = start(dir.path()).await;
    market(&service, json!({ "policy": "slate" })).await;
    // A whole canvas is a tile of another kind.
    let mine = create(&service, json!({ "games": ["b"], "market": "de" })).await;
    let others = create(&service, json!({ "games": ["b"] })).await;
    play(&service, &[&mine, &others], 6).await;
    let body = json!({ "duration_s": 30, "id": "early" });
    service.operator(Method::POST, "/v1/operator/games/b/breaks", Some(body), StatusCode::CREATED).await;
    until("no slate is made", async || {
        service.service.sweep().await;
        service.metric("quadrille_stand_ins").await > 0.0
    })
    .await;
    play(&service, &[&mine, &others], 6).await;
    service.operator(Method::DELETE, "/v1/operator/games/b/breaks/early", None, StatusCode::OK).await;
    play(&service, &[&mine, &others], 5).await;
    let whole = [seen_in("1", 0)];
    let (seen, sound) = watched(&service, &mine, &whole).await;
    let (all, heard_by_all) = watched(&service, &others, &whole).await;
    let moving = |seen: &Seen| runs(seen).into_iter().filter(|(.., count)| *count > 1).collect::<Vec<_>>();
    assert!(matches!(moving(&all[0])[..], [(Some(1), ..)]), "{:?}", runs(&all[0]));
    let its = moving(&seen[0]);
    let [(Some(1), _, left, _), (None, .., slate), (Some(1), back, ..)] = its[..] else { panic!("{its:?}") };
    assert_eq!((back - left - 1) as usize, slate);
    // Six segments were played in it, of thirty; how soon a slate is made, and what was listed by then, is a segment or two.
    assert!((4 * 30..=9 * 30).contains(&slate) && slate % 30 == 0, "{its:?}");
    // Before the first sound there is silence.
    let tones = |sound: &[i16]| {
        let mut tones: Vec<_> = heard(sound).into_iter().skip_while(Option::is_none).collect();
        tones.dedup();
        tones
    };
    let own = Some(TONES[1]);
    assert_eq!((tones(&sound), tones(&heard_by_all)), (vec![own, None, own], vec![own]));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_decides_badly_is_a_slate_and_the_game_is_back_in_time() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("none.mp4"), b"this is no film").unwrap();
    let (whole, cut) = (dir.path().join("whole.mp4"), dir.path().join("cut.mp4"));
    let ahead = "-c:v libx264 -preset ultrafast -g 30 -c:a aac -movflags +faststart";
    clip(AD, 120, TONES[2]).write_with(&whole, &ahead.split(' ').collect::<Vec<_>>());
    let bytes = std::fs::read(whole).unwrap();
    std::fs::write(cut, &bytes[..bytes.len() / 2]).unwrap();
    let service = start(dir.path()).await;
    let ads = AdServer::start(dir.path(), |base, client| {
        answer(client, "text/xml", vast(base, &[("none.mp4", 2), ("cut.mp4", 4)]).as_bytes())
    });
    let url = format!("{}/vast?[SESSION]", ads.base);
    market(&service, json!({ "policy": "advertisement", "decision_url": url, "decided_for": "session" })).await;
    let mine = create(&service, json!({ "games": ["a", "b"], "market": "de" })).await;
    play(&service, &[&mine], 6).await;
    let body = json!({ "duration_s": 6 });
    service.operator(Method::POST, "/v1/operator/games/b/breaks", Some(body), StatusCode::CREATED).await;
    play(&service, &[&mine], 1).await;
    until("nothing failed", async || {
        service.service.sweep().await;
        service.metric("quadrille_break_errors_total{code=\"405\"}").await > 1.0
    })
    .await;
    play(&service, &[&mine], 10).await;
    let (seen, _) = watched(&service, &mine, &[seen_in("2EH", 1)]).await;
    let its: Vec<_> = runs(&seen[0]).into_iter().filter(|(.., count)| *count > 1).collect();
    let [(Some(1), _, left, _), (None, ..), (Some(1), back, ..)] = its[..] else { panic!("{its:?}") };
    assert!((4 * 30..=6 * 30).contains(&(back - left - 1)), "{its:?}");
    assert!(ads.asked.lock().contains(&format!("/vast?{}", mine["id"].as_str().unwrap())));
    until("nobody is told of it", async || {
        service.service.sweep().await;
        ads.asked_for("/error/405") > 1
    })
    .await;
    assert_eq!(ads.asked_for("/told"), 0);
    let report = service.operator(Method::GET, "/v1/operator/breaks/report", None, StatusCode::OK).await;
    assert_eq!((&report["markets"][0]["errors"], &report["markets"][0]["fill"]), (&json!({ "405": 2 }), &json!(0.0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_game_is_squeezed_back_beside_art_and_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let service = start(dir.path()).await;
    market(&service, json!({ "policy": "squeeze_back", "layout": "1L" })).await;
    let alone = create(&service, json!({ "games": ["b"], "market": "de" })).await;
    let both = create(&service, json!({ "games": ["a", "b"], "market": "de" })).await;
    play(&service, &[&alone, &both], 6).await;
    let body = json!({ "duration_s": 8 });
    service.operator(Method::POST, "/v1/operator/games/b/breaks", Some(body), StatusCode::CREATED).await;
    play(&service, &[&alone, &both], 14).await;
    let told = service
        .device(Method::GET, &format!("/v1/sessions/{}", alone["id"].as_str().unwrap()), None, StatusCode::OK)
        .await;
    assert_eq!(told["layout"], "1", "what the viewer asked for");
    let (seen, sound) = watched(&service, &alone, &[seen_in("1", 0), seen_in("1L", 0)]).await;
    let moving = |seen: &Seen| runs(seen).into_iter().filter(|(.., count)| *count > 1).collect::<Vec<_>>();
    let (large, small) = (moving(&seen[0]), moving(&seen[1]));
    let [(Some(1), _, left, _), (None, ..), (Some(1), back, ..)] = large[..] else { panic!("{large:?}") };
    let [(None, ..), (Some(1), from, to, _), (None, ..)] = small[..] else { panic!("{small:?}") };
    assert_eq!((from, to), (left + 1, back - 1), "no picture is lost");
    assert!((6 * 30..=8 * 30).contains(&(back - left - 1)), "{large:?}");
    let mut tones = heard(&sound);
    tones.dedup();
    assert_eq!(tones.iter().filter(|heard| heard.is_some()).count(), 1, "its sound goes on: {tones:?}");
    let (seen, _) = watched(&service, &both, &[seen_in("2EH", 1)]).await;
    assert!(matches!(moving(&seen[0])[..], [(Some(1), ..)]), "{:?}", runs(&seen[0]));
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_decision_server_does_the_game_is_back_in_time() {
    /// What it does, and VAST's code of it.
    const MODES: [(&str, u16); 5] =
        [("too much", 300), ("no XML", 100), ("a circle", 302), ("nothing", 303), ("silence", 900)];
    let dir = tempfile::tempdir().unwrap();
    let service = start(dir.path()).await;
    let mode = Arc::new(Mutex::new(0));
    let asked = mode.clone();
    let ads = AdServer::start(dir.path(), move |base, client| match MODES[*asked.lock()].0 {
        "too much" => answer(client, "text/xml", &vec![b' '; 50 << 20]),
        "no XML" => answer(client, "text/html", b"<html>no</html>"),
        "nothing" => answer(client, "text/xml", vast(base, &[]).as_bytes()),
        "a circle" => {
            let ad = format!("<Ad><Wrapper><VASTAdTagURI>{base}/vast</VASTAdTagURI></Wrapper></Ad>");
            answer(client, "text/xml", format!("<VAST version=\"4.2\">{ad}</VAST>").as_bytes())
        }
        _ => {
            std::thread::sleep(Duration::from_secs(30));
            Ok(())
        }
    });
    market(&service, json!({ "policy": "advertisement", "decision_url": format!("{}/vast", ads.base) })).await;
    let mine = create(&service, json!({ "games": ["a", "b"], "market": "de" })).await;
    play(&service, &[&mine], 5).await;
    for (n, (what, code)) in MODES.into_iter().enumerate() {
        *mode.lock() = n;
        let body = json!({ "duration_s": 3, "starts_in_s": 2 });
        service.operator(Method::POST, "/v1/operator/games/b/breaks", Some(body), StatusCode::CREATED).await;
        play(&service, &[&mine], 1).await;
        until(what, async || {
            service.service.sweep().await;
            let errors = service.operator(Method::GET, "/v1/operator/breaks/report", None, StatusCode::OK).await;
            errors["markets"][0]["errors"][code.to_string()].as_u64().is_some()
        })
        .await;
        play(&service, &[&mine], 5).await;
    }
    let (seen, _) = watched(&service, &mine, &[seen_in("2EH", 1)]).await;
    let its: Vec<_> = runs(&seen[0]).into_iter().filter(|(.., count)| *count > 1).collect();
    let slates: Vec<_> = its.iter().filter(|(whose, ..)| whose.is_none()).map(|(.., count)| *count).collect();
    assert_eq!(slates, [90; MODES.len()], "announced ahead, each is as long as it was to be: {its:?}");
    let games: Vec<_> = its.iter().filter(|(whose, ..)| *whose == Some(1)).collect();
    for (before, after) in games.iter().zip(&games[1..]) {
        assert_eq!(after.1 - before.2 - 1, 90, "{its:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_asked_what_to_show_in_a_break_that_is_over() {
    let dir = tempfile::tempdir().unwrap();
    let service = start(dir.path()).await;
    let ads = AdServer::start(dir.path(), |base, client| answer(client, "text/xml", vast(base, &[]).as_bytes()));
    market(&service, json!({ "policy": "advertisement", "decision_url": format!("{}/vast", ads.base) })).await;
    let elsewhere = create(&service, json!({ "games": ["a", "b"] })).await;
    play(&service, &[&elsewhere], 5).await;
    let body = json!({ "duration_s": 3, "starts_in_s": 1 });
    let path = "/v1/operator/games/b/breaks";
    service.operator(Method::POST, path, Some(body.clone()), StatusCode::CREATED).await;
    play(&service, &[&elsewhere], 5).await;
    // The break is still in the window of who comes now.
    let mine = create(&service, json!({ "games": ["a", "b"], "market": "de" })).await;
    play(&service, &[&elsewhere, &mine], 3).await;
    service.service.sweep().await;
    service.operator(Method::POST, path, Some(body), StatusCode::CREATED).await;
    play(&service, &[&mine], 1).await;
    until("the second break is asked for", async || ads.asked_for("/vast") > 0).await;
    assert_eq!(ads.asked_for("/vast"), 1, "the first was over when somebody came who would have seen it");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_advertisement_whose_process_died_is_decoded_again() {
    let dir = tempfile::tempdir().unwrap();
    clip(AD, 90, TONES[2]).write(&dir.path().join("ad.mp4"));
    // Decodes as the program does, but dies once where that is wanted.
    let (program, dies) = (dir.path().join("decoder"), dir.path().join("dies"));
    let script = format!(
        "#!/bin/sh\nif rm '{}' 2>/dev/null; then kill -9 $$; fi\nexec '{}' \"$@\"\n",
        dies.display(),
        env!("CARGO_BIN_EXE_quadrille")
    );
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let config = Config { feeds: Feeds::Apart, ..settings(dir.path()) };
    let service = TestService::start_decoding_with(&config, MediaTime::from_millis(91_000_000_100), &program).await;
    let ads = AdServer::start(dir.path(), |base, client| {
        answer(client, "application/xml", vast(base, &[("ad.mp4", 3)]).as_bytes())
    });
    market(&service, json!({ "policy": "advertisement", "decision_url": format!("{}/vast", ads.base) })).await;
    let mine = create(&service, json!({ "games": ["a", "b"], "market": "de" })).await;
    play(&service, &[&mine], 5).await;
    std::fs::write(&dies, "").unwrap();
    let body = json!({ "duration_s": 20 });
    service.operator(Method::POST, "/v1/operator/games/b/breaks", Some(body), StatusCode::CREATED).await;
    play(&service, &[&mine], 2).await;
    until_made(&service).await;
    assert!(!dies.exists(), "the process that decodes it died");
    play(&service, &[&mine], 6).await;
    let report = service.operator(Method::GET, "/v1/operator/breaks/report", None, StatusCode::OK).await;
    let its = &report["markets"][0];
    assert_eq!((&its["play_outs"], &its["errors"]), (&json!(1), &json!({})), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_output_shows_its_markets_breaks_as_a_session_there_does() {
    let dir = tempfile::tempdir().unwrap();
    clip(AD, 90, TONES[2]).write(&dir.path().join("ad.mp4"));
    let service = start(dir.path()).await;
    let ads = AdServer::start(dir.path(), |base, client| {
        answer(client, "application/xml", vast(base, &[("ad.mp4", 3)]).as_bytes())
    });
    market(&service, json!({ "policy": "advertisement", "decision_url": format!("{}/vast", ads.base) })).await;
    crate::skins::skin(&service, "red", 90).await;
    service.operator(Method::PUT, "/v1/operator/outputs/matches", Some(json!({})), StatusCode::CREATED).await;
    let address = outputs::index("b", "red");
    let in_market = format!("{address}&market=de");
    let here = outputs::named(&service, &in_market, "video/big.m3u8").await;
    let sound = outputs::named(&service, &in_market, "sound/main.m3u8").await;
    let elsewhere = outputs::named(&service, &address, "video/big.m3u8").await;
    let same = create(&service, json!({ "games": ["b"], "layout": "1F", "skin": "red", "market": "de" })).await;
    let play = async |count: u64| {
        for _ in 0..count {
            service.crank_segments(1).await;
            poll(&service, &same).await;
            for playlist in [&here, &sound, &elsewhere] {
                service.text(playlist).await;
            }
        }
    };
    play(5).await;
    let body = json!({ "duration_s": 10 });
    service.operator(Method::POST, "/v1/operator/games/b/breaks", Some(body), StatusCode::CREATED).await;
    play(2).await;
    until_made(&service).await;
    play(14).await;

    let url = same["playback_url"].as_str().unwrap();
    let of_session = |name: &str| url[url.find("/v1/play").unwrap()..].replace("index.m3u8", name);
    let (map, listed) = outputs::segments(&service, &here).await;
    for (of_output, of_session) in [(&here, of_session("video/big.m3u8")), (&sound, of_session("sound/main.m3u8"))] {
        let of_output = outputs::segments(&service, of_output).await.1;
        let of_session = outputs::segments(&service, &of_session).await.1;
        assert!(of_session.len() >= 15 && of_output.ends_with(&of_session), "{of_output:?} {of_session:?}");
    }
    let seen = outputs::shown(&service, &map, &listed).await;
    assert!(seen.iter().all(|(art, _)| *art == seen[0].0), "its skin stands");
    let runs_of = |seen: Vec<outputs::Shown>| {
        let its: Seen = seen.into_iter().map(|(_, game)| game).collect();
        runs(&its).into_iter().filter(|(.., count)| *count > 1).collect::<Vec<_>>()
    };
    let its = runs_of(seen);
    let [(Some(1), _, left, _), (None, ..), ad, (None, ..), (Some(1), back, ..)] = its[..] else { panic!("{its:?}") };
    assert_eq!(ad, (Some(AD), 0, 89, 90), "{its:?}");
    // It begins when the slate of this size is made, and is over when it was to be.
    assert!((7 * 30..=10 * 30).contains(&(back - left - 1)), "{its:?}");
    let (map, listed) = outputs::segments(&service, &elsewhere).await;
    let its = runs_of(outputs::shown(&service, &map, &listed).await);
    assert!(matches!(its[..], [(Some(1), ..)]), "in no market it is the programme: {its:?}");

    // One that many may watch counts once.
    let report = service.operator(Method::GET, "/v1/operator/breaks/report", None, StatusCode::OK).await;
    let german = &report["markets"][0];
    assert_eq!((&german["decisions"], &german["play_outs"], &german["sessions"]), (&json!(1), &json!(2), &json!(2)));
}
