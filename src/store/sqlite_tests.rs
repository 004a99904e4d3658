use std::os::unix::fs::PermissionsExt as _;

use proptest::prelude::*;

use super::*;
use crate::store::testing::{session_row, watched};
use crate::store::{MeterLine, Watched, testing};

fn game(tenant: &str, id: &str) -> GameRow {
    GameRow {
        tenant: tenant.into(),
        id: id.into(),
        title: "Knicks at Celtics, “live”".into(),
        sources: vec!["srt://one:9000".into(), "https://two/index.m3u8".into()],
        labels: [("league".to_owned(), "nba".to_owned())].into(),
        break_policy: Some("slate".into()),
        offset_ms: -1700,
        rights: Some(r#"{"regions":["GB"]}"#.into()),
    }
}

fn write(session: SessionRow) -> Vec<SessionWrite> {
    vec![SessionWrite::whole(session, Vec::new())]
}

fn line(minute_start_ms: i64, billable_seconds: u32) -> MeterLine {
    MeterLine {
        tenant: "acme".into(),
        session_id: "s".into(),
        minute_start_ms,
        billable_seconds,
        slate_seconds: 0,
        slate_all_seconds: 0,
        watched: watched("2EH"),
    }
}

#[tokio::test]
async fn a_secret_is_made_once_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&dir.path().join("made/if/need/be")).await.unwrap();
    let secret = store.secret("one").await.unwrap();
    assert_eq!(store.secret("one").await.unwrap(), secret);
    assert_ne!(store.secret("two").await.unwrap(), secret);
    store.close().await.unwrap();
    assert_eq!(store.secret("three").await, Err(StoreError::Closed));
    let again = SqliteStore::open(&dir.path().join("made/if/need/be")).await.unwrap();
    assert_eq!(again.secret("one").await.unwrap(), secret);
}

#[tokio::test]
async fn no_secret_is_in_the_database_and_one_that_was_moves_out() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path()).await.unwrap();
    let fresh = store.secret("fresh").await.unwrap();
    let keep = sqlx::query("INSERT INTO secrets (name, bytes) VALUES ('old', ?)").bind(vec![7u8; 32]);
    keep.execute(&store.readers).await.unwrap();
    assert_eq!(store.secret("old").await.unwrap(), [7; 32]);
    assert_eq!(store.secret("old").await.unwrap(), [7; 32], "from its file");
    let rows: Vec<Vec<u8>> = sqlx::query_scalar("SELECT bytes FROM secrets").fetch_all(&store.readers).await.unwrap();
    assert_eq!(rows, [vec![0; 32]]);
    store.close().await.unwrap();
    let bytes = std::fs::read(dir.path().join("quadrille.sqlite")).unwrap();
    for secret in [[7; 32], fresh] {
        assert!(!bytes.windows(32).any(|window| window == secret));
    }
    let mode = std::fs::metadata(dir.path().join("secrets/old")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn a_folder_has_one_store_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path()).await.unwrap();
    let refused = SqliteStore::open(dir.path()).await.err().unwrap();
    assert_eq!(refused, StoreError::InUse(dir.path().to_owned()));
    assert!(refused.to_string().contains(&dir.path().display().to_string()), "{refused}");
    store.close().await.unwrap();
    let next = SqliteStore::open(dir.path()).await.unwrap();
    drop(next);
    SqliteStore::open(dir.path()).await.unwrap();
}

