use super::*;
use std::net::SocketAddr;

use axum::Router;
use axum::http::request::Parts;
use axum::routing::get;
use rustls::RootCertStore;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::api::server::Secure;
use crate::api::{ServerLimits, serve};
use crate::metrics::Metrics;

/// A certificate and its key, in PEM, and as clients trust it.
fn issued() -> (String, String, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem(), made.cert.der().clone())
}

fn files(dir: &Path) -> config::Tls {
    config::Tls { certificate: dir.join("chain.pem"), key: dir.join("key.pem") }
}

fn write(dir: &Path, certificate: &str, key: &str) {
    std::fs::write(dir.join("chain.pem"), certificate).unwrap();
    std::fs::write(dir.join("key.pem"), key).unwrap();
}

async fn start(tls: Arc<Tls>, limits: ServerLimits) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let is_secure = |parts: Parts| async move {
        if parts.extensions.get::<Secure>().is_some() { "over TLS" } else { "in the clear" }
    };
    let router = Router::new().route("/", get(is_secure));
    let metrics = Arc::new(Metrics::new().unwrap());
    tokio::spawn(serve(listener, router, Some(tls), limits, metrics, std::future::pending()));
    address
}

async fn connected(
    address: SocketAddr,
    trusted: &CertificateDer<'static>,
    protocol: &str,
) -> io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let builder = rustls::ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let mut settings =
        builder.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots).with_no_client_auth();
    settings.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    let stream = TcpStream::connect(address).await.unwrap();
    TlsConnector::from(Arc::new(settings)).connect(ServerName::try_from("localhost").unwrap(), stream).await
}

async fn answer(mut stream: TlsStream<TcpStream>) -> String {
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer).await;
    answer
}

#[tokio::test]
async fn requests_come_over_tls_in_both_protocols_and_certificates_change_while_it_runs() {
    let dir = tempfile::tempdir().unwrap();
    let (certificate, key, first) = issued();
    write(dir.path(), &certificate, &key);
    let tls = Arc::new(Tls::load(files(dir.path())).unwrap());
    let address = start(tls.clone(), ServerLimits::default()).await;
    let said = answer(connected(address, &first, "http/1.1").await.unwrap()).await;
    assert!(said.starts_with("HTTP/1.1 200") && said.ends_with("over TLS"), "{said}");
    assert!(said.contains("strict-transport-security: max-age=31536000"), "{said}");
    let mut two = connected(address, &first, "h2").await.unwrap();
    assert_eq!(two.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    // The preface and empty settings (RFC 9113, 3.4) are answered with settings, frames of type 4.
    two.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let mut head = [0; 9];
    two.read_exact(&mut head).await.unwrap();
    assert_eq!(head[3], 4);
    // Half of a change, then all of it.
    let (certificate, key, second) = issued();
    std::fs::write(dir.path().join("chain.pem"), certificate + "\n").unwrap();
    tls.look();
    assert!(connected(address, &first, "http/1.1").await.is_ok(), "the former goes on");
    std::fs::write(dir.path().join("key.pem"), key + "\n").unwrap();
    tls.look();
    assert!(connected(address, &first, "http/1.1").await.is_err());
    let said = answer(connected(address, &second, "http/1.1").await.unwrap()).await;
    assert!(said.ends_with("over TLS"), "{said}");
}

#[tokio::test]
async fn who_does_not_shake_hands_is_let_go() {
    let dir = tempfile::tempdir().unwrap();
    let (certificate, key, _) = issued();
    write(dir.path(), &certificate, &key);
    let tls = Arc::new(Tls::load(files(dir.path())).unwrap());
    let limits = ServerLimits { head_patience: Duration::from_millis(50), ..ServerLimits::default() };
    let address = start(tls, limits).await;
    for said in [&b""[..], b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"\x16\x03\x01"] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(said).await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    }
}

#[test]
fn files_that_cannot_be_used_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let refused = || Tls::load(files(dir.path())).err().map(|error| error.to_string()).unwrap_or_default();
    assert!(refused().contains("cannot read") && refused().contains("chain.pem"), "{}", refused());
    let ((certificate, key, _), (_, other, _)) = (issued(), issued());
    write(dir.path(), "nothing", &key);
    assert!(refused().contains("chain.pem has no certificate"), "{}", refused());
    write(dir.path(), &certificate, &certificate);
    assert!(refused().contains("key.pem: this is no private key"), "{}", refused());
    for encrypted in [
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n",
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,0A\n\nMIIB\n-----END RSA PRIVATE KEY-----\n",
    ] {
        write(dir.path(), &certificate, encrypted);
        assert!(refused().contains("key.pem is encrypted"), "{}", refused());
    }
    write(dir.path(), &certificate, &other);
    assert!(refused().contains("do not belong together"), "{}", refused());
    write(dir.path(), &certificate, &key);
    assert_eq!(refused(), "");
}
