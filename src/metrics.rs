//! Every metric of the service, in one place: names, help texts, labels. No session id is ever a label.

use prometheus::core::Collector;
use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry,
};

/// Handles to all metrics. Made once by `main` and handed to whoever counts.
pub struct Metrics {
    pub registry: Registry,
    /// Active sessions.
    pub sessions: IntGauge,
    /// Outputs that are polled.
    pub outputs: IntGauge,
    /// Running mosaics, by `engine`.
    pub mosaics: IntGaugeVec,
    /// Running encoders, by `kind` (render, tile, audio).
    pub encoders: IntGaugeVec,
    /// Tiles of art that are kept encoded, and how often one was encoded: no encoder runs for them.
    pub art_tiles: IntGauge,
    pub art_encoded: IntCounter,
    /// Failures of encoders, by `kind` (as above) and `at` (thread, open, encode): each is tried again.
    pub encoder_failures: IntCounterVec,
    /// Feeds, by `status` (live, slate, off).
    pub feeds: IntGaugeVec,
    /// How much later than its picture a feed's sound is heard, by `game`; absent without both.
    pub feed_av_offset_ms: GaugeVec,
    /// How often a feed's sound stopped while its pictures went on, by `game`.
    pub feed_sound_losses: IntCounterVec,
    /// Feeds that are on hold because the machine is short.
    pub feeds_on_hold: IntGauge,
    /// Sources that are being started, and those that wait for their turn.
    pub feeds_starting: IntGauge,
    pub feeds_waiting: IntGauge,
    pub tenant_decoding_cores: GaugeVec,
    pub tenant_encoding_cores: GaugeVec,
    /// How often a feed was put on hold, by `game`.
    pub feed_holds: IntCounterVec,
    /// How long a game has shown its slate, by `game`; 0 while it has a picture.
    pub game_slate_seconds: IntGaugeVec,
    /// How often a game's sources were lost or could not be reached, by `game`.
    pub game_reconnects: IntCounterVec,
    /// Requests that a game's sources were asked by HTTP, by `game`.
    pub game_fetches: IntCounterVec,
    /// Those of them that brought no answer, or were not let out, by `game`.
    pub game_fetch_failures: IntCounterVec,
    /// Bytes that were read of answers, unpacked, by `game`.
    pub game_fetched_bytes: IntCounterVec,
    /// Cues that a game's sources said beyond what is listed of one, by `game` and `outcome` (refused, shortened, ended).
    pub game_cue_floods: IntCounterVec,
    /// How long before it is drawn a game's picture was captured, by `game`; absent where its source does not tell.
    pub game_latency_seconds: GaugeVec,
    /// How much of that is delay that keeps it in step with other games, by `game`.
    pub game_delay_seconds: GaugeVec,
    /// By how many frames the games of a mosaic are apart that somebody watches, once a second for each, where sources tell.
    pub skew_frames: Histogram,
    /// Pipelines and decoders that did not let themselves be torn down, since the start.
    pub pipelines_abandoned: IntCounter,
    /// Those of them that still hang.
    pub pipelines_hanging: IntGauge,
    /// Processes that decode sources.
    pub decoders: IntGauge,
    /// Memory that they wrote to, together.
    pub decoders_memory_bytes: IntGauge,
    /// Whole seconds of processor time that they took, together with those that are gone.
    pub decoders_cpu_seconds: IntCounter,
    /// Those that ended, by `reason`.
    pub decoders_ended: IntCounterVec,
    /// How long their pictures are on the way, 99 of a hundred at most.
    pub decoder_hand_over_seconds: Gauge,
    /// Feed frames at ticks, by `outcome` (on_time, held, dropped, late).
    pub frames: IntCounterVec,
    /// Segments that were finished later than a segment duration after their last frame was due.
    pub late_segments: IntCounter,
    pub bytes_served: IntCounter,
    /// Open connections of clients.
    pub connections: IntGauge,
    /// Connections that we ended, or did not take in, by `reason`.
    pub connections_dropped: IntCounterVec,
    /// 1 when this machine's tiles were proved fit to be stitched at start, 0 when not (everything is rendered).
    pub stitch_safe: IntGauge,
    /// Refused admissions, by `reason`.
    pub admission_refused: IntCounterVec,
    /// Seconds from the tick until all canvases of one mosaic are drawn, waiting for a compositor thread included.
    pub compose_seconds: Histogram,
    /// Seconds to encode one picture, by `rendition`.
    pub encode_seconds: HistogramVec,
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
    /// Wall time less the service's, in seconds.
    pub clock_error_seconds: Gauge,
    /// Times that the clock was in doubt, by `kind`: wall time was set (step), the machine slept (sleep).
    pub clock_doubts: IntCounterVec,
    /// Bytes of the start-over window on the disk.
    pub shelf_bytes: IntGauge,
    /// Segments of tracks that are not in the start-over window, by `reason`: the disk does not keep up (queue), there is no room (room), it
    /// failed (disk).
    pub shelf_lost: IntCounterVec,
    /// Segments of tracks in the start-over window that could not be read as they were written: gaps.
    pub shelf_damaged: IntCounter,
    /// What webhooks are told, by `outcome`: of each attempt (told, failed), and events that are not sent any more (given_up) or were never kept
    /// (lost).
    pub webhooks: IntCounterVec,
    /// Events that wait for webhooks, once for each.
    pub webhooks_waiting: IntGauge,
    /// Webhooks that operators made, by `state` (active, failing, disabled).
    pub webhook_endpoints: IntGaugeVec,
    /// Spans for the collector, by `outcome`: it took them (exported), or they are gone (lost).
    pub spans: IntCounterVec,
    pub stand_ins: IntGauge,
    pub restricted_slots: IntGauge,
    pub creative_seconds: Histogram,
    pub creatives: IntCounterVec,
    pub creative_sounds: IntCounter,
    pub break_errors: IntCounterVec,
    pub beacons: IntCounterVec,
}