#[tokio::test]
async fn nobody_but_the_services_user_can_read_the_database() {
    use std::os::unix::fs::PermissionsExt as _;
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("data");
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let files = || ["", "-wal", "-shm"].map(|suffix| mode(&dir.join(format!("{FILE_NAME}{suffix}"))));
    let store = SqliteStore::open(&dir).await.unwrap();
    store.add_game(game("acme", "a")).await.unwrap();
    assert_eq!((mode(&dir), files()), (0o700, [0o600; 3]));
    store.close().await.unwrap();
    // One that an earlier version made.
    std::fs::set_permissions(dir.join(FILE_NAME), std::fs::Permissions::from_mode(0o644)).unwrap();
    let _store = SqliteStore::open(&dir).await.unwrap();
    assert_eq!(files(), [0o600; 3]);
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_left_out_and_the_others_are_there() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path()).await.unwrap();
    for id in ["a", "b", "c"] {
        store.write_sessions(write(session_row("acme", id))).await.unwrap();
        store.add_game(game("acme", id)).await.unwrap();
    }
    store.close().await.unwrap();
    let mut other = SqliteConnectOptions::new().filename(dir.path().join(FILE_NAME)).connect().await.unwrap();
    let damage = "UPDATE sessions SET games = '[\"x' WHERE id = 'b'; UPDATE games SET sources = x'00ff' WHERE id = 'b'";
    sqlx::raw_sql(damage).execute(&mut other).await.unwrap();
    other.close().await.unwrap();
    let store = SqliteStore::open(dir.path()).await.unwrap();
    let ids = |rows: Vec<SessionRow>| rows.into_iter().map(|row| row.id).collect::<Vec<_>>();
    assert_eq!(ids(store.active_sessions().await.unwrap()), ["a", "c"]);
    let page = SessionFilter { limit: 2, ..SessionFilter::default() };
    assert_eq!(ids(store.sessions("acme", page.clone()).await.unwrap()), ["c", "a"], "a whole page");
    // Nor does it end a search that looks into it.
    let games = session_row("acme", "a").games;
    let wanted = SessionsWanted { game: games.first().cloned(), ..SessionsWanted::default() };
    let searched = SessionFilter { wanted, ..page.clone() };
    assert_eq!(ids(store.sessions("acme", searched).await.unwrap()), ["c", "a"]);
    let bounded = SessionFilter { from_id: Some("b".into()), ..page };
    assert_eq!(ids(store.sessions("acme", bounded).await.unwrap()), ["c"]);
    let after = async |before: Option<&str>, skip| store.session_after("acme", before.map(str::to_owned), skip).await;
    assert_eq!(after(None, 1).await, Ok(Some("b".into())));
    assert_eq!((after(Some("b"), 0).await, after(None, 3).await), (Ok(Some("a".into())), Ok(None)));
    let games: Vec<String> = store.games().await.unwrap().into_iter().map(|game| game.id).collect();
    assert_eq!(games, ["a", "c"]);
    // Whoever asks for it by name is told.
    assert!(matches!(store.session("acme", "b").await, Err(StoreError::Failed(_))));
}

#[tokio::test]
async fn games_are_kept_by_tenant() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path()).await.unwrap();
    store.add_game(game("acme", "g")).await.unwrap();
    store.add_game(game("other", "g")).await.unwrap();
    assert_eq!(store.add_game(game("acme", "g")).await, Err(StoreError::Exists));
    let renamed = GameRow { title: "Another".into(), break_policy: None, ..game("acme", "g") };
    assert!(store.replace_game(renamed.clone()).await.unwrap());
    assert!(!store.replace_game(game("acme", "nobody")).await.unwrap());
    assert_eq!(store.games().await.unwrap(), [renamed.clone(), game("other", "g")]);
    assert!(store.remove_game("other", "g").await.unwrap());
    assert!(!store.remove_game("other", "g").await.unwrap());
    store.close().await.unwrap();
    let again = SqliteStore::open(dir.path()).await.unwrap();
    assert_eq!(again.games().await.unwrap(), [renamed]);
}

#[tokio::test]
async fn the_log_is_carried_into_the_database_beside_the_writer() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path()).await.unwrap();
    let file = dir.path().join(FILE_NAME);
    let before = file.metadata().unwrap().len();
    let many = (0..200).flat_map(|n| write(session_row("acme", &format!("s{n}"))));
    store.write_sessions(many.collect()).await.unwrap();
    assert_eq!(file.metadata().unwrap().len(), before, "a commit leaves the database alone");
    carry_over(&mut SqliteConnectOptions::new().filename(&file).connect().await.unwrap()).await.unwrap();
    assert!(file.metadata().unwrap().len() > before);
    assert_eq!(store.active_sessions().await.unwrap().len(), 200);
}

