// How well playback goes: gaps between presented frames, stalls. Pure; time is a parameter.

/** Longest time between two presented frames, and how many were presented. */
export class FrameGaps {
  presented = 0;
  largestGapMs = 0;
  private lastMs: number | null = null;

  /** `frames`: how many frames were presented since the start, as the browser counts them. */
  frame(nowMs: number, frames: number): void {
    if (this.lastMs !== null) this.largestGapMs = Math.max(this.largestGapMs, nowMs - this.lastMs);
    this.lastMs = nowMs;
    this.presented = frames;
  }

  /** Time since the last frame counts as a gap from `nowMs` on only: the page was hidden, or playback paused on purpose. */
  interrupt(): void {
    this.lastMs = null;
  }

  /** Forgets the longest gap; the next frame is measured against the last one. */
  reset(): void {
    this.largestGapMs = 0;
  }

  /** The longest gap, the one still open at `nowMs` included. */
  worstMs(nowMs: number): number {
    return this.lastMs === null ? this.largestGapMs : Math.max(this.largestGapMs, nowMs - this.lastMs);
  }
}

/** Stalls after the first picture: how often playback ran dry, and for how long. */
export class Stalls {
  count = 0;
  totalMs = 0;
  private sinceMs: number | null = null;
  /** Whether there was a first picture. */
  started = false;

  waiting(nowMs: number): void {
    if (!this.started || this.sinceMs !== null) return;
    this.sinceMs = nowMs;
    this.count += 1;
  }

  /** Answers the length of the stall that ended, or null if there was none. */
  playing(nowMs: number): number | null {
    this.started = true;
    if (this.sinceMs === null) return null;
    const lengthMs = nowMs - this.sinceMs;
    this.totalMs += lengthMs;
    this.sinceMs = null;
    return lengthMs;
  }

  stalled(): boolean {
    return this.sinceMs !== null;
  }
}
