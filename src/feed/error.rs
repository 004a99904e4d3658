//! What can be wrong with a feed's surroundings or its source.

/// Why feeds cannot run on this machine at all. Shown at start, once.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    #[error("GStreamer does not start: {0}")]
    GStreamer(#[from] gstreamer::glib::Error),
    #[error("GStreamer element {element} is missing: install the Debian package {package}")]
    ElementMissing { element: &'static str, package: &'static str },
}

/// Why a source URI is refused or a source does not run. The text is for operators: it ends up in a feed's health.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    #[error("scheme {scheme:?} is not one of file, http, https, srt, udp, rtp, rtmp, test")]
    Scheme { scheme: String },
    #[error("{uri}: {problem}")]
    Uri { uri: String, problem: String },
    #[error("the source ended")]
    Ended,
    #[error("no picture for {seconds} s")]
    Stalled { seconds: u64 },
    #[error("the source has no picture that can be decoded")]
    NoPicture,
    #[error("{0}")]
    Pipeline(String),
}
