// A refusal in words for a viewer: what happened, why, and what can be done. Pure.

import type { Problem } from "./api";
import { list } from "./format";

export interface Explained {
  readonly title: string;
  readonly detail: string;
  /** What to do about it; empty when there is nothing. */
  readonly advice: string;
  readonly code: string;
  /** Whether the same request may work later. */
  readonly canRetry: boolean;
}

/** What the refusal says is allowed, as a sentence; empty when it says nothing. */
function allowedIn(problem: Problem): string {
  const allowed = problem.members["allowed"];
  if (Array.isArray(allowed)) {
    const words = allowed.filter((item) => typeof item === "string" || typeof item === "number").map(String);
    return words.length > 0 ? `Allowed: ${list(words)}.` : "";
  }
  return typeof allowed === "string" ? `Allowed: ${allowed}.` : "";
}

function adviceFor(problem: Problem): { advice: string; canRetry: boolean } {
  const again = problem.retryAfterS === null ? "Try again in a moment." : `Try again in ${problem.retryAfterS} s.`;
  switch (problem.code) {
    case "capacity":
      return {
        // Mosaics are shared: one that runs already costs nothing more.
        advice: `Pick games and a layout that others are watching, or ${again.charAt(0).toLowerCase()}${again.slice(1)}`,
        canRetry: true,
      };
    case "unauthorized":
      return { advice: "Enter a valid device key at the top of the page.", canRetry: false };
    case "game_unknown":
      return { advice: "That game is no longer offered. Pick another one.", canRetry: false };
    case "session_ended":
    case "session_unknown":
      return { advice: "Press Watch to start a new session.", canRetry: false };
    case "unreachable":
      return { advice: "", canRetry: true };
    default:
      return problem.status >= 500 ? { advice: again, canRetry: true } : { advice: allowedIn(problem), canRetry: false };
  }
}

export function explain(problem: Problem): Explained {
  return { title: problem.title, detail: problem.detail, code: problem.code, ...adviceFor(problem) };
}

/** Games that a link names and this service does not offer, and what else of it there is not. */
export function notOffered(games: readonly string[], others: readonly string[] = []): Explained {
  const title =
    others.length > 0
      ? "Not all of this link is offered here"
      : games.length === 1
        ? "A game of this link is not offered here"
        : "Some games of this link are not offered here";
  const advice = games.length > 0 ? "Pick others in their place." : "";
  return { title, detail: `It names ${list([...games, ...others])}.`, advice, code: "link", canRetry: false };
}

/** The player has tried what it could. */
export function stopped(details: string): Explained {
  return { title: "Playback stopped", detail: `The player gave up (${details}).`, advice: "Press Watch to start again.", code: "player", canRetry: true };
}
