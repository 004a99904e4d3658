import assert from "node:assert/strict";
import { test } from "node:test";
import type { Client, Cue } from "../../src/api";
import { BreakWatch, breaksOf, breakWords, inBreak, marks, type GameBreak } from "../../src/breaks";
import { clock, type Reach } from "../../src/past";
import { INITIAL, type ViewerState } from "../../src/state";

const NOON = Date.parse("2026-11-27T12:00:00Z");
const ago = (seconds: number) => NOON - 1000 * seconds;
const REACH: Reach = { oldest: ago(600), live: NOON, now: NOON, at: NOON, isLive: true };
const title = (game: string) => game.toUpperCase();

function cue(id: string, from: number, to: number | null, more: Partial<Cue> = {}): Cue {
  return { id, kind: "break", direction: "out", state: "ended", starts_at: new Date(from).toISOString(), ends_at: to === null ? null : new Date(to).toISOString(), ...more };
}

test("breaks are what leads out of the programme", () => {
  const cues = [cue("x", ago(60), ago(30)), cue("y", ago(20), null, { state: "open" }), cue("back", ago(30), ago(30), { direction: "in" }), cue("p", ago(90), null, { kind: "programme", direction: "none" }), cue("none", ago(5), ago(5))];
  assert.deepEqual(breaksOf("a", cues), [
    { id: "a x", game: "a", from: ago(60), to: ago(30) },
    { id: "a y", game: "a", from: ago(20), to: null },
  ]);
});

test("a mark is where its break was, cut to the bar, and says which and when", () => {
  const breaks: GameBreak[] = [
    { id: "runs", game: "b", from: ago(60), to: null },
    { id: "was", game: "a", from: ago(300), to: ago(180) },
    { id: "longer", game: "a", from: ago(900), to: ago(540) },
    { id: "gone", game: "a", from: ago(900), to: ago(700) },
    { id: "comes", game: "a", from: NOON + 5_000, to: NOON + 30_000 },
    { id: "planned", game: "c", from: ago(30), to: NOON + 30_000 },
  ];
  const shown = marks(breaks, REACH, title);
  assert.deepEqual(
    shown.map(({ id, from, to }) => [id, from, to]),
    [["longer", 0, 0.1], ["was", 0.5, 0.7], ["runs", 0.9, 1], ["planned", 0.95, 1]],
  );
  assert.equal(shown[1]?.words, `Break in A from ${clock(ago(300))} to ${clock(ago(180))}`);
  assert.equal(shown[2]?.words, `Break in B since ${clock(ago(60))}`);
  assert.equal(breakWords(breaks[5]!, "C", NOON), `Break in C since ${clock(ago(30))}`, "it is not over");
  assert.deepEqual(inBreak(breaks, ago(45), title), ["B"]);
  assert.deepEqual(inBreak([...breaks, { id: "within", game: "b", from: ago(50), to: null }], ago(20), title), ["B", "C"]);
  assert.deepEqual(inBreak(breaks, ago(180), title), []);
});

test("each game that is shown is asked about, and one that does not answer keeps its breaks", async () => {
  const known = { id: "b old", game: "b", from: ago(100), to: ago(90) };
  let state: ViewerState = { ...INITIAL, reach: REACH, shown: { layout: "4E", games: ["a", "b", "a"] }, breaks: [known] };
  const asked: [string, number, number][] = [];
  const client = {
    cues: async (game: string, from: number, to: number) => {
      asked.push([game, from, to]);
      if (game === "b") throw new Error("not now");
      return [cue("x", ago(60), null)];
    },
  } as unknown as Client;
  let current: Client | null = client;
  const watch = new BreakWatch(() => current, () => state, (breaks) => (state = { ...state, breaks }));
  await watch.look();
  assert.deepEqual(asked.map(([game]) => game), ["a", "b"]);
  assert.ok(asked.every(([, from, to]) => from === REACH.oldest && to > REACH.live));
  assert.deepEqual(state.breaks, [{ id: "a x", game: "a", from: ago(60), to: null }, known]);
  // Another key was entered meanwhile, or nothing plays any more.
  const before = state.breaks;
  const look = watch.look();
  current = null;
  await look;
  assert.equal(state.breaks, before);
  current = client;
  state = { ...state, reach: null };
  asked.length = 0;
  await watch.look();
  assert.deepEqual(asked, []);
});
