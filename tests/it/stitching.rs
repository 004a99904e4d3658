//! Stitched mosaics: their bytes against their tiles' (two decoders), and what a viewer of the whole service gets.

use quadrille::encode::Decoder;
use quadrille::ladder::{RenditionSpec, Rung, VideoCodec};
use quadrille::layout::Layouts;
use quadrille::mosaic::{Proof, open_ladder, prove};
use quadrille::timeline::Grid;

use crate::support::hostile::Content;

const DECODERS: [Decoder; 2] = [Decoder::Ffmpeg, Decoder::OpenH264];

/// Layouts that can be stitched.
const STITCHED: [&str; 7] = ["1", "2EH", "2PL", "3EL", "3PL", "4E", "4PL"];

const LOOKAHEAD_FRAMES: u32 = 10;

/// What is at both ends of the presets on offer for tiles, and between.
const PRESETS: [&str; 4] = ["veryfast", "ultrafast", "medium", "faster"];

/// From so starved that the encoder throws away what it may, to more than it can use.
const RATES_PERCENT: [u32; 4] = [4, 25, 100, 400];

fn grid(segment_frames: u32) -> Grid {
    Grid::new("30".parse().unwrap(), segment_frames)
}

fn rungs(grid: Grid) -> Vec<Rung> {
    let rung = |name: &str, width, height, bitrate_bps| RenditionSpec {
        name: name.into(),
        width,
        height,
        bitrate_bps,
        codec: VideoCodec::H264,
    };
    let renditions = [
        rung("1080p", 1920, 1080, 6_000_000),
        rung("720p", 1280, 720, 3_500_000),
        rung("540p", 960, 540, 1_600_000),
        rung("360p", 640, 360, 800_000),
    ];
    open_ladder(grid, &renditions, "veryfast", LOOKAHEAD_FRAMES, Some(&Layouts::bundled())).unwrap()
}

/// Each slot shows another content at another rate; `turn` turns which. Gives how many slices were merged.
fn prove_layout(rung: &Rung, layout: &str, grid: Grid, segments: u64, turn: usize) -> usize {
    let layouts = Layouts::bundled();
    let layout = layouts.get(layout).unwrap();
    let proof = Proof {
        layout: &layout,
        grid,
        segments,
        preset: PRESETS[turn % PRESETS.len()],
        rate_percent: &|slot| RATES_PERCENT[(slot + turn) % RATES_PERCENT.len()],
        decoders: &DECODERS,
        draw: &|picture| Some(Content::ALL[(picture.tile + turn) % Content::ALL.len()].draw(picture)),
    };
    prove(rung, &proof)
        .unwrap_or_else(|e| panic!("{} {}, turn {turn}, {}: {e}", rung.spec.name, layout.id, proof.preset))
}

#[test]
fn every_layout_of_every_rendition_decodes_to_its_tiles_pixels() {
    let grid = grid(10);
    let mut merged = 0;
    for (r, rung) in rungs(grid).iter().enumerate() {
        for (l, layout) in STITCHED.iter().enumerate() {
            merged += prove_layout(rung, layout, grid, 1, r + 3 * l);
        }
    }
    assert!(merged > 1000, "{merged} slices were merged: fillers alone are more");
}

#[test]
fn every_content_at_every_rate_decodes_to_its_tiles_pixels() {
    let grid = grid(15);
    let rungs = rungs(grid);
    // Tiles from edge to edge: what is merged is theirs, within one and across.
    let merged: usize = (0..Content::ALL.len()).map(|turn| prove_layout(&rungs[2], "4E", grid, 2, turn)).sum();
    assert!(merged > 100, "{merged} slices were merged");
}

