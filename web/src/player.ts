// Plays one session's stream with hls.js and says how it goes. The only user of hls.js.

import Hls, { type ErrorData, type FragChangedData, type HlsConfig } from "hls.js";
import { FrameGaps, Stalls } from "./health";
import { trackOf } from "./tracks";

export type PlayerEvent =
  | { kind: "playing" }
  | { kind: "segment"; segment: number; rendition: string }
  | { kind: "sound"; name: string }
  | { kind: "stall" }
  | { kind: "resumed"; after_ms: number }
  | { kind: "error"; details: string; fatal: boolean; status: number | null }
  | { kind: "muted" }
  /** The playlist ended: the session is over. */
  | { kind: "ended" }
  /** Playback can not go on: the stream is gone (404, 410), or no recovery helped. */
  | { kind: "lost"; gone: boolean; details: string };

/** What is to be read off the player at one instant; null where not known yet. */
export interface Sample {
  /** Behind the end of the newest segment listed, in seconds. */
  latency_to_edge_s: number | null;
  /** From the instant a picture shows to its showing here, by this computer's clock, in seconds. */
  glass_to_glass_s: number | null;
  buffer_s: number;
  /** Paused by the browser or the system: the page itself never pauses. */
  paused: boolean;
  rendition: string | null;
  rendition_bitrate_bps: number | null;
  /** The grid's number of the segment on the screen. */
  segment: number | null;
  sound: string | null;
  frames_total: number;
  frames_dropped: number;
  frames_presented: number;
  largest_gap_ms: number;
  stalls: number;
  stalled_ms: number;
  fatal_errors: number;
  errors: number;
}

export interface Rendition {
  index: number;
  name: string;
}

const CONFIG: Partial<HlsConfig> = {
  // fMP4 needs no transmuxing, so a worker would only cost a copy and a wider content security policy.
  enableWorker: false,
  lowLatencyMode: false,
  liveSyncDurationCount: 3,
  liveMaxLatencyDurationCount: 8,
  maxLiveSyncPlaybackRate: 1.05,
  backBufferLength: 30,
  maxBufferLength: 30,
  capLevelToPlayerSize: true,
  // Enough to start with the best rendition; measured from the first segment on.
  abrEwmaDefaultEstimate: 10_000_000,
};

// RFC 8216, 6.3.3: not to start within three target durations of the end. A mosaic that nobody watched before has fewer
// segments at first; playing them at once would leave nothing to ride out a late one.
const START_TARGET_DURATIONS = 3;
// Segments may be a frame or so shorter than the target duration.
const START_SLACK_S = 0.25;
const START_WAIT_MS = 10_000;

const NETWORK_RETRIES_MAX = 8;
const MEDIA_RECOVERIES_MAX = 3;
const RECOVERY_FORGOTTEN_MS = 30_000;

export class Player {
  private hls: Hls | null = null;
  private gaps = new FrameGaps();
  private stalls = new Stalls();
  private wantedSound: { id: string; title: string } | null = null;
  private segment: number | null = null;
  private errors = 0;
  private fatalErrors = 0;
  private networkRetries = 0;
  private mediaRecoveries = 0;
  private lastFatalMs = 0;
  private retryTimer: number | undefined;
  private startTimer: number | undefined;

  constructor(
    readonly video: HTMLVideoElement,
    private readonly report: (event: PlayerEvent) => void,
  ) {
    video.addEventListener("waiting", () => this.waiting());
    video.addEventListener("playing", () => this.playing());
    video.addEventListener("ended", () => this.hls && this.report({ kind: "ended" }));
    document.addEventListener("visibilitychange", () => this.gaps.interrupt());
    video.addEventListener("pause", () => this.gaps.interrupt());
    this.watchFrames();
  }

  static supported(): boolean {
    return Hls.isSupported();
  }

  /** Starts `url`; a stream that played before is let go. */
  load(url: string, sound: { id: string; title: string } | null): void {
    this.stop();
    this.gaps = new FrameGaps();
    this.stalls = new Stalls();
    this.errors = this.fatalErrors = this.networkRetries = this.mediaRecoveries = 0;
    this.wantedSound = sound;
    const hls = new Hls(CONFIG);
    this.hls = hls;
    hls.on(Hls.Events.FRAG_BUFFERED, () => this.startWhenReady());
    hls.on(Hls.Events.AUDIO_TRACKS_UPDATED, () => this.applySound());
    hls.on(Hls.Events.AUDIO_TRACK_SWITCHED, () => this.report({ kind: "sound", name: this.soundName() ?? "" }));
    hls.on(Hls.Events.FRAG_CHANGED, (_, data) => this.shows(data));
    hls.on(Hls.Events.ERROR, (_, data) => this.failed(data));
    hls.loadSource(url);
    hls.attachMedia(this.video);
  }

  stop(): void {
    window.clearTimeout(this.retryTimer);
    window.clearTimeout(this.startTimer);
    this.startTimer = undefined;
    this.hls?.destroy();
    this.hls = null;
    this.segment = null;
    this.gaps.interrupt();
    this.video.removeAttribute("src");
    this.video.load();
  }

  /** Listens to another game, without a reload; waits for its rendition if the playlist has not been read yet. */
  listen(game: { id: string; title: string }): void {
    this.wantedSound = game;
    this.applySound();
  }

  renditions(): Rendition[] {
    return (this.hls?.levels ?? []).map((level, index) => ({ index, name: `${level.height}p` }));
  }

  /** -1 lets the player choose by bandwidth and size. */
  chooseRendition(index: number): void {
    if (this.hls) this.hls.nextLevel = index;
  }

  /** Goes back to the live edge and plays, after a pause that the system or a headset made. */
  goLive(): void {
    const position = this.hls?.liveSyncPosition ?? null;
    if (position !== null) this.video.currentTime = position;
    void this.play();
  }

