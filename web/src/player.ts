// Plays one session's stream with hls.js and says how it goes. The only user of hls.js.

import Hls, { type ErrorData, type FragChangedData, type HlsConfig, type LevelDetails } from "hls.js";
import { captionLike, captionsOf, type Caption } from "./captions";
import { FrameGaps, Stalls } from "./health";
import { holdBackS, type PlaylistTerms } from "./holdback";
import { mediaTimeOf, type Span } from "./past";
import { PictureWatch, type Pulse } from "./pulse";
import { trackOf } from "./tracks";

export type PlayerEvent =
  | { kind: "playing" }
  | { kind: "segment"; segment: number; rendition: string }
  /** The date of the picture on the screen, in milliseconds of Unix time: told again and again. */
  | { kind: "shows"; at: number }
  | { kind: "sound"; name: string }
  /** Which captions there are is known, or others are. */
  | { kind: "captions" }
  | { kind: "stall" }
  | { kind: "resumed"; after_ms: number }
  | { kind: "error"; details: string; fatal: boolean; status: number | null }
  /** The browser allowed pictures only without sound. */
  | { kind: "muted" }
  /** The browser plays nothing before somebody presses something. */
  | { kind: "blocked" }
  | { kind: "pulse"; pulse: Pulse }
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
  /** How far behind the end of the newest segment, or part, playback belongs. */
  hold_back_s: number | null;
  /** Whether the playlists list parts of segments that are not whole yet. */
  parts: boolean;
  buffer_s: number;
  /** By the viewer, the browser or the system. */
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
  // For date ranges it would make a track of text from a `data:` address, which the page's policy forbids. The page asks the service for breaks.
  enableDateRangeMetadataCues: false,
  // fMP4 needs no transmuxing, so a worker would only cost a copy and a wider content security policy.
  enableWorker: false,
  backBufferLength: 30,
  maxBufferLength: 30,
  capLevelToPlayerSize: true,
  // Enough to start with the best rendition; measured from the first segment on.
  abrEwmaDefaultEstimate: 10_000_000,
};

// Whoever falls further behind than this, by a slow network or a busy machine, is taken to the edge. Not set with the rest: hls.js
// takes it only together with a hold-back of ours, which would hide the playlists' own.
const LATENCY_MOST_DURATIONS = 8;
// Not noticed in speech or play. hls.js hurries in its low-latency mode only.
const HURRY_RATE = 1.05;

// A mosaic that nobody watched before has fewer segments than the hold-back at first; playing them at once would leave nothing
// to ride out a late one. Segments may be a frame or so shorter than the target duration.
const START_SHARE = 0.95;
const START_WAIT_MS = 10_000;
// A jump by less is not worth the flush.
const JUMP_LEAST_S = 0.25;

// Often enough that a standstill is told when it is one, and cheap.
const PULSE_MS = 100;

const NETWORK_RETRIES_MAX = 8;
const MEDIA_RECOVERIES_MAX = 3;
const RECOVERY_FORGOTTEN_MS = 30_000;

export class Player {
  private hls: Hls | null = null;
  private gaps = new FrameGaps();
  private stalls = new Stalls();
  private wantedSound: { id: string; title: string } | null = null;
  private wantedCaptions: string | null = null;
  private segment: number | null = null;
  private errors = 0;
  private fatalErrors = 0;
  private networkRetries = 0;
  private mediaRecoveries = 0;
  private lastFatalMs = 0;
  private retryTimer: number | undefined;
  private startTimer: number | undefined;
  private pulseTimer: number | undefined;
  private pictures = new PictureWatch();
  private pulse: Pulse = "none";
  private positionS = 0;
  private unreachable = false;
  private holdBackS: number | null = null;
  private rendition = -1;
  /** The viewer is behind live on purpose, and stays there. */
  private rewound = false;

