//! A rendition in HEVC the whole way: what playlists say of it, what independent programs make of its boxes, and that it shows what the one in
//! H.264 shows.

use std::path::Path;
use std::process::Command;

use quadrille::lint::{ExitStatus, LintOptions, run as run_lint};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use quadrille::layout::Layouts;

use crate::hdr::{HLG, PQ, STANDARD, clip};
use crate::support::barcode::Clip;
use crate::support::decode::{Decode, decode};
use crate::support::service::{TestService, config};

const OUTPUT: &str = "[output]\nfps = \"30\"\nsegment_frames = 30\nwindow_s = 20\nlookahead_frames = 0\npreset = \"superfast\"\n\
    [[output.renditions]]\nname = \"half\"\nwidth = 640\nheight = 360\nbitrate = 900_000\ncodec = \"hevc\"\n\
    [[output.renditions]]\nname = \"big\"\nwidth = 640\nheight = 360\nbitrate = 2_000_000\n\
    [[output.renditions]]\nname = \"small\"\nwidth = 320\nheight = 180\nbitrate = 500_000\ncodec = \"h264\"\n";

async fn start(dir: &Path) -> TestService {
    let source = |n: u8| {
        let path = dir.join(format!("{n}.mp4"));
        if !path.exists() {
            Clip { width: 640, height: 360, ..Clip::new(n, 300, 400 + 200 * u32::from(n)) }.write(&path);
        }
        format!("file://{}", path.display())
    };
    let games = [("g0", source(0)), ("g1", source(1)), ("g2", source(2))];
    TestService::start(&config(&dir.join("data"), &games, OUTPUT)).await
}

async fn create(service: &TestService, body: Value) -> Value {
    service.device(Method::POST, "/v1/sessions", Some(body), StatusCode::CREATED).await
}

async fn change(service: &TestService, session: &Value, body: Value) -> Value {
    let path = format!("/v1/sessions/{}", session["id"].as_str().unwrap());
    service.device(Method::PATCH, &path, Some(body), StatusCode::OK).await
}

/// Ends a session, so that its playlists say where they end.
async fn end(service: &TestService, session: &Value) {
    let path = format!("/v1/sessions/{}", session["id"].as_str().unwrap());
    service.device(Method::DELETE, &path, None, StatusCode::NO_CONTENT).await;
    service.crank_segments(1).await;
}

fn path(session: &Value, name: &str) -> String {
    let url = session["playback_url"].as_str().unwrap();
    url[url.find("/v1/play").unwrap()..].replace("index.m3u8", name)
}

/// The lines that say of variants what they are.
fn variants(index: &str) -> Vec<&str> {
    index.lines().filter(|line| line.starts_with("#EXT-X-STREAM-INF")).collect()
}

fn segments(playlist: &str) -> Vec<&str> {
    playlist.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
}

fn map(playlist: &str) -> &str {
    let line = playlist.lines().find(|line| line.starts_with("#EXT-X-MAP")).unwrap();
    line.split('"').nth(1).unwrap()
}

/// What `command` writes to its standard output.
fn run(command: &str, args: &[&str]) -> Vec<u8> {
    let output = Command::new(command).args(args).output().unwrap();
    assert!(output.status.success(), "{command} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// The box of kind `kind` of a file, wherever it is.
fn found<'a>(file: &'a [u8], kind: &[u8; 4]) -> &'a [u8] {
    let at = file.windows(4).position(|window| window == kind).unwrap();
    let size = u32::from_be_bytes(file[at - 4..at].try_into().unwrap()) as usize;
    &file[at..at - 4 + size]
}

/// What an `hvcC` says (ISO/IEC 14496-15, 8.3.2.1): what comes before its arrays, and the parameter sets in these, each behind its array's first byte. FFmpeg takes the
/// zero byte that may stand before a start code for a parameter set's own.
fn configuration(hvcc: &[u8]) -> (String, Vec<String>) {
    let (head, mut rest) = hvcc.split_at(4 + 22);
    let mut sets = Vec::new();
    let (&arrays, arrays_of) = rest.split_first().unwrap();
    rest = arrays_of;
    for _ in 0..arrays {
        let (kind, count) = (rest[0], u16::from_be_bytes([rest[1], rest[2]]));
        rest = &rest[3..];
        for _ in 0..count {
            let (set, after) = rest[2..].split_at(u16::from_be_bytes([rest[0], rest[1]]).into());
            let length = set.len() - set.iter().rev().take_while(|byte| **byte == 0).count();
            sets.push(format!("{kind:02x} {}", hex::encode(&set[..length])));
            rest = after;
        }
    }
    assert!(rest.is_empty() && sets.len() >= 3);
    (hex::encode(head), sets)
}