/// Buckets of what must fit into a frame, in seconds.
const WITHIN_A_FRAME: [f64; 12] = [0.001, 0.002, 0.004, 0.008, 0.012, 0.016, 0.024, 0.033, 0.05, 0.1, 0.25, 1.0];
/// Buckets of frames; the first that matters is one.
const IN_FRAMES: [f64; 10] = [0.25, 0.5, 1.0, 2.0, 5.0, 15.0, 30.0, 60.0, 150.0, 600.0];
/// Buckets of work that takes its time, in seconds.
const IN_SECONDS: [f64; 10] = [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 120.0];
/// Buckets of what must fit into a segment, in seconds.
const WITHIN_A_SEGMENT: [f64; 9] = [0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2];

impl Metrics {
    /// Forgets a game's figures: a name that is no longer anybody's must not stay in what is scraped.
    pub fn forget_game(&self, game: &str) {
        // One that was never counted has none.
        let _ = self.game_slate_seconds.remove_label_values(&[game]);
        let _ = self.game_reconnects.remove_label_values(&[game]);
        for fetched in [&self.game_fetches, &self.game_fetch_failures, &self.game_fetched_bytes] {
            let _ = fetched.remove_label_values(&[game]);
        }
        for outcome in FLOODS {
            let _ = self.game_cue_floods.remove_label_values(&[game, outcome]);
        }
        let _ = self.feed_av_offset_ms.remove_label_values(&[game]);
        let _ = self.feed_sound_losses.remove_label_values(&[game]);
        let _ = self.feed_holds.remove_label_values(&[game]);
        let _ = self.game_latency_seconds.remove_label_values(&[game]);
        let _ = self.game_delay_seconds.remove_label_values(&[game]);
    }

