//! A scripted HTTP server for tests: answers by path, notes what was asked.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use parking_lot::Mutex;

/// What a path answers with.
#[derive(Clone)]
pub enum Answer {
    Body(Vec<u8>),
    /// With further header lines, each ended with CRLF.
    With(u16, String, Vec<u8>),
    /// Announces so many bytes more than it sends.
    Cut(Vec<u8>, usize),
    /// Sends the head and this, then nothing for good.
    Stall(Vec<u8>),
}

#[derive(Clone, Debug, Default)]
pub struct Asked {
    pub target: String,
    /// Names in lower case.
    pub headers: HashMap<String, String>,
}

#[derive(Default)]
pub struct Script {
    answers: HashMap<String, Vec<Answer>>,
    pub asked: Vec<Asked>,
}

#[derive(Clone)]
pub struct Server {
    pub script: Arc<Mutex<Script>>,
    port: u16,
}

impl Server {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let script = Arc::new(Mutex::new(Script::default()));
        let shared = Arc::clone(&script);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let script = Arc::clone(&shared);
                std::thread::spawn(move || answer(stream, &script));
            }
        });
        Self { script, port }
    }

    pub fn url(&self, path: &str) -> url::Url {
        url::Url::parse(&format!("http://127.0.0.1:{}{path}", self.port)).unwrap()
    }

    /// What `path` (without its query) answers with, one after the other; the last one for ever.
    pub fn on(&self, path: &str, answers: impl IntoIterator<Item = Answer>) {
        let mut answers: Vec<_> = answers.into_iter().collect();
        answers.reverse();
        self.script.lock().answers.insert(path.to_owned(), answers);
    }

    pub fn text(&self, path: &str, body: &str) {
        self.on(path, [Answer::Body(body.into())]);
    }

    pub fn targets(&self) -> Vec<String> {
        self.script.lock().asked.iter().map(|asked| asked.target.clone()).collect()
    }
}

fn answer(mut stream: TcpStream, script: &Mutex<Script>) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    let Some(request) = lines.next() else { return };
    let target = request.split(' ').nth(1).unwrap_or_default().to_owned();
    let headers = lines.take_while(|line| !line.is_empty()).filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_ascii_lowercase(), value.trim().to_owned()))
    });
    let headers: HashMap<_, _> = headers.collect();
    let range = headers.get("range").and_then(|range| {
        let (from, to) = range.strip_prefix("bytes=")?.split_once('-')?;
        Some((from.parse::<usize>().ok()?, to.parse::<usize>().ok()?))
    });
    let path = target.split('?').next().unwrap_or_default().to_owned();
    let found = {
        let mut script = script.lock();
        script.asked.push(Asked { target, headers });
        script.answers.get_mut(&path).and_then(|list| if list.len() > 1 { list.pop() } else { list.last().cloned() })
    };
    let head = |status: u16, more: &str, length: usize| {
        format!("HTTP/1.1 {status} x\r\n{more}Content-Length: {length}\r\nConnection: close\r\n\r\n")
    };
    let (head, body, stalls) = match found {
        None => (head(404, "", 0), Vec::new(), false),
        Some(Answer::Body(body)) => match range {
            Some((from, to)) => {
                let part = body[from..(to + 1).min(body.len())].to_vec();
                let more = format!("Content-Range: bytes {from}-{to}/{}\r\n", body.len());
                (head(206, &more, part.len()), part, false)
            }
            None => (head(200, "", body.len()), body, false),
        },
        Some(Answer::With(status, more, body)) => (head(status, &more, body.len()), body, false),
        Some(Answer::Cut(body, missing)) => (head(200, "", body.len() + missing), body, false),
        Some(Answer::Stall(body)) => (head(200, "", body.len() + 1000), body, true),
    };
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
    if stalls {
        // Until the other side has had enough.
        let _ = std::io::Read::read(&mut stream, &mut [0; 16]);
    }
}
