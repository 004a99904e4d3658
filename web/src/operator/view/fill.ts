// What breaks came to, market by market.

import { attribute, h, keyed, text } from "../../dom";
import type { MarketFill } from "../api";
import type { Desk, DeskState } from "../desk";
import { costs, count } from "../figures";
import { errorWords, fillWords } from "../market";
import { panel, showTrouble, tableFrame } from "./panel";

const COLUMNS = ["Market", "Filled", "Advertisements, s", "Slate, s", "Begun", "Seen to the end", "Decisions", "Sessions", "Minutes billed", "Cost", "Errors by VAST's code"];

/** What was watched meanwhile; dashes where the service does not say. */
function watchedWords({ sessions, billed_minutes: minutes, costs: sums }: MarketFill): string[] {
  return [sessions === undefined ? "–" : count(sessions), minutes === undefined ? "–" : count(minutes), costs(sums)];
}

export function fillPanel(desk: Desk): HTMLElement {
  const parts = panel("fill", "Breaks of the last thirty days", () => desk.refresh("fill"));
  const body = h("tbody", {});
  const heads = COLUMNS.map((name) => h("th", { scope: "col" }, name));
  const table = h("table", {}, h("caption", { class: "said" }, "What breaks came to, by market"), h("thead", {}, h("tr", {}, ...heads)), body);
  const frame = tableFrame("Table of what breaks came to", table);
  const empty = h("p", { class: "hint empty" });
  parts.element.append(empty, frame);
  const rows = new Map<string, HTMLTableRowElement>();
  const make = () => h("tr", {}, h("th", { scope: "row" }), ...COLUMNS.slice(1).map((_, at) => h("td", at + 2 < COLUMNS.length ? { class: "number" } : {})));

  function showRow(row: HTMLTableRowElement, its: MarketFill): void {
    const words = [its.market, fillWords(its), count(Math.round(its.advertisement_s)), count(Math.round(its.slate_s)), count(its.play_outs), count(its.completes), count(its.decisions), ...watchedWords(its), errorWords(its)];
    words.forEach((word, at) => text(row.cells[at] as HTMLElement, word));
  }

  desk.onChange(({ fill }: DeskState) => {
    showTrouble(parts.trouble, fill);
    const all = fill.value?.markets ?? [];
    keyed(body, rows, all, ({ market }) => market, make).forEach((row, at) => showRow(row, all[at] as MarketFill));
    attribute(frame, "hidden", all.length === 0);
    attribute(empty, "hidden", all.length > 0);
    text(empty, fill.value !== null ? "No market has shown anything else than the programme in breaks." : fill.trouble === null ? "Reading what breaks came to…" : "");
  });
  return parts.element;
}
