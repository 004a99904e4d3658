//! What goes out to others: where the ledger is exported to, and what is told when a month comes to an amount.

use std::fmt;
use std::str::FromStr;

use rust_decimal::Decimal;
use url::Url;

use super::reader::{Table, Value};
use crate::usage::Amount;

/// Most thresholds of a tenant.
pub const MAX_THRESHOLDS: usize = 32;

/// Decimals that money may have here: more than any currency, as many as the ledger's sums.
const MAX_DECIMALS: u32 = 10;

/// A secret in the clear, which must be sent or signed with. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl Secret {
    /// A header's value, which may have spaces within (RFC 9110, 5.5).
    pub(super) fn of_header(text: &str) -> Result<Self, SecretError> {
        let together: String = text.split(' ').collect();
        let is_padded = text.split(' ').any(str::is_empty);
        if is_padded && !text.is_empty() {
            return Err(SecretError::Character);
        }
        together.parse::<Self>()?;
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Why a text is no secret. It never quotes the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    #[error("it has {0} characters")]
    Length(usize),
    #[error("it has a space or a character other than visible ASCII in it")]
    Character,
}

impl FromStr for Secret {
    type Err = SecretError;

    fn from_str(text: &str) -> Result<Self, SecretError> {
        if !(1..=4096).contains(&text.len()) {
            return Err(SecretError::Length(text.len()));
        }
        // What may stand in a header without quotes or folding (RFC 9110, 5.5).
        if text.bytes().all(|b| b.is_ascii_graphic()) { Ok(Self(text.to_owned())) } else { Err(SecretError::Character) }
    }
}

/// Where something is posted to. Its path and query may be secret, so `Debug` and `Display` have the host alone.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint(Url);

/// Why a text is no endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    #[error("it is no address ({0})")]
    NoUrl(#[from] url::ParseError),
    #[error("the scheme {0:?} is not known here")]
    Scheme(String),
    #[error("it has a user or a password in it")]
    Credentials,
    #[error("it has {0} characters")]
    Length(usize),
}

impl Endpoint {
    pub(super) const ALLOWED: &str =
        "http://HOST… or https://HOST… is allowed, up to 2048 characters, without a user or password";

    pub fn url(&self) -> &Url {
        &self.0
    }

    pub fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// The address of `path` below this one, which may be it already.
    pub(super) fn below(&self, path: &str) -> Result<Self, EndpointError> {
        let mut url = self.0.clone();
        let base = url.path().trim_end_matches('/');
        let whole = if base.ends_with(path) { base.to_owned() } else { format!("{base}{path}") };
        url.set_path(&whole);
        url.as_str().parse()
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        if text.len() > 2048 {
            return Err(EndpointError::Length(text.len()));
        }
        let mut url = Url::parse(text)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(EndpointError::Scheme(url.scheme().to_owned()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(EndpointError::Credentials);
        }
        // It is for those who ask, and never sent (RFC 9110, 7.1).
        url.set_fragment(None);
        Ok(Self(url))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.origin().ascii_serialization())
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({self}/…)")
    }
}

/// Where closed hours of the ledger go, as CloudEvents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    pub url: Endpoint,
    /// For `Authorization: Bearer`.
    pub token: Option<Secret>,
    /// Most events in a request.
    pub batch: u32,
}

/// What events name as their `source` where nothing else is said.
pub const DEFAULT_SOURCE: &str = "quadrille";

/// Tells when a tenant's month has come to `amount`: the tenant's webhooks that want to know, and `webhook`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Threshold {
    pub amount: Amount,
    pub webhook: Option<Endpoint>,
    /// Signs what is sent.
    pub secret: Option<Secret>,
}

/// `[export]`, and the `source` of all events.
pub(super) fn read_export(root: &mut Table) -> (Option<Export>, String) {
    let default = DEFAULT_SOURCE.to_owned();
    let Some(mut table) = root.table("export") else { return (None, default) };
    let url = table.required("url", Endpoint::ALLOWED).and_then(|v| v.parsed(Endpoint::ALLOWED, str::parse));
    let token = read_token(&mut table);
    let source =
        table.optional("source").and_then(|v| v.parsed("a URI reference without spaces is allowed", read_source));
    let batch = table.optional("batch").and_then(|v| v.whole(1..=1000, "events"));
    table.finish();
    (url.map(|url| Export { url, token, batch: batch.unwrap_or(100) }), source.unwrap_or(default))
}

