//! `quadrille usage …`: the ledger of a data directory, also while a service runs on it.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use clap::{Args, Subcommand};
use quadrille::store::{Correction, SqliteLedger, UsageReads, correct, read_ledger_seed};
use quadrille::timeline::{Clock, SystemClock};
use quadrille::usage::{
    Format, GroupBy, Period, PriceBook, Question, QuoteRequest, Reports, TrustedKeys, Verified, verify,
};

#[derive(Debug, Subcommand)]
pub enum UsageCommand {
    /// Check that nothing was changed in closed hours; names the first one that is broken.
    ///
    /// Every closed hour is digested anew and compared with its seal, and every seal's signature is checked. What reports are made of is
    /// recounted by the prices that the hours were sealed with, and the file's indexes are compared with its tables. Exit status 1 where
    /// something does not hold.
    Verify(VerifyOptions),
    /// Write a usage report, as the service's API gives it.
    ///
    /// Figures are those of the ledger at this moment, prices those that the service last ran with. Exit status 1 where the report
    /// could not be written to its end.
    Export(ExportOptions),
    /// Correct a session's minute: the difference becomes a line of its own, with a reason, in the hour that is open.
    ///
    /// Nothing that is in the ledger changes; reports of closed periods stay as they are. Works beside a running service.
    Correct(CorrectOptions),
    /// Price a what-if by a tenant's tariffs.
    ///
    /// Reads a JSON document such as {"items": [{"sessions": 1000, "seconds_per_session": 5400, "tier": "1080p"}]}, as
    /// POST /v1/operator/usage/quote takes it, and writes the quote as JSON.
    Quote(QuoteOptions),
}

