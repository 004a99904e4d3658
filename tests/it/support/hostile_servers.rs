//! Servers that mean no good to whoever asks them.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// The address that stands for a public one; 127.0.0.1 is the inside of the network.
pub const PUBLIC: &str = "127.0.0.2";

/// What a client may do with a connection that it does not end.
const PATIENCE: Duration = Duration::from_secs(120);

/// A server at `host` that answers every request, whose target is given, by `answer`.
pub fn serve(
    host: &str,
    answer: impl Fn(&str, &mut TcpStream) -> std::io::Result<()> + Send + Sync + 'static,
) -> SocketAddr {
    let listener = TcpListener::bind((host, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let answer = Arc::new(answer);
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let answer = answer.clone();
            std::thread::spawn(move || {
                client.set_write_timeout(Some(PATIENCE)).unwrap();
                let mut lines = BufReader::new(client.try_clone().unwrap()).lines().map_while(Result::ok);
                let first = lines.next().unwrap_or_default();
                let target = first.split(' ').nth(1).unwrap_or_default().to_owned();
                lines.take_while(|line| !line.is_empty()).for_each(drop);
                // Who hangs up early is of no concern.
                let _ = answer(&target, &mut client);
            });
        }
    });
    address
}

fn head(status: u16, more: &str) -> String {
    format!("HTTP/1.1 {status} x\r\n{more}Connection: close\r\n\r\n")
}

fn listed(lines: &str) -> String {
    format!("#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n{lines}")
}

/// As much of what `makes` makes, packed.
fn packed(makes: &str, mebibytes: u32) -> Vec<u8> {
    let packed =
        Command::new("sh").args(["-c", &format!("({makes}) | head -c {mebibytes}M | gzip -6")]).output().unwrap();
    assert!(packed.status.success());
    packed.stdout
}