/// The pictures of a media playlist, and when they show.
async fn pictures(service: &TestService, path: String) -> (Vec<Vec<u8>>, Vec<f64>) {
    let url = format!("{}{path}", service.base);
    let decoded = tokio::task::spawn_blocking(move || {
        let mut pictures = Vec::new();
        let what = Decode { audio: None, ..Decode::new(&url, 60.0) };
        let decoded = decode(&what, |_, frame| pictures.push(frame.planes[0].to_vec()));
        assert_eq!(decoded.complaints, "");
        (pictures, decoded.times_s)
    });
    decoded.await.unwrap()
}

/// What `quadrille lint` finds wrong with a stream.
async fn faults(url: String) -> String {
    let check = move || {
        let mut out = Vec::new();
        let status = run_lint(&LintOptions { url, ..LintOptions::default() }, &mut out).unwrap();
        if status == ExitStatus::Clean { String::new() } else { String::from_utf8(out).unwrap() }
    };
    tokio::task::spawn_blocking(check).await.unwrap()
}

fn psnr_db(a: &[u8], b: &[u8]) -> f64 {
    let off: u64 = a.iter().zip(b).map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2)).sum();
    10.0 * (255.0 * 255.0 * a.len() as f64 / off.max(1) as f64).log10()
}

#[tokio::test(flavor = "multi_thread")]
async fn hevc_shows_what_h264_shows_through_swaps() {
    let dir = tempfile::tempdir().unwrap();
    let service = start(dir.path()).await;
    let session = create(&service, json!({"games": ["g0", "g1"], "layout": "2EH", "engine": "render"})).await;
    let lists = ["video/half.m3u8", "video/big.m3u8", "video/small.m3u8", "sound/main.m3u8", "keys/half.m3u8"];
    let poll = async || {
        let mut texts = Vec::new();
        for list in lists {
            texts.push(service.text(&path(&session, list)).await);
        }
        texts
    };
    service.crank_segments(4).await;
    poll().await;
    change(&service, &session, json!({"games": ["g2", "g1"]})).await;
    service.crank_segments(4).await;

    // Those that everything plays come first, and the scores say which of one size is the better one.
    let index = service.text(&path(&session, "index.m3u8")).await;
    let told: Vec<(bool, bool)> =
        variants(&index).iter().map(|v| (v.contains("\"hvc1.1.6.L"), v.contains("640x360"))).collect();
    assert_eq!(told, [(false, true), (false, false), (true, true)], "{index}");
    let scores: Vec<&str> = variants(&index).iter().map(|v| &v.split("SCORE=").nth(1).unwrap()[..1]).collect();
    assert_eq!(scores, ["3", "1", "2"], "1.2 Mb/s' worth of HEVC is less than 2: {index}");

    let listed = poll().await;
    for text in &listed {
        assert!(!text.contains("DISCONTINUITY") && !text.contains("EXT-X-GAP"), "{text}");
    }
    assert_eq!(segments(&listed[0]).len(), segments(&listed[1]).len());
    // A picture alone that opens a segment decodes.
    let key = [service.bytes(map(&listed[4])).await, service.bytes(segments(&listed[4])[1]).await].concat();
    let file = dir.path().join("key.mp4");
    std::fs::write(&file, key).unwrap();
    let frames = run(
        "ffmpeg",
        &[
            "-v",
            "error",
            "-i",
            file.to_str().unwrap(),
            "-fps_mode",
            "passthrough",
            "-pix_fmt",
            "yuv420p",
            "-f",
            "rawvideo",
            "-",
        ],
    );
    assert_eq!(frames.len(), 640 * 360 * 3 / 2);

    end(&service, &session).await;
    assert_eq!(faults(format!("{}{}", service.base, path(&session, "index.m3u8"))).await, "");
    let (hevc, hevc_times) = pictures(&service, path(&session, "video/half.m3u8")).await;
    let (h264, h264_times) = pictures(&service, path(&session, "video/big.m3u8")).await;
    assert!(hevc.len() >= 8 * 30 && hevc.len() == h264.len(), "{} and {}", hevc.len(), h264.len());
    assert_eq!(hevc_times, h264_times);
    let worst = hevc.iter().zip(&h264).map(|(a, b)| psnr_db(a, b)).fold(f64::INFINITY, f64::min);
    assert!(worst > 28.0, "{worst:.1} dB at worst");
    // And not because nothing moves.
    assert!(hevc.windows(2).filter(|pair| psnr_db(&pair[0], &pair[1]) < 45.0).count() > 100);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn boxes_say_of_hevc_what_others_say_and_stay_over_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let service = start(dir.path()).await;
    let session = create(&service, json!({"games": ["g0", "g1"], "layout": "2EH", "engine": "render"})).await;
    service.crank_segments(3).await;
    let index = service.text(&path(&session, "index.m3u8")).await;
    let list = service.text(&path(&session, "video/half.m3u8")).await;
    let init = service.bytes(map(&list)).await;
    let segment = service.bytes(segments(&list).last().unwrap()).await;

    let file = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let own = file("own.mp4");
    std::fs::write(&own, [init.clone(), segment].concat()).unwrap();
    let probe = ["-v", "error", "-select_streams", "v", "-show_streams", "-of", "json", &own];
    let told: Value = serde_json::from_slice(&run("ffprobe", &probe)).unwrap();
    let stream = &told["streams"][0];
    let of = |key: &str| stream[key].as_str().unwrap_or_default().to_owned();
    assert_eq!([of("codec_name"), of("profile"), of("codec_tag_string")], ["hevc", "Main", "hvc1"], "{told}");
    assert_eq!(
        [of("color_primaries"), of("color_transfer"), of("color_space"), of("color_range")],
        ["bt709", "bt709", "bt709", "tv"]
    );
    assert_eq!((stream["width"].as_u64(), stream["height"].as_u64()), (Some(640), Some(360)));
    let level = stream["level"].as_u64().unwrap();
    assert!(index.contains(&format!("\"hvc1.1.6.L{level}.90")), "level {level} of {index}");

    // FFmpeg's muxer makes the same configuration of the stream alone.
    run(
        "ffmpeg",
        &["-v", "error", "-i", &own, "-c", "copy", "-bsf:v", "hevc_mp4toannexb", "-f", "hevc", &file("own.hevc")],
    );
    run("ffmpeg", &["-v", "error", "-i", &file("own.hevc"), "-c", "copy", "-tag:v", "hvc1", &file("its.mp4")]);
    let its = std::fs::read(file("its.mp4")).unwrap();
    assert_eq!(configuration(found(&init, b"hvcC")), configuration(found(&its, b"hvcC")));

    let address = map(&list).to_owned();
    service.stop().await;
    let service = start(dir.path()).await;
    assert_eq!(service.bytes(&address).await, init);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_mosaic_of_tiles_is_in_hevc_and_a_session_that_goes_over_to_one_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let service = start(dir.path()).await;
    let stitched = create(&service, json!({"games": ["g0", "g1"], "layout": "2EH"})).await;
    assert_eq!(stitched["engine"], "stitch");
    let session = create(&service, json!({"games": ["g0", "g2"], "layout": "2EH", "engine": "render"})).await;
    service.crank_segments(4).await;
    let index = service.text(&path(&stitched, "index.m3u8")).await;
    assert!(!index.contains("hvc1") && !index.contains("SCORE"), "{index}");
    let before = service.text(&path(&session, "video/half.m3u8")).await;
    assert!(!before.contains("EXT-X-GAP"), "{before}");

    let changed = change(&service, &session, json!({"engine": "auto"})).await;
    assert_eq!(changed["engine"], "stitch");
    service.crank_segments(4).await;
    let index = service.text(&path(&session, "index.m3u8")).await;
    assert!(!index.contains("hvc1"), "{index}");
    // A player that is on it is told to go elsewhere, and the others see nothing of it.
    let half = service.text(&path(&session, "video/half.m3u8")).await;
    let big = service.text(&path(&session, "video/big.m3u8")).await;
    assert_eq!(segments(&half).len(), segments(&big).len());
    let gaps = half.matches("#EXT-X-GAP").count();
    assert!((1..segments(&half).len()).contains(&gaps), "{half}");
    let last = half.trim_end().rsplit("#EXT-X-GAP").next().unwrap();
    assert_eq!(segments(last).len(), 1, "the newest is a gap: {half}");
    assert!(!big.contains("#EXT-X-GAP"), "{big}");
    service.stop().await;
}

