//! `quadrille audit …`: what was done on operators' routes of a service, also while it runs.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use quadrille::audit::{Holds, verify};
use quadrille::store::SqliteLedger;

#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Check that nothing was changed in what is kept of who did what; names the first entry that is broken.
    ///
    /// Every entry is digested anew, with the one before it. Exit status 1 where a chain does not hold. Entries are read with GET
    /// /v1/operator/audit.
    Verify(VerifyOptions),
}

#[derive(Debug, Args)]
pub struct VerifyOptions {
    /// The service's data directory.
    #[arg(long, value_name = "DIR", default_value = "data")]
    data_dir: PathBuf,
    /// A digest that was noted earlier (64 hexadecimal digits): a chain must still go through it.
    #[arg(long, value_name = "HEX", value_parser = super::usage::digest)]
    head: Option<[u8; 32]>,
}

/// Does what `command` says and prints it.
pub async fn run(command: AuditCommand) -> anyhow::Result<()> {
    let AuditCommand::Verify(options) = command;
    let ledger = SqliteLedger::open(&options.data_dir).await?;
    let all = verify(&ledger, options.head).await?;
    if all.is_empty() {
        println!("nothing was done yet");
    }
    for Holds { tenant, entries, head } in all {
        println!("{tenant}: {entries} entries hold; the last one's digest is {}", hex::encode(head));
    }
    Ok(())
}