#[tokio::test]
async fn a_row_comes_back_as_it_went_and_an_older_one_never_replaces_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path()).await.unwrap();
    let newer = SessionRow { version: 3, revision: 2, last_listed: Some(7), ..session_row("acme", "s") };
    store.write_sessions(write(newer.clone())).await.unwrap();
    store.write_sessions(write(SessionRow { version: 2, ..session_row("acme", "s") })).await.unwrap();
    assert_eq!(store.session("acme", "s").await.unwrap(), Some(newer.clone()));
    assert_eq!(store.session("other", "s").await.unwrap(), None);
    assert_eq!(store.active_sessions().await.unwrap(), std::slice::from_ref(&newer));
    let ended = SessionRow { version: 4, ended_ms: Some(9), end_reason: Some("idle".into()), ..newer };
    store.write_sessions(write(ended.clone())).await.unwrap();
    assert_eq!(store.active_sessions().await.unwrap(), []);
    let filter = SessionFilter { active: Some(false), limit: 10, ..SessionFilter::default() };
    assert_eq!(store.sessions("acme", filter).await.unwrap(), [ended]);
}

#[tokio::test]
async fn one_bad_row_keeps_no_other_from_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path()).await.unwrap();
    // Not a minute: the table refuses it.
    let bad = SessionWrite::whole(session_row("acme", "bad"), vec![line(1, 5)]);
    let good = SessionWrite::whole(session_row("acme", "good"), vec![line(60_000, 5)]);
    let (refused, kept) = tokio::join!(store.write_sessions(vec![bad]), store.write_sessions(vec![good]));
    let Err(StoreError::Refused(rows)) = refused else { panic!("{refused:?}") };
    assert_eq!(rows.iter().map(|row| &*row.session_id).collect::<Vec<_>>(), ["bad"]);
    kept.unwrap();
    assert_eq!(store.session("acme", "bad").await.unwrap(), None, "all or nothing");
    assert!(store.session("acme", "good").await.unwrap().is_some());
    assert!(store.healthy(), "a row that is refused says nothing of the store");
}

/// A booking of one of a few minutes: by two writers that saw different things.
fn booking() -> impl Strategy<Value = MeterLine> {
    let seconds = (0..=60u32)
        .prop_flat_map(|all| (Just(all), 0..=all))
        .prop_flat_map(|(all, slate)| (Just(all), Just(slate), 0..=slate));
    (0..3i64, seconds, prop::sample::select(vec!["1", "2EH", "4E"])).prop_map(|(minute, seconds, layout)| MeterLine {
        billable_seconds: seconds.0,
        slate_seconds: seconds.1,
        slate_all_seconds: seconds.2,
        watched: watched(layout),
        ..line(minute * 60_000, 0)
    })
}

async fn ledger_of(bookings: &[MeterLine]) -> Vec<MeterLine> {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path()).await.unwrap();
    for line in bookings {
        let (session, lines) = (session_row("acme", "s"), vec![line.clone()]);
        store.write_sessions(vec![SessionWrite::whole(session, lines)]).await.unwrap();
    }
    testing::lines(&store, "acme").await
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn bookings_in_any_order_and_any_number_make_the_same_ledger(
        (once, mixed) in prop::collection::vec(booking(), 1..12).prop_flat_map(|once| {
            let twice = [once.clone(), once.clone()].concat();
            (Just(once), Just(twice).prop_shuffle())
        })
    ) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (once, mixed) = runtime.block_on(async { tokio::join!(ledger_of(&once), ledger_of(&mixed)) });
        prop_assert_eq!(&once, &mixed);
        let nested = |l: &MeterLine| l.slate_all_seconds <= l.slate_seconds && l.slate_seconds <= l.billable_seconds;
        prop_assert!(once.iter().all(nested));
    }
}