#[derive(Debug, Args)]
pub struct ExportOptions {
    /// The service's data directory.
    #[arg(long, value_name = "DIR", default_value = "data")]
    data_dir: PathBuf,
    /// Whose usage.
    #[arg(long, value_name = "ID")]
    tenant: String,
    /// RFC 3339 time or day, included; 30 days before the end when absent.
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// RFC 3339 time or day, excluded; now when absent.
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// session, day, hour, minute (every line of the ledger), game, layout, tier, output, market or label:NAME.
    #[arg(long, value_name = "KEY", default_value = "session", value_parser = group_by)]
    group_by: GroupBy,
    /// json, csv, or focus (CSV with the columns of FOCUS 1.2).
    #[arg(long, value_name = "FORMAT", default_value = "csv", value_parser = format)]
    format: Format,
    /// Who sells the minutes, as FOCUS rows name it.
    #[arg(long, value_name = "NAME", default_value = "Quadrille")]
    provider: String,
    /// Where to write; standard output when absent.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct CorrectOptions {
    /// The service's data directory.
    #[arg(long, value_name = "DIR", default_value = "data")]
    data_dir: PathBuf,
    /// Whose session.
    #[arg(long, value_name = "ID")]
    tenant: String,
    #[arg(long, value_name = "ID")]
    session: String,
    /// Start of the minute, as records tell it (2026-11-22T16:05:00Z).
    #[arg(long, value_name = "TIME", value_parser = minute)]
    minute: i64,
    /// Billable seconds to add, or to take off (as in --seconds=-30).
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    seconds: i64,
    /// Why, in words.
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

fn minute(given: &str) -> Result<i64, String> {
    let at: jiff::Timestamp = given.parse().map_err(|_| "a time such as 2026-11-22T16:05:00Z is allowed".to_owned())?;
    let at_ms = at.as_millisecond();
    if at_ms % 60_000 == 0 { Ok(at_ms) } else { Err("a minute starts at its second 0".to_owned()) }
}

#[derive(Debug, Args)]
pub struct QuoteOptions {
    /// The service's data directory.
    #[arg(long, value_name = "DIR", default_value = "data")]
    data_dir: PathBuf,
    /// Whose tariffs.
    #[arg(long, value_name = "ID")]
    tenant: String,
    /// The question as JSON; standard input when absent.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

fn group_by(given: &str) -> Result<GroupBy, String> {
    GroupBy::parse(given).ok_or_else(|| format!("offered are {}", GroupBy::OFFERED.join(", ")))
}

fn format(given: &str) -> Result<Format, String> {
    Format::parse(given).ok_or_else(|| format!("offered are {}", Format::OFFERED.join(", ")))
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

pub fn digest(given: &str) -> Result<[u8; 32], String> {
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
        UsageCommand::Export(options) => export(options).await,
        UsageCommand::Quote(options) => quote(options).await,
        UsageCommand::Correct(options) => {
            let correction = Correction {
                tenant: options.tenant,
                session_id: options.session,
                minute_start_ms: options.minute,
                billable_seconds: options.seconds,
                reason: options.reason,
            };
            let made = correct(&options.data_dir, &correction, SystemClock::new().now().unix_millis()).await?;
            let hour = jiff::Timestamp::from_millisecond(made.at_ms)?;
            println!("{} s, in the hour of {hour}: {}", made.billable_seconds, made.reason);
            Ok(())
        }
    }
}

async fn export(options: ExportOptions) -> anyhow::Result<()> {
    let period = Period::parse(options.from.as_deref(), options.to.as_deref(), SystemClock::new().now())?;
    let reports = reports(&options.data_dir, &options.tenant, options.provider).await?;
    let question = Question { tenant: options.tenant, period, group_by: options.group_by };
    let mut chunks = reports.write(question, options.format);
    // The first chunk before the file: a refusal leaves what is there alone.
    let mut chunk = chunks.recv().await.transpose()?;
    let mut output: Box<dyn Write> = match &options.output {
        Some(path) => Box::new(File::create(path).with_context(|| format!("cannot write to {}", path.display()))?),
        None => Box::new(std::io::stdout().lock()),
    };
    while let Some(bytes) = chunk {
        output.write_all(&bytes).context("the report cannot be written")?;
        chunk = chunks.recv().await.transpose()?;
    }
    output.flush().context("the report cannot be written")
}

async fn quote(options: QuoteOptions) -> anyhow::Result<()> {
    let question = match &options.file {
        Some(path) => std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?,
        None => std::io::read_to_string(std::io::stdin()).context("cannot read standard input")?,
    };
    let request: QuoteRequest = serde_json::from_str(&question).context("this is no question for a quote")?;
    let reports = reports(&options.data_dir, &options.tenant, String::new()).await?;
    let quote = reports.quote(&options.tenant, &request, None, SystemClock::new().now()).await?;
    println!("{}", serde_json::to_string_pretty(&quote)?);
    Ok(())
}

/// Reports of a ledger by the prices that its service last ran with.
async fn reports(data_dir: &Path, tenant: &str, provider: String) -> anyhow::Result<Reports> {
    let ledger = open(data_dir).await?;
    let prices = PriceBook::recorded(&ledger, tenant).await?;
    let is_known = ledger.price_list(tenant, None).await?.is_some();
    anyhow::ensure!(is_known, "the ledger in {} knows no tenant {tenant:?}", data_dir.display());
    Ok(Reports::new(Arc::new(ledger), prices, provider))
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
    let Verified { hours, entries, billable_seconds, head, unsealed_hours, unpriced_hours } = verified;
    let waiting = format!("{unsealed_hours} hours are closed and wait for the service to seal them.");
    let Some(head) = head else {
        return if *unsealed_hours > 0 { waiting } else { "No hour is closed yet.".to_owned() };
    };
    let until = jiff::Timestamp::from_millisecond(head.hour_start_ms + 3_600_000).unwrap_or(jiff::Timestamp::MAX);
    let mut text = format!(
        "The ledger is as it was sealed: {hours} hours until {until}, {entries} lines, {billable_seconds} s.\n  head        {}\n  \
         public key  {}",
        hex::encode(head.digest),
        hex::encode(head.public_key),
    );
    if *unpriced_hours > 0 {
        text.push_str(&format!(
            "\nThe prices of the first {unpriced_hours} of these hours are not sealed: a version closed them that sealed lines alone."
        ));
    }
    if *unsealed_hours > 0 {
        text.push_str(&format!("\n{waiting}"));
    }
    text
}
