import assert from "node:assert/strict";
import { test } from "node:test";
import { ending, reasonOf, wasWanted } from "../../src/ending";

test("every reason has words of its own, and none is made up", () => {
  const reasons = (["device", "operator", "idle", "unrestorable", null] as const).map((reason) => ending(reason));
  assert.equal(new Set(reasons.map((one) => one.note)).size, reasons.length);
  assert.match(ending("operator").note, /operator/);
  assert.doesNotMatch(`${ending(null).title} ${ending(null).note}`, /operator|restart|paus/);
});

test("a reason that this page does not know is none", () => {
  assert.equal(reasonOf("idle"), "idle");
  for (const value of ["toString", "evicted", "", null, undefined, 3, {}]) assert.equal(reasonOf(value), null, String(value));
});

test("only what somebody wanted keeps a page that comes back from beginning anew", () => {
  assert.deepEqual((["device", "operator", "idle", "unrestorable", null] as const).filter(wasWanted), ["device", "operator"]);
});
