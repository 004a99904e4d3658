//! SRT addresses as people write them, `srt://host:port?streamid=#!::r=live/a,m=request&latency=200`: read here and nowhere
//! else. By the letter of RFC 3986 the `#` of an access-control stream id begins a fragment, and a general parser loses the
//! id and every parameter behind it.

use std::borrow::Cow;
use std::fmt::{self, Write};
use std::net::IpAddr;
use std::ops::RangeInclusive;

use url::Url;

use super::SourceError;

/// Who calls whom.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SrtMode {
    #[default]
    Caller,
    Listener,
}

/// What an SRT address says. `Debug` leaves out what is secret.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SrtSource {
    /// Called, or with [`SrtMode::Listener`] listened at; an IPv6 address has no brackets.
    pub host: String,
    pub port: u16,
    pub mode: SrtMode,
    /// How long a lost packet is waited for.
    pub latency_ms: Option<u32>,
    pub receive_latency_ms: Option<u32>,
    pub peer_latency_ms: Option<u32>,
    pub connect_timeout_ms: Option<u32>,
    /// A peer that is silent so long is gone.
    pub peer_idle_timeout_ms: Option<u32>,
    /// 10 to 79 characters.
    pub passphrase: Option<String>,
    /// 16, 24 or 32.
    pub key_length_bytes: Option<u32>,
    /// Up to 512 bytes. A caller names it; a listener lets nobody in who names another.
    pub stream_id: Option<String>,
    pub local_address: Option<IpAddr>,
    pub local_port: Option<u16>,
}

/// Parameters as they may be written, for the message about one that is not known.
const KEYS: &str = "mode, latency, rcvlatency, peerlatency, conntimeo (or connect_timeout, timeout), peeridletimeo, \
                    passphrase, pbkeylen, streamid (or srt_streamid), localaddress (or adapter), localport, program and audio";

/// What only a sender has a use for, and stands in many addresses that are handed out: taken, and of no effect here.
const SENDERS: [&str; 4] = ["pkt_size", "payload_size", "payloadsize", "transtype"];

/// Said to the feed and not to the peer: read there.
const FEEDS: [&str; 2] = ["program", "audio"];

/// Latency of more than a minute is a mistake of units.
const LATENCY_MS: RangeInclusive<u32> = 0..=60_000;
const TIMEOUT_MS: RangeInclusive<u32> = 100..=60_000;

impl SrtSource {
    /// Reads the address that [`canonical`] made.
    ///
    /// # Errors
    /// Which parameter is wrong, and what is allowed. No value of a secret one is ever in the message.
    pub fn of(url: &Url) -> Result<Self, SourceError> {
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let port = url.port().filter(|port| *port != 0).ok_or(SourceError::NoPort("srt"))?;
        let mut srt = Self { host, port, ..Self::default() };
        let mut seen: Vec<&str> = Vec::new();
        for (key, value) in pairs(url.query().unwrap_or_default()) {
            // Without a name, what stands there may be the secret itself.
            let value = value.ok_or(SourceError::SrtNoValue)?;
            let name =
                known(&key).ok_or_else(|| SourceError::SrtKey { key: key.clone().into_owned(), allowed: KEYS })?;
            if seen.contains(&name) {
                return Err(SourceError::SrtTwice(name));
            }
            seen.push(name);
            srt.take(name, &value).map_err(|allowed| SourceError::SrtValue { key: name, allowed })?;
        }
        if srt.key_length_bytes.is_some() && srt.passphrase.is_none() {
            return Err(SourceError::SrtValue {
                key: "pbkeylen",
                allowed: "it is for a `passphrase`, and there is none",
            });
        }
        // libsrt binds a caller's socket to both or to neither.
        if srt.mode == SrtMode::Caller && srt.local_address.is_some() && srt.local_port.is_none() {
            return Err(SourceError::SrtValue { key: "localaddress", allowed: "a caller needs a `localport` with it" });
        }
        Ok(srt)
    }

