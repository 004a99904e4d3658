//! TLS: a certificate and its key from files, read anew when they change. Connections that are open stay as they are.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::{Mutex, RwLock};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio_rustls::TlsAcceptor;

use crate::config;

/// Files are looked at this often: those who renew certificates do it days ahead.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("cannot read {}: {source}", .path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{}: {what}: {source}", .path.display())]
    NoPem { path: PathBuf, what: &'static str, source: pem::Error },
    #[error("{} is encrypted, and there is nobody to ask for its passphrase: `openssl pkey -in KEY -out PLAIN` writes one that is not", .0.display())]
    Encrypted(PathBuf),
    #[error("{} has no certificate", .0.display())]
    NoCertificate(PathBuf),
    #[error("{} and {} do not belong together: {source}", .files.certificate.display(), .files.key.display())]
    Unfit { files: config::Tls, source: rustls::Error },
    #[error("TLS: {0}")]
    Versions(rustls::Error),
}

/// See the module.
pub struct Tls {
    files: config::Tls,
    current: Arc<Current>,
    seen: Mutex<Stamps>,
    acceptor: TlsAcceptor,
}

/// Of both files: when they changed, and how long they are.
type Stamps = [Option<(SystemTime, u64)>; 2];

#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().clone())
    }
}

impl Tls {
    /// Reads the files, and speaks HTTP/2 and HTTP/1.1 over TLS 1.3 and 1.2 with what they say.
    ///
    /// # Errors
    /// When a file cannot be read, is no PEM, or the two do not belong together.
    pub fn load(files: config::Tls) -> Result<Self, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let seen = stamps(&files);
        let current = Arc::new(Current(RwLock::new(Arc::new(certified(&files, &provider)?))));
        let builder = rustls::ServerConfig::builder_with_provider(provider);
        let builder = builder.with_safe_default_protocol_versions().map_err(TlsError::Versions)?;
        let mut settings = builder.with_no_client_auth().with_cert_resolver(current.clone());
        settings.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { files, current, seen: Mutex::new(seen), acceptor: TlsAcceptor::from(Arc::new(settings)) })
    }

    pub(super) fn acceptor(&self) -> &TlsAcceptor {
        &self.acceptor
    }

    /// Takes up files that have changed. Those that cannot be used are told of once, and the former go on.
    pub(super) fn look(&self) {
        let stamps = stamps(&self.files);
        if std::mem::replace(&mut *self.seen.lock(), stamps) == stamps {
            return;
        }
        match certified(&self.files, &ring::default_provider()) {
            Ok(new) => {
                *self.current.0.write() = Arc::new(new);
                tracing::info!(certificate = %self.files.certificate.display(), "a new certificate is in use");
            }
            Err(error) => tracing::error!(%error, "a new certificate cannot be used: the one before stays"),
        }
    }
}

fn stamps(files: &config::Tls) -> Stamps {
    let stamp = |path: &Path| {
        let about = std::fs::metadata(path).ok()?;
        Some((about.modified().ok()?, about.len()))
    };
    [stamp(&files.certificate), stamp(&files.key)]
}

fn certified(files: &config::Tls, provider: &CryptoProvider) -> Result<CertifiedKey, TlsError> {
    let read =
        |path: &PathBuf| std::fs::read(path).map_err(|source| TlsError::Unreadable { path: path.clone(), source });
    let no_pem = |path: &PathBuf, what| {
        let path = path.clone();
        move |source| TlsError::NoPem { path, what, source }
    };
    let chain = CertificateDer::pem_slice_iter(&read(&files.certificate)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(no_pem(&files.certificate, "these are no certificates in PEM"))?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate(files.certificate.clone()));
    }
    let key = read(&files.key)?;
    // As PKCS #8 says it, and as OpenSSL did before.
    let text = String::from_utf8_lossy(&key);
    if ["ENCRYPTED PRIVATE KEY", "Proc-Type: 4,ENCRYPTED"].iter().any(|says| text.contains(says)) {
        return Err(TlsError::Encrypted(files.key.clone()));
    }
    let key = PrivateKeyDer::from_pem_slice(&key).map_err(no_pem(&files.key, "this is no private key in PEM"))?;
    CertifiedKey::from_der(chain, key, provider).map_err(|source| TlsError::Unfit { files: files.clone(), source })
}

#[cfg(test)]
#[path = "tls_tests.rs"]
mod tests;
