//! The program: command line, logs, signals.

mod cli;
mod demo;
mod memory;

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::Parser;
use quadrille::api::Tls;
use quadrille::config::{Config, ConfigError};
use quadrille::service::{Options, Service};
use quadrille::spans::Finished;
use quadrille::store::Begin;
use quadrille::timeline::SystemClock;
use quadrille::work;
use rustix::fs::Mode;
use tokio::signal::unix::{Signal, SignalKind, signal};

use cli::{Cli, Command};

/// Exit status for a configuration that is wrong.
const MISTAKEN: u8 = 2;

fn main() -> ExitCode {
    memory::spare();
    let cli = Cli::parse();
    if matches!(cli.command, Command::FeedChild) {
        return quadrille::feed::child();
    }
    if matches!(cli.command, Command::ArtChild) {
        return quadrille::assets::child();
    }
    // What the configuration says of tracing is part of how the log begins. Reading it logs nothing.
    let config = match &cli.command {
        Command::Serve { config, .. } => match load(config) {
            Ok(config) => Some(config),
            Err(code) => return code,
        },
        _ => None,
    };
    let spans = cli::start_log(config.as_ref().and_then(|config| config.tracing.as_ref()));
    if matches!(cli.command, Command::Serve { .. } | Command::Demo(_)) {
        // Before there is any other thread: all have it that start none of media.
        work::answer_at_once();
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => return failed(&anyhow::Error::new(e).context("cannot start the runtime")),
    };
    if matches!(cli.command, Command::Serve { .. } | Command::Demo(_)) {
        memory::give_back();
        // What is written from here on is the service's own, whatever the one who started it shares with others.
        rustix::process::umask(Mode::RWXG | Mode::RWXO);
    }
    let code = runtime.block_on(async {
        match cli.command {
            Command::Serve { begin, .. } => match config {
                Some(config) => serve(config, begin.into(), spans).await,
                // It was read above.
                None => ExitCode::FAILURE,
            },
            Command::Check { config } => match load(&config) {
                Ok(config) => {
                    // Whoever reads only the first lines of it has seen enough.
                    let mut out = std::io::stdout();
                    let _ = writeln!(out, "{}", cli::summary(&config));
                    for remark in quadrille::service::remarks(&config) {
                        let _ = writeln!(out, "But {remark}.");
                    }
                    ExitCode::SUCCESS
                }
                Err(code) => code,
            },
            Command::Lint(asked) => lint(asked).await,
            Command::Usage(command) => match cli::usage::run(command).await {
                Ok(()) => ExitCode::SUCCESS,
                Err(e) => failed(&e),
            },
            Command::Audit(command) => match cli::audit::run(command).await {
                Ok(()) => ExitCode::SUCCESS,
                Err(e) => failed(&e),
            },
            // They have no runtime.
            Command::FeedChild | Command::ArtChild => ExitCode::FAILURE,
            Command::Demo(options) => demo::run(options).await.unwrap_or_else(|e| failed(&e)),
        }
    });
    // Threads of a pipeline that does not let go must not keep the process.
    runtime.shutdown_background();
    code
}

/// Requests wait for their answers, one after the other.
async fn lint(asked: cli::LintArguments) -> ExitCode {
    let run = tokio::task::spawn_blocking(|| quadrille::lint::run(&asked.into(), &mut std::io::stdout().lock()));
    match run.await.unwrap_or_else(|panic| Err(std::io::Error::other(panic.to_string()))) {
        Ok(status) => ExitCode::from(status.code()),
        Err(e) => failed(&e.into()),
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
    let mut checked = Config::load(path).map_err(|e| {
        eprintln!("{e}");
        match e {
            ConfigError::Unreadable { .. } => ExitCode::FAILURE,
            _ => ExitCode::from(MISTAKEN),
        }
    })?;
    checked.output.fit(quadrille::service::cores());
    // All at once, so that they are mended at once.
    let mut wrong: Vec<String> = quadrille::service::misfits(&checked).iter().map(ToString::to_string).collect();
    if let Err(e) = checked.tls.clone().map(Tls::load).transpose() {
        wrong.push(format!("key `tls`: {e}"));
    }
    wrong.extend(cli::misled(&checked));
    if !wrong.is_empty() {
        for wrong in wrong {
            eprintln!("{}: {wrong}", path.display());
        }
        return Err(ExitCode::from(MISTAKEN));
    }
    Ok(checked)
}

async fn serve(config: Config, begin: Begin, spans: Option<Finished>) -> ExitCode {
    let signals = match Signals::listen() {
        Ok(signals) => signals,
        Err(e) => return failed(&e),
    };
    for remark in quadrille::service::remarks(&config) {
        tracing::warn!("{remark}");
    }
    let options = Options { clock: Arc::new(SystemClock::new()), lockstep: false, feed_program: None, begin, spans };
    match Service::start(&config, options, None).await {
        Ok(service) => {
            let admin = service.admin_address().map(tracing::field::display);
            tracing::info!(address = %service.address, admin, games = config.games.len(), tenants = config.tenants.len(), "serving");
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
