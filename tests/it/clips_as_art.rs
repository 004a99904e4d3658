//! Short clips in slots of art: seen by viewers of the whole service, picture by picture, going round in step with the grid; and those that are none. All of
//! it holds where feeds are decoded, in processes of their own or inside.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use quadrille::config::{Config, Feeds};
use quadrille::frame::Rect;
use quadrille::layout::Layouts;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::skins::{send, session};
use crate::support::barcode::{Clip, ClipSound, moving};
use crate::support::decode::{Decode, decode};
use crate::support::hostile_streams;
use crate::support::service::{OPERATOR, SMALL_OUTPUT, TestService, config};

/// Pictures of the clip: two segments.
const PICTURES: u32 = 60;
const ART: u8 = 7;

/// As wide as the canvas and a fifth of its height, as banners are.
fn banner() -> Clip {
    Clip { width: 960, height: 108, sound: ClipSound::None, ..Clip::new(ART, PICTURES, 0) }
}

fn configured(dir: &Path, feeds: Feeds) -> Config {
    let path = dir.join("0.mp4");
    if !path.exists() {
        Clip { width: 640, height: 360, ..Clip::new(0, 600, 400) }.write(&path);
    }
    let extra = format!("{SMALL_OUTPUT}[stitch]\nkeep_warm = false\n");
    let mut config = config(&dir.join("data"), &[("g0", format!("file://{}", path.display()))], &extra);
    config.feeds = feeds;
    config
}

async fn asset(service: &TestService, id: &str) -> Value {
    service.operator(Method::GET, &format!("/v1/operator/assets/{id}"), None, StatusCode::OK).await
}

