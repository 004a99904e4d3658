// Which picks are on the screen: a change is asked for now but shows from an instant on. Pure.

import type { Picks } from "./picks";

export interface Splice {
  /** The date of the first picture that shows `picks`, in milliseconds of Unix time. */
  readonly at: number;
  readonly picks: Picks;
}

// As many as the service knows.
const SPLICES_MAX = 64;

/** The changes of one session in order, and the date of what is on the screen. */
export class ScreenTimeline {
  private splices: Splice[] = [];
  private onScreen: number | null = null;
  /** The newest that was on it: who goes back has seen the changes in between. */
  private newest = -Infinity;

  /** `knowsAll`: nothing was changed before the first that is noted. */
  constructor(private readonly knowsAll = true) {}

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
    this.newest = Math.max(this.newest, at);
    return before !== this.shown();
  }

  /** Whether it is known what is on the screen: a page that was loaded anew does not know of the changes before. */
  knows(): boolean {
    const first = this.splices[0];
    return this.knowsAll || first === undefined || this.onScreen === null || this.onScreen >= first.at || this.newest < first.at;
  }

  /** The picks on the screen; before the first change, those asked for first. */
  shown(): Picks | null {
    const at = this.onScreen;
    const due = at === null ? [] : this.splices.filter((splice) => splice.at <= at);
    return (due.at(-1) ?? this.splices[0])?.picks ?? null;
  }

  /** The last change that was not on the screen yet. */
  pending(): Splice | null {
    const last = this.splices.at(-1);
    if (last === undefined || last.at <= this.newest || last.picks === this.shown()) return null;
    return last;
  }

  /** Whether what is on the screen stands still yet: what is dated before the first picture that moves is there so that playback can begin. */
  stands(): boolean {
    const first = this.splices[0];
    return first !== undefined && this.onScreen !== null && this.onScreen < first.at;
  }
}