fn read_source(text: &str) -> Result<String, String> {
    // CloudEvents 1.0, `source`: a URI reference that is not empty.
    let is_reference = Url::options().base_url(Url::parse("http://base/").ok().as_ref()).parse(text).is_ok();
    if !is_reference || !(1..=255).contains(&text.len()) || !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err("it is no URI reference of 1 to 255 characters".to_owned());
    }
    Ok(text.to_owned())
}

fn read_token(table: &mut Table) -> Option<Secret> {
    const ALLOWED: &str = "1 to 4096 visible ASCII characters without spaces are allowed";
    let token = table.optional("token");
    let file = table.optional("token_file");
    if let (Some(_), Some(file)) = (&token, &file) {
        file.refuse("there is a `token` too", "one of both is allowed");
        return None;
    }
    if let Some(token) = token {
        return token.parsed(ALLOWED, str::parse);
    }
    let read = |path: &str| {
        let text = std::fs::read_to_string(path).map_err(|e| format!("{path:?} cannot be read: {e}"))?;
        // Editors and `echo` end files with a newline, which is no part of the token.
        text.trim_end().parse::<Secret>().map_err(|e| format!("what {path:?} holds is no token: {e}"))
    };
    file?.parsed("the path of a file that holds the token is allowed", read)
}

/// `[[tenants.thresholds]]`.
pub(super) fn read_thresholds(tenant: &mut Table) -> Vec<Threshold> {
    let items = tenant.items("thresholds", "write each as [[tenants.thresholds]]");
    let mut thresholds: Vec<Threshold> = Vec::new();
    for (n, item) in items.iter().enumerate() {
        if n == MAX_THRESHOLDS {
            item.refuse("there are too many", &format!("up to {MAX_THRESHOLDS} of a tenant are allowed"));
            break;
        }
        let Some(threshold) = read_threshold(item) else { continue };
        if thresholds.iter().any(|t| t.amount.key() == threshold.amount.key()) {
            item.refuse(format!("there is one for {} already", threshold.amount), "each amount once is allowed");
        } else {
            thresholds.push(threshold);
        }
    }
    thresholds
}

fn read_threshold(item: &Value) -> Option<Threshold> {
    const WANTED: &str = "`minutes`, or `cost` with `currency`, is needed";
    let mut table = item.table()?;
    let minutes = read_minutes(&mut table, "minutes");
    let cost = read_cost(&mut table, "cost", "currency");
    let given = table.optional("webhook");
    let has_webhook = given.is_some();
    let webhook = given.and_then(|v| v.parsed(Endpoint::ALLOWED, str::parse));
    let secret = table.optional("secret").and_then(|v| {
        if !has_webhook {
            v.refuse("it is there without `webhook`", Endpoint::ALLOWED);
            return None;
        }
        v.parsed("1 to 4096 visible ASCII characters are allowed", str::parse)
    });
    let amount = match (minutes, cost) {
        (None, None) => {
            table.refuse("it has no amount", WANTED);
            None
        }
        (Some(_), Some(_)) => {
            table.refuse("it has two amounts", WANTED);
            None
        }
        (minutes, cost) => minutes.or(cost),
    };
    table.finish();
    // A webhook that cannot be read is a mistake that was noted.
    Some(Threshold { amount: amount??, webhook, secret })
}

/// `cap_minutes` and `cap_cost` with `cap_currency`.
pub(super) fn read_caps(tenant: &mut Table) -> Vec<Amount> {
    let minutes = read_minutes(tenant, "cap_minutes");
    let cost = read_cost(tenant, "cap_cost", "cap_currency");
    [minutes, cost].into_iter().flatten().flatten().collect()
}

