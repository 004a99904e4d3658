//! Art in slots: uploaded, put into skins, seen by viewers of the whole service in both engines.

use std::io::Cursor;
use std::path::Path;

use quadrille::compositor::fit;
use quadrille::config::Config;
use quadrille::frame::{CodedSize, MACROBLOCK, Rect};
use quadrille::layout::Layouts;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::barcode::{Clip, moving};
use crate::support::decode::{Decode, decode};
use crate::support::service::{DEVICE, OPERATOR, SMALL_OUTPUT, TestService, config};

const OTHERS: &str = "[[tenants]]\nid = \"rival\"\noperator_keys = [\"op-2\"]\ndevice_keys = [\"dev-2\"]\n";

fn configured(dir: &Path) -> Config {
    let path = dir.join("0.mp4");
    Clip { width: 640, height: 360, ..Clip::new(0, 300, 400) }.write(&path);
    let extra = format!("{SMALL_OUTPUT}[stitch]\nkeep_warm = false\n{OTHERS}");
    config(&dir.join("data"), &[("g0", format!("file://{}", path.display()))], &extra)
}

/// A picture as large as the canvas, all of one grey.
pub fn grey(level: u8) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let picture = image::RgbImage::from_pixel(192, 108, image::Rgb([level; 3]));
    picture.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

pub async fn send(service: &TestService, key: &str, bytes: Vec<u8>, media_type: &str) -> (StatusCode, Value) {
    let request = reqwest::Client::new().post(format!("{}/v1/operator/assets", service.base)).bearer_auth(key);
    let answer = request.header("content-type", media_type).body(bytes).send().await.unwrap();
    (answer.status(), answer.json().await.unwrap())
}

/// Uploads a grey.
pub async fn upload(service: &TestService, level: u8) -> String {
    let (status, asset) = send(service, OPERATOR, grey(level), "image/png").await;
    assert_eq!(status, StatusCode::CREATED, "{asset}");
    asset["id"].as_str().unwrap().to_owned()
}

/// Uploads a grey, and makes it the frame of a skin.
pub async fn skin(service: &TestService, id: &str, level: u8) -> String {
    let asset = upload(service, level).await;
    let body = json!({"art": {"frame": asset}});
    service.operator(Method::PUT, &format!("/v1/operator/skins/{id}"), Some(body), StatusCode::CREATED).await;
    asset
}

pub async fn session(service: &TestService, body: Value) -> Value {
    service.device(Method::POST, "/v1/sessions", Some(body), StatusCode::CREATED).await
}

pub async fn status(
    service: &TestService,
    method: Method,
    path: &str,
    key: &str,
    body: Option<Value>,
) -> (u16, String) {
    let answer = service.send(method, path, key, body).await;
    let status = answer.status().as_u16();
    let body: Value = answer.json().await.unwrap_or_default();
    (status, body["code"].as_str().unwrap_or_default().to_owned())
}

/// The luma of each frame in each slot of art, at its middle, and the frame numbers that the game's slot shows.
async fn watch(service: &TestService, session: &Value, game: Rect) -> (Vec<Vec<u8>>, Vec<Option<(u8, u32)>>) {
    let url = session["playback_url"].as_str().unwrap().to_owned();
    let path = &url[url.find("/v1/play").unwrap()..];
    for playlist in ["video/big.m3u8", "audio/g0.m3u8"] {
        service.text(&path.replace("index.m3u8", playlist)).await;
    }
    let end = format!("/v1/sessions/{}", session["id"].as_str().unwrap());
    service.device(Method::DELETE, &end, None, StatusCode::NO_CONTENT).await;
    let layout = Layouts::bundled().get("1F").unwrap();
    let slots: Vec<Rect> = (0..layout.art.len()).map(|slot| layout.art_on(slot, 960, 540)).collect();
    let seen = tokio::task::spawn_blocking(move || {
        let (mut art, mut games) = (Vec::new(), Vec::new());
        let decoded = decode(&Decode::new(&url, 60.0), |_, frame| {
            let middle =
                |r: &Rect| frame.planes[0][(r.y + r.height / 2) as usize * frame.width + (r.x + r.width / 2) as usize];
            art.push(slots.iter().map(middle).collect());
            games.push(frame.barcode(game).map(|b| (b.clip, b.frame)));
        });
        assert_eq!(decoded.complaints, "");
        (art, games)
    });
    seen.await.unwrap()
}

