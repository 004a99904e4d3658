//! The side that asks, with shells in place of processes that draw: they say what no decoder says.

use std::os::unix::fs::FileTypeExt as _;

use super::message::Refusal;
use super::*;
use crate::work::{children_cpu_time, lets_go};

const SVG: Art<'static> = Art { kind: AssetType::Svg, bytes: b"<svg/>" };

/// A shell that does `script`; it takes the request, and what it says at its standard input is heard.
fn shell(script: &str) -> ArtApart {
    let script = format!("head -c 4 >/dev/null; {script}");
    ArtApart::new("/bin/sh".into(), vec!["-c".into(), script.into()])
}

/// A script that says so.
fn saying(said: &Said, more: &str) -> String {
    let mut bytes = Vec::new();
    message::send(&mut bytes, said).unwrap();
    let escaped: String = bytes.iter().map(|byte| format!("\\{byte:03o}")).collect();
    format!("printf '{escaped}' >&0; {more}")
}

fn still(apart: &ArtApart) -> Result<(u32, u32), AssetError> {
    apart.still(SVG, (64, 36), &Stop::default()).map(|read| read.size())
}

#[test]
fn one_that_lies_or_ends_is_no_picture() {
    let picture = |source, bytes| Said::Picture { source, lasts_ns: 0, is_last: true, bytes };
    let pixels = |count: usize| format!("head -c {count} /dev/zero >&0");
    let wrong = [
        "exit 0".to_owned(),
        "kill -SEGV $$".to_owned(),
        "printf '\\377\\377\\377\\377' >&0; exec sleep 60".to_owned(),
        "printf '\\004\\000\\000\\000abcd' >&0; exec sleep 60".to_owned(),
        saying(&Said::Checked { size: (1, 1), lasts_ns: 0 }, "exec sleep 60"),
        saying(&picture((64, 36), 1 << 40), "exec sleep 60"),
        saying(&picture((0, 36), 64 * 36 * 4), "exec sleep 60"),
        saying(&picture((64, 36), 64 * 36 * 4), &pixels(64 * 36)),
    ];
    for script in wrong {
        assert_eq!(still(&shell(&script)), Err(failed()), "{script}");
    }
    let sound = saying(&picture((640, 360), 64 * 36 * 4), &pixels(64 * 36 * 4));
    assert_eq!(still(&shell(&sound)), Ok((640, 360)));
    let check = |script: &str| shell(script).check(SVG, &Stop::default());
    assert_eq!(check(&sound), Err(failed()), "a picture that nobody asked for");
    assert_eq!(check(&saying(&Said::Checked { size: (1, 4097), lasts_ns: 0 }, "")), Err(failed()));
    let told = Said::Refused(Refusal::Svg("is\nred".to_owned()));
    assert_eq!(check(&saying(&told, "")), Err(AssetError::Svg("is red".to_owned())));
    let none = ArtApart::new("/nowhere".into(), Vec::new());
    assert_eq!(still(&none), Err(AssetError::NoProcess));
}

#[test]
fn what_was_too_much_is_named() {
    let drawing = |more: &str| saying(&Said::Begins { size: Some((480, 270)), most_ms: 450 }, more);
    let too_long = AssetError::Svg("takes more than 0.5 s to draw at 480x270; 0.5 s are allowed".to_owned());
    assert_eq!(still(&shell(&drawing("kill -PROF $$"))), Err(too_long));
    let too_large = AssetError::Svg("takes more than 768 MiB of memory to draw".to_owned());
    assert_eq!(still(&shell(&drawing("kill -ABRT $$"))), Err(too_large));
    // Not by the file.
    let killed = AssetError::NotNow("what drew it was killed".to_owned());
    assert_eq!(still(&shell(&drawing("kill -KILL $$"))), Err(killed));
    // One that says nothing is not waited for, whatever it promised.
    let silent = ArtApart { patience: Duration::from_millis(100), ..shell("exec sleep 60") };
    let late = "takes more than 0.1 s to read; 0.1 s are allowed";
    assert_eq!(still(&silent), Err(AssetError::Svg(late.to_owned())));
    let jpeg = Art { kind: AssetType::Jpeg, bytes: b"" };
    assert_eq!(silent.check(jpeg, &Stop::default()), Err(AssetError::Unreadable(late.to_owned())));
}

#[test]
fn one_that_nobody_waits_for_is_ended() {
    let (stop, apart) = (Stop::default(), shell(&saying(&Said::Begins { size: None, most_ms: 1 }, "exec sleep 60")));
    std::thread::scope(|scope| {
        let drawn = scope.spawn(|| apart.check(SVG, &stop));
        drop(stop.on_drop());
        assert_eq!(drawn.join().unwrap(), Err(AssetError::Gone));
    });
    assert_eq!(apart.check(SVG, &stop), Err(AssetError::Gone), "nor is one begun after that");
}

#[test]
fn what_one_takes_of_a_processor_is_counted_however_it_ends() {
    // Tenths of a second, at least on the machines of today.
    let busy = "n=0; while [ $n -lt 200000 ]; do n=$((n + 1)); done";
    let checked = saying(&Said::Checked { size: (1, 1), lasts_ns: 0 }, "exec sleep 60");
    let ends = [format!("{busy}; exit 0"), format!("{busy}; kill -PROF $$"), format!("{busy}; {checked}")];
    for script in ends {
        let before = children_cpu_time();
        let _ = shell(&script).check(SVG, &Stop::default());
        assert!(children_cpu_time() > before, "{script}");
    }
}

/// This very program, of which it is the only test that runs: started with a socket for its standard input it draws.
#[test]
fn plays_the_child() {
    if std::fs::metadata("/proc/self/fd/0").is_ok_and(|input| input.file_type().is_socket()) {
        child();
        std::process::exit(0);
    }
}

#[test]
fn one_has_nothing_of_what_its_parent_left_open() {
    let arguments = ["--exact", "assets::apart::tests::plays_the_child", "--nocapture"].map(OsString::from);
    let apart = ArtApart::new(std::env::current_exe().unwrap(), arguments.into());
    assert!(lets_go(|| apart.spawn().unwrap()));
}
