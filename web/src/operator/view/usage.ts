// A month's usage: choose, read, download.

import { attribute, h, text } from "../../dom";
import type { Format, UsageReport, UsageRow } from "../api";
import { FORMATS } from "../api";
import type { Desk, DeskState } from "../desk";
import { amount, costs, count, instant, lastMonths, monthName, rowKey } from "../figures";
import { mark } from "./marks";
import { pager, panel, showTrouble, tableFrame, TroubleLine } from "./panel";

const MONTHS_OFFERED = 36;
const ROWS_A_PAGE = 50;
const FORMAT_WORDS: Record<Format, string> = { csv: "CSV", json: "JSON", focus: "FOCUS" };
const GROUPS: readonly [string, string][] = [
  ["day", "Day"],
  ["session", "Session"],
  ["game", "Game"],
  ["layout", "Layout"],
  ["tier", "Tier"],
  ["output", "Output"],
  ["market", "Market"],
  ["label:", "Label…"],
];

const groupWord = (groupBy: string) => (groupBy.startsWith("label:") ? `label ${groupBy.slice(6)}` : groupBy);

/** One column: its name, whether it holds figures, and what stands in it. */
interface Column {
  readonly name: string;
  readonly number: boolean;
  readonly has: (report: UsageReport) => boolean;
  readonly cell: (row: UsageRow) => string;
  readonly total: (report: UsageReport) => string;
}

/** `2026-11-22 16:04`. */
const minuteWords = (time: string | undefined) => time?.slice(0, 16).replace("T", " ") ?? "–";

const COLUMNS: readonly Column[] = [
  {
    name: "First minute",
    number: false,
    has: ({ rows }) => rows.some((row) => row.first_minute !== undefined),
    cell: (row) => minuteWords(row.first_minute),
    total: () => "",
  },
  {
    name: "Last minute",
    number: false,
    has: ({ rows }) => rows.some((row) => row.last_minute !== undefined),
    cell: (row) => minuteWords(row.last_minute),
    total: () => "",
  },
  {
    name: "Sessions",
    number: true,
    has: ({ rows }) => rows.some((row) => row.sessions !== undefined),
    cell: (row) => (row.sessions === undefined ? "–" : count(row.sessions)),
    // A session may go on over midnight: the days' figures do not add up.
    total: () => "",
  },
  {
    name: "Seconds",
    number: true,
    has: () => true,
    cell: (row) => count(row.billable_seconds),
    total: (report) => count(report.total_billable_seconds),
  },
  {
    name: "Of them slate",
    number: true,
    has: ({ rows }) => rows.some((row) => row.slate_seconds !== undefined),
    cell: (row) => (row.slate_seconds === undefined ? "–" : count(row.slate_seconds)),
    total: () => "",
  },
  {
    name: "Minutes billed",
    number: true,
    has: () => true,
    cell: (row) => (row.billed_minutes === undefined ? "–" : count(row.billed_minutes)),
    total: (report) => (report.total_billed_minutes === undefined ? "–" : count(report.total_billed_minutes)),
  },
  {
    name: "Cost",
    number: true,
    has: ({ costs: priced, rows }) => (priced?.length ?? 0) > 0 || rows.some((row) => Boolean(row.cost)),
    cell: (row) => (row.cost ? `${amount(row.cost)} ${row.currency ?? ""}`.trim() : "–"),
    total: (report) => costs(report.costs),
  },
];

function keyCell(desk: Desk, row: UsageRow, groupBy: string): HTMLElement {
  const key = rowKey(row, groupBy);
  if (key === "") return h("th", { scope: "row", class: "unnamed" }, groupBy.startsWith("label:") ? "Without this label" : "Unknown");
  if (groupBy === "session") return h("th", { scope: "row" }, h("code", {}, key));
  if (groupBy === "game" && desk.title(key) !== key) return h("th", { scope: "row" }, `${desk.title(key)} `, h("code", {}, key));
  return h("th", { scope: "row" }, key);
}

const figureCell = (number: boolean, words: string) => h("td", { class: number ? "number" : "time" }, words);

function fill(desk: Desk, table: HTMLTableElement, report: UsageReport, state: DeskState, from: number): void {
  const { month, groupBy } = state.choice;
  const columns = COLUMNS.filter(({ has }) => has(report));
  const keyName = GROUPS.find(([name]) => groupBy.startsWith(name))?.[1] ?? "Row";
  const stated = report.rows.some((row) => row.state !== undefined);
  const head = (name: string, number = false) => h("th", { scope: "col", class: number ? "number" : "" }, name);
  const stateCell = (row: UsageRow) => (stated ? h("td", {}, row.state === undefined ? "–" : mark(row.state).element) : null);
  const rows = report.rows
    .slice(from, from + ROWS_A_PAGE)
    .map((row) => h("tr", {}, keyCell(desk, row, groupBy), ...columns.map(({ cell, number }) => figureCell(number, cell(row))), stateCell(row)));
  table.replaceChildren(
    h("caption", { class: "said" }, `Usage of ${monthName(month)} by ${groupWord(groupBy)}`),
    h("thead", {}, h("tr", {}, head(groupBy.startsWith("label:") ? groupBy.slice(6) : keyName), ...columns.map(({ name, number }) => head(name, number)), stated ? head("State") : null)),
    h("tbody", {}, ...rows),
    h("tfoot", {}, h("tr", {}, h("th", { scope: "row" }, "Total"), ...columns.map(({ total, number }) => figureCell(number, total(report))), stated ? h("td", {}) : null)),
  );
}

