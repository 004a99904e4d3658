//! The URLs that a session hands out, and the signatures in those of media: of a rendition and of a sound, each segment's its own, so that who
//! was given one has been given no other. The same for all sessions, so that caches have each once.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::mosaic::{GameKey, MosaicId};
use crate::timeline::SegmentNumber;
use crate::track::Position;

/// Bytes of a signature: too many to guess one by asking.
const SIGNATURE_BYTES: usize = 8;

/// Of one that opens a whole session.
const TICKET_BYTES: usize = 12;

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

/// The addresses of one rendition of a mosaic, or of one sound.
pub(super) struct Addresses<'a> {
    paths: &'a Paths,
    /// The session whose own they are, which are good as long as it is there.
    own: Option<&'a str>,
    /// Up to the signature.
    prefix: String,
    mac: Hmac<Sha256>,
}

/// Whose own addresses are.
pub(super) struct Own<'a> {
    /// The session's, in their signatures.
    pub token: &'a str,
    /// The path element that its player came by, which they lie under.
    pub element: String,
}

impl Paths {
    /// Names of another `era` are others: numbers come again there, and caches know the old ones. `began_in` is the segment in which this
    /// process began, at `began_ms`.
    pub(super) fn new(secret: [u8; 32], era: u64, began_in: SegmentNumber, began_ms: i64) -> Self {
        Self { secret, era, began_in, began_ms }
    }

    /// `element`: as [`Paths::ticket`] makes it.
    pub(super) fn playback(element: &str) -> String {
        format!("/v1/play/{element}/index.m3u8")
    }

    /// A path element that says for what the session `token` was given out.
    pub(super) fn ticket(&self, token: &str, said: &str) -> String {
        let signature = &self.ticket_mac(token, said).finalize().into_bytes()[..TICKET_BYTES];
        format!("{token}{SIGNED}{said}{SIGNED}{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// The token of such an element and what it says, if its signature is this service's.
    pub(super) fn ticketed<'a>(&self, element: &'a str) -> Option<(&'a str, &'a str)> {
        if element.len() > MAX_ELEMENT_LENGTH {
            return None;
        }
        let (token, rest) = element.split_once(SIGNED)?;
        let (said, signature) = rest.split_once(SIGNED)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok().filter(|s| s.len() == TICKET_BYTES)?;
        self.ticket_mac(token, said).verify_truncated_left(&signature).is_ok().then_some((token, said))
    }

    fn ticket_mac(&self, token: &str, said: &str) -> Hmac<Sha256> {
        self.mac(["ticket", token, said])
    }

    /// The addresses of a rendition of a mosaic. Who is given one rendition is not given those above it.
    pub(super) fn rung(&self, mosaic: &str, rendition: &str) -> Addresses<'_> {
        let prefix = format!("/v1/media/{mosaic}/{rendition}{SIGNED}");
        Addresses { paths: self, own: None, prefix, mac: self.rung_mac(mosaic, rendition) }
    }