/// In H.264 the newcomer plays its segment from the beginning; in HEVC the one before plays its own to the end. Nobody loses a picture.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_within_a_segment_shows_with_the_next_one() {
    let dir = tempfile::tempdir().unwrap();
    let service = start(dir.path()).await;
    let games = |first: &str| json!({"games": [first, "g1"], "layout": "2EH", "engine": "render"});
    let session = create(&service, games("g0")).await;
    create(&service, games("g2")).await;
    let closely = |name: &str| format!("{}?low_latency=true", path(&session, name));
    service.crank_segments(4).await;
    let listed = service.crank_to_first_part(&closely("video/half.m3u8")).await;
    let running = listed.lines().filter(|line| !line.starts_with('#')).count();
    let changed = change(&service, &session, json!({"games": ["g2", "g1"]})).await;
    let effective = changed["effective_segment"].as_u64().unwrap();
    service.crank_segments(3).await;
    for name in ["video/half.m3u8", "video/big.m3u8"] {
        let text = service.text(&closely(name)).await;
        assert!(text.contains(&format!("/{effective}.m4s")) && segments(&text).len() > running, "{text}");
        for part in text.lines().filter(|line| line.starts_with("#EXT-X-PART:")) {
            assert!(!service.bytes(part.split('"').nth(1).unwrap()).await.is_empty(), "{part}");
        }
    }
    service.text(&path(&session, "sound/main.m3u8")).await;
    end(&service, &session).await;
    let (hevc, hevc_times) = pictures(&service, path(&session, "video/half.m3u8")).await;
    let (h264, h264_times) = pictures(&service, path(&session, "video/big.m3u8")).await;
    assert_eq!((hevc.len(), &hevc_times), (h264.len(), &h264_times));
    // They differ in one segment, and not in its beginning.
    let differs: Vec<usize> =
        (0..hevc.len()).filter(|n| psnr_db(&hevc[*n], &h264[*n]) < 25.0).map(|n| n / 30).collect();
    assert!(!differs.is_empty() && differs.iter().all(|segment| *segment == differs[0]), "{differs:?}");
    assert!(differs.len() < 28, "{differs:?}");
    service.stop().await;
}

