// A session in words: how it ended, what was billed of it. Pure.

import type { OperatedSession, SessionDetail } from "./api";
import { costs, count, labelList, moment, timeOf } from "./figures";

const ENDS: Record<string, string> = {
  device: "its device ended it",
  operator: "an operator ended it",
  idle: "no playlist was asked for any more",
  unrestorable: "it could not be taken up again after a restart",
};

/** Why it ended; a reason that a newer service has is told as it is. */
export function endReason(reason: string | null): string {
  return reason === null ? "nobody knows why" : (ENDS[reason] ?? reason.replaceAll("_", " "));
}

const SHORTLY: Record<string, string> = { device: "by its device", operator: "by an operator", idle: "as idle", unrestorable: "at a restart" };

/** `Ended 16:04:05 by its device`. */
export function endWords({ ended_at: at, end_reason: reason }: OperatedSession, nowMs: number): string {
  const when = at === null ? "" : ` ${moment(Date.parse(at), nowMs)}`;
  return `Ended${when}${reason === null ? "" : ` ${SHORTLY[reason] ?? `(${reason.replaceAll("_", " ")})`}`}`;
}

/** `Ended 16:04:05: its device ended it`; `Active`. */
export function stateWords({ state, ended_at: at, end_reason: reason }: OperatedSession, nowMs: number): string {
  if (state === "active") return "Active";
  const when = at === null ? "" : ` ${moment(Date.parse(at), nowMs)}`;
  return `Ended${when}: ${endReason(reason)}`;
}

/** `3 minutes, 0.0120 EUR, final`. */
export function billWords({ billed }: SessionDetail): string {
  const minutes = billed.minutes === 1 ? "1 minute" : `${count(billed.minutes)} minutes`;
  const parts = [minutes, billed.costs.length === 0 ? "no tariff prices them" : costs(billed.costs), billed.state === "final" ? "final" : "draft, may still grow"];
  return parts.join(", ");
}

/** What is told of a session, by name. `title`: what a game is called. */
export function sessionFacts(session: SessionDetail, nowMs: number, title: (game: string) => string): [name: string, words: string][] {
  const time = (at: string | null | undefined) => (at ? `${moment(Date.parse(at), nowMs)} UTC` : "–");
  const told: [string, string | null][] = [
    ["State", stateWords(session, nowMs)],
    ["Begun", time(session.created_at)],
    ["Last seen", time(session.last_seen_at)],
    ["Games", session.games.map(title).join(", ")],
    ["Layout", `${session.layout}, ${session.engine}`],
    ["Market", session.market ?? null],
    ["Region", session.region ?? null],
    ["Skin", session.skin ?? null],
    ["Labels", labelList(session.labels) === "–" ? null : labelList(session.labels)],
    ["Billable time", timeOf(session.billable_seconds)],
    ["Billed", billWords(session)],
  ];
  return told.filter((one): one is [string, string] => one[1] !== null);
}
