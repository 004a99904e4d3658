//! Servers that mean no good.

use std::io::{BufRead as _, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::AtomicUsize;
use std::time::Instant;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use ureq::unversioned::transport::NextTimeout;

use super::*;
use crate::reach::Rules;

/// A server at `host`, which answers every connection by `answer`; its port, and how often it was asked.
pub(in crate::feed) fn served(
    host: &str,
    answer: impl Fn(&str, TcpStream) + Send + Sync + 'static,
) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind((host, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let (counted, answer) = (Arc::clone(&asked), Arc::new(answer));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            counted.fetch_add(1, Ordering::SeqCst);
            let answer = Arc::clone(&answer);
            std::thread::spawn(move || {
                let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
                let target =
                    lines.next().and_then(|line| line.split(' ').nth(1).map(str::to_owned)).unwrap_or_default();
                lines.take_while(|line| !line.is_empty()).for_each(drop);
                answer(&target, stream);
            });
        }
    });
    (address, asked)
}

pub(in crate::feed) fn head(status: u16, more: &str) -> String {
    format!("HTTP/1.1 {status} x\r\n{more}Connection: close\r\n\r\n")
}

/// As for an operator over REST, but for the addresses of these tests' servers.
pub(in crate::feed) fn reach(networks: &[&str]) -> Reach {
    let networks = networks.iter().map(|net| net.parse().unwrap()).collect();
    Reach::new(Rules { networks, ..Rules::default() }, [None; 2])
}

fn request(url: &Url, limit: usize) -> Request<'_> {
    Request { url, range: None, limit, time: Duration::from_secs(10), silence: Duration::from_secs(10) }
}

fn url(address: SocketAddr, path: &str) -> Url {
    Url::parse(&format!("http://{address}{path}")).unwrap()
}

/// Every address of 127.0.0.0/8 is this machine's: one stands for the public one, another for what is not to be reached.
const PUBLIC: &str = "127.0.0.2";
const INNER: &str = "127.0.0.1";