    fn take(&mut self, name: &'static str, value: &str) -> Result<(), &'static str> {
        const LATENCY: &str = "it is in milliseconds, 0 to 60000 (FFmpeg and OBS count microseconds)";
        const TIMEOUT: &str = "it is in milliseconds, 100 to 60000 (FFmpeg and OBS count microseconds)";
        let within = |range: RangeInclusive<u32>, allowed| {
            value.parse().ok().filter(|number| range.contains(number)).map(Some).ok_or(allowed)
        };
        match name {
            "mode" => {
                self.mode = match value {
                    "caller" => SrtMode::Caller,
                    "listener" => SrtMode::Listener,
                    _ => return Err("caller and listener are allowed"),
                }
            }
            "latency" => self.latency_ms = within(LATENCY_MS, LATENCY)?,
            "rcvlatency" => self.receive_latency_ms = within(LATENCY_MS, LATENCY)?,
            "peerlatency" => self.peer_latency_ms = within(LATENCY_MS, LATENCY)?,
            "conntimeo" => self.connect_timeout_ms = within(TIMEOUT_MS, TIMEOUT)?,
            "peeridletimeo" => self.peer_idle_timeout_ms = within(TIMEOUT_MS, TIMEOUT)?,
            "passphrase" if (10..=79).contains(&value.len()) => self.passphrase = Some(value.to_owned()),
            "passphrase" => return Err("10 to 79 characters are allowed"),
            "pbkeylen" => {
                self.key_length_bytes = match value {
                    "0" => None,
                    "16" => Some(16),
                    "24" => Some(24),
                    "32" => Some(32),
                    _ => return Err("0 (the peer decides), 16, 24 and 32 bytes are allowed"),
                }
            }
            "streamid" if (1..=512).contains(&value.len()) => self.stream_id = Some(value.to_owned()),
            "streamid" => return Err("1 to 512 bytes are allowed"),
            "localaddress" => {
                self.local_address = Some(value.parse().map_err(|_| "an IP address of this machine is allowed")?);
            }
            "localport" => {
                let port = value.parse().ok().filter(|port| *port != 0);
                self.local_port = Some(port.ok_or("1 to 65535 are allowed")?);
            }
            "transtype" if value != "live" => return Err("live is allowed"),
            _ => {}
        }
        Ok(())
    }
}

/// The one name of a parameter, whichever of its names is written.
fn known(key: &str) -> Option<&'static str> {
    const NAMES: [&str; 11] = [
        "mode",
        "latency",
        "rcvlatency",
        "peerlatency",
        "conntimeo",
        "peeridletimeo",
        "passphrase",
        "pbkeylen",
        "streamid",
        "localaddress",
        "localport",
    ];
    match key {
        "srt_streamid" => Some("streamid"),
        "connect_timeout" | "timeout" => Some("conntimeo"),
        "adapter" => Some("localaddress"),
        _ => NAMES.into_iter().chain(SENDERS).chain(FEEDS).find(|name| *name == key),
    }
}

/// The parameters of a query. A `+` is a plus here: stream ids and passphrases are no form fields.
fn pairs(query: &str) -> impl Iterator<Item = (Cow<'_, str>, Option<Cow<'_, str>>)> {
    query.split('&').filter(|item| !item.is_empty()).map(|item| match item.split_once('=') {
        Some((key, value)) => (decoded(key), Some(decoded(value))),
        None => (decoded(item), None),
    })
}

/// `text` without percent-encoding; what is none stays as it is.
pub(super) fn decoded(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return text.into();
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let code = (byte == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match code.filter(|c| c.bytes().all(|b| b.is_ascii_hexdigit())).and_then(|c| u8::from_str_radix(c, 16).ok()) {
            Some(code) => {
                out.push(code);
                at += 3;
            }
            None => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8(out).map_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned().into(), Cow::Owned)
}

fn encode(text: &str, out: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' | b':' | b',' | b'=' | b'!' => {
                out.push(char::from(byte));
            }
            // Writing into a text cannot fail.
            _ => drop(write!(out, "%{byte:02X}")),
        }
    }
}

/// `text`, an SRT address, as a URL by the letter: everything behind the first `?` is parameters, a `#` among them one of
/// their characters, encoded so that no later reader takes it for a fragment.
pub(super) fn canonical(text: &str) -> Cow<'_, str> {
    let Some((place, query)) = text.split_once('?') else { return text.into() };
    let mut out = format!("{place}?");
    for (n, (key, value)) in pairs(query).enumerate() {
        if n > 0 {
            out.push('&');
        }
        encode(&key, &mut out);
        if let Some(value) = value {
            out.push('=');
            encode(&value, &mut out);
        }
    }
    out.into()
}

/// Checks an SRT address; one that was written without a host (`listens`) has nobody to call.
pub(super) fn check(url: &mut Url, listens: bool) -> Result<(), SourceError> {
    if url.host_str().is_none_or(str::is_empty) {
        return Err(SourceError::NoHost("srt"));
    }
    if listens && !pairs(url.query().unwrap_or_default()).any(|(key, _)| key == "mode") {
        let query = url.query().filter(|q| !q.is_empty()).map_or_else(String::new, |q| format!("{q}&"));
        url.set_query(Some(&format!("{query}mode=listener")));
    }
    let srt = SrtSource::of(url)?;
    if listens && srt.mode == SrtMode::Caller {
        return Err(SourceError::NoHost("srt"));
    }
    Ok(())
}