/// A zip file of one member that is all zeros.
fn zip_of_zeros(gzip: &[u8], mebibytes: u32) -> Vec<u8> {
    // What gzip has behind a head of ten bytes is what a zip file has behind its own.
    let (deflated, size) = (&gzip[10..gzip.len() - 8], mebibytes << 20);
    let crc = &gzip[gzip.len() - 8..gzip.len() - 4];
    let member = |head: &[u8], name: bool| {
        let mut bytes = head.to_vec();
        bytes.extend([20, 0, 0, 0, 8, 0, 0, 0, 0, 0]);
        bytes.extend(crc);
        bytes.extend((deflated.len() as u32).to_le_bytes());
        bytes.extend(size.to_le_bytes());
        bytes.extend([4, 0, 0, 0]);
        if name {
            bytes.extend(b"a.ts");
        }
        bytes
    };
    let mut zip = member(b"PK\x03\x04", true);
    zip.extend(deflated);
    let directory = zip.len() as u32;
    zip.extend(member(b"PK\x01\x02\x14\x00", false));
    zip.extend([0; 14]);
    zip.extend(b"a.ts");
    let length = zip.len() as u32 - directory;
    zip.extend(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
    zip.extend(length.to_le_bytes());
    zip.extend(directory.to_le_bytes());
    zip.extend([0, 0]);
    zip
}

/// What is served by [`everything`] beyond what is given to it, with the reasons of a game that it is the source of.
pub const PATHS: &[(&str, &[&str])] = &[
    ("/endless.m3u8", &["too_large"]),
    ("/million.m3u8", &["too_large"]),
    ("/million-short.m3u8", &["too_large"]),
    ("/turn/0", FAILED),
    ("/inside", &["forbidden"]),
    ("/metadata", &["forbidden"]),
    ("/file", FAILED),
    ("/lists-inside.m3u8", &["forbidden", "failed"]),
    ("/packed-list.m3u8", &["too_large"]),
    ("/packed.m3u8", DARK),
    ("/packed.ts", DARK),
    ("/lists-packed.m3u8", DARK),
    ("/gzip.ts", DARK),
    ("/zip.ts", DARK),
    ("/half.ts", DARK),
    ("/half.m3u8", DARK),
    ("/endless.mp4", DARK),
    ("/drip-head.m3u8", DARK),
    ("/drip.m3u8", DARK),
    ("/drip.ts", DARK),
    ("/never.ts", DARK),
];
const FAILED: &[&str] = &["failed", "unreachable", "forbidden", "not_found", "too_large"];
/// There is nothing to be shown, and it is not known from outside what is wrong.
const DARK: &[&str] = &["failed", "unreachable", "unsupported", "no_picture", "stalled", "ended", "too_large"];

/// All of them at one address; `inside` is where nobody is to be led. `files` are served as they are.
pub fn everything(inside: SocketAddr, files: Vec<(&'static str, Vec<u8>)>) -> SocketAddr {
    const PACKED_MIB: u32 = 512;
    let packed_list = packed("echo '#EXTM3U'; yes '#EXTINF:1,'", PACKED_MIB);
    let packed = packed("cat /dev/zero", PACKED_MIB);
    let zip = zip_of_zeros(&packed, PACKED_MIB);
    serve(PUBLIC, move |target, client| {
        let whole = |client: &mut TcpStream, more: &str, body: &[u8]| {
            client.write_all(head(200, &format!("{more}Content-Length: {}\r\n", body.len())).as_bytes())?;
            client.write_all(body)
        };
        let to = |location: String| head(302, &format!("Location: {location}\r\n"));
        if let Some((_, file)) = files.iter().find(|(path, _)| *path == target) {
            return whole(client, "", file);
        }
        let drip = |client: &mut TcpStream, begins: &[u8]| {
            client.write_all(begins)?;
            loop {
                client.write_all(b"#")?;
                std::thread::sleep(Duration::from_secs(1));
            }
        };
        match target {
            "/endless.m3u8" => {
                client.write_all((head(200, "") + &listed("")).as_bytes())?;
                let lines = b"#EXTINF:1,\na.ts\n".repeat(4096);
                loop {
                    client.write_all(&lines)?;
                }
            }
            "/million.m3u8" => whole(client, "", listed(&"#EXTINF:1,\na.ts\n".repeat(1_000_000)).as_bytes()),
            // Within what a playlist may have of bytes.
            "/million-short.m3u8" => whole(client, "", listed(&"#EXTINF:1,\na\n".repeat(80_000)).as_bytes()),
            "/inside" => client.write_all(to(format!("http://{inside}/a.m3u8")).as_bytes()),
            "/metadata" => client.write_all(to("http://169.254.169.254/latest/meta-data/".into()).as_bytes()),
            "/file" => client.write_all(to("file:///etc/passwd".into()).as_bytes()),
            "/lists-inside.m3u8" => {
                whole(client, "", listed(&format!("#EXTINF:1,\nhttp://{inside}/a.ts\n#EXT-X-ENDLIST\n")).as_bytes())
            }
            "/packed-list.m3u8" => whole(client, "Content-Encoding: gzip\r\n", &packed_list),
            "/packed.m3u8" | "/packed.ts" => whole(client, "Content-Encoding: gzip\r\n", &packed),
            "/lists-packed.m3u8" => {
                let lines = (0..20).map(|n| format!("#EXTINF:1,\npacked.ts?{n}\n")).collect::<String>();
                whole(client, "", listed(&lines).as_bytes())
            }
            "/gzip.ts" => whole(client, "", &packed),
            "/zip.ts" => whole(client, "", &zip),
            "/half.ts" | "/half.m3u8" => {
                let body: &[u8] = if target == "/half.ts" { &[0x47; 188 * 40] } else { b"#EXTM3U\n#EXT-X-TARGETD" };
                client.write_all(head(200, "Content-Length: 9000000\r\n").as_bytes())?;
                client.write_all(body)
            }
            "/endless.mp4" => {
                client.write_all(head(200, "").as_bytes())?;
                client.write_all(b"\0\0\0\x14ftypisom\0\0\x02\0isom\0\0\0\x01mdat\x7f\0\0\0\0\0\0\0")?;
                loop {
                    client.write_all(&[7; 64 << 10])?;
                }
            }
            "/drip-head.m3u8" => drip(client, b"HTTP/1.1 200 OK\r\nX-"),
            "/drip.m3u8" => drip(client, (head(200, "") + "#EXTM3U\n").as_bytes()),
            "/drip.ts" => drip(client, head(200, "").as_bytes()),
            "/never.ts" => {
                std::thread::sleep(PATIENCE);
                Ok(())
            }
            _ if target.starts_with("/packed.ts?") => whole(client, "Content-Encoding: gzip\r\n", &packed),
            _ => match target.strip_prefix("/turn/").and_then(|turn| turn.parse::<u64>().ok()) {
                Some(turn) => client.write_all(to(format!("/turn/{}", turn + 1)).as_bytes()),
                None => client.write_all(head(404, "").as_bytes()),
            },
        }
    })
}

/// Where clients that want TLS hear something else, or nothing at all.
pub fn without_tls(says: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind((PUBLIC, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let _ = client.write_all(says);
        }
    });
    address
}

/// A server whose certificate nobody has signed but itself.
pub fn self_signed() -> SocketAddr {
    let made = rcgen::generate_simple_self_signed([PUBLIC.to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let settings = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let (settings, listener) = (Arc::new(settings), TcpListener::bind((PUBLIC, 0)).unwrap());
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let settings = settings.clone();
            std::thread::spawn(move || {
                client.set_read_timeout(Some(PATIENCE)).unwrap();
                let mut secure = StreamOwned::new(ServerConnection::new(settings).unwrap(), client);
                // Whoever knows it is not who it says hangs up here.
                let _ = secure.write_all(head(200, "").as_bytes());
            });
        }
    });
    address
}