#[test]
fn a_redirect_leads_to_nothing_that_the_source_may_not_name() {
    let (inner, asked) = served(INNER, |_, mut stream| _ = stream.write_all((head(200, "") + "secret").as_bytes()));
    let port = inner.port();
    for target in [
        format!("http://127.0.0.1:{port}/"),
        format!("http://2130706433:{port}/"),
        format!("http://017700000001:{port}/"),
        format!("http://0177.0.0.1:{port}/"),
        format!("http://0x7f000001:{port}/"),
        format!("http://127.1:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        format!("http://localhost:{port}/"),
        format!("http://0.0.0.0:{port}/"),
        format!("//127.0.0.1:{port}/"),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        "http://[fd00:ec2::254]/".to_owned(),
        "http://10.0.0.1/".to_owned(),
    ] {
        let location = format!("Location: {target}\r\n");
        let (outer, _) = served(PUBLIC, move |_, mut stream| _ = stream.write_all(head(302, &location).as_bytes()));
        let url = url(outer, "/a.m3u8");
        let error = Fetcher::new(&url, &reach(&["127.0.0.2/32"])).get(&request(&url, 1000)).unwrap_err();
        let denied = matches!(error.problem, FetchProblem::Denied(Denied::Address { .. }));
        assert!(denied && error.problem.is_final(), "{target}: {error:?}");
        assert_eq!(error.source_error().reason(), Reason::Forbidden);
    }
    for target in ["file:///etc/passwd", "ftp://127.0.0.2/", "data:text/plain,x", "gopher://127.0.0.2/"] {
        let location = format!("Location: {target}\r\n");
        let (outer, _) = served(PUBLIC, move |_, mut stream| _ = stream.write_all(head(302, &location).as_bytes()));
        let url = url(outer, "/a.m3u8");
        assert!(Fetcher::new(&url, &reach(&["127.0.0.2/32"])).get(&request(&url, 1000)).is_err(), "{target}");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 0, "nobody knocked inside");
}

/// A resolver whose owner changes what a name means.
#[derive(Debug)]
struct Rebinding(parking_lot::Mutex<Vec<Vec<SocketAddr>>>);

impl Resolver for Rebinding {
    fn resolve(&self, _: &Uri, _: &ureq::config::Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let mut found = self.empty();
        self.0.lock().remove(0).into_iter().for_each(|address| found.push(address));
        Ok(found)
    }
}

#[test]
fn a_name_that_becomes_another_address_is_judged_anew_and_what_was_judged_is_connected_to() {
    let (outer, served_outside) =
        served(PUBLIC, |_, mut stream| _ = stream.write_all((head(200, "") + "out").as_bytes()));
    let (inner, served_inside) = served(INNER, |_, mut stream| _ = stream.write_all((head(200, "") + "in").as_bytes()));
    let url = Url::parse("http://origin.example/a.ts").unwrap();
    let answers = vec![vec![outer], vec![inner], vec![inner, outer]];
    let pass = reach(&["127.0.0.2/32"]).of(&url);
    let resolver = Judged { pass, lookup: Rebinding(parking_lot::Mutex::new(answers)) };
    let fetcher = Fetcher::resolving(&url, resolver, roots());
    let get = || fetcher.get(&request(&url, 1000)).map(|fetched| fetched.bytes).map_err(|error| error.problem);
    assert_eq!(get().unwrap(), "out");
    assert!(matches!(get(), Err(FetchProblem::Denied(Denied::Address { .. }))));
    assert_eq!(get().unwrap(), "out", "of two, the one that may be used");
    assert_eq!((served_outside.load(Ordering::SeqCst), served_inside.load(Ordering::SeqCst)), (2, 0));
}

#[test]
fn redirects_that_lead_round_and_round_are_followed_a_few_times() {
    let turn = AtomicUsize::new(0);
    let (address, asked) = served(PUBLIC, move |target, mut stream| {
        // Always to the same place, or ever on.
        let to =
            if target == "/same" { "/same".to_owned() } else { format!("/{}", turn.fetch_add(1, Ordering::SeqCst)) };
        let _ = stream.write_all(head(302, &format!("Location: {to}\r\n")).as_bytes());
    });
    for path in ["/same", "/on"] {
        let url = url(address, path);
        let fetcher = Fetcher::new(&url, &reach(&["127.0.0.2/32"]));
        let before = asked.load(Ordering::SeqCst);
        let error = fetcher.get(&request(&url, 1000)).unwrap_err();
        assert_eq!((&error.problem, error.problem.is_final()), (&FetchProblem::Redirects, true), "{path}");
        assert_eq!(error.source_error().reason(), Reason::Failed);
        assert!(asked.load(Ordering::SeqCst) - before <= MAX_REDIRECTS as usize + 1, "{path}");
    }
}

/// A server with the certificate that `params` describe, signed by `issuer`, that answers whoever trusts it, or says `noise` where one expects TLS.
fn secured(
    params: CertificateParams,
    issuer: Option<&Issuer<'_, KeyPair>>,
    noise: Option<&'static [u8]>,
) -> SocketAddr {
    let key = KeyPair::generate().unwrap();
    let made = match issuer {
        Some(issuer) => params.signed_by(&key, issuer),
        None => params.self_signed(&key),
    };
    let private = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let settings = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.unwrap().der().clone()], private)
        .unwrap();
    let (settings, listener) = (Arc::new(settings), TcpListener::bind((PUBLIC, 0)).unwrap());
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            if let Some(noise) = noise {
                let _ = client.write_all(noise);
                continue;
            }
            let mut secure = StreamOwned::new(ServerConnection::new(Arc::clone(&settings)).unwrap(), client);
            // Who does not trust it hangs up before it asks.
            let asked = BufReader::new(&mut secure).lines().map_while(Result::ok).any(|line| line.is_empty());
            if asked {
                let _ = secure.write_all((head(200, "Content-Length: 2\r\n") + "in").as_bytes());
                secure.conn.send_close_notify();
                let _ = secure.flush();
            }
        }
    });
    address
}

