import assert from "node:assert/strict";
import { test } from "node:test";
import type { Picks } from "../../src/picks";
import { ScreenTimeline } from "../../src/timeline";

const picks = (...games: string[]): Picks => ({ layout: "4E", games });

test("a change shows from its instant on, not before", () => {
  const timeline = new ScreenTimeline();
  assert.equal(timeline.shown(), null);
  const [first, second] = [picks("a"), picks("b")];
  timeline.push(100, first);
  assert.equal(timeline.shown(), first, "nothing plays yet: what was asked for first is what comes");
  assert.equal(timeline.pending(), null);
  // Playback starts behind the live edge, in pictures before the session's own first one.
  assert.equal(timeline.show(98), false);
  timeline.push(105, second);
  assert.equal(timeline.show(104), false);
  assert.equal(timeline.shown(), first);
  assert.equal(timeline.pending()?.at, 105);
  assert.equal(timeline.show(105), true);
  assert.equal(timeline.shown(), second);
  assert.equal(timeline.pending(), null);
});

test("what comes before the first picture that moves stands still", () => {
  const timeline = new ScreenTimeline();
  timeline.push(100, picks("a"));
  assert.equal(timeline.stands(), false, "nothing is on the screen");
  for (const [at, stands] of [[97, true], [99, true], [100, false], [101, false]] as const) {
    timeline.show(at);
    assert.equal(timeline.stands(), stands, String(at));
  }
  timeline.push(110, picks("b"));
  assert.equal(timeline.stands(), false, "a change to come is not a start");
});

test("a later change for the same instant replaces the earlier one", () => {
  const timeline = new ScreenTimeline();
  timeline.push(1, picks("a"));
  timeline.push(10, picks("b"));
  timeline.push(10, picks("c"));
  timeline.show(10);
  assert.deepEqual(timeline.shown()?.games, ["c"]);
});

test("several changes wait their turn", () => {
  const timeline = new ScreenTimeline();
  timeline.push(1, picks("a"));
  timeline.show(8);
  timeline.push(10, picks("b"));
  timeline.push(12, picks("c"));
  assert.equal(timeline.pending()?.at, 12);
  timeline.show(11);
  assert.deepEqual(timeline.shown()?.games, ["b"]);
  assert.equal(timeline.show(14), true);
  assert.deepEqual(timeline.shown()?.games, ["c"]);
});

test("who goes back sees the picks of then, and no change that is to come", () => {
  const timeline = new ScreenTimeline();
  timeline.push(100, picks("a"));
  timeline.push(110, picks("b"));
  timeline.show(111);
  timeline.push(120, picks("c"));
  timeline.show(121);
  assert.ok(timeline.show(112));
  assert.deepEqual(timeline.shown()?.games, ["b"]);
  assert.equal(timeline.pending(), null, "it was on the screen already");
  timeline.show(90);
  assert.deepEqual(timeline.shown()?.games, ["a"], "before the session it shows what it showed first");
  assert.ok(timeline.knows());
  timeline.push(130, picks("d"));
  assert.equal(timeline.pending()?.at, 130);
});

test("a page that was loaded anew does not know what was shown before the last change", () => {
  const timeline = new ScreenTimeline(false);
  timeline.push(100, picks("a"));
  timeline.show(98);
  assert.ok(timeline.knows(), "it is about to begin");
  timeline.show(101);
  assert.ok(timeline.knows());
  timeline.show(99);
  assert.ok(!timeline.knows());
});
