//! The URLs that a session hands out, and the signatures in those of media: of a rendition and of a sound, each segment's its own, so that who
//! was given one has been given no other. The same for all sessions, so that caches have each once.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::mosaic::GameKey;
use crate::timeline::SegmentNumber;
use crate::track::Position;

/// Bytes of a signature: too many to guess one by asking.
const SIGNATURE_BYTES: usize = 8;

/// Stands before the signature in a path element. No name has it.
const SIGNED: char = '~';

/// Bounds what is decoded from a URL.
const MAX_ELEMENT_LENGTH: usize = 512;

/// Makes path elements that only this service can make, and reads them back.
pub(super) struct Paths {
    secret: [u8; 32],
    era: u64,
    /// The segment in which this process began, and when.
    began_in: SegmentNumber,
    began_ms: i64,
}

/// Addresses of what was played a while ago are good for a time: who was given hours of them in one playlist must come back for it, as those who
/// watch live must.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ageing {
    /// Segments before it are of the past.
    pub past_before: SegmentNumber,
    /// Their addresses are given in this period of time, and are good in the next one, too.
    pub period: u64,
}

/// Segments around the one from which on they are of the past: where an address was given before it was, it is good for a while yet.
const AGEING_SEGMENTS: u64 = 30;

/// The addresses of one rendition of a mosaic, or of one sound.
pub(super) struct Addresses<'a> {
    paths: &'a Paths,
    ageing: Option<Ageing>,
    /// Up to the signature.
    prefix: String,
    mac: Hmac<Sha256>,
}

impl Paths {
    /// Names of another `era` are others: numbers come again there, and caches know the old ones. `began_in` is the segment in which this
    /// process began, at `began_ms`.
    pub(super) fn new(secret: [u8; 32], era: u64, began_in: SegmentNumber, began_ms: i64) -> Self {
        Self { secret, era, began_in, began_ms }
    }

    pub(super) fn playback(token: &str) -> String {
        format!("/v1/play/{token}/index.m3u8")
    }

    /// The addresses of a rendition of a mosaic. Who is given one rendition is not given those above it.
    pub(super) fn rung(&self, mosaic: &str, rendition: &str) -> Addresses<'_> {
        let prefix = format!("/v1/media/{mosaic}/{rendition}{SIGNED}");
        Addresses { paths: self, ageing: None, prefix, mac: self.rung_mac(mosaic, rendition) }
    }

    /// The addresses of a game's sound. Knowing a game's id (another tenant's, say) does not open its sound.
    pub(super) fn sound(&self, key: &GameKey) -> Addresses<'_> {
        let prefix = format!("/v1/media/audio/{}{SIGNED}", URL_SAFE_NO_PAD.encode(key.as_bytes()));
        Addresses { paths: self, ageing: None, prefix, mac: self.sound_mac(key) }
    }

    /// The rendition behind a path element, if its signature is this service's, of this mosaic and of segment `n`, or of the init segment, and good at
    /// this time.
    pub(super) fn rendition_of<'a>(
        &self,
        mosaic: &str,
        element: &'a str,
        n: Option<SegmentNumber>,
        ageing: Option<Ageing>,
    ) -> Option<&'a str> {
        let (rendition, signature) = element.split_once(SIGNED)?;
        self.verifies(self.rung_mac(mosaic, rendition), n, ageing, signature).then_some(rendition)
    }

    /// The game behind a path element, as [`Paths::rendition_of`].
    pub(super) fn game_of(&self, element: &str, n: Option<SegmentNumber>, ageing: Option<Ageing>) -> Option<GameKey> {
        if element.len() > MAX_ELEMENT_LENGTH {
            return None;
        }
        let (key, signature) = element.split_once(SIGNED)?;
        let key = String::from_utf8(URL_SAFE_NO_PAD.decode(key).ok()?).ok()?;
        self.verifies(self.sound_mac(&key), n, ageing, signature).then(|| key.into())
    }

    fn verifies(&self, mac: Hmac<Sha256>, n: Option<SegmentNumber>, ageing: Option<Ageing>, signature: &str) -> bool {
        // The decoder takes one spelling alone.
        let signature = URL_SAFE_NO_PAD.decode(signature).ok().filter(|s| s.len() == SIGNATURE_BYTES);
        let Some(signature) = signature else { return false };
        let is = |period: Option<u64>| self.of(mac.clone(), n, period).verify_truncated_left(&signature).is_ok();
        let Some((n, Ageing { past_before, period })) = n.zip(ageing) else { return is(None) };
        (n + AGEING_SEGMENTS >= past_before && is(None))
            || (n < past_before + AGEING_SEGMENTS && [period, period.saturating_sub(1)].map(Some).into_iter().any(is))
    }

    /// `mac`, for segment `n` or the init segment; for one of the past, given in `period`.
    fn of(&self, mut mac: Hmac<Sha256>, n: Option<SegmentNumber>, period: Option<u64>) -> Hmac<Sha256> {
        match n {
            None => mac.update(b"init"),
            Some(n) => mac.update(&n.to_be_bytes()),
        }
        // The process before this one may have served other bytes for segments up to the one in which this one began, where nothing but a
        // lead-in is left; caches know them.
        if n.is_some_and(|n| n <= self.began_in) {
            mac.update(&self.began_ms.to_be_bytes());
        }
        if let Some(period) = period {
            mac.update(b"past");
            mac.update(&period.to_be_bytes());
        }
        mac
    }

    fn rung_mac(&self, mosaic: &str, rendition: &str) -> Hmac<Sha256> {
        self.mac(["rung", mosaic, rendition])
    }

    fn sound_mac(&self, key: &str) -> Hmac<Sha256> {
        let era = if self.era > 0 { self.era.to_string() } else { String::new() };
        self.mac(["sound", &era, key])
    }

    fn mac(&self, texts: [&str; 3]) -> Hmac<Sha256> {
        // HMAC takes a key of any length (RFC 2104, 2); the other arm is never taken.
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret).unwrap_or_else(|_| Hmac::new(&Default::default()));
        for text in texts {
            mac.update(text.as_bytes());
            mac.update(b"\0");
        }
        mac
    }
}

