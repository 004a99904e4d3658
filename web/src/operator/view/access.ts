// The title bar, and the form that asks for the operator key.

import { attribute, h, text, toggle } from "../../dom";
import { brand } from "../../view/brand";
import { VIEWS, type Access, type Desk, type DeskState, type View } from "../desk";

const ACCESS_WORDS: Record<Access, string> = {
  no_key: "No key",
  checking: "Connecting",
  open: "Connected",
  refused: "Key refused",
  unreachable: "No answer",
};

const VIEW_WORDS: Record<View, string> = { overview: "Overview", art: "Art and skins", markets: "Markets", keys: "Keys", webhooks: "Webhooks", audit: "Audit log" };

/** The way to each view. */
function views(desk: Desk): HTMLElement {
  const links = VIEWS.map((view) => ({ view, link: h("a", { href: `#${view}` }, VIEW_WORDS[view]) }));
  const nav = h("nav", { class: "views", "aria-label": "Views", hidden: true }, ...links.map(({ link }) => link));
  desk.onChange((state) => {
    attribute(nav, "hidden", state.access !== "open");
    for (const { view, link } of links) attribute(link, "aria-current", view === state.view ? "page" : null);
  });
  return nav;
}

export function header(desk: Desk, forgetKey: () => void): HTMLElement {
  const connection = h("span", { class: "connection" });
  const pause = h("button", { type: "button", class: "quiet-button" }, "Pause updates");
  pause.addEventListener("click", () => desk.setPaused(!desk.state.paused));
  const forget = h("button", { type: "button", class: "quiet-button" }, "Forget key");
  forget.addEventListener("click", forgetKey);
  desk.onChange((state: DeskState) => {
    const broken = Object.values([state.sessions, state.games]).some((part) => part.trouble?.code === "unreachable");
    text(connection, state.access === "open" && broken ? ACCESS_WORDS.unreachable : state.paused && state.access === "open" ? "Paused" : ACCESS_WORDS[state.access]);
    toggle(connection, "good", state.access === "open" && !broken && !state.paused);
    toggle(connection, "bad", broken || state.access === "refused" || state.access === "unreachable");
    attribute(pause, "hidden", state.access !== "open");
    attribute(pause, "aria-pressed", state.paused ? "true" : "false");
    attribute(forget, "hidden", state.access !== "open");
  });
  return h("header", { class: "bar" }, brand("Operator"), views(desk), h("div", { class: "bar-tools" }, connection, pause, forget));
}

export interface AccessForm {
  readonly element: HTMLElement;
  /** Puts a key into the field, for the person to change. */
  offer(key: string): void;
  focus(): void;
}

export function accessForm(desk: Desk, useKey: (key: string) => void): AccessForm {
  const input = h("input", { id: "operator-key", type: "password", autocomplete: "off", spellcheck: "false", required: true, "aria-describedby": "operator-key-hint" });
  const submit = h("button", { type: "submit", class: "main-button" }, "Open");
  const words = h("p", {});
  const said = h("div", { class: "access-trouble", role: "alert" }, words);
  const form = h(
    "form",
    { class: "access-form", "aria-labelledby": "access-title", novalidate: true },
    h("h2", { id: "access-title" }, "Operator key"),
    h("p", { class: "hint", id: "operator-key-hint" }, "This browser keeps the key until you choose “Forget key”. It is sent to this service only."),
    h("label", { for: "operator-key" }, "Key"),
    h("div", { class: "access-row" }, input, submit),
    said,
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const key = input.value.trim();
    if (key !== "") return useKey(key);
    text(words, "Enter a key first.");
    input.focus();
  });
  desk.onChange(({ access, accessTrouble }: DeskState) => {
    attribute(submit, "aria-busy", access === "checking" ? "true" : null);
    text(submit, access === "checking" ? "Checking…" : "Open");
    attribute(input, "aria-invalid", access === "refused" ? "true" : null);
    text(words, accessTrouble === null ? "" : `${accessTrouble.title}. ${accessTrouble.detail}`.trim());
  });
  return {
    element: h("div", { class: "access" }, form),
    offer: (key) => {
      input.value = key;
      input.focus();
    },
    focus: () => input.focus(),
  };
}
