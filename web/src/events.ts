// What happened on the page, for tests and support.

export interface Logged {
  readonly at_ms: number;
  readonly kind: string;
  readonly [detail: string]: unknown;
}

const EVENTS_MAX = 500;

/** Adds to `events`; the oldest goes when there are many. */
export function note(events: Logged[], event: { kind: string; [detail: string]: unknown }): void {
  events.push({ at_ms: Math.round(performance.now()), ...event });
  if (events.length > EVENTS_MAX) events.shift();
}