impl Addresses<'_> {
    /// Those of the past for a time.
    pub(super) fn ageing(self, ageing: Option<Ageing>) -> Self {
        Self { ageing, ..self }
    }

    pub(super) fn init(&self) -> String {
        format!("{}/init.mp4", self.signed(None))
    }

    pub(super) fn segment(&self, n: SegmentNumber) -> String {
        format!("{}/{n}.m4s", self.signed(Some(n)))
    }

    /// Whoever may have a segment may have the picture that opens it.
    pub(super) fn key_picture(&self, n: SegmentNumber) -> String {
        format!("{}/{n}.key.m4s", self.signed(Some(n)))
    }

    pub(super) fn part(&self, Position { segment, part }: Position) -> String {
        format!("{}/{segment}.{part}.m4s", self.signed(Some(segment)))
    }

    fn signed(&self, n: Option<SegmentNumber>) -> String {
        let is_past = |ageing: &Ageing| n.is_some_and(|n| n < ageing.past_before);
        let period = self.ageing.filter(is_past).map(|ageing| ageing.period);
        let signature = &self.paths.of(self.mac.clone(), n, period).finalize().into_bytes()[..SIGNATURE_BYTES];
        format!("{}{}", self.prefix, URL_SAFE_NO_PAD.encode(signature))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The path element of an address that has the signature.
    fn element(address: &str) -> &str {
        address.rsplit('/').nth(1).unwrap()
    }

    #[test]
    fn a_sound_s_address_opens_its_game_and_a_forged_one_nothing() {
        let paths = Paths::new([7; 32], 0, 100, 0);
        let init = paths.sound(&"acme/nyk-bos".into()).init();
        let element = element(&init);
        assert_eq!(paths.game_of(element, None, None).as_deref(), Some("acme/nyk-bos"));
        assert!(element.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_~".contains(&b)), "{element}");

        assert_eq!(Paths::new([8; 32], 0, 100, 0).game_of(element, None, None), None, "another service's");
        assert_eq!(Paths::new([7; 32], 1, 100, 0).game_of(element, None, None), None, "another era's");
        let (_, signature) = element.split_once('~').unwrap();
        let other = URL_SAFE_NO_PAD.encode("acme/nyk-mia");
        for forged in [
            "",
            "~",
            "nyk-bos",
            &format!("{other}~{signature}"),
            &format!("{element}AA"),
            &element[..element.len() - 2],
        ] {
            assert_eq!(paths.game_of(forged, None, None), None, "{forged}");
        }
        assert_eq!(paths.game_of(&"a".repeat(100_000), None, None), None);
    }

    #[test]
    fn what_another_process_may_have_served_has_another_address() {
        let [before, after] = [1000, 3000].map(|began_ms| Paths::new([7; 32], 0, 100, began_ms));
        let of = |paths: &Paths, n| {
            let at = Position::new(n, 1);
            let all = [paths.rung("m", "720p"), paths.sound(&"s".into())];
            all.map(|addresses| [addresses.segment(n), addresses.part(at)]).concat()
        };
        assert!(of(&before, 100).iter().zip(of(&after, 100)).all(|(before, after)| *before != after));
        assert_eq!(of(&before, 101), of(&after, 101));
        // And the former's address opens nothing.
        let former = before.rung("m", "720p").segment(100);
        assert_eq!(before.rendition_of("m", element(&former), Some(100), None), Some("720p"));
        assert_eq!(after.rendition_of("m", element(&former), Some(100), None), None);
        assert_eq!(before.rung("m", "720p").init(), after.rung("m", "720p").init());
    }

    #[test]
    fn an_address_that_was_given_opens_no_other() {
        let paths = Paths::new([7; 32], 0, 100, 0);
        let addresses = paths.rung("m", "540p");
        let segment = addresses.segment(200);
        let of_segment = element(&segment);
        assert_eq!(paths.rendition_of("m", of_segment, Some(200), None), Some("540p"));
        assert_eq!(element(&addresses.part(Position::new(200, 3))), of_segment);
        assert!(of_segment.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_~".contains(&b)), "{of_segment}");
        assert_eq!(paths.rendition_of("m", of_segment, Some(201), None), None, "the next segment");
        assert_eq!(paths.rendition_of("m", of_segment, None, None), None, "the init segment");
        assert_eq!(paths.rendition_of("m", element(&addresses.init()), Some(200), None), None, "and what it opens");
        assert_eq!(paths.rendition_of("n", of_segment, Some(200), None), None, "another mosaic's");
        let signature = of_segment.strip_prefix("540p~").unwrap();
        let last = signature.as_bytes()[signature.len() - 1];
        let respelt = format!("540p~{}{}", &signature[..signature.len() - 1], char::from(last + 1));
        for forged in
            ["540p", "1080p", "540p~", &format!("1080p~{signature}"), &of_segment[..of_segment.len() - 1], &respelt]
        {
            assert_eq!(paths.rendition_of("m", forged, Some(200), None), None, "{forged}");
        }
        let sound = paths.sound(&"a".into()).segment(200);
        assert_eq!(paths.game_of(element(&sound), Some(200), None).as_deref(), Some("a"));
        assert_eq!(paths.game_of(element(&sound), Some(201), None), None);
    }

    #[test]
    fn what_was_played_a_while_ago_is_given_for_a_time() {
        let paths = Paths::new([7; 32], 0, 100, 0);
        let at = |period| Some(Ageing { past_before: 1000, period });
        let given = |n, period| paths.rung("m", "540p").ageing(at(period)).segment(n);
        let opens = |address: &str, n, period| paths.rendition_of("m", element(address), Some(n), at(period)).is_some();
        let past = given(500, 7);
        assert_eq!([6, 7, 8, 9].map(|period| opens(&past, 500, period)), [false, true, true, false]);
        let live = given(1000, 7);
        assert_eq!(live, paths.rung("m", "540p").segment(1000), "the same for all, so that caches have it once");
        assert!(opens(&live, 1000, 7) && !opens(&paths.rung("m", "540p").segment(500), 500, 7));
        // While it becomes past both are good.
        let later = |n| paths.rendition_of("m", element(&live), Some(n), Some(Ageing { past_before: 1010, period: 7 }));
        assert!(later(1000).is_some());
        assert!(opens(&given(995, 7), 995, 7) && opens(&paths.rung("m", "540p").segment(995), 995, 7));
    }
}
