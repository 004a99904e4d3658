// What the picture does right now, judged by what was seen of it and not by what was asked for. Pure; time is a parameter.

export type Pulse =
  /** No stream is loaded, or its first picture has not come yet. */
  | "none"
  /** Pictures move, near the live edge. */
  | "live"
  /** Pictures move, but later than they need to. */
  | "behind"
  | "paused"
  /** The picture stands because nothing more has come. */
  | "buffering"
  /** The picture stands, and the service can not be reached. */
  | "reconnecting";

/** What is told of a change of the pulse; that it is late or not stands on the page and is worth no interruption. */
export const PULSE_WORDS: Record<Pulse, string> = { none: "", live: "", behind: "", paused: "Paused", buffering: "Buffering", reconnecting: "Reconnecting" };

// What is shorter no viewer takes for a standstill, and a word about it would only flicker.
export const STILL_AFTER_MS = 300;

// "Live" ends this share of the hold-back behind where playback belongs, but never within less than the least.
const LATE_SHARE = 0.6;
const LATE_LEAST_S = 1.5;

export interface Seen {
  readonly paused: boolean;
  /** Whether requests have failed since the last one that was answered. */
  readonly unreachable: boolean;
  readonly latency_to_edge_s: number | null;
  /** How far behind the edge playback belongs. */
  readonly hold_back_s: number | null;
}

export function isLate(latencyS: number | null, holdBackS: number | null): boolean {
  if (latencyS === null || holdBackS === null) return false;
  return latencyS > holdBackS + Math.max(LATE_LEAST_S, LATE_SHARE * holdBackS);
}

/** When the last new picture came. */
export class PictureWatch {
  private started = false;
  private movedMs = 0;

  /** Counts from `nowMs` on: playback has begun, or nobody could see the picture until now. */
  start(nowMs: number): void {
    this.started = true;
    this.movedMs = nowMs;
  }

  moved(nowMs: number): void {
    if (this.started) this.movedMs = nowMs;
  }

  pulse(nowMs: number, seen: Seen): Pulse {
    if (!this.started) return "none";
    if (seen.paused) return "paused";
    if (nowMs - this.movedMs >= STILL_AFTER_MS) return seen.unreachable ? "reconnecting" : "buffering";
    return isLate(seen.latency_to_edge_s, seen.hold_back_s) ? "behind" : "live";
  }
}

// Encoding and gathering take this long at most before a picture can be listed.
const GLASS_MOST_S = 30;

/**
 * How old the picture is, in seconds: by its date where this computer's clock can be believed, else by its distance from the end of the
 * playlist, which is a little less.
 */
export function behindS(sample: { latency_to_edge_s: number | null; glass_to_glass_s: number | null } | null): number | null {
  if (sample === null) return null;
  const { latency_to_edge_s: edge, glass_to_glass_s: glass } = sample;
  if (glass === null || edge === null) return edge ?? (glass !== null && glass >= 0 ? glass : null);
  return glass >= edge && glass <= edge + GLASS_MOST_S ? glass : edge;
}