  constructor(
    readonly video: HTMLVideoElement,
    private readonly report: (event: PlayerEvent) => void,
    private lowLatency = false,
  ) {
    video.addEventListener("waiting", () => this.waiting());
    video.addEventListener("playing", () => this.playing());
    video.addEventListener("ended", () => this.hls && this.report({ kind: "ended" }));
    document.addEventListener("visibilitychange", () => {
      this.gaps.interrupt();
      // Nobody saw whether pictures came while the page was hidden.
      if (this.stalls.started) this.pictures.moved(performance.now());
    });
    video.addEventListener("pause", () => this.paused());
    this.watchFrames();
  }

  static supported(): boolean {
    return Hls.isSupported();
  }

  /** Starts `url`, at live or in the past as the playlist says (`rewound`); a stream that played before is let go. */
  load(url: string, sound: { id: string; title: string } | null, rewound = false): void {
    const { rendition } = this;
    this.stop();
    this.rendition = rendition;
    this.gaps = new FrameGaps();
    this.stalls = new Stalls();
    this.errors = this.fatalErrors = this.networkRetries = this.mediaRecoveries = 0;
    this.wantedSound = sound;
    this.pictures = new PictureWatch();
    this.unreachable = false;
    const hls = new Hls({ ...CONFIG, lowLatencyMode: this.lowLatency });
    this.hls = hls;
    this.staysBehind(rewound);
    this.pulseTimer = window.setInterval(() => this.feelPulse(), PULSE_MS);
    hls.on(Hls.Events.FRAG_BUFFERED, () => {
      this.unreachable = false;
      this.startWhenReady();
    });
    hls.on(Hls.Events.LEVEL_LOADED, (_, { details }) => {
      this.unreachable = false;
      this.applyHoldBack(details);
    });
    hls.on(Hls.Events.MANIFEST_PARSED, () => {
      if (this.rendition >= 0) hls.nextLevel = this.rendition;
    });
    hls.on(Hls.Events.AUDIO_TRACKS_UPDATED, () => this.applySound());
    hls.on(Hls.Events.AUDIO_TRACK_SWITCHED, () => this.report({ kind: "sound", name: this.soundName() ?? "" }));
    hls.on(Hls.Events.SUBTITLE_TRACKS_UPDATED, () => {
      this.applyCaptions();
      this.report({ kind: "captions" });
    });
    hls.on(Hls.Events.FRAG_CHANGED, (_, data) => this.shows(data));
    hls.on(Hls.Events.ERROR, (_, data) => this.failed(data));
    hls.loadSource(url);
    hls.attachMedia(this.video);
  }

