//! Art over games: a mark with what shows through it, seen by viewers of the whole service, on tiles and where those are too many.

use std::io::Cursor;
use std::path::Path;

use quadrille::frame::Rect;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::skins::{send, session};
use crate::support::barcode::{Clip, moving};
use crate::support::decode::{Decode, decode};
use crate::support::service::{OPERATOR, SMALL_OUTPUT, TestService, config};

/// One game, whole, and a mark over its upper margin; two games, and a strip over both.
const LAYOUTS: [(&str, &str); 2] = [
    (
        "1W",
        "{ x = 0, y = 0, width = 1920, height = 1080 }, { x = 96, y = 0, width = 384, height = 80, kind = \"art\", name = \"mark\" }",
    ),
    (
        "2W",
        "{ x = 0, y = 0, width = 960, height = 1080 }, { x = 960, y = 0, width = 960, height = 1080 }, \
         { x = 768, y = 0, width = 384, height = 80, kind = \"art\", name = \"mark\" }",
    ),
];

/// Three stripes of a colour: solid, half, clear.
fn stripes(level: u8) -> Vec<u8> {
    let pixel = |x: u32, _| image::Rgba([level, level, level, [255, 128, 0][(x / 64) as usize]]);
    let mut bytes = Cursor::new(Vec::new());
    image::RgbaImage::from_fn(192, 40, pixel).write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

async fn start(dir: &Path) -> TestService {
    let path = dir.join("0.mp4");
    Clip { width: 640, height: 360, ..Clip::new(0, 300, 400) }.write(&path);
    let folder = dir.join("layouts");
    std::fs::create_dir(&folder).unwrap();
    for (id, slots) in LAYOUTS {
        let text = format!(
            "id = \"{id}\"\nname = \"Marked\"\ncanvas = {{ width = 1920, height = 1080 }}\nbackground = \"#0b0e14\"\n\
             overlap = true\nslots = [{slots}]\n"
        );
        std::fs::write(folder.join(format!("{id}.toml")), text).unwrap();
    }
    let extra = format!("{SMALL_OUTPUT}[stitch]\nkeep_warm = false\nmax_skinned_tiles = 1\n");
    let mut config = config(&dir.join("data"), &[("g0", format!("file://{}", path.display()))], &extra);
    config.layouts_dir = Some(folder);
    let service = TestService::start(&config).await;
    for (skin, level) in [("white", 255), ("black", 0)] {
        let (status, asset) = send(&service, OPERATOR, stripes(level), "image/png").await;
        assert_eq!(status, StatusCode::CREATED, "{asset}");
        let body = json!({ "art": { "mark": asset["id"] } });
        service.operator(Method::PUT, &format!("/v1/operator/skins/{skin}"), Some(body), StatusCode::CREATED).await;
    }
    service
}

/// The luma in the middle of each third of `mark` in each picture, and which frame the game shows.
async fn watch(service: &TestService, session: &Value, mark: Rect) -> (Vec<[u8; 3]>, Vec<Option<(u8, u32)>>) {
    let url = session["playback_url"].as_str().unwrap().to_owned();
    let path = &url[url.find("/v1/play").unwrap()..];
    for playlist in ["video/big.m3u8", "sound/main.m3u8"] {
        service.text(&path.replace("index.m3u8", playlist)).await;
    }
    let end = format!("/v1/sessions/{}", session["id"].as_str().unwrap());
    service.device(Method::DELETE, &end, None, StatusCode::NO_CONTENT).await;
    let seen = tokio::task::spawn_blocking(move || {
        let (mut art, mut games) = (Vec::new(), Vec::new());
        let whole = Rect { x: 0, y: 0, width: 960, height: 540 };
        let decoded = decode(&Decode::new(&url, 60.0), |_, frame| {
            let row = (mark.y + mark.height / 2) as usize * frame.width;
            let third = |n: u32| frame.planes[0][row + (mark.x + mark.width * (2 * n + 1) / 6) as usize];
            art.push([0, 1, 2].map(third));
            games.push(frame.barcode(whole).map(|b| (b.clip, b.frame)));
        });
        assert_eq!(decoded.complaints, "");
        (art, games)
    });
    seen.await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn art_over_a_game_is_on_its_tile_while_few_ask_for_it_and_drawn_beyond() {
    let dir = tempfile::tempdir().unwrap();
    let service = start(dir.path()).await;
    let layouts = service.device(Method::GET, "/v1/layouts", None, StatusCode::OK).await;
    let layout = |id: &str| layouts.as_array().unwrap().iter().find(|layout| layout["id"] == id).unwrap().clone();
    let marked = layout("1W");
    assert_eq!((&marked["engines"], &marked["slots"][1]["cost"]), (&json!(["stitch", "render"]), &json!("tile")));
    assert_eq!((&marked["slots"][0].get("cost"), &layout("1F")["slots"][1]["cost"]), (&None, &json!("nothing")));
    assert_eq!(layout("2W")["slots"][2]["cost"], "tile", "a strip over two games is on the tiles of both");

    let ask = |skin: &str| json!({ "games": ["g0"], "layout": "1W", "skin": skin });
    let white = session(&service, ask("white")).await;
    let same = session(&service, ask("white")).await;
    let black = session(&service, ask("black")).await;
    let plain = session(&service, json!({ "games": ["g0"], "layout": "1W" })).await;
    let engines = [&white, &same, &black, &plain].map(|session| session["engine"].as_str().unwrap().to_owned());
    assert_eq!(engines, ["stitch", "stitch", "render", "stitch"], "one game in one skin has tiles");
    for _ in 0..6 {
        service.crank_segments(1).await;
        service.service.sweep().await;
    }
    // The game with its mark, and the game: in two renditions each.
    assert_eq!(service.metric("quadrille_encoders{kind=\"tile\"}").await, 4.0);
    assert_eq!(service.metric("quadrille_encoders{kind=\"render\"}").await, 2.0);

    // On the larger canvas.
    let mark = Rect { x: 48, y: 0, width: 192, height: 40 };
    let half = |level: i32| (level * 128 + 110 * 127) / 255;
    for (session, expected) in [(&white, [235, half(235), 110]), (&black, [16, half(16), 110]), (&plain, [110; 3])] {
        let (art, games) = watch(&service, session, mark).await;
        let shown: Vec<_> = art.iter().zip(&games).filter(|(_, game)| game.is_some()).map(|(art, _)| art).collect();
        assert!(shown.len() >= 60, "{} pictures", shown.len());
        // A mark is fetched when its mosaic begins: the first pictures may be without it.
        for (n, seen) in shown.iter().enumerate().skip(30) {
            let apart = seen.iter().zip(expected).map(|(seen, expected)| (i32::from(*seen) - expected).abs()).max();
            assert!(apart <= Some(6), "picture {n} of {}: {seen:?}, not {expected:?}", session["skin"]);
        }
        let moves = moving(&games);
        let first = moves[0].unwrap().1;
        let expected = (first..).take(moves.len()).map(|frame| Some((0, frame % 300)));
        assert!(moves.iter().copied().eq(expected), "the game goes on under it: {games:?}");
    }

    // Where the first one is watched no more, there is room for the other; who has begun goes on as it is.
    let end = format!("/v1/sessions/{}", same["id"].as_str().unwrap());
    service.device(Method::DELETE, &end, None, StatusCode::NO_CONTENT).await;
    for _ in 0..25 {
        service.crank_segments(1).await;
        service.service.sweep().await;
    }
    let later = session(&service, ask("black")).await;
    assert_eq!(later["engine"], "stitch");
}