const IN_HDR: &str = "[output]\nfps = \"30\"\nsegment_frames = 30\nwindow_s = 20\nlookahead_frames = 0\npreset = \"superfast\"\n\
    [[output.renditions]]\nname = \"big\"\nwidth = 960\nheight = 540\nbitrate = 2_000_000\n\
    [[output.renditions]]\nname = \"light\"\nwidth = 640\nheight = 360\nbitrate = 2_000_000\ncodec = \"hevc\"\nrange = \"pq\"\n\
    [[output.renditions]]\nname = \"scene\"\nwidth = 640\nheight = 360\nbitrate = 2_000_000\ncodec = \"hevc\"\nrange = \"hlg\"\n\
    [[markets]]\ntenant = \"acme\"\nid = \"free\"\ntitle = \"Free\"\nfeatures = [\"low_latency\"]\n";

/// Games in PQ, HLG and standard colours that show one colour, and do so in HDR.
#[tokio::test(flavor = "multi_thread")]
async fn a_rendition_in_hdr_shows_the_light_of_all_games_to_those_who_may_have_it() {
    let dir = tempfile::tempdir().unwrap();
    let bt2020 = "-pix_fmt yuv420p10le -colorspace bt2020nc -color_primaries bt2020";
    let standard = STANDARD.map(|code| 4 * u16::from(code));
    let bt709 = "-pix_fmt yuv420p10le -colorspace bt709 -color_primaries bt709 -color_trc bt709";
    let games = [
        ("pq", clip(dir.path(), "pq.mp4", PQ, &format!("{bt2020} -color_trc smpte2084"))),
        ("hlg", clip(dir.path(), "hlg.ts", HLG, &format!("{bt2020} -color_trc arib-std-b67"))),
        ("sdr", clip(dir.path(), "sdr.mp4", standard, bt709)),
    ];
    let service = TestService::start(&config(&dir.path().join("data"), &games, IN_HDR)).await;
    let wish = |market: Option<&str>| json!({"games": ["pq", "hlg", "sdr"], "layout": "3EL", "engine": "render", "market": market});
    let session = create(&service, wish(None)).await;
    let free = create(&service, wish(Some("free"))).await;
    assert_eq!(session["features"], json!(["low_latency", "dolby", "hdr"]));
    service.crank_segments(5).await;

    let index = service.text(&path(&session, "index.m3u8")).await;
    for range in ["PQ", "HLG"] {
        let range = format!("VIDEO-RANGE={range},");
        let light = variants(&index).into_iter().find(|v| v.contains(&range)).unwrap();
        assert!(light.contains("CODECS=\"hvc1.2.4.L") && light.contains("640x360"), "{light}");
    }
    assert_eq!(variants(&index).iter().filter(|v| v.contains("VIDEO-RANGE=SDR")).count(), 1, "{index}");
    let without = service.text(&path(&free, "index.m3u8")).await;
    assert!(!without.contains("hvc1") && variants(&without).len() == 1, "{without}");
    for name in ["light", "scene"] {
        let refused = service.send(Method::GET, &path(&free, &format!("video/{name}.m3u8")), "", None).await;
        assert_eq!(refused.status(), StatusCode::NOT_FOUND);
    }
    for (name, transfer, wanted) in [("light", "smpte2084", PQ), ("scene", "arib-std-b67", HLG)] {
        let list = service.text(&path(&session, &format!("video/{name}.m3u8"))).await;
        let segment = service.bytes(segments(&list).last().unwrap()).await;
        // The message of alternative transfer characteristics (ITU-T H.265, D.2.38): HLG.
        let has_message = segment.windows(5).any(|bytes| bytes == [0x4e, 0x01, 147, 1, 18]);
        assert_eq!(has_message, name == "scene", "{name}");
        let file = dir.path().join(format!("{name}.mp4")).to_str().unwrap().to_owned();
        std::fs::write(&file, [service.bytes(map(&list)).await, segment].concat()).unwrap();
        is_in_hdr(&file, transfer, wanted);
    }
    service.stop().await;
}

