//! Which of a source's streams are to be shown, as its address says.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;

use super::error::SourceError;
use super::playlist::VariantWish;

/// What an address says to us and not to its origin: `program=2`, `audio=eng`, `loop=1`.
///
/// Where it stands depends on whom the query belongs to:
/// - `udp`, `rtp`, `srt` and `file`: in the query, among the others.
/// - `http(s)` and `rtmp`: the query belongs to the origin, which may have signed it, and is sent as it is. Ours stands in the
///   fragment, which is never sent: `https://origin.example/a.m3u8?token=x#program=2&audio=eng`. One word is an exception:
///   `loop=1` in the query of `http(s)` is ours and is taken out; all others stay, byte for byte.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Wanted {
    /// The programme's number in a transport stream; the first that has a picture otherwise.
    pub program: Option<u16>,
    pub audio: AudioWish,
    /// Which variant of a playlist: `variant=720p`, `variant=3000k`, `variant=index:2`.
    pub variant: VariantWish,
    /// What is on HTTP and has an end begins again.
    pub looped: bool,
    /// How much later than others a picture of a pushing source may arrive.
    pub jitter: Option<Duration>,
    /// Sender reports of an RTP source are listened to, on the port after its own.
    pub reports: bool,
}

/// What [`Wanted::jitter`] may be, in milliseconds.
const JITTER_MS: std::ops::RangeInclusive<u64> = 40..=5000;

/// Which sound is to be heard.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum AudioWish {
    #[default]
    First,
    /// Counted from 1, in the order of the programme table or the container.
    Index(u16),
    /// The packet identifier in a transport stream: `audio=0x101`.
    Pid(u16),
    /// As it is tagged: `audio=eng`.
    Language(String),
}

impl Wanted {
    /// Takes what is ours out of `url`.
    ///
    /// # Errors
    /// [`SourceError::Uri`] for a value that is not allowed.
    pub fn split(url: &Url) -> Result<(Url, Self), SourceError> {
        let (mut url, mut wanted) = (url.clone(), Self::default());
        let scheme = url.scheme().to_owned();
        if scheme == "test" {
            return Ok((url, wanted));
        }
        let foreign = matches!(scheme.as_str(), "http" | "https" | "rtmp");
        // In SRT a fragment is what is left of an access control string (`streamid=#!::…`).
        if scheme != "srt"
            && let Some(fragment) = url.fragment().map(str::to_owned)
        {
            for pair in fragment.split('&') {
                wanted.take(pair, &url)?;
            }
            url.set_fragment(None);
        }
        if let Some(query) = url.query().map(str::to_owned) {
            let mut kept = Vec::new();
            for pair in query.split('&') {
                let ours = if foreign { scheme != "rtmp" && pair == "loop=1" } else { true };
                if !(ours && wanted.take(pair, &url)?) {
                    kept.push(pair);
                }
            }
            if kept.len() < query.split('&').count() {
                url.set_query((!kept.is_empty()).then(|| kept.join("&")).as_deref());
            }
        }
        Ok((url, wanted))
    }

