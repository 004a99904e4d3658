import assert from "node:assert/strict";
import { test } from "node:test";
import { neighbour, type Direction } from "../../src/directions";
import { shortcutOf, type Focus, type Stroke } from "../../src/shortcuts";
import { LAYOUTS } from "./samples";

const EVERYWHERE: Focus[] = ["page", "field", "arrows", "button", "slot", "game"];

function stroke(key: string, change: Partial<Stroke> = {}): Stroke {
  return { key, shiftKey: false, ctrlKey: false, metaKey: false, altKey: false, isComposing: false, repeat: false, ...change };
}

test("nothing is a shortcut while somebody types", () => {
  for (const key of [" ", "m", "f", "1", "?", "Escape", "ArrowLeft"]) assert.equal(shortcutOf(stroke(key), "field", false), null, key);
});

test("the browser's own chords stay its own", () => {
  for (const held of ["ctrlKey", "metaKey", "altKey", "isComposing"] as const) {
    for (const key of [" ", "f", "1", "ArrowLeft"]) assert.equal(shortcutOf(stroke(key, { [held]: true }), "page", false), null, `${held} ${key}`);
  }
});

test("letters and digits do the same everywhere else", () => {
  for (const focus of EVERYWHERE.filter((one) => one !== "field")) {
    assert.deepEqual(shortcutOf(stroke("m"), focus, false), { kind: "mute" });
    assert.deepEqual(shortcutOf(stroke("C"), focus, false), { kind: "captions" });
    assert.deepEqual(shortcutOf(stroke("F", { shiftKey: true }), focus, false), { kind: "full_screen" });
    assert.deepEqual(shortcutOf(stroke("4"), focus, false), { kind: "sound", slot: 3 });
    assert.deepEqual(shortcutOf(stroke("?", { shiftKey: true }), focus, false), { kind: "help" });
    assert.deepEqual(shortcutOf(stroke("j"), focus, false), { kind: "rewind", seconds: -10 });
    assert.deepEqual(shortcutOf(stroke("L"), focus, false), { kind: "rewind", seconds: 10 });
    assert.equal(shortcutOf(stroke("5"), focus, false), null);
    assert.equal(shortcutOf(stroke("m", { repeat: true }), focus, false), null, "a key held down toggles once");
  }
});

test("space presses a button that the keyboard came to, and plays or pauses everywhere else", () => {
  const plays = (focus: Focus, pressed: boolean) => shortcutOf(stroke(" "), focus, pressed)?.kind === "play";
  assert.ok(plays("page", false));
  for (const focus of ["button", "slot", "game"] as const) {
    assert.ok(!plays(focus, false), focus);
    assert.ok(plays(focus, true), `${focus}, clicked before`);
  }
  assert.ok(!plays("arrows", true) && !plays("arrows", false));
});

test("arrows move among slots and games; with shift a slot's game moves; the page still scrolls", () => {
  assert.deepEqual(shortcutOf(stroke("ArrowUp", { repeat: true }), "slot", false), { kind: "move", direction: "up" });
  assert.deepEqual(shortcutOf(stroke("ArrowRight", { shiftKey: true }), "slot", false), { kind: "swap", direction: "right" });
  assert.deepEqual(shortcutOf(stroke("ArrowDown"), "game", false), { kind: "move", direction: "down" });
  assert.deepEqual(shortcutOf(stroke("ArrowLeft"), "page", false), { kind: "move", direction: "left" });
  assert.equal(shortcutOf(stroke("ArrowDown"), "page", false), null);
  assert.equal(shortcutOf(stroke("ArrowLeft"), "arrows", false), null, "a slider keeps its arrows");
  assert.equal(shortcutOf(stroke("ArrowLeft", { shiftKey: true }), "game", false), null);
});

test("the neighbour is the slot that one would point at", () => {
  const to = (layout: string, from: number, direction: Direction) => neighbour(LAYOUTS.find((one) => one.id === layout)!.slots, from, direction);
  assert.deepEqual((["left", "right", "up", "down"] as const).map((one) => to("4E", 0, one)), [-1, 1, -1, 2]);
  assert.deepEqual((["left", "right", "up", "down"] as const).map((one) => to("4E", 3, one)), [2, -1, 1, -1]);
  assert.deepEqual((["left", "right", "up", "down"] as const).map((one) => to("4PL", 0, one)), [-1, 2, -1, -1], "the one straight ahead");
  assert.deepEqual((["left", "up", "down"] as const).map((one) => to("4PL", 2, one)), [0, 1, 3]);
  assert.equal(to("3EL", 0, "down"), 2);
  assert.equal(to("1", 0, "right"), -1);
  assert.equal(neighbour([], -1, "left"), -1);
});
