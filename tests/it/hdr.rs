//! HDR sources the whole way: the same light comes out of them as of a standard picture.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use quadrille::layout::Layouts;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::decode::{Decode, decode};
use crate::support::service::{SMALL_OUTPUT, TestService, config};

/// An orange of 81, 41 and 10 cd/m2 of BT.709's red, green and blue, which no tone mapping changes, as PQ and HLG of BT.2020 have it in ten bits,
/// and as BT.709 in eight.
pub const PQ: [u16; 3] = [441, 463, 533];
pub const HLG: [u16; 3] = [482, 410, 563];
pub const STANDARD: [u8; 3] = [132, 98, 149];

/// Two seconds of one colour, 320x180.
pub fn clip(folder: &Path, name: &str, codes: [u16; 3], more: &str) -> String {
    let path = folder.join(name);
    let mut command = Command::new("ffmpeg");
    command.args([
        "-v",
        "error",
        "-y",
        "-f",
        "rawvideo",
        "-pix_fmt",
        "yuv420p10le",
        "-s",
        "320x180",
        "-r",
        "30",
        "-i",
        "-",
    ]);
    command.args("-c:v libx265 -preset ultrafast -x265-params log-level=none:lossless=1".split_whitespace());
    command.args(more.split_whitespace()).arg(&path).stdin(Stdio::piped());
    let mut child = command.spawn().expect("ffmpeg is installed");
    let mut input = child.stdin.take().unwrap();
    let samples = [320 * 180, 160 * 90, 160 * 90].into_iter().zip(codes);
    let picture: Vec<u8> = samples.flat_map(|(count, code)| code.to_le_bytes().repeat(count)).collect();
    for _ in 0..60 {
        input.write_all(&picture).unwrap();
    }
    drop(input);
    assert!(child.wait().unwrap().success(), "{name}");
    format!("file://{}", path.display())
}

#[tokio::test(flavor = "multi_thread")]
async fn hdr_games_show_the_light_that_they_were_made_with_and_say_what_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let bt2020 = "-pix_fmt yuv420p10le -colorspace bt2020nc -color_primaries bt2020";
    let games = [
        ("pq", clip(dir.path(), "pq.mp4", PQ, &format!("{bt2020} -color_trc smpte2084"))),
        ("hlg", clip(dir.path(), "hlg.ts", HLG, &format!("{bt2020} -color_trc arib-std-b67"))),
    ];
    let service = TestService::start(&config(&dir.path().join("data"), &games, SMALL_OUTPUT)).await;
    let body = json!({"games": ["pq", "hlg"], "layout": "2EH"});
    let session = service.device(Method::POST, "/v1/sessions", Some(body), StatusCode::CREATED).await;
    service.crank_segments(4).await;
    for (game, hdr) in [("pq", "pq"), ("hlg", "hlg")] {
        let told = service.operator(Method::GET, &format!("/v1/operator/games/{game}"), None, StatusCode::OK).await;
        let video = &told["health"]["video"];
        assert_eq!(
            (&video["hdr"], &video["bits"], &video["codec"]),
            (&json!(hdr), &json!(10), &json!("hevc")),
            "{told}"
        );
        assert_eq!(
            (&video["colour"], &video["hdr_peak_cd_m2"]),
            (&json!(format!("bt2020 {hdr}")), &json!(1000)),
            "{told}"
        );
    }

    let url = session["playback_url"].as_str().unwrap();
    let path = url[url.find("/v1/play").unwrap()..].to_owned();
    for playlist in ["video/big.m3u8".to_owned(), format!("audio/{}.m3u8", session["audio"].as_str().unwrap())] {
        service.text(&path.replace("index.m3u8", &playlist)).await;
    }
    let ended = format!("/v1/sessions/{}", session["id"].as_str().unwrap());
    service.device(Method::DELETE, &ended, None, StatusCode::NO_CONTENT).await;
    service.crank_segments(1).await;
    let input = format!("{}{path}", service.base);
    let middles = [0, 1].map(|slot| {
        let rect = Layouts::bundled().get("2EH").unwrap().picture_on(slot, 960, 540);
        ((rect.x + rect.width / 2) as usize, (rect.y + rect.height / 2) as usize)
    });
    let seen = tokio::task::spawn_blocking(move || {
        let mut seen = Vec::new();
        decode(&Decode::new(&input, 60.0), |_, frame| {
            seen.push(middles.map(|(x, y)| {
                let half = y / 2 * (frame.width / 2) + x / 2;
                [frame.planes[0][y * frame.width + x], frame.planes[1][half], frame.planes[2][half]]
            }));
        });
        seen
    });
    let seen = seen.await.unwrap();
    let [pq, hlg] = *seen.last().expect("pictures");
    for (what, got) in [("pq", pq), ("hlg", hlg)] {
        assert!((0..3).all(|plane| got[plane].abs_diff(STANDARD[plane]) <= 3), "{what}: {got:?}, not {STANDARD:?}");
    }
}
