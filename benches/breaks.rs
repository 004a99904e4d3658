//! `make bench`: how near to its cue a break is seen to begin and to end, and what it takes to make an advertisement ready. Prints `name value unit` a line.
//!
//! Two games, one of which has breaks by hand, announced in time, at other places of a segment each time, with an advertisement of four seconds at 720p in each.

#[path = "service/child.rs"]
#[allow(dead_code, reason = "shared with the other benches of the released program")]
mod child;
#[path = "service/clips.rs"]
mod clips;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use child::Child;
use jiff::Timestamp;
use serde_json::{Value, json};

const BREAKS: u32 = 6;
const AHEAD_S: f64 = 5.0;
const DURATION_S: f64 = 6.0;

const LADDER: &str = "[[output.renditions]]\nname = \"720p\"\nwidth = 1280\nheight = 720\nbitrate = 3_000_000\n\
    [[output.renditions]]\nname = \"360p\"\nwidth = 640\nheight = 360\nbitrate = 800_000\n[stitch]\nkeep_warm = false\n";

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let dir = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/target/bench"));
    let clips = clips::make(&dir);
    let ads = serve(&clips[1]);
    let market = format!(
        "{LADDER}[sources]\nnetworks = [\"127.0.0.0/8\"]\n[[markets]]\ntenant = \"bench\"\nid = \"m\"\ntitle = \"m\"\n\
         [markets.breaks]\npolicy = \"advertisement\"\ndecision_url = \"{ads}/vast\"\n"
    );
    let games: Vec<_> = clips::games(&clips).into_iter().take(2).collect();
    let service = Child::start(&dir, &games, &market).await;
    let session = service.create_in_time(json!({"games": ["g0", "g1"], "layout": "2EH", "market": "m"})).await;
    service.until_listed(&session, "720p").await;
    let mut offsets_ms: Vec<i64> = Vec::new();
    for n in 0..BREAKS {
        // At other places of a segment.
        follow(&service, &session, Duration::from_millis(3000 + 370 * u64::from(n))).await;
        let told = begin(&service).await;
        let shown = follow(&service, &session, Duration::from_secs_f64(AHEAD_S + DURATION_S + 12.0)).await;
        let ms = |at: &Value| at.as_str().expect("a time").parse::<Timestamp>().expect("RFC 3339").as_millisecond();
        let begins = ms(&told["starts_at"]);
        // The window has the break before, too.
        let usual = shown.range(..begins - 2000).next_back().expect("something was shown before").1.clone();
        let since = shown.range(begins - 2000..).filter(|(_, mosaic)| **mosaic != usual);
        let other: Vec<i64> = since.map(|(at, _)| *at).collect();
        let (first, last) = (other.first().expect("the break is seen"), other.last().expect("it is seen"));
        offsets_ms.push(first - begins);
        offsets_ms.push(last + 2000 - ms(&told["ends_at"]));
    }
    offsets_ms.iter_mut().for_each(|ms| *ms = ms.abs());
    offsets_ms.sort_unstable();
    println!("break_accuracy_ms {} ms", offsets_ms[offsets_ms.len() / 2]);
    println!("break_accuracy_ms_max {} ms", offsets_ms[offsets_ms.len() - 1]);
    let made = service.metric("quadrille_creative_conditioning_seconds_count").await;
    let seconds = service.metric("quadrille_creative_conditioning_seconds_sum").await;
    println!("creative_conditioning_s {:.2} s", seconds / made);
    assert_eq!(service.metric("quadrille_late_segments_total").await, 0.0, "nobody was late");
}

async fn begin(service: &Child) -> Value {
    let url = format!("{}/v1/operator/games/g1/breaks", service.base());
    let body = json!({"duration_s": DURATION_S, "starts_in_s": AHEAD_S});
    let answer =
        reqwest::Client::new().post(url).bearer_auth("op").json(&body).send().await.expect("the service answers");
    assert_eq!(answer.status(), 201);
    answer.json().await.expect("JSON")
}

/// Polls as a player does; the mosaic of each segment that was listed, by its date in milliseconds of Unix time.
async fn follow(service: &Child, session: &Value, time: Duration) -> BTreeMap<i64, String> {
    let mut shown = BTreeMap::new();
    let until = std::time::Instant::now() + time;
    while std::time::Instant::now() < until {
        let playlist = service.playlist(session, "720p").await.expect("the playlist lists segments");
        let mut date = 0;
        for line in playlist.lines() {
            if let Some(text) = line.strip_prefix("#EXT-X-PROGRAM-DATE-TIME:") {
                date = text.parse::<Timestamp>().expect("a date").as_millisecond();
            } else if line.ends_with(".m4s") && !line.starts_with('#') {
                let mosaic = line.split('/').rev().nth(2).expect("a mosaic").to_owned();
                let before: &mut String = shown.entry(date).or_insert_with(|| mosaic.clone());
                assert_eq!(*before, mosaic, "what was listed stays");
            }
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    shown
}

/// A decision server and its one film.
fn serve(film: &Path) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    let (its, film) = (base.clone(), std::fs::read(film).expect("the clip can be read"));
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut lines = BufReader::new(stream.try_clone().expect("a stream")).lines().map_while(Result::ok);
            let first = lines.next().unwrap_or_default();
            lines.take_while(|line| !line.is_empty()).for_each(drop);
            let (media_type, body) = match first.split(' ').nth(1).unwrap_or_default() {
                "/vast" => ("application/xml", vast(&its).into_bytes()),
                "/film.mp4" => ("video/mp4", film.clone()),
                _ => ("image/gif", Vec::new()),
            };
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            );
            // Who hangs up early is of no concern.
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
        }
    });
    base
}

fn vast(base: &str) -> String {
    format!(
        "<VAST version=\"4.2\"><Ad id=\"1\"><InLine><AdSystem>bench</AdSystem><AdTitle>bench</AdTitle><Impression>{base}/told</Impression><Creatives><Creative>\
         <Linear><Duration>00:00:04</Duration><MediaFiles><MediaFile delivery=\"progressive\" type=\"video/mp4\" width=\"1280\" height=\"720\">{base}/film.mp4\
         </MediaFile></MediaFiles></Linear></Creative></Creatives></InLine></Ad></VAST>"
    )
}