/// Waits until all loops of an asset are made that were asked for.
async fn made(service: &TestService, id: &str) -> Value {
    let began = Instant::now();
    loop {
        let asset = asset(service, id).await;
        if asset["loops"]["percent"] == 100 {
            return asset;
        }
        assert!(began.elapsed() < Duration::from_secs(120), "no loops: {asset}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn skin(service: &TestService, bytes: Vec<u8>, media_type: &str) -> Value {
    let (status, asset) = send(service, OPERATOR, bytes, media_type).await;
    assert_eq!(status, StatusCode::CREATED, "{asset}");
    let body = Some(json!({"art": {"banner": asset["id"]}}));
    service.operator(Method::PUT, "/v1/operator/skins/moves", body, StatusCode::CREATED).await;
    asset
}

/// Whether this process has taken an MP4 apart: what does so is loaded for the first one.
fn took_apart_here() -> bool {
    std::fs::read_to_string("/proc/self/maps").unwrap().contains("libgstisomp4")
}

/// The luma of each picture of a clip.
fn pictures_of(clip: &Path) -> Vec<Vec<u8>> {
    let mut pictures = Vec::new();
    let what = Decode { audio: None, ..Decode::new(clip.to_str().unwrap(), 60.0) };
    decode(&what, |_, frame| pictures.push(frame.planes[0].to_vec()));
    pictures
}

/// How far two pictures are apart, as a mean.
fn apart(a: &[u8], b: &[u8]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| u64::from(a.abs_diff(*b))).sum::<u64>() as f64 / a.len() as f64
}

/// What a session showed, picture by picture.
#[derive(Default)]
struct Shown {
    /// Which picture of which clip the banner is, and its luma.
    banner: Vec<Option<(u8, u32)>>,
    luma: Vec<Vec<u8>>,
    games: Vec<Option<(u8, u32)>>,
}

/// Ends the session and plays all of it.
async fn watch(service: &TestService, session: &Value) -> Shown {
    let url = session["playback_url"].as_str().unwrap().to_owned();
    let path = &url[url.find("/v1/play").unwrap()..];
    for playlist in ["video/big.m3u8", "audio/g0.m3u8"] {
        service.text(&path.replace("index.m3u8", playlist)).await;
    }
    let end = format!("/v1/sessions/{}", session["id"].as_str().unwrap());
    service.device(Method::DELETE, &end, None, StatusCode::NO_CONTENT).await;
    let layout = Layouts::bundled().get("1B").unwrap();
    let art = layout.art_picture_on(0, 960, 540);
    let rect = layout.picture_on(0, 960, 540);
    let game = quadrille::compositor::fit(640, 360, (1, 1), rect);
    let seen = tokio::task::spawn_blocking(move || {
        let mut shown = Shown::default();
        let decoded = decode(&Decode::new(&url, 60.0), |_, frame| {
            let read = |rect: Rect| frame.barcode(rect).map(|code| (code.clip, code.frame));
            shown.banner.push(read(art));
            shown.games.push(read(game));
            let row = |y: u32| &frame.planes[0][y as usize * frame.width + art.x as usize..][..art.width as usize];
            shown.luma.push((art.y..art.y + art.height).flat_map(row).copied().collect());
        });
        assert_eq!(decoded.complaints, "");
        shown
    });
    seen.await.unwrap()
}

/// From the first picture to the last, which segment it is tells where it goes on, and no picture is missing where it begins again: each is that of the
/// clip which is due, and none of its neighbours.
fn goes_round(shown: &Shown, clip: &[Vec<u8>]) {
    let numbers: Vec<u32> = shown.banner.iter().map(|code| code.filter(|code| code.0 == ART).unwrap().1).collect();
    assert!(numbers.len() >= 4 * 30 && [0, 30].contains(&numbers[0]), "{numbers:?}");
    let expected = (numbers[0]..).take(numbers.len()).map(|n| n % PICTURES);
    assert!(numbers.iter().copied().eq(expected), "{numbers:?}");
    for (at, (number, luma)) in numbers.iter().zip(&shown.luma).enumerate() {
        let of = |number: u32| apart(luma, &clip[(number % PICTURES) as usize]);
        let (own, neighbours) = (of(*number), [number + 1, number + PICTURES - 1].map(of));
        assert!(own < 4.0 && neighbours.iter().all(|other| *other > own), "{at}: {own}, {neighbours:?}");
    }
}

async fn a_clip_goes_round(feeds: Feeds) {
    let dir = tempfile::tempdir().unwrap();
    let settings = configured(dir.path(), feeds);
    let service = TestService::start(&settings).await;
    let file = dir.path().join("banner.mp4");
    banner().write(&file);
    let bytes = std::fs::read(&file).unwrap();
    let uploaded = skin(&service, bytes.clone(), "video/mp4").await;
    let told = |key: &str| uploaded[key].clone();
    assert_eq!([told("type"), told("width"), told("height")], [json!("video/mp4"), json!(960), json!(108)]);
    assert_eq!([told("duration_s"), told("pictures"), told("has_sound")], [json!(2.0), json!(60), json!(false)]);
    let id = uploaded["id"].as_str().unwrap().to_owned();
    // Nobody has asked for it yet, and it is made: in both renditions, which is one decode.
    let ready = made(&service, &id).await;
    assert_eq!(ready["loops"], json!({"wanted": 2, "made": 2, "failed": 0, "retried": 0, "percent": 100}));

    let body = |engine: &str| json!({"games": ["g0"], "layout": "1B", "skin": "moves", "engine": engine});
    let (stitched, rendered) = (session(&service, body("stitch")).await, session(&service, body("render")).await);
    service.crank_segments(5).await;
    let shown = watch(&service, &stitched).await;
    goes_round(&shown, &pictures_of(&file));
    let moves = moving(&shown.games);
    assert!(moves.len() > 90 && moves.iter().all(|code| code.is_some_and(|code| code.0 == 0)), "{:?}", shown.games);
    // Where the mosaic is rendered its first picture stands.
    let banner = watch(&service, &rendered).await.banner;
    assert!(banner.iter().all(|code| *code == Some((ART, 0))), "{banner:?}");

    let encoded = service.metric("quadrille_art_encoded_total").await;
    assert_eq!(encoded, 2.0, "one for each rendition, and never again");
    service.stop().await;
    // The next process finds what was made.
    let service = TestService::start(&settings).await;
    let ready = made(&service, &id).await;
    assert_eq!((&ready["loops"]["made"], &ready["pictures"]), (&json!(2), &json!(60)));
    assert_eq!(service.metric("quadrille_art_encoded_total").await, 0.0);
    let preview = format!("/v1/operator/assets/{id}/preview?layout=1B&slot=banner");
    assert_eq!(service.send(Method::GET, &preview, OPERATOR, None).await.status(), StatusCode::OK);
    let same = send(&service, OPERATOR, bytes, "application/octet-stream").await;
    assert_eq!((same.0, same.1["id"].as_str()), (StatusCode::OK, Some(id.as_str())), "the same file again");
    assert_eq!(took_apart_here(), feeds == Feeds::Inside);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clip_goes_round_in_its_slot_in_step_with_the_grid() {
    a_clip_goes_round(Feeds::Apart).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clip_goes_round_where_feeds_are_inside() {
    a_clip_goes_round(Feeds::Inside).await;
}

/// Another file by FFmpeg.
fn made_by_ffmpeg(path: &Path, args: &[&str]) -> Vec<u8> {
    let status = Command::new("ffmpeg").args(["-y", "-v", "error"]).args(args).arg(path).status().unwrap();
    assert!(status.success(), "{args:?}");
    std::fs::read(path).unwrap()
}

async fn clips_of_other_containers(feeds: Feeds) {
    let dir = tempfile::tempdir().unwrap();
    let service = TestService::start(&configured(dir.path(), feeds)).await;
    let loud = dir.path().join("loud.mp4");
    Clip { width: 320, height: 180, ..Clip::new(ART, 30, 400) }.write(&loud);
    let loud = loud.to_str().unwrap();
    for (name, media_type, output) in [
        ("a.ts", "video/mp2t", &["-c", "copy"][..]),
        ("a.webm", "video/webm", &["-c:v", "libvpx-vp9", "-deadline", "realtime", "-c:a", "libopus"]),
    ] {
        let file = made_by_ffmpeg(&dir.path().join(name), &[&["-i", loud], output].concat());
        let (status, asset) = send(&service, OPERATOR, file, media_type).await;
        assert_eq!(status, StatusCode::CREATED, "{name}: {asset}");
        assert_eq!((&asset["pictures"], &asset["has_sound"]), (&json!(30), &json!(true)), "{name}: {asset}");
        let seconds = asset["duration_s"].as_f64().unwrap();
        assert!((0.98..1.04).contains(&seconds), "{name}: {seconds} s");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clips_of_other_containers_are_taken_with_their_sound_left_out() {
    clips_of_other_containers(Feeds::Apart).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clips_of_other_containers_are_taken_inside() {
    clips_of_other_containers(Feeds::Inside).await;
}

/// An MP4 file whose tables are right, and whose pictures are nothing.
fn hollow(mut file: Vec<u8>) -> Vec<u8> {
    let box_of = |kind: &[u8]| file.windows(4).position(|window| window == kind).unwrap() + 4;
    let (from, to) = (box_of(b"mdat"), box_of(b"moov") - 8);
    file[from..to].fill(0);
    file
}

/// Lengths that an MP4 file says of itself, as long as they can be: those of these boxes, of which each has its own so far behind its kind.
fn endless(mut file: Vec<u8>, boxes: &[(&[u8; 4], usize)]) -> Vec<u8> {
    for (kind, behind) in boxes {
        let at = file.windows(4).position(|window| window == *kind).unwrap() + 4;
        assert_eq!(file[at], 0, "a version that is not known here");
        file[at + behind..at + behind + 4].fill(0x7f);
    }
    file
}

/// Where the duration is in version 0 of each (ISO/IEC 14496-12, 8.2.2, 8.3.2, 8.4.2).
const MOVIE: (&[u8; 4], usize) = (b"mvhd", 16);
const TRACK: (&[u8; 4], usize) = (b"tkhd", 20);
const MEDIA: (&[u8; 4], usize) = (b"mdhd", 16);

async fn clips_that_are_none_are_refused(feeds: Feeds) {
    let dir = tempfile::tempdir().unwrap();
    let service = TestService::start(&configured(dir.path(), feeds)).await;
    let sound = dir.path().join("banner.mp4");
    banner().write(&sound);
    let sound = std::fs::read(sound).unwrap();
    let source = |of: &str, output: &[&str], name: &str| {
        made_by_ffmpeg(&dir.path().join(name), &[&["-f", "lavfi", "-i", of], output].concat())
    };
    let x264 = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"];
    let long = source("color=gray:s=64x64:r=5:d=31", &x264, "long.mp4");
    let fast = source("color=gray:s=64x64:r=120:d=2", &x264, "fast.mp4");
    let one = source("color=gray:s=64x64:r=5:d=0.2", &x264, "one.mp4");
    let heard = source("sine=400:d=2", &["-c:a", "aac"], "heard.mp4");
    let stills = source("color=gray:s=64x64:r=5:d=2", &["-c:v", "mjpeg"], "stills.mp4");
    // Decoded as fast as that goes it is more than a process may say.
    let long_heard = source("anullsrc", &["-c:a", "aac", "-t", "900"], "long_heard.mp4");
    let (mp4, ts) = ("video/mp4", "video/mp2t");
    let large = "the pictures are 16384x16384, and 4096x2160 is decoded at most";
    let few = "fewer than two pictures of it can be decoded; MP4, WebM and MPEG-TS with H.264";
    let cases: [(&str, Vec<u8>, &str, u16, &str); 15] = [
        ("pictures of 16384x16384", hostile_streams::h264_of(16_384, 16_384), ts, 422, large),
        ("31 s", long, mp4, 422, "too long: 30 s"),
        ("120 pictures a second", fast, mp4, 422, "more than 60 pictures a second"),
        ("one picture", one, mp4, 422, few),
        ("sound alone", heard, mp4, 422, few),
        ("much of it", long_heard, mp4, 422, few),
        ("tables of nothing", hollow(sound.clone()), mp4, 422, "cannot be decoded"),
        (
            "a film of weeks with pictures for two seconds",
            endless(sound.clone(), &[MOVIE]),
            mp4,
            422,
            "cannot be decoded",
        ),
        ("still images", stills, mp4, 422, "cannot be decoded"),
        ("cut off in front of its index", sound[..sound.len() / 2].to_vec(), mp4, 422, "is cut off"),
        ("nothing but its head", sound[..32].to_vec(), mp4, 422, "cannot be decoded"),
        ("a kind that is not taken", b"\x1a\x45\xdf\xa3matroska".to_vec(), "video/webm", 422, "no PNG, JPEG"),
        ("another than it was sent as", sound.clone(), ts, 422, "is video/mp4, and was sent as"),
        ("a type that is not taken", sound.clone(), "video/quicktime", 415, "video/mp2t"),
        ("too many bytes", [sound.clone(), vec![0; 10_000_000]].concat(), mp4, 413, "at most 10000000 bytes"),
    ];
    for (what, bytes, media_type, status, why) in cases {
        let (got, told) = send(&service, OPERATOR, bytes, media_type).await;
        let detail = told["detail"].as_str().unwrap_or_default();
        assert!(got.as_u16() == status && detail.contains(why), "{what}: {told}");
    }
    // What a file says of its pictures' length is not believed: they are counted.
    let (status, asset) = send(&service, OPERATOR, endless(sound.clone(), &[TRACK, MEDIA]), "video/mp4").await;
    assert_eq!((status, &asset["duration_s"]), (StatusCode::CREATED, &json!(2.0)), "{asset}");
    assert_eq!(
        service.operator(Method::GET, "/v1/operator/assets", None, StatusCode::OK).await.as_array().unwrap().len(),
        1
    );
    let kept = std::fs::read_dir(dir.path().join("data/assets/acme")).unwrap();
    assert_eq!(kept.count(), 2, "the one that was taken, and what it is");
    assert_eq!(took_apart_here(), feeds == Feeds::Inside);
}

#[tokio::test(flavor = "multi_thread")]
async fn clips_that_are_none_are_refused_with_the_reason_and_nothing_of_them_stays() {
    clips_that_are_none_are_refused(Feeds::Apart).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clips_that_are_none_are_refused_inside() {
    clips_that_are_none_are_refused(Feeds::Inside).await;
}
