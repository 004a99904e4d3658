// Webhooks in words. Pure.

import type { EventType, Webhook, WebhookDelivery, WebhookTest } from "./api";
import { count, moment } from "./figures";

/** The former secret is good for so long after a rotation. */
const ROTATION_MS = 24 * 3_600_000;

/** All types of events, with when each is told. */
const EVENTS: Record<EventType, string> = {
  "session.started": "a session was made",
  "session.ended": "a session is over",
  "game.live": "a game has pictures",
  "game.slate": "a game has none",
  "game.restricted": "a card takes its place",
  "break.started": "a game is in a break",
  "break.ended": "the break is over",
  "usage.threshold": "a month came to an amount",
  "usage.cap": "a month came to a cap",
  "capacity.low": "the machine is short of room",
};

/** Types of events by their names, for a choice. */
export const EVENT_CHOICES: ReadonlyMap<string, string> = new Map(Object.entries(EVENTS).map(([type, words]) => [type, `${type}: ${words}`]));

export function eventsWords({ events }: Webhook): string {
  return events === null ? "all" : events.join(", ");
}

/** What is behind its state; empty where nothing is to be said. */
export function stateWords({ state, failing_since, disabled_at, disabled_reason }: Webhook, nowMs: number): string {
  const since = (at: string | null) => (at === null ? "" : `since ${moment(Date.parse(at), nowMs)}`);
  if (state === "failing") return since(failing_since);
  if (state !== "disabled") return "";
  return `${since(disabled_at)}: ${disabled_reason === "gone" ? "it answered that it is gone (410)" : "it took nothing for three days"}`;
}

/** When it took something last. */
export function takenWords({ last_delivered_at: at }: Webhook, nowMs: number): string {
  return at === null ? "nothing taken yet" : `taken ${moment(Date.parse(at), nowMs)}`;
}

/** `3`; `3, and 12 lost`: too many waited then. */
export function waitingWords({ pending, lost }: Webhook): string {
  return lost === 0 ? count(pending) : `${count(pending)}, and ${count(lost)} lost`;
}

/** Until when the former secret is good, too; empty where there is none. */
export function secretWords({ rotated_at: at }: Webhook, nowMs: number): string {
  if (at === null) return "";
  const untilMs = Date.parse(at) + ROTATION_MS;
  return untilMs > nowMs ? `signed with the former secret, too, until ${moment(untilMs, nowMs)}` : "";
}

/** What came of an attempt, and what follows: `status 503, in 12 ms; again from 16:04:05 on`. */
export function attemptWords({ delivered, status, error, took_ms, next_attempt_at: next }: WebhookDelivery, nowMs: number): string {
  const came = delivered ? `status ${status}, in ${count(took_ms)} ms` : `${error ?? "no answer"}, after ${count(took_ms)} ms`;
  if (delivered) return came;
  return `${came}; ${next === null ? "not sent again" : `again from ${moment(Date.parse(next), nowMs)} on`}`;
}

/** What came of a test. */
export function testWords({ delivered, status, error, took_ms }: WebhookTest): string {
  if (delivered) return `The test event was taken: status ${status}, in ${count(took_ms)} ms.`;
  return `The test event was not taken: ${error ?? "no answer"}, after ${count(took_ms)} ms.`;
}