  stop(): void {
    window.clearTimeout(this.retryTimer);
    window.clearTimeout(this.startTimer);
    window.clearInterval(this.pulseTimer);
    this.startTimer = undefined;
    this.hls?.destroy();
    this.hls = null;
    this.segment = null;
    this.holdBackS = null;
    this.rendition = -1;
    this.gaps.interrupt();
    this.tellPulse("none");
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

  /** The captions that the stream offers. */
  captions(): Caption[] {
    return captionsOf(this.hls?.subtitleTracks ?? []);
  }

  /** Shows captions by their id, or those most like them; null shows none. Kept for the streams that are loaded after. */
  chooseCaptions(id: string | null): void {
    this.wantedCaptions = id;
    this.applyCaptions();
  }

  /** -1 lets the player choose by bandwidth and size. */
  chooseRendition(index: number): void {
    this.rendition = index;
    if (this.hls) this.hls.nextLevel = index;
  }

  /** The date of the picture on the screen; null before there is one. */
  date(): number | null {
    return this.hls?.playingDate?.getTime() ?? null;
  }

  /** What the playlist lists; null before it is read. */
  span(): Span | null {
    const { hls } = this;
    const details = hls?.latestLevelDetails;
    const [first, last] = [details?.fragments[0], details?.fragments.at(-1)];
    if (!hls || first?.programDateTime == null || last?.programDateTime == null) return null;
    const to = last.programDateTime + 1000 * last.duration;
    const [date, held] = [this.date(), this.targetLatencyS() ?? 0];
    // By the latency, which grows evenly; the end of the playlist comes in leaps.
    const live = date !== null && hls.latency > 0 ? date + 1000 * (hls.latency - held) : to - 1000 * held;
    return { from: first.programDateTime, to, live };
  }

  /** Plays on from the picture of `at`. Answers whether the playlist lists it. */
  seek(at: number): boolean {
    const time = mediaTimeOf(this.hls?.latestLevelDetails?.fragments ?? [], at);
    if (time === null) return false;
    this.staysBehind(true);
    this.video.currentTime = time;
    void this.play();
    return true;
  }

  /** Goes to the live edge and plays. */
  goLive(): void {
    const { hls } = this;
    if (hls === null) return;
    this.staysBehind(false);
    const position = hls.liveSyncPosition;
    if (position !== null) this.video.currentTime = position;
    void this.play();
  }

  pause(): void {
    if (this.stalls.started) this.video.pause();
  }

  /** Goes on where it was paused, as far as the window reaches back. */
  resume(): void {
    void this.play();
  }

  /** Plays nearer to the live edge from now on, or with more in hand again. */
  setLowLatency(on: boolean): void {
    if (this.lowLatency === on) return;
    this.lowLatency = on;
    const { hls } = this;
    if (hls === null) return;
    hls.config.lowLatencyMode = on;
    if (!on) this.video.playbackRate = 1;
    const details = hls.latestLevelDetails;
    if (details !== null) this.applyHoldBack(details);
    // Who had paused, or lags on purpose, stays there.
    if (this.rewound) return;
    if (this.pulse === "live" || this.pulse === "buffering") this.goLive();
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
      hold_back_s: this.targetLatencyS(),
      parts: (hls?.latestLevelDetails?.partList?.length ?? 0) > 0,
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

  /** Who went back is neither taken to the edge nor hurried there. */
  private staysBehind(rewound: boolean): void {
    this.rewound = rewound;
    const { hls, video } = this;
    if (hls === null) return;
    hls.config.liveMaxLatencyDurationCount = rewound ? Infinity : LATENCY_MOST_DURATIONS;
    hls.config.maxLiveSyncPlaybackRate = rewound ? 1 : HURRY_RATE;
    if (rewound) video.playbackRate = 1;
  }

  /** Starts once enough is buffered, or when enough does not come. */
  private startWhenReady(): void {
    const { hls, video } = this;
    if (hls === null || this.stalls.started || !video.paused) return;
    if (this.holdBackS === null || this.bufferedAheadS() < START_SHARE * this.holdBackS) {
      this.startTimer ??= window.setTimeout(() => void this.play(), START_WAIT_MS);
      return;
    }
    // hls.js has chosen where to begin before the playlist's parts were known here, and gathering took its time.
    if (this.lowLatency && !this.rewound) this.skipTo(hls.liveSyncPosition);
    void this.play();
  }

  /** Skips ahead within what is buffered, and leaves half of it in hand. */
  private skipTo(position: number | null): void {
    const { video } = this;
    if (position === null) return;
    const latest = video.currentTime + this.bufferedAheadS() - (this.holdBackS ?? 0) / 2;
    const to = Math.min(position, latest);
    if (to > video.currentTime + JUMP_LEAST_S) video.currentTime = to;
  }

  /** Tells hls.js how far behind the edge to stay. A stream may begin to list parts, or cease to, at any time. */
  private applyHoldBack(details: LevelDetails): void {
    const { hls } = this;
    if (hls === null || !details.live) return;
    const wanted = holdBackS(termsOf(details), this.lowLatency);
    // Setting it makes hls.js forget the stalls that it has added to it.
    if (wanted !== this.holdBackS) hls.targetLatency = wanted;
    this.holdBackS = wanted;
  }

  private targetLatencyS(): number | null {
    return this.hls?.targetLatency ?? this.holdBackS;
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
        await this.video.play().catch(() => this.report({ kind: "blocked" }));
      }
    }
  }

