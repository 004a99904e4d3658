//! Every metric of the service, in one place: names, help texts, labels. No session id is ever a label.

use prometheus::{
    GaugeVec, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

/// Handles to all metrics. Made once by `main` and handed to whoever counts.
pub struct Metrics {
    pub registry: Registry,
    /// Active sessions.
    pub sessions: IntGauge,
    /// Running mosaics, by `engine`.
    pub mosaics: IntGaugeVec,
    /// Running encoders, by `kind` (render, tile, audio).
    pub encoders: IntGaugeVec,
    /// Failures of encoders, by `kind` (as above) and `at` (thread, open, encode): each is tried again.
    pub encoder_failures: IntCounterVec,
    /// Feeds, by `status` (live, slate, off).
    pub feeds: IntGaugeVec,
    /// How much later than its picture a feed's sound is heard, by `game`; absent without both.
    pub feed_av_offset_ms: GaugeVec,
    /// How often a feed's sound stopped while its pictures went on, by `game`.
    pub feed_sound_losses: IntCounterVec,
    /// How long a game has shown its slate, by `game`; 0 while it has a picture.
    pub game_slate_seconds: IntGaugeVec,
    /// How often a game's sources were lost or could not be reached, by `game`.
    pub game_reconnects: IntCounterVec,
    /// Feed frames at ticks, by `outcome` (on_time, held, dropped, late).
    pub frames: IntCounterVec,
    /// Segments that were finished later than a segment duration after their last frame was due.
    pub late_segments: IntCounter,
    pub bytes_served: IntCounter,
    /// 1 when this machine's tiles were proved fit to be stitched at start, 0 when not (everything is rendered).
    pub stitch_safe: IntGauge,
    /// Refused admissions, by `reason`.
    pub admission_refused: IntCounterVec,
    /// Seconds from the tick until all canvases of one mosaic are drawn, waiting for a compositor thread included.
    pub compose_seconds: Histogram,
    /// Seconds to encode one picture, by `rendition`.
    pub encode_seconds: prometheus::HistogramVec,
    /// Seconds from the instant a segment's last frame was due until the segment could be served.
    pub publish_lag_seconds: Histogram,
    /// Session seconds booked into the store.
    pub booked_seconds: IntCounter,
    /// Bookings that the store refused (a full disk); they are kept and tried again.
    pub booking_failures: IntCounter,
    /// Session seconds that wait for the store in memory.
    pub unbooked_seconds: IntGauge,
    /// Parts of the store that were found not to be as they were written.
    pub integrity_faults: IntGauge,
    /// Walks through the whole store that looked for such parts.
    pub integrity_passes: IntCounter,
    /// Ledger entries that the export's receiver has taken.
    pub export_events: IntCounter,
    /// Batches that it has not taken, by `reason` (unreachable, answer, refused).
    pub export_failures: IntCounterVec,
    /// Age of the oldest entry of closed hours that it has not taken yet; 0 where there is none.
    pub export_lag_seconds: IntGauge,
    /// Tenants whose export waits for an entry that the receiver refuses.
    pub export_waiting_tenants: IntGauge,
    /// Webhooks of thresholds, by `outcome` (told, failed) of each attempt.
    pub webhooks: IntCounterVec,
}

impl Metrics {
    /// Forgets a game's figures: a name that is no longer anybody's must not stay in what is scraped.
    pub fn forget_game(&self, game: &str) {
        // One that was never counted has none.
        let _ = self.game_slate_seconds.remove_label_values(&[game]);
        let _ = self.game_reconnects.remove_label_values(&[game]);
    }

    pub fn new() -> Result<Self, prometheus::Error> {
        let r = Registry::new_custom(Some("quadrille".into()), None)?;
        let millis = |name: &str, help: &str| {
            HistogramOpts::new(name, help)
                .buckets(vec![0.001, 0.002, 0.004, 0.008, 0.012, 0.016, 0.024, 0.033, 0.05, 0.1, 0.25, 1.0])
        };
        let m = Self {
            sessions: IntGauge::new("sessions", "Active sessions")?,
            mosaics: IntGaugeVec::new(Opts::new("mosaics", "Running mosaics"), &["engine"])?,
            encoders: IntGaugeVec::new(Opts::new("encoders", "Running encoders"), &["kind"])?,
            encoder_failures: IntCounterVec::new(
                Opts::new("encoder_failures_total", "Failures of encoders, by kind and by what failed"),
                &["kind", "at"],
            )?,
            feeds: IntGaugeVec::new(Opts::new("feeds", "Feeds by status"), &["status"])?,
            feed_av_offset_ms: GaugeVec::new(
                Opts::new("feed_av_offset_ms", "How much later than its picture a feed's sound is heard, in ms"),
                &["game"],
            )?,
            feed_sound_losses: IntCounterVec::new(
                Opts::new("feed_sound_losses_total", "Times a feed's sound stopped while its pictures went on"),
                &["game"],
            )?,
            game_slate_seconds: IntGaugeVec::new(
                Opts::new("game_slate_seconds", "How long a game has shown its slate, 0 while it has a picture"),
                &["game"],
            )?,
            game_reconnects: IntCounterVec::new(
                Opts::new("game_reconnects_total", "How often a game's sources were lost or could not be reached"),
                &["game"],
            )?,
            frames: IntCounterVec::new(
                Opts::new("frames_total", "Feed frames by outcome at their tick"),
                &["outcome"],
            )?,
            late_segments: IntCounter::new("late_segments_total", "Segments finished over a segment duration late")?,
            bytes_served: IntCounter::new("bytes_served_total", "Bytes of playlists and media served")?,
            stitch_safe: IntGauge::new("stitch_safe", "1 when the stitch engine passed its self-test at start")?,
            admission_refused: IntCounterVec::new(
                Opts::new("admission_refused_total", "Refused admissions by reason"),
                &["reason"],
            )?,
            compose_seconds: Histogram::with_opts(millis(
                "compose_seconds",
                "From the tick until one mosaic's canvases are drawn",
            ))?,
            encode_seconds: prometheus::HistogramVec::new(
                millis("encode_seconds", "Time to encode one picture"),
                &["rendition"],
            )?,
            publish_lag_seconds: Histogram::with_opts(
                HistogramOpts::new("publish_lag_seconds", "From a segment's last instant until it can be served")
                    .buckets(vec![0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2]),
            )?,
            booked_seconds: IntCounter::new("booked_seconds_total", "Session seconds booked")?,
            booking_failures: IntCounter::new("booking_failures_total", "Bookings refused by the store and kept")?,
            unbooked_seconds: IntGauge::new("unbooked_seconds", "Session seconds that wait for the store in memory")?,
            integrity_faults: IntGauge::new(
                "integrity_faults",
                "Parts of the store that are not as they were written",
            )?,
            integrity_passes: IntCounter::new(
                "integrity_passes_total",
                "Walks through the whole store for such parts",
            )?,
            export_events: IntCounter::new("export_events_total", "Ledger entries that the receiver has taken")?,
            export_failures: IntCounterVec::new(
                Opts::new("export_failures_total", "Batches that the receiver has not taken, by reason"),
                &["reason"],
            )?,
            export_lag_seconds: IntGauge::new(
                "export_lag_seconds",
                "Age of the oldest entry of closed hours that was not taken yet",
            )?,
            export_waiting_tenants: IntGauge::new(
                "export_waiting_tenants",
                "Tenants whose export waits for an entry that the receiver refuses",
            )?,
            webhooks: IntCounterVec::new(
                Opts::new("webhooks_total", "Attempts to tell that a threshold was passed, by outcome"),
                &["outcome"],
            )?,
            registry: r,
        };
        let collectors: Vec<Box<dyn prometheus::core::Collector>> = vec![
            Box::new(m.sessions.clone()),
            Box::new(m.mosaics.clone()),
            Box::new(m.encoders.clone()),
            Box::new(m.encoder_failures.clone()),
            Box::new(m.feeds.clone()),
            Box::new(m.feed_av_offset_ms.clone()),
            Box::new(m.feed_sound_losses.clone()),
            Box::new(m.game_slate_seconds.clone()),
            Box::new(m.game_reconnects.clone()),
            Box::new(m.frames.clone()),
            Box::new(m.late_segments.clone()),
            Box::new(m.bytes_served.clone()),
            Box::new(m.stitch_safe.clone()),
            Box::new(m.admission_refused.clone()),
            Box::new(m.compose_seconds.clone()),
            Box::new(m.encode_seconds.clone()),
            Box::new(m.publish_lag_seconds.clone()),
            Box::new(m.booked_seconds.clone()),
            Box::new(m.booking_failures.clone()),
            Box::new(m.unbooked_seconds.clone()),
            Box::new(m.integrity_faults.clone()),
            Box::new(m.integrity_passes.clone()),
            Box::new(m.export_events.clone()),
            Box::new(m.export_failures.clone()),
            Box::new(m.export_lag_seconds.clone()),
            Box::new(m.export_waiting_tenants.clone()),
            Box::new(m.webhooks.clone()),
        ];
        for c in collectors {
            m.registry.register(c)?;
        }
        // A label value that has not happened yet must still be scraped as 0.
        for engine in ["render", "stitch"] {
            m.mosaics.with_label_values(&[engine]).set(0);
        }
        for kind in ["render", "tile", "audio"] {
            m.encoders.with_label_values(&[kind]).set(0);
            for at in ["thread", "open", "encode"] {
                m.encoder_failures.with_label_values(&[kind, at]).inc_by(0);
            }
        }
        for status in ["live", "slate", "off"] {
            m.feeds.with_label_values(&[status]).set(0);
        }
        for outcome in ["on_time", "held", "dropped", "late"] {
            m.frames.with_label_values(&[outcome]).inc_by(0);
        }
        for reason in ["capacity", "cap"] {
            m.admission_refused.with_label_values(&[reason]).inc_by(0);
        }
        for reason in ["unreachable", "answer", "refused"] {
            m.export_failures.with_label_values(&[reason]).inc_by(0);
        }
        for outcome in ["told", "failed"] {
            m.webhooks.with_label_values(&[outcome]).inc_by(0);
        }
        Ok(m)
    }
}
