// Which picks are on the screen: a change is asked for now but shows from a segment on. Pure.

import type { Picks } from "./picks";

export interface Splice {
  /** The first segment that shows `picks`. */
  readonly segment: number;
  readonly picks: Picks;
}

// More changes than this cannot wait at once in a window of a few segments.
const SPLICES_MAX = 64;

/** The changes of one session in segment order, and the segment that is on the screen. */
export class ScreenTimeline {
  private splices: Splice[] = [];
  private onScreen: number | null = null;

  /** Notes that `picks` show from `segment` on. A later change for the same or an earlier segment replaces what it covers. */
  push(segment: number, picks: Picks): void {
    this.splices = this.splices.filter((splice) => splice.segment < segment);
    this.splices.push({ segment, picks });
    if (this.splices.length > SPLICES_MAX) this.splices.shift();
  }

  /** Notes that segment `segment` is being shown. Answers whether the picks on the screen changed by it. */
  show(segment: number): boolean {
    const before = this.shown();
    this.onScreen = segment;
    const due = this.splices.filter((splice) => splice.segment <= segment).length;
    // Those before the one in force can not come back: live playback does not seek behind its buffer.
    if (due > 1) this.splices.splice(0, due - 1);
    return before !== this.shown();
  }

  /** The picks on the screen; before the first segment, those asked for first. */
  shown(): Picks | null {
    const segment = this.onScreen;
    const due = segment === null ? [] : this.splices.filter((splice) => splice.segment <= segment);
    return (due.at(-1) ?? this.splices[0])?.picks ?? null;
  }

  /** The last change that is not on the screen yet. */
  pending(): Splice | null {
    const last = this.splices.at(-1);
    if (last === undefined || last.picks === this.shown()) return null;
    return last;
  }

  segment(): number | null {
    return this.onScreen;
  }
}