impl fmt::Debug for SrtSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secret = |value: &Option<String>| value.as_ref().map(|_| "…");
        f.debug_struct("SrtSource")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("mode", &self.mode)
            .field("latency_ms", &self.latency_ms)
            .field("passphrase", &secret(&self.passphrase))
            .field("key_length_bytes", &self.key_length_bytes)
            .field("stream_id", &secret(&self.stream_id))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::SourceUri;
    use super::*;

    fn srt(text: &str) -> SrtSource {
        let uri: SourceUri = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
        SrtSource::of(uri.url()).unwrap()
    }

    #[test]
    fn an_access_control_stream_id_keeps_its_value_and_what_stands_behind_it() {
        let plain = srt("srt://10.0.0.1:9000?streamid=#!::r=live/a,m=request&latency=200&passphrase=correct-horse+1");
        assert_eq!(plain.stream_id.as_deref(), Some("#!::r=live/a,m=request"));
        assert_eq!((plain.latency_ms, plain.passphrase.as_deref()), (Some(200), Some("correct-horse+1")));
        let encoded = "srt://10.0.0.1:9000?streamid=%23%21%3A%3Ar%3Dlive%2Fa%2Cm%3Drequest&latency=200&passphrase=correct-horse%2B1";
        assert_eq!(srt(encoded), plain);
        let slashed = "srt://10.0.0.1:9000/?streamid=#!::r=live/a,m=request&latency=200&passphrase=correct-horse+1";
        assert_eq!(srt(slashed), plain);
        let uri: SourceUri = "srt://h:1?streamid=#!::u=a%26b,r=50%25 off".parse().unwrap();
        assert_eq!(SrtSource::of(uri.url()).unwrap().stream_id.as_deref(), Some("#!::u=a&b,r=50% off"));
        assert_eq!(uri.url().fragment(), None);
    }

    #[test]
    fn every_parameter_that_people_write_is_read() {
        let all =
            srt("srt://[2001:db8::1]:9000?mode=caller&latency=120&rcvlatency=130&peerlatency=140&connect_timeout=3000\
             &peeridletimeo=5000&passphrase=0123456789&pbkeylen=32&srt_streamid=a&adapter=192.0.2.7&localport=4000\
             &pkt_size=1316&transtype=live&program=2&audio=eng");
        let expected = SrtSource {
            host: "2001:db8::1".into(),
            port: 9000,
            mode: SrtMode::Caller,
            latency_ms: Some(120),
            receive_latency_ms: Some(130),
            peer_latency_ms: Some(140),
            connect_timeout_ms: Some(3000),
            peer_idle_timeout_ms: Some(5000),
            passphrase: Some("0123456789".into()),
            key_length_bytes: Some(32),
            stream_id: Some("a".into()),
            local_address: Some("192.0.2.7".parse().unwrap()),
            local_port: Some(4000),
        };
        assert_eq!(all, expected);
        assert_eq!(srt("srt://:9000?streamid=x").mode, SrtMode::Listener);
        assert_eq!(srt("srt://0.0.0.0:9000?mode=listener&pbkeylen=0").key_length_bytes, None);
    }

    #[test]
    fn what_is_wrong_is_named_with_what_is_allowed_and_without_a_secret() {
        let cases = [
            ("srt://h:1?mode=rendezvous", "`mode`", "caller and listener"),
            ("srt://:1?mode=caller", "no host", "srt://HOST"),
            ("srt://h:1?latency=200000", "`latency`", "milliseconds, 0 to 60000"),
            ("srt://h:1?timeout=-1", "`conntimeo`", "milliseconds, 100 to"),
            ("srt://h:1?passphrase=hunter2", "`passphrase`", "10 to 79"),
            ("srt://h:1?passphrase=", "`passphrase`", "10 to 79"),
            ("srt://h:1?passphrase=hunter2hunter2&pbkeylen=8", "`pbkeylen`", "16, 24 and 32"),
            ("srt://h:1?pbkeylen=16", "`pbkeylen`", "there is none"),
            ("srt://h:1?streamid=", "`streamid`", "512 bytes"),
            ("srt://h:1?streamid=hunter2&streamid=b", "`streamid`", "twice"),
            ("srt://h:1?timeout=300&conntimeo=300", "`conntimeo`", "twice"),
            ("srt://h:1?localport=0", "`localport`", "1 to 65535"),
            ("srt://h:1?adapter=192.0.2.7", "`localaddress`", "localport"),
            ("srt://h:1?adapter=eth0", "`localaddress`", "IP address"),
            ("srt://h:1?transtype=file", "`transtype`", "live"),
            ("srt://h:1?hunter2hunter2", "parameter", "KEY=VALUE"),
            ("srt://h:1?latancy=200&passphrase=hunter2hunter2", "\"latancy\"", "latency, rcvlatency"),
        ];
        for (text, names, allowed) in cases {
            let message = text.parse::<SourceUri>().unwrap_err().to_string();
            assert!(message.contains(names) && message.contains(allowed), "{text}: {message}");
            assert!(!message.contains("hunter2"), "{text}: {message}");
        }
        let secret = srt("srt://h:1?passphrase=hunter2hunter2&streamid=hunter2");
        assert!(!format!("{secret:?}").contains("hunter2"), "{secret:?}");
    }
}
