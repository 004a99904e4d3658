// Today, hour by hour: minutes and, where a tariff prices them, cost.

import { attribute, h, keyed, text } from "../../dom";
import type { UsageReport } from "../api";
import { currenciesOf, hoursOf, type Hour } from "../bars";
import type { Desk, DeskState } from "../desk";
import { amount, count, instant } from "../figures";
import { chart, type Bar, type Chart } from "./chart";
import { mark } from "./marks";
import { panel, showTrouble, tableFrame } from "./panel";

const clock = (hour: number) => `${String(hour).padStart(2, "0")}:00`;
const minutes = count;

/** A chart with its name above it. */
function figure(id: string, name: string): { element: HTMLElement; chart: Chart } {
  const drawn = chart(id);
  return { element: h("figure", {}, h("figcaption", {}, name), drawn.element), chart: drawn };
}

function bars(hours: readonly Hour[], value: (hour: Hour) => number, words: (hour: Hour) => string): Bar[] {
  return hours.map((hour) => ({
    hour: hour.hour,
    value: value(hour),
    standing: hour.standing,
    words: `${clock(hour.hour)}–${clock(hour.hour + 1)}: ${words(hour)}, ${hour.standing}`,
  }));
}

function inWords(name: string, drawn: readonly Bar[], words: (value: number) => string): string {
  const most = drawn.reduce<Bar | null>((best, bar) => (best === null || bar.value > best.value ? bar : best), null);
  if (most === null) return `${name}: nothing yet.`;
  return `${name}. ${drawn.length} ${drawn.length === 1 ? "hour" : "hours"}; the most from ${clock(most.hour)} UTC: ${words(most.value)}. The table below has all of it.`;
}

/** The same as the charts, for reading. */
function hoursTable(): { element: HTMLElement; show: (hours: readonly Hour[], currencies: readonly string[]) => void } {
  const heads = h("tr", {});
  const body = h("tbody", {});
  const headCells = new Map<string, HTMLTableCellElement>();
  const rows = new Map<string, HTMLTableRowElement>();
  const table = h("table", {}, h("caption", { class: "said" }, "Today by hour, UTC"), h("thead", {}, heads), body);
  return {
    element: h("details", { class: "as-table" }, h("summary", {}, "Hours as a table"), tableFrame("Table of today's hours", table)),
    show: (hours, currencies) => {
      const columns = ["Hour", "Minutes", ...currencies.map((currency) => `Cost, ${currency}`), "State"];
      keyed(heads, headCells, columns, (name) => name, (name) => h("th", { scope: "col", class: name === "Hour" || name === "State" ? "" : "number" }, name));
      keyed(body, rows, hours, ({ hour }) => `${hour} ${currencies.join()}`, ({ hour, standing }) => {
        const state = mark(standing);
        const row = h("tr", {}, h("th", { scope: "row" }, clock(hour)), h("td", { class: "number" }), ...currencies.map(() => h("td", { class: "number" })), h("td", {}, state.element));
        showState.set(row, state.show);
        return row;
      }).forEach((row, at) => {
        const hour = hours[at] as Hour;
        text(row.cells[1] as Node, minutes(hour.minutes));
        currencies.forEach((currency, index) => text(row.cells[2 + index] as Node, amount(hour.costs.get(currency) ?? "–")));
        showState.get(row)?.(hour.standing);
      });
    },
  };
}

const showState = new WeakMap<HTMLElement, (standing: Hour["standing"]) => void>();

export function todayPanel(desk: Desk): HTMLElement {
  const parts = panel("today", "Today", () => desk.refresh("today"));
  const tally = h("span", { class: "tally" });
  parts.aside.append(tally);
  const empty = h("p", { class: "hint empty" });
  const minutesFigure = figure("today-minutes", "Minutes by hour, UTC");
  const costFigures = h("div", { class: "cost-figures" });
  const charts = new Map<string, Chart>();
  const chartElements = new Map<string, HTMLElement>();
  const unpriced = h("p", { class: "hint" });
  const legend = h("p", { class: "legend hint" }, h("span", { class: "swatch final" }), "final", h("span", { class: "swatch draft" }), "draft, may still grow");
  const table = hoursTable();
  const drawing = h("div", { class: "drawing" }, minutesFigure.element, costFigures, unpriced, legend, table.element);
  parts.element.append(empty, drawing);

  const draw = (report: UsageReport) => {
    const hours = hoursOf(report);
    const currencies = currenciesOf(hours);
    const drawn = bars(hours, (hour) => hour.minutes, (hour) => `${minutes(hour.minutes)} minutes`);
    minutesFigure.chart.show(drawn, inWords("Minutes billed by hour today", drawn, (value) => `${minutes(value)} minutes`));
    const make = (currency: string) => {
      const made = figure(`today-cost-${currency.replace(/\W/g, "")}`, `Cost by hour, ${currency}`);
      charts.set(currency, made.chart);
      return made.element;
    };
    keyed(costFigures, chartElements, currencies, (currency) => currency, make);
    for (const currency of currencies) {
      const of = (hour: Hour) => hour.costs.get(currency) ?? "0";
      const priced = bars(hours, (hour) => Number(of(hour)), (hour) => `${amount(of(hour))} ${currency}`);
      charts.get(currency)?.show(priced, inWords(`Cost in ${currency} by hour today`, priced, (value) => `${value} ${currency}`));
    }
    text(unpriced, currencies.length > 0 ? "" : "No tariff prices these minutes.");
    attribute(unpriced, "hidden", currencies.length > 0);
    table.show(hours, currencies);
  };
  desk.onChange(({ today }: DeskState) => {
    showTrouble(parts.trouble, today);
    const report = today.value;
    const nothing = report === null || report.rows.length === 0;
    attribute(empty, "hidden", !nothing);
    attribute(drawing, "hidden", nothing);
    text(empty, report !== null ? "Nothing was watched yet today." : today.trouble === null ? "Reading today's hours…" : "");
    text(tally, closedWords(report));
    if (report !== null) draw(report);
  });
  return parts.element;
}

function closedWords(report: UsageReport | null): string {
  if (!report?.closed_until) return "";
  const closedMs = Date.parse(report.closed_until);
  return closedMs > Date.parse(report.from) ? `Final until ${instant(closedMs).replace(/^.*, /, "")}` : "All of it draft";
}