    #[expect(clippy::too_many_lines, reason = "a list: as long as there are metrics")]
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new_custom(Some("quadrille".into()), None)?;
        let make = Maker(&registry);
        Ok(Self {
            sessions: make.gauge("sessions", "Active sessions of viewers")?,
            outputs: make.gauge("outputs", "Outputs that are polled")?,
            mosaics: make.gauges("mosaics", "Running mosaics", "engine", &["render", "stitch"])?,
            encoders: make.gauges("encoders", "Running encoders", "kind", &KINDS)?,
            art_tiles: make.gauge("art_tiles", "Tiles of art that are kept encoded; no encoder runs for them")?,
            art_encoded: make.counter("art_encoded_total", "Times a tile of art was encoded")?,
            encoder_failures: make.encoder_failures()?,
            feeds: make.gauges("feeds", "Feeds by status", "status", &["live", "slate", "off"])?,
            feed_av_offset_ms: make
                .by_game("feed_av_offset_ms", "How much later than its picture a feed's sound is heard, in ms")?,
            feed_sound_losses: make.counters(
                "feed_sound_losses_total",
                "Times a feed's sound stopped while its pictures went on",
                "game",
                &[],
            )?,
            feeds_on_hold: make.gauge("feeds_on_hold", "Feeds on hold because pictures were late")?,
            feeds_starting: make.gauge("feeds_starting", "Feeds whose source is being started")?,
            feeds_waiting: make.gauge("feeds_waiting", "Feeds that wait for their turn to be started")?,
            tenant_decoding_cores: make.by(
                "tenant_decoding_cores",
                "Cores that decoding a tenant's games was given",
                "tenant",
            )?,
            tenant_encoding_cores: make.by(
                "tenant_encoding_cores",
                "Cores that the mosaics that a tenant's sessions began were reckoned to take",
                "tenant",
            )?,
            feed_holds: make.counters(
                "feed_holds_total",
                "Times a feed was put on hold because pictures were late",
                "game",
                &[],
            )?,
            game_slate_seconds: make.gauges(
                "game_slate_seconds",
                "How long a game has shown its slate, 0 while it has a picture",
                "game",
                &[],
            )?,
            game_reconnects: make.counters(
                "game_reconnects_total",
                "How often a game's sources were lost or could not be reached",
                "game",
                &[],
            )?,
            game_fetches: make.counters(
                "game_fetches_total",
                "Requests that a game's sources were asked by HTTP",
                "game",
                &[],
            )?,
            game_fetch_failures: make.counters(
                "game_fetch_failures_total",
                "Requests by HTTP that brought no answer, or were not let out",
                "game",
                &[],
            )?,
            game_fetched_bytes: make.counters(
                "game_fetched_bytes_total",
                "Bytes read of answers by HTTP, unpacked",
                "game",
                &[],
            )?,
            game_cue_floods: make.cue_floods()?,
            game_latency_seconds: make
                .by_game("game_latency_seconds", "How long before it is drawn a game's picture was captured")?,
            game_delay_seconds: make
                .by_game("game_delay_seconds", "How much of that is delay to be in step with other games")?,
            skew_frames: make.seconds(
                "skew_frames",
                "By how many frames the games of a watched mosaic are apart, once a second",
                &IN_FRAMES,
            )?,
            pipelines_abandoned: make.counter("pipelines_abandoned_total", "Pipelines that hung in their tear-down")?,
            pipelines_hanging: make.gauge("pipelines_hanging", "Those of them that still hang")?,
            decoders: make.gauge("decoders", "Processes that decode sources")?,
            decoders_memory_bytes: make.gauge("decoders_memory_bytes", "Memory of processes that decode sources")?,
            decoders_cpu_seconds: make
                .counter("decoders_cpu_seconds_total", "Processor time of processes that decode sources")?,
            decoder_hand_over_seconds: make.registered(Gauge::new(
                "decoder_hand_over_seconds",
                "How long pictures are on their way from such a process, 99 of a hundred at most",
            )?)?,
            decoders_ended: make.counters(
                "decoders_ended_total",
                "Processes that decoded sources, by why they ended",
                "reason",
                &["source", "died", "hung", "lied", "grew"],
            )?,
            frames: make.counters(
                "frames_total",
                "Feed frames by outcome at their tick",
                "outcome",
                &["on_time", "held", "dropped", "late"],
            )?,
            late_segments: make.counter("late_segments_total", "Segments finished over a segment duration late")?,
            bytes_served: make.counter("bytes_served_total", "Bytes of playlists and media served")?,
            connections: make.gauge("connections", "Open connections of clients")?,
            connections_dropped: make.counters(
                "connections_dropped_total",
                "Connections that the service ended or did not take in, by reason",
                "reason",
                &["address", "handshake", "head", "idle", "reader"],
            )?,
            stitch_safe: make.gauge("stitch_safe", "1 when the stitch engine passed its self-test at start")?,
            admission_refused: make.counters(
                "admission_refused_total",
                "Refused admissions by reason",
                "reason",
                &[
                    "capacity",
                    "cap",
                    "rate",
                    "sessions",
                    "outputs",
                    "share",
                    "starts",
                    "tenant_decoding",
                    "tenant_egress",
                    "tenant_games",
                    "tenant_mosaics",
                    "tenant_sessions",
                ],
            )?,
            compose_seconds: make.seconds(
                "compose_seconds",
                "From the tick until one mosaic's canvases are drawn",
                &WITHIN_A_FRAME,
            )?,
            encode_seconds: make.seconds_by(
                "encode_seconds",
                "Time to encode one picture",
                "rendition",
                &WITHIN_A_FRAME,
            )?,
            publish_lag_seconds: make.seconds(
                "publish_lag_seconds",
                "From a segment's last instant until it can be served",
                &WITHIN_A_SEGMENT,
            )?,
            booked_seconds: make.counter("booked_seconds_total", "Session seconds booked")?,
            booking_failures: make.counter("booking_failures_total", "Bookings refused by the store and kept")?,
            unbooked_seconds: make.gauge("unbooked_seconds", "Session seconds that wait for the store in memory")?,
            integrity_faults: make.gauge("integrity_faults", "Parts of the store that are not as they were written")?,
            integrity_passes: make.counter("integrity_passes_total", "Walks through the whole store for such parts")?,
            export_events: make.counter("export_events_total", "Ledger entries that the receiver has taken")?,
            export_failures: make.counters(
                "export_failures_total",
                "Batches that the receiver has not taken, by reason",
                "reason",
                &["unreachable", "answer", "refused"],
            )?,
            export_lag_seconds: make
                .gauge("export_lag_seconds", "Age of the oldest entry of closed hours that was not taken yet")?,
            export_waiting_tenants: make
                .gauge("export_waiting_tenants", "Tenants whose export waits for an entry that the receiver refuses")?,
            clock_error_seconds: make
                .registered(Gauge::new("clock_error_seconds", "Wall time less the service's own")?)?,
            clock_doubts: make.counters(
                "clock_doubts_total",
                "Steps of wall time and sleeps of the machine, by kind",
                "kind",
                &["step", "sleep"],
            )?,
            shelf_bytes: make.gauge("shelf_bytes", "Bytes of the start-over window on the disk")?,
            shelf_lost: make.counters(
                "shelf_lost_segments_total",
                "Segments of tracks that are missing in the start-over window",
                "reason",
                &["queue", "room", "disk"],
            )?,
            shelf_damaged: make.counter(
                "shelf_damaged_segments_total",
                "Segments of tracks in the start-over window that could not be read as they were written",
            )?,
            webhooks: make.counters(
                "webhooks_total",
                "What webhooks are told, by outcome",
                "outcome",
                &["told", "failed", "given_up", "lost"],
            )?,
            webhooks_waiting: make.gauge("webhooks_waiting", "Events that wait for webhooks, once for each")?,
            webhook_endpoints: make.gauges(
                "webhook_endpoints",
                "Webhooks that operators made, by state",
                "state",
                &["active", "failing", "disabled"],
            )?,
            spans: make.counters(
                "spans_total",
                "Spans for the collector, by outcome",
                "outcome",
                &["exported", "lost"],
            )?,
            stand_ins: make.gauge("stand_ins", "What stands in for games in breaks, and lately did")?,
            restricted_slots: make.gauge(
                "restricted_slots",
                "Slots of sessions in which a card stands for a game that may not be shown",
            )?,
            creative_seconds: make.seconds(
                "creative_conditioning_seconds",
                "Time to make an advertisement ready for the tiles that show it",
                &IN_SECONDS,
            )?,
            creatives: make.counters(
                "creatives_total",
                "Files of advertisements that were taken up, by where they came from",
                "from",
                &["server", "disk"],
            )?,
            creative_sounds: make.counter(
                "creative_sounds_total",
                "Sounds of advertisements that were encoded for the places that they have in breaks",
            )?,
            break_errors: make.counters(
                "break_errors_total",
                "Decisions and advertisements that could not be used, by VAST's code",
                "code",
                &["100", "101", "102", "300", "301", "302", "303", "400", "401", "402", "403", "405", "900"],
            )?,
            beacons: make.counters(
                "beacons_total",
                "What advertisement servers are told, by outcome",
                "outcome",
                &["kept", "told", "failed", "given_up"],
            )?,
            registry,
        })
    }
}