/// Whether a segment is of HDR, and its last picture shows that in each of the three slots.
fn is_in_hdr(file: &str, transfer: &str, wanted: [u16; 3]) {
    let probe = ["-v", "error", "-select_streams", "v", "-show_streams", "-of", "json", file];
    let told: Value = serde_json::from_slice(&run("ffprobe", &probe)).unwrap();
    let of = |key: &str| told["streams"][0][key].as_str().unwrap_or_default().to_owned();
    assert_eq!([of("profile"), of("pix_fmt"), of("codec_tag_string")], ["Main 10", "yuv420p10le", "hvc1"], "{told}");
    assert_eq!([of("color_primaries"), of("color_transfer"), of("color_space")], ["bt2020", transfer, "bt2020nc"]);

    let (width, height) = (640, 360);
    let bytes = run(
        "ffmpeg",
        &["-v", "error", "-i", file, "-fps_mode", "passthrough", "-pix_fmt", "yuv420p10le", "-f", "rawvideo", "-"],
    );
    let samples: Vec<u16> = bytes.chunks_exact(2).map(|sample| u16::from_le_bytes([sample[0], sample[1]])).collect();
    let picture = width * height * 3 / 2;
    assert_eq!(samples.len(), 30 * picture);
    let last = &samples[29 * picture..];
    let layout = Layouts::bundled().get("3EL").unwrap();
    for (slot, game) in ["pq", "hlg", "sdr"].into_iter().enumerate() {
        let rect = layout.picture_on(slot, width as u32, height as u32);
        let (x, y) = ((rect.x + rect.width / 2) as usize, (rect.y + rect.height / 2) as usize);
        let half = y / 2 * (width / 2) + x / 2;
        let got = [last[y * width + x], last[width * height + half], last[width * height * 5 / 4 + half]];
        let near = (0..3).all(|plane| got[plane].abs_diff(wanted[plane]) <= 8);
        assert!(near, "{game} in {transfer}: {got:?}, not {wanted:?}");
    }
}
