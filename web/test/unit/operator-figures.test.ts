// What operators read: figures, times, months, names.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { UsageReport, UsageRow } from "../../src/operator/api";
import { axisTop, currenciesOf, hoursOf, tick } from "../../src/operator/bars";
import {
  ago,
  amount,
  costs,
  dayStart,
  fileName,
  instant,
  labelList,
  lastMonths,
  moment,
  monthName,
  rowKey,
  timeOf,
  todayByHour,
  wholeMonth,
} from "../../src/operator/figures";

const NOW = Date.parse("2026-11-22T16:04:05.250Z");

test("money keeps every digit that the service gave", () => {
  assert.equal(amount("0.4840"), "0.4840");
  assert.equal(amount("1234567.10"), "1,234,567.10");
  assert.equal(amount("-12345"), "-12,345");
  assert.equal(amount("123456789012345678901234.0000000001"), "123,456,789,012,345,678,901,234.0000000001");
  assert.equal(amount("n/a"), "n/a");
  assert.equal(costs([{ currency: "EUR", cost: "1000.50" }, { currency: "USD", cost: "2" }]), "1,000.50 EUR + 2 USD");
  assert.equal(costs([]), "–");
  assert.equal(costs(undefined), "–");
});

test("times are UTC, and say the day when it is another one", () => {
  assert.equal(moment(Date.parse("2026-11-22T00:00:09Z"), NOW), "00:00:09");
  assert.equal(moment(Date.parse("2026-11-21T23:59:59Z"), NOW), "21 Nov 23:59:59");
  assert.equal(moment(Number.NaN, NOW), "–");
  assert.equal(instant(Date.parse("2026-11-22T16:00:00Z")), "22 Nov 2026, 16:00 UTC");
  assert.equal(dayStart(NOW), Date.parse("2026-11-22T00:00:00Z"));
  assert.deepEqual([0, 59.9, 121, 3_725].map(timeOf), ["0:00", "0:59", "2:01", "1:02:05"]);
});

test("how long ago something was", () => {
  assert.equal(ago(NOW - 4_400, NOW), "4 s ago");
  assert.equal(ago(NOW + 5_000, NOW), "0 s ago", "clocks differ");
  assert.equal(ago(NOW - 180_000, NOW), "3 min ago");
  assert.equal(ago(NOW - 2 * 3_600_000, NOW), "2 h ago");
  assert.equal(ago(NOW - 5 * 86_400_000, NOW), "5 d ago");
  assert.equal(ago(Date.parse(""), NOW), "–");
});

test("months and days are asked for whole", () => {
  assert.deepEqual(lastMonths(Date.parse("2026-01-31T23:59:59Z"), 3), ["2026-01", "2025-12", "2025-11"]);
  assert.equal(monthName("2026-09"), "September 2026");
  assert.deepEqual(wholeMonth("2026-12", "day"), { from: "2026-12-01T00:00:00Z", to: "2027-01-01T00:00:00Z", groupBy: "day" });
  assert.deepEqual(todayByHour(NOW), { from: "2026-11-22T00:00:00Z", to: "2026-11-23T00:00:00Z", groupBy: "hour" });
});

test("a file is named by its month and grouping, whatever a label is called", () => {
  assert.equal(fileName("2026-11", "day", "csv"), "quadrille-usage-2026-11-by-day.csv");
  assert.equal(fileName("2026-11", "session", "focus"), "quadrille-usage-2026-11-by-session-focus.csv");
  assert.equal(fileName("2026-11", "label:../../a b", "json"), "quadrille-usage-2026-11-by-label-..-..-a-b.json");
});


test("labels in a line", () => {
  assert.equal(labelList({ plan: "gold", trial: "" }), "plan=gold, trial");
  assert.equal(labelList({}), "–");
  assert.equal(labelList(undefined), "–");
});

test("a row is told by the member that is named as its grouping", () => {
  const row: UsageRow = { session_id: "s", day: "2026-11-22", game: "g", label: null, billable_seconds: 1 };
  assert.equal(rowKey(row, "session"), "s");
  assert.equal(rowKey(row, "day"), "2026-11-22");
  assert.equal(rowKey(row, "game"), "g");
  assert.equal(rowKey(row, "label:game"), "", "a label may be called like a grouping");
});

function report(rows: UsageRow[]): UsageReport {
  return { from: "2026-11-22T00:00:00Z", to: "2026-11-23T00:00:00Z", group_by: "hour", rows, total_billable_seconds: 0 };
}

test("hours become bars: minutes, costs, draft or final", () => {
  const hours = hoursOf(
    report([
      { hour: "2026-11-22T16:00:00Z", state: "draft", billable_seconds: 90, billed_minutes: 2, cost: "0.0080", currency: "EUR" },
      { hour: "2026-11-22T03:00:00Z", state: "final", billable_seconds: 60, billed_minutes: 1 },
      { hour: "nonsense", billable_seconds: 5 },
    ]),
  );
  assert.deepEqual(hours.map(({ hour, minutes, standing }) => [hour, minutes, standing]), [[3, 1, "final"], [16, 2, "draft"]]);
  assert.equal(hours[1]?.costs.get("EUR"), "0.0080");
  assert.deepEqual(currenciesOf(hours), ["EUR"]);
  const unpriced = hoursOf(report([{ hour: "2026-11-22T16:00:00Z", billable_seconds: 90 }]));
  assert.deepEqual(unpriced.map(({ minutes, standing }) => [minutes, standing]), [[0, "draft"]], "what is billed is minutes, and nothing else");
  assert.deepEqual(currenciesOf(unpriced), []);
});

test("an hour in two currencies is one bar of minutes", () => {
  const hours = hoursOf(
    report([
      { hour: "2026-11-22T16:00:00Z", state: "final", billable_seconds: 60, billed_minutes: 1, cost: "1", currency: "USD" },
      { hour: "2026-11-22T16:00:00Z", state: "draft", billable_seconds: 120, billed_minutes: 2, cost: "2", currency: "EUR" },
    ]),
  );
  assert.deepEqual(hours.map(({ minutes, standing }) => [minutes, standing]), [[3, "draft"]]);
  assert.deepEqual(currenciesOf(hours), ["EUR", "USD"]);
});

test("an axis ends on a round figure", () => {
  assert.deepEqual([0, 0.3, 1, 7, 42, 199, 200, 201, 999].map(axisTop), [1, 0.5, 1, 10, 50, 200, 200, 500, 1000]);
  assert.deepEqual([0, 0.25, 50, 1000, 12_500, 2.5e6].map(tick), ["0", "0.25", "50", "1000", "12.5k", "2.5M"]);
});