/// Kinds of encoders.
const KINDS: [&str; 3] = ["render", "tile", "audio"];
/// What becomes of cues that are too many.
const FLOODS: [&str; 3] = ["refused", "shortened", "ended"];

/// Makes metrics and registers them. Of those with a label the values that are known are there from the start: one that has not
/// happened yet must still be scraped as 0.
struct Maker<'r>(&'r Registry);

impl Maker<'_> {
    fn registered<C: Collector + Clone + 'static>(&self, metric: C) -> Result<C, prometheus::Error> {
        self.0.register(Box::new(metric.clone()))?;
        Ok(metric)
    }

    fn gauge(&self, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
        self.registered(IntGauge::new(name, help)?)
    }

    fn gauges(&self, name: &str, help: &str, label: &str, known: &[&str]) -> Result<IntGaugeVec, prometheus::Error> {
        let gauges = self.registered(IntGaugeVec::new(Opts::new(name, help), &[label])?)?;
        known.iter().for_each(|value| gauges.with_label_values(&[value]).set(0));
        Ok(gauges)
    }

    fn encoder_failures(&self) -> Result<IntCounterVec, prometheus::Error> {
        let opts = Opts::new("encoder_failures_total", "Failures of encoders, by kind and by what failed");
        let failures = self.registered(IntCounterVec::new(opts, &["kind", "at"])?)?;
        for kind in KINDS {
            for at in ["thread", "open", "encode"] {
                failures.with_label_values(&[kind, at]).inc_by(0);
            }
        }
        Ok(failures)
    }

    fn cue_floods(&self) -> Result<IntCounterVec, prometheus::Error> {
        let help = "Cues that a game's sources said beyond what is listed of one, by what became of them";
        self.registered(IntCounterVec::new(Opts::new("game_cue_floods_total", help), &["game", "outcome"])?)
    }

    fn by_game(&self, name: &str, help: &str) -> Result<GaugeVec, prometheus::Error> {
        self.by(name, help, "game")
    }

    fn by(&self, name: &str, help: &str, label: &str) -> Result<GaugeVec, prometheus::Error> {
        self.registered(GaugeVec::new(Opts::new(name, help), &[label])?)
    }

    fn counter(&self, name: &str, help: &str) -> Result<IntCounter, prometheus::Error> {
        self.registered(IntCounter::new(name, help)?)
    }

    fn counters(
        &self,
        name: &str,
        help: &str,
        label: &str,
        known: &[&str],
    ) -> Result<IntCounterVec, prometheus::Error> {
        let counters = self.registered(IntCounterVec::new(Opts::new(name, help), &[label])?)?;
        known.iter().for_each(|value| counters.with_label_values(&[value]).inc_by(0));
        Ok(counters)
    }

    fn seconds(&self, name: &str, help: &str, buckets: &[f64]) -> Result<Histogram, prometheus::Error> {
        self.registered(Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets.to_vec()))?)
    }

    fn seconds_by(
        &self,
        name: &str,
        help: &str,
        label: &str,
        buckets: &[f64],
    ) -> Result<HistogramVec, prometheus::Error> {
        self.registered(HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets.to_vec()), &[label])?)
    }
}
