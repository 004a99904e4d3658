// Which picks are on the screen: a change is asked for now but shows from an instant on. Pure.

import type { Picks } from "./picks";

export interface Splice {
  /** The date of the first picture that shows `picks`, in milliseconds of Unix time. */
  readonly at: number;
  readonly picks: Picks;
}

// More changes than this cannot wait at once in a window of a few segments.
const SPLICES_MAX = 64;

/** The changes of one session in order, and the date of what is on the screen. */
export class ScreenTimeline {
  private splices: Splice[] = [];
  private onScreen: number | null = null;

  /** Notes that `picks` show from `at` on. A later change for the same or an earlier instant replaces what it covers. */
  push(at: number, picks: Picks): void {
    this.splices = this.splices.filter((splice) => splice.at < at);
    this.splices.push({ at, picks });
    if (this.splices.length > SPLICES_MAX) this.splices.shift();
  }

  /** Notes that a picture of the date `at` is on the screen. Answers whether the picks there changed by it. */
  show(at: number): boolean {
    const before = this.shown();
    this.onScreen = at;
    const due = this.splices.filter((splice) => splice.at <= at).length;
    // Those before the one in force can not come back: live playback does not seek behind its buffer.
    if (due > 1) this.splices.splice(0, due - 1);
    return before !== this.shown();
  }

  /** The picks on the screen; before the first picture, those asked for first. */
  shown(): Picks | null {
    const at = this.onScreen;
    const due = at === null ? [] : this.splices.filter((splice) => splice.at <= at);
    return (due.at(-1) ?? this.splices[0])?.picks ?? null;
  }

  /** The last change that is not on the screen yet. */
  pending(): Splice | null {
    const last = this.splices.at(-1);
    if (last === undefined || last.picks === this.shown()) return null;
    return last;
  }

  /** Whether what is on the screen stands still yet: what is dated before the first picture that moves is there so that playback can begin. */
  stands(): boolean {
    const first = this.splices[0];
    return first !== undefined && this.onScreen !== null && this.onScreen < first.at;
  }
}