/// Where the game's picture is on the larger canvas: rendered, or on its tile.
pub fn game(engine: &str) -> Rect {
    let layout = Layouts::bundled().get("1F").unwrap();
    if engine == "render" {
        return fit(640, 360, (1, 1), layout.picture_on(0, 960, 540));
    }
    let tile = layout.tiles_on(&[CodedSize::of(960, 540), CodedSize::of(480, 270)]).unwrap()[0][0];
    let Rect { x, y, width, height } = tile.size.inside;
    let (x, y) = (tile.x_mb * MACROBLOCK + x, tile.y_mb * MACROBLOCK + y);
    fit(640, 360, (1, 1), Rect { x, y, width, height })
}

/// Luma of a grey in limited range.
pub fn luma(level: u8) -> i32 {
    16 + (i32::from(level) * 219 + 127) / 255
}

pub fn level(n: u8) -> u8 {
    10 * n
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_five_skins_of_a_game_need_no_encoder_more_than_one() {
    let dir = tempfile::tempdir().unwrap();
    let service = TestService::start(&configured(dir.path())).await;
    let mut sessions = Vec::new();
    for n in 0..25u8 {
        skin(&service, &format!("s{n}"), level(n)).await;
        let body = json!({"games": ["g0"], "layout": "1F", "skin": format!("s{n}")});
        sessions.push(session(&service, body.clone()).await);
        assert_eq!(
            (sessions[usize::from(n)]["skin"].clone(), &sessions[usize::from(n)]["engine"]),
            (body["skin"].clone(), &json!("stitch"))
        );
        // Who has the same skin has the same mosaic.
        session(&service, body).await;
    }
    service.crank_segments(3).await;
    assert_eq!(service.metric("quadrille_mosaics{engine=\"stitch\"}").await, 25.0);
    assert_eq!(service.metric("quadrille_encoders{kind=\"tile\"}").await, 2.0, "one game in two renditions");
    assert_eq!(service.metric("quadrille_encoders{kind=\"render\"}").await, 0.0);
    for n in [0, 7, 24u8] {
        let (art, games) = watch(&service, &sessions[usize::from(n)], game("stitch")).await;
        assert!(art.len() >= 60, "{} frames", art.len());
        for (at, frame) in art.iter().enumerate() {
            let apart = frame.iter().map(|seen| (i32::from(*seen) - luma(level(n))).abs()).max();
            assert!(apart <= Some(3), "skin {n}, frame {at}: {frame:?}, not {}", luma(level(n)));
        }
        // The game goes on frame by frame, as if nothing were around it.
        let moves = moving(&games);
        let first = moves[0].unwrap().1;
        assert!(moves.iter().copied().eq((first..).take(moves.len()).map(|frame| Some((0, frame)))), "{games:?}");
    }
    // Four pieces of a frame in two renditions, of each of three skins that were watched; and no encoder that runs.
    assert_eq!(service.metric("quadrille_art_tiles").await, 24.0);
    assert_eq!(service.metric("quadrille_art_encoded_total").await, 24.0);
    assert_eq!(service.metric("quadrille_encoders{kind=\"tile\"}").await, 2.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rendered_mosaic_shows_art_too_and_a_session_changes_its_skin_in_one_stream() {
    let dir = tempfile::tempdir().unwrap();
    let service = TestService::start(&configured(dir.path())).await;
    skin(&service, "dark", 40).await;
    skin(&service, "light", 200).await;
    let body = |engine: &str| json!({"games": ["g0"], "layout": "1F", "skin": "dark", "engine": engine});
    for engine in ["render", "stitch"] {
        let made = session(&service, body(engine)).await;
        assert_eq!(made["engine"], engine);
        service.crank_segments(2).await;
        let path = format!("/v1/sessions/{}", made["id"].as_str().unwrap());
        let url = made["playback_url"].as_str().unwrap();
        service.text(&url[url.find("/v1/play").unwrap()..].replace("index.m3u8", "video/big.m3u8")).await;
        let changed = service.device(Method::PATCH, &path, Some(json!({"skin": "light"})), StatusCode::OK).await;
        assert_eq!((&changed["skin"], &changed["playback_url"]), (&json!("light"), &made["playback_url"]));
        service.crank_segments(2).await;
        let (art, games) = watch(&service, &made, game(engine)).await;
        let near = |seen: &u8, grey: u8| (i32::from(*seen) - luma(grey)).abs() <= 4;
        let shows = |frame: &Vec<u8>| [40, 200].iter().position(|grey| frame.iter().all(|seen| near(seen, *grey)));
        let shown: Vec<Option<usize>> = art.iter().map(shows).collect();
        let runs: Vec<_> = shown.chunk_by(|a, b| a == b).map(|run| (run[0], run.len())).collect();
        assert_eq!(runs.iter().map(|run| run.0).collect::<Vec<_>>(), [Some(0), Some(1)], "{engine}: {runs:?}");
        let moves = moving(&games);
        let first = moves[0].unwrap().1;
        // The clip is ten seconds long.
        let expected = (first..).take(moves.len()).map(|n| Some((0, n % 300)));
        assert!(moves.iter().copied().eq(expected), "{engine}: {games:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tenants_never_see_each_others_art() {
    let dir = tempfile::tempdir().unwrap();
    let service = TestService::start(&configured(dir.path())).await;
    let asset = skin(&service, "red", 90).await;
    let (asset_path, skin_path) = (format!("/v1/operator/assets/{asset}"), "/v1/operator/skins/red");
    for (path, code) in [(asset_path.as_str(), "asset_unknown"), (skin_path, "skin_unknown")] {
        for method in [Method::GET, Method::DELETE] {
            assert_eq!(status(&service, method, path, "op-2", None).await, (404, code.to_owned()));
        }
    }
    for list in ["/v1/operator/assets", "/v1/operator/skins"] {
        let listed: Value = service.send(Method::GET, list, "op-2", None).await.json().await.unwrap();
        assert_eq!(listed, json!([]));
    }
    let of_another = Some(json!({"art": {"frame": asset}}));
    assert_eq!(status(&service, Method::PUT, skin_path, "op-2", of_another).await, (404, "asset_unknown".into()));
    let wish = |skin: &str| Some(json!({"games": ["g0"], "layout": "1F", "skin": skin}));
    for (key, wanted) in [("dev-2", "red"), (DEVICE, "blue")] {
        assert_eq!(
            status(&service, Method::POST, "/v1/sessions", key, wish(wanted)).await,
            (404, "skin_unknown".into())
        );
    }
    let open = format!("/v1/multiview.m3u8?games=g0&layout=1F&skin=red&key={DEVICE}");
    let followed = reqwest::Client::new().get(format!("{}{open}", service.base)).send().await.unwrap();
    assert_eq!(followed.status(), StatusCode::OK);
    assert_eq!(status(&service, Method::GET, &open.replace("red", "blue"), DEVICE, None).await.1, "skin_unknown");
    // Devices are told the skins' names, and what they have something for.
    for (key, told) in [(DEVICE, json!([{"id": "red", "slots": ["frame"]}])), ("dev-2", json!([]))] {
        let listed: Value = service.send(Method::GET, "/v1/skins", key, None).await.json().await.unwrap();
        assert_eq!(listed, told);
    }
    let file = format!("{asset_path}/file");
    assert_eq!(status(&service, Method::GET, &file, "op-2", None).await, (404, "asset_unknown".into()));
    assert_eq!(status(&service, Method::GET, &file, DEVICE, None).await, (403, "forbidden".into()));
    let sent = service.send(Method::GET, &file, OPERATOR, None).await;
    assert_eq!(sent.headers()["content-type"], "image/png");
    assert_eq!(sent.headers()["content-security-policy"], "default-src 'none'; sandbox");
    assert_eq!(sent.bytes().await.unwrap(), grey(90));
    // Device keys have no business there.
    assert_eq!(status(&service, Method::GET, "/v1/operator/skins", DEVICE, None).await, (403, "forbidden".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_shown_cannot_be_deleted_and_what_is_wrong_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let settings = configured(dir.path());
    let service = TestService::start(&settings).await;
    let asset = skin(&service, "red", 90).await;
    let (asset_path, skin_path) = (format!("/v1/operator/assets/{asset}"), "/v1/operator/skins/red");
    let same = send(&service, OPERATOR, grey(90), "image/png").await;
    assert_eq!((same.0, same.1["id"].as_str()), (StatusCode::OK, Some(asset.as_str())), "the same file again");
    assert_eq!(
        (&same.1["type"], &same.1["width"], &same.1["state"]),
        (&json!("image/png"), &json!(192), &json!("ready"))
    );
    for (bytes, media_type, code) in [
        (grey(91), "image/gif", "media_type_unsupported"),
        (grey(91), "image/jpeg", "asset_invalid"),
        (
            b"<svg xmlns=\"http://www.w3.org/2000/svg\"><image href=\"file:///a\"/></svg>".to_vec(),
            "image/svg+xml",
            "asset_invalid",
        ),
    ] {
        assert_eq!(send(&service, OPERATOR, bytes, media_type).await.1["code"], code);
    }
    let preview = format!("{asset_path}/preview?layout=1F&slot=frame");
    let shown = service.send(Method::GET, &preview, OPERATOR, None).await;
    assert_eq!(shown.headers()["content-type"], "image/jpeg");
    let shown = image::load_from_memory(&shown.bytes().await.unwrap()).unwrap().to_rgb8();
    let near = |x: u32, y: u32, rgb: [u8; 3]| shown.get_pixel(x, y).0.iter().zip(rgb).all(|(a, b)| a.abs_diff(b) < 12);
    assert_eq!(shown.dimensions(), (320, 180));
    assert!(
        near(8, 90, [90; 3]) && near(160, 170, [90; 3]) && near(160, 90, [0x0b, 0x0e, 0x14]),
        "a frame around nothing"
    );
    for (path, key, refused) in [
        (preview.replace("slot=frame", "slot=bar"), OPERATOR, (422, "parameter_invalid")),
        (preview.replace("1F", "9F"), OPERATOR, (404, "layout_unknown")),
        (preview.clone(), "op-2", (404, "asset_unknown")),
    ] {
        assert_eq!(status(&service, Method::GET, &path, key, None).await, (refused.0, refused.1.to_owned()));
    }
    let body = Some(json!({"art": {"roof": asset}}));
    let wrong: Value = service.send(Method::PUT, skin_path, OPERATOR, body).await.json().await.unwrap();
    assert_eq!((&wrong["field"], &wrong["allowed"]), (&json!("art.roof"), &json!(["banner", "bar", "frame", "strip"])));
    let body = Some(json!({"art": {"bar": asset, "frame": "0".repeat(64)}}));
    let gone: Value = service.send(Method::PUT, skin_path, OPERATOR, body).await.json().await.unwrap();
    assert_eq!((&gone["code"], &gone["field"]), (&json!("asset_unknown"), &json!("art.frame")), "{gone}");
    let watched = session(&service, json!({"games": ["g0"], "layout": "1F", "skin": "red"})).await;
    assert_eq!(status(&service, Method::DELETE, &asset_path, OPERATOR, None).await, (409, "asset_in_use".into()));
    service.operator(Method::DELETE, skin_path, None, StatusCode::NO_CONTENT).await;
    assert_eq!(status(&service, Method::DELETE, &asset_path, OPERATOR, None).await, (409, "asset_in_use".into()));
    service.crank_segments(2).await;
    service.stop().await;
    // A session goes on with what it showed, and what is kept is there again.
    let service = TestService::start(&settings).await;
    let path = format!("/v1/sessions/{}", watched["id"].as_str().unwrap());
    assert_eq!(service.device(Method::GET, &path, None, StatusCode::OK).await["skin"], "red");
    let without = service.device(Method::PATCH, &path, Some(json!({"skin": ""})), StatusCode::OK).await;
    assert_eq!(without["skin"], Value::Null);
    service.operator(Method::DELETE, &asset_path, None, StatusCode::NO_CONTENT).await;
    let layouts = service.device(Method::GET, "/v1/layouts", None, StatusCode::OK).await;
    let framed = layouts.as_array().unwrap().iter().find(|layout| layout["id"] == "1F").unwrap();
    assert_eq!(framed["slots"][0], json!({"x": 192, "y": 96, "width": 1536, "height": 864, "kind": "game"}));
    assert_eq!((&framed["slots"][4]["kind"], &framed["slots"][4]["name"]), (&json!("art"), &json!("frame")));
    assert_eq!(framed["engines"], json!(["stitch", "render"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_that_fails_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let service = TestService::start(&configured(dir.path())).await;
    let (broken, lost) = (upload(&service, 40).await, upload(&service, 41).await);
    let file = |asset: &str| dir.path().join("data/assets/acme").join(asset);
    std::fs::write(file(&broken), "no picture any more").unwrap();
    std::fs::remove_file(file(&lost)).unwrap();
    for (asset, refused) in [(&broken, (422, "asset_invalid")), (&lost, (503, "store_unavailable"))] {
        let path = format!("/v1/operator/assets/{asset}/preview?layout=1F&slot=frame");
        // The second time it is not even tried.
        for _ in 0..2 {
            let answer = service.send(Method::GET, &path, OPERATOR, None).await;
            assert_eq!(answer.headers().contains_key("retry-after"), refused.0 == 503);
            let (status, problem): (u16, Value) = (answer.status().as_u16(), answer.json().await.unwrap());
            assert_eq!((status, &problem["code"]), (refused.0, &json!(refused.1)), "{problem}");
            assert!(status != 422 || problem["detail"].as_str().unwrap().contains("cannot be read"), "{problem}");
        }
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_configuration_has_skins_too() {
    let dir = tempfile::tempdir().unwrap();
    let art = dir.path().join("frame.png");
    std::fs::write(&art, grey(120)).unwrap();
    let text = |name: &str| {
        format!(
            "{SMALL_OUTPUT}[[skins]]\nid = \"house\"\ntenant = \"acme\"\nart = {{ {name} = {:?} }}\n",
            art.to_str().unwrap()
        )
    };
    let service = TestService::start(&config(&dir.path().join("data"), &[], &text("frame"))).await;
    let house = service.operator(Method::GET, "/v1/operator/skins/house", None, StatusCode::OK).await;
    assert_eq!(house["origin"], "config");
    let body = Some(json!({"art": {}}));
    let refused = status(&service, Method::PUT, "/v1/operator/skins/house", OPERATOR, body).await;
    assert_eq!(refused, (409, "skin_read_only".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_market_names_the_skin_that_its_sessions_begin_with() {
    let dir = tempfile::tempdir().unwrap();
    let service = TestService::start(&configured(dir.path())).await;
    skin(&service, "gold", 200).await;
    skin(&service, "silver", 100).await;
    for (id, skin) in [("de", "gold"), ("at", "gone")] {
        let market = json!({"id": id, "title": id, "skin": skin});
        service.operator(Method::POST, "/v1/operator/markets", Some(market), StatusCode::CREATED).await;
    }
    let begins = async |more: Value| {
        let mut body = json!({"games": ["g0"], "layout": "1F"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        session(&service, body).await["skin"].clone()
    };
    assert_eq!(begins(json!({"market": "de"})).await, "gold");
    assert_eq!(begins(json!({"market": "de", "skin": "silver"})).await, "silver");
    assert_eq!(begins(json!({"market": "at"})).await, Value::Null, "a skin that is not there");
    assert_eq!(begins(json!({})).await, Value::Null);
}
