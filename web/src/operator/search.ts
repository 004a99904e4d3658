// Looking for sessions. The service lists them and searches nothing, so that pages of them are read and looked through here.

import type { OperatedSession, OperatorClient } from "./api";

export interface Question {
  /** What stands in a session's id, device, games, labels, market or skin; empty: every session. */
  readonly words: string;
  readonly state: "active" | "ended" | "all";
}

export interface Found {
  readonly question: Question;
  readonly sessions: readonly OperatedSession[];
  /** How many were looked through. */
  readonly searched: number;
  /** Whether those were all. */
  readonly all: boolean;
}

/** As many as the service tells at once. */
const PAGE = 1_000;
export const PAGES_MAX = 20;
export const FOUND_MAX = 100;

/** Whether every word stands somewhere in what the session says of itself. `title` is what a game is called. */
export function matches(session: OperatedSession, words: string, title: (game: string) => string = (game) => game): boolean {
  const labels = Object.entries(session.labels ?? {}).map(([name, value]) => `${name}=${value}`);
  const told = [session.id, session.device_id, session.layout, session.market, session.skin, session.end_reason, ...session.games, ...session.games.map(title), ...labels];
  const text = told.filter((one) => typeof one === "string").join("\n").toLowerCase();
  return words.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}

/** Looks through the sessions, newest first, until enough are found or read. `goOn` is asked before each page. */
export async function search(client: OperatorClient, question: Question, title: (game: string) => string, goOn: () => boolean): Promise<Found> {
  const sessions: OperatedSession[] = [];
  let searched = 0;
  let cursor: string | null = null;
  for (let page = 0; page < PAGES_MAX && goOn(); page++) {
    const answer = await client.sessions(cursor, PAGE, question.state);
    for (const session of answer.sessions) {
      searched += 1;
      if (matches(session, question.words, title) && sessions.push(session) >= FOUND_MAX) return { question, sessions, searched, all: false };
    }
    cursor = answer.next_cursor;
    if (cursor === null) return { question, sessions, searched, all: true };
  }
  return { question, sessions, searched, all: false };
}
