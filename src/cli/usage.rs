//! `quadrille usage …`: the ledger of a data directory, also while a service runs on it.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Subcommand};
use quadrille::store::{SqliteLedger, read_ledger_seed};
use quadrille::usage::{TrustedKeys, Verified, verify};

#[derive(Debug, Subcommand)]
pub enum UsageCommand {
    /// Check that nothing was changed in closed hours; names the first one that is broken.
    ///
    /// Every closed hour is digested anew and compared with its seal, and every seal's signature is checked. Exit status 1 where
    /// the chain does not hold.
    Verify(VerifyOptions),
}

#[derive(Debug, Args)]
pub struct VerifyOptions {
    /// The service's data directory.
    #[arg(long, value_name = "DIR", default_value = "data")]
    data_dir: PathBuf,
    /// Trust this Ed25519 public key (64 hexadecimal digits); may be given several times. Without it, the key of the data
    /// directory is trusted.
    #[arg(long, value_name = "HEX")]
    public_key: Vec<String>,
    /// A head that was noted earlier (64 hexadecimal digits): the chain must still go through it.
    #[arg(long, value_name = "HEX", value_parser = digest)]
    head: Option<[u8; 32]>,
}

fn digest(given: &str) -> Result<[u8; 32], String> {
    let mut digest = [0; 32];
    hex::decode_to_slice(given, &mut digest).map_err(|_| "64 hexadecimal digits are allowed".to_owned())?;
    Ok(digest)
}

/// Does what `command` says and prints it.
pub async fn run(command: UsageCommand) -> anyhow::Result<()> {
    match command {
        UsageCommand::Verify(options) => {
            let trusted = trusted_keys(&options)?;
            let ledger = open(&options.data_dir).await?;
            println!("{}", told(&verify(&ledger, &trusted, options.head).await?));
            Ok(())
        }
    }
}

async fn open(data_dir: &Path) -> anyhow::Result<SqliteLedger> {
    SqliteLedger::open(data_dir).await.with_context(|| format!("cannot read the ledger in {}", data_dir.display()))
}

fn trusted_keys(options: &VerifyOptions) -> anyhow::Result<TrustedKeys> {
    let mut trusted = TrustedKeys::default();
    for key in &options.public_key {
        trusted.add_hex(key)?;
    }
    if options.public_key.is_empty() {
        let seed = read_ledger_seed(&options.data_dir)?;
        let no_key = || format!("{} has no key of a ledger; name one with --public-key", options.data_dir.display());
        trusted.add_seed(&seed.with_context(no_key)?);
    }
    Ok(trusted)
}

fn told(verified: &Verified) -> String {
    let Verified { hours, entries, billable_seconds, head, unsealed_hours } = verified;
    let Some(head) = head else { return "No hour is closed yet.".to_owned() };
    let until = jiff::Timestamp::from_millisecond(head.hour_start_ms + 3_600_000).unwrap_or(jiff::Timestamp::MAX);
    let mut text = format!(
        "The ledger is as it was sealed: {hours} hours until {until}, {entries} lines, {billable_seconds} s.\n  head        {}\n  \
         public key  {}",
        hex::encode(head.digest),
        hex::encode(head.public_key),
    );
    if *unsealed_hours > 0 {
        text.push_str(&format!("\n{unsealed_hours} hours are closed and wait for the service to seal them."));
    }
    text
}
