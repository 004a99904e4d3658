// Looking for sessions, those that ended too.

import { attribute, h } from "../../dom";
import type { Desk, DeskState, Part } from "../desk";
import { count } from "../figures";
import type { Found, Question } from "../search";

/** `3 found`; says when there may be more. */
export function foundWords({ value, waits }: Part<Found>): string {
  if (value === null || waits) return "";
  return `${count(value.sessions.length)} found${value.next === null ? "" : " so far: there are more to look through"} · times in UTC`;
}

export function searchForm(desk: Desk): HTMLElement {
  const text = h("input", { id: "session-text", type: "search", autocomplete: "off", spellcheck: "false", maxlength: 200, placeholder: "a part of either" });
  const state = h("select", { id: "session-state" }, h("option", { value: "active" }, "Active"), h("option", { value: "ended" }, "Ended"), h("option", { value: "all" }, "All"));
  const game = h("select", { id: "session-game" }, h("option", { value: "" }, "Any"));
  const label = h("input", { id: "session-label", type: "text", autocomplete: "off", spellcheck: "false", maxlength: 320, placeholder: "plan=gold" });
  const [from, to] = [h("input", { id: "session-from", type: "datetime-local" }), h("input", { id: "session-to", type: "datetime-local" })];
  const look = h("button", { type: "submit", class: "quiet-button" }, "Search");
  const back = h("button", { type: "button", class: "quiet-button", hidden: true }, "Back to live sessions");
  const named = (words: string, control: HTMLElement) => h("div", { class: "field" }, h("label", { for: control.id }, words), control);
  const form = h(
    "form",
    { class: "session-search filter", role: "search", "aria-label": "Sessions", novalidate: true },
    named("Device or session", text),
    named("State", state),
    named("Game", game),
    h("div", { class: "filter-buttons" }, look, back),
    h("details", { class: "filter-more" }, h("summary", {}, "By label and time"), h("div", { class: "filter-fields" }, named("Label", label), named("There from, UTC", from), named("Until, UTC", to))),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const question = { text: text.value.trim(), state: state.value as Question["state"], game: game.value, label: label.value.trim(), from: from.value, to: to.value };
    void desk.search(question);
  });
  back.addEventListener("click", () => {
    form.reset();
    desk.endSearch();
    text.focus();
  });
  let offered = "";
  desk.onChange(({ found, games }: DeskState) => {
    attribute(back, "hidden", found === null);
    attribute(look, "aria-busy", found?.waits === true ? "true" : null);
    const all = (games.value ?? []).map(({ id, title }) => [id, title] as const);
    const now = JSON.stringify(all);
    if (now === offered) return;
    offered = now;
    const chosen = game.value;
    game.replaceChildren(h("option", { value: "" }, "Any"), ...all.map(([id, title]) => h("option", { value: id }, title)));
    // One that is gone meanwhile is still looked for.
    if (chosen !== "" && !all.some(([id]) => id === chosen)) game.append(h("option", { value: chosen }, chosen));
    game.value = chosen;
  });
  return form;
}