/** What the figures are worth, and how to read them. */
function notes(report: UsageReport, groupBy: string): string {
  const words: string[] = [];
  if (report.state === "final") words.push("Final: nothing in it changes any more.");
  else if (report.closed_until && Date.parse(report.closed_until) > Date.parse(report.from)) words.push(`Draft: final until ${instant(Date.parse(report.closed_until))}, the rest may still grow.`);
  else if (report.state === "draft") words.push("Draft: all of it may still grow.");
  if (groupBy === "game") words.push("A session's seconds count for each of its games, so they add up to more than the total; minutes and cost are shared out.");
  if ((report.costs?.length ?? 0) === 0) words.push("No tariff prices these minutes.");
  return words.join(" ");
}

interface Chooser {
  readonly element: HTMLElement;
  show(state: DeskState): void;
}

function field(id: string, label: string, control: HTMLElement): HTMLElement {
  return h("div", { class: "field" }, h("label", { for: id }, label), control);
}

function chooser(desk: Desk, nowMs: () => number): Chooser {
  const months = h("select", { id: "usage-month" }, ...lastMonths(nowMs(), MONTHS_OFFERED).map((month) => h("option", { value: month }, monthName(month))));
  const groups = h("select", { id: "usage-group" }, ...GROUPS.map(([value, name]) => h("option", { value }, name)));
  const known = h("datalist", { id: "usage-labels" });
  const label = h("input", { id: "usage-label", type: "text", autocomplete: "off", spellcheck: "false", maxlength: 64, list: "usage-labels" });
  const labelField = field("usage-label", "Label's name", label);
  const use = () => {
    const byLabel = groups.value === "label:";
    attribute(labelField, "hidden", !byLabel);
    if (byLabel && label.value.trim() === "") return label.focus();
    desk.chooseMonth({ month: months.value, groupBy: byLabel ? `label:${label.value.trim()}` : groups.value });
  };
  months.addEventListener("change", use);
  groups.addEventListener("change", use);
  label.addEventListener("change", use);
  attribute(labelField, "hidden", true);
  const form = h("form", { class: "fields", "aria-label": "What to show" }, field("usage-month", "Month", months), field("usage-group", "Group by", groups), labelField, known);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    use();
  });
  let names = "";
  return {
    element: form,
    show: ({ sessions }) => {
      const found = [...new Set((sessions.value?.sessions ?? []).flatMap((session) => Object.keys(session.labels ?? {})))].sort();
      if (found.join("\n") === names) return;
      names = found.join("\n");
      known.replaceChildren(...found.map((name) => h("option", { value: name })));
    },
  };
}

function downloads(desk: Desk): Chooser {
  const trouble = new TroubleLine(() => void (last === null ? undefined : desk.download(last)), "download");
  let last: Format | null = null;
  const buttons = FORMATS.map((format) => {
    const button = h("button", { type: "button", class: "quiet-button" });
    button.addEventListener("click", () => {
      last = format;
      void desk.download(format);
    });
    return { format, button };
  });
  const group = h("div", { class: "downloads", role: "group", "aria-label": "Download" }, ...buttons.map(({ button }) => button));
  return {
    element: h("div", { class: "downloads-frame" }, group, trouble.element),
    show: ({ downloading, downloadTrouble }) => {
      for (const { format, button } of buttons) {
        text(button, downloading === format ? "Fetching…" : FORMAT_WORDS[format]);
        attribute(button, "aria-label", `Download ${FORMAT_WORDS[format]}`);
        attribute(button, "aria-disabled", downloading === null ? null : "true");
      }
      trouble.show(downloadTrouble);
    },
  };
}

export function usagePanel(desk: Desk, nowMs: () => number): HTMLElement {
  const parts = panel("usage", "Usage by month", () => desk.refreshMonth());
  const choose = chooser(desk, nowMs);
  const files = downloads(desk);
  const again = h("button", { type: "button", class: "quiet-button" }, "Read again");
  again.addEventListener("click", () => desk.refreshMonth());
  const note = h("p", { class: "hint note", role: "status" });
  const empty = h("p", { class: "hint empty" });
  const table = h("table", {});
  const frame = tableFrame("Table of usage", table);
  let from = 0;
  let shown: UsageReport | null = null;
  const draw = (state: DeskState) => {
    const report = state.month.value;
    if (report === null) return;
    fill(desk, table, report, state, from);
    const to = Math.min(from + ROWS_A_PAGE, report.rows.length);
    pages.show(`${count(from + 1)}–${count(to)} of ${count(report.rows.length)}`, from > 0, to < report.rows.length);
  };
  const pages = pager("Pages of usage", "Previous", "Next", (step) => {
    from = Math.max(0, from + step * ROWS_A_PAGE);
    draw(desk.state);
  });
  parts.element.append(h("div", { class: "tools" }, choose.element, again, files.element), note, empty, frame, pages.element);
  let chosen = desk.state.choice;
  let titles = "";
  desk.onChange((state: DeskState) => {
    const { month, choice } = state;
    choose.show(state);
    files.show(state);
    showTrouble(parts.trouble, month);
    if (choice !== chosen) from = 0;
    chosen = choice;
    const report = month.value;
    const rows = report?.rows.length ?? 0;
    if (from >= rows) from = 0;
    attribute(frame, "hidden", rows === 0);
    attribute(empty, "hidden", rows > 0);
    text(empty, report !== null ? `Nothing was watched in ${monthName(choice.month)}.` : month.trouble === null ? "Reading the month…" : "");
    text(note, report === null || rows === 0 ? "" : notes(report, choice.groupBy));
    // Titles may come later than the rows that they name.
    const named = choice.groupBy === "game" ? (state.games.value ?? []).map(({ title }) => title).join("\n") : "";
    if (report === shown && named === titles) return;
    [shown, titles] = [report, named];
    if (rows === 0) pages.show("", false, false);
    else draw(state);
  });
  return parts.element;
}
