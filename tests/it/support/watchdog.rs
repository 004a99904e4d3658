//! Says where a test stands that hangs: the runner that ends it shows what it has written, and nothing else would tell.

use std::sync::{Mutex, Once};
use std::time::{Duration, Instant};

/// Before the runner ends a test (`slow-timeout` in .config/nextest.toml).
const LONG: Duration = Duration::from_secs(200);

static STEP: Mutex<Option<(String, Instant)>> = Mutex::new(None);
static WATCHING: Once = Once::new();

/// What the test does from now on.
pub fn step(what: impl Into<String>) {
    *STEP.lock().unwrap() = Some((what.into(), Instant::now()));
    WATCHING.call_once(|| drop(std::thread::spawn(watch)));
}

fn watch() {
    std::thread::sleep(LONG);
    if let Some((what, since)) = &*STEP.lock().unwrap() {
        eprintln!("still running after {LONG:?}; for {:?} it has been at: {what}", since.elapsed());
    }
    for line in threads() {
        eprintln!("{line}");
    }
}

/// The threads of this process: their names, and what of the kernel each waits in.
fn threads() -> Vec<String> {
    let Ok(tasks) = std::fs::read_dir("/proc/self/task") else { return Vec::new() };
    let said = tasks.flatten().map(|task| {
        let of = |what: &str| std::fs::read_to_string(task.path().join(what)).unwrap_or_default();
        format!("thread {} in {} ({})", of("comm").trim(), of("wchan"), of("syscall").trim())
    });
    said.collect()
}
