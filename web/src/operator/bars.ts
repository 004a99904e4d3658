// A day's hours as bars. Pure: where they stand on the paper is for the view.

import type { Standing, UsageReport } from "./api";

export interface Hour {
  /** 0 to 23, UTC. */
  readonly hour: number;
  readonly minutes: number;
  readonly billableSeconds: number;
  /** By currency, as decimals. */
  readonly costs: ReadonlyMap<string, string>;
  readonly standing: Standing;
}

/** The hours of the report's day that something was watched in, in order. */
export function hoursOf(report: UsageReport): Hour[] {
  const hours = new Map<number, { minutes: number; billableSeconds: number; costs: Map<string, string>; standing: Standing }>();
  for (const row of report.rows) {
    const at = new Date(row.hour ?? Number.NaN).getUTCHours();
    if (Number.isNaN(at)) continue;
    const known = hours.get(at) ?? { minutes: 0, billableSeconds: 0, costs: new Map<string, string>(), standing: row.state ?? "draft" };
    known.minutes += row.billed_minutes ?? 0;
    known.billableSeconds += row.billable_seconds;
    if (row.state === "draft") known.standing = "draft";
    // One row an hour and currency: there is nothing to add up.
    if (row.cost && row.currency) known.costs.set(row.currency, row.cost);
    hours.set(at, known);
  }
  return [...hours].sort(([a], [b]) => a - b).map(([hour, known]) => ({ hour, ...known }));
}

/** The currencies in `hours`, in alphabetical order. */
export function currenciesOf(hours: readonly Hour[]): string[] {
  return [...new Set(hours.flatMap(({ costs }) => [...costs.keys()]))].sort();
}

/** The top of an axis that `largest` fits under: 1, 2 or 5 times a power of ten, so that its half is a round figure too. */
export function axisTop(largest: number): number {
  if (!(largest > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(largest));
  const step = [1, 2, 5, 10].find((factor) => largest <= factor * power * (1 + 1e-9)) ?? 10;
  return step * power;
}

/** A tick's figure, as short as it can be. */
export function tick(value: number): string {
  if (value >= 1e6) return `${+(value / 1e6).toPrecision(3)}M`;
  if (value >= 1e4) return `${+(value / 1e3).toPrecision(3)}k`;
  return String(+value.toPrecision(3));
}
