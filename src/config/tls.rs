//! TLS: where the certificate and its key are.

use std::path::PathBuf;

use super::read_path;
use super::reader::Table;

/// Files in PEM, read anew when they change; relative to the working directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// The certificate, and those it stands on.
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// Reads `[tls]`. Without it the service speaks HTTP alone.
pub(super) fn read(root: &mut Table) -> Option<Tls> {
    let mut table = root.table("tls")?;
    let path = |table: &mut Table, key, of| {
        table.required(key, &format!("the path of a PEM file with {of} is needed"))?;
        read_path(table, key)
    };
    let certificate = path(&mut table, "certificate", "the certificate chain");
    let key = path(&mut table, "key", "its private key");
    table.finish();
    Some(Tls { certificate: certificate?, key: key? })
}
