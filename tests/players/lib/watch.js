// One player's watching of one session: what it showed when, and what follows from that.

import { FPS } from "./service.js";

/** Media time must fall behind the wall clock by more than this between two frames to be a stall: less is the machine's own unrest. */
const STALL_S = 0.3;
/** What goes wrong before so much was shown belongs to the start. */
const START_UP_S = 1;
const startsUp = ({ position }) => position < START_UP_S;
/** What a player says itself about a stall counts once with what its frames say. */
const SAME_STALL_S = 1.5;
/** A player that was given another sound may say for so long that it waits. */
const SOUND_WAIT_S = 3;

export class Watch {
  /**
   * Frames in the order they were shown: `at` in milliseconds of Unix time, `pts` in seconds of the player's own time line, `count`
   * frames in all with it (a browser does not tell of each), and `date`, what instant it shows, where the player says that.
   */
  frames = [];
  /** What the player calls an error, and what else was wrong. */
  errors = [];
  /** When the player itself said that it waits, in milliseconds of Unix time. */
  waits = [];
  /** Frames that came too late for this machine to show. They were there, so they are not missing. */
  dropped = 0;
  /** How many milliseconds ago pictures were made that were shown, where they say so. */
  ages = [];
  /** What is worth knowing and no fault. */
  notes = [];
  #soundsChosen = [];
  #goals = [];
  #over;
  #closed = false;

  constructor(name) {
    this.name = name;
  }

  frame(frame) {
    if (this.#closed) return;
    this.frames.push(frame);
    const reached = this.position;
    this.#goals = this.#goals.filter((goal) => {
      if (goal.position > reached) return true;
      goal.met();
      return false;
    });
  }

  error(text) {
    if (!this.#closed) this.errors.push(text);
  }

  wait(at) {
    if (!this.#closed) this.waits.push(at);
  }

  /** From now on another sound is to be heard. What a player says of waiting for it is no stall while pictures go on. */
  soundChosen() {
    this.#soundsChosen.push(Date.now());
  }

  note(text) {
    this.notes.push(text);
  }

  /** The player begins again: what it showed before does not count. */
  anew(why) {
    [this.frames, this.waits, this.ages] = [[], [], []];
    this.note(why);
  }

  /** What a player says when it is ended is not of the watch any more. */
  close() {
    this.#closed = true;
  }

  /** Nothing more will come, and that is why. */
  over(why) {
    this.#over ??= why;
    for (const goal of this.#goals) goal.failed(new Error(why));
    this.#goals = [];
  }

  /** Seconds shown since the first frame; -1 before it. */
  get position() {
    return this.frames.length === 0 ? -1 : this.frames.at(-1).pts - this.frames[0].pts;
  }

  /** Waits until so many seconds were shown. */
  reached(position, limitMs) {
    if (this.position >= position) return Promise.resolve();
    if (this.#over !== undefined) return Promise.reject(new Error(this.#over));
    return new Promise((met, failed) => {
      const timer = setTimeout(() => {
        failed(new Error(`had shown ${this.position.toFixed(1)} s where ${position} s should have been after ${limitMs / 1000} s more`));
      }, limitMs);
      const settle = (answer) => (value) => {
        clearTimeout(timer);
        answer(value);
      };
      this.#goals.push({ position, met: settle(met), failed: settle(failed) });
    });
  }

  /** Times between frames in which the wall clock went on and the media did not: `{ position, seconds }`. */
  get stalls() {
    const first = this.frames[0];
    const stalls = [];
    for (const [before, after] of pairs(this.frames)) {
      const seconds = (after.at - before.at) / 1000 - (after.pts - before.pts);
      if (seconds > STALL_S) stalls.push({ position: before.pts - first.pts, seconds, from: before.at, to: after.at });
    }
    for (const at of this.waits) {
      const known = stalls.some((stall) => at > stall.from - SAME_STALL_S * 1000 && at < stall.to + SAME_STALL_S * 1000);
      const forSound = this.#soundsChosen.some((chosen) => at >= chosen && at < chosen + SOUND_WAIT_S * 1000);
      if (known || forSound || first === undefined || at < first.at) continue;
      const before = this.frames.findLast((frame) => frame.at <= at) ?? first;
      stalls.push({ position: before.pts - first.pts, seconds: 0, from: at, to: at });
    }
    return stalls.sort((a, b) => a.from - b.from).map(({ position, seconds }) => ({ position: round(position), seconds: round(seconds) }));
  }

  /** Holes in the time stamps: `{ position, frames }`. */
  get holes() {
    const first = this.frames[0];
    const holes = [];
    for (const [before, after] of pairs(this.frames)) {
      const frames = Math.round((after.pts - before.pts) * FPS) - (after.count - before.count);
      if (frames > 0) holes.push({ position: round(before.pts - first.pts), frames });
    }
    return holes;
  }

  get backwards() {
    return pairs(this.frames).filter(([before, after]) => after.pts < before.pts).length;
  }

  /** When the first picture of the instant `date` or a later one was shown, in milliseconds of Unix time. */
  shown(date) {
    return this.frames.find((frame) => frame.date !== undefined && frame.date >= date - 1000 / FPS / 2)?.at;
  }

  /** All figures of the watch; `posted` is when the session was asked for. */
  figures(posted) {
    const [first, last] = [this.frames[0], this.frames.at(-1)];
    if (first === undefined) return { frames: 0, startMissing: 0, missing: 0, dropped: 0, stalls: [], startStalls: [] };
    const [startStalls, stalls] = split(this.stalls, startsUp);
    const [startHoles, holes] = split(this.holes, startsUp).map((some) => some.reduce((sum, hole) => sum + hole.frames, 0));
    const behind = this.frames.filter((frame) => frame.date !== undefined).map((frame) => (frame.at - frame.date) / 1000);
    return {
      startMs: Math.round(first.at - posted),
      watchedS: round(last.pts - first.pts),
      frames: last.count - first.count + 1,
      startMissing: startHoles,
      missing: Math.max(0, holes - this.dropped),
      holes: this.holes,
      dropped: this.dropped,
      startStalls,
      stalls,
      clockS: this.ages.length === 0 ? undefined : round(median(this.ages) / 1000),
      clocksRead: this.ages.length,
      latencyS: behind.length === 0 ? undefined : round(median(behind)),
      latencyMostS: behind.length === 0 ? undefined : round(Math.max(...behind)),
    };
  }
}

function pairs(list) {
  return list.slice(1).map((after, at) => [list[at], after]);
}

function split(list, test) {
  return [list.filter(test), list.filter((one) => !test(one))];
}

function median(values) {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
}

function round(value) {
  return Math.round(value * 100) / 100;
}