  private paused(): void {
    this.gaps.interrupt();
    // Not the pause before the end of a stream or before its first picture.
    if (this.hls === null || !this.stalls.started || this.video.ended) return;
    // Who pauses stays behind for as long as the window reaches back, and is not thrown to the edge.
    this.hls.config.liveMaxLatencyDurationCount = Infinity;
    this.feelPulse();
  }

  private waiting(): void {
    if (this.hls === null || this.video.seeking || this.stalls.stalled()) return;
    const before = this.stalls.count;
    this.stalls.waiting(performance.now());
    if (this.stalls.count > before) this.report({ kind: "stall" });
  }

  private playing(): void {
    const nowMs = performance.now();
    // It has started: who pauses now is not started again.
    window.clearTimeout(this.startTimer);
    this.startTimer = undefined;
    if (this.hls !== null && (!this.stalls.started || this.pulse === "paused")) this.pictures.start(nowMs);
    const stalledMs = this.stalls.playing(nowMs);
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

  private applyCaptions(): void {
    const { hls, wantedCaptions } = this;
    if (hls === null) return;
    const captions = this.captions();
    const wanted = wantedCaptions === null ? null : captionLike(captions, wantedCaptions);
    const index = wanted === null ? -1 : captions.indexOf(captions.find((one) => one.id === wanted.id) ?? wanted);
    hls.subtitleDisplay = index >= 0;
    if (hls.subtitleTrack !== index) hls.subtitleTrack = index;
  }

  private failed(data: ErrorData): void {
    const status = data.response?.code ?? null;
    this.errors += 1;
    if (data.fatal) this.fatalErrors += 1;
    // Without a status nobody answered; with one of these a proxy did, for a service that is not there.
    if (data.type === Hls.ErrorTypes.NETWORK_ERROR && (!status || (status >= 502 && status <= 504))) this.unreachable = true;
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
    if (!this.seesFrames()) return;
    const next = (nowMs: number, frame: VideoFrameCallbackMetadata) => {
      if (!document.hidden && !this.video.paused) this.gaps.frame(nowMs, frame.presentedFrames);
      this.pictureMoved();
      this.video.requestVideoFrameCallback(next);
    };
    this.video.requestVideoFrameCallback(next);
  }

  private seesFrames(): boolean {
    return "requestVideoFrameCallback" in this.video;
  }

  private pictureMoved(): void {
    this.pictures.moved(performance.now());
    // At once: what says "buffering" must not outlast it.
    if (this.pulse === "buffering" || this.pulse === "reconnecting") this.feelPulse();
  }

  private feelPulse(): void {
    const { hls, video } = this;
    if (hls === null) return;
    // No frame is told of while the page is hidden, nor ever by browsers that can not: the position has to do.
    if (video.currentTime !== this.positionS) {
      this.positionS = video.currentTime;
      if (document.hidden || !this.seesFrames()) this.pictures.moved(performance.now());
    }
    const seen = {
      paused: video.paused,
      unreachable: this.unreachable || !navigator.onLine,
      latency_to_edge_s: hls.latency > 0 ? hls.latency : null,
      hold_back_s: this.targetLatencyS(),
    };
    this.tellPulse(this.pictures.pulse(performance.now(), seen));
    const at = hls.playingDate?.getTime();
    if (at !== undefined) this.report({ kind: "shows", at });
  }

  private tellPulse(pulse: Pulse): void {
    if (pulse === this.pulse) return;
    this.pulse = pulse;
    this.report({ kind: "pulse", pulse });
  }
}

function termsOf(details: LevelDetails): PlaylistTerms {
  const { targetduration, holdBack, partTarget, partHoldBack } = details;
  return { targetduration, holdBack, partTarget, partHoldBack, hasParts: (details.partList?.length ?? 0) > 0 };
}

