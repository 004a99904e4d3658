//! Images for scrubbing: what is on them is what the segments open with, live and from the disk, over a swap, an outage and a restart.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use quadrille::config::Config;
use quadrille::layout::Layouts;
use quadrille::lint::{self, HttpFetch, LintOptions, Linter, Role, SegmentChoice, SystemClock};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;

use crate::support::barcode::{self, Clip};
use crate::support::decode::{Decode, decode, whole};
use crate::support::service::{DEVICE, SMALL_OUTPUT, TestService, WHOLE_SLOTS, config};

/// Of a tile.
const WIDTH: usize = 320;
const HEIGHT: usize = 180;

/// Playlists of three seconds, a window of ninety.
fn configured(dir: &Path, extra: &str) -> Config {
    let games: Vec<(String, String)> = [0u8, 1]
        .into_iter()
        .map(|n| {
            let path = dir.join(format!("{n}.mp4"));
            Clip { width: 640, height: 360, ..Clip::new(n, 900, 400) }.write(&path);
            (format!("g{n}"), format!("file://{}", path.display()))
        })
        .collect();
    let games: Vec<(&str, String)> = games.iter().map(|(id, source)| (id.as_str(), source.clone())).collect();
    let output = SMALL_OUTPUT.replace("window_s = 10", "window_s = 3");
    config(&dir.join("data"), &games, &format!("{output}[start_over]\nwindow_s = 90\ngigabytes = 1\n{extra}"))
}

async fn create(service: &TestService, body: Value) -> Value {
    service.device(Method::POST, "/v1/sessions", Some(body), StatusCode::CREATED).await
}

fn playback(session: &Value, file: &str) -> String {
    let url = session["playback_url"].as_str().unwrap();
    url[url.find("/v1/play").unwrap()..].replace("index.m3u8", file)
}

/// An entry of a playlist of images.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    date: String,
    gap: bool,
    tiles: Option<String>,
    duration: String,
    uri: String,
}

/// Entries by their media sequence numbers.
fn entries(playlist: &str) -> BTreeMap<u64, Entry> {
    assert!(playlist.contains("\n#EXT-X-IMAGES-ONLY\n") && !playlist.contains("#EXT-X-MAP"), "{playlist}");
    let value = |lines: &[&str], tag: &str| lines.iter().find_map(|line| line.strip_prefix(tag)).map(str::to_owned);
    let lines: Vec<&str> = playlist.lines().collect();
    let first: u64 = value(&lines, "#EXT-X-MEDIA-SEQUENCE:").unwrap().parse().unwrap();
    let target: f64 = value(&lines, "#EXT-X-TARGETDURATION:").unwrap().parse().unwrap();
    let each =
        lines.split_inclusive(|line| line.starts_with('/')).filter(|lines| lines.last().unwrap().starts_with('/'));
    let entry = |lines: &[&str]| {
        let duration = value(lines, "#EXTINF:").unwrap();
        assert!(duration.trim_end_matches(',').parse::<f64>().unwrap().round() <= target, "{playlist}");
        Entry {
            date: value(lines, "#EXT-X-PROGRAM-DATE-TIME:").unwrap(),
            gap: lines.contains(&"#EXT-X-GAP"),
            tiles: value(lines, "#EXT-X-TILES:"),
            duration,
            uri: (*lines.last().unwrap()).to_owned(),
        }
    };
    (first..).zip(each.map(entry)).collect()
}

/// Luma of a picture, 8 bits, limited range; rows without padding.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Luma(Vec<u8>);

