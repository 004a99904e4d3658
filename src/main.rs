//! The program: command line, logs, signals.

mod cli;
mod demo;

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::Parser;
use quadrille::config::{Config, ConfigError};
use quadrille::service::{Options, Service};
use quadrille::store::Begin;
use quadrille::timeline::SystemClock;
use tokio::signal::unix::{Signal, SignalKind, signal};

use cli::{Cli, Command};

/// Exit status for a configuration that is wrong.
const MISTAKEN: u8 = 2;

fn main() -> ExitCode {
    spare_memory();
    let cli = Cli::parse();
    cli::start_log();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => return failed(&anyhow::Error::new(e).context("cannot start the runtime")),
    };
    let code = runtime.block_on(async {
        match cli.command {
            Command::Serve { config, begin } => match load(&config) {
                Ok(config) => serve(config, begin.into()).await,
                Err(code) => code,
            },
            Command::Check { config } => match load(&config) {
                Ok(config) => {
                    // Whoever reads only the first lines of it has seen enough.
                    let _ = writeln!(std::io::stdout(), "{}", cli::summary(&config));
                    ExitCode::SUCCESS
                }
                Err(code) => code,
            },
            Command::Usage(command) => match cli::usage::run(command).await {
                Ok(()) => ExitCode::SUCCESS,
                Err(e) => failed(&e),
            },
            Command::Demo(options) => demo::run(options).await.unwrap_or_else(|e| failed(&e)),
        }
    });
    // Threads of a pipeline that does not let go must not keep the process.
    runtime.shutdown_background();
    code
}

/// Keeps malloc's heaps few and their bounds where they are. Left alone, glibc makes up to eight heaps for each core, each as large as it ever
/// was, and moves its bounds with the largest block that was freed: thirty sessions over eight tiles and four renders then come to
/// 595 MB and go on rising, instead of 565.
fn spare_memory() {
    /// What is larger than a picture or a segment has pages of its own, which go when it goes. To ask the system for pages for every segment
    /// that somebody watches would cost more than to make it.
    const OWN_PAGES_FROM: i32 = 4 << 20;
    /// Free memory at a heap's end beyond this goes back at once.
    const KEPT_AT_THE_END: i32 = 16 << 20;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let heaps = i32::try_from(cores).unwrap_or(i32::MAX).max(4);
    #[cfg(target_env = "gnu")]
    for (what, value) in [
        (libc::M_ARENA_MAX, heaps),
        (libc::M_MMAP_THRESHOLD, OWN_PAGES_FROM),
        (libc::M_TRIM_THRESHOLD, KEPT_AT_THE_END),
    ] {
        // SAFETY: mallopt(3) takes two numbers, and no other thread runs yet. What it does not know it leaves as it was.
        unsafe { libc::mallopt(what, value) };
    }
}

/// How often memory that is free, but not at a heap's end, is looked for.
#[cfg(target_env = "gnu")]
const GIVE_BACK_EVERY: std::time::Duration = std::time::Duration::from_secs(60);

/// So much of it may stay: to take pages from the heaps and to fill them again costs time, and other threads wait for it.
#[cfg(target_env = "gnu")]
const FREE_KEPT: usize = 128 << 20;

/// Gives free memory back for as long as the process runs. A hundred games that came and went left a gigabyte of it, between blocks that stayed.
#[cfg(target_env = "gnu")]
fn give_memory_back() {
    let resident = || -> Option<usize> {
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
        Some(line.split_whitespace().next()?.parse::<usize>().ok()? << 10)
    };
    let give_back = move || loop {
        std::thread::sleep(GIVE_BACK_EVERY);
        // SAFETY: mallinfo2(3) takes nothing and returns numbers.
        let heaps = unsafe { libc::mallinfo2() };
        let free = resident().unwrap_or(0).saturating_sub(heaps.uordblks + heaps.hblkhd);
        if free > FREE_KEPT {
            // SAFETY: malloc_trim(3) takes a number, and nothing that anybody uses.
            unsafe { libc::malloc_trim(0) };
            tracing::debug!(free, left = resident(), "free memory is given back");
        }
    };
    if let Err(error) = std::thread::Builder::new().name("memory".into()).spawn(give_back) {
        tracing::warn!(%error, "free memory is not given back");
    }
}

fn failed(error: &anyhow::Error) -> ExitCode {
    // Some errors say what caused them, and name it as their cause too.
    let mut said = String::new();
    for cause in error.chain().map(ToString::to_string).filter(|cause| !cause.is_empty()) {
        if !said.contains(&cause) {
            said = if said.is_empty() { cause } else { format!("{said}: {cause}") };
        }
    }
    eprintln!("quadrille: {said}");
    ExitCode::FAILURE
}

fn load(path: &std::path::Path) -> Result<Config, ExitCode> {
    let checked = Config::load(path).map_err(|e| {
        eprintln!("{e}");
        match e {
            ConfigError::Unreadable { .. } => ExitCode::FAILURE,
            _ => ExitCode::from(MISTAKEN),
        }
    })?;
    cli::check_layouts(&checked).map_err(|e| {
        eprintln!("{e}");
        ExitCode::from(MISTAKEN)
    })?;
    cli::check_sources(&checked).map_err(|e| {
        eprintln!("{}: {e}", path.display());
        ExitCode::from(MISTAKEN)
    })?;
    Ok(checked)
}

async fn serve(config: Config, begin: Begin) -> ExitCode {
    let signals = match Signals::listen() {
        Ok(signals) => signals,
        Err(e) => return failed(&e),
    };
    let options = Options { clock: Arc::new(SystemClock::new()), lockstep: false, begin };
    match Service::start(&config, options, None).await {
        Ok(service) => {
            #[cfg(target_env = "gnu")]
            give_memory_back();
            tracing::info!(address = %service.address, games = config.games.len(), tenants = config.tenants.len(), "serving");
            signals.end(service).await
        }
        Err(e) => failed(&e.into()),
    }
}

/// SIGTERM and SIGINT. Listened to before anything starts, so that one that comes early ends the service cleanly too.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("cannot wait for signals");
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    /// Serves until one of them comes, then ends cleanly.
    async fn end(mut self, service: Service) -> ExitCode {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
        tracing::info!("ending: the running segment is finished first");
        service.drain().await;
        ExitCode::SUCCESS
    }
}
