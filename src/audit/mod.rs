//! Who did what on operators' routes: a chain for each tenant, in which every entry's digest covers the one before it. So whoever changes, removes or adds one
//! later has to make anew all that come after it, and who noted a digest elsewhere finds out.

use std::collections::HashMap;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;

pub use crate::store::{AuditFilter, AuditRow};
use crate::store::{AuditReads, AuditRows, StoreError};

/// The digest before the first entry.
const GENESIS: [u8; 32] = [0; 32];

/// What digests of this layout begin with.
const DOMAIN: &[u8] = b"quadrille audit entry 1";

/// Entries that wait for a store that takes none, at most. What comes then is told to the log alone.
const MOST_WAITING: usize = 10_000;

/// Entries that are read in one go.
const PAGE: u32 = 1000;

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deed {
    pub tenant: String,
    /// Milliseconds of Unix time.
    pub at_ms: i64,
    /// The key's or the token's name.
    pub who: String,
    pub method: String,
    /// Without its query.
    pub path: String,
    /// What it was answered with.
    pub status: u16,
}

/// Where a tenant's chain ends.
#[derive(Clone, Copy)]
struct Head {
    seq: u64,
    digest: [u8; 32],
}

#[derive(Default)]
struct Chains {
    heads: HashMap<String, Head>,
    /// What the store has not taken yet, in order.
    waiting: Vec<Deed>,
}

/// The chains of all tenants.
pub struct Audit {
    rows: Arc<dyn AuditRows>,
    /// Held over the store: entries come one after the other.
    chains: Mutex<Chains>,
    verifying: Mutex<()>,
}

impl Audit {
    /// Goes on where the chains end.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn open(rows: Arc<dyn AuditRows>) -> Result<Self, StoreError> {
        let heads = rows.audit_heads().await?.into_iter();
        let heads = heads.map(|row| (row.tenant, Head { seq: row.seq, digest: row.digest })).collect();
        Ok(Self { rows, chains: Mutex::new(Chains { heads, waiting: Vec::new() }), verifying: Mutex::new(()) })
    }

    /// Notes what was done. Where the store takes nothing it waits in memory for the next deed, and the log has it.
    pub async fn note(&self, deed: Deed) {
        let mut chains = self.chains.lock().await;
        if chains.waiting.len() >= MOST_WAITING {
            tracing::error!(?deed, "the audit has no room for what was done");
            return;
        }
        chains.waiting.push(deed);
        while let Some(deed) = chains.waiting.first().cloned() {
            let before = chains.heads.get(&deed.tenant).copied().unwrap_or(Head { seq: 0, digest: GENESIS });
            let row = entry(before, deed.clone());
            let head = Head { seq: row.seq, digest: row.digest };
            if let Err(error) = self.rows.add_audit(row).await {
                tracing::error!(%error, ?deed, "the audit cannot keep what was done yet");
                return;
            }
            chains.heads.insert(deed.tenant, head);
            chains.waiting.remove(0);
        }
    }

    /// A tenant's entries, at most `filter.limit`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn entries(&self, tenant: &str, filter: AuditFilter) -> Result<Vec<AuditRow>, StoreError> {
        self.rows.audit(tenant, filter).await
    }

    /// Digests a tenant's chain anew, which must come to where it was known to end; one after the other, whoever asks.
    ///
    /// # Errors
    /// [`Broken::Entry`], and when the store cannot be read.
    pub async fn verify(&self, tenant: &str) -> Result<Holds, Broken> {
        let _one_at_a_time = self.verifying.lock().await;
        let known = self.chains.lock().await.heads.get(tenant).copied();
        let holds = verify_one(&*self.rows, tenant, &mut |_| ()).await?;
        match known {
            // Whoever takes the newest ones away leaves a chain that holds.
            Some(head) if head.seq > holds.entries => {
                Err(Broken::Entry { tenant: tenant.to_owned(), seq: holds.entries + 1 })
            }
            _ => Ok(holds),
        }
    }
}

fn entry(before: Head, deed: Deed) -> AuditRow {
    let Deed { tenant, at_ms, who, method, path, status } = deed;
    let mut row = AuditRow { tenant, seq: before.seq + 1, at_ms, who, method, path, status, digest: GENESIS };
    row.digest = digest(&before.digest, &row);
    row
}

/// Of every field, texts with their lengths before them: two different entries never digest alike.
fn digest(before: &[u8; 32], row: &AuditRow) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(DOMAIN);
    hash.update(before);
    hash.update(row.seq.to_be_bytes());
    hash.update(row.at_ms.to_be_bytes());
    hash.update(row.status.to_be_bytes());
    for text in [&row.tenant, &row.who, &row.method, &row.path] {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    }
    hash.finalize().into()
}

/// A chain that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holds {
    pub tenant: String,
    pub entries: u64,
    /// The newest entry's digest.
    pub head: [u8; 32],
}

