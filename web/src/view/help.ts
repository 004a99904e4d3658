// The keys, told in a box over the page.

import { attribute, h, icon } from "../dom";
import { KEYS, PAST_KEYS } from "../shortcuts";
import type { Viewer, ViewerState } from "../viewer";

export interface Help {
  readonly dialog: HTMLDialogElement;
  toggle(): void;
}

function rowsOf(all: typeof KEYS): HTMLElement[] {
  return all.map(([keys, does]) => h("div", { class: "help-row" }, h("dt", {}, ...keys.map((key) => h("kbd", {}, key))), h("dd", {}, does)));
}

export function help(viewer: Viewer): Help {
  const [rows, pastRows] = [rowsOf(KEYS), rowsOf(PAST_KEYS)];
  viewer.onChange(({ reach }: ViewerState) => {
    for (const row of pastRows) attribute(row, "hidden", reach === null);
  });
  const close = h("button", { type: "button", class: "icon-button", "aria-label": "Close", title: "Close" }, icon("close"));
  const dialog = h(
    "dialog",
    { class: "help", "aria-labelledby": "help-title" },
    h("div", { class: "help-head" }, h("h2", { id: "help-title" }, "Keys"), close),
    h("dl", { class: "help-keys" }, ...rows, ...pastRows),
    h("p", { class: "hint" }, "They rest while you type in a field."),
  );
  close.addEventListener("click", () => dialog.close());
  // A press beside the box lands on the dialog itself.
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  return { dialog, toggle: () => (dialog.open ? dialog.close() : dialog.showModal()) };
}
