// The keys: whose they are, what they open, until when, and when they were used last.

import { attribute, h, keyed, text, toggle } from "../../dom";
import type { Key } from "../api";
import type { Desk, DeskState } from "../desk";
import { moment } from "../figures";
import { expiryWords, isExpired, scopeWords, termWords, usedWords } from "../keys";
import type { KeyForm } from "./key-form";
import { mark } from "./marks";
import { panel, showTrouble, tableFrame } from "./panel";
import type { Question } from "./question";

const COLUMNS = ["Key", "Role", "May use", "Made, UTC", "Expires, UTC", "Last used, UTC"];

interface Row extends HTMLTableRowElement {
  key?: Key;
}

export function keysPanel(desk: Desk, makeForm: (closed: () => void) => KeyForm, question: Question): { element: HTMLElement; dialogs: readonly HTMLElement[] } {
  const parts = panel("keys", "Keys", () => desk.refresh("keys"));
  const add = h("button", { type: "button", class: "quiet-button" }, "New key");
  const form = makeForm(() => add.focus());
  add.addEventListener("click", () => form.open());
  const tally = h("span", { class: "tally" });
  parts.aside.append(tally, add);
  const body = h("tbody", {});
  const heads = COLUMNS.map((name) => h("th", { scope: "col" }, name));
  const table = h("table", {}, h("caption", { class: "said" }, "Keys of this tenant. Times are UTC."), h("thead", {}, h("tr", {}, ...heads, h("th", { scope: "col" }, h("span", { class: "said" }, "Action")))), body);
  const frame = tableFrame("Table of keys", table);
  const empty = h("p", { class: "hint empty" });
  parts.element.append(empty, frame);
  const rows = new Map<string, Row>();

  const revoke = (key: Key) =>
    question.ask({
      title: "Revoke this key?",
      who: `${key.name || "A key without a name"} (${key.id}).`,
      what: "It opens nothing from then on. Sessions that were made with it go on.",
      keep: "Keep it",
      go: "Revoke it",
      act: () => desk.change((client) => client.revokeKey(key.id), `${key.name || key.id} is revoked`, "keys"),
      closed: (done) => done && parts.heading.focus(),
    });

  function make(): Row {
    const drop = h("button", { type: "button", class: "quiet-button end" }, "Revoke");
    const expired = mark("expired");
    const cell = (...content: HTMLElement[]) => h("td", {}, ...content);
    const row: Row = h(
      "tr",
      {},
      h("th", { scope: "row" }, h("span", { class: "device" }), h("code", {})),
      cell(),
      cell(h("span", { class: "scopes" }), h("span", { class: "slot-note" })),
      h("td", { class: "time" }),
      cell(h("span", { class: "time expiry" }), h("span", { class: "expired-mark" }, expired.element)),
      h("td", { class: "time" }),
      h("td", { class: "action" }, drop, h("span", { class: "hint fixed" }, "Of the configuration")),
    );
    drop.addEventListener("click", () => row.key !== undefined && revoke(row.key));
    return row;
  }

  function showRow(row: Row, key: Key, nowMs: number): void {
    row.key = key;
    const at = (selector: string) => row.querySelector(selector) as HTMLElement;
    text(at(".device"), key.name || "No name");
    toggle(at(".device"), "unnamed", key.name === "");
    text(at("code"), key.id);
    text(row.cells[1] as HTMLElement, key.role === "device" ? "Device" : "Operator");
    text(at(".scopes"), scopeWords(key));
    text(at(".slot-note"), termWords(key));
    text(row.cells[3] as HTMLElement, key.created_at === null ? "–" : moment(Date.parse(key.created_at), nowMs));
    text(at(".expiry"), expiryWords(key, nowMs));
    attribute(at(".expired-mark"), "hidden", !isExpired(key, nowMs));
    text(row.cells[5] as HTMLElement, usedWords(key, nowMs));
    const fixed = key.origin === "config";
    attribute(at(".fixed"), "hidden", !fixed);
    attribute(at("button"), "hidden", fixed);
    attribute(at("button"), "aria-label", `Revoke ${key.name || key.id}`);
  }

  desk.onChange(({ keys }: DeskState) => {
    showTrouble(parts.trouble, keys);
    const all = keys.value ?? [];
    const nowMs = keys.atMs ?? 0;
    keyed(body, rows, all, ({ id }) => id, make).forEach((row, at) => showRow(row, all[at] as Key, nowMs));
    const over = all.filter((key) => isExpired(key, nowMs)).length;
    text(tally, all.length === 0 ? "" : `${all.length} in all${over === 0 ? "" : `, ${over} expired`}`);
    attribute(frame, "hidden", all.length === 0);
    attribute(empty, "hidden", all.length > 0);
    text(empty, keys.value !== null ? "There are no keys." : keys.trouble === null ? "Reading the keys…" : "");
  });
  return { element: parts.element, dialogs: form.elements };
}