    /// The addresses of a game's sound. Knowing a game's id (another tenant's, say) does not open its sound.
    pub(super) fn sound(&self, key: &GameKey) -> Addresses<'_> {
        let prefix = format!("/v1/media/audio/{}{SIGNED}", URL_SAFE_NO_PAD.encode(key.as_bytes()));
        Addresses { paths: self, own: None, prefix, mac: self.sound_mac(key) }
    }

    /// The addresses of a text of a mosaic, as [`super::TextWish`] names it.
    pub(super) fn text(&self, mosaic: &str, text: &str) -> Addresses<'_> {
        let prefix = format!("/v1/media/{mosaic}/text/{text}{SIGNED}");
        Addresses { paths: self, own: None, prefix, mac: self.mac(["text", mosaic, text]) }
    }

    /// The text behind a path element, as [`Paths::rendition_of`].
    pub(super) fn text_of<'a>(
        &self,
        mosaic: &str,
        element: &'a str,
        n: SegmentNumber,
        own: Option<&str>,
    ) -> Option<&'a str> {
        let (text, signature) = element.split_once(SIGNED)?;
        self.verifies(self.mac(["text", mosaic, text]), Some(n), own, signature).then_some(text)
    }

    /// The rendition behind a path element, if its signature is this service's, of this mosaic and of segment `n`, or of the init segment. `own`: as
    /// the own address of the session with that token has it.
    pub(super) fn rendition_of<'a>(
        &self,
        mosaic: &str,
        element: &'a str,
        n: Option<SegmentNumber>,
        own: Option<&str>,
    ) -> Option<&'a str> {
        let (rendition, signature) = element.split_once(SIGNED)?;
        self.verifies(self.rung_mac(mosaic, rendition), n, own, signature).then_some(rendition)
    }

    /// The game behind a path element, as [`Paths::rendition_of`].
    pub(super) fn game_of(&self, element: &str, n: Option<SegmentNumber>, own: Option<&str>) -> Option<GameKey> {
        if element.len() > MAX_ELEMENT_LENGTH {
            return None;
        }
        let (key, signature) = element.split_once(SIGNED)?;
        let key = String::from_utf8(URL_SAFE_NO_PAD.decode(key).ok()?).ok()?;
        self.verifies(self.sound_mac(&key), n, own, signature).then(|| key.into())
    }

    /// A path element that says `said` of an output: whoever was given one needs no key.
    pub(super) fn output(&self, game: &str, skin: &str, said: &str) -> String {
        let signature = &self.output_mac(game, skin, said).finalize().into_bytes()[..SIGNATURE_BYTES];
        format!("{}{SIGNED}{}", URL_SAFE_NO_PAD.encode(said), URL_SAFE_NO_PAD.encode(signature))
    }

    /// What such an element says, if its signature is this service's for the output.
    pub(super) fn said_of_output(&self, game: &str, skin: &str, element: &str) -> Option<String> {
        if element.len() > MAX_ELEMENT_LENGTH {
            return None;
        }
        let (said, signature) = element.split_once(SIGNED)?;
        let said = String::from_utf8(URL_SAFE_NO_PAD.decode(said).ok()?).ok()?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok().filter(|s| s.len() == SIGNATURE_BYTES)?;
        self.output_mac(game, skin, &said).verify_truncated_left(&signature).is_ok().then_some(said)
    }

    fn output_mac(&self, game: &str, skin: &str, said: &str) -> Hmac<Sha256> {
        // Ids have no slash.
        self.mac(["output", &format!("{game}/{skin}"), said])
    }

    /// The address of a sprite, one of a session's own: of the first pictures of segments from `first` on, as `mosaics` have them.
    pub(super) fn sprite(&self, own: &Own<'_>, mosaics: &[Option<MosaicId>], first: SegmentNumber) -> String {
        let Own { token, element } = own;
        let signature = &self.sprite_mac(token, mosaics, first).finalize().into_bytes()[..SIGNATURE_BYTES];
        let signature = URL_SAFE_NO_PAD.encode(signature);
        format!("/v1/play/{element}/images/{signature}/{first}-{}.jpg", mosaics.len())
    }

    /// Whether [`Paths::sprite`] gave `signature` to the session `token`.
    pub(super) fn signed_sprite(
        &self,
        token: &str,
        mosaics: &[Option<MosaicId>],
        first: SegmentNumber,
        signature: &str,
    ) -> bool {
        let signature = URL_SAFE_NO_PAD.decode(signature).ok().filter(|s| s.len() == SIGNATURE_BYTES);
        signature.is_some_and(|given| self.sprite_mac(token, mosaics, first).verify_truncated_left(&given).is_ok())
    }

    fn sprite_mac(&self, token: &str, mosaics: &[Option<MosaicId>], first: SegmentNumber) -> Hmac<Sha256> {
        let mut mac = self.mac(["sprite", token, ""]);
        mac.update(&first.to_be_bytes());
        for run in mosaics.chunk_by(|one, next| one == next) {
            // No name has a zero byte, and none is empty.
            mac.update(run[0].as_ref().map_or("", |mosaic| &mosaic.0).as_bytes());
            mac.update(&[0, u8::try_from(run.len()).unwrap_or(u8::MAX)]);
        }
        mac
    }

    fn verifies(&self, mac: Hmac<Sha256>, n: Option<SegmentNumber>, own: Option<&str>, signature: &str) -> bool {
        // The decoder takes one spelling alone.
        let signature = URL_SAFE_NO_PAD.decode(signature).ok().filter(|s| s.len() == SIGNATURE_BYTES);
        signature.is_some_and(|signature| self.of(mac, n, own).verify_truncated_left(&signature).is_ok())
    }

    /// `mac`, for segment `n` or the init segment.
    fn of(&self, mut mac: Hmac<Sha256>, n: Option<SegmentNumber>, own: Option<&str>) -> Hmac<Sha256> {
        match n {
            None => mac.update(b"init"),
            Some(n) => mac.update(&n.to_be_bytes()),
        }
        match own {
            // Asking for one is metered: it tells nothing of everybody's, for which nobody is.
            Some(token) => {
                mac.update(b"own\0");
                mac.update(token.as_bytes());
            }
            // The process before this one may have served other bytes for segments up to the one in which this one began, where nothing but a
            // lead-in is left; caches know them. A session's own addresses are in no cache that others share, and stay.
            None if n.is_some_and(|n| n <= self.began_in) => mac.update(&self.began_ms.to_be_bytes()),
            None => {}
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

impl<'a> Addresses<'a> {
    /// A session's own, if one is given: for what is kept longer than everybody's are good.
    pub(super) fn of_session(self, own: Option<&Own<'a>>) -> Self {
        let Some(Own { token, element }) = own else { return self };
        let prefix = self.prefix.replacen("/v1/media/", &format!("/v1/play/{element}/media/"), 1);
        Self { own: Some(token), prefix, ..self }
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

    /// The same as a JPEG.
    pub(super) fn image(&self, n: SegmentNumber) -> String {
        format!("{}/{n}.jpg", self.signed(Some(n)))
    }

    pub(super) fn part(&self, Position { segment, part }: Position) -> String {
        format!("{}/{segment}.{part}.m4s", self.signed(Some(segment)))
    }

    pub(super) fn text_segment(&self, n: SegmentNumber) -> String {
        format!("{}/{n}.vtt", self.signed(Some(n)))
    }

    pub(super) fn text_part(&self, Position { segment, part }: Position) -> String {
        format!("{}/{segment}.{part}.vtt", self.signed(Some(segment)))
    }

    fn signed(&self, n: Option<SegmentNumber>) -> String {
        let signature = &self.paths.of(self.mac.clone(), n, self.own).finalize().into_bytes()[..SIGNATURE_BYTES];
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
    fn what_an_output_s_address_says_is_signed_for_its_game_and_skin() {
        let paths = Paths::new([7; 32], 0, 100, 0);
        let said =
            format!("{{\"t\":\"{0}\",\"s\":\"{0}\",\"m\":\"{0}\",\"k\":{{\"max_height\":16384}}}}", "x".repeat(64));
        let element = paths.output("a", "red", &said);
        assert!(element.len() <= MAX_ELEMENT_LENGTH, "the longest ids have room: {}", element.len());
        assert_eq!(paths.said_of_output("a", "red", &element), Some(said.clone()));
        let later = Paths::new([7; 32], 0, 900, 5000);
        assert_eq!(later.said_of_output("a", "red", &element), Some(said.clone()), "the next process knows it");
        assert_eq!(paths.said_of_output("b", "red", &element), None);
        assert_eq!(paths.said_of_output("a", "blue", &element), None);
        let (_, signature) = element.split_once('~').unwrap();
        let raised = URL_SAFE_NO_PAD.encode(said.replace("16384", "32768"));
        let long = "A".repeat(100_000);
        for forged in ["", "~", &said, &long, &format!("{raised}~{signature}"), &format!("{element}AA")] {
            assert_eq!(paths.said_of_output("a", "red", forged), None, "{forged}");
        }
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
    fn a_session_s_own_addresses_stay_over_restarts_and_open_nothing_else() {
        let [before, after] = [1000, 3000].map(|began_ms| Paths::new([7; 32], 0, 100, began_ms));
        let its = Own { token: "t", element: "t~p~s".to_owned() };
        let own = |paths: &Paths, n| paths.rung("m", "540p").of_session(Some(&its)).segment(n);
        let address = own(&before, 50);
        assert!(address.starts_with("/v1/play/t~p~s/media/m/540p~"), "{address}");
        assert_eq!(address, own(&after, 50));
        assert_eq!(after.rendition_of("m", element(&address), Some(50), Some("t")), Some("540p"));
        assert_eq!(after.rendition_of("m", element(&address), Some(51), Some("t")), None);
        // Its signature is not everybody's, nor another session's.
        for other in [None, Some("u"), Some("")] {
            assert_eq!(after.rendition_of("m", element(&address), Some(50), other), None, "{other:?}");
        }
        for n in [50, 200] {
            let shared = before.rung("m", "540p").segment(n);
            assert_eq!(before.rendition_of("m", element(&shared), Some(n), Some("t")), None);
            assert_ne!(element(&shared), element(&own(&before, n)));
        }
        let sound = before.sound(&"a".into()).of_session(Some(&its)).part(Position::new(50, 1));
        assert!(sound.starts_with("/v1/play/t~p~s/media/audio/") && sound.ends_with("/50.1.m4s"), "{sound}");
        assert_eq!(after.game_of(element(&sound), Some(50), Some("t")).as_deref(), Some("a"));
        assert_eq!(after.game_of(element(&sound), Some(50), None), None);
        let text = before.text("m", "0-de").of_session(Some(&its)).text_segment(50);
        assert_eq!(after.text_of("m", element(&text), 50, Some("t")), Some("0-de"));
        assert_eq!(after.text_of("m", element(&text), 50, None), None);
    }
}
