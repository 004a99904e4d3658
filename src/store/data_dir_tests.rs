use super::*;
use crate::store::testing::session_row;
use crate::store::{LedgerReads, SessionWrite, SqliteStore, Store, ledger_seed};

const HOUR_MS: i64 = 3_600_000;

fn seal(hour: i64) -> ClosedHour {
    ClosedHour {
        hour_start_ms: hour * HOUR_MS,
        entries: 0,
        billable_seconds: 0,
        digest: [u8::try_from(hour).unwrap(); 32],
        public_key: [1; 32],
        signature: [2; 64],
        price_lists: None,
    }
}

/// A directory that was in use: a session, a key, two sealed hours.
async fn used(dir: &Path) {
    let store = SqliteStore::open(dir).await.unwrap();
    ledger_seed(dir).unwrap();
    store.write_sessions(vec![SessionWrite::whole(session_row("acme", "s"), Vec::new())]).await.unwrap();
    for hour in [1, 2] {
        store.seal_hour(seal(hour)).await.unwrap();
    }
    store.close().await.unwrap();
}

async fn refused(dir: &Path) -> Unfit {
    match SqliteStore::open(dir).await.err() {
        Some(StoreError::Unfit(unfit)) => unfit,
        other => panic!("{other:?}"),
    }
}

const AFRESH: Begin = Begin { afresh: true, with_new_ledger_key: false };

#[tokio::test]
async fn a_fresh_directory_begins_by_itself_wherever_a_first_start_was_killed() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("lock"), "").unwrap();
    fs::write(dir.path().join(FILE_NAME), "").unwrap();
    SqliteStore::open(dir.path()).await.unwrap().close().await.unwrap();
    // Killed before the marker was written.
    fs::remove_file(dir.path().join(MARKER)).unwrap();
    SqliteStore::open(dir.path()).await.unwrap().close().await.unwrap();
    assert!(dir.path().join(MARKER).exists());
    // Killed when the database had a header and no tables.
    let header = tempfile::tempdir().unwrap();
    let options = SqliteConnectOptions::new().filename(header.path().join(FILE_NAME)).create_if_missing(true);
    let options = options.journal_mode(sqlx::sqlite::SqliteJournalMode::Wal);
    options.connect().await.unwrap().close().await.unwrap();
    assert!(length(&header.path().join(FILE_NAME)).unwrap() > 0);
    SqliteStore::open(header.path()).await.unwrap().close().await.unwrap();
}

