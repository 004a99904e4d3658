// The break that a game is in, in words. Pure.

import type { RunningBreak } from "./api";
import { moment } from "./figures";
import { lasting } from "./health";

/** What a break without a length is. */
export const DURATION_HINT = "Empty: until you end it, half an hour at most.";

/** `In a break since 20:14:05, for 24 s more`; empty without one. */
export function breakWords(running: RunningBreak | null | undefined, nowMs: number): string {
  if (!running) return "";
  const since = `In a break since ${moment(Date.parse(running.starts_at), nowMs)}`;
  const endsMs = Date.parse(running.ends_at ?? "");
  if (Number.isNaN(endsMs)) return `${since}, until it is ended`;
  return endsMs > nowMs ? `${since}, for ${lasting(endsMs - nowMs)} more` : since;
}

/** The seconds of a field: null where it is empty, NaN where it holds no length. */
export function secondsOf(text: string): number | null {
  const words = text.trim().replace(",", ".");
  if (words === "") return null;
  const seconds = Number(words);
  return seconds > 0 && Number.isFinite(seconds) ? seconds : Number.NaN;
}
