// A refusal in words for an operator: what happened, and what can be done. Pure.

import { Problem } from "../api";
import { TOO_LARGE } from "./api";

export interface Trouble {
  readonly title: string;
  readonly detail: string;
  readonly code: string;
  /** Whether the same request may work later. */
  readonly canRetry: boolean;
  readonly retryAfterMs: number;
  /** The field of the request that is wrong, as the service calls it; null where it is none. */
  readonly field: string | null;
}

export function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  // The answer broke off, or was no JSON.
  return new Problem(0, "unreadable", "The answer could not be read", error instanceof Error ? error.message : String(error));
}

/** Whether it is the key that the service refuses. */
export function refusesKey(problem: Problem): boolean {
  return problem.status === 401;
}

/** Whether the key is no operator's at all: a scope that it lacks would be named. */
export function refusesOperator(problem: Problem): boolean {
  return problem.status === 401 || (problem.status === 403 && !("scope" in problem.members));
}

/** Why the page does not open with a key. */
export function refusal(problem: Problem): Trouble {
  if (problem.status !== 403) return trouble(problem);
  return { ...trouble(problem), title: "This key opens no operator routes", detail: "It is a device key. Enter an operator key." };
}

export function trouble(problem: Problem): Trouble {
  const { code, retryAfterS } = problem;
  const field = problem.members["field"];
  const told = { code, retryAfterMs: 1000 * (retryAfterS ?? 0), field: typeof field === "string" ? field : null };
  if (problem.status === 401) return { ...told, title: "This key is not known", detail: "Check it and enter it again.", canRetry: false };
  if (problem.status === 403 && code === "forbidden") {
    const scope = problem.members["scope"];
    if (typeof scope === "string") return { ...told, title: "Your key may not do that", detail: `It lacks the scope ${scope}.`, canRetry: false };
    return { ...told, title: "Your key may not do that", detail: problem.detail, canRetry: false };
  }
  const title = problem.title.replace(/[.\s]*$/, "");
  if (code === TOO_LARGE) return { ...told, title, detail: problem.detail, canRetry: false };
  const again = retryAfterS === null ? "" : ` Try again in ${retryAfterS} s.`;
  const canRetry = problem.status === 0 || problem.status === 429 || problem.status >= 500;
  return { ...told, title, detail: problem.detail + again, canRetry };
}
