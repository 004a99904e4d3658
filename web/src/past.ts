// Going back: which instants there are, how playback gets to one, and how far behind live it is in words. Instants are dates of
// pictures in milliseconds of Unix time, since playlists date them exactly. Pure.

import { seconds } from "./format";

/** What a playlist lists, and where live playback would be by it. */
export interface Span {
  readonly from: number;
  readonly to: number;
  readonly live: number;
}

/** How far back playback can go, and where it is. */
export interface Reach {
  readonly oldest: number;
  readonly live: number;
  /** When the picture of now is taken: how far behind live a picture is counts from here, as its age does. */
  readonly now: number;
  /** What is on the screen; or what was asked for, until it is. */
  readonly at: number;
  /** Whether that is the live edge. */
  readonly isLive: boolean;
}

/** A segment as hls.js lists it. */
export interface Listed {
  /** Media time, in seconds. */
  readonly start: number;
  readonly duration: number;
  readonly programDateTime: number | null;
  readonly gap?: boolean;
}

export const STEP_S = 10;
export const LEAP_S = 60;

// Who comes this near means live: no pictures are ahead of it to play.
const LIVE_WITHIN_MS = 2_000;
// The live window moves on while a slow network stands: too near to its beginning, the segments would be gone before they are loaded.
const WINDOW_MARGIN_MS = 8_000;

/** How playback gets to an instant: by a seek, by another playlist, or by going live. */
export type Way = "seek" | "load" | "live";

/** `slides`: the playlist is the live window, and lists the instant for a while only. */
export function wayTo(at: number, live: number, span: Span | null, slides: boolean): Way {
  if (at >= live - LIVE_WITHIN_MS) return "live";
  if (span === null) return "load";
  return at >= span.from + (slides ? WINDOW_MARGIN_MS : 0) ? "seek" : "load";
}

/** Whether who plays `at` is about to lose it to the window's moving on. */
export function slipsAway(at: number, span: Span | null): boolean {
  return span !== null && at < span.from + WINDOW_MARGIN_MS / 2;
}

export function clamped(at: number, { oldest, live }: { oldest: number; live: number }): number {
  return Math.min(Math.max(at, oldest), Math.max(live, oldest));
}

/** The media time of the picture of `at`; of the next one there is where it was not kept. Null outside of what is listed. */
export function mediaTimeOf(segments: readonly Listed[], at: number): number | null {
  let isInGap = false;
  for (const { start, duration, programDateTime: begins, gap } of segments) {
    if (begins === null) continue;
    const isIn = at >= begins && at < begins + 1000 * duration;
    if (gap) isInGap ||= isIn;
    else if (isInGap) return start;
    else if (isIn) return start + (at - begins) / 1000;
  }
  return null;
}

/** The address that lists everything from `begin` on, where players begin (EXT-X-START); of live without it. */
export function streamUrl(playbackUrl: string, base: string, begin: number | null): string {
  const url = new URL(playbackUrl, base);
  // Viewers choose the sound here, of any game, without another session or a change of this one.
  url.searchParams.set("all_sounds", "true");
  url.searchParams.set("low_latency", "true");
  if (begin !== null) url.searchParams.set("start", new Date(begin).toISOString());
  return url.href;
}

/** `22.4 s`, `3 min 20 s`, `12 min`, `1 h 12 min`: as exact as it matters that far back. */
export function lengthOf(length: number): string {
  if (!(length >= 60)) return seconds(length);
  const whole = Math.floor(length);
  if (whole < 600) return whole % 60 === 0 ? `${whole / 60} min` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min`;
  return minutes % 60 === 0 ? `${minutes / 60} h` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

const UNITS: readonly [short: RegExp, one: string][] = [[/(\d+) s\b/, "second"], [/(\d+) min\b/, "minute"], [/(\d+) h\b/, "hour"]];

/** The same in whole words and seconds, to be read out. */
export function spokenLength(length: number): string {
  const short = length >= 60 ? lengthOf(length) : `${Math.round(length)} s`;
  return UNITS.reduce((words, [unit, one]) => words.replace(unit, (_, count: string) => `${count} ${one}${count === "1" ? "" : "s"}`), short);
}

/** Time of day here, `21:14:05`. */
export function clock(at: number): string {
  const date = new Date(at);
  return [date.getHours(), date.getMinutes(), date.getSeconds()].map((part) => String(part).padStart(2, "0")).join(":");
}

/** How far `at` is behind live, in seconds: the age of its picture. */
export function ageS(at: number, reach: Reach): number {
  return Math.max(0, (reach.now - at) / 1000);
}

/** Where `at` is, to be read out. */
export function spokenPlace(at: number, reach: Reach): string {
  if (at >= reach.live - LIVE_WITHIN_MS) return `live, ${clock(at)}`;
  return `${spokenLength(ageS(at, reach))} behind live, ${clock(at)}`;
}

/** The same to be read, without the time of day. */
export function placeWords(at: number, reach: Reach): string {
  return at >= reach.live - LIVE_WITHIN_MS ? "Live" : `${lengthOf(Math.round(ageS(at, reach))).replace(".0", "")} behind live`;
}