/// More than 50,000 frames of tiles.
#[test]
#[ignore = "takes many minutes: part of `make test-long`"]
fn hours_of_play_decode_to_their_tiles_pixels() {
    let grid = grid(60);
    let rungs = rungs(grid);
    for turn in 0..20 {
        for layout in STITCHED {
            prove_layout(&rungs[2], layout, grid, 2, turn);
            prove_layout(&rungs[3], layout, grid, 3, turn + 1);
        }
    }
    for turn in 0..4 {
        for layout in STITCHED {
            prove_layout(&rungs[0], layout, grid, 1, turn);
            prove_layout(&rungs[1], layout, grid, 1, turn + 1);
        }
    }
}

mod service {
    use std::path::Path;

    use quadrille::compositor::fit;
    use quadrille::frame::{CodedSize, MACROBLOCK, Rect};
    use quadrille::layout::Layouts;
    use reqwest::{Method, StatusCode};
    use serde_json::{Value, json};

    use crate::support::barcode::{Clip, moving};
    use crate::support::decode::{Decode, Decoded, Frame, decode};
    use crate::support::service::{SMALL_OUTPUT, TestService, config};

    const STITCH: &str = "[stitch]\nkeep_warm = false\n";
    const STITCH_WARM: &str = "[stitch]\nkeep_warm = true\n";

    /// Service with games `g0` to `g4`, whose pictures carry their clip's and their own number.
    async fn start(dir: &Path, stitch: &str) -> TestService {
        let mut service = start_with(dir, &format!("{SMALL_OUTPUT}{stitch}")).await;
        if stitch == STITCH_WARM {
            service.step_frames = 1;
        }
        service
    }

    async fn start_with(dir: &Path, output: &str) -> TestService {
        let games: Vec<(String, String)> = (0..5u8)
            .map(|n| {
                let path = dir.join(format!("{n}.mp4"));
                Clip { width: 640, height: 360, ..Clip::new(n, 300, 400 + 200 * u32::from(n)) }.write(&path);
                (format!("g{n}"), format!("file://{}", path.display()))
            })
            .collect();
        let games: Vec<(&str, String)> = games.iter().map(|(id, source)| (id.as_str(), source.clone())).collect();
        TestService::start(&config(&dir.join("data"), &games, output)).await
    }

    async fn create(service: &TestService, body: Value) -> Value {
        service.device(Method::POST, "/v1/sessions", Some(body), StatusCode::CREATED).await
    }

    async fn change(service: &TestService, session: &Value, body: Value) -> Value {
        let path = format!("/v1/sessions/{}", session["id"].as_str().unwrap());
        service.device(Method::PATCH, &path, Some(body), StatusCode::OK).await
    }

    fn playlist_path(session: &Value, playlist: &str) -> String {
        let url = session["playback_url"].as_str().unwrap();
        url[url.find("/v1/play").unwrap()..].replace("index.m3u8", playlist)
    }

    fn numbers(playlist: &str) -> Vec<u64> {
        let number = |line: &str| line.split_once(".m4s")?.0.rsplit('/').next()?.parse().ok();
        playlist.lines().filter_map(number).collect()
    }

    /// Where the pictures of a layout's slots are on the larger canvas: rendered, or on their tiles.
    fn pictures(layout: &str, stitched: bool) -> Vec<Rect> {
        let layout = Layouts::bundled().get(layout).unwrap();
        let canvases = [CodedSize::of(960, 540), CodedSize::of(480, 270)];
        let tiles = layout.tiles_on(&canvases).filter(|_| stitched && !layout.is_whole());
        let picture = |slot: usize| {
            let Some(tiles) = &tiles else {
                return fit(640, 360, (1, 1), layout.picture_on(slot, 960, 540));
            };
            let tile = tiles[0][slot];
            let Rect { x, y, width, height } = tile.size.inside;
            let (x, y) = (tile.x_mb * MACROBLOCK + x, tile.y_mb * MACROBLOCK + y);
            fit(640, 360, (1, 1), Rect { x, y, width, height })
        };
        (0..layout.slots.len()).map(picture).collect()
    }

    /// Per frame, the clip and the frame number read at each of `rects`.
    type Seen = Vec<Vec<Option<(u8, u32)>>>;