/// Why a chain does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    #[error("tenant {tenant:?}: entry {seq} is not what was written there, or what came before it is not")]
    Entry { tenant: String, seq: u64 },
    #[error("none of the chains goes through the head that was given")]
    Head,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Digests every chain anew. `head`, noted earlier, must be the digest of one of the entries.
///
/// # Errors
/// [`Broken`], with the first entry that is.
pub async fn verify(rows: &dyn AuditReads, head: Option<[u8; 32]>) -> Result<Vec<Holds>, Broken> {
    let mut all = Vec::new();
    let mut seen = head.is_none();
    for newest in rows.audit_heads().await? {
        all.push(verify_one(rows, &newest.tenant, &mut |digest| seen |= head == Some(*digest)).await?);
    }
    if seen { Ok(all) } else { Err(Broken::Head) }
}

/// Digests one chain anew, and shows each digest of it.
async fn verify_one(
    rows: &(impl AuditReads + ?Sized),
    tenant: &str,
    show: &mut (dyn FnMut(&[u8; 32]) + Send),
) -> Result<Holds, Broken> {
    let mut held = Holds { tenant: tenant.to_owned(), entries: 0, head: GENESIS };
    loop {
        let page = rows.audit(tenant, AuditFilter { after: held.entries, ..AuditFilter::all(PAGE) }).await?;
        if page.is_empty() {
            return Ok(held);
        }
        for row in page {
            if row.seq != held.entries + 1 || digest(&held.head, &row) != row.digest {
                return Err(Broken::Entry { tenant: tenant.to_owned(), seq: row.seq });
            }
            show(&row.digest);
            (held.entries, held.head) = (row.seq, row.digest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{SqliteStore, Store};

    fn deed(tenant: &str, path: &str) -> Deed {
        let text = str::to_owned;
        Deed { tenant: text(tenant), at_ms: 1000, who: text("kim"), method: text("PUT"), path: text(path), status: 200 }
    }

    #[tokio::test]
    async fn what_was_done_stays_and_whoever_changes_it_is_found_out() {
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(dir.path()).await.unwrap());
        let audit = Audit::open(store.clone()).await.unwrap();
        audit.note(deed("acme", "/v1/operator/games/a")).await;
        audit.note(deed("other", "/v1/operator/games/b")).await;
        let noted = verify(&*store, None).await.unwrap()[0].head;
        // After a restart the chains go on.
        let audit = Audit::open(store.clone()).await.unwrap();
        audit.note(deed("acme", "/v1/operator/games/c")).await;
        let holds = verify(&*store, Some(noted)).await.unwrap();
        let of = |holds: &[Holds]| holds.iter().map(|holds| (holds.tenant.clone(), holds.entries)).collect::<Vec<_>>();
        assert_eq!(of(&holds), [("acme".to_owned(), 2), ("other".to_owned(), 1)]);
        assert_eq!(verify(&*store, Some([7; 32])).await, Err(Broken::Head));
        let of = |after, from_ms| AuditFilter { after, from_ms, to_ms: 2000, ..AuditFilter::all(10) };
        let told = audit.entries("acme", of(1, 0)).await.unwrap();
        assert_eq!(told.iter().map(|row| (row.seq, &*row.path)).collect::<Vec<_>>(), [(2, "/v1/operator/games/c")]);
        assert_eq!(audit.entries("acme", of(0, 1001)).await.unwrap(), []);
        store.close().await.unwrap();

        // By somebody with the file: the table itself refuses, and who gets around that is found.
        let file = dir.path().join("quadrille.sqlite");
        let script = |text: &str| {
            let code =
                format!("import sqlite3,sys; c=sqlite3.connect(sys.argv[1]); c.executescript({text:?}); c.commit()");
            std::process::Command::new("python3").args(["-c", &code]).arg(&file).output().unwrap().status.success()
        };
        assert!(!script("UPDATE audit SET who = 'nobody' WHERE seq = 1"));
        assert!(!script("DELETE FROM audit"));
        assert!(script("DROP TRIGGER audit_stays; UPDATE audit SET who = 'nobody' WHERE tenant = 'acme' AND seq = 1"));
        let store = SqliteStore::open(dir.path()).await.unwrap();
        assert_eq!(verify(&store, None).await, Err(Broken::Entry { tenant: "acme".into(), seq: 1 }));
        let audit = Audit::open(Arc::new(store)).await.unwrap();
        assert_eq!(audit.verify("acme").await, Err(Broken::Entry { tenant: "acme".into(), seq: 1 }));
        assert_eq!(audit.verify("other").await.map(|holds| holds.entries), Ok(1));
        // A chain without its newest entry holds, and ends too early for who runs.
        assert!(script("DROP TRIGGER audit_is_kept; DELETE FROM audit WHERE tenant = 'other'"));
        assert_eq!(audit.verify("other").await, Err(Broken::Entry { tenant: "other".into(), seq: 1 }));
        assert_eq!(audit.verify("nobody").await.map(|holds| holds.entries), Ok(0));
    }
}
