// Asks before something is done that cannot be undone, and says why it could not be done.

import { attribute, h, text } from "../../dom";
import type { Desk } from "../desk";
import type { Trouble } from "../problems";
import { TroubleLine } from "./panel";

export interface Asked {
  /** `End this session?` */
  readonly title: string;
  /** What it is about. */
  readonly who: string;
  /** What comes of it. */
  readonly what: string;
  /** What the buttons say: to leave it, and to do it. */
  readonly keep: string;
  readonly go: string;
  /** Does it; answers what stood in the way, or null. */
  act(): Promise<Trouble | null>;
  /** The box is closed; `done` says whether it was done. */
  closed(done: boolean): void;
}

export interface Question {
  readonly element: HTMLElement;
  ask(asked: Asked): void;
}

export function question(desk: Desk): Question {
  const title = h("h2", { id: "question-title" });
  const who = h("p", { class: "dialog-who" });
  const what = h("p", { class: "hint" });
  const keep = h("button", { type: "button", class: "quiet-button" });
  const go = h("button", { type: "button", class: "danger-button" });
  const trouble = new TroubleLine(() => void act(), "again");
  const dialog = h(
    "dialog",
    { class: "dialog", "aria-labelledby": "question-title", "aria-describedby": "question-what" },
    title,
    h("div", { id: "question-what" }, who, what),
    trouble.element,
    h("div", { class: "dialog-buttons" }, keep, go),
  );
  let asked: Asked | null = null;
  let busy = false;
  let done = false;

  async function act(): Promise<void> {
    if (asked === null || busy) return;
    busy = true;
    attribute(go, "aria-disabled", "true");
    const stood = await asked.act();
    busy = false;
    attribute(go, "aria-disabled", null);
    trouble.show(stood);
    if (stood !== null) return;
    done = true;
    dialog.close();
  }

  keep.addEventListener("click", () => dialog.close());
  go.addEventListener("click", () => void act());
  // Also by the Escape key.
  dialog.addEventListener("close", () => {
    const { closed } = asked ?? {};
    asked = null;
    closed?.(done);
  });
  desk.onChange(({ access }) => {
    if (access !== "open" && dialog.open) dialog.close();
  });
  return {
    element: dialog,
    ask: (wanted) => {
      asked = wanted;
      done = false;
      trouble.show(null);
      text(title, wanted.title);
      text(who, wanted.who);
      text(what, wanted.what);
      text(keep, wanted.keep);
      text(go, wanted.go);
      dialog.showModal();
      keep.focus();
    },
  };
}
