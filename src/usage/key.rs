//! The key that signs the ledger, and whether it is the one that signed it so far. One that is lost is not made anew without a word:
//! `verify` would then find every old hour signed by a stranger.

use std::path::{Path, PathBuf};

use ed25519_dalek::SigningKey;

use crate::store::{ClosedHour, LedgerReads, SqliteStore, StoreError, ledger_key_file, ledger_seed, read_ledger_seed};

/// Why no hour can be signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error(
        "{} is missing, and hours of the ledger are signed with its key (public key {}): put the backup back, or start with \
         --new-ledger-key to sign with a new one from now on; `usage verify` then needs both, as --public-key",
        .file.display(), hex::encode(.public_key)
    )]
    Missing { file: PathBuf, public_key: [u8; 32] },
    #[error(
        "{} holds another key (public key {}) than the one that signed the last hour of the ledger ({}): put the backup back, or \
         start with --new-ledger-key to sign with this one from now on; `usage verify` then needs both, as --public-key",
        .file.display(), hex::encode(.is), hex::encode(.signed)
    )]
    Other { file: PathBuf, is: [u8; 32], signed: [u8; 32] },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The seed of the key that signs the ledger of `store`, in `data_dir`; made where nothing is signed yet, or where
/// `may_be_new` says that another one may go on. From then on that one is expected.
///
/// # Errors
/// [`KeyError::Missing`] and [`KeyError::Other`] where old hours are signed with another key.
pub async fn ledger_key(store: &SqliteStore, data_dir: &Path, may_be_new: bool) -> Result<[u8; 32], KeyError> {
    let seed = read_ledger_seed(data_dir)?;
    let signed = store.last_closed_hour().await?;
    let known = seed.as_ref().map(public_key);
    if let Some(error) = misfit(known, signed.as_ref(), store.noted_ledger_key(), ledger_key_file(data_dir)) {
        if !may_be_new {
            return Err(error);
        }
        tracing::warn!(%error, "another key signs the ledger from now on");
    }
    let seed = ledger_seed(data_dir)?;
    let public_key = public_key(&seed);
    if known.is_none() {
        tracing::info!(public_key = hex::encode(public_key), "a new key signs the ledger");
    }
    store.note_ledger_key(public_key).await;
    Ok(seed)
}

fn public_key(seed: &[u8; 32]) -> [u8; 32] {
    SigningKey::from_bytes(seed).verifying_key().to_bytes()
}

/// What is wrong with the key that `is` there, of a ledger that was `signed` last by another, unless it was `noted` as the next.
fn misfit(
    is: Option<[u8; 32]>,
    signed: Option<&ClosedHour>,
    noted: Option<[u8; 32]>,
    file: PathBuf,
) -> Option<KeyError> {
    let signed = signed?.public_key;
    match is {
        None => Some(KeyError::Missing { file, public_key: noted.unwrap_or(signed) }),
        Some(is) if is != signed && noted != Some(is) => Some(KeyError::Other { file, is, signed }),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::store::Store;
    use crate::usage::testing::{GRACE, START_MS, book, line};
    use crate::usage::{Closing, HourFault, PriceBook, TrustedKeys, VerifyError, verify};

    const HOUR_MS: i64 = 3_600_000;

    /// A start that closes an hour more than the one before it.
    async fn run(dir: &Path, hour: i64, may_be_new: bool) -> Result<[u8; 32], KeyError> {
        let store = Arc::new(SqliteStore::open(dir).await.unwrap());
        let seed = ledger_key(&store, dir, may_be_new).await;
        if let Ok(seed) = &seed {
            book(&store, vec![line("s", 60 * hour, 30)]).await;
            let closing = Closing::new(store.clone(), seed, PriceBook::default(), GRACE);
            closing.run(START_MS + (hour + 1) * HOUR_MS + 700_000).await.unwrap();
        }
        store.close().await.unwrap();
        seed
    }

    #[tokio::test]
    async fn a_key_that_signed_hours_and_is_lost_or_another_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let file = ledger_key_file(dir.path());
        let seed = run(dir.path(), 0, false).await.unwrap();
        let key = public_key(&seed);
        assert_eq!(run(dir.path(), 1, false).await, Ok(seed));

        std::fs::rename(&file, dir.path().join("kept")).unwrap();
        let error = run(dir.path(), 2, false).await.unwrap_err();
        assert_eq!(error, KeyError::Missing { file: file.clone(), public_key: key });
        assert!(error.to_string().contains(&*file.to_string_lossy()) && error.to_string().contains(&hex::encode(key)));
        assert!(!file.exists(), "none was made");

        std::fs::write(&file, hex::encode([9; 32])).unwrap();
        let is = public_key(&[9; 32]);
        assert_eq!(run(dir.path(), 2, false).await, Err(KeyError::Other { file: file.clone(), is, signed: key }));

        std::fs::rename(dir.path().join("kept"), &file).unwrap();
        assert_eq!(run(dir.path(), 2, false).await, Ok(seed));
    }

    #[tokio::test]
    async fn a_key_that_is_lost_before_it_signed_anything_is_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(dir.path()).await.unwrap();
        let seed = ledger_key(&store, dir.path(), false).await.unwrap();
        std::fs::remove_file(ledger_key_file(dir.path())).unwrap();
        assert_ne!(ledger_key(&store, dir.path(), false).await.unwrap(), seed);
    }

    #[tokio::test]
    async fn a_new_key_goes_on_with_the_chain_and_both_verify_it() {
        let dir = tempfile::tempdir().unwrap();
        let old = run(dir.path(), 0, false).await.unwrap();
        std::fs::remove_file(ledger_key_file(dir.path())).unwrap();
        // Told once, and killed before an hour is signed with the new one.
        let store = SqliteStore::open(dir.path()).await.unwrap();
        let new = ledger_key(&store, dir.path(), true).await.unwrap();
        store.close().await.unwrap();
        assert_ne!(new, old);
        assert_eq!(run(dir.path(), 1, false).await, Ok(new));

        let ledger = crate::store::SqliteLedger::open(dir.path()).await.unwrap();
        let mut trusted = TrustedKeys::default();
        trusted.add_seed(&new);
        let fault = HourFault::Signature(public_key(&old));
        let broken = VerifyError::Broken { hour_start_ms: START_MS, fault };
        assert_eq!(verify(&ledger, &trusted, None).await, Err(broken));
        trusted.add_hex(&hex::encode(public_key(&old))).unwrap();
        assert_eq!(verify(&ledger, &trusted, None).await.unwrap().hours, 2);
    }
}