#[tokio::test]
async fn a_directory_that_was_used_and_has_no_database_is_refused_by_name_and_begins_afresh_when_told_to() {
    for empty in [false, true] {
        for evidence in [MARKER, "secrets/ledger_ed25519"] {
            let dir = tempfile::tempdir().unwrap();
            used(dir.path()).await;
            let (database, left) = (dir.path().join(FILE_NAME), dir.path().join(evidence));
            fs::remove_file(&database).unwrap();
            if empty {
                fs::write(&database, "").unwrap();
            }
            if evidence != MARKER {
                // As it was before there were markers.
                fs::remove_file(dir.path().join(MARKER)).unwrap();
            }
            let unfit = refused(dir.path()).await;
            assert_eq!(unfit, Unfit::DatabaseGone { database: database.clone(), evidence: left });
            let said = unfit.to_string();
            assert!(said.contains(&*database.to_string_lossy()) && said.contains("--new"), "{said}");
            assert!(refused(dir.path()).await == unfit, "and again: nothing was made");
            let store = SqliteStore::open_as(dir.path(), AFRESH).await.unwrap();
            assert_eq!(store.active_sessions().await.unwrap(), []);
            assert!(dir.path().join("set-aside-1").join(evidence).exists());
            store.close().await.unwrap();
            SqliteStore::open(dir.path()).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_log_without_its_database_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("quadrille.sqlite-wal");
    fs::write(&log, "what was not carried over").unwrap();
    let database = dir.path().join(FILE_NAME);
    assert_eq!(refused(dir.path()).await, Unfit::DatabaseGone { database, evidence: log.clone() });
    assert!(length(&log).unwrap() > 0);
}

#[tokio::test]
async fn another_database_an_empty_one_and_an_older_one_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    used(dir.path()).await;
    let (database, marker) = (dir.path().join(FILE_NAME), dir.path().join(MARKER));
    let older = fs::read(&database).unwrap();
    let store = SqliteStore::open(dir.path()).await.unwrap();
    store.seal_hour(seal(3)).await.unwrap();
    store.close().await.unwrap();
    let newest = fs::read(&database).unwrap();

    fs::write(&database, &older).unwrap();
    let hour = "1970-01-01T03:00:00Z".to_owned();
    let unfit = refused(dir.path()).await;
    assert_eq!(unfit, Unfit::DatabaseOlder { database: database.clone(), marker: marker.clone(), hour });

    let other = tempfile::tempdir().unwrap();
    used(other.path()).await;
    fs::copy(other.path().join(FILE_NAME), &database).unwrap();
    assert_eq!(refused(dir.path()).await, Unfit::DatabaseOther { database: database.clone(), marker: marker.clone() });

    fs::remove_file(&database).unwrap();
    let options = SqliteConnectOptions::new().filename(&database).create_if_missing(true);
    let mut empty = options.connect().await.unwrap();
    sqlx::query("CREATE TABLE something (else_ TEXT)").execute(&mut empty).await.unwrap();
    empty.close().await.unwrap();
    assert_eq!(refused(dir.path()).await, Unfit::DatabaseGone { database: database.clone(), evidence: marker.clone() });

    // The newest belongs there; and the older one does once somebody said that the rest is lost.
    fs::write(&database, &newest).unwrap();
    SqliteStore::open(dir.path()).await.unwrap().close().await.unwrap();
    fs::write(&database, &older).unwrap();
    fs::remove_file(&marker).unwrap();
    let store = SqliteStore::open(dir.path()).await.unwrap();
    assert_eq!(store.last_closed_hour().await.unwrap(), Some(seal(2)));
}

#[tokio::test]
async fn a_database_of_before_there_were_markers_gets_one() {
    let dir = tempfile::tempdir().unwrap();
    used(dir.path()).await;
    fs::remove_file(dir.path().join(MARKER)).unwrap();
    SqliteStore::open(dir.path()).await.unwrap().close().await.unwrap();
    let marker = Marker::read(dir.path()).unwrap().unwrap();
    assert_eq!(marker.head, Some(Head { hour_start_ms: 2 * HOUR_MS, digest: hex::encode([2; 32]) }));
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_by_name_and_set_aside_when_told_to() {
    let dir = tempfile::tempdir().unwrap();
    let database = dir.path().join(FILE_NAME);
    fs::write(&database, "not a database, and long enough to be taken for one".repeat(100)).unwrap();
    let error = SqliteStore::open(dir.path()).await.err().unwrap();
    assert!(matches!(&error, StoreError::Damaged(said) if said.contains(FILE_NAME)), "{error:?}");
    SqliteStore::open_as(dir.path(), AFRESH).await.unwrap();
    assert!(dir.path().join("set-aside-1").join(FILE_NAME).exists());
}

#[tokio::test]
async fn nothing_that_is_whole_is_set_aside() {
    let dir = tempfile::tempdir().unwrap();
    used(dir.path()).await;
    let error = SqliteStore::open_as(dir.path(), AFRESH).await.err().unwrap();
    assert_eq!(error, StoreError::Unfit(Unfit::NothingMissing(dir.path().to_owned())));
    SqliteStore::open(dir.path()).await.unwrap();
}

#[tokio::test]
async fn a_marker_that_says_something_else_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    used(dir.path()).await;
    fs::write(dir.path().join(MARKER), "{}").unwrap();
    assert_eq!(refused(dir.path()).await, Unfit::Marker(dir.path().join(MARKER)));
}

#[tokio::test]
async fn a_database_is_one_stores_whatever_way_leads_to_it() {
    let dir = tempfile::tempdir().unwrap();
    let house = dir.path().join("house");
    let store = SqliteStore::open(&house).await.unwrap();
    let in_use = |error: Option<StoreError>| matches!(&error, Some(StoreError::InUse(_)));
    // The directory by another name.
    let linked = dir.path().join("linked");
    std::os::unix::fs::symlink(&house, &linked).unwrap();
    assert!(in_use(SqliteStore::open(&linked).await.err()));
    // Its lock removed.
    fs::remove_file(house.join("lock")).unwrap();
    let error = SqliteStore::open(&house).await.err();
    assert_eq!(error, Some(StoreError::InUse(house.join(FILE_NAME))));
    assert!(error.unwrap().to_string().contains(FILE_NAME));
    // The database alone, from another directory: as a link, and as the same file by a second name.
    for link in [std::os::unix::fs::symlink::<PathBuf, PathBuf>, fs::hard_link::<PathBuf, PathBuf>] {
        let elsewhere = tempfile::tempdir_in(dir.path()).unwrap();
        link(house.join(FILE_NAME), elsewhere.path().join(FILE_NAME)).unwrap();
        assert!(in_use(SqliteStore::open(elsewhere.path()).await.err()));
    }
    store.write_sessions(vec![SessionWrite::whole(session_row("acme", "s"), Vec::new())]).await.unwrap();
    store.close().await.unwrap();
    SqliteStore::open(&house).await.unwrap();
}

#[test]
fn what_others_may_read_is_found_and_links_are_not_followed() {
    let (dir, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let (file, folder) = (dir.path().join("a"), dir.path().join("clips"));
    fs::create_dir(&folder).unwrap();
    let inner = folder.join("b.mp4");
    for path in [&file, &inner, &elsewhere.path().join("c")] {
        fs::write(path, "").unwrap();
        set(path, 0o600);
    }
    set(elsewhere.path(), 0o777);
    std::os::unix::fs::symlink(elsewhere.path(), dir.path().join("link")).unwrap();
    for (path, mode) in [(dir.path(), 0o700), (&*folder, 0o700)] {
        set(path, mode);
    }
    assert_eq!(wider(dir.path()).unwrap(), None);
    set(&inner, 0o640);
    assert_eq!(wider(dir.path()).unwrap(), Some((1, inner.clone(), 0o640)));
    set(dir.path(), 0o755);
    assert_eq!(wider(dir.path()).unwrap(), Some((2, dir.path().to_owned(), 0o755)));
}
