// Puts the operators' page together.

import { h, text, attribute } from "./dom";
import { OperatorClient } from "./operator/api";
import { Desk } from "./operator/desk";
import { accessForm, header } from "./operator/view/access";
import { gamesPanel } from "./operator/view/games";
import { sessionsPanel } from "./operator/view/sessions";
import { summary } from "./operator/view/summary";
import { todayPanel } from "./operator/view/today";
import { usagePanel } from "./operator/view/usage";
import { forget, read, write } from "./storage";

const KEY_ITEM = "quadrille.operator_key";
// Long enough for the browser to have taken the file over.
const FILE_KEPT_MS = 60_000;

declare global {
  interface Window {
    /** For tests and support: what the operators' page knows. */
    quadrilleDesk: { readonly state: Desk["state"] };
  }
}

function save(name: string, content: Blob): void {
  const url = URL.createObjectURL(content);
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), FILE_KEPT_MS);
}

const desk = new Desk({ makeClient: (key) => new OperatorClient(key), nowMs: () => Date.now(), save });
Object.defineProperty(window, "quadrilleDesk", {
  value: {
    get state() {
      return desk.state;
    },
  },
});

const form = accessForm(desk, (key) => desk.useKey(key));
const sessions = sessionsPanel(desk);
const board = h(
  "div",
  { class: "board", tabindex: "-1", "aria-label": "Overview", role: "group" },
  summary(desk),
  sessions.element,
  h("div", { class: "side" }, todayPanel(desk), gamesPanel(desk)),
  usagePanel(desk, () => Date.now()),
);
const said = h("p", { class: "said", role: "status", "aria-live": "polite" });
const bar = header(desk, () => {
  forget(KEY_ITEM);
  desk.useKey("");
});
(document.getElementById("app") ?? document.body).append(bar, h("main", {}, form.element, board), sessions.dialog, said);

const kept = read(KEY_ITEM) ?? "";
let access = desk.state.access;
// A kept key is most likely good: the form would only flash up.
let trying = kept !== "";
desk.onChange((state) => {
  const open = state.access === "open";
  const entered = !trying;
  if (state.access !== "no_key" && state.access !== "checking") trying = false;
  attribute(form.element, "hidden", open || trying);
  attribute(board, "hidden", !open);
  text(said, state.said);
  if (state.access === access) return;
  const before = access;
  access = state.access;
  const accepted = desk.acceptedKey();
  if (accepted !== null) {
    write(KEY_ITEM, accepted);
    // The form had the focus; who comes back with a kept key begins at the top.
    if (entered) board.focus({ preventScroll: true });
  }
  // A key that is refused is not worth keeping.
  if (access === "refused") forget(KEY_ITEM);
  if (before === "open") form.offer("");
  else if (access === "refused" || access === "unreachable") form.focus();
});

document.addEventListener("visibilitychange", () => desk.setHidden(document.hidden));
desk.setHidden(document.hidden);
form.offer(kept);
desk.useKey(kept);