  resetGaps(): void {
    this.gaps.reset();
  }

  sample(nowMs: number, wallMs: number): Sample {
    const { video, hls } = this;
    const quality = video.getVideoPlaybackQuality();
    const level = hls && hls.currentLevel >= 0 ? hls.levels[hls.currentLevel] : undefined;
    const date = hls?.playingDate?.getTime();
    return {
      latency_to_edge_s: hls && hls.latency > 0 ? hls.latency : null,
      glass_to_glass_s: date === undefined ? null : (wallMs - date) / 1000,
      buffer_s: this.bufferedAheadS(),
      paused: video.paused,
      rendition: level ? `${level.width}×${level.height}` : null,
      rendition_bitrate_bps: level?.bitrate ?? null,
      segment: this.segment,
      sound: this.soundName(),
      frames_total: quality.totalVideoFrames,
      frames_dropped: quality.droppedVideoFrames,
      frames_presented: this.gaps.presented,
      largest_gap_ms: this.gaps.worstMs(nowMs),
      stalls: this.stalls.count,
      stalled_ms: this.stalls.totalMs,
      fatal_errors: this.fatalErrors,
      errors: this.errors,
    };
  }

  /** Starts once enough is buffered, or when enough does not come. */
  private startWhenReady(): void {
    const { hls, video } = this;
    if (hls === null || this.stalls.started || !video.paused) return;
    const targetS = hls.levels[hls.loadLevel]?.details?.targetduration ?? 2;
    if (this.bufferedAheadS() >= START_TARGET_DURATIONS * targetS - START_SLACK_S) void this.play();
    else this.startTimer ??= window.setTimeout(() => void this.play(), START_WAIT_MS);
  }

  private bufferedAheadS(): number {
    const { buffered, currentTime } = this.video;
    return buffered.length > 0 ? Math.max(0, buffered.end(buffered.length - 1) - currentTime) : 0;
  }

  private async play(): Promise<void> {
    try {
      await this.video.play();
    } catch (error) {
      // A browser that wants a gesture for sound gets pictures first.
      if (error instanceof DOMException && error.name === "NotAllowedError" && !this.video.muted) {
        this.video.muted = true;
        this.report({ kind: "muted" });
        await this.video.play().catch(() => undefined);
      }
    }
  }

  private waiting(): void {
    if (this.hls === null || this.video.seeking || this.stalls.stalled()) return;
    const before = this.stalls.count;
    this.stalls.waiting(performance.now());
    if (this.stalls.count > before) this.report({ kind: "stall" });
  }

  private playing(): void {
    const stalledMs = this.stalls.playing(performance.now());
    this.networkRetries = 0;
    this.report(stalledMs === null ? { kind: "playing" } : { kind: "resumed", after_ms: Math.round(stalledMs) });
  }

  private shows(data: FragChangedData): void {
    if (typeof data.frag.sn !== "number") return;
    this.segment = data.frag.sn;
    const level = this.hls?.levels[data.frag.level];
    this.report({ kind: "segment", segment: data.frag.sn, rendition: level ? `${level.height}p` : "" });
  }

  private soundName(): string | null {
    const hls = this.hls;
    return hls?.audioTracks[hls.audioTrack]?.name ?? null;
  }

  private applySound(): void {
    const { hls, wantedSound } = this;
    if (hls === null || wantedSound === null) return;
    const index = trackOf(hls.audioTracks, wantedSound);
    if (index >= 0 && index !== hls.audioTrack) hls.audioTrack = index;
  }

  private failed(data: ErrorData): void {
    const status = data.response?.code ?? null;
    this.errors += 1;
    if (data.fatal) this.fatalErrors += 1;
    this.report({ kind: "error", details: data.details, fatal: data.fatal, status });
    if (!data.fatal || this.hls === null) return;
    if (status === 404 || status === 410) {
      this.report({ kind: "lost", gone: true, details: data.details });
    } else if (data.type === Hls.ErrorTypes.NETWORK_ERROR && this.networkRetries < NETWORK_RETRIES_MAX) {
      this.reloadLater(data);
    } else if (data.type === Hls.ErrorTypes.MEDIA_ERROR && this.mayRecover()) {
      this.hls.recoverMediaError();
    } else {
      this.report({ kind: "lost", gone: false, details: data.details });
    }
  }

  private reloadLater(data: ErrorData): void {
    const delayMs = Math.min(8_000, 500 * 2 ** this.networkRetries);
    this.networkRetries += 1;
    window.clearTimeout(this.retryTimer);
    this.retryTimer = window.setTimeout(() => {
      const hls = this.hls;
      if (hls === null) return;
      // Without a multivariant playlist there is nothing to start loading from.
      if (hls.levels.length === 0 && data.url !== undefined) hls.loadSource(hls.url ?? data.url);
      else hls.startLoad();
    }, delayMs);
  }

  private mayRecover(): boolean {
    const nowMs = performance.now();
    if (nowMs - this.lastFatalMs > RECOVERY_FORGOTTEN_MS) this.mediaRecoveries = 0;
    this.lastFatalMs = nowMs;
    this.mediaRecoveries += 1;
    return this.mediaRecoveries <= MEDIA_RECOVERIES_MAX;
  }

  private watchFrames(): void {
    if (!("requestVideoFrameCallback" in this.video)) return;
    const next = (nowMs: number, frame: VideoFrameCallbackMetadata) => {
      if (!document.hidden && !this.video.paused) this.gaps.frame(nowMs, frame.presentedFrames);
      this.video.requestVideoFrameCallback(next);
    };
    this.video.requestVideoFrameCallback(next);
  }
}