/// The tiles of a JPEG, in reading order.
fn tiles(jpeg: &[u8]) -> Vec<Luma> {
    let mut decoder = JpegDecoder::new(ZCursor::new(jpeg));
    let rgb = decoder.decode().unwrap();
    let (width, height) = decoder.dimensions().unwrap();
    assert!(width.is_multiple_of(WIDTH) && height.is_multiple_of(HEIGHT), "{width}x{height}");
    let luma = |x: usize, y: usize| {
        let [r, g, b] = [0, 1, 2].map(|c| f64::from(rgb[3 * (y * width + x) + c]));
        (16.0 + (0.2126 * r + 0.7152 * g + 0.0722 * b) * 219.0 / 255.0).round() as u8
    };
    let corners = (0..height).step_by(HEIGHT).flat_map(|y| (0..width).step_by(WIDTH).map(move |x| (x, y)));
    let tile = |(left, top)| {
        let place = |at| (left + at % WIDTH, top + at / WIDTH);
        Luma((0..WIDTH * HEIGHT).map(place).map(|(x, y)| luma(x, y)).collect())
    };
    corners.map(tile).collect()
}

impl Luma {
    /// Each sample the mean of the samples that it covers.
    fn scaled(from: &[u8], width: usize, height: usize) -> Self {
        let overlap = |at: usize, size: usize, small: usize| {
            let (begin, end) = (at as f64 * size as f64 / small as f64, (at + 1) as f64 * size as f64 / small as f64);
            (begin as usize..(end.ceil() as usize).min(size))
                .map(move |n| (n, (end.min((n + 1) as f64) - begin.max(n as f64)).max(0.0)))
        };
        let sample = |at: usize| {
            let (mut sum, mut weight) = (0.0, 0.0);
            for (y, down) in overlap(at / WIDTH, height, HEIGHT) {
                for (x, across) in overlap(at % WIDTH, width, WIDTH) {
                    sum += f64::from(from[y * width + x]) * down * across;
                    weight += down * across;
                }
            }
            (sum / weight).round() as u8
        };
        Self((0..WIDTH * HEIGHT).map(sample).collect())
    }

    fn psnr_db(&self, other: &Self) -> f64 {
        let squares = self.0.iter().zip(&other.0).map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2));
        let mean = squares.sum::<f64>() / self.0.len() as f64;
        10.0 * (255.0 * 255.0 / mean.max(1e-9)).log10()
    }

    fn is_black(&self) -> bool {
        self.0.iter().all(|sample| *sample < 24)
    }

    /// What the barcodes in the two slots say.
    fn barcodes(&self) -> [Option<(u8, u32)>; 2] {
        let layout = Layouts::bundled().get("2EH").unwrap();
        [0, 1].map(|slot| {
            let rect = layout.slot_on(slot, WIDTH as u32, HEIGHT as u32);
            barcode::read(&self.0, WIDTH, rect).map(|code| (code.clip, code.frame))
        })
    }
}

