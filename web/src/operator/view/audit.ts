// The audit log: who did what, and whether its chain holds.

import { attribute, h, keyed, text, toggle } from "../../dom";
import type { AuditEntry } from "../api";
import { chainWords, whoWords, type AuditFilter, type AuditLog, type AuditState } from "../audit";
import { AREAS } from "../keys";
import type { Desk } from "../desk";
import { count, moment } from "../figures";
import { mark } from "./marks";
import { panel, TroubleLine, tableFrame } from "./panel";

const COLUMNS: readonly [string, string][] = [["Entry", "number"], ["When, UTC", ""], ["Who", ""], ["What", ""], ["Outcome", ""]];

interface Row extends HTMLTableRowElement {
  showOutcome?: (entry: AuditEntry) => void;
}

function makeRow(): Row {
  const outcome = mark("done");
  const status = h("span", { class: "dim" });
  const row: Row = h("tr", {}, h("th", { scope: "row", class: "number" }), h("td", { class: "time" }), h("td", { class: "who" }), h("td", {}, h("code", { class: "deed" })), h("td", { class: "time" }, outcome.element, " ", status));
  row.showOutcome = (entry) => {
    outcome.show(entry.status >= 400 ? "refused" : "done");
    text(status, String(entry.status));
  };
  return row;
}

/** What is looked for. */
function filterForm(audit: AuditLog): HTMLFormElement {
  const who = h("input", { id: "audit-who", type: "text", autocomplete: "off", spellcheck: "false", maxlength: 200, placeholder: "a key's id" });
  const path = h("select", { id: "audit-path" }, h("option", { value: "" }, "Anything"), ...[...AREAS, "sources"].sort().map((area) => h("option", { value: `/v1/operator/${area}` }, area)));
  const outcome = h("select", { id: "audit-outcome" }, h("option", { value: "" }, "Any"), h("option", { value: "done" }, "Done"), h("option", { value: "refused" }, "Refused"));
  const [from, to] = [h("input", { id: "audit-from", type: "datetime-local" }), h("input", { id: "audit-to", type: "datetime-local" })];
  const look = h("button", { type: "submit", class: "quiet-button" }, "Look");
  const named = (words: string, control: HTMLElement) => h("div", { class: "field" }, h("label", { for: control.id }, words), control);
  const form = h("form", { class: "filter", "aria-label": "Audit log", role: "search", novalidate: true }, named("Who", who), named("What", path), named("Outcome", outcome), named("From, UTC", from), named("Until, UTC", to), h("div", { class: "filter-buttons" }, look));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void audit.look({ who: who.value.trim(), path: path.value, outcome: outcome.value as AuditFilter["outcome"], from: from.value, to: to.value });
  });
  audit.onChange(({ waits }) => attribute(look, "aria-busy", waits ? "true" : null));
  return form;
}

/** Whether the chain holds, when somebody asks; and the file. */
function chainLine(audit: AuditLog): { element: HTMLElement; buttons: readonly HTMLElement[] } {
  const check = h("button", { type: "button", class: "quiet-button" }, "Check the chain");
  const save = h("button", { type: "button", class: "quiet-button" }, "Export");
  check.addEventListener("click", () => void audit.check());
  save.addEventListener("click", () => void audit.save());
  const told = h("p", { class: "chain-words" });
  const head = h("code", { class: "chain-head" });
  const note = h("p", { class: "hint" }, "Its newest digest, to be noted elsewhere: ", head);
  const line = new TroubleLine(() => void audit.check(), "check the chain");
  audit.onChange(({ chain, checks, exports, aside }) => {
    attribute(check, "aria-disabled", checks ? "true" : null);
    attribute(save, "aria-disabled", exports ? "true" : null);
    line.show(aside);
    text(told, checks ? "Digesting all entries anew…" : chain === null ? "" : chainWords(chain));
    toggle(told, "broken", chain !== null && !chain.holds);
    text(head, chain?.head ?? "");
    attribute(note, "hidden", (chain?.head ?? null) === null);
  });
  return { element: h("div", { class: "chain" }, line.element, h("div", { role: "status" }, told), note), buttons: [check, save] };
}

export function auditPanel(desk: Desk, audit: AuditLog): HTMLElement {
  const parts = panel("audit", "Audit log", () => void audit.look());
  const chain = chainLine(audit);
  const again = h("button", { type: "button", class: "quiet-button" }, "Read again");
  again.addEventListener("click", () => void audit.look());
  const tally = h("span", { class: "tally" });
  parts.aside.append(tally, again, ...chain.buttons);
  const body = h("tbody", {});
  const heads = COLUMNS.map(([name, kind]) => h("th", { scope: "col", class: kind }, name));
  const table = h("table", {}, h("caption", { class: "said" }, "What was done on operators' routes, newest first"), h("thead", {}, h("tr", {}, ...heads)), body);
  const frame = tableFrame("Table of the audit log", table);
  const empty = h("p", { class: "hint empty" });
  const more = h("button", { type: "button", class: "quiet-button further" }, "Further back");
  more.addEventListener("click", () => void audit.more());
  parts.element.append(filterForm(audit), chain.element, empty, frame, more);
  const rows = new Map<string, Row>();

  function show(state: AuditState): void {
    parts.trouble.show(state.trouble);
    const all = state.entries ?? [];
    const nowMs = state.atMs ?? 0;
    const keys = desk.state.keys.value;
    keyed(body, rows, all, ({ seq }) => String(seq), makeRow).forEach((row, at) => {
      const entry = all[at] as AuditEntry;
      const [seq, when, who, what] = row.cells;
      text(seq as Node, count(entry.seq));
      text(when as Node, moment(Date.parse(entry.at), nowMs));
      attribute(when as Element, "title", entry.at);
      text(who as Node, whoWords(entry.who, keys));
      attribute(who as Element, "title", entry.who);
      text(what?.firstElementChild as Node, `${entry.method} ${entry.path}`);
      row.showOutcome?.(entry);
    });
    attribute(frame, "hidden", all.length === 0);
    attribute(frame, "aria-busy", state.waits ? "true" : null);
    attribute(empty, "hidden", all.length > 0);
    const isAny = state.filter.who + state.filter.path + state.filter.outcome === "";
    text(empty, state.entries === null ? (state.trouble === null ? "Reading the audit log…" : "") : isAny ? "Nothing was changed in that time." : "Nothing is like that.");
    text(tally, state.entries === null ? "" : state.filter.from === "" ? "the last thirty days" : "");
    attribute(more, "hidden", state.next === null);
    attribute(more, "aria-disabled", state.waits ? "true" : null);
  }
  audit.onChange(show);
  let shown = false;
  desk.onChange(({ access, view }) => {
    const open = access === "open" && view === "audit";
    if (access !== "open" && audit.state.entries !== null) audit.close();
    // Looked at anew each time: nothing of it comes by itself.
    if (open && !shown) void audit.look();
    else if (open) show(audit.state);
    shown = open;
  });
  return parts.element;
}
