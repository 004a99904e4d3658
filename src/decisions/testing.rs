//! A server for tests, at an address that stands for a public one.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::reach::{Reach, Rules};

/// Another address of this machine, which stands for what is not to be reached.
pub const INNER: &str = "127.0.0.1";
const PUBLIC: &str = "127.0.0.2";

/// As for an operator over REST, but for the address of these tests' servers.
pub fn reach() -> Reach {
    Reach::new(Rules { networks: vec!["127.0.0.2/32".parse().unwrap()], ..Rules::default() }, [None; 2])
}

/// Answers each request by what `answer` does with its target and the connection; notes the targets.
pub struct Server {
    pub base: String,
    pub asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub fn start(answer: impl Fn(&str, &str, &mut TcpStream) -> std::io::Result<()> + Send + Sync + 'static) -> Self {
        Self::start_at(PUBLIC, answer)
    }

    /// `answer` is told the server's base, the target, and given the connection.
    pub fn start_at(
        host: &str,
        answer: impl Fn(&str, &str, &mut TcpStream) -> std::io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((host, 0)).unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (noted, answer, its) = (asked.clone(), Arc::new(answer), base.clone());
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let (noted, answer, its) = (noted.clone(), answer.clone(), its.clone());
                std::thread::spawn(move || {
                    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
                    let first = lines.next().unwrap_or_default();
                    let target = first.split(' ').nth(1).unwrap_or_default().to_owned();
                    lines.take_while(|line| !line.is_empty()).for_each(drop);
                    noted.lock().push(target.clone());
                    // Who hangs up early is of no concern.
                    let _ = answer(&its, &target, &mut stream);
                });
            }
        });
        Self { base, asked }
    }
}

/// A whole answer.
pub fn send(stream: &mut TcpStream, status: u16, media_type: &str, body: &[u8]) -> std::io::Result<()> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status} x\r\nContent-Type: {media_type}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)
}

/// A response of one advertisement of fifteen seconds; `more` stands within its `InLine`.
pub fn inline(base: &str, id: &str, more: &str) -> String {
    format!(
        r#"<VAST version="4.2"><Ad id="{id}"><InLine><AdSystem>t</AdSystem><AdTitle>t</AdTitle>
           <Impression><![CDATA[{base}/impression/{id}]]></Impression><Error>{base}/error/{id}?c=[ERRORCODE]</Error>{more}
           <Creatives><Creative><Linear><Duration>00:00:15</Duration>
           <TrackingEvents><Tracking event="firstQuartile">{base}/q1/{id}</Tracking><Tracking event="complete">{base}/done/{id}</Tracking>
             <Tracking event="mute">{base}/mute</Tracking></TrackingEvents>
           <MediaFiles><MediaFile delivery="progressive" type="video/mp4" width="1280" height="720" bitrate="2000">{base}/{id}-720.mp4</MediaFile>
           <MediaFile delivery="progressive" type="video/mp4" width="640" height="360" bitrate="800">{base}/{id}-360.mp4</MediaFile></MediaFiles>
           </Linear></Creative></Creatives></InLine></Ad></VAST>"#
    )
}

/// A response that leads to `to`.
pub fn wrapper(base: &str, id: &str, to: &str, attributes: &str) -> String {
    format!(
        r#"<VAST version="4.2"><Ad id="{id}"><Wrapper {attributes}><Impression>{base}/impression/{id}</Impression>
           <Error>{base}/error/{id}?c=[ERRORCODE]</Error><VASTAdTagURI><![CDATA[{to}]]></VASTAdTagURI>
           <Creatives><Creative><Linear><TrackingEvents><Tracking event="complete">{base}/done/{id}</Tracking></TrackingEvents></Linear></Creative></Creatives>
           </Wrapper></Ad></VAST>"#
    )
}
