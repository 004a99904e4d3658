//! How sources are started and decoded, told as metrics.

use super::Catalogue;

impl Catalogue {
    /// How many sources are started at present, and how many wait for that.
    pub(super) fn tell_starts(&self) {
        let (metrics, (starting, waiting)) = (&self.settings.metrics, self.starts.count());
        metrics.feeds_starting.set(i64::try_from(starting).unwrap_or(i64::MAX));
        metrics.feeds_waiting.set(i64::try_from(waiting).unwrap_or(i64::MAX));
    }

    /// How the processes are that decode sources.
    pub(super) fn tell_decoders(&self) {
        let Some(apart) = &self.decoding.apart else { return };
        let (metrics, (running, memory, cpu_s)) = (&self.settings.metrics, apart.load());
        metrics.decoders.set(i64::try_from(running).unwrap_or(i64::MAX));
        metrics.decoders_memory_bytes.set(i64::try_from(memory).unwrap_or(i64::MAX));
        metrics.decoders_cpu_seconds.inc_by((cpu_s as u64).saturating_sub(metrics.decoders_cpu_seconds.get()));
        metrics.decoder_hand_over_seconds.set(apart.hand_over().map_or(0.0, |taken| taken.as_secs_f64()));
        for (why, count) in apart.ended() {
            let ended = metrics.decoders_ended.with_label_values(&[why.name()]);
            ended.inc_by(count.saturating_sub(ended.get()));
        }
    }
}
