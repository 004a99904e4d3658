// Looking for a session.

import { attribute, h } from "../../dom";
import type { Desk, DeskState, Part } from "../desk";
import { count } from "../figures";
import { FOUND_MAX, type Found, type Question } from "../search";

/** `3 found in 1,200`; says when there may be more. */
export function foundWords({ value, waits }: Part<Found>): string {
  if (value === null || waits) return "";
  const more = value.all ? "" : value.sessions.length >= FOUND_MAX ? ", the first of them" : ", the newest: there are more";
  return `${count(value.sessions.length)} found in ${count(value.searched)} looked through${more}`;
}

export function searchForm(desk: Desk): HTMLElement {
  const words = h("input", { id: "session-words", type: "search", autocomplete: "off", spellcheck: "false", maxlength: 200, placeholder: "device, id, label, game, market" });
  const state = h("select", { id: "session-state" }, h("option", { value: "active" }, "Active"), h("option", { value: "ended" }, "Ended"), h("option", { value: "all" }, "All"));
  const look = h("button", { type: "submit", class: "quiet-button" }, "Search");
  const back = h("button", { type: "button", class: "quiet-button", hidden: true }, "Back to live sessions");
  const form = h("form", { class: "session-search", role: "search", "aria-label": "Sessions" }, h("label", { for: words.id, class: "said" }, "Search sessions"), words, h("label", { for: state.id, class: "said" }, "State"), state, look, back);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void desk.search({ words: words.value.trim(), state: state.value as Question["state"] });
  });
  back.addEventListener("click", () => {
    words.value = "";
    desk.endSearch();
    words.focus();
  });
  desk.onChange(({ found }: DeskState) => {
    attribute(back, "hidden", found === null);
    attribute(look, "aria-busy", found?.waits === true ? "true" : null);
  });
  return form;
}
