// One session, and what was billed of it.

import { attribute, h, text } from "../../dom";
import type { OperatedSession, SessionDetail } from "../api";
import type { Desk, DeskState } from "../desk";
import { why } from "../health";
import { asProblem, trouble } from "../problems";
import { sessionFacts } from "../session";
import { TroubleLine } from "./panel";

export interface SessionBox {
  readonly element: HTMLDialogElement;
  open(session: OperatedSession): void;
}

export function sessionBox(desk: Desk): SessionBox {
  const title = h("h2", { id: "session-box-title", tabindex: "-1" });
  const id = h("code", { class: "dim" });
  const slates = h("ul", { class: "slate-list", "aria-label": "Slots on slate" });
  const list = h("dl", { class: "facts" });
  const note = h("p", { class: "hint", role: "status" });
  const close = h("button", { type: "button", class: "quiet-button" }, "Close");
  const line = new TroubleLine(() => void read(), "read the session");
  const dialog = h("dialog", { class: "dialog wide-facts", "aria-labelledby": title.id }, title, h("p", {}, id), note, line.element, slates, list, h("div", { class: "dialog-buttons" }, close));
  let shown: OperatedSession | null = null;
  let detail: SessionDetail | null = null;

  function show({ games }: DeskState): void {
    if (shown === null || !dialog.open) return;
    const nowMs = games.atMs ?? Date.now();
    const dark = detail?.state !== "active" ? [] : [...new Set(detail.games)].flatMap((one) => {
      const game = desk.game(one);
      return game === null || game.status === "live" ? [] : [`${game.title}: ${why(game.health, nowMs)}`];
    });
    attribute(slates, "hidden", dark.length === 0);
    slates.replaceChildren(...dark.map((words) => h("li", { class: "slot-why" }, words)));
    const facts = detail === null ? [] : sessionFacts(detail, nowMs, (game) => desk.title(game));
    list.replaceChildren(...facts.flatMap(([name, words]) => [h("dt", {}, name), h("dd", {}, words)]));
  }

  async function read(): Promise<void> {
    const wanted = shown;
    if (wanted === null) return;
    text(note, "Reading what was billed…");
    try {
      const answer = await desk.ask((client) => client.session(wanted.id));
      if (wanted !== shown || answer === null) return;
      detail = answer;
      line.show(null);
    } catch (error) {
      if (wanted !== shown) return;
      line.show(trouble(asProblem(error)));
    }
    text(note, "");
    show(desk.state);
  }

  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => {
    shown = null;
    detail = null;
  });
  desk.onChange((state) => {
    if (state.access !== "open" && dialog.open) dialog.close();
    show(state);
  });
  return {
    element: dialog,
    open: (session) => {
      shown = session;
      detail = null;
      text(title, session.device_id ?? "No device name");
      text(id, session.id);
      line.show(null);
      dialog.showModal();
      title.focus();
      show(desk.state);
      void read();
    },
  };
}