/// What FFmpeg makes of the picture that opens each segment of the smaller rendition, by segment, as large as tiles are.
async fn openings(service: &TestService, session: &Value, query: &str) -> BTreeMap<u64, Luma> {
    let playlist = service.text(&playback(session, &format!("keys/small.m3u8{query}"))).await;
    let value = |tag: &str| playlist.lines().find_map(|line| line.strip_prefix(tag)).unwrap().to_owned();
    let mut bytes = service.bytes(value("#EXT-X-MAP:URI=").trim_matches('"')).await;
    let (mut numbers, mut n, mut gap) = (Vec::new(), value("#EXT-X-MEDIA-SEQUENCE:").parse::<u64>().unwrap(), false);
    for line in playlist.lines() {
        gap |= line == "#EXT-X-GAP";
        if line.starts_with("/v1/") {
            if !std::mem::take(&mut gap) {
                bytes.extend(service.bytes(line).await);
                numbers.push(n);
            }
            n += 1;
        }
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    tokio::task::spawn_blocking(move || {
        let what = Decode { audio: None, ..Decode::new(file.path().to_str().unwrap(), 100_000.0) };
        let mut all = BTreeMap::new();
        let decoded = decode(&what, |at, frame| {
            all.insert(numbers[at], Luma::scaled(frame.planes[0], frame.width, frame.height));
        });
        assert_eq!((decoded.times_s.len(), whole(2, 2).width), (numbers.len(), 2));
        all
    })
    .await
    .unwrap()
}

/// Every sprite of `listed` shows the segments of its run, as they are in `openings`; how many segments are shown.
async fn shows(service: &TestService, listed: &BTreeMap<u64, Entry>, openings: &BTreeMap<u64, Luma>) -> usize {
    let mut shown = 0;
    for (run, entry) in listed.iter().filter(|(_, entry)| !entry.gap) {
        let jpeg = service.bytes(&entry.uri).await;
        let tiles = tiles(&jpeg);
        assert_eq!(tiles.len(), 10, "{entry:?}");
        for (n, tile) in (run * 10..).zip(&tiles) {
            let Some(opening) = openings.get(&n) else {
                assert!(tile.is_black(), "segment {n} of {entry:?} is not there");
                continue;
            };
            let psnr_db = tile.psnr_db(opening);
            assert!(psnr_db > 30.0, "segment {n} of {entry:?}: {psnr_db} dB");
            assert_eq!(tile.barcodes(), opening.barcodes(), "segment {n}");
            shown += 1;
        }
    }
    shown
}

/// Asks for all segments that are listed.
async fn has_all(service: &TestService, session: &Value, query: &str) {
    let playlist = service.text(&playback(session, &format!("video/small.m3u8{query}"))).await;
    let entries = playlist.split("#EXT-X-PROGRAM-DATE-TIME:").filter(|entry| !entry.contains("#EXT-X-GAP"));
    for address in entries.flat_map(str::lines).filter(|line| line.starts_with("/v1/")) {
        service.bytes(address).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sprite_shows_what_its_segments_open_with_over_a_swap_an_outage_and_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let config = configured(dir.path(), WHOLE_SLOTS);
    let service = TestService::start(&config).await;
    let session = create(&service, json!({"games": ["g0", "g1"]})).await;
    service.crank_segments(14).await;
    let path = format!("/v1/sessions/{}", session["id"].as_str().unwrap());
    service.text(&playback(&session, "video/small.m3u8")).await; // What is listed cannot change any more.
    let swapped = service.device(Method::PATCH, &path, Some(json!({"games": ["g1", "g0"]})), StatusCode::OK).await;
    let swap = swapped["effective_segment"].as_u64().unwrap();
    service.crank_segments(24).await;

    let index = service.text(&playback(&session, "index.m3u8?images=true&start=45")).await;
    let stream = index.lines().find_map(|line| line.strip_prefix("#EXT-X-IMAGE-STREAM-INF:")).unwrap();
    assert!(
        stream.contains("=320x180,CODECS=\"jpeg\",URI=\"../") && stream.contains("/images.m3u8?start="),
        "{stream}"
    );
    assert!(!service.text(&playback(&session, "index.m3u8?start=45")).await.contains("IMAGE"), "for those who ask");
    let images = stream.split("URI=\"").nth(1).unwrap().trim_end_matches('"').to_owned();
    let start = format!("?{}", images.split('?').nth(1).unwrap());

    let playlist = service.text(&playback(&session, &images)).await;
    assert!(playlist.contains("#EXT-X-TARGETDURATION:10\n"), "{playlist}");
    assert!(playlist.contains("#EXT-X-START:TIME-OFFSET="), "{playlist}");
    let before = entries(&playlist);
    assert!(before.len() >= 3, "{playlist}");
    for (run, entry) in &before {
        assert_eq!(entry.date, service.grid.segment_time(run * 10).to_string());
        assert_eq!(entry.tiles.as_deref(), Some("RESOLUTION=320x180,LAYOUT=5x2,DURATION=1.000000"));
        assert_eq!(entry.duration, "10.000000,");
    }
    let opened = openings(&service, &session, &start).await;
    let shown = shows(&service, &before, &opened).await;
    assert!(shown >= 30, "{shown}");
    // The swap lies within a run, and pictures of both sides are on one sprite.
    assert!(swap % 10 != 0 && before.contains_key(&(swap / 10)), "segment {swap}: {playlist}");
    let clips = |n: u64| opened[&n].barcodes().map(|code| code.map(|(clip, _)| clip));
    assert_eq!([clips(swap - 1), clips(swap)], [[Some(0), Some(1)], [Some(1), Some(0)]]);
    let numbers = opened.values().filter_map(|luma| luma.barcodes()[0].map(|(_, frame)| frame));
    assert!(numbers.collect::<std::collections::BTreeSet<_>>().len() > 25, "the pictures differ");
    let mut bytes = BTreeMap::new();
    for (run, entry) in &before {
        bytes.insert(*run, service.bytes(&entry.uri).await);
    }

    let url = format!("{}{}", service.base, playback(&session, "index.m3u8?images=true&start=45"));
    assert_eq!(linted(url).await, (Vec::new(), before.len()));

    // A service that was down for longer than a run is, and lost what it kept of images.
    let stopped_at = service.stop().await;
    let service = TestService::start_at(&config, stopped_at + Duration::from_secs(25)).await;
    service.crank_segments(16).await;
    let after = entries(&service.text(&playback(&session, &images)).await);
    for (run, entry) in &before {
        assert_eq!(after.get(run), Some(entry));
        assert_eq!(&service.bytes(&entry.uri).await, &bytes[run], "run {run}");
    }
    let gaps: Vec<u64> = after.iter().filter(|(_, entry)| entry.gap).map(|(run, _)| *run).collect();
    assert!((1..=2).contains(&gaps.len()), "{after:?}");
    let shown_after = shows(&service, &after, &openings(&service, &session, &start).await).await;
    assert!(shown_after > shown + 5, "{shown_after} of {shown}");

    // The window goes on: what leaves it leaves at the front, and nothing else changes.
    service.crank_segments(35).await;
    let later = entries(&service.text(&playback(&session, &images)).await);
    assert!(later.keys().next() > after.keys().next() && later.keys().next_back() > after.keys().next_back());
    assert!(after.iter().all(|(run, entry)| later.get(run).is_none_or(|later| later == entry)), "{later:?}");
    let runs: Vec<u64> = later.keys().copied().collect();
    assert!(runs.windows(2).all(|pair| pair[1] == pair[0] + 1), "{runs:?}");

    // The session's end makes the last one whole, of what was had until then: pictures to seek by are no segments.
    has_all(&service, &session, &start).await;
    service.device(Method::DELETE, &path, None, StatusCode::NO_CONTENT).await;
    service.crank_segments(5).await;
    let text = service.text(&playback(&session, &images)).await;
    assert!(text.ends_with("#EXT-X-ENDLIST\n"), "{text}");
    let ended = entries(&text);
    let last = ended.values().next_back().unwrap();
    assert!(last.uri.ends_with(&format!("-{}.jpg", last.duration.split('.').next().unwrap())), "{last:?}");
    assert!(shows(&service, &ended, &openings(&service, &session, &start).await).await > 20);
}

/// What `quadrille lint` says of the images of a stream, and how many it looked at.
async fn linted(url: String) -> (Vec<String>, usize) {
    let options =
        LintOptions { url, watch: Some(Duration::ZERO), segments: SegmentChoice::All, ..LintOptions::default() };
    tokio::task::spawn_blocking(move || {
        let root = lint::address(&options.url).unwrap();
        let (mut fetch, clock) = (HttpFetch::new(&root, Vec::new()), SystemClock::default());
        let report = Linter::new(root, &mut fetch, &clock, &options).run().unwrap();
        let images = report.playlists.iter().find(|facts| facts.kind == Role::Images).unwrap();
        let found = report.findings.iter().filter(|finding| finding.playlist == images.uri);
        (found.map(|finding| format!("{finding:?}")).collect(), images.segments_checked)
    })
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn live_there_is_an_image_of_each_segment_whichever_engine_makes_them() {
    let dir = tempfile::tempdir().unwrap();
    let service = TestService::start(&configured(dir.path(), "")).await;
    for engine in ["stitch", "render"] {
        let session = create(&service, json!({"games": ["g0", "g1"], "engine": engine})).await;
        assert_eq!(session["engine"], engine);
        service.crank_segments(6).await;
        let index = service.text(&playback(&session, "index.m3u8?images=true")).await;
        assert!(index.contains("/images.m3u8\"\n"), "{index}");
        let playlist = service.text(&playback(&session, "images.m3u8")).await;
        let listed = entries(&playlist);
        let video = service.text(&playback(&session, "keys/small.m3u8")).await;
        for tag in ["#EXT-X-TARGETDURATION:", "#EXT-X-MEDIA-SEQUENCE:", "#EXT-X-START:"] {
            let line = video.lines().find(|line| line.starts_with(tag)).unwrap();
            assert!(playlist.contains(line), "{line} is not in {playlist}");
        }
        let url = format!("{}{}", service.base, playback(&session, "index.m3u8?images=true"));
        let (findings, checked) = linted(url).await;
        assert!(findings.is_empty() && checked == listed.len(), "{findings:?}, {checked}");
        let openings = openings(&service, &session, "").await;
        assert_eq!(listed.keys().collect::<Vec<_>>(), openings.keys().collect::<Vec<_>>());
        for (n, entry) in &listed {
            let [tile] = <[Luma; 1]>::try_from(tiles(&service.bytes(&entry.uri).await)).unwrap();
            assert!(tile.psnr_db(&openings[n]) > 30.0, "{engine}, segment {n}: {} dB", tile.psnr_db(&openings[n]));
            assert_eq!((&entry.tiles, &*entry.duration), (&None, "1.000000,"));
        }
        let entry = listed.values().next().unwrap();
        let answer = service.send(Method::GET, &entry.uri, DEVICE, None).await;
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("content-type"), "image/jpeg");
        assert_eq!(header("cache-control"), "public, max-age=86400, immutable", "{entry:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_opens_to_nobody_but_whom_it_was_given() {
    let dir = tempfile::tempdir().unwrap();
    let service = TestService::start(&configured(dir.path(), "")).await;
    let session = create(&service, json!({"games": ["g0", "g1"]})).await;
    let other = create(&service, json!({"games": ["g1", "g0"]})).await;
    service.crank_segments(5).await;
    // A session that has only begun has a playlist at once.
    let playlist = service.text(&playback(&session, "images.m3u8?start=2026-11-20T00:00:00Z")).await;
    let listed = entries(&playlist);
    assert!(listed.len() >= 3 && listed.values().all(|entry| !entry.gap), "{playlist}");
    let sprite = listed.values().next_back().unwrap().uri.clone();
    let answer = service.send(Method::GET, &sprite, DEVICE, None).await;
    assert_eq!(answer.headers()["cache-control"], "private, max-age=86400, immutable");
    let token = |session: &Value| playback(session, "").split('/').nth(3).unwrap().to_owned();
    let (own, others) = (token(&session), token(&other));
    let (_, file) = sprite.rsplit_once('/').unwrap();
    let (first, _) = file.split_once('-').unwrap();
    let next = format!("{}-10.jpg", first.parse::<u64>().unwrap() + 10);
    let single = entries(&service.text(&playback(&session, "images.m3u8")).await).values().next().unwrap().uri.clone();
    let (_, single_file) = single.rsplit_once('/').unwrap();
    let of_next = format!("{}.jpg", single_file.trim_end_matches(".jpg").parse::<u64>().unwrap() + 1);
    for bad in [
        sprite.replace(&own, &others),
        sprite.replace(file, &next),
        sprite.replace(file, &format!("{first}-9.jpg")),
        sprite.replace(file, &format!("{first}-99999999999.jpg")),
        sprite.replace(file, &format!("0{file}")),
        sprite.replace("-10.jpg", "-10.png"),
        sprite.replace(&own, "nobody"),
        single.replace(single_file, &of_next),
    ] {
        let answer = service.send(Method::GET, &bad, DEVICE, None).await;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{bad}");
        let problem: Value = answer.json().await.unwrap();
        let code = if bad.contains("nobody") { "session_unknown" } else { "not_found" };
        assert_eq!(problem["code"], code, "{bad}");
    }
    let answer = service.send(Method::GET, &playback(&session, "images.m3u8?start=60"), DEVICE, None).await;
    assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "seconds back would slide with each reload");
}
