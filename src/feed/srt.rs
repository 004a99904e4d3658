//! SRT's element: made from what the configuration has read, and listened to for why nobody is let in.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gstreamer as gst;
use gstreamer::glib;
use gstreamer::prelude::*;

use super::error::SourceError;
use crate::config::{SrtMode, SrtSource};

/// As libsrt words its reasons (`srt_rejectreason_str`); the element has them in its error's text and nowhere else.
const BAD_SECRET: &str = "Incorrect passphrase";
const ONE_SIDED: &str = "Password required or unexpected";
/// Ours, of a caller that a listener did not let in.
const TURNED_AWAY: &str = "a caller was turned away";
/// Ours, of one that it did let in.
const LET_IN: &str = "a caller is in";

/// A source for `srt`. It tries once: left to itself the element calls again at once and for ever, fifty times a second where
/// the passphrase is wrong, and tells nobody.
pub(super) fn element(srt: &SrtSource) -> Result<gst::Element, glib::BoolError> {
    let key_length = srt.key_length_bytes.map(|bytes| bytes.to_string());
    let mut make = gst::ElementFactory::make("srtsrc")
        .property("uri", uri(srt))
        .property("auto-reconnect", false)
        .property("keep-listening", false);
    if let Some(latency_ms) = srt.latency_ms {
        make = make.property("latency", i32::try_from(latency_ms).unwrap_or(i32::MAX));
    }
    if let Some(passphrase) = &srt.passphrase {
        make = make.property("passphrase", passphrase);
    }
    if let Some(bytes) = &key_length {
        make = make.property_from_str("pbkeylen", bytes);
    }
    if srt.mode == SrtMode::Caller {
        if let Some(stream_id) = &srt.stream_id {
            make = make.property("streamid", stream_id);
        }
        if let Some(port) = srt.local_port {
            let address = srt.local_address.map_or_else(|| "0.0.0.0".to_owned(), |address| address.to_string());
            make = make.property("localaddress", address).property("localport", u32::from(port));
        }
        return make.build();
    }
    let element = make.property("authentication", true).build()?;
    watch_the_door(&element, srt);
    Ok(element)
}

/// Where to, and what the element has no property for: numbers and words that were checked.
fn uri(srt: &SrtSource) -> String {
    let (open, close) = if srt.host.contains(':') { ("[", "]") } else { ("", "") };
    let mode = match srt.mode {
        SrtMode::Caller => "caller",
        SrtMode::Listener => "listener",
    };
    let mut uri = format!("srt://{open}{}{close}:{}?mode={mode}", srt.host, srt.port);
    for (key, milliseconds) in [
        ("rcvlatency", srt.receive_latency_ms),
        ("peerlatency", srt.peer_latency_ms),
        ("conntimeo", srt.connect_timeout_ms),
        ("peeridletimeo", srt.peer_idle_timeout_ms),
    ] {
        if let Some(milliseconds) = milliseconds {
            // Writing into a text cannot fail.
            let _ = write!(uri, "&{key}={milliseconds}");
        }
    }
    uri
}

/// A listener hears of a caller before libsrt compares passphrases, and again when it is in; of one who is turned away in
/// between there is no other word. So whoever knocks counts as turned away until somebody is in.
fn watch_the_door(element: &gst::Element, srt: &SrtSource) {
    // Told once a run: callers try again many times a second.
    let told = Arc::new(AtomicBool::new(false));
    let (wanted, encrypts) = (srt.stream_id.clone(), srt.passphrase.is_some());
    let inside = Arc::clone(&told);
    element.connect("caller-added", false, move |values| {
        let element = values.first()?.get::<gst::Element>().ok()?;
        // Whoever knocks from now on is no reason for anything.
        inside.store(true, Ordering::Release);
        gst::element_warning!(element, gst::ResourceError::NotAuthorized, ("{LET_IN}"));
        None
    });
    element.connect("caller-connecting", false, move |values| {
        let element = values.first()?.get::<gst::Element>().ok()?;
        let named = values.get(2)?.get::<Option<String>>().ok()?.unwrap_or_default();
        let stranger = wanted.as_ref().is_some_and(|wanted| *wanted != named);
        let why = match (stranger, encrypts) {
            (true, _) => "it names another stream id",
            (false, true) => BAD_SECRET,
            (false, false) => ONE_SIDED,
        };
        if !told.swap(true, Ordering::AcqRel) {
            gst::element_warning!(element, gst::ResourceError::NotAuthorized, ("{TURNED_AWAY}: {why}"));
        }
        Some((!stranger).to_value())
    });
}

/// Whether a listener says that a caller is in, whatever it said before.
pub(super) fn is_let_in(text: &str) -> bool {
    text.contains(LET_IN)
}

/// What an element's text says of who may not come in; `None` when it speaks of something else.
pub(super) fn refusal(text: &str) -> Option<SourceError> {
    if text.contains(BAD_SECRET) {
        return Some(SourceError::WrongPassphrase);
    }
    if text.contains(ONE_SIDED) {
        return Some(SourceError::OneSidedEncryption);
    }
    text.contains(TURNED_AWAY).then_some(SourceError::OtherStreamId)
}

#[cfg(test)]
mod tests {
    use super::super::health::Reason;
    use super::*;
    use crate::config::SourceUri;

    fn made(uri: &str) -> gst::Element {
        gst::init().unwrap();
        let uri: SourceUri = uri.parse().unwrap();
        element(&SrtSource::of(uri.url()).unwrap()).unwrap()
    }

    #[test]
    fn what_an_address_says_is_what_the_element_has() {
        let text = "srt://[::1]:9000?streamid=#!::r=live/a,m=request&latency=200&passphrase=0123456789&pbkeylen=24\
                    &localport=4000&conntimeo=900";
        let caller = made(text);
        assert_eq!(caller.property::<String>("streamid"), "#!::r=live/a,m=request");
        assert_eq!((caller.property::<i32>("latency"), caller.property::<u32>("localport")), (200, 4000));
        assert_eq!(caller.property_value("pbkeylen").serialize().unwrap(), "24");
        assert_eq!(caller.property_value("mode").serialize().unwrap(), "caller");
        assert!(!caller.property::<bool>("auto-reconnect"), "calling again is for our back-off");
        let uri: String = caller.property("uri");
        assert!(uri.contains("conntimeo=900") && !uri.contains("0123456789") && !uri.contains("live/a"), "{uri}");
        let listener = made("srt://:9000?passphrase=0123456789");
        assert_eq!(listener.property_value("mode").serialize().unwrap(), "listener");
        assert!(listener.property::<bool>("authentication"), "who calls is asked about");
    }

    #[test]
    fn an_elements_words_are_understood() {
        let said = |text: &str| refusal(text).map(|error| (error.reason(), error.to_string()));
        let wrong =
            said("Could not read from resource. (srtsrc0: Failed to authenticate: Incorrect passphrase)").unwrap();
        assert!(wrong.0 == Reason::Unauthorized && wrong.1.contains("wrong passphrase"), "{wrong:?}");
        assert!(said("Failed to authenticate: Password required or unexpected").unwrap().1.contains("missing"));
        assert_eq!(said("Error on SRT socket: Connection timeout"), None);
    }
}