    /// Lists what is finished, ends the session and has FFmpeg decode all that it listed; `rects` may differ over time, so
    /// every frame is read at all of them.
    async fn watch(service: &TestService, session: &Value, rects: Vec<Rect>) -> (Seen, Decoded) {
        let audio = format!("audio/{}.m3u8", session["audio"].as_str().unwrap());
        for playlist in ["video/big.m3u8", &audio] {
            service.text(&playlist_path(session, playlist)).await;
        }
        let path = format!("/v1/sessions/{}", session["id"].as_str().unwrap());
        service.device(Method::DELETE, &path, None, StatusCode::NO_CONTENT).await;
        let url = format!("{}{}", service.base, playlist_path(session, "index.m3u8"));
        tokio::task::spawn_blocking(move || {
            let mut seen = Vec::new();
            let decoded = decode(&Decode::new(&url, 60.0), |_, frame| {
                let read = |rect: &Rect| frame.barcode(*rect).map(|b| (b.clip, b.frame));
                seen.push(rects.iter().map(read).collect());
            });
            (seen, decoded)
        })
        .await
        .unwrap()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn four_games_are_stitched_with_every_frame_in_its_slot() {
        let dir = tempfile::tempdir().unwrap();
        let service = start(dir.path(), STITCH).await;
        let session = create(&service, json!({"games": ["g0", "g1", "g2", "g3"]})).await;
        assert_eq!((session["layout"].as_str(), session["engine"].as_str()), (Some("4E"), Some("stitch")));
        service.crank_segments(5).await;
        let (seen, decoded) = watch(&service, &session, pictures("4E", true)).await;
        assert_eq!(decoded.complaints, "");
        assert!(seen.len() >= 3 * 30, "{} frames", seen.len());
        for slot in 0..4usize {
            // Its first picture stands still for what comes before it: four segments, and what had gone by of the fifth.
            let frames: Vec<_> = seen.iter().map(|row| row[slot]).collect();
            let (first, moving) = (frames[0].unwrap().1, moving(&frames));
            assert!((4 * 30..5 * 30).contains(&(frames.len() - moving.len())), "what stands still before them");
            let expected = (first..).take(moving.len()).map(|frame| Some((slot as u8, frame)));
            assert!(moving.iter().copied().eq(expected), "slot {slot}: {frames:?}");
        }
        // Four games in two renditions: eight tiles, and no encoder of the mosaic's own.
        assert_eq!(service.metric("quadrille_encoders{kind=\"tile\"}").await, 8.0);
        assert_eq!(service.metric("quadrille_encoders{kind=\"render\"}").await, 0.0);
        assert_eq!(service.metric("quadrille_stitch_safe").await, 1.0);
        let ready: Value = serde_json::from_str(&service.text("/readyz").await).unwrap();
        assert_eq!(ready["checks"]["stitch"], "ok");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_session_goes_from_stitch_to_render_and_back_in_one_stream() {
        let dir = tempfile::tempdir().unwrap();
        let service = start(dir.path(), STITCH).await;
        let session = create(&service, json!({"games": ["g0", "g1"]})).await;
        assert_eq!((session["layout"].as_str(), session["engine"].as_str()), (Some("2EH"), Some("stitch")));
        service.crank_segments(4).await;
        service.text(&playlist_path(&session, "video/big.m3u8")).await;
        let rendered = change(&service, &session, json!({"layout": "pip"})).await;
        assert_eq!(rendered["engine"], "render");
        service.crank_segments(4).await;
        let playlist = service.text(&playlist_path(&session, "video/big.m3u8")).await;
        assert!(!playlist.contains("EXT-X-DISCONTINUITY"), "{playlist}");
        let back = change(&service, &session, json!({"games": ["g1", "g0", "g2"], "layout": "3EL"})).await;
        assert_eq!(back["engine"], "stitch");
        service.crank_segments(4).await;
        let all = [pictures("2EH", true), pictures("pip", false), pictures("3EL", true)].concat();
        let (seen, decoded) = watch(&service, &session, all).await;
        assert_eq!(decoded.complaints, "");
        // The slots of each part, in the order of `all`.
        let parts = [(0..2, [0u8, 1, 0].as_slice()), (3..4, &[1]), (4..7, &[1, 0, 2])];
        let shows = |row: &Vec<Option<(u8, u32)>>| {
            parts.iter().position(|(rects, clips)| {
                rects.clone().zip(*clips).all(|(at, clip)| row[at].is_some_and(|(c, _)| c == *clip))
            })
        };
        let shown: Vec<Option<usize>> = seen.iter().map(shows).collect();
        for (part, run) in shown.chunk_by(|a, b| a == b).enumerate() {
            assert_eq!(run[0], Some(part), "after {part} swaps");
            assert_eq!(run.len() % 30, 0, "a swap within a segment");
        }
        assert_eq!(shown.chunk_by(|a, b| a == b).count(), 3);
        // One game's picture goes on from frame to frame, whoever makes it.
        let g1: Vec<u32> =
            (shown.iter().zip(&seen)).map(|(part, row)| row[[1, 3, 4][part.unwrap()]].unwrap().1).collect();
        assert!(g1.windows(2).all(|pair| pair[1] == (pair[0] + 1) % 300), "{g1:?}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_new_session_begins_at_once_where_tiles_are_warm() {
        let dir = tempfile::tempdir().unwrap();
        let service = start(dir.path(), STITCH_WARM).await;
        for _ in 0..13 {
            service.crank_segments(1).await;
        }
        let encoders = service.metric("quadrille_encoders{kind=\"tile\"}").await;
        let segment = service.grid.segment_at(quadrille::timeline::Clock::now(&*service.clock));
        let session = create(&service, json!({"games": ["g3", "g1", "g3", "g0"]})).await;
        let listed = numbers(&service.text(&playlist_path(&session, "video/big.m3u8")).await);
        assert_eq!(listed.len(), 3, "what a player begins with: {listed:?}");
        // The encoders may still be at the segment that just ended.
        assert!(listed[2] + 2 >= segment, "{listed:?} at {segment}");
        assert_eq!(service.metric("quadrille_encoders{kind=\"tile\"}").await, encoders, "no new encoder");
        let (seen, decoded) = watch(&service, &session, pictures("4E", true)).await;
        assert_eq!((seen.len(), decoded.complaints.as_str()), (90, ""));
        let clips: Vec<_> = seen[89].iter().map(|s| s.map(|s| s.0)).collect();
        assert_eq!(clips, [Some(3), Some(1), Some(3), Some(0)]);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_announced_is_what_is_served() {
        let dir = tempfile::tempdir().unwrap();
        // So little that there is always more to say.
        let rungs = "[output]\nfps = \"30\"\nsegment_frames = 30\nwindow_s = 12\nlookahead_frames = 0\n\
            [[output.renditions]]\nname = \"big\"\nwidth = 960\nheight = 540\nbitrate = 500_000\n\
            [[output.renditions]]\nname = \"small\"\nwidth = 480\nheight = 270\nbitrate = 150_000\n";
        let service = start_with(dir.path(), &format!("{rungs}{STITCH}")).await;
        for engine in ["stitch", "render"] {
            let session = create(&service, json!({"games": ["g0", "g1", "g2", "g3"], "engine": engine})).await;
            service.crank_segments(13).await;
            let mut served = Vec::new();
            for rendition in ["big", "small"] {
                let playlist = service.text(&playlist_path(&session, &format!("video/{rendition}.m3u8"))).await;
                let mut bits = Vec::new();
                for line in playlist.lines().filter(|line| line.contains(".m4s")) {
                    bits.push(8.0 * service.bytes(line).await.len() as f64);
                }
                served.push((bits.iter().copied().fold(0.0, f64::max), bits.iter().sum::<f64>() / bits.len() as f64));
            }
            let text = service.text(&playlist_path(&session, "index.m3u8")).await;
            let told = text.lines().filter_map(|line| line.strip_prefix("#EXT-X-STREAM-INF:BANDWIDTH="));
            for ((peak, average), line) in served.into_iter().zip(told) {
                let mut figures =
                    line.split(",AVERAGE-BANDWIDTH=").map(|rest| rest.split(',').next().unwrap().parse::<f64>());
                let [told_peak, told_average] = [(); 2].map(|()| figures.next().unwrap().unwrap() - 128_000.0);
                let near = |told: f64, is: f64| (told / is - 1.0).abs() < 0.1;
                assert!(near(told_peak, peak), "{engine}: {told_peak} told, {peak} served");
                assert!(near(told_average, average), "{engine}: {told_average} told, {average} served");
            }
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn tiles_nobody_wants_any_more_stop_and_those_still_wanted_go_on() {
        let dir = tempfile::tempdir().unwrap();
        let service = start(dir.path(), STITCH).await;
        let first = create(&service, json!({"games": ["g0", "g1"]})).await;
        let second = create(&service, json!({"games": ["g1", "g2"]})).await;
        service.crank_segments(3).await;
        assert_eq!(service.metric("quadrille_encoders{kind=\"tile\"}").await, 6.0, "three games, two renditions");
        let path = format!("/v1/sessions/{}", first["id"].as_str().unwrap());
        service.device(Method::DELETE, &path, None, StatusCode::NO_CONTENT).await;
        for _ in 0..12 {
            service.text(&playlist_path(&second, "video/big.m3u8")).await;
            service.crank_segments(2).await;
        }
        assert_eq!(service.metric("quadrille_mosaics{engine=\"stitch\"}").await, 1.0);
        assert_eq!(service.metric("quadrille_encoders{kind=\"tile\"}").await, 4.0);
        let listed = numbers(&service.text(&playlist_path(&second, "video/big.m3u8")).await);
        assert!(listed.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{listed:?}");
        // Wanted again, it has segments from now on.
        let again = create(&service, json!({"games": ["g0", "g1"]})).await;
        service.crank_segments(3).await;
        let (seen, decoded) = watch(&service, &again, pictures("2EH", true)).await;
        assert_eq!(decoded.complaints, "");
        assert!(seen.iter().all(|row| row[0].unwrap().0 == 0 && row[1].unwrap().0 == 1));
    }

    /// Left, top, right and bottom of what is not background in a quarter of a frame, in parts of its height.
    fn edges(frame: &Frame, quarter: usize, background: [u8; 3]) -> [f64; 4] {
        let (width, height) = (frame.width / 2, frame.height / 2);
        let (x0, y0) = (quarter % 2 * width, quarter / 2 * height);
        let is_picture = |x: usize, y: usize| {
            let at = [y * frame.width + x, y / 2 * frame.width / 2 + x / 2];
            (0..3).any(|plane| frame.planes[plane][at[plane.min(1)]].abs_diff(background[plane]) > 24)
        };
        let (mut xs, mut ys) = (Vec::new(), Vec::new());
        for y in y0..y0 + height {
            for x in (x0..x0 + width).filter(|x| is_picture(*x, y)) {
                xs.push(x);
                ys.push(y);
            }
        }
        let ends = |at: &[usize]| (*at.iter().min().unwrap() as f64, (*at.iter().max().unwrap() + 1) as f64);
        let ((left, right), (top, bottom)) = (ends(&xs), ends(&ys));
        [left, top, right, bottom].map(|at| at / frame.height as f64)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn pictures_are_at_the_same_place_on_all_rungs() {
        let dir = tempfile::tempdir().unwrap();
        let games: Vec<(&str, String)> =
            ["a", "b", "c", "d"].map(|id| (id, "test://smpte?size=640x360".to_owned())).to_vec();
        let rungs = [("1080p", 1920, 1080), ("720p", 1280, 720), ("540p", 960, 540), ("360p", 640, 360)];
        let mut output =
            "[output]\nfps = \"30\"\nsegment_frames = 30\nwindow_s = 4\npreset = \"ultrafast\"\n".to_owned();
        for (name, width, height) in rungs {
            output += &format!(
                "[[output.renditions]]\nname = \"{name}\"\nwidth = {width}\nheight = {height}\nbitrate = {}\n",
                width * height * 3
            );
        }
        let config = config(&dir.path().join("data"), &games, &format!("{output}{STITCH}"));
        let mut service = TestService::start(&config).await;
        service.step_frames = 1;
        let session = create(&service, json!({"games": ["a", "b", "c", "d"]})).await;
        assert_eq!(session["engine"], "stitch");
        service.crank_segments(4).await;
        let mut seen: Vec<[[f64; 4]; 4]> = Vec::new();
        for (name, ..) in rungs {
            let url = format!("{}{}", service.base, playlist_path(&session, &format!("video/{name}.m3u8")));
            let found = tokio::task::spawn_blocking(move || {
                let mut found = None;
                let what = Decode { audio: None, ..Decode::new(&url, 0.4) };
                let decoded = decode(&what, |n, frame| {
                    // The background as libx264 has coded it in the middle of a gap is near enough.
                    if n == 8 {
                        found = Some([0, 1, 2, 3].map(|quarter| edges(&frame, quarter, [27, 131, 126])));
                    }
                });
                assert_eq!(decoded.complaints, "");
                found.unwrap()
            });
            seen.push(found.await.unwrap());
        }
        for quarter in 0..4 {
            for edge in 0..4 {
                let at = || seen.iter().map(|rung| rung[quarter][edge]);
                let apart = at().fold(0.0, f64::max) - at().fold(1e9, f64::min);
                assert!(apart <= 0.01, "slot {quarter} edge {edge}: {:?}", at().collect::<Vec<_>>());
            }
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_thousand_mosaics_take_no_encoder_and_hardly_any_memory() {
        const SESSIONS: usize = 1000;
        let dir = tempfile::tempdir().unwrap();
        let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
        let games: Vec<(&str, String)> = names.iter().map(|id| (*id, "test://ball?size=320x180".to_owned())).collect();
        let output = "[output]\nfps = \"30\"\nsegment_frames = 30\nwindow_s = 4\nlookahead_frames = 0\n[[output.renditions]]\nname = \"small\"\n\
                      width = 512\nheight = 288\nbitrate = 800_000\n";
        let service = TestService::start(&config(&dir.path().join("data"), &games, &format!("{output}{STITCH}"))).await;
        let picks = |n: usize| [n % 8, n / 8 % 8, n / 64 % 8, n / 512 % 8].map(|game| names[game]);
        // All eight games' tiles run, and their windows are full, before anything is measured.
        for n in [0o0123, 0o1567, 0o1456] {
            create(&service, json!({"games": picks(n)})).await;
        }
        service.crank_segments(12).await;
        let encoders = service.metric("quadrille_encoders{kind=\"tile\"}").await;
        let memory = resident_bytes();
        let mut sessions = Vec::new();
        for n in 0..SESSIONS {
            sessions.push(create(&service, json!({"games": picks(n)})).await);
        }
        service.crank_segments(2).await;
        for session in &sessions {
            let listed = numbers(&service.text(&playlist_path(session, "video/small.m3u8")).await);
            assert!(!listed.is_empty(), "{session}");
        }
        assert_eq!(encoders, 8.0, "one a game");
        assert_eq!(service.metric("quadrille_encoders{kind=\"tile\"}").await, encoders);
        // Three of the thousand were there before.
        assert_eq!(service.metric("quadrille_mosaics{engine=\"stitch\"}").await, SESSIONS as f64);
        let grown = resident_bytes().saturating_sub(memory) / SESSIONS;
        assert!(grown < 64 * 1024, "{grown} bytes a session");
    }

    fn resident_bytes() -> usize {
        let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
        statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
    }
}