    /// Takes `key=value` in; false where it is none of ours.
    fn take(&mut self, pair: &str, url: &Url) -> Result<bool, SourceError> {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let refused = |allowed: &str| SourceError::Uri {
            uri: format!("{}://{}", url.scheme(), url.host_str().unwrap_or_default()),
            problem: format!("`{key}` {value:?} is not allowed; {allowed}"),
        };
        match key {
            "program" => {
                let number = value.parse::<u16>().ok().filter(|n| *n > 0);
                self.program = Some(number.ok_or_else(|| refused("1 to 65535 is"))?);
            }
            "audio" => {
                self.audio = AudioWish::of(value).ok_or_else(|| {
                    refused("a number from 1, a language of two or three letters, or a PID such as 0x101 is")
                })?;
            }
            "variant" => {
                self.variant = VariantWish::parse(value)
                    .ok_or_else(|| refused("`best`, lines (720p), bits a second (3000k) or a place (index:0) are"))?;
            }
            "jitter" => {
                let ms = value.parse().ok().filter(|ms| JITTER_MS.contains(ms));
                self.jitter = Some(Duration::from_millis(ms.ok_or_else(|| refused("40 to 5000, milliseconds, is"))?));
            }
            "rtcp" => {
                self.reports = match value {
                    "1" => true,
                    "0" => false,
                    _ => return Err(refused("0 and 1 are")),
                };
            }
            "loop" => {
                self.looped = match value {
                    "1" => true,
                    "0" => false,
                    _ => return Err(refused("0 and 1 are")),
                };
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl AudioWish {
    fn of(text: &str) -> Option<Self> {
        if let Some(hex) = text.strip_prefix("0x") {
            return u16::from_str_radix(hex, 16).ok().filter(|pid| (0x10..0x1fff).contains(pid)).map(AudioWish::Pid);
        }
        if let Ok(index) = text.parse::<u16>() {
            return (1..=99).contains(&index).then_some(AudioWish::Index(index));
        }
        let letters = (2..=3).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphabetic());
        letters.then(|| AudioWish::Language(text.to_ascii_lowercase()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> (String, Wanted) {
        let (url, wanted) = Wanted::split(&Url::parse(text).unwrap()).unwrap();
        (url.into(), wanted)
    }

    #[test]
    fn ours_is_taken_out_and_the_origins_query_stays_byte_for_byte() {
        let signed = "https://origin.example/a.m3u8?Policy=x%2Fy~&program=7&audio=stereo&loop=yes&Signature=a+b";
        assert_eq!(split(signed), (signed.into(), Wanted::default()));
        let two =
            Wanted { program: Some(2), audio: AudioWish::Language("eng".into()), looped: true, ..Wanted::default() };
        assert_eq!(split(&format!("{signed}#program=2&audio=eng&loop=1")), (signed.into(), two));
        let looped = Wanted { looped: true, ..Wanted::default() };
        assert_eq!(split("http://h/a.mp4?loop=1"), ("http://h/a.mp4".into(), looped.clone()));
        assert_eq!(split("http://h/a.mp4?t=%20&loop=1&s=1"), ("http://h/a.mp4?t=%20&s=1".into(), looped));
        let live = "rtmp://h/app/stream?loop=1&program=2";
        assert_eq!(split(live), (live.into(), Wanted::default()));
    }

    #[test]
    fn where_the_query_is_ours_the_rest_of_it_stays() {
        let (url, wanted) = split("udp://239.1.1.1:5000?interface=lo&program=2&audio=0x101");
        assert_eq!(url, "udp://239.1.1.1:5000?interface=lo");
        assert_eq!((wanted.program, wanted.audio), (Some(2), AudioWish::Pid(0x101)));
        let (url, wanted) = split("udp://0.0.0.0:5000?jitter=120");
        assert_eq!((url.as_str(), wanted.jitter), ("udp://0.0.0.0:5000", Some(Duration::from_millis(120))));
        let (url, wanted) = split("srt://h:9000?audio=2&streamid=#!::r=live,m=request");
        assert_eq!(url, "srt://h:9000?streamid=#!::r=live,m=request");
        assert_eq!(wanted.audio, AudioWish::Index(2));
        assert_eq!(split("file:///a.ts?program=3#audio=de").0, "file:///a.ts");
    }

    #[test]
    fn values_that_name_nothing_are_refused() {
        let chosen = split("http://h/a.m3u8?variant=sd#variant=720p").1.variant;
        assert_eq!(chosen, VariantWish::Lines(720));
        for wrong in [
            "variant=hd",
            "program=0",
            "program=x",
            "audio=0",
            "audio=0x5",
            "audio=english",
            "loop=2",
            "jitter=39",
            "jitter=6s",
        ] {
            let url = Url::parse(&format!("udp://h:1?{wrong}")).unwrap();
            let error = Wanted::split(&url).unwrap_err().to_string();
            assert!(error.contains("not allowed"), "{wrong}: {error}");
        }
    }
}
