//! What an element's error means: in words, and as the kind of trouble it is.

use gstreamer as gst;
use gstreamer::prelude::*;

use super::error::SourceError;
use super::health::Reason;
use super::srt;

/// The error of a source, from what its element has posted.
pub(super) fn of_error(message: &gst::message::Error) -> SourceError {
    let text = described(message.src(), &message.error().to_string(), message.debug());
    srt::refusal(&text).unwrap_or(SourceError::Element { reason: reason_of(&message.error()), text })
}

/// What is known of why nothing comes, after `message`; `before` is what was known until then.
pub(super) fn after_warning(message: &gst::message::Warning, before: Option<SourceError>) -> Option<SourceError> {
    let text = described(message.src(), &message.error().to_string(), message.debug());
    if srt::is_let_in(&text) { None } else { srt::refusal(&text).or(before) }
}

/// The element's own words, and the debug text's last line, which names the cause where there is one.
fn described(from: Option<&gst::Object>, what: &str, debug: Option<gst::glib::GString>) -> String {
    let from = from.map(|s| s.name().to_string()).unwrap_or_default();
    let detail = debug.map(|d| d.lines().last().unwrap_or_default().chars().take(200).collect::<String>());
    match detail {
        Some(detail) if !detail.is_empty() => format!("{what} ({from}: {detail})"),
        _ => format!("{what} ({from})"),
    }
}

fn reason_of(error: &gst::glib::Error) -> Reason {
    match error.kind::<gst::ResourceError>() {
        Some(gst::ResourceError::NotAuthorized) => Reason::Unauthorized,
        Some(gst::ResourceError::NotFound) => Reason::NotFound,
        Some(
            gst::ResourceError::OpenRead
            | gst::ResourceError::OpenReadWrite
            | gst::ResourceError::Busy
            | gst::ResourceError::Read,
        ) => Reason::Unreachable,
        _ => match error.kind::<gst::StreamError>() {
            Some(gst::StreamError::TypeNotFound | gst::StreamError::CodecNotFound | gst::StreamError::WrongType) => {
                Reason::NoPicture
            }
            _ => Reason::Failed,
        },
    }
}
