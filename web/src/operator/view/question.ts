// Asks before a session is ended, and says why it could not be.

import { attribute, h, text } from "../../dom";
import type { OperatedSession } from "../api";
import type { Desk } from "../desk";
import { TroubleLine } from "./panel";

export interface Ending {
  readonly element: HTMLElement;
  /** `closed` is told whether the session was ended. */
  ask(session: OperatedSession, closed: (ended: boolean) => void): void;
}

export function ending(desk: Desk): Ending {
  const who = h("p", { class: "ending-who" });
  const what = h("p", { class: "hint" }, "Its playlists end, its meter stops, and the viewer's picture stops within seconds. This cannot be undone.");
  const cancel = h("button", { type: "button", class: "quiet-button" }, "Keep it");
  const end = h("button", { type: "button", class: "danger-button" }, "End session");
  const trouble = new TroubleLine(() => void go(), "end the session");
  const dialog = h(
    "dialog",
    { class: "ending", "aria-labelledby": "ending-title", "aria-describedby": "ending-what" },
    h("h2", { id: "ending-title" }, "End this session?"),
    h("div", { id: "ending-what" }, who, what),
    trouble.element,
    h("div", { class: "ending-buttons" }, cancel, end),
  );
  let asked: { session: OperatedSession; closed: (ended: boolean) => void } | null = null;
  let busy = false;
  let ended = false;

  async function go(): Promise<void> {
    if (asked === null || busy) return;
    busy = true;
    attribute(end, "aria-disabled", "true");
    const stood = await desk.endSession(asked.session);
    busy = false;
    attribute(end, "aria-disabled", null);
    trouble.show(stood);
    if (stood !== null) return;
    ended = true;
    dialog.close();
  }

  cancel.addEventListener("click", () => dialog.close());
  end.addEventListener("click", () => void go());
  // Also by the Escape key.
  dialog.addEventListener("close", () => {
    const { closed } = asked ?? {};
    asked = null;
    closed?.(ended);
  });
  desk.onChange(({ access }) => {
    if (access !== "open" && dialog.open) dialog.close();
  });
  return {
    element: dialog,
    ask: (session, closed) => {
      asked = { session, closed };
      ended = false;
      trouble.show(null);
      const games = session.games.map((game) => desk.title(game)).join(", ");
      text(who, `${session.device_id ?? session.id} watches ${games}.`);
      dialog.showModal();
      cancel.focus();
    },
  };
}
