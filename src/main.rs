//! The program: command line, logs, signals.

mod cli;
mod demo;

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use quadrille::config::{Config, ConfigError};
use quadrille::service::{Options, Service};
use quadrille::timeline::SystemClock;
use tokio::signal::unix::{SignalKind, signal};

use cli::{Cli, Command};

/// Exit status for a configuration that is wrong.
const MISTAKEN: u8 = 2;

fn main() -> ExitCode {
    let cli = Cli::parse();
    cli::start_log();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => return failed(&anyhow::Error::new(e).context("cannot start the runtime")),
    };
    let code = runtime.block_on(async {
        match cli.command {
            Command::Serve { config } => match load(&config) {
                Ok(config) => serve(config).await,
                Err(code) => code,
            },
            Command::Check { config } => match load(&config) {
                Ok(config) => {
                    println!("{}", cli::summary(&config));
                    ExitCode::SUCCESS
                }
                Err(code) => code,
            },
            Command::Demo(options) => demo::run(options).await.unwrap_or_else(|e| failed(&e)),
        }
    });
    // Threads of a pipeline that does not let go must not keep the process.
    runtime.shutdown_background();
    code
}

fn failed(error: &anyhow::Error) -> ExitCode {
    eprintln!("quadrille: {error:#}");
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
    Ok(checked)
}

async fn serve(config: Config) -> ExitCode {
    let options = Options { clock: Arc::new(SystemClock::new()), lockstep: false };
    match Service::start(&config, options, None).await {
        Ok(service) => {
            tracing::info!(address = %service.address, games = config.games.len(), tenants = config.tenants.len(), "serving");
            until_signal(service).await
        }
        Err(e) => failed(&e.into()),
    }
}

/// Serves until SIGTERM or SIGINT, then ends cleanly.
async fn until_signal(service: Service) -> ExitCode {
    let signals = signal(SignalKind::terminate()).and_then(|t| Ok((t, signal(SignalKind::interrupt())?)));
    match signals {
        Ok((mut terminate, mut interrupt)) => {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        }
        Err(e) => return failed(&anyhow::Error::new(e).context("cannot wait for signals")),
    }
    tracing::info!("ending: the running segment is finished first");
    service.drain().await;
    ExitCode::SUCCESS
}