#[tokio::test]
async fn a_database_of_before_the_ledger_keeps_its_lines() {
    let dir = tempfile::tempdir().unwrap();
    let options = SqliteConnectOptions::new().filename(dir.path().join(FILE_NAME)).create_if_missing(true);
    let mut old = options.connect().await.unwrap();
    let mut first = migrator();
    first.migrations.to_mut().truncate(1);
    first.run(&mut old).await.unwrap();
    sqlx::raw_sql(
        "INSERT INTO sessions VALUES ('s', 'acme', 't', 1, 1, '2EH', 'auto', 'stitch', '[\"a\",\"b\"]', 'a', \
         '{\"box\":\"x1\"}', NULL, '{}', '{}', NULL, 1, 0, 0, NULL, NULL, 47); \
         INSERT INTO meter_lines VALUES ('acme', 60000, 's', 47, '2EH', '[\"a\",\"b\"]'), \
         ('acme', 120000, 'gone', 60, '1', '[\"a\"]')",
    )
    .execute(&mut old)
    .await
    .unwrap();
    old.close().await.unwrap();
    let store = SqliteStore::open(dir.path()).await.unwrap();
    let lines = testing::lines(&store, "acme").await;
    let known = Watched { tier: String::new(), ..watched("2EH") };
    let nobody_knows = Watched { layout: "1".into(), games: vec!["a".into()], ..Watched::default() };
    let gone = MeterLine { session_id: "gone".into(), watched: nobody_knows, ..line(120_000, 60) };
    assert_eq!(lines, [MeterLine { watched: known, ..line(60_000, 47) }, gone]);
}

#[tokio::test]
async fn nothing_changes_in_a_closed_hour_by_hand_either() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path()).await.unwrap();
    let (closed, open) = (line(60_000, 5), line(3_600_000, 6));
    let row = SessionWrite::whole(session_row("acme", "s"), vec![closed.clone(), open.clone()]);
    store.write_sessions(vec![row]).await.unwrap();
    store.close_hours(3_600_000).await.unwrap();
    // Booked late: a correction in the hour that is open.
    store.write_sessions(vec![SessionWrite::whole(session_row("acme", "s"), vec![line(60_000, 9)])]).await.unwrap();
    let before = store.entries("acme", 0, i64::MAX, None, 10).await.unwrap();
    let options = SqliteConnectOptions::new().filename(dir.path().join(FILE_NAME));
    let mut hand = options.connect().await.unwrap();
    let lines = "(tenant, minute_start_ms, session_id, billable_seconds, layout, games) VALUES ('acme',";
    let refused = [
        format!("INSERT INTO meter_lines {lines} 120000, 's', 1, '1', '[]')"),
        format!("INSERT OR IGNORE INTO meter_lines {lines} 120000, 's', 1, '1', '[]')"),
        format!("INSERT OR REPLACE INTO meter_lines {lines} 60000, 's', 1, '1', '[]')"),
        format!("INSERT INTO meter_lines {lines} 60000, 's', 1, '1', '[]') ON CONFLICT DO UPDATE SET billable_seconds = 1"),
        "UPDATE meter_lines SET billable_seconds = 60".to_owned(),
        "UPDATE meter_lines SET minute_start_ms = 180000 WHERE minute_start_ms = 3600000".to_owned(),
        "UPDATE meter_lines SET minute_start_ms = 7200000 WHERE minute_start_ms = 60000".to_owned(),
        "DELETE FROM meter_lines WHERE minute_start_ms = 60000".to_owned(),
        "UPDATE corrections SET hour_start_ms = 0".to_owned(),
        "INSERT INTO corrections SELECT tenant, 0, session_id, minute_start_ms, reason, 1, 0, 0, engine, layout, tier, games, \
         labels FROM corrections"
            .to_owned(),
    ];
    for sql in refused {
        let error = sqlx::raw_sql(sqlx::AssertSqlSafe(sql.clone())).execute(&mut hand).await.unwrap_err().to_string();
        assert!(error.contains("the hour is closed"), "{sql}: {error}");
    }
    hand.close().await.unwrap();
    assert_eq!(store.entries("acme", 0, i64::MAX, None, 10).await.unwrap(), before);
    // What is open goes on.
    store.write_sessions(vec![SessionWrite::whole(session_row("acme", "s"), vec![line(3_600_000, 8)])]).await.unwrap();
    let now = store.entries("acme", 3_600_000, i64::MAX, None, 10).await.unwrap();
    assert_eq!(now.iter().map(|entry| entry.billable_seconds).collect::<Vec<_>>(), [4, 8]);
}