#[test]
fn nothing_is_asked_of_a_server_that_is_not_who_it_is_called() {
    let (key, mut authority) = (KeyPair::generate().unwrap(), CertificateParams::new(Vec::new()).unwrap());
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = authority.self_signed(&key).unwrap();
    let issuer = Issuer::new(authority, key);
    let named = |name: &str| CertificateParams::new(vec![name.to_owned()]).unwrap();
    let mut expired = named(PUBLIC);
    expired.not_after = date_time_ymd(2020, 1, 1);
    let mut early = named(PUBLIC);
    early.not_before = date_time_ymd(2200, 1, 1);
    let get = |address: SocketAddr| {
        let url = Url::parse(&format!("https://{address}/a.m3u8")).unwrap();
        let roots = RootCerts::Specific(Arc::new(vec![Certificate::from_der(root.der()).to_owned()]));
        let judged = Judged { pass: reach(&["127.0.0.2/32"]).of(&url), lookup: DefaultResolver::default() };
        Fetcher::resolving(&url, judged, roots).get(&request(&url, 1000))
    };
    assert_eq!(get(secured(named(PUBLIC), Some(&issuer), None)).unwrap().bytes, "in", "whoever is trusted is asked");
    for (who, server) in [
        ("another", secured(named("elsewhere.example"), Some(&issuer), None)),
        ("expired", secured(expired, Some(&issuer), None)),
        ("not yet", secured(early, Some(&issuer), None)),
        ("signed by itself", secured(named(PUBLIC), None, None)),
    ] {
        let error = get(server).unwrap_err();
        assert!(matches!(error.problem, FetchProblem::Tls(_)) && error.problem.is_final(), "{who}: {error:?}");
        assert_eq!(error.source_error().reason(), Reason::Unreachable, "{who}");
    }
    for noise in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], &[0x16, 3, 3, 0xff, 0xff, 1, 2, 3], b""] {
        let error = get(secured(named(PUBLIC), Some(&issuer), Some(noise))).unwrap_err();
        assert_eq!(error.source_error().reason(), Reason::Unreachable, "{noise:?}: {error:?}");
    }
}

#[test]
fn what_was_packed_small_is_no_larger_than_its_limit() {
    let bomb = Command::new("sh").args(["-c", "head -c 200000000 /dev/zero | gzip -9"]).output().unwrap().stdout;
    assert!(bomb.len() < 1 << 20, "{}", bomb.len());
    let (address, _) = served(PUBLIC, move |_, mut stream| {
        let head = head(200, &format!("Content-Encoding: gzip\r\nContent-Length: {}\r\n", bomb.len()));
        let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&bomb));
    });
    let url = url(address, "/a.m3u8");
    let fetcher = Fetcher::new(&url, &reach(&["127.0.0.2/32"]));
    let error = fetcher.get(&request(&url, 1 << 20)).unwrap_err();
    assert_eq!(error.problem, FetchProblem::TooLarge { limit: 1 << 20 });
    assert_eq!(error.source_error().reason(), Reason::TooLarge);
}

