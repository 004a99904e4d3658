// Puts the operators' page together.

import { h, text, attribute } from "./dom";
import { OperatorClient } from "./operator/api";
import { AuditLog } from "./operator/audit";
import { Desk, VIEWS, type View } from "./operator/desk";
import { accessForm, header } from "./operator/view/access";
import { assetsPanel } from "./operator/view/assets";
import { auditPanel } from "./operator/view/audit";
import { breakForm } from "./operator/view/break-form";
import { fillPanel } from "./operator/view/fill";
import { gameForm } from "./operator/view/game-form";
import { gamesPanel } from "./operator/view/games";
import { keyForm } from "./operator/view/key-form";
import { keysPanel } from "./operator/view/keys";
import { marketForm } from "./operator/view/market-form";
import { marketsPanel } from "./operator/view/markets";
import { Pictures } from "./operator/view/pictures";
import { question } from "./operator/view/question";
import { sessionBox } from "./operator/view/session-box";
import { sessionsPanel } from "./operator/view/sessions";
import { skinForm } from "./operator/view/skin-form";
import { skinsPanel } from "./operator/view/skins";
import { summary } from "./operator/view/summary";
import { todayPanel } from "./operator/view/today";
import { usagePanel } from "./operator/view/usage";
import { webhooksPanel } from "./operator/view/webhooks";
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
const asking = question(desk);
const pictures = new Pictures(desk);
const [games, breaks, skins, markets] = [gameForm(desk), breakForm(desk), skinForm(desk, pictures), marketForm(desk)];
const box = sessionBox(desk);
const keys = keysPanel(desk, (closed) => keyForm(desk, closed), asking);
const webhooks = webhooksPanel(desk, asking);
const audit = new AuditLog({ ask: (question) => desk.ask(question), nowMs: () => Date.now(), save, say: (words) => desk.say(words) });
const board = (name: string, ...content: HTMLElement[]) => h("div", { class: "board", tabindex: "-1", "aria-label": name, role: "group" }, ...content);
const boards: Record<View, HTMLElement> = {
  overview: board(
    "Overview",
    summary(desk),
    sessionsPanel(desk, asking, box),
    h("div", { class: "side" }, todayPanel(desk), gamesPanel(desk, games, breaks, asking)),
    usagePanel(desk, () => Date.now()),
  ),
  art: board("Art and skins", assetsPanel(desk, pictures, asking), skinsPanel(desk, pictures, skins, asking)),
  markets: board("Markets", marketsPanel(desk, markets, asking), fillPanel(desk)),
  keys: board("Keys", keys.element),
  webhooks: board("Webhooks", webhooks.element),
  audit: board("Audit log", auditPanel(desk, audit)),
};
const dialogs = [asking.element, box.element, ...keys.dialogs, ...webhooks.dialogs, games.element, breaks.element, skins.element, markets.element];
const said = h("p", { class: "said", role: "status", "aria-live": "polite" });
const bar = header(desk, () => {
  forget(KEY_ITEM);
  desk.useKey("");
});
(document.getElementById("app") ?? document.body).append(bar, h("main", {}, form.element, ...Object.values(boards)), ...dialogs, said);

const kept = read(KEY_ITEM) ?? "";
let access = desk.state.access;
// A kept key is most likely good: the form would only flash up.
let trying = kept !== "";
desk.onChange((state) => {
  const open = state.access === "open";
  const entered = !trying;
  if (state.access !== "no_key" && state.access !== "checking") trying = false;
  attribute(form.element, "hidden", open || trying);
  for (const view of VIEWS) attribute(boards[view], "hidden", !open || view !== state.view);
  text(said, state.said);
  if (state.access === access) return;
  const before = access;
  access = state.access;
  const accepted = desk.acceptedKey();
  if (accepted !== null) {
    write(KEY_ITEM, accepted);
    // The form had the focus; who comes back with a kept key begins at the top.
    if (entered) boards[state.view].focus({ preventScroll: true });
  }
  // A key that is refused is not worth keeping.
  if (access === "refused") forget(KEY_ITEM);
  if (before === "open") form.offer("");
  else if (access === "refused" || access === "unreachable") form.focus();
});

/** The view that the address names. */
function viewInAddress(): View {
  const named = location.hash.slice(1);
  return VIEWS.find((view) => view === named) ?? "overview";
}

window.addEventListener("hashchange", () => {
  const view = viewInAddress();
  const moved = view !== desk.state.view;
  desk.setView(view);
  // After the page is drawn anew: what is hidden takes no focus.
  if (moved && desk.state.access === "open") setTimeout(() => boards[view].focus({ preventScroll: true }));
  if (moved) window.scrollTo(0, 0);
});
desk.setView(viewInAddress());

document.addEventListener("visibilitychange", () => desk.setHidden(document.hidden));
desk.setHidden(document.hidden);
form.offer(kept);
desk.useKey(kept);
