// Figures, times and names as operators read them. Pure. All times are UTC: that is what the ledger is kept in.

import type { Cost, UsageQuestion, UsageRow } from "./api";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];

/** `12,345`. */
export function count(value: number): string {
  return value.toLocaleString("en");
}

/** A decimal of the service with its thousands told apart. No digit of it is lost, so it never becomes a number. */
export function amount(decimal: string): string {
  const [, sign = "", whole = "", fraction = ""] = /^(-?)(\d+)(\.\d+)?$/.exec(decimal.trim()) ?? [];
  return whole === "" ? decimal : sign + whole.replace(/\B(?=(\d{3})+$)/g, ",") + fraction;
}

/** `0.4840 EUR`; several currencies one after the other; a dash when nothing has a price. */
export function costs(values: readonly Cost[] | undefined): string {
  return values === undefined || values.length === 0 ? "–" : values.map(({ cost, currency }) => `${amount(cost)} ${currency}`).join(" + ");
}

/** Time as a clock has it, `2:21`, `1:02:05`: minutes are what is billed, by the contract's rounding, and this is not. */
export function timeOf(billableSeconds: number): string {
  const whole = Math.floor(billableSeconds);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours === 0 ? `${minutes}:${two(whole % 60)}` : `${hours}:${two(minutes)}:${two(whole % 60)}`;
}

/** `4 s ago`, `3 min ago`, `2 h ago`, `5 d ago`. */
export function ago(thenMs: number, nowMs: number): string {
  if (Number.isNaN(thenMs)) return "–";
  const seconds = Math.max(0, Math.round((nowMs - thenMs) / 1000));
  if (seconds < 90) return `${seconds} s ago`;
  if (seconds < 90 * 60) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 36 * 3600) return `${Math.round(seconds / 3600)} h ago`;
  return `${Math.round(seconds / 86_400)} d ago`;
}

const two = (value: number) => String(value).padStart(2, "0");

/** `22 Nov`. */
function dayAndMonth(date: Date): string {
  return `${date.getUTCDate()} ${(MONTHS[date.getUTCMonth()] ?? "").slice(0, 3)}`;
}

/** `16:04:05`, with the day before it when that is not the day of `nowMs`. */
export function moment(thenMs: number, nowMs: number): string {
  if (Number.isNaN(thenMs)) return "–";
  const date = new Date(thenMs);
  const clock = `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())}`;
  return dayStart(thenMs) === dayStart(nowMs) ? clock : `${dayAndMonth(date)} ${clock}`;
}

/** `22 Nov 2026, 16:00 UTC`. */
export function instant(thenMs: number): string {
  if (Number.isNaN(thenMs)) return "–";
  const date = new Date(thenMs);
  return `${dayAndMonth(date)} ${date.getUTCFullYear()}, ${two(date.getUTCHours())}:${two(date.getUTCMinutes())} UTC`;
}

export function dayStart(nowMs: number): number {
  return Math.floor(nowMs / DAY_MS) * DAY_MS;
}

const rfc3339 = (ms: number) => new Date(ms).toISOString().replace(".000Z", "Z");

/** The question that today's chart asks. */
export function todayByHour(nowMs: number): UsageQuestion {
  const startMs = dayStart(nowMs);
  return { from: rfc3339(startMs), to: rfc3339(startMs + DAY_MS), groupBy: "hour" };
}

/** `2026-11`, of the month that `nowMs` lies in. */
export function monthOf(nowMs: number): string {
  return new Date(nowMs).toISOString().slice(0, 7);
}

/** This month and those before it, newest first. */
export function lastMonths(nowMs: number, wanted: number): string[] {
  const now = new Date(nowMs);
  return Array.from({ length: wanted }, (_, back) => monthOf(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - back, 1)));
}

/** `November 2026`. */
export function monthName(month: string): string {
  const [year, number] = month.split("-");
  return `${MONTHS[Number(number) - 1] ?? month} ${year}`;
}

export function wholeMonth(month: string, groupBy: string): UsageQuestion {
  const [year, number] = month.split("-").map(Number) as [number, number];
  return { from: rfc3339(Date.UTC(year, number - 1, 1)), to: rfc3339(Date.UTC(year, number, 1)), groupBy };
}

/** What a row is of. A label that a session does not have, and no market, is an empty word. */
export function rowKey(row: UsageRow, groupBy: string): string {
  const of = groupBy.startsWith("label:") ? row.label : groupBy === "session" ? row.session_id : row[groupBy as "day" | "hour" | "game" | "layout" | "tier" | "market"];
  return of ?? "";
}

/** `quadrille-usage-2026-11-by-day.csv`; the FOCUS table is a CSV too, and says so before the ending. */
export function fileName(month: string, groupBy: string, format: "csv" | "json" | "focus"): string {
  const grouping = groupBy.replace(/[^\w.-]+/g, "-");
  return `quadrille-usage-${month}-by-${grouping}${format === "focus" ? "-focus.csv" : `.${format}`}`;
}

/** `client=web, plan=gold`; a dash when there is none. */
export function labelList(labels: Record<string, string> | undefined): string {
  const pairs = Object.entries(labels ?? {}).map(([name, value]) => (value === "" ? name : `${name}=${value}`));
  return pairs.length === 0 ? "–" : pairs.join(", ");
}