/// `None` where the key is not there, `Some(None)` where it is wrong.
fn read_minutes(table: &mut Table, key: &'static str) -> Option<Option<Amount>> {
    let value = table.optional(key)?;
    Some(value.whole(1..=u32::MAX, "minutes").map(|minutes| Amount::Minutes(minutes.into())))
}

/// As [`read_minutes`].
fn read_cost(table: &mut Table, key: &'static str, currency_key: &'static str) -> Option<Option<Amount>> {
    const ALLOWED: &str = "an amount over 0 in quotes is allowed, as in \"1000.00\", with up to ten decimals";
    const CURRENCIES: &str = "an ISO 4217 code in quotes is needed, as in \"EUR\"";
    let value = table.optional(key);
    if value.is_none() {
        if let Some(alone) = table.optional(currency_key) {
            alone.refuse(format!("it is there without `{key}`"), ALLOWED);
        }
        return None;
    }
    let amount = value.and_then(|v| v.parsed(ALLOWED, read_amount));
    let currency = table.required(currency_key, CURRENCIES).and_then(|v| v.parsed(CURRENCIES, read_currency));
    Some(amount.zip(currency).map(|(amount, currency)| Amount::Cost { amount, currency }))
}

fn read_amount(text: &str) -> Result<Decimal, String> {
    let amount = Decimal::from_str_exact(text).map_err(|_| format!("{text:?} is no decimal number"))?;
    if amount <= Decimal::ZERO || amount.normalize().scale() > MAX_DECIMALS {
        return Err(format!("{text:?} is not allowed"));
    }
    Ok(amount)
}