#[tokio::test]
async fn an_unwritable_place_is_said_so() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "not a folder").unwrap();
    assert!(matches!(SqliteStore::open(&file).await, Err(StoreError::Unwritable(_))));
    std::fs::write(dir.path().join(FILE_NAME), "not a database, and long enough to be taken for one".repeat(100))
        .unwrap();
    let error = SqliteStore::open(dir.path()).await.err().unwrap();
    assert!(matches!(error, StoreError::Damaged(_)), "{error:?}");
}

/// What a process writes and what is there after it is killed at any point: whole commits. The files are copied while the
/// writer runs, which is what a kill leaves behind.
#[tokio::test]
async fn a_killed_process_leaves_whole_commits() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path()).await.unwrap();
    for n in 1..=20u32 {
        let session = SessionRow { version: n.into(), billable_seconds: n.into(), ..session_row("acme", "s") };
        let lines = vec![line(60_000, n)];
        store.write_sessions(vec![SessionWrite::whole(session, lines)]).await.unwrap();
        let copy = tempfile::tempdir().unwrap();
        for file in std::fs::read_dir(dir.path()).unwrap() {
            let file = file.unwrap();
            if !file.file_name().to_string_lossy().ends_with("-shm") {
                std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
            }
        }
        let after = SqliteStore::open(copy.path()).await.unwrap();
        assert_eq!(after.session("acme", "s").await.unwrap().unwrap().billable_seconds, u64::from(n));
        assert_eq!(testing::lines(&after, "acme").await, [line(60_000, n)]);
    }
}

/// The disk is a file system of its own, as small as `QUADRILLE_SMALL_DISK` is: for a person with a tmpfs at hand.
#[tokio::test]
#[ignore = "needs a small file system, named by QUADRILLE_SMALL_DISK"]
async fn a_really_full_disk_is_survived() {
    let dir = PathBuf::from(std::env::var("QUADRILLE_SMALL_DISK").unwrap());
    let store = SqliteStore::open(&dir).await.unwrap();
    store.write_sessions(write(session_row("acme", "first"))).await.unwrap();
    let filler = dir.join("filler");
    let _ = std::fs::write(&filler, vec![0u8; 1 << 30]);
    let mut refused = None;
    for n in 0..10_000 {
        if let Err(error) = store.write_sessions(write(session_row("acme", &format!("s{n}")))).await {
            refused = Some(error);
            break;
        }
    }
    assert!(matches!(refused, Some(StoreError::Unwritable(_))), "{refused:?}");
    assert!(!store.healthy());
    assert!(store.session("acme", "first").await.unwrap().is_some(), "reading goes on");
    std::fs::remove_file(&filler).unwrap();
    while !store.healthy() {
        tokio::time::sleep(Duration::from_millis(500)).await;
        store.probe().await.unwrap();
    }
    store.write_sessions(write(session_row("acme", "last"))).await.unwrap();
}

#[tokio::test]
async fn what_time_has_come_to_outlives_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path()).await.unwrap();
    assert_eq!(store.clock().await.unwrap(), ClockRow::default(), "nothing is known yet");
    let noted = ClockRow { known_ms: 1_795_363_200_000, sure_ms: 1_795_363_100_000, era: 3 };
    store.keep_clock(ClockRow { era: 2, ..noted }).await.unwrap();
    store.keep_clock(noted).await.unwrap();
    store.close().await.unwrap();
    assert_eq!(SqliteStore::open(dir.path()).await.unwrap().clock().await.unwrap(), noted);
}
