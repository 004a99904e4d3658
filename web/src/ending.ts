// Why a session is over, in words for a viewer. Pure.

/** As the service names them; null where it does not say. */
export type EndReason = "device" | "operator" | "idle" | "unrestorable" | "restricted" | null;

export interface Ending {
  readonly reason: EndReason;
  readonly title: string;
  readonly note: string;
}

const WORDS: Record<Exclude<EndReason, null>, { title: string; note: string }> = {
  device: { title: "Session ended", note: "It was ended from another page or device." },
  operator: { title: "Ended by the operator", note: "The operator of this service has ended the session." },
  idle: { title: "Ended after a pause", note: "Nothing was played for a while, so the session was closed." },
  restricted: { title: "Not available", note: "A game on it may no longer be shown here." },
  unrestorable: { title: "Session lost", note: "The service was restarted and could not take it up again." },
};

/** `value` if it is a reason that this page knows; services of another version may say less or more. */
export function reasonOf(value: unknown): EndReason {
  return typeof value === "string" && Object.hasOwn(WORDS, value) ? (value as EndReason) : null;
}

export function ending(reason: EndReason): Ending {
  const words = reason === null ? { title: "Session ended", note: "The service has ended it." } : WORDS[reason];
  return { reason, ...words };
}

/** Whether somebody wanted the end, so that a page which comes back must not begin anew by itself. */
export function wasWanted(reason: EndReason): boolean {
  return reason === "device" || reason === "operator";
}
