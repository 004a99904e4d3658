//! Sources that are HLS, on loopback.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::barcode::Clip;

/// What a server answers with, by path.
pub type Files = HashMap<String, Vec<u8>>;

/// Answers by path and by the time since the start; `None` is a 404.
pub fn serve(answers: impl Fn(&str, Duration) -> Option<Vec<u8>> + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (answers, begun) = (Arc::new(answers), Instant::now());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answers = Arc::clone(&answers);
            std::thread::spawn(move || answer(stream, |path| answers(path, begun.elapsed())));
        }
    });
    format!("http://{address}")
}

fn answer(mut stream: TcpStream, answers: impl Fn(&str) -> Option<Vec<u8>>) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    let Some(request) = lines.next() else { return };
    lines.take_while(|line| !line.is_empty()).for_each(drop);
    let target = request.split(' ').nth(1).unwrap_or_default();
    let found = answers(target.trim_start_matches('/').split('?').next().unwrap_or_default());
    let (status, body) = found.map_or(("404 Not Found", Vec::new()), |body| ("200 OK", body));
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    // Who hangs up early is of no concern.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
}

pub fn serve_files(files: Files) -> String {
    serve(move |path, _| files.get(path).cloned())
}

/// Encodes a clip into segments of a second; the folder's files, their names led by `prefix`.
pub fn segmented(clip: &Clip, prefix: &str, output: &[&str]) -> Files {
    let folder = tempfile::tempdir().unwrap();
    let usual = ["-c:v", "libx264", "-preset", "ultrafast", "-g", "30", "-sc_threshold", "0", "-c:a", "aac"];
    let hls = ["-f", "hls", "-hls_time", "1", "-hls_list_size", "0", "-hls_playlist_type", "vod"];
    let names = folder.path().join("%d.ts");
    let named = ["-hls_segment_filename", names.to_str().unwrap()];
    let named = if output.contains(&"fmp4") { &[][..] } else { &named[..] };
    clip.write_with(&folder.path().join("list.m3u8"), &[&usual[..], &hls, named, output].concat());
    read_folder(folder.path(), prefix)
}

pub fn read_folder(folder: &Path, prefix: &str) -> Files {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .map(|path| (format!("{prefix}{}", path.file_name().unwrap().to_str().unwrap()), std::fs::read(&path).unwrap()))
        .collect()
}