#[test]
fn a_server_that_sends_a_byte_now_and_then_has_its_time_like_any_other() {
    let (address, _) = served(PUBLIC, |target, mut stream| {
        // In its head, or in its body.
        if target == "/body" {
            let _ = stream.write_all(head(200, "Content-Length: 100000\r\n").as_bytes());
        }
        while stream.write_all(b"H").is_ok() {
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    for path in ["/head", "/body"] {
        let url = url(address, path);
        let fetcher = Fetcher::new(&url, &reach(&["127.0.0.2/32"]));
        let time = Duration::from_millis(300);
        let begun = Instant::now();
        let error = fetcher.get(&Request { time, ..request(&url, 1 << 20) }).unwrap_err();
        assert!(matches!(error.problem, FetchProblem::Time | FetchProblem::Connection(_)), "{path}: {error}");
        assert!(begun.elapsed() < Duration::from_secs(20), "{path}");
    }
}

#[test]
fn a_list_without_an_end_is_read_as_far_as_lists_may_go() {
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&sent);
    let (address, _) = served(PUBLIC, move |target, mut stream| {
        let _ = stream.write_all(head(200, "").as_bytes());
        let begun: &[u8] = if target == "/media" { b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n" } else { b"#EXTM3U\n" };
        let _ = stream.write_all(begun);
        let line = b"#EXTINF:1,\na.ts\n".repeat(1000);
        while stream.write_all(&line).is_ok() {
            counted.fetch_add(line.len(), Ordering::SeqCst);
        }
    });
    for path in ["/media", "/any"] {
        let url = url(address, path);
        let fetcher = Arc::new(Fetcher::new(&url, &reach(&["127.0.0.2/32"])));
        assert!(crate::feed::playlist::open(&fetcher, &url).unwrap_err().to_string().contains("larger than 1048576"));
    }
    // What the system's buffers take beyond that is theirs.
    assert!(sent.load(Ordering::SeqCst) < 64 << 20, "{}", sent.load(Ordering::SeqCst));
}

/// Gzip that unpacks to so many bytes of nothing, and does not end.
fn endless_gzip(bytes: usize) -> Vec<u8> {
    let command = format!("head -c {bytes} /dev/zero | gzip -1");
    let mut packed = Command::new("sh").args(["-c", &command]).output().unwrap().stdout;
    // Without its last block it is not over.
    packed.truncate(packed.len() - 64);
    packed
}

/// By MiB, and nobody waits for long.
fn tight() -> budget::Bounds {
    let mib = |n: usize| n << 20;
    budget::Bounds {
        game: mib(8),
        small: 1 << 17,
        smalls: 1 << 18,
        share: mib(2),
        pool: mib(12),
        kept: 0,
        heavy: mib(8),
        patience: Duration::from_millis(10),
        turn: Duration::from_secs(600),
    }
}

#[test]
fn hostile_bodies_hold_no_more_than_their_bounds_and_an_ordinary_one_goes_through() {
    let packed = endless_gzip(7 << 20);
    let (address, _) = served(PUBLIC, move |target, mut stream| {
        if target == "/good" {
            let body = vec![7; 1 << 20];
            let head = head(200, &format!("Content-Length: {}\r\n", body.len()));
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
            return;
        }
        let head = head(200, "Content-Encoding: gzip\r\n");
        let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&packed));
        // Silent until the other side has had enough.
        let _ = std::io::Read::read(&mut stream, &mut [0; 16]);
    });
    let url = |path: &str| url(address, path);
    let budget = Budget::new(tight());
    let game = || Fetcher::new(&url("/"), &reach(&["127.0.0.2/32"])).counting(Arc::new(FetchCounts::within(&budget)));
    let hostile: Vec<_> = (0..12).map(|_| game()).collect();
    let time = Duration::from_secs(20);
    let [one, other, many] = ["/one", "/other", "/many"].map(url);
    let held = || hostile.iter().map(|game| game.counts.account.held()).collect::<Vec<_>>();
    std::thread::scope(|scope| {
        // Two renditions of the first game, one of each other.
        let get = |game, url| scope.spawn(move || Fetcher::get(game, &Request { time, ..request(url, 64 << 20) }));
        let mut fetches = vec![get(&hostile[0], &one), get(&hostile[0], &other)];
        fetches.extend(hostile[1..].iter().map(|game| get(game, &many)));
        // Whoever is refused gives back what it had, for others to take: at the end one or two hold all of the pool.
        let until = Instant::now() + Duration::from_secs(15);
        while held().iter().filter(|held| **held > 6 << 20).count() == 0 {
            assert!(Instant::now() < until, "{:?}", held());
            std::thread::yield_now();
        }
        let ordinary = game();
        for _ in 0..20 {
            let held = held();
            assert!(held.iter().all(|held| *held <= (8 << 20) + (1 << 18)), "{held:?}");
            assert!(held.iter().sum::<usize>() <= 12 * (2 << 20) + (12 << 20), "{held:?}");
            let good = url("/good");
            assert_eq!(ordinary.get(&request(&good, 64 << 20)).unwrap().bytes.len(), 1 << 20);
        }
        hostile.iter().for_each(Fetcher::stop);
        let failed = fetches.into_iter().map(|fetch| fetch.join().unwrap().unwrap_err()).collect::<Vec<_>>();
        let full = failed.iter().find(|error| matches!(error.problem, FetchProblem::Full(_)));
        let full = full.unwrap_or_else(|| panic!("{failed:?}"));
        assert!(!full.problem.is_final() && full.to_string().contains("MiB"), "{full}");
        assert_eq!(full.source_error().reason(), Reason::TooLarge);
    });
    assert!(held().iter().all(|held| *held == 0), "{:?}", held());
}

#[test]
fn what_was_fetched_is_accounted_for_until_the_last_of_it_is_gone() {
    let (address, _) = served(PUBLIC, |target, mut stream| {
        let length = if target == "/cut" { 200_000 } else { 100_000 };
        let head = head(200, &format!("Content-Length: {length}\r\n"));
        let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&[7; 100_000]));
        if target == "/silent" {
            let _ = std::io::Read::read(&mut stream, &mut [0; 16]);
        }
    });
    let whole = url(address, "/whole");
    let counts = Arc::new(FetchCounts::within(&Budget::new(tight())));
    let fetcher = Fetcher::new(&whole, &reach(&["127.0.0.2/32"])).counting(Arc::clone(&counts));
    let mut bytes = fetcher.get(&request(&whole, 1 << 20)).unwrap().bytes;
    assert_eq!(counts.account.held(), 100_000);
    let part = bytes.split_to(10);
    drop(bytes);
    assert_eq!(counts.account.held(), 100_000, "a part holds the whole");
    drop(part);
    assert_eq!(counts.account.held(), 0);
    let cut = url(address, "/cut");
    assert_eq!(fetcher.get(&request(&cut, 1 << 20)).unwrap_err().problem, FetchProblem::Truncated);
    assert_eq!(fetcher.get(&request(&cut, 50_000)).unwrap_err().problem, FetchProblem::TooLarge { limit: 50_000 });
    assert_eq!(counts.account.held(), 0);
    // While large ones take all that their game may hold.
    let most = tight().game;
    let mut held = counts.account.body();
    held.grow(most, &|| false).unwrap();
    held.grow(200_000, &|| false).unwrap_err();
    assert_eq!(fetcher.get(&request(&whole, 1 << 20)).map(|_| ()), Ok(()), "a small one has its room");
    drop(held);
    assert_eq!(counts.account.held(), 0);
}

/// What a body takes of the memory is what is known of it, and an eighth.
#[test]
fn a_body_that_grows_takes_little_more_than_what_is_in_it() {
    let (counts, at) = (Arc::new(FetchCounts::default()), Url::parse("http://a/").unwrap());
    let fetcher = Fetcher::new(&at, &reach(&["127.0.0.2/32"])).counting(counts.clone());
    let mut body = fetcher.body();
    let piece = [7; 64 << 10];
    for pieces in 1..=130 {
        body.push(&at, &piece).unwrap();
        let length = pieces * piece.len();
        assert_eq!((body.bytes_mut().len(), counts.held()), (length, length));
        assert!(body.bytes_mut().capacity() <= length + (length / 8).max(piece.len()), "{length}");
    }
    drop(body);
    assert_eq!(counts.held(), 0);
}