fn read_currency(text: &str) -> Result<String, String> {
    if text.len() == 3 && text.bytes().all(|b| b.is_ascii_uppercase()) {
        Ok(text.to_owned())
    } else {
        Err(format!("{text:?} is no currency code"))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Config;

    const TENANT: &str = "[[tenants]]\nid = \"acme\"\ndevice_keys = [\"d\"]\n";

    fn parse(more: &str) -> Result<Config, String> {
        Config::parse(&format!("{TENANT}{more}"), Path::new("q.toml")).map_err(|e| e.to_string())
    }

    #[test]
    fn an_export_thresholds_and_caps_are_read() {
        let config = parse(
            "cap_minutes = 500_000\ncap_cost = \"2000.50\"\ncap_currency = \"EUR\"\n\
             [[tenants.thresholds]]\nminutes = 1000\nwebhook = \"https://hooks.example/a?b=c\"\nsecret = \"whsec\"\n\
             [[tenants.thresholds]]\ncost = \"10\"\ncurrency = \"USD\"\nwebhook = \"http://127.0.0.1:9/\"\n\
             [export]\nurl = \"https://meter.example/api/v1/events\"\ntoken = \"t0k\"\nsource = \"urn:q:1\"\nbatch = 500\n",
        )
        .unwrap();
        let tenant = &config.tenants[0];
        let euros = Amount::Cost { amount: Decimal::new(200_050, 2), currency: "EUR".into() };
        assert_eq!(tenant.caps, [Amount::Minutes(500_000), euros]);
        assert_eq!(tenant.thresholds[0].amount, Amount::Minutes(1000));
        assert_eq!(tenant.thresholds[0].webhook.as_ref().unwrap().url().as_str(), "https://hooks.example/a?b=c");
        assert_eq!(tenant.thresholds[1].secret, None);
        let export = config.export.clone().unwrap();
        assert_eq!((export.batch, &*config.event_source), (500, "urn:q:1"));
        assert_eq!(export.token.unwrap().reveal(), "t0k");
        let debug = format!("{:?}", config);
        assert!(!debug.contains("t0k") && !debug.contains("whsec") && !debug.contains("b=c"), "{debug}");
        assert_eq!((parse("").unwrap().export, parse("").unwrap().event_source), (None, "quadrille".to_owned()));
    }

    #[test]
    fn a_token_may_stand_in_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        let with_file = || parse(&format!("[export]\nurl = \"http://m/\"\ntoken_file = {path:?}\n"));
        let missing = with_file().unwrap_err();
        assert!(
            missing.contains("q.toml:6: key `export.token_file`: ") && missing.contains("cannot be read"),
            "{missing}"
        );
        std::fs::write(&path, "t0k\n").unwrap();
        assert_eq!(with_file().unwrap().export.unwrap().token.unwrap().reveal(), "t0k");
        std::fs::write(&path, "two words\n").unwrap();
        let wrong = with_file().unwrap_err();
        assert!(wrong.contains("holds is no token") && !wrong.contains("two words"), "{wrong}");
        let both =
            parse(&format!("[export]\nurl = \"http://m/\"\ntoken = \"a\"\ntoken_file = {path:?}\n")).unwrap_err();
        assert!(both.contains("there is a `token` too"), "{both}");
    }

    #[test]
    fn mistakes_name_their_key_and_what_is_allowed() {
        let hook = "webhook = \"https://h/\"";
        let threshold = |amount: &str| format!("[[tenants.thresholds]]\n{amount}\n{hook}\n");
        let cases = [
            ("[export]\nbatch = 5\n".to_owned(), "`export.url`: it is missing", "https://HOST"),
            ("[export]\nurl = \"ftp://m/\"\n".to_owned(), "`export.url`: the scheme", "https://HOST"),
            ("[export]\nurl = \"http://a:b@m/\"\n".to_owned(), "`export.url`: it has a user", "without a user"),
            ("[export]\nurl = \"http://m/\"\nbatch = 1001\n".to_owned(), "`export.batch`", "1 to 1000 events"),
            ("[export]\nurl = \"http://m/\"\nsource = \"\"\n".to_owned(), "`export.source`", "URI reference"),
            ("[export]\nurl = \"http://m/\"\ntoken = \"a b\"\n".to_owned(), "`export.token`", "visible ASCII"),
            ("cap_minutes = 0\n".to_owned(), "`tenants[0].cap_minutes`", "1 to 4294967295 minutes"),
            ("cap_cost = \"5\"\n".to_owned(), "`tenants[0].cap_currency`: it is missing", "ISO 4217"),
            (
                "cap_cost = 5.0\ncap_currency = \"EUR\"\n".to_owned(),
                "`tenants[0].cap_cost`: it is a number",
                "in quotes",
            ),
            ("cap_cost = \"-5\"\ncap_currency = \"EUR\"\n".to_owned(), "`tenants[0].cap_cost`", "over 0"),
            ("cap_cost = \"1e3\"\ncap_currency = \"EUR\"\n".to_owned(), "`tenants[0].cap_cost`", "over 0"),
            ("cap_cost = \"5\"\ncap_currency = \"eur\"\n".to_owned(), "`tenants[0].cap_currency`", "ISO 4217"),
            (
                "cap_currency = \"EUR\"\n".to_owned(),
                "`tenants[0].cap_currency`: it is there without `cap_cost`",
                "over 0",
            ),
            (threshold(""), "`tenants[0].thresholds[0]`: it has no amount", "`minutes`, or `cost`"),
            (threshold("minutes = 1\ncost = \"1\"\ncurrency = \"EUR\""), "it has two amounts", "`minutes`, or `cost`"),
            (format!("{}{}", threshold("minutes = 7"), threshold("minutes = 7")), "there is one for 7 minutes", "once"),
            (
                "[[tenants.thresholds]]\nminutes = 1\nwebhook = \"ftp://h/\"\n".to_owned(),
                "thresholds[0].webhook`: the scheme",
                "https://HOST",
            ),
            (
                "[[tenants.thresholds]]\nminutes = 1\nsecret = \"s\"\n".to_owned(),
                "thresholds[0].secret`: it is there without `webhook`",
                "https://HOST",
            ),
            ((1..34).map(|n| threshold(&format!("minutes = {n}"))).collect(), "there are too many", "up to 32"),
        ];
        for (text, problem, allowed) in cases {
            let said = parse(&text).unwrap_err();
            assert!(said.contains(problem) && said.contains(allowed), "{text}\n{said}");
        }
    }
}
