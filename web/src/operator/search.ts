// Looking for sessions, ended ones too: the service does it, some thousands at a time.

import type { OperatedSession, OperatorClient } from "./api";

export interface Question {
  /** What stands in a session's id or its device's; empty: any. */
  readonly text: string;
  readonly state: "active" | "ended" | "all";
  /** A game's id; empty: any. */
  readonly game: string;
  /** `plan=gold`, or `plan`; empty: any. */
  readonly label: string;
  /** Of fields for times, UTC: `2026-11-28T16:00`; empty: whenever. */
  readonly from: string;
  readonly to: string;
}

export interface Found {
  readonly question: Question;
  readonly sessions: readonly OperatedSession[];
  /** Where to look on; null where all of them were looked through. */
  readonly next: string | null;
}

/** As many as are shown at once, and more when somebody asks. */
export const FOUND_PAGE = 50;
/** Pages without enough in them that are read one after the other. */
export const PAGES_MAX = 10;

/** What the service is asked with. */
export function wantedOf({ text, state, game, label, from, to }: Question): Record<string, string> {
  const time = (value: string) => (value === "" ? "" : `${value}${value.length === 16 ? ":00" : ""}Z`);
  const all = { state: state === "all" ? "" : state, q: text, game, label, from: time(from), to: time(to) };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== ""));
}

async function look(client: OperatorClient, before: Found, wanted: number, isWanted: () => boolean): Promise<Found> {
  const sessions = [...before.sessions];
  const asked = wantedOf(before.question);
  let { next } = before;
  for (let page = 0; page < PAGES_MAX && isWanted(); page++) {
    const answer = await client.sessions(next, Math.min(FOUND_PAGE, wanted - sessions.length), asked);
    sessions.push(...answer.sessions);
    next = answer.next_cursor;
    if (next === null || sessions.length >= wanted) break;
  }
  return { question: before.question, sessions, next };
}

/** The newest that are so. `isWanted` is asked before each page. */
export function search(client: OperatorClient, question: Question, isWanted: () => boolean): Promise<Found> {
  return look(client, { question, sessions: [], next: null }, FOUND_PAGE, isWanted);
}

/** Those before them, too. */
export function goOn(client: OperatorClient, found: Found, isWanted: () => boolean): Promise<Found> {
  return look(client, found, found.sessions.length + FOUND_PAGE, isWanted);
}
