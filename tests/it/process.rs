//! The program as operators run it: signals, kills, full disks, wrong configurations. In real time, on the real clock.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use quadrille::timeline::{Clock, SystemClock};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::program::{Program, Viewer, read, run, until, write_config};

/// A service that is told to end has ended after this long.
const END_WITHIN: Duration = Duration::from_secs(5);

/// Seconds of a session that a kill may cost.
const LOST_AT_MOST_S: u64 = 5;

/// Segments of [`write_config`] are a second long, on the grid that began in 2024.
fn segment_now() -> u64 {
    SystemClock::new().now().since(quadrille::timeline::MediaTime::from_millis(0)).as_secs()
}

#[tokio::test(flavor = "multi_thread")]
async fn service_finishes_its_segment_on_sigterm_and_sessions_go_on_in_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let config = write_config(dir.path(), &dir.path().join("data"), "", "");
    let mut program = Program::serve(&config);
    let viewer = program.create(&["a", "b"]).await;
    let listed = viewer.play_until(&program, 0).await;
    viewer.play_until(&program, listed.newest + 2).await;
    let billed = viewer.billable_seconds(&program).await;
    let running = segment_now();
    let began = Instant::now();
    program.terminate();
    // A player goes on asking until nobody answers.
    let mut last = None;
    while began.elapsed() < END_WITHIN {
        match viewer.poll(&program).await {
            Some(listed) if viewer.fetch(&program, &listed).await => last = Some(listed),
            Some(_) => {}
            None => break,
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let status = program.until_exit(END_WITHIN.saturating_sub(began.elapsed()));
    assert_eq!(status.code(), Some(0));
    let last = last.expect("the playlist is served while the segment is finished");
    assert!(last.newest >= running, "segment {running} ran at the signal, {} was the last served", last.newest);
    assert!(!last.text.contains("EXT-X-ENDLIST"), "{}", last.text);

    let program = Program::serve(&config);
    let session = viewer.session(&program).await;
    assert_eq!((session["id"].as_str(), session["state"].as_str()), (Some(viewer.id.as_str()), Some("active")));
    assert!(session["billable_seconds"].as_u64().unwrap() >= billed, "{session} lost some of {billed} s");
    let after = viewer.play_until(&program, last.newest + 1).await;
    assert!(!after.text.contains("EXT-X-ENDLIST"), "{}", after.text);
    viewer.play_until(&program, after.newest + 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn service_takes_sessions_up_again_after_kill_9() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let config = write_config(dir.path(), &data, "", TARIFF);
    let program = Program::serve(&config);
    let viewer = program.create(&["a", "b"]).await;
    // More than may be lost, so that a loss of everything would show.
    let billed = until("the session is billed", async || {
        viewer.poll(&program).await?;
        Some(viewer.billable_seconds(&program).await).filter(|seconds| *seconds > LOST_AT_MOST_S + 1)
    })
    .await;
    let before = viewer.play_until(&program, 0).await;
    program.kill();

    let program = Program::serve(&config);
    // Beside the service, on its database.
    let said = run(&["usage", "verify", "--data-dir", data.to_str().unwrap()]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    // Before any playlist is asked for: what the disk knew.
    let kept = viewer.billable_seconds(&program).await;
    usage_is_told_offline(dir.path(), &data, &program, &viewer).await;
    assert!(kept + LOST_AT_MOST_S >= billed, "{kept} of {billed} s are left");
    let after = viewer.play_until(&program, before.newest + 1).await;
    assert!(after.media_sequence > before.media_sequence, "{}\n{}", before.text, after.text);
    assert!(viewer.billable_seconds(&program).await >= kept);
}

const TARIFF: &str = "[[tariffs]]\ncurrency = \"EUR\"\n[[tariffs.prices]]\nper_minute = \"0.25\"\n";

/// The tools beside a running service say what the service says.
async fn usage_is_told_offline(dir: &Path, data: &Path, program: &Program, viewer: &Viewer) {
    let data = data.to_str().unwrap();
    let export = |more: &[&str]| {
        let given =
            ["usage", "export", "--data-dir", data, "--tenant", "acme", "--from", "2020-01-01", "--to", "2100-01-01"];
        run(&[&given[..], more].concat())
    };
    // A second that is booked between the two questions is no difference: they are asked again.
    let offline = until("both say the same", async || {
        let online = program.operator("/v1/operator/usage?from=2020-01-01&to=2100-01-01&group_by=session").await;
        let said = export(&["--format", "json"]);
        let offline: serde_json::Value = serde_json::from_str(&said.out).expect(&said.err);
        (offline == online).then_some(offline)
    })
    .await;
    assert_eq!(
        (&offline["rows"][0]["session_id"], &offline["costs"][0]["cost"]),
        (&viewer.id.as_str().into(), &"0.25".into())
    );
    let file = dir.join("usage.csv");
    let said = export(&["--group-by", "day", "--format", "focus", "--output", file.to_str().unwrap()]);
    assert_eq!((said.code, said.out.as_str()), (Some(0), ""), "{}", said.err);
    assert!(std::fs::read_to_string(file).unwrap().contains("\r\n0.25,acme,acme,EUR,"));
    let said = run(&["usage", "export", "--data-dir", data, "--tenant", "nobody"]);
    assert_eq!(said.code, Some(1));
    assert!(said.err.contains("knows no tenant \"nobody\""), "{}", said.err);
    let said = export(&["--group-by", "colour"]);
    assert!(said.code == Some(2) && said.err.contains("label:NAME"), "{}", said.err);
    let question = dir.join("question.json");
    std::fs::write(&question, r#"{"items":[{"sessions":10,"seconds_per_session":61,"tier":"1080p"}]}"#).unwrap();
    let said = run(&["usage", "quote", "--data-dir", data, "--tenant", "acme", "--file", question.to_str().unwrap()]);
    let quote: serde_json::Value = serde_json::from_str(&said.out).expect(&said.err);
    assert_eq!((&quote["cost"], &quote["billed_minutes"]), (&"5".into(), &20.into()));
}

#[tokio::test]
async fn service_says_what_is_wrong_before_it_starts() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let config = write_config(dir.path(), &data, &format!("listen = \"{address}\"\n"), "");
    let config = config.to_str().unwrap();
    let said = run(&["serve", "--config", config]);
    assert_eq!(said.code, Some(1), "{}", said.err);
    assert_eq!(said.err.matches(&address).count(), 1, "{}", said.err);

    let said = run(&["check", "--config", config]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    for expected in ["The configuration is right", &address, "acme", "a, b", "small 320x180 at 0.2 Mb/s"] {
        assert!(said.out.contains(expected), "no {expected} in {}", said.out);
    }

    let config = write_config(dir.path(), &data, "compositor_threads = 4\n", "max_mosaics = 0\n");
    let text = std::fs::read_to_string(&config).unwrap();
    for verb in ["serve", "check"] {
        let said = run(&[verb, "--config", config.to_str().unwrap()]);
        assert_eq!(said.code, Some(2), "{}", said.err);
        for (key, allowed) in [("compositor_threads", "allowed"), ("max_mosaics", "10000")] {
            let line = text.lines().position(|l| l.starts_with(key)).unwrap() + 1;
            let place = format!("quadrille.toml:{line}: ");
            let told = said.err.lines().find(|l| l.contains(&place)).unwrap_or_else(|| panic!("{place}: {}", said.err));
            assert!(told.contains(key) && told.contains(allowed), "{told}");
        }
    }

    let said = run(&["usage", "verify", "--data-dir", dir.path().join("nothing").to_str().unwrap()]);
    assert_eq!(said.code, Some(1), "{}", said.err);
    assert!(said.err.contains("nothing"), "{}", said.err);

    let missing = dir.path().join("missing.toml");
    for verb in ["serve", "check"] {
        let said = run(&[verb, "--config", missing.to_str().unwrap()]);
        assert_eq!(said.code, Some(1), "{}", said.err);
        assert!(said.err.contains("missing.toml"), "{}", said.err);
    }
    let said = run(&["--help"]);
    assert_eq!(said.code, Some(0));
    for verb in ["serve", "check", "usage", "demo"] {
        assert!(said.out.lines().any(|l| l.trim_start().starts_with(verb)), "no {verb} in {}", said.out);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn service_has_its_data_dir_for_itself() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let config = write_config(dir.path(), &data, "", "");
    let program = Program::serve(&config);
    let viewer = program.create(&["a"]).await;
    let listed = viewer.play_until(&program, 0).await;
    let said = run(&["serve", "--config", config.to_str().unwrap()]);
    assert_eq!(said.code, Some(1), "{}", said.err);
    assert!(said.err.contains(data.to_str().unwrap()) && said.err.contains("in use"), "{}", said.err);
    viewer.play_until(&program, listed.newest + 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn service_full_house_refuses_newcomers_and_leaves_who_plays_alone() {
    let dir = tempfile::tempdir().unwrap();
    let config = write_config(dir.path(), &dir.path().join("data"), "", "max_mosaics = 1\n[stitch]\nenabled = false\n");
    let program = Program::serve(&config);
    let viewer = program.create(&["a", "b"]).await;
    let listed = viewer.play_until(&program, 0).await;
    // Who shows the same picks takes no room.
    program.create(&["a", "b"]).await;
    let refused = "quadrille_admission_refused_total{reason=\"capacity\"}";
    let body = Some(json!({"games": ["b", "a"]}));
    let answer = program.send(Method::POST, "/v1/sessions", "dev-1", body.clone()).await;
    let retry_after = answer.headers().get("retry-after").map(|v| v.to_str().unwrap().parse::<u32>().unwrap());
    assert!(retry_after.is_some_and(|s| s > 0), "{answer:?}");
    assert_eq!(read(answer, StatusCode::SERVICE_UNAVAILABLE).await["code"], "capacity");
    assert_eq!(program.metric(refused).await, 1.0);

    let before = viewer.session(&program).await;
    let answer = program.send(Method::PATCH, &viewer.path, "dev-1", body).await;
    assert!(answer.headers().contains_key("retry-after"), "{answer:?}");
    assert_eq!(read(answer, StatusCode::SERVICE_UNAVAILABLE).await["code"], "capacity");
    assert_eq!(program.metric(refused).await, 2.0);
    let after = viewer.session(&program).await;
    for same in ["state", "revision", "games", "layout", "audio", "effective_segment", "playback_url"] {
        assert_eq!(before[same], after[same], "{same}");
    }
    viewer.play_until(&program, listed.newest + 2).await;
    assert_eq!(program.metric("quadrille_mosaics{engine=\"render\"}").await, 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn service_that_was_stopped_for_longer_than_idle_ends_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let config = write_config(dir.path(), &dir.path().join("data"), "", "[sessions]\nidle_s = 10\n");
    let program = Program::serve(&config);
    let mut viewers = Vec::new();
    for _ in 0..5 {
        viewers.push(program.create(&["a", "b"]).await);
    }
    let mut newest = 0;
    for viewer in &viewers {
        newest = viewer.play_until(&program, newest).await.newest;
    }
    for viewer in &viewers {
        assert!(viewer.poll(&program).await.is_some());
    }
    let stopped = Instant::now();
    program.stop();
    tokio::time::sleep(Duration::from_secs(13)).await;
    program.go_on();
    // The service has looked after its sessions before anybody asks.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    let billed_before = viewers[0].billable_seconds(&program).await;
    for viewer in &viewers {
        assert_eq!(viewer.session(&program).await["state"], "active");
        let listed = viewer.play_until(&program, newest + 1).await;
        assert!(!listed.text.contains("EXT-X-ENDLIST"), "{}", listed.text);
    }
    let (billed, since) = (viewers[0].billable_seconds(&program).await, stopped.elapsed().as_secs());
    // Thirteen seconds of them nobody could fetch anything.
    assert!(billed + 10 <= billed_before + since, "{billed_before} s and {since} s later {billed} s");
}

/// A file system in memory, as small as a test wants it; gone with this value.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path) -> Self {
        std::fs::create_dir_all(at).unwrap();
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=3m", "tmpfs"]).arg(at).status().unwrap();
        assert!(mount.success(), "this user may not mount");
        Self(at.to_owned())
    }

    /// Fills it to the last byte with a file.
    fn fill(&self) -> PathBuf {
        let filler = self.0.join("filler");
        let full = std::fs::write(&filler, vec![0u8; 8 << 20]).expect_err("8 MiB do not fit");
        assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
        filler
    }

    /// Leaves the database no room either. What is carried over from its log may be written over, so a store can go on within that
    /// log for long on a disk that is full; here the log is cut to nothing, and what that frees goes to the filler.
    fn fill_the_log(&self, filler: &Path) {
        let cut = "import sqlite3, sys\n\
                   busy = sqlite3.connect(sys.argv[1], timeout=5).execute('PRAGMA wal_checkpoint(TRUNCATE)').fetchone()[0]\n\
                   sys.exit(busy)";
        let _ = Command::new("python3").args(["-c", cut]).arg(self.0.join("quadrille.sqlite")).status().unwrap();
        let mut filler = std::fs::File::options().append(true).open(filler).unwrap();
        let full = filler.write_all(&vec![0u8; 4 << 20]).expect_err("4 MiB do not fit");
        assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a program that a failed test left behind may still have files open.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Seconds that the store holds for a session, by its report lines.
async fn booked_seconds(program: &Program, viewer: &Viewer) -> u64 {
    let lines = program.operator("/v1/operator/usage/records").await;
    let lines = lines["records"].as_array().unwrap().clone();
    lines
        .iter()
        .filter(|l| l["session_id"] == viewer.id.as_str())
        .map(|l| l["billable_seconds"].as_u64().unwrap())
        .sum()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "mounts a small file system: `make test` runs it where that is allowed"]
async fn service_plays_on_while_the_disk_is_full_and_books_it_all_later() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let disk = SmallDisk::mount(&data);
    let config = write_config(dir.path(), &data, "", "");
    let program = Program::serve(&config);
    let viewer = program.create(&["a", "b"]).await;
    let before = viewer.play_until(&program, 0).await;
    assert_eq!(program.get("/readyz").await.unwrap().0, StatusCode::OK);
    let filler = disk.fill();
    let problem = until("the full disk is found out", async || {
        viewer.poll(&program).await;
        disk.fill_the_log(&filler);
        let (status, text) = program.get("/readyz").await?;
        (status == StatusCode::SERVICE_UNAVAILABLE).then_some(text)
    })
    .await;
    assert!(problem.contains("store: it cannot be written"), "{problem}");
    assert_eq!(program.logged("the store does not take writes"), 1);
    let booked = booked_seconds(&program, &viewer).await;
    let during = viewer.play_until(&program, before.newest + 6).await;
    viewer.play_until(&program, during.newest + 3).await;
    assert_eq!(program.get("/readyz").await.unwrap().0, StatusCode::SERVICE_UNAVAILABLE, "it is still full");
    let owed = viewer.billable_seconds(&program).await;
    assert!(owed > booked, "the meter went on: {owed} s, {booked} s on the disk");

    std::fs::remove_file(filler).unwrap();
    until("the store is well again", async || {
        viewer.poll(&program).await;
        (program.get("/readyz").await?.0 == StatusCode::OK).then_some(())
    })
    .await;
    until("what waited is booked", async || (booked_seconds(&program, &viewer).await >= owed).then_some(())).await;
    assert_eq!(program.logged("the store takes writes again"), 1);
}

/// What operators are told where something of a data directory is gone, and the way out that they are told of.
#[tokio::test(flavor = "multi_thread")]
async fn a_start_on_a_directory_that_lost_its_database_or_key_says_so_and_goes_on_when_told_to() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let config = write_config(dir.path(), &data, "", "");
    let program = Program::serve(&config);
    assert_eq!(program.logged("nothing was kept here before"), 1);
    // By another way to the same directory, its lock removed: the database itself is locked.
    std::fs::remove_file(data.join("lock")).unwrap();
    let linked = dir.path().join("linked");
    std::os::unix::fs::symlink(&data, &linked).unwrap();
    let other = tempfile::tempdir().unwrap();
    let second = write_config(other.path(), &linked, "", "");
    let said = run(&["serve", "--config", second.to_str().unwrap()]);
    assert_eq!(said.code, Some(1));
    assert!(said.err.contains("in use by another quadrille process"), "{}", said.err);
    program.kill();

    for file in ["quadrille.sqlite", "quadrille.sqlite-wal", "quadrille.sqlite-shm"] {
        // The log goes with the last connection.
        let _ = std::fs::remove_file(data.join(file));
    }
    let serve = ["serve", "--config", config.to_str().unwrap()];
    let said = run(&serve);
    assert_eq!(said.code, Some(1));
    let told = [data.join("quadrille.sqlite").to_str().unwrap().to_owned(), "--new".to_owned()];
    assert!(told.iter().all(|text| said.err.contains(text)), "{}", said.err);
    let program = Program::serve_with(&config, &["--new"]);
    assert_eq!(program.logged("set aside"), 1);
    assert!(data.join("set-aside-1/secrets/ledger_ed25519").exists());
    program.kill();
    let said = run(&[&serve[..], &["--new"]].concat());
    assert!(said.code == Some(1) && said.err.contains("nothing is"), "{}", said.err);
}
